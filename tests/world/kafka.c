/* The clients of the model of Kafka: what production code sees. */
#include "tests/world/kafka.h"

#include "common/fiber/wait.h"
#include "tests/world/kafka_impl.h"

#define SESSION_MS 45000
#define FETCH_MS 20
#define FETCH_LATE_MS 15000
#define BATCH_MAX 8
#define ACK_MS 5
#define POST_MS 10
#define MESSAGE_BYTES_MAX 1000000

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static struct kafka_part *part_of(struct cw_kafka_in *in, const char *topic, int32_t number)
{
    const struct kafka_partition *p = kafka_partition_of(topic, number);
    struct kafka_part *part = in->parts;
    while (part != NULL && part->at != p)
        part = part->next;
    return part;
}

void kafka_error(struct cw_kafka_in *in, const char *text)
{
    struct cw_err err = {0};
    (void)cw_err_set(&err, CW_ENET, "%s", text);
    in->ops.error(in->arg, &err, false);
}

static const struct kafka_message *next_message(const struct kafka_part *part)
{
    const struct kafka_partition *p = part->at;
    for (size_t i = 0; i < p->count; i++) {
        if (p->messages[i].offset >= part->position)
            return &p->messages[i];
    }
    return NULL;
}

static bool deliver_one(struct cw_kafka_in *in, struct kafka_part *part)
{
    const struct kafka_message *m = next_message(part);
    if (m == NULL || part->is_paused)
        return false;
    const struct kafka_partition *p = part->at;
    part->position = m->offset + 1;
    if (kafka.watch.delivered != NULL)
        kafka.watch.delivered(kafka.watch_arg, in->loop, p->topic->name, p->number, m->offset);
    const struct cw_kafka_message message = {
        .topic = p->topic->name,
        .partition = p->number,
        .offset = m->offset,
        .timestamp_ms = m->timestamp_ms,
        .key = m->key,
        .value = m->value,
        .headers = m->headers,
        .header_count = m->header_count,
    };
    world_touch("message");
    in->ops.message(in->arg, &message);
    return true;
}

/* In the member's worker. num = the turn and the place of the partition, since the part may be gone. */
static void on_fetched(void *arg, int64_t turn)
{
    struct kafka_partition *p = arg;
    struct cw_kafka_in *in = kafka.clients;
    while (in != NULL && (in->loop != world_running() || !in->is_reading))
        in = in->next;
    struct kafka_part *part = in == NULL ? NULL : part_of(in, p->topic->name, p->number);
    if (part == NULL || part->turn != (uint64_t)turn)
        return;
    part->is_fetching = false;
    for (int64_t n = world_between(1, BATCH_MAX); n > 0; n--) {
        if (!deliver_one(in, part))
            break;
    }
    if (next_message(part) != NULL)
        kafka_fetch_soon(in, part);
}

void kafka_fetch_soon(struct cw_kafka_in *in, struct kafka_part *part)
{
    if (part->is_fetching || part->is_paused || next_message(part) == NULL)
        return;
    part->is_fetching = true;
    int64_t at = CW_MAX(cw_mono_ms(), kafka.down_until);
    at += world_chance(20) ? world_between(1, FETCH_LATE_MS) : world_between(1, FETCH_MS);
    world_post(in->loop, at, on_fetched, part->at, (int64_t)part->turn);
}

void kafka_new_messages(struct kafka_partition *p)
{
    for (struct cw_kafka_in *in = kafka.clients; in != NULL; in = in->next) {
        struct kafka_part *part = world_is_dead(in->loop) ? NULL : part_of(in, p->topic->name, p->number);
        if (part != NULL)
            kafka_fetch_soon(in, part);
    }
}

/* ---- partitions of a member ------------------------------------------------------------------------------------------ */

void kafka_part_begin(struct cw_kafka_in *in, struct kafka_partition *p)
{
    struct kafka_part *part = calloc(1, sizeof *part);
    CW_BUG_ON(part == NULL);
    part->at = p;
    part->turn = p->turn;
    part->position = p->committed >= 0 ? p->committed : in->from_start ? 0 : p->end;
    part->next = in->parts;
    in->parts = part;
    kafka_watch_move(in, p, "assigned");
    in->ops.assigned(in->arg, p->topic->name, p->number, p->committed, p->metadata);
    kafka_fetch_soon(in, part);
}

void kafka_part_end(struct cw_kafka_in *in, struct kafka_part *part, enum cw_kafka_revoke how)
{
    const struct kafka_partition *p = part->at;
    kafka_watch_move(in, p, how == CW_KAFKA_LOST ? "lost" : "revoked");
    in->ops.revoked(in->arg, p->topic->name, p->number, how);
    struct kafka_part **at = &in->parts;
    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
    free(part);
}

int cw_kafka_in_new(struct cw_loop *loop, const struct cw_kafka_in_cfg *cfg,
                    const struct cw_kafka_in_ops *ops, void *arg, struct cw_kafka_in **ret_in,
                    struct cw_err *err)
{
    struct cw_kafka_in *in = calloc(1, sizeof *in);
    if (in == NULL)
        return cw_err_set(err, CW_ENOMEM, "kafka");
    in->loop = loop;
    in->ops = *ops;
    in->arg = arg;
    in->session_ms = cfg->session_timeout_ms > 0 ? cfg->session_timeout_ms : SESSION_MS;
    in->from_start = cfg->from_start_without_offset;
    in->is_reading = true;
    in->next = kafka.clients;
    kafka.clients = in;
    for (size_t i = 0; i < cfg->topic_count; i++) {
        struct kafka_topic *t = kafka_topic_of(cfg->topics[i]);
        CW_PRE(t != NULL);
        t->is_read = true;
    }
    kafka_join(in);
    *ret_in = in;
    return 0;
}

/* A member that was expelled may not know it yet: what it has is lost, not given back. The memory stays: the group may name it. */
void cw_kafka_in_free(struct cw_kafka_in *in, int64_t leave_ms)
{
    (void)leave_ms;
    if (in == NULL)
        return;
    bool is_known = in->is_member && !kafka_is_down();
    while (in->parts != NULL)
        kafka_part_end(in, in->parts, is_known ? CW_KAFKA_REVOKED : CW_KAFKA_LOST);
    in->is_reading = false;
    kafka_leave(in);
    struct cw_kafka_in **at = &kafka.clients;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
}

int cw_kafka_in_pause(struct cw_kafka_in *in, const char *topic, int32_t partition)
{
    struct kafka_part *part = part_of(in, topic, partition);
    if (part == NULL)
        return -CW_EINVAL;
    part->is_paused = true;
    return 0;
}

int cw_kafka_in_resume(struct cw_kafka_in *in, const char *topic, int32_t partition)
{
    struct kafka_part *part = part_of(in, topic, partition);
    if (part == NULL)
        return -CW_EINVAL;
    part->is_paused = false;
    kafka_fetch_soon(in, part);
    return 0;
}

static void on_commit_failed(void *arg, int64_t num)
{
    (void)num;
    struct cw_kafka_in *in = arg;
    if (in->is_reading)
        kafka_error(in, "commit: refused");
}

/* Applied at once: what a client sends before it gives a partition up arrives before the next owner asks. */
int cw_kafka_in_commit(struct cw_kafka_in *in, const char *topic, int32_t partition, int64_t offset,
                       const char *metadata)
{
    struct kafka_part *part = part_of(in, topic, partition);
    size_t n = metadata == NULL ? 0 : strlen(metadata);
    if (part == NULL || offset < 0 || n > KAFKA_METADATA_MAX)
        return -CW_EINVAL;
    world_touch("commit before");
    struct kafka_partition *p = part->at;
    bool is_faulty = kafka_fault();
    bool is_taken = in->is_member && p->owner == in && p->turn == part->turn && !kafka_is_down();
    if (is_taken && !(is_faulty && world_chance(2))) {
        p->committed = offset;
        (void)snprintf(p->metadata, sizeof p->metadata, "%s", metadata == NULL ? "" : metadata);
        if (kafka.watch.committed != NULL)
            kafka.watch.committed(kafka.watch_arg, topic, partition, offset, p->metadata);
    }
    if (!is_taken || is_faulty)
        world_post(in->loop, cw_mono_ms() + world_between(1, 200), on_commit_failed, in, 0);
    world_touch("commit after");
    return 0;
}

int64_t cw_kafka_in_lag(struct cw_kafka_in *in)
{
    int64_t lag = 0;
    for (const struct kafka_part *part = in->parts; part != NULL; part = part->next)
        lag += CW_MAX(part->at->end - part->position, INT64_C(0));
    return lag;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

struct cw_kafka_out {
    struct cw_loop *loop;
    int64_t last_ms; /* when the last record arrives: they keep their order */
    size_t queued;
};

/* A record on its way. */
struct parcel {
    struct kafka_topic *topic;
    struct cw_kafka_record record; /* of our own */
    struct cw_arena *mem;
};

int cw_kafka_out_new(struct cw_loop *loop, const struct cw_kafka_cfg *cfg, struct cw_kafka_out **ret_out,
                     struct cw_err *err)
{
    (void)cfg;
    struct cw_kafka_out *out = calloc(1, sizeof *out);
    if (out == NULL)
        return cw_err_set(err, CW_ENOMEM, "kafka");
    out->loop = loop;
    *ret_out = out;
    return 0;
}

void cw_kafka_out_free(struct cw_kafka_out *out, int64_t flush_ms)
{
    (void)flush_ms;
    free(out);
}

static struct parcel *pack(const struct cw_kafka_record *rec)
{
    struct cw_arena *mem;
    CW_BUG_ON(cw_arena_new((size_t)16 * 1024 * 1024, &mem) < 0);
    struct parcel *parcel = cw_arena_alloc(mem, sizeof *parcel);
    struct cw_kafka_header *headers = cw_arena_alloc_array(mem, rec->header_count + 1, sizeof *headers);
    CW_BUG_ON(parcel == NULL || headers == NULL);
    for (size_t i = 0; i < rec->header_count; i++)
        headers[i] =
            (struct cw_kafka_header){cw_arena_strdup(mem, rec->headers[i].name),
                                     {cw_arena_memdup(mem, rec->headers[i].value.p, rec->headers[i].value.n),
                                      rec->headers[i].value.n}};
    parcel->mem = mem;
    parcel->topic = kafka_topic_of(rec->topic);
    parcel->record = *rec;
    parcel->record.headers = headers;
    if (rec->key.p != NULL)
        parcel->record.key.p = cw_arena_memdup(mem, rec->key.p, rec->key.n);
    if (rec->value.p != NULL)
        parcel->record.value.p = cw_arena_memdup(mem, rec->value.p, rec->value.n);
    return parcel;
}

static void on_parcel(void *arg, int64_t num)
{
    struct parcel *parcel = arg;
    (void)num;
    int32_t place = kafka_place(parcel->topic, &parcel->record);
    (void)kafka_store(&parcel->topic->partitions[place], &parcel->record);
    cw_arena_free(parcel->mem);
}

static int64_t put_on_the_way(struct cw_kafka_out *out, const struct cw_kafka_record *rec, int64_t at_ms)
{
    out->last_ms = CW_MAX(CW_MAX(out->last_ms, at_ms), kafka.down_until);
    world_at(out->last_ms, on_parcel, pack(rec), 0);
    return out->last_ms;
}

static int check_record(const struct cw_kafka_record *rec, struct cw_err *err)
{
    if (kafka_topic_of(rec->topic) == NULL)
        return cw_err_set(err, CW_EREMOTE, "no topic %s", rec->topic);
    if (rec->value.n > MESSAGE_BYTES_MAX)
        return cw_err_set(err, CW_ETOOBIG, "a message of %zu bytes", rec->value.n);
    return 0;
}

/* Nobody answers: the record may arrive when the broker is back. */
static int send_into_the_dark(struct cw_kafka_out *out, const struct cw_kafka_record *rec,
                              struct cw_deadline until, struct cw_err *err)
{
    if (world_chance(2))
        (void)put_on_the_way(out, rec, cw_mono_ms() + world_between(1, ACK_MS));
    world_touch("send dark");
    struct cw_wait w;
    cw_wait_arm(&w);
    int r = cw_wait_for(&w, cw_sooner(until, cw_in_ms(world_between(1000, 30000))));
    return r == -CW_ETIMEDOUT && !cw_is_past(until) ? cw_err_set(err, CW_ENET, "no broker")
                                                    : cw_err_set(err, r, "send");
}

int cw_kafka_send(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct cw_deadline until,
                  struct cw_err *err)
{
    int r = check_record(rec, err);
    if (r < 0)
        return r;
    if (cw_fiber_cancel_reason() != 0)
        return cw_err_set(err, cw_fiber_cancel_reason(), "send");
    world_touch("send before");
    if (rec->begin_by.mono_ms > 0 && cw_is_past(rec->begin_by))
        return cw_err_set(err, CW_ETIMEDOUT, "too late to begin");
    if (kafka_is_down() || kafka_fault())
        return send_into_the_dark(out, rec, until, err);
    int64_t arrives = put_on_the_way(out, rec, cw_mono_ms() + world_between(1, ACK_MS));
    world_touch("send sent");
    struct cw_wait w;
    cw_wait_arm(&w);
    struct cw_deadline acked = {arrives + world_between(0, ACK_MS)};
    r = cw_wait_for(&w, cw_sooner(until, acked));
    if (r != -CW_ETIMEDOUT)
        return cw_err_set(err, r, "send");
    if (until.mono_ms < acked.mono_ms)
        return cw_err_set(err, CW_ETIMEDOUT, "send");
    world_touch("send acked");
    return 0;
}

int cw_kafka_post(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct cw_err *err)
{
    int r = check_record(rec, err);
    if (r == 0 && !kafka_fault())
        (void)put_on_the_way(out, rec, cw_mono_ms() + POST_MS);
    return r;
}

int cw_kafka_check(struct cw_kafka_out *out, const char *const *topics, size_t topic_count,
                   int64_t timeout_ms, struct cw_err *err)
{
    (void)out;
    (void)timeout_ms;
    if (kafka_is_down())
        return cw_err_set(err, CW_ENET, "no broker");
    for (size_t i = 0; i < topic_count; i++) {
        if (kafka_topic_of(topics[i]) == NULL)
            return cw_err_set(err, CW_ENOTFOUND, "no topic %s", topics[i]);
    }
    return 0;
}

size_t cw_kafka_out_queued(const struct cw_kafka_out *out)
{
    return out->queued;
}

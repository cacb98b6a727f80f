#include "worker/engine/intake.h"

#include "worker/engine/legs.h"
#include "worker/engine/window.h"

#define HEADERS_MAX CW_EVENT_HEADERS_MAX

/* A partition that is ours. */
struct partition {
    const char *topic; /* the intake's */
    int32_t number;
    enum cw_lane lane;
    uint64_t generation;
    struct cw_window *window;
    bool is_paused;
    bool is_dirty;     /* the commit may have changed */
    int64_t committed; /* -1 = unknown */
    char meta[CW_WINDOW_META_BYTES + 1];
};

struct topic {
    char *name;                    /* NULL = none */
    struct partition **partitions; /* by number; NULL where not ours */
    size_t count;
};

struct cw_intake {
    struct cw_intake_cfg cfg;
    struct topic topics[CW_LANE__COUNT];
    struct cw_kafka_in *kafka;
    struct cw_timer *timer;
    uint64_t generation; /* of the last assignment */
    size_t assigned;
    bool is_stopped;
};

/* ---- partitions ------------------------------------------------------------------------------------------------------ */

static struct topic *find_topic(struct cw_intake *in, const char *name)
{
    for (size_t i = 0; i < CW_LANE__COUNT; i++) {
        if (in->topics[i].name != NULL && cw_z_eq(in->topics[i].name, name))
            return &in->topics[i];
    }
    return NULL;
}

static struct partition *find_partition(struct cw_intake *in, const char *topic, int32_t number)
{
    const struct topic *t = find_topic(in, topic);
    return t == NULL || number < 0 || (size_t)number >= t->count ? NULL : t->partitions[number];
}

static bool make_room(struct topic *t, int32_t number)
{
    size_t wanted = (size_t)number + 1;
    if (wanted <= t->count)
        return true;
    struct partition **more = realloc(t->partitions, wanted * sizeof(struct partition *));
    if (more == NULL)
        return false;
    memset(more + t->count, 0, (wanted - t->count) * sizeof(struct partition *));
    t->partitions = more;
    t->count = wanted;
    return true;
}

static void free_partition(struct partition *p)
{
    if (p == NULL)
        return;
    cw_window_free(p->window);
    free(p);
}

static void for_each_partition(struct cw_intake *in, void (*fn)(struct cw_intake *in, struct partition *p))
{
    for (size_t i = 0; i < CW_LANE__COUNT; i++) {
        for (size_t k = 0; k < in->topics[i].count; k++) {
            if (in->topics[i].partitions[k] != NULL)
                fn(in, in->topics[i].partitions[k]);
        }
    }
}

static void fail(struct cw_intake *in, const struct cw_err *err)
{
    cw_log_err(CW_ERROR, "intake.failed", err);
    in->cfg.fatal(in->cfg.arg, err);
}

static void fail_memory(struct cw_intake *in)
{
    struct cw_err err = {0};
    (void)cw_err_set(&err, CW_ENOMEM, "no memory to take a request");
    fail(in, &err);
}

/* ---- commits --------------------------------------------------------------------------------------------------------- */

static void commit(struct cw_intake *in, struct partition *p)
{
    char meta[CW_WINDOW_META_BYTES + 1];
    struct cw_err err = {0};
    int64_t base = cw_window_base(p->window);
    if (!p->is_dirty || base < 0)
        return;
    p->is_dirty = false;
    if (!cw_window_encode(p->window, meta))
        cw_log(CW_WARN, "window.cut", CW_F_STR("topic", p->topic), CW_F_INT("partition", p->number));
    if (base == p->committed && cw_z_eq(meta, p->meta))
        return;
    int r = cw_kafka_in_commit(in->kafka, p->topic, p->number, base, meta);
    if (r < 0) {
        (void)cw_err_set(&err, r, "commit of %s %d", p->topic, (int)p->number);
        cw_log_err(CW_WARN, "commit.failed", &err);
        p->is_dirty = true;
        return;
    }
    p->committed = base;
    (void)cw_z_copy(p->meta, sizeof p->meta, meta);
}

static void commit_again(struct cw_intake *in, struct partition *p)
{
    (void)in;
    p->is_dirty = true;
    p->committed = -1;
}

/* ---- pausing --------------------------------------------------------------------------------------------------------- */

static bool must_pause(const struct cw_intake *in, const struct partition *p)
{
    return in->is_stopped || cw_window_is_full(p->window) ||
           !cw_runner_has_room(in->cfg.parts->runner, p->lane);
}

static void pause_if_full(struct cw_intake *in, struct partition *p)
{
    if (!p->is_paused && must_pause(in, p))
        p->is_paused = cw_kafka_in_pause(in->kafka, p->topic, p->number) == 0;
}

static void resume_if_room(struct cw_intake *in, struct partition *p)
{
    if (p->is_paused && !must_pause(in, p))
        p->is_paused = cw_kafka_in_resume(in->kafka, p->topic, p->number) != 0;
}

static void tend(struct cw_intake *in, struct partition *p)
{
    commit(in, p);
    resume_if_room(in, p);
    pause_if_full(in, p);
}

static void tick(void *arg)
{
    struct cw_intake *in = arg;
    if (in->kafka == NULL)
        return;
    for_each_partition(in, tend);
}

void cw_intake_room(struct cw_intake *in)
{
    if (in->kafka != NULL && !in->is_stopped)
        for_each_partition(in, resume_if_room);
}

void cw_intake_origin_done(struct cw_intake *in, const struct cw_origin *origin)
{
    struct partition *p = find_partition(in, origin->topic, origin->partition);
    if (p == NULL || p->generation != origin->generation)
        return;
    (void)cw_window_done(p->window, origin->offset, origin->era);
    p->is_dirty = true;
}

/* ---- records become jobs --------------------------------------------------------------------------------------------- */

/* headers has room for HEADERS_MAX. */
static struct cw_record_in record_of(const struct cw_kafka_message *m, struct cw_header headers[HEADERS_MAX])
{
    size_t count = CW_MIN(m->header_count, (size_t)HEADERS_MAX);
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct cw_header){m->headers[i].name, m->headers[i].value};
    return (struct cw_record_in){
        .headers = headers,
        .header_count = count,
        .key = m->key,
        .value = m->value,
        .topic = m->topic,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = m->timestamp_ms,
    };
}

static const char *derived_id(struct cw_arena *mem, const char *request_id)
{
    char *id = cw_arena_alloc(mem, CW_UUID_BYTES);
    const char *name = cw_arena_printf(mem, "correlation:%s", request_id);
    if (id != NULL && name != NULL)
        cw_uuid5(name, strlen(name), id);
    return id;
}

/* What stands beside the request: names for events, calls and logs. */
static bool address_job(struct cw_job *job)
{
    const struct cw_event *event = &job->req.event;
    job->job_key = cw_journal_key(job->mem, job->req.workspace_key, event->id);
    const char *derived = derived_id(job->mem, event->id);
    job->correlation_id = event->correlationid != NULL ? event->correlationid : derived;
    job->call_correlation_id =
        cw_format_is(CW_FORMAT_GUID, event->correlationid) ? event->correlationid : derived;
    job->voice.correlation_id = job->correlation_id;
    if (event->traceparent != NULL && strlen(event->traceparent) >= 35)
        memcpy(job->trace_id, event->traceparent + 3, 32);
    job->log_ctx = (struct cw_log_ctx){
        .job = event->id,
        .workspace = job->req.workspace_key,
        .trace_id = job->trace_id[0] == '\0' ? NULL : job->trace_id,
    };
    return job->job_key != NULL && derived != NULL;
}

static bool address_deadletter(struct cw_job *job, const struct cw_record_in *rec)
{
    job->job_key = cw_arena_printf(job->mem, "deadletter:%s:%d:%lld", rec->topic, (int)rec->partition,
                                   (long long)rec->offset);
    job->log_ctx.job = job->job_key;
    return job->job_key != NULL;
}

static int fill_deadletter(struct cw_intake *in, struct cw_job *job, const struct cw_record_in *rec,
                           const struct cw_err *why)
{
    struct cw_err err = {0};
    job->kind = CW_JOB_DEADLETTER;
    int r =
        cw_deadletter_make(&in->cfg.parts->publish, rec, why, &job->problems, job->mem, &job->letter, &err);
    if (r < 0)
        return r;
    cw_log_err(CW_WARN, "intake.deadletter", why);
    return address_deadletter(job, rec) ? 0 : -CW_ENOMEM;
}

static int fill_job(struct cw_intake *in, struct cw_job *job, const struct cw_record_in *rec)
{
    struct cw_err err = {0};
    int r;
    if (rec->value.n > in->cfg.request_bytes_max)
        r = cw_err_set(&err, CW_ETOOBIG, "%zu bytes, at most %zu are read", rec->value.n,
                       in->cfg.request_bytes_max);
    else
        r = cw_request_decode(rec, job->mem, &job->req, &job->problems, &err);
    if (r == -CW_ENOMEM && !cw_arena_failed(job->mem))
        return r;
    if (r < 0 && !job->req.is_addressed)
        return fill_deadletter(in, job, rec, &err);
    job->kind = r < 0 ? CW_JOB_REFUSE : job->req.kind == CW_REQUEST_CANCEL ? CW_JOB_CANCEL : CW_JOB_PLAN;
    job->refusal = err;
    return address_job(job) ? 0 : -CW_ENOMEM;
}

static int make_job(struct cw_intake *in, const struct partition *p, const struct cw_kafka_message *m,
                    uint32_t era, struct cw_job **ret_job)
{
    struct cw_header headers[HEADERS_MAX];
    const struct cw_record_in rec = record_of(m, headers);
    const struct cw_origin origin = {NULL, p->topic, p->number, m->offset, p->generation, era, false};
    struct cw_arena *mem;
    int r = cw_arena_new(in->cfg.parts->job_memory_max, &mem);
    if (r < 0)
        return r;
    struct cw_job *job = cw_job_new(in->cfg.parts, CW_JOB_PLAN, mem);
    if (job == NULL)
        return -CW_ENOMEM;
    job->lane = p->lane;
    job->accepted_wall_ms = cw_wall_ms();
    job->accepted_mono_ms = cw_mono_ms();
    job->record_wall_ms = m->timestamp_ms;
    r = fill_job(in, job, &rec);
    if (r == 0 && !cw_job_add_origin(job, &origin))
        r = -CW_ENOMEM;
    if (r < 0) {
        cw_job_free(job);
        return r;
    }
    *ret_job = job;
    return 0;
}

/* The topic was recreated, or its log truncated: what Kafka delivers from here on are other records. */
static void tell_rewound(struct partition *p, int64_t offset, int64_t before)
{
    cw_log(CW_WARN, "partition.rewound", CW_F_STR("topic", p->topic), CW_F_INT("partition", p->number),
           CW_F_INT("offset", offset), CW_F_INT("base_before", before));
    cw_meter_rewound();
    p->is_dirty = true;
}

static void on_message(void *arg, const struct cw_kafka_message *m)
{
    struct cw_intake *in = arg;
    struct cw_job *job;
    uint32_t era;
    struct partition *p = find_partition(in, m->topic, m->partition);
    if (p == NULL || in->is_stopped)
        return;
    int64_t before = cw_window_base(p->window);
    int r = cw_window_take(p->window, m->offset, &era);
    if (r == CW_WINDOW_REWOUND)
        tell_rewound(p, m->offset, before);
    if (r == CW_WINDOW_IS_DONE)
        return;
    if (r >= 0)
        r = make_job(in, p, m, era, &job);
    if (r == 0)
        r = cw_runner_take(in->cfg.parts->runner, job);
    if (r < 0)
        fail_memory(in);
    pause_if_full(in, p);
}

/* ---- the group ------------------------------------------------------------------------------------------------------- */

static void on_assigned(void *arg, const char *topic, int32_t number, int64_t committed, const char *metadata)
{
    struct cw_intake *in = arg;
    struct topic *t = find_topic(in, topic);
    if (t == NULL || number < 0 || !make_room(t, number))
        return;
    struct partition *p = calloc(1, sizeof *p);
    if (p == NULL || cw_window_new(committed, metadata, &p->window) < 0) {
        free(p);
        fail_memory(in);
        return;
    }
    p->topic = t->name;
    p->number = number;
    p->lane = (enum cw_lane)(t - in->topics);
    p->generation = ++in->generation;
    p->committed = committed;
    (void)cw_z_copy(p->meta, sizeof p->meta, metadata == NULL ? "" : metadata);
    if (t->partitions[number] == NULL)
        in->assigned++;
    free_partition(t->partitions[number]);
    t->partitions[number] = p;
    cw_log(CW_INFO, "partition.assigned", CW_F_STR("topic", topic), CW_F_INT("partition", number),
           CW_F_INT("offset", committed));
    pause_if_full(in, p);
}

static void on_revoked(void *arg, const char *topic, int32_t number, enum cw_kafka_revoke how)
{
    struct cw_intake *in = arg;
    struct partition *p = find_partition(in, topic, number);
    if (p == NULL)
        return;
    cw_log(CW_INFO, how == CW_KAFKA_LOST ? "partition.lost" : "partition.revoked", CW_F_STR("topic", topic),
           CW_F_INT("partition", number), CW_F_INT("in_flight", cw_window_in_flight(p->window)));
    if (how == CW_KAFKA_REVOKED)
        commit(in, p);
    find_topic(in, topic)->partitions[number] = NULL;
    in->assigned--;
    cw_runner_revoke(in->cfg.parts->runner, topic, number, how == CW_KAFKA_LOST ? CW_ELOST : CW_EPARKED);
    free_partition(p);
}

static void on_error(void *arg, const struct cw_err *err, bool is_fatal)
{
    struct cw_intake *in = arg;
    if (is_fatal) {
        fail(in, err);
        return;
    }
    cw_log_err(CW_WARN, "kafka.error", err);
    for_each_partition(in, commit_again);
}

int cw_intake_join(struct cw_intake *in, const struct cw_kafka_in_cfg *kafka, struct cw_err *err)
{
    static const struct cw_kafka_in_ops ops = {on_assigned, on_revoked, on_message, on_error};
    const char *topics[CW_LANE__COUNT];
    struct cw_kafka_in_cfg cfg = *kafka;
    cfg.topics = topics;
    cfg.topic_count = 0;
    for (size_t i = 0; i < CW_LANE__COUNT; i++) {
        if (in->topics[i].name != NULL)
            topics[cfg.topic_count++] = in->topics[i].name;
    }
    return cw_kafka_in_new(in->cfg.parts->loop, &cfg, &ops, in, &in->kafka, err);
}

void cw_intake_stop(struct cw_intake *in)
{
    in->is_stopped = true;
    if (in->kafka != NULL)
        for_each_partition(in, pause_if_full);
}

void cw_intake_leave(struct cw_intake *in, struct cw_deadline until)
{
    if (in->kafka == NULL)
        return;
    in->is_stopped = true;
    cw_kafka_in_free(in->kafka, cw_left_ms(until));
    in->kafka = NULL;
}

bool cw_intake_is_assigned(const struct cw_intake *in)
{
    return in->assigned > 0;
}

static void add_load(const struct partition *p, struct cw_intake_load *load)
{
    char meta[CW_WINDOW_META_BYTES + 1] = "";
    if (p == NULL)
        return;
    (void)cw_window_encode(p->window, meta);
    load->assigned++;
    load->map_bytes = CW_MAX(load->map_bytes, strlen(meta));
    load->overrun += !p->is_paused && cw_window_is_full(p->window);
}

struct cw_intake_load cw_intake_load(const struct cw_intake *in)
{
    struct cw_intake_load load = {0};
    for (size_t i = 0; i < CW_LANE__COUNT; i++) {
        for (size_t k = 0; k < in->topics[i].count; k++)
            add_load(in->topics[i].partitions[k], &load);
    }
    return load;
}

int64_t cw_intake_lag(struct cw_intake *in)
{
    return in->kafka == NULL ? -1 : cw_kafka_in_lag(in->kafka);
}

int cw_intake_new(const struct cw_intake_cfg *cfg, struct cw_intake **ret_intake)
{
    struct cw_intake *in = calloc(1, sizeof *in);
    if (in == NULL)
        return -CW_ENOMEM;
    in->cfg = *cfg;
    bool ok = true;
    for (size_t i = 0; i < CW_LANE__COUNT; i++) {
        if (cfg->topics[i] == NULL || cfg->topics[i][0] == '\0')
            continue;
        in->topics[i].name = strdup(cfg->topics[i]);
        ok = ok && in->topics[i].name != NULL;
    }
    in->timer = cw_loop_every(cfg->parts->loop, cfg->commit_interval_ms, tick, in);
    if (!ok || in->timer == NULL) {
        cw_intake_free(in);
        return -CW_ENOMEM;
    }
    *ret_intake = in;
    return 0;
}

void cw_intake_free(struct cw_intake *in)
{
    if (in == NULL)
        return;
    CW_PRE(in->kafka == NULL);
    cw_loop_cancel_timer(in->timer);
    for (size_t i = 0; i < CW_LANE__COUNT; i++) {
        for (size_t k = 0; k < in->topics[i].count; k++)
            free_partition(in->topics[i].partitions[k]);
        free(in->topics[i].partitions);
        free(in->topics[i].name);
    }
    free(in);
}

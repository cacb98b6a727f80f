#include "common/net/kafka_scan.h"

#include "common/fiber/wait.h"
#include "common/net/kafka_impl.h"
#include "common/net/offload.h"

#define IDLE_MS 60000
#define IDLE_LOOK_MS 10000
#define ANSWER_MS 10000 /* of one question to the brokers */
#define SPANS_AT_ONCE 8
#define FETCH_BYTES_MAX (1u << 20)
#define FETCHES_BYTES 8
#define QUEUED_KBYTES_MAX 1024 /* a partition */
#define QUEUED_MESSAGES_MIN 100
#define FETCH_WAIT_MS 100
#define MESSAGES_PER_TURN 256
#define EVENTS_PER_TURN 64

/* What is being read. On the caller's stack. */
struct reading {
    struct cw_kafka_span *spans;
    size_t count;
    size_t open; /* spans that are not at their ends */
    cw_kafka_scan_fn fn;
    void *arg;
    bool has_enough;
};

/* librdkafka's, gone when nobody holds it. */
struct client {
    uv_loop_t *uv;
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    int holds;
};

struct cw_kafka_scan {
    struct cw_loop *loop;
    rd_kafka_conf_t *conf; /* of each client that is made */
    char *topic;
    struct client *client;     /* NULL = closed */
    rd_kafka_queue_t *answers; /* of questions about offsets */
    rd_kafka_queue_t *records;
    struct cw_kafka_wake *wake;
    struct cw_timer *idle;
    int64_t used_mono_ms;
    bool is_busy;
    struct cw_wait *wait; /* on the caller's stack; NULL = nobody waits */
    struct cw_err *err;   /* likewise */
    uintptr_t asked;      /* number of the latest question; answers of earlier ones are ignored */
    rd_kafka_event_t *answer;
    struct reading *reading;
    char complaint[160]; /* what librdkafka said last: the reason when time runs out */
};

/* --- errors ------------------------------------------------------------------------------------------------------- */

static int refused(const struct cw_kafka_scan *s, rd_kafka_resp_err_t error, const char *reason,
                   struct cw_err *err)
{
    int r = cw_kafka_err(err, error, reason, s->topic);
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        err->code = CW_ENOTFOUND;
        cw_err_remedy(err, "create the topic");
        return -CW_ENOTFOUND;
    }
    if (r == -CW_EDENIED)
        cw_err_remedy(err, "let the workers read and describe %s", s->topic);
    return r;
}

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *arg)
{
    struct cw_kafka_scan *s = arg;
    (void)rk;
    (void)error;
    (void)snprintf(s->complaint, sizeof s->complaint, "%s", reason);
}

/* --- what comes in ------------------------------------------------------------------------------------------------ */

static void wake_caller(struct cw_kafka_scan *s, int r)
{
    if (s->wait != NULL)
        cw_wait_done(s->wait, r);
}

static void take_answer(struct cw_kafka_scan *s, rd_kafka_event_t *take_event)
{
    bool is_wanted =
        s->wait != NULL && s->answer == NULL && (uintptr_t)rd_kafka_event_opaque(take_event) == s->asked;
    if (!is_wanted) {
        rd_kafka_event_destroy(take_event);
        return;
    }
    s->answer = take_event;
    wake_caller(s, 0);
}

static struct cw_kafka_span *span_of(const struct reading *reading, int32_t partition)
{
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->spans[i].partition == partition && reading->spans[i].from < reading->spans[i].to)
            return &reading->spans[i];
    }
    return NULL;
}

static void move_to(struct cw_kafka_scan *s, struct cw_kafka_span *span, int64_t offset)
{
    span->from = CW_MIN(CW_MAX(span->from, offset), span->to);
    if (span->from >= span->to && --s->reading->open == 0)
        wake_caller(s, 0);
}

static void hand_over(struct cw_kafka_scan *s, struct cw_kafka_span *span, const rd_kafka_message_t *m)
{
    struct cw_kafka_header headers[CW_KAFKA_HEADERS_MAX];
    const struct cw_kafka_message message = {
        .topic = s->topic,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = rd_kafka_message_timestamp(m, NULL),
        .key = {m->key, m->key_len},
        .value = {m->payload, m->len},
        .headers = headers,
        .header_count = cw_kafka_read_headers(m, headers, CW_KAFKA_HEADERS_MAX),
    };
    struct reading *reading = s->reading;
    move_to(s, span, m->offset + 1);
    reading->has_enough = !reading->fn(reading->arg, &message);
    if (reading->has_enough)
        wake_caller(s, 0);
}

static void take_message(struct cw_kafka_scan *s, const rd_kafka_message_t *m)
{
    if (s->reading == NULL || s->reading->has_enough || s->wait == NULL || s->wait->done)
        return;
    struct cw_kafka_span *span = span_of(s->reading, m->partition);
    if (span == NULL || (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset < span->from))
        return;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset < span->to)
        hand_over(s, span, m);
    else if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        move_to(s, span, m->offset); /* beyond gaps that nothing fills */
    else
        wake_caller(s, refused(s, m->err, rd_kafka_message_errstr(m), s->err));
}

static bool serve_messages(struct cw_kafka_scan *s)
{
    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(s->records, 0);
        if (m == NULL)
            return false;
        take_message(s, m);
        rd_kafka_message_destroy(m);
    }
    return true;
}

static bool serve(void *arg)
{
    struct cw_kafka_scan *s = arg;
    if (s->client == NULL)
        return false;
    (void)rd_kafka_poll(s->client->rk, 0); /* on_error */
    for (int i = 0; i < EVENTS_PER_TURN; i++) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(s->answers, 0);
        if (event == NULL)
            return serve_messages(s);
        take_answer(s, event);
    }
    (void)serve_messages(s);
    return true;
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static void drop_client(struct client *c)
{
    if (--c->holds > 0)
        return;
    if (c->rkt != NULL)
        rd_kafka_topic_destroy(c->rkt);
    cw_kafka_destroy_beside(c->uv, c->rk, 0);
    free(c);
}

static void close_client(struct cw_kafka_scan *s)
{
    if (s->client == NULL)
        return;
    cw_kafka_wake_off(s->answers);
    cw_kafka_wake_off(s->records);
    rd_kafka_queue_destroy(CW_TAKE(s->answers));
    rd_kafka_queue_destroy(CW_TAKE(s->records));
    drop_client(CW_TAKE(s->client));
}

static int open_client(struct cw_kafka_scan *s, struct cw_err *err)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Kafka reader");
    struct cw_kafka_conf conf = {.rd = rd_kafka_conf_dup(s->conf), .err = err};
    int r = cw_kafka_conf_start(&conf, RD_KAFKA_CONSUMER, &c->rk, err);
    if (r < 0) {
        free(c);
        return r;
    }
    c->uv = cw_loop_uv(s->loop);
    c->holds = 1;
    s->client = c;
    s->answers = rd_kafka_queue_new(c->rk);
    s->records = rd_kafka_queue_new(c->rk);
    cw_kafka_wake_on(s->wake, s->answers);
    cw_kafka_wake_on(s->wake, s->records);
    c->rkt = rd_kafka_topic_new(c->rk, s->topic, NULL);
    if (c->rkt != NULL)
        return 0;
    r = refused(s, rd_kafka_last_error(), NULL, err);
    close_client(s);
    return r;
}

static void on_idle(void *arg)
{
    struct cw_kafka_scan *s = arg;
    if (!s->is_busy && cw_mono_ms() - s->used_mono_ms > IDLE_MS)
        close_client(s);
}

/* One question at a time. */
static int begin(struct cw_kafka_scan *s, struct cw_deadline until, struct cw_err *err)
{
    CW_PRE(!s->is_busy);
    int r = -cw_fiber_cancel_reason();
    if (r == 0 && cw_is_past(until))
        r = -CW_ETIMEDOUT;
    if (r < 0)
        return cw_err_set(err, r, "%s: not read: %s", s->topic, cw_err_text(r));
    r = s->client != NULL ? 0 : open_client(s, err);
    s->is_busy = r == 0;
    s->complaint[0] = '\0';
    return r;
}

static void end(struct cw_kafka_scan *s)
{
    s->is_busy = false;
    s->used_mono_ms = cw_mono_ms();
}

/* For an answer, or the end of a reading; *err is set. */
static int wait_for(struct cw_kafka_scan *s, struct cw_deadline until, struct cw_err *err)
{
    struct cw_wait w;
    cw_wait_arm(&w);
    s->wait = &w;
    s->err = err;
    cw_kafka_wake_now(s->wake);
    int r = cw_wait_for(&w, until);
    s->wait = NULL;
    s->err = NULL;
    if (r == 0 || (w.done && r == w.result))
        return r;
    (void)cw_err_set(err, r, "%s: not read: %s%s%s", s->topic, cw_err_text(r),
                     s->complaint[0] == '\0' ? "" : ": ", s->complaint);
    return r;
}

/* --- questions about the topic ------------------------------------------------------------------------------------ */

static int timeout_of(struct cw_deadline until)
{
    return (int)CW_MIN(CW_MAX(cw_left_ms(until), INT64_C(1)), (int64_t)ANSWER_MS);
}

static int answer_of(struct cw_kafka_scan *s, struct cw_deadline until, rd_kafka_event_t **ret_event,
                     struct cw_err *err)
{
    int r = wait_for(s, until, err);
    rd_kafka_event_t *event = CW_TAKE(s->answer);
    if (event == NULL)
        return r;
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (r == 0 && error != RD_KAFKA_RESP_ERR_NO_ERROR)
        r = refused(s, error, rd_kafka_event_error_string(event), err);
    if (r < 0)
        rd_kafka_event_destroy(event);
    else
        *ret_event = event;
    return r;
}

/* Which partitions has the topic? librdkafka can only be asked so by waiting: beside the loop, with a hold on the client. */
struct question {
    struct cw_work work; /* first */
    struct client *client;
    int timeout_ms;
    rd_kafka_resp_err_t error;
    const struct rd_kafka_metadata *metadata;
};

static int run_question(struct cw_work *work)
{
    struct question *q = (struct question *)work;
    q->error = rd_kafka_metadata(q->client->rk, 0, q->client->rkt, &q->metadata, q->timeout_ms);
    return 0;
}

static void destroy_question(struct cw_work *work)
{
    struct question *q = (struct question *)work;
    if (q->metadata != NULL)
        rd_kafka_metadata_destroy(q->metadata);
    drop_client(q->client);
    free(q);
}

/* from = to = -1 for each. */
static int read_partitions(const struct cw_kafka_scan *s, const struct question *q, struct cw_arena *mem,
                           struct cw_kafka_span **ret_spans, size_t *ret_count, struct cw_err *err)
{
    if (q->error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refused(s, q->error, NULL, err);
    if (q->metadata->topic_cnt != 1)
        return cw_err_set(err, CW_EPROTO, "%s: unintelligible answer", s->topic);
    const struct rd_kafka_metadata_topic *topic = &q->metadata->topics[0];
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refused(s, topic->err, NULL, err);
    size_t count = (size_t)CW_MAX(topic->partition_cnt, 0);
    struct cw_kafka_span *spans = cw_arena_alloc_array(mem, count + 1, sizeof *spans);
    if (spans == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to read %s", s->topic);
    for (size_t i = 0; i < count; i++)
        spans[i] = (struct cw_kafka_span){topic->partitions[i].id, -1, -1};
    *ret_spans = spans;
    *ret_count = count;
    return 0;
}

static int ask_partitions(struct cw_kafka_scan *s, struct cw_deadline until, struct cw_arena *mem,
                          struct cw_kafka_span **ret_spans, size_t *ret_count, struct cw_err *err)
{
    bool is_done = false;
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to read %s", s->topic);
    q->work = (struct cw_work){run_question, destroy_question};
    q->client = s->client;
    q->client->holds++;
    q->timeout_ms = timeout_of(until);
    int r = cw_offload(s->loop, &q->work, until, &is_done);
    if (!is_done)
        return cw_err_set(err, r, "%s: not read: %s%s%s", s->topic, cw_err_text(r),
                          s->complaint[0] == '\0' ? "" : ": ", s->complaint);
    r = read_partitions(s, q, mem, ret_spans, ret_count, err);
    destroy_question(&q->work);
    return r;
}

/* The offset that the spec names, of each span; -1: no record is as young as that. */
static int ask_offsets(struct cw_kafka_scan *s, int64_t spec, const struct cw_kafka_span *spans, size_t count,
                       struct cw_deadline until, rd_kafka_event_t **ret_event, struct cw_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, s->topic, spans[i].partition)->offset = spec;
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(s->client->rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    char reason[128];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_of(until), reason, sizeof reason);
    rd_kafka_AdminOptions_set_opaque(options, (void *)++s->asked);
    rd_kafka_ListOffsets(s->client->rk, list, options, s->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_topic_partition_list_destroy(list);
    return answer_of(s, until, ret_event, err);
}

static int set_offsets(struct cw_kafka_scan *s, int64_t spec, struct cw_kafka_span *spans, size_t count,
                       struct cw_deadline until, struct cw_err *err)
{
    rd_kafka_event_t *event = NULL;
    size_t known = 0, info_count = 0;
    int r = ask_offsets(s, spec, spans, count, until, &event, err);
    if (r < 0)
        return r;
    const rd_kafka_ListOffsetsResultInfo_t **infos =
        rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &info_count);
    for (size_t i = 0; r == 0 && i < info_count; i++) {
        const rd_kafka_topic_partition_t *tp = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
        if (tp->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            r = refused(s, tp->err, NULL, err);
        for (size_t k = 0; k < count; k++) {
            if (spans[k].partition != tp->partition)
                continue;
            known++;
            *(spec == RD_KAFKA_OFFSET_SPEC_LATEST ? &spans[k].to : &spans[k].from) = tp->offset;
        }
    }
    if (r == 0 && known != count)
        r = cw_err_set(err, CW_EPROTO, "%s: unintelligible answer", s->topic);
    rd_kafka_event_destroy(event);
    return r;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Stopping a partition waits for a word from librdkafka's own thread, never for a broker. */
static void stop(struct cw_kafka_scan *s, const struct cw_kafka_span *spans, const bool *is_started,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_started[i])
            (void)rd_kafka_consume_stop(s->client->rkt, spans[i].partition);
    }
}

static int read_some(struct cw_kafka_scan *s, struct reading *reading, struct cw_deadline until,
                     struct cw_err *err)
{
    bool is_started[SPANS_AT_ONCE] = {false};
    int r = 0;
    reading->open = 0;
    for (size_t i = 0; r == 0 && i < reading->count; i++) {
        const struct cw_kafka_span *span = &reading->spans[i];
        if (span->from >= span->to)
            continue;
        is_started[i] =
            rd_kafka_consume_start_queue(s->client->rkt, span->partition, span->from, s->records) == 0;
        if (is_started[i])
            reading->open++;
        else
            r = refused(s, rd_kafka_last_error(), NULL, err);
    }
    if (r == 0 && reading->open > 0) {
        s->reading = reading;
        r = wait_for(s, until, err);
        s->reading = NULL;
    }
    stop(s, reading->spans, is_started, reading->count);
    return r;
}

static bool keep_time(void *arg, const struct cw_kafka_message *message)
{
    *(int64_t *)arg = message->timestamp_ms;
    return true;
}

/* "No record is as young as that" is believed when the partition's last record is indeed older: there are brokers that know no times. Else
 * all is read. */
static int check_untimed(struct cw_kafka_scan *s, struct cw_kafka_span *span, int64_t since_wall_ms,
                         struct cw_deadline until, struct cw_err *err)
{
    struct cw_kafka_span last = {span->partition, span->to - 1, span->to};
    int64_t at = INT64_MAX;
    struct reading reading = {.spans = &last, .count = 1, .fn = keep_time, .arg = &at};
    int r = span->to > 0 ? read_some(s, &reading, until, err) : 0;
    span->from = at < since_wall_ms ? span->to : 0;
    return r;
}

/* What the partitions are, where they end, and where they begin. */
static int ask_spans(struct cw_kafka_scan *s, int64_t since_wall_ms, struct cw_deadline until,
                     struct cw_arena *mem, struct cw_kafka_span **ret_spans, size_t *ret_count,
                     struct cw_err *err)
{
    int64_t begin_at = since_wall_ms > 0 ? since_wall_ms : (int64_t)RD_KAFKA_OFFSET_SPEC_EARLIEST;
    bool has_begin = since_wall_ms != CW_KAFKA_SCAN_ENDS;
    int r = ask_partitions(s, until, mem, ret_spans, ret_count, err);
    struct cw_kafka_span *spans = *ret_spans;
    if (r == 0 && has_begin)
        r = set_offsets(s, begin_at, spans, *ret_count, until, err);
    if (r == 0)
        r = set_offsets(s, RD_KAFKA_OFFSET_SPEC_LATEST, spans, *ret_count, until, err);
    for (size_t i = 0; r == 0 && i < *ret_count; i++) {
        if (has_begin && spans[i].from < 0)
            r = check_untimed(s, &spans[i], since_wall_ms, until, err);
        else if (!has_begin || spans[i].from > spans[i].to)
            spans[i].from = spans[i].to;
    }
    return r;
}

int cw_kafka_scan_spans(struct cw_kafka_scan *s, int64_t since_wall_ms, struct cw_deadline until,
                        struct cw_arena *mem, struct cw_kafka_span **ret_spans, size_t *ret_count,
                        struct cw_err *err)
{
    struct cw_kafka_span *spans = NULL;
    size_t count = 0;
    int r = begin(s, until, err);
    if (r < 0)
        return r;
    r = ask_spans(s, since_wall_ms, until, mem, &spans, &count, err);
    end(s);
    if (r < 0)
        return r;
    *ret_spans = spans;
    *ret_count = count;
    return 0;
}

int cw_kafka_scan_read(struct cw_kafka_scan *s, struct cw_kafka_span *spans, size_t count,
                       cw_kafka_scan_fn fn, void *arg, struct cw_deadline until, struct cw_err *err)
{
    struct reading reading = {.fn = fn, .arg = arg};
    int r = begin(s, until, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && !reading.has_enough && i < count; i += SPANS_AT_ONCE) {
        reading.spans = spans + i;
        reading.count = CW_MIN(count - i, (size_t)SPANS_AT_ONCE);
        r = read_some(s, &reading, until, err);
    }
    end(s);
    return r;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------- */

static int make_conf(struct cw_kafka_scan *s, const struct cw_kafka_cfg *cfg, struct cw_err *err)
{
    struct cw_kafka_conf conf;
    cw_kafka_conf_init(&conf, cfg, err);
    cw_kafka_conf_set(&conf, "enable.auto.commit", "false");
    cw_kafka_conf_set(&conf, "auto.offset.reset", "earliest"); /* what has expired meanwhile is passed over */
    cw_kafka_conf_set(&conf, "enable.partition.eof", "true");
    cw_kafka_conf_set(&conf, "isolation.level", "read_uncommitted");
    cw_kafka_conf_set_int(&conf, "fetch.wait.max.ms", FETCH_WAIT_MS);
    cw_kafka_conf_set_int(&conf, "message.max.bytes", FETCH_BYTES_MAX);
    cw_kafka_conf_set_int(&conf, "max.partition.fetch.bytes", FETCH_BYTES_MAX);
    cw_kafka_conf_set_int(&conf, "fetch.max.bytes", (int64_t)FETCH_BYTES_MAX * FETCHES_BYTES);
    cw_kafka_conf_set_int(&conf, "receive.message.max.bytes",
                          (int64_t)FETCH_BYTES_MAX * FETCHES_BYTES + 65536);
    cw_kafka_conf_set_int(&conf, "queued.max.messages.kbytes", QUEUED_KBYTES_MAX);
    cw_kafka_conf_set_int(&conf, "queued.min.messages", QUEUED_MESSAGES_MIN);
    rd_kafka_conf_set_opaque(conf.rd, s);
    rd_kafka_conf_set_error_cb(conf.rd, on_error);
    s->conf = conf.rd;
    return conf.result;
}

int cw_kafka_scan_new(struct cw_loop *loop, const struct cw_kafka_cfg *cfg, const char *topic,
                      struct cw_kafka_scan **ret_scan, struct cw_err *err)
{
    struct cw_kafka_scan *s = calloc(1, sizeof *s);
    if (s == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Kafka reader");
    s->loop = loop;
    int r = make_conf(s, cfg, err);
    if (r == 0) {
        s->topic = strdup(topic);
        s->idle = cw_loop_every(loop, IDLE_LOOK_MS, on_idle, s);
        r = s->topic == NULL || s->idle == NULL ? -CW_ENOMEM : cw_kafka_wake_new(loop, serve, s, &s->wake);
        if (r < 0)
            (void)cw_err_set(err, r, "no memory for the Kafka reader");
    }
    if (r < 0) {
        cw_kafka_scan_free(s);
        return r;
    }
    *ret_scan = s;
    return 0;
}

void cw_kafka_scan_free(struct cw_kafka_scan *s)
{
    if (s == NULL)
        return;
    CW_PRE(!s->is_busy);
    close_client(s);
    cw_loop_cancel_timer(s->idle);
    cw_kafka_wake_free(s->wake);
    if (s->conf != NULL)
        rd_kafka_conf_destroy(s->conf);
    free(s->topic);
    free(s);
}

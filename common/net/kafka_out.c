#include "common/net/kafka_out.h"

#include "common/fiber/wait.h"
#include "common/metrics.h"
#include "common/net/kafka_impl.h"

#define LINGER_MS 5
#define MESSAGE_BYTES_MAX 1000000
#define QUEUED_MESSAGES_MAX 100000
#define QUEUED_KBYTES_MAX 65536
#define EVENTS_PER_TURN 64
#define POLL_SLICE_MS 50
#define REPLACE_MS 50
#define PURGE_MS 1000

/* A record on its way whose sender waits; freed with its delivery report. */
struct pending {
    struct cw_wait *wait; /* on the sender's stack; NULL: the sender has given up */
    struct cw_err *err;   /* likewise */
};

struct cw_kafka_out {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* delivery reports and errors */
    struct cw_kafka_wake *wake;
    struct cw_queue waiters; /* for room in librdkafka's queue */
    struct cw_metric *lost;  /* posted records that were not delivered */
    uv_loop_t *uv;
    bool is_broken; /* librdkafka reported a fatal error: this rk never sends again */
};

/* --- delivery reports --------------------------------------------------------------------------------------------- */

static void finish(struct cw_kafka_out *out, const rd_kafka_message_t *message)
{
    struct pending *p = message->_private;
    if (p == NULL) {
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            cw_metric_add(out->lost, 1);
        return;
    }
    if (p->wait != NULL) {
        int r = 0;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            r = cw_kafka_err(p->err, message->err, NULL, rd_kafka_topic_name(message->rkt));
        cw_wait_done(p->wait, r);
    }
    free(p);
}

static void handle(struct cw_kafka_out *out, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
        while ((message = rd_kafka_event_message_next(event)) != NULL)
            finish(out, message);
        cw_queue_broadcast(&out->waiters);
    } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
               rd_kafka_event_error_is_fatal(event) != 0) {
        out->is_broken = true;
    }
    rd_kafka_event_destroy(event);
}

/* Until librdkafka owes us no report, or the deadline. */
static void drain(struct cw_kafka_out *out, struct cw_deadline until)
{
    while (rd_kafka_outq_len(out->rk) > 0) {
        rd_kafka_event_t *event =
            rd_kafka_queue_poll(out->queue, (int)CW_MIN(cw_left_ms(until), POLL_SLICE_MS));
        if (event != NULL)
            handle(out, event);
        else if (cw_is_past(until))
            break;
    }
}

/* Every record that is still queued gets a report: it failed. */
static void give_up_records(struct cw_kafka_out *out, int64_t wait_ms)
{
    (void)rd_kafka_purge(out->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    drain(out, cw_in_ms(wait_ms));
}

/* --- replacing a broken client ------------------------------------------------------------------------------------ */

static void use(struct cw_kafka_out *out, rd_kafka_t *rk)
{
    out->rk = rk;
    out->queue = rd_kafka_queue_get_main(rk);
    cw_kafka_wake_on(out->wake, out->queue);
}

static void replace(struct cw_kafka_out *out)
{
    char reason[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(out->rk));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    give_up_records(out, REPLACE_MS);
    cw_kafka_wake_off(out->queue);
    rd_kafka_queue_destroy(out->queue);
    cw_kafka_destroy_beside(out->uv, out->rk, 0);
    use(out, rk);
    out->is_broken = false;
}

static bool serve(void *arg)
{
    struct cw_kafka_out *out = arg;
    bool is_empty = true;
    for (int i = 0; i < EVENTS_PER_TURN; i++) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(out->queue, 0);
        if (event == NULL)
            break;
        handle(out, event);
        is_empty = i + 1 < EVENTS_PER_TURN;
    }
    if (out->is_broken)
        replace(out);
    return !is_empty;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static rd_kafka_headers_t *copy_headers(const struct cw_kafka_record *rec)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(rec->header_count);
    for (size_t i = 0; i < rec->header_count; i++) {
        const struct cw_kafka_header *h = &rec->headers[i];
        if (rd_kafka_header_add(headers, h->name, -1, h->value.p != NULL ? h->value.p : "",
                                (ssize_t)h->value.n) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(headers);
            return NULL;
        }
    }
    return headers;
}

/* Hand the record to librdkafka; opaque comes back with the report. */
static rd_kafka_resp_err_t produce(struct cw_kafka_out *out, const struct cw_kafka_record *rec, void *opaque)
{
    rd_kafka_headers_t *headers = copy_headers(rec);
    if (headers == NULL)
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = rec->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = (void *)(uintptr_t)rec->key.p, .size = rec->key.n}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)rec->value.p, .size = rec->value.n}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(out->rk, vus, CW_ARRAY_LEN(vus));
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers);
    return code;
}

/* produce(), waiting for room in the queue. */
static int hand_over(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct pending *p,
                     struct cw_deadline until, struct cw_err *err)
{
    for (;;) {
        if (rec->begin_by.mono_ms > 0 && cw_is_past(rec->begin_by))
            return cw_err_set(err, CW_ETIMEDOUT, "%s: not sent: it is too late to begin", rec->topic);
        rd_kafka_resp_err_t error = produce(out, rec, p);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return cw_kafka_err(err, error, NULL, rec->topic);
        int r = cw_queue_wait(&out->waiters, until);
        if (r < 0)
            return cw_err_set(err, r, "%s: wait for room to send: %s", rec->topic, cw_err_text(r));
    }
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): the delivery report frees p */
int cw_kafka_send(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct cw_deadline until,
                  struct cw_err *err)
{
    int r = -cw_fiber_cancel_reason();
    if (r == 0 && cw_is_past(until))
        r = -CW_ETIMEDOUT;
    if (r < 0)
        return cw_err_set(err, r, "%s: not sent: %s", rec->topic, cw_err_text(r));
    struct pending *p = calloc(1, sizeof *p);
    if (p == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to send to %s", rec->topic);
    struct cw_wait w;
    struct cw_err error = {0};
    cw_wait_arm(&w);
    *p = (struct pending){.wait = &w, .err = &error};
    r = hand_over(out, rec, p, until, err);
    if (r < 0) {
        free(p);
        return r;
    }
    r = cw_wait_for(&w, until);
    if (!w.done)
        p->wait = NULL;
    if (!w.done || r != w.result)
        return cw_err_set(err, r, "%s: sent, not acknowledged: %s", rec->topic, cw_err_text(r));
    if (r < 0)
        *err = error;
    return r;
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

int cw_kafka_post(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct cw_err *err)
{
    rd_kafka_resp_err_t error = produce(out, rec, NULL);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    cw_metric_add(out->lost, 1);
    return cw_kafka_err(err, error, NULL, rec->topic);
}

size_t cw_kafka_out_queued(const struct cw_kafka_out *out)
{
    return (size_t)CW_MAX(rd_kafka_outq_len(out->rk), 0);
}

/* --- checks ------------------------------------------------------------------------------------------------------- */

static rd_kafka_resp_err_t topic_error(const struct rd_kafka_metadata *metadata, const char *topic)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, topic) == 0)
            return metadata->topics[i].err;
    return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* All topics are asked for: a question for one by name could create it. */
int cw_kafka_check(struct cw_kafka_out *out, const char *const *topics, size_t topic_count,
                   int64_t timeout_ms, struct cw_err *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(out->rk, 1, NULL, &metadata, (int)CW_MIN(timeout_ms, 600000));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        int r = cw_kafka_err(err, error, NULL, "Kafka cluster");
        if (r != -CW_EDENIED && r != -CW_EAUTH && r != -CW_ETLS)
            err->code = CW_ENET;
        return -err->code;
    }
    CW_AUTO(cw_buf_fini) struct cw_buf missing = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf denied = {0};
    for (size_t i = 0; i < topic_count; i++) {
        error = topic_error(metadata, topics[i]);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        struct cw_buf *list = cw_kafka_code(error) == CW_EDENIED ? &denied : &missing;
        cw_buf_addf(list, "%s%s", list->n > 0 ? ", " : "", topics[i]);
    }
    rd_kafka_metadata_destroy(metadata);
    if (denied.n > 0)
        return cw_err_set(err, CW_EDENIED, "no access to the topics: %s", cw_buf_z(&denied));
    if (missing.n > 0)
        return cw_err_set(err, CW_ENOTFOUND, "missing topics (or no right to see them): %s",
                          cw_buf_z(&missing));
    return 0;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------- */

static int start(const struct cw_kafka_cfg *cfg, rd_kafka_t **ret_rk, struct cw_err *err)
{
    struct cw_kafka_conf conf;
    cw_kafka_conf_init(&conf, cfg, err);
    cw_kafka_conf_set(&conf, "enable.idempotence", "true");
    cw_kafka_conf_set(&conf, "acks", "all");
    cw_kafka_conf_set_int(&conf, "linger.ms", LINGER_MS);
    cw_kafka_conf_set_int(&conf, "delivery.timeout.ms", CW_KAFKA_DELIVERY_MS);
    cw_kafka_conf_set_int(&conf, "message.max.bytes", MESSAGE_BYTES_MAX);
    cw_kafka_conf_set_int(&conf, "queue.buffering.max.messages", QUEUED_MESSAGES_MAX);
    cw_kafka_conf_set_int(&conf, "queue.buffering.max.kbytes", QUEUED_KBYTES_MAX);
    rd_kafka_conf_set_events(conf.rd, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    return cw_kafka_conf_start(&conf, RD_KAFKA_PRODUCER, ret_rk, err);
}

int cw_kafka_out_new(struct cw_loop *loop, const struct cw_kafka_cfg *cfg, struct cw_kafka_out **ret_out,
                     struct cw_err *err)
{
    struct cw_kafka_out *out = calloc(1, sizeof *out);
    if (out == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Kafka producer");
    out->uv = cw_loop_uv(loop);
    int r = start(cfg, &out->rk, err);
    if (r == 0) {
        r = cw_kafka_wake_new(loop, serve, out, &out->wake);
        if (r < 0)
            (void)cw_err_set(err, r, "no memory for the Kafka producer");
    }
    if (r < 0) {
        cw_kafka_out_free(out, 0);
        return r;
    }
    use(out, out->rk);
    out->lost =
        cw_counter("causeway_kafka_lost_total", "Posted records that were not delivered.", NULL, NULL);
    *ret_out = out;
    return 0;
}

void cw_kafka_out_free(struct cw_kafka_out *out, int64_t flush_ms)
{
    if (out == NULL)
        return;
    if (out->queue != NULL) {
        drain(out, cw_in_ms(flush_ms));
        give_up_records(out, PURGE_MS);
        cw_kafka_wake_off(out->queue);
        rd_kafka_queue_destroy(out->queue);
    }
    cw_kafka_wake_free(out->wake);
    cw_kafka_destroy_beside(out->uv, out->rk, 0);
    free(out);
}

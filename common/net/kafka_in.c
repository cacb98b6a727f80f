#include "common/net/kafka_in.h"

#include "common/net/kafka_in_impl.h"

#define SESSION_TIMEOUT_MS 45000
#define HEARTBEAT_MS_MAX 3000
#define FETCH_WAIT_MS 500
#define MESSAGE_BYTES_MAX (1u << 20)
#define FETCHES_BYTES 8 /* an answer of the broker is at most so many messages of the greatest size */
#define QUEUED_KBYTES_MAX 16384
#define QUEUED_MESSAGES_MIN 1000
#define FETCH_BACKOFF_MS 100
#define MAX_POLL_INTERVAL_MS 300000
#define TICK_MS 1000
#define MESSAGES_PER_TURN 256
#define EVENTS_PER_TURN 64
#define POLL_SLICE_MS 50
#define METADATA_BYTES_MAX 1000

/* --- errors ------------------------------------------------------------------------------------------------------- */

void cw_kafka_in_report(struct cw_kafka_in *in, rd_kafka_resp_err_t error, const char *reason,
                        const char *what)
{
    struct cw_err err = {0};
    bool is_fatal = error == RD_KAFKA_RESP_ERR__FATAL;
    char text[256];
    if (is_fatal) {
        error = rd_kafka_fatal_error(in->rk, text, sizeof text);
        reason = text;
    }
    (void)cw_kafka_err(&err, error, reason, what);
    in->ops.error(in->arg, &err, is_fatal);
}

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *arg)
{
    (void)rk;
    cw_kafka_in_report(arg, (rd_kafka_resp_err_t)error, reason, "Kafka");
}

/* --- polling ------------------------------------------------------------------------------------------------------ */

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list,
                         void *arg)
{
    (void)rk;
    cw_kafka_in_rebalance(arg, what, list);
}

/* Each partition's own result tells more than the request's. */
static void report_commit(struct cw_kafka_in *in, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    if (list == NULL || list->cnt == 0) {
        cw_kafka_in_report(in, error, NULL, "commit");
        return;
    }
    for (int i = 0; i < list->cnt; i++) {
        char what[128];
        const rd_kafka_topic_partition_t *tp = &list->elems[i];
        (void)snprintf(what, sizeof what, "commit %lld of %s/%d", (long long)tp->offset, tp->topic,
                       (int)tp->partition);
        cw_kafka_in_report(in, tp->err != RD_KAFKA_RESP_ERR_NO_ERROR ? tp->err : error, NULL, what);
    }
}

static void handle_event(struct cw_kafka_in *in, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        report_commit(in, event);
        break;
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        cw_kafka_in_offsets_read(in, event);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        cw_kafka_in_rebalance(in, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event));
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}

static int serve_side(struct cw_kafka_in *in, int budget)
{
    while (budget > 0) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(in->side, 0);
        if (event == NULL)
            break;
        budget--;
        handle_event(in, event);
    }
    return budget;
}

static int serve_messages(struct cw_kafka_in *in, int budget)
{
    while (budget > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(in->rk, 0);
        if (message == NULL)
            break;
        budget--;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            cw_kafka_part_take(in, message);
            continue;
        }
        cw_kafka_in_report(in, message->err, rd_kafka_message_errstr(message), "Kafka");
        rd_kafka_message_destroy(message);
    }
    return budget;
}

static bool serve(void *arg)
{
    struct cw_kafka_in *in = arg;
    int events = serve_side(in, EVENTS_PER_TURN);
    int messages = MESSAGES_PER_TURN;
    cw_kafka_parts_flush(in, &messages);
    messages = serve_messages(in, messages);
    return events == 0 || messages == 0;
}

static void on_tick(void *arg)
{
    const struct cw_kafka_in *in = arg;
    cw_kafka_wake_now(in->wake);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

int cw_kafka_in_pause(struct cw_kafka_in *in, const char *topic, int32_t partition)
{
    struct cw_kafka_part *part = cw_kafka_part_find(in, topic, partition);
    if (part == NULL)
        return -CW_EINVAL;
    part->is_paused = true;
    return 0;
}

int cw_kafka_in_resume(struct cw_kafka_in *in, const char *topic, int32_t partition)
{
    struct cw_kafka_part *part = cw_kafka_part_find(in, topic, partition);
    if (part == NULL)
        return -CW_EINVAL;
    if (part->is_paused && (part->stash != NULL || part->is_held))
        cw_kafka_wake_now(in->wake);
    part->is_paused = false;
    return 0;
}

int cw_kafka_in_commit(struct cw_kafka_in *in, const char *topic, int32_t partition, int64_t offset,
                       const char *metadata)
{
    size_t n = metadata != NULL ? strlen(metadata) : 0;
    if (offset < 0 || n > METADATA_BYTES_MAX || cw_kafka_part_find(in, topic, partition) == NULL)
        return -CW_EINVAL;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, topic, partition);
    tp->offset = offset;
    if (n > 0) {
        tp->metadata = rd_kafka_mem_malloc(in->rk, n);
        if (tp->metadata == NULL) {
            rd_kafka_topic_partition_list_destroy(list);
            return -CW_ENOMEM;
        }
        memcpy(tp->metadata, metadata, n);
        tp->metadata_size = n;
    }
    rd_kafka_resp_err_t error = rd_kafka_commit_queue(in->rk, list, in->side, NULL, NULL);
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -cw_kafka_code(error);
}

int64_t cw_kafka_in_lag(struct cw_kafka_in *in)
{
    int64_t lag = 0;
    for (const struct cw_kafka_part *part = in->parts; part != NULL; part = part->next) {
        int64_t low = -1;
        int64_t high = -1;
        if (rd_kafka_get_watermark_offsets(in->rk, part->topic, part->id, &low, &high) !=
                RD_KAFKA_RESP_ERR_NO_ERROR ||
            high < 0)
            return -1;
        int64_t start = in->is_from_start ? CW_MAX(low, 0) : high;
        lag += CW_MAX(high - (part->position >= 0 ? part->position : start), 0);
    }
    return lag;
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static int start_client(struct cw_kafka_in *in, const struct cw_kafka_in_cfg *cfg, struct cw_err *err)
{
    int64_t session_ms = cfg->session_timeout_ms > 0 ? cfg->session_timeout_ms : SESSION_TIMEOUT_MS;
    int64_t bytes_max = (int64_t)(cfg->message_bytes_max > 0 ? cfg->message_bytes_max : MESSAGE_BYTES_MAX);
    struct cw_kafka_conf conf;
    cw_kafka_conf_init(&conf, &cfg->common, err);
    cw_kafka_conf_set(&conf, "group.id", cfg->group);
    cw_kafka_conf_set(&conf, "group.instance.id", cfg->instance_id);
    cw_kafka_conf_set(&conf, "partition.assignment.strategy", "cooperative-sticky");
    cw_kafka_conf_set(&conf, "enable.auto.commit", "false");
    cw_kafka_conf_set(&conf, "enable.auto.offset.store", "false");
    cw_kafka_conf_set(&conf, "auto.offset.reset", cfg->from_start_without_offset ? "earliest" : "latest");
    cw_kafka_conf_set_int(&conf, "session.timeout.ms", session_ms);
    cw_kafka_conf_set_int(&conf, "heartbeat.interval.ms", CW_MIN(session_ms / 3, HEARTBEAT_MS_MAX));
    cw_kafka_conf_set_int(&conf, "max.poll.interval.ms", CW_MAX(MAX_POLL_INTERVAL_MS, session_ms));
    cw_kafka_conf_set_int(&conf, "fetch.wait.max.ms",
                          cfg->fetch_wait_ms > 0 ? cfg->fetch_wait_ms : FETCH_WAIT_MS);
    cw_kafka_conf_set_int(&conf, "message.max.bytes", bytes_max);
    cw_kafka_conf_set_int(&conf, "max.partition.fetch.bytes", bytes_max);
    cw_kafka_conf_set_int(&conf, "fetch.max.bytes", bytes_max * FETCHES_BYTES);
    cw_kafka_conf_set_int(&conf, "receive.message.max.bytes", bytes_max * FETCHES_BYTES + 65536);
    cw_kafka_conf_set_int(&conf, "queued.max.messages.kbytes", QUEUED_KBYTES_MAX);
    cw_kafka_conf_set_int(&conf, "queued.min.messages", QUEUED_MESSAGES_MIN);
    cw_kafka_conf_set_int(&conf, "fetch.queue.backoff.ms", FETCH_BACKOFF_MS);
    rd_kafka_conf_set_opaque(conf.rd, in);
    rd_kafka_conf_set_error_cb(conf.rd, on_error);
    rd_kafka_conf_set_rebalance_cb(conf.rd, on_rebalance);
    return cw_kafka_conf_start(&conf, RD_KAFKA_CONSUMER, &in->rk, err);
}

static int subscribe(struct cw_kafka_in *in, const struct cw_kafka_in_cfg *cfg, struct cw_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)cfg->topic_count);
    for (size_t i = 0; i < cfg->topic_count; i++)
        (void)rd_kafka_topic_partition_list_add(list, cfg->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(in->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cw_err_set(err, CW_EINVAL, "subscribe: %s", rd_kafka_err2str(error));
    return 0;
}

static int drive(struct cw_loop *loop, struct cw_kafka_in *in)
{
    in->retry = calloc(1, sizeof *in->retry);
    if (in->retry == NULL)
        return -CW_ENOMEM;
    (void)uv_timer_init(cw_loop_uv(loop), in->retry);
    in->retry->data = in;
    in->tick = cw_loop_every(loop, TICK_MS, on_tick, in);
    if (in->tick == NULL)
        return -CW_ENOMEM;
    int r = cw_kafka_wake_new(loop, serve, in, &in->wake);
    if (r < 0)
        return r;
    (void)rd_kafka_poll_set_consumer(in->rk);
    in->queue = rd_kafka_queue_get_consumer(in->rk);
    in->side = rd_kafka_queue_new(in->rk);
    cw_kafka_wake_on(in->wake, in->queue);
    cw_kafka_wake_on(in->wake, in->side);
    return 0;
}

int cw_kafka_in_new(struct cw_loop *loop, const struct cw_kafka_in_cfg *cfg,
                    const struct cw_kafka_in_ops *ops, void *arg, struct cw_kafka_in **ret_in,
                    struct cw_err *err)
{
    if (cfg->group == NULL || cfg->group[0] == '\0' || cfg->topic_count == 0)
        return cw_err_set(err, CW_EINVAL, "a Kafka consumer needs a group and a topic");
    struct cw_kafka_in *in = calloc(1, sizeof *in);
    if (in == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Kafka consumer");
    in->uv = cw_loop_uv(loop);
    in->ops = *ops;
    in->arg = arg;
    in->is_from_start = cfg->from_start_without_offset;
    in->group = strdup(cfg->group);
    int r = in->group != NULL ? start_client(in, cfg, err)
                              : cw_err_set(err, CW_ENOMEM, "no memory for the Kafka consumer");
    if (r == 0) {
        r = drive(loop, in);
        if (r < 0)
            (void)cw_err_set(err, r, "no memory for the Kafka consumer");
    }
    if (r == 0)
        r = subscribe(in, cfg, err);
    if (r < 0) {
        cw_kafka_in_free(in, 0);
        return r;
    }
    *ret_in = in;
    return 0;
}

/* --- end ---------------------------------------------------------------------------------------------------------- */

/* Commits from within revoked() are sent before the group is left: librdkafka waits for their answers. */
static void close_group(struct cw_kafka_in *in, struct cw_deadline until)
{
    in->is_closing = true;
    cw_kafka_in_settle(in);
    rd_kafka_queue_t *closing = rd_kafka_queue_new(in->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(in->rk, closing);
    while (error == NULL && !rd_kafka_consumer_closed(in->rk) && !cw_is_past(until)) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(closing, (int)CW_MIN(cw_left_ms(until), POLL_SLICE_MS));
        if (event != NULL)
            handle_event(in, event);
        (void)serve_side(in, EVENTS_PER_TURN);
    }
    rd_kafka_error_destroy(error);
    while (in->parts != NULL) {
        in->ops.revoked(in->arg, in->parts->topic, in->parts->id, CW_KAFKA_LOST);
        cw_kafka_part_remove(in, in->parts);
    }
    (void)serve_side(in, EVENTS_PER_TURN);
    rd_kafka_queue_destroy(closing);
}

void cw_kafka_in_free(struct cw_kafka_in *in, int64_t leave_ms)
{
    if (in == NULL)
        return;
    if (in->side != NULL) {
        close_group(in, cw_in_ms(leave_ms));
        cw_kafka_wake_off(in->queue);
        cw_kafka_wake_off(in->side);
        rd_kafka_queue_destroy(in->queue);
        rd_kafka_queue_destroy(in->side);
    }
    cw_loop_cancel_timer(in->tick);
    cw_kafka_wake_free(in->wake);
    cw_uv_close_free(in->retry);
    cw_kafka_destroy_beside(in->uv, in->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(in->group);
    free(in);
}

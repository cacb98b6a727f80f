/* The reader of the model of Kafka: what production code sees of a topic that it reads back. */
#include "common/net/kafka_scan.h"

#include "common/fiber/wait.h"
#include "tests/world/kafka_impl.h"

#define ANSWER_MS 20
#define ANSWER_LATE_MS 3000
#define BATCH_MAX 16

struct cw_kafka_scan {
    char *topic;
    bool is_busy;
};

int cw_kafka_scan_new(struct cw_loop *loop, const struct cw_kafka_cfg *cfg, const char *topic,
                      struct cw_kafka_scan **ret_scan, struct cw_err *err)
{
    (void)loop;
    (void)cfg;
    struct cw_kafka_scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL || (scan->topic = strdup(topic)) == NULL) {
        free(scan);
        return cw_err_set(err, CW_ENOMEM, "kafka");
    }
    *ret_scan = scan;
    return 0;
}

void cw_kafka_scan_free(struct cw_kafka_scan *scan)
{
    if (scan == NULL)
        return;
    free(scan->topic);
    free(scan);
}

/* A question and its answer; brokers that are away answer nobody. */
static int ask(struct cw_deadline until, struct cw_err *err)
{
    struct cw_wait w;
    world_touch("scan before");
    bool is_lost = kafka_is_down() || kafka_fault();
    int64_t ms = is_lost            ? world_between(1000, 30000)
                 : world_chance(20) ? world_between(1, ANSWER_LATE_MS)
                                    : world_between(1, ANSWER_MS);
    cw_wait_arm(&w);
    const struct cw_deadline answered = cw_in_ms(ms);
    int r = cw_wait_for(&w, cw_sooner(until, answered));
    if (r != -CW_ETIMEDOUT || until.mono_ms < answered.mono_ms)
        return cw_err_set(err, r, "scan");
    if (is_lost || kafka_is_down())
        return cw_err_set(err, CW_ENET, "no broker");
    world_touch("scan after");
    return 0;
}

static int64_t first_since(const struct kafka_partition *p, int64_t since_ms)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->messages[i].timestamp_ms >= since_ms)
            return p->messages[i].offset;
    }
    return p->end;
}

int cw_kafka_scan_spans(struct cw_kafka_scan *scan, int64_t since_wall_ms, struct cw_deadline until,
                        struct cw_arena *mem, struct cw_kafka_span **ret_spans, size_t *ret_count,
                        struct cw_err *err)
{
    struct kafka_topic *t = kafka_topic_of(scan->topic);
    CW_PRE(!scan->is_busy && t != NULL);
    struct cw_kafka_span *spans = cw_arena_alloc_array(mem, (size_t)t->count, sizeof *spans);
    CW_BUG_ON(spans == NULL);
    scan->is_busy = true;
    int r = ask(until, err);
    scan->is_busy = false;
    if (r < 0)
        return r;
    for (int32_t i = 0; i < t->count; i++)
        spans[i] =
            (struct cw_kafka_span){i, first_since(&t->partitions[i], since_wall_ms), t->partitions[i].end};
    *ret_spans = spans;
    *ret_count = (size_t)t->count;
    return 0;
}

/* At most a batch; false: fn has enough. */
static bool hand_over(const struct kafka_partition *p, struct cw_kafka_span *span, cw_kafka_scan_fn fn,
                      void *arg)
{
    int batch = 0;
    for (size_t i = 0; i < p->count && batch < BATCH_MAX; i++) {
        const struct kafka_message *m = &p->messages[i];
        if (m->offset < span->from)
            continue;
        if (m->offset >= span->to)
            break;
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
        batch++;
        span->from = m->offset + 1;
        if (!fn(arg, &message))
            return false;
    }
    if (batch < BATCH_MAX)
        span->from = span->to;
    return true;
}

int cw_kafka_scan_read(struct cw_kafka_scan *scan, struct cw_kafka_span *spans, size_t count,
                       cw_kafka_scan_fn fn, void *arg, struct cw_deadline until, struct cw_err *err)
{
    int r = 0;
    CW_PRE(!scan->is_busy);
    scan->is_busy = true;
    for (size_t i = 0; r == 0 && i < count;) {
        if (spans[i].from >= spans[i].to) {
            i++;
            continue;
        }
        r = ask(until, err);
        if (r == 0 && !hand_over(kafka_partition_of(scan->topic, spans[i].partition), &spans[i], fn, arg))
            break;
    }
    scan->is_busy = false;
    return r;
}

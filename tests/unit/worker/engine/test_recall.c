/* The index of what is out: one pass for many, no pass for what was read, and no answer that is not sure. */
#include "worker/engine/recall.h"

#include "tests/unit/worker/engine/rig.h"

#include "common/time.h"

#define TOPIC_MAX 4000
#define PARTITIONS 3

/* A topic in memory. Offsets are places in it. */
static struct {
    char ids[TOPIC_MAX][CW_UUID_BYTES];
    int32_t partition[TOPIC_MAX];
    int64_t at_ms[TOPIC_MAX];
    const char *outcome[TOPIC_MAX];
    int64_t count;
    size_t spans_calls;
    size_t handed; /* records */
    int fail_reads;
    int fail_after; /* so many records */
    int64_t slow_ms;
} topic;

static void id_for(int n, char out[CW_UUID_BYTES])
{
    char name[32];
    (void)snprintf(name, sizeof name, "verdict %d", n);
    cw_uuid5(name, strlen(name), out);
}

static void publish(int n, const char *outcome, int64_t at_ms)
{
    assert_true(topic.count < TOPIC_MAX);
    id_for(n, topic.ids[topic.count]);
    topic.partition[topic.count] = n % PARTITIONS;
    topic.at_ms[topic.count] = at_ms;
    topic.outcome[topic.count++] = outcome;
}

static int spans_of(void *arg, int64_t since_wall_ms, struct cw_deadline until, struct cw_arena *mem,
                    struct cw_kafka_span **ret_spans, size_t *ret_count, struct cw_err *err)
{
    (void)arg;
    (void)until;
    topic.spans_calls++;
    int r = cw_sleep(cw_in_ms(1));
    if (r < 0)
        return cw_err_set(err, r, "stopped");
    struct cw_kafka_span *spans = cw_arena_alloc_array(mem, PARTITIONS, sizeof *spans);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        int64_t from = topic.count;
        for (int64_t i = topic.count - 1; i >= 0 && since_wall_ms != CW_KAFKA_SCAN_ENDS; i--)
            from = topic.partition[i] == p && topic.at_ms[i] >= since_wall_ms ? i : from;
        spans[p] = (struct cw_kafka_span){p, from, topic.count};
    }
    *ret_spans = spans;
    *ret_count = PARTITIONS;
    return 0;
}

/* False: the receiver has enough. */
static bool hand_over(int64_t i, cw_kafka_scan_fn fn, void *arg)
{
    char body[300];
    (void)snprintf(
        body, sizeof body,
        "{\"requestId\":\"r\",\"requestType\":\"causeway.workspace.verify.v1\",\"workspaceId\":"
        "\"/w\",\"outcome\":\"%s\",\"summary\":\"number %lld\",\"startedAt\":\"2026-11-24T03:12:44Z\","
        "\"finishedAt\":\"2026-11-24T03:12:44Z\",\"durationMs\":1,\"changes\":0}",
        topic.outcome[i], (long long)i);
    const struct cw_kafka_header headers[] = {
        {"content-type", cw_str_of("application/json")},
        {"ce_specversion", cw_str_of("1.0")},
        {"ce_id", cw_str_of(topic.ids[i])},
        {"ce_source", cw_str_of("/causeway/worker/w")},
        {"ce_type", cw_str_of("causeway.workspace.result.v1")},
    };
    const struct cw_kafka_message m = {.topic = "results",
                                       .partition = topic.partition[i],
                                       .offset = i,
                                       .value = cw_str_of(body),
                                       .headers = headers,
                                       .header_count = CW_ARRAY_LEN(headers)};
    topic.handed++;
    return fn(arg, &m);
}

static int read_spans(void *arg, struct cw_kafka_span *spans, size_t count, cw_kafka_scan_fn fn, void *fn_arg,
                      struct cw_deadline until, struct cw_err *err)
{
    (void)arg;
    int r = cw_sleep(cw_sooner(cw_in_ms(1 + topic.slow_ms), until));
    if (r == 0 && cw_is_past(until))
        r = -CW_ETIMEDOUT;
    if (r < 0)
        return cw_err_set(err, r, "stopped");
    int handed = 0;
    for (size_t k = 0; k < count; k++) {
        while (spans[k].from < spans[k].to) {
            int64_t i = spans[k].from++;
            if (topic.partition[i] != spans[k].partition)
                continue;
            if (topic.fail_reads > 0 && handed++ == topic.fail_after) {
                topic.fail_reads--;
                spans[k].from--;
                return cw_err_set(err, CW_ENET, "no broker");
            }
            if (!hand_over(i, fn, fn_arg))
                return 0;
        }
    }
    return 0;
}

static struct cw_recall *recall;

static void begin(size_t entries_max)
{
    const struct cw_reader reader = {spans_of, read_spans, NULL};
    memset(&topic, 0, sizeof topic);
    assert_int_equal(cw_recall_new(&reader, entries_max, &recall), 0);
}

/* -1 = not out; else its place in the topic. */
static int64_t find(struct cw_arena *mem, int n, int64_t since_ms)
{
    char id[CW_UUID_BYTES];
    struct cw_err err = {0};
    struct cw_verdict verdict = {0};
    bool is_found = false;
    id_for(n, id);
    if (cw_recall_find(recall, id, since_ms, cw_in_ms(5000), mem, &is_found, &verdict, &err) < 0)
        fail_msg("%s", err.text);
    if (!is_found)
        return -1;
    const char *at = strstr(verdict.record.value.p, "number ");
    assert_non_null(at);
    int64_t place = strtoll(at + 7, NULL, 10);
    assert_string_equal(topic.ids[place], id);
    assert_string_equal(verdict.outcome, topic.outcome[place]);
    assert_int_equal(verdict.record.header_count, 5);
    return place;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void first_record_counts(struct cw_arena *mem)
{
    int64_t now = cw_wall_ms();
    begin(0);
    assert_int_equal(find(mem, 1, now), -1);
    for (int i = 0; i < 30; i++)
        publish(i, i == 7 ? "cancelled" : "succeeded", now);
    publish(7, "succeeded", now);
    assert_int_equal(find(mem, 7, now), 7);
    assert_int_equal(find(mem, 29, now), 29);
    assert_int_equal(find(mem, 30, now), -1);
    publish(30, "failed", now);
    assert_int_equal(find(mem, 30, now), 31);
    assert_int_equal(cw_recall_count(recall), 31);
    cw_recall_free(recall);
}

/* No look costs more than what was published since the last one. */
static void each_record_is_read_once(struct cw_arena *mem)
{
    int64_t now = cw_wall_ms();
    begin(0);
    for (int i = 0; i < 3000; i++)
        publish(i, "succeeded", now);
    for (int i = 3000; i < 3200; i++)
        assert_int_equal(find(mem, i, now - i), -1);
    assert_int_equal(topic.handed, 3000);
    publish(3000, "succeeded", now);
    assert_int_equal(find(mem, 3000, now), 3000);
    assert_int_equal(topic.handed, 3000 + 2); /* the new one for the index, and then itself */
    cw_recall_free(recall);
}

static void older_requests_reach_further_back(struct cw_arena *mem)
{
    int64_t now = cw_wall_ms(), hour = CW_RECALL_SLACK_MS;
    begin(0);
    for (int i = 0; i < 300; i++)
        publish(i, "succeeded", now - (300 - i) * hour);
    assert_int_equal(find(mem, 299, now), 299);
    assert_true(topic.handed < 10);
    assert_int_equal(find(mem, 2, now), -1); /* older than what was asked for */
    /* Ever older ones: the passes double, so there are few. */
    topic.spans_calls = 0;
    topic.handed = 0;
    for (int i = 298; i >= 0; i--)
        assert_int_equal(find(mem, i, now - (300 - i) * hour), i);
    assert_true(topic.handed < 300 * 4);
    assert_int_equal(find(mem, 0, 0), 0);
    cw_recall_free(recall);
}

struct asker {
    int n;
    bool is_ancient; /* its request may be of any age */
    int result;
    bool is_found;
};

static int ask_on_fiber(void *arg)
{
    struct asker *a = arg;
    char id[CW_UUID_BYTES];
    struct cw_err err = {0};
    struct cw_verdict verdict;
    struct cw_arena *mem;
    id_for(a->n, id);
    assert_int_equal(cw_arena_new(1 << 20, &mem), 0);
    a->result = cw_recall_find(recall, id, a->is_ancient ? 0 : cw_wall_ms(), cw_in_ms(5000), mem,
                               &a->is_found, &verdict, &err);
    cw_arena_free(mem);
    return 0;
}

static void many_askers_share_a_reading(struct cw_arena *mem)
{
    (void)mem;
    struct asker askers[100];
    struct cw_fiber *fibers[100];
    begin(0);
    for (int i = 0; i < 1000; i++)
        publish(i, "succeeded", cw_wall_ms());
    for (int i = 0; i < 100; i++) {
        askers[i] = (struct asker){.n = 2000 + i};
        assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "asker", ask_on_fiber, &askers[i], &fibers[i]),
                         0);
    }
    for (int i = 0; i < 100; i++) {
        int result;
        assert_int_equal(cw_fiber_join(fibers[i], CW_NEVER, &result), 0);
        assert_int_equal(askers[i].result, 0);
        assert_false(askers[i].is_found);
    }
    assert_int_equal(topic.handed, 1000);
    assert_true(topic.spans_calls <= 3);
    cw_recall_free(recall);
}

/* An index that is made anew and then not read to its end answers nobody who waited for the former one. */
static void a_half_read_index_is_not_believed(struct cw_arena *mem)
{
    (void)mem;
    struct asker askers[] = {{.n = 2000}, {.n = 2001}, {.n = 2002, .is_ancient = true}, {.n = 7}};
    struct cw_fiber *fibers[4];
    int result;
    begin(0);
    for (int i = 0; i < 100; i++)
        publish(i, "succeeded", cw_wall_ms());
    for (int i = 0; i < 4; i++)
        assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "asker", ask_on_fiber, &askers[i], &fibers[i]),
                         0);
    for (int i = 0; i < 2; i++) /* the second reading answers all that asked during the first */
        assert_int_equal(cw_fiber_join(fibers[i], CW_NEVER, &result), 0);
    topic.fail_reads = 1;
    topic.fail_after = 0;
    assert_int_equal(cw_fiber_join(fibers[2], CW_NEVER, &result), 0);
    assert_true(askers[2].result < 0);
    assert_int_equal(cw_fiber_join(fibers[3], CW_NEVER, &result), 0);
    assert_int_equal(askers[3].result, 0);
    assert_true(askers[3].is_found);
    cw_recall_free(recall);
}

/* Who asks while a reading is under way gets the answer of a later one: what is published meanwhile is seen. */
static void a_reading_answers_no_later_question(struct cw_arena *mem)
{
    struct asker first = {.n = 500};
    struct cw_fiber *fiber;
    int result;
    begin(0);
    topic.slow_ms = 100;
    publish(0, "succeeded", cw_wall_ms());
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "asker", ask_on_fiber, &first, &fiber), 0);
    assert_int_equal(cw_sleep(cw_in_ms(40)), 0);
    publish(501, "succeeded", cw_wall_ms());
    assert_int_equal(find(mem, 501, cw_wall_ms()), 1);
    assert_int_equal(cw_fiber_join(fiber, CW_NEVER, &result), 0);
    assert_int_equal(first.result, 0);
    cw_recall_free(recall);
}

static void a_cancelled_asker_passes_its_turn_on(struct cw_arena *mem)
{
    struct asker askers[3] = {{.n = 1}, {.n = 2}, {.n = 3}};
    struct cw_fiber *fibers[3];
    int result;
    begin(0);
    topic.slow_ms = 50;
    publish(3, "succeeded", cw_wall_ms());
    for (int i = 0; i < 3; i++)
        assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "asker", ask_on_fiber, &askers[i], &fibers[i]),
                         0);
    assert_int_equal(cw_sleep(cw_in_ms(20)), 0);
    cw_fiber_cancel(fibers[0], CW_ELOST); /* it reads */
    cw_fiber_cancel(fibers[1], CW_ELOST); /* it waits for its turn */
    for (int i = 0; i < 3; i++)
        assert_int_equal(cw_fiber_join(fibers[i], cw_in_ms(3000), &result), 0);
    assert_int_equal(askers[0].result, -CW_ELOST);
    assert_int_equal(askers[1].result, -CW_ELOST);
    assert_int_equal(askers[2].result, 0);
    assert_true(askers[2].is_found);
    assert_int_equal(find(mem, 3, cw_wall_ms()), 0);
    cw_recall_free(recall);
}

/* A reading that fails is no answer, and what it read is not read again. */
static void a_failure_goes_on_where_it_stopped(struct cw_arena *mem)
{
    char id[CW_UUID_BYTES];
    struct cw_err err = {0};
    struct cw_verdict verdict;
    bool is_found = false;
    int64_t now = cw_wall_ms();
    begin(0);
    for (int i = 0; i < 300; i++)
        publish(i, "succeeded", now);
    topic.fail_reads = 3;
    topic.fail_after = 60;
    id_for(299, id);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cw_recall_find(recall, id, now, cw_in_ms(5000), mem, &is_found, &verdict, &err),
                         -CW_ENET);
    assert_int_equal(find(mem, 299, now), 299);
    assert_int_equal(topic.handed, 301);
    cw_recall_free(recall);
}

/* More ids than fit: the rest is read for each question, and the answers stay right. */
static void a_full_index_still_answers(struct cw_arena *mem)
{
    int64_t now = cw_wall_ms();
    begin(100);
    for (int i = 0; i < 400; i++)
        publish(i, "succeeded", now);
    for (int i = 0; i < 400; i += 13)
        assert_int_equal(find(mem, i, now), i);
    assert_int_equal(find(mem, 400, now), -1);
    publish(400, "rejected", now);
    assert_int_equal(find(mem, 400, now), 400);
    assert_int_equal(cw_recall_count(recall), 100);
    cw_recall_free(recall);
}

/* The topic was recreated: what was read of it says nothing about the new one. */
static void a_shorter_topic_is_read_anew(struct cw_arena *mem)
{
    int64_t now = cw_wall_ms();
    begin(0);
    for (int i = 0; i < 50; i++)
        publish(i, "succeeded", now);
    assert_int_equal(find(mem, 20, now), 20);
    topic.count = 0;
    publish(300, "failed", now);
    assert_int_equal(find(mem, 20, now), -1);
    assert_int_equal(find(mem, 300, now), 0);
    cw_recall_free(recall);
}

static void what_is_no_verdict_is_an_error(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_verdict verdict;
    char id[CW_UUID_BYTES];
    bool is_found = false;
    begin(0);
    publish(1, "splendid", cw_wall_ms()); /* a newer version's outcome is one all the same */
    publish(2, "\",\"outcome\":7,\"", cw_wall_ms());
    id_for(1, id);
    assert_int_equal(cw_recall_find(recall, id, cw_wall_ms(), cw_in_ms(5000), mem, &is_found, &verdict, &err),
                     0);
    assert_true(is_found);
    assert_string_equal(verdict.outcome, "splendid");
    id_for(2, id);
    assert_int_equal(cw_recall_find(recall, id, cw_wall_ms(), cw_in_ms(5000), mem, &is_found, &verdict, &err),
                     -CW_EPROTO);
    assert_int_equal(cw_recall_find(recall, "no uuid", 0, cw_in_ms(5000), mem, &is_found, &verdict, &err),
                     -CW_EINVAL);
    cw_recall_free(recall);
}

/* clang-format off */
#define LIST(X)                                                                             \
    X(first_record_counts) X(each_record_is_read_once) X(older_requests_reach_further_back) \
    X(many_askers_share_a_reading) X(a_reading_answers_no_later_question) X(a_half_read_index_is_not_believed) \
    X(a_cancelled_asker_passes_its_turn_on) X(a_failure_goes_on_where_it_stopped)           \
    X(a_full_index_still_answers) X(a_shorter_topic_is_read_anew) X(what_is_no_verdict_is_an_error)
/* clang-format on */

#define X(fn)                           \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        on_fiber(fn);                   \
    }
LIST(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(fn) cmocka_unit_test(test_##fn),
        LIST(X)
#undef X
    };
    return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}

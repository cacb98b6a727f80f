/* Reading a topic back, against librdkafka's mock cluster.
 *
 * label: no tsan: librdkafka's threads are C11's, which TSan does not see begin. */
#include "common/net/kafka_scan.h"

#include "tests/unit/common/check.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/fiber/fiber.h"

#define SEEN_MAX 20000
#define API_FETCH 1
#define API_LIST_OFFSETS 2
#define API_METADATA 3

static struct {
    struct cw_loop *loop;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct cw_kafka_out *out;
    struct cw_kafka_scan *scan;
    struct cw_arena *mem;
    struct cw_err err;
    char topic[32];
    int tests;
    int32_t partitions;
} rig;

/* What a reading handed over. */
static struct {
    int32_t partitions[SEEN_MAX];
    int64_t offsets[SEEN_MAX];
    int64_t timestamps[SEEN_MAX];
    int count;
    int enough_at; /* 0 = never */
    char key[32], value[32], header[32];
} seen;

static struct cw_kafka_cfg cfg(void)
{
    return (struct cw_kafka_cfg){.brokers = rd_kafka_mock_cluster_bootstraps(rig.cluster),
                                 .client_id = "test"};
}

static int open_rig(void **state)
{
    struct cw_sched_cfg sched = {.fibers_max = 100};
    struct cw_err err = {0};
    char reason[128];
    (void)state;
    assert_int_equal(cw_loop_new(&sched, &rig.loop, &err), 0);
    rig.rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    rig.cluster = rd_kafka_mock_cluster_new(rig.rk, 1);
    assert_non_null(rig.cluster);
    const struct cw_kafka_cfg c = cfg();
    return cw_kafka_out_new(rig.loop, &c, &rig.out, &err);
}

static int close_rig(void **state)
{
    (void)state;
    cw_kafka_out_free(rig.out, 1000);
    cw_loop_free(rig.loop);
    rd_kafka_mock_cluster_destroy(rig.cluster);
    rd_kafka_destroy(rig.rk);
    return 0;
}

static void send_one(int n)
{
    char key[16], value[32];
    (void)snprintf(key, sizeof key, "k%d", n);
    (void)snprintf(value, sizeof value, "value %d", n);
    const struct cw_kafka_header header = {"ce_id", cw_str_of(value)};
    const struct cw_kafka_record rec = {.topic = rig.topic,
                                        .key = cw_str_of(key),
                                        .value = cw_str_of(value),
                                        .headers = &header,
                                        .header_count = 1};
    if (cw_kafka_send(rig.out, &rec, cw_in_ms(10000), &rig.err) < 0)
        fail_msg("%s", rig.err.text);
}

static bool see(void *arg, const struct cw_kafka_message *m)
{
    (void)arg;
    assert_true(seen.count < SEEN_MAX);
    seen.partitions[seen.count] = m->partition;
    seen.offsets[seen.count] = m->offset;
    seen.timestamps[seen.count++] = m->timestamp_ms;
    (void)snprintf(seen.key, sizeof seen.key, CW_STR_FMT, CW_STR_ARG(m->key));
    (void)snprintf(seen.value, sizeof seen.value, CW_STR_FMT, CW_STR_ARG(m->value));
    assert_int_equal(m->header_count, 1);
    assert_string_equal(m->headers[0].name, "ce_id");
    (void)snprintf(seen.header, sizeof seen.header, CW_STR_FMT, CW_STR_ARG(m->headers[0].value));
    return seen.enough_at == 0 || seen.count < seen.enough_at;
}

static struct cw_kafka_span *spans_since(int64_t since_ms, size_t *ret_count)
{
    struct cw_kafka_span *spans = NULL;
    if (cw_kafka_scan_spans(rig.scan, since_ms, cw_in_ms(10000), rig.mem, &spans, ret_count, &rig.err) < 0)
        fail_msg("%s", rig.err.text);
    assert_int_equal(*ret_count, rig.partitions);
    return spans;
}

static void read_all(struct cw_kafka_span *spans, size_t count)
{
    memset(&seen, 0, sizeof seen);
    if (cw_kafka_scan_read(rig.scan, spans, count, see, NULL, cw_in_ms(20000), &rig.err) < 0)
        fail_msg("%s", rig.err.text);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void everything_from_the_start_to_the_end(void)
{
    size_t count;
    for (int i = 0; i < 50; i++)
        send_one(i);
    struct cw_kafka_span *spans = spans_since(0, &count);
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(spans[i].from, 0);
        total += spans[i].to;
    }
    assert_int_equal(total, 50);
    send_one(50); /* behind the ends that were asked for */
    read_all(spans, count);
    assert_int_equal(seen.count, 50);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(spans[i].from, spans[i].to);
    assert_string_equal(seen.header, seen.value);
    assert_true(seen.timestamps[0] > 0);

    /* What came since, and no more. */
    struct cw_kafka_span *now = spans_since(CW_KAFKA_SCAN_ENDS, &count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(now[i].from, now[i].to);
        for (size_t k = 0; k < count; k++) {
            if (now[i].partition == spans[k].partition)
                spans[k].to = now[i].to;
        }
    }
    read_all(spans, count);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.value, "value 50");
    read_all(spans, count);
    assert_int_equal(seen.count, 0);
}

static void a_place_is_read_again(void)
{
    for (int i = 0; i < 10; i++)
        send_one(i);
    for (int turn = 0; turn < 3; turn++) {
        for (int64_t at = 9; at >= 0; at -= 3) {
            struct cw_kafka_span one = {0, at, at + 1};
            read_all(&one, 1);
            assert_int_equal(seen.count, 1);
            assert_int_equal(seen.offsets[0], at);
            assert_int_equal(one.from, at + 1);
        }
    }
}

static void who_has_enough_goes_on_later(void)
{
    size_t count;
    for (int i = 0; i < 20; i++)
        send_one(i);
    struct cw_kafka_span *spans = spans_since(0, &count);
    memset(&seen, 0, sizeof seen);
    seen.enough_at = 7;
    assert_int_equal(cw_kafka_scan_read(rig.scan, spans, count, see, NULL, cw_in_ms(20000), &rig.err), 0);
    assert_int_equal(seen.count, 7);
    read_all(spans, count);
    assert_int_equal(seen.count, 13);
}

static void an_empty_topic_has_no_records(void)
{
    size_t count;
    struct cw_kafka_span *spans = spans_since(0, &count);
    read_all(spans, count);
    assert_int_equal(seen.count, 0);
    spans = spans_since(cw_wall_ms() + 100000, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(spans[i].from, spans[i].to);
}

static void a_time_leaves_out_what_is_older(void)
{
    size_t count;
    send_one(1);
    struct cw_kafka_span *spans = spans_since(cw_wall_ms() - 60000, &count);
    read_all(spans, count);
    assert_int_equal(seen.count, 1);
}

static void a_missing_topic_is_named(void)
{
    struct cw_kafka_scan *other;
    struct cw_kafka_span *spans;
    size_t count;
    const struct cw_kafka_cfg c = cfg();
    rd_kafka_mock_topic_set_error(rig.cluster, "nowhere", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_int_equal(cw_kafka_scan_new(rig.loop, &c, "nowhere", &other, &rig.err), 0);
    int r = cw_kafka_scan_spans(other, 0, cw_in_ms(8000), rig.mem, &spans, &count, &rig.err);
    assert_int_equal(r, -CW_ENOTFOUND);
    assert_non_null(strstr(rig.err.text, "nowhere"));
    assert_true(rig.err.remedy[0] != '\0');
    cw_kafka_scan_free(other);
}

static void a_refused_question_is_no_answer(void)
{
    struct cw_kafka_span *spans;
    size_t count;
    send_one(1);
    (void)spans_since(0, &count);
    rd_kafka_mock_push_request_errors(rig.cluster, API_LIST_OFFSETS, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    int r = cw_kafka_scan_spans(rig.scan, 0, cw_in_ms(8000), rig.mem, &spans, &count, &rig.err);
    assert_true(r < 0);
    assert_true(rig.err.text[0] != '\0');
    rd_kafka_mock_clear_request_errors(rig.cluster, API_LIST_OFFSETS);
    (void)spans_since(0, &count);
}

/* Brokers that are away cost the deadline, and no more; then everything is there again. */
static void away_and_back(void)
{
    struct cw_kafka_span *spans;
    size_t count;
    for (int i = 0; i < 5; i++)
        send_one(i);
    spans = spans_since(0, &count);
    assert_int_equal(rd_kafka_mock_broker_set_down(rig.cluster, 1), 0);
    int64_t began = cw_mono_ms();
    memset(&seen, 0, sizeof seen);
    int r = cw_kafka_scan_read(rig.scan, spans, count, see, NULL, cw_in_ms(700), &rig.err);
    assert_int_equal(r, -CW_ETIMEDOUT);
    assert_true(cw_mono_ms() - began < 3000);
    struct cw_kafka_span *more;
    r = cw_kafka_scan_spans(rig.scan, 0, cw_in_ms(700), rig.mem, &more, &count, &rig.err);
    assert_true(r < 0);
    assert_int_equal(rd_kafka_mock_broker_set_up(rig.cluster, 1), 0);
    spans = spans_since(0, &count);
    read_all(spans, count);
    assert_int_equal(seen.count, 5);
}

static int read_slowly(void *arg)
{
    struct cw_kafka_span *span = arg;
    struct cw_err err = {0};
    return cw_kafka_scan_read(rig.scan, span, 1, see, NULL, cw_in_ms(20000), &err);
}

static void a_cancelled_reading_ends_at_once(void)
{
    size_t count;
    struct cw_fiber *fiber;
    int result = 0;
    send_one(1);
    (void)spans_since(0, &count);
    struct cw_kafka_span beyond = {0, 1, 1000}; /* nothing stands there */
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(rig.loop), "reader", read_slowly, &beyond, &fiber), 0);
    assert_int_equal(cw_sleep(cw_in_ms(300)), 0);
    cw_fiber_cancel(fiber, CW_ELOST);
    assert_int_equal(cw_fiber_join(fiber, cw_in_ms(1000), &result), 0);
    assert_int_equal(result, -CW_ELOST);
    struct cw_kafka_span first = {0, 0, 1};
    read_all(&first, 1);
    assert_int_equal(seen.count, 1);
}

/* The loop goes on while thousands come in. */
static void thousands(void)
{
    size_t count;
    struct cw_err err = {0};
    char value[500]; /* the mock broker keeps 5 MiB a partition */
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 5000; i++) {
        const struct cw_kafka_header header = {"ce_id", cw_str_of("id")};
        const struct cw_kafka_record rec = {
            .topic = rig.topic, .value = {value, sizeof value}, .headers = &header, .header_count = 1};
        assert_int_equal(cw_kafka_post(rig.out, &rec, &err), 0);
    }
    send_one(1);
    while (cw_kafka_out_queued(rig.out) > 0)
        assert_int_equal(cw_sleep(cw_in_ms(10)), 0);
    struct cw_kafka_span *spans = spans_since(0, &count);
    read_all(spans, count);
    assert_int_equal(seen.count, 5001);
    for (int i = 1; i < seen.count; i++)
        assert_true(seen.partitions[i] != seen.partitions[i - 1] ||
                    seen.offsets[i] == seen.offsets[i - 1] + 1);
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

struct body {
    void (*fn)(void);
};

static int run_body(void *arg)
{
    const struct body *b = arg;
    const struct cw_kafka_cfg c = cfg();
    rig.err = (struct cw_err){0};
    assert_int_equal(cw_arena_new(1 << 20, &rig.mem), 0);
    assert_int_equal(cw_kafka_scan_new(rig.loop, &c, rig.topic, &rig.scan, &rig.err), 0);
    b->fn();
    cw_kafka_scan_free(rig.scan);
    cw_arena_free(rig.mem);
    return 0;
}

static void run_on(int32_t partitions, void (*fn)(void))
{
    struct body b = {fn};
    rig.partitions = partitions;
    (void)snprintf(rig.topic, sizeof rig.topic, "topic%d", ++rig.tests);
    assert_int_equal(rd_kafka_mock_topic_create(rig.cluster, rig.topic, partitions, 1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(cw_loop_run_fiber(rig.loop, "test", run_body, &b), 0);
}

/* clang-format off */
#define LIST(X)                                                                                        \
    X(everything_from_the_start_to_the_end, 20) X(a_place_is_read_again, 1)                            \
    X(who_has_enough_goes_on_later, 3) X(an_empty_topic_has_no_records, 4)                             \
    X(a_time_leaves_out_what_is_older, 2) X(a_missing_topic_is_named, 1)                               \
    X(a_refused_question_is_no_answer, 1) X(away_and_back, 2) X(a_cancelled_reading_ends_at_once, 1)   \
    X(thousands, 3)
/* clang-format on */

#define X(fn, partitions)               \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        run_on(partitions, fn);         \
    }
LIST(X)
#undef X

int main(void)
{
#define X(fn, partitions) cmocka_unit_test(test_##fn),
    const struct CMUnitTest tests[] = {LIST(X)};
#undef X
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}

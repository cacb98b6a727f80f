/* The engine behind a real consumer: librdkafka's mock cluster in this process, a real Redis, fake steps, events kept in memory. */
#include "worker/engine/engine.h"

#include "tests/unit/worker/engine/rig.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/metrics.h"
#include "common/time.h"

#define TOPIC "requests"
#define WS_FMT \
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.Databricks/workspaces/ws-%d"

/* ---- the broker ------------------------------------------------------------------------------------------------------- */

static rd_kafka_t *owner;
static rd_kafka_mock_cluster_t *cluster;
static const char *brokers;
static struct cw_kafka_out *out;
static struct cw_kafka_scan *results;

static void open_broker(void)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(owner);
    cluster = rd_kafka_mock_cluster_new(owner, 1);
    assert_non_null(cluster);
    rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, TOPIC, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "bulk", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "results", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    brokers = rd_kafka_mock_cluster_bootstraps(cluster);
}

static struct cw_kafka_cfg kafka_cfg(void)
{
    return (struct cw_kafka_cfg){.brokers = brokers, .client_id = "test"};
}

static int set_up(void **state)
{
    struct cw_err err = {0};
    open_broker();
    (void)rig_set_up(state);
    const struct cw_kafka_cfg cfg = kafka_cfg();
    assert_int_equal(cw_kafka_out_new(loop, &cfg, &out, &err), 0);
    assert_int_equal(cw_kafka_scan_new(loop, &cfg, "results", &results, &err), 0);
    return 0;
}

static int tear_down(void **state)
{
    cw_kafka_scan_free(results);
    cw_kafka_out_free(out, 1000);
    (void)rig_tear_down(state);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}

static void produce(const char *topic, const char *value, size_t n)
{
    struct cw_err err = {0};
    const struct cw_kafka_record rec = {.topic = topic, .key = cw_str_of("k"), .value = {value, n}};
    if (cw_kafka_send(out, &rec, cw_in_ms(5000), &err) < 0)
        fail_msg("%s", err.text);
}

static void request(struct cw_arena *mem, const char *id, int workspace)
{
    char ws[256];
    (void)snprintf(ws, sizeof ws, WS_FMT, workspace);
    const char *z = cw_arena_printf(mem,
                                    "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/t\",\"type\":"
                                    "\"causeway.workspace.verify.v1\",\"data\":{\"workspaceId\":\"%s\"}}",
                                    id, ws);
    produce(TOPIC, z, strlen(z));
}

/* ---- what comes out --------------------------------------------------------------------------------------------------- */

static char *verdicts[2000];
static size_t verdict_count, letter_count;
static char *letters[100];

static int keep(void *arg, const struct cw_kafka_record *rec, struct cw_err *err)
{
    (void)arg;
    (void)err;
    char *body = strndup(rec->value.p, rec->value.n);
    if (cw_z_eq(rec->topic, "results") && verdict_count < CW_ARRAY_LEN(verdicts))
        verdicts[verdict_count++] = body;
    else if (cw_z_eq(rec->topic, "deadletter") && letter_count < CW_ARRAY_LEN(letters))
        letters[letter_count++] = body;
    else
        free(body);
    return 0;
}

static int send_record(void *arg, const struct cw_kafka_record *rec, struct cw_deadline until,
                       struct cw_err *err)
{
    (void)until;
    return keep(arg, rec, err);
}

static void forget(void)
{
    while (verdict_count > 0)
        free(verdicts[--verdict_count]);
    while (letter_count > 0)
        free(letters[--letter_count]);
}

static size_t count_verdicts(const char *id, const char *outcome)
{
    char want_id[64], want_outcome[64];
    size_t n = 0;
    (void)snprintf(want_id, sizeof want_id, "\"requestId\":\"%s\"", id);
    (void)snprintf(want_outcome, sizeof want_outcome, "\"outcome\":\"%s\"", outcome);
    for (size_t i = 0; i < verdict_count; i++)
        n += strstr(verdicts[i], want_id) != NULL && strstr(verdicts[i], want_outcome) != NULL;
    return n;
}

/* ---- one step --------------------------------------------------------------------------------------------------------- */

static int runs, at_once, most_at_once;
static const char *stuck_id; /* this request's step never ends */
static int64_t step_ms;

static int run_step(struct cw_step_ctx *c, struct cw_err *err)
{
    runs++;
    at_once++;
    most_at_once = CW_MAX(most_at_once, at_once);
    bool is_stuck = cw_z_eq(c->req->event.id, stuck_id);
    int r = cw_sleep(cw_in_ms(is_stuck ? 600000 : step_ms));
    at_once--;
    return r < 0 ? cw_err_set(err, r, "stopped") : 0;
}

static const struct cw_step step = {
    .name = "only", .kind = CW_STEP_READ, .timeout_ms = 700000, .retry = {3, 5, 20}, .run = run_step};
static const struct cw_step *const steps[] = {&step};
static const struct cw_plan plan = {CW_REQUEST_VERIFY, 1, steps, 1};

static const struct cw_plan *plan_of(const struct cw_request *req)
{
    return req->kind == CW_REQUEST_CANCEL ? NULL : &plan;
}

static int clients_of(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                      struct cw_err *err)
{
    static const struct cw_clients none;
    (void)arg;
    (void)req;
    (void)err;
    *ret_clients = &none;
    return 0;
}

static void on_fatal(void *arg, const struct cw_err *err)
{
    (void)arg;
    fail_msg("fatal: %s", err->text);
}

static struct cw_engine *start_engine(const char *group, size_t slots, size_t queued)
{
    struct cw_err err = {0};
    struct cw_engine *e;
    const struct cw_engine_cfg cfg = {
        .loop = loop,
        .redis = redis,
        .sink = {send_record, keep, NULL},
        .results = cw_reader_of_kafka(results),
        .worker_id = "w1",
        .topic_requests = TOPIC,
        .topic_requests_bulk = "bulk",
        .topic_progress = "progress",
        .topic_results = "results",
        .topic_deadletter = "deadletter",
        .plan_of = plan_of,
        .clients_of = clients_of,
        .fatal = on_fatal,
        .slots = slots,
        .reserved = 0,
        .queued_max = queued,
        .light_max = 16,
        .request_bytes_max = 20000,
        .job_memory_max = (size_t)8 << 20,
        .step_memory_max = (size_t)8 << 20,
        .lease_ms = 3000,
        .lease_margin_ms = 300,
        .retention_ms = 600000,
        .crash_limit = 3,
        .undo_timeout_ms = 10000,
        .waiting_interval_ms = 30000,
        .repost_interval_ms = 900000,
        .commit_interval_ms = 20,
        .time_scale = 1,
    };
    if (cw_engine_new(&cfg, &e, &err) < 0)
        fail_msg("%s", err.text);
    const struct cw_kafka_in_cfg in = {.common = kafka_cfg(),
                                       .group = group,
                                       .session_timeout_ms = 1300,
                                       .fetch_wait_ms = 10,
                                       .from_start_without_offset = true};
    if (cw_engine_join(e, &in, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

static void stop_engine(struct cw_engine *e)
{
    assert_true(cw_engine_drain(e, cw_in_ms(5000)));
    cw_engine_free(e);
}

static void until_verdicts(size_t n)
{
    struct cw_deadline until = cw_in_ms(20000);
    while (verdict_count < n && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    assert_int_equal(verdict_count, n);
}

static void begin(void)
{
    forget();
    runs = at_once = most_at_once = 0;
    stuck_id = NULL;
    step_ms = 1;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void good_bad_and_ugly(struct cw_arena *mem)
{
    begin();
    empty_redis(mem);
    struct cw_engine *e = start_engine("g1", 8, 100);
    request(mem, "ok-1", 1);
    produce(TOPIC, "not json at all", 15);
    produce(TOPIC, "", 0);
    static char big[30000];
    memset(big, 'x', sizeof big);
    produce(TOPIC, big, sizeof big);
    const char *invalid =
        "{\"specversion\":\"1.0\",\"id\":\"bad-1\",\"source\":\"/t\",\"type\":\"causeway.workspace.verify.v1\","
        "\"data\":{\"workspaceId\":\"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/"
        "providers/Microsoft.Databricks/workspaces/ws-9\",\"options\":{\"deadlineMinutes\":-5}}}";
    produce(TOPIC, invalid, strlen(invalid));
    const char *unknown =
        "{\"specversion\":\"1.0\",\"id\":\"u-1\",\"source\":\"/t\",\"type\":\"something.else\",\"data\":{}}";
    produce(TOPIC, unknown, strlen(unknown));
    request(mem, "ok-2", 2);
    until_verdicts(3);
    request(mem, "ok-1", 1); /* repeated; while the first runs, the two would share a verdict record */
    until_verdicts(4);
    assert_int_equal(count_verdicts("ok-1", "succeeded"), 2);
    assert_int_equal(count_verdicts("ok-2", "succeeded"), 1);
    assert_int_equal(count_verdicts("bad-1", "rejected"), 1);
    struct cw_deadline until = cw_in_ms(5000);
    while (letter_count < 4 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    assert_int_equal(letter_count, 4);
    assert_int_equal(runs, 2);
    assert_int_equal(cw_sleep(cw_in_ms(100)), 0);
    stop_engine(e);
    begin(); /* all of it is committed: nothing comes again */
    e = start_engine("g1", 8, 100);
    request(mem, "ok-3", 3);
    until_verdicts(1);
    assert_int_equal(runs, 1);
    assert_int_equal(letter_count, 0);
    assert_int_equal(cw_sleep(cw_in_ms(60)), 0);
    stop_engine(e);
}

/* What is rare can be told from what is misspelt: it is there, at 0. */
static void counters_begin_at_0(struct cw_arena *mem)
{
    (void)mem;
    static const char *const lines[] = {"\ncauseway_verdicts_total{outcome=\"failed\"} ",
                                        "\ncauseway_deadletters_total ",
                                        "\ncauseway_drifted_verdicts_total ",
                                        "\ncauseway_dependency_errors_total{for=\"journal\"} ",
                                        "\ncauseway_retries_total{class=\"throttled\"} ",
                                        "\ncauseway_azure_calls_total{kind=\"write\"} ",
                                        "\ncauseway_recall_verdicts_total "};
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    begin();
    struct cw_engine *e = start_engine("g0", 8, 100);
    cw_metrics_print(&text);
    for (size_t i = 0; i < CW_ARRAY_LEN(lines); i++) {
        const char *line = strstr(cw_buf_z(&text), lines[i]);
        if (line == NULL || line[strlen(lines[i])] != '0')
            fail_msg("no %s0 in %s", lines[i] + 1, cw_buf_z(&text));
    }
    stop_engine(e);
}

static void stuck_head_does_not_repeat_the_rest(struct cw_arena *mem)
{
    char id[32];
    begin();
    struct cw_engine *e = start_engine("g1", 8, 1000);
    stuck_id = "stuck";
    request(mem, "stuck", 100);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(id, sizeof id, "s-%d", i);
        request(mem, id, 200 + i);
    }
    until_verdicts(60);
    assert_int_equal(runs, 61);
    assert_int_equal(cw_sleep(cw_in_ms(150)), 0);
    int64_t before = cw_mono_ms();
    stop_engine(e);
    assert_true(cw_mono_ms() - before < 4000);
    empty_redis(mem); /* the journal can't help: the map alone says what is done */
    begin();
    e = start_engine("g1", 8, 1000);
    until_verdicts(1);
    assert_int_equal(count_verdicts("stuck", "succeeded"), 1);
    assert_int_equal(cw_sleep(cw_in_ms(200)), 0);
    assert_int_equal(runs, 1);
    stop_engine(e);
}

static void back_pressure(struct cw_arena *mem)
{
    char id[32];
    begin();
    struct cw_engine *e = start_engine("g1", 3, 4);
    step_ms = 5;
    for (int i = 0; i < 120; i++) {
        (void)snprintf(id, sizeof id, "p-%d", i);
        request(mem, id, 1000 + i % 40);
    }
    struct cw_deadline until = cw_in_ms(20000);
    while (verdict_count < 120 && !cw_is_past(until)) {
        assert_true(cw_engine_count(e) <= 3 + 4 + 1);
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    }
    assert_int_equal(verdict_count, 120);
    assert_true(most_at_once <= 3);
    assert_int_equal(runs, 120);
    assert_int_equal(cw_sleep(cw_in_ms(60)), 0);
    stop_engine(e);
}

static void broker_away_for_a_while(struct cw_arena *mem)
{
    begin();
    struct cw_engine *e = start_engine("g1", 8, 100);
    request(mem, "a-1", 1);
    until_verdicts(1);
    rd_kafka_mock_broker_set_down(cluster, -1);
    assert_int_equal(cw_sleep(cw_in_ms(500)), 0);
    rd_kafka_mock_broker_set_up(cluster, -1);
    request(mem, "a-2", 2);
    struct cw_deadline until = cw_in_ms(20000);
    while (count_verdicts("a-2", "succeeded") == 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    assert_int_equal(count_verdicts("a-2", "succeeded"), 1);
    assert_int_equal(
        runs, 2); /* the first may be delivered again, and get its verdict again, but does not run again */
    assert_int_equal(cw_sleep(cw_in_ms(60)), 0);
    stop_engine(e);
}

/* One deadline for all stages of the drain, whoever does not answer. */
static void drain_ends_in_time_without_a_broker(struct cw_arena *mem)
{
    begin();
    struct cw_engine *e = start_engine("away", 8, 1000);
    stuck_id = "held";
    request(mem, "held", 1);
    struct cw_deadline until = cw_in_ms(10000);
    while (at_once == 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    rd_kafka_mock_broker_set_down(cluster, -1);
    int64_t before = cw_mono_ms();
    assert_true(cw_engine_drain(e, cw_in_ms(2000)));
    int64_t took_ms = cw_mono_ms() - before;
    rd_kafka_mock_broker_set_up(cluster, -1);
    if (took_ms > 3000)
        fail_msg("the drain took %lld ms", (long long)took_ms);
    cw_engine_free(e);
}

/* What a former owner committed, as a client of its own. */
static void commit_by_hand(const char *group, int64_t offset, const char *metadata)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", group, text, sizeof text), 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, TOPIC, 0);
    tp->offset = offset;
    tp->metadata = strdup(metadata);
    tp->metadata_size = strlen(metadata);
    assert_int_equal(rd_kafka_commit(rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* The topic was made anew: the group's offset lies beyond its end, and Kafka begins again at 0. */
static void recreated_topic_loses_nothing(struct cw_arena *mem)
{
    char id[32];
    begin();
    commit_by_hand("recreated", 100000, "");
    int64_t rewound = cw_metric_value(cw_counter("causeway_partitions_rewound_total", "", NULL, NULL));
    empty_redis(mem);
    struct cw_engine *e = start_engine("recreated", 8, 1000);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(id, sizeof id, "anew-%d", i);
        request(mem, id, i);
    }
    struct cw_deadline until = cw_in_ms(20000);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(id, sizeof id, "anew-%d", i);
        while (count_verdicts(id, "succeeded") == 0 && !cw_is_past(until))
            assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
        assert_int_equal(count_verdicts(id, "succeeded"), 1);
    }
    assert_int_equal(cw_metric_value(cw_counter("causeway_partitions_rewound_total", "", NULL, NULL)),
                     rewound + 1);
    stop_engine(e);
}

static void limits_that_contradict(struct cw_arena *mem)
{
    (void)mem;
    struct cw_err err = {0};
    struct cw_engine *e;
    struct cw_engine_cfg cfg = {.loop = loop,
                                .redis = redis,
                                .worker_id = "w",
                                .topic_requests = "r",
                                .topic_progress = "p",
                                .topic_results = "v",
                                .topic_deadletter = "d",
                                .slots = 4,
                                .reserved = 4,
                                .queued_max = 1,
                                .light_max = 1,
                                .lease_ms = 3000,
                                .lease_margin_ms = 100,
                                .commit_interval_ms = 100};
    assert_int_equal(cw_engine_new(&cfg, &e, &err), -CW_EINVAL);
    cfg.reserved = 1;
    cfg.lease_margin_ms = 1000;
    assert_int_equal(cw_engine_new(&cfg, &e, &err), -CW_EINVAL);
    cfg.lease_margin_ms = 100;
    assert_int_equal(cw_engine_new(&cfg, &e, &err), 0);
    cw_engine_free(e);
}

/* clang-format off */
#define LIST(X)                                                                        \
    X(counters_begin_at_0) /* first: nothing has happened yet */                       \
    X(good_bad_and_ugly)                                                               \
    X(stuck_head_does_not_repeat_the_rest) X(back_pressure) X(broker_away_for_a_while) \
        X(recreated_topic_loses_nothing) X(drain_ends_in_time_without_a_broker) X(limits_that_contradict)
/* clang-format on */

#define X(fn)                           \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        on_fiber(fn);                   \
        forget();                       \
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
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include "tests/unit/common/check.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/metrics.h"
#include "common/net/kafka_in.h"

#define SEEN_MAX 4096
#define PARTS_MAX 8
#define API_OFFSET_COMMIT 8
#define API_OFFSET_FETCH 9
#define API_PRODUCE 0
#define API_HEARTBEAT 12
#define API_INIT_PRODUCER_ID 22

struct rig;

/* What a consumer saw. */
struct seen {
    struct rig *rig;
    struct cw_kafka_in *in;
    const char *topic;
    int64_t offsets[SEEN_MAX];
    int32_t parts[SEEN_MAX];
    int count;
    bool owns[PARTS_MAX];
    int64_t started_at[PARTS_MAX]; /* committed offset of the latest assignment */
    char metadata[PARTS_MAX][64];
    int64_t next[PARTS_MAX]; /* 0 = nothing yet */
    int assigned, revoked, lost, errors, unowned, disorder;
    int pause_at;    /* pause when so many were seen; 0 = never */
    int after_pause; /* delivered although paused */
    bool is_paused;
    bool commits_on_revoke;
    int last_error;
    char last_text[256];
    char last_key[64], last_value[64], last_header[64];
};

struct rig {
    struct cw_loop *loop;
    rd_kafka_mock_cluster_t *cluster;
    struct cw_kafka_out *out;
    char one[32], four[32], group[32]; /* topics with as many partitions, consumer group */
    struct seen a, b;
    struct cw_err err;
    int wanted, wanted_b;
    int from, to; /* send_some */
    int64_t wait_ms;
    size_t value_bytes;
    const char *topic;
};

/* --- callbacks ---------------------------------------------------------------------------------------------------- */

static void on_assigned(void *arg, const char *topic, int32_t partition, int64_t committed_offset,
                        const char *metadata)
{
    struct seen *s = arg;
    (void)topic;
    s->assigned++;
    s->owns[partition] = true;
    s->started_at[partition] = committed_offset;
    s->next[partition] = committed_offset;
    (void)cw_z_copy(s->metadata[partition], sizeof s->metadata[partition], metadata);
}

static void on_revoked(void *arg, const char *topic, int32_t partition, enum cw_kafka_revoke how)
{
    struct seen *s = arg;
    s->revoked++;
    s->lost += how == CW_KAFKA_LOST ? 1 : 0;
    s->owns[partition] = false;
    if (s->commits_on_revoke && how == CW_KAFKA_REVOKED && s->next[partition] >= 0) {
        char text[32];
        (void)snprintf(text, sizeof text, "left at %d", (int)s->next[partition]);
        assert_int_equal(cw_kafka_in_commit(s->in, topic, partition, s->next[partition], text), 0);
    }
}

static void on_message(void *arg, const struct cw_kafka_message *message)
{
    struct seen *s = arg;
    assert_true(s->count < SEEN_MAX);
    s->offsets[s->count] = message->offset;
    s->parts[s->count++] = message->partition;
    s->unowned += s->owns[message->partition] ? 0 : 1;
    s->disorder += s->next[message->partition] >= 0 && s->next[message->partition] != message->offset ? 1 : 0;
    s->next[message->partition] = message->offset + 1;
    s->after_pause += s->is_paused ? 1 : 0;
    (void)snprintf(s->last_key, sizeof s->last_key, CW_STR_FMT, CW_STR_ARG(message->key));
    (void)snprintf(s->last_value, sizeof s->last_value, "%.*s", (int)CW_MIN(message->value.n, 60),
                   message->value.p);
    for (size_t i = 0; i < message->header_count; i++)
        if (strcmp(message->headers[i].name, "ce_id") == 0)
            (void)snprintf(s->last_header, sizeof s->last_header, CW_STR_FMT,
                           CW_STR_ARG(message->headers[i].value));
    if (s->pause_at != 0 && s->count == s->pause_at) {
        assert_int_equal(cw_kafka_in_pause(s->in, message->topic, message->partition), 0);
        s->is_paused = true;
    }
}

static void on_error(void *arg, const struct cw_err *err, bool is_fatal)
{
    struct seen *s = arg;
    assert_false(is_fatal);
    s->errors++;
    s->last_error = err->code;
    (void)cw_z_copy(s->last_text, sizeof s->last_text, err->text);
}

/* --- rig ---------------------------------------------------------------------------------------------------------- */

/* The callbacks still use s->in while it is freed. */
static void stop(struct seen *s)
{
    cw_kafka_in_free(s->in, 5000);
    s->in = NULL;
}

/* Made once: librdkafka takes a second to end. Each test has topics and a group of its own. */
static struct {
    struct cw_loop *loop;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct cw_kafka_out *out;
    int tests;
} shared;

static int open_shared(void **state)
{
    struct cw_sched_cfg cfg = {.fibers_max = 600};
    struct cw_err err = {0};
    char reason[128];
    (void)state;
    if (cw_loop_new(&cfg, &shared.loop, &err) < 0)
        return -1;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    shared.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    shared.cluster = rd_kafka_mock_cluster_new(shared.rk, 1);
    rd_kafka_mock_group_initial_rebalance_delay_ms(shared.cluster, 0);
    struct cw_kafka_cfg kafka = {.brokers = rd_kafka_mock_cluster_bootstraps(shared.cluster)};
    return cw_kafka_out_new(shared.loop, &kafka, &shared.out, &err);
}

static int close_shared(void **state)
{
    (void)state;
    cw_kafka_out_free(shared.out, 100);
    cw_loop_free(shared.loop);
    rd_kafka_mock_cluster_destroy(shared.cluster);
    rd_kafka_destroy(shared.rk);
    cw_metrics_free_all();
    return 0;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    *state = rig;
    rig->wait_ms = 10000;
    rig->loop = shared.loop;
    rig->cluster = shared.cluster;
    rig->out = shared.out;
    shared.tests++;
    (void)snprintf(rig->one, sizeof rig->one, "one.%d", shared.tests);
    (void)snprintf(rig->four, sizeof rig->four, "four.%d", shared.tests);
    (void)snprintf(rig->group, sizeof rig->group, "group.%d", shared.tests);
    (void)rd_kafka_mock_topic_create(rig->cluster, rig->one, 1, 1);
    (void)rd_kafka_mock_topic_create(rig->cluster, rig->four, 4, 1);
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    (void)rd_kafka_mock_broker_set_up(rig->cluster, -1);
    stop(&rig->a);
    stop(&rig->b);
    free(rig);
    return 0;
}

static void consume(struct rig *rig, struct seen *s, const char *topic)
{
    static const struct cw_kafka_in_ops ops = {on_assigned, on_revoked, on_message, on_error};
    struct cw_kafka_in_cfg cfg = {
        .common = {.brokers = rd_kafka_mock_cluster_bootstraps(rig->cluster)},
        .group = rig->group,
        .topics = &topic,
        .topic_count = 1,
        .session_timeout_ms = 2000,
        .fetch_wait_ms = 10,
        .from_start_without_offset = true,
    };
    s->rig = rig;
    s->topic = topic;
    assert_int_equal(cw_kafka_in_new(rig->loop, &cfg, &ops, s, &s->in, &rig->err), 0);
}

/* Run the loop until the condition holds, at most a minute: a deadline for hangs, not for speed. */
struct until {
    struct rig *rig;
    bool (*is_met)(const struct rig *rig);
};

static int wait_until(void *arg)
{
    const struct until *u = arg;
    struct cw_deadline end = cw_in_ms(60000);
    while (!u->is_met(u->rig)) {
        if (cw_is_past(end))
            return -CW_ETIMEDOUT;
        int r = cw_sleep(cw_in_ms(2));
        if (r < 0)
            return r;
    }
    return 0;
}

#define RUN_UNTIL(rig, condition) \
    assert_int_equal(             \
        cw_loop_run_fiber((rig)->loop, "until", wait_until, &(struct until){(rig), (condition)}), 0)

static int run_for(void *arg)
{
    return cw_sleep(cw_in_ms(*(int *)arg));
}

static void run_ms(struct rig *rig, int ms)
{
    assert_int_equal(cw_loop_run_fiber(rig->loop, "for", run_for, &ms), 0);
}

static bool has_wanted(const struct rig *rig)
{
    return rig->a.count >= rig->wanted && rig->b.count >= rig->wanted_b;
}

static bool is_assigned(const struct rig *rig)
{
    return rig->a.assigned > 0;
}

static int send_one(struct rig *rig, int number)
{
    char key[32];
    char id[32];
    CW_AUTO(cw_auto_str) char *big = calloc(1, rig->value_bytes + 32);
    memset(big, 'x', rig->value_bytes);
    int n = snprintf(big, 32, "value-%d", number);
    (void)snprintf(key, sizeof key, "key-%d", number);
    (void)snprintf(id, sizeof id, "id-%d", number);
    const struct cw_kafka_header headers[] = {{"ce_id", cw_str_of(id)}, {"empty", {NULL, 0}}};
    struct cw_kafka_record rec = {
        .topic = rig->topic,
        .key = cw_str_of(key),
        .value = {big, CW_MAX((size_t)n, rig->value_bytes)},
        .headers = headers,
        .header_count = 2,
    };
    return cw_kafka_send(rig->out, &rec, cw_in_ms(rig->wait_ms), &rig->err);
}

static int send_some(void *arg)
{
    struct rig *rig = arg;
    int r = 0;
    for (int i = rig->from; r == 0 && i < rig->to; i++)
        r = send_one(rig, i);
    return r;
}

static int send_range(struct rig *rig, const char *topic, int from, int to)
{
    rig->topic = topic;
    rig->from = from;
    rig->to = to;
    cw_err_clear(&rig->err);
    return cw_loop_run_fiber(rig->loop, "send", send_some, rig);
}

/* Many at once, without waiting for each. */
static int post_some(void *arg)
{
    struct rig *rig = arg;
    for (int i = rig->from; i < rig->to; i++) {
        struct cw_kafka_record rec = {.topic = rig->topic, .value = cw_str_of("posted")};
        int r = cw_kafka_post(rig->out, &rec, &rig->err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_flushed(const struct rig *rig)
{
    return cw_kafka_out_queued(rig->out) == 0;
}

static void post(struct rig *rig, const char *topic, int count)
{
    rig->topic = topic;
    rig->from = 0;
    rig->to = count;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "post", post_some, rig), 0);
    RUN_UNTIL(rig, is_flushed);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void records_travel_whole_and_in_order(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(send_range(rig, rig->one, 0, 20), 0);
    consume(rig, &rig->a, rig->one);
    rig->wanted = 20;
    RUN_UNTIL(rig, has_wanted);
    assert_int_equal(rig->a.assigned, 1);
    assert_int_equal(rig->a.started_at[0], -1);
    assert_string_equal(rig->a.metadata[0], "");
    assert_string_equal(rig->a.last_key, "key-19");
    assert_string_equal(rig->a.last_value, "value-19");
    assert_string_equal(rig->a.last_header, "id-19");
    assert_int_equal(rig->a.disorder + rig->a.unowned + rig->a.errors, 0);
    assert_int_equal(cw_kafka_in_lag(rig->a.in), 0);
    stop(&rig->a);
    assert_int_equal(rig->a.revoked, 1);
    assert_int_equal(rig->a.lost, 0);
}

static void a_commit_and_its_metadata_are_found_by_the_next_consumer(void **state)
{
    struct rig *rig = *state;
    post(rig, rig->one, 10);
    consume(rig, &rig->a, rig->one);
    rig->wanted = 10;
    RUN_UNTIL(rig, has_wanted);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 0, 4, "v1:map-of-done"), 0);
    stop(&rig->a); /* waits for the commit */
    assert_int_equal(rig->a.errors, 0);
    consume(rig, &rig->b, rig->one);
    rig->wanted_b = 6;
    RUN_UNTIL(rig, has_wanted);
    assert_int_equal(rig->b.started_at[0], 4);
    assert_string_equal(rig->b.metadata[0], "v1:map-of-done");
    assert_int_equal(rig->b.offsets[0], 4);
    assert_int_equal(rig->b.disorder, 0);
}

static void bad_commits_are_refused_and_failed_ones_reported(void **state)
{
    struct rig *rig = *state;
    char metadata[1002];
    memset(metadata, 'm', sizeof metadata);
    metadata[1001] = '\0';
    post(rig, rig->one, 1);
    consume(rig, &rig->a, rig->one);
    rig->wanted = 1;
    RUN_UNTIL(rig, has_wanted);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 7, 1, ""), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 0, -1, ""), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 0, 1, metadata), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_pause(rig->a.in, rig->one, 7), -CW_EINVAL);
    metadata[1000] = '\0';
    rd_kafka_mock_push_request_errors(rig->cluster, API_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 0, 1, metadata), 0);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 0, 1, metadata), 0);
    stop(&rig->a);
    assert_int_equal(rig->a.errors, 1);
    assert_int_equal(rig->a.last_error, CW_EDENIED);
    assert_non_null(strstr(rig->a.last_text, rig->one));
}

static bool is_full(const struct rig *rig)
{
    return rig->a.count == 608;
}

static void pausing_loses_and_reorders_nothing(void **state)
{
    struct rig *rig = *state;
    post(rig, rig->one, 608);
    rig->a.pause_at = 10;
    consume(rig, &rig->a, rig->one);
    for (rig->wanted = 10; rig->wanted < 608; rig->wanted += 299) {
        RUN_UNTIL(rig, has_wanted);
        run_ms(rig, 40);
        assert_int_equal(rig->a.count, rig->wanted);
        assert_int_equal(rig->a.after_pause, 0);
        rig->a.pause_at = rig->wanted + 299;
        rig->a.is_paused = false;
        assert_int_equal(cw_kafka_in_resume(rig->a.in, rig->one, 0), 0);
        assert_int_equal(cw_kafka_in_resume(rig->a.in, rig->one, 0), 0);
    }
    RUN_UNTIL(rig, is_full);
    assert_int_equal(rig->a.disorder, 0);
    assert_int_equal(rig->a.offsets[607], 607);
}

static void a_paused_partition_does_not_stop_the_others(void **state)
{
    struct rig *rig = *state;
    rig->a.pause_at = 1;
    consume(rig, &rig->a, rig->four);
    RUN_UNTIL(rig, is_assigned);
    assert_int_equal(send_range(rig, rig->four, 0, 100), 0);
    run_ms(rig, 200);
    int32_t paused = rig->a.parts[0];
    int others = 0;
    for (int i = 1; i < rig->a.count; i++) {
        assert_int_not_equal(rig->a.parts[i], paused);
        others++;
    }
    assert_in_range(others, 20, 99);
    assert_int_equal(cw_kafka_in_lag(rig->a.in), 100 - rig->a.count);
    assert_int_equal(cw_kafka_in_resume(rig->a.in, rig->four, paused), 0);
    rig->wanted = 100;
    RUN_UNTIL(rig, has_wanted);
    assert_int_equal(rig->a.disorder, 0);
    assert_int_equal(cw_kafka_in_lag(rig->a.in), 0);
}

static int owned(const struct seen *s)
{
    int count = 0;
    for (int i = 0; i < PARTS_MAX; i++)
        count += s->owns[i] ? 1 : 0;
    return count;
}

static bool is_shared(const struct rig *rig)
{
    return owned(&rig->a) == 2 && owned(&rig->b) == 2;
}

static bool has_all(const struct rig *rig)
{
    return owned(&rig->a) == 4 || owned(&rig->b) == 4;
}

static void a_second_consumer_takes_over_where_the_first_left(void **state)
{
    struct rig *rig = *state;
    rig->a.commits_on_revoke = rig->b.commits_on_revoke = true;
    consume(rig, &rig->a, rig->four);
    assert_int_equal(send_range(rig, rig->four, 0, 80), 0);
    rig->wanted = 80;
    RUN_UNTIL(rig, has_wanted);
    consume(rig, &rig->b, rig->four);
    RUN_UNTIL(rig, is_shared);
    assert_int_equal(rig->a.lost + rig->b.lost, 0);
    int again = 0;
    for (int i = 0; i < 4; i++) {
        assert_true(rig->a.owns[i] != rig->b.owns[i]);
        if (!rig->b.owns[i] || rig->a.next[i] < 0)
            continue;
        /* The mock broker sometimes refuses commits while it rebalances; a real one takes them. Then all comes again. */
        if (rig->b.started_at[i] < 0) {
            again += (int)rig->a.next[i];
            continue;
        }
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "left at %d", (int)rig->a.next[i]);
        assert_int_equal(rig->b.started_at[i], rig->a.next[i]);
        assert_string_equal(rig->b.metadata[i], wanted);
    }
    assert_int_equal(send_range(rig, rig->four, 80, 160), 0);
    rig->wanted = 0;
    int total = rig->a.count + rig->b.count;
    for (int i = 0; i < 200 && total < 160 + again; i++) {
        run_ms(rig, 10);
        total = rig->a.count + rig->b.count;
    }
    assert_int_equal(total, 160 + again);
    assert_int_equal(rig->a.disorder + rig->b.disorder + rig->a.unowned + rig->b.unowned, 0);
    stop(&rig->a);
    RUN_UNTIL(rig, has_all);
    run_ms(rig, 50);
    assert_in_range(rig->a.count + rig->b.count, 160 + again, 160 + 2 * again);
    assert_int_equal(rig->b.disorder, 0);
}

static bool has_lost(const struct rig *rig)
{
    return rig->a.lost > 0;
}

static bool is_assigned_again(const struct rig *rig)
{
    return rig->a.assigned > 1 && rig->a.count >= rig->wanted;
}

static void a_lost_partition_is_told_from_a_revoked_one(void **state)
{
    struct rig *rig = *state;
    post(rig, rig->one, 3);
    consume(rig, &rig->a, rig->one);
    rig->wanted = 3;
    RUN_UNTIL(rig, has_wanted);
    rd_kafka_mock_push_request_errors(rig->cluster, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    RUN_UNTIL(rig, has_lost);
    assert_int_equal(rig->a.revoked, 1);
    assert_int_equal(cw_kafka_in_commit(rig->a.in, rig->one, 0, 1, ""), -CW_EINVAL);
    rig->wanted = 6; /* nothing was committed: they come again */
    RUN_UNTIL(rig, is_assigned_again);
}

static void reading_offsets_is_repeated_until_it_works(void **state)
{
    struct rig *rig = *state;
    post(rig, rig->one, 5);
    rd_kafka_mock_push_request_errors(rig->cluster, API_OFFSET_FETCH, 2,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    consume(rig, &rig->a, rig->one);
    rig->wanted = 5;
    RUN_UNTIL(rig, has_wanted);
    assert_true(rig->a.errors >= 1);
    assert_int_equal(rig->a.last_error, CW_EDENIED);
    assert_int_equal(rig->a.assigned, 1);
    assert_int_equal(rig->a.unowned, 0);
}

static void a_consumer_can_be_freed_at_any_time(void **state)
{
    struct rig *rig = *state;
    post(rig, rig->one, 100);
    static const int after_ms[] = {0, 1, 5, 20, 60, 120};
    for (size_t i = 0; i < CW_ARRAY_LEN(after_ms); i++) {
        rd_kafka_mock_push_request_errors(rig->cluster, API_OFFSET_FETCH, 1,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
        rig->a.pause_at = rig->a.count + 1;
        rig->a.is_paused = false;
        consume(rig, &rig->a, rig->one);
        run_ms(rig, after_ms[i]);
        int64_t begin = cw_mono_ms();
        stop(&rig->a);
        assert_true(cw_mono_ms() - begin < 6000);
        assert_int_equal(rig->a.assigned, rig->a.revoked);
        rd_kafka_mock_clear_request_errors(rig->cluster, API_OFFSET_FETCH);
    }
}

/* --- trouble ------------------------------------------------------------------------------------------------------ */

static void set_broker(struct rig *rig, bool is_up)
{
    if (is_up)
        (void)rd_kafka_mock_broker_set_up(rig->cluster, -1);
    else
        (void)rd_kafka_mock_broker_set_down(rig->cluster, -1);
}

static void bring_up(void *arg)
{
    set_broker(arg, true);
}

static void a_send_survives_an_outage_of_the_broker(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(send_range(rig, rig->one, 0, 1), 0);
    consume(rig, &rig->a, rig->one);
    rig->wanted = 1;
    RUN_UNTIL(rig, has_wanted);
    set_broker(rig, false);
    struct cw_timer *timer = cw_loop_every(rig->loop, 200, bring_up, rig);
    assert_int_equal(send_range(rig, rig->one, 1, 5), 0);
    cw_loop_cancel_timer(timer);
    rig->wanted = 5;
    RUN_UNTIL(rig, has_wanted);
    assert_int_equal(rig->a.count, 5);
    assert_int_equal(rig->a.disorder, 0);
}

static void a_send_gives_up_at_its_deadline_and_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    struct cw_kafka_cfg cfg = {.brokers = rd_kafka_mock_cluster_bootstraps(rig->cluster)};
    assert_int_equal(cw_kafka_out_new(rig->loop, &cfg, &rig->out, &rig->err), 0);
    assert_int_equal(send_range(rig, rig->one, 0, 1), 0);
    set_broker(rig, false);
    rig->wait_ms = 50;
    int64_t begin = cw_mono_ms();
    assert_int_equal(send_range(rig, rig->one, 1, 2), -CW_ETIMEDOUT);
    assert_in_range(cw_mono_ms() - begin, 50, 2000);
    assert_int_equal(cw_kafka_out_queued(rig->out), 1);
    rig->wait_ms = -1;
    assert_int_equal(send_range(rig, rig->one, 2, 3), -CW_ETIMEDOUT);
    begin = cw_mono_ms();
    cw_kafka_out_free(rig->out, 100);
    assert_true(cw_mono_ms() - begin < 3000);
}

struct job {
    struct rig *rig;
    struct cw_fiber *fiber;
    int number;
};

static int send_job(void *arg)
{
    const struct job *job = arg;
    struct cw_err err = {0};
    struct cw_kafka_record rec = {.topic = job->rig->four, .key = cw_str_of("k"), .value = cw_str_of("v")};
    return cw_kafka_send(job->rig->out, &rec, cw_in_ms(10000), &err);
}

static int send_many(void *arg)
{
    struct job jobs[500];
    for (int i = 0; i < 500; i++) {
        jobs[i] = (struct job){.rig = arg, .number = i};
        if (cw_fiber_spawn(cw_sched_current(), "send", send_job, &jobs[i], &jobs[i].fiber) < 0)
            return -CW_EBUG;
    }
    if (cw_sleep(cw_in_ms(3)) < 0)
        return -CW_EBUG;
    for (int i = 0; i < 500; i += 2)
        cw_fiber_cancel(jobs[i].fiber, CW_EPARKED);
    int bad = 0;
    for (int i = 0; i < 500; i++) {
        int result = 0;
        if (cw_fiber_join(jobs[i].fiber, CW_NEVER, &result) < 0)
            return -CW_EBUG;
        if (result != 0 && (i % 2 == 1 || result != -CW_EPARKED))
            bad = result;
    }
    return bad;
}

static void many_sends_half_of_them_cancelled(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "many", send_many, rig), 0);
    RUN_UNTIL(rig, is_flushed);
}

static bool can_send(const struct rig *rig)
{
    return send_one(rig->a.rig, 0) == 0;
}

static void refused_records_have_their_codes(void **state)
{
    struct rig *rig = *state;
    static const struct {
        rd_kafka_resp_err_t error;
        int code;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, -CW_ETOOBIG},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, -CW_EREMOTE},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, -CW_EDENIED},
    };
    rig->a.rig = rig;
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        rd_kafka_mock_push_request_errors(rig->cluster, API_PRODUCE, 1, cases[i].error);
        assert_int_equal(send_range(rig, rig->one, 0, 1), cases[i].code);
        assert_string_equal(rig->err.remote_code, rd_kafka_err2name(cases[i].error));
    }
    RUN_UNTIL(rig, can_send); /* librdkafka remembers a topic's refusal for a second */
    rig->value_bytes = 2u << 20;
    assert_int_equal(send_range(rig, rig->one, 0, 1), -CW_ETOOBIG);
    rig->value_bytes = 900000;
    assert_int_equal(send_range(rig, rig->one, 0, 1), 0);
}

/* A fatal error ends an idempotent producer for good: the client makes a new one. */
static void a_broken_producer_is_replaced(void **state)
{
    struct rig *rig = *state;
    struct cw_kafka_cfg cfg = {.brokers = rd_kafka_mock_cluster_bootstraps(rig->cluster)};
    rig->a.rig = rig;
    rd_kafka_mock_push_request_errors(rig->cluster, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    assert_int_equal(cw_kafka_out_new(rig->loop, &cfg, &rig->out, &rig->err), 0);
    assert_int_not_equal(send_range(rig, rig->one, 0, 1), 0);
    RUN_UNTIL(rig, can_send);
    assert_int_equal(cw_kafka_out_queued(rig->out), 0);
    cw_kafka_out_free(rig->out, 100);
}

static void a_lost_post_is_counted(void **state)
{
    struct rig *rig = *state;
    struct cw_metric *lost = cw_counter("causeway_kafka_lost_total", "", NULL, NULL);
    int64_t before = cw_metric_value(lost);
    post(rig, rig->one, 3);
    assert_int_equal(cw_metric_value(lost), before);
    rd_kafka_mock_push_request_errors(rig->cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    post(rig, rig->one, 1);
    assert_int_equal(cw_metric_value(lost), before + 1);
}

static void a_check_names_what_is_missing(void **state)
{
    struct rig *rig = *state;
    const char *const topics[] = {rig->one, "missing.one", rig->four, "missing.two"};
    assert_int_equal(cw_kafka_check(rig->out, topics, 1, 5000, &rig->err), 0);
    assert_int_equal(cw_kafka_check(rig->out, topics, 4, 5000, &rig->err), -CW_ENOTFOUND);
    assert_non_null(strstr(rig->err.text, "missing.one, missing.two"));
    assert_int_equal(cw_kafka_check(rig->out, topics, 4, 5000, &rig->err),
                     -CW_ENOTFOUND); /* it was not created */
    set_broker(rig, false);
    assert_int_equal(cw_kafka_check(rig->out, topics, 1, 300, &rig->err), -CW_ENET);
}

static void bad_settings_are_refused(void **state)
{
    struct rig *rig = *state;
    struct cw_kafka_out *out = NULL;
    struct cw_kafka_in *in = NULL;
    static const struct cw_kafka_in_ops ops = {on_assigned, on_revoked, on_message, on_error};
    const char *const topics[] = {rig->one};
    struct cw_kafka_cfg cfg = {.brokers = ""};
    assert_int_equal(cw_kafka_out_new(rig->loop, &cfg, &out, &rig->err), -CW_EINVAL);
    cfg = (struct cw_kafka_cfg){.brokers = "localhost:1", .security_protocol = "telepathy"};
    assert_int_equal(cw_kafka_out_new(rig->loop, &cfg, &out, &rig->err), -CW_EINVAL);
    assert_non_null(strstr(rig->err.text, "security.protocol"));
    cfg = (struct cw_kafka_cfg){
        .brokers = "localhost:1", .security_protocol = "ssl", .ca_file = "/nonexistent/ca.pem"};
    assert_int_equal(cw_kafka_out_new(rig->loop, &cfg, &out, &rig->err), -CW_EINVAL);
    struct cw_kafka_in_cfg in_cfg = {
        .common = {.brokers = "localhost:1"}, .topics = topics, .topic_count = 1};
    assert_int_equal(cw_kafka_in_new(rig->loop, &in_cfg, &ops, rig, &in, &rig->err), -CW_EINVAL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(records_travel_whole_and_in_order),
        T(a_commit_and_its_metadata_are_found_by_the_next_consumer),
        T(bad_commits_are_refused_and_failed_ones_reported),
        T(pausing_loses_and_reorders_nothing),
        T(a_paused_partition_does_not_stop_the_others),
        T(a_second_consumer_takes_over_where_the_first_left),
        T(a_lost_partition_is_told_from_a_revoked_one),
        T(reading_offsets_is_repeated_until_it_works),
        T(a_consumer_can_be_freed_at_any_time),
        T(a_send_survives_an_outage_of_the_broker),
        T(a_send_gives_up_at_its_deadline_and_leaves_nothing),
        T(many_sends_half_of_them_cancelled),
        T(refused_records_have_their_codes),
        T(a_broken_producer_is_replaced),
        T(a_lost_post_is_counted),
        T(a_check_names_what_is_missing),
        T(bad_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}

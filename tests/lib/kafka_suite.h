/* tests/lib/kafka_suite.h: what the product relies on in Kafka, written once against common/net/kafka_in.h and kafka_out.h. It is run over
 * the simulated world's model (tests/sim/test_kafka_model.c) and over librdkafka with a real broker (tests/it/test_kafka_real.c).
 *
 * Included once, by a program that fills `bed`. Members have loops of their own in the simulated world, and share one on a real broker.
 * Thread: one. */
#ifndef CW_TESTS_LIB_KAFKA_SUITE_H
#define CW_TESTS_LIB_KAFKA_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/kafka_in.h"

#define SEEN_MAX 2048
#define PARTS_MAX 4
#define SESSION_MS 3000
#define PATIENCE_MS 120000 /* for hangs, not for speed */
#define LOOK_MS 5

/* Another process of the group, that is frozen and killed. It commits each message with the metadata "victim". */
struct victim_view {
    size_t messages;
    size_t lost;
    size_t revoked;
};

static struct bed {
    struct cw_loop *loops[3];
    const char *brokers;
    void (*set_up)(void);
    void (*tear_down)(void);
    void (*make_topic)(const char *name, int32_t partitions);
    void (*send_with_gaps)(const char *topic, size_t count); /* offsets are left out between them */
    void (*stop_broker)(void);
    void (*start_broker)(void);
    void (*start_victim)(const char *topic, const char *group);
    void (*freeze_victim)(void);
    void (*thaw_victim)(void);
    void (*kill_victim)(void);
    struct victim_view (*look_at_victim)(void);
} bed;

/* ---- members ---------------------------------------------------------------------------------------------------------- */

struct seen_message {
    int32_t partition;
    int64_t offset;
    char key[24];
    char value[24];
    char header[24]; /* of ce_id */
    size_t headers;
    bool has_empty; /* a header without a value */
};

struct member {
    struct cw_kafka_in *in;
    struct seen_message seen[SEEN_MAX];
    size_t count;
    bool owns[PARTS_MAX];
    int64_t started_at[PARTS_MAX];
    char metadata[PARTS_MAX][1001];
    int64_t next[PARTS_MAX];
    size_t assigned, revoked, lost, errors, unowned, backward;
    const char *leaves; /* metadata of a commit inside revoked(); NULL = none */
    bool commits;       /* each message */
};

static struct member members[3];
static struct cw_kafka_out *out;
static char topic[64], group[64];
static size_t twice; /* partitions that two members had at one time */

static void on_assigned(void *arg, const char *name, int32_t p, int64_t committed, const char *metadata)
{
    struct member *m = arg;
    (void)name;
    for (size_t i = 0; i < CW_ARRAY_LEN(members); i++)
        twice += &members[i] != m && members[i].in != NULL && members[i].owns[p];
    m->assigned++;
    m->owns[p] = true;
    m->started_at[p] = m->next[p] = committed;
    (void)cw_z_copy(m->metadata[p], sizeof m->metadata[p], metadata);
}

static void on_revoked(void *arg, const char *name, int32_t p, enum cw_kafka_revoke how)
{
    struct member *m = arg;
    *(how == CW_KAFKA_LOST ? &m->lost : &m->revoked) += 1;
    m->owns[p] = false;
    if (m->leaves != NULL && how == CW_KAFKA_REVOKED && m->next[p] >= 0)
        (void)cw_kafka_in_commit(m->in, name, p, m->next[p], m->leaves);
}

static void on_message(void *arg, const struct cw_kafka_message *k)
{
    struct member *m = arg;
    struct seen_message *s = &m->seen[m->count % SEEN_MAX];
    *s = (struct seen_message){.partition = k->partition, .offset = k->offset, .headers = k->header_count};
    (void)snprintf(s->key, sizeof s->key, "%.*s", (int)CW_MIN(k->key.n, sizeof s->key - 1),
                   k->key.n > 0 ? k->key.p : "");
    (void)snprintf(s->value, sizeof s->value, "%.*s", (int)CW_MIN(k->value.n, sizeof s->value - 1),
                   k->value.n > 0 ? k->value.p : "");
    for (size_t i = 0; i < k->header_count; i++) {
        if (cw_z_eq(k->headers[i].name, "ce_id"))
            (void)snprintf(s->header, sizeof s->header, CW_STR_FMT, CW_STR_ARG(k->headers[i].value));
        s->has_empty = s->has_empty || (cw_z_eq(k->headers[i].name, "empty") && k->headers[i].value.n == 0);
    }
    m->unowned += !m->owns[k->partition];
    m->backward += k->offset < m->next[k->partition];
    m->next[k->partition] = k->offset + 1;
    m->count++;
    if (m->commits)
        (void)cw_kafka_in_commit(m->in, k->topic, k->partition, k->offset + 1, "victim");
}

static void on_error(void *arg, const struct cw_err *err, bool is_fatal)
{
    struct member *m = arg;
    (void)err;
    m->errors++;
    assert_false(is_fatal);
}

static void join_from(size_t i, bool from_start)
{
    static const struct cw_kafka_in_ops ops = {on_assigned, on_revoked, on_message, on_error};
    const char *topics[] = {topic};
    const struct cw_kafka_in_cfg cfg = {
        .common = {.brokers = bed.brokers},
        .group = group,
        .topics = topics,
        .topic_count = 1,
        .session_timeout_ms = SESSION_MS,
        .fetch_wait_ms = 10,
        .from_start_without_offset = from_start,
    };
    struct cw_err err = {0};
    members[i] = (struct member){.leaves = members[i].leaves, .commits = members[i].commits};
    assert_int_equal(cw_kafka_in_new(bed.loops[i], &cfg, &ops, &members[i], &members[i].in, &err), 0);
}

static void join(size_t i)
{
    join_from(i, true);
}

/* The callbacks still use it while it is freed. */
static void leave(size_t i)
{
    cw_kafka_in_free(members[i].in, 10000);
    members[i].in = NULL;
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------- */

struct wait {
    bool (*is_met)(size_t n);
    size_t n;
};

static int wait_main(void *arg)
{
    const struct wait *w = arg;
    struct cw_deadline end = cw_in_ms(PATIENCE_MS);
    while (!w->is_met(w->n)) {
        int r = cw_is_past(end) ? -CW_ETIMEDOUT : cw_sleep(cw_in_ms(LOOK_MS));
        if (r < 0)
            return r;
    }
    return 0;
}

#define UNTIL(is_met_, n_)                                                                                   \
    assert_int_equal(                                                                                        \
        cw_loop_run_fiber(bed.loops[0], "until", wait_main, &(struct wait){.is_met = (is_met_), .n = (n_)}), \
        0)

static int sleep_main(void *arg)
{
    return cw_sleep(cw_in_ms(*(const int64_t *)arg));
}

static void run_ms(int64_t ms)
{
    assert_int_equal(cw_loop_run_fiber(bed.loops[0], "sleep", sleep_main, &ms), 0);
}

static bool first_has(size_t n)
{
    return members[0].count >= n;
}

static bool second_has(size_t n)
{
    return members[1].count >= n;
}

static bool both_have(size_t n)
{
    return members[0].count + members[1].count >= n;
}

static size_t parts_of(const struct member *m)
{
    size_t n = 0;
    for (size_t p = 0; p < PARTS_MAX; p++)
        n += m->owns[p];
    return n;
}

static bool first_owns(size_t n)
{
    return parts_of(&members[0]) == n;
}

static bool both_own(size_t n)
{
    return parts_of(&members[0]) == n && parts_of(&members[1]) == n;
}

static bool second_owns(size_t n)
{
    return parts_of(&members[1]) == n;
}

static bool victim_has(size_t n)
{
    return bed.look_at_victim().messages >= n;
}

static bool victim_lost(size_t n)
{
    return bed.look_at_victim().lost >= n;
}

/* ---- sending ---------------------------------------------------------------------------------------------------------- */

struct sending {
    size_t from, to;
    size_t keys; /* so many different ones; 0 = none at all */
    size_t bytes;
    int64_t within_ms;
    struct cw_err err;
};

static int send_one(struct sending *s, size_t i)
{
    char key[32], id[32];
    CW_AUTO(cw_auto_str) char *value = calloc(1, s->bytes + 32);
    assert_non_null(value);
    memset(value, 'x', s->bytes);
    size_t n = (size_t)snprintf(value, 32, "value-%zu", i);
    (void)snprintf(key, sizeof key, "key-%zu", s->keys == 0 ? 0 : i % s->keys);
    (void)snprintf(id, sizeof id, "id-%zu", i);
    const struct cw_kafka_header headers[] = {{"ce_id", cw_str_of(id)}, {"empty", {NULL, 0}}};
    const struct cw_kafka_record record = {
        .topic = topic,
        .key = s->keys == 0 ? (struct cw_str){NULL, 0} : cw_str_of(key),
        .value = {value, CW_MAX(n, s->bytes)},
        .headers = headers,
        .header_count = 2,
    };
    return cw_kafka_send(out, &record, cw_in_ms(s->within_ms), &s->err);
}

static int send_main(void *arg)
{
    struct sending *s = arg;
    int r = 0;
    for (size_t i = s->from; r == 0 && i < s->to; i++)
        r = send_one(s, i);
    return r;
}

static int try_send(struct sending *s)
{
    s->within_ms = s->within_ms == 0 ? PATIENCE_MS : s->within_ms;
    return cw_loop_run_fiber(bed.loops[0], "send", send_main, s);
}

static void send_range(size_t from, size_t to, size_t keys)
{
    assert_int_equal(try_send(&(struct sending){.from = from, .to = to, .keys = keys}), 0);
}

/* ---- set-up ----------------------------------------------------------------------------------------------------------- */

static void begin(int32_t partitions)
{
    static int number;
    struct cw_err err = {0};
    memset(members, 0, sizeof members);
    twice = 0;
    number++;
    (void)snprintf(topic, sizeof topic, "suite.%d", number);
    (void)snprintf(group, sizeof group, "suite.%d", number);
    bed.set_up();
    bed.make_topic(topic, partitions);
    assert_int_equal(
        cw_kafka_out_new(bed.loops[0], &(struct cw_kafka_cfg){.brokers = bed.brokers}, &out, &err), 0);
}

static void end(void)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(members); i++)
        leave(i);
    cw_kafka_out_free(out, 5000);
    bed.tear_down();
}

/* ---- what is relied on ------------------------------------------------------------------------------------------------ */

static void records_travel_whole_and_in_order(void)
{
    begin(1);
    send_range(0, 30, 5);
    join(0);
    UNTIL(first_has, 30);
    assert_int_equal(members[0].started_at[0], -1);
    assert_string_equal(members[0].metadata[0], "");
    for (size_t i = 0; i < 30; i++) {
        char want[32];
        const struct seen_message *s = &members[0].seen[i];
        (void)snprintf(want, sizeof want, "value-%zu", i);
        assert_string_equal(s->value, want);
        (void)snprintf(want, sizeof want, "key-%zu", i % 5);
        assert_string_equal(s->key, want);
        (void)snprintf(want, sizeof want, "id-%zu", i);
        assert_string_equal(s->header, want);
        assert_int_equal(s->headers, 2);
        assert_true(s->has_empty);
    }
    assert_int_equal(members[0].unowned + members[0].backward + members[0].errors, 0);
    assert_int_equal(cw_kafka_in_lag(members[0].in), 0);
    end();
}

static void a_key_stays_in_its_partition(void)
{
    begin(4);
    send_range(0, 120, 12);
    join(0);
    UNTIL(first_has, 120);
    int32_t place[12];
    size_t used[PARTS_MAX] = {0}, spread = 0, last[12] = {0};
    memset(place, -1, sizeof place);
    for (size_t i = 0; i < 120; i++) {
        const struct seen_message *s = &members[0].seen[i];
        size_t key = strtoul(s->key + 4, NULL, 10), number = strtoul(s->value + 6, NULL, 10);
        assert_true(place[key] < 0 || place[key] == s->partition);
        assert_true(place[key] < 0 || number > last[key]);
        place[key] = s->partition;
        last[key] = number;
        used[s->partition]++;
    }
    for (size_t p = 0; p < PARTS_MAX; p++)
        spread += used[p] > 0;
    assert_true(spread > 1);
    end();
}

static void a_commit_is_found_with_its_metadata(void)
{
    char map[1001];
    memset(map, 'm', sizeof map - 1);
    map[1000] = '\0';
    begin(1);
    send_range(0, 10, 1);
    join(0);
    UNTIL(first_has, 10);
    assert_int_equal(cw_kafka_in_commit(members[0].in, topic, 0, 4, map), 0);
    leave(0);
    join(1);
    UNTIL(second_has, 6);
    assert_int_equal(members[1].started_at[0], 4);
    assert_string_equal(members[1].metadata[0], map);
    assert_int_equal(members[1].seen[0].offset, 4);
    assert_int_equal(cw_kafka_in_commit(members[1].in, topic, 0, 2, ""), 0); /* back again, without a map */
    leave(1);
    join(0);
    UNTIL(first_has, 8);
    assert_int_equal(members[0].started_at[0], 2);
    assert_string_equal(members[0].metadata[0], "");
    assert_int_equal(members[0].errors, 0);
    end();
}

static void a_commit_that_makes_no_sense_is_refused(void)
{
    char map[1002];
    memset(map, 'm', sizeof map - 1);
    map[1001] = '\0';
    begin(1);
    send_range(0, 1, 1);
    join(0);
    UNTIL(first_has, 1);
    assert_int_equal(cw_kafka_in_commit(members[0].in, topic, 3, 1, ""), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_commit(members[0].in, topic, 0, -1, ""), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_commit(members[0].in, topic, 0, 1, map), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_pause(members[0].in, topic, 3), -CW_EINVAL);
    assert_int_equal(cw_kafka_in_resume(members[0].in, topic, 3), -CW_EINVAL);
    end();
}

static void what_is_committed_when_it_is_given_up_counts(void)
{
    begin(1);
    members[0].leaves = "left";
    send_range(0, 7, 1);
    join(0);
    UNTIL(first_has, 7);
    leave(0);
    assert_int_equal(members[0].revoked, 1);
    assert_int_equal(members[0].lost, 0);
    send_range(7, 9, 1);
    join(1);
    UNTIL(second_has, 2);
    assert_int_equal(members[1].started_at[0], 7);
    assert_string_equal(members[1].metadata[0], "left");
    end();
}

static void a_new_member_gets_its_share_and_gives_it_back(void)
{
    begin(4);
    members[0].leaves = members[1].leaves = "moved";
    join(0);
    UNTIL(first_owns, 4);
    send_range(0, 40, 16);
    UNTIL(first_has, 40);
    join(1);
    UNTIL(both_own, 2);
    assert_int_equal(members[0].revoked, 2); /* no more than have to move */
    assert_int_equal(members[0].lost + members[1].lost, 0);
    send_range(40, 80, 16);
    UNTIL(both_have, 80);
    run_ms(500);
    assert_int_equal(members[0].count + members[1].count,
                     80); /* none twice: the commit came before the next owner asked */
    leave(1);
    UNTIL(first_owns, 4);
    send_range(80, 120, 16);
    UNTIL(both_have, 120);
    run_ms(500);
    assert_int_equal(members[0].count + members[1].count, 120);
    assert_int_equal(twice, 0);
    assert_int_equal(members[0].unowned + members[1].unowned + members[0].backward + members[1].backward, 0);
    end();
}

static void pausing_loses_and_repeats_nothing(void)
{
    begin(1);
    join(0);
    UNTIL(first_owns, 1);
    for (size_t round = 0; round < 4; round++) {
        send_range(round * 50, round * 50 + 10, 1);
        UNTIL(first_has, round * 50 + 10);
        assert_int_equal(cw_kafka_in_pause(members[0].in, topic, 0), 0);
        assert_int_equal(cw_kafka_in_pause(members[0].in, topic, 0), 0);
        size_t before = members[0].count;
        send_range(round * 50 + 10, round * 50 + 50, 1);
        run_ms(300);
        assert_int_equal(members[0].count, before);
        assert_int_equal(cw_kafka_in_resume(members[0].in, topic, 0), 0);
        assert_int_equal(cw_kafka_in_resume(members[0].in, topic, 0), 0);
        UNTIL(first_has, round * 50 + 50);
    }
    run_ms(300);
    assert_int_equal(members[0].count, 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(members[0].seen[i].offset, (int64_t)i);
    end();
}

static void gaps_are_passed_over(void)
{
    begin(1);
    bed.send_with_gaps(topic, 12);
    join(0);
    UNTIL(first_has, 12);
    int64_t gap_after = members[0].seen[5].offset;
    assert_true(members[0].seen[6].offset > gap_after + 1);
    assert_int_equal(members[0].backward, 0);
    assert_int_equal(cw_kafka_in_commit(members[0].in, topic, 0, gap_after + 1, "in the gap"), 0);
    int64_t next = members[0].seen[6].offset;
    leave(0);
    join(1);
    UNTIL(second_has, 6);
    assert_int_equal(members[1].started_at[0], gap_after + 1);
    assert_int_equal(members[1].seen[0].offset, next);
    end();
}

static void without_a_commit_it_begins_where_it_is_told(void)
{
    begin(1);
    send_range(0, 5, 1);
    join_from(0, false);
    UNTIL(first_owns, 1);
    run_ms(1000);
    assert_int_equal(members[0].count, 0);
    send_range(5, 8, 1);
    UNTIL(first_has, 3);
    assert_string_equal(members[0].seen[0].value, "value-5");
    end();
}

static void a_record_that_is_too_big_is_refused(void)
{
    struct sending s = {.from = 0, .to = 1, .keys = 1, .bytes = 3000000};
    begin(1);
    assert_int_equal(try_send(&s), -CW_ETOOBIG);
    send_range(1, 2, 1);
    join(0);
    UNTIL(first_has, 1);
    assert_string_equal(members[0].seen[0].value, "value-1");
    end();
}

static void a_broker_that_is_away_costs_time_alone(void)
{
    struct sending hasty = {.from = 0, .to = 1, .keys = 1, .within_ms = 1500};
    begin(1);
    members[0].commits = true; /* a broker that comes back may begin the group anew */
    join(0);
    UNTIL(first_owns, 1);
    send_range(100, 103, 1);
    UNTIL(first_has, 3);
    run_ms(500);
    bed.stop_broker();
    assert_int_equal(try_send(&hasty), -CW_ETIMEDOUT); /* it may still arrive */
    bed.start_broker();
    send_range(1, 4, 1);
    UNTIL(first_has, 6);
    run_ms(1000);
    size_t later = 0, in_time = 0;
    for (size_t i = 3; i < members[0].count; i++) {
        later += cw_z_eq(members[0].seen[i].value, "value-0");
        in_time += !cw_z_eq(members[0].seen[i].value, "value-0");
    }
    assert_int_equal(in_time, 3); /* each acknowledged one once */
    assert_true(later <= 1);
    assert_int_equal(members[0].backward, 0);
    end();
}

/* Its messages behind its last commit come again, from there. */
static void who_is_killed_is_followed_from_its_commit(void)
{
    begin(1);
    send_range(0, 5, 1);
    bed.start_victim(topic, group);
    UNTIL(victim_has, 5);
    run_ms(500); /* the commit is on its way */
    bed.kill_victim();
    send_range(5, 8, 1);
    join(0);
    UNTIL(first_has, 3);
    assert_int_equal(members[0].started_at[0], 5);
    assert_string_equal(members[0].metadata[0], "victim");
    assert_string_equal(members[0].seen[0].value, "value-5");
    end();
}

/* A member that stood still past its session has lost all, learns it when it wakes, and what it commits then does not count. */
static void who_stood_still_has_lost_its_partitions(void)
{
    begin(1);
    members[0].commits = true;
    send_range(0, 5, 1);
    bed.start_victim(topic, group);
    UNTIL(victim_has, 5);
    run_ms(500);
    bed.freeze_victim();
    join(0);
    UNTIL(first_owns, 1);
    assert_int_equal(members[0].started_at[0], 5);
    send_range(5, 9, 1);
    UNTIL(first_has, 4);
    bed.thaw_victim();
    UNTIL(victim_lost, 1);
    assert_int_equal(bed.look_at_victim().revoked, 0);
    bed.kill_victim();
    UNTIL(first_owns, 1);
    size_t before = members[0].count;
    send_range(9, 11, 1);
    UNTIL(first_has, before + 2);
    assert_string_equal(members[0].seen[members[0].count - 1].value, "value-10");
    run_ms(500);
    leave(0);
    join(1);
    UNTIL(second_owns, 1);
    assert_int_equal(members[1].started_at[0], 11);
    end();
}

#define KAFKA_SUITE(X)                               \
    X(records_travel_whole_and_in_order)             \
    X(a_key_stays_in_its_partition)                  \
    X(a_commit_is_found_with_its_metadata)           \
    X(a_commit_that_makes_no_sense_is_refused)       \
    X(what_is_committed_when_it_is_given_up_counts)  \
    X(a_new_member_gets_its_share_and_gives_it_back) \
    X(pausing_loses_and_repeats_nothing)             \
    X(gaps_are_passed_over)                          \
    X(without_a_commit_it_begins_where_it_is_told)   \
    X(a_record_that_is_too_big_is_refused)           \
    X(a_broker_that_is_away_costs_time_alone)        \
    X(who_is_killed_is_followed_from_its_commit)     \
    X(who_stood_still_has_lost_its_partitions)

#define KAFKA_SUITE_TEST(fn)            \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        fn();                           \
    }
KAFKA_SUITE(KAFKA_SUITE_TEST)

static int run_kafka_suite(void)
{
    const struct CMUnitTest tests[] = {
#define X(fn) cmocka_unit_test(test_##fn),
        KAFKA_SUITE(X)
#undef X
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif

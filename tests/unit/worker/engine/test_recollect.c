/* Redis forgot what Kafka knows: the request gets the verdict that is out, and is not run again. */
#include "tests/unit/worker/engine/runner_rig.h"

/* All copies of the verdict are equal, headers included. */
static void expect_equal_copies(const char *request, size_t copies)
{
    char id[64];
    const struct event *first = NULL;
    size_t n = 0;
    (void)snprintf(id, sizeof id, "\"requestId\":\"%s\"", request);
    for (size_t i = 0; i < event_count; i++) {
        const struct event *e = &events[i];
        if (!cw_z_ends(e->type, "result.v1") || strstr(e->body, id) == NULL)
            continue;
        first = first == NULL ? e : first;
        n++;
        assert_string_equal(e->body, first->body);
        assert_int_equal(e->headers, first->headers);
        for (size_t k = 0; k < e->headers; k++) {
            assert_string_equal(e->items[k].name, first->items[k].name);
            assert_string_equal(e->items[k].value.p, first->items[k].value.p);
        }
    }
    assert_int_equal(n, copies);
}

/* The last event is a verdict: keep it from the topic until put_back(). */
static struct event take_away(void)
{
    assert_true(event_count > 0 && cw_z_ends(events[event_count - 1].type, "result.v1"));
    return events[--event_count];
}

static void put_back(const struct event *e)
{
    events[event_count++] = *e;
}

static void run_once(struct cw_arena *mem, const char *id)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w0", 3000, 4);
    submit(&w, id);
    stop_worker(&w);
    assert_true(has_verdict(id, "succeeded"));
    assert_int_equal(scripts[0].runs, 1);
}

static void not_run_again(struct cw_arena *mem)
{
    struct worker w;
    run_once(mem, "r1");
    empty_redis(mem);
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    expect_equal_copies("r1", 2);
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(origins_done, 2);
    const char *key = cw_journal_key(mem, WS, "r1");
    assert_string_equal(ASK(mem, "HGET", key, "published"), "1");
    assert_string_equal(ASK(mem, "HGET", key, "outcome"), "succeeded");
    assert_string_equal(ASK(mem, "HGET", key, "verdict"), find_type("result.v1", NULL)->body);
    /* From here on Redis knows it again. */
    size_t before = reads;
    start_worker(&w, "w2", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    expect_equal_copies("r1", 3);
    assert_int_equal(reads, before);
}

/* A failover forgot the verdict, and kept the claim that came before it. */
static void not_run_again_though_its_claim_is_known(struct cw_arena *mem)
{
    struct worker w;
    run_once(mem, "r1");
    const char *key = cw_journal_key(mem, WS, "r1");
    (void)ASK(mem, "HDEL", key, "verdict", "vhead", "outcome", "published");
    assert_non_null(ASK(mem, "HGET", key, "claims"));
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    expect_equal_copies("r1", 2);
    assert_int_equal(scripts[0].runs, 1);
    assert_string_equal(ASK(mem, "HGET", key, "outcome"), "succeeded");
}

static void refused_and_cancelled_stay_so(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    for (int turn = 0; turn < 2; turn++) {
        start_worker(&w, turn == 0 ? "w0" : "w1", 3000, 4);
        submit_refused(&w, "bad");
        submit_on(&w, "stop", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "never-sent");
        stop_worker(&w);
        empty_redis(mem);
    }
    expect_equal_copies("bad", 2);
    expect_equal_copies("stop", 2);
}

/* The former owner's verdict came out after this worker had looked, while it waited for the lock. */
static void found_once_the_lock_is_held(struct cw_arena *mem)
{
    struct worker w;
    run_once(mem, "r1");
    struct event verdict = take_away();
    empty_redis(mem);
    const char *lock = cw_lock_key(mem, WS, "lock");
    (void)ASK(mem, "SET", lock, "7|token|somebody|r1", "PX", "1500");
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    until_waiting("somebody");
    put_back(&verdict);
    stop_worker(&w);
    expect_equal_copies("r1", 2);
    assert_int_equal(scripts[0].runs, 1);
}

/* It came out later still: this worker has run it, and made a verdict of its own, which nobody sees. */
static void found_before_the_own_one_is_sent(struct cw_arena *mem)
{
    struct worker w;
    run_once(mem, "r1");
    struct event verdict = take_away();
    empty_redis(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].sleep_ms = 300;
    submit(&w, "r1");
    until_runs(1, 2);
    put_back(&verdict);
    stop_worker(&w);
    expect_equal_copies("r1", 2);
    assert_int_equal(scripts[0].runs, 2);
    assert_string_equal(ASK(mem, "HGET", cw_journal_key(mem, WS, "r1"), "verdict"), verdict.body);
}

/* One that Redis holds and nobody has acknowledged is looked for, too: another may be out since Redis forgot it. */
static void a_stored_verdict_yields_to_the_one_that_is_out(struct cw_arena *mem)
{
    struct worker w;
    run_once(mem, "r1");
    struct event verdict = take_away();
    empty_redis(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[2].sleep_ms = 200;
    submit(&w, "r1");
    until_runs(2, 2);
    refuse_sends = 1000;
    struct cw_deadline until = cw_in_ms(5000);
    const char *key = cw_journal_key(mem, WS, "r1");
    while (ASK(mem, "HGET", key, "verdict") == NULL && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    assert_string_not_equal(ASK(mem, "HGET", key, "verdict"), verdict.body);
    put_back(&verdict);
    for (size_t before = reads;
         reads == before && !cw_is_past(until);) /* a try that had looked already goes by */
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    refuse_sends = 0;
    stop_worker(&w);
    expect_equal_copies("r1", 2);
}

/* While the topic can't be read nothing begins and nothing is sent; the reason is told. */
static void not_blindly(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    refuse_reads = 4;
    submit(&w, "r1");
    until_waiting("can't be read");
    assert_int_equal(scripts[0].runs, 0);
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(refuse_reads, 0);
}

/* Nothing is lost with a hand-over in mid-look. */
static void handed_over_while_it_looks(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    refuse_reads = 1000000;
    submit(&w, "r1");
    until_waiting("can't be read");
    cw_runner_revoke(w.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w);
    assert_int_equal(origins_done, 0);
    refuse_reads = 0;
    start_worker(&w, "w2", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    expect_equal_copies("r1", 1);
}

/* clang-format off */
#define LIST(X)                                                                       \
    X(not_run_again) X(not_run_again_though_its_claim_is_known) X(refused_and_cancelled_stay_so) X(found_once_the_lock_is_held)  \
    X(found_before_the_own_one_is_sent) X(a_stored_verdict_yields_to_the_one_that_is_out) \
    X(not_blindly) X(handed_over_while_it_looks)
/* clang-format on */

CW_RUNNER_TESTS(LIST)

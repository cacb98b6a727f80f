/* A revoked partition: whatever its jobs wait for, they are out of the worker within a second. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/worker/engine/runner_rig.h"

#define HAND_OVER_MS 1000

static void must_hand_over(struct worker *w)
{
    struct cw_deadline until = cw_in_ms(HAND_OVER_MS);
    cw_runner_revoke(w->runner, "requests", 0, CW_EPARKED);
    while (cw_runner_count(w->runner) > 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    assert_int_equal(cw_runner_count(w->runner), 0);
    assert_int_equal(count_type("result.v1", NULL), 0);
    assert_int_equal(origins_done, 0);
}

static void while_a_step_waits(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 30000, 4);
    scripts[1].sleep_ms = 60000;
    submit(&w, "r1");
    until_runs(1, 1);
    must_hand_over(&w);
    stop_worker(&w);
    assert_null(ASK(mem, "GET", "cw:{" WS "}:lock"));
}

static void while_it_waits_for_the_lock(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 30000, 4);
    (void)ASK(mem, "SET", "cw:{" WS "}:lock", "5|x|w9|somebody", "PX", "60000");
    submit(&w, "r1");
    struct cw_deadline until = cw_in_ms(5000);
    while (find_type("waiting.v1", "somebody") == NULL && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    must_hand_over(&w);
    stop_worker(&w);
}

static void while_the_verdict_is_not_acknowledged(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 30000, 4);
    scripts[2].sleep_ms = 100;
    submit(&w, "r1");
    until_runs(2, 1);
    refuse_sends = 100000;
    struct cw_deadline until = cw_in_ms(5000);
    while (refuse_sends == 100000 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    must_hand_over(&w);
    stop_worker(&w);
    refuse_sends = 0;
    start_worker(&w, "w2", 30000, 4); /* the stored verdict is the one that is sent */
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(scripts[2].runs, 1);
}

static void while_redis_is_silent(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 30000, 4);
    scripts[1].sleep_ms = 60000;
    submit(&w, "r1");
    until_runs(1, 1);
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    must_hand_over(&w);
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    stop_worker(&w);
}

/* clang-format off */
#define LIST(X)                                                                  \
    X(while_a_step_waits) X(while_it_waits_for_the_lock)                         \
    X(while_the_verdict_is_not_acknowledged) X(while_redis_is_silent)
/* clang-format on */

#define X(fn)                           \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        on_fiber(fn);                   \
        forget_events();                \
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

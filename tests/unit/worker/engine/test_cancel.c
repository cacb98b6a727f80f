/* Cancels: of what runs, waits, has not come yet, or is long over. */
#include "tests/unit/worker/engine/runner_rig.h"

static void cancel_while_running(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].sleep_ms = 8000;
    submit(&w, "r1");
    until_runs(1, 1);
    submit_on(&w, "c1", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "r1");
    int64_t before = cw_mono_ms();
    stop_worker(&w);
    assert_true(cw_mono_ms() - before < 4000);
    assert_true(has_verdict("r1", "cancelled"));
    assert_true(has_verdict("c1", "succeeded"));
    assert_int_equal(scripts[1].undos, 1);
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(scripts[2].runs, 0);
}

static void cancel_elsewhere(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 900, 4);
    start_worker(&w2, "w2", 900, 4);
    scripts[1].sleep_ms = 8000;
    submit(&w1, "r1");
    until_runs(1, 1);
    submit_on(&w2, "c1", WS, CW_MODE_APPLY, CW_LANE_BULK, "r1");
    stop_worker(&w1);
    stop_worker(&w2);
    assert_true(has_verdict("r1", "cancelled"));
    assert_true(has_verdict("c1", "succeeded"));
}

static void cancel_queued_and_unknown(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].sleep_ms = 300;
    submit(&w, "r1");
    until_runs(1, 1);
    submit(&w, "r2"); /* behind r1 */
    assert_int_equal(cw_sleep(cw_in_ms(20)), 0);
    submit_on(&w, "c2", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "r2");
    submit_on(&w, "c3", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "nobody");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_true(has_verdict("r2", "cancelled"));
    assert_true(has_verdict("c2", "succeeded"));
    assert_true(has_verdict("c3", "succeeded")); /* should it ever come */
    assert_non_null(find_type("result.v1", "no request nobody is known"));
    assert_int_equal(scripts[0].runs, 1);
    start_worker(&w, "w1", 3000, 4);
    submit_on(&w, "c4", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "r1");
    stop_worker(&w);
    assert_true(has_verdict("c4", "rejected"));
}

static void cancel_comes_first(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 3000, 4);
    submit_on(&w1, "c1", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE,
              "r1"); /* r1 stands in another lane, unread */
    stop_worker(&w1);
    assert_true(has_verdict("c1", "succeeded"));
    assert_string_not_equal(ASK(mem, "PTTL", cw_journal_key(mem, WS, "r1")), "-1");
    start_worker(&w2, "w2", 3000, 4);
    submit(&w2, "r1");
    stop_worker(&w2);
    assert_true(has_verdict("r1", "cancelled"));
    assert_non_null(find_type("result.v1", "changed my mind"));
    assert_int_equal(scripts[0].runs, 0);
}

static void cancel_of_what_is_queued_elsewhere(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 30000, 2);
    start_worker(&w2, "w2", 30000, 2);
    scripts[1].sleep_ms = 1500;
    submit_on(&w1, "busy", WS "2", CW_MODE_APPLY, CW_LANE_BULK, NULL);
    until_runs(1, 1);
    submit_on(&w1, "r1", WS, CW_MODE_APPLY, CW_LANE_BULK, NULL); /* the other slot is not for its lane */
    assert_int_equal(cw_sleep(cw_in_ms(30)), 0);
    submit_on(&w2, "c1", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "r1");
    until_verdict("c1", "succeeded");
    assert_false(has_verdict("busy", "succeeded")); /* it did not wait for the target's turn */
    stop_worker(&w1);
    stop_worker(&w2);
    assert_true(has_verdict("r1", "cancelled"));
    assert_int_equal(scripts[0].runs, 1);
}

static void cancels_that_wait_hold_up_nobody(struct cw_arena *mem)
{
    struct worker w1, w2;
    char id[16];
    begin(mem);
    start_worker(&w1, "w1", 900, 4);
    start_worker(&w2, "w2", 900, 4);
    scripts[1].sleep_ms = 8000;
    scripts[1].undo_sleep_ms = 1500;
    submit(&w1, "r1");
    until_runs(1, 1);
    for (int i = 0; i < 300; i++) { /* more than may wait */
        (void)snprintf(id, sizeof id, "c%d", i);
        submit_on(&w2, id, WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "r1");
    }
    until_verdict("c299", "succeeded");
    assert_true(cw_runner_has_room(w2.runner, CW_LANE_INTERACTIVE));
    assert_true(cw_runner_has_room(w2.runner, CW_LANE_BULK));
    assert_false(has_verdict("c0", "succeeded"));
    stop_worker(&w1);
    stop_worker(&w2);
    assert_true(has_verdict("r1", "cancelled"));
    assert_true(has_verdict("c0", "succeeded"));
    assert_int_equal(count_type("result.v1", "\"outcome\":\"succeeded\""), 300);
}

static void cancel_of_a_cancel(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    submit_on(&w, "c1", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "c1");
    stop_worker(&w);
    assert_true(has_verdict("c1", "rejected"));
}

/* clang-format off */
#define LIST(X) \
    X(cancel_while_running) X(cancel_elsewhere) X(cancel_queued_and_unknown)                       \
    X(cancel_comes_first) X(cancel_of_what_is_queued_elsewhere)                                    \
    X(cancels_that_wait_hold_up_nobody) X(cancel_of_a_cancel)
/* clang-format on */
CW_RUNNER_TESTS(LIST)

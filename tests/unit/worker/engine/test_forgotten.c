/* Redis forgot everything, the worker that ran a request is gone: what it had begun is looked for in the world before the request ends. */
#include "tests/unit/worker/engine/runner_rig.h"

/* Redis forgot so short a while ago that the request may have been there, and so long that no verdict is on its way any more. */
static void begin_forgotten(struct cw_arena *mem)
{
    char born[24];
    begin(mem);
    (void)snprintf(born, sizeof born, "%lld", (long long)cw_wall_ms() - 40000);
    (void)ASK(mem, "SET", "cw:born", born);
}

static void ask_to_end(struct cw_arena *mem, const char *id)
{
    (void)ASK(mem, "HSET", cw_journal_key(mem, WS, id), "cancel", "changed my mind");
}

static void cancelled_before_it_was_run_again(struct cw_arena *mem)
{
    struct worker w;
    begin_forgotten(mem);
    ask_to_end(mem, "r1");
    scripts[0].was_begun = true;
    start_worker(&w, "w1", 900, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "cancelled"));
    assert_int_equal(scripts[0].looks, 1);
    assert_int_equal(scripts[0].undos, 1);
    assert_true(scripts[0].undid_knowing);
    assert_int_equal(scripts[1].looks, 1);
    assert_int_equal(scripts[1].undos, 0);
    assert_int_equal(scripts[0].runs, 0);
    const char *body = find_type("result.v1", NULL)->body;
    assert_non_null(strstr(body, "\"name\":\"alpha\",\"outcome\":\"undone\""));
    assert_null(strstr(body, "beta"));
}

static void too_late_to_be_run_again(struct cw_arena *mem)
{
    struct worker w;
    begin_forgotten(mem);
    scripts[0].was_begun = true;
    start_worker(&w, "w1", 900, 4);
    struct cw_job *job = job_for(&w, "r1", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    job->accepted_wall_ms -= (int64_t)2 * 3600 * 1000;
    assert_int_equal(cw_runner_take(w.runner, job), 0);
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(scripts[0].runs, 0);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "deadline"));
}

static void refused_by_the_version_that_goes_on(struct cw_arena *mem)
{
    struct worker w;
    begin_forgotten(mem);
    scripts[0].was_begun = true;
    start_worker(&w, "w1", 900, 4);
    submit_refused(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed")); /* not rejected: something was done */
    assert_int_equal(scripts[0].undos, 1);
}

static void refused_and_nothing_was_begun(struct cw_arena *mem)
{
    struct worker w;
    begin_forgotten(mem);
    start_worker(&w, "w1", 900, 4);
    submit_refused(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "rejected"));
    assert_int_equal(scripts[0].looks, 1);
    assert_int_equal(scripts[0].undos, 0);
}

static void what_cannot_be_seen_is_told(struct cw_arena *mem)
{
    struct worker w;
    begin_forgotten(mem);
    ask_to_end(mem, "r1");
    scripts[1].look_fail_code = CW_EDENIED;
    start_worker(&w, "w1", 900, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    const char *body = find_type("result.v1", NULL)->body;
    assert_non_null(strstr(body, "it could not be seen whether an earlier run began beta: cannot look"));
    assert_non_null(strstr(body, "\"leftOver\":[\"beta: it may have been begun"));
}

static void skipped_now_but_begun_then(struct cw_arena *mem)
{
    struct worker w;
    begin_forgotten(mem);
    scripts[1].is_skipped = scripts[1].was_begun = true;
    start_worker(&w, "w1", 900, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(scripts[0].looks, 0); /* it was run */
    assert_int_equal(scripts[1].undos, 1);
    assert_int_equal(scripts[0].undos, 0);
}

/* A Redis that is older than the request would know: neither lock nor look is needed. */
static void what_was_never_begun_is_not_looked_for(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    ask_to_end(mem, "r1");
    scripts[0].was_begun = scripts[1].was_begun = scripts[1].is_skipped = true;
    start_worker(&w, "w1", 30000, 4);
    submit(&w, "r1");
    submit_refused(&w, "r2");
    submit(&w, "r3");
    stop_worker(&w);
    assert_true(has_verdict("r1", "cancelled"));
    assert_true(has_verdict("r2", "rejected"));
    assert_true(has_verdict("r3", "succeeded"));
    assert_int_equal(scripts[0].looks + scripts[1].looks, 0);
}

/* Two claims: the last that the first one wrote may have gone with the server. */
static void after_another_run_it_is_looked_for(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    (void)ASK(mem, "HDEL", cw_journal_key(mem, WS, "r1"), "b:beta", "p:beta", "t:beta");
    ask_to_end(mem, "r1");
    scripts[1].was_begun = true;
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "cancelled"));
    assert_int_equal(scripts[1].looks, 1);
    assert_int_equal(scripts[1].undos, 1);
    assert_int_equal(scripts[0].looks, 0);
}

/* clang-format off */
#define TESTS(X)                                                            \
    X(cancelled_before_it_was_run_again)                                    \
    X(too_late_to_be_run_again)                                             \
    X(refused_by_the_version_that_goes_on)                                  \
    X(refused_and_nothing_was_begun)                                        \
    X(what_cannot_be_seen_is_told)                                          \
    X(skipped_now_but_begun_then) X(what_was_never_begun_is_not_looked_for) \
        X(after_another_run_it_is_looked_for)
/* clang-format on */

CW_RUNNER_TESTS(TESTS)

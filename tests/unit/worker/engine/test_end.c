/* How requests end that did not go well, and in which order their events come. */
#include "tests/unit/worker/engine/runner_rig.h"

static void failure_is_undone(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[2].fail_times = 1;
    scripts[2].fail_code = CW_EMISCONFIGURED;
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    const char *body = find_type("result.v1", NULL)->body;
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(scripts[1].undos, 1);
    assert_non_null(strstr(body, "\"outcome\":\"undone\""));
    assert_non_null(strstr(body, "it broke"));
    assert_non_null(strstr(body, "\"class\":\"misconfigured\""));
}

static void failed_undo_is_told(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[2].fail_times = 1;
    scripts[2].fail_code = CW_EDENIED;
    scripts[1].undo_fail_code = CW_EDENIED;
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "undoing beta failed: cannot put back"));
    assert_int_equal(scripts[0].undos, 1);
}

static void failed_undo_of_a_cancel_is_told(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[2].sleep_ms = 8000;
    scripts[1].undo_fail_code = CW_EDENIED;
    submit(&w, "r1");
    until_runs(2, 1);
    submit_on(&w, "c1", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    const char *body = find_type("result.v1", "\"requestId\":\"r1\"")->body;
    assert_non_null(strstr(body, "\"class\":\"denied\",\"code\":\"EDENIED\""));
    assert_non_null(strstr(body, "cancelled: changed my mind; then undoing beta failed: cannot put back"));
    assert_non_null(strstr(body, "\"remedy\":\"put it back by hand\""));
    assert_non_null(strstr(body, "\"leftOver\":[\"beta: changed something\"]"));
    assert_int_equal(scripts[0].undos, 1);
    assert_true(has_verdict("c1", "failed")); /* it did end it, but not as it promised */
    assert_non_null(strstr(find_type("result.v1", "\"requestId\":\"c1\"")->body, "leftOver"));
}

static void a_failure_keeps_its_own_error(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[2].fail_times = 1;
    scripts[2].fail_code = CW_EMISCONFIGURED;
    scripts[1].undo_fail_code = scripts[0].undo_fail_code = CW_EDENIED;
    submit(&w, "r1");
    stop_worker(&w);
    const char *body = find_type("result.v1", NULL)->body;
    assert_non_null(strstr(body, "\"class\":\"misconfigured\""));
    assert_non_null(
        strstr(body, "it broke; then undoing beta failed: cannot put back; undoing alpha failed"));
    assert_non_null(strstr(body, "for what is left over: put it back by hand"));
    assert_non_null(strstr(body, "\"leftOver\":[\"beta: changed something\",\"alpha: changed something\"]"));
}

static void refused_but_begun_is_undone(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    start_worker(&w, "w1", 3000, 4);
    submit_refused(&w, "r1");
    submit(&w, "r2"); /* behind it: the workspace is put right first */
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    const char *body = find_type("result.v1", "\"requestId\":\"r1\"")->body;
    assert_non_null(strstr(body, "\"class\":\"invalid\",\"code\":\"EINVAL\""));
    assert_non_null(strstr(body, "/options/novel"));
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(scripts[1].undos, 1);
    assert_true(has_verdict("r2", "succeeded"));
    assert_int_equal(origins_done, 2);
}

static void refused_and_parked_is_undone_elsewhere(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin_and_park(mem);
    scripts[1].undo_sleep_ms = 8000;
    start_worker(&w1, "w1", 30000, 4);
    submit_refused(&w1, "r1");
    struct cw_deadline until = cw_in_ms(5000);
    while (scripts[1].undos == 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    assert_int_equal(count_type("result.v1", NULL), 0);
    start_worker(&w2, "w2", 30000, 4);
    submit_refused(&w2, "r1");
    stop_worker(&w2);
    assert_true(has_verdict("r1", "failed"));
    assert_int_equal(scripts[0].undos, 1);
}

static void refused_and_never_begun(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    submit_refused(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "rejected"));
    assert_int_equal(origins_done, 1);
}

static void undo_without_clients_is_told(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    refuse_clients = true; /* the tenant was struck from the list meanwhile */
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    const char *body = find_type("result.v1", NULL)->body;
    assert_non_null(strstr(body, "undoing alpha failed: a foreign tenant"));
    assert_non_null(strstr(body, "beta: it was begun; what it changed is not known"));
    assert_non_null(strstr(body, "alpha: changed something"));
    assert_int_equal(scripts[0].undos, 0);
}

static void every_class_has_a_remedy(struct cw_arena *mem)
{
    struct worker w;
    char id[32];
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    for (int code = 1; code < CW_E__COUNT; code++) {
        enum cw_class class = cw_err_class_of(code);
        if (class == CW_CLASS_CONFLICT || class == CW_CLASS_THROTTLED || class == CW_CLASS_LOST ||
            class == CW_CLASS_CANCELLED)
            continue; /* waited out, or never in a verdict */
        scripts[0].fail_times = 3;
        scripts[0].fail_code = code;
        (void)snprintf(id, sizeof id, "r%d", code);
        submit(&w, id);
        wait_idle(&w);
        assert_true(has_verdict(id, "failed") || has_verdict(id, "rejected")); /* check_verdict() did look */
    }
    for (int i = 0; i < CW_CLASS__COUNT; i++)
        assert_true(strlen(cw_remedy_of_class(cw_class_name((enum cw_class)i))) > 10);
    stop_worker(&w);
}

/* Of each request: what a consumer sees rises. */
static void sequences_rise(const char *request)
{
    char id[64];
    const char *last = "";
    (void)snprintf(id, sizeof id, "\"requestId\":\"%s\"", request);
    for (size_t i = 0; i < event_count; i++) {
        if (strstr(events[i].body, id) == NULL)
            continue;
        if (strcmp(last, events[i].sequence) >= 0)
            fail_msg("%s after %s: %s", events[i].sequence, last, events[i].body);
        last = events[i].sequence;
    }
}

static void sequence_of_what_never_ran(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    (void)ASK(mem, "SET", "cw:{" WS "}:lock", "99999999|x|w9|somebody", "PX", "60000");
    (void)ASK(mem, "SET", "cw:{" WS "}:epoch", "99999999");
    start_worker(&w1, "w1", 30000, 4);
    submit(&w1, "r1");
    until_waiting("somebody");
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    (void)ASK(mem, "HSET", cw_journal_key(mem, WS, "r1"), "accepted", "1000");
    start_worker(&w2, "w2", 30000, 4);
    submit(&w2, "r1"); /* too late */
    stop_worker(&w2);
    assert_true(has_verdict("r1", "failed"));
    sequences_rise("r1");
}

static void sequence_of_what_waits_again(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    start_worker(&w, "w1", 30000, 4);
    scripts[1].sleep_ms = 300;
    submit(&w, "r2");
    until_runs(1, 2);
    submit(&w, "r1"); /* behind r2 now */
    until_waiting("\"what\":\"r2\"");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    sequences_rise("r1");
    sequences_rise("r2");
}

static void sequence_of_a_refusal(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    (void)ASK(mem, "SET", "cw:{" WS "}:lock", "99999999|x|w9|somebody", "PX", "60000");
    start_worker(&w1, "w1", 30000, 4);
    submit(&w1, "r1");
    until_waiting("somebody");
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    start_worker(&w2, "w2", 30000, 4);
    submit_refused(&w2, "r1");
    stop_worker(&w2);
    assert_true(has_verdict("r1", "rejected"));
    sequences_rise("r1");
}

/* clang-format off */
#define LIST(X) \
    X(failure_is_undone) X(failed_undo_is_told) X(failed_undo_of_a_cancel_is_told)                 \
    X(a_failure_keeps_its_own_error) X(refused_but_begun_is_undone)                                \
    X(refused_and_parked_is_undone_elsewhere) X(refused_and_never_begun)                           \
    X(undo_without_clients_is_told) X(every_class_has_a_remedy) X(sequence_of_what_never_ran)      \
    X(sequence_of_what_waits_again) X(sequence_of_a_refusal)
/* clang-format on */
CW_RUNNER_TESTS(LIST)

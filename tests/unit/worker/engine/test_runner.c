/* Jobs from the queue to their verdict: a small plan of fake steps, real Redis, events kept in memory. */
#include "tests/unit/worker/engine/runner_rig.h"

static void success(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(count_type("result.v1", NULL), 1);
    assert_int_equal(count_type("started.v1", NULL), 3);
    assert_int_equal(count_type("finished.v1", "\"outcome\":\"done\""), 3);
    assert_int_equal(origins_done, 1);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"clusterId\":\"cluster-1\""));
    for (size_t i = 1; i < event_count; i++)
        assert_true(strcmp(events[i - 1].sequence, events[i].sequence) < 0);
    assert_string_equal(ASK(mem, "HGET", cw_journal_key(mem, WS, "r1"), "published"), "1");
    assert_null(ASK(mem, "HGET", cw_journal_key(mem, WS, "r1"), "d:alpha"));
    assert_null(ASK(mem, "GET", "cw:{" WS "}:lock"));
}

static void repeated(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].sleep_ms = 50;
    submit(&w, "r1");
    submit(&w, "r1"); /* while it runs: the same job */
    assert_int_equal(cw_runner_count(w.runner), 1);
    wait_idle(&w);
    assert_int_equal(count_type("result.v1", NULL), 1);
    assert_int_equal(origins_done, 2);
    submit(&w, "r1"); /* after its end: the same verdict, no second run */
    stop_worker(&w);
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(count_type("result.v1", NULL), 2);
    const struct event *first = find_type("result.v1", NULL), *last = &events[event_count - 1];
    assert_string_equal(first->body, last->body);
    assert_string_equal(first->sequence, last->sequence);
    assert_int_equal(first->headers, last->headers);
    assert_int_equal(origins_done, 3);
}

static void retries(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[0].fail_times = 2;
    scripts[0].fail_code = CW_EREMOTE;
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(scripts[0].runs, 3);
    assert_true(count_type("waiting.v1", "\"reason\":\"retry\"") >= 1);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"attempts\":3"));
}

static void conflicts_are_free(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[0].fail_times = 8;
    scripts[0].fail_code = CW_ECONFLICT;
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(scripts[0].runs, 9);
}

static void rejected_when_nothing_changed(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[0].fail_times = 1;
    scripts[0].fail_code = CW_EREJECTED;
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "rejected"));
    assert_int_equal(scripts[0].runs, 1);
}

static void plan_mode_writes_nothing(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    submit_on(&w, "r1", WS, CW_MODE_PLAN, CW_LANE_INTERACTIVE, NULL);
    stop_worker(&w);
    assert_true(has_verdict("r1", "planned"));
    assert_int_equal(scripts[0].runs, 1);
    assert_true(scripts[0].is_planned);
    assert_int_equal(scripts[1].runs, 0);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"wouldChange\":2"));
}

static void park_and_resume(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 30000, 4);
    scripts[1].sleep_ms = 8000;
    submit(&w1, "r1");
    until_runs(1, 1);
    int64_t before = cw_mono_ms();
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    assert_true(cw_mono_ms() - before < 1000);
    assert_int_equal(count_type("result.v1", NULL), 0);
    assert_int_equal(origins_done, 0);
    assert_null(ASK(mem, "GET", "cw:{" WS "}:lock"));
    assert_null(ASK(mem, "HGET", cw_journal_key(mem, WS, "r1"), "open"));
    scripts[1].sleep_ms = 0;
    start_worker(&w2, "w2", 30000, 4);
    submit(&w2, "r1");
    stop_worker(&w2);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(scripts[0].runs, 1);   /* done before: skipped */
    assert_int_equal(scripts[1].probes, 1); /* begun: asked first */
    assert_int_equal(scripts[1].runs, 2);
    assert_null(ASK(mem, "HGET", cw_journal_key(mem, WS, "r1"), "c:beta"));
}

/* What a step wrote down before its end is told, and known to whoever goes on. */
static void kept_before_the_end(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 3000, 4);
    scripts[0].keeps = true;
    scripts[0].sleep_ms = 5000;
    submit(&w1, "r1");
    until_runs(0, 1);
    struct cw_deadline until = cw_in_ms(5000);
    while (count_type("waiting.v1", "written down") == 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    scripts[0].sleep_ms = 0;
    start_worker(&w2, "w2", 3000, 4);
    submit(&w2, "r1");
    stop_worker(&w2);
    assert_true(has_verdict("r1", "succeeded"));
    assert_string_equal(scripts[0].kept, "kept");
    assert_string_equal(scripts[2].kept, "kept");
}

static void once_is_adopted(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 30000, 4);
    scripts[1].sleep_ms = 8000;
    submit(&w1, "r1");
    until_runs(1, 1);
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    scripts[1].happened = true;
    start_worker(&w2, "w2", 30000, 4);
    submit(&w2, "r1");
    stop_worker(&w2);
    assert_int_equal(scripts[1].runs, 1);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"clusterId\":\"adopted\""));
}

static void lost_lock_stops_writes(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 900, 4);
    scripts[0].sleep_ms = 700;
    scripts[0].wants_write = true;
    submit(&w, "r1");
    until_runs(0, 1);
    (void)ASK(mem, "SET", "cw:{" WS "}:lock", "99999999|x|w9|somebody", "PX", "1500");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded")); /* once the other was gone: it is still ours to answer */
    assert_int_equal(count_type("result.v1", NULL), 1);
    assert_true(scripts[0].runs >= 2);
    assert_true(count_type("waiting.v1", "somebody") >= 1);
    assert_null(ASK(mem, "HGET", cw_journal_key(mem, WS, "r1"), "c:alpha"));
}

static void redis_forgets_everything(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 900, 4);
    scripts[1].sleep_ms = 600;
    submit(&w, "r1");
    until_runs(1, 1);
    empty_redis(mem);
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(count_type("result.v1", NULL), 1);
    assert_int_equal(scripts[0].runs, 1); /* this worker still knew */
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"changed\":[\"changed something\"]"));
}

static void redis_forgets_and_it_fails(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 900, 4);
    scripts[2].sleep_ms = 700;
    scripts[2].fail_times = 9;
    scripts[2].fail_code = CW_EMISCONFIGURED;
    submit(&w, "r1");
    until_runs(2, 1);
    empty_redis(mem);
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(scripts[1].undos, 1);
}

static void lost_in_the_undo(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 900, 4);
    scripts[2].fail_times = 9;
    scripts[2].fail_code = CW_EMISCONFIGURED;
    scripts[1].undo_sleep_ms = 700;
    submit(&w, "r1");
    until_runs(2, 1);
    assert_int_equal(cw_sleep(cw_in_ms(50)), 0);
    empty_redis(mem);
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_int_equal(scripts[2].runs, 1); /* never forward again */
    assert_int_equal(scripts[0].undos, 1);
}

static void in_order_of_arrival(struct cw_arena *mem)
{
    struct worker w;
    char id[16];
    begin(mem);
    start_worker(&w, "w1", 3000, 8);
    scripts[1].sleep_ms = 10;
    for (int i = 0; i < 6; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        submit(&w, id);
    }
    stop_worker(&w);
    assert_int_equal(scripts[1].max_at_once, 1);
    int n = 0;
    for (size_t i = 0; i < event_count; i++) {
        if (!cw_z_ends(events[i].type, "result.v1"))
            continue;
        (void)snprintf(id, sizeof id, "\"r%d\"", n++);
        assert_non_null(strstr(events[i].body, id));
    }
    assert_int_equal(n, 6);
    assert_non_null(find_type("waiting.v1", "\"what\":\"r0\""));
}

static void lanes_and_slots(struct cw_arena *mem)
{
    struct worker w;
    char id[16], ws[128];
    begin(mem);
    start_worker(&w, "w1", 3000, 3); /* one of them is the interactive lane's */
    scripts[1].sleep_ms = 60;
    for (int i = 0; i < 10; i++) {
        (void)snprintf(id, sizeof id, "b%d", i);
        (void)snprintf(ws, sizeof ws, WS "%d", i);
        submit_on(&w, id, ws, CW_MODE_APPLY, CW_LANE_BULK, NULL);
    }
    until_runs(1, 2);
    assert_int_equal(cw_sleep(cw_in_ms(20)), 0);
    assert_int_equal(scripts[1].max_at_once, 2);
    submit_on(&w, "quick", WS "x", CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    stop_worker(&w);
    assert_int_equal(scripts[1].max_at_once, 3);
    size_t before = 0;
    for (size_t i = 0; i < event_count && strstr(events[i].body, "\"requestId\":\"quick\"") == NULL; i++)
        before += cw_z_ends(events[i].type, "result.v1");
    assert_true(before <= 4);
    assert_int_equal(count_type("result.v1", NULL), 11);
}

static bool came_before(const char *first, const char *second)
{
    char a[64], b[64];
    (void)snprintf(a, sizeof a, "\"requestId\":\"%s\"", first);
    (void)snprintf(b, sizeof b, "\"requestId\":\"%s\"", second);
    const struct event *x = find_type("result.v1", a), *y = find_type("result.v1", b);
    return x != NULL && y != NULL && x < y;
}

/* Its workspace's next is of a campaign without a slot. */
static void bulk_holds_up_nobody(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 30000, 2);
    scripts[1].sleep_ms = 2500;
    submit_on(&w, "busy", WS "2", CW_MODE_APPLY, CW_LANE_BULK, NULL);
    until_runs(1, 1);
    scripts[1].sleep_ms = 0;
    submit_on(&w, "b1", WS, CW_MODE_APPLY, CW_LANE_BULK, NULL);
    submit_on(&w, "b2", WS, CW_MODE_APPLY, CW_LANE_BULK, NULL);
    until_waiting("\"what\":\"b1\""); /* b2 is queued */
    submit_on(&w, "quick", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    stop_worker(&w);
    assert_true(came_before("quick", "busy"));
    assert_true(came_before("busy", "b1"));
    assert_true(came_before("b1", "b2"));
    assert_int_equal(count_type("waiting.v1", "\"reason\":\"capacity\""), 1);
    assert_non_null(strstr(find_type("waiting.v1", "capacity")->body, "\"requestId\":\"b1\""));
}

/* One that has begun is not overtaken: what it has changed is put right first. */
static void bulk_that_began_gets_a_slot(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    start_worker(&w, "w1", 30000, 2);
    scripts[1].sleep_ms = 2500;
    submit_on(&w, "busy", WS "2", CW_MODE_APPLY, CW_LANE_BULK, NULL);
    until_runs(1, 2);
    scripts[1].sleep_ms = 0;
    submit_on(&w, "r1", WS, CW_MODE_APPLY, CW_LANE_BULK, NULL);
    assert_int_equal(cw_sleep(cw_in_ms(100)), 0);
    submit_on(&w, "quick", WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    stop_worker(&w);
    assert_true(came_before("r1", "quick"));
    assert_true(came_before("quick", "busy"));
}

static void verdict_is_sent_until_acknowledged(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[2].sleep_ms = 100;
    submit(&w, "r1");
    until_runs(2, 1);
    refuse_sends = 3;
    stop_worker(&w);
    assert_int_equal(refuse_sends, 0);
    assert_int_equal(count_type("result.v1", NULL), 1);
    assert_int_equal(origins_done, 1);
}

static void crashes_end_as_bug(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    const char *key = cw_journal_key(mem, WS, "r1");
    (void)ASK(mem, "HSET", key, "c:beta", "2");
    (void)ASK(mem, "HSET", key, "b:beta", "2");
    (void)ASK(mem, "HSET", key, "open", "beta|5|dead|w0|r1");
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"class\":\"bug\""));
    assert_int_equal(scripts[1].runs, 0);
    assert_int_equal(scripts[1].undos, 1);
}

static void crashes_between_steps_end_as_bug(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    const char *key = cw_journal_key(mem, WS, "r1");
    (void)ASK(mem, "HSET", key, "claims", "3", "c:-", "2");
    (void)ASK(mem, "HSET", key, "open", "-|5|dead|w0|r1");
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"class\":\"bug\""));
    assert_int_equal(scripts[0].runs, 0);
}

static void a_crash_anywhere_is_counted(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    const char *key = cw_journal_key(mem, WS, "r1");
    start_worker(&w, "w1", 3000, 4);
    refuse_sends = 1000000; /* alpha's announcement: a step that is done, the next not begun */
    submit(&w, "r1");
    until_runs(0, 1);
    assert_int_equal(cw_sleep(cw_in_ms(50)), 0);
    assert_true(cw_z_starts(ASK(mem, "HGET", key, "open"), "-|"));
    refuse_sends = 0;
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_null(ASK(mem, "HGET", key, "open"));
}

static void attempts_are_counted_over_all_runs(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    const char *key = cw_journal_key(mem, WS, "r1");
    (void)ASK(mem, "HSET", key, "b:alpha", "7", "f:alpha", "2"); /* five were conflicts, and cost nothing */
    scripts[0].fail_times = 5;
    scripts[0].fail_code = CW_EREMOTE;
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    assert_int_equal(scripts[0].runs, 1);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "\"attempts\":8"));
    assert_non_null(find_type("started.v1", "\"attempt\":8"));
}

static void time_runs_on_while_nobody_runs_it(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    (void)ASK(mem, "HSET", cw_journal_key(mem, WS, "r1"), "t:gamma",
              cw_arena_printf(mem, "%lld", (long long)(cw_wall_ms() - 300000)));
    submit(&w, "r1");
    wait_idle(&w);
    assert_true(scripts[2].left_ms > 200000 && scripts[2].left_ms <= 300000);
    (void)ASK(mem, "HSET", cw_journal_key(mem, WS, "r2"), "t:gamma", "1");
    submit(&w, "r2");
    stop_worker(&w);
    assert_true(scripts[2].left_ms > 100000 &&
                scripts[2].left_ms <= 120000); /* enough to look what became of it */
    assert_true(has_verdict("r2", "succeeded"));
}

static void deadline_passes_in_the_queue(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    const char *key = cw_journal_key(mem, WS, "late");
    (void)ASK(mem, "HSET", key, "accepted", "1000");
    submit(&w, "late");
    scripts[1].sleep_ms = 1500;
    submit_on(&w, "first", WS "2", CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    (void)ASK(mem, "HSET", cw_journal_key(mem, WS "2", "second"), "accepted", "1000");
    submit_on(&w, "second", WS "2", CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    stop_worker(&w);
    assert_true(has_verdict("late", "failed"));
    assert_true(has_verdict("first", "succeeded"));
    assert_true(has_verdict("second", "failed"));
    assert_int_equal(scripts[1].runs, 1);
}

static void announced_again_after_a_crash(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 3000, 4);
    refuse_sends = 1000000;
    submit(&w1, "r1");
    until_runs(0, 1);
    assert_int_equal(cw_sleep(cw_in_ms(50)), 0);
    assert_int_equal(scripts[1].runs, 0); /* nothing after it before it is acknowledged */
    cw_runner_revoke(w1.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w1);
    refuse_sends = 0;
    assert_int_equal(count_type("finished.v1", "\"step\":\"alpha\""), 0);
    start_worker(&w2, "w2", 3000, 4);
    submit(&w2, "r1");
    stop_worker(&w2);
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(count_type("finished.v1", "\"step\":\"alpha\""), 1);
    assert_true(has_verdict("r1", "succeeded"));
}

static void second_lock_is_shared(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 8);
    scripts[1].lock = "/VNET/One";
    scripts[1].sleep_ms = 20;
    submit_on(&w, "r1", WS "1", CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    submit_on(&w, "r2", WS "2", CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    until_runs(1, 2);
    struct cw_deadline until = cw_in_ms(5000);
    while (ASK(mem, "GET", "cw:{/vnet/one}:lock") == NULL)
        assert_false(cw_is_past(until));
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_true(has_verdict("r2", "succeeded"));
    assert_true(count_type("waiting.v1", "\"reason\":\"lock\"") >= 1);
    assert_null(ASK(mem, "GET", "cw:{/vnet/one}:lock"));
}

static void drain_with_many(struct cw_arena *mem)
{
    struct worker w;
    char id[16], ws[128];
    begin(mem);
    start_worker(&w, "w1", 30000, 300);
    scripts[1].sleep_ms = 60000;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(id, sizeof id, "d%d", i);
        (void)snprintf(ws, sizeof ws, WS "%d", i);
        submit_on(&w, id, ws, CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    }
    until_runs(1, 200);
    int64_t before = cw_mono_ms();
    cw_runner_park_all(w.runner);
    stop_worker(&w);
    assert_true(cw_mono_ms() - before < 2000);
    assert_int_equal(count_type("result.v1", NULL), 0);
    assert_string_equal(ASK(mem, "EVAL", "return #redis.call('KEYS', 'cw:*:lock')", "0"), "0");
}

static void machine_of_states(struct cw_arena *mem)
{
    (void)mem;
    for (int s = 0; s < CW_JOB_STATE__COUNT; s++) {
        assert_non_null(cw_job_state_name((enum cw_job_state)s));
        assert_false(cw_job_may_become(CW_JOB_ENDED, (enum cw_job_state)s));
        assert_false(cw_job_may_become(CW_JOB_PARKED, (enum cw_job_state)s));
    }
    assert_false(cw_job_may_become(CW_JOB_UNDOING, CW_JOB_RUNNING));
    assert_false(cw_job_may_become(CW_JOB_PUBLISHING, CW_JOB_UNDOING));
    assert_true(cw_job_may_become(CW_JOB_RUNNING, CW_JOB_UNDOING));
}

/* clang-format off */
#define LIST(X) \
    X(success) X(repeated) X(retries) X(conflicts_are_free) X(rejected_when_nothing_changed)       \
    X(plan_mode_writes_nothing) X(park_and_resume) X(once_is_adopted) X(kept_before_the_end) X(lost_lock_stops_writes)    \
    X(redis_forgets_everything) X(redis_forgets_and_it_fails) X(lost_in_the_undo)                  \
    X(in_order_of_arrival) X(lanes_and_slots) X(bulk_holds_up_nobody) X(bulk_that_began_gets_a_slot) X(verdict_is_sent_until_acknowledged)                \
    X(crashes_end_as_bug) X(crashes_between_steps_end_as_bug) X(a_crash_anywhere_is_counted) X(attempts_are_counted_over_all_runs) X(time_runs_on_while_nobody_runs_it) X(deadline_passes_in_the_queue) X(announced_again_after_a_crash)         \
    X(second_lock_is_shared) X(drain_with_many) X(machine_of_states)
/* clang-format on */
CW_RUNNER_TESTS(LIST)

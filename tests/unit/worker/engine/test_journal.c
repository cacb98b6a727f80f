/* The journal's scripts against a real Redis. */
#include "worker/engine/journal.h"

#include "tests/unit/worker/engine/rig.h"

#include "common/time.h"
#include "worker/engine/refusal.h"

#define WS "/subscriptions/s/workspaces/w"

static struct cw_journal journal;
static struct cw_trouble trouble = {.name = "journal"};
static const char *lock_key, *job_key;
static const char *const value_a = "7|token-a|w1|req";
static const char *const value_b = "8|token-b|w2|req";

static void fresh(struct cw_arena *mem)
{
    empty_redis(mem);
    journal = (struct cw_journal){.redis = redis, .retention_ms = 60000, .trouble = &trouble};
    lock_key = cw_lock_key(mem, WS, "lock");
    job_key = cw_journal_key(mem, WS, "req");
}

static void hold(struct cw_arena *mem, const char *value)
{
    (void)ASK(mem, "SET", lock_key, value);
}

static struct cw_claim claim_of(const char *value)
{
    return (struct cw_claim){job_key, lock_key, value};
}

static int claim(struct cw_arena *mem, const char *value, const char *former, struct cw_log *ret_log)
{
    struct cw_err err = {0};
    const struct cw_claim c = claim_of(value);
    return cw_journal_claim(&journal, &c, former, "verify", 3, 1000, cw_in_ms(2000), mem, ret_log, &err);
}

static int set(const char *value, const char *field, const char *text, bool *ret_cancelled)
{
    struct cw_err err = {0};
    const struct cw_claim c = claim_of(value);
    const struct cw_change change = {.set = {{field, text}}, .set_count = 1};
    return cw_journal_write(&journal, &c, &change, cw_in_ms(2000), ret_cancelled, &err);
}

static void loads_what_was_written(struct cw_arena *mem)
{
    struct cw_log log;
    struct cw_err err = {0};
    fresh(mem);
    hold(mem, value_a);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    assert_int_equal(log.claims, 1);
    assert_int_equal(log.accepted_wall_ms, 1000);
    assert_int_equal(log.step_count, 0);
    const struct cw_claim c = claim_of(value_a);
    const struct cw_change begin = {.set = {{"b:one", "2"}, {"open", "one|7|token-a|w1|req"}, {"o:/x", "{}"}},
                                    .set_count = 3};
    assert_int_equal(cw_journal_write(&journal, &c, &begin, cw_in_ms(2000), NULL, &err), 0);
    const struct cw_change done = {.set = {{"d:one", "{\"outcome\":\"done\"}"}, {"a:one", "1"}},
                                   .set_count = 2,
                                   .del = {"open"},
                                   .del_count = 1};
    assert_int_equal(cw_journal_write(&journal, &c, &done, cw_in_ms(2000), NULL, &err), 0);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    const struct cw_log_step *one = cw_log_find(&log, "one");
    assert_non_null(one);
    assert_int_equal(one->begun, 2);
    assert_int_equal(one->crashes, 0);
    assert_true(one->is_announced);
    assert_non_null(one->done);
    assert_int_equal(log.operation_count, 1);
    assert_string_equal(log.operations[0].resource_id, "/x");
    assert_int_equal(log.plan, 3);
}

static void former_owner_is_fenced(struct cw_arena *mem)
{
    struct cw_log log;
    struct cw_err err = {0};
    fresh(mem);
    hold(mem, value_a);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    hold(mem, value_b);
    assert_int_equal(set(value_a, "d:one", "{}", NULL), -CW_EFENCED);
    assert_int_equal(claim(mem, value_a, NULL, &log), -CW_EFENCED);
    assert_int_equal(claim(mem, value_b, NULL, &log), 0);
    assert_null(cw_log_find(&log, "one"));
    const struct cw_claim old = claim_of(value_a);
    struct cw_verdict verdict = {.outcome = "failed", .record.value = cw_str_of("{}")}, stored;
    enum cw_stored how;
    assert_int_equal(cw_journal_verdict(&journal, &old, &verdict, cw_in_ms(2000), mem, &stored, &how, &err),
                     -CW_EFENCED);
    (void)ASK(mem, "DEL", lock_key);
    assert_int_equal(set(value_b, "d:one", "{}", NULL), -CW_EFENCED);
}

static void crashes_are_counted(struct cw_arena *mem)
{
    struct cw_log log;
    fresh(mem);
    hold(mem, value_a);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    assert_int_equal(set(value_a, "open", "one|7|token-a|w1|req", NULL), 0);
    hold(mem, value_b);
    assert_int_equal(claim(mem, value_b, NULL, &log), 0);
    assert_int_equal(cw_log_find(&log, "one")->crashes, 1);
    assert_int_equal(claim(mem, value_b, NULL, &log), 0);
    assert_int_equal(cw_log_find(&log, "one")->crashes, 1);
    assert_int_equal(set(value_b, "open", "one|8|token-b|w2|req", NULL), 0);
    hold(mem, "9|token-c|w2|req");
    assert_int_equal(claim(mem, "9|token-c|w2|req", value_b, &log),
                     0); /* it lost the lock, it did not crash */
    assert_int_equal(cw_log_find(&log, "one")->crashes, 1);
}

static struct cw_verdict verdict_of(struct cw_arena *mem, const char *outcome, const char *body)
{
    struct cw_header *headers = cw_arena_alloc_array(mem, 2, sizeof *headers);
    headers[0] = (struct cw_header){"ce_id", cw_str_of("1")};
    headers[1] = (struct cw_header){"content-type", cw_str_of("application/json")};
    return (struct cw_verdict){.outcome = outcome,
                               .record = {.headers = headers, .header_count = 2, .value = cw_str_of(body)}};
}

static void first_verdict_counts(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_verdict stored;
    struct cw_journal_peek peek;
    enum cw_stored how;
    fresh(mem);
    assert_int_equal(cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(2000), mem, &peek, &err),
                     0);
    const struct cw_claim nobody = {.job_key = job_key};
    struct cw_verdict first = verdict_of(mem, "rejected", "{\"n\":1}"),
                      second = verdict_of(mem, "failed", "{\"n\":2}");
    assert_int_equal(cw_journal_verdict(&journal, &nobody, &first, cw_in_ms(2000), mem, &stored, &how, &err),
                     0);
    assert_int_equal(how, CW_STORED_OURS);
    assert_int_equal(cw_journal_verdict(&journal, &nobody, &second, cw_in_ms(2000), mem, &stored, &how, &err),
                     0);
    assert_int_equal(how, CW_STORED_BEFORE);
    assert_string_equal(stored.outcome, "rejected");
    assert_true(cw_str_eq_z(stored.record.value, "{\"n\":1}"));
    assert_int_equal(stored.record.header_count, 2);
    assert_string_equal(stored.record.headers[1].name, "content-type");
    assert_int_equal(cw_journal_published(&journal, job_key, &second, cw_in_ms(2000), &err), 0);
    assert_int_equal(cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(2000), mem, &peek, &err),
                     0);
    assert_true(peek.has_verdict && !peek.is_published); /* another one is out, this one is not */
    assert_int_equal(cw_journal_published(&journal, job_key, &first, cw_in_ms(2000), &err), 0);
    assert_int_equal(cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(2000), mem, &peek, &err),
                     0);
    assert_true(peek.has_verdict && peek.is_published);
    assert_true(cw_str_eq_z(peek.verdict.record.value, "{\"n\":1}"));
    assert_string_not_equal(ASK(mem, "PTTL", job_key), "-1");
}

static void forgotten_is_not_settled(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_journal_peek peek;
    struct cw_verdict stored, verdict = verdict_of(mem, "cancelled", "{}");
    enum cw_stored how;
    fresh(mem);
    assert_int_equal(cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(2000), mem, &peek, &err),
                     0);
    lose_redis(mem); /* and with it perhaps somebody's claim */
    const struct cw_claim nobody = {.job_key = job_key};
    assert_int_equal(
        cw_journal_verdict(&journal, &nobody, &verdict, cw_in_ms(2000), mem, &stored, &how, &err), 0);
    assert_int_equal(how, CW_STORED_UNKNOWN);
    assert_null(ASK(mem, "HGET", job_key, "verdict"));
}

static void claimed_is_not_settled(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_verdict stored, verdict = verdict_of(mem, "cancelled", "{}");
    struct cw_log log;
    enum cw_stored how;
    fresh(mem);
    hold(mem, value_a);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    const struct cw_claim nobody = {.job_key = job_key};
    assert_int_equal(
        cw_journal_verdict(&journal, &nobody, &verdict, cw_in_ms(2000), mem, &stored, &how, &err), 0);
    assert_int_equal(how, CW_STORED_CLAIMED);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    assert_false(log.has_verdict);
}

static void cancel_flag(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_journal_peek peek;
    struct cw_log log;
    struct cw_verdict stored, verdict = verdict_of(mem, "cancelled", "{}");
    struct cw_target_look target;
    enum cw_stored how;
    bool is_cancelled = true;
    fresh(mem);
    assert_int_equal(cw_journal_cancel(&journal, job_key, "why", cw_in_ms(2000), mem, &target, &err), 0);
    assert_int_equal(target.state, CW_TARGET_UNKNOWN);
    assert_string_not_equal(ASK(mem, "PTTL", job_key), "-1"); /* a tombstone ends by itself */
    assert_int_equal(cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(2000), mem, &peek, &err),
                     0);
    assert_string_equal(peek.cancel, "why"); /* it waited for the request */
    (void)ASK(mem, "HDEL", job_key, "cancel");
    assert_int_equal(cw_journal_cancel(&journal, job_key, NULL, cw_in_ms(2000), mem, &target, &err), 0);
    assert_int_equal(target.state, CW_TARGET_QUEUED);
    hold(mem, value_a);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    assert_int_equal(set(value_a, "x", "1", &is_cancelled), 0);
    assert_false(is_cancelled);
    assert_int_equal(cw_journal_cancel(&journal, job_key, "why", cw_in_ms(2000), mem, &target, &err), 0);
    assert_int_equal(target.state, CW_TARGET_ACTIVE);
    assert_int_equal(set(value_a, "x", "1", &is_cancelled), 0);
    assert_true(is_cancelled);
    assert_int_equal(claim(mem, value_a, NULL, &log), 0);
    assert_string_equal(log.cancel, "why");
    const struct cw_claim c = claim_of(value_a);
    assert_int_equal(cw_journal_verdict(&journal, &c, &verdict, cw_in_ms(2000), mem, &stored, &how, &err), 0);
    assert_int_equal(cw_journal_cancel(&journal, job_key, NULL, cw_in_ms(2000), mem, &target, &err), 0);
    assert_int_equal(target.state, CW_TARGET_ENDED);
    assert_string_equal(target.outcome, "cancelled");
}

static void waits_for_redis(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_journal_peek peek;
    fresh(mem);
    stop_redis();
    start_redis();
    assert_int_equal(cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(10000), mem, &peek, &err),
                     0);
    assert_false(peek.has_verdict);
}

static void records_survive_the_trip(struct cw_arena *mem)
{
    struct cw_err err = {0};
    const char *found[] = {"a \"quoted\" line", "umlaut \xc3\xa4"};
    struct cw_step_record in = {.outcome = CW_STEP_OUTCOME_DONE,
                                .found = found,
                                .found_count = 2,
                                .duration_ms = 12,
                                .attempts = 3,
                                .calls = {1, 2, 3},
                                .out.vnet_id = "/vnet"},
                          out;
    assert_int_equal(cw_step_record_parse(cw_step_record_print(&in, mem), mem, &out, &err), 0);
    assert_int_equal(out.found_count, 2);
    assert_string_equal(out.found[0], found[0]);
    assert_int_equal(out.calls.deletes, 3);
    assert_string_equal(out.out.vnet_id, "/vnet");
    const struct cw_operation op = {.resource_id = "/r",
                                    .method = "PUT",
                                    .original_url = "https://x/r?a=b",
                                    .async_url = "https://y",
                                    .started_wall_ms = 99};
    struct cw_operation back;
    assert_int_equal(cw_operation_parse(cw_operation_print(&op, mem), mem, &back, &err), 0);
    assert_string_equal(back.async_url, "https://y");
    assert_null(back.location_url);
    assert_int_equal(back.started_wall_ms, 99);
    static const char *const broken[] = {
        "", "{", "[]", "null", "{\"outcome\":7}", "{\"outcome\":\"unheard of\"}"};
    for (size_t i = 0; i < CW_ARRAY_LEN(broken); i++)
        assert_true(cw_step_record_parse(broken[i], mem, &out, &err) < 0);
    assert_int_equal(cw_step_record_parse("{\"outcome\":\"done\",\"newer\":{\"x\":1}}", mem, &out, &err), 0);
}

#define CASE(name, fn)             \
    static void name(void **state) \
    {                              \
        (void)state;               \
        on_fiber(fn);              \
    }
CASE(test_loads_what_was_written, loads_what_was_written)
CASE(test_former_owner_is_fenced, former_owner_is_fenced)
CASE(test_crashes_are_counted, crashes_are_counted)
CASE(test_first_verdict_counts, first_verdict_counts)
CASE(test_forgotten_request_is_not_settled, forgotten_is_not_settled)
CASE(test_claimed_request_is_not_settled, claimed_is_not_settled)
CASE(test_cancel_flag, cancel_flag)

static int accept_until(struct cw_arena *mem, int64_t ms, struct cw_err *err)
{
    struct cw_journal_peek peek;
    return cw_journal_accept(&journal, WS, job_key, "verify", 5, cw_in_ms(ms), mem, &peek, err);
}

static int give_memory(void *arg)
{
    (void)arg;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_deadline until = cw_in_ms(5000);
    assert_int_equal(cw_arena_new(100000, &mem), 0);
    while (cw_trouble_reason(&trouble) == NULL && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    assert_non_null(strstr(cw_trouble_reason(&trouble), "maxmemory"));
    (void)ASK(mem, "CONFIG", "SET", "maxmemory", "0");
    return 0;
}

/* Redis that is full is told, and waited for. */
static void full_redis_is_told_and_waited_for(struct cw_arena *mem)
{
    struct cw_err err = {0};
    struct cw_fiber *helper;
    int result;
    fresh(mem);
    (void)ASK(mem, "CONFIG", "SET", "maxmemory", "1");
    assert_int_equal(accept_until(mem, 100, &err),
                     -CW_ETIMEDOUT); /* the deadline, not what Redis said last */
    assert_non_null(strstr(err.text, "OOM"));
    assert_non_null(strstr(err.remedy, "maxmemory"));
    assert_non_null(cw_trouble_reason(&trouble));
    cw_trouble_over(&trouble);
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "helper", give_memory, NULL, &helper), 0);
    assert_int_equal(accept_until(mem, 10000, &err), 0);
    assert_int_equal(cw_fiber_join(helper, cw_in_ms(1000), &result), 0);
    assert_null(cw_trouble_reason(&trouble));
}

/* What will never be answered otherwise ends at once, with a remedy. */
static void final_refusals_end_at_once(struct cw_arena *mem)
{
    struct cw_err err = {0};
    fresh(mem);
    (void)ASK(mem, "SET", job_key, "somebody else's");
    int64_t before = cw_mono_ms();
    assert_int_equal(accept_until(mem, 10000, &err), -CW_EREMOTE);
    assert_true(cw_mono_ms() - before < 2000);
    assert_non_null(strstr(err.text, "WRONGTYPE"));
    assert_non_null(strstr(err.remedy, "database of their own"));
    assert_non_null(strstr(cw_trouble_reason(&trouble), "WRONGTYPE"));
    (void)ASK(mem, "DEL", job_key);
    assert_int_equal(accept_until(mem, 5000, &err), 0);
    assert_null(cw_trouble_reason(&trouble));
    (void)ASK(mem, "ACL", "SETUSER", "default", "-@scripting");
    before = cw_mono_ms();
    assert_int_equal(accept_until(mem, 10000, &err), -CW_EAUTH);
    assert_true(cw_mono_ms() - before < 2000);
    assert_non_null(strstr(err.remedy, "EVALSHA"));
    (void)ASK(mem, "ACL", "SETUSER", "default", "+@scripting");
    assert_int_equal(accept_until(mem, 5000, &err), 0);
}

static void refusals_are_told_apart(struct cw_arena *mem)
{
    static const struct {
        const char *word, *text;
        int code;
        enum cw_refusal want;
    } cases[] = {
        {"", "closed", CW_ENET, CW_REFUSAL_PASSES},
        {"LOADING", "Redis answers: LOADING", CW_ENET, CW_REFUSAL_PASSES},
        {"BUSY", "Redis answers: BUSY a script runs", CW_EREMOTE, CW_REFUSAL_PASSES},
        {"TRYAGAIN", "Redis answers: TRYAGAIN", CW_EREMOTE, CW_REFUSAL_PASSES},
        {"OOM", "Redis answers: OOM command not allowed", CW_EREMOTE, CW_REFUSAL_MEND},
        {"CLUSTERDOWN", "Redis answers: CLUSTERDOWN", CW_EREMOTE, CW_REFUSAL_MEND},
        {"MISCONF", "Redis answers: MISCONF", CW_EREMOTE, CW_REFUSAL_MEND},
        {"NOREPLICAS", "Redis answers: NOREPLICAS", CW_EREMOTE, CW_REFUSAL_MEND},
        {"MOVED", "Redis answers: MOVED 1 10.0.0.1:1", CW_EREMOTE, CW_REFUSAL_FINAL},
        {"ERR", "Redis answers: ERR Error running script: 1: -OOM command not allowed", CW_EREMOTE,
         CW_REFUSAL_FINAL},
        {"ERR", "Redis answers: ERR Error running script: 1: WRONGTYPE Operation", CW_EREMOTE,
         CW_REFUSAL_FINAL},
        {"ERR", "Redis answers: ERR @user_script: OOM command not allowed", CW_EREMOTE, CW_REFUSAL_MEND},
        {"ERR", "Redis answers: ERR unknown command", CW_EREMOTE, CW_REFUSAL_FINAL},
        {"NOPERM", "Redis answers: NOPERM", CW_EAUTH, CW_REFUSAL_FINAL},
    };
    (void)mem;
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_err err = {0};
        (void)cw_err_set(&err, cases[i].code, "%s", cases[i].text);
        (void)cw_z_copy(err.remote_code, sizeof err.remote_code, cases[i].word);
        if (cw_refusal_of(&err) != cases[i].want)
            fail_msg("%s: %d", cases[i].text, (int)cw_refusal_of(&err));
    }
}

CASE(test_waits_for_redis, waits_for_redis)
CASE(test_full_redis_is_told_and_waited_for, full_redis_is_told_and_waited_for)
CASE(test_final_refusals_end_at_once, final_refusals_end_at_once)
CASE(test_refusals_are_told_apart, refusals_are_told_apart)
CASE(test_records_survive_the_trip, records_survive_the_trip)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads_what_was_written),
        cmocka_unit_test(test_former_owner_is_fenced),
        cmocka_unit_test(test_crashes_are_counted),
        cmocka_unit_test(test_first_verdict_counts),
        cmocka_unit_test(test_forgotten_request_is_not_settled),
        cmocka_unit_test(test_claimed_request_is_not_settled),
        cmocka_unit_test(test_cancel_flag),
        cmocka_unit_test(test_waits_for_redis),
        cmocka_unit_test(test_full_redis_is_told_and_waited_for),
        cmocka_unit_test(test_final_refusals_end_at_once),
        cmocka_unit_test(test_refusals_are_told_apart),
        cmocka_unit_test(test_records_survive_the_trip),
    };
    return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}

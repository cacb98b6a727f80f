/* What a topic refuses for good: verdicts and dead letters get shorter, nothing is sent again for ever, nothing is dropped. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/worker/engine/runner_rig.h"

#include "worker/engine/shorten.h"

static size_t size_of_verdict(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_null(strstr(find_type("result.v1", NULL)->body, "leftOut"));
    return strlen(find_type("result.v1", NULL)->body);
}

static void too_big_verdict_is_shortened(struct cw_arena *mem)
{
    struct worker w;
    size_t whole = size_of_verdict(mem);
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].sleep_ms = 100;
    submit(&w, "r1");
    until_runs(1, 1);
    value_bytes_max = whole - 40;
    stop_worker(&w);
    assert_int_equal(count_type("result.v1", NULL), 1);
    assert_true(has_verdict("r1", "succeeded"));
    char *first = strdup(find_type("result.v1", NULL)->body);
    assert_non_null(strstr(first, "\"leftOut\":[\"steps/found\""));
    assert_null(strstr(first, "found something"));
    assert_int_equal(origins_done, 1);
    /* Asked again when the topic takes everything: the copies are equal all the same. */
    forget_events();
    start_worker(&w, "w1", 3000, 4);
    submit(&w, "r1");
    stop_worker(&w);
    assert_string_equal(find_type("result.v1", NULL)->body, first);
    free(first);
}

static void verdict_shrinks_to_the_outcome(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].fail_times = 9;
    scripts[1].fail_code = CW_EMISCONFIGURED;
    scripts[1].sleep_ms = 100;
    submit(&w, "r1");
    until_runs(1, 1);
    value_bytes_max = 700;
    stop_worker(&w);
    const struct event *e = find_type("result.v1", NULL);
    assert_true(has_verdict("r1", "failed"));
    assert_true(strlen(e->body) <= 700);
    assert_non_null(strstr(e->body, "it broke"));
    assert_non_null(strstr(e->body, "\"leftOut\":[\"steps/changed\",\"steps\"]"));
    assert_true(sends <= 12);
}

static void hopeless_topic_is_told_and_not_flooded(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    scripts[1].sleep_ms = 50;
    submit(&w, "r1");
    until_runs(1, 1);
    value_bytes_max = 10;
    struct cw_deadline until = cw_in_ms(5000);
    while (cw_trouble_reason(&troubles[CW_TOPIC_RESULTS]) == NULL && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    assert_non_null(strstr(cw_trouble_reason(&troubles[CW_TOPIC_RESULTS]), "raise max.message.bytes"));
    size_t before = sends;
    assert_int_equal(cw_sleep(cw_in_ms(1000)), 0);
    assert_true(sends - before <= 8);
    assert_int_equal(count_type("result.v1", NULL), 0);
    assert_int_equal(origins_done, 0);
    value_bytes_max = 0;
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_null(cw_trouble_reason(&troubles[CW_TOPIC_RESULTS]));
    assert_int_equal(origins_done, 1);
}

/* ---- dead letters ----------------------------------------------------------------------------------------------------- */

static void make_letter(const struct worker *w, struct cw_arena *mem, struct cw_str value,
                        struct cw_record_out *ret_letter)
{
    const struct cw_header headers[] = {{"content-type", cw_str_of("text/plain")}};
    const struct cw_record_in rec = {.headers = headers,
                                     .header_count = 1,
                                     .key = cw_str_of("k"),
                                     .value = value,
                                     .topic = "requests",
                                     .offset = 7};
    struct cw_err why = {0}, err = {0};
    (void)cw_err_set(&why, CW_EPARSE, "not JSON");
    assert_int_equal(cw_deadletter_make(&w->parts.publish, &rec, &why, NULL, mem, ret_letter, &err), 0);
}

static void check_letter(const struct worker *w, struct cw_arena *mem, char fill)
{
    static char value[300000];
    struct cw_record_out letter;
    struct cw_err err = {0};
    memset(value, fill, sizeof value);
    make_letter(w, mem, (struct cw_str){value, sizeof value}, &letter);
    forget_events();
    for (size_t limit = 100000; limit >= 600; limit /= 3) {
        value_bytes_max = limit;
        assert_int_equal(cw_publish_deadletter(&w->parts.publish, &letter, &err), 0);
        const char *body = events[event_count - 1].body;
        assert_true(strlen(body) <= limit);
        assert_non_null(strstr(body, "\"truncated\":true"));
        assert_non_null(strstr(body, "\"valueBytes\":300000"));
        assert_non_null(strstr(body, "not JSON"));
    }
    assert_true(sends < 100);
    value_bytes_max = 20;
    assert_int_equal(cw_publish_deadletter(&w->parts.publish, &letter, &err), -CW_ETOOBIG);
    assert_non_null(cw_trouble_reason(&troubles[CW_TOPIC_DEADLETTER]));
    value_bytes_max = 0;
    assert_int_equal(cw_publish_deadletter(&w->parts.publish, &letter, &err), 0);
    assert_null(cw_trouble_reason(&troubles[CW_TOPIC_DEADLETTER]));
}

static void too_big_letter_is_truncated(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    check_letter(&w, mem, 'x');
    check_letter(&w, mem, (char)0xff);
    check_letter(&w, mem, '\n');
    stop_worker(&w);
}

/* ---- progress --------------------------------------------------------------------------------------------------------- */

static void inventory_keeps_what_runs(struct cw_arena *mem)
{
    struct worker w;
    struct cw_err err = {0};
    static const char *words[] = {"five hundred clusters"};
    struct cw_compute_v1 compute[500];
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    for (size_t i = 0; i < CW_ARRAY_LEN(compute); i++)
        compute[i] = (struct cw_compute_v1){.id = i == 321 ? "the-one-that-runs" : "idle",
                                            .state = i == 321 ? "RUNNING" : "TERMINATED",
                                            .was_running = i == 321};
    struct cw_request req = {.event = {.id = "r1"}, .workspace_id = WS, .workspace_key = WS};
    struct cw_voice voice = {.req = &req, .correlation_id = "c"};
    struct cw_progress_v1 progress = {
        .kind = CW_PROGRESS_FINISHED,
        .step = "inventory",
        .finished = {.found = words, .found_count = 1, .compute = compute, .compute_count = 500}};
    value_bytes_max = 2000;
    assert_int_equal(cw_publish_progress_surely(&w.parts.publish, &voice, &progress, &err), 0);
    assert_non_null(find_type("finished.v1", "the-one-that-runs"));
    assert_null(find_type("finished.v1", "idle"));
    assert_string_equal(compute[0].id, "idle"); /* the facts stay as they are */
    assert_string_equal(compute[321].id, "the-one-that-runs");
    value_bytes_max = 20;
    assert_int_equal(cw_publish_progress_surely(&w.parts.publish, &voice, &progress, &err), -CW_ETOOBIG);
    assert_non_null(cw_trouble_reason(&troubles[CW_TOPIC_PROGRESS]));
    cw_trouble_over(&troubles[CW_TOPIC_PROGRESS]);
    stop_worker(&w);
}

/* clang-format off */
#define LIST(X)                                                              \
    X(too_big_verdict_is_shortened) X(verdict_shrinks_to_the_outcome)        \
    X(hopeless_topic_is_told_and_not_flooded) X(too_big_letter_is_truncated) \
    X(inventory_keeps_what_runs)
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

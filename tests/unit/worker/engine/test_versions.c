/* A job that two versions of the worker share, each with a plan of its own: it goes on by the names of its steps. */
#include "tests/unit/worker/engine/runner_rig.h"

static int tidied;

static int run_tidy(struct cw_step_ctx *c, struct cw_err *err)
{
    (void)err;
    tidied++;
    c->ops->changed(c->ops_arg, tidied == 1 ? "tidied up" : "tidied up again");
    return 0;
}

static const struct cw_step step_tidy = {.name = "tidy",
                                         .kind = CW_STEP_IDEMPOTENT,
                                         .puts_away = true,
                                         .timeout_ms = 20000,
                                         .retry = {3, 5, 20},
                                         .run = run_tidy};

/* Tells of five changes, and, when it is run again, of five more. */
static int run_many(struct cw_step_ctx *c, struct cw_err *err)
{
    char text[32];
    int round = ++tidied;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(text, sizeof text, "change %d of %d", i, round);
        c->ops->changed(c->ops_arg, text);
    }
    int r = round == 1 ? cw_sleep(cw_in_ms(8000)) : 0;
    return r < 0 ? cw_err_set(err, r, "stopped in the step") : 0;
}

static const struct cw_step step_many = {
    .name = "many", .kind = CW_STEP_IDEMPOTENT, .timeout_ms = 20000, .retry = {3, 5, 20}, .run = run_many};

static const struct cw_step *const many_alone[] = {&step_many};
static const struct cw_step *const without_beta[] = {&step_a, &step_c};
static const struct cw_step *const tidy_first[] = {&step_tidy, &step_c};
static const struct cw_step *const alpha_before[] = {&step_a, &step_tidy, &step_c};
static const struct cw_step *const reversed[] = {&step_c, &step_b, &step_a};
static const struct cw_plan plans[] = {{CW_REQUEST_VERIFY, 3, without_beta, 2},
                                       {CW_REQUEST_VERIFY, 3, tidy_first, 2},
                                       {CW_REQUEST_VERIFY, 5, alpha_before, 3},
                                       {CW_REQUEST_VERIFY, 5, reversed, 3},
                                       {CW_REQUEST_VERIFY, 5, many_alone, 1}};
static const struct cw_plan *chosen;

static const struct cw_plan *chosen_plan(const struct cw_request *req)
{
    (void)req;
    return chosen;
}

static void start_with(struct worker *w, const char *name, const struct cw_plan *of)
{
    chosen = of;
    start_worker(w, name, 30000, 4);
    w->parts.plan_of = chosen_plan;
}

static void park(struct worker *w)
{
    cw_runner_revoke(w->runner, "requests", 0, CW_EPARKED);
    stop_worker(w);
}

/* beta was begun, and only the other version could say what became of it. */
static void a_step_that_this_version_lacks_is_told(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    start_with(&w, "w1", &plans[0]);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    const char *body = find_type("result.v1", NULL)->body;
    assert_non_null(strstr(body, "\"leftOver\":[\"beta: it was begun; what it changed is not known\"]"));
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(scripts[1].runs, 1);
}

/* What it changed counts, and stays when the request fails here: nobody here knows how to undo it. */
static void its_changes_count_and_stay(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w0", 30000, 4);
    scripts[2].sleep_ms = 8000;
    submit(&w, "r1");
    until_runs(2, 1);
    park(&w);
    scripts[2].sleep_ms = 0;
    scripts[2].fail_times = 1;
    scripts[2].fail_code = CW_EREJECTED;
    start_with(&w, "w1", &plans[0]);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "failed"));
    const char *body = find_type("result.v1", NULL)->body;
    assert_non_null(strstr(body, "\"leftOver\":[\"beta: changed something\"]"));
    assert_non_null(strstr(body, "\"name\":\"beta\",\"outcome\":\"done\""));
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(scripts[1].undos, 0);
}

/* alpha is new here and comes before what tidy had already put away. */
static void what_was_put_away_too_early_is_put_away_again(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    tidied = 0;
    start_with(&w, "w0", &plans[1]);
    scripts[2].sleep_ms = 8000;
    submit(&w, "r1");
    until_runs(2, 1);
    park(&w);
    assert_int_equal(tidied, 1);
    scripts[0].sleep_ms = 8000;
    start_with(&w, "w1", &plans[2]);
    submit(&w, "r1");
    until_runs(0, 1);
    park(&w); /* the journal alone knows that tidy is open again */
    assert_int_equal(tidied, 1);
    scripts[0].sleep_ms = scripts[2].sleep_ms = 0;
    start_with(&w, "w2", &plans[2]);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(tidied, 2);
    assert_non_null(strstr(find_type("result.v1", NULL)->body, "[\"tidied up\",\"tidied up again\"]"));
}

static void another_order_runs_what_is_left_alone(struct cw_arena *mem)
{
    struct worker w;
    begin_and_park(mem);
    start_with(&w, "w1", &plans[3]);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(scripts[1].runs + scripts[1].probes, 3);
    assert_int_equal(scripts[2].runs, 1);
}

static void what_was_told_before_the_hand_over_stays(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    tidied = 0;
    start_with(&w, "w0", &plans[4]);
    submit(&w, "r1");
    struct cw_deadline until = cw_in_ms(5000);
    while (tidied == 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    park(&w);
    start_with(&w, "w1", &plans[4]);
    submit(&w, "r1");
    stop_worker(&w);
    assert_true(has_verdict("r1", "succeeded"));
    static const char all[] =
        "\"changed\":[\"change 0 of 1\",\"change 1 of 1\",\"change 2 of 1\",\"change 3 of 1\",\"change 4 of 1\","
        "\"change 0 of 2\",\"change 1 of 2\",\"change 2 of 2\",\"change 3 of 2\",\"change 4 of 2\"]";
    assert_non_null(strstr(find_type("result.v1", NULL)->body, all));
}

/* clang-format off */
#define LIST(X)                                                                                  \
    X(a_step_that_this_version_lacks_is_told) X(its_changes_count_and_stay)                      \
    X(what_was_put_away_too_early_is_put_away_again) X(another_order_runs_what_is_left_alone) \
    X(what_was_told_before_the_hand_over_stays)
/* clang-format on */

CW_RUNNER_TESTS(LIST)

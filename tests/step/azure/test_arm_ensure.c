#include "tests/step/azure/bench.h"

#define OPERATION ARM "/subscriptions/s/providers/p/operations/1?api-version=x"
#define DONE         \
    "{\"id\":\"" RES \
    "\",\"location\":\"China East 2\",\"properties\":{\"provisioningState\":\"Succeeded\",\"a\":1}}"
#define OTHER        \
    "{\"id\":\"" RES \
    "\",\"location\":\"chinaeast2\",\"properties\":{\"provisioningState\":\"Succeeded\",\"a\":2,\"keep\":3}}"
#define BUSY "{\"id\":\"" RES "\",\"properties\":{\"provisioningState\":\"Updating\",\"a\":2}}"
#define ABSENT "{\"error\":{\"code\":\"ResourceNotFound\"}}"

static struct cw_ensured ensured;

static int ensure_with(struct bench *b, struct cw_goal *goal)
{
    json_t *desired = json_pack("{s:s,s:{s:i}}", "location", "chinaeast2", "properties", "a", 1);
    json_t *creation = json_pack("{s:{s:s}}", "tags", "who", "us");
    goal->id = RES;
    goal->api = &cw_api_network;
    goal->desired = desired;
    goal->at_creation = creation;
    int r = cw_arm_ensure(b->arm, &b->call, goal, &ensured, &b->err);
    json_decref(desired);
    json_decref(creation);
    return r;
}

static int ensure(void *arg)
{
    struct cw_goal goal = {0};
    return ensure_with(arg, &goal);
}

static int ensure_guarded(void *arg)
{
    struct cw_goal goal = {.create_guarded = true};
    return ensure_with(arg, &goal);
}

static int ensure_refusing(void *arg)
{
    struct cw_goal goal = {.update_is_refused = true};
    return ensure_with(arg, &goal);
}

static void nothing_is_sent_when_it_holds(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_NONE);
    assert_int_equal(world_calls_of("PUT", NULL), 0);
    assert_int_equal(b->writes_asked, 0);
}

static void created_when_absent(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("PUT", RES_URL, 201, DONE, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_CREATED);
    assert_int_equal(b->writes_asked, 1);
    assert_int_equal(b->counts.writes, 1);
    const char *body = world_call_at(2)->body;
    assert_string_equal(body,
                        "{\"location\":\"chinaeast2\",\"properties\":{\"a\":1},\"tags\":{\"who\":\"us\"}}");
}

static void updated_with_what_was_there(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 200, OTHER, NULL);
    world_route("PUT", RES_URL, 200, DONE, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_UPDATED);
    assert_string_equal(world_call_at(2)->body,
                        "{\"location\":\"chinaeast2\",\"properties\":{\"a\":1,\"keep\":3}}");
}

static void a_plan_writes_nothing(void **state)
{
    struct bench *b = *state;
    b->call.plan_only = true;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("GET", RES_URL, 200, OTHER, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_WOULD_CREATE);
    assert_null(ensured.doc);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_WOULD_UPDATE);
    assert_string_equal(ensured.difference, "properties/a: 2 -> 1");
    assert_int_equal(world_calls_of("PUT", NULL), 0);
}

static void a_difference_may_be_refused(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 200, OTHER, NULL);
    assert_int_equal(bench_run(b, ensure_refusing), -CW_EMISCONFIGURED);
    assert_non_null(strstr(b->err.text, "properties/a"));
    assert_true(b->err.remedy[0] != '\0');
    assert_int_equal(world_calls_of("PUT", NULL), 0);
}

static void work_of_others_is_waited_for(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 200, BUSY, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_NONE);
    assert_int_equal(world_calls_of("PUT", NULL), 0);
    assert_int_equal(b->waits[CW_WAIT_OPERATION], 1);
}

static void a_lost_owner_writes_nothing(void **state)
{
    struct bench *b = *state;
    b->write_refusal = CW_ELOST;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    assert_int_equal(bench_run(b, ensure), -CW_ELOST);
    assert_int_equal(world_calls_of("PUT", NULL), 0);
}

static void a_write_whose_answer_is_lost_is_not_repeated(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("PUT", RES_URL, 201, DONE, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    world_inject(
        &(struct world_fault){.method = "PUT", .count = 1, .kind = WORLD_FAULT_LOST, .error = CW_ENET});
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_CREATED);
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

/* It is no answer, and no fault of the request: what became of it is looked for. */
static void an_answer_too_big_is_none(void **state)
{
    struct bench *b = *state;
    static char big[9 * 1024 * 1024];
    memset(big, ' ', sizeof big - 1);
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("PUT", RES_URL, 201, big, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_CREATED);
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

static void after_a_gateway_timeout_the_resource_is_asked(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("PUT", RES_URL, 504, "{\"error\":{\"code\":\"GatewayTimeout\"}}", NULL);
    world_route("GET", RES_URL, 200, BUSY, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_CREATED);
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

static void a_lock_between_operations_is_waited_for(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("PUT", RES_URL, 409, "{\"error\":{\"code\":\"AnotherOperationInProgress\"}}", NULL);
    world_route("PUT", RES_URL, 429, "{\"error\":{\"code\":\"RetryableErrorDueToAnotherOperation\"}}",
                "Retry-After: 10");
    world_route("PUT", RES_URL, 201, DONE, NULL);
    for (int i = 0; i < 2; i++)
        world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_CREATED);
    assert_int_equal(world_calls_of("PUT", NULL), 3);
    assert_int_equal(b->waits[CW_WAIT_THROTTLE], 0);
}

static void a_race_at_creation_gives_the_others_resource(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route("PUT", RES_URL, 412, "{\"error\":{\"code\":\"PreconditionFailed\"}}", NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure_guarded), 0);
    assert_int_equal(ensured.effect, CW_EFFECT_NONE);
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

static void user_errors_come_back_at_once(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 404, ABSENT, NULL);
    world_route(
        "PUT", RES_URL, 403,
        "{\"error\":{\"code\":\"RequestDisallowedByPolicy\",\"message\":\"no\",\"additionalInfo\":[{\"type\":"
        "\"PolicyViolation\",\"info\":{\"policyDefinitionDisplayName\":\"No networks\"}}]}}",
        NULL);
    assert_int_equal(bench_run(b, ensure), -CW_EDENIED);
    assert_non_null(strstr(b->err.remedy, "No networks"));
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

static void a_pending_operation_is_polled_not_put(void **state)
{
    struct bench *b = *state;
    b->pending = (struct cw_operation){
        .resource_id = RES, .method = "PUT", .async_url = OPERATION, .started_wall_ms = WORLD_WALL_MS_START};
    world_route("GET", "operations/1", 200, "{\"status\":\"InProgress\",\"percentComplete\":40}",
                "Retry-After: 5");
    world_route("GET", "operations/1", 200, "{\"status\":\"Succeeded\"}", NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, ensure), 0);
    assert_int_equal(world_calls_of("PUT", NULL), 0);
    assert_int_equal(b->ended, 1);
    assert_int_equal(b->last_percent, 40);
}

static void a_pending_operation_that_failed_is_the_error(void **state)
{
    struct bench *b = *state;
    b->pending = (struct cw_operation){.resource_id = RES, .method = "PUT", .async_url = OPERATION};
    world_route(
        "GET", "operations/1", 200,
        "{\"status\":\"Failed\",\"error\":{\"code\":\"Conflict\",\"details\":[{\"code\":\"SubnetIsFull\"}]}}",
        NULL);
    assert_int_equal(bench_run(b, ensure), -CW_EMISCONFIGURED);
    assert_string_equal(b->err.remote_code, "SubnetIsFull");
    assert_int_equal(b->ended, 1);
    assert_int_equal(world_calls_of("PUT", NULL), 0);
}

static void each_call_cancelled_in_turn(void **state)
{
    for (unsigned nth = 1; nth <= 5; nth++) {
        (void)bench_teardown(state);
        (void)bench_setup(state);
        struct bench *b = *state;
        world_route("GET", RES_URL, 404, ABSENT, NULL);
        world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION);
        world_route("GET", "operations/1", 200, "{\"status\":\"Succeeded\"}", NULL);
        world_route("GET", RES_URL, 200, DONE, NULL);
        world_inject(&(struct world_fault){.nth = nth, .kind = WORLD_FAULT_CANCEL});
        assert_int_equal(bench_run(b, ensure), -CW_ECANCELED);
        assert_int_equal(b->err.class, CW_CLASS_CANCELLED);
        assert_int_equal(b->started, nth >= 4);
        assert_int_equal(b->ended, nth >= 5); /* a wait that was given up stays in the journal */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(nothing_is_sent_when_it_holds),
        BENCH_TEST(created_when_absent),
        BENCH_TEST(updated_with_what_was_there),
        BENCH_TEST(a_plan_writes_nothing),
        BENCH_TEST(a_difference_may_be_refused),
        BENCH_TEST(work_of_others_is_waited_for),
        BENCH_TEST(a_lost_owner_writes_nothing),
        BENCH_TEST(a_write_whose_answer_is_lost_is_not_repeated),
        BENCH_TEST(an_answer_too_big_is_none),
        BENCH_TEST(after_a_gateway_timeout_the_resource_is_asked),
        BENCH_TEST(a_lock_between_operations_is_waited_for),
        BENCH_TEST(a_race_at_creation_gives_the_others_resource),
        BENCH_TEST(user_errors_come_back_at_once),
        BENCH_TEST(a_pending_operation_is_polled_not_put),
        BENCH_TEST(a_pending_operation_that_failed_is_the_error),
        BENCH_TEST(each_call_cancelled_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

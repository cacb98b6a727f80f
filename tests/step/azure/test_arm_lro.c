#include "tests/step/azure/bench.h"

#define OPERATION ARM "/subscriptions/s/providers/p/operations/1?api-version=x"
#define RESULT ARM "/subscriptions/s/providers/p/results/1?api-version=x"
#define DONE "{\"id\":\"" RES "\",\"properties\":{\"provisioningState\":\"Succeeded\",\"a\":1}}"
#define BUSY "{\"id\":\"" RES "\",\"properties\":{\"provisioningState\":\"Updating\",\"a\":1}}"
#define RUNNING "{\"status\":\"InProgress\"}"

static json_t *doc;

static int put(void *arg)
{
    struct bench *b = arg;
    json_t *body = json_pack("{s:{s:i}}", "properties", "a", 1);
    int r = cw_arm_put(b->arm, &b->call, RES, &cw_api_network, body, &doc, &b->err);
    json_decref(body);
    return r;
}

static int post(void *arg)
{
    struct bench *b = arg;
    doc = NULL;
    return cw_arm_post(b->arm, &b->call, RES "/act", &cw_api_network, NULL, &doc, &b->err);
}

static bool existed;
static int del(void *arg)
{
    struct bench *b = arg;
    return cw_arm_delete(b->arm, &b->call, RES, &cw_api_network, &existed, &b->err);
}

static void async_operation_is_polled_then_the_resource_read(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION "\nRetry-After: 3");
    world_route("GET", "operations/1", 200, RUNNING, "Retry-After: 7");
    world_route("GET", "operations/1", 200, "\xEF\xBB\xBF{\"status\":\"succeeded\"}", NULL);
    world_route("GET", RES_URL, 200, BUSY, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0);
    assert_string_equal(cw_json_str(doc, "properties/provisioningState", ""), "Succeeded");
    assert_int_equal(world_call_at(2)->at_ms - world_call_at(1)->at_ms, 3005);
    assert_int_equal(world_call_at(3)->at_ms - world_call_at(2)->at_ms, 7005);
    assert_int_equal(b->started, 1);
    assert_int_equal(b->ended, 1);
    assert_string_equal(b->started_async, OPERATION);
}

static void location_may_move_and_ends_with_anything_but_202(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 202, NULL, "Location: " RESULT);
    world_route("GET", "results/1", 202, NULL, "Location: /subscriptions/s/moved?api-version=x");
    world_route("GET", "/moved", 204, NULL, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0);
    assert_int_equal(world_calls_of("GET", ARM "/subscriptions/s/moved"), 1);
    assert_int_equal(b->started, 1);
    assert_int_equal(b->ended, 1);
}

static void without_headers_the_resource_tells(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 201, BUSY, "Location: https://elsewhere.example/of-the-resource");
    world_route("GET", RES_URL, 404, "{\"error\":{\"code\":\"ResourceNotFound\"}}", NULL);
    world_route("GET", RES_URL, 200, BUSY, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0);
    assert_int_equal(b->started, 0);
    assert_int_equal(world_calls_of("GET", RES_URL), 3);
}

static void a_relative_url_is_on_the_own_host(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 200, BUSY, "Azure-AsyncOperation: /subscriptions/s/rel?api-version=x");
    world_route("GET", "/rel", 200, NULL, NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0);
    assert_int_equal(world_calls_of("GET", ARM "/subscriptions/s/rel"), 1);
}

static void a_foreign_operation_url_is_refused(void **state)
{
    struct bench *b = *state;
    b->call.until = cw_in_ms(60000);
    world_route("PUT", RES_URL, 201, BUSY,
                "Azure-AsyncOperation: https://management.chinacloudapi.cn.evil.example/op");
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0); /* the resource itself tells the outcome */
    assert_int_equal(world_calls_of(NULL, "evil"), 0);
    assert_int_equal(b->started, 0);
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

static void failure_is_classified_by_its_deepest_code(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 201, BUSY,
                "Azure-AsyncOperation: " OPERATION "\nx-ms-correlation-request-id: corr-of-arm");
    world_route(
        "GET", "operations/1", 200,
        "{\"status\":\"Failed\",\"error\":{\"code\":\"ResourceDeploymentFailure\",\"message\":\"outer\",\"details\":"
        "[{\"code\":\"NonVNetInjectedWorkspaceNotSupported\",\"message\":\"inner\"}]}}",
        NULL);
    assert_int_equal(bench_run(b, put), -CW_EMISCONFIGURED);
    assert_string_equal(b->err.remote_code, "NonVNetInjectedWorkspaceNotSupported");
    assert_string_equal(b->err.correlation_id, "corr-of-arm");
    assert_non_null(strstr(b->err.text, "outer"));
    assert_non_null(strstr(b->err.text, "inner"));
    assert_true(b->err.remedy[0] != '\0');
    assert_int_equal(b->ended, 1);
    assert_int_equal(world_calls_of("PUT", NULL), 1);
}

static void an_unreadable_status_is_no_failure(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION);
    world_route("GET", "operations/1", 400, "{\"error\":{\"code\":\"BadRequest\"}}", NULL);
    world_route("GET", "operations/1", 404, "{\"error\":{\"code\":\"NotFound\"}}", NULL);
    world_route("GET", "operations/1", 200, "{\"status\":\"Succeeded\"}", NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0);
    assert_int_equal(world_calls_of("GET", "operations/1"), 3);
}

static void an_operation_that_vanished_leaves_the_resource_to_judge(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION);
    world_route("GET", "operations/1", 404, "{\"error\":{\"code\":\"NotFound\"}}", NULL);
    world_route("GET", RES_URL, 200, "{\"properties\":{\"provisioningState\":\"Failed\"}}", NULL);
    assert_int_equal(bench_run(b, put), -CW_EOPFAILED);
    assert_int_equal(world_calls_of("GET", "operations/1"), 3);
    assert_int_equal(b->err.class, CW_CLASS_RETRY);
}

static void default_interval_is_half_a_minute_scaled(void **state)
{
    struct bench *b = *state;
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION);
    world_route("GET", "operations/1", 200, RUNNING, NULL);
    world_route("GET", "operations/1", 200, "{\"status\":\"Succeeded\"}", NULL);
    world_route("GET", RES_URL, 200, DONE, NULL);
    assert_int_equal(bench_run(b, put), 0);
    for (size_t i = 2; i <= 3; i++) {
        int64_t pause = world_call_at(i)->at_ms - world_call_at(i - 1)->at_ms;
        assert_in_range(pause, 24000, 36010);
    }
}

/* Looks are paid from a budget: a pause is what the service asks for, or a twentieth of the time waited so far, at most ten minutes. */
static void what_takes_long_is_looked_at_less_often(void **state)
{
    struct bench *b = *state;
    int64_t hour = INT64_C(60) * 60 * 1000, began = cw_wall_ms();
    b->call.until = cw_in_ms(12 * hour);
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION "\nRetry-After: 10");
    world_route("GET", "operations/1", 200, RUNNING, "Retry-After: 10");
    assert_int_equal(bench_run(b, put), -CW_ETIMEDOUT);
    assert_in_range(world_calls_of("GET", "operations/1"), 60, 200); /* one every ten seconds is 4,320 */
    int64_t last = 0;
    for (size_t i = 0; i < world_call_count(); i++) {
        const struct world_call *call = world_call_at(i);
        if (strstr(call->url, "operations/1") == NULL)
            continue;
        int64_t left = began + 12 * hour - last;
        int64_t pause =
            CW_MAX(CW_MIN(CW_MIN((last - began) / 20, hour / 6), left / 2), INT64_C(10000)); /* the least */
        if (last > 0)
            assert_in_range(call->at_ms - last, pause, pause + 100);
        last = call->at_ms;
    }
    assert_true(began + 12 * hour - last < 20000); /* who gives up has looked shortly before */
}

static size_t looks_within_an_hour(struct bench *b, const char *headers)
{
    b->call.until = cw_in_ms(INT64_C(60) * 60 * 1000);
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION);
    world_route("GET", "operations/1", 200, RUNNING, headers);
    assert_int_equal(bench_run(b, put), -CW_ETIMEDOUT);
    return world_calls_of("GET", "operations/1");
}

static void what_the_service_asks_for_is_the_least(void **state)
{
    assert_int_equal(looks_within_an_hour(*state, "Retry-After: 1500"), 3);
}

static void no_time_asked_for_is_the_default(void **state)
{
    assert_in_range(looks_within_an_hour(*state, "Retry-After: 0"), 30, 100);
}

static void the_deadline_leaves_the_operation_in_the_journal(void **state)
{
    struct bench *b = *state;
    b->call.until = cw_in_ms(100000);
    world_route("PUT", RES_URL, 201, BUSY, "Azure-AsyncOperation: " OPERATION);
    world_route("GET", "operations/1", 200, RUNNING, NULL);
    assert_int_equal(bench_run(b, put), -CW_ETIMEDOUT);
    assert_int_equal(b->started, 1);
    assert_int_equal(b->ended, 0);
}

static void post_gives_the_result_of_its_location(void **state)
{
    struct bench *b = *state;
    world_route("POST", "/act", 202, NULL, "Location: " RESULT);
    world_route("GET", "results/1", 200, "{\"answer\":42}", NULL);
    assert_int_equal(bench_run(b, post), 0);
    assert_int_equal(cw_json_int(doc, "answer", 0), 42);
}

static void delete_waits_until_it_is_gone(void **state)
{
    struct bench *b = *state;
    world_route("DELETE", RES_URL, 202, NULL, "Location: " RESULT);
    world_route("GET", "results/1", 202, NULL, "Retry-After: 1");
    world_route("GET", "results/1", 204, NULL, NULL);
    world_route("GET", RES_URL, 200, "{\"properties\":{\"provisioningState\":\"Deleting\"}}", NULL);
    world_route("GET", RES_URL, 404, "{\"error\":{\"code\":\"ResourceNotFound\"}}", NULL);
    assert_int_equal(bench_run(b, del), 0);
    assert_true(existed);
    assert_int_equal(b->counts.deletes, 1);
}

static void delete_of_nothing_is_a_success(void **state)
{
    struct bench *b = *state;
    world_route("DELETE", RES_URL, 204, NULL, NULL);
    assert_int_equal(bench_run(b, del), 0);
    assert_false(existed);
}

static void nothing_effectful_in_a_plan(void **state)
{
    struct bench *b = *state;
    b->call.plan_only = true;
    assert_int_equal(bench_run(b, put), -CW_EBUG);
    assert_int_equal(bench_run(b, post), -CW_EBUG);
    assert_int_equal(bench_run(b, del), -CW_EBUG);
    assert_int_equal(world_call_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(async_operation_is_polled_then_the_resource_read),
        BENCH_TEST(location_may_move_and_ends_with_anything_but_202),
        BENCH_TEST(without_headers_the_resource_tells),
        BENCH_TEST(a_relative_url_is_on_the_own_host),
        BENCH_TEST(a_foreign_operation_url_is_refused),
        BENCH_TEST(failure_is_classified_by_its_deepest_code),
        BENCH_TEST(an_unreadable_status_is_no_failure),
        BENCH_TEST(an_operation_that_vanished_leaves_the_resource_to_judge),
        BENCH_TEST(default_interval_is_half_a_minute_scaled),
        BENCH_TEST(what_takes_long_is_looked_at_less_often),
        BENCH_TEST(what_the_service_asks_for_is_the_least),
        BENCH_TEST(no_time_asked_for_is_the_default),
        BENCH_TEST(the_deadline_leaves_the_operation_in_the_journal),
        BENCH_TEST(post_gives_the_result_of_its_location),
        BENCH_TEST(delete_waits_until_it_is_gone),
        BENCH_TEST(delete_of_nothing_is_a_success),
        BENCH_TEST(nothing_effectful_in_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

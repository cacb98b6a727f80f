#include "tests/step/azure/bench.h"

static json_t *doc;

static int get(void *arg)
{
    struct bench *b = arg;
    return cw_arm_get(b->arm, &b->call, RES, &cw_api_network, &doc, &b->err);
}

static int list(void *arg)
{
    struct bench *b = arg;
    return cw_arm_list(b->arm, &b->call, SUB "/things", &cw_api_resources, &doc, &b->err);
}

static void reads_with_token_version_and_correlation(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    assert_string_equal(cw_json_str(doc, "id", ""), "x");
    assert_int_equal(world_call_count(), 2);
    const struct world_call *token = world_call_at(0);
    assert_string_equal(token->url, "https://login.chinacloudapi.cn/tenant/oauth2/v2.0/token");
    assert_non_null(strstr(token->body, "scope=https%3A%2F%2Fmanagement.chinacloudapi.cn%2F.default"));
    assert_non_null(strstr(token->body, "client_secret=hush%26hush"));
    const struct world_call *read = world_call_at(1);
    assert_string_equal(read->url, ARM RES "?api-version=2023-09-01");
    assert_string_equal(read->authorization, "Bearer token-1");
    assert_string_equal(read->correlation_id, "corr-1");
    assert_int_equal(b->counts.reads, 1);
    assert_int_equal(b->writes_asked, 0);
}

static void missing_is_not_found(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, get), -CW_ENOTFOUND);
    assert_string_equal(b->err.remote_code, "ResourceNotFound");
    assert_int_equal(world_calls_of("GET", RES_URL), 1);
}

static void a_refused_token_is_refreshed_once(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 401, "{\"error\":{\"code\":\"ExpiredAuthenticationToken\"}}", NULL);
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    assert_int_equal(world_calls_of("POST", "/oauth2/"), 2);
    assert_string_equal(world_call_at(world_call_count() - 1)->authorization, "Bearer token-2");
}

static void a_token_refused_twice_is_an_error(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 401, "{\"error\":{\"code\":\"InvalidAuthenticationToken\"}}", NULL);
    assert_int_equal(bench_run(b, get), -CW_EAUTH);
    assert_int_equal(world_calls_of("GET", RES_URL), 2);
    assert_int_equal(world_calls_of("POST", "/oauth2/"), 2);
    assert_true(b->err.remedy[0] != '\0');
}

static void passing_failures_of_a_read_are_repeated(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 503, "busy", NULL);
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    world_inject(&(struct world_fault){.nth = 2, .kind = WORLD_FAULT_ERROR, .error = CW_ENET});
    assert_int_equal(bench_run(b, get), 0);
    assert_int_equal(world_calls_of("GET", RES_URL), 3);
    assert_int_equal(b->waits[CW_WAIT_RETRY], 2);
}

static void a_read_that_keeps_failing_gives_up(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 500, "{\"error\":{\"code\":\"InternalServerError\",\"message\":\"m\"}}",
                NULL);
    assert_int_equal(bench_run(b, get), -CW_EREMOTE);
    assert_int_equal(b->err.http_status, 500);
    assert_int_equal(b->err.class, CW_CLASS_RETRY);
    assert_int_equal(world_calls_of("GET", RES_URL), 5);
}

static void denial_is_not_repeated(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 403, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}",
                "x-ms-correlation-request-id: theirs");
    assert_int_equal(bench_run(b, get), -CW_EDENIED);
    assert_int_equal(world_calls_of("GET", RES_URL), 1);
    assert_string_equal(b->err.correlation_id, "theirs");
    assert_true(b->err.remedy[0] != '\0');
}

static void a_throttled_read_waits_to_the_second(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 429, "{\"error\":{\"code\":\"SubscriptionRequestsThrottled\"}}",
                "Retry-After: 17");
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    int64_t pause = world_call_at(2)->at_ms - world_call_at(1)->at_ms;
    assert_true(pause >= 17000 && pause < 21000);
    assert_int_equal(b->waits[CW_WAIT_THROTTLE], 1);
}

static void a_throttle_beyond_the_deadline_is_told(void **state)
{
    struct bench *b = *state;
    b->call.until = cw_in_ms(60000);
    world_route("GET", RES_URL, 429, "{\"error\":{\"code\":\"TooManyRequests\"}}", "Retry-After: 600");
    assert_int_equal(bench_run(b, get), -CW_ETHROTTLED);
    assert_int_equal(b->err.class, CW_CLASS_THROTTLED);
    assert_int_equal(b->err.retry_after_ms, 600000);
    assert_int_equal(world_calls_of("GET", RES_URL), 1);
}

static void give_arm_a_budget(struct bench *b)
{
    const struct cw_quota_cfg quota = {.cloud = cw_cloud_find("china"), .tenant_id = "t", .principal = "p"};
    cw_databricks_free(b->databricks);
    cw_arm_free(b->arm);
    assert_int_equal(cw_quota_new(&quota, &b->quota, &b->err), 0);
    const struct cw_arm_cfg arm = {.cloud = quota.cloud, .credential = b->credential, .quota = b->quota};
    assert_int_equal(cw_arm_new(b->loop, b->http, &arm, &b->arm, &b->err), 0);
    assert_int_equal(cw_databricks_new(b->arm, &b->databricks, &b->err), 0);
}

/* Who can't wait so long fails; the others must not ask meanwhile either. */
static void a_throttle_beyond_one_deadline_holds_for_all(void **state)
{
    struct bench *b = *state;
    give_arm_a_budget(b);
    world_route("GET", RES_URL, 429, "{\"error\":{\"code\":\"SubscriptionRequestsThrottled\"}}",
                "Retry-After: 90");
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    b->call.until = cw_in_ms(60000);
    assert_int_equal(bench_run(b, get), -CW_ETHROTTLED);
    b->call.until = cw_in_ms(600000);
    assert_int_equal(bench_run(b, get), 0);
    assert_true(world_call_at(2)->at_ms - world_call_at(1)->at_ms >= 90000);
}

static int block_soon(void *arg)
{
    struct bench *b = arg;
    const struct cw_quota_use use = cw_quota_use_of("GET", RES);
    int r = cw_sleep(cw_in_ms(2));
    cw_quota_throttled(b->quota, &b->call, &use, 10000, false);
    return r;
}

static int get_beside(void *arg)
{
    struct bench *b = arg;
    struct cw_fiber *other;
    int r = cw_fiber_spawn(cw_loop_sched(b->loop), "other", block_soon, b, &other);
    if (r < 0)
        return r;
    cw_fiber_detach(other);
    return get(b);
}

/* The budget is asked last: what happens while the login answers counts, too. */
static void a_throttle_during_the_login_counts(void **state)
{
    struct bench *b = *state;
    give_arm_a_budget(b);
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    int64_t began = cw_wall_ms();
    assert_int_equal(bench_run(b, get_beside), 0);
    assert_true(world_call_at(1)->at_ms - began >= 10000);
}

static void an_older_cloud_gets_the_older_version_from_then_on(void **state)
{
    struct bench *b = *state;
    world_route(
        "GET", RES_URL, 400,
        "{\"error\":{\"code\":\"NoRegisteredProviderFound\",\"message\":\"No registered resource provider found for "
        "location 'chinaeast2' and API version '2023-09-01' for type 'x'. The supported api-versions are "
        "'2021-01-01, 2022-07-01'. The supported locations are ', chinaeast2'.\"}}",
        NULL);
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    assert_int_equal(bench_run(b, get), 0);
    assert_non_null(strstr(world_call_at(2)->url, "api-version=2022-07-01"));
    assert_non_null(strstr(world_call_at(3)->url, "api-version=2022-07-01"));
}

static void pages_are_followed_over_empty_ones(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/things?api", 200, "{\"value\":[{\"n\":1}],\"nextLink\":\"" ARM "/more?page=2\"}",
                NULL);
    world_route("GET", "page=2", 200, "{\"value\":[],\"nextLink\":\"/more?page=3\"}", NULL);
    world_route("GET", "page=3", 200, "{\"value\":[{\"n\":2}],\"nextLink\":\"\"}", NULL);
    assert_int_equal(bench_run(b, list), 0);
    assert_int_equal(json_array_size(doc), 2);
    assert_int_equal(cw_json_int(json_array_get(doc, 1), "n", 0), 2);
}

static void a_page_elsewhere_never_sees_the_token(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/things?api", 200, "{\"value\":[],\"nextLink\":\"https://evil.example/next\"}", NULL);
    assert_int_equal(bench_run(b, list), -CW_EPROTO);
    assert_int_equal(world_calls_of(NULL, "evil"), 0);
}

static void a_bare_array_is_a_list(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/things?api", 200, "[{\"n\":1},{\"n\":2}]", NULL);
    assert_int_equal(bench_run(b, list), 0);
    assert_int_equal(json_array_size(doc), 2);
}

static void a_page_instead_of_json_is_no_answer(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 502, "<html>Bad gateway</html>", "content-type: text/html");
    assert_int_equal(bench_run(b, get), -CW_EREMOTE);
    assert_non_null(strstr(b->err.text, "no JSON"));
}

static void cancelled_in_each_call(void **state)
{
    struct bench *b = *state;
    world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
    for (unsigned nth = 1; nth <= 2; nth++) {
        bench_teardown(state);
        bench_setup(state);
        b = *state;
        world_route("GET", RES_URL, 200, "{\"id\":\"x\"}", NULL);
        world_inject(&(struct world_fault){.nth = nth, .kind = WORLD_FAULT_CANCEL, .error = CW_EPARKED});
        assert_int_equal(bench_run(b, get), -CW_EPARKED);
        assert_int_equal(b->err.class, CW_CLASS_LOST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(reads_with_token_version_and_correlation),
        BENCH_TEST(missing_is_not_found),
        BENCH_TEST(a_refused_token_is_refreshed_once),
        BENCH_TEST(a_token_refused_twice_is_an_error),
        BENCH_TEST(passing_failures_of_a_read_are_repeated),
        BENCH_TEST(a_read_that_keeps_failing_gives_up),
        BENCH_TEST(denial_is_not_repeated),
        BENCH_TEST(a_throttled_read_waits_to_the_second),
        BENCH_TEST(a_throttle_beyond_the_deadline_is_told),
        BENCH_TEST(a_throttle_beyond_one_deadline_holds_for_all),
        BENCH_TEST(a_throttle_during_the_login_counts),
        BENCH_TEST(an_older_cloud_gets_the_older_version_from_then_on),
        BENCH_TEST(pages_are_followed_over_empty_ones),
        BENCH_TEST(a_page_elsewhere_never_sees_the_token),
        BENCH_TEST(a_bare_array_is_a_list),
        BENCH_TEST(a_page_instead_of_json_is_no_answer),
        BENCH_TEST(cancelled_in_each_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <unistd.h>

#include "tests/step/azure/bench.h"

#define AUDIENCE "https://management.chinacloudapi.cn"

static const char *token;

static int take(void *arg)
{
    struct bench *b = arg;
    return cw_credential_token(b->credential, NULL, AUDIENCE, b->call.until, b->mem, &token, &b->err);
}

struct taker {
    struct bench *b;
    const char *token;
    struct cw_err err;
    int result;
};

static int take_as_one_of_many(void *arg)
{
    struct taker *t = arg;
    t->result = cw_credential_token(t->b->credential, NULL, AUDIENCE, t->b->call.until, t->b->mem, &t->token,
                                    &t->err);
    return 0;
}

static int take_ten_at_once(void *arg)
{
    struct bench *b = arg;
    struct taker takers[10] = {{0}};
    struct cw_fiber *fibers[10];
    int worst = 0;
    for (size_t i = 0; i < 10; i++) {
        takers[i].b = b;
        assert_int_equal(
            cw_fiber_spawn(cw_loop_sched(b->loop), "taker", take_as_one_of_many, &takers[i], &fibers[i]), 0);
    }
    for (size_t i = 0; i < 10; i++) {
        int ignored = 0;
        assert_int_equal(cw_fiber_join(fibers[i], CW_NEVER, &ignored), 0);
        if (takers[i].result < 0) {
            worst = takers[i].result;
            b->err = takers[i].err;
        } else {
            assert_string_equal(takers[i].token, takers[0].token);
        }
    }
    return worst;
}

static void one_fetch_serves_all(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, take_ten_at_once), 0);
    assert_int_equal(world_call_count(), 1);
    assert_int_equal(bench_run(b, take), 0);
    assert_int_equal(world_call_count(), 1);
}

static void one_refusal_serves_all(void **state)
{
    struct bench *b = *state;
    world_route(
        "POST", "/oauth2/", 401,
        "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided.\\r\\n"
        "Trace ID: x\",\"error_codes\":[7000215],\"correlation_id\":\"c\"}",
        NULL);
    assert_int_equal(bench_run(b, take_ten_at_once), -CW_EAUTH);
    assert_int_equal(world_call_count(), 1);
    assert_string_equal(b->err.remote_code, "AADSTS7000215");
    assert_non_null(strstr(b->err.remedy, "AZURE_CLIENT_SECRET"));
    assert_null(strstr(b->err.text, "hush"));
    assert_int_equal(b->err.class, CW_CLASS_DENIED);
}

static int cancel_the_fetcher(void *arg)
{
    struct bench *b = arg;
    struct taker first = {.b = b};
    struct taker second = {.b = b};
    struct cw_fiber *f = NULL;
    struct cw_fiber *g = NULL;
    int ignored = 0;
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(b->loop), "first", take_as_one_of_many, &first, &f), 0);
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(b->loop), "second", take_as_one_of_many, &second, &g), 0);
    assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    cw_fiber_cancel(f, CW_ECANCELED);
    assert_int_equal(cw_fiber_join(f, CW_NEVER, &ignored), 0);
    assert_int_equal(cw_fiber_join(g, CW_NEVER, &ignored), 0);
    assert_int_equal(first.result, -CW_ECANCELED);
    assert_int_equal(second.result, 0);
    return 0;
}

static void a_waiter_takes_over_from_a_cancelled_fetcher(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, cancel_the_fetcher), 0);
    assert_int_equal(world_call_count(), 2);
}

static void renewed_before_the_end(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, take), 0);
    world_advance(50 * 60000);
    assert_int_equal(bench_run(b, take), 0);
    assert_int_equal(world_call_count(), 1);
    world_advance(6 * 60000);
    assert_int_equal(bench_run(b, take), 0);
    assert_int_equal(world_call_count(), 2);
    assert_string_equal(token, "token-2");
}

static void a_failed_renewal_keeps_the_valid_token(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, take), 0);
    world_advance(56 * 60000);
    world_inject(&(struct world_fault){.count = 100, .kind = WORLD_FAULT_ERROR, .error = CW_ENET});
    assert_int_equal(bench_run(b, take), 0);
    assert_string_equal(token, "token-1");
    size_t before = world_call_count();
    assert_int_equal(bench_run(b, take), 0);
    assert_int_equal(world_call_count(), before); /* not at each call */
    world_advance(4 * 60000);
    assert_int_equal(bench_run(b, take), -CW_ENET);
}

static void a_busy_authority_is_asked_again(void **state)
{
    struct bench *b = *state;
    world_route("POST", "/oauth2/", 503, "<html>", "Retry-After: 4");
    world_route("POST", "/oauth2/", 200,
                "{\"access_token\":\"t\",\"expires_in\":\"3599\",\"token_type\":\"Bearer\"}", NULL);
    assert_int_equal(bench_run(b, take), 0);
    assert_string_equal(token, "t");
    assert_true(world_call_at(1)->at_ms - world_call_at(0)->at_ms >= 4000);
}

static void a_token_that_is_none_is_refused(void **state)
{
    struct bench *b = *state;
    world_route("POST", "/oauth2/", 200, "{\"access_token\":\"a\\r\\nX-Evil: 1\",\"expires_in\":3600}", NULL);
    assert_int_equal(bench_run(b, take), -CW_EPROTO);
}

static int refresh_stale_then_current(void *arg)
{
    struct bench *b = arg;
    const char *first = NULL;
    assert_int_equal(take(b), 0);
    first = token;
    assert_int_equal(
        cw_credential_refresh(b->credential, NULL, AUDIENCE, first, b->call.until, b->mem, &token, &b->err),
        0);
    assert_string_equal(token, "token-2");
    assert_int_equal(
        cw_credential_refresh(b->credential, NULL, AUDIENCE, first, b->call.until, b->mem, &token, &b->err),
        0);
    assert_string_equal(token, "token-2");
    return 0;
}

static void a_refused_token_is_replaced_once(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, refresh_stale_then_current), 0);
    assert_int_equal(world_call_count(), 2);
}

static void make(struct bench *b, const struct cw_credential_cfg *cfg)
{
    cw_credential_free(b->credential);
    b->credential = NULL;
    assert_int_equal(
        cw_credential_new(b->loop, b->http, cw_cloud_find("china"), cfg, &b->credential, &b->err), 0);
}

static void a_federated_token_is_read_each_time(void **state)
{
    struct bench *b = *state;
    char path[] = "/tmp/cw-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "assertion-1\n", 12), 12);
    make(b, &(struct cw_credential_cfg){.tenant_id = "t", .client_id = "c", .federated_token_file = path});
    assert_int_equal(cw_credential_kind_of(b->credential), CW_CREDENTIAL_WORKLOAD);
    assert_int_equal(bench_run(b, take), 0);
    assert_non_null(strstr(world_call_at(0)->body, "client_assertion=assertion-1"));
    assert_null(strstr(world_call_at(0)->body, "client_secret"));
    assert_int_equal(pwrite(fd, "assertion-2\n", 12, 0), 12);
    world_advance(3600000);
    assert_int_equal(bench_run(b, take), 0);
    assert_non_null(strstr(world_call_at(1)->body, "client_assertion=assertion-2"));
    (void)close(fd);
    (void)unlink(path);
    world_advance(3600000);
    assert_int_equal(bench_run(b, take), -CW_EAUTH);
    assert_non_null(strstr(b->err.remedy, "AZURE_FEDERATED_TOKEN_FILE"));
}

static void the_managed_identity_endpoint_is_asked_with_a_resource(void **state)
{
    struct bench *b = *state;
    make(b, &(struct cw_credential_cfg){.client_id = "user assigned"});
    assert_int_equal(cw_credential_kind_of(b->credential), CW_CREDENTIAL_MANAGED);
    world_route("GET", "169.254.169.254", 410, "{}", NULL);
    world_route("GET", "169.254.169.254", 200,
                "{\"access_token\":\"m\",\"expires_in\":\"86400\",\"expires_on\":\"1\"}", NULL);
    assert_int_equal(bench_run(b, take), 0);
    assert_string_equal(
        world_call_at(0)->url,
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
        "https%3A%2F%2Fmanagement.chinacloudapi.cn&client_id=user%20assigned");
    assert_true(world_call_at(1)->at_ms - world_call_at(0)->at_ms >= 70000);
    b->call.until = CW_NEVER;
    world_advance(INT64_C(13) * 3600000);
    assert_int_equal(bench_run(b, take), 0);
    assert_int_equal(world_call_count(), 3); /* long-lived: renewed at half life */
}

static void a_certificate_that_cannot_be_read_is_told(void **state)
{
    struct bench *b = *state;
    make(b, &(struct cw_credential_cfg){
                .tenant_id = "t", .client_id = "c", .certificate_path = "/nowhere/c.pem"});
    assert_int_equal(cw_credential_kind_of(b->credential), CW_CREDENTIAL_CERTIFICATE);
    assert_int_equal(bench_run(b, take), -CW_EAUTH);
    assert_non_null(strstr(b->err.remedy, "AZURE_CLIENT_CERTIFICATE_PATH"));
    assert_int_equal(world_call_count(), 0);
}

static void settings_that_do_not_fit_are_told(void **state)
{
    struct bench *b = *state;
    struct cw_credential *none = NULL;
    const struct {
        struct cw_credential_cfg cfg;
        int error;
        const char *word;
    } cases[] = {
        {{.client_secret = "s", .client_id = "c"}, CW_EINVAL, "AZURE_TENANT_ID"},
        {{.client_secret = "s", .tenant_id = "t"}, CW_EINVAL, "AZURE_CLIENT_ID"},
        {{.client_secret = "s", .tenant_id = "t/../u", .client_id = "c"}, CW_EINVAL, "AZURE_TENANT_ID"},
        {{.kind = CW_CREDENTIAL_CERTIFICATE, .tenant_id = "t", .client_id = "c"},
         CW_EINVAL,
         "AZURE_CLIENT_CERTIFICATE_PATH"},
        {{.kind = CW_CREDENTIAL_WORKLOAD, .tenant_id = "t", .client_id = "c"},
         CW_EINVAL,
         "AZURE_FEDERATED_TOKEN_FILE"},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_err err = {0};
        assert_int_equal(cw_credential_new(b->loop, b->http, cw_cloud_find(NULL), &cases[i].cfg, &none, &err),
                         -cases[i].error);
        assert_non_null(strstr(err.text, cases[i].word));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(one_fetch_serves_all),
        BENCH_TEST(one_refusal_serves_all),
        BENCH_TEST(a_waiter_takes_over_from_a_cancelled_fetcher),
        BENCH_TEST(renewed_before_the_end),
        BENCH_TEST(a_failed_renewal_keeps_the_valid_token),
        BENCH_TEST(a_busy_authority_is_asked_again),
        BENCH_TEST(a_token_that_is_none_is_refused),
        BENCH_TEST(a_refused_token_is_replaced_once),
        BENCH_TEST(a_federated_token_is_read_each_time),
        BENCH_TEST(the_managed_identity_endpoint_is_asked_with_a_resource),
        BENCH_TEST(a_certificate_that_cannot_be_read_is_told),
        BENCH_TEST(settings_that_do_not_fit_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

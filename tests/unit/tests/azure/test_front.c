/* What stands before every handler: tokens, api-versions, throttling, rights; and the headers of every
 * answer. */
#include "tests/unit/tests/azure/driver.h"

#define LOGIN "login.azure.localhost"
#define ARM "management.azure.localhost"
#define FORM "grant_type=client_credentials&client_id=" AZ_DEFAULT_CLIENT

static int ask_token(struct sim *s, const char *path, const char *form)
{
    char target[256];
    snprintf(target, sizeof target, "/" AZ_DEFAULT_TENANT "%s", path);
    return sim_send(s, LOGIN, "POST", target, form, NULL);
}

static void test_token_forms(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    assert_int_equal(
        ask_token(&s, "/oauth2/v2.0/token",
                  FORM "&client_secret=sim-secret&scope=https%3A%2F%2Fmanagement.azure.localhost%2F.default"),
        200);
    assert_int_equal(az_int(s.body, "expires_in", 0), 3599);
    free(s.token);
    s.token = strdup(sim_str(&s, "access_token"));
    assert_int_equal(sim_call(&s, "GET", "/subscriptions?api-version=2022-12-01", NULL), 200);
    assert_string_equal(sim_str(&s, "value.0.subscriptionId"), AZ_DEFAULT_SUBSCRIPTION);
    assert_int_equal(
        ask_token(&s, "/oauth2/token", FORM "&client_secret=sim-secret&resource=" AZ_DATABRICKS_APP), 200);
    assert_string_equal(sim_str(&s, "expires_in"), "3599");
    assert_int_equal(ask_token(&s, "/oauth2/v2.0/token", FORM "&client_secret=wrong&scope=x"), 401);
    assert_int_equal(az_int(s.body, "error_codes.0", 0), 7000215);
    assert_int_equal(ask_token(&s, "/oauth2/v2.0/token",
                               "grant_type=client_credentials&client_id=none&client_secret=x&scope=x"),
                     400);
    assert_int_equal(az_int(s.body, "error_codes.0", 0), 700016);
    assert_int_equal(sim_send(&s, LOGIN, "POST", "/nowhere/oauth2/v2.0/token", FORM, NULL), 400);
    assert_int_equal(az_int(s.body, "error_codes.0", 0), 90002);
    assert_int_equal(sim_send(&s, LOGIN, "GET",
                              "/" AZ_DEFAULT_TENANT "/v2.0/.well-known/openid-configuration", NULL, NULL),
                     200);
    assert_string_equal(sim_str(&s, "token_endpoint"),
                        "https://" LOGIN "/" AZ_DEFAULT_TENANT "/oauth2/v2.0/token");
    sim_close(&s);
}

/* {"iss":"i","sub":"s"} and {"iss":"i","sub":"s","exp":1}, unsigned. */
#define ASSERTION "e30.eyJpc3MiOiJpIiwic3ViIjoicyJ9.x"
#define EXPIRED "e30.eyJpc3MiOiJpIiwic3ViIjoicyIsImV4cCI6MX0.x"

static void test_assertions(void **unused)
{
    (void)unused;
    struct sim s;
    static const char form[] =
        FORM "&scope=" AZ_DATABRICKS_APP "%2F.default&client_assertion_type=x&client_assertion=";
    char text[1024];
    sim_open(&s);
    snprintf(text, sizeof text, "%s" ASSERTION, form);
    assert_int_equal(ask_token(&s, "/oauth2/v2.0/token", text), 200);
    snprintf(text, sizeof text, "%s" EXPIRED, form);
    assert_int_equal(ask_token(&s, "/oauth2/v2.0/token", text), 401);
    assert_int_equal(az_int(s.body, "error_codes.0", 0), 700024);
    snprintf(text, sizeof text, "%snonsense", form);
    assert_int_equal(ask_token(&s, "/oauth2/v2.0/token", text), 401);
    assert_int_equal(az_int(s.body, "error_codes.0", 0), 50027);
    sim_load(&s, "{\"principals\":[{\"clientId\":\"" AZ_DEFAULT_CLIENT
                 "\",\"assertions\":[{\"issuer\":\"i\",\"subject\":\"another\"}]}]}");
    snprintf(text, sizeof text, "%s" ASSERTION, form);
    assert_int_equal(ask_token(&s, "/oauth2/v2.0/token", text), 401);
    assert_int_equal(az_int(s.body, "error_codes.0", 0), 700213);
    sim_close(&s);
}

static void test_bad_tokens(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    assert_int_equal(sim_send(&s, ARM, "GET", SUB V_RES, NULL, NULL), 401);
    assert_string_equal(sim_str(&s, "error.code"), "AuthenticationFailed");
    assert_true(az_istarts(sim_header(&s, "WWW-Authenticate"), "Bearer authorization_uri="));
    assert_int_equal(sim_send(&s, ARM, "GET", SUB V_RES, NULL, "Bearer a.b.c"), 401);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidAuthenticationToken");
    free(s.token);
    s.token = az_token_make(s.m, AZ_DEFAULT_TENANT, AZ_DEFAULT_CLIENT, AZ_DATABRICKS_APP, 1000000);
    assert_int_equal(sim_call(&s, "GET", SUB V_RES, NULL), 401);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidAuthenticationToken");
    sim_sign_in(&s, AZ_DEFAULT_CLIENT);
    sim_wait(&s, 86401000);
    assert_int_equal(sim_call(&s, "GET", SUB V_RES, NULL), 401);
    assert_string_equal(sim_str(&s, "error.code"), "ExpiredAuthenticationToken");
    sim_close(&s);
}

static void test_tenant_of_another(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(
        &s,
        "{\"subscriptions\":[{\"id\":\"99999999-9999-9999-9999-999999999999\",\"tenantId\":\"88888888-8888-8888-8888-888888888888\"}]}");
    assert_int_equal(
        sim_call(&s, "GET", "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups" V_RES, NULL),
        401);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidAuthenticationTokenTenant");
    assert_int_equal(
        sim_call(&s, "GET", "/subscriptions/77777777-9999-9999-9999-999999999999/resourceGroups" V_RES, NULL),
        404);
    assert_string_equal(sim_str(&s, "error.code"), "SubscriptionNotFound");
    sim_close(&s);
}

static void test_api_versions(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    assert_int_equal(sim_call(&s, "GET", WS "?api-version=2026-01-01", NULL), 400);
    assert_string_equal(sim_str(&s, "error.code"), "NoRegisteredProviderFound");
    assert_non_null(strstr(sim_str(&s, "error.message"),
                           "supported api-versions are '2018-04-01, 2023-02-01, 2024-05-01'"));
    assert_int_equal(sim_call(&s, "GET", WS, NULL), 400);
    assert_string_equal(sim_str(&s, "error.code"), "MissingApiVersionParameter");
    assert_int_equal(sim_call(&s, "GET", WS "?api-version=2023-02-01", NULL), 404);
    assert_int_equal(sim_call(&s, "GET", SUB "/providers/Microsoft.Databricks" V_RES, NULL), 200);
    assert_string_equal(sim_str(&s, "resourceTypes.0.apiVersions.0"), "2024-05-01");
    assert_int_equal(sim_call(&s, "GET", RG "/providers/Microsoft.Nothing/things/x" V_RES, NULL), 404);
    sim_close(&s);
}

static void test_registration_takes_time(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"subscriptions\":[{\"id\":\"" AZ_DEFAULT_SUBSCRIPTION
                 "\",\"providers\":{\"Microsoft.Network\":\"NotRegistered\"}}]}");
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    assert_int_equal(sim_call(&s, "PUT", NSG V_NET, "{\"location\":\"chinaeast2\"}"), 409);
    assert_string_equal(sim_str(&s, "error.code"), "MissingSubscriptionRegistration");
    assert_string_equal(sim_str(&s, "error.details.0.target"), "Microsoft.Network");
    assert_int_equal(sim_call(&s, "POST", SUB "/providers/Microsoft.Network/register" V_RES, ""), 200);
    assert_string_equal(sim_str(&s, "registrationState"), "Registering");
    sim_wait(&s, 100000);
    sim_ensure(&s, NSG V_NET, "{\"location\":\"chinaeast2\"}");
    sim_close(&s);
}

static void test_rights(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(
        &s,
        "{\"principals\":[{\"clientId\":\"44444444-4444-4444-4444-444444444444\",\"roles\":[{\"role\":\"Reader\"},"
        "{\"actions\":[\"Microsoft.Network/*\"],\"scope\":\"" RG "\"}]}]}");
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    sim_sign_in(&s, "44444444-4444-4444-4444-444444444444");
    assert_int_equal(sim_call(&s, "PUT", SUB "/resourceGroups/rg2" V_RES, "{\"location\":\"chinaeast2\"}"),
                     403);
    assert_string_equal(sim_str(&s, "error.code"), "AuthorizationFailed");
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 200);
    sim_ensure(&s, NSG V_NET, "{\"location\":\"chinaeast2\"}");
    assert_int_equal(
        sim_call(&s, "GET", RG "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01", NULL),
        200);
    assert_string_equal(sim_str(&s, "value.0.actions.0"), "*/read");
    sim_sign_in(&s, "55555555-4444-4444-4444-444444444444");
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 403);
    sim_close(&s);
}

static void test_common_headers(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    s.extra_count = 3;
    s.extra[0] = (struct az_header){"x-ms-correlation-request-id", "my-job"};
    s.extra[1] = (struct az_header){"x-ms-client-request-id", "my-call"};
    s.extra[2] = (struct az_header){"x-ms-return-client-request-id", "true"};
    sim_call(&s, "GET", "/subscriptions?api-version=2022-12-01", NULL);
    assert_string_equal(sim_header(&s, "x-ms-correlation-request-id"), "my-job");
    assert_string_equal(sim_header(&s, "x-ms-client-request-id"), "my-call");
    assert_int_equal(strlen(sim_header(&s, "x-ms-request-id")), 36);
    assert_non_null(sim_header(&s, "x-ms-routing-request-id"));
    assert_string_equal(sim_header(&s, "x-ms-ratelimit-remaining-tenant-reads"), "11999");
    assert_string_equal(sim_header(&s, "Date"), "Mon, 24 Nov 2025 16:00:00 GMT");
    s.extra_count = 2;
    sim_call(&s, "GET", "/subscriptions?api-version=2022-12-01", NULL);
    assert_null(sim_header(&s, "x-ms-client-request-id"));
    sim_close(&s);
}

static void test_hourly_limit(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"throttle\":{\"model\":\"hourly\",\"reads\":3}}");
    for (int i = 0; i < 3; i++)
        assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 200);
    assert_string_equal(sim_header(&s, "x-ms-ratelimit-remaining-subscription-reads"), "0");
    sim_wait(&s, 600000);
    assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 429);
    assert_string_equal(sim_str(&s, "error.code"), "SubscriptionRequestsThrottled");
    assert_string_equal(sim_header(&s, "Retry-After"), "3000");
    sim_wait(&s, 3000000);
    assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 200);
    sim_close(&s);
}

static void test_token_bucket_limit(void **unused)
{
    (void)unused;
    struct sim s;
    int refused = 0;
    sim_open(&s);
    sim_load(&s, "{\"throttle\":{\"model\":\"bucket\"}}");
    for (int i = 0; i < 260; i++)
        refused += sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL) == 429;
    assert_int_equal(refused, 10);
    assert_string_equal(sim_header(&s, "Retry-After"), "1");
    sim_wait(&s, 1000);
    assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 200);
    assert_non_null(sim_header(&s, "x-ms-ratelimit-remaining-subscription-global-reads"));
    sim_close(&s);
}

static void test_provider_limit(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"throttle\":{\"dnsRecordWrites\":2}}");
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    sim_ensure(&s, ZONE V_DNS, "{\"location\":\"global\"}");
    static const char body[] = "{\"properties\":{\"ttl\":10,\"aRecords\":[]}}";
    assert_int_equal(sim_call(&s, "PUT", ZONE "/A/a" V_DNS, body), 201);
    assert_int_equal(sim_call(&s, "PUT", ZONE "/A/b" V_DNS, body), 201);
    assert_int_equal(sim_call(&s, "PUT", ZONE "/A/c" V_DNS, body), 429);
    assert_string_equal(sim_str(&s, "error.code"), "TooManyRequests");
    assert_int_not_equal(atoi(sim_header(&s, "x-ms-ratelimit-remaining-subscription-writes")), 0);
    sim_close(&s);
}

static void test_pages(void **unused)
{
    (void)unused;
    struct sim s;
    char target[512];
    sim_open(&s);
    sim_load(&s, "{\"behaviour\":{\"pageSize\":2}}");
    for (int i = 0; i < 5; i++) {
        snprintf(target, sizeof target, SUB "/resourceGroups/g%d" V_RES, i);
        sim_call(&s, "PUT", target, "{\"location\":\"chinaeast2\"}");
    }
    size_t seen = 0, pages = 0;
    snprintf(target, sizeof target, SUB "/resourceGroups" V_RES);
    for (; target[0] != '\0'; pages++) {
        assert_int_equal(sim_call(&s, "GET", target, NULL), 200);
        seen += json_array_size(az_at(s.body, "value"));
        const char *next = sim_str(&s, "nextLink");
        snprintf(target, sizeof target, "%s", next[0] != '\0' ? sim_path(next) : "");
    }
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 3);
    sim_close(&s);
}

static void test_cloud_metadata(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    assert_int_equal(sim_send(&s, ARM, "GET", "/metadata/endpoints?api-version=2019-05-01", NULL, NULL), 200);
    assert_string_equal(az_str(json_array_get(s.body, 0), "authentication.loginEndpoint"), "https://" LOGIN);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_forms),    cmocka_unit_test(test_assertions),
        cmocka_unit_test(test_bad_tokens),     cmocka_unit_test(test_tenant_of_another),
        cmocka_unit_test(test_api_versions),   cmocka_unit_test(test_registration_takes_time),
        cmocka_unit_test(test_rights),         cmocka_unit_test(test_common_headers),
        cmocka_unit_test(test_hourly_limit),   cmocka_unit_test(test_token_bucket_limit),
        cmocka_unit_test(test_provider_limit), cmocka_unit_test(test_pages),
        cmocka_unit_test(test_cloud_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What requests may say, and what comes back when they say it wrong: api-versions of every kind of path, authorities and
 * scopes of tokens, filters, pages, conditions, tags, subscriptions that are switched off. */
#include "tests/unit/tests/azure/driver.h"

#define LOGIN "login.azure.localhost"
#define FORM "grant_type=client_credentials&client_id=" AZ_DEFAULT_CLIENT "&client_secret=sim-secret"
#define OLD "?api-version=1999-01-01"

static void test_each_path_names_its_versions(void **unused)
{
    (void)unused;
    static const char *const paths[][2] = {
        {"/subscriptions" OLD, "'subscriptions'"},
        {"/tenants" OLD, "'tenants'"},
        {SUB "/locations" OLD, "'subscriptions/locations'"},
        {RG OLD, "'subscriptions/resourceGroups'"},
        {SUB "/providers/Microsoft.Network" OLD, "'subscriptions/providers'"},
        {RG "/resources" OLD, "resources'"},
        {VNET OLD, "'virtualNetworks'"},
        {VNET "/usages" OLD, "'virtualNetworks/usages'"},
        {ZONE OLD, "'privateDnsZones'"},
        {ZONE "/A/x" OLD, "'privateDnsZones/A'"},
        {WS OLD, "'workspaces'"},
        {WS "/outboundNetworkDependenciesEndpoints" OLD, "'workspaces/outboundNetworkDependenciesEndpoints'"},
        {RG "/providers/Microsoft.Authorization/locks" OLD, "'locks'"},
        {RG "/providers/Microsoft.Authorization/permissions" OLD, "'permissions'"},
    };
    struct sim s;
    sim_open(&s);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(sim_call(&s, "GET", paths[i][0], NULL), 400);
        assert_string_equal(sim_str(&s, "error.code"), "NoRegisteredProviderFound");
        const char *text = sim_str(&s, "error.message");
        if (strstr(text, paths[i][1]) == NULL || strstr(text, "The supported api-versions are '20") == NULL ||
            strstr(text, "The supported locations are 'chinaeast2, ") == NULL || strchr(text, '{') != NULL)
            fail_msg("%s: %s", paths[i][0], text);
    }
    sim_call(&s, "PUT", WS OLD, "{\"location\":\"chinanorth3\"}");
    assert_non_null(strstr(sim_str(&s, "error.message"), "for location 'chinanorth3'"));
    assert_int_equal(sim_call(&s, "GET", RG "/providers/Microsoft.Nothing/things/x" V_RES, NULL), 404);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidResourceNamespace");
    assert_int_equal(sim_call(&s, "GET", NET "/things/x" V_RES, NULL), 404);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidResourceType");
    sim_close(&s);
}

static int64_t aadsts(struct sim *s, const char *target, const char *form, const char *authorization)
{
    sim_send(s, LOGIN, form != NULL ? "POST" : "GET", target, form, authorization);
    return az_int(s->body, "error_codes.0", 0);
}

static void test_authorities(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    static const char *const all[] = {"common", "organizations", "consumers"};
    char target[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(target, sizeof target, "/%s/v2.0/.well-known/openid-configuration", all[i]);
        assert_int_equal(aadsts(&s, target, NULL, NULL), 0);
        assert_string_equal(sim_str(&s, "issuer"), "https://" LOGIN "/{tenantid}/v2.0");
        snprintf(target, sizeof target, "/%s/oauth2/v2.0/token", all[i]);
        assert_int_equal(
            aadsts(&s, target, FORM "&scope=https%3A%2F%2Fmanagement.azure.com%2F.default", NULL), 50059);
    }
    assert_int_equal(aadsts(&s, "/nowhere/v2.0/.well-known/openid-configuration", NULL, NULL), 90002);
    assert_string_equal(sim_str(&s, "error"), "invalid_tenant");
    assert_int_equal(aadsts(&s, "/nowhere/.well-known/openid-configuration", NULL, NULL), 90002);
#define INSTANCE "/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2F"
    assert_int_equal(aadsts(&s, INSTANCE LOGIN "%2Fcommon%2Foauth2%2Fv2.0%2Fauthorize", NULL, NULL), 0);
    assert_int_equal(aadsts(&s, INSTANCE "evil.example%2Fcommon%2Foauth2%2Fv2.0%2Fauthorize", NULL, NULL),
                     50049);
    assert_string_equal(sim_str(&s, "error"), "invalid_instance");
    sim_close(&s);
}

static void test_token_requests(void **unused)
{
    (void)unused;
    struct sim s;
    static const char v2[] = "/" AZ_DEFAULT_TENANT "/oauth2/v2.0/token";
    sim_open(&s);
    assert_int_equal(aadsts(&s, v2, FORM "&scope=https%3A%2F%2Fmanagement.azure.com", NULL), 1002012);
    assert_string_equal(sim_str(&s, "error"), "invalid_scope");
    assert_int_equal(aadsts(&s, v2, "{\"grant_type\":\"client_credentials\"}", NULL), 900144);
    /* The same client and secret, as client_secret_basic. */
    static const char basic[] = "Basic MzMzMzMzMzMtMzMzMy0zMzMzLTMzMzMtMzMzMzMzMzMzMzMzOnNpbS1zZWNyZXQ=";
    static const char scope[] =
        "grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
    assert_int_equal(aadsts(&s, v2, scope, basic), 0);
    assert_int_equal(s.res.status, 200);
    assert_int_equal(aadsts(&s, v2, scope, "Basic OnNpbS1zZWNyZXQ="), 700016);
    assert_int_equal(aadsts(&s, v2, scope, "Basic ???"), 900144);
    sim_close(&s);
}

static size_t count_of(struct sim *s, const char *target)
{
    assert_int_equal(sim_call(s, "GET", target, NULL), 200);
    return json_array_size(az_at(s->body, "value"));
}

static void test_filters(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"workspaces\":[{\"name\":\"a\",\"resourceGroup\":\"ga\",\"tags\":{\"Team\":\"it's\"}},"
                 "{\"name\":\"b\",\"resourceGroup\":\"gb\",\"location\":\"chinanorth3\"}]}");
#define FILTER SUB "/resources" V_RES "&$filter="
#define WORKSPACES "resourceType%20eq%20'Microsoft.Databricks/workspaces'"
    assert_int_equal(count_of(&s, FILTER WORKSPACES), 2);
    assert_int_equal(count_of(&s, FILTER "resourcetype%20EQ%20'microsoft.databricks/WORKSPACES'"), 2);
    assert_int_equal(count_of(&s, FILTER WORKSPACES "%20and%20name%20eq%20'b'"), 1);
    assert_int_equal(count_of(&s, FILTER WORKSPACES "%20and%20resourceGroup%20ne%20'ga'"), 1);
    assert_int_equal(count_of(&s, FILTER WORKSPACES "%20and%20location%20eq%20'China%20North%203'"), 1);
    assert_int_equal(count_of(&s, FILTER "tagName%20eq%20'team'%20and%20tagValue%20eq%20'it''s'"), 1);
    assert_int_equal(count_of(&s, FILTER "tagName%20eq%20'team'%20and%20tagValue%20eq%20'its'"), 0);
    static const char *const bad[] = {"name",
                                      "name%20eq",
                                      "name%20eq%20b",
                                      "name%20eq%20'b",
                                      "name%20eq%20'b'%20or%20name%20eq%20'a'",
                                      "plan/name%20eq%20'b'"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char target[512];
        snprintf(target, sizeof target, FILTER "%s", bad[i]);
        if (sim_call(&s, "GET", target, NULL) != 400)
            fail_msg("%s", bad[i]);
        assert_string_equal(sim_str(&s, "error.code"), "InvalidFilterInQueryString");
    }
    sim_close(&s);
}

static void test_empty_pages(void **unused)
{
    (void)unused;
    struct sim s;
    char target[512] = SUB "/providers/Microsoft.Databricks/workspaces" V_DBX;
    sim_open(&s);
    sim_load(
        &s,
        "{\"workspaces\":[{\"name\":\"w\",\"count\":6}],\"behaviour\":{\"pageSize\":2,\"emptyPages\":0.5}}");
    size_t seen = 0, empty = 0;
    while (target[0] != '\0') {
        size_t n = count_of(&s, target);
        const char *next = sim_str(&s, "nextLink");
        seen += n;
        empty += n == 0 && next[0] != '\0';
        snprintf(target, sizeof target, "%s", next[0] != '\0' ? sim_path(next) : "");
    }
    assert_int_equal(seen, 6);
    assert_int_not_equal(empty, 0);
    sim_close(&s);
}

static void test_conditions_of_a_patch(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    sim_ensure(&s, ZONE V_DNS, "{\"location\":\"global\"}");
    s.extra[0] = (struct az_header){"If-Match", "another"};
    s.extra_count = 1;
    assert_int_equal(sim_call(&s, "PATCH", ZONE V_DNS, "{\"tags\":{\"a\":\"b\"}}"), 412);
    assert_string_equal(sim_str(&s, "error.code"), "PreconditionFailed");
    s.extra[0].value = "*";
    assert_int_equal(sim_call(&s, "PATCH", ZONE V_DNS, "{\"tags\":{\"a\":\"b\"}}"), 200);
    s.extra_count = 0;
    assert_int_equal(sim_call(&s, "PATCH", ZONE V_DNS, "{\"tags\":[]}"), 400);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidRequestContent");
    assert_int_equal(sim_call(&s, "GET", ZONE "/SOA/@" V_DNS, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.fqdn"), ZONE_NAME ".");
    sim_close(&s);
}

static void test_disabled_subscription(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"subscriptions\":[{\"id\":\"" AZ_DEFAULT_SUBSCRIPTION "\",\"state\":\"Disabled\"}]}");
    assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 200);
    assert_string_equal(sim_str(&s, "state"), "Disabled");
    assert_int_equal(sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}"), 409);
    assert_string_equal(sim_str(&s, "error.code"), "ReadOnlyDisabledSubscription");
    sim_close(&s);
}

/* The public cloud counts all principals of a subscription together, too. */
static void test_limit_over_all_principals(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"throttle\":{\"model\":\"bucket\",\"reads\":2,\"readsPerSecond\":0.001},"
                 "\"principals\":[{\"clientId\":\"44444444-4444-4444-4444-444444444444\"}]}");
#define LEFT "x-ms-ratelimit-remaining-subscription-global-reads"
    assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 200);
    assert_string_equal(sim_header(&s, LEFT), "29");
    sim_sign_in(&s, "44444444-4444-4444-4444-444444444444");
    assert_int_equal(sim_call(&s, "GET", SUB "?api-version=2022-12-01", NULL), 200);
    assert_string_equal(sim_header(&s, LEFT), "28");
    assert_string_equal(sim_header(&s, "x-ms-ratelimit-remaining-subscription-reads"), "1");
    sim_close(&s);
}

static void test_an_envelope_that_is_asked_for(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(
        &s,
        "{\"faults\":[{\"fault\":\"status\",\"status\":503,\"code\":\"X\",\"envelope\":\"arm\",\"match\":{\"host\":\"login\"}},"
        "{\"fault\":\"status\",\"status\":503,\"code\":\"X\",\"envelope\":\"databricks\",\"match\":{\"host\":\"arm\"}}]}");
    assert_int_equal(sim_send(&s, LOGIN, "GET", "/", NULL, NULL), 503);
    assert_string_equal(sim_str(&s, "error.code"), "X");
    assert_int_equal(sim_call(&s, "GET", "/", NULL), 503);
    assert_string_equal(sim_str(&s, "error_code"), "X");
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_path_names_its_versions),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_token_requests),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_empty_pages),
        cmocka_unit_test(test_conditions_of_a_patch),
        cmocka_unit_test(test_disabled_subscription),
        cmocka_unit_test(test_limit_over_all_principals),
        cmocka_unit_test(test_an_envelope_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

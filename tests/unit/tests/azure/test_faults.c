/* Faults: each kind, and which calls a rule hits. Also the ledger, which tells whether there was an effect. */
#include "tests/unit/tests/azure/driver.h"

#define BODY "{\"location\":\"chinaeast2\"}"

static void add_fault(struct sim *s, const char *text)
{
    char error[256];
    json_t *rule = json_loads(text, 0, NULL);
    assert_non_null(rule);
    if (az_model_add_fault(s->m, rule, error, sizeof error) < 0)
        fail_msg("%s", error);
    json_decref(rule);
}

static void open_with(struct sim *s, const char *rule)
{
    sim_open(s);
    sim_call(s, "PUT", RG V_RES, BODY);
    add_fault(s, rule);
}

static void test_status_on_the_nth(void **unused)
{
    (void)unused;
    struct sim s;
    open_with(
        &s,
        "{\"match\":{\"method\":\"GET\",\"path\":\"*resourceGroups/rg\",\"host\":\"arm\"},\"nth\":2,\"count\":2,"
        "\"fault\":\"status\",\"status\":503,\"code\":\"ServerBusy\",\"retryAfter\":\"7\"}");
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 200);
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 503);
    assert_string_equal(sim_str(&s, "error.code"), "ServerBusy");
    assert_string_equal(sim_header(&s, "Retry-After"), "7");
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 503);
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 200);
    assert_int_equal(sim_call(&s, "GET", SUB "/resourceGroups" V_RES, NULL), 200);
    sim_close(&s);
}

static void test_resets(void **unused)
{
    (void)unused;
    struct sim s;
    open_with(&s, "{\"match\":{\"method\":\"PUT\"},\"fault\":\"reset-before\"}");
    add_fault(&s, "{\"match\":{\"method\":\"PUT\"},\"nth\":2,\"fault\":\"reset-after\"}");
    sim_call(&s, "PUT", NSG V_NET, BODY);
    assert_int_equal(s.res.wire, AZ_WIRE_RESET);
    assert_int_equal(sim_call(&s, "GET", NSG V_NET, NULL), 404);
    sim_call(&s, "PUT", NSG V_NET, BODY);
    assert_int_equal(s.res.wire, AZ_WIRE_RESET);
    assert_int_equal(sim_call(&s, "GET", NSG V_NET, NULL), 200);
    sim_close(&s);
}

static void test_gateway_timeout_goes_on(void **unused)
{
    (void)unused;
    struct sim s;
    open_with(&s, "{\"match\":{\"method\":\"PUT\"},\"fault\":\"gateway-timeout\"}");
    assert_int_equal(sim_call(&s, "PUT", NSG V_NET, BODY), 504);
    assert_string_equal(sim_str(&s, "error.code"), "GatewayTimeout");
    assert_null(sim_header(&s, "Azure-AsyncOperation"));
    assert_int_equal(s.res.delay_ms, 60000);
    sim_wait(&s, 20000);
    assert_int_equal(sim_call(&s, "GET", NSG V_NET, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    sim_close(&s);
}

static void test_bodies(void **unused)
{
    (void)unused;
    struct sim s;
    open_with(&s, "{\"match\":{\"method\":\"GET\"},\"fault\":\"bad-json\"}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":2,\"fault\":\"html\",\"status\":502}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":3,\"fault\":\"huge\",\"bytes\":100000}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":4,\"fault\":\"redirect\"}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":5,\"fault\":\"truncate\"}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":6,\"fault\":\"slow\",\"delayMs\":9}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":7,\"fault\":\"hang\"}");
    add_fault(&s, "{\"match\":{\"method\":\"GET\"},\"nth\":8,\"fault\":\"throttle\"}");
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 200);
    assert_null(s.body);
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 502);
    assert_true(az_istarts(sim_header(&s, "Content-Type"), "text/html"));
    sim_call(&s, "GET", RG V_RES, NULL);
    assert_true(s.res.body_bytes > 100000);
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 307);
    assert_string_equal(sim_header(&s, "Location"), "https://elsewhere.example/");
    sim_call(&s, "GET", RG V_RES, NULL);
    assert_int_equal(s.res.wire, AZ_WIRE_TRUNCATED);
    sim_call(&s, "GET", RG V_RES, NULL);
    assert_int_equal(s.res.wire, AZ_WIRE_SLOW);
    assert_int_equal(s.res.delay_ms, 9);
    sim_call(&s, "GET", RG V_RES, NULL);
    assert_int_equal(s.res.wire, AZ_WIRE_HANG);
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 429);
    assert_int_equal(sim_call(&s, "GET", RG V_RES, NULL), 200);
    sim_close(&s);
}

static void test_operation_fates(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    open_with(
        &s,
        "{\"match\":{\"path\":\"networkSecurityGroups/*\"},\"fault\":\"op-failed\",\"code\":\"Boom\",\"message\":\"m\"}");
    add_fault(&s, "{\"match\":{\"path\":\"networkSecurityGroups/*\"},\"nth\":2,\"fault\":\"op-canceled\"}");
    add_fault(&s,
              "{\"match\":{\"path\":\"networkSecurityGroups/*\"},\"nth\":3,\"fault\":\"op-foreign-host\"}");
    add_fault(&s, "{\"match\":{\"path\":\"networkSecurityGroups/*\"},\"nth\":4,\"fault\":\"op-never\"}");
    sim_call(&s, "PUT", NSG V_NET, BODY);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_string_equal(sim_str(&s, "error.code"), "Boom");
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Failed");
    sim_call(&s, "PUT", NSG V_NET, BODY);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Canceled");
    sim_call(&s, "PUT", NSG V_NET, BODY);
    assert_true(az_istarts(sim_header(&s, "Azure-AsyncOperation"), "https://management.foreign.example/"));
    sim_wait(&s, 20000);
    sim_call(&s, "PUT", NSG V_NET, "{\"location\":\"chinaeast2\",\"tags\":{\"a\":\"b\"}}");
    sim_wait(&s, 100000000);
    sim_sign_in(&s, AZ_DEFAULT_CLIENT);
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Updating");
    assert_int_equal(az_model_next_event(s.m), INT64_MAX);
    sim_close(&s);
}

static void test_probability_is_of_the_seed(void **unused)
{
    (void)unused;
    int hits[3];
    for (int run = 0; run < 3; run++) {
        struct sim s;
        sim_open_seed(&s, run == 2 ? 99 : 7);
        add_fault(&s,
                  "{\"match\":{\"method\":\"GET\"},\"probability\":0.3,\"fault\":\"status\",\"status\":500}");
        hits[run] = 0;
        for (int i = 0; i < 200; i++)
            hits[run] = hits[run] * 3 % 1000003 +
                        (sim_call(&s, "GET", "/subscriptions?api-version=2022-12-01", NULL) == 500);
        sim_close(&s);
    }
    assert_int_equal(hits[0], hits[1]);
    assert_int_not_equal(hits[0], hits[2]);
}

static void test_unknown_kind(void **unused)
{
    (void)unused;
    struct sim s;
    char error[128];
    sim_open(&s);
    json_t *rule = json_pack("{s:s}", "fault", "meteor");
    assert_int_equal(az_model_add_fault(s.m, rule, error, sizeof error), -1);
    assert_non_null(strstr(error, "meteor"));
    json_decref(rule);
    sim_close(&s);
}

static void test_ledger(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    s.extra_count = 1;
    s.extra[0] = (struct az_header){"x-ms-correlation-request-id", "job-1"};
    sim_call(&s, "PUT", RG V_RES, BODY);
    sim_call(&s, "PUT", RG V_RES, BODY);
    s.extra[0] = (struct az_header){"x-ms-correlation-request-id", "job-2"};
    sim_call(&s, "PUT", NSG V_NET, "{}");
    sim_call(&s, "GET", RG V_RES, NULL);
    sim_call(&s, "DELETE", NSG V_NET, NULL);
    json_t *ledger = az_model_ledger(s.m, "job-1");
    const json_t *entries = json_object_get(ledger, "entries");
    assert_int_equal(json_array_size(entries), 2);
    assert_string_equal(az_str(entries, "0.operation"),
                        "Microsoft.Resources/subscriptions/resourceGroups/write");
    assert_string_equal(az_str(entries, "0.principal"), AZ_DEFAULT_CLIENT);
    assert_true(az_bool(entries, "0.changed", false));
    assert_true(json_is_null(az_at(entries, "0.before")));
    assert_string_equal(az_str(entries, "0.after.location"), "chinaeast2");
    assert_false(az_bool(entries, "1.changed", true));
    assert_int_equal(az_int(ledger, "counts.read", 0), 1);
    assert_int_equal(az_int(ledger, "counts.write", 0), 3);
    assert_int_equal(az_int(ledger, "counts.delete", 0), 1);
    assert_int_equal(az_int(ledger, "counts.changed", 0), 1);
    json_decref(ledger);
    ledger = az_model_ledger(s.m, NSG);
    assert_int_equal(json_array_size(json_object_get(ledger, "entries")), 2);
    assert_int_equal(az_int(ledger, "entries.0.status", 0), 400);
    json_decref(ledger);
    sim_close(&s);
}

static void test_who_wrote_at_the_same_time(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"behaviour\":{\"conflictAsFailure\":0}}");
    sim_make_workspace(&s);
    s.extra_count = 1;
    s.extra[0] = (struct az_header){"x-ms-correlation-request-id", "job-1"};
    sim_call(&s, "PUT", PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    s.extra[0] = (struct az_header){"x-ms-correlation-request-id", "job-2"};
    assert_int_equal(sim_call(&s, "PATCH", WS V_DBX, "{\"tags\":{\"a\":\"b\"}}"), 409);
    sim_wait(&s, 200000);
    sim_call(&s, "PATCH", WS V_DBX, "{\"tags\":{\"a\":\"b\"}}");
    json_t *ledger = az_model_ledger(s.m, "concurrent:" WS);
    const json_t *entries = json_object_get(ledger, "entries");
    assert_int_equal(json_array_size(entries), 2);
    assert_string_equal(az_str(entries, "0.resourceId"), PE);
    assert_string_equal(az_str(entries, "0.outcome.status"), "Succeeded");
    assert_string_equal(az_str(entries, "1.correlationId"), "job-2");
    assert_int_equal(az_int(entries, "1.status", 0), 409);
    json_decref(ledger);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_on_the_nth),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_gateway_timeout_goes_on),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_operation_fates),
        cmocka_unit_test(test_probability_is_of_the_seed),
        cmocka_unit_test(test_unknown_kind),
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_who_wrote_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

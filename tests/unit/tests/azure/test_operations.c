/* Long-running operations: their three styles, what a poll sees, and updates that running compute refuses. */
#include "tests/unit/tests/azure/driver.h"

#define NSG_BODY "{\"location\":\"chinaeast2\"}"

static void test_style_async_operation(void **unused)
{
    (void)unused;
    struct sim s;
    char url[512];
    sim_open(&s);
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    assert_int_equal(sim_call(&s, "PUT", NSG V_NET, NSG_BODY), 201);
    assert_null(sim_header(&s, "Location"));
    assert_string_equal(sim_header(&s, "Retry-After"), "10");
    assert_true(az_istarts(sim_header(&s, "Azure-AsyncOperation"),
                           "https://management.azure.localhost/subscriptions/"));
    snprintf(url, sizeof url, "%s", sim_path(sim_header(&s, "Azure-AsyncOperation")));
    assert_int_equal(sim_call(&s, "GET", url, NULL), 200);
    assert_string_equal(sim_str(&s, "status"), "InProgress");
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Updating");
    int64_t due = az_model_next_event(s.m);
    assert_in_range(due - s.now_ms, 5000, 15000);
    s.now_ms = due;
    assert_int_equal(sim_call(&s, "GET", url, NULL), 200);
    assert_string_equal(sim_str(&s, "status"), "Succeeded");
    assert_null(sim_header(&s, "Retry-After"));
    sim_close(&s);
}

static void test_style_location(void **unused)
{
    (void)unused;
    struct sim s;
    char url[512];
    sim_open(&s);
    sim_load(&s,
             "{\"behaviour\":{\"lroStyles\":{\"microsoft.network/networksecuritygroups\":\"location\"}}}");
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    sim_call(&s, "PUT", NSG V_NET, NSG_BODY);
    assert_null(sim_header(&s, "Azure-AsyncOperation"));
    snprintf(url, sizeof url, "%s", sim_path(sim_header(&s, "Location")));
    assert_int_equal(sim_call(&s, "GET", url, NULL), 202);
    assert_null(s.res.body);
    assert_non_null(sim_header(&s, "Location"));
    sim_wait(&s, 20000);
    assert_int_equal(sim_call(&s, "GET", url, NULL), 200);
    assert_string_equal(sim_str(&s, "name"), "nsg");
    sim_call(&s, "DELETE", NSG V_NET, NULL);
    snprintf(url, sizeof url, "%s", sim_path(sim_header(&s, "Location")));
    sim_wait(&s, 20000);
    assert_int_equal(sim_call(&s, "GET", url, NULL), 204);
    sim_close(&s);
}

static void test_style_state_only(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"behaviour\":{\"lroStyles\":{\"microsoft.network/networksecuritygroups\":\"state\"}}}");
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    assert_int_equal(sim_call(&s, "PUT", NSG V_NET, NSG_BODY), 201);
    assert_null(sim_header(&s, "Azure-AsyncOperation"));
    assert_null(sim_header(&s, "Location"));
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Updating");
    sim_wait(&s, 20000);
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    sim_close(&s);
}

static void test_time_scale(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_close(&s);
    memset(&s, 0, sizeof s);
    struct az_model_cfg cfg = {.seed = 1, .time_scale = 60.0, .port = 8443};
    s.m = az_model_new(&cfg);
    s.now_ms = SIM_START_MS;
    sim_sign_in(&s, AZ_DEFAULT_CLIENT);
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    sim_call(&s, "PUT", NSG V_NET, NSG_BODY);
    assert_string_equal(sim_header(&s, "Retry-After"), "1");
    assert_true(
        az_istarts(sim_header(&s, "Azure-AsyncOperation"), "https://management.azure.localhost:8443/"));
    assert_in_range(az_model_next_event(s.m) - s.now_ms, 5000 / 60, 15000 / 60 + 1);
    sim_close(&s);
}

static void test_operation_of_a_stranger(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    assert_int_equal(
        sim_call(&s, "GET", SUB "/providers/Microsoft.Network/locations/x/operations/nope" V_NET, NULL), 404);
    sim_close(&s);
}

static const char *update(struct sim *s, char *text, size_t text_bytes)
{
    assert_int_equal(sim_call(s, "PUT", WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules")), 200);
    return sim_follow(s, text, text_bytes);
}

static void test_network_update(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_make_network(&s);
    sim_ensure(&s, WS V_DBX, SIM_WS_BODY("AllRules"));
    sim_wait(&s, 60000);
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "properties.securityRules")), 6);
    int64_t start = s.now_ms;
    assert_string_equal(update(&s, text, sizeof text), "Succeeded");
    assert_in_range(s.now_ms - start, 900000, 1300000);
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.requiredNsgRules"), "NoAzureDatabricksRules");
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "properties.securityRules")), 5);
    sim_close(&s);
}

#define ALPHA RG "/providers/Microsoft.Databricks/workspaces/alpha"
#define ALPHA_HOST "adb-5555555555555555.15.databricks.azure.localhost"

/* Read, modify, write, as a migration does it; the operation's last status. */
static const char *tighten(struct sim *s, char *text, size_t text_bytes)
{
    assert_int_equal(sim_call(s, "GET", ALPHA V_DBX, NULL), 200);
    az_set_str(s->body, "properties.requiredNsgRules", "NoAzureDatabricksRules");
    char *body = json_dumps(s->body, 0);
    if (sim_call(s, "PUT", ALPHA V_DBX, body) != 200)
        fail_msg("%s", s->res.body);
    free(body);
    return sim_follow(s, text, text_bytes);
}

static void test_running_compute_fails_the_update(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32], bearer[4096];
    sim_open(&s);
    sim_load(&s,
             "{\"workspaces\":[{\"name\":\"alpha\",\"workspaceId\":\"5555555555555555\"}],\"databricks\":{"
             "\"workspaces\":{\"alpha\":{\"users\":[\"" AZ_DEFAULT_CLIENT
             "\"],\"clusters\":[{\"cluster_id\":\"c-1\",\"cluster_name\":\"etl\",\"num_workers\":1,"
             "\"state\":\"RUNNING\",\"autotermination_minutes\":0}]}}}}");
    assert_string_equal(tighten(&s, text, sizeof text), "Failed");
    assert_string_equal(sim_str(&s, "error.code"), "ApplicationUpdateFail");
    sim_call(&s, "GET", ALPHA V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Failed");
    assert_string_equal(sim_str(&s, "properties.requiredNsgRules"), "AllRules");
    char *token = az_token_make(s.m, AZ_DEFAULT_TENANT, AZ_DEFAULT_CLIENT, AZ_DATABRICKS_APP, 3600000);
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    free(token);
    assert_int_equal(
        sim_send(&s, ALPHA_HOST, "POST", "/api/2.0/clusters/delete", "{\"cluster_id\":\"c-1\"}", bearer),
        200);
    sim_wait(&s, 600000);
    assert_string_equal(tighten(&s, text, sizeof text), "Succeeded");
    sim_call(&s, "GET", ALPHA V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.requiredNsgRules"), "NoAzureDatabricksRules");
    sim_close(&s);
}

static void test_update_in_between_shows_the_old(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_network(&s);
    sim_ensure(&s, WS V_DBX, SIM_WS_BODY("AllRules"));
    sim_wait(&s, 60000);
    sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules"));
    sim_wait(&s, 60000);
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Updating");
    assert_string_equal(sim_str(&s, "properties.requiredNsgRules"), "AllRules");
    sim_close(&s);
}

static void test_vnet_cannot_change(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_workspace(&s);
    assert_int_equal(
        sim_call(
            &s, "PUT", WS V_DBX,
            "{\"location\":\"chinaeast2\",\"sku\":{\"name\":\"premium\"},\"properties\":{\"managedResourceGroupId\":\"" SUB
            "/resourceGroups/managed\",\"parameters\":{\"enableNoPublicIp\":{\"value\":true}}}}"),
        400);
    assert_string_equal(sim_str(&s, "error.code"), "VirtualNetworkIdChangeNotAllowed");
    sim_close(&s);
}

static void test_patch_tags(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_make_workspace(&s);
    assert_int_equal(sim_call(&s, "PATCH", WS V_DBX, "{\"tags\":{\"job\":\"1\"}}"), 202);
    assert_non_null(sim_header(&s, "Location"));
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&s, "tags.job"), "1");
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    assert_int_equal(sim_call(&s, "PATCH", WS V_DBX, "{\"tags\":{\"job\":\"1\"}}"), 200);
    sim_close(&s);
}

static void test_delete_workspace(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_make_workspace(&s);
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    assert_int_equal(sim_call(&s, "DELETE", WS V_DBX, NULL), 202);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    sim_wait(&s, 60000);
    assert_int_equal(sim_call(&s, "GET", WS V_DBX, NULL), 404);
    sim_call(&s, "GET", PE V_NET, NULL);
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Disconnected");
    sim_call(&s, "GET", NSG V_NET, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "properties.securityRules")), 0);
    assert_int_equal(sim_call(&s, "DELETE", WS V_DBX, NULL), 204);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_style_async_operation),
        cmocka_unit_test(test_style_location),
        cmocka_unit_test(test_style_state_only),
        cmocka_unit_test(test_time_scale),
        cmocka_unit_test(test_operation_of_a_stranger),
        cmocka_unit_test(test_network_update),
        cmocka_unit_test(test_running_compute_fails_the_update),
        cmocka_unit_test(test_update_in_between_shows_the_old),
        cmocka_unit_test(test_vnet_cannot_change),
        cmocka_unit_test(test_patch_tags),
        cmocka_unit_test(test_delete_workspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A new workspace with its private endpoint, call by call as azure-arm.md section 12 plans it. */
#include "tests/unit/tests/azure/driver.h"

/* Create the workspace and look at it on the way; its host name comes back. */
static void create_workspace(struct sim *s, char *url, size_t url_bytes)
{
    assert_int_equal(sim_call(s, "PUT", WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules")), 201);
    assert_string_equal(sim_str(s, "properties.provisioningState"), "Accepted");
    assert_string_equal(sim_str(s, "properties.workspaceUrl"), "");
    assert_int_equal(sim_call(s, "GET", VNET "/subnets/host" V_NET, NULL), 200);
    assert_string_equal(sim_str(s, "properties.provisioningState"), "Updating");
    sim_wait(s, 60000);
    assert_int_equal(sim_call(s, "GET", WS V_DBX, NULL), 200);
    assert_string_equal(sim_str(s, "properties.provisioningState"), "Creating");
    sim_wait(s, 300000);
    assert_int_equal(sim_call(s, "GET", WS V_DBX, NULL), 200);
    assert_string_equal(sim_str(s, "properties.provisioningState"), "Succeeded");
    assert_string_equal(sim_str(s, "properties.parameters.enableNoPublicIp.type"), "Bool");
    snprintf(url, url_bytes, "%s", sim_str(s, "properties.workspaceUrl"));
    assert_ptr_equal(az_workspace_of_host(s->m, url), az_store_get(s->m, WS));
    assert_int_equal(sim_call(s, "GET", NSG V_NET, NULL), 200);
    assert_int_equal(json_array_size(az_at(s->body, "properties.securityRules")), 5); /* no webapp rule */
    assert_int_equal(sim_call(s, "GET", SUB "/resourceGroups/managed" V_RES, NULL), 200);
    assert_string_equal(sim_str(s, "managedBy"), WS);
}

static void test_whole_plan(void **unused)
{
    (void)unused;
    struct sim s;
    char url[256], name[1024], text[32];
    sim_open(&s);
    sim_make_network(&s);
    assert_int_equal(sim_call(&s, "GET", VNET V_NET, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    assert_int_equal(json_array_size(az_at(s.body, "properties.subnets")), 3);
    assert_string_equal(sim_str(&s, "properties.subnets.0.properties.delegations.0.properties.actions.0"),
                        "Microsoft.Network/virtualNetworks/subnets/join/action");

    create_workspace(&s, url, sizeof url);

    assert_int_equal(sim_call(&s, "GET", WS "/privateLinkResources" V_DBX, NULL), 200);
    assert_string_equal(sim_str(&s, "value.0.properties.requiredZoneNames.0"), ZONE_NAME);
    assert_int_equal(sim_call(&s, "PUT", ZONE V_DNS, "{\"location\":\"global\"}"), 202);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    assert_int_equal(sim_call(&s, "PUT", ZONE "/virtualNetworkLinks/link" V_DNS, SIM_LINK_BODY), 202);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    assert_int_equal(sim_call(&s, "GET", ZONE "/virtualNetworkLinks/link" V_DNS, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.virtualNetworkLinkState"), "Completed");

    assert_int_equal(sim_call(&s, "PUT", PE V_NET, SIM_PE_BODY("databricks_ui_api")), 201);
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Pending");
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Updating");
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_call(&s, "GET", PE V_NET, NULL);
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Approved");
    snprintf(name, sizeof name, "%s" V_NET, sim_str(&s, "properties.networkInterfaces.0.id"));
    assert_int_equal(sim_call(&s, "GET", name, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.ipConfigurations.0.properties.privateIPAddress"),
                        "10.10.128.4");
    assert_string_equal(
        sim_str(&s, "properties.ipConfigurations.0.properties.privateLinkConnectionProperties.fqdns.0"), url);

    sim_ensure(&s, PE "/privateDnsZoneGroups/default" V_NET, SIM_GROUP_BODY);
    sim_call(&s, "GET", PE "/privateDnsZoneGroups/default" V_NET, NULL);
    url[strcspn(url, ".") + 1 + strcspn(strchr(url, '.') + 1, ".")] = '\0';
    assert_string_equal(
        sim_str(&s, "properties.privateDnsZoneConfigs.0.properties.recordSets.0.recordSetName"), url);
    snprintf(name, sizeof name, ZONE "/A/%s" V_DNS, url);
    assert_int_equal(sim_call(&s, "GET", name, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.aRecords.0.ipv4Address"), "10.10.128.4");
    assert_int_equal(az_int(s.body, "properties.ttl", 0), 10);
    sim_close(&s);
}

static void test_second_put_changes_nothing(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_workspace(&s);
    int64_t changed = sim_count(&s, "changed"), writes = sim_count(&s, "write");
    assert_int_equal(sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}"), 200);
    sim_ensure(&s, VNET V_NET, SIM_VNET_BODY);
    sim_ensure(&s, WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules"));
    assert_int_equal(sim_count(&s, "changed"), changed);
    assert_int_equal(sim_count(&s, "write"), writes + 3);
    sim_close(&s);
}

static void test_get_body_put_back_changes_nothing(void **unused)
{
    (void)unused;
    static const char *const targets[] = {VNET V_NET, VNET "/subnets/host" V_NET, NSG V_NET, WS V_DBX,
                                          PE V_NET};
    struct sim s;
    sim_open(&s);
    sim_make_workspace(&s);
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    int64_t changed = sim_count(&s, "changed");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_int_equal(sim_call(&s, "GET", targets[i], NULL), 200);
        char *body = strdup(s.res.body);
        sim_ensure(&s, targets[i], body);
        free(body);
        if (sim_count(&s, "changed") != changed)
            fail_msg("%s", targets[i]);
    }
    sim_close(&s);
}

static void test_workspace_body_is_checked(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules")), 404);
    assert_string_equal(sim_str(&s, "error.code"), "ResourceGroupNotFound");
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules")), 400);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidResourceReference");
    sim_ensure(&s, NSG V_NET, "{\"location\":\"chinaeast2\"}");
    sim_ensure(&s, VNET V_NET, SIM_VNET_BODY);
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("Bogus")), 400);
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, "[1]"), 400);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidRequestContent");
    assert_int_equal(sim_call(&s, "PUT", RG "/providers/Microsoft.Databricks/workspaces/a!" V_DBX,
                              SIM_WS_BODY("AllRules")),
                     400);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidResourceName");
    sim_close(&s);
}

static void test_managed_group_must_not_exist(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_make_network(&s);
    sim_call(&s, "PUT", SUB "/resourceGroups/managed" V_RES, "{\"location\":\"chinaeast2\"}");
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules")), 201);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_string_equal(sim_str(&s, "error.code"), "ApplianceProvisioningFailed");
    sim_close(&s);
}

static void test_managed_group_is_protected(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_workspace(&s);
    assert_int_equal(sim_call(&s, "PUT",
                              SUB
                              "/resourceGroups/managed/providers/Microsoft.Network/publicIPAddresses/x" V_NET,
                              "{\"location\":\"chinaeast2\"}"),
                     403);
    assert_string_equal(sim_str(&s, "error.code"), "DenyAssignmentAuthorizationFailed");
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_plan),
        cmocka_unit_test(test_second_put_changes_nothing),
        cmocka_unit_test(test_get_body_put_back_changes_nothing),
        cmocka_unit_test(test_workspace_body_is_checked),
        cmocka_unit_test(test_managed_group_must_not_exist),
        cmocka_unit_test(test_managed_group_is_protected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

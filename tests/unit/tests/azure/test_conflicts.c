/* Operations that meet: superseding, other operations on the VNet, busy workspaces, things in use. */
#include "tests/unit/tests/azure/driver.h"

#define OTHER NET "/networkSecurityGroups/other"
#define NSG_BODY "{\"location\":\"chinaeast2\",\"properties\":{\"securityRules\":[]}}"
#define SUBNET_BODY(prefix) "{\"properties\":{\"addressPrefix\":\"" prefix "\"}}"

static void never_as_failure(struct sim *s)
{
    sim_load(
        s,
        "{\"behaviour\":{\"conflictAsFailure\":0,\"conflictAs429\":0,\"flatErrors\":0,\"overlapAsFailure\":0}}");
}

static void test_second_write_to_a_vnet(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    never_as_failure(&s);
    sim_make_network(&s);
    assert_int_equal(sim_call(&s, "PUT", VNET "/subnets/a" V_NET, SUBNET_BODY("10.10.129.0/27")), 201);
    assert_int_equal(sim_call(&s, "PUT", VNET "/subnets/b" V_NET, SUBNET_BODY("10.10.130.0/27")), 409);
    assert_string_equal(sim_str(&s, "error.code"), "AnotherOperationInProgress");
    sim_wait(&s, 30000);
    sim_ensure(&s, VNET "/subnets/b" V_NET, SUBNET_BODY("10.10.130.0/27"));
    sim_close(&s);
}

static void test_conflict_as_failed_operation(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_load(&s, "{\"behaviour\":{\"conflictAsFailure\":1}}");
    sim_make_network(&s);
    sim_call(&s, "PUT", VNET "/subnets/a" V_NET, SUBNET_BODY("10.10.129.0/27"));
    assert_int_equal(sim_call(&s, "PUT", VNET "/subnets/b" V_NET, SUBNET_BODY("10.10.130.0/27")), 201);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_string_equal(sim_str(&s, "error.code"), "AnotherOperationInProgress");
    sim_wait(&s, 30000);
    sim_ensure(&s, VNET "/subnets/b" V_NET, SUBNET_BODY("10.10.130.0/27"));
    sim_close(&s);
}

/* Whatever fails because of a neighbour succeeds when it is put again. */
static void test_failed_creations_are_repaired_by_another_put(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_load(&s, "{\"behaviour\":{\"conflictAsFailure\":1}}");
    sim_make_network(&s);
    sim_call(&s, "PUT", VNET "/subnets/a" V_NET, SUBNET_BODY("10.10.129.0/27"));
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules")), 201);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_null(az_store_get(s.m, SUB "/resourceGroups/managed"));
    sim_wait(&s, 30000);
    sim_ensure(&s, WS V_DBX, SIM_WS_BODY("AllRules"));
    sim_wait(&s, 60000);
    sim_call(&s, "PUT", VNET "/subnets/b" V_NET, SUBNET_BODY("10.10.130.0/27"));
    assert_int_equal(sim_call(&s, "PUT", PE V_NET, SIM_PE_BODY("databricks_ui_api")), 201);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    assert_null(az_at(s.body, "properties.privateEndpointConnections"));
    sim_wait(&s, 30000);
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "properties.privateEndpointConnections")), 1);
    sim_close(&s);
}

/* Two endpoints of one workspace from two networks, at the same time. */
static void test_endpoint_meets_busy_workspace(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
#define HUB NET "/virtualNetworks/hub"
    sim_open(&s);
    sim_make_workspace(&s);
    sim_ensure(
        &s, HUB V_NET,
        "{\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.20.0.0/16\"]},"
        "\"subnets\":[{\"name\":\"pe\",\"properties\":{\"addressPrefix\":\"10.20.0.0/27\"}}]}}");
    assert_int_equal(sim_call(&s, "PUT", PE V_NET, SIM_PE_BODY("databricks_ui_api")), 201);
    assert_int_equal(
        sim_call(&s, "PUT", NET "/privateEndpoints/hub" V_NET,
                 "{\"location\":\"chinaeast2\",\"properties\":{\"subnet\":{\"id\":\"" HUB
                 "/subnets/pe\"},\"privateLinkServiceConnections\":[{\"name\":\"c\",\"properties\":{"
                 "\"privateLinkServiceId\":\"" WS "\",\"groupIds\":[\"databricks_ui_api\"]}}]}}"),
        201);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_string_equal(sim_str(&s, "error.code"), "PrivateEndpointConnectionProvisioningFailed");
    assert_non_null(strstr(sim_str(&s, "error.message"), "ConcurrentUpdateError"));
    sim_wait(&s, 200000);
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    assert_int_equal(json_array_size(az_at(s.body, "properties.privateEndpointConnections")), 1);
    sim_close(&s);
}

static void test_same_resource_supersedes(void **unused)
{
    (void)unused;
    struct sim s;
    char first[512], text[32];
    sim_open(&s);
    assert_int_equal(sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}"), 201);
    sim_call(&s, "PUT", NSG V_NET, NSG_BODY);
    snprintf(first, sizeof first, "%s", sim_path(sim_header(&s, "Azure-AsyncOperation")));
    assert_int_equal(sim_call(&s, "PUT", NSG V_NET, "{\"location\":\"chinaeast2\",\"tags\":{\"a\":\"b\"}}"),
                     200);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    assert_int_equal(sim_call(&s, "GET", first, NULL), 200);
    assert_string_equal(sim_str(&s, "status"), "Canceled");
    assert_string_equal(sim_str(&s, "error.code"), "CanceledAndSupersededDueToAnotherOperation");
    sim_close(&s);
}

static void test_busy_workspace(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    never_as_failure(&s);
    sim_make_network(&s);
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules")), 201);
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules")), 409);
    assert_string_equal(sim_str(&s, "error.code"), "ConcurrentUpdateError");
    int status = sim_call(&s, "PUT", VNET "/subnets/x" V_NET, SUBNET_BODY("10.10.130.0/27"));
    assert_true(status == 400 || status == 429);
    assert_string_equal(sim_str(&s, "error.code"), "ReferencedResourceNotProvisioned");
    sim_wait(&s, 400000);
    assert_int_equal(sim_call(&s, "PUT", PE V_NET, SIM_PE_BODY("databricks_ui_api")), 201);
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules")), 409);
    assert_string_equal(sim_str(&s, "error.code"), "ConcurrentUpdateError");
    sim_close(&s);
}

static void test_subnets_rest_after_the_workspace(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_load(&s, "{\"durations\":{\"workspace.settle\":20}}");
    sim_make_network(&s);
    sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules"));
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    sim_call(&s, "GET", VNET "/subnets/host" V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Updating");
    sim_wait(&s, 25000);
    sim_call(&s, "GET", VNET "/subnets/host" V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    sim_close(&s);
}

static void test_things_in_use(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    never_as_failure(&s);
    sim_make_workspace(&s);
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    assert_int_equal(sim_call(&s, "DELETE", VNET "/subnets/pe" V_NET, NULL), 400);
    assert_string_equal(sim_str(&s, "error.code"), "InUseSubnetCannotBeDeleted");
    assert_int_equal(sim_call(&s, "DELETE", VNET "/subnets/host" V_NET, NULL), 400);
    assert_int_equal(sim_call(&s, "DELETE", VNET V_NET, NULL), 400);
    assert_int_equal(sim_call(&s, "DELETE", NSG V_NET, NULL), 400);
    assert_string_equal(sim_str(&s, "error.code"), "InUseNetworkSecurityGroupCannotBeDeleted");
    /* A PUT that forgets the used subnets. */
    assert_int_equal(
        sim_call(
            &s, "PUT", VNET V_NET,
            "{\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.10.0.0/16\"]},"
            "\"subnets\":[]}}"),
        400);
    assert_string_equal(sim_str(&s, "error.code"), "InUseSubnetCannotBeDeleted");
    /* A PUT of the NSG from a template, without the rules of Databricks. */
    assert_int_equal(sim_call(&s, "PUT", NSG V_NET, NSG_BODY), 400);
    assert_string_equal(sim_str(&s, "error.code"), "NetworkIntentPolicyConflict");
    sim_close(&s);
}

static void test_vnet_put_deletes_omitted_subnet(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_network(&s);
    sim_ensure(
        &s, VNET V_NET,
        "{\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.10.0.0/16\"]},\"subnets\":["
        "{\"name\":\"only\",\"properties\":{\"addressPrefix\":\"10.10.1.0/24\"}}]}}");
    assert_int_equal(sim_call(&s, "GET", VNET "/subnets/pe" V_NET, NULL), 404);
    assert_int_equal(sim_call(&s, "GET", VNET "/subnets/only" V_NET, NULL), 200);
    sim_close(&s);
}

static void test_subnet_ranges(void **unused)
{
    (void)unused;
    static const struct {
        const char *body, *code;
    } bad[] = {{SUBNET_BODY("10.11.0.0/24"), "NetcfgInvalidSubnet"},
               {SUBNET_BODY("10.10.128.0/26"), "NetcfgSubnetRangesOverlap"},
               {SUBNET_BODY("10.10.129.1/24"), "InvalidAddressPrefixFormat"},
               {SUBNET_BODY("nonsense"), "InvalidAddressPrefixFormat"}};
    struct sim s;
    sim_open(&s);
    sim_make_network(&s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sim_call(&s, "PUT", VNET "/subnets/n" V_NET, bad[i].body), 400);
        assert_string_equal(sim_str(&s, "error.code"), bad[i].code);
    }
    sim_close(&s);
}

static void test_locks_forbid(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_network(&s);
    sim_ensure(&s, RG "/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01",
               "{\"properties\":{\"level\":\"ReadOnly\"}}");
    assert_int_equal(sim_call(&s, "PUT", OTHER V_NET, NSG_BODY), 409);
    assert_string_equal(sim_str(&s, "error.code"), "ScopeLocked");
    assert_int_equal(
        sim_call(&s, "GET", VNET "/providers/Microsoft.Authorization/locks?api-version=2020-05-01", NULL),
        200);
    assert_int_equal(json_array_size(az_at(s.body, "value")), 1);
    assert_int_equal(
        sim_call(&s, "DELETE", RG "/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01", NULL),
        200);
    sim_ensure(&s, OTHER V_NET, NSG_BODY);
    sim_ensure(&s, RG "/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01",
               "{\"properties\":{\"level\":\"CanNotDelete\"}}");
    sim_ensure(&s, OTHER V_NET, "{\"location\":\"chinaeast2\",\"tags\":{\"x\":\"y\"}}");
    assert_int_equal(sim_call(&s, "DELETE", OTHER V_NET, NULL), 409);
    sim_close(&s);
}

static void test_group_delete(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_make_workspace(&s);
    assert_int_equal(sim_call(&s, "DELETE", RG V_RES, NULL), 202);
    assert_null(sim_header(&s, "Azure-AsyncOperation"));
    char url[512];
    snprintf(url, sizeof url, "%s", sim_path(sim_header(&s, "Location")));
    assert_int_equal(sim_call(&s, "GET", url, NULL), 202);
    assert_int_equal(sim_call(&s, "PUT", OTHER V_NET, NSG_BODY), 409);
    assert_string_equal(sim_str(&s, "error.code"), "ResourceGroupBeingDeleted");
    sim_wait(&s, 200000);
    assert_int_equal(sim_call(&s, "GET", url, NULL), 200);
    assert_int_equal(sim_call(&s, "GET", VNET V_NET, NULL), 404);
    assert_string_equal(sim_str(&s, "error.code"), "ResourceGroupNotFound");
    assert_null(az_store_get(s.m, SUB "/resourceGroups/managed"));
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_write_to_a_vnet),
        cmocka_unit_test(test_conflict_as_failed_operation),
        cmocka_unit_test(test_failed_creations_are_repaired_by_another_put),
        cmocka_unit_test(test_endpoint_meets_busy_workspace),
        cmocka_unit_test(test_same_resource_supersedes),
        cmocka_unit_test(test_busy_workspace),
        cmocka_unit_test(test_subnets_rest_after_the_workspace),
        cmocka_unit_test(test_things_in_use),
        cmocka_unit_test(test_vnet_put_deletes_omitted_subnet),
        cmocka_unit_test(test_subnet_ranges),
        cmocka_unit_test(test_locks_forbid),
        cmocka_unit_test(test_group_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

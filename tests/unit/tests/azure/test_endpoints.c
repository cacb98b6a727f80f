/* Private endpoints, zone groups, zones, links and records: what depends on what. */
#include "tests/unit/tests/azure/driver.h"

#define PE2 NET "/privateEndpoints/pe2"
#define RECORD ZONE "/A/manual"

static void make_zone(struct sim *s)
{
    sim_ensure(s, ZONE V_DNS, "{\"location\":\"global\"}");
    sim_ensure(s, ZONE "/virtualNetworkLinks/link" V_DNS, SIM_LINK_BODY);
}

/* The record that the workspace's endpoint owns, "" = none. */
static const char *record_ip(struct sim *s, char *buf, size_t buf_bytes)
{
    sim_call(s, "GET", ZONE "/A" V_DNS "&$recordsetnamesuffix=", NULL);
    size_t i;
    const json_t *r;
    buf[0] = '\0';
    json_array_foreach(az_at(s->body, "value"), i, r)
        if (az_istarts(az_str(r, "name"), "adb-"))
            snprintf(buf, buf_bytes, "%s", az_str(r, "properties.aRecords.0.ipv4Address"));
    return buf;
}

static void test_second_endpoint_overwrites_record(void **unused)
{
    (void)unused;
    struct sim s;
    char ip[32], text[32];
    sim_open(&s);
    sim_make_workspace(&s);
    make_zone(&s);
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_ensure(&s, PE "/privateDnsZoneGroups/default" V_NET, SIM_GROUP_BODY);
    assert_string_equal(record_ip(&s, ip, sizeof ip), "10.10.128.4");
    sim_ensure(&s, PE2 V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_ensure(&s, PE2 "/privateDnsZoneGroups/default" V_NET, SIM_GROUP_BODY);
    assert_string_equal(record_ip(&s, ip, sizeof ip), "10.10.128.5");
    assert_int_equal(sim_call(&s, "DELETE", PE2 V_NET, NULL), 202);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Succeeded");
    assert_string_equal(record_ip(&s, ip, sizeof ip), ""); /* and the first endpoint has none any more */
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "properties.privateEndpointConnections")), 1);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    sim_close(&s);
}

static void test_browser_authentication_comes_second(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_make_workspace(&s);
    make_zone(&s);
    assert_int_equal(sim_call(&s, "PUT", PE2 V_NET, SIM_PE_BODY("browser_authentication")), 201);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_string_equal(sim_str(&s, "error.code"), "PrivateEndpointConnectionProvisioningFailed");
    assert_non_null(strstr(sim_str(&s, "error.message"), "RESOURCE_CONFLICT"));
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_ensure(&s, PE2 V_NET, SIM_PE_BODY("browser_authentication"));
    sim_ensure(&s, PE2 "/privateDnsZoneGroups/default" V_NET, SIM_GROUP_BODY);
    assert_int_equal(sim_call(&s, "GET", ZONE "/A/chinaeast2.pl-auth" V_DNS, NULL), 200);
    sim_close(&s);
}

static void test_endpoint_refusals(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, "{\"behaviour\":{\"flatErrors\":1}}");
    sim_make_workspace(&s);
    assert_int_equal(sim_call(&s, "PUT", PE V_NET, SIM_PE_BODY("bogus")), 400);
    assert_string_equal(sim_str(&s, "code"), "InvalidGroupId");
    assert_int_equal(
        sim_call(&s, "PUT", PE V_NET,
                 "{\"location\":\"chinaeast2\",\"properties\":{\"subnet\":{\"id\":\"" VNET
                 "/subnets/host\"},\"privateLinkServiceConnections\":[{\"name\":\"c\",\"properties\":{"
                 "\"privateLinkServiceId\":\"" WS "\",\"groupIds\":[\"databricks_ui_api\"]}}]}}"),
        400);
    assert_string_equal(sim_str(&s, "code"), "PrivateEndpointCannotBeCreatedInDelegatedSubnet");
    assert_int_equal(
        sim_call(&s, "PUT", PE V_NET,
                 "{\"location\":\"eastus\",\"properties\":{\"subnet\":{\"id\":\"" VNET
                 "/subnets/pe\"},\"privateLinkServiceConnections\":[{\"name\":\"c\",\"properties\":{"
                 "\"privateLinkServiceId\":\"" WS "\",\"groupIds\":[\"databricks_ui_api\"]}}]}}"),
        400);
    assert_string_equal(sim_str(&s, "error.code"), "InvalidResourceReference");
    sim_close(&s);
}

static void test_static_address(void **unused)
{
    (void)unused;
#define WITH_IP(ip)                                                                                           \
    "{\"location\":\"chinaeast2\",\"properties\":{\"subnet\":{\"id\":\"" VNET                                 \
    "/subnets/pe\"},\"ipConfigurations\":[{\"name\":\"i\",\"properties\":{\"groupId\":\"databricks_ui_api\"," \
    "\"memberName\":\"databricks_ui_api\",\"privateIPAddress\":\"" ip                                         \
    "\"}}],\"privateLinkServiceConnections\":[{\"name\":\"c\",\"properties\":{\"privateLinkServiceId\":\"" WS \
    "\",\"groupIds\":[\"databricks_ui_api\"]}}]}}"
    struct sim s;
    sim_open(&s);
    sim_make_workspace(&s);
    assert_int_equal(sim_call(&s, "PUT", PE V_NET, WITH_IP("10.10.128.3")), 400);
    assert_string_equal(sim_str(&s, "error.code"), "PrivateIPAddressInReservedRange");
    assert_int_equal(sim_call(&s, "PUT", PE V_NET, WITH_IP("10.10.129.9")), 400);
    assert_string_equal(sim_str(&s, "error.code"), "PrivateIPAddressNotInSubnet");
    sim_ensure(&s, PE V_NET, WITH_IP("10.10.128.20"));
    assert_int_equal(sim_call(&s, "PUT", PE2 V_NET, WITH_IP("10.10.128.20")), 400);
    assert_string_equal(sim_str(&s, "error.code"), "PrivateIPAddressIsAllocated");
    sim_call(&s, "GET", VNET "/CheckIPAddressAvailability" V_NET "&ipAddress=10.10.128.20", NULL);
    assert_false(az_bool(s.body, "available", true));
    assert_string_equal(sim_str(&s, "availableIPAddresses.0"), "10.10.128.4");
    sim_close(&s);
}

static void test_pending_until_approved(void **unused)
{
    (void)unused;
    struct sim s;
    char connection[1024], ip[32];
    sim_open(&s);
    sim_make_workspace(&s);
    make_zone(&s);
    sim_load(
        &s,
        "{\"principals\":[{\"clientId\":\"44444444-4444-4444-4444-444444444444\",\"roles\":[\"Network Contributor\"]}]}");
    sim_sign_in(&s, "44444444-4444-4444-4444-444444444444");
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_ensure(&s, PE "/privateDnsZoneGroups/default" V_NET, SIM_GROUP_BODY);
    sim_call(&s, "GET", PE V_NET, NULL);
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Pending");
    assert_string_equal(record_ip(&s, ip, sizeof ip), "");
    assert_int_equal(sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules")), 403);
    sim_sign_in(&s, AZ_DEFAULT_CLIENT);
    sim_call(&s, "GET", WS "/privateEndpointConnections" V_DBX, NULL);
    snprintf(connection, sizeof connection, "%s" V_DBX, sim_str(&s, "value.0.id"));
    sim_ensure(
        &s, connection,
        "{\"properties\":{\"privateLinkServiceConnectionState\":{\"status\":\"Approved\",\"description\":\"ok\"}}}");
    assert_string_equal(record_ip(&s, ip, sizeof ip), "10.10.128.4");
    sim_call(&s, "DELETE", connection, NULL);
    sim_wait(&s, 60000);
    sim_call(&s, "GET", PE V_NET, NULL);
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Disconnected");
    sim_close(&s);
}

static void test_one_zone_of_a_name_per_vnet(void **unused)
{
    (void)unused;
    struct sim s;
    char text[32];
    sim_open(&s);
    sim_make_network(&s);
    make_zone(&s);
#define ZONE2 SUB "/resourceGroups/rg2/providers/Microsoft.Network/privateDnsZones/" ZONE_NAME
    sim_call(&s, "PUT", SUB "/resourceGroups/rg2" V_RES, "{\"location\":\"chinaeast2\"}");
    sim_ensure(&s, ZONE2 V_DNS, "{\"location\":\"global\"}");
    sim_load(&s, "{\"behaviour\":{\"overlapAsFailure\":0}}");
    assert_int_equal(sim_call(&s, "PUT", ZONE2 "/virtualNetworkLinks/link" V_DNS, SIM_LINK_BODY), 400);
    assert_non_null(strstr(sim_str(&s, "error.message"), "overlapping namespaces"));
    sim_load(&s, "{\"behaviour\":{\"overlapAsFailure\":1}}");
    assert_int_equal(sim_call(&s, "PUT", ZONE2 "/virtualNetworkLinks/link" V_DNS, SIM_LINK_BODY), 202);
    assert_string_equal(sim_follow(&s, text, sizeof text), "Failed");
    assert_int_equal(sim_call(&s, "DELETE", ZONE V_DNS, NULL), 409);
    assert_string_equal(sim_str(&s, "error.code"), "CannotDeleteResource");
    sim_close(&s);
}

static void test_record_conditions(void **unused)
{
    (void)unused;
    struct sim s;
    char etag[64];
    static const char body[] = "{\"properties\":{\"ttl\":10,\"aRecords\":[{\"ipv4Address\":\"10.0.0.4\"}]}}";
    sim_open(&s);
    sim_call(&s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    sim_ensure(&s, ZONE V_DNS, "{\"location\":\"global\"}");
    s.extra_count = 1;
    s.extra[0] = (struct az_header){"If-Match", "*"};
    assert_int_equal(sim_call(&s, "PUT", RECORD V_DNS, body), 412);
    s.extra[0] = (struct az_header){"If-None-Match", "*"};
    assert_int_equal(sim_call(&s, "PUT", RECORD V_DNS, body), 201);
    assert_int_equal(sim_call(&s, "PUT", RECORD V_DNS, body), 412);
    assert_int_equal(sim_call(&s, "PUT", ZONE V_DNS, "{\"location\":\"global\"}"), 412);
    s.extra_count = 0;
    assert_int_equal(sim_call(&s, "GET", ZONE "/A/MANUAL" V_DNS, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.fqdn"), "manual." ZONE_NAME ".");
    snprintf(etag, sizeof etag, "%s", sim_str(&s, "etag"));
    s.extra_count = 1;
    s.extra[0] = (struct az_header){"If-Match", etag};
    assert_int_equal(sim_call(&s, "PUT", RECORD V_DNS,
                              "{\"properties\":{\"ttl\":20,\"aRecords\":[{\"ipv4Address\":\"10.0.0.5\"}]}}"),
                     200);
    assert_int_equal(sim_call(&s, "PUT", RECORD V_DNS, body), 412);
    s.extra_count = 0;
    assert_int_equal(sim_call(&s, "PUT", RECORD V_DNS,
                              "{\"properties\":{\"ttl\":20,\"aRecords\":[{\"ipv4Address\":\"no\"}]}}"),
                     400);
    sim_call(&s, "GET", ZONE "/ALL" V_DNS, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "value")), 2);
    assert_int_equal(sim_call(&s, "DELETE", RECORD V_DNS, NULL), 200);
    assert_int_equal(sim_call(&s, "DELETE", RECORD V_DNS, NULL), 204);
    sim_close(&s);
}

static void test_zone_of_another_name_gets_no_record(void **unused)
{
    (void)unused;
    struct sim s;
#define OTHER_ZONE NET "/privateDnsZones/other.example.org"
    sim_open(&s);
    sim_make_workspace(&s);
    sim_ensure(&s, OTHER_ZONE V_DNS, "{\"location\":\"global\"}");
    sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_ensure(
        &s, PE "/privateDnsZoneGroups/default" V_NET,
        "{\"properties\":{\"privateDnsZoneConfigs\":[{\"name\":\"x\",\"properties\":{\"privateDnsZoneId\":\"" OTHER_ZONE
        "\"}}]}}");
    sim_call(&s, "GET", OTHER_ZONE "/A" V_DNS, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "value")), 0);
    sim_close(&s);
}

static void test_peering_needs_both_sides(void **unused)
{
    (void)unused;
    struct sim s;
#define HUB NET "/virtualNetworks/hub"
#define PEER(remote) "{\"properties\":{\"remoteVirtualNetwork\":{\"id\":\"" remote "\"}}}"
    sim_open(&s);
    sim_make_network(&s);
    sim_ensure(
        &s, HUB V_NET,
        "{\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.20.0.0/16\"]}}}");
    sim_ensure(&s, VNET "/virtualNetworkPeerings/p" V_NET, PEER(HUB));
    sim_call(&s, "GET", VNET "/virtualNetworkPeerings/p" V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.peeringState"), "Initiated");
    sim_ensure(&s, HUB "/virtualNetworkPeerings/p" V_NET, PEER(VNET));
    sim_call(&s, "GET", VNET "/virtualNetworkPeerings/p" V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.peeringState"), "Connected");
    sim_call(&s, "DELETE", HUB "/virtualNetworkPeerings/p" V_NET, NULL);
    sim_wait(&s, 60000);
    sim_call(&s, "GET", VNET "/virtualNetworkPeerings/p" V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.peeringState"), "Disconnected");
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_endpoint_overwrites_record),
        cmocka_unit_test(test_browser_authentication_comes_second),
        cmocka_unit_test(test_endpoint_refusals),
        cmocka_unit_test(test_static_address),
        cmocka_unit_test(test_pending_until_approved),
        cmocka_unit_test(test_one_zone_of_a_name_per_vnet),
        cmocka_unit_test(test_record_conditions),
        cmocka_unit_test(test_zone_of_another_name_gets_no_record),
        cmocka_unit_test(test_peering_needs_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

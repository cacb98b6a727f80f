/* The way out of nodes: made, adopted, refused; and what they need of the internet. */
#include "tests/lib/steprig.h"

#include "tests/azure/graph.h"

#define STEP (&cw_step_ensure_network)
#define GROUP(name) "/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/" name "/providers/Microsoft.Network/"
#define OWN GROUP("rg-existing-ws")
#define NET GROUP("rg-net")
#define VNET OWN "virtualNetworks/existing-ws-vnet"

#define NEW(network) \
    "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\",\"network\":{" network "}}"
#define OLD(network)                                                                                 \
    "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}," \
                                                       "\"network\":{" network "}}"
#define PLAN(network)                                                                        \
    "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"mode\":\"plan\"}," \
                                                       "\"network\":{" network "}}"
#define NAT "\"egress\":{\"mode\":\"natGateway\"}"
#define NAT_NAMED(id) "\"egress\":{\"mode\":\"natGateway\",\"natGatewayId\":\"" id "\"}"
#define TABLE_NAMED(id) "\"egress\":{\"mode\":\"routeTable\",\"routeTableId\":\"" id "\"}"
#define FIREWALL(address) "\"egress\":{\"mode\":\"routeTable\",\"firewallAddress\":\"" address "\"}"
#define TO_HUB "\"hubPeering\":{\"vnetId\":\"" NET "virtualNetworks/hub\"}"

/* A workspace of the short form, and whatever a test lays beside it. */
#define ESTATE(resources)                                                                               \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\",\"addressSpace\":" \
    "\"10.20.0.0/16\"}],\"resources\":[" resources "]}"
#define SUBNET(name, prefix, more)                                                            \
    "{\"id\":\"" VNET "/subnets/" name "\",\"properties\":{\"addressPrefix\":\"" prefix "\"," \
    "\"networkSecurityGroup\":{\"id\":\"" OWN "networkSecurityGroups/existing-ws-nsg\"},"     \
    "\"delegations\":[{\"name\":\"databricks\",\"properties\":{\"serviceName\":"              \
    "\"Microsoft.Databricks/workspaces\"}}]" more "}}"
#define HOST(more) SUBNET("host", "10.20.0.0/18", more)
#define CONTAINER(more) SUBNET("container", "10.20.64.0/18", more)
#define PRIVATE ",\"defaultOutboundAccess\":false"
#define WITH_NAT(name) ",\"natGateway\":{\"id\":\"" NET "natGateways/" name "\"}"
#define WITH_TABLE(name) ",\"routeTable\":{\"id\":\"" NET "routeTables/" name "\"}"
#define NAT_GATEWAY(name)                                                                              \
    "{\"id\":\"" NET "publicIPAddresses/" name "-ip\",\"location\":\"chinaeast2\",\"sku\":{\"name\":"  \
    "\"Standard\"},\"properties\":{\"ipAddress\":\"203.0.113.9\"}},{\"id\":\"" NET "natGateways/" name \
    "\",\"location\":\"chinaeast2\",\"sku\":{\"name\":\"Standard\"},\"properties\":{"                  \
    "\"publicIpAddresses\":[{\"id\":\"" NET "publicIPAddresses/" name "-ip\"}]}}"
#define TABLE(name, prefix, hop)                                                                        \
    "{\"id\":\"" NET "routeTables/" name "\",\"location\":\"chinaeast2\",\"properties\":{\"routes\":[{" \
    "\"name\":\"r\",\"properties\":{\"addressPrefix\":\"" prefix "\"," hop "}}]}}"
#define APPLIANCE(address) "\"nextHopType\":\"VirtualAppliance\",\"nextHopIpAddress\":\"" address "\""
#define HUB                                                                                    \
    "{\"id\":\"" NET "virtualNetworks/hub\",\"location\":\"chinaeast2\",\"properties\":{"      \
    "\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/16\"]},\"subnets\":[{\"name\":\"dns\"," \
    "\"properties\":{\"addressPrefix\":\"10.0.0.0/27\"}}]}}"
#define RULE(access, to, port)                                                                         \
    "{\"id\":\"" OWN "networkSecurityGroups/existing-ws-nsg/securityRules/customer\",\"properties\":{" \
    "\"priority\":100,\"direction\":\"Outbound\",\"access\":\"" access                                 \
    "\",\"protocol\":\"*\",\"sourcePortRange\":\"*\",\"sourceAddressPrefix\":\"*\","                   \
    "\"destinationAddressPrefix\":\"" to "\",\"destinationPortRange\":\"" port "\"}}"

static struct rig *before_step(const char *state, const char *kind, const char *data)
{
    struct rig *rig = rig_new(state, kind, data);
    rig_run_until(rig, STEP);
    return rig;
}

/* A member of a resource as the model has it now; "" when there is none. */
static const char *shown(const struct rig *rig, const char *id, const char *path, struct cw_buf *out)
{
    CW_AUTO(cw_auto_json) json_t *state = az_model_save(rig->model);
    size_t i;
    const json_t *v;
    out->n = 0;
    json_array_foreach(json_object_get(state, "resources"), i, v)
        if (cw_z_eq_nocase(cw_json_str(v, "id", ""), id))
            cw_buf_add_z(out, cw_json_str(v, path, ""));
    return cw_buf_z(out);
}

static void expect_on_both(const struct rig *rig, const char *vnet, const char *path, const char *id)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    const char *const names[] = {"host", "container"};
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++) {
        const char *subnet = cw_armid_child(rig->mem, vnet, "subnets", names[i]);
        assert_string_equal(shown(rig, subnet, path, &b), id);
        assert_string_equal(shown(rig, subnet, "properties/delegations/0/properties/serviceName", &b),
                            "Microsoft.Databricks/workspaces");
        assert_true(cw_z_ends(shown(rig, subnet, "properties/networkSecurityGroup/id", &b), "-nsg"));
    }
}

static void expect_refusal(struct rig *rig, int code, const char *part)
{
    struct cw_err err = {0};
    size_t before = rig_changes(rig, NULL);
    int r = rig_attempt(rig, STEP, false, &err);
    if (r != -code || strstr(err.text, part) == NULL)
        fail_msg("%s: %s, without \"%s\"", cw_err_name(r), err.text, part);
    assert_string_not_equal(err.remedy, "");
    assert_int_equal(rig_changes(rig, NULL), before);
    rig_free(rig);
}

/* ---- made ------------------------------------------------------------------------------------------------------------ */

static void a_nat_gateway_is_made_before_the_new_network(void **state)
{
    (void)state;
    struct rig *rig = before_step(RIG_EMPTY, "provision", NEW(NAT));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "publicIPAddresses/write"), 1);
    assert_int_equal(rig_changes(rig, "natGateways/write"), 1);
    assert_int_equal(rig_changes(rig, "virtualNetworks/write"), 1);
    assert_int_equal(rig_changes(rig, "subnets/write"), 0);
    expect_on_both(rig, GROUP("rg-new-ws") "virtualNetworks/new-ws-vnet", "properties/natGateway/id",
                   GROUP("rg-new-ws") "natGateways/new-ws-nat");
    assert_true(rig_has_found(rig, "both workspace subnets have NAT gateway new-ws-nat"));
    size_t changes = rig_changes(rig, NULL);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), changes);
    rig_free(rig);
}

static void a_nat_gateway_is_put_on_existing_subnets_one_by_one(void **state)
{
    (void)state;
    struct rig *rig = before_step(RIG_EXISTING, "migrate", OLD(NAT));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "natGateways/write"), 1);
    assert_int_equal(rig_changes(rig, "subnets/write"), 3);
    assert_int_equal(world_calls_of("PUT", "/virtualNetworks/existing-ws-vnet?"), 0);
    expect_on_both(rig, VNET, "properties/natGateway/id", OWN "natGateways/existing-ws-nat");
    assert_true(rig_has_found(rig, "let nodes reach 5 of 5 needed destinations"));
    size_t changes = rig_changes(rig, NULL);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), changes);
    rig_free(rig);
}

static size_t place_of_write(const char *url_part)
{
    for (size_t i = 0; i < world_call_count(); i++)
        if (cw_z_eq(world_call_at(i)->method, "PUT") && strstr(world_call_at(i)->url, url_part) != NULL)
            return i;
    return SIZE_MAX;
}

static void the_hub_is_peered_before_its_firewall_is_the_way_out(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    struct rig *rig = before_step(ESTATE(HUB), "migrate", OLD(FIREWALL("10.0.1.4") "," TO_HUB));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "routeTables/write"), 1);
    assert_string_equal(shown(rig, OWN "routeTables/existing-ws-routes/routes/to-firewall",
                              "properties/nextHopIpAddress", &b),
                        "10.0.1.4");
    expect_on_both(rig, VNET, "properties/routeTable/id", OWN "routeTables/existing-ws-routes");
    assert_true(place_of_write("virtualNetworkPeerings") < place_of_write("/subnets/host?"));
    assert_true(rig_has_found(rig, "cannot be judged from the workspace subnets: "));
    assert_true(rig_has_found(rig, "dbartifactsprodchinaeast2.blob.core.azure.localhost:443"));
    size_t changes = rig_changes(rig, NULL);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), changes);
    rig_free(rig);
}

static void a_new_network_leads_to_the_hubs_firewall(void **state)
{
    (void)state;
    struct rig *rig =
        before_step("{\"resources\":[" HUB "]}", "provision", NEW(FIREWALL("10.0.1.4") "," TO_HUB));
    rig_must(rig, STEP);
    expect_on_both(rig, GROUP("rg-new-ws") "virtualNetworks/new-ws-vnet", "properties/routeTable/id",
                   GROUP("rg-new-ws") "routeTables/new-ws-routes");
    rig_free(rig);
}

static void a_plan_tells_what_would_be_made(void **state)
{
    (void)state;
    struct rig *rig = before_step(ESTATE(HUB), "migrate", PLAN(NAT));
    rig_must(rig, STEP);
    assert_true(rig_has_changed(rig, "public address of the NAT gateway: would create"));
    assert_true(rig_has_changed(rig, "NAT gateway: would create"));
    assert_true(rig_has_changed(rig, "egress of a workspace subnet: would update"));
    assert_int_equal(rig->counts.writes, 0);
    rig_free(rig);
    rig = before_step(ESTATE(HUB), "migrate", PLAN(FIREWALL("10.0.1.4") "," TO_HUB));
    rig_must(rig, STEP);
    assert_true(rig_has_changed(rig, "route table to the firewall: would create"));
    assert_int_equal(rig->counts.writes, 0);
    rig_free(rig);
}

/* ---- adopted ---------------------------------------------------------------------------------------------------------- */

static void what_is_on_one_subnet_is_put_on_the_other(void **state)
{
    (void)state;
    struct rig *rig = before_step(
        ESTATE(NAT_GATEWAY("by-hand") "," HOST(WITH_NAT("by-hand")) "," CONTAINER("")), "migrate", OLD(NAT));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "natGateways/write"), 0);
    assert_int_equal(rig_changes(rig, "subnets/write"), 2);
    expect_on_both(rig, VNET, "properties/natGateway/id", NET "natGateways/by-hand");
    rig_free(rig);
    rig = before_step(ESTATE(HUB "," TABLE("by-hand", "0.0.0.0/0", APPLIANCE("10.0.1.4")) "," HOST(
                          "") "," CONTAINER(WITH_TABLE("by-hand"))),
                      "migrate", OLD(FIREWALL("10.0.1.4") "," TO_HUB));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "routeTables/write"), 0);
    expect_on_both(rig, VNET, "properties/routeTable/id", NET "routeTables/by-hand");
    rig_free(rig);
}

static void each_subnet_may_have_its_own(void **state)
{
    (void)state;
    struct rig *rig = before_step(
        ESTATE(NAT_GATEWAY("a") "," NAT_GATEWAY("b") "," HOST(WITH_NAT("a")) "," CONTAINER(WITH_NAT("b"))),
        "migrate", OLD(NAT));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "natGateways/write"), 0);
    assert_int_equal(rig_changes(rig, "subnets/write"), 1);
    assert_true(rig_has_found(rig, "each workspace subnet has a NAT gateway of its own"));
    rig_free(rig);
}

static void what_is_named_is_attached(void **state)
{
    (void)state;
    struct rig *rig =
        before_step(ESTATE(NAT_GATEWAY("nat")), "migrate", OLD(NAT_NAMED(NET "natGateways/nat")));
    rig_must(rig, STEP);
    expect_on_both(rig, VNET, "properties/natGateway/id", NET "natGateways/nat");
    rig_free(rig);
    rig = before_step(ESTATE(TABLE("rt", "0.0.0.0/0", APPLIANCE("10.20.250.4"))), "migrate",
                      OLD(TABLE_NAMED(NET "routeTables/rt")));
    rig_must(rig, STEP);
    expect_on_both(rig, VNET, "properties/routeTable/id", NET "routeTables/rt");
    rig_free(rig);
}

/* A provision into subnets that somebody made: their security group stays. */
static void the_security_group_of_existing_subnets_stays(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    struct rig *rig = before_step(
        "{\"resources\":[{\"id\":\"" NET "networkSecurityGroups/theirs\",\"location\":\"chinaeast2\"},"
        "{\"id\":\"" NET "virtualNetworks/spoke\",\"location\":\"chinaeast2\",\"properties\":{"
        "\"addressSpace\":{\"addressPrefixes\":[\"10.10.0.0/16\"]},\"subnets\":["
        "{\"name\":\"host\",\"properties\":{\"addressPrefix\":\"10.10.0.0/18\",\"networkSecurityGroup\":"
        "{\"id\":\"" NET "networkSecurityGroups/theirs\"}}},"
        "{\"name\":\"container\",\"properties\":{\"addressPrefix\":\"10.10.64.0/18\","
        "\"networkSecurityGroup\":{\"id\":\"" NET "networkSecurityGroups/theirs\"}}}]}}]}",
        "provision", NEW("\"vnetId\":\"" NET "virtualNetworks/spoke\""));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "networkSecurityGroups/write"), 0);
    assert_string_equal(
        shown(rig, NET "virtualNetworks/spoke/subnets/host", "properties/networkSecurityGroup/id", &b),
        NET "networkSecurityGroups/theirs");
    assert_string_equal(rig->facts.nsg_id, NET "networkSecurityGroups/theirs");
    rig_free(rig);
}

/* ---- refused ---------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *state;
    const char *network; /* of the request */
    int code;
    const char *part; /* of the error */
} misfits[] = {
    {"another NAT gateway on a subnet",
     ESTATE(NAT_GATEWAY("a") "," NAT_GATEWAY("b") "," HOST(WITH_NAT("a")) "," CONTAINER("")),
     OLD(NAT_NAMED(NET "natGateways/b")), CW_EMISCONFIGURED,
     "subnet host has NAT gateway " NET "natGateways/a"},
    {"a NAT gateway without an address",
     ESTATE("{\"id\":\"" NET "natGateways/bare\",\"location\":\"chinaeast2\",\"sku\":{\"name\":\"Standard\"},"
            "\"properties\":{}}"),
     OLD(NAT_NAMED(NET "natGateways/bare")), CW_EMISCONFIGURED, "no public address"},
    {"a NAT gateway of another region",
     ESTATE("{\"id\":\"" NET "natGateways/far\",\"location\":\"chinanorth2\",\"sku\":{\"name\":\"Standard\"},"
            "\"properties\":{}}"),
     OLD(NAT_NAMED(NET "natGateways/far")), CW_EMISCONFIGURED, "is in chinanorth2"},
    {"no such NAT gateway", ESTATE(""), OLD(NAT_NAMED(NET "natGateways/none")), CW_EREJECTED,
     "does not exist"},
    {"no such route table", ESTATE(""), OLD(TABLE_NAMED(NET "routeTables/none")), CW_EREJECTED,
     "does not exist"},
    {"a table without a default route", ESTATE(TABLE("rt", "10.0.0.0/8", APPLIANCE("10.20.250.4"))),
     OLD(TABLE_NAMED(NET "routeTables/rt")), CW_EMISCONFIGURED, "no default route"},
    {"a table that drops all", ESTATE(TABLE("rt", "0.0.0.0/0", "\"nextHopType\":\"None\"")),
     OLD(TABLE_NAMED(NET "routeTables/rt")), CW_EMISCONFIGURED, "no default route"},
    {"another table on a subnet",
     ESTATE(TABLE("rt", "0.0.0.0/0", APPLIANCE("10.20.250.4")) "," TABLE(
         "other", "0.0.0.0/0", APPLIANCE("10.20.250.4")) "," HOST("") "," CONTAINER(WITH_TABLE("other"))),
     OLD(TABLE_NAMED(NET "routeTables/rt")), CW_EMISCONFIGURED, "subnet container has route table"},
    {"a table on a subnet that leads elsewhere",
     ESTATE(HUB
            "," TABLE("rt", "0.0.0.0/0", APPLIANCE("10.0.9.9")) "," HOST(WITH_TABLE("rt")) "," CONTAINER("")),
     OLD(FIREWALL("10.0.1.4") "," TO_HUB), CW_EMISCONFIGURED, "leads to 10.0.9.9, not to 10.0.1.4"},
    {"a firewall in no connected network", ESTATE(HUB), OLD(FIREWALL("10.0.1.4")), CW_EREJECTED,
     "10.0.1.4 is not in the VNet"},
    {"a firewall outside of the hub", ESTATE(HUB), OLD(FIREWALL("10.9.1.4") "," TO_HUB), CW_EREJECTED,
     "10.9.1.4 is not in the VNet"},
    {"a table that takes the endpoint away",
     ESTATE(TABLE(
         "rt", "10.20.128.0/24",
         APPLIANCE(
             "10.20.250.4")) ",{\"id\":\"" VNET
                             "/subnets/private-endpoints\",\"properties\":{\"addressPrefix\":\"10.20.128.0/27\","
                             "\"privateEndpointNetworkPolicies\":\"RouteTableEnabled\"}}"),
     OLD(TABLE_NAMED(NET "routeTables/rt")), CW_EMISCONFIGURED, "leads subnet private-endpoints"},
    {"private subnets without a way out", ESTATE(HOST(PRIVATE) "," CONTAINER(PRIVATE)), OLD(""),
     CW_EMISCONFIGURED, "dbartifactsprodchinaeast2.blob.core.azure.localhost:443"},
    {"a NAT gateway on one of two private subnets",
     ESTATE(NAT_GATEWAY("nat") "," HOST(WITH_NAT("nat") PRIVATE) "," CONTAINER(PRIVATE)), OLD(""),
     CW_EMISCONFIGURED, "nodes in subnet container"},
    {"a rule against storage", ESTATE(RULE("Deny", "Storage", "443")), OLD(""), CW_EMISCONFIGURED,
     "rule customer of"},
    {"a rule against storage, with a NAT gateway asked for", ESTATE(RULE("Deny", "Internet", "*")), OLD(NAT),
     CW_EMISCONFIGURED, "rule customer of"},
    {"a black hole for storage",
     ESTATE(TABLE("rt", "Storage.ChinaEast2",
                  "\"nextHopType\":\"None\"") "," HOST(WITH_TABLE("rt")) "," CONTAINER(WITH_TABLE("rt"))),
     OLD(""), CW_EMISCONFIGURED, "route r of"},
    {"a firewall behind no peering",
     ESTATE(TABLE("rt", "0.0.0.0/0",
                  APPLIANCE("10.0.1.4")) "," HOST(WITH_TABLE("rt")) "," CONTAINER(WITH_TABLE("rt"))),
     OLD(""), CW_EMISCONFIGURED, "VirtualAppliance 10.0.1.4"},
};

static void what_does_not_fit_is_named_and_nothing_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(misfits); i++) {
        print_message("%s\n", misfits[i].name);
        expect_refusal(before_step(misfits[i].state, "migrate", misfits[i].network), misfits[i].code,
                       misfits[i].part);
    }
}

/* ---- told, not refused ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *state;
    const char *found;
} told[] = {
    {"metastore", ESTATE(RULE("Deny", "Sql", "3306")),
     "not reachable from the workspace subnets: consolidated-chinaeast2-prod-metastore.mysql.database.azure."
     "localhost:3306 (rule customer of "},
    {"a range that may be the storage's", ESTATE(RULE("Deny", "40.72.0.0/15", "443")),
     "cannot be judged from the workspace subnets: "},
    {"a table on one subnet",
     ESTATE(TABLE("rt", "192.168.0.0/16",
                  APPLIANCE("10.20.250.4")) "," HOST(WITH_TABLE("rt")) "," CONTAINER("")),
     "routeTables/rt is on subnet host alone"},
    {"a service endpoint",
     ESTATE(HOST(PRIVATE ",\"serviceEndpoints\":[{\"service\":\"Microsoft.Storage\"}]") "," CONTAINER(
         PRIVATE ",\"serviceEndpoints\":[{\"service\":\"Microsoft.Storage\"}]")),
     "reach 2 of 5 needed destinations"},
};

static void what_a_node_can_start_without_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(told); i++) {
        struct rig *rig = before_step(told[i].state, "migrate", OLD(""));
        rig_must(rig, STEP);
        if (!rig_has_found(rig, told[i].found)) {
            for (size_t n = 0; n < rig->found_count; n++)
                print_message("%s\n", rig->found[n]);
            fail_msg("%s: nothing says \"%s\"", told[i].name, told[i].found);
        }
        rig_free(rig);
    }
}

static void without_a_list_the_services_are_judged_by_their_tags(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = before_step(ESTATE(RULE("Deny", "Storage", "443")), "migrate", OLD(""));
    world_inject(
        &(struct world_fault){.nth = world_call_count() + 1,
                              .count = 20,
                              .url_part = "outboundNetworkDependenciesEndpoints",
                              .kind = WORLD_FAULT_ANSWER,
                              .status = 404,
                              .body = "{\"error\":{\"code\":\"InvalidResourceType\",\"message\":\"?\"}}"});
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EMISCONFIGURED);
    assert_non_null(strstr(err.text, "Storage:443"));
    rig_free(rig);
}

/* The check needs rights that a migration can do without. */
static void what_may_not_be_read_is_not_judged(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = before_step(ESTATE(RULE("Deny", "Storage", "443")), "migrate", OLD(""));
    world_inject(
        &(struct world_fault){.nth = world_call_count() + 1,
                              .count = UINT64_MAX,
                              .url_part = "/networkSecurityGroups/",
                              .kind = WORLD_FAULT_ANSWER,
                              .status = 403,
                              .body = "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}"});
    if (rig_attempt(rig, STEP, false, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(rig_has_found(rig, "the way out of subnet host cannot be judged: "));
    assert_false(rig_has_found(rig, "needed destinations"));
    rig_free(rig);
}

/* ---- end to end -------------------------------------------------------------------------------------------------------- */

#define PRIVATE_SPOKE                                                                                               \
    "{\"resources\":[{\"id\":\"" NET "virtualNetworks/spoke\",\"location\":\"chinaeast2\",\"properties\":{"         \
    "\"addressSpace\":{\"addressPrefixes\":[\"10.10.0.0/16\"]},\"subnets\":["                                       \
    "{\"name\":\"host\",\"properties\":{\"addressPrefix\":\"10.10.0.0/18\",\"defaultOutboundAccess\":false}},"      \
    "{\"name\":\"container\",\"properties\":{\"addressPrefix\":\"10.10.64.0/18\",\"defaultOutboundAccess\":false}}" \
    "]}}]}"
#define IN_SPOKE "\"vnetId\":\"" NET "virtualNetworks/spoke\""

static bool starts(const struct rig *rig)
{
    struct az_launch launch;
    struct az_resource *ws = az_store_get(rig->model, RIG_WORKSPACE("new-ws"));
    assert_non_null(ws);
    az_graph_launch(rig->model, ws, "Standard_DS3_v2", 1, &launch);
    return launch.ok;
}

static void private_subnets_are_proven_with_a_nat_gateway_and_refused_without(void **state)
{
    (void)state;
    expect_refusal(before_step(PRIVATE_SPOKE, "provision", NEW(IN_SPOKE)), CW_EMISCONFIGURED, "Storage:443");
    struct rig *rig = rig_new(PRIVATE_SPOKE, "provision", NEW(IN_SPOKE "," NAT));
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    assert_true(starts(rig));
    const char *const names[] = {"host", "container"};
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++) { /* the NAT gateway is what made the difference */
        struct az_resource *subnet = az_store_get(
            rig->model, cw_armid_child(rig->mem, NET "virtualNetworks/spoke", "subnets", names[i]));
        json_object_del(json_object_get(subnet->body, "properties"), "natGateway");
    }
    assert_false(starts(rig));
    rig_free(rig);
}

/* The hub's firewall, DNS zone and VNet are another subscription's. */
#define OTHER \
    "/subscriptions/55555555-5555-5555-5555-555555555555/resourceGroups/rg-hub/providers/Microsoft.Network/"
#define CENTRAL                                                                                              \
    "{\"subscriptions\":[{\"id\":\"55555555-5555-5555-5555-555555555555\"}],\"resources\":["                 \
    "{\"id\":\"" OTHER "virtualNetworks/hub\",\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":" \
    "{\"addressPrefixes\":[\"10.0.0.0/16\"]},\"subnets\":[{\"name\":\"fw\",\"properties\":"                  \
    "{\"addressPrefix\":\"10.0.1.0/26\"}}]}},"                                                               \
    "{\"id\":\"" OTHER "privateDnsZones/privatelink.databricks.azure.localhost\",\"location\":\"global\"}]," \
    "\"databricks\":{\"appliances\":{\"10.0.1.4\":{\"publicIp\":\"203.0.113.20\"}}}}"

static void the_hub_of_another_subscription_serves_zone_and_way_out(void **state)
{
    (void)state;
    struct rig *rig = rig_new(
        CENTRAL, "provision",
        "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\",\"network\":{" FIREWALL(
            "10.0.1.4") ",\"hubPeering\":{\"vnetId\":\"" OTHER
                        "virtualNetworks/hub\"}},\"privateDns\":{\"zoneId\":"
                        "\"" OTHER "privateDnsZones/privatelink.databricks.azure.localhost\"}}");
    rig_run_until(rig, NULL);
    if (rig->facts.proof_error.code != NULL)
        fail_msg("%s", rig->facts.proof_error.message);
    assert_string_equal(rig->facts.zone_id, OTHER "privateDnsZones/privatelink.databricks.azure.localhost");
    assert_int_equal(rig_changes(rig, "privateDnsZones/write"), 0);
    assert_int_equal(rig_changes(rig, OTHER "virtualNetworks/hub/virtualNetworkPeerings"), 1);
    assert_true(starts(rig));
    size_t changes = rig_changes(rig, "/write");
    rig->facts = (struct cw_facts){0};
    rig_run_until(rig, NULL);
    assert_int_equal(rig_changes(rig, "/write"), changes);
    rig_free(rig);
}

/* ops/deploy/role.json, for the identity of the rig. */
static char *state_with_role(void)
{
    CW_AUTO(cw_buf_fini) struct cw_buf path = {0};
    const char *root = getenv("CW_ROOT");
    cw_buf_addf(&path, "%s/ops/deploy/role.json", root != NULL ? root : ".");
    CW_AUTO(cw_auto_json) json_t *role = json_load_file(cw_buf_z(&path), 0, NULL);
    CW_AUTO(cw_auto_json) json_t *state = json_loads(CENTRAL, 0, NULL);
    assert_true(role != NULL && state != NULL);
    json_object_set_new(state, "principals",
                        json_pack("[{s:s,s:s,s:[{s:O}]}]", "clientId", "33333333-3333-3333-3333-333333333333",
                                  "clientSecret", "sim-secret", "roles", "actions",
                                  json_object_get(role, "Actions")));
    return cw_json_print(state);
}

static void the_published_role_is_enough(void **state)
{
    (void)state;
    const char *const ways[] = {
        NEW(NAT ",\"hubPeering\":{\"vnetId\":\"" OTHER "virtualNetworks/hub\"}"),
        NEW(FIREWALL("10.0.1.4") ",\"hubPeering\":{\"vnetId\":\"" OTHER "virtualNetworks/hub\"}")};
    CW_AUTO(cw_auto_str) char *estate = state_with_role();
    for (size_t i = 0; i < CW_ARRAY_LEN(ways); i++) {
        struct rig *rig = rig_new(estate, "provision", ways[i]);
        rig_run_until(rig, &cw_step_verify_dns);
        assert_non_null(rig->facts.record_name);
        assert_string_equal(rig->facts.endpoint_status, "Approved");
        rig_free(rig);
    }
}

/* ---- failures ----------------------------------------------------------------------------------------------------------- */

static void a_crash_between_address_and_gateway_leaves_one_of_each(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = before_step(RIG_EXISTING, "migrate", OLD(NAT));
    world_inject(&(struct world_fault){.nth = world_call_count() + 1,
                                       .count = UINT64_MAX,
                                       .method = "PUT",
                                       .url_part = "/natGateways/",
                                       .kind = WORLD_FAULT_ERROR,
                                       .error = CW_ENET});
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_ENET);
    assert_int_equal(rig_changes(rig, "publicIPAddresses/write"), 1);
    rig = rig_restart(rig);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "publicIPAddresses/write"), 1);
    assert_int_equal(rig_changes(rig, "natGateways/write"), 1);
    expect_on_both(rig, VNET, "properties/natGateway/id", OWN "natGateways/existing-ws-nat");
    rig_free(rig);
}

static void a_new_nat_gateway_survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){
        .state = RIG_EMPTY, .kind = "provision", .data = NEW(NAT), .step = STEP, .stride = 3});
    rig_sweep(&(struct rig_sweep){
        .state = RIG_EXISTING, .kind = "migrate", .data = OLD(NAT), .step = STEP, .stride = 5});
}

static void a_new_route_table_survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = ESTATE(HUB),
                                  .kind = "migrate",
                                  .data = OLD(FIREWALL("10.0.1.4") "," TO_HUB),
                                  .step = STEP,
                                  .stride = 5});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nat_gateway_is_made_before_the_new_network),
        cmocka_unit_test(a_nat_gateway_is_put_on_existing_subnets_one_by_one),
        cmocka_unit_test(the_hub_is_peered_before_its_firewall_is_the_way_out),
        cmocka_unit_test(a_new_network_leads_to_the_hubs_firewall),
        cmocka_unit_test(a_plan_tells_what_would_be_made),
        cmocka_unit_test(what_is_on_one_subnet_is_put_on_the_other),
        cmocka_unit_test(each_subnet_may_have_its_own),
        cmocka_unit_test(what_is_named_is_attached),
        cmocka_unit_test(the_security_group_of_existing_subnets_stays),
        cmocka_unit_test(what_does_not_fit_is_named_and_nothing_changed),
        cmocka_unit_test(what_a_node_can_start_without_is_told),
        cmocka_unit_test(without_a_list_the_services_are_judged_by_their_tags),
        cmocka_unit_test(what_may_not_be_read_is_not_judged),
        cmocka_unit_test(private_subnets_are_proven_with_a_nat_gateway_and_refused_without),
        cmocka_unit_test(the_hub_of_another_subscription_serves_zone_and_way_out),
        cmocka_unit_test(the_published_role_is_enough),
        cmocka_unit_test(a_crash_between_address_and_gateway_leaves_one_of_each),
        cmocka_unit_test(a_new_nat_gateway_survives_failures),
        cmocka_unit_test(a_new_route_table_survives_failures),
    };
    return cmocka_run_group_tests_name("step/egress", tests, NULL, NULL);
}

/* Security rules and routes as tables: which one decides, and where that is not certain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/reach.h"

#define STORAGE                                  \
    {                                            \
        .tag = "Storage", .region = "chinaeast2" \
    }
#define HOST                    \
    {                           \
        .range = "10.30.0.0/18" \
    }
#define ENDPOINT               \
    {                          \
        .range = "10.30.128.4" \
    }
#define RULES_MAX 4

static const struct {
    const char *name;
    struct cw_security_rule
        rules[RULES_MAX]; /* name, direction, access, protocol, priority, from, to, ports */
    struct cw_flow flow;
    const char *rule;
    const char *doubt;
    bool is_denied;
} rulings[] = {
    {"no rule", {{0}}, {HOST, STORAGE, 443}, NULL, NULL, false},
    {"deny all", {{"d", "Outbound", "Deny", "*", 200, "*", "*", "*"}}, {HOST, STORAGE, 443}, "d", NULL, true},
    {"an allow before it",
     {{"d", "Outbound", "Deny", "*", 200, "*", "*", "*"},
      {"a", "Outbound", "Allow", "Tcp", 100, "VirtualNetwork", "Storage", "443"}},
     {HOST, STORAGE, 443},
     "a",
     NULL,
     false},
    {"an allow behind it",
     {{"d", "Outbound", "Deny", "*", 200, "*", "Internet", "*"},
      {"a", "Outbound", "Allow", "Tcp", 300, "*", "Storage", "443"}},
     {HOST, STORAGE, 443},
     "d",
     NULL,
     true},
    {"another direction",
     {{"d", "Inbound", "Deny", "*", 100, "*", "*", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"another protocol",
     {{"d", "Outbound", "Deny", "Udp", 100, "*", "*", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"ranges and lists of ports",
     {{"d", "Outbound", "Deny", "Tcp", 100, "*", "*", "80,440-450"}},
     {HOST, STORAGE, 443},
     "d",
     NULL,
     true},
    {"another port",
     {{"d", "Outbound", "Deny", "Tcp", 100, "*", "*", "80,444-450"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"another service",
     {{"d", "Outbound", "Deny", "*", 100, "*", "Sql", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"a service of the name's begin",
     {{"d", "Outbound", "Deny", "*", 100, "*", "StorageSyncService", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"the whole cloud",
     {{"d", "Outbound", "Deny", "*", 100, "*", "AzureCloud", "*"}},
     {HOST, STORAGE, 443},
     "d",
     NULL,
     true},
    {"the service in our region",
     {{"d", "Outbound", "Deny", "*", 100, "*", "Storage.ChinaEast2", "*"}},
     {HOST, STORAGE, 443},
     "d",
     NULL,
     true},
    {"the service in another region",
     {{"d", "Outbound", "Deny", "*", 100, "*", "Storage.ChinaNorth2", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     "d",
     false},
    {"a public range, the service's address unknown",
     {{"d", "Outbound", "Deny", "*", 100, "*", "40.72.0.0/15", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     "d",
     false},
    {"an allow of a range before a deny of all",
     {{"a", "Outbound", "Allow", "*", 100, "*", "40.72.0.0/15", "*"},
      {"d", "Outbound", "Deny", "*", 200, "*", "*", "*"}},
     {HOST, STORAGE, 443},
     "d",
     "a",
     true},
    {"a public range that holds the known address",
     {{"d", "Outbound", "Deny", "*", 100, "*", "40.72.0.0/15", "*"}},
     {HOST, {.tag = "Storage", .range = "40.73.1.2"}, 443},
     "d",
     NULL,
     true},
    {"a private range is no service",
     {{"d", "Outbound", "Deny", "*", 100, "*", "10.0.0.0/8", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"the VNet is no service",
     {{"d", "Outbound", "Deny", "*", 100, "*", "VirtualNetwork", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"the VNet holds the endpoint",
     {{"d", "Outbound", "Deny", "*", 100, "*", "VirtualNetwork", "443"}},
     {HOST, ENDPOINT, 443},
     "d",
     NULL,
     true},
    {"the internet does not hold the endpoint",
     {{"d", "Outbound", "Deny", "*", 100, "*", "Internet", "*"}},
     {HOST, ENDPOINT, 443},
     NULL,
     NULL,
     false},
    {"the endpoint's range",
     {{"d", "Inbound", "Deny", "*", 100, "10.30.0.0/16", "10.30.128.0/27", "*"}},
     {HOST, ENDPOINT, 6666},
     "d",
     NULL,
     true},
    {"a part of the nodes' range",
     {{"d", "Outbound", "Deny", "*", 100, "10.30.0.0/28", "*", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     "d",
     false},
    {"application groups are of others' NICs",
     {{"d", "Outbound", "Deny", "*", 100, "", "", "*"}},
     {HOST, STORAGE, 443},
     NULL,
     NULL,
     false},
    {"a public place without a tag",
     {{"s", "Outbound", "Deny", "*", 100, "*", "Storage", "*"}},
     {HOST, {.tag = ""}, 443},
     NULL,
     "s",
     false},
};

static const char *name_of(const struct cw_security_rule *rule)
{
    return rule == NULL ? NULL : rule->name;
}

static void rules_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(rulings); i++) {
        struct cw_nsg nsg = {.rules = rulings[i].rules};
        while (nsg.rule_count < RULES_MAX && rulings[i].rules[nsg.rule_count].name != NULL)
            nsg.rule_count++;
        const char *direction = nsg.rule_count > 0 && rulings[i].flow.port == 6666 ? "Inbound" : "Outbound";
        const struct cw_ruling got = cw_nsg_ruling(&nsg, direction, &rulings[i].flow);
        if (!cw_z_eq(name_of(got.rule), rulings[i].rule) || !cw_z_eq(name_of(got.doubt), rulings[i].doubt) ||
            cw_ruling_denies(&got) != rulings[i].is_denied)
            fail_msg("%s: rule %s, doubt %s", rulings[i].name, name_of(got.rule), name_of(got.doubt));
    }
}

static const struct {
    const char *name;
    struct cw_route routes[RULES_MAX]; /* name, prefix, type of hop, hop */
    struct cw_place to;
    const char *route;
    const char *doubt;
} ways[] = {
    {"no route", {{0}}, STORAGE, NULL, NULL},
    {"the default", {{"all", "0.0.0.0/0", "VirtualAppliance", "10.0.0.4"}}, STORAGE, "all", NULL},
    {"a tag before the default",
     {{"all", "0.0.0.0/0", "VirtualAppliance", "10.0.0.4"}, {"tag", "Storage", "Internet", NULL}},
     STORAGE,
     "tag",
     NULL},
    {"a tag of the region before the tag",
     {{"tag", "Storage", "None", NULL}, {"near", "Storage.ChinaEast2", "Internet", NULL}},
     STORAGE,
     "near",
     NULL},
    {"a tag of another region",
     {{"tag", "Storage", "Internet", NULL}, {"far", "Storage.ChinaNorth2", "None", NULL}},
     STORAGE,
     "tag",
     "far"},
    {"the whole cloud",
     {{"all", "0.0.0.0/0", "VirtualAppliance", "10.0.0.4"}, {"cloud", "AzureCloud", "Internet", NULL}},
     STORAGE,
     "cloud",
     NULL},
    {"another service", {{"tag", "Sql", "None", NULL}}, STORAGE, NULL, NULL},
    {"a public range", {{"range", "40.72.0.0/15", "None", NULL}}, STORAGE, NULL, "range"},
    {"a public range that leads the same way",
     {{"all", "0.0.0.0/0", "VirtualAppliance", "10.0.0.4"},
      {"range", "40.72.0.0/15", "VirtualAppliance", "10.0.0.4"}},
     STORAGE,
     "all",
     NULL},
    {"a private range", {{"range", "10.0.0.0/8", "None", NULL}}, STORAGE, NULL, NULL},
    {"a known address",
     {{"all", "0.0.0.0/0", "Internet", NULL}, {"range", "40.72.0.0/15", "None", NULL}},
     {.tag = "Storage", .range = "40.73.0.1"},
     "range",
     NULL},
};

static const char *route_name(const struct cw_route *route)
{
    return route == NULL ? NULL : route->name;
}

static struct cw_route_table table_of(const struct cw_route *routes)
{
    struct cw_route_table table = {.routes = routes};
    while (table.route_count < RULES_MAX && routes[table.route_count].name != NULL)
        table.route_count++;
    return table;
}

static void the_most_specific_route_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(ways); i++) {
        const struct cw_route_table table = table_of(ways[i].routes);
        const struct cw_way got = cw_route_table_way(&table, &ways[i].to, 0);
        if (!cw_z_eq(route_name(got.route), ways[i].route) || !cw_z_eq(route_name(got.doubt), ways[i].doubt))
            fail_msg("%s: route %s, doubt %s", ways[i].name, route_name(got.route), route_name(got.doubt));
    }
}

static const struct {
    const char *name;
    struct cw_route routes[RULES_MAX];
    bool is_policed;
    const char *route;
} overrides[] = {
    {"the default leaves it", {{"all", "0.0.0.0/0", "VirtualAppliance", "10.0.0.4"}}, true, NULL},
    {"less specific than the VNet", {{"ten", "10.0.0.0/8", "VirtualAppliance", "10.0.0.4"}}, true, NULL},
    {"as specific as the VNet", {{"vnet", "10.30.0.0/16", "VirtualAppliance", "10.0.0.4"}}, true, "vnet"},
    {"the endpoints' subnet", {{"pe", "10.30.128.0/27", "None", NULL}}, true, "pe"},
    {"the endpoint's own route is more specific", {{"pe", "10.30.128.0/27", "None", NULL}}, false, NULL},
    {"but not than the address itself", {{"one", "10.30.128.4/32", "None", NULL}}, false, "one"},
    {"led back into the VNet",
     {{"vnet", "10.30.0.0/16", "VirtualAppliance", "10.0.0.4"}, {"pe", "10.30.128.0/27", "VnetLocal", NULL}},
     true,
     NULL},
    {"another subnet", {{"host", "10.30.0.0/18", "VirtualAppliance", "10.0.0.4"}}, true, NULL},
};

static void what_takes_the_endpoint_away_is_found(void **state)
{
    (void)state;
    static const char *const spaces[] = {"10.99.0.0/16", "10.30.0.0/16"};
    const struct cw_vnet vnet = {.prefixes = spaces, .prefix_count = 2};
    for (size_t i = 0; i < CW_ARRAY_LEN(overrides); i++) {
        const struct cw_route_table table = table_of(overrides[i].routes);
        const struct cw_route *got =
            cw_route_table_override(&table, &vnet, "10.30.128.4", overrides[i].is_policed);
        if (!cw_z_eq(route_name(got), overrides[i].route))
            fail_msg("%s: route %s", overrides[i].name, route_name(got));
    }
}

/* --- what nodes need --- */

static const struct {
    struct cw_outbound_endpoint endpoint;
    const char *tag; /* NULL: left out */
    bool is_vital;
} listed[] = {
    {{"Webapp", "adb-1.2.databricks.azure.cn", NULL, 443}, NULL, false},
    {{"Control Plane NAT", "203.0.113.1/32", NULL, 443}, NULL, false},
    {{"Extended infrastructure", "tunnel.chinaeast2.databricks.azure.cn", NULL, 443}, NULL, false},
    {{"Azure Storage", "dbfs1.blob.core.chinacloudapi.cn", NULL, 443}, "Storage", true},
    {{"Azure My SQL", "metastore.mysql.database.chinacloudapi.cn", NULL, 3306}, "Sql", false},
    {{"Azure Servicebus", "hub.servicebus.chinacloudapi.cn", NULL, 9093}, "EventHub", false},
    {{"Something new", "logs.dfs.core.chinacloudapi.cn", NULL, 443}, "Storage", true},
    {{"Something new", "time.example.cn", "40.73.1.2", 123}, "", false},
};

static void needs_are_read_from_the_list(void **state)
{
    (void)state;
    struct cw_arena *mem = NULL;
    size_t count = 0;
    assert_int_equal(cw_arena_new(1 << 20, &mem), 0);
    for (size_t i = 0; i < CW_ARRAY_LEN(listed); i++) {
        const struct cw_need *needs = cw_needs_of(&listed[i].endpoint, 1, "chinaeast2", mem, &count);
        bool is_kept = listed[i].tag != NULL;
        assert_int_equal(count, is_kept ? 2 : 4); /* sign-in besides; services where nothing is kept */
        if (is_kept && (!cw_z_eq(needs[0].to.tag, listed[i].tag) || needs[0].is_vital != listed[i].is_vital))
            fail_msg("%s: %s", listed[i].endpoint.domain, needs[0].to.tag);
        assert_string_equal(needs[count - 1].name, "AzureActiveDirectory:443");
    }
    const struct cw_outbound_endpoint twice[] = {{"Azure Storage", "a.blob.core.x", "40.73.0.1", 443},
                                                 {"Azure Storage", "a.blob.core.x", "40.73.0.2", 443},
                                                 {"Azure Storage", "a.blob.core.x", "40.73.0.1", 8443}};
    const struct cw_need *needs = cw_needs_of(twice, CW_ARRAY_LEN(twice), NULL, mem, &count);
    assert_int_equal(count, 3);
    assert_string_equal(needs[0].name, "a.blob.core.x:443");
    assert_null(needs[0].to.range); /* either of two */
    assert_string_equal(needs[1].to.range, "40.73.0.1");
    cw_arena_free(mem);
}

#define SPOKE .prefix = "10.30.0.0/18"

static const struct cw_security_rule deny = {"deny", "Outbound", "Deny", "*", 100, "*", "Internet", "*"};
static const struct cw_nsg closed = {.rules = &deny, .rule_count = 1};
static const struct cw_route firewall = {"fw", "0.0.0.0/0", "VirtualAppliance", "10.0.1.4"};
static const struct cw_route gateway = {"vpn", "0.0.0.0/0", "VirtualNetworkGateway", NULL};
static const struct cw_route nowhere = {"none", "Storage", "None", NULL};
static const struct cw_route part = {"part", "40.0.0.0/8", "None", NULL};
static const struct cw_route direct = {"direct", "Storage", "Internet", NULL};
static const struct cw_route_table to_firewall = {.routes = &firewall, .route_count = 1};
static const struct cw_route_table to_gateway = {.routes = &gateway, .route_count = 1};
static const struct cw_route_table to_nowhere = {.routes = &nowhere, .route_count = 1};
static const struct cw_route_table to_part = {.routes = &part, .route_count = 1};
static const struct cw_route_table to_direct = {.routes = &direct, .route_count = 1};
static const struct cw_subnet open_subnet = {SPOKE};
static const struct cw_subnet private_subnet = {SPOKE, .is_private = true};
static const struct cw_subnet served_subnet = {SPOKE, .is_private = true,
                                               .service_endpoints = "Microsoft.Sql,Microsoft.Storage"};
static const struct cw_subnet almost_served = {SPOKE, .is_private = true,
                                               .service_endpoints = "Microsoft.StorageSync"};
static const struct cw_nat_gateway nat = {.address_count = 1};
static const struct cw_nat_gateway bare_nat = {.address_count = 0};
static const char *const hub_space[] = {"10.0.0.0/16"};
static const struct cw_peering to_hub = {
    .state = "Connected", .remote_prefixes = hub_space, .remote_prefix_count = 1};
static const struct cw_peering to_lost_hub = {
    .state = "Disconnected", .remote_prefixes = hub_space, .remote_prefix_count = 1};
static const struct cw_peering to_unknown = {.state = "Connected"};
static const struct cw_vnet spoke = {.peerings = &to_hub, .peering_count = 1};
static const struct cw_vnet lone = {.peerings = &to_lost_hub, .peering_count = 1};
static const struct cw_vnet blind = {.peerings = &to_unknown, .peering_count = 1};

static const struct {
    const char *name;
    struct cw_vantage from; /* subnet, vnet, nsg, routes, nat, other way */
    enum cw_reach reach;
} cases[] = {
    {"Azure's default outbound access", {&open_subnet, NULL, NULL, NULL, NULL, false}, CW_REACH_OPEN},
    {"a private subnet", {&private_subnet, NULL, NULL, NULL, NULL, false}, CW_REACH_NO_WAY},
    {"with a NAT gateway", {&private_subnet, NULL, NULL, NULL, &nat, false}, CW_REACH_OPEN},
    {"with a load balancer", {&private_subnet, NULL, NULL, NULL, NULL, true}, CW_REACH_OPEN},
    {"a NAT gateway goes before default access, and leads nowhere",
     {&open_subnet, NULL, NULL, NULL, &bare_nat, false},
     CW_REACH_NO_WAY},
    {"a rule", {&open_subnet, NULL, &closed, NULL, &nat, false}, CW_REACH_DENIED},
    {"a rule goes before a service endpoint",
     {&served_subnet, NULL, &closed, NULL, NULL, false},
     CW_REACH_DENIED},
    {"a service endpoint", {&served_subnet, NULL, NULL, &to_nowhere, NULL, false}, CW_REACH_OPEN},
    {"another service's endpoint", {&almost_served, NULL, NULL, NULL, NULL, false}, CW_REACH_NO_WAY},
    {"a black hole", {&open_subnet, NULL, NULL, &to_nowhere, &nat, false}, CW_REACH_DROPPED},
    {"a black hole for some addresses", {&open_subnet, NULL, NULL, &to_part, &nat, false}, CW_REACH_DOUBTFUL},
    {"a firewall", {&private_subnet, NULL, NULL, &to_firewall, NULL, false}, CW_REACH_APPLIANCE},
    {"a firewall in the hub", {&private_subnet, &spoke, NULL, &to_firewall, NULL, false}, CW_REACH_APPLIANCE},
    {"a firewall behind a lost peering",
     {&private_subnet, &lone, NULL, &to_firewall, NULL, false},
     CW_REACH_DROPPED},
    {"a peer that does not tell its space",
     {&private_subnet, &blind, NULL, &to_firewall, NULL, false},
     CW_REACH_APPLIANCE},
    {"on-premises", {&private_subnet, &lone, NULL, &to_gateway, NULL, false}, CW_REACH_APPLIANCE},
    {"a route to the internet is no way by itself",
     {&private_subnet, NULL, NULL, &to_direct, NULL, false},
     CW_REACH_NO_WAY},
    {"but with a NAT gateway", {&private_subnet, NULL, NULL, &to_direct, &nat, false}, CW_REACH_OPEN},
};

static void ways_out_are_judged(void **state)
{
    (void)state;
    const struct cw_need storage = {.name = "s:443", .to = STORAGE, .port = 443, .is_vital = true};
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        const struct cw_reached got = cw_reach(&cases[i].from, &storage);
        if (got.reach != cases[i].reach)
            fail_msg("%s: %d", cases[i].name, (int)got.reach);
        bool is_cut =
            got.reach == CW_REACH_DENIED || got.reach == CW_REACH_DROPPED || got.reach == CW_REACH_NO_WAY;
        assert_int_equal(cw_reach_is_cut(got.reach), is_cut);
    }
}

static void names_of_those_that_end_alike(void **state)
{
    (void)state;
    struct cw_arena *mem = NULL;
    const struct cw_need needs[] = {{.name = "a:1"}, {.name = "b:2"}, {.name = "c:3"}, {.name = "d:4"}};
    const struct cw_reached reached[] = {{.reach = CW_REACH_NO_WAY},
                                         {.reach = CW_REACH_OPEN},
                                         {.reach = CW_REACH_NO_WAY},
                                         {.reach = CW_REACH_NO_WAY}};
    assert_int_equal(cw_arena_new(1 << 16, &mem), 0);
    assert_string_equal(cw_reached_names(needs, reached, 4, 0, 100, mem), "a:1, c:3, d:4");
    assert_string_equal(cw_reached_names(needs, reached, 4, 0, 6, mem), "a:1, c:3 and 1 more");
    assert_string_equal(cw_reached_names(needs, reached, 4, 1, 100, mem), "b:2");
    cw_arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_decide),
        cmocka_unit_test(the_most_specific_route_decides),
        cmocka_unit_test(what_takes_the_endpoint_away_is_found),
        cmocka_unit_test(needs_are_read_from_the_list),
        cmocka_unit_test(ways_out_are_judged),
        cmocka_unit_test(names_of_those_that_end_alike),
    };
    return cmocka_run_group_tests_name("common/azure/reach", tests, NULL, NULL);
}

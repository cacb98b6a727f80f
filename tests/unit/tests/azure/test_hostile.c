/* Requests that no client should send, made from a seed: the model answers each, and stays whole. */
#include "tests/unit/tests/azure/driver.h"

#define ROUNDS 1500

static const char *const paths[] = {
    RG,
    NSG,
    VNET,
    VNET "/subnets/host",
    VNET "/subnets/pe",
    PE,
    PE "/privateDnsZoneGroups/default",
    ZONE,
    ZONE "/virtualNetworkLinks/link",
    ZONE "/A/a",
    WS,
    WS "/privateEndpointConnections",
    WS "/privateLinkResources",
    NET "/natGateways/n",
    NET "/publicIPAddresses/p",
    NET "/routeTables/r",
    NET "/routeTables/r/routes/x",
    NSG "/securityRules/r1",
    VNET "/virtualNetworkPeerings/p",
    SUB "/providers/Microsoft.Network/register",
    SUB,
    "/",
    "/subscriptions",
    RG "/resources",
    RG "/providers/Microsoft.Authorization/locks/l",
    "/providers/Microsoft.ResourceGraph/resources",
    VNET "/CheckIPAddressAvailability",
    VNET "/usages",
    ZONE "/ALL",
    WS "/outboundNetworkDependenciesEndpoints",
    "/subscriptions/%00/%ff/../..//",
    "//////",
    "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION "/resourceGroups/%",
};
static const char *const versions[] = {V_NET,
                                       V_DNS,
                                       V_DBX,
                                       V_RES,
                                       "?api-version=",
                                       "",
                                       "?&&=&api-version=2021-03-01&$top=x&$skipToken=-9",
                                       "?api-version=2020-05-01"};
static const char *const methods[] = {"GET", "GET",    "PUT",   "PUT",  "PUT",  "PUT",     "PUT",
                                      "PUT", "DELETE", "PATCH", "POST", "HEAD", "OPTIONS", "BREW"};
static const char *const keys[] = {"location",
                                   "tags",
                                   "properties",
                                   "sku",
                                   "name",
                                   "id",
                                   "subnets",
                                   "addressSpace",
                                   "addressPrefixes",
                                   "addressPrefix",
                                   "securityRules",
                                   "subnet",
                                   "privateLinkServiceConnections",
                                   "privateLinkServiceId",
                                   "groupIds",
                                   "privateDnsZoneConfigs",
                                   "privateDnsZoneId",
                                   "virtualNetwork",
                                   "parameters",
                                   "customVirtualNetworkId",
                                   "customPublicSubnetName",
                                   "value",
                                   "managedResourceGroupId",
                                   "requiredNsgRules",
                                   "ttl",
                                   "aRecords",
                                   "ipv4Address",
                                   "remoteVirtualNetwork",
                                   "level",
                                   "delegations",
                                   "serviceName",
                                   "networkSecurityGroup",
                                   "routes",
                                   "publicIpAddresses",
                                   "query",
                                   "options",
                                   "privateLinkServiceConnectionState",
                                   "status",
                                   "ipConfigurations",
                                   "privateIPAddress"};
static const char *const strings[] = {"chinaeast2",
                                      "global",
                                      "",
                                      "10.10.0.0/16",
                                      "10.10.128.0/27",
                                      "0.0.0.0/0",
                                      "10.0.0.0/33",
                                      WS,
                                      VNET,
                                      VNET "/subnets/pe",
                                      ZONE,
                                      NSG,
                                      "premium",
                                      "AllRules",
                                      "databricks_ui_api",
                                      "/",
                                      "/subscriptions//resourceGroups",
                                      "x",
                                      "resources | where a == (b",
                                      "%s%n",
                                      "resources | where ((((((((((((((((((((((a",
                                      "Microsoft.Databricks/workspaces",
                                      "ReadOnly",
                                      "Approved",
                                      "a.b.c"};
#define PICK(s, list) list[az_random((s)->m) % (sizeof list / sizeof list[0])]

static json_t *random_value(struct sim *s, int depth)
{
    switch (az_random(s->m) % (depth > 4 ? 5 : 8)) {
    case 0:
        return json_null();
    case 1:
        return json_integer((json_int_t)(az_random(s->m) % 5000) - 100);
    case 2:
        return json_boolean(az_random(s->m) & 1);
    case 3:
    case 4:
        return json_string(PICK(s, strings));
    case 5: {
        json_t *list = json_array();
        for (uint64_t n = az_random(s->m) % 4; n > 0; n--)
            json_array_append_new(list, random_value(s, depth + 1));
        return list;
    }
    default: {
        json_t *o = json_object();
        for (uint64_t n = az_random(s->m) % 6; n > 0; n--)
            json_object_set_new(o, PICK(s, keys), random_value(s, depth + 1));
        return o;
    }
    }
}

/* A good body with one part replaced. */
static json_t *bent_body(struct sim *s)
{
    static const char *const good[] = {
        SIM_VNET_BODY,  SIM_WS_BODY("AllRules"),     SIM_PE_BODY("databricks_ui_api"), SIM_LINK_BODY,
        SIM_GROUP_BODY, "{\"location\":\"global\"}", "{\"location\":\"chinaeast2\"}"};
    json_t *body = json_loads(PICK(s, good), 0, NULL), *at = body;
    for (uint64_t depth = az_random(s->m) % 5; depth > 0; depth--) {
        json_t *next = json_is_array(at) ? json_array_get(at, 0) : json_object_get(at, PICK(s, keys));
        at = next != NULL ? next : at;
    }
    if (json_is_object(at) && az_chance(s->m, 0.7))
        json_object_set_new(at, PICK(s, keys), random_value(s, 2));
    return body;
}

/* The version that fits the path, most of the time. */
static const char *version_for(struct sim *s, const char *path)
{
    if (az_chance(s->m, 0.1))
        return PICK(s, versions);
    if (strstr(path, "privateDnsZones/") != NULL)
        return V_DNS;
    if (strstr(path, "Microsoft.Databricks") != NULL)
        return V_DBX;
    if (strstr(path, "Authorization") != NULL)
        return "?api-version=2020-05-01";
    return strstr(path, "Microsoft.Network/") != NULL ? V_NET : V_RES;
}

/* Put back what earlier requests have broken. */
static void repair(struct sim *s)
{
    sim_sign_in(s, AZ_DEFAULT_CLIENT);
    (void)sim_call(s, "DELETE", RG "/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01", NULL);
    (void)sim_call(s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}");
    (void)sim_call(s, "PUT", NSG V_NET, "{\"location\":\"chinaeast2\"}");
    sim_wait(s, 60000);
    (void)sim_call(s, "PUT", VNET V_NET, SIM_VNET_BODY);
    (void)sim_call(s, "PUT", ZONE V_DNS, "{\"location\":\"global\"}");
    sim_wait(s, 60000);
    (void)sim_call(s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules"));
    sim_wait(s, 300000);
    (void)sim_call(s, "PUT", PE V_NET, SIM_PE_BODY("databricks_ui_api"));
    sim_wait(s, 200000);
}

static void one_request(struct sim *s)
{
    char target[2048];
    json_t *body = az_chance(s->m, 0.5) ? bent_body(s) : random_value(s, 0);
    char *text = json_dumps(body, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(body);
    if (az_chance(s->m, 0.05))
        text[strlen(text) / 2] = '\0';
    const char *path = PICK(s, paths);
    size_t cut = az_chance(s->m, 0.1) ? az_random(s->m) % (strlen(path) + 1) : strlen(path);
    snprintf(target, sizeof target, "%.*s%s", (int)cut, path, version_for(s, path));
    int status = sim_call(s, PICK(s, methods), target, text);
    if (status < 200 || status > 599 || status == 500)
        fail_msg("%d for %s %s: %s", status, target, text, s->res.body != NULL ? s->res.body : "");
    free(text);
    if (az_chance(s->m, 0.3))
        sim_wait(s, (int64_t)(az_random(s->m) % 60000));
}

static void test_hostile_requests(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct sim s;
        sim_open_seed(&s, seed);
        sim_load(&s, "{\"throttle\":{\"model\":\"off\"}}");
        sim_make_workspace(&s);
        for (int i = 0; i < ROUNDS; i++) {
            if (i % 60 == 0)
                repair(&s);
            one_request(&s);
        }
        json_t *doc = az_model_save(s.m);
        assert_non_null(doc);
        json_decref(doc);
        sim_close(&s);
    }
}

static void test_hostile_documents(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim s;
        char error[512] = "";
        sim_open_seed(&s, seed);
        sim_load(&s, "{\"workspaces\":[{\"name\":\"alpha\",\"endpoint\":{},\"zone\":{}}]}");
        json_t *doc = json_object();
        static const char *const parts[] = {
            "resources", "workspaces", "subscriptions", "principals", "faults", "throttle", "durations",
            "behaviour", "events",     "operations",    "ledger",     "clock",  "buckets"};
        for (int i = 0; i < 3; i++)
            json_object_set_new(doc, PICK(&s, parts), random_value(&s, 0));
        (void)az_model_load(s.m, doc, error, sizeof error);
        json_decref(doc);
        for (int i = 0; i < 5; i++)
            (void)sim_call(&s, "GET", PICK(&s, paths), NULL);
        sim_close(&s);
    }
}

static void test_hostile_logins(void **unused)
{
    (void)unused;
    static const char *const forms[] = {
        "",
        "&&&===",
        "client_id=%",
        "client_id=%zz&grant_type=client_credentials&scope=%41",
        "grant_type=client_credentials&client_id=" AZ_DEFAULT_CLIENT "&client_assertion=.&scope=x",
        "grant_type=client_credentials&client_id=" AZ_DEFAULT_CLIENT "&client_secret=&scope="};
    struct sim s;
    sim_open(&s);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        int status = sim_send(&s, "login.azure.localhost", "POST", "/" AZ_DEFAULT_TENANT "/oauth2/v2.0/token",
                              forms[i], NULL);
        assert_in_range(status, 400, 401);
    }
    assert_int_equal(sim_send(&s, "nobody.example", "GET", "/", NULL, NULL), 421);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_requests),
        cmocka_unit_test(test_hostile_documents),
        cmocka_unit_test(test_hostile_logins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

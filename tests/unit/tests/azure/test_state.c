/* State documents: what may be left out is made, what was saved comes back, the same seed gives the same
 * answers. */
#include "tests/unit/tests/azure/driver.h"

#define ESTATE                                                                                                                \
    "{\"workspaces\":[{\"name\":\"alpha\",\"resourceGroup\":\"rg\",\"workspaceId\":\"5555555555555555\",\"endpoint\":{},"     \
    "\"zone\":{}},{\"name\":\"beta\",\"resourceGroup\":\"rg-b\",\"count\":3,\"requiredNsgRules\":\"NoAzureDatabricksRules\"," \
    "\"endpoint\":{\"status\":\"Pending\"},\"zone\":{\"linked\":false,\"record\":\"10.9.9.9\"}},"                             \
    "{\"name\":\"gamma\",\"injected\":false}]}"
#define ALPHA RG "/providers/Microsoft.Databricks/workspaces/alpha"
#define GRAPH "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"

static void test_short_form(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, ESTATE);
    assert_int_equal(sim_call(&s, "GET", ALPHA V_DBX, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.provisioningState"), "Succeeded");
    assert_string_equal(sim_str(&s, "properties.workspaceUrl"),
                        "adb-5555555555555555.15.databricks.azure.localhost");
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateEndpointConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Approved");
    assert_non_null(az_workspace_of_host(s.m, "adb-5555555555555555.15.databricks.azure.localhost"));
    sim_call(&s, "GET", NET "/privateEndpoints/alpha-pe-ui-api" V_NET, NULL);
    assert_string_equal(sim_str(&s, "properties.customDnsConfigs.0.ipAddresses.0"), "10.10.128.4");
    assert_int_equal(sim_call(&s, "GET", ZONE "/A/adb-5555555555555555.15" V_DNS, NULL), 200);
    assert_string_equal(sim_str(&s, "properties.aRecords.0.ipv4Address"), "10.10.128.4");
    sim_call(&s, "GET", ZONE "/virtualNetworkLinks/alpha" V_DNS, NULL);
    assert_string_equal(sim_str(&s, "properties.virtualNetworkLinkState"), "Completed");
    sim_call(&s, "GET", NET "/networkSecurityGroups/alpha-nsg" V_NET, NULL);
    assert_int_equal(json_array_size(az_at(s.body, "properties.securityRules")), 6);
    assert_int_equal(sim_call(&s, "GET", SUB "/providers/Microsoft.Databricks/workspaces" V_DBX, NULL), 200);
    assert_int_equal(json_array_size(az_at(s.body, "value")), 5);
    sim_call(&s, "GET", SUB "/resourceGroups/rg-b/providers/Microsoft.Databricks/workspaces/beta-0002" V_DBX,
             NULL);
    assert_string_equal(
        sim_str(
            &s,
            "properties.privateEndpointConnections.0.properties.privateLinkServiceConnectionState.status"),
        "Pending");
    sim_close(&s);
}

/* What the operations of the short form leave behind is what PUTs would find unchanged. */
static void test_loaded_is_at_rest(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, ESTATE);
    static const char *const targets[] = {
        ALPHA V_DBX, NET "/virtualNetworks/alpha-vnet" V_NET, NET "/privateEndpoints/alpha-pe-ui-api" V_NET,
        NET "/privateEndpoints/alpha-pe-ui-api/privateDnsZoneGroups/default" V_NET,
        ZONE "/virtualNetworkLinks/alpha" V_DNS};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        sim_call(&s, "GET", targets[i], NULL);
        char *body = strdup(s.res.body);
        sim_ensure(&s, targets[i], body);
        free(body);
        if (sim_count(&s, "changed") != 0)
            fail_msg("%s", targets[i]);
    }
    sim_close(&s);
}

static void test_save_and_restore_in_mid_operation(void **unused)
{
    (void)unused;
    struct sim s, t;
    char url[512], error[256];
    sim_open(&s);
    sim_make_network(&s);
    sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules"));
    snprintf(url, sizeof url, "%s", sim_path(sim_header(&s, "Azure-AsyncOperation")));
    json_t *doc = az_model_save(s.m);
    sim_open(&t);
    t.now_ms = s.now_ms;
    az_model_advance(t.m, t.now_ms);
    if (az_model_load(t.m, doc, error, sizeof error) < 0)
        fail_msg("%s", error);
    json_decref(doc);
    assert_int_equal(sim_call(&t, "GET", url, NULL), 200);
    assert_string_equal(sim_str(&t, "status"), "InProgress");
    sim_wait(&t, 400000);
    sim_wait(&s, 400000);
    sim_call(&t, "GET", url, NULL);
    assert_string_equal(sim_str(&t, "status"), "Succeeded");
    sim_call(&t, "GET", WS V_DBX, NULL);
    json_t *copy = json_deep_copy(t.body);
    sim_call(&s, "GET", url, NULL);
    sim_call(&s, "GET", url, NULL);
    sim_call(&s, "GET", WS V_DBX, NULL);
    assert_string_equal(az_str(copy, "properties.workspaceId")[0] != '\0' ? "set" : "", "set");
    assert_int_equal(json_object_size(json_object_get(copy, "properties")),
                     json_object_size(json_object_get(s.body, "properties")));
    json_decref(copy);
    sim_close(&s);
    sim_close(&t);
}

/* The model that was made of a document goes on without it: the document makes the same model again. */
static void test_a_document_is_not_touched(void **unused)
{
    (void)unused;
    struct sim s, t;
    char error[1024];
    sim_open(&s);
    sim_make_network(&s);
    sim_call(&s, "PUT", WS V_DBX, SIM_WS_BODY("AllRules"));
    json_t *doc = az_model_save(s.m), *copy = json_deep_copy(doc);
    sim_open(&t);
    t.now_ms = s.now_ms;
    az_model_advance(t.m, t.now_ms);
    if (az_model_load(t.m, doc, error, sizeof error) < 0)
        fail_msg("%s", error);
    sim_wait(&t, 400000);
    sim_call(&t, "GET", WS V_DBX, NULL);
    assert_string_equal(sim_str(&t, "properties.provisioningState"), "Succeeded");
    assert_true(json_equal(doc, copy));
    json_decref(doc);
    json_decref(copy);
    sim_close(&s);
    sim_close(&t);
}

/* An operation of a document may say when it ends, counted from the load. */
static void test_an_operation_that_runs_at_the_start(void **unused)
{
    (void)unused;
    struct sim s;
    char error[1024];
    sim_open(&s);
    json_t *doc = json_load_file("tests/azure/states/update_of_another.json", 0, NULL);
    assert_non_null(doc);
    az_model_advance(s.m, s.now_ms);
    if (az_model_load(s.m, doc, error, sizeof error) < 0)
        fail_msg("%s", error);
    json_decref(doc);
#define BROKEN SUB "/resourceGroups/rg-broken/providers/Microsoft.Databricks/workspaces/broken-ws"
    assert_non_null(az_workspace_of_host(s.m, "adb-4000000000000001.1.databricks.azure.localhost"));
    assert_int_equal(sim_call(&s, "PATCH", BROKEN V_DBX, "{\"tags\":{\"a\":\"b\"}}"), 409);
    assert_string_equal(sim_str(&s, "error.code"), "ConcurrentUpdateError");
    sim_wait(&s, 599000);
    assert_int_equal(sim_call(&s, "PATCH", BROKEN V_DBX, "{\"tags\":{\"a\":\"b\"}}"), 409);
    sim_wait(&s, 2000);
    assert_int_equal(sim_call(&s, "PATCH", BROKEN V_DBX, "{\"tags\":{\"a\":\"b\"}}"), 202);
    sim_close(&s);
}

/* Half of the draws are below the median, one in twenty is above p95, none above max. */
static void test_durations_with_a_tail(void **unused)
{
    (void)unused;
    struct sim s;
    int below = 0, above = 0;
    sim_open(&s);
    sim_load(&s, "{\"durations\":{\"vnet.put\":{\"median\":10,\"p95\":40,\"max\":90}}}");
    for (int i = 0; i < 4000; i++) {
        int64_t ms = az_duration(s.m, "vnet.put", 1, 2);
        below += ms < 10000;
        above += ms > 40000;
        assert_in_range(ms, 1, 90000);
    }
    assert_in_range(below, 1900, 2100);
    assert_in_range(above, 150, 250);
    sim_close(&s);
}

static void test_same_seed_same_answers(void **unused)
{
    (void)unused;
    char *all[2] = {NULL, NULL};
    for (int run = 0; run < 2; run++) {
        struct sim s;
        sim_open_seed(&s, 42);
        sim_make_workspace(&s);
        sim_ensure(&s, PE V_NET, SIM_PE_BODY("databricks_ui_api"));
        json_t *doc = az_model_save(s.m);
        all[run] = json_dumps(doc, JSON_COMPACT);
        json_decref(doc);
        sim_close(&s);
    }
    assert_string_equal(all[0], all[1]);
    free(all[0]);
    free(all[1]);
}

static void refuse(const char *text, const char *complaint)
{
    struct sim s;
    char error[1024] = "";
    sim_open(&s);
    json_t *doc = json_loads(text, 0, NULL);
    assert_non_null(doc);
    int r = az_model_load(s.m, doc, error, sizeof error);
    if (r != -1 || strstr(error, complaint) == NULL)
        fail_msg("%s: %d %s", text, r, error);
    json_decref(doc);
    sim_close(&s);
}

/* Each complaint says where, what, and what would be right. */
static void test_bad_documents(void **unused)
{
    (void)unused;
    static const char *const bad[][2] = {
        {"[]", "must be an object, not []"},
        {"{\"workspace\":[]}", "workspace: no such member; there are about, expect, subscriptions"},
        {"{\"workspaces\":{}}", "workspaces: must be an array, not {}"},
        {"{\"resources\":[{\"id\":\"nonsense\"}]}", "\"nonsense\" has no valid id"},
        {"{\"resources\":[{\"id\":7}]}", "resources/0/id: must be a string, not 7"},
        {"{\"resources\":[{\"location\":\"x\"}]}", "resources: \"\" has no valid id"},
        {"{\"resources\":[{\"id\":\"" RG "\"},{\"id\":\"" RG "\"}]}", "is that of resources/0 already"},
        {"{\"workspaces\":[3]}", "workspaces/0: must be an object, not 3"},
        {"{\"workspaces\":[{\"nam\":\"x\"}]}", "workspaces/0/nam: no such member; there are name,"},
        {"{\"workspaces\":[{\"name\":\"x\"},{\"name\":\"X\"}]}", "is that of workspaces/0 already"},
        {"{\"workspaces\":[{\"name\":\"x\",\"workspaceId\":\"7\"},{\"name\":\"y\",\"workspaceId\":\"7\"}]}",
         "workspaceId \"7\" is that of workspaces/0 already"},
        {"{\"workspaces\":[{\"count\":\"3\"}]}", "workspaces/0/count: must be a whole number, not \"3\""},
        {"{\"workspaces\":[{\"count\":0}]}", "1..10000"},
        {"{\"workspaces\":[{\"location\":\"mars\"}]}", "there is no region \"mars\""},
        {"{\"workspaces\":[{\"addressSpace\":\"10.0.0.0/28\"}]}", "at most /22, such as 10.10.0.0/16"},
        {"{\"workspaces\":[{\"requiredNsgRules\":\"None\"}]}",
         "\"None\" is none of AllRules|NoAzureDatabricksRules"},
        {"{\"workspaces\":[{\"endpoint\":{\"state\":\"Pending\"}}]}",
         "workspaces/0/endpoint/state: no such member; there are name, ip, status"},
        {"{\"workspaces\":[{\"zone\":{\"linked\":\"yes\"}}]}",
         "workspaces/0/zone/linked: must be true or false"},
        {"{\"principals\":[{}]}", "clientId is missing"},
        {"{\"principals\":[{\"clientId\":\"c\",\"roles\":[\"King\"]}]}",
         "no role \"King\"; there are Owner|"},
        {"{\"subscriptions\":[{\"id\":\"x\"}]}", "is no GUID"},
        {"{\"durations\":{\"vnet.pu\":3}}", "durations/vnet.pu: no such duration"},
        {"{\"durations\":{\"vnet.put\":[3,1]}}", "as a number, as [least, most] or as {"},
        {"{\"behaviour\":{\"conflictAsFailur\":1}}", "behaviour/conflictAsFailur: no such member"},
        {"{\"behaviour\":{\"lroStyles\":{\"microsoft.network/x\":\"aao\"}}}", "no such type"},
        {"{\"throttle\":{\"model\":\"daily\"}}", "\"daily\" is none of hourly|bucket|off"},
        {"{\"apiVersions\":{\"network\":\"2023-09-01\"}}", "must be an array of strings"},
        {"{\"databricks\":{\"workspaces\":{\"x\":{}}}}", "no workspace \"x\""},
        {"{\"databricks\":{\"appliances\":{\"10.0.0.4\":{\"allow\":[]}}}}",
         "there are allows, publicIp, inspectsTls"},
        {"{\"faults\":[{\"fault\":\"x\"}]}", "faults/0/fault: \"x\" is none of status|reset-before"},
        {"{\"faults\":[{}]}", "faults/0/fault: is missing"},
        {"{\"faults\":[{\"fault\":\"hang\",\"mach\":{}}]}",
         "faults/0/mach: no such member; there are match, nth"},
        {"{\"faults\":[{\"fault\":\"hang\",\"match\":{\"url\":\"x\"}}]}",
         "faults/0/match/url: no such member"},
        {"{\"faults\":[{\"fault\":\"hang\",\"probability\":7}]}", "faults/0/probability: must be 0 to 1"},
        {"{\"resources\":[{\"id\":\"" PE "\",\"location\":\"x\",\"properties\":{}}]}", "subnet"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse(bad[i][0], bad[i][1]);
}

/* A rule that was used up is still so in the model that is made of the saved state. */
static void test_saved_faults_go_on_counting(void **unused)
{
    (void)unused;
    struct sim s, t;
    char error[1024];
    sim_open(&s);
    sim_load(&s, "{\"faults\":[{\"fault\":\"status\",\"status\":503,\"count\":1},"
                 "{\"fault\":\"status\",\"status\":500,\"nth\":3}]}");
    assert_int_equal(sim_call(&s, "GET", SUB V_RES, NULL), 503);
    json_t *doc = az_model_save(s.m);
    sim_open(&t);
    if (az_model_load(t.m, doc, error, sizeof error) < 0)
        fail_msg("%s", error);
    json_decref(doc);
    assert_int_not_equal(sim_call(&t, "GET", SUB V_RES, NULL), 503);
    assert_int_equal(sim_call(&t, "GET", SUB V_RES, NULL), 500);
    sim_close(&s);
    sim_close(&t);
}

static int ask(struct sim *s, const char *query)
{
    json_t *body = json_pack("{s:[s],s:s,s:{s:s}}", "subscriptions", AZ_DEFAULT_SUBSCRIPTION, "query", query,
                             "options", "resultFormat", "objectArray");
    char *text = json_dumps(body, 0);
    int status = sim_call(s, "POST", GRAPH, text);
    free(text);
    json_decref(body);
    return status;
}

static void test_resource_graph(void **unused)
{
    (void)unused;
    struct sim s;
    sim_open(&s);
    sim_load(&s, ESTATE);
    assert_int_equal(
        ask(&s, "resources | where type =~ 'Microsoft.Databricks/workspaces' | project id,name,sku=sku.name,"
                "nsg=properties.requiredNsgRules,npip=properties.parameters.enableNoPublicIp.value"),
        200);
    assert_int_equal(az_int(s.body, "totalRecords", 0), 5);
    assert_string_equal(sim_str(&s, "data.0.sku"), "premium");
    assert_true(az_bool(s.body, "data.0.npip", false));
    assert_int_equal(
        ask(&s,
            "Resources | where type == 'microsoft.databricks/workspaces' and (name startswith 'beta' or name == 'alpha')"
            " | order by name desc | take 2"),
        200);
    assert_string_equal(sim_str(&s, "data.0.name"), "beta-0003");
    assert_int_equal(az_int(s.body, "count", 0), 2);
    assert_int_equal(
        ask(&s,
            "resources | where type in~ ('MICROSOFT.NETWORK/privateDnsZones') | where isnotempty(tolower(name)) | count"),
        200);
    assert_int_equal(az_int(s.body, "data.0.Count", 0), 4);
    assert_int_equal(ask(&s, "resources | join kind=inner (x) on y"), 400);
    assert_string_equal(sim_str(&s, "error.details.0.code"), "InvalidQuery");
    assert_int_equal(ask(&s, "resources | where properties.x has_any ('a')"), 400);
    assert_int_equal(ask(&s, "where 1 == 1"), 400);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_form),
        cmocka_unit_test(test_loaded_is_at_rest),
        cmocka_unit_test(test_save_and_restore_in_mid_operation),
        cmocka_unit_test(test_a_document_is_not_touched),
        cmocka_unit_test(test_an_operation_that_runs_at_the_start),
        cmocka_unit_test(test_durations_with_a_tail),
        cmocka_unit_test(test_same_seed_same_answers),
        cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_saved_faults_go_on_counting),
        cmocka_unit_test(test_resource_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The diagnosis as a table: two causes at once, no cause, and causes that are not the network; and the confusion matrix. */
#include "tests/lib/steprig.h"

#define WORKSPACE "broken-ws"

/* Is it the same thing in two documents? By name or id. */
static bool is_same(const json_t *a, const json_t *b)
{
    const char *const keys[] = {"id", "name"};
    for (size_t i = 0; i < CW_ARRAY_LEN(keys); i++) {
        const char *one = cw_json_str(a, keys[i], NULL);
        if (one != NULL && cw_z_eq_nocase(one, cw_json_str(b, keys[i], NULL)))
            return true;
    }
    return false;
}

static void overlay(json_t *under, const json_t *over);

static void overlay_item(json_t *list, json_t *item)
{
    size_t i;
    json_t *have;
    json_array_foreach(list, i, have)
        if (is_same(have, item)) {
            overlay(have, item);
            return;
        }
    json_array_append_new(list, json_deep_copy(item));
}

/* Members of `over` go into `under`; objects and lists of named things are merged. */
static void overlay(json_t *under, const json_t *over)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)over, key, v) {
        json_t *have = json_object_get(under, key);
        if (json_is_object(have) && json_is_object(v)) {
            overlay(have, v);
        } else if (json_is_array(have) && json_is_array(v) && json_is_object(json_array_get(v, 0))) {
            size_t i;
            json_t *item;
            json_array_foreach(v, i, item)
                overlay_item(have, item);
        } else
            json_object_set_new(under, key, json_deep_copy(v));
    }
}

static json_t *load(const char *name)
{
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    json_t *doc = json_loads(rig_read_state(name, &text), 0, NULL);
    assert_non_null(doc);
    return doc;
}

static struct rig *verify(const json_t *state)
{
    CW_AUTO(cw_buf_fini) struct cw_buf data = {0};
    CW_AUTO(cw_auto_str) char *text = cw_json_print(state);
    cw_buf_addf(&data,
                "{\"workspaceId\":\"/subscriptions/" RIG_SUBSCRIPTION
                "/resourceGroups/%s/providers/Microsoft.Databricks/workspaces/%s\"}",
                cw_json_str(state, "workspaces/0/resourceGroup", "rg"),
                cw_json_str(state, "workspaces/0/name", ""));
    struct rig *rig = rig_new(text, "verify", cw_buf_z(&data));
    rig_run_until(rig, NULL);
    return rig;
}

/* ---- the matrix ----------------------------------------------------------------------------------------------------- */

#define NONE CW_CAUSE__COUNT
static int matrix[CW_CAUSE__COUNT + 1][CW_CAUSE__COUNT + 1]; /* true cause, cause ranked first */

static const char *cause_name(int cause)
{
    return cause == NONE ? "none" : cw_cause_names[cause];
}

static int first_of(const struct rig *rig)
{
    return rig->facts.proof_error.code == NULL ? NONE : rig->facts.diagnosis[0].cause;
}

static int place_of(const struct rig *rig, enum cw_cause cause)
{
    for (size_t i = 0; i < rig->facts.diagnosis_count; i++)
        if (rig->facts.diagnosis[i].cause == (int)cause)
            return (int)i + 1;
    return 0;
}

static int print_matrix(void **state)
{
    (void)state;
    print_message("confusion matrix: true cause -> cause ranked first (times)\n");
    for (int t = 0; t <= NONE; t++)
        for (int f = 0; f <= NONE; f++)
            if (matrix[t][f] > 0)
                print_message("  %-26s -> %-26s %d%s\n", cause_name(t), cause_name(f), matrix[t][f],
                              t == f ? "" : "  (confused)");
    return 0;
}

/* ---- two causes ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *a;
    const char *b;
    enum cw_cause cause_a;
    enum cw_cause cause_b;
} pairs[] = {
    {"zone_not_linked", "nsg_denies_endpoint", CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_NSG_BLOCKS},
    {"zone_not_linked", "route_blackhole", CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_BLACKHOLE_ROUTE},
    {"record_missing", "endpoint_subnet_closed", CW_CAUSE_RECORD_MISSING, CW_CAUSE_ENDPOINT_SUBNET_FILTERED},
    {"record_stale_address", "nsg_denies_storage", CW_CAUSE_RECORD_WRONG, CW_CAUSE_NSG_BLOCKS},
    {"zone_not_linked", "endpoint_pending", CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_ENDPOINT_NOT_APPROVED},
    {"wrong_zone_name", "nsg_denies_storage", CW_CAUSE_WRONG_ZONE_NAME, CW_CAUSE_NSG_BLOCKS},
    {"record_stale_address", "route_overrides_endpoint", CW_CAUSE_RECORD_WRONG,
     CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT},
    {"nsg_denies_storage", "firewall_denies_storage", CW_CAUSE_NSG_BLOCKS, CW_CAUSE_ROUTE_FIREWALL},
    {"zone_not_linked", "subnet_not_delegated", CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_SUBNET_DELEGATION},
    {"endpoint_rejected", "nsg_denies_endpoint", CW_CAUSE_ENDPOINT_NOT_APPROVED, CW_CAUSE_NSG_BLOCKS},
    {"dns_server_silent", "nsg_denies_storage", CW_CAUSE_CUSTOM_DNS, CW_CAUSE_NSG_BLOCKS},
    {"endpoint_disconnected", "nsg_denies_storage", CW_CAUSE_ENDPOINT_NOT_APPROVED, CW_CAUSE_NSG_BLOCKS},
    {"route_blackhole", "endpoint_subnet_relay_closed", CW_CAUSE_BLACKHOLE_ROUTE,
     CW_CAUSE_ENDPOINT_SUBNET_FILTERED},
    {"record_missing", "subnet_without_nsg", CW_CAUSE_RECORD_MISSING, CW_CAUSE_SUBNET_DELEGATION},
    {"record_missing", "nat_on_one_subnet", CW_CAUSE_RECORD_MISSING, CW_CAUSE_NO_EGRESS},
    {"zone_not_linked", "firewall_not_connected", CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_BLACKHOLE_ROUTE},
    {"endpoint_pending", "forced_tunnel", CW_CAUSE_ENDPOINT_NOT_APPROVED, CW_CAUSE_ROUTE_FIREWALL},
    {"nat_without_address", "nsg_denies_storage", CW_CAUSE_NO_EGRESS, CW_CAUSE_NSG_BLOCKS},
    {"route_to_endpoint", "no_egress", CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT, CW_CAUSE_NO_EGRESS},
    {"all_rules", "endpoint_pending", CW_CAUSE_SETTINGS_MISMATCH, CW_CAUSE_ENDPOINT_NOT_APPROVED},
    {"browser_record_overwritten", "nsg_denies_storage", CW_CAUSE_NSG_BLOCKS, CW_CAUSE_BROWSER_RECORD_WRONG},
};

static void both_of_two_causes_are_named(void **state)
{
    (void)state;
    int complaints = 0;
    for (size_t i = 0; i < CW_ARRAY_LEN(pairs); i++) {
        CW_AUTO(cw_auto_json) json_t *doc = load(pairs[i].b);
        CW_AUTO(cw_auto_json) json_t *other = load(pairs[i].a);
        overlay(doc, other);
        struct rig *rig = verify(doc);
        int first = first_of(rig);
        bool is_first = first == (int)pairs[i].cause_a || first == (int)pairs[i].cause_b;
        matrix[is_first ? first : (int)pairs[i].cause_a][first]++;
        if (!is_first || place_of(rig, pairs[i].cause_a) == 0 || place_of(rig, pairs[i].cause_b) == 0) {
            complaints++;
            print_message("%s + %s: %s first", pairs[i].a, pairs[i].b, cause_name(first));
            for (size_t k = 0; k < rig->facts.diagnosis_count; k++)
                print_message(", %s %d", cw_cause_names[rig->facts.diagnosis[k].cause],
                              (int)rig->facts.diagnosis[k].confidence);
            print_message("\n");
        }
        rig_free(rig);
    }
    assert_int_equal(complaints, 0);
}

/* ---- none ------------------------------------------------------------------------------------------------------------ */

/* Laid over "healthy": unusual, and nothing wrong. */
static const struct {
    const char *name;
    const char *over;
} healthy[] = {
    {"as shipped", "{}"},
    {"another zone of the name, elsewhere",
     "{\"resources\":[{\"id\":\"/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-else\"},"
     "{\"id\":\"/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-else/providers/Microsoft.Network/"
     "privateDnsZones/privatelink.databricks.azure.localhost\",\"location\":\"global\"}]}"},
    {"tags of its own", "{\"workspaces\":[{\"name\":\"%s\",\"tags\":{\"team\":\"a\"}}]}"},
    {"no names on the NIC", "{\"behaviour\":{\"omitFqdns\":1}}"},
    {"resources are seen late", "{\"behaviour\":{\"staleSeconds\":20}}"},
    {"busy: clusters run",
     "{\"databricks\":{\"workspaces\":{\"%s\":{\"clusters\":[{\"cluster_name\":\"etl\"},{\"cluster_name\":\"bi\"}]}}}}"},
    {"an allow rule of the customer's",
     "{\"resources\":[{\"id\":\"/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-%s/providers/"
     "Microsoft.Network/networkSecurityGroups/%s-nsg/securityRules/allow-out\",\"properties\":{\"priority\":150,"
     "\"direction\":\"Outbound\",\"access\":\"Allow\",\"protocol\":\"*\",\"sourcePortRange\":\"*\","
     "\"sourceAddressPrefix\":\"*\",\"destinationAddressPrefix\":\"*\",\"destinationPortRange\":\"*\"}}]}"},
};

static void nothing_is_found_where_nothing_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(healthy); i++) {
        CW_AUTO(cw_auto_json) json_t *doc = load("no_endpoint");
        CW_AUTO(cw_buf_fini) struct cw_buf over = {0};
        json_object_set_new(json_array_get(json_object_get(doc, "workspaces"), 0), "endpoint", json_object());
        json_object_set_new(json_array_get(json_object_get(doc, "workspaces"), 0), "zone", json_object());
        for (const char *p = healthy[i].over; *p != '\0'; p++)
            if (p[0] == '%' && p[1] == 's') {
                cw_buf_add_z(&over,
                             p > healthy[i].over + 3 && strncmp(p - 3, "rg-", 3) == 0 ? "broken" : WORKSPACE);
                p++;
            } else
                cw_buf_add_char(&over, *p);
        CW_AUTO(cw_auto_json) json_t *more = json_loads(cw_buf_z(&over), 0, NULL);
        assert_non_null(more);
        overlay(doc, more);
        struct rig *rig = verify(doc);
        matrix[NONE][first_of(rig)]++;
        if (rig->facts.proof_error.code != NULL)
            fail_msg("%s: %s", healthy[i].name, rig->facts.proof_error.message);
        assert_int_equal(rig->facts.diagnosis_count, 0);
        rig_free(rig);
    }
}

/* ---- not the network -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *databricks; /* members of the workspace's data */
    enum cw_cause cause;
} elsewhere[] = {
    {"tunnel tokens", "{\"incident\":\"NPIP_TUNNEL_TOKEN_FAILURE\"}", CW_CAUSE_DATABRICKS},
    {"internal error", "{\"incident\":\"INTERNAL_ERROR\"}", CW_CAUSE_DATABRICKS},
    {"throttled control plane", "{\"incident\":\"REQUEST_THROTTLED\"}", CW_CAUSE_DATABRICKS},
    {"a code that nobody knows", "{\"incident\":\"SOMETHING_NEW_2027\"}", CW_CAUSE_DATABRICKS},
    {"docker image", "{\"incident\":\"DOCKER_IMAGE_PULL_FAILURE\"}", CW_CAUSE_CLUSTER_CONTENT},
    {"spark configuration", "{\"incident\":\"SPARK_STARTUP_FAILURE\"}", CW_CAUSE_CLUSTER_CONTENT},
    {"global init script",
     "{\"globalInitScripts\":[{\"script_id\":\"s\",\"name\":\"agent\",\"enabled\":true,\"_fails\":true}]}",
     CW_CAUSE_CLUSTER_CONTENT},
    {"a policy of Azure",
     "{\"capacity\":{\"code\":\"CLOUD_PROVIDER_LAUNCH_FAILURE\",\"azureCode\":\"RequestDisallowedByPolicy\","
     "\"message\":\"Resource was disallowed by policy 'no-vms'.\"}}",
     CW_CAUSE_CAPACITY},
};

/* Unusual, but in order: the hub's DNS servers, no way out but Azure's own. That is no reason to blame them. */
#define HUB_DNS                                                                                   \
    "{\"resources\":[{\"id\":\"/subscriptions/" RIG_SUBSCRIPTION                                  \
    "/resourceGroups/rg-broken/providers/Microsoft.Network/virtualNetworks/" WORKSPACE            \
    "-vnet\",\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[" \
    "\"10.30.0.0/16\"]},\"dhcpOptions\":{\"dnsServers\":[\"10.30.200.4\"]}}}],\"databricks\":{"   \
    "\"dnsServers\":{\"10.30.200.4\":{}}}}"

static void what_is_unusual_is_not_blamed_for_the_services_trouble(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(elsewhere); i++) {
        CW_AUTO(cw_auto_json) json_t *doc = load("incident");
        CW_AUTO(cw_auto_json) json_t *dns = json_loads(HUB_DNS, 0, NULL);
        CW_AUTO(cw_auto_json) json_t *more = json_loads(elsewhere[i].databricks, 0, NULL);
        if (strstr(elsewhere[i].databricks, "SOMETHING_NEW") != NULL)
            continue; /* what nobody knows may come from anything */
        assert_non_null(dns);
        overlay(doc, dns);
        json_t *data = (json_t *)cw_json_at(doc, "databricks/workspaces/" WORKSPACE);
        json_object_del(data, "incident");
        json_object_update(data, more);
        struct rig *rig = verify(doc);
        matrix[elsewhere[i].cause][first_of(rig)]++;
        if (first_of(rig) != (int)elsewhere[i].cause)
            fail_msg("%s: %s first", elsewhere[i].name, cause_name(first_of(rig)));
        rig_free(rig);
    }
}

static void what_is_not_the_network_is_said_to_be_something_else(void **state)
{
    (void)state;
    int complaints = 0;
    for (size_t i = 0; i < CW_ARRAY_LEN(elsewhere); i++) {
        CW_AUTO(cw_auto_json) json_t *doc = load("incident");
        CW_AUTO(cw_auto_json) json_t *more = json_loads(elsewhere[i].databricks, 0, NULL);
        assert_non_null(more);
        json_t *data = (json_t *)cw_json_at(doc, "databricks/workspaces/" WORKSPACE);
        json_object_del(data, "incident");
        json_object_update(data, more);
        struct rig *rig = verify(doc);
        int first = first_of(rig);
        matrix[elsewhere[i].cause][first]++;
        if (first != (int)elsewhere[i].cause) {
            complaints++;
            print_message("%s: %s first\n", elsewhere[i].name, cause_name(first));
        } else
            assert_true(rig->facts.diagnosis[0].evidence_count > 0);
        rig_free(rig);
    }
    assert_int_equal(complaints, 0);
}

/* ---- by hand --------------------------------------------------------------------------------------------------------- */

/* "test_step_diagnosis_table FILE…": verify each state's first workspace, and say what was found. */
static int show(const char *path)
{
    CW_AUTO(cw_auto_json) json_t *doc = json_load_file(path, 0, NULL);
    if (doc == NULL)
        return 2;
    struct rig *rig = verify(doc);
    print_message("%s: %s\n", path,
                  rig->facts.proof_error.code == NULL ? "proven" : rig->facts.proof_error.message);
    for (size_t i = 0; i < rig->facts.diagnosis_count; i++) {
        const struct cw_diagnosis_v1 *d = &rig->facts.diagnosis[i];
        print_message("  %3d %s%s: %s (%s)\n", (int)d->confidence, cw_cause_names[d->cause],
                      d->is_safe ? " [safe]" : "", d->message, d->command == NULL ? "-" : d->command);
        for (size_t k = 0; k < d->evidence_count; k++)
            print_message("      %s %s: %s, not %s\n",
                          d->evidence[k].resource_id == NULL ? "" : cw_armid_name(d->evidence[k].resource_id),
                          d->evidence[k].field, d->evidence[k].found, d->evidence[k].expected);
    }
    rig_free(rig);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (show(argv[i]) != 0)
            return 2;
    if (argc > 1)
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_of_two_causes_are_named),
        cmocka_unit_test(nothing_is_found_where_nothing_is_wrong),
        cmocka_unit_test(what_is_not_the_network_is_said_to_be_something_else),
        cmocka_unit_test(what_is_unusual_is_not_blamed_for_the_services_trouble),
    };
    return cmocka_run_group_tests_name("step/diagnosis_table", tests, NULL, print_matrix);
}

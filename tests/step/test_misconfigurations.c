/* Each shipped state of the Azure model: a healthy one is proven, a broken one is diagnosed by its right cause first. */
#include <dirent.h>

#include "tests/lib/steprig.h"

enum ending { PROVEN, PROVEN_BUT, FAILED, REFUSED };

static const struct {
    const char *file;
    enum ending ending;
    enum cw_cause cause; /* of the first finding, unless PROVEN */
} cases[] = {
    {"healthy", PROVEN, 0},
    {"healthy_hub", PROVEN, 0},
    {"healthy_browser", PROVEN, 0},
    {"browser_authentication_gone", PROVEN_BUT, CW_CAUSE_BROWSER_AUTHENTICATION_MISSING},
    {"browser_host_deleted", PROVEN_BUT, CW_CAUSE_BROWSER_AUTHENTICATION_MISSING},
    {"browser_record_stale", PROVEN_BUT, CW_CAUSE_BROWSER_AUTHENTICATION_MISSING},
    {"browser_record_missing", PROVEN_BUT, CW_CAUSE_BROWSER_RECORD_WRONG},
    {"browser_record_overwritten", PROVEN_BUT, CW_CAUSE_BROWSER_RECORD_WRONG},
    {"update_of_another", PROVEN, 0},  /* it ends while the worker waits */
    {"nsg_denies_workers", PROVEN, 0}, /* a single node has nobody to talk to */
    {"stockout", PROVEN, 0},           /* another node type */
    {"healthy_nat", PROVEN, 0},
    {"healthy_firewall", PROVEN, 0},
    {"not_injected", REFUSED, CW_CAUSE_WORKSPACE_NOT_ELIGIBLE},
    {"not_premium", REFUSED, CW_CAUSE_WORKSPACE_NOT_ELIGIBLE},
    {"public_ips", REFUSED, CW_CAUSE_WORKSPACE_NOT_ELIGIBLE},
    {"workspace_updating", REFUSED, CW_CAUSE_NOT_SETTLED},
    {"quota", FAILED, CW_CAUSE_CAPACITY},
    {"dns_server_forwards_too_little", FAILED, CW_CAUSE_CUSTOM_DNS},
    {"dns_server_silent", FAILED, CW_CAUSE_CUSTOM_DNS},
    {"dns_server_stale", FAILED, CW_CAUSE_STALE_DNS},
    {"endpoint_disconnected", FAILED, CW_CAUSE_ENDPOINT_NOT_APPROVED},
    {"endpoint_in_other_network", FAILED, CW_CAUSE_ENDPOINT_UNREACHABLE},
    {"endpoint_pending", FAILED, CW_CAUSE_ENDPOINT_NOT_APPROVED},
    {"endpoint_rejected", FAILED, CW_CAUSE_ENDPOINT_NOT_APPROVED},
    {"endpoint_subnet_closed", FAILED, CW_CAUSE_ENDPOINT_SUBNET_FILTERED},
    {"endpoint_subnet_closed_to_one", FAILED, CW_CAUSE_ENDPOINT_SUBNET_FILTERED},
    {"endpoint_subnet_relay_closed", FAILED, CW_CAUSE_ENDPOINT_SUBNET_FILTERED},
    {"endpoint_subnet_services_closed", FAILED, CW_CAUSE_ENDPOINT_SUBNET_FILTERED},
    {"firewall_denies_storage", FAILED, CW_CAUSE_ROUTE_FIREWALL},
    {"firewall_on_one_subnet", FAILED, CW_CAUSE_NO_EGRESS},
    {"dead_appliance", FAILED, CW_CAUSE_ROUTE_FIREWALL},
    {"firewall_not_connected", FAILED, CW_CAUSE_BLACKHOLE_ROUTE},
    {"forced_tunnel", FAILED, CW_CAUSE_ROUTE_FIREWALL},
    {"incident", FAILED, CW_CAUSE_DATABRICKS},
    {"init_script", FAILED, CW_CAUSE_CLUSTER_CONTENT},
    {"no_egress", FAILED, CW_CAUSE_NO_EGRESS},
    {"nat_on_one_subnet", FAILED, CW_CAUSE_NO_EGRESS},
    {"nat_without_address", FAILED, CW_CAUSE_NO_EGRESS},
    {"no_endpoint", FAILED, CW_CAUSE_ENDPOINT_MISSING},
    {"only_browser_authentication", FAILED, CW_CAUSE_ENDPOINT_MISSING},
    {"ip_access_list", FAILED, CW_CAUSE_IP_ACCESS_LIST},
    {"ip_access_list_refuses_worker", FAILED, CW_CAUSE_IP_ACCESS_LIST},
    {"nsg_denies_endpoint", FAILED, CW_CAUSE_NSG_BLOCKS},
    {"nsg_denies_storage", FAILED, CW_CAUSE_NSG_BLOCKS},
    {"nsg_denies_metastore", FAILED, CW_CAUSE_NSG_BLOCKS},
    {"public_access_disabled", FAILED, CW_CAUSE_WORKER_OUTSIDE},
    {"record_missing", FAILED, CW_CAUSE_RECORD_MISSING},
    {"record_of_other_endpoint", FAILED, CW_CAUSE_RECORD_OVERWRITTEN},
    {"record_split_name", FAILED, CW_CAUSE_RECORD_MISSING},
    {"record_stale_address", FAILED, CW_CAUSE_RECORD_WRONG},
    {"route_blackhole", FAILED, CW_CAUSE_BLACKHOLE_ROUTE},
    {"route_blackholes_all", FAILED, CW_CAUSE_BLACKHOLE_ROUTE},
    {"route_to_endpoint", FAILED, CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT},
    {"route_overrides_endpoint", FAILED, CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT},
    {"storage_firewall", FAILED, CW_CAUSE_STORAGE_FIREWALL},
    {"subnet_full", FAILED, CW_CAUSE_SUBNET_FULL},
    {"subnet_not_delegated", FAILED, CW_CAUSE_SUBNET_DELEGATION},
    {"subnet_without_nsg", FAILED, CW_CAUSE_SUBNET_DELEGATION},
    {"tls_inspection", FAILED, CW_CAUSE_TLS_INSPECTION},
    {"workspace_moved", FAILED, CW_CAUSE_ENDPOINT_UNREACHABLE},
    {"wrong_zone_name", FAILED, CW_CAUSE_WRONG_ZONE_NAME},
    {"zone_linked_to_hub_only", FAILED, CW_CAUSE_ZONE_NOT_LINKED},
    {"zone_not_linked", FAILED, CW_CAUSE_ZONE_NOT_LINKED},
    {"zone_locked", FAILED, CW_CAUSE_ZONE_NOT_LINKED},
    {"all_rules", FAILED, CW_CAUSE_SETTINGS_MISMATCH},
};

static struct rig *ask(const char *name, const char *kind, const char *options)
{
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf data = {0};
    const char *state = rig_read_state(name, &text);
    CW_AUTO(cw_auto_json) json_t *doc = json_loads(state, 0, NULL);
    cw_buf_addf(&data,
                "{\"workspaceId\":\"/subscriptions/" RIG_SUBSCRIPTION
                "/resourceGroups/%s/providers/Microsoft.Databricks/workspaces/%s\"%s}",
                cw_json_str(doc, "workspaces/0/resourceGroup", "rg"),
                cw_json_str(doc, "workspaces/0/name", ""), options);
    return rig_new(state, kind, cw_buf_z(&data));
}

static struct rig *verify(const char *name)
{
    return ask(name, "verify", "");
}

static void expect_first(const char *name, const struct cw_facts *facts, enum cw_cause cause)
{
    const struct cw_diagnosis_v1 *first = &facts->diagnosis[0];
    if (facts->diagnosis_count == 0)
        fail_msg("%s: without a diagnosis", name);
    if (first->cause != (int)cause)
        fail_msg("%s: %s instead of %s", name, cw_cause_names[first->cause], cw_cause_names[cause]);
    if (first->evidence_count == 0 || first->repair == NULL || first->message[0] == '\0')
        fail_msg("%s: no evidence, repair or message", name);
    if (first->repairer == CW_REPAIRER_UNSET || first->source == NULL || first->command == NULL ||
        strchr(first->command, '{') != NULL)
        fail_msg("%s: by whom, how, or on whose word is it mended?", name);
}

static void expect_refusal(const char *name, enum cw_cause cause)
{
    struct cw_err err = {0};
    struct rig *rig = verify(name);
    int code = cause == CW_CAUSE_NOT_SETTLED ? -CW_ETIMEDOUT : -CW_EREJECTED;
    rig_run_until(rig, &cw_step_inspect_workspace);
    if (rig_attempt(rig, &cw_step_inspect_workspace, false, &err) != code)
        fail_msg("%s: not refused: %s", name, err.text);
    assert_string_not_equal(err.remedy, "");
    expect_first(name, &rig->facts, cause);
    rig_free(rig);
}

static void expect_finding(const char *name, const struct cw_facts *facts, enum cw_cause cause)
{
    expect_first(name, facts, cause);
    for (size_t i = 1; i < facts->diagnosis_count; i++)
        assert_true(facts->diagnosis[i].confidence <= facts->diagnosis[i - 1].confidence);
}

static bool is_listed(const char *name)
{
    static const char *const others[] = {"greenfield",           "existing", "hundred_existing", "demo",
                                         "compute_wakes_up",       /* a migration's: below */
                                         "firewall_names_differ"}; /* shows in some minutes only */
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++)
        if (cw_z_eq(cases[i].file, name))
            return true;
    for (size_t i = 0; i < CW_ARRAY_LEN(others); i++)
        if (cw_z_eq(others[i], name))
            return true;
    return false;
}

static void no_state_is_left_out(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf path = {0};
    const char *root = getenv("CW_ROOT");
    cw_buf_addf(&path, "%s/tests/azure/states", root != NULL ? root : ".");
    DIR *dir = opendir(cw_buf_z(&path));
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[128];
        size_t n = strlen(e->d_name);
        if (n < 6 || n >= sizeof name || !cw_z_eq(e->d_name + n - 5, ".json"))
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(n - 5), e->d_name);
        if (!is_listed(name))
            fail_msg("%s: how does its verification end?", name);
    }
    (void)closedir(dir);
}

static void every_state_ends_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        if (cases[i].ending == REFUSED) {
            expect_refusal(cases[i].file, cases[i].cause);
            continue;
        }
        struct rig *rig = verify(cases[i].file);
        rig_run_until(rig, NULL);
        if (cases[i].ending == FAILED && rig->facts.proof_error.code == NULL)
            fail_msg("%s: proven", cases[i].file);
        if (cases[i].ending != FAILED && rig->facts.proof_error.code != NULL)
            fail_msg("%s: %s", cases[i].file, rig->facts.proof_error.message);
        if (cases[i].ending != PROVEN)
            expect_finding(cases[i].file, &rig->facts, cases[i].cause);
        else
            assert_int_equal(rig->facts.diagnosis_count, 0);
        assert_int_equal(rig_changes(rig, "/write"), 0);
        rig_free(rig);
    }
}

/* What a person has to open is named host by host. */
static void the_way_out_is_judged_by_hosts_and_ports(void **state)
{
    (void)state;
    const char *const names[] = {"nsg_denies_storage", "firewall_denies_storage", "no_egress",
                                 "nat_on_one_subnet",  "route_blackhole",         "firewall_not_connected"};
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++) {
        struct rig *rig = verify(names[i]);
        bool is_named = false;
        rig_run_until(rig, NULL);
        const struct cw_diagnosis_v1 *first = &rig->facts.diagnosis[0];
        for (size_t n = 0; n < first->evidence_count; n++)
            is_named = is_named || strstr(first->evidence[n].expected,
                                          "dbartifactsprodchinaeast2.blob.core.azure.localhost:443") != NULL;
        if (!is_named)
            fail_msg("%s: no evidence names the host", names[i]);
        rig_free(rig);
    }
}

/* Nothing is read of the network: the answer is known. */
static void a_quota_is_no_misconfiguration(void **state)
{
    (void)state;
    struct rig *rig = verify("quota");
    rig_run_until(rig, NULL);
    assert_string_equal(rig->facts.proof_error.code, "ECAPACITY");
    assert_non_null(strstr(rig->facts.proof_error.message, "quota"));
    assert_non_null(strstr(rig->facts.proof_error.remedy, "not the network"));
    assert_int_equal(rig->facts.diagnosis_count, 1);
    assert_true(rig_has_found(rig, "tried again later"));
    assert_int_equal(rig_changes(rig, "clusters/create"), rig_changes(rig, "permanent-delete"));
    rig_free(rig);
}

static const struct cw_diagnosis_v1 *finding_of(const struct rig *rig, enum cw_cause cause)
{
    for (size_t i = 0; i < rig->facts.diagnosis_count; i++)
        if (rig->facts.diagnosis[i].cause == (int)cause)
            return &rig->facts.diagnosis[i];
    return NULL;
}

static void a_lock_makes_a_repair_somebody_elses(void **state)
{
    (void)state;
    struct rig *rig = verify("zone_locked");
    rig_run_until(rig, NULL);
    const struct cw_diagnosis_v1 *link = finding_of(rig, CW_CAUSE_ZONE_NOT_LINKED),
                                 *lock = finding_of(rig, CW_CAUSE_RESOURCE_LOCKED);
    assert_non_null(link);
    assert_non_null(lock);
    assert_false(link->is_safe);
    assert_string_equal(lock->evidence[0].field, "keep");
    assert_string_equal(lock->evidence[0].found, "ReadOnly");
    rig_free(rig);
    rig = verify("zone_not_linked");
    rig_run_until(rig, NULL);
    link = finding_of(rig, CW_CAUSE_ZONE_NOT_LINKED);
    assert_true(link->is_safe);
    assert_int_equal(link->repairer, CW_REPAIRER_CAUSEWAY);
    assert_non_null(
        strstr(link->command, "az network private-dns link vnet create -g rg-broken -z privatelink."));
    assert_null(finding_of(rig, CW_CAUSE_RESOURCE_LOCKED));
    rig_free(rig);
}

/* Somebody's dashboard starts the warehouse every few minutes: stopping is no lock. */
static void compute_that_wakes_up_is_stopped_again(void **state)
{
    (void)state;
    struct rig *rig = ask("compute_wakes_up", "migrate", ",\"options\":{\"stopCompute\":\"allow\"}");
    rig_run_until(rig, NULL);
    if (rig->facts.proof_error.code != NULL)
        fail_msg("%s", rig->facts.proof_error.message);
    assert_string_equal(rig->facts.required_nsg_rules, "NoAzureDatabricksRules");
    assert_true(rig_changes(rig, "warehouses/stop") >= 1);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_state_is_left_out),
        cmocka_unit_test(every_state_ends_as_it_should),
        cmocka_unit_test(the_way_out_is_judged_by_hosts_and_ports),
        cmocka_unit_test(a_quota_is_no_misconfiguration),
        cmocka_unit_test(compute_that_wakes_up_is_stopped_again),
        cmocka_unit_test(a_lock_makes_a_repair_somebody_elses),
    };
    return cmocka_run_group_tests_name("step/misconfigurations", tests, NULL, NULL);
}

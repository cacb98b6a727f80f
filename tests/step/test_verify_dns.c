/* verify_dns: missing, wrong, stale and duplicate records told apart, and what a name server of the worker's own network spares. */
#include "tests/lib/steprig.h"

#define NAME "a-ws"
#define DATA "{\"workspaceId\":\"" RIG_WORKSPACE(NAME) "\"}"
#define READ_ONLY "{\"workspaceId\":\"" RIG_WORKSPACE(NAME) "\",\"options\":{\"launchCluster\":false}}"
#define STATE(zone, endpoint)                                                                         \
    "{\"workspaces\":[{\"name\":\"" NAME "\",\"resourceGroup\":\"rg-" NAME "\",\"requiredNsgRules\":" \
    "\"NoAzureDatabricksRules\",\"endpoint\":" endpoint ",\"zone\":" zone "}]}"
#define BY_HAND "{\"zoneGroup\":false}"
#define VNET                                                      \
    "/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-" NAME \
    "/providers/Microsoft.Network/virtualNetworks/" NAME "-vnet"

/* ---- records ---------------------------------------------------------------------------------------------------------- */

static void expect(const char *zone, const char *code, const char *part)
{
    CW_AUTO(cw_buf_fini) struct cw_buf state = {0};
    cw_buf_addf(&state,
                "{\"workspaces\":[{\"name\":\"" NAME "\",\"resourceGroup\":\"rg-" NAME
                "\",\"requiredNsgRules\":\"NoAzureDatabricksRules\",\"endpoint\":" BY_HAND ",\"zone\":%s}]}",
                zone);
    struct rig *rig = rig_new(cw_buf_z(&state), "verify", READ_ONLY);
    rig_run_until(rig, &cw_step_diagnose);
    if (!cw_z_eq(rig->facts.proof_error.code, code))
        fail_msg("%s: %s instead of %s", zone,
                 rig->facts.proof_error.code == NULL ? "fine" : rig->facts.proof_error.code, code);
    assert_non_null(strstr(rig->facts.proof_error.message, part));
    assert_true(strlen(rig->facts.proof_error.remedy) > 20);
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_free(rig);
}

static void bad_records_are_told_apart(void **state)
{
    (void)state;
    expect("{}", "RecordMissing", "the zone has no record");
    expect("{\"record\":\"10.99.0.9\"}", "RecordWrong", "which is no address of the workspace's VNet");
    expect("{\"record\":\"10.10.128.1\"}", "RecordWrong", "which something else in the VNet has");
    expect("{\"record\":\"10.10.128.20\"}", "RecordStale", "10.10.128.20, which nothing in the VNet has");
}

/* The record is changed by hand after the endpoint's zone group has written it. */
static void write_record(struct rig *rig, const char *addresses)
{
    char error[256] = "";
    CW_AUTO(cw_auto_json) json_t *state = az_model_save(rig->model);
    size_t i;
    json_t *resource;
    bool is_found = false;
    json_array_foreach(json_object_get(state, "resources"), i, resource) {
        if (strstr(cw_json_str(resource, "id", ""), "/A/adb-") == NULL)
            continue;
        is_found = true;
        json_object_set_new((json_t *)(uintptr_t)cw_json_at(resource, "properties"), "aRecords",
                            json_loads(addresses, 0, NULL));
    }
    assert_true(is_found);
    if (az_model_load(rig->model, state, error, sizeof error) < 0)
        fail_msg("%s", error);
}

static void more_addresses_than_the_endpoints(void **state)
{
    (void)state;
    struct rig *rig = rig_new(STATE("{}", "{}"), "verify", READ_ONLY);
    rig_run_until(rig, &cw_step_verify_dns);
    write_record(rig, "[{\"ipv4Address\":\"10.10.128.4\"},{\"ipv4Address\":\"10.10.128.20\"}]");
    rig_must(rig, &cw_step_verify_dns);
    assert_string_equal(rig->facts.proof_error.code, "RecordDuplicate");
    assert_non_null(strstr(rig->facts.proof_error.message, "10.10.128.4, 10.10.128.20"));
    rig_free(rig);
}

static void who_has_the_address_may_be_secret(void **state)
{
    (void)state;
    struct rig *rig = rig_new(STATE("{\"record\":\"10.10.128.20\"}", BY_HAND), "verify", READ_ONLY);
    rig_run_until(rig, &cw_step_verify_dns);
    world_inject(
        &(struct world_fault){.nth = 1,
                              .count = UINT64_MAX,
                              .url_part = "CheckIPAddressAvailability",
                              .kind = WORLD_FAULT_ANSWER,
                              .status = 403,
                              .body = "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}"});
    rig_must(rig, &cw_step_verify_dns);
    assert_string_equal(rig->facts.proof_error.code, "RecordWrong");
    assert_non_null(strstr(rig->facts.proof_error.message, "whose that is can't be read"));
    rig_free(rig);
}

static void what_there_is_instead_of_an_endpoint(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        const char *status;
    } cases[] = {{STATE("{}", "{\"status\":\"Pending\"}"), "Pending"},
                 {STATE("{}", "{\"status\":\"Rejected\"}"), "Rejected"},
                 {STATE("{}", "false"), "None"},
                 {STATE("{}", "{}"), "Approved"}};
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct rig *rig = rig_new(cases[i].state, "verify", READ_ONLY);
        rig_run_until(rig, &cw_step_diagnose);
        assert_string_equal(rig->facts.endpoint_status, cases[i].status);
        rig_free(rig);
    }
}

/* ---- the worker's own name server ------------------------------------------------------------------------------------- */

static struct rig *inside(const char *state, const char *data, const char *vnet)
{
    struct rig *rig = rig_new(state, "verify", data);
    rig_use_resolver(rig, "10.0.0.4");
    world_dns_sit(vnet);
    rig_run_until(rig, &cw_step_verify_dns);
    return rig;
}

static void a_proven_record_is_not_read(void **state)
{
    (void)state;
    struct rig *rig = inside(STATE("{}", "{}"), DATA, VNET);
    rig_must(rig, &cw_step_verify_dns);
    assert_null(rig->facts.proof_error.code);
    assert_int_equal(world_calls_of("GET", "privateDnsZones"), 0);
    assert_int_equal(world_calls_of("GET", "privateLinkResources"), 0);
    assert_string_equal(rig->facts.resolver.server, "10.0.0.4");
    assert_int_equal(rig->facts.resolver.cname_count, 1);
    assert_int_equal(rig->facts.record_count, 1);
    assert_string_equal(rig->facts.records[0].addresses[0], rig->facts.endpoint_address);
    assert_true(rig_has_found(rig, "the record was not read from Azure"));
    rig_run_until(rig, NULL); /* the node sees the rest */
    assert_string_equal(rig->facts.cluster_state, "RUNNING");
    assert_null(rig->facts.proof_error.code);
    rig_free(rig);
}

/* Without a node nobody else looks at the link. */
static void without_a_cluster_the_link_is_read(void **state)
{
    (void)state;
    struct rig *rig = inside(STATE("{}", "{}"), READ_ONLY, VNET);
    rig_must(rig, &cw_step_verify_dns);
    assert_null(rig->facts.proof_error.code);
    assert_true(world_calls_of("GET", "virtualNetworkLinks") > 0);
    assert_int_equal(world_calls_of("GET", "/A/adb-"), 0);
    assert_non_null(rig->facts.link_id);
    rig_free(rig);
}

/* A worker elsewhere sees the public address: that says nothing about the workspace. */
static void an_answer_from_elsewhere_means_nothing(void **state)
{
    (void)state;
    struct rig *rig = inside(STATE("{}", "{}"), DATA, NULL);
    rig_must(rig, &cw_step_verify_dns);
    assert_null(rig->facts.proof_error.code);
    assert_true(world_calls_of("GET", "/A/") > 0);
    assert_non_null(rig->facts.resolver.server);
    assert_true(rig_has_found(rig, "which may be its own view: Azure is read"));
    rig_free(rig);
}

static void a_wrong_answer_is_judged_by_azure(void **state)
{
    (void)state;
    struct rig *rig = inside(STATE("{\"record\":\"10.10.128.20\"}", BY_HAND), DATA, VNET);
    rig_must(rig, &cw_step_verify_dns);
    assert_string_equal(rig->facts.proof_error.code, "RecordStale");
    assert_true(rig_has_found(rig, "answers 10.10.128.20"));
    rig_free(rig);
}

static void a_silent_name_server_hinders_nobody(void **state)
{
    (void)state;
    static const int errors[] = {CW_ENET, CW_ETIMEDOUT};
    for (size_t i = 0; i < CW_ARRAY_LEN(errors); i++) {
        struct rig *rig = inside(STATE("{}", "{}"), DATA, VNET);
        world_dns_fail(errors[i], 1);
        rig_must(rig, &cw_step_verify_dns);
        assert_null(rig->facts.proof_error.code);
        assert_null(rig->facts.resolver.server);
        assert_true(world_calls_of("GET", "/A/") > 0);
        assert_true(rig_has_found(rig, "did not answer"));
        assert_int_equal(world_dns_lookups(), 1);
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_records_are_told_apart),
        cmocka_unit_test(more_addresses_than_the_endpoints),
        cmocka_unit_test(who_has_the_address_may_be_secret),
        cmocka_unit_test(what_there_is_instead_of_an_endpoint),
        cmocka_unit_test(a_proven_record_is_not_read),
        cmocka_unit_test(without_a_cluster_the_link_is_read),
        cmocka_unit_test(an_answer_from_elsewhere_means_nothing),
        cmocka_unit_test(a_wrong_answer_is_judged_by_azure),
        cmocka_unit_test(a_silent_name_server_hinders_nobody),
    };
    return cmocka_run_group_tests_name("step/verify_dns", tests, NULL, NULL);
}

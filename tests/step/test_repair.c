/* options.autoRepair safe: what can be mended by adding is, and proven once more; what can't is left untouched. */
#include "tests/lib/steprig.h"

static json_t *load(const char *name)
{
    CW_AUTO(cw_buf_fini) struct cw_buf path = {0};
    const char *root = getenv("CW_ROOT");
    cw_buf_addf(&path, "%s/tests/azure/states/%s.json", root != NULL ? root : ".", name);
    json_t *doc = json_load_file(cw_buf_z(&path), 0, NULL);
    if (doc == NULL)
        fail_msg("%s: cannot be read", cw_buf_z(&path));
    return doc;
}

static struct rig *begin_verify(const char *name)
{
    CW_AUTO(cw_buf_fini) struct cw_buf data = {0};
    CW_AUTO(cw_auto_json) json_t *doc = load(name);
    CW_AUTO(cw_auto_str) char *text = cw_json_print(doc);
    cw_buf_addf(
        &data,
        "{\"workspaceId\":\"/subscriptions/" RIG_SUBSCRIPTION
        "/resourceGroups/%s/providers/Microsoft.Databricks/workspaces/%s\",\"options\":{\"autoRepair\":\"safe\"}}",
        cw_json_str(doc, "workspaces/0/resourceGroup", "rg"), cw_json_str(doc, "workspaces/0/name", ""));
    return rig_new(text, "verify", cw_buf_z(&data));
}

static struct rig *verify(const char *name)
{
    struct rig *rig = begin_verify(name);
    rig_run_until(rig, NULL);
    return rig;
}

static void what_can_be_added_is_repaired_and_proven(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *change;
    } cases[] = {
        {"zone_not_linked", "link of the zone to the VNet"},
        {"zone_linked_to_hub_only", "link of the zone to the VNet"},
        {"record_missing", "zone group of the endpoint"},
        {"record_split_name", "zone group of the endpoint"},
        {"endpoint_pending", "approved connection"},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct rig *rig = verify(cases[i].file);
        assert_non_null(rig->facts.proof_error.code);
        if (cw_facts_proof(&rig->facts)->code != NULL)
            fail_msg("%s: %s", cases[i].file, cw_facts_proof(&rig->facts)->message);
        assert_int_equal(rig->facts.is_repaired, CW_TRI_YES);
        if (!rig_has_changed(rig, cases[i].change))
            fail_msg("%s: no change '%s'", cases[i].file, cases[i].change);
        assert_non_null(rig->facts.probe_json);
        assert_int_equal(rig_changes(rig, "/delete"), 0);
        assert_int_equal(rig_changes(rig, "clusters/create"), rig_changes(rig, "permanent-delete"));
        rig_free(rig);
    }
}

static void what_needs_a_person_is_left_untouched(void **state)
{
    (void)state;
    static const char *const files[] = {"record_stale_address",
                                        "record_of_other_endpoint",
                                        "wrong_zone_name",
                                        "nsg_denies_storage",
                                        "endpoint_subnet_closed",
                                        "route_blackhole",
                                        "subnet_not_delegated",
                                        "endpoint_rejected",
                                        "dns_server_silent",
                                        "endpoint_in_other_network",
                                        "incident",
                                        "all_rules",
                                        "zone_locked",
                                        "ip_access_list"};
    for (size_t i = 0; i < CW_ARRAY_LEN(files); i++) {
        struct rig *rig = verify(files[i]);
        if (cw_facts_proof(&rig->facts)->code == NULL || rig->facts.is_repaired == CW_TRI_YES)
            fail_msg("%s: repaired", files[i]);
        if (!rig_has_found(rig, "nothing was repaired"))
            fail_msg("%s: does not say so", files[i]);
        assert_int_equal(rig_changes(rig, "/write"), 0);
        rig_free(rig);
    }
}

static void a_repair_that_is_refused_leaves_the_verdict_to_the_proof(void **state)
{
    (void)state;
    struct rig *rig = begin_verify("zone_not_linked");
    world_inject(&(struct world_fault){
        .nth = 1,
        .count = 1000,
        .method = "PUT",
        .url_part = "virtualNetworkLinks",
        .kind = WORLD_FAULT_ANSWER,
        .status = 403,
        .body = "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"does not have authorization\"}}",
    });
    rig_run_until(rig, NULL);
    assert_non_null(cw_facts_proof(&rig->facts)->code);
    assert_true(rig_has_found(rig, "not repaired"));
    assert_int_equal(rig->facts.diagnosis[0].cause, CW_CAUSE_ZONE_NOT_LINKED);
    assert_int_equal(rig_changes(rig, "/write"), 0);
    rig_free(rig);
}

static void unasked_nothing_is_repaired(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(RIG_UNLINKED, "verify", "{\"workspaceId\":\"" RIG_WORKSPACE("unlinked-ws") "\"}");
    rig_run_until(rig, NULL);
    assert_non_null(cw_facts_proof(&rig->facts)->code);
    assert_int_equal(rig_changes(rig, "/write"), 0);
    rig_free(rig);
}

#define SAFE "{\"workspaceId\":\"" RIG_WORKSPACE("unlinked-ws") "\",\"options\":{\"autoRepair\":\"safe\"}}"
static void a_crash_in_the_repair_repeats_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        struct cw_err err = {0};
        struct rig *rig = rig_new(RIG_UNLINKED, "verify", SAFE);
        rig_run_until(rig, &cw_step_repair);
        world_inject(&(struct world_fault){
            .nth = n, .url_part = "virtualNetworkLinks/", .kind = WORLD_FAULT_CANCEL, .error = CW_EPARKED});
        assert_int_equal(rig_attempt(rig, &cw_step_repair, false, &err), -CW_EPARKED);
        rig = rig_restart(rig);
        rig_must(rig, &cw_step_repair);
        assert_int_equal(rig->facts.is_repaired, CW_TRI_YES);
        assert_int_equal(rig_changes(rig, "virtualNetworkLinks"), 1);
        rig_free(rig);
    }
}

static void without_all_readings_nothing_is_repaired(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_UNLINKED, "verify", SAFE);
    rig_run_until(rig, &cw_step_repair);
    world_inject(
        &(struct world_fault){.nth = 1,
                              .url_part = "networkSecurityGroups",
                              .kind = WORLD_FAULT_ANSWER,
                              .status = 403,
                              .body = "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}",
                              .count = UINT64_MAX});
    assert_int_equal(rig_attempt(rig, &cw_step_repair, false, &err), 0);
    assert_true(rig_has_found(rig, "nothing was repaired: unreadable"));
    assert_int_equal(rig_changes(rig, "virtualNetworkLinks"), 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_added_is_repaired_and_proven),
        cmocka_unit_test(what_needs_a_person_is_left_untouched),
        cmocka_unit_test(a_repair_that_is_refused_leaves_the_verdict_to_the_proof),
        cmocka_unit_test(unasked_nothing_is_repaired),
        cmocka_unit_test(a_crash_in_the_repair_repeats_nothing),
        cmocka_unit_test(without_all_readings_nothing_is_repaired),
    };
    return cmocka_run_group_tests_name("step/repair", tests, NULL, NULL);
}

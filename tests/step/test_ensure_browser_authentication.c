#include "tests/lib/steprig.h"

#define STEP (&cw_step_ensure_browser_authentication)
#define HUB "/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-hub/providers/"
#define TRANSIT HUB "Microsoft.Network/virtualNetworks/transit"
#define ZONE "Microsoft.Network/privateDnsZones/privatelink.databricks.azure.localhost"
#define WEB_AUTH HUB "Microsoft.Databricks/workspaces/WEB_AUTH_DO_NOT_DELETE_chinaeast2"
#define ENSURE(vnet) "\"browserAuthentication\":{\"mode\":\"ensure\",\"vnetId\":\"" vnet "\"}"
#define NEW(name, more) \
    "{\"workspaceId\":\"" RIG_WORKSPACE(name) "\",\"region\":\"chinaeast2\"," ENSURE(TRANSIT) more "}"
#define TRANSIT_IN(region)                                                                   \
    "{\"id\":\"" TRANSIT "\",\"location\":\"" region "\",\"properties\":{\"addressSpace\":{" \
    "\"addressPrefixes\":[\"10.60.0.0/16\"]}}}"
#define WITH_TRANSIT(more) "{\"resources\":[" TRANSIT_IN("chinaeast2") more "]}"
#define BROKEN_ZONE "/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-broken/providers/" ZONE
#define BROKEN                                                                                   \
    "{\"workspaceId\":\"/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-broken/providers/" \
    "Microsoft.Databricks/workspaces/broken-ws\",\"privateDns\":{\"zoneId\":\"" BROKEN_ZONE      \
    "\"}," ENSURE(TRANSIT) "}"

static size_t place_of_write(const char *part)
{
    for (size_t i = 0; i < world_call_count(); i++)
        if (strcmp(world_call_at(i)->method, "PUT") == 0 && cw_z_contains_nocase(world_call_at(i)->url, part))
            return i;
    fail_msg("no PUT of %s", part);
    return 0;
}

static void it_is_made_once_locked_and_in_order(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WITH_TRANSIT(""), "provision", NEW("new-ws", ""));
    rig_run_until(rig, STEP);
    size_t before = rig_changes(rig, NULL);
    rig->locks_taken = 0;
    rig_must(rig, STEP);
    assert_int_equal(rig->locks_taken, 2);
    assert_int_equal(rig_changes(rig, "Microsoft.Authorization/locks/write"), 1);
    assert_true(place_of_write("WEB_AUTH_DO_NOT_DELETE_chinaeast2-ui-api/privateDnsZoneGroups") <
                place_of_write("WEB_AUTH_DO_NOT_DELETE_chinaeast2-browser-auth?"));
    assert_true(place_of_write("/locks/causeway-keep") <
                place_of_write("WEB_AUTH_DO_NOT_DELETE_chinaeast2-ui-api?"));
    assert_true(cw_armid_eq(rig->facts.browser_zone_id, HUB ZONE));
    size_t changes = rig_changes(rig, NULL);
    print_message("%zu changes\n", changes - before);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), changes);
    rig_must(rig, &cw_step_verify_dns);
    assert_true(rig_has_found(rig, "record chinaeast2.pl-auth points at browser_authentication endpoint"));
    assert_int_equal(rig->facts.record_count, 2);
    assert_string_equal(rig->facts.records[1].name, "chinaeast2.pl-auth");
    assert_int_equal(rig->facts.diagnosis_count, 0);
    rig_free(rig);
}

/* The state that a rig left behind, for another request. */
static struct rig *go_on(struct rig *take_rig, const char *kind, const char *data)
{
    CW_AUTO(cw_auto_json) json_t *saved = az_model_save(take_rig->model);
    CW_AUTO(cw_auto_str) char *text = cw_json_print(saved);
    rig_free(take_rig);
    return rig_new(text, kind, data);
}

static void two_workspaces_of_a_region_share_it(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WITH_TRANSIT(""), "provision", NEW("new-ws", ""));
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    CW_AUTO(cw_auto_str) char *first = strdup(rig->facts.browser_endpoint_id);
    rig = go_on(rig, "provision", NEW("other-ws", ""));
    rig_run_until(rig, STEP);
    size_t changes = rig_changes(rig, NULL);
    int64_t reads = rig->counts.reads;
    rig_must(rig, STEP);
    print_message("the second one: %lld reads\n", (long long)(rig->counts.reads - reads));
    assert_int_equal(rig_changes(rig, NULL), changes);
    assert_string_equal(rig->facts.browser_endpoint_id, first);
    assert_true(rig_has_found(rig, "is on workspace WEB_AUTH_DO_NOT_DELETE_chinaeast2"));
    rig_free(rig);
}

static void a_zone_of_the_transit_network_is_used(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(WITH_TRANSIT(",{\"id\":\"" HUB ZONE "\",\"location\":\"global\",\"properties\":{}},"
                             "{\"id\":\"" HUB ZONE "/virtualNetworkLinks/transit\",\"location\":\"global\","
                             "\"properties\":{\"virtualNetwork\":{\"id\":\"" TRANSIT
                             "\"},\"registrationEnabled\":false}}"),
                "provision", NEW("new-ws", ""));
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_true(rig_has_found(rig, "the VNet is linked to zone " HUB ZONE));
    assert_int_equal(rig_changes(rig, HUB ZONE "/virtualNetworkLinks"), 0);
    rig_free(rig);
}

static struct rig *broken(const char *name)
{
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    struct rig *rig = rig_new(rig_read_state(name, &text), "migrate", BROKEN);
    rig_run_until(rig, STEP);
    return rig;
}

static void one_made_by_hand_is_adopted(void **state)
{
    (void)state;
    struct rig *rig = broken("healthy_browser");
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_must(rig, STEP);
    assert_true(cw_z_ends(rig->facts.browser_endpoint_id, "/privateEndpoints/web-auth"));
    assert_int_equal(rig_changes(rig, "virtualNetworkLinks"), 1);
    assert_int_equal(rig_changes(rig, "locks/write"), 1);
    assert_int_equal(rig_changes(rig, NULL), 2);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), 2);
    rig_free(rig);
}

static void a_record_that_leads_elsewhere_is_left_alone(void **state)
{
    (void)state;
    static const char *const states[] = {"browser_record_overwritten", "browser_host_deleted"};
    struct cw_err err = {0};
    for (size_t i = 0; i < CW_ARRAY_LEN(states); i++) {
        struct rig *rig = broken(states[i]);
        assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EMISCONFIGURED);
        assert_non_null(strstr(err.text, "chinaeast2.pl-auth points at"));
        assert_string_not_equal(err.remedy, "");
        assert_int_equal(rig_changes(rig, "privateEndpoints"), 0);
        assert_int_equal(rig_changes(rig, "/A/"), 0);
        rig_free(rig);
    }
}

static void a_missing_record_is_written(void **state)
{
    (void)state;
    struct rig *rig = broken("browser_record_missing");
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "/A/chinaeast2.pl-auth"), 1);
    rig_must(rig, &cw_step_verify_dns);
    assert_true(
        rig_has_found(rig, "record chinaeast2.pl-auth points at browser_authentication endpoint web-auth"));
    rig_free(rig);
}

static void expect_refusal(const char *resources, const char *data, const char *part)
{
    struct cw_err err = {0};
    struct rig *rig = rig_new(resources, "provision", data);
    rig_run_until(rig, STEP);
    size_t changes = rig_changes(rig, NULL);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EREJECTED);
    if (strstr(err.text, part) == NULL)
        fail_msg("%s", err.text);
    assert_string_not_equal(err.remedy, "");
    assert_int_equal(rig_changes(rig, NULL), changes);
    rig_free(rig);
}

static void a_transit_network_that_cannot_serve_is_refused(void **state)
{
    (void)state;
    expect_refusal("{}", NEW("new-ws", ""), "does not exist");
    expect_refusal("{\"resources\":[" TRANSIT_IN("chinanorth3") "]}", NEW("new-ws", ""), "another region");
}

static void a_plan_writes_nothing_and_tells_every_change(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(WITH_TRANSIT(""), "provision", NEW("new-ws", ",\"options\":{\"mode\":\"plan\"}"));
    rig_run_until(rig, STEP);
    rig->changed_count = 0;
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_int_equal(rig->counts.writes + rig->counts.deletes, 0);
    static const char *const told[] = {"private DNS zone",
                                       "link of the zone to the transit VNet",
                                       "security group",
                                       "subnet web-auth-host",
                                       "subnet web-auth-container",
                                       "subnet private-endpoints",
                                       "isolated workspace for browser sign-in: would create",
                                       "delete lock",
                                       "endpoint of the isolated workspace for databricks_ui_api",
                                       "endpoint of the isolated workspace for browser_authentication",
                                       "record chinaeast2.pl-auth"};
    for (size_t i = 0; i < CW_ARRAY_LEN(told); i++)
        if (!rig_has_changed(rig, told[i]))
            fail_msg("nothing is said about: %s", told[i]);
    rig_free(rig);
}

#define MAY_NOT_LOCK                                                                        \
    ",\"principals\":[{\"tenantId\":\"22222222-2222-2222-2222-222222222222\",\"clientId\":" \
    "\"33333333-3333-3333-3333-333333333333\",\"clientSecret\":\"sim-secret\",\"roles\":["  \
    "{\"role\":\"Owner\",\"notActions\":[\"Microsoft.Authorization/locks/write\"]}]}]"

static void without_a_lock_it_is_not_ready(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new("{\"resources\":[" TRANSIT_IN("chinaeast2") "]" MAY_NOT_LOCK "}", "provision",
                              NEW("new-ws", ""));
    rig_run_until(rig, STEP);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EDENIED);
    assert_non_null(strstr(err.remedy, "delete lock"));
    assert_int_equal(rig_changes(rig, "browser-auth"), 0);
    rig_free(rig);
}

static void survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = WITH_TRANSIT(""),
                                  .kind = "provision",
                                  .data = NEW("new-ws", ""),
                                  .step = STEP,
                                  .stride = 8});
}

static void adoption_survives_failures(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    rig_sweep(&(struct rig_sweep){.state = rig_read_state("healthy_browser", &text),
                                  .kind = "migrate",
                                  .data = BROKEN,
                                  .step = STEP,
                                  .stride = 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_once_locked_and_in_order),
        cmocka_unit_test(two_workspaces_of_a_region_share_it),
        cmocka_unit_test(a_zone_of_the_transit_network_is_used),
        cmocka_unit_test(one_made_by_hand_is_adopted),
        cmocka_unit_test(a_record_that_leads_elsewhere_is_left_alone),
        cmocka_unit_test(a_missing_record_is_written),
        cmocka_unit_test(a_transit_network_that_cannot_serve_is_refused),
        cmocka_unit_test(a_plan_writes_nothing_and_tells_every_change),
        cmocka_unit_test(without_a_lock_it_is_not_ready),
        cmocka_unit_test(survives_failures),
        cmocka_unit_test(adoption_survives_failures),
    };
    return cmocka_run_group_tests_name("step/ensure_browser_authentication", tests, NULL, NULL);
}

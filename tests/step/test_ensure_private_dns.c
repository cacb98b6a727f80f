#include "tests/lib/steprig.h"

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define UNLINKED "{\"workspaceId\":\"" RIG_WORKSPACE("unlinked-ws") "\"}"
#define STEP (&cw_step_ensure_private_dns)

static void zone_link_and_record_are_made_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision", NEW);
    rig_run_until(rig, STEP);
    size_t before = rig_changes(rig, NULL);
    rig_must(rig, STEP);
    assert_string_equal(rig->facts.zone_name, "privatelink.databricks.azure.localhost");
    assert_non_null(rig->facts.record_name);
    assert_non_null(rig->facts.link_id);
    size_t changes = rig_changes(rig, NULL) - before;
    assert_true(changes >= 3 && changes <= 4);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL) - before, changes);
    rig_free(rig);
}

/* Zone, link and zone group have names that we would not give. */
static void what_was_made_by_hand_is_used(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(RIG_HEALTHY, "migrate", "{\"workspaceId\":\"" RIG_WORKSPACE("healthy-ws") "\"}");
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_true(cw_z_ends(rig->facts.link_id, "/virtualNetworkLinks/healthy-ws"));
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_free(rig);
}

static void a_missing_link_is_added_to_the_existing_zone(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_UNLINKED, "migrate", UNLINKED);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "virtualNetworkLinks"), 1);
    assert_int_equal(rig_changes(rig, NULL), 1);
    rig_free(rig);
}

static void a_zone_of_another_name_is_refused(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(
        RIG_UNLINKED, "migrate",
        "{\"workspaceId\":\"" RIG_WORKSPACE(
            "unlinked-ws") "\",\"privateDns\":{\"zoneId\":\"/subscriptions/" RIG_SUBSCRIPTION
                           "/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/privatelink.azuredatabricks.net\"}}");
    /* check_request refuses it; only a workspace that asks for another name than its cloud's brings it here. */
    const struct cw_plan *plan = cw_plan_of(&rig->req);
    for (size_t i = 1; plan->steps[i] != STEP; i++)
        rig_must(rig, plan->steps[i]);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EMISCONFIGURED);
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_free(rig);
}

static void survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EMPTY, .kind = "provision", .data = NEW, .step = STEP});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_link_and_record_are_made_once),
        cmocka_unit_test(what_was_made_by_hand_is_used),
        cmocka_unit_test(a_missing_link_is_added_to_the_existing_zone),
        cmocka_unit_test(a_zone_of_another_name_is_refused),
        cmocka_unit_test(survives_failures),
    };
    return cmocka_run_group_tests_name("step/ensure_private_dns", tests, NULL, NULL);
}

/* The three plans from begin to end, without an engine. */
#include "tests/lib/steprig.h"

#include "schema/result_v1.h"

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define OLD "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}"
#define WRITES_MAX 20 /* a provision's budget: 8 for Azure, the others for the cluster and the probe on it */

static void a_new_workspace_is_proven_and_a_second_run_changes_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision", NEW);
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    assert_string_equal(rig->facts.cluster_state, "RUNNING");
    size_t changes = rig_changes(rig, "/write");
    assert_true(rig->counts.writes <= WRITES_MAX);
    rig->facts = (struct cw_facts){0};
    rig_run_until(rig, NULL);
    assert_int_equal(rig_changes(rig, "/write"), changes);
    assert_null(rig->facts.proof_error.code);
    rig_free(rig);
}

static void a_migration_leaves_all_compute_running(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    assert_string_equal(rig->facts.required_nsg_rules, "NoAzureDatabricksRules");
    assert_int_equal(rig->facts.compute_count, 3);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    rig_free(rig);
}

static int64_t outage_of(const char *data)
{
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", data);
    struct cw_result_v1 result = {0};
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    assert_int_equal(cw_result_from_facts(&result, &rig->facts, rig->mem), 0);
    rig_free(rig);
    return result.outage_ms;
}

static void the_shortest_outage_is_shorter_and_both_are_measured(void **state)
{
    (void)state;
    int64_t documented = outage_of(
        "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}");
    int64_t shortest = outage_of(
        "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\","
                                                           "\"order\":\"shortest-outage\"}}");
    print_message("outage: documented %lld s, shortest %lld s\n", (long long)documented / 1000,
                  (long long)shortest / 1000);
    assert_true(shortest > 0 && shortest < documented - 60000);
}

static void plan_mode_writes_nothing_and_tells_every_change(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision",
                              "{\"workspaceId\":\"" RIG_WORKSPACE(
                                  "new-ws") "\",\"region\":\"chinaeast2\",\"options\":{\"mode\":\"plan\"}}");
    rig_run_until(rig, NULL);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_int_equal(rig->counts.writes + rig->counts.deletes, 0);
    static const char *const told[] = {"resource group",   "security group",   "virtual network",
                                       "workspace",        "private endpoint", "private DNS zone",
                                       "link of the zone", "zone group"};
    for (size_t i = 0; i < CW_ARRAY_LEN(told); i++)
        if (!rig_has_changed(rig, told[i]))
            fail_msg("nothing is said about the %s", told[i]);
    rig_free(rig);
}

/* Wherever a migration is cancelled: after the undo its compute runs, no cluster of ours is left, and the rules fit what is
 * there. */
static void cancel_at_step(const struct cw_step *step)
{
    const struct cw_plan *plan = cw_plan_of(&(struct cw_request){.kind = CW_REQUEST_MIGRATE});
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, step);
    if (step->when != NULL && !step->when(&rig->req, &rig->facts)) {
        rig_free(rig);
        return;
    }
    world_inject(&(struct world_fault){.nth = world_call_count() + 3, .kind = WORLD_FAULT_CANCEL});
    (void)rig_attempt(rig, step, false, &err);
    rig = rig_restart(rig);
    size_t at = 0;
    while (plan->steps[at] != step)
        at++;
    for (size_t i = at + 1; i-- > 0;) {
        int r = plan->steps[i]->undo != NULL ? rig_undo(rig, plan->steps[i], &err) : 0;
        if (r < 0)
            fail_msg("cancelled in %s, undo of %s: %s", step->name, plan->steps[i]->name, err.text);
    }
    rig->facts.compute_count = 0;
    rig_must(rig, &cw_step_inspect_workspace);
    rig_must(rig, &cw_step_inventory_compute);
    if (rig->facts.compute_count != 3)
        fail_msg("cancelled in %s: %zu of 3 run", step->name, rig->facts.compute_count);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state, "RUNNING");
    assert_int_equal(rig_changes(rig, "clusters/create"), rig_changes(rig, "permanent-delete"));
    rig_free(rig);
}

static void a_cancelled_migration_leaves_all_compute_running(void **state)
{
    (void)state;
    const struct cw_plan *plan = cw_plan_of(&(struct cw_request){.kind = CW_REQUEST_MIGRATE});
    for (size_t i = 0; i + 1 < plan->step_count; i++)
        cancel_at_step(plan->steps[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_workspace_is_proven_and_a_second_run_changes_nothing),
        cmocka_unit_test(a_migration_leaves_all_compute_running),
        cmocka_unit_test(the_shortest_outage_is_shorter_and_both_are_measured),
        cmocka_unit_test(plan_mode_writes_nothing_and_tells_every_change),
        cmocka_unit_test(a_cancelled_migration_leaves_all_compute_running),
    };
    return cmocka_run_group_tests_name("step/plans", tests, NULL, NULL);
}

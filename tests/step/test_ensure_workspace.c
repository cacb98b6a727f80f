#include "tests/lib/steprig.h"

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define OLD "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}"
#define STEP (&cw_step_ensure_workspace)

static void a_new_workspace_is_complete(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision", NEW);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_non_null(rig->facts.workspace_url);
    assert_non_null(rig->facts.workspace_numeric_id);
    assert_string_equal(rig->facts.required_nsg_rules, "NoAzureDatabricksRules");
    assert_string_equal(rig->facts.managed_group, "managed-new-ws");
    assert_int_equal(rig->facts.workspace_existed, CW_TRI_NO);
    assert_int_equal(rig_changes(rig, "workspaces/write"), 1);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "workspaces/write"), 1);
    rig_free(rig);
}

static void an_existing_one_is_updated_once_and_only_when_it_differs(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_string_equal(rig->facts.required_nsg_rules, "NoAzureDatabricksRules");
    assert_string_equal(rig->facts.settings_before.required_nsg_rules, "AllRules");
    assert_int_equal(world_calls_of("PUT", "/workspaces/existing-ws?"), 1);
    rig_must(rig, STEP);
    assert_int_equal(world_calls_of("PUT", "/workspaces/existing-ws?"), 1);
    rig_free(rig);
}

static void a_plan_writes_nothing_and_knows_what_it_would_do(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(RIG_EXISTING, "migrate",
                "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"mode\":\"plan\"}}");
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_true(rig_has_changed(rig, "workspace: would update"));
    assert_true(rig_has_changed(rig, "would stop cluster etl"));
    rig_free(rig);
}

/* A migration that is cancelled before the private way is complete leaves the workspace as it was, and its compute running. */
static void undo_puts_the_rules_back_so_that_compute_starts(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, &cw_step_ensure_private_endpoint);
    world_inject(&(struct world_fault){.method = "PUT", .kind = WORLD_FAULT_CANCEL});
    assert_int_equal(rig_attempt(rig, &cw_step_ensure_private_endpoint, false, &err), -CW_ECANCELED);
    rig = rig_restart(rig);
    assert_int_equal(rig_undo(rig, STEP, &err), 0);
    assert_true(rig_has_changed(rig, "AllRules again"));
    assert_int_equal(rig_undo(rig, STEP, &err), 0);
    assert_int_equal(world_calls_of("PUT", "/workspaces/existing-ws?"), 1);
    if (rig_undo(rig, &cw_step_stop_compute, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    rig_free(rig);
}

static void undo_keeps_what_is_complete(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, &cw_step_launch_cluster);
    rig = rig_restart(rig);
    assert_int_equal(rig_undo(rig, STEP, &err), 0);
    assert_int_equal(world_call_count(), 0);
    if (rig_undo(rig, &cw_step_stop_compute, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    rig_free(rig);
}

static void survives_failures_of_a_creation(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EMPTY, .kind = "provision", .data = NEW, .step = STEP});
}

static void survives_failures_of_an_update(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){
        .state = RIG_EXISTING, .kind = "migrate", .data = OLD, .step = STEP, .stride = 11});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_workspace_is_complete),
        cmocka_unit_test(an_existing_one_is_updated_once_and_only_when_it_differs),
        cmocka_unit_test(a_plan_writes_nothing_and_knows_what_it_would_do),
        cmocka_unit_test(undo_puts_the_rules_back_so_that_compute_starts),
        cmocka_unit_test(undo_keeps_what_is_complete),
        cmocka_unit_test(survives_failures_of_a_creation),
        cmocka_unit_test(survives_failures_of_an_update),
    };
    return cmocka_run_group_tests_name("step/ensure_workspace", tests, NULL, NULL);
}

#include "common/azure/workspace.h"
#include "tests/lib/steprig.h"

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define OLD "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}"
#define STEP (&cw_step_ensure_workspace)

struct reading {
    struct rig *rig;
    struct cw_workspace *ret;
};

static int read_in_fiber(void *arg)
{
    const struct reading *reading = arg;
    struct rig *rig = reading->rig;
    struct cw_err err = {0};
    const struct cw_call call = {.until = cw_in_ms(60000), .mem = rig->mem, .counts = &rig->counts};
    return cw_workspace_get(rig->svc.arm, &call, rig->req.workspace_id, reading->ret, &err);
}

static void read_workspace(struct rig *rig, struct cw_workspace *ret)
{
    struct reading reading = {rig, ret};
    assert_int_equal(cw_loop_run_fiber(rig->loop, "read", read_in_fiber, &reading), 0);
}

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

/* A warehouse that somebody starts, so many seconds after the begin of the world, and every so many more. */
#define WAKING(after, every)                                                                            \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\",\"addressSpace\":" \
    "\"10.20.0.0/16\"}],\"databricks\":{\"workspaces\":{\"existing-ws\":{\"warehouses\":["              \
    "{\"id\":\"a1b2c3d4e5f60720\",\"name\":\"dashboards\",\"state\":\"RUNNING\"}],\"wakeups\":["        \
    "{\"warehouse\":\"a1b2c3d4e5f60720\",\"afterSeconds\":" #after ",\"everySeconds\":" #every "}]}}}}"

static void what_woke_up_since_the_stop_is_stopped_before_the_update(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WAKING(7200, 86400), "migrate", OLD);
    rig_run_until(rig, STEP);
    assert_int_equal(rig_changes(rig, "warehouses/stop"), 1);
    world_advance(7300 * INT64_C(1000));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "warehouses/stop"), 2);
    assert_int_equal(world_calls_of("PUT", "/workspaces/existing-ws?"), 1);
    assert_string_equal(rig->facts.required_nsg_rules, "NoAzureDatabricksRules");
    rig_run_until(rig, NULL);
    assert_string_equal(rig->facts.compute[0].state_now, "RUNNING");
    rig_free(rig);
}

static void what_woke_up_is_named_where_it_may_not_be_stopped(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig =
        rig_new("{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\"}],"
                "\"databricks\":{\"workspaces\":{\"existing-ws\":{\"clusters\":[{\"cluster_id\":\"c-late\","
                "\"cluster_name\":\"late\",\"state\":\"TERMINATED\"}],\"wakeups\":[{\"cluster\":\"c-late\","
                "\"afterSeconds\":3600}]}}}}",
                "migrate", "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\"}");
    rig_run_until(rig, STEP);
    world_advance(2 * 3600 * INT64_C(1000));
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EREJECTED);
    assert_non_null(strstr(err.text, "cluster late"));
    assert_int_equal(world_calls_of("PUT", "/workspaces/existing-ws?"), 0);
    assert_int_equal(rig_changes(rig, "clusters/delete"), 0);
    rig_free(rig);
}

static void the_update_fails(struct rig *rig)
{
    char error[256];
    CW_AUTO(cw_auto_json)
    json_t *rule = json_pack("{s:{s:s,s:s},s:i,s:s,s:s,s:s}", "match", "method", "PUT", "path",
                             "*/workspaces/existing-ws", "count", 100, "fault", "op-failed", "code",
                             "ApplicationUpdateFail", "message", "The control plane is busy.");
    assert_int_equal(az_model_add_fault(rig->model, rule, error, sizeof error), 0);
}

/* Azure leaves a workspace whose update failed in state Failed, with its old settings or the new ones. */
static void a_workspace_whose_update_fails_is_as_it_was_and_its_compute_runs(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct cw_workspace ws;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, STEP);
    the_update_fails(rig);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EOPFAILED);
    read_workspace(rig, &ws);
    assert_string_equal(ws.state, "Failed");
    az_model_clear_faults(rig->model);
    rig = rig_restart(rig);
    if (rig_undo(rig, STEP, &err) < 0)
        fail_msg("%s", err.text);
    read_workspace(rig, &ws);
    assert_string_equal(ws.state, "Succeeded");
    assert_string_equal(ws.required_nsg_rules, "AllRules");
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
        cmocka_unit_test(what_woke_up_since_the_stop_is_stopped_before_the_update),
        cmocka_unit_test(what_woke_up_is_named_where_it_may_not_be_stopped),
        cmocka_unit_test(a_workspace_whose_update_fails_is_as_it_was_and_its_compute_runs),
        cmocka_unit_test(undo_keeps_what_is_complete),
        cmocka_unit_test(survives_failures_of_a_creation),
        cmocka_unit_test(survives_failures_of_an_update),
    };
    return cmocka_run_group_tests_name("step/ensure_workspace", tests, NULL, NULL);
}

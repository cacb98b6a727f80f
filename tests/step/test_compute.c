/* inventory_compute, stop_compute, start_compute: what ran runs again. */
#include "tests/lib/steprig.h"

#include "tests/azure/core.h"

#define ALLOW "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}"
#define REFUSE "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\"}"
#define WITH_POOL                                                                                                        \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\"}],\"databricks\":{\"workspaces\":{" \
    "\"existing-ws\":{\"clusters\":[{\"cluster_name\":\"etl\"}],\"pools\":[{\"instance_pool_name\":\"warm\","            \
    "\"min_idle_instances\":2}]}}}}"

#define CANCEL \
    "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"cancel-runs\"}}"
/* An all-purpose cluster, and what the members name besides. */
#define WITH(members)                                                                                                    \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\"}],\"databricks\":{\"workspaces\":{" \
    "\"existing-ws\":{" members "}}}}"
#define RUN(id, members) \
    "{\"run_id\":" id ",\"run_name\":\"nightly\",\"state\":{\"life_cycle_state\":\"RUNNING\"}," members "}"
#define ETL "\"clusters\":[{\"cluster_id\":\"c-etl\",\"cluster_name\":\"etl\"}]"
#define ETL_AND_JOB                                                                                                 \
    "\"clusters\":[{\"cluster_id\":\"c-etl\",\"cluster_name\":\"etl\"},{\"cluster_id\":\"c-job\",\"cluster_name\":" \
    "\"job-7-run-9\",\"cluster_source\":\"JOB\"}]"
#define ON_JOB_CLUSTER \
    "\"cluster_instance\":{\"cluster_id\":\"c-job\"},\"tasks\":[{\"task_key\":\"a\",\"new_cluster\":{}}]"
#define SERVERLESS "\"tasks\":[{\"task_key\":\"a\",\"environment_key\":\"default\"}]"
#define JOB(pause_status)                                                                                               \
    "\"jobs\":[{\"job_id\":7,\"settings\":{\"name\":\"nightly\",\"tasks\":[{\"task_key\":\"a\",\"new_cluster\":{}}],"   \
    "\"schedule\":{\"quartz_cron_expression\":\"0 0 2 * * ?\",\"timezone_id\":\"UTC\",\"pause_status\":\"" pause_status \
    "\"}}}]"

static size_t stopped_by_us(const struct rig *rig)
{
    size_t n = 0;
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        n += rig->facts.compute[i].stopped_by_us;
    return n;
}

static void a_serverless_run_is_left_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WITH(ETL ",\"runs\":[" RUN("9", SERVERLESS) "]"), "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    int64_t before = cw_mono_ms();
    rig_must(rig, &cw_step_stop_compute);
    assert_true(cw_mono_ms() - before < 10 * 60000);
    assert_true(rig_has_changed(rig, "stopped cluster etl"));
    assert_int_equal(rig_changes(rig, "runs/cancel"), 0);
    rig_free(rig);
}

static void runs_are_waited_for_before_the_first_stop(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(WITH(ETL_AND_JOB ",\"runs\":[" RUN("9", "\"endsAfterSeconds\":1200," ON_JOB_CLUSTER) "]"),
                "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    int64_t before = cw_mono_ms();
    rig_must(rig, &cw_step_stop_compute);
    assert_true(cw_mono_ms() - before > 15 * 60000);
    assert_int_equal(rig_changes(rig, "runs/cancel"), 0);
    assert_int_equal(rig_changes(rig, "c-job"), 0);
    assert_true(rig_has_changed(rig, "stopped cluster etl"));
    assert_int_equal(stopped_by_us(rig), 1);
    rig_free(rig);
}

static void a_run_that_does_not_end_is_a_refusal_with_nothing_stopped(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(
        WITH(ETL_AND_JOB "," JOB("UNPAUSED") ",\"runs\":[" RUN("9", ON_JOB_CLUSTER) "]"), "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    assert_int_equal(rig_attempt(rig, &cw_step_stop_compute, false, &err), -CW_EREJECTED);
    assert_non_null(strstr(err.text, "nightly"));
    assert_non_null(strstr(err.remedy, "cancel-runs"));
    assert_int_equal(rig_changes(rig, "clusters/delete"), 0);
    assert_int_equal(rig_changes(rig, "runs/cancel"), 0);
    assert_int_equal(rig_undo(rig, &cw_step_stop_compute, &err), 0);
    assert_int_equal(rig_changes(rig, "jobs/update"), 2); /* paused, resumed */
    rig_free(rig);
}

static void runs_are_cancelled_where_that_is_allowed(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(WITH(ETL_AND_JOB ",\"runs\":[" RUN("9", ON_JOB_CLUSTER) "]"), "migrate", CANCEL);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    assert_true(rig_has_changed(rig, "cancelled run nightly"));
    rig_must(rig, &cw_step_start_compute);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        if (rig->facts.compute[i].kind == CW_COMPUTE_V1_CLUSTER && rig->facts.compute[i].was_running)
            assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    rig_free(rig);
}

static void schedules_are_paused_and_resumed_those_that_were_not(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WITH(ETL "," JOB("UNPAUSED")), "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    assert_true(rig_has_changed(rig, "paused schedule nightly"));
    rig_must(rig, &cw_step_start_compute);
    assert_int_equal(rig_changes(rig, "jobs/update"), 2);
    assert_true(rig_has_found(rig, "schedule nightly is UNPAUSED"));
    rig_free(rig);
    rig = rig_new(WITH(ETL "," JOB("PAUSED")), "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_start_compute);
    assert_int_equal(rig_changes(rig, "jobs/update"), 0);
    rig_free(rig);
}

static void a_continuous_pipeline_is_stopped_and_started_again(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(WITH("\"clusters\":[{\"cluster_id\":\"c-dlt\",\"cluster_name\":\"dlt\",\"cluster_source\":"
                     "\"PIPELINE\"}],\"pipelines\":[{\"pipeline_id\":\"p1\",\"name\":\"bronze\",\"state\":"
                     "\"RUNNING\",\"cluster_id\":\"c-dlt\",\"spec\":{\"continuous\":true}}]"),
                "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    assert_true(rig_has_changed(rig, "stopped pipeline bronze"));
    assert_int_equal(rig_changes(rig, "clusters/delete"), 0);
    rig_must(rig, &cw_step_start_compute);
    assert_true(rig_has_found(rig, "pipeline bronze is RUNNING"));
    rig_free(rig);
}

/* Started after the inventory, written down before it is stopped: a crash right after the stop forgets nothing. */
static void what_started_late_is_written_down_before_it_is_stopped(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(
        WITH("\"clusters\":[{\"cluster_id\":\"c-late\",\"cluster_name\":\"late\",\"state\":\"TERMINATED\"}],"
             "\"wakeups\":[{\"cluster\":\"c-late\",\"afterSeconds\":3600}]"),
        "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    assert_int_equal(rig->facts.compute_count, 0);
    world_advance(2 * 3600 * INT64_C(1000));
    world_inject(&(struct world_fault){.nth = 1,
                                       .url_part = "clusters/delete",
                                       .kind = WORLD_FAULT_LOST,
                                       .error = CW_EPARKED,
                                       .count = UINT64_MAX});
    (void)rig_attempt(rig, &cw_step_stop_compute, false, &err);
    rig = rig_restart(rig);
    assert_int_equal(rig->facts.compute_count, 1);
    assert_true(rig->facts.compute[0].stopped_by_us);
    assert_int_equal(rig_undo(rig, &cw_step_stop_compute, &err), 0);
    assert_true(rig_has_found(rig, "cluster late is RUNNING"));
    rig_free(rig);
}

static void only_what_we_stopped_is_started(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    /* Its owner stops one between the inventory and our stop. */
    struct cw_compute_v1 *bi = &rig->facts.compute[1];
    assert_string_equal(bi->name, "bi");
    rig_terminate(rig, bi->id);
    rig_must(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_start_compute);
    assert_int_equal(rig_changes(rig, "clusters/start"), 1);
    assert_null(rig->facts.compute[1].state_now);
    rig_free(rig);
}

static void pools_are_edited_only_on_a_difference(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WITH_POOL, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_start_compute);
    assert_int_equal(rig_changes(rig, "instance-pools/edit"), 2);
    rig_must(rig, &cw_step_start_compute);
    assert_int_equal(rig_changes(rig, "instance-pools/edit"), 2);
    rig_free(rig);
}

/* Journal and worker gone in the middle: a worker that knows nothing begins the request anew. */
static void the_note_survives_the_loss_of_everything_else(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_ensure_private_endpoint);
    assert_int_equal(stopped_by_us(rig), 3);
    rig = rig_forget(rig);
    rig_run_until(rig, NULL);
    assert_int_equal(stopped_by_us(rig), 3);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    assert_string_equal(rig->facts.settings_before.required_nsg_rules, "AllRules");
    assert_int_equal(rig_changes(rig, "workspace/delete"), 1);
    rig_free(rig);
}

static void all_of_it_runs(const struct rig *rig)
{
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
}

/* The same, but the request is cancelled before it is run again: what the world tells is enough to undo it. */
static void what_was_begun_is_undone_after_the_loss_of_everything(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    assert_false(rig_was_begun(rig, &cw_step_stop_compute));
    assert_false(rig_was_begun(rig, &cw_step_ensure_workspace));
    rig_run_until(rig, &cw_step_ensure_private_endpoint);
    rig = rig_forget(rig);
    assert_true(rig_was_begun(rig, &cw_step_stop_compute));
    assert_true(rig_was_begun(rig, &cw_step_ensure_workspace));
    assert_int_equal(stopped_by_us(rig), 3);
    assert_string_equal(rig->facts.settings_before.required_nsg_rules, "AllRules");
    assert_int_equal(rig_undo(rig, &cw_step_ensure_workspace, &err), 0);
    assert_true(rig_has_changed(rig, "required NSG rules are AllRules again"));
    assert_int_equal(rig_undo(rig, &cw_step_stop_compute, &err), 0);
    all_of_it_runs(rig);
    assert_int_equal(rig_changes(rig, "workspace/delete"), 1);
    assert_false(rig_was_begun(rig, &cw_step_stop_compute));
    rig_free(rig);
}

/* An operation on the workspace does not end: the note is read all the same, so that the verdict can name what is stopped. */
static void a_workspace_that_never_settles_hides_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_ensure_workspace);
    rig = rig_forget(rig);
    az_set_str(az_store_get(rig->model, RIG_WORKSPACE("existing-ws"))->body, "properties.provisioningState",
               "Updating");
    assert_true(rig_was_begun(rig, &cw_step_stop_compute));
    assert_int_equal(stopped_by_us(rig), 3);
    rig_free(rig);
}

/* A request lost its lock in mid-way, another one migrated the workspace and started its compute: the first one's undo, with what it knew,
 * must not change the network under it. */
static void what_another_request_completed_is_not_undone(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_ensure_private_endpoint);
    struct cw_facts known = rig->facts;
    rig_run_until(rig, NULL);
    all_of_it_runs(rig);
    size_t updates = rig_changes(rig, "workspaces/write");
    rig->facts = known;
    assert_int_equal(rig_undo(rig, &cw_step_ensure_workspace, &err), 0);
    assert_true(rig_has_found(rig, "another request has completed the way"));
    assert_int_equal(rig_changes(rig, "workspaces/write"), updates);
    rig_free(rig);
}

/* The same, but that compute only starts: it is waited for, and the workspace is not made Failed by an update under it. */
static void what_only_starts_is_waited_for(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_ensure_private_endpoint);
    struct cw_facts known = rig->facts;
    rig_run_until(rig, NULL);
    size_t updates = rig_changes(rig, "workspaces/write");
    rig->facts = known;
    static const char starting[] =
        "{\"clusters\":[{\"cluster_id\":\"c\",\"cluster_name\":\"etl\",\"state\":\"PENDING\","
        "\"cluster_source\":\"UI\"}]}";
    world_inject(&(struct world_fault){.url_part = "clusters/list?",
                                       .kind = WORLD_FAULT_ANSWER,
                                       .status = 200,
                                       .body = starting,
                                       .count = 1});
    world_inject(&(struct world_fault){
        .url_part = "sql/warehouses", .kind = WORLD_FAULT_ANSWER, .status = 200, .body = "{}", .count = 1});
    assert_int_equal(rig_undo(rig, &cw_step_ensure_workspace, &err), -CW_ECONFLICT);
    assert_int_equal(rig_changes(rig, "workspaces/write"), updates);
    rig_free(rig);
}

/* The first look at the note fails: it is read once the workspace has settled and answers. */
static void a_note_that_cannot_be_read_at_first_is_read_later(void **state)
{
    (void)state;
    const struct cw_step *const steps[] = {&cw_step_stop_compute, &cw_step_ensure_workspace};
    for (size_t i = 0; i < CW_ARRAY_LEN(steps); i++) {
        struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
        rig_run_until(rig, &cw_step_ensure_private_endpoint);
        rig = rig_forget(rig);
        world_inject(&(struct world_fault){.url_part = "workspace/export",
                                           .kind = WORLD_FAULT_ANSWER,
                                           .status = 403,
                                           .body = "{\"error_code\":\"PERMISSION_DENIED\"}"});
        assert_true(rig_was_begun(rig, steps[i]));
        rig_free(rig);
    }
}

/* Another request stopped it and has ended: who migrates next starts it, though it stopped nothing of it itself. */
static void what_another_request_left_stopped_is_started(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_ensure_workspace);
    assert_int_equal(stopped_by_us(rig), 3);
    rig = rig_forget(rig);
    rig->req.event.id = "another-request";
    assert_false(rig_was_begun(rig, &cw_step_stop_compute));
    rig_run_until(rig, NULL);
    assert_true(rig_has_found(rig, "that still rests: it is started again at the end"));
    assert_int_equal(stopped_by_us(rig), 3);
    all_of_it_runs(rig);
    assert_int_equal(rig_changes(rig, "workspace/delete"), 1);
    rig_free(rig);
}

/* The journal kept the inventory and lost what was written down before the stop. */
static void the_note_knows_what_the_journal_lost(void **state)
{
    (void)state;
    struct cw_facts inventory;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    inventory = rig->facts;
    rig_must(rig, &cw_step_stop_compute);
    rig->facts = inventory;
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        rig->facts.compute[i].stopped_by_us = false;
    rig_must(rig, &cw_step_stop_compute);
    assert_int_equal(stopped_by_us(rig), 3);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        rig->facts.compute[i].stopped_by_us = false;
    rig_run_until(rig, NULL);
    all_of_it_runs(rig);
    rig_free(rig);
}

static void the_inventory_tells_what_runs(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_inventory_compute);
    rig_must(rig, &cw_step_inventory_compute);
    assert_int_equal(rig->facts.compute_count, 3);
    assert_true(rig->facts.compute_listed);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_true(cw_step_inventory_compute.is_announced);
    rig_free(rig);
}

static void without_permission_nothing_is_touched(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", REFUSE);
    rig_run_until(rig, &cw_step_inventory_compute);
    assert_int_equal(rig_attempt(rig, &cw_step_inventory_compute, false, &err), -CW_EREJECTED);
    assert_non_null(strstr(err.text, "etl"));
    assert_non_null(strstr(err.remedy, "stopCompute"));
    assert_int_equal(rig->facts.diagnosis_count, 1);
    assert_int_equal(rig->facts.diagnosis[0].cause, CW_CAUSE_COMPUTE_BLOCKED_UPDATE);
    assert_non_null(strstr(rig->facts.diagnosis[0].evidence[0].found, "etl"));
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_free(rig);
}

static void nothing_runs_after_stop_and_all_of_it_after_start(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    assert_true(rig_has_changed(rig, "stopped cluster etl"));
    assert_true(rig_has_changed(rig, "stopped cluster bi"));
    assert_true(rig_has_changed(rig, "stopped warehouse sql"));
    size_t stops = rig_changes(rig, NULL);
    rig_must(rig, &cw_step_stop_compute);
    assert_int_equal(rig_changes(rig, NULL), stops);
    rig_must(rig, &cw_step_start_compute);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state_now, "RUNNING");
    assert_int_equal(rig_changes(rig, "old"), 0);
    rig_free(rig);
}

static void undo_starts_what_was_stopped_after_a_crash_too(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    world_inject(&(struct world_fault){
        .nth = 12, .kind = WORLD_FAULT_CANCEL, .error = CW_EPARKED, .count = UINT64_MAX});
    assert_true(rig_attempt(rig, &cw_step_stop_compute, false, &err) < 0);
    rig = rig_restart(rig);
    if (rig_undo(rig, &cw_step_stop_compute, &err) < 0)
        fail_msg("%s", err.text);
    rig_must(rig, &cw_step_inventory_compute);
    assert_int_equal(rig->facts.compute_count, 3);
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        assert_string_equal(rig->facts.compute[i].state, "RUNNING");
    rig_free(rig);
}

static void a_pool_gets_its_figures_back(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WITH_POOL, "migrate", ALLOW);
    rig_run_until(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_stop_compute);
    rig_must(rig, &cw_step_start_compute);
    rig_must(rig, &cw_step_inventory_compute);
    bool is_warm = false;
    for (size_t i = 0; i < rig->facts.compute_count; i++)
        is_warm = is_warm ||
                  (rig->facts.compute[i].kind == CW_COMPUTE_V1_POOL && rig->facts.compute[i].min_idle == 2);
    assert_true(is_warm);
    rig_free(rig);
}

static void inventory_survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){
        .state = RIG_EXISTING, .kind = "migrate", .data = ALLOW, .step = &cw_step_inventory_compute});
}

static void stop_survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){
        .state = RIG_EXISTING, .kind = "migrate", .data = ALLOW, .step = &cw_step_stop_compute, .stride = 5});
}

static void start_survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EXISTING,
                                  .kind = "migrate",
                                  .data = ALLOW,
                                  .step = &cw_step_start_compute,
                                  .stride = 5});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_inventory_tells_what_runs),
        cmocka_unit_test(without_permission_nothing_is_touched),
        cmocka_unit_test(nothing_runs_after_stop_and_all_of_it_after_start),
        cmocka_unit_test(undo_starts_what_was_stopped_after_a_crash_too),
        cmocka_unit_test(a_pool_gets_its_figures_back),
        cmocka_unit_test(a_serverless_run_is_left_alone),
        cmocka_unit_test(runs_are_waited_for_before_the_first_stop),
        cmocka_unit_test(a_run_that_does_not_end_is_a_refusal_with_nothing_stopped),
        cmocka_unit_test(runs_are_cancelled_where_that_is_allowed),
        cmocka_unit_test(schedules_are_paused_and_resumed_those_that_were_not),
        cmocka_unit_test(a_continuous_pipeline_is_stopped_and_started_again),
        cmocka_unit_test(what_started_late_is_written_down_before_it_is_stopped),
        cmocka_unit_test(only_what_we_stopped_is_started),
        cmocka_unit_test(pools_are_edited_only_on_a_difference),
        cmocka_unit_test(the_note_survives_the_loss_of_everything_else),
        cmocka_unit_test(what_was_begun_is_undone_after_the_loss_of_everything),
        cmocka_unit_test(a_workspace_that_never_settles_hides_nothing),
        cmocka_unit_test(what_another_request_completed_is_not_undone),
        cmocka_unit_test(what_only_starts_is_waited_for),
        cmocka_unit_test(a_note_that_cannot_be_read_at_first_is_read_later),
        cmocka_unit_test(what_another_request_left_stopped_is_started),
        cmocka_unit_test(the_note_knows_what_the_journal_lost),
        cmocka_unit_test(inventory_survives_failures),
        cmocka_unit_test(stop_survives_failures),
        cmocka_unit_test(start_survives_failures),
    };
    return cmocka_run_group_tests_name("step/compute", tests, NULL, NULL);
}

/* inventory_compute, stop_compute, start_compute: what ran runs again. */
#include "tests/lib/steprig.h"

#define ALLOW "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}"
#define REFUSE "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\"}"
#define WITH_POOL                                                                                                        \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\"}],\"databricks\":{\"workspaces\":{" \
    "\"existing-ws\":{\"clusters\":[{\"cluster_name\":\"etl\"}],\"pools\":[{\"instance_pool_name\":\"warm\","            \
    "\"min_idle_instances\":2}]}}}}"

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
        cmocka_unit_test(inventory_survives_failures),
        cmocka_unit_test(stop_survives_failures),
        cmocka_unit_test(start_survives_failures),
    };
    return cmocka_run_group_tests_name("step/compute", tests, NULL, NULL);
}

/* verify_dns, launch_cluster, run_probe, diagnose, remove_cluster: proof, and what is said when it fails. */
#include "tests/lib/steprig.h"

#define HEALTHY "{\"workspaceId\":\"" RIG_WORKSPACE("healthy-ws") "\"}"
#define UNLINKED "{\"workspaceId\":\"" RIG_WORKSPACE("unlinked-ws") "\"}"
#define WITH(name, zone, endpoint)                                                                    \
    "{\"workspaces\":[{\"name\":\"" name "\",\"resourceGroup\":\"rg-" name "\",\"requiredNsgRules\":" \
    "\"NoAzureDatabricksRules\",\"endpoint\":" endpoint ",\"zone\":" zone "}]}"

static void a_healthy_workspace_is_proven(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    assert_string_equal(rig->facts.cluster_state, "RUNNING");
    assert_non_null(rig->facts.probe_json);
    assert_int_equal(rig->facts.diagnosis_count, 0);
    assert_int_equal(rig->facts.record_count, 1);
    assert_true(rig_has_changed(rig, "removed cluster"));
    rig_free(rig);
}

static void expect_cause(const char *state, const char *data, enum cw_cause cause)
{
    struct rig *rig = rig_new(state, "verify", data);
    rig_run_until(rig, NULL);
    assert_non_null(rig->facts.proof_error.code);
    assert_true(rig->facts.diagnosis_count > 0);
    if (rig->facts.diagnosis[0].cause != (int)cause)
        fail_msg("%s instead of %s", cw_cause_names[rig->facts.diagnosis[0].cause], cw_cause_names[cause]);
    assert_true(rig->facts.diagnosis[0].evidence_count > 0);
    assert_non_null(rig->facts.diagnosis[0].repair);
    assert_int_equal(rig_changes(rig, "/write"), 0);
    rig_free(rig);
}

static void failed_proofs_name_their_cause(void **state)
{
    (void)state;
    expect_cause(RIG_UNLINKED, UNLINKED, CW_CAUSE_ZONE_NOT_LINKED);
    expect_cause(WITH("a-ws", "{\"record\":\"10.99.0.9\"}", "{\"zoneGroup\":false}"),
                 "{\"workspaceId\":\"" RIG_WORKSPACE("a-ws") "\"}", CW_CAUSE_RECORD_WRONG);
    expect_cause(WITH("b-ws", "{}", "{\"zoneGroup\":false}"),
                 "{\"workspaceId\":\"" RIG_WORKSPACE("b-ws") "\"}", CW_CAUSE_RECORD_MISSING);
    expect_cause(WITH("c-ws", "{}", "{\"status\":\"Pending\"}"),
                 "{\"workspaceId\":\"" RIG_WORKSPACE("c-ws") "\"}", CW_CAUSE_ENDPOINT_NOT_APPROVED);
    expect_cause(WITH("d-ws", "{}", "false"), "{\"workspaceId\":\"" RIG_WORKSPACE("d-ws") "\"}",
                 CW_CAUSE_ENDPOINT_MISSING);
}

static void a_launch_that_was_not_seen_to_end_is_adopted(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, &cw_step_launch_cluster);
    world_inject(&(struct world_fault){
        .nth = 1, .url_part = "clusters/get", .kind = WORLD_FAULT_CANCEL, .error = CW_EPARKED});
    assert_int_equal(rig_attempt(rig, &cw_step_launch_cluster, false, &err), -CW_EPARKED);
    assert_int_equal(rig_changes(rig, "clusters/create"), 1);
    rig = rig_restart(rig);
    assert_int_equal(rig_attempt(rig, &cw_step_launch_cluster, true, &err), 0);
    assert_int_equal(rig_changes(rig, "clusters/create"), 1);
    assert_string_equal(rig->facts.cluster_state, "RUNNING");
    rig_free(rig);
}

static void undo_of_a_launch_leaves_no_cluster(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, &cw_step_launch_cluster);
    world_inject(&(struct world_fault){.nth = 1, .url_part = "clusters/get", .kind = WORLD_FAULT_CANCEL});
    assert_int_equal(rig_attempt(rig, &cw_step_launch_cluster, false, &err), -CW_ECANCELED);
    rig = rig_restart(rig);
    assert_int_equal(rig_undo(rig, &cw_step_launch_cluster, &err), 0);
    assert_true(rig_has_changed(rig, "removed cluster"));
    assert_int_equal(rig_undo(rig, &cw_step_launch_cluster, &err), 0);
    assert_int_equal(rig_changes(rig, "permanent-delete"), 1);
    rig_free(rig);
}

/* Redis lost everything, and the worker is gone: the cluster's name tells whose it is. */
static void a_forgotten_cluster_is_found_and_removed(void **state)
{
    (void)state;
    struct cw_err err = {0};
    static const char *const elsewhere[] = {"44444444-4444-4444-4444-444444444444"};
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    assert_false(rig_was_begun(rig, &cw_step_launch_cluster));
    rig_run_until(rig, &cw_step_run_probe);
    rig = rig_forget(rig);
    rig->policy = (struct cw_policy){.subscriptions = elsewhere, .subscription_count = 1};
    int64_t reads = rig->counts.reads;
    assert_false(rig_was_begun(rig, &cw_step_launch_cluster)); /* not this fleet's: not even looked at */
    assert_int_equal(rig->counts.reads, reads);
    rig->policy = (struct cw_policy){0};
    assert_true(rig_was_begun(rig, &cw_step_launch_cluster));
    assert_int_equal(rig_undo(rig, &cw_step_launch_cluster, &err), 0);
    assert_int_equal(rig_changes(rig, "clusters/permanent-delete"), 1);
    assert_false(rig_was_begun(rig, &cw_step_launch_cluster));
    rig_free(rig);
}

static void no_capacity_means_the_next_node_type(void **state)
{
    (void)state;
    static const char ended[] =
        "{\"state\":\"TERMINATED\",\"node_type_id\":\"Standard_DS3_v2\",\"termination_reason\":"
        "{\"code\":\"CLOUD_PROVIDER_RESOURCE_STOCKOUT\",\"type\":\"CLOUD_FAILURE\",\"parameters\":{}}}";
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, &cw_step_launch_cluster);
    rig = rig_restart(rig);
    world_inject(&(struct world_fault){
        .nth = 1, .url_part = "clusters/get", .kind = WORLD_FAULT_ANSWER, .status = 200, .body = ended});
    if (rig_attempt(rig, &cw_step_launch_cluster, false, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(rig_has_found(rig, "no capacity for Standard_DS3_v2"));
    assert_string_not_equal(rig->facts.cluster_node_type, "Standard_DS3_v2");
    assert_int_equal(rig_changes(rig, "clusters/create"), 2);
    assert_int_equal(rig_changes(rig, "permanent-delete"), 1);
    assert_null(rig->facts.proof_error.code);
    rig_free(rig);
}

/* Its auto-termination came while the request had no worker. */
static void a_cluster_that_ended_before_the_probe_is_started_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, &cw_step_run_probe);
    rig_terminate(rig, rig->facts.cluster_id);
    rig_must(rig, &cw_step_run_probe);
    assert_true(rig_has_found(rig, "had ended, and was started again"));
    assert_int_equal(rig_changes(rig, "clusters/start"), 1);
    assert_int_equal(rig_changes(rig, "clusters/create"), 1);
    assert_null(rig->facts.proof_error.code);
    rig_free(rig);
}

/* It does not start again: that is a failed proof with a reason, like that of a first launch. */
static void a_cluster_that_does_not_start_again_is_a_failed_proof(void **state)
{
    (void)state;
    static const char ended[] =
        "{\"cluster_id\":\"c\",\"state\":\"TERMINATED\",\"node_type_id\":\"Standard_F4s\",\"termination_reason\":"
        "{\"code\":\"CONTROL_PLANE_REQUEST_FAILURE\",\"type\":\"CLOUD_FAILURE\",\"parameters\":{}}}";
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, &cw_step_run_probe);
    world_inject(&(struct world_fault){
        .url_part = "clusters/get", .kind = WORLD_FAULT_ANSWER, .status = 200, .body = ended, .count = 3});
    if (rig_attempt(rig, &cw_step_run_probe, false, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(rig->facts.proof_error.code, "EMISCONFIGURED");
    assert_string_equal(rig->facts.cluster_termination.code, "CONTROL_PLANE_REQUEST_FAILURE");
    assert_non_null(strstr(rig->facts.proof_error.message, "did not start again"));
    assert_int_equal(rig_changes(rig, "commands/execute"), 0);
    rig_free(rig);
}

/* Databricks' or Azure's own trouble, seen once: another cluster is tried, after a while. */
static void a_passing_fault_is_tried_again(void **state)
{
    (void)state;
    static const char *const ended[] = {
        "{\"state\":\"TERMINATED\",\"node_type_id\":\"Standard_F4s\",\"termination_reason\":"
        "{\"code\":\"INTERNAL_ERROR\",\"type\":\"SERVICE_FAULT\",\"parameters\":{}}}",
        "{\"state\":\"TERMINATED\",\"node_type_id\":\"Standard_F4s\",\"termination_reason\":"
        "{\"code\":\"SOMETHING_NEW\",\"type\":\"CLOUD_FAILURE\",\"parameters\":{}}}"};
    struct cw_err err = {0};
    for (size_t i = 0; i < CW_ARRAY_LEN(ended); i++) {
        struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
        rig_run_until(rig, &cw_step_launch_cluster);
        rig = rig_restart(rig);
        world_inject(&(struct world_fault){.nth = 1,
                                           .url_part = "clusters/get",
                                           .kind = WORLD_FAULT_ANSWER,
                                           .status = 200,
                                           .body = ended[i]});
        if (rig_attempt(rig, &cw_step_launch_cluster, false, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(rig_has_found(rig, "which may pass"));
        assert_null(rig->facts.proof_error.code);
        assert_string_equal(rig->facts.cluster_state, "RUNNING");
        assert_int_equal(rig_changes(rig, "clusters/create"), 2);
        assert_int_equal(rig_changes(rig, "permanent-delete"), 1);
        assert_int_equal(strcmp(rig->facts.cluster_node_type, "Standard_F4s") == 0, i == 0);
        rig_free(rig);
    }
}

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define NO_CONTROL_PLANE                                                                            \
    "{\"state\":\"TERMINATED\",\"node_type_id\":\"Standard_F4s\",\"termination_reason\":{\"code\":" \
    "\"CONTROL_PLANE_REQUEST_FAILURE\",\"type\":\"SERVICE_FAULT\",\"parameters\":{}}}"

static struct rig *before_launch(const char *state, const char *kind, const char *data, uint64_t failures)
{
    struct rig *rig = rig_new(state, kind, data);
    rig_run_until(rig, &cw_step_launch_cluster);
    rig = rig_restart(rig);
    world_inject(&(struct world_fault){.nth = 1,
                                       .count = failures,
                                       .url_part = "clusters/get",
                                       .kind = WORLD_FAULT_ANSWER,
                                       .status = 200,
                                       .body = NO_CONTROL_PLANE});
    return rig;
}

/* Not all of Azure has seen what this request has just changed. */
static void one_failure_after_own_changes_proves_nothing(void **state)
{
    (void)state;
    struct cw_err err = {0};
    for (uint64_t failures = 1; failures <= 2; failures++) {
        struct rig *rig = before_launch(RIG_EMPTY, "provision", NEW, failures);
        int64_t began = cw_mono_ms();
        if (rig_attempt(rig, &cw_step_launch_cluster, false, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(cw_mono_ms() - began >= 2 * 60 * 1000);
        assert_true(rig_has_found(rig, "perhaps too soon after the network was changed"));
        assert_int_equal(rig_changes(rig, "clusters/create"), 2);
        assert_int_equal(rig_changes(rig, "permanent-delete"), 1);
        assert_int_equal(rig->facts.proof_error.code == NULL, failures == 1);
        rig_free(rig);
    }
}

static void a_verification_that_changed_nothing_judges_the_first(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = before_launch(RIG_HEALTHY, "verify", HEALTHY, 1);
    assert_int_equal(rig_attempt(rig, &cw_step_launch_cluster, false, &err), 0);
    assert_non_null(strstr(rig->facts.proof_error.message, "CONTROL_PLANE_REQUEST_FAILURE"));
    assert_int_equal(rig_changes(rig, "clusters/create"), 1);
    rig_free(rig);
}

#define FAILED_NODES(code)                                                                                 \
    "{\"timestamp\":9999999999999,\"type\":\"ADD_NODES_FAILED\",\"details\":{\"reason\":{\"code\":\"" code \
    "\",\"type\":\"CLOUD_FAILURE\",\"parameters\":{}}}}"

static struct rig *pending_with_events(const char *events, uint64_t looks)
{
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", HEALTHY);
    rig_run_until(rig, &cw_step_launch_cluster);
    rig = rig_restart(rig);
    world_inject(
        &(struct world_fault){.nth = 1,
                              .count = looks,
                              .url_part = "clusters/get",
                              .kind = WORLD_FAULT_ANSWER,
                              .status = 200,
                              .body = "{\"state\":\"PENDING\",\"node_type_id\":\"Standard_DS3_v2\"}"});
    world_inject(&(struct world_fault){.nth = 1,
                                       .count = 2,
                                       .url_part = "clusters/events",
                                       .kind = WORLD_FAULT_ANSWER,
                                       .status = 200,
                                       .body = events});
    return rig;
}

/* The state would say PENDING for another quarter of an hour. */
static void events_are_read_while_it_waits(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = pending_with_events(
        "{\"events\":[" FAILED_NODES("BOOTSTRAP_TIMEOUT") "," FAILED_NODES("BOOTSTRAP_TIMEOUT") "]}",
        UINT64_MAX);
    int64_t began = cw_mono_ms();
    assert_int_equal(rig_attempt(rig, &cw_step_launch_cluster, false, &err), 0);
    assert_true(cw_mono_ms() - began < 10 * 60 * 1000);
    assert_non_null(strstr(rig->facts.proof_error.message, "BOOTSTRAP_TIMEOUT"));
    assert_string_equal(rig->facts.cluster_termination.code, "BOOTSTRAP_TIMEOUT");
    rig_free(rig);
    /* One node that failed may be followed by one that does not. */
    rig = pending_with_events("{\"events\":[" FAILED_NODES("BOOTSTRAP_TIMEOUT") "]}", 20);
    assert_int_equal(rig_attempt(rig, &cw_step_launch_cluster, false, &err), 0);
    assert_null(rig->facts.proof_error.code);
    assert_int_equal(rig_changes(rig, "clusters/create"), 1);
    rig_free(rig);
}

static void without_a_cluster_only_the_configuration_is_checked(void **state)
{
    (void)state;
    struct rig *rig = rig_new(
        RIG_HEALTHY, "verify",
        "{\"workspaceId\":\"" RIG_WORKSPACE("healthy-ws") "\",\"options\":{\"launchCluster\":false}}");
    rig_run_until(rig, NULL);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_int_equal(rig->write_count, 0);
    assert_int_equal(rig->counts.writes + rig->counts.deletes, 0);
    assert_null(rig->facts.cluster_id);
    rig_free(rig);
}

static void sweep_verify(const struct cw_step *step, size_t stride, const char *const *may_repeat)
{
    rig_sweep(&(struct rig_sweep){.state = RIG_HEALTHY,
                                  .kind = "verify",
                                  .data = HEALTHY,
                                  .step = step,
                                  .stride = stride,
                                  .may_repeat = may_repeat});
}

static void verify_dns_survives_failures(void **state)
{
    (void)state;
    sweep_verify(&cw_step_verify_dns, 1, NULL);
}

static void launch_survives_failures(void **state)
{
    (void)state;
    sweep_verify(&cw_step_launch_cluster, 5, NULL);
}

static void probe_survives_failures(void **state)
{
    (void)state;
    static const char *const commands[] = {"contexts/", "commands/", NULL};
    sweep_verify(&cw_step_run_probe, 1, commands);
}

static void removal_survives_failures(void **state)
{
    (void)state;
    sweep_verify(&cw_step_remove_cluster, 1, NULL);
}

static void diagnosis_survives_failures(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_UNLINKED, "verify", UNLINKED);
    rig_run_until(rig, &cw_step_diagnose);
    /* A read that is refused for good is a finding, and does not hide the others. */
    world_inject(
        &(struct world_fault){.nth = 1,
                              .count = UINT64_MAX,
                              .url_part = "networkSecurityGroups",
                              .kind = WORLD_FAULT_ANSWER,
                              .status = 403,
                              .body = "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}"});
    assert_int_equal(rig_attempt(rig, &cw_step_diagnose, false, &err), 0);
    assert_int_equal(rig->facts.diagnosis[0].cause, CW_CAUSE_ZONE_NOT_LINKED);
    bool is_told = false;
    for (size_t i = 0; i < rig->facts.diagnosis_count; i++)
        is_told = is_told || rig->facts.diagnosis[i].cause == CW_CAUSE_UNREADABLE;
    assert_true(is_told);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forgotten_cluster_is_found_and_removed),
        cmocka_unit_test(a_healthy_workspace_is_proven),
        cmocka_unit_test(failed_proofs_name_their_cause),
        cmocka_unit_test(a_launch_that_was_not_seen_to_end_is_adopted),
        cmocka_unit_test(undo_of_a_launch_leaves_no_cluster),
        cmocka_unit_test(no_capacity_means_the_next_node_type),
        cmocka_unit_test(a_cluster_that_ended_before_the_probe_is_started_again),
        cmocka_unit_test(a_cluster_that_does_not_start_again_is_a_failed_proof),
        cmocka_unit_test(a_passing_fault_is_tried_again),
        cmocka_unit_test(one_failure_after_own_changes_proves_nothing),
        cmocka_unit_test(a_verification_that_changed_nothing_judges_the_first),
        cmocka_unit_test(events_are_read_while_it_waits),
        cmocka_unit_test(without_a_cluster_only_the_configuration_is_checked),
        cmocka_unit_test(verify_dns_survives_failures),
        cmocka_unit_test(launch_survives_failures),
        cmocka_unit_test(probe_survives_failures),
        cmocka_unit_test(removal_survives_failures),
        cmocka_unit_test(diagnosis_survives_failures),
    };
    return cmocka_run_group_tests_name("step/proof", tests, NULL, NULL);
}

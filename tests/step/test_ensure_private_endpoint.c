#include "tests/lib/steprig.h"

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define OLD "{\"workspaceId\":\"" RIG_WORKSPACE("done-ws") "\"}"
#define STEP (&cw_step_ensure_private_endpoint)
#define DONE(status)                                                                                \
    "{\"workspaces\":[{\"name\":\"done-ws\",\"resourceGroup\":\"rg-done-ws\",\"requiredNsgRules\":" \
    "\"NoAzureDatabricksRules\",\"endpoint\":{\"name\":\"by-hand\",\"status\":\"" status            \
    "\"},\"zone\":{}}]}"

static void made_once_approved_with_an_address(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision", NEW);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_string_equal(rig->facts.endpoint_status, "Approved");
    assert_true(cw_z_starts(rig->facts.endpoint_address, "10.10.128."));
    assert_int_equal(rig_changes(rig, "privateEndpoints/write"), 1);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "privateEndpoints/write"), 1);
    rig_free(rig);
}

static void a_fitting_one_is_adopted(void **state)
{
    (void)state;
    struct rig *rig = rig_new(DONE("Approved"), "migrate", OLD);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_string_equal(rig->facts.endpoint_name, "done-ws-by-hand");
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_free(rig);
}

static void one_that_does_not_fit_is_named_and_another_made(void **state)
{
    (void)state;
    struct rig *rig = rig_new(DONE("Rejected"), "migrate", OLD);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_true(rig_has_found(rig, "done-ws-by-hand is not used: its connection is Rejected"));
    assert_string_equal(rig->facts.endpoint_name, "done-ws-ui-api");
    assert_int_equal(rig_changes(rig, "privateEndpoints/write"), 1);
    assert_int_equal(rig_changes(rig, "done-ws-by-hand"), 0);
    rig_free(rig);
}

static void a_pending_one_is_approved(void **state)
{
    (void)state;
    struct rig *rig = rig_new(DONE("Pending"), "migrate", OLD);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_string_equal(rig->facts.endpoint_status, "Approved");
    assert_true(rig_has_changed(rig, "approved connection"));
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
        cmocka_unit_test(made_once_approved_with_an_address),
        cmocka_unit_test(a_fitting_one_is_adopted),
        cmocka_unit_test(one_that_does_not_fit_is_named_and_another_made),
        cmocka_unit_test(a_pending_one_is_approved),
        cmocka_unit_test(survives_failures),
    };
    return cmocka_run_group_tests_name("step/ensure_private_endpoint", tests, NULL, NULL);
}

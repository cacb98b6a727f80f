#include "tests/lib/steprig.h"

#define DATA "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define STEP (&cw_step_ensure_resource_group)

static void made_once_and_found_again(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EMPTY, "provision", DATA);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), 0);
    assert_int_equal(rig_changes(rig, NULL), 1);
    assert_int_equal(rig_attempt(rig, STEP, true, &err), 0);
    assert_int_equal(rig_changes(rig, NULL), 1);
    assert_true(rig_has_found(rig, "rg-new-ws is as it should be"));
    rig_free(rig);
}

static void another_location_is_refused(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new("{\"resources\":[{\"id\":\"/subscriptions/" RIG_SUBSCRIPTION
                              "/resourceGroups/rg-new-ws\",\"location\":\"chinanorth3\"}]}",
                              "provision", DATA);
    assert_true(rig_attempt(rig, STEP, false, &err) < 0);
    assert_int_equal(err.class, CW_CLASS_MISCONFIGURED);
    assert_int_equal(rig_changes(rig, NULL), 0);
    rig_free(rig);
}

static void a_plan_writes_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision",
                              "{\"workspaceId\":\"" RIG_WORKSPACE(
                                  "new-ws") "\",\"region\":\"chinaeast2\",\"options\":{\"mode\":\"plan\"}}");
    struct cw_err err = {0};
    assert_int_equal(rig_attempt(rig, STEP, false, &err), 0);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_true(rig_has_changed(rig, "would create"));
    rig_free(rig);
}

static void survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EMPTY, .kind = "provision", .data = DATA, .step = STEP});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_once_and_found_again),
        cmocka_unit_test(another_location_is_refused),
        cmocka_unit_test(a_plan_writes_nothing),
        cmocka_unit_test(survives_failures),
    };
    return cmocka_run_group_tests_name("step/ensure_resource_group", tests, NULL, NULL);
}

#include "tests/lib/steprig.h"

#define NEW "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"
#define OLD "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\",\"options\":{\"stopCompute\":\"allow\"}}"
#define STEP (&cw_step_ensure_network)

static void a_new_network_is_one_group_and_one_vnet(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision", NEW);
    rig_run_until(rig, STEP);
    size_t before = rig_changes(rig, NULL);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL) - before, 2);
    assert_int_equal(rig_changes(rig, "networkSecurityGroups"), 1);
    assert_int_equal(rig_changes(rig, "virtualNetworks/write"), 1);
    assert_int_equal(rig->locks_taken, 1);
    assert_true(cw_z_ends(rig->facts.endpoint_subnet_id, "/subnets/private-endpoints"));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL) - before, 2);
    rig_free(rig);
}

static void an_existing_network_only_gets_the_endpoint_subnet(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EXISTING, "migrate", OLD);
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_int_equal(world_calls_of("PUT", "/virtualNetworks/existing-ws-vnet?"), 0);
    assert_int_equal(rig_changes(rig, "subnets/write"), 1);
    assert_string_equal(rig->facts.endpoint_subnet_prefix, "10.20.128.0/27");
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), 1);
    rig_free(rig);
}

static void a_plan_writes_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision",
                              "{\"workspaceId\":\"" RIG_WORKSPACE(
                                  "new-ws") "\",\"region\":\"chinaeast2\",\"options\":{\"mode\":\"plan\"}}");
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, NULL), 0);
    assert_true(rig_has_changed(rig, "virtual network with its subnets: would create"));
    rig_free(rig);
}

static void an_egress_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig =
        rig_new(RIG_EMPTY, "provision",
                "{\"workspaceId\":\"" RIG_WORKSPACE(
                    "new-ws") "\",\"region\":\"chinaeast2\",\"network\":{\"egress\":{\"mode\":\"natGateway\","
                              "\"natGatewayId\":\"/subscriptions/" RIG_SUBSCRIPTION
                              "/resourceGroups/hub/providers/Microsoft.Network/natGateways/nat\"}}}");
    rig_run_until(rig, STEP);
    size_t before = rig_changes(rig, NULL);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EREJECTED);
    assert_int_equal(rig_changes(rig, NULL), before);
    rig_free(rig);
}

static void survives_failures_with_a_new_network(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EMPTY, .kind = "provision", .data = NEW, .step = STEP});
}

static void survives_failures_with_an_existing_network(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EXISTING, .kind = "migrate", .data = OLD, .step = STEP});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_network_is_one_group_and_one_vnet),
        cmocka_unit_test(an_existing_network_only_gets_the_endpoint_subnet),
        cmocka_unit_test(a_plan_writes_nothing),
        cmocka_unit_test(an_egress_that_does_not_exist_is_refused),
        cmocka_unit_test(survives_failures_with_a_new_network),
        cmocka_unit_test(survives_failures_with_an_existing_network),
    };
    return cmocka_run_group_tests_name("step/ensure_network", tests, NULL, NULL);
}

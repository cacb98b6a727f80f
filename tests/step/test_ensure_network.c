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

#define NETWORKS \
    "/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/"
#define HUB(space)                                                                                      \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\",\"addressSpace\":" \
    "\"10.20.0.0/16\"}],\"resources\":[{\"id\":\"" NETWORKS                                             \
    "hub\",\"location\":\"chinaeast2\",\"properties\":{"                                                \
    "\"addressSpace\":{\"addressPrefixes\":[\"" space "\"]}}}]}"
#define PEERED(hub)                      \
    "{\"workspaceId\":\"" RIG_WORKSPACE( \
        "existing-ws") "\",\"network\":{\"hubPeering\":{\"vnetId\":\"" NETWORKS hub "\"}}}"

static void the_hub_is_peered_both_ways_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new(HUB("10.0.0.0/16"), "migrate", PEERED("hub"));
    rig_run_until(rig, STEP);
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "virtualNetworkPeerings"), 2);
    assert_int_equal(rig->locks_taken, 2);
    assert_true(rig_has_found(rig, "peered with hub hub, both ways"));
    rig_must(rig, STEP);
    assert_int_equal(rig_changes(rig, "virtualNetworkPeerings"), 2);
    rig_free(rig);
}

static void a_hub_that_cannot_be_peered_is_named(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(HUB("10.0.0.0/16"), "migrate", PEERED("nowhere"));
    rig_run_until(rig, STEP);
    assert_int_equal(rig_attempt(rig, STEP, false, &err), -CW_EREJECTED);
    assert_non_null(strstr(err.text, "nowhere"));
    assert_int_equal(rig_changes(rig, "virtualNetworkPeerings"), 0);
    rig_free(rig);
    rig = rig_new(HUB("10.20.64.0/18"), "migrate", PEERED("hub"));
    rig_run_until(rig, STEP);
    assert_true(rig_attempt(rig, STEP, false, &err) < 0);
    assert_true(err.class == CW_CLASS_MISCONFIGURED || err.class == CW_CLASS_INVALID);
    assert_int_equal(rig_changes(rig, "virtualNetworkPeerings"), 0);
    rig_free(rig);
}

static void peering_survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){
        .state = HUB("10.0.0.0/16"), .kind = "migrate", .data = PEERED("hub"), .step = STEP, .stride = 3});
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
        cmocka_unit_test(the_hub_is_peered_both_ways_once),
        cmocka_unit_test(a_hub_that_cannot_be_peered_is_named),
        cmocka_unit_test(peering_survives_failures),
        cmocka_unit_test(a_plan_writes_nothing),
        cmocka_unit_test(an_egress_that_does_not_exist_is_refused),
        cmocka_unit_test(survives_failures_with_a_new_network),
        cmocka_unit_test(survives_failures_with_an_existing_network),
    };
    return cmocka_run_group_tests_name("step/ensure_network", tests, NULL, NULL);
}

#include "tests/lib/steprig.h"

#define DATA "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}"

static void providers_are_registered_where_they_are_not(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(
        "{\"subscriptions\":[{\"subscriptionId\":\"" RIG_SUBSCRIPTION
        "\",\"providers\":{\"Microsoft.Databricks\":\"NotRegistered\",\"Microsoft.Network\":\"Registered\"}}]}",
        "provision", DATA);
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), 0);
    assert_true(rig_has_changed(rig, "registered provider Microsoft.Databricks"));
    assert_true(rig_has_found(rig, "provider Microsoft.Network is registered"));
    rig_free(rig);
}

static void policy_refuses_with_a_remedy(void **state)
{
    (void)state;
    static const char *const elsewhere[] = {"99999999-9999-9999-9999-999999999999"};
    static const char *const regions[] = {"chinanorth3"};
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EMPTY, "provision", DATA);
    rig->policy = (struct cw_policy){.subscriptions = elsewhere, .subscription_count = 1};
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), -CW_EREJECTED);
    assert_string_not_equal(err.remedy, "");
    rig->policy = (struct cw_policy){.regions = regions, .region_count = 1};
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), -CW_EREJECTED);
    assert_int_equal(world_call_count(), 0);
    rig_free(rig);
}

static void another_cloud_is_refused(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig =
        rig_new(RIG_EMPTY, "verify", "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"cloud\":\"usgov\"}");
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), -CW_EREJECTED);
    rig_free(rig);
}

static void a_region_without_databricks_is_refused(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EMPTY, "provision",
                              "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"atlantis1\"}");
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), -CW_EREJECTED);
    rig_free(rig);
}

static void a_zone_of_another_name_is_refused_before_anything_is_made(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig = rig_new(RIG_EMPTY, "provision",
                              "{\"workspaceId\":\"" RIG_WORKSPACE(
                                  "new-ws") "\",\"region\":\"chinaeast2\",\"privateDns\":{\"zoneId\":"
                                            "\"/subscriptions/" RIG_SUBSCRIPTION
                                            "/resourceGroups/rg-hub/providers/Microsoft.Network/"
                                            "privateDnsZones/privatelink.azuredatabricks.net\"}}");
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), -CW_EREJECTED);
    assert_non_null(strstr(err.remedy, "privatelink.databricks."));
    assert_int_equal(world_call_count(), 0);
    rig_free(rig);
}

static void a_transit_network_of_another_subscription_needs_the_policys_leave(void **state)
{
    (void)state;
    static const char *const own[] = {RIG_SUBSCRIPTION};
    struct cw_err err = {0};
    struct rig *rig =
        rig_new(RIG_EMPTY, "provision",
                "{\"workspaceId\":\"" RIG_WORKSPACE(
                    "new-ws") "\",\"region\":\"chinaeast2\",\"browserAuthentication\":{\"mode\":"
                              "\"ensure\",\"vnetId\":\"/subscriptions/99999999-9999-9999-9999-999999999999/"
                              "resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/transit\"}}");
    rig->policy = (struct cw_policy){.subscriptions = own, .subscription_count = 1};
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), -CW_EREJECTED);
    assert_non_null(strstr(err.text, "transit"));
    assert_int_equal(world_call_count(), 0);
    rig->policy = (struct cw_policy){0};
    assert_int_equal(rig_attempt(rig, &cw_step_check_request, false, &err), 0);
    rig_free(rig);
}

static void survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){
        .state = RIG_EMPTY, .kind = "provision", .data = DATA, .step = &cw_step_check_request});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_are_registered_where_they_are_not),
        cmocka_unit_test(policy_refuses_with_a_remedy),
        cmocka_unit_test(another_cloud_is_refused),
        cmocka_unit_test(a_region_without_databricks_is_refused),
        cmocka_unit_test(a_zone_of_another_name_is_refused_before_anything_is_made),
        cmocka_unit_test(a_transit_network_of_another_subscription_needs_the_policys_leave),
        cmocka_unit_test(survives_failures),
    };
    return cmocka_run_group_tests_name("step/check_request", tests, NULL, NULL);
}

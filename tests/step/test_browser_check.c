/* What verify_dns says of browser sign-in; the states with a fault are in test_misconfigurations. */
#include "tests/lib/steprig.h"

static void nothing_is_asked_of_the_service_when_it_is_not_wanted(void **state)
{
    (void)state;
    struct rig *rig =
        rig_new(RIG_EMPTY, "provision",
                "{\"workspaceId\":\"" RIG_WORKSPACE(
                    "new-ws") "\",\"region\":\"chinaeast2\",\"browserAuthentication\":{\"mode\":\"skip\"}}");
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    assert_false(rig_has_found(rig, "browser"));
    assert_int_equal(rig->facts.record_count, 1);
    rig_free(rig);
}

static void by_default_it_is_looked_for_with_two_reads(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_EMPTY, "provision",
                              "{\"workspaceId\":\"" RIG_WORKSPACE("new-ws") "\",\"region\":\"chinaeast2\"}");
    rig_run_until(rig, &cw_step_verify_dns);
    size_t changes = rig_changes(rig, NULL);
    size_t lists = world_calls_of("GET", "/providers/Microsoft.Network/privateEndpoints?");
    rig_must(rig, &cw_step_verify_dns);
    assert_true(rig_has_found(rig, "no browser_authentication endpoint serves the zone"));
    assert_int_equal(world_calls_of("GET", "/providers/Microsoft.Network/privateEndpoints?") - lists, 1);
    assert_int_equal(world_calls_of("GET", "/A/chinaeast2.pl-auth?"), 1);
    assert_int_equal(world_calls_of("GET", "pl-auth"), 1);
    assert_int_equal(rig_changes(rig, NULL), changes);
    rig_free(rig);
}

static void a_read_that_is_refused_fails_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(RIG_HEALTHY, "verify", "{\"workspaceId\":\"" RIG_WORKSPACE("healthy-ws") "\"}");
    world_inject(
        &(struct world_fault){.kind = WORLD_FAULT_ANSWER,
                              .status = 403,
                              .body = "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}",
                              .nth = 1,
                              .count = UINT64_MAX,
                              .method = "GET",
                              .url_part = "/A/chinaeast2.pl-auth"});
    rig_run_until(rig, NULL);
    assert_null(rig->facts.proof_error.code);
    assert_true(rig_has_found(rig, "browser sign-in was not looked at"));
    rig_free(rig);
}

static void the_check_survives_failures(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    rig_sweep(&(struct rig_sweep){
        .state = rig_read_state("healthy_browser", &text),
        .kind = "verify",
        .data = "{\"workspaceId\":\"/subscriptions/" RIG_SUBSCRIPTION
                "/resourceGroups/rg-broken/providers/Microsoft.Databricks/workspaces/broken-ws\"}",
        .step = &cw_step_verify_dns});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_of_the_service_when_it_is_not_wanted),
        cmocka_unit_test(by_default_it_is_looked_for_with_two_reads),
        cmocka_unit_test(a_read_that_is_refused_fails_nothing),
        cmocka_unit_test(the_check_survives_failures),
    };
    return cmocka_run_group_tests_name("step/browser_check", tests, NULL, NULL);
}

/* A verdict as a tree of checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ops/ctl/checks.h"

static char *print(const char *result)
{
    char *text = NULL;
    size_t n = 0;
    json_t *doc = json_loads(result, 0, NULL);
    FILE *f = open_memstream(&text, &n);
    assert_non_null(doc);
    assert_non_null(f);
    checks_print(f, doc);
    assert_int_equal(fclose(f), 0);
    json_decref(doc);
    return text;
}

static size_t count(const char *text, const char *mark)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, mark)) != NULL; p += strlen(mark))
        n++;
    return n;
}

static void a_proven_workspace_has_every_check(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_str)
    char *text = print("{\"outcome\":\"succeeded\",\"steps\":[{\"name\":\"run_probe\",\"outcome\":\"done\"}],"
                       "\"evidence\":{\"endpointAddress\":\"10.0.0.4\"}}");
    assert_int_equal(count(text, "\u2713"), 8);
    assert_non_null(strstr(text, "10.0.0.4"));
}

static void a_finding_stands_below_its_check_and_what_was_not_seen_is_no_success(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_str)
    char *text = print(
        "{\"outcome\":\"failed\",\"error\":{\"message\":\"no link\",\"remedy\":\"link it\"},"
        "\"evidence\":{\"endpointAddress\":\"10.0.0.4\"},"
        "\"steps\":[{\"name\":\"inspect_workspace\",\"outcome\":\"done\"},"
        "{\"name\":\"verify_dns\",\"outcome\":\"done\",\"found\":[\"no link\"]},{\"name\":\"diagnose\",\"outcome\":\"done\"}],"
        "\"diagnosis\":[{\"cause\":\"zone_not_linked\",\"confidence\":95,\"message\":\"not linked\",\"safe\":true,"
        "\"evidence\":[{\"resourceId\":\"/zone\",\"field\":\"links\",\"expected\":\"vnet\",\"found\":\"none\"}],"
        "\"repair\":\"link the zone\"}]}");
    assert_int_equal(count(text, "\u2717"), 1);
    assert_non_null(
        strstr(text, "\u2717 its name leads to the endpoint\n     not linked (zone_not_linked, 95 %)"));
    assert_non_null(strstr(text, "/zone links: expected vnet, found none"));
    assert_non_null(strstr(text, "causeway diagnose --repair"));
    assert_non_null(strstr(text, "? a cluster starts"));
    assert_non_null(strstr(text, "? a command on it"));
    assert_non_null(strstr(text, "\u2713 it has an approved private endpoint"));
}

static void a_cluster_that_failed_for_another_reason_failed(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_str)
    char *text = print(
        "{\"outcome\":\"failed\",\"error\":{\"message\":\"no start\",\"remedy\":\"see\"},\"steps\":["
        "{\"name\":\"inspect_workspace\",\"outcome\":\"done\"},{\"name\":\"verify_dns\",\"outcome\":\"done\"},"
        "{\"name\":\"launch_cluster\",\"outcome\":\"done\",\"found\":[\"no start\"]},{\"name\":\"diagnose\",\"outcome\":\"done\"}],"
        "\"diagnosis\":[{\"cause\":\"nsg_blocks\",\"confidence\":95,\"message\":\"m\",\"repair\":\"r\"}]}");
    assert_non_null(strstr(text, "\u2717 subnets and security rules"));
    assert_non_null(strstr(text, "\u2717 a cluster starts"));
    assert_non_null(strstr(text, "? a command on it"));
}

static void sign_in_is_marked_although_the_proof_succeeded(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_str)
    char *text = print(
        "{\"outcome\":\"succeeded\",\"steps\":[{\"name\":\"verify_dns\",\"outcome\":\"done\"},"
        "{\"name\":\"run_probe\",\"outcome\":\"done\"}],\"diagnosis\":[{\"cause\":\"browser_record_wrong\","
        "\"confidence\":95,\"message\":\"m\",\"repair\":\"r\"}]}");
    assert_int_equal(count(text, "\u2713"), 8);
    assert_non_null(strstr(text, "\u2717 browser sign-in"));
    assert_non_null(strstr(text, "m (browser_record_wrong, 95 %)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proven_workspace_has_every_check),
        cmocka_unit_test(a_finding_stands_below_its_check_and_what_was_not_seen_is_no_success),
        cmocka_unit_test(a_cluster_that_failed_for_another_reason_failed),
        cmocka_unit_test(sign_in_is_marked_although_the_proof_succeeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

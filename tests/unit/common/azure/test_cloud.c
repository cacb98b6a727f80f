#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/cloud.h"
#include "common/str.h"

static struct cw_arena *mem;

static int setup(void **state)
{
    (void)state;
    return cw_arena_new(1024 * 1024, &mem);
}

static int teardown(void **state)
{
    (void)state;
    cw_arena_free(mem);
    return 0;
}

static void china_is_the_default(void **state)
{
    (void)state;
    assert_string_equal(cw_cloud_find(NULL)->name, "china");
    assert_string_equal(cw_cloud_find("Public")->arm_endpoint, "https://management.azure.com");
    assert_int_equal(cw_cloud_find("usgov")->throttle, CW_THROTTLE_HOURLY);
    assert_null(cw_cloud_find("mars"));
}

static void only_own_hosts_see_a_token(void **state)
{
    (void)state;
    const struct cw_cloud *c = cw_cloud_find("china");
    static const struct {
        const char *url;
        bool is_own;
    } cases[] = {
        {"https://management.chinacloudapi.cn/subscriptions/x?a=b", true},
        {"https://MANAGEMENT.chinacloudapi.cn:443/", true},
        {"HTTPS://management.chinacloudapi.cn", true},
        {"https://adb-1.2.databricks.azure.cn/api/2.0/x", true},
        {"http://management.chinacloudapi.cn/", false},
        {"https://management.chinacloudapi.cn:8443/", false},
        {"https://management.chinacloudapi.cn.evil.example/", false},
        {"https://evil.example/management.chinacloudapi.cn", false},
        {"https://evil.example#management.chinacloudapi.cn", false},
        {"https://user@management.chinacloudapi.cn/", false},
        {"https://management.chinacloudapi.cn@evil.example/", false},
        {"https://management.chinacloudapi.cn\\@evil.example/", false},
        {"https://management.chinacloudapi.cn%2eevil.example/", false},
        {"https://databricks.azure.cn/", false},
        {"https://.databricks.azure.cn/", false},
        {"https://xdatabricks.azure.cn/", false},
        {"https://adb-1.2.databricks.azure.cn:99999/", false},
        {"https://adb-1.2.databricks.azure.cn:/", false},
        {"https://adb-1.2.azuredatabricks.net/", false},
        {"//management.chinacloudapi.cn/", false},
        {"https://", false},
        {"", false},
        {NULL, false},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++)
        if (cw_cloud_url_is_own(c, cases[i].url) != cases[i].is_own)
            fail_msg("%s", cases[i].url);
}

static void a_custom_cloud_has_its_own_ports(void **state)
{
    (void)state;
    struct cw_cloud_overrides o = {
        .arm_endpoint = "https://management.azure.localhost:8443/",
        .authority_host = "https://login.azure.localhost:8443",
        .workspace_suffix = ".databricks.azure.localhost",
        .workspace_port = 8443,
        .private_zone = "privatelink.databricks.azure.localhost",
    };
    struct cw_cloud c;
    struct cw_err err = {0};
    assert_int_equal(cw_cloud_custom(&o, mem, &c, &err), 0);
    assert_string_equal(c.arm_endpoint, "https://management.azure.localhost:8443");
    assert_string_equal(c.arm_audience, c.arm_endpoint);
    assert_true(cw_cloud_url_is_arm(&c, "https://management.azure.localhost:8443/x"));
    assert_false(cw_cloud_url_is_arm(&c, "https://management.azure.localhost/x"));
    const char *endpoint = NULL;
    assert_int_equal(
        cw_cloud_workspace_endpoint(&c, "adb-1.2.databricks.azure.localhost", mem, &endpoint, &err), 0);
    assert_string_equal(endpoint, "https://adb-1.2.databricks.azure.localhost:8443");
    assert_true(cw_cloud_url_is_workspace(&c, endpoint));
    assert_int_equal(cw_cloud_workspace_endpoint(&c, "adb-1.2.evil.example", mem, &endpoint, &err),
                     -CW_EPROTO);
    assert_int_equal(cw_cloud_workspace_endpoint(&c, NULL, mem, &endpoint, &err), -CW_EPROTO);
}

static void endpoints_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://x", "x", "https://x/y", "https://u@x", "https://x:0"};
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++) {
        struct cw_cloud_overrides o = {.arm_endpoint = bad[i]};
        struct cw_cloud c;
        struct cw_err err = {0};
        assert_int_equal(cw_cloud_custom(&o, mem, &c, &err), -CW_EINVAL);
        assert_true(err.remedy[0] != '\0');
    }
    struct cw_cloud_overrides o = {.workspace_suffix = "databricks"};
    struct cw_cloud c;
    struct cw_err err = {0};
    assert_int_equal(cw_cloud_custom(&o, mem, &c, &err), -CW_EINVAL);
}

static void record_names_keep_their_dot(void **state)
{
    (void)state;
    const struct cw_cloud *c = cw_cloud_find("china");
    assert_string_equal(cw_cloud_record_name(c, "ADB-55.19.databricks.azure.cn", mem), "adb-55.19");
    assert_null(cw_cloud_record_name(c, "adb-55.19.azuredatabricks.net", mem));
    assert_null(cw_cloud_record_name(c, NULL, mem));
}

static void locations_are_compared_without_case_and_blanks(void **state)
{
    (void)state;
    assert_true(cw_location_eq("China East 2", "chinaeast2"));
    assert_true(cw_location_eq("chinaeast2 ", "ChinaEast2"));
    assert_false(cw_location_eq("chinaeast2", "chinaeast3"));
    assert_false(cw_location_eq("chinaeast", "chinaeast2"));
    assert_string_equal(cw_location_normal(mem, "China East 2"), "chinaeast2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(china_is_the_default),
        cmocka_unit_test(only_own_hosts_see_a_token),
        cmocka_unit_test(a_custom_cloud_has_its_own_ports),
        cmocka_unit_test(endpoints_that_are_none_are_refused),
        cmocka_unit_test(record_names_keep_their_dot),
        cmocka_unit_test(locations_are_compared_without_case_and_blanks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/arm.h"

static json_t *parse(const char *z)
{
    json_t *v = json_loads(z, JSON_DECODE_ANY, NULL);
    if (v == NULL)
        fail_msg("%s", z);
    return v;
}

static void subsets(void **state)
{
    (void)state;
    static const struct {
        const char *have;
        const char *want;
        const char *difference; /* NULL = holds */
    } cases[] = {
        {"{\"a\":1,\"b\":2}", "{\"a\":1}", NULL},
        {"{\"a\":1}", "{\"a\":1.0}", NULL},
        {"{\"a\":1}", "{\"b\":1}", "b: nothing -> 1"},
        {"{\"p\":{\"q\":true}}", "{\"p\":{\"q\":false}}", "p/q: true -> false"},
        {"{\"a\":null}", "{\"a\":null}", NULL},
        {"{}", "{\"a\":null}", NULL},
        {"{\"a\":1}", "{\"a\":null}", "a: 1 -> null"},
        {"{\"a\":\"1\"}", "{\"a\":1}", "a: \"1\" -> 1"},
        {"{\"location\":\"China East 2\"}", "{\"location\":\"chinaeast2\"}", NULL},
        {"{\"s\":\"Enabled\"}", "{\"s\":\"enabled\"}", "s: \"Enabled\" -> \"enabled\""},
        {"{\"v\":{\"value\":\"/subscriptions/S/resourcegroups/G\"}}",
         "{\"v\":{\"value\":\"/subscriptions/s/resourceGroups/g\"}}", NULL},
        {"{\"fooId\":\"ABC\"}", "{\"fooId\":\"abc\"}", NULL},
        {"[{\"name\":\"A\",\"x\":1},{\"name\":\"b\",\"x\":2}]", "[{\"name\":\"b\",\"x\":2}]", NULL},
        {"[{\"name\":\"A\",\"x\":1}]", "[{\"name\":\"a\",\"x\":2}]", "a/x: 1 -> 2"},
        {"[{\"name\":\"A\"}]", "[{\"name\":\"c\"}]", "c: nothing -> {\"name\":\"c\"}"},
        {"{\"r\":[{\"ip\":\"1\"},{\"ip\":\"2\"}]}", "{\"r\":[{\"ip\":\"2\"},{\"ip\":\"1\"}]}", NULL},
        {"{\"r\":[{\"ip\":\"1\"},{\"ip\":\"2\"}]}", "{\"r\":[{\"ip\":\"1\"}]}",
         "r: [{\"ip\":\"1\"},{\"ip\":\"2\"}] -> [{\"ip\":\"1\"}]"},
        {"{\"g\":[\"a\",\"b\"]}", "{\"g\":[\"b\",\"a\"]}", NULL},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf difference = {0};
        json_t *have = parse(cases[i].have);
        json_t *want = parse(cases[i].want);
        bool holds = cw_arm_holds(have, want, &difference);
        if (holds != (cases[i].difference == NULL) ||
            strcmp(cw_buf_z(&difference), holds ? "" : cases[i].difference) != 0)
            fail_msg("%s / %s: %s", cases[i].have, cases[i].want, cw_buf_z(&difference));
        json_decref(have);
        json_decref(want);
    }
}

static void merge_keeps_what_it_does_not_know(void **state)
{
    (void)state;
    static const char *const read_only[] = {"properties/url", "properties/parameters/*/type",
                                            "properties/list/*/etag", "properties/absent/x", NULL};
    json_t *have = parse(
        "{\"id\":\"x\",\"name\":\"n\",\"type\":\"t\",\"etag\":\"e\",\"systemData\":{},\"sku\":{\"name\":\"premium\"},"
        "\"properties\":{\"provisioningState\":\"Succeeded\",\"url\":\"u\",\"unknown\":[1],\"old\":1,"
        "\"parameters\":{\"a\":{\"type\":\"Bool\",\"value\":true},\"b\":{\"type\":\"S\",\"value\":1}},"
        "\"list\":[{\"name\":\"One\",\"etag\":\"e\",\"keep\":1}]}}");
    json_t *want =
        parse("{\"properties\":{\"nsg\":\"No\",\"old\":null,\"parameters\":{\"a\":{\"value\":false}},"
              "\"list\":[{\"name\":\"one\",\"new\":2},{\"name\":\"two\"}]}}");
    json_t *merged = cw_arm_merge(have, want, read_only);
    char *text = cw_json_print(merged);
    assert_string_equal(
        text,
        "{\"properties\":{\"list\":[{\"keep\":1,\"name\":\"one\",\"new\":2},{\"name\":\"two\"}],\"nsg\":\"No\","
        "\"parameters\":{\"a\":{\"value\":false},\"b\":{\"value\":1}},\"unknown\":[1]},"
        "\"sku\":{\"name\":\"premium\"}}");
    free(text);
    json_decref(merged);
    char *untouched = cw_json_print(have);
    assert_non_null(strstr(untouched, "provisioningState"));
    free(untouched);
    json_decref(have);
    json_decref(want);
}

static void retry_after_in_all_forms(void **state)
{
    (void)state;
    const int64_t now = INT64_C(1795489964000); /* Tue, 24 Nov 2026 03:12:44 GMT */
    static const struct {
        const char *name;
        const char *value;
        int64_t ms;
    } cases[] = {
        {"retry-after", "17", 17000},
        {"retry-after", "0", 0},
        {"retry-after", "-3", -1},
        {"retry-after", "soon", -1},
        {"retry-after", "", -1},
        {"retry-after", "99999999999", 86400000},
        {"retry-after", "Tue, 24 Nov 2026 03:13:04 GMT", 20000},
        {"retry-after", "Tue, 24 Nov 2026 03:12:00 GMT", 0},
        {"retry-after-ms", "250", 250},
        {"x-ms-retry-after-ms", "300", 300},
        {"other", "1", -1},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_http_header header = {cases[i].name, cases[i].value};
        struct cw_http_res res = {.headers = &header, .header_count = 1};
        if (cw_retry_after_ms(&res, now) != cases[i].ms)
            fail_msg("%s: %s", cases[i].name, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subsets),
        cmocka_unit_test(merge_keeps_what_it_does_not_know),
        cmocka_unit_test(retry_after_in_all_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

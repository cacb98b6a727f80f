/* Option values, and the events that commands build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/ctl/options.h"
#include "schema/request.h"

static void test_durations(void **state)
{
    (void)state;
    int64_t ms = 0;
    assert_true(option_duration("250ms", &ms));
    assert_int_equal(ms, 250);
    assert_true(option_duration("15m", &ms));
    assert_int_equal(ms, 900000);
    assert_true(option_duration("30d", &ms));
    assert_int_equal(ms, INT64_C(30) * 24 * 3600 * 1000);
    const char *const bad[] = {"", "15", "m", "0s", "-5s", "5 s", "1e3s", "9999999999s", "5S"};
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++)
        assert_false(option_duration(bad[i], &ms));
}

static void test_a_built_event_is_a_request_that_workers_accept(void **state)
{
    (void)state;
    static const struct cw_header content_type = {"content-type", {"application/cloudevents+json", 28}};
    const char *workspace = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/RG/providers/"
                            "Microsoft.Databricks/workspaces/My-WS";
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    struct cw_str event = {0};
    assert_int_equal(cw_arena_new((size_t)1024 * 1024, &mem), 0);
    const char *data = cw_arena_printf(mem, "{\"workspaceId\":\"%s\"}", workspace);
    const char *id = option_request_id(mem, NULL);
    assert_int_equal(option_event(mem, id, "causeway.workspace.verify.v1", workspace, data, &event, &err), 0);
    const struct cw_record_in rec = {.headers = &content_type, .header_count = 1, .value = event};
    struct cw_request req = {0};
    struct cw_problems problems = {0};
    assert_int_equal(cw_request_decode(&rec, mem, &req, &problems, &err), 0);
    assert_int_equal(req.kind, CW_REQUEST_VERIFY);
    assert_string_equal(req.event.id, id);
    assert_string_equal(req.workspace_key, option_workspace_key(mem, workspace));
}

static void test_quotes_in_an_id_cannot_break_out(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    struct cw_str event = {0};
    json_t *doc = NULL;
    assert_int_equal(cw_arena_new((size_t)1024 * 1024, &mem), 0);
    assert_int_equal(
        option_event(mem, "a\",\"type\":\"x", "causeway.workspace.verify.v1", "/w\n", "{}", &event, &err), 0);
    assert_int_equal(cw_json_parse_in(mem, event.p, event.n, 4096, &doc, &err), 0);
    assert_string_equal(cw_json_str(doc, "type", ""), "causeway.workspace.verify.v1");
    assert_string_equal(cw_json_str(doc, "id", ""), "a\",\"type\":\"x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_a_built_event_is_a_request_that_workers_accept),
        cmocka_unit_test(test_quotes_in_an_id_cannot_break_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

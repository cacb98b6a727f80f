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

/* What a worker would refuse is refused here, with a remedy: nothing is sent, and nobody waits for its verdict. */
static void test_what_workers_would_refuse_is_refused(void **state)
{
    (void)state;
    static const char workspace[] =
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/"
        "Microsoft.Databricks/workspaces/ws";
    const struct {
        const char *id, *workspace, *part;
    } cases[] = {
        {"an-id", "nonsense", "/workspaceId"},
        {"an-id", "", "/workspaceId"},
        {"a\",\"type\":\"x", workspace, "id"},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
        struct cw_err err = {0};
        struct cw_str event = {0};
        assert_int_equal(cw_arena_new((size_t)1024 * 1024, &mem), 0);
        const char *data = cw_arena_printf(mem, "{\"workspaceId\":\"%s\"}", cases[i].workspace);
        assert_int_equal(option_event(mem, cases[i].id, "causeway.workspace.verify.v1", cases[i].workspace,
                                      data, &event, &err),
                         -CW_EINVAL);
        assert_non_null(strstr(err.text, cases[i].part));
        assert_string_not_equal(err.remedy, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_a_built_event_is_a_request_that_workers_accept),
        cmocka_unit_test(test_what_workers_would_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

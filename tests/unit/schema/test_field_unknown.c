/* What a sender has mistyped is found, at whatever depth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/request.h"

static void mistyped_members_are_named(void **state)
{
    (void)state;
    struct cw_arena *mem;
    struct cw_problems problems = {0};
    json_t *doc =
        json_loads("{\"region\":\"r\",\"netwrok\":{},\"options\":{\"mode\":\"plan\",\"mdoe\":\"plan\"},"
                   "\"tags\":{\"whatever\":\"is a tag\"}}",
                   0, NULL);
    assert_non_null(doc);
    assert_int_equal(cw_arena_new(1 << 16, &mem), 0);
    cw_shape_unknown(cw_request_shape(CW_REQUEST_PROVISION), doc, "", mem, &problems);
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.items[0].pointer, "/netwrok");
    assert_string_equal(problems.items[1].pointer, "/options/mdoe");
    assert_non_null(strstr(problems.items[1].remedy, "mode"));
    json_decref(doc);
    cw_arena_free(mem);
}

static void what_is_known_is_no_problem(void **state)
{
    (void)state;
    struct cw_arena *mem;
    struct cw_problems problems = {0};
    json_t *doc = json_loads("{\"workspaceId\":\"w\",\"options\":{\"launchCluster\":false}}", 0, NULL);
    assert_int_equal(cw_arena_new(1 << 16, &mem), 0);
    cw_shape_unknown(cw_request_shape(CW_REQUEST_VERIFY), doc, "", mem, &problems);
    assert_int_equal(problems.count, 0);
    cw_shape_unknown(cw_request_shape(CW_REQUEST_VERIFY), NULL, "", mem, &problems);
    assert_int_equal(problems.count, 0);
    json_decref(doc);
    cw_arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistyped_members_are_named),
        cmocka_unit_test(what_is_known_is_no_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

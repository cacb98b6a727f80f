/* Reading requests from files: the three forms, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops/ctl/event_file.h"

static int split(const char *text, size_t *ret_count, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    json_t **events = NULL;
    assert_int_equal(cw_arena_new((size_t)16 * 1024 * 1024, &mem), 0);
    return event_file_split(cw_str_of(text), mem, &events, ret_count, err);
}

static void test_one_event_may_span_lines(void **state)
{
    (void)state;
    struct cw_err err = {0};
    size_t count = 0;
    assert_int_equal(split("{\n  \"id\": \"a\",\n  \"data\": {}\n}\n", &count, &err), 0);
    assert_int_equal(count, 1);
}

static void test_an_array_and_json_lines(void **state)
{
    (void)state;
    struct cw_err err = {0};
    size_t count = 0;
    assert_int_equal(split("[{\"id\":\"a\"},{\"id\":\"b\"}]", &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(split("{\"id\":\"a\"}\n\n{\"id\":\"b\"}\r\n{\"id\":\"c\"}", &count, &err), 0);
    assert_int_equal(count, 3);
}

static void test_errors_name_the_line(void **state)
{
    (void)state;
    struct cw_err err = {0};
    size_t count = 0;
    assert_int_equal(split("{\"id\":\"a\"}\n{\"id\":", &count, &err), -CW_EPARSE);
    assert_non_null(strstr(err.text, "line 2"));
    assert_int_equal(split("[1]", &count, &err), -CW_EINVAL);
    assert_non_null(strstr(err.text, "event 1"));
    assert_int_equal(split("[]", &count, &err), -CW_EINVAL);
    assert_int_equal(split("\n \n", &count, &err), -CW_EPARSE);
}

static void test_files(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    struct cw_str text = {0};
    char path[] = "/tmp/causeway-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{}\n", 3), 3);
    (void)close(fd);
    assert_int_equal(cw_arena_new((size_t)1024 * 1024, &mem), 0);
    assert_int_equal(event_file_read(path, mem, &text, &err), 0);
    assert_int_equal(text.n, 3);
    (void)unlink(path);
    assert_int_equal(event_file_read(path, mem, &text, &err), -CW_ENOTFOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(event_file_read("/", mem, &text, &err), -CW_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_event_may_span_lines),
        cmocka_unit_test(test_an_array_and_json_lines),
        cmocka_unit_test(test_errors_name_the_line),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

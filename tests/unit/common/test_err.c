#include "tests/unit/common/check.h"

#include "common/err.h"
#include "common/utf8.h"

static void every_code_has_a_name_a_text_and_a_class(void **state)
{
    (void)state;
    for (int code = 1; code < CW_E__COUNT; code++) {
        assert_int_equal(cw_err_name(code)[0], 'E');
        assert_string_not_equal(cw_err_text(code), "");
        assert_int_not_equal(cw_err_class_of(code), CW_CLASS_NONE);
        assert_string_equal(cw_err_name(-code), cw_err_name(code));
        assert_string_not_equal(cw_class_name(cw_err_class_of(-code)), "none");
    }
    assert_string_equal(cw_err_name(-CW_ETHROTTLED), "ETHROTTLED");
    assert_string_equal(cw_class_name(CW_CLASS_THROTTLED), "throttled");
}

static void codes_out_of_range_are_bugs(void **state)
{
    (void)state;
    static const int codes[] = {CW_E__COUNT, -CW_E__COUNT, 100000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < CW_ARRAY_LEN(codes); i++) {
        assert_string_equal(cw_err_name(codes[i]), "EBUG");
        assert_int_equal(cw_err_class_of(codes[i]), CW_CLASS_BUG);
    }
    assert_string_equal(cw_class_name((enum cw_class)99), "bug");
}

static void setting_replaces_and_wrapping_prefixes(void **state)
{
    (void)state;
    struct cw_err err = {.http_status = 500, .retry_after_ms = 3, .remedy = "old"};
    assert_int_equal(cw_err_set(&err, -CW_EDENIED, "no %s", "entry"), -CW_EDENIED);
    assert_int_equal(err.code, CW_EDENIED);
    assert_int_equal(err.class, CW_CLASS_DENIED);
    assert_int_equal(err.http_status, 0);
    assert_string_equal(err.remedy, "");
    err.class = CW_CLASS_MISCONFIGURED;
    err.http_status = 403;
    cw_err_remedy(&err, "grant %d", 7);
    assert_int_equal(cw_err_wrap(&err, "step %d", 2), -CW_EDENIED);
    assert_string_equal(err.text, "step 2: no entry");
    assert_string_equal(err.remedy, "grant 7");
    assert_int_equal(err.class, CW_CLASS_MISCONFIGURED);
    assert_int_equal(err.http_status, 403);
}

static void an_argument_may_be_the_error_itself(void **state)
{
    (void)state;
    struct cw_err err = {0};
    (void)cw_err_set(&err, CW_ENET, "inner");
    assert_int_equal(cw_err_set(&err, CW_EREMOTE, "outer (%s)", err.text), -CW_EREMOTE);
    assert_string_equal(err.text, "outer (inner)");
    (void)cw_err_wrap(&err, "%s", err.text);
    assert_string_equal(err.text, "outer (inner): outer (inner)");
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    struct cw_err err = {0};
    char z[2000];
    for (size_t i = 0; i + 2 < sizeof z; i += 2)
        memcpy(z + i, "\xC3\xA9", 3);
    for (int shift = 0; shift < 4; shift++) {
        (void)cw_err_set(&err, CW_ENET, "%.*s%s", shift, "xxxx", z);
        size_t n = strlen(err.text);
        assert_true(n >= CW_ERR_TEXT_BYTES - 2 && n < CW_ERR_TEXT_BYTES);
        for (size_t i = 0; i < n;) {
            size_t len = cw_utf8_len(err.text + i, n - i);
            assert_int_not_equal(len, 0);
            i += len;
        }
        (void)cw_err_wrap(&err, "%s", z);
        assert_true(strlen(err.text) < CW_ERR_TEXT_BYTES);
        cw_err_remedy(&err, "%s", z);
        assert_true(strlen(err.remedy) >= CW_ERR_REMEDY_BYTES - 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_a_text_and_a_class),
        cmocka_unit_test(codes_out_of_range_are_bugs),
        cmocka_unit_test(setting_replaces_and_wrapping_prefixes),
        cmocka_unit_test(an_argument_may_be_the_error_itself),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/common/check.h"

#include "common/str.h"
#include "common/utf8.h"

static void comparisons_take_null(void **state)
{
    (void)state;
    assert_true(cw_z_eq(NULL, NULL));
    assert_false(cw_z_eq(NULL, ""));
    assert_true(cw_z_eq_nocase("aBc-Z", "AbC-z"));
    assert_false(cw_z_eq_nocase("abc", "abcd"));
    assert_false(cw_z_eq_nocase("[", "{")); /* differ in the same bit as letters of different case */
    assert_false(cw_z_eq_nocase(NULL, "a"));
    assert_false(cw_z_starts(NULL, ""));
    assert_true(cw_z_starts("abc", ""));
    assert_true(cw_z_starts("abc", "ab"));
    assert_false(cw_z_starts("ab", "abc"));
    assert_true(cw_z_ends("abc", "bc"));
    assert_false(cw_z_ends("bc", "abc"));
    assert_true(cw_z_starts_nocase("Bearer x", "bEARER "));
    assert_true(cw_z_ends_nocase("adb-1.2.AZUREDATABRICKS.CN", ".azuredatabricks.cn"));
    assert_true(cw_z_contains_nocase("xAnother Operation", "another"));
    assert_false(cw_z_contains_nocase("ab", "abc"));
    assert_true(cw_z_contains_nocase("ab", ""));
    assert_true(cw_str_eq(cw_str_of(NULL), cw_str_of("")));
    assert_true(cw_str_eq_z((struct cw_str){"abc", 2}, "ab"));
    assert_false(cw_str_eq_z((struct cw_str){"abc", 2}, "abc"));
}

static void copies_are_cut_between_characters(void **state)
{
    (void)state;
    char out[6];
    assert_true(cw_z_copy(out, sizeof out, "12345"));
    assert_string_equal(out, "12345");
    assert_false(cw_z_copy(out, sizeof out, "123456"));
    assert_string_equal(out, "12345");
    assert_false(cw_z_copy(out, sizeof out, "1234\xC3\xA9"));
    assert_string_equal(out, "1234");
    assert_false(cw_z_copy(out, sizeof out, "12\xF0\x9F\x98\x80"));
    assert_string_equal(out, "12");
    assert_true(cw_z_copy(out, sizeof out, NULL));
    assert_string_equal(out, "");
    assert_false(cw_z_copy(out, 1, "x"));
    assert_string_equal(out, "");
}

static void numbers_fill_the_whole_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-", "+1", " 1", "1 ", "0x1", "1e3", "9223372036854775808", "-9223372036854775809", "--1"};
    int64_t v = 42;
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++)
        assert_false(cw_z_to_i64(bad[i], &v));
    assert_false(cw_z_to_i64(NULL, &v));
    assert_int_equal(v, 42);
    assert_true(cw_z_to_i64("-9223372036854775808", &v));
    assert_true(v == INT64_MIN);
    assert_true(cw_z_to_i64("007", &v));
    assert_int_equal(v, 7);
}

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *z;
        bool is_match;
    } cases[] = {
        {"", "", true},           {"", "a", false},
        {"*", "", true},          {"*", "abc", true},
        {"a*c", "ABC", true},     {"a*c", "abcd", false},
        {"*ab*ab", "abab", true}, {"*ab*ab", "aab", false},
        {"a**b", "ab", true},     {"*.cn", "x.y.CN", true},
        {"abc", "ab", false},     {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"a*", "ba", false},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++)
        assert_int_equal(cw_z_glob(cases[i].pattern, cases[i].z), cases[i].is_match);
}

static void a_buffer_grows(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    assert_string_equal(cw_buf_z(&b), "");
    for (int i = 0; i < 1000; i++)
        cw_buf_addf(&b, "%03d,", i);
    assert_int_equal(b.n, 4000);
    assert_memory_equal(b.p + 3990, "7,998,999,", 11);
    cw_buf_reset(&b);
    assert_string_equal(cw_buf_z(&b), "");
    cw_buf_addf(&b, "%0500d", 7); /* longer than any small buffer inside */
    assert_int_equal(strlen(b.p), 500);
    char *z = cw_buf_take(&b);
    assert_int_equal(z[499], '7');
    assert_null(b.p);
    free(z);
    z = cw_buf_take(&b); /* nothing was added: still a text */
    assert_string_equal(z, "");
    free(z);
}

static void past_its_limit_a_buffer_has_failed(void **state)
{
    (void)state;
    struct cw_buf b = {.max = 10};
    cw_buf_add_z(&b, "1234567890");
    assert_false(b.failed);
    cw_buf_add_char(&b, 'x');
    assert_true(b.failed);
    cw_buf_reset(&b);
    cw_buf_addf(&b, "%020d", 1);
    assert_true(b.failed);
    cw_buf_add_z(&b, "1"); /* sticky */
    assert_int_equal(b.n, 0);
    assert_null(cw_buf_take(&b));
    assert_null(b.p);
    cw_buf_add(&b, "x", SIZE_MAX - 1);
    assert_true(b.failed);
    cw_buf_fini(&b);
}

static void json_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } cases[] = {
        {"a\"b\\c/\n\r\t\b\f\x01\x1f\x7f", 14, "a\\\"b\\\\c/\\n\\r\\t\\b\\f\\u0001\\u001f\x7f"},
        {"\0", 1, "\\u0000"},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\xC3", 1, "\xEF\xBF\xBD"},                                                   /* cut off */
        {"\xC0\xAF", 2, "\xEF\xBF\xBD\xEF\xBF\xBD"},                                   /* overlong */
        {"\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},                   /* a surrogate */
        {"\xF4\x90\x80\x80x", 5, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx"}, /* past U+10FFFF */
        {"\xFF"
         "a\x80",
         3,
         "\xEF\xBF\xBD"
         "a\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
        cw_buf_add_json(&b, cases[i].in, cases[i].n);
        assert_string_equal(cw_buf_z(&b), cases[i].out);
    }
}

static void cutting_keeps_whole_characters(void **state)
{
    (void)state;
    const char *z = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    static const size_t cut_at[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t n = 0; n < CW_ARRAY_LEN(cut_at); n++)
        assert_int_equal(cw_utf8_cut(z, n), cut_at[n]);
    assert_int_equal(cw_utf8_cut("\x80\x80\x80\x80\x80", 5), 5);
    assert_int_equal(cw_utf8_cut("\x80\x80", 2), 2);
}

static void urls(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_add_url(&b, "aZ09-._~ /?&=%+\xC3\xA9");
    assert_string_equal(cw_buf_z(&b), "aZ09-._~%20%2F%3F%26%3D%25%2B%C3%A9");
    cw_buf_add_url(&b, NULL);
    assert_int_equal(b.failed, false);
}

static void base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < CW_ARRAY_LEN(pairs); i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf coded = {0}, plain = {0};
        cw_buf_add_base64(&coded, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(cw_buf_z(&coded), pairs[i][1]);
        assert_true(cw_buf_add_base64_decoded(&plain, pairs[i][1], strlen(pairs[i][1])));
        assert_string_equal(cw_buf_z(&plain), pairs[i][0]);
    }
    unsigned char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)i;
    CW_AUTO(cw_buf_fini) struct cw_buf coded = {0}, plain = {0};
    cw_buf_add_base64(&coded, all, sizeof all);
    assert_true(cw_buf_add_base64_decoded(&plain, coded.p, coded.n));
    assert_int_equal(plain.n, sizeof all);
    assert_memory_equal(plain.p, all, sizeof all);
}

static void bad_base64_adds_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "Z===", "====", "=Zg=", "Zg==Zg==", "Zm9v!m9v", "Zm9vZ\nm9", "Zm9-"};
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
        cw_buf_add_z(&b, "kept");
        assert_false(cw_buf_add_base64_decoded(&b, bad[i], strlen(bad[i])));
        assert_string_equal(cw_buf_z(&b), "kept");
    }
}

/* The test vectors that FNV's authors publish. */
static void test_hash(void **state)
{
    (void)state;
    assert_true(cw_str_hash(cw_str_of("")) == UINT64_C(0xcbf29ce484222325));
    assert_true(cw_str_hash(cw_str_of("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(cw_str_hash(cw_str_of("foobar")) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(comparisons_take_null),
        cmocka_unit_test(copies_are_cut_between_characters),
        cmocka_unit_test(numbers_fill_the_whole_text),
        cmocka_unit_test(globs),
        cmocka_unit_test(a_buffer_grows),
        cmocka_unit_test(past_its_limit_a_buffer_has_failed),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(cutting_keeps_whole_characters),
        cmocka_unit_test(urls),
        cmocka_unit_test(base64),
        cmocka_unit_test(bad_base64_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

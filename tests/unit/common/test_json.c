#include "tests/unit/common/check.h"

#include "common/json.h"

static int parse(const char *z, json_t **ret_doc, struct cw_err *err)
{
    return cw_json_parse(z, strlen(z), 1000, ret_doc, err);
}

static json_t *good(const char *z)
{
    struct cw_err err = {0};
    json_t *doc = NULL;
    if (parse(z, &doc, &err) < 0)
        fail_msg("%s: %s", z, err.text);
    return doc;
}

static void documents_are_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "[]", "\xEF\xBB\xBF{\"a\":1}", " \n[1, 2.5, \"x\", null, true]\n", "\"text\"", "12", "null"};
    for (size_t i = 0; i < CW_ARRAY_LEN(texts); i++)
        json_decref(good(texts[i]));
}

static void bad_documents_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *z, *text;
    } cases[] = {
        {"", "line 1 column "},
        {"\xEF\xBB\xBF", "line 1 column "},
        {"{\"a\":1,\n \"b\":}", "line 2 column "},
        {"{\"a\":1,\"a\":2}", "duplicate object key"},
        {"{\"a\":1} x", "end of file expected"},
        {"{\"a\":1", "line 1 column "},
        {"[\"\\u0000\"]", "NUL"},
        {"[\"\xFF\"]", "line 1 column "},
        {"[1e999]", "real number overflow"},
        {"[123456789012345678901234567890]", "too big integer"},
        {"{'a':1}", "line 1 column "},
        {"[NaN]", "invalid token"},
        {"[1,]", "line 1 column "},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_err err = {0};
        json_t *doc = NULL;
        assert_int_equal(parse(cases[i].z, &doc, &err), -CW_EPARSE);
        assert_null(doc);
        if (strstr(err.text, cases[i].text) == NULL || strncmp(err.text, "line ", 5) != 0)
            fail_msg("%s: \"%s\"", cases[i].z, err.text);
    }
}

static void no_piece_of_the_input_gets_into_the_error(void **state)
{
    (void)state;
    struct cw_err err = {0};
    json_t *doc = NULL;
    assert_int_equal(parse("{\"password\": hunter2}", &doc, &err), -CW_EPARSE);
    assert_null(strstr(err.text, "hunter2"));
    assert_int_equal(parse("{\"token\": \"s3cret\" \"s3cret\"}", &doc, &err), -CW_EPARSE);
    assert_null(strstr(err.text, "s3cret"));
}

static void nest(char *z, int depth, char open, char close)
{
    memset(z, open, (size_t)depth);
    memset(z + depth, close, (size_t)depth);
    z[2 * depth] = '\0';
}

static void depth_is_limited_before_the_parser(void **state)
{
    (void)state;
    static char z[200001];
    struct cw_err err = {0};
    json_t *doc = NULL;
    nest(z, CW_JSON_DEPTH_MAX, '[', ']');
    json_decref(good(z));
    nest(z, CW_JSON_DEPTH_MAX + 1, '[', ']');
    assert_int_equal(parse(z, &doc, &err), -CW_ETOOBIG);
    assert_string_equal(err.text, "line 1 column 33: nested deeper than 32");
    nest(z, 100000, '{', '}');
    assert_int_equal(cw_json_parse(z, strlen(z), sizeof z, &doc, &err), -CW_ETOOBIG);
    memset(z, '[', 100);
    z[0] = '"';
    z[99] = '"';
    z[100] = '\0';
    json_decref(good(z)); /* brackets in a text do not count */
    memcpy(z, "[\"\\\"", 4);
    memset(z + 4, '[', 60);
    memcpy(z + 64, "\\\\\"]", 5);
    json_decref(good(z)); /* nor behind an escaped quotation mark */
}

static void sizes_are_limited(void **state)
{
    (void)state;
    struct cw_err err = {0};
    json_t *doc = NULL;
    assert_int_equal(cw_json_parse("[1,2]", 5, 4, &doc, &err), -CW_ETOOBIG);
    assert_string_equal(err.text, "5 bytes of JSON, at most 4 are read");
    assert_int_equal(cw_json_parse("[1,2]xxx", 5, 5, &doc, &err), 0);
    json_decref(doc);
    assert_int_equal(cw_json_parse("[1,2]", 5, 0, &doc, &err), 0); /* the default limit */
    json_decref(doc);
    assert_int_equal(cw_json_parse(NULL, 0, 5, &doc, &err), -CW_EPARSE);
    assert_int_equal(cw_json_parse("[1]\0", 4, 5, &doc, &err), -CW_EPARSE);
}

static void an_arena_can_own_it(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct cw_arena *mem = NULL;
    json_t *doc = NULL;
    assert_int_equal(cw_arena_new(1000, &mem), 0);
    assert_int_equal(cw_json_parse_in(mem, "{\"b\":1,\"a\":[]}", 14, 100, &doc, &err), 0);
    assert_string_equal(cw_json_print_in(mem, doc), "{\"a\":[],\"b\":1}");
    assert_int_equal(cw_json_parse_in(mem, "{", 1, 100, &doc, &err), -CW_EPARSE);
    cw_arena_free(mem); /* LeakSanitizer watches */
}

static void paths(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_json)
    json_t *doc = good(
        "{\"a\":{\"b\":[{\"c\":\"x\"},{\"c\":\"y\"}],\"n\":null,\"0\":\"zero\"},\"i\":-5,\"s\":\"77\",\"t\":true,\"r\":1.5,\"\":\"empty\"}");
    assert_ptr_equal(cw_json_at(doc, ""), doc);
    assert_string_equal(cw_json_str(doc, "a/b/1/c", "?"), "y");
    assert_string_equal(cw_json_str(doc, "a/0", "?"), "zero");
    assert_string_equal(cw_json_str(doc, "a/b/2/c", "?"), "?");
    assert_string_equal(cw_json_str(doc, "a/b/x", "?"), "?");
    assert_string_equal(cw_json_str(doc, "a/b/-1", "?"), "?");
    assert_string_equal(cw_json_str(doc, "a/b/99999999999999999999", "?"), "?");
    assert_string_equal(cw_json_str(doc, "i", "?"), "?");
    assert_string_equal(cw_json_str(doc, "s/x", "?"), "?");
    assert_null(cw_json_str(doc, "none", NULL));
    assert_null(cw_json_at(doc, "a/n"));
    assert_null(cw_json_at(NULL, "a"));
    assert_int_equal(cw_json_int(doc, "i", 1), -5);
    assert_int_equal(cw_json_int(doc, "s", 1), 77);
    assert_int_equal(cw_json_int(doc, "r", 1), 1);
    assert_int_equal(cw_json_int(doc, "a/b/0/c", 1), 1);
    assert_true(cw_json_bool(doc, "t", false));
    assert_true(cw_json_bool(doc, "s", true));
    assert_int_equal(cw_json_count(doc, "a/b"), 2);
    assert_int_equal(cw_json_count(doc, "a"), 0);
    assert_int_equal(cw_json_count(doc, "none"), 0);
}

static void what_is_needed_is_named(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_json) json_t *doc = good("{\"a\":{\"b\":1,\"c\":\"x\"}}");
    struct cw_err err = {0};
    const char *z = NULL;
    assert_int_equal(cw_json_need_str(doc, "a/c", &z, &err), 0);
    assert_string_equal(z, "x");
    z = NULL;
    assert_int_equal(cw_json_need_str(doc, "a/b", &z, &err), -CW_EPROTO);
    assert_string_equal(err.text, "a/b: not a string");
    assert_int_equal(cw_json_need_str(doc, "a/z", &z, &err), -CW_EPROTO);
    assert_string_equal(err.text, "a/z: missing");
    assert_null(z);
}

static void building(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_json) json_t *doc = json_object();
    CW_AUTO(cw_auto_json) json_t *list = json_array();
    assert_true(cw_json_set_str(doc, "z", "a\xFF\xC3\xA9"));
    assert_true(cw_json_set_str(doc, "none", NULL));
    assert_true(cw_json_set_int(doc, "n", INT64_MIN));
    assert_true(cw_json_set_bool(doc, "b", false));
    assert_true(cw_json_set(doc, "l", json_pack("[i]", 1)));
    assert_false(cw_json_set(doc, "x", NULL));
    assert_false(cw_json_set(list, "x", json_integer(1))); /* not an object: taken and dropped */
    assert_false(cw_json_set_str(list, "x", "y"));
    CW_AUTO(cw_auto_str) char *z = cw_json_print(doc);
    assert_string_equal(z,
                        "{\"b\":false,\"l\":[1],\"n\":-9223372036854775808,\"z\":\"a\xEF\xBF\xBD\xC3\xA9\"}");
    CW_AUTO(cw_auto_json) json_t *again = good(z);
    assert_true(json_equal(doc, again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_read),
        cmocka_unit_test(bad_documents_are_refused_with_their_place),
        cmocka_unit_test(no_piece_of_the_input_gets_into_the_error),
        cmocka_unit_test(depth_is_limited_before_the_parser),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(an_arena_can_own_it),
        cmocka_unit_test(paths),
        cmocka_unit_test(what_is_needed_is_named),
        cmocka_unit_test(building),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

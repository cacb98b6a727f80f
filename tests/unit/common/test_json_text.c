/* jansson is the judge: what is read here it reads alike, and what is written here it writes alike. */
#include "common/json.h"
#include "common/json_text.h"
#include "tests/unit/common/check.h"

#define DEPTH_MAX 8
#define ROUNDS 20000
#define BYTES_MAX 400

static const char *const documents[] = {
    "{}",
    "[]",
    "null",
    "\"\"",
    "-0",
    " \t\r\n[ ] ",
    "[true,false,null,0,-1,12345,999999999999999999,-999999999999999999]",
    "[0.5,-1.25e3,1E5,1e-7,0.1,123456789.0,2.5E+2,0e0,1e-400]",
    "[9223372036854775807,-9223372036854775808,1000000000000000000]",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\",\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"]",
    "{\"a\":{\"b\":[1,{\"c\":\"d\"}],\"\":\"\"},\"z\":1,\"y\":{},\"\\n\":\"\\u001f\",\"x\\u0020\":[[]]}",
    "{\"id\":\"/subscriptions/1/resourceGroups/g\",\"properties\":{\"provisioningState\":\"Succeeded\",\"n\":10.5}}",
    "{\"a20\":1,\"a19\":1,\"a18\":1,\"a17\":1,\"a16\":1,\"a15\":1,\"a14\":1,\"a13\":1,\"a12\":1,\"a11\":1,\"a1\":1,\"a\":1,"
    "\"b\":1,\"ab\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"aaaa\":1,\"aaa\":1,\"aa\":1}",
    "[[[[[[[[0]]]]]]]]",
};

static uint64_t chance = 1;

static size_t draw(size_t below)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(chance >> 33) % below;
}

static char *jansson_text(const json_t *v, bool is_sorted)
{
    return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | (is_sorted ? JSON_SORT_KEYS : 0));
}

static void compare_texts(const json_t *v)
{
    for (int is_sorted = 0; is_sorted < 2; is_sorted++) {
        CW_AUTO(cw_auto_str) char *ours = cw_json_write(v, is_sorted);
        CW_AUTO(cw_auto_str) char *theirs = jansson_text(v, is_sorted);
        assert_non_null(ours);
        assert_string_equal(ours, theirs);
    }
}

/* True when it was read. */
static bool compare(const char *p, size_t n)
{
    CW_AUTO(cw_auto_json) json_t *ours = cw_json_read(p, n, DEPTH_MAX);
    CW_AUTO(cw_auto_json)
    json_t *theirs = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &(json_error_t){0});
    if (ours == NULL)
        return false;
    if (theirs == NULL || !json_equal(ours, theirs))
        fail_msg("read otherwise: %.*s", (int)n, p);
    CW_AUTO(cw_auto_str) char *a = jansson_text(ours, false);
    CW_AUTO(cw_auto_str) char *b = jansson_text(theirs, false);
    assert_string_equal(a, b);
    compare_texts(ours);
    return true;
}

static void documents_are_read_and_written_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(documents); i++) {
        bool has_long_number = strstr(documents[i], "9223372036854775807") != NULL;
        if (compare(documents[i], strlen(documents[i])) == has_long_number)
            fail_msg("not read: %s", documents[i]);
    }
}

static void what_is_said_about_is_left_to_jansson(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[",
                                        "]",
                                        "{\"a\"}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "[1 2]",
                                        "{a:1}",
                                        "01",
                                        "-",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "+1",
                                        "1e999",
                                        "tru",
                                        "truex",
                                        "NaN",
                                        "\"",
                                        "\"\\",
                                        "\"\\x\"",
                                        "\"\\u12",
                                        "\"\\u0000\"",
                                        "\"\\ud800\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\udc00\"",
                                        "\"\n\"",
                                        "\"\xFF\"",
                                        "\"\xC3\"",
                                        "{\"a\":1,\"\\u0061\":2}",
                                        "[[[[[[[[[0]]]]]]]]]",
                                        "1 1",
                                        "12345678901234567890123"};
    for (size_t i = 0; i < CW_ARRAY_LEN(texts); i++) {
        json_t *doc = cw_json_read(texts[i], strlen(texts[i]), DEPTH_MAX);
        if (doc != NULL)
            fail_msg("read: %s", texts[i]);
    }
    assert_null(cw_json_read("[1]\0", 4, DEPTH_MAX));
}

/* One to four bytes changed, left out, doubled, or a piece of another document put in. */
static size_t spoil(char *p, size_t n)
{
    static const char bytes[] = "{}[]\",:\\u0aeE+-.1 \n\x01\xC3\xA9\xF0";
    for (size_t changes = draw(4) + 1; changes > 0; changes--) {
        size_t at = draw(n + 1);
        const char *other = documents[draw(CW_ARRAY_LEN(documents))];
        size_t len = 0;
        switch (draw(4)) {
        case 0:
            if (at < n)
                p[at] = bytes[draw(sizeof bytes - 1)];
            break;
        case 1:
            if (at < n)
                memmove(p + at, p + at + 1, --n - at);
            break;
        default:
            len = draw(CW_MIN(strlen(other), BYTES_MAX - n) + 1);
            memmove(p + at + len, p + at, n - at);
            memcpy(p + at, other, len);
            n += len;
            break;
        }
    }
    return n;
}

static void spoiled_documents_are_judged_alike(void **state)
{
    (void)state;
    size_t read = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const char *document = documents[draw(CW_ARRAY_LEN(documents))];
        char buf[BYTES_MAX];
        size_t n = strlen(document);
        memcpy(buf, document, n);
        n = spoil(buf, n);
        CW_AUTO(cw_auto_str) char *exact = malloc(n + 1); /* ASan sees a byte read behind it */
        assert_non_null(exact);
        memcpy(exact, buf, n);
        read += compare(exact, n);
    }
    assert_in_range(read, ROUNDS / 100, ROUNDS / 2);
}

static void what_jansson_can_not_read_is_not_written(void **state)
{
    (void)state;
    CW_AUTO(cw_auto_json) json_t *doc = json_pack("{s:o}", "a", json_stringn_nocheck("\xFF", 1));
    assert_null(cw_json_write(doc, true));
    assert_null(cw_json_write(NULL, true));
    CW_AUTO(cw_auto_json) json_t *deep = json_array();
    for (int i = 0; i < 300; i++)
        deep = json_pack("[o]", deep);
    assert_null(cw_json_write(deep, false));
    CW_AUTO(cw_auto_json)
    json_t *numbers = json_pack("[I,I,f,f]", (json_int_t)INT64_MIN, (json_int_t)INT64_MAX, 1.0, 1e300);
    CW_AUTO(cw_auto_json) json_t *nul = json_stringn("a\0b", 3);
    compare_texts(numbers);
    compare_texts(nul);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_read_and_written_alike),
        cmocka_unit_test(what_is_said_about_is_left_to_jansson),
        cmocka_unit_test(spoiled_documents_are_judged_alike),
        cmocka_unit_test(what_jansson_can_not_read_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

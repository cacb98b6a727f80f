#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/prefix.h"

static struct cw_prefix of(const char *z)
{
    struct cw_prefix p = {0};
    if (!cw_prefix_parse(z, &p))
        fail_msg("%s", z);
    return p;
}

static void text_and_back(void **state)
{
    (void)state;
    static const char *const good[] = {"10.10.0.0/16", "0.0.0.0/0", "255.255.255.255/32", "10.10.128.0/27"};
    static const char *const bad[] = {"10.10.0.0",
                                      "10.10.0.1/16",
                                      "10.10.0.0/33",
                                      "10.10.0/16",
                                      "10.10.0.256/32",
                                      "10.10.00.0/16",
                                      "10.10.0.0/16 ",
                                      "a",
                                      "",
                                      "1.2.3.4/-1",
                                      "1.2.3.4/"};
    for (size_t i = 0; i < CW_ARRAY_LEN(good); i++) {
        char out[CW_PREFIX_BYTES];
        cw_prefix_format(of(good[i]), out);
        assert_string_equal(out, good[i]);
    }
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++) {
        struct cw_prefix p;
        if (cw_prefix_parse(bad[i], &p))
            fail_msg("%s", bad[i]);
    }
    uint32_t address = 0;
    assert_true(cw_address_parse("10.10.128.4", &address));
    assert_true(cw_prefix_has_address(of("10.10.128.0/27"), address));
    assert_false(cw_prefix_has_address(of("10.10.128.32/27"), address));
    assert_false(cw_address_parse("10.10.128.4 ", &address));
}

static void relations(void **state)
{
    (void)state;
    assert_true(cw_prefix_overlaps(of("10.0.0.0/8"), of("10.255.0.0/16")));
    assert_false(cw_prefix_overlaps(of("10.10.0.0/18"), of("10.10.64.0/18")));
    assert_true(cw_prefix_overlaps(of("0.0.0.0/0"), of("255.0.0.0/8")));
    assert_true(cw_prefix_contains(of("10.10.0.0/16"), of("10.10.128.0/27")));
    assert_false(cw_prefix_contains(of("10.10.128.0/27"), of("10.10.0.0/16")));
    assert_true(cw_prefix_is_private(of("172.31.0.0/16")));
    assert_false(cw_prefix_is_private(of("172.32.0.0/16")));
}

static void the_defaults_of_a_new_network(void **state)
{
    (void)state;
    struct cw_prefix p;
    char out[CW_PREFIX_BYTES];
    assert_true(cw_prefix_nth(of("10.10.0.0/16"), 18, 1, &p));
    cw_prefix_format(p, out);
    assert_string_equal(out, "10.10.64.0/18");
    assert_false(cw_prefix_nth(of("10.10.0.0/16"), 18, 4, &p));
    assert_false(cw_prefix_nth(of("10.10.0.0/16"), 15, 0, &p));
    assert_true(cw_prefix_nth(of("0.0.0.0/0"), 1, 1, &p));
}

static void the_first_free_one(void **state)
{
    (void)state;
    struct cw_prefix p;
    char out[CW_PREFIX_BYTES];
    struct cw_prefix spaces[] = {of("10.10.0.0/24"), of("10.20.0.0/24")};
    struct cw_prefix used[] = {of("10.10.0.0/26"), of("10.10.0.96/28")};
    assert_true(cw_prefix_first_free(spaces, 2, used, 2, 27, &p));
    cw_prefix_format(p, out);
    assert_string_equal(out, "10.10.0.64/27");
    assert_true(cw_prefix_first_free(spaces, 2, used, 2, 26, &p));
    cw_prefix_format(p, out);
    assert_string_equal(out, "10.10.0.128/26");
    struct cw_prefix all[] = {of("10.10.0.0/24")};
    assert_true(cw_prefix_first_free(spaces, 2, all, 1, 27, &p));
    cw_prefix_format(p, out);
    assert_string_equal(out, "10.20.0.0/27");
    assert_false(cw_prefix_first_free(spaces, 1, all, 1, 27, &p));
    assert_false(cw_prefix_first_free(spaces, 1, NULL, 0, 23, &p));
    struct cw_prefix top[] = {of("255.255.255.0/24")};
    assert_false(cw_prefix_first_free(top, 1, top, 1, 27, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(relations),
        cmocka_unit_test(the_defaults_of_a_new_network),
        cmocka_unit_test(the_first_free_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

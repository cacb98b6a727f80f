#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/armid.h"

#define VNET "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v"

static struct cw_arena *mem;

static int setup(void **state)
{
    (void)state;
    return cw_arena_new(1024 * 1024, &mem);
}

static int teardown(void **state)
{
    (void)state;
    cw_arena_free(mem);
    return 0;
}

static void parts_of_ids(void **state)
{
    (void)state;
    struct cw_armid id;
    struct cw_err err = {0};
    assert_int_equal(cw_armid_parse(VNET "/subnets/host", mem, &id, &err), 0);
    assert_string_equal(id.subscription, "s");
    assert_string_equal(id.group, "g");
    assert_string_equal(id.provider, "Microsoft.Network");
    assert_string_equal(id.type, "virtualNetworks/subnets");
    assert_string_equal(id.name, "host");
    assert_int_equal(cw_armid_parse("/SUBSCRIPTIONS/s/RESOURCEGROUPS/g", mem, &id, &err), 0);
    assert_string_equal(id.group, "g");
    assert_null(id.provider);
    assert_int_equal(cw_armid_parse(VNET "/providers/Microsoft.Authorization/locks/l", mem, &id, &err), 0);
    assert_string_equal(id.provider, "Microsoft.Authorization");
    assert_string_equal(id.type, "locks");
}

static void what_is_no_id_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "subscriptions/s",
        "/subscriptions",
        "/subscriptions//resourceGroups/g",
        "/subscriptions/s/resourceGroups",
        "/tenants/t/x/y",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network",
        "/subscriptions/s/resourceGroups/g/providers/N/type",
        "/subscriptions/s/resourceGroups/g/x/y",
        NULL,
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++) {
        struct cw_armid id;
        struct cw_err err = {0};
        if (cw_armid_parse(bad[i], mem, &id, &err) != -CW_EINVAL)
            fail_msg("%s", bad[i]);
    }
}

static void compared_without_case(void **state)
{
    (void)state;
    assert_true(cw_armid_eq(
        VNET, "/Subscriptions/S/resourcegroups/G/providers/microsoft.network/VirtualNetworks/V/"));
    assert_false(cw_armid_eq(VNET, VNET "2"));
    assert_false(cw_armid_eq(VNET, NULL));
    assert_true(cw_armid_eq(NULL, NULL));
    assert_true(cw_armid_is_within(VNET "/subnets/x", VNET));
    assert_true(cw_armid_is_within(VNET, VNET));
    assert_false(cw_armid_is_within(VNET "2", VNET));
}

static void built_and_taken_apart(void **state)
{
    (void)state;
    char *vnet = cw_armid_resource(mem, "s", "g", "Microsoft.Network/virtualNetworks", "v");
    assert_string_equal(vnet, VNET);
    char *subnet = cw_armid_child(mem, vnet, "subnets", "x");
    assert_string_equal(cw_armid_parent(mem, subnet), VNET);
    assert_null(cw_armid_parent(mem, vnet));
    assert_string_equal(cw_armid_group_of(mem, subnet), "/subscriptions/s/resourceGroups/g");
    assert_string_equal(cw_armid_group_of(mem, "/subscriptions/s/resourceGroups/g/"),
                        "/subscriptions/s/resourceGroups/g");
    assert_null(cw_armid_group_of(mem, "/subscriptions/s"));
    assert_string_equal(cw_armid_subscription_of(mem, vnet), "s");
    assert_string_equal(cw_armid_name(subnet), "x");
    assert_string_equal(cw_armid_name(NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_ids),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(compared_without_case),
        cmocka_unit_test(built_and_taken_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

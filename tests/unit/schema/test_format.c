#include "schema/field.h"

#include "tests/unit/schema/lib.h"

#define S "/subscriptions/11111111-1111-1111-1111-111111111111"

static const struct {
    enum cw_member_format format;
    bool is_valid;
    const char *text;
} cases[] = {
    {CW_FORMAT_WORKSPACE_ID, true, S "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/abc"},
    {CW_FORMAT_WORKSPACE_ID, true,
     "/SUBSCRIPTIONS/11111111-1111-1111-1111-11111111AAAA/resourcegroups/rg.x(1)/providers/microsoft.databricks/Workspaces/a_b-c"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/ab"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/rg./providers/Microsoft.Databricks/workspaces/abc"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/abc/"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/a%2fc"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/../providers/Microsoft.Databricks/workspaces/abc?x=y"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/rg/providers/Microsoft.Databricks/workspace/abc"},
    {CW_FORMAT_WORKSPACE_ID, false, S "/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/abc\n"},
    {CW_FORMAT_VNET_ID, true, S "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v1"},
    {CW_FORMAT_VNET_ID, false, S "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"},
    {CW_FORMAT_VNET_ID, false, S "/resourceGroups/rg/providers/Microsoft.Network/natGateways/v1"},
    {CW_FORMAT_ZONE_ID, true,
     S "/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/privatelink.databricks.azure.cn"},
    {CW_FORMAT_ZONE_ID, false, S "/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/cn"},
    {CW_FORMAT_ZONE_ID, false, S "/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/a.b."},
    {CW_FORMAT_RESOURCE_GROUP, true, "a"},
    {CW_FORMAT_RESOURCE_GROUP, false, ""},
    {CW_FORMAT_RESOURCE_GROUP, false, "a."},
    {CW_FORMAT_RESOURCE_GROUP, false, "a/b"},
    {CW_FORMAT_NETWORK_NAME, true, "a"},
    {CW_FORMAT_NETWORK_NAME, true, "private-worker_subnet.1_"},
    {CW_FORMAT_NETWORK_NAME, false, "a-"},
    {CW_FORMAT_ENDPOINT_NAME, false, "a"},
    {CW_FORMAT_CIDR, true, "10.0.0.0/8"},
    {CW_FORMAT_CIDR, true, "100.64.0.0/10"},
    {CW_FORMAT_CIDR, true, "172.31.255.252/30"},
    {CW_FORMAT_CIDR, false, "172.32.0.0/16"},
    {CW_FORMAT_CIDR, false, "10.10.0.1/16"},
    {CW_FORMAT_CIDR, false, "10.10.0.0/33"},
    {CW_FORMAT_CIDR, false, "10.256.0.0/16"},
    {CW_FORMAT_CIDR, false, "10.0.0.0/7"},
    {CW_FORMAT_CIDR, false, "0.0.0.0/0"},
    {CW_FORMAT_CIDR, false, "10.10.0.0"},
    {CW_FORMAT_ADDRESS, true, "10.0.1.4"},
    {CW_FORMAT_ADDRESS, true, "100.127.255.255"},
    {CW_FORMAT_ADDRESS, false, "40.72.0.1"},
    {CW_FORMAT_ADDRESS, false, "10.0.1.256"},
    {CW_FORMAT_ADDRESS, false, "10.0.1.4/32"},
    {CW_FORMAT_ADDRESS, false, "10.0.1"},
    {CW_FORMAT_ADDRESS, false, " 10.0.1.4"},
    {CW_FORMAT_GUID, true, "01234567-89ab-CDEF-0123-456789abcdef"},
    {CW_FORMAT_GUID, false, "{01234567-89ab-cdef-0123-456789abcdef}"},
    {CW_FORMAT_REGION, true, "chinaeast2"},
    {CW_FORMAT_REGION, false, "China East 2"},
    {CW_FORMAT_EVENT_ID, true, "a"},
    {CW_FORMAT_EVENT_ID, false, "a b"},
    {CW_FORMAT_EVENT_ID, false, ""},
};

static void formats_take_what_azure_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        if (cw_format_is(cases[i].format, cases[i].text) != cases[i].is_valid)
            fail_msg("%s: expected %s", cases[i].text, cases[i].is_valid ? "valid" : "invalid");
    }
    assert_false(cw_format_is(CW_FORMAT_GUID, NULL));
}

static void every_format_explains_itself(void **state)
{
    (void)state;
    for (int f = CW_FORMAT_ANY + 1; f < CW_FORMAT__COUNT; f++) {
        assert_non_null(cw_format_pattern((enum cw_member_format)f));
        assert_non_null(cw_format_name((enum cw_member_format)f));
        assert_non_null(cw_format_remedy((enum cw_member_format)f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(formats_take_what_azure_takes),
                                       CASE(every_format_explains_itself)};
    return cmocka_run_group_tests_name("schema/format", tests, NULL, NULL);
}

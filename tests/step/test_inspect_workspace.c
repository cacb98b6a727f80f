#include "tests/lib/steprig.h"

static struct cw_err inspect(const char *state, const char *kind, const char *data,
                             struct cw_facts *ret_facts)
{
    struct cw_err err = {0};
    struct rig *rig = rig_new(state, kind, data);
    (void)rig_attempt(rig, &cw_step_inspect_workspace, false, &err);
    assert_int_equal(rig_changes(rig, NULL), 0);
    if (ret_facts != NULL)
        *ret_facts = (struct cw_facts){.no_public_ip = rig->facts.no_public_ip,
                                       .workspace_existed = rig->facts.workspace_existed};
    rig_free(rig);
    return err;
}

static void the_start_is_recorded(void **state)
{
    (void)state;
    struct cw_err err = {0};
    struct rig *rig =
        rig_new(RIG_EXISTING, "migrate", "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\"}");
    assert_int_equal(rig_attempt(rig, &cw_step_inspect_workspace, false, &err), 0);
    assert_string_equal(rig->facts.settings_before.required_nsg_rules, "AllRules");
    assert_string_equal(rig->facts.location, "chinaeast2");
    assert_string_equal(rig->facts.host_subnet, "host");
    assert_int_equal(rig->facts.workspace_existed, CW_TRI_YES);
    assert_int_equal(rig->facts.no_public_ip, CW_TRI_YES);
    rig_free(rig);
}

static void what_cannot_be_done_is_refused_with_a_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        const char *kind;
        const char *data;
        const char *part;
    } cases[] = {
        {RIG_MANAGED, "migrate", "{\"workspaceId\":\"" RIG_WORKSPACE("managed-ws") "\"}",
         "not VNet-injected"},
        {RIG_EMPTY, "verify", "{\"workspaceId\":\"" RIG_WORKSPACE("no-ws") "\"}", "no such workspace"},
        {"{\"workspaces\":[{\"name\":\"std-ws\",\"resourceGroup\":\"rg-std-ws\",\"sku\":\"standard\"}]}",
         "migrate", "{\"workspaceId\":\"" RIG_WORKSPACE("std-ws") "\"}", "Premium"},
        {"{\"workspaces\":[{\"name\":\"pub-ws\",\"resourceGroup\":\"rg-pub-ws\",\"noPublicIp\":false}]}",
         "verify", "{\"workspaceId\":\"" RIG_WORKSPACE("pub-ws") "\"}", "public IP"},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_err err = inspect(cases[i].state, cases[i].kind, cases[i].data, NULL);
        assert_int_equal(err.code, CW_EREJECTED);
        assert_non_null(strstr(err.text, cases[i].part));
        assert_string_not_equal(err.remedy, "");
    }
}

static void survives_failures(void **state)
{
    (void)state;
    rig_sweep(&(struct rig_sweep){.state = RIG_EXISTING,
                                  .kind = "migrate",
                                  .data = "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\"}",
                                  .step = &cw_step_inspect_workspace});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_start_is_recorded),
        cmocka_unit_test(what_cannot_be_done_is_refused_with_a_remedy),
        cmocka_unit_test(survives_failures),
    };
    return cmocka_run_group_tests_name("step/inspect_workspace", tests, NULL, NULL);
}

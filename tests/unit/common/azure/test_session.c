/* One construction of cloud, identity and clients, for workers and for the command. */
#include "common/azure/session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/cfg.h"

static struct cw_loop *loop;

static int set_up(void **state)
{
    struct cw_err err = {0};
    const struct cw_sched_cfg sched = {.fibers_max = 4};
    (void)state;
    return cw_loop_new(&sched, &loop, &err);
}

static int tear_down(void **state)
{
    (void)state;
    cw_loop_free(loop);
    return 0;
}

static void load(struct cw_settings *settings, char **args, int count)
{
    struct cw_err err = {0};
    char *argv[16] = {(char *)(uintptr_t) "test", (char *)(uintptr_t) "--azure-tenant-id",
                      (char *)(uintptr_t) "11111111-1111-1111-1111-111111111111",
                      (char *)(uintptr_t) "--azure-client-id", (char *)(uintptr_t) "client"};
    int argc = 5;
    for (int i = 0; i < count; i++)
        argv[argc++] = args[i];
    if (cw_cfg_load(cw_settings_rows, cw_settings_row_count, settings, &argc, argv, &err) < 0)
        fail_msg("%s", err.text);
}

#define LOAD(settings, ...) \
    load(settings, (char *[]){__VA_ARGS__}, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)))

static int try(const struct cw_settings *settings, struct cw_err *err)
{
    struct cw_azure_session session;
    int r = cw_azure_session_open(&session, loop, settings, NULL, err);
    if (r == 0)
        cw_azure_session_close(&session);
    return r;
}

static void unload(struct cw_settings *settings)
{
    cw_cfg_fini(cw_settings_rows, cw_settings_row_count, settings);
}

static void test_own_and_another_tenant(void **state)
{
    struct cw_settings settings = {0};
    struct cw_azure_session session;
    struct cw_azure_tenant other = {0};
    struct cw_err err = {0};
    (void)state;
    (void)setenv("AZURE_CLIENT_SECRET", "s3cret", 1);
    LOAD(&settings, (char *)(uintptr_t) "--azure-cloud", (char *)(uintptr_t) "public");
    assert_int_equal(cw_azure_session_open(&session, loop, &settings, NULL, &err), 0);
    assert_string_equal(session.cloud.name, "public");
    assert_int_equal(cw_credential_kind_of(session.credential), CW_CREDENTIAL_SECRET);
    assert_non_null(session.own.arm);
    assert_int_equal(cw_azure_tenant_open(&session, "22222222-2222-2222-2222-222222222222", &other, &err), 0);
    assert_ptr_not_equal(other.arm, session.own.arm);
    cw_azure_tenant_close(&other);
    cw_azure_session_close(&session);
    cw_azure_session_close(&session); /* zeroed */
    unload(&settings);
}

static void test_bad_settings_name_what_to_do(void **state)
{
    struct cw_settings settings = {0};
    struct cw_err err = {0};
    (void)state;
    LOAD(&settings, (char *)(uintptr_t) "--azure-cloud", (char *)(uintptr_t) "custom");
    assert_int_equal(try(&settings, &err), -CW_EINVAL);
    assert_non_null(strstr(err.remedy, "ARM_ENDPOINT"));
    unload(&settings);
    settings = (struct cw_settings){0};
    LOAD(&settings, (char *)(uintptr_t) "--azure-authority-host", (char *)(uintptr_t) "not a URL");
    assert_int_equal(try(&settings, &err), -CW_EINVAL); /* also where the cloud is a named one */
    unload(&settings);
}

static void test_certificate_password_is_a_secret_setting(void **state)
{
    (void)state;
    for (size_t i = 0; i < cw_settings_row_count; i++) {
        if (!cw_z_eq(cw_settings_rows[i].env, "AZURE_CLIENT_CERTIFICATE_PASSWORD"))
            continue;
        assert_string_equal(cw_settings_rows[i].name, "azure.client-certificate-password");
        assert_true(cw_settings_rows[i].is_secret);
        return;
    }
    fail_msg("no such setting");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_and_another_tenant),
        cmocka_unit_test(test_bad_settings_name_what_to_do),
        cmocka_unit_test(test_certificate_password_is_a_secret_setting),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/databricks.h"

static const struct {
    int status;
    const char *header;
    const char *value;
    const char *body;
    int error;
    const char *code;
} cases[] = {
    {400, NULL, NULL, "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Cluster 1 does not exist\"}",
     CW_ENOTFOUND, "INVALID_PARAMETER_VALUE"},
    {400, NULL, NULL, "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"bad\"}", CW_EINVAL,
     "INVALID_PARAMETER_VALUE"},
    {404, NULL, NULL, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"m\"}", CW_ENOTFOUND,
     "RESOURCE_DOES_NOT_EXIST"},
    {403, NULL, NULL, "{\"error_code\":403,\"message\":\"Unauthorized network access to workspace: 1\"}",
     CW_EDENIED, "403"},
    {403, NULL, NULL, "{\"error_code\":\"403\",\"message\":\"Unauthorized access to Org: 1\"}", CW_EDENIED,
     "403"},
    {401, NULL, NULL,
     "{\"message\":\"Configured privacy settings disallow access for this workspace over your current network\"}",
     CW_EDENIED, ""},
    {401, NULL, NULL, "", CW_EAUTH, ""},
    {500, NULL, NULL, "{\"error\":\"ClusterNotReadyException: x\"}", CW_ENOTREADY, ""},
    {500, NULL, NULL, "{\"error\":\"ContextNotFound: x\"}", CW_EREMOTE, ""},
    {404, NULL, NULL, "{\"schemas\":[],\"detail\":\"no user\",\"status\":\"404\"}", CW_ENOTFOUND, ""},
    {400, NULL, NULL, "<html><pre>Worker environment not ready</pre></html>", CW_ENOTREADY, ""},
    {400, NULL, NULL,
     "{\"error_code\":\"X\",\"message\":\"Current organization 1 does not have any associated worker environments\"}",
     CW_ENOTREADY, "X"},
    {400, NULL, NULL, "TEMPORARILY_UNAVAILABLE: try later", CW_EREMOTE, "TEMPORARILY_UNAVAILABLE"},
    {503, NULL, NULL, "", CW_ENOTREADY, ""},
    {429, "retry-after", "4", "{\"error_code\":\"RESOURCE_EXHAUSTED\"}", CW_ETHROTTLED, "RESOURCE_EXHAUSTED"},
    {302, "location", "/login.html?error=private-link-validation-error:1", "", CW_EDENIED, ""},
    {302, "location", "https://login.chinacloudapi.cn/x", "", CW_EDENIED, ""},
    {301, "location", "/elsewhere", "", CW_EPROTO, ""},
    {200, "content-type", "text/html", "<html><title>Sign in</title>", CW_EDENIED, ""},
    {502, NULL, NULL, "<html>bad gateway</html>", CW_EREMOTE, ""},
    {400, NULL, NULL, "{\"error_code\":\"INVALID_STATE\",\"message\":\"m\"}", CW_ECONFLICT, "INVALID_STATE"},
    {400, NULL, NULL, "{\"error_code\":\"FEATURE_DISABLED\",\"message\":\"m\"}", CW_EUNSUPPORTED,
     "FEATURE_DISABLED"},
};

static void all_forms_of_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_http_header header = {cases[i].header, cases[i].value};
        struct cw_http_res res = {.status = cases[i].status,
                                  .headers = &header,
                                  .header_count = cases[i].header != NULL,
                                  .body = {cases[i].body, strlen(cases[i].body)}};
        struct cw_err err = {0};
        int r = cw_databricks_error(&res, &err);
        if (r != -cases[i].error || strcmp(err.remote_code, cases[i].code) != 0)
            fail_msg("%d %s: %s '%s'", cases[i].status, cases[i].body, cw_err_name(r), err.remote_code);
        if ((r == -CW_EDENIED || r == -CW_EAUTH) && err.remedy[0] == '\0')
            fail_msg("no remedy: %s", cases[i].body);
        if (cases[i].status == 429)
            assert_int_equal(err.retry_after_ms, 4000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_forms_of_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

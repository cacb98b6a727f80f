#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/armerr.h"

struct example {
    int status;
    const char *body;
    int error;
    enum cw_armerr_hint hint;
    const char *remote_code;
};

static const struct example examples[] = {
    /* envelopes */
    {403, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"m\"}}", CW_EDENIED, CW_ARMERR_PLAIN,
     "AuthorizationFailed"},
    {400, "{\"code\":\"SubnetIsFull\",\"message\":\"m\"}", CW_EMISCONFIGURED, CW_ARMERR_PLAIN,
     "SubnetIsFull"},
    {0, "{\"status\":\"Failed\",\"error\":{\"code\":\"ScopeLocked\"}}", CW_EDENIED, CW_ARMERR_PLAIN,
     "ScopeLocked"},
    {409,
     "{\"error\":{\"code\":\"Conflict\",\"message\":\"{\\\"error\\\":{\\\"code\\\":\\\"SubnetIsFull\\\"}}\"}}",
     CW_EMISCONFIGURED, CW_ARMERR_PLAIN, "SubnetIsFull"},
    {409,
     "{\"error\":{\"code\":\"Conflict\",\"message\":\"Call failed: {\\\"status\\\":\\\"Failed\\\",\\\"error\\\":{"
     "\\\"code\\\":\\\"AnotherOperationInProgress\\\"}}\"}}",
     CW_ECONFLICT, CW_ARMERR_OTHER_OP, "AnotherOperationInProgress"},
    {400,
     "{\"error\":{\"code\":\"BadRequest\",\"details\":[{\"code\":\"X\"},{\"code\":\"RetryableError\",\"details\":[{\"code\":"
     "\"ReferencedResourceNotProvisioned\"}]}]}}",
     CW_ECONFLICT, CW_ARMERR_OTHER_OP, "ReferencedResourceNotProvisioned"},
    {400, "{\"error\":{\"code\":\"SubnetIsFull\",\"innererror\":{\"code\":\"BadRequest\"}}}",
     CW_EMISCONFIGURED, CW_ARMERR_PLAIN, "SubnetIsFull"},
    /* codes before status */
    {429, "{\"error\":{\"code\":\"RetryableErrorDueToAnotherOperation\"}}", CW_ECONFLICT, CW_ARMERR_OTHER_OP,
     "RetryableErrorDueToAnotherOperation"},
    {429, "{\"error\":{\"code\":\"SubscriptionRequestsThrottled\"}}", CW_ETHROTTLED, CW_ARMERR_THROTTLE,
     "SubscriptionRequestsThrottled"},
    {429, "{\"error\":{\"code\":\"OperationNotAllowed\"}}", CW_ETHROTTLED, CW_ARMERR_THROTTLE,
     "OperationNotAllowed"},
    {409, "{\"error\":{\"code\":\"OperationNotAllowed\"}}", CW_EQUOTA, CW_ARMERR_PLAIN,
     "OperationNotAllowed"},
    {503,
     "{\"error\":{\"code\":\"X\",\"message\":\"could not be processed due to an excessive volume of traffic\"}}",
     CW_ETHROTTLED, CW_ARMERR_THROTTLE, "X"},
    {409, "{\"error\":{\"code\":\"MissingSubscriptionRegistration\"}}", CW_EMISCONFIGURED, CW_ARMERR_REGISTER,
     "MissingSubscriptionRegistration"},
    {401, "{\"error\":{\"code\":\"ExpiredAuthenticationToken\"}}", CW_EAUTH, CW_ARMERR_TOKEN,
     "ExpiredAuthenticationToken"},
    {400, "{\"error\":{\"code\":\"NoRegisteredProviderFound\"}}", CW_EUNSUPPORTED, CW_ARMERR_VERSION,
     "NoRegisteredProviderFound"},
    {400, "{\"error\":{\"code\":\"InUseSubnetCannotBeDeleted\"}}", CW_EBUG, CW_ARMERR_PLAIN,
     "InUseSubnetCannotBeDeleted"},
    {400,
     "{\"error\":{\"code\":\"BadRequest\",\"message\":\"A virtual network cannot be linked to multiple zones with overlapping "
     "namespaces\"}}",
     CW_EMISCONFIGURED, CW_ARMERR_PLAIN, "BadRequest"},
    {0,
     "{\"error\":{\"code\":\"ApplianceProvisioningFailed\",\"message\":\"The role assignment already exists.\"}}",
     CW_ECONFLICT, CW_ARMERR_OTHER_OP, "ApplianceProvisioningFailed"},
    {0,
     "{\"error\":{\"code\":\"ApplianceProvisioningFailed\",\"message\":\"doesn't have managed by property referring\"}}",
     CW_EMISCONFIGURED, CW_ARMERR_PLAIN, "ApplianceProvisioningFailed"},
    {0,
     "{\"error\":{\"code\":\"PrivateEndpointConnectionProvisioningFailed\",\"message\":\"RESOURCE_CONFLICT: Link ID conflict\"}}",
     CW_ECONFLICT, CW_ARMERR_OTHER_OP, "PrivateEndpointConnectionProvisioningFailed"},
    {412, "{\"error\":{\"code\":\"PreconditionFailed\"}}", CW_EPRECOND, CW_ARMERR_PLAIN,
     "PreconditionFailed"},
    /* nothing known: the status decides */
    {404, "{\"error\":{\"code\":\"Whatever\"}}", CW_ENOTFOUND, CW_ARMERR_PLAIN, "Whatever"},
    {409, "{}", CW_ECONFLICT, CW_ARMERR_OTHER_OP, ""},
    {429, "", CW_ETHROTTLED, CW_ARMERR_THROTTLE, ""},
    {500, "<html>", CW_EREMOTE, CW_ARMERR_PLAIN, ""},
    {424, "{\"error\":{\"code\":\"New\"}}", CW_EREMOTE, CW_ARMERR_PLAIN, "New"},
    {400, "{\"error\":{\"code\":\"New\"}}", CW_EINVAL, CW_ARMERR_PLAIN, "New"},
    {0, "{\"status\":\"Canceled\"}", CW_EOPFAILED, CW_ARMERR_PLAIN, ""},
    {0, "", CW_EOPFAILED, CW_ARMERR_PLAIN, ""},
    {307, "", CW_EPROTO, CW_ARMERR_PLAIN, ""},
    {400, "{\"error\":\"a string\"}", CW_EINVAL, CW_ARMERR_PLAIN, ""},
    {400, "{\"error\":{\"code\":7,\"message\":[]}}", CW_EINVAL, CW_ARMERR_PLAIN, ""},
};

static void the_deepest_known_code_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(examples); i++) {
        const struct example *e = &examples[i];
        struct cw_err err = {0};
        enum cw_armerr_hint hint = CW_ARMERR_PLAIN;
        int r = cw_armerr_fill_text(e->body, strlen(e->body), e->status, &hint, &err);
        if (r != -e->error || hint != e->hint || strcmp(err.remote_code, e->remote_code) != 0)
            fail_msg("%d %s: %s %d %s", e->status, e->body, cw_err_name(r), hint, err.remote_code);
        assert_int_equal(err.http_status, e->status);
        assert_true(err.text[0] != '\0');
    }
}

static void who_must_act_is_told_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(examples); i++) {
        struct cw_err err = {0};
        int r =
            cw_armerr_fill_text(examples[i].body, strlen(examples[i].body), examples[i].status, NULL, &err);
        bool is_for_people = r == -CW_EDENIED || r == -CW_EMISCONFIGURED || r == -CW_EQUOTA;
        if (is_for_people && err.remedy[0] == '\0')
            fail_msg("%s", examples[i].body);
    }
}

static void a_long_chain_ends(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf body = {0};
    for (int i = 0; i < 10; i++)
        cw_buf_add_z(&body, "{\"code\":\"X\",\"message\":\"m\",\"innererror\":");
    cw_buf_add_z(&body, "{\"code\":\"SubnetIsFull\",\"details\":[");
    for (int i = 0; i < 100; i++)
        cw_buf_add_z(&body, "{\"code\":\"Y\"},");
    cw_buf_add_z(&body, "{}]}");
    for (int i = 0; i < 10; i++)
        cw_buf_add_z(&body, "}");
    struct cw_err err = {0};
    assert_int_equal(cw_armerr_fill_text(body.p, body.n, 400, NULL, &err), -CW_EMISCONFIGURED);
}

static void versions_in_a_text(void **state)
{
    (void)state;
    const char *text =
        "The supported api-versions are '2018-04-01, 2021-04-01-preview, 2024-05-01'. The supported locations are ''.";
    assert_true(cw_armerr_lists_version(text, "2024-05-01"));
    assert_true(cw_armerr_lists_version(text, "2018-04-01"));
    assert_false(cw_armerr_lists_version(text, "2021-04-01"));
    assert_false(cw_armerr_lists_version(text, "2026-01-01"));
    assert_false(cw_armerr_lists_version("2024-05-01", "2024-05-01"));
    assert_false(cw_armerr_lists_version(NULL, "2024-05-01"));
}

static void token_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        int error;
        const char *code;
        const char *remedy;
    } cases[] = {
        {401,
         "{\"error\":\"invalid_client\",\"error_codes\":[7000222],\"error_description\":\"AADSTS7000222: x\\r\\nTrace\"}",
         CW_EAUTH, "AADSTS7000222", "expired"},
        {400, "{\"error\":\"unauthorized_client\",\"error_description\":\"AADSTS700016: x\"}", CW_EAUTH,
         "AADSTS700016", "AZURE_CLIENT_ID"},
        {400, "{\"error\":\"invalid_request\",\"error_codes\":[1]}", CW_EAUTH, "AADSTS1", "tenant id"},
        {429, "{\"error\":\"x\"}", CW_ETHROTTLED, "x", ""},
        {503, "null", CW_EREMOTE, "", ""},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_err err = {0};
        json_t *doc = json_loads(cases[i].body, JSON_DECODE_ANY, NULL);
        assert_int_equal(cw_armerr_fill_entra(doc, cases[i].status, &err), -cases[i].error);
        assert_string_equal(err.remote_code, cases[i].code);
        assert_non_null(strstr(err.remedy, cases[i].remedy));
        assert_null(strchr(err.text, '\n'));
        json_decref(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deepest_known_code_decides),
        cmocka_unit_test(who_must_act_is_told_what_to_do),
        cmocka_unit_test(a_long_chain_ends),
        cmocka_unit_test(versions_in_a_text),
        cmocka_unit_test(token_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

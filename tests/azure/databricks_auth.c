/* Who may talk to a workspace: its network first, then the token, then the user. */
#include "tests/azure/databricks.h"

#include <stdio.h>
#include <string.h>

#include "tests/azure/arm.h"

#define CALLER_ADDRESS_DEFAULT "203.0.113.10"

/* ---- network ------------------------------------------------------------------------------------------------------------ */

static bool list_has(const json_t *addresses, const char *address)
{
    size_t i;
    const json_t *item;
    struct az_cidr one = {.bits = 32};
    if (!az_ip_parse(address, &one.address))
        return false;
    json_array_foreach(addresses, i, item) {
        char text[32];
        struct az_cidr range;
        const char *value = json_string_value(item);
        snprintf(text, sizeof text, "%.20s%s", value != NULL ? value : "",
                 value != NULL && strchr(value, '/') ? "" : "/32");
        if (az_cidr_parse(text, &range) && az_cidr_has(&range, &one))
            return true;
    }
    return false;
}

bool dbx_ip_is_allowed(const json_t *data, const char *address)
{
    size_t i;
    const json_t *list;
    bool has_allow = false, is_allowed = false;
    if (!az_ieq(az_str(data, "conf.enableIpAccessLists"), "true"))
        return true;
    json_array_foreach(json_object_get(data, "ipAccessLists"), i, list) {
        if (!az_bool(list, "enabled", true))
            continue;
        bool is_listed = list_has(json_object_get(list, "ip_addresses"), address);
        if (az_ieq(az_str(list, "list_type"), "BLOCK") && is_listed)
            return false;
        if (az_ieq(az_str(list, "list_type"), "ALLOW")) {
            has_allow = true;
            is_allowed |= is_listed;
        }
    }
    return is_allowed || !has_allow;
}

static bool is_shut_out(struct dbx_call *c)
{
    const char *org = dbx_org(c->workspace), *address = az_str(dbx_root(c->m), "callerAddress");
    bool is_private = az_ieq(az_str(dbx_root(c->m), "callerNetwork"), "private");
    if (is_private)
        return false;
    bool is_closed = az_ieq(az_str(c->workspace->body, "properties.publicNetworkAccess"), "Disabled");
    if (is_closed && strcmp(c->call->method, "GET") == 0) {
        az_reply_header(c->res, "Location", "/login.html?error=private-link-validation-error:%s", org);
        az_reply_text(c->res, 302, "text/html; charset=utf-8", "<html><body>Found</body></html>\n");
        return true;
    }
    if (!is_closed && dbx_ip_is_allowed(c->data, address[0] != '\0' ? address : CALLER_ADDRESS_DEFAULT))
        return false;
    az_reply_json(c->res, 403,
                  json_pack("{s:s,s:o}", "error_code", "403", "message",
                            az_strf("Unauthorized network access to workspace: %s", org)));
    return true;
}

/* ---- token and user ------------------------------------------------------------------------------------------------------ */

static void refuse_number(struct dbx_call *c, int status, const char *message)
{
    az_reply_json(c->res, status, json_pack("{s:i,s:s}", "error_code", status, "message", message));
    az_reply_header(c->res, "x-databricks-reason-phrase", "%s", message);
}

static bool is_known_user(const json_t *data, const char *app_id)
{
    size_t i;
    const json_t *user;
    json_array_foreach(json_object_get(data, "users"), i, user)
        if (az_ieq(json_string_value(user), app_id))
            return true;
    return false;
}

/* A principal that is no user yet comes in by its rights on the workspace resource, and becomes one. */
static bool admit_by_management_token(struct dbx_call *c, const struct az_identity *who)
{
    struct az_identity manager = {0};
    const char *token = az_call_header(c->call, "X-Databricks-Azure-SP-Management-Token");
    const char *resource_id = az_call_header(c->call, "X-Databricks-Azure-Workspace-Resource-Id");
    if (token == NULL || resource_id == NULL) {
        dbx_error(c, 403, "PERMISSION_DENIED", "User not authorized.");
        return false;
    }
    if (az_store_get(c->m, resource_id) != c->workspace) {
        dbx_error(c, 403, "PERMISSION_DENIED",
                  "Invalid resource ID in X-Databricks-Azure-Workspace-Resource-Id.");
        return false;
    }
    if (az_token_check(c->m, token, az_audiences_arm(c->m), &manager) != AZ_TOKEN_OK ||
        !az_ieq(manager.app_id, who->app_id)) {
        dbx_error(c, 403, "PERMISSION_DENIED",
                  "Invalid management token in X-Databricks-Azure-SP-Management-Token.");
        return false;
    }
    if (!az_may(c->m, &manager, "Microsoft.Databricks/workspaces/write", c->workspace->id)) {
        dbx_error(c, 403, "PERMISSION_DENIED", "User not authorized.");
        return false;
    }
    json_array_append_new(dbx_list(c->data, "users"), json_string(who->app_id));
    return true;
}

bool dbx_admit(struct dbx_call *c)
{
    static const char *const audiences[] = {AZ_DATABRICKS_APP, NULL};
    struct az_identity who = {0};
    if (is_shut_out(c))
        return false;
    switch (az_call_token(c->m, c->call, audiences, &who)) {
    case AZ_TOKEN_MISSING:
        refuse_number(c, 401, "Credential was not sent or was of an unsupported type for this API.");
        return false;
    case AZ_TOKEN_INVALID:
        refuse_number(c, 403, "Invalid access token.");
        return false;
    case AZ_TOKEN_EXPIRED:
        refuse_number(c, 401, "ExpiredJwtException: The token is expired.");
        return false;
    case AZ_TOKEN_WRONG_AUDIENCE:
        refuse_number(c, 401, "IncorrectClaimException: Expected aud claim to be: " AZ_DATABRICKS_APP);
        return false;
    case AZ_TOKEN_OK:
        break;
    }
    const struct az_resource *sub = az_ancestor(c->workspace, AZ_T_SUBSCRIPTION);
    if (sub != NULL && !az_ieq(az_str(sub->body, "tenantId"), who.tenant)) {
        refuse_number(c, 403, "The token is from another tenant than the workspace.");
        return false;
    }
    return is_known_user(c->data, who.app_id) || admit_by_management_token(c, &who);
}

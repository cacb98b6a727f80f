/* Microsoft.Authorization: management locks, permissions, and who may do what. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

static bool pattern_matches(const char *pattern, const char *action)
{
    const char *star = strchr(pattern, '*');
    if (star == NULL)
        return az_ieq(pattern, action);
    size_t head = (size_t)(star - pattern), tail = strlen(star + 1), n = strlen(action);
    if (n < head + tail || strncasecmp(pattern, action, head) != 0)
        return false;
    return az_ieq(star + 1, action + n - tail) ||
           (strchr(star + 1, '*') != NULL && strcasestr(action + head, star + 2) != NULL);
}

static const char *const *actions_of_role(const char *role)
{
    static const char *const all[] = {"*", NULL}, *const reader[] = {"*/read", NULL};
    static const char *const network[] = {"*/read", "Microsoft.Network/*", NULL};
    static const char *const dns[] = {"*/read", "Microsoft.Network/privateDnsZones/*", NULL};
    static const char *const databricks[] = {"*/read", "Microsoft.Databricks/*", NULL};
    static const char *const none[] = {NULL};
    static const struct {
        const char *name;
        const char *const *actions;
    } roles[] = {
        {"Owner", all},
        {"Contributor", all},
        {"Reader", reader},
        {"Network Contributor", network},
        {"Private DNS Zone Contributor", dns},
        {"Databricks Contributor", databricks},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (az_ieq(roles[i].name, role))
            return roles[i].actions;
    return none;
}

static bool any_matches(const json_t *patterns, const char *action)
{
    size_t i;
    const json_t *p;
    json_array_foreach(patterns, i, p)
        if (json_is_string(p) && pattern_matches(json_string_value(p), action))
            return true;
    return false;
}

static bool role_allows(const json_t *role, const char *action, const char *scope)
{
    const char *role_scope = az_str(role, "scope"), *name = json_string_value(role);
    if (name == NULL)
        name = az_str(role, "role");
    if (!az_istarts(scope, role_scope) && role_scope[0] != '\0')
        return false;
    if (any_matches(json_object_get(role, "notActions"), action))
        return false;
    if (any_matches(json_object_get(role, "actions"), action))
        return true;
    for (const char *const *a = actions_of_role(name); *a != NULL; a++)
        if (pattern_matches(*a, action))
            return !(az_ieq(name, "Contributor") && pattern_matches("Microsoft.Authorization/*", action) &&
                     !pattern_matches("*/read", action));
    return false;
}

bool az_may(const struct az_model *m, const struct az_identity *who, const char *action, const char *scope_id)
{
    const json_t *principal = az_principal(m, who->tenant, who->app_id);
    const json_t *roles = json_object_get(principal, "roles");
    if (principal != NULL && roles == NULL)
        return true;
    bool is_tenant_read = !az_istarts(scope_id, "/subscriptions/") && az_operation_class(action) == 'r';
    size_t i;
    const json_t *role;
    json_array_foreach(roles, i, role)
        if (is_tenant_read || role_allows(role, action, scope_id))
            return true;
    return false;
}

static json_t *permission_of(const json_t *role)
{
    json_t *actions = json_array();
    const char *name = json_is_string(role) ? json_string_value(role) : az_str(role, "role");
    for (const char *const *a = actions_of_role(name); *a != NULL; a++)
        json_array_append_new(actions, json_string(*a));
    json_array_extend(actions, json_object_get(role, "actions"));
    json_t *not_actions = json_array();
    if (az_ieq(name, "Contributor")) {
        json_array_append_new(not_actions, json_string("Microsoft.Authorization/*/Delete"));
        json_array_append_new(not_actions, json_string("Microsoft.Authorization/*/Write"));
    }
    json_array_extend(not_actions, json_object_get(role, "notActions"));
    return json_pack("{s:o,s:o,s:[],s:[]}", "actions", actions, "notActions", not_actions, "dataActions",
                     "notDataActions");
}

void az_h_permissions(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const json_t *principal = az_principal(m, call->who.tenant, call->who.app_id);
    const json_t *roles = json_object_get(principal, "roles");
    json_t *all = json_array();
    size_t i;
    const json_t *role;
    json_array_foreach(roles, i, role) {
        const char *scope = az_str(role, "scope");
        if (scope[0] == '\0' || az_istarts(call->id, scope))
            json_array_append_new(all, permission_of(role));
    }
    if (roles == NULL)
        json_array_append_new(all, json_pack("{s:[s],s:[],s:[],s:[]}", "actions", "*", "notActions",
                                             "dataActions", "notDataActions"));
    az_reply_page(m, call, res, all);
}

static struct az_resource *scope_of(struct az_model *m, const struct az_call *call, char *id, size_t id_bytes)
{
    const char *at = strcasestr(call->id, "/providers/Microsoft.Authorization/");
    for (const char *next = at; next != NULL;
         next = strcasestr(at + 1, "/providers/Microsoft.Authorization/"))
        at = next;
    snprintf(id, id_bytes, "%.*s", (int)(at - call->id), call->id);
    return az_store_get(m, id);
}

static void append_below(json_t *all, struct az_resource *at, int depth)
{
    for (struct az_resource *c = at->first_child; c != NULL; c = c->next_sibling) {
        if (strcmp(c->type, AZ_T_LOCK) == 0)
            json_array_append_new(all, az_copy(c->body));
        else if (depth > 0)
            append_below(all, c, depth - 1);
    }
}

void az_h_locks(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[AZ_ID_MAX];
    struct az_resource *scope = scope_of(m, call, id, sizeof id);
    if (scope == NULL) {
        az_reply_error(res, 404,
                       az_ieq(az_call_segment(call, 4), "providers") ? "ResourceGroupNotFound"
                                                                     : "ResourceNotFound",
                       "The scope '%s' was not found.", id);
        return;
    }
    json_t *all = json_array();
    for (struct az_resource *at = scope->parent; at != NULL; at = at->parent)
        append_below(all, at, 0);
    const char *filter = az_call_query(call, "$filter");
    append_below(all, scope, filter != NULL && strcasestr(filter, "atScope()") != NULL ? 0 : 3);
    az_reply_page(m, call, res, all);
}

void az_h_lock_get(struct az_model *m, struct az_call *call, struct az_response *res)
{
    (void)m;
    if (call->target == NULL)
        az_reply_error(res, 404, "LockNotFound", "The lock '%s' could not be found.", call->id);
    else
        az_reply_json(res, 200, az_copy(call->target->body));
}

void az_h_lock_put(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[AZ_ID_MAX];
    const char *level = az_str(call->body, "properties.level");
    if (scope_of(m, call, id, sizeof id) == NULL) {
        az_reply_error(res, 404, "ResourceNotFound", "The scope '%s' was not found.", id);
        return;
    }
    if (!az_ieq(level, "CanNotDelete") && !az_ieq(level, "ReadOnly")) {
        az_reply_error(res, 400, "InvalidLockLevel", "The lock level '%s' is invalid.", level);
        return;
    }
    bool is_new = call->target == NULL;
    json_t *before = is_new ? NULL : az_copy(call->target->body);
    bool changed =
        is_new || !az_same(json_object_get(call->body, "properties"), json_object_get(before, "properties"));
    json_t *body = json_pack("{s:s,s:O}", "type", "Microsoft.Authorization/locks", "properties",
                             json_object_get(call->body, "properties"));
    struct az_resource *r = az_store_put(m, call->id, az_copy(body));
    json_decref(body);
    if (r != NULL)
        az_reply_json(res, is_new ? 201 : 200, az_copy(r->body));
    az_ledger_add(m, call, 'w', "Microsoft.Authorization/locks/write", call->id, res->status, changed, before,
                  r != NULL ? r->body : NULL);
    json_decref(before);
}

void az_h_lock_delete(struct az_model *m, struct az_call *call, struct az_response *res)
{
    bool exists = call->target != NULL;
    az_ledger_add(m, call, 'd', "Microsoft.Authorization/locks/delete", call->id, exists ? 200 : 204, exists,
                  exists ? call->target->body : NULL, NULL);
    if (exists)
        az_store_delete(m, call->target);
    call->target = NULL;
    az_reply_empty(res, exists ? 200 : 204);
}

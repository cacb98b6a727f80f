#include "common/azure/resources.h"

#include <strings.h>

#include "common/azure/read_impl.h"

#define REGISTER_POLL_MS 10000
#define REGISTERED_NEEDED 2 /* consecutive: replicas disagree for a while */

int cw_resources_get_group(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                           const char *group, struct cw_resource_group *ret_group, struct cw_err *err)
{
    const char *id = cw_armid_group(call->mem, subscription, group);
    json_t *doc = NULL;
    if (id == NULL)
        return cw_err_set(err, CW_ENOMEM, "resource group");
    int r = cw_arm_get(arm, call, id, &cw_api_resources, &doc, err);
    if (r == -CW_ENOTFOUND && !cw_z_eq(err->remote_code, "SubscriptionNotFound")) {
        cw_err_clear(err);
        *ret_group = (struct cw_resource_group){.id = id};
        return 0;
    }
    if (r < 0)
        return r;
    *ret_group = (struct cw_resource_group){
        .exists = true,
        .id = cw_json_str(doc, "id", id),
        .location = cw_read_str(doc, "location"),
        .managed_by = cw_read_str(doc, "managedBy"),
        .state = cw_read_str(doc, "properties/provisioningState"),
    };
    return 0;
}

int cw_resources_ensure_group(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                              const char *group, const char *location, struct cw_tags tags,
                              struct cw_ensured *ret_ensured, struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *desired = json_pack("{s:s}", "location", location);
    CW_AUTO(cw_auto_json) json_t *creation = json_pack("{s:o*}", "tags", cw_build_tags(tags));
    const char *id = cw_armid_group(call->mem, subscription, group);
    if (desired == NULL || creation == NULL || id == NULL)
        return cw_err_set(err, CW_ENOMEM, "resource group");
    struct cw_goal goal = {
        .id = id,
        .api = &cw_api_resources,
        .desired = desired,
        .at_creation = creation,
        .update_is_refused = true,
    };
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

/* --- providers ---------------------------------------------------------------------------------------------------- */

static const char *provider_path(const struct cw_call *call, const char *subscription, const char *provider,
                                 const char *action)
{
    return cw_arena_printf(call->mem, "/subscriptions/%s/providers/%s%s", subscription, provider, action);
}

static bool is_registered(const json_t *doc)
{
    return cw_z_eq_nocase(cw_json_str(doc, "registrationState", ""), "Registered");
}

static bool is_offered(const json_t *doc, const char *type, const char *location)
{
    size_t i;
    json_t *t;
    json_array_foreach(cw_json_at(doc, "resourceTypes"), i, t) {
        if (!cw_z_eq_nocase(cw_json_str(t, "resourceType", ""), type))
            continue;
        const json_t *locations = cw_json_at(t, "locations");
        size_t k;
        json_t *l;
        json_array_foreach(locations, k, l)
            if (json_is_string(l) && cw_location_eq(json_string_value(l), location))
                return true;
        return json_array_size(locations) == 0; /* a type without list is offered everywhere */
    }
    return false;
}

int cw_resources_check_provider(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                const char *provider, const char *type, const char *location,
                                bool *ret_is_registered, bool *ret_is_offered, struct cw_err *err)
{
    const char *path = provider_path(call, subscription, provider, "");
    json_t *doc = NULL;
    if (path == NULL)
        return cw_err_set(err, CW_ENOMEM, "provider");
    int r = cw_arm_get(arm, call, path, &cw_api_resources, &doc, err);
    if (r < 0)
        return r;
    *ret_is_registered = is_registered(doc);
    *ret_is_offered = location == NULL || type == NULL || is_offered(doc, type, location);
    return 0;
}

int cw_resources_register_provider(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                   const char *provider, enum cw_effect *ret_effect, struct cw_err *err)
{
    const char *path = provider_path(call, subscription, provider, "");
    const char *action = provider_path(call, subscription, provider, "/register");
    if (path == NULL || action == NULL)
        return cw_err_set(err, CW_ENOMEM, "provider");
    json_t *doc = NULL;
    int64_t since = cw_wall_ms();
    bool was_sent = false;
    for (int good = 0;;) {
        int r = cw_arm_get(arm, call, path, &cw_api_resources, &doc, err);
        if (r < 0)
            return r;
        good = is_registered(doc) ? good + 1 : 0;
        if (good >= (was_sent ? REGISTERED_NEEDED : 1)) {
            *ret_effect = was_sent ? CW_EFFECT_UPDATED : CW_EFFECT_NONE;
            return 0;
        }
        if (call->plan_only) {
            *ret_effect = CW_EFFECT_WOULD_UPDATE;
            return 0;
        }
        if (!was_sent) {
            json_t *ignored = NULL;
            r = cw_arm_post(arm, call, action, &cw_api_resources, NULL, &ignored, err);
            if (r < 0)
                return r;
            was_sent = true;
        }
        struct cw_waiting waiting = {.reason = CW_WAIT_OPERATION,
                                     .what = path,
                                     .detail = "Registering",
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_arm_pause(arm, call, waiting, REGISTER_POLL_MS, 0, err);
        if (r < 0)
            return r;
    }
}

/* --- locks, permissions, lists ------------------------------------------------------------------------------------- */

int cw_resources_list_locks(struct cw_arm *arm, const struct cw_call *call, const char *scope,
                            const struct cw_lock **ret_locks, size_t *ret_count, struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/providers/Microsoft.Authorization/locks", scope);
    json_t *items = NULL;
    if (path == NULL)
        return cw_err_set(err, CW_ENOMEM, "locks");
    int r = cw_arm_list(arm, call, path, &cw_api_locks, &items, err);
    if (r < 0)
        return r;
    struct cw_lock *locks = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *locks);
    if (locks == NULL)
        return cw_err_set(err, CW_ENOMEM, "locks");
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        locks[i] = (struct cw_lock){
            .id = cw_json_str(v, "id", ""),
            .name = cw_json_str(v, "name", ""),
            .level = cw_json_str(v, "properties/level", ""),
            .notes = cw_read_str(v, "properties/notes"),
        };
    }
    *ret_locks = locks;
    *ret_count = json_array_size(items);
    return 0;
}

/* The list also tells of locks below the scope. */
static bool holds_at(const struct cw_lock *lock, const char *scope)
{
    static const char tail[] = "/providers/Microsoft.Authorization/locks/";
    const char *end = strcasestr(lock->id, tail);
    for (const char *next = end; next != NULL; next = strcasestr(next + 1, tail))
        end = next;
    size_t n = end == NULL ? 0 : (size_t)(end - lock->id);
    bool is_above = n > 0 && strncasecmp(lock->id, scope, n) == 0 && (scope[n] == '/' || scope[n] == '\0');
    return is_above &&
           (cw_z_eq_nocase(lock->level, "CanNotDelete") || cw_z_eq_nocase(lock->level, "ReadOnly"));
}

int cw_resources_ensure_delete_lock(struct cw_arm *arm, const struct cw_call *call, const char *scope,
                                    const char *name, const char *notes, struct cw_ensured *ret_ensured,
                                    struct cw_err *err)
{
    const struct cw_lock *locks = NULL;
    size_t count = 0;
    int r = cw_resources_list_locks(arm, call, scope, &locks, &count, err);
    if (r == -CW_ENOTFOUND && call->plan_only) { /* the scope itself would be created */
        cw_err_clear(err);
        r = 0;
    }
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        if (holds_at(&locks[i], scope)) {
            *ret_ensured = (struct cw_ensured){.effect = CW_EFFECT_NONE};
            return 0;
        }
    const char *id = cw_arena_printf(call->mem, "%s/providers/Microsoft.Authorization/locks/%s", scope, name);
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:{s:s}}", "properties", "level", "CanNotDelete");
    CW_AUTO(cw_auto_json) json_t *creation = json_pack("{s:{s:s}}", "properties", "notes", notes);
    if (id == NULL || desired == NULL || creation == NULL)
        return cw_err_set(err, CW_ENOMEM, "lock");
    const struct cw_goal goal = {.id = id, .api = &cw_api_locks, .desired = desired, .at_creation = creation};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

int cw_resources_permissions(struct cw_arm *arm, const struct cw_call *call, const char *scope,
                             struct cw_permissions *ret_permissions, struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/providers/Microsoft.Authorization/permissions", scope);
    json_t *items = NULL;
    if (path == NULL)
        return cw_err_set(err, CW_ENOMEM, "permissions");
    int r = cw_arm_list(arm, call, path, &cw_api_permissions, &items, err);
    if (r < 0)
        return r;
    struct cw_permission *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_err_set(err, CW_ENOMEM, "permissions");
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        out[i].actions = cw_read_strings(v, "actions", call->mem, &out[i].action_count);
        out[i].not_actions = cw_read_strings(v, "notActions", call->mem, &out[i].not_action_count);
    }
    *ret_permissions = (struct cw_permissions){out, json_array_size(items)};
    return cw_check_mem(call, err);
}

static bool matches_any(const char *const *patterns, size_t count, const char *action)
{
    for (size_t i = 0; i < count; i++)
        if (cw_z_glob(patterns[i], action))
            return true;
    return false;
}

bool cw_permissions_allow(const struct cw_permissions *permissions, const char *action)
{
    for (size_t i = 0; i < permissions->count; i++) {
        const struct cw_permission *p = &permissions->items[i];
        if (matches_any(p->actions, p->action_count, action) &&
            !matches_any(p->not_actions, p->not_action_count, action))
            return true;
    }
    return false;
}

int cw_resources_list(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                      const char *group, const char *type, const struct cw_resource **ret_items,
                      size_t *ret_count, struct cw_err *err)
{
    const char *path = cw_arena_printf(
        call->mem, "/subscriptions/%s/resourceGroups/%s/resources?$filter=resourceType%%20eq%%20'%s'",
        subscription, group, type);
    json_t *items = NULL;
    if (path == NULL)
        return cw_err_set(err, CW_ENOMEM, "resources");
    int r = cw_arm_list(arm, call, path, &cw_api_resources, &items, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        *ret_items = NULL;
        *ret_count = 0;
        return 0;
    }
    if (r < 0)
        return r;
    struct cw_resource *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_err_set(err, CW_ENOMEM, "resources");
    size_t count = 0;
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        if (cw_z_eq_nocase(cw_json_str(v, "type", type), type))
            out[count++] = (struct cw_resource){cw_json_str(v, "id", ""), cw_json_str(v, "name", ""),
                                                cw_json_str(v, "type", type)};
    }
    *ret_items = out;
    *ret_count = count;
    return 0;
}

int cw_resources_get_subscription(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                  const char **ret_state, const char **ret_tenant, struct cw_err *err)
{
    const char *path = cw_armid_subscription(call->mem, subscription);
    json_t *doc = NULL;
    if (path == NULL)
        return cw_err_set(err, CW_ENOMEM, "subscription");
    int r = cw_arm_get(arm, call, path, &cw_api_subscriptions, &doc, err);
    if (r < 0)
        return r;
    *ret_state = cw_json_str(doc, "state", "");
    *ret_tenant = cw_json_str(doc, "tenantId", "");
    return 0;
}

int cw_resources_list_subscriptions(struct cw_arm *arm, const struct cw_call *call,
                                    const char *const **ret_subscriptions, size_t *ret_count,
                                    struct cw_err *err)
{
    json_t *items = NULL;
    int r = cw_arm_list(arm, call, "/subscriptions", &cw_api_subscriptions, &items, err);
    if (r < 0)
        return cw_err_wrap(err, "list subscriptions");
    const char **out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_err_set(err, CW_ENOMEM, "subscriptions");
    size_t n = 0;
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        const char *id = cw_json_str(v, "subscriptionId", NULL);
        if (id != NULL)
            out[n++] = id;
    }
    *ret_subscriptions = out;
    *ret_count = n;
    return 0;
}

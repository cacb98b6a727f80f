/* Resource groups: made and changed at once, deleted by a Location-only operation with all that is in them. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

static void reply_missing(const struct az_call *call, struct az_response *res)
{
    az_reply_error(res, 404, "ResourceGroupNotFound", "Resource group '%s' could not be found.",
                   call->segments[3]);
}

void az_h_groups(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[128];
    static const char *const fields[] = {"tagName", "tagValue", NULL};
    struct az_filter filter;
    if (!az_filter_parse(az_call_query(call, "$filter"), fields, &filter)) {
        az_reply_error(res, 400, "InvalidFilterInQueryString",
                       "Invalid $filter '%s' specified in the query string.", az_call_query(call, "$filter"));
        return;
    }
    snprintf(id, sizeof id, "/subscriptions/%.40s", call->segments[1]);
    json_t *all = json_array();
    const struct az_resource *sub = az_store_get(m, id);
    for (struct az_resource *g = az_child_first(sub, AZ_T_GROUP); g != NULL; g = az_child_next(g, AZ_T_GROUP))
        if (az_filter_matches(&filter, g))
            json_array_append_new(all, az_copy(g->body));
    az_reply_page(m, call, res, all);
}

void az_h_group_get(struct az_model *m, struct az_call *call, struct az_response *res)
{
    (void)m;
    bool is_head = strcmp(call->method, "HEAD") == 0;
    if (is_head)
        az_reply_empty(res, call->target != NULL ? 204 : 404);
    else if (call->target == NULL)
        reply_missing(call, res);
    else
        az_reply_json(res, 200, az_copy(call->target->body));
}

static bool is_refused(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *location = az_str(call->body, "location"), *name = call->segments[3];
    const char *old = call->target != NULL ? az_str(call->target->body, "location") : "";
    if (!json_is_object(call->body))
        az_reply_error(res, 400, "InvalidRequestContent",
                       "The request content was invalid and could not be deserialized.");
    else if (!az_name_ok(AZ_NAME_ANY, name) || strlen(name) > 90 || name[strlen(name) - 1] == '.')
        az_reply_error(res, 400, "InvalidResourceGroup",
                       "The provided resource group name '%s' is not valid.", name);
    else if (location[0] == '\0')
        az_reply_error(res, 400, "LocationRequired",
                       "The location property is required for this definition.");
    else if (!az_location_is_known(location))
        az_reply_error(res, 400, "LocationNotAvailableForResourceGroup",
                       "The provided location '%s' is not available for resource group.", location);
    else if (old[0] != '\0' && !az_location_eq(old, location))
        az_reply_error(
            res, 409, "InvalidResourceGroupLocation",
            "Invalid resource group location '%s'. The Resource group already exists in location '%s'.",
            location, old);
    else
        return az_is_write_blocked(m, call, res, false);
    return true;
}

void az_h_group_put(struct az_model *m, struct az_call *call, struct az_response *res)
{
    if (is_refused(m, call, res))
        return;
    bool is_new = call->target == NULL;
    json_t *before = is_new ? NULL : az_copy(call->target->body);
    json_t *want = json_object();
    az_set_str(want, "location", is_new ? az_str(call->body, "location") : az_str(before, "location"));
    if (json_is_object(json_object_get(call->body, "tags")))
        json_object_set(want, "tags", json_object_get(call->body, "tags"));
    if (az_str(before, "managedBy")[0] != '\0')
        json_object_set(want, "managedBy", json_object_get(before, "managedBy"));
    az_set_str(want, "properties.provisioningState", "Succeeded");
    bool changed = is_new || !az_same(json_object_get(want, "tags"), json_object_get(before, "tags"));
    if (!is_new && json_object_get(want, "tags") == NULL && json_object_get(before, "tags") == NULL)
        changed = false;
    struct az_resource *r = changed ? az_store_put(m, call->id, want) : call->target;
    if (!changed)
        json_decref(want);
    az_reply_json(res, is_new ? 201 : 200, az_copy(r->body));
    az_ledger_add(m, call, 'w', "Microsoft.Resources/subscriptions/resourceGroups/write", call->id,
                  res->status, changed, before, r->body);
    json_decref(before);
}

void az_h_group_patch(struct az_model *m, struct az_call *call, struct az_response *res)
{
    if (call->target == NULL) {
        reply_missing(call, res);
        return;
    }
    if (az_is_write_blocked(m, call, res, false))
        return;
    const json_t *tags = json_object_get(call->body, "tags");
    json_t *before = az_copy(call->target->body);
    bool changed = tags != NULL && !az_same(tags, json_object_get(before, "tags"));
    if (changed)
        json_object_set_new(call->target->body, "tags", az_copy(tags));
    az_reply_json(res, 200, az_copy(call->target->body));
    az_ledger_add(m, call, 'w', "Microsoft.Resources/subscriptions/resourceGroups/write", call->id, 200,
                  changed, before, call->target->body);
    json_decref(before);
}

static const struct az_resource *locked_child(const struct az_resource *group)
{
    for (const struct az_resource *c = group->first_child; c != NULL; c = c->next_sibling)
        if (az_child_first(c, AZ_T_LOCK) != NULL)
            return c;
    return NULL;
}

/* A subnet here that something outside of the group still uses. */
static const struct az_resource *used_from_outside(const struct az_model *m, const struct az_resource *group)
{
    for (const struct az_resource *ws = az_store_first(m, AZ_T_WORKSPACE); ws != NULL;
         ws = ws->next_of_type) {
        const struct az_resource *vnet =
            az_store_get(m, az_str(ws->body, "properties.parameters.customVirtualNetworkId.value"));
        if (vnet != NULL && vnet->parent == group && ws->parent != group)
            return ws;
    }
    return NULL;
}

void az_h_group_delete(struct az_model *m, struct az_call *call, struct az_response *res)
{
    if (call->target == NULL) {
        reply_missing(call, res);
        return;
    }
    if (az_is_write_blocked(m, call, res, true))
        return;
    const struct az_resource *locked = locked_child(call->target);
    if (locked != NULL) {
        az_reply_error(
            res, 409, "ScopeLocked",
            "The scope '%s' cannot perform delete operation because following scope(s) are locked: '%s'. "
            "Please remove the lock and try again.",
            call->id, locked->id);
        return;
    }
    struct az_change p = {.m = m, .call = call, .res = res, .existing = call->target, .changed = true};
    const struct az_resource *user = used_from_outside(m, call->target);
    if (user != NULL) {
        snprintf(p.fail_code, sizeof p.fail_code, "ResourceGroupDeletionBlocked");
        snprintf(p.fail_message, sizeof p.fail_message,
                 "Deletion of resource group '%s' failed as resources in it are used by '%s'.",
                 call->target->name, user->id);
    }
    json_t *before = az_copy(call->target->body);
    az_set_prov_state(call->target, "Deleting");
    (void)az_op_start(&p, "DELETE", AZ_LRO_LOCATION, az_duration(m, "group.delete", 30, 120));
    az_reply_empty(res, 202);
    az_ledger_add(m, call, 'd', "Microsoft.Resources/subscriptions/resourceGroups/delete", call->id, 202,
                  user == NULL, before, NULL);
    json_decref(before);
}

/* The order in which things go: endpoints before workspaces before networks. */
static void group_deleted(struct az_model *m, struct az_resource *group, json_t *op)
{
    static const char *const order[] = {AZ_T_ZONE_GROUP, AZ_T_PE,   AZ_T_WORKSPACE,
                                        AZ_T_ZONE,       AZ_T_VNET, AZ_T_NSG};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const struct az_type *type = az_type_find(order[i]);
        struct az_resource *next;
        for (struct az_resource *c = az_child_first(group, order[i]); c != NULL; c = next) {
            if (type->deleted != NULL)
                type->deleted(m, c, op);
            next = az_child_next(c, order[i]);
            az_store_delete(m, c);
        }
    }
}

const struct az_type az_type_group = {
    .type = AZ_T_GROUP,
    .display = "Microsoft.Resources/resourceGroups",
    .versions = "resources",
    .deleted = group_deleted,
};

/* What keeps a write from starting: management locks, dying groups, deny assignments, other operations. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

const struct az_resource *az_find_lock(const struct az_model *m, const char *id, bool is_delete)
{
    for (const struct az_resource *l = az_store_first(m, AZ_T_LOCK); l != NULL; l = l->next_of_type) {
        const char *scope = l->parent->key, *level = az_str(l->body, "properties.level");
        size_t n = strlen(scope);
        bool is_above = az_istarts(id, scope) && (id[n] == '/' || id[n] == '\0');
        if (is_above && (az_ieq(level, "ReadOnly") || (is_delete && az_ieq(level, "CanNotDelete"))))
            return l;
    }
    return NULL;
}

static const struct az_resource *group_of(const struct az_model *m, const struct az_call *call)
{
    char id[AZ_ID_MAX];
    if (!az_ieq(az_call_segment(call, 2), "resourceGroups"))
        return NULL;
    snprintf(id, sizeof id, "/subscriptions/%s/resourceGroups/%s", call->segments[1],
             az_call_segment(call, 3));
    return az_store_get(m, id);
}

bool az_is_write_blocked(struct az_model *m, struct az_call *call, struct az_response *res, bool is_delete)
{
    const struct az_resource *group = group_of(m, call), *lock = az_find_lock(m, call->id, is_delete);
    const char *action = is_delete ? "delete" : "write";
    if (group != NULL && strcmp(az_prov_state(group), "Deleting") == 0) {
        az_reply_error(
            res, 409, "ResourceGroupBeingDeleted",
            "The resource group '%s' is in deprovisioning state and cannot perform this operation.",
            group->name);
        return true;
    }
    if (lock != NULL) {
        az_reply_error(
            res, 409, "ScopeLocked",
            "The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. Please "
            "remove the lock and try again.",
            call->id, action, lock->parent->id);
        return true;
    }
    const char *owner = group != NULL ? az_str(group->body, "managedBy") : "";
    if (owner[0] != '\0' && !az_ieq(call->id, group->id)) {
        az_reply_error(
            res, 403, "DenyAssignmentAuthorizationFailed",
            "The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, "
            "the access is denied because of the deny assignment with name 'System deny assignment created by "
            "Azure Databricks %s'.",
            call->who.app_id, call->who.object_id, action, call->id, owner);
        return true;
    }
    return false;
}

void az_change_doom(struct az_change *p, const char *code, const char *message)
{
    snprintf(p->fail_code, sizeof p->fail_code, "%s", code);
    snprintf(p->fail_message, sizeof p->fail_message, "%s", message);
    /* It holds nothing: the other operation goes on. */
    az_change_unlock(p);
}

static int refuse_other(struct az_change *p, const json_t *op)
{
    char message[512];
    const char *location = az_str(op, "location");
    snprintf(
        message, sizeof message,
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use "
        "uri: https://%s.network.azure.com:30044/subscriptions/%s/providers/Microsoft.Network/locations/%s/"
        "operations/%s?api-version=%s.",
        location, az_str(op, "subscription"), location, az_str(op, "id"), az_str(op, "apiVersion"));
    if (p->type->put_lro != AZ_LRO_NONE && az_chance(p->m, az_behaviour(p->m, "conflictAsFailure", 0.2))) {
        az_change_doom(p, "AnotherOperationInProgress", message);
        return 0;
    }
    if (az_chance(p->m, az_behaviour(p->m, "conflictAs429", 0.1)))
        az_reply_error(p->res, 429, "RetryableErrorDueToAnotherOperation", "%s", message);
    else
        az_reply_error(p->res, 409, "AnotherOperationInProgress", "%s", message);
    if (p->res->status == 429)
        az_reply_retry_after(p->m, p->res, 10000);
    return -1;
}

int az_refuse_not_provisioned(struct az_change *p, const char *id)
{
    int status = az_chance(p->m, 0.5) ? 429 : 400;
    az_reply_error_mixed(
        p->m, p->res, status, "ReferencedResourceNotProvisioned",
        "Cannot proceed with operation because resource %s used by resource %s is not in Succeeded "
        "state. Resource is in Updating state and the last operation that updated/is updating the "
        "resource is PutSubnetOperation.",
        id, p->call->id);
    if (status == 429)
        az_reply_retry_after(p->m, p->res, 10000);
    return -1;
}

static int check_workspace_lock(struct az_change *p, const struct az_resource *held)
{
    if (strcmp(p->type->type, AZ_T_WORKSPACE) == 0 || strcmp(p->type->type, AZ_T_WS_CONNECTION) == 0) {
        az_reply_error(
            p->res, 409, "ConcurrentUpdateError",
            "The workspace '%s' is being changed by another operation. Wait until it has ended and try again.",
            held->name);
        return -1;
    }
    az_change_doom(
        p, "PrivateEndpointConnectionProvisioningFailed",
        "Call to Microsoft.Databricks/workspaces failed. Error message: ConcurrentUpdateError: the workspace is being "
        "changed by another operation.");
    return 0;
}

static int check_own_lock(struct az_change *p, json_t *op)
{
    bool is_network = az_istarts(p->type->type, "microsoft.network/");
    bool is_leaving = strcmp(az_str(op, "verb"), "DELETE") == 0;
    if (is_leaving && strcmp(p->call->method, "DELETE") == 0) {
        az_reply_error(p->res, 409, "AnotherOperationInProgress", "The resource is already being deleted.");
        return -1;
    }
    if (!is_network || is_leaving)
        return refuse_other(p, op);
    az_op_cancel(p->m, op, "CanceledAndSupersededDueToAnotherOperation",
                 "Operation was canceled and superseded by another operation on the same resource.");
    return 0;
}

int az_change_check_locks(struct az_change *p)
{
    for (size_t i = 0; i < p->lock_count; i++) {
        struct az_resource *held = az_store_get(p->m, p->locks[i]);
        json_t *op = held != NULL ? az_op_holding(p->m, held) : NULL;
        if (op == NULL)
            continue;
        int r;
        if (strcmp(held->type, AZ_T_WORKSPACE) == 0)
            r = check_workspace_lock(p, held);
        else if (az_ieq(az_str(op, "resource"), p->call->id))
            r = check_own_lock(p, op);
        else if (strcmp(az_str(op, "type"), AZ_T_WORKSPACE) == 0)
            r = az_refuse_not_provisioned(p, held->id);
        else
            r = refuse_other(p, op);
        if (r < 0 || p->fail_code[0] != '\0')
            return r;
    }
    return 0;
}

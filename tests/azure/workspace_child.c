/* What hangs on a workspace: link resources, connections, egress needs, PATCH of tags. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

static struct az_resource *workspace_of(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[AZ_ID_MAX];
    snprintf(id, sizeof id,
             "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Databricks/workspaces/%s",
             call->segments[1], call->segments[3], call->segments[7]);
    struct az_resource *ws = az_store_get(m, id);
    if (ws == NULL)
        az_reply_error(
            res, 404, "ResourceNotFound",
            "The Resource 'Microsoft.Databricks/workspaces/%s' under resource group '%s' was not found.",
            call->segments[7], call->segments[3]);
    return ws;
}

static json_t *link_resource(const struct az_model *m, const struct az_resource *ws, const char *group)
{
    return json_pack("{s:o,s:s,s:s,s:{s:s,s:[s],s:[s]}}", "id",
                     az_strf("%s/privateLinkResources/%s", ws->id, group), "name", group, "type",
                     "Microsoft.Databricks/workspaces/privateLinkResources", "properties", "groupId", group,
                     "requiredMembers", group, "requiredZoneNames", m->private_zone);
}

void az_h_ws_link_resources(struct az_model *m, struct az_call *call, struct az_response *res)
{
    static const char *const groups[] = {"databricks_ui_api", "browser_authentication"};
    const struct az_resource *ws = workspace_of(m, call, res);
    const char *wanted = az_call_segment(call, 9);
    if (ws == NULL)
        return;
    json_t *all = json_array();
    for (size_t i = 0; i < 2; i++)
        if (wanted[0] == '\0' || az_ieq(wanted, groups[i]))
            json_array_append_new(all, link_resource(m, ws, groups[i]));
    if (wanted[0] == '\0') {
        az_reply_page(m, call, res, all);
        return;
    }
    if (json_array_size(all) == 0)
        az_reply_error(res, 404, "ResourceNotFound", "The private link resource '%s' was not found.", wanted);
    else
        az_reply_json(res, 200, json_incref(json_array_get(all, 0)));
    json_decref(all);
}

static void add_need(json_t *all, const char *category, json_t *take_name, int port)
{
    json_array_append_new(all, json_pack("{s:s,s:[{s:o,s:[{s:i}]}]}", "category", category, "endpoints",
                                         "domainName", take_name, "endpointDetails", "port", port));
}

void az_h_ws_outbound(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const struct az_resource *ws = workspace_of(m, call, res);
    if (ws == NULL)
        return;
    const char *region = az_str(ws->body, "location"), *suffix = m->workspace_suffix;
    const char *storage = az_str(ws->body, "properties.parameters.storageAccountName.value");
    json_t *all = json_array();
    add_need(all, "Webapp", json_string(az_str(ws->body, "properties.workspaceUrl")), 443);
    add_need(all, "Control Plane NAT", az_strf("nat.%s%s", region, suffix), 443);
    add_need(all, "Extended infrastructure", az_strf("tunnel.%s%s", region, suffix), 443);
    add_need(all, "Azure Storage", az_strf("%s.blob.core.azure.localhost", storage), 443);
    add_need(all, "Azure Storage", az_strf("dbartifactsprod%s.blob.core.azure.localhost", region), 443);
    add_need(all, "Azure My SQL",
             az_strf("consolidated-%s-prod-metastore.mysql.database.azure.localhost", region), 3306);
    add_need(all, "Azure Servicebus",
             az_strf("prod-%s-observabilityeventhubs.servicebus.azure.localhost", region), 9093);
    az_reply_json(res, 200, all);
}

void az_h_ws_patch(struct az_model *m, struct az_call *call, struct az_response *res)
{
    struct az_change p = {.m = m,
                          .call = call,
                          .res = res,
                          .type = az_call_type(call),
                          .existing = call->target,
                          .changed = true};
    struct az_resource *ws = workspace_of(m, call, res);
    if (ws == NULL || az_is_write_blocked(m, call, res, false))
        return;
    const json_t *tags = json_object_get(call->body, "tags");
    if (!json_is_object(call->body) || (tags != NULL && !json_is_object(tags))) {
        az_reply_error(res, 400, "InvalidRequestContent",
                       "The request content was invalid and could not be deserialized.");
        return;
    }
    az_change_lock(&p, ws->id);
    p.parent = ws->parent;
    if (az_change_check_locks(&p) == 0) {
        json_t *before = az_copy(ws->body);
        bool changed = tags != NULL && !az_same(tags, json_object_get(before, "tags"));
        if (changed) {
            json_object_set_new(ws->body, "tags", az_copy(tags));
            az_set_prov_state(ws, "Updating");
            p.pending = json_pack("{s:s}", "kind", "tags");
            (void)az_op_start(&p, "PATCH", AZ_LRO_BOTH, az_duration(m, "workspace.patch", 5, 10));
        }
        if (changed)
            az_reply_empty(res, 202);
        else
            az_reply_json(res, 200, az_render(m, ws));
        az_ledger_add(m, call, 'w', "Microsoft.Databricks/workspaces/write", ws->id, res->status, changed,
                      before, ws->body);
        json_decref(before);
    }
    az_change_unlock(&p);
    json_decref(p.pending);
}

/* ---- connections ---- */

static int prepare_connection(struct az_change *p)
{
    const char *status = az_str(p->call->body, "properties.privateLinkServiceConnectionState.status");
    const char *description =
        az_str(p->call->body, "properties.privateLinkServiceConnectionState.description");
    az_change_lock(p, p->parent->id);
    if (p->existing == NULL) {
        az_reply_error(p->res, 404, "ResourceNotFound", "The private endpoint connection '%s' was not found.",
                       p->call->id);
        return -1;
    }
    bool is_known = az_ieq(status, "Approved") || az_ieq(status, "Rejected") || az_ieq(status, "Pending") ||
                    az_ieq(status, "Disconnected");
    if (!is_known) {
        az_reply_error(p->res, 400, "InvalidParameter",
                       "The connection's status must be 'Approved' or 'Rejected'.");
        return -1;
    }
    const char *old = az_str(p->existing->body, "properties.privateLinkServiceConnectionState.status");
    if (az_ieq(old, "Rejected") && az_ieq(status, "Approved")) {
        az_reply_error(p->res, 400, "InvalidParameter",
                       "A rejected connection cannot be approved. Create the private endpoint again.");
        return -1;
    }
    json_decref(p->want);
    p->want = az_copy(p->existing->body);
    az_set(
        p->want, "properties.privateLinkServiceConnectionState",
        json_pack("{s:s,s:s,s:s}", "status", status, "description", description, "actionsRequired", "None"));
    p->apply_at_end = true;
    return 0;
}

static int connection_done(struct az_model *m, struct az_resource *connection, json_t *op)
{
    const json_t *body = az_at(op, "pending.body");
    az_pe_connection_changed(m, connection,
                             az_str(body, "properties.privateLinkServiceConnectionState.status"),
                             az_str(body, "properties.privateLinkServiceConnectionState.description"));
    return 0;
}

static int prepare_delete_connection(struct az_change *p)
{
    az_change_lock(p, p->existing->parent->id);
    return 0;
}

static void connection_deleted(struct az_model *m, struct az_resource *connection, json_t *op)
{
    (void)op;
    az_pe_connection_changed(m, connection, "Disconnected", "The connection was removed.");
}

const struct az_type az_type_ws_connection = {
    .type = AZ_T_WS_CONNECTION,
    .display = "Microsoft.Databricks/workspaces/privateEndpointConnections",
    .versions = "databricks",
    .name_rule = AZ_NAME_ANY,
    .put_lro = AZ_LRO_BOTH,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 200,
    .put_duration = "connection.put",
    .delete_duration = "connection.delete",
    .min_s = 10,
    .max_s = 30,
    .new_state = "Creating",
    .prepare = prepare_connection,
    .done = connection_done,
    .prepare_delete = prepare_delete_connection,
    .deleted = connection_deleted,
};

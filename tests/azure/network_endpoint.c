/* Private endpoints: what a PUT may say, and the operations that attach and detach them. */
#include "tests/azure/network_endpoint.h"

#include <stdio.h>
#include <string.h>

#define APPROVE "Microsoft.Databricks/workspaces/privateEndpointConnectionsApproval/action"

/* ---- checks ---- */

/* Is the wanted address, or any, free? */
static int check_address(struct az_change *p, struct az_resource *subnet)
{
    char ip[16];
    const char *code, *wanted = az_str(p->want, "properties.ipConfigurations.0.properties.privateIPAddress");
    if (p->existing != NULL && az_pe_ip(p->m, p->existing)[0] != '\0')
        return 0;
    if (az_subnet_take_ip(subnet, wanted, p->call->id, ip, &code) == 0) {
        az_subnet_give_ip(subnet, ip);
        return 0;
    }
    az_reply_error(p->res, 400, code, "Subnet %s has no address for private endpoint %s: %s.", subnet->id,
                   p->call->id, code);
    return -1;
}

static int check_subnet(struct az_change *p)
{
    const char *subnet_id = az_str(p->want, "properties.subnet.id");
    if (az_check_reference(p, subnet_id[0] != '\0' ? subnet_id : "?", AZ_T_SUBNET, NULL) < 0)
        return -1;
    struct az_resource *subnet = az_store_get(p->m, subnet_id), *vnet = subnet->parent;
    if (!az_location_eq(az_str(vnet->body, "location"), az_str(p->want, "location"))) {
        az_reply_error(
            p->res, 400, "InvalidResourceReference",
            "Resource %s referenced by resource %s was not found. Please make sure that the referenced resource "
            "exists, and that both resources are in the same region.",
            subnet_id, p->call->id);
        return -1;
    }
    if (az_is_delegated(subnet->body, NULL)) {
        az_reply_error_mixed(
            p->m, p->res, 400, "PrivateEndpointCannotBeCreatedInDelegatedSubnet",
            "Private endpoint %s cannot be created in subnet %s since it is delegated to a service.",
            p->call->id, subnet->id);
        return -1;
    }
    bool needs_disabled = az_behaviour(p->m, "policiesMustBeDisabled", 0) > 0.5;
    if (needs_disabled &&
        !az_ieq(az_str(subnet->body, "properties.privateEndpointNetworkPolicies"), "Disabled")) {
        az_reply_error_mixed(
            p->m, p->res, 400, "PrivateEndpointCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled",
            "Private endpoint %s cannot be created in a subnet %s since it has private endpoint network "
            "policies enabled.",
            p->call->id, subnet->id);
        return -1;
    }
    az_change_lock(p, vnet->id);
    return check_address(p, subnet);
}

static int check_target(struct az_change *p)
{
    const json_t *connection = az_pe_connection(p->want);
    const char *target = az_str(connection, "properties.privateLinkServiceId"),
               *group = az_str(connection, "properties.groupIds.0");
    char type[256];
    az_id_type(target, type, sizeof type);
    size_t count = json_array_size(az_at(p->want, "properties.privateLinkServiceConnections")) +
                   json_array_size(az_at(p->want, "properties.manualPrivateLinkServiceConnections"));
    if (count != 1 || json_array_size(az_at(connection, "properties.groupIds")) != 1) {
        az_reply_error_mixed(
            p->m, p->res, 400, "InvalidRequestFormat",
            "A private endpoint needs exactly one private link service connection with one group id.");
        return -1;
    }
    const struct az_resource *ws = az_store_get(p->m, target);
    if (strcmp(type, AZ_T_WORKSPACE) != 0 || ws == NULL) {
        az_reply_error_mixed(p->m, p->res, 400, "InvalidPrivateLinkServiceId",
                             "PrivateLinkServiceId Invalid private link service id '%.512s' of %s.", target,
                             p->call->id);
        return -1;
    }
    if (!az_ieq(group, "databricks_ui_api") && !az_ieq(group, "browser_authentication")) {
        az_reply_error_mixed(p->m, p->res, 400, "InvalidGroupId",
                             "GroupId '%s' is not supported by %s. Use one of 'databricks_ui_api', "
                             "'browser_authentication'.",
                             group, ws->id);
        return -1;
    }
    if (!az_workspace_is_injected(ws) || !az_ieq(az_str(ws->body, "sku.name"), "premium")) {
        az_reply_error_mixed(
            p->m, p->res, 400, "NonVNetInjectedWorkspaceNotSupported",
            "Private endpoints need a premium workspace in a virtual network of its owner; %s is not.",
            ws->id);
        return -1;
    }
    az_change_lock(p, ws->id);
    return 0;
}

static const char *link_problem(struct az_model *m, const struct az_resource *ws, const char *group,
                                const char *pe_id)
{
    if (!az_ieq(group, "browser_authentication") || az_istarts(ws->name, "WEB_AUTH"))
        return NULL;
    for (const struct az_resource *c = az_child_first(ws, AZ_T_WS_CONNECTION); c != NULL;
         c = az_child_next(c, AZ_T_WS_CONNECTION))
        if (az_ieq(az_str(c->body, "properties.groupIds.0"), "databricks_ui_api") &&
            !az_ieq(az_str(c->body, "properties.privateEndpoint.id"), pe_id))
            return NULL;
    (void)m;
    return "Call to Microsoft.Databricks/workspaces failed. Error message: RESOURCE_CONFLICT: Link ID conflict";
}

/* ---- PUT ---- */

static void clean_connections(struct az_change *p, const char *member)
{
    json_t *list = az_at(p->want, member), *clean = json_array();
    size_t i;
    json_t *c;
    json_array_foreach(list, i, c) {
        const char *name = az_str(c, "name"), *kind = strchr(member, '.') + 1;
        json_t *properties = json_pack(
            "{s:s,s:O}", "privateLinkServiceId", az_str(c, "properties.privateLinkServiceId"), "groupIds",
            az_at(c, "properties.groupIds") ? az_at(c, "properties.groupIds") : json_null());
        if (az_at(c, "properties.requestMessage") != NULL)
            json_object_set(properties, "requestMessage", az_at(c, "properties.requestMessage"));
        const json_t *old = p->existing != NULL ? az_pe_connection(p->existing->body) : NULL;
        const json_t *state = az_at(old, "properties.privateLinkServiceConnectionState");
        if (state != NULL)
            json_object_set_new(properties, "privateLinkServiceConnectionState", az_copy(state));
        json_array_append_new(clean, json_pack("{s:s,s:o,s:o,s:o}", "name", name, "id",
                                               az_strf("%s/%s/%s", p->call->id, kind, name), "type",
                                               az_strf("Microsoft.Network/privateEndpoints/%s", kind),
                                               "properties", properties));
    }
    az_set(p->want, member, clean);
}

static int check_unmoved(struct az_change *p)
{
    if (p->existing == NULL || strcmp(az_prov_state(p->existing), "Failed") == 0)
        return 0;
    const json_t *old = az_pe_connection(p->existing->body), *new = az_pe_connection(p->want);
    if (az_ieq(az_str(old, "properties.privateLinkServiceId"),
               az_str(new, "properties.privateLinkServiceId")) &&
        az_ieq(az_str(old, "properties.groupIds.0"), az_str(new, "properties.groupIds.0")) &&
        az_ieq(az_str(p->existing->body, "properties.subnet.id"), az_str(p->want, "properties.subnet.id")))
        return 0;
    az_reply_error_mixed(p->m, p->res, 400, "PropertyChangeNotAllowed",
                         "Subnet, target and group id of private endpoint %s cannot be changed.",
                         p->call->id);
    return -1;
}

static int prepare_pe(struct az_change *p)
{
    static const char *const derived[] = {"networkInterfaces", "customDnsConfigs", "privateIPAddress"};
    json_t *properties = json_object_get(p->want, "properties");
    clean_connections(p, "properties.privateLinkServiceConnections");
    clean_connections(p, "properties.manualPrivateLinkServiceConnections");
    for (size_t i = 0; i < 3; i++) {
        json_object_del(properties, derived[i]);
        const json_t *old = p->existing != NULL ? az_at(p->existing->body, "properties") : NULL;
        if (json_object_get(old, derived[i]) != NULL)
            json_object_set_new(properties, derived[i], az_copy(json_object_get(old, derived[i])));
    }
    az_set(p->want, "properties.subnet", json_pack("{s:s}", "id", az_str(properties, "subnet.id")));
    az_change_lock(p, p->call->id);
    if (check_subnet(p) < 0 || check_target(p) < 0 || check_unmoved(p) < 0)
        return -1;
    const struct az_resource *ws =
        az_store_get(p->m, az_str(az_pe_connection(p->want), "properties.privateLinkServiceId"));
    bool is_manual = json_array_size(json_object_get(properties, "manualPrivateLinkServiceConnections")) > 0;
    p->pending =
        json_pack("{s:b}", "approve", (int)(!is_manual && az_may(p->m, &p->call->who, APPROVE, ws->id)));
    return 0;
}

static void pe_started(struct az_change *p, struct az_resource *pe)
{
    const char *code;
    struct az_resource *ws = az_pe_workspace(p->m, pe);
    const char *wanted = az_str(p->want, "properties.ipConfigurations.0.properties.privateIPAddress");
    if (p->fail_code[0] != '\0' || ws == NULL)
        return;
    const char *problem = link_problem(p->m, ws, az_pe_group_id(pe), pe->id);
    if (az_pe_ip(p->m, pe)[0] == '\0' && az_pe_make_nic(p->m, pe, wanted, &code) < 0)
        az_change_doom(p, code, "The private endpoint's address cannot be taken from its subnet.");
    else if (problem != NULL)
        az_change_doom(p, "PrivateEndpointConnectionProvisioningFailed", problem);
    if (p->fail_code[0] != '\0')
        return;
    az_set_prov_state(ws, "Updating");
    if (az_pe_ws_connection(p->m, pe) == NULL) {
        az_pe_set_connection(pe, "Pending", "");
        az_pe_put_ws_connection(p->m, pe, "Pending", "", "Creating");
    }
}

static int pe_done(struct az_model *m, struct az_resource *pe, json_t *op)
{
    struct az_resource *ws = az_pe_workspace(m, pe), *connection = az_pe_ws_connection(m, pe);
    if (ws == NULL || connection == NULL) {
        az_op_fail(
            op, "PrivateEndpointConnectionProvisioningFailed",
            "Call to Microsoft.Databricks/workspaces failed. Error message: the workspace or connection is gone.");
        return -1;
    }
    bool was_pending = !az_pe_is_approved(pe);
    bool approves = az_bool(op, "pending.approve", false);
    az_set_prov_state(ws, "Succeeded");
    az_set_prov_state(connection, "Succeeded");
    if (was_pending && approves) {
        az_pe_connection_changed(m, connection, "Approved", "Auto-Approved");
        az_ledger_platform(m, op, "Microsoft.Databricks/workspaces/privateEndpointConnections/write",
                           connection->id, NULL, connection->body);
    }
    return 0;
}

static void pe_failed(struct az_model *m, struct az_resource *pe, json_t *op)
{
    bool is_delete = strcmp(az_str(op, "verb"), "DELETE") == 0;
    struct az_resource *ws = az_pe_workspace(m, pe);
    if (is_delete && ws != NULL && az_op_holding(m, ws) == NULL)
        az_set_prov_state(ws, "Succeeded");
    else if (!is_delete && !az_pe_is_approved(pe))
        az_pe_drop_connection(m, pe);
    else if (ws != NULL && az_op_holding(m, ws) == NULL && strcmp(az_prov_state(ws), "Updating") == 0)
        az_set_prov_state(ws, "Succeeded");
}

/* ---- DELETE ---- */

static void doom_if_record_locked(struct az_change *p)
{
    for (const struct az_resource *g = az_child_first(p->existing, AZ_T_ZONE_GROUP); g != NULL;
         g = az_child_next(g, AZ_T_ZONE_GROUP)) {
        size_t i;
        const json_t *c;
        json_array_foreach(az_at(g->body, "properties.privateDnsZoneConfigs"), i, c) {
            const char *zone = az_str(c, "properties.privateDnsZoneId");
            if (az_find_lock(p->m, zone, true) != NULL)
                az_change_doom(
                    p, "ScopeLocked",
                    "The scope of a record set of this private endpoint cannot perform delete operation because "
                    "it is locked. Please remove the lock and try again.");
        }
    }
}

static int prepare_delete_pe(struct az_change *p)
{
    const struct az_resource *subnet = az_store_get(p->m, az_str(p->existing->body, "properties.subnet.id"));
    const struct az_resource *ws = az_pe_workspace(p->m, p->existing);
    az_change_lock(p, p->call->id);
    if (subnet != NULL)
        az_change_lock(p, subnet->parent->id);
    if (ws != NULL)
        az_change_lock(p, ws->id);
    doom_if_record_locked(p);
    return 0;
}

static void pe_delete_started(struct az_change *p, struct az_resource *pe)
{
    struct az_resource *ws = az_pe_workspace(p->m, pe), *connection = az_pe_ws_connection(p->m, pe);
    if (ws != NULL)
        az_set_prov_state(ws, "Updating");
    if (connection != NULL)
        az_set_prov_state(connection, "Deleting");
}

static void pe_deleted(struct az_model *m, struct az_resource *pe, json_t *op)
{
    for (struct az_resource *g = az_child_first(pe, AZ_T_ZONE_GROUP); g != NULL;
         g = az_child_next(g, AZ_T_ZONE_GROUP))
        az_zone_group_remove_records(m, g, op);
    struct az_resource *nic = az_store_get(m, az_str(pe->body, "properties.networkInterfaces.0.id"));
    struct az_resource *subnet = az_store_get(m, az_str(pe->body, "properties.subnet.id"));
    if (subnet != NULL && nic != NULL)
        az_subnet_give_ip(subnet, az_pe_ip(m, pe));
    if (nic != NULL)
        az_store_delete(m, nic);
    az_pe_drop_connection(m, pe);
}

const struct az_type az_type_pe = {
    .type = AZ_T_PE,
    .display = "Microsoft.Network/privateEndpoints",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_ENDPOINT,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "endpoint.put",
    .delete_duration = "endpoint.delete",
    .min_s = 60,
    .max_s = 120,
    .new_state = "Updating",
    .prepare = prepare_pe,
    .started = pe_started,
    .done = pe_done,
    .failed = pe_failed,
    .prepare_delete = prepare_delete_pe,
    .delete_started = pe_delete_started,
    .deleted = pe_deleted,
};

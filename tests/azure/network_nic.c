/* What a private endpoint is made of: its NIC with an address of the subnet, its connection at the
 * workspace. */
#include "tests/azure/network_endpoint.h"

#include <stdio.h>
#include <string.h>

/* The one connection of a PE body, automatic or manual; NULL: none. */
json_t *az_pe_connection(const json_t *body)
{
    json_t *c = az_at(body, "properties.privateLinkServiceConnections.0");
    return c != NULL ? c : az_at(body, "properties.manualPrivateLinkServiceConnections.0");
}

const char *az_pe_group_id(const struct az_resource *pe)
{
    return az_str(az_pe_connection(pe->body), "properties.groupIds.0");
}

bool az_pe_is_approved(const struct az_resource *pe)
{
    return az_ieq(az_str(az_pe_connection(pe->body), "properties.privateLinkServiceConnectionState.status"),
                  "Approved");
}

struct az_resource *az_pe_workspace(struct az_model *m, const struct az_resource *pe)
{
    return az_store_get(m, az_str(az_pe_connection(pe->body), "properties.privateLinkServiceId"));
}

const char *az_pe_ip(const struct az_model *m, const struct az_resource *pe)
{
    const struct az_resource *nic = az_store_get(m, az_str(pe->body, "properties.networkInterfaces.0.id"));
    return nic != NULL ? az_str(nic->body, "properties.ipConfigurations.0.properties.privateIPAddress") : "";
}

const char *az_pe_record_name(struct az_model *m, const struct az_resource *pe, char *buf, size_t buf_bytes)
{
    const struct az_resource *ws = az_pe_workspace(m, pe);
    buf[0] = '\0';
    if (ws == NULL)
        return buf;
    if (az_ieq(az_pe_group_id(pe), "browser_authentication")) {
        snprintf(buf, buf_bytes, "%s.pl-auth", az_str(ws->body, "location"));
        return buf;
    }
    const char *url = az_str(ws->body, "properties.workspaceUrl");
    size_t n = strlen(url), suffix = strlen(m->workspace_suffix);
    if (n > suffix && az_ieq(url + n - suffix, m->workspace_suffix))
        snprintf(buf, buf_bytes, "%.*s", (int)(n - suffix), url);
    return buf;
}

static json_t *fqdns_of(struct az_model *m, const struct az_resource *pe)
{
    char name[256];
    json_t *fqdns = json_array();
    if (az_behaviour(m, "omitFqdns", 0) > 0.5 || az_pe_record_name(m, pe, name, sizeof name)[0] == '\0')
        return fqdns;
    json_array_append_new(fqdns, az_strf("%s%s", name, m->workspace_suffix));
    return fqdns;
}

static json_t *nic_body(struct az_model *m, const struct az_resource *pe, const char *nic_id, const char *ip)
{
    char guid[AZ_GUID_BYTES], config[64];
    const char *group = az_pe_group_id(pe);
    snprintf(config, sizeof config, "privateEndpointIpConfig.%s", az_guid(m, guid));
    json_t *link =
        json_pack("{s:s,s:s,s:o}", "groupId", group, "requiredMemberName", group, "fqdns", fqdns_of(m, pe));
    json_t *properties = json_pack(
        "{s:s,s:s,s:s,s:{s:s},s:b,s:s,s:o}", "provisioningState", "Succeeded", "privateIPAddress", ip,
        "privateIPAllocationMethod", "Dynamic", "subnet", "id", az_str(pe->body, "properties.subnet.id"),
        "primary", 1, "privateIPAddressVersion", "IPv4", "privateLinkConnectionProperties", link);
    json_t *one =
        json_pack("{s:s,s:o,s:o,s:s,s:o}", "name", config, "id",
                  az_strf("%s/ipConfigurations/%s", nic_id, config), "etag", az_strf("W/\"%s\"", guid),
                  "type", "Microsoft.Network/networkInterfaces/ipConfigurations", "properties", properties);
    return json_pack("{s:s,s:o,s:{s:s,s:s,s:[o],s:{s:[],s:[]},s:s,s:b,s:b,s:{s:s},s:s,s:[]}}", "location",
                     az_str(pe->body, "location"), "etag", az_strf("W/\"%s\"", guid), "properties",
                     "provisioningState", "Succeeded", "resourceGuid", guid, "ipConfigurations", one,
                     "dnsSettings", "dnsServers", "appliedDnsServers", "macAddress", "",
                     "enableAcceleratedNetworking", 0, "enableIPForwarding", 0, "privateEndpoint", "id",
                     pe->id, "nicType", "Standard", "tapConfigurations");
}

/* Give it a NIC with an address. 0, or -1 with an error code. */
int az_pe_make_nic(struct az_model *m, struct az_resource *pe, const char *wanted_ip, const char **ret_code)
{
    char nic_id[AZ_ID_MAX], guid[AZ_GUID_BYTES], ip[16];
    struct az_resource *subnet = az_store_get(m, az_str(pe->body, "properties.subnet.id"));
    *ret_code = "InvalidResourceReference";
    if (subnet == NULL)
        return -1;
    const char *custom = az_str(pe->body, "properties.customNetworkInterfaceName");
    if (custom[0] != '\0')
        snprintf(nic_id, sizeof nic_id, "%s/providers/Microsoft.Network/networkInterfaces/%s", pe->parent->id,
                 custom);
    else
        snprintf(nic_id, sizeof nic_id, "%s/providers/Microsoft.Network/networkInterfaces/%s.nic.%s",
                 pe->parent->id, pe->name, az_guid(m, guid));
    if (az_subnet_take_ip(subnet, wanted_ip, nic_id, ip, ret_code) < 0)
        return -1;
    if (az_store_put(m, nic_id, nic_body(m, pe, nic_id, ip)) == NULL)
        return -1;
    az_set(pe->body, "properties.networkInterfaces", json_pack("[{s:s}]", "id", nic_id));
    json_t *dns = json_array(), *fqdns = fqdns_of(m, pe);
    if (json_array_size(fqdns) > 0)
        json_array_append_new(dns,
                              json_pack("{s:O,s:[s]}", "fqdn", json_array_get(fqdns, 0), "ipAddresses", ip));
    json_decref(fqdns);
    az_set(pe->body, "properties.customDnsConfigs", dns);
    return 0;
}

void az_pe_set_connection(struct az_resource *pe, const char *status, const char *description)
{
    json_t *c = az_pe_connection(pe->body);
    if (c == NULL)
        return;
    az_set(
        c, "properties.privateLinkServiceConnectionState",
        json_pack("{s:s,s:s,s:s}", "status", status, "description", description, "actionsRequired", "None"));
    az_set_str(c, "properties.provisioningState", "Succeeded");
}

struct az_resource *az_pe_ws_connection(struct az_model *m, const struct az_resource *pe)
{
    const struct az_resource *ws = az_pe_workspace(m, pe);
    struct az_resource *c = ws != NULL ? az_child_first(ws, AZ_T_WS_CONNECTION) : NULL;
    while (c != NULL && !az_ieq(az_str(c->body, "properties.privateEndpoint.id"), pe->id))
        c = az_child_next(c, AZ_T_WS_CONNECTION);
    return c;
}

void az_pe_put_ws_connection(struct az_model *m, const struct az_resource *pe, const char *status,
                             const char *description, const char *state)
{
    char id[AZ_ID_MAX], guid[AZ_GUID_BYTES];
    const struct az_resource *ws = az_pe_workspace(m, pe), *old = az_pe_ws_connection(m, pe);
    if (ws == NULL)
        return;
    const char *own = az_str(pe->body, "properties.resourceGuid");
    if (old != NULL)
        snprintf(id, sizeof id, "%s", old->id);
    else
        snprintf(id, sizeof id, "%s/privateEndpointConnections/%s.%s", ws->id, pe->name,
                 own[0] != '\0' ? own : az_guid(m, guid));
    (void)az_store_put(m, id,
                       json_pack("{s:s,s:{s:{s:s},s:[s],s:{s:s,s:s,s:s},s:s}}", "type",
                                 "Microsoft.Databricks/workspaces/privateEndpointConnections", "properties",
                                 "privateEndpoint", "id", pe->id, "groupIds", az_pe_group_id(pe),
                                 "privateLinkServiceConnectionState", "status", status, "description",
                                 description, "actionsRequired", "None", "provisioningState", state));
}

void az_pe_drop_connection(struct az_model *m, struct az_resource *pe)
{
    struct az_resource *connection = az_pe_ws_connection(m, pe), *ws = az_pe_workspace(m, pe);
    if (connection != NULL)
        az_store_delete(m, connection);
    if (ws != NULL && strcmp(az_prov_state(ws), "Updating") == 0) {
        const json_t *holder = az_op_holding(m, ws);
        if (holder == NULL || az_ieq(az_str(holder, "resource"), pe->id))
            az_set_prov_state(ws, "Succeeded");
    }
}

void az_pe_connection_changed(struct az_model *m, struct az_resource *connection, const char *status,
                              const char *description)
{
    struct az_resource *pe = az_store_get(m, az_str(connection->body, "properties.privateEndpoint.id"));
    az_set_str(connection->body, "properties.privateLinkServiceConnectionState.status", status);
    az_set_str(connection->body, "properties.privateLinkServiceConnectionState.description", description);
    if (pe == NULL)
        return;
    az_pe_set_connection(pe, status, description);
    if (az_ieq(status, "Approved"))
        for (struct az_resource *g = az_child_first(pe, AZ_T_ZONE_GROUP); g != NULL;
             g = az_child_next(g, AZ_T_ZONE_GROUP))
            az_zone_group_write_records(m, g, NULL);
}

static void complete_connection(struct az_resource *pe, const char *kind)
{
    char path[96];
    snprintf(path, sizeof path, "properties.%s", kind);
    if (az_at(pe->body, path) == NULL)
        az_set(pe->body, path, json_array());
    json_t *c = json_array_get(az_at(pe->body, path), 0);
    if (c == NULL)
        return;
    az_set(c, "id", az_strf("%s/%s/%s", pe->id, kind, az_str(c, "name")));
    az_set(c, "type", az_strf("Microsoft.Network/privateEndpoints/%s", kind));
}

int az_pe_complete(struct az_model *m, struct az_resource *pe, char *error, size_t error_bytes)
{
    const char *code = "";
    struct az_resource *nic = az_store_get(m, az_str(pe->body, "properties.networkInterfaces.0.id"));
    struct az_resource *subnet = az_store_get(m, az_str(pe->body, "properties.subnet.id"));
    const char *wanted = az_str(pe->body, "properties.privateIPAddress");
    if (subnet == NULL || az_pe_connection(pe->body) == NULL) {
        snprintf(error, error_bytes, "%s: its subnet or connection is missing", pe->id);
        return -1;
    }
    complete_connection(pe, "privateLinkServiceConnections");
    complete_connection(pe, "manualPrivateLinkServiceConnections");
    char ip[16];
    const char *known = nic != NULL ? az_pe_ip(m, pe) : "";
    if (nic != NULL && az_subnet_take_ip(subnet, known, nic->id, ip, &code) < 0) {
        snprintf(error, error_bytes, "%s: %s", pe->id, code);
        return -1;
    }
    if (nic == NULL && az_pe_make_nic(m, pe, wanted, &code) < 0) {
        snprintf(error, error_bytes, "%s: %s", pe->id, code);
        return -1;
    }
    const char *status =
        az_str(az_pe_connection(pe->body), "properties.privateLinkServiceConnectionState.status");
    if (status[0] == '\0') {
        az_pe_set_connection(pe, "Approved", "Auto-Approved");
        status = "Approved";
    }
    if (az_ieq(status, "Disconnected") || az_pe_ws_connection(m, pe) != NULL)
        return 0;
    az_pe_put_ws_connection(m, pe, status, az_ieq(status, "Approved") ? "Auto-Approved" : "", "Succeeded");
    return 0;
}

const struct az_type az_type_nic = {
    .type = AZ_T_NIC,
    .display = "Microsoft.Network/networkInterfaces",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_NETWORK,
};

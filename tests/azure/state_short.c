/* "workspaces" of a state document: one line stands for a workspace with its network, endpoint, zone and
 * records. */
#include "tests/azure/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 10000

struct estate {
    struct az_model *m;
    const json_t *spec;
    json_t *resources;
    char group[AZ_ID_MAX / 4], zone_group[AZ_ID_MAX / 4];
    char name[160], vnet[AZ_ID_MAX / 2], zone[AZ_ID_MAX / 2], workspace[AZ_ID_MAX / 2];
    const char *location;
    char workspace_id[24];
};

static const char *text_or(const json_t *spec, const char *path, const char *fallback)
{
    const char *s = az_str_or_null(spec, path);
    return s != NULL ? s : fallback;
}

static json_t *subnet(const struct estate *e, const char *name, const char *prefix, bool is_delegated)
{
    json_t *properties = json_pack("{s:s}", "addressPrefix", prefix);
    if (is_delegated) {
        json_object_set_new(properties, "networkSecurityGroup",
                            json_pack("{s:o}", "id",
                                      az_strf("%s/providers/Microsoft.Network/networkSecurityGroups/%s-nsg",
                                              e->group, e->name)));
        json_object_set_new(properties, "delegations",
                            json_pack("[{s:s,s:{s:s}}]", "name", "databricks", "properties", "serviceName",
                                      "Microsoft.Databricks/workspaces"));
    }
    return json_pack("{s:s,s:o}", "name", name, "properties", properties);
}

/* A quarter of the network for each of the two subnets, and a /27 for endpoints in the third quarter. */
static void add_network(struct estate *e)
{
    struct az_cidr space;
    char part[3][40], ip[16];
    const char *text = text_or(e->spec, "addressSpace", "10.10.0.0/16");
    if (!az_cidr_parse(text, &space) || space.bits > 22)
        (void)az_cidr_parse(text = "10.10.0.0/16", &space);
    uint32_t quarter = 1u << (30 - space.bits);
    snprintf(part[0], sizeof part[0], "%s/%u", az_ip_text(space.address, ip), space.bits + 2);
    snprintf(part[1], sizeof part[1], "%s/%u", az_ip_text(space.address + quarter, ip), space.bits + 2);
    snprintf(part[2], sizeof part[2], "%s/27", az_ip_text(space.address + 2 * quarter, ip));
    json_t *subnets = json_array();
    json_array_append_new(subnets, subnet(e, "host", part[0], true));
    json_array_append_new(subnets, subnet(e, "container", part[1], true));
    bool has_pe_subnet = az_bool(e->spec, "endpointSubnet", az_at(e->spec, "endpoint") != NULL);
    if (has_pe_subnet)
        json_array_append_new(subnets, subnet(e, "pe", part[2], false));
    json_array_append_new(
        e->resources,
        json_pack("{s:o,s:s,s:{}}", "id",
                  az_strf("%s/providers/Microsoft.Network/networkSecurityGroups/%s-nsg", e->group, e->name),
                  "location", e->location, "properties"));
    json_array_append_new(e->resources, json_pack("{s:s,s:s,s:{s:{s:[s]},s:o}}", "id", e->vnet, "location",
                                                  e->location, "properties", "addressSpace",
                                                  "addressPrefixes", text, "subnets", subnets));
}

static void add_workspace(struct estate *e, bool is_injected)
{
    json_t *parameters = json_pack("{s:{s:s,s:b}}", "enableNoPublicIp", "type", "Bool", "value",
                                   (int)az_bool(e->spec, "noPublicIp", true));
    if (is_injected) {
        json_object_set_new(parameters, "customVirtualNetworkId",
                            json_pack("{s:s,s:s}", "type", "String", "value", e->vnet));
        json_object_set_new(parameters, "customPublicSubnetName",
                            json_pack("{s:s,s:s}", "type", "String", "value", "host"));
        json_object_set_new(parameters, "customPrivateSubnetName",
                            json_pack("{s:s,s:s}", "type", "String", "value", "container"));
    }
    const json_t *tags = json_object_get(e->spec, "tags");
    json_array_append_new(
        e->resources, json_pack("{s:s,s:s,s:o,s:{s:s},s:{s:s,s:s,s:s,s:o}}", "id", e->workspace, "location",
                                e->location, "tags", tags != NULL ? az_copy(tags) : json_object(), "sku",
                                "name", text_or(e->spec, "sku", "premium"), "properties", "workspaceId",
                                e->workspace_id, "publicNetworkAccess",
                                text_or(e->spec, "publicNetworkAccess", "Enabled"), "requiredNsgRules",
                                text_or(e->spec, "requiredNsgRules", "AllRules"), "parameters", parameters));
}

static void add_endpoint(struct estate *e, const json_t *spec)
{
    const char *name = text_or(spec, "name", "pe-ui-api"), *ip = az_str(spec, "ip");
    char id[AZ_ID_MAX];
    snprintf(id, sizeof id, "%s/providers/Microsoft.Network/privateEndpoints/%s-%s", e->group, e->name, name);
    json_t *connection =
        json_pack("{s:s,s:s,s:[s]}", "privateLinkServiceId", e->workspace, "provisioningState", "Succeeded",
                  "groupIds", text_or(spec, "group", "databricks_ui_api"));
    if (az_str(spec, "status")[0] != '\0')
        az_set_str(connection, "privateLinkServiceConnectionState.status", az_str(spec, "status"));
    json_t *pe = json_pack("{s:s,s:s,s:{s:{s:o},s:[{s:s,s:o}]}}", "id", id, "location", e->location,
                           "properties", "subnet", "id", az_strf("%s/subnets/pe", e->vnet),
                           "privateLinkServiceConnections", "name", name, "properties", connection);
    if (ip[0] != '\0')
        az_set_str(pe, "properties.privateIPAddress", ip);
    json_array_append_new(e->resources, pe);
    const json_t *zone = json_object_get(e->spec, "zone");
    if (zone == NULL || json_is_false(zone) || !az_bool(spec, "zoneGroup", true))
        return;
    json_array_append_new(e->resources, json_pack("{s:o,s:{s:[{s:s,s:{s:s}}]}}", "id",
                                                  az_strf("%s/privateDnsZoneGroups/default", id),
                                                  "properties", "privateDnsZoneConfigs", "name", "databricks",
                                                  "properties", "privateDnsZoneId", e->zone));
}

static void add_zone(struct estate *e, const json_t *spec)
{
    json_array_append_new(e->resources,
                          json_pack("{s:s,s:s,s:{}}", "id", e->zone, "location", "global", "properties"));
    if (az_bool(spec, "linked", true))
        json_array_append_new(e->resources, json_pack("{s:o,s:s,s:{s:{s:s},s:b}}", "id",
                                                      az_strf("%s/virtualNetworkLinks/%s", e->zone, e->name),
                                                      "location", "global", "properties", "virtualNetwork",
                                                      "id", e->vnet, "registrationEnabled", 0));
    const char *record = az_str(spec, "record");
    if (record[0] == '\0')
        return;
    int n = (int)(strtoll(e->workspace_id, NULL, 10) % 20);
    json_array_append_new(e->resources,
                          json_pack("{s:o,s:{s:i,s:[{s:s}]}}", "id",
                                    az_strf("%s/A/adb-%s.%d", e->zone, e->workspace_id, n), "properties",
                                    "ttl", 10, "aRecords", "ipv4Address", record));
}

static void expand_one(struct az_model *m, const json_t *spec, json_t *resources, int number, int count)
{
    struct estate e = {.m = m, .spec = spec, .resources = resources};
    const char *sub = text_or(spec, "subscription", AZ_DEFAULT_SUBSCRIPTION),
               *group = text_or(spec, "resourceGroup", "rg");
    snprintf(e.name, sizeof e.name, count > 1 ? "%.120s-%04d" : "%.120s", text_or(spec, "name", "workspace"),
             number);
    snprintf(e.group, sizeof e.group, "/subscriptions/%.40s/resourceGroups/%.90s", sub, group);
    /* A VNet can be linked to one zone of the name, a zone to many: each estate has its own unless it names
     * a group. */
    const char *zone_rg = az_str(spec, "zone.resourceGroup");
    if (zone_rg[0] != '\0' || count == 1)
        snprintf(e.zone_group, sizeof e.zone_group, "/subscriptions/%.40s/resourceGroups/%.90s", sub,
                 zone_rg[0] != '\0' ? zone_rg : group);
    else
        snprintf(e.zone_group, sizeof e.zone_group, "/subscriptions/%.40s/resourceGroups/%.60s-%04d", sub,
                 group, number);
    e.location = text_or(spec, "location", "chinaeast2");
    snprintf(e.vnet, sizeof e.vnet, "%s/providers/Microsoft.Network/virtualNetworks/%s-vnet", e.group,
             e.name);
    snprintf(e.zone, sizeof e.zone, "%s/providers/Microsoft.Network/privateDnsZones/%s", e.zone_group,
             m->private_zone);
    snprintf(e.workspace, sizeof e.workspace, "%s/providers/Microsoft.Databricks/workspaces/%s", e.group,
             e.name);
    const char *id = az_str(spec, "workspaceId");
    if (id[0] != '\0')
        snprintf(e.workspace_id, sizeof e.workspace_id, "%lld", strtoll(id, NULL, 10) + number - 1);
    else
        snprintf(e.workspace_id, sizeof e.workspace_id, "%lld",
                 (long long)(1000000000000000ll + (long long)(az_random(m) % 8999999999999999ull)));
    bool is_injected = az_bool(spec, "injected", true);
    if (is_injected)
        add_network(&e);
    add_workspace(&e, is_injected);
    const json_t *zone = json_object_get(spec, "zone"), *endpoint = json_object_get(spec, "endpoint");
    if (zone != NULL && !json_is_false(zone))
        add_zone(&e, zone);
    if (endpoint != NULL && !json_is_false(endpoint))
        add_endpoint(&e, endpoint);
}

json_t *az_state_expand(struct az_model *m, const json_t *workspaces, char *error, size_t error_bytes)
{
    json_t *resources = json_array();
    size_t i;
    const json_t *spec;
    json_array_foreach(workspaces, i, spec) {
        int64_t count = az_int(spec, "count", 1);
        if (!json_is_object(spec) || count < 1 || count > COUNT_MAX) {
            snprintf(error, error_bytes, "workspaces/%zu: not an object, or a count outside of 1..%d", i,
                     COUNT_MAX);
            json_decref(resources);
            return NULL;
        }
        for (int n = 1; n <= count; n++)
            expand_one(m, spec, resources, n, (int)count);
    }
    return resources;
}

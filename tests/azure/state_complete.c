/* What a state document may leave out: children inline, addresses, connections, records, link states. */
#include "tests/azure/state.h"

#include <stdio.h>
#include <string.h>

#include "tests/azure/network_subnet.h"

static int put_child(struct az_model *m, struct az_resource *parent, const char *plural, const json_t *item,
                     json_t *take_body, char *error, size_t error_bytes)
{
    char id[AZ_ID_MAX], guid[AZ_GUID_BYTES];
    const char *name = az_str(item, "name");
    snprintf(id, sizeof id, "%s/%s/%s", parent->id, plural, name);
    json_object_set_new(take_body, "etag", az_strf("W/\"%s\"", az_guid(m, guid)));
    az_set_str(take_body, "properties.provisioningState", "Succeeded");
    struct az_resource *r = name[0] != '\0' ? az_store_put(m, id, take_body) : NULL;
    if (r == NULL) {
        snprintf(error, error_bytes, "%s: one of its %s has no valid name", parent->id, plural);
        return -1;
    }
    if (json_is_object(json_object_get(item, "_state")))
        (void)json_object_update(r->state, json_object_get(item, "_state"));
    return 0;
}

int az_state_unfold(struct az_model *m, struct az_resource *r, char *error, size_t error_bytes)
{
    static const struct {
        const char *type, *member, *plural;
    } inlined[] = {{AZ_T_VNET, "subnets", "subnets"},
                   {AZ_T_VNET, "virtualNetworkPeerings", "virtualNetworkPeerings"},
                   {AZ_T_NSG, "securityRules", "securityRules"},
                   {AZ_T_ROUTE_TABLE, "routes", "routes"}};
    for (size_t k = 0; k < sizeof inlined / sizeof inlined[0]; k++) {
        json_t *properties = json_object_get(r->body, "properties");
        json_t *list = json_incref(json_object_get(properties, inlined[k].member));
        int result = 0;
        size_t i;
        const json_t *item;
        if (list == NULL || strcmp(r->type, inlined[k].type) != 0) {
            json_decref(list);
            continue;
        }
        json_object_del(properties, inlined[k].member);
        json_array_foreach(list, i, item) {
            json_t *body =
                strcmp(inlined[k].member, "subnets") == 0
                    ? az_subnet_clean(r->id, az_str(item, "name"), json_object_get(item, "properties"))
                    : json_pack("{s:o}", "properties", az_copy(json_object_get(item, "properties")));
            if (result == 0)
                result = put_child(m, r, inlined[k].plural, item, body, error, error_bytes);
            else
                json_decref(body);
        }
        json_decref(list);
        if (result < 0)
            return -1;
    }
    return 0;
}

static void set_default(struct az_resource *r, const char *path, json_t *take_value)
{
    if (az_at(r->body, path) == NULL)
        az_set(r->body, path, take_value);
    else
        json_decref(take_value);
}

static void complete_dns(struct az_model *m)
{
    for (struct az_resource *z = az_store_first(m, AZ_T_ZONE); z != NULL; z = z->next_of_type) {
        set_default(z, "location", json_string("global"));
        if (az_at(z->body, "properties.internalId") == NULL)
            az_set(z->body, "properties.internalId",
                   az_strf("SW1tdXRhYmxl%016llx", (unsigned long long)az_random(m)));
    }
    for (struct az_resource *l = az_store_first(m, AZ_T_LINK); l != NULL; l = l->next_of_type) {
        if (az_str(l->body, "properties.virtualNetworkLinkState")[0] == '\0')
            az_set_str(l->body, "properties.virtualNetworkLinkState", "Completed");
        if (az_at(l->body, "properties.registrationEnabled") == NULL)
            az_set(l->body, "properties.registrationEnabled", json_false());
        if (az_str(l->body, "location")[0] == '\0')
            az_set_str(l->body, "location", "global");
    }
    for (struct az_resource *r = az_store_first(m, AZ_T_RECORD_A); r != NULL; r = r->next_of_type) {
        if (az_at(r->body, "properties.ttl") == NULL)
            az_set(r->body, "properties.ttl", json_integer(10));
        if (az_str(r->body, "properties.fqdn")[0] == '\0')
            az_set(r->body, "properties.fqdn", az_strf("%s.%s.", r->name, r->parent->name));
        if (az_at(r->body, "properties.isAutoRegistered") == NULL)
            az_set(r->body, "properties.isAutoRegistered", json_false());
    }
}

static void complete_group_locations(struct az_model *m)
{
    for (struct az_resource *g = az_store_first(m, AZ_T_GROUP); g != NULL; g = g->next_of_type) {
        for (const struct az_resource *c = g->first_child;
             c != NULL && az_str(g->body, "location")[0] == '\0'; c = c->next_sibling) {
            const char *location = az_str(c->body, "location");
            if (location[0] != '\0' && !az_ieq(location, "global"))
                az_set_str(g->body, "location", location);
        }
        if (az_str(g->body, "location")[0] == '\0')
            az_set_str(g->body, "location", "chinaeast2");
    }
}

static void complete_subnets(struct az_model *m)
{
    for (struct az_resource *s = az_store_first(m, AZ_T_SUBNET); s != NULL; s = s->next_of_type) {
        json_t *clean = az_subnet_clean(s->parent->id, s->name, json_object_get(s->body, "properties"));
        az_set_str(clean, "properties.provisioningState", az_prov_state(s));
        json_object_set(s->body, "properties", json_object_get(clean, "properties"));
        json_decref(clean);
    }
}

static void complete_network(struct az_model *m)
{
    static const char *const flags[] = {"properties.allowForwardedTraffic", "properties.allowGatewayTransit",
                                        "properties.useRemoteGateways"};
    for (struct az_resource *v = az_store_first(m, AZ_T_VNET); v != NULL; v = v->next_of_type)
        set_default(v, "properties.enableDdosProtection", json_false());
    for (struct az_resource *n = az_store_first(m, AZ_T_NAT); n != NULL; n = n->next_of_type)
        set_default(n, "properties.idleTimeoutInMinutes", json_integer(4));
    for (struct az_resource *p = az_store_first(m, AZ_T_PEERING); p != NULL; p = p->next_of_type) {
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
            set_default(p, flags[i], json_false());
        set_default(p, "properties.allowVirtualNetworkAccess", json_true());
        set_default(p, "properties.peeringState", json_string("Connected"));
        set_default(p, "properties.peeringSyncLevel", json_string("FullyInSync"));
    }
    for (struct az_resource *g = az_store_first(m, AZ_T_ZONE_GROUP); g != NULL; g = g->next_of_type) {
        size_t i;
        json_t *c;
        json_array_foreach(az_at(g->body, "properties.privateDnsZoneConfigs"), i, c) {
            az_set(c, "id", az_strf("%s/privateDnsZoneConfigs/%s", g->id, az_str(c, "name")));
            az_set_str(c, "type",
                       "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/privateDnsZoneConfigs");
        }
    }
}

int az_state_complete(struct az_model *m, char *error, size_t error_bytes)
{
    complete_group_locations(m);
    complete_subnets(m);
    complete_network(m);
    for (struct az_resource *ws = az_store_first(m, AZ_T_WORKSPACE); ws != NULL; ws = ws->next_of_type)
        if (az_workspace_complete(m, ws, error, error_bytes) < 0)
            return -1;
    for (struct az_resource *pe = az_store_first(m, AZ_T_PE); pe != NULL; pe = pe->next_of_type)
        if (az_pe_complete(m, pe, error, error_bytes) < 0)
            return -1;
    for (struct az_resource *g = az_store_first(m, AZ_T_ZONE_GROUP); g != NULL; g = g->next_of_type)
        if (az_at(g->body, "properties.privateDnsZoneConfigs.0.properties.recordSets") == NULL)
            az_zone_group_write_records(m, g, NULL);
    complete_dns(m);
    return 0;
}

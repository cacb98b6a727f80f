/* NAT gateways, public addresses, route tables, network usages. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

/* ---- NAT gateways, public addresses ---- */

static const struct az_resource *nat_with(struct az_model *m, const char *address_id)
{
    for (const struct az_resource *n = az_store_first(m, AZ_T_NAT); n != NULL; n = n->next_of_type) {
        size_t i;
        const json_t *ip;
        json_array_foreach(az_at(n->body, "properties.publicIpAddresses"), i, ip)
            if (az_ieq(az_str(ip, "id"), address_id))
                return n;
    }
    return NULL;
}

static int check_address(struct az_change *p, const char *id)
{
    const struct az_resource *user = nat_with(p->m, id), *ip = az_store_get(p->m, id);
    if (az_check_reference(p, id, AZ_T_PUBLIC_IP, az_str(p->want, "location")) < 0)
        return -1;
    if (ip == NULL) {
        az_reply_error(p->res, 400, "InvalidRequestFormat",
                       "Cannot parse the request: a public address needs an id.");
        return -1;
    }
    if (user != NULL && !az_ieq(user->id, p->call->id)) {
        az_reply_error(p->res, 400, "PublicIPAddressInUse", "Public address %s is in use by %s.", id,
                       user->id);
        return -1;
    }
    if (az_ieq(az_str(ip->body, "sku.name"), "Standard"))
        return 0;
    az_reply_error(p->res, 400, "NatGatewayAndPublicIpSkuMismatch",
                   "A NAT gateway needs public addresses of the SKU 'Standard', not %s.", id);
    return -1;
}

static int prepare_nat(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties");
    json_object_del(properties, "subnets");
    if (json_object_get(properties, "idleTimeoutInMinutes") == NULL)
        json_object_set_new(properties, "idleTimeoutInMinutes", json_integer(4));
    az_change_lock(p, p->call->id);
    size_t i;
    const json_t *ip;
    json_array_foreach(json_object_get(properties, "publicIpAddresses"), i, ip)
        if (check_address(p, az_str(ip, "id")) < 0)
            return -1;
    if (strcmp(az_str(p->want, "sku.name"), "Standard") == 0)
        return 0;
    az_reply_error(p->res, 400, "InvalidParameter", "A NAT gateway needs the SKU 'Standard'.");
    return -1;
}

static int refuse_delete(struct az_change *p, const char *code, const char *user_id)
{
    az_reply_error(p->res, 400, code, "Resource %s cannot be deleted because it is in use by %s.",
                   p->existing->id, user_id);
    return -1;
}

/* Refuse when a subnet refers to it. */
static int refuse_if_referred(struct az_change *p, const char *code)
{
    json_t *users = az_store_referrer_ids(p->m, p->existing);
    int r = json_array_size(users) > 0 ? refuse_delete(p, code, az_str(users, "0.id")) : 0;
    json_decref(users);
    return r;
}

static int prepare_delete_nat(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    return refuse_if_referred(p, "InUseNatGatewayCannotBeDeleted");
}

static json_t *render_nat(struct az_model *m, struct az_resource *nat)
{
    json_t *body = az_copy(nat->body), *subnets = az_store_referrer_ids(m, nat);
    if (json_array_size(subnets) > 0)
        az_set(body, "properties.subnets", json_incref(subnets));
    json_decref(subnets);
    return body;
}

const struct az_type az_type_nat = {
    .type = AZ_T_NAT,
    .display = "Microsoft.Network/natGateways",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "nat.put",
    .delete_duration = "nat.delete",
    .min_s = 5,
    .max_s = 20,
    .new_state = "Updating",
    .prepare = prepare_nat,
    .prepare_delete = prepare_delete_nat,
    .render = render_nat,
};

static int prepare_public_ip(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties");
    char ip[16];
    json_object_del(properties, "ipConfiguration");
    json_object_del(properties, "natGateway");
    az_change_lock(p, p->call->id);
    if (json_object_get(properties, "publicIPAddressVersion") == NULL)
        json_object_set_new(properties, "publicIPAddressVersion", json_string("IPv4"));
    if (json_object_get(properties, "idleTimeoutInMinutes") == NULL)
        json_object_set_new(properties, "idleTimeoutInMinutes", json_integer(4));
    if (p->existing != NULL)
        json_object_set(properties, "ipAddress", az_at(p->existing->body, "properties.ipAddress"));
    else
        json_object_set_new(properties, "ipAddress",
                            json_string(az_ip_text(0xcb007100u + (uint32_t)(az_random(p->m) & 255), ip)));
    return 0;
}

static int prepare_delete_public_ip(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    const struct az_resource *nat = nat_with(p->m, p->existing->id);
    return nat == NULL ? 0 : refuse_delete(p, "PublicIPAddressCannotBeDeleted", nat->id);
}

static json_t *render_public_ip(struct az_model *m, struct az_resource *ip)
{
    json_t *body = json_deep_copy(ip->body);
    const struct az_resource *nat = nat_with(m, ip->id);
    if (nat != NULL)
        az_set_str(body, "properties.natGateway.id", nat->id);
    return body;
}

const struct az_type az_type_public_ip = {
    .type = AZ_T_PUBLIC_IP,
    .display = "Microsoft.Network/publicIPAddresses",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "publicip.put",
    .delete_duration = "publicip.delete",
    .min_s = 3,
    .max_s = 10,
    .new_state = "Updating",
    .prepare = prepare_public_ip,
    .prepare_delete = prepare_delete_public_ip,
    .render = render_public_ip,
};

/* ---- route tables ---- */

static int check_route(struct az_change *p, const json_t *properties)
{
    static const char *const hops[] = {"VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance",
                                       "None"};
    const char *hop = az_str(properties, "nextHopType"), *prefix = az_str(properties, "addressPrefix");
    bool is_known = false;
    for (size_t i = 0; i < sizeof hops / sizeof hops[0]; i++)
        is_known |= az_ieq(hops[i], hop);
    uint32_t ip;
    bool has_hop =
        !az_ieq(hop, "VirtualAppliance") || az_ip_parse(az_str(properties, "nextHopIpAddress"), &ip);
    if (is_known && has_hop && prefix[0] != '\0')
        return 0;
    az_reply_error(p->res, 400, "InvalidRouteParameter",
                   "A route needs a prefix, a known next hop type, and for "
                   "VirtualAppliance an address.");
    return -1;
}

static int prepare_route_table(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties"), *routes = json_array();
    size_t i;
    const json_t *route;
    az_change_lock(p, p->call->id);
    json_object_del(properties, "subnets");
    json_array_foreach(json_object_get(properties, "routes"), i, route) {
        json_t *clean = az_copy(json_object_get(route, "properties"));
        json_object_del(clean, "provisioningState");
        json_array_append_new(routes,
                              json_pack("{s:s,s:o}", "name", az_str(route, "name"), "properties", clean));
    }
    json_object_del(properties, "routes");
    p->pending = json_pack("{s:o}", "routes", routes);
    json_array_foreach(routes, i, route) {
        const struct az_resource *old =
            p->existing != NULL ? az_child_named(p->existing, AZ_T_ROUTE, az_str(route, "name")) : NULL;
        p->differs |= old == NULL || !az_same(json_object_get(route, "properties"),
                                              json_object_get(old->body, "properties"));
        if (check_route(p, json_object_get(route, "properties")) < 0)
            return -1;
    }
    size_t count = 0;
    for (const struct az_resource *r = p->existing != NULL ? az_child_first(p->existing, AZ_T_ROUTE) : NULL;
         r != NULL; r = az_child_next(r, AZ_T_ROUTE))
        count++;
    p->differs |= count != json_array_size(routes);
    return 0;
}

static void route_table_started(struct az_change *p, struct az_resource *table)
{
    struct az_resource *r;
    while ((r = az_child_first(table, AZ_T_ROUTE)) != NULL)
        az_store_delete(p->m, r);
    size_t i;
    const json_t *route;
    json_array_foreach(json_object_get(p->pending, "routes"), i, route) {
        char id[AZ_ID_MAX];
        snprintf(id, sizeof id, "%s/routes/%s", table->id, az_str(route, "name"));
        json_t *body = json_pack("{s:o}", "properties", az_copy(json_object_get(route, "properties")));
        az_set_str(body, "properties.provisioningState", "Succeeded");
        (void)az_store_put(p->m, id, body);
    }
}

static int prepare_delete_route_table(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    return refuse_if_referred(p, "InUseRouteTableCannotBeDeleted");
}

static json_t *render_route_table(struct az_model *m, struct az_resource *table)
{
    json_t *body = az_copy(table->body), *routes = json_array();
    for (struct az_resource *r = az_child_first(table, AZ_T_ROUTE); r != NULL;
         r = az_child_next(r, AZ_T_ROUTE))
        json_array_append_new(routes, az_copy(r->body));
    az_set(body, "properties.routes", routes);
    az_set(body, "properties.subnets", az_store_referrer_ids(m, table));
    return body;
}

const struct az_type az_type_route_table = {
    .type = AZ_T_ROUTE_TABLE,
    .display = "Microsoft.Network/routeTables",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "routetable.put",
    .delete_duration = "routetable.delete",
    .min_s = 3,
    .max_s = 10,
    .new_state = "Updating",
    .prepare = prepare_route_table,
    .started = route_table_started,
    .prepare_delete = prepare_delete_route_table,
    .render = render_route_table,
};

static int lock_self_and_parent(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    return 0;
}

static int prepare_route(struct az_change *p)
{
    (void)lock_self_and_parent(p);
    return check_route(p, json_object_get(p->want, "properties"));
}

const struct az_type az_type_route = {
    .type = AZ_T_ROUTE,
    .display = "Microsoft.Network/routeTables/routes",
    .versions = "network",
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "route.put",
    .delete_duration = "route.delete",
    .min_s = 3,
    .max_s = 10,
    .new_state = "Updating",
    .prepare = prepare_route,
    .prepare_delete = lock_self_and_parent,
};

/* ---- usages ---- */

static json_t *usage(struct az_model *m, const char *sub, const char *location, const char *name,
                     const char *type, int limit)
{
    char prefix[128];
    int count = 0;
    snprintf(prefix, sizeof prefix, "/subscriptions/%.40s/", sub);
    for (const struct az_resource *r = az_store_first(m, type); r != NULL; r = r->next_of_type)
        count += az_istarts(r->key, prefix) && az_location_eq(az_str(r->body, "location"), location);
    return json_pack(
        "{s:o,s:s,s:i,s:i,s:{s:s,s:s}}", "id",
        az_strf("/subscriptions/%s/providers/Microsoft.Network/locations/%s/usages/%s", sub, location, name),
        "unit", "Count", "currentValue", count, "limit", limit, "name", "value", name, "localizedValue",
        name);
}

void az_h_network_usages(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *sub = call->segments[1], *location = call->segments[5];
    json_t *all = json_array();
    json_array_append_new(all, usage(m, sub, location, "VirtualNetworks", AZ_T_VNET, 1000));
    json_array_append_new(all, usage(m, sub, location, "NetworkSecurityGroups", AZ_T_NSG, 5000));
    json_array_append_new(all, usage(m, sub, location, "PrivateEndpoints", AZ_T_PE, 65536));
    json_array_append_new(all, usage(m, sub, location, "PublicIPAddresses", AZ_T_PUBLIC_IP, 1000));
    json_array_append_new(all, usage(m, sub, location, "NatGateways", AZ_T_NAT, 100));
    json_array_append_new(all, usage(m, sub, location, "RouteTables", AZ_T_ROUTE_TABLE, 200));
    az_reply_page(m, call, res, all);
}

void az_h_endpoint_types(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *one =
        json_pack("{s:s,s:o,s:s,s:s,s:s}", "name", "Microsoft.Databricks.workspaces", "id",
                  az_strf("/subscriptions/%s/providers/Microsoft.Network/AvailablePrivateEndpointTypes/"
                          "Microsoft.Databricks.workspaces",
                          call->segments[1]),
                  "type", "Microsoft.Network/AvailablePrivateEndpointTypes", "resourceName",
                  "Microsoft.Databricks/workspaces", "displayName", "Microsoft.Databricks/workspaces");
    az_reply_page(m, call, res, json_pack("[o]", one));
}

/* Where a connection from a node ends: security group, then route, then what stands at the other end. */
#include "tests/azure/graph_inside.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BITS_OF_ENDPOINT \
    32 /* a private endpoint's own route: only a user's route to the very address goes before it */
#define BITS_ABOVE_ALL 33 /* service endpoints' routes */
#define BITS_OF_TAG 24
#define NAMES_AGREE_MS 600000 /* the records of a service change so often, and so long both sides agree */

struct hop {
    int bits;
    bool is_user_route;
    const char
        *type; /* "VnetLocal", "VNetPeering", "Internet", "None", "VirtualAppliance", "VirtualNetworkGateway",
                         "InterfaceEndpoint", "VirtualNetworkServiceEndpoint" */
    char appliance[16];
    char route[100];
};

struct way {
    struct az_model *m;
    const struct az_resource *ws, *vnet, *subnet;
    struct graph_flow flow;
    const struct az_resource *pe;
    struct az_path *ret;
};

static void stop(struct way *w, const char *cause, const char *fmt, const char *detail)
{
    w->ret->end = AZ_END_NOWHERE;
    w->ret->cause = cause;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(w->ret->why, sizeof w->ret->why, fmt, detail);
#pragma GCC diagnostic pop
}

/* ---- routes ------------------------------------------------------------------------------------------------------------------- */

static const char *policies_of(struct az_model *m, const struct az_resource *pe)
{
    const struct az_resource *subnet = az_store_get(m, az_str(pe->body, "properties.subnet.id"));
    return subnet != NULL ? az_str(subnet->body, "properties.privateEndpointNetworkPolicies") : "";
}

static bool has_service_endpoint(const struct way *w)
{
    size_t i;
    const json_t *e;
    char wanted[64];
    if (w->flow.tag == NULL)
        return false;
    snprintf(wanted, sizeof wanted, "Microsoft.%s", w->flow.tag);
    json_array_foreach(az_at(w->subnet->body, "properties.serviceEndpoints"), i, e)
        if (az_ieq(az_str(e, "service"), wanted))
            return true;
    return false;
}

static void consider(struct hop *best, int bits, bool is_user_route, const char *type)
{
    if (bits < best->bits || (bits == best->bits && best->is_user_route >= is_user_route))
        return;
    *best = (struct hop){.bits = bits, .is_user_route = is_user_route, .type = type};
}

static void consider_system_routes(const struct way *w, struct hop *best)
{
    size_t i;
    const json_t *text;
    struct az_cidr range, one = {.address = w->flow.to, .bits = 32};
    const struct az_resource *home = graph_vnet_of_ip(w->m, w->vnet, w->flow.to);
    consider(best, 0, false, "Internet");
    json_array_foreach(home != NULL ? az_at(home->body, "properties.addressSpace.addressPrefixes") : NULL, i,
                       text)
        if (json_is_string(text) && az_cidr_parse(json_string_value(text), &range) &&
            az_cidr_has(&range, &one))
            consider(best, (int)range.bits, false, home == w->vnet ? "VnetLocal" : "VNetPeering");
    if (w->pe != NULL) {
        const char *policies = policies_of(w->m, w->pe);
        if (!az_ieq(policies, "Enabled") && !az_ieq(policies, "RouteTableEnabled"))
            consider(best, BITS_OF_ENDPOINT, false, "InterfaceEndpoint");
    }
    if (has_service_endpoint(w))
        consider(best, BITS_ABOVE_ALL, false, "VirtualNetworkServiceEndpoint");
}

static void consider_user_routes(const struct way *w, struct hop *best)
{
    const struct az_resource *table = az_store_get(w->m, az_str(w->subnet->body, "properties.routeTable.id"));
    const struct az_resource *r = table != NULL ? az_child_first(table, AZ_T_ROUTE) : NULL;
    for (; r != NULL; r = az_child_next(r, AZ_T_ROUTE)) {
        struct az_cidr range, one = {.address = w->flow.to, .bits = 32};
        const char *prefix = az_str(r->body, "properties.addressPrefix"),
                   *type = az_str(r->body, "properties.nextHopType");
        size_t n = strcspn(prefix, ".");
        int bits = -1;
        if (az_cidr_parse(prefix, &range))
            bits = az_cidr_has(&range, &one) ? (int)range.bits : -1;
        else if (w->flow.tag != NULL && strlen(w->flow.tag) == n && strncasecmp(prefix, w->flow.tag, n) == 0)
            bits = BITS_OF_TAG;
        if (bits < best->bits || (bits == best->bits && best->is_user_route))
            continue;
        *best = (struct hop){.bits = bits, .is_user_route = true, .type = type};
        snprintf(best->appliance, sizeof best->appliance, "%.15s",
                 az_str(r->body, "properties.nextHopIpAddress"));
        snprintf(best->route, sizeof best->route, "%.99s", r->name);
    }
}

/* ---- ends --------------------------------------------------------------------------------------------------------------------- */

static bool passes_endpoint_subnet(struct way *w)
{
    char rule[260];
    const struct az_resource *subnet = az_store_get(w->m, az_str(w->pe->body, "properties.subnet.id"));
    const char *policies = policies_of(w->m, w->pe);
    struct graph_flow flow = w->flow;
    if (subnet == NULL || (!az_ieq(policies, "Enabled") && !az_ieq(policies, "NetworkSecurityGroupEnabled")))
        return true;
    flow.vnet = subnet->parent;
    if (graph_nsg_allows(w->m, subnet, true, &flow, rule))
        return true;
    stop(w, "endpoint-subnet-nsg", "the security group of the endpoint's subnet denies it by rule %s", rule);
    return false;
}

static void arrive_at_endpoint(struct way *w)
{
    int port = w->flow.port;
    bool is_open = port == 443 || port == 6666 || port == 3306 || (port >= 8443 && port <= 8451);
    w->ret->endpoint = w->pe;
    if (!passes_endpoint_subnet(w))
        return;
    if (!az_pe_is_approved(w->pe) || !az_ieq(az_prov_state(w->pe), "Succeeded")) {
        stop(w, "endpoint-not-approved", "private endpoint %s is not approved", w->pe->name);
        return;
    }
    w->ret->end = is_open ? AZ_END_ENDPOINT : AZ_END_REFUSED;
    snprintf(w->ret->why, sizeof w->ret->why, "private endpoint %.200s", w->pe->name);
}

static bool is_node(const struct az_resource *vnet, const char *ip)
{
    for (const struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET))
        if (json_object_get(json_object_get(s->state, "ips"), ip) != NULL)
            return true;
    return false;
}

static void arrive_inside(struct way *w)
{
    char ip[16];
    const struct az_resource *home = graph_vnet_of_ip(w->m, w->vnet, w->flow.to);
    if (w->pe != NULL) {
        arrive_at_endpoint(w);
    } else if (home != NULL && is_node(home, az_ip_text(w->flow.to, ip))) {
        w->ret->end = AZ_END_HOST;
    } else {
        stop(w, "nobody-there", "nobody has the address %s in the network or a connected one",
             az_ip_text(w->flow.to, ip));
    }
}

static void arrive_outside(struct way *w)
{
    if (w->flow.tag == NULL) {
        stop(w, "nobody-there", "%s", "nobody has this address, in connected networks or on the internet");
        return;
    }
    w->ret->end = strcmp(w->flow.tag, AZ_TO_CONTROL_PLANE) == 0 ? AZ_END_CONTROL_PLANE : AZ_END_SERVICE;
    snprintf(w->ret->why, sizeof w->ret->why, "public address of %s", w->flow.tag);
}

static void go_out(struct way *w)
{
    const struct az_resource *nat = az_store_get(w->m, az_str(w->subnet->body, "properties.natGateway.id"));
    const struct az_resource *ip =
        nat != NULL ? az_store_get(w->m, az_str(nat->body, "properties.publicIpAddresses.0.id")) : NULL;
    bool has_prefix = nat != NULL && json_array_size(az_at(nat->body, "properties.publicIpPrefixes")) > 0;
    bool has_own_ips = !az_bool(w->ws->body, "properties.parameters.enableNoPublicIp.value", true);
    if (graph_vnet_of_ip(w->m, w->vnet, w->flow.to) != NULL) {
        stop(w, "route-override", "%s", "the route sends an inside address to the internet");
        return;
    }
    if (nat != NULL && ip == NULL && !has_prefix) {
        stop(w, "no-egress", "NAT gateway %s has no public address", nat->name);
        return;
    }
    if (nat != NULL)
        snprintf(w->ret->egress_ip, sizeof w->ret->egress_ip, "%.15s",
                 ip != NULL ? az_str(ip->body, "properties.ipAddress") : GRAPH_DEFAULT_EGRESS_IP);
    else if (has_own_ips || az_bool(w->subnet->body, "properties.defaultOutboundAccess", true))
        snprintf(w->ret->egress_ip, sizeof w->ret->egress_ip, "%s", GRAPH_DEFAULT_EGRESS_IP);
    else {
        stop(w, "no-egress", "subnet %s has no way out: no NAT gateway, no route, no default outbound access",
             w->subnet->name);
        return;
    }
    arrive_outside(w);
}

static bool appliance_allows(const json_t *appliance, const char *tag)
{
    size_t i;
    const json_t *item, *allows = json_object_get(appliance, "allows");
    if (appliance == NULL)
        return false;
    if (!json_is_array(allows))
        return true;
    json_array_foreach(allows, i, item)
        if (az_ieq(json_string_value(item), tag != NULL ? tag : "private"))
            return true;
    return false;
}

/* Rules by name hold addresses that the appliance resolved; nodes that ask another server get the same ones by turns only. */
static bool has_other_address(const struct way *w, const struct hop *hop, const json_t *appliance)
{
    size_t i;
    const json_t *item, *servers = az_at(w->vnet->body, "properties.dhcpOptions.dnsServers");
    bool is_by_name = false;
    json_array_foreach(json_object_get(appliance, "byName"), i, item)
        is_by_name |= w->flow.tag != NULL && az_ieq(json_string_value(item), w->flow.tag);
    json_array_foreach(servers, i, item)
        if (json_is_string(item) && strcmp(json_string_value(item), hop->appliance) == 0)
            return false;
    return is_by_name && az_now(w->m) / az_scaled(w->m, NAMES_AGREE_MS) % 2 == 0;
}

static void go_through_appliance(struct way *w, const struct hop *hop)
{
    uint32_t address;
    const json_t *appliance = json_object_get(json_object_get(dbx_root(w->m), "appliances"), hop->appliance);
    if (appliance == NULL || !az_ip_parse(hop->appliance, &address) ||
        graph_vnet_of_ip(w->m, w->vnet, address) == NULL) {
        stop(w, w->pe != NULL ? "route-override" : "dead-appliance", "nothing at next hop %s forwards it",
             hop->appliance);
        return;
    }
    if (!appliance_allows(appliance, w->flow.tag)) {
        stop(w, w->pe != NULL ? "route-override" : "firewall-denies", "the appliance at %s denies it",
             hop->appliance);
        return;
    }
    if (has_other_address(w, hop, appliance)) {
        stop(w, "firewall-names-differ",
             "the appliance at %s allows the name, but knows another address of it than the node",
             hop->appliance);
        return;
    }
    w->ret->inspects_tls = az_bool(appliance, "inspectsTls", false) && w->flow.port == 443;
    if (w->flow.tag == NULL) {
        arrive_inside(w);
        return;
    }
    const char *ip = az_str(appliance, "publicIp");
    snprintf(w->ret->egress_ip, sizeof w->ret->egress_ip, "%.15s",
             ip[0] != '\0' ? ip : GRAPH_DEFAULT_EGRESS_IP);
    arrive_outside(w);
}

static void go(struct way *w)
{
    struct hop hop = {.bits = -1, .type = ""};
    consider_system_routes(w, &hop);
    consider_user_routes(w, &hop);
    if (strcasecmp(hop.type, "None") == 0)
        stop(w, "blackhole", "route %s drops it", hop.route);
    else if (strcasecmp(hop.type, "VirtualAppliance") == 0)
        go_through_appliance(w, &hop);
    else if (strcasecmp(hop.type, "VirtualNetworkGateway") == 0)
        stop(w, "gateway", "route %s sends it to a gateway, behind which nobody answers", hop.route);
    else if (strcasecmp(hop.type, "Internet") == 0)
        go_out(w);
    else if (strcasecmp(hop.type, "VirtualNetworkServiceEndpoint") == 0)
        arrive_outside(w);
    else
        arrive_inside(w);
}

static void go_from_managed(struct way *w)
{
    if (w->flow.tag == NULL) {
        stop(w, "managed-network", "%s", "the workspace's managed network is connected with nothing private");
        return;
    }
    snprintf(w->ret->egress_ip, sizeof w->ret->egress_ip, "%s", GRAPH_MANAGED_EGRESS_IP);
    arrive_outside(w);
}

void az_graph_path(struct az_model *m, const struct az_resource *workspace, bool is_host_subnet,
                   const char *to, int port, struct az_path *ret)
{
    char rule[260], ip[16];
    struct way w = {.m = m, .ws = workspace, .ret = ret, .vnet = graph_vnet(m, workspace)};
    const char *service_ip = graph_ip_of_service(to);
    memset(ret, 0, sizeof *ret);
    ret->cause = "";
    w.flow = (struct graph_flow){.vnet = w.vnet, .port = port, .protocol = "Tcp"};
    if (!az_ip_parse(service_ip != NULL ? service_ip : to, &w.flow.to)) {
        stop(&w, "unknown-address", "%s is no address", to);
        return;
    }
    w.flow.tag = graph_tag_of(w.flow.to);
    if (!az_workspace_is_injected(workspace)) {
        go_from_managed(&w);
        return;
    }
    w.subnet = az_workspace_subnet(m, workspace->body, is_host_subnet);
    if (w.vnet == NULL || w.subnet == NULL) {
        stop(&w, "subnet-missing", "%s", "the workspace's network or subnet is gone");
        return;
    }
    w.flow.from = graph_subnet_ip(w.subnet);
    w.pe = graph_endpoint_at(m, w.vnet, az_ip_text(w.flow.to, ip));
    if (w.flow.tag == NULL && w.pe != NULL)
        ret->endpoint = w.pe;
    if (!graph_nsg_allows(m, w.subnet, false, &w.flow, rule)) {
        stop(&w, "subnet-nsg", "the security group of the node's subnet denies it by rule %s", rule);
        return;
    }
    go(&w);
}

/* Networks and security groups: who is connected with whom, and which rule decides. */
#include "tests/azure/graph_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *tag, *ip;
} services[] = {
    {AZ_TO_CONTROL_PLANE, GRAPH_CONTROL_PLANE_IP},
    {AZ_TO_STORAGE, "198.51.100.40"},
    {AZ_TO_SQL, "198.51.100.50"},
    {AZ_TO_EVENTHUB, "198.51.100.60"},
    {AZ_TO_AAD, "198.51.100.70"},
};
#define SERVICE_COUNT (sizeof services / sizeof services[0])

const char *graph_ip_of_service(const char *name)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        if (strcmp(services[i].tag, name) == 0)
            return services[i].ip;
    return NULL;
}

const char *graph_tag_of(uint32_t ip)
{
    char text[16];
    az_ip_text(ip, text);
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        if (strcmp(services[i].ip, text) == 0)
            return services[i].tag;
    return NULL;
}

/* ---- networks ---------------------------------------------------------------------------------------------------------------- */

const struct az_resource *graph_vnet(struct az_model *m, const struct az_resource *workspace)
{
    const char *id = az_str(workspace->body, "properties.parameters.customVirtualNetworkId.value");
    return id[0] != '\0' ? az_store_get(m, id) : NULL;
}

static bool list_has(const json_t *prefixes, uint32_t ip)
{
    size_t i;
    const json_t *text;
    struct az_cidr range, one = {.address = ip, .bits = 32};
    json_array_foreach(prefixes, i, text)
        if (json_is_string(text) && az_cidr_parse(json_string_value(text), &range) &&
            az_cidr_has(&range, &one))
            return true;
    return false;
}

bool graph_vnet_has(const struct az_resource *vnet, uint32_t ip)
{
    return list_has(az_at(vnet->body, "properties.addressSpace.addressPrefixes"), ip);
}

bool graph_is_peered(struct az_model *m, const struct az_resource *vnet, const struct az_resource *other)
{
    (void)m;
    for (const struct az_resource *p = az_child_first(vnet, AZ_T_PEERING); p != NULL;
         p = az_child_next(p, AZ_T_PEERING))
        if (az_ieq(az_str(p->body, "properties.remoteVirtualNetwork.id"), other->id) &&
            az_ieq(az_str(p->body, "properties.peeringState"), "Connected") &&
            az_bool(p->body, "properties.allowVirtualNetworkAccess", true))
            return true;
    return false;
}

const struct az_resource *graph_vnet_of_ip(struct az_model *m, const struct az_resource *vnet, uint32_t ip)
{
    if (graph_vnet_has(vnet, ip))
        return vnet;
    for (const struct az_resource *p = az_child_first(vnet, AZ_T_PEERING); p != NULL;
         p = az_child_next(p, AZ_T_PEERING)) {
        const struct az_resource *other =
            az_store_get(m, az_str(p->body, "properties.remoteVirtualNetwork.id"));
        if (other != NULL && graph_is_peered(m, vnet, other) && graph_vnet_has(other, ip))
            return other;
    }
    return NULL;
}

uint32_t graph_subnet_ip(const struct az_resource *subnet)
{
    struct az_cidr prefix = {0};
    return az_subnet_prefix(subnet->body, &prefix) ? prefix.address + 4 : 0;
}

static int64_t free_addresses(const struct az_resource *subnet)
{
    struct az_cidr prefix;
    if (subnet == NULL || !az_subnet_prefix(subnet->body, &prefix) || prefix.bits > 29)
        return 0;
    int64_t all = ((int64_t)1 << (32 - prefix.bits)) - 5; /* five are Azure's */
    return all - (int64_t)json_object_size(json_object_get(subnet->state, "ips"));
}

int64_t az_graph_room(struct az_model *m, const struct az_resource *workspace)
{
    if (!az_workspace_is_injected(workspace))
        return INT64_MAX;
    int64_t host = free_addresses(az_workspace_subnet(m, workspace->body, true));
    int64_t container = free_addresses(az_workspace_subnet(m, workspace->body, false));
    return host < container ? host : container;
}

const struct az_resource *graph_endpoint_vnet(struct az_model *m, const struct az_resource *pe)
{
    const struct az_resource *subnet = az_store_get(m, az_str(pe->body, "properties.subnet.id"));
    return subnet != NULL ? subnet->parent : NULL;
}

/* The private endpoint whose NIC holds the address in one network. */
static const struct az_resource *endpoint_in(struct az_model *m, const struct az_resource *vnet,
                                             const char *ip)
{
    for (const struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET)) {
        const char *owner = json_string_value(json_object_get(json_object_get(s->state, "ips"), ip));
        const struct az_resource *nic = owner != NULL ? az_store_get(m, owner) : NULL;
        const struct az_resource *pe =
            nic != NULL ? az_store_get(m, az_str(nic->body, "properties.privateEndpoint.id")) : NULL;
        if (pe != NULL)
            return pe;
    }
    return NULL;
}

const struct az_resource *graph_endpoint_at(struct az_model *m, const struct az_resource *vnet,
                                            const char *ip)
{
    const struct az_resource *found = endpoint_in(m, vnet, ip);
    const struct az_resource *p = az_child_first(vnet, AZ_T_PEERING);
    for (; p != NULL && found == NULL; p = az_child_next(p, AZ_T_PEERING)) {
        const struct az_resource *other =
            az_store_get(m, az_str(p->body, "properties.remoteVirtualNetwork.id"));
        if (other != NULL && graph_is_peered(m, vnet, other))
            found = endpoint_in(m, other, ip);
    }
    return found;
}

/* ---- security groups ---------------------------------------------------------------------------------------------------------- */

static bool port_matches(const char *text, int port)
{
    char *end;
    if (strcmp(text, "*") == 0)
        return true;
    long low = strtol(text, &end, 10), high = *end == '-' ? strtol(end + 1, NULL, 10) : low;
    return end != text && port >= low && port <= high;
}

static bool any_port_matches(const json_t *rule, int port)
{
    size_t i;
    const json_t *item;
    const char *one = az_str(rule, "destinationPortRange");
    if (one[0] != '\0' && port_matches(one, port))
        return true;
    json_array_foreach(json_object_get(rule, "destinationPortRanges"), i, item)
        if (json_is_string(item) && port_matches(json_string_value(item), port))
            return true;
    return false;
}

static bool address_matches(struct az_model *m, const struct graph_flow *flow, const char *text, uint32_t ip,
                            const char *tag)
{
    char with_bits[40];
    struct az_cidr range, one = {.address = ip, .bits = 32};
    bool is_inside = graph_vnet_of_ip(m, flow->vnet, ip) != NULL;
    if (strcmp(text, "*") == 0 || strcmp(text, "0.0.0.0/0") == 0 || az_ieq(text, "Any"))
        return true;
    if (az_ieq(text, "VirtualNetwork"))
        return is_inside;
    if (az_ieq(text, "Internet"))
        return !is_inside;
    if (az_istarts(text, "AzureCloud"))
        return tag != NULL;
    size_t n = strcspn(text, ".");
    if (tag != NULL && strlen(tag) == n && strncasecmp(text, tag, n) == 0)
        return true;
    snprintf(with_bits, sizeof with_bits, "%.20s%s", text, strchr(text, '/') != NULL ? "" : "/32");
    return az_cidr_parse(with_bits, &range) && az_cidr_has(&range, &one);
}

static bool side_matches(struct az_model *m, const struct graph_flow *flow, const json_t *rule,
                         const char *member, uint32_t ip, const char *tag)
{
    size_t i;
    const json_t *item;
    char plural[64];
    const char *one = az_str(rule, member);
    if (one[0] != '\0' && address_matches(m, flow, one, ip, tag))
        return true;
    snprintf(plural, sizeof plural, "%ses", member);
    json_array_foreach(json_object_get(rule, plural), i, item)
        if (json_is_string(item) && address_matches(m, flow, json_string_value(item), ip, tag))
            return true;
    return false;
}

static bool rule_matches(struct az_model *m, const json_t *rule, const char *direction,
                         const struct graph_flow *flow)
{
    const char *protocol = az_str(rule, "protocol");
    return az_ieq(az_str(rule, "direction"), direction) &&
           (strcmp(protocol, "*") == 0 || az_ieq(protocol, flow->protocol)) &&
           any_port_matches(rule, flow->port) &&
           side_matches(m, flow, rule, "sourceAddressPrefix", flow->from, graph_tag_of(flow->from)) &&
           side_matches(m, flow, rule, "destinationAddressPrefix", flow->to, flow->tag);
}

bool graph_nsg_allows(struct az_model *m, const struct az_resource *subnet, bool is_inbound,
                      const struct graph_flow *flow, char ret_rule[260])
{
    const struct az_resource *best = NULL;
    const struct az_resource *nsg =
        az_store_get(m, az_str(subnet->body, "properties.networkSecurityGroup.id"));
    ret_rule[0] = '\0';
    if (nsg == NULL)
        return true;
    for (const struct az_resource *r = az_child_first(nsg, AZ_T_NSG_RULE); r != NULL;
         r = az_child_next(r, AZ_T_NSG_RULE)) {
        const json_t *rule = json_object_get(r->body, "properties");
        if (rule_matches(m, rule, is_inbound ? "Inbound" : "Outbound", flow) &&
            (best == NULL || az_int(rule, "priority", 0) < az_int(best->body, "properties.priority", 0)))
            best = r;
    }
    if (best != NULL) {
        snprintf(ret_rule, 260, "%s", best->name);
        return az_ieq(az_str(best->body, "properties.access"), "Allow");
    }
    bool is_from_inside = graph_vnet_of_ip(m, flow->vnet, flow->from) != NULL;
    bool is_to_inside = graph_vnet_of_ip(m, flow->vnet, flow->to) != NULL;
    bool is_allowed = is_inbound ? is_from_inside && is_to_inside : is_from_inside || is_to_inside;
    snprintf(ret_rule, 260, "%s", is_allowed ? "default rule" : "DenyAll");
    return is_allowed;
}

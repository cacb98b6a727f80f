/* Names: Azure's resolver with its private zones, servers of one's own, and the public internet. */
#include "tests/azure/graph_inside.h"

#include <stdio.h>
#include <string.h>

#define PUBLIC_TTL_S 60

/* "x.y" of "x.y.zone", or NULL when the name is not below the zone. */
static const char *label_in(const char *name, const char *zone, char buf[256])
{
    size_t n = strlen(name), k = strlen(zone);
    if (n <= k + 1 || !az_ieq(name + n - k, zone) || name[n - k - 1] != '.')
        return NULL;
    snprintf(buf, 256, "%.*s", (int)(n - k - 1), name);
    return buf;
}

static bool is_link_up(const struct az_resource *link)
{
    const char *state = az_str(link->body, "properties.virtualNetworkLinkState");
    return az_ieq(az_prov_state(link), "Succeeded") && (state[0] == '\0' || az_ieq(state, "Completed"));
}

/* The most specific zone that is linked to the network and holds the name. */
static const struct az_resource *zone_for(struct az_model *m, const struct az_resource *vnet,
                                          const char *name)
{
    char label[256];
    const struct az_resource *best = NULL;
    if (vnet == NULL)
        return NULL;
    for (struct az_resource *link = az_store_first(m, AZ_T_LINK); link != NULL; link = link->next_of_type)
        if (az_ieq(az_str(link->body, "properties.virtualNetwork.id"), vnet->id) && is_link_up(link) &&
            label_in(name, link->parent->name, label) != NULL &&
            (best == NULL || strlen(link->parent->name) > strlen(best->name)))
            best = link->parent;
    return best;
}

static void add_address(struct az_dns_answer *ret, const char *ip, int64_t ttl)
{
    if (ret->address_count < AZ_GRAPH_HOPS_MAX)
        snprintf(ret->addresses[ret->address_count++], 16, "%s", ip);
    ret->ttl = ttl;
}

static void answer_from_zone(const struct az_resource *zone, const char *name, struct az_dns_answer *ret)
{
    size_t i;
    const json_t *a;
    char label[256];
    const struct az_resource *record = az_child_named(zone, AZ_T_RECORD_A, label_in(name, zone->name, label));
    if (record == NULL)
        record = az_child_named(zone, AZ_T_RECORD_A, "*");
    const json_t *list = record != NULL ? az_at(record->body, "properties.aRecords") : NULL;
    ret->rcode = json_array_size(list) > 0 ? "NOERROR" : "NXDOMAIN";
    json_array_foreach(list, i, a)
        add_address(ret, az_str(a, "ipv4Address"), az_int(record->body, "properties.ttl", 3600));
}

static bool has_endpoint(const struct az_resource *ws)
{
    const struct az_resource *c = az_child_first(ws, AZ_T_WS_CONNECTION);
    for (; c != NULL; c = az_child_next(c, AZ_T_WS_CONNECTION))
        if (az_ieq(az_str(c->body, "properties.groupIds.0"), "databricks_ui_api"))
            return true;
    return false;
}

static bool has_browser_endpoint(struct az_model *m, const char *region)
{
    for (struct az_resource *ws = az_store_first(m, AZ_T_WORKSPACE); ws != NULL; ws = ws->next_of_type) {
        const struct az_resource *c = az_child_first(ws, AZ_T_WS_CONNECTION);
        for (; az_ieq(az_str(ws->body, "location"), region) && c != NULL;
             c = az_child_next(c, AZ_T_WS_CONNECTION))
            if (az_ieq(az_str(c->body, "properties.groupIds.0"), "browser_authentication"))
                return true;
    }
    return false;
}

/* What the internet says. true: ret_next is a name to go on with. */
static bool answer_publicly(struct az_model *m, const char *name, struct az_dns_answer *ret,
                            char ret_next[256])
{
    char label[256];
    const struct az_resource *ws = az_workspace_of_host(m, name);
    const char *auth = strstr(name, ".pl-auth.");
    bool is_below_zone = label_in(name, az_private_zone(m), label) != NULL;
    bool is_below_suffix = label_in(name, az_workspace_suffix(m) + 1, label) != NULL;
    bool is_private = false;
    ret->rcode = "NOERROR";
    if (is_below_zone) {
        add_address(ret, GRAPH_CONTROL_PLANE_IP, PUBLIC_TTL_S);
        return false;
    }
    if (ws != NULL) {
        is_private = has_endpoint(ws);
    } else if (auth != NULL && is_below_suffix) {
        char region[256];
        snprintf(region, sizeof region, "%.*s", (int)(auth - name), name);
        is_private = has_browser_endpoint(m, region);
    } else {
        ret->rcode = "NXDOMAIN";
        return false;
    }
    if (!is_private) {
        add_address(ret, GRAPH_CONTROL_PLANE_IP, PUBLIC_TTL_S);
        return false;
    }
    (void)label_in(name, az_workspace_suffix(m) + 1, label);
    snprintf(ret_next, 256, "%.120s.%.130s", label, az_private_zone(m));
    return true;
}

void az_graph_azure_dns(struct az_model *m, const struct az_resource *vnet, const char *name,
                        struct az_dns_answer *ret)
{
    char at[256], next[256];
    memset(ret, 0, sizeof *ret);
    snprintf(at, sizeof at, "%.255s", name);
    for (ret->rcode = "SERVFAIL"; ret->cname_count < AZ_GRAPH_HOPS_MAX;) {
        const struct az_resource *zone = zone_for(m, vnet, at);
        if (zone != NULL) {
            answer_from_zone(zone, at, ret);
            return;
        }
        if (!answer_publicly(m, at, ret, next))
            return;
        snprintf(ret->cname[ret->cname_count++], 256, "%s", next);
        snprintf(at, sizeof at, "%s", next);
    }
}

/* ---- servers of one's own --------------------------------------------------------------------------------------------------- */

static bool is_private_ip(uint32_t ip)
{
    return ip >> 24 == 10 || ip >> 20 == (172u << 4 | 1) || ip >> 16 == (192u << 8 | 168);
}

static bool is_reachable(struct az_model *m, const struct az_resource *ws, uint32_t server)
{
    char rule[260];
    const struct az_resource *vnet = graph_vnet(m, ws), *subnet = az_workspace_subnet(m, ws->body, false);
    if (vnet == NULL || subnet == NULL ||
        (is_private_ip(server) && graph_vnet_of_ip(m, vnet, server) == NULL))
        return !is_private_ip(server);
    struct graph_flow flow = {
        .vnet = vnet, .from = graph_subnet_ip(subnet), .to = server, .port = 53, .protocol = "Udp"};
    return graph_nsg_allows(m, subnet, false, &flow, rule);
}

static bool is_forwarded(const json_t *forwards, const char *name)
{
    size_t i;
    const json_t *suffix;
    char label[256];
    if (!json_is_array(forwards))
        return true;
    json_array_foreach(forwards, i, suffix)
        if (!json_is_string(suffix))
            continue;
        else if (strcmp(json_string_value(suffix), ".") == 0 ||
                 label_in(name, json_string_value(suffix), label) != NULL)
            return true;
    return false;
}

void az_graph_dns(struct az_model *m, const struct az_resource *workspace, const char *server,
                  const char *name, struct az_dns_answer *ret)
{
    uint32_t ip = 0;
    const struct az_resource *vnet = graph_vnet(m, workspace);
    if (strcmp(server, GRAPH_AZURE_DNS) == 0) {
        az_graph_azure_dns(m, vnet, name, ret);
        return;
    }
    memset(ret, 0, sizeof *ret);
    ret->rcode = "TIMEOUT";
    const json_t *known = json_object_get(json_object_get(dbx_root(m), "dnsServers"), server);
    bool is_there =
        az_bool(known, "onPremises", false) || (az_ip_parse(server, &ip) && is_reachable(m, workspace, ip));
    if (!is_there || !az_bool(known, "answers", true))
        return;
    const char *cached = json_string_value(json_object_get(json_object_get(known, "cached"), name));
    if (cached != NULL) {
        ret->rcode = "NOERROR";
        add_address(ret, cached, 300);
        return;
    }
    const struct az_resource *view = vnet != NULL ? graph_vnet_of_ip(m, vnet, ip) : NULL;
    if (az_str(known, "vnet")[0] != '\0')
        view = az_store_get(m, az_str(known, "vnet"));
    az_graph_azure_dns(m, is_forwarded(json_object_get(known, "forwards"), name) ? view : NULL, name, ret);
}

json_t *az_graph_resolvers(struct az_model *m, const struct az_resource *workspace)
{
    const struct az_resource *vnet = graph_vnet(m, workspace);
    json_t *servers = vnet != NULL ? az_copy(az_at(vnet->body, "properties.dhcpOptions.dnsServers")) : NULL;
    if (json_array_size(servers) > 0)
        return servers;
    json_decref(servers);
    return json_pack("[s]", GRAPH_AZURE_DNS);
}

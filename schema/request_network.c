#include "schema/request_network.h"

#define SPACE_BITS_MIN 16
#define SPACE_BITS_MAX 24
#define WORKSPACE_SUBNET_BITS_MAX 26
#define ENDPOINT_SUBNET_BITS_MAX 28
#define ENDPOINT_SUBNET_BITS 27

static const char *prefix_text(uint32_t base, int bits, struct cw_arena *mem)
{
    return cw_arena_printf(mem, "%u.%u.%u.%u/%d", base >> 24, base >> 16 & 255, base >> 8 & 255, base & 255,
                           bits);
}

void cw_network_fill_provision(struct cw_network_v1 *network, const char *subscription_id,
                               const char *resource_group, const char *workspace_name, struct cw_arena *mem)
{
    uint32_t base;
    int bits;
    if (network->vnet_id == NULL)
        network->vnet_id = cw_arena_printf(
            mem, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/virtualNetworks/%.59s-vnet",
            subscription_id, resource_group, workspace_name);
    if (network->host_subnet.name == NULL)
        network->host_subnet.name = "host";
    if (network->container_subnet.name == NULL)
        network->container_subnet.name = "container";
    if (network->endpoint_subnet.name == NULL)
        network->endpoint_subnet.name = "private-endpoints";
    if (!cw_cidr_parse(network->address_space, &base, &bits) || bits > SPACE_BITS_MAX || bits < 8)
        return;
    uint32_t quarter = UINT32_C(1) << (30 - bits);
    if (network->host_subnet.prefix == NULL)
        network->host_subnet.prefix = prefix_text(base, bits + 2, mem);
    if (network->container_subnet.prefix == NULL)
        network->container_subnet.prefix = prefix_text(base + quarter, bits + 2, mem);
    if (network->endpoint_subnet.prefix == NULL)
        network->endpoint_subnet.prefix = prefix_text(base + 2 * quarter, ENDPOINT_SUBNET_BITS, mem);
}

void cw_network_fill_migrate(struct cw_network_v1 *network)
{
    if (network->endpoint_subnet.name == NULL)
        network->endpoint_subnet.name = "private-endpoints";
}

struct subnet {
    const char *pointer;
    const struct cw_subnet_v1 *subnet;
    int bits_max;
    uint32_t base;
    int bits;
    bool is_valid;
};

static bool overlap(const struct subnet *a, const struct subnet *b)
{
    int bits = CW_MIN(a->bits, b->bits);
    return bits == 0 || (a->base ^ b->base) >> (32 - bits) == 0;
}

static void check_subnet(struct subnet *s, uint32_t base, int bits, struct cw_arena *mem,
                         struct cw_problems *problems)
{
    s->is_valid = cw_cidr_parse(s->subnet->prefix != NULL ? s->subnet->prefix : "", &s->base, &s->bits);
    if (!s->is_valid)
        return;
    if (s->bits > s->bits_max)
        cw_problems_add(problems, mem, s->pointer, "give it a shorter prefix", "is too small: at most /%d",
                        s->bits_max);
    if (s->bits < bits || (s->base ^ base) >> (32 - bits) != 0)
        cw_problems_add(problems, mem, s->pointer, "choose a prefix inside /network/addressSpace",
                        "lies outside the address space");
}

void cw_network_check_provision(const struct cw_network_v1 *network, struct cw_arena *mem,
                                struct cw_problems *problems)
{
    uint32_t base;
    int bits;
    if (!cw_cidr_parse(network->address_space, &base, &bits))
        return;
    if (bits < SPACE_BITS_MIN || bits > SPACE_BITS_MAX) {
        cw_problems_add(problems, mem, "/network/addressSpace",
                        "use a prefix from /16 to /24, such as 10.10.0.0/16", "must be from /%d to /%d",
                        SPACE_BITS_MIN, SPACE_BITS_MAX);
        return;
    }
    struct subnet subnets[] = {
        {"/network/hostSubnet/prefix", &network->host_subnet, WORKSPACE_SUBNET_BITS_MAX, 0, 0, false},
        {"/network/containerSubnet/prefix", &network->container_subnet, WORKSPACE_SUBNET_BITS_MAX, 0, 0,
         false},
        {"/network/privateEndpointSubnet/prefix", &network->endpoint_subnet, ENDPOINT_SUBNET_BITS_MAX, 0, 0,
         false},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(subnets); i++) {
        check_subnet(&subnets[i], base, bits, mem, problems);
        for (size_t j = 0; j < i; j++) {
            if (subnets[i].is_valid && subnets[j].is_valid && overlap(&subnets[i], &subnets[j]))
                cw_problems_add(problems, mem, subnets[i].pointer, "choose prefixes that don't overlap",
                                "overlaps %s", subnets[j].pointer);
            if (cw_z_eq_nocase(subnets[i].subnet->name, subnets[j].subnet->name))
                cw_problems_add(problems, mem, subnets[i].pointer, "give each subnet its own name",
                                "has the same name as the subnet of %s", subnets[j].pointer);
        }
    }
}

void cw_network_check_egress(const struct cw_network_v1 *network, struct cw_arena *mem,
                             struct cw_problems *problems)
{
    const struct cw_egress_v1 *egress = &network->egress;
    bool is_routed = egress->mode == CW_EGRESS_ROUTE_TABLE;
    if (is_routed && egress->route_table_id == NULL && egress->firewall_address == NULL)
        cw_problems_add(problems, mem, "/network/egress/routeTableId",
                        "name an existing route table, or the firewall in firewallAddress",
                        "is required, or firewallAddress");
    if (is_routed && egress->route_table_id != NULL && egress->firewall_address != NULL)
        cw_problems_add(problems, mem, "/network/egress/firewallAddress",
                        "leave one of the two away: an existing table says itself where it leads",
                        "does not go with routeTableId");
    if (!is_routed && egress->firewall_address != NULL)
        cw_problems_add(problems, mem, "/network/egress/firewallAddress",
                        "set mode to routeTable, or leave the address away", "does not fit the mode");
    if (egress->mode != CW_EGRESS_NAT_GATEWAY && egress->nat_gateway_id != NULL)
        cw_problems_add(problems, mem, "/network/egress/natGatewayId",
                        "set mode to natGateway, or leave the id away", "does not fit the mode");
    if (!is_routed && egress->route_table_id != NULL)
        cw_problems_add(problems, mem, "/network/egress/routeTableId",
                        "set mode to routeTable, or leave the id away", "does not fit the mode");
}

void cw_network_fill_browser(struct cw_browser_authentication_v1 *browser)
{
    if (browser->mode != CW_BROWSER_ENSURE)
        return;
    if (browser->host_subnet.name == NULL)
        browser->host_subnet.name = "web-auth-host";
    if (browser->container_subnet.name == NULL)
        browser->container_subnet.name = "web-auth-container";
    if (browser->endpoint_subnet.name == NULL)
        browser->endpoint_subnet.name = "private-endpoints";
}

static void check_browser_subnets(const struct cw_browser_authentication_v1 *browser, struct cw_arena *mem,
                                  struct cw_problems *problems)
{
    const struct {
        const char *pointer;
        const struct cw_subnet_v1 *subnet;
        int bits_max;
    } subnets[] = {
        {"/browserAuthentication/hostSubnet", &browser->host_subnet, WORKSPACE_SUBNET_BITS_MAX},
        {"/browserAuthentication/containerSubnet", &browser->container_subnet, WORKSPACE_SUBNET_BITS_MAX},
        {"/browserAuthentication/privateEndpointSubnet", &browser->endpoint_subnet, ENDPOINT_SUBNET_BITS_MAX},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(subnets); i++) {
        uint32_t base;
        int bits;
        const char *prefix = subnets[i].subnet->prefix;
        if (prefix != NULL && cw_cidr_parse(prefix, &base, &bits) && bits > subnets[i].bits_max)
            cw_problems_add(problems, mem, cw_arena_printf(mem, "%s/prefix", subnets[i].pointer),
                            "give it a shorter prefix", "is too small: at most /%d", subnets[i].bits_max);
        for (size_t j = 0; j < i; j++)
            if (cw_z_eq_nocase(subnets[i].subnet->name, subnets[j].subnet->name))
                cw_problems_add(problems, mem, cw_arena_printf(mem, "%s/name", subnets[i].pointer),
                                "give each subnet its own name", "has the same name as the subnet of %s",
                                subnets[j].pointer);
    }
}

void cw_network_check_browser(const struct cw_browser_authentication_v1 *browser,
                              const struct cw_network_v1 *network, struct cw_arena *mem,
                              struct cw_problems *problems)
{
    static const char pointer[] = "/browserAuthentication/vnetId";
    bool is_ensured = browser->mode == CW_BROWSER_ENSURE;
    if (is_ensured && browser->vnet_id == NULL)
        cw_problems_add(problems, mem, pointer, "name the transit VNet, or set mode to check",
                        "is required: the isolated workspace stands in the transit VNet");
    if (!is_ensured && browser->vnet_id != NULL)
        cw_problems_add(problems, mem, pointer, "set mode to ensure, or leave the id away",
                        "does not fit the mode");
    if (is_ensured && browser->vnet_id != NULL && cw_z_eq_nocase(browser->vnet_id, network->vnet_id))
        cw_problems_add(problems, mem, pointer, "name the transit VNet that all workspaces share",
                        "must be another VNet than the workspace's own");
    if (is_ensured)
        check_browser_subnets(browser, mem, problems);
}

/* ensure_network: VNet, NSG, delegated subnets, a subnet for private endpoints, and the peering with the hub.
 * An existing VNet only gets what it lacks.  Writes: NSG, VNet or single subnets, peerings.  Source: guide, option 1 step 2. */
#include "common/azure/network.h"
#include "common/azure/workspace.h"
#include "worker/steps/hub_peering.h"
#include "worker/steps/plans.h"

#define ENDPOINT_SUBNET_BITS 27

static int check_egress(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_egress_v1 *egress = &c->req->network.egress;
    bool exists = true;
    int r = 0;
    if (egress->mode == CW_EGRESS_NAT_GATEWAY) {
        r = cw_network_nat_gateway_exists(c->svc->arm, &c->call, egress->nat_gateway_id, &exists, err);
    } else if (egress->mode == CW_EGRESS_ROUTE_TABLE) {
        struct cw_route_table table;
        r = cw_network_get_route_table(c->svc->arm, &c->call, egress->route_table_id, &table, err);
        exists = r != -CW_ENOTFOUND;
        r = exists ? r : 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "egress");
    if (exists)
        return 0;
    (void)cw_err_set(err, CW_EREJECTED, "the egress resource that the request names does not exist");
    cw_err_remedy(err, "create the NAT gateway or route table first, or leave network.egress out");
    return -CW_EREJECTED;
}

static struct cw_subnet_goal workspace_subnet(const struct cw_step_ctx *c, const char *name,
                                              const char *prefix, const char *nsg)
{
    const struct cw_egress_v1 *egress = &c->req->network.egress;
    return (struct cw_subnet_goal){
        .name = name,
        .prefix = prefix,
        .nsg_id = nsg,
        .nat_gateway_id = egress->mode == CW_EGRESS_NAT_GATEWAY ? egress->nat_gateway_id : NULL,
        .route_table_id = egress->mode == CW_EGRESS_ROUTE_TABLE ? egress->route_table_id : NULL,
        .is_delegated = true,
    };
}

static int ensure_new(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_network_v1 *net = &c->req->network;
    struct cw_armid vnet;
    struct cw_ensured done;
    int r = cw_armid_parse(net->vnet_id, c->call.mem, &vnet, err);
    if (r < 0)
        return r;
    const char *nsg_name = cw_arena_printf(c->call.mem, "%s-nsg", c->req->workspace_name);
    const char *nsg = cw_armid_resource(c->call.mem, vnet.subscription, vnet.group,
                                        "Microsoft.Network/networkSecurityGroups", nsg_name);
    r = cw_network_ensure_nsg(c->svc->arm, &c->call, nsg, c->facts->location, cw_step_tags(c), &done, err);
    if (r < 0)
        return cw_err_wrap(err, "network security group %s", nsg_name);
    cw_step_ensured(c, &done, "network security group");
    const struct cw_subnet_goal subnets[] = {
        workspace_subnet(c, net->host_subnet.name, net->host_subnet.prefix, nsg),
        workspace_subnet(c, net->container_subnet.name, net->container_subnet.prefix, nsg),
        {.name = net->endpoint_subnet.name, .prefix = net->endpoint_subnet.prefix, .is_for_endpoints = true},
    };
    const struct cw_vnet_goal goal = {
        .id = net->vnet_id,
        .location = c->facts->location,
        .address_space = net->address_space,
        .subnets = subnets,
        .subnet_count = CW_ARRAY_LEN(subnets),
        .tags = cw_step_tags(c),
    };
    r = cw_network_ensure_vnet(c->svc->arm, &c->call, &goal, &done, err);
    if (r < 0)
        return cw_err_wrap(err, "virtual network %s", vnet.name);
    cw_step_ensured(c, &done, "virtual network with its subnets");
    c->out->vnet_id = net->vnet_id;
    c->out->nsg_id = nsg;
    c->out->host_subnet = net->host_subnet.name;
    c->out->container_subnet = net->container_subnet.name;
    c->out->endpoint_subnet_prefix = net->endpoint_subnet.prefix;
    c->out->endpoint_subnet_id =
        cw_armid_child(c->call.mem, net->vnet_id, "subnets", net->endpoint_subnet.name);
    return 0;
}

/* The subnet of an endpoint of this workspace that lies in its own VNet already; NULL when there is none. */
static int find_endpoint_subnet(struct cw_step_ctx *c, const char **ret_subnet, struct cw_err *err)
{
    const struct cw_private_endpoint *endpoints = NULL;
    size_t count = 0;
    int r = cw_network_list_private_endpoints(c->svc->arm, &c->call, c->req->subscription_id,
                                              c->req->workspace_id, &endpoints, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "list private endpoints");
    *ret_subnet = NULL;
    for (size_t i = 0; i < count; i++)
        if (cw_z_eq_nocase(endpoints[i].group_id, CW_GROUP_UI_API) &&
            cw_armid_is_within(endpoints[i].subnet_id, c->facts->vnet_id))
            *ret_subnet = endpoints[i].subnet_id;
    return 0;
}

static int choose_prefix(struct cw_step_ctx *c, const struct cw_vnet *vnet, const struct cw_subnet *existing,
                         const char **ret_prefix, struct cw_err *err)
{
    const char *asked = c->req->network.endpoint_subnet.prefix;
    if (existing != NULL && asked == NULL)
        *ret_prefix = existing->prefix;
    else if (asked != NULL)
        *ret_prefix = asked;
    else
        *ret_prefix = cw_vnet_free_prefix(vnet, ENDPOINT_SUBNET_BITS, c->call.mem);
    if (*ret_prefix != NULL)
        return 0;
    (void)cw_err_set(err, CW_EREJECTED, "the VNet has no free /%d for a private endpoint subnet",
                     ENDPOINT_SUBNET_BITS);
    cw_err_remedy(err, "add an address range to the VNet, or name a subnet in network.privateEndpointSubnet");
    return -CW_EREJECTED;
}

static int ensure_endpoint_subnet(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *name = c->req->network.endpoint_subnet.name;
    struct cw_vnet vnet;
    struct cw_ensured done;
    const char *prefix = NULL;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, c->facts->vnet_id, &vnet, err);
    if (r < 0)
        return cw_err_wrap(err, "virtual network");
    const struct cw_subnet *existing = cw_vnet_subnet(&vnet, name);
    if (existing != NULL && existing->delegation != NULL) {
        (void)cw_err_set(err, CW_EREJECTED, "subnet %s is delegated to %s and cannot hold private endpoints",
                         name, existing->delegation);
        cw_err_remedy(err, "name another subnet in network.privateEndpointSubnet");
        return -CW_EREJECTED;
    }
    r = choose_prefix(c, &vnet, existing, &prefix, err);
    if (r < 0)
        return r;
    const struct cw_subnet_goal goal = {.name = name, .prefix = prefix, .is_for_endpoints = true};
    r = cw_network_ensure_subnet(c->svc->arm, &c->call, c->facts->vnet_id, &goal, &done, err);
    if (r < 0)
        return cw_err_wrap(err, "subnet %s", name);
    cw_step_ensured(c, &done, "subnet for private endpoints");
    c->out->endpoint_subnet_prefix = prefix;
    c->out->endpoint_subnet_id = cw_armid_child(c->call.mem, c->facts->vnet_id, "subnets", name);
    return 0;
}

static int attach_egress(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *const names[] = {c->facts->host_subnet, c->facts->container_subnet};
    if (c->req->network.egress.mode == CW_EGRESS_NONE)
        return 0;
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++) {
        struct cw_ensured done;
        struct cw_subnet_goal goal = workspace_subnet(c, names[i], NULL, NULL);
        int r = cw_network_ensure_subnet(c->svc->arm, &c->call, c->facts->vnet_id, &goal, &done, err);
        if (r < 0)
            return cw_err_wrap(err, "egress of subnet %s", names[i]);
        cw_step_ensured(c, &done, "egress of a workspace subnet");
    }
    return 0;
}

static int ensure_existing(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *adopted = NULL;
    int r = find_endpoint_subnet(c, &adopted, err);
    if (r < 0)
        return r;
    if (adopted != NULL) {
        cw_step_found(c, "a private endpoint of this workspace is in subnet %s", cw_armid_name(adopted));
        c->out->endpoint_subnet_id = adopted;
        return attach_egress(c, err);
    }
    r = ensure_endpoint_subnet(c, err);
    return r < 0 ? r : attach_egress(c, err);
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *vnet = c->req->provision != NULL ? c->req->network.vnet_id : c->facts->vnet_id;
    int r = check_egress(c, err);
    if (r == 0)
        r = cw_hub_lock(c, vnet, err);
    if (r == 0)
        r = c->req->provision != NULL ? ensure_new(c, err) : ensure_existing(c, err);
    return r < 0 ? r : cw_hub_ensure_peering(c, vnet, err);
}

const struct cw_step cw_step_ensure_network = {
    .name = "ensure_network",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(30) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 2000, .cap_ms = 60000},
    .in_plan = true,
    .run = run,
};

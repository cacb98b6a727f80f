/* ensure_network: VNet, NSG, delegated subnets, a subnet for private endpoints, the peering with the hub, and the way out.
 * An existing VNet only gets what it lacks. What cannot work is refused before the first write.
 * Writes: NSG, VNet or single subnets, peerings, NAT gateway with its address, route table.  Source: guide, option 1 step 2. */
#include "worker/steps/egress.h"
#include "worker/steps/hub_peering.h"
#include "worker/steps/plans.h"

#define ENDPOINT_SUBNET_BITS 27

/* nsg NULL: the subnet has one. */
static struct cw_subnet_goal workspace_subnet(const struct cw_egress *egress, const char *name,
                                              const char *prefix, const char *nsg)
{
    return (struct cw_subnet_goal){
        .name = name,
        .prefix = prefix,
        .nsg_id = nsg,
        .nat_gateway_id = egress->nat_gateway_id,
        .route_table_id = egress->route_table_id,
        .is_delegated = true,
    };
}

static const char *nsg_of(const struct cw_subnet *subnet)
{
    return subnet == NULL ? NULL : subnet->nsg_id;
}

/* One of our own for the subnets that have none; NULL when both have one. */
static int ensure_nsg(struct cw_step_ctx *c, const struct cw_egress *egress, const char **ret_nsg,
                      struct cw_err *err)
{
    struct cw_armid vnet;
    struct cw_ensured done;
    *ret_nsg = NULL;
    if (nsg_of(egress->subnets[0]) != NULL && nsg_of(egress->subnets[1]) != NULL) {
        cw_step_found(c, "the workspace subnets have network security group %s",
                      cw_armid_name(nsg_of(egress->subnets[0])));
        return 0;
    }
    int r = cw_armid_parse(c->req->network.vnet_id, c->call.mem, &vnet, err);
    if (r < 0)
        return r;
    const char *name = cw_arena_printf(c->call.mem, "%s-nsg", c->req->workspace_name);
    *ret_nsg = cw_armid_resource(c->call.mem, vnet.subscription, vnet.group,
                                 "Microsoft.Network/networkSecurityGroups", name);
    r = cw_network_ensure_nsg(c->svc->arm, &c->call, *ret_nsg, c->facts->location, cw_step_tags(c), &done,
                              err);
    if (r < 0)
        return cw_err_wrap(err, "network security group %s", name);
    cw_step_ensured(c, &done, "network security group");
    return 0;
}

static int ensure_new(struct cw_step_ctx *c, const struct cw_egress *egress, struct cw_err *err)
{
    const struct cw_network_v1 *net = &c->req->network;
    struct cw_ensured done;
    const char *nsg = NULL;
    const char *host_nsg = nsg_of(egress->subnets[0]);
    const char *container_nsg = nsg_of(egress->subnets[1]);
    int r = ensure_nsg(c, egress, &nsg, err);
    if (r < 0)
        return r;
    const struct cw_subnet_goal subnets[] = {
        workspace_subnet(egress, net->host_subnet.name, net->host_subnet.prefix,
                         host_nsg == NULL ? nsg : NULL),
        workspace_subnet(egress, net->container_subnet.name, net->container_subnet.prefix,
                         container_nsg == NULL ? nsg : NULL),
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
        return cw_err_wrap(err, "virtual network %s", cw_armid_name(net->vnet_id));
    cw_step_ensured(c, &done, "virtual network with its subnets");
    c->out->vnet_id = net->vnet_id;
    c->out->nsg_id = host_nsg == NULL ? nsg : host_nsg;
    c->out->host_subnet = net->host_subnet.name;
    c->out->container_subnet = net->container_subnet.name;
    c->out->endpoint_subnet_prefix = net->endpoint_subnet.prefix;
    c->out->endpoint_subnet_id =
        cw_armid_child(c->call.mem, net->vnet_id, "subnets", net->endpoint_subnet.name);
    return cw_hub_ensure_peering(c, net->vnet_id, err);
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

static int ensure_endpoint_subnet(struct cw_step_ctx *c, const struct cw_vnet *vnet, struct cw_err *err)
{
    const char *name = c->req->network.endpoint_subnet.name;
    struct cw_ensured done;
    const char *prefix = NULL;
    const struct cw_subnet *existing = cw_vnet_subnet(vnet, name);
    if (existing != NULL && existing->delegation != NULL) {
        (void)cw_err_set(err, CW_EREJECTED, "subnet %s is delegated to %s and cannot hold private endpoints",
                         name, existing->delegation);
        cw_err_remedy(err, "name another subnet in network.privateEndpointSubnet");
        return -CW_EREJECTED;
    }
    int r = choose_prefix(c, vnet, existing, &prefix, err);
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

static int attach_egress(struct cw_step_ctx *c, const struct cw_egress *egress, struct cw_err *err)
{
    if (egress->nat_gateway_id == NULL && egress->route_table_id == NULL)
        return 0;
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++) {
        struct cw_ensured done;
        const struct cw_subnet_goal goal = workspace_subnet(egress, egress->names[i], NULL, NULL);
        int r = cw_network_ensure_subnet(c->svc->arm, &c->call, c->facts->vnet_id, &goal, &done, err);
        if (r < 0)
            return cw_err_wrap(err, "egress of subnet %s", egress->names[i]);
        cw_step_ensured(c, &done, "egress of a workspace subnet");
    }
    return 0;
}

/* A route to the hub's firewall comes after the peering that it needs: nodes may be running. */
static int ensure_existing(struct cw_step_ctx *c, const struct cw_egress *egress, struct cw_err *err)
{
    const char *adopted = NULL;
    int r = find_endpoint_subnet(c, &adopted, err);
    if (r < 0)
        return r;
    if (adopted != NULL) {
        cw_step_found(c, "a private endpoint of this workspace is in subnet %s", cw_armid_name(adopted));
        c->out->endpoint_subnet_id = adopted;
    } else
        r = ensure_endpoint_subnet(c, egress->vnet, err);
    if (r == 0)
        r = cw_hub_ensure_peering(c, c->facts->vnet_id, err);
    return r < 0 ? r : attach_egress(c, egress, err);
}

static int read_vnet(struct cw_step_ctx *c, const char *id, struct cw_vnet *vnet, struct cw_egress *egress,
                     struct cw_err *err)
{
    bool is_new = c->req->provision != NULL;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, id, vnet, err);
    if (r < 0 && (r != -CW_ENOTFOUND || !is_new))
        return cw_err_wrap(err, "virtual network");
    *egress = (struct cw_egress){
        .vnet = r == 0 ? vnet : NULL,
        .names = {is_new ? c->req->network.host_subnet.name : c->facts->host_subnet,
                  is_new ? c->req->network.container_subnet.name : c->facts->container_subnet},
    };
    cw_err_clear(err);
    return 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *id = c->req->provision != NULL ? c->req->network.vnet_id : c->facts->vnet_id;
    struct cw_vnet vnet;
    struct cw_egress egress;
    int r = cw_hub_lock(c, id, err);
    if (r == 0)
        r = read_vnet(c, id, &vnet, &egress, err);
    if (r == 0)
        r = cw_egress_plan(c, &egress, err);
    if (r == 0)
        r = cw_egress_check(c, &egress, err);
    if (r == 0)
        r = cw_egress_make(c, &egress, err);
    if (r == 0)
        r = c->req->provision != NULL ? ensure_new(c, &egress, err) : ensure_existing(c, &egress, err);
    return r < 0 ? r : cw_egress_verify(c, id, &egress, err);
}

const struct cw_step cw_step_ensure_network = {
    .name = "ensure_network",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(30) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 2000, .cap_ms = 60000},
    .in_plan = true,
    .run = run,
};

#include "worker/steps/egress.h"

#define NAME_BYTES_MAX 64 /* of a workspace's name in names of ours */

static char *own_id(struct cw_step_ctx *c, const char *type, const char *suffix)
{
    const char *name =
        cw_arena_printf(c->call.mem, "%.*s-%s", NAME_BYTES_MAX, c->req->workspace_name, suffix);
    return name == NULL
               ? NULL
               : cw_armid_resource(c->call.mem, c->req->subscription_id, c->req->resource_group, type, name);
}

static char *address_id(struct cw_step_ctx *c)
{
    return own_id(c, "Microsoft.Network/publicIPAddresses", "nat-ip");
}

static int refuse(struct cw_err *err, int code, const char *remedy, const char *fmt, ...) CW_PRINTF(4, 5);
static int refuse(struct cw_err *err, int code, const char *remedy, const char *fmt, ...)
{
    char text[CW_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)cw_err_set(err, code, "%s", text);
    cw_err_remedy(err, "%s", remedy);
    return -code;
}

static const char *nat_of(const struct cw_subnet *subnet)
{
    return subnet == NULL ? NULL : subnet->nat_gateway_id;
}

static const char *table_of(const struct cw_subnet *subnet)
{
    return subnet == NULL ? NULL : subnet->route_table_id;
}

/* A subnet that has another one than the request names. */
static int check_not_taken(const struct cw_egress *e, const char *(*of)(const struct cw_subnet *subnet),
                           const char *asked, const char *what, struct cw_err *err)
{
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++) {
        const char *have = of(e->subnets[i]);
        if (have != NULL && !cw_armid_eq(have, asked))
            return refuse(err, CW_EMISCONFIGURED,
                          "name that one in network.egress, or take it off the subnet first",
                          "subnet %s has %s %s, not %s", e->names[i], what, have, asked);
    }
    return 0;
}

static int check_place(const struct cw_step_ctx *c, const char *what, const char *id, const char *location,
                       const char *state, struct cw_err *err)
{
    if (!cw_location_eq(location, c->facts->location))
        return refuse(err, CW_EMISCONFIGURED, "name one in the workspace's region",
                      "%s %s is in %s, the workspace in %s", what, id, location, c->facts->location);
    if (cw_z_eq_nocase(state, "Failed"))
        return refuse(err, CW_EMISCONFIGURED, "repair it first, or name another one",
                      "%s %s is in state Failed", what, id);
    return 0;
}

/* --- NAT gateway ---------------------------------------------------------------------------------------------------- */

static int check_nat(struct cw_step_ctx *c, const char *id, struct cw_err *err)
{
    struct cw_nat_gateway nat;
    int r = cw_egress_get_nat_gateway(c->svc->arm, &c->call, id, &nat, err);
    if (r == -CW_ENOTFOUND)
        return refuse(err, CW_EREJECTED, "create it first, or leave natGatewayId away: then one is made",
                      "NAT gateway %s does not exist", id);
    if (r < 0)
        return cw_err_wrap(err, "NAT gateway");
    r = check_place(c, "NAT gateway", id, nat.location, nat.state, err);
    if (r == 0 && nat.address_count == 0)
        return refuse(err, CW_EMISCONFIGURED, "give it a public address or prefix",
                      "NAT gateway %s has no public address: it leads nowhere", id);
    return r;
}

static int plan_nat(struct cw_step_ctx *c, struct cw_egress *e, struct cw_err *err)
{
    const char *asked = c->req->network.egress.nat_gateway_id;
    const char *host = nat_of(e->subnets[0]);
    const char *container = nat_of(e->subnets[1]);
    if (asked != NULL) {
        int r = check_not_taken(e, nat_of, asked, "NAT gateway", err);
        e->nat_gateway_id = asked;
        return r < 0 ? r : check_nat(c, asked, err);
    }
    if (host == NULL && container == NULL) {
        e->is_new = true;
        e->nat_gateway_id = own_id(c, "Microsoft.Network/natGateways", "nat");
        return e->nat_gateway_id == NULL ? cw_err_set(err, CW_ENOMEM, "NAT gateway") : 0;
    }
    int r = check_nat(c, host != NULL ? host : container, err);
    if (r == 0 && host != NULL && container != NULL && !cw_armid_eq(host, container)) {
        cw_step_found(c, "each workspace subnet has a NAT gateway of its own");
        return check_nat(c, container, err);
    }
    if (r == 0)
        cw_step_found(c, "NAT gateway %s is there", cw_armid_name(host != NULL ? host : container));
    e->nat_gateway_id = host != NULL ? host : container;
    return r;
}

static int make_nat(struct cw_step_ctx *c, const struct cw_egress *e, struct cw_err *err)
{
    struct cw_ensured done;
    const char *address = address_id(c);
    if (address == NULL)
        return cw_err_set(err, CW_ENOMEM, "public address");
    int r = cw_egress_ensure_address(c->svc->arm, &c->call, address, c->facts->location, cw_step_tags(c),
                                     &done, err);
    if (r < 0)
        return cw_err_wrap(err, "public address of the NAT gateway");
    cw_step_ensured(c, &done, "public address of the NAT gateway");
    r = cw_egress_ensure_nat_gateway(c->svc->arm, &c->call, e->nat_gateway_id, address, c->facts->location,
                                     cw_step_tags(c), &done, err);
    if (r < 0)
        return cw_err_wrap(err, "NAT gateway");
    cw_step_ensured(c, &done, "NAT gateway");
    return 0;
}

/* --- route table ---------------------------------------------------------------------------------------------------- */

/* The endpoints' subnet, or what it will be. */
static int check_endpoint_route(const struct cw_step_ctx *c, const struct cw_egress *e,
                                const struct cw_route_table *table, struct cw_err *err)
{
    const struct cw_subnet *endpoints =
        e->vnet == NULL ? NULL : cw_vnet_subnet(e->vnet, c->req->network.endpoint_subnet.name);
    if (endpoints == NULL)
        return 0;
    const struct cw_route *route = cw_route_table_override(
        table, e->vnet, endpoints->prefix, cw_subnet_has_policies(endpoints, "RouteTableEnabled"));
    if (route == NULL)
        return 0;
    return refuse(err, CW_EMISCONFIGURED, "add a route of the endpoints' subnet with next hop VnetLocal",
                  "route %s of table %s leads subnet %s, where the private endpoint is, to %s", route->name,
                  table->id, endpoints->name, route->next_hop_type);
}

static int read_table(struct cw_step_ctx *c, const struct cw_egress *e, const char *id,
                      struct cw_route_table *ret, struct cw_err *err)
{
    int r = cw_egress_get_route_table(c->svc->arm, &c->call, id, ret, err);
    if (r == -CW_ENOTFOUND)
        return refuse(err, CW_EREJECTED,
                      "create it first, or name the firewall in network.egress.firewallAddress",
                      "route table %s does not exist", id);
    if (r < 0)
        return cw_err_wrap(err, "route table");
    r = check_place(c, "route table", id, ret->location, ret->state, err);
    return r < 0 ? r : check_endpoint_route(c, e, ret, err);
}

static int plan_named_table(struct cw_step_ctx *c, struct cw_egress *e, const char *asked, struct cw_err *err)
{
    struct cw_route_table table;
    int r = check_not_taken(e, table_of, asked, "route table", err);
    if (r == 0)
        r = read_table(c, e, asked, &table, err);
    if (r < 0)
        return r;
    const struct cw_route *out = cw_route_table_default(&table);
    if (out == NULL || cw_z_eq_nocase(out->next_hop_type, "None"))
        return refuse(err, CW_EMISCONFIGURED, "add a route for 0.0.0.0/0 to the firewall",
                      "route table %s has no default route that leads somewhere", asked);
    e->route_table_id = asked;
    return 0;
}

/* A table that is on a subnet already must lead to the firewall that the request names. */
static int check_table(struct cw_step_ctx *c, const struct cw_egress *e, size_t i, struct cw_err *err)
{
    const char *firewall = c->req->network.egress.firewall_address;
    struct cw_route_table table;
    int r = read_table(c, e, table_of(e->subnets[i]), &table, err);
    if (r < 0)
        return r;
    const struct cw_route *out = cw_route_table_default(&table);
    if (out != NULL && cw_z_eq_nocase(out->next_hop_type, "VirtualAppliance") &&
        cw_z_eq(out->next_hop_address, firewall))
        return 0;
    return refuse(
        err, CW_EMISCONFIGURED,
        "give that table a route for 0.0.0.0/0 to the firewall, name it in routeTableId as it is, or "
        "take it off the subnet",
        "subnet %s has route table %s, whose default route leads to %s, not to %s", e->names[i], table.id,
        out == NULL                     ? "nothing"
        : out->next_hop_address != NULL ? out->next_hop_address
                                        : out->next_hop_type,
        firewall);
}

/* A next hop must lie in the VNet or in one that is peered with it: what leads elsewhere is dropped. */
static int check_next_hop(struct cw_step_ctx *c, const struct cw_egress *e, struct cw_err *err)
{
    const char *firewall = c->req->network.egress.firewall_address;
    const char *hub_id = c->req->network.hub_peering.vnet_id;
    struct cw_vnet hub;
    if (e->vnet != NULL && cw_vnet_connects(e->vnet, firewall))
        return 0;
    int r = hub_id == NULL ? -CW_ENOTFOUND : cw_network_get_vnet(c->svc->arm, &c->call, hub_id, &hub, err);
    if (r < 0 && r != -CW_ENOTFOUND)
        return cw_err_wrap(err, "the hub's VNet");
    if (r == 0 && cw_vnet_connects(&hub, firewall))
        return 0;
    return refuse(err, CW_EREJECTED,
                  "name the firewall's private address, and its VNet in network.hubPeering when it is not "
                  "peered yet",
                  "the firewall's address %s is not in the VNet or one that is peered with it", firewall);
}

static int plan_firewall(struct cw_step_ctx *c, struct cw_egress *e, struct cw_err *err)
{
    const char *host = table_of(e->subnets[0]);
    const char *container = table_of(e->subnets[1]);
    if (host == NULL && container == NULL) {
        e->is_new = true;
        e->route_table_id = own_id(c, "Microsoft.Network/routeTables", "routes");
        return e->route_table_id == NULL ? cw_err_set(err, CW_ENOMEM, "route table")
                                         : check_next_hop(c, e, err);
    }
    int r = host == NULL ? 0 : check_table(c, e, 0, err);
    bool is_other = container != NULL && !cw_armid_eq(host, container);
    if (r == 0 && is_other)
        r = check_table(c, e, 1, err);
    if (r < 0)
        return r;
    if (host != NULL && is_other) {
        cw_step_found(c, "each workspace subnet has a route table of its own that leads to the firewall");
        return 0;
    }
    e->route_table_id = host != NULL ? host : container;
    cw_step_found(c, "route table %s leads to the firewall", cw_armid_name(e->route_table_id));
    return 0;
}

static int make_table(struct cw_step_ctx *c, const struct cw_egress *e, struct cw_err *err)
{
    struct cw_ensured done;
    int r = cw_egress_ensure_route_table(c->svc->arm, &c->call, e->route_table_id,
                                         c->req->network.egress.firewall_address, c->facts->location,
                                         cw_step_tags(c), &done, err);
    if (r < 0)
        return cw_err_wrap(err, "route table");
    cw_step_ensured(c, &done, "route table to the firewall");
    return 0;
}

/* --- both ----------------------------------------------------------------------------------------------------------- */

int cw_egress_plan(struct cw_step_ctx *c, struct cw_egress *e, struct cw_err *err)
{
    const struct cw_egress_v1 *asked = &c->req->network.egress;
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++)
        e->subnets[i] = e->vnet == NULL ? NULL : cw_vnet_subnet(e->vnet, e->names[i]);
    if (asked->mode == CW_EGRESS_NAT_GATEWAY)
        return plan_nat(c, e, err);
    if (asked->mode != CW_EGRESS_ROUTE_TABLE)
        return 0;
    return asked->route_table_id != NULL ? plan_named_table(c, e, asked->route_table_id, err)
                                         : plan_firewall(c, e, err);
}

int cw_egress_make(struct cw_step_ctx *c, const struct cw_egress *e, struct cw_err *err)
{
    if (!e->is_new)
        return 0;
    return e->nat_gateway_id != NULL ? make_nat(c, e, err) : make_table(c, e, err);
}

int cw_egress_verify(struct cw_step_ctx *c, const char *vnet_id, const struct cw_egress *e,
                     struct cw_err *err)
{
    struct cw_vnet vnet;
    if (c->call.plan_only || (e->nat_gateway_id == NULL && e->route_table_id == NULL))
        return 0;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, vnet_id, &vnet, err);
    if (r < 0)
        return cw_err_wrap(err, "virtual network");
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++) {
        const struct cw_subnet *subnet = cw_vnet_subnet(&vnet, e->names[i]);
        if ((e->nat_gateway_id != NULL && !cw_armid_eq(nat_of(subnet), e->nat_gateway_id)) ||
            (e->route_table_id != NULL && !cw_armid_eq(table_of(subnet), e->route_table_id)))
            return cw_err_set(err, CW_ENOTREADY, "subnet %s does not show its way out yet", e->names[i]);
    }
    cw_step_found(c, "both workspace subnets have %s %s",
                  e->nat_gateway_id != NULL ? "NAT gateway" : "route table",
                  cw_armid_name(e->nat_gateway_id != NULL ? e->nat_gateway_id : e->route_table_id));
    return 0;
}

#include "worker/steps/egress.h"

#define LIST_BYTES_MAX 240    /* of destinations in an error */
#define SENTENCE_LIST_MAX 800 /* … in what was found */

/* What governs one of the workspace subnets. */
struct view {
    struct cw_subnet subnet;
    struct cw_nsg nsg;
    struct cw_route_table routes;
    struct cw_nat_gateway nat;
    struct cw_vantage vantage;
    bool is_unread; /* something may not be read: nothing is said of the subnet */
};

struct check {
    struct cw_step_ctx *c;
    const struct cw_egress *egress;
    struct view views[CW_WORKSPACE_SUBNETS];
    const struct cw_need *needs;
    size_t need_count;
    struct cw_reached *reached[CW_WORKSPACE_SUBNETS]; /* one for each need */
};

/* --- reading -------------------------------------------------------------------------------------------------------- */

/* A workspace that is not there yet has no list, a cloud may not know it, a role may not allow it: then the services' tags. */
static int read_needs(struct check *k, struct cw_err *err)
{
    struct cw_step_ctx *c = k->c;
    const struct cw_outbound_endpoint *endpoints = NULL;
    size_t count = 0;
    int r = k->egress->vnet == NULL ? 0
                                    : cw_workspace_list_outbound(c->svc->arm, &c->call, c->req->workspace_id,
                                                                 &endpoints, &count, err);
    if (r < 0 && r != -CW_ENOTFOUND && err->class != CW_CLASS_DENIED && err->class != CW_CLASS_INVALID)
        return cw_err_wrap(err, "outbound endpoints of the workspace");
    if (r < 0)
        cw_err_clear(err);
    k->needs = cw_needs_of(endpoints, count, c->facts->location, c->call.mem, &k->need_count);
    return k->needs == NULL ? cw_err_set(err, CW_ENOMEM, "outbound endpoints") : 0;
}

/* Both subnets have the same, and the first has it read. */
static bool is_known(const struct check *k, size_t i, const char *id, const char *of_first)
{
    return i > 0 && !k->views[0].is_unread && cw_armid_eq(id, of_first);
}

static int read_nsg(struct check *k, size_t i, struct cw_err *err)
{
    struct view *v = &k->views[i];
    if (v->subnet.nsg_id == NULL)
        return 0;
    v->vantage.nsg = &v->nsg;
    if (is_known(k, i, v->subnet.nsg_id, k->views[0].subnet.nsg_id)) {
        v->nsg = k->views[0].nsg;
        return 0;
    }
    return cw_network_get_nsg(k->c->svc->arm, &k->c->call, v->subnet.nsg_id, &v->nsg, err);
}

static int read_routes(struct check *k, size_t i, struct cw_err *err)
{
    struct view *v = &k->views[i];
    const struct cw_egress *e = k->egress;
    if (v->subnet.route_table_id == NULL)
        return 0;
    v->vantage.routes = &v->routes;
    if (is_known(k, i, v->subnet.route_table_id, k->views[0].subnet.route_table_id)) {
        v->routes = k->views[0].routes;
        return 0;
    }
    if (!e->is_new || e->route_table_id == NULL)
        return cw_egress_get_route_table(k->c->svc->arm, &k->c->call, v->subnet.route_table_id, &v->routes,
                                         err);
    struct cw_route *out = cw_arena_alloc(k->c->call.mem, sizeof *out);
    if (out == NULL)
        return cw_err_set(err, CW_ENOMEM, "routes");
    *out = (struct cw_route){.name = "to the firewall",
                             .prefix = "0.0.0.0/0",
                             .next_hop_type = "VirtualAppliance",
                             .next_hop_address = k->c->req->network.egress.firewall_address};
    v->routes = (struct cw_route_table){.id = e->route_table_id, .routes = out, .route_count = 1};
    return 0;
}

static int read_nat(struct check *k, size_t i, struct cw_err *err)
{
    struct view *v = &k->views[i];
    const struct cw_egress *e = k->egress;
    if (v->subnet.nat_gateway_id == NULL)
        return 0;
    v->vantage.nat = &v->nat;
    if (is_known(k, i, v->subnet.nat_gateway_id, k->views[0].subnet.nat_gateway_id)) {
        v->nat = k->views[0].nat;
        return 0;
    }
    if (e->nat_gateway_id != NULL) { /* made by us, or read by the plan */
        v->nat = (struct cw_nat_gateway){.id = e->nat_gateway_id, .address_count = 1};
        return 0;
    }
    return cw_egress_get_nat_gateway(k->c->svc->arm, &k->c->call, v->subnet.nat_gateway_id, &v->nat, err);
}

/* The subnet as it will be. */
static int read_view(struct check *k, size_t i, struct cw_err *err)
{
    struct view *v = &k->views[i];
    const struct cw_egress *e = k->egress;
    v->subnet = e->subnets[i] != NULL ? *e->subnets[i] : (struct cw_subnet){.name = e->names[i]};
    v->vantage.subnet = &v->subnet;
    /* The hub that is peered by this very request may hold the next hop. */
    v->vantage.vnet = k->c->req->network.hub_peering.vnet_id == NULL ? e->vnet : NULL;
    if (e->nat_gateway_id != NULL)
        v->subnet.nat_gateway_id = e->nat_gateway_id;
    if (e->route_table_id != NULL)
        v->subnet.route_table_id = e->route_table_id;
    int r = read_nsg(k, i, err);
    if (r == 0)
        r = read_routes(k, i, err);
    if (r == 0)
        r = read_nat(k, i, err);
    if (r < 0 && err->class == CW_CLASS_DENIED) {
        cw_step_found(k->c, "the way out of subnet %s cannot be judged: %s", e->names[i], err->text);
        v->is_unread = true;
        cw_err_clear(err);
        return 0;
    }
    return r < 0 ? cw_err_wrap(err, "way out of subnet %s", e->names[i]) : 0;
}

static int judge(struct check *k, struct cw_err *err)
{
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++) {
        k->reached[i] = cw_arena_alloc_array(k->c->call.mem, k->need_count, sizeof **k->reached);
        if (k->reached[i] == NULL)
            return cw_err_set(err, CW_ENOMEM, "destinations");
        for (size_t n = 0; n < k->need_count && !k->views[i].is_unread; n++)
            k->reached[i][n] = cw_reach(&k->views[i].vantage, &k->needs[n]);
    }
    return 0;
}

/* A workspace can have a load balancer for its nodes' way out: only asked where that would change the answer. */
static int consider_load_balancer(struct check *k, struct cw_err *err)
{
    struct cw_workspace ws = {0};
    bool has_none = false;
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++)
        for (size_t n = 0; n < k->need_count; n++)
            has_none = has_none || k->reached[i][n].reach == CW_REACH_NO_WAY;
    if (!has_none)
        return 0;
    int r = cw_workspace_get(k->c->svc->arm, &k->c->call, k->c->req->workspace_id, &ws, err);
    if (r < 0 && r != -CW_ENOTFOUND)
        return cw_err_wrap(err, "workspace");
    if (r < 0)
        cw_err_clear(err);
    if (ws.load_balancer_id == NULL)
        return 0;
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++)
        k->views[i].vantage.has_other_way = true;
    return judge(k, err);
}

/* --- telling -------------------------------------------------------------------------------------------------------- */

/* Is it the same in the other subnet? */
static bool is_shared(const struct check *k, size_t n)
{
    const struct cw_subnet *a = &k->views[0].subnet;
    const struct cw_subnet *b = &k->views[1].subnet;
    return !k->views[0].is_unread && !k->views[1].is_unread &&
           k->reached[0][n].reach == k->reached[1][n].reach && cw_armid_eq(a->nsg_id, b->nsg_id) &&
           cw_armid_eq(a->route_table_id, b->route_table_id);
}

static const char *list(const struct check *k, size_t i, size_t n, size_t bytes_max)
{
    return cw_reached_names(k->needs, k->reached[i], k->need_count, n, bytes_max, k->c->call.mem);
}

/* What stands in the way. */
static const char *obstacle(const struct check *k, size_t i, const struct cw_reached *reached)
{
    const struct view *v = &k->views[i];
    struct cw_arena *mem = k->c->call.mem;
    if (reached->reach == CW_REACH_NO_WAY)
        return v->vantage.nat != NULL
                   ? "the NAT gateway has no public address"
                   : "no NAT gateway, route or service endpoint, and no default outbound access";
    if (reached->rule != NULL)
        return cw_arena_printf(mem, "rule %s of %s", reached->rule->name, v->nsg.id);
    return cw_arena_printf(mem, "route %s of %s (%s%s%s)", reached->route->name, v->routes.id,
                           reached->route->next_hop_type, reached->route->next_hop_address == NULL ? "" : " ",
                           reached->route->next_hop_address == NULL ? "" : reached->route->next_hop_address);
}

static int refuse(const struct check *k, size_t i, size_t n, struct cw_err *err)
{
    const struct cw_reached *reached = &k->reached[i][n];
    (void)cw_err_set(err, CW_EMISCONFIGURED,
                     "nodes in subnet %s cannot reach what they need to start (%s): %s",
                     k->views[i].subnet.name, list(k, i, n, LIST_BYTES_MAX), obstacle(k, i, reached));
    cw_err_remedy(
        err, "%s",
        reached->reach == CW_REACH_DENIED
            ? "allow these destinations outbound above that rule; leave the rule"
        : reached->reach == CW_REACH_DROPPED
            ? "remove that route, or add more specific ones for these destinations"
            : "ask for a way out in network.egress: natGateway, or routeTable with the firewall's address");
    return -CW_EMISCONFIGURED;
}

/* Once for all needs that end alike; both subnets in one sentence where they agree. */
static void tell(const struct check *k, size_t i, size_t n)
{
    const struct cw_reached *reached = &k->reached[i][n];
    for (size_t m = 0; m < n; m++)
        if (cw_reached_alike(&k->reached[i][m], reached))
            return;
    if (reached->reach == CW_REACH_OPEN || (i > 0 && is_shared(k, n)))
        return;
    cw_step_found(k->c, "%s from %s: %s (%s)",
                  cw_reach_is_cut(reached->reach) ? "not reachable" : "cannot be judged",
                  is_shared(k, n) ? "the workspace subnets" : k->views[i].subnet.name,
                  list(k, i, n, SENTENCE_LIST_MAX), obstacle(k, i, reached));
}

/* Each node has a leg in both subnets: what leads out must be on both. */
static void tell_halves(const struct check *k)
{
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++) {
        const struct cw_subnet *a = &k->views[i].subnet;
        const struct cw_subnet *b = &k->views[1 - i].subnet;
        if (a->route_table_id != NULL && b->route_table_id == NULL)
            cw_step_found(k->c, "route table %s is on subnet %s alone", a->route_table_id, a->name);
        if (a->nat_gateway_id != NULL && b->nat_gateway_id == NULL)
            cw_step_found(k->c, "NAT gateway %s is on subnet %s alone", a->nat_gateway_id, a->name);
    }
}

static int conclude(const struct check *k, struct cw_err *err)
{
    size_t open = 0;
    tell_halves(k);
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++)
        for (size_t n = 0; n < k->need_count; n++)
            tell(k, i, n);
    for (size_t n = 0; n < k->need_count; n++)
        open += k->reached[0][n].reach == CW_REACH_OPEN && k->reached[1][n].reach == CW_REACH_OPEN;
    if (open > 0 && !k->views[0].is_unread && !k->views[1].is_unread)
        cw_step_found(k->c, "rules and routes let nodes reach %zu of %zu needed destinations", open,
                      k->need_count);
    for (size_t i = 0; i < CW_WORKSPACE_SUBNETS; i++)
        for (size_t n = 0; n < k->need_count; n++)
            if (k->needs[n].is_vital && cw_reach_is_cut(k->reached[i][n].reach))
                return refuse(k, i, n, err);
    return 0;
}

int cw_egress_check(struct cw_step_ctx *c, const struct cw_egress *egress, struct cw_err *err)
{
    struct check k = {.c = c, .egress = egress};
    if (egress->vnet == NULL && egress->nat_gateway_id == NULL && egress->route_table_id == NULL)
        return 0; /* a new network has Azure's own ways */
    int r = read_needs(&k, err);
    for (size_t i = 0; r == 0 && i < CW_WORKSPACE_SUBNETS; i++)
        r = read_view(&k, i, err);
    if (r == 0)
        r = judge(&k, err);
    if (r == 0)
        r = consider_load_balancer(&k, err);
    return r < 0 ? r : conclude(&k, err);
}

#include "worker/steps/diagnosis.h"

#define LIST_BYTES_MAX 600
#define SUBNETS 2

struct outside {
    struct cw_step_ctx *c;
    const struct cw_readings *r;
    struct cw_findings *f;
    struct cw_vantage from[SUBNETS];
    struct cw_reached *reached[SUBNETS]; /* one for each need; NULL: no such subnet */
};

static bool is_storage_failure(const struct cw_step_ctx *c)
{
    const char *code = c->facts->cluster_termination.code;
    return cw_z_contains_nocase(code, "STORAGE") || cw_z_contains_nocase(code, "IMAGE_DOWNLOAD") ||
           cw_z_contains_nocase(code, "BOOTSTRAP");
}

static void add_evidence(const struct outside *o, size_t i, size_t n, const char *resource_id,
                         const char *field, const char *found)
{
    const struct cw_readings *r = o->r;
    for (size_t m = n; m < r->need_count; m++)
        if (cw_reached_alike(&o->reached[i][m], &o->reached[i][n]))
            cw_finding_evidence(o->f, resource_id, field,
                                cw_arena_printf(o->c->call.mem, "%s reachable", r->needs[m].name), found);
}

/* A rule, or one that may fit. */
static void find_rule(const struct outside *o, size_t i, size_t n, int confidence, const char *names)
{
    const struct cw_security_rule *rule = o->reached[i][n].rule;
    const struct cw_nsg *nsg = o->from[i].nsg;
    (void)cw_finding_add(
        o->f, CW_CAUSE_NSG_BLOCKS, confidence, false,
        cw_arena_printf(o->c->call.mem, "rule %s of %s %s what clusters need", rule->name,
                        cw_armid_name(nsg->id), confidence > CW_POSSIBLE ? "denies" : "may deny"),
        cw_arena_printf(o->c->call.mem, "allow %s outbound above this rule; leave the rule", names));
    add_evidence(o, i, n, nsg->id, rule->name, "denied");
}

static void find_dropped(const struct outside *o, size_t i, size_t n, int confidence, const char *names)
{
    const struct cw_route *route = o->reached[i][n].route;
    const struct cw_route_table *table = o->from[i].routes;
    bool is_none = route->next_hop_address == NULL;
    (void)cw_finding_add(
        o->f, CW_CAUSE_BLACKHOLE_ROUTE, confidence, false,
        is_none ? "a route drops traffic that clusters need"
                : "a route leads traffic that clusters need to an address in no connected network",
        cw_arena_printf(o->c->call.mem,
                        is_none ? "remove the route, or add more specific ones for %s"
                                : "peer with the network of the next hop, or correct the route, for %s",
                        names));
    add_evidence(o, i, n, table->id, route->name,
                 is_none ? "next hop None"
                         : cw_arena_printf(o->c->call.mem, "next hop %s", route->next_hop_address));
}

static void find_appliance(const struct outside *o, size_t i, size_t n, int confidence, const char *names)
{
    const struct cw_route *route = o->reached[i][n].route;
    bool is_gateway = route->next_hop_address == NULL;
    const char *hop = is_gateway ? route->next_hop_type : route->next_hop_address;
    (void)cw_finding_add(
        o->f, CW_CAUSE_ROUTE_FIREWALL, confidence, false,
        is_gateway ? "all other traffic goes through a gateway, and must be let out on the other side"
                   : "all other traffic goes to an appliance, which must allow it",
        cw_arena_printf(o->c->call.mem, "allow %s behind next hop %s", names, hop));
    add_evidence(o, i, n, o->from[i].routes->id, route->name,
                 cw_arena_printf(o->c->call.mem, "next hop %s decides", hop));
}

static void find_no_way(const struct outside *o, size_t i, size_t n)
{
    const struct cw_reached *other = o->reached[1 - i];
    bool is_half = other != NULL && other[n].reach != CW_REACH_NO_WAY;
    const struct cw_nat_gateway *nat = o->from[i].nat;
    (void)cw_finding_add(
        o->f, CW_CAUSE_NO_EGRESS, CW_SURE, false,
        nat != NULL ? "the NAT gateway has no public address"
        : is_half   ? "only one of the two workspace subnets has a way out"
                    : "the workspace subnets have no way out to storage, metastore and event hub",
        nat != NULL ? "give the NAT gateway a public address or prefix"
                    : "put a NAT gateway, or a route to a firewall, on both workspace subnets");
    if (nat != NULL)
        cw_finding_evidence(o->f, nat->id, "properties.publicIpAddresses", "a public address", "none");
    else
        cw_finding_evidence(o->f, o->from[i].subnet->id, "natGateway, routeTable", "a way out", "none");
    add_evidence(o, i, n, o->from[i].subnet->id, "defaultOutboundAccess", "no way out");
}

/* Is one of those that end alike such that no node starts without it? */
static bool any_vital(const struct outside *o, size_t i, size_t n)
{
    for (size_t m = n; m < o->r->need_count; m++)
        if (o->r->needs[m].is_vital && cw_reached_alike(&o->reached[i][m], &o->reached[i][n]))
            return true;
    return false;
}

static void find(const struct outside *o, size_t i, size_t n)
{
    const struct cw_reached *reached = &o->reached[i][n];
    bool is_vital = any_vital(o, i, n);
    int cut = is_vital ? CW_SURE : CW_LIKELY;
    int open = is_vital && is_storage_failure(o->c) ? CW_LIKELY : CW_POSSIBLE;
    const char *names =
        cw_reached_names(o->r->needs, o->reached[i], o->r->need_count, n, LIST_BYTES_MAX, o->c->call.mem);
    switch (reached->reach) {
    case CW_REACH_OPEN:
        return;
    case CW_REACH_DENIED:
        find_rule(o, i, n, cut, names);
        return;
    case CW_REACH_DROPPED:
        find_dropped(o, i, n, cut, names);
        return;
    case CW_REACH_NO_WAY:
        find_no_way(o, i, n);
        return;
    case CW_REACH_APPLIANCE:
        find_appliance(o, i, n, open, names);
        return;
    case CW_REACH_DOUBTFUL:
        if (reached->rule != NULL)
            find_rule(o, i, n, CW_POSSIBLE, names);
        else
            find_appliance(o, i, n, CW_POSSIBLE, names);
    }
}

/* Once for all needs that end alike, and once where both subnets agree. */
static bool is_told(const struct outside *o, size_t i, size_t n)
{
    for (size_t m = 0; m < n; m++)
        if (cw_reached_alike(&o->reached[i][m], &o->reached[i][n]))
            return true;
    const struct cw_subnet *host = o->from[0].subnet;
    const struct cw_subnet *own = o->from[i].subnet;
    return i == 1 && o->reached[0] != NULL && o->reached[0][n].reach == o->reached[i][n].reach &&
           cw_armid_eq(host->nsg_id, own->nsg_id) && cw_armid_eq(host->route_table_id, own->route_table_id) &&
           cw_armid_eq(host->nat_gateway_id, own->nat_gateway_id);
}

/* Where only Azure's default outbound access is left, it may have been what failed: newer networks don't have it. */
static void suspect_default_access(const struct outside *o)
{
    if (!is_storage_failure(o->c))
        return;
    for (size_t i = 0; i < SUBNETS; i++) {
        const struct cw_subnet *subnet = o->from[i].subnet;
        if (subnet == NULL || subnet->is_private || subnet->nat_gateway_id != NULL ||
            o->from[i].has_other_way ||
            (o->from[i].routes != NULL && cw_route_table_default(o->from[i].routes) != NULL))
            continue;
        (void)cw_finding_add(o->f, CW_CAUSE_NO_EGRESS, CW_LIKELY, false,
                             "nothing leads a workspace subnet out but Azure's default outbound access",
                             "put a NAT gateway, or a route to a firewall, on both workspace subnets");
        cw_finding_evidence(o->f, subnet->id, "natGateway, routeTable", "a way out", "none");
        return;
    }
}

static void look(struct outside *o, size_t i, const struct cw_subnet *subnet, const struct cw_nsg *nsg,
                 const struct cw_route_table *routes, const struct cw_nat_gateway *nat)
{
    const struct cw_readings *r = o->r;
    if (subnet == NULL)
        return;
    o->from[i] = (struct cw_vantage){
        .subnet = subnet,
        .vnet = &r->vnet,
        .nsg = nsg->id == NULL ? NULL : nsg,
        .routes = routes->id == NULL ? NULL : routes,
        .nat = nat->id == NULL ? NULL : nat,
        .has_other_way = r->workspace.load_balancer_id != NULL || r->workspace.no_public_ip == CW_NO ||
                         (subnet->nat_gateway_id != NULL && nat->id == NULL), /* unread */
    };
    o->reached[i] = cw_arena_alloc_array(o->c->call.mem, r->need_count + 1, sizeof **o->reached);
}

/* What is wrong with the rules does not hide what is wrong with the routes. */
static void judge_by(struct outside *o,
                     struct cw_reached (*fn)(const struct cw_vantage *from, const struct cw_need *need))
{
    for (size_t i = 0; i < SUBNETS; i++)
        for (size_t n = 0; o->reached[i] != NULL && n < o->r->need_count; n++)
            o->reached[i][n] = fn(&o->from[i], &o->r->needs[n]);
    for (size_t i = 0; i < SUBNETS; i++)
        for (size_t n = 0; o->reached[i] != NULL && n < o->r->need_count; n++)
            if (!is_told(o, i, n))
                find(o, i, n);
}

void cw_diagnosis_judge_outside(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    struct outside o = {.c = c, .r = r, .f = f};
    size_t before = f->count;
    look(&o, 0, cw_vnet_subnet(&r->vnet, c->facts->host_subnet), &r->host_nsg, &r->host_routes, &r->host_nat);
    look(&o, 1, cw_vnet_subnet(&r->vnet, c->facts->container_subnet), &r->container_nsg, &r->container_routes,
         &r->container_nat);
    judge_by(&o, cw_reach_by_rules);
    judge_by(&o, cw_reach_by_routes);
    if (f->count == before)
        suspect_default_access(&o);
}

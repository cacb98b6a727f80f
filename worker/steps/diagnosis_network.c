#include "common/azure/reach.h"
#include "worker/steps/diagnosis.h"

#define ADDRESSES_RESERVED 5

/* One connection that clusters need. */
struct need {
    const char *name;
    const char *tag; /* service tag; NULL = the endpoint's address */
    int port;
};

static const struct need outbound[] = {
    {"endpoint 443", NULL, 443},
    {"endpoint 6666 (relay)", NULL, 6666},
    {"endpoint 8443", NULL, 8443},
    {"Storage 443", "Storage", 443},
    {"Sql 3306", "Sql", 3306},
    {"EventHub 9093", "EventHub", 9093},
    {"AzureActiveDirectory 443", "AzureActiveDirectory", 443},
};
static const struct need inbound[] = {
    {"443", NULL, 443}, {"6666 (relay)", NULL, 6666}, {"8443", NULL, 8443}, {"8451", NULL, 8451}};

static struct cw_place place_of(const struct cw_step_ctx *c, const struct need *need, const char *endpoint)
{
    return need->tag == NULL ? (struct cw_place){.range = endpoint}
                             : (struct cw_place){.tag = need->tag, .region = c->facts->location};
}

/* source: range of the workspace subnet. */
static void judge_nsg(struct cw_step_ctx *c, const struct cw_nsg *nsg, bool is_inbound, const char *source,
                      const char *endpoint, struct cw_findings *f)
{
    const struct need *needs = is_inbound ? inbound : outbound;
    size_t count = is_inbound ? CW_ARRAY_LEN(inbound) : CW_ARRAY_LEN(outbound);
    const struct cw_security_rule *told = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct cw_flow flow = {{.range = source}, place_of(c, &needs[i], endpoint), needs[i].port};
        const struct cw_ruling ruling = cw_nsg_ruling(nsg, is_inbound ? "Inbound" : "Outbound", &flow);
        if (!cw_ruling_denies(&ruling))
            continue;
        if (told != ruling.rule)
            (void)cw_finding_add(
                f, is_inbound ? CW_CAUSE_ENDPOINT_SUBNET_FILTERED : CW_CAUSE_NSG_BLOCKS,
                ruling.doubt == NULL ? CW_SURE : CW_LIKELY, false,
                cw_arena_printf(c->call.mem, "rule %s of %s denies what clusters need", ruling.rule->name,
                                cw_armid_name(nsg->id)),
                is_inbound
                    ? "allow 443, 6666 and 8443-8451 inbound from the workspace subnets above this rule"
                    : "allow what the evidence names above this rule; leave the rule");
        told = ruling.rule;
        cw_finding_evidence(f, nsg->id, told->name, cw_arena_printf(c->call.mem, "%s allowed", needs[i].name),
                            "denied");
    }
}

static void judge_blackholes(const struct cw_step_ctx *c, const struct cw_route_table *table,
                             struct cw_findings *f)
{
    const struct cw_route *told = NULL;
    for (size_t i = 0; i < CW_ARRAY_LEN(outbound); i++) {
        const struct cw_place to = place_of(c, &outbound[i], NULL);
        const struct cw_route *route = to.tag == NULL ? NULL : cw_route_table_way(table, &to, 0).route;
        if (route == NULL || !cw_z_eq_nocase(route->next_hop_type, "None"))
            continue;
        if (route != told)
            (void)cw_finding_add(f, CW_CAUSE_BLACKHOLE_ROUTE, CW_LIKELY, false,
                                 "a route drops traffic that clusters need",
                                 "remove the route, or add more specific ones for Storage, Sql and EventHub");
        told = route;
        cw_finding_evidence(f, table->id, route->name,
                            cw_arena_printf(c->call.mem, "%s has a way", outbound[i].name), "next hop None");
    }
}

static void judge_routes(const struct cw_step_ctx *c, const struct cw_route_table *table,
                         const struct cw_readings *r, bool is_policed, struct cw_findings *f)
{
    const struct cw_route *out = cw_route_table_default(table);
    const struct cw_route *override = cw_route_table_override(table, &r->vnet, r->address, is_policed);
    judge_blackholes(c, table, f);
    if (out != NULL && cw_z_eq_nocase(out->next_hop_type, "VirtualAppliance")) {
        (void)cw_finding_add(f, CW_CAUSE_ROUTE_FIREWALL, CW_POSSIBLE, false,
                             "all other traffic goes to an appliance, which must allow it",
                             "allow the hosts of outboundNetworkDependenciesEndpoints on the appliance");
        cw_finding_evidence(f, table->id, out->name, "no such route", out->next_hop_type);
    }
    if (override == NULL)
        return;
    (void)cw_finding_add(f, CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT, CW_LIKELY, false,
                         "a route leads the endpoint's address away",
                         "add a route of the endpoint's subnet with next hop VnetLocal");
    cw_finding_evidence(f, table->id, override->name, "no such route", override->next_hop_type);
}

/* Without NAT and default route only Azure's default outbound access is left, which newer VNets don't have. */
static void judge_egress(const struct cw_step_ctx *c, const struct cw_readings *r,
                         const struct cw_subnet *host, const struct cw_subnet *container,
                         struct cw_findings *f)
{
    const char *code = c->facts->cluster_termination.code;
    bool is_storage = cw_z_contains_nocase(code, "STORAGE") || cw_z_contains_nocase(code, "IMAGE_DOWNLOAD") ||
                      cw_z_contains_nocase(code, "BOOTSTRAP");
    bool host_has =
        host != NULL && (host->nat_gateway_id != NULL || cw_route_table_default(&r->host_routes) != NULL);
    bool container_has = container != NULL && (container->nat_gateway_id != NULL ||
                                               cw_route_table_default(&r->container_routes) != NULL);
    if (!is_storage || (host_has && container_has))
        return;
    bool is_half = host_has || container_has;
    const struct cw_subnet *lacking = host_has ? container : host;
    (void)cw_finding_add(f, CW_CAUSE_NO_EGRESS, is_half ? CW_SURE : CW_LIKELY, false,
                         is_half
                             ? "only one of the two workspace subnets has a way out"
                             : "the workspace subnets have no way out to storage, metastore and event hub",
                         "put a NAT gateway, or a route to a firewall, on both workspace subnets");
    cw_finding_evidence(f, lacking == NULL ? NULL : lacking->id, "natGateway, routeTable", "a way out",
                        "none");
}

static void judge_subnet(const struct cw_subnet *subnet, const char *what, struct cw_findings *f)
{
    struct cw_prefix prefix;
    if (subnet == NULL)
        return;
    if (!cw_z_eq_nocase(subnet->delegation, CW_DATABRICKS_DELEGATION) || subnet->nsg_id == NULL) {
        bool is_delegated = cw_z_eq_nocase(subnet->delegation, CW_DATABRICKS_DELEGATION);
        (void)cw_finding_add(
            f, CW_CAUSE_SUBNET_DELEGATION, CW_SURE, false, what,
            "delegate the subnet to Microsoft.Databricks/workspaces and associate its NSG again");
        cw_finding_evidence(f, subnet->id, is_delegated ? "networkSecurityGroup" : "delegations",
                            is_delegated ? "an NSG" : CW_DATABRICKS_DELEGATION, "none");
    }
    if (cw_prefix_parse(subnet->prefix, &prefix) &&
        subnet->ip_configuration_count + ADDRESSES_RESERVED >= (UINT64_C(1) << (32 - prefix.bits))) {
        (void)cw_finding_add(f, CW_CAUSE_SUBNET_FULL, CW_SURE, false,
                             "a workspace subnet has no free address",
                             "stop idle pools and clusters, or give the workspace larger subnets");
        cw_finding_evidence(f, subnet->id, "ipConfigurations", "free addresses", "none");
    }
}

/* Do security rules, or routes, hold for the endpoints of the subnet? which: "NetworkSecurityGroupEnabled" … */
static bool is_policed(const struct cw_subnet *endpoints, const char *which)
{
    return endpoints != NULL && (cw_z_eq_nocase(endpoints->endpoint_policies, "Enabled") ||
                                 cw_z_eq_nocase(endpoints->endpoint_policies, which));
}

static const char *range_of(const struct cw_subnet *subnet)
{
    return subnet == NULL ? NULL : subnet->prefix;
}

void cw_diagnosis_judge_network(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    const struct cw_subnet *host = cw_vnet_subnet(&r->vnet, c->facts->host_subnet);
    const struct cw_subnet *container = cw_vnet_subnet(&r->vnet, c->facts->container_subnet);
    bool is_near = r->has_endpoint && cw_armid_is_within(r->endpoint.subnet_id, r->vnet.id);
    const struct cw_subnet *endpoints =
        is_near ? cw_vnet_subnet(&r->vnet, cw_armid_name(r->endpoint.subnet_id)) : NULL;
    if (r->vnet.id == NULL)
        return;
    judge_subnet(host, "the host subnet has lost its delegation or its NSG", f);
    judge_subnet(container, "the container subnet has lost its delegation or its NSG", f);
    judge_nsg(c, &r->host_nsg, false, range_of(host), r->address, f);
    if (!cw_armid_eq(r->host_nsg.id, r->container_nsg.id))
        judge_nsg(c, &r->container_nsg, false, range_of(container), r->address, f);
    if (is_policed(endpoints, "NetworkSecurityGroupEnabled"))
        judge_nsg(c, &r->endpoint_nsg, true, range_of(host), r->address, f);
    bool is_routed = is_policed(endpoints, "RouteTableEnabled");
    judge_routes(c, &r->host_routes, r, is_routed, f);
    if (!cw_armid_eq(r->host_routes.id, r->container_routes.id))
        judge_routes(c, &r->container_routes, r, is_routed, f);
    judge_egress(c, r, host, container, f);
}

#include "worker/steps/diagnosis.h"

#define ADDRESSES_RESERVED 5

/* Ports of the endpoint that clusters need. */
static const struct {
    const char *name;
    int port;
} ports[] = {{"443", 443}, {"6666 (relay)", 6666}, {"8443", 8443}, {"8451", 8451}};

/* source: range of the workspace subnet. */
static void judge_nsg(struct cw_step_ctx *c, const struct cw_nsg *nsg, bool is_inbound, const char *source,
                      const char *endpoint, struct cw_findings *f)
{
    const struct cw_security_rule *told = NULL;
    for (size_t i = 0; i < CW_ARRAY_LEN(ports); i++) {
        const struct cw_flow flow = {{.range = source}, {.range = endpoint}, ports[i].port};
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
        cw_finding_evidence(f, nsg->id, told->name,
                            cw_arena_printf(c->call.mem, "endpoint %s allowed", ports[i].name), "denied");
    }
}

static void judge_routes(const struct cw_route_table *table, const struct cw_readings *r, bool is_policed,
                         struct cw_findings *f)
{
    const struct cw_route *override = cw_route_table_override(table, &r->vnet, r->address, is_policed);
    if (override == NULL)
        return;
    (void)cw_finding_add(f, CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT, CW_LIKELY, false,
                         "a route leads the endpoint's address away",
                         "add a route of the endpoint's subnet with next hop VnetLocal");
    cw_finding_evidence(f, table->id, override->name, "no such route", override->next_hop_type);
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
    size_t before = f->count;
    judge_nsg(c, &r->host_nsg, false, range_of(host), r->address, f);
    if (f->count == before || !cw_armid_eq(r->host_nsg.id, r->container_nsg.id))
        judge_nsg(c, &r->container_nsg, false, range_of(container), r->address, f);
    bool is_filtered = cw_subnet_has_policies(endpoints, "NetworkSecurityGroupEnabled");
    before = f->count;
    if (is_filtered)
        judge_nsg(c, &r->endpoint_nsg, true, range_of(host), r->address, f);
    if (is_filtered && f->count == before)
        judge_nsg(c, &r->endpoint_nsg, true, range_of(container), r->address, f);
    bool is_routed = cw_subnet_has_policies(endpoints, "RouteTableEnabled");
    judge_routes(&r->host_routes, r, is_routed, f);
    if (!cw_armid_eq(r->host_routes.id, r->container_routes.id))
        judge_routes(&r->container_routes, r, is_routed, f);
    cw_diagnosis_judge_outside(c, r, f);
}

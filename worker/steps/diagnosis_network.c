#include "worker/steps/diagnosis.h"

#define ADDRESSES_RESERVED 5
#define TOKEN_BYTES_MAX 128

/* One connection that clusters need. */
struct flow {
    const char *name;
    const char *tag; /* service tag; NULL = the endpoint's address */
    int port;
};

static const struct flow outbound[] = {
    {"endpoint 443", NULL, 443},
    {"endpoint 6666 (relay)", NULL, 6666},
    {"endpoint 8443", NULL, 8443},
    {"Storage 443", "Storage", 443},
    {"Sql 3306", "Sql", 3306},
    {"EventHub 9093", "EventHub", 9093},
    {"AzureActiveDirectory 443", "AzureActiveDirectory", 443},
};
static const struct flow inbound[] = {
    {"443", NULL, 443}, {"6666 (relay)", NULL, 6666}, {"8443", NULL, 8443}, {"8451", NULL, 8451}};

/* Calls fn for each member of a comma-separated list until one is true. */
static bool any_of(const char *list, bool (*fn)(const char *token, const void *arg), const void *arg)
{
    for (const char *p = list; p != NULL && *p != '\0';) {
        char token[TOKEN_BYTES_MAX];
        size_t n = strcspn(p, ",");
        size_t kept = CW_MIN(n, sizeof token - 1);
        memcpy(token, p, kept);
        token[kept] = '\0';
        if (fn(token, arg))
            return true;
        p += n;
        p += *p == ',';
    }
    return false;
}

static bool is_port(const char *token, const void *arg)
{
    const int *port = arg;
    int low = 0;
    int high = 0;
    if (cw_z_eq(token, "*"))
        return true;
    int read = sscanf(token, "%d-%d", &low, &high);
    return read == 2 ? low <= *port && *port <= high : read == 1 && low == *port;
}

struct place {
    const char *tag;     /* service tag, or NULL */
    const char *address; /* inside the VNet, or NULL */
};

static bool is_place(const char *token, const void *arg)
{
    const struct place *place = arg;
    struct cw_prefix prefix;
    uint32_t address = 0;
    size_t n = place->tag == NULL ? 0 : strlen(place->tag);
    if (cw_z_eq(token, "*") || cw_z_eq(token, "0.0.0.0/0"))
        return true;
    if (place->tag != NULL)
        return cw_z_eq_nocase(token, "Internet") || cw_z_eq_nocase(token, place->tag) ||
               (cw_z_starts_nocase(token, place->tag) && token[n] == '.');
    if (cw_z_eq_nocase(token, "VirtualNetwork"))
        return true;
    if (place->address == NULL || !cw_address_parse(place->address, &address))
        return false;
    if (cw_prefix_parse(token, &prefix))
        return cw_prefix_has_address(prefix, address);
    return cw_z_eq(token, place->address);
}

/* The rule that decides about a flow: the one of lowest priority number that fits; NULL = the defaults, which allow it. */
static const struct cw_security_rule *deciding_rule(const struct cw_nsg *nsg, const char *direction,
                                                    struct place from, struct place to, int port)
{
    const struct cw_security_rule *best = NULL;
    for (size_t i = 0; i < nsg->rule_count; i++) {
        const struct cw_security_rule *rule = &nsg->rules[i];
        bool fits = cw_z_eq_nocase(rule->direction, direction) &&
                    (cw_z_eq(rule->protocol, "*") || cw_z_eq_nocase(rule->protocol, "Tcp")) &&
                    any_of(rule->ports, is_port, &port) && any_of(rule->sources, is_place, &from) &&
                    any_of(rule->destinations, is_place, &to);
        if (fits && (best == NULL || rule->priority < best->priority))
            best = rule;
    }
    return best;
}

/* An address inside a subnet. */
static const char *address_in(const struct cw_subnet *subnet, struct cw_arena *mem)
{
    return subnet == NULL || subnet->prefix == NULL
               ? NULL
               : cw_arena_memdup(mem, subnet->prefix, strcspn(subnet->prefix, "/"));
}

static void judge_nsg(struct cw_step_ctx *c, const struct cw_nsg *nsg, bool is_inbound, const char *source,
                      const char *endpoint, struct cw_findings *f)
{
    const struct flow *flows = is_inbound ? inbound : outbound;
    size_t count = is_inbound ? CW_ARRAY_LEN(inbound) : CW_ARRAY_LEN(outbound);
    const struct cw_security_rule *told = NULL;
    for (size_t i = 0; i < count; i++) {
        struct place to = {.tag = flows[i].tag, .address = endpoint};
        const struct cw_security_rule *rule = deciding_rule(
            nsg, is_inbound ? "Inbound" : "Outbound", (struct place){.address = source}, to, flows[i].port);
        if (rule == NULL || !cw_z_eq_nocase(rule->access, "Deny"))
            continue;
        if (told != rule)
            (void)cw_finding_add(
                f, is_inbound ? CW_CAUSE_ENDPOINT_SUBNET_FILTERED : CW_CAUSE_NSG_BLOCKS, CW_SURE, false,
                cw_arena_printf(c->call.mem, "rule %s of %s denies what clusters need", rule->name,
                                cw_armid_name(nsg->id)),
                is_inbound
                    ? "allow 443, 6666 and 8443-8451 inbound from the workspace subnets above this rule"
                    : "allow what the evidence names above this rule; leave the rule");
        told = rule;
        cw_finding_evidence(f, nsg->id, rule->name, cw_arena_printf(c->call.mem, "%s allowed", flows[i].name),
                            "denied");
    }
}

static bool has_default_route(const struct cw_route_table *table)
{
    for (size_t i = 0; i < table->route_count; i++)
        if (cw_z_eq(table->routes[i].prefix, "0.0.0.0/0"))
            return true;
    return false;
}

static void judge_routes(const struct cw_route_table *table, const struct cw_readings *r,
                         struct cw_findings *f)
{
    uint32_t address = 0;
    bool has_address = r->address != NULL && cw_address_parse(r->address, &address);
    for (size_t i = 0; i < table->route_count; i++) {
        const struct cw_route *route = &table->routes[i];
        struct cw_prefix prefix;
        bool is_default = cw_z_eq(route->prefix, "0.0.0.0/0");
        if (cw_z_eq_nocase(route->next_hop_type, "None")) {
            (void)cw_finding_add(f, CW_CAUSE_BLACKHOLE_ROUTE, CW_LIKELY, false,
                                 "a route drops traffic that clusters need",
                                 "remove the route, or add more specific ones for Storage, Sql and EventHub");
        } else if (!cw_z_eq_nocase(route->next_hop_type, "VirtualAppliance")) {
            continue;
        } else if (is_default) {
            (void)cw_finding_add(f, CW_CAUSE_ROUTE_FIREWALL, CW_POSSIBLE, false,
                                 "all other traffic goes to an appliance, which must allow it",
                                 "allow the hosts of outboundNetworkDependenciesEndpoints on the appliance");
        } else if (has_address && cw_prefix_parse(route->prefix, &prefix) &&
                   cw_prefix_has_address(prefix, address)) {
            (void)cw_finding_add(f, CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT, CW_LIKELY, false,
                                 "a route leads the endpoint's address to an appliance",
                                 "add a route of the endpoint's subnet with next hop VnetLocal");
        } else {
            continue;
        }
        cw_finding_evidence(f, table->id, route->name, "no such route", route->next_hop_type);
    }
}

/* Without NAT and default route only Azure's default outbound access is left, which newer VNets don't have. */
static void judge_egress(const struct cw_step_ctx *c, const struct cw_readings *r,
                         const struct cw_subnet *host, const struct cw_subnet *container,
                         struct cw_findings *f)
{
    const char *code = c->facts->cluster_termination.code;
    bool is_storage = cw_z_contains_nocase(code, "STORAGE") || cw_z_contains_nocase(code, "IMAGE_DOWNLOAD") ||
                      cw_z_contains_nocase(code, "BOOTSTRAP");
    bool host_has = host != NULL && (host->nat_gateway_id != NULL || has_default_route(&r->host_routes));
    bool container_has =
        container != NULL && (container->nat_gateway_id != NULL || has_default_route(&r->container_routes));
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

static bool is_filtered(const struct cw_subnet *endpoints)
{
    return endpoints != NULL && (cw_z_eq_nocase(endpoints->endpoint_policies, "Enabled") ||
                                 cw_z_eq_nocase(endpoints->endpoint_policies, "NetworkSecurityGroupEnabled"));
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
    judge_nsg(c, &r->host_nsg, false, address_in(host, c->call.mem), r->address, f);
    if (!cw_armid_eq(r->host_nsg.id, r->container_nsg.id))
        judge_nsg(c, &r->container_nsg, false, address_in(container, c->call.mem), r->address, f);
    if (is_filtered(endpoints))
        judge_nsg(c, &r->endpoint_nsg, true, address_in(host, c->call.mem), r->address, f);
    judge_routes(&r->host_routes, r, f);
    if (!cw_armid_eq(r->host_routes.id, r->container_routes.id))
        judge_routes(&r->container_routes, r, f);
    judge_egress(c, r, host, container, f);
}

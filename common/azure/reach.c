#include "common/azure/reach.h"

#define TOKEN_BYTES_MAX 128
#define ALL_BITS 32
#define CLOUD_BITS 1   /* AzureCloud: less specific than the tag of a service */
#define TAG_BITS 20    /* of the ranges behind a tag, about */
#define REGION_BITS 24 /* … of one region's */

enum match { NO = 0, MAYBE, YES };

static bool read_range(const char *z, struct cw_prefix *ret)
{
    uint32_t address = 0;
    if (cw_prefix_parse(z, ret))
        return true;
    if (!cw_address_parse(z, &address))
        return false;
    *ret = (struct cw_prefix){address, ALL_BITS};
    return true;
}

/* A range of a rule or route, and a place of which we know a range, or nothing. */
static enum match match_range(struct cw_prefix range, const struct cw_place *place)
{
    struct cw_prefix own;
    if (range.bits == 0)
        return YES;
    if (place->range == NULL || !read_range(place->range, &own))
        return place->tag != NULL && cw_prefix_is_private(range) ? NO : MAYBE;
    return cw_prefix_contains(range, own) ? YES : cw_prefix_overlaps(range, own) ? MAYBE : NO;
}

/* "Storage", "Storage.ChinaEast2", "AzureCloud": *ret_bits how specific a route by it is. */
static enum match match_tag(const char *token, const struct cw_place *place, int *ret_bits)
{
    size_t n = strcspn(token, ".");
    bool is_cloud = n == strlen("AzureCloud") && cw_z_starts_nocase(token, "AzureCloud");
    bool is_own = strlen(place->tag) == n && cw_z_starts_nocase(token, place->tag);
    *ret_bits = is_cloud ? CLOUD_BITS : TAG_BITS;
    if (!is_cloud && !is_own)
        return place->tag[0] == '\0' ? MAYBE : NO;
    if (token[n] == '\0')
        return YES;
    *ret_bits = is_cloud ? CLOUD_BITS + 1 : REGION_BITS;
    return cw_z_eq_nocase(token + n + 1, place->region) ? YES : MAYBE;
}

static enum match match_place(const char *token, const void *arg)
{
    const struct cw_place *place = arg;
    struct cw_prefix range;
    int bits = 0;
    if (cw_z_eq(token, "*"))
        return YES;
    if (read_range(token, &range))
        return match_range(range, place);
    if (place->tag == NULL)
        return cw_z_eq_nocase(token, "VirtualNetwork") ? YES : NO;
    if (cw_z_eq_nocase(token, "Internet"))
        return YES;
    if (cw_z_eq_nocase(token, "VirtualNetwork") || cw_z_eq_nocase(token, "AzureLoadBalancer"))
        return NO;
    return match_tag(token, place, &bits);
}

static enum match match_port(const char *token, const void *arg)
{
    const int *port = arg;
    int low = 0;
    int high = 0;
    if (cw_z_eq(token, "*"))
        return YES;
    int read = sscanf(token, "%d-%d", &low, &high);
    return (read == 2 && low <= *port && *port <= high) || (read == 1 && low == *port) ? YES : NO;
}

/* The best match among the members of a comma-separated list. */
static enum match match_any(const char *list, enum match (*fn)(const char *token, const void *arg),
                            const void *arg)
{
    enum match best = NO;
    for (const char *p = list; p != NULL && *p != '\0';) {
        char token[TOKEN_BYTES_MAX];
        size_t n = strcspn(p, ",");
        size_t kept = CW_MIN(n, sizeof token - 1);
        memcpy(token, p, kept);
        token[kept] = '\0';
        best = CW_MAX(best, fn(token, arg));
        p += n;
        p += *p == ',';
    }
    return best;
}

/* --- security rules ------------------------------------------------------------------------------------------------- */

static enum match match_rule(const struct cw_security_rule *rule, const char *direction,
                             const struct cw_flow *flow)
{
    if (!cw_z_eq_nocase(rule->direction, direction) ||
        (!cw_z_eq(rule->protocol, "*") && !cw_z_eq_nocase(rule->protocol, "Tcp")))
        return NO;
    enum match ends = CW_MIN(match_any(rule->sources, match_place, &flow->from),
                             match_any(rule->destinations, match_place, &flow->to));
    return CW_MIN(ends, match_any(rule->ports, match_port, &flow->port));
}

static bool is_deny(const struct cw_security_rule *rule)
{
    return rule != NULL && cw_z_eq_nocase(rule->access, "Deny");
}

struct cw_ruling cw_nsg_ruling(const struct cw_nsg *nsg, const char *direction, const struct cw_flow *flow)
{
    struct cw_ruling out = {0};
    for (size_t i = 0; i < nsg->rule_count; i++) {
        const struct cw_security_rule *rule = &nsg->rules[i];
        if (match_rule(rule, direction, flow) == YES &&
            (out.rule == NULL || rule->priority < out.rule->priority))
            out.rule = rule;
    }
    for (size_t i = 0; i < nsg->rule_count; i++) {
        const struct cw_security_rule *rule = &nsg->rules[i];
        if (match_rule(rule, direction, flow) == MAYBE && is_deny(rule) != is_deny(out.rule) &&
            (out.rule == NULL || rule->priority < out.rule->priority) &&
            (out.doubt == NULL || rule->priority < out.doubt->priority))
            out.doubt = rule;
    }
    return out;
}

bool cw_ruling_denies(const struct cw_ruling *ruling)
{
    return is_deny(ruling->rule);
}

/* --- routes --------------------------------------------------------------------------------------------------------- */

/* A range's length is exact; that of a tag stands for many ranges. */
static enum match match_route(const struct cw_route *route, const struct cw_place *to, int *ret_bits)
{
    struct cw_prefix range;
    *ret_bits = 0;
    if (read_range(route->prefix, &range)) {
        *ret_bits = range.bits;
        return match_range(range, to);
    }
    return to->tag == NULL ? NO : match_tag(route->prefix, to, ret_bits);
}

static bool leads_alike(const struct cw_route *a, const struct cw_route *b)
{
    return b != NULL && cw_z_eq_nocase(a->next_hop_type, b->next_hop_type) &&
           cw_z_eq(a->next_hop_address, b->next_hop_address);
}

struct cw_way cw_route_table_way(const struct cw_route_table *table, const struct cw_place *to, int bits_min)
{
    struct cw_way out = {0};
    int best = -1;
    int bits = 0;
    for (size_t i = 0; i < table->route_count; i++)
        if (match_route(&table->routes[i], to, &bits) == YES && bits >= bits_min && bits > best) {
            out.route = &table->routes[i];
            best = bits;
        }
    for (size_t i = 0; i < table->route_count && out.doubt == NULL; i++)
        if (match_route(&table->routes[i], to, &bits) == MAYBE && bits >= bits_min &&
            !leads_alike(&table->routes[i], out.route))
            out.doubt = &table->routes[i];
    return out;
}

const struct cw_route *cw_route_table_override(const struct cw_route_table *table, const struct cw_vnet *vnet,
                                               const char *address, bool is_policed)
{
    const struct cw_place to = {.range = address};
    struct cw_prefix space;
    int bits_min = ALL_BITS;
    if (address == NULL)
        return NULL;
    if (is_policed) {
        bits_min = 1;
        for (size_t i = 0; i < vnet->prefix_count; i++)
            if (cw_prefix_parse(vnet->prefixes[i], &space) && match_range(space, &to) == YES)
                bits_min = CW_MAX(bits_min, space.bits);
    }
    const struct cw_route *route = cw_route_table_way(table, &to, bits_min).route;
    return route == NULL || cw_z_eq_nocase(route->next_hop_type, "VnetLocal") ? NULL : route;
}

/* --- what nodes need ------------------------------------------------------------------------------------------------ */

/* By the category that the service names, or by the domain where it is a new one. */
static const struct {
    const char *category;
    const char *domain;
    const char *tag; /* NULL: the private endpoint leads there */
    bool is_vital;
} kinds[] = {
    {"Webapp", NULL, NULL, false},
    {"Control Plane NAT", NULL, NULL, false},
    {"Extended infrastructure", NULL, NULL, false},
    {"Azure Storage", ".core.", "Storage", true},
    {"Azure My SQL", ".mysql.", "Sql", false},
    {"Azure Servicebus", ".servicebus.", "EventHub", false},
};

static const struct cw_need services[] = {
    {"Storage:443", {.tag = "Storage"}, 443, true},
    {"Sql:3306", {.tag = "Sql"}, 3306, false},
    {"EventHub:9093", {.tag = "EventHub"}, 9093, false},
};
static const struct cw_need sign_in = {
    "AzureActiveDirectory:443", {.tag = "AzureActiveDirectory"}, 443, false};

/* false: the private endpoint leads there. */
static bool read_need(const struct cw_outbound_endpoint *e, const char *region, struct cw_arena *mem,
                      struct cw_need *ret)
{
    *ret = (struct cw_need){
        .name = cw_arena_printf(mem, "%s:%d", e->domain, e->port),
        .to = {.tag = "", .region = region, .range = e->address},
        .port = e->port,
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(kinds); i++) {
        if (!cw_z_eq_nocase(kinds[i].category, e->category) &&
            (kinds[i].domain == NULL || !cw_z_contains_nocase(e->domain, kinds[i].domain)))
            continue;
        ret->to.tag = kinds[i].tag;
        ret->is_vital = kinds[i].is_vital;
        break;
    }
    return ret->to.tag != NULL && e->domain[0] != '\0';
}

/* One host may have several addresses: then none is the one. */
static bool is_known(struct cw_need *needs, size_t count, const struct cw_need *need)
{
    for (size_t i = 0; i < count; i++)
        if (cw_z_eq_nocase(needs[i].name, need->name)) {
            needs[i].to.range = cw_z_eq(needs[i].to.range, need->to.range) ? need->to.range : NULL;
            return true;
        }
    return false;
}

const struct cw_need *cw_needs_of(const struct cw_outbound_endpoint *endpoints, size_t endpoint_count,
                                  const char *region, struct cw_arena *mem, size_t *ret_count)
{
    struct cw_need *needs =
        cw_arena_alloc_array(mem, endpoint_count + CW_ARRAY_LEN(services) + 1, sizeof *needs);
    if (needs == NULL)
        return NULL;
    *ret_count = 0;
    for (size_t i = 0; i < endpoint_count; i++)
        if (read_need(&endpoints[i], region, mem, &needs[*ret_count]))
            *ret_count += !is_known(needs, *ret_count, &needs[*ret_count]);
    for (size_t i = 0; *ret_count == i && i < CW_ARRAY_LEN(services); i++) {
        needs[i] = services[i];
        needs[i].to.region = region;
        (*ret_count)++;
    }
    needs[*ret_count] = sign_in;
    needs[(*ret_count)++].to.region = region;
    return cw_arena_failed(mem) ? NULL : needs;
}

/* --- from a subnet -------------------------------------------------------------------------------------------------- */

static bool has_service_endpoint(const struct cw_subnet *subnet, const struct cw_place *to)
{
    char wanted[TOKEN_BYTES_MAX];
    (void)snprintf(wanted, sizeof wanted, "Microsoft.%s", to->tag);
    for (const char *p = subnet->service_endpoints; p != NULL && *p != '\0'; p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n == strlen(wanted) && cw_z_starts_nocase(p, wanted))
            return true;
        p += n;
    }
    return false;
}

/* Azure's own way to the internet. */
static enum cw_reach to_internet(const struct cw_vantage *from)
{
    if (from->nat != NULL)
        return from->nat->address_count > 0 ? CW_REACH_OPEN : CW_REACH_NO_WAY;
    return from->has_other_way || !from->subnet->is_private ? CW_REACH_OPEN : CW_REACH_NO_WAY;
}

/* What a route does with traffic for the internet. */
static enum cw_reach through(const struct cw_vantage *from, const struct cw_route *route)
{
    if (route == NULL || cw_z_eq_nocase(route->next_hop_type, "Internet"))
        return to_internet(from);
    if (cw_z_eq_nocase(route->next_hop_type, "None"))
        return CW_REACH_DROPPED;
    bool is_lost = cw_z_eq_nocase(route->next_hop_type, "VirtualAppliance") && from->vnet != NULL &&
                   !cw_vnet_connects(from->vnet, route->next_hop_address);
    return is_lost ? CW_REACH_DROPPED : CW_REACH_APPLIANCE;
}

struct cw_reached cw_reach_by_rules(const struct cw_vantage *from, const struct cw_need *need)
{
    const struct cw_flow flow = {{.range = from->subnet->prefix}, need->to, need->port};
    if (from->nsg == NULL)
        return (struct cw_reached){.reach = CW_REACH_OPEN};
    const struct cw_ruling ruling = cw_nsg_ruling(from->nsg, "Outbound", &flow);
    if (ruling.doubt != NULL)
        return (struct cw_reached){.reach = CW_REACH_DOUBTFUL, .rule = ruling.doubt};
    if (cw_ruling_denies(&ruling))
        return (struct cw_reached){.reach = CW_REACH_DENIED, .rule = ruling.rule};
    return (struct cw_reached){.reach = CW_REACH_OPEN};
}

/* A service endpoint's route is Azure's own, and goes before all others. */
struct cw_reached cw_reach_by_routes(const struct cw_vantage *from, const struct cw_need *need)
{
    static const struct cw_route_table none = {0};
    if (has_service_endpoint(from->subnet, &need->to))
        return (struct cw_reached){.reach = CW_REACH_OPEN};
    const struct cw_way way = cw_route_table_way(from->routes == NULL ? &none : from->routes, &need->to, 0);
    if (way.doubt != NULL)
        return (struct cw_reached){.reach = CW_REACH_DOUBTFUL, .route = way.doubt};
    return (struct cw_reached){.reach = through(from, way.route), .route = way.route};
}

struct cw_reached cw_reach(const struct cw_vantage *from, const struct cw_need *need)
{
    struct cw_reached by_rules = cw_reach_by_rules(from, need);
    return by_rules.reach != CW_REACH_OPEN ? by_rules : cw_reach_by_routes(from, need);
}

bool cw_reach_is_cut(enum cw_reach reach)
{
    return reach == CW_REACH_DENIED || reach == CW_REACH_DROPPED || reach == CW_REACH_NO_WAY;
}

bool cw_reached_alike(const struct cw_reached *a, const struct cw_reached *b)
{
    return a->reach == b->reach && a->rule == b->rule && a->route == b->route;
}

char *cw_reached_names(const struct cw_need *needs, const struct cw_reached *reached, size_t count,
                       size_t first, size_t bytes_max, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    size_t more = 0;
    for (size_t i = first; i < count; i++) {
        if (!cw_reached_alike(&reached[i], &reached[first]))
            continue;
        if (out.n > 0 && out.n + strlen(needs[i].name) > bytes_max)
            more++;
        else
            cw_buf_addf(&out, "%s%s", out.n > 0 ? ", " : "", needs[i].name);
    }
    if (more > 0)
        cw_buf_addf(&out, " and %zu more", more);
    return cw_arena_strdup(mem, cw_buf_z(&out));
}

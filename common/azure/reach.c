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

const struct cw_route *cw_route_table_default(const struct cw_route_table *table)
{
    for (size_t i = 0; i < table->route_count; i++)
        if (cw_z_eq(table->routes[i].prefix, "0.0.0.0/0"))
            return &table->routes[i];
    return NULL;
}

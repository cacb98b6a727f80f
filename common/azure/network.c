#include "common/azure/network.h"

#include <strings.h>

#include "common/azure/read_impl.h"

#define READY_POLL_MS 10000

static const char *read_services(const json_t *v, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    size_t i;
    json_t *endpoint;
    json_array_foreach(cw_json_at(v, "properties/serviceEndpoints"), i, endpoint)
        cw_buf_addf(&out, "%s%s", out.n > 0 ? "," : "", cw_json_str(endpoint, "service", ""));
    return out.n == 0 ? NULL : cw_arena_strdup(mem, cw_buf_z(&out));
}

static struct cw_subnet read_subnet(const json_t *v, struct cw_arena *mem)
{
    struct cw_subnet s = {
        .id = cw_json_str(v, "id", ""),
        .name = cw_json_str(v, "name", ""),
        .prefix = cw_read_str(v, "properties/addressPrefix"),
        .state = cw_json_str(v, "properties/provisioningState", "Succeeded"),
        .nsg_id = cw_read_str(v, "properties/networkSecurityGroup/id"),
        .route_table_id = cw_read_str(v, "properties/routeTable/id"),
        .nat_gateway_id = cw_read_str(v, "properties/natGateway/id"),
        .delegation = cw_read_str(v, "properties/delegations/0/properties/serviceName"),
        .endpoint_policies = cw_read_str(v, "properties/privateEndpointNetworkPolicies"),
        .service_endpoints = read_services(v, mem),
        .is_private = json_is_false(cw_json_at(v, "properties/defaultOutboundAccess")),
        .ip_configuration_count = cw_json_count(v, "properties/ipConfigurations"),
        .private_endpoint_count = cw_json_count(v, "properties/privateEndpoints"),
    };
    if (s.prefix == NULL)
        s.prefix = cw_read_str(v, "properties/addressPrefixes/0");
    return s;
}

static int read_vnet(const struct cw_call *call, const json_t *doc, struct cw_vnet *out, struct cw_err *err)
{
    struct cw_arena *mem = call->mem;
    const json_t *subnets = cw_json_at(doc, "properties/subnets");
    const json_t *peerings = cw_json_at(doc, "properties/virtualNetworkPeerings");
    struct cw_subnet *s = cw_arena_alloc_array(mem, json_array_size(subnets) + 1, sizeof *s);
    struct cw_peering *p = cw_arena_alloc_array(mem, json_array_size(peerings) + 1, sizeof *p);
    *out = (struct cw_vnet){
        .id = cw_json_str(doc, "id", ""),
        .name = cw_json_str(doc, "name", ""),
        .location = cw_location_normal(mem, cw_json_str(doc, "location", "")),
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
        .subnets = s,
        .peerings = p,
    };
    out->prefixes = cw_read_strings(doc, "properties/addressSpace/addressPrefixes", mem, &out->prefix_count);
    out->dns_servers = cw_read_strings(doc, "properties/dhcpOptions/dnsServers", mem, &out->dns_server_count);
    if (s == NULL || p == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(subnets, i, v)
        s[out->subnet_count++] = read_subnet(v, mem);
    json_array_foreach(peerings, i, v) {
        struct cw_peering *peering = &p[out->peering_count++];
        *peering = (struct cw_peering){
            .id = cw_json_str(v, "id", ""),
            .name = cw_json_str(v, "name", ""),
            .remote_vnet_id = cw_read_str(v, "properties/remoteVirtualNetwork/id"),
            .state = cw_json_str(v, "properties/peeringState", ""),
        };
        peering->remote_prefixes = cw_read_strings(v, "properties/remoteAddressSpace/addressPrefixes", mem,
                                                   &peering->remote_prefix_count);
    }
    return cw_check_mem(call, err);
}

int cw_network_get_vnet(struct cw_arm *arm, const struct cw_call *call, const char *id,
                        struct cw_vnet *ret_vnet, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &doc, err);
    return r < 0 ? r : read_vnet(call, doc, ret_vnet, err);
}

bool cw_subnet_has_policies(const struct cw_subnet *subnet, const char *which)
{
    return subnet != NULL && (cw_z_eq_nocase(subnet->endpoint_policies, "Enabled") ||
                              cw_z_eq_nocase(subnet->endpoint_policies, which));
}

static bool any_has(const char *const *prefixes, size_t count, uint32_t address)
{
    struct cw_prefix prefix;
    for (size_t i = 0; i < count; i++)
        if (cw_prefix_parse(prefixes[i], &prefix) && cw_prefix_has_address(prefix, address))
            return true;
    return false;
}

bool cw_vnet_connects(const struct cw_vnet *vnet, const char *address)
{
    uint32_t number = 0;
    if (!cw_address_parse(address, &number))
        return false;
    if (any_has(vnet->prefixes, vnet->prefix_count, number))
        return true;
    for (size_t i = 0; i < vnet->peering_count; i++) {
        const struct cw_peering *p = &vnet->peerings[i];
        if (cw_z_eq_nocase(p->state, "Connected") &&
            (p->remote_prefix_count == 0 || any_has(p->remote_prefixes, p->remote_prefix_count, number)))
            return true;
    }
    return false;
}

int cw_network_address_use(struct cw_arm *arm, const struct cw_call *call, const char *vnet_id,
                           const char *address, enum cw_address_use *ret_use, struct cw_err *err)
{
    json_t *doc = NULL;
    const char *path =
        cw_arena_printf(call->mem, "%s/CheckIPAddressAvailability?ipAddress=%s", vnet_id, address);
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_get(arm, call, path, &cw_api_network, &doc, err);
    if (r == -CW_EINVAL && cw_z_eq(err->remote_code, "PrivateIPAddressNotInAnySubnet")) {
        cw_err_clear(err);
        *ret_use = CW_ADDRESS_ELSEWHERE;
        return 0;
    }
    if (r == 0)
        *ret_use = cw_json_bool(doc, "available", false) ? CW_ADDRESS_FREE : CW_ADDRESS_TAKEN;
    return r;
}

const struct cw_subnet *cw_vnet_subnet(const struct cw_vnet *vnet, const char *name)
{
    for (size_t i = 0; i < vnet->subnet_count; i++)
        if (cw_z_eq_nocase(vnet->subnets[i].name, name))
            return &vnet->subnets[i];
    return NULL;
}

char *cw_vnet_free_prefix(const struct cw_vnet *vnet, int bits, struct cw_arena *mem)
{
    struct cw_prefix *spaces = cw_arena_alloc_array(mem, vnet->prefix_count + 1, sizeof *spaces);
    struct cw_prefix *used = cw_arena_alloc_array(mem, vnet->subnet_count + 1, sizeof *used);
    if (spaces == NULL || used == NULL)
        return NULL;
    size_t space_count = 0;
    size_t used_count = 0;
    for (size_t i = 0; i < vnet->prefix_count; i++)
        if (cw_prefix_parse(vnet->prefixes[i], &spaces[space_count]))
            space_count++;
    for (size_t i = 0; i < vnet->subnet_count; i++)
        if (cw_prefix_parse(vnet->subnets[i].prefix, &used[used_count]))
            used_count++;
    struct cw_prefix found;
    if (!cw_prefix_first_free(spaces, space_count, used, used_count, bits, &found))
        return NULL;
    char text[CW_PREFIX_BYTES];
    cw_prefix_format(found, text);
    return cw_arena_strdup(mem, text);
}

/* The first part that is not Succeeded; NULL when all are. */
static const char *unready_part(const struct cw_vnet *vnet, const char **ret_state)
{
    *ret_state = vnet->state;
    if (strcasecmp(vnet->state, "Succeeded") != 0)
        return vnet->id;
    for (size_t i = 0; i < vnet->subnet_count; i++) {
        *ret_state = vnet->subnets[i].state;
        if (strcasecmp(*ret_state, "Succeeded") != 0)
            return vnet->subnets[i].id;
    }
    return NULL;
}

int cw_network_wait_vnet(struct cw_arm *arm, const struct cw_call *call, const char *id,
                         struct cw_vnet *ret_vnet, struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    for (;;) {
        int r = cw_network_get_vnet(arm, call, id, ret_vnet, err);
        if (r < 0)
            return r;
        const char *state = NULL;
        const char *part = unready_part(ret_vnet, &state);
        if (part == NULL)
            return 0;
        if (strcasecmp(state, "Failed") == 0)
            return cw_err_set(err, CW_EOPFAILED, "%s is in state Failed", part);
        struct cw_waiting waiting = {.reason = CW_WAIT_OPERATION,
                                     .what = part,
                                     .detail = state,
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_arm_pause(arm, call, waiting, READY_POLL_MS, 0, err);
        if (r < 0)
            return r;
    }
}

/* --- ensuring ------------------------------------------------------------------------------------------------------- */

/* What must hold in an existing subnet, or all of a new one. */
static json_t *subnet_properties(const struct cw_subnet_goal *goal, bool is_new)
{
    json_t *p = json_object();
    if (p == NULL)
        return NULL;
    bool ok = cw_json_set_str(p, "addressPrefix", goal->prefix);
    const struct {
        const char *key;
        const char *id;
    } refs[] = {{"networkSecurityGroup", goal->nsg_id},
                {"routeTable", goal->route_table_id},
                {"natGateway", goal->nat_gateway_id}};
    for (size_t i = 0; i < CW_ARRAY_LEN(refs); i++)
        if (refs[i].id != NULL)
            ok = ok && cw_json_set(p, refs[i].key, cw_build_ref(refs[i].id));
    if (goal->is_delegated)
        ok = ok && cw_json_set(p, "delegations",
                               json_pack("[{s:s,s:{s:s}}]", "name", "databricks", "properties", "serviceName",
                                         CW_DATABRICKS_DELEGATION));
    if (goal->is_for_endpoints && is_new)
        ok = ok && cw_json_set_str(p, "privateEndpointNetworkPolicies", "Disabled");
    if (ok)
        return p;
    json_decref(p);
    return NULL;
}

static json_t *vnet_body(const struct cw_vnet_goal *goal)
{
    json_t *subnets = json_array();
    for (size_t i = 0; subnets != NULL && i < goal->subnet_count; i++) {
        json_t *one = json_pack("{s:s,s:o}", "name", goal->subnets[i].name, "properties",
                                subnet_properties(&goal->subnets[i], true));
        if (one == NULL || json_array_append_new(subnets, one) < 0) {
            json_decref(subnets);
            return NULL;
        }
    }
    return json_pack("{s:s,s:o,s:{s:{s:[s]},s:o}}", "location", goal->location, "tags",
                     cw_build_tags(goal->tags), "properties", "addressSpace", "addressPrefixes",
                     goal->address_space, "subnets", subnets);
}

static int create_vnet(struct cw_arm *arm, const struct cw_call *call, const struct cw_vnet_goal *goal,
                       struct cw_ensured *ret_ensured, struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *body = vnet_body(goal);
    int r = cw_check_built(body, err);
    if (r < 0)
        return r;
    struct cw_goal whole = {.id = goal->id, .api = &cw_api_network, .desired = body, .only_create = true};
    return cw_arm_ensure(arm, call, &whole, ret_ensured, err);
}

int cw_network_ensure_vnet(struct cw_arm *arm, const struct cw_call *call, const struct cw_vnet_goal *goal,
                           struct cw_ensured *ret_ensured, struct cw_err *err)
{
    struct cw_ensured out = {0};
    int r = create_vnet(arm, call, goal, &out, err);
    if (r < 0)
        return r;
    if (out.effect == CW_EFFECT_CREATED || out.effect == CW_EFFECT_WOULD_CREATE) {
        *ret_ensured = out;
        return 0;
    }
    if (!cw_location_eq(cw_json_str(out.doc, "location", ""), goal->location)) {
        r = cw_err_set(err, CW_EMISCONFIGURED, "%s exists in %s, not in %s", goal->id,
                       cw_json_str(out.doc, "location", "?"), goal->location);
        cw_err_remedy(err, "use a VNet in the workspace's region");
        return r;
    }
    for (size_t i = 0; i < goal->subnet_count; i++) {
        struct cw_ensured one = {0};
        r = cw_network_ensure_subnet(arm, call, goal->id, &goal->subnets[i], &one, err);
        if (r < 0)
            return r;
        if (one.effect == CW_EFFECT_NONE)
            continue;
        out.effect = call->plan_only ? CW_EFFECT_WOULD_UPDATE : CW_EFFECT_UPDATED;
        if (out.difference == NULL)
            out.difference = cw_arena_printf(call->mem, "subnet %s: %s", goal->subnets[i].name,
                                             cw_effect_name(one.effect));
    }
    *ret_ensured = out;
    return cw_check_mem(call, err);
}

/* An existing delegation may have any name: only its service counts. */
static bool is_delegated_to(const json_t *subnet, const char *service)
{
    size_t i;
    json_t *v;
    json_array_foreach(cw_json_at(subnet, "properties/delegations"), i, v)
        if (cw_z_eq_nocase(cw_json_str(v, "properties/serviceName", ""), service))
            return true;
    return false;
}

static int refuse_subnet(const char *vnet_id, const char *name, const char *what, const char *have,
                         const char *want, struct cw_err *err)
{
    int r = cw_err_set(err, CW_EMISCONFIGURED, "subnet %s of %s has %s %s, not %s", name, vnet_id, what, have,
                       want);
    cw_err_remedy(err, "name another subnet, or correct this one by hand");
    return r;
}

int cw_network_ensure_subnet(struct cw_arm *arm, const struct cw_call *call, const char *vnet_id,
                             const struct cw_subnet_goal *goal, struct cw_ensured *ret_ensured,
                             struct cw_err *err)
{
    static const char *const read_only[] = {"properties/ipConfigurations",
                                            "properties/privateEndpoints",
                                            "properties/serviceAssociationLinks",
                                            "properties/purpose",
                                            "properties/ipConfigurationProfiles",
                                            "properties/resourceNavigationLinks",
                                            "properties/delegations/*/id",
                                            "properties/delegations/*/etag",
                                            "properties/delegations/*/properties/provisioningState",
                                            "properties/delegations/*/properties/actions",
                                            NULL};
    const char *id = cw_armid_child(call->mem, vnet_id, "subnets", goal->name);
    if (id == NULL)
        return cw_check_mem(call, err);
    json_t *now = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &now, err);
    if (r < 0 && r != -CW_ENOTFOUND)
        return r;
    cw_err_clear(err);
    struct cw_subnet_goal want = *goal;
    if (now != NULL) {
        struct cw_subnet s = read_subnet(now, call->mem);
        if (want.prefix != NULL && s.prefix != NULL && strcmp(want.prefix, s.prefix) != 0)
            return refuse_subnet(vnet_id, goal->name, "prefix", s.prefix, want.prefix, err);
        if (want.is_for_endpoints && s.delegation != NULL)
            return refuse_subnet(vnet_id, goal->name, "a delegation to", s.delegation, "none", err);
        if (want.is_delegated && s.delegation != NULL && !is_delegated_to(now, CW_DATABRICKS_DELEGATION))
            return refuse_subnet(vnet_id, goal->name, "a delegation to", s.delegation,
                                 CW_DATABRICKS_DELEGATION, err);
        want.prefix = NULL;
        want.is_delegated = want.is_delegated && !is_delegated_to(now, CW_DATABRICKS_DELEGATION);
    }
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:o}", "properties", subnet_properties(&want, now == NULL));
    r = cw_check_built(desired, err);
    if (r < 0)
        return r;
    struct cw_goal whole = {.id = id, .api = &cw_api_network, .desired = desired, .read_only = read_only};
    return cw_arm_ensure(arm, call, &whole, ret_ensured, err);
}

/* --- NSG, peering ------------------------------------------------------------------------------------------------ */

int cw_network_get_nsg(struct cw_arm *arm, const struct cw_call *call, const char *id, struct cw_nsg *ret_nsg,
                       struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &doc, err);
    if (r < 0)
        return r;
    const json_t *rules = cw_json_at(doc, "properties/securityRules");
    struct cw_security_rule *out = cw_arena_alloc_array(call->mem, json_array_size(rules) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(rules, i, v) {
        const json_t *p = cw_json_at(v, "properties");
        out[i] = (struct cw_security_rule){
            .name = cw_json_str(v, "name", ""),
            .direction = cw_json_str(p, "direction", ""),
            .access = cw_json_str(p, "access", ""),
            .protocol = cw_json_str(p, "protocol", "*"),
            .priority = (int)cw_json_int(p, "priority", 0),
            .sources = cw_read_joined(p, "sourceAddressPrefix", "sourceAddressPrefixes", call->mem),
            .destinations =
                cw_read_joined(p, "destinationAddressPrefix", "destinationAddressPrefixes", call->mem),
            .ports = cw_read_joined(p, "destinationPortRange", "destinationPortRanges", call->mem),
        };
    }
    *ret_nsg = (struct cw_nsg){
        .id = cw_json_str(doc, "id", id),
        .location = cw_location_normal(call->mem, cw_json_str(doc, "location", "")),
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
        .rules = out,
        .rule_count = json_array_size(rules),
    };
    return cw_check_mem(call, err);
}

int cw_network_ensure_nsg(struct cw_arm *arm, const struct cw_call *call, const char *id,
                          const char *location, struct cw_tags tags, struct cw_ensured *ret_ensured,
                          struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:o,s:{s:[]}}", "location", location, "tags", cw_build_tags(tags),
                             "properties", "securityRules");
    int r = cw_check_built(body, err);
    if (r < 0)
        return r;
    struct cw_goal goal = {.id = id, .api = &cw_api_network, .desired = body, .only_create = true};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

int cw_network_ensure_peering(struct cw_arm *arm, const struct cw_call *call, const char *vnet_id,
                              const char *name, const char *remote_vnet_id, struct cw_ensured *ret_ensured,
                              struct cw_err *err)
{
    static const char *const read_only[] = {"properties/peeringState",
                                            "properties/peeringSyncLevel",
                                            "properties/remoteAddressSpace",
                                            "properties/remoteVirtualNetworkAddressSpace",
                                            "properties/remoteBgpCommunities",
                                            "properties/resourceGuid",
                                            NULL};
    const char *id = cw_armid_child(call->mem, vnet_id, "virtualNetworkPeerings", name);
    CW_AUTO(cw_auto_json)
    json_t *body =
        json_pack("{s:{s:o,s:b,s:b}}", "properties", "remoteVirtualNetwork", cw_build_ref(remote_vnet_id),
                  "allowVirtualNetworkAccess", 1, "allowForwardedTraffic", 1);
    int r = id == NULL ? cw_check_mem(call, err) : cw_check_built(body, err);
    if (r < 0)
        return r;
    const struct cw_goal goal = {.id = id, .api = &cw_api_network, .desired = body, .read_only = read_only};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

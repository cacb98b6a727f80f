#include "common/azure/egress.h"

#include "common/azure/read_impl.h"

#define DEFAULT_PREFIX "0.0.0.0/0"
#define ROUTE_NAME "to-firewall"

/* --- NAT gateways --------------------------------------------------------------------------------------------------- */

int cw_egress_get_nat_gateway(struct cw_arm *arm, const struct cw_call *call, const char *id,
                              struct cw_nat_gateway *ret_nat, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &doc, err);
    if (r < 0)
        return r;
    *ret_nat = (struct cw_nat_gateway){
        .id = cw_json_str(doc, "id", id),
        .location = cw_location_normal(call->mem, cw_json_str(doc, "location", "")),
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
        .address_count = cw_json_count(doc, "properties/publicIpAddresses") +
                         cw_json_count(doc, "properties/publicIpPrefixes"),
    };
    return cw_check_mem(call, err);
}

/* What bears the name must be of the region, and have what makes it of use. */
static int ensure_fitting(struct cw_arm *arm, const struct cw_call *call, const char *id,
                          const json_t *desired, const json_t *at_creation, struct cw_ensured *ret_ensured,
                          struct cw_err *err)
{
    static const char *const read_only[] = {"properties/subnets",
                                            "properties/resourceGuid",
                                            "properties/ipAddress",
                                            "properties/ipConfiguration",
                                            "properties/natGateway",
                                            "properties/routes/*/id",
                                            "properties/routes/*/etag",
                                            "properties/routes/*/type",
                                            "properties/routes/*/properties/provisioningState",
                                            NULL};
    const struct cw_goal goal = {.id = id,
                                 .api = &cw_api_network,
                                 .desired = desired,
                                 .at_creation = at_creation,
                                 .read_only = read_only,
                                 .update_is_refused = true};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

int cw_egress_ensure_nat_gateway(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                 const char *address_id, const char *location, struct cw_tags tags,
                                 struct cw_ensured *ret_ensured, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:s,s:{s:s},s:{s:[o]}}", "location", location, "sku", "name", "Standard",
                                "properties", "publicIpAddresses", cw_build_ref(address_id));
    CW_AUTO(cw_auto_json) json_t *at_creation = json_pack("{s:o}", "tags", cw_build_tags(tags));
    int r = cw_check_built(desired, err);
    if (r == 0)
        r = cw_check_built(at_creation, err);
    return r < 0 ? r : ensure_fitting(arm, call, id, desired, at_creation, ret_ensured, err);
}

int cw_egress_ensure_address(struct cw_arm *arm, const struct cw_call *call, const char *id,
                             const char *location, struct cw_tags tags, struct cw_ensured *ret_ensured,
                             struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:s,s:{s:s},s:{s:s}}", "location", location, "sku", "name", "Standard",
                                "properties", "publicIPAllocationMethod", "Static");
    CW_AUTO(cw_auto_json)
    json_t *at_creation = json_pack("{s:o,s:{s:s}}", "tags", cw_build_tags(tags), "properties",
                                    "publicIPAddressVersion", "IPv4");
    int r = cw_check_built(desired, err);
    if (r == 0)
        r = cw_check_built(at_creation, err);
    return r < 0 ? r : ensure_fitting(arm, call, id, desired, at_creation, ret_ensured, err);
}

/* --- route tables --------------------------------------------------------------------------------------------------- */

int cw_egress_get_route_table(struct cw_arm *arm, const struct cw_call *call, const char *id,
                              struct cw_route_table *ret_table, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &doc, err);
    if (r < 0)
        return r;
    const json_t *routes = cw_json_at(doc, "properties/routes");
    struct cw_route *out = cw_arena_alloc_array(call->mem, json_array_size(routes) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(routes, i, v) {
        out[i] = (struct cw_route){
            .name = cw_json_str(v, "name", ""),
            .prefix = cw_json_str(v, "properties/addressPrefix", ""),
            .next_hop_type = cw_json_str(v, "properties/nextHopType", ""),
            .next_hop_address = cw_read_str(v, "properties/nextHopIpAddress"),
        };
    }
    *ret_table = (struct cw_route_table){
        .id = cw_json_str(doc, "id", id),
        .location = cw_location_normal(call->mem, cw_json_str(doc, "location", "")),
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
        .routes = out,
        .route_count = json_array_size(routes),
    };
    return cw_check_mem(call, err);
}

int cw_egress_ensure_route_table(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                 const char *appliance, const char *location, struct cw_tags tags,
                                 struct cw_ensured *ret_ensured, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:s,s:{s:[{s:s,s:{s:s,s:s,s:s}}]}}", "location", location, "properties",
                                "routes", "name", ROUTE_NAME, "properties", "addressPrefix", DEFAULT_PREFIX,
                                "nextHopType", "VirtualAppliance", "nextHopIpAddress", appliance);
    CW_AUTO(cw_auto_json) json_t *at_creation = json_pack("{s:o}", "tags", cw_build_tags(tags));
    int r = cw_check_built(desired, err);
    if (r == 0)
        r = cw_check_built(at_creation, err);
    return r < 0 ? r : ensure_fitting(arm, call, id, desired, at_creation, ret_ensured, err);
}

const struct cw_route *cw_route_table_default(const struct cw_route_table *table)
{
    for (size_t i = 0; i < table->route_count; i++)
        if (cw_z_eq(table->routes[i].prefix, DEFAULT_PREFIX))
            return &table->routes[i];
    return NULL;
}

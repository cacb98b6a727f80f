#include <strings.h>

#include "common/azure/network.h"
#include "common/azure/read_impl.h"

#define ZONE_GROUP_NAME "default"
#define ZONE_CONFIG_NAME "databricks"

static void read_endpoint(const json_t *doc, struct cw_arena *mem, struct cw_private_endpoint *out)
{
    const json_t *connection = cw_json_at(doc, "properties/privateLinkServiceConnections/0");
    bool is_manual = connection == NULL;
    if (is_manual)
        connection = cw_json_at(doc, "properties/manualPrivateLinkServiceConnections/0");
    *out = (struct cw_private_endpoint){
        .id = cw_json_str(doc, "id", ""),
        .name = cw_json_str(doc, "name", ""),
        .location = cw_location_normal(mem, cw_json_str(doc, "location", "")),
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
        .subnet_id = cw_read_str(doc, "properties/subnet/id"),
        .nic_id = cw_read_str(doc, "properties/networkInterfaces/0/id"),
        .target_id = cw_read_str(connection, "properties/privateLinkServiceId"),
        .group_id = cw_read_str(connection, "properties/groupIds/0"),
        .status = cw_json_str(connection, "properties/privateLinkServiceConnectionState/status", "Pending"),
        .status_text = cw_read_str(connection, "properties/privateLinkServiceConnectionState/description"),
        .is_manual = is_manual && connection != NULL,
    };
}

int cw_network_get_private_endpoint(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                    struct cw_private_endpoint *ret_endpoint, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &doc, err);
    if (r < 0)
        return r;
    read_endpoint(doc, call->mem, ret_endpoint);
    return cw_check_mem(call, err);
}

static int refuse_endpoint(const char *id, const char *what, const char *have, const char *want,
                           struct cw_err *err)
{
    int r = cw_err_set(err, CW_EMISCONFIGURED, "%.160s exists with %s %.120s, not %.120s", id, what,
                       have != NULL ? have : "(none)", want);
    cw_err_remedy(
        err,
        "choose another endpoint name (privateEndpoint.name): endpoints can't be changed, only replaced");
    return r;
}

static int check_endpoint(const struct cw_private_endpoint_goal *goal, const struct cw_private_endpoint *e,
                          struct cw_err *err)
{
    if (!cw_armid_eq(e->target_id, goal->workspace_id))
        return refuse_endpoint(goal->id, "target", e->target_id, goal->workspace_id, err);
    if (!cw_z_eq_nocase(e->group_id, goal->group_id))
        return refuse_endpoint(goal->id, "group", e->group_id, goal->group_id, err);
    if (!cw_armid_eq(e->subnet_id, goal->subnet_id))
        return refuse_endpoint(goal->id, "subnet", e->subnet_id, goal->subnet_id, err);
    return 0;
}

int cw_network_ensure_private_endpoint(struct cw_arm *arm, const struct cw_call *call,
                                       const struct cw_private_endpoint_goal *goal,
                                       struct cw_ensured *ret_ensured,
                                       struct cw_private_endpoint *ret_endpoint, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:o,s:{s:{s:s},s:[{s:s,s:{s:s,s:[s]}}]}}", "location", goal->location,
                             "tags", cw_build_tags(goal->tags), "properties", "subnet", "id", goal->subnet_id,
                             "privateLinkServiceConnections", "name", cw_armid_name(goal->id), "properties",
                             "privateLinkServiceId", goal->workspace_id, "groupIds", goal->group_id);
    int r = cw_check_built(body, err);
    if (r < 0)
        return r;
    struct cw_goal whole = {.id = goal->id, .api = &cw_api_network, .desired = body, .only_create = true};
    struct cw_ensured out = {0};
    r = cw_arm_ensure(arm, call, &whole, &out, err);
    if (r < 0)
        return r;
    *ret_endpoint = (struct cw_private_endpoint){.id = goal->id};
    if (out.doc != NULL) {
        read_endpoint(out.doc, call->mem, ret_endpoint);
        r = check_endpoint(goal, ret_endpoint, err);
        if (r < 0)
            return r;
    }
    *ret_ensured = out;
    return cw_check_mem(call, err);
}

int cw_network_list_private_endpoints(struct cw_arm *arm, const struct cw_call *call,
                                      const char *subscription, const char *workspace_id,
                                      const struct cw_private_endpoint **ret_endpoints, size_t *ret_count,
                                      struct cw_err *err)
{
    const char *path = cw_arena_printf(
        call->mem, "/subscriptions/%s/providers/Microsoft.Network/privateEndpoints", subscription);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_network, &items, err);
    if (r < 0)
        return r;
    struct cw_private_endpoint *out =
        cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t count = 0;
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        read_endpoint(v, call->mem, &out[count]);
        if (workspace_id == NULL || cw_armid_eq(out[count].target_id, workspace_id))
            count++;
    }
    *ret_endpoints = out;
    *ret_count = count;
    return cw_check_mem(call, err);
}

int cw_network_get_nic(struct cw_arm *arm, const struct cw_call *call, const char *id, struct cw_nic *ret_nic,
                       struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_network, &doc, err);
    if (r < 0)
        return r;
    const json_t *configurations = cw_json_at(doc, "properties/ipConfigurations");
    size_t fqdn_max = 0;
    size_t i;
    json_t *v;
    json_array_foreach(configurations, i, v)
        fqdn_max += cw_json_count(v, "properties/privateLinkConnectionProperties/fqdns");
    const char **addresses =
        cw_arena_alloc_array(call->mem, json_array_size(configurations) + 1, sizeof *addresses);
    const char **fqdns = cw_arena_alloc_array(call->mem, fqdn_max + 1, sizeof *fqdns);
    if (addresses == NULL || fqdns == NULL)
        return cw_check_mem(call, err);
    *ret_nic = (struct cw_nic){.id = cw_json_str(doc, "id", id), .addresses = addresses, .fqdns = fqdns};
    json_array_foreach(configurations, i, v) {
        const char *address = cw_read_str(v, "properties/privateIPAddress");
        if (address != NULL)
            addresses[ret_nic->address_count++] = address;
        size_t k;
        json_t *name;
        json_array_foreach(cw_json_at(v, "properties/privateLinkConnectionProperties/fqdns"), k, name)
            if (json_is_string(name))
                fqdns[ret_nic->fqdn_count++] = json_string_value(name);
    }
    return 0;
}

/* --- zone groups ------------------------------------------------------------------------------------------------------ */

static void read_group_records(const json_t *config, struct cw_arena *mem, struct cw_dns_record *records,
                               size_t *count)
{
    size_t i;
    json_t *v;
    json_array_foreach(cw_json_at(config, "properties/recordSets"), i, v) {
        struct cw_dns_record *out = &records[(*count)++];
        *out = (struct cw_dns_record){
            .name = cw_json_str(v, "recordSetName", ""),
            .fqdn = cw_read_str(v, "fqdn"),
            .ttl = cw_json_int(v, "ttl", 0),
        };
        out->addresses = cw_read_strings(v, "ipAddresses", mem, &out->address_count);
    }
}

static int read_group(const struct cw_call *call, const json_t *doc, struct cw_zone_group *out,
                      struct cw_err *err)
{
    const json_t *configs = cw_json_at(doc, "properties/privateDnsZoneConfigs");
    size_t record_max = 0;
    size_t i;
    json_t *v;
    json_array_foreach(configs, i, v)
        record_max += cw_json_count(v, "properties/recordSets");
    const char **zones = cw_arena_alloc_array(call->mem, json_array_size(configs) + 1, sizeof *zones);
    struct cw_dns_record *records = cw_arena_alloc_array(call->mem, record_max + 1, sizeof *records);
    if (zones == NULL || records == NULL)
        return cw_check_mem(call, err);
    *out = (struct cw_zone_group){
        .id = cw_json_str(doc, "id", ""),
        .zone_ids = zones,
        .records = records,
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
    };
    json_array_foreach(configs, i, v) {
        const char *zone = cw_read_str(v, "properties/privateDnsZoneId");
        if (zone != NULL)
            zones[out->zone_count++] = zone;
        read_group_records(v, call->mem, records, &out->record_count);
    }
    return cw_check_mem(call, err);
}

/* The first group of the endpoint; *ret_doc NULL when it has none. */
static int find_group(struct cw_arm *arm, const struct cw_call *call, const char *endpoint_id,
                      json_t **ret_doc, struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/privateDnsZoneGroups", endpoint_id);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_network, &items, err);
    if (r == 0)
        *ret_doc = json_array_get(items, 0);
    return r;
}

int cw_network_get_zone_group(struct cw_arm *arm, const struct cw_call *call, const char *endpoint_id,
                              struct cw_zone_group *ret_group, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = find_group(arm, call, endpoint_id, &doc, err);
    if (r < 0)
        return r;
    if (doc == NULL)
        return cw_err_set(err, CW_ENOTFOUND, "%.200s has no DNS zone group", endpoint_id);
    return read_group(call, doc, ret_group, err);
}

static bool points_to(const struct cw_zone_group *group, const char *zone_id)
{
    for (size_t i = 0; i < group->zone_count; i++)
        if (cw_armid_eq(group->zone_ids[i], zone_id))
            return true;
    return false;
}

static int put_group(struct cw_arm *arm, const struct cw_call *call, const char *id, const char *zone_id,
                     struct cw_ensured *ret_ensured, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:{s:[{s:s,s:{s:s}}]}}", "properties", "privateDnsZoneConfigs", "name",
                                ZONE_CONFIG_NAME, "properties", "privateDnsZoneId", zone_id);
    int r = cw_check_built(desired, err);
    if (r < 0)
        return r;
    struct cw_goal goal = {.id = id, .api = &cw_api_network, .desired = desired, .only_create = true};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

int cw_network_ensure_zone_group(struct cw_arm *arm, const struct cw_call *call, const char *endpoint_id,
                                 const char *zone_id, struct cw_ensured *ret_ensured,
                                 struct cw_zone_group *ret_group, struct cw_err *err)
{
    json_t *found = NULL;
    int r = find_group(arm, call, endpoint_id, &found, err);
    if (r == -CW_ENOTFOUND && call->plan_only) {
        cw_err_clear(err);
        r = 0;
    }
    if (r < 0)
        return r;
    const char *id = found != NULL ? cw_read_str(found, "id") : NULL;
    if (id == NULL)
        id = cw_armid_child(call->mem, endpoint_id, "privateDnsZoneGroups", ZONE_GROUP_NAME);
    if (id == NULL)
        return cw_check_mem(call, err);
    struct cw_ensured out = {0};
    r = put_group(arm, call, id, zone_id, &out, err);
    if (r < 0)
        return r;
    *ret_group = (struct cw_zone_group){.id = id};
    if (out.doc != NULL) {
        r = read_group(call, out.doc, ret_group, err);
        if (r < 0)
            return r;
        if (!points_to(ret_group, zone_id)) {
            r = cw_err_set(err, CW_EMISCONFIGURED, "the DNS zone group of %.160s points to %.160s",
                           endpoint_id, ret_group->zone_count > 0 ? ret_group->zone_ids[0] : "no zone");
            cw_err_remedy(err, "delete the zone group, or name its zone in privateDns.zoneId");
            return r;
        }
    }
    *ret_ensured = out;
    return 0;
}

int cw_network_delete_zone_group(struct cw_arm *arm, const struct cw_call *call, const char *group_id,
                                 struct cw_err *err)
{
    return cw_arm_delete(arm, call, group_id, &cw_api_network, NULL, err);
}

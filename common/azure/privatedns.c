#include "common/azure/privatedns.h"

#include <strings.h>

#include "common/azure/read_impl.h"

#define LINK_POLL_MS 5000
#define SCRATCH_BYTES_MAX ((size_t)32 * 1024 * 1024) /* a thousand zones */

static struct cw_zone read_zone(const json_t *v)
{
    return (struct cw_zone){
        .id = cw_json_str(v, "id", ""),
        .name = cw_json_str(v, "name", ""),
        .state = cw_json_str(v, "properties/provisioningState", "Succeeded"),
        .record_count = cw_json_int(v, "properties/numberOfRecordSets", 0),
        .link_count = cw_json_int(v, "properties/numberOfVirtualNetworkLinks", 0),
        .link_count_max = cw_json_int(v, "properties/maxNumberOfVirtualNetworkLinks", 1000),
    };
}

int cw_privatedns_get_zone(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                           struct cw_zone *ret_zone, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, zone_id, &cw_api_private_dns, &doc, err);
    if (r == 0)
        *ret_zone = read_zone(doc);
    return r;
}

int cw_privatedns_ensure_zone(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                              struct cw_tags tags, struct cw_ensured *ret_ensured, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:o}", "location", "global", "tags", cw_build_tags(tags));
    int r = cw_check_built(body, err);
    if (r < 0)
        return r;
    struct cw_goal goal = {.id = zone_id,
                           .api = &cw_api_private_dns,
                           .desired = body,
                           .only_create = true,
                           .create_guarded = true};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

int cw_privatedns_list_zones(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                             const char *name, const struct cw_zone **ret_zones, size_t *ret_count,
                             struct cw_err *err)
{
    const char *path = cw_arena_printf(
        call->mem, "/subscriptions/%s/providers/Microsoft.Network/privateDnsZones", subscription);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_private_dns, &items, err);
    if (r < 0)
        return r;
    struct cw_zone *zones = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *zones);
    if (zones == NULL)
        return cw_check_mem(call, err);
    size_t count = 0;
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v)
        if (cw_z_eq_nocase(cw_json_str(v, "name", ""), name))
            zones[count++] = read_zone(v);
    *ret_zones = zones;
    *ret_count = count;
    return 0;
}

/* --- links --------------------------------------------------------------------------------------------------------- */

static struct cw_zone_link read_link(const json_t *v)
{
    return (struct cw_zone_link){
        .id = cw_json_str(v, "id", ""),
        .name = cw_json_str(v, "name", ""),
        .vnet_id = cw_json_str(v, "properties/virtualNetwork/id", ""),
        .state = cw_json_str(v, "properties/provisioningState", "Succeeded"),
        .link_state = cw_json_str(v, "properties/virtualNetworkLinkState", "Completed"),
        .registers = cw_json_bool(v, "properties/registrationEnabled", false),
    };
}

int cw_privatedns_list_links(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                             const struct cw_zone_link **ret_links, size_t *ret_count, struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/virtualNetworkLinks", zone_id);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_private_dns, &items, err);
    if (r < 0)
        return r;
    struct cw_zone_link *links = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *links);
    if (links == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v)
        links[i] = read_link(v);
    *ret_links = links;
    *ret_count = json_array_size(items);
    return 0;
}

/* The link of that VNet in the zone; NULL id when there is none. */
static int find_link(struct cw_arm *arm, const struct cw_call *call, const char *zone_id, const char *vnet_id,
                     struct cw_zone_link *ret_link, struct cw_err *err)
{
    const struct cw_zone_link *links = NULL;
    size_t count = 0;
    *ret_link = (struct cw_zone_link){0};
    int r = cw_privatedns_list_links(arm, call, zone_id, &links, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (cw_armid_eq(links[i].vnet_id, vnet_id))
            *ret_link = links[i];
    return r;
}

struct search {
    const char **zones; /* ids */
    size_t count;
    const char *vnet_id;
    struct cw_arena *mem;     /* of the ids: the answer they come from is much larger */
    struct cw_arena *scratch; /* of one answer */
};

static int list_zone_ids(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                         const char *name, struct search *s, struct cw_err *err)
{
    struct cw_call listing = *call;
    listing.mem = s->scratch;
    const struct cw_zone *zones = NULL;
    int r = cw_privatedns_list_zones(arm, &listing, subscription, name, &zones, &s->count, err);
    if (r < 0)
        return r;
    s->zones = cw_arena_alloc_array(s->mem, s->count + 1, sizeof *s->zones);
    for (size_t i = 0; s->zones != NULL && i < s->count; i++)
        s->zones[i] = cw_arena_strdup(s->mem, zones[i].id);
    return cw_arena_failed(s->mem) ? cw_err_set(err, CW_ENOMEM, "zones") : 0;
}

static bool is_in_group_of(const char *id, const char *other)
{
    const char *end = strcasestr(id, "/providers/");
    return end != NULL && strncasecmp(id, other, (size_t)(end - id) + strlen("/providers/")) == 0;
}

/* Among the zones in the network's own group, or among the others. */
static int search_zones(struct cw_arm *arm, const struct cw_call *call, const struct search *s, bool is_near,
                        const char **ret_zone_id, const char **ret_link_id, struct cw_err *err)
{
    struct cw_call looking = *call;
    looking.mem = s->scratch;
    for (size_t i = 0; i < s->count; i++) {
        struct cw_zone_link link;
        if (is_in_group_of(s->zones[i], s->vnet_id) != is_near)
            continue;
        cw_arena_reset(s->scratch);
        int r = find_link(arm, &looking, s->zones[i], s->vnet_id, &link, err);
        if (r == -CW_ENOTFOUND) { /* deleted meanwhile */
            cw_err_clear(err);
            continue;
        }
        if (r < 0)
            return r;
        if (link.id != NULL) {
            *ret_zone_id = cw_arena_strdup(call->mem, s->zones[i]);
            *ret_link_id = cw_arena_strdup(call->mem, link.id);
            return cw_check_mem(call, err);
        }
    }
    return 0;
}

int cw_privatedns_find_linked_zone(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                   const char *name, const char *vnet_id, const char **ret_zone_id,
                                   const char **ret_link_id, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    *ret_zone_id = NULL;
    *ret_link_id = NULL;
    if (cw_arena_new(SCRATCH_BYTES_MAX, &mem) < 0 || cw_arena_new(SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "zones");
    struct search s = {.vnet_id = vnet_id, .mem = mem, .scratch = scratch};
    int r = list_zone_ids(arm, call, subscription, name, &s, err);
    /* Most zones stand beside their network: where each workspace has its own, that saves a read for each of the others. */
    if (r == 0)
        r = search_zones(arm, call, &s, true, ret_zone_id, ret_link_id, err);
    if (r == 0 && *ret_zone_id == NULL)
        r = search_zones(arm, call, &s, false, ret_zone_id, ret_link_id, err);
    return r;
}

static int wait_completed(struct cw_arm *arm, const struct cw_call *call, const char *link_id,
                          struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    for (;;) {
        json_t *doc = NULL;
        int r = cw_arm_wait_ready(arm, call, link_id, &cw_api_private_dns, &doc, err);
        if (r < 0)
            return r;
        struct cw_zone_link link = read_link(doc);
        if (strcasecmp(link.link_state, "Completed") == 0)
            return 0;
        struct cw_waiting waiting = {.reason = CW_WAIT_DNS,
                                     .what = link_id,
                                     .detail = link.link_state,
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_arm_pause(arm, call, waiting, LINK_POLL_MS, 0, err);
        if (r < 0)
            return r;
    }
}

int cw_privatedns_ensure_link(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                              const char *link_name, const char *vnet_id, struct cw_tags tags,
                              struct cw_ensured *ret_ensured, const char **ret_link_id, struct cw_err *err)
{
    struct cw_zone_link link;
    int r = find_link(arm, call, zone_id, vnet_id, &link, err);
    if (r == -CW_ENOTFOUND && call->plan_only) { /* the zone itself would be created */
        cw_err_clear(err);
        r = 0;
    }
    if (r < 0)
        return r;
    const char *id =
        link.id != NULL ? link.id : cw_armid_child(call->mem, zone_id, "virtualNetworkLinks", link_name);
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:{s:{s:s}}}", "properties", "virtualNetwork", "id", vnet_id);
    CW_AUTO(cw_auto_json)
    json_t *creation = json_pack("{s:s,s:o,s:{s:b}}", "location", "global", "tags", cw_build_tags(tags),
                                 "properties", "registrationEnabled", 0);
    if (id == NULL || desired == NULL || creation == NULL)
        return cw_err_set(err, CW_ENOMEM, "link");
    struct cw_goal goal = {
        .id = id,
        .api = &cw_api_private_dns,
        .desired = desired,
        .at_creation = creation,
        .update_is_refused = true,
    };
    struct cw_ensured out = {0};
    r = cw_arm_ensure(arm, call, &goal, &out, err);
    if (r == 0 && out.doc != NULL && !call->plan_only)
        r = wait_completed(arm, call, id, err);
    if (r < 0)
        return r;
    *ret_ensured = out;
    *ret_link_id = id;
    return 0;
}

/* --- records -------------------------------------------------------------------------------------------------------- */

static int read_record(const struct cw_call *call, const json_t *v, struct cw_dns_record *out,
                       struct cw_err *err)
{
    const json_t *records = cw_json_at(v, "properties/aRecords");
    const char **addresses = cw_arena_alloc_array(call->mem, json_array_size(records) + 1, sizeof *addresses);
    if (addresses == NULL)
        return cw_check_mem(call, err);
    *out = (struct cw_dns_record){
        .name = cw_json_str(v, "name", ""),
        .fqdn = cw_read_str(v, "properties/fqdn"),
        .addresses = addresses,
        .ttl = cw_json_int(v, "properties/ttl", 0),
    };
    size_t i;
    json_t *a;
    json_array_foreach(records, i, a) {
        const char *z = cw_read_str(a, "ipv4Address");
        if (z != NULL)
            addresses[out->address_count++] = z;
    }
    return 0;
}

int cw_privatedns_get_record(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                             const char *name, struct cw_dns_record *ret_record, struct cw_err *err)
{
    const char *id = cw_armid_child(call->mem, zone_id, "A", name);
    json_t *doc = NULL;
    if (id == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_get(arm, call, id, &cw_api_private_dns, &doc, err);
    return r < 0 ? r : read_record(call, doc, ret_record, err);
}

int cw_privatedns_ensure_record(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                                const char *name, const char *const *addresses, size_t address_count,
                                int64_t ttl, struct cw_ensured *ret_ensured, struct cw_err *err)
{
    static const char *const read_only[] = {"properties/fqdn", "properties/isAutoRegistered", NULL};
    json_t *records = json_array();
    for (size_t i = 0; records != NULL && i < address_count; i++) {
        if (json_array_append_new(records, json_pack("{s:s}", "ipv4Address", addresses[i])) < 0) {
            json_decref(records);
            records = NULL;
        }
    }
    CW_AUTO(cw_auto_json)
    json_t *desired = json_pack("{s:{s:I,s:o}}", "properties", "ttl", (json_int_t)ttl, "aRecords", records);
    const char *id = cw_armid_child(call->mem, zone_id, "A", name);
    if (desired == NULL || id == NULL)
        return cw_err_set(err, CW_ENOMEM, "record");
    struct cw_goal goal = {.id = id, .api = &cw_api_private_dns, .desired = desired, .read_only = read_only};
    return cw_arm_ensure(arm, call, &goal, ret_ensured, err);
}

int cw_privatedns_list_records(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                               const struct cw_dns_record **ret_records, size_t *ret_count,
                               struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/A", zone_id);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_private_dns, &items, err);
    if (r < 0)
        return r;
    struct cw_dns_record *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        r = read_record(call, v, &out[i], err);
        if (r < 0)
            return r;
    }
    *ret_records = out;
    *ret_count = json_array_size(items);
    return 0;
}

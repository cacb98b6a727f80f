#include "worker/steps/browser_picture.h"

#include "common/azure/workspace.h"

#define SUBSCRIPTIONS_MAX 3

bool cw_browser_record_has(const struct cw_browser_picture *picture, const char *address)
{
    for (size_t i = 0; picture->has_record && i < picture->record.address_count; i++)
        if (cw_z_eq(picture->record.addresses[i], address))
            return true;
    return false;
}

const struct cw_browser_endpoint *cw_browser_serving(const struct cw_browser_picture *picture)
{
    const struct cw_browser_endpoint *best = NULL;
    for (size_t i = 0; i < picture->count; i++) {
        const struct cw_browser_endpoint *e = &picture->endpoints[i];
        if (e->is_alive && cw_browser_record_has(picture, e->address))
            return e;
        if (e->is_alive && e->is_of_zone && best == NULL)
            best = e;
    }
    return best;
}

/* "chinaeast2.pl-auth", and "chinaeast2-c2.pl-auth" of a region with more than one. */
static bool is_record_of(const char *name, const char *region)
{
    size_t n = strlen(region);
    return cw_z_starts_nocase(name, region) && (name[n] == '.' || name[n] == '-');
}

/* The zone group of one endpoint: does it write into the zone, and under which name? */
static int read_group(struct cw_step_ctx *c, struct cw_browser_picture *p, struct cw_browser_endpoint *e,
                      const char *region, struct cw_err *err)
{
    struct cw_zone_group group;
    int r = cw_network_get_zone_group(c->svc->arm, &c->call, e->endpoint.id, &group, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        return 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "zone group of endpoint %s", e->endpoint.name);
    for (size_t i = 0; i < group.zone_count; i++)
        e->is_of_zone = e->is_of_zone || cw_armid_eq(group.zone_ids[i], p->zone);
    for (size_t i = 0; e->is_of_zone && i < group.record_count; i++)
        if (is_record_of(group.records[i].name, region))
            p->record_name = group.records[i].name;
    return 0;
}

static int read_endpoint(struct cw_step_ctx *c, struct cw_browser_picture *p,
                         const struct cw_private_endpoint *endpoint, const char *region, struct cw_err *err)
{
    struct cw_browser_endpoint *e = &p->endpoints[p->count++];
    struct cw_nic nic = {0};
    *e = (struct cw_browser_endpoint){.endpoint = *endpoint,
                                      .is_alive = cw_z_eq_nocase(endpoint->status, "Approved")};
    int r = read_group(c, p, e, region, err);
    if (r == 0 && endpoint->nic_id != NULL)
        r = cw_network_get_nic(c->svc->arm, &c->call, endpoint->nic_id, &nic, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        r = 0;
    }
    if (nic.address_count > 0)
        e->address = nic.addresses[0];
    return r;
}

static int read_endpoints(struct cw_step_ctx *c, struct cw_browser_picture *p, const char *subscription,
                          const char *region, struct cw_err *err)
{
    const struct cw_private_endpoint *endpoints = NULL;
    size_t count = 0;
    int r =
        cw_network_list_private_endpoints(c->svc->arm, &c->call, subscription, NULL, &endpoints, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "list private endpoints");
    for (size_t i = 0; r == 0 && i < count && p->count < CW_BROWSER_ENDPOINTS_MAX; i++)
        if (cw_z_eq_nocase(endpoints[i].group_id, CW_GROUP_BROWSER_AUTHENTICATION) &&
            cw_location_eq(endpoints[i].location, region))
            r = read_endpoint(c, p, &endpoints[i], region, err);
    return r;
}

/* Each once. Returns their number. */
static size_t subscriptions_of(struct cw_step_ctx *c, const char *zone, const char *ret[SUBSCRIPTIONS_MAX])
{
    const char *const ids[SUBSCRIPTIONS_MAX] = {zone, c->req->browser_authentication.vnet_id,
                                                c->req->workspace_id};
    size_t count = 0;
    for (size_t i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        const char *one = ids[i] == NULL ? NULL : cw_armid_subscription_of(c->call.mem, ids[i]);
        bool is_new = one != NULL;
        for (size_t k = 0; k < count; k++)
            is_new = is_new && !cw_z_eq_nocase(ret[k], one);
        if (is_new)
            ret[count++] = one;
    }
    return count;
}

static int read_record(struct cw_step_ctx *c, struct cw_browser_picture *p, const char *name,
                       struct cw_err *err)
{
    if (name == NULL)
        return cw_err_set(err, CW_ENOMEM, "record");
    int r = cw_privatedns_get_record(c->svc->arm, &c->call, p->zone, name, &p->record, err);
    p->has_record = r == 0;
    if (r == 0)
        p->record_name = p->record.name;
    if (r < 0 && r != -CW_ENOTFOUND)
        return cw_err_wrap(err, "record %s", name);
    cw_err_clear(err);
    return 0;
}

int cw_browser_read(struct cw_step_ctx *c, const char *zone, const char *region,
                    struct cw_browser_picture *ret_picture, struct cw_err *err)
{
    struct cw_browser_picture *p = ret_picture;
    const char *subscriptions[SUBSCRIPTIONS_MAX];
    int r = 0;
    *p = (struct cw_browser_picture){.zone = zone};
    size_t count = subscriptions_of(c, zone, subscriptions);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = read_endpoints(c, p, subscriptions[i], region, err);
    if (r < 0)
        return r;
    if (p->record_name == NULL)
        p->record_name = cw_arena_printf(c->call.mem, "%s.pl-auth", region);
    r = read_record(c, p, p->record_name, err);
    if (r == 0 && !p->has_record && p->count > 0)
        r = read_record(c, p, cw_arena_printf(c->call.mem, "pl-auth.%s", region), err);
    return r;
}

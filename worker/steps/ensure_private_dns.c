/* ensure_private_dns: a private zone linked to the workspace's VNet, with the endpoint's records.
 * A VNet can be linked to one zone of a name: an existing link decides.  Writes: zone, link, zone group, in China the record.
 * Source: guide, option 2 step 2; "Azure Private Endpoint DNS integration". */
#include "common/azure/privatedns.h"
#include "common/azure/workspace.h"
#include "worker/steps/plans.h"
#include "worker/steps/private_dns.h"

static int choose_zone_name(struct cw_step_ctx *c, const char **ret_name, struct cw_err *err)
{
    if (c->facts->workspace_url == NULL) {
        *ret_name = c->svc->cloud->private_zone;
        return 0;
    }
    int r =
        cw_workspace_zone_name(c->svc->arm, &c->call, c->req->workspace_id, CW_GROUP_UI_API, ret_name, err);
    return r < 0 ? cw_err_wrap(err, "zone name") : 0;
}

static int choose_zone(struct cw_step_ctx *c, const char *name, const char **ret_zone, struct cw_err *err)
{
    const struct cw_zone_choice choice = {
        .name = name,
        .vnet_id = c->facts->vnet_id,
        .subscription = c->req->subscription_id,
        .asked = c->req->private_dns.zone_id,
        .asked_by = "privateDns.zoneId",
        .otherwise = cw_armid_resource(c->call.mem, c->req->subscription_id, c->req->resource_group,
                                       "Microsoft.Network/privateDnsZones", name),
    };
    return cw_private_dns_choose_zone(c, &choice, ret_zone, err);
}

static int ensure_group_and_record(struct cw_step_ctx *c, const char *zone, struct cw_err *err)
{
    struct cw_ensured done;
    struct cw_zone_group group;
    int r =
        cw_network_ensure_zone_group(c->svc->arm, &c->call, c->facts->endpoint_id, zone, &done, &group, err);
    if (r < 0)
        return cw_err_wrap(err, "zone group of the endpoint");
    cw_step_ensured(c, &done, "zone group of the endpoint");
    if (c->call.plan_only)
        return 0;
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    if (name == NULL)
        return cw_err_set(err, CW_EPROTO, "workspace URL %s is not of this cloud", c->facts->workspace_url);
    c->out->record_name = name;
    return cw_private_dns_ensure_record(c, zone, name, c->facts->endpoint_address, err);
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *name = NULL;
    const char *zone = NULL;
    const char *link = NULL;
    int r = cw_step_lock(c, c->facts->vnet_id, err);
    if (r == 0)
        r = choose_zone_name(c, &name, err);
    if (r == 0)
        r = choose_zone(c, name, &zone, err);
    if (r == 0)
        r = cw_private_dns_ensure_zone_and_link(c, zone, c->facts->vnet_id, "link of the zone to the VNet",
                                                &link, err);
    if (r < 0)
        return r;
    c->out->zone_id = zone;
    c->out->zone_name = name;
    c->out->link_id = link;
    if (c->facts->endpoint_id == NULL) {
        cw_step_changed(c, "would create the endpoint's zone group and record");
        return 0;
    }
    return ensure_group_and_record(c, zone, err);
}

const struct cw_step cw_step_ensure_private_dns = {
    .name = "ensure_private_dns",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(30) * 60 * 1000,
    .retry = {.attempts = 8, .base_ms = 3000, .cap_ms = 60000},
    .in_plan = true,
    .run = run,
};

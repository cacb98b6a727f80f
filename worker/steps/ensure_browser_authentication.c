/* ensure_browser_authentication: one browser_authentication endpoint for the region and the zone, on an isolated workspace in the
 * transit VNet, with its record and a delete lock. One that is there is used, on whatever workspace, and nothing of it is undone:
 * it is shared.
 * Writes: group, subnets, NSG, workspace, lock, two endpoints, zone, link, zone groups, in China the record.
 * Source: guide, "Isolated authentication workspace"; Databricks' "private web auth workspace". */
#include "common/azure/workspace.h"
#include "worker/steps/browser_picture.h"
#include "worker/steps/browser_workspace.h"
#include "worker/steps/endpoint_parts.h"
#include "worker/steps/plans.h"
#include "worker/steps/private_dns.h"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)facts;
    return req->browser_authentication.mode == CW_BROWSER_ENSURE;
}

/* The zone in which the transit VNet's users look names up. */
static int choose_zone(struct cw_step_ctx *c, const struct cw_browser_goal *goal, const char **ret_zone,
                       struct cw_err *err)
{
    const char *other = c->req->private_dns.zone_id;
    const char *name = c->facts->zone_name != NULL ? c->facts->zone_name : c->svc->cloud->private_zone;
    const struct cw_zone_choice choice = {
        .name = name,
        .vnet_id = goal->vnet_id,
        .subscription = goal->subscription,
        .asked = c->req->browser_authentication.zone_id,
        .asked_by = "browserAuthentication.zoneId",
        .otherwise = other != NULL ? other
                                   : cw_armid_resource(c->call.mem, goal->subscription, goal->group,
                                                       "Microsoft.Network/privateDnsZones", name),
    };
    return cw_private_dns_choose_zone(c, &choice, ret_zone, err);
}

/* The endpoint that serves the zone, or one in the transit VNet that could: what an earlier try or a person began. What this
 * step makes itself is only taken when it is complete; else it is gone through once more. */
static const struct cw_browser_endpoint *choose_endpoint(const struct cw_browser_picture *picture,
                                                         const struct cw_browser_goal *goal)
{
    const struct cw_browser_endpoint *serving = cw_browser_serving(picture);
    for (size_t i = 0; serving == NULL && i < picture->count; i++) {
        const struct cw_browser_endpoint *e = &picture->endpoints[i];
        if (!cw_endpoint_is_dead(&e->endpoint) && cw_armid_is_within(e->endpoint.subnet_id, goal->vnet_id) &&
            !cw_armid_eq(e->endpoint.id, goal->endpoint_id))
            serving = e;
    }
    return serving;
}

/* A second endpoint's zone group would overwrite it. */
static int refuse_foreign_record(const struct cw_browser_picture *picture, struct cw_err *err)
{
    (void)cw_err_set(
        err, CW_EMISCONFIGURED,
        "record %s points at %s, and no browser_authentication endpoint that can be seen and is approved has "
        "that address",
        picture->record_name, picture->record.address_count > 0 ? picture->record.addresses[0] : "nothing");
    cw_err_remedy(
        err, "let the worker's identity read the endpoint if it is in another subscription; if it is gone, "
             "remove the record, then send the request again with a new id");
    return -CW_EMISCONFIGURED;
}

static int adopt(struct cw_step_ctx *c, const struct cw_browser_goal *goal,
                 const struct cw_browser_endpoint *found, struct cw_private_endpoint *ret_endpoint,
                 struct cw_err *err)
{
    *ret_endpoint = found->endpoint;
    cw_step_found(c, "endpoint %s for browser_authentication is on workspace %s", found->endpoint.name,
                  cw_armid_name(found->endpoint.target_id));
    int r = c->call.plan_only ? 0 : cw_endpoint_approve(c, found->endpoint.target_id, ret_endpoint, err);
    if (r < 0)
        return cw_err_wrap(err, "endpoint %s", found->endpoint.name);
    if (cw_browser_is_isolated(goal, found->endpoint.target_id))
        return cw_browser_lock(c, found->endpoint.target_id, err);
    cw_step_found(c,
                  "workspace %s is not for browser sign-in alone: deleting it would end the region's sign-in",
                  cw_armid_name(found->endpoint.target_id));
    return 0;
}

/* The platform writes the record for a zone group; where it does not, or there is none, it is written here. */
static int ensure_record(struct cw_step_ctx *c, const struct cw_browser_picture *picture,
                         const struct cw_private_endpoint *endpoint, struct cw_err *err)
{
    const char *address = NULL;
    struct cw_ensured done;
    struct cw_zone_group group = {0};
    if (endpoint->nic_id == NULL && c->call.plan_only) {
        cw_step_changed(c, "would create record %s", picture->record_name);
        return 0;
    }
    int r = cw_endpoint_address(c, endpoint, &address, err);
    if (r == 0 && !picture->has_record) {
        r = cw_network_ensure_zone_group(c->svc->arm, &c->call, endpoint->id, picture->zone, &done, &group,
                                         err);
        if (r == 0 && cw_effect_is_change(done.effect))
            cw_step_ensured(c, &done, "zone group of the endpoint for browser_authentication");
    }
    if (r == -CW_EMISCONFIGURED)
        cw_err_remedy(err, "name its zone in browserAuthentication.zoneId, or delete the zone group");
    if (r < 0)
        return cw_err_wrap(err, "endpoint %s", endpoint->name);
    return cw_private_dns_ensure_record(c, picture->zone,
                                        group.record_count > 0 ? group.records[0].name : picture->record_name,
                                        address, err);
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_browser_goal goal;
    struct cw_browser_picture *picture = cw_arena_alloc(c->call.mem, sizeof *picture);
    struct cw_private_endpoint endpoint;
    const char *zone = NULL;
    const char *link = NULL;
    if (picture == NULL)
        return cw_err_set(err, CW_ENOMEM, "browser authentication");
    int r = cw_browser_goal_of(c, &goal, err);
    if (r == 0)
        r = choose_zone(c, &goal, &zone, err);
    if (r == 0)
        r = cw_step_lock_two(c, goal.vnet_id, zone, err);
    if (r == 0)
        r = cw_private_dns_ensure_zone_and_link(c, zone, goal.vnet_id, "link of the zone to the transit VNet",
                                                &link, err);
    if (r == 0)
        r = cw_browser_read(c, zone, goal.region, picture, err);
    if (r < 0)
        return cw_err_wrap(err, "browser authentication");
    const struct cw_browser_endpoint *found = choose_endpoint(picture, &goal);
    if (found == NULL && picture->has_record)
        return refuse_foreign_record(picture, err);
    r = found != NULL ? adopt(c, &goal, found, &endpoint, err)
                      : cw_browser_make(c, &goal, zone, &endpoint, err);
    if (r == 0)
        r = ensure_record(c, picture, &endpoint, err);
    if (r < 0)
        return cw_err_wrap(err, "browser authentication");
    c->out->browser_zone_id = zone;
    c->out->browser_endpoint_id = endpoint.id;
    return 0;
}

const struct cw_step cw_step_ensure_browser_authentication = {
    .name = "ensure_browser_authentication",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(120) * 60 * 1000,
    .retry = {.attempts = 8, .base_ms = 5000, .cap_ms = 60000},
    .in_plan = true,
    .when = when,
    .run = run,
};

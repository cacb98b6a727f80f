/* check_request: may this fleet do it, and can it be done? What the request says of itself was checked when it was decoded.
 * Reads: policy, subscription, providers.  Writes: provider registrations.  Source: vnet-inject requirements. */
#include "worker/steps/plans.h"
#include "worker/steps/policy.h"

static int refuse(struct cw_err *err, const char *remedy, const char *what)
{
    (void)cw_err_set(err, CW_EREJECTED, "%s", what);
    cw_err_remedy(err, "%s", remedy);
    return -CW_EREJECTED;
}

/* The workspace itself may still ask for another name: ensure_private_dns then says so, but that is a rare region. */
static int check_zone_name(const struct cw_step_ctx *c, const char *asked, const char *asked_by,
                           struct cw_err *err)
{
    const char *needed = c->svc->cloud->private_zone;
    if (asked == NULL || cw_z_eq_nocase(cw_armid_name(asked), needed))
        return 0;
    (void)cw_err_set(err, CW_EREJECTED, "%s names zone %s, a workspace of this cloud needs %s", asked_by,
                     cw_armid_name(asked), needed);
    cw_err_remedy(err, "name a zone called %s, or leave %s out", needed, asked_by);
    return -CW_EREJECTED;
}

/* The isolated workspace is made there. */
static int check_transit(const struct cw_step_ctx *c, struct cw_err *err)
{
    const char *vnet = c->req->browser_authentication.vnet_id;
    const char *subscription = vnet == NULL ? NULL : cw_armid_subscription_of(c->call.mem, vnet);
    if (vnet != NULL && subscription == NULL)
        return cw_err_set(err, CW_ENOMEM, "subscription");
    if (!cw_policy_allows_subscription(c->svc->policy, subscription))
        return refuse(
            err,
            "ask the operator to add it to policy.subscriptions, or set browserAuthentication.mode to check",
            "the transit VNet's subscription is not one that this fleet works for");
    return 0;
}

static int check_provider(struct cw_step_ctx *c, const char *provider, const char *type, const char *region,
                          struct cw_err *err)
{
    bool is_registered = false;
    bool is_offered = false;
    int r = cw_resources_check_provider(c->svc->arm, &c->call, c->req->subscription_id, provider, type,
                                        region, &is_registered, &is_offered, err);
    if (r < 0)
        return cw_err_wrap(err, "provider %s", provider);
    if (!is_offered)
        return refuse(err, "choose a region that offers Azure Databricks",
                      "Azure Databricks is not offered in this region");
    if (is_registered) {
        cw_step_found(c, "provider %s is registered", provider);
        return 0;
    }
    if (c->call.plan_only) {
        cw_step_changed(c, "would register provider %s", provider);
        return 0;
    }
    enum cw_effect effect = CW_EFFECT_NONE;
    r = cw_resources_register_provider(c->svc->arm, &c->call, c->req->subscription_id, provider, &effect,
                                       err);
    if (r < 0)
        return cw_err_wrap(err, "register provider %s", provider);
    cw_step_changed(c, "registered provider %s", provider);
    return 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_provision_v1 *provision = c->req->provision;
    int r = cw_policy_check(c, err);
    if (r == 0)
        r = check_zone_name(c, c->req->private_dns.zone_id, "privateDns.zoneId", err);
    if (r == 0)
        r = check_zone_name(c, c->req->browser_authentication.zone_id, "browserAuthentication.zoneId", err);
    if (r == 0)
        r = check_transit(c, err);
    if (r < 0)
        return r;
    if (c->req->kind == CW_REQUEST_VERIFY)
        return 0;
    r = check_provider(c, "Microsoft.Databricks", "workspaces", provision == NULL ? NULL : provision->region,
                       err);
    if (r == 0)
        r = check_provider(c, "Microsoft.Network", "privateEndpoints", NULL, err);
    return r;
}

const struct cw_step cw_step_check_request = {
    .name = "check_request",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(10) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 1000, .cap_ms = 30000},
    .in_plan = true,
    .run = run,
};

#include "worker/steps/policy.h"

static bool is_allowed(const char *value, const char *const *list, size_t count)
{
    if (count == 0 || value == NULL)
        return true;
    for (size_t i = 0; i < count; i++)
        if (cw_z_eq_nocase(value, list[i]))
            return true;
    return false;
}

bool cw_policy_allows_subscription(const struct cw_policy *policy, const char *subscription)
{
    return is_allowed(subscription, policy->subscriptions, policy->subscription_count);
}

static int refuse(struct cw_err *err, const char *remedy, const char *what)
{
    (void)cw_err_set(err, CW_EREJECTED, "%s", what);
    cw_err_remedy(err, "%s", remedy);
    return -CW_EREJECTED;
}

int cw_policy_check(const struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_policy *policy = c->svc->policy;
    const struct cw_request *req = c->req;
    if (req->cloud != CW_CLOUD_UNSET && !cw_z_eq(cw_cloud_names[req->cloud], c->svc->cloud->name))
        return refuse(err, "send it to the fleet of that cloud, or leave `cloud` out",
                      "the request names another cloud than this fleet's");
    if (!is_allowed(req->tenant_id, policy->tenants, policy->tenant_count))
        return refuse(err, "ask the operator to add it to policy.tenants",
                      "the tenant is not one that this fleet works for");
    if (!cw_policy_allows_subscription(policy, req->subscription_id))
        return refuse(err, "ask the operator to add it to policy.subscriptions",
                      "the subscription is not one that this fleet works for");
    if (req->provision != NULL && !is_allowed(req->provision->region, policy->regions, policy->region_count))
        return refuse(err, "ask the operator to add it to policy.regions",
                      "the region is not one that this fleet works in");
    return 0;
}

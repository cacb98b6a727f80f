/* check_request: may this fleet do it, can it be done, is everything that it asks for built?
 * Reads: policy, subscription, providers.  Writes: provider registrations.  Source: vnet-inject requirements. */
#include "common/azure/prefix.h"
#include "worker/steps/plans.h"

#define VNET_BITS_MIN 16
#define VNET_BITS_MAX 24
#define SUBNET_BITS_MAX 26

static bool is_allowed(const char *value, const char *const *list, size_t count)
{
    if (count == 0 || value == NULL)
        return true;
    for (size_t i = 0; i < count; i++)
        if (cw_z_eq_nocase(value, list[i]))
            return true;
    return false;
}

static int refuse(struct cw_err *err, const char *remedy, const char *what)
{
    (void)cw_err_set(err, CW_EREJECTED, "%s", what);
    cw_err_remedy(err, "%s", remedy);
    return -CW_EREJECTED;
}

static int check_policy(const struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_policy *policy = c->svc->policy;
    const struct cw_request *req = c->req;
    if (req->cloud != CW_CLOUD_UNSET && !cw_z_eq(cw_cloud_names[req->cloud], c->svc->cloud->name))
        return refuse(err, "send it to the fleet of that cloud, or leave `cloud` out",
                      "the request names another cloud than this fleet's");
    if (!is_allowed(req->tenant_id, policy->tenants, policy->tenant_count))
        return refuse(err, "ask the operator to add it to policy.tenants",
                      "the tenant is not one that this fleet works for");
    if (!is_allowed(req->subscription_id, policy->subscriptions, policy->subscription_count))
        return refuse(err, "ask the operator to add it to policy.subscriptions",
                      "the subscription is not one that this fleet works for");
    if (req->provision != NULL && !is_allowed(req->provision->region, policy->regions, policy->region_count))
        return refuse(err, "ask the operator to add it to policy.regions",
                      "the region is not one that this fleet works in");
    return 0;
}

static int check_built(const struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_request *req = c->req;
    if (req->network.hub_peering.vnet_id != NULL)
        return refuse(err, "peer the VNets yourself and leave network.hubPeering out",
                      "hub peering is not built yet");
    if (req->browser_authentication.mode != CW_BROWSER_SKIP)
        return refuse(err, "set browserAuthentication.mode to skip: a back-end connection needs none",
                      "browser authentication is not built yet");
    if (req->options.repeat_seconds != 0)
        return refuse(err, "publish the verify request again from a schedule of yours",
                      "options.repeatSeconds is not built yet");
    if (req->options.order != CW_ORDER_DOCUMENTED)
        return refuse(err, "set options.order to documented",
                      "options.order shortest-outage is not built yet");
    if (req->options.auto_repair != CW_AUTO_REPAIR_OFF)
        return refuse(err, "set options.autoRepair to off; the diagnosis names the repair",
                      "options.autoRepair is not built yet");
    return 0;
}

static int check_inside(const char *what, const char *prefix, struct cw_prefix space, int bits_max,
                        struct cw_prefix *ret_prefix, struct cw_err *err)
{
    if (!cw_prefix_parse(prefix, ret_prefix) || !cw_prefix_contains(space, *ret_prefix)) {
        (void)cw_err_set(err, CW_EREJECTED, "%s subnet %s is not inside the address space", what, prefix);
        cw_err_remedy(err, "choose a prefix inside network.addressSpace, or leave it out");
        return -CW_EREJECTED;
    }
    if (ret_prefix->bits > bits_max) {
        (void)cw_err_set(err, CW_EREJECTED, "%s subnet %s is too small", what, prefix);
        cw_err_remedy(err, "use a /%d or larger", bits_max);
        return -CW_EREJECTED;
    }
    return 0;
}

static int check_address_space(const struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_network_v1 *net = &c->req->network;
    struct cw_prefix space;
    struct cw_prefix host;
    struct cw_prefix container;
    struct cw_prefix endpoints;
    if (!cw_prefix_parse(net->address_space, &space) || space.bits < VNET_BITS_MIN ||
        space.bits > VNET_BITS_MAX)
        return refuse(err, "use a private prefix between /16 and /24",
                      "network.addressSpace does not fit an Azure Databricks VNet");
    int r = check_inside("host", net->host_subnet.prefix, space, SUBNET_BITS_MAX, &host, err);
    if (r == 0)
        r = check_inside("container", net->container_subnet.prefix, space, SUBNET_BITS_MAX, &container, err);
    if (r == 0)
        r = check_inside("private endpoint", net->endpoint_subnet.prefix, space, 29, &endpoints, err);
    if (r < 0)
        return r;
    if (cw_prefix_overlaps(host, container) || cw_prefix_overlaps(host, endpoints) ||
        cw_prefix_overlaps(container, endpoints))
        return refuse(err, "choose prefixes that do not overlap, or leave them out", "the subnets overlap");
    if (cw_z_eq_nocase(c->req->provision->managed_resource_group, c->req->resource_group))
        return refuse(err, "name another managedResourceGroup: Azure Databricks creates it",
                      "the managed resource group cannot be the workspace's own");
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
    int r = check_policy(c, err);
    if (r == 0)
        r = check_built(c, err);
    if (r == 0 && provision != NULL)
        r = check_address_space(c, err);
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

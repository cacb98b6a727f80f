/* ensure_private_endpoint: a databricks_ui_api endpoint in the workspace's VNet, approved, with an address.
 * One that somebody made by hand and that fits is used.  Writes: the endpoint, its approval.  Source: guide, option 1 step 4. */
#include "common/azure/workspace.h"
#include "worker/steps/endpoint_parts.h"
#include "worker/steps/plans.h"

/* Others' endpoints stay, but are named: who wonders about a second one finds the reason here. */
static bool fits(struct cw_step_ctx *c, const struct cw_private_endpoint *e)
{
    if (!cw_z_eq_nocase(e->group_id, CW_GROUP_UI_API))
        return false;
    if (cw_endpoint_is_dead(e)) {
        cw_step_found(c, "endpoint %s is not used: its connection is %s", e->id, e->status);
        return false;
    }
    if (cw_armid_is_within(e->subnet_id, c->facts->vnet_id))
        return true;
    cw_step_found(c, "endpoint %s is not used: it is in subnet %s, not in the workspace's VNet", e->id,
                  e->subnet_id);
    return false;
}

static int adopt(struct cw_step_ctx *c, struct cw_private_endpoint *ret_endpoint, bool *ret_found,
                 struct cw_err *err)
{
    const struct cw_private_endpoint *endpoints = NULL;
    size_t count = 0;
    int r = cw_network_list_private_endpoints(c->svc->arm, &c->call, c->req->subscription_id,
                                              c->req->workspace_id, &endpoints, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "list private endpoints");
    *ret_found = false;
    for (size_t i = 0; i < count && !*ret_found; i++) {
        if (!fits(c, &endpoints[i]))
            continue;
        *ret_endpoint = endpoints[i];
        *ret_found = true;
    }
    return 0;
}

static int make(struct cw_step_ctx *c, struct cw_private_endpoint *ret_endpoint, struct cw_ensured *done,
                struct cw_err *err)
{
    const struct cw_private_endpoint_goal goal = {
        .id = cw_armid_resource(c->call.mem, c->req->subscription_id, c->req->resource_group,
                                "Microsoft.Network/privateEndpoints", c->req->private_endpoint.name),
        .location = c->facts->location,
        .subnet_id = c->facts->endpoint_subnet_id,
        .workspace_id = c->req->workspace_id,
        .group_id = CW_GROUP_UI_API,
        .tags = cw_step_tags(c),
    };
    return cw_network_ensure_private_endpoint(c->svc->arm, &c->call, &goal, done, ret_endpoint, err);
}

static int record_address(struct cw_step_ctx *c, const struct cw_private_endpoint *endpoint,
                          struct cw_err *err)
{
    const char *address = NULL;
    int r = cw_endpoint_address(c, endpoint, &address, err);
    if (r < 0)
        return r;
    c->out->endpoint_id = endpoint->id;
    c->out->endpoint_name = endpoint->name;
    c->out->endpoint_status = endpoint->status;
    c->out->nic_id = endpoint->nic_id;
    c->out->endpoint_address = address;
    cw_step_found(c, "endpoint %s is approved and has address %s", endpoint->name, address);
    return 0;
}

static int settle(struct cw_step_ctx *c, struct cw_private_endpoint *endpoint, struct cw_err *err)
{
    struct cw_workspace ws;
    int r = cw_endpoint_approve(c, c->req->workspace_id, endpoint, err);
    if (r == 0)
        r = record_address(c, endpoint, err);
    if (r < 0)
        return r;
    r = cw_workspace_wait(c->svc->arm, &c->call, c->req->workspace_id, &ws, err);
    return r < 0 ? cw_err_wrap(err, "wait for workspace") : 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_private_endpoint endpoint = {0};
    struct cw_ensured done = {0};
    bool is_adopted = false;
    int r = cw_step_lock(c, c->facts->vnet_id, err);
    if (r == 0)
        r = adopt(c, &endpoint, &is_adopted, err);
    if (r == 0 && !is_adopted)
        r = make(c, &endpoint, &done, err);
    if (r < 0)
        return cw_err_wrap(err, "private endpoint");
    if (is_adopted)
        cw_step_found(c, "endpoint %s exists in the workspace's VNet", endpoint.name);
    else
        cw_step_ensured(c, &done, "private endpoint for " CW_GROUP_UI_API);
    if (!c->call.plan_only)
        return settle(c, &endpoint, err);
    if (endpoint.status != NULL && !cw_z_eq_nocase(endpoint.status, "Approved"))
        cw_step_changed(c, "would approve the connection of endpoint %s (%s)", endpoint.name,
                        endpoint.status);
    return endpoint.nic_id == NULL ? 0 : record_address(c, &endpoint, err);
}

const struct cw_step cw_step_ensure_private_endpoint = {
    .name = "ensure_private_endpoint",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(60) * 60 * 1000,
    .retry = {.attempts = 8, .base_ms = 5000, .cap_ms = 60000},
    .in_plan = true,
    .run = run,
};

/* ensure_resource_group: the group that holds the workspace and its network.
 * Writes: the group, when it is absent.  Source: Microsoft's guide, option 1, step 1. */
#include "worker/steps/plans.h"

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_ensured done;
    char what[128];
    int r = cw_resources_ensure_group(c->svc->arm, &c->call, c->req->subscription_id, c->req->resource_group,
                                      c->req->provision->region, cw_step_tags(c), &done, err);
    if (r < 0)
        return cw_err_wrap(err, "resource group %s", c->req->resource_group);
    (void)snprintf(what, sizeof what, "resource group %s", c->req->resource_group);
    cw_step_ensured(c, &done, what);
    c->out->location = cw_location_normal(c->call.mem, c->req->provision->region);
    return 0;
}

const struct cw_step cw_step_ensure_resource_group = {
    .name = "ensure_resource_group",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(10) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 1000, .cap_ms = 30000},
    .in_plan = true,
    .run = run,
};

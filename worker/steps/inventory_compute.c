/* inventory_compute: clusters, SQL warehouses, pools and runs that block the network update; published before any stop.
 * Reads: the workspace's REST API.  Writes: nothing.  Source: Microsoft's guide, option 2, "Important". */
#include "worker/steps/compute_facts.h"
#include "worker/steps/plans.h"

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_compute_list list;
    int r = cw_compute_list(c->svc->databricks, &c->call, &target, CW_VERIFY_CLUSTER_PREFIX, &list, err);
    if (r < 0)
        return cw_err_wrap(err, "list compute");
    if (cw_compute_to_facts(c, &list, &c->out->compute, &c->out->compute_count) < 0)
        return cw_err_set(err, CW_ENOMEM, "compute");
    c->out->compute_listed = true;
    for (size_t i = 0; i < c->out->compute_count; i++) {
        const struct cw_compute_v1 *item = &c->out->compute[i];
        cw_step_found(c, "%s %s is %s", cw_compute_v1_kind_names[item->kind], item->name, item->state);
    }
    if (list.blocking_count == 0)
        cw_step_found(c, "no compute is running");
    if (list.blocking_count > 0 && cw_compute_update_needed(c->facts) &&
        c->req->options.stop_compute != CW_STOP_COMPUTE_ALLOW && !c->call.plan_only)
        return cw_compute_refuse(&list, err);
    return 0;
}

const struct cw_step cw_step_inventory_compute = {
    .name = "inventory_compute",
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(15) * 60 * 1000,
    .retry = {.attempts = 10, .base_ms = 2000, .cap_ms = 60000},
    .in_plan = true,
    .is_announced = true,
    .run = run,
};

/* inventory_compute: clusters, SQL warehouses, pools, pipelines and runs that block the network update, and the schedules that
 * would start some; published before any stop. Remembers what was stopped before everything else was lost.
 * Reads: the workspace's REST API.  Writes: nothing.  Source: Microsoft's guide, option 2, "Important". */
#include "worker/steps/compute_facts.h"
#include "worker/steps/plans.h"

/* Journal and worker were lost after the first stop: the note in the workspace still knows. If it is another request's, that one is not at
 * work, since this one has the lock: it was not able to start what it had stopped, or will find it running when it goes on. */
static int add_what_was_stopped(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_facts note = {0};
    const char *request;
    int r = cw_compute_note_read(c, &note, &request, err);
    if (r < 0 || note.compute_count == 0)
        return r;
    if (cw_compute_add_noted(c, &note, &c->out->compute, &c->out->compute_count) < 0)
        return cw_err_set(err, CW_ENOMEM, "compute");
    if (!cw_z_eq(request, c->req->event.id)) {
        cw_step_found(c, "request %s stopped compute that still rests: it is started again at the end",
                      request);
        return 0;
    }
    c->out->settings_before = note.settings_before;
    cw_step_found(c, "an earlier run of this request stopped compute: it is started again at the end");
    return 0;
}

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
    if (cw_compute_may_stop(c->req)) {
        r = add_what_was_stopped(c, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < c->out->compute_count; i++) {
        const struct cw_compute_v1 *item = &c->out->compute[i];
        cw_step_found(c, "%s %s is %s", cw_compute_v1_kind_names[item->kind], item->name, item->state);
    }
    if (list.blocking_count == 0)
        cw_step_found(c, "no compute is running");
    if (list.blocking_count > 0 && cw_compute_update_needed(c->facts) && !cw_compute_may_stop(c->req) &&
        !c->call.plan_only)
        return cw_compute_refuse(c, &list, err);
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

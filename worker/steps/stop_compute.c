/* stop_compute: all compute stopped, so that the network update can be made. Only with the request's permission.
 * Writes: schedules, clusters, warehouses, pools, pipelines, runs where the request permits it, and a note of what was stopped.
 * Undo: starts what was stopped.  Source: Microsoft's guide, option 2, "Important". */
#include "worker/steps/compute_facts.h"
#include "worker/steps/former.h"
#include "worker/steps/plans.h"

#define READY_ROUNDS 3
#define READY_PAUSE_MS 5000
#define RUN_PATIENCE_MS (INT64_C(60) * 60 * 1000)

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    return cw_compute_update_needed(facts) || cw_compute_has_stopped(facts);
}

static void say_plan(struct cw_step_ctx *c, const struct cw_compute_list *list)
{
    bool may_cancel = c->req->options.stop_compute == CW_STOP_COMPUTE_CANCEL_RUNS;
    for (size_t i = 0; i < list->count; i++) {
        const struct cw_compute *item = &list->items[i];
        const char *kind = cw_compute_kind_name(item->kind);
        if (cw_compute_is_waking(item))
            cw_step_changed(c, "would pause %s %s, and resume it", kind, item->name);
        else if (item->is_blocking && item->is_work)
            cw_step_changed(c, may_cancel ? "would end %s %s" : "would wait until %s %s has ended", kind,
                            item->name);
        else if (item->is_blocking)
            cw_step_changed(c, "would stop %s %s, and start it again", kind, item->name);
    }
    if (list->blocking_count > 0 && !cw_compute_may_stop(c->req))
        cw_step_found(c, "the request does not allow it: options.stopCompute must be allow");
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_compute_list list;
    if (!cw_compute_update_needed(c->facts)) {
        cw_step_found(c, "the network settings are as they should be: nothing more is stopped");
        return 0;
    }
    if (cw_compute_may_stop(c->req) && !c->call.plan_only) {
        int r = cw_compute_stop_and_record(c, RUN_PATIENCE_MS, err);
        if (r == 0 && !cw_compute_has_stopped(c->out))
            cw_step_found(c, "no compute is running");
        return r < 0 ? cw_err_wrap(err, "stop compute") : 0;
    }
    int r = cw_compute_list(c->svc->databricks, &c->call, &target, CW_VERIFY_CLUSTER_PREFIX, &list, err);
    if (r < 0)
        return cw_err_wrap(err, "list compute");
    if (c->call.plan_only)
        say_plan(c, &list);
    else if (list.blocking_count > 0)
        return cw_compute_refuse(c, &list, err);
    else
        cw_step_found(c, "no compute is running");
    return 0;
}

/* Nothing starts while the network update is under way, and what starts would make it fail. */
static int undo(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_workspace ws;
    if (!cw_compute_has_stopped(c->facts))
        return 0;
    int r = cw_compute_wait_settled(c, &ws, err);
    if (r == 0)
        r = cw_databricks_wait_ready(c->svc->databricks, &c->call, &target, READY_ROUNDS, READY_PAUSE_MS,
                                     err);
    if (r == 0)
        r = cw_compute_start_again(c, err);
    return r < 0 ? cw_err_wrap(err, "start compute again") : 0;
}

static bool tells_of_stops(const struct cw_workspace *ws, const struct cw_facts *note)
{
    (void)ws;
    return cw_compute_has_stopped(note);
}

/* The note in the workspace was written before the first stop. */
static int was_begun(struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err)
{
    struct cw_workspace ws;
    struct cw_facts note;
    *ret_was_begun = false;
    if (!cw_compute_may_stop(c->req))
        return 0;
    int r = cw_former_note(c, tells_of_stops, &ws, &note, ret_was_begun, err);
    if (r < 0 || !*ret_was_begun)
        return r;
    c->out->compute = note.compute;
    c->out->compute_count = note.compute_count;
    c->out->settings_before = note.settings_before;
    cw_step_found(c, "an earlier run of this request stopped compute");
    return 0;
}

const struct cw_step cw_step_stop_compute = {
    .name = "stop_compute",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(120) * 60 * 1000,
    .retry = {.attempts = 10, .base_ms = 2000, .cap_ms = 60000},
    .in_plan = true,
    .when = when,
    .run = run,
    .undo = undo,
    .was_begun = was_begun,
};

/* Plans of other versions of the worker: what an upgrade, or the way back, makes meet. Built of production's steps and two more. */
#include "common/azure/network.h"
#include "tests/sim/sim.h"
#include "worker/steps/plans.h"

/* ---- steps that only the newer version has ---------------------------------------------------------------------------- */

static int look(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_resource_group group;
    int r = cw_resources_get_group(c->svc->arm, &c->call, c->req->subscription_id, c->req->resource_group,
                                   &group, err);
    if (r == 0)
        cw_step_found(c, "resource group %s: %s", c->req->resource_group, group.exists ? "there" : "absent");
    return r;
}

static const struct cw_step step_look = {
    .name = "sim_look",
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(10) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 1000, .cap_ms = 30000},
    .in_plan = true,
    .run = look,
};

static char *mark_of(struct cw_step_ctx *c)
{
    return cw_arena_printf(c->call.mem,
                           "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/"
                           "networkSecurityGroups/" SIM_MARK "%s",
                           c->req->subscription_id, c->req->resource_group, c->req->event.id);
}

static int mark(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_ensured done;
    int r = cw_network_ensure_nsg(c->svc->arm, &c->call, mark_of(c), c->facts->location, cw_step_tags(c),
                                  &done, err);
    if (r == 0)
        cw_step_ensured(c, &done, "mark");
    return r;
}

static int unmark(struct cw_step_ctx *c, struct cw_err *err)
{
    bool existed = false;
    int r = cw_arm_delete(c->svc->arm, &c->call, mark_of(c), &cw_api_network, &existed, err);
    if (r == 0 && existed)
        cw_step_changed(c, "mark: removed");
    return r;
}

static const struct cw_step step_mark = {
    .name = SIM_STEP_MARK,
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(30) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 1000, .cap_ms = 30000},
    .run = mark,
    .undo = unmark,
};

/* ---- tables ----------------------------------------------------------------------------------------------------------- */

/* Before there were repairs and the shared browser endpoint; a migration completed the private way first. */
static const struct cw_step *const older_provision[] = {
    &cw_step_check_request,    &cw_step_ensure_resource_group,   &cw_step_ensure_network,
    &cw_step_ensure_workspace, &cw_step_ensure_private_endpoint, &cw_step_ensure_private_dns,
    &cw_step_verify_dns,       &cw_step_launch_cluster,          &cw_step_run_probe,
    &cw_step_diagnose,         &cw_step_remove_cluster,
};
static const struct cw_step *const older_migrate[] = {
    &cw_step_check_request,
    &cw_step_inspect_workspace,
    &cw_step_inventory_compute,
    &cw_step_ensure_network,
    &cw_step_ensure_private_endpoint,
    &cw_step_ensure_private_dns,
    &cw_step_stop_compute,
    &cw_step_ensure_workspace,
    &cw_step_verify_dns,
    &cw_step_launch_cluster,
    &cw_step_run_probe,
    &cw_step_diagnose,
    &cw_step_remove_cluster,
    &cw_step_start_compute,
};
static const struct cw_step *const older_verify[] = {
    &cw_step_check_request, &cw_step_inspect_workspace, &cw_step_verify_dns,     &cw_step_launch_cluster,
    &cw_step_run_probe,     &cw_step_diagnose,          &cw_step_remove_cluster,
};
static const struct cw_plan older[] = {
    [CW_REQUEST_PROVISION] = {CW_REQUEST_PROVISION, SIM_OLDER_PLAN, older_provision,
                              CW_ARRAY_LEN(older_provision)},
    [CW_REQUEST_MIGRATE] = {CW_REQUEST_MIGRATE, SIM_OLDER_PLAN, older_migrate, CW_ARRAY_LEN(older_migrate)},
    [CW_REQUEST_VERIFY] = {CW_REQUEST_VERIFY, SIM_OLDER_PLAN, older_verify, CW_ARRAY_LEN(older_verify)},
};

static const struct cw_plan *older_plan_of(const struct cw_request *req)
{
    return req->kind == CW_REQUEST_CANCEL ? NULL : &older[req->kind];
}

#define NEWER_STEPS_MAX 32

/* Today's table, with a mark behind the network and a look before what was made is put away. */
static const struct cw_plan *newer_plan_of(const struct cw_request *req)
{
    static const struct cw_step
        *steps[CW_REQUEST_CANCEL + 1][NEWER_STEPS_MAX]; /* last: the short migration */
    static struct cw_plan plans[CW_REQUEST_CANCEL + 1];
    const struct cw_plan *today = cw_plan_of(req);
    if (today == NULL)
        return NULL;
    size_t which = req->options.order == CW_ORDER_SHORTEST_OUTAGE ? CW_REQUEST_CANCEL : (size_t)req->kind;
    size_t n = 0;
    for (size_t i = 0; i < today->step_count; i++) {
        CW_BUG_ON(n + 2 > NEWER_STEPS_MAX);
        if (today->steps[i] == &cw_step_remove_cluster)
            steps[which][n++] = &step_look;
        steps[which][n++] = today->steps[i];
        if (today->steps[i] == &cw_step_ensure_network)
            steps[which][n++] = &step_mark;
    }
    plans[which] = (struct cw_plan){req->kind, today->version + 1, steps[which], n};
    return &plans[which];
}

cw_plan_of_fn sim_plans(enum sim_version version)
{
    static const cw_plan_of_fn all[] = {
        [SIM_CURRENT] = cw_plan_of, [SIM_OLDER] = older_plan_of, [SIM_NEWER] = newer_plan_of};
    return all[version];
}

const char *sim_version_name(enum sim_version version)
{
    static const char *const names[] = {
        [SIM_CURRENT] = "today's plans", [SIM_OLDER] = "older plans", [SIM_NEWER] = "newer plans"};
    return names[version];
}

#include "worker/steps/former.h"

#include "worker/steps/compute_facts.h"
#include "worker/steps/policy.h"

#define READY_ROUNDS 3
#define READY_PAUSE_MS 5000

/* 0 = yes. */
static int is_there(struct cw_step_ctx *c, struct cw_workspace *ws, struct cw_err *err)
{
    int r = cw_policy_check(c, err);
    if (r == 0)
        r = cw_workspace_get(c->svc->arm, &c->call, c->req->workspace_id, ws, err);
    if (r == 0 && ws->workspace_url == NULL)
        r = cw_err_set(err, CW_ENOTFOUND, "the workspace has no URL yet");
    if (r == 0)
        r = cw_compute_wait_settled(c, ws, err);
    if (r < 0)
        return r;
    const struct cw_target target = {.workspace_url = ws->workspace_url, .workspace_id = ws->id};
    return cw_databricks_wait_ready(c->svc->databricks, &c->call, &target, READY_ROUNDS, READY_PAUSE_MS, err);
}

int cw_former_workspace(struct cw_step_ctx *c, struct cw_workspace *ret_workspace, bool *ret_found,
                        struct cw_err *err)
{
    *ret_workspace = (struct cw_workspace){0};
    *ret_found = false;
    int r = is_there(c, ret_workspace, err);
    bool is_shut = r == -CW_EDENIED && cw_z_eq_nocase(ret_workspace->public_network_access, "Disabled");
    if (r == -CW_ENOTFOUND || r == -CW_EREJECTED || is_shut) {
        cw_err_clear(err);
        return 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "look for what an earlier run left");
    *ret_found = true;
    c->out->workspace_url = ret_workspace->workspace_url;
    c->out->vnet_id = ret_workspace->vnet_id;
    c->out->location = ret_workspace->location;
    return 0;
}

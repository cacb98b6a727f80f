#include "worker/steps/former.h"

#include "worker/steps/compute_facts.h"
#include "worker/steps/policy.h"

#define READY_ROUNDS 3
#define READY_PAUSE_MS 5000

/* 0 = yes. */
static int is_made(struct cw_step_ctx *c, struct cw_workspace *ws, struct cw_err *err)
{
    int r = cw_policy_check(c, err);
    if (r == 0)
        r = cw_workspace_get(c->svc->arm, &c->call, c->req->workspace_id, ws, err);
    if (r == 0 && ws->workspace_url == NULL)
        r = cw_err_set(err, CW_ENOTFOUND, "the workspace has no URL yet");
    return r;
}

/* 0 = yes. */
static int is_ready(struct cw_step_ctx *c, struct cw_workspace *ws, struct cw_err *err)
{
    int r = is_made(c, ws, err);
    if (r == 0)
        r = cw_compute_wait_settled(c, ws, err);
    if (r < 0)
        return r;
    const struct cw_target target = {.workspace_url = ws->workspace_url, .workspace_id = ws->id};
    return cw_databricks_wait_ready(c->svc->databricks, &c->call, &target, READY_ROUNDS, READY_PAUSE_MS, err);
}

/* What an undo needs of it. */
static void keep(struct cw_step_ctx *c, const struct cw_workspace *ws)
{
    c->out->workspace_url = ws->workspace_url;
    c->out->vnet_id = ws->vnet_id;
    c->out->location = ws->location;
}

int cw_former_workspace(struct cw_step_ctx *c, struct cw_workspace *ret_workspace, bool *ret_found,
                        struct cw_err *err)
{
    *ret_workspace = (struct cw_workspace){0};
    *ret_found = false;
    int r = is_ready(c, ret_workspace, err);
    bool is_shut = r == -CW_EDENIED && cw_z_eq_nocase(ret_workspace->public_network_access, "Disabled");
    if (r == -CW_ENOTFOUND || r == -CW_EREJECTED || is_shut) {
        cw_err_clear(err);
        return 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "look for what an earlier run left");
    *ret_found = true;
    keep(c, ret_workspace);
    return 0;
}

/* As far as both can be read now. An empty note says nothing. */
static int peek(struct cw_step_ctx *c, struct cw_workspace *ret_workspace, struct cw_facts *ret_note,
                struct cw_err *err)
{
    int r = is_made(c, ret_workspace, err);
    if (r == 0) {
        keep(c, ret_workspace);
        r = cw_compute_note_read_own(c, ret_note, err);
    }
    if (r == 0 || r == -CW_ENOMEM || cw_class_is_stop(cw_err_class_of(r)))
        return r;
    cw_err_clear(err);
    return 0;
}

int cw_former_note(struct cw_step_ctx *c, cw_former_fn tells, struct cw_workspace *ret_workspace,
                   struct cw_facts *ret_note, bool *ret_told, struct cw_err *err)
{
    bool is_there = false;
    *ret_workspace = (struct cw_workspace){0};
    *ret_note = (struct cw_facts){0};
    *ret_told = false;
    int r = peek(c, ret_workspace, ret_note, err);
    *ret_told = r == 0 && tells(ret_workspace, ret_note);
    if (r < 0 || *ret_told)
        return r;
    r = cw_former_workspace(c, ret_workspace, &is_there, err);
    if (r < 0 || !is_there)
        return r;
    r = cw_compute_note_read_own(c, ret_note, err);
    *ret_told = r == 0 && tells(ret_workspace, ret_note);
    return r;
}

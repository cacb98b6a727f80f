/* ensure_workspace: created, or its networking settings updated; complete with URL and id, its subnets settled.
 * Writes: the workspace.  Undo (migrate): the rules as they were, while there is no private way.  Source: guide, option 1 step 3, option 2 step 1; Microsoft.Databricks 2024-05-01. */
#include "common/azure/network.h"
#include "common/azure/workspace.h"
#include "worker/steps/compute_facts.h"
#include "worker/steps/former.h"
#include "worker/steps/plans.h"

#define RUN_PATIENCE_MS (INT64_C(30) * 60 * 1000)

static void record(struct cw_step_ctx *c, const struct cw_workspace *ws)
{
    c->out->workspace_url = ws->workspace_url;
    c->out->workspace_numeric_id = ws->numeric_id;
    c->out->sku = ws->sku;
    c->out->managed_group = ws->managed_group_id == NULL ? NULL : cw_armid_name(ws->managed_group_id);
    c->out->required_nsg_rules = ws->required_nsg_rules;
    c->out->public_network_access = ws->public_network_access;
    c->out->no_public_ip = ws->no_public_ip == CW_YES  ? CW_TRI_YES
                           : ws->no_public_ip == CW_NO ? CW_TRI_NO
                                                       : CW_TRI_UNKNOWN;
    if (ws->workspace_url != NULL)
        cw_step_found(c, "workspace URL %s", ws->workspace_url);
}

static int create(struct cw_step_ctx *c, struct cw_ensured *done, struct cw_workspace *ws, struct cw_err *err)
{
    const struct cw_workspace_goal goal = {
        .id = c->req->workspace_id,
        .location = c->facts->location,
        .managed_group_id =
            cw_armid_group(c->call.mem, c->req->subscription_id, c->req->provision->managed_resource_group),
        .vnet_id = c->facts->vnet_id,
        .host_subnet = c->facts->host_subnet,
        .container_subnet = c->facts->container_subnet,
        .public_network_access = "Enabled",
        .required_nsg_rules = CW_NSG_RULES_NONE,
        .tags = cw_step_tags(c),
    };
    return cw_workspace_ensure(c->svc->arm, &c->call, &goal, done, ws, err);
}

/* Stopping is no lock: what woke up since is looked for immediately before the update. */
static int stop_what_woke_up(struct cw_step_ctx *c, struct cw_err *err)
{
    if (cw_compute_may_stop(c->req))
        return cw_compute_stop_and_record(c, RUN_PATIENCE_MS, err);
    const struct cw_target target = cw_step_target(c);
    struct cw_compute_list list;
    int r = cw_compute_list(c->svc->databricks, &c->call, &target, CW_VERIFY_CLUSTER_PREFIX, &list, err);
    if (r < 0)
        return cw_err_wrap(err, "list compute");
    return list.blocking_count > 0 ? cw_compute_refuse(c, &list, err) : 0;
}

/* An update that was begun before a crash is waited for first: while it runs, the workspace's own API answers nothing. */
static int update(struct cw_step_ctx *c, struct cw_ensured *done, struct cw_workspace *ws, struct cw_err *err)
{
    int r = 0;
    if (cw_compute_update_needed(c->facts) && !c->call.plan_only) {
        r = cw_compute_wait_settled(c, ws, err);
        bool is_done =
            r == 0 && cw_z_eq(ws->required_nsg_rules, CW_NSG_RULES_NONE) && ws->no_public_ip == CW_YES;
        if (r == 0 && !is_done)
            r = stop_what_woke_up(c, err);
    }
    if (r < 0)
        return r;
    return cw_workspace_update_network(c->svc->arm, &c->call, c->req->workspace_id, CW_NSG_RULES_NONE, NULL,
                                       CW_YES, done, ws, err);
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_ensured done = {0};
    struct cw_workspace ws = {0};
    struct cw_vnet vnet;
    int r = cw_step_lock(c, c->facts->vnet_id, err);
    if (r < 0)
        return r;
    r = c->req->provision != NULL ? create(c, &done, &ws, err) : update(c, &done, &ws, err);
    if (r < 0)
        return cw_err_wrap(err, "workspace %s", c->req->workspace_name);
    cw_step_ensured(c, &done, "workspace");
    record(c, &ws);
    if (c->call.plan_only)
        return 0;
    if (c->req->provision != NULL)
        c->out->workspace_existed = done.effect == CW_EFFECT_CREATED ? CW_TRI_NO : CW_TRI_YES;
    r = cw_network_wait_vnet(c->svc->arm, &c->call, c->facts->vnet_id, &vnet, err);
    return r < 0 ? cw_err_wrap(err, "wait for the VNet's subnets") : 0;
}

/* Another request had the workspace meanwhile and completed the private way: a node that runs under the new rules proves it, and Azure
 * changes no network under it. What only starts or ends proves nothing, and is waited for: an update under it would leave the workspace
 * Failed. What can't be listed is not known to run. */
static int is_in_use(struct cw_step_ctx *c, bool *ret_in_use, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_compute_list list = {0};
    *ret_in_use = false;
    int r = cw_compute_list(c->svc->databricks, &c->call, &target, CW_VERIFY_CLUSTER_PREFIX, &list, err);
    if (r == -CW_ENOMEM || cw_class_is_stop(cw_err_class_of(r)))
        return r;
    cw_err_clear(err);
    if (r < 0 || list.blocking_count == 0)
        return 0;
    for (size_t i = 0; i < list.count; i++) {
        const struct cw_compute *item = &list.items[i];
        bool has_nodes = item->kind == CW_COMPUTE_CLUSTER || item->kind == CW_COMPUTE_WAREHOUSE;
        *ret_in_use = *ret_in_use || (item->is_blocking && has_nodes && cw_z_eq(item->state, "RUNNING"));
    }
    if (*ret_in_use)
        return 0;
    return cw_err_set(err, CW_ECONFLICT,
                      "compute starts or ends: the workspace's network can't be changed meanwhile");
}

/* Under the new rules and without a complete private way no cluster starts: what was there before is put back, so that the
 * compute that was stopped can run. A workspace whose update failed is written once more as it was: Azure leaves it Failed. */
static int undo(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *before = c->facts->settings_before.required_nsg_rules;
    bool is_complete = c->facts->endpoint_address != NULL && c->facts->record_name != NULL;
    struct cw_ensured done = {0};
    struct cw_workspace ws;
    struct cw_vnet vnet;
    if (c->req->migrate == NULL || before == NULL || (is_complete && !cw_compute_update_needed(c->facts)))
        return 0;
    int r = cw_step_lock(c, c->facts->vnet_id, err);
    if (r == 0)
        r = cw_compute_wait_settled(c, &ws, err);
    if (r < 0)
        return r;
    bool is_failed = cw_z_eq_nocase(ws.state, "Failed");
    bool is_new = cw_z_eq(ws.required_nsg_rules, CW_NSG_RULES_NONE);
    const char *wanted = is_new && is_complete ? CW_NSG_RULES_NONE : before;
    if (!is_failed && cw_z_eq(ws.required_nsg_rules, wanted))
        return 0;
    bool in_use = false;
    r = is_new && !is_failed ? is_in_use(c, &in_use, err) : 0;
    if (r < 0)
        return r;
    if (in_use) {
        cw_step_found(c,
                      "compute runs under required NSG rules %s: another request has completed the way, and "
                      "they stay",
                      ws.required_nsg_rules);
        return 0;
    }
    r = cw_workspace_update_network(c->svc->arm, &c->call, c->req->workspace_id, wanted, NULL, CW_UNKNOWN,
                                    &done, &ws, err);
    if (r == 0)
        r = cw_network_wait_vnet(c->svc->arm, &c->call, c->facts->vnet_id, &vnet, err);
    if (r < 0)
        return cw_err_wrap(err, "put required NSG rules back to %s", wanted);
    if (is_new && !cw_z_eq(wanted, CW_NSG_RULES_NONE))
        cw_step_changed(
            c, "required NSG rules are %s again: without its endpoint and record no cluster could start",
            wanted);
    else
        cw_step_changed(
            c, "the workspace, whose update failed, is Succeeded again: required NSG rules are %s", wanted);
    return 0;
}

static bool tells_of_other_rules(const struct cw_workspace *ws, const struct cw_facts *note)
{
    return note->settings_before.required_nsg_rules != NULL &&
           !cw_z_eq(note->settings_before.required_nsg_rules, ws->required_nsg_rules);
}

/* The note of what was stopped says how the rules were. */
static int was_begun(struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err)
{
    struct cw_workspace ws;
    struct cw_facts note;
    *ret_was_begun = false;
    if (c->req->migrate == NULL || !cw_compute_may_stop(c->req))
        return 0;
    int r = cw_former_note(c, tells_of_other_rules, &ws, &note, ret_was_begun, err);
    if (r < 0 || !*ret_was_begun)
        return r;
    c->out->settings_before = note.settings_before;
    cw_step_found(c, "an earlier run of this request changed required NSG rules from %s to %s",
                  note.settings_before.required_nsg_rules, ws.required_nsg_rules);
    return 0;
}

const struct cw_step cw_step_ensure_workspace = {
    .name = "ensure_workspace",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(120) * 60 * 1000,
    .retry = {.attempts = 4, .base_ms = 15000, .cap_ms = 120000},
    .in_plan = true,
    .run = run,
    .undo = undo,
    .was_begun = was_begun,
};

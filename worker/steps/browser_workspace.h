/* worker/steps/browser_workspace.h: the isolated workspace in the transit VNet that carries a region's browser_authentication
 * endpoint: its network, itself, its delete lock, its two endpoints.
 *
 * Everything is looked for first, and nothing of it is ever removed: other workspaces' users sign in by it. Strings live in
 * c->call.mem; errors are those of arm.h.
 * Suspends: all but cw_browser_is_isolated.  Thread: loop.  Source: guide, "Isolated authentication workspace". */
#ifndef CW_WORKER_STEPS_BROWSER_WORKSPACE_H
#define CW_WORKER_STEPS_BROWSER_WORKSPACE_H

#include "common/azure/network.h"
#include "worker/steps/step.h"

struct cw_browser_goal {
    const char *region;
    const char *vnet_id; /* the transit VNet */
    const char *subscription;
    const char *group;
    const char *workspace_name;
    const char *workspace_id;
    const char *endpoint_id;
};

/* What the request and the transit VNet come to. Errors: also -CW_EREJECTED (no such VNet, another region, the workspace's own). */
int cw_browser_goal_of(struct cw_step_ctx *c, struct cw_browser_goal *ret_goal, struct cw_err *err);
/* Is a workspace there for browser sign-in alone? By its id or name. */
bool cw_browser_is_isolated(const struct cw_browser_goal *goal, const char *workspace_id);
/* The workspace and its endpoints, as far as they are missing; their zone groups write into the zone, that of
 * databricks_ui_api first. Under plan_only ret_endpoint has no NIC where it would be created. */
int cw_browser_make(struct cw_step_ctx *c, const struct cw_browser_goal *goal, const char *zone,
                    struct cw_private_endpoint *ret_endpoint, struct cw_err *err);
/* A lock against deletion on the workspace, where there is none. */
int cw_browser_lock(struct cw_step_ctx *c, const char *workspace_id, struct cw_err *err);

#endif

/* worker/steps/egress.h: the way out of a workspace's nodes, as a part of ensure_network: NAT gateway or route table on both
 * workspace subnets, and what nodes need of the internet.
 *
 * In this order: plan (reads only; refuses what does not fit), check (reads only), make, then the subnets are written by the
 * caller, then verify. What somebody put on the subnets by hand is used when it fits, and named when it does not.
 * Everything lives in c->call.mem.  Suspends: all calls.  Thread: loop.  Source: reference "Private Link diagnosis" 11-15. */
#ifndef CW_WORKER_STEPS_EGRESS_H
#define CW_WORKER_STEPS_EGRESS_H

#include "common/azure/reach.h"
#include "worker/steps/step.h"

#define CW_WORKSPACE_SUBNETS 2 /* host, container */

struct cw_egress {
    /* Given. */
    const struct cw_vnet *vnet; /* NULL = not there yet */
    const char *names[CW_WORKSPACE_SUBNETS];
    /* Found out. */
    const struct cw_subnet *subnets[CW_WORKSPACE_SUBNETS]; /* NULL = not there yet */
    const char *nat_gateway_id;                            /* goal of both subnets; NULL = as they are */
    const char *route_table_id;
    bool is_new; /* the goal is to be made */
};

/* Errors: -CW_EREJECTED (what the request names does not exist), -CW_EMISCONFIGURED (it does not fit), those of reads. */
int cw_egress_plan(struct cw_step_ctx *c, struct cw_egress *egress, struct cw_err *err);
/* Do rules and routes let nodes reach what the workspace's own list says they need? -CW_EMISCONFIGURED with the destinations
 * when it is certain that a node cannot start; what is missing besides, or cannot be judged from here, is told as found. */
int cw_egress_check(struct cw_step_ctx *c, const struct cw_egress *egress, struct cw_err *err);
/* The NAT gateway with its address, or the route table, where the plan says so. */
int cw_egress_make(struct cw_step_ctx *c, const struct cw_egress *egress, struct cw_err *err);
/* Both subnets show it. Errors: -CW_ENOTREADY. */
int cw_egress_verify(struct cw_step_ctx *c, const char *vnet_id, const struct cw_egress *egress,
                     struct cw_err *err);

#endif

/* worker/steps/endpoint_parts.h: an endpoint's approval and address, for the steps that make one.
 *
 * Suspends: all.  Thread: loop. */
#ifndef CW_WORKER_STEPS_ENDPOINT_PARTS_H
#define CW_WORKER_STEPS_ENDPOINT_PARTS_H

#include "common/azure/network.h"
#include "worker/steps/step.h"

/* Rejected and disconnected connections cannot come back. */
bool cw_endpoint_is_dead(const struct cw_private_endpoint *endpoint);
/* Approve its connection at the workspace when it is not; *endpoint is read again then. Errors: -CW_ENOTREADY (not yet),
 * those of arm.h. */
int cw_endpoint_approve(struct cw_step_ctx *c, const char *workspace_id, struct cw_private_endpoint *endpoint,
                        struct cw_err *err);
/* The address of its NIC. Errors: -CW_ENOTREADY (none yet), those of arm.h. */
int cw_endpoint_address(struct cw_step_ctx *c, const struct cw_private_endpoint *endpoint,
                        const char **ret_address, struct cw_err *err);

#endif

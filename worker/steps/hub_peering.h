/* worker/steps/hub_peering.h: the workspace's VNet and the hub's, peered both ways.
 *
 * Suspends: all.  Thread: loop.  Source: guide, "hub and spoke"; Microsoft.Network virtualNetworkPeerings. */
#ifndef CW_WORKER_STEPS_HUB_PEERING_H
#define CW_WORKER_STEPS_HUB_PEERING_H

#include "worker/steps/step.h"

/* Lock the VNet, and the hub's where the request names one, in the order that all writers keep. Errors: those of cw_step_lock(). */
int cw_hub_lock(struct cw_step_ctx *c, const char *vnet_id, struct cw_err *err);
/* A peering on each side, under whatever name, connected; nothing when the request names no hub. Errors: -CW_EREJECTED (there is
 * no such hub), -CW_EMISCONFIGURED (one side was deleted, or the address spaces overlap), -CW_ENOTREADY, those of arm.h. */
int cw_hub_ensure_peering(struct cw_step_ctx *c, const char *vnet_id, struct cw_err *err);

#endif

/* worker/steps/policy.h: is the request one that this fleet works for?
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_WORKER_STEPS_POLICY_H
#define CW_WORKER_STEPS_POLICY_H

#include "worker/steps/step.h"

/* Its cloud, tenant, subscription and region. Errors: -CW_EREJECTED, with a remedy. */
int cw_policy_check(const struct cw_step_ctx *c, struct cw_err *err);

#endif

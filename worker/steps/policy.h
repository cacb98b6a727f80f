/* worker/steps/policy.h: is the request one that this fleet works for?
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_WORKER_STEPS_POLICY_H
#define CW_WORKER_STEPS_POLICY_H

#include "worker/steps/step.h"

/* Its cloud, tenant, subscription and region. Errors: -CW_EREJECTED, with a remedy. */
int cw_policy_check(const struct cw_step_ctx *c, struct cw_err *err);
/* May this fleet work in that subscription? NULL: yes. Pure. */
bool cw_policy_allows_subscription(const struct cw_policy *policy, const char *subscription);

#endif

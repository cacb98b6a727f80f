/* worker/steps/private_dns.h: the workspace's record in a private zone, for the steps that make or repair it.
 *
 * Suspends: all.  Thread: loop. */
#ifndef CW_WORKER_STEPS_PRIVATE_DNS_H
#define CW_WORKER_STEPS_PRIVATE_DNS_H

#include "worker/steps/step.h"

/* In Azure China endpoints may carry no names, and the platform then writes no record: it is written here. One that points
 * elsewhere is left alone. Errors: -CW_EMISCONFIGURED (it does), those of arm.h. */
int cw_private_dns_ensure_record(struct cw_step_ctx *c, const char *zone, const char *name,
                                 const char *address, struct cw_err *err);

#endif

/* worker/steps/termination.h: what the reason of a cluster's end says: capacity, passing trouble of the service, or neither.
 *
 * Suspends: never.  Thread: any.  Source: reference "Private Link diagnosis" 2. */
#ifndef CW_WORKER_STEPS_TERMINATION_H
#define CW_WORKER_STEPS_TERMINATION_H

#include "common/azure/databricks.h"

/* Azure had no node of that kind: quota, stock, SKU. */
bool cw_termination_is_capacity(const struct cw_termination *reason);
/* CLOUD_FAILURE or SERVICE_FAULT, with a code that neither the network nor what runs on the cluster causes. The type alone says
 * little: a broken network is reported with the same two. */
bool cw_termination_may_pass(const struct cw_termination *reason);

#endif

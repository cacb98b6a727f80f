/* worker/steps/compute_facts.h: between the clients' list of compute and the one in the facts.
 *
 * Lists live in c->call.mem.  Suspends: where it says so.  Thread: loop. */
#ifndef CW_WORKER_STEPS_COMPUTE_FACTS_H
#define CW_WORKER_STEPS_COMPUTE_FACTS_H

#include "common/azure/compute.h"
#include "common/azure/workspace.h"
#include "worker/steps/step.h"

/* Our own clusters bear this prefix and never count as the customer's compute. */
#define CW_VERIFY_CLUSTER_PREFIX "causeway-verify-"

/* Does the network update need all compute to be stopped? False when the settings are as desired. Pure. */
bool cw_compute_update_needed(const struct cw_facts *facts);
/* Wait until no operation on the workspace is under way, and read it; one that ended without success is no error here.
 * Errors: those of cw_workspace_wait() but -CW_EOPFAILED. Suspends: yes. */
int cw_compute_wait_settled(struct cw_step_ctx *c, struct cw_workspace *ret_workspace, struct cw_err *err);
/* What runs, as facts. Errors: -CW_ENOMEM. */
int cw_compute_to_facts(struct cw_step_ctx *c, const struct cw_compute_list *list,
                        struct cw_compute_v1 **ret_items, size_t *ret_count);
/* What ran when the inventory was made, as a list to start. Errors: -CW_ENOMEM. */
int cw_compute_from_facts(struct cw_step_ctx *c, struct cw_compute_list *ret_list);
/* Start what ran and put the states into c->out->compute. Errors: those of cw_compute_start(). Suspends: yes. */
int cw_compute_start_again(struct cw_step_ctx *c, struct cw_err *err);
/* Stop what blocks, tell of each stop, and put what the inventory did not know yet (it woke up since) into c->out->compute, so
 * that it is started again too. Errors: those of cw_compute_stop(). Suspends: yes. */
int cw_compute_stop_and_record(struct cw_step_ctx *c, struct cw_compute_list *list, struct cw_err *err);
/* "compute is running, and the request does not allow it to be stopped"; returns -CW_EREJECTED. */
int cw_compute_refuse(const struct cw_compute_list *list, struct cw_err *err);

#endif

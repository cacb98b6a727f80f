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
/* May the request's compute be stopped? Pure. */
bool cw_compute_may_stop(const struct cw_request *req);
/* Did this request stop something already (before a crash)? Pure. */
bool cw_compute_has_stopped(const struct cw_facts *facts);
/* What runs and what would start it, as facts. Errors: -CW_ENOMEM. */
int cw_compute_to_facts(struct cw_step_ctx *c, const struct cw_compute_list *list,
                        struct cw_compute_v1 **ret_items, size_t *ret_count);
/* Start what this request stopped, as the facts and the note say, put the states into c->out->compute, and take the note away. Errors:
 * those of cw_compute_start(). Suspends: yes. */
int cw_compute_start_again(struct cw_step_ctx *c, struct cw_err *err);
/* Pause schedules and stop what blocks, for at most run_patience_ms waiting for runs. What the note knows and the facts don't is added to
 * what was stopped. Each thing is written down before it is stopped: in the note, in the journal, in a progress event, and in c->out->compute. Errors: those of cw_compute_stop().
 * Suspends: yes. */
int cw_compute_stop_and_record(struct cw_step_ctx *c, int64_t run_patience_ms, struct cw_err *err);
/* "compute is running, and the request does not allow it to be stopped"; returns -CW_EREJECTED, or an error of
 * cw_step_keep(): the verdict's diagnosis names what runs.  Suspends: yes. */
int cw_compute_refuse(struct cw_step_ctx *c, const struct cw_compute_list *list, struct cw_err *err);

/* The note: what this request stopped and the settings before, kept in the workspace itself, so that losing Redis and the
 * worker in mid-migrate loses nothing. read gives empty facts when there is none; *ret_request is who wrote it. Suspend: yes. */
int cw_compute_note_write(struct cw_step_ctx *c, const struct cw_compute_v1 *items, size_t count,
                          struct cw_err *err);
int cw_compute_note_read(struct cw_step_ctx *c, struct cw_facts *ret_facts, const char **ret_request,
                         struct cw_err *err);
/* Add what a note says was stopped to a list; the list is a new one, in c->call.mem. Errors: -CW_ENOMEM. */
int cw_compute_add_noted(struct cw_step_ctx *c, const struct cw_facts *note, struct cw_compute_v1 **items,
                         size_t *count);
/* The same as read, of this request only. */
int cw_compute_note_read_own(struct cw_step_ctx *c, struct cw_facts *ret_facts, struct cw_err *err);
int cw_compute_note_remove(struct cw_step_ctx *c, struct cw_err *err);

#endif

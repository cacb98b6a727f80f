/* worker/steps/former.h: what an earlier run of this request left in the world, when the journal has forgotten that run.
 *
 * For was_begun() of steps. Reads only.  Suspends: yes.  Thread: loop. */
#ifndef CW_WORKER_STEPS_FORMER_H
#define CW_WORKER_STEPS_FORMER_H

#include "common/azure/workspace.h"
#include "worker/steps/step.h"

/* The workspace once no operation on it is under way and its REST API answers; what an undo needs of it is in c->out. *ret_found false: no run
 * of this request can have begun anything inside it: it is not there, not this fleet's, or out of reach. Errors: those of
 * cw_workspace_wait() and cw_databricks_wait_ready(). */
int cw_former_workspace(struct cw_step_ctx *c, struct cw_workspace *ret_workspace, bool *ret_found,
                        struct cw_err *err);

/* Pure. The workspace is one that was read, the note may be empty. */
typedef bool (*cw_former_fn)(const struct cw_workspace *workspace, const struct cw_facts *note);
/* Does the note in the workspace that this request wrote tell of what `tells` looks for? It is read at once if that can be, since an
 * operation that does not end must not hide it, else in the settled workspace. *ret_told false: no. Errors as above. */
int cw_former_note(struct cw_step_ctx *c, cw_former_fn tells, struct cw_workspace *ret_workspace,
                   struct cw_facts *ret_note, bool *ret_told, struct cw_err *err);

#endif

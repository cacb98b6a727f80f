/* worker/engine/shorten.h: events that a topic refuses as too big, with less in them. What must not be lost stays: the outcome, the error and
 * its remedy; the begin of a dead letter's original. The event says that something was left out, and keeps its id.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_WORKER_ENGINE_SHORTEN_H
#define CW_WORKER_ENGINE_SHORTEN_H

#include "schema/deadletter_v1.h"
#include "schema/progress_v1.h"
#include "worker/engine/record.h"

/* Take something more out of a verdict; leftOut names it. Lists live in mem. False: there is nothing more, or no memory. */
bool cw_result_leave_out(struct cw_result_v1 *result, struct cw_arena *mem);
/* The same verdict in fewer bytes: in mem, with the outcome's name borrowed. Equal verdicts are shortened equally.
 * Errors: -CW_ETOOBIG (nothing is left to leave out), -CW_ENOMEM. */
int cw_verdict_shorten(const struct cw_verdict *verdict, struct cw_arena *mem, struct cw_verdict *ret_verdict,
                       struct cw_err *err);
/* Cut the original further; `truncated` says so. False: nothing of it is left. */
bool cw_letter_leave_out(struct cw_deadletter_v1 *letter, struct cw_arena *mem);
/* The same dead letter in fewer bytes, in mem. Errors: -CW_ETOOBIG, -CW_ENOMEM. */
int cw_letter_shorten(const struct cw_record_out *record, struct cw_arena *mem,
                      struct cw_record_out *ret_record, struct cw_err *err);
/* Take something more out of a step's end: its words, then compute that did not run. False: there is nothing more, or no memory. */
bool cw_progress_leave_out(struct cw_progress_v1 *progress, struct cw_arena *mem);

#endif

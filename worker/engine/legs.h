/* worker/engine/legs.h: the legs of a job's life, and what they share. Used inside the engine only.
 *
 * Each leg runs on a fiber of its own and says which comes next. One whose fiber was cancelled returns at once; when the job is being parked
 * it is handed over then, whatever the leg said. The lock is given back by the runner.
 * Suspends: every leg.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_LEGS_H
#define CW_WORKER_ENGINE_LEGS_H

#include "worker/engine/job.h"

enum cw_next cw_leg_accept(struct cw_job *job); /* PLAN: what does the journal know? */
enum cw_next cw_leg_settle(struct cw_job *job); /* end without a run: cancelled or too late while queued */
enum cw_next cw_leg_refuse(struct cw_job *job); /* REFUSE */
enum cw_next cw_leg_cancel(struct cw_job *job); /* CANCEL */
enum cw_next cw_leg_deadletter(struct cw_job *job); /* DEADLETTER */
enum cw_next cw_leg_pause(struct cw_job *job);      /* before AGAIN */
enum cw_next cw_leg_run(struct cw_job *job);        /* lock, claim, steps */
enum cw_next cw_leg_undo(struct cw_job *job);
enum cw_next cw_leg_finish(struct cw_job *job); /* verdict, stored before it is sent */
enum cw_next cw_leg_hand_over(
    struct cw_job *job); /* what is not in the journal yet, while the lock is held */

/* ---- repeat.c: runs of a watch (options.repeatSeconds) ---- */
/* It is a later run whose time has not come. */
bool cw_repeat_is_early(const struct cw_job *job);
/* The id of a run, in mem; NULL when out of memory. Run 1 is the first request itself. */
const char *cw_repeat_id(struct cw_arena *mem, const char *watch, int64_t run);
/* Remember that this run exists; when somebody has ended the watch, job->cancel is set. No watch: nothing. Errors: those of
 * cw_journal_watch(). Suspends: yes. */
int cw_repeat_enter(struct cw_job *job, struct cw_err *err);
/* Say in the verdict which run it is, when the next comes, and what differs from the last. Errors: -CW_ENOMEM. Suspends: no. */
int cw_repeat_tell(struct cw_job *job, struct cw_result_v1 *result);
/* The verdict is out: write the next run, if there is to be one and it was not written before; then it has been acknowledged.
 * Errors: cancellation, those of cw_journal_watch(). Suspends: yes. */
int cw_repeat_go_on(struct cw_job *job, struct cw_err *err);
/* A scheduled one that has waited for long: written anew, so that Kafka's committed offset can go on; or its watch was ended. */
enum cw_next cw_leg_repost(struct cw_job *job);

/* ---- leg_light.c ---- */
/* Take the request into the journal (cw_journal_accept), and the right to speak of it before any claim. *ret_has_verdict: job->verdict is
 * the one it got before. Errors: those of cw_journal_accept(). Suspends: yes. */
int cw_job_accept(struct cw_job *job, bool *ret_has_verdict, struct cw_err *err);

/* Before a verdict without a lock: its sequence is above that of every event sent until now. Errors: those of cw_durable_look().
 * Suspends: yes. */
int cw_job_raise_voice(struct cw_job *job, struct cw_err *err);

/* ---- recollect.c ---- */
/* Look whether the request's verdict is out already. *ret_found: it is job->verdict, stored as if Redis had never forgotten it. Waits, and
 * says so, while the topic can't be read. Errors: cancellation, those of the journal. Suspends: yes. */
int cw_job_recall(struct cw_job *job, bool *ret_found, struct cw_err *err);
/* The guard of cw_publish_verdict(); arg: the job. Errors: -CW_EPRECOND (another one is out: it is job->verdict now), -CW_ELOST (Redis has
 * forgotten it), cancellation, those of the journal. Suspends: yes. */
int cw_job_before_sending(void *arg, struct cw_deadline *ret_begin_by, struct cw_err *err);

/* ---- load.c ---- */
/* Fold the loaded journal into steps, facts, operations and failure. Errors: -CW_ENOMEM. Suspends: no. */
int cw_job_load(struct cw_job *job, struct cw_err *err);

/* ---- restore.c: for a Redis that forgot while this worker did not ---- */
struct cw_memory;
/* What the former claim of this process wrote to the journal, in mem. Errors: -CW_ENOMEM. Suspends: no. */
int cw_job_remember(const struct cw_job *job, struct cw_arena *mem, struct cw_memory **ret_memory);
/* Write what the loaded journal (job->log) lacks of it; *ret_wrote: load it again. Errors: those of cw_journal_write(). */
int cw_job_restore(struct cw_job *job, const struct cw_memory *memory, bool *ret_wrote, struct cw_err *err);

/* ---- execute.c ---- */
/* Run, skip or announce the plan's step, with its attempts. Errors: the step's last error; class lost: go no further; cancellation.
 * *ret_is_step (true: the step itself failed; false: the journal or Kafka could not be written). Suspends: yes. */
int cw_step_execute(struct cw_job *job, size_t index, bool *ret_is_step, struct cw_err *err);
/* The same for its undo, until at most `until`. */
int cw_step_undo(struct cw_job *job, size_t index, struct cw_deadline until, bool *ret_is_step,
                 struct cw_err *err);

/* Ask the step whether an earlier run began it (was_begun), of which the journal knows nothing; if so it counts as begun. */
int cw_step_look(struct cw_job *job, size_t index, struct cw_deadline until, bool *ret_is_step,
                 struct cw_err *err);

/* ---- undo.c ---- */
/* Tell in the verdict of what only another version of the worker could finish or put back. Suspends: no. */
void cw_job_note_foreign(struct cw_job *job);
/* Undo what was begun, in reverse order, the forgotten too; what can't be undone is told in the verdict. Errors: lost, cancellation, those of
 * the journal. Suspends: yes. */
int cw_job_undo(struct cw_job *job, struct cw_err *err);
/* After the plan's last step: undo what an earlier run began and this one had no reason to begin. Errors: the same. */
int cw_job_undo_skipped(struct cw_job *job, struct cw_err *err);

/* It could not be seen whether the step was begun: the verdict tells. */
void cw_job_note_unknown(struct cw_job *job, const struct cw_job_step *s, const struct cw_err *why);

/* ---- forgotten.c: for a Redis that forgot ---- */
/* May an earlier run of this request have begun something of which the journal knows nothing? Not when Redis is older than the request, nor
 * when nothing of its plan could be undone. Errors: those of cw_durable_look(). Suspends: yes. */
int cw_job_look_back(struct cw_job *job, bool *ret_may_have_run, struct cw_err *err);
/* Look for it, under the lock: what is found counts as begun. is_last: only what this run has skipped, until the request's deadline. What
 * can't be told is told in the verdict. Errors: lost, cancellation, those of the journal. Suspends: yes. */
int cw_job_find_begun(struct cw_job *job, bool is_last, struct cw_err *err);

/* ---- hooks.c ---- */
/* The right to write the journal of a job whose lock is held. Borrows from the lease. */
struct cw_claim cw_job_claim(const struct cw_job *job);
extern const struct cw_call_ops cw_job_call_ops;   /* arg: the job */
extern const struct cw_step_ops cw_job_step_ops;   /* arg: the job */
extern const struct cw_lease_ops cw_job_lease_ops; /* arg: the job; its own lock */
void cw_job_give_step_locks(struct cw_job *job);

/* ---- say.c: progress. Suspends: only "surely". ---- */
void cw_say_started(struct cw_job *job);
/* Rate-limited: only when something changed, or the interval is over. */
void cw_say_waiting(struct cw_job *job, const struct cw_waiting *waiting);
void cw_say_finished(struct cw_job *job, const struct cw_job_step *step, const struct cw_err *err);
int cw_say_finished_surely(struct cw_job *job, const struct cw_job_step *step, struct cw_err *err);
/* What a step wrote down before its end. Suspends: until Kafka has acknowledged it. */
int cw_say_kept_surely(struct cw_job *job, const struct cw_job_step *step, struct cw_err *err);
/* Next of its workspace, but all slots of its lane are taken. Once a wait. */
void cw_say_no_slot(struct cw_job *job, size_t slots);
/* Behind another request of the workspace in this worker. */
void cw_say_queued_behind(struct cw_job *job, const char *request_id);
/* A later run of a watch, until its time. */
void cw_say_scheduled(struct cw_job *job);

/* ---- verdict.c ---- */
/* From the steps, facts and failure of the job. Lives in run_mem. Errors: -CW_ENOMEM, -CW_ETOOBIG. */
int cw_job_make_verdict(struct cw_job *job, struct cw_verdict *ret_verdict, struct cw_err *err);

/* What to do about an error of which nobody said it; class as it is written in events. */
const char *cw_remedy_of_class(const char *class);

/* ---- deliver.c ---- */
/* Send the job's verdict until it is acknowledged; one that the topic refuses as too big is replaced by a shorter one, in the journal first.
 * Errors: cancellation, -CW_ETOOBIG (nothing is left to leave out), those of the journal. Suspends: yes. */
int cw_job_send_verdict(struct cw_job *job, struct cw_err *err);

/* ---- meters.c ---- */
void cw_meters_begin(void); /* counters of what is rare are there, at 0, before it happens */
void cw_meter_verdict(const char *outcome);
void cw_meter_step(const char *step, int64_t ms);
void cw_meter_retry(enum cw_class class);
void cw_meter_lock_wait(int64_t ms);
void cw_meter_calls(const struct cw_call_counts *counts);
void cw_meter_running(enum cw_lane lane, size_t n);
void cw_meter_queued(enum cw_lane lane, size_t n);
void cw_meter_startable(size_t n);
void cw_meter_parked(void);
void cw_meter_deadletter(void);
void cw_meter_rewound(void);
void cw_meter_drifted(void);
void cw_meter_scheduled(size_t n);

#endif

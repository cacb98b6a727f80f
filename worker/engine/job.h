/* worker/engine/job.h: one request in this worker: what it is, how far it is, and the machine of its life.
 *
 * A job runs in legs: a leg is one function on a fiber of its own, and says which leg comes next. So cancelling a leg never hinders the
 * ones that must be seen through (undo, verdict, handing over).
 * Memory: `mem` holds the request until the end; `run_mem` what was loaded and learned since the last claim; `step_mem` one attempt.
 * Thread: loop. */
#ifndef CW_WORKER_ENGINE_JOB_H
#define CW_WORKER_ENGINE_JOB_H

#include "common/log.h"
#include "worker/engine/journal.h"
#include "worker/engine/lock.h"
#include "worker/engine/publish.h"
#include "worker/engine/recall.h"
#include "worker/engine/table.h"
#include "worker/steps/step.h"

/* name, text in events */
#define CW_JOB_STATES(X)                                                                             \
    X(ACCEPTED, "accepted")       /* taken from Kafka; its journal is being looked at */             \
    X(SCHEDULED, "scheduled")     /* a later run of a watch, whose time has not come */              \
    X(QUEUED, "queued")           /* waits for an earlier request of the workspace, or for a slot */ \
    X(SETTLING, "settling")       /* ends without having run: refused, cancelled or too late */      \
    X(LOCKING, "locking")         /* waits for the workspace's lock */                               \
    X(RUNNING, "running")         /* in a step */                                                    \
    X(BACKING_OFF, "backing_off") /* between two attempts, or before taking the lost lock again */   \
    X(UNDOING, "undoing")                                                                            \
    X(PUBLISHING, "publishing") /* the verdict is made, stored, sent */                              \
    X(HANDING_OVER, "handing_over")                                                                  \
    X(PARKED, "parked") /* gone from here: somebody else goes on */                                  \
    X(ENDED, "ended")   /* its verdict is out */

enum cw_job_state {
#define X(name, text) CW_JOB_##name,
    CW_JOB_STATES(X)
#undef X
        CW_JOB_STATE__COUNT
};
const char *cw_job_state_name(enum cw_job_state state);

enum cw_job_kind {
    CW_JOB_PLAN = 0,   /* runs a plan */
    CW_JOB_CANCEL,     /* asks another job to end */
    CW_JOB_REFUSE,     /* addressed, but not valid: a verdict without a run */
    CW_JOB_DEADLETTER, /* not a request */
};

/* Where the request stood in Kafka. A repeated delivery adds one. */
struct cw_origin {
    struct cw_origin *next;
    const char *topic; /* lives as long as the worker */
    int32_t partition;
    int64_t offset;
    uint64_t generation; /* of the assignment */
    uint32_t era;        /* of its window */
    bool is_replaced;    /* it was there when the run was written anew */
};

/* A step of the plan, in this job. Strings in run_mem. */
struct cw_job_step {
    const struct cw_step *def;
    int64_t begun;         /* attempts over all runs */
    int64_t charged;       /* of them, those that failed and count */
    int64_t begun_wall_ms; /* when the first began; 0 = never */
    int64_t crashes;
    int64_t undo_crashes;
    bool is_done;   /* record is set */
    bool is_failed; /* record says what it found until then */
    bool is_undone;
    bool is_announced;
    bool has_kept;   /* record.out holds what it wrote down before its end */
    bool is_foreign; /* of another version's plan: neither run nor undone here */
    bool is_unsaved; /* done or undone, but the journal does not say so yet */
    struct cw_step_record record;
};

struct cw_job_operation {
    struct cw_job_operation *next;
    char *resource_id; /* lower case; malloc'ed */
    char *text;        /* operation record; malloc'ed */
    bool is_saved;     /* in the journal; else the hand-over writes it */
    bool is_former;    /* begun by an earlier run: its end is this run's to tell */
};

#define CW_STEP_LOCKS_MAX 2

/* What the last `waiting` event said, so that the next one says something new. */
struct cw_said {
    bool is_set;
    enum cw_wait_reason reason;
    int percent;
    uint64_t what_hash;
    int64_t mono_ms;
};

struct cw_job;
struct cw_memory;
struct cw_workspace;

/* Which leg comes after this one. */
enum cw_next {
    CW_NEXT_QUEUE = 0, /* into the workspace's queue */
    CW_NEXT_RUN,       /* take the lock, run the plan */
    CW_NEXT_AGAIN,     /* the same after a pause: the lock was lost, or Redis refuses */
    CW_NEXT_SETTLE,    /* end it without running it */
    CW_NEXT_UNDO,
    CW_NEXT_FINISH,   /* verdict, journal, lock */
    CW_NEXT_DUE,      /* scheduled, and its time has come */
    CW_NEXT_WAIT,     /* scheduled, and stays so */
    CW_NEXT_REPOSTED, /* scheduled, and written anew: done with where it stood before that */
    CW_NEXT_ENLIST,   /* refused here, begun elsewhere: into the queue, to be undone */
    CW_NEXT_END,      /* nothing is left to do */
};
typedef enum cw_next (*cw_leg_fn)(struct cw_job *job);

/* What all legs need. Borrowed for the worker's life. */
struct cw_engine_parts {
    struct cw_loop *loop;
    struct cw_locks *locks;
    struct cw_journal journal;
    struct cw_publish publish;
    struct cw_recall *recall; /* what is out already */
    struct cw_trouble *recall_trouble;
    struct cw_runner *runner;
    const struct cw_plan *(*plan_of)(const struct cw_request *req);
    /* The remote services for a request (its tenant). Errors: -CW_EREJECTED, -CW_ENOMEM. Suspends: no. */
    int (*clients_of)(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                      struct cw_err *err);
    void *clients_arg;
    int64_t crash_limit;
    int64_t undo_timeout_ms;
    int64_t waiting_interval_ms;
    int64_t cancel_timeout_ms;
    int64_t repost_interval_ms;
    size_t job_memory_max;
    size_t step_memory_max;
    int64_t time_scale; /* divides the pauses between attempts */
};

struct cw_job {
    struct cw_node node; /* in the runner's table, by job_key; first */
    const struct cw_engine_parts *parts;
    enum cw_job_kind kind;
    enum cw_job_state state;
    enum cw_lane lane;
    struct cw_arena *mem;
    struct cw_origin *origins;

    /* What was asked. */
    struct cw_request req;
    struct cw_problems problems; /* REFUSE */
    struct cw_err refusal;       /* REFUSE, and what became a PLAN of it: it is undone, never run */
    struct cw_record_out letter; /* DEADLETTER */
    const char *job_key;
    const char *correlation_id;      /* in events, as the sender gave it */
    const char *call_correlation_id; /* towards Azure: a GUID */
    char trace_id[33];
    int64_t accepted_wall_ms;
    int64_t accepted_mono_ms; /* when it came to this worker */
    int64_t record_wall_ms;   /* of its oldest record in Kafka; <= 0: unknown */
    struct cw_deadline until;

    /* Where it stands in the runner. */
    struct cw_workspace *workspace;
    struct cw_job *queue_prev, *queue_next; /* the workspace's queue */
    struct cw_job *line_prev, *line_next;   /* ready jobs, or those that wait for a light slot */
    struct cw_line *line;
    struct cw_fiber *fiber; /* of the current leg */
    cw_leg_fn leg;
    bool has_slot;
    bool has_light_slot;
    bool is_parking;
    int park_reason;           /* CW_EPARKED or CW_ELOST */
    char *cancel;              /* reason, malloc'ed; NULL = nobody asked */
    bool is_scheduled;         /* its time has not come: in no queue yet */
    struct cw_deadline repost; /* scheduled: when it is written to Kafka anew */
    bool is_waiting;           /* CANCEL: it has asked, and waits for its target's end */
    bool must_run;   /* it has been run before, here or elsewhere, so it can't be settled without the lock */
    int pause_count; /* AGAIN so far in a row */

    /* The current claim. */
    struct cw_lease *lease;
    bool lease_is_lost;
    char *former_value; /* lease under which this process lost the job; malloc'ed */
    struct cw_voice voice;
    struct cw_memory
        *memory; /* what a former claim of this process wrote, until it is loaded again; in memory_mem */
    struct cw_arena *memory_mem;
    struct cw_arena *run_mem;
    struct cw_log log;
    struct cw_facts facts;
    const struct cw_plan *plan;
    const struct cw_clients *svc;
    struct cw_job_step *steps; /* those of the plan; behind them those that only another version's plan has */
    size_t step_count;         /* with those */
    struct cw_job_operation *operations;
    struct cw_failure_record failure;
    bool has_failure;
    bool is_failure_stored;
    const char *note; /* CANCEL: the summary of a good end, in run_mem; NULL = the usual */
    struct cw_failure_record undo_failure; /* the first undo that failed; its message is about all of them */
    bool has_undo_failure;
    const char **left_over; /* in run_mem */
    size_t left_over_count;
    int64_t begun_wall_ms;
    int64_t crashes_between; /* workers that died outside its steps */
    uint64_t verdict_epoch;  /* of the verdict that was stored when this process last had the job; 0 = none */
    bool has_verdict;        /* verdict is stored in the journal */
    bool is_verdict_out;     /* it is known to be in the topic: copies may follow */
    struct cw_verdict verdict;
    int64_t looked_mono_ms; /* the topic had no verdict then; 0 = not looked yet */
    int64_t sent_mono_ms;   /* its last verdict was handed over no later; 0 = none was */
    uint64_t sent_digest;   /* of that verdict */

    /* The current step. */
    struct cw_arena *step_mem;
    struct cw_job_step *step;
    const char *step_name; /* also of an undo: "undo:<step>" in the journal */
    int attempt;           /* over all runs */
    struct cw_deadline step_until;
    size_t step_number;
    struct cw_lease *step_locks[CW_STEP_LOCKS_MAX];
    char *step_lock_ids[CW_STEP_LOCKS_MAX]; /* malloc'ed */
    size_t step_lock_count;
    struct cw_call_counts counts;
    struct cw_said said;
    struct cw_log_ctx log_ctx;
};

/* take_mem is the job's from now on (freed on failure too). The other members are set by the caller. NULL when out of memory. */
struct cw_job *cw_job_new(const struct cw_engine_parts *parts, enum cw_job_kind kind,
                          struct cw_arena *take_mem);
/* Neither lock nor fiber may be left. */
void cw_job_free(struct cw_job *job);
/* The only way to change the state: a step that the machine does not know is a bug. */
void cw_job_set_state(struct cw_job *job, enum cw_job_state state);
bool cw_job_may_become(enum cw_job_state from, enum cw_job_state to);
/* Add where it stood; false when out of memory. */
bool cw_job_add_origin(struct cw_job *job, const struct cw_origin *origin);
/* Put what the last claim loaded and learned aside (job->memory). Errors: -CW_ENOMEM (nothing is changed). */
int cw_job_reset_run(struct cw_job *job);
/* What an error says, copied to run_mem. step may be NULL. */
struct cw_failure_record cw_job_failure_of(const struct cw_job *job, enum cw_outcome outcome,
                                           const char *step, const struct cw_err *err);
/* Why it goes no further; strings are copied to run_mem. */
void cw_job_fail(struct cw_job *job, enum cw_outcome outcome, const char *step, const struct cw_err *err);
bool cw_job_is_plan_only(const struct cw_job *job);

#endif

/* worker/engine/runner.h: which job runs when: slots, lanes, one request of a workspace at a time and in order of arrival.
 *
 * Invariant: a job is in the table from cw_runner_take() until its origins are done or it was parked; slots used <= slots; of a workspace
 * only the head of its queue holds a slot.
 * Suspends: never.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_RUNNER_H
#define CW_WORKER_ENGINE_RUNNER_H

#include "worker/engine/job.h"

struct cw_runner;

struct cw_runner_cfg {
    const struct cw_engine_parts *parts; /* borrowed */
    size_t slots;
    size_t reserved;   /* of them, for the interactive lane alone */
    size_t queued_max; /* for each lane */
    size_t light_max;
    /* The request that stood here has its answer. */
    void (*origin_done)(void *arg, const struct cw_origin *origin);
    /* Something ended: there may be room again. */
    void (*room)(void *arg);
    void *arg;
};

/* Errors: -CW_ENOMEM. */
int cw_runner_new(const struct cw_runner_cfg *cfg, struct cw_runner **ret_runner);
/* No job may be left. NULL is fine. */
void cw_runner_free(struct cw_runner *r);
/* Take over a job with its origin and job_key. A job of that key that is here already gets the origin instead.
 * Errors: -CW_ENOMEM (the job is gone, its origin is not done). */
int cw_runner_take(struct cw_runner *r, struct cw_job *take_job);
/* May intake hand over more of this lane? */
bool cw_runner_has_room(const struct cw_runner *r, enum cw_lane lane);
/* The partition is no longer ours: its requests are handed over (reason CW_EPARKED) or dropped (CW_ELOST). */
void cw_runner_revoke(struct cw_runner *r, const char *topic, int32_t partition, int reason);
/* All of them, for a drain; nothing is started any more. */
void cw_runner_park_all(struct cw_runner *r);
size_t cw_runner_count(const struct cw_runner *r);
/* How much of each limit is taken. */
struct cw_runner_load {
    size_t used[CW_LANE__COUNT];   /* slots; of slots, bulk without the reserved ones */
    size_t queued[CW_LANE__COUNT]; /* of queued_max */
    size_t light;                  /* of light_max */
    size_t light_waiting;          /* for one of those; of light_max */
    size_t cancels;                /* together of cw_runner_cancels_max() */
};
struct cw_runner_load cw_runner_load(const struct cw_runner *r);
/* Ask a job to end; false when it is not here. Once is enough; asking again does nothing. */
bool cw_runner_cancel(struct cw_runner *r, const char *job_key, const char *reason);
/* Cancels that ask or wait, each on a fiber of its own. */
size_t cw_runner_cancels_max(size_t light_max);
/* May this cancel wait for its target's end? Their number is limited, and while they wait they hold up nobody. */
bool cw_runner_may_wait(struct cw_runner *r, struct cw_job *job);
/* For the panic hook and /metrics: each job's request id and state. */
void cw_runner_each(struct cw_runner *r, void (*fn)(const struct cw_job *job, void *arg), void *arg);

#endif

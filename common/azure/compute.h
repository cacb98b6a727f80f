/* common/azure/compute.h: everything in a workspace that blocks a change of its network: list it, stop it, start it again.
 *
 * Blocking: clusters that are not TERMINATED, classic and pro SQL warehouses that are not STOPPED, pools with instances or
 * with min idle instances, active job runs and pipelines on classic compute. Serverless things are left alone.
 * Schedules do not block; they start what does, and are paused before anything is stopped.
 * Items live in call->mem. Errors: those of databricks.h.
 * Suspends: all calls.  Thread: loop.  Source: reference "Databricks facts" 15. */
#ifndef CW_COMMON_AZURE_COMPUTE_H
#define CW_COMMON_AZURE_COMPUTE_H

#include "common/azure/databricks.h"

enum cw_compute_kind {
    CW_COMPUTE_CLUSTER = 0,
    CW_COMPUTE_WAREHOUSE,
    CW_COMPUTE_POOL,
    CW_COMPUTE_RUN,
    CW_COMPUTE_PIPELINE,
    CW_COMPUTE_SCHEDULE, /* of a job: cron, file arrival, continuous */
    CW_COMPUTE__COUNT
};
/* "cluster", "warehouse", "pool", "run", "pipeline", "schedule". */
const char *cw_compute_kind_name(enum cw_compute_kind kind);

struct cw_compute {
    enum cw_compute_kind kind;
    const char *id;
    const char *name;
    const char *state;    /* as the service names it; of a pool "idle 2, used 0" */
    bool is_blocking;     /* must be stopped before the update */
    bool is_work;         /* a run, or what exists for one: it ends by itself, ending it loses work */
    bool is_owned;        /* a cluster of a pipeline that we may stop: it ends with its owner */
    bool can_restart;     /* job clusters and runs can't */
    int64_t min_idle;     /* pools: what to restore */
    int64_t idle_minutes; /* pools: what to restore; -1 = unset */
    const char *note;     /* why it can't be started again, …; may be NULL */
};
struct cw_compute_list {
    struct cw_compute *items;
    size_t count;
    size_t blocking_count;
};

/* Would it start something that blocks? A schedule that is not paused. Pure. */
bool cw_compute_is_waking(const struct cw_compute *item);
/* Blocking items and stopped all-purpose ones alike (callers show the blocking ones). skip_cluster_name: a name prefix that
 * is ours (the probe cluster), may be NULL. */
int cw_compute_list(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const char *skip_cluster_name, struct cw_compute_list *ret_list, struct cw_err *err);
struct cw_compute_stop {
    const char *skip_cluster_name;
    bool may_cancel_runs;    /* else what is_work is waited for, and nothing is stopped meanwhile */
    int64_t run_patience_ms; /* how long; then -CW_EREJECTED with a remedy */
    /* Called with what is about to be stopped, before it is: to be written down. Items are borrowed. A failure ends the stop. */
    int (*stopping)(void *arg, const struct cw_compute *items, size_t count, struct cw_err *err);
    void *arg;
};
/* Pause the schedules, wait for what is_work, then stop what blocks; look again until nothing blocks: what wakes up meanwhile
 * is treated alike. */
int cw_compute_stop(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const struct cw_compute_stop *how, struct cw_err *err);
/* Start each item that is_blocking (was stopped) and can_restart: clusters that are TERMINATED, warehouses that are STOPPED,
 * pipelines that are IDLE,
 * pools and schedules back as they were (changed only when they differ); and wait until it is RUNNING when `wait` is set. All are tried; the first error is returned at the end. states[i] (may be NULL;
 * list->count of them) gets the state seen last, in call->mem. Items that are gone are not errors. */
int cw_compute_start(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const struct cw_compute_list *list, bool wait, const char **states, struct cw_err *err);

#endif

/* common/azure/compute.h: everything in a workspace that blocks a change of its network: list it, stop it, start it again.
 *
 * Blocking: clusters that are not TERMINATED, classic and pro SQL warehouses that are not STOPPED, pools with instances or
 * with min idle instances, active job runs on classic compute. Serverless things are left alone.
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
    CW_COMPUTE__COUNT
};
/* "cluster", "warehouse", "pool", "run". */
const char *cw_compute_kind_name(enum cw_compute_kind kind);
/* false when unknown. */
bool cw_compute_kind_parse(const char *z, enum cw_compute_kind *ret_kind);

struct cw_compute {
    enum cw_compute_kind kind;
    const char *id;
    const char *name;
    const char *state;    /* as the service names it; of a pool "idle 2, used 0" */
    bool is_blocking;     /* must be stopped before the update */
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

/* Blocking items and stopped all-purpose ones alike (callers show the blocking ones). skip_cluster_name: a name prefix that
 * is ours (the probe cluster), may be NULL. */
int cw_compute_list(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const char *skip_cluster_name, struct cw_compute_list *ret_list, struct cw_err *err);
/* Stop each blocking item of `list`, then look again until nothing blocks; what wakes up meanwhile is stopped too and appended
 * to `list`. stopped(arg, item) is called before each stop that is sent. Runs are cancelled only when may_cancel_runs, else
 * they are waited for. */
int cw_compute_stop(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const char *skip_cluster_name, bool may_cancel_runs, struct cw_compute_list *list,
                    void (*stopped)(void *arg, const struct cw_compute *item), void *arg, struct cw_err *err);
/* Start each item that is_blocking (was stopped) and can_restart: clusters that are TERMINATED, warehouses that are STOPPED,
 * pools back to their figures; and wait until it is RUNNING when `wait` is set. All are tried; the first error is returned at the end. states[i] (may be NULL;
 * list->count of them) gets the state seen last, in call->mem. Items that are gone are not errors. */
int cw_compute_start(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const struct cw_compute_list *list, bool wait, const char **states, struct cw_err *err);

#endif

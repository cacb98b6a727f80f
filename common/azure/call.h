/* common/azure/call.h: what every call to Azure or Databricks carries: deadline, memory, identity of the job, and the hooks
 * through which the engine keeps its promises (write guard, operation journal, "why is it waiting?").
 *
 * Suspends: the hooks may.  Thread: loop. */
#ifndef CW_COMMON_AZURE_CALL_H
#define CW_COMMON_AZURE_CALL_H

#include "common/arena.h"
#include "common/err.h"
#include "common/time.h"

/* Interactive requests keep a share of the Azure budget that bulk can't take. */
enum cw_lane { CW_LANE_INTERACTIVE = 0, CW_LANE_BULK, CW_LANE__COUNT };

enum cw_wait_reason {
    CW_WAIT_LOCK = 0,  /* another worker, or an earlier request, holds the workspace or the VNet */
    CW_WAIT_THROTTLE,  /* a budget is used up */
    CW_WAIT_OPERATION, /* an Azure operation is under way */
    CW_WAIT_DNS,       /* a record or link is not visible yet */
    CW_WAIT_CLUSTER,   /* a cluster or a command on it */
    CW_WAIT_CAPACITY,  /* Azure has none, or this worker has no slot: another try later */
    CW_WAIT_READY,     /* the workspace's own API is not ready */
    CW_WAIT_RETRY,     /* backing off after a failure that may pass */
    CW_WAIT_SCHEDULE,  /* its time has not come */
    CW_WAIT__COUNT
};
const char *cw_wait_reason_name(enum cw_wait_reason reason);

/* Why a job waits, for people and monitoring. Borrowed for the duration of the hook. */
struct cw_waiting {
    enum cw_wait_reason reason;
    const char *what;      /* resource id, bucket, owner, cluster id … */
    const char *detail;    /* may be NULL */
    int percent;           /* -1 = unknown */
    int64_t since_wall_ms; /* when the wait began */
    int64_t next_wall_ms;  /* when the next look comes */
};

/* A long-running operation of ARM, as it is journaled before it is waited for. Strings are borrowed. */
struct cw_operation {
    const char *resource_id; /* the key: one operation a resource */
    const char *method;
    const char *original_url;
    const char *async_url;    /* Azure-AsyncOperation, or NULL */
    const char *location_url; /* Location, or NULL */
    const char *correlation_id;
    int64_t started_wall_ms;
};

struct cw_call_ops {
    /* Before each PUT, PATCH, POST or DELETE with an effect: is this worker still the owner, with enough lease left for one
     * request? Errors: -CW_ELOST, -CW_EFENCED, cancellation. */
    int (*before_write)(void *arg, struct cw_err *err);
    /* Persist before waiting. Errors: as before_write. */
    int (*operation_started)(void *arg, const struct cw_operation *op, struct cw_err *err);
    /* An operation on this resource that was started earlier and not seen ending; strings in mem. */
    bool (*operation_pending)(void *arg, const char *resource_id, struct cw_arena *mem,
                              struct cw_operation *ret_op);
    /* It has ended, whatever the outcome. */
    void (*operation_ended)(void *arg, const char *resource_id);
    void (*waiting)(void *arg, const struct cw_waiting *waiting);
};

struct cw_call_counts {
    int64_t reads;
    int64_t writes;
    int64_t deletes;
};

struct cw_call {
    struct cw_deadline until;
    struct cw_arena *mem;       /* answers live here */
    const char *correlation_id; /* x-ms-correlation-request-id: one per job */
    const char *traceparent;    /* may be NULL */
    enum cw_lane lane;
    bool plan_only;                /* nothing may be written; ensure functions answer what they would do */
    const struct cw_call_ops *ops; /* NULL = none (commands, tests) */
    void *ops_arg;
    struct cw_call_counts *counts; /* NULL = not counted */
};

/* What cw_http_call() came to, r, with its err: an answer too big to be read is no answer (-CW_EPROTO), not a fault of the request, which
 * may have had its effect. */
int cw_call_answered(int r, struct cw_err *err);
/* The hooks with their NULL checks. */
int cw_call_before_write(const struct cw_call *call, struct cw_err *err);
void cw_call_waiting(const struct cw_call *call, const struct cw_waiting *waiting);
/* Say why, then sleep until the deadline `next` or the call's own. Errors: -CW_ETIMEDOUT (the call's deadline is past),
 * cancellation. Suspends: yes. */
int cw_call_wait(const struct cw_call *call, struct cw_waiting waiting, int64_t sleep_ms, struct cw_err *err);

#endif

/* worker/engine/retry.h: what follows a failed attempt: a pure function of the error's class.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_WORKER_ENGINE_RETRY_H
#define CW_WORKER_ENGINE_RETRY_H

#include "worker/steps/step.h"

struct cw_retry_case {
    enum cw_class class;
    int charged; /* attempts that count so far, this one included */
    int free;    /* attempts that don't count so far: conflicts and throttling, this one included */
    int64_t retry_after_ms; /* what the peer said; 0 = nothing */
    uint64_t random;
};

struct cw_retry_plan {
    bool again;                 /* false: the step has failed */
    bool is_charged;            /* the attempt counts */
    int64_t delay_ms;           /* before the next one */
    enum cw_wait_reason reason; /* what to call the wait */
};

/* Does an error of this class use up an attempt? */
bool cw_retry_is_charged(enum cw_class class);
/* Retry: exponential with full jitter, never before retry_after_ms, until the attempts are used up. Conflict: the same with half jitter,
 * for as long as the step's deadline allows. Throttled: retry_after_ms (a minute when unknown) and up to a tenth. Everything else ends. */
struct cw_retry_plan cw_retry_next(const struct cw_retry *policy, const struct cw_retry_case *c);

#endif

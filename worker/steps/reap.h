/* worker/steps/reap.h: verification clusters that outlived their request.
 *
 * A request removes its own cluster, also after failure and cancel; what is left is of a request that nobody could finish.
 * Under the workspace's lock no request is at work there, so an old cluster of ours belongs to nobody.
 * Suspends: cw_reap.  Thread: loop. */
#ifndef CW_WORKER_STEPS_REAP_H
#define CW_WORKER_STEPS_REAP_H

#include "worker/steps/step.h"

struct cw_reap {
    const struct cw_clients *svc;
    int64_t age_ms; /* older clusters are removed: longer than any request holds one */
    /* Lock the workspace for a moment; false: a request is at work there, the next sweep looks again. */
    bool (*lock)(void *arg, const char *workspace_key);
    void (*unlock)(void *arg);
    void *arg;
};

/* All workspaces of the policy's subscriptions, or of all that the identity sees. One that can't be read is left out, and
 * told in the log by the caller's error of the last such. *ret_removed counts also after an error. Errors: those of arm.h. */
int cw_reap(const struct cw_reap *reap, const struct cw_call *call, size_t *ret_removed, struct cw_err *err);

#endif

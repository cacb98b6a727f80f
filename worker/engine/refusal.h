/* worker/engine/refusal.h: what an error of Redis means for who asked: it passes, people must make it pass, or it never will.
 *
 * Suspends: never.  Thread: any.  Source: redis.io, "Redis serialization protocol", "Cluster specification"; redis.conf. */
#ifndef CW_WORKER_ENGINE_REFUSAL_H
#define CW_WORKER_ENGINE_REFUSAL_H

#include "common/err.h"

enum cw_refusal {
    CW_REFUSAL_PASSES = 0, /* Redis is away, fails over, or is busy: try again */
    CW_REFUSAL_MEND, /* try again, but without people it won't pass: memory, disk, a cluster without its slots */
    CW_REFUSAL_FINAL, /* the same question gets the same answer: rights, a cluster's redirections, a key of another kind, a script's error */
};

/* Sets err's remedy where it has none. */
enum cw_refusal cw_refusal_of(struct cw_err *err);

#endif

/* worker/reaper.h: one worker of the fleet at a time removes verification clusters that nobody owns any more.
 *
 * Suspends: cw_reaper_run.  Thread: loop. */
#ifndef CW_WORKER_REAPER_H
#define CW_WORKER_REAPER_H

#include "common/net/redis.h"
#include "common/settings.h"
#include "worker/engine/lock.h"
#include "worker/steps/step.h"

/* All borrowed. */
struct cw_reaper {
    const struct cw_settings *settings; /* reaper.interval (0 = never), reaper.age */
    struct cw_redis *redis;
    struct cw_locks *locks;
    const struct cw_clients *svc;
    const char *worker_id;
};

/* A sweep soon after the start and then at each interval, unless another worker has just made it; until cancelled. */
int cw_reaper_run(const struct cw_reaper *reaper);

#endif

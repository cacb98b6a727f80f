/* worker/engine/durable.h: what Redis can be trusted to remember: since when, and whether its replicas have it too.
 *
 * The key "cw:born" is set once, to Redis' own time, by whoever finds it missing. So a Redis that lost everything is younger than its loss,
 * and what it does not know although it is older was never written (but for the last writes of a server that a replica replaced).
 * Suspends: all but cw_durable_read() and cw_durable_is_older().  Thread: loop.  Source: Redis commands TIME, SETNX, WAIT. */
#ifndef CW_WORKER_ENGINE_DURABLE_H
#define CW_WORKER_ENGINE_DURABLE_H

#include "common/net/redis.h"

/* By the clock of Redis. */
struct cw_durable {
    int64_t born_wall_ms; /* it has forgotten nothing since */
    int64_t now_wall_ms;
    int64_t age_ms; /* never below 0 */
};

/* For who asks in another way: the script, with its one key, and the reading of its answer. Errors: -CW_EPROTO. Suspends: no. */
#define CW_DURABLE_KEY "cw:born"
extern const struct cw_redis_script cw_durable_script;
int cw_durable_read(const struct cw_redis_reply *reply, struct cw_durable *ret_durable, struct cw_err *err);

/* Is Redis surely older than a request whose record has this time (<= 0 = unknown)? Then it would know of all that was done about it. The
 * clocks of Redis, of senders and of workers may differ by a minute. Pure. */
bool cw_durable_is_older(const struct cw_durable *durable, int64_t record_wall_ms);

/* To be asked after what it shall say something about. Errors: those of cw_redis_eval(), -CW_EPROTO. */
int cw_durable_look(struct cw_redis *redis, struct cw_deadline until, struct cw_arena *mem,
                    struct cw_durable *ret_durable, struct cw_err *err);
/* Have so many replicas all that this worker wrote before? 1 = yes (also when none is wanted), 0 = not yet. Errors: those of cw_redis_call(). */
int cw_durable_confirm(struct cw_redis *redis, int64_t replicas, struct cw_deadline until,
                       struct cw_arena *mem, struct cw_err *err);

#endif

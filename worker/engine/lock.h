/* worker/engine/lock.h: leases in Redis with a fencing epoch: one writer for a workspace, or a VNet, fleet-wide.
 *
 * A lock is one key with the lease's value "<epoch>|<token>|<worker>|<request id>" and an expiry. The epoch comes from a second key
 * that never expires, and is never below the time of Redis (milliseconds since 2024), so it also grows when Redis forgot everything.
 * Where the epoch is missing, nobody ever had the lock, or Redis forgot who has it: a third key says so, and the lock is given once Redis
 * remembers for longer than a lease, so that what a former holder believed in is over. All workers of a fleet have the same lease.
 * The holder counts on its own monotonic clock, from before it asked; renewal at a third of the lease; when it can't renew in time it is
 * told, and stops writing, before the lease ends. The value, not the epoch alone, is what the journal compares.
 * Thread: loop.  Source: Redis documentation "Distributed locks"; Kleppmann on fencing. */
#ifndef CW_WORKER_ENGINE_LOCK_H
#define CW_WORKER_ENGINE_LOCK_H

#include "common/net/redis.h"
#include "worker/engine/trouble.h"

struct cw_locks; /* all leases of this worker */
struct cw_lease;

struct cw_locks_cfg {
    struct cw_loop *loop;   /* borrowed */
    struct cw_redis *redis; /* borrowed */
    const char *worker_id;  /* copied */
    int64_t lease_ms;
    int64_t margin_ms;     /* less than this left: no write begins, and the holder is told that it lost */
    int64_t wait_replicas; /* that must confirm an acquisition and a renewal; 0 = none */
    struct cw_trouble *trouble; /* NULL = nobody wants to know */
};

/* Who holds it while somebody waits. Borrowed for the call. */
struct cw_lock_owner {
    const char *request_id; /* "" = unknown: Redis did not answer, or is_forgotten */
    const char *worker_id;
    uint64_t epoch;
    bool is_forgotten; /* Redis remembers for less than a lease: who holds it may not know that it forgot */
    int64_t since_wall_ms; /* when this wait began */
    int64_t next_ms;       /* until the next try */
};

struct cw_lease_ops {
    /* Each time a try failed. May be NULL. */
    void (*waiting)(void *arg, const struct cw_lock_owner *owner);
    /* The lease is as good as gone: stop. At most once, on the loop's stack or another fiber. */
    void (*lost)(void *arg);
    /* A renewal saw the flag of a cancel request. Only with a job key. May be NULL. */
    void (*cancel)(void *arg, const char *reason);
};

struct cw_lock_want {
    const char *resource;   /* workspace key, or lower-cased id of a VNet */
    const char *request_id; /* who shall be named to others */
    const char *
        job_key; /* journal hash whose cancel flag is read at each renewal; NULL = none; same hash tag as resource */
    const struct cw_lease_ops *ops;
    void *ops_arg;
};

/* Errors: -CW_ENOMEM. */
int cw_locks_new(const struct cw_locks_cfg *cfg, struct cw_locks **ret_locks);
/* All leases given back and all work of it ended (see cw_locks_is_idle). NULL is fine. */
void cw_locks_free(struct cw_locks *locks);
/* Nothing held, no renewal and no release under way. */
bool cw_locks_is_idle(const struct cw_locks *locks);

/* Take it, waiting with backoff and jitter, also while Redis is away. Strings are copied. Errors: -CW_ETIMEDOUT (err names the owner),
 * cancellation, -CW_ENOMEM. Suspends: yes. */
int cw_lock_take(struct cw_locks *locks, const struct cw_lock_want *want, struct cw_deadline until,
                 struct cw_lease **ret_lease, struct cw_err *err);
/* Give it back: compare and delete, seen through in the background whatever becomes of the caller. No callback comes afterwards.
 * NULL is fine. Suspends: no. */
void cw_lock_give(struct cw_lease *lease);

uint64_t cw_lease_epoch(const struct cw_lease *lease);
const char *cw_lease_value(const struct cw_lease *lease);
const char *cw_lease_key(const struct cw_lease *lease);
/* Still ours, with more than the margin left? Asked before each write. Errors: -CW_ELOST. Suspends: no. */
int cw_lease_check(const struct cw_lease *lease, struct cw_err *err);

/* The least epoch that a lock could have at that time of Redis. Pure. */
uint64_t cw_lock_epoch_at(int64_t redis_wall_ms);
/* Lua: `now` is the least epoch that a lock could have. KEYS[2], the epoch, exists afterwards; KEYS[3] says that nobody knows who held the
 * lock before. It goes with the first grant, or once no lease can be as old. */
#define CW_LOCK_LUA_EPOCH                                                                      \
    "local t = redis.call('TIME')\n"                                                           \
    "local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000) - 1704067200000)\n" \
    "if not redis.call('GET', KEYS[2]) then\n"                                                 \
    "  redis.call('SET', KEYS[2], now)\n"                                                      \
    "  redis.call('SET', KEYS[3], now, 'PX', 600000)\n"                                        \
    "end\n"
/* "cw:{<resource>}:<suffix>" in mem. NULL when out of memory. */
char *cw_lock_key(struct cw_arena *mem, const char *resource, const char *suffix);

#endif

/* common/net/redis.h: Redis client: one pipelined connection that heals itself. hiredis stays behind this header.
 *
 * Reconnects with backoff and jitter; authenticates (ACL) and selects on each connection; a script is sent by digest and
 * loaded again after NOSCRIPT. READONLY, LOADING and MASTERDOWN answers drop the connection and count as -CW_ENET.
 * Suspends: each call.  Thread: loop.  Source: redis.io command reference, RESP2. */
#ifndef CW_COMMON_NET_REDIS_H
#define CW_COMMON_NET_REDIS_H

#include "common/arena.h"
#include "common/net/loop.h"
#include "common/str.h"

struct cw_redis;

struct cw_redis_cfg {
    const char *url;            /* redis://[user:password@]host[:port][/db], rediss:// for TLS */
    const char *username;       /* overrides the URL's */
    const char *password;       /* overrides the URL's; a secret */
    const char *ca_file;        /* for rediss; NULL = system */
    int64_t command_timeout_ms; /* 0 = 5 s: upper bound of one command besides the caller's deadline */
    size_t inflight_max;        /* 0 = 20,000 */
};

enum cw_redis_type { CW_REDIS_NIL = 0, CW_REDIS_STR, CW_REDIS_INT, CW_REDIS_ARRAY };
/* In the caller's arena. Status replies are strings. */
struct cw_redis_reply {
    enum cw_redis_type type;
    struct cw_str str; /* NUL-terminated for convenience */
    int64_t num;
    const struct cw_redis_reply *items;
    size_t count;
};

/* A Lua script: static storage; the digest is computed at first use. */
struct cw_redis_script {
    const char *name; /* for errors and for tests that model scripts: unique, e.g. "lock.acquire" */
    const char *lua;
};

/* Strings of cfg are copied. Does not connect yet. Errors: -CW_ENOMEM, -CW_EINVAL (URL). */
int cw_redis_new(struct cw_loop *loop, const struct cw_redis_cfg *cfg, struct cw_redis **ret_redis,
                 struct cw_err *err);
void cw_redis_free(struct cw_redis *redis); /* no call may be under way; NULL is fine */
/* One command. Errors: -CW_ENET (also: no connection until the deadline), -CW_ETIMEDOUT, cancellation, -CW_EREMOTE (an error
 * answer; remote_code = its first word), -CW_EAUTH, -CW_ENOMEM. After -CW_ENET and -CW_ETIMEDOUT the command may or may not
 * have run. Suspends: yes. */
int cw_redis_call(struct cw_redis *redis, size_t argc, const struct cw_str *argv, struct cw_deadline until,
                  struct cw_arena *mem, struct cw_redis_reply *ret_reply, struct cw_err *err);
/* EVALSHA with fallback to EVAL. Keys of one script share a hash slot. Errors: as above. Suspends: yes. */
int cw_redis_eval(struct cw_redis *redis, const struct cw_redis_script *script, size_t key_count,
                  const char *const *keys, size_t arg_count, const struct cw_str *args,
                  struct cw_deadline until, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                  struct cw_err *err);
bool cw_redis_is_connected(const struct cw_redis *redis);

#endif

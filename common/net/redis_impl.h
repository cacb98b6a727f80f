/* common/net/redis_impl.h: the parts of the Redis client. For common/net alone.
 *
 *   redis.c         calls: a command waits for a connection, then for its answer
 *   redis_conn.c    the connection's life: resolve, connect, TLS, AUTH, SELECT, ready, dropped, backoff
 *   redis_uv.c      hiredis' events on the loop
 *   redis_url.c     the URL
 *   redis_reply.c   hiredis' replies into the caller's arena
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_NET_REDIS_IMPL_H
#define CW_COMMON_NET_REDIS_IMPL_H

#include <netinet/in.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include "common/fiber/wait.h"
#include "common/net/loop_uv.h"
#include "common/net/redis.h"

#define CW_REDIS_DIGEST_BYTES 41
#define CW_REDIS_SCRIPTS_MAX 64
#define CW_REDIS_ADDRESSES_MAX 8

struct cw_redis_url {
    char *host;
    char *username; /* NULL = none */
    char *password; /* NULL = none */
    int port;
    int db;
    bool is_tls;
};

enum cw_redis_state {
    CW_REDIS_IDLE = 0, /* nobody has asked yet */
    CW_REDIS_RESOLVING,
    CW_REDIS_CONNECTING, /* TCP, TLS */
    CW_REDIS_GREETING,   /* AUTH and SELECT are under way */
    CW_REDIS_READY,
    CW_REDIS_BACKOFF, /* the timer starts the next attempt */
};

struct cw_redis_digest {
    const struct cw_redis_script *script;
    char sha1[CW_REDIS_DIGEST_BYTES];
};

/* Asking for the host's addresses; outlives the client when it is freed meanwhile. */
struct cw_redis_lookup {
    uv_getaddrinfo_t uv;
    struct cw_redis *redis; /* NULL: freed */
};

struct cw_redis {
    uv_loop_t *uv;
    struct cw_redis_url url;
    SSL_CTX *tls; /* NULL without TLS */
    int64_t command_timeout_ms;
    size_t inflight_max;

    enum cw_redis_state state;
    redisAsyncContext *ac; /* the connection we use; hiredis frees it */
    SSL *ssl;              /* of ac */
    struct cw_redis_lookup *lookup;
    char addresses[CW_REDIS_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    size_t address_count;
    size_t address_next;      /* the next attempt uses this one */
    uv_timer_t *timer;        /* in BACKOFF: the next attempt; else: the watchdog */
    unsigned attempts;        /* failed ones in a row */
    uint64_t refusals;        /* times that the server refused our credentials */
    struct cw_queue waiters;  /* for READY, or for room */
    int64_t heard_ms;         /* monotonic: the last answer, or when the line was last quiet */
    size_t inflight;          /* commands whose answer has not come, abandoned ones too */
    struct cw_err last_error; /* why there is no connection */
    struct cw_redis_digest digests[CW_REDIS_SCRIPTS_MAX];
    size_t digest_count;
};

/* redis://[user[:password]@]host[:port][/db]; percent-encoding in user and password. Errors: -CW_EINVAL, -CW_ENOMEM. */
int cw_redis_url_parse(const char *text, struct cw_redis_url *ret_url, struct cw_err *err);
void cw_redis_url_fini(struct cw_redis_url *url);

/* Make hiredis use the loop. False when out of memory. */
bool cw_redis_attach(redisAsyncContext *ac, uv_loop_t *uv);

/* Errors: -CW_ENOMEM, -CW_EPROTO (a kind that RESP2 does not have). */
int cw_redis_reply_copy(const redisReply *from, struct cw_arena *mem, struct cw_redis_reply *ret_reply);

/* Start the first attempt; nothing when one is under way. */
void cw_redis_start(struct cw_redis *redis);
/* Give the connection up: what is in flight fails, the next attempt starts after a pause. Fine from hiredis' callbacks. */
void cw_redis_drop(struct cw_redis *redis, int code, const char *why);
/* To be called around each command: it is on its way; its answer (or its failure) came. */
void cw_redis_sent(struct cw_redis *redis);
void cw_redis_heard(struct cw_redis *redis, bool is_answer);
/* Never call again; closes everything. */
void cw_redis_shut(struct cw_redis *redis);

#endif

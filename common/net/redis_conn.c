#include "common/net/redis_impl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 5000
#define BACKOFF_DOUBLINGS_MAX 7
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3

static void on_timer(uv_timer_t *timer);
static void attempt(struct cw_redis *redis);

static void arm(struct cw_redis *redis, int64_t after_ms)
{
    cw_uv_timer_start(redis->timer, on_timer, after_ms);
}

/* --- losing the connection ---------------------------------------------------------------------------------------- */

static int64_t backoff_ms(unsigned attempts)
{
    int64_t cap_ms = CW_MIN((int64_t)BACKOFF_FIRST_MS << CW_MIN(attempts, (unsigned)BACKOFF_DOUBLINGS_MAX),
                            BACKOFF_MAX_MS);
    return cw_random_between(cap_ms / 2, cap_ms);
}

/* Those who wait learn at once when waiting is of no use. */
static void schedule(struct cw_redis *redis)
{
    bool has_more = redis->state == CW_REDIS_CONNECTING && redis->address_next < redis->address_count;
    redis->state = CW_REDIS_BACKOFF;
    arm(redis, has_more ? 0 : backoff_ms(redis->attempts));
    if (!has_more)
        redis->attempts++;
    if (redis->last_error.code == CW_EAUTH || redis->last_error.code == CW_ETLS) {
        redis->refusals++;
        cw_queue_broadcast(&redis->waiters);
    }
}

static void note_error(struct cw_redis *redis, int code, const char *why)
{
    (void)cw_err_set(&redis->last_error, code, "Redis %s:%d: %s", redis->url.host, redis->url.port, why);
    if (code == CW_ETLS)
        cw_err_remedy(&redis->last_error,
                      "check Redis' certificate, and the file of trusted certificates that is configured");
    if (code == CW_EAUTH)
        cw_err_remedy(&redis->last_error, "check the Redis user, its password and its ACL");
}

void cw_redis_drop(struct cw_redis *redis, int code, const char *why)
{
    note_error(redis, code, why);
    redisAsyncContext *ac = CW_TAKE(redis->ac);
    redis->ssl = NULL;
    if (ac != NULL) {
        ac->data = NULL;
        redisAsyncFree(ac);
    }
    schedule(redis);
}

/* hiredis has given up the connection and frees it after this. */
static void lose(const redisAsyncContext *ac)
{
    struct cw_redis *redis = ac->data;
    if (redis == NULL || redis->ac != ac)
        return;
    long verdict = redis->ssl != NULL ? SSL_get_verify_result(redis->ssl) : X509_V_OK;
    if (verdict != X509_V_OK)
        note_error(redis, CW_ETLS, X509_verify_cert_error_string(verdict));
    else
        note_error(redis, CW_ENET,
                   ac->err != 0 && ac->errstr != NULL && ac->errstr[0] != '\0' ? ac->errstr
                                                                               : "connection lost");
    redis->ac = NULL;
    redis->ssl = NULL;
    schedule(redis);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    (void)status;
    lose(ac);
}

/* --- AUTH, SELECT, PING ------------------------------------------------------------------------------------------- */

static void be_ready(struct cw_redis *redis)
{
    redis->state = CW_REDIS_READY;
    redis->attempts = 0;
    redis->address_count = 0;
    redis->heard_ms = cw_mono_ms();
    cw_err_clear(&redis->last_error);
    arm(redis, redis->command_timeout_ms);
    cw_queue_broadcast(&redis->waiters);
}

/* The answer of AUTH, SELECT or PING; the last of them ends the greeting. */
static void on_greeting(redisAsyncContext *ac, void *answer, void *is_last)
{
    struct cw_redis *redis = ac->data;
    const redisReply *reply = answer;
    if (redis == NULL || redis->ac != ac || reply == NULL)
        return;
    bool is_error = reply->type == REDIS_REPLY_ERROR && !cw_z_starts(reply->str, "NOPERM");
    if (is_error) {
        bool is_denied = cw_z_starts(reply->str, "WRONGPASS") || cw_z_starts(reply->str, "NOAUTH") ||
                         (is_last == NULL && cw_z_starts(reply->str, "ERR AUTH"));
        cw_redis_drop(redis, is_denied ? CW_EAUTH : CW_ENET, reply->str);
    } else if (is_last != NULL) {
        be_ready(redis);
    }
}

static void on_connect(const redisAsyncContext *const_ac, int status)
{
    struct cw_redis *redis = const_ac->data;
    if (redis == NULL || redis->ac != const_ac)
        return;
    if (status != REDIS_OK) {
        lose(const_ac);
        return;
    }
    redisAsyncContext *ac = redis->ac;
    redis->state = CW_REDIS_GREETING;
    int r = REDIS_OK;
    if (redis->url.password != NULL && redis->url.username != NULL)
        r = redisAsyncCommand(ac, on_greeting, NULL, "AUTH %s %s", redis->url.username, redis->url.password);
    else if (redis->url.password != NULL)
        r = redisAsyncCommand(ac, on_greeting, NULL, "AUTH %s", redis->url.password);
    if (r == REDIS_OK && redis->url.db > 0)
        r = redisAsyncCommand(ac, on_greeting, NULL, "SELECT %d", redis->url.db);
    if (r == REDIS_OK)
        r = redisAsyncCommand(ac, on_greeting, redis, "PING");
    if (r != REDIS_OK)
        cw_redis_drop(redis, CW_ENOMEM, "no memory for the first commands");
}

/* --- TCP and TLS -------------------------------------------------------------------------------------------------- */

/* A peer that vanished without a word is noticed after about the command time-out. */
static void set_socket_options(const struct cw_redis *redis, int fd)
{
    unsigned timeout_ms = (unsigned)redis->command_timeout_ms;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){KEEPALIVE_IDLE_S}, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){KEEPALIVE_INTERVAL_S}, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){KEEPALIVE_PROBES}, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

/* hiredis itself does not compare the certificate with the host's name. */
static bool start_tls(struct cw_redis *redis, redisAsyncContext *ac)
{
    SSL *ssl = SSL_new(redis->tls);
    if (ssl == NULL)
        return false;
    struct in6_addr addr;
    bool is_address =
        inet_pton(AF_INET, redis->url.host, &addr) == 1 || inet_pton(AF_INET6, redis->url.host, &addr) == 1;
    int ok = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), redis->url.host)
                        : SSL_set1_host(ssl, redis->url.host);
    if (ok == 1 && !is_address)
        ok = (int)SSL_set_tlsext_host_name(ssl, redis->url.host);
    if (ok != 1 || redisInitiateSSL(&ac->c, ssl) != REDIS_OK) {
        SSL_free(ssl);
        return false;
    }
    redis->ssl = ssl;
    return true;
}

static void connect_to(struct cw_redis *redis, const char *address)
{
    redisOptions options = {0};
    REDIS_OPTIONS_SET_TCP(&options, address, redis->url.port);
    redis->state = CW_REDIS_CONNECTING;
    redisAsyncContext *ac = redisAsyncConnectWithOptions(&options);
    if (ac == NULL || ac->err != 0) {
        char why[128];
        (void)cw_z_copy(why, sizeof why, ac != NULL && ac->errstr != NULL ? ac->errstr : "out of memory");
        if (ac != NULL)
            redisAsyncFree(ac);
        cw_redis_drop(redis, CW_ENET, why);
        return;
    }
    set_socket_options(redis, ac->c.fd);
    if (!cw_redis_attach(ac, redis->uv) || (redis->tls != NULL && !start_tls(redis, ac))) {
        redisAsyncFree(ac);
        cw_redis_drop(redis, CW_ENET, "TLS does not start");
        return;
    }
    ac->data = redis;
    redis->ac = ac;
    (void)redisAsyncSetDisconnectCallback(ac, on_disconnect);
    (void)redisAsyncSetConnectCallback(ac, on_connect);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void connect_to_next(struct cw_redis *redis)
{
    connect_to(redis, redis->addresses[redis->address_next++]);
}

static void on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
    struct cw_redis_lookup *lookup = (struct cw_redis_lookup *)uv;
    struct cw_redis *redis = lookup->redis;
    free(lookup);
    if (redis == NULL) {
        uv_freeaddrinfo(list);
        return;
    }
    redis->lookup = NULL;
    redis->address_count = redis->address_next = 0;
    for (const struct addrinfo *a = list; a != NULL && redis->address_count < CW_REDIS_ADDRESSES_MAX;
         a = a->ai_next) {
        char *text = redis->addresses[redis->address_count];
        int r = a->ai_family == AF_INET6
                    ? uv_ip6_name((const struct sockaddr_in6 *)a->ai_addr, text, INET6_ADDRSTRLEN)
                    : uv_ip4_name((const struct sockaddr_in *)a->ai_addr, text, INET6_ADDRSTRLEN);
        redis->address_count += r == 0 ? 1 : 0;
    }
    uv_freeaddrinfo(list);
    if (redis->state != CW_REDIS_RESOLVING)
        return;
    if (redis->address_count > 0)
        connect_to_next(redis);
    else
        cw_redis_drop(redis, CW_ENET, status != 0 ? uv_strerror(status) : "the name has no address");
}

/* A name is asked for on libuv's pool: hiredis would block. */
static void resolve(struct cw_redis *redis)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    redis->state = CW_REDIS_RESOLVING;
    if (redis->lookup != NULL)
        return;
    struct cw_redis_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL ||
        uv_getaddrinfo(redis->uv, &lookup->uv, on_resolved, redis->url.host, NULL, &hints) != 0) {
        free(lookup);
        cw_redis_drop(redis, CW_ENOMEM, "no memory to resolve the name");
        return;
    }
    lookup->redis = redis;
    redis->lookup = lookup;
}

static void attempt(struct cw_redis *redis)
{
    struct in6_addr addr;
    arm(redis, redis->command_timeout_ms);
    if (inet_pton(AF_INET, redis->url.host, &addr) == 1 || inet_pton(AF_INET6, redis->url.host, &addr) == 1)
        connect_to(redis, redis->url.host);
    else if (redis->address_next < redis->address_count)
        connect_to_next(redis);
    else
        resolve(redis);
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

static void watch(struct cw_redis *redis)
{
    if (redis->inflight == 0)
        return;
    int64_t silent_ms = cw_mono_ms() - redis->heard_ms;
    if (silent_ms >= redis->command_timeout_ms)
        cw_redis_drop(redis, CW_ENET, "no answer to any command for too long");
    else
        arm(redis, redis->command_timeout_ms - silent_ms);
}

static void on_timer(uv_timer_t *timer)
{
    struct cw_redis *redis = timer->data;
    switch (redis->state) {
    case CW_REDIS_IDLE:
        break;
    case CW_REDIS_BACKOFF:
        attempt(redis);
        break;
    case CW_REDIS_READY:
        watch(redis);
        break;
    case CW_REDIS_RESOLVING:
    case CW_REDIS_CONNECTING:
    case CW_REDIS_GREETING:
        cw_redis_drop(redis, CW_ENET, "no connection within the time-out");
        break;
    }
}

void cw_redis_start(struct cw_redis *redis)
{
    if (redis->state == CW_REDIS_IDLE)
        attempt(redis);
}

void cw_redis_sent(struct cw_redis *redis)
{
    if (redis->inflight++ > 0)
        return;
    redis->heard_ms = cw_mono_ms();
    if (!uv_is_active((uv_handle_t *)redis->timer))
        arm(redis, redis->command_timeout_ms);
}

void cw_redis_heard(struct cw_redis *redis, bool is_answer)
{
    CW_BUG_ON(redis->inflight == 0);
    redis->inflight--;
    if (is_answer)
        redis->heard_ms = cw_mono_ms();
    if (redis->state == CW_REDIS_READY)
        cw_queue_signal(&redis->waiters);
}

void cw_redis_shut(struct cw_redis *redis)
{
    redisAsyncContext *ac = CW_TAKE(redis->ac);
    redis->state = CW_REDIS_IDLE;
    if (ac != NULL) {
        ac->data = NULL;
        redisAsyncFree(ac);
    }
    if (redis->lookup != NULL) {
        redis->lookup->redis = NULL;
        (void)uv_cancel((uv_req_t *)&redis->lookup->uv);
    }
    cw_uv_close_free(CW_TAKE(redis->timer));
}

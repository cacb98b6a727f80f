#include "common/net/redis.h"

#include <openssl/ssl.h>

#include "common/digest.h"
#include "common/net/redis_impl.h"

#define COMMAND_TIMEOUT_MS 5000
#define INFLIGHT_MAX 20000

/* A command on its way; freed when hiredis reports its end. */
struct pending {
    struct cw_redis *redis;
    struct cw_wait *wait; /* on the caller's stack, as all below; NULL: the caller has given up */
    struct cw_arena *mem;
    struct cw_redis_reply *reply;
    struct cw_err *err;
};

/* --- answers ------------------------------------------------------------------------------------------------------ */

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Fill err from an error answer; true when the connection is of no more use. */
static bool read_error(const char *text, struct cw_err *err)
{
    static const char *const away[] = {"READONLY", "LOADING", "MASTERDOWN"};
    static const char *const refused[] = {"NOAUTH", "WRONGPASS"};
    char word[64];
    size_t n = strcspn(text, " ");
    (void)cw_z_copy(word, CW_MIN(sizeof word, n + 1), text);
    bool is_away = is_one_of(word, away, CW_ARRAY_LEN(away));
    bool is_refused = is_one_of(word, refused, CW_ARRAY_LEN(refused));
    int code = CW_EREMOTE;
    if (is_away)
        code = CW_ENET;
    else if (is_refused || strcmp(word, "NOPERM") == 0)
        code = CW_EAUTH;
    (void)cw_err_set(err, code, "Redis answers: %s", text);
    (void)cw_z_copy(err->remote_code, sizeof err->remote_code, word);
    return is_away || is_refused;
}

static void on_reply(redisAsyncContext *ac, void *answer, void *arg)
{
    struct pending *p = arg;
    struct cw_redis *redis = p->redis;
    const redisReply *reply = answer;
    struct cw_err err = {0};
    bool is_over = false;
    int r = 0;
    if (reply == NULL) {
        const char *why =
            ac->err != 0 && ac->errstr != NULL && ac->errstr[0] != '\0' ? ac->errstr : redis->last_error.text;
        r = cw_err_set(&err, CW_ENET, "connection to Redis lost: %s", why[0] != '\0' ? why : "closed");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        is_over = read_error(reply->str, &err);
        r = -err.code;
    } else if (p->wait != NULL) {
        r = cw_redis_reply_copy(reply, p->mem, p->reply);
        if (r < 0)
            (void)cw_err_set(&err, r, "Redis' answer: %s", cw_err_text(r));
    }
    if (p->wait != NULL) {
        if (r < 0)
            *p->err = err;
        cw_wait_done(p->wait, r);
    }
    free(p);
    cw_redis_heard(redis, reply != NULL);
    if (is_over && redis->ac == ac)
        cw_redis_drop(redis, err.code, err.text);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static int wait_for_line(struct cw_redis *redis, struct cw_deadline until, struct cw_err *err)
{
    while (redis->state != CW_REDIS_READY || redis->inflight >= redis->inflight_max) {
        cw_redis_start(redis);
        uint64_t refusals = redis->refusals;
        int r = cw_queue_wait(&redis->waiters, until);
        if (r == -CW_ETIMEDOUT && redis->state != CW_REDIS_READY)
            return cw_err_set(err, CW_ENET, "no connection to Redis before the deadline%s%s",
                              redis->last_error.code != 0 ? ": " : "", redis->last_error.text);
        if (r < 0)
            return cw_err_set(err, r, "wait for Redis: %s", cw_err_text(r));
        if (redis->refusals != refusals && redis->last_error.code != 0) {
            *err = redis->last_error;
            return -err->code;
        }
    }
    return 0;
}

static void encode(size_t argc, const struct cw_str *argv, struct cw_buf *out)
{
    cw_buf_addf(out, "*%zu\r\n", argc);
    for (size_t i = 0; i < argc; i++) {
        cw_buf_addf(out, "$%zu\r\n", argv[i].n);
        cw_buf_add(out, argv[i].p, argv[i].n);
        cw_buf_add(out, "\r\n", 2);
    }
}

static int send_command(struct cw_redis *redis, size_t argc, const struct cw_str *argv,
                        struct pending *take_p)
{
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    encode(argc, argv, &text);
    if (text.failed || redisAsyncFormattedCommand(redis->ac, on_reply, take_p, text.p, text.n) != REDIS_OK) {
        free(take_p);
        return -CW_ENOMEM;
    }
    cw_redis_sent(redis);
    return 0;
}

int cw_redis_call(struct cw_redis *redis, size_t argc, const struct cw_str *argv, struct cw_deadline until,
                  struct cw_arena *mem, struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    CW_PRE(argc > 0);
    int r = -cw_fiber_cancel_reason();
    if (r == 0 && cw_is_past(until))
        r = -CW_ETIMEDOUT;
    if (r < 0)
        return cw_err_set(err, r, "command not sent to Redis: %s", cw_err_text(r));
    r = wait_for_line(redis, until, err);
    if (r < 0)
        return r;
    struct pending *p = calloc(1, sizeof *p);
    if (p == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a Redis command");
    struct cw_wait w;
    struct cw_redis_reply reply = {0};
    struct cw_err error = {0};
    cw_wait_arm(&w);
    *p = (struct pending){.redis = redis, .wait = &w, .mem = mem, .reply = &reply, .err = &error};
    r = send_command(redis, argc, argv, p);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a Redis command");
    r = cw_wait_for(&w, cw_sooner(until, cw_in_ms(redis->command_timeout_ms)));
    if (!w.done)
        p->wait = NULL;
    if (!w.done || r != w.result)
        return cw_err_set(err, r, "Redis command " CW_STR_FMT ": %s", CW_STR_ARG(argv[0]), cw_err_text(r));
    if (r < 0)
        *err = error;
    else
        *ret_reply = reply;
    return r;
}

/* --- scripts ------------------------------------------------------------------------------------------------------ */

/* NULL when the digest can't be computed or remembered. */
static const char *digest_of(struct cw_redis *redis, const struct cw_redis_script *script)
{
    for (size_t i = 0; i < redis->digest_count; i++)
        if (redis->digests[i].script == script)
            return redis->digests[i].sha1;
    unsigned char sha1[CW_SHA1_BYTES];
    if (redis->digest_count == CW_REDIS_SCRIPTS_MAX || !cw_sha1(script->lua, strlen(script->lua), sha1))
        return NULL;
    struct cw_redis_digest *digest = &redis->digests[redis->digest_count++];
    digest->script = script;
    cw_hex(sha1, sizeof sha1, digest->sha1);
    return digest->sha1;
}

int cw_redis_eval(struct cw_redis *redis, const struct cw_redis_script *script, size_t key_count,
                  const char *const *keys, size_t arg_count, const struct cw_str *args,
                  struct cw_deadline until, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                  struct cw_err *err)
{
    size_t argc = 3 + key_count + arg_count;
    struct cw_str *argv = cw_arena_alloc_array(mem, argc, sizeof *argv);
    char *numkeys = cw_arena_printf(mem, "%zu", key_count);
    if (argv == NULL || numkeys == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Redis script %s", script->name);
    const char *digest = digest_of(redis, script);
    argv[0] = cw_str_of(digest != NULL ? "EVALSHA" : "EVAL");
    argv[1] = cw_str_of(digest != NULL ? digest : script->lua);
    argv[2] = cw_str_of(numkeys);
    for (size_t i = 0; i < key_count; i++)
        argv[3 + i] = cw_str_of(keys[i]);
    for (size_t i = 0; i < arg_count; i++)
        argv[3 + key_count + i] = args[i];
    int r = cw_redis_call(redis, argc, argv, until, mem, ret_reply, err);
    if (r == -CW_EREMOTE && strcmp(err->remote_code, "NOSCRIPT") == 0) {
        argv[0] = cw_str_of("EVAL");
        argv[1] = cw_str_of(script->lua);
        r = cw_redis_call(redis, argc, argv, until, mem, ret_reply, err);
    }
    return r < 0 ? cw_err_wrap(err, "script %s", script->name) : r;
}

bool cw_redis_is_connected(const struct cw_redis *redis)
{
    return redis->state == CW_REDIS_READY;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------- */

static int override(char **field, const char *value)
{
    if (value == NULL)
        return 0;
    free(*field);
    *field = strdup(value);
    return *field != NULL ? 0 : -CW_ENOMEM;
}

static int load_tls(struct cw_redis *redis, const char *ca_file, struct cw_err *err)
{
    redis->tls = SSL_CTX_new(TLS_client_method());
    if (redis->tls == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for TLS");
    (void)SSL_CTX_set_min_proto_version(redis->tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(redis->tls, SSL_VERIFY_PEER, NULL);
    int ok = ca_file != NULL ? SSL_CTX_load_verify_locations(redis->tls, ca_file, NULL)
                             : SSL_CTX_set_default_verify_paths(redis->tls);
    return ok == 1 ? 0
                   : cw_err_set(err, CW_EINVAL, "cannot read the trusted certificates %s",
                                ca_file != NULL ? ca_file : "");
}

static int set_up(struct cw_redis *redis, struct cw_loop *loop, const struct cw_redis_cfg *cfg,
                  struct cw_err *err)
{
    redis->uv = cw_loop_uv(loop);
    redis->command_timeout_ms = cfg->command_timeout_ms > 0 ? cfg->command_timeout_ms : COMMAND_TIMEOUT_MS;
    redis->inflight_max = cfg->inflight_max > 0 ? cfg->inflight_max : INFLIGHT_MAX;
    int r = cw_redis_url_parse(cfg->url, &redis->url, err);
    if (r < 0)
        return r;
    if (override(&redis->url.username, cfg->username) < 0 ||
        override(&redis->url.password, cfg->password) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Redis client");
    if (redis->url.is_tls) {
        r = load_tls(redis, cfg->ca_file, err);
        if (r < 0)
            return r;
    }
    redis->timer = calloc(1, sizeof *redis->timer);
    if (redis->timer == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Redis client");
    (void)uv_timer_init(redis->uv, redis->timer);
    redis->timer->data = redis;
    return 0;
}

int cw_redis_new(struct cw_loop *loop, const struct cw_redis_cfg *cfg, struct cw_redis **ret_redis,
                 struct cw_err *err)
{
    struct cw_redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the Redis client");
    int r = set_up(redis, loop, cfg, err);
    if (r < 0) {
        cw_redis_free(redis);
        return r;
    }
    *ret_redis = redis;
    return 0;
}

void cw_redis_free(struct cw_redis *redis)
{
    if (redis == NULL)
        return;
    cw_redis_shut(redis);
    CW_PRE(cw_queue_is_empty(&redis->waiters));
    CW_BUG_ON(redis->inflight != 0);
    SSL_CTX_free(redis->tls);
    cw_redis_url_fini(&redis->url);
    free(redis);
}

#include "worker/engine/lock.h"

#include "common/time.h"
#include "worker/engine/durable.h"
#include "worker/engine/refusal.h"

#define CALL_MEM_BYTES ((size_t)64 * 1024)
#define RETRY_BASE_MS 100
#define RETRY_CAP_MS 2000
#define RELEASE_MS 3000
#define RENEWALS_MAX 32                      /* at the same time */
#define EPOCH_ZERO_MS INT64_C(1704067200000) /* 2024-01-01; also in CW_LOCK_LUA_EPOCH */

struct cw_locks {
    struct cw_locks_cfg cfg;
    char *worker_id;
    struct cw_timer *timer;
    struct cw_lease *first; /* held leases, in no order */
    struct cw_lease *next;  /* of this round's leases: the first that was not looked at */
    size_t renewing;        /* fibers under way */
    size_t releasing;       /* fibers under way */
    uint64_t confirmations; /* of replicas, asked for so far */
    bool is_confirming;
    struct cw_lease *unsent; /* given back, but no fiber could be had: tried again by the timer */
};

struct cw_lease {
    struct cw_locks *locks;
    struct cw_lease *prev;
    struct cw_lease *next;
    struct cw_arena *mem; /* holds all strings below */
    const char *lock_key;
    const char *epoch_key;
    const char *fresh_key;
    const char *job_key; /* NULL = none */
    const char *token;
    const char *value; /* as it stands in Redis; NULL until taken */
    uint64_t epoch;
    const struct cw_lease_ops *ops;
    void *ops_arg;
    struct cw_deadline ends;        /* on our clock */
    struct cw_deadline renew;       /* next renewal */
    struct cw_deadline unconfirmed; /* `ends`, once replicas have the renewal too */
    uint64_t unconfirmed_since;     /* locks->confirmations at that time */
    bool is_unconfirmed;
    bool is_renewing; /* or about to be */
    bool is_given;
    bool is_lost;
    bool is_cancel_told;
};

static const struct cw_redis_script acquire_script = {
    .name = "lock.acquire",
    .lua = "local cur = redis.call('GET', KEYS[1])\n"
           "if cur then\n"
           "  if string.match(cur, '^%d+|([^|]*)|') == ARGV[1] then\n"
           "    redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
           "    return {1, cur}\n"
           "  end\n"
           "  return {0, cur, redis.call('PTTL', KEYS[1])}\n"
           "end\n" CW_LOCK_LUA_EPOCH "local fresh = redis.call('GET', KEYS[3])\n"
           "if fresh and fresh ~= ARGV[4] then return {2, fresh} end\n"
           "if fresh then redis.call('DEL', KEYS[3]) end\n"
           "local epoch = redis.call('INCR', KEYS[2])\n"
           "if epoch < tonumber(now) then\n"
           "  epoch = tonumber(now)\n"
           "  redis.call('SET', KEYS[2], now)\n"
           "end\n"
           "local value = string.format('%d|%s|%s', epoch, ARGV[1], ARGV[2])\n"
           "redis.call('SET', KEYS[1], value, 'PX', ARGV[3])\n"
           "return {1, value}\n",
};

static const struct cw_redis_script renew_script = {
    .name = "lock.renew",
    .lua = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end\n"
           "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
           "if KEYS[2] then return {1, redis.call('HGET', KEYS[2], 'cancel')} end\n"
           "return {1}\n",
};

static const struct cw_redis_script release_script = {
    .name = "lock.release",
    .lua = "local cur = redis.call('GET', KEYS[1])\n"
           "if not cur or string.match(cur, '^%d+|([^|]*)|') ~= ARGV[1] then return 0 end\n"
           "return redis.call('DEL', KEYS[1])\n",
};

uint64_t cw_lock_epoch_at(int64_t redis_wall_ms)
{
    return (uint64_t)CW_MAX(redis_wall_ms - EPOCH_ZERO_MS, INT64_C(0));
}

char *cw_lock_key(struct cw_arena *mem, const char *resource, const char *suffix)
{
    return cw_arena_printf(mem, "cw:{%s}:%s", resource, suffix);
}

/* ---- leases ---------------------------------------------------------------------------------------------------------- */

static void free_lease(struct cw_lease *lease)
{
    cw_arena_free(lease->mem);
    free(lease);
}

static void link_lease(struct cw_lease *lease)
{
    struct cw_locks *locks = lease->locks;
    lease->next = locks->first;
    lease->prev = NULL;
    if (locks->first != NULL)
        locks->first->prev = lease;
    locks->first = lease;
}

static void unlink_lease(struct cw_lease *lease)
{
    *(lease->prev != NULL ? &lease->prev->next : &lease->locks->first) = lease->next;
    if (lease->next != NULL)
        lease->next->prev = lease->prev;
    if (lease->locks->next == lease)
        lease->locks->next = lease->next;
    lease->prev = lease->next = NULL;
}

static void lose(struct cw_lease *lease)
{
    if (lease->is_lost || lease->is_given)
        return;
    lease->is_lost = true;
    lease->ops->lost(lease->ops_arg);
}

static int64_t left_ms(const struct cw_lease *lease)
{
    return cw_left_ms(lease->ends);
}

uint64_t cw_lease_epoch(const struct cw_lease *lease)
{
    return lease->epoch;
}

const char *cw_lease_value(const struct cw_lease *lease)
{
    return lease->value;
}

const char *cw_lease_key(const struct cw_lease *lease)
{
    return lease->lock_key;
}

int cw_lease_check(const struct cw_lease *lease, struct cw_err *err)
{
    if (!lease->is_lost && left_ms(lease) > lease->locks->cfg.margin_ms)
        return 0;
    return cw_err_set(err, CW_ELOST, "the lease of %s has %lld ms left", lease->lock_key,
                      (long long)left_ms(lease));
}

/* ---- renewal --------------------------------------------------------------------------------------------------------- */

static void renewed(struct cw_lease *lease, struct cw_deadline asked, const struct cw_redis_reply *reply)
{
    int64_t lease_ms = lease->locks->cfg.lease_ms;
    if (reply->type != CW_REDIS_ARRAY || reply->count < 1 || reply->items[0].num != 1) {
        lose(lease);
        return;
    }
    lease->unconfirmed.mono_ms = asked.mono_ms + lease_ms;
    lease->unconfirmed_since = lease->locks->confirmations;
    lease->is_unconfirmed = true;
    lease->renew.mono_ms = asked.mono_ms + lease_ms / 3;
    bool has_flag = reply->count > 1 && reply->items[1].type == CW_REDIS_STR;
    if (has_flag && !lease->is_cancel_told && !lease->is_given && lease->ops->cancel != NULL) {
        lease->is_cancel_told = true;
        lease->ops->cancel(lease->ops_arg, reply->items[1].str.p);
    }
}

static bool has_unconfirmed(const struct cw_locks *locks)
{
    const struct cw_lease *lease = locks->first;
    while (lease != NULL && !lease->is_unconfirmed)
        lease = lease->next;
    return lease != NULL;
}

/* Those whose answer had come before the confirmation was asked for. When there is none, they are renewed again soon. */
static void settle_unconfirmed(struct cw_locks *locks, uint64_t confirmation, bool has_it)
{
    int64_t lease_ms = locks->cfg.lease_ms;
    for (struct cw_lease *lease = locks->first; lease != NULL; lease = lease->next) {
        if (!lease->is_unconfirmed || lease->unconfirmed_since >= confirmation)
            continue;
        if (has_it)
            lease->ends = lease->unconfirmed;
        else
            lease->renew = cw_in_ms(cw_random_between(lease_ms / 20, lease_ms / 10));
        lease->is_unconfirmed = false;
    }
}

/* A replica that takes the server's place must know of a renewal before its holder counts on it. One question for all at a time. */
static void confirm_renewals(struct cw_locks *locks, struct cw_arena *mem)
{
    const struct cw_locks_cfg *cfg = &locks->cfg;
    struct cw_err err = {0};
    if (locks->is_confirming)
        return;
    locks->is_confirming = true;
    while (has_unconfirmed(locks)) {
        uint64_t mine = ++locks->confirmations;
        struct cw_deadline until = cw_in_ms(cfg->lease_ms / 3);
        int r = cw_durable_confirm(cfg->redis, cfg->wait_replicas, until, mem, &err);
        settle_unconfirmed(locks, mine, r == 1);
        cw_arena_reset(mem);
    }
    locks->is_confirming = false;
}

static int renew_once(struct cw_lease *lease, struct cw_arena *mem, struct cw_err *err)
{
    char ttl[24];
    (void)snprintf(ttl, sizeof ttl, "%lld", (long long)lease->locks->cfg.lease_ms);
    const char *keys[] = {lease->lock_key, lease->job_key};
    const struct cw_str args[] = {cw_str_of(lease->value), cw_str_of(ttl)};
    struct cw_deadline asked = cw_in_ms(0);
    struct cw_deadline until = {lease->ends.mono_ms - lease->locks->cfg.margin_ms};
    until = cw_sooner(until, cw_in_ms(lease->locks->cfg.lease_ms / 3));
    struct cw_redis_reply reply;
    int r = cw_redis_eval(lease->locks->cfg.redis, &renew_script, lease->job_key == NULL ? 1 : 2, keys, 2,
                          args, until, mem, &reply, err);
    if (r < 0)
        return r;
    renewed(lease, asked, &reply);
    return 0;
}

static void give_in_background(struct cw_lease *lease);

static struct cw_lease *next_to_renew(struct cw_locks *locks)
{
    while (locks->next != NULL) {
        struct cw_lease *lease = locks->next;
        locks->next = lease->next;
        if (!lease->is_lost && !lease->is_renewing && cw_is_past(lease->renew)) {
            lease->is_renewing = true;
            return lease;
        }
    }
    return NULL;
}

static void renew(struct cw_lease *lease, struct cw_arena *mem)
{
    int64_t lease_ms = lease->locks->cfg.lease_ms;
    struct cw_err err = {0};
    if (mem == NULL || renew_once(lease, mem, &err) < 0)
        lease->renew = cw_in_ms(cw_random_between(lease_ms / 20, lease_ms / 10));
    else
        confirm_renewals(lease->locks, mem);
    lease->is_renewing = false;
    if (lease->is_given)
        give_in_background(lease);
}

/* That one, then others, until none is left that is due: so many leases can be renewed as Redis answers. */
static int renew_main(void *arg)
{
    struct cw_lease *lease = arg;
    struct cw_locks *locks = lease->locks;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    (void)cw_arena_new(CALL_MEM_BYTES, &mem);
    for (; lease != NULL; lease = next_to_renew(locks)) {
        renew(lease, mem);
        if (mem != NULL)
            cw_arena_reset(mem);
    }
    locks->renewing--;
    return 0;
}

static void start_renewals(struct cw_locks *locks)
{
    struct cw_lease *lease;
    struct cw_fiber *fiber;
    locks->next = locks->first;
    while (locks->renewing < RENEWALS_MAX && (lease = next_to_renew(locks)) != NULL) {
        if (cw_fiber_spawn(cw_loop_sched(locks->cfg.loop), "lock.renew", renew_main, lease, &fiber) < 0) {
            lease->is_renewing = false;
            return;
        }
        cw_fiber_detach(fiber);
        locks->renewing++;
    }
}

static void tick(void *arg)
{
    struct cw_locks *locks = arg;
    for (struct cw_lease *lease = locks->first, *next; lease != NULL; lease = next) {
        next = lease->next;
        if (!lease->is_lost && left_ms(lease) <= locks->cfg.margin_ms)
            lose(lease);
    }
    start_renewals(locks);
    for (struct cw_lease *lease = CW_TAKE(locks->unsent), *next; lease != NULL; lease = next) {
        next = lease->next;
        give_in_background(lease);
    }
}

/* ---- release --------------------------------------------------------------------------------------------------------- */

static int release_main(void *arg)
{
    struct cw_lease *lease = arg;
    struct cw_locks *locks = lease->locks;
    struct cw_err err = {0};
    struct cw_redis_reply reply;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    int r = cw_arena_new(CALL_MEM_BYTES, &mem);
    if (r == 0) {
        const char *keys[] = {lease->lock_key};
        const struct cw_str args[] = {cw_str_of(lease->token)};
        r = cw_redis_eval(locks->cfg.redis, &release_script, 1, keys, 1, args, cw_in_ms(RELEASE_MS), mem,
                          &reply, &err);
    }
    locks->releasing--;
    free_lease(lease);
    return r;
}

/* The lease is in no list any more. */
static void give_in_background(struct cw_lease *lease)
{
    struct cw_locks *locks = lease->locks;
    struct cw_fiber *fiber;
    if (cw_fiber_spawn(cw_loop_sched(locks->cfg.loop), "lock.release", release_main, lease, &fiber) < 0) {
        lease->next = locks->unsent;
        locks->unsent = lease;
        return;
    }
    cw_fiber_detach(fiber);
    locks->releasing++;
}

void cw_lock_give(struct cw_lease *lease)
{
    if (lease == NULL)
        return;
    unlink_lease(lease);
    lease->is_given = true;
    if (!lease->is_renewing)
        give_in_background(lease);
}

/* ---- acquisition ----------------------------------------------------------------------------------------------------- */

struct attempt {
    struct cw_lease *lease;
    const char *who; /* "<worker>|<request id>" */
    int64_t since_wall_ms;
    int64_t backoff_ms;
    struct cw_arena *mem; /* reset by each try */
    char owner[128];      /* request id of the last owner that was seen */
    char fresh[24];       /* the third key, as it was when Redis turned out to remember for long enough */
};

/* What became of a try. */
enum tried { HELD = 0, TAKEN = 1, FRESH = 2 };

/* Split "<epoch>|<token>|<worker>|<request id>"; z is changed. */
static bool parse_value(char *z, uint64_t *ret_epoch, const char **ret_worker, const char **ret_request)
{
    char *token = strchr(z, '|');
    char *worker = token == NULL ? NULL : strchr(token + 1, '|');
    char *request = worker == NULL ? NULL : strchr(worker + 1, '|');
    int64_t epoch;
    if (request == NULL)
        return false;
    *token = *worker = *request = '\0';
    if (!cw_z_to_i64(z, &epoch) || epoch < 0)
        return false;
    *ret_epoch = (uint64_t)epoch;
    *ret_worker = worker + 1;
    *ret_request = request + 1;
    return true;
}

static int read_owner(struct attempt *a, const char *value, struct cw_lock_owner *ret_owner,
                      struct cw_err *err)
{
    char *copy = cw_arena_strdup(a->mem, value);
    if (copy == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory");
    if (!parse_value(copy, &ret_owner->epoch, &ret_owner->worker_id, &ret_owner->request_id))
        return cw_err_set(err, CW_EPROTO, "the lock %s holds something else", a->lease->lock_key);
    return 0;
}

/* Does Redis remember for longer than a lease? Asked after it said that it knows nothing of the lock: so it has not forgotten it just now.
 * *ret_ttl_ms = until it does; 0 = it does. */
static int look_back(struct attempt *a, const char *fresh, struct cw_deadline until, int64_t *ret_ttl_ms,
                     struct cw_err *err)
{
    const struct cw_locks_cfg *cfg = &a->lease->locks->cfg;
    struct cw_durable durable;
    (void)cw_z_copy(a->fresh, sizeof a->fresh, fresh);
    int r = cw_durable_look(cfg->redis, until, a->mem, &durable, err);
    *ret_ttl_ms = r < 0 ? 0 : CW_MAX(cfg->lease_ms - durable.age_ms, INT64_C(0));
    if (r < 0 || *ret_ttl_ms > 0)
        a->fresh[0] = '\0';
    return r;
}

static int keep_value(struct cw_lease *lease, const char *value, uint64_t epoch, struct cw_deadline asked,
                      struct cw_err *err)
{
    lease->value = cw_arena_strdup(lease->mem, value);
    lease->epoch = epoch;
    lease->ends.mono_ms = asked.mono_ms + lease->locks->cfg.lease_ms;
    lease->renew.mono_ms = asked.mono_ms + lease->locks->cfg.lease_ms / 3;
    return lease->value != NULL ? 0 : cw_err_set(err, CW_ENOMEM, "no memory");
}

/* A `enum tried`. HELD: ret_owner is filled; *ret_ttl_ms. FRESH: *ret_ttl_ms, 0 = try again at once. */
static int try_once(struct attempt *a, struct cw_deadline until, struct cw_lock_owner *ret_owner,
                    int64_t *ret_ttl_ms, struct cw_err *err)
{
    struct cw_lease *lease = a->lease;
    char ttl[24];
    (void)snprintf(ttl, sizeof ttl, "%lld", (long long)lease->locks->cfg.lease_ms);
    const char *keys[] = {lease->lock_key, lease->epoch_key, lease->fresh_key};
    const struct cw_str args[] = {cw_str_of(lease->token), cw_str_of(a->who), cw_str_of(ttl),
                                  cw_str_of(a->fresh)};
    struct cw_deadline asked = cw_in_ms(0);
    struct cw_redis_reply reply;
    int r =
        cw_redis_eval(lease->locks->cfg.redis, &acquire_script, 3, keys, 4, args, until, a->mem, &reply, err);
    if (r < 0)
        return r;
    if (reply.type != CW_REDIS_ARRAY || reply.count < 2 || reply.items[1].type != CW_REDIS_STR)
        return cw_err_set(err, CW_EPROTO, "unintelligible answer of lock.acquire");
    const char *value = reply.items[1].str.p;
    ret_owner->is_forgotten = reply.items[0].num == FRESH;
    if (ret_owner->is_forgotten) {
        r = look_back(a, value, until, ret_ttl_ms, err);
        return r < 0 ? r : FRESH;
    }
    *ret_ttl_ms = reply.count > 2 ? reply.items[2].num : 0;
    r = read_owner(a, value, ret_owner, err);
    if (r < 0 || reply.items[0].num != TAKEN)
        return r;
    r = keep_value(lease, value, ret_owner->epoch, asked, err);
    return r < 0 ? r : TAKEN;
}

/* 0 = worth another try. The deadline counts before whatever Redis said. */
static int judge(const struct attempt *a, int r, struct cw_deadline until, struct cw_err *err)
{
    struct cw_trouble *trouble = a->lease->locks->cfg.trouble;
    enum cw_class class = cw_err_class_of(r);
    char why[CW_ERR_TEXT_BYTES];
    if (r >= 0)
        cw_trouble_over(trouble);
    if (r >= 0 || cw_class_is_stop(class) || r == -CW_ENOMEM)
        return CW_MIN(r, 0);
    enum cw_refusal refusal = cw_refusal_of(err);
    cw_trouble_note(trouble, err, refusal != CW_REFUSAL_PASSES);
    if (!cw_is_past(until))
        return refusal == CW_REFUSAL_FINAL ? r : 0;
    (void)cw_z_copy(why, sizeof why, err->text);
    return cw_err_set(err, CW_ETIMEDOUT, "Redis did not give the lock in time: %s", why);
}

/* Say who has it, then wait. */
static int pause_before_next(struct attempt *a, struct cw_lock_owner *owner, int64_t ttl_ms,
                             struct cw_deadline until)
{
    const struct cw_lease_ops *ops = a->lease->ops;
    int64_t most = a->backoff_ms;
    if (ttl_ms > 0)
        most = CW_MIN(most, ttl_ms + RETRY_BASE_MS);
    owner->next_ms = cw_random_between(most / 2, most);
    owner->since_wall_ms = a->since_wall_ms;
    a->backoff_ms = CW_MIN(a->backoff_ms * 2, (int64_t)RETRY_CAP_MS);
    (void)cw_z_copy(a->owner, sizeof a->owner, owner->request_id);
    if (ops->waiting != NULL)
        ops->waiting(a->lease->ops_arg, owner);
    if (cw_is_past(until))
        return -CW_ETIMEDOUT;
    return cw_sleep(cw_sooner(until, cw_in_ms(owner->next_ms)));
}

static int out_of_time(const struct attempt *a, const struct cw_lock_owner *owner, struct cw_err *err)
{
    if (owner->is_forgotten)
        return cw_err_set(err, CW_ETIMEDOUT, "Redis is new, or forgot who holds %s", a->lease->lock_key);
    return cw_err_set(err, CW_ETIMEDOUT, "%s is held by request %s", a->lease->lock_key,
                      a->owner[0] == '\0' ? "(unknown)" : a->owner);
}

static int take(struct attempt *a, struct cw_deadline until, struct cw_err *err)
{
    const struct cw_locks_cfg *cfg = &a->lease->locks->cfg;
    for (;;) {
        struct cw_lock_owner owner = {.request_id = "", .worker_id = ""};
        int64_t ttl_ms = 0;
        cw_arena_reset(a->mem);
        int r = try_once(a, until, &owner, &ttl_ms, err);
        if (r == FRESH && ttl_ms == 0 && !cw_is_past(until))
            continue;
        if (r == TAKEN) {
            r = cw_durable_confirm(cfg->redis, cfg->wait_replicas, until, a->mem, err);
            if (r == 1 && left_ms(a->lease) > cfg->margin_ms)
                return 0;
            owner = (struct cw_lock_owner){.request_id = "", .worker_id = "", .epoch = a->lease->epoch};
        }
        r = judge(a, r, until, err);
        if (r < 0)
            return r;
        r = pause_before_next(a, &owner, ttl_ms, until);
        if (r == -CW_ETIMEDOUT || (r == 0 && cw_is_past(until)))
            return out_of_time(a, &owner, err);
        if (r < 0)
            return cw_err_set(err, r, "stopped waiting for %s", a->lease->lock_key);
    }
}

static struct cw_lease *new_lease(struct cw_locks *locks, const struct cw_lock_want *want)
{
    struct cw_lease *lease = calloc(1, sizeof *lease);
    if (lease == NULL)
        return NULL;
    if (cw_arena_new(CALL_MEM_BYTES, &lease->mem) < 0) {
        free(lease);
        return NULL;
    }
    char token[CW_UUID_BYTES];
    cw_uuid4(token);
    lease->locks = locks;
    lease->ops = want->ops;
    lease->ops_arg = want->ops_arg;
    lease->token = cw_arena_strdup(lease->mem, token);
    lease->lock_key = cw_lock_key(lease->mem, want->resource, "lock");
    lease->epoch_key = cw_lock_key(lease->mem, want->resource, "epoch");
    lease->fresh_key = cw_lock_key(lease->mem, want->resource, "fresh");
    lease->job_key = cw_arena_strdup(lease->mem, want->job_key);
    if (cw_arena_failed(lease->mem)) {
        free_lease(lease);
        return NULL;
    }
    return lease;
}

/* A try whose answer was not seen may have taken it: the release goes by the token. */
static void give_up(struct cw_lease *lease)
{
    lease->is_given = true;
    give_in_background(lease);
}

int cw_lock_take(struct cw_locks *locks, const struct cw_lock_want *want, struct cw_deadline until,
                 struct cw_lease **ret_lease, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_lease *lease = new_lease(locks, want);
    if (lease == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a lock");
    int r = cw_arena_new(CALL_MEM_BYTES, &mem);
    if (r < 0) {
        free_lease(lease);
        return cw_err_set(err, r, "no memory for a lock");
    }
    struct attempt a = {
        .lease = lease, .since_wall_ms = cw_wall_ms(), .backoff_ms = RETRY_BASE_MS, .mem = mem};
    a.who = cw_arena_printf(lease->mem, "%s|%s", locks->worker_id, want->request_id);
    r = a.who == NULL ? cw_err_set(err, CW_ENOMEM, "no memory for a lock") : take(&a, until, err);
    if (r < 0) {
        give_up(lease);
        return r;
    }
    link_lease(lease);
    *ret_lease = lease;
    return 0;
}

/* ---- all locks ------------------------------------------------------------------------------------------------------- */

int cw_locks_new(const struct cw_locks_cfg *cfg, struct cw_locks **ret_locks)
{
    struct cw_locks *locks = calloc(1, sizeof *locks);
    if (locks == NULL)
        return -CW_ENOMEM;
    locks->cfg = *cfg;
    locks->worker_id = strdup(cfg->worker_id);
    locks->timer = cw_loop_every(cfg->loop, CW_MAX(cfg->lease_ms / 30, (int64_t)1), tick, locks);
    if (locks->worker_id == NULL || locks->timer == NULL) {
        cw_loop_cancel_timer(locks->timer);
        free(locks->worker_id);
        free(locks);
        return -CW_ENOMEM;
    }
    for (char *p = locks->worker_id; *p != '\0'; p++)
        *p = *p == '|' ? '_' : *p;
    *ret_locks = locks;
    return 0;
}

void cw_locks_free(struct cw_locks *locks)
{
    if (locks == NULL)
        return;
    CW_PRE(cw_locks_is_idle(locks));
    cw_loop_cancel_timer(locks->timer);
    free(locks->worker_id);
    free(locks);
}

bool cw_locks_is_idle(const struct cw_locks *locks)
{
    return locks->first == NULL && locks->renewing == 0 && locks->releasing == 0 && locks->unsent == NULL;
}

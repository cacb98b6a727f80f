#include "common/azure/quota.h"

#include <math.h>
#include <strings.h>

#include "common/azure/gcra.h"
#include "common/fiber/wait.h"

#define CHAINS 256
#define LEASE_MAX 16
#define LEASE_MS 2000 /* tokens that were not used by then are given up */
#define HOT_MS 500    /* asked again so soon: take more at once */
#define ASK_TIMEOUT_MS 1000
#define AWAY_MS 5000 /* after a failure Redis is not asked for so long */
#define HEAL_MS 60000
#define THROTTLE_DEFAULT_MS 60000
#define NAP_MAX_MS 10000 /* look again at least so often: others may have given tokens back */
#define FLEET_DEFAULT 4
#define RESERVE_DEFAULT 20

struct lane {
    struct cw_queue waiters;
    bool is_asking; /* one fiber asks for all */
    size_t waiting;
    int64_t leased;
    int64_t lease_ends_ms; /* monotonic */
    int64_t next_lease;
    int64_t asked_ms; /* monotonic */
};

struct bucket {
    struct bucket *next;
    char *key;
    double rate;
    double burst;
    double remaining;   /* told by an answer, not yet passed on; < 0 = nothing */
    struct cw_gcra own; /* monotonic clock; used when Redis is away */
    int64_t blocked_ms; /* monotonic: known to this process */
    struct lane lanes[CW_LANE__COUNT];
};

struct cw_quota {
    struct cw_redis *redis;
    char *prefix; /* "china/<tenant>/<principal>" */
    enum cw_throttle_model model;
    double scale;
    int fleet;
    int reserve_percent;
    int64_t away_until_ms;
    struct bucket *chains[CHAINS];
};

/* KEYS: bucket. ARGV: rate, burst, reserve, remaining, heal_ms, want. Answer: granted, wait_ms, blocked. */
static const struct cw_redis_script take_script = {
    .name = "quota.take",
    .lua = "local t = redis.call('TIME')\n"
           "local now = t[1] * 1000 + t[2] / 1000\n"
           "local rate, burst, reserve = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
           "local remaining, heal, want = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])\n"
           "local h = redis.call('HMGET', KEYS[1], 'tat', 'blocked', 'factor', 'clean')\n"
           "local tat, blocked = tonumber(h[1]) or 0, tonumber(h[2]) or 0\n"
           "local factor, clean = tonumber(h[3]) or 1, tonumber(h[4]) or 0\n"
           "if blocked > now then return {0, math.ceil(blocked - now), 1} end\n"
           "if factor < 1 and now > clean then\n"
           "  factor = math.min(1, factor + 0.1 * math.floor((now - clean) / heal))\n"
           "end\n"
           "local step = 1000 / (rate * factor)\n"
           "local full = now + burst * step\n"
           "tat = math.max(tat, now)\n"
           "if remaining >= 0 and remaining < (full - tat) / step then tat = full - remaining * step end\n"
           "local room = (full - tat) / step - reserve\n"
           "local granted, wait = 0, 0\n"
           "if room + 1e-6 < 1 then\n"
           "  wait = math.max(1, math.ceil((1 - room) * step))\n"
           "else\n"
           "  granted = math.min(want, math.floor(room + 1e-6))\n"
           "  tat = tat + granted * step\n"
           "end\n"
           "redis.call('HSET', KEYS[1], 'tat', string.format('%.3f', tat))\n"
           "redis.call('PEXPIRE', KEYS[1], 7200000)\n"
           "return {granted, wait, 0}\n",
};

/* KEYS: bucket. ARGV: for_ms, heal_ms. */
static const struct cw_redis_script block_script = {
    .name = "quota.block",
    .lua = "local t = redis.call('TIME')\n"
           "local now = t[1] * 1000 + t[2] / 1000\n"
           "local for_ms, heal = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
           "local h = redis.call('HMGET', KEYS[1], 'blocked', 'factor', 'clean')\n"
           "local blocked, factor, clean = tonumber(h[1]) or 0, tonumber(h[2]) or 1, tonumber(h[3]) or 0\n"
           "if now >= blocked then\n"
           "  if factor < 1 and now > clean then\n"
           "    factor = math.min(1, factor + 0.1 * math.floor((now - clean) / heal))\n"
           "  end\n"
           "  factor = math.max(0.0625, factor / 2)\n"
           "end\n"
           "blocked = math.max(blocked, now + for_ms)\n"
           "redis.call('HSET', KEYS[1], 'blocked', string.format('%.3f', blocked), 'factor', factor,\n"
           "           'clean', string.format('%.3f', blocked))\n"
           "redis.call('PEXPIRE', KEYS[1], math.max(7200000, math.ceil(for_ms) + 7200000))\n"
           "return 1\n",
};

int cw_quota_new(const struct cw_quota_cfg *cfg, struct cw_quota **ret_quota, struct cw_err *err)
{
    struct cw_quota *q = calloc(1, sizeof *q);
    CW_AUTO(cw_buf_fini) struct cw_buf prefix = {0};
    cw_buf_addf(&prefix, "%s/%s/%s", cfg->cloud->name, cfg->tenant_id != NULL ? cfg->tenant_id : "",
                cfg->principal != NULL ? cfg->principal : "");
    char *z = cw_buf_take(&prefix);
    if (q == NULL || z == NULL) {
        free(q);
        free(z);
        return cw_err_set(err, CW_ENOMEM, "quota");
    }
    q->redis = cfg->redis;
    q->prefix = z;
    q->model = cfg->cloud->throttle;
    q->scale = cfg->time_scale > 0 ? cfg->time_scale : 1;
    q->fleet = cfg->fleet_size > 0 ? cfg->fleet_size : cfg->redis != NULL ? FLEET_DEFAULT : 1;
    q->reserve_percent = cfg->bulk_reserve_percent > 0 ? cfg->bulk_reserve_percent : RESERVE_DEFAULT;
    *ret_quota = q;
    return 0;
}

void cw_quota_free(struct cw_quota *quota)
{
    if (quota == NULL)
        return;
    for (size_t i = 0; i < CHAINS; i++) {
        while (quota->chains[i] != NULL) {
            struct bucket *b = quota->chains[i];
            quota->chains[i] = b->next;
            free(b->key);
            free(b);
        }
    }
    free(quota->prefix);
    free(quota);
}

/* --- which buckets ---------------------------------------------------------------------------------------------- */

static enum cw_quota_op op_of(const char *method)
{
    if (cw_z_eq(method, "GET") || cw_z_eq(method, "HEAD"))
        return CW_QUOTA_READ;
    return cw_z_eq(method, "DELETE") ? CW_QUOTA_DELETE : CW_QUOTA_WRITE;
}

static void set_provider(struct cw_quota_use *use, const char *kind, const char *scope, size_t scope_bytes,
                         double limit, double burst, double per_s)
{
    (void)snprintf(use->provider, sizeof use->provider, "%s:%.*s", kind, (int)scope_bytes, scope);
    cw_z_lower(use->provider);
    use->provider_burst = burst;
    use->provider_rate = (limit - burst) / per_s;
}

/* Limits of private DNS: per zone, or per subscription for the zones themselves. `zone` begins behind "/privateDnsZones".
 * Zones of one name in different resource groups are different zones. */
static void use_dns(struct cw_quota_use *use, const char *path, const char *zone)
{
    static const char groups[] = "/resourceGroups/";
    size_t name = zone[0] == '/' ? strcspn(zone + 1, "/?") : 0;
    const char *group = strcasestr(path, groups);
    group = group != NULL && group < zone ? group + strlen(groups) : "";
    char scope[CW_QUOTA_SCOPE_BYTES];
    (void)snprintf(scope, sizeof scope, "%s/%.*s/%.*s", use->subscription,
                   (int)CW_MIN(strcspn(group, "/?"), (size_t)90), group, (int)CW_MIN(name, (size_t)100),
                   zone + 1);
    const char *child = name > 0 ? zone + 1 + name : "";
    bool is_read = use->op == CW_QUOTA_READ;
    if (name == 0)
        set_provider(use, "dns-zones-list", use->subscription, strlen(use->subscription), 60, 20, 60);
    else if (child[0] == '\0' && !is_read)
        set_provider(use, "dns-zones-write", use->subscription, strlen(use->subscription), 40, 10, 60);
    else if (is_read)
        set_provider(use, "dns-read", scope, strlen(scope), 100, 40, 60);
    else
        set_provider(use, strncasecmp(child, "/virtualNetworkLinks", 20) == 0 ? "dns-links" : "dns-records",
                     scope, strlen(scope), 60, 20, 60);
}

struct cw_quota_use cw_quota_use_of(const char *method, const char *path)
{
    struct cw_quota_use use = {.op = op_of(method)};
    if (strncasecmp(path, "/subscriptions/", 15) != 0)
        return use;
    (void)snprintf(use.subscription, sizeof use.subscription, "%.*s", (int)strcspn(path + 15, "/?"),
                   path + 15);
    cw_z_lower(use.subscription);
    const char *network = strcasestr(path, "/providers/Microsoft.Network/");
    if (network == NULL)
        return use;
    const char *type = network + strlen("/providers/Microsoft.Network");
    if (strncasecmp(type, "/privateDnsZones", 16) == 0)
        use_dns(&use, path, type + 16);
    else if (use.op != CW_QUOTA_READ)
        set_provider(&use, "network-write", use.subscription, strlen(use.subscription), 1000, 200, 300);
    return use;
}

struct limit {
    double rate;
    double burst;
};

static struct limit limit_of(enum cw_throttle_model model, const struct cw_quota_use *use)
{
    static const struct limit bucket[CW_QUOTA__COUNT] = {{25, 250}, {10, 200}, {10, 200}};
    static const struct limit hourly[CW_QUOTA__COUNT] = {
        {(12000.0 - 1000) / 3600, 1000}, {(1200.0 - 100) / 3600, 100}, {(15000.0 - 1000) / 3600, 1000}};
    return model == CW_THROTTLE_BUCKET ? bucket[use->op] : hourly[use->op];
}

static size_t chain_of(const char *key)
{
    uint32_t h = 2166136261U;
    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 16777619U;
    return h % CHAINS;
}

static struct bucket *find_bucket(struct cw_quota *q, const char *key, struct limit limit)
{
    size_t chain = chain_of(key);
    for (struct bucket *b = q->chains[chain]; b != NULL; b = b->next)
        if (strcmp(b->key, key) == 0)
            return b;
    struct bucket *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->key = strdup(key);
    if (b->key == NULL) {
        free(b);
        return NULL;
    }
    b->rate = limit.rate * q->scale;
    b->burst = limit.burst;
    b->remaining = -1;
    b->next = q->chains[chain];
    q->chains[chain] = b;
    return b;
}

static struct bucket *main_bucket(struct cw_quota *q, const struct cw_quota_use *use)
{
    static const char *const ops[CW_QUOTA__COUNT] = {"read", "write", "delete"};
    char key[512];
    (void)snprintf(key, sizeof key, "cwq:{%s/%s}:%s", q->prefix,
                   use->subscription[0] != '\0' ? use->subscription : "tenant", ops[use->op]);
    return find_bucket(q, key, limit_of(q->model, use));
}

static struct bucket *provider_bucket(struct cw_quota *q, const struct cw_quota_use *use)
{
    char key[512];
    (void)snprintf(key, sizeof key, "cwq:{%s/%s}", q->prefix, use->provider);
    return find_bucket(q, key, (struct limit){use->provider_rate, use->provider_burst});
}

/* --- taking ------------------------------------------------------------------------------------------------------- */

static double reserve_of(const struct cw_quota *q, const struct bucket *b, enum cw_lane lane)
{
    return lane == CW_LANE_BULK ? ceil(b->burst * q->reserve_percent / 100) : 0;
}

static struct cw_gcra_grant ask_own(struct cw_quota *q, struct bucket *b, enum cw_lane lane, int64_t want)
{
    double burst = fmax(1, floor(b->burst / q->fleet));
    struct cw_gcra_ask ask = {
        .now_ms = (double)cw_mono_ms(),
        .rate = b->rate / q->fleet,
        .burst = burst,
        .reserve = burst > 1 ? floor(reserve_of(q, b, lane) / q->fleet) : 0,
        .remaining = b->remaining >= 0 ? b->remaining / q->fleet : -1,
        .heal_ms = HEAL_MS / q->scale,
        .want = want,
    };
    b->remaining = -1;
    return cw_gcra_take(&b->own, &ask);
}

/* Cancellation is the only error: a Redis that is away makes the share count. */
static int ask_fleet(struct cw_quota *q, struct bucket *b, const struct cw_call *call, int64_t want,
                     struct cw_gcra_grant *ret_grant, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (q->redis == NULL || cw_mono_ms() < q->away_until_ms || cw_arena_new(16384, &mem) < 0) {
        *ret_grant = ask_own(q, b, call->lane, want);
        return 0;
    }
    char numbers[6][32];
    double values[6] = {b->rate,      b->burst,           reserve_of(q, b, call->lane),
                        b->remaining, HEAL_MS / q->scale, (double)want};
    struct cw_str args[6];
    for (size_t i = 0; i < 6; i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "%.6f", values[i]);
        args[i] = cw_str_of(numbers[i]);
    }
    const char *keys[] = {b->key};
    struct cw_redis_reply reply = {0};
    struct cw_err away = {0};
    int r = cw_redis_eval(q->redis, &take_script, 1, keys, 6, args,
                          cw_sooner(call->until, cw_in_ms(ASK_TIMEOUT_MS)), mem, &reply, &away);
    enum cw_class class = cw_err_class_of(r);
    if (cw_class_is_stop(class)) {
        *err = away;
        return r;
    }
    if (r == -CW_ETIMEDOUT &&
        cw_is_past(call->until)) /* the caller's time was up: that says nothing about Redis */
        return cw_err_set(err, r, "while asking for the budget %s", b->key);
    if (r < 0 || reply.type != CW_REDIS_ARRAY || reply.count < 3) {
        q->away_until_ms = cw_mono_ms() + AWAY_MS;
        *ret_grant = ask_own(q, b, call->lane, want);
        return 0;
    }
    b->remaining = -1;
    *ret_grant = (struct cw_gcra_grant){reply.items[0].num, reply.items[1].num, reply.items[2].num != 0};
    return 0;
}

static int64_t lease_size(struct lane *l)
{
    bool is_hot = l->waiting > 0 || cw_mono_ms() - l->asked_ms < HOT_MS;
    l->asked_ms = cw_mono_ms();
    l->next_lease = is_hot ? CW_MIN(CW_MAX(l->next_lease, (int64_t)1) * 2, (int64_t)LEASE_MAX) : 1;
    return l->next_lease;
}

static int wait_throttled(const struct bucket *b, const struct cw_call *call, int64_t wait_ms,
                          int64_t since_ms, struct cw_err *err)
{
    if (wait_ms > cw_left_ms(call->until)) {
        int r = cw_err_set(err, CW_ETHROTTLED, "the budget %s is used up for another %lld s", b->key,
                           (long long)(wait_ms / 1000));
        err->retry_after_ms = wait_ms;
        return r;
    }
    struct cw_waiting waiting = {
        .reason = CW_WAIT_THROTTLE, .what = b->key, .percent = -1, .since_wall_ms = since_ms};
    return cw_call_wait(call, waiting, CW_MIN(wait_ms, (int64_t)NAP_MAX_MS), err);
}

/* Ask for all who wait in this lane; sleep when nothing is to be had. */
static int refill(struct cw_quota *q, struct bucket *b, struct lane *l, const struct cw_call *call,
                  int64_t since_ms, struct cw_err *err)
{
    struct cw_gcra_grant grant = {0};
    int64_t blocked = b->blocked_ms - cw_mono_ms();
    int r = 0;
    l->is_asking = true;
    if (blocked > 0)
        grant = (struct cw_gcra_grant){.wait_ms = blocked, .is_blocked = true};
    else
        r = ask_fleet(q, b, call, lease_size(l), &grant, err);
    if (r == 0 && grant.granted > 0) {
        l->leased += grant.granted;
        l->lease_ends_ms = cw_mono_ms() + LEASE_MS;
    } else if (r == 0) {
        if (grant.is_blocked)
            b->blocked_ms = CW_MAX(b->blocked_ms, cw_mono_ms() + grant.wait_ms);
        r = wait_throttled(b, call, grant.wait_ms, since_ms, err);
    }
    l->is_asking = false;
    cw_queue_broadcast(&l->waiters);
    return r;
}

static int take_one(struct cw_quota *q, struct bucket *b, const struct cw_call *call, struct cw_err *err)
{
    if (b == NULL)
        return cw_err_set(err, CW_ENOMEM, "quota");
    struct lane *l = &b->lanes[call->lane];
    int64_t since_ms = cw_wall_ms();
    for (;;) {
        if (l->leased > 0 && cw_mono_ms() >= l->lease_ends_ms)
            l->leased = 0;
        if (l->leased > 0 && b->blocked_ms <= cw_mono_ms()) {
            l->leased--;
            return 0;
        }
        int r = 0;
        if (!l->is_asking) {
            r = refill(q, b, l, call, since_ms, err);
        } else {
            l->waiting++;
            r = cw_queue_wait(&l->waiters, call->until);
            l->waiting--;
            if (r < 0)
                (void)cw_err_set(err, r, "while waiting for the budget %s", b->key);
        }
        if (r < 0)
            return r;
    }
}

int cw_quota_take(struct cw_quota *quota, const struct cw_call *call, const struct cw_quota_use *use,
                  struct cw_err *err)
{
    if (quota == NULL)
        return 0;
    if (use->provider[0] != '\0') {
        int r = take_one(quota, provider_bucket(quota, use), call, err);
        if (r < 0)
            return r;
    }
    return take_one(quota, main_bucket(quota, use), call, err);
}

/* --- learning ------------------------------------------------------------------------------------------------------ */

void cw_quota_learn(struct cw_quota *quota, const struct cw_quota_use *use, const struct cw_http_res *res)
{
    static const char *const names[CW_QUOTA__COUNT][2] = {
        {"x-ms-ratelimit-remaining-subscription-reads", "x-ms-ratelimit-remaining-tenant-reads"},
        {"x-ms-ratelimit-remaining-subscription-writes", "x-ms-ratelimit-remaining-tenant-writes"},
        {"x-ms-ratelimit-remaining-subscription-deletes", "x-ms-ratelimit-remaining-tenant-deletes"},
    };
    if (quota == NULL)
        return;
    const char *value = cw_http_header(res, names[use->op][use->subscription[0] != '\0' ? 0 : 1]);
    int64_t remaining = 0;
    if (value == NULL || !cw_z_to_i64(value, &remaining) || remaining < 0)
        return;
    struct bucket *b = main_bucket(quota, use);
    if (b != NULL && (double)remaining < b->burst)
        b->remaining = (double)remaining;
}

void cw_quota_throttled(struct cw_quota *quota, const struct cw_call *call, const struct cw_quota_use *use,
                        int64_t retry_after_ms, bool from_provider)
{
    if (quota == NULL)
        return;
    bool has_own = from_provider && use->provider[0] != '\0';
    struct bucket *b = has_own ? provider_bucket(quota, use) : main_bucket(quota, use);
    if (b == NULL)
        return;
    int64_t for_ms = retry_after_ms > 0 ? retry_after_ms : (int64_t)(THROTTLE_DEFAULT_MS / quota->scale);
    int64_t now = cw_mono_ms();
    b->blocked_ms = CW_MAX(b->blocked_ms, now + for_ms);
    cw_gcra_block(&b->own, (double)now, (double)for_ms, HEAL_MS / quota->scale);
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (quota->redis == NULL || now < quota->away_until_ms || cw_arena_new(16384, &mem) < 0)
        return;
    char numbers[2][32];
    (void)snprintf(numbers[0], sizeof numbers[0], "%lld", (long long)for_ms);
    (void)snprintf(numbers[1], sizeof numbers[1], "%.3f", HEAL_MS / quota->scale);
    const struct cw_str args[] = {cw_str_of(numbers[0]), cw_str_of(numbers[1])};
    const char *keys[] = {b->key};
    struct cw_redis_reply reply = {0};
    struct cw_err away = {0};
    int r = cw_redis_eval(quota->redis, &block_script, 1, keys, 2, args,
                          cw_sooner(call->until, cw_in_ms(ASK_TIMEOUT_MS)), mem, &reply, &away);
    enum cw_class class = cw_err_class_of(r);
    bool is_late = r == -CW_ETIMEDOUT && cw_is_past(call->until);
    if (!is_late && class != CW_CLASS_NONE && !cw_class_is_stop(class))
        quota->away_until_ms = cw_mono_ms() + AWAY_MS;
}

/* What must hold of the budget: what the limiter in Redis gives fits Azure's published limits, each request to Resource Manager has a
 * token of each of its buckets, and nobody asks again before the Retry-After of a true throttle has run out.
 *
 * While Redis may be away, a worker takes from its own share: those tokens are counted against the shares of all lives so far. */
#include <math.h>

#include "common/azure/quota.h"
#include "tests/azure/arm.h"
#include "tests/sim/judge.h"

#define BUCKETS_MAX 64
#define LOTS_MAX 512
#define FLEET 4           /* the share without Redis is a part of so many */
#define LOT_MS 2000       /* a worker keeps tokens that it took in advance so long */
#define ON_THE_WAY_MS 500 /* to the worker, and from there to Azure */
#define ROUNDING 1.001

/* Tokens that were given together. */
struct lot {
    int64_t at_ms;
    int64_t count;
};

struct bucket {
    char name[CW_QUOTA_SCOPE_BYTES + 32]; /* "subscription:write", or that of a provider */
    bool is_provider;
    double rate, burst;
    double level; /* what may still be given */
    int64_t level_ms;
    int64_t blocked_ms; /* until then nothing may be given */
    struct lot lots[LOTS_MAX];
    size_t lot_count;
    int64_t own;                       /* requests without one of these */
    int64_t known_ms[SIM_WORKERS_MAX]; /* a worker was told to wait until then */
    unsigned known_life[SIM_WORKERS_MAX];
};

static struct bucket buckets[BUCKETS_MAX];
static size_t bucket_count;

/* ---- limits, as Azure publishes them ---------------------------------------------------------------------------------- */

static const struct {
    const char *part; /* of the bucket's name */
    double count;
    double window_s;
} limits[] = {
    {":read", 12000, 3600},        {":write", 1200, 3600},       {":delete", 15000, 3600},
    {"network-write:", 1000, 300}, {"dns-zones-list:", 200, 60}, {"dns-zones-write:", 40, 60},
    {"dns-read:", 100, 60},        {"dns-links:", 60, 60},       {"dns-records:", 60, 60},
};

static void check_size(const struct bucket *b)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(limits); i++) {
        double most = b->burst + b->rate * limits[i].window_s / (double)sim.plan.scale;
        if (strstr(b->name, limits[i].part) == NULL)
            continue;
        if (most > limits[i].count * ROUNDING)
            sim_fail("the bucket %s gives %.0f in %.0f s of Azure's time, of at most %.0f", b->name, most,
                     limits[i].window_s, limits[i].count);
        return;
    }
    sim_fail("a bucket without a published limit: %s", b->name);
}

/* ---- buckets ---------------------------------------------------------------------------------------------------------- */

static struct bucket *bucket_of(const char *name, bool is_provider)
{
    for (size_t i = 0; i < bucket_count; i++) {
        if (strcmp(buckets[i].name, name) == 0)
            return &buckets[i];
    }
    CW_BUG_ON(bucket_count == BUCKETS_MAX);
    struct bucket *b = &buckets[bucket_count++];
    *b = (struct bucket){.is_provider = is_provider};
    (void)cw_z_copy(b->name, sizeof b->name, name);
    return b;
}

/* "cwq:{<cloud>/<tenant>/<principal>/<subscription>}:write", "cwq:{<cloud>/<tenant>/<principal>/<provider>}" */
static struct bucket *bucket_of_key(const char *key)
{
    char name[512];
    const char *at = key;
    for (int i = 0; i < 3; i++)
        at = strchr(at, '/') + 1;
    (void)snprintf(name, sizeof name, "%s", at);
    char *end = strchr(name, '}');
    bool is_provider = end[1] == '\0';
    memmove(end, end + 1, strlen(end));
    return bucket_of(name, is_provider);
}

static struct bucket *main_bucket(const struct cw_quota_use *use)
{
    static const char *const ops[CW_QUOTA__COUNT] = {"read", "write", "delete"};
    char name[128];
    (void)snprintf(name, sizeof name, "%s:%s", use->subscription[0] == '\0' ? "tenant" : use->subscription,
                   ops[use->op]);
    return bucket_of(name, false);
}

/* ---- what is given ---------------------------------------------------------------------------------------------------- */

static void forget_old(struct bucket *b)
{
    size_t n = 0;
    /* A token of a provider's bucket waits for one of the subscription's. */
    int64_t oldest = b->is_provider ? INT64_MIN : cw_mono_ms() - LOT_MS - ON_THE_WAY_MS;
    for (size_t i = 0; i < b->lot_count; i++) {
        if (b->lots[i].count > 0 && b->lots[i].at_ms >= oldest)
            b->lots[n++] = b->lots[i];
    }
    b->lot_count = n;
}

static void refill(struct bucket *b)
{
    bool is_new = b->level_ms == 0 || sim.amnesia_ms >= b->level_ms;
    double passed_s = (double)(cw_mono_ms() - b->level_ms) / 1000;
    b->level = is_new ? b->burst : fmin(b->burst, b->level + passed_s * b->rate);
    b->level_ms = cw_mono_ms();
    if (is_new)
        b->blocked_ms = 0;
}

static void on_given(const char *key, const struct cw_str *args, int64_t count)
{
    struct bucket *b = bucket_of_key(key);
    double rate = strtod(args[0].p, NULL), burst = strtod(args[1].p, NULL);
    if (rate != b->rate || burst != b->burst) {
        b->rate = rate;
        b->burst = burst;
        check_size(b);
    }
    refill(b);
    if (count == 0)
        return;
    b->level -= (double)count;
    if (b->level < -1)
        sim_fail("the bucket %s has given %.1f tokens more than it holds", b->name, -b->level);
    if (b->blocked_ms > cw_mono_ms())
        sim_fail("the bucket %s gives tokens %lld ms before its block ends", b->name,
                 (long long)(b->blocked_ms - cw_mono_ms()));
    forget_old(b);
    CW_BUG_ON(b->lot_count == LOTS_MAX);
    b->lots[b->lot_count++] = (struct lot){cw_mono_ms(), count};
}

void sim_check_quota(const char *name, const char *key, const struct cw_str *args,
                     const struct redis_value *answer)
{
    if (strcmp(name, "quota.take") == 0 && answer->type == REDIS_LIST) {
        on_given(key, args, answer->items[0].number);
    } else if (strcmp(name, "quota.block") == 0 && answer->type == REDIS_NUMBER) {
        struct bucket *b = bucket_of_key(key);
        refill(b);
        b->blocked_ms = CW_MAX(b->blocked_ms, cw_mono_ms() + (int64_t)strtod(args[0].p, NULL));
    }
}

/* ---- what is used ----------------------------------------------------------------------------------------------------- */

/* Redis may be away for a worker that finds it slow, or itself late. */
static bool may_be_alone(void)
{
    for (size_t i = 0; i < sim.plan.action_count; i++) {
        enum sim_act act = sim.plan.actions[i].act;
        if (act == SIM_REDIS_DOWN || act == SIM_REDIS_FAILOVER || act == SIM_REDIS_LOSS ||
            act == SIM_REDIS_SLOW || act == SIM_FREEZE || act == SIM_FREEZE_TOUCH)
            return true;
    }
    return false;
}

static double own_most(const struct bucket *b)
{
    double lives = 0, share_s = (double)sim_now() / 1000 * b->rate / FLEET;
    for (size_t i = 0; i < sim.plan.workers; i++)
        lives += sim.workers[i].life;
    return lives * fmax(1, floor(b->burst / FLEET)) + (double)sim.plan.workers * share_s;
}

static void use_token(const struct sim_worker *w, struct bucket *b, const struct cw_http_req *req)
{
    int64_t known = b->known_life[w->index] == w->life ? b->known_ms[w->index] : 0;
    if (known > cw_mono_ms())
        sim_fail("%s sends %s %s %lld ms before the Retry-After of %s has run out", w->id, req->method,
                 req->url, (long long)(known - cw_mono_ms()), b->name);
    forget_old(b);
    if (b->lot_count > 0) {
        b->lots[0].count--;
        return;
    }
    b->own++;
    if (!may_be_alone())
        sim_fail("%s sends %s %s without a token of %s", w->id, req->method, req->url, b->name);
    else if (b->rate > 0 && (double)b->own > own_most(b))
        sim_fail("%s: %lld requests without a token, of at most %.0f while Redis is away", b->name,
                 (long long)b->own, own_most(b));
}

static const char *header_of(const struct world_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (cw_z_eq_nocase(answer->headers[i].name, name))
            return answer->headers[i].value;
    }
    return NULL;
}

/* Which bucket is empty: the subscription's, unless it says that something is left. */
static void on_throttled(const struct sim_worker *w, const struct cw_quota_use *use,
                         const struct world_answer *answer)
{
    static const char *const left_names[CW_QUOTA__COUNT] = {"x-ms-ratelimit-remaining-subscription-reads",
                                                            "x-ms-ratelimit-remaining-subscription-writes",
                                                            "x-ms-ratelimit-remaining-subscription-deletes"};
    const char *left = header_of(answer, left_names[use->op]), *after = header_of(answer, "retry-after");
    bool is_subscription = left == NULL || strcmp(left, "0") == 0;
    int64_t seconds = 0;
    if (after == NULL || !cw_z_to_i64(after, &seconds) || (!is_subscription && use->provider[0] == '\0'))
        return;
    struct bucket *b = is_subscription ? main_bucket(use) : bucket_of(use->provider, true);
    b->known_ms[w->index] =
        CW_MAX(b->known_life[w->index] == w->life ? b->known_ms[w->index] : 0, cw_mono_ms() + seconds * 1000);
    b->known_life[w->index] = w->life;
}

static bool is_throttle(const struct world_answer *answer)
{
    return answer->status == 429 && answer->body != NULL &&
           (memmem(answer->body, answer->body_bytes, "RequestsThrottled", 17) != NULL ||
            memmem(answer->body, answer->body_bytes, "TooManyRequests", 15) != NULL);
}

static void on_call(void *arg, const struct cw_http_req *req, const struct world_answer *answer, bool is_back)
{
    static const char arm[] = "https://management.azure.localhost";
    const struct sim_worker *w = sim_worker_of(world_running());
    (void)arg;
    if (w == NULL || !cw_z_starts(req->url, arm))
        return;
    char path[AZ_ID_MAX];
    const char *begin = req->url + sizeof arm - 1;
    (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(begin, "?"), begin);
    const struct cw_quota_use use = cw_quota_use_of(req->method, path);
    if (!is_back) {
        use_token(w, main_bucket(&use), req);
        if (use.provider[0] != '\0')
            use_token(w, bucket_of(use.provider, true), req);
    } else if (is_throttle(answer)) {
        on_throttled(w, &use, answer);
    }
}

void sim_check_rates_begin(void)
{
    bucket_count = 0;
    world_on_call(on_call, NULL);
}

#include "worker/reaper.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/net/loop.h"
#include "worker/steps/reap.h"

#define FIRST_MS 30000 /* after the start: the fleet has settled, and this worker too */
#define LOCK_MS 1000
#define REDIS_MS 5000
#define SWEEP_MS (INT64_C(30) * 60 * 1000)
#define MEM_BYTES ((size_t)16 << 20)

struct held {
    const struct cw_reaper *reaper;
    struct cw_lease *lease;
};

static void lost(void *arg)
{
    (void)arg; /* too late for the one call under way: the cluster is old all the same */
}

static const struct cw_lease_ops lease_ops = {.lost = lost};

static bool lock(void *arg, const char *workspace_key)
{
    struct held *h = arg;
    struct cw_err err = {0};
    const struct cw_lock_want want = {
        .resource = workspace_key, .request_id = "reaper", .ops = &lease_ops, .ops_arg = h};
    return cw_lock_take(h->reaper->locks, &want, cw_in_ms(LOCK_MS), &h->lease, &err) == 0;
}

static void unlock(void *arg)
{
    struct held *h = arg;
    cw_lock_give(CW_TAKE(h->lease));
}

static int before_write(void *arg, struct cw_err *err)
{
    const struct held *h = arg;
    return h->lease == NULL ? cw_err_set(err, CW_ELOST, "no lock") : cw_lease_check(h->lease, err);
}

static const struct cw_call_ops call_ops = {.before_write = before_write};

/* Whoever sets the key sweeps; it expires when the next sweep is due. */
static bool is_my_turn(const struct cw_reaper *r)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_redis_reply reply = {0};
    struct cw_err err = {0};
    char interval[24];
    (void)snprintf(interval, sizeof interval, "%lld",
                   (long long)CW_MAX(r->settings->reaper_interval_ms - FIRST_MS, INT64_C(1000)));
    const struct cw_str command[] = {cw_str_of("SET"), cw_str_of("cw:reaper"), cw_str_of(r->worker_id),
                                     cw_str_of("NX"),  cw_str_of("PX"),        cw_str_of(interval)};
    if (cw_arena_new(MEM_BYTES, &mem) < 0)
        return false;
    return cw_redis_call(r->redis, CW_ARRAY_LEN(command), command, cw_in_ms(REDIS_MS), mem, &reply, &err) ==
               0 &&
           reply.type == CW_REDIS_STR;
}

static void sweep(const struct cw_reaper *r)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct held held = {.reaper = r};
    struct cw_err err = {0};
    size_t removed = 0;
    if (cw_arena_new(MEM_BYTES, &mem) < 0)
        return;
    const struct cw_call call = {
        .until = cw_in_ms(SWEEP_MS), .mem = mem, .lane = CW_LANE_BULK, .ops = &call_ops, .ops_arg = &held};
    const struct cw_reap reap = {
        .svc = r->svc, .age_ms = r->settings->reaper_age_ms, .lock = lock, .unlock = unlock, .arg = &held};
    int64_t began = cw_mono_ms();
    if (cw_reap(&reap, &call, &removed, &err) < 0 && cw_fiber_cancel_reason() == 0)
        cw_log_err(CW_WARN, "reaper.incomplete", &err);
    unlock(&held);
    cw_metric_add(cw_counter("causeway_reaped_clusters_total",
                             "Verification clusters that no request owned any more, removed.", NULL, NULL),
                  (int64_t)removed);
    cw_log(CW_INFO, "reaper.swept", CW_F_INT("removed", removed), CW_F_INT("ms", cw_mono_ms() - began));
}

int cw_reaper_run(const struct cw_reaper *r)
{
    int64_t interval = r->settings->reaper_interval_ms;
    int64_t pause = CW_MIN(interval, (int64_t)FIRST_MS);
    (void)cw_counter("causeway_reaped_clusters_total",
                     "Verification clusters that no request owned any more, removed.", NULL, NULL);
    if (interval == 0)
        return 0;
    while (cw_sleep(cw_in_ms(pause + (int64_t)(cw_random_u64() % (uint64_t)(pause / 10 + 1)))) >= 0) {
        if (is_my_turn(r))
            sweep(r);
        pause = interval;
    }
    return 0;
}

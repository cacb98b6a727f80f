#include "tests/step/azure/bench.h"

#include "common/azure/gcra.h"

#define PATH RG "/providers/Microsoft.Compute/virtualMachines"

/* The bucket scripts, by the same arithmetic; the Lua itself runs in the integration tests. */
static struct {
    struct cw_gcra bucket;
    char key[256];
    int asked;
} shared;

static int take_script(void *arg, size_t key_count, const char *const *keys, size_t arg_count,
                       const struct cw_str *args, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                       struct cw_err *err)
{
    (void)arg;
    (void)err;
    assert_int_equal(key_count, 1);
    assert_int_equal(arg_count, 6);
    (void)cw_z_copy(shared.key, sizeof shared.key, keys[0]);
    shared.asked++;
    struct cw_gcra_ask ask = {
        .now_ms = (double)cw_wall_ms(),
        .rate = strtod(args[0].p, NULL),
        .burst = strtod(args[1].p, NULL),
        .reserve = strtod(args[2].p, NULL),
        .remaining = strtod(args[3].p, NULL),
        .heal_ms = strtod(args[4].p, NULL),
        .want = strtoll(args[5].p, NULL, 10),
    };
    struct cw_gcra_grant grant = cw_gcra_take(&shared.bucket, &ask);
    struct cw_redis_reply *items = cw_arena_alloc_array(mem, 3, sizeof *items);
    items[0] = (struct cw_redis_reply){.type = CW_REDIS_INT, .num = grant.granted};
    items[1] = (struct cw_redis_reply){.type = CW_REDIS_INT, .num = grant.wait_ms};
    items[2] = (struct cw_redis_reply){.type = CW_REDIS_INT, .num = grant.is_blocked};
    *ret_reply = (struct cw_redis_reply){.type = CW_REDIS_ARRAY, .items = items, .count = 3};
    return 0;
}

static int block_script(void *arg, size_t key_count, const char *const *keys, size_t arg_count,
                        const struct cw_str *args, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                        struct cw_err *err)
{
    (void)arg;
    (void)key_count;
    (void)keys;
    (void)arg_count;
    (void)mem;
    (void)err;
    cw_gcra_block(&shared.bucket, (double)cw_wall_ms(), strtod(args[0].p, NULL), strtod(args[1].p, NULL));
    *ret_reply = (struct cw_redis_reply){.type = CW_REDIS_INT, .num = 1};
    return 0;
}

static struct cw_quota *make(struct bench *b, const char *cloud, struct cw_redis *redis, int fleet)
{
    struct cw_quota *q = NULL;
    struct cw_quota_cfg cfg = {.cloud = cw_cloud_find(cloud),
                               .redis = redis,
                               .tenant_id = "t",
                               .principal = "p",
                               .fleet_size = fleet};
    assert_int_equal(cw_quota_new(&cfg, &q, &b->err), 0);
    return q;
}

static struct cw_quota_use use;
static int wanted;
static struct cw_quota *current;

static int take_many(void *arg)
{
    struct bench *b = arg;
    for (int i = 0; i < wanted; i++) {
        int r = cw_quota_take(current, &b->call, &use, &b->err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void buckets_are_named_by_what_is_limited(void **state)
{
    (void)state;
    struct cw_quota_use u = cw_quota_use_of("PUT", RG "/providers/Microsoft.Network/virtualNetworks/v?x=1");
    assert_int_equal(u.op, CW_QUOTA_WRITE);
    assert_string_equal(u.subscription, "11111111-1111-1111-1111-111111111111");
    assert_string_equal(u.provider, "network-write:11111111-1111-1111-1111-111111111111");
    u = cw_quota_use_of("GET", RG "/providers/Microsoft.Network/virtualNetworks/v");
    assert_string_equal(u.provider, "");
    u = cw_quota_use_of("PUT", RG "/providers/Microsoft.Network/privateDnsZones/Privatelink.X/A/adb-1.2");
    assert_string_equal(u.provider, "dns-records:11111111-1111-1111-1111-111111111111/rg/privatelink.x");
    u = cw_quota_use_of("PUT", RG "/providers/Microsoft.Network/privateDnsZones/z/virtualNetworkLinks/l");
    assert_string_equal(u.provider, "dns-links:11111111-1111-1111-1111-111111111111/rg/z");
    u = cw_quota_use_of("PUT", RG "/providers/Microsoft.Network/privateDnsZones/z");
    assert_string_equal(u.provider, "dns-zones-write:11111111-1111-1111-1111-111111111111");
    u = cw_quota_use_of("GET", SUB "/providers/Microsoft.Network/privateDnsZones?api-version=1");
    assert_string_equal(u.provider, "dns-zones-list:11111111-1111-1111-1111-111111111111");
    u = cw_quota_use_of("DELETE", RG);
    assert_int_equal(u.op, CW_QUOTA_DELETE);
    u = cw_quota_use_of("POST", "/providers/Microsoft.ResourceGraph/resources");
    assert_string_equal(u.subscription, "");
}

static void a_burst_passes_then_the_rate_rules(void **state)
{
    struct bench *b = *state;
    b->quota = current = make(b, "public", NULL, 0);
    use = cw_quota_use_of("PUT", PATH);
    wanted = 200;
    int64_t start = cw_mono_ms();
    assert_int_equal(bench_run(b, take_many), 0);
    assert_int_equal(cw_mono_ms() - start, 0);
    wanted = 50; /* 10 a second */
    assert_int_equal(bench_run(b, take_many), 0);
    assert_in_range(cw_mono_ms() - start, 4500, 5600);
    assert_true(b->waits[CW_WAIT_THROTTLE] > 0);
}

static void china_counts_by_the_hour(void **state)
{
    struct bench *b = *state;
    b->quota = current = make(b, "china", NULL, 0);
    use = cw_quota_use_of("PUT", PATH);
    wanted = 1200;
    int64_t start = cw_mono_ms();
    b->call.until = cw_in_ms(INT64_C(2) * 3600000);
    assert_int_equal(bench_run(b, take_many), 0);
    assert_in_range(cw_mono_ms() - start, 3550000, 3700000);
}

static void bulk_leaves_a_part(void **state)
{
    struct bench *b = *state;
    b->quota = current = make(b, "public", NULL, 0);
    use = cw_quota_use_of("PUT", PATH);
    b->call.lane = CW_LANE_BULK;
    wanted = 160;
    int64_t start = cw_mono_ms();
    assert_int_equal(bench_run(b, take_many), 0);
    assert_int_equal(cw_mono_ms() - start, 0);
    b->call.until = cw_in_ms(50);
    wanted = 1;
    assert_int_equal(bench_run(b, take_many), -CW_ETHROTTLED);
    assert_true(b->err.retry_after_ms > 0);
    b->call.lane = CW_LANE_INTERACTIVE;
    wanted = 40;
    assert_int_equal(bench_run(b, take_many), 0);
}

static int throttle(void *arg)
{
    struct bench *b = arg;
    cw_quota_throttled(current, &b->call, &use, 30000, false);
    return 0;
}

static void a_throttle_blocks_every_worker_and_halves_the_rate(void **state)
{
    struct bench *b = *state;
    struct cw_redis *redis = NULL;
    struct cw_redis_cfg cfg = {.url = "redis://x"};
    memset(&shared, 0, sizeof shared);
    world_redis_script("quota.take", take_script, NULL);
    world_redis_script("quota.block", block_script, NULL);
    assert_int_equal(cw_redis_new(b->loop, &cfg, &redis, &b->err), 0);
    struct cw_quota *other = make(b, "public", redis, 0);
    b->quota = current = make(b, "public", redis, 0);
    use = cw_quota_use_of("PUT", PATH);
    wanted = 1;
    assert_int_equal(bench_run(b, take_many), 0);
    assert_string_equal(shared.key, "cwq:{public/t/p/11111111-1111-1111-1111-111111111111}:write");
    assert_int_equal(bench_run(b, throttle), 0);
    current = other;
    int64_t start = cw_mono_ms();
    assert_int_equal(bench_run(b, take_many), 0);
    assert_in_range(cw_mono_ms() - start, 29000, 31000);
    assert_true(shared.bucket.factor < 0.51);
    world_advance(600000);
    assert_int_equal(bench_run(b, take_many), 0);
    cw_quota_free(other);
    cw_quota_free(b->quota);
    b->quota = NULL;
    cw_redis_free(redis);
}

static void hot_buckets_are_leased(void **state)
{
    struct bench *b = *state;
    struct cw_redis *redis = NULL;
    struct cw_redis_cfg cfg = {.url = "redis://x"};
    memset(&shared, 0, sizeof shared);
    world_redis_script("quota.take", take_script, NULL);
    assert_int_equal(cw_redis_new(b->loop, &cfg, &redis, &b->err), 0);
    b->quota = current = make(b, "public", redis, 0);
    use = cw_quota_use_of("GET", PATH);
    wanted = 100;
    assert_int_equal(bench_run(b, take_many), 0);
    assert_true(shared.asked < 15);
    cw_quota_free(b->quota);
    b->quota = NULL;
    cw_redis_free(redis);
}

static void without_redis_each_worker_keeps_to_its_share(void **state)
{
    struct bench *b = *state;
    struct cw_redis *redis = NULL;
    struct cw_redis_cfg cfg = {.url = "redis://x"};
    assert_int_equal(cw_redis_new(b->loop, &cfg, &redis, &b->err), 0);
    world_redis_set_down(true);
    b->quota = current = make(b, "public", redis, 4);
    use = cw_quota_use_of("PUT", PATH);
    wanted = 50;
    int64_t start = cw_mono_ms();
    assert_int_equal(bench_run(b, take_many), 0);
    assert_in_range(cw_mono_ms() - start, 0, 50);
    assert_int_equal(world_redis_calls(), 1); /* it is not asked at each take */
    wanted = 10;                              /* 2.5 a second */
    assert_int_equal(bench_run(b, take_many), 0);
    assert_in_range(cw_mono_ms() - start, 3500, 5000);
    cw_quota_free(b->quota);
    b->quota = NULL;
    cw_redis_free(redis);
}

static int be_late(void *arg, size_t key_count, const char *const *keys, size_t arg_count,
                   const struct cw_str *args, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                   struct cw_err *err)
{
    struct bench *b = arg;
    if (cw_is_past(b->call.until))
        return cw_err_set(err, CW_ETIMEDOUT, "no answer in time");
    return take_script(NULL, key_count, keys, arg_count, args, mem, ret_reply, err);
}

/* A step whose time is up while it asks does not make the worker take from its own share. */
static void a_caller_without_time_says_nothing_about_redis(void **state)
{
    struct bench *b = *state;
    struct cw_redis *redis = NULL;
    struct cw_redis_cfg cfg = {.url = "redis://x"};
    struct cw_deadline until = b->call.until;
    memset(&shared, 0, sizeof shared);
    world_redis_script("quota.take", be_late, b);
    assert_int_equal(cw_redis_new(b->loop, &cfg, &redis, &b->err), 0);
    b->quota = current = make(b, "public", redis, 0);
    use = cw_quota_use_of("PUT", PATH);
    wanted = 1;
    b->call.until = cw_in_ms(0);
    assert_int_equal(bench_run(b, take_many), -CW_ETIMEDOUT);
    b->call.until = until;
    assert_int_equal(bench_run(b, take_many), 0);
    assert_true(shared.asked > 0);
    cw_quota_free(b->quota);
    b->quota = NULL;
    cw_redis_free(redis);
}

static void what_the_service_says_is_left_floors_the_bucket(void **state)
{
    struct bench *b = *state;
    b->quota = current = make(b, "public", NULL, 0);
    use = cw_quota_use_of("PUT", PATH);
    const struct cw_http_header headers[] = {{"x-ms-ratelimit-remaining-subscription-writes", "3"}};
    struct cw_http_res res = {.status = 200, .headers = headers, .header_count = 1};
    wanted = 1;
    assert_int_equal(bench_run(b, take_many), 0);
    cw_quota_learn(current, &use, &res);
    world_advance(2500);
    cw_quota_learn(current, &use, &res);
    int64_t start = cw_mono_ms();
    wanted = 13;
    assert_int_equal(bench_run(b, take_many), 0);
    assert_in_range(cw_mono_ms() - start, 900, 1200);
}

struct client {
    struct bench *b;
    struct cw_call call;
    struct cw_err err;
};

static int take_one(void *arg)
{
    struct client *c = arg;
    return cw_quota_take(current, &c->call, &use, &c->err);
}

static int crowd(void *arg)
{
    struct bench *b = arg;
    enum { N = 40 };
    struct client clients[N];
    struct cw_fiber *fibers[N];
    int passed = 0;
    for (int i = 0; i < N; i++) {
        clients[i] = (struct client){.b = b, .call = b->call};
        assert_int_equal(cw_fiber_spawn(cw_loop_sched(b->loop), "client", take_one, &clients[i], &fibers[i]),
                         0);
    }
    assert_int_equal(cw_sleep(cw_in_ms(100)), 0);
    for (int i = 0; i < N; i += 4)
        cw_fiber_cancel(fibers[i], CW_ECANCELED);
    for (int i = 0; i < N; i++) {
        int result = 0;
        assert_int_equal(cw_fiber_join(fibers[i], CW_NEVER, &result), 0);
        assert_true(result == 0 || result == -CW_ECANCELED);
        passed += result == 0;
    }
    return passed;
}

static void a_crowd_passes_in_time_though_some_leave(void **state)
{
    struct bench *b = *state;
    b->quota = current = make(b, "public", NULL, 0);
    use = cw_quota_use_of("PUT", PATH);
    wanted = 200;
    assert_int_equal(bench_run(b, take_many), 0);
    int64_t start = cw_mono_ms();
    assert_true(bench_run(b, crowd) >= 30);
    assert_in_range(cw_mono_ms() - start, 2800, 4500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(buckets_are_named_by_what_is_limited),
        BENCH_TEST(a_burst_passes_then_the_rate_rules),
        BENCH_TEST(china_counts_by_the_hour),
        BENCH_TEST(bulk_leaves_a_part),
        BENCH_TEST(a_throttle_blocks_every_worker_and_halves_the_rate),
        BENCH_TEST(hot_buckets_are_leased),
        BENCH_TEST(without_redis_each_worker_keeps_to_its_share),
        BENCH_TEST(a_caller_without_time_says_nothing_about_redis),
        BENCH_TEST(what_the_service_says_is_left_floors_the_bucket),
        BENCH_TEST(a_crowd_passes_in_time_though_some_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

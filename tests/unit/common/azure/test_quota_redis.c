/* The budget's scripts in a real Redis, shared by two workers. */
#include "tests/unit/worker/engine/rig.h"

#include "common/azure/quota.h"

#define PATH "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/x/y"
#define KEY "cwq:{public/t/p/s}:write"

static struct cw_quota *first;
static struct cw_quota *second;

static struct cw_quota *make_quota(double time_scale)
{
    struct cw_quota *q = NULL;
    struct cw_err err = {0};
    struct cw_quota_cfg cfg = {.redis = redis,
                               .cloud = cw_cloud_find("public"),
                               .tenant_id = "t",
                               .principal = "p",
                               .time_scale = time_scale};
    assert_int_equal(cw_quota_new(&cfg, &q, &err), 0);
    return q;
}

static int take(struct cw_quota *q, struct cw_arena *mem, int64_t within_ms, struct cw_err *err)
{
    struct cw_call call = {.until = cw_in_ms(within_ms), .mem = mem};
    struct cw_quota_use use = cw_quota_use_of("PUT", PATH);
    return cw_quota_take(q, &call, &use, err);
}

/* 0 = taken at once. An answer of Redis that came late, on a busy machine, is asked for again; its tokens may be lost. */
static int take_at_once(struct cw_quota *q, struct cw_arena *mem, int *late, struct cw_err *err)
{
    for (;;) {
        cw_err_clear(err);
        int r = take(q, mem, 20, err);
        if (r != -CW_ETIMEDOUT)
            return r;
        (*late)++;
    }
}

static void forget(struct cw_arena *mem)
{
    const struct cw_str flush[] = {cw_str_of("FLUSHALL")};
    struct cw_redis_reply reply;
    struct cw_err err = {0};
    assert_int_equal(cw_redis_call(redis, 1, flush, cw_in_ms(5000), mem, &reply, &err), 0);
}

static double field(struct cw_arena *mem, const char *name)
{
    const struct cw_str get[] = {cw_str_of("HGET"), cw_str_of(KEY), cw_str_of(name)};
    struct cw_redis_reply reply;
    struct cw_err err = {0};
    assert_int_equal(cw_redis_call(redis, 3, get, cw_in_ms(5000), mem, &reply, &err), 0);
    return reply.type == CW_REDIS_STR ? strtod(reply.str.p, NULL) : -1;
}

static void share_a_burst(struct cw_arena *mem)
{
    forget(mem);
    first = make_quota(1);
    second = make_quota(1);
    int64_t start = cw_mono_ms();
    int taken = 0, late = 0;
    struct cw_err err = {0};
    int r = 0;
    while (r == 0) { /* 200 at once, 10 a second */
        r = take_at_once(taken % 2 == 0 ? first : second, mem, &late, &err);
        taken += r == 0;
    }
    int64_t passed_ms = cw_mono_ms() - start;
    assert_int_equal(r, -CW_ETHROTTLED);
    assert_in_range(err.retry_after_ms, 1, 200);
    /* A lease may be left with the other. */
    assert_in_range(taken, CW_MAX(200 - 32 - 32 * late, 0), 200 + passed_ms / 100 + 1);
    cw_quota_free(first);
    cw_quota_free(second);
}

static void two_workers_share_one_burst(void **state)
{
    (void)state;
    on_fiber(share_a_burst);
}

static void block_the_other(struct cw_arena *mem)
{
    forget(mem);
    first = make_quota(1);
    second = make_quota(1);
    struct cw_err err = {0};
    struct cw_call call = {.until = cw_in_ms(5000), .mem = mem};
    struct cw_quota_use use = cw_quota_use_of("PUT", PATH);
    int64_t start = cw_mono_ms();
    cw_quota_throttled(first, &call, &use, 2000, false);
    assert_true(field(mem, "factor") == 0.5);
    cw_quota_throttled(first, &call, &use, 2000, false);
    assert_true(field(mem, "factor") == 0.5); /* once per block */
    assert_int_equal(take(second, mem, 500, &err), -CW_ETHROTTLED);
    assert_int_equal(take(second, mem, 30000, &err), 0);
    assert_in_range(cw_mono_ms() - start, 2000, 20000);
    cw_quota_throttled(second, &call, &use, 1, false);
    assert_true(field(mem, "factor") == 0.25);
    cw_quota_free(first);
    cw_quota_free(second);
}

static void a_throttle_blocks_the_other_worker(void **state)
{
    (void)state;
    on_fiber(block_the_other);
}

static void floor_the_bucket(struct cw_arena *mem)
{
    forget(mem);
    first = make_quota(1);
    struct cw_quota_use use = cw_quota_use_of("PUT", PATH);
    const struct cw_http_header headers[] = {{"x-ms-ratelimit-remaining-subscription-writes", "2"}};
    struct cw_http_res res = {.status = 200, .headers = headers, .header_count = 1};
    cw_quota_learn(first, &use, &res);
    struct cw_err err = {0};
    int64_t start = cw_mono_ms();
    int taken = 0, late = 0;
    while (take_at_once(first, mem, &late, &err) == 0)
        taken++;
    assert_in_range(taken, late == 0 ? 2 : 0, 3 + (cw_mono_ms() - start) / 100);
    cw_quota_free(first);
}

static void what_is_left_floors_it(void **state)
{
    (void)state;
    on_fiber(floor_the_bucket);
}

static void heal(struct cw_arena *mem)
{
    forget(mem);
    first = make_quota(600); /* a clean tenth of a second gives a tenth of the rate back */
    struct cw_err err = {0};
    struct cw_call call = {.until = cw_in_ms(5000), .mem = mem};
    struct cw_quota_use use = cw_quota_use_of("PUT", PATH);
    cw_quota_throttled(first, &call, &use, 1, false);
    assert_int_equal(cw_sleep(cw_in_ms(250)), 0);
    cw_quota_throttled(first, &call, &use, 1, false);
    assert_true(field(mem, "factor") > 0.3);
    assert_int_equal(take(first, mem, 1000, &err), 0);
    cw_quota_free(first);
}

static void clean_time_heals_the_rate(void **state)
{
    (void)state;
    on_fiber(heal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_workers_share_one_burst),
        cmocka_unit_test(a_throttle_blocks_the_other_worker),
        cmocka_unit_test(what_is_left_floors_it),
        cmocka_unit_test(clean_time_heals_the_rate),
    };
    return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}

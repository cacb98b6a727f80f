/* tests/step/azure/bench.h: what every test of the Azure clients stands on: a world with routes, a credential, an ARM and a
 * Databricks client, one call with an arena, and a fiber to run on.
 *
 * Suspends: never.  Thread: one. */
#ifndef CW_TESTS_STEP_AZURE_BENCH_H
#define CW_TESTS_STEP_AZURE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/azure/databricks.h"
#include "tests/world/route.h"

#define ARM "https://management.chinacloudapi.cn"
#define SUB "/subscriptions/11111111-1111-1111-1111-111111111111"
#define RG SUB "/resourceGroups/rg"
#define RES RG "/providers/Microsoft.Network/virtualNetworks/v"
#define RES_URL "virtualNetworks/v?"

struct bench {
    struct cw_loop *loop;
    struct cw_http *http;
    struct cw_credential *credential;
    struct cw_quota *quota;
    struct cw_arm *arm;
    struct cw_databricks *databricks;
    struct cw_arena *mem;
    struct cw_call call;
    struct cw_call_counts counts;
    struct cw_err err;
    /* what the hooks saw */
    int writes_asked;
    int write_refusal; /* positive CW_E…: before_write fails with it */
    int started;
    int ended;
    char started_async[512];
    struct cw_operation pending; /* resource_id NULL = none */
    int waits[CW_WAIT__COUNT];
    int last_percent;
    int64_t last_wait_ms;
};

static inline int bench_before_write(void *arg, struct cw_err *err)
{
    struct bench *b = arg;
    b->writes_asked++;
    return b->write_refusal != 0 ? cw_err_set(err, b->write_refusal, "refused by the test") : 0;
}

static inline int bench_started(void *arg, const struct cw_operation *op, struct cw_err *err)
{
    struct bench *b = arg;
    (void)err;
    b->started++;
    (void)cw_z_copy(b->started_async, sizeof b->started_async, op->async_url != NULL ? op->async_url : "");
    return 0;
}

static inline bool bench_pending(void *arg, const char *id, struct cw_arena *mem, struct cw_operation *ret_op)
{
    struct bench *b = arg;
    (void)mem;
    if (b->pending.resource_id == NULL || !cw_armid_eq(id, b->pending.resource_id))
        return false;
    *ret_op = b->pending;
    return true;
}

static inline void bench_ended(void *arg, const char *id)
{
    struct bench *b = arg;
    (void)id;
    b->ended++;
    b->pending.resource_id = NULL;
}

static inline void bench_waiting(void *arg, const struct cw_waiting *waiting)
{
    struct bench *b = arg;
    b->waits[waiting->reason]++;
    b->last_percent = waiting->percent;
    b->last_wait_ms = waiting->next_wall_ms - cw_wall_ms();
}

static const struct cw_call_ops bench_ops = {
    .before_write = bench_before_write,
    .operation_started = bench_started,
    .operation_pending = bench_pending,
    .operation_ended = bench_ended,
    .waiting = bench_waiting,
};

static inline int bench_setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    world_reset(7);
    world_routes();
    const struct cw_cloud *cloud = cw_cloud_find("china");
    struct cw_sched_cfg sched = {.fibers_max = 64};
    struct cw_http_cfg http = {0};
    assert_int_equal(cw_loop_new(&sched, &b->loop, &b->err), 0);
    assert_int_equal(cw_http_new(b->loop, &http, &b->http, &b->err), 0);
    struct cw_credential_cfg who = {
        .tenant_id = "tenant", .client_id = "client", .client_secret = "hush&hush"};
    assert_int_equal(cw_credential_new(b->loop, b->http, cloud, &who, &b->credential, &b->err), 0);
    struct cw_arm_cfg arm = {.cloud = cloud, .credential = b->credential};
    assert_int_equal(cw_arm_new(b->loop, b->http, &arm, &b->arm, &b->err), 0);
    assert_int_equal(cw_databricks_new(b->arm, &b->databricks, &b->err), 0);
    assert_int_equal(cw_arena_new((size_t)64 * 1024 * 1024, &b->mem), 0);
    b->call = (struct cw_call){
        .until = cw_in_ms(INT64_C(4) * 3600 * 1000),
        .mem = b->mem,
        .correlation_id = "corr-1",
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        .ops = &bench_ops,
        .ops_arg = b,
        .counts = &b->counts,
    };
    *state = b;
    return 0;
}

static inline int bench_teardown(void **state)
{
    struct bench *b = *state;
    cw_databricks_free(b->databricks);
    cw_arm_free(b->arm);
    cw_quota_free(b->quota);
    cw_credential_free(b->credential);
    cw_http_free(b->http);
    cw_loop_free(b->loop);
    cw_arena_free(b->mem);
    free(b);
    world_reset(0);
    return 0;
}

/* Run fn(b) on a fiber; its result. */
static inline int bench_run(struct bench *b, int (*fn)(void *arg))
{
    cw_err_clear(&b->err);
    return cw_loop_run_fiber(b->loop, "test", fn, b);
}

#define BENCH_TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)

#endif

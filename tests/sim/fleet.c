/* The workers: started as worker/main.c does, killed, frozen, drained, started again. */
#include "tests/sim/sim.h"

#define RESTART_MS 8000
#define ARGS_MAX 80

struct sim_worker *sim_worker_of(const struct cw_loop *loop)
{
    for (size_t i = 0; i < sim.plan.workers; i++) {
        if (sim.workers[i].loop == loop)
            return &sim.workers[i];
    }
    return NULL;
}

static void add(struct cw_arena *mem, char **argv, int *argc, const char *name, const char *value)
{
    CW_BUG_ON(*argc + 2 >= ARGS_MAX);
    argv[(*argc)++] = cw_arena_printf(mem, "--%s", name);
    argv[(*argc)++] = cw_arena_strdup(mem, value);
}

static void add_number(struct cw_arena *mem, char **argv, int *argc, const char *name, int64_t n,
                       const char *unit)
{
    add(mem, argv, argc, name, cw_arena_printf(mem, "%lld%s", (long long)n, unit));
}

static void load_settings(struct sim_worker *w)
{
    const struct sim_plan *p = &sim.plan;
    struct cw_arena *mem;
    struct cw_err err = {0};
    char *argv[ARGS_MAX] = {"sim"};
    int argc = 1;
    CW_BUG_ON(cw_arena_new(1 << 20, &mem) < 0);
    add(mem, argv, &argc, "worker-id", w->id);
    add(mem, argv, &argc, "metrics-listen", "");
    add(mem, argv, &argc, "azure-cloud", "custom");
    add(mem, argv, &argc, "azure-arm-endpoint", "https://management.azure.localhost");
    add(mem, argv, &argc, "azure-arm-audience", "https://management.azure.localhost");
    add(mem, argv, &argc, "azure-management-resource", "https://management.core.azure.localhost/");
    add(mem, argv, &argc, "azure-workspace-suffix", ".databricks.azure.localhost");
    add(mem, argv, &argc, "azure-private-zone", "privatelink.databricks.azure.localhost");
    add(mem, argv, &argc, "azure-authority-host", "https://login.azure.localhost");
    add(mem, argv, &argc, "azure-tenant-id", "22222222-2222-2222-2222-222222222222");
    add(mem, argv, &argc, "azure-client-id", "33333333-3333-3333-3333-333333333333");
    add(mem, argv, &argc, "azure-client-secret", "sim-secret");
    add_number(mem, argv, &argc, "azure-time-scale", p->scale, "");
    add_number(mem, argv, &argc, "lock-lease", p->lease_ms, "ms");
    add_number(mem, argv, &argc, "lock-margin", p->margin_ms, "ms");
    add_number(mem, argv, &argc, "kafka-session-timeout", p->session_ms, "ms");
    add_number(mem, argv, &argc, "limits-jobs", p->jobs, "");
    add_number(mem, argv, &argc, "limits-jobs-reserved", p->jobs / 4, "");
    add_number(mem, argv, &argc, "limits-queued", p->queued, "");
    add_number(mem, argv, &argc, "limits-light", p->light, "");
    add_number(mem, argv, &argc, "redis-wait-replicas", p->wait_replicas, "");
    add_number(mem, argv, &argc, "engine-commit-interval", 1000, "ms");
    add_number(mem, argv, &argc, "engine-repost-interval", 20, "s");
    int r = cw_cfg_load(cw_settings_rows, cw_settings_row_count, &w->settings, &argc, argv, &err);
    if (r < 0)
        cw_panic(__FILE__, __LINE__, err.text);
    cw_arena_free(mem);
}

static void on_stopped(void *arg, int exit_code)
{
    struct sim_worker *w = arg;
    w->is_stopped = true;
    w->exit_code = exit_code;
}

static void stop(void *arg, int64_t num)
{
    struct sim_worker *w = arg;
    if (w->life != (unsigned)num || w->loop == NULL || w->is_stopping)
        return;
    w->is_stopping = true;
    cw_app_stop(w->app, on_stopped, w);
}

static void on_fatal(void *arg)
{
    struct sim_worker *w = arg;
    sim_say("worker %s can't go on", w->id);
    world_post(w->loop, cw_mono_ms(), stop, w, (int64_t)w->life);
}

static void start_app(void *arg, int64_t num)
{
    struct sim_worker *w = arg;
    struct cw_err err = {0};
    (void)num;
    cw_app_on_fatal(w->app, on_fatal, w);
    if (cw_app_start(w->app, &err) < 0) {
        sim_say("worker %s could not start: %s", w->id, err.text);
        w->is_stopped = true;
        w->exit_code = CW_EXIT_FAILED;
    }
}

static void start(void *arg, int64_t num)
{
    struct sim_worker *w = arg;
    struct cw_err err = {0};
    (void)num;
    if (w->loop != NULL || w->stays_away)
        return;
    w->life++;
    w->version = w->next_version;
    (void)snprintf(w->id, sizeof w->id, "w%zu%s%.0u", w->index, sim.plan.keeps_names ? "" : ".",
                   sim.plan.keeps_names ? 0 : w->life);
    w->is_stopping = w->is_stopped = false;
    memset(w->owns, 0, sizeof w->owns);
    memset(w->lost_ms, 0, sizeof w->lost_ms);
    load_settings(w);
    const struct cw_sched_cfg sched = cw_app_sched_cfg(&w->settings);
    int r = cw_loop_new(&sched, &w->loop, &err);
    if (r == 0)
        r = cw_app_new(w->loop, &w->settings, sim_plans(w->version), &w->app, &err);
    if (r < 0)
        cw_panic(__FILE__, __LINE__, err.text);
    sim_say("worker %s starts with %s", w->id, sim_version_name(w->version));
    world_post(w->loop, cw_mono_ms(), start_app, w, 0);
}

static void start_later(struct sim_worker *w)
{
    world_at(cw_mono_ms() + world_between(100, RESTART_MS), start, w, 0);
}

void sim_fleet_begin(void)
{
    for (size_t i = 0; i < sim.plan.workers; i++) {
        sim.workers[i] = (struct sim_worker){.index = i, .next_version = sim.plan.version};
        world_at(cw_mono_ms() + world_between(0, 2000), start, &sim.workers[i], 0);
    }
}

/* What it held stays as it is; its memory too. */
static void bury(struct sim_worker *w)
{
    sim_say("worker %s is dead", w->id);
    sim.crashes++;
    sim.crash_ms = cw_mono_ms();
    kafka_silent(w->loop, INT64_MAX / 4);
    w->loop = NULL;
    w->app = NULL;
    start_later(w);
}

static void release(struct sim_worker *w)
{
    sim_say("worker %s has ended with %d", w->id, w->exit_code);
    if (sim.is_over && w->exit_code != CW_EXIT_OK)
        sim_fail("a drain without any fault ended with exit code %d", w->exit_code);
    if (w->exit_code == CW_EXIT_HURRIED || w->exit_code == CW_EXIT_FAILED) {
        world_kill(w->loop);
        sim.crash_ms = cw_mono_ms();
        kafka_silent(w->loop, INT64_MAX / 4);
    } else {
        cw_app_free(w->app);
        cw_loop_free(w->loop);
        cw_cfg_fini(cw_settings_rows, cw_settings_row_count, &w->settings);
    }
    w->loop = NULL;
    w->app = NULL;
    start_later(w);
}

void sim_fleet_tend(void)
{
    for (size_t i = 0; i < sim.plan.workers; i++) {
        struct sim_worker *w = &sim.workers[i];
        if (w->loop == NULL)
            continue;
        if (world_is_dead(w->loop))
            bury(w);
        else if (w->is_stopped)
            release(w);
        else
            sim_check_limits(w);
    }
}

void sim_fleet_crash(size_t worker)
{
    if (sim.workers[worker].loop != NULL)
        world_kill(sim.workers[worker].loop);
}

void sim_fleet_freeze(size_t worker, int64_t ms)
{
    struct sim_worker *w = &sim.workers[worker];
    if (w->loop == NULL)
        return;
    sim_say("worker %s freezes for %lld ms", w->id, (long long)ms);
    world_freeze(w->loop, cw_mono_ms() + ms);
    kafka_silent(w->loop, cw_mono_ms() + ms);
}

void sim_fleet_terminate(size_t worker)
{
    struct sim_worker *w = &sim.workers[worker];
    if (w->loop == NULL)
        return;
    sim_say("worker %s is asked to end", w->id);
    world_post(w->loop, cw_mono_ms(), stop, w, (int64_t)w->life);
}

void sim_fleet_skew(size_t worker, int64_t ms)
{
    struct sim_worker *w = &sim.workers[worker];
    if (w->loop == NULL)
        return;
    sim_say("the clock of worker %s jumps by %lld ms", w->id, (long long)ms);
    world_set_skew(w->loop, ms);
}

void sim_fleet_end(void)
{
    for (size_t i = 0; i < sim.plan.workers; i++) {
        sim.workers[i].stays_away = true;
        sim_fleet_terminate(i);
    }
}

bool sim_fleet_is_gone(void)
{
    for (size_t i = 0; i < sim.plan.workers; i++) {
        if (sim.workers[i].loop != NULL)
            return false;
    }
    return true;
}

/* A history from its beginning to its end: storm, calm, rest, farewell. */
#include <unistd.h>

#include "common/log.h"
#include "tests/sim/sim.h"

#define HOUR INT64_C(3600000)
#define REST_MS    \
    (INT64_C(24) * \
     HOUR) /* after the storm everything must have ended by then: each of five undos may wait its 90 min */
#define LOOK_MS 500
#define SETTLE_MS 5000
#define FAREWELL_MS 60000
#define TURNS_MAX 30000000

struct sim sim;

/* ---- history --------------------------------------------------------------------------------------------------------- */

int64_t sim_now(void)
{
    return cw_mono_ms() - sim.start_ms;
}

void sim_say(const char *fmt, ...)
{
    char line[2048];
    int n = snprintf(line, sizeof line, "%6lld.%03lld  ", (long long)(sim_now() / 1000),
                     (long long)(sim_now() % 1000));
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, fmt, args);
    va_end(args);
    for (const char *p = line; *p != '\0'; p++)
        sim.hash = (sim.hash ^ (uint8_t)*p) * UINT64_C(1099511628211);
    if (sim.is_verbose)
        (void)printf("%s\n", line);
}

void sim_fail(const char *fmt, ...)
{
    char text[sizeof sim.failure];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sim_say("WRONG: %s", text);
    if (sim.has_failed)
        return;
    sim.has_failed = true;
    (void)cw_z_copy(sim.failure, sizeof sim.failure, text);
}

/* ---- what goes wrong ------------------------------------------------------------------------------------------------- */

static bool on_touch(void *arg, struct cw_loop *loop, const char *what)
{
    (void)arg;
    struct sim_worker *w = sim_worker_of(loop);
    if (w == NULL)
        return false;
    sim.touches++;
    if (what[0] == 'h' && what[5] == 'a') /* "http after" */
        sim_check_ledger(w);
    for (size_t i = 0; i < sim.plan.action_count; i++) {
        if (sim.doomed_touches[i] != sim.touches)
            continue;
        if (sim.plan.actions[i].act == SIM_FREEZE_TOUCH) {
            sim_say("%s:", what);
            sim_fleet_freeze(w->index, sim.plan.actions[i].length_ms);
            continue;
        }
        sim_say("worker %s dies at: %s", w->id, what);
        return true;
    }
    return false;
}

static void forget(size_t writes)
{
    size_t n = writes == 0 ? redis_key_count() : redis_lose_last(writes);
    if (writes == 0)
        redis_lose_all();
    sim_say("Redis forgets %zu %s", n, writes == 0 ? "keys" : "writes");
    if (n == 0)
        return;
    sim.amnesia_ms = cw_mono_ms();
    *(writes > 0 ? &sim.failover_ms : &sim.loss_ms) = cw_mono_ms();
}

static void add_rule(size_t number)
{
    char error[256] = "";
    json_t *rule = json_loads(sim_rule(number), 0, NULL);
    CW_BUG_ON(rule == NULL);
    if (az_model_add_fault(sim.model, rule, error, sizeof error) < 0)
        cw_panic(__FILE__, __LINE__, error);
    json_decref(rule);
}

static void remove_rules(void *arg, int64_t num)
{
    (void)arg;
    (void)num;
    az_model_clear_faults(sim.model);
}

static void end_kafka_faults(void *arg, int64_t num)
{
    (void)arg;
    (void)num;
    kafka_be_faulty(0);
}

static void end_slowness(void *arg, int64_t num)
{
    (void)arg;
    (void)num;
    redis_be_slow(0);
}

static void terminate(void *arg, int64_t worker)
{
    (void)arg;
    sim_fleet_terminate((size_t)worker);
}

static void terminate_meanwhile(const struct sim_action *a)
{
    if (a->number != 0)
        world_at(cw_mono_ms() + a->length_ms / 2, terminate, NULL, (int64_t)a->worker);
}

static void act_on_kafka(const struct sim_action *a)
{
    int64_t until = cw_mono_ms() + a->length_ms;
    switch (a->act) {
    case SIM_EXPEL:
        kafka_expel(a->worker, a->length_ms);
        break;
    case SIM_SHUFFLE:
        kafka_shuffle();
        break;
    case SIM_REWIND:
        kafka_rewind(a->worker, a->number);
        break;
    case SIM_KAFKA_DOWN:
        kafka_down_until(until);
        terminate_meanwhile(a);
        break;
    default:
        terminate_meanwhile(a);
        kafka_be_faulty(3);
        world_at(until, end_kafka_faults, NULL, 0);
        break;
    }
}

static void act_on_redis(const struct sim_action *a)
{
    int64_t until = cw_mono_ms() + a->length_ms;
    switch (a->act) {
    case SIM_REDIS_FAILOVER:
        forget((size_t)a->number);
        redis_down_until(CW_MIN(until, cw_mono_ms() + 5000));
        break;
    case SIM_REDIS_LOSS:
        forget(0);
        redis_down_until(CW_MIN(until, cw_mono_ms() + 2000));
        break;
    case SIM_REDIS_SLOW:
        redis_be_slow(5);
        world_at(until, end_slowness, NULL, 0);
        break;
    default:
        redis_down_until(until);
        terminate_meanwhile(a);
        break;
    }
}

static void act_on_workers(size_t i, const struct sim_action *a)
{
    switch (a->act) {
    case SIM_CRASH_TOUCH:
    case SIM_FREEZE_TOUCH:
        sim.doomed_touches[i] = sim.touches + (uint64_t)a->number;
        break;
    case SIM_CRASH:
        sim_fleet_crash(a->worker);
        break;
    case SIM_FREEZE:
        sim_fleet_freeze(a->worker, a->length_ms);
        break;
    case SIM_TERMINATE:
        sim_fleet_terminate(a->worker);
        break;
    case SIM_ROLL:
        for (size_t k = 0; k < sim.plan.workers; k++)
            world_at(cw_mono_ms() + (int64_t)k * a->length_ms, terminate, NULL, (int64_t)k);
        break;
    case SIM_UPGRADE:
        for (size_t k = 0; k < sim.plan.workers; k++) {
            sim.workers[k].next_version = (enum sim_version)a->number;
            world_at(cw_mono_ms() + (int64_t)k * a->length_ms, terminate, NULL, (int64_t)k);
        }
        break;
    default:
        sim_fleet_skew(a->worker, a->number);
        break;
    }
}

static void act(void *arg, int64_t num)
{
    (void)arg;
    size_t i = (size_t)num;
    const struct sim_action *a = &sim.plan.actions[i];
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    if (sim.is_calm)
        return;
    sim_action_print(&sim.plan, i, &text);
    sim_say("(%s)", text.p);
    switch (a->act) {
    case SIM_EXPEL:
    case SIM_SHUFFLE:
    case SIM_REWIND:
    case SIM_KAFKA_DOWN:
    case SIM_KAFKA_FAULTY:
        act_on_kafka(a);
        break;
    case SIM_REDIS_DOWN:
    case SIM_REDIS_FAILOVER:
    case SIM_REDIS_LOSS:
    case SIM_REDIS_SLOW:
        act_on_redis(a);
        break;
    case SIM_AZURE:
        add_rule((size_t)a->number);
        world_at(cw_mono_ms() + a->length_ms, remove_rules, NULL, 0);
        break;
    default:
        act_on_workers(i, a);
        break;
    }
}

/* ---- requests -------------------------------------------------------------------------------------------------------- */

static void submit(void *arg, int64_t num)
{
    (void)arg;
    size_t i = (size_t)num;
    const struct sim_request *r = &sim.plan.requests[i];
    CW_AUTO(cw_buf_fini) struct cw_buf body = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    sim_request_body(&sim.plan, i, &body);
    sim_request_print(&sim.plan, i, &text);
    const struct cw_kafka_record record = {
        .topic = r->is_bulk ? SIM_BULK : SIM_REQUESTS,
        .key = cw_str_of(sim.plan.workspaces[r->workspace].key),
        .value = {body.p, body.n},
    };
    int32_t partition;
    int64_t offset = kafka_append(&record, &partition);
    struct sim_fate *f = &sim.fates[sim_request_original(&sim.plan, i)];
    f->is_sent = true;
    f->is_at[r->is_bulk][partition] = true;
    sim_say("request: %s -> %s/%d@%lld", text.p, record.topic, (int)partition, (long long)offset);
}

/* ---- the course of things -------------------------------------------------------------------------------------------- */

static void be_calm(void *arg, int64_t num)
{
    (void)arg;
    (void)num;
    sim.is_calm = true;
    sim_say("the storm is over");
    memset(sim.doomed_touches, 0, sizeof sim.doomed_touches);
    az_model_clear_faults(sim.model);
    kafka_be_faulty(0);
    redis_be_slow(0);
}

static const struct redis_mirror *mirror;

void sim_mirror(const struct redis_mirror *of_redis)
{
    mirror = of_redis;
}

/* Only then somebody asks for what the last writes changed. */
static bool may_fail_over(const struct sim_plan *plan)
{
    for (size_t i = 0; i < plan->action_count; i++) {
        if (plan->actions[i].act == SIM_REDIS_FAILOVER)
            return true;
    }
    return false;
}

static void make_world(void)
{
    CW_AUTO(cw_buf_fini) struct cw_buf state = {0};
    char error[256] = "";
    world_reset(sim.plan.seed);
    world_forget_calls();
    sim.start_ms = cw_mono_ms();
    const struct az_model_cfg cfg = {
        .seed = sim.plan.seed, .time_scale = (double)sim.plan.scale, .port = 443};
    sim.model = az_model_new(&cfg);
    CW_BUG_ON(sim.model == NULL);
    az_model_advance(sim.model, world_wall_ms());
    sim_state_print(&sim.plan, &state);
    json_t *doc = json_loads(state.p, 0, NULL);
    CW_BUG_ON(doc == NULL);
    if (az_model_load(sim.model, doc, error, sizeof error) < 0)
        cw_panic(__FILE__, __LINE__, error);
    json_decref(doc);
    world_use_model(sim.model);
    kafka_make_topic(SIM_REQUESTS, sim.plan.partitions);
    kafka_make_topic(SIM_BULK, sim.plan.partitions);
    kafka_make_topic(SIM_PROGRESS, 1);
    kafka_make_topic(SIM_RESULTS, 1);
    kafka_make_topic(SIM_LETTERS, 1);
    kafka_leave_gaps(sim.plan.gap_one_in);
    redis_keep_log(may_fail_over(&sim.plan));
    if (mirror != NULL) {
        redis_set_mirror(mirror, NULL);
        redis_tell_gone(NULL);
    }
    world_on_touch(on_touch, NULL);
}

static void plan_events(void)
{
    const struct sim_plan *p = &sim.plan;
    for (size_t i = 0; i < p->request_count; i++) {
        if (!p->is_left_out[i])
            world_at(sim.start_ms + p->requests[i].at_ms, submit, NULL, (int64_t)i);
    }
    for (size_t i = 0; i < p->action_count; i++) {
        if (!p->is_left_out[p->request_count + i])
            world_at(sim.start_ms + p->actions[i].at_ms, act, NULL, (int64_t)i);
    }
    world_at(sim.start_ms + p->storm_ms, be_calm, NULL, 0);
}

/* True when it came to that before the time. */
static bool turn_until(bool (*is_done)(void), int64_t until_ms, int64_t look_ms)
{
    int64_t next_look = cw_mono_ms();
    for (int turns = 0; cw_mono_ms() < until_ms && !sim.has_failed; turns++) {
        if (turns == TURNS_MAX) {
            sim_fail("%d turns and no end", turns);
            break;
        }
        bool goes_on = world_turn();
        sim_fleet_tend();
        if (cw_mono_ms() >= next_look) {
            if (is_done())
                return true;
            next_look = cw_mono_ms() + look_ms;
        }
        if (!goes_on)
            break;
    }
    return is_done();
}

static bool is_calm(void)
{
    return sim.is_calm;
}

static bool is_at_rest(void)
{
    for (size_t i = 0; i < sim.plan.workers; i++) {
        if (sim.workers[i].loop == NULL || world_frozen_until(sim.workers[i].loop) > 0)
            return false;
    }
    return !kafka_is_down() && !redis_is_down() && sim_has_come_to_rest();
}

static bool never(void)
{
    return false;
}

void sim_run(const struct sim_plan *plan, bool is_verbose)
{
    sim = (struct sim){.plan = *plan, .is_verbose = is_verbose, .hash = UINT64_C(14695981039346656037)};
    cw_log_set_level(CW_DEBUG);
    cw_log_set_fd(sim_log_fd());
    make_world();
    sim_check_begin();
    plan_events();
    sim_fleet_begin();
    (void)turn_until(is_calm, INT64_MAX, LOOK_MS);
    if (!sim.has_failed && !turn_until(is_at_rest, cw_mono_ms() + REST_MS, LOOK_MS))
        sim_fail("no rest %lld h after the storm", (long long)(REST_MS / HOUR));
    if (!sim.has_failed)
        (void)turn_until(never, cw_mono_ms() + SETTLE_MS, LOOK_MS);
    sim_say("at rest");
    sim.is_over = true;
    if (!sim.has_failed) {
        sim_fleet_end();
        if (!turn_until(sim_fleet_is_gone, cw_mono_ms() + FAREWELL_MS, 0))
            sim_fail("a worker does not end");
    }
    if (!sim.has_failed)
        sim_check_end();
    (void)fflush(stdout);
}

#include "common/net/loop.h"

#include "common/fiber/wait.h"
#include "tests/world/clock.h"

#define TURNS_MAX 50000000
#define SIGNALS_MAX 8

struct cw_timer {
    struct cw_timer *next;
    struct cw_loop *loop;
    int64_t every_ms;
    int64_t due_ms;
    void (*fn)(void *arg);
    void *arg;
    bool is_cancelled; /* freed by the loop between turns */
};

struct cw_loop {
    struct cw_sched *sched;
    struct cw_timer *timers;
    bool is_stopped;
};

static struct {
    int64_t due_ms; /* INT64_MAX = none */
    void (*fn)(void *arg);
    void *arg;
} alarm_at = {.due_ms = INT64_MAX};

void world_loop_reset(void)
{
    alarm_at.due_ms = INT64_MAX;
}

void world_reset(uint64_t seed)
{
    world_clock_reset(seed);
    world_loop_reset();
    world_http_reset();
    world_redis_reset();
}

void world_advance(int64_t ms)
{
    world_clock_set(cw_mono_ms() + ms);
}

void world_set_alarm(int64_t mono_ms, void (*fn)(void *arg), void *arg)
{
    alarm_at.due_ms = mono_ms;
    alarm_at.fn = fn;
    alarm_at.arg = arg;
}

int cw_loop_new(const struct cw_sched_cfg *cfg, struct cw_loop **ret_loop, struct cw_err *err)
{
    struct cw_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return cw_err_set(err, CW_ENOMEM, "loop");
    struct cw_sched_cfg quiet = *cfg;
    if (quiet.slice_warn_ms == 0)
        quiet.slice_warn_ms = INT64_MAX; /* the clock does not move while a fiber runs */
    int r = cw_sched_new(&quiet, &loop->sched, err);
    if (r < 0) {
        free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

static void sweep_timers(struct cw_loop *loop, bool all)
{
    for (struct cw_timer **at = &loop->timers; *at != NULL;) {
        struct cw_timer *t = *at;
        if (all || t->is_cancelled) {
            *at = t->next;
            free(t);
        } else {
            at = &t->next;
        }
    }
}

void cw_loop_free(struct cw_loop *loop)
{
    if (loop == NULL)
        return;
    sweep_timers(loop, true);
    cw_sched_free(loop->sched);
    free(loop);
}

struct cw_sched *cw_loop_sched(struct cw_loop *loop)
{
    return loop->sched;
}

static bool run_due(struct cw_loop *loop)
{
    bool ran = false;
    if (alarm_at.due_ms <= cw_mono_ms()) {
        alarm_at.due_ms = INT64_MAX;
        alarm_at.fn(alarm_at.arg);
        ran = true;
    }
    for (struct cw_timer *t = loop->timers; t != NULL; t = t->next) {
        if (t->is_cancelled || t->due_ms > cw_mono_ms())
            continue;
        t->due_ms += t->every_ms;
        t->fn(t->arg);
        ran = true;
    }
    sweep_timers(loop, false);
    return ran;
}

/* One turn: what is ready runs, else time jumps to what comes next. False when nothing will ever come. */
static bool turn(struct cw_loop *loop)
{
    cw_sched_run_ready(loop->sched);
    if (run_due(loop))
        return true;
    int64_t next = cw_sched_next(loop->sched).mono_ms;
    for (const struct cw_timer *t = loop->timers; t != NULL; t = t->next)
        next = CW_MIN(next, t->due_ms);
    next = CW_MIN(next, alarm_at.due_ms);
    if (next == INT64_MAX)
        return false;
    world_clock_set(next);
    return true;
}

void cw_loop_run(struct cw_loop *loop)
{
    loop->is_stopped = false;
    for (int i = 0; !loop->is_stopped; i++) {
        CW_BUG_ON(i == TURNS_MAX);
        CW_BUG_ON(!turn(loop)); /* nothing can happen any more */
    }
}

void cw_loop_stop(struct cw_loop *loop)
{
    loop->is_stopped = true;
}

int cw_loop_run_fiber(struct cw_loop *loop, const char *name, cw_fiber_fn fn, void *arg)
{
    struct cw_fiber *f = NULL;
    int result = 0;
    int r = cw_fiber_spawn(loop->sched, name, fn, arg, &f);
    if (r < 0)
        return r;
    for (int i = 0; !cw_fiber_has_ended(f); i++) {
        CW_BUG_ON(i == TURNS_MAX);
        bool goes_on = turn(loop);
        CW_BUG_ON(!goes_on && !cw_fiber_has_ended(f)); /* it waits for what never comes */
    }
    r = cw_fiber_join(f, CW_NEVER, &result);
    return r < 0 ? r : result;
}

int cw_loop_on_signal(struct cw_loop *loop, int signum, void (*fn)(int signum, void *arg), void *arg)
{
    (void)loop;
    (void)signum;
    (void)fn;
    (void)arg;
    return 0; /* no signals in this world */
}

struct cw_timer *cw_loop_every(struct cw_loop *loop, int64_t every_ms, void (*fn)(void *arg), void *arg)
{
    CW_PRE(every_ms > 0);
    struct cw_timer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    *t = (struct cw_timer){
        .next = loop->timers,
        .loop = loop,
        .every_ms = every_ms,
        .due_ms = cw_mono_ms() + every_ms,
        .fn = fn,
        .arg = arg,
    };
    loop->timers = t;
    return t;
}

void cw_loop_cancel_timer(struct cw_timer *timer)
{
    if (timer != NULL)
        timer->is_cancelled = true;
}

int cw_sleep(struct cw_deadline until)
{
    struct cw_wait w;
    cw_wait_arm(&w);
    int r = cw_wait_for(&w, until);
    return r == -CW_ETIMEDOUT ? 0 : r;
}

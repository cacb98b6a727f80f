#include "common/net/loop.h"

#include <setjmp.h>

#include "common/fiber/sched.h"
#include "tests/world/clock.h"

#define TURNS_MAX 50000000

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
    struct cw_loop *next; /* oldest first */
    struct cw_sched *sched;
    struct cw_timer *timers;
    int64_t timers_due_ms; /* the earliest; may be too early */
    int64_t frozen_until;  /* 0 = it runs */
    int64_t skew_ms;
    bool is_stopped;
    bool is_dead;
};

struct event {
    int64_t at_ms;
    uint64_t number;
    struct cw_loop *loop; /* NULL = the world's */
    world_event_fn fn;
    void *arg;
    int64_t num;
};

static struct {
    struct cw_loop *loops;
    struct cw_loop *running;
    struct event *heap; /* the earliest first */
    size_t count;
    size_t cap;
    uint64_t numbers;
    bool (*hook)(void *arg, struct cw_loop *loop, const char *what);
    void *hook_arg;
    jmp_buf out; /* of the running worker's callback */
} fleet;

void world_loop_reset(void)
{
    fleet.count = 0;
    fleet.hook = NULL;
    fleet.loops = fleet.running = NULL; /* what is left of another world never runs again */
}

__attribute__((destructor)) static void free_at_exit(void)
{
    free(fleet.heap);
}

void world_reset(uint64_t seed)
{
    world_clock_reset(seed);
    world_loop_reset();
    world_http_reset();
    world_redis_reset();
    world_kafka_reset();
    world_dns_reset();
}

void world_advance(int64_t ms)
{
    world_clock_set(cw_mono_ms() + ms);
}

/* ---- events ---------------------------------------------------------------------------------------------------------- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void push(struct event e)
{
    if (fleet.count == fleet.cap) {
        fleet.cap = fleet.cap == 0 ? 64 : fleet.cap * 2;
        fleet.heap = realloc(fleet.heap, fleet.cap * sizeof *fleet.heap);
        CW_BUG_ON(fleet.heap == NULL);
    }
    size_t i = fleet.count++;
    for (; i > 0 && is_before(&e, &fleet.heap[(i - 1) / 2]); i = (i - 1) / 2)
        fleet.heap[i] = fleet.heap[(i - 1) / 2];
    fleet.heap[i] = e;
}

static struct event pop(void)
{
    struct event first = fleet.heap[0], last = fleet.heap[--fleet.count];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k + 1 < fleet.count && is_before(&fleet.heap[k + 1], &fleet.heap[k]))
            k++;
        if (k >= fleet.count || !is_before(&fleet.heap[k], &last))
            break;
        fleet.heap[i] = fleet.heap[k];
        i = k;
    }
    fleet.heap[i] = last;
    return first;
}

void world_post(struct cw_loop *loop, int64_t mono_ms, world_event_fn fn, void *arg, int64_t num)
{
    push((struct event){CW_MAX(mono_ms, cw_mono_ms()), ++fleet.numbers, loop, fn, arg, num});
}

void world_at(int64_t mono_ms, world_event_fn fn, void *arg, int64_t num)
{
    world_post(NULL, mono_ms, fn, arg, num);
}

/* ---- life and death -------------------------------------------------------------------------------------------------- */

struct cw_loop *world_running(void)
{
    return fleet.running;
}

int64_t world_skew_ms(void)
{
    return fleet.running == NULL ? 0 : fleet.running->skew_ms;
}

void world_kill(struct cw_loop *loop)
{
    CW_PRE(fleet.running != loop);
    loop->is_dead = true;
}

bool world_is_dead(const struct cw_loop *loop)
{
    return loop->is_dead;
}

void world_freeze(struct cw_loop *loop, int64_t until_mono_ms)
{
    loop->frozen_until = CW_MAX(loop->frozen_until, until_mono_ms);
}

int64_t world_frozen_until(const struct cw_loop *loop)
{
    return loop->frozen_until > cw_mono_ms() ? loop->frozen_until : 0;
}

void world_set_skew(struct cw_loop *loop, int64_t skew_ms)
{
    loop->skew_ms = skew_ms;
}

void world_on_touch(bool (*hook)(void *arg, struct cw_loop *loop, const char *what), void *arg)
{
    fleet.hook = hook;
    fleet.hook_arg = arg;
}

void world_touch(const char *what)
{
    struct cw_loop *loop = fleet.running;
    if (fleet.hook == NULL || loop == NULL || !fleet.hook(fleet.hook_arg, loop, what))
        return;
    loop->is_dead = true;
    struct cw_fiber *self = cw_fiber_self();
    if (self == NULL)
        longjmp(fleet.out, 1);
    loop->sched->ready_head = loop->sched->ready_tail = NULL; /* nobody else runs after it */
    cw_sched_park(self);
    CW_BUG_ON(true);
}

static bool can_run(const struct cw_loop *loop)
{
    return !loop->is_dead && loop->frozen_until <= cw_mono_ms();
}

/* A callback on the worker's own loop, from which it may not come back. */
static void enter(struct cw_loop *loop, world_event_fn fn, void *arg, int64_t num)
{
    struct cw_loop *before = fleet.running;
    fleet.running = loop;
    if (setjmp(fleet.out) == 0)
        fn(arg, num);
    fleet.running = before;
}

/* ---- loops ----------------------------------------------------------------------------------------------------------- */

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
    loop->timers_due_ms = INT64_MAX;
    struct cw_loop **at = &fleet.loops;
    while (*at != NULL)
        at = &(*at)->next;
    *at = loop;
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

static void forget_events(const struct cw_loop *loop)
{
    size_t n = fleet.count, k = 0;
    struct event *kept = calloc(n + 1, sizeof *kept);
    CW_BUG_ON(kept == NULL);
    for (size_t i = 0; i < n; i++)
        if (fleet.heap[i].loop != loop)
            kept[k++] = fleet.heap[i];
    fleet.count = 0;
    for (size_t i = 0; i < k; i++)
        push(kept[i]);
    free(kept);
}

void cw_loop_free(struct cw_loop *loop)
{
    if (loop == NULL)
        return;
    struct cw_loop **at = &fleet.loops;
    while (*at != loop)
        at = &(*at)->next;
    *at = loop->next;
    forget_events(loop);
    sweep_timers(loop, true);
    cw_sched_free(loop->sched);
    free(loop);
}

struct cw_sched *cw_loop_sched(struct cw_loop *loop)
{
    return loop->sched;
}

static void run_fibers(void *arg, int64_t num)
{
    (void)num;
    cw_sched_run_ready(arg);
}

static bool run_ready(void)
{
    bool ran = false;
    for (struct cw_loop *loop = fleet.loops; loop != NULL; loop = loop->next) {
        if (!can_run(loop) || cw_sched_next(loop->sched).mono_ms > cw_mono_ms())
            continue;
        enter(loop, run_fibers, loop->sched, 0);
        ran = true;
    }
    return ran;
}

static bool run_events(void)
{
    bool ran = false;
    for (uint64_t last = fleet.numbers;
         fleet.count > 0 && fleet.heap[0].at_ms <= cw_mono_ms() && fleet.heap[0].number <= last;) {
        struct event e = pop();
        ran = true;
        if (e.loop == NULL)
            e.fn(e.arg, e.num);
        else if (can_run(e.loop))
            enter(e.loop, e.fn, e.arg, e.num);
        else if (!e.loop->is_dead)
            world_post(e.loop, e.loop->frozen_until, e.fn, e.arg, e.num);
    }
    return ran;
}

/* A timer whose time came several times while its worker was frozen runs once. */
static void run_timers_of(void *arg, int64_t num)
{
    struct cw_loop *loop = arg;
    (void)num;
    loop->timers_due_ms = INT64_MAX;
    for (struct cw_timer *t = loop->timers; t != NULL; t = t->next) {
        if (!t->is_cancelled && t->due_ms <= cw_mono_ms()) {
            t->due_ms = cw_mono_ms() + t->every_ms;
            t->fn(t->arg);
        }
        loop->timers_due_ms = CW_MIN(loop->timers_due_ms, t->due_ms);
    }
    sweep_timers(loop, false);
}

static bool run_timers(void)
{
    bool ran = false;
    for (struct cw_loop *loop = fleet.loops; loop != NULL; loop = loop->next) {
        if (!can_run(loop) || loop->timers_due_ms > cw_mono_ms())
            continue;
        enter(loop, run_timers_of, loop, 0);
        ran = true;
    }
    return ran;
}

static int64_t next_of(const struct cw_loop *loop)
{
    if (loop->is_dead)
        return INT64_MAX;
    int64_t next = CW_MIN(cw_sched_next(loop->sched).mono_ms, loop->timers_due_ms);
    return next == INT64_MAX ? next : CW_MAX(next, loop->frozen_until);
}

bool world_turn(void)
{
    bool ran = run_ready();
    ran = run_events() || ran;
    ran = run_timers() || ran;
    if (ran)
        return true;
    int64_t next = INT64_MAX;
    for (const struct cw_loop *loop = fleet.loops; loop != NULL; loop = loop->next)
        next = CW_MIN(next, next_of(loop));
    if (fleet.count > 0)
        next = CW_MIN(next, fleet.heap[0].at_ms);
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
        CW_BUG_ON(!world_turn()); /* nothing can happen any more */
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
        bool goes_on = world_turn();
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
    loop->timers_due_ms = CW_MIN(loop->timers_due_ms, t->due_ms);
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
    world_touch("sleep");
    cw_wait_arm(&w);
    int r = cw_wait_for(&w, until);
    return r == -CW_ETIMEDOUT ? 0 : r;
}

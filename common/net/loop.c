#include "common/net/loop.h"

#include <signal.h>

#include "common/fiber/wait.h"
#include "common/net/loop_uv.h"

#define REST_MS 1000 /* a wait from which on giving memory back pays */
#define SIGNALS 65

/* First member: libuv's handle, so that cw_uv_close_free() can free it. */
struct cw_timer {
    uv_timer_t uv;
    struct cw_loop *loop;
    struct cw_timer *prev, *next; /* all of the loop */
    void (*fn)(void *arg);
    void *arg;
};

struct signal_watch {
    uv_signal_t uv;
    void (*fn)(int signum, void *arg);
    void *arg;
};

struct cw_loop {
    uv_loop_t uv;
    struct cw_sched *sched;
    uv_async_t *keep;                      /* never sent: a loop without handles would not block */
    uv_timer_t *timer;                     /* fires at the scheduler's next deadline */
    struct cw_deadline armed;              /* what the timer is set to */
    struct cw_timer *timers;               /* of cw_loop_every() */
    struct signal_watch *signals[SIGNALS]; /* by number */
    bool is_stopping;
};

/* --- for the clients ---------------------------------------------------------------------------------------------- */

uv_loop_t *cw_loop_uv(struct cw_loop *loop)
{
    return &loop->uv;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void cw_uv_close_free(void *take_handle)
{
    if (take_handle != NULL)
        uv_close(take_handle, free_handle);
}

void cw_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, int64_t after_ms)
{
    uv_update_time(timer->loop);
    (void)uv_timer_start(timer, fn, after_ms > 0 ? (uint64_t)after_ms : 0, 0);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void on_keep(uv_async_t *async)
{
    (void)async;
}

/* uv_stop() makes libuv's poll return at once, also when a timer ran before it in the same turn. */
static void wake(void *arg)
{
    struct cw_loop *loop = arg;
    uv_stop(&loop->uv);
}

static int open_handles(struct cw_loop *loop)
{
    loop->keep = calloc(1, sizeof *loop->keep);
    loop->timer = calloc(1, sizeof *loop->timer);
    if (loop->keep == NULL || loop->timer == NULL || uv_loop_init(&loop->uv) != 0)
        goto fail;
    if (uv_async_init(&loop->uv, loop->keep, on_keep) != 0) {
        (void)uv_loop_close(&loop->uv);
        goto fail;
    }
    (void)uv_timer_init(&loop->uv, loop->timer);
    loop->timer->data = loop;
    return 0;
fail:
    free(loop->keep);
    free(loop->timer);
    return -CW_ENOMEM;
}

int cw_loop_new(const struct cw_sched_cfg *cfg, struct cw_loop **ret_loop, struct cw_err *err)
{
    struct cw_sched *sched = NULL;
    int r = cw_sched_new(cfg, &sched, err);
    if (r < 0)
        return r;
    struct cw_loop *loop = calloc(1, sizeof *loop);
    r = loop != NULL ? open_handles(loop) : -CW_ENOMEM;
    if (r < 0) {
        free(loop);
        cw_sched_free(sched);
        return cw_err_set(err, r, "no memory for the event loop");
    }
    loop->sched = sched;
    loop->armed = CW_NEVER;
    cw_sched_set_wake(sched, wake, loop);
    (void)signal(SIGPIPE, SIG_IGN);
    *ret_loop = loop;
    return 0;
}

void cw_loop_free(struct cw_loop *loop)
{
    if (loop == NULL)
        return;
    while (loop->timers != NULL)
        cw_loop_cancel_timer(loop->timers);
    for (size_t i = 0; i < SIGNALS; i++)
        cw_uv_close_free(loop->signals[i]);
    cw_uv_close_free(loop->timer);
    cw_uv_close_free(loop->keep);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        cw_sched_run_ready(loop->sched);
    CW_BUG_ON(uv_loop_close(&loop->uv) != 0);
    cw_sched_free(loop->sched);
    free(loop);
}

struct cw_sched *cw_loop_sched(struct cw_loop *loop)
{
    return loop->sched;
}

static void on_deadline(uv_timer_t *timer)
{
    struct cw_loop *loop = timer->data;
    loop->armed = CW_NEVER;
    uv_stop(&loop->uv); /* it may fire ahead of the poll of the same turn, which nothing else would end */
}

/* Sleep until there is something to do: no longer than to the scheduler's next deadline. */
static void poll_events(struct cw_loop *loop)
{
    struct cw_deadline next = cw_sched_next(loop->sched);
    int64_t left_ms = cw_left_ms(next);
    if (left_ms == 0) {
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    if (next.mono_ms != loop->armed.mono_ms) {
        loop->armed = next;
        if (next.mono_ms == CW_NEVER.mono_ms)
            (void)uv_timer_stop(loop->timer);
        else
            cw_uv_timer_start(loop->timer, on_deadline, left_ms);
    }
    (void)uv_run(&loop->uv, UV_RUN_ONCE);
}

void cw_loop_run(struct cw_loop *loop)
{
    for (;;) {
        cw_sched_run_ready(loop->sched);
        if (loop->is_stopping)
            break;
        poll_events(loop);
    }
    loop->is_stopping = false;
}

void cw_loop_stop(struct cw_loop *loop)
{
    loop->is_stopping = true;
    uv_stop(&loop->uv);
}

int cw_loop_run_fiber(struct cw_loop *loop, const char *name, cw_fiber_fn fn, void *arg)
{
    struct cw_fiber *f = NULL;
    int r = cw_fiber_spawn(loop->sched, name, fn, arg, &f);
    if (r < 0)
        return r;
    for (;;) {
        cw_sched_run_ready(loop->sched);
        if (cw_fiber_has_ended(f))
            break;
        poll_events(loop);
    }
    int result = 0;
    r = cw_fiber_join(f, CW_NEVER, &result);
    return r < 0 ? r : result;
}

/* --- signals and timers ------------------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int signum)
{
    const struct signal_watch *watch = (const struct signal_watch *)handle;
    watch->fn(signum, watch->arg);
}

int cw_loop_on_signal(struct cw_loop *loop, int signum, void (*fn)(int signum, void *arg), void *arg)
{
    if (signum <= 0 || signum >= SIGNALS)
        return -CW_EINVAL;
    struct signal_watch *watch = loop->signals[signum];
    if (watch == NULL) {
        watch = calloc(1, sizeof *watch);
        if (watch == NULL)
            return -CW_ENOMEM;
        if (uv_signal_init(&loop->uv, &watch->uv) != 0) {
            free(watch);
            return -CW_ENOMEM;
        }
        if (uv_signal_start(&watch->uv, on_signal, signum) != 0) {
            cw_uv_close_free(watch);
            return -CW_EINVAL;
        }
        loop->signals[signum] = watch;
    }
    watch->fn = fn;
    watch->arg = arg;
    return 0;
}

static void on_every(uv_timer_t *handle)
{
    const struct cw_timer *timer = (const struct cw_timer *)handle;
    timer->fn(timer->arg);
}

struct cw_timer *cw_loop_every(struct cw_loop *loop, int64_t every_ms, void (*fn)(void *arg), void *arg)
{
    CW_PRE(every_ms > 0);
    struct cw_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return NULL;
    timer->loop = loop;
    timer->fn = fn;
    timer->arg = arg;
    timer->next = loop->timers;
    if (timer->next != NULL)
        timer->next->prev = timer;
    loop->timers = timer;
    (void)uv_timer_init(&loop->uv, &timer->uv);
    uv_update_time(&loop->uv);
    (void)uv_timer_start(&timer->uv, on_every, (uint64_t)every_ms, (uint64_t)every_ms);
    return timer;
}

void cw_loop_cancel_timer(struct cw_timer *timer)
{
    if (timer == NULL)
        return;
    *(timer->prev != NULL ? &timer->prev->next : &timer->loop->timers) = timer->next;
    if (timer->next != NULL)
        timer->next->prev = timer->prev;
    cw_uv_close_free(timer);
}

int cw_sleep(struct cw_deadline until)
{
    struct cw_wait w;
    cw_wait_arm(&w);
    if (cw_left_ms(until) >= REST_MS)
        cw_fiber_will_rest();
    int r = cw_wait_for(&w, until);
    return r == -CW_ETIMEDOUT ? 0 : r;
}

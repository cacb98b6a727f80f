#include "common/fiber/fiber.h"

#include "common/fiber/sched.h"
#include "common/fiber/switch.h"
#include "common/sanitize.h"
#include "common/str.h"

#if CW_WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if CW_WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define POOL_MAX_DEFAULT 256
#define SLICE_WARN_MS_DEFAULT 50
#define MAPS_OF_OTHERS 2000 /* libraries, heaps, threads */
#define MAPS_MAX_DEFAULT 65530

/* The one that runs fibers, else the one that did last. ops/gdb looks it up by this name. */
static struct cw_sched *cw_current_sched;

/* --- sanitizer hooks: before leaving a stack, after arriving on one ---------------------------------------------- */

/* Inlined, for TSan counts calls and returns per fiber. */
#define HOOK static inline __attribute__((always_inline)) void

/* fake_stack NULL: the stack that is left never runs again. */
HOOK before_switch(void **fake_stack, const void *to_stack, size_t to_bytes, void *to_tsan_fiber)
{
#if CW_WITH_ASAN
    __sanitizer_start_switch_fiber(fake_stack, to_stack, to_bytes);
#endif
#if CW_WITH_TSAN
    __tsan_switch_to_fiber(to_tsan_fiber, 0);
#endif
    (void)fake_stack;
    (void)to_stack;
    (void)to_bytes;
    (void)to_tsan_fiber;
}

HOOK after_switch(void *fake_stack, const void **ret_from_stack, size_t *ret_from_bytes)
{
#if CW_WITH_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, ret_from_stack, ret_from_bytes);
#endif
    (void)fake_stack;
    (void)ret_from_stack;
    (void)ret_from_bytes;
}

static void *new_tsan_fiber(void)
{
#if CW_WITH_TSAN
    return __tsan_create_fiber(0);
#else
    return NULL;
#endif
}

static void free_tsan_fiber(void *fiber)
{
#if CW_WITH_TSAN
    __tsan_destroy_fiber(fiber);
#endif
    (void)fiber;
}

static void *running_tsan_fiber(void)
{
#if CW_WITH_TSAN
    return __tsan_get_current_fiber();
#else
    return NULL;
#endif
}

/* --- the scheduler ------------------------------------------------------------------------------------------------ */

static size_t maps_max(void)
{
    unsigned long value = MAPS_MAX_DEFAULT;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file == NULL)
        return value;
    if (fscanf(file, "%lu", &value) != 1)
        value = MAPS_MAX_DEFAULT;
    (void)fclose(file);
    return value;
}

static int check_cfg(const struct cw_sched_cfg *cfg, const struct cw_stacks *stacks, struct cw_err *err)
{
    if (cfg->fibers_max == 0)
        return cw_err_set(err, CW_EINVAL, "fibers_max must be positive");
    size_t max = maps_max();
    if (cfg->fibers_max > max || cw_stacks_maps(stacks, cfg->fibers_max) + MAPS_OF_OTHERS > max)
        return cw_err_set(err, CW_EINVAL, "%zu fibers do not fit vm.max_map_count %zu", cfg->fibers_max, max);
    return 0;
}

int cw_sched_new(const struct cw_sched_cfg *cfg, struct cw_sched **ret_sched, struct cw_err *err)
{
    struct cw_sched *s = calloc(1, sizeof *s);
    if (s == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the scheduler");
    s->cfg = *cfg;
    if (s->cfg.pool_max == 0)
        s->cfg.pool_max = POOL_MAX_DEFAULT;
    if (s->cfg.slice_warn_ms == 0)
        s->cfg.slice_warn_ms = SLICE_WARN_MS_DEFAULT;
    int r = cw_stacks_init(&s->stacks, s->cfg.stack_bytes, s->cfg.pool_max);
    if (r < 0)
        (void)cw_err_set(err, r, "no memory for the scheduler");
    else
        r = check_cfg(&s->cfg, &s->stacks, err);
    if (r == 0) {
        s->heap = calloc(s->cfg.fibers_max, sizeof(struct cw_fiber *));
        r = s->heap != NULL ? 0 : cw_err_set(err, CW_ENOMEM, "no memory for %zu fibers", s->cfg.fibers_max);
    }
    if (r < 0) {
        cw_stacks_fini(&s->stacks);
        free(s);
        return r;
    }
    s->tsan_fiber = running_tsan_fiber();
    cw_current_sched = s;
    *ret_sched = s;
    return 0;
}

void cw_sched_free(struct cw_sched *s)
{
    if (s == NULL)
        return;
    CW_PRE(s->running == NULL);
    CW_PRE(s->alive == 0);
    CW_PRE(s->handles == 0); /* each fiber was joined or detached */
    cw_stacks_fini(&s->stacks);
    free(s->heap);
    if (cw_current_sched == s)
        cw_current_sched = NULL;
    free(s);
}

void cw_sched_set_wake(struct cw_sched *s, void (*fn)(void *arg), void *arg)
{
    s->wake = fn;
    s->wake_arg = arg;
}

size_t cw_sched_count(const struct cw_sched *s)
{
    return s->alive;
}

size_t cw_sched_stack_bytes(const struct cw_sched *s)
{
    return s->stacks.bytes;
}

struct cw_sched *cw_sched_current(void)
{
    return cw_current_sched;
}

struct cw_deadline cw_sched_next(const struct cw_sched *s)
{
    if (s->ready_head != NULL)
        return cw_in_ms(0);
    return s->heap_count > 0 ? s->heap[0]->until : CW_NEVER;
}

void cw_sched_make_ready(struct cw_fiber *f)
{
    struct cw_sched *s = f->sched;
    CW_BUG_ON(f->state != CW_FIBER_WAITING);
    cw_timers_remove(s, f);
    f->wait = NULL;
    f->state = CW_FIBER_READY;
    f->next_ready = NULL;
    if (s->ready_tail != NULL)
        s->ready_tail->next_ready = f;
    else
        s->ready_head = f;
    s->ready_tail = f;
    if (!s->is_running_ready && s->wake != NULL)
        s->wake(s->wake_arg);
}

void cw_sched_park(struct cw_fiber *f)
{
    struct cw_sched *s = f->sched;
    CW_PRE(s->running == f);
    void *fake_stack = NULL;
    before_switch(&fake_stack, s->loop_stack, s->loop_stack_bytes, s->tsan_fiber);
    cw_switch(&f->sp, s->sp);
    after_switch(fake_stack, &s->loop_stack, &s->loop_stack_bytes);
}

static void unlink_fiber(struct cw_sched *s, struct cw_fiber *f)
{
    *(f->prev != NULL ? &f->prev->next : &s->first) = f->next;
    *(f->next != NULL ? &f->next->prev : &s->last) = f->prev;
    s->handles--;
}

static void forget(struct cw_fiber *f)
{
    CW_BUG_ON(f->state != CW_FIBER_ENDED);
    unlink_fiber(f->sched, f);
    free(f);
}

/* On the loop's stack, after the fiber's function has returned. */
static void bury(struct cw_sched *s, struct cw_fiber *f)
{
    cw_stacks_give(&s->stacks, &f->stack);
    free_tsan_fiber(f->tsan_fiber);
    f->tsan_fiber = NULL;
    f->sp = NULL;
    s->alive--;
    if (f->joiner != NULL)
        cw_wait_done(f->joiner, 0);
    if (f->is_detached)
        forget(f);
}

static void run_slice(struct cw_sched *s, struct cw_fiber *f)
{
    int64_t start_ms = cw_mono_ms();
    f->state = CW_FIBER_RUNNING;
    s->running = f;
    before_switch(&s->asan_fake_stack, f->stack.base, f->stack.bytes, f->tsan_fiber);
    cw_switch(&s->sp, f->sp);
    after_switch(s->asan_fake_stack, NULL, NULL);
    s->running = NULL;
    int64_t slice_ms = cw_mono_ms() - start_ms;
    if (slice_ms > s->cfg.slice_warn_ms && s->cfg.on_slow_slice != NULL)
        s->cfg.on_slow_slice(f->name, slice_ms);
    if (f->state == CW_FIBER_ENDED) {
        bury(s, f);
    } else if (f->will_rest) {
        f->will_rest = false;
        cw_stacks_trim(&f->stack, f->sp);
    }
}

void cw_sched_run_ready(struct cw_sched *s)
{
    CW_PRE(s->running == NULL);
    cw_current_sched = s;
    s->is_running_ready = true;
    cw_timers_expire(s, cw_mono_ms());
    while (s->ready_head != NULL) {
        struct cw_fiber *f = s->ready_head;
        s->ready_head = f->next_ready;
        if (s->ready_head == NULL)
            s->ready_tail = NULL;
        run_slice(s, f);
    }
    s->is_running_ready = false;
}

/* --- fibers ------------------------------------------------------------------------------------------------------- */

/* The first C frame of each fiber. It leaves for good instead of returning. */
static void run_fiber(void *arg)
{
    struct cw_fiber *f = arg;
    struct cw_sched *s = f->sched;
    after_switch(NULL, &s->loop_stack, &s->loop_stack_bytes);
    f->result = f->fn(f->arg);
    f->state = CW_FIBER_ENDED;
    before_switch(NULL, s->loop_stack, s->loop_stack_bytes, s->tsan_fiber);
    cw_switch(&f->sp, s->sp);
    cw_panic(__FILE__, __LINE__, "an ended fiber was resumed");
}

int cw_fiber_spawn(struct cw_sched *s, const char *name, cw_fiber_fn fn, void *arg,
                   struct cw_fiber **ret_fiber)
{
    if (s->alive >= s->cfg.fibers_max)
        return -CW_ENOMEM;
    struct cw_fiber *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -CW_ENOMEM;
    int r = cw_stacks_take(&s->stacks, &f->stack);
    if (r < 0) {
        free(f);
        return r;
    }
    f->sched = s;
    f->fn = fn;
    f->arg = arg;
    f->heap_index = CW_NOT_IN_HEAP;
    f->until = CW_NEVER;
    f->tsan_fiber = new_tsan_fiber();
    (void)cw_z_copy(f->name, sizeof f->name, name);
    f->sp = cw_switch_prepare(f->stack.base, f->stack.bytes, run_fiber, f);
    f->prev = s->last;
    *(s->last != NULL ? &s->last->next : &s->first) = f;
    s->last = f;
    s->handles++;
    s->alive++;
    f->state = CW_FIBER_WAITING;
    cw_sched_make_ready(f);
    *ret_fiber = f;
    return 0;
}

static int join(struct cw_fiber *f, struct cw_deadline until, int *ret_result,
                int (*wait_for)(struct cw_wait *w, struct cw_deadline until))
{
    CW_PRE(!f->is_detached);
    if (cw_fiber_self() != NULL) {
        CW_PRE(f->joiner == NULL);
        CW_PRE(f != cw_fiber_self());
        struct cw_wait w;
        cw_wait_arm(&w);
        f->joiner = &w;
        if (f->state == CW_FIBER_ENDED)
            cw_wait_done(&w, 0);
        int r = wait_for(&w, until);
        f->joiner = NULL;
        if (r < 0)
            return r;
    }
    CW_PRE(f->state == CW_FIBER_ENDED);
    *ret_result = f->result;
    forget(f);
    return 0;
}

int cw_fiber_join(struct cw_fiber *f, struct cw_deadline until, int *ret_result)
{
    return join(f, until, ret_result, cw_wait_for);
}

int cw_fiber_join_uncancelled(struct cw_fiber *f, struct cw_deadline until, int *ret_result)
{
    return join(f, until, ret_result, cw_wait_for_uncancelled);
}

void cw_fiber_detach(struct cw_fiber *f)
{
    CW_PRE(!f->is_detached);
    CW_PRE(f->joiner == NULL);
    f->is_detached = true;
    if (f->state == CW_FIBER_ENDED)
        forget(f);
}

void cw_fiber_cancel(struct cw_fiber *f, int reason)
{
    CW_PRE(reason == CW_ECANCELED || reason == CW_EPARKED || reason == CW_ELOST);
    _Static_assert(CW_ECANCELED < CW_EPARKED && CW_EPARKED < CW_ELOST, "the order of strength");
    f->cancel_reason = CW_MAX(f->cancel_reason, reason);
    if (f->state == CW_FIBER_WAITING && f->is_cancellable)
        cw_sched_make_ready(f);
}

int cw_fiber_cancel_reason(void)
{
    struct cw_fiber *f = cw_fiber_self();
    return f == NULL ? 0 : f->cancel_reason;
}

bool cw_fiber_has_ended(const struct cw_fiber *f)
{
    return f->state == CW_FIBER_ENDED;
}

void cw_fiber_will_rest(void)
{
    struct cw_fiber *f = cw_fiber_self();
    CW_PRE(f != NULL);
    f->will_rest = true;
}

struct cw_fiber *cw_fiber_self(void)
{
    return cw_current_sched == NULL ? NULL : cw_current_sched->running;
}

const char *cw_fiber_name(const struct cw_fiber *f)
{
    return f->name;
}

void cw_fiber_set_local(struct cw_fiber *f, void *local)
{
    f->local = local;
}

void *cw_fiber_local(const struct cw_fiber *f)
{
    return f->local;
}

void cw_sched_each(struct cw_sched *s,
                   void (*fn)(const char *name, const char *state, struct cw_deadline until, void *arg),
                   void *arg)
{
    static const char *const names[] = {"ready", "running", "waiting", "ended"};
    for (const struct cw_fiber *f = s->first; f != NULL; f = f->next)
        if (f->state != CW_FIBER_ENDED)
            fn(f->name, names[f->state], f->state == CW_FIBER_WAITING ? f->until : CW_NEVER, arg);
}

const char *cw_sched_guard_owner(const void *address)
{
    const struct cw_sched *s = cw_current_sched;
    uintptr_t at = (uintptr_t)address;
    for (const struct cw_fiber *f = s == NULL ? NULL : s->first; f != NULL; f = f->next) {
        uintptr_t base = (uintptr_t)f->stack.base;
        if (base != 0 && at < base && at >= base - s->stacks.guard_bytes)
            return f->name;
    }
    return NULL;
}

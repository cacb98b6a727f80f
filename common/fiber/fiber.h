/* common/fiber/fiber.h: stackful fibers: the only code that knows stacks, context switches and sanitizer hooks.
 *
 * One scheduler per process, on the loop's thread (the simulated world has one for each of its workers; they run by turns).
 * A fiber runs until it waits; ready fibers run in the order of waking, in one place (cw_sched_run_ready), so a run is reproducible. A started fiber always returns: cancellation and deadlines are
 * return values of the wait, so scope cleanup works.
 * Thread: loop, all of it. */
#ifndef CW_COMMON_FIBER_FIBER_H
#define CW_COMMON_FIBER_FIBER_H

#include "common/err.h"
#include "common/time.h"

struct cw_sched;
struct cw_fiber;

struct cw_sched_cfg {
    size_t fibers_max;     /* > 0 */
    size_t stack_bytes;    /* per fiber, without the guard area; 0 = 64 KiB (256 KiB under sanitizers) */
    size_t pool_max;       /* idle stacks that are kept; 0 = 256 */
    int64_t slice_warn_ms; /* a fiber that runs longer without a wait is reported; 0 = 50 */
    void (*on_slow_slice)(const char *fiber_name, int64_t ms); /* may be NULL */
};

/* The result of a fiber: 0 or a negative code. Must return, also when cancelled. */
typedef int (*cw_fiber_fn)(void *arg);

/* Errors: -CW_ENOMEM, -CW_EINVAL (fibers_max does not fit vm.max_map_count). */
int cw_sched_new(const struct cw_sched_cfg *cfg, struct cw_sched **ret_sched, struct cw_err *err);
/* No fiber may be left (asserted). NULL is fine. */
void cw_sched_free(struct cw_sched *s);
/* Run ready fibers until none is ready, then expired deadlines are turned into ready fibers by the next call. Called by the
 * loop once per turn, on the loop's stack. */
void cw_sched_run_ready(struct cw_sched *s);
/* The earliest deadline of any waiting fiber, or "now" when a fiber is ready; CW_NEVER when nothing is due. */
struct cw_deadline cw_sched_next(const struct cw_sched *s);
/* Called whenever a fiber becomes ready while run_ready is not running (so that the loop wakes up). */
void cw_sched_set_wake(struct cw_sched *s, void (*fn)(void *arg), void *arg);
size_t cw_sched_count(const struct cw_sched *s);       /* fibers alive */
size_t cw_sched_stack_bytes(const struct cw_sched *s); /* reserved per fiber */

/* Start fn(arg) on a fiber; it first runs from cw_sched_run_ready. The handle is valid until cw_fiber_join() or
 * cw_fiber_detach(). `name` is copied. Errors: -CW_ENOMEM (fibers_max reached or no memory). Suspends: no. */
int cw_fiber_spawn(struct cw_sched *s, const char *name, cw_fiber_fn fn, void *arg,
                   struct cw_fiber **ret_fiber);
/* Wait until it has ended; then the handle is gone and its result stored. Errors: -CW_ETIMEDOUT, the caller's own
 * cancellation (then the handle stays valid). One joiner at a time; a fiber that has ended may also be joined from the
 * loop's stack. Suspends: yes. */
int cw_fiber_join(struct cw_fiber *f, struct cw_deadline until, int *ret_result);
/* The same, but not woken by the caller's own cancellation: for a parent that must see its children end. Cancel the child
 * first. Errors: -CW_ETIMEDOUT. Suspends: yes. */
int cw_fiber_join_uncancelled(struct cw_fiber *f, struct cw_deadline until, int *ret_result);
/* Nobody will join: the handle is gone. Suspends: no. */
void cw_fiber_detach(struct cw_fiber *f);
/* Ask it to end: each wait from now on returns -reason at once. Sticky. reason is CW_ECANCELED, CW_EPARKED or CW_ELOST; a
 * later, stronger reason (in this order) replaces an earlier one. Suspends: no. */
void cw_fiber_cancel(struct cw_fiber *f, int reason);
/* The reason (positive code) for which the current fiber was cancelled; 0 = it was not, or not on a fiber. */
int cw_fiber_cancel_reason(void);
bool cw_fiber_has_ended(const struct cw_fiber *f);
/* The next wait of the running fiber will be long: the unused part of its stack is given back while it lasts. Suspends: no. */
void cw_fiber_will_rest(void);
struct cw_fiber *cw_fiber_self(void); /* NULL on the loop's stack */
const char *cw_fiber_name(const struct cw_fiber *f);
struct cw_sched *cw_sched_current(void); /* NULL before cw_sched_new() */

/* One pointer that travels with the fiber (log context). */
void cw_fiber_set_local(struct cw_fiber *f, void *local);
void *cw_fiber_local(const struct cw_fiber *f);
/* For each fiber alive: name, "ready", "waiting" or "running", what it waits for (may be ""). */
void cw_sched_each(struct cw_sched *s,
                   void (*fn)(const char *name, const char *state, struct cw_deadline until, void *arg),
                   void *arg);
/* The name of the fiber whose guard area holds `address` (it has used up its stack), or NULL. Async-signal-safe: for the
 * application's SIGSEGV handler, which must run on an alternate stack. */
const char *cw_sched_guard_owner(const void *address);

#endif

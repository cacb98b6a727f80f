/* common/net/loop.h: the event loop: drives the fiber scheduler, timers and signals. libuv stays behind this header.
 *
 * Suspends: cw_sleep and cw_loop_run_fiber's fiber.  Thread: the one that made it. */
#ifndef CW_COMMON_NET_LOOP_H
#define CW_COMMON_NET_LOOP_H

#include "common/fiber/fiber.h"

struct cw_loop;

/* Make a loop with its scheduler. Errors: -CW_ENOMEM, -CW_EINVAL. Free with cw_loop_free(). */
int cw_loop_new(const struct cw_sched_cfg *cfg, struct cw_loop **ret_loop, struct cw_err *err);
/* All clients made on the loop must be freed before. Runs close callbacks to their end. */
void cw_loop_free(struct cw_loop *loop);
struct cw_sched *cw_loop_sched(struct cw_loop *loop);
/* Run until cw_loop_stop(). */
void cw_loop_run(struct cw_loop *loop);
void cw_loop_stop(struct cw_loop *loop); /* thread: loop */
/* Convenience for commands and tests: run fn(arg) on a fiber until it has ended; its result. */
int cw_loop_run_fiber(struct cw_loop *loop, const char *name, cw_fiber_fn fn, void *arg);
/* Call fn(arg) on the loop's stack when the signal comes; replaces an earlier one for that signal. */
int cw_loop_on_signal(struct cw_loop *loop, int signum, void (*fn)(int signum, void *arg), void *arg);
/* Call fn(arg) every `every_ms` on the loop's stack. The handle is freed by cw_loop_free() or cw_loop_cancel_timer(). */
struct cw_timer;
struct cw_timer *cw_loop_every(struct cw_loop *loop, int64_t every_ms, void (*fn)(void *arg), void *arg);
void cw_loop_cancel_timer(struct cw_timer *timer); /* NULL is fine */

/* Wait. Errors: minus the reason of cancellation. Suspends: yes. */
int cw_sleep(struct cw_deadline until);

#endif

/* tests/world/fleet.h: several workers in one world: each has a loop of its own; they run by turns, and may die or freeze.
 *
 * A worker that is killed never runs again: its fibers stay where they are, its memory is lost (who cares about leaks runs each
 * history in a process of its own). A frozen one runs again later and finds everything late.
 * Suspends: world_touch.  Thread: one. */
#ifndef CW_TESTS_WORLD_FLEET_H
#define CW_TESTS_WORLD_FLEET_H

#include "common/net/loop.h"

typedef void (*world_event_fn)(void *arg, int64_t num);

/* Outside of all workers: call fn(arg, num) at that time (now, when it is past). Equal times in order of the calls. */
void world_at(int64_t mono_ms, world_event_fn fn, void *arg, int64_t num);
/* In this worker: dropped when it is dead by then, late when it is frozen. */
void world_post(struct cw_loop *loop, int64_t mono_ms, world_event_fn fn, void *arg, int64_t num);
/* What is ready runs, else time jumps to what comes next. False when nothing will ever come. */
bool world_turn(void);

/* The worker that runs now; NULL = none. */
struct cw_loop *world_running(void);
void world_kill(struct cw_loop *loop); /* from outside */
bool world_is_dead(const struct cw_loop *loop);
void world_freeze(struct cw_loop *loop, int64_t until_mono_ms);
int64_t world_frozen_until(const struct cw_loop *loop); /* 0 = it runs */
/* Its wall clock jumps to so much beside the true one. */
void world_set_skew(struct cw_loop *loop, int64_t skew_ms);

/* Each place where a worker may die: before and after whatever it does to the world. Called by the doors. When the hook says
 * so, the running worker dies there: the call does not return. */
void world_touch(const char *what);
void world_on_touch(bool (*hook)(void *arg, struct cw_loop *loop, const char *what), void *arg);

/* Chance of the world itself (latencies), apart from the workers' cw_random_…(). Uniform in [lo, hi]. */
int64_t world_between(int64_t lo, int64_t hi);
bool world_chance(int64_t one_in); /* 0 = never */

#endif

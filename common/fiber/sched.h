/* common/fiber/sched.h: the scheduler's insides, shared by fiber.c, wait.c and timers.c. For common/fiber alone.
 *
 * A fiber is in one of these cases:
 *   READY    in the ready list; sp is its parked context (or a fresh one)
 *   RUNNING  it is s->running; in no list
 *   WAITING  wait points at a cw_wait on its own stack; in the timer heap unless its deadline is never
 *   ENDED    no stack; kept until joined or detached
 * ops/gdb/causeway-gdb.py reads these structures by name. */
#ifndef CW_COMMON_FIBER_SCHED_H
#define CW_COMMON_FIBER_SCHED_H

#include "common/fiber/stack.h"
#include "common/fiber/wait.h"

#define CW_FIBER_NAME_BYTES 48
#define CW_NOT_IN_HEAP SIZE_MAX

enum cw_fiber_state { CW_FIBER_READY = 0, CW_FIBER_RUNNING, CW_FIBER_WAITING, CW_FIBER_ENDED };

struct cw_fiber {
    struct cw_sched *sched;
    struct cw_fiber *next_ready;
    struct cw_fiber *prev, *next; /* all fibers of the scheduler, oldest first */
    void *sp;                     /* its parked context; see switch.h */
    struct cw_stack stack;
    enum cw_fiber_state state;
    bool is_cancellable; /* the present wait ends when the fiber is cancelled */
    bool is_detached;
    bool will_rest;    /* see cw_fiber_will_rest() */
    int cancel_reason; /* positive code, 0 = none */
    int result;
    cw_fiber_fn fn;
    void *arg;
    void *local;
    struct cw_wait *wait;     /* while WAITING */
    struct cw_deadline until; /* of the present wait */
    uint64_t armed_at;        /* order of arming: breaks ties between equal deadlines */
    size_t heap_index;
    struct cw_wait *joiner;
    void *asan_fake_stack;
    void *tsan_fiber;
    char name[CW_FIBER_NAME_BYTES];
};

struct cw_sched {
    struct cw_sched_cfg cfg;
    struct cw_stacks stacks;
    struct cw_fiber *running;
    struct cw_fiber *ready_head, *ready_tail;
    struct cw_fiber *first, *last; /* all fibers that have a handle or a stack */
    size_t alive;                  /* fibers that have not ended */
    size_t handles;                /* length of the list first … last */
    struct cw_fiber **heap;        /* of fibers_max; the earliest deadline first */
    size_t heap_count;
    uint64_t armed_count;
    bool is_running_ready;
    void (*wake)(void *arg);
    void *wake_arg;
    void *sp; /* the loop's context while a fiber runs */
    void *asan_fake_stack;
    const void *loop_stack; /* as ASan told us */
    size_t loop_stack_bytes;
    void *tsan_fiber;
};

/* Append to the ready list; wakes the loop when it is not running fibers. */
void cw_sched_make_ready(struct cw_fiber *f);
/* Leave the running fiber for the scheduler, until somebody makes it ready. */
void cw_sched_park(struct cw_fiber *f);
/* The deadline heap. */
void cw_timers_add(struct cw_sched *s, struct cw_fiber *f);
void cw_timers_remove(struct cw_sched *s, struct cw_fiber *f);
/* Make those fibers ready whose deadline has come, earliest first. */
void cw_timers_expire(struct cw_sched *s, int64_t now_mono_ms);

#endif

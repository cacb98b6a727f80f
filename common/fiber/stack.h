/* common/fiber/stack.h: stacks with a guard area below, kept in a pool. For common/fiber alone.
 *
 * The guard is installed by madvise where the kernel can (then a stack costs no memory map of its own), else by mprotect
 * (then two).  Suspends: never.  Thread: loop.  Source: madvise(2), MADV_GUARD_INSTALL, Linux 6.13. */
#ifndef CW_COMMON_FIBER_STACK_H
#define CW_COMMON_FIBER_STACK_H

#include "common/base.h"

/* base is the lowest usable byte, right above the guard area. */
struct cw_stack {
    char *base;
    size_t bytes;
    unsigned valgrind_id;
};

struct cw_stacks {
    size_t bytes; /* of each, a multiple of the page size */
    size_t guard_bytes;
    size_t pool_max;
    struct cw_stack *pool; /* pool_count idle stacks */
    size_t pool_count;
    bool has_light_guard; /* by madvise */
};

/* stack_bytes 0 = the default for this build. Errors: -CW_ENOMEM. */
int cw_stacks_init(struct cw_stacks *stacks, size_t stack_bytes, size_t pool_max);
void cw_stacks_fini(struct cw_stacks *stacks);
/* Errors: -CW_ENOMEM. */
int cw_stacks_take(struct cw_stacks *stacks, struct cw_stack *ret_stack);
void cw_stacks_give(struct cw_stacks *stacks, struct cw_stack *take_stack);
/* Give back the pages below `top`, which nobody uses now; they are zero when they are touched again. */
void cw_stacks_trim(const struct cw_stack *stack, const char *top);
/* Memory maps that `count` stacks can need. */
size_t cw_stacks_maps(const struct cw_stacks *stacks, size_t count);

#endif

/* common/arena.h: memory with one lifetime: process, job or step.
 *
 * Allocation never moves; everything is freed together. Past the cap, or out of memory, allocation gives NULL and
 * `cw_arena_failed` becomes and stays true. Under ASan each allocation is its own malloc, so overflows are seen.
 * Suspends: never.  Thread: the owner's. */
#ifndef CW_COMMON_ARENA_H
#define CW_COMMON_ARENA_H

#include <stdarg.h>

#include "common/base.h"

struct cw_arena;

/* cap_bytes > 0 bounds the sum of allocations. Errors: -CW_ENOMEM. Costs nothing until first use. */
int cw_arena_new(size_t cap_bytes, struct cw_arena **ret_arena);
void cw_arena_free(struct cw_arena *mem); /* NULL is fine */
/* Free all allocations, keep the arena; clears the sticky failure. */
void cw_arena_reset(struct cw_arena *mem);
/* Zeroed, aligned for any type. NULL when past the cap or out of memory. */
void *cw_arena_alloc(struct cw_arena *mem, size_t bytes);
/* `count` members of `bytes` each, zeroed, overflow-checked. */
void *cw_arena_alloc_array(struct cw_arena *mem, size_t count, size_t bytes);
char *cw_arena_strdup(struct cw_arena *mem, const char *z);           /* NULL gives NULL */
char *cw_arena_memdup(struct cw_arena *mem, const void *p, size_t n); /* adds a NUL */
char *cw_arena_printf(struct cw_arena *mem, const char *fmt, ...) CW_PRINTF(2, 3);
char *cw_arena_vprintf(struct cw_arena *mem, const char *fmt, va_list args) CW_PRINTF(2, 0);
/* Call fn(arg) when the arena is reset or freed, last registered first. False when out of memory: then fn was called. */
bool cw_arena_defer(struct cw_arena *mem, void (*fn)(void *arg), void *arg);
bool cw_arena_failed(const struct cw_arena *mem);
size_t cw_arena_used(const struct cw_arena *mem);

CW_DEFINE_AUTO(cw_auto_arena, struct cw_arena *, cw_arena_free)

#endif

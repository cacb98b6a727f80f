/* tests/world/clock.h: what the parts of the world tell each other.
 *
 * Suspends: never.  Thread: one. */
#ifndef CW_TESTS_WORLD_CLOCK_H
#define CW_TESTS_WORLD_CLOCK_H

#include "tests/world/world.h"

void world_clock_reset(uint64_t seed);
/* Never goes back. */
void world_clock_set(int64_t mono_ms);
void world_loop_reset(void);
void world_http_reset(void);
void world_redis_reset(void);

#endif

/* tests/world/clock.h: what the parts of the world tell each other.
 *
 * Suspends: never.  Thread: one. */
#ifndef CW_TESTS_WORLD_CLOCK_H
#define CW_TESTS_WORLD_CLOCK_H

#include "tests/world/fleet.h"
#include "tests/world/world.h"

void world_clock_reset(uint64_t seed);
/* Never goes back. */
void world_clock_set(int64_t mono_ms);
void world_loop_reset(void);
void world_http_reset(void);
void world_redis_reset(void);
void world_kafka_reset(void);
void world_dns_reset(void);
/* What the running worker's wall clock shows beside the true one. */
int64_t world_skew_ms(void);

#endif

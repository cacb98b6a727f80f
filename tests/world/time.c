#include "common/time.h"

#include "tests/world/clock.h"

static int64_t now_ms;
static uint64_t chance;
static uint64_t world_luck;

void world_clock_reset(uint64_t seed)
{
    now_ms = 1000000;
    chance = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world_luck = ~chance;
}

void world_clock_set(int64_t mono_ms)
{
    if (mono_ms > now_ms)
        now_ms = mono_ms;
}

int64_t cw_mono_ms(void)
{
    if (now_ms == 0)
        world_clock_reset(0);
    return now_ms;
}

int64_t cw_wall_ms(void)
{
    return world_wall_ms() + world_skew_ms();
}

int64_t world_wall_ms(void)
{
    return WORLD_WALL_MS_START + cw_mono_ms() - 1000000;
}

/* splitmix64 */
static uint64_t next_chance(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void cw_random_bytes(void *p, size_t n)
{
    char *at = p;
    while (n > 0) {
        uint64_t v = next_chance(&chance);
        size_t part = CW_MIN(n, sizeof v);
        memcpy(at, &v, part);
        at += part;
        n -= part;
    }
}

int64_t world_between(int64_t lo, int64_t hi)
{
    uint64_t v = next_chance(&world_luck);
    return hi <= lo ? lo : lo + (int64_t)(v % (uint64_t)(hi - lo + 1));
}

bool world_chance(int64_t one_in)
{
    return one_in > 0 && world_between(1, one_in) == 1;
}

/* Histories from many seeds: everything holds in each, and a seed always gives the same one.
 *
 * CW_SIM_SEEDS: how many; CW_SIM_SECONDS: begin none later (sanitized builds play fewer). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/sanitize.h"
#include "tests/sim/pool.h"
#include "tests/sim/regressions/seeds.h"

#define SEEDS (CW_WITH_ASAN || CW_WITH_TSAN ? 400 : 2000)
#define SECONDS 75

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *z = getenv(name);
    return z == NULL || *z == '\0' ? otherwise : strtoull(z, NULL, 10);
}

static void test_everything_holds(void **state)
{
    (void)state;
    const struct sim_range range = {
        .first = 1,
        .last = setting("CW_SIM_SEEDS", SEEDS),
        .seconds = (int64_t)setting("CW_SIM_SECONDS", SECONDS),
        .jobs = sim_cores(),
    };
    struct sim_totals t = sim_play_many(&range);
    sim_print_totals(&range, &t);
    assert_true(t.histories > 0);
    assert_true(t.verdicts > t.histories);
    assert_int_equal(t.failed, 0);
}

static void test_same_seed_same_history(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim_plan plan;
        sim_plan_draw(seed, false, &plan);
        struct sim_report a = sim_play_apart(&plan, false), b = sim_play_apart(&plan, false);
        assert_true(a.hash != 0);
        assert_true(a.hash == b.hash);
    }
}

static void test_former_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(regressions); i++) {
        struct sim_plan plan;
        sim_plan_draw(regressions[i].seed, regressions[i].is_large, &plan);
        struct sim_report r = sim_play_apart(&plan, false);
        if (r.has_failed)
            fail_msg("seed %llu%s (%s): %s", (unsigned long long)regressions[i].seed,
                     regressions[i].is_large ? " --large" : "", regressions[i].what, r.failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_holds),
        cmocka_unit_test(test_same_seed_same_history),
        cmocka_unit_test(test_former_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/sim/pool.h: histories in processes of their own, many at a time.
 *
 * A dead worker's memory is never freed, and a history may end in a panic: hence the processes.
 * Suspends: no, blocks.  Thread: main. */
#ifndef CW_TESTS_SIM_POOL_H
#define CW_TESTS_SIM_POOL_H

#include "tests/sim/plan.h"

/* What came of one history. */
struct sim_report {
    uint64_t seed;
    uint64_t hash; /* of all its lines */
    bool is_begun; /* between processes: the history begins; else it has ended */
    bool has_failed;
    uint32_t verdicts, crashes, writes, deliveries, unlocked;
    double cpu_s;
    char failure[400];
};

#define SIM_LONGEST 5

struct sim_range {
    uint64_t first, last;
    int64_t seconds; /* begin none later; 0 = no limit */
    size_t jobs;     /* processes */
    bool is_large;
    bool stops; /* at the first failure */
};

struct sim_totals {
    bool is_large;
    uint64_t hash; /* of all histories, in whatever order they ended */
    uint64_t histories, failed, verdicts, crashes, writes, deliveries, unlocked;
    double seconds, cpu_s;
    struct {
        uint64_t seed;
        double cpu_s;
    } longest[SIM_LONGEST]; /* longest first; 0 = none */
};

size_t sim_cores(void);
struct sim_report sim_play_apart(const struct sim_plan *plan, bool is_verbose);
/* Prints a line for each that failed. */
struct sim_totals sim_play_many(const struct sim_range *range);
void sim_print_totals(const struct sim_range *range, const struct sim_totals *totals);

#endif

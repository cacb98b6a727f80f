/* Histories that once went wrong, played each time. A seed means another history when the drawing of plans changes (plan.c); then
 * what is listed here is just more seeds. */
#ifndef CW_TESTS_SIM_REGRESSIONS_SEEDS_H
#define CW_TESTS_SIM_REGRESSIONS_SEEDS_H

#include <stdint.h>

static const struct {
    uint64_t seed;
    const char *what;
} regressions[] = {
    {45, "a verdict 'failed' had no remedy: the probe's cluster ended under it"},
    {522, "a verdict settled without the lock had a sequence below its waiting events"},
    {542, "a cancel's verdict had a sequence below its waiting events"},
    {752, "the same, after the worker had been replaced"},
};

#endif

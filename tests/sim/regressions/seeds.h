/* Histories that once went wrong, played each time. A seed means another history when the drawing of plans changes (plan.c); then
 * what is listed here is just more seeds. */
#ifndef CW_TESTS_SIM_REGRESSIONS_SEEDS_H
#define CW_TESTS_SIM_REGRESSIONS_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

static const struct {
    uint64_t seed;
    bool is_large;
    const char *what;
} regressions[] = {
    {45, true, "a verdict 'failed' had no remedy: the probe's cluster ended under it"},
    {522, true, "a verdict settled without the lock had a sequence below its waiting events"},
    {542, true, "a cancel's verdict had a sequence below its waiting events"},
    {752, true, "the same, after the worker had been replaced"},
    {74, true,
     "a step of a newer plan had changed something, and the older worker's verdict said nothing of it"},
    {217, true, "the same, where the request failed: what nobody there can undo is left over"},
    {2154, true, "the answer to a write was too big: 'rejected', though the group was made"},
    {92, true,
     "a failover forgot that a cluster was made: the next run had no reason to look for it, and left it"},
    {1883, true, "Redis lost a cancel between its acceptance and its verdict"},
    {2105, true, "Redis lost everything, the worker died, the request was cancelled: compute stayed stopped"},
    {14748, true, "a failover forgot a verdict, but not the claim before it: the request was executed again"},
    {8412, false,
     "an operation did not end and Redis lost everything: the verdict did not name the compute that stayed stopped"},
};

#endif

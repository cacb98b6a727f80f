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
    {74, "a step of a newer plan had changed something, and the older worker's verdict said nothing of it"},
    {217, "the same, where the request failed: what nobody there can undo is left over"},
    {2154, "the answer to a write was too big: 'rejected', though the group was made"},
    {92, "a failover forgot that a cluster was made: the next run had no reason to look for it, and left it"},
    {1883, "Redis lost a cancel between its acceptance and its verdict"},
    {2105, "Redis lost everything, the worker died, the request was cancelled: compute stayed stopped"},
};

#endif

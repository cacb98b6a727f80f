/* tests/sim/judge.h: what the checkers share. */
#ifndef CW_TESTS_SIM_JUDGE_H
#define CW_TESTS_SIM_JUDGE_H

#include "tests/sim/sim.h"

void sim_check_log(void);
/* ---- check_rates.c ---- */
void sim_check_rates_begin(void);
/* After each script "quota.…". */
void sim_check_quota(const char *name, const char *key, const struct cw_str *args,
                     const struct redis_value *answer);
/* The value of a lock's key, "" = nobody holds it. */
void sim_lock_value(const char *key, char out[512]);

#endif

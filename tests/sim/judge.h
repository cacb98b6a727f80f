/* tests/sim/judge.h: what the checkers share. */
#ifndef CW_TESTS_SIM_JUDGE_H
#define CW_TESTS_SIM_JUDGE_H

#include "tests/sim/sim.h"

void sim_check_log(void);
/* The value of a lock's key, "" = nobody holds it. */
void sim_lock_value(const char *key, char out[512]);

#endif

/* tests/sim/judge.h: what the checkers share. */
#ifndef CW_TESTS_SIM_JUDGE_H
#define CW_TESTS_SIM_JUDGE_H

#include "tests/sim/sim.h"

void sim_check_log(void);

#endif

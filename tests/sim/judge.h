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
/* value "": it was given back. */
void sim_lock_moved(const char *key, const char *value);
void sim_locks_begin(void);
/* Can a write that was made then have been forgotten since? Not by a failover, when replicas had to confirm it. */
bool sim_may_have_forgotten(int64_t since_ms);

/* ---- check_watch.c ---- */
void sim_watch_begin(void);
/* "r3#2": run 2 of request 3; false for other ids. */
bool sim_run_parse(const char *id, size_t *ret_request, size_t *ret_run);
bool sim_run_has_verdict(size_t request, size_t run);
void sim_watch_on_verdict(const char *id, size_t request, size_t run, const struct kafka_message *m);
void sim_watch_end(void);

#endif

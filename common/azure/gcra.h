/* common/azure/gcra.h: one bucket of the budget as arithmetic: GCRA with a block, a cut rate that heals, and a floor. The Lua
 * script of quota.c does the same in Redis; this is the share of a worker on its own.
 *
 * Suspends: never.  Thread: any.  Source: ITU-T I.371 (generic cell rate algorithm). */
#ifndef CW_COMMON_AZURE_GCRA_H
#define CW_COMMON_AZURE_GCRA_H

#include "common/base.h"

/* Zero-initialise: a full bucket. Times are milliseconds of one clock. */
struct cw_gcra {
    double tat_ms;        /* theoretical arrival time: full when it is past */
    double blocked_ms;    /* nothing is given before */
    double factor;        /* of the rate; 0 = 1 */
    double clean_from_ms; /* the rate heals from here on */
};

struct cw_gcra_ask {
    double now_ms;
    double rate; /* tokens per second */
    double burst;
    double reserve;   /* tokens that must stay */
    double remaining; /* what the service says is left; < 0 = unknown */
    double heal_ms;   /* a tenth of the rate comes back after each so many clean ms */
    int64_t want;
};
struct cw_gcra_grant {
    int64_t granted;
    int64_t wait_ms; /* until one token is there, when none was granted */
    bool is_blocked;
};

struct cw_gcra_grant cw_gcra_take(struct cw_gcra *g, const struct cw_gcra_ask *ask);
/* Blocked for so long from now. The rate is halved once per block, at most to a sixteenth. */
void cw_gcra_block(struct cw_gcra *g, double now_ms, double for_ms, double heal_ms);

#endif

#include "common/azure/gcra.h"

#include <math.h>

#define FACTOR_MIN 0.0625
#define HEAL_STEP 0.1
#define ROUNDING 1e-6

static double healed_factor(const struct cw_gcra *g, double now_ms, double heal_ms)
{
    double factor = g->factor > 0 ? g->factor : 1;
    if (factor < 1 && now_ms > g->clean_from_ms)
        factor = fmin(1, factor + HEAL_STEP * floor((now_ms - g->clean_from_ms) / heal_ms));
    return factor;
}

struct cw_gcra_grant cw_gcra_take(struct cw_gcra *g, const struct cw_gcra_ask *ask)
{
    if (g->blocked_ms > ask->now_ms)
        return (struct cw_gcra_grant){.wait_ms = (int64_t)ceil(g->blocked_ms - ask->now_ms),
                                      .is_blocked = true};
    double step = 1000 / (ask->rate * healed_factor(g, ask->now_ms, ask->heal_ms));
    double full = ask->now_ms + ask->burst * step;
    g->tat_ms = fmax(g->tat_ms, ask->now_ms);
    if (ask->remaining >= 0 && ask->remaining < (full - g->tat_ms) / step)
        g->tat_ms = full - ask->remaining * step;
    double room = (full - g->tat_ms) / step - ask->reserve;
    if (room + ROUNDING < 1)
        return (struct cw_gcra_grant){.wait_ms = (int64_t)fmax(1, ceil((1 - room) * step))};
    int64_t granted = CW_MIN(ask->want, (int64_t)floor(room + ROUNDING));
    g->tat_ms += (double)granted * step;
    return (struct cw_gcra_grant){.granted = granted};
}

void cw_gcra_block(struct cw_gcra *g, double now_ms, double for_ms, double heal_ms)
{
    if (now_ms >= g->blocked_ms)
        g->factor = fmax(FACTOR_MIN, healed_factor(g, now_ms, heal_ms) / 2);
    g->blocked_ms = fmax(g->blocked_ms, now_ms + for_ms);
    g->clean_from_ms = g->blocked_ms;
}

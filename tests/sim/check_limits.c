/* What must hold in a worker: no queue above its limit, no map above its size, no more work at a time than is allowed. */
#include "tests/sim/sim.h"
#include "worker/engine/engine.h"
#include "worker/engine/window.h"

#define LOOK_AT_MAPS_EVERY 16 /* turns: they are encoded to be measured */

static void check(const struct sim_worker *w, const char *what, size_t n, size_t limit)
{
    if (n > limit)
        sim_fail("worker %s: %zu %s, of at most %zu", w->id, n, what, limit);
}

/* A full queue pauses a partition when its next record has been taken: one for each partition may come on top, and what has held a slot
 * when it was handed back and begins anew. */
static void check_runner(const struct sim_worker *w, const struct cw_runner_load *load, size_t partitions)
{
    size_t jobs = (size_t)sim.plan.jobs, reserved = jobs / 4 < jobs ? jobs / 4 : jobs - 1;
    size_t queued = (size_t)sim.plan.queued + partitions + jobs, light = (size_t)sim.plan.light;
    check(w, "slots", load->used[CW_LANE_INTERACTIVE] + load->used[CW_LANE_BULK], jobs);
    check(w, "slots of bulk", load->used[CW_LANE_BULK], jobs - reserved);
    check(w, "requests in the queue", load->queued[CW_LANE_INTERACTIVE], queued);
    check(w, "requests in the queue of bulk", load->queued[CW_LANE_BULK], queued);
    check(w, "light slots", load->light, light);
    check(w, "jobs that wait for a light slot", load->light_waiting, light + queued);
    check(w, "cancels", load->cancels, cw_runner_cancels_max(light) + partitions);
}

void sim_check_limits(struct sim_worker *w)
{
    struct cw_engine *e = w->app == NULL ? NULL : cw_app_engine(w->app);
    if (e == NULL || w->is_stopped)
        return;
    const struct cw_runner_load load = cw_runner_load(cw_engine_runner(e));
    check_runner(w, &load, 2 * (size_t)sim.plan.partitions);
    if (w->turns++ % LOOK_AT_MAPS_EVERY != 0)
        return;
    const struct cw_intake_load in = cw_intake_load(cw_engine_intake(e));
    check(w, "bytes of a map", in.map_bytes, CW_WINDOW_META_BYTES);
    check(w, "full windows that go on", in.overrun, 0);
    check(w, "fibers", cw_sched_count(cw_loop_sched(w->loop)), cw_app_sched_cfg(&w->settings).fibers_max);
}

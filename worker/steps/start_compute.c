/* start_compute: what this request stopped runs again; says what does not, and why.
 * Writes: clusters, warehouses, pools, pipelines, schedules.  Source: design "Undo: above all, compute that was stopped is started". */
#include "worker/steps/compute_facts.h"
#include "worker/steps/plans.h"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    return facts->compute_count > 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    int r = cw_compute_start_again(c, err);
    return r < 0 ? cw_err_wrap(err, "start compute again") : 0;
}

const struct cw_step cw_step_start_compute = {
    .name = "start_compute",
    .kind = CW_STEP_IDEMPOTENT,
    .puts_away = true,
    .timeout_ms = INT64_C(45) * 60 * 1000,
    .retry = {.attempts = 10, .base_ms = 2000, .cap_ms = 60000},
    .when = when,
    .run = run,
};

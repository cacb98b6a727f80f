/* remove_cluster: the verification cluster is gone, whatever became of it.
 * Writes: the cluster.  Source: clusters API 2.1, permanent-delete. */
#include "worker/steps/plans.h"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    return facts->cluster_id != NULL;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    int r = cw_databricks_permanent_delete_cluster(c->svc->databricks, &c->call, &target,
                                                   c->facts->cluster_id, err);
    if (r < 0)
        return cw_err_wrap(err, "remove the verification cluster");
    cw_step_changed(c, "removed cluster %s", c->facts->cluster_id);
    return 0;
}

const struct cw_step cw_step_remove_cluster = {
    .name = "remove_cluster",
    .kind = CW_STEP_IDEMPOTENT,
    .puts_away = true,
    .timeout_ms = INT64_C(20) * 60 * 1000,
    .retry = {.attempts = 8, .base_ms = 2000, .cap_ms = 60000},
    .when = when,
    .run = run,
};

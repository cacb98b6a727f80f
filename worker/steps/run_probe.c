/* run_probe: on the cluster, the workspace's name resolves to the endpoint's address, TLS reaches it, a query returns its rows.
 * Writes: an execution context, which is destroyed; the cluster is started if it has ended.
 * Source: guide, "run a simple query or notebook command to fully confirm". */
#include "worker/steps/plans.h"
#include "worker/steps/probe_script.h"
#include "worker/steps/termination.h"

#define STEP "run_probe"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    return facts->cluster_id != NULL && cw_facts_proof(facts)->code == NULL;
}

/* Judged as launch_cluster would: a reason that may pass is worth another attempt. */
static int no_start(struct cw_step_ctx *c, const struct cw_cluster *cluster, struct cw_err *err)
{
    const struct cw_termination *reason = &cluster->termination;
    const char *code = reason->code == NULL ? cluster->state : reason->code;
    const char *message = reason->message == NULL ? "no reason given" : reason->message;
    if (cw_termination_may_pass(reason))
        return cw_err_set(err, CW_EREMOTE, "cluster %s had ended, and did not start again: %s: %s",
                          cluster->id, code, message);
    c->out->cluster_state = cluster->state;
    c->out->cluster_termination = (struct cw_termination_v1){reason->code, reason->type, reason->message};
    return cw_step_proof_failed(
        c, "launch_cluster", cw_termination_is_capacity(reason) ? CW_ECAPACITY : CW_EMISCONFIGURED,
        "see the diagnosis", "the cluster had ended, and did not start again: %s: %s", code, message);
}

/* It may have ended since its launch: by its auto-termination while this request had no worker, or by the service. */
static int be_running(struct cw_step_ctx *c, const struct cw_target *target, bool *ret_runs,
                      struct cw_err *err)
{
    struct cw_databricks *d = c->svc->databricks;
    const char *id = c->facts->cluster_id;
    struct cw_cluster cluster = {0};
    int r = cw_databricks_wait_cluster(d, &c->call, target, id, "RUNNING", &cluster, err);
    if (r < 0)
        return cw_err_wrap(err, "look at cluster %s", id);
    *ret_runs = cw_z_eq(cluster.state, "RUNNING");
    if (*ret_runs)
        return 0;
    if (cw_z_eq(cluster.state, "TERMINATING"))
        r = cw_databricks_wait_cluster(d, &c->call, target, id, "TERMINATED", &cluster, err);
    if (r == 0)
        r = cw_databricks_start_cluster(d, &c->call, target, id, err);
    if (r == 0)
        r = cw_databricks_wait_cluster(d, &c->call, target, id, "RUNNING", &cluster, err);
    if (r < 0)
        return cw_err_wrap(err, "start cluster %s again, which had ended", id);
    *ret_runs = cw_z_eq(cluster.state, "RUNNING");
    if (!*ret_runs)
        return no_start(c, &cluster, err);
    cw_step_found(c, "cluster %s had ended, and was started again", id);
    return 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    const struct cw_probe_question question = {
        .host = c->facts->workspace_url,
        .address = c->facts->endpoint_address,
        .zone = c->facts->zone_name != NULL ? c->facts->zone_name : c->svc->cloud->private_zone,
    };
    struct cw_probe_v1 probe = {0};
    const char *output = NULL;
    const char *source = cw_probe_source(&question, c->call.mem);
    if (source == NULL)
        return cw_err_set(err, CW_ENOMEM, "probe");
    bool runs = false;
    int r = be_running(c, &target, &runs, err);
    if (r < 0 || !runs)
        return r;
    r = cw_databricks_run_command(c->svc->databricks, &c->call, &target, c->facts->cluster_id, "python",
                                  source, &output, err);
    if (r < 0)
        return cw_err_wrap(err, "run the probe on cluster %s", c->facts->cluster_id);
    r = cw_probe_read(output, c->call.mem, &probe, &c->out->probe_json, err);
    if (r < 0)
        return r;
    const char *why_not = cw_probe_judge(&probe, &question, c->call.mem);
    if (why_not != NULL)
        return cw_step_proof_failed(c, STEP, CW_EMISCONFIGURED, "see the diagnosis", "%s", why_not);
    cw_step_found(
        c, "on the node, %s resolves to %s and answers over TLS (HTTP %lld); a query returned its rows",
        question.host, question.address, (long long)probe.http.status);
    return 0;
}

/* After repairs, once. */
static bool when_again(const struct cw_request *req, const struct cw_facts *facts)
{
    return facts->is_repaired == CW_TRI_YES && req->options.launch_cluster && when(req, facts);
}

const struct cw_step cw_step_run_probe = {
    .name = STEP,
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(40) * 60 * 1000,
    .retry = {.attempts = 8, .base_ms = 3000, .cap_ms = 60000},
    .when = when,
    .run = run,
};

const struct cw_step cw_step_run_probe_again = {
    .name = STEP "_again",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(40) * 60 * 1000,
    .retry = {.attempts = 8, .base_ms = 3000, .cap_ms = 60000},
    .when = when_again,
    .run = run,
};

/* diagnose: why the proof failed: ranked causes, each with its evidence and repair.
 * Reads: workspace, endpoints, zones, VNet, NSGs, routes, IP access lists, locks.  Writes: nothing.  Source: reference "Private Link diagnosis". */
#include "worker/steps/diagnosis.h"
#include "worker/steps/plans.h"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    return cw_facts_proof(facts)->code != NULL;
}

/* What verify_dns saw beside the connection is not why the proof failed: it comes last. */
static void keep_beside(const struct cw_step_ctx *c, struct cw_findings *findings)
{
    for (size_t i = 0; i < c->facts->diagnosis_count && findings->count < CW_FINDINGS_MAX; i++) {
        const struct cw_diagnosis_v1 *d = &c->facts->diagnosis[i];
        if (d->cause != CW_CAUSE_BROWSER_AUTHENTICATION_MISSING && d->cause != CW_CAUSE_BROWSER_RECORD_WRONG)
            continue;
        findings->items[findings->count] = *d;
        findings->items[findings->count++].confidence = CW_BESIDE;
    }
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_readings *readings = cw_arena_alloc(c->call.mem, sizeof *readings);
    struct cw_findings *findings = cw_arena_alloc(c->call.mem, sizeof *findings);
    if (readings == NULL || findings == NULL)
        return cw_err_set(err, CW_ENOMEM, "diagnosis");
    int r = cw_diagnosis_make(c, readings, findings, err);
    if (r < 0)
        return cw_err_wrap(err, "diagnosis");
    keep_beside(c, findings);
    cw_findings_rank(findings);
    c->out->diagnosis = findings->items;
    c->out->diagnosis_count = findings->count;
    for (size_t i = 0; i < findings->count; i++)
        cw_step_found(c, "%s: %s", cw_cause_names[findings->items[i].cause], findings->items[i].message);
    return 0;
}

/* After repairs, once. */
static bool when_again(const struct cw_request *req, const struct cw_facts *facts)
{
    return facts->is_repaired == CW_TRI_YES && when(req, facts);
}

const struct cw_step cw_step_diagnose = {
    .name = "diagnose",
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(15) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 2000, .cap_ms = 60000},
    .when = when,
    .run = run,
};

const struct cw_step cw_step_diagnose_again = {
    .name = "diagnose_again",
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(15) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 2000, .cap_ms = 60000},
    .when = when_again,
    .run = run,
};

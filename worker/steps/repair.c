/* repair: with options.autoRepair safe, what a failed proof showed is mended where that only adds, approves or waits.
 * Nothing is touched while a likely cause needs a person.  Writes: link, zone, zone group, record, approval; removes the failed
 * cluster, whose nodes keep old answers.  Source: reference "Private Link diagnosis" 3. */
#include "worker/steps/diagnosis.h"
#include "worker/steps/plans.h"
#include "worker/steps/private_dns.h"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    return req->options.auto_repair == CW_AUTO_REPAIR_SAFE && facts->proof_error.code != NULL;
}

/* A cause that we know how to mend by adding. */
static bool is_ours(const struct cw_diagnosis_v1 *d)
{
    switch ((enum cw_cause)d->cause) {
    case CW_CAUSE_ZONE_NOT_LINKED:
    case CW_CAUSE_RECORD_MISSING:
    case CW_CAUSE_ENDPOINT_NOT_APPROVED:
    case CW_CAUSE_NOT_SETTLED:
        return d->is_safe;
    default:
        return false;
    }
}

/* The cause that a person must mend first; NULL when all likely ones are ours. What could not be read may hide one. */
static const struct cw_diagnosis_v1 *obstacle(const struct cw_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].cause == CW_CAUSE_UNREADABLE ||
            (f->items[i].confidence >= CW_LIKELY && !is_ours(&f->items[i])))
            return &f->items[i];
    return NULL;
}

static bool has_repair(const struct cw_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (is_ours(&f->items[i]))
            return true;
    return false;
}

/* The zone that serves, or a new one of the workspace's own. */
static int choose_zone(struct cw_step_ctx *c, struct cw_readings *r, struct cw_err *err)
{
    struct cw_ensured done;
    if (r->any_zone == NULL)
        r->any_zone = cw_armid_resource(c->call.mem, c->req->subscription_id, c->req->resource_group,
                                        "Microsoft.Network/privateDnsZones", r->zone_name);
    if (r->any_zone == NULL)
        return cw_err_set(err, CW_ENOMEM, "zone");
    if (r->linked_zone != NULL || r->has_record)
        return 0;
    int got = cw_privatedns_ensure_zone(c->svc->arm, &c->call, r->any_zone, cw_step_tags(c), &done, err);
    if (got == 0 && cw_effect_is_change(done.effect))
        cw_step_ensured(c, &done, "private DNS zone");
    return got;
}

static int add_link(struct cw_step_ctx *c, struct cw_readings *r, struct cw_err *err)
{
    struct cw_ensured done;
    const char *link = NULL;
    const char *name = cw_arena_printf(c->call.mem, "%s-link", cw_armid_name(c->facts->vnet_id));
    int got = choose_zone(c, r, err);
    if (got == 0)
        got = cw_privatedns_ensure_link(c->svc->arm, &c->call, r->any_zone, name, c->facts->vnet_id,
                                        cw_step_tags(c), &done, &link, err);
    if (got < 0)
        return got;
    r->linked_zone = r->any_zone;
    cw_step_ensured(c, &done, "link of the zone to the VNet");
    return 0;
}

/* The platform keeps the record right from then on; where the endpoint has a group of its own already, only the record. */
static int add_record(struct cw_step_ctx *c, struct cw_readings *r, struct cw_err *err)
{
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    struct cw_ensured done;
    struct cw_zone_group group;
    if (r->address == NULL || name == NULL)
        return cw_err_set(err, CW_EMISCONFIGURED, "there is no endpoint address for the record");
    int got = choose_zone(c, r, err);
    if (got == 0 && r->zone_group.id == NULL) {
        got = cw_network_ensure_zone_group(c->svc->arm, &c->call, r->endpoint.id, r->any_zone, &done, &group,
                                           err);
        if (got == 0)
            cw_step_ensured(c, &done, "zone group of the endpoint");
    }
    return got < 0 ? got : cw_private_dns_ensure_record(c, r->any_zone, name, r->address, err);
}

static int approve(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_err *err)
{
    for (size_t i = 0; i < r->workspace.connection_count; i++) {
        const struct cw_endpoint_connection *connection = &r->workspace.connections[i];
        enum cw_effect effect = CW_EFFECT_NONE;
        if (!cw_armid_eq(connection->endpoint_id, r->endpoint.id))
            continue;
        int got = cw_workspace_approve_connection(c->svc->arm, &c->call, connection->id, &effect, err);
        if (got == 0 && cw_effect_is_change(effect))
            cw_step_changed(c, "approved connection %s", connection->name);
        return got;
    }
    return cw_err_set(err, CW_ENOTREADY, "the workspace does not show the endpoint's connection");
}

static int mend(struct cw_step_ctx *c, struct cw_readings *r, enum cw_cause cause, struct cw_err *err)
{
    struct cw_workspace ws;
    switch (cause) {
    case CW_CAUSE_ZONE_NOT_LINKED:
        return add_link(c, r, err);
    case CW_CAUSE_RECORD_MISSING:
        return add_record(c, r, err);
    case CW_CAUSE_ENDPOINT_NOT_APPROVED:
        return approve(c, r, err);
    default:
        return cw_workspace_wait(c->svc->arm, &c->call, c->req->workspace_id, &ws, err);
    }
}

/* In an order in which each builds on the former, whatever the ranks. */
static int mend_all(struct cw_step_ctx *c, struct cw_readings *r, const struct cw_findings *f,
                    struct cw_err *err)
{
    static const enum cw_cause order[] = {CW_CAUSE_NOT_SETTLED, CW_CAUSE_ENDPOINT_NOT_APPROVED,
                                          CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_RECORD_MISSING};
    for (size_t k = 0; k < CW_ARRAY_LEN(order); k++)
        for (size_t i = 0; i < f->count; i++) {
            if (f->items[i].cause != (int)order[k] || !is_ours(&f->items[i]))
                continue;
            int got = mend(c, r, order[k], err);
            if (got < 0)
                return cw_err_wrap(err, "repair %s", cw_cause_names[order[k]]);
        }
    /* A new zone is empty: the record belongs to its link. */
    return r->linked_zone != NULL && !r->has_record && r->address != NULL ? add_record(c, r, err) : 0;
}

static int remove_failed_cluster(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    if (c->facts->cluster_id == NULL)
        return 0;
    return cw_databricks_permanent_delete_cluster(c->svc->databricks, &c->call, &target, c->facts->cluster_id,
                                                  err);
}

/* A repair that is refused leaves the verdict to the proof: it says why it failed, and this why it was not mended. */
static int give_up(struct cw_step_ctx *c, struct cw_err *err)
{
    enum cw_class class = err->class;
    if (class != CW_CLASS_MISCONFIGURED && class != CW_CLASS_DENIED && class != CW_CLASS_INVALID)
        return -err->code;
    cw_step_found(c, "not repaired: %s", err->text);
    cw_err_clear(err);
    return 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_readings *readings = cw_arena_alloc(c->call.mem, sizeof *readings);
    struct cw_findings *findings = cw_arena_alloc(c->call.mem, sizeof *findings);
    if (readings == NULL || findings == NULL)
        return cw_err_set(err, CW_ENOMEM, "repair");
    int r = cw_step_lock(c, c->facts->vnet_id, err);
    if (r == 0)
        r = cw_diagnosis_make(c, readings, findings, err);
    if (r < 0)
        return cw_err_wrap(err, "repair");
    const struct cw_diagnosis_v1 *hard = obstacle(findings);
    if (hard != NULL || !has_repair(findings)) {
        cw_step_found(c, "nothing was repaired: %s",
                      hard == NULL ? "no finding has a safe repair" : cw_cause_names[hard->cause]);
        return 0;
    }
    r = mend_all(c, readings, findings, err);
    if (r == 0)
        r = remove_failed_cluster(c, err);
    if (r < 0)
        return give_up(c, err);
    c->out->is_repaired = CW_TRI_YES;
    return 0;
}

const struct cw_step cw_step_repair = {
    .name = "repair",
    .kind = CW_STEP_IDEMPOTENT,
    .timeout_ms = INT64_C(30) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 3000, .cap_ms = 60000},
    .when = when,
    .run = run,
};

#include "worker/steps/browser_picture.h"
#include "worker/steps/diagnosis.h"

#define PATIENCE_MS 120000

static const char *first_address(const struct cw_browser_picture *p)
{
    return p->has_record && p->record.address_count > 0 ? p->record.addresses[0] : "none";
}

static const struct cw_browser_endpoint *find_address(const struct cw_browser_picture *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (cw_browser_record_has(p, p->endpoints[i].address))
            return &p->endpoints[i];
    return NULL;
}

/* Another living endpoint that writes into the zone. */
static const struct cw_browser_endpoint *find_second(const struct cw_browser_picture *p,
                                                     const struct cw_browser_endpoint *first)
{
    for (size_t i = 0; i < p->count; i++)
        if (&p->endpoints[i] != first && p->endpoints[i].is_alive && p->endpoints[i].is_of_zone)
            return &p->endpoints[i];
    return NULL;
}

static void judge_without_endpoint(const struct cw_browser_picture *p, struct cw_findings *f)
{
    const struct cw_browser_endpoint *dead = find_address(p);
    if (dead != NULL) {
        (void)cw_finding_add(
            f, CW_CAUSE_BROWSER_AUTHENTICATION_MISSING, CW_SURE, false,
            "the sign-in record points at an endpoint whose connection is not approved: its workspace is gone, or refused it",
            "remove that endpoint with its record, and make one on an isolated workspace with a delete lock (ask for "
            "browserAuthentication ensure)");
        cw_finding_evidence(f, dead->endpoint.id, "privateLinkServiceConnectionState.status", "Approved",
                            dead->endpoint.status);
        return;
    }
    (void)cw_finding_add(
        f, CW_CAUSE_BROWSER_AUTHENTICATION_MISSING, CW_POSSIBLE, false,
        "the sign-in record points at an address that no browser_authentication endpoint has, as far as can be seen",
        "if the endpoint is gone, remove the record; if it is in another subscription, let the worker's identity read it");
    cw_finding_evidence(f, p->zone, p->record_name, "the address of a browser_authentication endpoint",
                        first_address(p));
}

static void judge_record(const struct cw_browser_picture *p, const struct cw_browser_endpoint *e,
                         struct cw_findings *f)
{
    const char *what = NULL;
    if (!p->has_record)
        what = "the region's browser_authentication endpoint has no record in the zone";
    else if (!cw_browser_record_has(p, e->address))
        what = "the sign-in record does not point at the region's browser_authentication endpoint";
    else if (p->record.address_count > 1)
        what = "the sign-in record has more addresses than the endpoint's";
    if (what == NULL)
        return;
    (void)cw_finding_add(f, CW_CAUSE_BROWSER_RECORD_WRONG, CW_SURE, false, what,
                         "let the record hold the endpoint's address alone: browsers sign in by it");
    cw_finding_evidence(f, p->zone, p->record_name,
                        e->address == NULL ? "the endpoint's address" : e->address,
                        p->has_record && p->record.address_count > 1 && cw_z_eq(first_address(p), e->address)
                            ? p->record.addresses[1]
                            : first_address(p));
}

/* Each endpoint's zone group overwrites the other's record, and takes it away when it goes. */
static void judge_second(const struct cw_browser_picture *p, const struct cw_browser_endpoint *e,
                         struct cw_findings *f)
{
    const struct cw_browser_endpoint *second = find_second(p, e);
    if (second == NULL)
        return;
    (void)cw_finding_add(f, CW_CAUSE_BROWSER_RECORD_WRONG, CW_LIKELY, false,
                         "two browser_authentication endpoints of the region write the same record",
                         "keep one, with its zone group; take the other's zone group away first");
    cw_finding_evidence(f, second->endpoint.id, "privateDnsZoneGroups", "one endpoint for a region and zone",
                        second->address);
}

static int keep_record(struct cw_step_ctx *c, const struct cw_dns_record *record)
{
    size_t n = c->out->record_count;
    struct cw_dns_record_v1 *kept = cw_arena_alloc_array(c->call.mem, n + 1, sizeof *kept);
    const char **addresses = cw_arena_alloc_array(c->call.mem, record->address_count + 1, sizeof *addresses);
    if (kept == NULL || addresses == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < n; i++)
        kept[i] = c->out->records[i];
    for (size_t i = 0; i < record->address_count; i++)
        addresses[i] = record->addresses[i];
    kept[n] = (struct cw_dns_record_v1){record->name, addresses, record->address_count, record->ttl};
    c->out->records = kept;
    c->out->record_count = n + 1;
    return 0;
}

static int tell(struct cw_step_ctx *c, const struct cw_browser_picture *p, struct cw_findings *f)
{
    const struct cw_browser_endpoint *e = cw_browser_serving(p);
    if (e == NULL && !p->has_record) {
        cw_step_found(c,
                      "no browser_authentication endpoint serves the zone: back-end connections need none");
        return 0;
    }
    if (e == NULL)
        judge_without_endpoint(p, f);
    else {
        judge_record(p, e, f);
        judge_second(p, e, f);
    }
    for (size_t i = 0; i < f->count; i++)
        cw_step_found(c, "browser sign-in: %s (clusters don't need it)", f->items[i].message);
    if (f->count == 0)
        cw_step_found(c, "record %s points at browser_authentication endpoint %s (%s)", p->record_name,
                      e->endpoint.name, e->address);
    return p->has_record ? keep_record(c, &p->record) : 0;
}

/* 0 = go on without it, else the error that ends the step. */
static int tolerate(struct cw_step_ctx *c, int r, struct cw_err *err)
{
    if (cw_class_is_stop(err->class) || r == -CW_ENOMEM || cw_is_past(c->call.until))
        return cw_err_wrap(err, "browser sign-in");
    cw_step_found(c, "browser sign-in was not looked at: %s", err->text);
    cw_err_clear(err);
    return 0;
}

int cw_browser_check(struct cw_step_ctx *c, const char *zone, struct cw_err *err)
{
    if (zone == NULL || c->facts->location == NULL || c->req->browser_authentication.mode == CW_BROWSER_SKIP)
        return 0;
    struct cw_browser_picture *picture = cw_arena_alloc(c->call.mem, sizeof *picture);
    struct cw_findings *findings = cw_arena_alloc(c->call.mem, sizeof *findings);
    struct cw_readings *nothing = cw_arena_alloc(c->call.mem, sizeof *nothing);
    struct cw_step_ctx brief = *c;
    if (picture == NULL || findings == NULL || nothing == NULL)
        return cw_err_set(err, CW_ENOMEM, "browser sign-in");
    brief.call.until = cw_sooner(c->call.until, cw_in_ms(cw_arm_scaled_ms(c->svc->arm, PATIENCE_MS)));
    int r = cw_browser_read(&brief, zone, c->facts->location, picture, err);
    if (r < 0)
        return tolerate(c, r, err);
    if (tell(c, picture, findings) < 0)
        return cw_err_set(err, CW_ENOMEM, "browser sign-in");
    if (findings->count > 0 && c->facts->is_repaired != CW_TRI_YES) {
        cw_findings_complete(c, nothing, findings);
        c->out->diagnosis = findings->items;
        c->out->diagnosis_count = findings->count;
    }
    return 0;
}

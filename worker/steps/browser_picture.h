/* worker/steps/browser_picture.h: what there is for browser sign-in in a region and zone: endpoints, and the record.
 *
 * All workspaces of a region that share a zone share one browser_authentication endpoint and one record, on whatever workspace
 * the endpoint may be. The platform names the record <region>.pl-auth, or as the endpoint's zone group says; where it writes
 * none (Azure China), people name it pl-auth.<region>. Everything lives in c->call.mem.
 * Suspends: cw_browser_read, cw_browser_check.  Thread: loop.  Source: reference "Databricks facts" 13.2, 13.3. */
#ifndef CW_WORKER_STEPS_BROWSER_PICTURE_H
#define CW_WORKER_STEPS_BROWSER_PICTURE_H

#include "common/azure/privatedns.h"
#include "worker/steps/step.h"

#define CW_BROWSER_ENDPOINTS_MAX 8 /* of one region that are looked at */

struct cw_browser_endpoint {
    struct cw_private_endpoint endpoint;
    const char *address; /* NULL: it has none */
    bool is_of_zone;     /* its zone group writes into the zone */
    bool is_alive;       /* approved */
};

struct cw_browser_picture {
    const char *zone;
    const char *record_name; /* that is there, or would be */
    bool has_record;
    struct cw_dns_record record;
    struct cw_browser_endpoint endpoints[CW_BROWSER_ENDPOINTS_MAX];
    size_t count;
};

/* Endpoints are looked for in the subscriptions of the zone, the transit VNet and the workspace. Two reads where there is
 * nothing. Errors: those of arm.h. */
int cw_browser_read(struct cw_step_ctx *c, const char *zone, const char *region,
                    struct cw_browser_picture *ret_picture, struct cw_err *err);
/* The living endpoint that the record points at, else one whose zone group writes into the zone; NULL when there is none. */
const struct cw_browser_endpoint *cw_browser_serving(const struct cw_browser_picture *picture);
bool cw_browser_record_has(const struct cw_browser_picture *picture, const char *address);

/* Tell what there is, keep the record as evidence, and what is wrong as a finding. Clusters don't need it: nothing found here
 * fails a proof, nor does a read that is refused. zone NULL: nothing to look at.
 * Errors: cancellation, -CW_ELOST, -CW_ENOMEM, -CW_ETIMEDOUT (the step's own deadline). */
int cw_browser_check(struct cw_step_ctx *c, const char *zone, struct cw_err *err);

#endif

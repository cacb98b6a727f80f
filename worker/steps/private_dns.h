/* worker/steps/private_dns.h: zones, their links and records, for the steps that make or repair them.
 *
 * Suspends: all.  Thread: loop. */
#ifndef CW_WORKER_STEPS_PRIVATE_DNS_H
#define CW_WORKER_STEPS_PRIVATE_DNS_H

#include "worker/steps/step.h"

struct cw_zone_choice {
    const char *name; /* that the zone must have */
    const char *vnet_id;
    const char *subscription; /* where zones are looked for */
    const char *asked;        /* by the request; NULL = not */
    const char *asked_by;     /* the member that does */
    const char *otherwise;    /* when nothing is asked or linked; NULL when out of memory */
};
/* A VNet can be linked to one zone of a name: an existing link decides. Errors: -CW_EMISCONFIGURED (the request asks for
 * another zone than the linked one, or for one of another name), those of arm.h. */
int cw_private_dns_choose_zone(struct cw_step_ctx *c, const struct cw_zone_choice *choice,
                               const char **ret_zone, struct cw_err *err);
/* link_text names the link in what the step tells. */
int cw_private_dns_ensure_zone_and_link(struct cw_step_ctx *c, const char *zone, const char *vnet_id,
                                        const char *link_text, const char **ret_link, struct cw_err *err);
/* In Azure China endpoints may carry no names, and the platform then writes no record: it is written here. One that points
 * elsewhere is left alone. Errors: -CW_EMISCONFIGURED (it does), those of arm.h. */
int cw_private_dns_ensure_record(struct cw_step_ctx *c, const char *zone, const char *name,
                                 const char *address, struct cw_err *err);

#endif

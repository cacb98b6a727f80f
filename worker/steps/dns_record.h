/* worker/steps/dns_record.h: is the workspace's A record the endpoint's address, and if not, in which way is it wrong?
 *
 * Suspends: cw_dns_record_judge.  Thread: loop. */
#ifndef CW_WORKER_STEPS_DNS_RECORD_H
#define CW_WORKER_STEPS_DNS_RECORD_H

#include "common/azure/network.h"
#include "worker/steps/step.h"

/* Codes in verdicts, each with a remedy of its own. */
#define CW_RECORD_MISSING "RecordMissing"     /* the zone has none */
#define CW_RECORD_DUPLICATE "RecordDuplicate" /* the right address and others: some connections miss */
#define CW_RECORD_STALE \
    "RecordStale" /* an address of the VNet that nothing has: a former endpoint's, or one of a copied zone */
#define CW_RECORD_WRONG "RecordWrong" /* the address of something else */

/* Each failure is a failed proof of `step`, and 0 is returned. Errors: those of arm.h, cancellation. */
int cw_dns_record_judge(struct cw_step_ctx *c, const char *step, const struct cw_dns_record *record,
                        const char *address, struct cw_err *err);
int cw_dns_record_missing(struct cw_step_ctx *c, const char *step, const char *name);
/* Into the facts. Errors: -CW_ENOMEM. */
int cw_dns_record_keep(struct cw_step_ctx *c, const char *name, const char *const *addresses, size_t count,
                       int64_t ttl);

#endif

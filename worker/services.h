/* worker/services.h: the remote services of one worker: cloud, identity, budget, and a set of clients for each tenant.
 *
 * Suspends: cw_services_check.  Thread: loop. */
#ifndef CW_WORKER_SERVICES_H
#define CW_WORKER_SERVICES_H

#include "common/azure/databricks.h"
#include "common/settings.h"
#include "worker/steps/step.h"

struct cw_services;

/* settings and redis are borrowed. Errors: -CW_EINVAL (settings, with what to do), -CW_EUNSUPPORTED, -CW_ENOMEM. */
int cw_services_new(struct cw_loop *loop, struct cw_redis *redis, const struct cw_settings *settings,
                    struct cw_services **ret_services, struct cw_err *err);
/* No call may be under way. NULL is fine. */
void cw_services_free(struct cw_services *s);
/* For the engine: arg is the services. A tenant's clients are made at its first request. Errors: -CW_EREJECTED (more tenants than a worker
 * serves), -CW_ENOMEM. Suspends: no. */
int cw_services_clients_of(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                           struct cw_err *err);
/* Those of the identity's own tenant. */
const struct cw_clients *cw_services_clients(const struct cw_services *s);
/* Is there a valid token for Resource Manager? Errors: those of cw_credential_token(). Suspends: when it must be fetched. */
int cw_services_check(struct cw_services *s, struct cw_deadline until, struct cw_err *err);
const struct cw_cloud *cw_services_cloud(const struct cw_services *s);
const char *cw_services_credential_name(const struct cw_services *s);

#endif

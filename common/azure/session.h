/* common/azure/session.h: everything that is needed to talk to the cloud of the settings, made and freed in one go.
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_AZURE_SESSION_H
#define CW_COMMON_AZURE_SESSION_H

#include "common/azure/arm.h"
#include "common/azure/databricks.h"
#include "common/azure/quota.h"
#include "common/azure/resolver.h"
#include "common/settings.h"

/* Clients for the subscriptions of one tenant, with its budget. */
struct cw_azure_tenant {
    struct cw_quota *quota;
    struct cw_arm *arm;
    struct cw_databricks *databricks;
};

struct cw_azure_session {
    struct cw_cloud cloud;
    struct cw_http *http;
    struct cw_dns *dns; /* NULL = dns.resolver names none */
    struct cw_credential *credential;
    struct cw_azure_tenant own; /* of the identity */
    struct cw_arena *mem;       /* strings of a custom cloud */
    struct cw_loop *loop;
    const struct cw_settings *settings;
    struct cw_redis *redis;
};

/* settings and redis are borrowed; redis NULL: the budget is this process's alone. Fills *session, which must not move afterwards; at a
 * failure nothing is left to undo. Errors: -CW_EINVAL (settings, with a remedy), -CW_EUNSUPPORTED (a credential kind), -CW_ENOMEM. */
int cw_azure_session_open(struct cw_azure_session *session, struct cw_loop *loop,
                          const struct cw_settings *settings, struct cw_redis *redis, struct cw_err *err);
/* No call may be under way; tenants are closed before. A zeroed session is fine. */
void cw_azure_session_close(struct cw_azure_session *session);

/* Clients of another tenant (its id is borrowed). At a failure nothing is left to undo. Errors: -CW_ENOMEM, -CW_EINVAL. */
int cw_azure_tenant_open(const struct cw_azure_session *session, const char *tenant_id,
                         struct cw_azure_tenant *ret_tenant, struct cw_err *err);
/* No call may be under way. A zeroed tenant is fine. */
void cw_azure_tenant_close(struct cw_azure_tenant *tenant);

#endif

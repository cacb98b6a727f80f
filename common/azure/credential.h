/* common/azure/credential.h: Entra tokens for the worker's identity, by the Azure SDKs' environment variables.
 *
 * One cache per credential: key (tenant, audience). One refresh in flight per key; callers use the old token while it is
 * valid, else they wait. No secret and no token is ever part of an error text.
 * Suspends: cw_credential_token, cw_credential_refresh.  Thread: loop.
 * Source: Microsoft identity platform, client credentials; Azure IMDS. */
#ifndef CW_COMMON_AZURE_CREDENTIAL_H
#define CW_COMMON_AZURE_CREDENTIAL_H

#include "common/azure/cloud.h"
#include "common/net/http.h"

struct cw_credential;

enum cw_credential_kind {
    CW_CREDENTIAL_AUTO =
        0, /* secret, certificate, workload identity, managed identity: the first that is configured */
    CW_CREDENTIAL_SECRET,
    CW_CREDENTIAL_CERTIFICATE,
    CW_CREDENTIAL_WORKLOAD,
    CW_CREDENTIAL_MANAGED,
    CW_CREDENTIAL__COUNT
};
/* "client secret", … */
const char *cw_credential_kind_name(enum cw_credential_kind kind);

/* Values of the environment variables named beside them; NULL or "" = unset. Copied. */
struct cw_credential_cfg {
    enum cw_credential_kind kind;
    const char *tenant_id;            /* AZURE_TENANT_ID */
    const char *client_id;            /* AZURE_CLIENT_ID */
    const char *client_secret;        /* AZURE_CLIENT_SECRET */
    const char *certificate_path;     /* AZURE_CLIENT_CERTIFICATE_PATH */
    const char *certificate_password; /* AZURE_CLIENT_CERTIFICATE_PASSWORD */
    const char *federated_token_file; /* AZURE_FEDERATED_TOKEN_FILE */
    const char *imds_endpoint;        /* AZURE_POD_IDENTITY_AUTHORITY_HOST; default http://169.254.169.254 */
};

/* cloud is borrowed and outlives the credential. Errors: -CW_EINVAL (what is missing, with a remedy),
 * -CW_ENOMEM. */
int cw_credential_new(struct cw_loop *loop, struct cw_http *http, const struct cw_cloud *cloud,
                      const struct cw_credential_cfg *cfg, struct cw_credential **ret_credential,
                      struct cw_err *err);
/* No call may be under way. NULL is fine. Overwrites secrets and tokens. */
void cw_credential_free(struct cw_credential *credential);
/* A bearer token, in mem. tenant NULL = the configured one; audience is a resource ("https://management.chinacloudapi.cn")
 * or an application id. Errors: -CW_EAUTH (with a remedy), -CW_ENET, -CW_EREMOTE, -CW_ETHROTTLED, -CW_ETIMEDOUT,
 * cancellation, -CW_ENOMEM. Suspends: when it must be fetched. */
int cw_credential_token(struct cw_credential *credential, const char *tenant, const char *audience,
                        struct cw_deadline until, struct cw_arena *mem, const char **ret_token,
                        struct cw_err *err);
/* After a 401: a token other than `rejected`, fetching at most once however many callers were refused the same token.
 * Errors as above. */
int cw_credential_refresh(struct cw_credential *credential, const char *tenant, const char *audience,
                          const char *rejected, struct cw_deadline until, struct cw_arena *mem,
                          const char **ret_token, struct cw_err *err);
enum cw_credential_kind cw_credential_kind_of(const struct cw_credential *credential);
/* The configured tenant (may be "" for a managed identity) and the client id (or "managed-identity"): for budgets. */
const char *cw_credential_tenant(const struct cw_credential *credential);
const char *cw_credential_principal(const struct cw_credential *credential);

#endif

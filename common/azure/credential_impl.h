/* common/azure/credential_impl.h: what the parts of the credential share. Nobody else includes it.
 *
 * Suspends: cw_token_fetch.  Thread: loop. */
#ifndef CW_COMMON_AZURE_CREDENTIAL_IMPL_H
#define CW_COMMON_AZURE_CREDENTIAL_IMPL_H

#include "common/azure/credential.h"
#include "common/fiber/wait.h"
#include "common/str.h"

#define TOKENS_MAX 256

struct cw_token {
    char *tenant;
    char *audience;
    char *value;        /* NULL = none yet */
    int64_t expires_ms; /* monotonic */
    int64_t renew_ms;   /* monotonic */
    bool is_fetching;   /* one fiber does; others wait below, or use the old value */
    struct cw_queue waiters;
    uint64_t fetches;   /* ended ones */
    struct cw_err last; /* of the fetch that ended last */
};

struct cw_credential {
    struct cw_loop *loop;
    struct cw_http *http;
    const struct cw_cloud *cloud;
    enum cw_credential_kind kind;
    char *tenant;
    char *client;
    char *secret;
    char *token_file;
    char *certificate_path;
    char *certificate_password;
    char *imds;
    struct cw_token *tokens[TOKENS_MAX];
    size_t token_count;
};

/* Ask for a token, a few times when the failure may pass; fills value, expires_ms and renew_ms. Errors: those of
 * cw_credential_token. */
int cw_token_fetch(struct cw_credential *c, struct cw_token *t, struct cw_deadline until, struct cw_err *err);
/* Overwrite and free; NULL is fine. */
void cw_secret_wipe(char *z);
/* Append the signed assertion (a JWT) that proves possession of the key in a PEM or PKCS#12 file. Errors: -CW_EAUTH (the file
 * holds no usable certificate and key, or the password is wrong; with a remedy), -CW_ENOMEM. Suspends: no. */
int cw_certificate_assertion(const char *file, size_t file_bytes, const char *password, const char *client_id,
                             const char *audience_url, int64_t wall_ms, struct cw_buf *out,
                             struct cw_err *err);

#endif

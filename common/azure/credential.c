#include "common/azure/credential.h"

#include <ctype.h>

#include "common/azure/credential_impl.h"
#include "common/str.h"

#define VALID_MARGIN_MS 60000 /* Databricks refuses tokens that end within 30 s */
#define AGAIN_MS 30000        /* after a failed early renewal */
#define IMDS_DEFAULT "http://169.254.169.254"

const char *cw_credential_kind_name(enum cw_credential_kind kind)
{
    static const char *const names[CW_CREDENTIAL__COUNT] = {"auto", "client secret", "client certificate",
                                                            "workload identity", "managed identity"};
    return (unsigned)kind < CW_CREDENTIAL__COUNT ? names[kind] : "unknown";
}

static bool is_set(const char *z)
{
    return z != NULL && z[0] != '\0';
}

void cw_secret_wipe(char *z)
{
    if (z != NULL)
        explicit_bzero(z, strlen(z));
    free(z);
}

static enum cw_credential_kind choose(const struct cw_credential_cfg *cfg)
{
    if (cfg->kind != CW_CREDENTIAL_AUTO)
        return cfg->kind;
    if (is_set(cfg->client_secret))
        return CW_CREDENTIAL_SECRET;
    if (is_set(cfg->certificate_path))
        return CW_CREDENTIAL_CERTIFICATE;
    if (is_set(cfg->federated_token_file))
        return CW_CREDENTIAL_WORKLOAD;
    return CW_CREDENTIAL_MANAGED;
}

static int missing(const char *what, enum cw_credential_kind kind, struct cw_err *err)
{
    int r = cw_err_set(err, CW_EINVAL, "%s is not set, but %s needs it", what, cw_credential_kind_name(kind));
    cw_err_remedy(err, "set %s", what);
    return r;
}

static int check_cfg(enum cw_credential_kind kind, const struct cw_credential_cfg *cfg, struct cw_err *err)
{
    if (kind == CW_CREDENTIAL_MANAGED)
        return 0;
    if (!is_set(cfg->tenant_id))
        return missing("AZURE_TENANT_ID", kind, err);
    for (const char *p = cfg->tenant_id; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.')
            return cw_err_set(err, CW_EINVAL, "AZURE_TENANT_ID: '%s' is no tenant id or domain",
                              cfg->tenant_id);
    if (!is_set(cfg->client_id))
        return missing("AZURE_CLIENT_ID", kind, err);
    if (kind == CW_CREDENTIAL_SECRET && !is_set(cfg->client_secret))
        return missing("AZURE_CLIENT_SECRET", kind, err);
    if (kind == CW_CREDENTIAL_CERTIFICATE && !is_set(cfg->certificate_path))
        return missing("AZURE_CLIENT_CERTIFICATE_PATH", kind, err);
    if (kind == CW_CREDENTIAL_WORKLOAD && !is_set(cfg->federated_token_file))
        return missing("AZURE_FEDERATED_TOKEN_FILE", kind, err);
    return 0;
}

static char *copy(const char *z)
{
    return strdup(z != NULL ? z : "");
}

int cw_credential_new(struct cw_loop *loop, struct cw_http *http, const struct cw_cloud *cloud,
                      const struct cw_credential_cfg *cfg, struct cw_credential **ret_credential,
                      struct cw_err *err)
{
    enum cw_credential_kind kind = choose(cfg);
    int r = check_cfg(kind, cfg, err);
    if (r < 0)
        return r;
    struct cw_credential *c = calloc(1, sizeof *c);
    if (c == NULL)
        return cw_err_set(err, CW_ENOMEM, "credential");
    c->loop = loop;
    c->http = http;
    c->cloud = cloud;
    c->kind = kind;
    c->tenant = copy(cfg->tenant_id);
    c->client = copy(cfg->client_id);
    c->secret = copy(cfg->client_secret);
    c->token_file = copy(cfg->federated_token_file);
    c->certificate_path = copy(cfg->certificate_path);
    c->certificate_password = copy(cfg->certificate_password);
    c->imds = copy(is_set(cfg->imds_endpoint) ? cfg->imds_endpoint : IMDS_DEFAULT);
    if (c->tenant == NULL || c->client == NULL || c->secret == NULL || c->token_file == NULL ||
        c->certificate_path == NULL || c->certificate_password == NULL || c->imds == NULL) {
        cw_credential_free(c);
        return cw_err_set(err, CW_ENOMEM, "credential");
    }
    *ret_credential = c;
    return 0;
}

static void free_token(struct cw_token *t)
{
    cw_secret_wipe(t->value);
    free(t->tenant);
    free(t->audience);
    free(t);
}

void cw_credential_free(struct cw_credential *credential)
{
    if (credential == NULL)
        return;
    for (size_t i = 0; i < credential->token_count; i++)
        free_token(credential->tokens[i]);
    cw_secret_wipe(credential->secret);
    cw_secret_wipe(credential->certificate_password);
    free(credential->certificate_path);
    free(credential->tenant);
    free(credential->client);
    free(credential->token_file);
    free(credential->imds);
    free(credential);
}

enum cw_credential_kind cw_credential_kind_of(const struct cw_credential *credential)
{
    return credential->kind;
}

const char *cw_credential_tenant(const struct cw_credential *credential)
{
    return credential->tenant;
}

const char *cw_credential_principal(const struct cw_credential *credential)
{
    return credential->client[0] != '\0' ? credential->client : "managed-identity";
}

/* --- the cache -------------------------------------------------------------------------------------------------- */

static struct cw_token *find_token(struct cw_credential *c, const char *tenant, const char *audience,
                                   struct cw_err *err)
{
    for (size_t i = 0; i < c->token_count; i++)
        if (cw_z_eq_nocase(c->tokens[i]->tenant, tenant) && cw_z_eq(c->tokens[i]->audience, audience))
            return c->tokens[i];
    if (c->token_count == TOKENS_MAX) {
        (void)cw_err_set(err, CW_ETOOBIG, "tokens for more than %d tenants and audiences", TOKENS_MAX);
        return NULL;
    }
    struct cw_token *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->tenant = strdup(tenant);
        t->audience = strdup(audience);
    }
    if (t == NULL || t->tenant == NULL || t->audience == NULL) {
        if (t != NULL)
            free_token(t);
        (void)cw_err_set(err, CW_ENOMEM, "token");
        return NULL;
    }
    c->tokens[c->token_count++] = t;
    return t;
}

static bool is_valid(const struct cw_token *t)
{
    int64_t margin = CW_MIN((int64_t)VALID_MARGIN_MS, (t->expires_ms - t->renew_ms) / 2);
    return t->value != NULL && cw_mono_ms() < t->expires_ms - margin;
}

static bool is_due(const struct cw_token *t)
{
    return cw_mono_ms() >= t->renew_ms;
}

/* This fiber fetches; the others see is_fetching. */
static int refresh(struct cw_credential *c, struct cw_token *t, struct cw_deadline until, struct cw_err *err)
{
    t->is_fetching = true;
    struct cw_err why = {0};
    int r = cw_token_fetch(c, t, until, &why);
    t->is_fetching = false;
    t->last = why;
    t->fetches++;
    cw_queue_broadcast(&t->waiters);
    if (r == 0)
        return 0;
    bool is_mine = cw_class_is_stop(cw_err_class_of(r));
    if (!is_mine && is_valid(t)) {
        t->renew_ms = cw_mono_ms() + AGAIN_MS;
        return 0;
    }
    *err = why;
    return r;
}

/* An outcome that a waiter can share: not the fetcher's own deadline or end. */
static bool is_shared(const struct cw_err *last)
{
    return last->code != 0 && last->code != CW_ETIMEDOUT && !cw_class_is_stop(last->class);
}

static int wait_for_fetch(struct cw_token *t, struct cw_deadline until, struct cw_err *err)
{
    uint64_t before = t->fetches;
    int r = cw_queue_wait(&t->waiters, until);
    if (r < 0)
        return cw_err_set(err, r, "while waiting for a token");
    if (t->fetches != before && !is_valid(t) && is_shared(&t->last)) {
        *err = t->last;
        return -err->code;
    }
    return 0;
}

int cw_credential_token(struct cw_credential *credential, const char *tenant, const char *audience,
                        struct cw_deadline until, struct cw_arena *mem, const char **ret_token,
                        struct cw_err *err)
{
    struct cw_token *t = find_token(credential, is_set(tenant) ? tenant : credential->tenant, audience, err);
    if (t == NULL)
        return -err->code;
    while (!is_valid(t) || (is_due(t) && !t->is_fetching)) {
        int r = t->is_fetching ? wait_for_fetch(t, until, err) : refresh(credential, t, until, err);
        if (r < 0)
            return r;
        if (is_valid(t))
            break;
        if (t->last.code == 0 && !t->is_fetching)
            return cw_err_set(err, CW_EAUTH, "the token that was given has expired already: check the clock");
    }
    const char *value = cw_arena_strdup(mem, t->value);
    if (value == NULL)
        return cw_err_set(err, CW_ENOMEM, "token");
    *ret_token = value;
    return 0;
}

int cw_credential_refresh(struct cw_credential *credential, const char *tenant, const char *audience,
                          const char *rejected, struct cw_deadline until, struct cw_arena *mem,
                          const char **ret_token, struct cw_err *err)
{
    struct cw_token *t = find_token(credential, is_set(tenant) ? tenant : credential->tenant, audience, err);
    if (t == NULL)
        return -err->code;
    if (t->value != NULL && !t->is_fetching && cw_z_eq(t->value, rejected))
        t->expires_ms = t->renew_ms = 0;
    return cw_credential_token(credential, tenant, audience, until, mem, ret_token, err);
}

#include "common/azure/credential_impl.h"

#include "common/azure/armerr.h"
#include "common/azure/call.h"
#include "common/json.h"
#include "common/net/offload.h"

#define FETCH_TRIES 3
#define FETCH_TIMEOUT_MS 30000
#define FETCH_BACKOFF_MS 1000
#define IMDS_RESTART_MS 70000
#define ANSWER_BYTES_MAX ((size_t)256 * 1024)
#define TOKEN_FILE_BYTES_MAX ((size_t)64 * 1024)
#define EARLY_MS (5 * 60000) /* renewed so long before the end */
#define EARLY_JITTER_MS 60000
#define LONG_LIVED_MS (2 * 3600000)

static void add_field(struct cw_buf *b, const char *key, const char *value)
{
    cw_buf_addf(b, "%s%s=", b->n > 0 ? "&" : "", key);
    cw_buf_add_url(b, value);
}

static int read_secret_file(struct cw_credential *c, const char *path, const char *what,
                            struct cw_deadline until, struct cw_arena *mem, struct cw_str *ret_text,
                            struct cw_err *err)
{
    int r = cw_offload_read_file(c->loop, path, TOKEN_FILE_BYTES_MAX, until, mem, ret_text, err);
    if (r == -CW_ENOTFOUND || r == -CW_EDENIED) {
        r = cw_err_set(err, CW_EAUTH, "the file %s can't be read: %s", path, cw_err_text(r));
        cw_err_remedy(err, "check %s, and that this process may read the file it names", what);
    }
    return r;
}

static int add_federated(struct cw_credential *c, struct cw_buf *form, struct cw_deadline until,
                         struct cw_arena *mem, struct cw_err *err)
{
    struct cw_str text = {0};
    int r = read_secret_file(c, c->token_file, "AZURE_FEDERATED_TOKEN_FILE", until, mem, &text, err);
    if (r < 0)
        return r;
    char *assertion = cw_arena_memdup(mem, text.p, text.n);
    if (assertion == NULL)
        return cw_err_set(err, CW_ENOMEM, "token request");
    assertion[strcspn(assertion, " \r\n\t")] = '\0';
    add_field(form, "client_assertion", assertion);
    return 0;
}

static int add_certificate(struct cw_credential *c, struct cw_buf *form, const char *url,
                           struct cw_deadline until, struct cw_arena *mem, struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf assertion = {0};
    struct cw_str file = {0};
    int r = read_secret_file(c, c->certificate_path, "AZURE_CLIENT_CERTIFICATE_PATH", until, mem, &file, err);
    if (r == 0)
        r = cw_certificate_assertion(file.p, file.n, c->certificate_password, c->client, url, cw_wall_ms(),
                                     &assertion, err);
    if (r == 0)
        add_field(form, "client_assertion", cw_buf_z(&assertion));
    return r;
}

static int add_proof(struct cw_credential *c, struct cw_buf *form, const char *url, struct cw_deadline until,
                     struct cw_arena *mem, struct cw_err *err)
{
    if (c->kind == CW_CREDENTIAL_SECRET) {
        add_field(form, "client_secret", c->secret);
        return 0;
    }
    add_field(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    return c->kind == CW_CREDENTIAL_CERTIFICATE ? add_certificate(c, form, url, until, mem, err)
                                                : add_federated(c, form, until, mem, err);
}

static int ask_entra(struct cw_credential *c, const struct cw_token *t, struct cw_deadline until,
                     struct cw_arena *mem, struct cw_http_res *ret_res, struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf form = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf scope = {0};
    cw_buf_addf(&scope, "%s/.default", t->audience);
    add_field(&form, "grant_type", "client_credentials");
    add_field(&form, "client_id", c->client);
    add_field(&form, "scope", cw_buf_z(&scope));
    size_t host = strlen(c->cloud->authority_host);
    while (host > 0 && c->cloud->authority_host[host - 1] == '/')
        host--;
    char *url =
        cw_arena_printf(mem, "%.*s/%s/oauth2/v2.0/token", (int)host, c->cloud->authority_host, t->tenant);
    int r = url != NULL ? add_proof(c, &form, url, until, mem, err) : 0;
    if (r < 0)
        return r;
    if (form.failed || scope.failed || url == NULL)
        return cw_err_set(err, CW_ENOMEM, "token request");
    const struct cw_http_header headers[] = {{"Accept", "application/json"}};
    struct cw_http_req req = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .header_count = CW_ARRAY_LEN(headers),
        .body = {form.p, form.n},
        .content_type = "application/x-www-form-urlencoded",
        .body_bytes_max = ANSWER_BYTES_MAX,
    };
    r = cw_call_answered(cw_http_call(c->http, &req, until, mem, ret_res, err), err);
    explicit_bzero(form.p, form.n);
    return r < 0 ? cw_err_wrap(err, "token from %s", c->cloud->authority_host) : 0;
}

static int ask_imds(struct cw_credential *c, const struct cw_token *t, struct cw_deadline until,
                    struct cw_arena *mem, struct cw_http_res *ret_res, struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf url = {0};
    cw_buf_addf(&url, "%s/metadata/identity/oauth2/token?api-version=2018-02-01&resource=", c->imds);
    cw_buf_add_url(&url, t->audience);
    if (c->client[0] != '\0') {
        cw_buf_add_z(&url, "&client_id=");
        cw_buf_add_url(&url, c->client);
    }
    if (url.failed)
        return cw_err_set(err, CW_ENOMEM, "token request");
    const struct cw_http_header headers[] = {{"Metadata", "true"}, {"Accept", "application/json"}};
    struct cw_http_req req = {
        .method = "GET",
        .url = url.p,
        .headers = headers,
        .header_count = CW_ARRAY_LEN(headers),
        .body_bytes_max = ANSWER_BYTES_MAX,
        .allow_plain = true,
    };
    int r = cw_call_answered(cw_http_call(c->http, &req, until, mem, ret_res, err), err);
    if (r == -CW_ENET)
        cw_err_remedy(err,
                      "no managed identity answers here: set AZURE_CLIENT_SECRET, or assign an identity");
    return r < 0 ? cw_err_wrap(err, "token from the managed identity endpoint") : 0;
}

static int64_t lifetime_of(const json_t *doc)
{
    int64_t seconds = cw_json_int(doc, "expires_in", -1);
    if (seconds < 0) {
        int64_t on = cw_json_int(doc, "expires_on", -1);
        seconds = on < 0 ? 300 : on - cw_wall_ms() / 1000;
    }
    return CW_MIN(CW_MAX(seconds, (int64_t)0), (int64_t)30 * 24 * 3600) * 1000;
}

static int64_t renewal_of(const struct cw_credential *c, const json_t *doc, int64_t lifetime_ms)
{
    int64_t refresh_in = cw_json_int(doc, "refresh_in", -1);
    int64_t after = lifetime_ms - EARLY_MS;
    if (refresh_in > 0)
        after = CW_MIN(refresh_in * 1000, lifetime_ms);
    else if (c->kind == CW_CREDENTIAL_MANAGED && lifetime_ms >= LONG_LIVED_MS)
        after = lifetime_ms / 2;
    else if (after < lifetime_ms / 2)
        after = lifetime_ms / 2;
    return CW_MAX(after - cw_random_between(0, CW_MIN((int64_t)EARLY_JITTER_MS, after / 10)), (int64_t)0);
}

static int keep_answer(struct cw_credential *c, struct cw_token *t, const struct cw_http_res *res,
                       int64_t asked_ms, struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *doc = NULL;
    struct cw_err ignored = {0};
    int parsed = cw_json_parse(res->body.p, res->body.n, ANSWER_BYTES_MAX, &doc, &ignored);
    if (res->status != 200) {
        int r = cw_armerr_fill_entra(doc, res->status, err);
        bool is_imds_pause = c->kind == CW_CREDENTIAL_MANAGED && (res->status == 404 || res->status == 410);
        if (is_imds_pause)
            r = cw_err_set(err, CW_EREMOTE, "the managed identity endpoint is not ready (HTTP %d)",
                           res->status);
        const char *after = cw_http_header(res, "retry-after");
        int64_t seconds = 0;
        if (after != NULL && cw_z_to_i64(after, &seconds) && seconds > 0 && seconds < 86400)
            err->retry_after_ms = seconds * 1000;
        if (res->status == 410 && is_imds_pause)
            err->retry_after_ms = IMDS_RESTART_MS;
        return r;
    }
    const char *value = cw_json_str(doc, "access_token", NULL);
    if (parsed < 0 || value == NULL || value[0] == '\0')
        return cw_err_set(err, CW_EPROTO, "the token answer holds no access_token");
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127)
            return cw_err_set(err, CW_EPROTO, "the token answer's access_token has forbidden characters");
    char *copied = strdup(value);
    if (copied == NULL)
        return cw_err_set(err, CW_ENOMEM, "token");
    cw_secret_wipe(t->value);
    t->value = copied;
    int64_t lifetime_ms = lifetime_of(doc);
    t->expires_ms = asked_ms + lifetime_ms;
    t->renew_ms = asked_ms + renewal_of(c, doc, lifetime_ms);
    return 0;
}

static int fetch_once(struct cw_credential *c, struct cw_token *t, struct cw_deadline until,
                      struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)1024 * 1024, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "token request");
    struct cw_http_res res = {0};
    int64_t asked_ms = cw_mono_ms();
    struct cw_deadline soon = cw_sooner(until, cw_in_ms(FETCH_TIMEOUT_MS));
    int r = c->kind == CW_CREDENTIAL_MANAGED ? ask_imds(c, t, soon, mem, &res, err)
                                             : ask_entra(c, t, soon, mem, &res, err);
    return r < 0 ? r : keep_answer(c, t, &res, asked_ms, err);
}

int cw_token_fetch(struct cw_credential *c, struct cw_token *t, struct cw_deadline until, struct cw_err *err)
{
    for (int i = 1;; i++) {
        int r = fetch_once(c, t, until, err);
        if (r == 0)
            return r;
        enum cw_class class = cw_err_class_of(r);
        if (i == FETCH_TRIES || (class != CW_CLASS_RETRY && class != CW_CLASS_THROTTLED) || cw_is_past(until))
            return r;
        int64_t backoff = FETCH_BACKOFF_MS * i + cw_random_between(0, FETCH_BACKOFF_MS / 2);
        struct cw_deadline next = cw_in_ms(CW_MAX(backoff, err->retry_after_ms));
        if (until.mono_ms <= next.mono_ms)
            return r;
        int slept = cw_sleep(next);
        if (slept < 0)
            return cw_err_set(err, slept, "while waiting to ask for a token again");
    }
}

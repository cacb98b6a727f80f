/* Tokens: JWTs with a signature that only this model can make (no cryptography: a keyed hash of the seed). */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_BYTES_MAX 4096

#define KNOWN_MAX 8

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t encode(const unsigned char *in, size_t n, char *out)
{
    size_t o = 0;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v =
            (unsigned)in[i] << 16 | (i + 1 < n ? (unsigned)in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0u);
        size_t chars = n - i >= 3 ? 4 : n - i + 1;
        for (size_t k = 0; k < chars; k++)
            out[o++] = b64[v >> (18 - 6 * k) & 63];
    }
    out[o] = '\0';
    return o;
}

size_t az_base64url_decode(const char *in, size_t n, char *out)
{
    unsigned v = 0, bits = 0;
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        const char *at = strchr(b64, in[i]);
        if (at == NULL || in[i] == '\0')
            return 0;
        v = (v << 6 | (unsigned)(at - b64)) & 0xffffffu;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[o++] = (char)(v >> bits & 255);
        }
    }
    out[o] = '\0';
    return o;
}

static void sign(const struct az_model *m, const char *text, size_t n, char out[64])
{
    unsigned char sum[32];
    uint64_t h = m->seed ^ 0x6a09e667f3bcc908u;
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < n; i++)
            h = (h ^ (unsigned char)text[i]) * 1099511628211u;
        h ^= h >> 31;
        memcpy(sum + 8 * round, &h, 8);
    }
    encode(sum, sizeof sum, out);
}

/* A GUID for a principal's object, derived from its application id. */
static void object_id_of(const char *app_id, char out[AZ_GUID_BYTES])
{
    snprintf(out, AZ_GUID_BYTES, "%s", app_id);
    for (size_t i = 0; out[i] != '\0'; i++)
        if (out[i] >= '0' && out[i] <= '9')
            out[i] = (char)('a' + (out[i] - '0') % 6);
}

static void fill(char *out, size_t out_bytes, const char *text)
{
    size_t n = strlen(text);
    if (n >= out_bytes)
        n = out_bytes - 1;
    memcpy(out, text, n);
    out[n] = '\0';
}

char *az_token_make(const struct az_model *m, const char *tenant, const char *client_id, const char *audience,
                    int64_t lifetime_ms)
{
    static const char header[] =
        "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"azure-sim\",\"x5t\":\"azure-sim\"}";
    char oid[AZ_GUID_BYTES], base[512];
    object_id_of(client_id, oid);
    const char *issuer = az_url_base(m, m->login_host, base, sizeof base);
    int64_t now_s = m->now_ms / 1000, exp_s = (m->now_ms + lifetime_ms) / 1000;
    json_t *iss = az_strf("%s/%s/v2.0", issuer, tenant);
    json_t *claims =
        json_pack("{s:s,s:o,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "aud", audience, "iss", iss, "iat",
                  (json_int_t)now_s, "nbf", (json_int_t)now_s, "exp", (json_int_t)exp_s, "appid", client_id,
                  "azp", client_id, "oid", oid, "sub", oid, "tid", tenant, "idtyp", "app", "ver", "1.0");
    char *text = json_dumps(claims, JSON_COMPACT);
    json_decref(claims);
    size_t n = text != NULL ? strlen(text) : 0;
    char *token = malloc(sizeof header * 2 + n * 2 + 80);
    if (token == NULL || text == NULL) {
        free(text);
        free(token);
        return NULL;
    }
    size_t at = encode((const unsigned char *)header, sizeof header - 1, token);
    token[at++] = '.';
    at += encode((unsigned char *)text, n, token + at);
    free(text);
    char signature[64];
    sign(m, token, at, signature);
    token[at++] = '.';
    memcpy(token + at, signature, strlen(signature) + 1);
    return token;
}

static const char *trim_audience(const char *audience, size_t *ret_n)
{
    if (az_istarts(audience, "https://"))
        audience += 8;
    size_t n = strlen(audience);
    while (n > 0 && audience[n - 1] == '/')
        n--;
    *ret_n = n;
    return audience;
}

static bool is_accepted(const char *audience, const char *const *audiences)
{
    size_t n, k;
    const char *a = trim_audience(audience, &n);
    for (; *audiences != NULL; audiences++) {
        const char *b = trim_audience(*audiences, &k);
        if (n == k && strncasecmp(a, b, n) == 0)
            return true;
    }
    return false;
}

json_t *az_token_claims(const char *token)
{
    char text[TOKEN_BYTES_MAX];
    const char *first = strchr(token, '.');
    const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
    if (second == NULL || (size_t)(second - first) > TOKEN_BYTES_MAX)
        return NULL;
    size_t n = az_base64url_decode(first + 1, (size_t)(second - first - 1), text);
    return json_loadb(text, n, 0, NULL);
}

/* Tokens that were found good: a client shows the same one again and again. */
static struct {
    uint64_t seed;
    char *token;
    json_t *claims;
} known[KNOWN_MAX];
static size_t known_next;

static json_t *known_claims(const struct az_model *m, const char *token)
{
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        if (known[i].token != NULL && known[i].seed == m->seed && strcmp(known[i].token, token) == 0)
            return json_incref(known[i].claims);
    }
    return NULL;
}

static void know(const struct az_model *m, const char *token, json_t *claims)
{
    size_t i = known_next++ % KNOWN_MAX;
    free(known[i].token);
    json_decref(known[i].claims);
    known[i].seed = m->seed;
    known[i].token = strdup(token);
    known[i].claims = json_incref(claims);
}

/* The claims of a token that this model made; NULL: it did not. */
static json_t *claims_of(const struct az_model *m, const char *token)
{
    char signature[64];
    const char *last = strrchr(token, '.');
    if (last == NULL || strlen(token) > TOKEN_BYTES_MAX)
        return NULL;
    json_t *claims = known_claims(m, token);
    if (claims != NULL)
        return claims;
    sign(m, token, (size_t)(last - token), signature);
    claims = strcmp(last + 1, signature) == 0 ? az_token_claims(token) : NULL;
    if (claims != NULL)
        know(m, token, claims);
    return claims;
}

enum az_token_verdict az_token_check(const struct az_model *m, const char *token,
                                     const char *const *audiences, struct az_identity *ret_who)
{
    json_t *claims = claims_of(m, token);
    if (claims == NULL)
        return AZ_TOKEN_INVALID;
    fill(ret_who->tenant, sizeof ret_who->tenant, az_str(claims, "tid"));
    fill(ret_who->app_id, sizeof ret_who->app_id, az_str(claims, "appid"));
    fill(ret_who->object_id, sizeof ret_who->object_id, az_str(claims, "oid"));
    fill(ret_who->audience, sizeof ret_who->audience, az_str(claims, "aud"));
    int64_t exp_s = az_int(claims, "exp", 0);
    json_decref(claims);
    if (!is_accepted(ret_who->audience, audiences))
        return AZ_TOKEN_WRONG_AUDIENCE;
    return m->now_ms / 1000 >= exp_s ? AZ_TOKEN_EXPIRED : AZ_TOKEN_OK;
}

enum az_token_verdict az_call_token(const struct az_model *m, const struct az_call *call,
                                    const char *const *audiences, struct az_identity *ret_who)
{
    const char *value = az_call_header(call, "Authorization");
    if (value == NULL || !az_istarts(value, "Bearer "))
        return AZ_TOKEN_MISSING;
    value += 7;
    while (*value == ' ')
        value++;
    return az_token_check(m, value, audiences, ret_who);
}

const char *const *az_audiences_arm(const struct az_model *m)
{
    return (const char *const *)m->audiences;
}

/* Entra: token endpoint (v1 and v2 forms), OIDC discovery, instance discovery, the managed identity
 * endpoint. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIFETIME_S 3599.0
#define FORM_BYTES_MAX 65536

static void reply_aadsts(struct az_model *m, const struct az_call *call, struct az_response *res, int status,
                         const char *error, int code, const char *text)
{
    char trace[AZ_GUID_BYTES], when[AZ_TIME_BYTES];
    az_time_iso(az_now(m), when);
    when[10] = ' ';
    when[19] = 'Z';
    when[20] = '\0';
    json_t *description = az_strf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", code, text,
                                  az_guid(m, trace), call->correlation_id, when);
    json_t *uri = az_strf("https://%s/error?code=%d", m->login_host, code);
    az_reply_json(res, status,
                  json_pack("{s:s,s:o,s:[i],s:s,s:s,s:s,s:o}", "error", error, "error_description",
                            description, "error_codes", code, "timestamp", when, "trace_id", trace,
                            "correlation_id", call->correlation_id, "error_uri", uri));
}

/* The form's field, decoded; malloc'd, NULL: absent. */
static char *form_field(const struct az_call *call, const char *name)
{
    const char *body = call->req->body != NULL ? call->req->body : "";
    size_t bytes = call->req->body_bytes, name_bytes = strlen(name);
    for (size_t i = 0; i < bytes && bytes <= FORM_BYTES_MAX;) {
        size_t n = 0;
        while (i + n < bytes && body[i + n] != '&')
            n++;
        if (n > name_bytes && body[i + name_bytes] == '=' && strncmp(body + i, name, name_bytes) == 0) {
            char *value = calloc(1, n);
            if (value == NULL)
                return NULL;
            size_t o = 0;
            for (size_t k = i + name_bytes + 1; k < i + n; k++) {
                unsigned byte = (unsigned char)body[k];
                if (byte == '%' && k + 2 < i + n && sscanf(body + k + 1, "%2x", &byte) == 1)
                    k += 2;
                else if (byte == '+')
                    byte = ' ';
                value[o++] = (char)byte;
            }
            return value;
        }
        i += n + 1;
    }
    return NULL;
}

static bool is_guid(const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0'; n++)
        if (!(isxdigit((unsigned char)s[n]) || (s[n] == '-' && (n == 8 || n == 13 || n == 18 || n == 23))))
            return false;
    return n == 36;
}

static bool is_tenant(const struct az_model *m, const char *tenant)
{
    for (const struct az_resource *s = az_store_first(m, AZ_T_SUBSCRIPTION); s != NULL; s = s->next_of_type)
        if (az_ieq(az_str(s->body, "tenantId"), tenant))
            return true;
    size_t i;
    const json_t *p;
    json_array_foreach(m->principals, i, p)
        if (az_ieq(az_str(p, "tenantId"), tenant))
            return true;
    return false;
}

const json_t *az_principal(const struct az_model *m, const char *tenant, const char *client_id)
{
    size_t i;
    const json_t *p;
    json_array_foreach(m->principals, i, p)
        if (az_ieq(az_str(p, "clientId"), client_id) &&
            (tenant == NULL || az_ieq(az_str(p, "tenantId"), tenant)))
            return p;
    return NULL;
}

static bool is_known_resource(const struct az_model *m, const char *audience)
{
    if (is_guid(audience))
        return true;
    for (size_t i = 0; m->audiences[i] != NULL; i++)
        if (strcasestr(audience, m->audiences[i] + 8) != NULL)
            return true;
    return strcasestr(audience, "databricks") != NULL;
}

static void give_token(struct az_model *m, const struct az_call *call, struct az_response *res,
                       const char *client_id, char *audience, bool is_v1)
{
    size_t n = strlen(audience);
    if (n > 9 && strcmp(audience + n - 9, "/.default") == 0)
        audience[n - 9] = '\0';
    if (!is_known_resource(m, audience)) {
        reply_aadsts(m, call, res, 400, "invalid_resource", 500011,
                     "The resource principal was not found in the tenant.");
        return;
    }
    double lifetime_s = az_behaviour(m, "tokenLifetimeSeconds", LIFETIME_S);
    char *token = az_token_make(m, call->segments[0], client_id, audience, (int64_t)(lifetime_s * 1000));
    int64_t now_s = az_now(m) / 1000, life = (int64_t)lifetime_s;
    json_t *body;
    if (is_v1)
        body = json_pack("{s:s,s:o,s:o,s:o,s:o,s:s,s:s}", "token_type", "Bearer", "expires_in",
                         az_strf("%lld", (long long)life), "ext_expires_in", az_strf("%lld", (long long)life),
                         "expires_on", az_strf("%lld", (long long)now_s + (long long)life), "not_before",
                         az_strf("%lld", (long long)now_s), "resource", audience, "access_token", token);
    else
        body = json_pack("{s:s,s:I,s:I,s:s}", "token_type", "Bearer", "expires_in", (json_int_t)life,
                         "ext_expires_in", (json_int_t)life, "access_token", token);
    free(token);
    az_reply_json(res, 200, body);
    az_reply_header(res, "Cache-Control", "no-store, no-cache");
}

/* The AADSTS code that says what is wrong with an assertion, 0 = nothing. Its signature is not looked at. */
static int assertion_problem(const struct az_model *m, const json_t *principal, const char *assertion)
{
    const json_t *trusted = json_object_get(principal, "assertions");
    json_t *claims = az_token_claims(assertion);
    int problem = json_is_false(trusted) ? 700213 : 0;
    if (claims == NULL)
        return 50027;
    if (problem == 0 && json_object_get(claims, "exp") != NULL &&
        az_int(claims, "exp", 0) <= az_now(m) / 1000)
        problem = 700024;
    if (problem == 0 && json_is_array(trusted)) {
        size_t i;
        const json_t *t;
        problem = 700213;
        json_array_foreach(trusted, i, t)
            if (strcmp(az_str(t, "issuer"), az_str(claims, "iss")) == 0 &&
                strcmp(az_str(t, "subject"), az_str(claims, "sub")) == 0)
                problem = 0;
    }
    json_decref(claims);
    return problem;
}

/* The same for a secret or an assertion, whichever came. */
static int proof_problem(const struct az_model *m, const json_t *principal, const char *secret,
                         const char *assertion)
{
    if (secret == NULL)
        return assertion != NULL ? assertion_problem(m, principal, assertion) : 7000216;
    if (az_bool(principal, "secretExpired", false))
        return 7000222;
    const char *known = az_str(principal, "clientSecret");
    return known[0] != '\0' && strcmp(secret, known) == 0 ? 0 : 7000215;
}

static const char *problem_text(int problem)
{
    switch (problem) {
    case 7000215:
        return "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
               "value, not the client secret ID.";
    case 7000216:
        return "'client_assertion', 'client_secret' or 'request' is required.";
    case 7000222:
        return "The provided client secret keys are expired.";
    case 700024:
        return "Client assertion is not within its valid time range.";
    case 50027:
        return "JWT token is invalid or malformed.";
    default:
        return "No matching federated identity record found for presented assertion.";
    }
}

/* Whatever stands for every tenant, too. */
static bool is_authority(const struct az_model *m, const char *tenant)
{
    return az_ieq(tenant, "common") || az_ieq(tenant, "organizations") || az_ieq(tenant, "consumers") ||
           is_tenant(m, tenant);
}

/* client_id and client_secret of an Authorization header (client_secret_basic), malloc'd; NULL: none. */
static void read_basic(const struct az_call *call, char **ret_client, char **ret_secret)
{
    const char *value = az_call_header(call, "Authorization");
    char text[1024], plain[1024];
    size_t n = 0;
    if (value == NULL || !az_istarts(value, "Basic "))
        return;
    for (value += 6; *value != '\0' && *value != '=' && n + 1 < sizeof text; value++)
        text[n++] = *value == '+' ? '-' : *value == '/' ? '_' : *value;
    plain[az_base64url_decode(text, n, plain)] = '\0';
    char *colon = strchr(plain, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    *ret_client = strdup(plain);
    *ret_secret = strdup(colon + 1);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && az_ieq(s + n - k, end);
}

static void handle_token(struct az_model *m, const struct az_call *call, struct az_response *res, bool is_v1)
{
    char *client = form_field(call, "client_id"), *secret = form_field(call, "client_secret");
    char *assertion = form_field(call, "client_assertion"), *grant = form_field(call, "grant_type");
    char *audience = form_field(call, is_v1 ? "resource" : "scope");
    if (client == NULL && secret == NULL)
        read_basic(call, &client, &secret);
    const json_t *principal = client != NULL ? az_principal(m, call->segments[0], client) : NULL;
    int problem;
    if (is_authority(m, call->segments[0]) && !is_tenant(m, call->segments[0]))
        reply_aadsts(
            m, call, res, 400, "invalid_request", 50059,
            "No tenant-identifying information found in either the request or implied by any provided credentials.");
    else if (!is_tenant(m, call->segments[0]))
        reply_aadsts(m, call, res, 400, "invalid_request", 90002, "Tenant not found. Check the tenant ID.");
    else if (grant == NULL)
        reply_aadsts(m, call, res, 400, "invalid_request", 900144,
                     "The request body must contain the following parameter: 'grant_type'.");
    else if (strcmp(grant, "client_credentials") != 0)
        reply_aadsts(m, call, res, 400, "unsupported_grant_type", 70003,
                     "The app requested an unsupported grant type.");
    else if (audience == NULL || client == NULL)
        reply_aadsts(m, call, res, 400, "invalid_request", 900144,
                     "The request body must contain the parameters 'client_id' and 'scope' or 'resource'.");
    else if (principal == NULL)
        reply_aadsts(m, call, res, 400, "unauthorized_client", 700016,
                     "Application with this identifier was not found in the directory.");
    else if ((problem = proof_problem(m, principal, secret, assertion)) != 0)
        reply_aadsts(m, call, res, 401, "invalid_client", problem, problem_text(problem));
    else if (!is_v1 && !ends_with(audience, "/.default"))
        reply_aadsts(
            m, call, res, 400, "invalid_scope", 1002012,
            "The provided value for scope is not valid. Client credential flows must have a scope value with "
            "/.default suffixed to the resource identifier (application ID URI).");
    else
        give_token(m, call, res, client, audience, is_v1);
    free(client);
    free(secret);
    free(assertion);
    free(grant);
    free(audience);
}

static void handle_openid(struct az_model *m, const struct az_call *call, struct az_response *res, bool is_v1)
{
    char base[512];
    az_url_base(m, m->login_host, base, sizeof base);
    const char *tenant = call->segments[0], *v2 = is_v1 ? "" : "/v2.0";
    if (!is_authority(m, tenant)) {
        reply_aadsts(m, call, res, 400, "invalid_tenant", 90002, "Tenant not found. Check the tenant ID.");
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "token_endpoint", az_strf("%s/%s/oauth2%s/token", base, tenant, v2));
    json_object_set_new(body, "token_endpoint_auth_methods_supported",
                        json_pack("[s,s,s]", "client_secret_post", "private_key_jwt", "client_secret_basic"));
    json_object_set_new(body, "jwks_uri", az_strf("%s/%s/discovery%s/keys", base, tenant, v2));
    json_object_set_new(body, "response_modes_supported",
                        json_pack("[s,s,s]", "query", "fragment", "form_post"));
    json_object_set_new(body, "subject_types_supported", json_pack("[s]", "pairwise"));
    json_object_set_new(body, "id_token_signing_alg_values_supported", json_pack("[s]", "RS256"));
    json_object_set_new(body, "response_types_supported", json_pack("[s,s]", "code", "id_token"));
    json_object_set_new(body, "scopes_supported", json_pack("[s,s]", "openid", "offline_access"));
    json_object_set_new(body, "issuer",
                        az_strf("%s/%s/v2.0", base, is_tenant(m, tenant) ? tenant : "{tenantid}"));
    json_object_set_new(body, "authorization_endpoint",
                        az_strf("%s/%s/oauth2%s/authorize", base, tenant, v2));
    json_object_set_new(body, "device_authorization_endpoint",
                        az_strf("%s/%s/oauth2%s/devicecode", base, tenant, v2));
    json_object_set_new(body, "tenant_region_scope", json_null());
    json_object_set_new(body, "cloud_instance_name", json_string(m->login_host));
    az_reply_json(res, 200, body);
}

static void handle_instance(struct az_model *m, const struct az_call *call, struct az_response *res)
{
    char base[512], host[512];
    az_url_base(m, m->login_host, base, sizeof base);
    snprintf(host, sizeof host, "%s", base + 8);
    const char *authorize = az_call_query(call, "authorization_endpoint");
    const char *at = authorize != NULL ? strstr(authorize, "://") : NULL;
    const char *tenant = at != NULL ? strchr(at + 3, '/') : NULL;
    size_t name_bytes = strlen(m->login_host);
    if (at == NULL || strncasecmp(at + 3, m->login_host, name_bytes) != 0 ||
        strchr("/:", at[3 + name_bytes]) == NULL) {
        reply_aadsts(m, call, res, 400, "invalid_instance", 50049, "Unknown or invalid instance.");
        return;
    }
    int n = tenant != NULL ? (int)strcspn(tenant + 1, "/") : 0;
    json_t *endpoint =
        az_strf("%s/%.*s/v2.0/.well-known/openid-configuration", base, n, tenant != NULL ? tenant + 1 : "");
    az_reply_json(res, 200,
                  json_pack("{s:o,s:s,s:[{s:s,s:s,s:[s]}]}", "tenant_discovery_endpoint", endpoint,
                            "api-version", "1.1", "metadata", "preferred_network", host, "preferred_cache",
                            host, "aliases", host));
}

static void handle_managed_identity(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *metadata = az_call_header(call, "Metadata"), *resource = az_call_query(call, "resource");
    const char *client = az_call_query(call, "client_id");
    if (metadata == NULL || !az_ieq(metadata, "true") || resource == NULL) {
        az_reply_json(res, 400,
                      json_pack("{s:s,s:s}", "error", "invalid_request", "error_description",
                                "Required metadata header or resource not specified"));
        return;
    }
    if (client == NULL)
        client = AZ_DEFAULT_CLIENT;
    const json_t *principal = az_principal(m, NULL, client);
    if (principal == NULL) {
        az_reply_json(
            res, 400,
            json_pack("{s:s,s:s}", "error", "invalid_request", "error_description", "Identity not found"));
        return;
    }
    char audience[512];
    snprintf(audience, sizeof audience, "%s", resource);
    call->segments[0] = az_str(principal, "tenantId");
    give_token(m, call, res, client, audience, true);
}

void az_login_handle(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *path = call->path;
    bool is_post = strcmp(call->method, "POST") == 0, is_get = strcmp(call->method, "GET") == 0;
    if (is_post && call->segment_count == 4 && ends_with(path, "/oauth2/v2.0/token"))
        handle_token(m, call, res, false);
    else if (is_post && call->segment_count == 3 && ends_with(path, "/oauth2/token"))
        handle_token(m, call, res, true);
    else if (is_get && call->segment_count >= 3 && ends_with(path, "/v2.0/.well-known/openid-configuration"))
        handle_openid(m, call, res, false);
    else if (is_get && call->segment_count == 3 && ends_with(path, "/.well-known/openid-configuration"))
        handle_openid(m, call, res, true);
    else if (is_get && ends_with(path, "/discovery/instance"))
        handle_instance(m, call, res);
    else if (is_get && ends_with(path, "/keys"))
        az_reply_json(res, 200,
                      json_pack("{s:[{s:s,s:s,s:s,s:s,s:s}]}", "keys", "kty", "RSA", "use", "sig", "kid",
                                "azure-sim", "n", "AQAB", "e", "AQAB"));
    else if (is_get && ends_with(path, "/metadata/identity/oauth2/token"))
        handle_managed_identity(m, call, res);
    else
        az_reply_text(res, 404, "text/html; charset=utf-8", "<html><body>Not Found</body></html>");
    az_reply_header(res, "x-ms-request-id", "%s", call->request_id);
    az_reply_header(res, "client-request-id", "%s",
                    az_call_header(call, "client-request-id") != NULL
                        ? az_call_header(call, "client-request-id")
                        : call->request_id);
}

#include <strings.h>

#include "common/azure/databricks_impl.h"

#define REMEDY_NETWORK                                                                                                   \
    "the workspace refuses this network: allow the worker's address in its IP access lists, or let the worker reach it " \
    "through a private endpoint when publicNetworkAccess is Disabled"
#define REMEDY_USER \
    "give the worker's identity Contributor on the workspace resource, or add it to the workspace as an admin"

/* A text that decides, whatever code or status comes with it. */
struct text_rule {
    const char *part;
    int error;
    const char *remedy;
};

static const struct text_rule text_rules[] = {
    {"UnknownWorkerEnvironmentException", CW_ENOTREADY, NULL},
    {"does not have any associated worker environments", CW_ENOTREADY, NULL},
    {"There is no worker environment with id", CW_ENOTREADY, NULL},
    {"Unknown worker environment", CW_ENOTREADY, NULL},
    {"Worker environment not ready", CW_ENOTREADY, NULL},
    {"WORKER_ENVIRONMENT_NOT_READY", CW_ENOTREADY, NULL},
    {"ClusterNotReadyException", CW_ENOTREADY, NULL},
    {"No webapps are available", CW_ENOTREADY, NULL},
    {"Timed out after ", CW_EREMOTE, NULL},
    {"deadline exceeded", CW_EREMOTE, NULL},
    {"Please try again later or try a faster operation", CW_EREMOTE, NULL},
    {"RPC token bucket limit has been exceeded", CW_ETHROTTLED, NULL},
    {"Unauthorized network access to workspace", CW_EDENIED, REMEDY_NETWORK},
    {"Unauthorized access to Org", CW_EDENIED, REMEDY_NETWORK},
    {"private-link-validation-error", CW_EDENIED, REMEDY_NETWORK},
    {"Configured privacy settings disallow access", CW_EDENIED, REMEDY_NETWORK},
    {"blocked by Databricks IP ACL", CW_EDENIED, REMEDY_NETWORK},
};

struct code_rule {
    const char *code;
    int error;
};

static const struct code_rule code_rules[] = {
    {"RESOURCE_DOES_NOT_EXIST", CW_ENOTFOUND},
    {"NOT_FOUND", CW_ENOTFOUND},
    {"FEATURE_DISABLED", CW_EUNSUPPORTED},
    {"ENDPOINT_NOT_FOUND", CW_EUNSUPPORTED},
    {"NOT_IMPLEMENTED", CW_EUNSUPPORTED},
    {"PERMISSION_DENIED", CW_EDENIED},
    {"UNAUTHENTICATED", CW_EAUTH},
    {"INVALID_STATE", CW_ECONFLICT},
    {"RESOURCE_CONFLICT", CW_ECONFLICT},
    {"ABORTED", CW_ECONFLICT},
    {"ALREADY_EXISTS", CW_ECONFLICT},
    {"RESOURCE_ALREADY_EXISTS", CW_ECONFLICT},
    {"REQUEST_LIMIT_EXCEEDED", CW_ETHROTTLED},
    {"RESOURCE_EXHAUSTED", CW_ETHROTTLED},
    {"TEMPORARILY_UNAVAILABLE", CW_EREMOTE},
    {"INTERNAL_ERROR", CW_EREMOTE},
    {"QUOTA_EXCEEDED", CW_EQUOTA},
    {"INVALID_PARAMETER_VALUE", CW_EINVAL},
    {"MALFORMED_REQUEST", CW_EBUG},
};

static int error_of_status(int status)
{
    switch (status) {
    case 401:
        return CW_EAUTH;
    case 403:
        return CW_EDENIED;
    case 404:
        return CW_ENOTFOUND;
    case 409:
        return CW_ECONFLICT;
    case 429:
        return CW_ETHROTTLED;
    case 503:
        return CW_ENOTREADY;
    default:
        return status >= 400 && status < 500 ? CW_EINVAL : CW_EREMOTE;
    }
}

/* Where the text of an error stands. Borrowed from the document or the buffer. */
struct told {
    char code[96];
    struct cw_buf text;
    bool is_page;
};

static void read_json(const json_t *doc, struct told *out)
{
    const json_t *code = cw_json_at(doc, "error_code");
    if (json_is_string(code))
        (void)cw_z_copy(out->code, sizeof out->code, json_string_value(code));
    else if (json_is_integer(code))
        (void)snprintf(out->code, sizeof out->code, "%lld", (long long)json_integer_value(code));
    static const char *const places[] = {"message", "error", "detail", "error_description"};
    for (size_t i = 0; i < CW_ARRAY_LEN(places) && out->text.n == 0; i++)
        cw_buf_add_z(&out->text, cw_json_str(doc, places[i], ""));
}

/* The inside of <pre>, else of <title>, else nothing. */
static void read_page(const char *body, struct told *out)
{
    static const char *const tags[][2] = {{"<pre>", "</pre>"}, {"<title>", "</title>"}};
    out->is_page = true;
    for (size_t i = 0; i < CW_ARRAY_LEN(tags) && out->text.n == 0; i++) {
        const char *start = strcasestr(body, tags[i][0]);
        const char *end = start != NULL ? strcasestr(start, tags[i][1]) : NULL;
        if (end != NULL)
            cw_buf_add(&out->text, start + strlen(tags[i][0]),
                       CW_MIN((size_t)(end - start) - strlen(tags[i][0]), (size_t)300));
    }
}

/* "CODE: message" */
static void read_plain(const char *body, struct told *out)
{
    size_t n = strspn(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    if (n >= 3 && n < sizeof out->code && body[n] == ':') {
        memcpy(out->code, body, n);
        out->code[n] = '\0';
        body += n + 1;
    }
    cw_buf_add(&out->text, body, strnlen(body, 300));
}

static void read_body(const struct cw_http_res *res, struct told *out)
{
    const char *body = res->body.n > 0 ? res->body.p : "";
    const char *type = cw_http_header(res, "content-type");
    size_t blank = strspn(body, " \r\n\t");
    if (body[blank] == '<' || (type != NULL && cw_z_starts_nocase(type, "text/html"))) {
        read_page(body, out);
        return;
    }
    CW_AUTO(cw_auto_json) json_t *doc = NULL;
    struct cw_err ignored = {0};
    if (res->body.n > 0 && cw_json_parse(body, res->body.n, (size_t)1024 * 1024, &doc, &ignored) == 0)
        read_json(doc, out);
    else
        read_plain(body, out);
}

static int by_text(const char *text, int status, const char **ret_remedy)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(text_rules); i++) {
        if (cw_z_contains_nocase(text, text_rules[i].part)) {
            *ret_remedy = text_rules[i].remedy;
            return text_rules[i].error;
        }
    }
    bool is_missing = (status == 400 || status == 404) && cw_z_contains_nocase(text, "does not exist");
    return is_missing ? CW_ENOTFOUND : 0;
}

static int by_code(const char *code)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(code_rules); i++)
        if (cw_z_eq_nocase(code_rules[i].code, code))
            return code_rules[i].error;
    return 0;
}

static int classify(const struct cw_http_res *res, const struct told *told, const char **ret_remedy)
{
    const char *location = cw_http_header(res, "location");
    if (res->status >= 300 && res->status < 400) {
        *ret_remedy = REMEDY_NETWORK;
        return location != NULL &&
                       (cw_z_contains_nocase(location, "login") || cw_z_contains_nocase(location, "/oidc"))
                   ? CW_EDENIED
                   : CW_EPROTO;
    }
    int error = by_text(cw_buf_z(&told->text), res->status, ret_remedy);
    if (error == 0 && told->is_page && res->status < 300) {
        *ret_remedy = REMEDY_NETWORK;
        return CW_EDENIED;
    }
    if (error == 0)
        error = by_code(told->code);
    if (error == 0)
        error = error_of_status(res->status);
    if ((error == CW_EDENIED || error == CW_EAUTH) && *ret_remedy == NULL)
        *ret_remedy = REMEDY_USER;
    return error;
}

int cw_databricks_error(const struct cw_http_res *res, struct cw_err *err)
{
    struct told told = {.text = {.max = 2048}};
    const char *remedy = NULL;
    read_body(res, &told);
    int error = classify(res, &told, &remedy);
    const char *what = told.text.n > 0 ? cw_buf_z(&told.text)
                       : told.is_page  ? "a page instead of JSON"
                                       : "no explanation";
    int r = cw_err_set(err, error, "HTTP %d%s%s: %s", res->status, told.code[0] != '\0' ? " " : "", told.code,
                       what);
    err->http_status = res->status;
    (void)cw_z_copy(err->remote_code, sizeof err->remote_code, told.code);
    int64_t after = cw_retry_after_ms(res, cw_wall_ms());
    if (after > 0)
        err->retry_after_ms = after;
    if (remedy != NULL)
        cw_err_remedy(err, "%s", remedy);
    cw_buf_fini(&told.text);
    return r;
}

bool cw_databricks_is_network_refused(const struct cw_err *err)
{
    return err->code == CW_EDENIED && cw_z_starts(err->remedy, "the workspace refuses this network");
}

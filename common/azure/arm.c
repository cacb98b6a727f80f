#include "common/azure/arm.h"

#include <math.h>
#include <strings.h>

#include "common/azure/arm_impl.h"
#include "common/net/offload.h"

#define READ_TRIES 5
#define READ_BACKOFF_MS 1000
#define THROTTLE_DEFAULT_MS 60000
#define REQUEST_TIMEOUT_MS 120000
#define PAGES_MAX 1000
#define VERSIONS_MAX 16
#define ARM_HEADERS_MAX 8
#define WAITED_A_PAUSE 20
#define PAUSE_MS_MAX (INT64_C(10) * 60 * 1000)

const struct cw_api cw_api_databricks = {"2024-05-01", "2023-02-01"};
const struct cw_api cw_api_network = {"2023-09-01", "2022-07-01"};
const struct cw_api cw_api_private_dns = {"2020-06-01", "2018-09-01"};
const struct cw_api cw_api_resources = {"2021-04-01", "2020-06-01"};
const struct cw_api cw_api_subscriptions = {"2022-12-01", "2021-01-01"};
const struct cw_api cw_api_locks = {"2020-05-01", "2016-09-01"};
const struct cw_api cw_api_permissions = {"2022-04-01", "2015-07-01"};

struct cw_arm {
    struct cw_loop *loop;
    struct cw_http *http;
    const struct cw_cloud *cloud;
    struct cw_credential *credential;
    struct cw_quota *quota;
    char *tenant; /* NULL = the credential's */
    double time_scale;
    const struct cw_api *older[VERSIONS_MAX]; /* this cloud knows only their fallback */
    size_t older_count;
};

int cw_arm_new(struct cw_loop *loop, struct cw_http *http, const struct cw_arm_cfg *cfg,
               struct cw_arm **ret_arm, struct cw_err *err)
{
    struct cw_arm *arm = calloc(1, sizeof *arm);
    if (arm == NULL)
        return cw_err_set(err, CW_ENOMEM, "arm");
    arm->loop = loop;
    arm->http = http;
    arm->cloud = cfg->cloud;
    arm->credential = cfg->credential;
    arm->quota = cfg->quota;
    arm->time_scale = cfg->time_scale > 0 ? cfg->time_scale : 1;
    if (cfg->tenant_id != NULL && cfg->tenant_id[0] != '\0') {
        arm->tenant = strdup(cfg->tenant_id);
        if (arm->tenant == NULL) {
            free(arm);
            return cw_err_set(err, CW_ENOMEM, "arm");
        }
    }
    *ret_arm = arm;
    return 0;
}

void cw_arm_free(struct cw_arm *arm)
{
    if (arm == NULL)
        return;
    free(arm->tenant);
    free(arm);
}

const struct cw_cloud *cw_arm_cloud(const struct cw_arm *arm)
{
    return arm->cloud;
}

struct cw_credential *cw_arm_credential(const struct cw_arm *arm)
{
    return arm->credential;
}

struct cw_http *cw_arm_http(const struct cw_arm *arm)
{
    return arm->http;
}

struct cw_loop *cw_arm_loop(const struct cw_arm *arm)
{
    return arm->loop;
}

const char *cw_arm_tenant(const struct cw_arm *arm)
{
    return arm->tenant;
}

int64_t cw_arm_scaled_ms(const struct cw_arm *arm, int64_t ms)
{
    return CW_MAX((int64_t)llround((double)ms / arm->time_scale), (int64_t)1);
}

int cw_arm_pause(const struct cw_arm *arm, const struct cw_call *call, struct cw_waiting waiting,
                 int64_t base_ms, int64_t told_ms, struct cw_err *err)
{
    int64_t least = told_ms > 0 ? told_ms : cw_arm_scaled_ms(arm, base_ms);
    int64_t waited = waiting.since_wall_ms == 0 ? 0 : cw_wall_ms() - waiting.since_wall_ms;
    int64_t grown = CW_MIN(waited / WAITED_A_PAUSE, cw_arm_scaled_ms(arm, PAUSE_MS_MAX));
    grown = CW_MIN(grown, cw_left_ms(call->until) / 2);
    return cw_call_wait(call, waiting, CW_MAX(least, grown), err);
}

int64_t cw_retry_after_ms(const struct cw_http_res *res, int64_t wall_ms)
{
    static const char *const ms_names[] = {"retry-after-ms", "x-ms-retry-after-ms"};
    int64_t value = 0;
    for (size_t i = 0; i < CW_ARRAY_LEN(ms_names); i++) {
        const char *z = cw_http_header(res, ms_names[i]);
        if (z != NULL && cw_z_to_i64(z, &value) && value >= 0)
            return CW_MIN(value, (int64_t)86400000);
    }
    const char *z = cw_http_header(res, "retry-after");
    if (z == NULL)
        return -1;
    if (cw_z_to_i64(z, &value))
        return value < 0 ? -1 : CW_MIN(value, (int64_t)86400) * 1000;
    if (cw_http_date_parse(z, &value))
        return CW_MIN(CW_MAX(value - wall_ms, (int64_t)0), (int64_t)86400000);
    return -1;
}

int cw_arm_adopt(const struct cw_call *call, json_t *doc, struct cw_err *err)
{
    if (doc == NULL || cw_arena_defer(call->mem, (void (*)(void *))json_decref, json_incref(doc)))
        return 0;
    return cw_err_set(err, CW_ENOMEM, "out of memory while keeping an answer");
}

int cw_arm_back_off(struct cw_arm *arm, const struct cw_call *call, enum cw_wait_reason reason,
                    const char *what, int64_t default_ms, const struct cw_err *why, struct cw_err *err)
{
    int64_t ms = why->retry_after_ms;
    if (ms <= 0)
        ms = cw_arm_scaled_ms(arm, default_ms);
    ms += cw_random_between(0, ms / 5);
    struct cw_err saved = *why;
    if (ms > cw_left_ms(call->until)) {
        *err = saved;
        if (err->retry_after_ms <= 0)
            err->retry_after_ms = ms;
        return -err->code;
    }
    struct cw_waiting waiting = {.reason = reason, .what = what, .detail = saved.text, .percent = -1};
    return cw_call_wait(call, waiting, ms, err);
}

/* --- one request ------------------------------------------------------------------------------------------------- */

static bool is_read(const char *method)
{
    return cw_z_eq(method, "GET") || cw_z_eq(method, "HEAD");
}

static const char *version_of(const struct cw_arm *arm, const struct cw_api *api)
{
    for (size_t i = 0; i < arm->older_count; i++)
        if (arm->older[i] == api)
            return api->fallback;
    return api->version;
}

/* The service named the fallback among what it knows: use it from now on. */
static bool fall_back(struct cw_arm *arm, const struct cw_api *api, const struct cw_err *why)
{
    if (api == NULL || api->fallback == NULL || version_of(arm, api) == api->fallback ||
        arm->older_count == VERSIONS_MAX)
        return false;
    if (!cw_armerr_lists_version(why->text, api->fallback) &&
        !cw_z_eq(why->remote_code, "InvalidApiVersionParameter"))
        return false;
    arm->older[arm->older_count++] = api;
    return true;
}

/* The path and query of a URL on the ARM host. */
static const char *path_of_url(const char *url)
{
    const char *host = strstr(url, "://");
    const char *slash = host != NULL ? strchr(host + 3, '/') : NULL;
    return slash != NULL ? slash : "/";
}

static void add_path(struct cw_buf *url, const char *path)
{
    for (const char *p = path; *p != '\0'; p++) {
        if (*p <= ' ' || *p == '"' || *p == '<' || *p == '>' || *p == '\\' || *p == '^' || *p == '`' ||
            *p == '{' || *p == '|' || *p == '}' || (unsigned char)*p >= 127)
            cw_buf_addf(url, "%%%02X", (unsigned char)*p);
        else
            cw_buf_add_char(url, *p);
    }
}

static const char *build_url(struct cw_arm *arm, const struct cw_arm_req *req, struct cw_arena *mem)
{
    if (req->url != NULL)
        return req->url;
    CW_AUTO(cw_buf_fini) struct cw_buf url = {0};
    cw_buf_add_z(&url, arm->cloud->arm_endpoint);
    add_path(&url, req->path);
    cw_buf_addf(&url, "%sapi-version=%s", strchr(req->path, '?') != NULL ? "&" : "?",
                version_of(arm, req->api));
    return url.failed ? NULL : cw_arena_strdup(mem, cw_buf_z(&url));
}

static void count_call(const struct cw_call *call, enum cw_quota_op op)
{
    if (call->counts == NULL)
        return;
    if (op == CW_QUOTA_READ)
        call->counts->reads++;
    else if (op == CW_QUOTA_DELETE)
        call->counts->deletes++;
    else
        call->counts->writes++;
}

/* Everything that stays the same when one request is sent several times. */
struct sending {
    struct cw_arm *arm;
    const struct cw_call *call;
    const struct cw_arm_req *req;
    struct cw_arena *mem;
    struct cw_quota_use use;
    struct cw_str body;
    const char *token;
    bool was_refreshed;
};

static int send_once(struct sending *s, struct cw_arm_answer *out, struct cw_err *err)
{
    char client_request_id[CW_UUID_BYTES];
    cw_uuid4(client_request_id);
    struct cw_http_header headers[ARM_HEADERS_MAX];
    size_t n = 0;
    headers[n++] = (struct cw_http_header){"Authorization", cw_arena_printf(s->mem, "Bearer %s", s->token)};
    headers[n++] = (struct cw_http_header){"Accept", "application/json"};
    headers[n++] = (struct cw_http_header){"Accept-Language", "en-US"};
    headers[n++] = (struct cw_http_header){"x-ms-client-request-id", client_request_id};
    if (s->call->correlation_id != NULL)
        headers[n++] = (struct cw_http_header){"x-ms-correlation-request-id", s->call->correlation_id};
    if (s->call->traceparent != NULL)
        headers[n++] = (struct cw_http_header){"traceparent", s->call->traceparent};
    if (s->req->if_none_match)
        headers[n++] = (struct cw_http_header){"If-None-Match", "*"};
    struct cw_http_req http = {
        .method = s->req->method,
        .url = out->url,
        .headers = headers,
        .header_count = n,
        .body = s->body,
        .content_type = s->body.n > 0 ? "application/json" : NULL,
        .body_bytes_max = ARM_BODY_BYTES_MAX,
    };
    if (headers[0].value == NULL)
        return cw_err_set(err, CW_ENOMEM, "request");
    count_call(s->call, s->use.op);
    int r = cw_http_call(s->arm->http, &http, cw_sooner(s->call->until, cw_in_ms(REQUEST_TIMEOUT_MS)), s->mem,
                         &out->http, err);
    return cw_call_answered(r, err);
}

static int parse_answer(struct sending *s, struct cw_arm_answer *out, struct cw_err *err)
{
    if (out->http.body.n == 0)
        return 0;
    return cw_offload_json(s->arm->loop, out->http.body, ARM_BODY_BYTES_MAX, s->call->until, s->mem,
                           &out->doc, err);
}

static bool is_ok(const struct cw_arm_answer *out)
{
    return out->http.status >= 200 && out->http.status < 300;
}

static const char *shown_path(const struct cw_arm_req *req)
{
    return req->path != NULL ? req->path : path_of_url(req->url);
}

/* Turn an answer that is not a success into its error. */
static int fail_answer(struct sending *s, struct cw_arm_answer *out, struct cw_err *err)
{
    int r = out->doc != NULL
                ? cw_armerr_fill(out->doc, out->http.status, &out->hint, err)
                : cw_armerr_fill_text(out->http.body.p, out->http.body.n, out->http.status, &out->hint, err);
    const char *correlation = cw_http_header(&out->http, "x-ms-correlation-request-id");
    if (correlation == NULL)
        correlation = s->call->correlation_id;
    (void)cw_z_copy(err->correlation_id, sizeof err->correlation_id, correlation != NULL ? correlation : "");
    int64_t after = cw_retry_after_ms(&out->http, cw_wall_ms());
    if (after >= 0)
        err->retry_after_ms = after;
    out->fate_unknown = out->http.status >= 500 || out->http.status == 408;
    return r;
}

static int one_try(struct sending *s, struct cw_arm_answer *out, struct cw_err *err)
{
    int r = 0;
    if (s->token == NULL)
        r = cw_credential_token(s->arm->credential, s->arm->tenant, s->arm->cloud->arm_audience,
                                s->call->until, s->mem, &s->token, err);
    if (r == 0) /* last of what waits: a bucket that is blocked meanwhile counts */
        r = cw_quota_take(s->arm->quota, s->call, &s->use, err);
    if (r < 0)
        return r;
    if (!is_read(s->req->method)) {
        r = cw_call_before_write(s->call, err);
        if (r < 0)
            return r;
    }
    r = send_once(s, out, err);
    if (r < 0) {
        out->fate_unknown = out->http.maybe_sent;
        return r;
    }
    cw_quota_learn(s->arm->quota, &s->use, &out->http);
    r = parse_answer(s, out, err);
    if (!is_ok(out) && (r == 0 || r == -CW_EPARSE || r == -CW_ETOOBIG))
        return fail_answer(s, out, err);
    if (r == -CW_EPARSE || r == -CW_ETOOBIG) {
        out->fate_unknown = true;
        return cw_err_set(err, CW_EPROTO, "HTTP %d with a body that is no JSON", out->http.status);
    }
    out->fate_unknown = r < 0;
    return r;
}

/* The bucket is blocked for everyone; the wait itself happens at the next take, or here when the limit is nobody's we know. */
static int wait_throttled(struct sending *s, const struct cw_arm_answer *out, const struct cw_err *why,
                          struct cw_err *err)
{
    int64_t ms =
        why->retry_after_ms > 0 ? why->retry_after_ms : cw_arm_scaled_ms(s->arm, THROTTLE_DEFAULT_MS);
    static const char *const remaining[CW_QUOTA__COUNT] = {"x-ms-ratelimit-remaining-subscription-reads",
                                                           "x-ms-ratelimit-remaining-subscription-writes",
                                                           "x-ms-ratelimit-remaining-subscription-deletes"};
    const char *left = cw_http_header(&out->http, remaining[s->use.op]);
    bool from_provider = left != NULL && !cw_z_eq(left, "0");
    if (!from_provider || s->use.provider[0] != '\0')
        cw_quota_throttled(s->arm->quota, s->call, &s->use, ms, from_provider);
    if (ms > cw_left_ms(s->call->until)) {
        *err = *why;
        err->retry_after_ms = ms;
        return -err->code;
    }
    struct cw_err exact = *why;
    exact.retry_after_ms = ms;
    return cw_arm_back_off(s->arm, s->call, CW_WAIT_THROTTLE, shown_path(s->req), ms, &exact, err);
}

static bool is_passing(int r)
{
    return r == -CW_ENET || r == -CW_EREMOTE || r == -CW_EPROTO || r == -CW_ENOTREADY;
}

/* After a failed try: 1 = send again, else the code. */
static int decide(struct sending *s, struct cw_arm_answer *out, int tries, int r, struct cw_err *err)
{
    struct cw_err why = *err;
    bool has_answer = out->http.status != 0;
    if (has_answer && out->hint == CW_ARMERR_TOKEN && !s->was_refreshed) {
        s->was_refreshed = true;
        r = cw_credential_refresh(s->arm->credential, s->arm->tenant, s->arm->cloud->arm_audience, s->token,
                                  s->call->until, s->mem, &s->token, err);
        return r < 0 ? r : 1;
    }
    if (has_answer && out->hint == CW_ARMERR_VERSION && fall_back(s->arm, s->req->api, &why))
        return 1;
    if (has_answer && out->hint == CW_ARMERR_THROTTLE) {
        r = wait_throttled(s, out, &why, err);
        return r < 0 ? r : 1;
    }
    bool is_timeout = r == -CW_ETIMEDOUT && !cw_is_past(s->call->until);
    if (is_read(s->req->method) && (is_passing(r) || is_timeout) && tries < READ_TRIES) {
        r = cw_arm_back_off(s->arm, s->call, CW_WAIT_RETRY, shown_path(s->req),
                            (int64_t)READ_BACKOFF_MS << (tries - 1), &why, err);
        return r < 0 ? r : 1;
    }
    return r;
}

int cw_arm_send(struct cw_arm *arm, const struct cw_call *call, const struct cw_arm_req *req,
                struct cw_arena *mem, struct cw_arm_answer *ret_answer, struct cw_err *err)
{
    *ret_answer = (struct cw_arm_answer){0};
    if (call->plan_only && !is_read(req->method))
        return cw_err_set(err, CW_EBUG, "%s %s in plan mode", req->method, shown_path(req));
    struct sending s = {.arm = arm, .call = call, .req = req, .mem = mem};
    s.use = cw_quota_use_of(req->method, shown_path(req));
    if (req->body != NULL) {
        s.body.p = cw_json_print_in(mem, req->body);
        if (s.body.p == NULL)
            return cw_err_set(err, CW_ENOMEM, "request");
        s.body.n = strlen(s.body.p);
    }
    for (int tries = 1;; tries++) {
        *ret_answer = (struct cw_arm_answer){.url = build_url(arm, req, mem)};
        if (ret_answer->url == NULL)
            return cw_err_set(err, CW_ENOMEM, "request");
        if (!cw_cloud_url_is_arm(arm->cloud, ret_answer->url))
            return cw_err_set(err, CW_EPROTO,
                              "an answer names a URL outside the %s cloud: it is not followed",
                              arm->cloud->name);
        int r = one_try(&s, ret_answer, err);
        if (r == 0)
            return 0;
        r = decide(&s, ret_answer, tries, r, err);
        if (r < 0)
            return cw_err_wrap(err, "%s %.200s", req->method, shown_path(req));
        cw_err_clear(err);
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

int cw_arm_get(struct cw_arm *arm, const struct cw_call *call, const char *path, const struct cw_api *api,
               json_t **ret_doc, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "request");
    struct cw_arm_req req = {.method = "GET", .path = path, .api = api};
    struct cw_arm_answer answer;
    int r = cw_arm_send(arm, call, &req, scratch, &answer, err);
    if (r < 0)
        return r;
    if (answer.doc == NULL)
        return cw_err_set(err, CW_EPROTO, "GET %s: empty answer", path);
    r = cw_arm_adopt(call, answer.doc, err);
    if (r == 0)
        *ret_doc = answer.doc;
    return r;
}

/* Append one page's members; *ret_next is in mem, NULL at the end. */
static int take_page(const struct cw_cloud *cloud, const struct cw_arm_answer *answer, json_t *items,
                     struct cw_arena *mem, const char **ret_next, struct cw_err *err)
{
    const json_t *members = json_is_array(answer->doc) ? answer->doc : cw_json_at(answer->doc, "value");
    if (members != NULL && json_array_extend(items, (json_t *)(uintptr_t)members) < 0)
        return cw_err_set(err, CW_EPROTO, "a list whose value is no array");
    const char *next = cw_json_str(answer->doc, "nextLink", NULL);
    *ret_next = NULL;
    if (next == NULL || next[0] == '\0')
        return 0;
    *ret_next =
        next[0] == '/' ? cw_arena_printf(mem, "%s%s", cloud->arm_endpoint, next) : cw_arena_strdup(mem, next);
    return *ret_next != NULL ? 0 : cw_err_set(err, CW_ENOMEM, "list");
}

int cw_arm_list(struct cw_arm *arm, const struct cw_call *call, const char *path, const struct cw_api *api,
                json_t **ret_items, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    CW_AUTO(cw_auto_json) json_t *items = json_array();
    if (items == NULL || cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "list");
    struct cw_arm_req req = {.method = "GET", .path = path, .api = api};
    for (int page = 0; page < PAGES_MAX; page++) {
        struct cw_arm_answer answer;
        const char *next = NULL;
        int r = cw_arm_send(arm, call, &req, scratch, &answer, err);
        if (r == 0)
            r = take_page(arm->cloud, &answer, items, call->mem, &next, err);
        if (r < 0)
            return r;
        if (next == NULL) {
            r = cw_arm_adopt(call, items, err);
            if (r == 0)
                *ret_items = items;
            return r;
        }
        cw_arena_reset(scratch);
        req = (struct cw_arm_req){.method = "GET", .url = next};
    }
    return cw_err_set(err, CW_ETOOBIG, "GET %s: more than %d pages", path, PAGES_MAX);
}

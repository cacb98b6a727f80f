#include "common/azure/databricks.h"

#include "common/azure/databricks_impl.h"
#include "common/net/offload.h"

#define BODY_BYTES_MAX ((size_t)32 * 1024 * 1024) /* list-node-types is large */
#define READ_TRIES 5
#define BACKOFF_MS 1000
#define THROTTLE_MS 5000
#define REQUEST_TIMEOUT_MS 90000
#define PAGES_MAX 200
#define DENIED_ROUNDS_MAX 3

struct cw_databricks {
    struct cw_arm *arm;
};

int cw_databricks_new(struct cw_arm *arm, struct cw_databricks **ret_databricks, struct cw_err *err)
{
    struct cw_databricks *d = calloc(1, sizeof *d);
    if (d == NULL)
        return cw_err_set(err, CW_ENOMEM, "databricks");
    d->arm = arm;
    *ret_databricks = d;
    return 0;
}

void cw_databricks_free(struct cw_databricks *databricks)
{
    free(databricks);
}

struct cw_arm *cw_databricks_arm(struct cw_databricks *databricks)
{
    return databricks->arm;
}

const char *cw_dbx_encoded(struct cw_arena *mem, const char *value)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_buf_add_url(&out, value);
    return out.failed ? NULL : cw_arena_strdup(mem, cw_buf_z(&out));
}

/* --- one request -------------------------------------------------------------------------------------------------- */

/* What stays the same over the tries of one request. */
struct sending {
    struct cw_databricks *d;
    const struct cw_call *call;
    const struct cw_target *target;
    const struct cw_dbx_req *req;
    struct cw_arena *mem; /* scratch */
    const char *url;
    struct cw_str body;
    const char *bearer;
    const char *management;
    bool was_refreshed;
};

static int get_tokens(struct sending *s, bool is_refused, struct cw_err *err)
{
    struct cw_credential *credential = cw_arm_credential(s->d->arm);
    const struct cw_cloud *cloud = cw_arm_cloud(s->d->arm);
    const char *tenant = cw_arm_tenant(s->d->arm);
    int r = is_refused ? cw_credential_refresh(credential, tenant, cloud->databricks_app_id, s->bearer,
                                               s->call->until, s->mem, &s->bearer, err)
                       : cw_credential_token(credential, tenant, cloud->databricks_app_id, s->call->until,
                                             s->mem, &s->bearer, err);
    if (r < 0)
        return r;
    return is_refused ? cw_credential_refresh(credential, tenant, cloud->management_resource, s->management,
                                              s->call->until, s->mem, &s->management, err)
                      : cw_credential_token(credential, tenant, cloud->management_resource, s->call->until,
                                            s->mem, &s->management, err);
}

static int send_once(struct sending *s, struct cw_http_res *ret_res, struct cw_err *err)
{
    struct cw_http_header headers[6];
    size_t n = 0;
    headers[n++] = (struct cw_http_header){"Authorization", cw_arena_printf(s->mem, "Bearer %s", s->bearer)};
    headers[n++] = (struct cw_http_header){"X-Databricks-Azure-SP-Management-Token", s->management};
    headers[n++] =
        (struct cw_http_header){"X-Databricks-Azure-Workspace-Resource-Id", s->target->workspace_id};
    headers[n++] = (struct cw_http_header){"Accept", "application/json"};
    if (s->call->traceparent != NULL)
        headers[n++] = (struct cw_http_header){"traceparent", s->call->traceparent};
    if (headers[0].value == NULL)
        return cw_err_set(err, CW_ENOMEM, "request");
    struct cw_http_req http = {
        .method = s->req->method,
        .url = s->url,
        .headers = headers,
        .header_count = n,
        .body = s->body,
        .content_type = s->body.n > 0 ? "application/json" : NULL,
        .body_bytes_max = BODY_BYTES_MAX,
    };
    if (s->call->counts != NULL) {
        int64_t *count = s->req->has_effect ? &s->call->counts->writes : &s->call->counts->reads;
        (*count)++;
    }
    int r = cw_http_call(cw_arm_http(s->d->arm), &http,
                         cw_sooner(s->call->until, cw_in_ms(REQUEST_TIMEOUT_MS)), s->mem, ret_res, err);
    return cw_call_answered(r, err);
}

static bool looks_like_json(const struct cw_http_res *res)
{
    size_t blank = strspn(res->body.p, " \r\n\t");
    return res->body.n == 0 || res->body.p[blank] == '{' || res->body.p[blank] == '[';
}

static int one_try(struct sending *s, json_t **ret_doc, struct cw_err *err)
{
    int r = s->bearer == NULL || s->management == NULL ? get_tokens(s, false, err) : 0;
    if (r == 0 && s->req->has_effect)
        r = cw_call_before_write(s->call, err);
    if (r < 0)
        return r;
    struct cw_http_res res = {0};
    r = send_once(s, &res, err);
    if (r < 0)
        return r;
    if (res.status < 200 || res.status >= 300 || !looks_like_json(&res))
        return cw_databricks_error(&res, err);
    if (s->req->skip_body) {
        *ret_doc = NULL;
        return 0;
    }
    if (res.body.n == 0)
        return cw_json_parse_in(s->call->mem, "{}", 2, 16, ret_doc, err);
    r = cw_offload_json(cw_arm_loop(s->d->arm), res.body, BODY_BYTES_MAX, s->call->until, s->call->mem,
                        ret_doc, err);
    return r == -CW_EPARSE ? cw_err_set(err, CW_EPROTO, "HTTP %d with a body that is no JSON", res.status)
                           : r;
}

static int wait_again(struct sending *s, enum cw_wait_reason reason, int64_t default_ms,
                      const struct cw_err *why, struct cw_err *err)
{
    int64_t ms = why->retry_after_ms > 0 ? why->retry_after_ms : cw_arm_scaled_ms(s->d->arm, default_ms);
    ms += cw_random_between(0, ms / 5);
    if (ms > cw_left_ms(s->call->until)) {
        *err = *why;
        err->retry_after_ms = ms;
        return -err->code;
    }
    struct cw_err saved = *why;
    struct cw_waiting waiting = {
        .reason = reason, .what = s->target->workspace_url, .detail = saved.text, .percent = -1};
    return cw_call_wait(s->call, waiting, ms, err);
}

/* After a failed try: 1 = send again, else the code. */
static int decide(struct sending *s, int tries, int r, struct cw_err *err)
{
    struct cw_err why = *err;
    if (r == -CW_EAUTH && why.http_status == 401 && !s->was_refreshed) {
        s->was_refreshed = true;
        r = get_tokens(s, true, err);
        return r < 0 ? r : 1;
    }
    if (r == -CW_ETHROTTLED && why.http_status != 0) {
        r = wait_again(s, CW_WAIT_THROTTLE, THROTTLE_MS, &why, err);
        return r < 0 ? r : 1;
    }
    int tries_max = s->req->tries > 0 ? s->req->tries : READ_TRIES;
    bool is_timeout = r == -CW_ETIMEDOUT && !cw_is_past(s->call->until);
    bool is_passing =
        r == -CW_ENET || r == -CW_EREMOTE || r == -CW_EPROTO || r == -CW_ENOTREADY || is_timeout;
    if (s->req->has_effect || !is_passing || tries >= tries_max)
        return r;
    r = wait_again(s, r == -CW_ENOTREADY ? CW_WAIT_READY : CW_WAIT_RETRY, (int64_t)BACKOFF_MS << (tries - 1),
                   &why, err);
    return r < 0 ? r : 1;
}

static int prepare(struct sending *s, struct cw_err *err)
{
    const struct cw_cloud *cloud = cw_arm_cloud(s->d->arm);
    const char *endpoint = NULL;
    int r = cw_cloud_workspace_endpoint(cloud, s->target->workspace_url, s->mem, &endpoint, err);
    if (r < 0)
        return r;
    s->url = cw_arena_printf(s->mem, "%s%s", endpoint, s->req->path);
    if (s->url == NULL)
        return cw_err_set(err, CW_ENOMEM, "request");
    if (!cw_cloud_url_is_workspace(cloud, s->url))
        return cw_err_set(err, CW_EPROTO, "%s is no host of the %s cloud", s->target->workspace_url,
                          cloud->name);
    if (s->req->body == NULL)
        return 0;
    s->body.p = cw_json_print_in(s->mem, s->req->body);
    if (s->body.p == NULL)
        return cw_err_set(err, CW_ENOMEM, "request");
    s->body.n = strlen(s->body.p);
    return 0;
}

int cw_dbx_send(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                const struct cw_dbx_req *req, json_t **ret_doc, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (call->plan_only && req->has_effect)
        return cw_err_set(err, CW_EBUG, "%s %s in plan mode", req->method, req->path);
    if (cw_arena_new(DBX_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "request");
    struct sending s = {.d = d, .call = call, .target = target, .req = req, .mem = scratch};
    int r = prepare(&s, err);
    if (r < 0)
        return r;
    for (int tries = 1;; tries++) {
        r = one_try(&s, ret_doc, err);
        if (r == 0)
            return 0;
        r = decide(&s, tries, r, err);
        if (r < 0)
            return cw_err_wrap(err, "%s %.*s", req->method, (int)strcspn(req->path, "?"), req->path);
        cw_err_clear(err);
    }
}

int cw_databricks_get(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                      const char *path, json_t **ret_doc, struct cw_err *err)
{
    struct cw_dbx_req req = {.method = "GET", .path = path};
    return cw_dbx_send(d, call, target, &req, ret_doc, err);
}

int cw_databricks_post(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                       const char *path, const json_t *body, json_t **ret_doc, struct cw_err *err)
{
    struct cw_dbx_req req = {.method = "POST", .path = path, .body = body, .has_effect = true};
    return cw_dbx_send(d, call, target, &req, ret_doc, err);
}

int cw_dbx_post_id(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                   const char *path, const char *key, const char *value, struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *body = json_pack("{s:s}", key, value);
    json_t *ignored = NULL;
    int r = cw_check_built(body, err);
    return r < 0 ? r : cw_databricks_post(d, call, target, path, body, &ignored, err);
}

int cw_dbx_list(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                const char *path, const char *key, bool may_be_absent, json_t **ret_items, struct cw_err *err)
{
    json_t *items = json_array();
    if (items == NULL || !cw_arena_defer(call->mem, (void (*)(void *))json_decref, items))
        return cw_err_set(err, CW_ENOMEM, "list");
    const char *page = path;
    for (int i = 0; i < PAGES_MAX; i++) {
        json_t *doc = NULL;
        int r = cw_databricks_get(d, call, target, page, &doc, err);
        if (may_be_absent && i == 0 && (r == -CW_ENOTFOUND || r == -CW_EUNSUPPORTED)) {
            cw_err_clear(err);
            break;
        }
        if (r < 0)
            return r;
        const json_t *members = cw_json_at(doc, key);
        if (members != NULL && json_array_extend(items, (json_t *)(uintptr_t)members) < 0)
            return cw_err_set(err, CW_EPROTO, "GET %s: %s is no array", path, key);
        const char *next = cw_json_str(doc, "next_page_token", "");
        if (next[0] == '\0')
            break;
        const char *token = cw_dbx_encoded(call->mem, next);
        page = cw_arena_printf(call->mem, "%s%cpage_token=%s", path, strchr(path, '?') != NULL ? '&' : '?',
                               token);
        if (token == NULL || page == NULL)
            return cw_err_set(err, CW_ENOMEM, "list");
    }
    *ret_items = items;
    return 0;
}

/* --- readiness ----------------------------------------------------------------------------------------------------- */

/* One of each family that the plans call: they come up one by one, and go away again. */
static const char *const ready_paths[] = {"/api/2.1/clusters/list?page_size=1",
                                          "/api/2.1/clusters/list-node-types",
                                          "/api/2.1/clusters/spark-versions", "/api/2.0/preview/scim/v2/Me"};

static int look_ready(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                      struct cw_err *err)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(ready_paths); i++) {
        struct cw_dbx_req req = {.method = "GET", .path = ready_paths[i], .tries = 1, .skip_body = true};
        json_t *ignored;
        int r = cw_dbx_send(d, call, target, &req, &ignored, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int cw_databricks_wait_ready(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, int good_needed, int64_t pause_ms,
                             struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    int denied = 0;
    for (int good = 0;;) {
        struct cw_err why = {0};
        int r = look_ready(d, call, target, &why);
        enum cw_class class = why.class;
        good = r == 0 ? good + 1 : 0;
        if (good >= good_needed)
            return 0;
        bool is_denied = r == -CW_EDENIED || r == -CW_EAUTH;
        denied = is_denied ? denied + 1 : 0;
        if (r < 0 && class != CW_CLASS_RETRY && class != CW_CLASS_CONFLICT &&
            (!is_denied || denied >= DENIED_ROUNDS_MAX)) {
            *err = why;
            return r;
        }
        char detail[160];
        (void)snprintf(detail, sizeof detail, "%d of %d good answers%s%.100s", good, good_needed,
                       r < 0 ? ": " : "", why.text);
        struct cw_waiting waiting = {.reason = CW_WAIT_READY,
                                     .what = target->workspace_url,
                                     .detail = detail,
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = good > 0 ? cw_call_wait(call, waiting, cw_arm_scaled_ms(d->arm, pause_ms), err)
                     : cw_arm_pause(d->arm, call, waiting, pause_ms, 0, err);
        if (r < 0)
            return r;
    }
}

int cw_databricks_me(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const char **ret_user_name, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_databricks_get(d, call, target, "/api/2.0/preview/scim/v2/Me", &doc, err);
    return r < 0 ? r : cw_json_need_str(doc, "userName", ret_user_name, err);
}

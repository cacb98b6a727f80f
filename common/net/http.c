#include "common/net/http.h"

#include <unistd.h>

#include "common/net/http_impl.h"

#define CONNECT_TIMEOUT_MS 10000
#define IDLE_TIMEOUT_MS 120000
#define CONNECTIONS_MAX 512
#define HOST_CONNECTIONS_MAX 8
#define HEADER_BYTES_MAX (64u << 10)
#define BODY_BYTES_MAX (8u << 20)
#define WATCH_EVERY_MS_MAX 500
#define TURN_MS 500

/* --- the call ----------------------------------------------------------------------------------------------------- */

static CURL *take_handle(struct cw_http *http)
{
    return http->idle_count > 0 ? http->idle[--http->idle_count] : curl_easy_init();
}

/* After a failure a handle may still remember that it could not repeat its body. */
static void give_handle(struct cw_http *http, CURL *easy, bool is_clean)
{
    if (!is_clean || http->idle_count == CW_HTTP_IDLE_HANDLES_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    http->idle[http->idle_count++] = easy;
}

static void link_call(struct cw_http *http, struct cw_http_transfer *call)
{
    call->next = http->calls;
    if (call->next != NULL)
        call->next->prev = call;
    http->calls = call;
}

static void unlink_call(struct cw_http *http, struct cw_http_transfer *call)
{
    *(call->prev != NULL ? &call->prev->next : &http->calls) = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
}

/* A host that keeps silent ends only its own call, and soon does not keep others from connecting. */
static void end_slow_connects(void *arg)
{
    struct cw_http *http = arg;
    int64_t now = cw_mono_ms(), limit = now - http->cfg.connect_timeout_ms;
    for (struct cw_http_transfer *call = http->calls; call != NULL; call = call->next) {
        if (call->turn_since <= now - TURN_MS)
            cw_http_end_turn(call);
        if (call->connecting_since == 0 || call->connecting_since > limit)
            continue;
        (void)snprintf(call->detail, sizeof call->detail, "no connection within %lld ms",
                       (long long)http->cfg.connect_timeout_ms);
        cw_wait_done(&call->wait, (int)CURLE_OPERATION_TIMEDOUT);
    }
}

static int run_call(struct cw_http_transfer *call, struct cw_deadline until, struct cw_arena *mem,
                    struct cw_http_res *res, struct cw_err *err)
{
    CURLM *multi = cw_curl_uv_multi(call->http->driver);
    struct cw_str url = cw_http_shown_url(call->req->url);
    cw_wait_arm(&call->wait);
    if (cw_http_prepare(call) < 0 || curl_multi_add_handle(multi, call->easy) != CURLM_OK)
        return cw_err_set(err, CW_ENOMEM, "no memory for a call to " CW_STR_FMT, CW_STR_ARG(url));
    int r = cw_wait_for(&call->wait, until);
    (void)curl_multi_remove_handle(multi, call->easy);
    res->maybe_sent = call->maybe_sent;
    if (!call->wait.done || r != call->wait.result)
        return cw_err_set(err, r, "%s " CW_STR_FMT ": %s", call->req->method, CW_STR_ARG(url),
                          cw_err_text(r));
    if (r != (int)CURLE_OK)
        return cw_http_fail(call, (CURLcode)r, err);
    r = cw_http_take_answer(call, mem, res);
    return r < 0 ? cw_err_set(err, r, "no memory for the answer of " CW_STR_FMT, CW_STR_ARG(url)) : 0;
}

static bool is_multiplexed(CURL *easy)
{
    long version = 0;
    return curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK &&
           version >= (long)CURL_HTTP_VERSION_2_0;
}

static int call_in_its_turn(struct cw_http *http, struct cw_http_host *host, bool is_turn,
                            const struct cw_http_req *req, struct cw_deadline until, struct cw_arena *mem,
                            struct cw_http_res *res, struct cw_err *err)
{
    struct cw_http_transfer call = {
        .http = http, .req = req, .easy = take_handle(http), .turn_since = is_turn ? cw_mono_ms() : 0};
    if (call.easy == NULL) {
        cw_http_end_turn(&call);
        return cw_err_set(err, CW_ENOMEM, "no memory for an HTTP call");
    }
    call.body_bytes_max = req->body_bytes_max > 0 ? req->body_bytes_max : BODY_BYTES_MAX;
    link_call(http, &call);
    int r = run_call(&call, until, mem, res, err);
    unlink_call(http, &call);
    cw_http_end_turn(&call);
    if (r == 0)
        cw_http_gates_learn(&http->gates, host, is_multiplexed(call.easy));
    give_handle(http, call.easy, r == 0);
    curl_slist_free_all(call.headers_out);
    cw_buf_fini(&call.headers);
    cw_buf_fini(&call.body);
    return r;
}

int cw_http_call(struct cw_http *http, const struct cw_http_req *req, struct cw_deadline until,
                 struct cw_arena *mem, struct cw_http_res *ret_res, struct cw_err *err)
{
    *ret_res = (struct cw_http_res){0};
    int r = cw_http_check_request(req, err);
    if (r < 0)
        return r;
    r = -cw_fiber_cancel_reason();
    if (r == 0 && cw_is_past(until))
        r = -CW_ETIMEDOUT;
    if (r < 0)
        return cw_err_set(err, r, "%s not sent: %s", req->method, cw_err_text(r));
    int64_t start_ms = cw_mono_ms();
    struct cw_http_host *host;
    r = cw_http_gates_enter(&http->gates, req->url, until, &host);
    if (r < 0) {
        struct cw_str url = cw_http_shown_url(req->url);
        (void)cw_err_set(err, r, "%s " CW_STR_FMT " not sent: %s", req->method, CW_STR_ARG(url),
                         cw_err_text(r));
    } else {
        r = call_in_its_turn(http, host, r > 0, req, until, mem, ret_res, err);
        cw_http_gates_leave(&http->gates, host);
    }
    ret_res->elapsed_ms = cw_mono_ms() - start_ms;
    return r;
}

const char *cw_http_header(const struct cw_http_res *res, const char *name)
{
    for (size_t i = 0; i < res->header_count; i++)
        if (strcmp(res->headers[i].name, name) == 0)
            return res->headers[i].value;
    return NULL;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------- */

static int copy_cfg(struct cw_http *http, const struct cw_http_cfg *cfg)
{
    http->cfg = (struct cw_http_cfg){
        .ca_file = cfg->ca_file != NULL ? strdup(cfg->ca_file) : NULL,
        .user_agent = strdup(cfg->user_agent != NULL ? cfg->user_agent : "causeway/" CW_VERSION),
        .connect_timeout_ms = cfg->connect_timeout_ms > 0 ? cfg->connect_timeout_ms : CONNECT_TIMEOUT_MS,
        .idle_timeout_ms = cfg->idle_timeout_ms > 0 ? cfg->idle_timeout_ms : IDLE_TIMEOUT_MS,
        .connections_max = cfg->connections_max > 0 ? cfg->connections_max : CONNECTIONS_MAX,
        .host_connections_max =
            cfg->host_connections_max > 0 ? cfg->host_connections_max : HOST_CONNECTIONS_MAX,
        .header_bytes_max = cfg->header_bytes_max > 0 ? cfg->header_bytes_max : HEADER_BYTES_MAX,
    };
    return http->cfg.user_agent == NULL || (cfg->ca_file != NULL && http->cfg.ca_file == NULL) ? -CW_ENOMEM
                                                                                               : 0;
}

int cw_http_new(struct cw_loop *loop, const struct cw_http_cfg *cfg, struct cw_http **ret_http,
                struct cw_err *err)
{
    if (cfg->ca_file != NULL && access(cfg->ca_file, R_OK) != 0)
        return cw_err_set(err, CW_EINVAL, "cannot read the file of trusted certificates %s", cfg->ca_file);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return cw_err_set(err, CW_ENOMEM, "libcurl does not start");
    struct cw_http *http = calloc(1, sizeof *http);
    if (http == NULL || copy_cfg(http, cfg) < 0 || cw_curl_uv_new(loop, cw_http_done, &http->driver) < 0) {
        if (http == NULL)
            curl_global_cleanup();
        cw_http_free(http);
        return cw_err_set(err, CW_ENOMEM, "no memory for the HTTP client");
    }
    int64_t watch_ms = CW_MIN(http->cfg.connect_timeout_ms / 4 + 1, WATCH_EVERY_MS_MAX);
    http->watch = cw_loop_every(loop, watch_ms, end_slow_connects, http);
    if (http->watch == NULL) {
        cw_http_free(http);
        return cw_err_set(err, CW_ENOMEM, "no memory for the HTTP client");
    }
    cw_http_gates_init(&http->gates, http->cfg.connections_max, http->cfg.host_connections_max);
    CURLM *multi = cw_curl_uv_multi(http->driver);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)http->cfg.connections_max);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->cfg.host_connections_max);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)http->cfg.connections_max);
    *ret_http = http;
    return 0;
}

void cw_http_free(struct cw_http *http)
{
    if (http == NULL)
        return;
    CW_PRE(http->calls == NULL);
    cw_loop_cancel_timer(http->watch);
    for (size_t i = 0; i < http->idle_count; i++)
        curl_easy_cleanup(http->idle[i]);
    cw_curl_uv_free(http->driver);
    curl_global_cleanup();
    free((void *)(uintptr_t)http->cfg.ca_file);
    free((void *)(uintptr_t)http->cfg.user_agent);
    free(http);
}

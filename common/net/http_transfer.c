#include "common/net/http_impl.h"

#include <openssl/ssl.h>

#define RECEIVE_BUFFER_BYTES 4096L
#define UPLOAD_BUFFER_BYTES 16384L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 15L
#define METHOD_BYTES_MAX 16
/* libcurl's own clock also runs while a call only waits for a free connection: http.c keeps the limit. */
#define LIBCURL_CONNECT_TIMEOUT_MS 86400000L

/* --- libcurl's callbacks, on the loop's stack --------------------------------------------------------------------- */

void cw_http_done(CURL *easy, CURLcode result)
{
    struct cw_http_transfer *call = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    cw_wait_done(&call->wait, (int)result);
}

void cw_http_end_turn(struct cw_http_transfer *call)
{
    if (call->turn_since != 0)
        cw_http_gates_connected(&call->http->gates);
    call->turn_since = 0;
}

static int on_connected(void *arg, char *to_ip, char *from_ip, int to_port, int from_port)
{
    struct cw_http_transfer *call = arg;
    (void)to_ip;
    (void)from_ip;
    (void)to_port;
    (void)from_port;
    call->maybe_sent = true;
    call->connecting_since = 0;
    cw_http_end_turn(call);
    return CURL_PREREQFUNC_OK;
}

static int on_resolve(void *resolver, void *reserved, void *arg)
{
    struct cw_http_transfer *call = arg;
    (void)resolver;
    (void)reserved;
    call->connecting_since = cw_mono_ms();
    return 0;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    struct cw_http_transfer *call = arg;
    (void)fd;
    (void)purpose;
    if (call->connecting_since == 0)
        call->connecting_since = cw_mono_ms();
    return CURL_SOCKOPT_OK;
}

static size_t on_upload(char *to, size_t size, size_t count, void *arg)
{
    struct cw_http_transfer *call = arg;
    size_t n = CW_MIN(size * count, call->unsent.n);
    if (n > 0)
        memcpy(to, call->unsent.p, n);
    call->unsent = (struct cw_str){call->unsent.p + n, call->unsent.n - n};
    return n;
}

static struct cw_str trim(const char *p, size_t n)
{
    while (n > 0 && (p[0] == ' ' || p[0] == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r' || p[n - 1] == '\n'))
        n--;
    return (struct cw_str){p, n};
}

static bool add_header(struct cw_http_transfer *call, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    if (colon == NULL || memchr(line, '\0', n) != NULL)
        return true;
    struct cw_str name = trim(line, (size_t)(colon - line));
    struct cw_str value = trim(colon + 1, n - (size_t)(colon - line) - 1);
    size_t at = call->headers.n;
    cw_buf_add(&call->headers, name.p, name.n);
    cw_buf_add_char(&call->headers, '\0');
    if (call->headers.failed)
        return false;
    cw_z_lower(call->headers.p + at);
    cw_buf_add(&call->headers, value.p, value.n);
    cw_buf_add_char(&call->headers, '\0');
    call->header_count++;
    return !call->headers.failed;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct cw_http_transfer *call = arg;
    size_t n = size * count;
    call->header_bytes += n;
    if (call->header_bytes > call->http->cfg.header_bytes_max) {
        call->is_too_big = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        cw_buf_reset(&call->headers);
        call->header_count = 0;
        return n;
    }
    if (!add_header(call, line, n)) {
        call->is_out_of_memory = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return n;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct cw_http_transfer *call = arg;
    size_t n = size * count;
    if (n > call->body_bytes_max - call->body.n) {
        call->is_too_big = true;
        return CURL_WRITEFUNC_ERROR;
    }
    cw_buf_add(&call->body, p, n);
    if (call->body.failed) {
        call->is_out_of_memory = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return n;
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static bool is_token(const char *z, size_t bytes_max)
{
    size_t n = strlen(z);
    if (n == 0 || n > bytes_max)
        return false;
    return strspn(z, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") == n;
}

static bool is_header_value(const char *z)
{
    for (; *z != '\0'; z++)
        if (((unsigned char)*z < ' ' && *z != '\t') || *z == 0x7f)
            return false;
    return true;
}

int cw_http_check_request(const struct cw_http_req *req, struct cw_err *err)
{
    if (!is_token(req->method, METHOD_BYTES_MAX))
        return cw_err_set(err, CW_EINVAL, "bad HTTP method");
    if (!cw_z_starts_nocase(req->url, "https://") &&
        !(req->allow_plain && cw_z_starts_nocase(req->url, "http://")))
        return cw_err_set(err, CW_EINVAL, "not an %s URL", req->allow_plain ? "http or https" : "https");
    for (size_t i = 0; i < req->header_count; i++)
        if (!is_token(req->headers[i].name, SIZE_MAX) || !is_header_value(req->headers[i].value))
            return cw_err_set(err, CW_EINVAL, "bad HTTP header");
    if (req->content_type != NULL && !is_header_value(req->content_type))
        return cw_err_set(err, CW_EINVAL, "bad content type");
    return 0;
}

static bool add_line(struct curl_slist **list, const char *name, const char *value)
{
    CW_AUTO(cw_buf_fini) struct cw_buf line = {0};
    cw_buf_add_z(&line, name);
    if (value == NULL) /* libcurl: leave the header out */
        cw_buf_add_char(&line, ':');
    else if (*value == '\0') /* libcurl: a header without a value */
        cw_buf_add_char(&line, ';');
    else
        cw_buf_addf(&line, ": %s", value);
    struct curl_slist *longer = line.failed ? NULL : curl_slist_append(*list, cw_buf_z(&line));
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static int build_headers(const struct cw_http_req *req, struct curl_slist **ret_list)
{
    struct curl_slist *list = NULL;
    bool ok = add_line(&list, "Expect", NULL) && add_line(&list, "Content-Type", req->content_type);
    for (size_t i = 0; ok && i < req->header_count; i++)
        ok = add_line(&list, req->headers[i].name, req->headers[i].value);
    if (!ok) {
        curl_slist_free_all(list);
        return -CW_ENOMEM;
    }
    *ret_list = list;
    return 0;
}

/* When a kept connection dies under a request, libcurl sends the request again on a new one. For a method that may not be
 * repeated the body comes from a callback that cannot rewind, so that libcurl gives up instead. PUT is among these: who does not
 * know whether a change was accepted looks before sending it again. */
static bool is_repeatable(const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++)
        if (strcmp(method, names[i]) == 0)
            return true;
    return false;
}

static void set_body(struct cw_http_transfer *call)
{
    const struct cw_http_req *req = call->req;
    CURL *easy = call->easy;
    bool has_body = req->body.n > 0 || !is_repeatable(req->method);
    if (strcmp(req->method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (has_body) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
        if (is_repeatable(req->method) || req->body.n == 0) {
            (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, req->body.n > 0 ? req->body.p : "");
        } else {
            call->unsent = req->body;
            (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
            (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
        }
    }
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void set_limits(struct cw_http_transfer *call)
{
    const struct cw_http_cfg *cfg = &call->http->cfg;
    CURL *easy = call->easy;
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, LIBCURL_CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
    (void)curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)((cfg->idle_timeout_ms + 999) / 1000));
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->body_bytes_max);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    /* Without it, removing a transfer waits for the thread that resolves its name. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

/* A connection that is kept for later needs no buffers meanwhile: 33 KiB each. */
static CURLcode on_tls_context(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return CURLE_OK;
}

static void set_security(struct cw_http_transfer *call)
{
    CURL *easy = call->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, call->req->allow_plain ? "http,https" : "https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (call->http->cfg.ca_file != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, call->http->cfg.ca_file);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

int cw_http_prepare(struct cw_http_transfer *call)
{
    CURL *easy = call->easy;
    if (curl_easy_setopt(easy, CURLOPT_URL, call->req->url) != CURLE_OK)
        return -CW_ENOMEM;
    int r = build_headers(call->req, &call->headers_out);
    if (r < 0)
        return r;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->detail);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, call->http->cfg.user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers_out);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    set_security(call);
    set_limits(call);
    set_body(call);
    return 0;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static int code_of(const struct cw_http_transfer *call, CURLcode result)
{
    if (call->is_out_of_memory)
        return CW_ENOMEM;
    if (call->is_too_big)
        return CW_ETOOBIG;
    switch (result) {
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return CW_ENOMEM;
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_TOO_LARGE:
        return CW_ETOOBIG;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return CW_ETLS;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return call->maybe_sent ? CW_EPROTO : CW_EINVAL;
    case CURLE_URL_MALFORMAT:
        return CW_EINVAL;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return CW_EPROTO;
    default:
        return CW_ENET;
    }
}

struct cw_str cw_http_shown_url(const char *url)
{
    return (struct cw_str){url, strcspn(url, "?#")};
}

int cw_http_fail(const struct cw_http_transfer *call, CURLcode result, struct cw_err *err)
{
    const char *why = call->detail[0] != '\0' ? call->detail : curl_easy_strerror(result);
    if (call->is_too_big)
        why = "the answer is larger than allowed";
    struct cw_str url = cw_http_shown_url(call->req->url);
    int r = cw_err_set(err, code_of(call, result), "%s " CW_STR_FMT ": %s", call->req->method,
                       CW_STR_ARG(url), why);
    if (r == -CW_ETLS)
        cw_err_remedy(
            err, "check the host's certificate, and the file of trusted certificates that is configured");
    return r;
}

int cw_http_take_answer(struct cw_http_transfer *call, struct cw_arena *mem, struct cw_http_res *res)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    struct cw_http_header *headers = cw_arena_alloc_array(mem, call->header_count + 1, sizeof *headers);
    const char *text = cw_arena_memdup(mem, cw_buf_z(&call->headers), call->headers.n);
    const char *body = cw_arena_memdup(mem, cw_buf_z(&call->body), call->body.n);
    if (headers == NULL || text == NULL || body == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < call->header_count; i++) {
        headers[i].name = text;
        headers[i].value = text + strlen(text) + 1;
        text = headers[i].value + strlen(headers[i].value) + 1;
    }
    res->status = (int)status;
    res->headers = headers;
    res->header_count = call->header_count;
    res->body = (struct cw_str){body, call->body.n};
    return 0;
}

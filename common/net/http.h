/* common/net/http.h: HTTP client over one libcurl multi handle: HTTP/2, keep-alive, verified TLS, limits, deadlines.
 *
 * A call is complete or fully detached when it returns: no callback can outlive it. Redirects are never followed.
 * Suspends: cw_http_call.  Thread: loop.  Source: RFC 9110, RFC 9113. */
#ifndef CW_COMMON_NET_HTTP_H
#define CW_COMMON_NET_HTTP_H

#include "common/arena.h"
#include "common/net/loop.h"
#include "common/str.h"

struct cw_http;

struct cw_http_cfg {
    const char *ca_file;         /* PEM bundle instead of the system's; NULL = system */
    const char *user_agent;      /* NULL = "causeway/<version>" */
    int64_t connect_timeout_ms;  /* 0 = 10 s */
    int64_t idle_timeout_ms;     /* no byte for so long fails the call; 0 = 120 s (ARM answers within 60 s) */
    size_t connections_max;      /* all hosts; 0 = 512 */
    size_t host_connections_max; /* one host; 0 = 8 */
    size_t header_bytes_max;     /* of an answer; 0 = 64 KiB */
};

struct cw_http_header {
    const char *name;
    const char *value;
};

struct cw_http_req {
    const char *method; /* "GET", "PUT", … */
    const char *url;    /* https://… ; http://… only when allow_plain */
    const struct cw_http_header *headers;
    size_t header_count;
    struct cw_str body;       /* borrowed until the call returns */
    const char *content_type; /* NULL = no body header */
    size_t body_bytes_max;    /* of the answer; 0 = 8 MiB */
    bool allow_plain;         /* managed identity endpoint only */
};

/* All in `mem`. Header names are lower case. */
struct cw_http_res {
    int status;
    const struct cw_http_header *headers;
    size_t header_count;
    struct cw_str body; /* NUL-terminated for convenience */
    bool maybe_sent;    /* on an error: the request may have reached the server */
    int64_t elapsed_ms;
};

/* Strings of cfg are copied. Errors: -CW_ENOMEM, -CW_EINVAL (unreadable CA file). */
int cw_http_new(struct cw_loop *loop, const struct cw_http_cfg *cfg, struct cw_http **ret_http,
                struct cw_err *err);
/* No call may be under way. NULL is fine. */
void cw_http_free(struct cw_http *http);
/* 0 for any HTTP status. Errors: -CW_ETIMEDOUT, cancellation, -CW_ENET (also: connecting or silence for too long), -CW_ETLS,
 * -CW_EPROTO, -CW_ETOOBIG, -CW_EINVAL (request), -CW_ENOMEM; then only maybe_sent and elapsed_ms of ret_res are set. Suspends: yes. */
int cw_http_call(struct cw_http *http, const struct cw_http_req *req, struct cw_deadline until,
                 struct cw_arena *mem, struct cw_http_res *ret_res, struct cw_err *err);
/* First value of a header (name in lower case), or NULL. */
const char *cw_http_header(const struct cw_http_res *res, const char *name);

#endif

/* common/net/http_impl.h: the parts of the HTTP client. For common/net alone.
 *
 *   http.c            calls, their limits in time, lifecycle
 *   http_gate.c       calls that wait for their turn
 *   http_transfer.c   one transfer: libcurl's options and callbacks, the answer, errors
 *   curl_uv.c         libcurl's events on the loop
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_NET_HTTP_IMPL_H
#define CW_COMMON_NET_HTTP_IMPL_H

#include "common/fiber/wait.h"
#include "common/net/curl_uv.h"
#include "common/net/http.h"
#include "common/net/http_gate.h"

#define CW_HTTP_IDLE_HANDLES_MAX 64

struct cw_http {
    struct cw_curl_uv *driver;
    struct cw_http_cfg cfg; /* defaults filled in; strings are ours */
    struct cw_http_gates gates;
    CURL *idle[CW_HTTP_IDLE_HANDLES_MAX];
    size_t idle_count;
    struct cw_http_transfer *calls; /* all under way */
    struct cw_timer *watch;         /* ends those that connect for too long */
};

/* A call under way, on the calling fiber's stack: libcurl has let go of it before the call returns. */
struct cw_http_transfer {
    struct cw_wait wait;
    struct cw_http_transfer *prev, *next;
    struct cw_http *http;
    const struct cw_http_req *req;
    CURL *easy;
    int64_t connecting_since; /* monotonic ms; 0 = does not connect now */
    int64_t turn_since;       /* monotonic ms; 0 = its turn to connect is over */
    struct curl_slist *headers_out;
    struct cw_str unsent;  /* what is left of a body that may be sent only once */
    struct cw_buf headers; /* name NUL value NUL … of the latest answer */
    size_t header_count;
    size_t header_bytes; /* over all answers of the call, informational ones too */
    struct cw_buf body;
    size_t body_bytes_max;
    bool is_too_big;
    bool is_out_of_memory;
    bool maybe_sent;
    char detail[CURL_ERROR_SIZE];
};

/* Errors: -CW_EINVAL. */
int cw_http_check_request(const struct cw_http_req *req, struct cw_err *err);
/* Set all options of call->easy. Errors: -CW_ENOMEM. */
int cw_http_prepare(struct cw_http_transfer *call);
/* Its turn to connect is over; again is harmless. */
void cw_http_end_turn(struct cw_http_transfer *call);
/* The transfer has ended: make its waiting fiber ready. */
void cw_http_done(CURL *easy, CURLcode result);
/* Fill err for a transfer that failed; the negative code. */
int cw_http_fail(const struct cw_http_transfer *call, CURLcode result, struct cw_err *err);
/* Copy status, headers and body to res. Errors: -CW_ENOMEM. */
int cw_http_take_answer(struct cw_http_transfer *call, struct cw_arena *mem, struct cw_http_res *res);
/* The URL without its query, which may hold a signature. */
struct cw_str cw_http_shown_url(const char *url);

#endif

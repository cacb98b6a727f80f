/* common/net/curl_uv.h: drives a libcurl multi handle from the loop. For common/net alone.
 *
 * Suspends: never.  Thread: loop.  Source: libcurl, curl_multi_socket_action(3). */
#ifndef CW_COMMON_NET_CURL_UV_H
#define CW_COMMON_NET_CURL_UV_H

#include <curl/curl.h>

#include "common/net/loop.h"

struct cw_curl_uv;

/* A transfer has ended; runs on the loop's stack, outside of libcurl. The easy handle is still in the multi handle. */
typedef void (*cw_curl_done_fn)(CURL *easy, CURLcode result);

/* Errors: -CW_ENOMEM. */
int cw_curl_uv_new(struct cw_loop *loop, cw_curl_done_fn on_done, struct cw_curl_uv **ret_driver);
/* No easy handle may be left in the multi handle. NULL is fine. */
void cw_curl_uv_free(struct cw_curl_uv *driver);
CURLM *cw_curl_uv_multi(struct cw_curl_uv *driver);

#endif

/* common/net/listen.h: a small HTTP server for /metrics, /healthz and /readyz. libmicrohttpd stays behind this header.
 *
 * GET only; runs inside the loop; the handler never suspends.
 * Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_NET_LISTEN_H
#define CW_COMMON_NET_LISTEN_H

#include "common/net/loop.h"
#include "common/str.h"

struct cw_listen;

/* Fill `body` and the content type (static string) for a path; return the HTTP status. */
typedef int (*cw_listen_fn)(void *arg, const char *path, struct cw_buf *body, const char **ret_content_type);

/* address "127.0.0.1:9464"; port 0 = any. Errors: -CW_EINVAL (address), -CW_EBUSY (port taken), -CW_ENOMEM. */
int cw_listen_new(struct cw_loop *loop, const char *address, cw_listen_fn fn, void *arg,
                  struct cw_listen **ret_listen, struct cw_err *err);
void cw_listen_free(struct cw_listen *listen); /* NULL is fine */
int cw_listen_port(const struct cw_listen *listen);

#endif

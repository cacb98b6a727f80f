/* common/net/loop_uv.h: what the clients of common/net share about libuv. For common/net alone.
 *
 * Suspends: never.  Thread: loop.  Source: docs.libuv.org. */
#ifndef CW_COMMON_NET_LOOP_UV_H
#define CW_COMMON_NET_LOOP_UV_H

#include <uv.h>

#include "common/net/loop.h"

uv_loop_t *cw_loop_uv(struct cw_loop *loop);
/* Close a handle that is the first member of a malloc'ed block, and free the block when libuv has let go of it. NULL is
 * fine. No callback of the handle runs any more. */
void cw_uv_close_free(void *take_handle);
/* uv_timer_start() against the present time instead of the start of the loop's turn. */
void cw_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, int64_t after_ms);

#endif

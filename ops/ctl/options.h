/* ops/ctl/options.h: option values that several commands take.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_OPS_CTL_OPTIONS_H
#define CW_OPS_CTL_OPTIONS_H

#include "common/arena.h"
#include "common/base.h"
#include "common/err.h"
#include "common/str.h"

/* "500ms", "90s", "15m", "2h"; false when malformed or not positive. */
bool option_duration(const char *z, int64_t *ret_ms);
/* A CloudEvent of this project's request types for a workspace, as text in mem. data is a JSON object's text. Errors:
 * -CW_EINVAL (a worker would refuse it: what and why), -CW_ENOMEM. */
int option_event(struct cw_arena *mem, const char *id, const char *type, const char *workspace_id,
                 const char *data, struct cw_str *ret_event, struct cw_err *err);
/* The record key of a workspace: its id in lower case, in mem. */
char *option_workspace_key(struct cw_arena *mem, const char *workspace_id);
/* `id` or, when NULL, a new request id "cli-<uuid>" in mem. */
const char *option_request_id(struct cw_arena *mem, const char *id);

#endif

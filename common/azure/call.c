#include "common/azure/call.h"

#include "common/net/loop.h"

const char *cw_wait_reason_name(enum cw_wait_reason reason)
{
    static const char *const names[CW_WAIT__COUNT] = {
        "lock", "throttle", "operation", "dns", "cluster", "capacity", "ready", "retry", "schedule"};
    return (unsigned)reason < CW_WAIT__COUNT ? names[reason] : "unknown";
}

int cw_call_before_write(const struct cw_call *call, struct cw_err *err)
{
    if (call->ops == NULL || call->ops->before_write == NULL)
        return 0;
    return call->ops->before_write(call->ops_arg, err);
}

void cw_call_waiting(const struct cw_call *call, const struct cw_waiting *waiting)
{
    if (call->ops != NULL && call->ops->waiting != NULL)
        call->ops->waiting(call->ops_arg, waiting);
}

int cw_call_answered(int r, struct cw_err *err)
{
    if (r != -CW_ETOOBIG)
        return r;
    const struct cw_err why = *err;
    return cw_err_set(err, CW_EPROTO, "%s", why.text);
}

int cw_call_wait(const struct cw_call *call, struct cw_waiting waiting, int64_t sleep_ms, struct cw_err *err)
{
    struct cw_deadline next = cw_sooner(cw_in_ms(CW_MAX(sleep_ms, (int64_t)0)), call->until);
    int64_t now = cw_wall_ms();
    if (waiting.since_wall_ms == 0)
        waiting.since_wall_ms = now;
    waiting.next_wall_ms = now + cw_left_ms(next);
    cw_call_waiting(call, &waiting);
    int r = cw_sleep(next);
    if (r < 0)
        return cw_err_set(err, r, "while waiting for %s", waiting.what);
    if (cw_is_past(call->until))
        return cw_err_set(err, CW_ETIMEDOUT, "deadline passed while waiting (%s) for %s%s%s",
                          cw_wait_reason_name(waiting.reason), waiting.what,
                          waiting.detail != NULL ? ": " : "", waiting.detail != NULL ? waiting.detail : "");
    return 0;
}

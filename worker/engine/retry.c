#include "worker/engine/retry.h"

#define THROTTLE_UNKNOWN_MS 60000
#define BASE_LEAST_MS 1

bool cw_retry_is_charged(enum cw_class class)
{
    return class != CW_CLASS_CONFLICT && class != CW_CLASS_THROTTLED;
}

static int64_t ceiling(const struct cw_retry *policy, int count)
{
    int64_t base = CW_MAX(policy->base_ms, (int64_t)BASE_LEAST_MS);
    int64_t cap = CW_MAX(policy->cap_ms, base);
    for (int i = 1; i < count && base < cap; i++)
        base = base > cap / 2 ? cap : base * 2;
    return CW_MIN(base, cap);
}

static int64_t within(int64_t lo, int64_t hi, uint64_t random)
{
    return hi <= lo ? lo : lo + (int64_t)(random % (uint64_t)(hi - lo + 1));
}

struct cw_retry_plan cw_retry_next(const struct cw_retry *policy, const struct cw_retry_case *c)
{
    struct cw_retry_plan plan = {.is_charged = cw_retry_is_charged(c->class), .reason = CW_WAIT_RETRY};
    int64_t most;
    switch (c->class) {
    case CW_CLASS_RETRY:
        most = ceiling(policy, c->charged);
        plan.again = c->charged < policy->attempts;
        plan.delay_ms = within(0, most, c->random);
        break;
    case CW_CLASS_CONFLICT:
        most = ceiling(policy, c->free);
        plan.again = true;
        plan.delay_ms = within(most / 2, most, c->random);
        plan.reason = CW_WAIT_OPERATION;
        break;
    case CW_CLASS_THROTTLED:
        most = c->retry_after_ms > 0 ? c->retry_after_ms : THROTTLE_UNKNOWN_MS;
        plan.again = true;
        plan.delay_ms = within(most, most + most / 10, c->random);
        plan.reason = CW_WAIT_THROTTLE;
        break;
    default:
        return plan;
    }
    plan.delay_ms = CW_MAX(plan.delay_ms, c->retry_after_ms);
    return plan;
}

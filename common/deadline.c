#include "common/time.h"

struct cw_deadline cw_in_ms(int64_t ms)
{
    int64_t at = 0;
    if (__builtin_add_overflow(cw_mono_ms(), ms, &at))
        at = ms > 0 ? INT64_MAX : INT64_MIN;
    return (struct cw_deadline){at};
}

struct cw_deadline cw_sooner(struct cw_deadline a, struct cw_deadline b)
{
    return a.mono_ms <= b.mono_ms ? a : b;
}

bool cw_is_past(struct cw_deadline d)
{
    return d.mono_ms != INT64_MAX && cw_mono_ms() >= d.mono_ms;
}

int64_t cw_left_ms(struct cw_deadline d)
{
    if (d.mono_ms == INT64_MAX)
        return INT64_MAX;
    int64_t left = 0;
    if (__builtin_sub_overflow(d.mono_ms, cw_mono_ms(), &left))
        return 0;
    return CW_MAX(left, (int64_t)0);
}

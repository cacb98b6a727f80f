#include "common/fiber/sched.h"

static bool is_before(const struct cw_fiber *a, const struct cw_fiber *b)
{
    if (a->until.mono_ms != b->until.mono_ms)
        return a->until.mono_ms < b->until.mono_ms;
    return a->armed_at < b->armed_at;
}

static void place(struct cw_sched *s, size_t index, struct cw_fiber *f)
{
    s->heap[index] = f;
    f->heap_index = index;
}

static void sift_up(struct cw_sched *s, size_t index)
{
    struct cw_fiber *f = s->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!is_before(f, s->heap[parent]))
            break;
        place(s, index, s->heap[parent]);
        index = parent;
    }
    place(s, index, f);
}

static void sift_down(struct cw_sched *s, size_t index)
{
    struct cw_fiber *f = s->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && is_before(s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_before(s->heap[child], f))
            break;
        place(s, index, s->heap[child]);
        index = child;
    }
    place(s, index, f);
}

void cw_timers_add(struct cw_sched *s, struct cw_fiber *f)
{
    if (f->until.mono_ms == INT64_MAX)
        return;
    CW_BUG_ON(f->heap_index != CW_NOT_IN_HEAP);
    CW_BUG_ON(s->heap_count >= s->cfg.fibers_max);
    f->armed_at = s->armed_count++;
    s->heap[s->heap_count] = f;
    sift_up(s, s->heap_count++);
}

void cw_timers_remove(struct cw_sched *s, struct cw_fiber *f)
{
    size_t index = f->heap_index;
    if (index == CW_NOT_IN_HEAP)
        return;
    f->heap_index = CW_NOT_IN_HEAP;
    struct cw_fiber *last = s->heap[--s->heap_count];
    if (last == f)
        return;
    place(s, index, last);
    sift_up(s, index);
    sift_down(s, last->heap_index);
}

void cw_timers_expire(struct cw_sched *s, int64_t now_mono_ms)
{
    while (s->heap_count > 0 && s->heap[0]->until.mono_ms <= now_mono_ms)
        cw_sched_make_ready(s->heap[0]);
}

#include "ops/ctl/drift.h"

#include "common/json.h"

#define MEM_BYTES ((size_t)16 << 20)

static void print(const struct drift *d, FILE *out, const struct cw_drift_v1 *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *what = cw_drift_name((enum cw_drift_what)items[i].what);
        const char *before = items[i].before == NULL ? "none" : items[i].before;
        const char *after = items[i].after == NULL ? "none" : items[i].after;
        if (!d->json) {
            (void)fprintf(out, "  drift     %s: %s -> %s\n", what, before, after);
            continue;
        }
        CW_AUTO(cw_auto_json) json_t *drift = cw_shape_encode(&cw_drift_v1_shape, &items[i]);
        CW_AUTO(cw_auto_json) json_t *line = json_pack("{s:O?}", "drift", drift);
        CW_AUTO(cw_auto_str) char *text = line == NULL ? NULL : cw_json_print(line);
        (void)fprintf(out, "%s\n", text == NULL ? "{}" : text);
    }
    (void)fflush(out);
}

static int look(struct drift *d, FILE *out, const json_t *doc, struct cw_arena *mem, struct cw_arena *kept)
{
    struct cw_result_v1 result;
    struct cw_problems problems = {0};
    struct cw_snapshot_v1 now, copy = {0};
    struct cw_drift_v1 *items = NULL;
    size_t count = 0;
    int r = cw_shape_decode(&cw_result_v1_shape, doc, "", mem, &result, &problems);
    if (r == 0)
        r = cw_snapshot_of(&result, &d->last, mem, &now);
    if (r == 0)
        r = cw_drift_between(&d->last, &now, mem, &items, &count);
    if (r == 0)
        r = cw_shape_merge(&cw_snapshot_v1_shape, &copy, &now, kept);
    if (r < 0)
        return r;
    print(d, out, items, count);
    d->last = copy;
    return 0;
}

void drift_look(struct drift *d, FILE *out, const json_t *result)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    CW_AUTO(cw_auto_arena) struct cw_arena *kept = NULL;
    if (cw_arena_new(MEM_BYTES, &mem) < 0 || cw_arena_new(MEM_BYTES, &kept) < 0 ||
        look(d, out, result, mem, kept) < 0)
        return;
    cw_arena_free(d->mem);
    d->mem = CW_TAKE(kept);
}

void drift_fini(struct drift *d)
{
    cw_arena_free(d->mem);
    *d = (struct drift){0};
}

/* Commit metadata that anybody may have written: a line with the committed offset, then the map. Never a crash, never an offset below the
 * commit, and what is read is written to the same again. */
#include "worker/engine/window.h"

#include "common/arena.h"
#include "common/str.h"

#define OFFSETS_MAX 6000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the next owner would run, of the records from the commit on: one bit each. */
static size_t take_all(struct cw_window *w, int64_t from, uint8_t *ret_taken)
{
    size_t n = 0;
    for (; n < OFFSETS_MAX; n++) {
        uint32_t era;
        int r = cw_window_take(w, from + (int64_t)n, &era);
        CW_BUG_ON(r != CW_WINDOW_TAKEN && r != CW_WINDOW_IS_DONE);
        ret_taken[n] = r == CW_WINDOW_TAKEN;
    }
    return n;
}

static void check_again(int64_t base, const char *meta, const uint8_t *taken, int64_t skipped)
{
    static uint8_t again[OFFSETS_MAX];
    struct cw_window *w;
    if (cw_window_new(base, meta, &w) < 0)
        return;
    (void)take_all(w, base, again);
    for (int64_t i = 0; i + skipped < OFFSETS_MAX; i++)
        CW_BUG_ON(again[i] != taken[i + skipped]);
    cw_window_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t taken[OFFSETS_MAX];
    char meta[CW_WINDOW_META_BYTES + 1];
    struct cw_window *w;
    CW_AUTO(cw_auto_str) char *text = strndup((const char *)data, size);
    char *map = text == NULL ? NULL : strchr(text, '\n');
    if (map == NULL)
        return 0;
    *map++ = '\0';
    int64_t committed;
    if (!cw_z_to_i64(text, &committed) || committed < 0 || committed > (INT64_C(1) << 60))
        return 0;
    if (cw_window_new(committed, map, &w) < 0)
        return 0;
    int64_t base = cw_window_base(w);
    CW_BUG_ON(base < committed);
    bool is_whole = cw_window_encode(w, meta);
    CW_BUG_ON(strlen(meta) > CW_WINDOW_META_BYTES);
    (void)take_all(w, committed, taken);
    for (int64_t i = 0; i < base - committed && i < OFFSETS_MAX; i++)
        CW_BUG_ON(taken[i]);
    if (is_whole && base - committed < OFFSETS_MAX)
        check_again(base, meta, taken, base - committed);
    cw_window_free(w);
    return 0;
}

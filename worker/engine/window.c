#include "worker/engine/window.h"

#include "common/str.h"

/* The map's text: "1;<base>;<form><base64url>". Form 'r': varints, alternately the length of a run in flight and of a run
 * finished, beginning with one in flight at the base, ending with the end. Form 'b': varint length, then one bit an offset from
 * the base on, least significant first, set = in flight. */
#define VERSION "1;"
#define HEAD_BYTES 24                                            /* version, base, form */
#define BODY_BYTES ((CW_WINDOW_META_BYTES - HEAD_BYTES) / 4 * 3) /* before base64 */
#define FULL_BYTES ((size_t)BODY_BYTES * 3 / 4)
#define MAP_OFFSETS_MAX (BODY_BYTES * 8) /* in flight offsets that a map may restore */
#define SMALL 16

enum state { IN_FLIGHT = 0, EXPECTED, DONE };

struct entry {
    int64_t offset;
    enum state state;
    uint32_t era; /* in which it was taken */
};

struct cw_window {
    struct entry *entries; /* ring-free deque: [head, tail) */
    size_t head;
    size_t tail;
    size_t cap;
    size_t done;    /* entries in state DONE */
    size_t next;    /* first entry that may still be EXPECTED */
    int64_t end;    /* behind the highest known offset; -1 = nothing is known */
    int64_t passed; /* behind the last delivered offset; at first the committed one */
    uint32_t era;
};

/* ---- varints and base64url ------------------------------------------------------------------------------------------- */

struct bytes {
    uint8_t p[BODY_BYTES];
    size_t n;
    bool overflow;
};

static size_t varint_bytes(uint64_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

static void put_varint(struct bytes *b, uint64_t v)
{
    if (b->n + varint_bytes(v) > sizeof b->p) {
        b->overflow = true;
        return;
    }
    for (; v >= 0x80; v >>= 7)
        b->p[b->n++] = (uint8_t)(v | 0x80);
    b->p[b->n++] = (uint8_t)v;
}

static bool get_varint(const struct bytes *b, size_t *at, uint64_t *ret_v)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 63 && *at < b->n; shift += 7) {
        uint8_t byte = b->p[(*at)++];
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_v = v;
            return true;
        }
    }
    return false;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t put_base64(char *out, const struct bytes *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i += 3) {
        uint32_t v = (uint32_t)b->p[i] << 16;
        v |= i + 1 < b->n ? (uint32_t)b->p[i + 1] << 8 : 0;
        v |= i + 2 < b->n ? b->p[i + 2] : 0;
        size_t chars = CW_MIN(b->n - i, (size_t)3) + 1;
        for (size_t k = 0; k < chars; k++)
            out[n++] = alphabet[v >> (18 - 6 * k) & 63];
    }
    out[n] = '\0';
    return n;
}

static bool get_base64(struct bytes *b, const char *z)
{
    uint32_t v = 0;
    unsigned bits = 0;
    for (; *z != '\0'; z++) {
        const char *at = strchr(alphabet, *z);
        if (at == NULL)
            return false;
        v = (v << 6 | (uint32_t)(at - alphabet)) & 0xfffff;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (b->n == sizeof b->p)
            return false;
        b->p[b->n++] = (uint8_t)(v >> bits);
    }
    return true;
}

/* ---- entries --------------------------------------------------------------------------------------------------------- */

static void drop_finished(struct cw_window *w)
{
    for (; w->head < w->tail && w->entries[w->head].state == DONE; w->head++)
        w->done--;
    if (w->head == w->tail)
        w->head = w->tail = w->next = 0;
    w->next = CW_MAX(w->next, w->head);
}

static void compact(struct cw_window *w)
{
    size_t n = 0, next = 0;
    for (size_t i = w->head; i < w->tail; i++) {
        if (w->entries[i].state == DONE)
            continue;
        next += i < w->next;
        w->entries[n++] = w->entries[i];
    }
    w->head = 0;
    w->tail = n;
    w->next = next;
    w->done = 0;
}

static bool make_room(struct cw_window *w)
{
    if (w->tail < w->cap)
        return true;
    if (w->head + w->done > w->cap / 2) {
        compact(w);
        return true;
    }
    size_t cap = CW_MAX(w->cap * 2, (size_t)SMALL);
    struct entry *entries = realloc(w->entries, cap * sizeof *entries);
    if (entries == NULL)
        return false;
    w->entries = entries;
    w->cap = cap;
    return true;
}

static bool append(struct cw_window *w, int64_t offset, enum state state)
{
    if (!make_room(w))
        return false;
    w->entries[w->tail++] = (struct entry){offset, state, w->era};
    return true;
}

/* The first entry that is not below the offset. */
static size_t lower_bound(const struct cw_window *w, int64_t offset)
{
    size_t lo = w->head, hi = w->tail;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->entries[mid].offset < offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct entry *find(const struct cw_window *w, int64_t offset)
{
    size_t at = lower_bound(w, offset);
    return at < w->tail && w->entries[at].offset == offset ? &w->entries[at] : NULL;
}

/* What the map promised before this offset and Kafka did not deliver no longer exists. */
static void forget_expected_below(struct cw_window *w, int64_t offset)
{
    for (; w->next < w->tail && w->entries[w->next].offset < offset; w->next++) {
        if (w->entries[w->next].state != EXPECTED)
            continue;
        w->entries[w->next].state = DONE;
        w->done++;
    }
    drop_finished(w);
}

/* Forget what is known from this offset on. */
static void cut(struct cw_window *w, int64_t offset)
{
    size_t keep = lower_bound(w, offset);
    for (size_t i = keep; i < w->tail; i++)
        w->done -= w->entries[i].state == DONE;
    w->tail = keep;
    w->next = CW_MIN(w->next, keep);
    w->end = offset;
    drop_finished(w);
}

/* ---- the map --------------------------------------------------------------------------------------------------------- */

static bool restore_run(struct cw_window *w, int64_t *offset, uint64_t n)
{
    if (n > (uint64_t)(MAP_OFFSETS_MAX) - (w->tail - w->head))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!append(w, (*offset)++, EXPECTED))
            return false;
    }
    return true;
}

static bool restore_runs(struct cw_window *w, const struct bytes *b)
{
    int64_t offset = w->end;
    bool in_flight = true;
    for (size_t at = 0; at < b->n; in_flight = !in_flight) {
        uint64_t n;
        if (!get_varint(b, &at, &n) || n == 0 || n > (uint64_t)(INT64_MAX - 1 - offset))
            return false;
        if (!in_flight)
            offset += (int64_t)n;
        else if (!restore_run(w, &offset, n))
            return false;
    }
    w->end = offset;
    return true;
}

static bool restore_bits(struct cw_window *w, const struct bytes *b)
{
    size_t at = 0;
    uint64_t n;
    if (!get_varint(b, &at, &n) || n > MAP_OFFSETS_MAX || b->n - at != (n + 7) / 8)
        return false;
    if ((int64_t)n > INT64_MAX - 1 - w->end)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if ((b->p[at + i / 8] >> (i % 8) & 1) != 0 && !append(w, w->end + (int64_t)i, EXPECTED))
            return false;
    }
    w->end += (int64_t)n;
    return true;
}

static bool restore(struct cw_window *w, const char *metadata)
{
    char base[32];
    if (!cw_z_starts(metadata, VERSION))
        return false;
    metadata += strlen(VERSION);
    size_t digits = strcspn(metadata, ";");
    if (digits == 0 || digits >= sizeof base || metadata[digits] != ';')
        return false;
    memcpy(base, metadata, digits);
    base[digits] = '\0';
    int64_t offset;
    if (!cw_z_to_i64(base, &offset) || offset != w->end)
        return false;
    char form = metadata[digits + 1];
    struct bytes b = {.n = 0};
    if (form == '\0' || !get_base64(&b, metadata + digits + 2))
        return false;
    return form == 'r' ? restore_runs(w, &b) : form == 'b' ? restore_bits(w, &b) : false;
}

/* ---- exported -------------------------------------------------------------------------------------------------------- */

int cw_window_new(int64_t committed_offset, const char *metadata, struct cw_window **ret_window)
{
    struct cw_window *w = calloc(1, sizeof *w);
    if (w == NULL)
        return -CW_ENOMEM;
    w->end = w->passed = committed_offset < 0 ? -1 : committed_offset;
    if (w->end >= 0 && metadata != NULL && *metadata != '\0' && !restore(w, metadata)) {
        w->head = w->tail = w->next = w->done = 0;
        w->end = committed_offset;
    }
    *ret_window = w;
    return 0;
}

void cw_window_free(struct cw_window *w)
{
    if (w == NULL)
        return;
    free(w->entries);
    free(w);
}

static int take_new(struct cw_window *w, int64_t offset)
{
    if (!append(w, offset, IN_FLIGHT))
        return -CW_ENOMEM;
    w->end = w->passed = offset + 1;
    forget_expected_below(w, offset);
    return CW_WINDOW_TAKEN;
}

static int take_again(struct cw_window *w, int64_t offset)
{
    cut(w, offset);
    w->era++;
    int r = take_new(w, offset);
    return r < 0 ? r : CW_WINDOW_REWOUND;
}

static int take_known(struct cw_window *w, int64_t offset)
{
    struct entry *e = find(w, offset);
    w->passed = offset + 1;
    if (e != NULL)
        e->state = IN_FLIGHT;
    forget_expected_below(w, offset);
    return e == NULL ? CW_WINDOW_IS_DONE : CW_WINDOW_TAKEN;
}

int cw_window_take(struct cw_window *w, int64_t offset, uint32_t *ret_era)
{
    CW_PRE(offset >= 0);
    int r = offset < w->passed ? take_again(w, offset)
            : offset < w->end  ? take_known(w, offset)
                               : take_new(w, offset);
    if (r >= 0)
        *ret_era = w->era;
    return r;
}

bool cw_window_done(struct cw_window *w, int64_t offset, uint32_t era)
{
    struct entry *e = find(w, offset);
    if (e == NULL || e->state != IN_FLIGHT || e->era != era)
        return false;
    e->state = DONE;
    w->done++;
    drop_finished(w);
    return true;
}

int64_t cw_window_base(const struct cw_window *w)
{
    return w->head < w->tail ? w->entries[w->head].offset : w->end;
}

size_t cw_window_in_flight(const struct cw_window *w)
{
    return w->tail - w->head - w->done;
}

bool cw_window_is_full(const struct cw_window *w)
{
    size_t count = cw_window_in_flight(w);
    if (count == 0 || w->passed < w->end)
        return false;
    uint64_t span = (uint64_t)(w->end - cw_window_base(w));
    size_t as_bits = span / 8 < FULL_BYTES ? (size_t)(span / 8) : FULL_BYTES;
    size_t as_runs = count * (varint_bytes(count) + varint_bytes(span));
    return CW_MIN(as_bits, as_runs) >= FULL_BYTES;
}

static void encode_runs(const struct cw_window *w, struct bytes *b)
{
    int64_t at = cw_window_base(w);
    uint64_t run = 0;
    for (size_t i = w->head; i < w->tail; i++) {
        const struct entry *e = &w->entries[i];
        if (e->state == DONE)
            continue;
        if (e->offset != at) {
            size_t before = b->n;
            put_varint(b, run);
            put_varint(b, (uint64_t)(e->offset - at));
            if (b->overflow) {
                b->n = before;
                return;
            }
            at = e->offset;
            run = 0;
        }
        run++;
        at++;
    }
    size_t before = b->n;
    put_varint(b, run);
    if (w->end > at)
        put_varint(b, (uint64_t)(w->end - at));
    if (b->overflow)
        b->n = before;
}

static bool encode_bits(const struct cw_window *w, struct bytes *b)
{
    int64_t base = cw_window_base(w);
    uint64_t span = (uint64_t)(w->end - base);
    if (span > MAP_OFFSETS_MAX || varint_bytes(span) + (span + 7) / 8 > sizeof b->p)
        return false;
    put_varint(b, span);
    memset(b->p + b->n, 0, (span + 7) / 8);
    for (size_t i = w->head; i < w->tail; i++) {
        if (w->entries[i].state == DONE)
            continue;
        uint64_t bit = (uint64_t)(w->entries[i].offset - base);
        b->p[b->n + bit / 8] |= (uint8_t)(1u << (bit % 8));
    }
    b->n += (span + 7) / 8;
    return true;
}

bool cw_window_encode(const struct cw_window *w, char out[CW_WINDOW_META_BYTES + 1])
{
    out[0] = '\0';
    if (w->head == w->tail)
        return true;
    struct bytes runs = {.n = 0}, bits = {.n = 0};
    encode_runs(w, &runs);
    bool bits_fit = encode_bits(w, &bits);
    bool use_bits = bits_fit && (runs.overflow || bits.n < runs.n);
    const struct bytes *b = use_bits ? &bits : &runs;
    int n =
        snprintf(out, HEAD_BYTES + 8, VERSION "%lld;%c", (long long)cw_window_base(w), use_bits ? 'b' : 'r');
    (void)put_base64(out + n, b);
    return use_bits || !runs.overflow;
}

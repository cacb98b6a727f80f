#include "worker/engine/recall.h"

#include "common/fiber/wait.h"
#include "common/json.h"
#include "common/metrics.h"

#define ID_BYTES 16
#define TABLE_LEAST 1024
#define SPANS_MEM_BYTES ((size_t)1024 * 1024)
#define REMAKE_MS (INT64_C(10) * 60 * 1000) /* a full index may begin later than it did, but not more often */

/* A verdict that is out. */
struct entry {
    uint8_t id[ID_BYTES];
    int64_t offset;
    int32_t partition; /* -1 = no entry */
};

struct cw_recall {
    struct cw_reader reader;
    size_t entries_max;
    struct entry *table; /* open addressing; at most half full */
    size_t cap;          /* a power of two, or 0 */
    size_t count;
    bool is_full;          /* no more ids fit: spans[].from stands where the index ends */
    int64_t since_wall_ms; /* the index begins there */
    int64_t made_mono_ms;
    struct cw_kafka_span *spans; /* what is read, by partition: up to `from` */
    size_t span_count;
    bool is_begun;           /* since and spans are set */
    bool is_busy;            /* somebody reads */
    struct cw_queue waiters; /* for the reader */
    uint64_t begun, done;    /* numbers of readings: the latest one, and the latest that reached the end */
};

static int read_spans(void *arg, int64_t since_wall_ms, struct cw_deadline until, struct cw_arena *mem,
                      struct cw_kafka_span **ret_spans, size_t *ret_count, struct cw_err *err)
{
    return cw_kafka_scan_spans(arg, since_wall_ms, until, mem, ret_spans, ret_count, err);
}

static int read_records(void *arg, struct cw_kafka_span *spans, size_t count, cw_kafka_scan_fn fn,
                        void *fn_arg, struct cw_deadline until, struct cw_err *err)
{
    return cw_kafka_scan_read(arg, spans, count, fn, fn_arg, until, err);
}

struct cw_reader cw_reader_of_kafka(struct cw_kafka_scan *scan)
{
    return (struct cw_reader){read_spans, read_records, scan};
}

/* ---- ids ------------------------------------------------------------------------------------------------------------- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The bytes of a UUID; false for any other text: it is no id of ours. */
static bool parse_id(struct cw_str text, uint8_t out[ID_BYTES])
{
    size_t digits = 0;
    for (size_t i = 0; i < text.n; i++) {
        int digit = digit_of(text.p[i]);
        if (text.p[i] == '-')
            continue;
        if (digit < 0 || digits == (size_t)2 * ID_BYTES)
            return false;
        out[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit << 4 : out[digits / 2] | digit);
        digits++;
    }
    return digits == (size_t)2 * ID_BYTES;
}

static bool id_of(const struct cw_kafka_message *m, uint8_t out[ID_BYTES])
{
    for (size_t i = 0; i < m->header_count; i++) {
        if (cw_z_eq(m->headers[i].name, "ce_id"))
            return parse_id(m->headers[i].value, out);
    }
    return false;
}

/* ---- the index ------------------------------------------------------------------------------------------------------- */

/* Its entry, or the free one where it belongs. The ids are digests: their first bytes are as good as a hash. */
static struct entry *slot_of(struct entry *table, size_t cap, const uint8_t id[ID_BYTES])
{
    uint64_t hash;
    memcpy(&hash, id, sizeof hash);
    size_t i = (size_t)hash & (cap - 1);
    while (table[i].partition >= 0 && memcmp(table[i].id, id, ID_BYTES) != 0)
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static bool grow(struct cw_recall *r)
{
    size_t cap = r->cap == 0 ? TABLE_LEAST : r->cap * 2;
    struct entry *table = malloc(cap * sizeof *table);
    if (table == NULL)
        return false;
    for (size_t i = 0; i < cap; i++)
        table[i].partition = -1;
    for (size_t i = 0; i < r->cap; i++) {
        if (r->table[i].partition >= 0)
            *slot_of(table, cap, r->table[i].id) = r->table[i];
    }
    free(r->table);
    r->table = table;
    r->cap = cap;
    return true;
}

static void forget(struct cw_recall *r)
{
    free(CW_TAKE(r->table));
    free(CW_TAKE(r->spans));
    r->cap = r->count = r->span_count = 0;
    r->done = 0; /* a reading that ended was of the index that is gone */
    r->is_full = r->is_begun = false;
}

static struct cw_kafka_span *span_of(struct cw_kafka_span *spans, size_t count, int32_t partition)
{
    for (size_t i = 0; i < count; i++) {
        if (spans[i].partition == partition)
            return &spans[i];
    }
    return NULL;
}

/* The first record of an id counts. False: it found no place, and stays unread. */
static bool index_record(void *arg, const struct cw_kafka_message *m)
{
    struct cw_recall *r = arg;
    uint8_t id[ID_BYTES];
    if (!id_of(m, id))
        return true;
    r->is_full = r->count >= r->entries_max || (r->count * 2 >= r->cap && !grow(r));
    if (r->is_full) {
        struct cw_kafka_span *span = span_of(r->spans, r->span_count, m->partition);
        span->from = CW_MIN(span->from, m->offset);
        return false;
    }
    struct entry *e = slot_of(r->table, r->cap, id);
    if (e->partition >= 0)
        return true;
    *e = (struct entry){.offset = m->offset, .partition = m->partition};
    memcpy(e->id, id, ID_BYTES);
    r->count++;
    return true;
}

/* ---- reading on ------------------------------------------------------------------------------------------------------ */

static int keep_spans(struct cw_recall *r, const struct cw_kafka_span *spans, size_t count,
                      struct cw_err *err)
{
    r->spans = malloc((count + 1) * sizeof *r->spans);
    if (r->spans == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to read verdicts");
    memcpy(r->spans, spans, count * sizeof *spans);
    r->span_count = count;
    r->is_begun = true;
    return 0;
}

static int begin(struct cw_recall *r, int64_t since_wall_ms, struct cw_deadline until, struct cw_arena *mem,
                 struct cw_err *err)
{
    struct cw_kafka_span *spans;
    size_t count;
    forget(r);
    r->since_wall_ms = since_wall_ms;
    r->made_mono_ms = cw_mono_ms();
    int res = r->reader.spans(r->reader.arg, since_wall_ms, until, mem, &spans, &count, err);
    return res < 0 ? res : keep_spans(r, spans, count, err);
}

/* Where the known partitions end now. False: there are others, or one is shorter than what was read of it. */
static bool move_ends(struct cw_recall *r, struct cw_kafka_span *now, size_t count)
{
    if (count != r->span_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct cw_kafka_span *span = span_of(r->spans, r->span_count, now[i].partition);
        if (span == NULL || now[i].to < span->from)
            return false;
        span->to = now[i].to;
    }
    return true;
}

/* Further than needed, so that ever older requests do not make the index anew each time. */
static int64_t further_back(int64_t since_wall_ms)
{
    return since_wall_ms - CW_MAX(cw_wall_ms() - since_wall_ms, INT64_C(0));
}

/* The index reaches back to that time, and its spans to the ends as they are now. One that begins too late is made anew. */
static int extend(struct cw_recall *r, int64_t since_wall_ms, struct cw_deadline until, struct cw_arena *mem,
                  struct cw_err *err)
{
    struct cw_kafka_span *now;
    size_t count;
    if (!r->is_begun || since_wall_ms < r->since_wall_ms)
        return begin(r, further_back(since_wall_ms), until, mem, err);
    bool may_remake = cw_mono_ms() - r->made_mono_ms > REMAKE_MS;
    if (r->is_full && may_remake && since_wall_ms - r->since_wall_ms > CW_RECALL_SLACK_MS)
        return begin(r, since_wall_ms, until, mem, err);
    int res = r->reader.spans(r->reader.arg, CW_KAFKA_SCAN_ENDS, until, mem, &now, &count, err);
    if (res < 0)
        return res;
    return move_ends(r, now, count) ? 0 : begin(r, r->since_wall_ms, until, mem, err);
}

static struct cw_metric *verdicts_read(void)
{
    return cw_counter("causeway_recall_verdicts_total",
                      "Verdicts that were read back from the results topic.", NULL, NULL);
}

static int read_on(struct cw_recall *r, int64_t since_wall_ms, struct cw_deadline until, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    uint64_t number = ++r->begun;
    size_t before = r->count;
    int res = cw_arena_new(SPANS_MEM_BYTES, &mem);
    if (res < 0)
        return cw_err_set(err, res, "no memory to read verdicts");
    res = extend(r, since_wall_ms, until, mem, err);
    if (res == 0 && !r->is_full)
        res = r->reader.read(r->reader.arg, r->spans, r->span_count, index_record, r, until, err);
    cw_metric_add(verdicts_read(), (int64_t)(r->count > before ? r->count - before : 0));
    if (res == 0)
        r->done = number;
    return res;
}

/* ---- one record ------------------------------------------------------------------------------------------------------ */

struct wanted {
    uint8_t id[ID_BYTES];
    struct cw_arena *mem;
    bool is_found;
    bool has_failed; /* no memory */
    struct cw_verdict verdict;
};

static struct cw_str copy(struct cw_arena *mem, struct cw_str s)
{
    const char *p = s.p == NULL ? NULL : cw_arena_memdup(mem, s.p, s.n);
    return (struct cw_str){p, p == NULL ? 0 : s.n};
}

static bool keep_record(void *arg, const struct cw_kafka_message *m)
{
    struct wanted *w = arg;
    uint8_t id[ID_BYTES];
    if (!id_of(m, id) || memcmp(id, w->id, ID_BYTES) != 0)
        return true;
    struct cw_header *headers = cw_arena_alloc_array(w->mem, m->header_count + 1, sizeof *headers);
    for (size_t i = 0; headers != NULL && i < m->header_count; i++)
        headers[i] = (struct cw_header){cw_arena_strdup(w->mem, m->headers[i].name),
                                        copy(w->mem, m->headers[i].value)};
    w->verdict.record = (struct cw_record_out){
        .headers = headers, .header_count = m->header_count, .value = copy(w->mem, m->value)};
    w->has_failed = headers == NULL || cw_arena_failed(w->mem);
    w->is_found = true;
    return false;
}

/* Only the outcome is looked at, whatever it says: the verdict of another version is one, too. */
static int decode(struct wanted *w, struct cw_err *err)
{
    const struct cw_str body = w->verdict.record.value;
    json_t *doc;
    if (w->has_failed)
        return cw_err_set(err, CW_ENOMEM, "no memory for a verdict");
    int res = cw_json_parse_in(w->mem, body.p, body.n, CW_EVENT_OUT_BYTES_MAX, &doc, err);
    if (res == -CW_ENOMEM)
        return res;
    w->verdict.outcome = res < 0 ? NULL : cw_json_str(doc, "outcome", NULL);
    return w->verdict.outcome != NULL ? 0
                                      : cw_err_set(err, CW_EPROTO, "what was published as a verdict is none");
}

/* In the index: one record is read. Behind a full index: all that stands there. */
static int look_up(struct cw_recall *r, struct wanted *w, struct cw_deadline until, struct cw_err *err)
{
    const struct entry *e = r->cap == 0 ? NULL : slot_of(r->table, r->cap, w->id);
    if (e != NULL && e->partition >= 0) {
        struct cw_kafka_span one = {e->partition, e->offset, e->offset + 1};
        return r->reader.read(r->reader.arg, &one, 1, keep_record, w, until, err);
    }
    if (!r->is_full)
        return 0;
    struct cw_kafka_span *rest = malloc((r->span_count + 1) * sizeof *rest);
    if (rest == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to read verdicts");
    memcpy(rest, r->spans, r->span_count * sizeof *rest);
    int res = r->reader.read(r->reader.arg, rest, r->span_count, keep_record, w, until, err);
    free(rest);
    return res;
}

/* ---- exported -------------------------------------------------------------------------------------------------------- */

static int take_turn(struct cw_recall *r, struct cw_deadline until, struct cw_err *err)
{
    while (r->is_busy) {
        int res = cw_queue_wait(&r->waiters, until);
        if (res < 0) {
            if (!r->is_busy)
                cw_queue_signal(&r->waiters); /* the turn was meant for us */
            return cw_err_set(err, res, "waiting for others that read verdicts");
        }
    }
    r->is_busy = true;
    return 0;
}

static void give_turn(struct cw_recall *r)
{
    r->is_busy = false;
    cw_queue_signal(&r->waiters);
}

int cw_recall_find(struct cw_recall *r, const char *event_id, int64_t since_wall_ms, struct cw_deadline until,
                   struct cw_arena *mem, bool *ret_found, struct cw_verdict *ret_verdict, struct cw_err *err)
{
    struct wanted w = {.mem = mem};
    int64_t since = since_wall_ms <= 0 ? 0 : CW_MAX(since_wall_ms - CW_RECALL_SLACK_MS, INT64_C(0));
    uint64_t needed = r->begun + 1;
    if (!parse_id(cw_str_of(event_id), w.id))
        return cw_err_set(err, CW_EINVAL, "%s is no event id of a verdict", event_id);
    int res = take_turn(r, until, err);
    if (res < 0)
        return res;
    if (r->done < needed || !r->is_begun || since < r->since_wall_ms)
        res = read_on(r, since, until, err);
    if (res == 0)
        res = look_up(r, &w, until, err);
    give_turn(r);
    if (res == 0 && w.is_found)
        res = decode(&w, err);
    if (res < 0)
        return res;
    *ret_found = w.is_found;
    if (w.is_found)
        *ret_verdict = w.verdict;
    return 0;
}

size_t cw_recall_count(const struct cw_recall *r)
{
    return r->count;
}

int cw_recall_new(const struct cw_reader *reader, size_t entries_max, struct cw_recall **ret_recall)
{
    struct cw_recall *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -CW_ENOMEM;
    (void)verdicts_read();
    r->reader = *reader;
    r->entries_max = entries_max > 0 ? entries_max : CW_RECALL_ENTRIES_MAX;
    *ret_recall = r;
    return 0;
}

void cw_recall_free(struct cw_recall *r)
{
    if (r == NULL)
        return;
    CW_PRE(!r->is_busy);
    forget(r);
    free(r);
}

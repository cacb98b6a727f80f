#include "worker/engine/shorten.h"

#include "common/utf8.h"

#define SCRATCH_BYTES ((size_t)32 * 1024 * 1024)
#define VALUE_BYTES_LEAST 64 /* of a dead letter's original; less is nothing */

/* ---- verdicts -------------------------------------------------------------------------------------------------------- */

static bool drop_found(struct cw_result_v1 *r)
{
    bool any = false;
    for (size_t i = 0; i < r->step_count; i++) {
        any = any || r->steps[i].found_count > 0;
        r->steps[i].found_count = 0;
    }
    return any;
}

static bool drop_changed(struct cw_result_v1 *r)
{
    bool any = false;
    for (size_t i = 0; i < r->step_count; i++) {
        any = any || r->steps[i].changed_count > 0;
        r->steps[i].changed_count = 0;
    }
    return any;
}

static bool drop_probe(struct cw_result_v1 *r)
{
    bool any = r->evidence.probe_json != NULL;
    r->evidence.probe_json = NULL;
    return any;
}

/* Half of a list at a time: what stands first matters most. */
static bool halve(size_t *count)
{
    bool any = *count > 0;
    *count /= 2;
    return any;
}

static bool halve_problems(struct cw_result_v1 *r)
{
    return halve(&r->problem_count);
}

static bool halve_diagnosis(struct cw_result_v1 *r)
{
    return halve(&r->diagnosis_count);
}

/* What runs as it ran before needs no word. */
static bool drop_restored(struct cw_result_v1 *r)
{
    size_t n = 0, before = r->compute_count;
    for (size_t i = 0; i < before; i++) {
        if (!cw_z_eq(r->compute[i].before, r->compute[i].after))
            r->compute[n++] = r->compute[i];
    }
    r->compute_count = n;
    return n < before;
}

static bool halve_compute(struct cw_result_v1 *r)
{
    return halve(&r->compute_count);
}

static bool halve_left_over(struct cw_result_v1 *r)
{
    return halve(&r->left_over_count);
}

static bool drop_steps(struct cw_result_v1 *r)
{
    return r->step_count > 0 && (r->step_count = 0, true);
}

static bool drop_evidence(struct cw_result_v1 *r)
{
    const struct cw_proof_v1 *e = &r->evidence;
    bool any = e->workspace_url != NULL || e->endpoint_id != NULL || e->cluster_id != NULL ||
               e->zone_id != NULL || e->workspace_numeric_id != NULL || e->record_count > 0;
    r->evidence = (struct cw_proof_v1){0};
    return any;
}

/* In the order in which they go. */
static const struct {
    const char *name;
    bool (*drop)(struct cw_result_v1 *r);
} parts[] = {
    {"steps/found", drop_found},    {"steps/changed", drop_changed}, {"evidence/probe", drop_probe},
    {"compute", drop_restored},     {"problems", halve_problems},    {"compute", halve_compute},
    {"diagnosis", halve_diagnosis}, {"evidence", drop_evidence},     {"steps", drop_steps},
    {"leftOver", halve_left_over},
};

static bool is_named(const struct cw_result_v1 *r, const char *name)
{
    for (size_t i = 0; i < r->left_out_count; i++) {
        if (cw_z_eq(r->left_out[i], name))
            return true;
    }
    return false;
}

static bool name_left_out(struct cw_result_v1 *r, const char *name, struct cw_arena *mem)
{
    if (is_named(r, name))
        return true;
    const char **names = cw_arena_alloc_array(mem, r->left_out_count + 1, sizeof *names);
    if (names == NULL)
        return false;
    for (size_t i = 0; i < r->left_out_count; i++)
        names[i] = r->left_out[i];
    names[r->left_out_count++] = name;
    r->left_out = names;
    return true;
}

bool cw_result_leave_out(struct cw_result_v1 *result, struct cw_arena *mem)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(parts); i++) {
        if (parts[i].drop(result))
            return name_left_out(result, parts[i].name, mem);
    }
    return false;
}

/* What is known of an event that is to be written again. */
static struct cw_record_in to_read(const struct cw_record_out *record)
{
    return (struct cw_record_in){
        .headers = record->headers,
        .header_count = record->header_count,
        .key = record->key,
        .value = record->value,
    };
}

static int nothing_left(struct cw_err *err, size_t bytes)
{
    (void)cw_err_set(err, CW_ETOOBIG, "an event of %zu bytes is refused, and can't be shortened", bytes);
    cw_err_remedy(err, "raise max.message.bytes of the topic");
    return -CW_ETOOBIG;
}

/* Members beyond the limits of a reader are left out by it: so much the shorter. */
static bool is_readable(int r)
{
    return r == 0 || r == -CW_EINVAL;
}

/* Leave out until a quarter is gone, so that also a far lower limit is reached in a few sends. */
static int leave_out_quarter(struct cw_result_v1 *result, const struct cw_event *event, size_t bytes,
                             struct cw_arena *scratch, struct cw_err *err)
{
    struct cw_record_out record = {.value.n = bytes};
    while (record.value.n > bytes / 4 * 3 && cw_result_leave_out(result, scratch)) {
        CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
        int r = cw_arena_new(SCRATCH_BYTES, &mem);
        if (r == 0)
            r = cw_result_encode(result, event, NULL, mem, &record, err);
        if (r < 0)
            return r;
    }
    return record.value.n < bytes ? 0 : nothing_left(err, bytes);
}

int cw_verdict_shorten(const struct cw_verdict *verdict, struct cw_arena *mem, struct cw_verdict *ret_verdict,
                       struct cw_err *err)
{
    const struct cw_record_in rec = to_read(&verdict->record);
    struct cw_result_v1 result = {0};
    struct cw_event event;
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(SCRATCH_BYTES, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory to shorten a verdict");
    int r = cw_result_decode(&rec, scratch, &event, &result, err);
    if (is_readable(r))
        r = leave_out_quarter(&result, &event, rec.value.n, scratch, err);
    if (r < 0)
        return r;
    struct cw_verdict shorter = {.outcome = verdict->outcome};
    r = cw_result_encode(&result, &event, NULL, mem, &shorter.record, err);
    if (r == 0)
        *ret_verdict = shorter;
    return r;
}

/* ---- dead letters ---------------------------------------------------------------------------------------------------- */

/* A multiple of four is whole base64. */
static bool halve_text(const char **text, bool is_base64, struct cw_arena *mem)
{
    size_t n = *text == NULL ? 0 : strlen(*text);
    if (n == 0)
        return false;
    size_t keep = n / 2 < VALUE_BYTES_LEAST ? 0 : is_base64 ? n / 2 / 4 * 4 : cw_utf8_cut(*text, n / 2);
    *text = keep == 0 ? NULL : cw_arena_memdup(mem, *text, keep);
    return keep == 0 || *text != NULL;
}

bool cw_letter_leave_out(struct cw_deadletter_v1 *letter, struct cw_arena *mem)
{
    struct cw_original_v1 *o = &letter->original;
    bool any = halve_text(&o->value, false, mem) || halve_text(&o->value_base64, true, mem);
    if (!any && (any = o->header_count > 0))
        o->header_count = 0;
    if (!any)
        any = halve_text(&o->key, false, mem) || halve_text(&o->key_base64, true, mem);
    if (!any)
        any = halve(&letter->problem_count);
    o->truncated = o->truncated || any;
    return any;
}

int cw_letter_shorten(const struct cw_record_out *record, struct cw_arena *mem,
                      struct cw_record_out *ret_record, struct cw_err *err)
{
    const struct cw_record_in rec = to_read(record);
    struct cw_deadletter_v1 letter = {0};
    struct cw_event event;
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(SCRATCH_BYTES, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory to shorten a dead letter");
    int r = cw_deadletter_decode(&rec, scratch, &event, &letter, err);
    if (!is_readable(r))
        return r;
    if (!cw_letter_leave_out(&letter, scratch))
        return nothing_left(err, rec.value.n);
    struct cw_str key = record->key;
    if (letter.original.key == NULL && letter.original.key_base64 == NULL)
        key = (struct cw_str){NULL, 0};
    return cw_deadletter_encode(&letter, &event, key, mem, ret_record, err);
}

/* ---- progress -------------------------------------------------------------------------------------------------------- */

static bool drop_idle(struct cw_finished_v1 *f, struct cw_arena *mem)
{
    struct cw_compute_v1 *running = cw_arena_alloc_array(mem, f->compute_count, sizeof *running);
    size_t n = 0, before = f->compute_count;
    for (size_t i = 0; running != NULL && i < before; i++) {
        if (f->compute[i].was_running)
            running[n++] = f->compute[i];
    }
    if (running == NULL || n == before)
        return false;
    f->compute = running;
    f->compute_count = n;
    return true;
}

bool cw_progress_leave_out(struct cw_progress_v1 *progress, struct cw_arena *mem)
{
    static const char *said[] = {"more than fits into an event"};
    struct cw_finished_v1 *f = &progress->finished;
    if (f->found != said && (f->found_count > 0 || f->changed_count > 0)) {
        f->found = said;
        f->found_count = 1;
        f->changed_count = 0;
        return true;
    }
    return f->compute_count > 0 && drop_idle(f, mem);
}

/* Redis forgot, this worker did not: what the former claim learned is written again before the plan goes on. Above all, what ran before
 * compute was stopped must not be lost while somebody still knows it. */
#include "worker/engine/legs.h"

#define NAME_BYTES 128

struct cw_memory {
    struct cw_pair *pairs;
    size_t count;
    size_t cap;
};

static bool add(struct cw_memory *m, struct cw_arena *mem, const char *prefix, const char *name,
                const char *value)
{
    if (m->count == m->cap || value == NULL)
        return false;
    const char *field = name == NULL ? prefix : cw_arena_printf(mem, "%s:%s", prefix, name);
    m->pairs[m->count++] = (struct cw_pair){field, value};
    return field != NULL;
}

static bool add_number(struct cw_memory *m, struct cw_arena *mem, const char *prefix, const char *name,
                       int64_t n)
{
    return add(m, mem, prefix, name, cw_arena_printf(mem, "%lld", (long long)n));
}

static bool add_step(struct cw_memory *m, struct cw_arena *mem, const struct cw_job_step *s)
{
    const char *name = s->def->name;
    bool ok = true;
    if (s->begun > 0)
        ok = add_number(m, mem, "b", name, s->begun);
    if (s->charged > 0)
        ok = ok && add_number(m, mem, "f", name, s->charged);
    if (s->begun_wall_ms > 0)
        ok = ok && add_number(m, mem, "t", name, s->begun_wall_ms);
    if (s->is_undone)
        ok = ok && add(m, mem, "u", name, cw_step_record_print(&s->record, mem));
    else if (s->is_done && !s->is_failed)
        ok = ok && add(m, mem, "d", name, cw_step_record_print(&s->record, mem));
    else if (s->record.changed_count > 0 || s->has_kept)
        ok = ok && add(m, mem, "p", name, cw_step_record_print(&s->record, mem));
    if (s->is_announced)
        ok = ok && add(m, mem, "a", name, "1");
    return ok;
}

int cw_job_remember(const struct cw_job *job, struct cw_arena *mem, struct cw_memory **ret_memory)
{
    struct cw_memory *m = cw_arena_alloc(mem, sizeof *m);
    if (m == NULL)
        return -CW_ENOMEM;
    *ret_memory = m;
    if (job->steps == NULL)
        return 0;
    m->cap = job->step_count * 5 + 1;
    for (const struct cw_job_operation *op = job->operations; op != NULL; op = op->next)
        m->cap++;
    m->pairs = cw_arena_alloc_array(mem, m->cap, sizeof *m->pairs);
    bool ok = m->pairs != NULL;
    for (size_t i = 0; ok && i < job->step_count; i++)
        ok = add_step(m, mem, &job->steps[i]);
    if (job->has_failure)
        ok = ok && add(m, mem, "fail", NULL, cw_failure_record_print(&job->failure, mem));
    for (const struct cw_job_operation *op = job->operations; ok && op != NULL; op = op->next) {
        char *id = cw_arena_strdup(mem, op->resource_id);
        ok = id != NULL;
        if (ok)
            cw_z_lower(id);
        ok = ok && add(m, mem, "o", id, cw_arena_strdup(mem, op->text));
    }
    return ok ? 0 : -CW_ENOMEM;
}

static bool has_operation(const struct cw_log *log, const char *resource_id)
{
    for (size_t i = 0; i < log->operation_count; i++) {
        if (cw_z_eq(log->operations[i].resource_id, resource_id))
            return true;
    }
    return false;
}

static bool is_known(const struct cw_log *log, const char *field)
{
    if (cw_z_eq(field, "fail"))
        return log->failure != NULL;
    if (field[0] == 'o')
        return has_operation(log, field + 2);
    const struct cw_log_step *s = cw_log_find(log, field + 2);
    if (s == NULL)
        return false;
    switch (field[0]) {
    case 'a':
        return s->is_announced;
    case 'b':
        return s->begun > 0;
    case 'f':
        return s->charged > 0;
    case 't':
        return s->begun_wall_ms > 0;
    case 'p':
        return s->done != NULL;
    case 'u':
        return s->undone != NULL;
    default:
        return s->done != NULL;
    }
}

int cw_job_restore(struct cw_job *job, const struct cw_memory *m, bool *ret_wrote, struct cw_err *err)
{
    const struct cw_claim claim = cw_job_claim(job);
    *ret_wrote = false;
    for (size_t i = 0; i < m->count;) {
        struct cw_change change = {.set_count = 0};
        for (; i < m->count && change.set_count < CW_CHANGE_MAX; i++) {
            if (!is_known(&job->log, m->pairs[i].name))
                change.set[change.set_count++] = m->pairs[i];
        }
        if (change.set_count == 0)
            continue;
        int r = cw_journal_write(&job->parts->journal, &claim, &change, CW_NEVER, NULL, err);
        if (r < 0)
            return r;
        *ret_wrote = true;
    }
    return 0;
}

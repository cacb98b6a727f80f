/* What was begun is put back; what can't be is told. */
#include "worker/engine/legs.h"

/* What the step changed stays as it is: before its undo began it had told `changes` of them. */
static void add_left_over(struct cw_job *job, const struct cw_job_step *s, size_t changes)
{
    bool is_unknown = changes == 0 && (!s->is_done || s->record.outcome == CW_STEP_OUTCOME_SKIPPED);
    size_t more = is_unknown ? 1 : changes;
    const char **lines =
        cw_arena_alloc_array(job->run_mem, job->left_over_count + more, sizeof *job->left_over);
    if (lines == NULL)
        return;
    if (job->left_over_count > 0)
        memcpy(lines, job->left_over, job->left_over_count * sizeof *lines);
    job->left_over = lines;
    for (size_t i = 0; i < more; i++) {
        const char *what = !is_unknown    ? s->record.changed[i]
                           : s->begun > 0 ? "it was begun; what it changed is not known"
                                          : "it may have been begun; what it changed is not known";
        const char *line = cw_arena_printf(job->run_mem, "%s: %s", s->def->name, what);
        if (line != NULL)
            lines[job->left_over_count++] = line;
    }
}

void cw_job_note_foreign(struct cw_job *job)
{
    bool has_failed = job->has_failure || cw_facts_proof(&job->facts)->code != NULL;
    for (size_t i = job->plan == NULL ? 0 : job->plan->step_count; job->steps != NULL && i < job->step_count;
         i++) {
        const struct cw_job_step *s = &job->steps[i];
        if (s->begun > 0 && !s->is_undone && (has_failed || !s->is_done))
            add_left_over(job, s, s->record.changed_count);
    }
}

/* The verdict must say what could not be put back, and why. */
static void note_undo_failure(struct cw_job *job, const struct cw_job_step *s, size_t changes,
                              const struct cw_err *why)
{
    struct cw_failure_record *all = &job->undo_failure;
    const char *text = cw_arena_printf(
        job->run_mem,
        s->begun > 0 ? "undoing %s failed: %s" : "it could not be seen whether an earlier run began %s: %s",
        s->def->name, why->text);
    if (job->has_undo_failure)
        all->message = cw_arena_printf(job->run_mem, "%s; %s", all->message, text);
    else {
        *all = cw_job_failure_of(job, CW_OUTCOME_FAILED, s->def->name, why);
        all->message = text;
    }
    job->has_undo_failure = true;
    add_left_over(job, s, changes);
}

void cw_job_note_unknown(struct cw_job *job, const struct cw_job_step *s, const struct cw_err *why)
{
    note_undo_failure(job, s, s->record.changed_count, why);
}

static bool needs_undo(const struct cw_job_step *s)
{
    return s->def->undo != NULL && s->begun > 0 && !s->is_undone;
}

static int undo_step(struct cw_job *job, size_t i, struct cw_deadline until, struct cw_err *err)
{
    const struct cw_job_step *s = &job->steps[i];
    size_t changes = s->record.changed_count;
    bool is_step = false;
    if (s->undo_crashes >= job->parts->crash_limit) {
        (void)cw_err_set(err, CW_EBUG, "%lld workers died in it", (long long)s->undo_crashes);
        cw_err_remedy(err, "put it back by hand, and report it with the workers' logs");
        note_undo_failure(job, s, changes, err);
        return 0;
    }
    int r = cw_step_undo(job, i, until, &is_step, err);
    if (r < 0 && is_step && !cw_class_is_stop(err->class)) {
        note_undo_failure(job, s, changes, err);
        return 0;
    }
    return r;
}

static int undo_steps(struct cw_job *job, struct cw_err *err)
{
    for (size_t i = job->plan->step_count; i > 0; i--) {
        if (!needs_undo(&job->steps[i - 1]))
            continue;
        /* A deadline for each: one that takes long must not keep compute from being started again. */
        int r = undo_step(job, i - 1, cw_in_ms(job->parts->undo_timeout_ms), err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Nobody to ask: all of it is left over. */
static void give_up_undo(struct cw_job *job, const struct cw_err *why)
{
    for (size_t i = job->plan->step_count; i > 0; i--) {
        const struct cw_job_step *s = &job->steps[i - 1];
        if (needs_undo(s) && (s->record.changed_count > 0 || !s->is_done))
            note_undo_failure(job, s, s->record.changed_count, why);
    }
}

int cw_job_undo(struct cw_job *job, struct cw_err *err)
{
    int r = 0;
    if (cw_job_is_plan_only(job))
        return 0;
    if (job->svc == NULL)
        r = job->parts->clients_of(job->parts->clients_arg, &job->req, &job->svc, err);
    if (r == -CW_EREJECTED) {
        give_up_undo(job, err);
        return 0;
    }
    if (r == 0)
        r = cw_job_find_begun(job, false, err);
    return r < 0 ? r : undo_steps(job, err);
}

int cw_job_undo_skipped(struct cw_job *job, struct cw_err *err)
{
    int r = cw_job_is_plan_only(job) ? 0 : cw_job_find_begun(job, true, err);
    for (size_t i = job->plan->step_count; r == 0 && i > 0; i--) {
        const struct cw_job_step *s = &job->steps[i - 1];
        if (s->record.outcome == CW_STEP_OUTCOME_SKIPPED && needs_undo(s))
            r = undo_step(job, i - 1, cw_in_ms(job->parts->undo_timeout_ms), err);
    }
    return r;
}

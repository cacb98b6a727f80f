/* The last legs: put back what must be put back, then say how it went. */
#include "worker/engine/legs.h"

#define MARK_MS 10000

static enum cw_next again(const struct cw_err *err)
{
    if (err->class != CW_CLASS_CANCELLED && err->class != CW_CLASS_LOST)
        cw_log_err(CW_WARN, "job.again", err);
    return CW_NEXT_AGAIN;
}

/* ---- undo ------------------------------------------------------------------------------------------------------------- */

static int store_failure(struct cw_job *job, struct cw_err *err)
{
    if (job->is_failure_stored)
        return 0;
    const char *text = cw_failure_record_print(&job->failure, job->run_mem);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a failure");
    const struct cw_claim claim = cw_job_claim(job);
    const struct cw_change change = {
        .set = {{"fail", text}}, .set_count = 1, .del = {"open"}, .del_count = 1};
    int r = cw_journal_write(&job->parts->journal, &claim, &change, CW_NEVER, NULL, err);
    job->is_failure_stored = r == 0;
    return r;
}

/* The verdict must say what could not be put back. */
static void note_undo_failure(struct cw_job *job, const char *step, const char *text)
{
    const char *message =
        cw_arena_printf(job->run_mem, "%s; then undoing %s failed: %s", job->failure.message, step, text);
    if (message == NULL)
        return;
    job->failure.message = message;
    if (job->failure.outcome == CW_OUTCOME_CANCELLED || job->failure.outcome == CW_OUTCOME_REJECTED)
        job->failure.outcome = CW_OUTCOME_FAILED;
}

static bool needs_undo(const struct cw_job_step *s)
{
    return s->def->undo != NULL && s->begun > 0 && !s->is_undone;
}

static int undo_step(struct cw_job *job, size_t i, struct cw_deadline until, struct cw_err *err)
{
    const struct cw_job_step *s = &job->steps[i];
    bool is_step = false;
    if (s->undo_crashes >= job->parts->crash_limit) {
        note_undo_failure(job, s->def->name, "workers died in it");
        return 0;
    }
    int r = cw_step_undo(job, i, until, &is_step, err);
    if (r < 0 && is_step && err->class != CW_CLASS_LOST && err->class != CW_CLASS_CANCELLED) {
        note_undo_failure(job, s->def->name, err->text);
        return 0;
    }
    return r;
}

enum cw_next cw_leg_undo(struct cw_job *job)
{
    struct cw_err err = {0};
    cw_job_set_state(job, CW_JOB_UNDOING);
    int r = store_failure(job, &err);
    if (r < 0)
        return again(&err);
    bool has_nothing = cw_job_is_plan_only(job) || job->svc == NULL;
    for (size_t i = has_nothing ? 0 : job->plan->step_count; i > 0; i--) {
        if (!needs_undo(&job->steps[i - 1]))
            continue;
        /* A deadline for each: one that takes long must not keep compute from being started again. */
        r = undo_step(job, i - 1, cw_in_ms(job->parts->undo_timeout_ms), &err);
        if (r < 0)
            return again(&err);
    }
    return CW_NEXT_FINISH;
}

/* ---- verdict ---------------------------------------------------------------------------------------------------------- */

static int store_verdict(struct cw_job *job, struct cw_err *err)
{
    struct cw_verdict verdict, stored;
    enum cw_stored how;
    if (job->has_verdict)
        return 0;
    const struct cw_claim claim = cw_job_claim(job);
    int r = cw_job_make_verdict(job, &verdict, err);
    if (r == 0)
        r = cw_journal_verdict(&job->parts->journal, &claim, &verdict, CW_NEVER, job->run_mem, &stored, &how,
                               err);
    if (r < 0)
        return r;
    job->verdict = stored;
    job->has_verdict = true;
    return 0;
}

enum cw_next cw_leg_finish(struct cw_job *job)
{
    struct cw_err err = {0};
    cw_job_set_state(job, CW_JOB_PUBLISHING);
    int r = store_verdict(job, &err);
    if (r == 0)
        r = cw_publish_verdict(&job->parts->publish, job->req.workspace_key, &job->verdict, &err);
    if (r < 0)
        return again(&err);
    cw_meter_verdict(job->verdict.outcome);
    cw_log(CW_INFO, "job.ended", CW_F_STR("outcome", job->verdict.outcome),
           CW_F_INT("ms", cw_wall_ms() - job->accepted_wall_ms));
    r = cw_journal_published(&job->parts->journal, job->job_key, cw_in_ms(MARK_MS), &err);
    if (r < 0)
        cw_log_err(CW_WARN, "journal.unmarked", &err);
    return CW_NEXT_END;
}

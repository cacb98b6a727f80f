/* The last legs: put back what must be put back, then say how it went. */
#include "worker/engine/legs.h"

#define MARK_MS 10000

static enum cw_next again(const struct cw_err *err)
{
    if (!cw_class_is_stop(err->class))
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
    const struct cw_change change = {.set = {{"fail", text}}, .set_count = 1};
    int r = cw_journal_write(&job->parts->journal, &claim, &change, CW_NEVER, NULL, err);
    job->is_failure_stored = r == 0;
    return r;
}

enum cw_next cw_leg_undo(struct cw_job *job)
{
    struct cw_err err = {0};
    cw_job_set_state(job, CW_JOB_UNDOING);
    int r = store_failure(job, &err);
    if (r < 0)
        return again(&err);
    r = cw_job_undo(job, &err);
    return r < 0 ? again(&err) : CW_NEXT_FINISH;
}

/* ---- verdict ---------------------------------------------------------------------------------------------------------- */

static int store_verdict(struct cw_job *job, struct cw_err *err)
{
    struct cw_verdict verdict, stored;
    enum cw_stored how;
    if (job->has_verdict)
        return 0;
    const struct cw_claim claim = cw_job_claim(job);
    if (!cw_job_is_plan_only(job))
        cw_job_note_foreign(job);
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
        r = cw_job_send_verdict(job, &err);
    if (r == 0)
        r = cw_repeat_go_on(job, &err);
    if (r < 0)
        return again(&err);
    cw_meter_verdict(job->verdict.outcome);
    cw_log(CW_INFO, "job.ended", CW_F_STR("outcome", job->verdict.outcome),
           CW_F_INT("ms", cw_wall_ms() - job->accepted_wall_ms));
    r = cw_journal_published(&job->parts->journal, job->job_key, &job->verdict, cw_in_ms(MARK_MS), &err);
    if (r < 0)
        cw_log_err(CW_WARN, "journal.unmarked", &err);
    return CW_NEXT_END;
}

/* The main leg: take the lock, load the journal, run what is left of the plan. */
#include "worker/engine/legs.h"

static enum cw_next again(const struct cw_err *err)
{
    if (!cw_class_is_stop(err->class))
        cw_log_err(CW_WARN, "job.again", err);
    return CW_NEXT_AGAIN;
}

/* ---- lock and claim --------------------------------------------------------------------------------------------------- */

static int take_lock(struct cw_job *job, struct cw_err *err)
{
    const struct cw_lock_want want = {
        .resource = job->req.workspace_key,
        .request_id = job->req.event.id,
        .job_key = job->job_key,
        .ops = &cw_job_lease_ops,
        .ops_arg = job,
    };
    int64_t since = cw_mono_ms();
    struct cw_lease *lease;
    int r = cw_lock_take(job->parts->locks, &want, job->must_run ? CW_NEVER : job->until, &lease, err);
    cw_meter_lock_wait(cw_mono_ms() - since);
    if (r < 0)
        return r;
    job->lease = lease;
    job->lease_is_lost = false;
    job->voice.epoch = cw_lease_epoch(lease);
    job->voice.number = 0;
    job->said.is_set = false;
    return 0;
}

/* No lock: is it a reason to end without having run? */
static enum cw_next without_lock(struct cw_job *job, int r, const struct cw_err *err)
{
    if (r == -CW_ETIMEDOUT && cw_is_past(job->until))
        return CW_NEXT_SETTLE;
    if (r == -CW_ECANCELED)
        return job->must_run ? CW_NEXT_RUN : CW_NEXT_SETTLE;
    return again(err);
}

static int load_journal(struct cw_job *job, struct cw_err *err)
{
    const struct cw_claim mine = cw_job_claim(job);
    const struct cw_plan *plan = job->parts->plan_of(&job->req);
    int r = cw_job_reset_run(job);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a request");
    return cw_journal_claim(&job->parts->journal, &mine, job->former_value,
                            cw_request_kind_name(job->req.kind), plan == NULL ? 0 : plan->version,
                            job->accepted_wall_ms, CW_NEVER, job->run_mem, &job->log, err);
}

/* Load the journal, with what this process knows and Redis forgot. When it fails the job still knows it (job->memory). */
static int load_and_restore(struct cw_job *job, struct cw_err *err)
{
    bool wrote = false;
    int r = load_journal(job, err);
    if (r == 0 && !job->log.has_verdict && job->memory != NULL)
        r = cw_job_restore(job, job->memory, &wrote, err);
    if (wrote)
        cw_log(CW_WARN, "journal.restored", CW_F_INT("claims", job->log.claims));
    return r == 0 && wrote ? load_journal(job, err) : r;
}

static void forget_memory(struct cw_job *job)
{
    cw_arena_free(CW_TAKE(job->memory_mem));
    job->memory = NULL;
}

static int claim(struct cw_job *job, struct cw_err *err)
{
    int r = load_and_restore(job, err);
    if (r < 0)
        return r;
    job->must_run = true;
    free(CW_TAKE(job->former_value));
    if (job->log.accepted_wall_ms > 0)
        job->accepted_wall_ms = job->log.accepted_wall_ms;
    job->has_verdict = job->log.has_verdict;
    job->verdict_epoch = job->has_verdict ? cw_verdict_epoch(&job->log.verdict) : 0;
    job->is_verdict_out = job->log.is_published;
    job->verdict = job->log.verdict;
    if (job->step_mem == NULL)
        r = cw_arena_new(job->parts->step_memory_max, &job->step_mem);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a request");
    r = cw_job_load(job, err);
    if (r == 0)
        forget_memory(job);
    else {
        job->steps = NULL;
        job->step_count = 0;
    }
    return r;
}

/* ---- reasons not to run ----------------------------------------------------------------------------------------------- */

/* Also what was begun in Azure, and whose end no run has seen. */
static bool has_changed(const struct cw_job *job)
{
    if (job->operations != NULL)
        return true;
    for (size_t i = 0; i < job->step_count; i++) {
        if (job->steps[i].record.changed_count > 0)
            return true;
    }
    return false;
}

/* Nothing was done and nothing could have been: the request was refused. */
static enum cw_outcome outcome_of(const struct cw_job *job, const struct cw_err *err)
{
    if (err->class == CW_CLASS_CANCELLED && job->cancel != NULL)
        return CW_OUTCOME_CANCELLED;
    bool is_refusal =
        err->code == CW_EREJECTED || err->code == CW_EUNSUPPORTED || err->class == CW_CLASS_INVALID;
    bool is_untouched = cw_job_is_plan_only(job) || !has_changed(job);
    return is_refusal && is_untouched ? CW_OUTCOME_REJECTED : CW_OUTCOME_FAILED;
}

static void fail_cancelled(struct cw_job *job, const char *step)
{
    struct cw_err why = {0};
    (void)cw_err_set(&why, CW_ECANCELED, "cancelled: %s", job->cancel);
    cw_job_fail(job, CW_OUTCOME_CANCELLED, step, &why);
}

static void fail_crashed(struct cw_job *job, int64_t crashes, const char *step)
{
    struct cw_err why = {0};
    (void)cw_err_set(&why, CW_EBUG, "%lld workers died in %s%s", (long long)crashes,
                     step == NULL ? "it, between its steps" : "step ", step == NULL ? "" : step);
    cw_err_remedy(&why, "report it with the workers' logs; the request is not tried again");
    cw_job_fail(job, CW_OUTCOME_FAILED, step, &why);
}

static bool has_crashed_too_often(struct cw_job *job)
{
    for (size_t i = 0; i < job->plan->step_count; i++) {
        const struct cw_job_step *s = &job->steps[i];
        if (!s->is_done && s->crashes >= job->parts->crash_limit) {
            fail_crashed(job, s->crashes, s->def->name);
            return true;
        }
    }
    if (job->crashes_between < job->parts->crash_limit)
        return false;
    fail_crashed(job, job->crashes_between, NULL);
    return true;
}

static bool is_too_late(struct cw_job *job, const char *step)
{
    struct cw_err why = {0};
    if (!cw_is_past(job->until))
        return false;
    (void)cw_err_set(&why, CW_ETIMEDOUT, "the request's deadline has passed");
    cw_err_remedy(&why, "send it again with a longer options.deadlineMinutes; what is done stays done");
    cw_job_fail(job, CW_OUTCOME_FAILED, step, &why);
    return true;
}

static bool has_begun(const struct cw_job *job)
{
    for (size_t i = 0; i < job->plan->step_count; i++) {
        if (job->steps[i].begun > 0)
            return true;
    }
    return false;
}

/* Another version began it, this one can't read it: it goes no further. */
static void fail_refused(struct cw_job *job)
{
    struct cw_err why = job->refusal;
    if (!has_begun(job)) {
        cw_job_fail(job, CW_OUTCOME_REJECTED, NULL, &why);
        return;
    }
    (void)cw_err_wrap(&why, "it was begun, but this worker's version refuses it");
    cw_job_fail(job, CW_OUTCOME_FAILED, NULL, &why);
}

/* What the journal or the clock says before the first step. */
static bool must_end(struct cw_job *job)
{
    if (job->has_failure)
        return true;
    if (job->refusal.code != 0) {
        fail_refused(job);
        return true;
    }
    if (job->log.cancel != NULL && job->cancel == NULL)
        job->cancel = strdup(job->log.cancel);
    if (job->cancel != NULL) {
        fail_cancelled(job, NULL);
        return true;
    }
    return has_crashed_too_often(job) || is_too_late(job, NULL);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

static enum cw_next step_failed(struct cw_job *job, const char *step, bool is_step, struct cw_err *err)
{
    if (err->class == CW_CLASS_LOST)
        return CW_NEXT_AGAIN;
    if (err->class == CW_CLASS_CANCELLED) {
        if (job->cancel == NULL)
            return CW_NEXT_AGAIN;
        fail_cancelled(job, step);
        return CW_NEXT_UNDO;
    }
    if (!is_step)
        return again(err);
    if (err->code == CW_ETIMEDOUT && err->remedy[0] == '\0')
        cw_err_remedy(err,
                      "the step's own time was used up; send the request again: what is done stays done");
    cw_job_fail(job, outcome_of(job, err), step, err);
    return CW_NEXT_UNDO;
}

static enum cw_next run_steps(struct cw_job *job)
{
    for (size_t i = 0; i < job->plan->step_count; i++) {
        struct cw_err err = {0};
        const char *name = job->plan->steps[i]->name;
        bool is_step = false;
        if (job->cancel != NULL) {
            fail_cancelled(job, NULL);
            return CW_NEXT_UNDO;
        }
        if (!job->steps[i].is_done && is_too_late(job, name))
            return CW_NEXT_UNDO;
        if (cw_step_execute(job, i, &is_step, &err) < 0)
            return step_failed(job, name, is_step, &err);
        job->pause_count = 0;
    }
    struct cw_err err = {0};
    if (cw_job_undo_skipped(job, &err) < 0)
        return step_failed(job, NULL, false, &err);
    return CW_NEXT_FINISH;
}

enum cw_next cw_leg_run(struct cw_job *job)
{
    struct cw_err err = {0};
    bool is_known = false;
    cw_job_set_state(job, CW_JOB_LOCKING);
    job->begun_wall_ms = cw_wall_ms();
    int r = take_lock(job, &err);
    if (r < 0)
        return without_lock(job, r, &err);
    r = claim(job, &err);
    /* A former owner may have ended it, and Redis may have forgotten just that. */
    if (r == 0 && !job->has_verdict)
        r = cw_job_recall(job, &is_known, &err);
    if (r == -CW_ECANCELED && job->cancel != NULL)
        return CW_NEXT_RUN;
    if (r < 0)
        return again(&err);
    cw_job_set_state(job, CW_JOB_RUNNING);
    cw_log(CW_INFO, "job.started", CW_F_STR("kind", cw_request_kind_name(job->req.kind)),
           CW_F_INT("epoch", job->voice.epoch), CW_F_INT("claims", job->log.claims));
    if (job->has_verdict)
        return CW_NEXT_FINISH;
    r = job->parts->clients_of(job->parts->clients_arg, &job->req, &job->svc, &err);
    if (r < 0 && r != -CW_EREJECTED)
        return again(&err);
    if (must_end(job))
        return CW_NEXT_UNDO;
    if (r < 0) {
        cw_job_fail(job, outcome_of(job, &err), NULL, &err);
        return CW_NEXT_UNDO;
    }
    return run_steps(job);
}

/* A cancel request: a flag in the target's journal, a word to its fiber if it runs here, and an answer when it has ended. */
#include "worker/engine/legs.h"
#include "worker/engine/runner.h"

#define LOOK_FIRST_MS 100
#define LOOK_MOST_MS 2000
#define UNKNOWN_GRACE_MS 3000 /* a target that was just taken from Kafka here */

struct wanted {
    const char *key;
    const char *reason;
    struct cw_target_look now;
    bool was_active;
};

static int refuse(struct cw_job *job, const char *remedy, struct cw_err *why)
{
    cw_err_remedy(why, "%s", remedy);
    cw_job_fail(job, CW_OUTCOME_REJECTED, NULL, why);
    return 0;
}

static int refuse_unknown(struct cw_job *job)
{
    struct cw_err why = {0};
    (void)cw_err_set(&why, CW_EREJECTED, "no request %s is known for this workspace",
                     job->req.cancel->request_id);
    return refuse(job, "give the id of the request's event and the workspace that it names", &why);
}

/* Its failure record is older than its undo: it says whether a cancel ended it. */
static bool was_cancelled(struct cw_job *job, const struct cw_target_look *target)
{
    struct cw_failure_record record;
    struct cw_err err = {0};
    return target->failure != NULL &&
           cw_failure_record_parse(target->failure, job->run_mem, &record, &err) == 0 &&
           record.outcome == CW_OUTCOME_CANCELLED;
}

static int fail_incomplete(struct cw_job *job)
{
    struct cw_err why = {0};
    (void)cw_err_set(&why, CW_EOPFAILED, "request %s was stopped, but not all of it could be put back",
                     job->req.cancel->request_id);
    cw_err_remedy(&why, "that request's verdict says in leftOver what is left, and in error what to do");
    cw_job_fail(job, CW_OUTCOME_FAILED, NULL, &why);
    return 0;
}

/* The target has ended: was it us? */
static int conclude(struct cw_job *job, const struct wanted *t)
{
    struct cw_err why = {0};
    if (cw_z_eq(t->now.outcome, cw_outcome_names[CW_OUTCOME_CANCELLED]))
        return 0;
    if (was_cancelled(job, &t->now))
        return fail_incomplete(job);
    (void)cw_err_set(&why, CW_EREJECTED, "request %s has already ended: %s", job->req.cancel->request_id,
                     t->now.outcome == NULL ? "unknown" : t->now.outcome);
    return refuse(job, "nothing is left to cancel: see that request's own verdict", &why);
}

static int too_late(struct cw_job *job)
{
    struct cw_err why = {0};
    (void)cw_err_set(&why, CW_ETIMEDOUT, "request %s did not end in time; it will when its current wait ends",
                     job->req.cancel->request_id);
    cw_err_remedy(&why, "it stays asked to end: wait for that request's own verdict");
    cw_job_fail(job, CW_OUTCOME_FAILED, NULL, &why);
    return 0;
}

static void say_waiting(struct cw_job *job, int64_t since, int64_t pause_ms)
{
    const struct cw_waiting waiting = {
        .reason = CW_WAIT_LOCK,
        .what = job->req.cancel->request_id,
        .detail = "the request is being stopped and undone",
        .percent = -1,
        .since_wall_ms = since,
        .next_wall_ms = cw_wall_ms() + pause_ms,
    };
    cw_say_waiting(job, &waiting);
}

/* Ask, then look until it has ended. 0 = the job's failure says how it went. */
static int stop_target(struct cw_job *job, struct wanted *t, struct cw_err *err)
{
    struct cw_deadline until = cw_in_ms(job->parts->cancel_timeout_ms), grace = cw_in_ms(UNKNOWN_GRACE_MS);
    int64_t since = cw_wall_ms();
    for (int64_t pause_ms = LOOK_FIRST_MS;; pause_ms = CW_MIN(pause_ms * 2, (int64_t)LOOK_MOST_MS)) {
        int r =
            cw_journal_cancel(&job->parts->journal, t->key, t->reason, CW_NEVER, job->run_mem, &t->now, err);
        if (r < 0)
            return r;
        if (t->now.state == CW_TARGET_ENDED)
            return conclude(job, t);
        bool is_here = cw_runner_cancel(job->parts->runner, t->key, t->reason);
        t->was_active = t->was_active || t->now.state == CW_TARGET_ACTIVE;
        if (t->now.state == CW_TARGET_UNKNOWN && !is_here && (!t->was_active || cw_is_past(grace)))
            return refuse_unknown(job);
        if (t->now.state == CW_TARGET_ACTIVE)
            grace = cw_in_ms(UNKNOWN_GRACE_MS);
        if (cw_is_past(until))
            return too_late(job);
        say_waiting(job, since, pause_ms);
        r = cw_sleep(cw_in_ms(pause_ms));
        if (r < 0)
            return cw_err_set(err, r, "stopped");
    }
}

static enum cw_next answer(struct cw_job *job, struct cw_err *err)
{
    struct cw_verdict verdict, stored = {0};
    enum cw_stored how = CW_STORED_CLAIMED;
    const struct cw_claim nobody = {.job_key = job->job_key};
    int r = cw_job_make_verdict(job, &verdict, err);
    if (r == 0)
        r = cw_journal_verdict(&job->parts->journal, &nobody, &verdict, CW_NEVER, job->run_mem, &stored, &how,
                               err);
    if (r < 0)
        return CW_NEXT_AGAIN;
    if (how == CW_STORED_CLAIMED)
        return CW_NEXT_END;
    job->verdict = stored;
    job->has_verdict = true;
    return CW_NEXT_FINISH;
}

enum cw_next cw_leg_cancel(struct cw_job *job)
{
    struct cw_err err = {0};
    bool has_verdict;
    cw_job_set_state(job, CW_JOB_SETTLING);
    int r = cw_job_accept(job, &has_verdict, &err);
    if (r < 0)
        return CW_NEXT_AGAIN;
    if (has_verdict)
        return CW_NEXT_FINISH;
    struct wanted t = {
        .key = cw_journal_key(job->run_mem, job->req.workspace_key, job->req.cancel->request_id),
        .reason = job->req.cancel->reason == NULL ? "asked for" : job->req.cancel->reason,
    };
    if (t.key == NULL)
        return CW_NEXT_AGAIN;
    r = cw_z_eq(t.key, job->job_key) ? refuse_unknown(job) : stop_target(job, &t, &err);
    return r < 0 ? CW_NEXT_AGAIN : answer(job, &err);
}

/* A cancel request: a flag in the target's journal, a word to its fiber if it runs here, and an answer: when the target has ended, or, if
 * nobody has begun it, at once. */
#include "worker/engine/legs.h"
#include "worker/engine/runner.h"

#define LOOK_FIRST_MS 100
#define LOOK_MOST_MS 2000
#define UNKNOWN_GRACE_MS 3000 /* for a holder to write again what Redis forgot */
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

struct wanted {
    const char *key;
    const char *id; /* of the request, or of the last run of its watch */
    bool is_watch;
    const char *reason;
    struct cw_target_look now;
    bool was_active;
    struct cw_deadline grace;
};

static int refuse(struct cw_job *job, const char *remedy, struct cw_err *why)
{
    cw_err_remedy(why, "%s", remedy);
    cw_job_fail(job, CW_OUTCOME_REJECTED, NULL, why);
    return 0;
}

static int refuse_cancel(struct cw_job *job)
{
    struct cw_err why = {0};
    (void)cw_err_set(&why, CW_EREJECTED, "request %s is a cancel, which can't be cancelled",
                     job->req.cancel->request_id);
    return refuse(job, "send the request that it ended again, with a new id", &why);
}

/* The flag is set, and whoever has the target or gets it acts on it: nothing is to be waited for here. */
static int promise(struct cw_job *job, const struct wanted *t)
{
    const char *id = t->id;
    if (t->is_watch && !t->was_active && !cw_z_eq(id, job->req.cancel->request_id))
        job->note = cw_arena_printf(job->run_mem,
                                    "request %s is not repeated any more: its next run, %s, ends cancelled",
                                    job->req.cancel->request_id, id);
    else if (t->was_active)
        job->note =
            cw_arena_printf(job->run_mem, "request %s was asked to end: its own verdict will follow", id);
    else if (t->now.state == CW_TARGET_QUEUED)
        job->note =
            cw_arena_printf(job->run_mem, "request %s had not begun, and ends cancelled without changes", id);
    else
        job->note = cw_arena_printf(
            job->run_mem,
            "no request %s is known for this workspace yet: if it comes within %d days, it ends "
            "cancelled without changes",
            id, (int)(CW_TOMBSTONE_MS / DAY_MS));
    return job->note == NULL ? -CW_ENOMEM : 0;
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
    if (t->is_watch) {
        job->note = cw_arena_printf(job->run_mem,
                                    "request %s is not repeated any more; its last run, %s, has ended: %s",
                                    job->req.cancel->request_id, t->id, t->now.outcome);
        return job->note == NULL ? -CW_ENOMEM : 0;
    }
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

/* Does anybody run it, so that there is an end to wait for? */
static bool must_wait(struct cw_job *job, struct wanted *t)
{
    bool is_here = cw_runner_cancel(job->parts->runner, t->key, t->reason);
    bool is_active = t->now.state == CW_TARGET_ACTIVE;
    t->was_active = t->was_active || is_active;
    if (is_active)
        t->grace = cw_in_ms(UNKNOWN_GRACE_MS);
    bool is_forgotten = t->was_active && !is_active; /* by Redis: its holder writes again */
    return (is_here || is_active || (is_forgotten && !cw_is_past(t->grace))) &&
           cw_runner_may_wait(job->parts->runner, job);
}

/* A request that repeats has ended, but perhaps not its watch: then it is the last run that is asked to end. *ret_follows: look at that one. */
static int follow_watch(struct cw_job *job, struct wanted *t, bool *ret_follows, struct cw_err *err)
{
    const struct cw_watch_key key = {job->req.workspace_key, job->req.cancel->request_id, job->job_key};
    struct cw_watch_look watch;
    *ret_follows = false;
    if (t->is_watch || t->now.state == CW_TARGET_ACTIVE || t->now.state == CW_TARGET_CANCEL)
        return 0;
    int r = cw_journal_end_watch(&job->parts->journal, &key, t->reason, CW_NEVER, job->run_mem, &watch, err);
    if (r < 0 || watch.run == 0)
        return r;
    t->is_watch = *ret_follows = true;
    t->id = cw_repeat_id(job->run_mem, key.watch_id, watch.run);
    t->key = t->id == NULL ? NULL : cw_journal_key(job->run_mem, key.workspace_key, t->id);
    return t->key == NULL ? cw_err_set(err, CW_ENOMEM, "no memory for a cancel") : 0;
}

/* Ask, then look until it has ended. 0 = the job's failure says how it went. */
static int stop_target(struct cw_job *job, struct wanted *t, struct cw_err *err)
{
    struct cw_deadline until = cw_in_ms(job->parts->cancel_timeout_ms);
    int64_t since = cw_wall_ms();
    for (int64_t pause_ms = LOOK_FIRST_MS;; pause_ms = CW_MIN(pause_ms * 2, (int64_t)LOOK_MOST_MS)) {
        int r =
            cw_journal_cancel(&job->parts->journal, t->key, t->reason, CW_NEVER, job->run_mem, &t->now, err);
        bool follows = false;
        if (r == 0)
            r = follow_watch(job, t, &follows, err);
        if (r < 0)
            return r;
        if (follows)
            continue;
        if (t->now.state == CW_TARGET_ENDED)
            return conclude(job, t);
        if (t->now.state == CW_TARGET_CANCEL)
            return refuse_cancel(job);
        if (!must_wait(job, t))
            return promise(job, t);
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
    int r = cw_job_raise_voice(job, err);
    if (r == 0)
        r = cw_job_make_verdict(job, &verdict, err);
    if (r == 0)
        r = cw_journal_verdict(&job->parts->journal, &nobody, &verdict, CW_NEVER, job->run_mem, &stored, &how,
                               err);
    if (r < 0 || how == CW_STORED_UNKNOWN)
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
    bool has_verdict = false;
    cw_job_set_state(job, CW_JOB_SETTLING);
    int r = cw_job_accept(job, &has_verdict, &err);
    if (r < 0)
        return CW_NEXT_AGAIN;
    if (has_verdict)
        return CW_NEXT_FINISH;
    struct wanted t = {
        .key = cw_journal_key(job->run_mem, job->req.workspace_key, job->req.cancel->request_id),
        .id = job->req.cancel->request_id,
        .reason = job->req.cancel->reason == NULL ? "asked for" : job->req.cancel->reason,
    };
    if (t.key == NULL)
        return CW_NEXT_AGAIN;
    r = stop_target(job, &t, &err);
    return r < 0 ? CW_NEXT_AGAIN : answer(job, &err);
}

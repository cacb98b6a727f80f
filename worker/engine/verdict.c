/* The one answer to a request, from what its steps left behind. */
#include "worker/engine/legs.h"

static int64_t count_changes(const struct cw_job *job)
{
    int64_t n = 0;
    for (size_t i = 0; job->steps != NULL && i < job->step_count; i++)
        n += (int64_t)job->steps[i].record.changed_count;
    return n;
}

static bool is_worth_telling(const struct cw_job_step *s)
{
    return s->is_done || s->is_failed || s->is_undone || s->record.changed_count > 0;
}

static int outcome_of_step(const struct cw_job_step *s)
{
    if (s->is_undone)
        return CW_STEP_OUTCOME_UNDONE;
    if (s->is_done && !s->is_failed)
        return s->record.outcome;
    return CW_STEP_OUTCOME_FAILED;
}

static int add_steps(struct cw_job *job, struct cw_result_v1 *result)
{
    if (job->steps == NULL)
        return 0;
    result->steps = cw_arena_alloc_array(job->run_mem, job->step_count, sizeof *result->steps);
    if (result->steps == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < job->step_count; i++) {
        const struct cw_job_step *s = &job->steps[i];
        if (!is_worth_telling(s))
            continue;
        result->steps[result->step_count++] = (struct cw_step_result_v1){
            .name = s->def->name,
            .outcome = outcome_of_step(s),
            .found = s->record.found,
            .found_count = s->record.found_count,
            .changed = s->record.changed,
            .changed_count = s->record.changed_count,
            .duration_ms = s->record.duration_ms,
            .attempts = s->record.attempts,
        };
        result->calls.reads += s->record.calls.reads;
        result->calls.writes += s->record.calls.writes;
        result->calls.deletes += s->record.calls.deletes;
    }
    return 0;
}

/* What the undo left is worse news than the end that somebody asked for. */
static int set_error(struct cw_job *job, struct cw_result_v1 *result)
{
    const struct cw_failure_record *f = &job->failure, *u = &job->undo_failure;
    struct cw_error_v1 *error = &result->error;
    *error = (struct cw_error_v1){f->class, f->code, f->message, f->remedy, f->correlation_id};
    result->outcome = f->outcome;
    if (!job->has_undo_failure)
        return 0;
    if (f->outcome != CW_OUTCOME_FAILED)
        *error = (struct cw_error_v1){u->class, u->code, NULL, u->remedy, u->correlation_id};
    else if (u->remedy != NULL)
        error->remedy =
            cw_arena_printf(job->run_mem, "%s%sfor what is left over: %s", f->remedy == NULL ? "" : f->remedy,
                            f->remedy == NULL ? "" : "; ", u->remedy);
    error->message = cw_arena_printf(job->run_mem, "%s; then %s", f->message, u->message);
    result->outcome = CW_OUTCOME_FAILED;
    return error->message == NULL ? -CW_ENOMEM : 0;
}

/* Where the cause was found its repair is the remedy, not what the step that failed could guess. */
static void set_proof_error(const struct cw_job *job, struct cw_result_v1 *result)
{
    const struct cw_proof_error_v1 *e = cw_facts_proof(&job->facts);
    const char *repair = job->facts.diagnosis_count > 0 ? job->facts.diagnosis[0].repair : NULL;
    result->error = (struct cw_error_v1){
        .class = cw_class_name(CW_CLASS_MISCONFIGURED),
        .code = e->code,
        .message = e->message,
        .remedy = repair != NULL ? repair : e->remedy,
        .correlation_id = job->call_correlation_id,
    };
}

/* A failure without a remedy is of no use to anybody: when nobody knew better, its class does. */
const char *cw_remedy_of_class(const char *class)
{
    static const char *const remedies[CW_CLASS__COUNT] = {
        [CW_CLASS_NONE] = "look at the message and at the worker's log",
        [CW_CLASS_RETRY] = "send the request again with a new id: what is done stays done",
        [CW_CLASS_CONFLICT] =
            "wait until the other operation has ended, then send the request again with a new id",
        [CW_CLASS_THROTTLED] = "send the request again with a new id when Azure is less busy",
        [CW_CLASS_MISCONFIGURED] = "mend what the message names, then send the request again with a new id",
        [CW_CLASS_DENIED] =
            "give the worker's identity the role that it lacks, then send the request again with a new id",
        [CW_CLASS_INVALID] = "correct the request as the message says, then send it with a new id",
        [CW_CLASS_CANCELLED] =
            "nothing is to be done; to go on after all, send the request again with a new id",
        [CW_CLASS_LOST] = "send the request again with a new id: what is done stays done",
        [CW_CLASS_BUG] = "report it with the worker's log and the correlation id",
    };
    for (int i = 0; i < CW_CLASS__COUNT; i++) {
        if (cw_z_eq(class, cw_class_name((enum cw_class)i)))
            return remedies[i];
    }
    return remedies[CW_CLASS_NONE];
}

static const char *summary_of(struct cw_job *job, const struct cw_result_v1 *result)
{
    struct cw_arena *mem = job->run_mem;
    const char *kind = cw_request_kind_name(job->req.kind);
    switch ((enum cw_outcome)result->outcome) {
    case CW_OUTCOME_SUCCEEDED:
        if (job->kind == CW_JOB_CANCEL)
            return job->note != NULL ? job->note : "the request was cancelled";
        return cw_arena_printf(mem, "%s succeeded with %lld change%s", kind, (long long)result->changes,
                               result->changes == 1 ? "" : "s");
    case CW_OUTCOME_PLANNED:
        return cw_arena_printf(mem, "%s would make %lld change%s; nothing was written", kind,
                               (long long)result->would_change, result->would_change == 1 ? "" : "s");
    case CW_OUTCOME_REJECTED:
        return cw_arena_printf(mem, "%s was rejected: %s", kind, result->error.message);
    case CW_OUTCOME_CANCELLED:
        return cw_arena_printf(mem, "%s was cancelled", kind);
    default:
        if (job->failure.outcome == CW_OUTCOME_CANCELLED)
            return cw_arena_printf(mem, "%s was cancelled, but not all of it could be put back: %s", kind,
                                   job->undo_failure.message);
        if (job->failure.step == NULL)
            return cw_arena_printf(mem, "%s failed: %s", kind, result->error.message);
        return cw_arena_printf(mem, "%s failed in %s: %s", kind, job->failure.step, result->error.message);
    }
}

static int set_outcome(struct cw_job *job, struct cw_result_v1 *result)
{
    int r = 0;
    if (job->has_failure)
        r = set_error(job, result);
    else if (cw_facts_proof(&job->facts)->code != NULL) {
        result->outcome = CW_OUTCOME_FAILED;
        set_proof_error(job, result);
    } else if (job->has_undo_failure) { /* all was done, but something that an earlier run began is left */
        const struct cw_failure_record *u = &job->undo_failure;
        result->outcome = CW_OUTCOME_FAILED;
        result->error = (struct cw_error_v1){u->class, u->code, u->message, u->remedy, u->correlation_id};
    } else
        result->outcome =
            job->kind == CW_JOB_PLAN && cw_job_is_plan_only(job) ? CW_OUTCOME_PLANNED : CW_OUTCOME_SUCCEEDED;
    struct cw_error_v1 *error = &result->error;
    if (error->code != NULL && (error->remedy == NULL || error->remedy[0] == '\0'))
        error->remedy = cw_remedy_of_class(error->class);
    return r;
}

int cw_job_make_verdict(struct cw_job *job, struct cw_verdict *ret_verdict, struct cw_err *err)
{
    int64_t now = cw_wall_ms();
    struct cw_result_v1 result = {
        .request_id = job->req.event.id,
        .request_type = job->req.event.type,
        .workspace_id = job->req.workspace_id,
        .started_at = job->accepted_wall_ms,
        .finished_at = now,
        .duration_ms = CW_MAX(now - job->accepted_wall_ms, INT64_C(0)),
        .worker = job->parts->publish.worker_id,
        .plan_version = job->plan == NULL ? 0 : job->plan->version,
        .left_over = job->left_over,
        .left_over_count = job->left_over_count,
    };
    /* Workers die of it also when it is over: perhaps of what it found. */
    bool is_poison = job->crashes_between >= 2 * job->parts->crash_limit;
    int r = is_poison ? 0 : add_steps(job, &result);
    if (r == 0 && !is_poison)
        r = cw_result_from_facts(&result, &job->facts, job->run_mem);
    if (r == 0 && job->problems.count > 0)
        r = cw_problems_v1_of(&job->problems, job->run_mem, &result.problems, &result.problem_count);
    if (r == 0)
        r = set_outcome(job, &result);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a verdict");
    *(cw_job_is_plan_only(job) ? &result.would_change : &result.changes) = count_changes(job);
    result.summary = summary_of(job, &result);
    r = cw_repeat_tell(job, &result);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a verdict");
    return cw_verdict_encode(&job->parts->publish, &job->voice, &result, job->run_mem, ret_verdict, err);
}

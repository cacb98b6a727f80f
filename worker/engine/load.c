/* From the journal to the job: which steps are done, what they found out, what is still under way in Azure. */
#include "worker/engine/legs.h"

static int out_of_memory(struct cw_err *err)
{
    return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
}

/* A record that can't be read counts as not written: the step runs again and finds its goal met. */
static int load_record(struct cw_job *job, const char *text, struct cw_step_record *ret_record, bool *ret_ok)
{
    struct cw_err err = {0};
    *ret_ok = false;
    if (text == NULL)
        return 0;
    int r = cw_step_record_parse(text, job->run_mem, ret_record, &err);
    *ret_ok = r == 0;
    if (r < 0 && r != -CW_ENOMEM)
        cw_log_err(CW_ERROR, "journal.unreadable", &err);
    return r == -CW_ENOMEM ? r : 0;
}

static int merge_undo(struct cw_job *job, struct cw_job_step *step, const char *text)
{
    struct cw_step_record undo = {0};
    int r = load_record(job, text, &undo, &step->is_undone);
    if (r < 0 || !step->is_undone)
        return r;
    step->record = undo;
    return cw_facts_merge(&job->facts, &undo.out, job->run_mem);
}

static int load_step(struct cw_job *job, struct cw_job_step *step)
{
    char name[128];
    const struct cw_log_step *log = cw_log_find(&job->log, step->def->name);
    if (log == NULL)
        return 0;
    step->begun = log->begun;
    step->charged = log->charged;
    step->begun_wall_ms = log->begun_wall_ms;
    step->crashes = log->crashes;
    step->is_announced = log->is_announced;
    bool has_partial = false;
    int r = load_record(job, log->partial, &step->record, &has_partial);
    if (r == 0)
        r = load_record(job, log->done, &step->record, &step->is_done);
    step->has_kept = has_partial && !step->is_done;
    if (r == 0 && (step->is_done || step->has_kept))
        r = cw_facts_merge(&job->facts, &step->record.out, job->run_mem);
    if (r < 0)
        return r;
    (void)snprintf(name, sizeof name, "undo:%s", step->def->name);
    const struct cw_log_step *undo = cw_log_find(&job->log, name);
    step->undo_crashes = undo == NULL ? 0 : undo->crashes;
    return 0;
}

static int load_undone(struct cw_job *job, struct cw_job_step *step)
{
    const struct cw_log_step *log = cw_log_find(&job->log, step->def->name);
    return log == NULL ? 0 : merge_undo(job, step, log->undone);
}

static int load_operations(struct cw_job *job)
{
    for (size_t i = 0; i < job->log.operation_count; i++) {
        struct cw_job_operation *op = calloc(1, sizeof *op);
        if (op == NULL)
            return -CW_ENOMEM;
        op->next = job->operations;
        job->operations = op;
        op->resource_id = strdup(job->log.operations[i].resource_id);
        op->text = strdup(job->log.operations[i].text);
        op->is_saved = op->is_former = true;
        if (op->resource_id == NULL || op->text == NULL)
            return -CW_ENOMEM;
    }
    return 0;
}

static int load_failure(struct cw_job *job)
{
    struct cw_err err = {0};
    if (job->log.failure == NULL)
        return 0;
    int r = cw_failure_record_parse(job->log.failure, job->run_mem, &job->failure, &err);
    if (r == -CW_ENOMEM)
        return r;
    if (r < 0)
        job->failure = (struct cw_failure_record){.outcome = CW_OUTCOME_FAILED,
                                                  .class = "bug",
                                                  .code = "EBUG",
                                                  .message = "the journal of the failure can't be read"};
    job->has_failure = job->is_failure_stored = true;
    return 0;
}

int cw_job_load(struct cw_job *job, struct cw_err *err)
{
    job->plan = job->parts->plan_of(&job->req);
    if (job->plan == NULL)
        return cw_err_set(err, CW_EBUG, "no plan for this kind of request");
    job->steps = cw_arena_alloc_array(job->run_mem, job->plan->step_count, sizeof *job->steps);
    if (job->steps == NULL)
        return out_of_memory(err);
    int r = 0;
    const struct cw_log_step *between = cw_log_find(&job->log, CW_LOG_BETWEEN);
    job->crashes_between = between == NULL ? 0 : between->crashes;
    for (size_t i = 0; r == 0 && i < job->plan->step_count; i++) {
        job->steps[i].def = job->plan->steps[i];
        r = load_step(job, &job->steps[i]);
    }
    for (size_t i = job->plan->step_count; r == 0 && i > 0; i--)
        r = load_undone(job, &job->steps[i - 1]);
    if (r == 0)
        r = load_operations(job);
    if (r == 0)
        r = load_failure(job);
    return r < 0 ? out_of_memory(err) : 0;
}

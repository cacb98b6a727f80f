/* From the journal to the job: which steps are done, what they found out, what is still under way in Azure. */
#include "worker/engine/legs.h"

static int out_of_memory(struct cw_err *err)
{
    return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
}

/* What is told grows by powers of two (hooks.c); what was parsed has no room to spare. */
static int give_room(struct cw_job *job, const char ***lines, size_t count)
{
    size_t room = 1;
    while (room < count)
        room *= 2;
    const char **wider = cw_arena_alloc_array(job->run_mem, room, sizeof *wider);
    if (wider == NULL)
        return -CW_ENOMEM;
    if (count > 0)
        memcpy(wider, *lines, count * sizeof *wider);
    *lines = wider;
    return 0;
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
    if (r == 0)
        r = give_room(job, &ret_record->found, ret_record->found_count);
    if (r == 0)
        r = give_room(job, &ret_record->changed, ret_record->changed_count);
    if (r < 0 && r != -CW_ENOMEM)
        cw_log_err(CW_ERROR, "journal.unreadable", &err);
    return r == -CW_ENOMEM ? r : 0;
}

/* What a step of another version found out proves nothing here: its successors, which build on it, are not in this plan. */
static int merge_facts(struct cw_job *job, const struct cw_job_step *step)
{
    return step->is_foreign ? 0 : cw_facts_merge(&job->facts, &step->record.out, job->run_mem);
}

static int merge_undo(struct cw_job *job, struct cw_job_step *step, const char *text)
{
    struct cw_step_record undo = {0};
    int r = load_record(job, text, &undo, &step->is_undone);
    if (r < 0 || !step->is_undone)
        return r;
    step->record = undo;
    return merge_facts(job, step);
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
    struct cw_step_record partial = step->record;
    if (r == 0)
        r = load_record(job, log->done, &step->record, &step->is_done);
    step->has_kept = has_partial && !step->is_done;
    /* Skipped here, but an earlier run had begun it: its undo needs what that one found. */
    if (r == 0 && has_partial && step->is_done && step->record.outcome == CW_STEP_OUTCOME_SKIPPED)
        r = cw_facts_merge(&job->facts, &partial.out, job->run_mem);
    if (r == 0 && (step->is_done || step->has_kept))
        r = merge_facts(job, step);
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

static bool is_foreign(const struct cw_plan *plan, const char *name)
{
    if (cw_z_eq(name, CW_LOG_BETWEEN) || cw_z_starts(name, "undo:"))
        return false;
    for (size_t i = 0; i < plan->step_count; i++) {
        if (cw_z_eq(plan->steps[i]->name, name))
            return false;
    }
    return true;
}

/* Begun by a worker of another version, whose plan has steps that this one's lacks: they are told of, never run nor undone. */
static int add_foreign(struct cw_job *job)
{
    for (size_t i = 0; i < job->log.step_count; i++) {
        if (!is_foreign(job->plan, job->log.steps[i].name))
            continue;
        struct cw_step *def = cw_arena_alloc(job->run_mem, sizeof *def);
        if (def == NULL)
            return -CW_ENOMEM;
        *def = (struct cw_step){.name = job->log.steps[i].name, .kind = CW_STEP_READ};
        job->steps[job->step_count++] = (struct cw_job_step){.def = def, .is_foreign = true};
        cw_log(CW_INFO, "journal.foreign_step", CW_F_STR("foreign", def->name),
               CW_F_INT("plan", job->plan->version), CW_F_INT("begun_as", job->log.plan));
    }
    return 0;
}

static int add_steps(struct cw_job *job)
{
    job->steps =
        cw_arena_alloc_array(job->run_mem, job->plan->step_count + job->log.step_count, sizeof *job->steps);
    if (job->steps == NULL)
        return -CW_ENOMEM;
    job->step_count = job->plan->step_count;
    for (size_t i = 0; i < job->plan->step_count; i++)
        job->steps[i].def = job->plan->steps[i];
    return add_foreign(job);
}

int cw_job_load(struct cw_job *job, struct cw_err *err)
{
    job->plan = job->parts->plan_of(&job->req);
    if (job->plan == NULL)
        return cw_err_set(err, CW_EBUG, "no plan for this kind of request");
    int r = add_steps(job);
    if (r < 0)
        return out_of_memory(err);
    const struct cw_log_step *between = cw_log_find(&job->log, CW_LOG_BETWEEN);
    job->crashes_between = between == NULL ? 0 : between->crashes;
    for (size_t i = 0; r == 0 && i < job->step_count; i++)
        r = load_step(job, &job->steps[i]);
    for (size_t i = job->step_count; r == 0 && i > 0; i--)
        r = load_undone(job, &job->steps[i - 1]);
    if (r == 0)
        r = load_operations(job);
    if (r == 0)
        r = load_failure(job);
    return r < 0 ? out_of_memory(err) : 0;
}

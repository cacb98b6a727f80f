#include "worker/engine/job.h"

#include "worker/engine/legs.h"

static const char *const state_names[CW_JOB_STATE__COUNT] = {
#define X(name, text) [CW_JOB_##name] = text,
    CW_JOB_STATES(X)
#undef X
};

#define BIT(state) (1u << CW_JOB_##state)

/* From each state, where it may go. */
static const unsigned next_states[CW_JOB_STATE__COUNT] = {
    [CW_JOB_ACCEPTED] = BIT(QUEUED) | BIT(SETTLING) | BIT(PUBLISHING) | BIT(BACKING_OFF) | BIT(HANDING_OVER) |
                        BIT(PARKED) | BIT(ENDED) | BIT(SCHEDULED),
    [CW_JOB_SCHEDULED] = BIT(ACCEPTED) | BIT(HANDING_OVER) | BIT(ENDED),
    [CW_JOB_QUEUED] = BIT(LOCKING) | BIT(SETTLING) | BIT(PARKED),
    [CW_JOB_SETTLING] =
        BIT(QUEUED) | BIT(LOCKING) | BIT(PUBLISHING) | BIT(BACKING_OFF) | BIT(HANDING_OVER) | BIT(ENDED),
    [CW_JOB_LOCKING] =
        BIT(RUNNING) | BIT(SETTLING) | BIT(UNDOING) | BIT(PUBLISHING) | BIT(BACKING_OFF) | BIT(HANDING_OVER),
    [CW_JOB_RUNNING] = BIT(BACKING_OFF) | BIT(UNDOING) | BIT(PUBLISHING) | BIT(HANDING_OVER),
    [CW_JOB_BACKING_OFF] = BIT(ACCEPTED) | BIT(SETTLING) | BIT(LOCKING) | BIT(RUNNING) | BIT(UNDOING) |
                           BIT(PUBLISHING) | BIT(HANDING_OVER),
    [CW_JOB_UNDOING] = BIT(BACKING_OFF) | BIT(PUBLISHING) | BIT(HANDING_OVER),
    [CW_JOB_PUBLISHING] = BIT(BACKING_OFF) | BIT(HANDING_OVER) | BIT(ENDED),
    [CW_JOB_HANDING_OVER] = BIT(PARKED) | BIT(ACCEPTED),
};

const char *cw_job_state_name(enum cw_job_state state)
{
    return state_names[state];
}

bool cw_job_may_become(enum cw_job_state from, enum cw_job_state to)
{
    return (next_states[from] & 1u << to) != 0;
}

void cw_job_set_state(struct cw_job *job, enum cw_job_state state)
{
    if (job->state == state)
        return;
    CW_BUG_ON(!cw_job_may_become(job->state, state));
    job->state = state;
}

struct cw_job *cw_job_new(const struct cw_engine_parts *parts, enum cw_job_kind kind,
                          struct cw_arena *take_mem)
{
    struct cw_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        cw_arena_free(take_mem);
        return NULL;
    }
    job->parts = parts;
    job->kind = kind;
    job->mem = take_mem;
    job->until = CW_NEVER;
    job->voice.req = &job->req;
    return job;
}

static void free_operations(struct cw_job *job)
{
    while (job->operations != NULL) {
        struct cw_job_operation *op = job->operations;
        job->operations = op->next;
        free(op->resource_id);
        free(op->text);
        free(op);
    }
}

void cw_job_free(struct cw_job *job)
{
    if (job == NULL)
        return;
    CW_PRE(job->lease == NULL);
    CW_PRE(job->fiber == NULL);
    CW_PRE(job->step_lock_count == 0);
    free_operations(job);
    while (job->origins != NULL) {
        struct cw_origin *o = job->origins;
        job->origins = o->next;
        free(o);
    }
    free(job->cancel);
    free(job->former_value);
    cw_arena_free(job->memory_mem);
    cw_arena_free(job->step_mem);
    cw_arena_free(job->run_mem);
    cw_arena_free(job->mem);
    free(job);
}

bool cw_job_add_origin(struct cw_job *job, const struct cw_origin *origin)
{
    struct cw_origin *o = malloc(sizeof *o);
    if (o == NULL)
        return false;
    *o = *origin;
    o->next = job->origins;
    job->origins = o;
    return true;
}

/* What was learned outlives a claim that fails half way: it is all that may be left. */
static int keep_memory(struct cw_job *job)
{
    struct cw_arena *mem = NULL;
    struct cw_memory *memory = NULL;
    int r = cw_arena_new(job->parts->job_memory_max, &mem);
    if (r == 0)
        r = cw_job_remember(job, mem, &memory);
    if (r < 0) {
        cw_arena_free(mem);
        return r;
    }
    cw_arena_free(job->memory_mem);
    job->memory_mem = mem;
    job->memory = memory;
    return 0;
}

int cw_job_reset_run(struct cw_job *job)
{
    if (job->has_verdict) /* it lives in what is reset here */
        job->verdict_epoch = cw_verdict_epoch(&job->verdict);
    int r = job->steps == NULL ? 0 : keep_memory(job);
    if (r < 0)
        return r;
    free_operations(job);
    job->log = (struct cw_log){0};
    job->facts = (struct cw_facts){0};
    job->failure = (struct cw_failure_record){0};
    job->has_failure = job->is_failure_stored = false;
    job->note = NULL;
    job->undo_failure = (struct cw_failure_record){0};
    job->has_undo_failure = false;
    job->left_over = NULL;
    job->left_over_count = 0;
    job->has_verdict = job->is_verdict_out = false;
    job->svc = NULL;
    job->steps = NULL;
    job->step_count = 0;
    job->step = NULL;
    job->said = (struct cw_said){0};
    if (job->run_mem == NULL)
        return cw_arena_new(job->parts->job_memory_max, &job->run_mem);
    cw_arena_reset(job->run_mem);
    return 0;
}

struct cw_failure_record cw_job_failure_of(const struct cw_job *job, enum cw_outcome outcome,
                                           const char *step, const struct cw_err *err)
{
    struct cw_arena *mem = job->run_mem;
    return (struct cw_failure_record){
        .outcome = (int)outcome,
        .step = cw_arena_strdup(mem, step),
        .class = cw_class_name(err->class),
        .code = cw_err_name(err->code),
        .message = cw_arena_strdup(mem, err->text),
        .remedy = err->remedy[0] == '\0' ? NULL : cw_arena_strdup(mem, err->remedy),
        .correlation_id = cw_arena_strdup(mem, err->correlation_id[0] == '\0' ? job->call_correlation_id
                                                                              : err->correlation_id),
    };
}

void cw_job_fail(struct cw_job *job, enum cw_outcome outcome, const char *step, const struct cw_err *err)
{
    job->has_failure = true;
    job->failure = cw_job_failure_of(job, outcome, step, err);
}

bool cw_job_is_plan_only(const struct cw_job *job)
{
    return job->req.options.mode == CW_MODE_PLAN;
}

/* One step of a plan, or its undo: attempts, deadlines, journal, progress. */
#include "worker/engine/legs.h"
#include "worker/engine/retry.h"

#define NAME_BYTES 128
#define FIELD_BYTES (NAME_BYTES + 4)
#define OPEN_BYTES (NAME_BYTES + 512)
#define KEY_NAME_BYTES 2048
#define RESUME_LEAST_MS \
    120000 /* for a step that is gone on with when its time is used up: to look what became of it */

/* One step while it is being run. */
struct execution {
    struct cw_job *job;
    struct cw_job_step *step;
    bool is_undo;
    bool is_look;          /* an undo that first asks whether there is anything to be undone */
    bool was_begun;        /* its answer */
    char name[NAME_BYTES]; /* in the journal: "<step>" or "undo:<step>" */
    char field[FIELD_BYTES];
    char key[CW_UUID_BYTES];
    struct cw_deadline until;
    int64_t began_mono_ms;
    int tries;            /* attempts of this run that have ended */
    int charged;          /* failed attempts that count, of all runs */
    int free;             /* of this run */
    int64_t begun_before; /* attempts of former runs */
    struct cw_facts *out; /* of the attempt that succeeded, in step_mem */
};

static const char *field_of(struct execution *x, const char *prefix, const char *name)
{
    (void)snprintf(x->field, sizeof x->field, "%s:%s", prefix, name);
    return x->field;
}

static bool is_cancelled_or_lost(int r)
{
    return cw_class_is_stop(cw_err_class_of(r));
}

/* ---- the journal ------------------------------------------------------------------------------------------------------ */

static int write_change(struct execution *x, const struct cw_change *change, struct cw_err *err)
{
    struct cw_job *job = x->job;
    bool is_cancelled = false;
    const struct cw_claim claim = cw_job_claim(job);
    int r = cw_journal_write(&job->parts->journal, &claim, change, CW_NEVER, &is_cancelled, err);
    if (r == 0 && is_cancelled && !x->is_undo && job->cancel == NULL)
        job->cancel = strdup("asked for");
    return r;
}

/* What dies from now on died in it. */
static const char *open_of(const struct execution *x, const char *name, char out[OPEN_BYTES])
{
    (void)snprintf(out, OPEN_BYTES, "%s|%s", name, cw_lease_value(x->job->lease));
    return out;
}

/* A worker of another version has put away what this step is about to leave again: that is to be done once more. Its record counts on. */
static int reopen(struct cw_job_step *s, struct cw_arena *mem, struct cw_change *change)
{
    static const char gone[] = {'d', 'a', 't'};
    const char *field = cw_arena_printf(mem, "p:%s", s->def->name),
               *text = cw_step_record_print(&s->record, mem);
    CW_PRE(change->set_count < CW_CHANGE_MAX && change->del_count + CW_ARRAY_LEN(gone) <= CW_CHANGE_MAX);
    change->set[change->set_count++] = (struct cw_pair){field, text};
    for (size_t i = 0; i < CW_ARRAY_LEN(gone); i++)
        change->del[change->del_count++] = cw_arena_printf(mem, "%c:%s", gone[i], s->def->name);
    s->is_done = s->is_announced = s->is_unsaved = false;
    s->has_kept = true;
    s->begun_wall_ms = 0;
    return text == NULL || cw_arena_failed(mem) ? -CW_ENOMEM : 0;
}

static int reopen_later(struct execution *x, struct cw_arena *mem, struct cw_change *change)
{
    struct cw_job *job = x->job;
    int r = 0;
    for (size_t i = job->step_number; r == 0 && i < job->plan->step_count; i++) {
        if (job->steps[i].def->puts_away && job->steps[i].is_done)
            r = reopen(&job->steps[i], mem, change);
    }
    return r;
}

static int write_begin(struct execution *x, struct cw_err *err)
{
    char begun[24], charged[24], since[24], open[OPEN_BYTES], f[FIELD_BYTES], t[FIELD_BYTES];
    (void)snprintf(begun, sizeof begun, "%lld", (long long)x->begun_before + x->tries + 1);
    (void)snprintf(charged, sizeof charged, "%d", x->charged);
    (void)snprintf(since, sizeof since, "%lld", (long long)x->step->begun_wall_ms);
    (void)snprintf(f, sizeof f, "f:%s", x->name);
    (void)snprintf(t, sizeof t, "t:%s", x->name);
    struct cw_change change = {
        .set = {{field_of(x, "b", x->name), begun},
                {"open", open_of(x, x->name, open)},
                {f, charged},
                {t, since}},
        .set_count = x->is_undo ? 2 : 4,
    };
    if (!x->is_undo && reopen_later(x, x->job->run_mem, &change) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for a step's record");
    return write_change(x, &change, err);
}

static int write_done(struct execution *x, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(x->job->parts->job_memory_max, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for a step's record");
    const char *text = cw_step_record_print(&x->step->record, mem);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a step's record");
    char open[OPEN_BYTES];
    const struct cw_change change = {
        .set = {{field_of(x, x->is_undo ? "u" : "d", x->step->def->name), text},
                {"open", open_of(x, CW_LOG_BETWEEN, open)}},
        .set_count = 2,
    };
    return write_change(x, &change, err);
}

static int write_closed(struct execution *x, struct cw_err *err)
{
    char open[OPEN_BYTES];
    const struct cw_change change = {.set = {{"open", open_of(x, CW_LOG_BETWEEN, open)}}, .set_count = 1};
    return write_change(x, &change, err);
}

static int write_announced(struct execution *x, struct cw_err *err)
{
    const struct cw_change change = {.set = {{field_of(x, "a", x->name), "1"}}, .set_count = 1};
    return write_change(x, &change, err);
}

/* ---- one attempt ------------------------------------------------------------------------------------------------------ */

static int call_step(struct execution *x, struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_step *def = x->step->def;
    if (x->is_look)
        return def->was_begun(c, &x->was_begun, err);
    if (x->is_undo)
        return def->undo(c, err);
    bool was_begun = x->begun_before + x->tries > 0;
    if (def->kind == CW_STEP_ONCE && was_begun && def->probe != NULL) {
        bool happened = false;
        int r = def->probe(c, &happened, err);
        if (r < 0 || happened)
            return r;
    }
    return def->run(c, err);
}

static int attempt(struct execution *x, struct cw_err *err)
{
    struct cw_job *job = x->job;
    cw_arena_reset(job->step_mem);
    x->out = cw_arena_alloc(job->step_mem, sizeof *x->out);
    if (x->out == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a step");
    x->step->record.found_count = 0;
    x->step->record.found = NULL;
    job->counts = (struct cw_call_counts){0};
    struct cw_step_ctx c = {
        .req = &job->req,
        .facts = &job->facts,
        .out = x->out,
        .svc = job->svc,
        .key = x->key,
        .call =
            {
                .until = x->until,
                .mem = job->step_mem,
                .correlation_id = job->call_correlation_id,
                .traceparent = job->req.event.traceparent,
                .lane = job->lane,
                .plan_only = cw_job_is_plan_only(job),
                .ops = &cw_job_call_ops,
                .ops_arg = job,
                .counts = &job->counts,
            },
        .ops = &cw_job_step_ops,
        .ops_arg = job,
    };
    int r = call_step(x, &c, err);
    cw_job_give_step_locks(job);
    cw_meter_calls(&job->counts);
    x->step->record.calls.reads += job->counts.reads;
    x->step->record.calls.writes += job->counts.writes;
    x->step->record.calls.deletes += job->counts.deletes;
    return r;
}

/* A step may return a code without filling the error. The fiber's own cancellation outranks what the step made of it. */
static int settle_error(int r, struct cw_err *err)
{
    int reason = cw_fiber_cancel_reason();
    if (reason != 0)
        return cw_err_set(err, reason, "stopped");
    if (err->code != -r)
        return cw_err_set(err, r, "%s", cw_err_text(r));
    if (err->class == CW_CLASS_NONE)
        err->class = cw_err_class_of(r);
    return r;
}

/* ---- attempts --------------------------------------------------------------------------------------------------------- */

static int pause_before_next(struct execution *x, const struct cw_retry_plan *plan, const struct cw_err *why,
                             struct cw_err *err)
{
    struct cw_job *job = x->job;
    int64_t delay_ms = CW_MAX(plan->delay_ms / CW_MAX(job->parts->time_scale, INT64_C(1)), INT64_C(1));
    int64_t now = cw_wall_ms();
    const struct cw_waiting waiting = {
        .reason = plan->reason,
        .what = why->remote_code[0] == '\0' ? cw_err_name(why->code) : why->remote_code,
        .detail = why->text,
        .percent = -1,
        .since_wall_ms = now,
        .next_wall_ms = now + delay_ms,
    };
    enum cw_job_state state = job->state;
    cw_meter_retry(why->class);
    cw_job_set_state(job, CW_JOB_BACKING_OFF);
    cw_say_waiting(job, &waiting);
    cw_log_err(CW_INFO, "step.retry", why);
    int r = cw_sleep(cw_sooner(x->until, cw_in_ms(delay_ms)));
    cw_job_set_state(job, state);
    return r < 0 ? cw_err_set(err, r, "stopped between two attempts") : 0;
}

/* 0: try again. Otherwise the final error. */
static int judge(struct execution *x, int r, struct cw_err *err)
{
    r = settle_error(r, err);
    x->tries++;
    if (is_cancelled_or_lost(r) || err->class == CW_CLASS_LOST)
        return r;
    *(cw_retry_is_charged(err->class) ? &x->charged : &x->free) += 1;
    const struct cw_retry_case now = {err->class, x->charged, x->free, err->retry_after_ms, cw_random_u64()};
    const struct cw_retry_plan plan = cw_retry_next(&x->step->def->retry, &now);
    if (!plan.again || cw_is_past(x->until))
        return r;
    struct cw_err why = *err;
    int s = pause_before_next(x, &plan, &why, err);
    if (s < 0)
        return s;
    if (!cw_is_past(x->until))
        return 0;
    *err = why;
    return r;
}

static int run_attempts(struct execution *x, bool *ret_is_step, struct cw_err *err)
{
    struct cw_job *job = x->job;
    for (;;) {
        *ret_is_step = false;
        int r = write_begin(x, err);
        if (r < 0)
            return r;
        if (job->cancel != NULL && !x->is_undo)
            return cw_err_set(err, CW_ECANCELED, "cancelled: %s", job->cancel);
        job->attempt = (int)(x->begun_before + x->tries + 1);
        job->log_ctx.attempt = job->attempt;
        if (!x->is_look)
            cw_say_started(job);
        *ret_is_step = true;
        cw_err_clear(err);
        r = attempt(x, err);
        if (r >= 0)
            return 0;
        r = judge(x, r, err);
        if (r < 0)
            return r;
    }
}

/* ---- ends ------------------------------------------------------------------------------------------------------------- */

static void begin_execution(struct execution *x, struct cw_job *job, size_t index, bool is_undo)
{
    struct cw_job_step *step = &job->steps[index];
    char name[KEY_NAME_BYTES];
    *x = (struct execution){.job = job, .step = step, .is_undo = is_undo, .began_mono_ms = cw_mono_ms()};
    (void)snprintf(x->name, sizeof x->name, "%s%s", is_undo ? "undo:" : "", step->def->name);
    int n = snprintf(name, sizeof name, "step:%s:%s", job->job_key, step->def->name);
    cw_uuid5(name, CW_MIN((size_t)n, sizeof name - 1), x->key);
    x->begun_before = is_undo ? 0 : step->begun;
    x->charged = is_undo ? 0 : (int)step->charged;
    job->step = step;
    job->step_name = step->def->name;
    job->step_number = index + 1;
    job->attempt = (int)x->begun_before + 1;
    job->log_ctx.step = step->def->name;
    job->log_ctx.attempt = job->attempt;
}

static void end_execution(struct execution *x)
{
    struct cw_job *job = x->job;
    cw_arena_reset(job->step_mem);
    job->step = NULL;
    job->step_name = NULL;
    job->attempt = 0;
    job->log_ctx.step = NULL;
    job->log_ctx.attempt = 0;
}

static void close_record(struct execution *x, enum cw_step_outcome outcome)
{
    struct cw_step_record *rec = &x->step->record;
    rec->outcome = (int)outcome;
    if (outcome != CW_STEP_OUTCOME_SKIPPED && !x->is_undo)
        rec->attempts = x->begun_before + x->tries + (outcome == CW_STEP_OUTCOME_FAILED ? 0 : 1);
    rec->duration_ms += cw_mono_ms() - x->began_mono_ms;
}

static int announce(struct execution *x, struct cw_err *err)
{
    int r = cw_say_finished_surely(x->job, x->step, err);
    if (r == 0)
        r = write_announced(x, err);
    x->step->is_announced = r == 0;
    return r;
}

/* What the step put into step_mem, kept for the job. */
static int keep_output(struct execution *x, struct cw_err *err)
{
    struct cw_job *job = x->job;
    struct cw_facts none = {0};
    const struct cw_facts *out = x->out != NULL ? x->out : &none;
    if (!x->step->has_kept)
        x->step->record.out = none;
    int r = cw_facts_merge(&x->step->record.out, out, job->run_mem);
    if (r == 0)
        r = cw_facts_merge(&job->facts, out, job->run_mem);
    return r < 0 ? cw_err_set(err, r, "no memory for what the step found") : 0;
}

/* It counts as done before it is written: when the write fails, the next claim of this process writes it. */
static int finish(struct execution *x, enum cw_step_outcome outcome, struct cw_err *err)
{
    struct cw_job *job = x->job;
    close_record(x, outcome);
    int r = keep_output(x, err);
    if (r < 0)
        return r;
    *(x->is_undo ? &x->step->is_undone : &x->step->is_done) = true;
    x->step->is_unsaved = true;
    r = write_done(x, err);
    if (r < 0)
        return r;
    x->step->is_unsaved = false;
    if (outcome != CW_STEP_OUTCOME_SKIPPED)
        cw_meter_step(x->step->def->name, x->step->record.duration_ms);
    cw_log(CW_INFO, x->is_undo ? "step.undone" : "step.done", CW_F_INT("ms", x->step->record.duration_ms),
           CW_F_STR("outcome", cw_step_outcome_names[outcome]),
           CW_F_INT("changes", x->step->record.changed_count));
    if (x->step->def->is_announced && !x->is_undo && outcome == CW_STEP_OUTCOME_DONE)
        return announce(x, err);
    cw_say_finished(job, x->step, NULL);
    return 0;
}

static void fail(struct execution *x, const struct cw_err *err)
{
    close_record(x, CW_STEP_OUTCOME_FAILED);
    x->step->is_failed = !x->is_undo;
    cw_log_err(CW_WARN, x->is_undo ? "step.undo_failed" : "step.failed", err);
    cw_say_finished(x->job, x->step, err);
}

static int execute(struct execution *x, bool *ret_is_step, struct cw_err *err)
{
    int r = run_attempts(x, ret_is_step, err);
    x->step->begun = x->begun_before + x->tries + (r < 0 ? 0 : 1);
    if (!x->is_undo)
        x->step->charged = x->charged;
    if (r < 0 && is_cancelled_or_lost(r))
        return r;
    if (r < 0) {
        if (*ret_is_step)
            fail(x, err);
        return r;
    }
    *ret_is_step = false;
    return finish(x, x->is_undo ? CW_STEP_OUTCOME_UNDONE : CW_STEP_OUTCOME_DONE, err);
}

static bool is_wanted(const struct cw_job *job, const struct cw_job_step *step)
{
    return step->def->when == NULL || step->def->when(&job->req, &job->facts);
}

/* Its time runs from its first begin, whoever runs it. */
static int64_t time_left(struct cw_job_step *step)
{
    int64_t most = step->def->timeout_ms, now = cw_wall_ms();
    if (step->begun_wall_ms == 0)
        step->begun_wall_ms = now;
    int64_t left = most - CW_MAX(now - step->begun_wall_ms, INT64_C(0));
    return CW_MAX(left, CW_MIN(most, (int64_t)RESUME_LEAST_MS));
}

int cw_step_execute(struct cw_job *job, size_t index, bool *ret_is_step, struct cw_err *err)
{
    struct cw_job_step *step = &job->steps[index];
    struct execution x;
    int r = 0;
    *ret_is_step = false;
    if (!step->is_done && cw_job_is_plan_only(job) && !step->def->in_plan)
        return 0;
    begin_execution(&x, job, index, false);
    job->step_until = x.until = cw_sooner(job->until, cw_in_ms(time_left(step)));
    if (!step->is_done && is_wanted(job, step))
        r = execute(&x, ret_is_step, err);
    else if (!step->is_done)
        r = finish(&x, CW_STEP_OUTCOME_SKIPPED, err);
    else if (step->def->is_announced && !step->is_announced && step->record.outcome == CW_STEP_OUTCOME_DONE)
        r = announce(&x, err);
    end_execution(&x);
    return r;
}

int cw_step_undo(struct cw_job *job, size_t index, struct cw_deadline until, bool *ret_is_step,
                 struct cw_err *err)
{
    struct cw_job_step *step = &job->steps[index];
    struct cw_err ignored = {0};
    struct execution x;
    begin_execution(&x, job, index, true);
    job->step_until = x.until = cw_sooner(until, cw_in_ms(step->def->timeout_ms));
    int64_t begun = step->begun;
    int r = execute(&x, ret_is_step, err);
    step->begun = begun;
    if (r < 0 && *ret_is_step && !is_cancelled_or_lost(r))
        (void)write_closed(&x, &ignored);
    end_execution(&x);
    return r;
}

/* It was begun, and there is nobody who could tell more of it: so the journal says from now on. What was refused has been done in part. */
static int write_found(struct execution *x, struct cw_err *err)
{
    struct cw_job *job = x->job;
    struct cw_job_step *step = x->step;
    char open[OPEN_BYTES], begun[FIELD_BYTES];
    int r = keep_output(x, err);
    if (r < 0)
        return r;
    step->begun++;
    step->has_kept = true;
    if (job->failure.outcome == CW_OUTCOME_REJECTED)
        job->failure.outcome = CW_OUTCOME_FAILED;
    const char *text = cw_step_record_print(&step->record, job->run_mem),
               *failure = job->has_failure ? cw_failure_record_print(&job->failure, job->run_mem) : NULL;
    if (text == NULL || (job->has_failure && failure == NULL))
        return cw_err_set(err, CW_ENOMEM, "no memory for what the step found");
    (void)snprintf(begun, sizeof begun, "b:%s", step->def->name);
    const struct cw_change change = {
        .set = {{field_of(x, "p", step->def->name), text},
                {begun, "1"},
                {"open", open_of(x, CW_LOG_BETWEEN, open)},
                {"fail", failure}},
        .set_count = job->has_failure ? 4 : 3,
    };
    return write_change(x, &change, err);
}

int cw_step_look(struct cw_job *job, size_t index, struct cw_deadline until, bool *ret_is_step,
                 struct cw_err *err)
{
    struct execution x;
    begin_execution(&x, job, index, true);
    x.is_look = true;
    job->step_until = x.until = cw_sooner(until, cw_in_ms(x.step->def->timeout_ms));
    int r = run_attempts(&x, ret_is_step, err);
    if (r == 0) {
        *ret_is_step = false;
        r = x.was_begun ? write_found(&x, err) : write_closed(&x, err);
    } else if (*ret_is_step && !is_cancelled_or_lost(r)) {
        struct cw_err ignored = {0};
        (void)write_closed(&x, &ignored);
    }
    end_execution(&x);
    return r;
}

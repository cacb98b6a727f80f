/* What a step and the clients it calls may ask of the engine. */
#include "worker/engine/legs.h"

#define FIELD_BYTES 2048
#define LINES_MAX 128
#define LINE_BYTES_MAX 500

struct cw_claim cw_job_claim(const struct cw_job *job)
{
    return (struct cw_claim){job->job_key, cw_lease_key(job->lease), cw_lease_value(job->lease)};
}

/* ---- locks ----------------------------------------------------------------------------------------------------------- */

static void on_lock_waiting(void *arg, const struct cw_lock_owner *owner)
{
    struct cw_job *job = arg;
    const struct cw_waiting waiting = {
        .reason = CW_WAIT_LOCK,
        .what = owner->request_id[0] == '\0' ? "redis" : owner->request_id,
        .detail = owner->is_forgotten           ? "Redis is new, or forgot its locks: until a lease is over "
                                                  "somebody may still believe in one"
                  : owner->worker_id[0] == '\0' ? "the lock service does not answer"
                                                : owner->worker_id,
        .percent = -1,
        .since_wall_ms = owner->since_wall_ms,
        .next_wall_ms = cw_wall_ms() + owner->next_ms,
    };
    cw_say_waiting(job, &waiting);
}

static void on_lock_lost(void *arg)
{
    struct cw_job *job = arg;
    job->lease_is_lost = true;
    cw_log(CW_WARN, "lock.lost", CW_F_STR("request", job->req.event.id));
    if (job->fiber != NULL)
        cw_fiber_cancel(job->fiber, CW_ELOST);
}

static void on_lock_cancel(void *arg, const char *reason)
{
    struct cw_job *job = arg;
    if (job->cancel == NULL)
        job->cancel = strdup(reason);
    if (job->fiber != NULL && job->leg == cw_leg_run)
        cw_fiber_cancel(job->fiber, CW_ECANCELED);
}

const struct cw_lease_ops cw_job_lease_ops = {on_lock_waiting, on_lock_lost, on_lock_cancel};

static int check_order(const struct cw_job *job, const char *id, bool *ret_held, struct cw_err *err)
{
    *ret_held = false;
    for (size_t i = 0; i < job->step_lock_count; i++) {
        int order = strcmp(job->step_lock_ids[i], id);
        if (order == 0)
            *ret_held = true;
        else if (order > 0)
            return cw_err_set(err, CW_EBUG, "locks must be taken in ascending order: %s", id);
    }
    if (!*ret_held && job->step_lock_count == CW_STEP_LOCKS_MAX)
        return cw_err_set(err, CW_EBUG, "a step holds at most %d locks", CW_STEP_LOCKS_MAX);
    return 0;
}

static int take_step_lock(struct cw_job *job, char *take_id, struct cw_err *err)
{
    const struct cw_lock_want want = {
        .resource = take_id,
        .request_id = job->req.event.id,
        .ops = &cw_job_lease_ops,
        .ops_arg = job,
    };
    int64_t since = cw_mono_ms();
    size_t n = job->step_lock_count;
    int r = cw_lock_take(job->parts->locks, &want, job->step_until, &job->step_locks[n], err);
    cw_meter_lock_wait(cw_mono_ms() - since);
    if (r < 0) {
        free(take_id);
        return r;
    }
    job->step_lock_ids[n] = take_id;
    job->step_lock_count++;
    return 0;
}

static int lock(void *arg, const char *resource_id, struct cw_err *err)
{
    struct cw_job *job = arg;
    bool is_held;
    char *id = strdup(resource_id);
    if (id == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a lock");
    cw_z_lower(id);
    int r = check_order(job, id, &is_held, err);
    if (r < 0 || is_held) {
        free(id);
        return r;
    }
    return take_step_lock(job, id, err);
}

void cw_job_give_step_locks(struct cw_job *job)
{
    while (job->step_lock_count > 0) {
        size_t n = --job->step_lock_count;
        cw_lock_give(CW_TAKE(job->step_locks[n]));
        free(CW_TAKE(job->step_lock_ids[n]));
    }
}

static int before_write(void *arg, struct cw_err *err)
{
    struct cw_job *job = arg;
    int reason = cw_fiber_cancel_reason();
    if (reason != 0)
        return cw_err_set(err, reason, "no more writes");
    if (job->lease == NULL || job->lease_is_lost)
        return cw_err_set(err, CW_ELOST, "the workspace's lock was lost");
    int r = cw_lease_check(job->lease, err);
    for (size_t i = 0; r == 0 && i < job->step_lock_count; i++)
        r = cw_lease_check(job->step_locks[i], err);
    return r;
}

/* ---- operations ------------------------------------------------------------------------------------------------------ */

static struct cw_job_operation *find_operation(const struct cw_job *job, const char *resource_id)
{
    struct cw_job_operation *op = job->operations;
    while (op != NULL && !cw_z_eq_nocase(op->resource_id, resource_id))
        op = op->next;
    return op;
}

static void forget_operation(struct cw_job *job, const char *resource_id)
{
    struct cw_job_operation *gone = find_operation(job, resource_id);
    struct cw_job_operation **at = &job->operations;
    if (gone == NULL)
        return;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    free(gone->resource_id);
    free(gone->text);
    free(gone);
}

static bool field_of(const char *resource_id, char out[FIELD_BYTES])
{
    int n = snprintf(out, FIELD_BYTES, "o:%s", resource_id);
    cw_z_lower(out);
    return n > 0 && n < FIELD_BYTES;
}

static bool remember_operation(struct cw_job *job, const char *resource_id, const char *text)
{
    forget_operation(job, resource_id);
    struct cw_job_operation *op = calloc(1, sizeof *op);
    if (op == NULL)
        return false;
    op->resource_id = strdup(resource_id);
    op->text = strdup(text);
    op->next = job->operations;
    job->operations = op;
    return op->resource_id != NULL && op->text != NULL;
}

static int operation_started(void *arg, const struct cw_operation *op, struct cw_err *err)
{
    struct cw_job *job = arg;
    char field[FIELD_BYTES];
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)1 << 20, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for an operation");
    const char *text = cw_operation_print(op, mem);
    if (text == NULL || !field_of(op->resource_id, field) || !remember_operation(job, op->resource_id, text))
        return cw_err_set(err, CW_ENOMEM, "no memory for an operation");
    const struct cw_claim claim = cw_job_claim(job);
    const struct cw_change change = {.set = {{field, text}}, .set_count = 1};
    int r = cw_journal_write(&job->parts->journal, &claim, &change, CW_NEVER, NULL, err);
    job->operations->is_saved = r == 0;
    return r;
}

static bool operation_pending(void *arg, const char *resource_id, struct cw_arena *mem,
                              struct cw_operation *ret_op)
{
    const struct cw_job *job = arg;
    struct cw_err err = {0};
    const struct cw_job_operation *op = find_operation(job, resource_id);
    return op != NULL && cw_operation_parse(op->text, mem, ret_op, &err) == 0;
}

static void changed(void *arg, const char *text);

/* The run that began it can't say so any more. */
static void tell_former(struct cw_job *job, const struct cw_job_operation *op)
{
    char line[LINE_BYTES_MAX];
    const char *name = strrchr(op->resource_id, '/');
    if (!op->is_former || job->step == NULL)
        return;
    (void)snprintf(line, sizeof line, "an earlier run's change of %s came to its end",
                   name == NULL ? op->resource_id : name + 1);
    changed(job, line);
}

static void operation_ended(void *arg, const char *resource_id)
{
    struct cw_job *job = arg;
    struct cw_err err = {0};
    char field[FIELD_BYTES];
    const struct cw_job_operation *op = find_operation(job, resource_id);
    if (op == NULL)
        return;
    tell_former(job, op);
    forget_operation(job, resource_id);
    if (!field_of(resource_id, field) || job->lease == NULL)
        return;
    const struct cw_claim claim = cw_job_claim(job);
    const struct cw_change change = {.del = {field}, .del_count = 1};
    (void)cw_journal_write(&job->parts->journal, &claim, &change, CW_NEVER, NULL, &err);
}

static void waiting(void *arg, const struct cw_waiting *w)
{
    cw_say_waiting(arg, w);
}

const struct cw_call_ops cw_job_call_ops = {before_write, operation_started, operation_pending,
                                            operation_ended, waiting};

/* ---- what the step tells --------------------------------------------------------------------------------------------- */

/* Room for one more: the capacity is the next power of two. */
static bool make_room(struct cw_arena *mem, const char ***lines, size_t count)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return true;
    const char **more = cw_arena_alloc_array(mem, count == 0 ? 1 : count * 2, sizeof(char *));
    if (more == NULL)
        return false;
    if (count > 0)
        memcpy(more, *lines, count * sizeof(char *));
    *lines = more;
    return true;
}

static void add_line(struct cw_job *job, const char ***lines, size_t *count, const char *text)
{
    for (size_t i = 0; i < *count; i++) {
        if (cw_z_eq((*lines)[i], text))
            return;
    }
    if (*count == LINES_MAX || !make_room(job->run_mem, lines, *count))
        return;
    const char *copy = cw_arena_printf(job->run_mem, "%.*s", LINE_BYTES_MAX, text);
    if (copy != NULL)
        (*lines)[(*count)++] = copy;
}

static void found(void *arg, const char *text)
{
    struct cw_job *job = arg;
    struct cw_step_record *rec = &job->step->record;
    add_line(job, &rec->found, &rec->found_count, text);
}

static void changed(void *arg, const char *text)
{
    struct cw_job *job = arg;
    struct cw_step_record *rec = &job->step->record;
    add_line(job, &rec->changed, &rec->changed_count, text);
}

/* What the step has found out so far, as if it had ended: in the journal, in the facts, and told. */
static int keep(void *arg, const struct cw_facts *so_far, struct cw_err *err)
{
    struct cw_job *job = arg;
    struct cw_step_record *rec = &job->step->record;
    char field[FIELD_BYTES];
    int r = cw_facts_merge(&rec->out, so_far, job->run_mem);
    if (r == 0)
        r = cw_facts_merge(&job->facts, so_far, job->run_mem);
    const char *text = r == 0 ? cw_step_record_print(rec, job->run_mem) : NULL;
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for what the step found");
    job->step->has_kept = true;
    (void)snprintf(field, sizeof field, "p:%s", job->step->def->name);
    const struct cw_claim claim = cw_job_claim(job);
    const struct cw_change change = {.set = {{field, text}}, .set_count = 1};
    r = cw_journal_write(&job->parts->journal, &claim, &change, CW_NEVER, NULL, err);
    return r < 0 ? r : cw_say_kept_surely(job, job->step, err);
}

const struct cw_step_ops cw_job_step_ops = {lock, found, changed, keep};

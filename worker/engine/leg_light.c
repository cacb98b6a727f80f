/* Legs that need neither a slot nor the workspace's lock. */
#include "worker/engine/durable.h"
#include "worker/engine/legs.h"
#include "worker/engine/runner.h"

#define PAUSE_FIRST_MS 200
#define PAUSE_MOST_MS 15000
#define CLOSE_MS 800
#define LOOK_MS 5000
#define TAKES_MAX 498 /* the last stretch below the verdict's number */

/* Redis refuses, memory is short, or the fiber was stopped: the same again later. */
static enum cw_next again(const struct cw_err *err)
{
    if (err->code != 0 && !cw_class_is_stop(err->class))
        cw_log_err(CW_WARN, "job.again", err);
    return CW_NEXT_AGAIN;
}

static void set_deadline(struct cw_job *job)
{
    int64_t minutes = job->req.options.deadline_minutes;
    int64_t left = job->accepted_wall_ms + minutes * 60000 - cw_wall_ms();
    job->until = cw_in_ms(CW_MIN(CW_MAX(left, INT64_C(0)), minutes * 60000));
}

static void keep_verdict(struct cw_job *job, const struct cw_verdict *verdict)
{
    job->verdict = *verdict;
    job->has_verdict = true;
    job->is_verdict_out = false;
}

int cw_job_accept(struct cw_job *job, bool *ret_has_verdict, struct cw_err *err)
{
    struct cw_journal_peek peek;
    int r = cw_job_reset_run(job);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a request");
    r = cw_journal_accept(&job->parts->journal, job->req.workspace_key, job->job_key,
                          cw_request_kind_name(job->req.kind), job->accepted_wall_ms, CW_NEVER, job->run_mem,
                          &peek, err);
    if (r < 0)
        return r;
    if (peek.accepted_wall_ms > 0)
        job->accepted_wall_ms = peek.accepted_wall_ms;
    job->voice.epoch = peek.epoch;
    job->voice.number =
        CW_VOICE_WAITING + (uint32_t)CW_MIN(peek.takes, (int64_t)TAKES_MAX) * CW_VOICE_WAITING_STRETCH;
    if (peek.cancel != NULL && job->cancel == NULL)
        job->cancel = strdup(peek.cancel);
    job->must_run = job->must_run || peek.is_claimed;
    *ret_has_verdict = peek.has_verdict;
    if (!peek.has_verdict)
        return peek.is_claimed ? 0 : cw_job_recall(job, ret_has_verdict, err);
    keep_verdict(job, &peek.verdict);
    job->is_verdict_out = peek.is_published;
    cw_log(CW_INFO, "job.repeated", CW_F_STR("outcome", peek.verdict.outcome),
           CW_F_BOOL("published", peek.is_published));
    return 0;
}

enum cw_next cw_leg_accept(struct cw_job *job)
{
    struct cw_err err = {0};
    bool has_verdict = false;
    cw_job_set_state(job, CW_JOB_ACCEPTED);
    int r = cw_job_accept(job, &has_verdict, &err);
    if (r < 0)
        return again(&err);
    if (has_verdict)
        return CW_NEXT_FINISH;
    r = cw_repeat_enter(job, &err);
    if (r < 0)
        return again(&err);
    set_deadline(job);
    return job->cancel != NULL ? CW_NEXT_SETTLE : CW_NEXT_QUEUE;
}

/* A failover may have taken the epoch back below that of events which were sent before it. */
int cw_job_raise_voice(struct cw_job *job, struct cw_err *err)
{
    struct cw_durable durable;
    int r = cw_durable_look(job->parts->journal.redis, cw_in_ms(LOOK_MS), job->run_mem, &durable, err);
    if (r == 0)
        job->voice.epoch = CW_MAX(job->voice.epoch, cw_lock_epoch_at(durable.now_wall_ms));
    return r;
}

/* Store a verdict of a request that nobody has claimed. */
static int store_unclaimed(struct cw_job *job, enum cw_stored *ret_stored, struct cw_err *err)
{
    struct cw_verdict verdict, stored;
    const struct cw_claim nobody = {.job_key = job->job_key};
    uint64_t epoch = job->voice.epoch;
    int r = cw_job_raise_voice(job, err);
    if (r == 0)
        r = cw_job_make_verdict(job, &verdict, err);
    if (r == 0)
        r = cw_journal_verdict(&job->parts->journal, &nobody, &verdict, CW_NEVER, job->run_mem, &stored,
                               ret_stored, err);
    if (r == 0 && *ret_stored <= CW_STORED_BEFORE)
        keep_verdict(job, &stored);
    else
        job->voice.epoch = epoch; /* it goes on to speak below who holds the lock */
    return r;
}

/* The same, unless it may have been claimed before Redis forgot it: then only who holds the lock may end it, too. */
static int store_unrun(struct cw_job *job, enum cw_stored *ret_stored, struct cw_err *err)
{
    bool may_have_run = false;
    int r = cw_job_look_back(job, &may_have_run, err);
    *ret_stored = CW_STORED_CLAIMED;
    return r < 0 || may_have_run ? r : store_unclaimed(job, ret_stored, err);
}

static void fail_unrun(struct cw_job *job)
{
    struct cw_err why = {0};
    if (job->cancel != NULL) {
        (void)cw_err_set(&why, CW_ECANCELED, "cancelled before it began: %s", job->cancel);
        cw_job_fail(job, CW_OUTCOME_CANCELLED, NULL, &why);
        return;
    }
    (void)cw_err_set(&why, CW_ETIMEDOUT, "the deadline passed before the request could begin");
    cw_err_remedy(
        &why, "see its waiting events for what held it; send it again with a longer options.deadlineMinutes");
    cw_job_fail(job, CW_OUTCOME_FAILED, NULL, &why);
}

enum cw_next cw_leg_settle(struct cw_job *job)
{
    struct cw_err err = {0};
    enum cw_stored stored;
    cw_job_set_state(job, CW_JOB_SETTLING);
    int r = cw_job_reset_run(job);
    if (r < 0)
        return CW_NEXT_AGAIN;
    fail_unrun(job);
    r = store_unrun(job, &stored, &err);
    if (r < 0 || stored == CW_STORED_UNKNOWN)
        return again(&err);
    if (stored != CW_STORED_CLAIMED)
        return CW_NEXT_FINISH;
    job->must_run = true;
    return job->has_slot ? CW_NEXT_RUN : CW_NEXT_QUEUE;
}

enum cw_next cw_leg_refuse(struct cw_job *job)
{
    struct cw_err err = {0};
    enum cw_stored stored;
    bool has_verdict = false;
    cw_job_set_state(job, CW_JOB_SETTLING);
    int r = cw_job_accept(job, &has_verdict, &err);
    if (r < 0)
        return again(&err);
    if (has_verdict)
        return CW_NEXT_FINISH;
    cw_job_fail(job, CW_OUTCOME_REJECTED, NULL, &job->refusal);
    r = store_unrun(job, &stored, &err);
    if (r < 0 || stored == CW_STORED_UNKNOWN)
        return again(&err);
    if (stored != CW_STORED_CLAIMED)
        return CW_NEXT_FINISH;
    cw_log_err(CW_WARN, "job.refused_after_begin", &job->refusal);
    /* A cancel is never claimed: its id is that of a request which is being run, and has its own verdict coming. */
    return job->parts->plan_of(&job->req) == NULL ? CW_NEXT_END : CW_NEXT_ENLIST;
}

enum cw_next cw_leg_deadletter(struct cw_job *job)
{
    struct cw_err err = {0};
    cw_job_set_state(job, CW_JOB_SETTLING);
    int r = cw_publish_deadletter(&job->parts->publish, &job->letter, &err);
    if (r < 0)
        return again(&err);
    cw_meter_deadletter();
    return CW_NEXT_END;
}

enum cw_next cw_leg_pause(struct cw_job *job)
{
    int64_t most = PAUSE_FIRST_MS;
    cw_job_set_state(job, CW_JOB_BACKING_OFF);
    for (int i = 0; i < job->pause_count && most < PAUSE_MOST_MS; i++)
        most *= 2;
    job->pause_count++;
    (void)cw_sleep(cw_in_ms(cw_random_between(most / 2, CW_MIN(most, (int64_t)PAUSE_MOST_MS))));
    return CW_NEXT_RUN;
}

/* ---- handing over ----------------------------------------------------------------------------------------------------- */

#define HAND_OVER_MEM_BYTES ((size_t)4 * 1024 * 1024)

static void add_unsaved_operations(const struct cw_job *job, struct cw_arena *mem, struct cw_change *change)
{
    for (const struct cw_job_operation *op = job->operations; op != NULL && change->set_count < CW_CHANGE_MAX;
         op = op->next) {
        char *field = op->is_saved ? NULL : cw_arena_printf(mem, "o:%s", op->resource_id);
        if (field == NULL)
            continue;
        cw_z_lower(field);
        change->set[change->set_count++] = (struct cw_pair){field, op->text};
    }
}

static void add_unfinished_steps(const struct cw_job *job, struct cw_arena *mem, struct cw_change *change)
{
    for (size_t i = 0; job->steps != NULL && i < job->step_count && change->set_count < CW_CHANGE_MAX; i++) {
        const struct cw_job_step *s = &job->steps[i];
        bool has_ended = s->is_done || s->is_undone;
        if (has_ended ? !s->is_unsaved : s->record.changed_count == 0)
            continue;
        const char *prefix = s->is_undone ? "u" : s->is_done ? "d" : "p";
        const char *field = cw_arena_printf(mem, "%s:%s", prefix, s->def->name),
                   *text = cw_step_record_print(&s->record, mem);
        if (field != NULL && text != NULL)
            change->set[change->set_count++] = (struct cw_pair){field, text};
    }
}

/* A graceful end is no crash: the step is closed. What could not be written when the job was stopped is written now. */
enum cw_next cw_leg_hand_over(struct cw_job *job)
{
    struct cw_err err = {0};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    cw_job_set_state(job, CW_JOB_HANDING_OVER);
    if (job->lease == NULL || job->lease_is_lost || cw_arena_new(HAND_OVER_MEM_BYTES, &mem) < 0)
        return CW_NEXT_END;
    struct cw_change change = {.del = {"open"}, .del_count = 1};
    add_unsaved_operations(job, mem, &change);
    add_unfinished_steps(job, mem, &change);
    const struct cw_claim claim = cw_job_claim(job);
    (void)cw_journal_write(&job->parts->journal, &claim, &change, cw_in_ms(CLOSE_MS), NULL, &err);
    return CW_NEXT_END;
}

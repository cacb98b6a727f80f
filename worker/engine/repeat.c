/* A verify request that repeats: after each verdict the next run is written to Kafka as a request of its own, with an id that follows from the
 * first one's, the time that it waits for, and what the verdict said. So Redis may be lost at any time: the watch goes on, and its drift is
 * told. A run that waits stands in no queue; it is written anew from time to time, so that neither the committed offset nor its map have to
 * span the wait.
 * Two copies of a run are one job here, for both are of one partition, and one verdict, for both have one id. */
#include "worker/engine/legs.h"

#define ENTER_MS 10000

static bool is_watch(const struct cw_job *job)
{
    return job->req.verify != NULL && job->req.options.repeat_seconds > 0;
}

static const struct cw_watch_v1 *run_of(const struct cw_job *job)
{
    return &job->req.verify->watch;
}

static const char *watch_id(const struct cw_job *job)
{
    return run_of(job)->id != NULL ? run_of(job)->id : job->req.event.id;
}

static int64_t run_number(const struct cw_job *job)
{
    return run_of(job)->id != NULL ? run_of(job)->run : 1;
}

bool cw_repeat_is_early(const struct cw_job *job)
{
    return job->kind == CW_JOB_PLAN && is_watch(job) && run_of(job)->not_before > cw_wall_ms();
}

const char *cw_repeat_id(struct cw_arena *mem, const char *watch, int64_t run)
{
    return run <= 1 ? watch : cw_arena_printf(mem, "%s#%lld", watch, (long long)run);
}

static int look(struct cw_job *job, struct cw_deadline until, struct cw_watch_look *ret_watch,
                struct cw_err *err)
{
    const struct cw_watch_key key = {job->req.workspace_key, watch_id(job), job->job_key};
    return cw_journal_watch(&job->parts->journal, &key, run_number(job), until, job->run_mem, ret_watch, err);
}

int cw_repeat_enter(struct cw_job *job, struct cw_err *err)
{
    struct cw_watch_look watch;
    int r = is_watch(job) ? look(job, CW_NEVER, &watch, err) : 0;
    if (r == 0 && is_watch(job) && watch.cancel != NULL && job->cancel == NULL)
        job->cancel = strdup(watch.cancel);
    return r;
}

/* ---- the verdict ------------------------------------------------------------------------------------------------------ */

static bool has_looked(const struct cw_result_v1 *result)
{
    return result->outcome != CW_OUTCOME_REJECTED && result->outcome != CW_OUTCOME_CANCELLED;
}

static int add_drift(struct cw_job *job, struct cw_result_v1 *result)
{
    const struct cw_snapshot_v1 *before = &run_of(job)->previous;
    struct cw_snapshot_v1 now;
    int r = cw_snapshot_of(result, before, job->run_mem, &now);
    if (r == 0)
        r = cw_drift_between(before, &now, job->run_mem, &result->drift, &result->drift_count);
    if (r == 0 && result->drift_count > 0)
        result->summary =
            cw_arena_printf(job->run_mem, "%s; since the last run %zu thing%s changed", result->summary,
                            result->drift_count, result->drift_count == 1 ? "" : "s");
    return r < 0 || result->summary == NULL ? -CW_ENOMEM : 0;
}

int cw_repeat_tell(struct cw_job *job, struct cw_result_v1 *result)
{
    if (!is_watch(job) || job->kind != CW_JOB_PLAN)
        return 0;
    result->watch = (struct cw_watch_run_v1){.id = watch_id(job), .run = run_number(job)};
    if (!has_looked(result))
        return 0;
    result->watch.next_run_at =
        result->finished_at +
        CW_MAX(job->req.options.repeat_seconds * 1000 / job->parts->time_scale, INT64_C(1));
    return add_drift(job, result);
}

/* ---- the next run ----------------------------------------------------------------------------------------------------- */

static int send_run(struct cw_job *job, const struct cw_watch_v1 *watch, struct cw_err *err)
{
    struct cw_record_out record;
    const char *id = cw_repeat_id(job->run_mem, watch->id, watch->run);
    int r = id == NULL
                ? cw_err_set(err, CW_ENOMEM, "no memory for a request")
                : cw_repeat_encode(&job->req, job->correlation_id, watch, id, job->run_mem, &record, err);
    return r < 0 ? r : cw_publish_repeat(&job->parts->publish, &record, err);
}

/* The stored verdict is what was sent, whoever made it. */
static int read_verdict(struct cw_job *job, struct cw_result_v1 *ret_result, struct cw_err *err)
{
    const struct cw_record_out *out = &job->verdict.record;
    const struct cw_record_in in = {
        .headers = out->headers, .header_count = out->header_count, .value = out->value};
    struct cw_event event;
    int r = cw_result_decode(&in, job->run_mem, &event, ret_result, err);
    return r == -CW_EINVAL ? 0 : r;
}

static int write_next(struct cw_job *job, const struct cw_result_v1 *result, struct cw_err *err)
{
    struct cw_watch_v1 next = {
        .id = watch_id(job), .run = run_number(job) + 1, .not_before = result->watch.next_run_at};
    int r = cw_snapshot_of(result, &run_of(job)->previous, job->run_mem, &next.previous);
    if (r < 0)
        return cw_err_set(err, r, "no memory for the next run");
    r = send_run(job, &next, err);
    if (r == -CW_ETOOBIG) { /* no later try is smaller: the watch ends with this run */
        cw_log_err(CW_ERROR, "watch.ended", err);
        cw_trouble_note(job->parts->publish.trouble[CW_TOPIC_REPEAT], err, true);
        return 0;
    }
    if (r < 0)
        return r;
    if (result->drift_count > 0)
        cw_meter_drifted();
    cw_log(CW_INFO, "watch.next", CW_F_INT("run", next.run),
           CW_F_INT("in_ms", CW_MAX(next.not_before - cw_wall_ms(), INT64_C(0))));
    const struct cw_watch_key key = {job->req.workspace_key, next.id, job->job_key};
    struct cw_watch_look watch;
    return cw_journal_watch(&job->parts->journal, &key, next.run, CW_NEVER, job->run_mem, &watch, err);
}

int cw_repeat_go_on(struct cw_job *job, struct cw_err *err)
{
    struct cw_result_v1 result = {0};
    struct cw_watch_look watch;
    if (!is_watch(job) || job->kind != CW_JOB_PLAN)
        return 0;
    int r = look(job, CW_NEVER, &watch, err);
    if (r < 0 || watch.run > run_number(job))
        return r;
    r = read_verdict(job, &result, err);
    if (r < 0)
        return r;
    if (watch.cancel != NULL || result.watch.next_run_at == 0) {
        cw_log(CW_INFO, "watch.ended", CW_F_INT("run", run_number(job)));
        return 0;
    }
    return write_next(job, &result, err);
}

/* ---- while it waits --------------------------------------------------------------------------------------------------- */

/* Redis may be away: it is written anew all the same, and whoever takes it looks again. */
static bool is_ended(struct cw_job *job)
{
    struct cw_err err = {0};
    struct cw_watch_look watch;
    if (job->cancel == NULL && look(job, cw_in_ms(ENTER_MS), &watch, &err) == 0 && watch.cancel != NULL)
        job->cancel = strdup(watch.cancel);
    return job->cancel != NULL;
}

enum cw_next cw_leg_repost(struct cw_job *job)
{
    struct cw_err err = {0};
    struct cw_watch_v1 same = *run_of(job);
    if (cw_job_reset_run(job) < 0)
        return CW_NEXT_WAIT;
    if (is_ended(job))
        return CW_NEXT_DUE;
    same.reposts++;
    for (struct cw_origin *o = job->origins; o != NULL; o = o->next)
        o->is_replaced = true;
    int r = send_run(job, &same, &err);
    if (r < 0 && cw_fiber_cancel_reason() == 0)
        cw_log_err(CW_WARN, "watch.not_reposted", &err);
    return r < 0 ? CW_NEXT_WAIT : CW_NEXT_REPOSTED;
}

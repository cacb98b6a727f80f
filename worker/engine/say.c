#include "worker/engine/legs.h"

static struct cw_progress_v1 progress_of(const struct cw_job *job, enum cw_progress_kind kind)
{
    return (struct cw_progress_v1){
        .kind = (int)kind,
        .step = job->step_name,
        .attempt = CW_MAX(job->attempt, 1),
        .number = (int64_t)job->step_number,
        .total = job->plan == NULL ? 0 : (int64_t)job->plan->step_count,
        .state = cw_job_state_name(job->state),
    };
}

void cw_say_started(struct cw_job *job)
{
    struct cw_progress_v1 progress = progress_of(job, CW_PROGRESS_STARTED);
    job->said.is_set = false;
    cw_publish_progress(&job->parts->publish, &job->voice, &progress);
}

static bool is_news(const struct cw_job *job, const struct cw_waiting *w, uint64_t what_hash)
{
    const struct cw_said *said = &job->said;
    return !said->is_set || said->reason != w->reason || said->percent != w->percent ||
           said->what_hash != what_hash || cw_mono_ms() - said->mono_ms >= job->parts->waiting_interval_ms;
}

/* Nothing may be said that a reader takes for news after the verdict: where one of an earlier lock is stored, its job waits in silence. */
static bool may_speak(const struct cw_job *job)
{
    uint64_t epoch = job->has_verdict ? cw_verdict_epoch(&job->verdict) : job->verdict_epoch;
    return epoch == 0 || epoch >= job->voice.epoch;
}

void cw_say_waiting(struct cw_job *job, const struct cw_waiting *w)
{
    uint64_t what_hash = cw_str_hash(cw_str_of(w->what));
    if (!may_speak(job) || !is_news(job, w, what_hash))
        return;
    job->said = (struct cw_said){true, w->reason, w->percent, what_hash, cw_mono_ms()};
    struct cw_progress_v1 progress = progress_of(job, CW_PROGRESS_WAITING);
    progress.waiting = (struct cw_waiting_v1){
        .reason = cw_wait_reason_name(w->reason),
        .what = w->what,
        .detail = w->detail,
        .percent = w->percent,
        .since = w->since_wall_ms,
        .next_look = w->next_wall_ms,
    };
    cw_publish_progress(&job->parts->publish, &job->voice, &progress);
}

void cw_say_no_slot(struct cw_job *job, size_t slots)
{
    char detail[96];
    if (job->said.is_set && job->said.reason == CW_WAIT_CAPACITY)
        return;
    (void)snprintf(detail, sizeof detail, "all of its %zu slots that this lane may use are taken", slots);
    const struct cw_waiting waiting = {
        .reason = CW_WAIT_CAPACITY,
        .what = job->parts->publish.worker_id,
        .detail = detail,
        .percent = -1,
        .since_wall_ms = job->accepted_wall_ms,
        .next_wall_ms = cw_wall_ms() + job->parts->waiting_interval_ms,
    };
    cw_say_waiting(job, &waiting);
}

void cw_say_queued_behind(struct cw_job *job, const char *request_id)
{
    int64_t now = cw_wall_ms();
    const struct cw_waiting waiting = {
        .reason = CW_WAIT_LOCK,
        .what = request_id,
        .detail = "an earlier request of the same workspace",
        .percent = -1,
        .since_wall_ms = job->accepted_wall_ms,
        .next_wall_ms = now + job->parts->waiting_interval_ms,
    };
    cw_say_waiting(job, &waiting);
}

void cw_say_scheduled(struct cw_job *job)
{
    const struct cw_watch_v1 *watch = &job->req.verify->watch;
    const struct cw_waiting waiting = {
        .reason = CW_WAIT_SCHEDULE,
        .what = watch->id,
        .detail = "a repeated verification, until its time comes",
        .percent = -1,
        .since_wall_ms = job->accepted_wall_ms,
        .next_wall_ms = watch->not_before,
    };
    job->voice.number = (uint32_t)CW_MIN(watch->reposts, (int64_t)CW_VOICE_WAITING - 2);
    cw_say_waiting(job, &waiting);
}

static struct cw_progress_v1 finished_of(const struct cw_job *job, const struct cw_job_step *step,
                                         const struct cw_err *err)
{
    const struct cw_step_record *rec = &step->record;
    struct cw_progress_v1 progress = progress_of(job, CW_PROGRESS_FINISHED);
    progress.finished = (struct cw_finished_v1){
        .outcome = rec->outcome,
        .found = rec->found,
        .found_count = rec->found_count,
        .changed = rec->changed,
        .changed_count = rec->changed_count,
        .duration_ms = rec->duration_ms,
        .compute = rec->out.compute,
        .compute_count = rec->out.compute_count,
    };
    if (err != NULL) {
        progress.finished.error = (struct cw_error_v1){
            .class = cw_class_name(err->class),
            .code = cw_err_name(err->code),
            .message = err->text,
            .remedy = err->remedy[0] == '\0' ? cw_remedy_of_class(cw_class_name(err->class)) : err->remedy,
            .correlation_id = err->correlation_id[0] == '\0' ? NULL : err->correlation_id,
        };
    }
    return progress;
}

void cw_say_finished(struct cw_job *job, const struct cw_job_step *step, const struct cw_err *err)
{
    struct cw_progress_v1 progress = finished_of(job, step, err);
    cw_publish_progress(&job->parts->publish, &job->voice, &progress);
}

int cw_say_kept_surely(struct cw_job *job, const struct cw_job_step *step, struct cw_err *err)
{
    int64_t now = cw_wall_ms();
    struct cw_progress_v1 progress = progress_of(job, CW_PROGRESS_WAITING);
    progress.waiting = (struct cw_waiting_v1){
        .reason = cw_wait_reason_name(CW_WAIT_CLUSTER),
        .what = job->req.workspace_id,
        .detail = "written down before it is changed",
        .percent = -1,
        .since = now,
        .next_look = now,
        .compute = step->record.out.compute,
        .compute_count = step->record.out.compute_count,
    };
    job->said.is_set = false;
    return cw_publish_progress_surely(&job->parts->publish, &job->voice, &progress, err);
}

int cw_say_finished_surely(struct cw_job *job, const struct cw_job_step *step, struct cw_err *err)
{
    struct cw_progress_v1 progress = finished_of(job, step, NULL);
    return cw_publish_progress_surely(&job->parts->publish, &job->voice, &progress, err);
}

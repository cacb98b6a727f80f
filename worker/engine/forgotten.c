/* What an earlier run of the request began, and Redis forgot: it is looked for in the world before the request ends without it. */
#include "worker/engine/durable.h"
#include "worker/engine/legs.h"

#define LOOK_MS 5000

static bool can_tell(const struct cw_plan *plan)
{
    for (size_t i = 0; plan != NULL && i < plan->step_count; i++) {
        if (plan->steps[i]->was_begun != NULL)
            return true;
    }
    return false;
}

int cw_job_look_back(struct cw_job *job, bool *ret_may_have_run, struct cw_err *err)
{
    struct cw_durable durable;
    *ret_may_have_run = false;
    if (cw_job_is_plan_only(job) || !can_tell(job->parts->plan_of(&job->req)))
        return 0;
    /* The last that an earlier owner wrote may have gone with a server that died. */
    *ret_may_have_run = job->log.claims > 1;
    if (*ret_may_have_run)
        return 0;
    int r = cw_durable_look(job->parts->journal.redis, cw_in_ms(LOOK_MS), job->run_mem, &durable, err);
    if (r == 0)
        *ret_may_have_run = !cw_durable_is_older(&durable, job->record_wall_ms);
    return r;
}

static bool is_skipped(const struct cw_job_step *s)
{
    return s->is_done && s->begun == 0;
}

static bool needs_look(const struct cw_job_step *s, bool is_last)
{
    if (s->def->was_begun == NULL || s->is_undone)
        return false;
    return is_last ? is_skipped(s) : is_skipped(s) || (!s->is_done && !s->has_kept);
}

static int look(struct cw_job *job, size_t i, struct cw_deadline until, struct cw_err *err)
{
    struct cw_job_step *s = &job->steps[i];
    bool is_step = false;
    if (s->undo_crashes >= job->parts->crash_limit)
        return 0; /* the undo says so */
    int r = cw_step_look(job, i, until, &is_step, err);
    if (r < 0 && is_step && !cw_class_is_stop(err->class)) {
        cw_job_note_unknown(job, s, err);
        return 0;
    }
    return r;
}

int cw_job_find_begun(struct cw_job *job, bool is_last, struct cw_err *err)
{
    const struct cw_deadline most = cw_in_ms(job->parts->undo_timeout_ms);
    bool may_have_run = false, is_wanted = false;
    for (size_t i = 0; i < job->plan->step_count; i++)
        is_wanted = is_wanted || needs_look(&job->steps[i], is_last);
    int r = is_wanted ? cw_job_look_back(job, &may_have_run, err) : 0;
    for (size_t i = 0; r == 0 && may_have_run && i < job->plan->step_count; i++) {
        if (needs_look(&job->steps[i], is_last))
            r = look(job, i, is_last ? cw_sooner(job->until, most) : most, err);
    }
    return r;
}

/* A verdict can't differ from one that is out already, whatever Redis has forgotten: the results topic is looked at before a request is
 * accepted that nobody has claimed as far as Redis knows, each time one is claimed, and before each try to send a verdict that is not
 * known to be out.
 *
 * Why two different verdicts of a request can't both be sent: each is in Redis shortly before it is handed to the client (at most
 * HAND_OVER_MS before), and arrives within CW_KAFKA_DELIVERY_MS or never. Redis holds one of them at a time, so it forgot the earlier one
 * before it took the later. Who stored the later one lets that time pass since Redis began anew, and looks then: it finds the earlier one,
 * and sends that again instead of its own. Two gaps remain: a Redis that loses its last writes only does not begin anew, so nobody waits for
 * what was on its way; and a worker may stand still between seeing that Redis holds the verdict and handing it over. */
#include "worker/engine/legs.h"

#define LOOK_MS 30000 /* one try: a first pass over a long topic goes on where it stopped */
#define PAUSE_FIRST_MS 200
#define PAUSE_MOST_MS 10000
#define HAND_OVER_MS 1000
#define LATE_MS (CW_KAFKA_DELIVERY_MS + HAND_OVER_MS + 2000)
#define FRESH_MS 1000 /* a look that is no older need not be repeated before the first step */

static bool is_stopped(int r)
{
    return cw_class_is_stop(cw_err_class_of(r));
}

static void say_why(struct cw_job *job, const char *why, int64_t since, int64_t pause_ms)
{
    const struct cw_waiting waiting = {
        .reason = CW_WAIT_RETRY,
        .what = job->parts->publish.topic_results,
        .detail = why,
        .percent = -1,
        .since_wall_ms = since,
        .next_wall_ms = cw_wall_ms() + pause_ms,
    };
    cw_say_waiting(job, &waiting);
}

/* While Redis is young any request may have been answered before, as long ago as the promise reaches. */
static int64_t since_of(const struct cw_job *job, const struct cw_durable *redis)
{
    int64_t retention_ms = job->parts->journal.retention_ms;
    if (job->record_wall_ms <= 0 || redis->age_ms > retention_ms)
        return CW_MAX(job->record_wall_ms, INT64_C(0));
    return CW_MIN(job->record_wall_ms, CW_MAX(cw_wall_ms() - retention_ms, INT64_C(1)));
}

static void note(struct cw_job *job, const struct cw_err *err)
{
    bool needs_people = err->code == CW_EPROTO || cw_err_class_of(err->code) != CW_CLASS_RETRY;
    cw_trouble_note(job->parts->recall_trouble, err, needs_people);
}

/* Until the topic has been read. */
static int look(struct cw_job *job, const struct cw_durable *redis, bool *ret_found,
                struct cw_verdict *ret_verdict, struct cw_err *err)
{
    char id[CW_UUID_BYTES];
    int64_t since = cw_wall_ms();
    cw_result_event_id(job->req.workspace_key, job->req.event.id, id);
    for (int64_t pause_ms = PAUSE_FIRST_MS;; pause_ms = CW_MIN(pause_ms * 2, (int64_t)PAUSE_MOST_MS)) {
        int r = cw_recall_find(job->parts->recall, id, since_of(job, redis), cw_in_ms(LOOK_MS), job->run_mem,
                               ret_found, ret_verdict, err);
        if (r == 0)
            cw_trouble_over(job->parts->recall_trouble);
        if (r == 0 || is_stopped(r))
            return r;
        note(job, err);
        if (r == -CW_ENOMEM ||
            r == -CW_EPROTO) /* not mended by asking again: the leg begins anew, with fresh memory */
            return r;
        say_why(job, "the verdicts that are out can't be read", since, pause_ms);
        r = cw_sleep(cw_in_ms(cw_random_between(pause_ms / 2, pause_ms)));
        if (r < 0)
            return cw_err_set(err, r, "stopped while %s could not be read",
                              job->parts->publish.topic_results);
    }
}

/* It is the one that counts: as if Redis had never forgotten it. */
static int adopt(struct cw_job *job, const struct cw_verdict *verdict, struct cw_err *err)
{
    cw_log(CW_WARN, "verdict.recalled", CW_F_STR("outcome", verdict->outcome));
    int r = cw_journal_recalled(&job->parts->journal, job->job_key, cw_request_kind_name(job->req.kind),
                                verdict, job->accepted_wall_ms, CW_NEVER, err);
    if (r < 0)
        return r;
    job->verdict = *verdict;
    job->has_verdict = job->is_verdict_out = true;
    return 0;
}

int cw_job_recall(struct cw_job *job, bool *ret_found, struct cw_err *err)
{
    struct cw_verdict verdict;
    struct cw_durable durable;
    *ret_found = false;
    int64_t began = cw_mono_ms();
    if (job->looked_mono_ms > 0 && began - job->looked_mono_ms <= FRESH_MS)
        return 0;
    int r = cw_journal_age(&job->parts->journal, CW_NEVER, &durable, err);
    if (r == 0)
        r = look(job, &durable, ret_found, &verdict, err);
    if (r < 0)
        return r;
    job->looked_mono_ms = began;
    return *ret_found ? adopt(job, &verdict, err) : 0;
}

/* ---- before a verdict is sent ---------------------------------------------------------------------------------------- */

/* A different verdict, which Redis forgot, may still be on its way: this worker's own, or another's. */
static int64_t late_ms(const struct cw_job *job, const struct cw_durable *redis)
{
    int64_t now = cw_mono_ms(), left = 0;
    if (job->sent_mono_ms > 0 && job->sent_digest != cw_str_hash(job->verdict.record.value))
        left = job->sent_mono_ms + LATE_MS - now;
    bool may_be_older =
        !cw_durable_is_older(redis, job->record_wall_ms) || now - job->accepted_mono_ms > redis->age_ms;
    return may_be_older ? CW_MAX(left, LATE_MS - redis->age_ms) : left;
}

static int let_pass(struct cw_job *job, int64_t ms, struct cw_err *err)
{
    if (ms <= 0)
        return 0;
    say_why(job, "a verdict that Redis forgot may still be on its way", cw_wall_ms(), ms);
    int r = cw_sleep(cw_in_ms(ms));
    return r < 0 ? cw_err_set(err, r, "stopped before the verdict was sent") : 0;
}

/* Redis holds it, and may be forgetting it from now on. */
static int confirm(struct cw_job *job, struct cw_deadline *ret_begin_by, struct cw_err *err)
{
    bool holds = false;
    const struct cw_deadline begin_by = cw_in_ms(HAND_OVER_MS);
    int r = cw_journal_holds(&job->parts->journal, job->job_key, &job->verdict, CW_NEVER, &holds, err);
    if (r < 0)
        return r;
    if (!holds)
        return cw_err_set(err, CW_ELOST, "Redis does not hold the verdict any more");
    job->sent_mono_ms = begin_by.mono_ms;
    job->sent_digest = cw_str_hash(job->verdict.record.value);
    *ret_begin_by = begin_by;
    return 0;
}

int cw_job_before_sending(void *arg, struct cw_deadline *ret_begin_by, struct cw_err *err)
{
    struct cw_job *job = arg;
    struct cw_verdict verdict;
    bool is_found = false;
    struct cw_durable durable;
    if (job->is_verdict_out)
        return 0;
    int r = cw_journal_age(&job->parts->journal, CW_NEVER, &durable, err);
    if (r == 0)
        r = let_pass(job, late_ms(job, &durable), err);
    if (r == 0)
        r = look(job, &durable, &is_found, &verdict, err);
    if (r < 0)
        return r;
    if (!is_found)
        return confirm(job, ret_begin_by, err);
    r = adopt(job, &verdict, err);
    return r < 0 ? r : cw_err_set(err, CW_EPRECOND, "another verdict is out");
}

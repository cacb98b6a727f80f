/* The verdict's way out: stored before it is sent, and stored again before a shorter one is sent, so that all copies are equal. Before
 * it is sent the topic is asked whether another one is out. */
#include "worker/engine/legs.h"
#include "worker/engine/shorten.h"

static int shorten(struct cw_job *job, struct cw_err *err)
{
    struct cw_verdict shorter;
    job->sent_mono_ms = 0; /* refused: it is not on its way */
    int r = cw_verdict_shorten(&job->verdict, job->run_mem, &shorter, err);
    if (r < 0) {
        cw_trouble_note(job->parts->publish.trouble[CW_TOPIC_RESULTS], err, true);
        return r;
    }
    cw_log(CW_WARN, "verdict.shortened", CW_F_INT("bytes", shorter.record.value.n),
           CW_F_INT("before", job->verdict.record.value.n));
    return cw_journal_replace(&job->parts->journal, job->job_key, &job->verdict, &shorter, CW_NEVER,
                              job->run_mem, &job->verdict, err);
}

int cw_job_send_verdict(struct cw_job *job, struct cw_err *err)
{
    for (;;) {
        const struct cw_send_guard guard = {cw_job_before_sending, job};
        int r = cw_publish_verdict(&job->parts->publish, job->req.workspace_key, &job->verdict, &guard, err);
        if (r == -CW_EPRECOND)
            continue;
        if (r != -CW_ETOOBIG)
            return r;
        if (job->is_verdict_out) /* a copy, of a size that the topic takes no more: the one that counts is there */
            return 0;
        r = shorten(job, err);
        if (r < 0)
            return r;
    }
}

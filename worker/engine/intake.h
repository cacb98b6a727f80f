/* worker/engine/intake.h: from Kafka to jobs, and from ended jobs to commits.
 *
 * Never waits: a record becomes a job, a refusal or a dead letter at once; when the window of its partition or the lane's queue is full the
 * partition is paused. Only the lowest unfinished offset is ever committed.
 * Suspends: never.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_INTAKE_H
#define CW_WORKER_ENGINE_INTAKE_H

#include "common/net/kafka_in.h"
#include "worker/engine/runner.h"

struct cw_intake;

/* Strings are copied. */
struct cw_intake_cfg {
    const struct cw_engine_parts *parts; /* borrowed */
    const char *topics[CW_LANE__COUNT];  /* NULL or "" = none */
    size_t request_bytes_max;
    int64_t commit_interval_ms;
    /* The worker can't go on: memory is out, or Kafka has failed for good. */
    void (*fatal)(void *arg, const struct cw_err *err);
    void *arg;
};

/* Errors: -CW_ENOMEM. */
int cw_intake_new(const struct cw_intake_cfg *cfg, struct cw_intake **ret_intake);
/* cw_intake_leave() was called, or it never joined. NULL is fine. */
void cw_intake_free(struct cw_intake *in);
/* Join the group; kafka's topics and callbacks are set here. Errors: those of cw_kafka_in_new(). */
int cw_intake_join(struct cw_intake *in, const struct cw_kafka_in_cfg *kafka, struct cw_err *err);
/* Take no more records; what is in flight is the runner's. */
void cw_intake_stop(struct cw_intake *in);
/* Commit what is done and leave the group. Blocks, at most until then. */
void cw_intake_leave(struct cw_intake *in, struct cw_deadline until);
/* To be called by the runner. */
void cw_intake_origin_done(struct cw_intake *in, const struct cw_origin *origin);
void cw_intake_room(struct cw_intake *in);
bool cw_intake_is_assigned(const struct cw_intake *in);
/* What the partitions hold. */
struct cw_intake_load {
    size_t assigned;
    size_t map_bytes; /* of the longest map that would be committed now */
    size_t overrun;   /* partitions whose window is full and which go on reading: none, or it is a bug */
};
struct cw_intake_load cw_intake_load(const struct cw_intake *in);
/* Requests behind the high watermark; -1 = unknown. */
int64_t cw_intake_lag(struct cw_intake *in);

#endif

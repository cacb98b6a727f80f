/* schema/progress_v1.h: causeway.step.{started,waiting,finished}.v1: a request on its way.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_PROGRESS_V1_H
#define CW_SCHEMA_PROGRESS_V1_H

#include "schema/cloudevent.h"
#include "schema/result_v1.h"

enum cw_progress_kind {
    CW_PROGRESS_STARTED = 0,
    CW_PROGRESS_WAITING,
    CW_PROGRESS_FINISHED,
    CW_PROGRESS__COUNT
};

struct cw_waiting_v1 {
    const char *reason; /* lock throttle operation dns cluster capacity ready retry */
    const char *what;   /* resource, bucket, owner */
    const char *detail;
    int64_t percent;               /* -1 = unknown; not written then */
    int64_t since;                 /* wall ms */
    int64_t next_look;             /* wall ms */
    struct cw_compute_v1 *compute; /* stop_compute: what is about to be stopped, and what was before */
    size_t compute_count;
};

struct cw_finished_v1 {
    int outcome; /* enum cw_step_outcome */
    const char **found;
    size_t found_count;
    const char **changed;
    size_t changed_count;
    int64_t duration_ms;
    struct cw_compute_v1 *compute; /* inventory_compute: what runs, before anything is stopped */
    size_t compute_count;
    struct cw_error_v1 error;
};

struct cw_progress_v1 {
    int kind; /* enum cw_progress_kind; the event's type, not a member */
    const char *request_id;
    const char *request_type;
    const char *workspace_id;
    const char *step;
    int64_t attempt; /* from 1 */
    int64_t number;  /* of the step in its plan, from 1 */
    int64_t total;
    const char *state;              /* of the job: "running", "undoing" … */
    struct cw_waiting_v1 waiting;   /* kind WAITING */
    struct cw_finished_v1 finished; /* kind FINISHED */
};

extern const struct cw_shape cw_step_started_v1_shape;
extern const struct cw_shape cw_step_waiting_v1_shape;
extern const struct cw_shape cw_step_finished_v1_shape;
/* By enum cw_progress_kind. */
extern const struct cw_shape *const cw_progress_shapes[CW_PROGRESS__COUNT];
const char *cw_progress_type(enum cw_progress_kind kind);

/* A record; event->type is set here. Errors: -CW_ENOMEM, -CW_ETOOBIG. */
int cw_progress_encode(const struct cw_progress_v1 *progress, const struct cw_event *event, const char *key,
                       struct cw_arena *mem, struct cw_record_out *ret_record, struct cw_err *err);
/* Errors: those of cw_event_read(); -CW_EUNSUPPORTED for another type. */
int cw_progress_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                       struct cw_progress_v1 *ret_progress, struct cw_err *err);

#endif

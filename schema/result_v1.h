/* schema/result_v1.h: causeway.workspace.result.v1: the one verdict of a request.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_RESULT_V1_H
#define CW_SCHEMA_RESULT_V1_H

#include "common/time.h"
#include "schema/cloudevent.h"
#include "schema/watch_v1.h"

#define CW_RESULT_TYPE "causeway.workspace.result.v1"

enum cw_outcome {
    CW_OUTCOME_SUCCEEDED = 0,
    CW_OUTCOME_FAILED,
    CW_OUTCOME_REJECTED,
    CW_OUTCOME_CANCELLED,
    CW_OUTCOME_PLANNED,
    CW_OUTCOME__COUNT
};
extern const char *const cw_outcome_names[CW_OUTCOME__COUNT];

enum cw_step_outcome {
    CW_STEP_OUTCOME_DONE = 0,
    CW_STEP_OUTCOME_SKIPPED,
    CW_STEP_OUTCOME_FAILED,
    CW_STEP_OUTCOME_UNDONE,
    CW_STEP_OUTCOME__COUNT
};
extern const char *const cw_step_outcome_names[CW_STEP_OUTCOME__COUNT];

struct cw_step_result_v1 {
    const char *name;
    int outcome; /* enum cw_step_outcome */
    const char **found;
    size_t found_count;
    const char **changed;
    size_t changed_count;
    int64_t duration_ms;
    int64_t attempts;
};

struct cw_proof_v1 {
    const char *workspace_url;
    const char *workspace_numeric_id;
    const char *endpoint_id;
    const char *endpoint_address;
    const char *endpoint_status; /* of its connection; NULL: not looked at */
    const char *zone_name;       /* NULL: not looked at */
    const char *zone_id;
    const char *link_id;
    struct cw_dns_record_v1 *records;
    size_t record_count;
    struct cw_probe_dns_v1 resolver;
    const char *required_nsg_rules;
    const char *public_network_access;
    int no_public_ip; /* enum cw_tri */
    const char *cluster_id;
    const char *cluster_state;
    struct cw_termination_v1 cluster_termination;
    const char *probe_json;
};

struct cw_error_v1 {
    const char *class;
    const char *code;
    const char *message;
    const char *remedy;
    const char *correlation_id;
};

/* What ran before, and what runs now. */
struct cw_compute_change_v1 {
    int kind; /* enum cw_compute_v1_kind */
    const char *id;
    const char *name;
    const char *before;
    const char *after;
};

struct cw_problem_v1 {
    const char *pointer;
    const char *message;
    const char *remedy;
};

struct cw_calls_v1 {
    int64_t reads;
    int64_t writes;
    int64_t deletes;
};

struct cw_result_v1 {
    const char *request_id;
    const char *request_type;
    const char *workspace_id;
    int outcome; /* enum cw_outcome */
    const char *summary;
    int64_t started_at;  /* wall ms */
    int64_t finished_at; /* wall ms */
    int64_t duration_ms;
    struct cw_step_result_v1 *steps;
    size_t step_count;
    int64_t changes;
    int64_t would_change; /* plan mode */
    struct cw_proof_v1 evidence;
    struct cw_error_v1 error;       /* set when code is */
    struct cw_problem_v1 *problems; /* a request that was refused for its content */
    size_t problem_count;
    const char **left_over; /* changes that could not be put back */
    size_t left_over_count;
    struct cw_diagnosis_v1 *diagnosis;
    size_t diagnosis_count;
    struct cw_watch_run_v1 watch;
    struct cw_drift_v1 *drift; /* against the last verdict of the watch */
    size_t drift_count;
    struct cw_compute_change_v1 *compute;
    size_t compute_count;
    int64_t outage_ms; /* from the first stop until all ran again; -1 = nothing was stopped */
    struct cw_calls_v1 calls;
    const char *worker;
    int64_t plan_version;
    const char **left_out; /* members that made the event too big, "steps/found" */
    size_t left_out_count;
};

extern const struct cw_shape cw_result_v1_shape;

/* Fill evidence, diagnosis and compute from the facts; borrows what the facts own, lists live in mem.
 * Errors: -CW_ENOMEM. */
int cw_result_from_facts(struct cw_result_v1 *result, const struct cw_facts *facts, struct cw_arena *mem);
/* Derived from the workspace's key and the request's id: equal for equal requests, and for no others. */
void cw_result_event_id(const char *workspace_key, const char *request_id, char out[CW_UUID_BYTES]);
/* Problems of a decoded request as they stand in a verdict or dead letter; lives in mem. Errors: -CW_ENOMEM. */
int cw_problems_v1_of(const struct cw_problems *problems, struct cw_arena *mem,
                      struct cw_problem_v1 **ret_items, size_t *ret_count);
/* A record; event->type is set here, key is the workspace key. Errors: -CW_ENOMEM, -CW_ETOOBIG. */
int cw_result_encode(const struct cw_result_v1 *result, const struct cw_event *event, const char *key,
                     struct cw_arena *mem, struct cw_record_out *ret_record, struct cw_err *err);
/* Errors: those of cw_event_read(); -CW_EUNSUPPORTED for another type. */
int cw_result_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                     struct cw_result_v1 *ret_result, struct cw_err *err);

#endif

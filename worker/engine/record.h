/* worker/engine/record.h: what the journal holds as JSON: a step's outcome, a failure, an operation of Azure, a verdict's headers.
 *
 * Readers ignore members that they don't know, so an older worker reads what a newer one wrote.
 * Suspends: never.  Thread: any. */
#ifndef CW_WORKER_ENGINE_RECORD_H
#define CW_WORKER_ENGINE_RECORD_H

#include "common/azure/call.h"
#include "schema/result_v1.h"

/* One step (or the undoing of one) that has ended. */
struct cw_step_record {
    int outcome; /* enum cw_step_outcome */
    const char **found;
    size_t found_count;
    const char **changed;
    size_t changed_count;
    int64_t duration_ms;
    int64_t attempts;
    struct cw_calls_v1 calls;
    struct cw_facts out;
};

/* Why a request goes no further. Written before anything is undone. */
struct cw_failure_record {
    int outcome;      /* enum cw_outcome: failed, rejected or cancelled */
    const char *step; /* NULL = none */
    const char *class;
    const char *code;
    const char *message;
    const char *remedy;
    const char *correlation_id;
};

/* A verdict as it is sent, first and again. */
struct cw_verdict {
    const char *outcome; /* name */
    struct cw_record_out record;
};

/* The epoch in its sequence; 0 = it has none. Pure. */
uint64_t cw_verdict_epoch(const struct cw_verdict *verdict);

char *cw_step_record_print(const struct cw_step_record *record, struct cw_arena *mem);
char *cw_failure_record_print(const struct cw_failure_record *record, struct cw_arena *mem);
char *cw_operation_print(const struct cw_operation *op, struct cw_arena *mem);
/* Headers of a record as one JSON array of names and values, in order. */
char *cw_headers_print(const struct cw_record_out *record, struct cw_arena *mem);

/* Strings live in mem. Errors: -CW_EPARSE, -CW_EINVAL, -CW_ENOMEM. */
int cw_step_record_parse(const char *z, struct cw_arena *mem, struct cw_step_record *ret_record,
                         struct cw_err *err);
int cw_failure_record_parse(const char *z, struct cw_arena *mem, struct cw_failure_record *ret_record,
                            struct cw_err *err);
int cw_operation_parse(const char *z, struct cw_arena *mem, struct cw_operation *ret_op, struct cw_err *err);
int cw_headers_parse(const char *z, struct cw_arena *mem, struct cw_record_out *ret_record,
                     struct cw_err *err);

#endif

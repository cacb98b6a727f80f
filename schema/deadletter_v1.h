/* schema/deadletter_v1.h: causeway.request.deadletter.v1: a record that could not be read as a request, as it came.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_DEADLETTER_V1_H
#define CW_SCHEMA_DEADLETTER_V1_H

#include "schema/cloudevent.h"
#include "schema/result_v1.h"

#define CW_DEADLETTER_TYPE "causeway.request.deadletter.v1"
/* Of the original value; the rest is cut off and `truncated` says so. */
#define CW_DEADLETTER_VALUE_BYTES_MAX ((size_t)256 * 1024)

enum cw_deadletter_reason {
    CW_DEADLETTER_PARSE = 0,
    CW_DEADLETTER_SCHEMA,
    CW_DEADLETTER_TOO_BIG,
    CW_DEADLETTER_UNSUPPORTED_TYPE,
    CW_DEADLETTER_BUG,
    CW_DEADLETTER__COUNT
};
extern const char *const cw_deadletter_reason_names[CW_DEADLETTER__COUNT];
/* From the code that cw_request_decode() returned. */
enum cw_deadletter_reason cw_deadletter_reason_of(int code);

struct cw_origin_v1 {
    const char *topic;
    int64_t partition;
    int64_t offset;
    int64_t timestamp; /* wall ms */
};

/* Texts where the bytes are UTF-8 text, base64 otherwise. */
struct cw_original_v1 {
    struct cw_pair *headers;
    size_t header_count;
    const char *key;
    const char *key_base64;
    const char *value;
    const char *value_base64;
    int64_t value_bytes; /* before truncation */
    bool truncated;
};

struct cw_deadletter_v1 {
    int reason; /* enum cw_deadletter_reason */
    const char *message;
    const char *remedy;
    struct cw_problem_v1 *problems;
    size_t problem_count;
    struct cw_origin_v1 origin;
    struct cw_original_v1 original;
};

extern const struct cw_shape cw_deadletter_v1_shape;

/* Everything about a record that could not be decoded with this error; problems may be NULL. Lives in mem.
 * Errors: -CW_ENOMEM. */
int cw_deadletter_of(const struct cw_record_in *rec, const struct cw_err *why,
                     const struct cw_problems *problems, struct cw_arena *mem,
                     struct cw_deadletter_v1 *ret_letter);
/* Derived from topic, partition and offset: equal for equal records. */
void cw_deadletter_event_id(const struct cw_record_in *rec, char out[37]);
/* A record; event->type is set here, `key` is the original key. Errors: -CW_ENOMEM, -CW_ETOOBIG. */
int cw_deadletter_encode(const struct cw_deadletter_v1 *letter, const struct cw_event *event,
                         struct cw_str key, struct cw_arena *mem, struct cw_record_out *ret_record,
                         struct cw_err *err);
/* Errors: those of cw_event_read(); -CW_EUNSUPPORTED for another type. */
int cw_deadletter_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                         struct cw_deadletter_v1 *ret_letter, struct cw_err *err);

#endif

/* schema/cloudevent.h: CloudEvents 1.0 on Kafka records, without Kafka: structured and binary mode in, binary mode out.
 *
 * Suspends: never.  Thread: any.  Source: CloudEvents 1.0.2, its JSON format and Kafka protocol binding. */
#ifndef CW_SCHEMA_CLOUDEVENT_H
#define CW_SCHEMA_CLOUDEVENT_H

#include "common/json.h"
#include "schema/problem.h"

#define CW_EVENT_BYTES_MAX ((size_t)256 * 1024)
#define CW_EVENT_HEADERS_MAX 64

struct cw_header {
    const char *name;
    struct cw_str value;
};

/* A record as it came. Everything is borrowed. */
struct cw_record_in {
    const struct cw_header *headers;
    size_t header_count;
    struct cw_str key;   /* p == NULL: no key */
    struct cw_str value; /* p == NULL: a tombstone */
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
};

/* A record to write. Lives in the arena that it was made in. */
struct cw_record_out {
    const struct cw_header *headers;
    size_t header_count;
    struct cw_str key; /* p == NULL: no key */
    struct cw_str value;
};

/* The envelope. Members are NULL when absent. */
struct cw_event {
    const char *id;
    const char *source;
    const char *type;
    const char *subject;
    const char *time;        /* RFC 3339 */
    const char *traceparent; /* W3C trace context */
    const char *correlationid;
    const char *sequence; /* "%012llu.%06u": epoch and number; later is greater as text */
};

/* The value of a header, ASCII case-insensitive by name; {NULL, 0} when absent. */
struct cw_str cw_record_header(const struct cw_record_in *rec, const char *name);

/* Read the envelope and the data (a JSON object that mem owns). Strings are copied into mem. What could be read of the
 * envelope is set also on failure. Errors: -CW_ETOOBIG, -CW_EPARSE (not JSON, or not a CloudEvent), -CW_EINVAL (problems were
 * added: a required attribute is missing or malformed), -CW_ENOMEM. */
int cw_event_read(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                  const json_t **ret_data, struct cw_problems *problems, struct cw_err *err);

/* A record in binary mode; take_data is consumed in any case. key may be NULL. Errors: -CW_ENOMEM, -CW_ETOOBIG (the data is
 * larger than CW_EVENT_OUT_BYTES_MAX). */
#define CW_EVENT_OUT_BYTES_MAX ((size_t)900 * 1024)
int cw_event_write(const struct cw_event *event, const char *key, json_t *take_data, struct cw_arena *mem,
                   struct cw_record_out *ret_record, struct cw_err *err);

/* Read an event of one of these types (count of them) into *ret_value, which has room for any of the shapes; *ret_which is its
 * index. Errors: those of cw_event_read(); -CW_EUNSUPPORTED for another type. */
struct cw_shape;
int cw_event_decode(const struct cw_record_in *rec, const char *const *types,
                    const struct cw_shape *const *shapes, size_t count, struct cw_arena *mem,
                    struct cw_event *ret_event, void *ret_value, size_t *ret_which, struct cw_err *err);

/* "%012llu.%06u" in mem; NULL when out of memory. */
char *cw_event_sequence(struct cw_arena *mem, uint64_t epoch, uint32_t number);

#endif

/* schema/watch_v1.h: a verify request that repeats: which run of which watch it is, what the last verdict said, and what differs now.
 *
 * All that a watch remembers travels in its own requests: no store is needed to go on.
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_WATCH_V1_H
#define CW_SCHEMA_WATCH_V1_H

#include "schema/facts_v1.h"

/* CW_DRIFT_…, name in events. Names are never changed or reused. */
#define CW_DRIFTS(X)                        \
    X(OUTCOME, "outcome")                   \
    X(ENDPOINT_ID, "endpointId")            \
    X(ENDPOINT_ADDRESS, "endpointAddress")  \
    X(ENDPOINT_STATUS, "endpointStatus")    \
    X(ZONE_ID, "zoneId")                    \
    X(LINK_ID, "linkId")                    \
    X(RECORDS, "records")                   \
    X(NSG_RULES, "requiredNsgRules")        \
    X(PUBLIC_ACCESS, "publicNetworkAccess") \
    X(NO_PUBLIC_IP, "noPublicIp")           \
    X(CAUSES, "causes") /* of the diagnosis */

enum cw_drift_what {
#define X(id, name) CW_DRIFT_##id,
    CW_DRIFTS(X)
#undef X
        CW_DRIFT__COUNT
};

/* The id of run n is "<id of the first>#<n>". */
#define CW_WATCH_ID_BYTES_MAX 108

/* What a verdict says of what can change without a request of ours. A NULL text, an unknown tri-state or an empty list: none. */
struct cw_snapshot_v1 {
    const char *outcome; /* NULL: no snapshot */
    const char *endpoint_id;
    const char *endpoint_address;
    const char *endpoint_status;
    const char *zone_id;
    const char *link_id;
    struct cw_dns_record_v1 *records;
    size_t record_count;
    const char *required_nsg_rules;
    const char *public_network_access;
    int no_public_ip; /* enum cw_tri */
    const char **causes;
    size_t cause_count;
};

/* In a request: set by the worker that writes the next run. */
struct cw_watch_v1 {
    const char *id;     /* of the request that began it; NULL: this is the first run */
    int64_t run;        /* from 2 */
    int64_t not_before; /* wall ms */
    int64_t reposts;    /* how often it was written anew while it waited */
    struct cw_snapshot_v1 previous;
};

/* In a verdict. */
struct cw_watch_run_v1 {
    const char *id; /* NULL: no watch */
    int64_t run;
    int64_t next_run_at; /* wall ms; 0: this was the last */
};

struct cw_drift_v1 {
    int what; /* enum cw_drift_what */
    const char *before;
    const char *after;
};

extern const struct cw_shape cw_snapshot_v1_shape;
extern const struct cw_shape cw_watch_v1_shape;
extern const struct cw_shape cw_watch_run_v1_shape;
extern const struct cw_shape cw_drift_v1_shape;

struct cw_result_v1;

/* What a verdict shows; what it did not look at is as it was before (`previous` may be NULL). Borrows from both; lists are in mem.
 * Errors: -CW_ENOMEM. */
int cw_snapshot_of(const struct cw_result_v1 *result, const struct cw_snapshot_v1 *previous,
                   struct cw_arena *mem, struct cw_snapshot_v1 *ret_snapshot);
/* What differs, in the order of the list above; in mem. Nothing when either is no snapshot. Errors: -CW_ENOMEM. */
int cw_drift_between(const struct cw_snapshot_v1 *before, const struct cw_snapshot_v1 *after,
                     struct cw_arena *mem, struct cw_drift_v1 **ret_items, size_t *ret_count);
const char *cw_drift_name(enum cw_drift_what what);

#endif

/* schema/compute_v1.h: clusters, warehouses and pools of a workspace, and DNS records, as facts and results carry them.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_COMPUTE_V1_H
#define CW_SCHEMA_COMPUTE_V1_H

#include "schema/field.h"

enum cw_compute_v1_kind {
    CW_COMPUTE_V1_CLUSTER = 0,
    CW_COMPUTE_V1_WAREHOUSE,
    CW_COMPUTE_V1_POOL,
    CW_COMPUTE_V1_RUN,
    CW_COMPUTE_V1_PIPELINE,
    CW_COMPUTE_V1_SCHEDULE,
    CW_COMPUTE_V1__COUNT
};
extern const char *const cw_compute_v1_kind_names[CW_COMPUTE_V1__COUNT];

/* As inventory_compute found it, and what was done about it since. */
struct cw_compute_v1 {
    int kind; /* enum cw_compute_v1_kind */
    const char *id;
    const char *name;
    const char *state;     /* when it was listed */
    const char *state_now; /* after start_compute; NULL before */
    bool was_running;
    bool stopped_by_us;
    int64_t min_idle;     /* pools, as they were */
    int64_t idle_minutes; /* pools, as they were */
    const char *note;     /* why it was left alone, or does not run; may be NULL */
};

struct cw_dns_record_v1 {
    const char *name;
    const char **addresses;
    size_t address_count;
    int64_t ttl;
};

extern const struct cw_shape cw_compute_v1_shape;
extern const struct cw_shape cw_dns_record_v1_shape;

#endif

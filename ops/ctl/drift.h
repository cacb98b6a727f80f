/* ops/ctl/drift.h: what a verdict says that the one before did not, for `causeway verify --every`.
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_OPS_CTL_DRIFT_H
#define CW_OPS_CTL_DRIFT_H

#include <stdio.h>

#include "schema/result_v1.h"

/* Zeroed at first. */
struct drift {
    struct cw_arena *mem; /* of `last` */
    struct cw_snapshot_v1 last;
    bool json;
};

/* Print what differs from the verdict before, and remember this one. Drift of a verdict that can't be read is not told. */
void drift_look(struct drift *d, FILE *out, const json_t *result);
void drift_fini(struct drift *d);

#endif

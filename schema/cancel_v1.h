/* schema/cancel_v1.h: data of causeway.workspace.cancel.v1: stop a request at its next safe point.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_CANCEL_V1_H
#define CW_SCHEMA_CANCEL_V1_H

#include "schema/field.h"

struct cw_cancel_v1 {
    const char *workspace_id;
    const char *request_id; /* the event id of the request to stop */
    const char *reason;     /* may be NULL */
};

extern const struct cw_shape cw_cancel_v1_shape;

#endif

/* schema/verify_v1.h: data of causeway.workspace.verify.v1: prove that a workspace's back-end connection is private.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_VERIFY_V1_H
#define CW_SCHEMA_VERIFY_V1_H

#include "schema/options_v1.h"
#include "schema/watch_v1.h"

struct cw_verify_v1 {
    const char *workspace_id;
    const char *tenant_id; /* NULL: the worker's */
    int cloud;             /* enum cw_cloud_name */
    struct cw_options_v1 options;
    struct cw_watch_v1 watch; /* id NULL: the first run, or no watch */
};

extern const struct cw_shape cw_verify_v1_shape;

#endif

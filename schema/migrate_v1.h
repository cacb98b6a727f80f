/* schema/migrate_v1.h: data of causeway.workspace.migrate.v1: give an existing workspace a private back-end connection.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_MIGRATE_V1_H
#define CW_SCHEMA_MIGRATE_V1_H

#include "schema/options_v1.h"

struct cw_migrate_v1 {
    const char *workspace_id;
    const char *tenant_id; /* NULL: the worker's */
    int cloud;             /* enum cw_cloud_name */
    struct cw_options_v1 options;
    struct cw_network_v1 network;
    struct cw_private_endpoint_v1 private_endpoint;
    struct cw_private_dns_v1 private_dns;
    struct cw_browser_authentication_v1 browser_authentication;
};

extern const struct cw_shape cw_migrate_v1_shape;

#endif

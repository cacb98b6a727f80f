/* common/azure/databricks_access.h: from which addresses a workspace may be reached over its public way.
 *
 * Errors: those of databricks.h.  Suspends: yes.  Thread: loop.
 * Source: Databricks REST 2.0, workspace-conf and ip-access-lists. */
#ifndef CW_COMMON_AZURE_DATABRICKS_ACCESS_H
#define CW_COMMON_AZURE_DATABRICKS_ACCESS_H

#include "common/azure/databricks.h"

/* Lists live in call->mem. */
struct cw_ip_access {
    bool is_enabled;      /* enableIpAccessLists */
    const char **allowed; /* addresses and prefixes of enabled ALLOW lists; none = all are */
    size_t allowed_count;
};

/* Two reads; one when the lists are off. */
int cw_databricks_get_ip_access(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, struct cw_ip_access *ret_access,
                                struct cw_err *err);
#endif

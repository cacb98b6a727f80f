/* common/azure/compute_impl.h: what listing and changing compute share. Nobody else includes it.
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_AZURE_COMPUTE_IMPL_H
#define CW_COMMON_AZURE_COMPUTE_IMPL_H

#include "common/azure/compute.h"

/* One of a NULL-terminated list, without case? */
bool cw_compute_is_any(const char *z, const char *const *words);
/* Append to a list that grows in an arena (the old array stays behind); *cap is its capacity. False when out of memory. */
bool cw_compute_add(struct cw_compute_list *list, size_t *cap, struct cw_arena *mem, struct cw_compute item);
static inline int cw_compute_no_memory(struct cw_err *err)
{
    return cw_err_set(err, CW_ENOMEM, "list of compute");
}

#endif

/* common/azure/read_impl.h: small readers and builders of the typed clients. Nobody else includes it.
 *
 * What they give is borrowed from the document, or lives in mem. Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_AZURE_READ_IMPL_H
#define CW_COMMON_AZURE_READ_IMPL_H

#include "common/azure/resources.h"

static inline const char *cw_read_str(const json_t *v, const char *path)
{
    return cw_json_str(v, path, NULL);
}

/* Strings of an array; members of another type are left out. NULL and 0 when there is none. */
const char *const *cw_read_strings(const json_t *v, const char *path, struct cw_arena *mem,
                                   size_t *ret_count);
/* The strings of `one` (a single string) and `many` (an array), joined by commas; "" when there is none. */
const char *cw_read_joined(const json_t *v, const char *one, const char *many, struct cw_arena *mem);
/* {"name": value …}; NULL when out of memory. */
json_t *cw_build_tags(struct cw_tags tags);
/* {"id": id}; json null is never made: NULL id gives NULL. */
json_t *cw_build_ref(const char *id);
/* Out of memory when NULL, else 0. */
int cw_check_built(const json_t *v, struct cw_err *err);
int cw_check_mem(const struct cw_call *call, struct cw_err *err);

#endif

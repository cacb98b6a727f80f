/* common/azure/databricks_impl.h: what the parts of the Databricks client share. Nobody else includes it.
 *
 * Suspends: cw_dbx_send.  Thread: loop. */
#ifndef CW_COMMON_AZURE_DATABRICKS_IMPL_H
#define CW_COMMON_AZURE_DATABRICKS_IMPL_H

#include "common/azure/databricks.h"
#include "common/azure/read_impl.h"

struct cw_dbx_req {
    const char *method;
    const char *path;   /* "/api/…" with its query */
    const json_t *body; /* NULL = none */
    bool has_effect;    /* passes before_write, is not repeated after a failure */
    int tries;          /* of a request without effect; 0 = a few */
    bool skip_body;     /* it is enough that the answer looks like JSON */
};

/* JSON in call->mem; an empty answer is an empty object, one that is skipped NULL. */
int cw_dbx_send(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                const struct cw_dbx_req *req, json_t **ret_doc, struct cw_err *err);
/* POST {"<key>": "<value>"} with effect. */
int cw_dbx_post_id(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                   const char *path, const char *key, const char *value, struct cw_err *err);
/* All members "<key>" of all pages; path has a query already. A feature that is absent gives none. */
int cw_dbx_list(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                const char *path, const char *key, bool may_be_absent, json_t **ret_items,
                struct cw_err *err);
/* value, percent-encoded, in mem. */
const char *cw_dbx_encoded(struct cw_arena *mem, const char *value);
/* {code, type, parameters} as in clusters and events. */
struct cw_termination cw_dbx_termination(const json_t *reason, struct cw_arena *mem);
/* Another call that keeps its answers in mem. */
static inline struct cw_call cw_dbx_call_in(const struct cw_call *call, struct cw_arena *mem)
{
    struct cw_call other = *call;
    other.mem = mem;
    return other;
}
#define DBX_SCRATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)

#endif

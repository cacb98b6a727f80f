/* common/azure/arm_impl.h: what the parts of the ARM client share. Nobody else includes it.
 *
 * Suspends: all but cw_arm_adopt.  Thread: loop. */
#ifndef CW_COMMON_AZURE_ARM_IMPL_H
#define CW_COMMON_AZURE_ARM_IMPL_H

#include "common/azure/arm.h"
#include "common/azure/armerr.h"

#define ARM_BODY_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define ARM_SCRATCH_BYTES_MAX ((size_t)48 * 1024 * 1024)

/* One request: a path with its api, or an absolute URL that an answer gave. */
struct cw_arm_req {
    const char *method;
    const char *path;
    const struct cw_api *api;
    const char *url;    /* instead of path and api */
    const json_t *body; /* NULL = none */
    bool if_none_match; /* "*" */
};

/* Its answer; in the arena given with the request. */
struct cw_arm_answer {
    struct cw_http_res http;
    json_t *doc;              /* NULL when the body is empty */
    const char *url;          /* that was asked */
    enum cw_armerr_hint hint; /* on an error answer */
    bool fate_unknown;        /* on an error: a write may have taken effect */
};

/* Send, with token, budget, headers; a refused token is refreshed once, a throttled request waits and is sent again, a read
 * that failed in passing is repeated a few times. 2xx gives 0; other answers the classified error (ret_answer is filled). */
int cw_arm_send(struct cw_arm *arm, const struct cw_call *call, const struct cw_arm_req *req,
                struct cw_arena *mem, struct cw_arm_answer *ret_answer, struct cw_err *err);
/* call->mem keeps the document too. */
int cw_arm_adopt(const struct cw_call *call, json_t *doc, struct cw_err *err);

/* After a write was accepted: journal its operation if there is one, wait for its end. *ret_result (may be NULL) is the document
 * that a Location gave at the end, in call->mem. */
int cw_arm_follow(struct cw_arm *arm, const struct cw_call *call, const struct cw_arm_req *req,
                  const struct cw_arm_answer *answer, json_t **ret_result, struct cw_err *err);
/* Wait for an operation that the journal knows; *ret_had false when there is none. Its failure is the error. */
int cw_arm_resume(struct cw_arm *arm, const struct cw_call *call, const char *id, bool *ret_had,
                  struct cw_err *err);
/* GET until provisioningState is terminal, whatever it is; *ret_doc NULL when there is no such resource. is_new: a 404 is
 * given some time to pass. */
int cw_arm_settle(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
                  bool is_new, json_t **ret_doc, struct cw_err *err);
/* provisioningState of a resource: "Succeeded" when it has none. */
const char *cw_arm_state_of(const json_t *doc);
bool cw_arm_state_is_terminal(const char *state);
/* Wait a while before trying again, because of `why`: its retry_after_ms, or default_ms scaled, and up to a fifth more. When
 * that would be after the call's deadline: *why is the error. */
int cw_arm_back_off(struct cw_arm *arm, const struct cw_call *call, enum cw_wait_reason reason,
                    const char *what, int64_t default_ms, const struct cw_err *why, struct cw_err *err);

#endif

/* common/azure/arm.h: Azure Resource Manager: read, ensure, delete, and wait for long-running operations.
 *
 * Every answer lives in call->mem. Every write is preceded by the call's before_write hook. Throttling, conflicts with other
 * operations, expired tokens and passing failures are handled here until the call's deadline; what comes back is worth a
 * person's or the engine's attention.
 * Common errors: -CW_ENOTFOUND, -CW_EDENIED, -CW_EAUTH, -CW_EMISCONFIGURED, -CW_EINVAL, -CW_EQUOTA, -CW_ECONFLICT,
 * -CW_ETHROTTLED, -CW_EREMOTE, -CW_ENET, -CW_ETIMEDOUT, -CW_EPROTO, -CW_EOPFAILED, -CW_ENOMEM, cancellation, and what the
 * hooks return.
 * Suspends: all calls.  Thread: loop.  Source: ARM resource provider contract (async API), reference "Azure facts" 3-7. */
#ifndef CW_COMMON_AZURE_ARM_H
#define CW_COMMON_AZURE_ARM_H

#include "common/azure/armid.h"
#include "common/azure/call.h"
#include "common/azure/cloud.h"
#include "common/azure/credential.h"
#include "common/azure/quota.h"
#include "common/json.h"
#include "common/net/http.h"

struct cw_arm;

struct cw_arm_cfg {
    const struct cw_cloud *cloud;     /* borrowed */
    struct cw_credential *credential; /* borrowed */
    struct cw_quota *quota;           /* borrowed; NULL = no budget */
    const char *tenant_id;            /* copied; NULL = the credential's */
    double time_scale; /* divides the waits that we choose (never a Retry-After); 0 = 1. For simulators */
};

/* An api-version with the older one that is used where a cloud does not know it. */
struct cw_api {
    const char *version;
    const char *fallback;
};
extern const struct cw_api cw_api_databricks;
extern const struct cw_api cw_api_network;
extern const struct cw_api cw_api_private_dns;
extern const struct cw_api cw_api_resources;
extern const struct cw_api cw_api_subscriptions;
extern const struct cw_api cw_api_locks;
extern const struct cw_api cw_api_permissions;

int cw_arm_new(struct cw_loop *loop, struct cw_http *http, const struct cw_arm_cfg *cfg,
               struct cw_arm **ret_arm, struct cw_err *err);
void cw_arm_free(struct cw_arm *arm); /* no call may be under way; NULL is fine */
const struct cw_cloud *cw_arm_cloud(const struct cw_arm *arm);
struct cw_credential *cw_arm_credential(const struct cw_arm *arm);
struct cw_http *cw_arm_http(const struct cw_arm *arm);
struct cw_loop *cw_arm_loop(const struct cw_arm *arm);
const char *cw_arm_tenant(const struct cw_arm *arm); /* NULL = the credential's */
/* A waiting time as the simulators want it: ms divided by the time scale, at least 1. */
int64_t cw_arm_scaled_ms(const struct cw_arm *arm, int64_t ms);
/* Until the next look at what takes its time. The pause is told_ms, what the service asked for (0 or less: nothing), or else base_ms as
 * the simulators want it; what has been waited for long is looked at less often: a twentieth of the time since waiting.since_wall_ms
 * (0 = now), up to ten minutes, but never more than half of what is left of the call, so that the end is seen. A wall clock that jumps
 * costs ten minutes a look at most. Suspends; errors: those of cw_call_wait(). */
int cw_arm_pause(const struct cw_arm *arm, const struct cw_call *call, struct cw_waiting waiting,
                 int64_t base_ms, int64_t told_ms, struct cw_err *err);

/* GET {endpoint}{path}; path is a resource id, or another path that may hold a query ("…?$filter=…", already encoded). */
int cw_arm_get(struct cw_arm *arm, const struct cw_call *call, const char *path, const struct cw_api *api,
               json_t **ret_doc, struct cw_err *err);
/* All members of all pages as one array (empty array when there are none). A bare array as answer is taken as it is. */
int cw_arm_list(struct cw_arm *arm, const struct cw_call *call, const char *path, const struct cw_api *api,
                json_t **ret_items, struct cw_err *err);
/* PUT, wait for the operation, GET the resource and require Succeeded. -CW_EBUG under plan_only, as for all below. */
int cw_arm_put(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
               const json_t *body, json_t **ret_doc, struct cw_err *err);
int cw_arm_patch(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
                 const json_t *body, json_t **ret_doc, struct cw_err *err);
/* POST an action; *ret_doc NULL when the answer has no body. body may be NULL. */
int cw_arm_post(struct cw_arm *arm, const struct cw_call *call, const char *path, const struct cw_api *api,
                const json_t *body, json_t **ret_doc, struct cw_err *err);
/* DELETE and wait until it is gone. *ret_existed (may be NULL) false when there was nothing. */
int cw_arm_delete(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
                  bool *ret_existed, struct cw_err *err);

enum cw_effect {
    CW_EFFECT_NONE = 0, /* was as desired: nothing was sent */
    CW_EFFECT_CREATED,
    CW_EFFECT_UPDATED,
    CW_EFFECT_WOULD_CREATE, /* plan_only */
    CW_EFFECT_WOULD_UPDATE, /* plan_only */
};
/* "unchanged", "created", "updated", "would create", "would update". */
const char *cw_effect_name(enum cw_effect effect);
static inline bool cw_effect_is_change(enum cw_effect effect)
{
    return effect != CW_EFFECT_NONE;
}

/* What must hold for one resource. All borrowed. */
struct cw_goal {
    const char *id;
    const struct cw_api *api;
    /* A subset of the resource that must hold. Strings under "id" or ending in "Id", and "location", are compared without
     * case (and blanks); arrays of objects with a "name" are matched by it and may have more members there; other arrays
     * must be equal. */
    const json_t *desired;
    /* Further members that are sent at creation only and never compared; NULL = none. */
    const json_t *at_creation;
    /* Paths that are removed from the GET body before it is sent back (besides id, name, type, etag, systemData and
     * properties/provisioningState); "a/ * /b" without the blanks reaches each member. NULL-terminated; NULL = none. */
    const char *const *read_only;
    bool only_create;       /* present = as it is, whatever it looks like */
    bool create_guarded;    /* If-None-Match: * at creation: a race gives the other's resource */
    bool update_is_refused; /* a difference is -CW_EMISCONFIGURED that names it, not a PUT */
};

struct cw_ensured {
    enum cw_effect effect;
    json_t *doc; /* the resource after it; under plan_only what it is now, NULL when absent */
    const char *
        difference; /* first difference that was found ("properties/requiredNsgRules: AllRules -> …"), or NULL */
};

/* GET, compare, PUT only on a difference, wait, GET. An operation that is pending in the journal, or that the resource's
 * state shows, is waited for first. A PUT whose fate is unknown is followed by a GET, not by a second PUT. */
int cw_arm_ensure(struct cw_arm *arm, const struct cw_call *call, const struct cw_goal *goal,
                  struct cw_ensured *ret_ensured, struct cw_err *err);
/* Wait until provisioningState is terminal. Errors: -CW_EOPFAILED (Failed, Canceled), -CW_ENOTFOUND. */
int cw_arm_wait_ready(struct cw_arm *arm, const struct cw_call *call, const char *id,
                      const struct cw_api *api, json_t **ret_doc, struct cw_err *err);

/* Pure parts, for tests. Does `have` hold everything of `want`? On a difference its path and values are put to difference. */
bool cw_arm_holds(const json_t *have, const json_t *want, struct cw_buf *difference);
/* have without read-only members, with want laid over it; a new document, NULL when out of memory. */
json_t *cw_arm_merge(const json_t *have, const json_t *want, const char *const *read_only);
/* Milliseconds to wait by Retry-After (seconds or date), retry-after-ms, x-ms-retry-after-ms; -1 when absent or malformed. */
int64_t cw_retry_after_ms(const struct cw_http_res *res, int64_t wall_ms);

#endif

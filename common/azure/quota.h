/* common/azure/quota.h: the Azure budget that the whole fleet shares.
 *
 * A GCRA limiter in Redis: one bucket per (cloud, tenant, subscription, principal, read | write | delete), and one per
 * resource provider limit (Microsoft.Network writes, private DNS). Hot buckets lease several tokens in one round trip. A true
 * throttle blocks the bucket for every worker until Retry-After and halves its rate; clean time restores it; the remaining
 * counts that answers carry floor it. With Redis away (or NULL) each worker keeps to its share.
 * Suspends: cw_quota_take.  Thread: loop.  Source: "Throttling Resource Manager requests"; "Azure DNS limits". */
#ifndef CW_COMMON_AZURE_QUOTA_H
#define CW_COMMON_AZURE_QUOTA_H

#include "common/azure/call.h"
#include "common/azure/cloud.h"
#include "common/net/http.h"
#include "common/net/redis.h"

struct cw_quota;

enum cw_quota_op { CW_QUOTA_READ = 0, CW_QUOTA_WRITE, CW_QUOTA_DELETE, CW_QUOTA__COUNT };

struct cw_quota_cfg {
    struct cw_redis *redis;       /* borrowed; NULL = this process alone */
    const struct cw_cloud *cloud; /* borrowed */
    const char *tenant_id;        /* copied */
    const char *principal;        /* copied */
    int fleet_size;               /* the share without Redis is 1/fleet_size; 0 = 4 (1 when redis is NULL) */
    int bulk_reserve_percent;     /* the part of a bucket that bulk can't take; 0 = 20 */
    double time_scale;            /* multiplies rates and divides waits; 0 = 1. For simulators */
};

int cw_quota_new(const struct cw_quota_cfg *cfg, struct cw_quota **ret_quota, struct cw_err *err);
void cw_quota_free(struct cw_quota *quota); /* nobody may be waiting; NULL is fine */

#define CW_QUOTA_SCOPE_BYTES 264 /* subscription, group and zone */

/* Which buckets one request uses: derived from the method and the resource path; strings are borrowed. */
struct cw_quota_use {
    enum cw_quota_op op;
    char subscription[64];                    /* "" = tenant scope */
    char provider[CW_QUOTA_SCOPE_BYTES + 32]; /* name of the provider's own bucket; "" = none */
    double provider_rate;                     /* tokens per second */
    double provider_burst;
};
/* method and "/subscriptions/…" path of a request. */
struct cw_quota_use cw_quota_use_of(const char *method, const char *path);

/* Take one token of each bucket, waiting (and saying so: CW_WAIT_THROTTLE) as long as the call's deadline allows.
 * Errors: -CW_ETHROTTLED (would be after the deadline; retry_after_ms says when), -CW_ETIMEDOUT, cancellation. */
int cw_quota_take(struct cw_quota *quota, const struct cw_call *call, const struct cw_quota_use *use,
                  struct cw_err *err);
/* Learn from an answer: remaining counts floor the bucket. */
void cw_quota_learn(struct cw_quota *quota, const struct cw_quota_use *use, const struct cw_http_res *res);
/* The service really throttled: block for everyone. from_provider: the provider's bucket, not the subscription's.
 * Suspends: yes, shortly; failures are kept to this process. */
void cw_quota_throttled(struct cw_quota *quota, const struct cw_call *call, const struct cw_quota_use *use,
                        int64_t retry_after_ms, bool from_provider);

#endif

/* common/azure/cloud.h: the Azure clouds: endpoints, audiences, and the hosts that may ever see a bearer token.
 *
 * Suspends: never.  Thread: any.  Source: Azure SDKs' cloud tables; "Azure Private Endpoint private DNS zone values". */
#ifndef CW_COMMON_AZURE_CLOUD_H
#define CW_COMMON_AZURE_CLOUD_H

#include "common/arena.h"
#include "common/err.h"

enum cw_throttle_model {
    CW_THROTTLE_HOURLY = 0, /* counts per hour: China, US Government */
    CW_THROTTLE_BUCKET,     /* token buckets: public Azure */
};

/* All strings are static, or live in the arena that cw_cloud_custom() was given. Endpoints have no trailing slash. */
struct cw_cloud {
    const char *name;             /* "china", "public", "usgov", "custom" */
    const char *arm_endpoint;     /* "https://management.chinacloudapi.cn" */
    const char *arm_audience;     /* a scope is audience + "/.default" */
    const char *authority_host;   /* "https://login.chinacloudapi.cn" */
    const char *workspace_suffix; /* ".databricks.azure.cn" */
    int workspace_port;           /* 443 */
    const char *private_zone;     /* fallback: the workspace's own privateLinkResources name the zone */
    const char
        *management_resource; /* audience of the second Databricks header; its trailing slash belongs to it */
    const char *databricks_app_id;   /* audience of the workspace's bearer */
    const char *federation_audience; /* what a workload identity's token file must be made for */
    enum cw_throttle_model throttle;
};

/* What a custom cloud (a simulator, a private cloud) must say; NULL = as in `base`. */
struct cw_cloud_overrides {
    const char *arm_endpoint;
    const char *arm_audience; /* NULL with an own arm_endpoint = the endpoint */
    const char *authority_host;
    const char *workspace_suffix;
    int workspace_port; /* 0 = 443 */
    const char *private_zone;
    const char *management_resource;
};

/* "china", "public", "usgov"; NULL gives the default, china. NULL when unknown. */
const struct cw_cloud *cw_cloud_find(const char *name);
/* A cloud named "custom"; strings are copied to mem. Errors: -CW_EINVAL (an endpoint that is not https://host[:port], a
 * suffix without a leading dot), -CW_ENOMEM. */
int cw_cloud_custom(const struct cw_cloud_overrides *o, struct cw_arena *mem, struct cw_cloud *ret_cloud,
                    struct cw_err *err);

/* https, the exact ARM host and port, no user part. */
bool cw_cloud_url_is_arm(const struct cw_cloud *cloud, const char *url);
/* https, a host under the workspace suffix, the workspace port, no user part. */
bool cw_cloud_url_is_workspace(const struct cw_cloud *cloud, const char *url);
/* Either of them: asked before any bearer token is sent. */
bool cw_cloud_url_is_own(const struct cw_cloud *cloud, const char *url);
/* "https://host[:port]" of a workspaceUrl as ARM gives it (no scheme). Errors: -CW_EPROTO (not a host of this cloud). */
int cw_cloud_workspace_endpoint(const struct cw_cloud *cloud, const char *workspace_url, struct cw_arena *mem,
                                const char **ret_endpoint, struct cw_err *err);
/* "adb-1234.5" of "adb-1234.5.databricks.azure.cn": the record's name in the private zone. NULL when it has another form. */
const char *cw_cloud_record_name(const struct cw_cloud *cloud, const char *workspace_url,
                                 struct cw_arena *mem);
/* Lower case without blanks: "China East 2" gives "chinaeast2". */
char *cw_location_normal(struct cw_arena *mem, const char *location);
bool cw_location_eq(const char *a, const char *b);

#endif

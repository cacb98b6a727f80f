/* schema/diagnosis_v1.h: why a proof failed: the closed list of causes, and one finding with its evidence.
 *
 * What is wrong beside the connection (browser sign-in) stands in the same list, also when the proof succeeded.
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_DIAGNOSIS_V1_H
#define CW_SCHEMA_DIAGNOSIS_V1_H

#include "schema/field.h"

/* CW_CAUSE_…, name in events. Names are never changed or reused. */
#define CW_CAUSES(X)                                                                                     \
    X(NOT_SETTLED, "not_settled")         /* an update is still under way */                             \
    X(ZONE_NOT_LINKED, "zone_not_linked") /* the zone is not linked to the workspace's VNet */           \
    X(RECORD_MISSING, "record_missing")                                                                  \
    X(RECORD_WRONG, "record_wrong")             /* points elsewhere */                                   \
    X(RECORD_OVERWRITTEN, "record_overwritten") /* points at another endpoint of the same workspace */   \
    X(CUSTOM_DNS, "custom_dns")                 /* the VNet's own DNS servers don't forward */           \
    X(STALE_DNS, "stale_dns")                   /* records are right, the node still sees old answers */ \
    X(ENDPOINT_MISSING, "endpoint_missing")                                                              \
    X(ENDPOINT_UNREACHABLE, "endpoint_unreachable") /* it lives in another VNet */                       \
    X(ENDPOINT_NOT_APPROVED, "endpoint_not_approved")                                                    \
    X(SETTINGS_MISMATCH, "settings_mismatch") /* requiredNsgRules or publicNetworkAccess */              \
    X(ENDPOINT_SUBNET_FILTERED,                                                                          \
      "endpoint_subnet_filtered")       /* network policies and an NSG on the endpoint's subnet */       \
    X(NSG_BLOCKS, "nsg_blocks")         /* a rule on a workspace subnet */                               \
    X(ROUTE_FIREWALL, "route_firewall") /* a default route to an appliance */                            \
    X(ROUTE_OVERRIDES_ENDPOINT, "route_overrides_endpoint")                                              \
    X(NO_EGRESS, "no_egress") /* nothing leads to storage, metastore, event hub */                       \
    X(BLACKHOLE_ROUTE, "blackhole_route")                                                                \
    X(TLS_INSPECTION, "tls_inspection")                                                                  \
    X(SUBNET_DELEGATION, "subnet_delegation") /* delegation or NSG taken off a workspace subnet */       \
    X(SUBNET_FULL, "subnet_full")                                                                        \
    X(WRONG_ZONE_NAME, "wrong_zone_name")                                                                \
    X(CAPACITY, "capacity") /* quota, stock, SKU or policy: not the network */                           \
    X(WORKSPACE_NOT_ELIGIBLE, "workspace_not_eligible")                                                  \
    X(WORKER_OUTSIDE, "worker_outside") /* this worker can't reach the workspace's own API */            \
    X(COMPUTE_BLOCKED_UPDATE, "compute_blocked_update")                                                  \
    X(CLUSTER_CONTENT, "cluster_content")   /* init script, policy, library */                           \
    X(DATABRICKS, "databricks")             /* everything else is in order */                            \
    X(STORAGE_FIREWALL, "storage_firewall") /* the workspace's storage account refuses the nodes */      \
    X(UNREADABLE, "unreadable")             /* a read was refused; the cause may hide there */           \
    X(IP_ACCESS_LIST, "ip_access_list")     /* it does not know the nodes' address, or this worker's */  \
    X(RESOURCE_LOCKED, "resource_locked")   /* a lock forbids the repair */                              \
    X(BROWSER_AUTHENTICATION_MISSING,                                                                    \
      "browser_authentication_missing")             /* a sign-in record that leads to no endpoint */     \
    X(BROWSER_RECORD_WRONG, "browser_record_wrong") /* an endpoint whose record is missing or wrong */

enum cw_cause {
#define X(id, name) CW_CAUSE_##id,
    CW_CAUSES(X)
#undef X
        CW_CAUSE__COUNT
};

extern const char *const cw_cause_names[CW_CAUSE__COUNT];

/* CW_REPAIRER_…, name in events: who can do the repair. */
#define CW_REPAIRERS(X)                                                                       \
    X(CAUSEWAY, "causeway")               /* options.autoRepair safe, or a migrate request */ \
    X(WORKSPACE_ADMIN, "workspace_admin") /* of Azure Databricks */                           \
    X(NETWORK_TEAM, "network_team")       /* owns networks, zones, firewalls */               \
    X(SUBSCRIPTION_OWNER, "subscription_owner")                                               \
    X(FLEET_OPERATOR, "fleet_operator") /* who runs the workers */                            \
    X(SUPPORT, "support")               /* Microsoft and Databricks */

enum cw_repairer {
    CW_REPAIRER_UNSET = 0,
#define X(id, name) CW_REPAIRER_##id,
    CW_REPAIRERS(X)
#undef X
        CW_REPAIRER__COUNT
};

/* [CW_REPAIRER_UNSET] is NULL. */
extern const char *const cw_repairer_names[CW_REPAIRER__COUNT];

struct cw_evidence_v1 {
    const char *resource_id;
    const char *field;
    const char *expected;
    const char *found;
};

struct cw_diagnosis_v1 {
    int cause;          /* enum cw_cause */
    int64_t confidence; /* 0..100 */
    const char *message;
    struct cw_evidence_v1 *evidence;
    size_t evidence_count;
    const char *repair;
    int repairer;        /* enum cw_repairer */
    const char *command; /* an Azure CLI command, or the way through the portal */
    bool is_safe;        /* the repair only adds or waits: a worker could do it unasked */
    const char *source;  /* title of the page that says so */
};

extern const struct cw_shape cw_diagnosis_v1_shape;

#endif

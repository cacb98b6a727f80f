/* common/azure/workspace.h: the Azure Databricks workspace as an ARM resource.
 *
 * Strings and arrays live in call->mem; absent = NULL / 0. Errors: those of arm.h.
 * Suspends: all calls that take an arm.  Thread: loop.  Source: Microsoft.Databricks 2024-05-01. */
#ifndef CW_COMMON_AZURE_WORKSPACE_H
#define CW_COMMON_AZURE_WORKSPACE_H

#include "common/azure/resources.h"

#define CW_GROUP_UI_API "databricks_ui_api"
#define CW_GROUP_BROWSER_AUTHENTICATION "browser_authentication"
#define CW_NSG_RULES_NONE "NoAzureDatabricksRules"
#define CW_NSG_RULES_ALL "AllRules"

enum cw_tristate { CW_UNKNOWN = 0, CW_NO, CW_YES };

struct cw_endpoint_connection {
    const char *id;
    const char *name;
    const char *endpoint_id;
    const char *group_id; /* first of groupIds */
    const char *status;   /* Pending, Approved, Rejected, Disconnected */
    const char *status_text;
    const char *state; /* provisioningState */
};

struct cw_workspace {
    const char *id;
    const char *name;
    const char *location; /* normalised: "chinaeast2" */
    const char *sku;
    const char *state; /* provisioningState */
    const char *managed_group_id;
    const char *workspace_url;         /* host without scheme; NULL until the service has it */
    const char *numeric_id;            /* properties.workspaceId, decimal */
    const char *public_network_access; /* Enabled, Disabled */
    const char *required_nsg_rules;    /* AllRules, NoAzureDatabricksRules, NoAzureServiceRules */
    const char *vnet_id;               /* NULL = not VNet-injected */
    const char *host_subnet;           /* customPublicSubnetName */
    const char *container_subnet;      /* customPrivateSubnetName */
    enum cw_tristate no_public_ip;     /* enableNoPublicIp */
    const char *load_balancer_id;
    const struct cw_endpoint_connection *connections;
    size_t connection_count;
};

int cw_workspace_get(struct cw_arm *arm, const struct cw_call *call, const char *id,
                     struct cw_workspace *ret_workspace, struct cw_err *err);
/* Those of a subscription, as far as the list tells of them. */
int cw_workspace_list(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                      const struct cw_workspace **ret_workspaces, size_t *ret_count, struct cw_err *err);
/* Wait until it is Succeeded and has workspaceUrl and workspaceId. Errors: -CW_EOPFAILED, -CW_ETIMEDOUT, -CW_ENOTFOUND. */
int cw_workspace_wait(struct cw_arm *arm, const struct cw_call *call, const char *id,
                      struct cw_workspace *ret_workspace, struct cw_err *err);

struct cw_workspace_goal {
    const char *id;
    const char *location;
    const char *managed_group_id; /* must not exist yet */
    const char *vnet_id;
    const char *host_subnet;
    const char *container_subnet;
    const char *public_network_access;
    const char *required_nsg_rules;
    struct cw_tags tags;
};
/* Premium, VNet-injected, no public IP. Created when absent; of an existing one only publicNetworkAccess, requiredNsgRules and
 * enableNoPublicIp are changed, a difference in VNet, subnets or tier is -CW_EMISCONFIGURED. Ends as cw_workspace_wait. Under
 * plan_only and absent, ret_workspace is zeroed. */
int cw_workspace_ensure(struct cw_arm *arm, const struct cw_call *call, const struct cw_workspace_goal *goal,
                        struct cw_ensured *ret_ensured, struct cw_workspace *ret_workspace,
                        struct cw_err *err);
/* Of an existing workspace: full PUT of its GET body with these values (NULL = leave; no_public_ip CW_UNKNOWN = leave).
 * Ends as cw_workspace_wait. All compute must be stopped. */
int cw_workspace_update_network(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                const char *required_nsg_rules, const char *public_network_access,
                                enum cw_tristate no_public_ip, struct cw_ensured *ret_ensured,
                                struct cw_workspace *ret_workspace, struct cw_err *err);

/* The private zone that a group of endpoints needs, by the workspace's own word; the cloud's table when it does not say. */
int cw_workspace_zone_name(struct cw_arm *arm, const struct cw_call *call, const char *id,
                           const char *group_id, const char **ret_zone, struct cw_err *err);
int cw_workspace_list_connections(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                  const struct cw_endpoint_connection **ret_connections, size_t *ret_count,
                                  struct cw_err *err);
/* Approve a Pending connection; effect NONE when it was Approved. */
int cw_workspace_approve_connection(struct cw_arm *arm, const struct cw_call *call, const char *connection_id,
                                    enum cw_effect *ret_effect, struct cw_err *err);

/* One port of one host that clusters connect to. */
struct cw_outbound_endpoint {
    const char *category; /* "Webapp", "Azure Storage" … */
    const char *domain;
    const char *address; /* seldom told */
    int port;
};
int cw_workspace_list_outbound(struct cw_arm *arm, const struct cw_call *call, const char *id,
                               const struct cw_outbound_endpoint **ret_endpoints, size_t *ret_count,
                               struct cw_err *err);
/* Virtual machines in the managed group: catches pool and warehouse nodes that no list of clusters shows. */
int cw_workspace_count_machines(struct cw_arm *arm, const struct cw_call *call, const char *managed_group_id,
                                size_t *ret_count, struct cw_err *err);

#endif

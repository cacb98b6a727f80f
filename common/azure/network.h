/* common/azure/network.h: virtual networks, subnets, NSGs, private endpoints, zone groups.
 *
 * Existing VNets and NSGs are never replaced: a VNet is created whole or changed subnet by subnet (a PUT of the VNet would
 * delete what the body leaves out), an NSG is created empty and left alone (Databricks writes its rules there).
 * Serialise writes per VNet (the caller's lock).
 * Strings and arrays live in call->mem; absent = NULL / 0. Errors: those of arm.h.
 * Suspends: all calls that take an arm.  Thread: loop.  Source: Microsoft.Network 2023-09-01. */
#ifndef CW_COMMON_AZURE_NETWORK_H
#define CW_COMMON_AZURE_NETWORK_H

#include "common/azure/prefix.h"
#include "common/azure/resources.h"

#define CW_DATABRICKS_DELEGATION "Microsoft.Databricks/workspaces"

struct cw_subnet {
    const char *id;
    const char *name;
    const char *prefix; /* the first one */
    const char *state;
    const char *nsg_id;
    const char *route_table_id;
    const char *nat_gateway_id;
    const char *delegation;        /* serviceName of the first delegation */
    const char *endpoint_policies; /* privateEndpointNetworkPolicies */
    const char *service_endpoints; /* comma-separated: "Microsoft.Storage" */
    bool is_private;               /* defaultOutboundAccess false: no way out but what is made */
    size_t ip_configuration_count; /* addresses in use by NICs */
    size_t private_endpoint_count;
};

struct cw_peering {
    const char *id;
    const char *name;
    const char *remote_vnet_id;
    const char *state; /* Initiated, Connected, Disconnected */
    const char *const *remote_prefixes;
    size_t remote_prefix_count;
};

struct cw_vnet {
    const char *id;
    const char *name;
    const char *location;
    const char *state;
    const char *const *prefixes;
    size_t prefix_count;
    const char *const *dns_servers; /* none = Azure's own */
    size_t dns_server_count;
    const struct cw_subnet *subnets;
    size_t subnet_count;
    const struct cw_peering *peerings;
    size_t peering_count;
};

int cw_network_get_vnet(struct cw_arm *arm, const struct cw_call *call, const char *id,
                        struct cw_vnet *ret_vnet, struct cw_err *err);
/* Do security rules, or routes, hold for the private endpoints of the subnet? which: "NetworkSecurityGroupEnabled",
 * "RouteTableEnabled". NULL subnet: no. Suspends: no. */
bool cw_subnet_has_policies(const struct cw_subnet *subnet, const char *which);
/* Is the address in the VNet's space, or in that of one it is peered with? Where a peer's space is not told: yes. Suspends: no. */
bool cw_vnet_connects(const struct cw_vnet *vnet, const char *address);
/* By name, without case; NULL when there is none. Suspends: no. */
const struct cw_subnet *cw_vnet_subnet(const struct cw_vnet *vnet, const char *name);
/* The lowest free prefix of that length in the VNet's space; NULL when there is none. Suspends: no. */
char *cw_vnet_free_prefix(const struct cw_vnet *vnet, int bits, struct cw_arena *mem);
/* Wait until the VNet and each of its subnets are Succeeded (Databricks leaves them Updating after its own writes). */
int cw_network_wait_vnet(struct cw_arm *arm, const struct cw_call *call, const char *id,
                         struct cw_vnet *ret_vnet, struct cw_err *err);

enum cw_address_use {
    CW_ADDRESS_FREE = 0,  /* of a subnet, and nothing has it */
    CW_ADDRESS_TAKEN,     /* of a subnet, and something has it, or the platform keeps it */
    CW_ADDRESS_ELSEWHERE, /* of no subnet of the VNet */
};
int cw_network_address_use(struct cw_arm *arm, const struct cw_call *call, const char *vnet_id,
                           const char *address, enum cw_address_use *ret_use, struct cw_err *err);

/* What a subnet must have; NULL members are not looked at (and left as they are). */
struct cw_subnet_goal {
    const char *name;
    const char *prefix;
    const char *nsg_id;
    const char *route_table_id;
    const char *nat_gateway_id;
    bool is_delegated; /* to Databricks */
    bool
        is_for_endpoints; /* privateEndpointNetworkPolicies Disabled at creation; Enabled policies of an existing one stay */
};
struct cw_vnet_goal {
    const char *id;
    const char *location;
    const char *address_space;
    const struct cw_subnet_goal *subnets;
    size_t subnet_count;
    struct cw_tags tags;
};
/* Created with all its subnets when absent; else each subnet is ensured by itself. ret_ensured->effect is the strongest. */
int cw_network_ensure_vnet(struct cw_arm *arm, const struct cw_call *call, const struct cw_vnet_goal *goal,
                           struct cw_ensured *ret_ensured, struct cw_err *err);
/* Read-modify-write of one subnet. An existing prefix is never changed (-CW_EMISCONFIGURED). */
int cw_network_ensure_subnet(struct cw_arm *arm, const struct cw_call *call, const char *vnet_id,
                             const struct cw_subnet_goal *goal, struct cw_ensured *ret_ensured,
                             struct cw_err *err);

/* One side of a peering: access and forwarded traffic allowed; other settings of an existing one stay. */
int cw_network_ensure_peering(struct cw_arm *arm, const struct cw_call *call, const char *vnet_id,
                              const char *name, const char *remote_vnet_id, struct cw_ensured *ret_ensured,
                              struct cw_err *err);

struct cw_security_rule {
    const char *name;
    const char *direction; /* Inbound, Outbound */
    const char *access;    /* Allow, Deny */
    const char *protocol;
    int priority;
    const char *sources; /* comma-separated prefixes or tags */
    const char *destinations;
    const char *ports; /* destination ports, comma-separated */
};
struct cw_nsg {
    const char *id;
    const char *location;
    const char *state;
    const struct cw_security_rule *rules;
    size_t rule_count;
};
int cw_network_get_nsg(struct cw_arm *arm, const struct cw_call *call, const char *id, struct cw_nsg *ret_nsg,
                       struct cw_err *err);
/* Created without rules when absent. */
int cw_network_ensure_nsg(struct cw_arm *arm, const struct cw_call *call, const char *id,
                          const char *location, struct cw_tags tags, struct cw_ensured *ret_ensured,
                          struct cw_err *err);

struct cw_private_endpoint {
    const char *id;
    const char *name;
    const char *location;
    const char *state; /* provisioningState */
    const char *subnet_id;
    const char *nic_id;
    const char *target_id; /* the workspace */
    const char *group_id;  /* databricks_ui_api, browser_authentication */
    const char *status;    /* Pending, Approved, Rejected, Disconnected */
    const char *status_text;
    bool is_manual; /* waits for an approval on the other side by design */
};
struct cw_private_endpoint_goal {
    const char *id;
    const char *location;
    const char *subnet_id;
    const char *workspace_id;
    const char *group_id;
    struct cw_tags tags;
};
int cw_network_get_private_endpoint(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                    struct cw_private_endpoint *ret_endpoint, struct cw_err *err);
/* Created when absent; one of that name with another target, group or subnet is -CW_EMISCONFIGURED (they cannot be changed). */
int cw_network_ensure_private_endpoint(struct cw_arm *arm, const struct cw_call *call,
                                       const struct cw_private_endpoint_goal *goal,
                                       struct cw_ensured *ret_ensured,
                                       struct cw_private_endpoint *ret_endpoint, struct cw_err *err);
/* Endpoints of the subscription that lead to this workspace (all groups); NULL = to any. Others' endpoints, in subscriptions that we do not
 * see, are only in the workspace's own connection list. */
int cw_network_list_private_endpoints(struct cw_arm *arm, const struct cw_call *call,
                                      const char *subscription, const char *workspace_id,
                                      const struct cw_private_endpoint **ret_endpoints, size_t *ret_count,
                                      struct cw_err *err);

struct cw_nic {
    const char *id;
    const char *const *addresses; /* private IPv4 */
    size_t address_count;
    const char *const *fqdns; /* may be none (China) */
    size_t fqdn_count;
};
int cw_network_get_nic(struct cw_arm *arm, const struct cw_call *call, const char *id, struct cw_nic *ret_nic,
                       struct cw_err *err);

struct cw_dns_record {
    const char *name; /* relative to the zone: "adb-1234.5" */
    const char *fqdn;
    const char *const *addresses;
    size_t address_count;
    int64_t ttl; /* s */
};
struct cw_zone_group {
    const char *id;
    const char *const *zone_ids;
    size_t zone_count;
    const struct cw_dns_record *records; /* written by the platform */
    size_t record_count;
    const char *state;
};
/* The endpoint's zone group, whatever its name; -CW_ENOTFOUND when it has none. */
int cw_network_get_zone_group(struct cw_arm *arm, const struct cw_call *call, const char *endpoint_id,
                              struct cw_zone_group *ret_group, struct cw_err *err);
/* A group "default" that points to the zone. A group that points elsewhere is -CW_EMISCONFIGURED. Waits until Succeeded. */
int cw_network_ensure_zone_group(struct cw_arm *arm, const struct cw_call *call, const char *endpoint_id,
                                 const char *zone_id, struct cw_ensured *ret_ensured,
                                 struct cw_zone_group *ret_group, struct cw_err *err);
int cw_network_delete_zone_group(struct cw_arm *arm, const struct cw_call *call, const char *group_id,
                                 struct cw_err *err);

#endif

#include "schema/options_v1.h"

const char *const cw_mode_names[CW_MODE__COUNT] = {"apply", "plan"};
const char *const cw_cloud_names[CW_CLOUD_NAME__COUNT] = {NULL, "china", "public", "usgov", "custom"};
static const char *const stop_compute_names[] = {"refuse", "allow", "cancel-runs"};
static const char *const auto_repair_names[] = {"off", "safe"};
static const char *const order_names[] = {"documented", "shortest-outage"};
static const char *const egress_names[] = {"none", "natGateway", "routeTable"};
static const char *const browser_names[] = {"skip", "check", "ensure"};

#define ENUM(list) .type = CW_MEMBER_ENUM, .names = (list), .name_count = CW_ARRAY_LEN(list)
#define TEXT(kind) .type = CW_MEMBER_TEXT, .format = CW_FORMAT_##kind
#define OBJECT(shape) .type = CW_MEMBER_OBJECT, .child = &(shape)

#define AT(member) .offset = offsetof(struct cw_options_v1, member)
static const struct cw_member options_members[] = {
    {.name = "mode",
     ENUM(cw_mode_names),
     AT(mode),
     .otherwise = "apply",
     .text = "`plan` answers what would change and writes nothing"},
    {.name = "deadlineMinutes",
     .type = CW_MEMBER_INT,
     AT(deadline_minutes),
     .min = CW_DEADLINE_MINUTES_MIN,
     .max = CW_DEADLINE_MINUTES_MAX,
     .text =
         "the verdict comes within this time; 120 for provision, 240 for migrate, 60 for verify when absent"},
    {.name = "stopCompute",
     ENUM(stop_compute_names),
     AT(stop_compute),
     .otherwise = "refuse",
     .text =
         "may running clusters, SQL warehouses and pools be stopped (migrate)? They run again at the end. Job runs are "
         "waited for; with `cancel-runs` they are cancelled, and not started again"},
    {.name = "autoRepair",
     ENUM(auto_repair_names),
     AT(auto_repair),
     .otherwise = "off",
     .text =
         "`safe`: when the proof fails, repair what only needs something added, approved or waited for, and prove once more"},
    {.name = "launchCluster",
     .type = CW_MEMBER_BOOL,
     AT(launch_cluster),
     .otherwise = "true",
     .text = "launch a small cluster and run a probe on it; without, only the configuration is checked"},
    {.name = "repeatSeconds",
     .type = CW_MEMBER_INT,
     AT(repeat_seconds),
     .min = 0,
     .max = 31536000,
     .text =
         "of a verify request: so long after a verdict it is verified again, until a cancel of this request; each "
         "verdict then says in `drift` what differs from the last"},
    {.name = "order",
     ENUM(order_names),
     AT(order),
     .otherwise = "documented",
     .text =
         "order of a migration: as the guide has it, or `shortest-outage`: endpoint and DNS first, compute stopped for the change of the settings alone"},
};
#undef AT
const struct cw_shape cw_options_v1_shape = {.name = "options",
                                             .text = "How the request is carried out.",
                                             .bytes = sizeof(struct cw_options_v1),
                                             CW_MEMBERS(options_members)};

#define AT(member) .offset = offsetof(struct cw_subnet_v1, member)
static const struct cw_member subnet_members[] = {
    {.name = "name", TEXT(NETWORK_NAME), AT(name), .text = "name of the subnet"},
    {.name = "prefix", TEXT(CIDR), AT(prefix), .text = "its IPv4 prefix"},
};
#undef AT
static const struct cw_shape subnet_shape = {.name = "subnet",
                                             .text = "One subnet.",
                                             .bytes = sizeof(struct cw_subnet_v1),
                                             CW_MEMBERS(subnet_members)};

#define AT(member) .offset = offsetof(struct cw_egress_v1, member)
static const struct cw_member egress_members[] = {
    {.name = "mode",
     ENUM(egress_names),
     AT(mode),
     .otherwise = "none",
     .text = "how nodes reach what stays public (storage, metastore, event hub)"},
    {.name = "natGatewayId",
     TEXT(NAT_GATEWAY_ID),
     AT(nat_gateway_id),
     .text =
         "natGateway: an existing NAT gateway, put on both workspace subnets; when absent the one that they have, or a "
         "new one with a public address in the workspace's resource group"},
    {.name = "routeTableId",
     TEXT(ROUTE_TABLE_ID),
     AT(route_table_id),
     .text = "routeTable: an existing route table, put on both workspace subnets"},
    {.name = "firewallAddress",
     TEXT(ADDRESS),
     AT(firewall_address),
     .text =
         "routeTable, instead of `routeTableId`: where the default route leads, in the hub or the VNet itself; the table "
         "that the subnets have when it does so, or a new one in the workspace's resource group"},
};
#undef AT
static const struct cw_shape egress_shape = {.name = "egress",
                                             .text = "The way out for what stays public.",
                                             .bytes = sizeof(struct cw_egress_v1),
                                             CW_MEMBERS(egress_members)};

#define AT(member) .offset = offsetof(struct cw_hub_peering_v1, member)
static const struct cw_member hub_peering_members[] = {
    {.name = "vnetId", TEXT(VNET_ID), AT(vnet_id), .text = "the existing hub VNet to peer with"},
};
#undef AT
static const struct cw_shape hub_peering_shape = {.name = "hubPeering",
                                                  .text = "Peering with a hub VNet.",
                                                  .bytes = sizeof(struct cw_hub_peering_v1),
                                                  CW_MEMBERS(hub_peering_members)};

#define AT(member) .offset = offsetof(struct cw_network_v1, member)
static const struct cw_member provision_network_members[] = {
    {.name = "vnetId",
     TEXT(VNET_ID),
     AT(vnet_id),
     .text = "the workspace VNet; `{workspace}-vnet` in the workspace's resource group when absent"},
    {.name = "addressSpace",
     TEXT(CIDR),
     AT(address_space),
     .otherwise = "10.10.0.0/16",
     .text = "address space of a new VNet, from /16 to /24"},
    {.name = "hostSubnet",
     OBJECT(subnet_shape),
     AT(host_subnet),
     .text = "name `host` and the first quarter of the address space when absent"},
    {.name = "containerSubnet",
     OBJECT(subnet_shape),
     AT(container_subnet),
     .text = "name `container` and the second quarter of the address space when absent"},
    {.name = "privateEndpointSubnet",
     OBJECT(subnet_shape),
     AT(endpoint_subnet),
     .text = "name `private-endpoints` and a /27 at the begin of the third quarter when absent"},
    {.name = "egress", OBJECT(egress_shape), AT(egress), .text = "the way out for what stays public"},
    {.name = "hubPeering",
     OBJECT(hub_peering_shape),
     AT(hub_peering),
     .text = "peering with a hub, both ways"},
};
static const struct cw_member migrate_network_members[] = {
    {.name = "privateEndpointSubnet",
     OBJECT(subnet_shape),
     AT(endpoint_subnet),
     .text =
         "subnet of the private endpoint in the workspace's VNet: name `private-endpoints` and the first free /27 when absent"},
    {.name = "egress", OBJECT(egress_shape), AT(egress), .text = "the way out for what stays public"},
    {.name = "hubPeering",
     OBJECT(hub_peering_shape),
     AT(hub_peering),
     .text = "peering with a hub, both ways"},
};
#undef AT
const struct cw_shape cw_provision_network_v1_shape = {.name = "network",
                                                       .text = "The workspace's VNet and its subnets.",
                                                       .bytes = sizeof(struct cw_network_v1),
                                                       CW_MEMBERS(provision_network_members)};
const struct cw_shape cw_migrate_network_v1_shape = {.name = "network",
                                                     .text = "What is added to the workspace's VNet.",
                                                     .bytes = sizeof(struct cw_network_v1),
                                                     CW_MEMBERS(migrate_network_members)};

static const struct cw_member private_endpoint_members[] = {
    {.name = "name",
     TEXT(ENDPOINT_NAME),
     .offset = offsetof(struct cw_private_endpoint_v1, name),
     .text = "name of the private endpoint; `{workspace}-ui-api` when absent"},
};
const struct cw_shape cw_private_endpoint_v1_shape = {.name = "privateEndpoint",
                                                      .text = "The private endpoint for `databricks_ui_api`.",
                                                      .bytes = sizeof(struct cw_private_endpoint_v1),
                                                      CW_MEMBERS(private_endpoint_members)};

static const struct cw_member private_dns_members[] = {
    {.name = "zoneId",
     TEXT(ZONE_ID),
     .offset = offsetof(struct cw_private_dns_v1, zone_id),
     .text =
         "an existing private DNS zone, such as the hub's; when absent the zone that the VNet is linked to, or a new one in "
         "the workspace's resource group"},
};
const struct cw_shape cw_private_dns_v1_shape = {.name = "privateDns",
                                                 .text = "The private DNS zone.",
                                                 .bytes = sizeof(struct cw_private_dns_v1),
                                                 CW_MEMBERS(private_dns_members)};

#define AT(member) .offset = offsetof(struct cw_browser_authentication_v1, member)
static const struct cw_member browser_authentication_members[] = {
    {.name = "mode",
     ENUM(browser_names),
     AT(mode),
     .otherwise = "check",
     .text =
         "the region's `browser_authentication` endpoint: say what is there, or make it where there is none. Back-end "
         "connections need none"},
    {.name = "vnetId",
     TEXT(VNET_ID),
     AT(vnet_id),
     .text = "the existing transit VNet, in the workspace's region; required with `ensure`"},
    {.name = "resourceGroup",
     TEXT(RESOURCE_GROUP),
     AT(resource_group),
     .text =
         "group of the isolated workspace and its endpoints, in the transit VNet's subscription; the VNet's own when absent"},
    {.name = "workspaceName",
     TEXT(WORKSPACE_NAME),
     AT(workspace_name),
     .text = "name of the isolated workspace; `WEB_AUTH_DO_NOT_DELETE_{region}` when absent"},
    {.name = "hostSubnet",
     OBJECT(subnet_shape),
     AT(host_subnet),
     .text = "in the transit VNet: name `web-auth-host` and the first free /26 when absent"},
    {.name = "containerSubnet",
     OBJECT(subnet_shape),
     AT(container_subnet),
     .text = "in the transit VNet: name `web-auth-container` and the first free /26 when absent"},
    {.name = "privateEndpointSubnet",
     OBJECT(subnet_shape),
     AT(endpoint_subnet),
     .text = "in the transit VNet: name `private-endpoints` and the first free /27 when absent"},
    {.name = "zoneId",
     TEXT(ZONE_ID),
     AT(zone_id),
     .text =
         "the private DNS zone of the region's sign-in record; when absent the zone that the transit VNet is linked to, then "
         "that of `privateDns`, or a new one in the resource group"},
};
#undef AT
const struct cw_shape cw_browser_authentication_v1_shape = {.name = "browserAuthentication",
                                                            .text = "The endpoint for browser sign-in.",
                                                            .bytes =
                                                                sizeof(struct cw_browser_authentication_v1),
                                                            CW_MEMBERS(browser_authentication_members)};

/* schema/options_v1.h: the shapes that provision, migrate and verify requests share.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_OPTIONS_V1_H
#define CW_SCHEMA_OPTIONS_V1_H

#include "schema/field.h"

enum cw_mode { CW_MODE_APPLY = 0, CW_MODE_PLAN, CW_MODE__COUNT };
enum cw_stop_compute {
    CW_STOP_COMPUTE_REFUSE = 0,
    CW_STOP_COMPUTE_ALLOW,       /* what others run is waited for */
    CW_STOP_COMPUTE_CANCEL_RUNS, /* … is cancelled */
    CW_STOP_COMPUTE__COUNT
};
enum cw_auto_repair { CW_AUTO_REPAIR_OFF = 0, CW_AUTO_REPAIR_SAFE, CW_AUTO_REPAIR__COUNT };
enum cw_order { CW_ORDER_DOCUMENTED = 0, CW_ORDER_SHORTEST_OUTAGE, CW_ORDER__COUNT };
enum cw_egress_mode { CW_EGRESS_NONE = 0, CW_EGRESS_NAT_GATEWAY, CW_EGRESS_ROUTE_TABLE, CW_EGRESS__COUNT };
enum cw_browser_mode { CW_BROWSER_SKIP = 0, CW_BROWSER_CHECK, CW_BROWSER_ENSURE, CW_BROWSER__COUNT };
enum cw_cloud_name {
    CW_CLOUD_UNSET = 0,
    CW_CLOUD_CHINA,
    CW_CLOUD_PUBLIC,
    CW_CLOUD_USGOV,
    CW_CLOUD_CUSTOM,
    CW_CLOUD_NAME__COUNT
};

#define CW_DEADLINE_MINUTES_MIN 5
#define CW_DEADLINE_MINUTES_MAX 1440

struct cw_options_v1 {
    int mode; /* enum cw_mode */
    int64_t deadline_minutes;
    int stop_compute; /* enum cw_stop_compute */
    int auto_repair;  /* enum cw_auto_repair */
    bool launch_cluster;
    int64_t repeat_seconds; /* verify; 0 = once */
    int order;              /* enum cw_order */
};

struct cw_subnet_v1 {
    const char *name;
    const char *prefix; /* NULL: to be found (migrate) */
};

struct cw_egress_v1 {
    int mode; /* enum cw_egress_mode */
    const char *nat_gateway_id;
    const char *route_table_id;
    const char *firewall_address; /* instead of route_table_id */
};

struct cw_hub_peering_v1 {
    const char *vnet_id;
};

struct cw_network_v1 {
    const char *vnet_id;                  /* provision: full ARM id; migrate: NULL (the workspace's own) */
    const char *address_space;            /* provision */
    struct cw_subnet_v1 host_subnet;      /* provision */
    struct cw_subnet_v1 container_subnet; /* provision */
    struct cw_subnet_v1 endpoint_subnet;
    struct cw_egress_v1 egress;
    struct cw_hub_peering_v1 hub_peering;
};

struct cw_private_endpoint_v1 {
    const char *name;
};

struct cw_private_dns_v1 {
    const char *zone_id; /* NULL: an own zone, or the one that is linked already */
};

/* With mode ensure; NULL members: chosen when they are needed. */
struct cw_browser_authentication_v1 {
    int mode;            /* enum cw_browser_mode */
    const char *vnet_id; /* the transit VNet */
    const char *resource_group;
    const char *workspace_name;
    struct cw_subnet_v1 host_subnet;
    struct cw_subnet_v1 container_subnet;
    struct cw_subnet_v1 endpoint_subnet;
    const char *zone_id;
};

extern const struct cw_shape cw_options_v1_shape;
extern const struct cw_shape cw_provision_network_v1_shape;
extern const struct cw_shape cw_migrate_network_v1_shape;
extern const struct cw_shape cw_private_endpoint_v1_shape;
extern const struct cw_shape cw_private_dns_v1_shape;
extern const struct cw_shape cw_browser_authentication_v1_shape;

extern const char *const cw_mode_names[CW_MODE__COUNT];
/* [CW_CLOUD_UNSET] is NULL. */
extern const char *const cw_cloud_names[CW_CLOUD_NAME__COUNT];

#endif

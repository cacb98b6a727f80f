/* schema/request_network.h: defaults and checks of the network in provision and migrate requests. Internal to schema.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_REQUEST_NETWORK_H
#define CW_SCHEMA_REQUEST_NETWORK_H

#include "schema/options_v1.h"

/* Names and prefixes that the request left out; texts live in mem. */
void cw_network_fill_provision(struct cw_network_v1 *network, const char *subscription_id,
                               const char *resource_group, const char *workspace_name, struct cw_arena *mem);
void cw_network_fill_migrate(struct cw_network_v1 *network);
/* Prefixes lie in the space, don't overlap, and are large enough; the VNet is in the workspace's subscription. */
void cw_network_check_provision(const struct cw_network_v1 *network, struct cw_arena *mem,
                                struct cw_problems *problems);
/* Names of the subnets in the transit VNet. */
void cw_network_fill_browser(struct cw_browser_authentication_v1 *browser);
/* The mode and the transit VNet fit each other; names differ; prefixes are large enough. */
void cw_network_check_browser(const struct cw_browser_authentication_v1 *browser,
                              const struct cw_network_v1 *network, struct cw_arena *mem,
                              struct cw_problems *problems);
/* The mode and the ids fit each other. */
void cw_network_check_egress(const struct cw_network_v1 *network, struct cw_arena *mem,
                             struct cw_problems *problems);

#endif

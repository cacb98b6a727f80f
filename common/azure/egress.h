/* common/azure/egress.h: what leads nodes out: NAT gateways with public addresses, route tables.
 *
 * What exists is never changed: a resource of the goal's name that does not fit is -CW_EMISCONFIGURED and named.
 * Strings and arrays live in call->mem; absent = NULL / 0. Errors: those of arm.h.
 * Suspends: all calls but cw_route_table_default.  Thread: loop.  Source: Microsoft.Network 2023-09-01. */
#ifndef CW_COMMON_AZURE_EGRESS_H
#define CW_COMMON_AZURE_EGRESS_H

#include "common/azure/resources.h"

struct cw_nat_gateway {
    const char *id;
    const char *location; /* normalised */
    const char *state;
    size_t address_count; /* public addresses and prefixes; 0 = it leads nowhere */
};
int cw_egress_get_nat_gateway(struct cw_arm *arm, const struct cw_call *call, const char *id,
                              struct cw_nat_gateway *ret_nat, struct cw_err *err);
/* Created with that public address when absent. */
int cw_egress_ensure_nat_gateway(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                 const char *address_id, const char *location, struct cw_tags tags,
                                 struct cw_ensured *ret_ensured, struct cw_err *err);
/* A static public IPv4 address of the Standard SKU. */
int cw_egress_ensure_address(struct cw_arm *arm, const struct cw_call *call, const char *id,
                             const char *location, struct cw_tags tags, struct cw_ensured *ret_ensured,
                             struct cw_err *err);

struct cw_route {
    const char *name;
    const char *prefix;        /* "0.0.0.0/0", or a service tag: "Storage" */
    const char *next_hop_type; /* VirtualAppliance, Internet, None, VnetLocal, VirtualNetworkGateway */
    const char *next_hop_address;
};
struct cw_route_table {
    const char *id;
    const char *location; /* normalised */
    const char *state;
    const struct cw_route *routes;
    size_t route_count;
};
int cw_egress_get_route_table(struct cw_arm *arm, const struct cw_call *call, const char *id,
                              struct cw_route_table *ret_table, struct cw_err *err);
/* Created with a default route to the appliance at that address when absent. */
int cw_egress_ensure_route_table(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                 const char *appliance, const char *location, struct cw_tags tags,
                                 struct cw_ensured *ret_ensured, struct cw_err *err);
/* The route of 0.0.0.0/0; NULL when there is none. */
const struct cw_route *cw_route_table_default(const struct cw_route_table *table);

#endif

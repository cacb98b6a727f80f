/* common/azure/reach.h: would a connection from a subnet arrive, by its security rules, its routes and its way out?
 *
 * Judged by what Resource Manager shows. Of a public service only the tag is known, seldom an address, so a rule or a route
 * fits, does not, or may: what may fit and would change the result is told as a doubt.
 * Pure; everything is borrowed. Suspends: never.  Thread: any.
 * Source: "How network security groups filter traffic", "Virtual network traffic routing". */
#ifndef CW_COMMON_AZURE_REACH_H
#define CW_COMMON_AZURE_REACH_H

#include "common/azure/network.h"

/* One end of a connection. */
struct cw_place {
    const char *
        tag; /* service tag of a public service without its region; "" = a public one without a tag that we know;
                           NULL = inside the VNet or one that is peered with it */
    const char *region; /* of a public service ("chinaeast2"); NULL = unknown */
    const char *range;  /* "10.1.2.3" or "10.1.2.0/24"; NULL = unknown */
};

/* One TCP connection. */
struct cw_flow {
    struct cw_place from;
    struct cw_place to;
    int port;
};

struct cw_ruling {
    const struct cw_security_rule *rule;  /* NULL = none fits: the defaults, which allow a node its ways */
    const struct cw_security_rule *doubt; /* stands before it, may fit, and says otherwise; NULL = none */
};
/* The rule that decides: of those that fit the one with the lowest priority number. direction: "Inbound", "Outbound". */
struct cw_ruling cw_nsg_ruling(const struct cw_nsg *nsg, const char *direction, const struct cw_flow *flow);
bool cw_ruling_denies(const struct cw_ruling *ruling);

struct cw_way {
    const struct cw_route *route; /* NULL = none fits: Azure's own routes */
    const struct cw_route *doubt; /* more specific, may fit, and leads elsewhere; NULL = none */
};
/* The route that decides: the most specific one of at least bits_min bits. */
struct cw_way cw_route_table_way(const struct cw_route_table *table, const struct cw_place *to, int bits_min);
/* The route that takes an endpoint's address away from the VNet's own; NULL when there is none. is_policed: the endpoint's
 * subnet lets routes overrule the endpoint's own (privateEndpointNetworkPolicies). */
const struct cw_route *cw_route_table_override(const struct cw_route_table *table, const struct cw_vnet *vnet,
                                               const char *address, bool is_policed);
/* The route of 0.0.0.0/0; NULL when there is none. */
const struct cw_route *cw_route_table_default(const struct cw_route_table *table);

#endif

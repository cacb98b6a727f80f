/* common/azure/reach.h: would a connection from a subnet arrive, by its security rules, its routes and its way out?
 *
 * Judged by what Resource Manager shows. Of a public service only the tag is known, seldom an address, so a rule or a route
 * fits, does not, or may: what may fit and would change the result is told as a doubt.
 * Pure; everything is borrowed. Suspends: never.  Thread: any.
 * Source: "How network security groups filter traffic", "Virtual network traffic routing". */
#ifndef CW_COMMON_AZURE_REACH_H
#define CW_COMMON_AZURE_REACH_H

#include "common/azure/egress.h"
#include "common/azure/network.h"
#include "common/azure/workspace.h"

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
/* A public service that nodes need. */
struct cw_need {
    const char *name;   /* for people: "prod.blob.core.chinacloudapi.cn:443" */
    struct cw_place to; /* its tag is never NULL */
    int port;
    bool is_vital; /* without it no node starts; without the others something is missing */
};
/* From a workspace's list of outbound endpoints (may be empty): storage, metastore, event hub, and the sign-in service that no
 * list names. What the control plane offers is left out, the private endpoint leads there. An empty list gives the services by
 * their tags. NULL when out of memory. */
const struct cw_need *cw_needs_of(const struct cw_outbound_endpoint *endpoints, size_t endpoint_count,
                                  const char *region, struct cw_arena *mem, size_t *ret_count);

/* A subnet, with what governs its ways. NULL members: there is none. */
struct cw_vantage {
    const struct cw_subnet *subnet;
    const struct cw_vnet *vnet; /* must hold, or be connected with, each next hop; NULL = not looked at */
    const struct cw_nsg *nsg;
    const struct cw_route_table *routes;
    const struct cw_nat_gateway *nat;
    bool has_other_way; /* a load balancer's, or public addresses of the nodes */
};

enum cw_reach {
    CW_REACH_OPEN = 0,  /* over `route`; NULL = Azure's own */
    CW_REACH_DENIED,    /* by `rule` */
    CW_REACH_DROPPED,   /* by `route`, whose next hop is None, or in no connected network */
    CW_REACH_NO_WAY,    /* private subnet without NAT gateway, or a gateway without a public address */
    CW_REACH_APPLIANCE, /* not to be judged from here: `route` leads to a firewall or gateway, which decides */
    CW_REACH_DOUBTFUL,  /* not to be judged: `rule` or `route` may fit */
};
struct cw_reached {
    enum cw_reach reach;
    const struct cw_security_rule *rule;
    const struct cw_route *route;
};
/* By its security rules alone, and by its routes and way out alone; the first that is not open decides. */
struct cw_reached cw_reach_by_rules(const struct cw_vantage *from, const struct cw_need *need);
struct cw_reached cw_reach_by_routes(const struct cw_vantage *from, const struct cw_need *need);
struct cw_reached cw_reach(const struct cw_vantage *from, const struct cw_need *need);
/* It is sure that the connection fails. */
bool cw_reach_is_cut(enum cw_reach reach);
/* Two needs of one subnet that end for the same reason. */
bool cw_reached_alike(const struct cw_reached *a, const struct cw_reached *b);
/* "a:443, b:443 and 3 more": needs[first] and those behind it that end alike; NULL when out of memory. */
char *cw_reached_names(const struct cw_need *needs, const struct cw_reached *reached, size_t count,
                       size_t first, size_t bytes_max, struct cw_arena *mem);

#endif

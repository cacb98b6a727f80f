/* tests/azure/graph_inside.h: what the files of the network graph share. */
#ifndef CW_TESTS_AZURE_GRAPH_INSIDE_H
#define CW_TESTS_AZURE_GRAPH_INSIDE_H

#include "tests/azure/arm.h"
#include "tests/azure/databricks.h"
#include "tests/azure/graph.h"

#define GRAPH_AZURE_DNS "168.63.129.16"
#define GRAPH_CONTROL_PLANE_IP "198.51.100.10"
#define GRAPH_DEFAULT_EGRESS_IP "203.0.113.77"
#define GRAPH_MANAGED_EGRESS_IP "203.0.113.88"

/* The virtual network of a workspace that chose one; NULL: managed, or gone. */
const struct az_resource *graph_vnet(struct az_model *m, const struct az_resource *workspace);
bool graph_vnet_has(const struct az_resource *vnet, uint32_t ip);
/* Is `other` peered with `vnet`, connected, and open to it? */
bool graph_is_peered(struct az_model *m, const struct az_resource *vnet, const struct az_resource *other);
/* The network among `vnet` and its peers that has this address; NULL: none. */
const struct az_resource *graph_vnet_of_ip(struct az_model *m, const struct az_resource *vnet, uint32_t ip);

/* One flow to judge by a security group. */
struct graph_flow {
    const struct az_resource *vnet; /* whose view "VirtualNetwork" is */
    uint32_t from, to;
    const char *tag; /* service tag of `to`, NULL for private and other addresses */
    int port;
    const char *protocol; /* "Tcp", "Udp" */
};

/* Does the subnet's security group let it through? ret_rule (260 bytes) gets the deciding rule's name. No group: yes. */
bool graph_nsg_allows(struct az_model *m, const struct az_resource *subnet, bool is_inbound,
                      const struct graph_flow *flow, char ret_rule[260]);
/* Tag of one of the public services' addresses, or NULL. */
const char *graph_tag_of(uint32_t ip);
/* Address of a named public service, or NULL. */
const char *graph_ip_of_service(const char *name);
/* The private endpoint that has this address in `vnet` or a peered network; NULL: none. */
const struct az_resource *graph_endpoint_at(struct az_model *m, const struct az_resource *vnet,
                                            const char *ip);
const struct az_resource *graph_endpoint_vnet(struct az_model *m, const struct az_resource *pe);
/* A representative address of a subnet's machines. */
uint32_t graph_subnet_ip(const struct az_resource *subnet);

#endif

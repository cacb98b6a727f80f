/* tests/azure/graph.h: what the network of a workspace does, computed from the state of its resources.
 *
 * Nothing here is canned: links, records, endpoints, rules, routes and subnets are looked at in the store each time. What
 * Azure Resource Manager cannot show comes from "databricks" of the state document: "dnsServers" {address: {"vnet": id whose
 * links it sees, "forwards": [suffix, "." = all], "answers": bool}}, "appliances" {address: {"allows": [tags], "publicIp",
 * "inspectsTls"}}; of the workspace: "capacity" {"code","message","nodeTypes"}, "incident" code, "globalInitScripts".
 * Suspends: never.  Source: Microsoft's Private Link, DNS, NSG and routing rules. */
#ifndef CW_TESTS_AZURE_GRAPH_H
#define CW_TESTS_AZURE_GRAPH_H

#include "tests/azure/core.h"

#define AZ_GRAPH_HOPS_MAX 8

/* ---- names -------------------------------------------------------------------------------------------------------------- */

/* One answer of a resolver. */
struct az_dns_answer {
    const char *rcode; /* "NOERROR", "NXDOMAIN", "SERVFAIL", "TIMEOUT" */
    char cname[AZ_GRAPH_HOPS_MAX][256];
    size_t cname_count;
    char addresses[AZ_GRAPH_HOPS_MAX][16];
    size_t address_count;
    int64_t ttl;
};

/* What Azure's own resolver (168.63.129.16) answers in that virtual network (NULL: on the internet). */
void az_graph_azure_dns(struct az_model *m, const struct az_resource *vnet, const char *name,
                        struct az_dns_answer *ret);
/* What the server at `server` answers to a node of the workspace. */
void az_graph_dns(struct az_model *m, const struct az_resource *workspace, const char *server,
                  const char *name, struct az_dns_answer *ret);
/* The servers that nodes ask: new array of addresses. */
json_t *az_graph_resolvers(struct az_model *m, const struct az_resource *workspace);

/* ---- paths -------------------------------------------------------------------------------------------------------------- */

/* Where a connection ends. */
enum az_end {
    AZ_END_NOWHERE = 0, /* no answer: time-out */
    AZ_END_REFUSED,
    AZ_END_CONTROL_PLANE, /* the public front of the control plane */
    AZ_END_ENDPOINT,      /* a private endpoint that is approved */
    AZ_END_SERVICE,       /* a public service of Azure: storage, … */
    AZ_END_HOST,          /* another machine of the network */
};

struct az_path {
    enum az_end end;
    const struct az_resource
        *endpoint;      /* AZ_END_ENDPOINT: the private endpoint. Also set when it does not answer. */
    bool inspects_tls;  /* a box on the way opens TLS */
    char egress_ip[16]; /* public address that the other side sees; "" on private ways */
    char why[400];      /* for people: what decided */
    const char *cause;  /* short name of what stopped it, "" when nothing did */
};

/* Names of public services, usable instead of an address. */
#define AZ_TO_STORAGE "Storage"
#define AZ_TO_SQL "Sql"
#define AZ_TO_EVENTHUB "EventHub"
#define AZ_TO_AAD "AzureActiveDirectory"
#define AZ_TO_CONTROL_PLANE "AzureDatabricks"

/* Where TCP from a node of the workspace (its host subnet, or the container subnet) to an address or service ends. */
void az_graph_path(struct az_model *m, const struct az_resource *workspace, bool is_host_subnet,
                   const char *to, int port, struct az_path *ret);

/* ---- verdicts ------------------------------------------------------------------------------------------------------------ */

/* Would a start come through now? */
struct az_launch {
    bool ok;
    bool is_private; /* it reached its control plane through an endpoint */
    char code[80], type[24];
    char message[2000];                      /* parameters.databricks_error_message */
    char azure_code[80], azure_message[600]; /* when Azure refused */
    bool is_early;                           /* fails before a machine runs: no second attempt */
    int64_t first_failure_s;                 /* model seconds from boot to the first ADD_NODES_FAILED */
    char cause[64];                          /* for people and tests: "zone-not-linked", … */
};

void az_graph_launch(struct az_model *m, struct az_resource *workspace, const char *node_type, size_t workers,
                     struct az_launch *ret);

/* Nodes that still find an address in both subnets; INT64_MAX for a managed network. */
int64_t az_graph_room(struct az_model *m, const struct az_resource *workspace);

/* What the probe of a node prints: {"resolvers","dns","getaddrinfo","hosts","tcp","tls","http","rows"}. `want` has "host",
 * "address", "ports". New reference. */
json_t *az_graph_probe(struct az_model *m, struct az_resource *workspace, const char *host_ip,
                       const json_t *want);

/* Everything the graph knows about a workspace, for people and tests. `workspace` is a resource id or a host name. NULL: no
 * such workspace. The caller owns the answer. */
json_t *az_graph_report(struct az_model *m, const char *workspace);

#endif

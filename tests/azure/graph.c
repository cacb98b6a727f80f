/* The graph as people and probes see it. */
#include "tests/azure/graph.h"

#include <stdio.h>
#include <string.h>

#include "tests/azure/graph_inside.h"

/* ---- the probe of a node -------------------------------------------------------------------------------------------------------- */

static json_t *dns_json(const char *server, const struct az_dns_answer *answer)
{
    json_t *names = json_array(), *addresses = json_array();
    for (size_t i = 0; i < answer->cname_count; i++)
        json_array_append_new(names, json_string(answer->cname[i]));
    for (size_t i = 0; i < answer->address_count; i++)
        json_array_append_new(addresses, json_string(answer->addresses[i]));
    return json_pack("{s:s,s:s,s:o,s:o,s:I}", "server", server, "rcode", answer->rcode, "cname", names,
                     "addresses", addresses, "ttl", (json_int_t)answer->ttl);
}

/* Each of the node's servers, and Azure's own. */
static json_t *ask_all(struct az_model *m, const struct az_resource *ws, const json_t *resolvers,
                       const char *name)
{
    size_t i;
    const json_t *server;
    struct az_dns_answer answer;
    bool has_azure = false;
    json_t *list = json_array();
    json_array_foreach(resolvers, i, server) {
        const char *address = json_string_value(server) != NULL ? json_string_value(server) : "";
        has_azure |= strcmp(address, GRAPH_AZURE_DNS) == 0;
        az_graph_dns(m, ws, address, name, &answer);
        json_array_append_new(list, dns_json(address, &answer));
    }
    if (!has_azure) {
        az_graph_dns(m, ws, GRAPH_AZURE_DNS, name, &answer);
        json_array_append_new(list, dns_json(GRAPH_AZURE_DNS, &answer));
    }
    return list;
}

static const char *end_name(enum az_end end)
{
    return end == AZ_END_NOWHERE ? "timeout" : end == AZ_END_REFUSED ? "refused" : "open";
}

static json_t *try_ports(struct az_model *m, const struct az_resource *ws, const char *address,
                         const json_t *ports)
{
    size_t i;
    const json_t *port;
    json_t *list = json_array();
    json_array_foreach(ports, i, port) {
        struct az_path path;
        az_graph_path(m, ws, false, address, (int)json_integer_value(port), &path);
        json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "address", address, "port",
                                              json_integer_value(port), "result", end_name(path.end)));
    }
    return list;
}

static json_t *try_tls(struct az_model *m, const struct az_resource *ws, const char *address, int *ret_status)
{
    char subject[256];
    struct az_path path;
    az_graph_path(m, ws, false, address, 443, &path);
    bool is_databricks = path.end == AZ_END_ENDPOINT || path.end == AZ_END_CONTROL_PLANE;
    const char *error = path.inspects_tls
                            ? "certificate verify failed: unable to get local issuer certificate"
                        : is_databricks              ? ""
                        : path.end == AZ_END_NOWHERE ? "timed out"
                                                     : "connection refused";
    snprintf(subject, sizeof subject, "*%s", az_workspace_suffix(m));
    *ret_status = is_databricks && !path.inspects_tls ? 200 : 0;
    return json_pack("{s:s,s:b,s:s,s:s}", "address", address, "ok", is_databricks && !path.inspects_tls,
                     "subject", is_databricks && !path.inspects_tls ? subject : "", "error", error);
}

json_t *az_graph_probe(struct az_model *m, struct az_resource *workspace, const char *host_ip,
                       const json_t *want)
{
    const char *host = az_str(want, "host"), *address = az_str(want, "address");
    int status = 0;
    json_t *resolvers = az_graph_resolvers(m, workspace);
    json_t *dns = ask_all(m, workspace, resolvers, host);
    if (address[0] == '\0')
        address = az_str(dns, "0.addresses.0");
    bool is_own = az_ieq(host, az_str(workspace->body, "properties.workspaceUrl"));
    const char *looked_up = is_own ? host_ip : az_str(dns, "0.addresses.0");
    json_t *seen = json_pack("{s:o,s:o,s:[s],s:s}", "resolvers", resolvers, "dns", dns, "getaddrinfo",
                             looked_up, "hosts", is_own ? host_ip : "");
    json_object_set_new(seen, "tcp", try_ports(m, workspace, address, json_object_get(want, "ports")));
    json_object_set_new(seen, "tls", try_tls(m, workspace, address, &status));
    json_object_set_new(seen, "http", json_pack("{s:i}", "status", status));
    json_object_set_new(seen, "rows", json_pack("[i]", 0));
    return seen;
}

/* ---- the report -------------------------------------------------------------------------------------------------------------------- */

static json_t *path_json(struct az_model *m, const struct az_resource *ws, bool is_host, const char *to,
                         int port)
{
    static const char *const ends[] = {"nowhere",          "refused", "control-plane",
                                       "private-endpoint", "service", "host"};
    struct az_path path;
    az_graph_path(m, ws, is_host, to, port, &path);
    return json_pack("{s:s,s:s,s:i,s:s,s:s*,s:s,s:s,s:s,s:b}", "from", is_host ? "host" : "container", "to",
                     to, "port", port, "end", ends[path.end], "endpoint",
                     path.endpoint != NULL ? path.endpoint->id : NULL, "egressIp", path.egress_ip, "cause",
                     path.cause, "why", path.why, "inspectsTls", path.inspects_tls);
}

static json_t *paths_json(struct az_model *m, const struct az_resource *ws, const char *address)
{
    static const struct {
        const char *to;
        int port;
    } wanted[] = {{NULL, 443},       {NULL, 6666},           {NULL, 8443},    {AZ_TO_STORAGE, 443},
                  {AZ_TO_SQL, 3306}, {AZ_TO_EVENTHUB, 9093}, {AZ_TO_AAD, 443}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        for (int is_host = 1; is_host >= 0; is_host--)
            if (wanted[i].to != NULL || address[0] != '\0')
                json_array_append_new(
                    list,
                    path_json(m, ws, is_host, wanted[i].to != NULL ? wanted[i].to : address, wanted[i].port));
    return list;
}

static json_t *endpoints_json(struct az_model *m, const struct az_resource *ws)
{
    json_t *list = json_array();
    for (struct az_resource *pe = az_store_first(m, AZ_T_PE); pe != NULL; pe = pe->next_of_type) {
        if (az_pe_workspace(m, pe) != ws)
            continue;
        const struct az_resource *home = graph_endpoint_vnet(m, pe), *vnet = graph_vnet(m, ws);
        bool is_near = home != NULL && vnet != NULL && (home == vnet || graph_is_peered(m, vnet, home));
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:b,s:b}", "id", pe->id, "group",
                                              az_pe_group_id(pe), "address", az_pe_ip(m, pe), "approved",
                                              az_pe_is_approved(pe), "reachable", is_near));
    }
    return list;
}

static json_t *launch_json(struct az_model *m, struct az_resource *ws)
{
    struct az_launch launch;
    az_graph_launch(m, ws, "Standard_DS3_v2", 1, &launch);
    if (launch.ok && az_graph_room(m, ws) < 1) {
        launch.ok = false;
        snprintf(launch.code, sizeof launch.code, "SUBNET_EXHAUSTED_FAILURE");
        snprintf(launch.type, sizeof launch.type, "CLIENT_ERROR");
        snprintf(launch.cause, sizeof launch.cause, "subnet-full");
    }
    return json_pack("{s:b,s:b,s:s,s:s,s:s,s:s,s:I}", "ok", launch.ok, "private", launch.is_private, "code",
                     launch.code, "type", launch.type, "message", launch.message, "cause", launch.cause,
                     "firstFailureSeconds", (json_int_t)launch.first_failure_s);
}

json_t *az_graph_report(struct az_model *m, const char *workspace)
{
    struct az_resource *ws = az_store_get(m, workspace);
    if (ws == NULL)
        ws = az_workspace_of_host(m, workspace);
    if (ws == NULL || strcmp(ws->type, AZ_T_WORKSPACE) != 0)
        return NULL;
    const char *host = az_str(ws->body, "properties.workspaceUrl");
    json_t *resolvers = az_graph_resolvers(m, ws);
    json_t *dns = ask_all(m, ws, resolvers, host);
    json_decref(resolvers);
    const char *address = az_str(dns, "0.addresses.0");
    json_t *paths = paths_json(m, ws, address);
    return json_pack("{s:s,s:s,s:b,s:s,s:s,s:o,s:o,s:o,s:o}", "workspace", ws->id, "host", host, "injected",
                     az_workspace_is_injected(ws), "requiredNsgRules",
                     az_str(ws->body, "properties.requiredNsgRules"), "publicNetworkAccess",
                     az_str(ws->body, "properties.publicNetworkAccess"), "endpoints", endpoints_json(m, ws),
                     "dns", dns, "paths", paths, "launch", launch_json(m, ws));
}

/* Would a cluster start come through? If not: with which code, and after how long. */
#include "tests/azure/graph_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BOOTSTRAP_FAILS_S 614 /* the bootstrap gives up 704 s after the machine came */
#define CHECK_FAILS_S 240     /* the node's own health check is faster */
#define STORAGE_FAILS_S 420
#define EARLY_FAILS_S 5

struct launch {
    struct az_model *m;
    struct az_resource *ws;
    const json_t *data;
    const char *host;
    char address[16]; /* what the host's name resolves to; "" when it does not */
    struct az_launch *ret;
};

static int fail(struct launch *l, const char *code, const char *type, const char *cause, int64_t after_s,
                const char *fmt, ...) __attribute__((format(printf, 6, 7)));

static int fail(struct launch *l, const char *code, const char *type, const char *cause, int64_t after_s,
                const char *fmt, ...)
{
    va_list args;
    struct az_launch *ret = l->ret;
    ret->ok = false;
    snprintf(ret->code, sizeof ret->code, "%s", code);
    snprintf(ret->type, sizeof ret->type, "%s", type);
    snprintf(ret->cause, sizeof ret->cause, "%s", cause);
    ret->first_failure_s = after_s;
    ret->is_early = after_s <= EARLY_FAILS_S;
    va_start(args, fmt);
    vsnprintf(ret->message, sizeof ret->message, fmt, args);
    va_end(args);
    return -1;
}

static int fail_in_azure(struct launch *l, const char *code, const char *cause, const char *azure_code,
                         const char *text)
{
    snprintf(l->ret->azure_code, sizeof l->ret->azure_code, "%s", azure_code);
    snprintf(l->ret->azure_message, sizeof l->ret->azure_message, "%s", text);
    return fail(l, code, "CLOUD_FAILURE", cause, EARLY_FAILS_S, "Cloud provider launch failure: %s: %s",
                azure_code, text);
}

/* The node's network health check as its text looks. */
static int fail_control_plane(struct launch *l, const char *cause, const char *outcome, const char *text,
                              int last_code)
{
    return fail(
        l, "CONTROL_PLANE_REQUEST_FAILURE", "CLOUD_FAILURE", cause, BOOTSTRAP_FAILS_S,
        "Control Plane Request Failure: the instance could not fetch its runbook from the control plane within 704524 "
        "milliseconds. Please check network connectivity from the data plane to the control plane. "
        "X_NHC_CONTROL_PLANE_HTTP_ERROR: 1 failed component(s): control_plane Retryable: true; entity: \"%s\" outcome: "
        "\"%s\" duration_sec: 10 message: \"%s\" last_error_code: %d",
        l->host, outcome, text, last_code);
}

/* ---- before a machine runs ------------------------------------------------------------------------------------------------------ */

static int check_capacity(struct launch *l, const char *node_type)
{
    size_t i;
    const json_t *type, *capacity = json_object_get(l->data, "capacity");
    const char *code = az_str(capacity, "code");
    bool is_hit = json_array_size(json_object_get(capacity, "nodeTypes")) == 0;
    json_array_foreach(json_object_get(capacity, "nodeTypes"), i, type)
        is_hit |= az_ieq(json_string_value(type), node_type);
    if (code[0] == '\0' || !is_hit)
        return 0;
    const char *azure_code = az_str(capacity, "azureCode"), *text = az_str(capacity, "message");
    return fail_in_azure(l, code, "capacity", azure_code[0] != '\0' ? azure_code : "QuotaExceeded",
                         text[0] != '\0'
                             ? text
                             : "Operation could not be completed as it results in exceeding approved quota.");
}

static int check_subnet(struct launch *l, bool is_host)
{
    char text[400];
    const struct az_resource *subnet = az_workspace_subnet(l->m, l->ws->body, is_host);
    if (subnet == NULL)
        return fail_in_azure(l, "WORKSPACE_CONFIGURATION_ERROR", "subnet-missing", "InvalidResourceReference",
                             "A subnet of the workspace was not found.");
    if (!az_is_delegated(subnet->body, "Microsoft.Databricks/workspaces")) {
        snprintf(text, sizeof text, "Subnet %.300s is not delegated to Microsoft.Databricks/workspaces.",
                 subnet->name);
        return fail_in_azure(l, "CLOUD_PROVIDER_LAUNCH_FAILURE", "subnet-not-delegated",
                             "SubnetMissingRequiredDelegation", text);
    }
    if (az_store_get(l->m, az_str(subnet->body, "properties.networkSecurityGroup.id")) == NULL) {
        snprintf(text, sizeof text, "Subnet %.300s has no network security group.", subnet->name);
        return fail_in_azure(l, "WORKSPACE_CONFIGURATION_ERROR", "subnet-without-nsg",
                             "NetworkSecurityGroupMissing", text);
    }
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------------------------ */

static int check_names(struct launch *l)
{
    size_t i;
    const json_t *server;
    struct az_dns_answer answer = {.rcode = "TIMEOUT"};
    json_t *servers = az_graph_resolvers(l->m, l->ws);
    json_array_foreach(servers, i, server) {
        az_graph_dns(l->m, l->ws, json_string_value(server) != NULL ? json_string_value(server) : "", l->host,
                     &answer);
        if (strcmp(answer.rcode, "TIMEOUT") != 0)
            break;
    }
    char first[64];
    snprintf(first, sizeof first, "%.63s",
             json_string_value(json_array_get(servers, 0)) != NULL
                 ? json_string_value(json_array_get(servers, 0))
                 : "");
    json_decref(servers);
    if (strcmp(answer.rcode, "TIMEOUT") == 0)
        return fail(
            l, "NETWORK_CHECK_DNS_SERVER_FAILURE", "CLOUD_FAILURE", "dns-server-silent", CHECK_FAILS_S,
            "Network health check failed: the DNS server %s does not answer. 1 failed component(s): dns Retryable: true; "
            "entity: \"%s\" outcome: \"dns_error\" duration_sec: 20 message: \"query timed out\" last_error_code: 28",
            first, l->host);
    if (answer.address_count == 0)
        return fail_control_plane(l, "record-missing", "dns_error", "could not resolve host: NXDOMAIN", 6);
    snprintf(l->address, sizeof l->address, "%s", answer.addresses[0]);
    return 0;
}

/* ---- control plane ---------------------------------------------------------------------------------------------------------------- */

static int refuse_public_way(struct launch *l, const struct az_path *path)
{
    const char *rules = az_str(l->ws->body, "properties.requiredNsgRules");
    if (az_ieq(az_str(l->ws->body, "properties.publicNetworkAccess"), "Disabled") ||
        az_ieq(rules, "NoAzureDatabricksRules"))
        return fail_control_plane(
            l, "public-way-refused", "http_error",
            "HTTP 401: Configured privacy settings disallow access for this workspace over your current "
            "network. Please contact your administrator for more information.",
            401);
    if (!dbx_ip_is_allowed(l->data, path->egress_ip))
        return fail_control_plane(l, "ip-access-list", "http_error",
                                  "HTTP 403: Unauthorized network access to workspace", 403);
    return 0;
}

static int refuse_endpoint(struct launch *l, const struct az_path *path)
{
    if (az_pe_workspace(l->m, path->endpoint) != l->ws ||
        !az_ieq(az_pe_group_id(path->endpoint), "databricks_ui_api"))
        return fail_control_plane(
            l, "foreign-endpoint", "http_error",
            "HTTP 401: Configured privacy settings disallow access for this workspace over your current "
            "network. The endpoint belongs to another resource.",
            401);
    return 0;
}

/* 443 from one of the two subnets, then the relay and the newer services. */
static int check_control_plane_from(struct launch *l, bool is_host)
{
    struct az_path path, relay, services;
    az_graph_path(l->m, l->ws, is_host, l->address, 443, &path);
    if (path.end != AZ_END_CONTROL_PLANE && path.end != AZ_END_ENDPOINT)
        return fail_control_plane(l, path.cause, "timeout", "connection timed out", 28);
    if (path.inspects_tls)
        return fail_control_plane(l, "tls-inspection", "ssl_error",
                                  "SSLEOFError: EOF occurred in violation of protocol", 35);
    int r = path.end == AZ_END_CONTROL_PLANE ? refuse_public_way(l, &path) : refuse_endpoint(l, &path);
    if (r < 0)
        return r;
    l->ret->is_private = path.end == AZ_END_ENDPOINT;
    if (path.end != AZ_END_ENDPOINT)
        return 0;
    az_graph_path(l->m, l->ws, is_host, l->address, 6666, &relay);
    if (relay.end != AZ_END_ENDPOINT)
        return fail(
            l, "NPIP_TUNNEL_SETUP_FAILURE", "SERVICE_FAULT", relay.cause, BOOTSTRAP_FAILS_S,
            "NPIP tunnel setup failure during launch. The secure cluster connectivity relay at %s port 6666 timed out.",
            l->address);
    az_graph_path(l->m, l->ws, is_host, l->address, 8443, &services);
    if (services.end != AZ_END_ENDPOINT)
        return fail(l, "MTLS_PORT_CONNECTIVITY_FAILURE", "CLIENT_ERROR", services.cause, CHECK_FAILS_S,
                    "mTLS port connectivity check failed: %s ports 8443-8451 are not reachable.", l->address);
    return 0;
}

/* ---- the rest of what a start needs -------------------------------------------------------------------------------------------------- */

static int check_storage(struct launch *l, bool is_host)
{
    struct az_path path;
    az_graph_path(l->m, l->ws, is_host, AZ_TO_STORAGE, 443, &path);
    bool is_filtered = az_istarts(path.cause, "firewall-") || strcmp(path.cause, "subnet-nsg") == 0;
    if (path.inspects_tls)
        return fail(
            l, "STORAGE_DOWNLOAD_FAILURE", "CLOUD_FAILURE", "tls-inspection", STORAGE_FAILS_S,
            "X_NHC_STORAGE_SSL_ERROR: 1 failed component(s): storage Retryable: true; entity: "
            "\"dbartifacts.blob\" outcome: \"ssl_error\" duration_sec: 2 message: \"certificate unknown\" last_error_code: 60");
    if (path.end == AZ_END_SERVICE)
        return 0;
    return fail(
        l, is_filtered ? "STORAGE_DOWNLOAD_FAILURE" : "NETWORK_CHECK_STORAGE_FAILURE", "CLOUD_FAILURE",
        path.cause, STORAGE_FAILS_S,
        "X_NHC_STORAGE_UNREACHABLE: 1 failed component(s): storage Retryable: true; entity: \"dbartifacts.blob\" outcome: "
        "\"timeout\" duration_sec: 30 message: \"bootstrap script could not be downloaded\" last_error_code: 28");
}

/* The managed metastore, from where workers and driver are. */
static int check_metastore(struct launch *l)
{
    struct az_path path;
    az_graph_path(l->m, l->ws, false, AZ_TO_SQL, 3306, &path);
    if (path.end == AZ_END_SERVICE)
        return 0;
    return fail(
        l, "METASTORE_COMPONENT_UNHEALTHY", "CLIENT_ERROR", path.cause, STORAGE_FAILS_S,
        "Metastore component unhealthy: the managed metastore at port 3306 is not reachable from the data plane: "
        "connect timed out.");
}

static bool has_storage_endpoint(struct launch *l)
{
    const char *account = az_str(l->ws->body, "properties.parameters.storageAccountName.value");
    for (struct az_resource *pe = az_store_first(l->m, AZ_T_PE); pe != NULL; pe = pe->next_of_type) {
        const char *target =
            az_str(pe->body, "properties.privateLinkServiceConnections.0.properties.privateLinkServiceId");
        if (account[0] != '\0' && strstr(target, account) != NULL)
            return true;
    }
    return false;
}

static int check_workspace_storage(struct launch *l)
{
    if (!az_ieq(az_str(l->ws->body, "properties.defaultStorageFirewall"), "Enabled") ||
        has_storage_endpoint(l))
        return 0;
    return fail(
        l, "DBFS_COMPONENT_UNHEALTHY", "CLOUD_FAILURE", "storage-firewall", STORAGE_FAILS_S,
        "DBFS is not healthy: the firewall of the workspace storage account denies the request (403 AuthorizationFailure).");
}

static int check_workers(struct launch *l, size_t workers)
{
    char rule[260];
    const struct az_resource *subnet = az_workspace_subnet(l->m, l->ws->body, false);
    uint32_t ip = graph_subnet_ip(subnet);
    struct graph_flow flow = {
        .vnet = graph_vnet(l->m, l->ws), .from = ip, .to = ip + 1, .port = 7078, .protocol = "Tcp"};
    if (workers == 0 || (graph_nsg_allows(l->m, subnet, false, &flow, rule) &&
                         graph_nsg_allows(l->m, subnet, true, &flow, rule)))
        return 0;
    return fail(l, "INSTANCE_UNREACHABLE", "CLOUD_FAILURE", "worker-to-worker", BOOTSTRAP_FAILS_S,
                "Workers and driver cannot reach each other; security rule %s denies it.", rule);
}

static int check_incidents(struct launch *l)
{
    size_t i;
    const json_t *script;
    const char *incident = az_str(l->data, "incident");
    if (incident[0] != '\0')
        return fail(l, incident, "SERVICE_FAULT", "incident", CHECK_FAILS_S,
                    "%s: the control plane has trouble. Please try again later.", incident);
    json_array_foreach(json_object_get(l->data, "globalInitScripts"), i, script)
        if (az_bool(script, "enabled", true) && az_bool(script, "_fails", false))
            return fail(l, "GLOBAL_INIT_SCRIPT_FAILURE", "CLIENT_ERROR", "init-script", 60,
                        "Global init script %s failed: Script exit status is non-zero",
                        az_str(script, "name"));
    return 0;
}

static int check_injected(struct launch *l, size_t workers)
{
    if (check_subnet(l, true) < 0 || check_subnet(l, false) < 0 || check_names(l) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (check_control_plane_from(l, i == 0) < 0)
            return -1;
    for (int i = 0; i < 2; i++)
        if (check_storage(l, i == 0) < 0)
            return -1;
    return check_workers(l, workers) < 0 || check_metastore(l) < 0 ? -1 : check_workspace_storage(l);
}

void az_graph_launch(struct az_model *m, struct az_resource *workspace, const char *node_type, size_t workers,
                     struct az_launch *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->ok = true;
    struct launch l = {.m = m,
                       .ws = workspace,
                       .data = dbx_data(m, workspace),
                       .ret = ret,
                       .host = az_str(workspace->body, "properties.workspaceUrl")};
    if (az_ieq(az_prov_state(workspace), "Updating") && az_behaviour(m, "failWhileUpdating", 1) > 0.5) {
        (void)fail(&l, "SELF_BOOTSTRAP_FAILURE", "SERVICE_FAULT", "workspace-updating", 60,
                   "Self-bootstrap failure during launch: the workspace's network is being updated.");
        return;
    }
    if (check_capacity(&l, node_type) < 0)
        return;
    if (az_workspace_is_injected(workspace) && check_injected(&l, workers) < 0)
        return;
    (void)check_incidents(&l);
}

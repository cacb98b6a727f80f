/* The way into ARM: the table of routes, and what is checked before a handler runs. */
#include "tests/azure/arm.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SUB "/subscriptions/{sub}"
#define GROUP SUB "/resourceGroups/{group}"
#define NET "/providers/Microsoft.Network"
#define DBX "/providers/Microsoft.Databricks"
#define AUTHZ "/providers/Microsoft.Authorization"

#define CRUD(type, path)                                                                        \
    {"GET", path, type, NULL, NULL, az_crud_get}, {"PUT", path, type, NULL, NULL, az_crud_put}, \
    {                                                                                           \
        "DELETE", path, type, NULL, NULL, az_crud_delete                                        \
    }
#define TOP(type, provider, plural)                                                       \
    CRUD(type, GROUP provider plural "/{name}"),                                          \
        {"PATCH", GROUP provider plural "/{name}", type, NULL, NULL, az_crud_patch_tags}, \
        {"GET", GROUP provider plural, type, NULL, NULL, az_crud_list},                   \
    {                                                                                     \
        "GET", SUB provider plural, type, NULL, NULL, az_crud_list_subscription           \
    }
#define CHILD(type, path, plural)                          \
    CRUD(type, path plural "/{child}"),                    \
    {                                                      \
        "GET", path plural, type, NULL, NULL, az_crud_list \
    }

#define VNET GROUP NET "/virtualNetworks/{name}"
#define ZONE GROUP NET "/privateDnsZones/{name}"
#define WS GROUP DBX "/workspaces/{name}"

static const struct az_route routes[] = {
    {"GET", "/metadata/endpoints", NULL, "", NULL, az_h_metadata},
    {"GET", "/subscriptions", NULL, "subscriptions", "Microsoft.Resources/subscriptions/read",
     az_h_subscriptions},
    {"GET", "/tenants", NULL, "subscriptions", "Microsoft.Resources/tenants/read", az_h_tenants},
    {"GET", SUB, NULL, "subscriptions", "Microsoft.Resources/subscriptions/read", az_h_subscription},
    {"GET", SUB "/locations", NULL, "subscriptions", "Microsoft.Resources/subscriptions/locations/read",
     az_h_locations},
    {"GET", SUB "/providers", NULL, "resources", "Microsoft.Resources/subscriptions/providers/read",
     az_h_providers},
    {"GET", SUB "/providers/{ns}", NULL, "resources", "Microsoft.Resources/subscriptions/providers/read",
     az_h_provider},
    {"POST", SUB "/providers/{ns}/register", NULL, "resources", "*/register/action", az_h_provider_register},
    {"GET", SUB "/resourceGroups", NULL, "resources", "Microsoft.Resources/subscriptions/resourceGroups/read",
     az_h_groups},
    {"GET", GROUP, NULL, "resources", "Microsoft.Resources/subscriptions/resourceGroups/read",
     az_h_group_get},
    {"HEAD", GROUP, NULL, "resources", "Microsoft.Resources/subscriptions/resourceGroups/read",
     az_h_group_get},
    {"PUT", GROUP, NULL, "resources", "Microsoft.Resources/subscriptions/resourceGroups/write",
     az_h_group_put},
    {"PATCH", GROUP, NULL, "resources", "Microsoft.Resources/subscriptions/resourceGroups/write",
     az_h_group_patch},
    {"DELETE", GROUP, NULL, "resources", "Microsoft.Resources/subscriptions/resourceGroups/delete",
     az_h_group_delete},
    {"GET", GROUP "/resources", NULL, "resources",
     "Microsoft.Resources/subscriptions/resourcegroups/resources/read", az_h_resources},
    {"GET", SUB "/resources", NULL, "resources", "Microsoft.Resources/subscriptions/resources/read",
     az_h_resources},
    {"GET", SUB "/operationresults/{op}", NULL, "resources",
     "Microsoft.Resources/subscriptions/operationresults/read", az_op_result},
    {"POST", "/providers/Microsoft.ResourceGraph/resources", NULL, "graph",
     "Microsoft.ResourceGraph/resources/read", az_h_resource_graph},
    {"GET", "{scope}" AUTHZ "/locks", NULL, "locks", "Microsoft.Authorization/locks/read", az_h_locks},
    {"GET", "{scope}" AUTHZ "/locks/{lock}", NULL, "locks", "Microsoft.Authorization/locks/read",
     az_h_lock_get},
    {"PUT", "{scope}" AUTHZ "/locks/{lock}", NULL, "locks", "Microsoft.Authorization/locks/write",
     az_h_lock_put},
    {"DELETE", "{scope}" AUTHZ "/locks/{lock}", NULL, "locks", "Microsoft.Authorization/locks/delete",
     az_h_lock_delete},
    {"GET", "{scope}" AUTHZ "/permissions", NULL, "permissions", "Microsoft.Authorization/permissions/read",
     az_h_permissions},

    {"GET", SUB NET "/locations/{loc}/operations/{op}", NULL, "",
     "Microsoft.Network/locations/operations/read", az_op_status},
    {"GET", SUB NET "/locations/{loc}/operationResults/{op}", NULL, "",
     "Microsoft.Network/locations/operationResults/read", az_op_result},
    {"GET", GROUP NET "/privateDnsOperationStatuses/{op}", NULL, "",
     "Microsoft.Network/privateDnsOperationStatuses/read", az_op_status},
    {"GET", GROUP NET "/privateDnsOperationResults/{op}", NULL, "",
     "Microsoft.Network/privateDnsOperationResults/read", az_op_result},
    {"GET", SUB DBX "/locations/{loc}/operationstatuses/{op}", NULL, "",
     "Microsoft.Databricks/locations/operationstatuses/read", az_op_status},
    {"GET", SUB DBX "/locations/{loc}/operationResults/{op}", NULL, "",
     "Microsoft.Databricks/locations/operationstatuses/read", az_op_result},
    {"GET", SUB NET "/locations/{loc}/usages", NULL, "network", "Microsoft.Network/locations/usages/read",
     az_h_network_usages},
    {"GET", SUB NET "/locations/{loc}/availablePrivateEndpointTypes", NULL, "network",
     "Microsoft.Network/locations/availablePrivateEndpointTypes/read", az_h_endpoint_types},

    TOP(&az_type_nsg, NET, "/networkSecurityGroups"),
    CHILD(&az_type_nsg_rule, GROUP NET "/networkSecurityGroups/{name}", "/securityRules"),
    TOP(&az_type_vnet, NET, "/virtualNetworks"),
    CHILD(&az_type_subnet, VNET, "/subnets"),
    CHILD(&az_type_peering, VNET, "/virtualNetworkPeerings"),
    {"GET", VNET "/CheckIPAddressAvailability", NULL, "network", "Microsoft.Network/virtualNetworks/read",
     az_h_vnet_check_ip},
    {"GET", VNET "/usages", NULL, "network", "Microsoft.Network/virtualNetworks/usages/read",
     az_h_vnet_usages},
    TOP(&az_type_nat, NET, "/natGateways"),
    TOP(&az_type_public_ip, NET, "/publicIPAddresses"),
    TOP(&az_type_route_table, NET, "/routeTables"),
    CHILD(&az_type_route, GROUP NET "/routeTables/{name}", "/routes"),
    TOP(&az_type_pe, NET, "/privateEndpoints"),
    CHILD(&az_type_zone_group, GROUP NET "/privateEndpoints/{name}", "/privateDnsZoneGroups"),
    {"GET", GROUP NET "/networkInterfaces/{name}", &az_type_nic, NULL, NULL, az_crud_get},
    {"GET", GROUP NET "/networkInterfaces", &az_type_nic, NULL, NULL, az_crud_list},
    {"GET", SUB NET "/networkInterfaces", &az_type_nic, NULL, NULL, az_crud_list_subscription},

    TOP(&az_type_zone, NET, "/privateDnsZones"),
    CHILD(&az_type_link, ZONE, "/virtualNetworkLinks"),
    {"PATCH", ZONE "/virtualNetworkLinks/{child}", &az_type_link, NULL, NULL, az_crud_patch_tags},
    {"GET", ZONE "/A/{record}", &az_type_record_a, NULL, NULL, az_crud_get},
    {"PUT", ZONE "/A/{record}", &az_type_record_a, NULL, NULL, az_h_record_put},
    {"PATCH", ZONE "/A/{record}", &az_type_record_a, NULL, NULL, az_h_record_put},
    {"DELETE", ZONE "/A/{record}", &az_type_record_a, NULL, NULL, az_h_record_delete},
    {"GET", ZONE "/SOA/@", &az_type_record_a, NULL, NULL, az_h_record_soa},
    {"GET", ZONE "/A", &az_type_record_a, NULL, NULL, az_h_record_list},
    {"GET", ZONE "/ALL", &az_type_record_a, NULL, NULL, az_h_record_all},

    CRUD(&az_type_workspace, WS),
    {"PATCH", WS, &az_type_workspace, NULL, NULL, az_h_ws_patch},
    {"GET", GROUP DBX "/workspaces", &az_type_workspace, NULL, NULL, az_crud_list},
    {"GET", SUB DBX "/workspaces", &az_type_workspace, NULL, NULL, az_crud_list_subscription},
    {"GET", WS "/privateLinkResources", NULL, "databricks",
     "Microsoft.Databricks/workspaces/privateLinkResources/read", az_h_ws_link_resources},
    {"GET", WS "/privateLinkResources/{group}", NULL, "databricks",
     "Microsoft.Databricks/workspaces/privateLinkResources/read", az_h_ws_link_resources},
    {"GET", WS "/outboundNetworkDependenciesEndpoints", NULL, "databricks",
     "Microsoft.Databricks/workspaces/outboundNetworkDependenciesEndpoints/read", az_h_ws_outbound},
    CHILD(&az_type_ws_connection, WS, "/privateEndpointConnections"),
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

/* One route found for a call, kept for az_call_type(). */
struct found {
    const struct az_route *route;
    bool path_known; /* the path exists with another method */
};

const struct az_type *az_call_type(const struct az_call *call)
{
    return call->route != NULL ? call->route->type : NULL;
}

static bool segment_matches(const char *pattern, size_t n, const char *segment)
{
    return pattern[0] == '{' || (strncasecmp(pattern, segment, n) == 0 && segment[n] == '\0');
}

static size_t count_slashes(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += *s == '/';
    return n;
}

static unsigned char slashes[ROUTE_COUNT];
static pthread_once_t counting = PTHREAD_ONCE_INIT;

static void count_all(void)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        slashes[i] = (unsigned char)count_slashes(routes[i].pattern);
}

static bool route_matches(size_t route, const struct az_call *call)
{
    const char *pattern = routes[route].pattern;
    size_t count = slashes[route];
    bool is_scoped = pattern[0] == '{';
    if (is_scoped)
        pattern += 7;
    if (is_scoped ? call->segment_count <= count : call->segment_count != count)
        return false;
    for (size_t i = call->segment_count - count; *pattern == '/'; i++) {
        size_t n = strcspn(++pattern, "/");
        if (!segment_matches(pattern, n, call->segments[i]))
            return false;
        pattern += n;
    }
    return true;
}

/* The first that matches; method NULL: any. */
static const struct az_route *route_of(const struct az_call *call, const char *method)
{
    (void)pthread_once(&counting, count_all);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if ((method == NULL || strcmp(routes[i].method, method) == 0) && route_matches(i, call))
            return &routes[i];
    }
    return NULL;
}

static struct found find_route(const struct az_call *call)
{
    struct found found = {.route = route_of(call, call->method)};
    found.path_known = found.route != NULL || route_of(call, NULL) != NULL;
    return found;
}

/* The id as Azure writes it: the route's spelling of types, the caller's of names. */
static void write_id(const struct az_route *route, struct az_call *call)
{
    const char *pattern = route->pattern;
    bool is_scoped = strncmp(pattern, "{scope}", 7) == 0;
    size_t n = 0, skip = is_scoped ? call->segment_count - count_slashes(pattern) : 0;
    if (is_scoped)
        pattern += 7;
    for (size_t i = 0; i < call->segment_count; i++) {
        const char *text = call->segments[i];
        size_t len = strlen(text);
        if (i >= skip && *pattern == '/') {
            size_t k = strcspn(++pattern, "/");
            if (pattern[0] != '{') {
                text = pattern;
                len = k;
            }
            pattern += k;
        }
        if (n + len + 2 >= sizeof call->id)
            continue;
        call->id[n] = '/';
        memcpy(call->id + n + 1, text, len);
        n += len + 1;
    }
    call->id[n] = '\0';
}

const char *az_versions_of(const struct az_model *m, const char *list, char *buf, size_t buf_bytes)
{
    static const char *const known[][2] = {
        {"databricks", "2018-04-01, 2023-02-01, 2024-05-01"},
        {"network", "2022-07-01, 2023-09-01"},
        {"dns", "2018-09-01, 2020-06-01"},
        {"resources", "2020-06-01, 2021-04-01, 2022-09-01, 2023-07-01"},
        {"subscriptions", "2016-06-01, 2020-01-01, 2021-01-01, 2022-12-01"},
        {"locks", "2016-09-01, 2020-05-01"},
        {"permissions", "2015-07-01, 2018-01-01-preview, 2022-04-01"},
        {"graph", "2019-04-01, 2021-03-01, 2022-10-01"},
    };
    const json_t *own = json_object_get(m->versions, list);
    buf[0] = '\0';
    for (size_t i = 0; own == NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i][0], list) == 0)
            snprintf(buf, buf_bytes, "%s", known[i][1]);
    for (size_t i = 0; i < json_array_size(own); i++) {
        size_t n = strlen(buf);
        snprintf(buf + n, buf_bytes - n, "%s%s", i > 0 ? ", " : "",
                 json_string_value(json_array_get(own, i)));
    }
    return buf[0] != '\0' ? buf : NULL;
}

static bool is_listed(const char *versions, const char *version)
{
    size_t n = strlen(version);
    for (const char *at = versions; (at = strcasestr(at, version)) != NULL; at += n)
        if ((at == versions || at[-1] == ' ') && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static bool has_wrong_version(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char versions[1024];
    const struct az_route *route = call->route;
    const char *list = route->type != NULL ? route->type->versions : route->versions;
    if (call->api_version[0] == '\0') {
        az_reply_error(res, 400, "MissingApiVersionParameter",
                       "The api-version query parameter (?api-version=) is required for all requests.");
        return true;
    }
    if (list[0] == '\0' || az_versions_of(m, list, versions, sizeof versions) == NULL ||
        is_listed(versions, call->api_version))
        return false;
    const char *what = route->type != NULL ? route->type->display : route->operation,
               *type = strchr(what, '/');
    const char *location = az_str(call->target != NULL ? call->target->body : call->body, "location");
    char places[256];
    if (az_istarts(what, "*/"))
        type = strchr(what = "Microsoft.Resources/subscriptions/providers/write", '/');
    const char *end = route->type != NULL ? type + strlen(type) : strrchr(what, '/');
    az_reply_error(
        res, 400, "NoRegisteredProviderFound",
        "No registered resource provider found for location '%s' and API version '%s' for type '%.*s'. The "
        "supported api-versions are '%s'. The supported locations are '%s'.",
        location, call->api_version, (int)(end - type - 1), type + 1, versions,
        az_location_names(places, sizeof places));
    return true;
}

static bool is_not_signed_in(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char base[512];
    enum az_token_verdict verdict = az_call_token(m, call, az_audiences_arm(m), &call->who);
    if (verdict == AZ_TOKEN_OK)
        return false;
    az_url_base(m, m->login_host, base, sizeof base);
    const char *tenant = call->who.tenant[0] != '\0' ? call->who.tenant : AZ_DEFAULT_TENANT;
    az_reply_header(
        res, "WWW-Authenticate",
        "Bearer authorization_uri=\"%s/%s\", error=\"invalid_token\", error_description=\"The access token "
        "is missing, expired or not for this resource.\"",
        base, tenant);
    if (verdict == AZ_TOKEN_EXPIRED)
        az_reply_error(res, 401, "ExpiredAuthenticationToken",
                       "The access token expiry UTC time is earlier than current UTC time.");
    else if (verdict == AZ_TOKEN_MISSING)
        az_reply_error(res, 401, "AuthenticationFailed",
                       "Authentication failed. The 'Authorization' header is missing.");
    else
        az_reply_error(res, 401, "InvalidAuthenticationToken",
                       verdict == AZ_TOKEN_WRONG_AUDIENCE
                           ? "The access token has been obtained for wrong audience or resource."
                           : "The access token is invalid.");
    return true;
}

static bool is_foreign_subscription(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[128];
    if (!az_ieq(az_call_segment(call, 0), "subscriptions") || call->segment_count < 2)
        return false;
    snprintf(id, sizeof id, "/subscriptions/%.40s", call->segments[1]);
    const struct az_resource *sub = az_store_get(m, id);
    if (sub == NULL) {
        az_reply_error(res, 404, "SubscriptionNotFound", "The subscription '%s' could not be found.",
                       call->segments[1]);
        return true;
    }
    if (!az_ieq(az_str(sub->body, "tenantId"), call->who.tenant)) {
        az_reply_error(
            res, 401, "InvalidAuthenticationTokenTenant",
            "The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with "
            "this subscription.",
            call->who.tenant, az_str(sub->body, "tenantId"));
        return true;
    }
    return false;
}

static bool is_disabled(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[128];
    snprintf(id, sizeof id, "/subscriptions/%.40s", az_call_segment(call, 1));
    const struct az_resource *sub = az_store_get(m, id);
    const char *state = sub != NULL ? az_str(sub->body, "state") : "";
    bool is_read = strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
    if (is_read || state[0] == '\0' || az_ieq(state, "Enabled"))
        return false;
    az_reply_error(
        res, 409, "ReadOnlyDisabledSubscription",
        "The subscription '%s' is disabled and therefore marked as read only. You cannot perform any write "
        "actions on this subscription until it is re-enabled.",
        sub->name);
    return true;
}

static bool is_not_allowed(struct az_model *m, struct az_call *call, struct az_response *res,
                           const char *operation)
{
    if (az_may(m, &call->who, operation, call->id))
        return false;
    az_reply_error(
        res, 403, "AuthorizationFailed",
        "The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope "
        "'%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        call->who.app_id, call->who.object_id, operation, call->id);
    return true;
}

static bool is_unregistered(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char ns[128];
    const struct az_type *type = call->route->type;
    if (type == NULL || strcmp(call->method, "PUT") != 0)
        return false;
    snprintf(ns, sizeof ns, "%.*s", (int)strcspn(type->display, "/"), type->display);
    if (az_ieq(az_provider_state(m, call->segments[1], ns), "Registered"))
        return false;
    json_t *detail = json_pack("{s:s,s:s,s:s}", "code", "MissingSubscriptionRegistration", "target", ns,
                               "message", "The subscription is not registered to use this namespace.");
    az_reply_json(res, 409,
                  json_pack("{s:{s:s,s:o,s:[o]}}", "error", "code", "MissingSubscriptionRegistration",
                            "message",
                            az_strf("The subscription is not registered to use namespace '%s'. See "
                                    "https://aka.ms/rps-not-found for how to register subscriptions.",
                                    ns),
                            "details", detail));
    return true;
}

/* The segment behind the last "providers". */
static const char *namespace_of(const struct az_call *call)
{
    for (size_t i = call->segment_count; i-- > 1;)
        if (az_ieq(call->segments[i - 1], "providers"))
            return call->segments[i];
    return "";
}

static bool is_known_namespace(const struct az_call *call)
{
    static const char *const known[] = {"Microsoft.Databricks", "Microsoft.Network", "Microsoft.Resources",
                                        "Microsoft.Authorization", "Microsoft.ResourceGraph"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (az_ieq(known[i], namespace_of(call)))
            return true;
    return false;
}

static void reply_unknown(const struct az_call *call, struct az_response *res, bool path_known)
{
    if (path_known)
        az_reply_error(res, 405, "HttpMethodNotAllowed",
                       "The requested resource does not support http method '%s'.", call->method);
    else if (strcasestr(call->path, "/providers/") != NULL && !is_known_namespace(call))
        az_reply_error(res, 404, "InvalidResourceNamespace", "The resource namespace '%.200s' is invalid.",
                       namespace_of(call));
    else if (strcasestr(call->path, "/providers/") != NULL)
        az_reply_error(res, 404, "InvalidResourceType",
                       "The resource type could not be found in the namespace for api version '%s': %.512s",
                       call->api_version, call->path);
    else
        az_reply_error(res, 404, "NotFound",
                       "No HTTP resource was found that matches the request URI '%.512s'.", call->path);
}

static void run(struct az_model *m, struct az_call *call, struct az_response *res, const char *operation)
{
    char class_ = az_operation_class(operation);
    int64_t entries = m->ledger.writes + m->ledger.deletes;
    bool is_refused = is_foreign_subscription(m, call, res) ||
                      az_throttle_check(m, call, operation, class_, res) || has_wrong_version(m, call, res) ||
                      is_not_allowed(m, call, res, operation) || is_disabled(m, call, res) ||
                      is_unregistered(m, call, res);
    if (!is_refused)
        call->route->handler(m, call, res);
    if (class_ == 'r')
        az_ledger_add(m, call, 'r', operation, call->id, res->status, false, NULL, NULL);
    else if (m->ledger.writes + m->ledger.deletes == entries)
        az_ledger_add(m, call, class_, operation, call->id, res->status, false, NULL, NULL);
}

void az_arm_handle(struct az_model *m, struct az_call *call, struct az_response *res)
{
    struct found found = find_route(call);
    if (found.route == NULL) {
        if (!is_not_signed_in(m, call, res))
            reply_unknown(call, res, found.path_known);
        return;
    }
    call->route = found.route;
    write_id(found.route, call);
    if (found.route->handler == az_h_metadata) {
        az_h_metadata(m, call, res);
        return;
    }
    if (is_not_signed_in(m, call, res))
        return;
    call->target = az_store_get(m, call->id);
    char operation[256];
    const char *verb = strcmp(call->method, "GET") == 0      ? "read"
                       : strcmp(call->method, "DELETE") == 0 ? "delete"
                                                             : "write";
    if (found.route->type != NULL)
        snprintf(operation, sizeof operation, "%s/%s", found.route->type->display, verb);
    else
        snprintf(operation, sizeof operation, "%s", found.route->operation);
    run(m, call, res, operation);
}

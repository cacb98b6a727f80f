#include "common/azure/workspace.h"

#include <strings.h>

#include "common/azure/read_impl.h"

#define URL_POLL_MS 10000

static const char *const read_only[] = {
    "properties/workspaceId",
    "properties/workspaceUrl",
    "properties/createdBy",
    "properties/updatedBy",
    "properties/createdDateTime",
    "properties/diskEncryptionSetId",
    "properties/privateEndpointConnections",
    "properties/isUcEnabled",
    "properties/storageAccountIdentity",
    "properties/managedDiskIdentity",
    "properties/parameters/resourceTags",
    "properties/parameters/*/type",
    NULL,
};

static struct cw_endpoint_connection read_connection(const json_t *v)
{
    return (struct cw_endpoint_connection){
        .id = cw_json_str(v, "id", ""),
        .name = cw_json_str(v, "name", ""),
        .endpoint_id = cw_read_str(v, "properties/privateEndpoint/id"),
        .group_id = cw_read_str(v, "properties/groupIds/0"),
        .status = cw_json_str(v, "properties/privateLinkServiceConnectionState/status", ""),
        .status_text = cw_read_str(v, "properties/privateLinkServiceConnectionState/description"),
        .state = cw_json_str(v, "properties/provisioningState", "Succeeded"),
    };
}

static int read_connections(const struct cw_call *call, const json_t *items,
                            const struct cw_endpoint_connection **ret, size_t *ret_count, struct cw_err *err)
{
    struct cw_endpoint_connection *out =
        cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v)
        out[i] = read_connection(v);
    *ret = out;
    *ret_count = json_array_size(items);
    return 0;
}

static const char *parameter(const json_t *doc, const char *name, char path[128])
{
    (void)snprintf(path, 128, "properties/parameters/%s/value", name);
    const char *z = cw_read_str(doc, path);
    return z != NULL && z[0] != '\0' ? z : NULL;
}

static enum cw_tristate no_public_ip(const json_t *doc)
{
    const json_t *v = cw_json_at(doc, "properties/parameters/enableNoPublicIp/value");
    if (json_is_string(v))
        return cw_z_eq_nocase(json_string_value(v), "true") ? CW_YES : CW_NO;
    return v == NULL ? CW_UNKNOWN : json_is_true(v) ? CW_YES : CW_NO;
}

static const char *non_empty(const char *z)
{
    return z != NULL && z[0] != '\0' ? z : NULL;
}

static int read_workspace(const struct cw_call *call, const json_t *doc, struct cw_workspace *out,
                          struct cw_err *err)
{
    char path[128];
    *out = (struct cw_workspace){
        .id = cw_json_str(doc, "id", ""),
        .name = cw_json_str(doc, "name", ""),
        .location = cw_location_normal(call->mem, cw_json_str(doc, "location", "")),
        .sku = cw_json_str(doc, "sku/name", ""),
        .state = cw_json_str(doc, "properties/provisioningState", "Succeeded"),
        .managed_group_id = cw_read_str(doc, "properties/managedResourceGroupId"),
        .workspace_url = non_empty(cw_read_str(doc, "properties/workspaceUrl")),
        .numeric_id = non_empty(cw_read_str(doc, "properties/workspaceId")),
        .public_network_access = cw_json_str(doc, "properties/publicNetworkAccess", "Enabled"),
        .required_nsg_rules = cw_json_str(doc, "properties/requiredNsgRules", CW_NSG_RULES_ALL),
        .no_public_ip = no_public_ip(doc),
    };
    out->vnet_id = parameter(doc, "customVirtualNetworkId", path);
    out->host_subnet = parameter(doc, "customPublicSubnetName", path);
    out->container_subnet = parameter(doc, "customPrivateSubnetName", path);
    out->load_balancer_id = parameter(doc, "loadBalancerId", path);
    int r = read_connections(call, cw_json_at(doc, "properties/privateEndpointConnections"),
                             &out->connections, &out->connection_count, err);
    return r < 0 ? r : cw_check_mem(call, err);
}

int cw_workspace_get(struct cw_arm *arm, const struct cw_call *call, const char *id,
                     struct cw_workspace *ret_workspace, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_get(arm, call, id, &cw_api_databricks, &doc, err);
    return r < 0 ? r : read_workspace(call, doc, ret_workspace, err);
}

int cw_workspace_list(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                      const struct cw_workspace **ret_workspaces, size_t *ret_count, struct cw_err *err)
{
    const char *path = cw_arena_printf(
        call->mem, "/subscriptions/%s/providers/Microsoft.Databricks/workspaces", subscription);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_databricks, &items, err);
    if (r < 0)
        return cw_err_wrap(err, "list workspaces");
    struct cw_workspace *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        r = read_workspace(call, v, &out[i], err);
        if (r < 0)
            return r;
    }
    *ret_workspaces = out;
    *ret_count = json_array_size(items);
    return 0;
}

int cw_workspace_wait(struct cw_arm *arm, const struct cw_call *call, const char *id,
                      struct cw_workspace *ret_workspace, struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    for (;;) {
        json_t *doc = NULL;
        int r = cw_arm_wait_ready(arm, call, id, &cw_api_databricks, &doc, err);
        if (r == 0)
            r = read_workspace(call, doc, ret_workspace, err);
        if (r < 0)
            return r;
        if (ret_workspace->workspace_url != NULL && ret_workspace->numeric_id != NULL)
            return 0;
        struct cw_waiting waiting = {.reason = CW_WAIT_READY,
                                     .what = id,
                                     .detail = "no workspaceUrl yet",
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_arm_pause(arm, call, waiting, URL_POLL_MS, 0, err);
        if (r < 0)
            return r;
    }
}

/* --- ensuring --------------------------------------------------------------------------------------------------------- */

static int refuse(const char *id, const char *what, const char *have, const char *want, const char *remedy,
                  struct cw_err *err)
{
    int r = cw_err_set(err, CW_EMISCONFIGURED, "%.160s exists with %s %.120s, not %.120s", id, what,
                       have != NULL ? have : "(none)", want);
    cw_err_remedy(err, "%s", remedy);
    return r;
}

static int check_fixed(const struct cw_workspace_goal *goal, const struct cw_workspace *w, struct cw_err *err)
{
    static const char advice[] = "name another workspace: this property can't be changed on an existing one";
    if (!cw_z_eq_nocase(w->sku, "premium"))
        return refuse(goal->id, "tier", w->sku, "premium", "upgrade the workspace to Premium", err);
    if (!cw_armid_eq(w->vnet_id, goal->vnet_id))
        return refuse(goal->id, "VNet", w->vnet_id, goal->vnet_id, advice, err);
    if (!cw_z_eq_nocase(w->host_subnet, goal->host_subnet))
        return refuse(goal->id, "host subnet", w->host_subnet, goal->host_subnet, advice, err);
    if (!cw_z_eq_nocase(w->container_subnet, goal->container_subnet))
        return refuse(goal->id, "container subnet", w->container_subnet, goal->container_subnet, advice, err);
    if (!cw_location_eq(w->location, goal->location))
        return refuse(goal->id, "region", w->location, goal->location, advice, err);
    return 0;
}

static json_t *creation_of(const struct cw_workspace_goal *goal)
{
    return json_pack("{s:s,s:{s:s},s:o,s:{s:s,s:{s:{s:s},s:{s:s},s:{s:s}}}}", "location", goal->location,
                     "sku", "name", "premium", "tags", cw_build_tags(goal->tags), "properties",
                     "managedResourceGroupId", goal->managed_group_id, "parameters", "customVirtualNetworkId",
                     "value", goal->vnet_id, "customPublicSubnetName", "value", goal->host_subnet,
                     "customPrivateSubnetName", "value", goal->container_subnet);
}

static json_t *settings_of(const char *nsg_rules, const char *public_access, enum cw_tristate without_ip)
{
    json_t *p = json_object();
    bool ok = p != NULL && cw_json_set_str(p, "requiredNsgRules", nsg_rules) &&
              cw_json_set_str(p, "publicNetworkAccess", public_access);
    if (without_ip != CW_UNKNOWN)
        ok = ok && cw_json_set(p, "parameters",
                               json_pack("{s:{s:b}}", "enableNoPublicIp", "value", without_ip == CW_YES));
    if (!ok) {
        json_decref(p);
        return NULL;
    }
    return json_pack("{s:o}", "properties", p);
}

/* What an ensure ended with, as a workspace that has its URL. */
static int finish(struct cw_arm *arm, const struct cw_call *call, const char *id,
                  const struct cw_ensured *out, struct cw_workspace *ret_workspace, struct cw_err *err)
{
    *ret_workspace = (struct cw_workspace){0};
    if (out->doc == NULL)
        return 0;
    int r = read_workspace(call, out->doc, ret_workspace, err);
    if (r < 0 || call->plan_only ||
        (ret_workspace->workspace_url != NULL && ret_workspace->numeric_id != NULL))
        return r;
    return cw_workspace_wait(arm, call, id, ret_workspace, err);
}

int cw_workspace_ensure(struct cw_arm *arm, const struct cw_call *call, const struct cw_workspace_goal *goal,
                        struct cw_ensured *ret_ensured, struct cw_workspace *ret_workspace,
                        struct cw_err *err)
{
    struct cw_workspace now = {0};
    int r = cw_workspace_get(arm, call, goal->id, &now, err);
    if (r == 0 && strcasecmp(now.state, "Failed") != 0)
        r = check_fixed(goal, &now, err);
    if (r < 0 && r != -CW_ENOTFOUND)
        return r;
    cw_err_clear(err);
    CW_AUTO(cw_auto_json) json_t *creation = creation_of(goal);
    CW_AUTO(cw_auto_json)
    json_t *desired = settings_of(goal->required_nsg_rules, goal->public_network_access, CW_YES);
    if (creation == NULL || desired == NULL)
        return cw_err_set(err, CW_ENOMEM, "workspace");
    struct cw_goal whole = {
        .id = goal->id,
        .api = &cw_api_databricks,
        .desired = desired,
        .at_creation = creation,
        .read_only = read_only,
    };
    struct cw_ensured out = {0};
    r = cw_arm_ensure(arm, call, &whole, &out, err);
    if (r == 0)
        r = finish(arm, call, goal->id, &out, ret_workspace, err);
    if (r == 0)
        *ret_ensured = out;
    return r;
}

int cw_workspace_update_network(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                const char *required_nsg_rules, const char *public_network_access,
                                enum cw_tristate without_ip, struct cw_ensured *ret_ensured,
                                struct cw_workspace *ret_workspace, struct cw_err *err)
{
    struct cw_workspace now = {0};
    int r = cw_workspace_get(arm, call, id, &now, err);
    if (r < 0)
        return r;
    CW_AUTO(cw_auto_json)
    json_t *desired = settings_of(required_nsg_rules, public_network_access, without_ip);
    r = cw_check_built(desired, err);
    if (r < 0)
        return r;
    struct cw_goal whole = {.id = id, .api = &cw_api_databricks, .desired = desired, .read_only = read_only};
    struct cw_ensured out = {0};
    r = cw_arm_ensure(arm, call, &whole, &out, err);
    if (r == 0)
        r = finish(arm, call, id, &out, ret_workspace, err);
    if (r == 0)
        *ret_ensured = out;
    return r;
}

/* --- around it ---------------------------------------------------------------------------------------------------------- */

int cw_workspace_zone_name(struct cw_arm *arm, const struct cw_call *call, const char *id,
                           const char *group_id, const char **ret_zone, struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/privateLinkResources", id);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_databricks, &items, err);
    if (r < 0)
        return r;
    *ret_zone = cw_arm_cloud(arm)->private_zone;
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        const char *zone = cw_read_str(v, "properties/requiredZoneNames/0");
        if (zone != NULL && cw_z_eq_nocase(cw_json_str(v, "properties/groupId", ""), group_id))
            *ret_zone = zone;
    }
    return 0;
}

int cw_workspace_list_connections(struct cw_arm *arm, const struct cw_call *call, const char *id,
                                  const struct cw_endpoint_connection **ret_connections, size_t *ret_count,
                                  struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/privateEndpointConnections", id);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_databricks, &items, err);
    return r < 0 ? r : read_connections(call, items, ret_connections, ret_count, err);
}

int cw_workspace_approve_connection(struct cw_arm *arm, const struct cw_call *call, const char *connection_id,
                                    enum cw_effect *ret_effect, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *desired =
        json_pack("{s:{s:{s:s}}}", "properties", "privateLinkServiceConnectionState", "status", "Approved");
    int r = cw_check_built(desired, err);
    if (r < 0)
        return r;
    struct cw_goal goal = {.id = connection_id, .api = &cw_api_databricks, .desired = desired};
    struct cw_ensured out = {0};
    r = cw_arm_ensure(arm, call, &goal, &out, err);
    if (r == 0)
        *ret_effect = out.effect;
    return r;
}

/* An endpoint without details is one of HTTPS. */
static void add_outbound(const char *category, const json_t *v, struct cw_outbound_endpoint *out,
                         size_t *count)
{
    const json_t *details = cw_json_at(v, "endpointDetails");
    size_t n = CW_MAX(json_array_size(details), (size_t)1);
    for (size_t i = 0; i < n; i++) {
        const json_t *detail = json_array_get(details, i);
        out[(*count)++] = (struct cw_outbound_endpoint){
            .category = category,
            .domain = cw_json_str(v, "domainName", ""),
            .address = cw_read_str(detail, "ipAddress"),
            .port = (int)cw_json_int(detail, "port", 443),
        };
    }
}

int cw_workspace_list_outbound(struct cw_arm *arm, const struct cw_call *call, const char *id,
                               const struct cw_outbound_endpoint **ret_endpoints, size_t *ret_count,
                               struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "%s/outboundNetworkDependenciesEndpoints", id);
    json_t *items = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_arm_list(arm, call, path, &cw_api_databricks, &items, err);
    if (r < 0)
        return r;
    size_t max = 0;
    size_t i;
    json_t *category;
    json_array_foreach(items, i, category) {
        size_t k;
        json_t *v;
        json_array_foreach(cw_json_at(category, "endpoints"), k, v)
            max += cw_json_count(v, "endpointDetails") + 1;
    }
    struct cw_outbound_endpoint *out = cw_arena_alloc_array(call->mem, max + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    *ret_count = 0;
    json_array_foreach(items, i, category) {
        size_t k;
        json_t *v;
        json_array_foreach(cw_json_at(category, "endpoints"), k, v)
            add_outbound(cw_json_str(category, "category", ""), v, out, ret_count);
    }
    *ret_endpoints = out;
    return 0;
}

int cw_workspace_count_machines(struct cw_arm *arm, const struct cw_call *call, const char *managed_group_id,
                                size_t *ret_count, struct cw_err *err)
{
    struct cw_armid id;
    const struct cw_resource *items = NULL;
    int r = cw_armid_parse(managed_group_id, call->mem, &id, err);
    if (r == 0 && id.group == NULL)
        r = cw_err_set(err, CW_EINVAL, "not a resource group: %s", managed_group_id);
    if (r < 0)
        return r;
    return cw_resources_list(arm, call, id.subscription, id.group, "Microsoft.Compute/virtualMachines",
                             &items, ret_count, err);
}

/* Workspaces: created, changed and deleted by long operations that hold their virtual network. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_MIN_S 120
#define CREATE_MAX_S 240
#define NETWORK_MIN_S 900
#define NETWORK_MAX_S 1200

#define COMPUTE_RUNS                                                                                           \
    "Failed to update application: the workspace's networking cannot be changed while clusters, pools or SQL " \
    "warehouses are running. Terminate all compute resources and try again."

void az_workspace_subnets_state(struct az_model *m, const json_t *body, const char *state)
{
    for (int i = 0; i < 2; i++) {
        struct az_resource *subnet = az_workspace_subnet(m, body, i == 0);
        if (subnet != NULL)
            az_set_prov_state(subnet, state);
    }
}

static void mark_subnets(struct az_model *m, const json_t *body, const char *workspace_id)
{
    for (int i = 0; i < 2; i++) {
        struct az_resource *subnet = az_workspace_subnet(m, body, i == 0);
        if (subnet == NULL)
            continue;
        if (workspace_id != NULL)
            az_set_str(subnet->state, "workspace", workspace_id);
        else
            json_object_del(subnet->state, "workspace");
    }
}

/* The subnets come to rest a little after the workspace has. */
static void settle_later(struct az_model *m, const json_t *body)
{
    json_t *arg =
        json_pack("{s:s}", "vnet", az_str(body, "properties.parameters.customVirtualNetworkId.value"));
    az_set(arg, "body.properties.parameters", az_copy(az_at(body, "properties.parameters")));
    az_schedule(m, m->now_ms + az_duration(m, "workspace.settle", 5, 20), "workspace.settle", arg);
}

static void settle(struct az_model *m, const json_t *arg)
{
    const struct az_resource *vnet = az_store_get(m, az_str(arg, "vnet"));
    if (vnet != NULL && az_op_holding(m, vnet) == NULL)
        az_workspace_subnets_state(m, json_object_get(arg, "body"), "Succeeded");
    else if (vnet != NULL)
        settle_later(m, json_object_get(arg, "body"));
}

static void sync_nsg(struct az_model *m, const json_t *body)
{
    const struct az_resource *subnet = az_workspace_subnet(m, body, true);
    struct az_resource *nsg =
        subnet != NULL ? az_store_get(m, az_str(subnet->body, "properties.networkSecurityGroup.id")) : NULL;
    if (nsg != NULL && !az_bool(nsg->state, "rulesLeftAlone", false))
        az_nsg_sync_databricks_rules(m, nsg, false);
}

/* ---- PUT ---- */

static void plan_create(struct az_change *p)
{
    const char *managed_id = az_str(p->want, "properties.managedResourceGroupId");
    const struct az_resource *managed = az_store_get(p->m, managed_id);
    p->pending = json_pack("{s:s}", "kind", "create");
    p->busy_state = "Accepted";
    if (managed == NULL || az_ieq(az_str(managed->body, "managedBy"), p->call->id))
        return;
    char message[768];
    snprintf(
        message, sizeof message,
        "The managed resource group '%.200s' already exists and doesn't have managed by property referring to "
        "Databricks workspace resource '%.200s'.",
        managed->name, p->call->id);
    az_change_doom(p, "ApplianceProvisioningFailed", message);
}

static void plan_network(struct az_change *p)
{
    p->pending = json_pack("{s:s}", "kind", "network");
    p->apply_at_end = true;
    p->duration = "workspace.network";
    p->min_s = NETWORK_MIN_S;
    p->max_s = NETWORK_MAX_S;
    if (az_op_holding(p->m, p->existing) != NULL || !az_workspace_has_running_compute(p->m, p->existing))
        return;
    p->duration = "workspace.network.refused";
    p->min_s = 30;
    p->max_s = 90;
    snprintf(p->fail_code, sizeof p->fail_code, "ApplicationUpdateFail");
    snprintf(p->fail_message, sizeof p->fail_message, "%s", COMPUTE_RUNS);
}

static int prepare_workspace(struct az_change *p)
{
    if (az_workspace_check(p) < 0)
        return -1;
    bool is_born = p->existing != NULL && az_str(p->existing->body, "properties.workspaceUrl")[0] != '\0';
    if (!is_born) {
        plan_create(p);
    } else if (az_workspace_network_differs(p->want, p->existing->body)) {
        plan_network(p);
    } else {
        p->pending = json_pack("{s:s}", "kind", "update");
        p->duration = "workspace.update";
        p->min_s = 15;
        p->max_s = 40;
    }
    return 0;
}

static void make_managed_group(struct az_model *m, const struct az_resource *ws)
{
    char id[AZ_ID_MAX];
    const char *managed_id = az_str(ws->body, "properties.managedResourceGroupId");
    const char *storage = az_str(ws->body, "properties.parameters.storageAccountName.value");
    const char *location = az_str(ws->body, "location");
    if (az_store_get(m, managed_id) == NULL)
        (void)az_store_put(m, managed_id,
                           json_pack("{s:s,s:s,s:{s:s},s:{}}", "location", location, "managedBy", ws->id,
                                     "properties", "provisioningState", "Succeeded", "tags"));
    snprintf(id, sizeof id, "%s/providers/Microsoft.Storage/storageAccounts/%s", managed_id, storage);
    (void)az_store_put(m, id,
                       json_pack("{s:s,s:s,s:s,s:{s:s},s:{s:s}}", "type", "Microsoft.Storage/storageAccounts",
                                 "location", location, "kind", "StorageV2", "sku", "name", "Standard_GRS",
                                 "properties", "provisioningState", "Succeeded"));
    snprintf(id, sizeof id, "%s/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dbmanagedidentity",
             managed_id);
    (void)az_store_put(m, id,
                       json_pack("{s:s,s:s,s:{}}", "type", "Microsoft.ManagedIdentity/userAssignedIdentities",
                                 "location", location, "properties"));
}

static void workspace_started(struct az_change *p, struct az_resource *ws)
{
    char when[AZ_TIME_BYTES];
    if (strcmp(az_str(p->pending, "kind"), "create") != 0)
        return;
    az_time_iso(p->m->now_ms, when);
    json_t *who = json_pack("{s:s,s:s}", "oid", p->call->who.object_id, "applicationId", p->call->who.app_id);
    az_set_str(ws->body, "properties.createdDateTime", when);
    az_set(ws->body, "properties.createdBy", json_incref(who));
    az_set(ws->body, "properties.updatedBy", who);
    json_object_set_new(ws->body, "systemData",
                        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "createdBy", p->call->who.app_id,
                                  "createdByType", "Application", "createdAt", when, "lastModifiedBy",
                                  p->call->who.app_id, "lastModifiedByType", "Application", "lastModifiedAt",
                                  when));
    if (p->fail_code[0] != '\0')
        return;
    az_set_prov_state(ws, "Accepted");
    make_managed_group(p->m, ws);
    mark_subnets(p->m, ws->body, ws->id);
    az_workspace_subnets_state(p->m, ws->body, "Updating");
    az_schedule(p->m, p->m->now_ms + az_scaled(p->m, 5000), "workspace.phase",
                json_pack("{s:s,s:s,s:s}", "id", ws->id, "from", "Accepted", "to", "Creating"));
    az_schedule(p->m, p->m->now_ms + az_scaled(p->m, 100000), "workspace.phase",
                json_pack("{s:s,s:s,s:s}", "id", ws->id, "from", "Creating", "to", "Created"));
}

static void change_phase(struct az_model *m, const json_t *arg)
{
    struct az_resource *ws = az_store_get(m, az_str(arg, "id"));
    if (ws != NULL && strcmp(az_prov_state(ws), az_str(arg, "from")) == 0 && az_op_holding(m, ws) != NULL)
        az_set_prov_state(ws, az_str(arg, "to"));
}

static void give_url(struct az_model *m, struct az_resource *ws)
{
    if (az_str(ws->body, "properties.workspaceId")[0] == '\0')
        az_set(ws->body, "properties.workspaceId",
               az_strf("%lld",
                       (long long)(1000000000000000ll + (long long)(az_random(m) % 8999999999999999ull))));
    const char *id = az_str(ws->body, "properties.workspaceId");
    if (az_str(ws->body, "properties.workspaceUrl")[0] == '\0')
        az_set(ws->body, "properties.workspaceUrl",
               az_strf("adb-%s.%d%s", id, (int)(strtoll(id, NULL, 10) % 20), m->workspace_suffix));
    json_object_set_new(m->hosts, az_str(ws->body, "properties.workspaceUrl"), json_string(ws->id));
}

/* Another workspace of the subscription is being created right now. */
static bool has_rival(struct az_model *m, const struct az_resource *ws)
{
    const struct az_resource *sub = az_ancestor((struct az_resource *)ws, AZ_T_SUBSCRIPTION);
    for (struct az_resource *o = az_store_first(m, AZ_T_WORKSPACE); o != NULL; o = o->next_of_type)
        if (o != ws && az_ancestor(o, AZ_T_SUBSCRIPTION) == sub && az_op_holding(m, o) != NULL &&
            az_str(o->body, "properties.workspaceUrl")[0] == '\0')
            return true;
    return false;
}

static int finish_create(struct az_model *m, struct az_resource *ws, json_t *op)
{
    if (has_rival(m, ws) && az_chance(m, az_behaviour(m, "roleAssignmentRace", 0))) {
        az_op_fail(op, "ApplianceProvisioningFailed", "The role assignment already exists.");
        return -1;
    }
    give_url(m, ws);
    az_set(ws->body, "properties.isUcEnabled", json_false());
    sync_nsg(m, ws->body);
    az_set_prov_state(ws, "Succeeded");
    settle_later(m, ws->body);
    az_databricks_workspace_created(m, ws);
    return 0;
}

static int finish_network(struct az_model *m, struct az_resource *ws, json_t *op)
{
    if (az_workspace_has_running_compute(m, ws)) {
        az_op_fail(op, "ApplicationUpdateFail", "%s", COMPUTE_RUNS);
        return -1;
    }
    json_t *before = az_copy(ws->body);
    json_t *body = az_copy(az_at(op, "pending.body"));
    az_set_str(body, "properties.provisioningState", "Succeeded");
    json_object_set(body, "systemData", json_object_get(before, "systemData"));
    (void)az_store_put(m, az_str(op, "resource"), body);
    sync_nsg(m, ws->body);
    settle_later(m, ws->body);
    az_ledger_platform(m, op, "Microsoft.Databricks/workspaces/networkUpdate", ws->id, before, ws->body);
    json_decref(before);
    az_databricks_workspace_updated(m, ws);
    return 0;
}

static int workspace_done(struct az_model *m, struct az_resource *ws, json_t *op)
{
    const char *kind = az_str(op, "pending.kind");
    if (strcmp(kind, "create") == 0)
        return finish_create(m, ws, op);
    if (strcmp(kind, "network") == 0)
        return finish_network(m, ws, op);
    return 0;
}

static void workspace_failed(struct az_model *m, struct az_resource *ws, json_t *op)
{
    bool was_never_born = az_str(ws->body, "properties.workspaceUrl")[0] == '\0';
    if (strcmp(az_str(op, "verb"), "PUT") == 0 && was_never_born) {
        for (int i = 0; i < 2; i++) {
            struct az_resource *subnet = az_workspace_subnet(m, ws->body, i == 0);
            if (subnet != NULL && az_ieq(az_str(subnet->state, "workspace"), ws->id))
                json_object_del(subnet->state, "workspace");
        }
    }
    settle_later(m, ws->body);
}

/* ---- DELETE ---- */

static int prepare_delete_workspace(struct az_change *p)
{
    const char *vnet_id = az_str(p->existing->body, "properties.parameters.customVirtualNetworkId.value");
    az_change_lock(p, p->call->id);
    if (vnet_id[0] != '\0')
        az_change_lock(p, vnet_id);
    return 0;
}

static void workspace_delete_started(struct az_change *p, struct az_resource *ws)
{
    az_workspace_subnets_state(p->m, ws->body, "Updating");
}

void az_workspace_disconnect(struct az_model *m, struct az_resource *ws)
{
    for (struct az_resource *c = az_child_first(ws, AZ_T_WS_CONNECTION); c != NULL;
         c = az_child_next(c, AZ_T_WS_CONNECTION))
        az_pe_connection_changed(m, c, "Disconnected", "The other side was deleted.");
}

static void workspace_deleted(struct az_model *m, struct az_resource *ws, json_t *op)
{
    (void)op;
    json_object_set_new(ws->state, "leaving", json_true());
    az_databricks_workspace_deleted(m, ws);
    az_workspace_disconnect(m, ws);
    mark_subnets(m, ws->body, NULL);
    sync_nsg(m, ws->body);
    settle_later(m, ws->body);
    json_object_del(m->hosts, az_str(ws->body, "properties.workspaceUrl"));
    struct az_resource *managed = az_store_get(m, az_str(ws->body, "properties.managedResourceGroupId"));
    if (managed != NULL && az_ieq(az_str(managed->body, "managedBy"), ws->id))
        az_store_delete(m, managed);
}

static json_t *render_workspace(struct az_model *m, struct az_resource *ws)
{
    json_t *body = az_copy(ws->body), *connections = json_array();
    (void)m;
    for (const struct az_resource *c = az_child_first(ws, AZ_T_WS_CONNECTION); c != NULL;
         c = az_child_next(c, AZ_T_WS_CONNECTION))
        json_array_append_new(connections, az_copy(c->body));
    if (json_array_size(connections) > 0)
        az_set(body, "properties.privateEndpointConnections", json_incref(connections));
    json_decref(connections);
    return body;
}

const struct az_type az_type_workspace = {
    .type = AZ_T_WORKSPACE,
    .display = "Microsoft.Databricks/workspaces",
    .versions = "databricks",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_WORKSPACE,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "workspace.create",
    .delete_duration = "workspace.delete",
    .min_s = CREATE_MIN_S,
    .max_s = CREATE_MAX_S,
    .new_state = "Accepted",
    .prepare = prepare_workspace,
    .started = workspace_started,
    .done = workspace_done,
    .failed = workspace_failed,
    .prepare_delete = prepare_delete_workspace,
    .delete_started = workspace_delete_started,
    .deleted = workspace_deleted,
    .render = render_workspace,
};

/* ---- loading, looking up ---- */

void az_workspace_init(struct az_model *m)
{
    az_event_register(m, "workspace.phase", change_phase);
    az_event_register(m, "workspace.settle", settle);
}

int az_workspace_complete(struct az_model *m, struct az_resource *ws, char *error, size_t error_bytes)
{
    if (az_str(ws->body, "location")[0] == '\0') {
        snprintf(error, error_bytes, "%s: a workspace needs a location", ws->id);
        return -1;
    }
    if (az_str(ws->body, "sku.name")[0] == '\0')
        az_set_str(ws->body, "sku.name", "premium");
    if (az_str(ws->body, "properties.publicNetworkAccess")[0] == '\0')
        az_set_str(ws->body, "properties.publicNetworkAccess", "Enabled");
    if (az_str(ws->body, "properties.requiredNsgRules")[0] == '\0')
        az_set_str(ws->body, "properties.requiredNsgRules", "AllRules");
    if (az_str(ws->body, "properties.managedResourceGroupId")[0] == '\0')
        az_set(ws->body, "properties.managedResourceGroupId",
               az_strf("%s/resourceGroups/databricks-rg-%s", ws->parent->parent->id, ws->name));
    if (strcmp(az_prov_state(ws), "Succeeded") != 0 && az_op_holding(m, ws) != NULL) {
        if (az_str(ws->body, "properties.workspaceUrl")[0] != '\0')
            give_url(m, ws);
        return 0;
    }
    if (!json_is_object(az_at(ws->body, "properties.parameters")))
        az_set(ws->body, "properties.parameters", json_object());
    az_workspace_complete_parameters(m, az_at(ws->body, "properties.parameters"), NULL, true);
    if (az_str(ws->body, "properties.provisioningState")[0] == '\0')
        az_set_prov_state(ws, "Succeeded");
    give_url(m, ws);
    make_managed_group(m, ws);
    mark_subnets(m, ws->body, ws->id);
    sync_nsg(m, ws->body);
    return 0;
}

struct az_resource *az_workspace_of_host(const struct az_model *m, const char *host)
{
    return az_store_get(m, json_string_value(json_object_get(m->hosts, host)));
}

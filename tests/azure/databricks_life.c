/* The life of clusters in model time: machines come, boot, reach the control plane or not, and go again.
 *
 * PENDING: "vm" (machines and addresses) > "boot" (the network is judged) > "run"; or, failing, ADD_NODES_FAILED, a second
 * attempt, and TERMINATING. Each event carries the cluster's generation: what belongs to an earlier life is dropped. */
#include "tests/azure/databricks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/azure/arm.h"
#include "tests/azure/graph.h"

#define ATTEMPTS 2
#define IDLE_MIN_MS 30000 /* told: clients do not get faster by the time scale */

/* ---- events of a cluster -------------------------------------------------------------------------------------------------- */

void dbx_cluster_event(struct az_model *m, json_t *cluster, const char *type, json_t *take_details)
{
    json_t *events = dbx_list(cluster, "_events");
    if (take_details == NULL)
        take_details = json_object();
    if (json_array_size(events) >= DBX_EVENTS_MAX)
        json_array_remove(events, 0);
    json_array_append_new(events, json_pack("{s:s,s:I,s:s,s:o}", "cluster_id", az_str(cluster, "cluster_id"),
                                            "timestamp", (json_int_t)az_now(m), "type", type, "details",
                                            take_details));
}

static json_t *user_details(const char *user)
{
    return user != NULL && user[0] != '\0' ? json_pack("{s:s,s:s}", "cause", "USER_REQUEST", "user", user)
                                           : json_object();
}

static size_t worker_count(const json_t *cluster)
{
    int64_t n = az_int(cluster, "num_workers", az_int(cluster, "autoscale.min_workers", 0));
    return n > 0 ? (size_t)n : 0;
}

static void schedule(struct az_model *m, const struct az_resource *ws, const json_t *cluster,
                     const char *step, int64_t in_ms)
{
    (void)az_schedule(m, az_now(m) + in_ms, "dbx.cluster",
                      json_pack("{s:s,s:s,s:I,s:s}", "workspace", ws->id, "cluster",
                                az_str(cluster, "cluster_id"), "generation",
                                (json_int_t)az_int(cluster, "_generation", 0), "step", step));
}

static void new_generation(json_t *cluster)
{
    json_object_set_new(cluster, "_generation",
                        json_integer((json_int_t)az_int(cluster, "_generation", 0) + 1));
}

/* ---- machines ------------------------------------------------------------------------------------------------------------- */

static const char *managed_group(const struct az_resource *ws)
{
    return az_str(ws->body, "properties.managedResourceGroupId");
}

static void put_machine(struct az_model *m, const struct az_resource *ws, const char *vm)
{
    char id[AZ_ID_MAX];
    if (az_store_get(m, managed_group(ws)) == NULL)
        return;
    snprintf(id, sizeof id, "%s/providers/Microsoft.Compute/virtualMachines/%s", managed_group(ws), vm);
    (void)az_store_put(m, id,
                       json_pack("{s:s,s:{s:s}}", "location", az_str(ws->body, "location"), "properties",
                                 "provisioningState", "Succeeded"));
}

/* One address in each subnet. -1: one of them is full. */
static int take_addresses(struct az_model *m, const struct az_resource *ws, const char *vm, char host[16],
                          char container[16])
{
    char owner[AZ_ID_MAX];
    const char *code;
    if (!az_workspace_is_injected(ws)) {
        snprintf(host, 16, "10.139.%u.%u", (unsigned)(az_random(m) >> 40 & 31),
                 (unsigned)(az_random(m) >> 40 & 127) + 4);
        snprintf(container, 16, "10.139.%u.%u", 64 + (unsigned)(az_random(m) >> 40 & 31),
                 (unsigned)(az_random(m) >> 40 & 127) + 4);
        return 0;
    }
    struct az_resource *subnets[] = {az_workspace_subnet(m, ws->body, true),
                                     az_workspace_subnet(m, ws->body, false)};
    if (subnets[0] == NULL || subnets[1] == NULL)
        return -1;
    snprintf(owner, sizeof owner,
             "%s/providers/Microsoft.Network/networkInterfaces/%s-publicNIC/ipConfigurations/publicNIC",
             managed_group(ws), vm);
    if (az_subnet_take_ip(subnets[0], NULL, owner, host, &code) < 0)
        return -1;
    snprintf(owner, sizeof owner,
             "%s/providers/Microsoft.Network/networkInterfaces/%s-privateNIC/ipConfigurations/privateNIC",
             managed_group(ws), vm);
    if (az_subnet_take_ip(subnets[1], NULL, owner, container, &code) == 0)
        return 0;
    az_subnet_give_ip(subnets[0], host);
    return -1;
}

int dbx_nodes_take(struct az_model *m, struct az_resource *workspace, json_t *owner, const char *name,
                   size_t count)
{
    json_t *nodes = dbx_list(owner, "_nodes");
    while (json_array_size(nodes) < count) {
        char host[16], container[16], vm[DBX_ID_BYTES];
        (void)name;
        dbx_hex_id(m, 32, vm);
        if (take_addresses(m, workspace, vm, host, container) < 0) {
            dbx_nodes_give(m, workspace, owner);
            return -1;
        }
        put_machine(m, workspace, vm);
        json_array_append_new(nodes,
                              json_pack("{s:s,s:s,s:s}", "host", host, "container", container, "vm", vm));
    }
    return 0;
}

void dbx_nodes_give(struct az_model *m, struct az_resource *workspace, json_t *owner)
{
    size_t i;
    const json_t *node;
    struct az_resource *host = NULL, *container = NULL;
    if (az_workspace_is_injected(workspace)) {
        host = az_workspace_subnet(m, workspace->body, true);
        container = az_workspace_subnet(m, workspace->body, false);
    }
    json_array_foreach(json_object_get(owner, "_nodes"), i, node) {
        char id[AZ_ID_MAX];
        snprintf(id, sizeof id, "%s/providers/Microsoft.Compute/virtualMachines/%s", managed_group(workspace),
                 az_str(node, "vm"));
        struct az_resource *vm = az_store_get(m, id);
        if (vm != NULL)
            az_store_delete(m, vm);
        if (host != NULL)
            az_subnet_give_ip(host, az_str(node, "host"));
        if (container != NULL)
            az_subnet_give_ip(container, az_str(node, "container"));
    }
    json_object_del(owner, "_nodes");
}

/* ---- starting ------------------------------------------------------------------------------------------------------------- */

static void enter(json_t *cluster, const char *state, const char *message)
{
    az_set_str(cluster, "state", state);
    az_set_str(cluster, "state_message", message);
}

void dbx_cluster_launch(struct az_model *m, struct az_resource *workspace, json_t *cluster, const char *kind,
                        const char *user)
{
    bool is_restart = strcmp(kind, "RESTARTING") == 0;
    json_t *details = user_details(user);
    new_generation(cluster);
    enter(cluster, is_restart ? "RESTARTING" : "PENDING",
          is_restart ? "Restarting the cluster"
                     : "Finding instances for new nodes, acquiring more instances if necessary");
    json_object_del(cluster, "termination_reason");
    json_object_del(cluster, "terminated_time");
    json_object_del(cluster, "_failure");
    json_object_set_new(cluster, is_restart ? "last_restarted_time" : "start_time",
                        json_integer((json_int_t)az_now(m)));
    json_object_set_new(cluster, "_attempt", json_integer(1));
    json_object_set_new(details, "target_num_workers", json_integer((json_int_t)worker_count(cluster)));
    dbx_cluster_event(m, cluster, kind, details);
    schedule(m, workspace, cluster, "vm", az_duration(m, "cluster.machines", 45, 90));
}

static json_t *reason_of(const struct az_launch *launch, const char *vm)
{
    json_t *parameters = json_object();
    if (launch->message[0] != '\0')
        json_object_set_new(parameters, "databricks_error_message", json_string(launch->message));
    if (launch->azure_code[0] != '\0')
        json_object_set_new(parameters, "azure_error_code", json_string(launch->azure_code));
    if (launch->azure_message[0] != '\0')
        json_object_set_new(parameters, "azure_error_message", json_string(launch->azure_message));
    if (vm[0] != '\0')
        json_object_set_new(parameters, "instance_id", json_string(vm));
    return json_pack("{s:s,s:s,s:o}", "code", launch->code, "type", launch->type, "parameters", parameters);
}

static void fail_after(struct az_model *m, struct az_resource *ws, json_t *cluster,
                       const struct az_launch *launch)
{
    json_object_set_new(cluster, "_failure", reason_of(launch, az_str(cluster, "_nodes.0.vm")));
    json_object_set_new(cluster, "_isEarly", json_boolean(launch->is_early));
    schedule(m, ws, cluster, "failed", az_scaled(m, launch->first_failure_s * 1000));
}

static void on_machines(struct az_model *m, struct az_resource *ws, json_t *cluster)
{
    struct az_launch launch;
    az_graph_launch(m, ws, az_str(cluster, "node_type_id"), worker_count(cluster), &launch);
    if (!launch.ok && launch.is_early) {
        fail_after(m, ws, cluster, &launch);
        return;
    }
    if (dbx_nodes_take(m, ws, cluster, az_str(cluster, "cluster_id"), 1 + worker_count(cluster)) < 0) {
        launch = (struct az_launch){.is_early = true, .first_failure_s = 5};
        snprintf(launch.code, sizeof launch.code, "SUBNET_EXHAUSTED_FAILURE");
        snprintf(launch.type, sizeof launch.type, "CLIENT_ERROR");
        snprintf(
            launch.message, sizeof launch.message,
            "No more address space to create NIC within injected virtual network. The subnets of the workspace have "
            "no free addresses left.");
        snprintf(launch.azure_code, sizeof launch.azure_code, "SubnetIsFull");
        fail_after(m, ws, cluster, &launch);
        return;
    }
    az_set_str(cluster, "state_message", "Setting up nodes");
    schedule(m, ws, cluster, "boot", az_duration(m, "cluster.boot", 50, 90));
}

static void on_boot(struct az_model *m, struct az_resource *ws, json_t *cluster)
{
    struct az_launch launch;
    az_graph_launch(m, ws, az_str(cluster, "node_type_id"), worker_count(cluster), &launch);
    if (!launch.ok) {
        fail_after(m, ws, cluster, &launch);
        return;
    }
    json_object_set_new(cluster, "_isPrivate", json_boolean(launch.is_private));
    az_set_str(cluster, "state_message", "Starting Spark");
    schedule(m, ws, cluster, "run", az_duration(m, "cluster.spark", 80, 170));
}

static int64_t idle_ms(const struct az_model *m, const json_t *cluster)
{
    int64_t ms = az_scaled(m, az_int(cluster, "autotermination_minutes", 0) * 60000);
    return ms > IDLE_MIN_MS ? ms : IDLE_MIN_MS;
}

static void on_run(struct az_model *m, struct az_resource *ws, json_t *cluster)
{
    const json_t *node = az_at(cluster, "_nodes.0");
    enter(cluster, "RUNNING", "");
    json_object_set_new(cluster, "driver",
                        json_pack("{s:s,s:s,s:s,s:s,s:I}", "private_ip", az_str(node, "container"),
                                  "host_private_ip", az_str(node, "host"), "instance_id", az_str(node, "vm"),
                                  "node_id", az_str(node, "vm"), "start_timestamp", (json_int_t)az_now(m)));
    json_object_set_new(cluster, "spark_context_id", json_integer((json_int_t)(az_random(m) >> 1)));
    json_object_set_new(
        cluster, "_notReady",
        json_integer((json_int_t)(az_uniform(m) * (az_behaviour(m, "notReadyContexts", 2) + 1))));
    dbx_cluster_event(m, cluster, "RUNNING",
                      json_pack("{s:I,s:I}", "current_num_workers", (json_int_t)worker_count(cluster),
                                "target_num_workers", (json_int_t)worker_count(cluster)));
    dbx_cluster_event(m, cluster, "DRIVER_HEALTHY", NULL);
    struct az_path sql;
    az_graph_path(m, ws, true, AZ_TO_SQL, 3306, &sql);
    if (az_workspace_is_injected(ws) && sql.end != AZ_END_SERVICE)
        dbx_cluster_event(m, cluster, "METASTORE_DOWN", NULL);
    dbx_cluster_touch(m, cluster);
    int64_t minutes = az_int(cluster, "autotermination_minutes", 0);
    if (minutes > 0)
        schedule(m, ws, cluster, "idle", idle_ms(m, cluster));
}

static void on_failed(struct az_model *m, struct az_resource *ws, json_t *cluster)
{
    json_t *failure = json_object_get(cluster, "_failure");
    int64_t attempt = az_int(cluster, "_attempt", 1);
    dbx_cluster_event(m, cluster, "ADD_NODES_FAILED",
                      json_pack("{s:O,s:i,s:I}", "reason", failure, "current_num_workers", 0,
                                "target_num_workers", (json_int_t)worker_count(cluster)));
    dbx_nodes_give(m, ws, cluster);
    if (attempt < ATTEMPTS && !az_bool(cluster, "_isEarly", false)) {
        json_object_set_new(cluster, "_attempt", json_integer((json_int_t)attempt + 1));
        az_set_str(cluster, "state_message",
                   "Finding instances for new nodes, acquiring more instances if necessary");
        schedule(m, ws, cluster, "vm", az_duration(m, "cluster.machines", 45, 90));
        return;
    }
    const char *text = az_str(failure, "parameters.databricks_error_message");
    dbx_cluster_terminate(m, ws, cluster, az_str(failure, "code"), az_str(failure, "type"), NULL, text);
}

/* ---- ending --------------------------------------------------------------------------------------------------------------- */

void dbx_cluster_touch(struct az_model *m, json_t *cluster)
{
    json_object_set_new(cluster, "last_activity_time", json_integer((json_int_t)az_now(m)));
}

bool dbx_cluster_is_usable(const json_t *cluster)
{
    const char *state = az_str(cluster, "state");
    return strcmp(state, "RUNNING") == 0 || strcmp(state, "RESIZING") == 0;
}

static void on_idle(struct az_model *m, struct az_resource *ws, json_t *cluster)
{
    int64_t minutes = az_int(cluster, "autotermination_minutes", 0);
    int64_t due = az_int(cluster, "last_activity_time", 0) + idle_ms(m, cluster);
    if (minutes <= 0)
        return;
    if (due > az_now(m))
        schedule(m, ws, cluster, "idle", due - az_now(m));
    else
        dbx_cluster_terminate(m, ws, cluster, "INACTIVITY", "SUCCESS", NULL, "Inactive cluster terminated");
}

void dbx_cluster_terminate(struct az_model *m, struct az_resource *workspace, json_t *cluster,
                           const char *code, const char *type, const char *user, const char *message)
{
    const char *state = az_str(cluster, "state");
    if (strcmp(state, "TERMINATING") == 0 || strcmp(state, "TERMINATED") == 0)
        return;
    const json_t *failure = json_object_get(cluster, "_failure");
    bool is_failure = failure != NULL && strcmp(az_str(failure, "code"), code) == 0;
    json_t *reason =
        is_failure ? az_copy(failure) : json_pack("{s:s,s:s,s:{}}", "code", code, "type", type, "parameters");
    if (user != NULL && user[0] != '\0')
        az_set_str(reason, "parameters.username", user);
    if (strcmp(code, "INACTIVITY") == 0)
        az_set(reason, "parameters.inactivity_duration_min",
               az_strf("%lld", (long long)az_int(cluster, "autotermination_minutes", 0)));
    new_generation(cluster);
    enter(cluster, "TERMINATING", message);
    json_object_set(cluster, "termination_reason", reason);
    json_t *details = user_details(user);
    json_object_set_new(details, "reason", reason);
    dbx_cluster_event(m, cluster, "TERMINATING", details);
    schedule(m, workspace, cluster, "gone", az_duration(m, "cluster.terminate", 40, 75));
}

void dbx_cluster_release(struct az_model *m, struct az_resource *workspace, json_t *cluster)
{
    dbx_nodes_give(m, workspace, cluster);
    json_object_del(cluster, "driver");
    json_object_del(cluster, "executors");
    json_object_del(cluster, "spark_context_id");
}

static void on_gone(struct az_model *m, struct az_resource *ws, json_t *cluster)
{
    dbx_cluster_release(m, ws, cluster);
    enter(cluster, "TERMINATED", az_str(cluster, "state_message"));
    json_object_set_new(cluster, "terminated_time", json_integer((json_int_t)az_now(m)));
}

/* ---- events of the model --------------------------------------------------------------------------------------------------- */

static void on_event(struct az_model *m, const json_t *arg)
{
    static const struct {
        const char *step;
        void (*fn)(struct az_model *m, struct az_resource *ws, json_t *cluster);
    } steps[] = {{"vm", on_machines},   {"boot", on_boot}, {"run", on_run},
                 {"failed", on_failed}, {"idle", on_idle}, {"gone", on_gone}};
    struct az_resource *ws = az_store_get(m, az_str(arg, "workspace"));
    json_t *cluster =
        ws != NULL ? dbx_find(dbx_data(m, ws), "clusters", "cluster_id", az_str(arg, "cluster")) : NULL;
    if (cluster == NULL || az_int(cluster, "_generation", 0) != az_int(arg, "generation", -1))
        return;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].step, az_str(arg, "step")) == 0) {
            steps[i].fn(m, ws, cluster);
            return;
        }
}

void dbx_life_init(struct az_model *m)
{
    az_event_register(m, "dbx.cluster", on_event);
}

static void set_default(json_t *o, const char *name, json_t *take_value)
{
    if (json_object_get(o, name) == NULL)
        json_object_set_new(o, name, take_value);
    else
        json_decref(take_value);
}

void dbx_cluster_adopt(struct az_model *m, struct az_resource *workspace, json_t *cluster)
{
    char id[DBX_ID_BYTES];
    if (json_object_get(cluster, "_generation") != NULL)
        return;
    set_default(cluster, "cluster_id", az_strf("1101-080000-%s", dbx_hex_id(m, 8, id)));
    set_default(cluster, "cluster_name", json_string(az_str(cluster, "cluster_id")));
    set_default(cluster, "spark_version", json_string("15.4.x-scala2.12"));
    set_default(cluster, "node_type_id", json_string("Standard_DS3_v2"));
    set_default(cluster, "driver_node_type_id", json_string(az_str(cluster, "node_type_id")));
    set_default(cluster, "num_workers", json_integer(1));
    set_default(cluster, "autotermination_minutes", json_integer(0));
    set_default(cluster, "cluster_source", json_string("UI"));
    set_default(cluster, "creator_user_name", json_string("owner@example.com"));
    set_default(cluster, "state", json_string("RUNNING"));
    set_default(cluster, "state_message", json_string(""));
    set_default(cluster, "start_time", json_integer((json_int_t)az_now(m)));
    json_object_set_new(cluster, "_generation", json_integer(1));
    const char *state = az_str(cluster, "state");
    if (strcmp(state, "RUNNING") == 0) {
        (void)dbx_nodes_take(m, workspace, cluster, az_str(cluster, "cluster_id"), 1 + worker_count(cluster));
        dbx_cluster_event(m, cluster, "CREATING", NULL);
        on_run(m, workspace, cluster);
        json_object_set_new(cluster, "_notReady", json_integer(0));
    } else if (strcmp(state, "TERMINATED") == 0) {
        set_default(cluster, "terminated_time", json_integer((json_int_t)az_now(m)));
        set_default(cluster, "termination_reason",
                    json_pack("{s:s,s:s,s:{}}", "code", "USER_REQUEST", "type", "SUCCESS", "parameters"));
    } else if (strcmp(state, "PENDING") == 0) {
        dbx_cluster_launch(m, workspace, cluster, "CREATING", NULL);
    } else if (strcmp(state, "TERMINATING") == 0) {
        schedule(m, workspace, cluster, "gone", az_duration(m, "cluster.terminate", 40, 75));
    }
}

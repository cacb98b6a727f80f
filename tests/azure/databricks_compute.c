/* Compute beside clusters as a whole, and instance pools. */
#include "tests/azure/databricks_compute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dbx_set_default(json_t *o, const char *name, json_t *take_value)
{
    if (json_object_get(o, name) == NULL)
        json_object_set_new(o, name, take_value);
    else
        json_decref(take_value);
}

bool dbx_is_one_of(const char *value, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, value) == 0)
            return true;
    return false;
}

void dbx_reply_done(struct dbx_call *c)
{
    az_reply_json(c->res, 200, json_object());
}

/* An event that moves an item of a list on; it is dropped when the item's generation has changed meanwhile. */
void dbx_compute_schedule(struct az_model *m, const struct az_resource *ws, json_t *item, const char *list,
                          const char *key, const char *step, int64_t in_ms)
{
    int64_t generation = az_int(item, "_generation", 0) + 1;
    json_object_set_new(item, "_generation", json_integer((json_int_t)generation));
    (void)az_schedule(m, az_now(m) + in_ms, "dbx.compute",
                      json_pack("{s:s,s:s,s:s,s:s,s:I,s:s}", "workspace", ws->id, "list", list, "key", key,
                                "id", az_str(item, key), "generation", (json_int_t)generation, "step", step));
}

json_t *dbx_item_of(struct dbx_call *c, const char *list, const char *key, const char *id, const char *what)
{
    json_t *item = dbx_find(c->data, list, key, id);
    if (item == NULL)
        dbx_error(c, 404, "RESOURCE_DOES_NOT_EXIST", "%s %s does not exist.", what, id);
    return item;
}

json_t *dbx_visible_list(json_t *data, const char *list)
{
    size_t i;
    const json_t *item;
    json_t *found = json_array();
    json_array_foreach(json_object_get(data, list), i, item)
        json_array_append_new(found, dbx_visible(item));
    return found;
}

static void reply_list(struct dbx_call *c, const char *name, const char *list)
{
    json_t *found = dbx_visible_list(c->data, list), *answer = json_object();
    if (json_array_size(found) > 0)
        json_object_set(answer, name, found);
    json_decref(found);
    az_reply_json(c->res, 200, answer);
}

/* ---- instance pools --------------------------------------------------------------------------------------------------------- */

static void settle_pool(struct az_model *m, struct az_resource *ws, json_t *pool)
{
    int64_t idle = az_int(pool, "min_idle_instances", 0);
    dbx_nodes_give(m, ws, pool);
    if (dbx_nodes_take(m, ws, pool, az_str(pool, "instance_pool_id"), (size_t)(idle > 0 ? idle : 0)) < 0) {
        az_set(pool, "status",
               json_pack("{s:[{s:s,s:s}]}", "pending_instance_errors", "instance_id", "", "message",
                         "SUBNET_EXHAUSTED_FAILURE: no free address in the subnets of the workspace"));
        idle = 0;
    }
    az_set(pool, "stats",
           json_pack("{s:i,s:I,s:i,s:i}", "used_count", 0, "idle_count", (json_int_t)idle,
                     "pending_used_count", 0, "pending_idle_count", 0));
}

static void list_pools(struct dbx_call *c)
{
    reply_list(c, "instance_pools", "pools");
}

static json_t *pool_of(struct dbx_call *c)
{
    const char *id = dbx_param(c, "instance_pool_id");
    return id != NULL ? dbx_item_of(c, "pools", "instance_pool_id", id, "Instance pool") : NULL;
}

static void get_pool(struct dbx_call *c)
{
    json_t *pool = pool_of(c);
    if (pool != NULL)
        az_reply_json(c->res, 200, dbx_visible(pool));
}

static void create_pool(struct dbx_call *c)
{
    char id[DBX_ID_BYTES];
    if (dbx_body_str(c, "instance_pool_name") == NULL || dbx_body_str(c, "node_type_id") == NULL)
        return;
    json_t *pool = az_copy(c->call->body);
    json_object_set_new(pool, "instance_pool_id", az_strf("1101-080000-pool-%s", dbx_hex_id(c->m, 8, id)));
    az_set_str(pool, "state", "ACTIVE");
    settle_pool(c->m, c->workspace, pool);
    json_array_append_new(dbx_list(c->data, "pools"), pool);
    az_reply_json(c->res, 200, json_pack("{s:s}", "instance_pool_id", az_str(pool, "instance_pool_id")));
    dbx_ledger(c, "instance-pools/create", az_str(pool, "instance_pool_id"), true, NULL, c->call->body);
}

static void edit_pool(struct dbx_call *c)
{
    const char *name;
    json_t *value, *pool = pool_of(c);
    if (pool == NULL || dbx_body_str(c, "instance_pool_name") == NULL ||
        dbx_body_str(c, "node_type_id") == NULL)
        return;
    if (strcmp(az_str(pool, "node_type_id"), az_str(c->call->body, "node_type_id")) != 0) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "The node type of an instance pool cannot be changed.");
        return;
    }
    json_t *before = dbx_visible(pool);
    json_object_foreach((json_t *)c->call->body, name, value)
        if (name[0] != '_')
            json_object_set_new(pool, name, az_copy(value));
    dbx_compute_schedule(c->m, c->workspace, pool, "pools", "instance_pool_id", "settle",
                         az_duration(c->m, "pool.settle", 20, 60));
    dbx_reply_done(c);
    dbx_ledger(c, "instance-pools/edit", az_str(pool, "instance_pool_id"), true, before, c->call->body);
    json_decref(before);
}

static void delete_pool(struct dbx_call *c)
{
    json_t *pool = pool_of(c);
    if (pool == NULL)
        return;
    dbx_nodes_give(c->m, c->workspace, pool);
    dbx_reply_done(c);
    dbx_ledger(c, "instance-pools/delete", az_str(pool, "instance_pool_id"), true, NULL, NULL);
    dbx_remove(c->data, "pools", pool);
}

/* ---- events, loading, as a whole -------------------------------------------------------------------------------------------------- */

static void on_event(struct az_model *m, const json_t *arg)
{
    static const struct {
        const char *step;
        void (*fn)(struct az_model *m, struct az_resource *ws, json_t *item);
    } steps[] = {
        {"settle", settle_pool},        {"start", dbx_warehouse_start}, {"stopped", dbx_warehouse_stopped},
        {"canceled", dbx_run_canceled}, {"finished", dbx_run_finished}, {"idle", dbx_pipeline_idle},
        {"run", dbx_pipeline_run}};
    struct az_resource *ws = az_store_get(m, az_str(arg, "workspace"));
    json_t *item = ws != NULL
                       ? dbx_find(dbx_data(m, ws), az_str(arg, "list"), az_str(arg, "key"), az_str(arg, "id"))
                       : NULL;
    if (item == NULL || az_int(item, "_generation", 0) != az_int(arg, "generation", -1))
        return;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].step, az_str(arg, "step")) == 0)
            steps[i].fn(m, ws, item);
}

/* Somebody outside (a dashboard, a dbx_compute_schedule) uses a cluster or a warehouse, which starts it. */
static void on_wake(struct az_model *m, const json_t *arg)
{
    struct az_resource *ws = az_store_get(m, az_str(arg, "workspace"));
    if (ws == NULL)
        return;
    json_t *data = dbx_data(m, ws);
    json_t *warehouse = dbx_find(data, "warehouses", "id", az_str(arg, "warehouse"));
    json_t *cluster = dbx_find(data, "clusters", "cluster_id", az_str(arg, "cluster"));
    if (warehouse != NULL)
        dbx_warehouse_wake(m, ws, warehouse);
    if (cluster != NULL && strcmp(az_str(cluster, "state"), "TERMINATED") == 0)
        dbx_cluster_launch(m, ws, cluster, "STARTING", "scheduler@example.com");
    int64_t every_s = az_int(arg, "everySeconds", 0);
    if (every_s > 0)
        (void)az_schedule(m, az_now(m) + az_scaled(m, every_s * 1000), "dbx.wake", az_copy(arg));
}

void dbx_compute_init(struct az_model *m)
{
    az_event_register(m, "dbx.compute", on_event);
    az_event_register(m, "dbx.wake", on_wake);
}

void dbx_compute_adopt(struct az_model *m, struct az_resource *workspace, json_t *data)
{
    size_t i;
    json_t *item;
    char id[DBX_ID_BYTES];
    json_array_foreach(json_object_get(data, "warehouses"), i, item)
        dbx_warehouse_adopt(m, workspace, item);
    json_array_foreach(json_object_get(data, "pools"), i, item) {
        if (json_object_get(item, "stats") != NULL)
            continue;
        dbx_set_default(item, "instance_pool_id", az_strf("1101-080000-pool-%s", dbx_hex_id(m, 8, id)));
        dbx_set_default(item, "instance_pool_name", json_string(az_str(item, "instance_pool_id")));
        dbx_set_default(item, "node_type_id", json_string("Standard_DS3_v2"));
        dbx_set_default(item, "idle_instance_autotermination_minutes", json_integer(60));
        dbx_set_default(item, "state", json_string("ACTIVE"));
        settle_pool(m, workspace, item);
    }
    json_array_foreach(json_object_get(data, "runs"), i, item)
        dbx_run_adopt(m, workspace, item);
    json_array_foreach(json_object_get(data, "wakeups"), i, item) {
        if (az_bool(item, "_isScheduled", false))
            continue;
        json_object_set_new(item, "_isScheduled", json_true());
        json_t *arg = az_copy(item);
        az_set_str(arg, "workspace", workspace->id);
        (void)az_schedule(m, az_now(m) + az_scaled(m, az_int(item, "afterSeconds", 60) * 1000), "dbx.wake",
                          arg);
    }
}

void dbx_compute_end_all(struct az_model *m, struct az_resource *workspace, json_t *data)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(data, "clusters"), i, item)
        dbx_cluster_terminate(
            m, workspace, item, "WORKSPACE_UPDATE", "SERVICE_FAULT", NULL,
            "The worker environment version changed due to a workspace network or CMK update.");
    json_array_foreach(json_object_get(data, "warehouses"), i, item)
        dbx_warehouse_end(m, workspace, item);
}

static bool is_pool_alive(const json_t *pool)
{
    return az_int(pool, "stats.used_count", 0) > 0 || az_int(pool, "stats.idle_count", 0) > 0 ||
           az_int(pool, "stats.pending_used_count", 0) > 0 || az_int(pool, "stats.pending_idle_count", 0) > 0;
}

bool dbx_compute_is_alive(const json_t *data)
{
    static const char *const gone[] = {"STOPPED", "DELETED", NULL};
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(data, "clusters"), i, item)
        if (strcmp(az_str(item, "state"), "TERMINATED") != 0)
            return true;
    json_array_foreach(json_object_get(data, "warehouses"), i, item)
        if (!dbx_warehouse_is_serverless(item) && !dbx_is_one_of(az_str(item, "state"), gone))
            return true;
    json_array_foreach(json_object_get(data, "pools"), i, item)
        if (is_pool_alive(item))
            return true;
    json_array_foreach(json_object_get(data, "pipelines"), i, item)
        if (!az_bool(item, "serverless", false) &&
            dbx_is_one_of(az_str(item, "state"), dbx_busy_pipeline_states))
            return true;
    return false;
}

const struct dbx_route dbx_compute_routes[] = {
    {"GET", "instance-pools/list", list_pools, true},     {"GET", "instance-pools/get", get_pool, true},
    {"POST", "instance-pools/create", create_pool, true}, {"POST", "instance-pools/edit", edit_pool, true},
    {"POST", "instance-pools/delete", delete_pool, true}, {NULL, NULL, NULL, false},
};

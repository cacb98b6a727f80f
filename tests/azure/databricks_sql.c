/* SQL warehouses and statements. */
#include "tests/azure/databricks_compute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/azure/graph.h"

#define WAREHOUSE_NODES 2
#define STATEMENTS_MAX 200

/* ---- SQL warehouses ---------------------------------------------------------------------------------------------------------- */

bool dbx_warehouse_is_serverless(const json_t *warehouse)
{
    return az_bool(warehouse, "enable_serverless_compute", false);
}

static void enter_warehouse(json_t *warehouse, const char *state)
{
    bool is_running = strcmp(state, "RUNNING") == 0;
    az_set_str(warehouse, "state", state);
    json_object_set_new(warehouse, "num_clusters", json_integer(is_running ? 1 : 0));
    if (is_running)
        json_object_set_new(warehouse, "health", json_pack("{s:s}", "status", "HEALTHY"));
}

void dbx_warehouse_wake(struct az_model *m, struct az_resource *workspace, json_t *warehouse)
{
    if (strcmp(az_str(warehouse, "state"), "STOPPED") != 0)
        return;
    enter_warehouse(warehouse, "STARTING");
    int64_t in_ms = dbx_warehouse_is_serverless(warehouse)
                        ? az_duration(m, "warehouse.startServerless", 5, 12)
                        : az_duration(m, "warehouse.start", 120, 240);
    dbx_compute_schedule(m, workspace, warehouse, "warehouses", "id", "start", in_ms);
}

static void fail_warehouse(struct az_model *m, struct az_resource *ws, json_t *warehouse,
                           const struct az_launch *launch)
{
    dbx_nodes_give(m, ws, warehouse);
    enter_warehouse(warehouse, "STOPPED");
    json_object_set_new(warehouse, "health",
                        json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:{s:s}}}", "status", "FAILED", "summary",
                                  "Clusters are failing to launch.", "message", launch->message,
                                  "failure_reason", "code", launch->code, "type", launch->type, "parameters",
                                  "databricks_error_message", launch->message));
}

void dbx_warehouse_start(struct az_model *m, struct az_resource *ws, json_t *warehouse)
{
    struct az_launch launch = {.ok = true};
    if (!dbx_warehouse_is_serverless(warehouse)) {
        az_graph_launch(m, ws, "Standard_E8ds_v4", WAREHOUSE_NODES - 1, &launch);
        if (launch.ok && dbx_nodes_take(m, ws, warehouse, az_str(warehouse, "id"), WAREHOUSE_NODES) < 0) {
            launch =
                (struct az_launch){.ok = false, .code = "SUBNET_EXHAUSTED_FAILURE", .type = "CLIENT_ERROR"};
            snprintf(launch.message, sizeof launch.message,
                     "The subnets of the workspace have no free addresses.");
        }
    }
    if (launch.ok)
        enter_warehouse(warehouse, "RUNNING");
    else
        fail_warehouse(m, ws, warehouse, &launch);
}

static void list_warehouses(struct dbx_call *c)
{
    dbx_reply_page(c, "warehouses", dbx_visible_list(c->data, "warehouses"), "page_size", 100);
}

static json_t *warehouse_of(struct dbx_call *c)
{
    return dbx_item_of(c, "warehouses", "id", c->rest_id, "SQL warehouse");
}

static void get_warehouse(struct dbx_call *c)
{
    json_t *warehouse = warehouse_of(c);
    if (warehouse != NULL)
        az_reply_json(c->res, 200, dbx_visible(warehouse));
}

static void start_warehouse(struct dbx_call *c)
{
    json_t *warehouse = warehouse_of(c);
    if (warehouse == NULL)
        return;
    const char *state = az_str(warehouse, "state");
    if (strcmp(state, "STOPPING") == 0 || strcmp(state, "DELETING") == 0) {
        dbx_error(c, 400, "INVALID_STATE", "SQL warehouse %s cannot be started in state %s.",
                  az_str(warehouse, "id"), state);
        return;
    }
    bool is_changed = strcmp(state, "STOPPED") == 0;
    dbx_warehouse_wake(c->m, c->workspace, warehouse);
    dbx_reply_done(c);
    dbx_ledger(c, "sql/warehouses/start", az_str(warehouse, "id"), is_changed, NULL, NULL);
}

static void stop_warehouse(struct dbx_call *c)
{
    json_t *warehouse = warehouse_of(c);
    if (warehouse == NULL)
        return;
    const char *state = az_str(warehouse, "state");
    bool is_changed = strcmp(state, "RUNNING") == 0 || strcmp(state, "STARTING") == 0;
    if (is_changed) {
        enter_warehouse(warehouse, "STOPPING");
        dbx_compute_schedule(c->m, c->workspace, warehouse, "warehouses", "id", "stopped",
                             az_duration(c->m, "warehouse.stop", 10, 40));
    }
    dbx_reply_done(c);
    dbx_ledger(c, "sql/warehouses/stop", az_str(warehouse, "id"), is_changed, NULL, NULL);
}

static void fill_warehouse(struct az_model *m, struct az_resource *ws, json_t *warehouse)
{
    char id[DBX_ID_BYTES];
    dbx_set_default(warehouse, "id", json_string(dbx_hex_id(m, 16, id)));
    dbx_set_default(warehouse, "name", json_string(az_str(warehouse, "id")));
    dbx_set_default(warehouse, "warehouse_type", json_string("CLASSIC"));
    dbx_set_default(warehouse, "enable_serverless_compute", json_false());
    dbx_set_default(warehouse, "cluster_size", json_string("Small"));
    dbx_set_default(warehouse, "min_num_clusters", json_integer(1));
    dbx_set_default(warehouse, "max_num_clusters", json_integer(1));
    dbx_set_default(warehouse, "auto_stop_mins", json_integer(0));
    dbx_set_default(warehouse, "num_active_sessions", json_integer(0));
    dbx_set_default(warehouse, "state", json_string("RUNNING"));
    dbx_set_default(warehouse, "odbc_params",
                    json_pack("{s:s,s:i,s:s,s:o}", "hostname", az_str(ws->body, "properties.workspaceUrl"),
                              "port", 443, "protocol", "https", "path",
                              az_strf("/sql/1.0/warehouses/%s", az_str(warehouse, "id"))));
}

static void create_warehouse(struct dbx_call *c)
{
    if (dbx_body_str(c, "name") == NULL)
        return;
    json_t *warehouse = az_copy(c->call->body);
    json_object_del(warehouse, "id");
    az_set_str(warehouse, "state", "STOPPED");
    fill_warehouse(c->m, c->workspace, warehouse);
    json_array_append_new(dbx_list(c->data, "warehouses"), warehouse);
    dbx_warehouse_wake(c->m, c->workspace, warehouse);
    az_reply_json(c->res, 200, json_pack("{s:s}", "id", az_str(warehouse, "id")));
    dbx_ledger(c, "sql/warehouses/create", az_str(warehouse, "id"), true, NULL, c->call->body);
}

static void delete_warehouse(struct dbx_call *c)
{
    json_t *warehouse = warehouse_of(c);
    if (warehouse == NULL)
        return;
    dbx_nodes_give(c->m, c->workspace, warehouse);
    dbx_remove(c->data, "warehouses", warehouse);
    dbx_reply_done(c);
    dbx_ledger(c, "sql/warehouses/delete", c->rest_id, true, NULL, NULL);
}

void dbx_warehouse_stopped(struct az_model *m, struct az_resource *ws, json_t *warehouse)
{
    dbx_nodes_give(m, ws, warehouse);
    enter_warehouse(warehouse, "STOPPED");
}

void dbx_warehouse_adopt(struct az_model *m, struct az_resource *ws, json_t *warehouse)
{
    if (json_object_get(warehouse, "_generation") != NULL)
        return;
    fill_warehouse(m, ws, warehouse);
    json_object_set_new(warehouse, "_generation", json_integer(0));
    enter_warehouse(warehouse, az_str(warehouse, "state"));
    if (strcmp(az_str(warehouse, "state"), "RUNNING") == 0 && !dbx_warehouse_is_serverless(warehouse))
        (void)dbx_nodes_take(m, ws, warehouse, az_str(warehouse, "id"), WAREHOUSE_NODES);
}

void dbx_warehouse_end(struct az_model *m, struct az_resource *workspace, json_t *warehouse)
{
    if (dbx_warehouse_is_serverless(warehouse) || strcmp(az_str(warehouse, "state"), "STOPPED") == 0)
        return;
    enter_warehouse(warehouse, "STOPPING");
    dbx_compute_schedule(m, workspace, warehouse, "warehouses", "id", "stopped",
                         az_duration(m, "warehouse.stop", 10, 40));
}

/* ---- statements --------------------------------------------------------------------------------------------------------------- */

static void reply_statement(struct dbx_call *c, const json_t *statement)
{
    json_t *warehouse = dbx_find(c->data, "warehouses", "id", az_str(statement, "warehouse_id"));
    const char *id = az_str(statement, "statement_id"), *state = az_str(warehouse, "state");
    if (az_bool(statement, "is_canceled", false)) {
        az_reply_json(c->res, 200,
                      json_pack("{s:s,s:{s:s}}", "statement_id", id, "status", "state", "CANCELED"));
        return;
    }
    if (strcmp(state, "RUNNING") != 0) {
        bool is_hopeless = warehouse == NULL || strcmp(az_str(warehouse, "health.status"), "FAILED") == 0;
        az_reply_json(c->res, 200,
                      json_pack("{s:s,s:{s:s}}", "statement_id", id, "status", "state",
                                is_hopeless ? "FAILED" : "PENDING"));
        return;
    }
    json_t *result = dbx_command_result(c->m, c->workspace, NULL, "sql", az_str(statement, "statement"));
    bool is_good = strcmp(az_str(result, "resultType"), "table") == 0;
    json_t *answer =
        json_pack("{s:s,s:{s:s}}", "statement_id", id, "status", "state", is_good ? "SUCCEEDED" : "FAILED");
    if (is_good) {
        json_object_set_new(answer, "manifest",
                            json_pack("{s:s,s:{s:i},s:i,s:i}", "format", "JSON_ARRAY", "schema",
                                      "column_count", 1, "total_row_count", 1, "total_chunk_count", 1));
        json_object_set_new(answer, "result",
                            json_pack("{s:i,s:i,s:i,s:[[o]]}", "chunk_index", 0, "row_count", 1, "row_offset",
                                      0, "data_array",
                                      az_strf("%lld", (long long)az_int(result, "data.0.0", 0))));
    } else {
        az_set(answer, "status.error",
               json_pack("{s:s,s:s}", "error_code", "BAD_REQUEST", "message", az_str(result, "summary")));
    }
    json_decref(result);
    az_reply_json(c->res, 200, answer);
}

static void execute_statement(struct dbx_call *c)
{
    char guid[AZ_GUID_BYTES];
    const char *text = dbx_body_str(c, "statement"),
               *warehouse_id = text != NULL ? dbx_body_str(c, "warehouse_id") : NULL;
    json_t *warehouse =
        warehouse_id != NULL ? dbx_item_of(c, "warehouses", "id", warehouse_id, "SQL warehouse") : NULL;
    if (warehouse == NULL)
        return;
    dbx_warehouse_wake(c->m, c->workspace, warehouse);
    json_t *statements = dbx_list(c->data, "statements");
    if (json_array_size(statements) >= STATEMENTS_MAX)
        json_array_remove(statements, 0);
    json_t *statement = json_pack("{s:s,s:s,s:s}", "statement_id", az_guid(c->m, guid), "statement", text,
                                  "warehouse_id", warehouse_id);
    json_array_append_new(statements, statement);
    reply_statement(c, statement);
}

static void get_statement(struct dbx_call *c)
{
    json_t *statement = dbx_item_of(c, "statements", "statement_id", c->rest_id, "The statement");
    if (statement != NULL)
        reply_statement(c, statement);
}

static void cancel_statement(struct dbx_call *c)
{
    json_t *statement = dbx_item_of(c, "statements", "statement_id", c->rest_id, "The statement");
    if (statement == NULL)
        return;
    json_object_set_new(statement, "is_canceled", json_true());
    dbx_reply_done(c);
}

const struct dbx_route dbx_sql_routes[] = {
    {"GET", "sql/warehouses", list_warehouses, true},
    {"POST", "sql/warehouses", create_warehouse, true},
    {"GET", "sql/warehouses/*", get_warehouse, true},
    {"DELETE", "sql/warehouses/*", delete_warehouse, true},
    {"POST", "sql/warehouses/*/start", start_warehouse, true},
    {"POST", "sql/warehouses/*/stop", stop_warehouse, true},
    {"POST", "sql/statements", execute_statement, true},
    {"GET", "sql/statements/*", get_statement, true},
    {"POST", "sql/statements/*/cancel", cancel_statement, true},
    {NULL, NULL, NULL, false},
};

/* Workspaces as the core sees them: their data, and the way from a request to the area that answers it. */
#include "tests/azure/databricks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_PER_S 50.0
#define RATE_BURST 200.0

/* ---- data ------------------------------------------------------------------------------------------------------------ */

json_t *dbx_root(const struct az_model *m)
{
    return az_databricks_slot(m);
}

static json_t *data_of_key(const struct az_model *m, const char *key)
{
    json_t *all = json_object_get(dbx_root(m), "workspaces");
    json_t *data = json_object_get(all, key);
    if (data == NULL) {
        data = json_object();
        json_object_set_new(all, key, data);
    }
    return data;
}

json_t *dbx_data(struct az_model *m, const struct az_resource *workspace)
{
    return data_of_key(m, workspace->key);
}

json_t *dbx_list(json_t *data, const char *name)
{
    json_t *list = json_object_get(data, name);
    if (json_is_array(list))
        return list;
    list = json_array();
    json_object_set_new(data, name, list);
    return list;
}

json_t *dbx_find(json_t *data, const char *list, const char *key, const char *value)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(data, list), i, item)
        if (strcmp(az_str(item, key), value) == 0)
            return item;
    return NULL;
}

void dbx_remove(json_t *data, const char *list, const json_t *item)
{
    json_t *items = json_object_get(data, list);
    for (size_t i = 0; i < json_array_size(items); i++)
        if (json_array_get(items, i) == item) {
            json_array_remove(items, i);
            return;
        }
}

json_t *dbx_visible(const json_t *item)
{
    const char *name;
    json_t *value, *copy = json_object();
    json_object_foreach((json_t *)item, name, value)
        if (name[0] != '_')
            json_object_set_new(copy, name, az_copy(value));
    return copy;
}

const char *dbx_number_id(struct az_model *m, char buf[DBX_ID_BYTES])
{
    snprintf(buf, DBX_ID_BYTES, "%llu", (unsigned long long)(az_random(m) >> 1 | 1ull << 60));
    return buf;
}

const char *dbx_hex_id(struct az_model *m, size_t n, char buf[DBX_ID_BYTES])
{
    for (size_t i = 0; i < n && i + 1 < DBX_ID_BYTES; i++) {
        buf[i] = "0123456789abcdef"[az_random(m) >> 33 & 15];
        buf[i + 1] = '\0';
    }
    return buf;
}

const char *dbx_org(const struct az_resource *workspace)
{
    return az_str(workspace->body, "properties.workspaceId");
}

/* ---- replies ---------------------------------------------------------------------------------------------------------- */

void dbx_error(struct dbx_call *c, int status, const char *code, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    az_reply_error_databricks(c->res, status, code, "%s", text);
}

void dbx_error_12(struct dbx_call *c, int status, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    az_reply_json(c->res, status, json_pack("{s:s}", "error", text));
}

const char *dbx_body_str(struct dbx_call *c, const char *name)
{
    const char *value = json_string_value(json_object_get(c->call->body, name));
    if (value == NULL || value[0] == '\0') {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Missing required field: %s", name);
        return NULL;
    }
    return value;
}

const char *dbx_param(struct dbx_call *c, const char *name)
{
    const char *value = az_call_query(c->call, name);
    return value != NULL && value[0] != '\0' ? value : dbx_body_str(c, name);
}

static size_t size_of_page(struct dbx_call *c, const char *name, size_t fallback)
{
    const char *text = az_call_query(c->call, name);
    int64_t size = text != NULL ? strtoll(text, NULL, 10) : az_int(c->call->body, name, 0);
    return size > 0 && size <= 500 ? (size_t)size : fallback;
}

json_t *dbx_page(struct dbx_call *c, const char *name, json_t *take_all, const char *size_param,
                 size_t default_size)
{
    const char *token = az_call_query(c->call, "page_token");
    if (token == NULL)
        token = az_str(c->call->body, "page_token");
    size_t from = (size_t)strtoul(token, NULL, 10), count = json_array_size(take_all);
    size_t size = size_of_page(c, size_param, default_size);
    json_t *items = json_array(), *answer = json_object();
    for (size_t i = from; i < count && i - from < size; i++)
        json_array_append(items, json_array_get(take_all, i));
    if (json_array_size(items) > 0)
        json_object_set(answer, name, items);
    json_decref(items);
    json_object_set_new(answer, "next_page_token",
                        from + size < count ? az_strf("%zu", from + size) : json_string(""));
    json_decref(take_all);
    return answer;
}

void dbx_reply_page(struct dbx_call *c, const char *name, json_t *take_all, const char *size_param,
                    size_t default_size)
{
    az_reply_json(c->res, 200, dbx_page(c, name, take_all, size_param, default_size));
}

void dbx_ledger(struct dbx_call *c, const char *operation, const char *sub_id, bool changed,
                const json_t *before, const json_t *after)
{
    char id[AZ_ID_MAX];
    snprintf(id, sizeof id, "%s/%.*s/%s", c->workspace->id, (int)strcspn(operation, "/"), operation, sub_id);
    const char *verb = strrchr(operation, '/');
    bool is_delete = verb != NULL && strcmp(verb, "/permanent-delete") == 0;
    az_ledger_add(c->m, c->call, is_delete ? 'd' : 'w', operation, id, c->res->status, changed, before,
                  after);
}

/* ---- routing ---------------------------------------------------------------------------------------------------------- */

/* Does the path match, with at most one "*" for a segment? */
static bool path_matches(const char *pattern, struct dbx_call *c)
{
    const char *at = c->rest;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '*') {
            size_t n = strcspn(at, "/");
            if (n == 0 || n >= sizeof c->rest_segment)
                return false;
            snprintf(c->rest_segment, sizeof c->rest_segment, "%.*s", (int)n, at);
            at += n;
        } else if (*pattern != *at++) {
            return false;
        }
    }
    return *at == '\0';
}

static const struct dbx_route *find_route(struct dbx_call *c, bool *ret_is_path_known)
{
    static const struct dbx_route *const tables[] = {dbx_cluster_routes, dbx_command_routes,
                                                     dbx_compute_routes, dbx_sql_routes,
                                                     dbx_job_routes,     dbx_setting_routes};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct dbx_route *r = tables[t]; r->method != NULL; r++) {
            if (!path_matches(r->path, c))
                continue;
            *ret_is_path_known = true;
            if (strcmp(r->method, c->call->method) == 0)
                return r;
        }
    return NULL;
}

static bool is_throttled(struct dbx_call *c)
{
    char bucket[AZ_ID_MAX + 32];
    int64_t wait_ms = 0;
    double rate = az_behaviour(c->m, "databricksRate", RATE_PER_S);
    snprintf(bucket, sizeof bucket, "databricks:%s", dbx_org(c->workspace));
    if (az_bucket_take(c->m, bucket, rate * RATE_BURST / RATE_PER_S, rate, &wait_ms) >= 0)
        return false;
    az_reply_retry_after(c->m, c->res, wait_ms);
    dbx_error(c, 429, "REQUEST_LIMIT_EXCEEDED",
              "Current request has been throttled. Please try again later.");
    return true;
}

/* A workspace that was just made has no worker environment for a while; then it has one now and then. */
static bool has_no_environment(struct dbx_call *c)
{
    int64_t now = az_now(c->m);
    bool is_missing = now < az_int(c->data, "_environmentMs", 0);
    bool is_flapping = now < az_int(c->data, "_flapUntilMs", 0);
    if (!is_missing && !(is_flapping && az_chance(c->m, az_behaviour(c->m, "environmentFlap", 0.4))))
        return false;
    const char *org = dbx_org(c->workspace);
    if (strstr(c->rest, "list-node-types") != NULL)
        dbx_error(
            c, 400, "INVALID_PARAMETER_VALUE",
            "com.databricks.backend.manager.util.UnknownWorkerEnvironmentException: Unknown worker environment "
            "WorkerEnvId(workerenv-%s)",
            org);
    else if (strncmp(c->rest, "clusters/", 9) == 0)
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE",
                  "Current organization %s does not have any associated worker environments", org);
    else
        az_reply_text(
            c->res, 400, "text/html;charset=utf-8",
            "<html>\n<head>\n<title>Error 400 Bad Request</title>\n</head>\n<body><h2>HTTP ERROR: 400</h2>\n"
            "<p>Problem accessing the API. Reason:\n<pre>    Worker environment not ready</pre></p>\n</body>\n"
            "</html>\n");
    return true;
}

static void answer_api(struct dbx_call *c)
{
    bool is_path_known = false;
    if (is_throttled(c))
        return;
    const struct dbx_route *route = find_route(c, &is_path_known);
    if (route == NULL) {
        if (is_path_known)
            dbx_error(c, 405, "METHOD_NOT_ALLOWED", "%s is not allowed here", c->call->method);
        else
            dbx_error(c, 404, "ENDPOINT_NOT_FOUND", "No API found for '%s /%s'", c->call->method, c->rest);
        return;
    }
    if (c->call->body_is_bad || (c->call->body != NULL && !json_is_object(c->call->body))) {
        dbx_error(c, 400, "MALFORMED_REQUEST",
                  "Invalid JSON given in the body of the request - failed to parse given JSON");
        return;
    }
    if (route->needs_environment && has_no_environment(c))
        return;
    route->answer(c);
    if (strcmp(c->call->method, "GET") == 0)
        az_ledger_add(c->m, c->call, 'r', c->rest, c->workspace->id, c->res->status, false, NULL, NULL);
}

static void answer_page(struct dbx_call *c)
{
    char url[512];
    const char *path = c->call->path;
    if (strcmp(path, "/.well-known/databricks-config") == 0) {
        az_reply_json(c->res, 200,
                      json_pack("{s:s,s:s,s:s}", "cloud", "AZURE", "workspace_id", dbx_org(c->workspace),
                                "host_type", "WORKSPACE_HOST"));
    } else if (strcmp(path, "/aad/auth") == 0) {
        const struct az_resource *sub = az_ancestor(c->workspace, AZ_T_SUBSCRIPTION);
        az_url_base(c->m, az_login_host(c->m), url, sizeof url);
        az_reply_header(c->res, "Location", "%s/%s/oauth2/authorize?client_id=" AZ_DATABRICKS_APP, url,
                        sub != NULL ? az_str(sub->body, "tenantId") : AZ_DEFAULT_TENANT);
        az_reply_empty(c->res, 302);
    } else {
        az_reply_text(
            c->res, 200, "text/html; charset=utf-8",
            "<!doctype html>\n<html><head><title>Databricks - Sign In</title></head><body>Sign in to continue to "
            "Databricks.</body></html>\n");
    }
}

/* "/api/2.1/clusters/get" gives "clusters/get"; previews lose their "preview/". */
static bool read_rest(struct dbx_call *c)
{
    static const char *const bases[] = {"/api/2.0/preview/", "/api/2.0/", "/api/2.1/preview/",
                                        "/api/2.1/",         "/api/2.2/", "/api/1.2/"};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        if (strncmp(c->call->path, bases[i], strlen(bases[i])) == 0) {
            snprintf(c->rest, sizeof c->rest, "%s%s", strcmp(bases[i], "/api/1.2/") == 0 ? "1.2/" : "",
                     c->call->path + strlen(bases[i]));
            return true;
        }
    return false;
}

void az_databricks_handle(struct az_model *m, const struct az_call *call, struct az_response *res)
{
    struct dbx_call c = {.m = m, .call = call, .res = res, .workspace = az_workspace_of_host(m, call->host)};
    const char *wanted = az_call_header(call, "X-Databricks-Azure-Workspace-Resource-Id");
    if (c.workspace == NULL && wanted != NULL && strncmp(call->host, "adb-", 4) != 0)
        c.workspace = az_store_get(m, wanted);
    if (c.workspace == NULL || az_str(c.workspace->body, "properties.workspaceUrl")[0] == '\0') {
        az_reply_text(
            res, 404, "text/html; charset=utf-8",
            "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>\n");
        return;
    }
    c.data = dbx_data(m, c.workspace);
    c.rest_id = c.rest_segment;
    az_reply_header(res, "x-databricks-org-id", "%s", dbx_org(c.workspace));
    if (!az_istarts(call->path, "/api/"))
        answer_page(&c);
    else if (dbx_admit(&c)) {
        if (read_rest(&c))
            answer_api(&c);
        else
            dbx_error(&c, 404, "ENDPOINT_NOT_FOUND", "No API found for '%s %s'", call->method, call->path);
    }
}

/* ---- hooks of the core ------------------------------------------------------------------------------------------------- */

int az_databricks_init(struct az_model *m)
{
    json_t *root = json_pack("{s:{}}", "workspaces");
    if (root == NULL)
        return -1;
    az_databricks_set_slot(m, root);
    dbx_life_init(m);
    dbx_compute_init(m);
    return 0;
}

void az_databricks_fini(struct az_model *m)
{
    json_decref(dbx_root(m));
    az_databricks_set_slot(m, NULL);
}

/* A workspace of a state document: by id, or by the name alone. */
static struct az_resource *workspace_named(struct az_model *m, const char *name)
{
    struct az_resource *found = az_store_get(m, name);
    for (struct az_resource *ws = az_store_first(m, AZ_T_WORKSPACE); ws != NULL && found == NULL;
         ws = ws->next_of_type)
        if (az_ieq(ws->name, name))
            found = ws;
    return found;
}

static void adopt(struct az_model *m, struct az_resource *ws, json_t *data)
{
    size_t i;
    json_t *cluster;
    json_array_foreach(json_object_get(data, "clusters"), i, cluster)
        dbx_cluster_adopt(m, ws, cluster);
    dbx_compute_adopt(m, ws, data);
}

int az_databricks_load(struct az_model *m, const json_t *doc, char *error, size_t error_bytes)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)doc, name, value)
        if (strcmp(name, "workspaces") != 0)
            json_object_set_new(dbx_root(m), name, az_copy(value));
    json_object_foreach(json_object_get(doc, "workspaces"), name, value) {
        struct az_resource *ws = workspace_named(m, name);
        if (ws == NULL || !json_is_object(value)) {
            snprintf(error, error_bytes, "databricks.workspaces: no workspace \"%.200s\"", name);
            return -1;
        }
        json_t *data = dbx_data(m, ws), *copy = az_copy(value);
        json_object_update(data, copy);
        json_decref(copy);
        adopt(m, ws, data);
    }
    return 0;
}

json_t *az_databricks_save(const struct az_model *m)
{
    return az_copy(dbx_root(m));
}

bool az_workspace_has_running_compute(struct az_model *m, struct az_resource *workspace)
{
    return dbx_compute_is_alive(dbx_data(m, workspace));
}

void az_databricks_workspace_created(struct az_model *m, struct az_resource *workspace)
{
    json_t *data = dbx_data(m, workspace);
    int64_t ready = az_now(m) + az_duration(m, "workspace.environment", 20, 90);
    json_object_set_new(data, "_environmentMs", json_integer(ready));
    json_object_set_new(data, "_flapUntilMs",
                        json_integer(ready + az_duration(m, "workspace.environmentFlap", 20, 60)));
}

void az_databricks_workspace_updated(struct az_model *m, struct az_resource *workspace)
{
    json_t *data = dbx_data(m, workspace);
    int64_t until = az_now(m) + az_duration(m, "workspace.updateFlap", 5, 20);
    json_object_set_new(data, "_flapUntilMs", json_integer(until));
    dbx_compute_end_all(m, workspace, data);
}

void az_databricks_workspace_deleted(struct az_model *m, struct az_resource *workspace)
{
    size_t i;
    json_t *item, *data = dbx_data(m, workspace);
    json_array_foreach(json_object_get(data, "clusters"), i, item)
        dbx_cluster_release(m, workspace, item);
    json_array_foreach(json_object_get(data, "warehouses"), i, item)
        dbx_nodes_give(m, workspace, item);
    json_array_foreach(json_object_get(data, "pools"), i, item)
        dbx_nodes_give(m, workspace, item);
    json_object_del(json_object_get(dbx_root(m), "workspaces"), workspace->key);
}

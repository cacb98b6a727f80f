/* Settings of a workspace: configuration, IP access lists, users, notebooks, policies, init scripts, and what is always empty
 * here. */
#include "tests/azure/databricks.h"

#include <stdio.h>
#include <string.h>

/* ---- workspace-conf -------------------------------------------------------------------------------------------------------- */

static void get_conf(struct dbx_call *c)
{
    char key[128];
    const char *keys = az_call_query(c->call, "keys");
    json_t *answer = json_object();
    for (; keys != NULL && *keys != '\0'; keys += strspn(keys, ",")) {
        size_t n = strcspn(keys, ",");
        snprintf(key, sizeof key, "%.*s", (int)(n < sizeof key ? n : sizeof key - 1), keys);
        json_t *value = json_object_get(json_object_get(c->data, "conf"), key);
        json_object_set_new(answer, key, value != NULL ? json_incref(value) : json_null());
        keys += n;
    }
    az_reply_json(c->res, 200, answer);
}

static void patch_conf(struct dbx_call *c)
{
    const char *name;
    json_t *value, *conf = json_object_get(c->data, "conf");
    if (conf == NULL) {
        conf = json_object();
        json_object_set_new(c->data, "conf", conf);
    }
    json_object_foreach((json_t *)c->call->body, name, value)
        json_object_set_new(conf, name, az_copy(value));
    az_reply_empty(c->res, 204);
    dbx_ledger(c, "workspace-conf/patch", "conf", true, NULL, c->call->body);
}

/* ---- ip-access-lists -------------------------------------------------------------------------------------------------------- */

static void list_ip_lists(struct dbx_call *c)
{
    json_t *lists = dbx_list(c->data, "ipAccessLists");
    if (!az_ieq(az_str(c->data, "conf.enableIpAccessLists"), "true") && json_array_size(lists) == 0)
        az_reply_json(c->res, 200, json_object());
    else
        az_reply_json(c->res, 200, json_pack("{s:O}", "ip_access_lists", lists));
}

static void create_ip_list(struct dbx_call *c)
{
    char guid[AZ_GUID_BYTES];
    if (dbx_body_str(c, "label") == NULL || dbx_body_str(c, "list_type") == NULL)
        return;
    json_t *list = az_copy(c->call->body);
    json_object_set_new(list, "list_id", json_string(az_guid(c->m, guid)));
    json_object_set_new(list, "enabled", json_true());
    json_object_set_new(list, "address_count",
                        json_integer((json_int_t)json_array_size(json_object_get(list, "ip_addresses"))));
    json_array_append(dbx_list(c->data, "ipAccessLists"), list);
    az_reply_json(c->res, 200, json_pack("{s:o}", "ip_access_list", list));
    dbx_ledger(c, "ip-access-lists/create", guid, true, NULL, c->call->body);
}

static json_t *ip_list_of(struct dbx_call *c)
{
    json_t *list = dbx_find(c->data, "ipAccessLists", "list_id", c->rest_id);
    if (list == NULL)
        dbx_error(c, 404, "RESOURCE_DOES_NOT_EXIST", "IP access list %s does not exist", c->rest_id);
    return list;
}

static void get_ip_list(struct dbx_call *c)
{
    json_t *list = ip_list_of(c);
    if (list != NULL)
        az_reply_json(c->res, 200, json_pack("{s:O}", "ip_access_list", list));
}

static void delete_ip_list(struct dbx_call *c)
{
    json_t *list = ip_list_of(c);
    if (list == NULL)
        return;
    dbx_remove(c->data, "ipAccessLists", list);
    az_reply_json(c->res, 200, json_object());
    dbx_ledger(c, "ip-access-lists/delete", c->rest_id, true, NULL, NULL);
}

/* ---- users ------------------------------------------------------------------------------------------------------------------- */

static json_t *scim_principal(const char *app_id)
{
    return json_pack("{s:[s],s:o,s:s,s:s,s:b,s:[{s:s,s:s}]}", "schemas",
                     "urn:ietf:params:scim:schemas:core:2.0:User", "id", az_strf("%.8s", app_id), "userName",
                     app_id, "displayName", app_id, "active", 1, "groups", "display", "admins", "type",
                     "direct");
}

static void get_me(struct dbx_call *c)
{
    az_reply_json(c->res, 200, scim_principal(c->call->who.app_id));
    az_reply_header(c->res, "Content-Type", "application/scim+json; charset=utf-8");
}

static void list_principals(struct dbx_call *c)
{
    size_t i;
    const json_t *user;
    json_t *found = json_array();
    json_array_foreach(dbx_list(c->data, "users"), i, user) {
        json_t *item = scim_principal(json_string_value(user));
        json_object_set_new(item, "applicationId", json_string(json_string_value(user)));
        json_array_append_new(found, item);
    }
    json_int_t count = (json_int_t)json_array_size(found);
    az_reply_json(c->res, 200,
                  json_pack("{s:[s],s:I,s:i,s:I,s:o}", "schemas",
                            "urn:ietf:params:scim:api:messages:2.0:ListResponse", "totalResults", count,
                            "startIndex", 1, "itemsPerPage", count, "Resources", found));
    az_reply_header(c->res, "Content-Type", "application/scim+json; charset=utf-8");
}

/* ---- notebooks, as they were imported ---------------------------------------------------------------------------------------- */

static bool is_in_home(const struct dbx_call *c, const char *path)
{
    char home[256];
    int n = snprintf(home, sizeof home, "/Users/%s/", c->call->who.app_id);
    return strncmp(path, home, (size_t)n) == 0;
}

static void import_notebook(struct dbx_call *c)
{
    const char *path = dbx_body_str(c, "path");
    const char *content = path == NULL ? NULL : dbx_body_str(c, "content");
    if (content == NULL)
        return;
    if (!is_in_home(c, path)) {
        dbx_error(c, 404, "RESOURCE_DOES_NOT_EXIST", "The parent folder of %s does not exist.", path);
        return;
    }
    json_t *notebook = dbx_find(c->data, "notebooks", "path", path);
    if (notebook != NULL && !az_bool(c->call->body, "overwrite", false)) {
        dbx_error(c, 400, "RESOURCE_ALREADY_EXISTS", "%s already exists.", path);
        return;
    }
    bool is_new = notebook == NULL || strcmp(az_str(notebook, "content"), content) != 0;
    if (notebook == NULL) {
        notebook = json_pack("{s:s}", "path", path);
        json_array_append_new(dbx_list(c->data, "notebooks"), notebook);
    }
    az_set_str(notebook, "content", content);
    az_reply_json(c->res, 200, json_object());
    dbx_ledger(c, "workspace/import", "notebook", is_new, NULL, NULL);
}

static json_t *notebook_of(struct dbx_call *c)
{
    const char *path = dbx_param(c, "path");
    json_t *notebook = path == NULL ? NULL : dbx_find(c->data, "notebooks", "path", path);
    if (path != NULL && notebook == NULL)
        dbx_error(c, 404, "RESOURCE_DOES_NOT_EXIST", "Path (%s) doesn't exist.", path);
    return notebook;
}

static void export_notebook(struct dbx_call *c)
{
    json_t *notebook = notebook_of(c);
    if (notebook != NULL)
        az_reply_json(c->res, 200,
                      json_pack("{s:s,s:s}", "content", az_str(notebook, "content"), "file_type", "py"));
}

static void delete_notebook(struct dbx_call *c)
{
    json_t *notebook = notebook_of(c);
    if (notebook == NULL)
        return;
    dbx_remove(c->data, "notebooks", notebook);
    az_reply_json(c->res, 200, json_object());
    dbx_ledger(c, "workspace/delete", "notebook", true, NULL, NULL);
}

/* ---- policies, scripts, serverless things ------------------------------------------------------------------------------------ */

static void list_policies(struct dbx_call *c)
{
    json_t *all = json_array();
    json_array_extend(all, dbx_list(c->data, "policies"));
    json_t *answer = json_pack("{s:I}", "total_count", (json_int_t)json_array_size(all));
    if (json_array_size(all) > 0)
        json_object_set(answer, "policies", all);
    json_decref(all);
    az_reply_json(c->res, 200, answer);
}

static void list_scripts(struct dbx_call *c)
{
    size_t i;
    const json_t *script;
    json_t *found = json_array();
    json_array_foreach(dbx_list(c->data, "globalInitScripts"), i, script)
        json_array_append_new(found, dbx_visible(script));
    az_reply_json(c->res, 200, json_pack("{s:o}", "scripts", found));
}

static void list_none(struct dbx_call *c)
{
    az_reply_json(c->res, 200, json_object());
}

const struct dbx_route dbx_setting_routes[] = {
    {"GET", "workspace-conf", get_conf, false},
    {"PATCH", "workspace-conf", patch_conf, false},
    {"GET", "ip-access-lists", list_ip_lists, false},
    {"POST", "ip-access-lists", create_ip_list, false},
    {"GET", "ip-access-lists/*", get_ip_list, false},
    {"DELETE", "ip-access-lists/*", delete_ip_list, false},
    {"GET", "scim/v2/Me", get_me, false},
    {"GET", "scim/v2/ServicePrincipals", list_principals, false},
    {"POST", "workspace/import", import_notebook, false},
    {"GET", "workspace/export", export_notebook, false},
    {"POST", "workspace/delete", delete_notebook, false},
    {"GET", "policies/clusters/list", list_policies, true},
    {"GET", "global-init-scripts", list_scripts, false},
    {"GET", "serving-endpoints", list_none, false},
    {"GET", "apps", list_none, false},
    {"GET", "vector-search/endpoints", list_none, false},
    {NULL, NULL, NULL, false},
};

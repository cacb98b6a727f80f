/* /api/2.x/clusters: create, edit, start, delete, list, events, and the catalog of node types and runtimes. */
#include "tests/azure/databricks.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TAGS_MAX 45
#define TOKEN_BYTES_MAX 64
#define PINNED_MAX 100

/* ---- helpers ---------------------------------------------------------------------------------------------------------------- */

/* The cluster that the request names. NULL after replying. */
static json_t *cluster_of(struct dbx_call *c)
{
    const char *id = dbx_param(c, "cluster_id");
    if (id == NULL)
        return NULL;
    json_t *cluster = dbx_find(c->data, "clusters", "cluster_id", id);
    if (cluster == NULL)
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Cluster %s does not exist", id);
    return cluster;
}

static const char *id_of(const json_t *cluster)
{
    return az_str(cluster, "cluster_id");
}

static bool is_state(const json_t *cluster, const char *state)
{
    return strcmp(az_str(cluster, "state"), state) == 0;
}

static void reply_done(struct dbx_call *c)
{
    az_reply_json(c->res, 200, json_object());
}

static json_t *brief(const json_t *cluster)
{
    return json_pack("{s:s,s:s}", "state", az_str(cluster, "state"), "cluster_name",
                     az_str(cluster, "cluster_name"));
}

/* ---- create ------------------------------------------------------------------------------------------------------------------ */

static const char *wrong_size(const json_t *body)
{
    const json_t *workers = json_object_get(body, "num_workers");
    const json_t *scale = json_object_get(body, "autoscale");
    bool is_single = az_bool(body, "is_single_node", false);
    if (workers != NULL && scale != NULL)
        return "Only one of num_workers and autoscale may be given";
    if (workers == NULL && scale == NULL && !is_single)
        return "One of num_workers and autoscale must be given";
    if (workers != NULL && (!json_is_integer(workers) || json_integer_value(workers) < 0))
        return "num_workers must be a number that is not negative";
    return NULL;
}

static const char *wrong_field(const json_t *body, char buf[256])
{
    const char *spark = az_str(body, "spark_version"), *node = az_str(body, "node_type_id");
    int64_t idle = az_int(body, "autotermination_minutes", 0);
    if (spark[0] == '\0')
        return "Missing required field: spark_version";
    if (!dbx_has_spark_version(spark)) {
        snprintf(buf, 256, "Invalid spark version %.100s.", spark);
        return buf;
    }
    if (node[0] == '\0' && az_str(body, "instance_pool_id")[0] == '\0')
        return "Missing required field: node_type_id";
    if (node[0] != '\0' && !dbx_has_node_type(node)) {
        snprintf(buf, 256, "Node type %.100s is not supported.", node);
        return buf;
    }
    if (idle != 0 && (idle < 10 || idle > 10000))
        return "autotermination_minutes must be 0 or between 10 and 10000";
    if (json_object_size(json_object_get(body, "custom_tags")) > TAGS_MAX)
        return "A cluster may have at most 45 custom tags";
    if (strlen(az_str(body, "idempotency_token")) > TOKEN_BYTES_MAX)
        return "idempotency_token is longer than 64 characters";
    return wrong_size(body);
}

static bool is_refused(struct dbx_call *c)
{
    char buf[256];
    const char *policy = az_str(c->call->body, "policy_id");
    const char *wrong = wrong_field(c->call->body, buf);
    if (wrong != NULL) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "%s", wrong);
        return true;
    }
    if (policy[0] != '\0' && dbx_find(c->data, "policies", "policy_id", policy) == NULL) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Cluster policy %s does not exist", policy);
        return true;
    }
    if (policy[0] == '\0' && az_bool(c->data, "policyRequired", false)) {
        dbx_error(c, 403, "PERMISSION_DENIED",
                  "You are not authorized to create clusters. Please use a cluster policy.");
        return true;
    }
    return false;
}

static const char *new_id(struct dbx_call *c, char buf[64])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    time_t now_s = (time_t)(az_now(c->m) / 1000);
    struct tm tm;
    gmtime_r(&now_s, &tm);
    size_t n = strftime(buf, 64, "%m%d-%H%M%S-", &tm);
    for (size_t i = 0; i < 8; i++)
        buf[n + i] = letters[(az_random(c->m) >> 33) % (sizeof letters - 1)];
    buf[n + 8] = '\0';
    return buf;
}

static json_t *new_cluster(struct dbx_call *c, const json_t *spec)
{
    char id[64];
    const char *name, *who = c->call->who.app_id;
    json_t *value, *cluster = json_object();
    json_object_foreach((json_t *)spec, name, value)
        if (name[0] != '_' && strcmp(name, "idempotency_token") != 0)
            json_object_set_new(cluster, name, az_copy(value));
    az_set_str(cluster, "cluster_id", new_id(c, id));
    if (json_object_get(cluster, "cluster_name") == NULL)
        az_set_str(cluster, "cluster_name", id);
    if (json_object_get(cluster, "driver_node_type_id") == NULL)
        az_set_str(cluster, "driver_node_type_id", az_str(cluster, "node_type_id"));
    if (az_bool(cluster, "is_single_node", false))
        json_object_set_new(cluster, "num_workers", json_integer(0));
    if (json_object_get(cluster, "autotermination_minutes") == NULL)
        json_object_set_new(cluster, "autotermination_minutes", json_integer(0));
    az_set_str(cluster, "cluster_source", "API");
    az_set_str(cluster, "creator_user_name", who);
    json_object_set_new(cluster, "default_tags",
                        json_pack("{s:s,s:s,s:s,s:s}", "Vendor", "Databricks", "Creator", who, "ClusterName",
                                  az_str(cluster, "cluster_name"), "ClusterId", id));
    az_set_str(cluster, "_token", az_str(spec, "idempotency_token"));
    return cluster;
}

const char *dbx_cluster_for_run(struct dbx_call *c, const json_t *spec, const char *name)
{
    char buf[256];
    const char *wrong = wrong_field(spec, buf);
    if (wrong != NULL) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "new_cluster: %s", wrong);
        return NULL;
    }
    json_t *cluster = new_cluster(c, spec);
    az_set_str(cluster, "cluster_source", "JOB");
    az_set_str(cluster, "cluster_name", name);
    json_array_append_new(dbx_list(c->data, "clusters"), cluster);
    dbx_cluster_launch(c->m, c->workspace, cluster, "CREATING", c->call->who.app_id);
    return id_of(cluster);
}

static void create(struct dbx_call *c)
{
    const char *token = az_str(c->call->body, "idempotency_token");
    if (is_refused(c))
        return;
    json_t *cluster = token[0] != '\0' ? dbx_find(c->data, "clusters", "_token", token) : NULL;
    bool is_new = cluster == NULL || is_state(cluster, "TERMINATED");
    if (is_new) {
        cluster = new_cluster(c, c->call->body);
        json_array_append_new(dbx_list(c->data, "clusters"), cluster);
        dbx_cluster_launch(c->m, c->workspace, cluster, "CREATING", c->call->who.app_id);
    }
    az_reply_json(c->res, 200, json_pack("{s:s}", "cluster_id", id_of(cluster)));
    json_t *after = brief(cluster);
    dbx_ledger(c, "clusters/create", id_of(cluster), is_new, NULL, after);
    json_decref(after);
}

static void edit(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    if (cluster == NULL || is_refused(c))
        return;
    if (!is_state(cluster, "RUNNING") && !is_state(cluster, "TERMINATED")) {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is in unexpected state %s.", id_of(cluster),
                  az_str(cluster, "state"));
        return;
    }
    const char *name;
    json_t *value, *before = dbx_visible(cluster);
    json_object_foreach(c->call->body, name, value)
        if (name[0] != '_' && strcmp(name, "cluster_id") != 0)
            json_object_set_new(cluster, name, az_copy(value));
    dbx_cluster_event(c->m, cluster, "EDITED", json_pack("{s:s}", "user", c->call->who.app_id));
    if (is_state(cluster, "RUNNING"))
        dbx_cluster_launch(c->m, c->workspace, cluster, "RESTARTING", c->call->who.app_id);
    reply_done(c);
    dbx_ledger(c, "clusters/edit", id_of(cluster), true, before, c->call->body);
    json_decref(before);
}

static void change_owner(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    const char *owner = cluster != NULL ? dbx_body_str(c, "owner_username") : NULL;
    if (owner == NULL)
        return;
    if (!is_state(cluster, "TERMINATED")) {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is in unexpected state %s.", id_of(cluster),
                  az_str(cluster, "state"));
        return;
    }
    bool is_changed = !az_ieq(az_str(cluster, "creator_user_name"), owner);
    az_set_str(cluster, "creator_user_name", owner);
    reply_done(c);
    dbx_ledger(c, "clusters/change-owner", id_of(cluster), is_changed, NULL, c->call->body);
}

/* Takes over what the mask names, one member after the other. */
static void apply_mask(json_t *cluster, const json_t *fields, const char *mask)
{
    char name[80];
    for (; *mask != '\0'; mask += strspn(mask, ", ")) {
        size_t n = strcspn(mask, ", ");
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), mask);
        mask += n;
        const json_t *value = json_object_get(fields, name);
        if (name[0] != '_' && strcmp(name, "cluster_id") != 0 && value != NULL)
            json_object_set_new(cluster, name, az_copy(value));
    }
}

static void update(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    const char *mask = cluster != NULL ? dbx_body_str(c, "update_mask") : NULL;
    if (mask == NULL)
        return;
    if (!is_state(cluster, "RUNNING") && !is_state(cluster, "TERMINATED")) {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is in unexpected state %s.", id_of(cluster),
                  az_str(cluster, "state"));
        return;
    }
    char buf[256];
    json_t *before = dbx_visible(cluster), *after = dbx_visible(cluster);
    apply_mask(after, json_object_get(c->call->body, "cluster"), mask);
    const char *wrong = wrong_field(after, buf);
    if (wrong != NULL) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "%s", wrong);
    } else {
        (void)json_object_update(cluster, after);
        dbx_cluster_event(c->m, cluster, "EDITED", json_pack("{s:s}", "user", c->call->who.app_id));
        if (is_state(cluster, "RUNNING"))
            dbx_cluster_launch(c->m, c->workspace, cluster, "RESTARTING", c->call->who.app_id);
        reply_done(c);
        dbx_ledger(c, "clusters/update", id_of(cluster), true, before, c->call->body);
    }
    json_decref(before);
    json_decref(after);
}

/* ---- states ------------------------------------------------------------------------------------------------------------------ */

static void start(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    if (cluster == NULL)
        return;
    const char *state = az_str(cluster, "state");
    if (strcmp(az_str(cluster, "cluster_source"), "JOB") == 0) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Cluster %s is a job cluster and cannot be started.",
                  id_of(cluster));
    } else if (strcmp(state, "TERMINATED") == 0) {
        dbx_cluster_launch(c->m, c->workspace, cluster, "STARTING", c->call->who.app_id);
        reply_done(c);
        dbx_ledger(c, "clusters/start", id_of(cluster), true, NULL, NULL);
    } else if (strcmp(state, "RUNNING") == 0 || strcmp(state, "RESIZING") == 0) {
        reply_done(c);
        dbx_ledger(c, "clusters/start", id_of(cluster), false, NULL, NULL);
    } else {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is in unexpected state %c%s.", id_of(cluster),
                  state[0],
                  strcmp(state, "PENDING") == 0       ? "ending"
                  : strcmp(state, "TERMINATING") == 0 ? "erminating"
                                                      : "estarting");
    }
}

static void restart(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    if (cluster == NULL)
        return;
    if (!is_state(cluster, "RUNNING")) {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is in unexpected state %s.", id_of(cluster),
                  az_str(cluster, "state"));
        return;
    }
    dbx_cluster_launch(c->m, c->workspace, cluster, "RESTARTING", c->call->who.app_id);
    reply_done(c);
    dbx_ledger(c, "clusters/restart", id_of(cluster), true, NULL, NULL);
}

static void delete_cluster(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    if (cluster == NULL)
        return;
    bool is_alive = !is_state(cluster, "TERMINATED") && !is_state(cluster, "TERMINATING");
    json_t *before = brief(cluster);
    dbx_cluster_terminate(c->m, c->workspace, cluster, "USER_REQUEST", "SUCCESS", c->call->who.app_id,
                          "Terminated by user");
    reply_done(c);
    json_t *after = brief(cluster);
    dbx_ledger(c, "clusters/delete", id_of(cluster), is_alive, before, after);
    json_decref(before);
    json_decref(after);
}

static void permanent_delete(struct dbx_call *c)
{
    char id[DBX_ID_BYTES * 2];
    json_t *cluster = cluster_of(c);
    if (cluster == NULL)
        return;
    if (az_bool(cluster, "_isPinned", false)) {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is pinned. Please unpin the cluster first.",
                  id_of(cluster));
        return;
    }
    snprintf(id, sizeof id, "%s", id_of(cluster));
    dbx_cluster_release(c->m, c->workspace, cluster);
    json_t *before = brief(cluster);
    dbx_remove(c->data, "clusters", cluster);
    reply_done(c);
    dbx_ledger(c, "clusters/permanent-delete", id, true, before, NULL);
    json_decref(before);
}

static void set_pinned(struct dbx_call *c, bool is_pinned)
{
    size_t i, count = 0;
    json_t *other, *cluster = cluster_of(c);
    if (cluster == NULL)
        return;
    json_array_foreach(json_object_get(c->data, "clusters"), i, other)
        count += az_bool(other, "_isPinned", false);
    if (is_pinned && count >= PINNED_MAX) {
        dbx_error(c, 400, "QUOTA_EXCEEDED", "At most %d clusters may be pinned.", PINNED_MAX);
        return;
    }
    bool is_changed = az_bool(cluster, "_isPinned", false) != is_pinned;
    json_object_set_new(cluster, "_isPinned", json_boolean(is_pinned));
    if (is_changed)
        dbx_cluster_event(c->m, cluster, is_pinned ? "PINNED" : "UNPINNED",
                          json_pack("{s:s}", "user", c->call->who.app_id));
    reply_done(c);
    dbx_ledger(c, is_pinned ? "clusters/pin" : "clusters/unpin", id_of(cluster), is_changed, NULL, NULL);
}

static void pin(struct dbx_call *c)
{
    set_pinned(c, true);
}

static void unpin(struct dbx_call *c)
{
    set_pinned(c, false);
}

static void resize(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    if (cluster == NULL)
        return;
    if (!is_state(cluster, "RUNNING")) {
        dbx_error(c, 400, "INVALID_STATE", "Cluster %s is in unexpected state %s.", id_of(cluster),
                  az_str(cluster, "state"));
        return;
    }
    int64_t workers = az_int(c->call->body, "num_workers", az_int(cluster, "num_workers", 0));
    dbx_cluster_event(c->m, cluster, "RESIZING",
                      json_pack("{s:I}", "target_num_workers", (json_int_t)workers));
    if (dbx_nodes_take(c->m, c->workspace, cluster, id_of(cluster),
                       1 + (size_t)(workers > 0 ? workers : 0)) == 0) {
        json_object_set_new(cluster, "num_workers", json_integer((json_int_t)workers));
        dbx_cluster_event(c->m, cluster, "UPSIZE_COMPLETED",
                          json_pack("{s:I}", "current_num_workers", (json_int_t)workers));
    }
    reply_done(c);
    dbx_ledger(c, "clusters/resize", id_of(cluster), true, NULL, c->call->body);
}

/* ---- reads ------------------------------------------------------------------------------------------------------------------- */

static void get(struct dbx_call *c)
{
    json_t *cluster = cluster_of(c);
    if (cluster != NULL)
        az_reply_json(c->res, 200, dbx_visible(cluster));
}

/* Does a repeated query parameter, when it is there at all, name this value? */
static bool passes(const struct dbx_call *c, const char *filter, const char *value)
{
    bool is_given = false;
    for (size_t i = 0; i < c->call->query_count; i++) {
        if (strcmp(c->call->query[i].name, filter) != 0)
            continue;
        is_given = true;
        if (az_ieq(c->call->query[i].value, value))
            return true;
    }
    return !is_given;
}

static void list(struct dbx_call *c)
{
    size_t i;
    json_t *cluster, *found = json_array();
    json_array_foreach(json_object_get(c->data, "clusters"), i, cluster) {
        const char *pinned = az_bool(cluster, "_isPinned", false) ? "true" : "false";
        if (passes(c, "filter_by.cluster_states", az_str(cluster, "state")) &&
            passes(c, "filter_by.cluster_sources", az_str(cluster, "cluster_source")) &&
            passes(c, "filter_by.is_pinned", pinned) &&
            passes(c, "filter_by.policy_id", az_str(cluster, "policy_id")))
            json_array_append_new(found, dbx_visible(cluster));
    }
    dbx_reply_page(c, "clusters", found, "page_size", 20);
}

static bool is_wanted_event(const json_t *types, const json_t *event)
{
    size_t i;
    const json_t *type;
    if (json_array_size(types) == 0)
        return true;
    json_array_foreach(types, i, type)
        if (az_ieq(json_string_value(type), az_str(event, "type")))
            return true;
    return false;
}

static void events(struct dbx_call *c)
{
    json_t *found = json_array(), *cluster = cluster_of(c);
    if (cluster == NULL) {
        json_decref(found);
        return;
    }
    const json_t *all = json_object_get(cluster, "_events"),
                 *types = json_object_get(c->call->body, "event_types");
    bool is_ascending = az_ieq(az_str(c->call->body, "order"), "ASC");
    size_t count = json_array_size(all);
    for (size_t i = 0; i < count; i++) {
        json_t *event = json_array_get(all, is_ascending ? i : count - 1 - i);
        if (is_wanted_event(types, event))
            json_array_append(found, event);
    }
    json_int_t total = (json_int_t)json_array_size(found);
    json_t *answer = dbx_page(c, "events", found, "page_size", 50);
    json_object_set_new(answer, "total_count", json_integer(total));
    az_reply_json(c->res, 200, answer);
}

static void list_node_types(struct dbx_call *c)
{
    const json_t *not_available = az_at(c->data, "capacity.notAvailable");
    size_t i, k;
    json_t *type, *missing;
    if (json_array_size(not_available) == 0) {
        az_reply_text(c->res, 200, AZ_JSON, dbx_node_types_text());
        return;
    }
    json_t *all = dbx_node_types(), *answer = az_copy(all);
    json_decref(all);
    json_array_foreach(json_object_get(answer, "node_types"), i, type)
        json_array_foreach(not_available, k, missing)
            if (strcmp(json_string_value(missing), az_str(type, "node_type_id")) == 0)
                json_object_set_new(type, "node_info",
                                    json_pack("{s:[s]}", "status", "NotEnabledOnSubscription"));
    az_reply_json(c->res, 200, answer);
}

static void spark_versions(struct dbx_call *c)
{
    az_reply_text(c->res, 200, AZ_JSON, dbx_spark_versions_text());
}

static void list_zones(struct dbx_call *c)
{
    az_reply_json(c->res, 200, json_pack("{s:[],s:s}", "zones", "default_zone", "auto"));
}

const struct dbx_route dbx_cluster_routes[] = {
    {"POST", "clusters/create", create, true},
    {"POST", "clusters/edit", edit, true},
    {"POST", "clusters/update", update, true},
    {"POST", "clusters/change-owner", change_owner, true},
    {"POST", "clusters/start", start, true},
    {"POST", "clusters/restart", restart, true},
    {"POST", "clusters/resize", resize, true},
    {"POST", "clusters/delete", delete_cluster, true},
    {"POST", "clusters/permanent-delete", permanent_delete, true},
    {"POST", "clusters/pin", pin, true},
    {"POST", "clusters/unpin", unpin, true},
    {"POST", "clusters/events", events, true},
    {"GET", "clusters/get", get, true},
    {"GET", "clusters/list", list, true},
    {"GET", "clusters/list-node-types", list_node_types, true},
    {"GET", "clusters/spark-versions", spark_versions, false},
    {"GET", "clusters/list-zones", list_zones, false},
    {NULL, NULL, NULL, false},
};

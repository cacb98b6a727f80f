#include <strings.h>

#include "common/azure/databricks_impl.h"

#define CLUSTER_POLL_MS 10000
#define CLUSTER_POLL_MS_MAX 30000 /* a start takes minutes */
#define AUTOTERMINATION_MINUTES 10
#define TAG "causeway"

struct cw_termination cw_dbx_termination(const json_t *reason, struct cw_arena *mem)
{
    struct cw_termination t = {.code = cw_read_str(reason, "code"), .type = cw_read_str(reason, "type")};
    const char *text = cw_read_str(reason, "parameters/databricks_error_message");
    const char *azure_code = cw_read_str(reason, "parameters/azure_error_code");
    const char *azure_text = cw_read_str(reason, "parameters/azure_error_message");
    t.message = text;
    if (azure_code != NULL || azure_text != NULL)
        t.message =
            cw_arena_printf(mem, "%s%s%s: %s", text != NULL ? text : "", text != NULL ? "; " : "",
                            azure_code != NULL ? azure_code : "Azure", azure_text != NULL ? azure_text : "");
    return t;
}

static struct cw_cluster read_cluster(const json_t *v, struct cw_arena *mem)
{
    return (struct cw_cluster){
        .id = cw_json_str(v, "cluster_id", ""),
        .name = cw_json_str(v, "cluster_name", ""),
        .state = cw_json_str(v, "state", "UNKNOWN"),
        .state_message = cw_read_str(v, "state_message"),
        .source = cw_json_str(v, "cluster_source", "UI"),
        .node_type = cw_read_str(v, "node_type_id"),
        .spark_version = cw_read_str(v, "spark_version"),
        .creator = cw_read_str(v, "creator_user_name"),
        .termination = cw_dbx_termination(cw_json_at(v, "termination_reason"), mem),
        .tag = cw_read_str(v, "custom_tags/" TAG),
        .start_ms = cw_json_int(v, "start_time", 0),
        .is_pinned =
            cw_json_int(v, "pinned_by_user_name", 0) != 0 || cw_read_str(v, "pinned_by_user_name") != NULL,
    };
}

int cw_databricks_list_clusters(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const struct cw_cluster **ret_clusters,
                                size_t *ret_count, struct cw_err *err)
{
    json_t *items = NULL;
    int r =
        cw_dbx_list(d, call, target, "/api/2.1/clusters/list?page_size=100", "clusters", false, &items, err);
    if (r < 0)
        return r;
    struct cw_cluster *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v)
        out[i] = read_cluster(v, call->mem);
    *ret_clusters = out;
    *ret_count = json_array_size(items);
    return cw_check_mem(call, err);
}

static int get_cluster_doc(struct cw_databricks *d, const struct cw_call *call,
                           const struct cw_target *target, const char *cluster_id, json_t **ret_doc,
                           struct cw_err *err)
{
    const char *id = cw_dbx_encoded(call->mem, cluster_id);
    const char *path =
        cw_arena_printf(call->mem, "/api/2.1/clusters/get?cluster_id=%s", id != NULL ? id : "");
    if (path == NULL)
        return cw_check_mem(call, err);
    return cw_databricks_get(d, call, target, path, ret_doc, err);
}

int cw_databricks_get_cluster(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *cluster_id,
                              struct cw_cluster *ret_cluster, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = get_cluster_doc(d, call, target, cluster_id, &doc, err);
    if (r < 0)
        return r;
    *ret_cluster = read_cluster(doc, call->mem);
    return cw_check_mem(call, err);
}

int cw_databricks_find_cluster(struct cw_databricks *d, const struct cw_call *call,
                               const struct cw_target *target, const char *name,
                               struct cw_cluster *ret_cluster, struct cw_err *err)
{
    const struct cw_cluster *clusters = NULL;
    size_t count = 0;
    int r = cw_databricks_list_clusters(d, call, target, &clusters, &count, err);
    if (r < 0)
        return r;
    const struct cw_cluster *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (cw_z_eq(clusters[i].name, name) && (found == NULL || clusters[i].start_ms > found->start_ms))
            found = &clusters[i];
    if (found == NULL)
        return cw_err_set(err, CW_ENOTFOUND, "no cluster is named %s", name);
    *ret_cluster = *found;
    return 0;
}

int cw_databricks_create_cluster(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const struct cw_cluster_goal *goal,
                                 const char **ret_cluster_id, struct cw_err *err)
{
    int minutes = goal->autotermination_minutes > 0 ? goal->autotermination_minutes : AUTOTERMINATION_MINUTES;
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack(
        "{s:s,s:s,s:s,s:i,s:{s:s,s:s},s:{s:s},s:i,s:{s:s,s:i},s:s}", "cluster_name", goal->name,
        "spark_version", goal->spark_version, "node_type_id", goal->node_type, "num_workers", 0, "spark_conf",
        "spark.databricks.cluster.profile", "singleNode", "spark.master", "local[*]", "custom_tags",
        "ResourceClass", "SingleNode", "autotermination_minutes", minutes, "azure_attributes", "availability",
        "ON_DEMAND_AZURE", "first_on_demand", 1, "idempotency_token", goal->idempotency_token);
    bool ok = body != NULL;
    if (ok && goal->tag != NULL)
        ok = cw_json_set_str(json_object_get(body, "custom_tags"), TAG, goal->tag);
    if (ok && goal->single_user != NULL)
        ok = cw_json_set_str(body, "data_security_mode", "SINGLE_USER") &&
             cw_json_set_str(body, "single_user_name", goal->single_user);
    if (!ok)
        return cw_err_set(err, CW_ENOMEM, "cluster");
    json_t *doc = NULL;
    int r = cw_databricks_post(d, call, target, "/api/2.1/clusters/create", body, &doc, err);
    return r < 0 ? r : cw_json_need_str(doc, "cluster_id", ret_cluster_id, err);
}

int cw_databricks_start_cluster(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const char *cluster_id, struct cw_err *err)
{
    int r = cw_dbx_post_id(d, call, target, "/api/2.1/clusters/start", "cluster_id", cluster_id, err);
    bool already = r < 0 && (cw_z_contains_nocase(err->text, "unexpected state Pending") ||
                             cw_z_contains_nocase(err->text, "unexpected state Running") ||
                             cw_z_contains_nocase(err->text, "unexpected state Restarting") ||
                             cw_z_contains_nocase(err->text, "unexpected state Resizing"));
    if (!already)
        return r;
    cw_err_clear(err);
    return 0;
}

/* Gone is as good as done. */
static int unless_gone(int r, struct cw_err *err)
{
    if (r != -CW_ENOTFOUND)
        return r;
    cw_err_clear(err);
    return 0;
}

int cw_databricks_delete_cluster(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const char *cluster_id, struct cw_err *err)
{
    return unless_gone(
        cw_dbx_post_id(d, call, target, "/api/2.1/clusters/delete", "cluster_id", cluster_id, err), err);
}

int cw_databricks_permanent_delete_cluster(struct cw_databricks *d, const struct cw_call *call,
                                           const struct cw_target *target, const char *cluster_id,
                                           struct cw_err *err)
{
    static const char path[] = "/api/2.1/clusters/permanent-delete";
    int r = cw_dbx_post_id(d, call, target, path, "cluster_id", cluster_id, err);
    if (r < 0 && cw_z_contains_nocase(err->text, "unpin")) {
        cw_err_clear(err);
        r = cw_dbx_post_id(d, call, target, "/api/2.1/clusters/unpin", "cluster_id", cluster_id, err);
        if (r == 0)
            r = cw_dbx_post_id(d, call, target, path, "cluster_id", cluster_id, err);
    }
    return unless_gone(r, err);
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

static bool is_state(const char *state, const char *one)
{
    return cw_z_eq_nocase(state, one);
}

/* Is the wait over, well or not? */
static bool is_settled(const char *state, const char *wanted)
{
    if (is_state(state, wanted) || is_state(state, "ERROR"))
        return true;
    if (is_state(wanted, "RUNNING"))
        return is_state(state, "RESIZING") || is_state(state, "TERMINATING") || is_state(state, "TERMINATED");
    return false;
}

/* Keep the last look for the caller. */
static int keep_cluster(const struct cw_call *call, json_t *doc, struct cw_cluster *ret_cluster,
                        struct cw_err *err)
{
    if (!cw_arena_defer(call->mem, (void (*)(void *))json_decref, json_incref(doc)))
        return cw_err_set(err, CW_ENOMEM, "cluster");
    *ret_cluster = read_cluster(doc, call->mem);
    return cw_check_mem(call, err);
}

/* The deadline passed: its error stays. */
static int keep_last(const struct cw_call *call, const char *last, struct cw_cluster *ret_cluster,
                     struct cw_err *err)
{
    struct cw_err parse_err = {0};
    CW_AUTO(cw_auto_json) json_t *doc = NULL;
    if (last == NULL || cw_json_parse(last, strlen(last), DBX_SCRATCH_BYTES_MAX, &doc, &parse_err) < 0)
        return cw_err_set(err, CW_ENOMEM, "cluster");
    int r = keep_cluster(call, doc, ret_cluster, &parse_err);
    if (r < 0)
        *err = parse_err;
    return r < 0 ? r : -CW_ETIMEDOUT;
}

int cw_databricks_wait_cluster(struct cw_databricks *d, const struct cw_call *call,
                               const struct cw_target *target, const char *cluster_id,
                               const char *wanted_state, struct cw_cluster *ret_cluster, struct cw_err *err)
{
    int64_t since = cw_wall_ms(), poll_ms = CLUSTER_POLL_MS;
    CW_AUTO(cw_auto_str) char *last = NULL; /* a tenth of the parsed document's size */
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(DBX_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "cluster");
    for (;;) {
        struct cw_call looking = cw_dbx_call_in(call, scratch);
        json_t *doc = NULL;
        int r = get_cluster_doc(d, &looking, target, cluster_id, &doc, err);
        if (r == -CW_ENOTFOUND && is_state(wanted_state, "TERMINATED")) {
            cw_err_clear(err);
            *ret_cluster =
                (struct cw_cluster){.id = cluster_id, .name = "", .state = "TERMINATED", .source = ""};
            return 0;
        }
        if (r < 0)
            return r;
        const char *state = cw_json_str(doc, "state", "UNKNOWN");
        if (is_settled(state, wanted_state))
            return keep_cluster(call, doc, ret_cluster, err);
        const char *message = cw_read_str(doc, "state_message");
        char detail[200];
        (void)snprintf(detail, sizeof detail, "%s%s%.150s", state, message != NULL ? ": " : "",
                       message != NULL ? message : "");
        struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER,
                                     .what = cluster_id,
                                     .detail = detail,
                                     .percent = -1,
                                     .since_wall_ms = since};
        free(last);
        last = cw_json_print(doc);
        cw_arena_reset(scratch);
        r = cw_arm_pause(cw_databricks_arm(d), call, waiting, poll_ms, 0, err);
        poll_ms = CW_MIN(poll_ms * 5 / 4, (int64_t)CLUSTER_POLL_MS_MAX);
        if (r == -CW_ETIMEDOUT)
            return keep_last(call, last, ret_cluster, err);
        if (r < 0)
            return r;
    }
}

int cw_databricks_list_events(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *cluster_id,
                              const struct cw_cluster_event **ret_events, size_t *ret_count,
                              struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:s,s:i}", "cluster_id", cluster_id, "order", "DESC", "page_size", 50);
    json_t *doc = NULL;
    int r = cw_check_built(body, err);
    if (r < 0)
        return r;
    struct cw_dbx_req req = {.method = "POST", .path = "/api/2.1/clusters/events", .body = body};
    r = cw_dbx_send(d, call, target, &req, &doc, err);
    if (r < 0)
        return r;
    const json_t *events = cw_json_at(doc, "events");
    struct cw_cluster_event *out = cw_arena_alloc_array(call->mem, json_array_size(events) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(events, i, v) {
        out[i] = (struct cw_cluster_event){
            .type = cw_json_str(v, "type", ""),
            .time_ms = cw_json_int(v, "timestamp", 0),
            .reason = cw_dbx_termination(cw_json_at(v, "details/reason"), call->mem),
        };
    }
    *ret_events = out;
    *ret_count = json_array_size(events);
    return cw_check_mem(call, err);
}

/* --- choosing ------------------------------------------------------------------------------------------------------ */

static bool is_excepted(const char *id, const char *const *except)
{
    for (; except != NULL && *except != NULL; except++)
        if (cw_z_eq_nocase(*except, id))
            return true;
    return false;
}

static bool is_usable(const json_t *v)
{
    size_t i;
    json_t *status;
    json_array_foreach(cw_json_at(v, "node_info/status"), i, status) {
        const char *z = json_string_value(status);
        if (z != NULL && (is_state(z, "NotAvailableInRegion") || is_state(z, "NotEnabledOnSubscription")))
            return false;
    }
    return !cw_json_bool(v, "is_deprecated", false) && !cw_json_bool(v, "is_hidden", false) &&
           cw_json_int(v, "num_gpus", 0) == 0;
}

static bool is_smaller(const json_t *a, const json_t *b)
{
    double cores_a = json_number_value(json_object_get(a, "num_cores"));
    double cores_b = json_number_value(json_object_get(b, "num_cores"));
    if (cores_a < cores_b || cores_b < cores_a)
        return cores_a < cores_b;
    return cw_json_int(a, "memory_mb", 0) < cw_json_int(b, "memory_mb", 0);
}

int cw_databricks_smallest_node_type(struct cw_databricks *d, const struct cw_call *call,
                                     const struct cw_target *target, const char *const *except,
                                     const char **ret_node_type, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(DBX_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "node types");
    struct cw_call looking = cw_dbx_call_in(call, scratch);
    json_t *doc = NULL;
    int r = cw_databricks_get(d, &looking, target, "/api/2.1/clusters/list-node-types", &doc, err);
    if (r < 0)
        return r;
    const json_t *best = NULL;
    size_t i;
    json_t *v;
    json_array_foreach(cw_json_at(doc, "node_types"), i, v) {
        const char *id = cw_read_str(v, "node_type_id");
        if (id == NULL || is_excepted(id, except) || !is_usable(v))
            continue;
        if (best == NULL || is_smaller(v, best))
            best = v;
    }
    if (best == NULL)
        return cw_err_set(err, CW_ENOTFOUND, "the workspace offers no usable node type");
    *ret_node_type = cw_arena_strdup(call->mem, cw_read_str(best, "node_type_id"));
    return cw_check_mem(call, err);
}

static bool is_plain_lts(const char *key, const char *name)
{
    static const char *const not_these[] = {"-ml-",      "-gpu-", "-photon-",
                                            "-aarch64-", "-hls-", "apache-spark-"};
    for (size_t i = 0; i < CW_ARRAY_LEN(not_these); i++)
        if (strstr(key, not_these[i]) != NULL)
            return false;
    bool is_lts = strstr(name, "LTS") != NULL || strstr(key, "-esr-") != NULL;
    return is_lts && strstr(name, "Beta") == NULL && strstr(key, "-scala2.1") != NULL;
}

static int64_t version_number(const char *key)
{
    char *rest = NULL;
    long major = strtol(key, &rest, 10);
    long minor = rest != NULL && *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    return (int64_t)major * 10000 + minor;
}

int cw_databricks_latest_lts(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, const char **ret_spark_version,
                             struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(DBX_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "runtimes");
    struct cw_call looking = cw_dbx_call_in(call, scratch);
    json_t *doc = NULL;
    int r = cw_databricks_get(d, &looking, target, "/api/2.1/clusters/spark-versions", &doc, err);
    if (r < 0)
        return r;
    const char *best = NULL;
    size_t i;
    json_t *v;
    json_array_foreach(cw_json_at(doc, "versions"), i, v) {
        const char *key = cw_json_str(v, "key", "");
        if (!is_plain_lts(key, cw_json_str(v, "name", "")))
            continue;
        int64_t newer = best == NULL ? 1 : version_number(key) - version_number(best);
        if (newer > 0 || (newer == 0 && strcmp(key, best) > 0))
            best = key;
    }
    if (best == NULL)
        return cw_err_set(err, CW_ENOTFOUND, "the workspace offers no runtime with long-term support");
    *ret_spark_version = cw_arena_strdup(call->mem, best);
    return cw_check_mem(call, err);
}

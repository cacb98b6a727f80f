#include <strings.h>

#include "common/azure/databricks_impl.h"

#define COMMAND_POLL_MS 2000
#define CONTEXT_RETRY_MS 5000
#define CONTEXT_PATIENCE_MS (5 * 60000)

/* --- SQL warehouses --------------------------------------------------------------------------------------------------- */

static struct cw_warehouse read_warehouse(const json_t *v)
{
    return (struct cw_warehouse){
        .id = cw_json_str(v, "id", ""),
        .name = cw_json_str(v, "name", ""),
        .state = cw_json_str(v, "state", "UNKNOWN"),
        .type = cw_json_str(v, "warehouse_type", "CLASSIC"),
        .is_serverless = cw_json_bool(v, "enable_serverless_compute", false),
        .min_clusters = cw_json_int(v, "min_num_clusters", 1),
        .auto_stop_minutes = cw_json_int(v, "auto_stop_mins", 0),
    };
}

int cw_databricks_list_warehouses(struct cw_databricks *d, const struct cw_call *call,
                                  const struct cw_target *target, const struct cw_warehouse **ret_warehouses,
                                  size_t *ret_count, struct cw_err *err)
{
    json_t *items = NULL;
    int r = cw_dbx_list(d, call, target, "/api/2.0/sql/warehouses", "warehouses", true, &items, err);
    if (r < 0)
        return r;
    struct cw_warehouse *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v)
        out[i] = read_warehouse(v);
    *ret_warehouses = out;
    *ret_count = json_array_size(items);
    return 0;
}

static const char *warehouse_path(const struct cw_call *call, const char *id, const char *action)
{
    const char *encoded = cw_dbx_encoded(call->mem, id);
    return encoded != NULL ? cw_arena_printf(call->mem, "/api/2.0/sql/warehouses/%s%s", encoded, action)
                           : NULL;
}

int cw_databricks_get_warehouse(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const char *id,
                                struct cw_warehouse *ret_warehouse, struct cw_err *err)
{
    const char *path = warehouse_path(call, id, "");
    json_t *doc = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_databricks_get(d, call, target, path, &doc, err);
    if (r == 0)
        *ret_warehouse = read_warehouse(doc);
    return r;
}

static int act_on_warehouse(struct cw_databricks *d, const struct cw_call *call,
                            const struct cw_target *target, const char *id, const char *action,
                            struct cw_err *err)
{
    const char *path = warehouse_path(call, id, action);
    json_t *doc = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    return cw_databricks_post(d, call, target, path, NULL, &doc, err);
}

int cw_databricks_start_warehouse(struct cw_databricks *d, const struct cw_call *call,
                                  const struct cw_target *target, const char *id, struct cw_err *err)
{
    return act_on_warehouse(d, call, target, id, "/start", err);
}

int cw_databricks_stop_warehouse(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const char *id, struct cw_err *err)
{
    return act_on_warehouse(d, call, target, id, "/stop", err);
}

/* --- pools -------------------------------------------------------------------------------------------------------------- */

static struct cw_pool read_pool(const json_t *v)
{
    return (struct cw_pool){
        .id = cw_json_str(v, "instance_pool_id", ""),
        .name = cw_json_str(v, "instance_pool_name", ""),
        .node_type = cw_json_str(v, "node_type_id", ""),
        .state = cw_json_str(v, "state", "ACTIVE"),
        .min_idle = cw_json_int(v, "min_idle_instances", 0),
        .idle_minutes = cw_json_int(v, "idle_instance_autotermination_minutes", -1),
        .max_capacity = cw_json_int(v, "max_capacity", -1),
        .used = cw_json_int(v, "stats/used_count", 0),
        .idle = cw_json_int(v, "stats/idle_count", 0),
        .pending_used = cw_json_int(v, "stats/pending_used_count", 0),
        .pending_idle = cw_json_int(v, "stats/pending_idle_count", 0),
    };
}

int cw_databricks_list_pools(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, const struct cw_pool **ret_pools,
                             size_t *ret_count, struct cw_err *err)
{
    json_t *items = NULL;
    int r = cw_dbx_list(d, call, target, "/api/2.0/instance-pools/list", "instance_pools", true, &items, err);
    if (r < 0)
        return r;
    struct cw_pool *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v)
        out[i] = read_pool(v);
    *ret_pools = out;
    *ret_count = json_array_size(items);
    return 0;
}

int cw_databricks_edit_pool(struct cw_databricks *d, const struct cw_call *call,
                            const struct cw_target *target, const char *pool_id, int64_t min_idle,
                            int64_t idle_minutes, struct cw_err *err)
{
    static const char *const kept[] = {"instance_pool_id", "instance_pool_name", "node_type_id",
                                       "max_capacity", "custom_tags"};
    const char *id = cw_dbx_encoded(call->mem, pool_id);
    const char *path =
        cw_arena_printf(call->mem, "/api/2.0/instance-pools/get?instance_pool_id=%s", id != NULL ? id : "");
    json_t *now = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_databricks_get(d, call, target, path, &now, err);
    if (r < 0)
        return r;
    if (cw_json_int(now, "min_idle_instances", 0) == min_idle &&
        cw_json_int(now, "idle_instance_autotermination_minutes", -1) == idle_minutes)
        return 0;
    CW_AUTO(cw_auto_json) json_t *body = json_object();
    bool ok = body != NULL && cw_json_set_int(body, "min_idle_instances", min_idle);
    if (idle_minutes >= 0)
        ok = ok && cw_json_set_int(body, "idle_instance_autotermination_minutes", idle_minutes);
    for (size_t i = 0; ok && i < CW_ARRAY_LEN(kept); i++) {
        json_t *v = json_object_get(now, kept[i]);
        if (v != NULL)
            ok = cw_json_set(body, kept[i], json_incref(v));
    }
    if (!ok)
        return cw_err_set(err, CW_ENOMEM, "pool");
    json_t *ignored = NULL;
    return cw_databricks_post(d, call, target, "/api/2.0/instance-pools/edit", body, &ignored, err);
}

/* --- commands ------------------------------------------------------------------------------------------------------------- */

/* One command on one cluster. */
struct running {
    struct cw_databricks *d;
    const struct cw_call *call;
    const struct cw_target *target;
    const char *cluster_id;
    const char *language;
    const char *context_id;
    const char *command_id;
};

static int wait_command(const struct running *c, const char *detail, int64_t pause_ms, int64_t since,
                        struct cw_err *err)
{
    struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER,
                                 .what = c->cluster_id,
                                 .detail = detail,
                                 .percent = -1,
                                 .since_wall_ms = since};
    return cw_arm_pause(cw_databricks_arm(c->d), c->call, waiting, pause_ms, 0, err);
}

/* Right after RUNNING a cluster may not take contexts for some minutes. */
static int create_context(struct running *c, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:s}", "clusterId", c->cluster_id, "language", c->language);
    int r = cw_check_built(body, err);
    if (r < 0)
        return r;
    int64_t since = cw_wall_ms();
    struct cw_deadline patience = cw_in_ms(cw_arm_scaled_ms(cw_databricks_arm(c->d), CONTEXT_PATIENCE_MS));
    for (;;) {
        json_t *doc = NULL;
        r = cw_databricks_post(c->d, c->call, c->target, "/api/1.2/contexts/create", body, &doc, err);
        if (r == 0)
            return cw_json_need_str(doc, "id", &c->context_id, err);
        if ((r != -CW_ENOTREADY && r != -CW_EREMOTE) || cw_is_past(patience))
            return r;
        cw_err_clear(err);
        r = wait_command(c, "no execution context yet", CONTEXT_RETRY_MS, since, err);
        if (r < 0)
            return r;
    }
}

/* Poll a status path; *ret_doc (in call->mem) once its status is none of the two that mean "wait". */
static int poll_status(const struct running *c, const char *path, const char *wait_a, const char *wait_b,
                       json_t **ret_doc, struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    for (;;) {
        CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
        if (cw_arena_new(DBX_SCRATCH_BYTES_MAX, &scratch) < 0)
            return cw_err_set(err, CW_ENOMEM, "command");
        struct cw_call looking = cw_dbx_call_in(c->call, scratch);
        json_t *doc = NULL;
        int r = cw_databricks_get(c->d, &looking, c->target, path, &doc, err);
        if (r < 0)
            return r;
        const char *status = cw_json_str(doc, "status", "");
        if (!cw_z_eq_nocase(status, wait_a) && !cw_z_eq_nocase(status, wait_b)) {
            if (!cw_arena_defer(c->call->mem, (void (*)(void *))json_decref, json_incref(doc)))
                return cw_err_set(err, CW_ENOMEM, "command");
            *ret_doc = doc;
            return 0;
        }
        char detail[64];
        (void)snprintf(detail, sizeof detail, "command %.40s", status);
        r = wait_command(c, detail, COMMAND_POLL_MS, since, err);
        if (r < 0)
            return r;
    }
}

static int wait_context(const struct running *c, struct cw_err *err)
{
    const char *path = cw_arena_printf(c->call->mem, "/api/1.2/contexts/status?clusterId=%s&contextId=%s",
                                       cw_dbx_encoded(c->call->mem, c->cluster_id),
                                       cw_dbx_encoded(c->call->mem, c->context_id));
    json_t *doc = NULL;
    if (path == NULL)
        return cw_check_mem(c->call, err);
    int r = poll_status(c, path, "Pending", "Pending", &doc, err);
    if (r == 0 && !cw_z_eq_nocase(cw_json_str(doc, "status", ""), "Running"))
        r = cw_err_set(err, CW_EREMOTE, "the execution context ended in state %s",
                       cw_json_str(doc, "status", "?"));
    return r;
}

static int execute(struct running *c, const char *code, struct cw_err *err)
{
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:s,s:s,s:s}", "clusterId", c->cluster_id, "contextId", c->context_id,
                             "language", c->language, "command", code);
    json_t *doc = NULL;
    int r = cw_check_built(body, err);
    if (r == 0)
        r = cw_databricks_post(c->d, c->call, c->target, "/api/1.2/commands/execute", body, &doc, err);
    return r < 0 ? r : cw_json_need_str(doc, "id", &c->command_id, err);
}

static int read_results(const struct running *c, const json_t *doc, const char **ret_text, struct cw_err *err)
{
    const char *status = cw_json_str(doc, "status", "?");
    const char *type = cw_json_str(doc, "results/resultType", "");
    if (!cw_z_eq_nocase(status, "Finished"))
        return cw_err_set(err, CW_EREMOTE, "the command ended in state %s", status);
    if (cw_z_eq_nocase(type, "error")) {
        const char *summary = cw_read_str(doc, "results/summary");
        int r = cw_err_set(err, CW_EREMOTE, "the command failed: %.300s",
                           summary != NULL ? summary : cw_json_str(doc, "results/cause", "no explanation"));
        (void)cw_z_copy(err->remote_code, sizeof err->remote_code, "CommandError");
        return r;
    }
    const json_t *data = cw_json_at(doc, "results/data");
    const char *text = json_is_string(data) ? json_string_value(data) : "";
    if (data != NULL && !json_is_string(data))
        text = cw_json_print_in(c->call->mem, data);
    if (text == NULL)
        return cw_check_mem(c->call, err);
    *ret_text = text;
    return 0;
}

static int run_in_context(struct running *c, const char *code, const char **ret_text, struct cw_err *err)
{
    int r = wait_context(c, err);
    if (r == 0)
        r = execute(c, code, err);
    if (r < 0)
        return r;
    struct cw_arena *mem = c->call->mem;
    const char *path = cw_arena_printf(mem, "/api/1.2/commands/status?clusterId=%s&contextId=%s&commandId=%s",
                                       cw_dbx_encoded(mem, c->cluster_id), cw_dbx_encoded(mem, c->context_id),
                                       cw_dbx_encoded(mem, c->command_id));
    json_t *doc = NULL;
    if (path == NULL)
        return cw_check_mem(c->call, err);
    r = poll_status(c, path, "Queued", "Running", &doc, err);
    return r < 0 ? r : read_results(c, doc, ret_text, err);
}

int cw_databricks_run_command(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *cluster_id, const char *language,
                              const char *code, const char **ret_text, struct cw_err *err)
{
    struct running c = {
        .d = d, .call = call, .target = target, .cluster_id = cluster_id, .language = language};
    int r = create_context(&c, err);
    if (r < 0)
        return cw_err_wrap(err, "cluster %s", cluster_id);
    r = run_in_context(&c, code, ret_text, err);
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:s}", "clusterId", cluster_id, "contextId", c.context_id);
    struct cw_err ignored = {0};
    json_t *doc = NULL;
    if (body != NULL) /* the cluster is deleted anyway: best effort */
        (void)cw_databricks_post(d, call, target, "/api/1.2/contexts/destroy", body, &doc, &ignored);
    return r < 0 ? cw_err_wrap(err, "cluster %s", cluster_id) : 0;
}

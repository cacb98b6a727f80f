#include "common/azure/databricks_impl.h"

/* --- which compute a task uses ------------------------------------------------------------------------------------------ */

/* A cluster, its own or a shared one. A task without any is serverless. */
static bool has_cluster(const json_t *v)
{
    static const char *const members[] = {"existing_cluster_id", "new_cluster", "job_cluster_key"};
    for (size_t i = 0; i < CW_ARRAY_LEN(members); i++)
        if (cw_json_at(v, members[i]) != NULL)
            return true;
    return cw_read_str(v, "cluster_instance/cluster_id") != NULL;
}

struct uses {
    bool is_classic;
    const char *warehouse_id;
};

static void look_at_task(const json_t *task, struct uses *uses)
{
    const json_t *inner = cw_json_at(task, "for_each_task/task");
    const char *warehouse = cw_read_str(task, "sql_task/warehouse_id");
    uses->is_classic |= has_cluster(task) || (inner != NULL && has_cluster(inner));
    if (warehouse == NULL)
        warehouse = cw_read_str(task, "dbt_task/warehouse_id");
    if (uses->warehouse_id == NULL)
        uses->warehouse_id = warehouse;
}

/* Of a run, or of a job's settings. One that does not tell its tasks may use anything. */
static struct uses uses_of(const json_t *v)
{
    const json_t *tasks = json_object_get(v, "tasks");
    const json_t *spec = json_object_get(v, "cluster_spec");
    struct uses uses = {.is_classic = has_cluster(v) || (spec != NULL && has_cluster(spec))};
    size_t i;
    const json_t *task;
    json_array_foreach(tasks, i, task)
        look_at_task(task, &uses);
    if (json_array_size(tasks) == 0)
        uses.is_classic = true;
    return uses;
}

/* --- job runs ------------------------------------------------------------------------------------------------------------ */

int cw_databricks_list_active_runs(struct cw_databricks *d, const struct cw_call *call,
                                   const struct cw_target *target, const struct cw_job_run **ret_runs,
                                   size_t *ret_count, struct cw_err *err)
{
    json_t *items = NULL;
    int r =
        cw_dbx_list(d, call, target, "/api/2.2/jobs/runs/list?active_only=true&expand_tasks=true&limit=24",
                    "runs", true, &items, err);
    if (r < 0)
        return r;
    struct cw_job_run *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        const char *state = cw_read_str(v, "state/life_cycle_state");
        struct uses uses = uses_of(v);
        out[i] = (struct cw_job_run){
            .run_id = cw_json_int(v, "run_id", 0),
            .job_id = cw_json_int(v, "job_id", 0),
            .name = cw_json_str(v, "run_name", ""),
            .state = state != NULL ? state : cw_json_str(v, "status/state", "RUNNING"),
            .is_classic = uses.is_classic,
            .warehouse_id = uses.warehouse_id,
        };
    }
    *ret_runs = out;
    *ret_count = json_array_size(items);
    return 0;
}

int cw_databricks_cancel_run(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, int64_t run_id, struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *body = json_pack("{s:I}", "run_id", (json_int_t)run_id);
    json_t *ignored = NULL;
    int r = cw_check_built(body, err);
    return r < 0 ? r : cw_databricks_post(d, call, target, "/api/2.2/jobs/runs/cancel", body, &ignored, err);
}

/* --- schedules ----------------------------------------------------------------------------------------------------------- */

/* A job has one of them at most. */
static const char *schedule_member(const json_t *settings)
{
    static const char *const members[] = {"schedule", "trigger", "continuous"};
    for (size_t i = 0; i < CW_ARRAY_LEN(members); i++)
        if (json_is_object(json_object_get(settings, members[i])))
            return members[i];
    return NULL;
}

static bool is_paused_now(const json_t *settings, const char *member)
{
    return cw_z_eq_nocase(cw_read_str(json_object_get(settings, member), "pause_status"), "PAUSED");
}

int cw_databricks_list_schedules(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const struct cw_schedule **ret_schedules,
                                 size_t *ret_count, struct cw_err *err)
{
    json_t *items = NULL;
    int r = cw_dbx_list(d, call, target, "/api/2.2/jobs/list?expand_tasks=true&limit=25", "jobs", true,
                        &items, err);
    if (r < 0)
        return r;
    struct cw_schedule *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t n = 0;
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        const json_t *settings = json_object_get(v, "settings");
        const char *member = schedule_member(settings);
        if (member == NULL)
            continue;
        struct uses uses = uses_of(settings);
        out[n++] = (struct cw_schedule){
            .job_id = cw_json_int(v, "job_id", 0),
            .name = cw_json_str(settings, "name", ""),
            .is_paused = is_paused_now(settings, member),
            .is_classic = uses.is_classic || uses.warehouse_id != NULL,
        };
    }
    *ret_schedules = out;
    *ret_count = n;
    return 0;
}

int cw_databricks_pause_schedule(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, int64_t job_id, bool is_paused,
                                 struct cw_err *err)
{
    const char *path = cw_arena_printf(call->mem, "/api/2.2/jobs/get?job_id=%lld", (long long)job_id);
    json_t *job = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_databricks_get(d, call, target, path, &job, err);
    const json_t *settings = r == 0 ? json_object_get(job, "settings") : NULL;
    const char *member = schedule_member(settings);
    if (r < 0 || member == NULL || is_paused_now(settings, member) == is_paused)
        return r;
    CW_AUTO(cw_auto_json) json_t *changed = json_copy(json_object_get(settings, member));
    bool ok = changed != NULL && cw_json_set_str(changed, "pause_status", is_paused ? "PAUSED" : "UNPAUSED");
    CW_AUTO(cw_auto_json)
    json_t *body =
        ok ? json_pack("{s:I,s:{s:O}}", "job_id", (json_int_t)job_id, "new_settings", member, changed) : NULL;
    json_t *ignored = NULL;
    r = cw_check_built(body, err);
    return r < 0 ? r : cw_databricks_post(d, call, target, "/api/2.2/jobs/update", body, &ignored, err);
}

/* --- pipelines ----------------------------------------------------------------------------------------------------------- */

bool cw_pipeline_is_busy(const char *state)
{
    static const char *const busy[] = {"DEPLOYING", "STARTING",  "RUNNING",
                                       "STOPPING",  "RESETTING", "RECOVERING"};
    for (size_t i = 0; i < CW_ARRAY_LEN(busy); i++)
        if (cw_z_eq_nocase(state, busy[i]))
            return true;
    return false;
}

static struct cw_pipeline read_pipeline(const json_t *v)
{
    return (struct cw_pipeline){
        .id = cw_json_str(v, "pipeline_id", ""),
        .name = cw_json_str(v, "name", ""),
        .state = cw_json_str(v, "state", "IDLE"),
        .cluster_id = cw_read_str(v, "cluster_id"),
        .is_serverless = cw_json_bool(v, "spec/serverless", cw_json_bool(v, "serverless", false)),
        .is_continuous = cw_json_bool(v, "spec/continuous", cw_json_bool(v, "continuous", false)),
    };
}

static const char *pipeline_path(const struct cw_call *call, const char *id, const char *action)
{
    const char *encoded = cw_dbx_encoded(call->mem, id);
    return encoded != NULL ? cw_arena_printf(call->mem, "/api/2.0/pipelines/%s%s", encoded, action) : NULL;
}

int cw_databricks_get_pipeline(struct cw_databricks *d, const struct cw_call *call,
                               const struct cw_target *target, const char *id,
                               struct cw_pipeline *ret_pipeline, struct cw_err *err)
{
    const char *path = pipeline_path(call, id, "");
    json_t *doc = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_databricks_get(d, call, target, path, &doc, err);
    if (r == 0)
        *ret_pipeline = read_pipeline(doc);
    return r;
}

/* The list does not say what a pipeline runs on: that is asked of the busy ones. */
static int complete(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    struct cw_pipeline *pipeline, struct cw_err *err)
{
    if (!cw_pipeline_is_busy(pipeline->state))
        return 0;
    int r = cw_databricks_get_pipeline(d, call, target, pipeline->id, pipeline, err);
    if (r != -CW_ENOTFOUND)
        return r;
    cw_err_clear(err);
    pipeline->state = "DELETED";
    return 0;
}

int cw_databricks_list_pipelines(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const struct cw_pipeline **ret_pipelines,
                                 size_t *ret_count, struct cw_err *err)
{
    json_t *items = NULL;
    int r = cw_dbx_list(d, call, target, "/api/2.0/pipelines?max_results=100", "statuses", true, &items, err);
    if (r < 0)
        return r;
    struct cw_pipeline *out = cw_arena_alloc_array(call->mem, json_array_size(items) + 1, sizeof *out);
    if (out == NULL)
        return cw_check_mem(call, err);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) {
        out[i] = read_pipeline(v);
        r = complete(d, call, target, &out[i], err);
        if (r < 0)
            return r;
    }
    *ret_pipelines = out;
    *ret_count = json_array_size(items);
    return 0;
}

static int act_on_pipeline(struct cw_databricks *d, const struct cw_call *call,
                           const struct cw_target *target, const char *id, const char *action,
                           struct cw_err *err)
{
    const char *path = pipeline_path(call, id, action);
    CW_AUTO(cw_auto_json) json_t *body = json_object();
    json_t *ignored = NULL;
    if (path == NULL)
        return cw_check_mem(call, err);
    int r = cw_check_built(body, err);
    return r < 0 ? r : cw_databricks_post(d, call, target, path, body, &ignored, err);
}

int cw_databricks_start_pipeline(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const char *id, struct cw_err *err)
{
    return act_on_pipeline(d, call, target, id, "/updates", err);
}

int cw_databricks_stop_pipeline(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const char *id, struct cw_err *err)
{
    return act_on_pipeline(d, call, target, id, "/stop", err);
}

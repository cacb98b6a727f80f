/* Jobs with their runs, and pipelines, as far as they keep compute alive. */
#include "tests/azure/databricks_compute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- jobs and runs -------------------------------------------------------------------------------------------------------------- */

static const char *const active_states[] = {
    "BLOCKED", "QUEUED", "PENDING", "RUNNING", "TERMINATING", "WAITING_FOR_RETRY", NULL};

static bool is_active_run(const json_t *run)
{
    return dbx_is_one_of(az_str(run, "state.life_cycle_state"), active_states);
}

static json_t *find_number(json_t *data, const char *list, const char *key, int64_t number)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(data, list), i, item)
        if (az_int(item, key, -1) == number)
            return item;
    return NULL;
}

static int64_t number_param(const struct dbx_call *c, const char *name)
{
    const char *text = az_call_query(c->call, name);
    return text != NULL ? strtoll(text, NULL, 10) : az_int(c->call->body, name, -1);
}

static json_t *run_of(struct dbx_call *c)
{
    int64_t id = number_param(c, "run_id");
    json_t *run = find_number(c->data, "runs", "run_id", id);
    if (run == NULL)
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Run %lld does not exist.", (long long)id);
    return run;
}

static json_t *job_of(struct dbx_call *c)
{
    int64_t id = number_param(c, "job_id");
    json_t *job = find_number(c->data, "jobs", "job_id", id);
    if (job == NULL)
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Job %lld does not exist.", (long long)id);
    return job;
}

static void list_runs(struct dbx_call *c)
{
    size_t i;
    const json_t *run;
    json_t *found = json_array();
    bool is_active_only = az_ieq(az_call_query(c->call, "active_only"), "true");
    json_array_foreach(json_object_get(c->data, "runs"), i, run)
        if (!is_active_only || is_active_run(run))
            json_array_append_new(found, dbx_visible(run));
    json_t *answer = dbx_page(c, "runs", found, "limit", 20);
    json_object_set_new(answer, "has_more", json_boolean(az_str(answer, "next_page_token")[0] != '\0'));
    az_reply_json(c->res, 200, answer);
}

static void get_run(struct dbx_call *c)
{
    json_t *run = run_of(c);
    if (run != NULL)
        az_reply_json(c->res, 200, dbx_visible(run));
}

static void cancel_one(struct az_model *m, struct az_resource *ws, json_t *run)
{
    char id[32];
    if (!is_active_run(run) || strcmp(az_str(run, "state.life_cycle_state"), "TERMINATING") == 0)
        return;
    snprintf(id, sizeof id, "%lld", (long long)az_int(run, "run_id", 0));
    az_set_str(run, "_id", id);
    az_set_str(run, "state.life_cycle_state", "TERMINATING");
    az_set_str(run, "status.state", "TERMINATING");
    dbx_compute_schedule(m, ws, run, "runs", "_id", "canceled", az_duration(m, "run.cancel", 5, 25));
}

static void cancel_run(struct dbx_call *c)
{
    char id[32];
    json_t *run = run_of(c);
    if (run == NULL)
        return;
    bool is_active = is_active_run(run);
    cancel_one(c->m, c->workspace, run);
    dbx_reply_done(c);
    snprintf(id, sizeof id, "%lld", (long long)az_int(run, "run_id", 0));
    dbx_ledger(c, "jobs/runs/cancel", id, is_active, NULL, NULL);
}

static void cancel_all_runs(struct dbx_call *c)
{
    size_t i;
    json_t *run;
    int64_t job_id = number_param(c, "job_id");
    json_array_foreach(json_object_get(c->data, "runs"), i, run)
        if (az_int(run, "job_id", -2) == job_id ||
            (job_id < 0 && az_bool(c->call->body, "all_queued_runs", false) &&
             strcmp(az_str(run, "state.life_cycle_state"), "QUEUED") == 0))
            cancel_one(c->m, c->workspace, run);
    dbx_reply_done(c);
    dbx_ledger(c, "jobs/runs/cancel-all", "all", true, NULL, c->call->body);
}

static void end_run(struct az_model *m, struct az_resource *ws, json_t *run, const char *result)
{
    json_t *cluster =
        dbx_find(dbx_data(m, ws), "clusters", "cluster_id", az_str(run, "cluster_instance.cluster_id"));
    json_object_set_new(run, "state",
                        json_pack("{s:s,s:s,s:s}", "life_cycle_state", "TERMINATED", "result_state", result,
                                  "state_message", ""));
    json_object_set_new(run, "status", json_pack("{s:s}", "state", "TERMINATED"));
    if (cluster != NULL && strcmp(az_str(cluster, "cluster_source"), "JOB") == 0)
        dbx_cluster_terminate(m, ws, cluster, "JOB_FINISHED", "SUCCESS", NULL, "");
}

void dbx_run_canceled(struct az_model *m, struct az_resource *ws, json_t *run)
{
    end_run(m, ws, run, "CANCELED");
}

void dbx_run_finished(struct az_model *m, struct az_resource *ws, json_t *run)
{
    const json_t *cluster =
        dbx_find(dbx_data(m, ws), "clusters", "cluster_id", az_str(run, "cluster_instance.cluster_id"));
    const char *state = az_str(cluster, "state");
    bool is_lost = az_bool(run, "_wasSubmitted", false) && !dbx_cluster_is_usable(cluster);
    if (is_lost && strcmp(state, "PENDING") == 0) {
        dbx_compute_schedule(m, ws, run, "runs", "_id", "finished", az_duration(m, "run.work", 60, 180));
        return;
    }
    end_run(m, ws, run, is_lost ? "FAILED" : "SUCCESS");
    if (is_lost)
        az_set_str(run, "state.life_cycle_state", "INTERNAL_ERROR");
}

/* ---- runs that somebody starts ---- */

static int64_t next_number(json_t *data, const char *list, const char *key)
{
    size_t i;
    const json_t *item;
    int64_t most = 1000;
    json_array_foreach(json_object_get(data, list), i, item)
        most = az_int(item, key, 0) > most ? az_int(item, key, 0) : most;
    return most + 1;
}

/* The first task that says where it runs, or the settings themselves (API 2.0). */
static const json_t *compute_of(const json_t *settings)
{
    size_t i;
    const json_t *task;
    json_array_foreach(json_object_get(settings, "tasks"), i, task)
        if (json_object_get(task, "new_cluster") != NULL ||
            json_object_get(task, "existing_cluster_id") != NULL)
            return task;
    return settings;
}

/* Starts the cluster, or uses the one that is there. NULL after replying. */
static const char *cluster_of_run(struct dbx_call *c, const json_t *settings, int64_t run_id)
{
    char name[64];
    const json_t *compute = compute_of(settings), *spec = json_object_get(compute, "new_cluster");
    const char *existing = az_str(compute, "existing_cluster_id");
    snprintf(name, sizeof name, "job-run-%lld", (long long)run_id);
    if (spec != NULL)
        return dbx_cluster_for_run(c, spec, name);
    json_t *cluster = dbx_find(c->data, "clusters", "cluster_id", existing);
    if (existing[0] != '\0' && cluster == NULL) {
        dbx_error(c, 400, "INVALID_PARAMETER_VALUE", "Cluster %s does not exist", existing);
        return NULL;
    }
    if (cluster != NULL && strcmp(az_str(cluster, "state"), "TERMINATED") == 0)
        dbx_cluster_launch(c->m, c->workspace, cluster, "STARTING", c->call->who.app_id);
    return existing;
}

/* A run of these settings; the same idempotency_token gives the same run. */
static void start_run(struct dbx_call *c, const json_t *settings, int64_t job_id, const char *operation)
{
    char id[32];
    const char *token = az_str(c->call->body, "idempotency_token");
    const json_t *known = token[0] != '\0' ? dbx_find(c->data, "runs", "_token", token) : NULL;
    int64_t run_id = known != NULL ? az_int(known, "run_id", 0) : next_number(c->data, "runs", "run_id");
    const char *cluster = known != NULL ? "" : cluster_of_run(c, settings, run_id);
    if (cluster == NULL)
        return;
    snprintf(id, sizeof id, "%lld", (long long)run_id);
    if (known == NULL) {
        const json_t *tasks = json_object_get(settings, "tasks");
        const char *name = az_str_or_null(settings, "run_name");
        json_t *run =
            json_pack("{s:I,s:s,s:{s:s},s:{s:s},s:I,s:s,s:s,s:b}", "run_id", (json_int_t)run_id, "run_name",
                      name != NULL ? name : "Untitled", "state", "life_cycle_state", "RUNNING", "status",
                      "state", "RUNNING", "start_time", (json_int_t)az_now(c->m), "_id", id, "_token", token,
                      "_wasSubmitted", (int)(cluster[0] != '\0'));
        if (job_id >= 0)
            json_object_set_new(run, "job_id", json_integer((json_int_t)job_id));
        if (cluster[0] != '\0')
            json_object_set_new(run, "cluster_instance", json_pack("{s:s}", "cluster_id", cluster));
        if (tasks != NULL)
            json_object_set_new(run, "tasks", az_copy(tasks));
        json_array_append_new(dbx_list(c->data, "runs"), run);
        dbx_compute_schedule(c->m, c->workspace, run, "runs", "_id", "finished",
                             az_duration(c->m, "run.work", 300, 900));
    }
    az_reply_json(c->res, 200, json_pack("{s:I}", "run_id", (json_int_t)run_id));
    dbx_ledger(c, operation, id, known == NULL, NULL, c->call->body);
}

static void submit_run(struct dbx_call *c)
{
    start_run(c, c->call->body, -1, "jobs/runs/submit");
}

static void run_now(struct dbx_call *c)
{
    const json_t *job = job_of(c);
    if (job != NULL)
        start_run(c, json_object_get(job, "settings"), az_int(job, "job_id", 0), "jobs/run-now");
}

static void create_job(struct dbx_call *c)
{
    char id[32];
    int64_t job_id = next_number(c->data, "jobs", "job_id");
    json_array_append_new(dbx_list(c->data, "jobs"),
                          json_pack("{s:I,s:I,s:s,s:o}", "job_id", (json_int_t)job_id, "created_time",
                                    (json_int_t)az_now(c->m), "creator_user_name", c->call->who.app_id,
                                    "settings",
                                    c->call->body != NULL ? az_copy(c->call->body) : json_object()));
    az_reply_json(c->res, 200, json_pack("{s:I}", "job_id", (json_int_t)job_id));
    snprintf(id, sizeof id, "%lld", (long long)job_id);
    dbx_ledger(c, "jobs/create", id, true, NULL, c->call->body);
}

void dbx_run_adopt(struct az_model *m, struct az_resource *ws, json_t *run)
{
    char id[32];
    int64_t after_s = az_int(run, "endsAfterSeconds", 0);
    if (after_s <= 0 || az_bool(run, "_isScheduled", false))
        return;
    json_object_set_new(run, "_isScheduled", json_true());
    snprintf(id, sizeof id, "%lld", (long long)az_int(run, "run_id", 0));
    az_set_str(run, "_id", id);
    dbx_compute_schedule(m, ws, run, "runs", "_id", "finished", az_scaled(m, after_s * 1000));
}

static void list_jobs(struct dbx_call *c)
{
    dbx_reply_page(c, "jobs", dbx_visible_list(c->data, "jobs"), "limit", 20);
}

static void get_job(struct dbx_call *c)
{
    json_t *job = job_of(c);
    if (job != NULL)
        az_reply_json(c->res, 200, dbx_visible(job));
}

static void update_job(struct dbx_call *c)
{
    char id[32];
    const char *name;
    json_t *value, *job = job_of(c);
    if (job == NULL)
        return;
    if (json_object_get(job, "settings") == NULL)
        json_object_set_new(job, "settings", json_object());
    json_object_foreach(json_object_get(c->call->body, "new_settings"), name, value)
        json_object_set_new(json_object_get(job, "settings"), name, az_copy(value));
    dbx_reply_done(c);
    snprintf(id, sizeof id, "%lld", (long long)az_int(job, "job_id", 0));
    dbx_ledger(c, "jobs/update", id, true, NULL, c->call->body);
}

/* ---- pipelines ------------------------------------------------------------------------------------------------------------------ */

const char *const dbx_busy_pipeline_states[] = {"DEPLOYING", "STARTING",   "RUNNING", "STOPPING",
                                                "RESETTING", "RECOVERING", NULL};

static void list_pipelines(struct dbx_call *c)
{
    dbx_reply_page(c, "statuses", dbx_visible_list(c->data, "pipelines"), "max_results", 25);
}

static json_t *pipeline_of(struct dbx_call *c)
{
    return dbx_item_of(c, "pipelines", "pipeline_id", c->rest_id, "The specified pipeline");
}

static void get_pipeline(struct dbx_call *c)
{
    json_t *pipeline = pipeline_of(c);
    if (pipeline != NULL)
        az_reply_json(c->res, 200, dbx_visible(pipeline));
}

static void stop_pipeline(struct dbx_call *c)
{
    json_t *pipeline = pipeline_of(c);
    if (pipeline == NULL)
        return;
    bool is_busy = dbx_is_one_of(az_str(pipeline, "state"), dbx_busy_pipeline_states);
    if (is_busy) {
        az_set_str(pipeline, "state", "STOPPING");
        dbx_compute_schedule(c->m, c->workspace, pipeline, "pipelines", "pipeline_id", "idle",
                             az_duration(c->m, "pipeline.stop", 10, 30));
    }
    dbx_reply_done(c);
    dbx_ledger(c, "pipelines/stop", az_str(pipeline, "pipeline_id"), is_busy, NULL, NULL);
}

static void update_pipeline(struct dbx_call *c)
{
    char guid[AZ_GUID_BYTES];
    json_t *pipeline = pipeline_of(c);
    if (pipeline == NULL)
        return;
    if (dbx_is_one_of(az_str(pipeline, "state"), dbx_busy_pipeline_states)) {
        dbx_error(c, 409, "INVALID_STATE", "An active update already exists.");
        return;
    }
    az_set_str(pipeline, "state", "STARTING");
    dbx_compute_schedule(c->m, c->workspace, pipeline, "pipelines", "pipeline_id", "run",
                         az_duration(c->m, "pipeline.start", 30, 90));
    az_reply_json(c->res, 200, json_pack("{s:s}", "update_id", az_guid(c->m, guid)));
    dbx_ledger(c, "pipelines/updates", az_str(pipeline, "pipeline_id"), true, NULL, NULL);
}

void dbx_pipeline_idle(struct az_model *m, struct az_resource *ws, json_t *pipeline)
{
    json_t *cluster = dbx_find(dbx_data(m, ws), "clusters", "cluster_id", az_str(pipeline, "cluster_id"));
    az_set_str(pipeline, "state", "IDLE");
    if (cluster != NULL)
        dbx_cluster_terminate(m, ws, cluster, "JOB_FINISHED", "SUCCESS", NULL, "");
}

void dbx_pipeline_run(struct az_model *m, struct az_resource *ws, json_t *pipeline)
{
    json_t *cluster = dbx_find(dbx_data(m, ws), "clusters", "cluster_id", az_str(pipeline, "cluster_id"));
    az_set_str(pipeline, "state", "RUNNING");
    if (cluster != NULL && strcmp(az_str(cluster, "state"), "TERMINATED") == 0)
        dbx_cluster_launch(m, ws, cluster, "STARTING", NULL);
}

const struct dbx_route dbx_job_routes[] = {
    {"GET", "jobs/runs/list", list_runs, false},
    {"GET", "jobs/runs/get", get_run, false},
    {"POST", "jobs/runs/cancel", cancel_run, false},
    {"POST", "jobs/runs/cancel-all", cancel_all_runs, false},
    {"POST", "jobs/runs/submit", submit_run, true},
    {"POST", "jobs/run-now", run_now, true},
    {"POST", "jobs/create", create_job, false},
    {"GET", "jobs/list", list_jobs, false},
    {"GET", "jobs/get", get_job, false},
    {"POST", "jobs/update", update_job, false},
    {"GET", "pipelines", list_pipelines, false},
    {"GET", "pipelines/*", get_pipeline, false},
    {"POST", "pipelines/*/stop", stop_pipeline, false},
    {"POST", "pipelines/*/updates", update_pipeline, false},
    {NULL, NULL, NULL, false},
};

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
    dbx_reply_page(c, "runs", found, "limit", 20);
    json_t *answer = json_loads(c->res->body, 0, NULL);
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
    end_run(m, ws, run, "SUCCESS");
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
        json_object_set_new(json_object_get(job, "settings"), name, json_deep_copy(value));
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
    {"GET", "jobs/list", list_jobs, false},
    {"GET", "jobs/get", get_job, false},
    {"POST", "jobs/update", update_job, false},
    {"GET", "pipelines", list_pipelines, false},
    {"GET", "pipelines/*", get_pipeline, false},
    {"POST", "pipelines/*/stop", stop_pipeline, false},
    {"POST", "pipelines/*/updates", update_pipeline, false},
    {NULL, NULL, NULL, false},
};

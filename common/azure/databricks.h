/* common/azure/databricks.h: the REST API of a Databricks workspace.
 *
 * Both Entra headers go with each call, only to hosts under the cloud's workspace suffix. A workspace that is not ready yet
 * gives -CW_ENOTREADY (class retry), a page instead of JSON or a redirect to the login page gives -CW_EDENIED with a remedy, a
 * missing cluster is -CW_ENOTFOUND whatever the HTTP status. Reads are retried here for a short while, writes are not.
 * Every POST with an effect passes the call's before_write hook; under plan_only it is -CW_EBUG.
 * Answers live in call->mem; absent = NULL / 0.
 * Errors: -CW_ENOTREADY, -CW_EDENIED, -CW_EAUTH, -CW_ENOTFOUND, -CW_EINVAL, -CW_ECONFLICT, -CW_ETHROTTLED, -CW_EREMOTE, -CW_ENET,
 * -CW_EPROTO, -CW_ETIMEDOUT, -CW_ENOMEM, cancellation.
 * Suspends: all calls.  Thread: loop.  Source: Databricks REST 2.0, 2.1, 1.2; databricks-sdk-go. */
#ifndef CW_COMMON_AZURE_DATABRICKS_H
#define CW_COMMON_AZURE_DATABRICKS_H

#include "common/azure/arm.h"

struct cw_databricks;

/* Borrows the arm client (its cloud, credential, HTTP, tenant and time scale). */
int cw_databricks_new(struct cw_arm *arm, struct cw_databricks **ret_databricks, struct cw_err *err);
void cw_databricks_free(struct cw_databricks *databricks); /* NULL is fine */
struct cw_arm *cw_databricks_arm(struct cw_databricks *databricks);

/* Which workspace. Borrowed. */
struct cw_target {
    const char *workspace_url; /* as ARM gives it: host without scheme */
    const char *workspace_id;  /* ARM id */
};

/* GET a path ("/api/2.0/…", query included): JSON in call->mem. */
int cw_databricks_get(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                      const char *path, json_t **ret_doc, struct cw_err *err);
/* POST with an effect. *ret_doc may be an empty object. */
int cw_databricks_post(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                       const char *path, const json_t *body, json_t **ret_doc, struct cw_err *err);

/* Wait until `good_needed` consecutive rounds, `pause_ms` apart, were good on each endpoint that the plans use. The bad period
 * after a workspace was made or changed is not contiguous. As long as no round is good, pauses grow as cw_arm_pause()'s do. */
int cw_databricks_wait_ready(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, int good_needed, int64_t pause_ms,
                             struct cw_err *err);
/* The identity's own user name in the workspace (an application id): for single_user_name. */
int cw_databricks_me(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const char **ret_user_name, struct cw_err *err);

struct cw_termination {
    const char *code;    /* "CONTROL_PLANE_REQUEST_FAILURE" …; open-ended */
    const char *type;    /* SUCCESS, CLIENT_ERROR, CLOUD_FAILURE, SERVICE_FAULT */
    const char *message; /* databricks_error_message, azure_error_code: azure_error_message */
};
struct cw_cluster {
    const char *id;
    const char *name;
    const char *state; /* PENDING RUNNING RESTARTING RESIZING TERMINATING TERMINATED ERROR UNKNOWN */
    const char *state_message;
    const char *source; /* UI API JOB MODELS PIPELINE PIPELINE_MAINTENANCE SQL */
    const char *node_type;
    const char *spark_version;
    const char *creator;
    struct cw_termination termination;
    const char *tag;  /* value of the custom tag "causeway" */
    int64_t start_ms; /* wall */
    bool is_pinned;
};
int cw_databricks_list_clusters(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const struct cw_cluster **ret_clusters,
                                size_t *ret_count, struct cw_err *err);
int cw_databricks_get_cluster(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *cluster_id,
                              struct cw_cluster *ret_cluster, struct cw_err *err);
/* The youngest cluster of exactly that name: -CW_ENOTFOUND when there is none. */
int cw_databricks_find_cluster(struct cw_databricks *d, const struct cw_call *call,
                               const struct cw_target *target, const char *name,
                               struct cw_cluster *ret_cluster, struct cw_err *err);

struct cw_cluster_goal {
    const char *name; /* deterministic: it is looked up before it is made */
    const char *spark_version;
    const char *node_type;
    const char *single_user;       /* NULL = no isolation mode */
    const char *tag;               /* custom tag "causeway" */
    const char *idempotency_token; /* <= 64 characters */
    int autotermination_minutes;   /* 0 = 10 */
};
/* A single-node cluster. To be called after a look-up by name. */
int cw_databricks_create_cluster(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const struct cw_cluster_goal *goal,
                                 const char **ret_cluster_id, struct cw_err *err);
/* A start of a cluster that already starts or runs is a success. */
int cw_databricks_start_cluster(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const char *cluster_id, struct cw_err *err);
/* Terminate; success when it is gone or already ends. */
int cw_databricks_delete_cluster(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const char *cluster_id, struct cw_err *err);
/* Remove for good, unpinning it first when needed; success when it is gone. */
int cw_databricks_permanent_delete_cluster(struct cw_databricks *d, const struct cw_call *call,
                                           const struct cw_target *target, const char *cluster_id,
                                           struct cw_err *err);
/* Poll until the state is wanted_state (RUNNING, TERMINATED) or cannot become it any more; says CW_WAIT_CLUSTER. The state decides,
 * nothing is an error but the call's deadline (-CW_ETIMEDOUT; ret_cluster then holds the last look, if any). */
int cw_databricks_wait_cluster(struct cw_databricks *d, const struct cw_call *call,
                               const struct cw_target *target, const char *cluster_id,
                               const char *wanted_state, struct cw_cluster *ret_cluster, struct cw_err *err);

struct cw_cluster_event {
    const char *type; /* ADD_NODES_FAILED, TERMINATING … */
    int64_t time_ms;  /* wall */
    struct cw_termination reason;
};
/* Newest first, at most 50. */
int cw_databricks_list_events(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *cluster_id,
                              const struct cw_cluster_event **ret_events, size_t *ret_count,
                              struct cw_err *err);

/* The smallest usable node type whose id is not in `except` (may be NULL, NULL-terminated): -CW_ENOTFOUND when none is left. */
int cw_databricks_smallest_node_type(struct cw_databricks *d, const struct cw_call *call,
                                     const struct cw_target *target, const char *const *except,
                                     const char **ret_node_type, struct cw_err *err);
/* The newest runtime with long-term support. */
int cw_databricks_latest_lts(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, const char **ret_spark_version,
                             struct cw_err *err);

struct cw_warehouse {
    const char *id;
    const char *name;
    const char *state; /* STARTING RUNNING STOPPING STOPPED DELETING DELETED */
    const char *type;  /* CLASSIC, PRO */
    bool is_serverless;
    int64_t min_clusters;
    int64_t auto_stop_minutes;
};
/* A workspace without SQL warehouses (feature absent) has none. */
int cw_databricks_list_warehouses(struct cw_databricks *d, const struct cw_call *call,
                                  const struct cw_target *target, const struct cw_warehouse **ret_warehouses,
                                  size_t *ret_count, struct cw_err *err);
int cw_databricks_get_warehouse(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const char *id,
                                struct cw_warehouse *ret_warehouse, struct cw_err *err);
int cw_databricks_start_warehouse(struct cw_databricks *d, const struct cw_call *call,
                                  const struct cw_target *target, const char *id, struct cw_err *err);
int cw_databricks_stop_warehouse(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const char *id, struct cw_err *err);

struct cw_pool {
    const char *id;
    const char *name;
    const char *node_type;
    const char *state; /* ACTIVE STOPPED DELETED */
    int64_t min_idle;
    int64_t idle_minutes; /* idle_instance_autotermination_minutes; -1 = unset */
    int64_t max_capacity; /* -1 = unset */
    int64_t used;         /* the four counts of stats */
    int64_t idle;
    int64_t pending_used;
    int64_t pending_idle;
};
int cw_databricks_list_pools(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, const struct cw_pool **ret_pools,
                             size_t *ret_count, struct cw_err *err);
/* Set min idle and idle minutes, everything else as the pool has it now; nothing is sent when they are so already. */
int cw_databricks_edit_pool(struct cw_databricks *d, const struct cw_call *call,
                            const struct cw_target *target, const char *pool_id, int64_t min_idle,
                            int64_t idle_minutes, struct cw_err *err);

struct cw_job_run {
    int64_t run_id;
    int64_t job_id;
    const char *name;
    const char *state;        /* life cycle: PENDING RUNNING TERMINATING … */
    bool is_classic;          /* a task of it uses a cluster */
    const char *warehouse_id; /* of its first SQL task; NULL = none */
};
int cw_databricks_list_active_runs(struct cw_databricks *d, const struct cw_call *call,
                                   const struct cw_target *target, const struct cw_job_run **ret_runs,
                                   size_t *ret_count, struct cw_err *err);
int cw_databricks_cancel_run(struct cw_databricks *d, const struct cw_call *call,
                             const struct cw_target *target, int64_t run_id, struct cw_err *err);

/* What starts a job by itself: a cron schedule, a trigger, or that it is continuous. */
struct cw_schedule {
    int64_t job_id;
    const char *name; /* of the job */
    bool is_paused;
    bool is_classic; /* a task of the job uses a cluster or a warehouse */
};
/* Jobs without one are left out. */
int cw_databricks_list_schedules(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const struct cw_schedule **ret_schedules,
                                 size_t *ret_count, struct cw_err *err);
/* Pause it or let it go on; nothing is sent when it is so already. */
int cw_databricks_pause_schedule(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, int64_t job_id, bool is_paused,
                                 struct cw_err *err);

struct cw_pipeline {
    const char *id;
    const char *name;
    const char *state;      /* DEPLOYING STARTING RUNNING STOPPING RESETTING RECOVERING IDLE FAILED DELETED */
    const char *cluster_id; /* NULL = none */
    bool is_serverless;     /* read only while it is busy */
    bool is_continuous;     /* read only while it is busy */
};
/* Is it at work, or about to be? Pure. */
bool cw_pipeline_is_busy(const char *state);
int cw_databricks_list_pipelines(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const struct cw_pipeline **ret_pipelines,
                                 size_t *ret_count, struct cw_err *err);
int cw_databricks_get_pipeline(struct cw_databricks *d, const struct cw_call *call,
                               const struct cw_target *target, const char *id,
                               struct cw_pipeline *ret_pipeline, struct cw_err *err);
int cw_databricks_start_pipeline(struct cw_databricks *d, const struct cw_call *call,
                                 const struct cw_target *target, const char *id, struct cw_err *err);
int cw_databricks_stop_pipeline(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, const char *id, struct cw_err *err);

/* A text of ours in the identity's home folder of the workspace, as a notebook of comments: it outlives Redis and the workers.
 * get: -CW_ENOTFOUND when there is none. */
int cw_databricks_put_note(struct cw_databricks *d, const struct cw_call *call,
                           const struct cw_target *target, const char *name, const char *text,
                           struct cw_err *err);
int cw_databricks_get_note(struct cw_databricks *d, const struct cw_call *call,
                           const struct cw_target *target, const char *name, const char **ret_text,
                           struct cw_err *err);
/* Success when it is gone already. */
int cw_databricks_delete_note(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *name, struct cw_err *err);

/* Run code on a running cluster: context, execute, poll, destroy. language: "python". *ret_text is the text output.
 * Errors also: -CW_EREMOTE when the code raised (err text = its summary; remote_code "CommandError"). */
int cw_databricks_run_command(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *cluster_id, const char *language,
                              const char *code, const char **ret_text, struct cw_err *err);

/* Fill err from an answer that is not a plain success (also pages with status 200). Pure; returns the negative code. */
int cw_databricks_error(const struct cw_http_res *res, struct cw_err *err);
/* Does such an error say that the workspace refuses the caller's network, not the caller? Pure. */
bool cw_databricks_is_network_refused(const struct cw_err *err);

#endif

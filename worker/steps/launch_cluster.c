/* launch_cluster: a small single-node cluster of the workspace reaches RUNNING.
 * Made once: deterministic name, looked up before it is made, adopted after a crash.  Undo: removes it.
 * Source: guide, shared steps, step 2; clusters API 2.1. */
#include "common/azure/databricks.h"
#include "worker/steps/compute_facts.h"
#include "worker/steps/plans.h"

#define STEP "launch_cluster"
#define READY_ROUNDS 3
#define READY_PAUSE_MS 5000
#define AUTOTERMINATION_MINUTES 10
#define NODE_TYPES_MAX 3
/* A bootstrap attempt gives up after about 12 minutes, and the state says so only after more of them: events come first. */
#define START_TIMEOUT_MS (INT64_C(20) * 60 * 1000)

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    return req->options.launch_cluster && facts->proof_error.code == NULL;
}

static const char *name_of(struct cw_step_ctx *c)
{
    return cw_arena_printf(c->call.mem, CW_VERIFY_CLUSTER_PREFIX "%.8s", c->key);
}

/* A launch that Azure refused is capacity only when it says so: delegations, policies and the like fail alike. */
static bool is_capacity(const struct cw_termination *reason)
{
    static const char *const codes[] = {
        "AZURE_QUOTA_EXCEEDED_EXCEPTION",     "CLOUD_PROVIDER_RESOURCE_STOCKOUT*",
        "UNSUPPORTED_INSTANCE_TYPE",          "AZURE_RESOURCE_MANAGER_THROTTLING",
        "AZURE_RESOURCE_PROVIDER_THROTTLING", "INTERNAL_CAPACITY_FAILURE"};
    static const char *const words[] = {"Quota", "SkuNotAvailable", "AllocationFailed", "Overconstrained"};
    for (size_t i = 0; i < CW_ARRAY_LEN(codes); i++)
        if (cw_z_glob(codes[i], reason->code))
            return true;
    if (!cw_z_starts(reason->code, "CLOUD_PROVIDER_LAUNCH_FAILURE"))
        return false;
    for (size_t i = 0; i < CW_ARRAY_LEN(words); i++)
        if (cw_z_contains_nocase(reason->message, words[i]))
            return true;
    return false;
}

static void record(struct cw_step_ctx *c, const struct cw_cluster *cluster)
{
    c->out->cluster_id = cluster->id;
    c->out->cluster_state = cluster->state;
    c->out->cluster_node_type = cluster->node_type;
    c->out->cluster_spark_version = cluster->spark_version;
    c->out->cluster_started_ms = cluster->start_ms;
}

/* Node types that Azure had no capacity for. */
struct tried {
    const char *types[NODE_TYPES_MAX + 1]; /* NULL-terminated */
    size_t count;
};

static int create(struct cw_step_ctx *c, const struct cw_target *target, const struct tried *tried,
                  const char **ret_id, struct cw_err *err)
{
    struct cw_databricks *d = c->svc->databricks;
    struct cw_cluster_goal goal = {
        .name = name_of(c),
        .tag = c->req->event.id,
        .idempotency_token =
            tried->count == 0 ? c->key : cw_arena_printf(c->call.mem, "%s-%zu", c->key, tried->count),
        .autotermination_minutes = AUTOTERMINATION_MINUTES,
    };
    int r = cw_databricks_smallest_node_type(d, &c->call, target, tried->types, &goal.node_type, err);
    if (r == 0)
        r = cw_databricks_latest_lts(d, &c->call, target, &goal.spark_version, err);
    if (r == 0)
        r = cw_databricks_me(d, &c->call, target, &goal.single_user, err);
    if (r == 0)
        r = cw_databricks_create_cluster(d, &c->call, target, &goal, ret_id, err);
    if (r < 0)
        return cw_err_wrap(err, "create the verification cluster");
    cw_step_changed(c, "created cluster %s (%s, %s)", goal.name, goal.node_type, goal.spark_version);
    return 0;
}

static int find_or_create(struct cw_step_ctx *c, const struct cw_target *target, const struct tried *tried,
                          const char **ret_id, struct cw_err *err)
{
    struct cw_cluster cluster;
    int r = cw_databricks_find_cluster(c->svc->databricks, &c->call, target, name_of(c), &cluster, err);
    if (r == -CW_ENOTFOUND)
        return create(c, target, tried, ret_id, err);
    if (r < 0)
        return cw_err_wrap(err, "look for the verification cluster");
    *ret_id = cluster.id;
    cw_step_found(c, "cluster %s exists already (%s)", cluster.name, cluster.state);
    if (!cw_z_eq(cluster.state, "TERMINATED"))
        return 0;
    r = cw_databricks_start_cluster(c->svc->databricks, &c->call, target, cluster.id, err);
    return r < 0 ? cw_err_wrap(err, "start the verification cluster") : 0;
}

/* The reason of a failed start: the state's, or, while it still tries, that of the newest event that has one. */
static int reason_of(struct cw_step_ctx *c, const struct cw_target *target, const struct cw_cluster *cluster,
                     struct cw_termination *ret_reason, struct cw_err *err)
{
    const struct cw_cluster_event *events = NULL;
    size_t count = 0;
    *ret_reason = cluster->termination;
    if (ret_reason->code != NULL)
        return 0;
    int r =
        cw_databricks_list_events(c->svc->databricks, &c->call, target, cluster->id, &events, &count, err);
    for (size_t i = 0; r == 0 && i < count && ret_reason->code == NULL; i++)
        *ret_reason = events[i].reason;
    return r < 0 ? cw_err_wrap(err, "events of the verification cluster") : 0;
}

static int judge_failure(struct cw_step_ctx *c, const struct cw_target *target,
                         const struct cw_cluster *cluster, struct cw_err *err)
{
    struct cw_termination reason;
    int r = reason_of(c, target, cluster, &reason, err);
    if (r < 0)
        return r;
    if (reason.code != NULL && is_capacity(&reason)) {
        (void)cw_databricks_permanent_delete_cluster(c->svc->databricks, &c->call, target, cluster->id, err);
        (void)cw_err_set(err, CW_ECAPACITY, "Azure could not give a node: %s: %s", reason.code,
                         reason.message == NULL ? "" : reason.message);
        cw_err_remedy(err,
                      "check the quota of the subscription, or try again later: this is not the network");
        return -CW_ECAPACITY;
    }
    record(c, cluster);
    c->out->cluster_termination = (struct cw_termination_v1){reason.code, reason.type, reason.message};
    return cw_step_proof_failed(c, STEP, CW_EMISCONFIGURED, "see the diagnosis",
                                "the cluster did not start: %s: %s",
                                reason.code == NULL ? cluster->state : reason.code,
                                reason.message == NULL ? "no reason given" : reason.message);
}

static int wait_until_running(struct cw_step_ctx *c, const struct cw_target *target, const char *id,
                              struct tried *tried, struct cw_err *err)
{
    struct cw_cluster cluster = {.id = id, .state = "PENDING"};
    struct cw_call call = c->call;
    call.until = cw_sooner(call.until, cw_in_ms(cw_arm_scaled_ms(c->svc->arm, START_TIMEOUT_MS)));
    int r = cw_databricks_wait_cluster(c->svc->databricks, &call, target, id, "RUNNING", &cluster, err);
    if (r < 0 && r != -CW_ETIMEDOUT)
        return cw_err_wrap(err, "wait for the verification cluster");
    if (r == -CW_ETIMEDOUT && cw_is_past(c->call.until))
        return r;
    cluster.id = id;
    if (r == -CW_ETIMEDOUT || !cw_z_eq(cluster.state, "RUNNING")) {
        r = judge_failure(c, target, &cluster, err);
        if (r == -CW_ECAPACITY)
            tried->types[tried->count++] = cluster.node_type;
        return r;
    }
    record(c, &cluster);
    cw_step_found(c, "cluster %s is RUNNING", id);
    return 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct tried tried = {0};
    int r =
        cw_databricks_wait_ready(c->svc->databricks, &c->call, &target, READY_ROUNDS, READY_PAUSE_MS, err);
    if (r == -CW_EDENIED && cw_z_eq_nocase(c->facts->public_network_access, "Disabled"))
        return cw_step_proof_failed(
            c, STEP, CW_EDENIED, "run a worker inside a network with a private endpoint of the workspace",
            "the workspace's public address is shut, and this worker has no private way to it");
    if (r < 0)
        return cw_err_wrap(err, "wait for the workspace's API");
    for (;;) {
        const char *id = NULL;
        size_t before = tried.count;
        r = find_or_create(c, &target, &tried, &id, err);
        if (r == 0)
            r = wait_until_running(c, &target, id, &tried, err);
        bool may_try_another = r == -CW_ECAPACITY && tried.count > before && tried.count < NODE_TYPES_MAX &&
                               tried.types[before] != NULL;
        if (!may_try_another)
            return r;
        cw_step_found(c, "Azure has no capacity for %s: the next node type is tried", tried.types[before]);
    }
}

/* A create that was sent and not seen to end shows by its name; its cluster is adopted by run(), which looks for it first. */
static int probe(struct cw_step_ctx *c, bool *ret_happened, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_cluster cluster;
    *ret_happened = false;
    int r = cw_databricks_find_cluster(c->svc->databricks, &c->call, &target, name_of(c), &cluster, err);
    if (r == -CW_ENOTFOUND)
        return 0;
    if (r < 0)
        return cw_err_wrap(err, "look for the verification cluster");
    if (!cw_z_eq(cluster.state, "RUNNING"))
        return 0;
    record(c, &cluster);
    cw_step_found(c, "cluster %s was launched before and is RUNNING", cluster.id);
    *ret_happened = true;
    return 0;
}

static int undo(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_cluster cluster;
    int r = cw_databricks_find_cluster(c->svc->databricks, &c->call, &target, name_of(c), &cluster, err);
    if (r == -CW_ENOTFOUND)
        return 0;
    if (r == 0)
        r = cw_databricks_permanent_delete_cluster(c->svc->databricks, &c->call, &target, cluster.id, err);
    if (r < 0)
        return cw_err_wrap(err, "remove the verification cluster");
    cw_step_changed(c, "removed cluster %s", cluster.name);
    return 0;
}

const struct cw_step cw_step_launch_cluster = {
    .name = STEP,
    .kind = CW_STEP_ONCE,
    .timeout_ms = INT64_C(45) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 5000, .cap_ms = 120000},
    .when = when,
    .run = run,
    .probe = probe,
    .undo = undo,
};

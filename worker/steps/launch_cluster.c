/* launch_cluster: a small single-node cluster of the workspace reaches RUNNING.
 * Made once: deterministic name, looked up before it is made, adopted after a crash.  Undo: removes it.
 * Source: guide, shared steps, step 2; clusters API 2.1. */
#include "common/azure/databricks.h"
#include "worker/steps/compute_facts.h"
#include "worker/steps/former.h"
#include "worker/steps/plans.h"
#include "worker/steps/termination.h"

#define STEP "launch_cluster"
#define READY_ROUNDS 3
#define READY_PAUSE_MS 5000
#define AUTOTERMINATION_MINUTES 10
#define NODE_TYPES_MAX 3
#define LATER_ROUNDS 2 /* when no type can be had: all of them again, later */
#define LATER_PAUSE_MS (INT64_C(5) * 60 * 1000)
#define FAULTS_MAX 2
#define FAULT_PAUSE_MS (INT64_C(2) * 60 * 1000)
/* A bootstrap attempt gives up after about 12 minutes, and the state says so only after more of them: events come first. */
#define START_TIMEOUT_MS (INT64_C(20) * 60 * 1000)
#define EVENTS_PAUSE_MS (INT64_C(4) * 60 * 1000)
#define CLOCKS_APART_MS (INT64_C(60) * 1000)
#define ATTEMPTS_IN_VAIN 2
#define ADD_NODES_FAILED "ADD_NODES_FAILED"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    return req->options.launch_cluster && cw_facts_proof(facts)->code == NULL;
}

static const char *name_of(struct cw_step_ctx *c)
{
    return cw_arena_printf(c->call.mem, CW_VERIFY_CLUSTER_PREFIX "%.8s", c->key);
}

static void record(struct cw_step_ctx *c, const struct cw_cluster *cluster)
{
    c->out->cluster_id = cluster->id;
    c->out->cluster_state = cluster->state;
    c->out->cluster_node_type = cluster->node_type;
    c->out->cluster_spark_version = cluster->spark_version;
    c->out->cluster_started_ms = cluster->start_ms;
}

/* What was tried in vain. */
struct tried {
    const char *types[NODE_TYPES_MAX + 1]; /* node types, NULL-terminated */
    size_t count;
    size_t faults;   /* failures of Azure or Databricks, which may pass */
    bool was_early;  /* a start soon after this request's own changes of the network */
    size_t clusters; /* that were removed again */
    size_t rounds;   /* of all types */
};

static int create(struct cw_step_ctx *c, const struct cw_target *target, const struct tried *tried,
                  const char **ret_id, struct cw_err *err)
{
    struct cw_databricks *d = c->svc->databricks;
    struct cw_cluster_goal goal = {
        .name = name_of(c),
        .tag = c->req->event.id,
        .idempotency_token =
            tried->clusters == 0 ? c->key : cw_arena_printf(c->call.mem, "%s-%zu", c->key, tried->clusters),
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

static int remove_failed(struct cw_step_ctx *c, const struct cw_target *target,
                         const struct cw_cluster *cluster, struct tried *tried, struct cw_err *err)
{
    int r = cw_databricks_permanent_delete_cluster(c->svc->databricks, &c->call, target, cluster->id, err);
    tried->clusters++;
    return r < 0 ? cw_err_wrap(err, "remove the verification cluster") : 0;
}

static void add_type(struct tried *tried, const struct cw_cluster *cluster)
{
    if (tried->count < NODE_TYPES_MAX && cluster->node_type != NULL)
        tried->types[tried->count++] = cluster->node_type;
}

/* Azure has no such node: another type may do. */
static int no_capacity(struct cw_step_ctx *c, const struct cw_target *target,
                       const struct cw_cluster *cluster, const struct cw_termination *reason,
                       struct tried *tried, bool *ret_again, struct cw_err *err)
{
    size_t before = tried->count;
    int r = remove_failed(c, target, cluster, tried, err);
    if (r < 0)
        return r;
    add_type(tried, cluster);
    if (tried->count > before && tried->count < NODE_TYPES_MAX) {
        cw_step_found(c, "Azure has no capacity for %s: the next node type is tried", cluster->node_type);
        *ret_again = true;
        return 0;
    }
    if (tried->rounds++ < LATER_ROUNDS) {
        struct cw_waiting waiting = {.reason = CW_WAIT_CAPACITY,
                                     .what = reason->code,
                                     .detail = reason->message,
                                     .percent = -1,
                                     .since_wall_ms = cw_wall_ms()};
        tried->count = 0;
        *ret_again = true;
        cw_step_found(c, "Azure has no capacity for any of the node types: they are tried again later");
        return cw_call_wait(&c->call, waiting, cw_arm_scaled_ms(c->svc->arm, LATER_PAUSE_MS), err);
    }
    record(c, cluster);
    c->out->cluster_termination = (struct cw_termination_v1){reason->code, reason->type, reason->message};
    return cw_step_proof_failed(
        c, STEP, CW_ECAPACITY,
        "check the quota of the subscription, or try again later: this is not the network",
        "Azure could not give a node: %s: %s", reason->code, reason->message == NULL ? "" : reason->message);
}

/* Another cluster, after a while. */
static int try_later(struct cw_step_ctx *c, const struct cw_target *target, const struct cw_cluster *cluster,
                     const char *why, struct tried *tried, struct cw_err *err)
{
    struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER,
                                 .what = cluster->id,
                                 .detail = why,
                                 .percent = -1,
                                 .since_wall_ms = cw_wall_ms()};
    int r = remove_failed(c, target, cluster, tried, err);
    return r < 0 ? r : cw_call_wait(&c->call, waiting, cw_arm_scaled_ms(c->svc->arm, FAULT_PAUSE_MS), err);
}

/* The service's own trouble: another node, after a while. */
static int passing_fault(struct cw_step_ctx *c, const struct cw_target *target,
                         const struct cw_cluster *cluster, const struct cw_termination *reason,
                         struct tried *tried, struct cw_err *err)
{
    tried->faults++;
    if (cw_z_eq_nocase(reason->type, "CLOUD_FAILURE"))
        add_type(tried, cluster);
    cw_step_found(c, "the cluster did not start: %s (%s), which may pass: another one is tried", reason->code,
                  reason->type);
    return try_later(c, target, cluster, reason->code, tried, err);
}

/* What this request changed of the network takes minutes until all see it: one failure right after it proves nothing. */
static bool may_be_early(const struct cw_step_ctx *c, const struct tried *tried)
{
    return !tried->was_early && (c->req->kind != CW_REQUEST_VERIFY || c->facts->is_repaired == CW_TRI_YES);
}

static int too_early(struct cw_step_ctx *c, const struct cw_target *target, const struct cw_cluster *cluster,
                     const struct cw_termination *reason, struct tried *tried, struct cw_err *err)
{
    const char *code = reason->code == NULL ? cluster->state : reason->code;
    tried->was_early = true;
    cw_step_found(
        c, "the cluster did not start: %s, perhaps too soon after the network was changed: one more is tried",
        code);
    return try_later(c, target, cluster, code, tried, err);
}

static int judge_failure(struct cw_step_ctx *c, const struct cw_target *target,
                         const struct cw_cluster *cluster, struct tried *tried, bool *ret_again,
                         struct cw_err *err)
{
    struct cw_termination reason;
    int r = reason_of(c, target, cluster, &reason, err);
    if (r < 0)
        return r;
    if (cw_termination_is_capacity(&reason))
        return no_capacity(c, target, cluster, &reason, tried, ret_again, err);
    if (cw_termination_may_pass(&reason) && tried->faults < FAULTS_MAX) {
        *ret_again = true;
        return passing_fault(c, target, cluster, &reason, tried, err);
    }
    if (may_be_early(c, tried)) {
        *ret_again = true;
        return too_early(c, target, cluster, &reason, tried, err);
    }
    record(c, cluster);
    c->out->cluster_termination = (struct cw_termination_v1){reason.code, reason.type, reason.message};
    return cw_step_proof_failed(c, STEP, CW_EMISCONFIGURED, "see the diagnosis",
                                "the cluster did not start: %s: %s",
                                reason.code == NULL ? cluster->state : reason.code,
                                reason.message == NULL ? "no reason given" : reason.message);
}

/* What events say before the state does. *ret_is_over: nothing is to be expected of further attempts. */
static int look_at_events(struct cw_step_ctx *c, const struct cw_target *target, const char *id,
                          int64_t since_ms, bool *ret_is_over, struct cw_err *err)
{
    const struct cw_cluster_event *events = NULL;
    size_t count = 0, failed = 0;
    struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER, .what = id, .percent = -1};
    int r = cw_databricks_list_events(c->svc->databricks, &c->call, target, id, &events, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "events of the verification cluster");
    for (size_t i = 0; i < count; i++) {
        if (!cw_z_eq(events[i].type, ADD_NODES_FAILED) || events[i].time_ms < since_ms)
            continue;
        failed++;
        *ret_is_over = *ret_is_over || cw_termination_is_capacity(&events[i].reason);
        if (waiting.detail == NULL)
            waiting.detail = events[i].reason.code;
    }
    *ret_is_over = *ret_is_over || failed >= ATTEMPTS_IN_VAIN;
    waiting.next_wall_ms = cw_wall_ms() + cw_arm_scaled_ms(c->svc->arm, EVENTS_PAUSE_MS);
    if (failed > 0)
        cw_call_waiting(&c->call, &waiting);
    return 0;
}

/* Until it runs, can't run any more, or its time is up: -CW_ETIMEDOUT only for that of the step. */
static int watch_start(struct cw_step_ctx *c, const struct cw_target *target, const char *id,
                       struct cw_cluster *cluster, struct cw_err *err)
{
    const struct cw_deadline until = cw_in_ms(cw_arm_scaled_ms(c->svc->arm, START_TIMEOUT_MS));
    int64_t since_ms =
        cw_wall_ms() - CLOCKS_APART_MS; /* events of an earlier start say nothing of this one */
    for (bool is_over = false; !is_over && !cw_is_past(until);) {
        struct cw_call call = c->call;
        call.until =
            cw_sooner(cw_sooner(call.until, until), cw_in_ms(cw_arm_scaled_ms(c->svc->arm, EVENTS_PAUSE_MS)));
        int r = cw_databricks_wait_cluster(c->svc->databricks, &call, target, id, "RUNNING", cluster, err);
        if (r == 0)
            return 0;
        if (r != -CW_ETIMEDOUT)
            return cw_err_wrap(err, "wait for the verification cluster");
        if (cw_is_past(c->call.until))
            return r;
        cw_err_clear(err);
        r = look_at_events(c, target, id, since_ms, &is_over, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* *ret_again: it failed and is gone; another one is worth a try. */
static int wait_until_running(struct cw_step_ctx *c, const struct cw_target *target, const char *id,
                              struct tried *tried, bool *ret_again, struct cw_err *err)
{
    struct cw_cluster cluster = {.id = id, .state = "PENDING"};
    int r = watch_start(c, target, id, &cluster, err);
    if (r < 0)
        return r;
    cluster.id = id;
    if (!cw_z_eq(cluster.state, "RUNNING"))
        return judge_failure(c, target, &cluster, tried, ret_again, err);
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
    if (r < 0 && cw_databricks_is_network_refused(err)) {
        const char *remedy = cw_step_copy(c, err->remedy);
        return cw_step_proof_failed(c, STEP, CW_EDENIED, remedy,
                                    "the workspace refuses this worker's network: %s",
                                    cw_step_copy(c, err->text));
    }
    if (r < 0)
        return cw_err_wrap(err, "wait for the workspace's API");
    for (bool again = true; again;) {
        const char *id = NULL;
        again = false;
        r = find_or_create(c, &target, &tried, &id, err);
        if (r == 0)
            r = wait_until_running(c, &target, id, &tried, &again, err);
        if (r < 0)
            return r;
    }
    return 0;
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

static int was_begun(struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err)
{
    struct cw_workspace ws;
    struct cw_cluster cluster;
    *ret_was_begun = false;
    bool is_there = false;
    int r = c->req->options.launch_cluster ? cw_former_workspace(c, &ws, &is_there, err) : 0;
    if (r < 0 || !is_there)
        return r;
    const struct cw_target target = cw_step_target(c);
    r = cw_databricks_find_cluster(c->svc->databricks, &c->call, &target, name_of(c), &cluster, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        return 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "look for the verification cluster");
    cw_step_found(c, "an earlier run of this request made cluster %s", cluster.name);
    *ret_was_begun = true;
    return 0;
}

/* After repairs, once. */
static bool when_again(const struct cw_request *req, const struct cw_facts *facts)
{
    return facts->is_repaired == CW_TRI_YES && when(req, facts);
}

const struct cw_step cw_step_launch_cluster = {
    .name = STEP,
    .kind = CW_STEP_ONCE,
    .timeout_ms = INT64_C(75) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 5000, .cap_ms = 120000},
    .when = when,
    .run = run,
    .probe = probe,
    .undo = undo,
    .was_begun = was_begun,
};

const struct cw_step cw_step_launch_cluster_again = {
    .name = STEP "_again",
    .kind = CW_STEP_ONCE,
    .timeout_ms = INT64_C(75) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 5000, .cap_ms = 120000},
    .when = when_again,
    .run = run,
    .probe = probe,
    .undo = undo,
    .was_begun = was_begun,
};

#include "worker/steps/reap.h"

#include "worker/steps/compute_facts.h"

#define SCRATCH_BYTES_MAX ((size_t)64 << 20)

struct sweep {
    const struct cw_reap *reap;
    const struct cw_call *call; /* its memory is a workspace's or a subscription's */
    size_t removed;
};

static bool is_left(const struct sweep *s, const struct cw_cluster *cluster)
{
    return cw_z_starts(cluster->name, CW_VERIFY_CLUSTER_PREFIX) && cluster->start_ms > 0 &&
           cw_wall_ms() - cluster->start_ms > s->reap->age_ms;
}

static int remove_left(struct sweep *s, const struct cw_call *call, const struct cw_target *target,
                       struct cw_err *err)
{
    struct cw_databricks *d = s->reap->svc->databricks;
    const struct cw_cluster *clusters = NULL;
    size_t count = 0;
    int r = cw_databricks_list_clusters(d, call, target, &clusters, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!is_left(s, &clusters[i]))
            continue;
        r = cw_databricks_permanent_delete_cluster(d, call, target, clusters[i].id, err);
        s->removed += r == 0;
    }
    return r;
}

static int look(struct sweep *s, const struct cw_workspace *ws, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "sweep");
    struct cw_call call = *s->call;
    call.mem = scratch;
    const struct cw_target target = {.workspace_url = ws->workspace_url, .workspace_id = ws->id};
    const struct cw_cluster *clusters = NULL;
    size_t count = 0;
    bool has_any = false;
    int r = cw_databricks_list_clusters(s->reap->svc->databricks, &call, &target, &clusters, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        has_any = has_any || is_left(s, &clusters[i]);
    char *key = has_any ? cw_arena_strdup(scratch, ws->id) : NULL;
    if (key == NULL)
        return r;
    cw_z_lower(key);
    if (!s->reap->lock(s->reap->arg, key))
        return 0;
    /* Again under the lock: the request that held it may have removed it, or made another. */
    r = remove_left(s, &call, &target, err);
    s->reap->unlock(s->reap->arg);
    return r;
}

static bool is_end(const struct sweep *s, const struct cw_err *err)
{
    return cw_class_is_stop(err->class) || cw_is_past(s->call->until);
}

static int sweep_subscription(struct sweep *s, const char *subscription, struct cw_err *last)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    if (cw_arena_new(SCRATCH_BYTES_MAX, &mem) < 0)
        return cw_err_set(last, CW_ENOMEM, "sweep");
    struct cw_call call = *s->call;
    call.mem = mem;
    const struct cw_workspace *workspaces = NULL;
    size_t count = 0;
    int r = cw_workspace_list(s->reap->svc->arm, &call, subscription, &workspaces, &count, &err);
    if (r < 0)
        *last = err;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (workspaces[i].workspace_url == NULL || look(s, &workspaces[i], &err) == 0)
            continue;
        *last = err;
        if (is_end(s, &err))
            return -err.code;
        cw_err_clear(&err);
    }
    return r < 0 && is_end(s, &err) ? r : 0;
}

int cw_reap(const struct cw_reap *reap, const struct cw_call *call, size_t *ret_removed, struct cw_err *err)
{
    const struct cw_policy *policy = reap->svc->policy;
    struct sweep s = {.reap = reap, .call = call};
    const char *const *subscriptions = policy->subscriptions;
    size_t count = policy->subscription_count;
    int r = 0;
    if (count == 0)
        r = cw_resources_list_subscriptions(reap->svc->arm, call, &subscriptions, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = sweep_subscription(&s, subscriptions[i], err);
    *ret_removed = s.removed;
    return -err->code;
}

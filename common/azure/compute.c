#include "common/azure/compute.h"

#include "common/azure/compute_impl.h"
#include "common/azure/read_impl.h"

static const char *const kind_names[CW_COMPUTE__COUNT] = {"cluster", "warehouse", "pool",
                                                          "run",     "pipeline",  "schedule"};

const char *cw_compute_kind_name(enum cw_compute_kind kind)
{
    return (unsigned)kind < CW_COMPUTE__COUNT ? kind_names[kind] : "unknown";
}

bool cw_compute_is_any(const char *z, const char *const *words)
{
    for (; *words != NULL; words++)
        if (cw_z_eq_nocase(*words, z))
            return true;
    return false;
}

bool cw_compute_is_waking(const struct cw_compute *item)
{
    return item->kind == CW_COMPUTE_SCHEDULE && cw_z_eq(item->state, "UNPAUSED");
}

/* --- listing -------------------------------------------------------------------------------------------------------- */

bool cw_compute_add(struct cw_compute_list *list, size_t *cap, struct cw_arena *mem, struct cw_compute item)
{
    if (list->count == *cap) {
        size_t grown = *cap == 0 ? 32 : *cap * 2;
        struct cw_compute *items = cw_arena_alloc_array(mem, grown, sizeof *items);
        if (items == NULL)
            return false;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        *cap = grown;
    }
    list->items[list->count++] = item;
    list->blocking_count += item.is_blocking;
    return true;
}

static struct cw_compute of_cluster(const struct cw_cluster *c)
{
    static const char *const idle[] = {"TERMINATED", "ERROR", "UNKNOWN", NULL};
    static const char *const own[] = {"UI", "API", "", NULL};
    static const char *const of_work[] = {"JOB", "PIPELINE", "PIPELINE_MAINTENANCE", NULL};
    struct cw_compute item = {
        .kind = CW_COMPUTE_CLUSTER,
        .id = c->id,
        .name = c->name,
        .state = c->state,
        .is_blocking = !cw_compute_is_any(c->state, idle),
        .is_work = cw_compute_is_any(c->source, of_work),
        .is_owned = cw_z_eq(c->source, "SQL"), /* by a warehouse */
        .can_restart = cw_compute_is_any(c->source == NULL ? "" : c->source, own),
        .idle_minutes = -1,
    };
    if (item.is_work)
        item.note = "a cluster of a job or pipeline: it comes back with its next run";
    else if (!item.can_restart)
        item.note = "not a cluster that can be started: it comes back with what it serves";
    else if (cw_z_eq_nocase(c->state, "TERMINATING"))
        item.can_restart = false; /* somebody stopped it before us */
    return item;
}

static struct cw_compute of_warehouse(const struct cw_warehouse *w)
{
    static const char *const idle[] = {"STOPPED", "DELETED", "DELETING", NULL};
    struct cw_compute item = {
        .kind = CW_COMPUTE_WAREHOUSE,
        .id = w->id,
        .name = w->name,
        .state = w->state,
        .is_blocking = !w->is_serverless && !cw_compute_is_any(w->state, idle),
        .can_restart = !w->is_serverless && !cw_z_eq_nocase(w->state, "STOPPING"),
        .idle_minutes = -1,
        .note = w->is_serverless ? "serverless: not in the VNet, left alone" : NULL,
    };
    return item;
}

static struct cw_compute of_pool(const struct cw_pool *p, struct cw_arena *mem)
{
    int64_t idle = p->idle + p->pending_idle;
    int64_t used = p->used + p->pending_used;
    return (struct cw_compute){
        .kind = CW_COMPUTE_POOL,
        .id = p->id,
        .name = p->name,
        .state = cw_arena_printf(mem, "idle %lld, used %lld", (long long)idle, (long long)used),
        .is_blocking = !cw_z_eq_nocase(p->state, "DELETED") && (idle + used > 0 || p->min_idle > 0),
        .can_restart = true,
        .min_idle = p->min_idle,
        .idle_minutes = p->idle_minutes,
    };
}

static struct cw_compute of_run(const struct cw_job_run *run, bool is_blocking, struct cw_arena *mem)
{
    static const char *const over[] = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR", NULL};
    return (struct cw_compute){
        .kind = CW_COMPUTE_RUN,
        .id = cw_arena_printf(mem, "%lld", (long long)run->run_id),
        .name = run->name,
        .state = run->state,
        .is_blocking = is_blocking && !cw_compute_is_any(run->state, over),
        .is_work = true,
        .idle_minutes = -1,
        .note = "a cancelled run is not started again: run its job when the workspace is ready",
    };
}

/* A continuous one goes on from where it was: it may be stopped like a warehouse. */
static struct cw_compute of_pipeline(const struct cw_pipeline *p)
{
    return (struct cw_compute){
        .kind = CW_COMPUTE_PIPELINE,
        .id = p->id,
        .name = p->name,
        .state = p->state,
        .is_blocking = !p->is_serverless && cw_pipeline_is_busy(p->state),
        .is_work = !p->is_continuous,
        .can_restart = p->is_continuous && !cw_z_eq_nocase(p->state, "STOPPING"),
        .idle_minutes = -1,
        .note = p->is_continuous ? NULL : "an update of a pipeline: it is not started again",
    };
}

static struct cw_compute of_schedule(const struct cw_schedule *s, struct cw_arena *mem)
{
    return (struct cw_compute){
        .kind = CW_COMPUTE_SCHEDULE,
        .id = cw_arena_printf(mem, "%lld", (long long)s->job_id),
        .name = s->name,
        .state = s->is_paused ? "PAUSED" : "UNPAUSED",
        .can_restart = true,
        .idle_minutes = -1,
    };
}

/* What is looked at, by kind; each appends to the list. */
struct looking {
    struct cw_databricks *d;
    const struct cw_call *call;
    const struct cw_target *target;
    struct cw_compute_list list;
    size_t cap;
};

static int look_clusters(struct looking *l, const char *skip, struct cw_err *err)
{
    const struct cw_cluster *items = NULL;
    size_t count = 0;
    int r = cw_databricks_list_clusters(l->d, l->call, l->target, &items, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (skip != NULL && cw_z_starts(items[i].name, skip))
            continue;
        if (!cw_compute_add(&l->list, &l->cap, l->call->mem, of_cluster(&items[i])))
            r = cw_compute_no_memory(err);
    }
    return r;
}

static int look_warehouses(struct looking *l, struct cw_err *err)
{
    const struct cw_warehouse *items = NULL;
    size_t count = 0;
    int r = cw_databricks_list_warehouses(l->d, l->call, l->target, &items, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!cw_compute_add(&l->list, &l->cap, l->call->mem, of_warehouse(&items[i])))
            r = cw_compute_no_memory(err);
    return r;
}

static int look_pools(struct looking *l, struct cw_err *err)
{
    const struct cw_pool *items = NULL;
    size_t count = 0;
    int r = cw_databricks_list_pools(l->d, l->call, l->target, &items, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!cw_compute_add(&l->list, &l->cap, l->call->mem, of_pool(&items[i], l->call->mem)))
            r = cw_compute_no_memory(err);
    return r;
}

static const struct cw_compute *find(const struct looking *l, enum cw_compute_kind kind, const char *id)
{
    for (size_t i = 0; i < l->list.count; i++)
        if (l->list.items[i].kind == kind && cw_z_eq(l->list.items[i].id, id))
            return &l->list.items[i];
    return NULL;
}

/* A run of queries is work on its warehouse, which is in the list already. */
static bool is_in_network(const struct looking *l, const struct cw_job_run *run)
{
    const struct cw_compute *warehouse = find(l, CW_COMPUTE_WAREHOUSE, run->warehouse_id);
    return run->is_classic || (warehouse != NULL && warehouse->is_blocking);
}

static int look_runs(struct looking *l, struct cw_err *err)
{
    const struct cw_job_run *items = NULL;
    size_t count = 0;
    int r = cw_databricks_list_active_runs(l->d, l->call, l->target, &items, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!cw_compute_add(&l->list, &l->cap, l->call->mem,
                            of_run(&items[i], is_in_network(l, &items[i]), l->call->mem)))
            r = cw_compute_no_memory(err);
    return r;
}

/* Its cluster ends with it. */
static void own_cluster(struct looking *l, const struct cw_pipeline *p)
{
    for (size_t i = 0; p->cluster_id != NULL && i < l->list.count; i++) {
        struct cw_compute *item = &l->list.items[i];
        if (item->kind != CW_COMPUTE_CLUSTER || !cw_z_eq(item->id, p->cluster_id))
            continue;
        item->is_work = !p->is_continuous;
        item->is_owned = true;
    }
}

static int look_pipelines(struct looking *l, struct cw_err *err)
{
    const struct cw_pipeline *items = NULL;
    size_t count = 0;
    int r = cw_databricks_list_pipelines(l->d, l->call, l->target, &items, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (cw_pipeline_is_busy(items[i].state))
            own_cluster(l, &items[i]);
        if (!cw_compute_add(&l->list, &l->cap, l->call->mem, of_pipeline(&items[i])))
            r = cw_compute_no_memory(err);
    }
    return r;
}

static int look_schedules(struct looking *l, struct cw_err *err)
{
    const struct cw_schedule *items = NULL;
    size_t count = 0;
    int r = cw_databricks_list_schedules(l->d, l->call, l->target, &items, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (items[i].is_classic &&
            !cw_compute_add(&l->list, &l->cap, l->call->mem, of_schedule(&items[i], l->call->mem)))
            r = cw_compute_no_memory(err);
    return r;
}

int cw_compute_list(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const char *skip_cluster_name, struct cw_compute_list *ret_list, struct cw_err *err)
{
    struct looking l = {.d = d, .call = call, .target = target};
    int r = look_clusters(&l, skip_cluster_name, err);
    if (r == 0)
        r = look_warehouses(&l, err);
    if (r == 0)
        r = look_pools(&l, err);
    if (r == 0)
        r = look_runs(&l, err);
    if (r == 0)
        r = look_pipelines(&l, err);
    if (r == 0)
        r = look_schedules(&l, err);
    if (r == 0)
        r = cw_check_mem(call, err);
    if (r == 0)
        *ret_list = l.list;
    return r;
}

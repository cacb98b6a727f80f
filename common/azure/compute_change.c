#include "common/azure/compute_impl.h"

#define LOOK_MS 10000
#define SCRATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* --- stopping --------------------------------------------------------------------------------------------------------- */

/* Work under way by itself: sending a stop again says nothing new. */
static bool is_stopping(const struct cw_compute *item)
{
    static const char *const states[] = {"TERMINATING", "STOPPING", NULL};
    return cw_compute_is_any(item->state, states) ||
           (item->kind == CW_COMPUTE_POOL && item->min_idle == 0 && item->idle_minutes == 0);
}

static int send_stop(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const struct cw_compute *item, struct cw_err *err)
{
    int64_t run_id = 0;
    switch (item->kind) {
    case CW_COMPUTE_CLUSTER:
        return cw_databricks_delete_cluster(d, call, target, item->id, err);
    case CW_COMPUTE_WAREHOUSE:
        return cw_databricks_stop_warehouse(d, call, target, item->id, err);
    case CW_COMPUTE_POOL:
        return cw_databricks_edit_pool(d, call, target, item->id, 0, 0, err);
    default:
        return cw_z_to_i64(item->id, &run_id) ? cw_databricks_cancel_run(d, call, target, run_id, err) : 0;
    }
}

static struct cw_compute *find_item(struct cw_compute_list *list, const struct cw_compute *like)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == like->kind && strcmp(list->items[i].id, like->id) == 0)
            return &list->items[i];
    return NULL;
}

/* A copy whose strings live in mem. */
static struct cw_compute keep_item(const struct cw_compute *item, struct cw_arena *mem)
{
    struct cw_compute kept = *item;
    kept.id = cw_arena_strdup(mem, item->id);
    kept.name = cw_arena_strdup(mem, item->name);
    kept.state = cw_arena_strdup(mem, item->state);
    kept.note = cw_arena_strdup(mem, item->note);
    return kept;
}

struct stopping {
    struct cw_databricks *d;
    const struct cw_call *call;
    const struct cw_target *target;
    bool may_cancel_runs;
    struct cw_compute_list *list;
    size_t cap;
    void (*stopped)(void *arg, const struct cw_compute *item);
    void *arg;
};

/* The caller's own entry for what was seen: appended when it woke up meanwhile. */
static struct cw_compute *entry_of(struct stopping *s, const struct cw_compute *seen)
{
    struct cw_compute *item = find_item(s->list, seen);
    if (item != NULL && item->is_blocking)
        return item;
    struct cw_compute kept = keep_item(seen, s->call->mem);
    if (item != NULL) {
        s->list->blocking_count++;
        *item = kept;
        return item;
    }
    if (!cw_compute_add(s->list, &s->cap, s->call->mem, kept))
        return NULL;
    return &s->list->items[s->list->count - 1];
}

/* One look: stop what blocks. *ret_left counts what still does. */
static int stop_round(struct stopping *s, const char *skip, size_t *ret_left, char detail[160],
                      struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_compute_no_memory(err);
    struct cw_call looking = *s->call;
    looking.mem = scratch;
    struct cw_compute_list seen = {0};
    int r = cw_compute_list(s->d, &looking, s->target, skip, &seen, err);
    *ret_left = seen.blocking_count;
    detail[0] = '\0';
    for (size_t i = 0; r == 0 && i < seen.count; i++) {
        const struct cw_compute *now = &seen.items[i];
        if (!now->is_blocking)
            continue;
        (void)snprintf(detail, 160, "%zu left: %s %.60s %.30s", seen.blocking_count,
                       cw_compute_kind_name(now->kind), now->name, now->state);
        bool must_wait = now->kind == CW_COMPUTE_RUN && !s->may_cancel_runs;
        struct cw_compute *item = entry_of(s, now);
        if (item == NULL)
            return cw_compute_no_memory(err);
        if (must_wait || is_stopping(now))
            continue;
        if (s->stopped != NULL)
            s->stopped(s->arg, item);
        r = send_stop(s->d, &looking, s->target, now, err);
        if (r == -CW_ECONFLICT || r == -CW_ENOTFOUND) { /* it changes by itself: the next look tells */
            cw_err_clear(err);
            r = 0;
        }
        if (r < 0)
            (void)cw_err_wrap(err, "stop %s %s", cw_compute_kind_name(now->kind), now->name);
    }
    return r;
}

int cw_compute_stop(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const char *skip_cluster_name, bool may_cancel_runs, struct cw_compute_list *list,
                    void (*stopped)(void *arg, const struct cw_compute *item), void *arg, struct cw_err *err)
{
    struct stopping s = {.d = d,
                         .call = call,
                         .target = target,
                         .may_cancel_runs = may_cancel_runs,
                         .list = list,
                         .stopped = stopped,
                         .arg = arg};
    s.cap = list->count;
    int64_t since = cw_wall_ms();
    for (;;) {
        size_t left = 0;
        char detail[160];
        int r = stop_round(&s, skip_cluster_name, &left, detail, err);
        if (r < 0 || left == 0)
            return r;
        struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER,
                                     .what = target->workspace_url,
                                     .detail = detail,
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_call_wait(call, waiting, cw_arm_scaled_ms(cw_databricks_arm(d), LOOK_MS), err);
        if (r < 0)
            return r;
    }
}

/* --- starting ----------------------------------------------------------------------------------------------------------- */

enum progress { PROGRESS_AGAIN = 0, PROGRESS_DONE };

static const char *const running_states[] = {"RUNNING", "RESIZING", NULL};
static const char *const starting_states[] = {"PENDING", "RESTARTING", "STARTING", NULL};
static const char *const stopping_states[] = {"TERMINATING", "STOPPING", NULL};
static const char *const stopped_states[] = {"TERMINATED", "STOPPED", NULL};

static int state_of(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const struct cw_compute *item, const char **ret_state, struct cw_err *err)
{
    struct cw_cluster cluster;
    struct cw_warehouse warehouse;
    int r = 0;
    if (item->kind == CW_COMPUTE_CLUSTER) {
        r = cw_databricks_get_cluster(d, call, target, item->id, &cluster, err);
        *ret_state = r == 0 ? cluster.state : "gone";
    } else {
        r = cw_databricks_get_warehouse(d, call, target, item->id, &warehouse, err);
        *ret_state = r == 0 ? warehouse.state : "gone";
    }
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        r = 0;
    }
    return r;
}

static int send_start(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                      const struct cw_compute *item, struct cw_err *err)
{
    if (item->kind == CW_COMPUTE_CLUSTER)
        return cw_databricks_start_cluster(d, call, target, item->id, err);
    return cw_databricks_start_warehouse(d, call, target, item->id, err);
}

/* One look at one item. was_sent remembers that we started it: stopped again is then the end. */
static int start_look(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                      const struct cw_compute *item, bool wait, bool *was_sent, const char **ret_state,
                      enum progress *ret_progress, struct cw_err *err)
{
    int r = state_of(d, call, target, item, ret_state, err);
    *ret_progress = PROGRESS_DONE;
    if (r < 0 || cw_compute_is_any(*ret_state, running_states))
        return r;
    if (cw_compute_is_any(*ret_state, stopping_states) || cw_compute_is_any(*ret_state, starting_states)) {
        bool is_starting = cw_compute_is_any(*ret_state, starting_states);
        *ret_progress = is_starting && !wait ? PROGRESS_DONE : PROGRESS_AGAIN;
        return 0;
    }
    if (!cw_compute_is_any(*ret_state, stopped_states))
        return 0; /* gone, deleted, error: nothing to start */
    if (*was_sent)
        return cw_err_set(err, CW_EOPFAILED, "%s %s was started and is %s again",
                          cw_compute_kind_name(item->kind), item->name, *ret_state);
    r = send_start(d, call, target, item, err);
    if (r == -CW_ECONFLICT) { /* it changes by itself: look again */
        cw_err_clear(err);
        *ret_progress = PROGRESS_AGAIN;
        return 0;
    }
    *was_sent = r == 0;
    *ret_state = "starting";
    *ret_progress = wait ? PROGRESS_AGAIN : PROGRESS_DONE;
    return r;
}

static int restore_pool(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                        const struct cw_compute *item, const char **ret_state, struct cw_err *err)
{
    int r = cw_databricks_edit_pool(d, call, target, item->id, item->min_idle, item->idle_minutes, err);
    *ret_state = r == 0 ? "restored" : "gone";
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        r = 0;
    }
    return r;
}

struct starting {
    bool is_over;
    bool was_sent;
};

/* One look at one item, with what it ended with kept. */
static int start_one(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const struct cw_compute *item, bool wait, struct starting *s, const char **ret_state,
                     struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_compute_no_memory(err);
    struct cw_call looking = *call;
    looking.mem = scratch;
    const char *state = "unknown";
    enum progress progress = PROGRESS_DONE;
    int r = item->kind == CW_COMPUTE_POOL
                ? restore_pool(d, &looking, target, item, &state, err)
                : start_look(d, &looking, target, item, wait, &s->was_sent, &state, &progress, err);
    s->is_over = r < 0 || progress == PROGRESS_DONE;
    if (ret_state != NULL && (*ret_state == NULL || strcmp(*ret_state, state) != 0))
        *ret_state = cw_arena_strdup(call->mem, state);
    return r < 0 ? cw_err_wrap(err, "start %s %s", cw_compute_kind_name(item->kind), item->name) : 0;
}

static bool is_mine_to_start(const struct cw_compute *item)
{
    return item->is_blocking && item->can_restart && item->kind != CW_COMPUTE_RUN;
}

static bool is_end(int r)
{
    enum cw_class class = cw_err_class_of(r);
    return class == CW_CLASS_CANCELLED || class == CW_CLASS_LOST;
}

/* All items once. *ret_left counts those that need another look; the first error is kept in `first`. */
static int start_round(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                       const struct cw_compute_list *list, bool wait, struct starting *work,
                       const char **states, size_t *ret_left, struct cw_err *first)
{
    *ret_left = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct cw_err why = {0};
        if (work[i].is_over || !is_mine_to_start(&list->items[i]))
            continue;
        int r = start_one(d, call, target, &list->items[i], wait, &work[i],
                          states != NULL ? &states[i] : NULL, &why);
        if (is_end(r) || (r < 0 && cw_is_past(call->until))) {
            *first = why;
            return r;
        }
        if (r < 0 && first->code == 0)
            *first = why;
        *ret_left += !work[i].is_over;
    }
    return 0;
}

int cw_compute_start(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                     const struct cw_compute_list *list, bool wait, const char **states, struct cw_err *err)
{
    struct starting *work = cw_arena_alloc_array(call->mem, list->count + 1, sizeof *work);
    struct cw_err first = {0};
    int64_t since = cw_wall_ms();
    if (work == NULL)
        return cw_compute_no_memory(err);
    for (size_t i = 0; states != NULL && i < list->count; i++)
        states[i] = NULL;
    for (;;) {
        size_t left = 0;
        int r = start_round(d, call, target, list, wait, work, states, &left, &first);
        if (r < 0 || left == 0) {
            if (first.code != 0)
                *err = first;
            return -first.code;
        }
        char detail[64];
        (void)snprintf(detail, sizeof detail, "%zu still to start", left);
        struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER,
                                     .what = target->workspace_url,
                                     .detail = detail,
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_call_wait(call, waiting, cw_arm_scaled_ms(cw_databricks_arm(d), LOOK_MS), err);
        if (r < 0)
            return r;
    }
}

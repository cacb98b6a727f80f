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
    int64_t number = 0;
    switch (item->kind) {
    case CW_COMPUTE_CLUSTER:
        return cw_databricks_delete_cluster(d, call, target, item->id, err);
    case CW_COMPUTE_WAREHOUSE:
        return cw_databricks_stop_warehouse(d, call, target, item->id, err);
    case CW_COMPUTE_POOL:
        return cw_databricks_edit_pool(d, call, target, item->id, 0, 0, err);
    case CW_COMPUTE_PIPELINE:
        return cw_databricks_stop_pipeline(d, call, target, item->id, err);
    case CW_COMPUTE_SCHEDULE:
        return cw_z_to_i64(item->id, &number)
                   ? cw_databricks_pause_schedule(d, call, target, number, true, err)
                   : 0;
    default:
        return cw_z_to_i64(item->id, &number) ? cw_databricks_cancel_run(d, call, target, number, err) : 0;
    }
}

struct stopping {
    struct cw_databricks *d;
    const struct cw_call *call;
    const struct cw_target *target;
    const struct cw_compute_stop *how;
    struct cw_deadline patience;
    size_t left; /* of the last look: what blocks */
    size_t work; /* of it: what ends by itself */
    bool has_sent;
    char detail[200];
};

/* What this look stops, moved to the front of the list; its number. */
static size_t choose(struct stopping *s, struct cw_compute_list *seen)
{
    size_t n = 0;
    bool must_wait = s->work > 0 && !s->how->may_cancel_runs;
    for (size_t i = 0; i < seen->count; i++) {
        struct cw_compute item = seen->items[i];
        bool is_due = item.is_blocking && !must_wait && !item.is_owned && !is_stopping(&item);
        if (!is_due && !cw_compute_is_waking(&item))
            continue;
        seen->items[i] = seen->items[n];
        seen->items[n++] = item;
    }
    return n;
}

/* A run says more than its cluster, and what is waited for more than what is stopping. */
static int worth_telling(const struct cw_compute *item)
{
    return !item->is_work ? 0 : item->kind == CW_COMPUTE_CLUSTER ? 1 : 2;
}

static void count_what_is_left(struct stopping *s, const struct cw_compute_list *seen)
{
    const struct cw_compute *shown = NULL;
    s->left = seen->blocking_count;
    s->work = 0;
    for (size_t i = 0; i < seen->count; i++) {
        const struct cw_compute *item = &seen->items[i];
        s->work += item->is_blocking && item->is_work;
        if (item->is_blocking && (shown == NULL || worth_telling(item) > worth_telling(shown)))
            shown = item;
    }
    if (shown != NULL)
        (void)snprintf(s->detail, sizeof s->detail, "%zu left: %s %.60s %.30s%s", s->left,
                       cw_compute_kind_name(shown->kind), shown->name, shown->state,
                       shown->is_work && !s->how->may_cancel_runs ? ", which is waited for" : "");
}

static int send_stops(struct stopping *s, const struct cw_call *call, const struct cw_compute *items,
                      size_t count, struct cw_err *err)
{
    int r = count > 0 && s->how->stopping != NULL ? s->how->stopping(s->how->arg, items, count, err) : 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = send_stop(s->d, call, s->target, &items[i], err);
        if (r == -CW_ECONFLICT || r == -CW_ENOTFOUND) { /* it changes by itself: the next look tells */
            cw_err_clear(err);
            r = 0;
        }
        if (r < 0)
            (void)cw_err_wrap(err, "stop %s %s", cw_compute_kind_name(items[i].kind), items[i].name);
    }
    return r;
}

static int refuse_to_wait(const struct stopping *s, struct cw_err *err)
{
    (void)cw_err_set(err, CW_EREJECTED, "runs did not end within %lld minutes: %s",
                     (long long)(s->how->run_patience_ms / 60000), s->detail);
    cw_err_remedy(err, "send it again when they have ended, or set options.stopCompute to cancel-runs "
                       "(cancelled runs are not started again)");
    return -CW_EREJECTED;
}

/* One look: pause and stop what is due. *ret_again: something was sent, or blocks. */
static int stop_round(struct stopping *s, bool *ret_again, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_compute_no_memory(err);
    struct cw_call looking = *s->call;
    looking.mem = scratch;
    struct cw_compute_list seen = {0};
    int r = cw_compute_list(s->d, &looking, s->target, s->how->skip_cluster_name, &seen, err);
    if (r < 0)
        return r;
    count_what_is_left(s, &seen);
    size_t n = choose(s, &seen);
    s->has_sent = n > 0;
    *ret_again = n > 0 || s->left > 0;
    r = send_stops(s, &looking, seen.items, n, err);
    if (r == 0 && s->work > 0 && !s->how->may_cancel_runs && cw_is_past(s->patience))
        return refuse_to_wait(s, err);
    return r;
}

int cw_compute_stop(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const struct cw_compute_stop *how, struct cw_err *err)
{
    struct cw_arm *arm = cw_databricks_arm(d);
    struct stopping s = {.d = d,
                         .call = call,
                         .target = target,
                         .how = how,
                         .patience = cw_in_ms(cw_arm_scaled_ms(arm, how->run_patience_ms))};
    int64_t since = cw_wall_ms();
    for (;;) {
        bool again = false;
        int r = stop_round(&s, &again, err);
        if (r < 0 || !again)
            return r;
        if (s.has_sent)
            since = cw_wall_ms();
        struct cw_waiting waiting = {.reason = CW_WAIT_CLUSTER,
                                     .what = target->workspace_url,
                                     .detail = s.detail,
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_arm_pause(arm, call, waiting, LOOK_MS, 0, err);
        if (r < 0)
            return r;
    }
}

/* --- starting ----------------------------------------------------------------------------------------------------------- */

enum progress { PROGRESS_AGAIN = 0, PROGRESS_DONE };

static const char *const running_states[] = {"RUNNING", "RESIZING", NULL};
static const char *const starting_states[] = {"PENDING",    "RESTARTING", "STARTING", "DEPLOYING",
                                              "RECOVERING", "RESETTING",  NULL};
static const char *const stopping_states[] = {"TERMINATING", "STOPPING", NULL};
static const char *const stopped_states[] = {"TERMINATED", "STOPPED", "IDLE", NULL};

static int state_of(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                    const struct cw_compute *item, const char **ret_state, struct cw_err *err)
{
    struct cw_cluster cluster;
    struct cw_warehouse warehouse;
    struct cw_pipeline pipeline;
    int r = 0;
    if (item->kind == CW_COMPUTE_CLUSTER) {
        r = cw_databricks_get_cluster(d, call, target, item->id, &cluster, err);
        *ret_state = r == 0 ? cluster.state : "gone";
    } else if (item->kind == CW_COMPUTE_PIPELINE) {
        r = cw_databricks_get_pipeline(d, call, target, item->id, &pipeline, err);
        *ret_state = r == 0 ? pipeline.state : "gone";
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
    if (item->kind == CW_COMPUTE_PIPELINE)
        return cw_databricks_start_pipeline(d, call, target, item->id, err);
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

/* What has no state to wait for: it is put back as it was. */
static int restore(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                   const struct cw_compute *item, const char **ret_state, struct cw_err *err)
{
    int64_t job_id = 0;
    int r = 0;
    *ret_state = item->kind == CW_COMPUTE_POOL ? "restored" : "UNPAUSED";
    if (item->kind == CW_COMPUTE_POOL)
        r = cw_databricks_edit_pool(d, call, target, item->id, item->min_idle, item->idle_minutes, err);
    else if (cw_z_to_i64(item->id, &job_id))
        r = cw_databricks_pause_schedule(d, call, target, job_id, false, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        *ret_state = "gone";
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
    bool has_no_state = item->kind == CW_COMPUTE_POOL || item->kind == CW_COMPUTE_SCHEDULE;
    int r = has_no_state ? restore(d, &looking, target, item, &state, err)
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
    return cw_class_is_stop(cw_err_class_of(r));
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
        r = cw_arm_pause(cw_databricks_arm(d), call, waiting, LOOK_MS, 0, err);
        if (r < 0)
            return r;
    }
}

#include "worker/steps/compute_facts.h"

bool cw_compute_update_needed(const struct cw_facts *facts)
{
    return !cw_z_eq(facts->required_nsg_rules, CW_NSG_RULES_NONE) || facts->no_public_ip != CW_TRI_YES;
}

int cw_compute_wait_settled(struct cw_step_ctx *c, struct cw_workspace *ret_workspace, struct cw_err *err)
{
    int r = cw_workspace_wait(c->svc->arm, &c->call, c->req->workspace_id, ret_workspace, err);
    if (r == -CW_EOPFAILED) {
        cw_err_clear(err);
        r = cw_workspace_get(c->svc->arm, &c->call, c->req->workspace_id, ret_workspace, err);
    }
    return r < 0 ? cw_err_wrap(err, "wait for workspace") : 0;
}

int cw_compute_to_facts(struct cw_step_ctx *c, const struct cw_compute_list *list,
                        struct cw_compute_v1 **ret_items, size_t *ret_count)
{
    struct cw_compute_v1 *items = cw_arena_alloc_array(c->call.mem, list->blocking_count + 1, sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < list->count; i++) {
        const struct cw_compute *from = &list->items[i];
        if (!from->is_blocking || n == list->blocking_count)
            continue;
        items[n++] = (struct cw_compute_v1){
            .kind = (int)from->kind,
            .id = from->id,
            .name = from->name,
            .state = from->state,
            .was_running = from->can_restart,
            .min_idle = from->min_idle,
            .idle_minutes = from->idle_minutes,
            .note = from->note,
        };
    }
    *ret_items = items;
    *ret_count = n;
    return 0;
}

int cw_compute_from_facts(struct cw_step_ctx *c, struct cw_compute_list *ret_list)
{
    const struct cw_facts *facts = c->facts;
    struct cw_compute *items = cw_arena_alloc_array(c->call.mem, facts->compute_count + 1, sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < facts->compute_count; i++) {
        const struct cw_compute_v1 *from = &facts->compute[i];
        if (!from->was_running)
            continue;
        items[n++] = (struct cw_compute){
            .kind = (enum cw_compute_kind)from->kind,
            .id = from->id,
            .name = from->name,
            .state = from->state,
            .is_blocking = true,
            .can_restart = true,
            .min_idle = from->min_idle,
            .idle_minutes = from->idle_minutes,
        };
    }
    *ret_list = (struct cw_compute_list){.items = items, .count = n, .blocking_count = n};
    return 0;
}

static int record_states(struct cw_step_ctx *c, const char *const *states)
{
    const struct cw_facts *facts = c->facts;
    struct cw_compute_v1 *items = cw_arena_alloc_array(c->call.mem, facts->compute_count + 1, sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < facts->compute_count; i++) {
        items[i] = facts->compute[i];
        if (items[i].was_running)
            items[i].state_now = states[n++];
    }
    c->out->compute = items;
    c->out->compute_count = facts->compute_count;
    c->out->compute_listed = true;
    return 0;
}

int cw_compute_start_again(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_compute_list list;
    if (cw_compute_from_facts(c, &list) < 0)
        return cw_err_set(err, CW_ENOMEM, "compute");
    const char **states = cw_arena_alloc_array(c->call.mem, list.count + 1, sizeof *states);
    if (states == NULL)
        return cw_err_set(err, CW_ENOMEM, "compute");
    int r = cw_compute_start(c->svc->databricks, &c->call, &target, &list, true, states, err);
    if (record_states(c, states) < 0)
        return cw_err_set(err, CW_ENOMEM, "compute");
    for (size_t i = 0; i < list.count; i++)
        cw_step_found(c, "%s %s is %s", cw_compute_kind_name(list.items[i].kind), list.items[i].name,
                      states[i] == NULL ? "gone" : states[i]);
    return r;
}

struct stop_log {
    struct cw_step_ctx *c;
    struct cw_compute_v1 *items; /* the inventory, and what was stopped besides */
    size_t count;
    size_t cap;
    bool failed;
};

static bool is_listed(const struct stop_log *log, const struct cw_compute *item)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->items[i].kind == (int)item->kind && cw_z_eq(log->items[i].id, item->id))
            return true;
    return false;
}

static bool grow(struct stop_log *log)
{
    size_t cap = log->cap * 2 + 16;
    struct cw_compute_v1 *items = cw_arena_alloc_array(log->c->call.mem, cap, sizeof *items);
    if (items == NULL)
        return false;
    if (log->count > 0)
        memcpy(items, log->items, log->count * sizeof *items);
    log->items = items;
    log->cap = cap;
    return true;
}

static void note_stop(void *arg, const struct cw_compute *item)
{
    struct stop_log *log = arg;
    cw_step_changed(log->c, "stopped %s %s", cw_compute_kind_name(item->kind), item->name);
    if (is_listed(log, item))
        return;
    if (log->count == log->cap && !grow(log)) {
        log->failed = true;
        return;
    }
    log->items[log->count++] = (struct cw_compute_v1){
        .kind = (int)item->kind,
        .id = item->id,
        .name = item->name,
        .state = item->state,
        .was_running = item->can_restart,
        .stopped_by_us = true,
        .min_idle = item->min_idle,
        .idle_minutes = item->idle_minutes,
        .note = "it started after the inventory",
    };
}

int cw_compute_stop_and_record(struct cw_step_ctx *c, struct cw_compute_list *list, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct stop_log log = {
        .c = c, .items = c->facts->compute, .count = c->facts->compute_count, .cap = c->facts->compute_count};
    int r = cw_compute_stop(c->svc->databricks, &c->call, &target, CW_VERIFY_CLUSTER_PREFIX, false, list,
                            note_stop, &log, err);
    if (r < 0)
        return r;
    if (log.failed)
        return cw_err_set(err, CW_ENOMEM, "compute");
    if (log.count > c->facts->compute_count) {
        c->out->compute = log.items;
        c->out->compute_count = log.count;
        c->out->compute_listed = true;
    }
    return 0;
}

int cw_compute_refuse(const struct cw_compute_list *list, struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf names = {0};
    size_t shown = 0;
    for (size_t i = 0; i < list->count && shown < 10; i++)
        if (list->items[i].is_blocking)
            cw_buf_addf(&names, "%s%s %s (%s)", shown++ > 0 ? ", " : "",
                        cw_compute_kind_name(list->items[i].kind), list->items[i].name, list->items[i].state);
    (void)cw_err_set(err, CW_EREJECTED,
                     "compute is running, and the request does not allow it to be stopped: %s%s",
                     cw_buf_z(&names), list->blocking_count > shown ? " …" : "");
    cw_err_remedy(err,
                  "set options.stopCompute to allow (what ran is started again), or stop it yourself first");
    return -CW_EREJECTED;
}

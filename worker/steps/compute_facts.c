#include "worker/steps/compute_facts.h"

#include "worker/steps/diagnosis.h"

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

bool cw_compute_may_stop(const struct cw_request *req)
{
    return req->options.stop_compute != CW_STOP_COMPUTE_REFUSE;
}

bool cw_compute_has_stopped(const struct cw_facts *facts)
{
    for (size_t i = 0; i < facts->compute_count; i++)
        if (facts->compute[i].stopped_by_us)
            return true;
    return false;
}

static struct cw_compute_v1 fact_of(const struct cw_compute *from)
{
    return (struct cw_compute_v1){
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

int cw_compute_to_facts(struct cw_step_ctx *c, const struct cw_compute_list *list,
                        struct cw_compute_v1 **ret_items, size_t *ret_count)
{
    struct cw_compute_v1 *items = cw_arena_alloc_array(c->call.mem, list->count + 1, sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].is_blocking || cw_compute_is_waking(&list->items[i]))
            items[n++] = fact_of(&list->items[i]);
    *ret_items = items;
    *ret_count = n;
    return 0;
}

/* ---- starting ------------------------------------------------------------------------------------------------------- */

static bool is_to_start(const struct cw_compute_v1 *item)
{
    return item->stopped_by_us && item->was_running;
}

static int list_to_start(struct cw_step_ctx *c, const struct cw_facts *facts,
                         struct cw_compute_list *ret_list)
{
    struct cw_compute *items = cw_arena_alloc_array(c->call.mem, facts->compute_count + 1, sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < facts->compute_count; i++) {
        const struct cw_compute_v1 *from = &facts->compute[i];
        if (!is_to_start(from))
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

static int record_states(struct cw_step_ctx *c, const struct cw_facts *facts, const char *const *states)
{
    struct cw_compute_v1 *items = cw_arena_alloc_array(c->call.mem, facts->compute_count + 1, sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < facts->compute_count; i++) {
        items[i] = facts->compute[i];
        if (is_to_start(&items[i]))
            items[i].state_now = states[n++];
        else if (items[i].was_running && items[i].note == NULL)
            items[i].note = "this request did not stop it: left as it is";
    }
    c->out->compute = items;
    c->out->compute_count = facts->compute_count;
    c->out->compute_listed = true;
    return 0;
}

/* A failover of Redis may have taken the last that was written down: the note has it. */
static int with_note(struct cw_step_ctx *c, struct cw_facts *facts, struct cw_err *err)
{
    struct cw_facts note = {0};
    int r = cw_compute_may_stop(c->req) ? cw_compute_note_read_own(c, &note, err) : 0;
    if (r < 0 || note.compute_count == 0)
        return r;
    return cw_compute_add_noted(c, &note, &facts->compute, &facts->compute_count) < 0
               ? cw_err_set(err, CW_ENOMEM, "compute")
               : 0;
}

int cw_compute_start_again(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_facts facts = *c->facts;
    struct cw_compute_list list;
    int r = with_note(c, &facts, err);
    if (r < 0)
        return r;
    if (list_to_start(c, &facts, &list) < 0)
        return cw_err_set(err, CW_ENOMEM, "compute");
    const char **states = cw_arena_alloc_array(c->call.mem, list.count + 1, sizeof *states);
    if (states == NULL)
        return cw_err_set(err, CW_ENOMEM, "compute");
    r = cw_compute_start(c->svc->databricks, &c->call, &target, &list, true, states, err);
    if (record_states(c, &facts, states) < 0)
        return cw_err_set(err, CW_ENOMEM, "compute");
    for (size_t i = 0; i < list.count; i++)
        cw_step_found(c, "%s %s is %s", cw_compute_kind_name(list.items[i].kind), list.items[i].name,
                      states[i] == NULL ? "gone" : states[i]);
    if (r == 0 && c->facts->outage_ended_ms == 0)
        c->out->outage_ended_ms = cw_wall_ms();
    if (r == 0 && cw_compute_has_stopped(&facts))
        r = cw_compute_note_remove(c, err);
    return r;
}

/* ---- stopping ------------------------------------------------------------------------------------------------------- */

/* The inventory, and what is stopped besides. */
struct stop_log {
    struct cw_step_ctx *c;
    struct cw_compute_v1 *items;
    size_t count;
};

static struct cw_compute_v1 *find(const struct stop_log *log, const struct cw_compute *item)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->items[i].kind == (int)item->kind && cw_z_eq(log->items[i].id, item->id))
            return &log->items[i];
    return NULL;
}

/* A copy with room for `more`. The items' strings live as long as the job's facts, or the call. */
static bool reserve(struct stop_log *log, size_t more)
{
    struct cw_compute_v1 *items =
        cw_arena_alloc_array(log->c->call.mem, log->count + more + 1, sizeof *items);
    if (items == NULL)
        return false;
    if (log->count > 0)
        memcpy(items, log->items, log->count * sizeof *items);
    log->items = items;
    return true;
}

static bool add(struct stop_log *log, const struct cw_compute *item)
{
    struct cw_step_ctx *c = log->c;
    struct cw_compute_v1 fact = fact_of(item);
    fact.id = cw_step_copy(c, item->id);
    fact.name = cw_step_copy(c, item->name);
    fact.state = cw_step_copy(c, item->state);
    fact.stopped_by_us = true;
    if (fact.note == NULL)
        fact.note = "it started after the inventory";
    log->items[log->count++] = fact;
    return fact.id != NULL && fact.name != NULL && fact.state != NULL;
}

static int keep(struct stop_log *log, struct cw_err *err)
{
    struct cw_step_ctx *c = log->c;
    c->out->compute = log->items;
    c->out->compute_count = log->count;
    c->out->compute_listed = true;
    int r = cw_compute_note_write(c, log->items, log->count, err);
    if (r < 0)
        return cw_err_wrap(err, "write down what is about to be stopped");
    return cw_step_keep(c, err);
}

static void tell(struct cw_step_ctx *c, const struct cw_compute *item)
{
    const char *verb = item->kind == CW_COMPUTE_SCHEDULE ? "paused"
                       : item->kind == CW_COMPUTE_RUN    ? "cancelled"
                                                         : "stopped";
    cw_step_changed(c, "%s %s %s", verb, cw_compute_kind_name(item->kind), item->name);
}

static int record_stops(void *arg, const struct cw_compute *items, size_t count, struct cw_err *err)
{
    struct stop_log *log = arg;
    bool is_new = false;
    bool is_stop = false;
    if (!reserve(log, count))
        return cw_err_set(err, CW_ENOMEM, "compute");
    for (size_t i = 0; i < count; i++) {
        struct cw_compute_v1 *known = find(log, &items[i]);
        is_new = is_new || known == NULL || !known->stopped_by_us;
        is_stop = is_stop || items[i].kind != CW_COMPUTE_SCHEDULE;
        if (known != NULL)
            known->stopped_by_us = true;
        else if (!add(log, &items[i]))
            return cw_err_set(err, CW_ENOMEM, "compute");
    }
    if (is_stop && log->c->facts->outage_began_ms == 0 && log->c->out->outage_began_ms == 0)
        log->c->out->outage_began_ms = cw_wall_ms();
    int r = is_new ? keep(log, err) : 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        tell(log->c, &items[i]);
    return r;
}

int cw_compute_stop_and_record(struct cw_step_ctx *c, int64_t run_patience_ms, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_facts facts = *c->facts;
    int r = with_note(c, &facts, err);
    if (r < 0)
        return r;
    struct stop_log log = {.c = c, .items = facts.compute, .count = facts.compute_count};
    const struct cw_compute_stop how = {
        .skip_cluster_name = CW_VERIFY_CLUSTER_PREFIX,
        .may_cancel_runs = c->req->options.stop_compute == CW_STOP_COMPUTE_CANCEL_RUNS,
        .run_patience_ms = run_patience_ms,
        .stopping = record_stops,
        .arg = &log,
    };
    r = cw_compute_stop(c->svc->databricks, &c->call, &target, &how, err);
    if (r < 0)
        return r;
    c->out->compute = log.items;
    c->out->compute_count = log.count;
    c->out->compute_listed = c->facts->compute_listed;
    return 0;
}

int cw_compute_refuse(struct cw_step_ctx *c, const struct cw_compute_list *list, struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf names = {0};
    size_t shown = 0;
    for (size_t i = 0; i < list->count && shown < 10; i++)
        if (list->items[i].is_blocking)
            cw_buf_addf(&names, "%s%s %s (%s)", shown++ > 0 ? ", " : "",
                        cw_compute_kind_name(list->items[i].kind), list->items[i].name, list->items[i].state);
    const char *what =
        cw_arena_printf(c->call.mem, "%s%s", cw_buf_z(&names), list->blocking_count > shown ? " …" : "");
    const struct cw_evidence_v1 evidence = {c->req->workspace_id, "compute", "nothing runs", what};
    int r = cw_diagnosis_keep(c, CW_CAUSE_COMPUTE_BLOCKED_UPDATE,
                              "the network settings cannot change while compute runs",
                              "set options.stopCompute to allow, or stop it yourself first", &evidence, err);
    if (r < 0)
        return r;
    (void)cw_err_set(err, CW_EREJECTED,
                     "compute is running, and the request does not allow it to be stopped: %s", what);
    cw_err_remedy(err,
                  "set options.stopCompute to allow (what ran is started again), or stop it yourself first");
    return -CW_EREJECTED;
}

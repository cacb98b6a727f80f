#include "worker/engine/runner.h"

#include "worker/engine/legs.h"

#define TICK_MS 1000
#define SCHEDULED_MAX 20000
#define CANCELS_FACTOR 4 /* cancels that ask, and such that wait for their targets, times light_max */

struct cw_line {
    struct cw_job *head;
    struct cw_job *tail;
    size_t count;
};

/* Requests of one workspace, in order of arrival. */
struct cw_workspace {
    struct cw_node node; /* first */
    struct cw_job *head;
    struct cw_job *tail;
};

struct cw_runner {
    struct cw_runner_cfg cfg;
    struct cw_table jobs;
    struct cw_table workspaces;
    struct cw_line ready[CW_LANE__COUNT]; /* head of its workspace, lacks a slot */
    struct cw_line light;                 /* lacks a light slot */
    struct cw_line unspawned;             /* has its slot, lacks a fiber */
    size_t used[CW_LANE__COUNT];
    size_t queued[CW_LANE__COUNT]; /* PLAN jobs without a slot */
    size_t light_used;
    size_t scheduled[CW_LANE__COUNT]; /* later runs of watches, whose time has not come */
    size_t cancels;                   /* that have not asked yet: Redis is slow or away */
    size_t waits;                     /* that wait for their targets */
    struct cw_timer *timer;
    bool is_parking; /* a revocation is being worked through */
    bool is_draining;
};

static void dispatch(struct cw_runner *r);
static void start_leg(struct cw_job *job, cw_leg_fn leg);
static void leg_ended(struct cw_job *job, enum cw_next next);

static struct cw_runner *runner_of(const struct cw_job *job)
{
    return job->parts->runner;
}

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

static void line_push(struct cw_line *line, struct cw_job *job)
{
    CW_PRE(job->line == NULL);
    job->line = line;
    job->line_prev = line->tail;
    job->line_next = NULL;
    *(line->tail != NULL ? &line->tail->line_next : &line->head) = job;
    line->tail = job;
    line->count++;
}

static void line_remove(struct cw_job *job)
{
    struct cw_line *line = job->line;
    if (line == NULL)
        return;
    *(job->line_prev != NULL ? &job->line_prev->line_next : &line->head) = job->line_next;
    *(job->line_next != NULL ? &job->line_next->line_prev : &line->tail) = job->line_prev;
    job->line = NULL;
    job->line_prev = job->line_next = NULL;
    line->count--;
}

static struct cw_job *line_pop(struct cw_line *line)
{
    struct cw_job *job = line->head;
    line_remove(job);
    return job;
}

/* ---- workspaces ------------------------------------------------------------------------------------------------------ */

static bool join_workspace(struct cw_runner *r, struct cw_job *job)
{
    struct cw_workspace *ws = (struct cw_workspace *)cw_table_find(&r->workspaces, job->req.workspace_key);
    if (ws == NULL) {
        ws = calloc(1, sizeof *ws);
        char *key = strdup(job->req.workspace_key);
        if (ws == NULL || key == NULL || !cw_table_add(&r->workspaces, &ws->node, key)) {
            free(key);
            free(ws);
            return false;
        }
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the table owns the key from here on. */
    job->workspace = ws;
    job->queue_prev = ws->tail;
    job->queue_next = NULL;
    *(ws->tail != NULL ? &ws->tail->queue_next : &ws->head) = job;
    ws->tail = job;
    return true;
}

static void make_ready(struct cw_runner *r, struct cw_job *job)
{
    if (job->state == CW_JOB_QUEUED && job->line == NULL && !job->has_slot && job->fiber == NULL)
        line_push(&r->ready[job->lane], job);
}

static void leave_queue(struct cw_job *job)
{
    struct cw_workspace *ws = job->workspace;
    *(job->queue_prev != NULL ? &job->queue_prev->queue_next : &ws->head) = job->queue_next;
    *(job->queue_next != NULL ? &job->queue_next->queue_prev : &ws->tail) = job->queue_prev;
    job->queue_prev = job->queue_next = NULL;
}

static bool is_ready(const struct cw_runner *r, const struct cw_job *job)
{
    return job->line == &r->ready[CW_LANE_INTERACTIVE] || job->line == &r->ready[CW_LANE_BULK];
}

static bool may_be_overtaken(const struct cw_runner *r, const struct cw_job *job)
{
    return job->lane == CW_LANE_BULK && job->state == CW_JOB_QUEUED && !job->has_slot && !job->must_run &&
           job->fiber == NULL && (job->line == NULL || is_ready(r, job));
}

/* A campaign's requests, which may lack a slot for long, don't hold up the lane above: those that have not begun are overtaken, and one
 * that has takes a slot of the lane above. */
static void overtake(struct cw_runner *r, struct cw_job *job)
{
    struct cw_workspace *ws = job->workspace;
    struct cw_job *before = NULL;
    for (struct cw_job *prev = job->queue_prev; prev != NULL && may_be_overtaken(r, prev);
         prev = prev->queue_prev)
        before = prev;
    if (before != NULL) {
        if (before == ws->head)
            line_remove(before);
        leave_queue(job);
        job->queue_prev = before->queue_prev;
        job->queue_next = before;
        *(before->queue_prev != NULL ? &before->queue_prev->queue_next : &ws->head) = job;
        before->queue_prev = job;
    }
    if (ws->head == job)
        make_ready(r, job);
    else if (ws->head->line == &r->ready[CW_LANE_BULK]) {
        line_remove(ws->head);
        line_push(&r->ready[CW_LANE_INTERACTIVE], ws->head);
    }
}

static void leave_workspace(struct cw_runner *r, struct cw_job *job)
{
    struct cw_workspace *ws = job->workspace;
    if (ws == NULL)
        return;
    bool was_head = ws->head == job;
    leave_queue(job);
    job->workspace = NULL;
    if (ws->head == NULL) {
        cw_table_remove(&r->workspaces, &ws->node);
        free((char *)(uintptr_t)ws->node.key);
        free(ws);
    } else if (was_head)
        make_ready(r, ws->head);
}

static void say_behind(struct cw_job *job)
{
    if (job->state == CW_JOB_QUEUED && job->queue_prev != NULL)
        cw_say_queued_behind(job, job->workspace->head->req.event.id);
}

/* ---- slots ----------------------------------------------------------------------------------------------------------- */

static void show_counts(const struct cw_runner *r)
{
    for (enum cw_lane lane = 0; lane < CW_LANE__COUNT; lane++) {
        cw_meter_running(lane, r->used[lane]);
        cw_meter_queued(lane, r->queued[lane]);
    }
    cw_meter_scheduled(r->scheduled[CW_LANE_INTERACTIVE] + r->scheduled[CW_LANE_BULK]);
    cw_meter_startable(r->ready[CW_LANE_INTERACTIVE].count + r->ready[CW_LANE_BULK].count);
}

static void take_slot(struct cw_runner *r, struct cw_job *job)
{
    job->has_slot = true;
    r->used[job->lane]++;
    r->queued[job->lane]--;
}

static void give_slots(struct cw_runner *r, struct cw_job *job)
{
    if (job->has_slot) {
        r->used[job->lane]--;
        r->queued[job->lane]++;
    }
    if (job->has_light_slot)
        r->light_used--;
    job->has_slot = job->has_light_slot = false;
}

static bool has_slot_for(const struct cw_runner *r, enum cw_lane lane)
{
    size_t used = r->used[CW_LANE_INTERACTIVE] + r->used[CW_LANE_BULK];
    if (used >= r->cfg.slots)
        return false;
    return lane == CW_LANE_INTERACTIVE || r->used[CW_LANE_BULK] + r->cfg.reserved < r->cfg.slots;
}

static void start_light(struct cw_runner *r, struct cw_job *job, cw_leg_fn leg)
{
    job->leg = leg;
    if (r->light_used >= r->cfg.light_max) {
        line_push(&r->light, job);
        return;
    }
    if (job->kind != CW_JOB_CANCEL) {
        job->has_light_slot = true;
        r->light_used++;
    }
    start_leg(job, leg);
}

static void dispatch(struct cw_runner *r)
{
    if (r->is_parking || r->is_draining)
        return;
    while (r->light.head != NULL && r->light_used < r->cfg.light_max) {
        struct cw_job *job = line_pop(&r->light);
        start_light(r, job, job->leg);
    }
    for (enum cw_lane lane = 0; lane < CW_LANE__COUNT; lane++) {
        while (r->ready[lane].head != NULL && has_slot_for(r, lane)) {
            struct cw_job *job = line_pop(&r->ready[lane]);
            take_slot(r, job);
            start_leg(job, cw_leg_run);
        }
    }
    show_counts(r);
}

/* ---- legs ------------------------------------------------------------------------------------------------------------ */

static int leg_main(void *arg)
{
    struct cw_job *job = arg;
    enum cw_next next = job->leg(job);
    leg_ended(job, next);
    return 0;
}

static void start_leg(struct cw_job *job, cw_leg_fn leg)
{
    struct cw_runner *r = runner_of(job);
    CW_PRE(job->fiber == NULL);
    job->leg = leg;
    if (cw_fiber_spawn(cw_loop_sched(job->parts->loop), "job", leg_main, job, &job->fiber) < 0) {
        job->fiber = NULL;
        line_push(&r->unspawned, job);
        return;
    }
    cw_fiber_set_local(job->fiber, &job->log_ctx);
}

static void give_lease(struct cw_job *job)
{
    if (job->lease == NULL)
        return;
    free(job->former_value);
    job->former_value = strdup(cw_lease_value(job->lease));
    cw_lock_give(CW_TAKE(job->lease));
    job->lease_is_lost = false;
}

/* Out of every list; its origins are whoever calls to decide about. */
static void remove_job(struct cw_runner *r, struct cw_job *job)
{
    give_lease(job);
    line_remove(job);
    give_slots(r, job);
    leave_workspace(r, job);
    if (job->is_scheduled)
        r->scheduled[job->lane]--;
    else if (job->kind == CW_JOB_PLAN)
        r->queued[job->lane]--;
    if (job->kind == CW_JOB_CANCEL)
        *(job->is_waiting ? &r->waits : &r->cancels) -= 1;
    cw_table_remove(&r->jobs, &job->node);
}

static void end_job(struct cw_runner *r, struct cw_job *job)
{
    cw_job_set_state(job, CW_JOB_ENDED);
    remove_job(r, job);
    for (const struct cw_origin *o = job->origins; o != NULL; o = o->next)
        r->cfg.origin_done(r->cfg.arg, o);
    cw_job_free(job);
    dispatch(r);
    r->cfg.room(r->cfg.arg);
}

static void begin_job(struct cw_runner *r, struct cw_job *job);
static void wait_for_time(struct cw_job *job);

/* Handed over. Delivered again in the meantime: it begins anew. */
static void drop_job(struct cw_runner *r, struct cw_job *job)
{
    cw_log(CW_INFO, "job.parked", CW_F_STR("request", job->req.event.id),
           CW_F_STR("reason", cw_err_name(job->park_reason)));
    cw_meter_parked();
    if (job->origins == NULL || r->is_draining) {
        cw_job_set_state(job, CW_JOB_PARKED);
        remove_job(r, job);
        cw_job_free(job);
        return;
    }
    give_lease(job);
    give_slots(r, job);
    leave_workspace(r, job);
    job->is_parking = false;
    cw_job_set_state(job, CW_JOB_ACCEPTED);
    if (job->is_scheduled) {
        wait_for_time(job);
        return;
    }
    if (job->kind == CW_JOB_PLAN && !join_workspace(r, job)) {
        remove_job(r, job);
        cw_job_free(job);
        return;
    }
    begin_job(r, job);
}

static void begin_job(struct cw_runner *r, struct cw_job *job)
{
    static const cw_leg_fn first[] = {
        [CW_JOB_PLAN] = cw_leg_accept,
        [CW_JOB_CANCEL] = cw_leg_cancel,
        [CW_JOB_REFUSE] = cw_leg_refuse,
        [CW_JOB_DEADLETTER] = cw_leg_deadletter,
    };
    start_light(r, job, first[job->kind]);
}

/* ---- runs whose time has not come ------------------------------------------------------------------------------------ */

/* It holds nothing but its offset, and that no longer than until it is written anew. */
static void wait_for_time(struct cw_job *job)
{
    cw_job_set_state(job, CW_JOB_SCHEDULED);
    job->repost = cw_in_ms(job->parts->repost_interval_ms);
}

static void become_due(struct cw_runner *r, struct cw_job *job)
{
    if (!join_workspace(r, job)) {
        wait_for_time(job);
        return;
    }
    job->is_scheduled = false;
    job->accepted_wall_ms = cw_wall_ms();
    r->scheduled[job->lane]--;
    r->queued[job->lane]++;
    cw_job_set_state(job, CW_JOB_ACCEPTED);
    begin_job(r, job);
}

/* The copy may have been read already, and then is one of its origins. */
static void reposted(struct cw_runner *r, struct cw_job *job)
{
    struct cw_origin **at = &job->origins;
    while (*at != NULL) {
        struct cw_origin *o = *at;
        if (!o->is_replaced) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        r->cfg.origin_done(r->cfg.arg, o);
        free(o);
    }
    if (job->origins == NULL)
        end_job(r, job);
    else
        wait_for_time(job);
}

static void check_scheduled(struct cw_node *node, void *arg)
{
    struct cw_runner *r = arg;
    struct cw_job *job = (struct cw_job *)node;
    if (job->state != CW_JOB_SCHEDULED || job->fiber != NULL || job->line != NULL)
        return;
    if (r->light.count >=
        r->cfg.light_max) /* what people ask for is not to stand behind all that became due */
        return;
    if (!cw_repeat_is_early(job) || job->cancel != NULL)
        become_due(r, job);
    else if (cw_is_past(job->repost))
        start_light(r, job, cw_leg_repost);
}

static void restart(struct cw_runner *r, struct cw_job *job)
{
    if (job->has_slot)
        start_leg(job, cw_leg_run);
    else
        begin_job(r, job);
}

static void enqueue(struct cw_runner *r, struct cw_job *job)
{
    cw_job_set_state(job, CW_JOB_QUEUED);
    if (job->lane == CW_LANE_INTERACTIVE)
        overtake(r, job);
    if (job->workspace->head == job)
        make_ready(r, job);
    else
        say_behind(job);
}

/* It holds up the workspace like any other that was begun. */
static void enlist(struct cw_runner *r, struct cw_job *job)
{
    if (!join_workspace(r, job)) {
        start_leg(job, cw_leg_pause);
        return;
    }
    job->kind = CW_JOB_PLAN;
    job->must_run = true;
    r->queued[job->lane]++;
    enqueue(r, job);
}

static void go_on(struct cw_runner *r, struct cw_job *job, enum cw_next next)
{
    switch (next) {
    case CW_NEXT_QUEUE:
        enqueue(r, job);
        break;
    case CW_NEXT_RUN:
        give_lease(job);
        restart(r, job);
        break;
    case CW_NEXT_AGAIN:
        give_lease(job);
        start_leg(job, cw_leg_pause);
        break;
    case CW_NEXT_SETTLE:
        if (job->has_slot)
            start_leg(job, cw_leg_settle);
        else
            start_light(r, job, cw_leg_settle);
        break;
    case CW_NEXT_UNDO:
        start_leg(job, cw_leg_undo);
        break;
    case CW_NEXT_FINISH:
        start_leg(job, cw_leg_finish);
        break;
    case CW_NEXT_DUE:
        become_due(r, job);
        break;
    case CW_NEXT_WAIT:
        wait_for_time(job);
        break;
    case CW_NEXT_REPOSTED:
        reposted(r, job);
        break;
    case CW_NEXT_ENLIST:
        enlist(r, job);
        break;
    case CW_NEXT_END:
        end_job(r, job);
        break;
    }
}

/* On the leg's own fiber, which ends after this. */
static void leg_ended(struct cw_job *job, enum cw_next next)
{
    struct cw_runner *r = runner_of(job);
    bool was_handing_over = job->leg == cw_leg_hand_over;
    cw_fiber_set_local(job->fiber, NULL);
    cw_fiber_detach(CW_TAKE(job->fiber));
    if (job->has_light_slot) {
        job->has_light_slot = false;
        r->light_used--;
    }
    if (was_handing_over)
        drop_job(r, job);
    else if (job->is_parking && next != CW_NEXT_END)
        start_leg(job, cw_leg_hand_over);
    else
        go_on(r, job, next);
    dispatch(r);
}

/* ---- parking --------------------------------------------------------------------------------------------------------- */

static void park(struct cw_runner *r, struct cw_job *job, int reason)
{
    if (job->is_parking)
        return;
    job->is_parking = true;
    job->park_reason = reason;
    if (job->fiber != NULL) {
        if (job->leg != cw_leg_hand_over)
            cw_fiber_cancel(job->fiber, reason);
        return;
    }
    if (job->lease != NULL && job->line == &r->unspawned) {
        line_remove(job);
        start_leg(job, cw_leg_hand_over);
        return;
    }
    cw_meter_parked();
    remove_job(r, job);
    cw_job_free(job);
}

static void drop_origins(struct cw_job *job, const char *topic, int32_t partition)
{
    struct cw_origin **at = &job->origins;
    while (*at != NULL) {
        struct cw_origin *o = *at;
        if (o->partition != partition || !cw_z_eq(o->topic, topic)) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        free(o);
    }
}

struct revocation {
    struct cw_runner *runner;
    const char *topic; /* NULL = everything */
    int32_t partition;
    int reason;
};

static void revoke_job(struct cw_node *node, void *arg)
{
    const struct revocation *rev = arg;
    struct cw_job *job = (struct cw_job *)node;
    if (rev->topic != NULL)
        drop_origins(job, rev->topic, rev->partition);
    if (rev->topic == NULL || job->origins == NULL)
        park(rev->runner, job, rev->reason);
}

static void revoke(struct cw_runner *r, struct revocation rev)
{
    r->is_parking = true;
    cw_table_each(&r->jobs, revoke_job, &rev);
    r->is_parking = false;
    dispatch(r);
}

void cw_runner_revoke(struct cw_runner *r, const char *topic, int32_t partition, int reason)
{
    revoke(r, (struct revocation){r, topic, partition, reason});
}

void cw_runner_park_all(struct cw_runner *r)
{
    r->is_draining = true;
    revoke(r, (struct revocation){r, NULL, 0, CW_EPARKED});
}

/* ---- each second ----------------------------------------------------------------------------------------------------- */

static void say_why_queued(struct cw_runner *r, struct cw_job *job)
{
    if (job->lane == CW_LANE_INTERACTIVE && job->queue_prev != NULL)
        overtake(r, job); /* those before it may not have been looked at when it came */
    if (is_ready(r, job))
        cw_say_no_slot(job, job->lane == CW_LANE_BULK ? r->cfg.slots - r->cfg.reserved : r->cfg.slots);
    else
        say_behind(job);
}

static void check_queued(struct cw_node *node, void *arg)
{
    struct cw_runner *r = arg;
    struct cw_job *job = (struct cw_job *)node;
    if (job->state != CW_JOB_QUEUED || job->fiber != NULL)
        return;
    if (!cw_is_past(job->until) || job->must_run) {
        say_why_queued(r, job);
        return;
    }
    if (job->line == &r->light || job->line == &r->unspawned)
        return;
    line_remove(job);
    start_light(r, job, cw_leg_settle);
}

static void tick(void *arg)
{
    struct cw_runner *r = arg;
    for (size_t n = r->unspawned.count; n > 0; n--) {
        struct cw_job *job = line_pop(&r->unspawned);
        start_leg(job, job->leg);
    }
    if (!r->is_draining) {
        cw_table_each(&r->jobs, check_scheduled, r);
        cw_table_each(&r->jobs, check_queued, r);
    }
    dispatch(r);
}

/* ---- exported -------------------------------------------------------------------------------------------------------- */

int cw_runner_new(const struct cw_runner_cfg *cfg, struct cw_runner **ret_runner)
{
    struct cw_runner *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -CW_ENOMEM;
    r->cfg = *cfg;
    r->timer = cw_loop_every(cfg->parts->loop, TICK_MS, tick, r);
    if (r->timer == NULL) {
        free(r);
        return -CW_ENOMEM;
    }
    *ret_runner = r;
    return 0;
}

void cw_runner_free(struct cw_runner *r)
{
    if (r == NULL)
        return;
    CW_PRE(r->jobs.count == 0);
    cw_loop_cancel_timer(r->timer);
    cw_table_fini(&r->jobs);
    cw_table_fini(&r->workspaces);
    free(r);
}

static int merge_origins(struct cw_job *into, struct cw_job *take_job)
{
    int r = 0;
    into->record_wall_ms = CW_MIN(into->record_wall_ms, take_job->record_wall_ms);
    for (const struct cw_origin *o = take_job->origins; o != NULL; o = o->next)
        r = cw_job_add_origin(into, o) ? r : -CW_ENOMEM;
    cw_job_free(take_job);
    return r;
}

int cw_runner_take(struct cw_runner *r, struct cw_job *take_job)
{
    struct cw_job *job = take_job;
    struct cw_job *here = (struct cw_job *)cw_table_find(&r->jobs, job->job_key);
    if (here != NULL)
        return merge_origins(here, job);
    if (!cw_table_add(&r->jobs, &job->node, job->job_key)) {
        cw_job_free(job);
        return -CW_ENOMEM;
    }
    if (cw_repeat_is_early(job)) {
        r->scheduled[job->lane]++;
        job->is_scheduled = true;
        wait_for_time(job);
        cw_say_scheduled(job);
        show_counts(r);
        return 0;
    }
    if (job->kind == CW_JOB_PLAN && !join_workspace(r, job)) {
        cw_table_remove(&r->jobs, &job->node);
        cw_job_free(job);
        return -CW_ENOMEM;
    }
    r->queued[job->lane] += job->kind == CW_JOB_PLAN;
    r->cancels += job->kind == CW_JOB_CANCEL;
    begin_job(r, job);
    show_counts(r);
    return 0;
}

bool cw_runner_has_room(const struct cw_runner *r, enum cw_lane lane)
{
    return r->queued[lane] < r->cfg.queued_max && r->light.count < r->cfg.light_max &&
           r->cancels < r->cfg.light_max * CANCELS_FACTOR && r->scheduled[lane] < SCHEDULED_MAX;
}

size_t cw_runner_count(const struct cw_runner *r)
{
    return r->jobs.count;
}

struct cw_runner_load cw_runner_load(const struct cw_runner *r)
{
    struct cw_runner_load load = {
        .light = r->light_used, .light_waiting = r->light.count, .cancels = r->cancels + r->waits};
    memcpy(load.used, r->used, sizeof load.used);
    memcpy(load.queued, r->queued, sizeof load.queued);
    return load;
}

bool cw_runner_cancel(struct cw_runner *r, const char *job_key, const char *reason)
{
    struct cw_job *job = (struct cw_job *)cw_table_find(&r->jobs, job_key);
    if (job == NULL || job->kind != CW_JOB_PLAN)
        return false;
    if (job->cancel != NULL)
        return true;
    job->cancel = strdup(reason);
    if (job->cancel == NULL)
        return true;
    if (job->fiber != NULL) {
        if (job->leg == cw_leg_run)
            cw_fiber_cancel(job->fiber, CW_ECANCELED);
    } else if (job->state == CW_JOB_QUEUED && !job->must_run && job->line != &r->light &&
               job->line != &r->unspawned) {
        line_remove(job);
        start_light(r, job, cw_leg_settle);
    }
    return true;
}

size_t cw_runner_cancels_max(size_t light_max)
{
    return light_max * CANCELS_FACTOR * 2;
}

bool cw_runner_may_wait(struct cw_runner *r, struct cw_job *job)
{
    if (job->is_waiting)
        return true;
    if (r->waits >= r->cfg.light_max * CANCELS_FACTOR)
        return false;
    job->is_waiting = true;
    r->cancels--;
    r->waits++;
    r->cfg.room(r->cfg.arg);
    return true;
}

struct visit {
    void (*fn)(const struct cw_job *job, void *arg);
    void *arg;
};

static void visit_job(struct cw_node *node, void *arg)
{
    const struct visit *v = arg;
    v->fn((const struct cw_job *)node, v->arg);
}

void cw_runner_each(struct cw_runner *r, void (*fn)(const struct cw_job *job, void *arg), void *arg)
{
    struct visit v = {fn, arg};
    cw_table_each(&r->jobs, visit_job, &v);
}

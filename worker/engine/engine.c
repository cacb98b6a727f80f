#include "worker/engine/engine.h"

#include "worker/engine/legs.h"

#define CANCEL_TIMEOUT_MS (INT64_C(2) * 60 * 60 * 1000)
#define DRAIN_LOOK_MS 20
#define LEAVE_MS 2000 /* brokers that are there answer far sooner */
#define RENEWALS_AND_MORE 512

struct cw_engine {
    struct cw_engine_parts parts;
    struct cw_runner *runner;
    struct cw_intake *intake;
    char *worker_id;
    char *topic_progress;
    char *topic_results;
    char *topic_deadletter;
    char *topic_repeat;
    struct cw_trouble troubles[CW_TOPIC__COUNT + 3]; /* topics, journal, locks, recall */
};

size_t cw_engine_fibers_max(size_t slots, size_t light_max)
{
    return slots * 2 + light_max * 2 + cw_runner_cancels_max(light_max) + RENEWALS_AND_MORE;
}

static void on_origin_done(void *arg, const struct cw_origin *origin)
{
    struct cw_engine *e = arg;
    cw_intake_origin_done(e->intake, origin);
}

static void on_room(void *arg)
{
    struct cw_engine *e = arg;
    cw_intake_room(e->intake);
}

static int check(const struct cw_engine_cfg *cfg, struct cw_err *err)
{
    if (cfg->slots == 0 || cfg->light_max == 0 || cfg->queued_max == 0)
        return cw_err_set(err, CW_EINVAL, "limits must be positive");
    if (cfg->reserved >= cfg->slots && cfg->reserved > 0)
        return cw_err_set(err, CW_EINVAL, "limits.jobs-reserved must be less than limits.jobs");
    if (cfg->lease_margin_ms * 3 >= cfg->lease_ms)
        return cw_err_set(err, CW_EINVAL, "lock.margin must be less than a third of lock.lease");
    return 0;
}

static bool copy_names(struct cw_engine *e, const struct cw_engine_cfg *cfg)
{
    e->worker_id = strdup(cfg->worker_id);
    e->topic_progress = strdup(cfg->topic_progress);
    e->topic_results = strdup(cfg->topic_results);
    e->topic_deadletter = strdup(cfg->topic_deadletter);
    bool has_bulk = cfg->topic_requests_bulk != NULL && cfg->topic_requests_bulk[0] != '\0';
    e->topic_repeat = strdup(has_bulk ? cfg->topic_requests_bulk : cfg->topic_requests);
    return e->worker_id != NULL && e->topic_repeat != NULL && e->topic_progress != NULL &&
           e->topic_results != NULL && e->topic_deadletter != NULL;
}

static void fill_parts(struct cw_engine *e, const struct cw_engine_cfg *cfg)
{
    static const char *const names[] = {"progress", "results", "deadletter", "requests",
                                        "journal",  "locks",   "recall"};
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++)
        cw_trouble_init(&e->troubles[i], names[i]);
    cw_meters_begin();
    e->parts = (struct cw_engine_parts){
        .loop = cfg->loop,
        .journal = {.redis = cfg->redis,
                    .retention_ms = cfg->retention_ms,
                    .wait_replicas = cfg->wait_replicas,
                    .trouble = &e->troubles[CW_TOPIC__COUNT]},
        .publish = {.sink = cfg->sink,
                    .worker_id = e->worker_id,
                    .topic_progress = e->topic_progress,
                    .topic_results = e->topic_results,
                    .topic_deadletter = e->topic_deadletter,
                    .topic_repeat = e->topic_repeat,
                    .trouble = {&e->troubles[0], &e->troubles[1], &e->troubles[2], &e->troubles[3]}},
        .recall_trouble = &e->troubles[CW_TOPIC__COUNT + 2],
        .plan_of = cfg->plan_of,
        .clients_of = cfg->clients_of,
        .clients_arg = cfg->arg,
        .crash_limit = cfg->crash_limit,
        .undo_timeout_ms = cfg->undo_timeout_ms,
        .waiting_interval_ms = cfg->waiting_interval_ms,
        .cancel_timeout_ms = CANCEL_TIMEOUT_MS,
        .repost_interval_ms = cfg->repost_interval_ms,
        .job_memory_max = cfg->job_memory_max,
        .step_memory_max = cfg->step_memory_max,
        .time_scale = cfg->time_scale,
    };
}

static int make_parts(struct cw_engine *e, const struct cw_engine_cfg *cfg)
{
    const struct cw_locks_cfg locks = {
        .loop = cfg->loop,
        .redis = cfg->redis,
        .worker_id = cfg->worker_id,
        .lease_ms = cfg->lease_ms,
        .margin_ms = cfg->lease_margin_ms,
        .wait_replicas = cfg->wait_replicas,
        .trouble = &e->troubles[CW_TOPIC__COUNT + 1],
    };
    const struct cw_runner_cfg runner = {
        .parts = &e->parts,
        .slots = cfg->slots,
        .reserved = cfg->reserved,
        .queued_max = cfg->queued_max,
        .light_max = cfg->light_max,
        .origin_done = on_origin_done,
        .room = on_room,
        .arg = e,
    };
    const struct cw_intake_cfg intake = {
        .parts = &e->parts,
        .topics = {cfg->topic_requests, cfg->topic_requests_bulk},
        .request_bytes_max = cfg->request_bytes_max,
        .commit_interval_ms = cfg->commit_interval_ms,
        .fatal = cfg->fatal,
        .arg = cfg->arg,
    };
    int r = cw_locks_new(&locks, &e->parts.locks);
    if (r == 0)
        r = cw_recall_new(&cfg->results, 0, &e->parts.recall);
    if (r == 0)
        r = cw_runner_new(&runner, &e->runner);
    e->parts.runner = e->runner;
    return r < 0 ? r : cw_intake_new(&intake, &e->intake);
}

int cw_engine_new(const struct cw_engine_cfg *cfg, struct cw_engine **ret_engine, struct cw_err *err)
{
    int r = check(cfg, err);
    if (r < 0)
        return r;
    struct cw_engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the engine");
    r = copy_names(e, cfg) ? 0 : -CW_ENOMEM;
    fill_parts(e, cfg);
    if (r == 0)
        r = make_parts(e, cfg);
    if (r < 0) {
        cw_engine_free(e);
        return cw_err_set(err, r, "no memory for the engine");
    }
    *ret_engine = e;
    return 0;
}

void cw_engine_free(struct cw_engine *e)
{
    if (e == NULL)
        return;
    cw_intake_free(e->intake);
    cw_runner_free(e->runner);
    cw_locks_free(e->parts.locks);
    cw_recall_free(e->parts.recall);
    free(e->worker_id);
    free(e->topic_progress);
    free(e->topic_results);
    free(e->topic_deadletter);
    free(e->topic_repeat);
    free(e);
}

int cw_engine_join(struct cw_engine *e, const struct cw_kafka_in_cfg *kafka, struct cw_err *err)
{
    return cw_intake_join(e->intake, kafka, err);
}

static bool is_idle(const struct cw_engine *e)
{
    return cw_runner_count(e->runner) == 0 && cw_locks_is_idle(e->parts.locks);
}

bool cw_engine_drain(struct cw_engine *e, struct cw_deadline until)
{
    const struct cw_deadline parked = cw_sooner(until, cw_in_ms(cw_left_ms(until) / 4 * 3));
    cw_intake_stop(e->intake);
    cw_runner_park_all(e->runner);
    while (!is_idle(e) && !cw_is_past(parked)) {
        if (cw_sleep(cw_in_ms(DRAIN_LOOK_MS)) < 0)
            break;
    }
    if (!is_idle(e))
        cw_log(CW_WARN, "drain.incomplete", CW_F_INT("jobs", cw_runner_count(e->runner)));
    cw_intake_leave(e->intake, cw_sooner(until, cw_in_ms(LEAVE_MS)));
    return is_idle(e);
}

size_t cw_engine_count(const struct cw_engine *e)
{
    return cw_runner_count(e->runner);
}

bool cw_engine_is_assigned(const struct cw_engine *e)
{
    return cw_intake_is_assigned(e->intake);
}

int64_t cw_engine_lag(struct cw_engine *e)
{
    return cw_intake_lag(e->intake);
}

const char *cw_engine_trouble(const struct cw_engine *e)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(e->troubles); i++) {
        const char *reason = cw_trouble_reason(&e->troubles[i]);
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

struct cw_locks *cw_engine_locks(struct cw_engine *e)
{
    return e->parts.locks;
}

struct cw_runner *cw_engine_runner(struct cw_engine *e)
{
    return e->runner;
}

struct cw_intake *cw_engine_intake(struct cw_engine *e)
{
    return e->intake;
}

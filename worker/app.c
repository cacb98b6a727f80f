#include "worker/app.h"

#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/net/kafka_out.h"
#include "common/net/listen.h"
#include "worker/engine/durable.h"
#include "worker/engine/engine.h"
#include "worker/reaper.h"
#include "worker/services.h"

#define TURN_MS 1000
#define TURN_LATE_MS 15000
#define TOKEN_LOOK_MS 30000
#define TOKEN_TIMEOUT_MS 20000
#define REDIS_LOOK_MS 5000
#define REDIS_TIMEOUT_MS 2000
#define LOOK_MEM_BYTES ((size_t)4096)
#define KAFKA_CHECK_MS 8000
#define KAFKA_FLUSH_MS INT64_C(1000) /* kept of the drain's time */
#define WATCHERS_MS 500
#define FIBERS_OF_APP 64
#define FILES_NEEDED 1024
#define FILES_WANTED 20000

struct cw_app {
    struct cw_loop *loop;
    const struct cw_settings *settings;
    cw_plan_of_fn plan_of;
    char worker_id[128];
    struct cw_redis *redis;
    struct cw_kafka_out *out;
    struct cw_kafka_scan *results; /* what is out already */
    struct cw_services *services;
    struct cw_engine *engine;
    struct cw_listen *listen;
    struct cw_timer *timer;
    struct cw_fiber *watchers[3]; /* token, redis, reaper; NULL = ended */
    int64_t last_turn_ms;
    bool has_token;
    bool is_draining;
    struct cw_deadline drained; /* all stages of the drain end by then */
    void (*on_stopped)(void *arg, int exit_code);
    void *on_stopped_arg;
    void (*on_fatal)(void *arg);
    void *on_fatal_arg;
};

/* ---- health ---------------------------------------------------------------------------------------------------------- */

static const char *reason_not_ready(const struct cw_app *app)
{
    if (app->is_draining)
        return "draining";
    if (!cw_engine_is_assigned(app->engine))
        return "no partition assigned";
    if (!cw_redis_is_connected(app->redis))
        return "redis not connected";
    if (cw_engine_trouble(app->engine) != NULL)
        return cw_engine_trouble(app->engine);
    return app->has_token ? NULL : "no Azure token";
}

static int answer(void *arg, const char *path, struct cw_buf *body, const char **ret_content_type)
{
    struct cw_app *app = arg;
    *ret_content_type = "text/plain; charset=utf-8";
    if (cw_z_eq(path, "/metrics")) {
        *ret_content_type = "text/plain; version=0.0.4; charset=utf-8";
        cw_metrics_print(body);
        return 200;
    }
    if (cw_z_eq(path, "/healthz")) {
        bool is_late = cw_mono_ms() - app->last_turn_ms > TURN_LATE_MS;
        cw_buf_add_z(body, is_late ? "loop is late\n" : "ok\n");
        return is_late ? 503 : 200;
    }
    if (cw_z_eq(path, "/readyz")) {
        const char *why = reason_not_ready(app);
        cw_buf_addf(body, "%s\n", why == NULL ? "ok" : why);
        return why == NULL ? 200 : 503;
    }
    cw_buf_add_z(body, "try /metrics, /healthz or /readyz\n");
    return 404;
}

static void turn(void *arg)
{
    struct cw_app *app = arg;
    app->last_turn_ms = cw_mono_ms();
    cw_metric_set(cw_gauge("causeway_kafka_lag_messages",
                           "Requests in Kafka that were not read yet; -1 = unknown.", NULL, NULL),
                  cw_engine_lag(app->engine));
    cw_metric_set(cw_gauge("causeway_jobs", "Requests in this worker, running or queued.", NULL, NULL),
                  (int64_t)cw_engine_count(app->engine));
}

/* Asks for a token again and again; nearly always it is in the cache. */
static int watch_token(void *arg)
{
    struct cw_app *app = arg;
    bool is_first = true;
    int r = 0;
    for (; r >= 0; is_first = false) {
        struct cw_err err = {0};
        bool had = app->has_token;
        app->has_token = cw_services_check(app->services, cw_in_ms(TOKEN_TIMEOUT_MS), &err) == 0;
        if (cw_fiber_cancel_reason() != 0)
            break;
        if (!app->has_token && (had || is_first))
            cw_log_err(CW_WARN, "token.missing", &err);
        else if (app->has_token && !had)
            cw_log(CW_INFO, "token.ok", CW_F_STR("credential", cw_services_credential_name(app->services)));
        r = cw_sleep(cw_in_ms(app->has_token ? TOKEN_LOOK_MS : TOKEN_LOOK_MS / 6));
    }
    return 0;
}

/* The client connects with its first command: a worker without requests shall be ready, or know that it is not. And a Redis that is new, or
 * lost everything, shall begin to count its age. */
static int watch_redis(void *arg)
{
    struct cw_app *app = arg;
    bool was_ok = true;
    int r = 0;
    while (r >= 0) {
        struct cw_err err = {0};
        struct cw_durable durable;
        struct cw_arena *mem;
        if (cw_arena_new(LOOK_MEM_BYTES, &mem) == 0) {
            r = cw_durable_look(app->redis, cw_in_ms(REDIS_TIMEOUT_MS), mem, &durable, &err);
            cw_arena_free(mem);
        }
        if (cw_fiber_cancel_reason() != 0)
            break;
        if (r < 0 && was_ok)
            cw_log_err(CW_WARN, "redis.unreachable", &err);
        was_ok = r >= 0;
        r = cw_sleep(cw_in_ms(r < 0 ? REDIS_LOOK_MS / 5 : REDIS_LOOK_MS));
    }
    return 0;
}

static int reap(void *arg)
{
    struct cw_app *app = arg;
    const struct cw_reaper reaper = {.settings = app->settings,
                                     .redis = app->redis,
                                     .locks = cw_engine_locks(app->engine),
                                     .svc = cw_services_clients(app->services),
                                     .worker_id = app->worker_id};
    return cw_reaper_run(&reaper);
}

/* Renamed into place, so that a reader never sees half of it. */
static int write_port(struct cw_app *app, struct cw_err *err)
{
    const char *path = app->settings->metrics_port_file;
    char temporary[4096];
    if (path == NULL || path[0] == '\0' || app->listen == NULL)
        return 0;
    int n = snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = n > 0 && (size_t)n < sizeof temporary ? fopen(temporary, "we") : NULL;
    bool ok = file != NULL && fprintf(file, "%d\n", cw_listen_port(app->listen)) > 0;
    ok = file != NULL && fclose(file) == 0 && ok;
    if (!ok || rename(temporary, path) != 0)
        return cw_err_set(err, CW_EINVAL, "metrics.port-file: %s can't be written", path);
    return 0;
}

/* ---- wiring ---------------------------------------------------------------------------------------------------------- */

static void name_worker(struct cw_app *app)
{
    char host[64] = "worker";
    if (app->settings->worker_id != NULL && app->settings->worker_id[0] != '\0') {
        (void)cw_z_copy(app->worker_id, sizeof app->worker_id, app->settings->worker_id);
        return;
    }
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(app->worker_id, sizeof app->worker_id, "%s-%ld", host, (long)getpid());
}

static void on_engine_fatal(void *arg, const struct cw_err *err)
{
    struct cw_app *app = arg;
    cw_log_err(CW_ERROR, "worker.fatal", err);
    if (app->on_fatal != NULL)
        app->on_fatal(app->on_fatal_arg);
}

static int engine_clients_of(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                             struct cw_err *err)
{
    struct cw_app *app = arg;
    return cw_services_clients_of(app->services, req, ret_clients, err);
}

static int make_engine(struct cw_app *app, struct cw_err *err)
{
    const struct cw_settings *s = app->settings;
    const struct cw_engine_cfg cfg = {
        .loop = app->loop,
        .redis = app->redis,
        .sink = cw_sink_of_kafka(app->out),
        .results = cw_reader_of_kafka(app->results),
        .worker_id = app->worker_id,
        .topic_requests = s->topic_requests,
        .topic_requests_bulk = s->topic_requests_bulk,
        .topic_progress = s->topic_progress,
        .topic_results = s->topic_results,
        .topic_deadletter = s->topic_deadletter,
        .plan_of = app->plan_of,
        .clients_of = engine_clients_of,
        .fatal = on_engine_fatal,
        .arg = app,
        .slots = (size_t)s->jobs_max,
        .reserved = (size_t)CW_MIN(s->jobs_reserved, s->jobs_max - 1),
        .queued_max = (size_t)s->queued_max,
        .light_max = (size_t)s->light_max,
        .request_bytes_max = (size_t)s->request_bytes_max,
        .job_memory_max = (size_t)s->job_memory_max,
        .step_memory_max = (size_t)s->step_memory_max,
        .lease_ms = s->lock_lease_ms,
        .lease_margin_ms = s->lock_margin_ms,
        .wait_replicas = s->redis_wait_replicas,
        .retention_ms = s->journal_retention_ms,
        .crash_limit = s->journal_crash_limit,
        .undo_timeout_ms = s->undo_timeout_ms,
        .waiting_interval_ms = s->waiting_interval_ms,
        .commit_interval_ms = s->commit_interval_ms,
        .repost_interval_ms = s->repost_interval_ms,
        .time_scale = s->azure_time_scale,
    };
    return cw_engine_new(&cfg, &app->engine, err);
}

static int open_app(struct cw_app *app, struct cw_err *err)
{
    const struct cw_settings *s = app->settings;
    int r = cw_redis_new(app->loop, &s->redis, &app->redis, err);
    if (r < 0)
        return cw_err_wrap(err, "redis.url");
    r = cw_kafka_out_new(app->loop, &s->kafka, &app->out, err);
    if (r == 0)
        r = cw_kafka_scan_new(app->loop, &s->kafka, s->topic_results, &app->results, err);
    if (r < 0)
        return cw_err_wrap(err, "kafka");
    r = cw_services_new(app->loop, app->redis, s, &app->services, err);
    if (r == 0)
        r = make_engine(app, err);
    if (r < 0)
        return r;
    app->timer = cw_loop_every(app->loop, TURN_MS, turn, app);
    if (app->timer == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a timer");
    app->last_turn_ms = cw_mono_ms();
    if (s->metrics_listen == NULL || s->metrics_listen[0] == '\0')
        return 0;
    r = cw_listen_new(app->loop, s->metrics_listen, answer, app, &app->listen, err);
    return r < 0 ? cw_err_wrap(err, "metrics.listen") : write_port(app, err);
}

int cw_app_new(struct cw_loop *loop, const struct cw_settings *settings, cw_plan_of_fn plan_of,
               struct cw_app **ret_app, struct cw_err *err)
{
    struct cw_app *app = calloc(1, sizeof *app);
    if (app == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the worker");
    app->loop = loop;
    app->settings = settings;
    app->plan_of = plan_of;
    name_worker(app);
    int r = open_app(app, err);
    if (r < 0) {
        cw_app_free(app);
        return r;
    }
    *ret_app = app;
    return 0;
}

void cw_app_free(struct cw_app *app)
{
    if (app == NULL)
        return;
    CW_PRE(app->watchers[0] == NULL && app->watchers[1] == NULL);
    cw_listen_free(app->listen);
    cw_loop_cancel_timer(app->timer);
    cw_engine_free(app->engine);
    cw_services_free(app->services);
    cw_kafka_scan_free(app->results);
    cw_kafka_out_free(app->out, app->is_draining ? CW_MIN(cw_left_ms(app->drained), KAFKA_FLUSH_MS) : 0);
    cw_redis_free(app->redis);
    free(app);
}

struct cw_sched_cfg cw_app_sched_cfg(const struct cw_settings *s)
{
    return (struct cw_sched_cfg){
        .fibers_max = cw_engine_fibers_max((size_t)s->jobs_max, (size_t)s->light_max) + FIBERS_OF_APP,
    };
}

struct cw_engine *cw_app_engine(struct cw_app *app)
{
    return app->engine;
}

int cw_app_port(const struct cw_app *app)
{
    return app->listen == NULL ? 0 : cw_listen_port(app->listen);
}

void cw_app_on_fatal(struct cw_app *app, void (*fn)(void *arg), void *arg)
{
    app->on_fatal = fn;
    app->on_fatal_arg = arg;
}

/* ---- start ----------------------------------------------------------------------------------------------------------- */

static int check_files(struct cw_err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t wanted = CW_MIN(limit.rlim_max, (rlim_t)FILES_WANTED);
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_max >= FILES_NEEDED)
        return 0;
    (void)cw_err_set(err, CW_EINVAL, "at most %llu open files are allowed",
                     (unsigned long long)limit.rlim_max);
    cw_err_remedy(err, "raise the limit to %d or more (ulimit -n, LimitNOFILE=)", FILES_NEEDED);
    return -CW_EINVAL;
}

/* Brokers that can't be reached now may be reached later; topics that don't exist are a mistake. */
static int check_topics(struct cw_app *app, struct cw_err *err)
{
    const struct cw_settings *s = app->settings;
    const char *topics[5] = {s->topic_requests, s->topic_progress, s->topic_results, s->topic_deadletter};
    size_t count = 4;
    if (s->topic_requests_bulk != NULL && s->topic_requests_bulk[0] != '\0')
        topics[count++] = s->topic_requests_bulk;
    int r = cw_kafka_check(app->out, topics, count, KAFKA_CHECK_MS, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_remedy(err, "create the topics, or name the right ones (--topics-requests …)");
        return r;
    }
    if (r < 0)
        cw_log_err(CW_WARN, "kafka.unreachable", err);
    cw_err_clear(err);
    return 0;
}

int cw_app_start(struct cw_app *app, struct cw_err *err)
{
    const struct cw_settings *s = app->settings;
    int r = check_files(err);
    if (r == 0)
        r = check_topics(app, err);
    if (r < 0)
        return r;
    r = cw_fiber_spawn(cw_loop_sched(app->loop), "token", watch_token, app, &app->watchers[0]);
    if (r == 0)
        r = cw_fiber_spawn(cw_loop_sched(app->loop), "redis", watch_redis, app, &app->watchers[1]);
    if (r == 0)
        r = cw_fiber_spawn(cw_loop_sched(app->loop), "reaper", reap, app, &app->watchers[2]);
    if (r < 0)
        return cw_err_set(err, r, "no memory for the worker");
    const struct cw_kafka_in_cfg in = {
        .common = s->kafka,
        .group = s->kafka_group,
        .instance_id = s->kafka_instance_id,
        .session_timeout_ms = s->kafka_session_timeout_ms,
        .fetch_wait_ms = s->kafka_fetch_wait_ms,
        .from_start_without_offset = s->kafka_from_start,
    };
    r = cw_engine_join(app->engine, &in, err);
    if (r < 0)
        return cw_err_wrap(err, "kafka");
    cw_log(CW_INFO, "worker.started", CW_F_STR("worker", app->worker_id), CW_F_STR("version", CW_VERSION),
           CW_F_STR("cloud", cw_services_cloud(app->services)->name), CW_F_INT("jobs", s->jobs_max),
           CW_F_STR("credential", cw_services_credential_name(app->services)),
           CW_F_INT("port", cw_app_port(app)));
    return 0;
}

/* ---- stop ------------------------------------------------------------------------------------------------------------ */

static bool stop_watchers(struct cw_app *app)
{
    const struct cw_deadline until = cw_sooner(app->drained, cw_in_ms(WATCHERS_MS));
    bool all = true;
    for (size_t i = 0; i < CW_ARRAY_LEN(app->watchers); i++) {
        if (app->watchers[i] != NULL)
            cw_fiber_cancel(app->watchers[i], CW_ECANCELED);
    }
    for (size_t i = 0; i < CW_ARRAY_LEN(app->watchers); i++) {
        int result;
        if (app->watchers[i] == NULL)
            continue;
        if (cw_fiber_join(app->watchers[i], until, &result) == 0)
            app->watchers[i] = NULL;
        else
            all = false;
    }
    return all;
}

static int drain(void *arg)
{
    struct cw_app *app = arg;
    int64_t began = cw_mono_ms();
    size_t count = cw_engine_count(app->engine);
    cw_log(CW_INFO, "worker.draining", CW_F_INT("jobs", count));
    bool is_clean = stop_watchers(app);
    const struct cw_deadline until = {app->drained.mono_ms -
                                      CW_MIN(cw_left_ms(app->drained) / 4, KAFKA_FLUSH_MS)};
    is_clean = cw_engine_drain(app->engine, until) && is_clean;
    cw_log(CW_INFO, "worker.drained", CW_F_INT("jobs", count), CW_F_INT("ms", cw_mono_ms() - began),
           CW_F_BOOL("clean", is_clean));
    app->on_stopped(app->on_stopped_arg, is_clean ? CW_EXIT_OK : CW_EXIT_HURRIED);
    return 0;
}

void cw_app_stop(struct cw_app *app, void (*fn)(void *arg, int exit_code), void *arg)
{
    struct cw_fiber *fiber;
    if (app->is_draining)
        return;
    app->is_draining = true;
    app->drained = cw_in_ms(app->settings->drain_timeout_ms);
    app->on_stopped = fn;
    app->on_stopped_arg = arg;
    if (cw_fiber_spawn(cw_loop_sched(app->loop), "drain", drain, app, &fiber) < 0) {
        fn(arg, CW_EXIT_HURRIED);
        return;
    }
    cw_fiber_detach(fiber);
}

/* tests/unit/worker/engine/runner_rig.h: two workers' runners in one process, on a real Redis, with a table of fake steps.
 *
 * Each test program includes it once.  Suspends: as said.  Thread: loop. */
#ifndef CW_TESTS_UNIT_WORKER_ENGINE_RUNNER_RIG_H
#define CW_TESTS_UNIT_WORKER_ENGINE_RUNNER_RIG_H

#include "worker/engine/runner.h"

#include "tests/unit/worker/engine/rig.h"

#include "common/time.h"
#include "worker/engine/legs.h"

#define WS "/subscriptions/s/resourcegroups/g/providers/microsoft.databricks/workspaces/w"

/* ---- events ----------------------------------------------------------------------------------------------------------- */

struct event {
    char topic[32];
    char *type;
    char *sequence;
    char *id;
    char *correlation_id;
    char *body;
    size_t headers;
    struct cw_kafka_header items[16]; /* malloc'ed copies */
};
static struct event events[4000];
static size_t event_count;
static int refuse_sends;       /* so many sends fail */
static size_t value_bytes_max; /* the topics refuse more; 0 = no limit */
static size_t sends;
static int origins_done;
static int refuse_reads; /* so many looks at the results fail */
static size_t reads;
static void (*sent)(const struct event *e); /* NULL = nobody looks; before the acknowledgement */

static char *header_of(const struct cw_kafka_record *rec, const char *name)
{
    for (size_t i = 0; i < rec->header_count; i++) {
        if (cw_z_eq_nocase(rec->headers[i].name, name))
            return strndup(rec->headers[i].value.p, rec->headers[i].value.n);
    }
    return NULL;
}

/* Nobody is left alone with a failure. */
static void check_verdict(const char *type, const char *body)
{
    bool is_bad = strstr(body, "\"outcome\":\"failed\",\"summary\"") != NULL ||
                  strstr(body, "\"outcome\":\"rejected\",\"summary\"") != NULL;
    if (!cw_z_ends(type, "result.v1") || !is_bad)
        return;
    const char *remedy = strstr(body, "\"remedy\":\"");
    if (remedy == NULL || remedy[strlen("\"remedy\":\"")] == '"')
        fail_msg("no remedy: %s", body);
}

static int keep(void *arg, const struct cw_kafka_record *rec, struct cw_err *err)
{
    (void)arg;
    (void)err;
    assert_true(event_count < CW_ARRAY_LEN(events));
    struct event *e = &events[event_count++];
    (void)cw_z_copy(e->topic, sizeof e->topic, rec->topic);
    e->type = header_of(rec, "ce_type");
    e->sequence = header_of(rec, "ce_sequence");
    e->id = header_of(rec, "ce_id");
    e->correlation_id = header_of(rec, "ce_correlationid");
    e->body = strndup(rec->value.p, rec->value.n);
    e->headers = rec->header_count;
    assert_true(e->headers <= CW_ARRAY_LEN(e->items));
    for (size_t i = 0; i < e->headers; i++) {
        const struct cw_kafka_header *h = &rec->headers[i];
        e->items[i] =
            (struct cw_kafka_header){strdup(h->name), {strndup(h->value.p, h->value.n), h->value.n}};
    }
    assert_non_null(e->type);
    check_verdict(e->type, e->body);
    if (sent != NULL)
        sent(e);
    return 0;
}

static int send_record(void *arg, const struct cw_kafka_record *rec, struct cw_deadline until,
                       struct cw_err *err)
{
    (void)until;
    int r = cw_sleep(cw_in_ms(1));
    if (r < 0)
        return cw_err_set(err, r, "stopped");
    if (refuse_sends > 0 && refuse_sends-- > 0)
        return cw_err_set(err, CW_ENET, "no broker");
    sends++;
    if (value_bytes_max > 0 && rec->value.n > value_bytes_max)
        return cw_err_set(err, CW_ETOOBIG, "%s: Broker: Message size too large", rec->topic);
    return keep(arg, rec, err);
}

/* The topic of the verdicts: one partition, offsets as the events came. */
static int read_spans(void *arg, int64_t since_wall_ms, struct cw_deadline until, struct cw_arena *mem,
                      struct cw_kafka_span **ret_spans, size_t *ret_count, struct cw_err *err)
{
    (void)arg;
    (void)until;
    int r = cw_sleep(cw_in_ms(1));
    if (r < 0)
        return cw_err_set(err, r, "stopped");
    if (refuse_reads > 0 && refuse_reads-- > 0)
        return cw_err_set(err, CW_ENET, "no broker");
    reads++;
    *ret_spans = cw_arena_alloc_array(mem, 1, sizeof **ret_spans);
    assert_non_null(*ret_spans);
    int64_t end = (int64_t)event_count;
    **ret_spans = (struct cw_kafka_span){0, since_wall_ms == CW_KAFKA_SCAN_ENDS ? end : 0, end};
    *ret_count = 1;
    return 0;
}

static int read_records(void *arg, struct cw_kafka_span *spans, size_t count, cw_kafka_scan_fn fn,
                        void *fn_arg, struct cw_deadline until, struct cw_err *err)
{
    (void)arg;
    (void)until;
    (void)err;
    assert_int_equal(count, 1);
    while (spans->from < spans->to) {
        const struct event *e = &events[spans->from];
        const struct cw_kafka_message m = {.topic = e->topic,
                                           .offset = spans->from++,
                                           .value = cw_str_of(e->body),
                                           .headers = e->items,
                                           .header_count = e->headers};
        if (cw_z_ends(e->type, "result.v1") && !fn(fn_arg, &m))
            break;
    }
    return 0;
}

static void forget_events(void)
{
    while (event_count > 0) {
        struct event *e = &events[--event_count];
        free(e->type);
        free(e->sequence);
        free(e->id);
        free(e->correlation_id);
        free(e->body);
        for (size_t i = 0; i < e->headers; i++) {
            free((char *)(uintptr_t)e->items[i].name);
            free((char *)(uintptr_t)e->items[i].value.p);
        }
    }
    origins_done = 0;
    refuse_reads = 0;
    reads = 0;
    refuse_sends = 0;
    value_bytes_max = sends = 0;
    sent = NULL;
}

UNUSED static size_t count_type(const char *type, const char *part)
{
    size_t n = 0;
    for (size_t i = 0; i < event_count; i++)
        n += cw_z_ends(events[i].type, type) && (part == NULL || strstr(events[i].body, part) != NULL);
    return n;
}

UNUSED static const struct event *find_type(const char *type, const char *part)
{
    for (size_t i = 0; i < event_count; i++) {
        if (cw_z_ends(events[i].type, type) && (part == NULL || strstr(events[i].body, part) != NULL))
            return &events[i];
    }
    return NULL;
}

UNUSED static bool has_verdict(const char *request, const char *outcome)
{
    char id[64], out[64];
    (void)snprintf(id, sizeof id, "\"requestId\":\"%s\"", request);
    (void)snprintf(out, sizeof out, "\"outcome\":\"%s\"", outcome);
    for (size_t i = 0; i < event_count; i++) {
        if (cw_z_ends(events[i].type, "result.v1") && strstr(events[i].body, id) != NULL &&
            strstr(events[i].body, out) != NULL)
            return true;
    }
    return false;
}

/* ---- fake steps ------------------------------------------------------------------------------------------------------- */

struct script {
    int runs;
    int probes;
    int undos;
    int fail_times; /* the first runs fail with fail_code */
    int fail_code;
    int undo_fail_code;
    int64_t undo_sleep_ms;
    int64_t sleep_ms;
    bool happened;  /* what the probe says */
    bool was_begun; /* by an earlier run, as the world tells */
    int looks;      /* at that */
    int look_fail_code;
    bool undid_knowing; /* the undo saw what the look had found */
    bool is_skipped;    /* there is no reason to run it */
    bool keeps;         /* writes zone_id down before the sleep */
    const char *kept;   /* zone_id as the run began */
    bool wants_write;   /* asks before_write after the sleep */
    int write_result;
    bool is_planned;  /* saw plan_only */
    const char *lock; /* second lock */
    int64_t left_ms;  /* that the last run had */
    int max_at_once;
    int at_once;
};
static struct script scripts[3];

static int play(struct script *s, struct cw_step_ctx *c, struct cw_err *err)
{
    s->runs++;
    s->is_planned = c->call.plan_only;
    s->left_ms = cw_left_ms(c->call.until);
    s->at_once++;
    s->max_at_once = CW_MAX(s->max_at_once, s->at_once);
    s->kept = c->facts->zone_id == NULL ? NULL : "kept";
    int r = s->lock != NULL ? c->ops->lock(c->ops_arg, s->lock, err) : 0;
    if (r == 0 && s->keeps) {
        c->out->zone_id = "kept";
        r = c->ops->keep(c->ops_arg, c->out, err);
    }
    if (r == 0 && s->sleep_ms > 0)
        r = cw_sleep(cw_sooner(c->call.until, cw_in_ms(s->sleep_ms)));
    s->at_once--;
    if (r < 0)
        return cw_err_set(err, r, "stopped in the step");
    if (s->wants_write) {
        s->write_result = cw_call_before_write(&c->call, err);
        if (s->write_result < 0)
            return s->write_result;
    }
    if (s->fail_times > 0) {
        s->fail_times--;
        return cw_err_set(err, s->fail_code, "it broke");
    }
    c->ops->found(c->ops_arg, "found something");
    c->ops->changed(c->ops_arg, "changed something");
    return 0;
}

static int run_a(struct cw_step_ctx *c, struct cw_err *err)
{
    int r = play(&scripts[0], c, err);
    c->out->vnet_id = "/vnet/a";
    return r;
}

static int run_b(struct cw_step_ctx *c, struct cw_err *err)
{
    assert_string_equal(c->facts->vnet_id, "/vnet/a");
    int r = play(&scripts[1], c, err);
    c->out->cluster_id = "cluster-1";
    return r;
}

static int run_c(struct cw_step_ctx *c, struct cw_err *err)
{
    return play(&scripts[2], c, err);
}

static int probe_b(struct cw_step_ctx *c, bool *ret_happened, struct cw_err *err)
{
    (void)err;
    scripts[1].probes++;
    *ret_happened = scripts[1].happened;
    c->out->cluster_id = "adopted";
    return 0;
}

static int undo(struct script *s, struct cw_step_ctx *c, struct cw_err *err)
{
    s->undos++;
    s->undid_knowing = cw_z_eq(c->facts->zone_id, "as it was");
    if (s->undo_sleep_ms > 0) {
        int r = cw_sleep(cw_in_ms(s->undo_sleep_ms));
        s->undo_sleep_ms = 0;
        if (r < 0)
            return cw_err_set(err, r, "stopped in the undo");
    }
    c->ops->changed(c->ops_arg, "put back");
    if (s->undo_fail_code == 0)
        return 0;
    int r = cw_err_set(err, s->undo_fail_code, "cannot put back");
    cw_err_remedy(err, "put it back by hand");
    return r;
}

static int undo_a(struct cw_step_ctx *c, struct cw_err *err)
{
    return undo(&scripts[0], c, err);
}

static int undo_b(struct cw_step_ctx *c, struct cw_err *err)
{
    assert_int_equal(scripts[0].undos, 0); /* in reverse order */
    return undo(&scripts[1], c, err);
}

static int look(struct script *s, struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err)
{
    s->looks++;
    *ret_was_begun = s->was_begun;
    if (s->look_fail_code != 0)
        return cw_err_set(err, s->look_fail_code, "cannot look");
    if (s->was_begun)
        c->out->zone_id = "as it was";
    return 0;
}

static int was_begun_a(struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err)
{
    return look(&scripts[0], c, ret_was_begun, err);
}

static int was_begun_b(struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err)
{
    return look(&scripts[1], c, ret_was_begun, err);
}

static bool when_b(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    (void)facts;
    return !scripts[1].is_skipped;
}

static const struct cw_step step_a = {.name = "alpha",
                                      .kind = CW_STEP_IDEMPOTENT,
                                      .timeout_ms = 20000,
                                      .retry = {3, 5, 20},
                                      .in_plan = true,
                                      .is_announced = true,
                                      .run = run_a,
                                      .undo = undo_a,
                                      .was_begun = was_begun_a};
static const struct cw_step step_b = {.name = "beta",
                                      .kind = CW_STEP_ONCE,
                                      .timeout_ms = 20000,
                                      .retry = {3, 5, 20},
                                      .run = run_b,
                                      .when = when_b,
                                      .probe = probe_b,
                                      .undo = undo_b,
                                      .was_begun = was_begun_b};
static const struct cw_step step_c = {.name = "gamma",
                                      .kind = CW_STEP_READ,
                                      .timeout_ms = 600000,
                                      .retry = {3, 5, 20},
                                      .in_plan = true,
                                      .run = run_c};
static const struct cw_step *const table[] = {&step_a, &step_b, &step_c};
static const struct cw_plan plan = {CW_REQUEST_VERIFY, 4, table, 3};

static const struct cw_plan *plan_of(const struct cw_request *req)
{
    return req->kind == CW_REQUEST_CANCEL ? NULL : &plan;
}

static bool refuse_clients; /* as for a tenant that this fleet does not serve */

static int clients_of(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                      struct cw_err *err)
{
    static const struct cw_clients none;
    (void)arg;
    (void)req;
    if (refuse_clients)
        return cw_err_set(err, CW_EREJECTED, "a foreign tenant");
    *ret_clients = &none;
    return 0;
}

/* ---- two workers ------------------------------------------------------------------------------------------------------ */

struct worker {
    struct cw_engine_parts parts;
    struct cw_runner *runner;
};

static void origin_done(void *arg, const struct cw_origin *origin)
{
    (void)arg;
    (void)origin;
    origins_done++;
}

static void room(void *arg)
{
    (void)arg;
}

static struct cw_trouble troubles[CW_TOPIC__COUNT + 1] = {{.name = "progress"},
                                                          {.name = "results"},
                                                          {.name = "deadletter"},
                                                          {.name = "requests"},
                                                          {.name = "recall"}};

static void start_worker(struct worker *w, const char *name, int64_t lease_ms, size_t slots)
{
    const struct cw_locks_cfg locks = {
        .loop = loop, .redis = redis, .worker_id = name, .lease_ms = lease_ms, .margin_ms = lease_ms / 6};
    *w = (struct worker){.parts = {
                             .loop = loop,
                             .journal = {.redis = redis, .retention_ms = 600000},
                             .publish = {.sink = {send_record, keep, NULL},
                                         .worker_id = name,
                                         .topic_progress = "progress",
                                         .topic_results = "results",
                                         .topic_deadletter = "deadletter",
                                         .topic_repeat = "requests.bulk",
                                         .trouble = {&troubles[0], &troubles[1], &troubles[2], &troubles[3]}},
                             .recall_trouble = &troubles[CW_TOPIC__COUNT],
                             .plan_of = plan_of,
                             .clients_of = clients_of,
                             .crash_limit = 3,
                             .undo_timeout_ms = 10000,
                             .waiting_interval_ms = 30000,
                             .cancel_timeout_ms = 10000,
                             .repost_interval_ms = 600000,
                             .job_memory_max = (size_t)8 << 20,
                             .step_memory_max = (size_t)8 << 20,
                             .time_scale = 1,
                         }};
    const struct cw_reader reader = {read_spans, read_records, NULL};
    assert_int_equal(cw_locks_new(&locks, &w->parts.locks), 0);
    assert_int_equal(cw_recall_new(&reader, 0, &w->parts.recall), 0);
    const struct cw_runner_cfg cfg = {&w->parts, slots, 1, 1000, 64, origin_done, room, NULL};
    assert_int_equal(cw_runner_new(&cfg, &w->runner), 0);
    w->parts.runner = w->runner;
}

UNUSED static void wait_idle(struct worker *w)
{
    struct cw_deadline until = cw_in_ms(15000);
    while ((cw_runner_count(w->runner) > 0 || !cw_locks_is_idle(w->parts.locks)) && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    assert_int_equal(cw_runner_count(w->runner), 0);
}

static void stop_worker(struct worker *w)
{
    wait_idle(w);
    cw_runner_free(w->runner);
    cw_locks_free(w->parts.locks);
    cw_recall_free(w->parts.recall);
}

static int64_t next_offset;

static struct cw_job *job_for(struct worker *w, const char *id, const char *workspace, enum cw_mode mode,
                              enum cw_lane lane, const char *target)
{
    struct cw_arena *mem;
    assert_int_equal(cw_arena_new((size_t)8 << 20, &mem), 0);
    struct cw_job *job = cw_job_new(&w->parts, target == NULL ? CW_JOB_PLAN : CW_JOB_CANCEL, mem);
    assert_non_null(job);
    const struct cw_origin origin = {.topic = "requests", .partition = 0, .offset = next_offset++};
    job->lane = lane;
    job->req = (struct cw_request){
        .event = {.id = cw_arena_strdup(mem, id), .type = "causeway.workspace.verify.v1", .source = "test"},
        .kind = target == NULL ? CW_REQUEST_VERIFY : CW_REQUEST_CANCEL,
        .is_addressed = true,
        .workspace_id = cw_arena_strdup(mem, workspace),
        .workspace_key = cw_arena_strdup(mem, workspace),
        .options = {.mode = (int)mode, .deadline_minutes = 60},
    };
    if (target != NULL) {
        struct cw_cancel_v1 *cancel = cw_arena_alloc(mem, sizeof *cancel);
        *cancel = (struct cw_cancel_v1){workspace, cw_arena_strdup(mem, target), "changed my mind"};
        job->req.cancel = cancel;
    }
    job->job_key = cw_journal_key(mem, workspace, id);
    job->correlation_id = job->call_correlation_id = job->voice.correlation_id = "corr";
    job->accepted_wall_ms = job->record_wall_ms = cw_wall_ms();
    job->accepted_mono_ms = cw_mono_ms();
    job->log_ctx.job = job->req.event.id;
    assert_true(cw_job_add_origin(job, &origin));
    return job;
}

UNUSED static void submit_on(struct worker *w, const char *id, const char *workspace, enum cw_mode mode,
                             enum cw_lane lane, const char *target)
{
    assert_int_equal(cw_runner_take(w->runner, job_for(w, id, workspace, mode, lane, target)), 0);
}

/* As a version of the worker does that can't read the request. */
UNUSED static void submit_refused(struct worker *w, const char *id)
{
    struct cw_job *job = job_for(w, id, WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
    job->kind = CW_JOB_REFUSE;
    (void)cw_err_set(&job->refusal, CW_EINVAL, "/options/novel: is not known");
    assert_int_equal(cw_runner_take(w->runner, job), 0);
}

UNUSED static void submit(struct worker *w, const char *id)
{
    submit_on(w, id, WS, CW_MODE_APPLY, CW_LANE_INTERACTIVE, NULL);
}

static void begin(struct cw_arena *mem)
{
    empty_redis(mem);
    forget_events();
    memset(scripts, 0, sizeof scripts);
    refuse_clients = false;
}

UNUSED static void until_runs(int script, int runs)
{
    struct cw_deadline until = cw_in_ms(5000);
    while (scripts[script].runs < runs && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    assert_int_equal(scripts[script].runs, runs);
}

/* A first worker begins r1 and hands it over in the middle of beta. */
UNUSED static void begin_and_park(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w0", 30000, 4);
    scripts[1].sleep_ms = 8000;
    submit(&w, "r1");
    until_runs(1, 1);
    cw_runner_revoke(w.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w);
    scripts[1].sleep_ms = 0;
}

UNUSED static void until_waiting(const char *part)
{
    struct cw_deadline until = cw_in_ms(5000);
    while (find_type("waiting.v1", part) == NULL && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    assert_non_null(find_type("waiting.v1", part));
}

UNUSED static void until_verdict(const char *id, const char *outcome)
{
    struct cw_deadline until = cw_in_ms(5000);
    while (!has_verdict(id, outcome) && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    assert_true(has_verdict(id, outcome));
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

/* The program: each of the list on a fiber of its own. */
#define CW_RUNNER_TEST(fn)              \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        on_fiber(fn);                   \
        forget_events();                \
    }
#define CW_RUNNER_ROW(fn) cmocka_unit_test(test_##fn),
#define CW_RUNNER_TESTS(LIST)                                            \
    LIST(CW_RUNNER_TEST)                                                 \
    int main(void)                                                       \
    {                                                                    \
        const struct CMUnitTest tests[] = {LIST(CW_RUNNER_ROW)};         \
        return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down); \
    }

#endif

/* Requests that repeat: the next run is written before the last one is forgotten, waits without a slot, and tells what has changed. */
#include "tests/unit/worker/engine/runner_rig.h"

#define WATCHED \
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/g/providers/microsoft.databricks/workspaces/watched"
#define REQUEST "verify.v1"

/* As from Kafka. */
static void take(struct worker *w, const char *id, const char *body)
{
    struct cw_arena *mem;
    struct cw_problems problems;
    struct cw_err err = {0};
    assert_int_equal(cw_arena_new((size_t)8 << 20, &mem), 0);
    struct cw_job *job = cw_job_new(&w->parts, CW_JOB_PLAN, mem);
    assert_non_null(job);
    const struct cw_header headers[] = {
        {"ce_specversion", cw_str_of("1.0")},       {"ce_id", cw_str_of(id)},
        {"ce_source", cw_str_of("/portal")},        {"ce_type", cw_str_of("causeway.workspace.verify.v1")},
        {"ce_correlationid", cw_str_of("order-7")}, {"content-type", cw_str_of("application/json")},
    };
    const struct cw_record_in rec = {.headers = headers,
                                     .header_count = CW_ARRAY_LEN(headers),
                                     .key = cw_str_of(WATCHED),
                                     .value = cw_str_of(body)};
    const struct cw_origin origin = {.topic = "requests", .partition = 0, .offset = next_offset++};
    if (cw_request_decode(&rec, mem, &job->req, &problems, &err) < 0)
        fail_msg("%s: %s", err.text, body);
    job->lane = CW_LANE_BULK;
    job->job_key = cw_journal_key(mem, job->req.workspace_key, job->req.event.id);
    job->correlation_id = job->call_correlation_id = job->voice.correlation_id = job->req.event.correlationid;
    job->accepted_wall_ms = cw_wall_ms();
    job->log_ctx.job = job->req.event.id;
    assert_true(cw_job_add_origin(job, &origin));
    assert_int_equal(cw_runner_take(w->runner, job), 0);
}

static void take_first(struct worker *w, const char *id, int seconds)
{
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"workspaceId\":\"" WATCHED
                   "\",\"options\":{\"repeatSeconds\":%d,\"launchCluster\":false}}",
                   seconds);
    take(w, id, body);
}

static const struct event *find_run(const char *id)
{
    for (size_t i = event_count; i > 0; i--) {
        if (cw_z_eq(events[i - 1].topic, "requests.bulk") && cw_z_eq(events[i - 1].id, id))
            return &events[i - 1];
    }
    return NULL;
}

static size_t count_runs(const char *id)
{
    size_t n = 0;
    for (size_t i = 0; i < event_count; i++)
        n += cw_z_eq(events[i].topic, "requests.bulk") && cw_z_eq(events[i].id, id);
    return n;
}

/* The record that was written comes from Kafka. */
static void take_run(struct worker *w, const char *id)
{
    const struct event *e = find_run(id);
    assert_non_null(e);
    take(w, id, e->body);
}

static const char *verdict_of(const char *id)
{
    char part[64];
    (void)snprintf(part, sizeof part, "\"requestId\":\"%s\"", id);
    const struct event *e = find_type("result.v1", part);
    return e == NULL ? "" : e->body;
}

/* The text of a member, in out. */
static const char *text_of(const char *body, const char *name, char out[64])
{
    char member[64];
    (void)snprintf(member, sizeof member, "\"%s\":\"", name);
    const char *p = strstr(body, member);
    if (p == NULL)
        return "";
    p += strlen(member);
    (void)snprintf(out, 64, "%.*s", (int)strcspn(p, "\""), p);
    return out;
}

static void next_run_is_written(struct cw_arena *mem)
{
    struct worker w;
    char next[64], not_before[64];
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    refuse_sends = 3;
    take_first(&w, "watch", 3600);
    stop_worker(&w);
    assert_true(has_verdict("watch", "succeeded"));
    const char *verdict = verdict_of("watch");
    assert_non_null(strstr(verdict, "\"watch\":{\"id\":\"watch\""));
    assert_null(strstr(verdict, "\"drift\""));
    const struct event *run = find_run("watch#2");
    assert_non_null(run);
    assert_int_equal(count_runs("watch#2"), 1);
    assert_string_equal(run->correlation_id, "order-7");
    assert_string_equal(text_of(verdict, "nextRunAt", next), text_of(run->body, "notBefore", not_before));
    assert_non_null(strstr(run->body, "\"repeatSeconds\":3600"));
    assert_non_null(strstr(run->body, "\"launchCluster\":false"));
    assert_non_null(strstr(run->body, "\"previous\":{\"outcome\":\"succeeded\""));
    assert_true(run > find_type("result.v1", NULL));
    assert_int_equal(origins_done, 1);
}

static void repeated_delivery_writes_no_second(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    take_first(&w, "watch", 3600);
    wait_idle(&w);
    take_first(&w, "watch", 3600);
    wait_idle(&w);
    assert_int_equal(count_runs("watch#2"), 1);
    /* The worker died between the verdict and the mark: it can't be known whether the run was written. */
    (void)ASK(mem, "HSET", "cw:{" WATCHED "}:watch:watch", "run", "1");
    take_first(&w, "watch", 3600);
    stop_worker(&w);
    assert_int_equal(count_runs("watch#2"), 2);
    assert_int_equal(scripts[0].runs, 1);
    assert_int_equal(origins_done, 3);
}

static void early_run_waits_without_a_slot(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 2);
    take_first(&w, "watch", 3600);
    wait_idle(&w);
    take_run(&w, "watch#2");
    take_run(&w, "watch#2"); /* twice: one job */
    assert_non_null(find_type("waiting.v1", "\"reason\":\"schedule\""));
    submit_on(&w, "other", WATCHED, CW_MODE_APPLY, CW_LANE_BULK, NULL);
    until_verdict("other", "succeeded");
    for (struct cw_deadline until = cw_in_ms(5000); cw_runner_count(w.runner) > 1 && !cw_is_past(until);)
        assert_int_equal(cw_sleep(cw_in_ms(2)), 0);
    assert_int_equal(cw_runner_count(w.runner), 1);
    assert_int_equal(scripts[0].runs, 2);
    assert_int_equal(origins_done, 2);
    cw_runner_revoke(w.runner, "requests", 0, CW_EPARKED); /* the next owner of the partition gets it */
    stop_worker(&w);
    assert_int_equal(origins_done, 2);
}

static void drift_is_told(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    take_first(&w, "watch", 1);
    wait_idle(&w);
    scripts[2].fail_times = 1;
    scripts[2].fail_code = CW_EMISCONFIGURED;
    take_run(&w, "watch#2");
    wait_idle(&w);
    assert_true(has_verdict("watch#2", "failed"));
    assert_non_null(
        strstr(verdict_of("watch#2"),
               "\"drift\":[{\"after\":\"failed\",\"before\":\"succeeded\",\"what\":\"outcome\"}]"));
    assert_non_null(strstr(verdict_of("watch#2"), "since the last run 1 thing changed"));
    take_run(&w, "watch#3");
    wait_idle(&w);
    assert_non_null(strstr(verdict_of("watch#3"), "\"after\":\"succeeded\",\"before\":\"failed\""));
    empty_redis(mem);
    take_run(&w, "watch#4"); /* what the last verdict said came with it */
    stop_worker(&w);
    assert_true(has_verdict("watch#4", "succeeded"));
    assert_null(strstr(verdict_of("watch#4"), "\"drift\""));
    assert_int_equal(count_runs("watch#5"), 1);
}

static void waiting_run_is_written_anew(struct cw_arena *mem)
{
    struct worker w;
    char before[64], after[64];
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    w.parts.repost_interval_ms = 50;
    take_first(&w, "watch", 3600);
    wait_idle(&w);
    (void)text_of(find_run("watch#2")->body, "notBefore", before);
    take_run(&w, "watch#2");
    wait_idle(&w);
    assert_int_equal(origins_done, 2); /* the offset can be committed */
    const struct event *again = find_run("watch#2");
    assert_int_equal(count_runs("watch#2"), 2);
    assert_string_equal(text_of(again->body, "notBefore", after), before);
    assert_non_null(strstr(again->body, "\"reposts\":1"));
    assert_non_null(strstr(again->body, "\"previous\":{\"outcome\":\"succeeded\""));
    take_run(&w, "watch#2");
    stop_worker(&w);
    assert_non_null(strstr(find_run("watch#2")->body, "\"reposts\":2"));
    assert_int_equal(scripts[0].runs, 1);
}

static struct worker *reader;

static void read_back(const struct event *e)
{
    if (cw_z_eq(e->topic, "requests.bulk"))
        take(reader, e->id, e->body);
}

/* The copy may be read before its writer knows that it was written: it is not done with what it replaces. */
static void copy_that_comes_early_is_kept(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    w.parts.repost_interval_ms = 50;
    take_first(&w, "watch", 3600);
    wait_idle(&w);
    reader = &w;
    sent = read_back;
    take_run(&w, "watch#2");
    struct cw_deadline until = cw_in_ms(5000);
    while (origins_done < 3 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(1)), 0);
    assert_int_equal(origins_done, 3); /* the request, and the run's first two copies */
    assert_int_equal(count_runs("watch#2"), 3);
    assert_int_equal(cw_runner_count(w.runner), 1);
    cw_runner_revoke(w.runner, "requests", 0, CW_EPARKED);
    stop_worker(&w);
    assert_int_equal(origins_done, 3);
}

static void cancel_ends_a_waiting_watch(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    take_first(&w, "watch", 3600);
    wait_idle(&w);
    take_run(&w, "watch#2");
    submit_on(&w, "stop", WATCHED, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "watch");
    stop_worker(&w);
    assert_true(has_verdict("stop", "succeeded"));
    assert_true(has_verdict("watch#2", "cancelled"));
    assert_null(strstr(verdict_of("watch#2"), "nextRunAt"));
    assert_int_equal(count_runs("watch#3"), 0);
    assert_int_equal(scripts[0].runs, 1);
}

/* The run waits in another worker, or in Kafka. */
static void cancel_is_seen_elsewhere(struct cw_arena *mem)
{
    struct worker w1, w2;
    begin(mem);
    start_worker(&w1, "w1", 3000, 4);
    start_worker(&w2, "w2", 3000, 4);
    w2.parts.repost_interval_ms = 1500;
    take_first(&w1, "watch", 3600);
    wait_idle(&w1);
    take_run(&w2, "watch#2");
    submit_on(&w1, "stop", WATCHED, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "watch");
    stop_worker(&w1);
    assert_non_null(
        strstr(verdict_of("stop"), "request watch is not repeated any more: its next run, watch#2,"));
    stop_worker(&w2);
    assert_true(has_verdict("watch#2", "cancelled"));
    assert_int_equal(count_runs("watch#2"), 1);
    assert_int_equal(count_runs("watch#3"), 0);
}

static void cancel_ends_a_running_watch(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    take_first(&w, "watch", 1);
    wait_idle(&w);
    scripts[2].sleep_ms = 8000;
    take_run(&w, "watch#2");
    until_runs(2, 2);
    submit_on(&w, "stop", WATCHED, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "watch");
    stop_worker(&w);
    assert_true(has_verdict("stop", "succeeded"));
    assert_true(has_verdict("watch#2", "cancelled"));
    assert_int_equal(scripts[0].undos, 1);
    assert_int_equal(count_runs("watch#3"), 0);
}

static void only_what_repeats_is_followed(struct cw_arena *mem)
{
    struct worker w;
    begin(mem);
    start_worker(&w, "w1", 3000, 4);
    take_first(&w, "once", 0);
    wait_idle(&w);
    assert_int_equal(count_type(REQUEST, NULL), 0);
    submit_on(&w, "stop", WATCHED, CW_MODE_APPLY, CW_LANE_INTERACTIVE, "once");
    stop_worker(&w);
    assert_true(has_verdict("stop", "rejected"));
}

/* clang-format off */
#define LIST(X) \
    X(next_run_is_written) X(repeated_delivery_writes_no_second) X(early_run_waits_without_a_slot)  \
    X(drift_is_told) X(waiting_run_is_written_anew) X(copy_that_comes_early_is_kept) X(cancel_ends_a_waiting_watch)                  \
    X(cancel_is_seen_elsewhere) X(cancel_ends_a_running_watch) X(only_what_repeats_is_followed)
/* clang-format on */
CW_RUNNER_TESTS(LIST)

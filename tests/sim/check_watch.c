/* What must hold of requests that repeat: each run comes once, after the one before, and none after the last. */
#include <jansson.h>

#include "schema/result_v1.h"
#include "tests/azure/core.h"
#include "tests/sim/judge.h"

#define RUNS_MAX 2048
#define PAUSE_MOST_MS (INT64_C(20) * 60 * 1000)

/* By request and run; run 1 is the request itself. */
static struct run {
    uint64_t hash; /* of the verdict's text; 0 = none came */
    int64_t at_ms; /* when it came, since the start */
    bool is_last;
} runs[SIM_REQUESTS_MAX][RUNS_MAX];

void sim_watch_begin(void)
{
    memset(runs, 0, sizeof runs);
}

bool sim_run_parse(const char *id, size_t *ret_request, size_t *ret_run)
{
    char *end = NULL;
    if (id[0] != 'r')
        return false;
    size_t request = strtoul(id + 1, &end, 10);
    size_t run = *end == '#' ? strtoul(end + 1, NULL, 10) : 0;
    if (run < 2 || request >= sim.plan.request_count)
        return false;
    if (run >= RUNS_MAX) {
        sim_fail("%s: a watch without end", id);
        return false;
    }
    *ret_request = request;
    *ret_run = run;
    return true;
}

bool sim_run_has_verdict(size_t request, size_t run)
{
    return runs[request][run].hash != 0;
}

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(1099511628211);
    return h | 1;
}

static void check_order(const char *id, const struct run *all, size_t run)
{
    if (run > 2 && all[run - 1].hash == 0)
        sim_fail("%s has a verdict, but the run before has none", id);
    if (all[run - 1].is_last && sim.amnesia_ms == 0)
        sim_fail("%s was run, but the run before was the last", id);
}

void sim_watch_on_verdict(const char *id, size_t request, size_t run, const struct kafka_message *m)
{
    struct run *all = runs[request];
    uint64_t hash = hash_of(m->value.p, m->value.n);
    json_t *doc = json_loadb(m->value.p, m->value.n, 0, NULL);
    bool is_last = json_object_get(json_object_get(doc, "watch"), "nextRunAt") == NULL;
    if (sim.plan.requests[request].repeat_seconds == 0)
        sim_fail("%s is a run of what does not repeat", id);
    if (strcmp(az_str(doc, "watch.id"), id) == 0 || az_int(doc, "watch.run", 0) != (int64_t)run)
        sim_fail("%s says that it is run %lld of %s", id, (long long)az_int(doc, "watch.run", 0),
                 az_str(doc, "watch.id"));
    check_order(id, all, run);
    if (all[run].hash != 0 && all[run].hash != hash)
        sim_fail("%s has two verdicts that differ", id);
    if (all[run].hash == 0)
        all[run].at_ms = sim_now();
    all[run].hash = all[run].hash != 0 ? all[run].hash : hash;
    all[run].is_last = all[run].is_last || is_last;
    sim_say("verdict of %s: %s%s", id, az_str(doc, "outcome"), is_last ? ", the last" : "");
    json_decref(doc);
}

static int64_t ended_ms(size_t request)
{
    int64_t earliest = INT64_MAX;
    for (size_t i = 0; i < sim.plan.request_count; i++) {
        const struct sim_request *r = &sim.plan.requests[i];
        if (r->ask == SIM_CANCEL && r->target == request && !sim.plan.is_left_out[i])
            earliest = CW_MIN(earliest, r->at_ms);
    }
    return earliest;
}

/* Runs follow each other without a gap until somebody ends them. */
static void check_end(size_t request)
{
    size_t last = 1;
    for (size_t n = 2; n < RUNS_MAX; n++)
        last = runs[request][n].hash != 0 ? n : last;
    for (size_t n = 2; n < last; n++) {
        if (runs[request][n].hash == 0)
            sim_fail("r%zu#%zu has no verdict, but #%zu has", request, n, last);
    }
    const struct sim_fate *f = &sim.fates[request];
    json_t *doc = f->value == NULL ? NULL : json_loadb(f->value, f->value_bytes, 0, NULL);
    bool goes_on = json_object_get(json_object_get(doc, "watch"), "nextRunAt") != NULL;
    json_decref(doc);
    int64_t at = last > 1 ? runs[request][last].at_ms : f->verdict_ms - sim.start_ms;
    bool is_last = last > 1 ? runs[request][last].is_last : !goes_on;
    if (!is_last && at < ended_ms(request) - PAUSE_MOST_MS)
        sim_fail("r%zu: run %zu at %.1f s was not followed by another, and nobody had ended it", request,
                 last, (double)at / 1000);
}

void sim_watch_end(void)
{
    for (size_t i = 0; i < sim.plan.request_count; i++) {
        bool is_watch =
            sim.plan.requests[i].repeat_seconds > 0 && !sim.plan.is_left_out[sim.plan.requests[i].ended_by];
        if (is_watch && sim.fates[i].is_sent && !sim.has_failed)
            check_end(i);
    }
}

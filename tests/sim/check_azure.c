/* What must hold in Azure: who writes holds the lock, nothing is done twice, what a verdict says is so. */
#include <jansson.h>

#include "common/log.h"
#include "tests/azure/arm.h"
#include "tests/azure/databricks.h"
#include "tests/azure/graph.h"
#include "tests/sim/judge.h"
#include "worker/steps/compute_facts.h"

#define SCRATCH_BYTES ((size_t)1 << 20)
#define CLAIMS_MAX 3
#define GRANTS_MAX 64
#define PARK_MS 1000 /* so long may a job take to stop */

static const json_t *entry_at(size_t i)
{
    return json_array_get(sim.model->ledger.entries, i);
}

static bool is_changed(const json_t *e)
{
    return json_is_true(json_object_get(e, "changed"));
}

static bool is_of_platform(const json_t *e)
{
    return strcmp(az_str(e, "principal"), "platform") == 0;
}

/* By the fiber that made the call; a workspace's own API knows no correlation id. */
static size_t request_of(const json_t *e)
{
    const struct cw_log_ctx *job = cw_fiber_self() == NULL ? NULL : cw_fiber_local(cw_fiber_self());
    size_t i = 0;
    if (job != NULL && job->job != NULL && job->job[0] == 'r')
        return strtoul(job->job + 1, NULL, 10);
    while (i < sim.plan.request_count && strcmp(sim.fates[i].guid, az_str(e, "correlationId")) != 0)
        i++;
    return i;
}

/* ---- locks ----------------------------------------------------------------------------------------------------------- */

void sim_lock_value(const char *key, char out[512])
{
    struct cw_arena *mem;
    CW_BUG_ON(cw_arena_new(SCRATCH_BYTES, &mem) < 0);
    const struct cw_str argv[] = {cw_str_of("GET"), cw_str_of(key)};
    const struct redis_value v = redis_execute(2, argv, mem);
    (void)snprintf(out, 512, "%s", v.type == REDIS_TEXT ? v.text.p : "");
    cw_arena_free(mem);
}

static void lock_key_of(const char *resource, char out[AZ_ID_MAX + 16])
{
    (void)snprintf(out, AZ_ID_MAX + 16, "cw:{%s", resource);
    cw_z_lower(out);
    (void)snprintf(out + strlen(out), AZ_ID_MAX + 16 - strlen(out), "}:lock");
}

/* "<epoch>|<token>|<worker>|<request>" */
static bool is_held_by(const char *holder, const char *worker, const char *request)
{
    char end[128];
    (void)snprintf(end, sizeof end, "|%s|%s", worker, request);
    size_t n = strlen(holder), k = strlen(end);
    return n > k && strcmp(holder + n - k, end) == 0;
}

/* Who was last given each lock, and has not given it back: what its holder goes by. */
static struct grant {
    char key[AZ_ID_MAX + 16];
    char value[512];
} grants[GRANTS_MAX];
static size_t grant_count;

static struct grant *grant_of(const char *key)
{
    size_t i = 0;
    while (i < grant_count && strcmp(grants[i].key, key) != 0)
        i++;
    CW_BUG_ON(i == GRANTS_MAX);
    if (i == grant_count)
        (void)cw_z_copy(grants[grant_count++].key, sizeof grants[i].key, key);
    return &grants[i];
}

void sim_lock_moved(const char *key, const char *value)
{
    struct grant *g = grant_of(key);
    (void)cw_z_copy(g->value, sizeof g->value, value);
}

void sim_locks_begin(void)
{
    memset(grants, 0, sizeof grants);
    grant_count = 0;
}

bool sim_may_have_forgotten(int64_t since_ms)
{
    bool has_lost_writes = sim.plan.wait_replicas == 0 && sim.failover_ms > 0;
    return (sim.loss_ms > 0 && sim.loss_ms >= since_ms) || (has_lost_writes && sim.failover_ms >= since_ms);
}

/* Redis does not know, but nobody else can have been given it: a lease must have passed since it forgot everything. */
static bool still_believes(const char *key, const char *holder, const char *worker, const char *request)
{
    return holder[0] == '\0' && sim.loss_ms > 0 && cw_mono_ms() <= sim.loss_ms + sim.plan.lease_ms &&
           is_held_by(grant_of(key)->value, worker, request);
}

static void check_lock(const struct sim_worker *by, size_t request, const char *resource, const json_t *e)
{
    char key[AZ_ID_MAX + 16], holder[512], id[32];
    sim_request_id(&sim.plan, request, id);
    lock_key_of(resource, key);
    sim_lock_value(key, holder);
    if (is_held_by(holder, by->id, id) || still_believes(key, holder, by->id, id))
        return;
    bool has_just_lost_writes = sim.plan.wait_replicas == 0 && sim.failover_ms > 0 &&
                                cw_mono_ms() <= sim.failover_ms + sim.plan.lease_ms;
    if (has_just_lost_writes)
        sim.unlocked_writes++;
    else
        sim_fail("%s writes %s %s for %s, but the lock of %s is held by \"%s\"", by->id,
                 az_str(e, "operation"), az_str(e, "resourceId"), id, resource, holder);
}

static void check_locks(const struct sim_worker *by, size_t request, const json_t *e)
{
    char vnet[AZ_ID_MAX];
    const struct sim_request *r = &sim.plan.requests[request];
    check_lock(by, request, sim.plan.workspaces[r->workspace].id, e);
    (void)snprintf(vnet, sizeof vnet, "%s", az_str(e, "resourceId"));
    char *at = strcasestr(vnet, "/virtualNetworks/");
    if (at == NULL)
        return;
    at += strlen("/virtualNetworks/");
    at[strcspn(at, "/")] = '\0';
    check_lock(by, request, vnet, e);
}

/* ---- nothing twice --------------------------------------------------------------------------------------------------- */

static bool has_failed(const json_t *e)
{
    const char *op = az_str(e, "operationId");
    const json_t *state = op[0] == '\0' ? NULL : az_op_get(sim.model, op);
    return state != NULL && strcmp(az_str(state, "status"), "Failed") == 0;
}

static bool was_canceled(const json_t *e)
{
    const char *op = az_str(e, "operationId");
    const json_t *state = op[0] == '\0' ? NULL : az_op_get(sim.model, op);
    return state != NULL && strcmp(az_str(state, "status"), "Canceled") == 0;
}

/* The same change by the same request, and nothing happened to the resource in between. */
static void check_repeat(size_t at, const json_t *e, size_t request)
{
    for (size_t i = at; i > 0; i--) {
        const json_t *before = entry_at(i - 1);
        if (!is_changed(before) || !az_ieq(az_str(before, "resourceId"), az_str(e, "resourceId")))
            continue;
        if (strcmp(az_str(before, "correlationId"), az_str(e, "correlationId")) == 0 &&
            strcmp(az_str(before, "operation"), az_str(e, "operation")) == 0 &&
            strcmp(az_str(before, "after"), az_str(e, "after")) == 0 && az_str(e, "after")[0] != '\0' &&
            !has_failed(before) && !was_canceled(before))
            sim_fail("r%zu changes %s %s a second time", request, az_str(e, "operation"),
                     az_str(e, "resourceId"));
        return;
    }
}

static json_t *list_of(const struct sim_workspace *w, const char *name)
{
    const struct az_resource *r = az_store_get(sim.model, w->id);
    return r == NULL ? NULL : json_object_get(dbx_data(sim.model, r), name);
}

static bool is_alive(const json_t *cluster)
{
    const char *state = az_str(cluster, "state");
    return strcmp(state, "TERMINATED") != 0 && strcmp(state, "TERMINATING") != 0 &&
           strcmp(state, "ERROR") != 0;
}

static void check_twins(const struct sim_workspace *w)
{
    size_t i, k;
    const json_t *a, *b;
    json_t *clusters = list_of(w, "clusters");
    json_array_foreach(clusters, i, a) {
        json_array_foreach(clusters, k, b) {
            if (k > i && is_alive(a) && is_alive(b) &&
                strcmp(az_str(a, "cluster_name"), az_str(b, "cluster_name")) == 0)
                sim_fail("two clusters of %s are named %s", w->name, az_str(a, "cluster_name"));
        }
    }
}

/* ---- the ledger ------------------------------------------------------------------------------------------------------ */

static void check_time(const struct sim_worker *by, size_t request, const json_t *e)
{
    struct sim_fate *f = &sim.fates[request];
    /* It is run again when Redis has forgotten its verdict; what an unconfirmed failover forgot may be its lock. */
    bool is_again = f->stored_ms > 0 && sim_may_have_forgotten(f->stored_ms);
    bool had_two_holders = sim.plan.wait_replicas == 0 && sim.failover_ms > 0 &&
                           sim.failover_ms > f->verdict_ms - sim.plan.lease_ms;
    if (f->verdicts == 0 || is_again || had_two_holders)
        return;
    sim_fail("%s writes %s %s for r%zu, whose verdict is out", by->id, az_str(e, "operation"),
             az_str(e, "resourceId"), request);
}

/* Who has given all partitions of a request away stops within a moment. */
static void check_partitions(const struct sim_worker *by, size_t request, const json_t *e)
{
    for (size_t lane = 0; lane < 2; lane++) {
        for (size_t p = 0; p < KAFKA_PARTITIONS_MAX; p++) {
            bool is_recent = by->lost_ms[lane][p] > 0 && cw_mono_ms() - by->lost_ms[lane][p] <= PARK_MS;
            if (sim.fates[request].is_at[lane][p] && (by->owns[lane][p] || is_recent))
                return;
        }
    }
    sim_fail("%s writes %s %s for r%zu, whose partition it has given away", by->id, az_str(e, "operation"),
             az_str(e, "resourceId"), request);
}

static void check_entry(const struct sim_worker *by, size_t at, const json_t *e)
{
    if (is_of_platform(e) || !is_changed(e))
        return;
    size_t request = request_of(e);
    if (cw_fiber_self() != NULL && strcmp(cw_fiber_name(cw_fiber_self()), "reaper") == 0 &&
        strcmp(az_str(e, "operation"), "clusters/permanent-delete") == 0) {
        sim_say("%s reaps %s", by->id, az_str(e, "resourceId"));
        return;
    }
    if (request >= sim.plan.request_count) {
        sim_fail("a write of nobody's: %s %s", az_str(e, "operation"), az_str(e, "resourceId"));
        return;
    }
    sim.writes++;
    sim.fates[request].changes++;
    sim_say("%s writes for r%zu: %s %s", by->id, request, az_str(e, "operation"), az_str(e, "resourceId"));
    const struct sim_request *r = &sim.plan.requests[request];
    if (r->is_plan_only)
        sim_fail("r%zu may only plan, and writes", request);
    bool is_stop = strcmp(az_str(e, "operation"), "clusters/delete") == 0 ||
                   strcmp(az_str(e, "operation"), "sql/warehouses/stop") == 0;
    if (is_stop && r->ask == SIM_MIGRATE && !r->may_stop)
        sim_fail("r%zu may not stop compute, and does", request);
    check_time(by, request, e);
    check_partitions(by, request, e);
    check_locks(by, request, e);
    check_repeat(at, e, request);
    check_twins(&sim.plan.workspaces[r->workspace]);
}

void sim_check_ledger(const struct sim_worker *by)
{
    for (; sim.ledger_seen < json_array_size(sim.model->ledger.entries); sim.ledger_seen++)
        check_entry(by, sim.ledger_seen, entry_at(sim.ledger_seen));
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static bool is_private(const struct sim_workspace *w, char why[256])
{
    struct az_resource *r = az_store_get(sim.model, w->id);
    struct az_launch launch;
    if (r == NULL) {
        (void)snprintf(why, 256, "it does not exist");
        return false;
    }
    az_graph_launch(sim.model, r, "Standard_DS3_v2", 0, &launch);
    (void)snprintf(why, 256, "ok %d, private %d, %s", launch.ok, launch.is_private, launch.cause);
    return launch.ok && launch.is_private;
}

static void check_truth(size_t i, const json_t *verdict)
{
    const struct sim_request *r = &sim.plan.requests[i];
    const char *outcome = az_str(verdict, "outcome");
    char why[256];
    if (strcmp(outcome, "succeeded") == 0 && r->ask != SIM_CANCEL &&
        !(r->no_cluster && r->ask == SIM_VERIFY) && !is_private(&sim.plan.workspaces[r->workspace], why))
        sim_fail("r%zu succeeded, but %s is not private: %s", i, sim.plan.workspaces[r->workspace].name, why);
    bool says_nothing = strcmp(outcome, "rejected") == 0 || strcmp(outcome, "planned") == 0;
    if (says_nothing && sim.fates[i].changes > 0)
        sim_fail("r%zu is %s, but it made %zu changes", i, outcome, sim.fates[i].changes);
    if (strcmp(outcome, "succeeded") == 0 && sim.fates[i].changes > 0 && r->ask != SIM_VERIFY &&
        az_int(verdict, "changes", 0) == 0 && sim.amnesia_ms == 0)
        sim_fail("r%zu says that nothing was changed, but it made %zu changes", i, sim.fates[i].changes);
    if (r->is_plan_only && r->ask != SIM_CANCEL && strcmp(outcome, "succeeded") == 0)
        sim_fail("r%zu may only plan, and says that it succeeded", i);
    if (strcmp(outcome, "failed") == 0 && az_str(verdict, "error.remedy")[0] == '\0')
        sim_fail("r%zu failed without a remedy: %s", i, az_str(verdict, "error.message"));
    if (strcmp(az_str(verdict, "error.class"), "bug") == 0 &&
        strstr(az_str(verdict, "error.message"), "workers died") == NULL)
        sim_fail("r%zu is a bug: %s", i, az_str(verdict, "error.message"));
}

/* Does a verdict about the workspace say that this does not run again? */
static bool is_told(const struct sim_workspace *w, const char *id, const char *name)
{
    for (size_t i = 0; i < sim.plan.request_count; i++) {
        const struct sim_fate *f = &sim.fates[i];
        if (f->value == NULL || &sim.plan.workspaces[sim.plan.requests[i].workspace] != w)
            continue;
        json_t *doc = json_loadb(f->value, f->value_bytes, 0, NULL);
        size_t k;
        const json_t *change;
        bool found = strstr(az_str(doc, "error.message"), name) != NULL;
        json_array_foreach(json_object_get(doc, "compute"), k, change) {
            if (strcmp(az_str(change, "id"), id) == 0 && strcmp(az_str(change, "after"), "RUNNING") != 0)
                found = true;
        }
        json_array_foreach(json_object_get(doc, "leftOver"), k, change) {
            const char *text = json_string_value(change);
            found = found || (text != NULL && strstr(text, name) != NULL);
        }
        found = found && strcmp(az_str(doc, "outcome"), "succeeded") != 0;
        json_decref(doc);
        if (found)
            return true;
    }
    return false;
}

static bool has_text_with(const json_t *list, const char *part)
{
    size_t i;
    const json_t *text;
    json_array_foreach(list, i, text) {
        if (json_is_string(text) && strstr(json_string_value(text), part) != NULL)
            return true;
    }
    return false;
}

/* A verdict tells of a step that the worker which made it does not know: what it changed (or found, when
 * it had died of the change), or what it left. */
static bool tells_of_step(const json_t *verdict, const char *step)
{
    size_t i;
    const json_t *s;
    if (has_text_with(json_object_get(verdict, "leftOver"), step))
        return true;
    json_array_foreach(json_object_get(verdict, "steps"), i, s) {
        size_t told =
            json_array_size(json_object_get(s, "changed")) + json_array_size(json_object_get(s, "found"));
        if (strcmp(az_str(s, "name"), step) == 0 && told > 0)
            return strcmp(az_str(s, "outcome"), "undone") != 0;
    }
    return false;
}

static void check_mark(size_t i, const json_t *verdict)
{
    char id[AZ_ID_MAX], name[32];
    const struct sim_workspace *w = &sim.plan.workspaces[sim.plan.requests[i].workspace];
    sim_request_id(&sim.plan, i, name);
    (void)snprintf(id, sizeof id, "%.*s/providers/Microsoft.Network/networkSecurityGroups/" SIM_MARK "%s",
                   (int)(strcasestr(w->id, "/providers/") - w->id), w->id, name);
    if (az_store_get(sim.model, id) != NULL && !tells_of_step(verdict, SIM_STEP_MARK) && sim.amnesia_ms == 0)
        sim_fail("r%zu left %s, and its verdict does not say so", i, id);
}

static void stays_stopped(const struct sim_workspace *w, const char *what, const char *state)
{
    sim_fail("%s of %s ran before, and is %s", what, w->name, state);
}

/* Launched after repairs by a worker of today's version; the older one that ended the request knows no such step, and says so. */
static bool is_foreign_told(const struct sim_workspace *w)
{
    bool found = false;
    for (size_t i = 0; i < sim.plan.request_count && !found; i++) {
        const struct sim_fate *f = &sim.fates[i];
        if (f->value == NULL || &sim.plan.workspaces[sim.plan.requests[i].workspace] != w)
            continue;
        json_t *doc = json_loadb(f->value, f->value_bytes, 0, NULL);
        found = az_int(doc, "planVersion", 0) == SIM_OLDER_PLAN &&
                has_text_with(json_object_get(doc, "leftOver"), "launch_cluster_again: ");
        json_decref(doc);
    }
    return found;
}

static void check_compute(const struct sim_workspace *w)
{
    size_t i;
    const json_t *c;
    json_array_foreach(list_of(w, "clusters"), i, c) {
        const char *name = az_str(c, "cluster_name");
        bool is_ours = cw_z_starts(name, CW_VERIFY_CLUSTER_PREFIX);
        if (is_ours && is_foreign_told(w))
            sim_say("%s of %s is left to the reaper", name, w->name);
        else if (is_ours)
            sim_fail("the verification cluster %s of %s is left, %s", name, w->name, az_str(c, "state"));
        else if (w->start == SIM_EXISTING && strcmp(name, "old") != 0 && !is_alive(c) &&
                 !is_told(w, az_str(c, "cluster_id"), name))
            stays_stopped(w, name, az_str(c, "state"));
    }
    json_array_foreach(list_of(w, "warehouses"), i, c) {
        const char *state = az_str(c, "state");
        if (strcmp(state, "RUNNING") != 0 && strcmp(state, "STARTING") != 0 &&
            !is_told(w, az_str(c, "id"), az_str(c, "name")))
            stays_stopped(w, az_str(c, "name"), state);
    }
}

/* Two would overwrite each other's record. */
static void check_browser(void)
{
    size_t count = 0;
    for (const struct az_resource *e = az_store_first(sim.model, AZ_T_PE); e != NULL; e = e->next_of_type)
        count += az_ieq(az_pe_group_id(e), "browser_authentication");
    if (count > 1)
        sim_fail("%zu browser_authentication endpoints were made in one region", count);
}

/* Where nothing goes wrong a request is taken on once, or again when a worker that joins late gets its partition. */
static void check_claims(void)
{
    if (sim.plan.action_count > 0)
        return;
    for (size_t i = 0; i < sim.plan.request_count; i++) {
        if (sim.fates[i].claims > CLAIMS_MAX)
            sim_fail("r%zu was taken on %zu times, though nothing went wrong", i, sim.fates[i].claims);
    }
}

static void check_no_lock(const char *resource)
{
    char key[AZ_ID_MAX + 16], holder[512];
    lock_key_of(resource, key);
    sim_lock_value(key, holder);
    bool may_lapse = sim.crash_ms > 0 && cw_mono_ms() <= sim.crash_ms + sim.plan.lease_ms;
    /* No replica is asked whether it has seen a release. */
    bool is_back = sim.failover_ms > 0 && cw_mono_ms() <= sim.failover_ms + sim.plan.lease_ms;
    if (holder[0] != '\0' && !may_lapse && !is_back)
        sim_fail("all workers have ended, and the lock of %s is held by %s", resource, holder);
}

void sim_check_end(void)
{
    az_model_advance(sim.model, world_wall_ms());
    sim_watch_end();
    for (size_t i = 0; i < sim.plan.request_count && !sim.has_failed; i++) {
        const struct sim_fate *f = &sim.fates[i];
        if (f->value == NULL)
            continue;
        json_t *doc = json_loadb(f->value, f->value_bytes, 0, NULL);
        if (doc == NULL)
            sim_fail("the verdict of r%zu can't be read", i);
        else {
            check_truth(i, doc);
            check_mark(i, doc);
        }
        json_decref(doc);
    }
    for (size_t i = 0; i < sim.plan.workspace_count; i++) {
        check_compute(&sim.plan.workspaces[i]);
        check_no_lock(sim.plan.workspaces[i].id);
    }
    check_browser();
    check_no_lock(SIM_TRANSIT);
    check_claims();
    sim_check_log();
}

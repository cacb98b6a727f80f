/* The admin interface: plain HTTP on loopback, to look into the model and to steer it. */
#include "tests/azure/server/server.h"

#include <stdlib.h>
#include <string.h>

#include "tests/azure/graph.h"
#include "tests/azure/state.h"

static void reply(struct sim_exchange *x, int status, json_t *take_body)
{
    x->res.status = status;
    x->res.body = json_dumps(take_body, JSON_INDENT(2));
    x->res.body_bytes = x->res.body != NULL ? strlen(x->res.body) : 0;
    json_decref(take_body);
    x->res.headers[0].name = strdup("Content-Type");
    x->res.headers[0].value = strdup("application/json");
    x->res.header_count = x->res.headers[0].name != NULL && x->res.headers[0].value != NULL ? 1 : 0;
}

static void reply_error(struct sim_exchange *x, int status, const char *text)
{
    reply(x, status, json_pack("{s:s}", "error", text));
}

/* The body as JSON; NULL after replying. An empty body gives {}. */
static json_t *read_body(struct sim_exchange *x)
{
    json_error_t error;
    char text[400];
    if (x->body_bytes == 0)
        return json_object();
    json_t *body = json_loadb(x->body, x->body_bytes, 0, &error);
    if (body != NULL)
        return body;
    snprintf(text, sizeof text, "body is no JSON: line %d: %s", error.line, error.text);
    reply_error(x, 400, text);
    return NULL;
}

static void get_index(struct sim *sim, struct sim_exchange *x)
{
    (void)sim;
    static const char *const lines[] = {
        "GET /healthz",
        "GET /counts",
        "GET /ledger?resource=ID&correlation=ID",
        "GET /ledger?concurrent=ID (who wrote at the same time)",
        "GET /state",
        "GET /graph?workspace=ID",
        "POST /state (a state document: adds to what is there)",
        "GET /faults (with how often each matched and was applied)",
        "POST /faults (a rule or an array)",
        "DELETE /faults",
        "POST /advance {\"ms\":N}",
        "POST /snapshot",
        "POST /restore {\"snapshot\":N} or {\"state\":{...}}",
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        json_array_append_new(list, json_string(lines[i]));
    reply(x, 200, json_pack("{s:s,s:o}", "name", "azure-sim", "endpoints", list));
}

static void get_health(struct sim *sim, struct sim_exchange *x)
{
    reply(x, 200, json_pack("{s:s,s:I}", "status", "ok", "timeMs", (json_int_t)sim_now(sim)));
}

static void get_counts(struct sim *sim, struct sim_exchange *x)
{
    json_t *ledger = az_model_ledger(sim->model, NULL);
    json_t *counts = json_incref(json_object_get(ledger, "counts"));
    json_decref(ledger);
    if (counts == NULL)
        counts = json_object();
    json_object_set_new(counts, "requests", json_integer((json_int_t)sim->request_count));
    json_object_set_new(counts, "waiting", json_integer((json_int_t)sim->waiting_count));
    reply(x, 200, counts);
}

static void get_ledger(struct sim *sim, struct sim_exchange *x)
{
    const char *resource = sim_exchange_query(x, "resource"),
               *correlation = sim_exchange_query(x, "correlation");
    const char *concurrent = sim_exchange_query(x, "concurrent");
    char query[2200];
    snprintf(query, sizeof query, "concurrent:%.2100s", concurrent != NULL ? concurrent : "");
    json_t *ledger = az_model_ledger(sim->model, concurrent != NULL ? query
                                                 : resource != NULL ? resource
                                                                    : correlation);
    if (resource != NULL && correlation != NULL) {
        json_t *entries = json_object_get(ledger, "entries");
        for (size_t i = json_array_size(entries); i-- > 0;) {
            const char *id = json_string_value(json_object_get(json_array_get(entries, i), "correlationId"));
            if (id == NULL || strcmp(id, correlation) != 0)
                json_array_remove(entries, i);
        }
    }
    reply(x, 200, ledger);
}

static void get_state(struct sim *sim, struct sim_exchange *x)
{
    reply(x, 200, az_model_save(sim->model));
}

/* A new model with that state in the place of the old one; -1 with a text in error, and the old one stays. */
static int replace_model(struct sim *sim, const json_t *state, char *error, size_t error_bytes)
{
    struct az_model *fresh = sim_model_new(sim);
    if (fresh == NULL)
        snprintf(error, error_bytes, "out of memory");
    if (fresh == NULL || az_model_load(fresh, state, error, error_bytes) < 0) {
        az_model_free(fresh);
        return -1;
    }
    az_model_free(sim->model);
    sim->model = fresh;
    return 0;
}

/* All of the document or nothing: what a wrong one left behind goes with the model that it was loaded into. */
static void post_state(struct sim *sim, struct sim_exchange *x)
{
    char error[1024] = "", ignored[1024];
    json_t *state = read_body(x);
    if (state == NULL)
        return;
    if (az_state_check(state, error, sizeof error) < 0) {
        reply_error(x, 400, error);
        json_decref(state);
        return;
    }
    json_t *before = az_model_save(sim->model);
    if (az_model_load(sim->model, state, error, sizeof error) == 0) {
        reply(x, 200, json_pack("{s:s}", "status", "loaded"));
    } else {
        (void)replace_model(sim, before, ignored, sizeof ignored);
        reply_error(x, 400, error);
    }
    json_decref(before);
    json_decref(state);
}

static void get_graph(struct sim *sim, struct sim_exchange *x)
{
    const char *id = sim_exchange_query(x, "workspace");
    json_t *graph = id != NULL ? az_graph_report(sim->model, id) : NULL;
    if (graph == NULL)
        reply_error(x, 404, "give ?workspace= the resource id or the host name of a workspace");
    else
        reply(x, 200, graph);
}

static void get_faults(struct sim *sim, struct sim_exchange *x)
{
    json_t *state = az_model_save(sim->model);
    reply(x, 200, json_pack("{s:O}", "faults", json_object_get(state, "faults")));
    json_decref(state);
}

static void post_faults(struct sim *sim, struct sim_exchange *x)
{
    char error[1024] = "";
    json_t *rules = read_body(x);
    if (rules == NULL)
        return;
    if (sim_add_faults(sim, rules, error, sizeof error) < 0)
        reply_error(x, 400, error);
    else
        reply(x, 200, json_pack("{s:s}", "status", "added"));
    json_decref(rules);
}

static void delete_faults(struct sim *sim, struct sim_exchange *x)
{
    az_model_clear_faults(sim->model);
    reply(x, 200, json_pack("{s:s}", "status", "cleared"));
}

static void post_advance(struct sim *sim, struct sim_exchange *x)
{
    json_t *body = read_body(x);
    if (body == NULL)
        return;
    const json_t *ms = json_object_get(body, "ms");
    if (json_is_integer(ms) && json_integer_value(ms) >= 0 &&
        json_integer_value(ms) <= 400LL * 86400 * 1000) {
        sim->told_base_ms += json_integer_value(ms);
        az_model_advance(sim->model, sim_now(sim));
        reply(x, 200, json_pack("{s:I}", "timeMs", (json_int_t)sim_now(sim)));
    } else {
        reply_error(x, 400, "ms: a whole number of milliseconds, 0 to 400 days");
    }
    json_decref(body);
}

static void post_snapshot(struct sim *sim, struct sim_exchange *x)
{
    if (json_array_size(sim->snapshots) >= SIM_SNAPSHOTS_MAX) {
        reply_error(x, 409,
                    "16 snapshots are kept, no more; restart, or restore one instead of making another");
        return;
    }
    json_array_append_new(sim->snapshots, az_model_save(sim->model));
    reply(x, 200, json_pack("{s:I}", "snapshot", (json_int_t)json_array_size(sim->snapshots)));
}

static void restore(struct sim *sim, struct sim_exchange *x, const json_t *state)
{
    char error[1024];
    if (replace_model(sim, state, error, sizeof error) < 0)
        reply_error(x, 400, error);
    else
        reply(x, 200, json_pack("{s:s}", "status", "restored"));
}

static void post_restore(struct sim *sim, struct sim_exchange *x)
{
    json_t *body = read_body(x);
    if (body == NULL)
        return;
    json_int_t number = (json_int_t)json_array_size(sim->snapshots);
    if (json_is_integer(json_object_get(body, "snapshot")))
        number = json_integer_value(json_object_get(body, "snapshot"));
    const json_t *state = json_object_get(body, "state");
    if (state == NULL && number >= 1)
        state = json_array_get(sim->snapshots, (size_t)number - 1);
    if (json_is_object(state))
        restore(sim, x, state);
    else
        reply_error(
            x, 404,
            "no such snapshot; {\"snapshot\":N} with an N that POST /snapshot gave, or {\"state\":{...}}");
    json_decref(body);
}

static const struct {
    const char *method, *path;
    void (*answer)(struct sim *sim, struct sim_exchange *x);
} endpoints[] = {
    {"GET", "/", get_index},
    {"GET", "/healthz", get_health},
    {"GET", "/counts", get_counts},
    {"GET", "/ledger", get_ledger},
    {"GET", "/state", get_state},
    {"POST", "/state", post_state},
    {"GET", "/graph", get_graph},
    {"GET", "/faults", get_faults},
    {"POST", "/faults", post_faults},
    {"DELETE", "/faults", delete_faults},
    {"POST", "/advance", post_advance},
    {"POST", "/snapshot", post_snapshot},
    {"POST", "/restore", post_restore},
};

const char *sim_exchange_query(const struct sim_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

void sim_answer_admin(struct sim *sim, struct sim_exchange *x)
{
    size_t path_bytes = strcspn(x->target, "?");
    bool is_path_known = false;
    az_model_advance(sim->model, sim_now(sim));
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        if (strlen(endpoints[i].path) != path_bytes || strncmp(endpoints[i].path, x->target, path_bytes) != 0)
            continue;
        is_path_known = true;
        if (strcmp(endpoints[i].method, x->method) == 0) {
            endpoints[i].answer(sim, x);
            return;
        }
    }
    reply_error(x, is_path_known ? 405 : 404,
                is_path_known ? "another method, see GET /" : "no such path, see GET /");
}

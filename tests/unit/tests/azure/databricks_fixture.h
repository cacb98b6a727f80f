/* Shared by the tests of the Databricks half: a model from a state file, and requests to a workspace's host. */
#ifndef CW_TESTS_UNIT_DATABRICKS_FIXTURE_H
#define CW_TESTS_UNIT_DATABRICKS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/azure/core.h"

#define T0 1764000000000LL

struct fixture {
    struct az_model *m;
    int64_t now_ms;
    char host[256];
    char *token, *management_token;
    const char *resource_id; /* sent with the management token; NULL = neither is sent */
    struct az_response res;  /* the last answer */
    json_t *body;            /* of it, NULL when it is no JSON */
};

static inline void load_state(struct fixture *f, const char *name)
{
    char path[320], error[512] = "";
    snprintf(path, sizeof path, "tests/azure/states/%.255s.json", name);
    json_error_t json_error;
    json_t *state = json_load_file(path, 0, &json_error);
    if (state == NULL)
        fail_msg("%s: %s", path, json_error.text);
    if (az_model_load(f->m, state, error, sizeof error) < 0)
        fail_msg("%s: %s", path, error);
    json_decref(state);
}

/* A model with that state; requests go to the workspace of this name. */
static inline void open_fixture(struct fixture *f, const char *state, const char *workspace)
{
    struct az_model_cfg cfg = {.seed = 7, .time_scale = 1};
    *f = (struct fixture){.m = az_model_new(&cfg), .now_ms = T0};
    assert_non_null(f->m);
    az_model_advance(f->m, f->now_ms);
    load_state(f, state);
    for (struct az_resource *ws = az_store_first(f->m, AZ_T_WORKSPACE); ws != NULL; ws = ws->next_of_type)
        if (strcmp(ws->name, workspace) == 0)
            snprintf(f->host, sizeof f->host, "%s", az_str(ws->body, "properties.workspaceUrl"));
    f->token =
        az_token_make(f->m, AZ_DEFAULT_TENANT, AZ_DEFAULT_CLIENT, AZ_DATABRICKS_APP, 365LL * 86400 * 1000);
    f->management_token = az_token_make(f->m, AZ_DEFAULT_TENANT, AZ_DEFAULT_CLIENT,
                                        "https://management.core.azure.localhost/", 365LL * 86400 * 1000);
}

static inline void drop_answer(struct fixture *f)
{
    json_decref(f->body);
    f->body = NULL;
    az_response_fini(&f->res);
    memset(&f->res, 0, sizeof f->res);
}

static inline void close_fixture(struct fixture *f)
{
    drop_answer(f);
    free(f->token);
    free(f->management_token);
    az_model_free(f->m);
}

static inline void advance(struct fixture *f, int64_t seconds)
{
    f->now_ms += seconds * 1000;
    az_model_advance(f->m, f->now_ms);
}

/* Send; answers the status. body may be NULL. */
static inline int call(struct fixture *f, const char *method, const char *target, const char *body)
{
    char authorization[2300];
    struct az_header headers[4];
    size_t n = 0;
    drop_answer(f);
    snprintf(authorization, sizeof authorization, "Bearer %s", f->token != NULL ? f->token : "");
    if (f->token != NULL)
        headers[n++] = (struct az_header){"Authorization", authorization};
    if (f->resource_id != NULL) {
        headers[n++] = (struct az_header){"X-Databricks-Azure-SP-Management-Token", f->management_token};
        headers[n++] = (struct az_header){"X-Databricks-Azure-Workspace-Resource-Id", f->resource_id};
    }
    struct az_request req = {.method = method,
                             .host = f->host,
                             .target = target,
                             .headers = headers,
                             .header_count = n,
                             .body = body,
                             .body_bytes = body != NULL ? strlen(body) : 0};
    az_model_handle(f->m, &req, &f->res);
    f->body = f->res.body != NULL ? json_loads(f->res.body, JSON_DECODE_ANY, NULL) : NULL;
    return f->res.status;
}

static inline const char *text_at(const struct fixture *f, const char *path)
{
    return az_str(f->body, path);
}

static inline const char *header_of(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->res.header_count; i++)
        if (az_ieq(f->res.headers[i].name, name))
            return f->res.headers[i].value;
    return "";
}

/* Create a single-node cluster; its id in buf. */
static inline void create_cluster(struct fixture *f, char buf[64])
{
    static const char body[] =
        "{\"cluster_name\":\"probe\",\"spark_version\":\"15.4.x-scala2.12\",\"node_type_id\":\"Standard_F4s\",\"num_workers\":0,"
        "\"spark_conf\":{\"spark.databricks.cluster.profile\":\"singleNode\",\"spark.master\":\"local[*]\"},"
        "\"custom_tags\":{\"ResourceClass\":\"SingleNode\"},\"autotermination_minutes\":10}";
    if (call(f, "POST", "/api/2.1/clusters/create", body) != 200)
        fail_msg("create: %d %s", f->res.status, f->res.body);
    snprintf(buf, 64, "%s", text_at(f, "cluster_id"));
}

/* State of a cluster, from a get. */
static inline const char *state_of(struct fixture *f, const char *id)
{
    char target[256];
    snprintf(target, sizeof target, "/api/2.0/clusters/get?cluster_id=%s", id);
    if (call(f, "GET", target, NULL) != 200)
        fail_msg("get: %d %s", f->res.status, f->res.body);
    return text_at(f, "state");
}

/* Let time pass until the cluster is in that state; answers the seconds it took. */
static inline int64_t wait_for(struct fixture *f, const char *id, const char *state, int64_t max_s)
{
    int64_t waited = 0;
    while (strcmp(state_of(f, id), state) != 0) {
        if (waited >= max_s)
            fail_msg("%s instead of %s after %lld s", text_at(f, "state"), state, (long long)waited);
        advance(f, 5);
        waited += 5;
    }
    return waited;
}

#endif

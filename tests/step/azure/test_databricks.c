#include "tests/step/azure/bench.h"

#include "common/azure/compute.h"

#define HOST "https://adb-12.3.databricks.azure.cn"

static const struct cw_target target = {
    .workspace_url = "adb-12.3.databricks.azure.cn",
    .workspace_id = RG "/providers/Microsoft.Databricks/workspaces/ws",
};
static json_t *doc;
static struct cw_cluster cluster;
static const char *text;

static int get(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_get(b->databricks, &b->call, &target, "/api/2.0/x", &doc, &b->err);
}

static int post(void *arg)
{
    struct bench *b = arg;
    json_t *body = json_pack("{s:i}", "a", 1);
    int r = cw_databricks_post(b->databricks, &b->call, &target, "/api/2.0/x", body, &doc, &b->err);
    json_decref(body);
    return r;
}

static const char *header_value(const struct world_call *call)
{
    return call->authorization;
}

static void both_tokens_go_to_the_workspace(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/api/2.0/x", 200, "{\"a\":1}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    assert_int_equal(world_calls_of("POST", "/oauth2/"), 2);
    assert_non_null(strstr(world_call_at(0)->body, "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d%2F.default"));
    assert_non_null(strstr(world_call_at(1)->body, "management.core.chinacloudapi.cn%2F%2F.default"));
    assert_string_equal(world_call_at(2)->url, HOST "/api/2.0/x");
    assert_string_equal(header_value(world_call_at(2)), "Bearer token-1");
}

static int get_elsewhere(void *arg)
{
    struct bench *b = arg;
    struct cw_target other = target;
    other.workspace_url = "adb-12.3.azuredatabricks.net";
    return cw_databricks_get(b->databricks, &b->call, &other, "/api/2.0/x", &doc, &b->err);
}

static void a_host_of_another_cloud_gets_nothing(void **state)
{
    struct bench *b = *state;
    assert_int_equal(bench_run(b, get_elsewhere), -CW_EPROTO);
    assert_int_equal(world_call_count(), 0);
}

static void not_ready_passes(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/api/2.0/x", 400, "<html><body><pre>Worker environment not ready</pre></body></html>",
                NULL);
    world_route(
        "GET", "/api/2.0/x", 400,
        "{\"error_code\":\"INVALID_STATE\",\"message\":\"Current organization 1 does not have any associated worker "
        "environments\"}",
        NULL);
    world_route("GET", "/api/2.0/x", 200, "{}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    assert_int_equal(b->waits[CW_WAIT_READY], 2);
}

static void a_write_is_not_repeated(void **state)
{
    struct bench *b = *state;
    world_route("POST", "/api/2.0/x", 503, "No webapps are available to handle your request.", NULL);
    assert_int_equal(bench_run(b, post), -CW_ENOTREADY);
    assert_int_equal(b->err.class, CW_CLASS_RETRY);
    assert_int_equal(world_calls_of("POST", "/api/2.0/x"), 1);
    assert_int_equal(b->writes_asked, 1);
    b->write_refusal = CW_EFENCED;
    assert_int_equal(bench_run(b, post), -CW_EFENCED);
    assert_int_equal(world_calls_of("POST", "/api/2.0/x"), 1);
}

static void a_throttled_write_waits(void **state)
{
    struct bench *b = *state;
    world_route("POST", "/api/2.0/x", 429, "{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"m\"}",
                "Retry-After: 3");
    world_route("POST", "/api/2.0/x", 200, "", NULL);
    assert_int_equal(bench_run(b, post), 0);
    assert_int_equal(world_calls_of("POST", "/api/2.0/x"), 2);
    assert_int_equal(b->waits[CW_WAIT_THROTTLE], 1);
}

static void a_refused_token_is_refreshed_once(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/api/2.0/x", 401, "{\"error_code\":\"UNAUTHENTICATED\"}", NULL);
    world_route("GET", "/api/2.0/x", 200, "{}", NULL);
    assert_int_equal(bench_run(b, get), 0);
    assert_int_equal(world_calls_of("POST", "/oauth2/"), 4);
}

static void login_pages_are_denials(void **state)
{
    struct bench *b = *state;
    world_route("GET", "/api/2.0/x", 302, NULL,
                "Location: /login.html?error=private-link-validation-error:12");
    world_route("GET", "/api/2.0/x", 200, "<!DOCTYPE html><title>Sign in</title>", "content-type: text/html");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bench_run(b, get), -CW_EDENIED);
        assert_true(b->err.remedy[0] != '\0');
    }
    assert_int_equal(world_calls_of("GET", "/api/2.0/x"), 2);
}

static int wait_ready(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_wait_ready(b->databricks, &b->call, &target, 3, 5000, &b->err);
}

static void ready_means_good_several_times_in_a_row(void **state)
{
    struct bench *b = *state;
    world_route("GET", "clusters/list?", 200, "{}", NULL);
    world_route("GET", "spark-versions", 200, "{}", NULL);
    world_route("GET", "list-node-types", 200, "{}", NULL);
    world_route("GET", "list-node-types", 200, "{}", NULL);
    world_route("GET", "list-node-types", 500,
                "{\"error_code\":\"X\",\"message\":\"UnknownWorkerEnvironmentException\"}", NULL);
    world_route("GET", "list-node-types", 200, "{}", NULL);
    world_route("GET", "scim/v2/Me", 200, "{}", NULL);
    assert_int_equal(bench_run(b, wait_ready), 0);
    assert_int_equal(world_calls_of("GET", "list-node-types"), 6);
    assert_int_equal(b->waits[CW_WAIT_READY], 5);
}

/* Each of them may be the one that is still bad. */
static void ready_means_each_endpoint(void **state)
{
    static const char *const parts[] = {"clusters/list?", "list-node-types", "spark-versions", "scim/v2/Me"};
    struct bench *b = *state;
    for (size_t bad = 0; bad < CW_ARRAY_LEN(parts); bad++) {
        world_routes();
        size_t before = world_calls_of("GET", parts[bad]);
        for (size_t i = 0; i < CW_ARRAY_LEN(parts); i++) {
            world_route("GET", parts[i], 200, "{}", NULL);
            world_route("GET", parts[i], 200, "{}", NULL);
            if (i == bad)
                world_route(
                    "GET", parts[i], 400,
                    "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Current organization 1 does not "
                    "have any associated worker environments\"}",
                    NULL);
            world_route("GET", parts[i], 200, "{}", NULL);
        }
        assert_int_equal(bench_run(b, wait_ready), 0);
        assert_int_equal(world_calls_of("GET", parts[bad]) - before, 6); /* two good, one bad, three good */
    }
}

static void a_lasting_denial_ends_the_wait(void **state)
{
    struct bench *b = *state;
    world_route("GET", "clusters/list?", 403,
                "{\"error_code\":\"403\",\"message\":\"Unauthorized network access to workspace: 12\"}",
                NULL);
    assert_int_equal(bench_run(b, wait_ready), -CW_EDENIED);
    assert_non_null(strstr(b->err.remedy, "IP access lists"));
}

static int find(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_find_cluster(b->databricks, &b->call, &target, "probe", &cluster, &b->err);
}

static void the_youngest_of_a_name_is_found_over_pages(void **state)
{
    struct bench *b = *state;
    world_route(
        "GET", "clusters/list?page_size=100", 200,
        "{\"clusters\":[{\"cluster_id\":\"1\",\"cluster_name\":\"probe\",\"start_time\":5},{\"cluster_id\":\"2\","
        "\"cluster_name\":\"probe2\",\"start_time\":99}],\"next_page_token\":\"a/b\"}",
        NULL);
    world_route(
        "GET", "clusters/list?page_size=100&page_token=a%2Fb", 200,
        "{\"clusters\":[{\"cluster_id\":\"3\",\"cluster_name\":\"probe\",\"start_time\":6,\"custom_tags\":{\"causeway\":"
        "\"t\"}}],\"next_page_token\":\"\"}",
        NULL);
    assert_int_equal(bench_run(b, find), 0);
    assert_string_equal(cluster.id, "3");
    assert_string_equal(cluster.tag, "t");
    world_routes();
    world_route("GET", "clusters/list?page_size=100", 200, "{}", NULL);
    assert_int_equal(bench_run(b, find), -CW_ENOTFOUND);
}

static int create(void *arg)
{
    struct bench *b = arg;
    struct cw_cluster_goal goal = {.name = "probe",
                                   .spark_version = "15.4.x-scala2.12",
                                   .node_type = "n",
                                   .tag = "t",
                                   .single_user = "me",
                                   .idempotency_token = "token"};
    return cw_databricks_create_cluster(b->databricks, &b->call, &target, &goal, &text, &b->err);
}

static void a_cluster_is_made_once_and_dies_by_itself(void **state)
{
    struct bench *b = *state;
    world_route("POST", "clusters/create", 200, "{\"cluster_id\":\"c1\"}", NULL);
    assert_int_equal(bench_run(b, create), 0);
    assert_string_equal(text, "c1");
    const char *body = world_call_at(world_call_count() - 1)->body;
    assert_non_null(strstr(body, "\"autotermination_minutes\":10"));
    assert_non_null(strstr(body, "\"idempotency_token\":\"token\""));
    assert_non_null(strstr(body, "\"single_user_name\":\"me\""));
    assert_non_null(strstr(body, "\"causeway\":\"t\""));
    b->call.plan_only = true;
    assert_int_equal(bench_run(b, create), -CW_EBUG);
}

static int wait_running(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_wait_cluster(b->databricks, &b->call, &target, "c1", "RUNNING", &cluster, &b->err);
}

static void a_cluster_that_fails_ends_the_wait_with_its_reason(void **state)
{
    struct bench *b = *state;
    world_route("GET", "clusters/get", 200, "{\"cluster_id\":\"c1\",\"state\":\"PENDING\"}", NULL);
    world_route(
        "GET", "clusters/get", 200,
        "{\"cluster_id\":\"c1\",\"state\":\"TERMINATING\",\"termination_reason\":{\"code\":\"CONTROL_PLANE_REQUEST_FAILURE\","
        "\"type\":\"CLOUD_FAILURE\",\"parameters\":{\"databricks_error_message\":\"m\",\"azure_error_code\":\"E\"}}}",
        NULL);
    assert_int_equal(bench_run(b, wait_running), 0);
    assert_string_equal(cluster.state, "TERMINATING");
    assert_string_equal(cluster.termination.code, "CONTROL_PLANE_REQUEST_FAILURE");
    assert_string_equal(cluster.termination.message, "m; E: ");
    assert_int_equal(b->waits[CW_WAIT_CLUSTER], 1);
}

static void the_deadline_gives_the_last_look(void **state)
{
    struct bench *b = *state;
    b->call.until = cw_in_ms(25000);
    world_route("GET", "clusters/get", 200,
                "{\"cluster_id\":\"c1\",\"state\":\"PENDING\",\"state_message\":\"finding\"}", NULL);
    assert_int_equal(bench_run(b, wait_running), -CW_ETIMEDOUT);
    assert_string_equal(cluster.state_message, "finding");
}

static int del(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_permanent_delete_cluster(b->databricks, &b->call, &target, "c1", &b->err);
}

static void a_pinned_cluster_is_unpinned_and_a_gone_one_is_fine(void **state)
{
    struct bench *b = *state;
    world_route("POST", "permanent-delete", 400,
                "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"unpin the cluster first\"}", NULL);
    world_route("POST", "permanent-delete", 200, "{}", NULL);
    world_route("POST", "permanent-delete", 400,
                "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Cluster c1 does not exist\"}",
                NULL);
    world_route("POST", "clusters/unpin", 200, "{}", NULL);
    assert_int_equal(bench_run(b, del), 0);
    assert_int_equal(world_calls_of("POST", "clusters/unpin"), 1);
    assert_int_equal(bench_run(b, del), 0);
}

static int start(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_start_cluster(b->databricks, &b->call, &target, "c1", &b->err);
}

static void a_start_that_somebody_did_is_a_success(void **state)
{
    struct bench *b = *state;
    world_route(
        "POST", "clusters/start", 400,
        "{\"error_code\":\"INVALID_STATE\",\"message\":\"Cluster c1 is in unexpected state Pending.\"}",
        NULL);
    assert_int_equal(bench_run(b, start), 0);
}

static int node_type(void *arg)
{
    struct bench *b = arg;
    static const char *const except[] = {"tiny", NULL};
    return cw_databricks_smallest_node_type(b->databricks, &b->call, &target, except, &text, &b->err);
}

static int lts(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_latest_lts(b->databricks, &b->call, &target, &text, &b->err);
}

static void the_smallest_usable_node_and_the_newest_lts(void **state)
{
    struct bench *b = *state;
    world_route(
        "GET", "list-node-types", 200,
        "{\"node_types\":[{\"node_type_id\":\"tiny\",\"num_cores\":1.0,\"memory_mb\":1},"
        "{\"node_type_id\":\"gone\",\"num_cores\":2.0,\"memory_mb\":1,\"is_deprecated\":true},"
        "{\"node_type_id\":\"denied\",\"num_cores\":2.0,\"memory_mb\":1,\"node_info\":{\"status\":["
        "\"NotEnabledOnSubscription\"]}},{\"node_type_id\":\"big\",\"num_cores\":4.0,\"memory_mb\":32768},"
        "{\"node_type_id\":\"small\",\"num_cores\":4.0,\"memory_mb\":14336}]}",
        NULL);
    assert_int_equal(bench_run(b, node_type), 0);
    assert_string_equal(text, "small");
    world_route(
        "GET", "spark-versions", 200,
        "{\"versions\":[{\"key\":\"9.1.x-scala2.12\",\"name\":\"9.1 LTS\"},"
        "{\"key\":\"15.4.x-scala2.12\",\"name\":\"15.4 LTS\"},{\"key\":\"15.4.x-gpu-ml-scala2.12\",\"name\":\"15.4 LTS ML\"},"
        "{\"key\":\"16.1.x-scala2.12\",\"name\":\"16.1\"},{\"key\":\"17.3.x-scala2.13\",\"name\":\"17.3 LTS Beta\"}]}",
        NULL);
    assert_int_equal(bench_run(b, lts), 0);
    assert_string_equal(text, "15.4.x-scala2.12");
}

static int command(void *arg)
{
    struct bench *b = arg;
    return cw_databricks_run_command(b->databricks, &b->call, &target, "c1", "python", "print(1)", &text,
                                     &b->err);
}

static void route_command(const char *results)
{
    world_route("POST", "contexts/create", 500, "{\"error\":\"ClusterNotReadyException: wait\"}", NULL);
    world_route("POST", "contexts/create", 200, "{\"id\":\"77\"}", NULL);
    world_route("GET", "contexts/status", 200, "{\"id\":\"77\",\"status\":\"Pending\"}", NULL);
    world_route("GET", "contexts/status", 200, "{\"id\":\"77\",\"status\":\"Running\"}", NULL);
    world_route("POST", "commands/execute", 200, "{\"id\":\"88\"}", NULL);
    world_route("GET", "commands/status", 200, "{\"id\":\"88\",\"status\":\"Queued\"}", NULL);
    world_route("GET", "commands/status", 200, results, NULL);
    world_route("POST", "contexts/destroy", 200, "{\"id\":\"77\"}", NULL);
}

static void a_command_gives_its_text_and_leaves_no_context(void **state)
{
    struct bench *b = *state;
    route_command(
        "{\"id\":\"88\",\"status\":\"Finished\",\"results\":{\"resultType\":\"text\",\"data\":\"PLV1 {}\"}}");
    assert_int_equal(bench_run(b, command), 0);
    assert_string_equal(text, "PLV1 {}");
    assert_int_equal(world_calls_of("POST", "contexts/destroy"), 1);
}

static void an_exception_is_an_error_though_it_finished(void **state)
{
    struct bench *b = *state;
    route_command(
        "{\"id\":\"88\",\"status\":\"Finished\",\"results\":{\"resultType\":\"error\",\"summary\":\"NameError\"}}");
    assert_int_equal(bench_run(b, command), -CW_EREMOTE);
    assert_string_equal(b->err.remote_code, "CommandError");
    assert_non_null(strstr(b->err.text, "NameError"));
    assert_int_equal(world_calls_of("POST", "contexts/destroy"), 1);
}

/* --- compute -------------------------------------------------------------------------------------------------------- */

static struct cw_compute_list list;
static int stopped_calls;

static void route_compute(const char *clusters, const char *warehouses, const char *pools, const char *runs)
{
    world_route("GET", "clusters/list?", 200, clusters, NULL);
    world_route("GET", "sql/warehouses", 200, warehouses, NULL);
    world_route("GET", "instance-pools/list", 200, pools, NULL);
    world_route("GET", "jobs/runs/list", 200, runs, NULL);
    world_route("GET", "jobs/list", 200, "{}", NULL);
    world_route("GET", "/api/2.0/pipelines", 200, "{}", NULL);
}

static int list_compute(void *arg)
{
    struct bench *b = arg;
    return cw_compute_list(b->databricks, &b->call, &target, "cw-", &list, &b->err);
}

static void blocking_kinds_are_told_from_harmless_ones(void **state)
{
    struct bench *b = *state;
    route_compute(
        "{\"clusters\":[{\"cluster_id\":\"a\",\"cluster_name\":\"A\",\"state\":\"RUNNING\",\"cluster_source\":\"UI\"},"
        "{\"cluster_id\":\"b\",\"cluster_name\":\"B\",\"state\":\"TERMINATED\",\"cluster_source\":\"UI\"},"
        "{\"cluster_id\":\"j\",\"cluster_name\":\"J\",\"state\":\"RUNNING\",\"cluster_source\":\"JOB\"},"
        "{\"cluster_id\":\"o\",\"cluster_name\":\"cw-probe\",\"state\":\"RUNNING\"}]}",
        "{\"warehouses\":[{\"id\":\"w\",\"name\":\"W\",\"state\":\"RUNNING\",\"warehouse_type\":\"PRO\"},"
        "{\"id\":\"s\",\"name\":\"S\",\"state\":\"RUNNING\",\"enable_serverless_compute\":true}]}",
        "{\"instance_pools\":[{\"instance_pool_id\":\"p\",\"instance_pool_name\":\"P\",\"min_idle_instances\":2,"
        "\"idle_instance_autotermination_minutes\":15,\"stats\":{\"idle_count\":2}}]}",
        "{\"runs\":[{\"run_id\":7,\"job_id\":1,\"run_name\":\"R\",\"state\":{\"life_cycle_state\":\"RUNNING\"}}]}");
    assert_int_equal(bench_run(b, list_compute), 0);
    assert_int_equal(list.count, 7);
    assert_int_equal(list.blocking_count, 5);
    assert_true(list.items[0].is_blocking && list.items[0].can_restart);
    assert_false(list.items[1].is_blocking);
    assert_true(list.items[2].is_blocking && !list.items[2].can_restart);
    assert_string_equal(list.items[3].id, "w");
    assert_false(list.items[4].is_blocking);
    assert_int_equal(list.items[5].min_idle, 2);
    assert_int_equal(list.items[5].idle_minutes, 15);
    assert_string_equal(list.items[6].id, "7");
}

static void features_that_are_absent_have_nothing(void **state)
{
    struct bench *b = *state;
    world_route("GET", "clusters/list?", 200, "{}", NULL);
    world_route("GET", "sql/warehouses", 404, "{\"error_code\":\"FEATURE_DISABLED\",\"message\":\"m\"}",
                NULL);
    world_route("GET", "instance-pools/list", 404,
                "{\"error_code\":\"ENDPOINT_NOT_FOUND\",\"message\":\"m\"}", NULL);
    world_route("GET", "jobs/runs/list", 404, "", NULL);
    world_route("GET", "jobs/list", 404, "", NULL);
    world_route("GET", "/api/2.0/pipelines", 404, "", NULL);
    assert_int_equal(bench_run(b, list_compute), 0);
    assert_int_equal(list.count, 0);
}

static int note_stops(void *arg, const struct cw_compute *items, size_t count, struct cw_err *err)
{
    (void)arg;
    (void)items;
    (void)err;
    stopped_calls += (int)count;
    return 0;
}

static int refuse_stops(void *arg, const struct cw_compute *items, size_t count, struct cw_err *err)
{
    (void)arg;
    (void)items;
    (void)count;
    return cw_err_set(err, CW_ENET, "cannot be written down");
}

static struct cw_compute_stop how = {.skip_cluster_name = "cw-", .run_patience_ms = 600000};

static int stop_compute(void *arg)
{
    struct bench *b = arg;
    return cw_compute_stop(b->databricks, &b->call, &target, &how, &b->err);
}

static void nothing_is_stopped_that_was_not_written_down(void **state)
{
    struct bench *b = *state;
    route_compute("{\"clusters\":[{\"cluster_id\":\"a\",\"cluster_name\":\"A\",\"state\":\"RUNNING\"}]}",
                  "{}", "{}", "{}");
    how.stopping = refuse_stops;
    assert_int_equal(bench_run(b, stop_compute), -CW_ENET);
    assert_int_equal(world_calls_of("POST", ""), world_calls_of("POST", "oauth2"));
}

static void what_wakes_up_meanwhile_is_stopped_too(void **state)
{
    struct bench *b = *state;
    const char *busy = "{\"clusters\":[{\"cluster_id\":\"a\",\"cluster_name\":\"A\",\"state\":\"RUNNING\"}]}";
    route_compute(busy, "{}", "{}", "{}");
    world_route("GET", "clusters/list?", 200,
                "{\"clusters\":[{\"cluster_id\":\"a\",\"cluster_name\":\"A\",\"state\":\"TERMINATING\"}]}",
                NULL);
    world_route("GET", "clusters/list?", 200, "{}", NULL);
    world_route("GET", "sql/warehouses", 200,
                "{\"warehouses\":[{\"id\":\"w\",\"name\":\"W\",\"state\":\"STARTING\"}]}", NULL);
    world_route("GET", "sql/warehouses", 200, "{}", NULL);
    world_route("POST", "clusters/delete", 200, "{}", NULL);
    world_route("POST", "/stop", 200, "{}", NULL);
    stopped_calls = 0;
    how.stopping = note_stops;
    assert_int_equal(bench_run(b, stop_compute), 0);
    assert_int_equal(stopped_calls, 2);
    assert_int_equal(world_calls_of("POST", "clusters/delete"), 1);
    assert_int_equal(world_calls_of("POST", "warehouses/w/stop"), 1);
}

static int start_compute(void *arg)
{
    struct bench *b = arg;
    static struct cw_compute items[] = {
        {.kind = CW_COMPUTE_CLUSTER,
         .id = "a",
         .name = "A",
         .state = "RUNNING",
         .is_blocking = true,
         .can_restart = true},
        {.kind = CW_COMPUTE_WAREHOUSE,
         .id = "w",
         .name = "W",
         .state = "RUNNING",
         .is_blocking = true,
         .can_restart = true},
        {.kind = CW_COMPUTE_POOL,
         .id = "p",
         .name = "P",
         .state = "",
         .is_blocking = true,
         .can_restart = true,
         .min_idle = 2,
         .idle_minutes = 15},
        {.kind = CW_COMPUTE_CLUSTER,
         .id = "x",
         .name = "X",
         .state = "RUNNING",
         .is_blocking = true,
         .can_restart = true},
        {.kind = CW_COMPUTE_CLUSTER, .id = "t", .name = "T", .state = "TERMINATED", .can_restart = true},
    };
    static const char *states[5];
    struct cw_compute_list what = {.items = items, .count = 5, .blocking_count = 4};
    int r = cw_compute_start(b->databricks, &b->call, &target, &what, true, states, &b->err);
    assert_string_equal(states[0], "RUNNING");
    assert_string_equal(states[1], "RUNNING");
    assert_string_equal(states[2], "restored");
    assert_string_equal(states[3], "gone");
    assert_null(states[4]);
    return r;
}

static void all_that_was_stopped_runs_again(void **state)
{
    struct bench *b = *state;
    world_route("GET", "clusters/get?cluster_id=a", 200, "{\"cluster_id\":\"a\",\"state\":\"TERMINATED\"}",
                NULL);
    world_route("GET", "clusters/get?cluster_id=a", 200, "{\"cluster_id\":\"a\",\"state\":\"PENDING\"}",
                NULL);
    world_route("GET", "clusters/get?cluster_id=a", 200, "{\"cluster_id\":\"a\",\"state\":\"RUNNING\"}",
                NULL);
    world_route("GET", "clusters/get?cluster_id=x", 400,
                "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Cluster x does not exist\"}",
                NULL);
    world_route("GET", "warehouses/w", 200, "{\"id\":\"w\",\"state\":\"STOPPING\"}", NULL);
    world_route("GET", "warehouses/w", 200, "{\"id\":\"w\",\"state\":\"STOPPED\"}", NULL);
    world_route("GET", "warehouses/w", 200, "{\"id\":\"w\",\"state\":\"RUNNING\"}", NULL);
    world_route(
        "GET", "instance-pools/get", 200,
        "{\"instance_pool_id\":\"p\",\"instance_pool_name\":\"P\",\"node_type_id\":\"n\",\"max_capacity\":9}",
        NULL);
    world_route("POST", "clusters/start", 200, "{}", NULL);
    world_route("POST", "warehouses/w/start", 200, "{}", NULL);
    world_route("POST", "instance-pools/edit", 200, "{}", NULL);
    assert_int_equal(bench_run(b, start_compute), 0);
    assert_int_equal(world_calls_of("POST", "clusters/start"), 1);
    assert_int_equal(world_calls_of("POST", "warehouses/w/start"), 1);
    for (size_t i = 0; i < world_call_count(); i++)
        if (strstr(world_call_at(i)->url, "instance-pools/edit") != NULL)
            assert_string_equal(
                world_call_at(i)->body,
                "{\"idle_instance_autotermination_minutes\":15,\"instance_pool_id\":\"p\","
                "\"instance_pool_name\":\"P\",\"max_capacity\":9,\"min_idle_instances\":2,\"node_type_id\":\"n\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(both_tokens_go_to_the_workspace),
        BENCH_TEST(a_host_of_another_cloud_gets_nothing),
        BENCH_TEST(not_ready_passes),
        BENCH_TEST(a_write_is_not_repeated),
        BENCH_TEST(a_throttled_write_waits),
        BENCH_TEST(a_refused_token_is_refreshed_once),
        BENCH_TEST(login_pages_are_denials),
        BENCH_TEST(ready_means_good_several_times_in_a_row),
        BENCH_TEST(ready_means_each_endpoint),
        BENCH_TEST(a_lasting_denial_ends_the_wait),
        BENCH_TEST(the_youngest_of_a_name_is_found_over_pages),
        BENCH_TEST(a_cluster_is_made_once_and_dies_by_itself),
        BENCH_TEST(a_cluster_that_fails_ends_the_wait_with_its_reason),
        BENCH_TEST(the_deadline_gives_the_last_look),
        BENCH_TEST(a_pinned_cluster_is_unpinned_and_a_gone_one_is_fine),
        BENCH_TEST(a_start_that_somebody_did_is_a_success),
        BENCH_TEST(the_smallest_usable_node_and_the_newest_lts),
        BENCH_TEST(a_command_gives_its_text_and_leaves_no_context),
        BENCH_TEST(an_exception_is_an_error_though_it_finished),
        BENCH_TEST(blocking_kinds_are_told_from_harmless_ones),
        BENCH_TEST(features_that_are_absent_have_nothing),
        BENCH_TEST(nothing_is_stopped_that_was_not_written_down),
        BENCH_TEST(what_wakes_up_meanwhile_is_stopped_too),
        BENCH_TEST(all_that_was_stopped_runs_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Workspaces over their REST API: who gets in, the life of compute, commands, error forms. */
#include "tests/azure/graph.h"
#include "tests/unit/tests/azure/databricks_fixture.h"

#define EXISTING                              \
    "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION \
    "/resourceGroups/rg-existing/providers/Microsoft.Databricks/workspaces/existing-ws"
#define ETL "1101-080000-etl00001"

/* ---- getting in --------------------------------------------------------------------------------------------------------------- */

static void tokens_are_judged(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    char *good = f.token;
    f.token = NULL;
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 401);
    f.token = (char *)"no.good.token";
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 403);
    f.token = f.management_token;
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 401);
    assert_non_null(strstr(text_at(&f, "message"), "aud"));
    f.token = az_token_make(f.m, AZ_DEFAULT_TENANT, AZ_DEFAULT_CLIENT, AZ_DATABRICKS_APP, -1000);
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 401);
    free(f.token);
    f.token = good;
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 200);
    close_fixture(&f);
}

static void a_stranger_comes_in_by_the_management_token_and_stays(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    json_t *nobody = json_pack("{s:{s:{s:[]}}}", "workspaces", ws->id, "users");
    char error[200];
    assert_int_equal(az_databricks_load(f.m, nobody, error, sizeof error), 0);
    json_decref(nobody);
    assert_int_equal(call(&f, "GET", "/api/2.0/preview/scim/v2/Me", NULL), 403);
    assert_string_equal(text_at(&f, "error_code"), "PERMISSION_DENIED");
    f.resource_id = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Databricks/workspaces/z";
    assert_int_equal(call(&f, "GET", "/api/2.0/preview/scim/v2/Me", NULL), 403);
    f.resource_id = EXISTING;
    assert_int_equal(call(&f, "GET", "/api/2.0/preview/scim/v2/Me", NULL), 200);
    assert_string_equal(text_at(&f, "userName"), AZ_DEFAULT_CLIENT);
    f.resource_id = NULL;
    assert_int_equal(call(&f, "GET", "/api/2.0/preview/scim/v2/Me", NULL), 200);
    close_fixture(&f);
}

static void a_closed_workspace_shows_its_login_page(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "public_access_disabled", "broken-ws");
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 302);
    assert_non_null(strstr(header_of(&f, "Location"),
                           "/login.html?error=private-link-validation-error:4000000000000001"));
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/create", "{}"), 403);
    assert_string_equal(text_at(&f, "error_code"), "403");
    assert_non_null(strstr(text_at(&f, "message"), "Unauthorized network access to workspace"));
    assert_int_equal(call(&f, "GET", "/login.html", NULL), 200);
    assert_non_null(strstr(header_of(&f, "Content-Type"), "text/html"));
    close_fixture(&f);
}

static void unknown_hosts_and_paths_are_told(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/nothing", NULL), 404);
    assert_string_equal(text_at(&f, "error_code"), "ENDPOINT_NOT_FOUND");
    assert_int_equal(call(&f, "DELETE", "/api/2.1/clusters/list", NULL), 405);
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/create", "{\"a\":"), 400);
    assert_string_equal(text_at(&f, "error_code"), "MALFORMED_REQUEST");
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/create", "[1]"), 400);
    snprintf(f.host, sizeof f.host, "adb-99.9.databricks.azure.localhost");
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list", NULL), 404);
    assert_null(f.body);
    close_fixture(&f);
}

static void a_new_workspace_has_no_worker_environment_for_a_while(void **state)
{
    (void)state;
    int good = 0, bad = 0;
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    az_databricks_workspace_created(f.m, az_workspace_of_host(f.m, f.host));
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/create", "{}"), 400);
    assert_non_null(strstr(text_at(&f, "message"), "does not have any associated worker environments"));
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list-node-types", NULL), 400);
    assert_non_null(strstr(text_at(&f, "message"), "UnknownWorkerEnvironmentException"));
    assert_int_equal(call(&f, "GET", "/api/2.0/instance-pools/list", NULL), 400);
    assert_non_null(strstr(f.res.body, "<pre>    Worker environment not ready</pre>"));
    assert_int_equal(call(&f, "GET", "/api/2.0/preview/scim/v2/Me", NULL), 200);
    for (int i = 0; i < 150; i++) {
        advance(&f, 1);
        if (call(&f, "GET", "/api/2.1/clusters/list-node-types", NULL) == 200)
            good++;
        else
            bad += good > 0;
    }
    assert_true(good > 0 && bad > 0); /* it flaps */
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list-node-types", NULL), 200);
    close_fixture(&f);
}

/* ---- clusters ------------------------------------------------------------------------------------------------------------------- */

static void a_cluster_lives_from_create_to_permanent_delete(void **state)
{
    (void)state;
    char id[64], body[128];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    create_cluster(&f, id);
    assert_string_equal(state_of(&f, id), "PENDING");
    int64_t took = wait_for(&f, id, "RUNNING", 600);
    assert_in_range(took, 150, 400);
    assert_string_not_equal(text_at(&f, "driver.host_private_ip"), "");
    assert_string_equal(text_at(&f, "default_tags.Vendor"), "Databricks");
    assert_null(strstr(f.res.body, "_generation"));
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    assert_true(az_workspace_has_running_compute(f.m, ws));
    snprintf(body, sizeof body, "{\"cluster_id\":\"%s\"}", id);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/pin", body), 200);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/delete", body), 200);
    assert_string_equal(state_of(&f, id), "TERMINATING");
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/start", body), 400);
    took = wait_for(&f, id, "TERMINATED", 200);
    assert_in_range(took, 30, 90);
    assert_string_equal(text_at(&f, "termination_reason.code"), "USER_REQUEST");
    assert_string_equal(text_at(&f, "termination_reason.type"), "SUCCESS");
    assert_false(az_workspace_has_running_compute(f.m, ws));
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/delete", body), 200);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/permanent-delete", body), 400);
    assert_non_null(strstr(text_at(&f, "message"), "unpin the cluster first"));
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/unpin", body), 200);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/permanent-delete", body), 200);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/delete", body), 400);
    assert_string_equal(text_at(&f, "error_code"), "INVALID_PARAMETER_VALUE");
    snprintf(body, sizeof body, "Cluster %s does not exist", id);
    assert_string_equal(text_at(&f, "message"), body);
    close_fixture(&f);
}

static void nodes_hold_addresses_and_machines(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    const struct az_resource *subnet = az_store_get(
        f.m,
        "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION
        "/resourceGroups/rg-existing/providers/Microsoft.Network/virtualNetworks/existing-ws-vnet/subnets/host");
    assert_non_null(subnet);
    /* 3 + 2 of the clusters, 2 of the warehouse */
    assert_int_equal(json_object_size(json_object_get(subnet->state, "ips")), 7);
    const struct az_resource *group =
        az_store_get(f.m, az_str(ws->body, "properties.managedResourceGroupId"));
    size_t machines = 0;
    for (struct az_resource *r = az_child_first(group, NULL); r != NULL; r = az_child_next(r, NULL))
        machines += strstr(r->type, "virtualmachines") != NULL;
    assert_int_equal(machines, 7);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/delete", "{\"cluster_id\":\"" ETL "\"}"), 200);
    wait_for(&f, ETL, "TERMINATED", 100);
    assert_int_equal(json_object_size(json_object_get(subnet->state, "ips")), 4);
    close_fixture(&f);
}

static void one_token_makes_one_cluster(void **state)
{
    (void)state;
    char first[64];
    static const char body[] =
        "{\"spark_version\":\"15.4.x-scala2.12\",\"node_type_id\":\"Standard_DS3_v2\",\"num_workers\":1,"
        "\"idempotency_token\":\"abc\"}";
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/create", body), 200);
    snprintf(first, sizeof first, "%s", text_at(&f, "cluster_id"));
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/create", body), 200);
    assert_string_equal(text_at(&f, "cluster_id"), first);
    close_fixture(&f);
}

static void wrong_clusters_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"{}", "spark_version"},
        {"{\"spark_version\":\"1.x\",\"node_type_id\":\"Standard_F4s\",\"num_workers\":1}",
         "Invalid spark version"},
        {"{\"spark_version\":\"15.4.x-scala2.12\",\"num_workers\":1}", "node_type_id"},
        {"{\"spark_version\":\"15.4.x-scala2.12\",\"node_type_id\":\"M1\",\"num_workers\":1}",
         "not supported"},
        {"{\"spark_version\":\"15.4.x-scala2.12\",\"node_type_id\":\"Standard_F4s\"}", "num_workers"},
        {"{\"spark_version\":\"15.4.x-scala2.12\",\"node_type_id\":\"Standard_F4s\",\"num_workers\":1,"
         "\"autotermination_minutes\":5}",
         "autotermination_minutes"},
    };
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (call(&f, "POST", "/api/2.1/clusters/create", cases[i].body) != 400 ||
            strstr(text_at(&f, "message"), cases[i].text) == NULL)
            fail_msg("%s: %d %s", cases[i].body, f.res.status, f.res.body);
    }
    close_fixture(&f);
}

static void lists_page_and_filter(void **state)
{
    (void)state;
    char target[256];
    size_t seen = 0, pages = 0;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    snprintf(target, sizeof target, "/api/2.1/clusters/list?page_size=2");
    for (;;) {
        assert_int_equal(call(&f, "GET", target, NULL), 200);
        seen += json_array_size(az_at(f.body, "clusters"));
        pages++;
        if (text_at(&f, "next_page_token")[0] == '\0')
            break;
        snprintf(target, sizeof target, "/api/2.1/clusters/list?page_size=2&page_token=%s",
                 text_at(&f, "next_page_token"));
    }
    assert_int_equal(seen, 3);
    assert_int_equal(pages, 2);
    assert_int_equal(
        call(&f, "GET",
             "/api/2.1/clusters/list?filter_by.cluster_states=RUNNING&filter_by.cluster_states=PENDING",
             NULL),
        200);
    assert_int_equal(json_array_size(az_at(f.body, "clusters")), 2);
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/list?filter_by.is_pinned=true", NULL), 200);
    assert_null(az_at(f.body, "clusters"));
    close_fixture(&f);
}

static void idle_clusters_end_themselves(void **state)
{
    (void)state;
    char id[64];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    create_cluster(&f, id);
    (void)wait_for(&f, id, "RUNNING", 600);
    int64_t took = wait_for(&f, id, "TERMINATED", 900);
    assert_in_range(took, 600, 700);
    assert_string_equal(text_at(&f, "termination_reason.code"), "INACTIVITY");
    assert_string_equal(text_at(&f, "termination_reason.parameters.inactivity_duration_min"), "10");
    close_fixture(&f);
}

static void a_network_update_ends_what_is_alive(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    az_databricks_workspace_updated(f.m, az_workspace_of_host(f.m, f.host));
    advance(&f, 100);
    assert_string_equal(state_of(&f, ETL), "TERMINATED");
    assert_string_equal(text_at(&f, "termination_reason.code"), "WORKSPACE_UPDATE");
    assert_false(az_workspace_has_running_compute(f.m, az_workspace_of_host(f.m, f.host)));
    close_fixture(&f);
}

/* A start survives being saved and loaded in the middle. */
static void a_saved_start_goes_on(void **state)
{
    (void)state;
    char id[64], error[512];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    create_cluster(&f, id);
    advance(&f, 100);
    json_t *saved = az_model_save(f.m);
    az_model_free(f.m);
    struct az_model_cfg cfg = {.seed = 7, .time_scale = 1};
    f.m = az_model_new(&cfg);
    az_model_advance(f.m, f.now_ms);
    if (az_model_load(f.m, saved, error, sizeof error) < 0)
        fail_msg("%s", error);
    json_decref(saved);
    (void)wait_for(&f, id, "RUNNING", 400);
    close_fixture(&f);
}

/* ---- commands ------------------------------------------------------------------------------------------------------------------- */

/* Context on a running cluster; its id in buf. */
static void open_context(struct fixture *f, const char *cluster, const char *language, char buf[64])
{
    char body[256], target[256];
    int refused = 0;
    snprintf(body, sizeof body, "{\"clusterId\":\"%s\",\"language\":\"%s\"}", cluster, language);
    while (call(f, "POST", "/api/1.2/contexts/create", body) != 200 && refused++ < 10)
        assert_non_null(strstr(text_at(f, "error"), "ClusterNotReadyException"));
    snprintf(buf, 64, "%s", text_at(f, "id"));
    snprintf(target, sizeof target, "/api/1.2/contexts/status?clusterId=%s&contextId=%s", cluster, buf);
    for (int i = 0; i < 30; i++, advance(f, 1)) {
        assert_int_equal(call(f, "GET", target, NULL), 200);
        if (strcmp(text_at(f, "status"), "Running") == 0)
            return;
    }
    fail_msg("the context stays %s", text_at(f, "status"));
}

/* Run it to its end; the answer of the last poll is in f. */
static void run_command(struct fixture *f, const char *cluster, const char *context, const char *language,
                        const char *text)
{
    char target[256], id[64];
    json_t *request = json_pack("{s:s,s:s,s:s,s:s}", "clusterId", cluster, "contextId", context, "language",
                                language, "command", text);
    char *body = json_dumps(request, 0);
    json_decref(request);
    assert_int_equal(call(f, "POST", "/api/1.2/commands/execute", body), 200);
    free(body);
    snprintf(id, sizeof id, "%s", text_at(f, "id"));
    snprintf(target, sizeof target, "/api/1.2/commands/status?clusterId=%s&contextId=%s&commandId=%s",
             cluster, context, id);
    for (int i = 0; i < 30; i++, advance(f, 1)) {
        assert_int_equal(call(f, "GET", target, NULL), 200);
        if (strcmp(text_at(f, "status"), "Finished") == 0)
            return;
    }
    fail_msg("the command stays %s", text_at(f, "status"));
}

static void commands_run_and_fail_as_data(void **state)
{
    (void)state;
    char context[64];
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    open_context(&f, ETL, "python", context);
    run_command(&f, ETL, context, "python", "1+1");
    assert_string_equal(text_at(&f, "results.resultType"), "text");
    assert_non_null(strstr(text_at(&f, "results.data"), "2"));
    run_command(&f, ETL, context, "python", "print('hello')");
    assert_string_equal(text_at(&f, "results.data"), "hello");
    run_command(&f, ETL, context, "python", "print(spark.range(10).count())");
    assert_string_equal(text_at(&f, "results.data"), "10");
    run_command(&f, ETL, context, "sql", "SELECT 1");
    assert_int_equal(az_int(f.body, "results.data.0.0", 0), 1);
    run_command(&f, ETL, context, "python", "import os; os.system('rm -rf /')");
    assert_string_equal(text_at(&f, "results.resultType"), "error");
    assert_int_equal(
        call(&f, "GET", "/api/1.2/commands/status?clusterId=" ETL "&contextId=1&commandId=2", NULL), 500);
    assert_non_null(strstr(text_at(&f, "error"), "ContextNotFound"));
    assert_int_equal(
        call(&f, "POST", "/api/1.2/contexts/create", "{\"clusterId\":\"no\",\"language\":\"python\"}"), 500);
    close_fixture(&f);
}

static void the_probe_prints_what_its_node_sees(void **state)
{
    (void)state;
    char id[64], context[64], text[512];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    create_cluster(&f, id);
    (void)wait_for(&f, id, "RUNNING", 600);
    open_context(&f, id, "python", context);
    snprintf(
        text, sizeof text,
        "# causeway-probe/1 {\"host\":\"%s\",\"address\":\"10.21.128.4\",\"ports\":[443,6666],\"zone\":\"z\"}\nimport socket\n",
        f.host);
    run_command(&f, id, context, "python", text);
    const char *line = strstr(text_at(&f, "results.data"), "CAUSEWAY-PROBE/1 ");
    assert_non_null(line);
    json_t *seen = json_loads(line + strlen("CAUSEWAY-PROBE/1 "), JSON_DISABLE_EOF_CHECK, NULL);
    assert_string_equal(az_str(seen, "dns.0.addresses.0"), "10.21.128.4");
    assert_string_equal(az_str(seen, "tcp.1.result"), "open");
    assert_int_equal(az_int(seen, "rows.0", -1), 0);
    json_decref(seen);
    close_fixture(&f);
}

/* ---- other compute --------------------------------------------------------------------------------------------------------------- */

static const char *warehouse_state(struct fixture *f, const char *id)
{
    char target[128];
    snprintf(target, sizeof target, "/api/2.0/sql/warehouses/%s", id);
    assert_int_equal(call(f, "GET", target, NULL), 200);
    return text_at(f, "state");
}

static void warehouses_stop_and_start(void **state)
{
    (void)state;
    static const char bi[] = "a1b2c3d4e5f60718", start[] = "/api/2.0/sql/warehouses/a1b2c3d4e5f60718/start";
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
    assert_string_equal(warehouse_state(&f, bi), "RUNNING");
    assert_int_equal(call(&f, "POST", "/api/2.0/sql/warehouses/a1b2c3d4e5f60718/stop", NULL), 200);
    assert_string_equal(warehouse_state(&f, bi), "STOPPING");
    assert_int_equal(call(&f, "POST", start, NULL), 400);
    advance(&f, 60);
    assert_string_equal(warehouse_state(&f, bi), "STOPPED");
    assert_int_equal(call(&f, "POST", start, NULL), 200);
    assert_string_equal(warehouse_state(&f, bi), "STARTING");
    advance(&f, 300);
    assert_string_equal(warehouse_state(&f, bi), "RUNNING");
    assert_int_equal(call(&f, "POST", "/api/2.0/sql/statements",
                          "{\"statement\":\"SELECT 1\",\"warehouse_id\":\"a1b2c3d4e5f60718\"}"),
                     200);
    assert_string_equal(text_at(&f, "status.state"), "SUCCEEDED");
    assert_string_equal(text_at(&f, "result.data_array.0.0"), "1");
    assert_int_equal(call(&f, "GET", "/api/2.0/sql/warehouses/none", NULL), 404);
    close_fixture(&f);
}

static void warehouses_need_the_network_too(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "zone_not_linked", "broken-ws");
    assert_int_equal(call(&f, "POST", "/api/2.0/sql/warehouses", "{\"name\":\"w\"}"), 200);
    char id[64];
    snprintf(id, sizeof id, "%s", text_at(&f, "id"));
    advance(&f, 300);
    assert_string_equal(warehouse_state(&f, id), "STOPPED");
    assert_string_equal(text_at(&f, "health.failure_reason.code"), "CONTROL_PLANE_REQUEST_FAILURE");
    close_fixture(&f);
}

static void somebody_wakes_a_warehouse(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "compute_wakes_up", "broken-ws");
    assert_int_equal(call(&f, "POST", "/api/2.0/sql/warehouses/a1b2c3d4e5f60720/stop", NULL), 200);
    advance(&f, 130);
    assert_string_equal(warehouse_state(&f, "a1b2c3d4e5f60720"), "STARTING");
    close_fixture(&f);
}

static void idle_pools_block_until_they_are_empty(void **state)
{
    (void)state;
    char body[256];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    assert_int_equal(
        call(&f, "POST", "/api/2.0/instance-pools/create",
             "{\"instance_pool_name\":\"p\",\"node_type_id\":\"Standard_DS3_v2\",\"min_idle_instances\":2}"),
        200);
    snprintf(body, sizeof body,
             "{\"instance_pool_id\":\"%s\",\"instance_pool_name\":\"p\",\"node_type_id\":\"Standard_DS3_v2\","
             "\"min_idle_instances\":0,\"idle_instance_autotermination_minutes\":0}",
             text_at(&f, "instance_pool_id"));
    assert_true(az_workspace_has_running_compute(f.m, ws));
    assert_int_equal(call(&f, "POST", "/api/2.0/instance-pools/edit", body), 200);
    assert_true(az_workspace_has_running_compute(f.m, ws));
    advance(&f, 61);
    assert_false(az_workspace_has_running_compute(f.m, ws));
    close_fixture(&f);
}

static void a_run_that_somebody_submits_holds_compute(void **state)
{
    (void)state;
    struct fixture f;
    char body[700], id[64];
    open_fixture(&f, "healthy", "healthy-ws");
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    snprintf(
        body, sizeof body,
        "{\"run_name\":\"r\",\"idempotency_token\":\"t\",\"tasks\":[{\"task_key\":\"a\",\"notebook_task\":{\"notebook_path\":\"/x\"},"
        "\"new_cluster\":{\"spark_version\":\"15.4.x-scala2.12\",\"node_type_id\":\"Standard_DS3_v2\",\"num_workers\":0}}]}");
    assert_int_equal(call(&f, "POST", "/api/2.2/jobs/runs/submit", body), 200);
    int64_t run = az_int(f.body, "run_id", 0);
    assert_int_equal(call(&f, "POST", "/api/2.2/jobs/runs/submit", body), 200);
    assert_int_equal(az_int(f.body, "run_id", 0), run);
    assert_true(az_workspace_has_running_compute(f.m, ws));
    assert_int_equal(call(&f, "GET", "/api/2.2/jobs/runs/list?active_only=true", NULL), 200);
    snprintf(id, sizeof id, "%s", text_at(&f, "runs.0.cluster_instance.cluster_id"));
    assert_int_equal(json_array_size(az_at(f.body, "runs")), 1);
    snprintf(body, sizeof body, "/api/2.1/clusters/get?cluster_id=%s", id);
    assert_int_equal(call(&f, "GET", body, NULL), 200);
    assert_string_equal(text_at(&f, "cluster_source"), "JOB");
    advance(&f, 2 * 3600);
    assert_int_equal(call(&f, "GET", "/api/2.2/jobs/runs/list?active_only=true", NULL), 200);
    assert_null(az_at(f.body, "runs"));
    assert_false(az_workspace_has_running_compute(f.m, ws));
    assert_int_equal(
        call(&f, "POST", "/api/2.2/jobs/create", "{\"name\":\"j\",\"existing_cluster_id\":\"none\"}"), 200);
    snprintf(body, sizeof body, "{\"job_id\":%lld}", (long long)az_int(f.body, "job_id", 0));
    assert_int_equal(call(&f, "POST", "/api/2.2/jobs/run-now", body), 400);
    assert_int_equal(call(&f, "POST", "/api/2.2/jobs/run-now", "{\"job_id\":77}"), 400);
    close_fixture(&f);
}

static void a_cluster_is_changed_by_mask(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "existing", "existing-ws");
#define OLD "\"cluster_id\":\"1101-080000-old00001\""
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/update", "{" OLD "}"), 400);
    assert_int_equal(
        call(&f, "POST", "/api/2.1/clusters/update",
             "{" OLD ",\"update_mask\":\"cluster_name,num_workers\",\"cluster\":{\"cluster_name\":\"new\","
             "\"num_workers\":3,\"autotermination_minutes\":77}}"),
        200);
    assert_int_equal(call(&f, "GET", "/api/2.1/clusters/get?cluster_id=1101-080000-old00001", NULL), 200);
    assert_string_equal(text_at(&f, "cluster_name"), "new");
    assert_int_equal(az_int(f.body, "num_workers", 0), 3);
    assert_int_not_equal(az_int(f.body, "autotermination_minutes", 0), 77);
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/update",
                          "{" OLD
                          ",\"update_mask\":\"node_type_id\",\"cluster\":{\"node_type_id\":\"none\"}}"),
                     400);
    assert_int_equal(
        call(&f, "POST", "/api/2.1/clusters/change-owner", "{" OLD ",\"owner_username\":\"x@y\"}"), 200);
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/change-owner",
                          "{\"cluster_id\":\"" ETL "\",\"owner_username\":\"x@y\"}"),
                     400);
    close_fixture(&f);
}

static void runs_and_pipelines_stop(void **state)
{
    (void)state;
    char error[256];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    json_t *doc = json_pack("{s:{s:{s:[{s:i,s:i,s:{s:s},s:{s:s}}],s:[{s:s,s:s}],s:[{s:s,s:s,s:s}]}}}",
                            "workspaces", "healthy-ws", "runs", "run_id", 5, "job_id", 1, "state",
                            "life_cycle_state", "RUNNING", "cluster_instance", "cluster_id", "job-1",
                            "clusters", "cluster_id", "job-1", "cluster_source", "JOB", "pipelines",
                            "pipeline_id", "p1", "name", "dlt", "state", "RUNNING");
    assert_int_equal(az_databricks_load(f.m, doc, error, sizeof error), 0);
    json_decref(doc);
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    assert_int_equal(call(&f, "GET", "/api/2.2/jobs/runs/list?active_only=true&limit=24", NULL), 200);
    assert_int_equal(json_array_size(az_at(f.body, "runs")), 1);
    assert_int_equal(call(&f, "POST", "/api/2.0/clusters/start", "{\"cluster_id\":\"job-1\"}"), 400);
    assert_int_equal(call(&f, "POST", "/api/2.1/jobs/runs/cancel", "{\"run_id\":5}"), 200);
    assert_int_equal(call(&f, "POST", "/api/2.0/pipelines/p1/stop", NULL), 200);
    advance(&f, 120);
    assert_false(az_workspace_has_running_compute(f.m, ws));
    assert_int_equal(call(&f, "GET", "/api/2.1/jobs/runs/list?active_only=true", NULL), 200);
    assert_null(az_at(f.body, "runs"));
    assert_int_equal(call(&f, "GET", "/api/2.0/pipelines", NULL), 200);
    assert_string_equal(text_at(&f, "statuses.0.state"), "IDLE");
    close_fixture(&f);
}

static void settings_read_and_write(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    assert_int_equal(call(&f, "GET", "/api/2.0/workspace-conf?keys=enableIpAccessLists", NULL), 200);
    assert_true(json_is_null(json_object_get(f.body, "enableIpAccessLists")));
    assert_int_equal(
        call(&f, "POST", "/api/2.0/ip-access-lists",
             "{\"label\":\"office\",\"list_type\":\"ALLOW\",\"ip_addresses\":[\"192.0.2.0/24\"]}"),
        200);
    assert_int_equal(call(&f, "PATCH", "/api/2.0/workspace-conf", "{\"enableIpAccessLists\":\"true\"}"), 204);
    assert_int_equal(call(&f, "GET", "/api/2.0/ip-access-lists", NULL), 403); /* now we are locked out */
    close_fixture(&f);
}

static void writes_are_in_the_ledger(void **state)
{
    (void)state;
    char id[64];
    struct fixture f;
    open_fixture(&f, "healthy", "healthy-ws");
    create_cluster(&f, id);
    struct az_resource *ws = az_workspace_of_host(f.m, f.host);
    json_t *ledger = az_model_ledger(f.m, ws->id);
    assert_string_equal(az_str(ledger, "entries.0.operation"), "clusters/create");
    assert_true(az_bool(ledger, "entries.0.changed", false));
    json_decref(ledger);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_judged),
        cmocka_unit_test(a_stranger_comes_in_by_the_management_token_and_stays),
        cmocka_unit_test(a_closed_workspace_shows_its_login_page),
        cmocka_unit_test(unknown_hosts_and_paths_are_told),
        cmocka_unit_test(a_new_workspace_has_no_worker_environment_for_a_while),
        cmocka_unit_test(a_cluster_lives_from_create_to_permanent_delete),
        cmocka_unit_test(nodes_hold_addresses_and_machines),
        cmocka_unit_test(one_token_makes_one_cluster),
        cmocka_unit_test(wrong_clusters_are_refused),
        cmocka_unit_test(lists_page_and_filter),
        cmocka_unit_test(idle_clusters_end_themselves),
        cmocka_unit_test(a_network_update_ends_what_is_alive),
        cmocka_unit_test(a_saved_start_goes_on),
        cmocka_unit_test(commands_run_and_fail_as_data),
        cmocka_unit_test(the_probe_prints_what_its_node_sees),
        cmocka_unit_test(warehouses_stop_and_start),
        cmocka_unit_test(warehouses_need_the_network_too),
        cmocka_unit_test(somebody_wakes_a_warehouse),
        cmocka_unit_test(idle_pools_block_until_they_are_empty),
        cmocka_unit_test(a_run_that_somebody_submits_holds_compute),
        cmocka_unit_test(a_cluster_is_changed_by_mask),
        cmocka_unit_test(runs_and_pipelines_stop),
        cmocka_unit_test(settings_read_and_write),
        cmocka_unit_test(writes_are_in_the_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

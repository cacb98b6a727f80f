/* Each shipped state: the graph must come to what the state says that it shows. */
#include <dirent.h>

#include "tests/azure/graph.h"
#include "tests/unit/tests/azure/databricks_fixture.h"

#define STATES_MIN 50
#define CAUSES_MIN 20

static json_t *expectation_of(const char *path)
{
    json_error_t error;
    json_t *state = json_load_file(path, 0, &error);
    if (state == NULL)
        fail_msg("%s: line %d: %s", path, error.line, error.text);
    json_t *expect = json_incref(json_object_get(state, "expect"));
    json_decref(state);
    return expect;
}

/* What differs, in buf; "" when nothing does. */
static const char *difference(const json_t *expect, const json_t *report, char buf[512])
{
    const char *code = az_str(expect, "code"), *cause = az_str(expect, "cause");
    const json_t *launch = json_object_get(report, "launch");
    bool is_ok = az_bool(expect, "ok", false), got_ok = az_bool(launch, "ok", false);
    bool is_same = got_ok == is_ok && strcmp(code, az_str(launch, "code")) == 0;
    is_same = is_same && (!is_ok || az_bool(launch, "private", false) == az_bool(expect, "private", false));
    is_same = is_same && (cause[0] == '\0' || strcmp(cause, az_str(launch, "cause")) == 0);
    buf[0] = '\0';
    if (!is_same)
        snprintf(buf, 512, "ok %d private %d code %s cause %s: %.200s", got_ok,
                 az_bool(launch, "private", false), az_str(launch, "code"), az_str(launch, "cause"),
                 az_str(launch, "message"));
    return buf;
}

static void each_state_shows_its_cause(void **state)
{
    (void)state;
    char text[512];
    size_t count = 0, cause_count = 0, wrong = 0;
    bool causes[40] = {false};
    DIR *dir = opendir("tests/azure/states");
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512], name[256];
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        snprintf(path, sizeof path, "tests/azure/states/%s", entry->d_name);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(entry->d_name, "."), entry->d_name);
        json_t *expect = expectation_of(path);
        struct fixture f;
        open_fixture(&f, name, az_str(expect, "workspace"));
        count++;
        if (expect != NULL) {
            json_t *report = az_graph_report(f.m, f.host);
            if (report == NULL)
                fail_msg("%s: no report for %s", name, f.host);
            if (difference(expect, report, text)[0] != '\0') {
                print_error("%s: %s\n", name, text);
                wrong++;
            }
            int64_t cause = az_int(expect, "diagnosis", 0);
            cause_count += cause > 0 && cause < 40 && !causes[cause];
            causes[cause > 0 && cause < 40 ? cause : 0] = true;
            json_decref(report);
        }
        close_fixture(&f);
        json_decref(expect);
    }
    closedir(dir);
    assert_int_equal(wrong, 0);
    assert_true(count >= STATES_MIN);
    assert_true(cause_count >= CAUSES_MIN);
}

/* A start in each broken estate ends with the code that the state names, after the right events. */
static void check_start(const char *name, const char *code, int64_t min_s, int64_t max_s)
{
    char id[64], events[128];
    struct fixture f;
    open_fixture(&f, name, "broken-ws");
    create_cluster(&f, id);
    int64_t took = wait_for(&f, id, "TERMINATED", max_s);
    if (took < min_s)
        fail_msg("%s: TERMINATED after %lld s already", name, (long long)took);
    if (strcmp(text_at(&f, "termination_reason.code"), code) != 0)
        fail_msg("%s: %s instead of %s", name, text_at(&f, "termination_reason.code"), code);
    snprintf(events, sizeof events, "{\"cluster_id\":\"%s\",\"order\":\"ASC\"}", id);
    assert_int_equal(call(&f, "POST", "/api/2.1/clusters/events", events), 200);
    assert_string_equal(text_at(&f, "events.0.type"), "CREATING");
    assert_string_equal(text_at(&f, "events.1.type"), "ADD_NODES_FAILED");
    assert_string_equal(text_at(&f, "events.1.details.reason.code"), code);
    size_t last = json_array_size(az_at(f.body, "events")) - 1;
    json_t *end = json_array_get(az_at(f.body, "events"), last);
    assert_string_equal(az_str(end, "type"), "TERMINATING");
    close_fixture(&f);
}

static void starts_fail_late_when_the_bootstrap_gives_up(void **state)
{
    (void)state;
    check_start("zone_not_linked", "CONTROL_PLANE_REQUEST_FAILURE", 20 * 60, 30 * 60);
    check_start("endpoint_subnet_relay_closed", "NPIP_TUNNEL_SETUP_FAILURE", 20 * 60, 30 * 60);
}

static void starts_fail_early_when_azure_refuses(void **state)
{
    (void)state;
    check_start("quota", "AZURE_QUOTA_EXCEEDED_EXCEPTION", 60, 6 * 60);
    check_start("subnet_full", "SUBNET_EXHAUSTED_FAILURE", 60, 6 * 60);
    check_start("subnet_not_delegated", "CLOUD_PROVIDER_LAUNCH_FAILURE", 60, 6 * 60);
}

static void a_repair_between_two_attempts_helps(void **state)
{
    (void)state;
    char id[64], error[256];
    struct fixture f;
    open_fixture(&f, "zone_not_linked", "broken-ws");
    create_cluster(&f, id);
    advance(&f, 10 * 60);
    json_t *link = json_pack(
        "{s:[{s:s,s:s,s:{s:{s:s},s:b,s:s}}]}", "resources", "id",
        "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION "/resourceGroups/rg-broken/providers/Microsoft.Network/"
        "privateDnsZones/privatelink.databricks.azure.localhost/virtualNetworkLinks/repair",
        "location", "global", "properties", "virtualNetwork", "id",
        "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION "/resourceGroups/rg-broken/providers/Microsoft.Network/"
        "virtualNetworks/broken-ws-vnet",
        "registrationEnabled", 0, "virtualNetworkLinkState", "Completed");
    assert_int_equal(az_model_load(f.m, link, error, sizeof error), 0);
    json_decref(link);
    (void)wait_for(&f, id, "RUNNING", 20 * 60);
    close_fixture(&f);
}

/* ---- what a probe sees --------------------------------------------------------------------------------------------------------- */

static json_t *probe(struct fixture *f, const char *address)
{
    struct az_resource *ws = az_workspace_of_host(f->m, f->host);
    json_t *want = json_pack("{s:s,s:s,s:[i,i]}", "host", f->host, "address", address, "ports", 443, 6666);
    json_t *seen = az_graph_probe(f->m, ws, "10.30.0.9", want);
    json_decref(want);
    return seen;
}

static void a_healthy_node_sees_the_endpoint(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "healthy_hub", "broken-ws");
    json_t *seen = probe(&f, "10.30.128.4");
    assert_string_equal(az_str(seen, "resolvers.0"), "10.60.0.4");
    assert_string_equal(az_str(seen, "dns.0.rcode"), "NOERROR");
    assert_string_equal(az_str(seen, "dns.0.addresses.0"), "10.30.128.4");
    assert_int_equal(az_int(seen, "dns.0.ttl", 0), 10);
    assert_non_null(strstr(az_str(seen, "dns.0.cname.0"), ".privatelink."));
    /* Azure's own resolver sees the links of the spoke alone. */
    assert_string_equal(az_str(seen, "dns.1.server"), "168.63.129.16");
    assert_string_not_equal(az_str(seen, "dns.1.addresses.0"), "10.30.128.4");
    /* The hosts file answers with the node's own address. */
    assert_string_equal(az_str(seen, "getaddrinfo.0"), "10.30.0.9");
    assert_string_equal(az_str(seen, "tcp.0.result"), "open");
    assert_string_equal(az_str(seen, "tcp.1.result"), "open");
    assert_true(az_bool(seen, "tls.ok", false));
    assert_int_equal(az_int(seen, "http.status", 0), 200);
    json_decref(seen);
    close_fixture(&f);
}

static void broken_names_show_in_the_probe(void **state)
{
    (void)state;
    static const struct {
        const char *state, *rcode, *tcp;
    } cases[] = {{"record_missing", "NXDOMAIN", "open"},
                 {"dns_server_silent", "TIMEOUT", "open"},
                 {"zone_not_linked", "NOERROR", "open"},
                 {"endpoint_pending", "NOERROR", "timeout"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        open_fixture(&f, cases[i].state, "broken-ws");
        json_t *seen = probe(&f, "10.30.128.4");
        if (strcmp(az_str(seen, "dns.0.rcode"), cases[i].rcode) != 0 ||
            strcmp(az_str(seen, "tcp.0.result"), cases[i].tcp) != 0)
            fail_msg("%s: %s %s", cases[i].state, az_str(seen, "dns.0.rcode"), az_str(seen, "tcp.0.result"));
        json_decref(seen);
        close_fixture(&f);
    }
}

static void a_name_without_endpoint_has_no_private_alias(void **state)
{
    (void)state;
    struct az_dns_answer answer;
    struct fixture f;
    open_fixture(&f, "no_endpoint", "broken-ws");
    az_graph_azure_dns(f.m, NULL, f.host, &answer);
    assert_string_equal(answer.rcode, "NOERROR");
    assert_int_equal(answer.cname_count, 0);
    az_graph_azure_dns(f.m, NULL, "nobody.example.com", &answer);
    assert_string_equal(answer.rcode, "NXDOMAIN");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_shows_its_cause),
        cmocka_unit_test(starts_fail_late_when_the_bootstrap_gives_up),
        cmocka_unit_test(starts_fail_early_when_azure_refuses),
        cmocka_unit_test(a_repair_between_two_attempts_helps),
        cmocka_unit_test(a_healthy_node_sees_the_endpoint),
        cmocka_unit_test(broken_names_show_in_the_probe),
        cmocka_unit_test(a_name_without_endpoint_has_no_private_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "schema/facts_v1.h"

#include "schema/result_v1.h"
#include "tests/unit/schema/lib.h"

static void an_empty_fold_is_an_empty_object(void **state)
{
    struct cw_facts facts = {0};
    assert_string_equal(cw_facts_encode(&facts, *state), "{}");
}

static const char *addresses[] = {"10.10.128.4", "10.10.128.5"};
static struct cw_dns_record_v1 records[] = {
    {.name = "adb-1.2", .addresses = addresses, .address_count = 2, .ttl = 10}};
static struct cw_compute_v1 compute[] = {
    {.kind = CW_COMPUTE_V1_CLUSTER,
     .id = "c-1",
     .name = "etl",
     .state = "RUNNING",
     .was_running = true,
     .stopped_by_us = true},
    {.kind = CW_COMPUTE_V1_POOL,
     .id = "p-1",
     .state = "idle 2, used 0",
     .was_running = true,
     .min_idle = 2,
     .idle_minutes = -1},
    {.kind = CW_COMPUTE_V1_WAREHOUSE, .id = "w-1", .state = "STOPPED"},
};
static struct cw_evidence_v1 evidence[] = {{.field = "links", .found = "none"}};
static struct cw_diagnosis_v1 diagnosis[] = {{.cause = CW_CAUSE_ZONE_NOT_LINKED,
                                              .confidence = 95,
                                              .message = "m",
                                              .evidence = evidence,
                                              .evidence_count = 1,
                                              .is_safe = true}};

static struct cw_facts sample(void)
{
    return (struct cw_facts){.location = "chinaeast2",
                             .no_public_ip = CW_TRI_YES,
                             .workspace_existed = CW_TRI_NO,
                             .settings_before = {.required_nsg_rules = "AllRules"},
                             .compute = compute,
                             .compute_count = 3,
                             .compute_listed = true,
                             .records = records,
                             .record_count = 1,
                             .cluster_started_ms = 1763900000123,
                             .cluster_termination = {.code = "X", .message = "y"},
                             .probe_json = "{\"rows\":[0]}",
                             .proof_error = {.step = "run_probe", .code = "EMISCONFIGURED", .message = "m"},
                             .diagnosis = diagnosis,
                             .diagnosis_count = 1};
}

static void facts_survive_the_journal(void **state)
{
    struct cw_facts facts = sample(), again;
    struct cw_err err = {0};
    char *text = cw_facts_encode(&facts, *state);
    assert_non_null(text);
    assert_int_equal(cw_facts_decode(text, strlen(text), *state, &again, &err), 0);
    assert_string_equal(cw_facts_encode(&again, *state), text);
    assert_int_equal(again.cluster_started_ms, 1763900000123);
    assert_int_equal(again.compute[1].idle_minutes, -1);
    assert_string_equal(again.probe_json, "{\"rows\":[0]}");
    assert_int_equal(again.workspace_existed, CW_TRI_NO);
    assert_int_equal(cw_facts_decode("{\"location\":1}", 14, *state, &again, &err), -CW_EINVAL);
    assert_int_equal(cw_facts_decode("{", 1, *state, &again, &err), -CW_EPARSE);
}

static void merging_replaces_what_is_set_and_copies(void **state)
{
    struct cw_facts into = {
        .location = "old", .sku = "premium", .settings_before = {.public_network_access = "Enabled"}};
    struct cw_facts from = sample();
    assert_int_equal(cw_facts_merge(&into, &from, *state), 0);
    assert_string_equal(into.location, "chinaeast2");
    assert_string_equal(into.sku, "premium");
    assert_string_equal(into.settings_before.public_network_access, "Enabled");
    assert_string_equal(into.settings_before.required_nsg_rules, "AllRules");
    assert_ptr_not_equal(into.compute, compute);
    assert_ptr_not_equal(into.records[0].addresses[1], addresses[1]);
    assert_string_equal(into.records[0].addresses[1], "10.10.128.5");
    assert_int_equal(into.compute[1].idle_minutes, -1);
    assert_string_equal(into.diagnosis[0].evidence[0].found, "none");
    struct cw_facts none = {0};
    char *before = cw_facts_encode(&into, *state);
    assert_int_equal(cw_facts_merge(&into, &none, *state), 0);
    assert_string_equal(cw_facts_encode(&into, *state), before);
}

static void every_cause_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < CW_CAUSE__COUNT; i++) {
        assert_non_null(cw_cause_names[i]);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(cw_cause_names[i], cw_cause_names[j]);
    }
}

static void a_verdict_tells_what_ran_and_what_runs(void **state)
{
    struct cw_facts facts = sample();
    struct cw_result_v1 result = {0};
    compute[0].state_now = "RUNNING";
    assert_int_equal(cw_result_from_facts(&result, &facts, *state), 0);
    assert_int_equal(result.compute_count, 2);
    assert_string_equal(result.compute[0].before, "RUNNING");
    assert_string_equal(result.compute[0].after, "RUNNING");
    assert_string_equal(result.compute[1].after, "idle 2, used 0");
    assert_string_equal(result.evidence.probe_json, "{\"rows\":[0]}");
    char a[CW_UUID_BYTES], b[CW_UUID_BYTES];
    cw_result_event_id("/ws/1", "r-1", a);
    cw_result_event_id("/ws/1", "r-1", b);
    assert_string_equal(a, b);
    cw_result_event_id("/ws/1", "r-2", b);
    assert_string_not_equal(a, b);
    cw_result_event_id("/ws/2", "r-1", b); /* two tenants may choose the same id */
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_empty_fold_is_an_empty_object),        CASE(facts_survive_the_journal),
        CASE(merging_replaces_what_is_set_and_copies), CASE(every_cause_has_a_name),
        CASE(a_verdict_tells_what_ran_and_what_runs),
    };
    return cmocka_run_group_tests_name("schema/facts", tests, NULL, NULL);
}

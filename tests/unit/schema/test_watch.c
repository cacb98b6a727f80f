#include "schema/watch_v1.h"

#include "schema/result_v1.h"
#include "tests/unit/schema/lib.h"

#define ENDPOINT "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/e"
#define ZONE "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z"

static const char *right[] = {"10.10.128.4"};
static const char *wrong[] = {"10.99.0.9", "10.99.0.10"};
static struct cw_dns_record_v1 records[] = {{"adb-1.2", right, 1, 10}};
static struct cw_diagnosis_v1 causes[] = {{.cause = CW_CAUSE_RECORD_WRONG, .message = "m"},
                                          {.cause = CW_CAUSE_NSG_BLOCKS, .message = "m"}};

static struct cw_result_v1 healthy(void)
{
    return (struct cw_result_v1){.outcome = CW_OUTCOME_SUCCEEDED,
                                 .evidence = {.endpoint_id = ENDPOINT,
                                              .endpoint_address = "10.10.128.4",
                                              .endpoint_status = "Approved",
                                              .zone_name = "z",
                                              .zone_id = ZONE,
                                              .link_id = ZONE "/virtualNetworkLinks/l",
                                              .records = records,
                                              .record_count = 1,
                                              .required_nsg_rules = "NoAzureDatabricksRules",
                                              .public_network_access = "Enabled",
                                              .no_public_ip = CW_TRI_YES}};
}

static struct cw_snapshot_v1 shown(const struct cw_result_v1 *result, const struct cw_snapshot_v1 *previous,
                                   struct cw_arena *mem)
{
    struct cw_snapshot_v1 s;
    assert_int_equal(cw_snapshot_of(result, previous, mem, &s), 0);
    return s;
}

/* The drift as one text: "what before after; …". */
static const char *drift(const struct cw_result_v1 *first, const struct cw_result_v1 *then,
                         struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    struct cw_drift_v1 *items;
    size_t count;
    const struct cw_snapshot_v1 before = shown(first, NULL, mem), after = shown(then, &before, mem);
    assert_int_equal(cw_drift_between(&before, &after, mem, &items, &count), 0);
    for (size_t i = 0; i < count; i++)
        cw_buf_addf(&b, "%s%s %s %s", i == 0 ? "" : "; ", cw_drift_name((enum cw_drift_what)items[i].what),
                    items[i].before == NULL ? "-" : items[i].before,
                    items[i].after == NULL ? "-" : items[i].after);
    return cw_arena_strdup(mem, cw_buf_z(&b));
}

static void the_same_is_no_drift(void **state)
{
    struct cw_result_v1 first = healthy(), then = healthy();
    struct cw_dns_record_v1 slower[] = {{"adb-1.2", right, 1, 3600}};
    then.evidence.endpoint_id =
        "/SUBSCRIPTIONS/s/resourcegroups/g/providers/Microsoft.Network/privateEndpoints/e";
    then.evidence.records = slower;
    assert_string_equal(drift(&first, &then, *state), "");
}

static void each_difference_is_told_in_order(void **state)
{
    struct cw_result_v1 first = healthy(), then = healthy();
    struct cw_dns_record_v1 others[] = {{"adb-1.2", wrong, 2, 10}};
    then.outcome = CW_OUTCOME_FAILED;
    then.evidence = (struct cw_proof_v1){.endpoint_id = ENDPOINT "2",
                                         .endpoint_address = "10.10.128.9",
                                         .endpoint_status = "Disconnected",
                                         .zone_name = "z",
                                         .zone_id = ZONE "2",
                                         .link_id = "l2",
                                         .records = others,
                                         .record_count = 1,
                                         .required_nsg_rules = "AllRules",
                                         .public_network_access = "Disabled",
                                         .no_public_ip = CW_TRI_NO};
    then.diagnosis = causes;
    then.diagnosis_count = 2;
    assert_string_equal(
        drift(&first, &then, *state),
        "outcome succeeded failed; endpointId " ENDPOINT " " ENDPOINT "2; endpointAddress 10.10.128.4 "
        "10.10.128.9; endpointStatus Approved Disconnected; zoneId " ZONE " " ZONE "2; linkId " ZONE
        "/virtualNetworkLinks/l l2; records adb-1.2 10.10.128.4 adb-1.2 10.99.0.9 10.99.0.10; "
        "requiredNsgRules NoAzureDatabricksRules AllRules; publicNetworkAccess Enabled Disabled; "
        "noPublicIp true false; causes - nsg_blocks, record_wrong");
}

/* A run that was stopped early has seen nothing: nothing has gone away. */
static void what_was_not_looked_at_is_as_it_was(void **state)
{
    struct cw_result_v1 first = healthy(), then = {.outcome = CW_OUTCOME_FAILED};
    struct cw_arena *mem = *state;
    assert_string_equal(drift(&first, &then, mem), "outcome succeeded failed");
    const struct cw_snapshot_v1 before = shown(&first, NULL, mem), unseen = shown(&then, &before, mem);
    assert_string_equal(unseen.endpoint_address, "10.10.128.4");
    assert_int_equal(unseen.record_count, 1);
    assert_int_equal(unseen.no_public_ip, CW_TRI_YES);
}

static void what_was_looked_for_and_is_gone(void **state)
{
    struct cw_result_v1 first = healthy(), then = healthy();
    then.evidence.endpoint_id = then.evidence.endpoint_address = NULL;
    then.evidence.endpoint_status = "None";
    then.evidence.link_id = NULL;
    then.evidence.record_count = 0;
    assert_string_equal(drift(&first, &then, *state),
                        "endpointId " ENDPOINT
                        " -; endpointAddress 10.10.128.4 -; endpointStatus Approved None; linkId " ZONE
                        "/virtualNetworkLinks/l -; records adb-1.2 10.10.128.4 -");
    /* Without a zone nobody looked for the record. */
    then = healthy();
    then.evidence.zone_id = then.evidence.link_id = NULL;
    then.evidence.record_count = 0;
    assert_string_equal(drift(&first, &then, *state),
                        "zoneId " ZONE " -; linkId " ZONE "/virtualNetworkLinks/l -");
}

/* A record that the worker's own name server has shown is compared like one that was read. */
static void a_resolvers_record_is_compared(void **state)
{
    struct cw_result_v1 first = healthy(), then = healthy();
    struct cw_dns_record_v1 others[] = {{"adb-1.2", wrong, 1, 10}};
    then.evidence.zone_name = then.evidence.zone_id = then.evidence.link_id = NULL;
    assert_string_equal(drift(&first, &then, *state), "");
    then.evidence.records = others;
    assert_string_equal(drift(&first, &then, *state), "records adb-1.2 10.10.128.4 adb-1.2 10.99.0.9");
}

static void causes_outlive_a_failure_without_diagnosis(void **state)
{
    struct cw_result_v1 first = healthy(), then = healthy();
    first.outcome = then.outcome = CW_OUTCOME_FAILED;
    first.diagnosis = causes;
    first.diagnosis_count = 1;
    assert_string_equal(drift(&first, &then, *state), "");
    then.outcome = CW_OUTCOME_SUCCEEDED;
    assert_string_equal(drift(&first, &then, *state), "outcome failed succeeded; causes record_wrong -");
}

static void the_first_verdict_has_none(void **state)
{
    struct cw_result_v1 then = healthy();
    struct cw_drift_v1 *items;
    size_t count;
    const struct cw_snapshot_v1 none = {0}, after = shown(&then, &none, *state);
    assert_int_equal(cw_drift_between(&none, &after, *state, &items, &count), 0);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_same_is_no_drift),
        CASE(each_difference_is_told_in_order),
        CASE(what_was_not_looked_at_is_as_it_was),
        CASE(what_was_looked_for_and_is_gone),
        CASE(a_resolvers_record_is_compared),
        CASE(causes_outlive_a_failure_without_diagnosis),
        CASE(the_first_verdict_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

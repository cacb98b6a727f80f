#include "schema/result_v1.h"

#include "schema/facts_shapes.h"

const char *const cw_outcome_names[CW_OUTCOME__COUNT] = {"succeeded", "failed", "rejected", "cancelled",
                                                         "planned"};
const char *const cw_step_outcome_names[CW_STEP_OUTCOME__COUNT] = {"done", "skipped", "failed", "undone"};

#define TEXT(name_, member, text_)                                       \
    {                                                                    \
        .name = name_, .type = CW_MEMBER_TEXT, AT(member), .text = text_ \
    }
#define NEED_TEXT(name_, member, text_)                                                       \
    {                                                                                         \
        .name = name_, .type = CW_MEMBER_TEXT, .is_required = true, AT(member), .text = text_ \
    }
#define INT(name_, member, text_)                                       \
    {                                                                   \
        .name = name_, .type = CW_MEMBER_INT, AT(member), .text = text_ \
    }
#define NEED_INT(name_, member, text_)                                                       \
    {                                                                                        \
        .name = name_, .type = CW_MEMBER_INT, .is_required = true, AT(member), .text = text_ \
    }
#define COUNT(member) .count_offset = offsetof(TYPE, member)
#define AT(member) .offset = offsetof(TYPE, member)

#define TYPE struct cw_step_result_v1
static const struct cw_member step_members[] = {
    NEED_TEXT("name", name, "the step"),
    {.name = "outcome",
     .type = CW_MEMBER_ENUM,
     .names = cw_step_outcome_names,
     .name_count = CW_STEP_OUTCOME__COUNT,
     .is_required = true,
     AT(outcome),
     .text = "how it ended"},
    {.name = "found", .type = CW_MEMBER_TEXTS, AT(found), COUNT(found_count), .text = "what it found"},
    {.name = "changed",
     .type = CW_MEMBER_TEXTS,
     AT(changed),
     COUNT(changed_count),
     .text = "what it changed; in plan mode, what it would change"},
    INT("durationMs", duration_ms, "milliseconds, all attempts together"),
    INT("attempts", attempts, "how often it was begun"),
};
#undef TYPE
static const struct cw_shape step_shape = {.name = "step",
                                           .text = "One step of the plan.",
                                           .bytes = sizeof(struct cw_step_result_v1),
                                           CW_MEMBERS(step_members)};

#define TYPE struct cw_proof_v1
static const struct cw_member proof_members[] = {
    TEXT("workspaceUrl", workspace_url, "host of the workspace"),
    TEXT("workspaceNumericId", workspace_numeric_id, "its number"),
    TEXT("endpointId", endpoint_id, "the private endpoint"),
    TEXT("endpointAddress", endpoint_address, "its private IPv4 address"),
    TEXT("endpointStatus", endpoint_status,
         "of its connection: Approved, Pending, Rejected, Disconnected, or None"),
    TEXT("zoneName", zone_name, "name of the zone that was looked for"),
    TEXT("zoneId", zone_id, "the private DNS zone"),
    TEXT("linkId", link_id, "its link to the workspace's VNet"),
    {.name = "records",
     .type = CW_MEMBER_LIST,
     .child = &cw_dns_record_v1_shape,
     AT(records),
     COUNT(record_count),
     .text = "the workspace's records in it"},
    {.name = "resolver",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_probe_dns_v1_shape,
     AT(resolver),
     .text = "what the worker's own name server answered (`dns.resolver`)"},
    TEXT("requiredNsgRules", required_nsg_rules, "setting of the workspace"),
    TEXT("publicNetworkAccess", public_network_access, "setting of the workspace"),
    {.name = "noPublicIp", .type = CW_MEMBER_TRI, AT(no_public_ip), .text = "setting of the workspace"},
    TEXT("clusterId", cluster_id, "the cluster that was launched; it is gone by now"),
    TEXT("clusterState", cluster_state, "the last state it reached"),
    {.name = "clusterTermination",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_termination_v1_shape,
     AT(cluster_termination),
     .text = "why it ended, if it did by itself"},
    {.name = "probe", .type = CW_MEMBER_JSON, AT(probe_json), .text = "what the probe printed on the node"},
};
#undef TYPE
static const struct cw_shape proof_shape = {.name = "proof",
                                            .text = "What proves it.",
                                            .bytes = sizeof(struct cw_proof_v1),
                                            CW_MEMBERS(proof_members)};

#define TYPE struct cw_error_v1
static const struct cw_member error_members[] = {
    TEXT("class", class,
         "retry, conflict, throttled, misconfigured, denied, invalid, cancelled, lost or bug"),
    TEXT("code", code, "our code, such as EMISCONFIGURED, or Azure's"),
    TEXT("message", message, "what happened"),
    TEXT("remedy", remedy, "what to do about it"),
    TEXT("correlationId", correlation_id, "for a support request with Microsoft"),
};
#undef TYPE
const struct cw_shape cw_error_v1_shape = {.name = "error",
                                           .text = "Why it did not succeed.",
                                           .bytes = sizeof(struct cw_error_v1),
                                           CW_MEMBERS(error_members)};

#define TYPE struct cw_problem_v1
static const struct cw_member problem_members[] = {
    NEED_TEXT("pointer", pointer, "JSON pointer into the data, or `ce:` and an attribute"),
    NEED_TEXT("message", message, "what is wrong there"),
    TEXT("remedy", remedy, "what to write instead"),
};
#undef TYPE
const struct cw_shape cw_problem_v1_shape = {.name = "problem",
                                             .text = "One thing that is wrong with a request.",
                                             .bytes = sizeof(struct cw_problem_v1),
                                             CW_MEMBERS(problem_members)};

#define TYPE struct cw_compute_change_v1
static const struct cw_member compute_change_members[] = {
    {.name = "kind",
     .type = CW_MEMBER_ENUM,
     .names = cw_compute_v1_kind_names,
     .name_count = CW_COMPUTE_V1__COUNT,
     .is_required = true,
     AT(kind),
     .text = "what it is"},
    NEED_TEXT("id", id, "its id in the workspace"),
    TEXT("name", name, "its name"),
    TEXT("before", before, "its state before anything was stopped"),
    TEXT("after", after, "its state at the end"),
};
#undef TYPE
static const struct cw_shape compute_change_shape = {.name = "computeChange",
                                                     .text = "What ran before, and what runs now.",
                                                     .bytes = sizeof(struct cw_compute_change_v1),
                                                     CW_MEMBERS(compute_change_members)};

#define TYPE struct cw_calls_v1
static const struct cw_member calls_members[] = {
    NEED_INT("reads", reads, "GET requests to Azure and Databricks"),
    NEED_INT("writes", writes, "PUT, PATCH and POST requests"),
    NEED_INT("deletes", deletes, "DELETE requests"),
};
#undef TYPE
static const struct cw_shape calls_shape = {
    .name = "calls", .text = "What it cost.", .bytes = sizeof(struct cw_calls_v1), CW_MEMBERS(calls_members)};

#define TYPE struct cw_result_v1
static const struct cw_member result_members[] = {
    NEED_TEXT("requestId", request_id, "id of the request"),
    NEED_TEXT("requestType", request_type, "its type"),
    NEED_TEXT("workspaceId", workspace_id, "the workspace, as the request names it"),
    {.name = "outcome",
     .type = CW_MEMBER_ENUM,
     .names = cw_outcome_names,
     .name_count = CW_OUTCOME__COUNT,
     .is_required = true,
     AT(outcome),
     .text = "the verdict"},
    NEED_TEXT("summary", summary, "the verdict in a sentence"),
    {.name = "startedAt", .type = CW_MEMBER_TIME, AT(started_at), .text = "when the first step began"},
    {.name = "finishedAt",
     .type = CW_MEMBER_TIME,
     .is_required = true,
     AT(finished_at),
     .text = "when the verdict was made"},
    INT("durationMs", duration_ms, "from one to the other"),
    {.name = "steps",
     .type = CW_MEMBER_LIST,
     .child = &step_shape,
     .is_required = true,
     AT(steps),
     COUNT(step_count),
     .text = "the steps in their order"},
    NEED_INT("changes", changes, "how many changes were made"),
    INT("wouldChange", would_change, "plan mode: how many would be made"),
    {.name = "evidence",
     .type = CW_MEMBER_OBJECT,
     .child = &proof_shape,
     AT(evidence),
     .text = "what proves it"},
    {.name = "error",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_error_v1_shape,
     AT(error),
     .text = "why it did not succeed"},
    {.name = "problems",
     .type = CW_MEMBER_LIST,
     .child = &cw_problem_v1_shape,
     AT(problems),
     COUNT(problem_count),
     .text = "everything that is wrong with a rejected request"},
    {.name = "leftOver",
     .type = CW_MEMBER_TEXTS,
     AT(left_over),
     COUNT(left_over_count),
     .text = "what was changed and could not be put back: the step, and its change"},
    {.name = "diagnosis",
     .type = CW_MEMBER_LIST,
     .child = &cw_diagnosis_v1_shape,
     AT(diagnosis),
     COUNT(diagnosis_count),
     .text = "possible causes of a failed proof, likeliest first"},
    {.name = "watch",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_watch_run_v1_shape,
     AT(watch),
     .text = "of a request with `options.repeatSeconds`"},
    {.name = "drift",
     .type = CW_MEMBER_LIST,
     .child = &cw_drift_v1_shape,
     AT(drift),
     COUNT(drift_count),
     .text = "what differs from the last verdict of the same watch"},
    {.name = "compute",
     .type = CW_MEMBER_LIST,
     .child = &compute_change_shape,
     AT(compute),
     COUNT(compute_count),
     .text = "what ran before, and what runs now"},
    {.name = "outageMs",
     .type = CW_MEMBER_INT,
     .min = 0,
     .max = INT64_MAX,
     .otherwise = "-1",
     AT(outage_ms),
     .text = "of a migration: milliseconds from the first stop of compute until all of it ran again"},
    {.name = "calls",
     .type = CW_MEMBER_OBJECT,
     .child = &calls_shape,
     .is_required = true,
     AT(calls),
     .text = "what it cost"},
    TEXT("worker", worker, "who finished it"),
    INT("planVersion", plan_version, "version of the plan"),
    {.name = "leftOut",
     .type = CW_MEMBER_TEXTS,
     AT(left_out),
     COUNT(left_out_count),
     .text = "members of which something is missing here, because the event was too big for its topic"},
};
#undef TYPE
const struct cw_shape cw_result_v1_shape = {.name = "result",
                                            .text = "The one verdict of a request.",
                                            .bytes = sizeof(struct cw_result_v1),
                                            CW_MEMBERS(result_members)};

int cw_result_from_facts(struct cw_result_v1 *result, const struct cw_facts *facts, struct cw_arena *mem)
{
    result->evidence = (struct cw_proof_v1){
        .workspace_url = facts->workspace_url,
        .workspace_numeric_id = facts->workspace_numeric_id,
        .endpoint_id = facts->endpoint_id,
        .endpoint_address = facts->endpoint_address,
        .endpoint_status = facts->endpoint_status,
        .zone_name = facts->zone_name,
        .zone_id = facts->zone_id,
        .link_id = facts->link_id,
        .resolver = facts->resolver,
        .required_nsg_rules = facts->required_nsg_rules,
        .public_network_access = facts->public_network_access,
        .no_public_ip = facts->no_public_ip,
        .records = facts->records,
        .record_count = facts->record_count,
        .cluster_id = facts->cluster_id,
        .cluster_state = facts->cluster_state,
        .cluster_termination =
            cw_facts_proof(facts)->code != NULL ? facts->cluster_termination : (struct cw_termination_v1){0},
        .probe_json = facts->probe_json,
    };
    result->diagnosis = facts->diagnosis;
    result->diagnosis_count = facts->diagnosis_count;
    struct cw_compute_change_v1 *items = cw_arena_alloc_array(mem, facts->compute_count, sizeof *items);
    if (items == NULL && facts->compute_count > 0)
        return -CW_ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < facts->compute_count; i++) {
        const struct cw_compute_v1 *c = &facts->compute[i];
        if (!c->was_running && !c->stopped_by_us)
            continue;
        items[count++] = (struct cw_compute_change_v1){.kind = c->kind,
                                                       .id = c->id,
                                                       .name = c->name,
                                                       .before = c->state,
                                                       .after = c->state_now != NULL ? c->state_now
                                                                : c->stopped_by_us   ? "stopped"
                                                                                     : c->state};
    }
    result->compute = items;
    result->compute_count = count;
    result->outage_ms = facts->outage_began_ms > 0 && facts->outage_ended_ms >= facts->outage_began_ms
                            ? facts->outage_ended_ms - facts->outage_began_ms
                            : -1;
    return 0;
}

void cw_result_event_id(const char *workspace_key, const char *request_id, char out[CW_UUID_BYTES])
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_addf(&b, "result:%s:%s", workspace_key, request_id);
    cw_uuid5(cw_buf_z(&b), b.n, out);
}

int cw_problems_v1_of(const struct cw_problems *problems, struct cw_arena *mem,
                      struct cw_problem_v1 **ret_items, size_t *ret_count)
{
    size_t count = problems->count + (problems->more > 0 ? 1 : 0);
    struct cw_problem_v1 *items = cw_arena_alloc_array(mem, count, sizeof *items);
    if (items == NULL && count > 0)
        return -CW_ENOMEM;
    for (size_t i = 0; i < problems->count; i++)
        items[i] = (struct cw_problem_v1){.pointer = problems->items[i].pointer,
                                          .message = problems->items[i].message,
                                          .remedy = problems->items[i].remedy};
    if (problems->more > 0) {
        const char *message = cw_arena_printf(mem, "%zu more", problems->more);
        if (message == NULL)
            return -CW_ENOMEM;
        items[problems->count] = (struct cw_problem_v1){.pointer = "", .message = message, .remedy = ""};
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

int cw_result_encode(const struct cw_result_v1 *result, const struct cw_event *event, const char *key,
                     struct cw_arena *mem, struct cw_record_out *ret_record, struct cw_err *err)
{
    struct cw_event typed = *event;
    typed.type = CW_RESULT_TYPE;
    return cw_event_write(&typed, key, cw_shape_encode(&cw_result_v1_shape, result), mem, ret_record, err);
}

int cw_result_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                     struct cw_result_v1 *ret_result, struct cw_err *err)
{
    const char *const types[] = {CW_RESULT_TYPE};
    const struct cw_shape *const shapes[] = {&cw_result_v1_shape};
    size_t which;
    return cw_event_decode(rec, types, shapes, 1, mem, ret_event, ret_result, &which, err);
}

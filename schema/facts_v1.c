#include "schema/facts_v1.h"

#include "schema/facts_shapes.h"

#define AT(member) .offset = offsetof(struct cw_settings_v1, member)
static const struct cw_member settings_members[] = {
    {.name = "requiredNsgRules", .type = CW_MEMBER_TEXT, AT(required_nsg_rules)},
    {.name = "publicNetworkAccess", .type = CW_MEMBER_TEXT, AT(public_network_access)},
};
#undef AT
static const struct cw_shape settings_shape = {.name = "settings",
                                               .text = "Network settings of a workspace.",
                                               .bytes = sizeof(struct cw_settings_v1),
                                               CW_MEMBERS(settings_members)};

#define AT(member) .offset = offsetof(struct cw_termination_v1, member)
static const struct cw_member termination_members[] = {
    {.name = "code", .type = CW_MEMBER_TEXT, AT(code), .text = "as Databricks gives it; an open list"},
    {.name = "type",
     .type = CW_MEMBER_TEXT,
     AT(type),
     .text = "CLIENT_ERROR, CLOUD_FAILURE, SERVICE_FAULT; a hint only"},
    {.name = "message", .type = CW_MEMBER_TEXT, AT(message), .text = "messages of Databricks and Azure"},
};
#undef AT
const struct cw_shape cw_termination_v1_shape = {.name = "termination",
                                                 .text = "Why a cluster ended.",
                                                 .bytes = sizeof(struct cw_termination_v1),
                                                 CW_MEMBERS(termination_members)};

#define AT(member) .offset = offsetof(struct cw_proof_error_v1, member)
static const struct cw_member proof_error_members[] = {
    {.name = "step", .type = CW_MEMBER_TEXT, AT(step)},
    {.name = "code", .type = CW_MEMBER_TEXT, AT(code)},
    {.name = "message", .type = CW_MEMBER_TEXT, AT(message)},
    {.name = "remedy", .type = CW_MEMBER_TEXT, AT(remedy)},
};
#undef AT
static const struct cw_shape proof_error_shape = {.name = "proofError",
                                                  .text = "A proof that failed.",
                                                  .bytes = sizeof(struct cw_proof_error_v1),
                                                  CW_MEMBERS(proof_error_members)};

#define AT(member) .offset = offsetof(struct cw_facts, member)
#define TEXT(name_, member)                               \
    {                                                     \
        .name = name_, .type = CW_MEMBER_TEXT, AT(member) \
    }
#define TRI(name_, member)                               \
    {                                                    \
        .name = name_, .type = CW_MEMBER_TRI, AT(member) \
    }
#define OBJECT(name_, member, shape)                                           \
    {                                                                          \
        .name = name_, .type = CW_MEMBER_OBJECT, .child = &(shape), AT(member) \
    }
#define LIST(name_, member, count, shape)                                     \
    {                                                                         \
        .name = name_, .type = CW_MEMBER_LIST, .child = &(shape), AT(member), \
        .count_offset = offsetof(struct cw_facts, count)                      \
    }
static const struct cw_member facts_members[] = {
    TEXT("location", location),
    TEXT("sku", sku),
    TEXT("vnetId", vnet_id),
    TEXT("hostSubnet", host_subnet),
    TEXT("containerSubnet", container_subnet),
    TEXT("nsgId", nsg_id),
    TEXT("endpointSubnetId", endpoint_subnet_id),
    TEXT("endpointSubnetPrefix", endpoint_subnet_prefix),
    TEXT("workspaceUrl", workspace_url),
    TEXT("workspaceNumericId", workspace_numeric_id),
    TEXT("managedGroup", managed_group),
    TEXT("requiredNsgRules", required_nsg_rules),
    TEXT("publicNetworkAccess", public_network_access),
    TRI("noPublicIp", no_public_ip),
    TRI("workspaceExisted", workspace_existed),
    OBJECT("settingsBefore", settings_before, settings_shape),
    LIST("compute", compute, compute_count, cw_compute_v1_shape),
    {.name = "computeListed", .type = CW_MEMBER_BOOL, AT(compute_listed)},
    {.name = "outageBegan", .type = CW_MEMBER_TIME, AT(outage_began_ms)},
    {.name = "outageEnded", .type = CW_MEMBER_TIME, AT(outage_ended_ms)},
    TEXT("endpointId", endpoint_id),
    TEXT("endpointName", endpoint_name),
    TEXT("nicId", nic_id),
    TEXT("endpointAddress", endpoint_address),
    TEXT("endpointStatus", endpoint_status),
    TEXT("zoneId", zone_id),
    TEXT("zoneName", zone_name),
    TEXT("linkId", link_id),
    TEXT("recordName", record_name),
    LIST("records", records, record_count, cw_dns_record_v1_shape),
    OBJECT("resolver", resolver, cw_probe_dns_v1_shape),
    TEXT("browserZoneId", browser_zone_id),
    TEXT("browserEndpointId", browser_endpoint_id),
    TEXT("clusterId", cluster_id),
    TEXT("clusterState", cluster_state),
    TEXT("clusterNodeType", cluster_node_type),
    TEXT("clusterSparkVersion", cluster_spark_version),
    {.name = "clusterStarted", .type = CW_MEMBER_TIME, AT(cluster_started_ms)},
    OBJECT("clusterTermination", cluster_termination, cw_termination_v1_shape),
    {.name = "probe", .type = CW_MEMBER_JSON, AT(probe_json)},
    OBJECT("proofError", proof_error, proof_error_shape),
    TRI("isRepaired", is_repaired),
    OBJECT("proofAgain", proof_again, proof_error_shape),
    LIST("diagnosis", diagnosis, diagnosis_count, cw_diagnosis_v1_shape),
};
#undef AT
const struct cw_shape cw_facts_shape = {.name = "facts",
                                        .text = "What the steps of a request have learned.",
                                        .bytes = sizeof(struct cw_facts),
                                        CW_MEMBERS(facts_members)};

const struct cw_proof_error_v1 *cw_facts_proof(const struct cw_facts *facts)
{
    return facts->is_repaired == CW_TRI_YES ? &facts->proof_again : &facts->proof_error;
}

int cw_facts_merge(struct cw_facts *into, const struct cw_facts *from, struct cw_arena *mem)
{
    return cw_shape_merge(&cw_facts_shape, into, from, mem);
}

char *cw_facts_encode(const struct cw_facts *facts, struct cw_arena *mem)
{
    return cw_shape_print(&cw_facts_shape, facts, mem);
}

int cw_facts_decode(const char *p, size_t n, struct cw_arena *mem, struct cw_facts *ret_facts,
                    struct cw_err *err)
{
    json_t *doc = NULL;
    struct cw_problems problems = {0};
    int r = cw_json_parse_in(mem, p, n, CW_FACTS_BYTES_MAX, &doc, err);
    if (r < 0)
        return r;
    r = cw_shape_decode(&cw_facts_shape, doc, "", mem, ret_facts, &problems);
    if (r == -CW_EINVAL)
        return cw_problems_to_err(&problems, err);
    return r < 0 ? cw_err_set(err, r, "decode facts") : 0;
}

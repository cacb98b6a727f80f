/* From the reason of a failed start to the causes that it can come from. */
#include "worker/steps/diagnosis.h"
#include "worker/steps/termination.h"

#define C(id) (UINT64_C(1) << CW_CAUSE_##id)
#define NAMES                                                                                           \
    (C(ZONE_NOT_LINKED) | C(RECORD_MISSING) | C(RECORD_WRONG) | C(RECORD_OVERWRITTEN) | C(CUSTOM_DNS) | \
     C(STALE_DNS) | C(WRONG_ZONE_NAME))
#define ENDPOINT (C(ENDPOINT_MISSING) | C(ENDPOINT_UNREACHABLE) | C(ENDPOINT_NOT_APPROVED))
#define ENDPOINT_WAY (C(ENDPOINT_SUBNET_FILTERED) | C(ROUTE_OVERRIDES_ENDPOINT))
#define TO_ENDPOINT (ENDPOINT_WAY | C(NSG_BLOCKS))
#define OUTWARD                                                                                  \
    (C(ROUTE_FIREWALL) | C(NO_EGRESS) | C(BLACKHOLE_ROUTE) | C(NSG_BLOCKS) | C(TLS_INSPECTION) | \
     C(STORAGE_FIREWALL))
/* A start that never came to its end. */
#define START_UP (NAMES | OUTWARD | ENDPOINT_WAY | C(DATABRICKS))
/* Never excluded by a code: they are about us, or hide the rest. */
#define ALWAYS (C(UNREADABLE) | C(NOT_SETTLED) | C(WORKER_OUTSIDE) | C(RESOURCE_LOCKED))

#define LESS_LIKELY 45

static const struct {
    const char *pattern;
    uint64_t causes;
} symptoms[] = {
    {"CONTROL_PLANE_*", NAMES | ENDPOINT | TO_ENDPOINT | C(SETTINGS_MISMATCH) | C(IP_ACCESS_LIST) |
                            C(BLACKHOLE_ROUTE) | C(TLS_INSPECTION)},
    {"NETWORK_CHECK_CONTROL_PLANE_*",
     NAMES | ENDPOINT | TO_ENDPOINT | C(SETTINGS_MISMATCH) | C(IP_ACCESS_LIST) | C(BLACKHOLE_ROUTE)},
    {"NETWORK_CHECK_DNS_*", NAMES | OUTWARD},
    {"DNS_RESOLUTION_ERROR", NAMES | OUTWARD},
    {"NETWORK_CONFIGURATION_FAILURE", NAMES | OUTWARD | C(SUBNET_DELEGATION)},
    {"AZURE_VNET_CONFIGURATION_FAILURE", NAMES | OUTWARD | C(SUBNET_DELEGATION)},
    {"NPIP_TUNNEL_SETUP_*", NAMES | ENDPOINT | TO_ENDPOINT},
    {"NPIP_TUNNEL_TOKEN_*", C(DATABRICKS)},
    {"INTERNAL_ERROR", C(DATABRICKS)},
    {"SERVICE_FAULT", C(DATABRICKS)},
    {"REQUEST_THROTTLED", C(DATABRICKS)},
    {"TEMPORARILY_UNAVAILABLE", C(DATABRICKS)},
    {"MTLS_PORT_*", TO_ENDPOINT},
    {"STORAGE_DOWNLOAD_*", OUTWARD},
    {"SPARK_IMAGE_DOWNLOAD_*", OUTWARD},
    {"NETWORK_CHECK_STORAGE_*", OUTWARD},
    {"X_NHC_STORAGE_*", OUTWARD},
    {"BOOTSTRAP_TIMEOUT*", START_UP},
    {"SELF_BOOTSTRAP_FAILURE", START_UP},
    {"INSTANCE_UNREACHABLE*", START_UP},
    {"SECURITY_DAEMON_*", START_UP},
    {"*METASTORE_*", OUTWARD},
    {"DBFS_COMPONENT_*", C(STORAGE_FIREWALL) | C(ROUTE_FIREWALL)},
    {"DRIVER_UNREACHABLE", C(NSG_BLOCKS) | C(ROUTE_FIREWALL) | C(STALE_DNS)},
    {"COMMUNICATION_LOST", C(NSG_BLOCKS) | C(ROUTE_FIREWALL) | C(STALE_DNS)},
    {"SUBNET_EXHAUSTED_*", C(SUBNET_FULL)},
    {"IP_EXHAUSTION_*", C(SUBNET_FULL)},
    {"CLOUD_PROVIDER_LAUNCH_FAILURE*", C(SUBNET_DELEGATION) | C(CAPACITY) | C(WORKSPACE_NOT_ELIGIBLE)},
    {"WORKSPACE_CONFIGURATION*", C(SUBNET_DELEGATION) | C(CAPACITY) | C(WORKSPACE_NOT_ELIGIBLE)},
    {"AZURE_OPERATION_NOT_ALLOWED_*", C(SUBNET_DELEGATION) | C(CAPACITY) | C(WORKSPACE_NOT_ELIGIBLE)},
    {"AZURE_INVALID_DEPLOYMENT_*", C(SUBNET_DELEGATION) | C(CAPACITY) | C(WORKSPACE_NOT_ELIGIBLE)},
};

/* The failed start that this proof ended with, not an earlier try's. */
static const struct cw_termination_v1 *reason_of(const struct cw_step_ctx *c)
{
    const struct cw_proof_error_v1 *proof = cw_facts_proof(c->facts);
    return cw_z_starts(proof->step, "launch_cluster") ? &c->facts->cluster_termination : NULL;
}

enum cw_sign cw_diagnosis_sign(const struct cw_step_ctx *c)
{
    static const struct {
        const char *part;
        enum cw_sign sign;
    } parts[] = {
        {"Configured privacy settings disallow", CW_SIGN_PUBLIC_WAY},
        {"Unauthorized network access", CW_SIGN_ACCESS_LIST},
        {"Unauthorized access to Org", CW_SIGN_ACCESS_LIST},
        {"blocked by Databricks IP ACL", CW_SIGN_ACCESS_LIST},
        {"could not resolve host", CW_SIGN_NO_NAME},
        {"NXDOMAIN", CW_SIGN_NO_NAME},
        {"UnknownHostException", CW_SIGN_NO_NAME},
        {"connection timed out", CW_SIGN_NO_ANSWER},
        {"connect timed out", CW_SIGN_NO_ANSWER},
    };
    const struct cw_termination_v1 *t = reason_of(c);
    for (size_t i = 0; t != NULL && t->message != NULL && i < CW_ARRAY_LEN(parts); i++)
        if (cw_z_contains_nocase(t->message, parts[i].part))
            return parts[i].sign;
    return CW_SIGN_NONE;
}

static bool is_any(const char *code, const char *const *patterns, size_t count)
{
    for (size_t i = 0; code != NULL && i < count; i++)
        if (cw_z_glob(patterns[i], code))
            return true;
    return false;
}

/* Launches fail for the network's shape too: those have findings of their own. */
static bool is_launch_refused(const struct cw_termination_v1 *t)
{
    static const char *const words[] = {"policy", "not authorized", "AuthorizationFailed"};
    const struct cw_termination reason = {t->code, t->type, t->message};
    if (cw_termination_is_capacity(&reason))
        return true;
    if (!cw_z_starts(t->code, "CLOUD_PROVIDER_LAUNCH_FAILURE"))
        return false;
    for (size_t i = 0; i < CW_ARRAY_LEN(words); i++)
        if (cw_z_contains_nocase(t->message, words[i]))
            return true;
    return false;
}

bool cw_diagnosis_is_elsewhere(const struct cw_step_ctx *c, struct cw_findings *f)
{
    static const char *const content[] = {"INIT_SCRIPT_FAILURE*", "GLOBAL_INIT_SCRIPT_FAILURE*", "DOCKER_*",
                                          "SPARK_STARTUP_FAILURE"};
    const struct cw_termination_v1 *t = reason_of(c);
    if (t == NULL || t->code == NULL)
        return false;
    if (is_any(t->code, content, CW_ARRAY_LEN(content)))
        (void)cw_finding_add(f, CW_CAUSE_CLUSTER_CONTENT, CW_SURE, false,
                             "the cluster failed by what runs on it, not by the network",
                             "mend or disable the global init script or policy that the message names");
    else if (is_launch_refused(t))
        (void)cw_finding_add(
            f, CW_CAUSE_CAPACITY, CW_SURE, false,
            "Azure refused the virtual machine: capacity, a quota, a policy or a permission, not the network",
            "do what the message of Azure says, then verify again");
    else
        return false;
    cw_finding_evidence(f, c->facts->cluster_id, "termination_reason.code", "none", t->code);
    if (t->message != NULL)
        cw_finding_evidence(f, c->facts->cluster_id, "termination_reason.parameters", "none", t->message);
    return true;
}

/* 0 = the code, if there is one, says nothing. */
static uint64_t causes_of(const struct cw_step_ctx *c)
{
    const struct cw_termination_v1 *t = reason_of(c);
    uint64_t causes = 0;
    for (size_t i = 0; t != NULL && t->code != NULL && i < CW_ARRAY_LEN(symptoms); i++)
        if (cw_z_glob(symptoms[i].pattern, t->code))
            causes |= symptoms[i].causes;
    return causes;
}

bool cw_diagnosis_blames_service(const struct cw_step_ctx *c)
{
    return causes_of(c) == C(DATABRICKS);
}

void cw_findings_weigh(const struct cw_step_ctx *c, struct cw_findings *findings)
{
    uint64_t causes = causes_of(c);
    if (causes == 0)
        return;
    for (size_t i = 0; i < findings->count; i++) {
        struct cw_diagnosis_v1 *d = &findings->items[i];
        uint64_t cause = UINT64_C(1) << d->cause;
        if ((cause & causes) != 0)
            d->confidence = d->confidence == CW_POSSIBLE ? CW_LIKELY : d->confidence;
        else if ((cause & ALWAYS) == 0)
            d->confidence = CW_MIN(d->confidence, (int64_t)LESS_LIKELY);
    }
}

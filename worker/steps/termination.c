#include "worker/steps/termination.h"

static bool is_any(const char *code, const char *const *patterns, size_t count)
{
    for (size_t i = 0; code != NULL && i < count; i++)
        if (cw_z_glob(patterns[i], code))
            return true;
    return false;
}

bool cw_termination_is_capacity(const struct cw_termination *reason)
{
    static const char *const codes[] = {
        "AZURE_QUOTA_EXCEEDED_EXCEPTION",     "CLOUD_PROVIDER_RESOURCE_STOCKOUT*",
        "UNSUPPORTED_INSTANCE_TYPE",          "AZURE_RESOURCE_MANAGER_THROTTLING",
        "AZURE_RESOURCE_PROVIDER_THROTTLING", "INTERNAL_CAPACITY_FAILURE"};
    static const char *const words[] = {"Quota", "SkuNotAvailable", "AllocationFailed", "Overconstrained"};
    if (is_any(reason->code, codes, CW_ARRAY_LEN(codes)))
        return true;
    /* A launch that Azure refused is capacity only when it says so: delegations, policies and the like fail alike. */
    if (reason->code == NULL || !cw_z_starts(reason->code, "CLOUD_PROVIDER_LAUNCH_FAILURE"))
        return false;
    for (size_t i = 0; i < CW_ARRAY_LEN(words); i++)
        if (cw_z_contains_nocase(reason->message, words[i]))
            return true;
    return false;
}

bool cw_termination_may_pass(const struct cw_termination *reason)
{
    /* Causes that stay until somebody mends them. */
    static const char *const lasting[] = {"CONTROL_PLANE_*",
                                          "NETWORK_*",
                                          "DNS_RESOLUTION_ERROR",
                                          "AZURE_VNET_CONFIGURATION_FAILURE",
                                          "NPIP_TUNNEL_SETUP_*",
                                          "MTLS_PORT_*",
                                          "STORAGE_DOWNLOAD_*",
                                          "SPARK_IMAGE_DOWNLOAD_*",
                                          "X_NHC_*",
                                          "BOOTSTRAP_TIMEOUT*",
                                          "SELF_BOOTSTRAP_FAILURE",
                                          "INSTANCE_UNREACHABLE*",
                                          "SECURITY_DAEMON_*",
                                          "*METASTORE_*",
                                          "DBFS_COMPONENT_*",
                                          "DRIVER_UNREACHABLE",
                                          "COMMUNICATION_LOST",
                                          "SUBNET_EXHAUSTED_*",
                                          "IP_EXHAUSTION_*",
                                          "CLOUD_PROVIDER_LAUNCH_FAILURE*",
                                          "WORKSPACE_CONFIGURATION*",
                                          "AZURE_OPERATION_NOT_ALLOWED_*",
                                          "AZURE_INVALID_DEPLOYMENT_*",
                                          "*INIT_SCRIPT_FAILURE*",
                                          "DOCKER_*",
                                          "SPARK_STARTUP_FAILURE"};
    bool is_fault =
        cw_z_eq_nocase(reason->type, "SERVICE_FAULT") || cw_z_eq_nocase(reason->type, "CLOUD_FAILURE");
    return is_fault && reason->code != NULL && !is_any(reason->code, lasting, CW_ARRAY_LEN(lasting));
}

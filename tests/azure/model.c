/* The model as a whole: making it, answering a request, headers that every answer has. */
#include "tests/azure/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/azure/arm.h"

static char *copy_or(const char *s, const char *fallback)
{
    return strdup(s != NULL ? s : fallback);
}

/* Audiences of the model's own host and of the three clouds, so that clients may keep their defaults. */
static int fill_audiences(struct az_model *m)
{
    char own[512], core[512];
    const char *rest = strchr(m->arm_host, '.');
    az_url_base(m, m->arm_host, own, sizeof own);
    snprintf(core, sizeof core, "https://management.core%s", rest != NULL ? rest : "");
    char with_default_port[512];
    snprintf(with_default_port, sizeof with_default_port, "https://%s", m->arm_host);
    const char *all[] = {own,
                         with_default_port,
                         core,
                         "https://management.azure.com",
                         "https://management.core.windows.net",
                         "https://management.chinacloudapi.cn",
                         "https://management.core.chinacloudapi.cn",
                         "https://management.usgovcloudapi.net",
                         "https://management.core.usgovcloudapi.net"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if ((m->audiences[i] = strdup(all[i])) == NULL)
            return -1;
    return 0;
}

static void add_defaults(struct az_model *m)
{
    json_array_append_new(m->principals, json_pack("{s:s,s:s,s:s,s:[s],s:b}", "tenantId", AZ_DEFAULT_TENANT,
                                                   "clientId", AZ_DEFAULT_CLIENT, "clientSecret",
                                                   AZ_DEFAULT_SECRET, "roles", "Owner", "assertions", 1));
    (void)az_store_put(m, "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION,
                       json_pack("{s:s,s:s,s:s,s:s}", "tenantId", AZ_DEFAULT_TENANT, "subscriptionId",
                                 AZ_DEFAULT_SUBSCRIPTION, "displayName", "Simulated", "state", "Enabled"));
}

struct az_model *az_model_new(const struct az_model_cfg *cfg)
{
    struct az_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->seed = m->rng = cfg->seed;
    m->time_scale = cfg->time_scale > 0 ? cfg->time_scale : 1.0;
    m->port = cfg->port;
    m->arm_host = copy_or(cfg->arm_host, "management.azure.localhost");
    m->login_host = copy_or(cfg->login_host, "login.azure.localhost");
    m->workspace_suffix = copy_or(cfg->workspace_suffix, ".databricks.azure.localhost");
    m->private_zone = copy_or(cfg->private_zone, "privatelink.databricks.azure.localhost");
    m->operations = json_object();
    m->principals = json_array();
    m->durations = json_object();
    m->behaviour = json_object();
    m->throttle = json_object();
    m->versions = json_object();
    m->buckets = json_object();
    m->hosts = json_object();
    m->ledger.entries = json_array();
    az_store_init(m);
    if (m->arm_host == NULL || m->login_host == NULL || m->workspace_suffix == NULL ||
        m->private_zone == NULL || fill_audiences(m) < 0) {
        az_model_free(m);
        return NULL;
    }
    az_lro_init(m);
    az_resources_init(m);
    az_workspace_init(m);
    add_defaults(m);
    if (az_databricks_init(m) < 0) {
        az_model_free(m);
        return NULL;
    }
    return m;
}

void az_model_free(struct az_model *m)
{
    if (m == NULL)
        return;
    az_databricks_fini(m);
    az_model_clear_faults(m);
    az_events_fini(m);
    az_store_fini(m);
    json_t *owned[] = {m->operations, m->principals, m->durations, m->behaviour,     m->throttle,
                       m->versions,   m->buckets,    m->hosts,     m->ledger.entries};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        json_decref(owned[i]);
    for (size_t i = 0; i < sizeof m->audiences / sizeof m->audiences[0]; i++)
        free(m->audiences[i]);
    free(m->arm_host);
    free(m->login_host);
    free(m->workspace_suffix);
    free(m->private_zone);
    free(m);
}

static void add_common_headers(struct az_model *m, const struct az_call *call, struct az_response *res)
{
    char date[64];
    time_t now_s = (time_t)(az_now(m) / 1000);
    struct tm tm;
    gmtime_r(&now_s, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    az_reply_header(res, "Date", "%s", date);
    if (call->host_kind != AZ_HOST_ARM)
        return;
    az_reply_header(res, "x-ms-request-id", "%s", call->request_id);
    az_reply_header(res, "x-ms-correlation-request-id", "%s", call->correlation_id);
    az_reply_header(res, "x-ms-routing-request-id", "SIMULATED:%s:%s", date, call->request_id);
    az_reply_header(res, "Cache-Control", "no-cache");
    az_reply_header(res, "Strict-Transport-Security", "max-age=31536000; includeSubDomains");
    az_reply_header(res, "X-Content-Type-Options", "nosniff");
    const char *wish = az_call_header(call, "x-ms-return-client-request-id");
    const char *client = az_call_header(call, "x-ms-client-request-id");
    if (client != NULL && wish != NULL && az_ieq(wish, "true"))
        az_reply_header(res, "x-ms-client-request-id", "%s", client);
}

static void handle_workspace(struct az_model *m, struct az_call *call, struct az_response *res)
{
    static const char *const audiences[] = {AZ_DATABRICKS_APP, NULL};
    (void)az_call_token(m, call, audiences, &call->who);
    az_databricks_handle(m, call, res);
}

static void dispatch(struct az_model *m, struct az_call *call, struct az_response *res)
{
    bool is_identity = strstr(call->path, "/metadata/identity/") != NULL;
    if (call->host_kind == AZ_HOST_ARM && !is_identity)
        az_arm_handle(m, call, res);
    else if (call->host_kind == AZ_HOST_WORKSPACE)
        handle_workspace(m, call, res);
    else if (call->host_kind == AZ_HOST_LOGIN || is_identity)
        az_login_handle(m, call, res);
    else
        az_reply_text(res, 421, "text/plain", "No such host here.");
}

void az_model_handle(struct az_model *m, const struct az_request *req, struct az_response *ret_res)
{
    memset(ret_res, 0, sizeof *ret_res);
    struct az_call call;
    if (az_call_parse(m, req, &call) < 0) {
        az_reply_error(ret_res, 414, "RequestUriTooLong", "The request URI is too long.");
        az_call_fini(&call);
        return;
    }
    const struct az_fault *fault = az_fault_find(m, &call);
    if (fault == NULL || !az_fault_before(m, fault, &call, ret_res)) {
        call.op_fault = fault;
        dispatch(m, &call, ret_res);
    }
    if (ret_res->status == 0)
        az_reply_error(ret_res, 500, "InternalServerError", "The model gave no answer.");
    add_common_headers(m, &call, ret_res);
    if (fault != NULL)
        az_fault_after(m, fault, &call, ret_res);
    if (call.slow_ms > ret_res->delay_ms)
        ret_res->delay_ms = call.slow_ms;
    az_call_fini(&call);
}

const char *az_arm_host(const struct az_model *m)
{
    return m->arm_host;
}

const char *az_login_host(const struct az_model *m)
{
    return m->login_host;
}

const char *az_workspace_suffix(const struct az_model *m)
{
    return m->workspace_suffix;
}

const char *az_private_zone(const struct az_model *m)
{
    return m->private_zone;
}

void *az_databricks_slot(const struct az_model *m)
{
    return m->databricks;
}

void az_databricks_set_slot(struct az_model *m, void *slot)
{
    m->databricks = slot;
}

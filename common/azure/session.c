#include "common/azure/session.h"

#define CLOUD_STRINGS_BYTES_MAX ((size_t)64 * 1024)

static bool is_set(const char *z)
{
    return z != NULL && z[0] != '\0';
}

static int choose_custom(struct cw_azure_session *s, struct cw_err *err)
{
    const struct cw_settings *set = s->settings;
    const struct cw_cloud_overrides overrides = {
        .arm_endpoint = set->azure_arm_endpoint,
        .arm_audience = set->azure_arm_audience,
        .authority_host = set->azure_authority_host,
        .workspace_suffix = set->azure_workspace_suffix,
        .workspace_port = (int)set->azure_workspace_port,
        .private_zone = set->azure_private_zone,
        .management_resource = set->azure_management_resource,
    };
    if (is_set(set->azure_arm_endpoint))
        return cw_cloud_custom(&overrides, s->mem, &s->cloud, err);
    (void)cw_err_set(err, CW_EINVAL, "azure.cloud custom needs azure.arm-endpoint");
    cw_err_remedy(err, "set CAUSEWAY_AZURE_ARM_ENDPOINT, or choose china, public or usgov");
    return -CW_EINVAL;
}

static int choose_cloud(struct cw_azure_session *s, struct cw_err *err)
{
    static const char *const names[] = {
        [CW_SETTINGS_CHINA] = "china", [CW_SETTINGS_PUBLIC] = "public", [CW_SETTINGS_USGOV] = "usgov"};
    const struct cw_settings *set = s->settings;
    if (set->azure_cloud == CW_SETTINGS_CUSTOM)
        return choose_custom(s, err);
    s->cloud = *cw_cloud_find(names[set->azure_cloud]);
    if (!is_set(set->azure_authority_host))
        return 0;
    struct cw_cloud checked;
    const struct cw_cloud_overrides authority = {.authority_host = set->azure_authority_host};
    int r = cw_cloud_custom(&authority, s->mem, &checked, err);
    if (r == 0)
        s->cloud.authority_host = checked.authority_host;
    return r;
}

static int open_resolver(struct cw_azure_session *s, struct cw_err *err)
{
    return is_set(s->settings->dns_resolver) ? cw_dns_new(s->loop, s->settings->dns_resolver, &s->dns, err)
                                             : 0;
}

static int open_credential(struct cw_azure_session *s, struct cw_err *err)
{
    const struct cw_settings *set = s->settings;
    const struct cw_credential_cfg cfg = {
        .kind = CW_CREDENTIAL_AUTO,
        .tenant_id = set->azure_tenant_id,
        .client_id = set->azure_client_id,
        .client_secret = set->azure_client_secret,
        .certificate_path = set->azure_client_certificate_path,
        .certificate_password = set->azure_client_certificate_password,
        .federated_token_file = set->azure_federated_token_file,
        .imds_endpoint = set->azure_imds_endpoint,
    };
    return cw_credential_new(s->loop, s->http, &s->cloud, &cfg, &s->credential, err);
}

static int open_clients(const struct cw_azure_session *s, const char *tenant_id, struct cw_azure_tenant *t,
                        struct cw_err *err)
{
    double scale = (double)s->settings->azure_time_scale;
    const struct cw_quota_cfg quota = {
        .redis = s->redis,
        .cloud = &s->cloud,
        .tenant_id = tenant_id != NULL ? tenant_id : cw_credential_tenant(s->credential),
        .principal = cw_credential_principal(s->credential),
        .time_scale = scale,
    };
    int r = cw_quota_new(&quota, &t->quota, err);
    if (r < 0)
        return r;
    const struct cw_arm_cfg arm = {
        .cloud = &s->cloud,
        .credential = s->credential,
        .quota = t->quota,
        .tenant_id = tenant_id,
        .time_scale = scale,
    };
    r = cw_arm_new(s->loop, s->http, &arm, &t->arm, err);
    return r < 0 ? r : cw_databricks_new(t->arm, &t->databricks, err);
}

int cw_azure_tenant_open(const struct cw_azure_session *session, const char *tenant_id,
                         struct cw_azure_tenant *ret_tenant, struct cw_err *err)
{
    struct cw_azure_tenant t = {0};
    int r = open_clients(session, tenant_id, &t, err);
    if (r < 0)
        cw_azure_tenant_close(&t);
    else
        *ret_tenant = t;
    return r;
}

void cw_azure_tenant_close(struct cw_azure_tenant *tenant)
{
    cw_databricks_free(tenant->databricks);
    cw_arm_free(tenant->arm);
    cw_quota_free(tenant->quota);
    *tenant = (struct cw_azure_tenant){0};
}

int cw_azure_session_open(struct cw_azure_session *session, struct cw_loop *loop,
                          const struct cw_settings *settings, struct cw_redis *redis, struct cw_err *err)
{
    *session = (struct cw_azure_session){.loop = loop, .settings = settings, .redis = redis};
    const struct cw_http_cfg http = {.ca_file = settings->tls_ca_file};
    int r = cw_arena_new(CLOUD_STRINGS_BYTES_MAX, &session->mem);
    if (r < 0)
        return cw_err_set(err, r, "no memory for the Azure session");
    r = choose_cloud(session, err);
    if (r == 0)
        r = cw_http_new(loop, &http, &session->http, err);
    if (r == 0)
        r = open_resolver(session, err);
    if (r == 0)
        r = open_credential(session, err);
    if (r == 0)
        r = cw_azure_tenant_open(session, NULL, &session->own, err);
    if (r < 0)
        cw_azure_session_close(session);
    return r;
}

void cw_azure_session_close(struct cw_azure_session *session)
{
    cw_azure_tenant_close(&session->own);
    cw_credential_free(session->credential);
    cw_http_free(session->http);
    cw_dns_free(session->dns);
    cw_arena_free(session->mem);
    *session = (struct cw_azure_session){0};
}

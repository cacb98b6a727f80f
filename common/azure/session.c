#include "common/azure/session.h"

#define CLOUD_STRINGS_BYTES_MAX ((size_t)16 * 1024)

static int choose_cloud(struct cw_azure_session *s, const struct cw_settings *settings, struct cw_err *err)
{
    static const char *const names[] = {
        [CW_SETTINGS_CHINA] = "china", [CW_SETTINGS_PUBLIC] = "public", [CW_SETTINGS_USGOV] = "usgov"};
    if (settings->azure_cloud == CW_SETTINGS_CUSTOM) {
        const struct cw_cloud_overrides overrides = {
            .arm_endpoint = settings->azure_arm_endpoint,
            .arm_audience = settings->azure_arm_audience,
            .authority_host = settings->azure_authority_host,
            .workspace_suffix = settings->azure_workspace_suffix,
            .workspace_port = (int)settings->azure_workspace_port,
            .private_zone = settings->azure_private_zone,
            .management_resource = settings->azure_management_resource,
        };
        return cw_cloud_custom(&overrides, s->mem, &s->cloud, err);
    }
    s->cloud = *cw_cloud_find(names[settings->azure_cloud]);
    if (settings->azure_authority_host != NULL)
        s->cloud.authority_host = settings->azure_authority_host;
    return 0;
}

static int open_credential(struct cw_azure_session *s, struct cw_loop *loop,
                           const struct cw_settings *settings, struct cw_err *err)
{
    const struct cw_credential_cfg cfg = {
        .tenant_id = settings->azure_tenant_id,
        .client_id = settings->azure_client_id,
        .client_secret = settings->azure_client_secret,
        .certificate_path = settings->azure_client_certificate_path,
        .certificate_password = getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
        .federated_token_file = settings->azure_federated_token_file,
        .imds_endpoint = getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    };
    return cw_credential_new(loop, s->http, &s->cloud, &cfg, &s->credential, err);
}

static int open_clients(struct cw_azure_session *s, struct cw_loop *loop, const struct cw_settings *settings,
                        struct cw_redis *redis, struct cw_err *err)
{
    const struct cw_quota_cfg quota = {
        .redis = redis,
        .cloud = &s->cloud,
        .tenant_id = cw_credential_tenant(s->credential),
        .principal = cw_credential_principal(s->credential),
        .time_scale = (double)settings->azure_time_scale,
    };
    int r = cw_quota_new(&quota, &s->quota, err);
    if (r < 0)
        return r;
    const struct cw_arm_cfg arm = {
        .cloud = &s->cloud,
        .credential = s->credential,
        .quota = s->quota,
        .time_scale = (double)settings->azure_time_scale,
    };
    r = cw_arm_new(loop, s->http, &arm, &s->arm, err);
    if (r < 0)
        return r;
    return cw_databricks_new(s->arm, &s->databricks, err);
}

int cw_azure_session_open(struct cw_azure_session *session, struct cw_loop *loop,
                          const struct cw_settings *settings, struct cw_redis *redis, struct cw_err *err)
{
    *session = (struct cw_azure_session){0};
    const struct cw_http_cfg http = {.ca_file = settings->tls_ca_file};
    int r = cw_arena_new(CLOUD_STRINGS_BYTES_MAX, &session->mem);
    if (r < 0)
        return cw_err_set(err, -r, "Azure session");
    r = choose_cloud(session, settings, err);
    if (r == 0)
        r = cw_http_new(loop, &http, &session->http, err);
    if (r == 0)
        r = open_credential(session, loop, settings, err);
    if (r == 0)
        r = open_clients(session, loop, settings, redis, err);
    if (r < 0)
        cw_azure_session_close(session);
    return r;
}

void cw_azure_session_close(struct cw_azure_session *session)
{
    cw_databricks_free(session->databricks);
    cw_arm_free(session->arm);
    cw_quota_free(session->quota);
    cw_credential_free(session->credential);
    cw_http_free(session->http);
    cw_arena_free(session->mem);
    *session = (struct cw_azure_session){0};
}

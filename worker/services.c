#include "worker/services.h"

#define TENANTS_MAX 64
#define LIST_MAX 1024
#define MEM_BYTES ((size_t)1 << 20)

struct tenant {
    const char *id; /* NULL: the identity's own */
    struct cw_quota *quota;
    struct cw_arm *arm;
    struct cw_databricks *databricks;
    struct cw_clients clients;
};

struct cw_services {
    struct cw_loop *loop;
    struct cw_redis *redis;
    const struct cw_settings *settings;
    struct cw_arena *mem;
    struct cw_cloud cloud;
    struct cw_http *http;
    struct cw_credential *credential;
    struct cw_policy policy;
    struct tenant tenants[TENANTS_MAX];
    size_t tenant_count;
};

/* ---- settings -------------------------------------------------------------------------------------------------------- */

static int make_cloud(struct cw_services *s, struct cw_err *err)
{
    static const char *const names[] = {"china", "public", "usgov"};
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
    if (set->azure_cloud == CW_SETTINGS_CUSTOM) {
        if (set->azure_arm_endpoint == NULL)
            return cw_err_set(err, CW_EINVAL, "azure.cloud custom needs azure.arm-endpoint");
        return cw_cloud_custom(&overrides, s->mem, &s->cloud, err);
    }
    s->cloud = *cw_cloud_find(names[set->azure_cloud]);
    if (set->azure_authority_host == NULL || set->azure_authority_host[0] == '\0')
        return 0;
    struct cw_cloud checked;
    const struct cw_cloud_overrides authority = {.authority_host = set->azure_authority_host};
    int r = cw_cloud_custom(&authority, s->mem, &checked, err);
    if (r == 0)
        s->cloud.authority_host = checked.authority_host;
    return r;
}

static int make_credential(struct cw_services *s, struct cw_err *err)
{
    const struct cw_settings *set = s->settings;
    const struct cw_credential_cfg cfg = {
        .kind = CW_CREDENTIAL_AUTO,
        .tenant_id = set->azure_tenant_id,
        .client_id = set->azure_client_id,
        .client_secret = set->azure_client_secret,
        .certificate_path = set->azure_client_certificate_path,
        .certificate_password = getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
        .federated_token_file = set->azure_federated_token_file,
        .imds_endpoint = getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    };
    return cw_credential_new(s->loop, s->http, &s->cloud, &cfg, &s->credential, err);
}

/* "a, b,c" as a list; NULL or "" is the empty list. */
static int split(struct cw_arena *mem, const char *text, const char *const **ret_items, size_t *ret_count)
{
    char *copy = cw_arena_strdup(mem, text == NULL ? "" : text), *rest = NULL;
    const char **items = cw_arena_alloc_array(mem, LIST_MAX, sizeof(char *));
    size_t n = 0;
    if (copy == NULL || items == NULL)
        return -CW_ENOMEM;
    for (char *p = strtok_r(copy, ", \t", &rest); p != NULL && n < LIST_MAX;
         p = strtok_r(NULL, ", \t", &rest))
        items[n++] = p;
    *ret_items = items;
    *ret_count = n;
    return 0;
}

static int make_policy(struct cw_services *s, struct cw_err *err)
{
    struct cw_policy *p = &s->policy;
    int r = split(s->mem, s->settings->policy_tenants, &p->tenants, &p->tenant_count);
    if (r == 0)
        r = split(s->mem, s->settings->policy_subscriptions, &p->subscriptions, &p->subscription_count);
    if (r == 0)
        r = split(s->mem, s->settings->policy_regions, &p->regions, &p->region_count);
    return r < 0 ? cw_err_set(err, r, "no memory for the policy") : 0;
}

/* ---- tenants --------------------------------------------------------------------------------------------------------- */

static void free_tenant(struct tenant *t)
{
    cw_databricks_free(t->databricks);
    cw_arm_free(t->arm);
    cw_quota_free(t->quota);
}

static int fill_tenant(struct cw_services *s, struct tenant *t, struct cw_err *err)
{
    double scale = (double)s->settings->azure_time_scale;
    const struct cw_quota_cfg quota = {
        .redis = s->redis,
        .cloud = &s->cloud,
        .tenant_id = t->id != NULL ? t->id : cw_credential_tenant(s->credential),
        .principal = cw_credential_principal(s->credential),
        .time_scale = scale,
    };
    int r = cw_quota_new(&quota, &t->quota, err);
    if (r < 0)
        return r;
    const struct cw_arm_cfg arm = {&s->cloud, s->credential, t->quota, t->id, scale};
    r = cw_arm_new(s->loop, s->http, &arm, &t->arm, err);
    if (r == 0)
        r = cw_databricks_new(t->arm, &t->databricks, err);
    t->clients = (struct cw_clients){t->arm, t->databricks, &s->cloud, &s->policy};
    return r;
}

static int add_tenant(struct cw_services *s, const char *id, struct tenant **ret_tenant, struct cw_err *err)
{
    if (s->tenant_count == TENANTS_MAX)
        return cw_err_set(err, CW_EREJECTED, "this fleet serves at most %d tenants", TENANTS_MAX);
    struct tenant *t = &s->tenants[s->tenant_count];
    *t = (struct tenant){.id = cw_arena_strdup(s->mem, id)};
    if (id != NULL && t->id == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a tenant");
    int r = fill_tenant(s, t, err);
    if (r < 0) {
        free_tenant(t);
        return r;
    }
    s->tenant_count++;
    *ret_tenant = t;
    return 0;
}

/* A tenant outside the policy gets no clients of its own: its request is refused by the first step. */
static bool is_served(const struct cw_services *s, const char *id)
{
    for (size_t i = 0; i < s->policy.tenant_count; i++) {
        if (cw_z_eq_nocase(s->policy.tenants[i], id))
            return true;
    }
    return s->policy.tenant_count == 0;
}

int cw_services_clients_of(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                           struct cw_err *err)
{
    struct cw_services *s = arg;
    struct tenant *t = &s->tenants[0];
    const char *id = req->tenant_id;
    if (id != NULL && !cw_z_eq_nocase(id, cw_credential_tenant(s->credential)) && is_served(s, id)) {
        size_t i = 1;
        while (i < s->tenant_count && !cw_z_eq_nocase(s->tenants[i].id, id))
            i++;
        if (i < s->tenant_count)
            t = &s->tenants[i];
        else {
            int r = add_tenant(s, id, &t, err);
            if (r < 0)
                return r;
        }
    }
    *ret_clients = &t->clients;
    return 0;
}

/* ---- all together ---------------------------------------------------------------------------------------------------- */

static int open_services(struct cw_services *s, struct cw_err *err)
{
    struct tenant *own;
    const struct cw_http_cfg http = {.ca_file = s->settings->tls_ca_file};
    int r = make_cloud(s, err);
    if (r == 0)
        r = cw_http_new(s->loop, &http, &s->http, err);
    if (r == 0)
        r = make_credential(s, err);
    if (r == 0)
        r = make_policy(s, err);
    return r < 0 ? r : add_tenant(s, NULL, &own, err);
}

int cw_services_new(struct cw_loop *loop, struct cw_redis *redis, const struct cw_settings *settings,
                    struct cw_services **ret_services, struct cw_err *err)
{
    struct cw_services *s = calloc(1, sizeof *s);
    if (s == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the services");
    s->loop = loop;
    s->redis = redis;
    s->settings = settings;
    int r = cw_arena_new(MEM_BYTES, &s->mem);
    if (r == 0)
        r = open_services(s, err);
    if (r < 0) {
        cw_services_free(s);
        return r;
    }
    *ret_services = s;
    return 0;
}

void cw_services_free(struct cw_services *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->tenant_count; i++)
        free_tenant(&s->tenants[i]);
    cw_credential_free(s->credential);
    cw_http_free(s->http);
    cw_arena_free(s->mem);
    free(s);
}

int cw_services_check(struct cw_services *s, struct cw_deadline until, struct cw_err *err)
{
    const char *token;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for a token");
    return cw_credential_token(s->credential, NULL, s->cloud.arm_audience, until, mem, &token, err);
}

const struct cw_cloud *cw_services_cloud(const struct cw_services *s)
{
    return &s->cloud;
}

const char *cw_services_credential_name(const struct cw_services *s)
{
    return cw_credential_kind_name(cw_credential_kind_of(s->credential));
}

#include "worker/services.h"

#include "common/azure/session.h"

#define TENANTS_MAX 64
#define LIST_MAX 1024
#define MEM_BYTES ((size_t)1 << 20)

struct tenant {
    const char *id;               /* NULL: the identity's own */
    struct cw_azure_tenant azure; /* zeroed in the own one: the session's */
    struct cw_clients clients;
};

struct cw_services {
    struct cw_azure_session azure;
    const struct cw_settings *settings;
    struct cw_arena *mem;
    struct cw_policy policy;
    struct tenant tenants[TENANTS_MAX];
    size_t tenant_count;
};

/* ---- settings -------------------------------------------------------------------------------------------------------- */

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

static void show_clients(struct cw_services *s, struct tenant *t, const struct cw_azure_tenant *azure)
{
    t->clients =
        (struct cw_clients){azure->arm, azure->databricks, s->azure.dns, &s->azure.cloud, &s->policy};
}

static int add_tenant(struct cw_services *s, const char *id, struct tenant **ret_tenant, struct cw_err *err)
{
    if (s->tenant_count == TENANTS_MAX)
        return cw_err_set(err, CW_EREJECTED, "this fleet serves at most %d tenants", TENANTS_MAX);
    struct tenant *t = &s->tenants[s->tenant_count];
    *t = (struct tenant){.id = cw_arena_strdup(s->mem, id)};
    if (t->id == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a tenant");
    int r = cw_azure_tenant_open(&s->azure, t->id, &t->azure, err);
    if (r < 0)
        return r;
    show_clients(s, t, &t->azure);
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
    if (id != NULL && !cw_z_eq_nocase(id, cw_credential_tenant(s->azure.credential)) && is_served(s, id)) {
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

static int open_services(struct cw_services *s, struct cw_loop *loop, struct cw_redis *redis,
                         struct cw_err *err)
{
    int r = make_policy(s, err);
    if (r == 0)
        r = cw_azure_session_open(&s->azure, loop, s->settings, redis, err);
    if (r < 0)
        return r;
    show_clients(s, &s->tenants[0], &s->azure.own);
    s->tenant_count = 1;
    return 0;
}

int cw_services_new(struct cw_loop *loop, struct cw_redis *redis, const struct cw_settings *settings,
                    struct cw_services **ret_services, struct cw_err *err)
{
    struct cw_services *s = calloc(1, sizeof *s);
    if (s == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the services");
    s->settings = settings;
    int r = cw_arena_new(MEM_BYTES, &s->mem);
    if (r == 0)
        r = open_services(s, loop, redis, err);
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
        cw_azure_tenant_close(&s->tenants[i].azure);
    cw_azure_session_close(&s->azure);
    cw_arena_free(s->mem);
    free(s);
}

int cw_services_check(struct cw_services *s, struct cw_deadline until, struct cw_err *err)
{
    const char *token;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for a token");
    return cw_credential_token(s->azure.credential, NULL, s->azure.cloud.arm_audience, until, mem, &token,
                               err);
}

const struct cw_cloud *cw_services_cloud(const struct cw_services *s)
{
    return &s->azure.cloud;
}

const char *cw_services_credential_name(const struct cw_services *s)
{
    return cw_credential_kind_name(cw_credential_kind_of(s->azure.credential));
}

const struct cw_clients *cw_services_clients(const struct cw_services *s)
{
    return &s->tenants[0].clients;
}

#include "schema/request.h"

#include "schema/request_network.h"

static const struct kind {
    const char *name;
    const char *type;
    const struct cw_shape *shape;
    int64_t deadline_minutes;
} kinds[CW_REQUEST__COUNT] = {
    [CW_REQUEST_PROVISION] = {"provision", "causeway.workspace.provision.v1", &cw_provision_v1_shape, 120},
    [CW_REQUEST_MIGRATE] = {"migrate", "causeway.workspace.migrate.v1", &cw_migrate_v1_shape, 240},
    [CW_REQUEST_VERIFY] = {"verify", "causeway.workspace.verify.v1", &cw_verify_v1_shape, 60},
    [CW_REQUEST_CANCEL] = {"cancel", "causeway.workspace.cancel.v1", &cw_cancel_v1_shape, 0},
};

const char *cw_request_type(enum cw_request_kind kind)
{
    return kinds[kind].type;
}

const char *cw_request_kind_name(enum cw_request_kind kind)
{
    return kinds[kind].name;
}

const struct cw_shape *cw_request_shape(enum cw_request_kind kind)
{
    return kinds[kind].shape;
}

bool cw_request_kind_of(const char *type, enum cw_request_kind *ret_kind)
{
    for (size_t i = 0; i < CW_REQUEST__COUNT; i++) {
        if (cw_z_eq(kinds[i].type, type)) {
            *ret_kind = (enum cw_request_kind)i;
            return true;
        }
    }
    return false;
}

static char *path_segment(const char *id, int n, struct cw_arena *mem)
{
    const char *p = id;
    for (int i = 0; i <= n; i++)
        p = strchr(p, '/') + 1;
    return cw_arena_memdup(mem, p, strcspn(p, "/"));
}

static bool set_workspace(struct cw_request *req, const char *id, struct cw_arena *mem)
{
    if (!cw_format_is(CW_FORMAT_WORKSPACE_ID, id))
        return false;
    char *key = cw_arena_strdup(mem, id);
    req->workspace_id = cw_arena_strdup(mem, id);
    req->subscription_id = path_segment(id, 1, mem);
    req->resource_group = path_segment(id, 3, mem);
    req->workspace_name = path_segment(id, 7, mem);
    if (cw_arena_failed(mem))
        return false;
    cw_z_lower(key);
    req->workspace_key = key;
    return true;
}

static void take_common(struct cw_request *req, void *data)
{
    switch (req->kind) {
    case CW_REQUEST_PROVISION: {
        struct cw_provision_v1 *p = data;
        req->provision = p;
        req->tenant_id = p->tenant_id;
        req->cloud = p->cloud;
        req->options = p->options;
        req->network = p->network;
        req->private_endpoint = p->private_endpoint;
        req->private_dns = p->private_dns;
        req->browser_authentication = p->browser_authentication;
        break;
    }
    case CW_REQUEST_MIGRATE: {
        struct cw_migrate_v1 *m = data;
        req->migrate = m;
        req->tenant_id = m->tenant_id;
        req->cloud = m->cloud;
        req->options = m->options;
        req->network = m->network;
        req->private_endpoint = m->private_endpoint;
        req->private_dns = m->private_dns;
        req->browser_authentication = m->browser_authentication;
        break;
    }
    case CW_REQUEST_VERIFY: {
        struct cw_verify_v1 *v = data;
        req->verify = v;
        req->tenant_id = v->tenant_id;
        req->cloud = v->cloud;
        req->options = v->options;
        req->browser_authentication.mode = CW_BROWSER_CHECK;
        break;
    }
    case CW_REQUEST_CANCEL:
        req->cancel = data;
        break;
    case CW_REQUEST__COUNT:
        break;
    }
}

static void fill_defaults(struct cw_request *req, void *data, struct cw_arena *mem)
{
    if (req->options.deadline_minutes == 0)
        req->options.deadline_minutes = kinds[req->kind].deadline_minutes;
    if (req->kind != CW_REQUEST_PROVISION && req->kind != CW_REQUEST_MIGRATE)
        return;
    cw_network_fill_browser(&req->browser_authentication);
    if (req->private_endpoint.name == NULL)
        req->private_endpoint.name = cw_arena_printf(mem, "%.57s-ui-api", req->workspace_name);
    if (req->kind == CW_REQUEST_MIGRATE) {
        struct cw_migrate_v1 *m = data;
        cw_network_fill_migrate(&req->network);
        m->options = req->options;
        m->network = req->network;
        m->private_endpoint = req->private_endpoint;
        m->browser_authentication = req->browser_authentication;
        return;
    }
    struct cw_provision_v1 *p = data;
    cw_network_fill_provision(&req->network, req->subscription_id, req->resource_group, req->workspace_name,
                              mem);
    if (p->managed_resource_group == NULL)
        p->managed_resource_group = cw_arena_printf(mem, "managed-%s", req->workspace_name);
    p->options = req->options;
    p->network = req->network;
    p->private_endpoint = req->private_endpoint;
    p->browser_authentication = req->browser_authentication;
}

static void check_tags(const struct cw_provision_v1 *p, struct cw_arena *mem, struct cw_problems *problems)
{
    for (size_t i = 0; i < p->tag_count; i++) {
        const char *name = p->tags[i].name;
        if (name[0] == '\0' || strlen(name) > 512 || strpbrk(name, "<>%&\\?/") != NULL ||
            strlen(p->tags[i].value) > 256)
            cw_problems_add(
                problems, mem, "/tags",
                "use a name of 1 to 512 characters without < > % & \\ ? / and a value of at most 256",
                "tag %zu is not valid", i + 1);
    }
}

static void check_provision(const struct cw_request *req, struct cw_arena *mem, struct cw_problems *problems)
{
    const struct cw_provision_v1 *p = req->provision;
    check_tags(p, mem, problems);
    if (cw_z_eq_nocase(p->managed_resource_group, req->resource_group))
        cw_problems_add(problems, mem, "/managedResourceGroup",
                        "leave it away, or choose a name that does not exist",
                        "must be another group than the workspace's own");
    cw_network_check_provision(&req->network, mem, problems);
}

/* The id of each later run is made of the first one's. */
static void check_repeat(const struct cw_request *req, struct cw_arena *mem, struct cw_problems *problems)
{
    if (req->options.repeat_seconds == 0)
        return;
    if (req->kind != CW_REQUEST_VERIFY)
        cw_problems_add(problems, mem, "/options/repeatSeconds",
                        "leave it away, and send a verify request with it afterwards",
                        "only a verify request can be repeated");
    if (req->event.id != NULL && strlen(req->event.id) > CW_WATCH_ID_BYTES_MAX)
        cw_problems_add(problems, mem, "ce:id", "use a shorter id",
                        "with options.repeatSeconds an id has at most %d characters", CW_WATCH_ID_BYTES_MAX);
}

static void *decode_data(struct cw_request *req, const json_t *doc, struct cw_arena *mem,
                         struct cw_problems *problems)
{
    const struct cw_shape *shape = kinds[req->kind].shape;
    void *data = cw_arena_alloc(mem, shape->bytes);
    if (data == NULL)
        return NULL;
    bool is_valid = cw_shape_decode(shape, doc, "", mem, data, problems) == 0;
    take_common(req, data);
    if (req->workspace_id == NULL || cw_arena_failed(mem))
        return data;
    if (!is_valid)
        return data;
    fill_defaults(req, data, mem);
    if (cw_arena_failed(mem))
        return data;
    if (req->kind == CW_REQUEST_PROVISION)
        check_provision(req, mem, problems);
    cw_network_check_egress(&req->network, mem, problems);
    cw_network_check_browser(&req->browser_authentication, &req->network, mem, problems);
    if (req->verify == NULL || req->verify->watch.id == NULL)
        check_repeat(req, mem, problems);
    return data;
}

static void check_event_id(const struct cw_request *req, struct cw_arena *mem, struct cw_problems *problems)
{
    if (req->event.id != NULL && !cw_format_is(CW_FORMAT_EVENT_ID, req->event.id))
        cw_problems_add(problems, mem, "ce:id", cw_format_remedy(CW_FORMAT_EVENT_ID),
                        "is not a valid event id");
}

int cw_request_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_request *ret_req,
                      struct cw_problems *ret_problems, struct cw_err *err)
{
    *ret_req = (struct cw_request){0};
    *ret_problems = (struct cw_problems){0};
    const json_t *doc = NULL;
    int r = cw_event_read(rec, mem, &ret_req->event, &doc, ret_problems, err);
    if (r < 0 && r != -CW_EINVAL)
        return r;
    if (ret_req->event.type != NULL && !cw_request_kind_of(ret_req->event.type, &ret_req->kind)) {
        r = cw_err_set(err, CW_EUNSUPPORTED, "'%.100s' is not a type of request", ret_req->event.type);
        cw_err_remedy(err, "use causeway.workspace.provision.v1, migrate.v1, verify.v1 or cancel.v1");
        return r;
    }
    bool has_kind = ret_req->event.type != NULL;
    check_event_id(ret_req, mem, ret_problems);
    bool is_workspace = doc != NULL && set_workspace(ret_req, cw_json_str(doc, "workspaceId", NULL), mem);
    ret_req->is_addressed = has_kind && is_workspace && cw_format_is(CW_FORMAT_EVENT_ID, ret_req->event.id);
    if (doc != NULL && has_kind && decode_data(ret_req, doc, mem, ret_problems) == NULL)
        return cw_err_set(err, CW_ENOMEM, "decode a request");
    if (cw_arena_failed(mem))
        return cw_err_set(err, CW_ENOMEM, "decode a request");
    return cw_problems_to_err(ret_problems, err);
}

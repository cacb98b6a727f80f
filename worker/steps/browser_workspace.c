#include "worker/steps/browser_workspace.h"

#include "common/azure/workspace.h"
#include "worker/steps/endpoint_parts.h"

#define WORKSPACE_SUBNET_BITS 26
#define ENDPOINT_SUBNET_BITS 27
#define ISOLATED_PREFIX "WEB_AUTH"
#define LOCK_NAME "causeway-keep"
#define LOCK_NOTES \
    "All workspaces of the region sign in through this one: deleting it breaks every browser sign-in."

static int refuse(struct cw_err *err, const char *remedy, const char *what, const char *value)
{
    (void)cw_err_set(err, CW_EREJECTED, "%s: %s", what, value);
    cw_err_remedy(err, "%s", remedy);
    return -CW_EREJECTED;
}

static int check_vnet(struct cw_step_ctx *c, const struct cw_browser_goal *goal, struct cw_err *err)
{
    struct cw_vnet vnet;
    if (cw_armid_eq(goal->vnet_id, c->facts->vnet_id))
        return refuse(err, "name the transit VNet that all workspaces share",
                      "browserAuthentication.vnetId is the workspace's own VNet", goal->vnet_id);
    int r = cw_network_get_vnet(c->svc->arm, &c->call, goal->vnet_id, &vnet, err);
    if (r == -CW_ENOTFOUND)
        return refuse(err, "name an existing VNet in browserAuthentication.vnetId",
                      "the transit VNet does not exist", goal->vnet_id);
    if (r < 0)
        return cw_err_wrap(err, "the transit VNet");
    if (!cw_location_eq(vnet.location, goal->region))
        return refuse(err, "name a transit VNet in the workspace's region: sign-in is per region",
                      "the transit VNet is in another region than the workspace", vnet.location);
    return 0;
}

int cw_browser_goal_of(struct cw_step_ctx *c, struct cw_browser_goal *ret_goal, struct cw_err *err)
{
    const struct cw_browser_authentication_v1 *asked = &c->req->browser_authentication;
    struct cw_arena *mem = c->call.mem;
    struct cw_armid vnet;
    int r = cw_armid_parse(asked->vnet_id, mem, &vnet, err);
    if (r < 0)
        return r;
    struct cw_browser_goal goal = {
        .region = c->facts->location,
        .vnet_id = asked->vnet_id,
        .subscription = vnet.subscription,
        .group = asked->resource_group != NULL ? asked->resource_group : vnet.group,
        .workspace_name =
            asked->workspace_name != NULL
                ? asked->workspace_name
                : cw_arena_printf(mem, ISOLATED_PREFIX "_DO_NOT_DELETE_%.41s", c->facts->location),
    };
    goal.workspace_id = cw_armid_resource(mem, goal.subscription, goal.group,
                                          "Microsoft.Databricks/workspaces", goal.workspace_name);
    goal.endpoint_id =
        cw_armid_resource(mem, goal.subscription, goal.group, "Microsoft.Network/privateEndpoints",
                          cw_arena_printf(mem, "%.50s-browser-auth", goal.workspace_name));
    if (cw_arena_failed(mem))
        return cw_err_set(err, CW_ENOMEM, "browser authentication");
    *ret_goal = goal;
    return check_vnet(c, &goal, err);
}

bool cw_browser_is_isolated(const struct cw_browser_goal *goal, const char *workspace_id)
{
    return cw_armid_eq(workspace_id, goal->workspace_id) ||
           cw_z_starts_nocase(cw_armid_name(workspace_id), ISOLATED_PREFIX);
}

/* ---- its network ------------------------------------------------------------------------------------------------------ */

static int ensure_group(struct cw_step_ctx *c, const struct cw_browser_goal *goal, struct cw_err *err)
{
    struct cw_resource_group group = {0};
    struct cw_ensured done;
    int r = cw_resources_get_group(c->svc->arm, &c->call, goal->subscription, goal->group, &group, err);
    if (r == 0 && !group.exists) {
        r = cw_resources_ensure_group(c->svc->arm, &c->call, goal->subscription, goal->group, goal->region,
                                      cw_step_tags(c), &done, err);
        if (r == 0)
            cw_step_ensured(c, &done, "resource group of the isolated workspace");
    }
    return r < 0 ? cw_err_wrap(err, "resource group %s", goal->group) : 0;
}

static int ensure_nsg(struct cw_step_ctx *c, const struct cw_browser_goal *goal, const char **ret_nsg,
                      struct cw_err *err)
{
    struct cw_ensured done;
    const char *name = cw_arena_printf(c->call.mem, "%s-nsg", goal->workspace_name);
    const char *nsg = cw_armid_resource(c->call.mem, goal->subscription, goal->group,
                                        "Microsoft.Network/networkSecurityGroups", name);
    if (name == NULL || nsg == NULL)
        return cw_err_set(err, CW_ENOMEM, "network security group");
    int r = cw_network_ensure_nsg(c->svc->arm, &c->call, nsg, goal->region, cw_step_tags(c), &done, err);
    if (r < 0)
        return cw_err_wrap(err, "network security group %s", name);
    cw_step_ensured(c, &done, "network security group of the isolated workspace");
    *ret_nsg = nsg;
    return 0;
}

/* One that exists keeps its prefix and its NSG. nsg NULL: a subnet for endpoints. */
static int ensure_subnet(struct cw_step_ctx *c, const struct cw_browser_goal *goal,
                         const struct cw_subnet_v1 *asked, const char *nsg, struct cw_err *err)
{
    struct cw_vnet vnet;
    struct cw_ensured done;
    int bits = nsg != NULL ? WORKSPACE_SUBNET_BITS : ENDPOINT_SUBNET_BITS;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, goal->vnet_id, &vnet, err);
    if (r < 0)
        return cw_err_wrap(err, "the transit VNet");
    const struct cw_subnet *have = cw_vnet_subnet(&vnet, asked->name);
    struct cw_subnet_goal want = {
        .name = asked->name,
        .prefix = asked->prefix != NULL || have != NULL ? asked->prefix
                                                        : cw_vnet_free_prefix(&vnet, bits, c->call.mem),
        .nsg_id = have == NULL || have->nsg_id == NULL ? nsg : NULL,
        .is_delegated = nsg != NULL,
        .is_for_endpoints = nsg == NULL,
    };
    if (have == NULL && want.prefix == NULL)
        return refuse(err, "add an address range to it, or name existing subnets in browserAuthentication",
                      "the transit VNet has no room for a subnet", asked->name);
    r = cw_network_ensure_subnet(c->svc->arm, &c->call, goal->vnet_id, &want, &done, err);
    if (r < 0)
        return cw_err_wrap(err, "subnet %s of the transit VNet", asked->name);
    cw_step_ensured(c, &done, cw_arena_printf(c->call.mem, "subnet %s of the transit VNet", asked->name));
    return 0;
}

/* ---- itself ----------------------------------------------------------------------------------------------------------- */

/* One that is there is taken with its settings: only what cannot serve is refused. */
static int adopt_workspace(struct cw_step_ctx *c, const struct cw_browser_goal *goal, struct cw_workspace *ws,
                           struct cw_err *err)
{
    if (!cw_z_eq_nocase(ws->sku, "premium") || !cw_armid_eq(ws->vnet_id, goal->vnet_id) ||
        !cw_location_eq(ws->location, goal->region))
        return refuse(err, "name another one in browserAuthentication.workspaceName",
                      "a workspace of that name exists, but it is not a Premium one in the transit VNet",
                      goal->workspace_id);
    if (!c->call.plan_only) {
        int r = cw_workspace_wait(c->svc->arm, &c->call, goal->workspace_id, ws, err);
        if (r < 0)
            return cw_err_wrap(err, "wait for workspace %s", goal->workspace_name);
    }
    cw_step_found(c, "workspace %s is in the transit VNet", goal->workspace_name);
    return 0;
}

static int create_workspace(struct cw_step_ctx *c, const struct cw_browser_goal *goal, struct cw_err *err)
{
    const struct cw_browser_authentication_v1 *asked = &c->req->browser_authentication;
    struct cw_workspace ws;
    struct cw_ensured done;
    const char *nsg = NULL;
    int r = ensure_nsg(c, goal, &nsg, err);
    if (r == 0)
        r = ensure_subnet(c, goal, &asked->host_subnet, nsg, err);
    if (r == 0)
        r = ensure_subnet(c, goal, &asked->container_subnet, nsg, err);
    if (r < 0)
        return r;
    const char *managed = cw_arena_printf(c->call.mem, "managed-%s", goal->workspace_name);
    const struct cw_workspace_goal want = {
        .id = goal->workspace_id,
        .location = goal->region,
        .managed_group_id = cw_armid_group(c->call.mem, goal->subscription, managed),
        .vnet_id = goal->vnet_id,
        .host_subnet = asked->host_subnet.name,
        .container_subnet = asked->container_subnet.name,
        .public_network_access = "Disabled",
        .required_nsg_rules = CW_NSG_RULES_NONE,
        .tags = cw_step_tags(c),
    };
    r = cw_workspace_ensure(c->svc->arm, &c->call, &want, &done, &ws, err);
    if (r < 0)
        return cw_err_wrap(err, "workspace %s", goal->workspace_name);
    cw_step_ensured(c, &done, "isolated workspace for browser sign-in");
    return 0;
}

static int ensure_workspace(struct cw_step_ctx *c, const struct cw_browser_goal *goal, struct cw_err *err)
{
    struct cw_workspace ws = {0};
    struct cw_vnet vnet;
    int r = cw_workspace_get(c->svc->arm, &c->call, goal->workspace_id, &ws, err);
    if (r < 0 && r != -CW_ENOTFOUND)
        return cw_err_wrap(err, "workspace %s", goal->workspace_name);
    cw_err_clear(err);
    bool is_there = r == 0 && !cw_z_eq_nocase(ws.state, "Failed");
    r = is_there ? adopt_workspace(c, goal, &ws, err) : create_workspace(c, goal, err);
    if (r < 0 || c->call.plan_only)
        return r;
    r = cw_network_wait_vnet(c->svc->arm, &c->call, goal->vnet_id, &vnet, err);
    return r < 0 ? cw_err_wrap(err, "wait for the transit VNet's subnets") : 0;
}

int cw_browser_lock(struct cw_step_ctx *c, const char *workspace_id, struct cw_err *err)
{
    struct cw_ensured done;
    int r = cw_resources_ensure_delete_lock(c->svc->arm, &c->call, workspace_id, LOCK_NAME, LOCK_NOTES, &done,
                                            err);
    if (r == -CW_EDENIED)
        cw_err_remedy(
            err,
            "let the worker's identity do Microsoft.Authorization/locks/write, or put a delete lock on "
            "workspace %s yourself, then send the request again with a new id",
            cw_armid_name(workspace_id));
    if (r < 0)
        return cw_err_wrap(err, "delete lock of workspace %s", cw_armid_name(workspace_id));
    cw_step_ensured(c, &done, "delete lock of the isolated workspace");
    return 0;
}

/* ---- its endpoints ---------------------------------------------------------------------------------------------------- */

static int make_endpoint(struct cw_step_ctx *c, const struct cw_browser_goal *goal, const char *id,
                         const char *group, const char *zone, struct cw_private_endpoint *ret,
                         struct cw_err *err)
{
    struct cw_ensured done;
    struct cw_zone_group zone_group;
    struct cw_workspace ws;
    const struct cw_private_endpoint_goal want = {
        .id = id,
        .location = goal->region,
        .subnet_id = cw_armid_child(c->call.mem, goal->vnet_id, "subnets",
                                    c->req->browser_authentication.endpoint_subnet.name),
        .workspace_id = goal->workspace_id,
        .group_id = group,
        .tags = cw_step_tags(c),
    };
    int r = cw_network_ensure_private_endpoint(c->svc->arm, &c->call, &want, &done, ret, err);
    if (r < 0)
        return cw_err_wrap(err, "endpoint for %s", group);
    cw_step_ensured(c, &done,
                    cw_arena_printf(c->call.mem, "endpoint of the isolated workspace for %s", group));
    if (!c->call.plan_only)
        r = cw_endpoint_approve(c, goal->workspace_id, ret, err);
    if (r == 0 && !c->call.plan_only)
        r = cw_workspace_wait(c->svc->arm, &c->call, goal->workspace_id, &ws, err);
    if (r == 0)
        r = cw_network_ensure_zone_group(c->svc->arm, &c->call, id, zone, &done, &zone_group, err);
    if (r < 0)
        return cw_err_wrap(err, "endpoint for %s", group);
    cw_step_ensured(c, &done, cw_arena_printf(c->call.mem, "zone group of the endpoint for %s", group));
    return 0;
}

/* Azure refuses browser_authentication on a workspace that has no databricks_ui_api endpoint yet (RESOURCE_CONFLICT). Any
 * that is approved will do. */
static int ensure_ui_api(struct cw_step_ctx *c, const struct cw_browser_goal *goal, const char *zone,
                         struct cw_err *err)
{
    struct cw_private_endpoint made;
    struct cw_workspace ws = {0};
    int r = cw_workspace_get(c->svc->arm, &c->call, goal->workspace_id, &ws, err);
    if (r < 0 && !(r == -CW_ENOTFOUND && c->call.plan_only))
        return cw_err_wrap(err, "workspace %s", goal->workspace_name);
    cw_err_clear(err);
    const char *name = cw_arena_printf(c->call.mem, "%.55s-ui-api", goal->workspace_name);
    const char *id = cw_armid_resource(c->call.mem, goal->subscription, goal->group,
                                       "Microsoft.Network/privateEndpoints", name);
    if (name == NULL || id == NULL)
        return cw_err_set(err, CW_ENOMEM, "endpoint");
    for (size_t i = 0; i < ws.connection_count; i++) {
        const struct cw_endpoint_connection *connection = &ws.connections[i];
        if (cw_z_eq_nocase(connection->group_id, CW_GROUP_UI_API) &&
            cw_z_eq_nocase(connection->status, "Approved") && !cw_armid_eq(connection->endpoint_id, id))
            return 0;
    }
    return make_endpoint(c, goal, id, CW_GROUP_UI_API, zone, &made, err);
}

int cw_browser_make(struct cw_step_ctx *c, const struct cw_browser_goal *goal, const char *zone,
                    struct cw_private_endpoint *ret_endpoint, struct cw_err *err)
{
    int r = ensure_group(c, goal, err);
    if (r == 0)
        r = ensure_workspace(c, goal, err);
    if (r == 0)
        r = cw_browser_lock(c, goal->workspace_id, err);
    if (r == 0)
        r = ensure_subnet(c, goal, &c->req->browser_authentication.endpoint_subnet, NULL, err);
    if (r == 0)
        r = ensure_ui_api(c, goal, zone, err);
    if (r == 0)
        r = make_endpoint(c, goal, goal->endpoint_id, CW_GROUP_BROWSER_AUTHENTICATION, zone, ret_endpoint,
                          err);
    return r;
}

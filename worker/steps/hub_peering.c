#include "worker/steps/hub_peering.h"

#include "common/azure/network.h"

int cw_hub_lock(struct cw_step_ctx *c, const char *vnet_id, struct cw_err *err)
{
    const char *hub = c->req->network.hub_peering.vnet_id;
    return hub == NULL ? cw_step_lock(c, vnet_id, err) : cw_step_lock_two(c, vnet_id, hub, err);
}

static const struct cw_peering *find(const struct cw_vnet *vnet, const char *remote_id)
{
    for (size_t i = 0; i < vnet->peering_count; i++)
        if (cw_armid_eq(vnet->peerings[i].remote_vnet_id, remote_id))
            return &vnet->peerings[i];
    return NULL;
}

static int ensure_side(struct cw_step_ctx *c, const struct cw_vnet *vnet, const char *remote_id,
                       const char *what, struct cw_err *err)
{
    const struct cw_peering *have = find(vnet, remote_id);
    struct cw_ensured done;
    if (have != NULL && cw_z_eq_nocase(have->state, "Disconnected")) {
        (void)cw_err_set(err, CW_EMISCONFIGURED, "peering %s is Disconnected: its other side was deleted",
                         have->id);
        cw_err_remedy(err, "delete this peering, then send the request again");
        return -CW_EMISCONFIGURED;
    }
    const char *name = have != NULL
                           ? have->name
                           : cw_arena_printf(c->call.mem, "causeway-to-%.60s", cw_armid_name(remote_id));
    int r = cw_network_ensure_peering(c->svc->arm, &c->call, vnet->id, name, remote_id, &done, err);
    if (r < 0)
        return cw_err_wrap(err, "%s", what);
    cw_step_ensured(c, &done, what);
    return 0;
}

/* Both sides as they are now: Azure tells each the state of the whole. */
static int check_connected(struct cw_step_ctx *c, const char *vnet_id, const char *hub, struct cw_err *err)
{
    struct cw_vnet vnet;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, vnet_id, &vnet, err);
    if (r < 0)
        return cw_err_wrap(err, "virtual network");
    const struct cw_peering *peering = find(&vnet, hub);
    if (peering == NULL || !cw_z_eq_nocase(peering->state, "Connected"))
        return cw_err_set(err, CW_ENOTREADY, "the peering with the hub is %s",
                          peering == NULL ? "not seen yet" : peering->state);
    cw_step_found(c, "the VNet is peered with hub %s, both ways", cw_armid_name(hub));
    return 0;
}

int cw_hub_ensure_peering(struct cw_step_ctx *c, const char *vnet_id, struct cw_err *err)
{
    const char *hub_id = c->req->network.hub_peering.vnet_id;
    struct cw_vnet vnet;
    struct cw_vnet hub;
    if (hub_id == NULL)
        return 0;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, hub_id, &hub, err);
    if (r == -CW_ENOTFOUND) {
        (void)cw_err_set(err, CW_EREJECTED, "the hub's VNet %s does not exist", hub_id);
        cw_err_remedy(err, "name an existing VNet in network.hubPeering.vnetId");
        return -CW_EREJECTED;
    }
    if (r < 0)
        return cw_err_wrap(err, "the hub's VNet");
    r = cw_network_get_vnet(c->svc->arm, &c->call, vnet_id, &vnet, err);
    if (r == -CW_ENOTFOUND && c->call.plan_only) {
        cw_err_clear(err);
        vnet = (struct cw_vnet){.id = vnet_id};
        r = 0;
    }
    if (r == 0)
        r = ensure_side(c, &vnet, hub_id, "peering to the hub", err);
    if (r == 0)
        r = ensure_side(c, &hub, vnet_id, "peering from the hub", err);
    return r < 0 || c->call.plan_only ? r : check_connected(c, vnet_id, hub_id, err);
}

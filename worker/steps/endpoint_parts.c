#include "worker/steps/endpoint_parts.h"

#include "common/azure/workspace.h"

bool cw_endpoint_is_dead(const struct cw_private_endpoint *endpoint)
{
    return cw_z_eq_nocase(endpoint->status, "Rejected") || cw_z_eq_nocase(endpoint->status, "Disconnected");
}

static int approve_connection(struct cw_step_ctx *c, const char *workspace_id,
                              const struct cw_private_endpoint *endpoint, struct cw_err *err)
{
    const struct cw_endpoint_connection *connections = NULL;
    size_t count = 0;
    int r = cw_workspace_list_connections(c->svc->arm, &c->call, workspace_id, &connections, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "list endpoint connections");
    for (size_t i = 0; i < count; i++) {
        if (!cw_armid_eq(connections[i].endpoint_id, endpoint->id))
            continue;
        enum cw_effect effect = CW_EFFECT_NONE;
        r = cw_workspace_approve_connection(c->svc->arm, &c->call, connections[i].id, &effect, err);
        if (r < 0)
            return cw_err_wrap(err, "approve the endpoint's connection");
        if (cw_effect_is_change(effect))
            cw_step_changed(c, "approved connection %s", connections[i].name);
        return 0;
    }
    return cw_err_set(err, CW_ENOTREADY, "the workspace does not show the connection of endpoint %s yet",
                      endpoint->name);
}

int cw_endpoint_approve(struct cw_step_ctx *c, const char *workspace_id, struct cw_private_endpoint *endpoint,
                        struct cw_err *err)
{
    if (cw_z_eq_nocase(endpoint->status, "Approved"))
        return 0;
    int r = approve_connection(c, workspace_id, endpoint, err);
    if (r == 0)
        r = cw_network_get_private_endpoint(c->svc->arm, &c->call, endpoint->id, endpoint, err);
    if (r < 0)
        return r;
    if (!cw_z_eq_nocase(endpoint->status, "Approved"))
        return cw_err_set(err, CW_ENOTREADY, "endpoint %s is still %s", endpoint->name, endpoint->status);
    return 0;
}

int cw_endpoint_address(struct cw_step_ctx *c, const struct cw_private_endpoint *endpoint,
                        const char **ret_address, struct cw_err *err)
{
    struct cw_nic nic;
    if (endpoint->nic_id == NULL)
        return cw_err_set(err, CW_ENOTREADY, "endpoint %s has no network interface yet", endpoint->name);
    int r = cw_network_get_nic(c->svc->arm, &c->call, endpoint->nic_id, &nic, err);
    if (r < 0)
        return cw_err_wrap(err, "network interface of endpoint %s", endpoint->name);
    if (nic.address_count == 0)
        return cw_err_set(err, CW_ENOTREADY, "endpoint %s has no address yet", endpoint->name);
    *ret_address = nic.addresses[0];
    return 0;
}

/* Peerings between virtual networks: Initiated until the other side exists, Disconnected when it has gone. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

static struct az_resource *other_side(struct az_model *m, const struct az_resource *vnet,
                                      const char *remote_id)
{
    const struct az_resource *remote = az_store_get(m, remote_id);
    struct az_resource *p = remote != NULL ? az_child_first(remote, AZ_T_PEERING) : NULL;
    while (p != NULL && !az_ieq(az_str(p->body, "properties.remoteVirtualNetwork.id"), vnet->id))
        p = az_child_next(p, AZ_T_PEERING);
    return p;
}

static bool spaces_overlap(const json_t *a, const json_t *b)
{
    size_t i, k;
    const json_t *x, *y;
    json_array_foreach(a, i, x)
        json_array_foreach(b, k, y) {
            struct az_cidr p, q;
            if (az_cidr_parse(json_string_value(x), &p) && az_cidr_parse(json_string_value(y), &q) &&
                az_cidr_overlaps(&p, &q))
                return true;
        }
    return false;
}

static void complete_peering(json_t *properties)
{
    static const char *const derived[] = {"peeringState", "peeringSyncLevel", "remoteAddressSpace",
                                          "remoteVirtualNetworkAddressSpace", "remoteBgpCommunities"};
    static const char *const flags[] = {"allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways"};
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++)
        json_object_del(properties, derived[i]);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (json_object_get(properties, flags[i]) == NULL)
            json_object_set_new(properties, flags[i], json_false());
    if (json_object_get(properties, "allowVirtualNetworkAccess") == NULL)
        json_object_set_new(properties, "allowVirtualNetworkAccess", json_true());
    az_set_str(properties, "peeringSyncLevel", "FullyInSync");
}

static int refuse_peering(struct az_change *p, const char *code, const char *text)
{
    az_reply_error(p->res, 400, code, "Cannot create or update peering %s: %s.", p->call->id, text);
    return -1;
}

static int prepare_peering(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties");
    const json_t *old = p->existing != NULL ? p->existing->body : NULL;
    const char *remote_id = az_str(p->call->body, "properties.remoteVirtualNetwork.id");
    complete_peering(properties);
    if (az_check_reference(p, remote_id[0] != '\0' ? remote_id : "?", AZ_T_VNET, NULL) < 0)
        return -1;
    const struct az_resource *remote = az_store_get(p->m, remote_id);
    const json_t *space = az_at(remote->body, "properties.addressSpace");
    const char *state = az_str(old, "properties.peeringState");
    if (old != NULL && !az_ieq(remote_id, az_str(old, "properties.remoteVirtualNetwork.id")))
        return refuse_peering(p, "ChangingRemoteVirtualNetworkNotAllowed",
                              "its remote virtual network cannot be changed");
    if (spaces_overlap(az_at(p->parent->body, "properties.addressSpace.addressPrefixes"),
                       az_at(space, "addressPrefixes")))
        return refuse_peering(p, "VnetAddressSpacesOverlap", "the virtual networks' address spaces overlap");
    if (strcmp(state, "Disconnected") == 0)
        return refuse_peering(p, "RemotePeeringIsDisconnected",
                              "it is in Disconnected state, delete it on both sides and create it again");
    if (state[0] == '\0')
        state = other_side(p->m, p->parent, remote_id) != NULL ? "Connected" : "Initiated";
    az_set(properties, "remoteAddressSpace", az_copy(space));
    az_set(properties, "remoteVirtualNetworkAddressSpace", az_copy(space));
    az_set_str(properties, "peeringState", state);
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    az_change_lock(p, remote->id);
    return 0;
}

static int peering_done(struct az_model *m, struct az_resource *peering, json_t *op)
{
    (void)op;
    struct az_resource *other =
        other_side(m, peering->parent, az_str(peering->body, "properties.remoteVirtualNetwork.id"));
    if (other != NULL && strcmp(az_str(other->body, "properties.peeringState"), "Disconnected") != 0) {
        az_set_str(other->body, "properties.peeringState", "Connected");
        az_set_str(peering->body, "properties.peeringState", "Connected");
    }
    return 0;
}

void az_peering_gone(struct az_model *m, struct az_resource *peering)
{
    struct az_resource *other =
        other_side(m, peering->parent, az_str(peering->body, "properties.remoteVirtualNetwork.id"));
    if (other != NULL)
        az_set_str(other->body, "properties.peeringState", "Disconnected");
}

static void peering_deleted(struct az_model *m, struct az_resource *peering, json_t *op)
{
    (void)op;
    az_peering_gone(m, peering);
}

static int lock_self_and_parent(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    return 0;
}

const struct az_type az_type_peering = {
    .type = AZ_T_PEERING,
    .display = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    .versions = "network",
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "peering.put",
    .delete_duration = "peering.delete",
    .min_s = 5,
    .max_s = 20,
    .new_state = "Updating",
    .prepare = prepare_peering,
    .done = peering_done,
    .prepare_delete = lock_self_and_parent,
    .deleted = peering_deleted,
};

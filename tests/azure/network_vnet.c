/* Virtual networks. A PUT replaces the whole network: a subnet that the body omits is deleted. */
#include "tests/azure/network_subnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_space(struct az_change *p, const json_t *space)
{
    size_t i;
    const json_t *prefix;
    json_array_foreach(space, i, prefix) {
        struct az_cidr cidr;
        if (json_is_string(prefix) && az_cidr_parse(json_string_value(prefix), &cidr))
            continue;
        az_reply_error(
            p->res, 400, "InvalidAddressPrefixFormat",
            "Address prefix %s of resource %s is not formatted correctly. It should follow CIDR notation, for "
            "example 10.0.0.0/24.",
            json_is_string(prefix) ? json_string_value(prefix) : "", p->call->id);
        return -1;
    }
    if (json_array_size(space) > 0)
        return 0;
    az_reply_error(p->res, 400, "InvalidRequestFormat",
                   "Cannot parse the request: properties.addressSpace.addressPrefixes is required.");
    return -1;
}

/* The body's subnets by name, cleaned. NULL when it has replied. */
static json_t *collect_subnets(struct az_change *p, const json_t *list)
{
    json_t *wanted = json_object();
    size_t i;
    const json_t *s;
    json_array_foreach(list, i, s) {
        const char *name = az_str(s, "name");
        if (name[0] != '\0' && json_object_get(wanted, name) == NULL) {
            json_object_set_new(wanted, name,
                                az_subnet_clean(p->call->id, name, json_object_get(s, "properties")));
            continue;
        }
        az_reply_error(p->res, 400, "InvalidRequestFormat",
                       "A subnet has no name, or one that another subnet has: '%s'.", name);
        json_decref(wanted);
        return NULL;
    }
    return wanted;
}

static int check_omitted(struct az_change *p, const json_t *wanted)
{
    const struct az_resource *s = p->existing != NULL ? az_child_first(p->existing, AZ_T_SUBNET) : NULL;
    for (; s != NULL; s = az_child_next(s, AZ_T_SUBNET)) {
        const char *name;
        json_t *body;
        bool is_kept = false;
        json_object_foreach((json_t *)wanted, name, body) {
            is_kept |= az_ieq(name, s->name);
            if (az_ieq(name, s->name))
                p->differs |=
                    !az_same(json_object_get(body, "properties"), json_object_get(s->body, "properties"));
        }
        p->differs |= !is_kept;
        if (is_kept || az_subnet_user(s) == NULL)
            continue;
        az_reply_error(
            p->res, 400, "InUseSubnetCannotBeDeleted",
            "Subnet %s is in use by %s and cannot be deleted. In order to delete the subnet, delete all the "
            "resources within the subnet. See aka.ms/deletesubnet.",
            s->name, az_subnet_user(s));
        return -1;
    }
    return 0;
}

static int check_subnets(struct az_change *p, const json_t *space, const json_t *wanted)
{
    const char *name;
    json_t *body;
    json_object_foreach((json_t *)wanted, name, body) {
        const struct az_resource *old =
            p->existing != NULL ? az_child_named(p->existing, AZ_T_SUBNET, name) : NULL;
        p->differs |= old == NULL;
        if (az_subnet_check(p, old, p->call->id, name, az_str(p->want, "location"), space, body, wanted) < 0)
            return -1;
    }
    return check_omitted(p, wanted);
}

static int prepare_vnet(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties");
    json_t *list = json_incref(json_object_get(properties, "subnets"));
    json_object_del(properties, "subnets");
    json_object_del(properties, "virtualNetworkPeerings");
    if (json_object_get(properties, "enableDdosProtection") == NULL)
        json_object_set_new(properties, "enableDdosProtection", json_false());
    az_change_lock(p, p->call->id);
    const json_t *space = az_at(p->want, "properties.addressSpace.addressPrefixes");
    json_t *wanted = check_space(p, space) == 0 ? collect_subnets(p, list) : NULL;
    json_decref(list);
    if (wanted == NULL)
        return -1;
    p->pending = json_pack("{s:o}", "subnets", wanted);
    return check_subnets(p, space, wanted);
}

static void put_subnet(struct az_change *p, const struct az_resource *vnet, const char *name,
                       const json_t *body)
{
    char id[AZ_ID_MAX], guid[AZ_GUID_BYTES];
    const struct az_resource *old = az_child_named(vnet, AZ_T_SUBNET, name);
    bool is_same =
        old != NULL && az_same(json_object_get(body, "properties"), json_object_get(old->body, "properties"));
    if (is_same)
        return;
    snprintf(id, sizeof id, "%s/subnets/%s", vnet->id, name);
    json_t *copy = az_copy(body);
    json_object_set_new(copy, "etag", az_strf("W/\"%s\"", az_guid(p->m, guid)));
    az_set_str(copy, "properties.provisioningState", "Updating");
    (void)az_store_put(p->m, id, copy);
}

static void vnet_started(struct az_change *p, struct az_resource *vnet)
{
    const json_t *wanted = json_object_get(p->pending, "subnets");
    struct az_resource *next;
    for (struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL; s = next) {
        next = az_child_next(s, AZ_T_SUBNET);
        bool is_kept = false;
        const char *name;
        json_t *body;
        json_object_foreach((json_t *)wanted, name, body)
            is_kept |= az_ieq(name, s->name);
        if (!is_kept)
            az_store_delete(p->m, s);
    }
    const char *name;
    json_t *body;
    json_object_foreach((json_t *)wanted, name, body)
        put_subnet(p, vnet, name, body);
}

static void settle_subnets(struct az_resource *vnet, const char *state)
{
    for (struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET))
        if (strcmp(az_prov_state(s), "Updating") == 0)
            az_set_prov_state(s, state);
}

static int vnet_done(struct az_model *m, struct az_resource *vnet, json_t *op)
{
    (void)m, (void)op;
    settle_subnets(vnet, "Succeeded");
    return 0;
}

static void vnet_failed(struct az_model *m, struct az_resource *vnet, json_t *op)
{
    (void)m, (void)op;
    settle_subnets(vnet, "Failed");
}

static int prepare_delete_vnet(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    for (const struct az_resource *s = az_child_first(p->existing, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET)) {
        if (az_subnet_user(s) == NULL)
            continue;
        az_reply_error(
            p->res, 400, "InUseSubnetCannotBeDeleted",
            "Subnet %s is in use by %s and cannot be deleted. In order to delete the subnet, delete all the "
            "resources within the subnet. See aka.ms/deletesubnet.",
            s->name, az_subnet_user(s));
        return -1;
    }
    return 0;
}

static void vnet_deleted(struct az_model *m, struct az_resource *vnet, json_t *op)
{
    (void)op;
    for (struct az_resource *x = az_child_first(vnet, AZ_T_PEERING); x != NULL;
         x = az_child_next(x, AZ_T_PEERING))
        az_peering_gone(m, x);
}

static json_t *render_vnet(struct az_model *m, struct az_resource *vnet)
{
    json_t *body = az_copy(vnet->body), *subnets = json_array(), *peerings = json_array();
    for (struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET))
        json_array_append_new(subnets, az_subnet_render(m, s));
    for (struct az_resource *x = az_child_first(vnet, AZ_T_PEERING); x != NULL;
         x = az_child_next(x, AZ_T_PEERING))
        json_array_append_new(peerings, az_copy(x->body));
    az_set(body, "properties.subnets", subnets);
    az_set(body, "properties.virtualNetworkPeerings", peerings);
    return body;
}

const struct az_type az_type_vnet = {
    .type = AZ_T_VNET,
    .display = "Microsoft.Network/virtualNetworks",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_VNET,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "vnet.put",
    .delete_duration = "vnet.delete",
    .min_s = 5,
    .max_s = 20,
    .new_state = "Updating",
    .prepare = prepare_vnet,
    .started = vnet_started,
    .done = vnet_done,
    .failed = vnet_failed,
    .prepare_delete = prepare_delete_vnet,
    .deleted = vnet_deleted,
    .render = render_vnet,
};

static struct az_resource *vnet_of_call(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[AZ_ID_MAX];
    snprintf(id, sizeof id, "%.*s", (int)(strrchr(call->id, '/') - call->id), call->id);
    struct az_resource *vnet = az_store_get(m, id);
    if (vnet == NULL)
        az_reply_error(res, 404, "ResourceNotFound", "The Resource '%s' was not found.", id);
    return vnet;
}

static bool is_taken(const struct az_resource *subnet, uint32_t ip)
{
    char text[16];
    return json_object_get(json_object_get(subnet->state, "ips"), az_ip_text(ip, text)) != NULL;
}

void az_h_vnet_check_ip(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const struct az_resource *vnet = vnet_of_call(m, call, res);
    const char *text = az_call_query(call, "ipAddress");
    struct az_cidr one = {.bits = 32}, prefix;
    if (vnet == NULL)
        return;
    if (text == NULL || !az_ip_parse(text, &one.address)) {
        az_reply_error(res, 400, "InvalidIPAddress", "The IP address '%s' is invalid.",
                       text != NULL ? text : "");
        return;
    }
    for (const struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET)) {
        if (!az_subnet_prefix(s->body, &prefix) || !az_cidr_has(&prefix, &one))
            continue;
        uint32_t first, last;
        az_cidr_hosts(&prefix, &first, &last);
        bool is_free = one.address >= first && one.address <= last && !is_taken(s, one.address);
        json_t *others = json_array();
        for (uint32_t ip = first; ip <= last && json_array_size(others) < 5 && !is_free; ip++) {
            char buf[16];
            if (!is_taken(s, ip))
                json_array_append_new(others, json_string(az_ip_text(ip, buf)));
        }
        az_reply_json(res, 200,
                      json_pack("{s:b,s:o,s:b}", "available", (int)is_free, "availableIPAddresses", others,
                                "isPlatformReserved", (int)(one.address < first || one.address > last)));
        return;
    }
    az_reply_error(res, 400, "PrivateIPAddressNotInAnySubnet",
                   "Private static IP address %s does not belong to the range of any subnet of %s.", text,
                   vnet->id);
}

void az_h_vnet_usages(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const struct az_resource *vnet = vnet_of_call(m, call, res);
    if (vnet == NULL)
        return;
    json_t *all = json_array();
    for (const struct az_resource *s = az_child_first(vnet, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET)) {
        struct az_cidr prefix;
        double limit = az_subnet_prefix(s->body, &prefix) ? (double)(1ull << (32 - prefix.bits)) - 5 : 0;
        json_array_append_new(all,
                              json_pack("{s:f,s:s,s:f,s:{s:s,s:s},s:s}", "currentValue",
                                        (double)json_object_size(json_object_get(s->state, "ips")), "id",
                                        s->id, "limit", limit, "name", "localizedValue",
                                        "Subnet size and usage", "value", "SubnetSpace", "unit", "Count"));
    }
    az_reply_page(m, call, res, all);
}

/* Subnets: their rules, their users, and what a GET shows of both. */
#include "tests/azure/network_subnet.h"

#include <stdio.h>
#include <string.h>

int az_check_reference(struct az_change *p, const char *id, const char *type, const char *location)
{
    char found_type[256];
    if (id[0] == '\0')
        return 0;
    az_id_type(id, found_type, sizeof found_type);
    if (id[0] != '/' || strcmp(found_type, type) != 0) {
        az_reply_error(p->res, 400, "LinkedInvalidPropertyId",
                       "Property id '%.512s' is invalid. Expect fully qualified resource Id that start with "
                       "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.",
                       id);
        return -1;
    }
    const struct az_resource *r = az_store_get(p->m, id);
    if (r == NULL) {
        az_reply_error(
            p->res, 400, "InvalidResourceReference",
            "Resource %s referenced by resource %s was not found. Please make sure that the referenced "
            "resource exists, and that both resources are in the same region.",
            id, p->call->id);
        return -1;
    }
    if (location != NULL && !az_location_eq(location, az_str(r->body, "location"))) {
        az_reply_error(p->res, 400, "InvalidResourceReference",
                       "Resource %s referenced by resource %s is not in the same region.", id, p->call->id);
        return -1;
    }
    const char *state = az_prov_state(r);
    if (strcmp(state, "Updating") == 0 || strcmp(state, "Creating") == 0 || strcmp(state, "Deleting") == 0)
        return az_refuse_not_provisioned(p, r->id);
    return 0;
}

/* "x": {"id", …more} becomes "x": {"id"}; null goes. */
static void keep_only_id(json_t *properties, const char *key)
{
    const json_t *value = json_object_get(properties, key);
    const char *id = az_str(value, "id");
    if (value == NULL)
        return;
    if (id[0] != '\0')
        json_object_set_new(properties, key, json_pack("{s:s}", "id", id));
    else
        json_object_del(properties, key);
}

static void complete_delegation(const char *subnet_id, json_t *d)
{
    const char *name = az_str(d, "name");
    json_t *properties =
        json_pack("{s:s,s:s,s:[s,s,s]}", "provisioningState", "Succeeded", "serviceName",
                  az_str(d, "properties.serviceName"), "actions",
                  "Microsoft.Network/virtualNetworks/subnets/join/action",
                  "Microsoft.Network/virtualNetworks/subnets/prepareNetworkPolicies/action",
                  "Microsoft.Network/virtualNetworks/subnets/unprepareNetworkPolicies/action");
    json_object_set_new(d, "id", az_strf("%s/delegations/%s", subnet_id, name));
    json_object_set_new(d, "type", json_string("Microsoft.Network/virtualNetworks/subnets/delegations"));
    json_object_set_new(d, "properties", properties);
    json_object_del(d, "etag");
}

json_t *az_subnet_clean(const char *vnet_id, const char *name, const json_t *properties)
{
    static const char *const derived[] = {
        "provisioningState", "ipConfigurations",        "privateEndpoints",       "serviceAssociationLinks",
        "purpose",           "resourceNavigationLinks", "ipConfigurationProfiles"};
    static const char *const references[] = {"networkSecurityGroup", "routeTable", "natGateway"};
    char id[AZ_ID_MAX];
    json_t *clean = json_is_object(properties) ? az_copy(properties) : json_object();
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++)
        json_object_del(clean, derived[i]);
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
        keep_only_id(clean, references[i]);
    if (json_object_get(clean, "privateEndpointNetworkPolicies") == NULL)
        json_object_set_new(clean, "privateEndpointNetworkPolicies", json_string("Disabled"));
    if (json_object_get(clean, "privateLinkServiceNetworkPolicies") == NULL)
        json_object_set_new(clean, "privateLinkServiceNetworkPolicies", json_string("Enabled"));
    if (!json_is_array(json_object_get(clean, "delegations")))
        json_object_set_new(clean, "delegations", json_array());
    snprintf(id, sizeof id, "%s/subnets/%s", vnet_id, name);
    size_t i;
    json_t *d;
    json_array_foreach(json_object_get(clean, "delegations"), i, d)
        complete_delegation(id, d);
    return json_pack("{s:o}", "properties", clean);
}

static int check_prefix(struct az_change *p, const json_t *space, const char *vnet_name, const char *name,
                        const json_t *body, struct az_cidr *ret)
{
    const char *text = az_str_or_null(body, "properties.addressPrefix");
    if (text == NULL)
        text = az_str(body, "properties.addressPrefixes.0");
    if (!az_cidr_parse(text, ret)) {
        az_reply_error(
            p->res, 400, "InvalidAddressPrefixFormat",
            "Address prefix %s of resource %s is not formatted correctly. It should follow CIDR notation, for "
            "example 10.0.0.0/24.",
            text, name);
        return -1;
    }
    size_t i;
    const json_t *prefix;
    json_array_foreach(space, i, prefix) {
        struct az_cidr outer;
        if (az_cidr_parse(json_string_value(prefix), &outer) && az_cidr_has(&outer, ret) && ret->bits <= 29)
            return 0;
    }
    az_reply_error(p->res, 400, "NetcfgInvalidSubnet", "Subnet '%s' is not valid in virtual network '%s'.",
                   name, vnet_name);
    return -1;
}

static int check_overlap(struct az_change *p, const char *vnet_name, const char *name,
                         const struct az_cidr *prefix, const json_t *siblings)
{
    const char *other;
    json_t *body;
    json_object_foreach((json_t *)siblings, other, body) {
        struct az_cidr taken;
        if (az_ieq(other, name) || !az_subnet_prefix(body, &taken) || !az_cidr_overlaps(prefix, &taken))
            continue;
        az_reply_error(
            p->res, 400, "NetcfgSubnetRangesOverlap",
            "Subnet '%s' is not valid because its IP address range overlaps with that of an existing subnet in "
            "virtual network '%s'.",
            name, vnet_name);
        return -1;
    }
    return 0;
}

static int refuse_in_use(struct az_change *p, const struct az_resource *subnet, const char *code,
                         const char *what)
{
    az_reply_error(p->res, 400, code, "Subnet %s is in use by %s and %s.", subnet->name,
                   az_subnet_user(subnet), what);
    return -1;
}

/* What may not change while the subnet is used. */
static int check_used(struct az_change *p, const struct az_resource *old, const json_t *body)
{
    struct az_cidr a, b;
    if (old == NULL || az_subnet_user(old) == NULL)
        return 0;
    bool moved = az_subnet_prefix(old->body, &a) && az_subnet_prefix(body, &b) &&
                 (a.address != b.address || a.bits != b.bits);
    if (moved)
        return refuse_in_use(p, old, "InUsePrefixCannotBeDeleted", "its address prefix cannot be changed");
    if (az_str(old->state, "workspace")[0] == '\0')
        return 0;
    if (!az_is_delegated(body, "Microsoft.Databricks/workspaces"))
        return refuse_in_use(p, old, "SubnetMissingRequiredDelegation",
                             "the delegation to Microsoft.Databricks/workspaces cannot be removed");
    if (!az_ieq(az_str(old->body, "properties.networkSecurityGroup.id"),
                az_str(body, "properties.networkSecurityGroup.id")))
        return refuse_in_use(
            p, old, "NetworkIntentPolicyConflict",
            "its network security group cannot be changed because of a network intent policy");
    return 0;
}

int az_subnet_check(struct az_change *p, const struct az_resource *old, const char *vnet_id, const char *name,
                    const char *location, const json_t *space, const json_t *body, const json_t *siblings)
{
    struct az_cidr prefix;
    const char *vnet_name = strrchr(vnet_id, '/') + 1;
    const char *policies = az_str(body, "properties.privateEndpointNetworkPolicies");
    if (!az_name_ok(AZ_NAME_NETWORK, name)) {
        az_reply_error(p->res, 400, "InvalidResourceName", "Resource name %s is invalid.", name);
        return -1;
    }
    bool is_policy = strcmp(policies, "Enabled") == 0 || strcmp(policies, "Disabled") == 0 ||
                     (strcmp(p->call->api_version, "2023-09-01") >= 0 &&
                      (strcmp(policies, "NetworkSecurityGroupEnabled") == 0 ||
                       strcmp(policies, "RouteTableEnabled") == 0));
    if (!is_policy) {
        az_reply_error(p->res, 400, "InvalidParameter",
                       "privateEndpointNetworkPolicies '%s' is not supported.", policies);
        return -1;
    }
    if (check_prefix(p, space, vnet_name, name, body, &prefix) < 0 ||
        check_overlap(p, vnet_name, name, &prefix, siblings) < 0 || check_used(p, old, body) < 0)
        return -1;
    if (az_check_reference(p, az_str(body, "properties.networkSecurityGroup.id"), AZ_T_NSG, location) < 0 ||
        az_check_reference(p, az_str(body, "properties.routeTable.id"), AZ_T_ROUTE_TABLE, location) < 0 ||
        az_check_reference(p, az_str(body, "properties.natGateway.id"), AZ_T_NAT, location) < 0)
        return -1;
    return 0;
}

static int prepare_subnet(struct az_change *p)
{
    const char *name = az_call_segment(p->call, p->call->segment_count - 1);
    json_t *clean = az_subnet_clean(p->parent->id, name, json_object_get(p->want, "properties"));
    json_decref(p->want);
    p->want = clean;
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    json_t *siblings = json_object();
    for (const struct az_resource *s = az_child_first(p->parent, AZ_T_SUBNET); s != NULL;
         s = az_child_next(s, AZ_T_SUBNET))
        json_object_set(siblings, s->name, s->body);
    int r =
        az_subnet_check(p, p->existing, p->parent->id, name, az_str(p->parent->body, "location"),
                        az_at(p->parent->body, "properties.addressSpace.addressPrefixes"), clean, siblings);
    json_decref(siblings);
    return r;
}

static int prepare_delete_subnet(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    if (az_subnet_user(p->existing) != NULL)
        return refuse_in_use(
            p, p->existing, "InUseSubnetCannotBeDeleted",
            "cannot be deleted. In order to delete the subnet, delete all the resources within the "
            "subnet. See aka.ms/deletesubnet");
    return 0;
}

json_t *az_subnet_render(struct az_model *m, struct az_resource *subnet)
{
    json_t *body = az_copy(subnet->body), *properties = json_object_get(body, "properties");
    json_t *configurations = json_array(), *endpoints = json_array();
    const char *ip;
    json_t *owner;
    json_object_foreach(json_object_get(subnet->state, "ips"), ip, owner) {
        const struct az_resource *nic = az_store_get(m, json_string_value(owner));
        if (nic == NULL)
            continue;
        json_array_append_new(configurations,
                              json_pack("{s:o}", "id",
                                        az_strf("%s/ipConfigurations/%s", nic->id,
                                                az_str(nic->body, "properties.ipConfigurations.0.name"))));
        const char *endpoint = az_str(nic->body, "properties.privateEndpoint.id");
        if (endpoint[0] != '\0')
            json_array_append_new(endpoints, json_pack("{s:s}", "id", endpoint));
    }
    if (json_array_size(configurations) > 0) {
        json_object_set(properties, "ipConfigurations", configurations);
        json_object_set(properties, "privateEndpoints", endpoints);
        az_set_str(properties, "purpose", "PrivateEndpoints");
    }
    json_decref(configurations);
    json_decref(endpoints);
    const char *workspace = az_str(subnet->state, "workspace");
    if (workspace[0] != '\0')
        json_object_set_new(
            properties, "serviceAssociationLinks",
            json_pack("[{s:s,s:o,s:s,s:{s:s,s:s,s:s,s:b}}]", "name", "databricks-workspace", "id",
                      az_strf("%s/serviceAssociationLinks/databricks-workspace", subnet->id), "type",
                      "Microsoft.Network/virtualNetworks/subnets/serviceAssociationLinks", "properties",
                      "provisioningState", "Succeeded", "linkedResourceType",
                      "Microsoft.Databricks/workspaces", "link", workspace, "allowDelete", 0));
    return body;
}

const struct az_type az_type_subnet = {
    .type = AZ_T_SUBNET,
    .display = "Microsoft.Network/virtualNetworks/subnets",
    .versions = "network",
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "subnet.put",
    .delete_duration = "subnet.delete",
    .min_s = 5,
    .max_s = 20,
    .new_state = "Updating",
    .prepare = prepare_subnet,
    .prepare_delete = prepare_delete_subnet,
    .render = az_subnet_render,
};

/* What a workspace's PUT may say. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

#define SUBNET_BITS_MAX 28
#define VNET_BITS_MIN 16
#define VNET_BITS_MAX 24

#define PARAM(name) "properties.parameters." name ".value"

static const char *const read_only[] = {"workspaceId",
                                        "workspaceUrl",
                                        "createdBy",
                                        "updatedBy",
                                        "createdDateTime",
                                        "diskEncryptionSetId",
                                        "isUcEnabled",
                                        "privateEndpointConnections",
                                        "storageAccountIdentity",
                                        "managedDiskIdentity",
                                        NULL};

bool az_workspace_is_injected(const struct az_resource *ws)
{
    return az_str(ws->body, PARAM("customVirtualNetworkId"))[0] != '\0';
}

struct az_resource *az_workspace_subnet(struct az_model *m, const json_t *body, bool is_public)
{
    const struct az_resource *vnet = az_store_get(m, az_str_or_null(body, PARAM("customVirtualNetworkId")));
    const char *name =
        az_str(body, is_public ? PARAM("customPublicSubnetName") : PARAM("customPrivateSubnetName"));
    return vnet != NULL ? az_child_named(vnet, AZ_T_SUBNET, name) : NULL;
}

bool az_workspace_network_differs(const json_t *a, const json_t *b)
{
    return !az_ieq(az_str(a, "properties.publicNetworkAccess"),
                   az_str(b, "properties.publicNetworkAccess")) ||
           !az_ieq(az_str(a, "properties.requiredNsgRules"), az_str(b, "properties.requiredNsgRules")) ||
           az_bool(a, PARAM("enableNoPublicIp"), false) != az_bool(b, PARAM("enableNoPublicIp"), false);
}

static int refuse(struct az_change *p, const char *code, const char *text)
{
    az_reply_error(p->res, 400, code, "%s", text);
    return -1;
}

/* ---- completing ---- */

void az_workspace_complete_parameters(struct az_model *m, json_t *parameters, const json_t *old,
                                      bool default_npip)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_del(parameters, "resourceTags");
    json_object_foreach_safe(parameters, next, key, value) {
        const json_t *v = json_object_get(value, "value");
        if (v == NULL || json_is_null(v)) {
            json_object_del(parameters, key);
            continue;
        }
        const char *type = json_is_boolean(v) ? "Bool" : json_is_object(v) ? "Object" : "String";
        json_object_set_new(parameters, key, json_pack("{s:s,s:o}", "type", type, "value", az_copy(v)));
    }
    if (json_object_get(parameters, "enableNoPublicIp") == NULL)
        json_object_set_new(parameters, "enableNoPublicIp",
                            json_pack("{s:s,s:b}", "type", "Bool", "value", (int)default_npip));
    static const char *const kept[] = {"storageAccountName",
                                       "storageAccountSkuName",
                                       "vnetAddressPrefix",
                                       "natGatewayName",
                                       "publicIpName",
                                       "prepareEncryption",
                                       "requireInfrastructureEncryption"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (json_object_get(parameters, kept[i]) == NULL && json_object_get(old, kept[i]) != NULL)
            json_object_set_new(parameters, kept[i], az_copy(json_object_get(old, kept[i])));
    if (json_object_get(parameters, "storageAccountName") == NULL)
        json_object_set_new(parameters, "storageAccountName",
                            json_pack("{s:s,s:o}", "type", "String", "value",
                                      az_strf("dbstorage%013llx", (unsigned long long)(az_random(m) >> 12))));
    if (json_object_get(parameters, "storageAccountSkuName") == NULL)
        json_object_set_new(parameters, "storageAccountSkuName",
                            json_pack("{s:s,s:s}", "type", "String", "value", "Standard_GRS"));
}

static void complete(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties");
    const json_t *old = p->existing != NULL ? az_at(p->existing->body, "properties") : NULL;
    for (size_t i = 0; read_only[i] != NULL; i++) {
        json_object_del(properties, read_only[i]);
        if (json_object_get(old, read_only[i]) != NULL)
            json_object_set_new(properties, read_only[i], az_copy(json_object_get(old, read_only[i])));
    }
    static const char *const sticky[] = {"authorizations", "uiDefinitionUri"};
    for (size_t i = 0; i < 2; i++)
        if (json_object_get(properties, sticky[i]) == NULL && json_object_get(old, sticky[i]) != NULL)
            json_object_set_new(properties, sticky[i], az_copy(json_object_get(old, sticky[i])));
    if (!json_is_object(json_object_get(properties, "parameters")))
        json_object_set_new(properties, "parameters", json_object());
    if (!json_is_string(json_object_get(properties, "publicNetworkAccess")))
        json_object_set_new(properties, "publicNetworkAccess", json_string("Enabled"));
    if (!json_is_string(json_object_get(properties, "requiredNsgRules")))
        json_object_set_new(properties, "requiredNsgRules", json_string("AllRules"));
    az_workspace_complete_parameters(p->m, json_object_get(properties, "parameters"),
                                     json_object_get(old, "parameters"),
                                     strcmp(p->call->api_version, "2024-05-01") >= 0);
}

/* ---- checking ---- */

static int check_settings(struct az_change *p)
{
    const char *access = az_str(p->want, "properties.publicNetworkAccess"),
               *rules = az_str(p->want, "properties.requiredNsgRules");
    const char *sku = az_str(p->want, "sku.name");
    bool no_public_ip = az_bool(p->want, PARAM("enableNoPublicIp"), false);
    bool is_private = az_ieq(access, "Disabled") || az_ieq(rules, "NoAzureDatabricksRules");
    if (!az_ieq(sku, "standard") && !az_ieq(sku, "premium") && !az_ieq(sku, "trial"))
        return refuse(p, "InvalidParameter", "sku.name must be one of 'standard', 'premium', 'trial'.");
    if (!az_ieq(access, "Enabled") && !az_ieq(access, "Disabled"))
        return refuse(p, "InvalidParameter", "publicNetworkAccess must be 'Enabled' or 'Disabled'.");
    if (!az_ieq(rules, "AllRules") && !az_ieq(rules, "NoAzureDatabricksRules") &&
        !az_ieq(rules, "NoAzureServiceRules"))
        return refuse(p, "InvalidParameter",
                      "requiredNsgRules must be 'AllRules' or 'NoAzureDatabricksRules'.");
    if (az_ieq(access, "Disabled") && az_ieq(rules, "AllRules"))
        return refuse(p, "InvalidParameter",
                      "requiredNsgRules 'AllRules' is not allowed when publicNetworkAccess is 'Disabled'.");
    if (az_ieq(access, "Disabled") && az_str(p->want, PARAM("loadBalancerId"))[0] != '\0')
        return refuse(p, "InvalidParameter",
                      "loadBalancerId is not allowed when publicNetworkAccess is 'Disabled'.");
    if (az_ieq(rules, "NoAzureDatabricksRules") && !no_public_ip)
        return refuse(p, "InvalidParameter",
                      "requiredNsgRules 'NoAzureDatabricksRules' needs enableNoPublicIp = true.");
    if (is_private && !az_ieq(sku, "premium"))
        return refuse(p, "InvalidParameter", "Private connectivity needs the premium SKU.");
    if (is_private && az_str(p->want, PARAM("customVirtualNetworkId"))[0] == '\0')
        return refuse(p, "NonVNetInjectedWorkspaceNotSupported",
                      "These networking settings need a workspace in a virtual network of its owner.");
    return 0;
}

static int check_subnet(struct az_change *p, const struct az_resource *subnet, const char *name)
{
    bool is_own = subnet != NULL && az_ieq(az_str(subnet->state, "workspace"), p->call->id);
    if (subnet != NULL && !is_own && strcmp(az_prov_state(subnet), "Updating") == 0)
        return az_refuse_not_provisioned(p, subnet->id);
    char text[512];
    struct az_cidr prefix;
    const char *problem = NULL;
    if (subnet == NULL)
        problem = "does not exist";
    else if (!az_is_delegated(subnet->body, "Microsoft.Databricks/workspaces"))
        problem = "is not delegated to 'Microsoft.Databricks/workspaces'";
    else if (az_str(subnet->body, "properties.networkSecurityGroup.id")[0] == '\0')
        problem = "has no network security group";
    else if (az_subnet_prefix(subnet->body, &prefix) && prefix.bits > SUBNET_BITS_MAX)
        problem = "is too small";
    else if (az_str(subnet->state, "workspace")[0] != '\0' && !is_own)
        problem = "is used by another workspace";
    else if (!is_own && json_object_size(json_object_get(subnet->state, "ips")) > 0)
        problem = "is used by other resources";
    if (problem == NULL)
        return 0;
    snprintf(text, sizeof text, "The subnet '%.200s' of the virtual network %s.", name, problem);
    return refuse(p, "InvalidParameter", text);
}

static int check_network(struct az_change *p)
{
    const char *vnet_id = az_str(p->want, PARAM("customVirtualNetworkId"));
    const char *public_name = az_str(p->want, PARAM("customPublicSubnetName"));
    const char *private_name = az_str(p->want, PARAM("customPrivateSubnetName"));
    struct az_cidr space;
    if (vnet_id[0] == '\0')
        return 0;
    if (az_check_reference(p, vnet_id, AZ_T_VNET, NULL) < 0)
        return -1;
    const struct az_resource *vnet = az_store_get(p->m, vnet_id);
    if (!az_location_eq(az_str(vnet->body, "location"), az_str(p->want, "location")) ||
        strncasecmp(vnet->key, p->call->id, 51) != 0)
        return refuse(p, "InvalidParameter",
                      "The virtual network must be in the workspace's subscription and region.");
    if (az_cidr_parse(az_str(vnet->body, "properties.addressSpace.addressPrefixes.0"), &space) &&
        (space.bits < VNET_BITS_MIN || space.bits > VNET_BITS_MAX))
        return refuse(p, "InvalidParameter",
                      "The virtual network's address space must be between /16 and /24.");
    if (public_name[0] == '\0' || private_name[0] == '\0' || az_ieq(public_name, private_name))
        return refuse(p, "InvalidParameter",
                      "customPublicSubnetName and customPrivateSubnetName must name two different subnets.");
    if (check_subnet(p, az_workspace_subnet(p->m, p->want, true), public_name) < 0)
        return -1;
    return check_subnet(p, az_workspace_subnet(p->m, p->want, false), private_name);
}

static int check_managed_group(struct az_change *p)
{
    const char *id = az_str(p->want, "properties.managedResourceGroupId"), *slash = strrchr(id, '/');
    char type[256];
    az_id_type(id, type, sizeof type);
    const char *name = slash != NULL ? slash + 1 : "";
    if (strcmp(type, AZ_T_GROUP) != 0 || strlen(name) > 90 || !az_name_ok(AZ_NAME_ANY, name))
        return refuse(p, "LinkedInvalidPropertyId",
                      "managedResourceGroupId must be the resource id of a resource group.");
    if (az_ieq(id, p->parent->id))
        return refuse(p, "InvalidParameter",
                      "The managed resource group cannot be the workspace's own resource group.");
    if (p->existing != NULL)
        return az_ieq(id, az_str(p->existing->body, "properties.managedResourceGroupId"))
                   ? 0
                   : refuse(p, "PropertyChangeNotAllowed", "managedResourceGroupId cannot be changed.");
    return 0;
}

static int check_unchanged(struct az_change *p)
{
    const char *state = az_str(p->call->body, "properties.provisioningState");
    const json_t *old = p->existing != NULL ? p->existing->body : NULL;
    if (old == NULL)
        return 0;
    if (state[0] != '\0' && !az_ieq(state, az_prov_state(p->existing)))
        return refuse(p, "InvalidParameter", "provisioningState differs from the resource's.");
    if (!az_ieq(az_str(p->want, PARAM("customVirtualNetworkId")),
                az_str(old, PARAM("customVirtualNetworkId"))))
        return refuse(
            p, "VirtualNetworkIdChangeNotAllowed",
            "The virtual network of a workspace cannot be changed: customVirtualNetworkId is immutable.");
    if (!az_ieq(az_str(p->want, PARAM("customPublicSubnetName")),
                az_str(old, PARAM("customPublicSubnetName"))) ||
        !az_ieq(az_str(p->want, PARAM("customPrivateSubnetName")),
                az_str(old, PARAM("customPrivateSubnetName"))))
        return refuse(p, "PropertyChangeNotAllowed", "The subnets of a workspace cannot be changed.");
    if (strcmp(p->call->api_version, "2022-04-01") < 0 && az_workspace_network_differs(p->want, old))
        return refuse(p, "PropertyChangeNotAllowed",
                      "Networking settings cannot be changed with this api-version.");
    return 0;
}

int az_workspace_check(struct az_change *p)
{
    complete(p);
    az_change_lock(p, p->call->id);
    const char *vnet_id = az_str(p->want, PARAM("customVirtualNetworkId"));
    if (vnet_id[0] != '\0')
        az_change_lock(p, vnet_id);
    /* A busy workspace says so before anything else. */
    if (p->existing != NULL && az_op_holding(p->m, p->existing) != NULL)
        return 0;
    return check_managed_group(p) < 0 || check_unchanged(p) < 0 || check_settings(p) < 0 ||
                   check_network(p) < 0
               ? -1
               : 0;
}

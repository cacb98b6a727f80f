#include "schema/provision_v1.h"

#include "schema/request_members.h"

#define TYPE struct cw_provision_v1
#define AT(member) .offset = offsetof(TYPE, member)

static const struct cw_member members[] = {
    CW_ROW_WORKSPACE_ID(TYPE),
    {.name = "region",
     .type = CW_MEMBER_TEXT,
     .format = CW_FORMAT_REGION,
     .is_required = true,
     AT(region),
     .text = "Azure region of the workspace, its VNet and its endpoint"},
    CW_ROW_TENANT_ID(TYPE),
    CW_ROW_CLOUD(TYPE),
    CW_ROW_OPTIONS(TYPE),
    {.name = "managedResourceGroup",
     .type = CW_MEMBER_TEXT,
     .format = CW_FORMAT_RESOURCE_GROUP,
     AT(managed_resource_group),
     .text =
         "name of the group that Databricks makes for itself; must not exist; `managed-{workspace}` when absent"},
    {.name = "tags",
     .type = CW_MEMBER_MAP,
     AT(tags),
     .count_offset = offsetof(TYPE, tag_count),
     .max = 15,
     .text = "tags of the resources that are made"},
    {.name = "network",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_provision_network_v1_shape,
     AT(network),
     .text = "the workspace's VNet and its subnets"},
    CW_ROW_PRIVATE_ENDPOINT(TYPE),
    CW_ROW_PRIVATE_DNS(TYPE),
    CW_ROW_BROWSER_AUTHENTICATION(TYPE),
};

const struct cw_shape cw_provision_v1_shape = {
    .name = "provision",
    .text = "Make a new workspace with a private back-end connection, and prove it.",
    .bytes = sizeof(TYPE),
    CW_MEMBERS(members)};

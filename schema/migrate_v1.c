#include "schema/migrate_v1.h"

#include "schema/request_members.h"

#define TYPE struct cw_migrate_v1

static const struct cw_member members[] = {
    CW_ROW_WORKSPACE_ID(TYPE),
    CW_ROW_TENANT_ID(TYPE),
    CW_ROW_CLOUD(TYPE),
    CW_ROW_OPTIONS(TYPE),
    {.name = "network",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_migrate_network_v1_shape,
     .offset = offsetof(TYPE, network),
     .text = "what is added to the workspace's VNet"},
    CW_ROW_PRIVATE_ENDPOINT(TYPE),
    CW_ROW_PRIVATE_DNS(TYPE),
    CW_ROW_BROWSER_AUTHENTICATION(TYPE),
};

const struct cw_shape cw_migrate_v1_shape = {
    .name = "migrate",
    .text = "Give an existing workspace a private back-end connection, and prove it.",
    .bytes = sizeof(TYPE),
    CW_MEMBERS(members)};

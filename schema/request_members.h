/* schema/request_members.h: table rows that several requests begin with. Internal to schema.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_REQUEST_MEMBERS_H
#define CW_SCHEMA_REQUEST_MEMBERS_H

#include "schema/options_v1.h"

#define CW_ROW_WORKSPACE_ID(type_)                                                       \
    {                                                                                    \
        .name = "workspaceId", .type = CW_MEMBER_TEXT, .format = CW_FORMAT_WORKSPACE_ID, \
        .is_required = true, .offset = offsetof(type_, workspace_id),                    \
        .text = "Azure resource id of the workspace"                                     \
    }
#define CW_ROW_TENANT_ID(type_)                                                                    \
    {                                                                                              \
        .name = "tenantId", .type = CW_MEMBER_TEXT, .format = CW_FORMAT_GUID,                      \
        .offset = offsetof(type_, tenant_id), .text = "Entra tenant; the worker's own when absent" \
    }
#define CW_ROW_CLOUD(type_)                                                   \
    {                                                                         \
        .name = "cloud", .type = CW_MEMBER_ENUM, .names = cw_cloud_names,     \
        .name_count = CW_CLOUD_NAME__COUNT, .offset = offsetof(type_, cloud), \
        .text = "must be the cloud that the worker serves"                    \
    }
#define CW_ROW_OPTIONS(type_)                                                        \
    {                                                                                \
        .name = "options", .type = CW_MEMBER_OBJECT, .child = &cw_options_v1_shape,  \
        .offset = offsetof(type_, options), .text = "how the request is carried out" \
    }
#define CW_ROW_PRIVATE_ENDPOINT(type_)                                                               \
    {                                                                                                \
        .name = "privateEndpoint", .type = CW_MEMBER_OBJECT, .child = &cw_private_endpoint_v1_shape, \
        .offset = offsetof(type_, private_endpoint), .text = "the private endpoint"                  \
    }
#define CW_ROW_PRIVATE_DNS(type_)                                                          \
    {                                                                                      \
        .name = "privateDns", .type = CW_MEMBER_OBJECT, .child = &cw_private_dns_v1_shape, \
        .offset = offsetof(type_, private_dns), .text = "the private DNS zone"             \
    }
#define CW_ROW_BROWSER_AUTHENTICATION(type_)                                                             \
    {                                                                                                    \
        .name = "browserAuthentication", .type = CW_MEMBER_OBJECT,                                       \
        .child = &cw_browser_authentication_v1_shape, .offset = offsetof(type_, browser_authentication), \
        .text = "the endpoint for browser sign-in"                                                       \
    }

#endif

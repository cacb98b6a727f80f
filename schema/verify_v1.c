#include "schema/verify_v1.h"

#include "schema/request_members.h"

#define TYPE struct cw_verify_v1

static const struct cw_member members[] = {
    CW_ROW_WORKSPACE_ID(TYPE),
    CW_ROW_TENANT_ID(TYPE),
    CW_ROW_CLOUD(TYPE),
    CW_ROW_OPTIONS(TYPE),
    {.name = "watch",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_watch_v1_shape,
     .offset = offsetof(TYPE, watch),
     .text = "written by the worker that asks for the next run; not by senders"},
};

const struct cw_shape cw_verify_v1_shape = {
    .name = "verify",
    .text = "Prove that a workspace's back-end connection is private; changes nothing.",
    .bytes = sizeof(TYPE),
    CW_MEMBERS(members)};

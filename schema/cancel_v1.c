#include "schema/cancel_v1.h"

#include "schema/request_members.h"

#define TYPE struct cw_cancel_v1

static const struct cw_member members[] = {
    CW_ROW_WORKSPACE_ID(TYPE),
    {.name = "requestId",
     .type = CW_MEMBER_TEXT,
     .format = CW_FORMAT_EVENT_ID,
     .is_required = true,
     .offset = offsetof(TYPE, request_id),
     .text = "id of the request to stop"},
    {.name = "reason",
     .type = CW_MEMBER_TEXT,
     .max = 512,
     .offset = offsetof(TYPE, reason),
     .text = "why, for the verdict of the stopped request"},
};

const struct cw_shape cw_cancel_v1_shape = {
    .name = "cancel",
    .text = "Stop a request at its next safe point, undoing what must be undone.",
    .bytes = sizeof(TYPE),
    CW_MEMBERS(members)};

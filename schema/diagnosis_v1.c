#include "schema/diagnosis_v1.h"

const char *const cw_cause_names[CW_CAUSE__COUNT] = {
#define X(id, name) [CW_CAUSE_##id] = name,
    CW_CAUSES(X)
#undef X
};

const char *const cw_repairer_names[CW_REPAIRER__COUNT] = {
#define X(id, name) [CW_REPAIRER_##id] = name,
    CW_REPAIRERS(X)
#undef X
};

#define AT(member) .offset = offsetof(struct cw_evidence_v1, member)
static const struct cw_member evidence_members[] = {
    {.name = "resourceId", .type = CW_MEMBER_TEXT, AT(resource_id), .text = "where it was seen"},
    {.name = "field", .type = CW_MEMBER_TEXT, AT(field), .text = "which member, record or event"},
    {.name = "expected", .type = CW_MEMBER_TEXT, AT(expected), .text = "what should be there"},
    {.name = "found", .type = CW_MEMBER_TEXT, AT(found), .text = "what is there"},
};
#undef AT
static const struct cw_shape evidence_shape = {.name = "evidence",
                                               .text = "One observation behind a finding.",
                                               .bytes = sizeof(struct cw_evidence_v1),
                                               CW_MEMBERS(evidence_members)};

#define AT(member) .offset = offsetof(struct cw_diagnosis_v1, member)
static const struct cw_member diagnosis_members[] = {
    {.name = "cause",
     .type = CW_MEMBER_ENUM,
     .names = cw_cause_names,
     .name_count = CW_CAUSE__COUNT,
     .is_required = true,
     AT(cause),
     .text = "the cause, from a closed list"},
    {.name = "confidence",
     .type = CW_MEMBER_INT,
     .is_required = true,
     .min = 0,
     .max = 100,
     AT(confidence),
     .text = "per cent; the list is ordered by it"},
    {.name = "message",
     .type = CW_MEMBER_TEXT,
     .is_required = true,
     AT(message),
     .text = "what is wrong, in a sentence"},
    {.name = "evidence",
     .type = CW_MEMBER_LIST,
     .child = &evidence_shape,
     AT(evidence),
     .count_offset = offsetof(struct cw_diagnosis_v1, evidence_count),
     .text = "what shows it"},
    {.name = "repair", .type = CW_MEMBER_TEXT, AT(repair), .text = "what to do about it"},
    {.name = "repairer",
     .type = CW_MEMBER_ENUM,
     .names = cw_repairer_names,
     .name_count = CW_REPAIRER__COUNT,
     AT(repairer),
     .text = "who can do it"},
    {.name = "command",
     .type = CW_MEMBER_TEXT,
     AT(command),
     .text = "how: a command of the Azure CLI, or the way through the portal"},
    {.name = "safe", .type = CW_MEMBER_BOOL, AT(is_safe), .text = "the repair only adds something or waits"},
    {.name = "source", .type = CW_MEMBER_TEXT, AT(source), .text = "title of the page that this rests on"},
};
#undef AT
const struct cw_shape cw_diagnosis_v1_shape = {
    .name = "diagnosis",
    .text = "One possible cause of a failed proof, or what is wrong beside it (browser sign-in).",
    .bytes = sizeof(struct cw_diagnosis_v1),
    CW_MEMBERS(diagnosis_members)};

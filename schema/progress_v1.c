#include "schema/progress_v1.h"

#include "schema/facts_shapes.h"

static const char *const types[CW_PROGRESS__COUNT] = {"causeway.step.started.v1", "causeway.step.waiting.v1",
                                                      "causeway.step.finished.v1"};

#define AT(member) .offset = offsetof(struct cw_waiting_v1, member)
static const struct cw_member waiting_members[] = {
    {.name = "reason",
     .type = CW_MEMBER_TEXT,
     .is_required = true,
     AT(reason),
     .text = "lock, throttle, operation, dns, cluster, capacity, ready, retry or schedule"},
    {.name = "what", .type = CW_MEMBER_TEXT, AT(what), .text = "the resource, bucket or owner"},
    {.name = "detail", .type = CW_MEMBER_TEXT, AT(detail), .text = "more about it"},
    {.name = "percent",
     .type = CW_MEMBER_INT,
     .min = 0,
     .max = 100,
     .otherwise = "-1",
     AT(percent),
     .text = "how far an operation is, where Azure says so"},
    {.name = "since", .type = CW_MEMBER_TIME, AT(since), .text = "when the wait began"},
    {.name = "nextLook", .type = CW_MEMBER_TIME, AT(next_look), .text = "when it is looked at again"},
    {.name = "compute",
     .type = CW_MEMBER_LIST,
     .child = &cw_compute_v1_shape,
     AT(compute),
     .count_offset = offsetof(struct cw_waiting_v1, compute_count),
     .text = "of `stop_compute`: what ran, as written down before more of it is stopped"},
};
#undef AT
static const struct cw_shape waiting_shape = {.name = "waiting",
                                              .text = "What a step waits for.",
                                              .bytes = sizeof(struct cw_waiting_v1),
                                              CW_MEMBERS(waiting_members)};

#define AT(member) .offset = offsetof(struct cw_finished_v1, member)
#define COUNT(member) .count_offset = offsetof(struct cw_finished_v1, member)
static const struct cw_member finished_members[] = {
    {.name = "outcome",
     .type = CW_MEMBER_ENUM,
     .names = cw_step_outcome_names,
     .name_count = CW_STEP_OUTCOME__COUNT,
     .is_required = true,
     AT(outcome),
     .text = "how the step ended"},
    {.name = "found", .type = CW_MEMBER_TEXTS, AT(found), COUNT(found_count), .text = "what it found"},
    {.name = "changed",
     .type = CW_MEMBER_TEXTS,
     AT(changed),
     COUNT(changed_count),
     .text = "what it changed; in plan mode, what it would change"},
    {.name = "durationMs",
     .type = CW_MEMBER_INT,
     .is_required = true,
     AT(duration_ms),
     .text = "milliseconds"},
    {.name = "compute",
     .type = CW_MEMBER_LIST,
     .child = &cw_compute_v1_shape,
     AT(compute),
     COUNT(compute_count),
     .text = "of `inventory_compute`: what runs, before anything is stopped"},
    {.name = "error",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_error_v1_shape,
     AT(error),
     .text = "why it failed"},
};
#undef AT
#undef COUNT
static const struct cw_shape finished_shape = {.name = "finished",
                                               .text = "How a step ended.",
                                               .bytes = sizeof(struct cw_finished_v1),
                                               CW_MEMBERS(finished_members)};

#define AT(member) .offset = offsetof(struct cw_progress_v1, member)
#define COMMON                                                                                          \
    {.name = "requestId",                                                                               \
     .type = CW_MEMBER_TEXT,                                                                            \
     .is_required = true,                                                                               \
     AT(request_id),                                                                                    \
     .text = "id of the request"},                                                                      \
        {.name = "requestType", .type = CW_MEMBER_TEXT, AT(request_type), .text = "its type"},          \
        {.name = "workspaceId",                                                                         \
         .type = CW_MEMBER_TEXT,                                                                        \
         .is_required = true,                                                                           \
         AT(workspace_id),                                                                              \
         .text = "the workspace"},                                                                      \
        {.name = "step", .type = CW_MEMBER_TEXT, .is_required = true, AT(step), .text = "the step"},    \
        {.name = "attempt", .type = CW_MEMBER_INT, .is_required = true, AT(attempt), .text = "from 1"}, \
        {.name = "number",                                                                              \
         .type = CW_MEMBER_INT,                                                                         \
         .is_required = true,                                                                           \
         AT(number),                                                                                    \
         .text = "its place in the plan, from 1"},                                                      \
        {.name = "total",                                                                               \
         .type = CW_MEMBER_INT,                                                                         \
         .is_required = true,                                                                           \
         AT(total),                                                                                     \
         .text = "steps in the plan"},                                                                  \
    {                                                                                                   \
        .name = "state", .type = CW_MEMBER_TEXT, AT(state), .text = "of the request: running, undoing"  \
    }
static const struct cw_member started[] = {COMMON};
static const struct cw_member waits[] = {
    COMMON,
    {.name = "waiting",
     .type = CW_MEMBER_OBJECT,
     .child = &waiting_shape,
     .is_required = true,
     AT(waiting),
     .text = "what it waits for"},
};
static const struct cw_member finished[] = {
    COMMON,
    {.name = "finished",
     .type = CW_MEMBER_OBJECT,
     .child = &finished_shape,
     .is_required = true,
     AT(finished),
     .text = "how it ended"},
};
const struct cw_shape cw_step_started_v1_shape = {.name = "stepStarted",
                                                  .text = "A step begins.",
                                                  .bytes = sizeof(struct cw_progress_v1),
                                                  CW_MEMBERS(started)};
const struct cw_shape cw_step_waiting_v1_shape = {.name = "stepWaiting",
                                                  .text = "A step waits, and for what.",
                                                  .bytes = sizeof(struct cw_progress_v1),
                                                  CW_MEMBERS(waits)};
const struct cw_shape cw_step_finished_v1_shape = {.name = "stepFinished",
                                                   .text = "A step has ended.",
                                                   .bytes = sizeof(struct cw_progress_v1),
                                                   CW_MEMBERS(finished)};
const struct cw_shape *const cw_progress_shapes[CW_PROGRESS__COUNT] = {
    &cw_step_started_v1_shape, &cw_step_waiting_v1_shape, &cw_step_finished_v1_shape};

const char *cw_progress_type(enum cw_progress_kind kind)
{
    return types[kind];
}

int cw_progress_encode(const struct cw_progress_v1 *progress, const struct cw_event *event, const char *key,
                       struct cw_arena *mem, struct cw_record_out *ret_record, struct cw_err *err)
{
    struct cw_event typed = *event;
    typed.type = types[progress->kind];
    return cw_event_write(&typed, key, cw_shape_encode(cw_progress_shapes[progress->kind], progress), mem,
                          ret_record, err);
}

int cw_progress_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                       struct cw_progress_v1 *ret_progress, struct cw_err *err)
{
    size_t which = 0;
    int r = cw_event_decode(rec, types, cw_progress_shapes, CW_PROGRESS__COUNT, mem, ret_event, ret_progress,
                            &which, err);
    if (r == 0)
        ret_progress->kind = (int)which;
    return r;
}

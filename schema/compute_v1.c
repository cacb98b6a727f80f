#include "schema/compute_v1.h"

const char *const cw_compute_v1_kind_names[CW_COMPUTE_V1__COUNT] = {"cluster", "warehouse", "pool",
                                                                    "run",     "pipeline",  "schedule"};

#define AT(member) .offset = offsetof(struct cw_compute_v1, member)
static const struct cw_member compute_members[] = {
    {.name = "kind",
     .type = CW_MEMBER_ENUM,
     .names = cw_compute_v1_kind_names,
     .name_count = CW_COMPUTE_V1__COUNT,
     .is_required = true,
     AT(kind),
     .text = "what it is"},
    {.name = "id", .type = CW_MEMBER_TEXT, .is_required = true, AT(id), .text = "its id in the workspace"},
    {.name = "name", .type = CW_MEMBER_TEXT, AT(name), .text = "its name"},
    {.name = "state", .type = CW_MEMBER_TEXT, AT(state), .text = "state when it was listed"},
    {.name = "stateNow", .type = CW_MEMBER_TEXT, AT(state_now), .text = "state at the end"},
    {.name = "wasRunning",
     .type = CW_MEMBER_BOOL,
     AT(was_running),
     .text = "it ran before anything was stopped"},
    {.name = "stoppedByUs", .type = CW_MEMBER_BOOL, AT(stopped_by_us), .text = "this request stopped it"},
    {.name = "minIdle", .type = CW_MEMBER_INT, AT(min_idle), .text = "of a pool: idle instances it keeps"},
    {.name = "idleMinutes",
     .type = CW_MEMBER_INT,
     AT(idle_minutes),
     .text = "of a pool: minutes before idle instances end"},
    {.name = "note", .type = CW_MEMBER_TEXT, AT(note), .text = "why it was left alone, or does not run"},
};
#undef AT
const struct cw_shape cw_compute_v1_shape = {
    .name = "compute",
    .text = "A cluster, SQL warehouse, pool, job run, pipeline or job schedule.",
    .bytes = sizeof(struct cw_compute_v1),
    CW_MEMBERS(compute_members)};

#define AT(member) .offset = offsetof(struct cw_dns_record_v1, member)
static const struct cw_member record_members[] = {
    {.name = "name", .type = CW_MEMBER_TEXT, .is_required = true, AT(name), .text = "name in the zone"},
    {.name = "addresses",
     .type = CW_MEMBER_TEXTS,
     AT(addresses),
     .count_offset = offsetof(struct cw_dns_record_v1, address_count),
     .text = "IPv4 addresses"},
    {.name = "ttl", .type = CW_MEMBER_INT, AT(ttl), .text = "seconds"},
};
#undef AT
const struct cw_shape cw_dns_record_v1_shape = {.name = "record",
                                                .text = "An A record.",
                                                .bytes = sizeof(struct cw_dns_record_v1),
                                                CW_MEMBERS(record_members)};

#include "schema/watch_v1.h"

#include "schema/result_v1.h"

#define TEXT(name_, member, text_)                                       \
    {                                                                    \
        .name = name_, .type = CW_MEMBER_TEXT, AT(member), .text = text_ \
    }
#define AT(member) .offset = offsetof(TYPE, member)
#define COUNT(member) .count_offset = offsetof(TYPE, member)

#define TYPE struct cw_snapshot_v1
static const struct cw_member snapshot_members[] = {
    TEXT("outcome", outcome, "the verdict"),
    TEXT("endpointId", endpoint_id, "the private endpoint"),
    TEXT("endpointAddress", endpoint_address, "its address"),
    TEXT("endpointStatus", endpoint_status, "of its connection"),
    TEXT("zoneId", zone_id, "the private DNS zone"),
    TEXT("linkId", link_id, "its link to the VNet"),
    {.name = "records",
     .type = CW_MEMBER_LIST,
     .child = &cw_dns_record_v1_shape,
     AT(records),
     COUNT(record_count),
     .text = "the workspace's records in it"},
    TEXT("requiredNsgRules", required_nsg_rules, "setting of the workspace"),
    TEXT("publicNetworkAccess", public_network_access, "setting of the workspace"),
    {.name = "noPublicIp", .type = CW_MEMBER_TRI, AT(no_public_ip), .text = "setting of the workspace"},
    {.name = "causes",
     .type = CW_MEMBER_TEXTS,
     AT(causes),
     COUNT(cause_count),
     .text = "of the diagnosis, by name"},
};
#undef TYPE
const struct cw_shape cw_snapshot_v1_shape = {.name = "snapshot",
                                              .text = "What the last verdict of the watch said.",
                                              .bytes = sizeof(struct cw_snapshot_v1),
                                              CW_MEMBERS(snapshot_members)};

#define TYPE struct cw_watch_v1
static const struct cw_member watch_members[] = {
    {.name = "id",
     .type = CW_MEMBER_TEXT,
     .format = CW_FORMAT_EVENT_ID,
     .is_required = true,
     AT(id),
     .text = "id of the request that began the watch"},
    {.name = "run",
     .type = CW_MEMBER_INT,
     .min = 2,
     .max = 1000000000,
     .is_required = true,
     AT(run),
     .text = "which run it is; that of the first request is 1"},
    {.name = "notBefore", .type = CW_MEMBER_TIME, AT(not_before), .text = "it waits until then"},
    {.name = "reposts",
     .type = CW_MEMBER_INT,
     .min = 0,
     .max = INT64_MAX,
     AT(reposts),
     .text = "how often it was written anew while it waited"},
    {.name = "previous",
     .type = CW_MEMBER_OBJECT,
     .child = &cw_snapshot_v1_shape,
     AT(previous),
     .text = "what the last verdict said"},
};
#undef TYPE
const struct cw_shape cw_watch_v1_shape = {.name = "watch",
                                           .text = "A later run of a request with `options.repeatSeconds`.",
                                           .bytes = sizeof(struct cw_watch_v1),
                                           CW_MEMBERS(watch_members)};

#define TYPE struct cw_watch_run_v1
static const struct cw_member watch_run_members[] = {
    {.name = "id",
     .type = CW_MEMBER_TEXT,
     .is_required = true,
     AT(id),
     .text = "id of the request that began the watch: a cancel of it ends the watch"},
    {.name = "run", .type = CW_MEMBER_INT, .is_required = true, AT(run), .text = "from 1"},
    {.name = "nextRunAt",
     .type = CW_MEMBER_TIME,
     AT(next_run_at),
     .text = "when it is verified again; absent when this run is the last"},
};
#undef TYPE
const struct cw_shape cw_watch_run_v1_shape = {
    .name = "watchRun",
    .text = "Which run of a request with `options.repeatSeconds` this is.",
    .bytes = sizeof(struct cw_watch_run_v1),
    CW_MEMBERS(watch_run_members)};

static const char *const drift_names[CW_DRIFT__COUNT] = {
#define X(id, name) [CW_DRIFT_##id] = name,
    CW_DRIFTS(X)
#undef X
};

#define TYPE struct cw_drift_v1
static const struct cw_member drift_members[] = {
    {.name = "what",
     .type = CW_MEMBER_ENUM,
     .names = drift_names,
     .name_count = CW_DRIFT__COUNT,
     .is_required = true,
     AT(what),
     .text = "what differs, from a closed list"},
    TEXT("before", before, "as the last verdict had it; absent: there was none"),
    TEXT("after", after, "as it is now; absent: there is none"),
};
#undef TYPE
const struct cw_shape cw_drift_v1_shape = {.name = "drift",
                                           .text = "One difference to the last verdict of the same watch.",
                                           .bytes = sizeof(struct cw_drift_v1),
                                           CW_MEMBERS(drift_members)};

const char *cw_drift_name(enum cw_drift_what what)
{
    return drift_names[what];
}

/* ---- what a verdict shows --------------------------------------------------------------------------------------------- */

static void keep_settings(struct cw_snapshot_v1 *s, const struct cw_snapshot_v1 *before)
{
    if (s->required_nsg_rules == NULL)
        s->required_nsg_rules = before->required_nsg_rules;
    if (s->public_network_access == NULL)
        s->public_network_access = before->public_network_access;
    if (s->no_public_ip == CW_TRI_UNKNOWN)
        s->no_public_ip = before->no_public_ip;
}

/* A verdict without a status did not look for the endpoint, one without the zone's name did not look for the zone. */
static void keep_unseen(struct cw_snapshot_v1 *s, const struct cw_proof_v1 *e,
                        const struct cw_snapshot_v1 *before)
{
    keep_settings(s, before);
    if (e->endpoint_status == NULL) {
        s->endpoint_id = before->endpoint_id;
        s->endpoint_address = before->endpoint_address;
        s->endpoint_status = before->endpoint_status;
    }
    if (e->zone_name == NULL) {
        s->zone_id = before->zone_id;
        s->link_id = before->link_id;
    }
    if (s->record_count == 0 && (e->zone_name == NULL || e->zone_id == NULL)) {
        s->records = before->records;
        s->record_count = before->record_count;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_causes(struct cw_snapshot_v1 *s, const struct cw_result_v1 *result, struct cw_arena *mem)
{
    s->causes = cw_arena_alloc_array(mem, result->diagnosis_count + 1, sizeof *s->causes);
    if (s->causes == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < result->diagnosis_count; i++)
        s->causes[s->cause_count++] = cw_cause_names[result->diagnosis[i].cause];
    qsort(s->causes, s->cause_count, sizeof *s->causes, by_text);
    return 0;
}

int cw_snapshot_of(const struct cw_result_v1 *result, const struct cw_snapshot_v1 *previous,
                   struct cw_arena *mem, struct cw_snapshot_v1 *ret_snapshot)
{
    const struct cw_proof_v1 *e = &result->evidence;
    struct cw_snapshot_v1 s = {
        .outcome = cw_outcome_names[result->outcome],
        .endpoint_id = e->endpoint_id,
        .endpoint_address = e->endpoint_address,
        .endpoint_status = e->endpoint_status,
        .zone_id = e->zone_id,
        .link_id = e->link_id,
        .records = e->records,
        .record_count = e->record_count,
        .required_nsg_rules = e->required_nsg_rules,
        .public_network_access = e->public_network_access,
        .no_public_ip = e->no_public_ip,
    };
    int r = add_causes(&s, result, mem);
    if (r < 0)
        return r;
    if (previous != NULL)
        keep_unseen(&s, e, previous);
    if (previous != NULL && s.cause_count == 0 && result->outcome == CW_OUTCOME_FAILED) {
        s.causes = previous->causes;
        s.cause_count = previous->cause_count;
    }
    *ret_snapshot = s;
    return 0;
}

/* ---- what differs ----------------------------------------------------------------------------------------------------- */

static const char *text_of_texts(const char *const *items, size_t count, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    for (size_t i = 0; i < count; i++)
        cw_buf_addf(&b, "%s%s", i == 0 ? "" : ", ", items[i]);
    return count == 0 ? NULL : cw_arena_strdup(mem, cw_buf_z(&b));
}

/* The time to live is no drift: a zone group writes what it likes. */
static const char *text_of_records(const struct cw_snapshot_v1 *s, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    for (size_t i = 0; i < s->record_count; i++) {
        cw_buf_addf(&b, "%s%s", i == 0 ? "" : ", ", s->records[i].name);
        for (size_t k = 0; k < s->records[i].address_count; k++)
            cw_buf_addf(&b, " %s", s->records[i].addresses[k]);
    }
    return s->record_count == 0 ? NULL : cw_arena_strdup(mem, cw_buf_z(&b));
}

static const char *text_of_tri(int tri)
{
    return tri == CW_TRI_UNKNOWN ? NULL : tri == CW_TRI_YES ? "true" : "false";
}

static void show(const struct cw_snapshot_v1 *s, struct cw_arena *mem, const char *out[CW_DRIFT__COUNT])
{
    out[CW_DRIFT_OUTCOME] = s->outcome;
    out[CW_DRIFT_ENDPOINT_ID] = s->endpoint_id;
    out[CW_DRIFT_ENDPOINT_ADDRESS] = s->endpoint_address;
    out[CW_DRIFT_ENDPOINT_STATUS] = s->endpoint_status;
    out[CW_DRIFT_ZONE_ID] = s->zone_id;
    out[CW_DRIFT_LINK_ID] = s->link_id;
    out[CW_DRIFT_RECORDS] = text_of_records(s, mem);
    out[CW_DRIFT_NSG_RULES] = s->required_nsg_rules;
    out[CW_DRIFT_PUBLIC_ACCESS] = s->public_network_access;
    out[CW_DRIFT_NO_PUBLIC_IP] = text_of_tri(s->no_public_ip);
    out[CW_DRIFT_CAUSES] = text_of_texts(s->causes, s->cause_count, mem);
}

/* Azure writes its ids in any case. */
static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : cw_z_eq_nocase(a, b);
}

int cw_drift_between(const struct cw_snapshot_v1 *before, const struct cw_snapshot_v1 *after,
                     struct cw_arena *mem, struct cw_drift_v1 **ret_items, size_t *ret_count)
{
    const char *was[CW_DRIFT__COUNT], *is[CW_DRIFT__COUNT];
    struct cw_drift_v1 *items = cw_arena_alloc_array(mem, CW_DRIFT__COUNT, sizeof *items);
    size_t count = 0;
    if (items == NULL)
        return -CW_ENOMEM;
    show(before, mem, was);
    show(after, mem, is);
    for (int i = 0; i < CW_DRIFT__COUNT && before->outcome != NULL && after->outcome != NULL; i++) {
        if (!is_same(was[i], is[i]))
            items[count++] = (struct cw_drift_v1){i, was[i], is[i]};
    }
    *ret_items = items;
    *ret_count = count;
    return cw_arena_failed(mem) ? -CW_ENOMEM : 0;
}

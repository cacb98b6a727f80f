#include "worker/engine/record.h"

#define RECORD_BYTES_MAX ((size_t)2 * 1024 * 1024)

#define TEXT(of, member)                                                                    \
    {                                                                                       \
        .name = #member, .type = CW_MEMBER_TEXT, .offset = offsetof(of, member), .text = "" \
    }
#define INT(of, member)                                                                    \
    {                                                                                      \
        .name = #member, .type = CW_MEMBER_INT, .offset = offsetof(of, member), .text = "" \
    }
#define TEXTS(of, member, counter)                                                \
    {                                                                             \
        .name = #member, .type = CW_MEMBER_TEXTS, .offset = offsetof(of, member), \
        .count_offset = offsetof(of, counter), .text = ""                         \
    }

static const struct cw_member calls_members[] = {
    INT(struct cw_calls_v1, reads),
    INT(struct cw_calls_v1, writes),
    INT(struct cw_calls_v1, deletes),
};
static const struct cw_shape calls_shape = {
    .name = "calls",
    .bytes = sizeof(struct cw_calls_v1),
    .members = calls_members,
    .member_count = CW_ARRAY_LEN(calls_members),
};

static const struct cw_member step_members[] = {
    {.name = "outcome",
     .type = CW_MEMBER_ENUM,
     .offset = offsetof(struct cw_step_record, outcome),
     .is_required = true,
     .names = cw_step_outcome_names,
     .name_count = CW_STEP_OUTCOME__COUNT,
     .text = ""},
    TEXTS(struct cw_step_record, found, found_count),
    TEXTS(struct cw_step_record, changed, changed_count),
    INT(struct cw_step_record, duration_ms),
    INT(struct cw_step_record, attempts),
    {.name = "calls",
     .type = CW_MEMBER_OBJECT,
     .offset = offsetof(struct cw_step_record, calls),
     .child = &calls_shape,
     .text = ""},
    {.name = "out",
     .type = CW_MEMBER_OBJECT,
     .offset = offsetof(struct cw_step_record, out),
     .child = &cw_facts_shape,
     .text = ""},
};
static const struct cw_shape step_shape = {
    .name = "stepRecord",
    .bytes = sizeof(struct cw_step_record),
    .members = step_members,
    .member_count = CW_ARRAY_LEN(step_members),
};

static const struct cw_member failure_members[] = {
    {.name = "outcome",
     .type = CW_MEMBER_ENUM,
     .offset = offsetof(struct cw_failure_record, outcome),
     .is_required = true,
     .names = cw_outcome_names,
     .name_count = CW_OUTCOME__COUNT,
     .text = ""},
    TEXT(struct cw_failure_record, step),
    TEXT(struct cw_failure_record, class),
    TEXT(struct cw_failure_record, code),
    TEXT(struct cw_failure_record, message),
    TEXT(struct cw_failure_record, remedy),
    TEXT(struct cw_failure_record, correlation_id),
};
static const struct cw_shape failure_shape = {
    .name = "failureRecord",
    .bytes = sizeof(struct cw_failure_record),
    .members = failure_members,
    .member_count = CW_ARRAY_LEN(failure_members),
};

static const struct cw_member operation_members[] = {
    TEXT(struct cw_operation, resource_id),    TEXT(struct cw_operation, method),
    TEXT(struct cw_operation, original_url),   TEXT(struct cw_operation, async_url),
    TEXT(struct cw_operation, location_url),   TEXT(struct cw_operation, correlation_id),
    INT(struct cw_operation, started_wall_ms),
};
static const struct cw_shape operation_shape = {
    .name = "operationRecord",
    .bytes = sizeof(struct cw_operation),
    .members = operation_members,
    .member_count = CW_ARRAY_LEN(operation_members),
};

uint64_t cw_verdict_epoch(const struct cw_verdict *verdict)
{
    const struct cw_record_out *rec = &verdict->record;
    uint64_t epoch = 0;
    for (size_t i = 0; i < rec->header_count; i++) {
        struct cw_str z = rec->headers[i].value;
        for (size_t k = 0; cw_z_eq(rec->headers[i].name, "ce_sequence") && k < z.n && z.p[k] != '.'; k++)
            epoch = epoch * 10 + (uint64_t)(z.p[k] - '0');
    }
    return epoch;
}

char *cw_step_record_print(const struct cw_step_record *record, struct cw_arena *mem)
{
    return cw_shape_print(&step_shape, record, mem);
}

char *cw_failure_record_print(const struct cw_failure_record *record, struct cw_arena *mem)
{
    return cw_shape_print(&failure_shape, record, mem);
}

char *cw_operation_print(const struct cw_operation *op, struct cw_arena *mem)
{
    return cw_shape_print(&operation_shape, op, mem);
}

static int parse(const struct cw_shape *shape, const char *z, struct cw_arena *mem, void *ret,
                 struct cw_err *err)
{
    json_t *doc;
    struct cw_problems problems = {0};
    int r = cw_json_parse_in(mem, z, strlen(z), RECORD_BYTES_MAX, &doc, err);
    if (r < 0)
        return r;
    r = cw_shape_decode(shape, doc, "", mem, ret, &problems);
    if (r == -CW_EINVAL)
        (void)cw_problems_to_err(&problems, err);
    else if (r < 0)
        (void)cw_err_set(err, r, "no memory for a journal record");
    return r;
}

int cw_step_record_parse(const char *z, struct cw_arena *mem, struct cw_step_record *ret_record,
                         struct cw_err *err)
{
    return parse(&step_shape, z, mem, ret_record, err);
}

int cw_failure_record_parse(const char *z, struct cw_arena *mem, struct cw_failure_record *ret_record,
                            struct cw_err *err)
{
    return parse(&failure_shape, z, mem, ret_record, err);
}

int cw_operation_parse(const char *z, struct cw_arena *mem, struct cw_operation *ret_op, struct cw_err *err)
{
    return parse(&operation_shape, z, mem, ret_op, err);
}

char *cw_headers_print(const struct cw_record_out *record, struct cw_arena *mem)
{
    json_t *list = json_array();
    for (size_t i = 0; i < record->header_count; i++) {
        const struct cw_header *h = &record->headers[i];
        (void)json_array_append_new(list, json_string(h->name));
        (void)json_array_append_new(list, json_stringn(h->value.p, h->value.n));
    }
    char *z = json_array_size(list) == 2 * record->header_count ? cw_json_print_in(mem, list) : NULL;
    json_decref(list);
    return z;
}

int cw_headers_parse(const char *z, struct cw_arena *mem, struct cw_record_out *ret_record,
                     struct cw_err *err)
{
    json_t *list;
    int r = cw_json_parse_in(mem, z, strlen(z), RECORD_BYTES_MAX, &list, err);
    if (r < 0)
        return r;
    size_t count = json_array_size(list) / 2;
    struct cw_header *headers = cw_arena_alloc_array(mem, count + 1, sizeof *headers);
    if (headers == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a journal record");
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(list, 2 * i));
        const json_t *value = json_array_get(list, 2 * i + 1);
        if (name == NULL || !json_is_string(value))
            return cw_err_set(err, CW_EPARSE, "headers of a stored verdict are not texts");
        headers[i] = (struct cw_header){name, {json_string_value(value), json_string_length(value)}};
    }
    ret_record->headers = headers;
    ret_record->header_count = count;
    return 0;
}

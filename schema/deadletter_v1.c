#include "schema/deadletter_v1.h"

#include "common/utf8.h"
#include "schema/facts_shapes.h"

const char *const cw_deadletter_reason_names[CW_DEADLETTER__COUNT] = {"parse", "schema", "too-big",
                                                                      "unsupported-type", "bug"};

enum cw_deadletter_reason cw_deadletter_reason_of(int code)
{
    switch (code < 0 ? -code : code) {
    case CW_EPARSE:
        return CW_DEADLETTER_PARSE;
    case CW_EINVAL:
        return CW_DEADLETTER_SCHEMA;
    case CW_ETOOBIG:
        return CW_DEADLETTER_TOO_BIG;
    case CW_EUNSUPPORTED:
        return CW_DEADLETTER_UNSUPPORTED_TYPE;
    default:
        return CW_DEADLETTER_BUG;
    }
}

#define AT(member) .offset = offsetof(struct cw_origin_v1, member)
static const struct cw_member origin_members[] = {
    {.name = "topic", .type = CW_MEMBER_TEXT, .is_required = true, AT(topic), .text = "where it stood"},
    {.name = "partition",
     .type = CW_MEMBER_INT,
     .is_required = true,
     AT(partition),
     .text = "where it stood"},
    {.name = "offset", .type = CW_MEMBER_INT, .is_required = true, AT(offset), .text = "where it stood"},
    {.name = "timestamp", .type = CW_MEMBER_TIME, AT(timestamp), .text = "of the record"},
};
#undef AT
static const struct cw_shape origin_shape = {.name = "origin",
                                             .text = "Where the record stood.",
                                             .bytes = sizeof(struct cw_origin_v1),
                                             CW_MEMBERS(origin_members)};

#define AT(member) .offset = offsetof(struct cw_original_v1, member)
#define LONG_TEXT(name_, member, text_)                                                           \
    {                                                                                             \
        .name = name_, .type = CW_MEMBER_TEXT, .max = (int64_t)CW_DEADLETTER_VALUE_BYTES_MAX * 2, \
        AT(member), .text = text_                                                                 \
    }
static const struct cw_member original_members[] = {
    {.name = "headers",
     .type = CW_MEMBER_MAP,
     AT(headers),
     .count_offset = offsetof(struct cw_original_v1, header_count),
     .text = "its headers; what is not text stands in base64 with the prefix `base64:`"},
    LONG_TEXT("key", key, "its key, where it is text"),
    LONG_TEXT("keyBase64", key_base64, "its key, where it is not"),
    LONG_TEXT("value", value, "its value, where it is text"),
    LONG_TEXT("valueBase64", value_base64, "its value, where it is not"),
    {.name = "valueBytes",
     .type = CW_MEMBER_INT,
     .is_required = true,
     AT(value_bytes),
     .text = "size of the whole value"},
    {.name = "truncated",
     .type = CW_MEMBER_BOOL,
     AT(truncated),
     .text = "only the begin of the value is here"},
};
#undef AT
static const struct cw_shape original_shape = {.name = "original",
                                               .text = "The record as it came.",
                                               .bytes = sizeof(struct cw_original_v1),
                                               CW_MEMBERS(original_members)};

#define AT(member) .offset = offsetof(struct cw_deadletter_v1, member)
static const struct cw_member members[] = {
    {.name = "reason",
     .type = CW_MEMBER_ENUM,
     .names = cw_deadletter_reason_names,
     .name_count = CW_DEADLETTER__COUNT,
     .is_required = true,
     AT(reason),
     .text = "why it could not be taken"},
    {.name = "message",
     .type = CW_MEMBER_TEXT,
     .is_required = true,
     AT(message),
     .text = "the same in a sentence"},
    {.name = "remedy", .type = CW_MEMBER_TEXT, AT(remedy), .text = "what to do about it"},
    {.name = "problems",
     .type = CW_MEMBER_LIST,
     .child = &cw_problem_v1_shape,
     AT(problems),
     .count_offset = offsetof(struct cw_deadletter_v1, problem_count),
     .text = "everything that is wrong with it"},
    {.name = "origin",
     .type = CW_MEMBER_OBJECT,
     .child = &origin_shape,
     .is_required = true,
     AT(origin),
     .text = "where it stood"},
    {.name = "original",
     .type = CW_MEMBER_OBJECT,
     .child = &original_shape,
     .is_required = true,
     AT(original),
     .text = "the record as it came"},
};
#undef AT
const struct cw_shape cw_deadletter_v1_shape = {.name = "deadletter",
                                                .text = "A record that could not be read as a request.",
                                                .bytes = sizeof(struct cw_deadletter_v1),
                                                CW_MEMBERS(members)};

#define HEADER_BYTES_MAX 1024
#define KEY_BYTES_MAX 4096

/* Control characters would grow sixfold in JSON. */
static bool is_text(struct cw_str s)
{
    for (size_t at = 0; at < s.n;) {
        size_t n = cw_utf8_len(s.p + at, s.n - at);
        char c = s.p[at];
        if (n == 0 || ((unsigned char)c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
            return false;
        at += n;
    }
    return true;
}

static const char *base64(struct cw_str s, const char *prefix, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_add_z(&b, prefix);
    cw_buf_add_base64(&b, s.p, s.n);
    return b.failed ? NULL : cw_arena_strdup(mem, cw_buf_z(&b));
}

static struct cw_str cut(struct cw_str s, size_t bytes_max, bool *truncated)
{
    if (s.n <= bytes_max)
        return s;
    *truncated = true;
    return (struct cw_str){s.p, cw_utf8_cut(s.p, bytes_max)};
}

static const char *header_text(struct cw_str whole, bool *truncated, struct cw_arena *mem)
{
    struct cw_str s = cut(whole, HEADER_BYTES_MAX, truncated);
    return is_text(s) ? cw_arena_memdup(mem, s.p != NULL ? s.p : "", s.n) : base64(s, "base64:", mem);
}

static void keep_original(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_original_v1 *ret)
{
    size_t count = CW_MIN(rec->header_count, (size_t)CW_EVENT_HEADERS_MAX);
    struct cw_pair *headers = cw_arena_alloc_array(mem, count, sizeof *headers);
    ret->truncated = count < rec->header_count;
    for (size_t i = 0; headers != NULL && i < count; i++) {
        const char *name = header_text(cw_str_of(rec->headers[i].name), &ret->truncated, mem);
        const char *value = header_text(rec->headers[i].value, &ret->truncated, mem);
        if (name == NULL || value == NULL)
            return;
        headers[ret->header_count++] = (struct cw_pair){.name = name, .value = value};
    }
    ret->headers = headers;
    struct cw_str key = cut(rec->key, KEY_BYTES_MAX, &ret->truncated);
    if (key.p != NULL && is_text(key))
        ret->key = cw_arena_memdup(mem, key.p, key.n);
    else if (key.p != NULL)
        ret->key_base64 = base64(key, "", mem);
    ret->value_bytes = (int64_t)rec->value.n;
    struct cw_str value = cut(rec->value, CW_DEADLETTER_VALUE_BYTES_MAX, &ret->truncated);
    if (value.p != NULL && is_text(value))
        ret->value = cw_arena_memdup(mem, value.p, value.n);
    else if (value.p != NULL)
        ret->value_base64 = base64(value, "", mem);
}

int cw_deadletter_of(const struct cw_record_in *rec, const struct cw_err *why,
                     const struct cw_problems *problems, struct cw_arena *mem,
                     struct cw_deadletter_v1 *ret_letter)
{
    *ret_letter = (struct cw_deadletter_v1){
        .reason = (int)cw_deadletter_reason_of(why->code),
        .message = cw_arena_strdup(mem, why->text[0] != '\0' ? why->text : cw_err_text(why->code)),
        .remedy = why->remedy[0] != '\0' ? cw_arena_strdup(mem, why->remedy) : NULL,
        .origin = {.topic = cw_arena_strdup(mem, rec->topic != NULL ? rec->topic : ""),
                   .partition = rec->partition,
                   .offset = rec->offset,
                   .timestamp = rec->timestamp_ms},
    };
    int r = problems != NULL
                ? cw_problems_v1_of(problems, mem, &ret_letter->problems, &ret_letter->problem_count)
                : 0;
    if (r < 0)
        return r;
    keep_original(rec, mem, &ret_letter->original);
    return cw_arena_failed(mem) ? -CW_ENOMEM : 0;
}

void cw_deadletter_event_id(const struct cw_record_in *rec, char out[CW_UUID_BYTES])
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_addf(&b, "deadletter:%s:%d:%lld", rec->topic != NULL ? rec->topic : "", (int)rec->partition,
                (long long)rec->offset);
    cw_uuid5(cw_buf_z(&b), b.n, out);
}

int cw_deadletter_encode(const struct cw_deadletter_v1 *letter, const struct cw_event *event,
                         struct cw_str key, struct cw_arena *mem, struct cw_record_out *ret_record,
                         struct cw_err *err)
{
    struct cw_event typed = *event;
    typed.type = CW_DEADLETTER_TYPE;
    int r =
        cw_event_write(&typed, NULL, cw_shape_encode(&cw_deadletter_v1_shape, letter), mem, ret_record, err);
    if (r < 0 || key.p == NULL)
        return r;
    const char *copy = cw_arena_memdup(mem, key.p, key.n);
    if (copy == NULL)
        return cw_err_set(err, CW_ENOMEM, "encode a dead letter");
    ret_record->key = (struct cw_str){copy, key.n};
    return 0;
}

int cw_deadletter_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                         struct cw_deadletter_v1 *ret_letter, struct cw_err *err)
{
    const char *const types[] = {CW_DEADLETTER_TYPE};
    const struct cw_shape *const shapes[] = {&cw_deadletter_v1_shape};
    size_t which;
    return cw_event_decode(rec, types, shapes, 1, mem, ret_event, ret_letter, &which, err);
}

#include "schema/cloudevent.h"

#include <strings.h>

#include "common/time.h"
#include "common/utf8.h"
#include "schema/field.h"

#define STRUCTURED "application/cloudevents+json"
#define ATTRIBUTE_BYTES_MAX 1024

/* Attributes that we read, and where they go. */
static const struct attribute {
    const char *name;
    size_t offset;
    bool is_required;
} attributes[] = {
    {"id", offsetof(struct cw_event, id), true},
    {"source", offsetof(struct cw_event, source), true},
    {"type", offsetof(struct cw_event, type), true},
    {"subject", offsetof(struct cw_event, subject), false},
    {"time", offsetof(struct cw_event, time), false},
    {"traceparent", offsetof(struct cw_event, traceparent), false},
    {"correlationid", offsetof(struct cw_event, correlationid), false},
    {"sequence", offsetof(struct cw_event, sequence), false},
};

static const char **attribute_at(const struct cw_event *event, size_t i)
{
    return (const char **)(void *)((char *)(uintptr_t)event + attributes[i].offset);
}

struct cw_str cw_record_header(const struct cw_record_in *rec, const char *name)
{
    for (size_t i = 0; i < rec->header_count; i++) {
        if (cw_z_eq_nocase(rec->headers[i].name, name))
            return rec->headers[i].value;
    }
    return (struct cw_str){NULL, 0};
}

static bool is_text(struct cw_str s)
{
    for (size_t at = 0; at < s.n;) {
        size_t n = cw_utf8_len(s.p + at, s.n - at);
        if (n == 0 || (unsigned char)s.p[at] < 0x20 || s.p[at] == 0x7f)
            return false;
        at += n;
    }
    return true;
}

static void set_attribute(struct cw_event *event, size_t i, struct cw_str value, struct cw_arena *mem,
                          struct cw_problems *problems)
{
    char pointer[32];
    (void)snprintf(pointer, sizeof pointer, "ce:%s", attributes[i].name);
    if (value.n > ATTRIBUTE_BYTES_MAX || !is_text(value)) {
        cw_problems_add(problems, mem, pointer, "use printable text of at most 1024 bytes",
                        "is not valid text");
        return;
    }
    if (value.n > 0)
        *attribute_at(event, i) = cw_arena_memdup(mem, value.p, value.n);
}

static void read_structured(const json_t *doc, struct cw_arena *mem, struct cw_event *event,
                            struct cw_problems *problems)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(attributes); i++) {
        const json_t *v = json_object_get(doc, attributes[i].name);
        if (json_is_string(v))
            set_attribute(event, i, (struct cw_str){json_string_value(v), json_string_length(v)}, mem,
                          problems);
    }
}

static void read_binary(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *event,
                        struct cw_problems *problems)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(attributes); i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ce_%s", attributes[i].name);
        set_attribute(event, i, cw_record_header(rec, name), mem, problems);
    }
}

static void check_attributes(const struct cw_event *event, const char *version, struct cw_arena *mem,
                             struct cw_problems *problems)
{
    int64_t wall_ms;
    for (size_t i = 0; i < CW_ARRAY_LEN(attributes); i++) {
        char pointer[32];
        (void)snprintf(pointer, sizeof pointer, "ce:%s", attributes[i].name);
        if (attributes[i].is_required && *attribute_at(event, i) == NULL)
            cw_problems_add(problems, mem, pointer, "add this CloudEvents attribute", "is required");
    }
    if (version != NULL && strcmp(version, "1.0") != 0)
        cw_problems_add(problems, mem, "ce:specversion", "send CloudEvents 1.0", "must be 1.0");
    if (event->time != NULL && !cw_rfc3339_parse(event->time, &wall_ms))
        cw_problems_add(problems, mem, "ce:time", "use RFC 3339, such as 2026-11-24T03:12:44Z",
                        "is not a time");
}

static bool begins_nocase(struct cw_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && strncasecmp(s.p, prefix, n) == 0;
}

static int not_an_event(struct cw_err *err)
{
    int r = cw_err_set(err, CW_EPARSE, "is not a CloudEvent: no specversion");
    cw_err_remedy(
        err, "send CloudEvents 1.0, structured (one JSON object with specversion, id, source, type, data) or "
             "binary (ce_* headers)");
    return r;
}

static int read_event(const struct cw_record_in *rec, size_t bytes_max, struct cw_arena *mem,
                      struct cw_event *ret_event, const json_t **ret_data, struct cw_problems *problems,
                      struct cw_err *err)
{
    *ret_event = (struct cw_event){0};
    if (rec->header_count > CW_EVENT_HEADERS_MAX)
        return cw_err_set(err, CW_ETOOBIG, "%zu headers, at most %d", rec->header_count,
                          CW_EVENT_HEADERS_MAX);
    size_t before = problems->count + problems->more;
    struct cw_str header_version = cw_record_header(rec, "ce_specversion");
    struct cw_str content_type = cw_record_header(rec, "content-type");
    bool is_binary = header_version.p != NULL && !begins_nocase(content_type, STRUCTURED);
    const char *version = NULL;
    if (is_binary) {
        read_binary(rec, mem, ret_event, problems);
        version = cw_arena_memdup(mem, header_version.p, header_version.n);
    }
    json_t *doc = NULL;
    int r =
        cw_json_parse_in(mem, rec->value.p != NULL ? rec->value.p : "", rec->value.n, bytes_max, &doc, err);
    if (r < 0)
        return r;
    const json_t *data = doc;
    if (!is_binary) {
        version = cw_json_str(doc, "specversion", NULL);
        if (!json_is_object(doc) || version == NULL)
            return not_an_event(err);
        read_structured(doc, mem, ret_event, problems);
        data = json_object_get(doc, "data");
    }
    check_attributes(ret_event, version, mem, problems);
    if (!json_is_object(data))
        cw_problems_add(problems, mem, "", "put the request's members into one JSON object",
                        "data must be an object");
    else
        *ret_data = data;
    if (cw_arena_failed(mem))
        return cw_err_set(err, CW_ENOMEM, "read an event");
    return problems->count + problems->more > before ? cw_problems_to_err(problems, err) : 0;
}

int cw_event_read(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_event *ret_event,
                  const json_t **ret_data, struct cw_problems *problems, struct cw_err *err)
{
    return read_event(rec, CW_EVENT_BYTES_MAX, mem, ret_event, ret_data, problems, err);
}

static struct cw_header header_of(struct cw_arena *mem, const char *name, const char *value)
{
    const char *z = cw_arena_strdup(mem, value);
    return (struct cw_header){.name = name, .value = cw_str_of(z)};
}

int cw_event_write(const struct cw_event *event, const char *key, json_t *take_data, struct cw_arena *mem,
                   struct cw_record_out *ret_record, struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *data = take_data;
    const char *value = data != NULL ? cw_json_print_in(mem, data) : NULL;
    struct cw_header *headers = cw_arena_alloc_array(mem, CW_ARRAY_LEN(attributes) + 2, sizeof *headers);
    if (value == NULL || headers == NULL)
        return cw_err_set(err, CW_ENOMEM, "encode %s", event->type);
    if (strlen(value) > CW_EVENT_OUT_BYTES_MAX)
        return cw_err_set(err, CW_ETOOBIG, "%s of %zu bytes, at most %zu", event->type, strlen(value),
                          CW_EVENT_OUT_BYTES_MAX);
    size_t count = 0;
    headers[count++] = header_of(mem, "content-type", "application/json");
    headers[count++] = header_of(mem, "ce_specversion", "1.0");
    for (size_t i = 0; i < CW_ARRAY_LEN(attributes); i++) {
        const char *attribute = *attribute_at(event, i);
        const char *name = attribute != NULL ? cw_arena_printf(mem, "ce_%s", attributes[i].name) : NULL;
        if (name != NULL)
            headers[count++] = header_of(mem, name, attribute);
    }
    *ret_record = (struct cw_record_out){.headers = headers,
                                         .header_count = count,
                                         .key = cw_str_of(cw_arena_strdup(mem, key)),
                                         .value = cw_str_of(value)};
    return cw_arena_failed(mem) ? cw_err_set(err, CW_ENOMEM, "encode %s", event->type) : 0;
}

int cw_event_decode(const struct cw_record_in *rec, const char *const *types,
                    const struct cw_shape *const *shapes, size_t count, struct cw_arena *mem,
                    struct cw_event *ret_event, void *ret_value, size_t *ret_which, struct cw_err *err)
{
    struct cw_problems problems = {0};
    const json_t *data = NULL;
    int r = read_event(rec, CW_EVENT_OUT_BYTES_MAX, mem, ret_event, &data, &problems, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        if (!cw_z_eq(types[i], ret_event->type))
            continue;
        *ret_which = i;
        r = cw_shape_decode(shapes[i], data, "", mem, ret_value, &problems);
        if (r == -CW_EINVAL)
            return cw_problems_to_err(&problems, err);
        return r < 0 ? cw_err_set(err, r, "decode %s", types[i]) : 0;
    }
    return cw_err_set(err, CW_EUNSUPPORTED, "'%.100s' is not the type of event that is expected",
                      ret_event->type);
}

char *cw_event_sequence(struct cw_arena *mem, uint64_t epoch, uint32_t number)
{
    return cw_arena_printf(mem, "%012llu.%06u", (unsigned long long)epoch, number);
}

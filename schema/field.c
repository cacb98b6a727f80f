#include "schema/field.h"

#include "common/time.h"
#include "schema/field_access.h"

struct decoder {
    struct cw_arena *mem;
    struct cw_problems *problems;
    size_t found; /* problems of this decode */
    bool failed;  /* out of memory */
};

static int decode_shape(struct decoder *d, const struct cw_shape *shape, const json_t *doc,
                        const char *pointer, void *ret);

static void report(struct decoder *d, const char *pointer, const char *remedy, const char *message)
{
    d->found++;
    cw_problems_add(d->problems, d->mem, pointer, remedy, "%s", message);
}

/* A message made for the occasion, in the arena; never NULL. */
static const char *text(struct decoder *d, const char *fmt, ...) CW_PRINTF(2, 3);
static const char *text(struct decoder *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *z = cw_arena_vprintf(d->mem, fmt, args);
    va_end(args);
    if (z == NULL)
        d->failed = true;
    return z != NULL ? z : "";
}

static const char *type_name(enum cw_member_type type)
{
    switch (type) {
    case CW_MEMBER_INT:
        return "an integer";
    case CW_MEMBER_BOOL:
    case CW_MEMBER_TRI:
        return "true or false";
    case CW_MEMBER_OBJECT:
    case CW_MEMBER_MAP:
        return "an object";
    case CW_MEMBER_LIST:
    case CW_MEMBER_TEXTS:
        return "an array";
    default:
        return "a string";
    }
}

static const char *names_of(struct decoder *d, const struct cw_member *m)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    for (size_t i = 0; i < m->name_count; i++) {
        if (m->names[i] != NULL)
            cw_buf_addf(&b, "%s%s", b.n > 0 ? ", " : "", m->names[i]);
    }
    return text(d, "%s", cw_buf_z(&b));
}

static const char *remedy_of(struct decoder *d, const struct cw_member *m)
{
    if (m->remedy != NULL)
        return m->remedy;
    if (m->type == CW_MEMBER_ENUM)
        return text(d, "use one of: %s", names_of(d, m));
    if (m->format != CW_FORMAT_ANY)
        return cw_format_remedy(m->format);
    if (m->type == CW_MEMBER_TEXT && m->max != 0)
        return text(d, "use a string of %lld to %lld characters", (long long)m->min, (long long)m->max);
    if (m->type == CW_MEMBER_INT && m->max != 0)
        return text(d, "use an integer from %lld to %lld", (long long)m->min, (long long)m->max);
    if (m->type == CW_MEMBER_TIME)
        return "use RFC 3339, such as 2026-11-24T03:12:44Z";
    return text(d, "use %s", type_name(m->type));
}

static void wrong_type(struct decoder *d, const struct cw_member *m, const char *pointer)
{
    report(d, pointer, remedy_of(d, m), text(d, "must be %s", type_name(m->type)));
}

static bool is_type(const struct cw_member *m, const json_t *v)
{
    switch (m->type) {
    case CW_MEMBER_INT:
        return json_is_integer(v);
    case CW_MEMBER_BOOL:
    case CW_MEMBER_TRI:
        return json_is_boolean(v);
    case CW_MEMBER_OBJECT:
    case CW_MEMBER_MAP:
        return json_is_object(v);
    case CW_MEMBER_LIST:
    case CW_MEMBER_TEXTS:
        return json_is_array(v);
    case CW_MEMBER_JSON:
        return true;
    default:
        return json_is_string(v);
    }
}

static char *copy(struct decoder *d, const char *z)
{
    char *p = cw_arena_strdup(d->mem, z);
    if (p == NULL)
        d->failed = true;
    return p;
}

static void decode_text(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                        void *base)
{
    size_t n = json_string_length(v);
    size_t max = m->max > 0 ? (size_t)m->max : CW_TEXT_BYTES_MAX;
    if (n < (size_t)m->min || n > max) {
        report(d, pointer, remedy_of(d, m),
               text(d, "must have %lld to %zu characters", (long long)m->min, max));
        return;
    }
    *cw_member_text(m, base) = copy(d, json_string_value(v));
    if (m->format != CW_FORMAT_ANY && !cw_format_is(m->format, json_string_value(v)))
        report(d, pointer, remedy_of(d, m), text(d, "is not a valid %s", cw_format_name(m->format)));
}

static void decode_int(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                       void *base)
{
    int64_t n = json_integer_value(v);
    if ((m->min != 0 || m->max != 0) && (n < m->min || n > m->max)) {
        report(d, pointer, remedy_of(d, m),
               text(d, "must be from %lld to %lld", (long long)m->min, (long long)m->max));
        return;
    }
    *cw_member_int(m, base) = n;
}

static void decode_enum(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                        void *base)
{
    int value = cw_member_enum_value(m, json_string_value(v));
    if (value < 0)
        report(d, pointer, remedy_of(d, m), text(d, "must be one of: %s", names_of(d, m)));
    else
        *cw_member_enum(m, base) = value;
}

static void decode_time(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                        void *base)
{
    if (!cw_rfc3339_parse(json_string_value(v), cw_member_int(m, base)))
        report(d, pointer, remedy_of(d, m), "is not a time");
}

/* The number of members, or 0 with a problem. */
static size_t bounded_count(struct decoder *d, const struct cw_member *m, size_t count, const char *pointer)
{
    size_t max = m->max > 0 ? (size_t)m->max : CW_LIST_ITEMS_MAX;
    if (count >= (size_t)m->min && count <= max)
        return count;
    report(d, pointer, text(d, "give %lld to %zu of them", (long long)m->min, max),
           text(d, "has %zu members", count));
    return 0;
}

static void decode_list(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                        void *base)
{
    size_t count = bounded_count(d, m, json_array_size(v), pointer);
    char *items = count > 0 ? cw_arena_alloc_array(d->mem, count, m->child->bytes) : NULL;
    if (items == NULL) {
        d->failed = d->failed || count > 0;
        return;
    }
    for (size_t i = 0; i < count; i++)
        (void)decode_shape(d, m->child, json_array_get(v, i), text(d, "%s/%zu", pointer, i),
                           items + i * m->child->bytes);
    *cw_member_items(m, base) = items;
    *cw_member_count(m, base) = count;
}

static void decode_texts(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                         void *base)
{
    size_t count = bounded_count(d, m, json_array_size(v), pointer);
    const char **items = count > 0 ? cw_arena_alloc_array(d->mem, count, sizeof *items) : NULL;
    if (items == NULL) {
        d->failed = d->failed || count > 0;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_string(item))
            report(d, text(d, "%s/%zu", pointer, i), "use a string", "must be a string");
        items[i] = copy(d, json_is_string(item) ? json_string_value(item) : "");
    }
    *cw_member_items(m, base) = items;
    *cw_member_count(m, base) = count;
}

static void decode_map(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                       void *base)
{
    size_t count = bounded_count(d, m, json_object_size(v), pointer);
    struct cw_pair *items = count > 0 ? cw_arena_alloc_array(d->mem, count, sizeof *items) : NULL;
    if (items == NULL) {
        d->failed = d->failed || count > 0;
        return;
    }
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach((json_t *)(uintptr_t)v, key, value) {
        if (!json_is_string(value))
            report(d, text(d, "%s/%s", pointer, key), "use a string", "must be a string");
        items[i].name = copy(d, key);
        items[i++].value = copy(d, json_is_string(value) ? json_string_value(value) : "");
    }
    *cw_member_items(m, base) = items;
    *cw_member_count(m, base) = count;
}

static void decode_json(struct decoder *d, const struct cw_member *m, const json_t *v, void *base)
{
    const char *z = cw_json_print_in(d->mem, v);
    if (z == NULL)
        d->failed = true;
    *cw_member_text(m, base) = z;
}

static void decode_value(struct decoder *d, const struct cw_member *m, const json_t *v, const char *pointer,
                         void *base)
{
    switch (m->type) {
    case CW_MEMBER_TEXT:
        decode_text(d, m, v, pointer, base);
        break;
    case CW_MEMBER_INT:
        decode_int(d, m, v, pointer, base);
        break;
    case CW_MEMBER_BOOL:
        *cw_member_bool(m, base) = json_is_true(v);
        break;
    case CW_MEMBER_TRI:
        *cw_member_enum(m, base) = json_is_true(v) ? CW_TRI_YES : CW_TRI_NO;
        break;
    case CW_MEMBER_ENUM:
        decode_enum(d, m, v, pointer, base);
        break;
    case CW_MEMBER_TIME:
        decode_time(d, m, v, pointer, base);
        break;
    case CW_MEMBER_OBJECT:
        (void)decode_shape(d, m->child, v, pointer, cw_member_at(m, base));
        break;
    case CW_MEMBER_LIST:
        decode_list(d, m, v, pointer, base);
        break;
    case CW_MEMBER_TEXTS:
        decode_texts(d, m, v, pointer, base);
        break;
    case CW_MEMBER_MAP:
        decode_map(d, m, v, pointer, base);
        break;
    case CW_MEMBER_JSON:
        decode_json(d, m, v, base);
        break;
    }
}

/* Absent members take their defaults; those of an absent object come from its own table. */
static void decode_absent(struct decoder *d, const struct cw_member *m, const char *pointer, void *base)
{
    if (m->is_required) {
        report(d, pointer, m->text != NULL ? text(d, "add it: %s", m->text) : "add it", "is required");
        return;
    }
    if (m->type == CW_MEMBER_OBJECT) {
        for (size_t i = 0; i < m->child->member_count; i++) {
            const struct cw_member *inner = &m->child->members[i];
            if (!inner->is_required)
                decode_absent(d, inner, pointer, cw_member_at(m, base));
        }
    } else {
        cw_member_set_default(m, base);
    }
}

static int decode_shape(struct decoder *d, const struct cw_shape *shape, const json_t *doc,
                        const char *pointer, void *ret)
{
    memset(ret, 0, shape->bytes);
    if (!json_is_object(doc)) {
        report(d, pointer, "use an object", "must be an object");
        return -CW_EINVAL;
    }
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct cw_member *m = &shape->members[i];
        const json_t *v = json_object_get(doc, m->name);
        const char *where = text(d, "%s/%s", pointer, m->name);
        if (v == NULL || json_is_null(v)) {
            decode_absent(d, m, where, ret);
            continue;
        }
        cw_member_set_default(m, ret);
        if (is_type(m, v))
            decode_value(d, m, v, where, ret);
        else
            wrong_type(d, m, where);
    }
    return 0;
}

int cw_shape_decode(const struct cw_shape *shape, const json_t *doc, const char *pointer,
                    struct cw_arena *mem, void *ret, struct cw_problems *problems)
{
    struct decoder d = {.mem = mem, .problems = problems};
    (void)decode_shape(&d, shape, doc, pointer, ret);
    if (d.failed)
        return -CW_ENOMEM;
    return d.found > 0 ? -CW_EINVAL : 0;
}

#include "common/time.h"
#include "schema/field_access.h"

static json_t *encode_list(const struct cw_member *m, const void *base)
{
    json_t *array = json_array();
    const char *items = *cw_member_items(m, base);
    size_t count = *cw_member_count(m, base);
    for (size_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, cw_shape_encode(m->child, items + i * m->child->bytes)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* Not UTF-8: shown as what can be shown. */
static json_t *encode_text(const char *z)
{
    json_t *v = json_string(z != NULL ? z : "");
    if (v != NULL)
        return v;
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    for (const char *p = z; *p != '\0'; p++)
        cw_buf_add_char(&b, *p >= ' ' && *p < 0x7f ? *p : '?');
    return json_string(cw_buf_z(&b));
}

static json_t *encode_texts(const struct cw_member *m, const void *base)
{
    json_t *array = json_array();
    const char *const *items = *cw_member_items(m, base);
    size_t count = *cw_member_count(m, base);
    for (size_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, encode_text(items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *encode_map(const struct cw_member *m, const void *base)
{
    json_t *object = json_object();
    const struct cw_pair *items = *cw_member_items(m, base);
    size_t count = *cw_member_count(m, base);
    for (size_t i = 0; object != NULL && i < count; i++) {
        if (json_object_set_new(object, items[i].name, encode_text(items[i].value)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *encode_time(int64_t wall_ms)
{
    char z[CW_RFC3339_BYTES];
    cw_rfc3339_format(wall_ms, z);
    return json_string(z);
}

static json_t *encode_raw(const char *z)
{
    json_t *v = NULL;
    struct cw_err err;
    if (z == NULL)
        return json_null();
    return cw_json_parse(z, strlen(z), CW_TEXT_BYTES_MAX * 16, &v, &err) == 0 ? v : encode_text(z);
}

static json_t *encode_member(const struct cw_member *m, const void *base)
{
    switch (m->type) {
    case CW_MEMBER_TEXT:
        return encode_text(*cw_member_text(m, base));
    case CW_MEMBER_INT:
        return json_integer(*cw_member_int(m, base));
    case CW_MEMBER_BOOL:
        return json_boolean(*cw_member_bool(m, base));
    case CW_MEMBER_TRI:
        return json_boolean(*cw_member_enum(m, base) == CW_TRI_YES);
    case CW_MEMBER_ENUM:
        CW_BUG_ON(*cw_member_enum(m, base) < 0 || (size_t)*cw_member_enum(m, base) >= m->name_count);
        return encode_text(m->names[*cw_member_enum(m, base)]);
    case CW_MEMBER_TIME:
        return encode_time(*cw_member_int(m, base));
    case CW_MEMBER_OBJECT:
        return cw_shape_encode(m->child, cw_member_at(m, base));
    case CW_MEMBER_LIST:
        return encode_list(m, base);
    case CW_MEMBER_TEXTS:
        return encode_texts(m, base);
    case CW_MEMBER_MAP:
        return encode_map(m, base);
    case CW_MEMBER_JSON:
        return encode_raw(*cw_member_text(m, base));
    }
    return NULL;
}

json_t *cw_shape_encode(const struct cw_shape *shape, const void *value)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < shape->member_count; i++) {
        const struct cw_member *m = &shape->members[i];
        if (!m->is_required && !cw_member_is_set(m, value))
            continue;
        if (json_object_set_new(object, m->name, encode_member(m, value)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

char *cw_shape_print(const struct cw_shape *shape, const void *value, struct cw_arena *mem)
{
    CW_AUTO(cw_auto_json) json_t *doc = cw_shape_encode(shape, value);
    return doc != NULL ? cw_json_print_in(mem, doc) : NULL;
}

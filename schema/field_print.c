#include "schema/field_access.h"

/* Shapes below and including one, each once, parents first. */
#define SHAPES_MAX 64
struct shapes {
    const struct cw_shape *items[SHAPES_MAX];
    size_t count;
};

static void collect(struct shapes *all, const struct cw_shape *shape)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i] == shape)
            return;
    }
    CW_BUG_ON(all->count == SHAPES_MAX);
    all->items[all->count++] = shape;
    for (size_t i = 0; i < shape->member_count; i++) {
        if (shape->members[i].child != NULL)
            collect(all, shape->members[i].child);
    }
}

static json_t *reference(const struct cw_shape *shape)
{
    return json_pack("{s:s+}", "$ref", "#/$defs/", shape->name);
}

static void bounds(json_t *v, const struct cw_member *m, const char *min_key, const char *max_key)
{
    if (m->min != 0)
        (void)cw_json_set_int(v, min_key, m->min);
    if (m->max != 0)
        (void)cw_json_set_int(v, max_key, m->max);
}

static json_t *text_schema(const struct cw_member *m)
{
    json_t *v = json_pack("{s:s}", "type", "string");
    bounds(v, m, "minLength", "maxLength");
    (void)cw_json_set_str(v, "pattern", cw_format_pattern(m->format));
    (void)cw_json_set_str(v, "default", m->otherwise);
    return v;
}

static json_t *int_schema(const struct cw_member *m)
{
    int64_t n;
    json_t *v = json_pack("{s:s}", "type", "integer");
    if (m->max != 0)
        (void)cw_json_set_int(v, "minimum", m->min);
    bounds(v, m, "minimum", "maximum");
    if (m->otherwise != NULL && cw_z_to_i64(m->otherwise, &n) && (m->max == 0 || n >= m->min))
        (void)cw_json_set_int(v, "default", n);
    return v;
}

static json_t *enum_schema(const struct cw_member *m)
{
    json_t *v = json_pack("{s:[]}", "enum");
    json_t *names = json_object_get(v, "enum");
    for (size_t i = 0; i < m->name_count; i++) {
        if (m->names[i] != NULL)
            (void)json_array_append_new(names, json_string(m->names[i]));
    }
    (void)cw_json_set_str(v, "default", m->otherwise);
    return v;
}

static json_t *bool_schema(const struct cw_member *m)
{
    json_t *v = json_pack("{s:s}", "type", "boolean");
    if (m->otherwise != NULL)
        (void)cw_json_set_bool(v, "default", strcmp(m->otherwise, "true") == 0);
    return v;
}

static json_t *array_schema(const struct cw_member *m, json_t *take_items)
{
    json_t *v = json_pack("{s:s,s:o}", "type", "array", "items", take_items);
    bounds(v, m, "minItems", "maxItems");
    return v;
}

static json_t *map_schema(const struct cw_member *m)
{
    json_t *v = json_pack("{s:s,s:{s:s}}", "type", "object", "additionalProperties", "type", "string");
    bounds(v, m, "minProperties", "maxProperties");
    return v;
}

static json_t *member_schema(const struct cw_member *m)
{
    json_t *v = NULL;
    switch (m->type) {
    case CW_MEMBER_TEXT:
        v = text_schema(m);
        break;
    case CW_MEMBER_INT:
        v = int_schema(m);
        break;
    case CW_MEMBER_BOOL:
    case CW_MEMBER_TRI:
        v = bool_schema(m);
        break;
    case CW_MEMBER_ENUM:
        v = enum_schema(m);
        break;
    case CW_MEMBER_TIME:
        v = json_pack("{s:s,s:s}", "type", "string", "format", "date-time");
        break;
    case CW_MEMBER_OBJECT:
        v = reference(m->child);
        break;
    case CW_MEMBER_LIST:
        v = array_schema(m, reference(m->child));
        break;
    case CW_MEMBER_TEXTS:
        v = array_schema(m, json_pack("{s:s}", "type", "string"));
        break;
    case CW_MEMBER_MAP:
        v = map_schema(m);
        break;
    case CW_MEMBER_JSON:
        v = json_object();
        break;
    }
    (void)cw_json_set_str(v, "description", m->text);
    return v;
}

static json_t *shape_schema(const struct cw_shape *shape)
{
    json_t *required = json_array();
    json_t *v = json_pack("{s:s,s:s,s:{}}", "type", "object", "description", shape->text, "properties");
    json_t *properties = json_object_get(v, "properties");
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct cw_member *m = &shape->members[i];
        (void)cw_json_set(properties, m->name, member_schema(m));
        if (m->is_required)
            (void)json_array_append_new(required, json_string(m->name));
    }
    if (json_array_size(required) > 0)
        (void)cw_json_set(v, "required", required);
    else
        json_decref(required);
    return v;
}

json_t *cw_shape_json_schema(const struct cw_shape *shape, const char *id, const char *title)
{
    struct shapes all = {0};
    collect(&all, shape);
    json_t *v = shape_schema(shape);
    json_t *defs = json_object();
    for (size_t i = 1; i < all.count; i++)
        (void)cw_json_set(defs, all.items[i]->name, shape_schema(all.items[i]));
    (void)cw_json_set_str(v, "$schema", "https://json-schema.org/draft/2020-12/schema");
    (void)cw_json_set_str(v, "$id", id);
    (void)cw_json_set_str(v, "title", title);
    if (json_object_size(defs) > 0)
        (void)cw_json_set(v, "$defs", defs);
    else
        json_decref(defs);
    return v;
}

static void print_type(const struct cw_member *m, struct cw_buf *out)
{
    static const char *const names[] = {
        [CW_MEMBER_TEXT] = "string",         [CW_MEMBER_INT] = "integer", [CW_MEMBER_BOOL] = "boolean",
        [CW_MEMBER_TRI] = "boolean",         [CW_MEMBER_TIME] = "time",   [CW_MEMBER_TEXTS] = "strings",
        [CW_MEMBER_MAP] = "strings by name", [CW_MEMBER_JSON] = "any",
    };
    if (m->type == CW_MEMBER_ENUM) {
        const char *separator = "";
        for (size_t i = 0; i < m->name_count; i++) {
            if (m->names[i] == NULL)
                continue;
            cw_buf_addf(out, "%s`%s`", separator, m->names[i]);
            separator = " ";
        }
    } else if (m->type == CW_MEMBER_OBJECT) {
        cw_buf_addf(out, "*%s*", m->child->name);
    } else if (m->type == CW_MEMBER_LIST) {
        cw_buf_addf(out, "list of *%s*", m->child->name);
    } else if (m->type == CW_MEMBER_TEXT && m->format != CW_FORMAT_ANY) {
        cw_buf_add_z(out, cw_format_name(m->format));
    } else {
        cw_buf_add_z(out, names[m->type]);
    }
    if (m->type == CW_MEMBER_INT && m->max != 0)
        cw_buf_addf(out, " %lld to %lld", (long long)m->min, (long long)m->max);
}

static void print_member(const struct cw_member *m, struct cw_buf *out)
{
    cw_buf_addf(out, "| `%s` | ", m->name);
    print_type(m, out);
    cw_buf_add_z(out, " | ");
    if (m->is_required)
        cw_buf_add_z(out, "**required**");
    else if (m->otherwise != NULL)
        cw_buf_addf(out, "`%s`", m->otherwise);
    cw_buf_addf(out, " | %s |\n", m->text != NULL ? m->text : "");
}

void cw_shape_markdown(const struct cw_shape *shape, struct cw_buf *out)
{
    struct shapes all = {0};
    collect(&all, shape);
    for (size_t i = 0; i < all.count; i++) {
        if (i > 0)
            cw_buf_addf(out, "\n**%s**: %s\n", all.items[i]->name, all.items[i]->text);
        cw_buf_add_z(out, "\n| member | type | default | meaning |\n|---|---|---|---|\n");
        for (size_t j = 0; j < all.items[i]->member_count; j++)
            print_member(&all.items[i]->members[j], out);
    }
}

#include "schema/field_access.h"

static int merge_member(const struct cw_member *m, void *into, const void *from, struct cw_arena *mem);

static int copy_text(const char **into, const char *from, struct cw_arena *mem)
{
    *into = cw_arena_strdup(mem, from);
    return from != NULL && *into == NULL ? -CW_ENOMEM : 0;
}

static void set_defaults(const struct cw_shape *shape, void *value)
{
    memset(value, 0, shape->bytes);
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct cw_member *m = &shape->members[i];
        if (m->type == CW_MEMBER_OBJECT)
            set_defaults(m->child, cw_member_at(m, value));
        else
            cw_member_set_default(m, value);
    }
}

static int copy_items(const struct cw_member *m, void *into, const void *from, struct cw_arena *mem)
{
    size_t count = *cw_member_count(m, from);
    size_t bytes = m->type == CW_MEMBER_LIST  ? m->child->bytes
                   : m->type == CW_MEMBER_MAP ? sizeof(struct cw_pair)
                                              : sizeof(const char *);
    char *items = cw_arena_alloc_array(mem, count, bytes);
    const char *source = *cw_member_items(m, from);
    if (items == NULL)
        return -CW_ENOMEM;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (m->type == CW_MEMBER_LIST) {
            set_defaults(m->child, items + i * bytes);
            for (size_t j = 0; r == 0 && j < m->child->member_count; j++)
                r = merge_member(&m->child->members[j], items + i * bytes, source + i * bytes, mem);
        } else {
            size_t texts = m->type == CW_MEMBER_MAP ? 2 : 1;
            for (size_t j = 0; r == 0 && j < texts; j++)
                r = copy_text((const char **)(void *)items + i * texts + j,
                              ((const char *const *)(const void *)source)[i * texts + j], mem);
        }
    }
    *cw_member_items(m, into) = items;
    *cw_member_count(m, into) = count;
    return r;
}

static int merge_member(const struct cw_member *m, void *into, const void *from, struct cw_arena *mem)
{
    if (!cw_member_is_set(m, from))
        return 0;
    switch (m->type) {
    case CW_MEMBER_TEXT:
    case CW_MEMBER_JSON:
        return copy_text(cw_member_text(m, into), *cw_member_text(m, from), mem);
    case CW_MEMBER_INT:
    case CW_MEMBER_TIME:
        *cw_member_int(m, into) = *cw_member_int(m, from);
        return 0;
    case CW_MEMBER_BOOL:
        *cw_member_bool(m, into) = *cw_member_bool(m, from);
        return 0;
    case CW_MEMBER_TRI:
    case CW_MEMBER_ENUM:
        *cw_member_enum(m, into) = *cw_member_enum(m, from);
        return 0;
    case CW_MEMBER_OBJECT:
        return cw_shape_merge(m->child, cw_member_at(m, into), cw_member_at(m, from), mem);
    default:
        return copy_items(m, into, from, mem);
    }
}

int cw_shape_merge(const struct cw_shape *shape, void *into, const void *from, struct cw_arena *mem)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        int r = merge_member(&shape->members[i], into, from, mem);
        if (r < 0)
            return r;
    }
    return 0;
}

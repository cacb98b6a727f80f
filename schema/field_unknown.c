#include "schema/field.h"

static const struct cw_member *member_of(const struct cw_shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->member_count; i++)
        if (cw_z_eq(shape->members[i].name, name))
            return &shape->members[i];
    return NULL;
}

static const char *names_of(const struct cw_shape *shape, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    for (size_t i = 0; i < shape->member_count; i++)
        cw_buf_addf(&out, "%s%s", i == 0 ? "there are " : ", ", shape->members[i].name);
    return cw_arena_strdup(mem, cw_buf_z(&out));
}

static void look_into(const struct cw_member *m, const json_t *v, const char *pointer, struct cw_arena *mem,
                      struct cw_problems *problems)
{
    size_t i;
    const json_t *item;
    if (m->type == CW_MEMBER_OBJECT)
        cw_shape_unknown(m->child, v, pointer, mem, problems);
    json_array_foreach((json_t *)v, i, item) {
        const char *at = m->type == CW_MEMBER_LIST ? cw_arena_printf(mem, "%s/%zu", pointer, i) : NULL;
        if (at != NULL)
            cw_shape_unknown(m->child, item, at, mem, problems);
    }
}

void cw_shape_unknown(const struct cw_shape *shape, const json_t *doc, const char *pointer,
                      struct cw_arena *mem, struct cw_problems *problems)
{
    const char *name;
    const json_t *v;
    json_object_foreach((json_t *)doc, name, v) {
        const struct cw_member *m = member_of(shape, name);
        const char *at = cw_arena_printf(mem, "%s/%s", pointer, name);
        const char *names = m == NULL ? names_of(shape, mem) : NULL;
        if (at == NULL || (m == NULL && names == NULL))
            return;
        if (m == NULL)
            cw_problems_add(problems, mem, at, names, "there is no such member");
        else
            look_into(m, v, at, mem, problems);
    }
}

#include "schema/field_access.h"

int cw_member_enum_value(const struct cw_member *m, const char *name)
{
    for (size_t i = 0; i < m->name_count; i++) {
        if (m->names[i] != NULL && strcmp(m->names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static int64_t default_int(const struct cw_member *m)
{
    int64_t n = 0;
    if (m->otherwise != NULL && m->type == CW_MEMBER_ENUM)
        n = cw_member_enum_value(m, m->otherwise);
    else if (m->otherwise != NULL && m->type == CW_MEMBER_BOOL)
        n = strcmp(m->otherwise, "true") == 0;
    else if (m->otherwise != NULL)
        CW_BUG_ON(!cw_z_to_i64(m->otherwise, &n));
    return n;
}

void cw_member_set_default(const struct cw_member *m, void *base)
{
    switch (m->type) {
    case CW_MEMBER_TEXT:
        *cw_member_text(m, base) = m->otherwise;
        break;
    case CW_MEMBER_INT:
        *cw_member_int(m, base) = default_int(m);
        break;
    case CW_MEMBER_BOOL:
        *cw_member_bool(m, base) = default_int(m) != 0;
        break;
    case CW_MEMBER_ENUM:
        *cw_member_enum(m, base) = (int)default_int(m);
        break;
    default:
        break;
    }
}

static bool any_is_set(const struct cw_shape *shape, const void *value)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        if (cw_member_is_set(&shape->members[i], value))
            return true;
    }
    return false;
}

bool cw_member_is_set(const struct cw_member *m, const void *base)
{
    switch (m->type) {
    case CW_MEMBER_TEXT:
    case CW_MEMBER_JSON:
        return *cw_member_text(m, base) != NULL && !cw_z_eq(*cw_member_text(m, base), m->otherwise);
    case CW_MEMBER_INT:
    case CW_MEMBER_TIME:
        return *cw_member_int(m, base) != default_int(m);
    case CW_MEMBER_BOOL:
        return *cw_member_bool(m, base) != (default_int(m) != 0);
    case CW_MEMBER_TRI:
        return *cw_member_enum(m, base) != CW_TRI_UNKNOWN;
    case CW_MEMBER_ENUM:
        return *cw_member_enum(m, base) != (int)default_int(m);
    case CW_MEMBER_OBJECT:
        return any_is_set(m->child, cw_member_at(m, base));
    case CW_MEMBER_LIST:
    case CW_MEMBER_TEXTS:
    case CW_MEMBER_MAP:
        return *cw_member_count(m, base) > 0;
    }
    return false;
}

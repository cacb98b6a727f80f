/* schema/field_access.h: typed access to a member of a struct through its table row. Internal to schema.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_FIELD_ACCESS_H
#define CW_SCHEMA_FIELD_ACCESS_H

#include "schema/field.h"

static inline void *cw_member_at(const struct cw_member *m, const void *base)
{
    return (char *)(uintptr_t)base + m->offset;
}

static inline const char **cw_member_text(const struct cw_member *m, const void *base)
{
    return cw_member_at(m, base);
}

static inline int64_t *cw_member_int(const struct cw_member *m, const void *base)
{
    return cw_member_at(m, base);
}

static inline bool *cw_member_bool(const struct cw_member *m, const void *base)
{
    return cw_member_at(m, base);
}

/* ENUM and TRI. */
static inline int *cw_member_enum(const struct cw_member *m, const void *base)
{
    return cw_member_at(m, base);
}

/* LIST, TEXTS, MAP: the pointer to the first of count. */
static inline void **cw_member_items(const struct cw_member *m, const void *base)
{
    return cw_member_at(m, base);
}

static inline size_t *cw_member_count(const struct cw_member *m, const void *base)
{
    return (size_t *)(void *)((char *)(uintptr_t)base + m->count_offset);
}

/* Index of a name, -1 when unknown. */
int cw_member_enum_value(const struct cw_member *m, const char *name);
/* The default of INT, BOOL, ENUM, TEXT members; 0 for others. */
void cw_member_set_default(const struct cw_member *m, void *base);
/* Does it differ from its default? For objects: does any member? */
bool cw_member_is_set(const struct cw_member *m, const void *base);

#endif

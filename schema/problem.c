#include "schema/problem.h"

#include <stdarg.h>

void cw_problems_add(struct cw_problems *p, struct cw_arena *mem, const char *pointer, const char *remedy,
                     const char *fmt, ...)
{
    if (p->items == NULL)
        p->items = cw_arena_alloc_array(mem, CW_PROBLEMS_MAX, sizeof *p->items);
    if (p->items == NULL || p->count == CW_PROBLEMS_MAX) {
        p->more++;
        return;
    }
    va_list args;
    va_start(args, fmt);
    const char *message = cw_arena_vprintf(mem, fmt, args);
    va_end(args);
    const char *where = cw_arena_strdup(mem, pointer);
    const char *what = cw_arena_strdup(mem, remedy != NULL ? remedy : "");
    if (message == NULL || where == NULL || what == NULL) {
        p->more++;
        return;
    }
    p->items[p->count++] = (struct cw_problem){.pointer = where, .message = message, .remedy = what};
}

int cw_problems_to_err(const struct cw_problems *p, struct cw_err *err)
{
    size_t total = p->count + p->more;
    if (total == 0)
        return 0;
    if (p->count == 0)
        return cw_err_set(err, CW_ENOMEM, "%zu problems, and no memory to name them", total);
    const struct cw_problem *first = &p->items[0];
    const char *where = first->pointer[0] != '\0' ? first->pointer : "(whole)";
    int r = total == 1 ? cw_err_set(err, CW_EINVAL, "%s: %s", where, first->message)
                       : cw_err_set(err, CW_EINVAL, "%zu problems; %s: %s", total, where, first->message);
    cw_err_remedy(err, "%s", first->remedy);
    return r;
}

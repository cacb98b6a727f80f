/* schema/problem.h: all that is wrong with one document, each with its place and a remedy.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_PROBLEM_H
#define CW_SCHEMA_PROBLEM_H

#include "common/arena.h"
#include "common/err.h"

/* More than these are only counted. */
#define CW_PROBLEMS_MAX 64

struct cw_problem {
    const char
        *pointer; /* JSON pointer (RFC 6901) into the data, e.g. "/network/addressSpace"; "" = the whole */
    const char *message; /* what is wrong, one sentence without the value of a secret */
    const char *remedy;  /* what to write instead; may be empty, never NULL */
};

/* Zero-initialise. Texts live in the arena that was passed with them. */
struct cw_problems {
    struct cw_problem *items;
    size_t count;
    size_t more; /* found beyond CW_PROBLEMS_MAX */
};

/* Add one. Out of memory: counted in `more`. remedy may be NULL. */
void cw_problems_add(struct cw_problems *p, struct cw_arena *mem, const char *pointer, const char *remedy,
                     const char *fmt, ...) CW_PRINTF(5, 6);
/* Fill err from the first problem ("3 problems; /region: required") with its remedy; returns -CW_EINVAL, or 0 when there is
 * none. */
int cw_problems_to_err(const struct cw_problems *p, struct cw_err *err);

#endif

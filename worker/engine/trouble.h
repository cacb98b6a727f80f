/* worker/engine/trouble.h: something that the worker needs and does not get: counted, said once in a while, and, when only people can mend
 * it, the reason that the worker is not ready.
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_TROUBLE_H
#define CW_WORKER_ENGINE_TROUBLE_H

#include "common/err.h"

struct cw_trouble {
    const char *name;     /* "journal", "results" …: of the metric and of the log lines */
    int64_t said_mono_ms; /* 0 = not yet */
    int64_t unsaid;       /* since then */
    bool needs_people;
    char reason[256];
};

/* Name: a literal. Its counter is there from now on. */
void cw_trouble_init(struct cw_trouble *t, const char *name);
/* It failed. NULL is fine. */
void cw_trouble_note(struct cw_trouble *t, const struct cw_err *err, bool needs_people);
/* It worked. NULL is fine. */
void cw_trouble_over(struct cw_trouble *t);
/* What people must mend; NULL = nothing. */
const char *cw_trouble_reason(const struct cw_trouble *t);

#endif

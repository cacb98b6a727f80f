/* worker/engine/window.h: what is in flight and what is done in one partition, above the committed offset.
 *
 * Offsets are taken in the order in which Kafka delivers them (ascending, with gaps from compaction and control records) and
 * finish in any order. An offset that was passed before means that the log went back (the topic was recreated, or truncated after an
 * unclean election): what is known from there on is about other records, so the window begins again there, in a new era; what is in flight
 * below stays. The commit is the lowest unfinished offset; what is finished above it goes into the commit's metadata,
 * so that the next owner of the partition does not run it again.
 * Invariant: entries ascend; the first entry is unfinished; base <= every entry < end.
 * Cost: take and done O(log n) amortised, encode O(n).
 * Suspends: never.  Thread: the owner's. */
#ifndef CW_WORKER_ENGINE_WINDOW_H
#define CW_WORKER_ENGINE_WINDOW_H

#include "common/err.h"

/* Commit metadata never exceeds this (Event Hubs allows 1,024 bytes), without the terminating NUL. */
#define CW_WINDOW_META_BYTES 1000

struct cw_window;

enum cw_window_take {
    CW_WINDOW_TAKEN = 0, /* new: in flight from now on */
    CW_WINDOW_IS_DONE,   /* the map says that it is finished: do not run it */
    CW_WINDOW_REWOUND,   /* new, and the log went back: worth a line in the log */
};

/* committed_offset -1 = none yet: the first taken offset is the base. metadata is what was committed with it: "", NULL, unreadable,
 * made for another offset (an operator moved the group) or of a newer version all mean "no map", never an error.
 * Errors: -CW_ENOMEM. */
int cw_window_new(int64_t committed_offset, const char *metadata, struct cw_window **ret_window);
void cw_window_free(struct cw_window *w); /* NULL is fine */
/* A record was delivered. Errors: -CW_ENOMEM (the record is not in flight, and nothing below it is forgotten). Otherwise an enum
 * cw_window_take; *ret_era is set when it was taken. */
int cw_window_take(struct cw_window *w, int64_t offset, uint32_t *ret_era);
/* The record that was taken in this era is finished: true when it was in flight. A former era's is ignored. */
bool cw_window_done(struct cw_window *w, int64_t offset, uint32_t era);
/* The next offset to read: what to commit; -1 while nothing is known. */
int64_t cw_window_base(const struct cw_window *w);
size_t cw_window_in_flight(const struct cw_window *w);
/* Take no more until something finished: beyond 75 % of what the map can say in the worst order of finishing. Never while records that the
 * map promises are still to come: they don't make it longer. */
bool cw_window_is_full(const struct cw_window *w);
/* The map as text without NUL bytes, at most CW_WINDOW_META_BYTES; "" when nothing above the base is known. True when all of it fitted;
 * otherwise the map ends early, and what it leaves out is delivered again (and found finished in the journal). */
bool cw_window_encode(const struct cw_window *w, char out[CW_WINDOW_META_BYTES + 1]);

#endif

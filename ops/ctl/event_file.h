/* ops/ctl/event_file.h: CloudEvents from a file or standard input: one event, an array, or JSON lines.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_OPS_CTL_EVENT_FILE_H
#define CW_OPS_CTL_EVENT_FILE_H

#include "common/json.h"

#define EVENT_FILE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define EVENT_FILE_EVENTS_MAX ((size_t)100000)

/* Read all of path ("-" = standard input) into mem. Errors: -CW_ENOTFOUND, -CW_EDENIED, -CW_ETOOBIG, -CW_EINVAL (not a file). */
int event_file_read(const char *path, struct cw_arena *mem, struct cw_str *ret_text, struct cw_err *err);
/* The events in the text, as JSON objects (owned by mem). A single document may span lines; otherwise each non-empty line is
 * an event. Errors: -CW_EPARSE with the line, -CW_EINVAL (an element that is no object), -CW_ETOOBIG (too many). */
int event_file_split(struct cw_str text, struct cw_arena *mem, json_t ***ret_events, size_t *ret_count,
                     struct cw_err *err);

#endif

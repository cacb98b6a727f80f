/* common/json_text.h: JSON text, read and written in one pass. jansson alone is several times slower at both.
 *
 * For common/json.c, and for whoever needs members in the order in which they were set.
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_JSON_TEXT_H
#define CW_COMMON_JSON_TEXT_H

#include <jansson.h>

#include "common/base.h"

/* The document that p[0..n) is, as jansson would read it with JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, or NULL when there is
 * anything to say about it (malformed, nested deeper than depth_max, a key twice, a number out of range, out of memory): then
 * jansson has the word. The caller owns it. */
json_t *cw_json_read(const char *p, size_t n, size_t depth_max);
/* Compact text, as of json_dumps() with JSON_COMPACT | JSON_ENCODE_ANY, and JSON_SORT_KEYS if is_sorted. Malloc'ed. NULL when out
 * of memory, not UTF-8, or nested deeper than 256. */
char *cw_json_write(const json_t *v, bool is_sorted);

#endif

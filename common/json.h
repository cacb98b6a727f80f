/* common/json.h: jansson behind limits and typed getters.
 *
 * A path names a member by '/' separated keys or array indexes: "properties/parameters/enableNoPublicIp/value",
 * "value/0/name". Getters never take references: what they give lives as long as the document.
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_JSON_H
#define CW_COMMON_JSON_H

#include <jansson.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"

#define CW_JSON_DEPTH_MAX 32

/* Parse one document. Depth is checked before jansson sees a byte; a UTF-8 byte order mark is skipped; duplicate keys are
 * refused. bytes_max 0 = 8 MiB. Errors: -CW_EPARSE (text has line and column, nothing of the input), -CW_ETOOBIG (bytes or
 * depth), -CW_ENOMEM. The caller owns it. */
int cw_json_parse(const char *p, size_t n, size_t bytes_max, json_t **ret_doc, struct cw_err *err);
/* The same; the arena owns the document. */
int cw_json_parse_in(struct cw_arena *mem, const char *p, size_t n, size_t bytes_max, json_t **ret_doc,
                     struct cw_err *err);
/* Compact text with sorted keys (equal values give equal bytes), malloc'ed. NULL when out of memory. */
char *cw_json_print(const json_t *v);
char *cw_json_print_in(struct cw_arena *mem, const json_t *v);

/* NULL when absent (or JSON null). */
const json_t *cw_json_at(const json_t *v, const char *path);
/* The string, or `otherwise` when absent or of another type. */
const char *cw_json_str(const json_t *v, const char *path, const char *otherwise);
int64_t cw_json_int(const json_t *v, const char *path, int64_t otherwise); /* also integers in strings */
bool cw_json_bool(const json_t *v, const char *path, bool otherwise);
/* An array's members; 0 for absent or another type. */
size_t cw_json_count(const json_t *v, const char *path);
/* The string at path; error names the path. Errors: -CW_EPROTO. */
int cw_json_need_str(const json_t *v, const char *path, const char **ret_z, struct cw_err *err);

/* Builders. They return false when out of memory and leave v unchanged. `take` is consumed in any case. */
bool cw_json_set_str(json_t *v, const char *key, const char *z); /* NULL z: nothing is set */
bool cw_json_set_int(json_t *v, const char *key, int64_t n);
bool cw_json_set_bool(json_t *v, const char *key, bool b);
bool cw_json_set(json_t *v, const char *key, json_t *take);

CW_DEFINE_AUTO(cw_auto_json, json_t *, json_decref)

#endif

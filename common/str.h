/* common/str.h: strings to look at (cw_str) and to build (cw_buf).
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_STR_H
#define CW_COMMON_STR_H

#include "common/base.h"

/* Borrowed bytes, not NUL-terminated. {NULL, 0} is the empty string. */
struct cw_str {
    const char *p;
    size_t n;
};

#define CW_STR_FMT "%.*s"
#define CW_STR_ARG(s) (int)(s).n, (s).p

struct cw_str cw_str_of(const char *z); /* NULL gives the empty string */
bool cw_str_eq(struct cw_str a, struct cw_str b);
bool cw_str_eq_z(struct cw_str a, const char *z);
/* FNV-1a, 64 bits: the same in every process; no protection from chosen collisions. */
uint64_t cw_str_hash(struct cw_str s);
/* ASCII case-insensitive; both may be NULL (equal only to NULL). */
bool cw_z_eq_nocase(const char *a, const char *b);
bool cw_z_eq(const char *a, const char *b);
bool cw_z_starts(const char *z, const char *prefix);
bool cw_z_ends(const char *z, const char *suffix);
bool cw_z_starts_nocase(const char *z, const char *prefix);
bool cw_z_ends_nocase(const char *z, const char *suffix);
bool cw_z_contains_nocase(const char *z, const char *part);
/* Lower ASCII letters in place. */
void cw_z_lower(char *z);
/* Copy with truncation, always NUL-terminated; true when it fitted. */
bool cw_z_copy(char *dst, size_t dst_bytes, const char *src);
/* Decimal integer that fills the whole string; false on anything else or overflow. */
bool cw_z_to_i64(const char *z, int64_t *ret_value);
/* A pattern with `*` (any run of characters), ASCII case-insensitive. */
bool cw_z_glob(const char *pattern, const char *z);

/* Growable bytes, always NUL-terminated once something was added. Out of memory is sticky: check `failed` once at the
 * end. Zero-initialise; cw_buf_fini() frees. */
struct cw_buf {
    char *p;
    size_t n;
    size_t cap;
    size_t max; /* 0 = no limit; going past it sets failed */
    bool failed;
};

void cw_buf_fini(struct cw_buf *b);
void cw_buf_reset(struct cw_buf *b); /* empty, keep the memory */
void cw_buf_add(struct cw_buf *b, const void *p, size_t n);
void cw_buf_add_z(struct cw_buf *b, const char *z);
void cw_buf_add_char(struct cw_buf *b, char c);
void cw_buf_addf(struct cw_buf *b, const char *fmt, ...) CW_PRINTF(2, 3);
/* As the inside of a JSON string (without the quotes), invalid UTF-8 replaced by U+FFFD. */
void cw_buf_add_json(struct cw_buf *b, const char *p, size_t n);
/* Percent-encoded for one URL path segment or query value (RFC 3986 unreserved stay). */
void cw_buf_add_url(struct cw_buf *b, const char *z);
/* The NUL-terminated text, or "" when empty. */
const char *cw_buf_z(const struct cw_buf *b);
/* Hand over the malloc'ed text; NULL when failed. The buffer is empty afterwards. */
char *cw_buf_take(struct cw_buf *b);

/* base64 with padding (RFC 4648). decode returns false on a bad alphabet. */
void cw_buf_add_base64(struct cw_buf *b, const void *p, size_t n);
bool cw_buf_add_base64_decoded(struct cw_buf *b, const char *p, size_t n);

#endif

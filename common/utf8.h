/* common/utf8.h: well-formed UTF-8, and the escaping of text inside JSON strings.
 *
 * Suspends: never.  Thread: any.  Source: Unicode 15, table 3-7; RFC 8259, section 7. */
#ifndef CW_COMMON_UTF8_H
#define CW_COMMON_UTF8_H

#include "common/base.h"

/* Bytes (1 to 4) of the well-formed character at p, which has n bytes left; 0 when there is none. */
size_t cw_utf8_len(const char *p, size_t n);
/* The longest prefix of p[0..n) that does not end within a character. Bytes that are not UTF-8 at all stay. */
size_t cw_utf8_cut(const char *p, size_t n);

#define CW_JSON_UNIT_BYTES 6
/* The next character of p[0..n), n > 0, as it stands inside a JSON string: written to out, its length stored. A malformed
 * byte becomes U+FFFD. Returns the number of bytes read from p. */
size_t cw_json_escape_unit(const char *p, size_t n, char out[CW_JSON_UNIT_BYTES], size_t *ret_len);

#endif

/* common/digest.h: SHA-1 for names (RFC 9562 ids, Redis script digests), SHA-256 for contents.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_DIGEST_H
#define CW_COMMON_DIGEST_H

#include "common/base.h"

#define CW_SHA1_BYTES 20
#define CW_SHA256_BYTES 32

/* False when out of memory, or when the crypto library refuses the algorithm; then out is zeroed. */
bool cw_sha1(const void *p, size_t n, unsigned char out[CW_SHA1_BYTES]);
bool cw_sha256(const void *p, size_t n, unsigned char out[CW_SHA256_BYTES]);
/* Lower case hexadecimal; out has 2 * n + 1 bytes. */
void cw_hex(const void *p, size_t n, char *out);

#endif

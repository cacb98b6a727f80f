/* common/azure/prefix.h: IPv4 prefixes: parse, print, overlap, carve subnets out of an address space.
 *
 * Suspends: never.  Thread: any.  Source: RFC 4632. */
#ifndef CW_COMMON_AZURE_PREFIX_H
#define CW_COMMON_AZURE_PREFIX_H

#include "common/base.h"

struct cw_prefix {
    uint32_t base; /* host order; host bits are zero */
    int bits;      /* 0..32 */
};

#define CW_PREFIX_BYTES 19

/* "10.10.0.0/16"; false when malformed or host bits are set. */
bool cw_prefix_parse(const char *z, struct cw_prefix *ret_prefix);
void cw_prefix_format(struct cw_prefix p, char out[CW_PREFIX_BYTES]);
/* "10.1.2.3"; false when malformed. */
bool cw_address_parse(const char *z, uint32_t *ret_address);
bool cw_prefix_has_address(struct cw_prefix p, uint32_t address);
bool cw_prefix_contains(struct cw_prefix outer, struct cw_prefix inner);
bool cw_prefix_overlaps(struct cw_prefix a, struct cw_prefix b);
bool cw_prefix_is_private(struct cw_prefix p); /* inside RFC 1918 or RFC 6598 space */
/* The nth (from 0) prefix of that length in the space; false when it does not fit. */
bool cw_prefix_nth(struct cw_prefix space, int bits, uint32_t n, struct cw_prefix *ret_prefix);
/* The lowest prefix of that length in any of the spaces that overlaps none of `used`; false when there is none. */
bool cw_prefix_first_free(const struct cw_prefix *spaces, size_t space_count, const struct cw_prefix *used,
                          size_t used_count, int bits, struct cw_prefix *ret_prefix);

#endif

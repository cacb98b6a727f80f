/* common/time.h: clocks, deadlines and randomness: the door through which time enters. Tests link another time.c.
 *
 * Suspends: never (cw_sleep lives in common/net/loop.h).  Thread: any. */
#ifndef CW_COMMON_TIME_H
#define CW_COMMON_TIME_H

#include "common/base.h"

/* Absolute, monotonic. A wrapper, so that a duration can't be passed as a deadline. */
struct cw_deadline {
    int64_t mono_ms; /* INT64_MAX = never */
};
#define CW_NEVER ((struct cw_deadline){INT64_MAX})

int64_t cw_mono_ms(void);
/* Milliseconds since the Unix epoch. For people and for events; never for leases or deadlines. */
int64_t cw_wall_ms(void);

struct cw_deadline cw_in_ms(int64_t ms); /* saturates */
struct cw_deadline cw_sooner(struct cw_deadline a, struct cw_deadline b);
bool cw_is_past(struct cw_deadline d);
/* Milliseconds left, 0 when past, INT64_MAX for never. */
int64_t cw_left_ms(struct cw_deadline d);

#define CW_RFC3339_BYTES 32
/* "2026-11-24T03:12:44.123Z" (RFC 3339). */
void cw_rfc3339_format(int64_t wall_ms, char out[CW_RFC3339_BYTES]);
/* With or without fraction, Z or offset; false when malformed. */
bool cw_rfc3339_parse(const char *z, int64_t *ret_wall_ms);
/* HTTP date (RFC 9110, IMF-fixdate only); false when malformed. */
bool cw_http_date_parse(const char *z, int64_t *ret_wall_ms);

void cw_random_bytes(void *p, size_t n);
uint64_t cw_random_u64(void);
/* Uniform in [lo, hi]. */
int64_t cw_random_between(int64_t lo, int64_t hi);
#define CW_UUID_BYTES 37
/* Version 4 (RFC 9562), lower case. */
void cw_uuid4(char out[CW_UUID_BYTES]);
/* Version 5: derived from a fixed namespace of this project and a name; equal names give equal ids. */
void cw_uuid5(const char *name, size_t name_bytes, char out[CW_UUID_BYTES]);

#endif

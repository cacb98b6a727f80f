/* common/net/kafka_scan.h: read a topic back, without a group: what does it hold from some time on, up to its end as it is now?
 *
 * The client is made with the first question, and closed when there was none for a while. One question at a time (asserted).
 * Memory: a few partitions are read at once, each with at most a MiB on its way; what is read is handed over, not kept.
 * Suspends: cw_kafka_scan_spans, cw_kafka_scan_read.  Thread: loop.  Source: librdkafka INTRODUCTION; KIP-79 (offsets by time). */
#ifndef CW_COMMON_NET_KAFKA_SCAN_H
#define CW_COMMON_NET_KAFKA_SCAN_H

#include "common/net/kafka_in.h"

struct cw_kafka_scan;

/* A stretch of one partition: from <= offset < to. */
struct cw_kafka_span {
    int32_t partition;
    int64_t from;
    int64_t to;
};

/* Only the ends: `from` equals `to`. */
#define CW_KAFKA_SCAN_ENDS INT64_MAX

/* cfg's strings are copied. Does not connect. Errors: -CW_ENOMEM, -CW_EINVAL. */
int cw_kafka_scan_new(struct cw_loop *loop, const struct cw_kafka_cfg *cfg, const char *topic,
                      struct cw_kafka_scan **ret_scan, struct cw_err *err);
/* Nobody may be asking. NULL is fine. */
void cw_kafka_scan_free(struct cw_kafka_scan *scan);

/* All partitions of the topic, each from its first record of that time (wall ms; <= 0: the oldest that is kept) to its end. Both are asked
 * for after the call began. The array lives in mem. Errors: -CW_ETIMEDOUT, cancellation, -CW_ENET, -CW_ENOTFOUND, -CW_EDENIED, -CW_EAUTH,
 * -CW_EREMOTE, -CW_ENOMEM. Suspends: yes. */
int cw_kafka_scan_spans(struct cw_kafka_scan *scan, int64_t since_wall_ms, struct cw_deadline until,
                        struct cw_arena *mem, struct cw_kafka_span **ret_spans, size_t *ret_count,
                        struct cw_err *err);

/* Called on the loop's stack, when the span's `from` is behind the message. False: enough. */
typedef bool (*cw_kafka_scan_fn)(void *arg, const struct cw_kafka_message *message);
/* Hand over every record of the spans, in order of its partition. `from` moves along, also when it ends early: the same spans again go on
 * where it stopped. 0: all is read (each from >= to), or fn has enough. Errors: as above. Suspends: yes. */
int cw_kafka_scan_read(struct cw_kafka_scan *scan, struct cw_kafka_span *spans, size_t count,
                       cw_kafka_scan_fn fn, void *arg, struct cw_deadline until, struct cw_err *err);

#endif

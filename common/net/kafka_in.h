/* common/net/kafka_in.h: a group consumer with manual offsets. librdkafka stays behind this header.
 *
 * Cooperative-sticky; auto commit and auto offset store are off. The callbacks run on the loop's stack and never suspend.
 * Polling goes on while partitions are paused, so the group membership lives as long as the process.
 * Suspends: never.  Thread: loop.  Source: librdkafka CONFIGURATION, KIP-429. */
#ifndef CW_COMMON_NET_KAFKA_IN_H
#define CW_COMMON_NET_KAFKA_IN_H

#include "common/net/kafka_out.h"

struct cw_kafka_in;

/* A message, borrowed for the duration of the callback. */
struct cw_kafka_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct cw_str key;
    struct cw_str value;
    const struct cw_kafka_header *headers;
    size_t header_count;
};

enum cw_kafka_revoke { CW_KAFKA_REVOKED = 0, CW_KAFKA_LOST };

struct cw_kafka_in_ops {
    /* A partition is ours now. committed_offset is -1 when none; metadata "" when none. */
    void (*assigned)(void *arg, const char *topic, int32_t partition, int64_t committed_offset,
                     const char *metadata);
    /* It is no longer ours. Commits are still accepted inside the callback when REVOKED, refused by the broker when LOST. */
    void (*revoked)(void *arg, const char *topic, int32_t partition, enum cw_kafka_revoke how);
    void (*message)(void *arg, const struct cw_kafka_message *message);
    /* Something that deserves a log line; the consumer goes on by itself unless is_fatal. */
    void (*error)(void *arg, const struct cw_err *err, bool is_fatal);
};

struct cw_kafka_in_cfg {
    struct cw_kafka_cfg common;
    const char *group;
    const char *const *topics;
    size_t topic_count;
    const char *instance_id;        /* static membership; NULL = dynamic */
    int64_t session_timeout_ms;     /* 0 = 45 s */
    int64_t fetch_wait_ms;          /* 0 = 500 */
    size_t message_bytes_max;       /* 0 = 1 MiB */
    bool from_start_without_offset; /* auto.offset.reset: earliest or latest */
};

/* Joins the group. Errors: -CW_ENOMEM, -CW_EINVAL. */
int cw_kafka_in_new(struct cw_loop *loop, const struct cw_kafka_in_cfg *cfg,
                    const struct cw_kafka_in_ops *ops, void *arg, struct cw_kafka_in **ret_in,
                    struct cw_err *err);
/* Leave the group: revoked() is called for each partition before it returns. Blocks for at most leave_ms while the brokers do not answer;
 * then the group learns by the session's timeout. NULL is fine. */
void cw_kafka_in_free(struct cw_kafka_in *in, int64_t leave_ms);
/* No more messages of this partition until resumed; a message already fetched is delivered after resuming. Idempotent. */
int cw_kafka_in_pause(struct cw_kafka_in *in, const char *topic, int32_t partition);
int cw_kafka_in_resume(struct cw_kafka_in *in, const char *topic, int32_t partition);
/* Send an asynchronous commit: next offset to read, with metadata (text, at most 1,000 bytes). A failure is reported through
 * error() and may be repeated. Errors: -CW_EINVAL (not assigned), -CW_ENOMEM. */
int cw_kafka_in_commit(struct cw_kafka_in *in, const char *topic, int32_t partition, int64_t offset,
                       const char *metadata);
/* Messages behind the high watermark over all assigned partitions, as last known; -1 = unknown. */
int64_t cw_kafka_in_lag(struct cw_kafka_in *in);

#endif

/* common/net/kafka_in_impl.h: the parts of the consumer. For common/net alone.
 *
 *   kafka_in.c         lifecycle, polling, commits
 *   kafka_in_parts.c   the assigned partitions and the messages that wait for a resume
 *   kafka_in_assign.c  rebalances: the committed offsets are read before a partition starts
 *
 * Suspends: never.  Thread: loop. */
#ifndef CW_COMMON_NET_KAFKA_IN_IMPL_H
#define CW_COMMON_NET_KAFKA_IN_IMPL_H

#include "common/net/kafka_impl.h"
#include "common/net/kafka_in.h"

/* A message that was fetched for a paused partition. */
struct cw_kafka_stashed {
    struct cw_kafka_stashed *next;
    rd_kafka_message_t *message;
};

/* One assigned partition. Its position in librdkafka is behind the last stashed message, so holding it loses nothing. */
struct cw_kafka_part {
    struct cw_kafka_part *next;
    char *topic;
    int32_t id;
    bool is_paused; /* by the caller */
    bool is_held;   /* paused in librdkafka: the stash is full */
    struct cw_kafka_stashed *stash, **stash_end;
    size_t stash_count;
    size_t stash_bytes;
    int64_t position; /* the next offset to deliver; -1 = unknown */
};

struct cw_kafka_in {
    uv_loop_t *uv;
    rd_kafka_t *rk;
    struct cw_kafka_in_ops ops;
    void *arg;
    char *group;
    bool is_from_start;
    bool is_closing;
    rd_kafka_queue_t *queue; /* messages, rebalances, errors */
    rd_kafka_queue_t *side;  /* results of commits and of reading offsets */
    struct cw_kafka_wake *wake;
    struct cw_timer *tick; /* polls an idle consumer, or it would be thrown out of the group */
    uv_timer_t *retry;     /* reads the offsets again */
    struct cw_kafka_part *parts;
    rd_kafka_topic_partition_list_t *assigning; /* ours by the group, offsets not read yet; NULL = none */
    uintptr_t reading; /* number of the latest reading; answers of earlier ones are ignored */
};

void cw_kafka_in_report(struct cw_kafka_in *in, rd_kafka_resp_err_t error, const char *reason,
                        const char *what);

/* --- parts */
/* NULL when out of memory. */
struct cw_kafka_part *cw_kafka_part_add(struct cw_kafka_in *in, const char *topic, int32_t id,
                                        int64_t position);
struct cw_kafka_part *cw_kafka_part_find(struct cw_kafka_in *in, const char *topic, int32_t id);
void cw_kafka_part_remove(struct cw_kafka_in *in, struct cw_kafka_part *take_part);
/* A message from librdkafka: deliver it, or keep it while its partition is paused. */
void cw_kafka_part_take(struct cw_kafka_in *in, rd_kafka_message_t *take_message);
/* Deliver what resumed partitions have kept, at most *budget messages, which is lowered. */
void cw_kafka_parts_flush(struct cw_kafka_in *in, int *budget);

/* --- rebalances */
void cw_kafka_in_rebalance(struct cw_kafka_in *in, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t *list);
/* The committed offsets have been read, or not. */
void cw_kafka_in_offsets_read(struct cw_kafka_in *in, rd_kafka_event_t *event);
/* Tell librdkafka that its assignment stands, without waiting for offsets: before closing. */
void cw_kafka_in_settle(struct cw_kafka_in *in);
void cw_kafka_in_read_offsets(struct cw_kafka_in *in);

#endif

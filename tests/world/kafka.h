/* tests/world/kafka.h: a model of Kafka: topics, partitions, one consumer group with cooperative rebalances, committed offsets with
 * metadata, and what goes wrong: expelled members that do not know it yet, lost acknowledgements, unavailable brokers.
 *
 * Rules: a partition has one owner at the broker at a time; a member learns late that it lost one; commits of a member that was
 * expelled are refused; those sent before a revocation arrive before the next owner reads the offset.
 * Suspends: never (the clients of common/net/kafka_*.h do).  Thread: one.  Source: KIP-429, librdkafka INTRODUCTION. */
#ifndef CW_TESTS_WORLD_KAFKA_H
#define CW_TESTS_WORLD_KAFKA_H

#include "common/net/kafka_in.h"

#define KAFKA_PARTITIONS_MAX 8

struct kafka_message {
    int64_t offset;
    int64_t timestamp_ms; /* wall */
    struct cw_str key;
    struct cw_str value;
    struct cw_kafka_header *headers;
    size_t header_count;
};

void kafka_make_topic(const char *name, int32_t partitions);
/* As somebody else's producer: by the key's hash, acknowledged at once. The place it got. */
int64_t kafka_append(const struct cw_kafka_record *record, int32_t *ret_partition);
int32_t kafka_partitions(const char *topic);
size_t kafka_count(const char *topic, int32_t partition);
const struct kafka_message *kafka_at(const char *topic, int32_t partition, size_t index);
const struct kafka_message *kafka_find(const char *topic, int32_t partition, int64_t offset);
int64_t kafka_end(const char *topic, int32_t partition);
/* -1 = none */
int64_t kafka_committed(const char *topic, int32_t partition, const char **ret_metadata);

/* Faults. */
void kafka_down_until(int64_t mono_ms);
bool kafka_is_down(void);
/* A commit, a send or a post in so many goes wrong (0 = never): refused, or done with its answer lost. */
void kafka_be_faulty(int64_t one_in);
void kafka_shuffle(void); /* another assignment */
/* The nth member (modulo) is expelled now and learns it so much later. */
void kafka_expel(size_t nth, int64_t learns_after_ms);
/* A member reads again from so many messages before where it is. */
void kafka_rewind(size_t nth, int64_t messages);
/* Gaps in the offsets, as compaction and transactions leave them: after one message in so many. */
void kafka_leave_gaps(int64_t one_in);
/* To be told when a worker died or froze: its session ends without heartbeats. */
void kafka_silent(struct cw_loop *loop, int64_t until_mono_ms);

struct kafka_watch {
    void (*appended)(void *arg, const char *topic, int32_t partition, const struct kafka_message *message);
    void (*delivered)(void *arg, struct cw_loop *loop, const char *topic, int32_t partition, int64_t offset);
    void (*committed)(void *arg, const char *topic, int32_t partition, int64_t offset, const char *metadata);
    void (*moved)(void *arg, struct cw_loop *loop, const char *topic, int32_t partition, const char *how);
};
void kafka_on(const struct kafka_watch *watch, void *arg);

#endif

/* tests/world/kafka_impl.h: what broker, group and clients of the model of Kafka share. */
#ifndef CW_TESTS_WORLD_KAFKA_IMPL_H
#define CW_TESTS_WORLD_KAFKA_IMPL_H

#include "tests/world/clock.h"
#include "tests/world/kafka.h"

#define KAFKA_TOPICS_MAX 8
#define KAFKA_METADATA_MAX 1000
#define KAFKA_MEMBERS_MAX 64

struct kafka_partition {
    struct kafka_topic *topic;
    int32_t number;
    struct kafka_message *messages;
    size_t count;
    size_t cap;
    int64_t end;       /* next offset */
    int64_t committed; /* -1 = none */
    char metadata[KAFKA_METADATA_MAX + 1];
    struct cw_kafka_in *owner;  /* as the broker sees it; NULL = none */
    struct cw_kafka_in *target; /* who shall own it */
    bool is_moving;             /* the owner was asked to give it up, or the target is being told */
    uint64_t turn;              /* counts its owners */
};

struct kafka_topic {
    char *name;
    struct kafka_partition partitions[KAFKA_PARTITIONS_MAX];
    int32_t count;
    bool is_read; /* by the group */
};

/* What a member believes to own. */
struct kafka_part {
    struct kafka_part *next;
    struct kafka_partition *at;
    uint64_t turn;
    int64_t position;
    bool is_paused;
    bool is_fetching;
};

struct cw_kafka_in {
    struct cw_kafka_in *next;
    struct cw_loop *loop;
    struct cw_kafka_in_ops ops;
    void *arg;
    struct kafka_part *parts;
    int64_t session_ms;
    int64_t silent_until; /* no heartbeats until then */
    uint64_t id;
    bool is_member; /* as the broker sees it */
    bool is_reading;
    bool from_start;
};

struct kafka_broker {
    struct kafka_topic topics[KAFKA_TOPICS_MAX];
    size_t topic_count;
    struct cw_kafka_in *members[KAFKA_MEMBERS_MAX];
    size_t member_count;
    struct cw_kafka_in *clients; /* who reads, members or not (it may not know yet that it is none) */
    uint64_t ids;
    int64_t down_until;
    int64_t faulty_one_in;
    int64_t gap_one_in;
    struct kafka_watch watch;
    void *watch_arg;
};
extern struct kafka_broker kafka;

struct kafka_topic *kafka_topic_of(const char *name);
struct kafka_partition *kafka_partition_of(const char *topic, int32_t number);
struct kafka_message *kafka_store(struct kafka_partition *p, const struct cw_kafka_record *record);
int32_t kafka_place(const struct kafka_topic *t, const struct cw_kafka_record *record);
bool kafka_fault(void);

/* ---- group ---- */
void kafka_join(struct cw_kafka_in *in);
void kafka_leave(struct cw_kafka_in *in);
void kafka_rebalance(void);
void kafka_watch_move(struct cw_kafka_in *in, const struct kafka_partition *p, const char *how);

/* ---- client ---- */
/* To be called in the member's worker. */
void kafka_part_begin(struct cw_kafka_in *in, struct kafka_partition *p);
void kafka_part_end(struct cw_kafka_in *in, struct kafka_part *part, enum cw_kafka_revoke how);
void kafka_fetch_soon(struct cw_kafka_in *in, struct kafka_part *part);
void kafka_new_messages(struct kafka_partition *p);
void kafka_error(struct cw_kafka_in *in, const char *text);

#endif

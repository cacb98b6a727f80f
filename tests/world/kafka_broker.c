/* Topics, partitions and messages of the model of Kafka. */
#include "tests/world/kafka_impl.h"

struct kafka_broker kafka;

static void *must(void *p)
{
    CW_BUG_ON(p == NULL);
    return p;
}

static void free_messages(struct kafka_partition *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct kafka_message *m = &p->messages[i];
        free((char *)(uintptr_t)m->key.p);
        free((char *)(uintptr_t)m->value.p);
        for (size_t k = 0; k < m->header_count; k++) {
            free((char *)(uintptr_t)m->headers[k].name);
            free((char *)(uintptr_t)m->headers[k].value.p);
        }
        free(m->headers);
    }
    free(p->messages);
}

void world_kafka_reset(void)
{
    for (size_t i = 0; i < kafka.topic_count; i++) {
        for (int32_t k = 0; k < kafka.topics[i].count; k++)
            free_messages(&kafka.topics[i].partitions[k]);
        free(kafka.topics[i].name);
    }
    memset(&kafka, 0, sizeof kafka);
}

void kafka_on(const struct kafka_watch *watch, void *arg)
{
    kafka.watch = *watch;
    kafka.watch_arg = arg;
}

void kafka_make_topic(const char *name, int32_t partitions)
{
    CW_PRE(kafka.topic_count < KAFKA_TOPICS_MAX && partitions <= KAFKA_PARTITIONS_MAX);
    struct kafka_topic *t = &kafka.topics[kafka.topic_count++];
    *t = (struct kafka_topic){.name = must(strdup(name)), .count = partitions};
    for (int32_t i = 0; i < partitions; i++) {
        t->partitions[i].topic = t;
        t->partitions[i].number = i;
        t->partitions[i].committed = -1;
    }
}

struct kafka_topic *kafka_topic_of(const char *name)
{
    for (size_t i = 0; i < kafka.topic_count; i++) {
        if (strcmp(kafka.topics[i].name, name) == 0)
            return &kafka.topics[i];
    }
    return NULL;
}

struct kafka_partition *kafka_partition_of(const char *topic, int32_t number)
{
    struct kafka_topic *t = kafka_topic_of(topic);
    return t == NULL || number < 0 || number >= t->count ? NULL : &t->partitions[number];
}

int32_t kafka_place(const struct kafka_topic *t, const struct cw_kafka_record *record)
{
    uint32_t h = 2166136261u;
    if (record->key.p == NULL)
        return (int32_t)world_between(0, t->count - 1);
    for (size_t i = 0; i < record->key.n; i++)
        h = (h ^ (uint8_t)record->key.p[i]) * 16777619u;
    return (int32_t)(h % (uint32_t)t->count);
}

static struct cw_str copy(struct cw_str s)
{
    if (s.p == NULL)
        return s;
    char *p = must(malloc(s.n + 1));
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct cw_str){p, s.n};
}

struct kafka_message *kafka_store(struct kafka_partition *p, const struct cw_kafka_record *record)
{
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 16 : p->cap * 2;
        p->messages = must(realloc(p->messages, p->cap * sizeof *p->messages));
    }
    struct kafka_message *m = &p->messages[p->count++];
    *m = (struct kafka_message){
        .offset = p->end++,
        .timestamp_ms = world_wall_ms(),
        .key = copy(record->key),
        .value = copy(record->value),
        .headers = must(calloc(record->header_count + 1, sizeof *m->headers)),
        .header_count = record->header_count,
    };
    for (size_t i = 0; i < record->header_count; i++)
        m->headers[i] =
            (struct cw_kafka_header){must(strdup(record->headers[i].name)), copy(record->headers[i].value)};
    if (world_chance(kafka.gap_one_in))
        p->end += world_between(1, 5);
    if (kafka.watch.appended != NULL)
        kafka.watch.appended(kafka.watch_arg, p->topic->name, p->number, m);
    kafka_new_messages(p);
    return m;
}

int64_t kafka_append(const struct cw_kafka_record *record, int32_t *ret_partition)
{
    struct kafka_topic *t = kafka_topic_of(record->topic);
    CW_PRE(t != NULL);
    *ret_partition = kafka_place(t, record);
    return kafka_store(&t->partitions[*ret_partition], record)->offset;
}

int32_t kafka_partitions(const char *topic)
{
    return kafka_topic_of(topic)->count;
}

size_t kafka_count(const char *topic, int32_t partition)
{
    return kafka_partition_of(topic, partition)->count;
}

const struct kafka_message *kafka_at(const char *topic, int32_t partition, size_t index)
{
    return &kafka_partition_of(topic, partition)->messages[index];
}

const struct kafka_message *kafka_find(const char *topic, int32_t partition, int64_t offset)
{
    const struct kafka_partition *p = kafka_partition_of(topic, partition);
    for (size_t i = 0; i < p->count; i++) {
        if (p->messages[i].offset == offset)
            return &p->messages[i];
    }
    return NULL;
}

int64_t kafka_end(const char *topic, int32_t partition)
{
    return kafka_partition_of(topic, partition)->end;
}

int64_t kafka_committed(const char *topic, int32_t partition, const char **ret_metadata)
{
    const struct kafka_partition *p = kafka_partition_of(topic, partition);
    *ret_metadata = p->metadata;
    return p->committed;
}

void kafka_down_until(int64_t mono_ms)
{
    kafka.down_until = CW_MAX(kafka.down_until, mono_ms);
}

bool kafka_is_down(void)
{
    return kafka.down_until > cw_mono_ms();
}

void kafka_be_faulty(int64_t one_in)
{
    kafka.faulty_one_in = one_in;
}

bool kafka_fault(void)
{
    return world_chance(kafka.faulty_one_in);
}

void kafka_leave_gaps(int64_t one_in)
{
    kafka.gap_one_in = one_in;
}

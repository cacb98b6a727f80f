#include "common/net/kafka_in_impl.h"

#define STASH_COUNT_MAX 64
#define STASH_COUNT_LOW \
    32 /* fetching again takes librdkafka up to a second: begin before the stash is empty */
#define STASH_BYTES_MAX (1u << 20)

/* --- delivery ----------------------------------------------------------------------------------------------------- */

static void deliver(struct cw_kafka_in *in, struct cw_kafka_part *part, rd_kafka_message_t *take_message)
{
    struct cw_kafka_header headers[CW_KAFKA_HEADERS_MAX];
    struct cw_kafka_message message = {
        .topic = part->topic,
        .partition = part->id,
        .offset = take_message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(take_message, NULL),
        .key = {take_message->key, take_message->key_len},
        .value = {take_message->payload, take_message->len},
        .headers = headers,
        .header_count = cw_kafka_read_headers(take_message, headers, CW_KAFKA_HEADERS_MAX),
    };
    part->position = take_message->offset + 1;
    in->ops.message(in->arg, &message);
    rd_kafka_message_destroy(take_message);
}

/* --- pausing in librdkafka ---------------------------------------------------------------------------------------- */

/* librdkafka throws away what it has fetched of a paused partition, and fetches it again: only when the stash is full. */
static void hold(struct cw_kafka_in *in, struct cw_kafka_part *part, bool is_held)
{
    if (part->is_held == is_held)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, part->topic, part->id);
    if (is_held)
        (void)rd_kafka_pause_partitions(in->rk, list);
    else
        (void)rd_kafka_resume_partitions(in->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    part->is_held = is_held;
}

/* --- the stash ---------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const rd_kafka_message_t *message)
{
    return message->len + message->key_len;
}

/* Out of memory: go back to this message, so that it comes again. */
static void seek_back(struct cw_kafka_in *in, struct cw_kafka_part *part, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, part->topic, part->id)->offset = offset;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(in->rk, list, 0);
    if (error != NULL)
        cw_kafka_in_report(in, rd_kafka_error_code(error), rd_kafka_error_string(error), "seek");
    rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
}

static void stash(struct cw_kafka_in *in, struct cw_kafka_part *part, rd_kafka_message_t *take_message)
{
    struct cw_kafka_stashed *s = calloc(1, sizeof *s);
    if (s == NULL) {
        seek_back(in, part, take_message->offset);
        rd_kafka_message_destroy(take_message);
        return;
    }
    s->message = take_message;
    *part->stash_end = s;
    part->stash_end = &s->next;
    part->stash_count++;
    part->stash_bytes += bytes_of(take_message);
    if (part->stash_count >= STASH_COUNT_MAX || part->stash_bytes >= STASH_BYTES_MAX)
        hold(in, part, true);
}

static rd_kafka_message_t *unstash(struct cw_kafka_part *part)
{
    struct cw_kafka_stashed *s = part->stash;
    rd_kafka_message_t *message = s->message;
    part->stash = s->next;
    if (part->stash == NULL)
        part->stash_end = &part->stash;
    part->stash_count--;
    part->stash_bytes -= bytes_of(message);
    free(s);
    return message;
}

void cw_kafka_part_take(struct cw_kafka_in *in, rd_kafka_message_t *take_message)
{
    struct cw_kafka_part *part =
        cw_kafka_part_find(in, rd_kafka_topic_name(take_message->rkt), take_message->partition);
    if (part == NULL)
        rd_kafka_message_destroy(take_message);
    else if (part->is_paused || part->stash != NULL)
        stash(in, part, take_message);
    else
        deliver(in, part, take_message);
}

void cw_kafka_parts_flush(struct cw_kafka_in *in, int *budget)
{
    for (struct cw_kafka_part *part = in->parts; part != NULL; part = part->next) {
        while (part->stash != NULL && !part->is_paused && *budget > 0) {
            --*budget;
            deliver(in, part, unstash(part));
        }
        if (part->stash_count <= STASH_COUNT_LOW && !part->is_paused)
            hold(in, part, false);
    }
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

struct cw_kafka_part *cw_kafka_part_add(struct cw_kafka_in *in, const char *topic, int32_t id,
                                        int64_t position)
{
    struct cw_kafka_part *part = calloc(1, sizeof *part);
    char *name = strdup(topic);
    if (part == NULL || name == NULL) {
        free(part);
        free(name);
        return NULL;
    }
    *part = (struct cw_kafka_part){.next = in->parts, .topic = name, .id = id, .position = position};
    part->stash_end = &part->stash;
    in->parts = part;
    return part;
}

struct cw_kafka_part *cw_kafka_part_find(struct cw_kafka_in *in, const char *topic, int32_t id)
{
    for (struct cw_kafka_part *part = in->parts; part != NULL; part = part->next)
        if (part->id == id && strcmp(part->topic, topic) == 0)
            return part;
    return NULL;
}

void cw_kafka_part_remove(struct cw_kafka_in *in, struct cw_kafka_part *take_part)
{
    struct cw_kafka_part **at = &in->parts;
    while (*at != take_part)
        at = &(*at)->next;
    *at = take_part->next;
    while (take_part->stash != NULL)
        rd_kafka_message_destroy(unstash(take_part));
    free(take_part->topic);
    free(take_part);
}

#include "common/net/kafka_in_impl.h"

#define READ_TIMEOUT_MS 10000
#define READ_RETRY_MS 300

/* --- assigned ----------------------------------------------------------------------------------------------------- */

static void report_and_free(struct cw_kafka_in *in, rd_kafka_error_t *take_error, const char *what)
{
    if (take_error == NULL)
        return;
    cw_kafka_in_report(in, rd_kafka_error_code(take_error), rd_kafka_error_string(take_error), what);
    rd_kafka_error_destroy(take_error);
}

/* The metadata of a commit as text; malloc'ed, NULL when out of memory. */
static char *metadata_of(const rd_kafka_topic_partition_t *committed)
{
    if (committed == NULL || committed->metadata == NULL || committed->offset < 0)
        return strdup("");
    return strndup(committed->metadata, committed->metadata_size);
}

static void announce(struct cw_kafka_in *in, const rd_kafka_topic_partition_t *tp,
                     const rd_kafka_topic_partition_t *committed)
{
    int64_t offset = committed != NULL && committed->offset >= 0 ? committed->offset : -1;
    char *metadata = metadata_of(committed);
    if (metadata == NULL || cw_kafka_part_add(in, tp->topic, tp->partition, offset) == NULL)
        cw_kafka_in_report(in, RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, NULL, "assigned partition");
    else
        in->ops.assigned(in->arg, tp->topic, tp->partition, offset, metadata);
    free(metadata);
}

/* Start each partition exactly where its committed offset (whose metadata the caller sees) says. */
static void start_partitions(struct cw_kafka_in *in, const rd_kafka_topic_partition_list_t *committed)
{
    rd_kafka_topic_partition_list_t *list = CW_TAKE(in->assigning);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *tp = &list->elems[i];
        const rd_kafka_topic_partition_t *from =
            committed != NULL ? rd_kafka_topic_partition_list_find(committed, tp->topic, tp->partition)
                              : NULL;
        tp->offset = from != NULL && from->offset >= 0 ? from->offset : RD_KAFKA_OFFSET_INVALID;
        if (tp->offset >= 0)
            rd_kafka_topic_partition_set_leader_epoch(tp, rd_kafka_topic_partition_get_leader_epoch(from));
    }
    report_and_free(in, rd_kafka_incremental_assign(in->rk, list), "assign");
    for (int i = 0; committed != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *tp = &list->elems[i];
        announce(in, tp, rd_kafka_topic_partition_list_find(committed, tp->topic, tp->partition));
    }
    rd_kafka_topic_partition_list_destroy(list);
    cw_kafka_wake_now(in->wake);
}

void cw_kafka_in_settle(struct cw_kafka_in *in)
{
    if (in->assigning == NULL)
        return;
    (void)uv_timer_stop(in->retry);
    in->reading++;
    start_partitions(in, NULL);
}

/* --- reading the committed offsets -------------------------------------------------------------------------------- */

void cw_kafka_in_read_offsets(struct cw_kafka_in *in)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(in->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets_t *question =
        rd_kafka_ListConsumerGroupOffsets_new(in->group, in->assigning);
    char reason[128];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, READ_TIMEOUT_MS, reason, sizeof reason);
    rd_kafka_AdminOptions_set_opaque(options, (void *)++in->reading);
    rd_kafka_ListConsumerGroupOffsets(in->rk, &question, 1, options, in->side);
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    rd_kafka_AdminOptions_destroy(options);
}

static void on_retry(uv_timer_t *timer)
{
    struct cw_kafka_in *in = timer->data;
    if (in->assigning != NULL)
        cw_kafka_in_read_offsets(in);
}

/* The offsets of all partitions, or NULL and an error. */
static const rd_kafka_topic_partition_list_t *offsets_of(rd_kafka_event_t *event,
                                                         rd_kafka_resp_err_t *ret_error)
{
    *ret_error = rd_kafka_event_error(event);
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        rd_kafka_event_ListConsumerGroupOffsets_result(event);
    if (*ret_error != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL)
        return NULL;
    size_t count = 0;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    *ret_error = RD_KAFKA_RESP_ERR__BAD_MSG;
    if (count != 1)
        return NULL;
    const rd_kafka_error_t *error = rd_kafka_group_result_error(groups[0]);
    if (error != NULL) {
        *ret_error = rd_kafka_error_code(error);
        return NULL;
    }
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(groups[0]);
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        *ret_error = list->elems[i].err;
        if (*ret_error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return NULL;
    }
    return list;
}

void cw_kafka_in_offsets_read(struct cw_kafka_in *in, rd_kafka_event_t *event)
{
    if ((uintptr_t)rd_kafka_event_opaque(event) != in->reading || in->assigning == NULL)
        return;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    const rd_kafka_topic_partition_list_t *committed = offsets_of(event, &error);
    if (committed != NULL) {
        start_partitions(in, committed);
        return;
    }
    cw_kafka_in_report(in, error, NULL, "read the committed offsets");
    cw_uv_timer_start(in->retry, on_retry, READ_RETRY_MS);
}

/* --- rebalances --------------------------------------------------------------------------------------------------- */

static void assign(struct cw_kafka_in *in, rd_kafka_topic_partition_list_t *list)
{
    cw_kafka_in_settle(in);
    if (list->cnt == 0 || in->is_closing) {
        report_and_free(in, rd_kafka_incremental_assign(in->rk, list), "assign");
        return;
    }
    in->assigning = rd_kafka_topic_partition_list_copy(list);
    cw_kafka_in_read_offsets(in);
}

static void unassign(struct cw_kafka_in *in, const rd_kafka_topic_partition_list_t *list)
{
    enum cw_kafka_revoke how = rd_kafka_assignment_lost(in->rk) != 0 ? CW_KAFKA_LOST : CW_KAFKA_REVOKED;
    cw_kafka_in_settle(in);
    for (int i = 0; i < list->cnt; i++) {
        struct cw_kafka_part *part = cw_kafka_part_find(in, list->elems[i].topic, list->elems[i].partition);
        if (part == NULL)
            continue;
        in->ops.revoked(in->arg, part->topic, part->id, how);
        cw_kafka_part_remove(in, part);
    }
    report_and_free(in, rd_kafka_incremental_unassign(in->rk, list), "unassign");
}

void cw_kafka_in_rebalance(struct cw_kafka_in *in, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t *list)
{
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assign(in, list);
    } else if (what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        unassign(in, list);
    } else {
        cw_kafka_in_report(in, what, NULL, "rebalance");
        (void)rd_kafka_assign(in->rk, NULL);
    }
}

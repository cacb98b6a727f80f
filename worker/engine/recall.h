/* worker/engine/recall.h: the results topic as the memory of last resort: has this verdict been published before?
 *
 * Redis may forget; the topic does not, within its retention. An index of the ids of verdicts (16 bytes each, with the place of the first
 * record) covers the topic from the oldest time that somebody needed to its end at the last look, and grows with each look: thousands of
 * requests after a restart cost one pass together, and each later look what was published since. At most CW_RECALL_ENTRIES_MAX ids; what
 * stands behind them is read again for each question.
 * A reading answers all questions that were asked before it began. Clocks may differ by CW_RECALL_SLACK_MS.
 * Suspends: cw_recall_find.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_RECALL_H
#define CW_WORKER_ENGINE_RECALL_H

#include "common/net/kafka_scan.h"
#include "worker/engine/record.h"

#define CW_RECALL_ENTRIES_MAX 1000000
#define CW_RECALL_SLACK_MS (INT64_C(60) * 60 * 1000)

struct cw_recall;

/* Where verdicts are read. Tests put their own here. */
struct cw_reader {
    int (*spans)(void *arg, int64_t since_wall_ms, struct cw_deadline until, struct cw_arena *mem,
                 struct cw_kafka_span **ret_spans, size_t *ret_count, struct cw_err *err);
    int (*read)(void *arg, struct cw_kafka_span *spans, size_t count, cw_kafka_scan_fn fn, void *fn_arg,
                struct cw_deadline until, struct cw_err *err);
    void *arg;
};
struct cw_reader cw_reader_of_kafka(struct cw_kafka_scan *scan);

/* entries_max 0 = CW_RECALL_ENTRIES_MAX. Errors: -CW_ENOMEM. */
int cw_recall_new(const struct cw_reader *reader, size_t entries_max, struct cw_recall **ret_recall);
/* Nobody may be asking. NULL is fine. */
void cw_recall_free(struct cw_recall *recall);

/* Is there a record with this event id, not older than since_wall_ms (<= 0: of any age), in the topic as it is after the call began? The
 * first one, exactly as it stands there but without its key, is *ret_verdict, in mem. Errors: -CW_ETIMEDOUT, cancellation, those of the
 * reader, -CW_ENOMEM, -CW_EPROTO (it is no verdict). What was read is kept, so the next try goes on. Suspends: yes. */
int cw_recall_find(struct cw_recall *recall, const char *event_id, int64_t since_wall_ms,
                   struct cw_deadline until, struct cw_arena *mem, bool *ret_found,
                   struct cw_verdict *ret_verdict, struct cw_err *err);
/* Ids in the index. */
size_t cw_recall_count(const struct cw_recall *recall);

#endif

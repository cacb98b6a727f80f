/* worker/engine/publish.h: what leaves the worker: progress, verdicts, dead letters.
 *
 * Progress is handed over and not waited for; verdicts and dead letters are sent again until the brokers acknowledge them. What a topic
 * refuses as too big is shortened, never sent again as it is.
 * Thread: loop. */
#ifndef CW_WORKER_ENGINE_PUBLISH_H
#define CW_WORKER_ENGINE_PUBLISH_H

#include "common/net/kafka_out.h"
#include "schema/deadletter_v1.h"
#include "schema/progress_v1.h"
#include "schema/request.h"
#include "worker/engine/record.h"
#include "worker/engine/trouble.h"

/* Where records go. Tests put their own here. */
struct cw_sink {
    int (*send)(void *arg, const struct cw_kafka_record *rec, struct cw_deadline until, struct cw_err *err);
    int (*post)(void *arg, const struct cw_kafka_record *rec, struct cw_err *err);
    void *arg;
};
struct cw_sink cw_sink_of_kafka(struct cw_kafka_out *out);

enum cw_topic {
    CW_TOPIC_PROGRESS = 0,
    CW_TOPIC_RESULTS,
    CW_TOPIC_DEADLETTER,
    CW_TOPIC_REPEAT, /* where later runs of a watch are written: a topic of requests */
    CW_TOPIC__COUNT
};

/* Strings are borrowed for the worker's life. */
struct cw_publish {
    struct cw_sink sink;
    const char *worker_id;
    const char *topic_progress;
    const char *topic_results;
    const char *topic_deadletter;
    const char *topic_repeat;
    struct cw_trouble *trouble[CW_TOPIC__COUNT]; /* NULL = nobody wants to know */
};

/* Numbers of events within an epoch. Below the first: those of the lock's holder. From it on: those of workers that wait for the lock, a
 * stretch for each time that the request was taken from Kafka. The last: the verdict, which no waiting worker may outdo. */
#define CW_VOICE_WAITING 500000u
#define CW_VOICE_WAITING_STRETCH 1000u
#define CW_VOICE_VERDICT 999999u

/* Who speaks: the events of one request are ordered by (epoch, number). The epoch is that of the workspace's last lock. */
struct cw_voice {
    const struct cw_request *req;
    const char *correlation_id;
    uint64_t epoch;
    uint32_t number; /* of the last event */
};

/* Without waiting for the brokers: a loss is tolerable. Suspends: no. */
void cw_publish_progress(const struct cw_publish *p, struct cw_voice *voice, struct cw_progress_v1 *progress);
/* With their acknowledgement, trying again until it comes. Errors: cancellation; -CW_ENOMEM, -CW_ETOOBIG (even without what a reader can do
 * without). Suspends: yes. */
int cw_publish_progress_surely(const struct cw_publish *p, struct cw_voice *voice,
                               struct cw_progress_v1 *progress, struct cw_err *err);

/* Encode a verdict; it lives in mem. What makes it too big for a record is left out. Errors: -CW_ENOMEM, -CW_ETOOBIG. */
int cw_verdict_encode(const struct cw_publish *p, struct cw_voice *voice, struct cw_result_v1 *result,
                      struct cw_arena *mem, struct cw_verdict *ret_verdict, struct cw_err *err);
/* Asked before each try: may it be sent, and until when must it be handed over? Its errors end the tries. */
struct cw_send_guard {
    int (*before)(void *arg, struct cw_deadline *ret_begin_by, struct cw_err *err);
    void *arg;
};
/* Until it is acknowledged. Errors: cancellation, -CW_ETOOBIG (the topic takes no record of that size), the guard's. Suspends: yes. */
int cw_publish_verdict(const struct cw_publish *p, const char *workspace_key,
                       const struct cw_verdict *verdict, const struct cw_send_guard *guard,
                       struct cw_err *err);

/* Encode a dead letter; lives in mem. Errors: -CW_ENOMEM, -CW_ETOOBIG. Suspends: no. */
int cw_deadletter_make(const struct cw_publish *p, const struct cw_record_in *rec, const struct cw_err *why,
                       const struct cw_problems *problems, struct cw_arena *mem,
                       struct cw_record_out *ret_record, struct cw_err *err);
/* Until it is acknowledged, if need be without a part of the original. Errors: cancellation, -CW_ETOOBIG. Suspends: yes. */
int cw_publish_deadletter(const struct cw_publish *p, const struct cw_record_out *record, struct cw_err *err);

/* Encode a later run of a verify request; lives in mem. Errors: -CW_ENOMEM, -CW_ETOOBIG. Suspends: no. */
int cw_repeat_encode(const struct cw_request *req, const char *correlation_id,
                     const struct cw_watch_v1 *watch, const char *id, struct cw_arena *mem,
                     struct cw_record_out *ret_record, struct cw_err *err);
/* Until it is acknowledged. Errors: cancellation, -CW_ETOOBIG. Suspends: yes. */
int cw_publish_repeat(const struct cw_publish *p, const struct cw_record_out *record, struct cw_err *err);

#endif

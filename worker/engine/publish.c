#include "worker/engine/publish.h"

#include "common/log.h"
#include "common/net/loop.h"
#include "worker/engine/shorten.h"

#define EVENT_MEM_BYTES ((size_t)4 * 1024 * 1024)
#define SEND_TRY_MS 30000
#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 10000
#define HEADERS_MAX 32

static int send_to_kafka(void *arg, const struct cw_kafka_record *rec, struct cw_deadline until,
                         struct cw_err *err)
{
    return cw_kafka_send(arg, rec, until, err);
}

static int post_to_kafka(void *arg, const struct cw_kafka_record *rec, struct cw_err *err)
{
    return cw_kafka_post(arg, rec, err);
}

struct cw_sink cw_sink_of_kafka(struct cw_kafka_out *out)
{
    return (struct cw_sink){send_to_kafka, post_to_kafka, out};
}

/* ---- records --------------------------------------------------------------------------------------------------------- */

static int to_kafka(const char *topic, const struct cw_record_out *rec,
                    struct cw_kafka_header headers[HEADERS_MAX], struct cw_kafka_record *ret_record)
{
    if (rec->header_count > HEADERS_MAX)
        return -CW_ETOOBIG;
    for (size_t i = 0; i < rec->header_count; i++)
        headers[i] = (struct cw_kafka_header){rec->headers[i].name, rec->headers[i].value};
    *ret_record = (struct cw_kafka_record){
        .topic = topic,
        .key = rec->key,
        .value = rec->value,
        .headers = headers,
        .header_count = rec->header_count,
    };
    return 0;
}

/* Only cancellation and what no repetition can mend ends it. */
static bool is_final(int r)
{
    return cw_class_is_stop(cw_err_class_of(r)) || r == -CW_ETOOBIG || r == -CW_EINVAL;
}

/* Brokers that are away come back; a topic that refuses must be mended. */
static bool needs_people(const struct cw_err *err)
{
    static const char *const codes[] = {"INVALID_RECORD", "POLICY_VIOLATION", "TOPIC_EXCEPTION",
                                        "UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"};
    for (size_t i = 0; i < CW_ARRAY_LEN(codes); i++) {
        if (cw_z_eq(err->remote_code, codes[i]))
            return true;
    }
    return cw_err_class_of(err->code) != CW_CLASS_RETRY;
}

/* guard NULL = none. */
static int send_until_acknowledged(const struct cw_publish *p, enum cw_topic which,
                                   const struct cw_record_out *rec, const struct cw_send_guard *guard,
                                   struct cw_err *err)
{
    const char *const topics[] = {p->topic_progress, p->topic_results, p->topic_deadletter, p->topic_repeat};
    const char *topic = topics[which];
    struct cw_kafka_header headers[HEADERS_MAX];
    struct cw_kafka_record record;
    int r = to_kafka(topic, rec, headers, &record);
    if (r < 0)
        return cw_err_set(err, r, "too many headers");
    for (int64_t pause_ms = PAUSE_FIRST_MS;; pause_ms = CW_MIN(pause_ms * 2, (int64_t)PAUSE_MOST_MS)) {
        r = guard == NULL ? 0 : guard->before(guard->arg, &record.begin_by, err);
        if (r < 0)
            return r;
        r = p->sink.send(p->sink.arg, &record, cw_in_ms(SEND_TRY_MS), err);
        if (r == 0)
            cw_trouble_over(p->trouble[which]);
        if (r == 0 || is_final(r))
            return r < 0 ? cw_err_wrap(err, "send to %s", topic) : 0;
        cw_trouble_note(p->trouble[which], err, needs_people(err));
        r = cw_sleep(cw_in_ms(cw_random_between(pause_ms / 2, pause_ms)));
        if (r < 0)
            return cw_err_set(err, r, "stopped while %s could not be reached", topic);
    }
}

/* ---- envelopes ------------------------------------------------------------------------------------------------------- */

static void make_envelope(const struct cw_publish *p, struct cw_voice *voice, struct cw_arena *mem,
                          struct cw_event *ret_event)
{
    char *time = cw_arena_alloc(mem, CW_RFC3339_BYTES);
    voice->number = CW_MIN(voice->number + 1, CW_VOICE_VERDICT - 1);
    if (time != NULL)
        cw_rfc3339_format(cw_wall_ms(), time);
    *ret_event = (struct cw_event){
        .source = cw_arena_printf(mem, "/causeway/worker/%s", p->worker_id),
        .subject = voice->req->workspace_id,
        .time = time,
        .traceparent = voice->req->event.traceparent,
        .correlationid = voice->correlation_id,
        .sequence = cw_event_sequence(mem, voice->epoch, voice->number),
    };
}

static int encode_progress(const struct cw_publish *p, struct cw_voice *voice,
                           struct cw_progress_v1 *progress, struct cw_arena *mem,
                           struct cw_record_out *ret_record, struct cw_err *err)
{
    struct cw_event event;
    make_envelope(p, voice, mem, &event);
    char *id = cw_arena_alloc(mem, CW_UUID_BYTES);
    const char *name = cw_arena_printf(mem, "progress:%s:%s:%s:%s", p->worker_id, voice->req->workspace_key,
                                       voice->req->event.id, event.sequence);
    if (name == NULL || id == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for an event");
    cw_uuid5(name, strlen(name), id);
    event.id = id;
    progress->request_id = voice->req->event.id;
    progress->request_type = voice->req->event.type;
    progress->workspace_id = voice->req->workspace_id;
    int r = cw_progress_encode(progress, &event, voice->req->workspace_key, mem, ret_record, err);
    return r < 0 ? cw_err_wrap(err, "progress event") : 0;
}

void cw_publish_progress(const struct cw_publish *p, struct cw_voice *voice, struct cw_progress_v1 *progress)
{
    struct cw_err err = {0};
    struct cw_record_out rec;
    struct cw_kafka_header headers[HEADERS_MAX];
    struct cw_kafka_record record;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    int r = cw_arena_new(EVENT_MEM_BYTES, &mem);
    if (r < 0)
        return;
    r = encode_progress(p, voice, progress, mem, &rec, &err);
    if (r == 0)
        r = to_kafka(p->topic_progress, &rec, headers, &record);
    if (r == 0)
        r = p->sink.post(p->sink.arg, &record, &err);
    if (r < 0)
        cw_log_err(CW_WARN, "progress.dropped", &err);
}

static int send_progress(const struct cw_publish *p, struct cw_voice *voice, struct cw_progress_v1 *progress,
                         struct cw_err *err)
{
    struct cw_record_out rec;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    int r = cw_arena_new(EVENT_MEM_BYTES, &mem);
    if (r < 0)
        return cw_err_set(err, r, "no memory for an event");
    r = encode_progress(p, voice, progress, mem, &rec, err);
    return r < 0 ? r : send_until_acknowledged(p, CW_TOPIC_PROGRESS, &rec, NULL, err);
}

int cw_publish_progress_surely(const struct cw_publish *p, struct cw_voice *voice,
                               struct cw_progress_v1 *progress, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_progress_v1 shorter = *progress;
    int r = cw_arena_new(EVENT_MEM_BYTES, &mem);
    if (r < 0)
        return cw_err_set(err, r, "no memory for an event");
    do
        r = send_progress(p, voice, &shorter, err);
    while (r == -CW_ETOOBIG && cw_progress_leave_out(&shorter, mem));
    if (r == -CW_ETOOBIG)
        cw_trouble_note(p->trouble[CW_TOPIC_PROGRESS], err, true);
    return r;
}

/* ---- verdicts -------------------------------------------------------------------------------------------------------- */

int cw_verdict_encode(const struct cw_publish *p, struct cw_voice *voice, struct cw_result_v1 *result,
                      struct cw_arena *mem, struct cw_verdict *ret_verdict, struct cw_err *err)
{
    struct cw_event event;
    struct cw_verdict verdict = {.outcome = cw_outcome_names[result->outcome]};
    char *id = cw_arena_alloc(mem, CW_UUID_BYTES);
    make_envelope(p, voice, mem, &event);
    if (id == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a verdict");
    cw_result_event_id(voice->req->workspace_key, voice->req->event.id, id);
    event.id = id;
    event.sequence = cw_event_sequence(mem, voice->epoch, CW_VOICE_VERDICT);
    int r = cw_result_encode(result, &event, voice->req->workspace_key, mem, &verdict.record, err);
    while (r == -CW_ETOOBIG && cw_result_leave_out(result, mem))
        r = cw_result_encode(result, &event, voice->req->workspace_key, mem, &verdict.record, err);
    if (r < 0)
        return cw_err_wrap(err, "verdict");
    *ret_verdict = verdict;
    return 0;
}

int cw_publish_verdict(const struct cw_publish *p, const char *workspace_key,
                       const struct cw_verdict *verdict, const struct cw_send_guard *guard,
                       struct cw_err *err)
{
    struct cw_record_out rec = verdict->record;
    rec.key = cw_str_of(workspace_key);
    int r = send_until_acknowledged(p, CW_TOPIC_RESULTS, &rec, guard, err);
    if (r == -CW_ETOOBIG)
        cw_err_remedy(err, "raise max.message.bytes of %s", p->topic_results);
    return r;
}

/* ---- dead letters ---------------------------------------------------------------------------------------------------- */

int cw_deadletter_make(const struct cw_publish *p, const struct cw_record_in *rec, const struct cw_err *why,
                       const struct cw_problems *problems, struct cw_arena *mem,
                       struct cw_record_out *ret_record, struct cw_err *err)
{
    struct cw_deadletter_v1 letter;
    char *id = cw_arena_alloc(mem, CW_UUID_BYTES), *time = cw_arena_alloc(mem, CW_RFC3339_BYTES);
    int r = id == NULL || time == NULL ? -CW_ENOMEM : cw_deadletter_of(rec, why, problems, mem, &letter);
    if (r < 0)
        return cw_err_set(err, r, "no memory for a dead letter");
    cw_deadletter_event_id(rec, id);
    cw_rfc3339_format(cw_wall_ms(), time);
    const struct cw_event event = {
        .id = id,
        .source = cw_arena_printf(mem, "/causeway/worker/%s", p->worker_id),
        .time = time,
        .sequence = cw_event_sequence(mem, 0, 1),
    };
    struct cw_str key = {NULL, 0};
    if (rec->key.p != NULL)
        key = (struct cw_str){cw_arena_memdup(mem, rec->key.p, rec->key.n), rec->key.n};
    do
        r = cw_deadletter_encode(&letter, &event, key, mem, ret_record, err);
    while (r == -CW_ETOOBIG && cw_letter_leave_out(&letter, mem));
    return r;
}

int cw_publish_deadletter(const struct cw_publish *p, const struct cw_record_out *record, struct cw_err *err)
{
    struct cw_record_out shorter = *record;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    for (;;) {
        int r = send_until_acknowledged(p, CW_TOPIC_DEADLETTER, &shorter, NULL, err);
        if (r != -CW_ETOOBIG)
            return r;
        if (mem == NULL && cw_arena_new(EVENT_MEM_BYTES, &mem) < 0)
            return cw_err_set(err, CW_ENOMEM, "no memory for a dead letter");
        r = cw_letter_shorten(&shorter, mem, &shorter, err);
        if (r == -CW_ETOOBIG)
            cw_trouble_note(p->trouble[CW_TOPIC_DEADLETTER], err, true);
        if (r < 0)
            return r;
    }
}

/* ---- later runs ------------------------------------------------------------------------------------------------------ */

int cw_repeat_encode(const struct cw_request *req, const char *correlation_id,
                     const struct cw_watch_v1 *watch, const char *id, struct cw_arena *mem,
                     struct cw_record_out *ret_record, struct cw_err *err)
{
    char *time = cw_arena_alloc(mem, CW_RFC3339_BYTES);
    struct cw_verify_v1 verify = *req->verify;
    if (time == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a request");
    cw_rfc3339_format(cw_wall_ms(), time);
    verify.watch = *watch;
    const struct cw_event event = {
        .id = id,
        .source = req->event.source,
        .type = cw_request_type(CW_REQUEST_VERIFY),
        .subject = req->event.subject,
        .time = time,
        .traceparent = req->event.traceparent,
        .correlationid = correlation_id,
    };
    return cw_event_write(&event, req->workspace_key, cw_shape_encode(&cw_verify_v1_shape, &verify), mem,
                          ret_record, err);
}

int cw_publish_repeat(const struct cw_publish *p, const struct cw_record_out *record, struct cw_err *err)
{
    return send_until_acknowledged(p, CW_TOPIC_REPEAT, record, NULL, err);
}

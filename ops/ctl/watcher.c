#include "ops/ctl/watcher.h"

#include "common/net/kafka_in.h"
#include "common/fiber/wait.h"

enum { TOPIC_PROGRESS, TOPIC_RESULTS, TOPIC_DEADLETTER, TOPIC__COUNT };
#define LEAVE_MS 2000
#define EVENT_BYTES_MAX (1024 * 1024)

struct watcher {
    struct watcher_cfg cfg;
    struct cw_kafka_in *in;
    const char *topics[TOPIC__COUNT];
    size_t topic_count;
    bool joined[TOPIC__COUNT];
    struct watcher_row **rows;
    size_t row_count;
    size_t row_cap;
    size_t ended;
    json_t *index; /* request id -> position in rows */
    struct cw_queue changed;
    struct cw_err last_error;
};

static char *copy(const char *z)
{
    return z == NULL ? NULL : strdup(z);
}

static void replace(char **at, const char *z)
{
    free(*at);
    *at = copy(z);
}

static const char *last_segment(const char *id)
{
    const char *slash = id == NULL ? NULL : strrchr(id, '/');
    return slash == NULL ? id : slash + 1;
}

static bool is_wanted(const struct watcher *w, const char *id)
{
    if (w->cfg.ids == NULL)
        return true;
    for (size_t i = 0; i < w->cfg.id_count; i++)
        if (cw_z_eq(w->cfg.ids[i], id))
            return true;
    return false;
}

static struct watcher_row *row_of(struct watcher *w, const char *id)
{
    const json_t *at = json_object_get(w->index, id);
    if (at != NULL)
        return w->rows[json_integer_value(at)];
    if (w->row_count == w->row_cap) {
        size_t cap = w->row_cap == 0 ? 64 : w->row_cap * 2;
        struct watcher_row **rows = realloc(w->rows, cap * sizeof *rows);
        if (rows == NULL)
            return NULL;
        w->rows = rows;
        w->row_cap = cap;
    }
    struct watcher_row *row = calloc(1, sizeof *row);
    if (row == NULL)
        return NULL;
    row->request_id = copy(id);
    row->since_wall_ms = cw_wall_ms();
    row->is_expected = w->cfg.ids != NULL;
    w->rows[w->row_count] = row;
    (void)json_object_set_new(w->index, id, json_integer((json_int_t)w->row_count));
    w->row_count++;
    return row;
}

static struct cw_str header_of(const struct cw_kafka_message *m, const char *name)
{
    for (size_t i = 0; i < m->header_count; i++)
        if (cw_z_eq_nocase(m->headers[i].name, name))
            return m->headers[i].value;
    return (struct cw_str){0};
}

static void describe_wait(struct watcher_row *row, const json_t *data)
{
    const char *reason = cw_json_str(data, "waiting/reason", NULL);
    if (reason == NULL) {
        replace(&row->waits_for, NULL);
        return;
    }
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_add_z(&b, reason);
    const char *what = last_segment(cw_json_str(data, "waiting/what", NULL));
    if (what != NULL)
        cw_buf_addf(&b, " %s", what);
    int64_t percent = cw_json_int(data, "waiting/percent", -1);
    if (percent >= 0)
        cw_buf_addf(&b, " %lld %%", (long long)percent);
    const char *detail = cw_json_str(data, "waiting/detail", NULL);
    if (detail != NULL)
        cw_buf_addf(&b, " (%s)", detail);
    replace(&row->waits_for, cw_buf_z(&b));
}

static void take_progress(struct watcher *w, const json_t *data, const char *type, const char *sequence)
{
    const char *id = cw_json_str(data, "requestId", NULL);
    if (id == NULL || !is_wanted(w, id))
        return;
    struct watcher_row *row = row_of(w, id);
    if (row == NULL || row->ended_wall_ms != 0)
        return;
    if (row->sequence != NULL && sequence != NULL && strcmp(sequence, row->sequence) <= 0)
        return;
    replace(&row->sequence, sequence);
    replace(&row->workspace, last_segment(cw_json_str(data, "workspaceId", NULL)));
    replace(&row->step, cw_json_str(data, "step", NULL));
    row->number = (int)cw_json_int(data, "number", 0);
    row->total = (int)cw_json_int(data, "total", 0);
    describe_wait(row, data);
    if (w->cfg.changed != NULL)
        w->cfg.changed(w->cfg.arg, row, data, type);
}

static void take_end(struct watcher *w, struct watcher_row *row, json_t *data, const char *type)
{
    if (row == NULL || row->ended_wall_ms != 0)
        return; /* the same verdict again */
    row->result = json_incref(data);
    row->ended_wall_ms = cw_wall_ms();
    replace(&row->waits_for, NULL);
    w->ended++;
    if (w->cfg.changed != NULL)
        w->cfg.changed(w->cfg.arg, row, data, type);
}

static void take_result(struct watcher *w, json_t *data, const char *type)
{
    const char *id = cw_json_str(data, "requestId", NULL);
    if (id == NULL || !is_wanted(w, id))
        return;
    struct watcher_row *row = row_of(w, id);
    if (row == NULL)
        return;
    replace(&row->workspace, last_segment(cw_json_str(data, "workspaceId", NULL)));
    replace(&row->type, cw_json_str(data, "requestType", NULL));
    take_end(w, row, data, type);
}

static void take_dead_letter(struct watcher *w, json_t *data, const char *type)
{
    CW_AUTO(cw_auto_str) char *id = NULL;
    if (asprintf(&id, "%s/%lld@%lld", cw_json_str(data, "origin/topic", "?"),
                 (long long)cw_json_int(data, "origin/partition", -1),
                 (long long)cw_json_int(data, "origin/offset", -1)) < 0)
        return;
    struct watcher_row *row = row_of(w, id);
    if (row == NULL)
        return;
    row->is_dead_letter = true;
    replace(&row->type, "dead letter");
    take_end(w, row, data, type);
}

static void on_message(void *arg, const struct cw_kafka_message *m)
{
    struct watcher *w = arg;
    CW_AUTO(cw_auto_json) json_t *doc = NULL;
    struct cw_err err = {0};
    if (cw_json_parse(m->value.p, m->value.n, EVENT_BYTES_MAX, &doc, &err) < 0)
        return; /* not ours to judge: another producer's record */
    char type[128] = "";
    char sequence[64] = "";
    struct cw_str t = header_of(m, "ce_type");
    struct cw_str s = header_of(m, "ce_sequence");
    (void)snprintf(type, sizeof type, CW_STR_FMT, CW_STR_ARG(t));
    (void)snprintf(sequence, sizeof sequence, CW_STR_FMT, CW_STR_ARG(s));
    if (cw_z_eq(m->topic, w->topics[TOPIC_PROGRESS]))
        take_progress(w, doc, type, sequence[0] == '\0' ? NULL : sequence);
    else if (cw_z_eq(m->topic, w->topics[TOPIC_RESULTS]))
        take_result(w, doc, type);
    else
        take_dead_letter(w, doc, type);
    cw_queue_broadcast(&w->changed);
}

static void on_assigned(void *arg, const char *topic, int32_t partition, int64_t offset, const char *metadata)
{
    struct watcher *w = arg;
    (void)partition;
    (void)offset;
    (void)metadata;
    for (size_t i = 0; i < w->topic_count; i++)
        if (cw_z_eq(topic, w->topics[i]))
            w->joined[i] = true;
    cw_queue_broadcast(&w->changed);
}

static void on_revoked(void *arg, const char *topic, int32_t partition, enum cw_kafka_revoke how)
{
    (void)arg;
    (void)topic;
    (void)partition;
    (void)how;
}

static void on_error(void *arg, const struct cw_err *err, bool is_fatal)
{
    struct watcher *w = arg;
    (void)is_fatal;
    w->last_error = *err;
}

int watcher_new(struct ctl *ctl, const struct watcher_cfg *cfg, struct watcher **ret_watcher,
                struct cw_err *err)
{
    static const struct cw_kafka_in_ops ops = {on_assigned, on_revoked, on_message, on_error};
    struct watcher *w = calloc(1, sizeof *w);
    if (w == NULL || (w->index = json_object()) == NULL) {
        free(w);
        return cw_err_set(err, CW_ENOMEM, "watcher");
    }
    w->cfg = *cfg;
    w->topics[TOPIC_PROGRESS] = ctl->settings.topic_progress;
    w->topics[TOPIC_RESULTS] = ctl->settings.topic_results;
    w->topics[TOPIC_DEADLETTER] = ctl->settings.topic_deadletter;
    w->topic_count = cfg->dead_letters ? TOPIC__COUNT : TOPIC_DEADLETTER;
    char group[64];
    char uuid[CW_UUID_BYTES];
    cw_uuid4(uuid);
    (void)snprintf(group, sizeof group, "causeway-watch-%s", uuid);
    const struct cw_kafka_in_cfg in = {
        .common = ctl_kafka_cfg(&ctl->settings),
        .group = group,
        .topics = w->topics,
        .topic_count = w->topic_count,
        .session_timeout_ms = 6000,
        .fetch_wait_ms = 50,
        .from_start_without_offset = cfg->from_start,
    };
    int r = cw_kafka_in_new(ctl->loop, &in, &ops, w, &w->in, err);
    if (r < 0) {
        watcher_free(w);
        return cw_err_wrap(err, "follow %s", ctl->settings.topic_results);
    }
    *ret_watcher = w;
    return 0;
}

static void row_free(struct watcher_row *row)
{
    free(row->request_id);
    free(row->workspace);
    free(row->type);
    free(row->step);
    free(row->waits_for);
    free(row->sequence);
    json_decref(row->result);
    free(row);
}

void watcher_free(struct watcher *w)
{
    if (w == NULL)
        return;
    cw_kafka_in_free(w->in, LEAVE_MS);
    for (size_t i = 0; i < w->row_count; i++)
        row_free(w->rows[i]);
    free(w->rows);
    json_decref(w->index);
    free(w);
}

int watcher_wait_joined(struct watcher *w, struct cw_deadline until, struct cw_err *err)
{
    for (;;) {
        bool all = true;
        for (size_t i = 0; i < w->topic_count; i++)
            all = all && w->joined[i];
        if (all)
            return 0;
        int r = cw_queue_wait(&w->changed, until);
        if (r < 0 && w->last_error.code != 0) {
            *err = w->last_error;
            return cw_err_wrap(err, "joining the result topics");
        }
        if (r < 0)
            return cw_err_set(err, -r,
                              "no partition of the result topics was assigned: do the topics exist?");
    }
}

int watcher_wait(struct watcher *w, size_t ended, struct cw_deadline until)
{
    while (w->ended < ended) {
        int r = cw_queue_wait(&w->changed, until);
        if (r < 0)
            return r;
    }
    return 0;
}

size_t watcher_count(const struct watcher *w)
{
    return w->row_count;
}

size_t watcher_ended(const struct watcher *w)
{
    return w->ended;
}

const struct watcher_row *watcher_at(const struct watcher *w, size_t i)
{
    CW_PRE(i < w->row_count);
    return w->rows[i];
}

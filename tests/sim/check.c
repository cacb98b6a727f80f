/* What must hold, as it happens: verdicts, sequences, commits, and that nobody speaks of a secret. */
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "schema/result_v1.h"
#include "tests/sim/judge.h"
#include "worker/engine/window.h"

static const char *header_of(const struct kafka_message *m, const char *name)
{
    for (size_t i = 0; i < m->header_count; i++) {
        if (strcmp(m->headers[i].name, name) == 0)
            return m->headers[i].value.p;
    }
    return "";
}

/* ---- secrets --------------------------------------------------------------------------------------------------------- */

static const char *const secrets[] = {"sim-secret", "Bearer ", "eyJ"};

static void check_secrets(const char *where, const char *p, size_t n)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(secrets); i++) {
        const char *at = memmem(p, n, secrets[i], strlen(secrets[i]));
        if (at != NULL)
            sim_fail("%s holds a secret: %.*s", where, (int)CW_MIN((size_t)(p + n - at), (size_t)80), at);
    }
}

static int log_fd = -1;

/* Every eighth history is read line by line. */
int sim_log_fd(void)
{
    if (log_fd >= 0)
        (void)close(log_fd);
    log_fd = sim.plan.seed % 8 == 0 ? memfd_create("log", MFD_CLOEXEC) : -1;
    return log_fd;
}

void sim_check_log(void)
{
    off_t n = log_fd < 0 ? 0 : lseek(log_fd, 0, SEEK_END);
    if (n <= 0)
        return;
    char *p = mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, log_fd, 0);
    CW_BUG_ON(p == MAP_FAILED);
    check_secrets("the log", p, (size_t)n);
    (void)munmap(p, (size_t)n);
}

/* ---- verdicts -------------------------------------------------------------------------------------------------------- */

static void flatten(const struct kafka_message *m, struct cw_buf *out)
{
    cw_buf_addf(out, "%.*s\n%.*s\n", (int)m->key.n, m->key.p, (int)m->value.n, m->value.p);
    for (size_t i = 0; i < m->header_count; i++)
        cw_buf_addf(out, "%s: %.*s\n", m->headers[i].name, (int)m->headers[i].value.n, m->headers[i].value.p);
}

static size_t fate_of(const char *verdict_id)
{
    size_t i = 0;
    while (i < sim.plan.request_count && strcmp(sim.fates[i].verdict_id, verdict_id) != 0)
        i++;
    return i;
}

static const char *outcome_in(const struct sim_fate *f, char out[24])
{
    const char *at = memmem(f->value, f->value_bytes, "\"outcome\":\"", 11);
    /* The verdict's own outcome; those of its steps stand in a list. */
    json_t *doc = at == NULL ? NULL : json_loadb(f->value, f->value_bytes, 0, NULL);
    const char *z = json_string_value(json_object_get(doc, "outcome"));
    (void)cw_z_copy(out, 24, z == NULL ? "(none)" : z);
    json_decref(doc);
    return out;
}

static void first_verdict(size_t i, const struct kafka_message *m)
{
    struct sim_fate *f = &sim.fates[i];
    char outcome[24];
    flatten(m, &f->verdict);
    f->value = m->value.p;
    f->value_bytes = m->value.n;
    f->verdict_ms = cw_mono_ms();
    sim_say("verdict of r%zu: %s (%s)", i, outcome_in(f, outcome), header_of(m, "ce_sequence"));
    if (sim.is_verbose)
        (void)printf("%.*s\n", (int)m->value.n, m->value.p);
    const char *sequence = header_of(m, "ce_sequence");
    if (strcmp(sequence, f->top) <= 0)
        sim_fail("the verdict of r%zu has sequence %s, but %s was sent before: a consumer drops it", i,
                 sequence, f->top);
}

static void request_of(const struct kafka_message *m, char out[32])
{
    const char *at = memmem(m->value.p, m->value.n, "\"requestId\":\"", 13);
    (void)snprintf(out, 32, "%.*s", at == NULL ? 0 : (int)strcspn(at + 13, "\""), at == NULL ? "" : at + 13);
}

static void on_verdict(const struct kafka_message *m)
{
    char id[32];
    size_t request, run;
    request_of(m, id);
    if (sim_run_parse(id, &request, &run)) {
        sim_watch_on_verdict(id, request, run, m);
        return;
    }
    size_t i = fate_of(header_of(m, "ce_id"));
    if (i == sim.plan.request_count || !sim.fates[i].is_sent) {
        sim_fail("a verdict that nobody asked for: %s", header_of(m, "ce_id"));
        return;
    }
    struct sim_fate *f = &sim.fates[i];
    if (f->verdicts++ == 0) {
        first_verdict(i, m);
        return;
    }
    CW_AUTO(cw_buf_fini) struct cw_buf copy = {0};
    flatten(m, &copy);
    sim_say("verdict of r%zu again", i);
    if (strcmp(copy.p, f->verdict.p) == 0)
        return;
    if (sim.is_verbose)
        (void)printf("--- first ---\n%s\n--- then ---\n%s\n", f->verdict.p, copy.p);
    sim_fail("r%zu has two verdicts that differ", i);
}

/* ---- progress -------------------------------------------------------------------------------------------------------- */

/* A digest of what an event says: its id derives from its sequence. */
static uint64_t content_of(const struct kafka_message *m)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (const char *p = header_of(m, "ce_type"); *p != '\0'; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
    for (size_t i = 0; i < m->value.n; i++)
        h = (h ^ (uint8_t)m->value.p[i]) * UINT64_C(1099511628211);
    return h;
}

static void on_progress(const struct kafka_message *m)
{
    char id[32] = "";
    const char *at = memmem(m->value.p, m->value.n, "\"requestId\":\"", 13);
    const char *sequence = header_of(m, "ce_sequence");
    if (at == NULL || sequence[0] == '\0') {
        sim_fail("a progress event without request or sequence");
        return;
    }
    request_of(m, id);
    size_t i = 0, run;
    if (sim_run_parse(id, &i, &run))
        return;
    for (char name[32]; i < sim.plan.request_count; i++) {
        sim_request_id(&sim.plan, i, name);
        if (strcmp(name, id) == 0)
            break;
    }
    if (i == sim.plan.request_count) {
        sim_fail("progress of nobody's request %s", id);
        return;
    }
    struct sim_fate *f = &sim.fates[i];
    if (sim.is_verbose)
        sim_say("progress of r%zu: %s %s from %s", i, header_of(m, "ce_type"), sequence,
                header_of(m, "ce_source"));
    /* Who only waits for the lock may be dropped, and so may the last words of an owner that lost it; but two events of an owner
     * never have the same place. */
    bool is_waiting = strstr(header_of(m, "ce_type"), ".waiting.") != NULL;
    if (!is_waiting) {
        uint64_t content = content_of(m);
        if (strcmp(sequence, f->top_step) == 0 && content != f->top_content)
            sim_fail("two events of r%zu have the sequence %s", i, sequence);
        size_t epoch = strcspn(sequence, ".");
        if (strncmp(sequence, f->top_step, epoch + 1) == 0 && strcmp(sequence, f->top_step) < 0)
            sim_fail("r%zu: an owner's events go back, from %s to %s", i, f->top_step, sequence);
        (void)cw_z_copy(f->top_step, sizeof f->top_step, sequence);
        f->top_content = content;
    }
    if (strcmp(sequence, f->top) > 0)
        (void)cw_z_copy(f->top, sizeof f->top, sequence);
}

static void on_appended(void *arg, const char *topic, int32_t partition, const struct kafka_message *m)
{
    (void)arg;
    (void)partition;
    if (strcmp(topic, SIM_REQUESTS) == 0 || strcmp(topic, SIM_BULK) == 0)
        return;
    check_secrets(topic, m->value.p, m->value.n);
    if (strcmp(topic, SIM_RESULTS) == 0)
        on_verdict(m);
    else if (strcmp(topic, SIM_PROGRESS) == 0)
        on_progress(m);
}

/* ---- commits --------------------------------------------------------------------------------------------------------- */

/* A dead letter names the place of what it is about. */
static bool has_letter(const char *topic, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < kafka_count(SIM_LETTERS, 0); i++) {
        const struct kafka_message *m = kafka_at(SIM_LETTERS, 0, i);
        json_t *doc = json_loadb(m->value.p, m->value.n, 0, NULL);
        const json_t *origin = json_object_get(doc, "origin");
        bool is_it = json_integer_value(json_object_get(origin, "offset")) == offset &&
                     json_integer_value(json_object_get(origin, "partition")) == partition &&
                     cw_z_eq(json_string_value(json_object_get(origin, "topic")), topic);
        json_decref(doc);
        if (is_it)
            return true;
    }
    return false;
}

/* A run that waits is written anew: the later copy stands for it. */
static bool is_reposted(const char *topic, int32_t partition, const struct kafka_message *message)
{
    for (size_t i = kafka_count(topic, partition); i > 0; i--) {
        const struct kafka_message *m = kafka_at(topic, partition, i - 1);
        if (m->offset <= message->offset)
            return false;
        if (strcmp(header_of(m, "ce_id"), header_of(message, "ce_id")) == 0)
            return true;
    }
    return false;
}

bool sim_is_finished(const char *topic, int32_t partition, const struct kafka_message *message)
{
    size_t request, run;
    if (sim_run_parse(header_of(message, "ce_id"), &request, &run))
        return sim_run_has_verdict(request, run) || is_reposted(topic, partition, message);
    const char *at = memmem(message->value.p, message->value.n, "\"id\":\"r", 7);
    if (at == NULL)
        return has_letter(topic, partition, message->offset);
    return sim.fates[strtoul(at + 7, NULL, 10)].verdicts > 0;
}

/* From now on nobody has a reason to run it. */
static void note_covered(const struct kafka_message *m)
{
    const char *at = memmem(m->value.p, m->value.n, "\"id\":\"r", 7);
    struct sim_fate *f = at == NULL ? NULL : &sim.fates[strtoul(at + 7, NULL, 10)];
    if (f != NULL && f->covered_ms == 0)
        f->covered_ms = cw_mono_ms();
}

static void on_committed(void *arg, const char *topic, int32_t partition, int64_t offset,
                         const char *metadata)
{
    (void)arg;
    struct cw_window *w;
    uint32_t era;
    CW_BUG_ON(cw_window_new(offset, metadata, &w) < 0);
    for (size_t i = 0; i < kafka_count(topic, partition); i++) {
        const struct kafka_message *m = kafka_at(topic, partition, i);
        bool is_done = m->offset < offset || cw_window_take(w, m->offset, &era) == CW_WINDOW_IS_DONE;
        if (is_done)
            note_covered(m);
        if (is_done && !sim_is_finished(topic, partition, m))
            sim_fail("%s/%d: the commit of %lld \"%s\" counts %lld as done, which is not", topic,
                     (int)partition, (long long)offset, metadata, (long long)m->offset);
    }
    cw_window_free(w);
}

static void on_delivered(void *arg, struct cw_loop *loop, const char *topic, int32_t partition,
                         int64_t offset)
{
    (void)arg;
    sim.deliveries++;
    sim_say("%s/%d@%lld goes to %s", topic, (int)partition, (long long)offset, sim_worker_of(loop)->id);
}

static void on_moved(void *arg, struct cw_loop *loop, const char *topic, int32_t partition, const char *how)
{
    (void)arg;
    struct sim_worker *w = sim_worker_of(loop);
    if (w != NULL) {
        bool is_bulk = strcmp(topic, SIM_BULK) == 0;
        w->owns[is_bulk][partition] = strcmp(how, "assigned") == 0;
        w->lost_ms[is_bulk][partition] = cw_mono_ms();
    }
    sim_say("%s/%d: %s: %s", topic, (int)partition, w == NULL ? "?" : w->id, how);
}

static void on_redis_write(void *arg, const char *what, const char *key)
{
    (void)arg;
    const char *job = strcmp(what, "journal.verdict") == 0 ? strstr(key, "}:job:r") : NULL;
    if (job != NULL && strchr(job, '#') == NULL) {
        struct sim_fate *f = &sim.fates[strtoul(job + 7, NULL, 10)];
        f->stored_ms = f->stored_ms > 0 ? f->stored_ms : cw_mono_ms();
    }
    if (sim.is_verbose && strncmp(what, "quota", 5) != 0 && strcmp(what, "lock.renew") != 0)
        sim_say("redis: %s %s", what, key);
}

/* A step is begun (or its undo) of a request that has its verdict: only a Redis that forgot it is a reason. Who held the request too long
 * may still claim it, finds the verdict, and sends that again. */
static void check_begin(size_t request, const struct cw_str *field)
{
    const struct sim_fate *f = &sim.fates[request];
    if (f->stored_ms == 0 || sim.amnesia_ms >= f->stored_ms || !cw_z_starts(field->p, "b:"))
        return;
    sim_fail("r%zu is run again (%s), but it has its verdict%s", request, field->p + 2,
             f->covered_ms > 0 ? ", and a commit counts it as done" : "");
}

/* Each change of a journal is made by who holds the lock at that moment. */
static void on_script(void *arg, const char *name, size_t key_count, const char *const *keys,
                      const struct cw_str *args, const struct redis_value *answer)
{
    (void)arg;
    if (cw_z_starts(name, "quota."))
        sim_check_quota(name, keys[0], args, answer);
    bool is_grant =
        strcmp(name, "lock.acquire") == 0 && answer->type == REDIS_LIST && answer->items[0].number == 1;
    if (is_grant)
        sim_lock_moved(keys[0], answer->items[1].text.p);
    if (strcmp(name, "lock.release") == 0 && answer->number == 1)
        sim_lock_moved(keys[0], "");
    bool is_fenced = strcmp(name, "journal.write") == 0 || strcmp(name, "journal.claim") == 0;
    if (!is_fenced || key_count < 2 || answer->type != REDIS_LIST || answer->items[0].number != 1)
        return;
    const char *job =
        strchr(keys[0], '#') == NULL ? strstr(keys[0], "}:job:r") : NULL; /* no later run of a watch */
    if (strcmp(name, "journal.claim") == 0 && job != NULL)
        sim.fates[strtoul(job + 7, NULL, 10)].claims++;
    if (strcmp(name, "journal.write") == 0 && job != NULL && !cw_z_eq(args[2].p, "0"))
        check_begin(strtoul(job + 7, NULL, 10), &args[3]);
    char holder[512];
    sim_lock_value(keys[1], holder);
    if (strcmp(holder, args[0].p) != 0)
        sim_fail("%s of %s by \"%s\", but the lock is held by \"%s\"", name, keys[0], args[0].p, holder);
}

void sim_check_begin(void)
{
    static const struct kafka_watch watch = {on_appended, on_delivered, on_committed, on_moved};
    sim_locks_begin();
    sim_watch_begin();
    kafka_on(&watch, NULL);
    redis_on_write(on_redis_write, NULL);
    redis_on_script(on_script, NULL);
    sim_check_rates_begin();
    for (size_t i = 0; i < sim.plan.request_count; i++) {
        char id[32], name[64];
        if (sim.plan.requests[i].is_repeat)
            continue;
        sim_request_id(&sim.plan, i, id);
        cw_result_event_id(sim.plan.workspaces[sim.plan.requests[i].workspace].key, id,
                           sim.fates[i].verdict_id);
        int n = snprintf(name, sizeof name, "correlation:%s", id);
        cw_uuid5(name, (size_t)n, sim.fates[i].guid);
    }
}

/* ---- rest ------------------------------------------------------------------------------------------------------------ */

static bool is_read_to_the_end(const char *topic, bool *ret_is_committed)
{
    for (int32_t p = 0; p < kafka_partitions(topic); p++) {
        const char *metadata;
        int64_t committed = kafka_committed(topic, p, &metadata);
        for (size_t i = 0; i < kafka_count(topic, p); i++) {
            const struct kafka_message *m = kafka_at(topic, p, i);
            if (!sim_is_finished(topic, p, m))
                return false;
            if (m->offset >= committed)
                *ret_is_committed = false;
        }
    }
    return true;
}

bool sim_has_come_to_rest(void)
{
    bool is_committed = true;
    bool is_read =
        is_read_to_the_end(SIM_REQUESTS, &is_committed) && is_read_to_the_end(SIM_BULK, &is_committed);
    return is_read && is_committed;
}

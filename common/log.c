#include "common/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/str.h"
#include "common/time.h"
#include "common/utf8.h"

#define LINE_BYTES 6144
#define LINE_TAIL_BYTES 32 /* kept free for the end of a line that did not fit */
#define VALUE_BYTES_MAX 2048
#define RING_SLOTS 4096
#define SLOT_BYTES 256

/* A line under construction. A member that does not fit is left out whole. */
struct line {
    char p[LINE_BYTES];
    size_t n;
    bool is_cut;
};

struct slot {
    uint16_t len;
    char p[SLOT_BYTES - sizeof(uint16_t)];
};

static const char *const level_names[CW_LOG__COUNT] = {"debug", "info", "warn", "error"};
static const struct cw_log_ctx *(*ctx_fn)(void);
static atomic_int level_min = CW_INFO;
static atomic_int sink_fd = STDERR_FILENO;
static struct slot ring[RING_SLOTS];
static atomic_ulong ring_next; /* events ever recorded */

static bool put(struct line *line, const char *p, size_t n)
{
    if (n > sizeof line->p - LINE_TAIL_BYTES - line->n)
        return false;
    memcpy(line->p + line->n, p, n);
    line->n += n;
    return true;
}

static bool put_escaped(struct line *line, const char *z)
{
    size_t n = strlen(z);
    bool is_long = n > VALUE_BYTES_MAX;
    if (is_long)
        n = cw_utf8_cut(z, VALUE_BYTES_MAX);
    while (n > 0) {
        char unit[CW_JSON_UNIT_BYTES];
        size_t len = 0;
        size_t used = cw_json_escape_unit(z, n, unit, &len);
        if (!put(line, unit, len))
            return false;
        z += used;
        n -= used;
    }
    return !is_long || put(line, "\xE2\x80\xA6", 3);
}

static bool put_key(struct line *line, const char *key)
{
    return put(line, line->n == 0 ? "{\"" : ",\"", 2) && put_escaped(line, key) && put(line, "\":", 2);
}

static void put_str(struct line *line, const char *key, const char *z)
{
    size_t start = line->n;
    bool has_fitted = put_key(line, key);
    if (z == NULL)
        has_fitted = has_fitted && put(line, "null", 4);
    else
        has_fitted = has_fitted && put(line, "\"", 1) && put_escaped(line, z) && put(line, "\"", 1);
    if (!has_fitted) {
        line->n = start;
        line->is_cut = true;
    }
}

static void put_literal(struct line *line, const char *key, const char *z)
{
    size_t start = line->n;
    if (!put_key(line, key) || !put(line, z, strlen(z))) {
        line->n = start;
        line->is_cut = true;
    }
}

static void put_int(struct line *line, const char *key, int64_t v)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)v);
    put_literal(line, key, digits);
}

static void put_ctx(struct line *line, const struct cw_log_ctx *ctx)
{
    if (ctx == NULL)
        return;
    if (ctx->job != NULL)
        put_str(line, "job", ctx->job);
    if (ctx->workspace != NULL)
        put_str(line, "workspace", ctx->workspace);
    if (ctx->step != NULL)
        put_str(line, "step", ctx->step);
    if (ctx->attempt != 0)
        put_int(line, "attempt", ctx->attempt);
    if (ctx->trace_id != NULL)
        put_str(line, "traceid", ctx->trace_id);
}

static void put_field(struct line *line, const struct cw_field *field)
{
    if (field->type == CW_FIELD_STR)
        put_str(line, field->key, field->str);
    else if (field->type == CW_FIELD_INT)
        put_int(line, field->key, field->num);
    else
        put_literal(line, field->key, field->num != 0 ? "true" : "false");
}

static void finish(struct line *line)
{
    static const char cut[] = ",\"truncated\":true";
    if (line->is_cut) {
        memcpy(line->p + line->n, cut, sizeof cut - 1);
        line->n += sizeof cut - 1;
    }
    line->p[line->n++] = '}';
    line->p[line->n++] = '\n';
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

static void record(const struct line *line)
{
    struct slot *slot = &ring[atomic_fetch_add(&ring_next, 1) % RING_SLOTS];
    size_t n = CW_MIN(line->n, sizeof slot->p);
    memcpy(slot->p, line->p, n);
    slot->p[n - 1] = '\n';
    slot->len = (uint16_t)n;
}

void cw_log_fields(enum cw_log_level level, const char *event, const struct cw_field *fields)
{
    CW_PRE((unsigned)level < CW_LOG__COUNT);
    int saved_errno = errno;
    struct line line;
    line.n = 0;
    line.is_cut = false;
    char now[CW_RFC3339_BYTES];
    cw_rfc3339_format(cw_wall_ms(), now);
    put_str(&line, "time", now);
    put_str(&line, "level", level_names[level]);
    put_str(&line, "event", event);
    put_ctx(&line, ctx_fn == NULL ? NULL : ctx_fn());
    for (const struct cw_field *field = fields; field->type != CW_FIELD_END; field++)
        put_field(&line, field);
    finish(&line);
    record(&line);
    int fd = atomic_load(&sink_fd);
    if (fd >= 0 && (int)level >= atomic_load(&level_min))
        write_all(fd, line.p, line.n);
    errno = saved_errno;
}

void cw_log_err(enum cw_log_level level, const char *event, const struct cw_err *err)
{
    struct cw_field fields[8];
    size_t n = 0;
    fields[n++] = (struct cw_field)CW_F_STR("code", cw_err_name(err->code));
    fields[n++] = (struct cw_field)CW_F_STR("class", cw_class_name(err->class));
    fields[n++] = (struct cw_field)CW_F_STR("message", err->text);
    if (err->remote_code[0] != '\0')
        fields[n++] = (struct cw_field)CW_F_STR("remote_code", err->remote_code);
    if (err->http_status != 0)
        fields[n++] = (struct cw_field)CW_F_INT("http_status", err->http_status);
    if (err->correlation_id[0] != '\0')
        fields[n++] = (struct cw_field)CW_F_STR("correlation_id", err->correlation_id);
    if (err->retry_after_ms != 0)
        fields[n++] = (struct cw_field)CW_F_INT("retry_after_ms", err->retry_after_ms);
    fields[n] = (struct cw_field){.type = CW_FIELD_END};
    cw_log_fields(level, event, fields);
}

void cw_log_set_ctx_fn(const struct cw_log_ctx *(*fn)(void))
{
    ctx_fn = fn;
}

void cw_log_set_level(enum cw_log_level level)
{
    atomic_store(&level_min, (int)level);
}

bool cw_log_level_parse(const char *z, enum cw_log_level *ret_level)
{
    for (int i = 0; i < CW_LOG__COUNT; i++) {
        if (cw_z_eq_nocase(z, level_names[i])) {
            *ret_level = (enum cw_log_level)i;
            return true;
        }
    }
    return false;
}

void cw_log_set_fd(int fd)
{
    atomic_store(&sink_fd, fd);
}

void cw_log_dump_ring(int fd)
{
    unsigned long end = atomic_load(&ring_next);
    unsigned long at = end > RING_SLOTS ? end - RING_SLOTS : 0;
    for (; at < end; at++) {
        const struct slot *slot = &ring[at % RING_SLOTS];
        write_all(fd, slot->p, CW_MIN((size_t)slot->len, sizeof slot->p));
    }
}

/* common/log.h: one JSON line per event, and a ring of the last ones for the panic handler.
 *
 * {"time":"…","level":"info","event":"step.retry","job":"…","step":"…","attempt":2,"traceid":"…", …fields}
 * `common/` and `schema/` do not log; whoever logs a failure does not return it to another logger. No secret is ever a field.
 * Suspends: never.  Thread: any (a line is written with one write). */
#ifndef CW_COMMON_LOG_H
#define CW_COMMON_LOG_H

#include "common/err.h"

enum cw_log_level { CW_DEBUG = 0, CW_INFO, CW_WARN, CW_ERROR, CW_LOG__COUNT };

enum cw_field_type { CW_FIELD_END = 0, CW_FIELD_STR, CW_FIELD_INT, CW_FIELD_BOOL };
struct cw_field {
    enum cw_field_type type;
    const char *key;
    const char *str; /* NULL prints null */
    int64_t num;
};
#define CW_F_STR(k, v)                               \
    {                                                \
        .type = CW_FIELD_STR, .key = (k), .str = (v) \
    }
#define CW_F_INT(k, v)                                        \
    {                                                         \
        .type = CW_FIELD_INT, .key = (k), .num = (int64_t)(v) \
    }
#define CW_F_BOOL(k, v)                                       \
    {                                                         \
        .type = CW_FIELD_BOOL, .key = (k), .num = (v) ? 1 : 0 \
    }

/* cw_log(CW_INFO, "job.accepted", CW_F_STR("lane", "bulk"), CW_F_INT("partition", 3)); at least one field. */
#define cw_log(level, event, ...) \
    cw_log_fields((level), (event), (const struct cw_field[]){__VA_ARGS__, {.type = CW_FIELD_END}})
void cw_log_fields(enum cw_log_level level, const char *event, const struct cw_field *fields);
/* The error's code, class, text, remote code, status, correlation id as fields. */
void cw_log_err(enum cw_log_level level, const char *event, const struct cw_err *err);

/* What a line says about the running job. Strings are borrowed while the line is printed; any may be NULL. */
struct cw_log_ctx {
    const char *job;
    const char *workspace;
    const char *step;
    int attempt;
    const char *trace_id;
};
/* fn gives the context of the code that runs now, or NULL. Set once at start (the fiber scheduler's owner does). */
void cw_log_set_ctx_fn(const struct cw_log_ctx *(*fn)(void));
void cw_log_set_level(enum cw_log_level level);
bool cw_log_level_parse(const char *z, enum cw_log_level *ret_level);
/* Lines go to this file descriptor (default 2); -1 drops them (the ring still fills). */
void cw_log_set_fd(int fd);
/* Write the ring (last 4,096 events) to fd; async-signal-safe. */
void cw_log_dump_ring(int fd);

#endif

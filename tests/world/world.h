/* tests/world/world.h: a world of its own: fake clock, fake network, seeded chance. Linked in place of common/net and
 * common/time.c, so that everything above runs unchanged, single-threaded and reproducible.
 *
 * Time moves only when no fiber is ready: it jumps to the earliest deadline. A world in which nothing can happen any more
 * panics. HTTP is answered by a handler (a function of the test, or the Azure model) and by faults injected at the nth call.
 * Suspends: never (the fakes of cw_sleep, cw_http_call … do).  Thread: one. */
#ifndef CW_TESTS_WORLD_WORLD_H
#define CW_TESTS_WORLD_WORLD_H

#include "common/net/http.h"
#include "common/net/redis.h"
#include "tests/azure/model.h"

#define WORLD_WALL_MS_START INT64_C(1795489964000) /* 2026-11-24T03:12:44Z */
#define WORLD_ANSWER_HEADERS_MAX AZ_RESPONSE_HEADERS_MAX

/* What a handler answers. Strings are copied after it returned: they may be static or in `mem`. */
struct world_answer {
    int status;
    struct cw_http_header headers[WORLD_ANSWER_HEADERS_MAX];
    size_t header_count;
    const char *body;
    size_t body_bytes; /* 0 with a body = its strlen */
    int64_t delay_ms;  /* before it arrives; 0 = 5 ms */
    int error;         /* CW_E…: no answer but this error, */
    bool maybe_sent;   /* with this certainty */
    bool never;        /* no answer at all: the deadline decides */
};
typedef void (*world_handler)(void *arg, const struct cw_http_req *req, struct cw_arena *mem,
                              struct world_answer *out);

/* Begin anew: clock, chance, calls, faults, handlers. No loop may exist. */
void world_reset(uint64_t seed);
void world_set_handler(world_handler handler, void *arg);
/* Answer by the model (borrowed): its time is advanced before each request. NULL removes it. */
void world_use_model(struct az_model *model);
struct az_model *world_model(void);
void world_answer_header(struct world_answer *out, const char *name, const char *value);
/* Put body text, made with printf, into mem. */
void world_answer_body(struct world_answer *out, struct cw_arena *mem, const char *fmt, ...) CW_PRINTF(3, 4);

enum world_fault_kind {
    WORLD_FAULT_ERROR = 0, /* fail with `error` before the request has an effect */
    WORLD_FAULT_LOST,      /* the request has its effect, the answer is lost: `error` with maybe_sent */
    WORLD_FAULT_ANSWER,    /* `status` and `body` instead of the handler's answer, without effect */
    WORLD_FAULT_CANCEL, /* the calling fiber is cancelled with reason `error` at this call, before its effect */
};
struct world_fault {
    uint64_t nth;         /* the call since world_reset(), from 1, it first applies to; 0 = the next one */
    uint64_t count;       /* so many calls; 0 = 1 */
    const char *method;   /* only calls of this method are hit (others still count); NULL = any */
    const char *url_part; /* only URLs that contain this; NULL = any */
    enum world_fault_kind kind;
    int error;
    int status;
    const char *body;
    struct cw_http_header header; /* name NULL = none */
};
/* At most 32 at a time; copied, strings borrowed. */
void world_inject(const struct world_fault *fault);

/* One HTTP call that was made. Borrowed until world_reset(). */
struct world_call {
    const char *method;
    const char *url;
    const char *body;
    const char *authorization;  /* header, or NULL */
    const char *correlation_id; /* header, or NULL */
    int64_t at_ms;              /* wall */
    int status;                 /* 0 = no answer */
};
size_t world_call_count(void);
const struct world_call *world_call_at(size_t index);
/* How many calls had this method (NULL = any) and a URL with this part (NULL = any). */
size_t world_calls_of(const char *method, const char *url_part);

/* Each call as it reaches the other side, and again when its answer is back at the caller. */
void world_on_call(void (*fn)(void *arg, const struct cw_http_req *req, const struct world_answer *answer,
                              bool is_back),
                   void *arg);
/* Keep no calls from now on (world_call_…() stay empty): for long histories. */
void world_forget_calls(void);
/* The true time; a worker's own cw_wall_ms() may be skewed. */
int64_t world_wall_ms(void);
/* Let time pass without a fiber (from the loop's stack, or between runs). */
void world_advance(int64_t ms);

/* Name servers: they answer by the model. The workers sit in this VNet of it (NULL: on the internet). */
void world_dns_sit(const char *vnet_id);
/* The next `count` lookups fail with this error, CW_E…. */
void world_dns_fail(int error, size_t count);
size_t world_dns_lookups(void);

/* Redis: the model of tests/world/redis.h, unless a test answers scripts by name and commands itself. down = each call fails with
 * -CW_ENET. */
typedef int (*world_script)(void *arg, size_t key_count, const char *const *keys, size_t arg_count,
                            const struct cw_str *args, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                            struct cw_err *err);
void world_redis_script(const char *name, world_script fn, void *arg);
void world_redis_command(int (*fn)(void *arg, size_t argc, const struct cw_str *argv, struct cw_arena *mem,
                                   struct cw_redis_reply *ret_reply, struct cw_err *err),
                         void *arg);
void world_redis_set_down(bool is_down);
uint64_t world_redis_calls(void);

#endif

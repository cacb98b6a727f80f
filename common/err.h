/* common/err.h: error codes, their classes, and the error object that climbs with its context.
 *
 * Functions return 0 or a negative code: `return -CW_ENOMEM`. Where a caller can use more than the code, the last
 * parameters hold a `struct cw_err *err` (never NULL), filled where the cause is known and prefixed on the way up.
 * The engine acts on the class alone.
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_ERR_H
#define CW_COMMON_ERR_H

#include <stdarg.h>

#include "common/base.h"

/* What the engine does about an error. */
enum cw_class {
    CW_CLASS_NONE = 0,
    CW_CLASS_RETRY,         /* try the same again with backoff */
    CW_CLASS_CONFLICT,      /* another operation holds the thing: wait, look again, decide */
    CW_CLASS_THROTTLED,     /* a budget is used up: wait until retry_after_ms, charge no attempt */
    CW_CLASS_MISCONFIGURED, /* the customer's side must change something; the remedy says what */
    CW_CLASS_DENIED,        /* the identity may not do this */
    CW_CLASS_INVALID,       /* the request can't be right */
    CW_CLASS_CANCELLED,     /* somebody asked for the end */
    CW_CLASS_LOST,          /* this worker may not go on with the job: park it, publish nothing */
    CW_CLASS_BUG,           /* our own mistake */
    CW_CLASS__COUNT
};

/* name, class, text */
#define CW_ERRORS(X)                                           \
    X(ENOMEM, RETRY, "out of memory")                          \
    X(ETIMEDOUT, RETRY, "deadline passed")                     \
    X(ENET, RETRY, "connection failed")                        \
    X(EPROTO, RETRY, "unintelligible answer")                  \
    X(EREMOTE, RETRY, "remote service failed")                 \
    X(ENOTREADY, RETRY, "not ready yet")                       \
    X(EOPFAILED, RETRY, "operation ended without success")     \
    X(ECAPACITY, RETRY, "no capacity")                         \
    X(ECONFLICT, CONFLICT, "another operation is in progress") \
    X(EBUSY, CONFLICT, "held by another worker")               \
    X(EPRECOND, CONFLICT, "changed meanwhile")                 \
    X(ETHROTTLED, THROTTLED, "throttled")                      \
    X(ENOTFOUND, MISCONFIGURED, "not found")                   \
    X(EMISCONFIGURED, MISCONFIGURED, "misconfigured")          \
    X(EQUOTA, MISCONFIGURED, "quota exhausted")                \
    X(ETLS, MISCONFIGURED, "certificate not trusted")          \
    X(EDENIED, DENIED, "permission denied")                    \
    X(EAUTH, DENIED, "authentication failed")                  \
    X(EINVAL, INVALID, "invalid")                              \
    X(EPARSE, INVALID, "cannot be parsed")                     \
    X(ETOOBIG, INVALID, "too big")                             \
    X(EREJECTED, INVALID, "rejected")                          \
    X(EUNSUPPORTED, INVALID, "not supported")                  \
    X(ECANCELED, CANCELLED, "cancelled")                       \
    X(EPARKED, LOST, "handed over to another worker")          \
    X(ELOST, LOST, "lock lost")                                \
    X(EFENCED, LOST, "a newer owner exists")                   \
    X(EBUG, BUG, "internal error")

enum {
    CW_OK = 0,
#define X(name, class, text) CW_##name,
    CW_ERRORS(X)
#undef X
        CW_E__COUNT
};

#define CW_ERR_TEXT_BYTES 512
#define CW_ERR_REMEDY_BYTES 256

/* One error, on the caller's stack. Zero it with cw_err_clear() or `= {0}`. */
struct cw_err {
    int code;                         /* positive CW_E…; 0 = none */
    enum cw_class class;              /* set from the code; a boundary that knows better overrides it */
    int http_status;                  /* 0 = not from HTTP */
    int64_t retry_after_ms;           /* 0 = the peer did not say */
    char remote_code[96];             /* the peer's own code, e.g. "AnotherOperationInProgress" */
    char correlation_id[64];          /* of the call that failed */
    char text[CW_ERR_TEXT_BYTES];     /* for people; never a secret */
    char remedy[CW_ERR_REMEDY_BYTES]; /* what to do about it; may be empty */
};

/* Name without prefix ("ETHROTTLED"), text, class. `code` may be positive or negative. */
const char *cw_err_name(int code);
const char *cw_err_text(int code);
enum cw_class cw_err_class_of(int code);
/* The job itself is to stop, cancelled or without its lock: neither an answer nor a reason to try again. */
bool cw_class_is_stop(enum cw_class class);
/* "retry", "conflict", … as written in events. */
const char *cw_class_name(enum cw_class class);

void cw_err_clear(struct cw_err *err);
/* Fill err (code positive or negative) and return the negative code. An existing content is replaced. */
int cw_err_set(struct cw_err *err, int code, const char *fmt, ...) CW_PRINTF(3, 4);
int cw_err_setv(struct cw_err *err, int code, const char *fmt, va_list args) CW_PRINTF(3, 0);
/* Prefix the text with "context: ", keep everything else; returns the negative code. */
int cw_err_wrap(struct cw_err *err, const char *fmt, ...) CW_PRINTF(2, 3);
/* Set the remedy. */
void cw_err_remedy(struct cw_err *err, const char *fmt, ...) CW_PRINTF(2, 3);

#endif

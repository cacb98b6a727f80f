/* worker/steps/step.h: what a step is, and all that a step may see of the engine.
 *
 * A step is one const descriptor and the functions behind it, in one file named <verb>_<noun>.c. It reads top to bottom;
 * waiting is a function call. Nothing inside a step is durable: what the next step needs goes into c->out, which the engine
 * journals when run() returns 0. Retries, backoff, locks, logs, metrics and events are the engine's.
 * Suspends: run, probe, undo.  Thread: loop. */
#ifndef CW_WORKER_STEPS_STEP_H
#define CW_WORKER_STEPS_STEP_H

#include "common/azure/databricks.h"
#include "common/azure/resolver.h"
#include "common/azure/resources.h"
#include "schema/facts_v1.h"
#include "schema/request.h"

/* Which tenants, subscriptions and regions this fleet works for. Empty list = any. */
struct cw_policy {
    const char *const *tenants;
    size_t tenant_count;
    const char *const *subscriptions;
    size_t subscription_count;
    const char *const *regions;
    size_t region_count;
};

/* The remote services of one request. */
struct cw_clients {
    struct cw_arm *arm;
    struct cw_databricks *databricks;
    struct cw_dns *dns; /* name servers of the worker's own network; NULL = none is asked */
    const struct cw_cloud *cloud;
    const struct cw_policy *policy;
};

enum cw_step_kind {
    CW_STEP_READ,       /* changes nothing; runs again after a crash */
    CW_STEP_IDEMPOTENT, /* the same call twice has the effect of one; runs again after a crash */
    CW_STEP_ONCE,       /* begun and not done after a crash: probe() is asked first */
};

struct cw_retry {
    int attempts;    /* for class retry; conflicts and throttling are bounded by the timeout alone */
    int64_t base_ms; /* doubled each time, full jitter */
    int64_t cap_ms;
};

struct cw_step_ctx;

struct cw_step {
    const char *name; /* written to the journal: never renamed, never reused */
    enum cw_step_kind kind;
    int64_t timeout_ms;
    struct cw_retry retry;
    bool in_plan; /* runs in plan mode (and then writes nothing) */
    /* Puts away what earlier steps of the table left: done, it is run again when one of them, which a worker of another version's plan
     * had not run, is run after it. Idempotent. */
    bool puts_away;
    bool
        is_announced; /* its finished event is acknowledged by Kafka before the next step begins, and carries c->out */
    /* NULL = always. Pure. */
    bool (*when)(const struct cw_request *req, const struct cw_facts *facts);
    int (*run)(struct cw_step_ctx *c, struct cw_err *err);
    /* CW_STEP_ONCE only: did an earlier begin take effect? If so c->out is filled as run() would have. */
    int (*probe)(struct cw_step_ctx *c, bool *ret_happened, struct cw_err *err);
    /* After failure or cancel, for each step that was begun, in reverse order, with a deadline of its own. */
    int (*undo)(struct cw_step_ctx *c, struct cw_err *err);
    /* For a step with undo, under the lock, when the journal knows of no begin and may have forgotten one: did an earlier run of this
     * request begin it? If so c->out is filled as far as the world tells, and undo() follows. Changes nothing. NULL = can't be told. */
    int (*was_begun)(struct cw_step_ctx *c, bool *ret_was_begun, struct cw_err *err);
};

struct cw_step_ops {
    /* Hold a second lock (a VNet) until the step ends; waits. Never more than two; taken in ascending order of the id. */
    int (*lock)(void *arg, const char *resource_id, struct cw_err *err);
    void (*found)(void *arg, const char *text);
    void (*changed)(void *arg, const char *text);
    /* NULL = nothing outlives the step but its end. */
    int (*keep)(void *arg, const struct cw_facts *so_far, struct cw_err *err);
};

struct cw_step_ctx {
    const struct cw_request *req;
    const struct cw_facts *facts; /* fold of all outputs so far: read only */
    struct cw_facts *out;         /* what this step adds; zeroed; strings must live in c->call.mem */
    const struct cw_clients *svc;
    const char *key;     /* idempotency key: stable across attempts and restarts, 36 characters */
    struct cw_call call; /* pass &c->call to every client function */
    const struct cw_step_ops *ops;
    void *ops_arg;
};

/* What the step found, and what it changed (in plan mode: would change). Short sentences for the verdict; no secrets. */
void cw_step_found(struct cw_step_ctx *c, const char *fmt, ...) CW_PRINTF(2, 3);
void cw_step_changed(struct cw_step_ctx *c, const char *fmt, ...) CW_PRINTF(2, 3);
/* Serialise with every other writer of this resource, fleet-wide. Errors: -CW_ETIMEDOUT, cancellation, -CW_ELOST. */
int cw_step_lock(struct cw_step_ctx *c, const char *resource_id, struct cw_err *err);
/* Both, in the order that keeps from deadlock; one when they are the same. Errors: as above, -CW_ENOMEM. */
int cw_step_lock_two(struct cw_step_ctx *c, const char *one, const char *other, struct cw_err *err);

/* Write down now what c->out holds, before something is done that must not be forgotten: it is journaled, told in a progress
 * event that Kafka has acknowledged, and part of c->facts from here on, also after a crash. Errors: those of a journal write.
 * Suspends: yes. */
int cw_step_keep(struct cw_step_ctx *c, struct cw_err *err);

/* A proof that fails does not end the plan: the cause is looked for, and everything put away. Sets c->out->proof_error
 * (proof_again after repairs); returns 0, or -CW_ENOMEM. remedy may be NULL. */
int cw_step_proof_failed(struct cw_step_ctx *c, const char *step, int code, const char *remedy,
                         const char *fmt, ...) CW_PRINTF(5, 6);
/* A name for the failure that was said last, more exact than its code. It lives as long as the worker. */
void cw_step_proof_code(struct cw_step_ctx *c, const char *code);
/* found or changed, by what an ensure function did; `what` names the thing ("subnet private-endpoints"). */
void cw_step_ensured(struct cw_step_ctx *c, const struct cw_ensured *ensured, const char *what);
/* The workspace whose REST API is called: url from the facts, or what this step has found. */
struct cw_target cw_step_target(const struct cw_step_ctx *c);
/* Tags of everything this request creates: the request's own, and "causeway-request". In c->call.mem. */
struct cw_tags cw_step_tags(struct cw_step_ctx *c);
/* A copy in c->call.mem, for c->out; NULL gives NULL. */
char *cw_step_copy(struct cw_step_ctx *c, const char *z);

/* One ordered table of steps per kind of request. While a fleet is being upgraded, or goes back, workers of two versions share a job by the
 * names of its steps: a version may add, drop and reorder steps as long as either table, run from any step of the other on, still reaches
 * its goal. What a step of the other version changed stands in the verdict; this one can neither go on with it nor undo it. */
struct cw_plan {
    enum cw_request_kind kind;
    int version; /* written to the journal; a job of an older version is resumed by names of steps */
    const struct cw_step *const *steps;
    size_t step_count;
};

/* plans.c. By kind and, for a migration, options.order. NULL for a kind without plan (cancel). */
const struct cw_plan *cw_plan_of(const struct cw_request *req);

#endif

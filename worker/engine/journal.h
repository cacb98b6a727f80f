/* worker/engine/journal.h: what a request has done so far: one hash in Redis a request, one atomic script a change.
 *
 * Key "cw:{<workspace key>}:job:<request id>". Fields: accepted (wall ms), kind, plan, takes, claims, cancel, fail (failure record, before anything
 * is undone), open ("<step>|<lease value>": being run now; always there while a holder has it), b:<step> attempts begun, c:<step> crashes in
 * it, f:<step> attempts that failed and count, t:<step> when the first began (wall ms), d:<step> its record, a:<step> announced, p:<step>
 * record of one that was handed over unfinished, u:<step> undone, o:<resource id> operation of Azure, verdict, vhead, outcome, published.
 * Each change of a claimed job compares the lease's value first: a slow former owner gets -CW_EFENCED and has changed nothing.
 * Every function tries again while Redis is away, until its deadline: the caller's fiber is cancelled when the lease is lost. An answer that
 * repetition can't change (rights, a key of another kind, a cluster's redirection) ends it at once, with a remedy; the trouble says so.
 * Common errors: -CW_ETIMEDOUT (the deadline, whatever Redis said), cancellation, -CW_EREMOTE, -CW_EAUTH, -CW_EPROTO, -CW_ENOMEM.
 * Suspends: all but the pure ones.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_JOURNAL_H
#define CW_WORKER_ENGINE_JOURNAL_H

#include "common/net/redis.h"
#include "worker/engine/durable.h"
#include "worker/engine/lock.h"
#include "worker/engine/record.h"
#include "worker/engine/trouble.h"

struct cw_journal {
    struct cw_redis *redis;     /* borrowed */
    int64_t retention_ms;       /* how long a journal outlives its last change */
    int64_t wait_replicas;      /* that must have a claim and a verdict before anybody acts on it; 0 = none */
    struct cw_trouble *trouble; /* NULL = nobody wants to know */
};

/* The right to write. All borrowed. */
struct cw_claim {
    const char *job_key;
    const char *lock_key;
    const char *lock_value;
};

/* "cw:{<workspace key>}:job:<request id>" in mem; NULL when out of memory. */
char *cw_journal_key(struct cw_arena *mem, const char *workspace_key, const char *request_id);

/* What is known of a request before anybody claims it. */
struct cw_journal_peek {
    int64_t accepted_wall_ms;
    uint64_t epoch; /* of the workspace's last lock: every later claim has a greater one */
    int64_t takes;  /* how often the request was taken from Kafka, this time included */
    bool has_verdict;
    struct cw_verdict verdict; /* in mem, without key */
    bool is_published;
    bool is_claimed;    /* somebody has begun it */
    const char *cancel; /* reason, in mem; NULL = nobody asked */
};

/* The request was taken from Kafka (here or before): remember when, and see what is known. Not fenced: it counts the times, and changes
 * nothing else that exists. */
int cw_journal_accept(const struct cw_journal *j, const char *workspace_key, const char *job_key,
                      const char *kind, int64_t wall_ms, struct cw_deadline until, struct cw_arena *mem,
                      struct cw_journal_peek *ret_peek, struct cw_err *err);

/* What a claimed request does outside its steps, as a step: loading, announcing, making the verdict. */
#define CW_LOG_BETWEEN "-"

struct cw_log_step {
    const char *name;
    int64_t begun;         /* attempts, over all runs */
    int64_t charged;       /* attempts that failed and count, over all runs */
    int64_t begun_wall_ms; /* when the first of them began */
    int64_t crashes;       /* of workers while it ran */
    const char *done;      /* step record, NULL = not done */
    const char *undone;
    const char *partial; /* what an unfinished one had changed; step record */
    bool is_announced;
};

struct cw_log_operation {
    const char *resource_id;
    const char *text; /* operation record */
};

/* The journal at the time of the claim, in mem. */
struct cw_log {
    int64_t accepted_wall_ms;
    int64_t claims;      /* this one included */
    int64_t plan;        /* version of the first claim */
    const char *cancel;  /* reason, NULL = nobody asked */
    const char *failure; /* failure record, NULL = none */
    struct cw_log_step
        *steps; /* "undo:<step>" stands for the undoing of one, CW_LOG_BETWEEN for all that is none */
    size_t step_count;
    struct cw_log_operation *operations;
    size_t operation_count;
    bool has_verdict;
    struct cw_verdict verdict;
    bool is_published;
};

/* Become the owner: load everything. What was being run by another holder, a step or what lies between, counts as a crash in it; former_value is the lease under
 * which this process itself lost the job without crashing (NULL = none). Errors also: -CW_EFENCED. */
int cw_journal_claim(const struct cw_journal *j, const struct cw_claim *claim, const char *former_value,
                     const char *kind, int plan_version, int64_t wall_ms, struct cw_deadline until,
                     struct cw_arena *mem, struct cw_log *ret_log, struct cw_err *err);
/* NULL when the step was never begun. */
const struct cw_log_step *cw_log_find(const struct cw_log *log, const char *step);

#define CW_CHANGE_MAX 8
/* Fields to set and to delete, together or not at all. Borrowed. */
struct cw_change {
    struct cw_pair set[CW_CHANGE_MAX]; /* name, value */
    size_t set_count;
    const char *del[CW_CHANGE_MAX];
    size_t del_count;
};

/* *ret_cancelled (may be NULL): somebody asked for the end. Errors also: -CW_EFENCED. */
int cw_journal_write(const struct cw_journal *j, const struct cw_claim *claim, const struct cw_change *change,
                     struct cw_deadline until, bool *ret_cancelled, struct cw_err *err);

enum cw_stored {
    CW_STORED_OURS = 0,
    CW_STORED_BEFORE, /* there was one already: it is the one that counts */
    CW_STORED_CLAIMED, /* without a lock only: somebody has begun it, so only who holds the lock may end it; nothing is stored */
    CW_STORED_UNKNOWN, /* without a lock only: Redis has forgotten that it was accepted, so what else it knew is not known; nothing is stored */
};
/* Store the verdict before it is sent; *ret_verdict is the one to send (in mem, without key). claim->lock_key NULL: nobody has claimed the
 * request. Errors also: -CW_EFENCED. */
int cw_journal_verdict(const struct cw_journal *j, const struct cw_claim *claim,
                       const struct cw_verdict *verdict, struct cw_deadline until, struct cw_arena *mem,
                       struct cw_verdict *ret_verdict, enum cw_stored *ret_stored, struct cw_err *err);
/* No topic takes the stored verdict: store a shorter one in its place. *ret_verdict is the one that counts: the shorter one, or what another
 * worker has put there meanwhile. */
int cw_journal_replace(const struct cw_journal *j, const char *job_key, const struct cw_verdict *stored,
                       const struct cw_verdict *shorter, struct cw_deadline until, struct cw_arena *mem,
                       struct cw_verdict *ret_verdict, struct cw_err *err);
/* Is this still the verdict that Redis holds? */
int cw_journal_holds(const struct cw_journal *j, const char *job_key, const struct cw_verdict *verdict,
                     struct cw_deadline until, bool *ret_holds, struct cw_err *err);
/* This verdict is out: whatever the journal holds or lacks, it is the one that counts. Not fenced. */
int cw_journal_recalled(const struct cw_journal *j, const char *job_key, const char *kind,
                        const struct cw_verdict *verdict, int64_t wall_ms, struct cw_deadline until,
                        struct cw_err *err);
/* This verdict was acknowledged: keep it, drop the rest, begin the retention. Nothing happens when another one is stored (Redis forgot this
 * one, and it was made anew): that one is not out. */
int cw_journal_published(const struct cw_journal *j, const char *job_key, const struct cw_verdict *verdict,
                         struct cw_deadline until, struct cw_err *err);

/* cw_durable_look(), asked until Redis answers. */
int cw_journal_age(const struct cw_journal *j, struct cw_deadline until, struct cw_durable *ret_durable,
                   struct cw_err *err);

enum cw_target_state {
    CW_TARGET_UNKNOWN =
        0, /* not taken from Kafka yet, or never sent: the flag waits for it, at most CW_TOMBSTONE_MS */
    CW_TARGET_ACTIVE, /* claimed */
    CW_TARGET_ENDED,
    CW_TARGET_QUEUED, /* taken, and never claimed: who claims it finds the flag before the first step */
    CW_TARGET_CANCEL, /* a cancel itself: left alone */
};
#define CW_TOMBSTONE_MS (INT64_C(7) * 24 * 60 * 60 * 1000)
/* Strings in mem. */
struct cw_target_look {
    enum cw_target_state state;
    const char *outcome; /* ENDED only */
    const char *failure; /* ENDED only: failure record as it was before the undo; NULL = none */
};
/* Ask a request to end. reason NULL: only look. */
int cw_journal_cancel(const struct cw_journal *j, const char *job_key, const char *reason,
                      struct cw_deadline until, struct cw_arena *mem, struct cw_target_look *ret_target,
                      struct cw_err *err);

/* A request that repeats and its later runs: key "cw:{<workspace key>}:watch:<id of the first request>", fields run (the highest that was
 * written to Kafka or taken) and cancel. It outlives its last change by the retention, at least CW_TOMBSTONE_MS. */
struct cw_watch_key {
    const char *workspace_key;
    const char *watch_id;
    const char *job_key; /* of the run that asks, or of the cancel */
};
/* Strings in mem. */
struct cw_watch_look {
    int64_t run;        /* 0: no watch of that id is known */
    const char *cancel; /* reason; NULL = nobody asked */
};
/* This run exists. */
int cw_journal_watch(const struct cw_journal *j, const struct cw_watch_key *key, int64_t run,
                     struct cw_deadline until, struct cw_arena *mem, struct cw_watch_look *ret_watch,
                     struct cw_err *err);
/* No further run begins. */
int cw_journal_end_watch(const struct cw_journal *j, const struct cw_watch_key *key, const char *reason,
                         struct cw_deadline until, struct cw_arena *mem, struct cw_watch_look *ret_watch,
                         struct cw_err *err);

#endif

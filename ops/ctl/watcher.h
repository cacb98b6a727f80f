/* ops/ctl/watcher.h: follows the progress, result and dead-letter topics and keeps a row for each request seen.
 *
 * Invariant: a row changes only forward: an event with a lower sequence than the last one is dropped.
 * Suspends: watcher_wait_joined, watcher_wait.  Thread: loop. */
#ifndef CW_OPS_CTL_WATCHER_H
#define CW_OPS_CTL_WATCHER_H

#include "common/json.h"
#include "ops/ctl/ctl.h"

struct watcher;

struct watcher_row {
    char *request_id;
    char *workspace; /* the workspace's name */
    char *type;      /* "provision", … or "dead letter" */
    char *step;      /* may be NULL */
    int number;      /* of the step, from 1; 0 = unknown */
    int total;
    char *waits_for;       /* NULL = working */
    char *sequence;        /* of the last event taken */
    int64_t since_wall_ms; /* first event */
    int64_t ended_wall_ms; /* 0 = still going */
    json_t *result;        /* the verdict's data, or the dead letter's; NULL = none yet */
    bool is_dead_letter;
    bool is_expected; /* one of the ids asked for */
};

struct watcher_cfg {
    const char *const *ids; /* only these; NULL = everything that comes by */
    size_t id_count;
    bool from_start; /* also what is already in the topics */
    bool dead_letters;
    /* Called on the loop's stack after each change of a row. */
    void (*changed)(void *arg, const struct watcher_row *row, const json_t *event_data,
                    const char *event_type);
    void *arg;
};

int watcher_new(struct ctl *ctl, const struct watcher_cfg *cfg, struct watcher **ret_watcher,
                struct cw_err *err);
void watcher_free(struct watcher *w); /* NULL is fine */
/* Until partitions of every topic are ours, so that nothing sent afterwards is missed. Errors: -CW_ETIMEDOUT, -CW_ENET. */
int watcher_wait_joined(struct watcher *w, struct cw_deadline until, struct cw_err *err);
/* Until `ended` requests have a verdict or a dead letter. Errors: -CW_ETIMEDOUT, cancellation. */
int watcher_wait(struct watcher *w, size_t ended, struct cw_deadline until);
size_t watcher_count(const struct watcher *w);
size_t watcher_ended(const struct watcher *w);
const struct watcher_row *watcher_at(const struct watcher *w, size_t i);

#endif

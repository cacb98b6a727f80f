/* ops/ctl/follow.h: send requests (or none) and follow them to their verdicts on the screen.
 *
 * Suspends: follow_run.  Thread: loop. */
#ifndef CW_OPS_CTL_FOLLOW_H
#define CW_OPS_CTL_FOLLOW_H

#include "common/json.h"
#include "ops/ctl/ctl.h"

struct follow_event {
    const char *id;
    const char *key; /* workspace key */
    const char *type;
    struct cw_str text; /* the CloudEvent, structured mode */
};

struct follow {
    const struct ctl_command *cmd; /* for messages */
    struct ctl *ctl;
    const char *topic; /* where events go */
    const struct follow_event *events;
    size_t event_count;
    const char *const *ids; /* follow these; NULL = the events' own, or everything when there are none */
    size_t id_count;
    bool wait;    /* until every followed request has its verdict */
    bool forever; /* until interrupted */
    bool from_start;
    bool dead_letters;
    bool json;          /* one JSON line per event instead of the table */
    bool as_checks;     /* a verdict is shown as a tree of checks */
    bool quiet;         /* no table and no change lines, verdicts only */
    int64_t timeout_ms; /* 0 = none */
    size_t raw_count;   /* events that can't have a verdict: wait for so many dead letters */
    void (*verdict)(void *arg, const json_t *result); /* called with each verdict; NULL = nobody */
    void *arg;                                        /* of verdict */
    const char *verdicts_path; /* each verdict or dead letter as a JSON line; NULL = nowhere */
};

/* Returns an exit code: CTL_OK when every verdict is succeeded or planned, CTL_FAILED otherwise. */
int follow_run(struct follow *f);

#endif

/* tests/sim/plan.h: what one seed draws: a fleet, workspaces, requests, and what goes wrong.
 *
 * A plan is a list of small things that can be left out one by one, so that a failing history can be made small.
 * Suspends: never.  Thread: one. */
#ifndef CW_TESTS_SIM_PLAN_H
#define CW_TESTS_SIM_PLAN_H

#include "common/str.h"

#define SIM_WORKERS_MAX 4
#define SIM_WORKSPACES_MAX 4
#define SIM_REQUESTS_MAX 14
#define SIM_ACTIONS_MAX 16
#define SIM_THINGS_MAX (SIM_REQUESTS_MAX + SIM_ACTIONS_MAX)
#define SIM_ID_BYTES 256
#define SIM_WATCH_MS (INT64_C(5) * 60 * 1000) /* a request that repeats does so for so long after the storm */

enum sim_start { SIM_NEW = 0, SIM_EXISTING, SIM_HEALTHY, SIM_UNLINKED, SIM_START__COUNT };

#define SIM_TRANSIT                                                                            \
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-transit/providers/" \
    "Microsoft.Network/virtualNetworks/transit"

struct sim_workspace {
    enum sim_start start;
    char name[24];
    char id[SIM_ID_BYTES];  /* ARM id */
    char key[SIM_ID_BYTES]; /* the same in lower case */
};

#define SIM_ASKS(X)           \
    X(PROVISION, "provision") \
    X(MIGRATE, "migrate")     \
    X(VERIFY, "verify")       \
    X(CANCEL, "cancel")       \
    X(INVALID, "invalid")     \
    X(GARBAGE, "garbage")
enum sim_ask {
#define X(name, text) SIM_##name,
    SIM_ASKS(X)
#undef X
        SIM_ASK__COUNT
};

struct sim_request {
    enum sim_ask ask;
    size_t workspace;
    size_t target; /* CANCEL: which request; a repeat: of which */
    bool is_repeat;
    bool is_bulk;
    bool is_plan_only;
    bool is_short; /* MIGRATE: in the order of the shortest outage */
    bool may_stop;
    bool may_repair;
    bool is_browser_ensured;
    bool no_cluster;
    bool wants_nat;           /* PROVISION, MIGRATE */
    int64_t deadline_minutes; /* 0 = the default */
    int64_t repeat_seconds;   /* 0 = once */
    size_t ended_by;          /* the cancel that ends it after the storm */
    int64_t at_ms;
};

#define SIM_ACTS(X)                                                       \
    X(CRASH_TOUCH, "the worker that does the nth thing dies in it")       \
    X(CRASH, "a worker dies")                                             \
    X(FREEZE, "a worker freezes")                                         \
    X(FREEZE_TOUCH, "the worker that does the nth thing freezes in it")   \
    X(TERMINATE, "a worker is asked to end, and another takes its place") \
    X(ROLL, "all workers are replaced, one after the other")              \
    X(UPGRADE, "all workers are replaced by another version")             \
    X(EXPEL, "the group expels a worker, which learns it late")           \
    X(SHUFFLE, "the group assigns its partitions anew")                   \
    X(REWIND, "a worker reads messages again")                            \
    X(KAFKA_DOWN, "Kafka is away")                                        \
    X(KAFKA_FAULTY, "Kafka refuses, or its answers are lost")             \
    X(REDIS_DOWN, "Redis is away, and keeps its data")                    \
    X(REDIS_FAILOVER, "Redis fails over and forgets its last writes")     \
    X(REDIS_LOSS, "Redis loses everything")                               \
    X(REDIS_SLOW, "Redis is slow")                                        \
    X(AZURE, "Azure misbehaves")                                          \
    X(SKEW, "a worker's wall clock jumps")
enum sim_act {
#define X(name, text) SIM_##name,
    SIM_ACTS(X)
#undef X
        SIM_ACT__COUNT
};

/* Of the workers' plans; versions.c says what sets them apart. */
enum sim_version { SIM_CURRENT = 0, SIM_OLDER, SIM_NEWER };

struct sim_action {
    enum sim_act act;
    int64_t at_ms;
    size_t worker;
    int64_t length_ms;
    int64_t number; /* of the touch, of writes, of the rule, of the version */
};

struct sim_plan {
    uint64_t seed;
    bool is_large;
    size_t workers;
    int32_t partitions;
    int64_t scale;
    int64_t lease_ms;
    int64_t margin_ms;
    int64_t session_ms;
    int64_t jobs;
    int64_t queued;
    int64_t light;
    int64_t wait_replicas;
    int64_t gap_one_in;
    bool keeps_names;         /* a worker that starts again has the same name */
    enum sim_version version; /* of the first workers */
    size_t workspace_count;
    struct sim_workspace workspaces[SIM_WORKSPACES_MAX];
    size_t request_count;
    struct sim_request requests[SIM_REQUESTS_MAX];
    size_t action_count;
    struct sim_action actions[SIM_ACTIONS_MAX];
    int64_t storm_ms;                 /* until then things go wrong */
    bool is_left_out[SIM_THINGS_MAX]; /* requests, then actions */
};

/* is_large: more requests, more often; a third of the seeds give the same plan either way. */
void sim_plan_draw(uint64_t seed, bool is_large, struct sim_plan *ret_plan);
/* "provision ws0 …" */
void sim_request_print(const struct sim_plan *plan, size_t i, struct cw_buf *out);
void sim_action_print(const struct sim_plan *plan, size_t i, struct cw_buf *out);
const char *sim_ask_name(enum sim_ask ask);
/* The body of the request; GARBAGE gives something else. */
void sim_request_body(const struct sim_plan *plan, size_t i, struct cw_buf *out);
void sim_request_id(const struct sim_plan *plan, size_t i, char out[32]);
/* The first request with the same id. */
size_t sim_request_original(const struct sim_plan *plan, size_t i);
/* State document of the model of Azure. */
void sim_state_print(const struct sim_plan *plan, struct cw_buf *out);
/* Fault rule of AZURE actions; NULL behind the last. */
const char *sim_rule(size_t number);

#endif

/* tests/sim/sim.h: one history: a plan played in the simulated world, and what must hold in it.
 *
 * Suspends: never.  Thread: one; one history at a time. */
#ifndef CW_TESTS_SIM_SIM_H
#define CW_TESTS_SIM_SIM_H

#include "common/settings.h"
#include "tests/sim/plan.h"
#include "tests/world/fleet.h"
#include "tests/world/kafka.h"
#include "tests/world/redis.h"
#include "tests/world/world.h"
#include "worker/app.h"

#define SIM_REQUESTS "causeway.requests"
#define SIM_BULK "causeway.requests.bulk"
#define SIM_PROGRESS "causeway.progress"
#define SIM_RESULTS "causeway.results"
#define SIM_LETTERS "causeway.deadletter"

struct sim_worker {
    size_t index;
    unsigned life;                 /* counts its starts */
    enum sim_version version;      /* of its plans */
    enum sim_version next_version; /* of the process that takes its place */
    char id[48];
    struct cw_settings settings;
    struct cw_loop *loop; /* NULL = it does not run */
    struct cw_app *app;
    bool owns[2][KAFKA_PARTITIONS_MAX];       /* lane, partition: as far as it knows */
    int64_t lost_ms[2][KAFKA_PARTITIONS_MAX]; /* when it learned that it does not any more */
    unsigned turns;
    bool is_stopping;
    bool is_stopped;
    bool stays_away; /* until the end: the fleet is being taken down */
    int exit_code;
};

/* What became of a request (of all with its id). */
struct sim_fate {
    char verdict_id[40]; /* id of its verdict's event */
    char guid[40];       /* correlation id of its calls */
    bool is_sent;
    bool is_at[2][KAFKA_PARTITIONS_MAX]; /* lane, partition: where it and its repeats stand */
    size_t verdicts;
    struct cw_buf verdict; /* the first copy: key, value, headers */
    const char *value;     /* of it, in the topic */
    size_t value_bytes;
    int64_t verdict_ms;   /* monotonic: the first copy came */
    int64_t stored_ms;    /* the journal first had one; 0 = never */
    int64_t covered_ms;   /* a commit first counted it as done; 0 = never */
    char top[64];         /* greatest sequence of an event about it */
    char top_step[64];    /* sequence of the last event that is no waiting */
    uint64_t top_content; /* digest of that event */
    size_t claims;        /* times that a worker took it on */
    size_t changes;       /* effective, in the ledger */
};

struct sim {
    struct sim_plan plan;
    bool is_verbose;
    uint64_t hash;
    bool has_failed;
    char failure[1024];
    struct az_model *model;
    struct sim_worker workers[SIM_WORKERS_MAX];
    struct sim_fate fates[SIM_REQUESTS_MAX];
    int64_t start_ms;
    uint64_t touches;
    uint64_t doomed_touches[SIM_ACTIONS_MAX]; /* ascending is not needed; 0 = none */
    int64_t amnesia_ms;                       /* when Redis last forgot something; 0 = never */
    int64_t failover_ms; /* when it last forgot writes that nothing had confirmed; 0 = never */
    int64_t loss_ms;     /* when it last forgot everything; 0 = never */
    int64_t crash_ms;    /* when a worker last died; 0 = never */
    bool is_calm;
    bool is_over;
    size_t ledger_seen;
    /* statistics */
    size_t crashes;
    size_t writes;
    size_t deliveries;
    size_t unlocked_writes; /* after a failover forgot a lock, within a lease */
};
extern struct sim sim;

/* One history; the caller is about to end or knows that dead workers' memory stays. */
void sim_run(const struct sim_plan *plan, bool is_verbose);
/* All later histories tell this, too, what happens to the data in Redis. Borrowed. */
void sim_mirror(const struct redis_mirror *mirror);
/* A line of the history. */
void sim_say(const char *fmt, ...) CW_PRINTF(1, 2);
/* The first failure counts; the history goes on to a quick end. */
void sim_fail(const char *fmt, ...) CW_PRINTF(1, 2);
int64_t sim_now(void); /* since its start */

/* ---- versions.c ---- */
/* The tables that a worker of this version runs. */
cw_plan_of_fn sim_plans(enum sim_version version);
const char *sim_version_name(enum sim_version version);
#define SIM_OLDER_PLAN 1
/* A step of the newer plans, and what it makes: a security group of that name, with the request's id. */
#define SIM_STEP_MARK "sim_mark"
#define SIM_MARK "mark-"

/* ---- fleet.c ---- */
void sim_fleet_begin(void);
/* After each turn: buries the dead, frees the drained, starts others in their place. */
void sim_fleet_tend(void);
void sim_fleet_crash(size_t worker);
void sim_fleet_freeze(size_t worker, int64_t ms);
void sim_fleet_terminate(size_t worker);
void sim_fleet_skew(size_t worker, int64_t ms);
struct sim_worker *sim_worker_of(const struct cw_loop *loop);
/* Take all down for good. */
void sim_fleet_end(void);
bool sim_fleet_is_gone(void);

/* ---- check.c ---- */
void sim_check_begin(void);
/* After an HTTP call of this worker. */
void sim_check_ledger(const struct sim_worker *by);
/* After each turn. */
void sim_check_limits(struct sim_worker *w);
bool sim_is_finished(const char *topic, int32_t partition, const struct kafka_message *message);
bool sim_has_come_to_rest(void);
/* Once all workers have gone. */
void sim_check_end(void);
int sim_log_fd(void);

#endif

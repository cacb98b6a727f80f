/* worker/engine/engine.h: the engine as one thing: locks, journal, runner, intake, and their drain.
 *
 * Several may live in one process (the simulated world does that).
 * Suspends: cw_engine_drain only.  Thread: loop. */
#ifndef CW_WORKER_ENGINE_ENGINE_H
#define CW_WORKER_ENGINE_ENGINE_H

#include "worker/engine/intake.h"

struct cw_engine;

/* Strings are copied; the rest is borrowed. */
struct cw_engine_cfg {
    struct cw_loop *loop;
    struct cw_redis *redis;
    struct cw_sink sink;
    struct cw_reader results; /* reads topic_results */
    const char *worker_id;
    const char *topic_requests;
    const char *topic_requests_bulk; /* NULL or "" = none */
    const char *topic_progress;
    const char *topic_results;
    const char *topic_deadletter;
    const struct cw_plan *(*plan_of)(const struct cw_request *req);
    int (*clients_of)(void *arg, const struct cw_request *req, const struct cw_clients **ret_clients,
                      struct cw_err *err);
    void (*fatal)(void *arg, const struct cw_err *err);
    void *arg; /* of clients_of and fatal */
    size_t slots;
    size_t reserved;
    size_t queued_max;
    size_t light_max;
    size_t request_bytes_max;
    size_t job_memory_max;
    size_t step_memory_max;
    int64_t lease_ms;
    int64_t lease_margin_ms;
    int64_t wait_replicas;
    int64_t retention_ms;
    int64_t crash_limit;
    int64_t undo_timeout_ms;
    int64_t waiting_interval_ms;
    int64_t commit_interval_ms;
    int64_t repost_interval_ms;
    int64_t time_scale;
};

/* Errors: -CW_ENOMEM, -CW_EINVAL (limits that contradict each other). */
int cw_engine_new(const struct cw_engine_cfg *cfg, struct cw_engine **ret_engine, struct cw_err *err);
/* Drained, or never joined and without jobs. NULL is fine. */
void cw_engine_free(struct cw_engine *e);
/* Join the group: requests come from now on. */
int cw_engine_join(struct cw_engine *e, const struct cw_kafka_in_cfg *kafka, struct cw_err *err);
/* Stop taking records; park every job; leave the group, all before the deadline, of which leaving keeps a quarter. What is not handed over
 * by then is left to its journal and its lease. False: something was left, and cw_engine_free() must not be called. Suspends: yes. */
bool cw_engine_drain(struct cw_engine *e, struct cw_deadline until);
size_t cw_engine_count(const struct cw_engine *e);
bool cw_engine_is_assigned(const struct cw_engine *e);
int64_t cw_engine_lag(struct cw_engine *e);
/* What keeps requests from being answered until people mend it; NULL = nothing. */
const char *cw_engine_trouble(const struct cw_engine *e);
struct cw_locks *cw_engine_locks(struct cw_engine *e);
struct cw_runner *cw_engine_runner(struct cw_engine *e);
struct cw_intake *cw_engine_intake(struct cw_engine *e);
/* Upper bound of the fibers that it may have at one time. */
size_t cw_engine_fibers_max(size_t slots, size_t light_max);

#endif

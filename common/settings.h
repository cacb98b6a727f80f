/* common/settings.h: the one configuration table: every setting of the worker, which the operator's command shares.
 *
 * It stands above the rest of `common` (it carries the configurations of Kafka and Redis clients as they are), and is used by
 * worker/app and ops/ctl alone. Read once at start by cw_cfg_load(), const afterwards; freed by cw_cfg_fini().
 * Suspends: never.  Thread: main. */
#ifndef CW_COMMON_SETTINGS_H
#define CW_COMMON_SETTINGS_H

#include "common/cfg.h"
#include "common/net/kafka_out.h"
#include "common/net/redis.h"

/* In the order of the choices of azure.cloud. */
enum cw_settings_cloud {
    CW_SETTINGS_CHINA = 0,
    CW_SETTINGS_PUBLIC,
    CW_SETTINGS_USGOV,
    CW_SETTINGS_CUSTOM,
};

/* Strings are owned by the settings, NULL when unset. */
struct cw_settings {
    char *worker_id; /* NULL: made from the host's name and the process id */

    struct cw_kafka_cfg kafka;
    char *kafka_group;
    char *kafka_instance_id;
    int64_t kafka_session_timeout_ms;
    int64_t kafka_fetch_wait_ms;
    bool kafka_from_start;
    char *topic_requests;
    char *topic_requests_bulk;
    char *topic_progress;
    char *topic_results;
    char *topic_deadletter;

    struct cw_redis_cfg redis;
    int64_t redis_wait_replicas;

    int64_t azure_cloud; /* enum cw_settings_cloud */
    char *azure_arm_endpoint;
    char *azure_authority_host;
    char *azure_arm_audience;
    char *azure_workspace_suffix;
    int64_t azure_workspace_port; /* 0 = 443 */
    char *azure_private_zone;
    char *azure_management_resource;
    int64_t azure_time_scale;
    char *azure_tenant_id;
    char *azure_client_id;
    char *azure_client_secret; /* a secret */
    char *azure_client_certificate_path;
    char *azure_client_certificate_password; /* a secret */
    char *azure_federated_token_file;
    char *azure_imds_endpoint;

    char *policy_tenants;       /* comma-separated; NULL = any */
    char *policy_subscriptions; /* the same */
    char *policy_regions;       /* the same */

    char *tls_ca_file;

    int64_t jobs_max;          /* requests that run at the same time */
    int64_t jobs_reserved;     /* of them, for the interactive lane alone */
    int64_t queued_max;        /* accepted and waiting for a slot, for each lane */
    int64_t light_max;         /* refusals, cancels and dead letters at the same time */
    int64_t request_bytes_max; /* a bigger record is a dead letter */
    int64_t job_memory_max;    /* bytes, what a job remembers between steps */
    int64_t step_memory_max;   /* bytes, what a step may use */

    int64_t lock_lease_ms;
    int64_t lock_margin_ms;
    int64_t journal_retention_ms;
    int64_t journal_crash_limit;
    int64_t commit_interval_ms;
    int64_t waiting_interval_ms; /* between two progress events that say the same */
    int64_t repost_interval_ms;
    int64_t undo_timeout_ms;
    int64_t drain_timeout_ms;
    const char *dns_resolver;   /* "" = none */
    int64_t reaper_interval_ms; /* 0 = never */
    int64_t reaper_age_ms;

    char *metrics_listen;    /* "" = none */
    char *metrics_port_file; /* NULL = none */
    int64_t log_level;       /* enum cw_log_level */
};

extern const struct cw_cfg_row cw_settings_rows[];
extern const size_t cw_settings_row_count;

#endif

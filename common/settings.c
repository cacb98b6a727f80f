#include "common/settings.h"

#define STR(setting, environment, member, fallback, sentence)                                 \
    {                                                                                         \
        .name = (setting), .env = (environment), .type = CW_CFG_STR,                          \
        .offset = offsetof(struct cw_settings, member), .def = (fallback), .text = (sentence) \
    }
#define SECRET(setting, environment, member, sentence)                                        \
    {                                                                                         \
        .name = (setting), .env = (environment), .type = CW_CFG_STR,                          \
        .offset = offsetof(struct cw_settings, member), .text = (sentence), .is_secret = true \
    }
#define NUM(setting, kind, member, lo, hi, fallback, sentence)                                          \
    {                                                                                                   \
        .name = (setting), .type = (kind), .offset = offsetof(struct cw_settings, member), .min = (lo), \
        .max = (hi), .def = (fallback), .text = (sentence)                                              \
    }
#define CHOICE(setting, member, list, fallback, sentence)                                       \
    {                                                                                           \
        .name = (setting), .type = CW_CFG_ENUM, .offset = offsetof(struct cw_settings, member), \
        .choices = (list), .def = (fallback), .text = (sentence)                                \
    }
#define SEC 1000
#define MIN (60 * SEC)
#define DAY (INT64_C(24) * 60 * MIN)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

const struct cw_cfg_row cw_settings_rows[] = {
    STR("worker.id", NULL, worker_id, NULL,
        "Name of this worker in events, locks and logs (default: host name and process id)."),

    STR("kafka.brokers", NULL, kafka.brokers, "127.0.0.1:9092",
        "Kafka or Event Hubs brokers, host:port separated by commas."),
    STR("kafka.client-id", NULL, kafka.client_id, "causeway", "Client id shown by the brokers."),
    STR("kafka.security-protocol", NULL, kafka.security_protocol, "plaintext",
        "plaintext, ssl, sasl_plaintext or sasl_ssl."),
    STR("kafka.sasl-mechanism", NULL, kafka.sasl_mechanism, NULL, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
    STR("kafka.sasl-username", NULL, kafka.sasl_username, NULL,
        "SASL user; \"$ConnectionString\" for Event Hubs."),
    SECRET("kafka.sasl-password", NULL, kafka.sasl_password, "SASL password."),
    STR("kafka.ca-file", NULL, kafka.ca_file, NULL,
        "Certificate authorities that the brokers' certificates are checked against."),
    STR("kafka.cert-file", NULL, kafka.cert_file, NULL, "Client certificate for the brokers."),
    STR("kafka.key-file", NULL, kafka.key_file, NULL, "Private key of the client certificate."),
    STR("kafka.group", NULL, kafka_group, "causeway",
        "Consumer group of the fleet; on Event Hubs unique per purpose."),
    STR("kafka.instance-id", NULL, kafka_instance_id, NULL,
        "Static group membership: a name that survives restarts."),
    NUM("kafka.session-timeout", CW_CFG_DURATION, kafka_session_timeout_ms, 1 * SEC, 30 * MIN, "45s",
        "A worker that is silent for so long loses its partitions."),
    NUM("kafka.fetch-wait", CW_CFG_DURATION, kafka_fetch_wait_ms, 1, 60 * SEC, "100ms",
        "Longest wait of one fetch at the broker."),
    NUM("kafka.from-start", CW_CFG_BOOL, kafka_from_start, 0, 1, "true",
        "Without a committed offset, begin with the oldest request."),

    STR("topics.requests", NULL, topic_requests, "causeway.requests", "Requests from people."),
    STR("topics.requests-bulk", NULL, topic_requests_bulk, "causeway.requests.bulk",
        "Requests from campaigns; empty = none."),
    STR("topics.progress", NULL, topic_progress, "causeway.progress", "Progress events."),
    STR("topics.results", NULL, topic_results, "causeway.results", "Verdicts."),
    STR("topics.deadletter", NULL, topic_deadletter, "causeway.deadletter",
        "What could not be read as a request."),

    STR("redis.url", NULL, redis.url, "redis://127.0.0.1:6379",
        "redis:// or rediss:// (TLS) with host, port and database."),
    STR("redis.username", NULL, redis.username, NULL, "ACL user; overrides the URL's."),
    SECRET("redis.password", NULL, redis.password, "Password; overrides the URL's."),
    STR("redis.ca-file", NULL, redis.ca_file, NULL, "Certificate authorities for rediss://."),
    NUM("redis.command-timeout", CW_CFG_DURATION, redis.command_timeout_ms, 100, 60 * SEC, "5s",
        "Upper bound of one command."),
    NUM("redis.wait-replicas", CW_CFG_INT, redis_wait_replicas, 0, 8, "0",
        "Replicas that must have a lock, its renewal, a claim or a verdict before it counts; 0 where there are none."),

    CHOICE("azure.cloud", azure_cloud, "china|public|usgov|custom", "china",
           "Which Azure this fleet works in."),
    STR("azure.arm-endpoint", NULL, azure_arm_endpoint, NULL,
        "Custom cloud: base URL of Azure Resource Manager."),
    STR("azure.authority-host", "AZURE_AUTHORITY_HOST", azure_authority_host, NULL,
        "Base URL of the token service."),
    STR("azure.arm-audience", NULL, azure_arm_audience, NULL,
        "Custom cloud: audience of tokens for Resource Manager."),
    STR("azure.workspace-suffix", NULL, azure_workspace_suffix, NULL,
        "Custom cloud: host suffix of workspaces."),
    NUM("azure.workspace-port", CW_CFG_INT, azure_workspace_port, 0, 65535, "0",
        "Custom cloud: port of workspaces; 0 = 443."),
    STR("azure.private-zone", NULL, azure_private_zone, NULL,
        "Custom cloud: name of the private DNS zone of workspaces."),
    STR("azure.management-resource", NULL, azure_management_resource, NULL,
        "Custom cloud: audience of the management token that first contact with a workspace needs."),
    NUM("azure.time-scale", CW_CFG_INT, azure_time_scale, 1, 100000, "1",
        "Development only: divides the waits between looks at Azure, and between runs of a repeated verification, for simulators with fast "
        "clocks."),
    STR("azure.tenant-id", "AZURE_TENANT_ID", azure_tenant_id, NULL, "Tenant of the worker's identity."),
    STR("azure.client-id", "AZURE_CLIENT_ID", azure_client_id, NULL, "Client id of the worker's identity."),
    SECRET("azure.client-secret", "AZURE_CLIENT_SECRET", azure_client_secret, "Client secret."),
    STR("azure.client-certificate-path", "AZURE_CLIENT_CERTIFICATE_PATH", azure_client_certificate_path, NULL,
        "Client certificate with its key, PEM or PKCS #12."),
    SECRET("azure.client-certificate-password", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
           azure_client_certificate_password, "Password of the client certificate's file."),
    STR("azure.federated-token-file", "AZURE_FEDERATED_TOKEN_FILE", azure_federated_token_file, NULL,
        "Token of workload identity; read again at each exchange."),
    STR("azure.imds-endpoint", "AZURE_POD_IDENTITY_AUTHORITY_HOST", azure_imds_endpoint, NULL,
        "Where managed identity gets its tokens, if not from http://169.254.169.254."),

    STR("policy.tenants", NULL, policy_tenants, NULL,
        "Tenants that requests may name, separated by commas (default: any)."),
    STR("policy.subscriptions", NULL, policy_subscriptions, NULL,
        "Subscriptions that requests may name (default: any)."),
    STR("policy.regions", NULL, policy_regions, NULL, "Regions that requests may name (default: any)."),

    STR("tls.ca-file", NULL, tls_ca_file, NULL,
        "Certificate authorities for Azure and Databricks instead of the system's."),

    NUM("limits.jobs", CW_CFG_INT, jobs_max, 1, 20000, "500", "Requests that run at the same time."),
    NUM("limits.jobs-reserved", CW_CFG_INT, jobs_reserved, 0, 20000, "50",
        "Of them, for interactive requests alone."),
    NUM("limits.queued", CW_CFG_INT, queued_max, 1, 100000, "1000",
        "Accepted requests that wait for their turn, for each lane."),
    NUM("limits.light", CW_CFG_INT, light_max, 1, 10000, "256",
        "Refusals, cancels and dead letters at the same time."),
    NUM("limits.request-bytes", CW_CFG_BYTES, request_bytes_max, 1 * KIB, 1 * MIB, "256KiB",
        "A bigger record goes to the dead letters."),
    NUM("limits.job-memory", CW_CFG_BYTES, job_memory_max, 2 * MIB, 256 * MIB, "8MiB",
        "What one request may remember."),
    NUM("limits.step-memory", CW_CFG_BYTES, step_memory_max, 1 * MIB, 1024 * MIB, "64MiB",
        "What one step may use."),

    NUM("lock.lease", CW_CFG_DURATION, lock_lease_ms, 1 * SEC, 10 * MIN, "30s",
        "A dead worker's lock is free after so long."),
    NUM("lock.margin", CW_CFG_DURATION, lock_margin_ms, 100, 60 * SEC, "5s",
        "Writes stop when less than this is left of a lease; under a third of the lease."),
    NUM("journal.retention", CW_CFG_DURATION, journal_retention_ms, 1 * MIN, 400 * DAY, "30d",
        "The same request id gets the same verdict for so long."),
    NUM("journal.crash-limit", CW_CFG_INT, journal_crash_limit, 1, 100, "3",
        "A request whose worker died so many times in one step is failed."),
    NUM("engine.commit-interval", CW_CFG_DURATION, commit_interval_ms, 10, 60 * SEC, "250ms",
        "Between two commits of offsets."),
    NUM("engine.waiting-interval", CW_CFG_DURATION, waiting_interval_ms, 1 * SEC, 1 * DAY, "30s",
        "At least, between two progress events that say the same; what is looked at less often is told less often."),
    NUM("engine.repost-interval", CW_CFG_DURATION, repost_interval_ms, 1 * SEC, 1 * DAY, "15m",
        "A repeated verification that waits for its time is written to its topic anew after so long; far under the topic's "
        "retention."),
    NUM("engine.undo-timeout", CW_CFG_DURATION, undo_timeout_ms, 1 * MIN, 1 * DAY, "90m",
        "Deadline of putting things back."),
    NUM("engine.drain-timeout", CW_CFG_DURATION, drain_timeout_ms, 1 * SEC, 10 * MIN, "8s",
        "After SIGTERM, how long everything may take: handing requests over, leaving the group, the last events."),

    STR("dns.resolver", NULL, dns_resolver, NULL,
        "Name servers that a worker inside the network asks for a workspace's name, before it reads private DNS zones: system, or "
        "addresses (10.0.0.4,10.0.0.5:5353); empty = none is asked."),

    NUM("reaper.interval", CW_CFG_DURATION, reaper_interval_ms, 0, 30 * DAY, "1h",
        "Between two looks of the fleet for verification clusters that no request owns any more; 0s = never."),
    NUM("reaper.age", CW_CFG_DURATION, reaper_age_ms, 10 * MIN, 30 * DAY, "3h",
        "Such a cluster is removed when it started so long ago; longer than a proof takes."),

    STR("metrics.listen", NULL, metrics_listen, "127.0.0.1:9464",
        "Address of /metrics, /healthz and /readyz; empty = none."),
    STR("metrics.port-file", NULL, metrics_port_file, NULL,
        "The port of metrics.listen is written to this file; for port 0."),
    CHOICE("log.level", log_level, "debug|info|warn|error", "info", "Least level that is logged."),
};

const size_t cw_settings_row_count = CW_ARRAY_LEN(cw_settings_rows);

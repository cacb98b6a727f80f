/* common/net/kafka_out.h: an idempotent producer: acks=all; a delivery report wakes the fiber that sent.
 *
 * Suspends: cw_kafka_send.  Thread: loop.  Source: librdkafka CONFIGURATION. */
#ifndef CW_COMMON_NET_KAFKA_OUT_H
#define CW_COMMON_NET_KAFKA_OUT_H

#include "common/arena.h"
#include "common/net/loop.h"
#include "common/str.h"

/* What every client of a cluster needs. Strings are copied by who takes it. */
struct cw_kafka_cfg {
    const char *brokers;           /* "host:port,host:port" */
    const char *client_id;         /* NULL = "causeway" */
    const char *security_protocol; /* "plaintext", "ssl", "sasl_plaintext", "sasl_ssl"; NULL = plaintext */
    const char *sasl_mechanism;    /* "PLAIN", "SCRAM-SHA-512", …; NULL = none */
    const char *sasl_username;
    const char *sasl_password; /* a secret */
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
};

struct cw_kafka_header {
    const char *name;
    struct cw_str value;
};

struct cw_kafka_record {
    const char *topic;
    struct cw_str key; /* {NULL,0} = no key */
    struct cw_str value;
    const struct cw_kafka_header *headers;
    size_t header_count;
    struct cw_deadline begin_by; /* not handed to the client later; zero = any time */
};

/* A record that has not arrived so long after it was handed over never will. */
#define CW_KAFKA_DELIVERY_MS 30000

struct cw_kafka_out;

/* Errors: -CW_ENOMEM, -CW_EINVAL. Does not wait for a connection. */
int cw_kafka_out_new(struct cw_loop *loop, const struct cw_kafka_cfg *cfg, struct cw_kafka_out **ret_out,
                     struct cw_err *err);
/* Flushes for at most flush_ms (blocks), then drops what is left. NULL is fine. */
void cw_kafka_out_free(struct cw_kafka_out *out, int64_t flush_ms);
/* Wait until the brokers have acknowledged the record. Nothing of rec is kept. Errors: -CW_ETIMEDOUT or cancellation (the
 * record may still arrive, unless begin_by had passed), -CW_ENET, -CW_ETOOBIG, -CW_EDENIED, -CW_EREMOTE. Suspends: yes. */
int cw_kafka_send(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct cw_deadline until,
                  struct cw_err *err);
/* Hand over without waiting: for progress events, whose loss is tolerable. Failures count in a metric. Suspends: no. */
int cw_kafka_post(struct cw_kafka_out *out, const struct cw_kafka_record *rec, struct cw_err *err);
/* Can the cluster be reached, do the topics exist? Blocking; for `doctor` and start-up checks. Missing topics are named in
 * err. Errors: -CW_ENET, -CW_ENOTFOUND, -CW_EDENIED. */
int cw_kafka_check(struct cw_kafka_out *out, const char *const *topics, size_t topic_count,
                   int64_t timeout_ms, struct cw_err *err);
/* Delivery reports outstanding. */
size_t cw_kafka_out_queued(const struct cw_kafka_out *out);

#endif

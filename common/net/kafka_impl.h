/* common/net/kafka_impl.h: what the Kafka clients share. For common/net alone.
 *
 * librdkafka's own threads never call us: each client has queues that write into one eventfd, which the loop watches.
 * Suspends: never.  Thread: loop.  Source: librdkafka CONFIGURATION, rdkafka.h. */
#ifndef CW_COMMON_NET_KAFKA_IMPL_H
#define CW_COMMON_NET_KAFKA_IMPL_H

#include <librdkafka/rdkafka.h>

#include "common/net/kafka_out.h"
#include "common/net/loop_uv.h"

/* Settings under construction; the first failure sticks. */
struct cw_kafka_conf {
    rd_kafka_conf_t *rd;
    struct cw_err *err;
    int result;
};

/* A configuration with what every client of the cluster needs. */
void cw_kafka_conf_init(struct cw_kafka_conf *conf, const struct cw_kafka_cfg *cfg, struct cw_err *err);
void cw_kafka_conf_set(struct cw_kafka_conf *conf, const char *name,
                       const char *value); /* NULL value: left alone */
void cw_kafka_conf_set_int(struct cw_kafka_conf *conf, const char *name, int64_t value);
/* Make the client; the configuration is consumed in any case. Errors: -CW_EINVAL, -CW_ENOMEM. */
int cw_kafka_conf_start(struct cw_kafka_conf *take_conf, rd_kafka_type_t type, rd_kafka_t **ret_rk,
                        struct cw_err *err);

/* Destroy a client, which may take seconds when a broker is silent, beside the loop; freeing the loop waits for it. Nothing may use it any
 * more. NULL is fine. */
void cw_kafka_destroy_beside(uv_loop_t *uv, rd_kafka_t *take_rk, int flags);

#define CW_KAFKA_HEADERS_MAX 64
/* Headers of a message, at most max, as long as it lives; how many. */
size_t cw_kafka_read_headers(const rd_kafka_message_t *message, struct cw_kafka_header *to, size_t max);

/* Our code for librdkafka's. */
int cw_kafka_code(rd_kafka_resp_err_t error);
/* Fill err: code, remote_code (librdkafka's name), text "what: reason". Returns the negative code. */
int cw_kafka_err(struct cw_err *err, rd_kafka_resp_err_t error, const char *reason, const char *what);

/* Wakes the loop when a queue has something. serve() handles some of it and says whether there may be more: then it is called
 * again in the next turn, after everybody else. */
struct cw_kafka_wake;
typedef bool (*cw_kafka_serve_fn)(void *arg);
/* Errors: -CW_ENOMEM. */
int cw_kafka_wake_new(struct cw_loop *loop, cw_kafka_serve_fn serve, void *arg,
                      struct cw_kafka_wake **ret_wake);
/* The queues must have been taken off before. NULL is fine. */
void cw_kafka_wake_free(struct cw_kafka_wake *wake);
void cw_kafka_wake_on(struct cw_kafka_wake *wake, rd_kafka_queue_t *queue);
void cw_kafka_wake_off(rd_kafka_queue_t *queue);
/* Have serve() called in the next turn. */
void cw_kafka_wake_now(struct cw_kafka_wake *wake);

#endif

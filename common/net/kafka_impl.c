#include "common/net/kafka_impl.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define CLIENT_ID_DEFAULT "causeway"
#define REASON_BYTES 256

/* --- configuration ------------------------------------------------------------------------------------------------ */

/* Errors also arrive as events; librdkafka's own lines would bypass the log. */
static void drop_line(const rd_kafka_t *rk, int level, const char *facility, const char *line)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)line;
}

void cw_kafka_conf_set(struct cw_kafka_conf *conf, const char *name, const char *value)
{
    char reason[REASON_BYTES];
    if (conf->result < 0 || value == NULL)
        return;
    if (rd_kafka_conf_set(conf->rd, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return;
    /* The reason repeats the value, which may be a secret. */
    bool is_secret = strcmp(name, "sasl.password") == 0;
    conf->result =
        cw_err_set(conf->err, CW_EINVAL, "Kafka setting %s: %s", name, is_secret ? "bad value" : reason);
}

void cw_kafka_conf_set_int(struct cw_kafka_conf *conf, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    cw_kafka_conf_set(conf, name, text);
}

void cw_kafka_conf_init(struct cw_kafka_conf *conf, const struct cw_kafka_cfg *cfg, struct cw_err *err)
{
    *conf = (struct cw_kafka_conf){.rd = rd_kafka_conf_new(), .err = err};
    rd_kafka_conf_set_log_cb(conf->rd, drop_line);
    if (cfg->brokers == NULL || cfg->brokers[0] == '\0')
        conf->result = cw_err_set(err, CW_EINVAL, "no Kafka brokers are configured");
    cw_kafka_conf_set(conf, "bootstrap.servers", cfg->brokers);
    cw_kafka_conf_set(conf, "client.id", cfg->client_id != NULL ? cfg->client_id : CLIENT_ID_DEFAULT);
    cw_kafka_conf_set(conf, "security.protocol", cfg->security_protocol);
    cw_kafka_conf_set(conf, "sasl.mechanism", cfg->sasl_mechanism);
    cw_kafka_conf_set(conf, "sasl.username", cfg->sasl_username);
    cw_kafka_conf_set(conf, "sasl.password", cfg->sasl_password);
    cw_kafka_conf_set(conf, "ssl.ca.location", cfg->ca_file);
    cw_kafka_conf_set(conf, "ssl.certificate.location", cfg->cert_file);
    cw_kafka_conf_set(conf, "ssl.key.location", cfg->key_file);
    cw_kafka_conf_set(conf, "socket.keepalive.enable", "true");
    cw_kafka_conf_set(conf, "reconnect.backoff.ms", "50");
    cw_kafka_conf_set(conf, "reconnect.backoff.max.ms", "3000");
}

int cw_kafka_conf_start(struct cw_kafka_conf *take_conf, rd_kafka_type_t type, rd_kafka_t **ret_rk,
                        struct cw_err *err)
{
    char reason[REASON_BYTES];
    if (take_conf->result < 0) {
        rd_kafka_conf_destroy(take_conf->rd);
        return take_conf->result;
    }
    rd_kafka_t *rk = rd_kafka_new(type, take_conf->rd, reason, sizeof reason);
    if (rk == NULL) {
        rd_kafka_conf_destroy(take_conf->rd);
        return cw_err_set(err, CW_EINVAL, "Kafka client: %s", reason);
    }
    *ret_rk = rk;
    return 0;
}

/* --- end ---------------------------------------------------------------------------------------------------------- */

/* First member: libuv's request. */
struct remains {
    uv_work_t uv;
    rd_kafka_t *rk;
    int flags;
};

static void destroy_remains(uv_work_t *uv)
{
    const struct remains *remains = (const struct remains *)uv;
    rd_kafka_destroy_flags(remains->rk, remains->flags);
}

static void free_remains(uv_work_t *uv, int status)
{
    (void)status;
    free(uv);
}

void cw_kafka_destroy_beside(uv_loop_t *uv, rd_kafka_t *take_rk, int flags)
{
    struct remains *remains = take_rk != NULL ? calloc(1, sizeof *remains) : NULL;
    if (remains == NULL) {
        if (take_rk != NULL)
            rd_kafka_destroy_flags(take_rk, flags);
        return;
    }
    remains->rk = take_rk;
    remains->flags = flags;
    CW_BUG_ON(uv_queue_work(uv, &remains->uv, destroy_remains, free_remains) != 0);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

size_t cw_kafka_read_headers(const rd_kafka_message_t *message, struct cw_kafka_header *to, size_t max)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    size_t count = 0;
    const char *name = NULL;
    const void *value = NULL;
    size_t bytes = 0;
    while (count < max &&
           rd_kafka_header_get_all(headers, count, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        to[count++] = (struct cw_kafka_header){.name = name, .value = {value, bytes}};
    }
    return count;
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

int cw_kafka_code(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return CW_OK;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return CW_ENET;
    case RD_KAFKA_RESP_ERR__SSL:
        return CW_ETLS;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return CW_EAUTH;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return CW_EDENIED;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return CW_ETOOBIG;
    default:
        return CW_EREMOTE;
    }
}

int cw_kafka_err(struct cw_err *err, rd_kafka_resp_err_t error, const char *reason, const char *what)
{
    int r = cw_err_set(err, cw_kafka_code(error), "%s: %s", what,
                       reason != NULL ? reason : rd_kafka_err2str(error));
    (void)cw_z_copy(err->remote_code, sizeof err->remote_code, rd_kafka_err2name(error));
    return r;
}

/* --- waking the loop ---------------------------------------------------------------------------------------------- */

/* First member: libuv's handle. */
struct cw_kafka_wake {
    uv_poll_t uv;
    int fd; /* eventfd */
    cw_kafka_serve_fn serve;
    void *arg;
};

static const uint64_t one = 1;

void cw_kafka_wake_now(struct cw_kafka_wake *wake)
{
    ssize_t n = write(wake->fd, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct cw_kafka_wake *wake = (struct cw_kafka_wake *)poll;
    uint64_t count = 0;
    (void)status;
    (void)events;
    ssize_t n = read(wake->fd, &count, sizeof count);
    (void)n;
    if (wake->serve(wake->arg))
        cw_kafka_wake_now(wake);
}

int cw_kafka_wake_new(struct cw_loop *loop, cw_kafka_serve_fn serve, void *arg,
                      struct cw_kafka_wake **ret_wake)
{
    struct cw_kafka_wake *wake = calloc(1, sizeof *wake);
    if (wake == NULL)
        return -CW_ENOMEM;
    wake->serve = serve;
    wake->arg = arg;
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake->fd < 0 || uv_poll_init(cw_loop_uv(loop), &wake->uv, wake->fd) != 0) {
        if (wake->fd >= 0)
            (void)close(wake->fd);
        free(wake);
        return -CW_ENOMEM;
    }
    (void)uv_poll_start(&wake->uv, UV_READABLE, on_event);
    *ret_wake = wake;
    return 0;
}

void cw_kafka_wake_free(struct cw_kafka_wake *wake)
{
    if (wake == NULL)
        return;
    (void)uv_poll_stop(&wake->uv);
    (void)close(wake->fd);
    cw_uv_close_free(wake);
}

void cw_kafka_wake_on(struct cw_kafka_wake *wake, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, wake->fd, &one, sizeof one);
}

void cw_kafka_wake_off(rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
}

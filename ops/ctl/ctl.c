#include "ops/ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

#define SEND_TIMEOUT_MS 30000

int ctl_usage(const struct ctl_command *cmd, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fprintf(stderr, "causeway %s: ", cmd->name);
    (void)vfprintf(stderr, fmt, args);
    (void)fprintf(stderr, "\nusage: causeway %s %s   (`causeway %s --help` says more)\n", cmd->name,
                  cmd->args, cmd->name);
    va_end(args);
    return CTL_USAGE;
}

int ctl_fail(const struct ctl_command *cmd, const struct cw_err *err)
{
    (void)fprintf(stderr, "causeway %s: %s\n", cmd->name, err->text);
    if (err->remedy[0] != '\0')
        (void)fprintf(stderr, "  remedy: %s\n", err->remedy);
    switch (err->code) {
    case CW_ENET:
    case CW_ETLS:
        return CTL_UNREACHABLE;
    case CW_ETIMEDOUT:
        return CTL_UNREACHABLE;
    case CW_EINVAL:
    case CW_EPARSE:
    case CW_ETOOBIG:
    case CW_ENOTFOUND:
        return CTL_USAGE;
    default:
        return CTL_FAILED;
    }
}

int ctl_run(struct ctl *ctl, cw_fiber_fn fn, void *arg)
{
    const struct cw_sched_cfg cfg = {.fibers_max = 64};
    struct cw_err err = {0};
    if (cw_loop_new(&cfg, &ctl->loop, &err) < 0) {
        (void)fprintf(stderr, "causeway: %s\n", err.text);
        return CTL_FAILED;
    }
    int code = cw_loop_run_fiber(ctl->loop, "ctl", fn, arg);
    cw_loop_free(ctl->loop);
    ctl->loop = NULL;
    return code < 0 ? CTL_FAILED : code;
}

struct cw_kafka_cfg ctl_kafka_cfg(const struct cw_settings *settings)
{
    struct cw_kafka_cfg cfg = settings->kafka;
    cfg.client_id = "causeway-ctl";
    return cfg;
}

int ctl_send(struct cw_kafka_out *out, const char *topic, const char *key, struct cw_str event,
             struct cw_err *err)
{
    const struct cw_kafka_header content_type = {"content-type",
                                                 cw_str_of("application/cloudevents+json; charset=UTF-8")};
    const struct cw_kafka_record rec = {
        .topic = topic,
        .key = cw_str_of(key),
        .value = event,
        .headers = &content_type,
        .header_count = 1,
    };
    int r = cw_kafka_send(out, &rec, cw_in_ms(SEND_TIMEOUT_MS), err);
    if (r == -CW_ETIMEDOUT)
        cw_err_remedy(err, "is the broker address right (--kafka-brokers), and does the topic %s exist?",
                      topic);
    return r;
}

/* ops/ctl/ctl.h: what the commands of `causeway` share: the command table's row, exit codes, connections.
 *
 * Suspends: ctl_run's function.  Thread: main. */
#ifndef CW_OPS_CTL_CTL_H
#define CW_OPS_CTL_CTL_H

#include "common/net/kafka_out.h"
#include "common/settings.h"

/* Exit codes; documented in `causeway --help`. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1, /* it worked, and the answer is no: a verdict other than expected, a check that failed */
    CTL_USAGE = 2,  /* options or input are wrong; nothing was sent */
    CTL_UNREACHABLE = 3, /* Kafka, Redis or Azure could not be reached */
    CTL_TIMEOUT = 4,     /* no answer within the time given */
};

struct ctl {
    struct cw_settings settings;
    struct cw_loop *loop; /* made by ctl_run */
};

struct ctl_command {
    const char *name;
    const char *args;    /* as in the usage line */
    const char *summary; /* one line for the list */
    const char *help;    /* the command's own options and remarks */
    int (*run)(struct ctl *ctl, int argc,
               char **argv); /* argv[0] is the command's name; returns an exit code */
};

extern const struct ctl_command ctl_cmd_submit;
extern const struct ctl_command ctl_cmd_watch;
extern const struct ctl_command ctl_cmd_verify;
extern const struct ctl_command ctl_cmd_diagnose;
extern const struct ctl_command ctl_cmd_cancel;
extern const struct ctl_command ctl_cmd_doctor;
extern const struct ctl_command ctl_cmd_dev;

/* Print "causeway COMMAND: text" and the way to help to stderr; returns CTL_USAGE. */
int ctl_usage(const struct ctl_command *cmd, const char *fmt, ...) CW_PRINTF(2, 3);
/* Print an error with its remedy to stderr; returns the exit code that fits its class. */
int ctl_fail(const struct ctl_command *cmd, const struct cw_err *err);
/* Run fn(arg) on a fiber of a fresh loop; its result, or CTL_FAILED with a message when the loop can't be made. */
int ctl_run(struct ctl *ctl, cw_fiber_fn fn, void *arg);
/* The Kafka cluster of the settings. */
struct cw_kafka_cfg ctl_kafka_cfg(const struct cw_settings *settings);
/* Send one CloudEvent in structured mode to a request topic. Suspends: yes. */
int ctl_send(struct cw_kafka_out *out, const char *topic, const char *key, struct cw_str event,
             struct cw_err *err);

#endif

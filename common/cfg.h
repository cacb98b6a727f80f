/* common/cfg.h: a configuration table: one row per setting gives parsing, checks, --help and the reference in the docs.
 *
 * Order of precedence: command line (--kafka-brokers VALUE or --kafka-brokers=VALUE), environment (CAUSEWAY_KAFKA_BROKERS),
 * default. A secret may also be given as the path of a file in <ENV>_FILE or by --<option>-file. A boolean option may stand
 * alone: --kafka-from-start. An empty text replaces a default and unsets a setting that has none; other types take an empty
 * environment variable for an unset one. Options end at "--". Read once at start; const afterwards.
 * Suspends: never.  Thread: main, before the loop runs. */
#ifndef CW_COMMON_CFG_H
#define CW_COMMON_CFG_H

#include <stdio.h>

#include "common/err.h"
#include "common/str.h"

enum cw_cfg_type {
    CW_CFG_STR = 0,  /* char * (malloc'ed, NULL when unset) */
    CW_CFG_INT,      /* int64_t, with min and max */
    CW_CFG_BOOL,     /* bool: true/false/1/0/yes/no */
    CW_CFG_DURATION, /* int64_t ms: "250ms", "30s", "15m", "2h", "30d"; min and max in ms */
    CW_CFG_BYTES,    /* int64_t: "512", "64KiB", "4MiB" */
    CW_CFG_ENUM,     /* int64_t index into the '|' separated `choices` */
};

struct cw_cfg_row {
    const char *
        name; /* "kafka.brokers": option --kafka-brokers, environment CAUSEWAY_KAFKA_BROKERS unless env is set */
    const char *env; /* another environment name, e.g. AZURE_CLIENT_SECRET; NULL = derived */
    enum cw_cfg_type type;
    size_t offset; /* in the settings struct */
    int64_t min;   /* min and max 0: any value of the type */
    int64_t max;
    const char *def;     /* default as text; NULL = unset */
    const char *choices; /* CW_CFG_ENUM */
    const char *text;    /* one sentence for people */
    bool is_secret;      /* never printed */
    bool is_required;
};

/* Fill `settings` from defaults, environment and argv. Consumed options are removed from argv (argc adjusted), others stay.
 * Errors: -CW_EINVAL with the setting's name, the value (not of secrets) and what is allowed. Free with cw_cfg_fini(). */
int cw_cfg_load(const struct cw_cfg_row *rows, size_t count, void *settings, int *argc, char **argv,
                struct cw_err *err);
void cw_cfg_fini(const struct cw_cfg_row *rows, size_t count, void *settings);
/* Option help for a terminal. */
void cw_cfg_print_help(const struct cw_cfg_row *rows, size_t count, FILE *out);
/* A Markdown table: option, environment, default, meaning. */
void cw_cfg_print_markdown(const struct cw_cfg_row *rows, size_t count, FILE *out);
/* The effective settings as JSON-able "name=value" lines; secrets as "***". */
void cw_cfg_print_effective(const struct cw_cfg_row *rows, size_t count, const void *settings, FILE *out);

#endif

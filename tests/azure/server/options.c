/* Command line of azure-sim. */
#include "tests/azure/server/server.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_PORT = 256,
    OPT_BIND,
    OPT_CERT,
    OPT_KEY,
    OPT_CA_OUT,
    OPT_DOMAIN,
    OPT_CLOUD,
    OPT_SEED,
    OPT_SCALE,
    OPT_STATE,
    OPT_FAULTS,
    OPT_ADMIN,
    OPT_READY,
    OPT_LOG,
    OPT_RECORD,
    OPT_QUIET,
    OPT_VERSION,
    OPT_IDLE
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"port", required_argument, NULL, OPT_PORT},
    {"bind", required_argument, NULL, OPT_BIND},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"ca-out", required_argument, NULL, OPT_CA_OUT},
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"cloud", required_argument, NULL, OPT_CLOUD},
    {"seed", required_argument, NULL, OPT_SEED},
    {"time-scale", required_argument, NULL, OPT_SCALE},
    {"state", required_argument, NULL, OPT_STATE},
    {"faults", required_argument, NULL, OPT_FAULTS},
    {"admin-port", required_argument, NULL, OPT_ADMIN},
    {"ready-file", required_argument, NULL, OPT_READY},
    {"log", required_argument, NULL, OPT_LOG},
    {"record", required_argument, NULL, OPT_RECORD},
    {"idle-timeout", required_argument, NULL, OPT_IDLE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "azure-sim: a simulated Azure (Resource Manager, Entra tokens, Databricks workspaces) behind HTTPS\n"
    "\n"
    "Usage: azure-sim [options]\n"
    "\n"
    "  --port N           HTTPS port, 0 = a free one                          (8443)\n"
    "  --bind ADDRESS     address to listen on                                (127.0.0.1)\n"
    "  --domain NAME      management.NAME, login.NAME, *.databricks.NAME      (azure.localhost)\n"
    "  --cloud CLOUD      instead: the host names of china, public or usgov\n"
    "  --cert FILE        certificate chain, PEM; without it one is made, signed by a CA of its own\n"
    "  --key FILE         key of --cert, PEM\n"
    "  --ca-out FILE      where to write the CA that was made                 (a temporary file, removed at exit)\n"
    "  --seed N           seed of all chance                                  (1)\n"
    "  --time-scale X     simulated seconds per real second                   (1)\n"
    "  --state FILE       state document to start with; repeatable            (see tests/azure/states)\n"
    "  --faults FILE      fault rules, JSON array\n"
    "  --admin-port N     plain HTTP on 127.0.0.1 to look and to steer; 0 = a free one, none = off   (0)\n"
    "  --ready-file FILE  written when listening: JSON with ports, CA file, pid and host names\n"
    "  --log FILE         one JSON line per request, - = standard output      (no log)\n"
    "  --record FILE      one JSON line per exchange with both bodies, without secrets; - = standard output\n"
    "  --idle-timeout S   seconds after which a silent connection is closed   (60)\n"
    "  --quiet            print nothing at the start\n"
    "  --version          print the version\n"
    "  -h, --help         this text\n"
    "\n"
    "Every start has subscription 11111111-1111-1111-1111-111111111111, tenant 22222222-2222-2222-2222-222222222222, client\n"
    "33333333-3333-3333-3333-333333333333 with the secret \"sim-secret\". GET / on the admin port lists what it can do.\n"
    "SIGTERM and SIGINT end it within a second.\n"
    "\n"
    "Exit codes: 0 ended by a signal, 1 could not listen or write a file, 2 wrong option, 3 a state or fault file is wrong.\n";

static int complain(const char *what, const char *value)
{
    fprintf(stderr, "azure-sim: %s: %s\nTry 'azure-sim --help'.\n", what, value);
    return SIM_EXIT_USAGE;
}

/* A number within limits, whole or not; false after complaining. */
static bool read_number(const char *name, const char *text, double min, double max, double *ret_number)
{
    bool is_whole = strncmp(name, "--time-scale", 12) != 0;
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    bool is_good = errno == 0 && end != text && *end == '\0' && number >= min && number <= max &&
                   (!is_whole || text[strspn(text, "0123456789")] == '\0');
    if (is_good)
        *ret_number = number;
    else
        (void)complain(name, text);
    return is_good;
}

static int set_number(struct sim_options *o, int option, const char *text)
{
    double number = 0;
    bool is_good = false;
    switch (option) {
    case OPT_PORT:
        is_good = read_number("--port wants 0..65535, not", text, 0, 65535, &number);
        o->port = (int)number;
        break;
    case OPT_ADMIN:
        is_good = strcmp(text, "none") == 0 ||
                  read_number("--admin-port wants 0..65535 or none, not", text, 0, 65535, &number);
        o->admin_port = strcmp(text, "none") == 0 ? -1 : (int)number;
        break;
    case OPT_IDLE:
        is_good = read_number("--idle-timeout wants 1..3600 seconds, not", text, 1, 3600, &number);
        o->idle_timeout_s = (int)number;
        break;
    case OPT_SEED:
        is_good =
            read_number("--seed wants a whole number up to 9000000000000000, not", text, 0, 9e15, &number);
        o->seed = (uint64_t)number;
        break;
    default:
        is_good = read_number("--time-scale wants 0.001..1000000, not", text, 0.001, 1e6, &number);
        o->time_scale = number;
        break;
    }
    return is_good ? -1 : SIM_EXIT_USAGE;
}

static int set_option(struct sim_options *o, int option, const char *value)
{
    switch (option) {
    case 'h':
        fputs(help_text, stdout);
        return SIM_EXIT_OK;
    case OPT_VERSION:
        printf("azure-sim %s\n", CW_VERSION);
        return SIM_EXIT_OK;
    case OPT_BIND:
        o->bind = value;
        return -1;
    case OPT_CERT:
        o->cert_file = value;
        return -1;
    case OPT_KEY:
        o->key_file = value;
        return -1;
    case OPT_CA_OUT:
        o->ca_out = value;
        return -1;
    case OPT_DOMAIN:
        o->domain = value;
        return -1;
    case OPT_CLOUD:
        o->cloud = value;
        return -1;
    case OPT_FAULTS:
        o->faults_file = value;
        return -1;
    case OPT_READY:
        o->ready_file = value;
        return -1;
    case OPT_LOG:
        o->log_file = value;
        return -1;
    case OPT_RECORD:
        o->record_file = value;
        return -1;
    case OPT_QUIET:
        o->is_quiet = true;
        return -1;
    case OPT_STATE:
        if (o->state_count == SIM_STATES_MAX)
            return complain("too many --state files, at", value);
        o->states[o->state_count++] = value;
        return -1;
    case OPT_PORT:
    case OPT_ADMIN:
    case OPT_IDLE:
    case OPT_SEED:
    case OPT_SCALE:
        return set_number(o, option, value);
    default:
        fputs("Try 'azure-sim --help'.\n", stderr);
        return SIM_EXIT_USAGE;
    }
}

static int check(const struct sim_options *o)
{
    static const char *const clouds[] = {"china", "public", "usgov"};
    bool is_known = o->cloud == NULL;
    for (size_t i = 0; i < sizeof clouds / sizeof clouds[0] && !is_known; i++)
        is_known = strcmp(o->cloud, clouds[i]) == 0;
    if (!is_known)
        return complain("--cloud wants china, public or usgov, not", o->cloud);
    if ((o->cert_file == NULL) != (o->key_file == NULL))
        return complain("--cert and --key belong together, given is only",
                        o->cert_file != NULL ? "--cert" : "--key");
    if (strlen(o->domain) > 200 || o->domain[0] == '\0' || o->domain[0] == '.' ||
        o->domain[strspn(o->domain, "abcdefghijklmnopqrstuvwxyz0123456789.-")] != '\0')
        return complain(
            "--domain wants a name of lower-case letters, digits, dots and hyphens, such as azure.localhost, not",
            o->domain);
    return -1;
}

int sim_options_parse(int argc, char **argv, struct sim_options *ret_options)
{
    struct sim_options o = {.port = 8443,
                            .bind = "127.0.0.1",
                            .domain = "azure.localhost",
                            .seed = 1,
                            .time_scale = 1,
                            .idle_timeout_s = 60};
    for (;;) {
        int option = getopt_long(argc, argv, "h", long_options, NULL);
        if (option < 0)
            break;
        int exit_code = set_option(&o, option, optarg);
        if (exit_code >= 0)
            return exit_code;
    }
    if (optind < argc)
        return complain("unexpected argument", argv[optind]);
    int exit_code = check(&o);
    if (exit_code < 0)
        *ret_options = o;
    return exit_code;
}

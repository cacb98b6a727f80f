/* causeway-dev-broker: a Kafka broker for development and tests: librdkafka's mock cluster in a process of its own.
 *
 * Everything is in memory, on ports of 127.0.0.1 that the system chooses; no TLS, no SASL, no admin requests. A partition keeps
 * 5 MiB. Never for production. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/str.h"

#define BROKERS_MAX 9
#define PARTITIONS_MAX 1000
#define JOIN_DELAY_MS 500
#define LINE_BYTES 256

enum { EXIT_USAGE = 2 };

struct options {
    const char *topics;     /* "name:partitions,…" */
    const char *ready_file; /* NULL = none */
    int64_t brokers;
    int64_t join_delay_ms;
    bool with_stdin;
};

struct broker {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    int count; /* of brokers */
};

static const char help[] =
    "causeway-dev-broker: a Kafka broker for development, all in memory, on a port of 127.0.0.1 that is free\n"
    "\n"
    "Usage: causeway-dev-broker [options]\n"
    "  --topics NAME:PARTITIONS[,…]  create these topics (others appear at first use, with 4 partitions)\n"
    "  --brokers N                   size of the cluster (default 1)\n"
    "  --ready-file FILE             write the bootstrap address there once it serves\n"
    "  --join-delay MS               how long a group waits for its first members (default 500)\n"
    "  --with-stdin                  read commands from standard input, and stop when it ends\n"
    "  --help                        this text\n"
    "\n"
    "Commands: down, up, rtt MS, quit. Prints the bootstrap address. SIGTERM and SIGINT stop it.\n"
    "Exit status: 0 stopped, 1 could not start, 2 usage.\n";

/* --- options ------------------------------------------------------------------------------------------------------ */

static bool parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    return cw_z_to_i64(text, ret_value) && *ret_value >= min && *ret_value <= max;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    enum { TOPICS = 1, BROKERS, READY_FILE, JOIN_DELAY, WITH_STDIN, HELP };
    static const struct option known[] = {
        {"topics", required_argument, NULL, TOPICS},
        {"brokers", required_argument, NULL, BROKERS},
        {"ready-file", required_argument, NULL, READY_FILE},
        {"join-delay", required_argument, NULL, JOIN_DELAY},
        {"with-stdin", no_argument, NULL, WITH_STDIN},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    bool ok = true;
    int c;
    while (ok && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case TOPICS:
            options->topics = optarg;
            break;
        case BROKERS:
            ok = parse_number(optarg, 1, BROKERS_MAX, &options->brokers);
            break;
        case READY_FILE:
            options->ready_file = optarg;
            break;
        case JOIN_DELAY:
            ok = parse_number(optarg, 0, 60000, &options->join_delay_ms);
            break;
        case WITH_STDIN:
            options->with_stdin = true;
            break;
        case HELP:
            (void)fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            ok = false;
        }
    }
    return ok && optind == argc;
}

/* --- the cluster -------------------------------------------------------------------------------------------------- */

/* One of "name:partitions,…", modified in place. */
static bool create_topic(struct broker *b, char *text)
{
    int64_t partitions = 1;
    char *colon = strrchr(text, ':');
    if (colon != NULL) {
        *colon = '\0';
        if (!parse_number(colon + 1, 1, PARTITIONS_MAX, &partitions))
            return false;
    }
    int replicas = CW_MIN(b->count, 3);
    return text[0] != '\0' && rd_kafka_mock_topic_create(b->cluster, text, (int)partitions, replicas) ==
                                  RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool create_topics(struct broker *b, const char *list)
{
    char *copy = strdup(list != NULL ? list : "");
    bool ok = copy != NULL;
    char *rest = copy;
    while (ok && rest != NULL && *rest != '\0') {
        char *name = strsep(&rest, ",");
        ok = create_topic(b, name);
        if (!ok)
            (void)fprintf(stderr, "causeway-dev-broker: cannot create the topic '%s'\n", name);
    }
    free(copy);
    return ok;
}

static void drop_line(const rd_kafka_t *rk, int level, const char *facility, const char *line)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)line;
}

static bool start(struct broker *b, const struct options *options)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, drop_line);
    (void)rd_kafka_conf_set(conf, "client.id", "causeway-dev-broker", reason, sizeof reason);
    b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (b->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        (void)fprintf(stderr, "causeway-dev-broker: %s\n", reason);
        return false;
    }
    b->count = (int)options->brokers;
    b->cluster = rd_kafka_mock_cluster_new(b->rk, b->count);
    if (b->cluster == NULL) {
        (void)fprintf(stderr, "causeway-dev-broker: cannot open a port on 127.0.0.1\n");
        return false;
    }
    rd_kafka_mock_group_initial_rebalance_delay_ms(b->cluster, (int32_t)options->join_delay_ms);
    return create_topics(b, options->topics);
}

static void stop(struct broker *b)
{
    if (b->cluster != NULL)
        rd_kafka_mock_cluster_destroy(b->cluster);
    if (b->rk != NULL)
        rd_kafka_destroy(b->rk);
}

/* Whole or not at all: a reader that waits for the file must not see half an address. */
static bool write_ready_file(const char *path, const char *address)
{
    CW_AUTO(cw_buf_fini) struct cw_buf name = {0};
    cw_buf_addf(&name, "%s.%ld", path, (long)getpid());
    if (name.failed)
        return false;
    FILE *file = fopen(cw_buf_z(&name), "we");
    bool ok = file != NULL && fprintf(file, "%s\n", address) > 0;
    ok = file != NULL && fclose(file) == 0 && ok;
    ok = ok && rename(cw_buf_z(&name), path) == 0;
    if (!ok)
        (void)fprintf(stderr, "causeway-dev-broker: %s: %s\n", path, strerror(errno));
    return ok;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

/* False: stop. */
static bool run_command(struct broker *b, const char *line)
{
    int64_t ms = 0;
    if (strcmp(line, "quit") == 0)
        return false;
    if (strcmp(line, "down") == 0) {
        (void)rd_kafka_mock_broker_set_down(b->cluster, -1);
    } else if (strcmp(line, "up") == 0) {
        (void)rd_kafka_mock_broker_set_up(b->cluster, -1);
    } else if (cw_z_starts(line, "rtt ") && parse_number(line + 4, 0, 60000, &ms)) {
        for (int32_t id = 1; id <= b->count; id++)
            (void)rd_kafka_mock_broker_set_rtt(b->cluster, id, (int)ms);
    } else if (line[0] != '\0') {
        (void)printf("unknown command: %s\n", line);
        return true;
    }
    if (line[0] != '\0')
        (void)printf("ok %s\n", line);
    return true;
}

/* What stdin has now; false: stop. */
static bool read_commands(struct broker *b, struct cw_buf *pending)
{
    char chunk[LINE_BYTES];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    cw_buf_add(pending, chunk, (size_t)n);
    bool goes_on = !pending->failed;
    char *line = pending->p;
    char *end;
    while (goes_on && (end = memchr(line, '\n', pending->n - (size_t)(line - pending->p))) != NULL) {
        *end = '\0';
        goes_on = run_command(b, line);
        line = end + 1;
    }
    if (pending->failed)
        return false;
    size_t used = (size_t)(line - pending->p);
    memmove(pending->p, line, pending->n - used);
    pending->n -= used;
    (void)fflush(stdout);
    return goes_on;
}

static void serve(struct broker *b, int signals, bool with_stdin)
{
    CW_AUTO(cw_buf_fini) struct cw_buf pending = {.max = 16 * LINE_BYTES};
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = with_stdin ? STDIN_FILENO : -1, .events = POLLIN}};
    for (;;) {
        if (poll(fds, CW_ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents != 0)
            return;
        if (fds[1].revents != 0 && !read_commands(b, &pending))
            return;
    }
}

int main(int argc, char **argv)
{
    struct options options = {.brokers = 1, .join_delay_ms = JOIN_DELAY_MS};
    if (!parse_options(argc, argv, &options)) {
        (void)fputs(help, stderr);
        return EXIT_USAGE;
    }
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    struct broker b = {0};
    bool ok = signals >= 0 && start(&b, &options);
    if (ok) {
        const char *address = rd_kafka_mock_cluster_bootstraps(b.cluster);
        (void)printf("%s\n", address);
        (void)fflush(stdout);
        ok = options.ready_file == NULL || write_ready_file(options.ready_file, address);
    }
    if (ok)
        serve(&b, signals, options.with_stdin);
    stop(&b);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* librdkafka behind common/net against a real broker: the suite that the model of Kafka passes, too. The broker is ops/dev/kafka's. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "common/metrics.h"
#include "tests/lib/kafka_suite.h"

#define RUNNER "ops/dev/kafka/run"
#define CALL_MS 60000
#define START_S "200" /* a JVM on a machine that has other things to do */

static char folder[] = "/tmp/cw-kafka-XXXXXX";
static char address[64];
static struct cw_loop *loop;

/* ---- the broker ------------------------------------------------------------------------------------------------------- */

/* What it prints goes to address when it starts. */
static void run_kafka(const char *verb)
{
    int pipes[2], status = 0;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(pipes[1], STDOUT_FILENO);
        (void)execl(RUNNER, RUNNER, verb, folder, (char *)NULL);
        _exit(127);
    }
    (void)close(pipes[1]);
    char text[sizeof address] = "";
    ssize_t n = read(pipes[0], text, sizeof text - 1);
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    if (n > 0) {
        text[strcspn(text, "\n")] = '\0';
        (void)cw_z_copy(address, sizeof address, text);
    }
}

static void start_broker(void)
{
    run_kafka("start");
}

static void stop_broker(void)
{
    run_kafka("kill");
}

static rd_kafka_t *producer(const char *transactions)
{
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", address, why, sizeof why);
    (void)rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    if (transactions != NULL)
        (void)rd_kafka_conf_set(conf, "transactional.id", transactions, why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(rk);
    return rk;
}

static void make_topic(const char *name, int32_t partitions)
{
    rd_kafka_t *rk = producer(NULL);
    char why[256] = "";
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
    assert_non_null(wanted);
    rd_kafka_CreateTopics(rk, &wanted, 1, NULL, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, CALL_MS);
    assert_non_null(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **made =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    assert_int_equal(count, 1);
    assert_int_equal(rd_kafka_topic_result_error(made[0]), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewTopic_destroy(wanted);
    rd_kafka_destroy(rk);
}

static void must(rd_kafka_error_t *error)
{
    if (error != NULL)
        fail_msg("%s", rd_kafka_error_string(error));
}

/* The end of each transaction takes an offset that no consumer sees, as what compaction removes does. */
static void send_with_gaps(const char *name, size_t count)
{
    rd_kafka_t *rk = producer(name);
    must(rd_kafka_init_transactions(rk, CALL_MS));
    for (size_t i = 0; i < count; i++) {
        must(rd_kafka_begin_transaction(rk));
        assert_int_equal(
            rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(name), RD_KAFKA_V_VALUE("gap", 3), RD_KAFKA_V_END),
            RD_KAFKA_RESP_ERR_NO_ERROR);
        must(rd_kafka_commit_transaction(rk, CALL_MS));
    }
    rd_kafka_destroy(rk);
}

/* ---- the victim: this program once more --------------------------------------------------------------------------------- */

static struct {
    pid_t pid;
    int out;
    struct victim_view seen;
} victim;

static void say(char what)
{
    while (write(STDOUT_FILENO, &what, 1) < 0) {
    }
}

static void report(void *arg)
{
    static struct member said;
    const struct member *m = arg;
    for (; said.count < m->count; said.count++)
        say('m');
    for (; said.lost < m->lost; said.lost++)
        say('l');
    for (; said.revoked < m->revoked; said.revoked++)
        say('r');
}

static int be_victim(char **argv)
{
    struct cw_err err = {0};
    if (cw_loop_new(&(struct cw_sched_cfg){.fibers_max = 16}, &bed.loops[0], &err) < 0)
        return 1;
    bed.brokers = argv[2];
    (void)cw_z_copy(topic, sizeof topic, argv[3]);
    (void)cw_z_copy(group, sizeof group, argv[4]);
    members[0].commits = true;
    join(0);
    (void)cw_loop_every(bed.loops[0], LOOK_MS, report, &members[0]);
    cw_loop_run(bed.loops[0]);
    return 0;
}

static void start_victim(const char *name, const char *of)
{
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    memset(&victim, 0, sizeof victim);
    victim.pid = fork();
    assert_true(victim.pid >= 0);
    if (victim.pid == 0) {
        (void)dup2(pipes[1], STDOUT_FILENO);
        (void)execl("/proc/self/exe", "victim", "--victim", address, name, of, (char *)NULL);
        _exit(127);
    }
    (void)close(pipes[1]);
    victim.out = pipes[0];
}

static void freeze_victim(void)
{
    assert_int_equal(kill(victim.pid, SIGSTOP), 0);
}

static void thaw_victim(void)
{
    assert_int_equal(kill(victim.pid, SIGCONT), 0);
}

static struct victim_view look_at_victim(void)
{
    char text[256];
    for (ssize_t n; victim.pid > 0 && (n = read(victim.out, text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            *(text[i] == 'm'   ? &victim.seen.messages
              : text[i] == 'l' ? &victim.seen.lost
                               : &victim.seen.revoked) += 1;
    }
    return victim.seen;
}

static void kill_victim(void)
{
    int status;
    (void)look_at_victim();
    assert_int_equal(kill(victim.pid, SIGKILL), 0);
    assert_int_equal(waitpid(victim.pid, &status, 0), victim.pid);
    assert_true(WIFSIGNALED(status));
    (void)close(victim.out);
    victim.pid = 0;
}

/* ---- the program ------------------------------------------------------------------------------------------------------ */

static void nothing(void) {}

static int open_world(void)
{
    struct cw_err err = {0};
    (void)setenv("KAFKA_START_TIMEOUT_S", START_S, 0);
    assert_non_null(mkdtemp(folder));
    start_broker();
    assert_int_equal(cw_loop_new(&(struct cw_sched_cfg){.fibers_max = 64}, &loop, &err), 0);
    bed = (struct bed){
        .loops = {loop, loop, loop},
        .brokers = address,
        .set_up = nothing,
        .tear_down = nothing,
        .make_topic = make_topic,
        .send_with_gaps = send_with_gaps,
        .stop_broker = stop_broker,
        .start_broker = start_broker,
        .start_victim = start_victim,
        .freeze_victim = freeze_victim,
        .thaw_victim = thaw_victim,
        .kill_victim = kill_victim,
        .look_at_victim = look_at_victim,
    };
    return 0;
}

static void close_world(void)
{
    char command[64];
    if (victim.pid > 0)
        (void)kill(victim.pid, SIGKILL);
    run_kafka("kill");
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        (void)fprintf(stderr, "%s is left\n", folder);
}

int main(int argc, char **argv)
{
    if (argc == 5 && cw_z_eq(argv[1], "--victim"))
        return be_victim(argv);
    if (open_world() != 0)
        return 1;
    int failed = run_kafka_suite();
    if (failed == 0)
        cw_loop_free(loop);
    close_world();
    (void)fflush(stdout);
    (void)fflush(stderr);
    if (failed != 0) /* members of the test that failed are still there */
        _exit(1);
    cw_metrics_free_all();
    return 0;
}

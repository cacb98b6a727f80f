/* HTTP/2 against a real server (nghttpd): many calls, one connection. */
#include "tests/unit/common/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/net/http.h"
#include "tests/lib/certificate.h"
#include "tests/lib/tempdir.h"

#define CALLS 40
#define FILE_BYTES 200000
#define STREAMS_MAX "100"

struct rig {
    struct cw_loop *loop;
    struct cw_http *http;
    char *dir;
    char *log;
    char *ca_file;
    char url[64];
    int port;
    pid_t pid;
    int done;
};

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

static bool is_listening(int port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    (void)close(fd);
    return ok;
}

static void serve(const struct rig *rig)
{
    char port[16];
    char *key = test_path(rig->dir, "key.pem"), *cert = test_path(rig->dir, "cert.pem");
    (void)snprintf(port, sizeof port, "%d", rig->port);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(rig->log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    (void)dup2(fd, STDOUT_FILENO);
    char *argv[] = {"nghttpd", "-v",     "-a", "127.0.0.1", "-m", STREAMS_MAX, "--echo-upload",
                    "-d",      rig->dir, port, key,         cert, NULL};
    (void)execvp(argv[0], argv);
    (void)execv("/usr/sbin/nghttpd", argv); /* not in every user's path */
    (void)fprintf(stderr, "no nghttpd: run ops/dev/setup\n");
    _exit(127);
}

static void write_file(const struct rig *rig)
{
    char *path = test_path(rig->dir, "big");
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    for (int i = 0; i < FILE_BYTES; i++)
        assert_int_equal(fputc('a' + i % 26, f), 'a' + i % 26);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct cw_sched_cfg sched = {.fibers_max = 2 * CALLS};
    struct cw_err err = {0};
    *state = rig;
    rig->dir = test_tempdir_new();
    rig->log = test_path(rig->dir, "log");
    rig->ca_file = test_path(rig->dir, "cert.pem");
    test_certificate_write(rig->dir, "DNS:localhost,IP:127.0.0.1");
    write_file(rig);
    rig->port = free_port();
    (void)snprintf(rig->url, sizeof rig->url, "https://localhost:%d/big", rig->port);
    rig->pid = fork();
    if (rig->pid == 0)
        serve(rig);
    for (int i = 0; i < 500 && !is_listening(rig->port); i++) {
        assert_int_equal(waitpid(rig->pid, NULL, WNOHANG), 0);
        (void)usleep(10000);
    }
    const struct cw_http_cfg cfg = {.ca_file = rig->ca_file};
    assert_int_equal(cw_loop_new(&sched, &rig->loop, &err), 0);
    return cw_http_new(rig->loop, &cfg, &rig->http, &err);
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    cw_http_free(rig->http);
    cw_loop_free(rig->loop);
    (void)kill(rig->pid, SIGKILL);
    (void)waitpid(rig->pid, NULL, 0);
    free(rig->log);
    free(rig->ca_file);
    test_tempdir_free(rig->dir);
    free(rig);
    return 0;
}

static int get(void *arg)
{
    struct rig *rig = arg;
    struct cw_http_res res;
    struct cw_err err = {0};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    const struct cw_http_req req = {.method = "GET", .url = rig->url};
    assert_int_equal(cw_arena_new((size_t)4 << 20, &mem), 0);
    if (cw_http_call(rig->http, &req, cw_in_ms(20000), mem, &res, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(res.status, 200);
    assert_int_equal(res.body.n, FILE_BYTES);
    assert_int_equal(res.body.p[FILE_BYTES - 1], 'a' + (FILE_BYTES - 1) % 26);
    rig->done++;
    return 0;
}

static int post(void *arg)
{
    struct rig *rig = arg;
    struct cw_http_res res;
    struct cw_err err = {0};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    assert_int_equal(cw_arena_new((size_t)4 << 20, &mem), 0);
    const char *body = cw_arena_printf(mem, "{\"number\":%d}", rig->done);
    const struct cw_http_req req = {
        .method = "POST", .url = rig->url, .body = cw_str_of(body), .content_type = "application/json"};
    if (cw_http_call(rig->http, &req, cw_in_ms(20000), mem, &res, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(res.status, 200);
    assert_string_equal(res.body.p, body);
    rig->done++;
    return 0;
}

static int all_at_once(void *arg)
{
    struct rig *rig = arg;
    struct cw_fiber *fibers[CALLS];
    int result;
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(cw_fiber_spawn(cw_sched_current(), "call", i % 4 == 0 ? post : get, rig, &fibers[i]),
                         0);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(cw_fiber_join(fibers[i], cw_in_ms(30000), &result), 0);
    return 0;
}

/* Connections that spoke, in the server's words: lines begin with "[id=N]". */
static size_t count_connections(const struct rig *rig, size_t *ret_streams)
{
    char line[4096];
    bool seen[64] = {false};
    size_t n = 0;
    FILE *f = fopen(rig->log, "re");
    assert_non_null(f);
    *ret_streams = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        int id = -1;
        if (sscanf(line, "[id=%d]", &id) != 1 || strstr(line, "recv (stream_id=") == NULL || id < 0 ||
            id >= 64)
            continue;
        *ret_streams += strstr(line, ":path: ") != NULL;
        n += !seen[id];
        seen[id] = true;
    }
    (void)fclose(f);
    return n;
}

static void test_many_calls_share_one_connection(void **state)
{
    struct rig *rig = *state;
    size_t streams = 0;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "all", all_at_once, rig), 0);
    assert_int_equal(rig->done, CALLS);
    assert_int_equal(count_connections(rig, &streams), 1);
    assert_int_equal(streams, CALLS);
    /* Later calls use it, too. */
    assert_int_equal(cw_loop_run_fiber(rig->loop, "all", all_at_once, rig), 0);
    assert_int_equal(count_connections(rig, &streams), 1);
    assert_int_equal(streams, 2 * CALLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_calls_share_one_connection, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/worker/engine/rig.h: a private redis-server, a loop, and helpers that every test of the engine needs. */
#ifndef CW_TESTS_UNIT_WORKER_ENGINE_RIG_H
#define CW_TESTS_UNIT_WORKER_ENGINE_RIG_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/net/loop.h"
#include "common/net/redis.h"

#define UNUSED __attribute__((unused))

struct redis_process {
    pid_t pid;
    int port;
    char dir[64];
    char url[64];
};

static struct redis_process server;
static struct cw_loop *loop;
static struct cw_redis *redis;

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

UNUSED static void start_redis(void)
{
    char port[16];
    if (server.port == 0) {
        server.port = free_port();
        (void)snprintf(server.dir, sizeof server.dir, "/tmp/cw-redis-XXXXXX");
        assert_non_null(mkdtemp(server.dir));
        (void)snprintf(server.url, sizeof server.url, "redis://127.0.0.1:%d", server.port);
    }
    (void)snprintf(port, sizeof port, "%d", server.port);
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!freopen("/dev/null", "w", stdout);
        (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--appendonly", "no", "--dir", server.dir, (char *)NULL);
        _exit(127);
    }
}

UNUSED static void stop_redis(void)
{
    if (server.pid <= 0)
        return;
    (void)kill(server.pid, SIGKILL);
    (void)waitpid(server.pid, NULL, 0);
    server.pid = 0;
}

static int rig_tear_down(void **state)
{
    (void)state;
    cw_redis_free(redis);
    cw_loop_free(loop);
    stop_redis();
    (void)rmdir(server.dir);
    return 0;
}

struct body {
    void (*fn)(struct cw_arena *mem);
};

static int run_body(void *arg)
{
    const struct body *b = arg;
    struct cw_arena *mem;
    assert_int_equal(cw_arena_new((size_t)32 << 20, &mem), 0);
    b->fn(mem);
    cw_arena_free(mem);
    return 0;
}

/* Run the test on a fiber, so that it may wait. */
UNUSED static void on_fiber(void (*fn)(struct cw_arena *mem))
{
    struct body b = {fn};
    assert_int_equal(cw_loop_run_fiber(loop, "test", run_body, &b), 0);
}

/* One command; the reply's text, or its number as text, or NULL. */
UNUSED static const char *ask(struct cw_arena *mem, size_t argc, const char *const *argv)
{
    struct cw_str args[8];
    struct cw_redis_reply reply;
    struct cw_err err = {0};
    for (size_t i = 0; i < argc; i++)
        args[i] = cw_str_of(argv[i]);
    int r = cw_redis_call(redis, argc, args, cw_in_ms(3000), mem, &reply, &err);
    if (r < 0)
        fail_msg("%s: %s", argv[0], err.text);
    if (reply.type == CW_REDIS_INT)
        return cw_arena_printf(mem, "%lld", (long long)reply.num);
    return reply.type == CW_REDIS_STR ? reply.str.p : NULL;
}
#define ASK(mem, ...) \
    ask(mem, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

/* Without a key, and there for ever: what it doesn't know never was. */
UNUSED static void empty_redis(struct cw_arena *mem)
{
    (void)ASK(mem, "FLUSHALL");
    (void)ASK(mem, "SET", "cw:born", "0");
}

/* It forgot everything just now. */
UNUSED static void lose_redis(struct cw_arena *mem)
{
    (void)ASK(mem, "FLUSHALL");
}

static int rig_set_up(void **state)
{
    (void)state;
    struct cw_err err = {0};
    const struct cw_sched_cfg sched = {.fibers_max = 4000};
    cw_log_set_fd(getenv("CW_TEST_LOG") != NULL ? 2 : -1);
    start_redis();
    assert_int_equal(cw_loop_new(&sched, &loop, &err), 0);
    const struct cw_redis_cfg cfg = {.url = server.url, .command_timeout_ms = 2000};
    assert_int_equal(cw_redis_new(loop, &cfg, &redis, &err), 0);
    on_fiber(empty_redis);
    return 0;
}

#endif

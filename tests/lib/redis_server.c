#include "tests/lib/redis_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/str.h"
#include "tests/lib/certificate.h"
#include "tests/lib/tempdir.h"

#define START_TRIES 10
#define WAIT_STEP_NS 5000000
#define WAIT_STEPS 2000

struct test_redis {
    struct test_redis_cfg cfg;
    char *dir, *config, *log, *ca_file, *url;
    int port;
    pid_t pid; /* 0 = not running */
};

static int free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CW_BUG_ON(fd < 0 || bind(fd, (struct sockaddr *)&addr, bytes) != 0);
    CW_BUG_ON(getsockname(fd, (struct sockaddr *)&addr, &bytes) != 0);
    (void)close(fd);
    return ntohs(addr.sin_port);
}

static void write_config(const struct test_redis *server)
{
    FILE *file = fopen(server->config, "we");
    CW_BUG_ON(file == NULL);
    (void)fprintf(file, "bind 127.0.0.1\ndir %s\nlogfile %s\nsave \"\"\nappendonly no\nprotected-mode no\n",
                  server->dir, server->log);
    if (server->cfg.is_tls)
        (void)fprintf(
            file,
            "port 0\ntls-port %d\ntls-cert-file %s/cert.pem\ntls-key-file %s/key.pem\ntls-auth-clients no\n",
            server->port, server->dir, server->dir);
    else
        (void)fprintf(file, "port %d\n", server->port);
    if (server->cfg.has_acl)
        (void)fprintf(
            file,
            "user default off\nuser worker on \">pass word\" ~* &* +@all\nuser weak on >weak ~* -@all +get +ping\n");
    CW_BUG_ON(fclose(file) != 0);
}

static void spawn(struct test_redis *server)
{
    pid_t parent = getpid();
    server->pid = fork();
    CW_BUG_ON(server->pid < 0);
    if (server->pid > 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    int null = open("/dev/null", O_RDWR);
    (void)dup2(null, 0);
    (void)dup2(null, 1);
    (void)dup2(null, 2);
    (void)execlp("redis-server", "redis-server", server->config, (char *)NULL);
    _exit(127);
}

/* Listening is enough: a server without data has nothing to load. */
static bool is_listening(const struct test_redis *server)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)server->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
    (void)close(fd);
    return ok;
}

static bool launch(struct test_redis *server)
{
    spawn(server);
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        if (is_listening(server))
            return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
    }
    return false;
}

struct test_redis *test_redis_start(const struct test_redis_cfg *cfg)
{
    struct test_redis *server = calloc(1, sizeof *server);
    CW_BUG_ON(server == NULL);
    server->cfg = *cfg;
    server->dir = test_tempdir_new();
    server->config = test_path(server->dir, "redis.conf");
    server->log = test_path(server->dir, "redis.log");
    server->ca_file = test_path(server->dir, "cert.pem");
    if (cfg->is_tls)
        test_certificate_write(server->dir, "DNS:localhost,IP:127.0.0.1");
    bool ok = false;
    for (int i = 0; i < START_TRIES && !ok; i++) {
        server->port = free_port();
        write_config(server);
        ok = launch(server);
    }
    if (!ok)
        cw_panic(__FILE__, __LINE__, "redis-server does not start");
    struct cw_buf url = {0};
    cw_buf_addf(&url, "%s:%d", cfg->is_tls ? "rediss://localhost" : "redis://127.0.0.1", server->port);
    server->url = cw_buf_take(&url);
    return server;
}

void test_redis_kill(struct test_redis *server)
{
    if (server->pid == 0)
        return;
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void test_redis_restart(struct test_redis *server)
{
    test_redis_kill(server);
    if (!launch(server))
        cw_panic(__FILE__, __LINE__, "redis-server does not start again");
}

void test_redis_freeze(struct test_redis *server)
{
    CW_BUG_ON(kill(server->pid, SIGSTOP) != 0);
}

void test_redis_thaw(struct test_redis *server)
{
    CW_BUG_ON(kill(server->pid, SIGCONT) != 0);
}

void test_redis_stop(struct test_redis *server)
{
    if (server == NULL)
        return;
    test_redis_kill(server);
    test_tempdir_free(server->dir);
    free(server->config);
    free(server->log);
    free(server->ca_file);
    free(server->url);
    free(server);
}

int test_redis_port(const struct test_redis *server)
{
    return server->port;
}

const char *test_redis_ca_file(const struct test_redis *server)
{
    return server->ca_file;
}

const char *test_redis_url(const struct test_redis *server)
{
    return server->url;
}

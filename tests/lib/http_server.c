#include "tests/lib/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "common/str.h"
#include "tests/lib/certificate.h"
#include "tests/lib/tempdir.h"

#define HEAD_BYTES_MAX 65536

struct test_http_conn {
    struct test_http *server;
    struct test_http_conn *next;
    pthread_t thread;
    int fd;
    SSL *ssl;
    struct cw_buf in;
};

struct test_http {
    enum test_http_kind kind;
    test_http_fn fn;
    void *arg;
    char *dir, *ca_file, *base;
    int fd, port, stop_fd;
    SSL_CTX *tls;
    pthread_t thread;
    struct test_http_conn *conns; /* only the accepting thread adds */
    atomic_int accepted, requests;
};

/* --- bytes -------------------------------------------------------------------------------------------------------- */

bool test_http_write(struct test_http_conn *conn, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t k =
            conn->ssl != NULL ? SSL_write(conn->ssl, at, (int)n) : send(conn->fd, at, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

bool test_http_write_z(struct test_http_conn *conn, const char *z)
{
    return test_http_write(conn, z, strlen(z));
}

static bool read_more(struct test_http_conn *conn)
{
    char chunk[16384];
    ssize_t k =
        conn->ssl != NULL ? SSL_read(conn->ssl, chunk, sizeof chunk) : recv(conn->fd, chunk, sizeof chunk, 0);
    if (k <= 0)
        return false;
    cw_buf_add(&conn->in, chunk, (size_t)k);
    return !conn->in.failed;
}

bool test_http_answer(struct test_http_conn *conn, int status, const char *headers, const void *body,
                      size_t n)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_buf_addf(&out, "HTTP/1.1 %d Whatever\r\n%sContent-Length: %zu\r\n\r\n", status, headers, n);
    cw_buf_add(&out, body, n);
    return test_http_write(conn, out.p, out.n);
}

bool test_http_pause(struct test_http_conn *conn, int ms)
{
    struct pollfd fds[] = {{.fd = conn->fd, .events = POLLIN | POLLRDHUP},
                           {.fd = conn->server->stop_fd, .events = POLLIN}};
    return poll(fds, CW_ARRAY_LEN(fds), ms) == 0;
}

void test_http_hang(struct test_http_conn *conn)
{
    (void)test_http_pause(conn, -1);
}

void test_http_reset(struct test_http_conn *conn)
{
    struct linger linger = {.l_onoff = 1};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    (void)connect(conn->fd, &none, sizeof none); /* sends the reset now */
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static size_t body_bytes_of(const char *head)
{
    const char *line = strcasestr(head, "\r\ncontent-length:");
    return line != NULL ? (size_t)strtoul(line + 17, NULL, 10) : 0;
}

static void consume(struct cw_buf *b, size_t n)
{
    memmove(b->p, b->p + n, b->n - n + 1);
    b->n -= n;
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): the cleanups free */
static bool serve_one(struct test_http_conn *conn, int number)
{
    char *end;
    while (conn->in.n == 0 || (end = strstr(conn->in.p, "\r\n\r\n")) == NULL)
        if (conn->in.n > HEAD_BYTES_MAX || !read_more(conn))
            return false;
    size_t head_bytes = (size_t)(end - conn->in.p) + 4;
    CW_AUTO(cw_auto_str) char *head = strndup(conn->in.p, head_bytes);
    size_t body_bytes = body_bytes_of(head);
    while (conn->in.n < head_bytes + body_bytes)
        if (!read_more(conn))
            return false;
    CW_AUTO(cw_auto_str) char *line = strndup(head, strcspn(head, "\r"));
    char *rest = line;
    const char *method = strsep(&rest, " ");
    const char *path = strsep(&rest, " ");
    CW_AUTO(cw_auto_str) char *body = strndup(conn->in.p + head_bytes, body_bytes);
    struct test_http_request req = {method, path, head, body, body_bytes, number};
    consume(&conn->in, head_bytes + body_bytes);
    atomic_fetch_add(&conn->server->requests, 1);
    return conn->server->fn(conn, &req, conn->server->arg);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

static void *serve(void *arg)
{
    struct test_http_conn *conn = arg;
    struct test_http *server = conn->server;
    if (server->kind == TEST_HTTP_MUTE) {
        struct pollfd stop = {.fd = server->stop_fd, .events = POLLIN};
        (void)poll(&stop, 1, -1);
    }
    bool ok = server->kind != TEST_HTTP_MUTE;
    if (ok && server->tls != NULL) {
        conn->ssl = SSL_new(server->tls);
        (void)SSL_set_fd(conn->ssl, conn->fd);
        ok = SSL_accept(conn->ssl) == 1;
    }
    for (int number = 1; ok; number++)
        ok = serve_one(conn, number);
    if (conn->ssl != NULL && SSL_is_init_finished(conn->ssl))
        (void)SSL_shutdown(conn->ssl);
    (void)shutdown(conn->fd, SHUT_RDWR);
    return NULL;
}

/* --- server ------------------------------------------------------------------------------------------------------- */

static void *accept_all(void *arg)
{
    struct test_http *server = arg;
    struct pollfd fds[] = {{.fd = server->fd, .events = POLLIN}, {.fd = server->stop_fd, .events = POLLIN}};
    for (;;) {
        (void)poll(fds, CW_ARRAY_LEN(fds), -1);
        if (fds[1].revents != 0)
            return NULL;
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct test_http_conn *conn = calloc(1, sizeof *conn);
        CW_BUG_ON(conn == NULL);
        conn->server = server;
        conn->fd = fd;
        conn->next = server->conns;
        server->conns = conn;
        atomic_fetch_add(&server->accepted, 1);
        CW_BUG_ON(pthread_create(&conn->thread, NULL, serve, conn) != 0);
    }
}

static void listen_on_any_port(struct test_http *server)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof addr;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CW_BUG_ON(server->fd < 0 || bind(server->fd, (struct sockaddr *)&addr, bytes) != 0);
    CW_BUG_ON(listen(server->fd, 1024) != 0);
    CW_BUG_ON(getsockname(server->fd, (struct sockaddr *)&addr, &bytes) != 0);
    server->port = ntohs(addr.sin_port);
}

static void load_tls(struct test_http *server)
{
    CW_AUTO(cw_auto_str) char *key = test_path(server->dir, "key.pem");
    test_certificate_write(server->dir, "DNS:localhost");
    server->tls = SSL_CTX_new(TLS_server_method());
    CW_BUG_ON(SSL_CTX_use_certificate_file(server->tls, server->ca_file, SSL_FILETYPE_PEM) != 1);
    CW_BUG_ON(SSL_CTX_use_PrivateKey_file(server->tls, key, SSL_FILETYPE_PEM) != 1);
}

struct test_http *test_http_start(enum test_http_kind kind, test_http_fn fn, void *arg)
{
    struct test_http *server = calloc(1, sizeof *server);
    CW_BUG_ON(server == NULL);
    server->kind = kind;
    server->fn = fn;
    server->arg = arg;
    server->dir = test_tempdir_new();
    server->ca_file = test_path(server->dir, "cert.pem");
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    listen_on_any_port(server);
    struct cw_buf base = {0};
    cw_buf_addf(&base, "%s://localhost:%d", kind == TEST_HTTP_PLAIN ? "http" : "https", server->port);
    server->base = cw_buf_take(&base);
    if (kind == TEST_HTTP_TLS)
        load_tls(server);
    CW_BUG_ON(pthread_create(&server->thread, NULL, accept_all, server) != 0);
    return server;
}

void test_http_stop(struct test_http *server)
{
    static const uint64_t one = 1;
    if (server == NULL)
        return;
    CW_BUG_ON(write(server->stop_fd, &one, sizeof one) != sizeof one);
    (void)pthread_join(server->thread, NULL);
    while (server->conns != NULL) {
        struct test_http_conn *conn = server->conns;
        server->conns = conn->next;
        (void)shutdown(conn->fd, SHUT_RDWR);
        (void)pthread_join(conn->thread, NULL);
        SSL_free(conn->ssl);
        (void)close(conn->fd);
        cw_buf_fini(&conn->in);
        free(conn);
    }
    (void)close(server->fd);
    (void)close(server->stop_fd);
    SSL_CTX_free(server->tls);
    test_tempdir_free(server->dir);
    free(server->ca_file);
    free(server->base);
    free(server);
}

const char *test_http_base(const struct test_http *server)
{
    return server->base;
}

int test_http_port(const struct test_http *server)
{
    return server->port;
}

const char *test_http_ca_file(const struct test_http *server)
{
    return server->ca_file;
}

int test_http_accepted(struct test_http *server)
{
    return atomic_load(&server->accepted);
}

int test_http_requests(struct test_http *server)
{
    return atomic_load(&server->requests);
}

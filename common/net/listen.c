#include "common/net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "common/net/loop_uv.h"

#define BODY_BYTES_MAX (16u << 20)
#define CONNECTIONS_MAX 64u
#define CONNECTION_TIMEOUT_S 15u
#define BACKLOG 64

struct cw_listen {
    struct MHD_Daemon *daemon;
    uv_poll_t *poll;   /* on the daemon's epoll descriptor */
    uv_timer_t *timer; /* the daemon's own time-outs */
    cw_listen_fn fn;
    void *arg;
    int port;
};

/* --- requests ----------------------------------------------------------------------------------------------------- */

static enum MHD_Result send_text(struct MHD_Connection *connection, int status, const char *type,
                                 const void *p, size_t n)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(n, (void *)(uintptr_t)p, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result r = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_bytes, void **state)
{
    static char seen;
    struct cw_listen *listen = arg;
    (void)version;
    (void)body;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        if (*body_bytes > 0) {
            *body_bytes = 0;
            return MHD_YES;
        }
        if (*state == NULL) {
            *state = &seen;
            return MHD_YES;
        }
        return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "GET only\n", 9);
    }
    CW_AUTO(cw_buf_fini) struct cw_buf text = {.max = BODY_BYTES_MAX};
    const char *type = "text/plain; charset=utf-8";
    int status = listen->fn(listen->arg, url, &text, &type);
    if (text.failed)
        return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain", "too large\n", 10);
    return send_text(connection, status, type, cw_buf_z(&text), text.n);
}

/* --- driving the daemon ------------------------------------------------------------------------------------------- */

static void on_timeout(uv_timer_t *timer);

static void run_daemon(struct cw_listen *listen)
{
    (void)MHD_run(listen->daemon);
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (MHD_get_timeout(listen->daemon, &ms) == MHD_YES)
        cw_uv_timer_start(listen->timer, on_timeout, (int64_t)ms);
    else
        (void)uv_timer_stop(listen->timer);
}

static void on_timeout(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run_daemon(poll->data);
}

static int drive(struct cw_loop *loop, struct cw_listen *listen)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(listen->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    listen->poll = calloc(1, sizeof *listen->poll);
    uv_timer_t *timer = calloc(1, sizeof *timer);
    if (info == NULL || listen->poll == NULL || timer == NULL ||
        uv_poll_init(cw_loop_uv(loop), listen->poll, info->epoll_fd) != 0) {
        free(CW_TAKE(listen->poll));
        free(timer);
        return -CW_ENOMEM;
    }
    (void)uv_timer_init(cw_loop_uv(loop), timer);
    listen->timer = timer;
    listen->timer->data = listen;
    listen->poll->data = listen;
    (void)uv_poll_start(listen->poll, UV_READABLE, on_event);
    run_daemon(listen);
    return 0;
}

/* --- the socket --------------------------------------------------------------------------------------------------- */

static int parse_address(const char *address, struct sockaddr_storage *ret_addr, socklen_t *ret_bytes)
{
    const char *colon = strrchr(address, ':');
    int64_t port = 0;
    char host[INET6_ADDRSTRLEN + 3];
    if (colon == NULL || (size_t)(colon - address) >= sizeof host || !cw_z_to_i64(colon + 1, &port) ||
        port < 0 || port > 65535)
        return -CW_EINVAL;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    size_t n = strlen(host);
    *ret_addr = (struct sockaddr_storage){0};
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        *ret_bytes = sizeof(struct sockaddr_in6);
        return uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)ret_addr) == 0 ? 0 : -CW_EINVAL;
    }
    *ret_bytes = sizeof(struct sockaddr_in);
    const char *ip = n == 0 || strcmp(host, "*") == 0 ? "0.0.0.0"
                     : strcmp(host, "localhost") == 0 ? "127.0.0.1"
                                                      : host;
    return uv_ip4_addr(ip, (int)port, (struct sockaddr_in *)ret_addr) == 0 ? 0 : -CW_EINVAL;
}

static int bound_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t bytes = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &bytes) != 0)
        return 0;
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}

static int open_socket(const char *address, int *ret_fd, struct cw_err *err)
{
    struct sockaddr_storage addr;
    socklen_t bytes = 0;
    if (parse_address(address, &addr, &bytes) < 0)
        return cw_err_set(err, CW_EINVAL, "'%s' is not an address like 127.0.0.1:9464", address);
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return cw_err_set(err, CW_ENOMEM, "socket for %s: errno %d", address, errno);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&addr, bytes) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        (void)close(fd);
        if (error == EADDRINUSE)
            return cw_err_set(err, CW_EBUSY, "%s is taken by another process", address);
        char text[128];
        return cw_err_set(err, CW_EINVAL, "cannot listen on %s: %s", address,
                          strerror_r(error, text, sizeof text));
    }
    *ret_fd = fd;
    return 0;
}

int cw_listen_new(struct cw_loop *loop, const char *address, cw_listen_fn fn, void *arg,
                  struct cw_listen **ret_listen, struct cw_err *err)
{
    int fd = -1;
    int r = open_socket(address, &fd, err);
    if (r < 0)
        return r;
    struct cw_listen *listen = calloc(1, sizeof *listen);
    if (listen != NULL) {
        listen->fn = fn;
        listen->arg = arg;
        listen->port = bound_port(fd);
        listen->daemon =
            MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, listen, MHD_OPTION_LISTEN_SOCKET, fd,
                             MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                             CONNECTION_TIMEOUT_S, MHD_OPTION_END);
    }
    if (listen == NULL || listen->daemon == NULL) {
        (void)close(fd);
        free(listen);
        return cw_err_set(err, CW_ENOMEM, "no memory for the HTTP server on %s", address);
    }
    r = drive(loop, listen);
    if (r < 0) {
        cw_listen_free(listen);
        return cw_err_set(err, r, "no memory for the HTTP server on %s", address);
    }
    *ret_listen = listen;
    return 0;
}

void cw_listen_free(struct cw_listen *listen)
{
    if (listen == NULL)
        return;
    if (listen->poll != NULL)
        (void)uv_poll_stop(listen->poll);
    cw_uv_close_free(listen->poll);
    cw_uv_close_free(listen->timer);
    MHD_stop_daemon(listen->daemon);
    free(listen);
}

int cw_listen_port(const struct cw_listen *listen)
{
    return listen->port;
}

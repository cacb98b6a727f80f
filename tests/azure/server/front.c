/* The HTTP side: requests are collected, answered by the front's function, and sent when they are due.
 *
 * An answer with a delay suspends its connection; the heap of waiting exchanges resumes it. Told time orders the heap, so
 * POST /advance also shortens real waits. */
#include "tests/azure/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

/* ---- waiting exchanges -------------------------------------------------------------------------------------------- */

static void heap_set(struct sim *sim, size_t at, struct sim_exchange *x)
{
    sim->waiting[at] = x;
    x->heap_at = at + 1;
}

static void heap_up(struct sim *sim, size_t at)
{
    struct sim_exchange *x = sim->waiting[at];
    for (; at > 0 && sim->waiting[(at - 1) / 2]->due_ms > x->due_ms; at = (at - 1) / 2)
        heap_set(sim, at, sim->waiting[(at - 1) / 2]);
    heap_set(sim, at, x);
}

static void heap_down(struct sim *sim, size_t at)
{
    struct sim_exchange *x = sim->waiting[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < sim->waiting_count && sim->waiting[child + 1]->due_ms < sim->waiting[child]->due_ms)
            child++;
        if (child >= sim->waiting_count || sim->waiting[child]->due_ms >= x->due_ms)
            break;
        heap_set(sim, at, sim->waiting[child]);
        at = child;
    }
    heap_set(sim, at, x);
}

static int heap_add(struct sim *sim, struct sim_exchange *x)
{
    if (sim->waiting_count == sim->waiting_room) {
        size_t room = sim->waiting_room > 0 ? 2 * sim->waiting_room : 64;
        struct sim_exchange **grown = realloc(sim->waiting, room * sizeof *grown);
        if (grown == NULL)
            return -1;
        sim->waiting = grown;
        sim->waiting_room = room;
    }
    sim->waiting[sim->waiting_count] = x;
    heap_up(sim, sim->waiting_count++);
    return 0;
}

static void heap_remove(struct sim *sim, struct sim_exchange *x)
{
    size_t at = x->heap_at - 1;
    x->heap_at = 0;
    struct sim_exchange *last = sim->waiting[--sim->waiting_count];
    if (last == x)
        return;
    heap_set(sim, at, last);
    heap_up(sim, at);
    heap_down(sim, last->heap_at - 1);
}

static int connection_fd(const struct sim_exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

/* Suspend until `due_ms`, or until the client hangs up. -1: out of memory. */
static int wait_until(struct sim_exchange *x, int64_t due_ms)
{
    struct sim *sim = x->front->sim;
    x->due_ms = due_ms;
    if (heap_add(sim, x) < 0)
        return -1;
    x->watch = (struct sim_watch){SIM_WATCH_EXCHANGE, x};
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = &x->watch};
    (void)epoll_ctl(sim->epoll_fd, EPOLL_CTL_ADD, connection_fd(x), &event);
    MHD_suspend_connection(x->connection);
    return 0;
}

void sim_exchange_resume(struct sim_exchange *x, bool is_cut)
{
    struct sim *sim = x->front->sim;
    if (x->heap_at == 0)
        return;
    heap_remove(sim, x);
    (void)epoll_ctl(sim->epoll_fd, EPOLL_CTL_DEL, connection_fd(x), NULL);
    x->is_cut = x->is_cut || is_cut;
    MHD_resume_connection(x->connection);
}

int64_t sim_exchanges_resume_due(struct sim *sim)
{
    int64_t now = sim_now(sim);
    while (sim->waiting_count > 0 && sim->waiting[0]->due_ms <= now)
        sim_exchange_resume(sim->waiting[0], sim->waiting[0]->res.wire == AZ_WIRE_HANG);
    return sim->waiting_count > 0 ? sim->waiting[0]->due_ms - now : -1;
}

void sim_exchanges_resume_all(struct sim *sim)
{
    while (sim->waiting_count > 0)
        sim_exchange_resume(sim->waiting[0], true);
}

/* ---- the request's way in ------------------------------------------------------------------------------------------ */

static void free_exchange(struct sim_exchange *x)
{
    if (x == NULL)
        return;
    az_response_fini(&x->res);
    free(x->body);
    free(x->target);
    free(x);
}

/* Of each connection: the exchange that on_access() has not seen. libmicrohttpd tells nobody when it refuses one by itself. */
static struct sim_exchange **unseen_exchange(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void forget_unseen(struct MHD_Connection *connection)
{
    struct sim_exchange **unseen = unseen_exchange(connection);
    if (unseen != NULL)
        *unseen = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct sim_exchange **unseen = *socket_context;
    (void)cls;
    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = calloc(1, sizeof *unseen);
        return;
    }
    if (unseen != NULL)
        free_exchange(*unseen);
    free(unseen);
    *socket_context = NULL;
}

/* Called with the request line as it came; what it answers becomes the request's context. */
static void *begin_exchange(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct sim_front *front = cls;
    struct sim_exchange *x = calloc(1, sizeof *x), **unseen = unseen_exchange(connection);
    if (x == NULL || unseen == NULL) {
        free(x);
        return NULL;
    }
    if (strncasecmp(uri, "http://", 7) == 0 || strncasecmp(uri, "https://", 8) == 0) {
        uri = strstr(uri, "//") + 2;
        uri += strcspn(uri, "/?");
    }
    x->front = front;
    x->connection = connection;
    x->started_ms = sim_now(front->sim);
    x->target = strdup(*uri != '\0' ? uri : "/");
    if (x->target == NULL) {
        free_exchange(x);
        return NULL;
    }
    free_exchange(*unseen);
    *unseen = x;
    return x;
}

static void log_exchange(const struct sim_exchange *x)
{
    struct sim *sim = x->front->sim;
    if (sim->log == NULL || !x->front->is_logged || x->method == NULL)
        return;
    json_t *line = json_pack("{s:I,s:s,s:s*,s:s*,s:i,s:I}", "timeMs", (json_int_t)x->started_ms, "method",
                             x->method, "host", x->host, "path", x->target, "status", x->res.status, "ms",
                             (json_int_t)(sim_now(sim) - x->started_ms));
    if (line == NULL)
        return;
    if (x->is_cut || x->res.wire == AZ_WIRE_RESET)
        json_object_set_new(line, "cut", json_true());
    json_dumpf(line, sim->log, JSON_COMPACT);
    fputc('\n', sim->log);
    fflush(sim->log);
    json_decref(line);
}

static void end_exchange(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct sim_exchange *x = *con_cls;
    (void)cls;
    *con_cls = NULL;
    if (x == NULL)
        return;
    if (x->method == NULL)
        forget_unseen(connection);
    if (x->heap_at != 0)
        heap_remove(x->front->sim, x);
    x->is_cut = x->is_cut || why != MHD_REQUEST_TERMINATED_COMPLETED_OK;
    log_exchange(x);
    sim_record_exchange(x);
    free_exchange(x);
}

static void read_host(struct sim_exchange *x)
{
    const char *host = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Host");
    if (host == NULL)
        host = "";
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    snprintf(x->host, sizeof x->host, "%.*s", (int)(n < sizeof x->host ? n : sizeof x->host - 1), host);
}

/* false: no memory, or the client goes on and on. */
static bool take_body(struct sim_exchange *x, const char *data, size_t n)
{
    if (x->is_too_large || x->body_bytes + n > x->front->body_bytes_max) {
        x->is_too_large = true;
        x->dropped_bytes += n;
        return x->dropped_bytes <= SIM_DROPPED_BYTES_MAX;
    }
    if (x->body_bytes + n + 1 > x->body_room) {
        size_t room = 2 * x->body_room > x->body_bytes + n + 1 ? 2 * x->body_room : x->body_bytes + n + 1;
        char *grown = realloc(x->body, room);
        if (grown == NULL)
            return false;
        x->body = grown;
        x->body_room = room;
    }
    memcpy(x->body + x->body_bytes, data, n);
    x->body_bytes += n;
    x->body[x->body_bytes] = '\0';
    return true;
}

/* Refused before its body is read: one that asks first, or that never ends. A client that is already sending a body of a
   bearable size would see a broken connection instead of the answer. */
static bool announces_too_much(const struct sim_exchange *x)
{
    const char *length = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Length");
    bool is_asking = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Expect") != NULL;
    uint64_t announced = length != NULL ? strtoull(length, NULL, 10) : 0;
    return announced > (is_asking ? x->front->body_bytes_max : SIM_DROPPED_BYTES_MAX);
}

/* ---- the answer's way out ------------------------------------------------------------------------------------------ */

static ssize_t read_body(void *cls, uint64_t at, char *buf, size_t room)
{
    struct sim_exchange *x = cls;
    size_t end = x->res.wire == AZ_WIRE_TRUNCATED ? x->res.body_bytes / 2 : x->res.body_bytes;
    (void)at;
    if (x->is_cut || x->sent_bytes >= end)
        return x->res.wire == AZ_WIRE_TRUNCATED || x->is_cut ? MHD_CONTENT_READER_END_WITH_ERROR
                                                             : MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = end - x->sent_bytes < room ? end - x->sent_bytes : room;
    if (x->res.wire == AZ_WIRE_SLOW) {
        bool is_due = sim_now(x->front->sim) >= x->due_ms;
        if (!is_due)
            return wait_until(x, x->due_ms) < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
        size_t piece = x->res.body_bytes / SIM_TRICKLE_PIECES + 1;
        n = n < piece ? n : piece;
        x->due_ms = sim_now(x->front->sim) + SIM_TRICKLE_MS;
    }
    memcpy(buf, x->res.body + x->sent_bytes, n);
    x->sent_bytes += n;
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct sim_exchange *x)
{
    bool is_plain = x->res.wire != AZ_WIRE_TRUNCATED && x->res.wire != AZ_WIRE_SLOW;
    struct MHD_Response *response =
        is_plain ? MHD_create_response_from_buffer(x->res.body_bytes,
                                                   x->res.body != NULL ? x->res.body : (char *)"",
                                                   MHD_RESPMEM_PERSISTENT)
                 : MHD_create_response_from_callback(x->res.body_bytes, 4096, read_body, x, NULL);
    for (size_t i = 0; response != NULL && i < x->res.header_count; i++)
        if (strcasecmp(x->res.headers[i].name, "Content-Length") != 0)
            (void)MHD_add_response_header(response, x->res.headers[i].name, x->res.headers[i].value);
    return response;
}

static enum MHD_Result cut_connection(struct sim_exchange *x)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection_fd(x), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return MHD_NO;
}

static enum MHD_Result send_answer(struct sim_exchange *x)
{
    if (x->is_cut || x->res.wire == AZ_WIRE_RESET)
        return cut_connection(x);
    struct MHD_Response *response = make_response(x);
    if (response == NULL)
        return MHD_NO;
    x->phase = SIM_ANSWERING;
    if (x->front->sim->is_stopping || x->is_too_large)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result r = MHD_queue_response(x->connection, (unsigned)x->res.status, response);
    MHD_destroy_response(response);
    return r;
}

static void refuse_large(struct sim_exchange *x)
{
    static const char text[] =
        "{\"error\":{\"code\":\"RequestEntityTooLarge\",\"message\":\"The request body is too large.\"}}";
    x->is_too_large = true;
    x->res.status = MHD_HTTP_CONTENT_TOO_LARGE;
    x->res.body = strdup(text);
    x->res.body_bytes = x->res.body != NULL ? sizeof text - 1 : 0;
}

static enum MHD_Result answer_now(struct sim_exchange *x)
{
    struct sim *sim = x->front->sim;
    if (x->is_too_large)
        refuse_large(x);
    else
        x->front->answer(sim, x);
    sim->request_count++;
    int64_t delay_ms = x->res.wire == AZ_WIRE_HANG ? SIM_HANG_MS : x->res.delay_ms;
    if (delay_ms <= 0)
        return send_answer(x);
    x->phase = SIM_WAITING;
    return wait_until(x, sim_now(sim) + delay_ms) < 0 ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_bytes, void **con_cls)
{
    struct sim_exchange *x = *con_cls;
    (void)cls;
    (void)url;
    (void)version;
    if (x == NULL)
        return MHD_NO;
    if (x->method == NULL) {
        forget_unseen(connection);
        x->method = method;
        read_host(x);
        if (!announces_too_much(x))
            return MHD_YES;
        refuse_large(x);
        return send_answer(x);
    }
    if (*data_bytes > 0) {
        bool is_taken = take_body(x, data, *data_bytes);
        *data_bytes = 0;
        return is_taken ? MHD_YES : MHD_NO;
    }
    return x->phase == SIM_READING ? answer_now(x) : send_answer(x);
}

/* ---- daemons -------------------------------------------------------------------------------------------------------- */

static const char *listen_remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "Another program listens there: end it, or take another port (0 = a free one).";
    case EACCES:
        return "Ports below 1024 need the right to bind them: take a higher one.";
    case EADDRNOTAVAIL:
        return "No network interface here has that address: see --bind.";
    default:
        return "See --bind, --port and --admin-port.";
    }
}

int sim_listen(const char *bind_address, int port, int *ret_port)
{
    char service[16];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    snprintf(service, sizeof service, "%d", port);
    int r = getaddrinfo(bind_address, service, &hints, &found);
    if (r != 0) {
        fprintf(
            stderr,
            "azure-sim: %s is no address to listen on: %s. --bind wants one such as 127.0.0.1 or 0.0.0.0.\n",
            bind_address, gai_strerror(r));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_storage bound = {0};
    socklen_t bound_bytes = sizeof bound;
    bool is_listening = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                        bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0 &&
                        getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) == 0;
    freeaddrinfo(found);
    if (!is_listening) {
        fprintf(stderr, "azure-sim: cannot listen on %s port %d: %s. %s\n", bind_address, port,
                strerror(errno), listen_remedy(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *ret_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

int sim_front_start(struct sim_front *front, int listen_fd, const struct sim_certificate *certificate)
{
    struct sim *sim = front->sim;
    unsigned flags =
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (certificate != NULL ? (unsigned)MHD_USE_TLS : 0u);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate != NULL ? certificate->key : NULL},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate != NULL ? certificate->chain : NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    front->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, front, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_URI_LOG_CALLBACK, begin_exchange, front, MHD_OPTION_NOTIFY_COMPLETED, end_exchange, front,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, front, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)sim->options.idle_timeout_s, MHD_OPTION_CONNECTION_LIMIT, SIM_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SIM_HEADER_BYTES_MAX, MHD_OPTION_ARRAY,
        certificate != NULL ? tls : &tls[2], MHD_OPTION_END);
    if (front->daemon == NULL) {
        fprintf(stderr, "azure-sim: libmicrohttpd does not start%s\n",
                certificate != NULL ? "; are --cert and --key good?" : "");
        close(listen_fd);
        return -1;
    }
    front->watch = (struct sim_watch){SIM_WATCH_FRONT, front};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &front->watch};
    int fd = MHD_get_daemon_info(front->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return epoll_ctl(sim->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void sim_front_run(struct sim_front *front)
{
    if (front->daemon != NULL)
        (void)MHD_run(front->daemon);
}

void sim_front_stop(struct sim_front *front)
{
    if (front->daemon == NULL)
        return;
    (void)MHD_run(front->daemon);
    MHD_stop_daemon(front->daemon);
    front->daemon = NULL;
}

/* ---- the Azure front ------------------------------------------------------------------------------------------------ */

struct header_list {
    struct az_header items[SIM_HEADERS_MAX];
    size_t count;
};

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_list *list = cls;
    (void)kind;
    if (list->count < SIM_HEADERS_MAX)
        list->items[list->count++] = (struct az_header){name, value != NULL ? value : ""};
    return MHD_YES;
}

void sim_answer_azure(struct sim *sim, struct sim_exchange *x)
{
    struct header_list headers = {.count = 0};
    (void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, add_header, &headers);
    bool is_local = strcasecmp(x->host, "localhost") == 0 || strcmp(x->host, "127.0.0.1") == 0 ||
                    strcmp(x->host, "[::1]") == 0 || strcmp(x->host, sim->options.bind) == 0 ||
                    x->host[0] == '\0';
    struct az_request req = {
        .method = x->method,
        .host = is_local ? sim->names.arm_host : x->host,
        .target = x->target,
        .headers = headers.items,
        .header_count = headers.count,
        .body = x->body,
        .body_bytes = x->body_bytes,
    };
    az_model_advance(sim->model, sim_now(sim));
    az_model_handle(sim->model, &req, &x->res);
}

#include "common/net/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>

#include "common/fiber/wait.h"
#include "common/net/loop_uv.h"
#include "common/str.h"

#define TRY_MS 2000
#define TRIES 2
#define TEXT_BYTES_MAX 64
#define NAME_BYTES_MAX 253
#define SYSTEM "system"

struct server;

/* One descriptor that c-ares wants watched. First member: libuv's handle. */
struct watch {
    uv_poll_t uv;
    struct server *server;
    ares_socket_t fd;
    struct watch *next;
};

/* One server with a channel of its own, so that it is known who answered. */
struct server {
    char text[TEXT_BYTES_MAX];
    ares_channel channel;
    uv_loop_t *uv;
    uv_timer_t *timer; /* c-ares' next time-out */
    struct watch *watches;
};

struct cw_dns {
    struct server servers[CW_DNS_SERVERS_MAX];
    size_t count;
};

/* Owned by c-ares until its callback has run; by then whoever asked may be gone. */
struct query {
    struct cw_wait *wait; /* NULL: nobody waits any more */
    struct ares_addrinfo *info;
};

/* ---- c-ares on the loop ----------------------------------------------------------------------------------------------- */

static void arm_timer(struct server *s);

static void on_timeout(uv_timer_t *timer)
{
    struct server *s = timer->data;
    ares_process_fd(s->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(s);
}

static void arm_timer(struct server *s)
{
    struct timeval left;
    if (ares_timeout(s->channel, NULL, &left) == NULL)
        (void)uv_timer_stop(s->timer);
    else
        cw_uv_timer_start(s->timer, on_timeout,
                          (int64_t)left.tv_sec * 1000 + (int64_t)left.tv_usec / 1000 + 1);
}

/* The watch may be gone when c-ares returns. */
static void on_event(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = (const struct watch *)poll;
    struct server *s = watch->server;
    ares_socket_t fd = watch->fd;
    bool reads = status < 0 || (events & UV_READABLE) != 0;
    bool writes = status < 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(s->channel, reads ? fd : ARES_SOCKET_BAD, writes ? fd : ARES_SOCKET_BAD);
    arm_timer(s);
}

static void drop_watch(struct server *s, ares_socket_t fd)
{
    struct watch **at = &s->watches;
    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    struct watch *gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    (void)uv_poll_stop(&gone->uv);
    cw_uv_close_free(gone);
}

static struct watch *watch_of(struct server *s, ares_socket_t fd)
{
    for (struct watch *w = s->watches; w != NULL; w = w->next) {
        if (w->fd == fd)
            return w;
    }
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || uv_poll_init_socket(s->uv, &watch->uv, fd) != 0) {
        free(watch);
        return NULL; /* the query times out */
    }
    watch->server = s;
    watch->fd = fd;
    watch->next = s->watches;
    s->watches = watch;
    return watch;
}

static void on_socket(void *arg, ares_socket_t fd, int reads, int writes)
{
    struct server *s = arg;
    if (reads == 0 && writes == 0) {
        drop_watch(s, fd);
        return;
    }
    struct watch *watch = watch_of(s, fd);
    if (watch != NULL)
        (void)uv_poll_start(&watch->uv, (reads != 0 ? UV_READABLE : 0) | (writes != 0 ? UV_WRITABLE : 0),
                            on_event);
}

/* ---- servers ---------------------------------------------------------------------------------------------------------- */

static int open_server(struct cw_dns *dns, struct cw_loop *loop, const char *text, struct cw_err *err)
{
    static char lookups[] = "b"; /* the network alone, never a hosts file */
    struct server *s = &dns->servers[dns->count];
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = s,
        .lookups = lookups,
    };
    if (!cw_z_copy(s->text, sizeof s->text, text))
        return cw_err_set(err, CW_EINVAL, "dns.resolver: '%.80s' is too long", text);
    s->uv = cw_loop_uv(loop);
    s->timer = calloc(1, sizeof *s->timer);
    if (s->timer == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a resolver");
    int status = ares_init_options(&s->channel, &options,
                                   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                       ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS);
    if (status != ARES_SUCCESS) {
        free(CW_TAKE(s->timer));
        return cw_err_set(err, CW_ENOMEM, "resolver: %s", ares_strerror(status));
    }
    (void)uv_timer_init(s->uv, s->timer);
    s->timer->data = s;
    dns->count++;
    if (cw_z_eq(text, SYSTEM) || ares_set_servers_ports_csv(s->channel, text) == ARES_SUCCESS)
        return 0;
    (void)cw_err_set(err, CW_EINVAL, "dns.resolver: '%s' is not the address of a server", text);
    cw_err_remedy(err, "use system, or addresses such as 10.0.0.4 or 10.0.0.4:5353, separated by commas");
    return -CW_EINVAL;
}

static int open_servers(struct cw_dns *dns, struct cw_loop *loop, char *list, struct cw_err *err)
{
    char *rest = NULL;
    int r = 0;
    for (char *p = strtok_r(list, ", ", &rest); r == 0 && p != NULL; p = strtok_r(NULL, ", ", &rest)) {
        if (dns->count == CW_DNS_SERVERS_MAX)
            return cw_err_set(err, CW_EINVAL, "dns.resolver: at most %d servers", CW_DNS_SERVERS_MAX);
        r = open_server(dns, loop, p, err);
    }
    return r == 0 && dns->count == 0 ? cw_err_set(err, CW_EINVAL, "dns.resolver: no server") : r;
}

int cw_dns_new(struct cw_loop *loop, const char *servers, struct cw_dns **ret_dns, struct cw_err *err)
{
    struct cw_dns *dns = calloc(1, sizeof *dns);
    char *list = strdup(servers);
    int r = dns == NULL || list == NULL ? -CW_ENOMEM : 0;
    if (r < 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(list);
        free(dns);
        return cw_err_set(err, CW_ENOMEM, "no memory for a resolver");
    }
    r = open_servers(dns, loop, list, err);
    free(list);
    if (r < 0)
        cw_dns_free(dns);
    else
        *ret_dns = dns;
    return r;
}

void cw_dns_free(struct cw_dns *dns)
{
    if (dns == NULL)
        return;
    for (size_t i = 0; i < dns->count; i++) {
        struct server *s = &dns->servers[i];
        ares_destroy(s->channel);
        while (s->watches != NULL)
            drop_watch(s, s->watches->fd);
        (void)uv_timer_stop(s->timer);
        cw_uv_close_free(s->timer);
    }
    ares_library_cleanup();
    free(dns);
}

/* ---- lookups ---------------------------------------------------------------------------------------------------------- */

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct query *q = arg;
    (void)timeouts;
    if (q->wait == NULL) {
        ares_freeaddrinfo(info);
        free(q);
        return;
    }
    q->info = info;
    cw_wait_done(q->wait, status);
}

static bool add_cnames(const struct ares_addrinfo *info, struct cw_arena *mem, struct cw_dns_answer *answer)
{
    answer->cname = cw_arena_alloc_array(mem, CW_DNS_CNAMES_MAX, sizeof *answer->cname);
    for (const struct ares_addrinfo_cname *c = info->cnames;
         answer->cname != NULL && c != NULL && answer->cname_count < CW_DNS_CNAMES_MAX; c = c->next) {
        if (c->name != NULL)
            answer->cname[answer->cname_count++] = cw_arena_strdup(mem, c->name);
    }
    return answer->cname != NULL;
}

static bool add_addresses(const struct ares_addrinfo *info, struct cw_arena *mem,
                          struct cw_dns_answer *answer)
{
    answer->addresses = cw_arena_alloc_array(mem, CW_DNS_ADDRESSES_MAX, sizeof *answer->addresses);
    for (const struct ares_addrinfo_node *n = info->nodes;
         answer->addresses != NULL && n != NULL && answer->address_count < CW_DNS_ADDRESSES_MAX;
         n = n->ai_next) {
        char text[INET_ADDRSTRLEN];
        struct sockaddr_in address;
        if (n->ai_family != AF_INET)
            continue;
        memcpy(&address, n->ai_addr, sizeof address);
        (void)inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
        if (answer->address_count == 0 || n->ai_ttl < answer->ttl)
            answer->ttl = n->ai_ttl;
        answer->addresses[answer->address_count++] = cw_arena_strdup(mem, text);
    }
    return answer->addresses != NULL;
}

/* NULL: not an answer, somebody else may have one. */
static const char *rcode_of(int status)
{
    return status == ARES_SUCCESS     ? "NOERROR"
           : status == ARES_ENOTFOUND ? "NXDOMAIN"
           : status == ARES_ENODATA   ? "NODATA"
                                      : NULL;
}

static int read_answer(const struct server *s, int status, const struct ares_addrinfo *info,
                       struct cw_arena *mem, struct cw_dns_answer *ret_answer, struct cw_err *err)
{
    struct cw_dns_answer answer = {.server = cw_arena_strdup(mem, s->text), .rcode = rcode_of(status)};
    if (status == ARES_EBADNAME)
        return cw_err_set(err, CW_EINVAL, "not a name that DNS could know");
    if (answer.rcode == NULL)
        return cw_err_set(err, CW_ENET, "name server %s: %s", s->text, ares_strerror(status));
    if (info != NULL && (!add_cnames(info, mem, &answer) || !add_addresses(info, mem, &answer)))
        return cw_err_set(err, CW_ENOMEM, "no memory for a DNS answer");
    if (cw_arena_failed(mem))
        return cw_err_set(err, CW_ENOMEM, "no memory for a DNS answer");
    *ret_answer = answer;
    return 0;
}

static int ask(struct server *s, const char *name, struct cw_deadline until, struct cw_arena *mem,
               struct cw_dns_answer *ret_answer, struct cw_err *err)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_INET, .ai_flags = ARES_AI_NOSORT};
    struct cw_wait wait;
    struct query *q = calloc(1, sizeof *q);
    if (q == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a DNS query");
    cw_wait_arm(&wait);
    q->wait = &wait;
    ares_getaddrinfo(s->channel, name, NULL, &hints, on_answer, q);
    arm_timer(s);
    int r = cw_wait_for(&wait, until);
    if (!wait.done) {
        q->wait = NULL;
        return cw_err_set(err, r, "while name server %s was asked for %s", s->text, name);
    }
    int result = r < 0 ? cw_err_set(err, r, "while name server %s was asked for %s", s->text, name)
                       : read_answer(s, r, q->info, mem, ret_answer, err);
    ares_freeaddrinfo(q->info);
    free(q);
    return result;
}

int cw_dns_lookup(struct cw_dns *dns, const char *name, struct cw_deadline until, struct cw_arena *mem,
                  struct cw_dns_answer *ret_answer, struct cw_err *err)
{
    int r = -CW_ENET;
    if (name == NULL || name[0] == '\0' || strlen(name) > NAME_BYTES_MAX)
        return cw_err_set(err, CW_EINVAL, "not a name that DNS could know");
    for (size_t i = 0; i < dns->count && r == -CW_ENET; i++)
        r = ask(&dns->servers[i], name, until, mem, ret_answer, err);
    return r;
}

/* Lookups against a name server of the test's own, on loopback. */
#include "tests/unit/common/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/dns.h"
#include "common/str.h"

#define MESSAGE_BYTES_MAX 512
#define HEADER_BYTES 12
#define TYPE_A 1
#define TYPE_CNAME 5

struct server {
    int fd;
    int port;
    pthread_t thread;
    atomic_int queries;
};

/* ---- the server ------------------------------------------------------------------------------------------------------- */

struct message {
    uint8_t p[MESSAGE_BYTES_MAX];
    size_t n;
};

static void put16(struct message *m, unsigned v)
{
    m->p[m->n++] = (uint8_t)(v >> 8);
    m->p[m->n++] = (uint8_t)v;
}

static void put_name(struct message *m, const char *name)
{
    while (*name != '\0') {
        size_t k = strcspn(name, ".");
        m->p[m->n++] = (uint8_t)k;
        memcpy(m->p + m->n, name, k);
        m->n += k;
        name += k + (name[k] == '.');
    }
    m->p[m->n++] = 0;
}

static void put_record(struct message *m, const char *owner, unsigned type, unsigned ttl, const char *value)
{
    put_name(m, owner);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, ttl);
    size_t at = m->n;
    put16(m, 0);
    if (type == TYPE_CNAME)
        put_name(m, value);
    else {
        (void)inet_pton(AF_INET, value, m->p + m->n);
        m->n += 4;
    }
    size_t bytes = m->n - at - 2;
    m->p[at] = (uint8_t)(bytes >> 8);
    m->p[at + 1] = (uint8_t)bytes;
    m->p[7]++; /* answers */
}

static void read_name(const struct message *m, char out[256])
{
    size_t n = 0;
    for (size_t i = HEADER_BYTES; i < m->n && m->p[i] != 0; i += m->p[i] + 1u) {
        if (n > 0)
            out[n++] = '.';
        memcpy(out + n, m->p + i + 1, m->p[i]);
        n += m->p[i];
    }
    out[n] = '\0';
}

/* false: says nothing. */
static bool answer(struct message *m, const char *name)
{
    m->p[2] |= 0x80; /* a response */
    m->p[3] = 0x80;  /* recursion available, no error */
    memset(m->p + 6, 0, 6);
    m->n = HEADER_BYTES + strlen(name) + 2 + 4;
    if (cw_z_eq(name, "adb.example.test")) {
        put_record(m, name, TYPE_CNAME, 300, "adb.privatelink.example.test");
        put_record(m, "adb.privatelink.example.test", TYPE_A, 10, "10.1.2.3");
    } else if (cw_z_eq(name, "two.example.test")) {
        put_record(m, name, TYPE_A, 60, "10.1.2.3");
        put_record(m, name, TYPE_A, 20, "10.1.2.4");
    } else if (cw_z_eq(name, "refused.example.test"))
        m->p[3] |= 5;
    else if (cw_z_eq(name, "missing.example.test"))
        m->p[3] |= 3;
    else if (cw_z_eq(name, "fails.example.test"))
        m->p[3] |= 2;
    return !cw_z_eq(name, "silent.example.test");
}

static void *serve(void *arg)
{
    struct server *s = arg;
    for (;;) {
        struct sockaddr_in from;
        socklen_t from_bytes = sizeof from;
        struct message m;
        char name[256];
        ssize_t n = recvfrom(s->fd, m.p, sizeof m.p, 0, (struct sockaddr *)&from, &from_bytes);
        if (n < HEADER_BYTES)
            return NULL;
        m.n = (size_t)n;
        atomic_fetch_add(&s->queries, 1);
        read_name(&m, name);
        if (answer(&m, name))
            (void)sendto(s->fd, m.p, m.n, 0, (struct sockaddr *)&from, from_bytes);
    }
}

static void start_server(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &bytes), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(sendto(s->fd, "", 1, 0, (struct sockaddr *)&at, sizeof at), 1);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->fd);
}

/* ---- the rig ---------------------------------------------------------------------------------------------------------- */

static struct cw_loop *loop;
static struct cw_arena *mem;
static struct server server;
static char servers[128];

static int set_up(void **state)
{
    const struct cw_sched_cfg cfg = {.fibers_max = 64};
    struct cw_err err = {0};
    (void)state;
    memset(&server, 0, sizeof server);
    start_server(&server);
    (void)snprintf(servers, sizeof servers, "127.0.0.1:%d", server.port);
    return cw_arena_new((size_t)1 << 20, &mem) < 0 ? -1 : cw_loop_new(&cfg, &loop, &err);
}

static int tear_down(void **state)
{
    (void)state;
    cw_loop_free(loop);
    cw_arena_free(mem);
    stop_server(&server);
    return 0;
}

struct asked {
    struct cw_dns *dns;
    const char *name;
    struct cw_deadline until;
    struct cw_dns_answer answer;
    struct cw_err err;
};

static int ask(void *arg)
{
    struct asked *a = arg;
    return cw_dns_lookup(a->dns, a->name, a->until, mem, &a->answer, &a->err);
}

static struct cw_dns *open_dns(const char *list)
{
    struct cw_dns *dns = NULL;
    struct cw_err err = {0};
    if (cw_dns_new(loop, list, &dns, &err) < 0)
        fail_msg("%s", err.text);
    return dns;
}

static int lookup(struct asked *a, const char *list, const char *name)
{
    *a = (struct asked){.dns = open_dns(list), .name = name, .until = cw_in_ms(10000)};
    int r = cw_loop_run_fiber(loop, "ask", ask, a);
    cw_dns_free(a->dns);
    return r;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void the_chain_and_the_address_are_told(void **state)
{
    struct asked a;
    (void)state;
    assert_int_equal(lookup(&a, servers, "adb.example.test"), 0);
    assert_string_equal(a.answer.rcode, "NOERROR");
    assert_string_equal(a.answer.server, servers);
    assert_int_equal(a.answer.cname_count, 1);
    assert_string_equal(a.answer.cname[0], "adb.privatelink.example.test");
    assert_int_equal(a.answer.address_count, 1);
    assert_string_equal(a.answer.addresses[0], "10.1.2.3");
    assert_int_equal(a.answer.ttl, 10);
    assert_int_equal(lookup(&a, servers, "two.example.test"), 0);
    assert_int_equal(a.answer.address_count, 2);
    assert_int_equal(a.answer.cname_count, 0);
    assert_int_equal(a.answer.ttl, 20);
}

static void no_such_name_is_an_answer(void **state)
{
    struct asked a;
    (void)state;
    assert_int_equal(lookup(&a, servers, "missing.example.test"), 0);
    assert_string_equal(a.answer.rcode, "NXDOMAIN");
    assert_int_equal(a.answer.address_count, 0);
    assert_int_equal(lookup(&a, servers, "empty.example.test"), 0);
    assert_string_equal(a.answer.rcode, "NODATA");
}

static void a_server_that_fails_is_no_answer(void **state)
{
    struct asked a;
    (void)state;
    assert_int_equal(lookup(&a, servers, "fails.example.test"), -CW_ENET);
    assert_non_null(strstr(a.err.text, servers));
    assert_int_equal(lookup(&a, servers, "refused.example.test"), -CW_ENET);
    char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(lookup(&a, servers, long_name), -CW_EINVAL);
    assert_int_equal(lookup(&a, servers, ""), -CW_EINVAL);
}

/* The first is a port where nobody listens. */
static void the_next_server_is_asked(void **state)
{
    struct asked a;
    char list[300];
    struct server gone = {0};
    (void)state;
    start_server(&gone);
    stop_server(&gone);
    (void)snprintf(list, sizeof list, "127.0.0.1:%d, %s", gone.port, servers);
    assert_int_equal(lookup(&a, list, "adb.example.test"), 0);
    assert_string_equal(a.answer.server, servers);
}

static void the_deadline_ends_a_lookup(void **state)
{
    (void)state;
    struct asked a = {.dns = open_dns(servers), .name = "silent.example.test", .until = cw_in_ms(50)};
    int64_t began = cw_mono_ms();
    assert_int_equal(cw_loop_run_fiber(loop, "ask", ask, &a), -CW_ETIMEDOUT);
    assert_true(cw_mono_ms() - began < 1500);
    /* The query is still under way: the channel goes on, and what comes of it hurts nobody. */
    a.name = "adb.example.test";
    a.until = cw_in_ms(10000);
    assert_int_equal(cw_loop_run_fiber(loop, "ask", ask, &a), 0);
    cw_dns_free(a.dns);
}

static int cancel_one(void *arg)
{
    struct asked *a = arg;
    struct cw_fiber *fiber;
    int result = 0;
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "victim", ask, a, &fiber), 0);
    assert_int_equal(cw_sleep(cw_in_ms(20)), 0);
    cw_fiber_cancel(fiber, CW_EPARKED);
    assert_int_equal(cw_fiber_join(fiber, cw_in_ms(1000), &result), 0);
    return result;
}

static void a_lookup_can_be_cancelled(void **state)
{
    (void)state;
    struct asked a = {.dns = open_dns(servers), .name = "silent.example.test", .until = CW_NEVER};
    assert_int_equal(cw_loop_run_fiber(loop, "cancel", cancel_one, &a), -CW_EPARKED);
    cw_dns_free(a.dns); /* with the query still under way */
}

static int ask_many(void *arg)
{
    struct asked *a = arg;
    struct cw_fiber *fibers[32];
    int result = -1;
    for (size_t i = 0; i < CW_ARRAY_LEN(fibers); i++)
        assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "one", ask, &a[i], &fibers[i]), 0);
    for (size_t i = 0; i < CW_ARRAY_LEN(fibers); i++) {
        assert_int_equal(cw_fiber_join(fibers[i], cw_in_ms(10000), &result), 0);
        assert_int_equal(result, 0);
    }
    return 0;
}

static void many_at_once(void **state)
{
    (void)state;
    static struct asked all[32];
    struct cw_dns *dns = open_dns(servers);
    for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
        all[i] = (struct asked){.dns = dns,
                                .name = i % 2 == 0 ? "adb.example.test" : "missing.example.test",
                                .until = cw_in_ms(10000)};
    assert_int_equal(cw_loop_run_fiber(loop, "many", ask_many, all), 0);
    assert_int_equal(all[0].answer.address_count, 1);
    assert_int_equal(all[1].answer.address_count, 0);
    assert_true(atomic_load(&server.queries) >= 32);
    cw_dns_free(dns);
}

static void bad_servers_are_refused(void **state)
{
    static const char *const bad[] = {"not-an-address", "10.0.0.300", "10.0.0.4:x", ",",
                                      "10.0.0.4,resolver.example"};
    (void)state;
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++) {
        struct cw_dns *dns = NULL;
        struct cw_err err = {0};
        if (cw_dns_new(loop, bad[i], &dns, &err) != -CW_EINVAL)
            fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(err.text, "dns.resolver"));
    }
    cw_dns_free(open_dns("system"));
    cw_dns_free(open_dns("10.0.0.4, 10.0.0.5:5353"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_chain_and_the_address_are_told),
        TEST(no_such_name_is_an_answer),
        TEST(a_server_that_fails_is_no_answer),
        TEST(the_next_server_is_asked),
        TEST(the_deadline_ends_a_lookup),
        TEST(a_lookup_can_be_cancelled),
        TEST(many_at_once),
        TEST(bad_servers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

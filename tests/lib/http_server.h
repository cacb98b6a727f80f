/* tests/lib/http_server.h: an HTTP/1.1 server that can be as rude as a test wants. A thread a connection. */
#ifndef CW_TESTS_LIB_HTTP_SERVER_H
#define CW_TESTS_LIB_HTTP_SERVER_H

#include "common/base.h"

struct test_http;
struct test_http_conn;

enum test_http_kind {
    TEST_HTTP_TLS = 0,
    TEST_HTTP_PLAIN,
    TEST_HTTP_MUTE, /* accepts connections, says nothing, not even TLS */
};

struct test_http_request {
    const char *method;
    const char *path;
    const char *head; /* all of it, as received */
    const char *body;
    size_t body_bytes;
    int number; /* on this connection, from 1 */
};

/* On the connection's thread. False closes the connection afterwards. */
typedef bool (*test_http_fn)(struct test_http_conn *conn, const struct test_http_request *req, void *arg);

/* Its certificate is for localhost alone. */
struct test_http *test_http_start(enum test_http_kind kind, test_http_fn fn, void *arg);
/* Closes all connections and waits for their threads. */
void test_http_stop(struct test_http *server);
const char *test_http_base(const struct test_http *server); /* "https://localhost:PORT" */
int test_http_port(const struct test_http *server);
const char *test_http_ca_file(const struct test_http *server);
int test_http_accepted(struct test_http *server); /* connections so far */
int test_http_requests(struct test_http *server); /* requests so far */

bool test_http_write(struct test_http_conn *conn, const void *p, size_t n);
bool test_http_write_z(struct test_http_conn *conn, const char *z);
/* A whole answer; headers are lines that end in \r\n, or "". */
bool test_http_answer(struct test_http_conn *conn, int status, const char *headers, const void *body,
                      size_t n);
/* Close with a reset. */
void test_http_reset(struct test_http_conn *conn);
/* Wait until the client goes away or the server stops. */
void test_http_hang(struct test_http_conn *conn);
/* The same for at most so long; false when the client went away. */
bool test_http_pause(struct test_http_conn *conn, int ms);

#endif

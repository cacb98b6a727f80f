/* tests/lib/redis_server.h: a private redis-server process on a free port of 127.0.0.1, without persistence. */
#ifndef CW_TESTS_LIB_REDIS_SERVER_H
#define CW_TESTS_LIB_REDIS_SERVER_H

#include "common/base.h"

struct test_redis;

/* User "worker" with password "pass word" may do everything; "weak"/"weak" only GET; the default user is off when
 * has_acl. */
struct test_redis_cfg {
    bool is_tls; /* its certificate is for localhost and 127.0.0.1 */
    bool has_acl;
};

/* Ready to serve when it returns. The test fails when it can't be started. */
struct test_redis *test_redis_start(const struct test_redis_cfg *cfg);
void test_redis_stop(struct test_redis *server);    /* NULL is fine */
void test_redis_kill(struct test_redis *server);    /* SIGKILL, waits for its end */
void test_redis_restart(struct test_redis *server); /* same port, empty; after kill or instead of it */
void test_redis_freeze(struct test_redis *server);  /* SIGSTOP: accepts connections, answers nothing */
void test_redis_thaw(struct test_redis *server);
int test_redis_port(const struct test_redis *server);
const char *test_redis_ca_file(const struct test_redis *server);
/* "redis://127.0.0.1:PORT", or rediss://localhost:PORT */
const char *test_redis_url(const struct test_redis *server);

#endif

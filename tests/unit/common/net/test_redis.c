#include "tests/unit/common/check.h"

#include "common/net/redis.h"
#include "tests/lib/redis_server.h"

#define MANY 300

struct rig {
    struct cw_loop *loop;
    struct cw_redis *redis;
    struct test_redis *server;
    struct cw_arena *mem;
    struct cw_err err;
    int64_t wait_ms;
    const char *command; /* words separated by one blank */
    struct cw_redis_reply reply;
    const struct cw_redis_script *script;
};

static void connect_to(struct rig *rig, const struct cw_redis_cfg *given)
{
    struct cw_redis_cfg cfg = *given;
    if (cfg.url == NULL)
        cfg.url = test_redis_url(rig->server);
    assert_int_equal(cw_redis_new(rig->loop, &cfg, &rig->redis, &rig->err), 0);
}

static void start(struct rig *rig, const struct cw_redis_cfg *cfg)
{
    rig->server = test_redis_start(&(struct test_redis_cfg){0});
    connect_to(rig, cfg);
}

static size_t split(const char *text, struct cw_str *words, size_t max)
{
    size_t count = 0;
    while (*text != '\0' && count < max) {
        size_t n = strcspn(text, " ");
        words[count++] = (struct cw_str){text, n};
        text += n + (text[n] == ' ' ? 1 : 0);
    }
    return count;
}

static int run_call(void *arg)
{
    struct rig *rig = arg;
    struct cw_str argv[16];
    size_t argc = split(rig->command, argv, CW_ARRAY_LEN(argv));
    return cw_redis_call(rig->redis, argc, argv, cw_in_ms(rig->wait_ms), rig->mem, &rig->reply, &rig->err);
}

static int call(struct rig *rig, const char *command)
{
    rig->command = command;
    cw_err_clear(&rig->err);
    return cw_loop_run_fiber(rig->loop, "call", run_call, rig);
}

static int run_eval(void *arg)
{
    struct rig *rig = arg;
    const char *const keys[] = {"{ws}a", "{ws}b"};
    const struct cw_str args[] = {cw_str_of("one"), {"t\0o", 3}};
    return cw_redis_eval(rig->redis, rig->script, 2, keys, 2, args, cw_in_ms(rig->wait_ms), rig->mem,
                         &rig->reply, &rig->err);
}

static int eval(struct rig *rig, const struct cw_redis_script *script)
{
    rig->script = script;
    cw_err_clear(&rig->err);
    return cw_loop_run_fiber(rig->loop, "eval", run_eval, rig);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct cw_sched_cfg cfg = {.fibers_max = 2 * MANY};
    *state = rig;
    rig->wait_ms = 5000;
    return cw_loop_new(&cfg, &rig->loop, &rig->err) < 0 || cw_arena_new(64u << 20, &rig->mem) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    cw_redis_free(rig->redis);
    test_redis_stop(rig->server);
    cw_arena_free(rig->mem);
    cw_loop_free(rig->loop);
    free(rig);
    return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void each_type_of_answer_arrives(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_false(cw_redis_is_connected(rig->redis));
    assert_int_equal(call(rig, "SET k v"), 0);
    assert_true(cw_redis_is_connected(rig->redis));
    assert_int_equal(rig->reply.type, CW_REDIS_STR);
    assert_string_equal(rig->reply.str.p, "OK");
    assert_int_equal(call(rig, "GET k"), 0);
    assert_string_equal(rig->reply.str.p, "v");
    assert_int_equal(call(rig, "GET absent"), 0);
    assert_int_equal(rig->reply.type, CW_REDIS_NIL);
    assert_int_equal(call(rig, "INCRBY n 42"), 0);
    assert_int_equal(rig->reply.type, CW_REDIS_INT);
    assert_int_equal(rig->reply.num, 42);
    assert_int_equal(call(rig, "MGET k absent n"), 0);
    assert_int_equal(rig->reply.type, CW_REDIS_ARRAY);
    assert_int_equal(rig->reply.count, 3);
    assert_string_equal(rig->reply.items[0].str.p, "v");
    assert_int_equal(rig->reply.items[1].type, CW_REDIS_NIL);
    assert_string_equal(rig->reply.items[2].str.p, "42");
}

static void an_error_answer_has_its_first_word(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(call(rig, "SET k v"), 0);
    assert_int_equal(call(rig, "LPUSH k v"), -CW_EREMOTE);
    assert_string_equal(rig->err.remote_code, "WRONGTYPE");
    assert_int_equal(call(rig, "NOSUCHCOMMAND"), -CW_EREMOTE);
    assert_string_equal(rig->err.remote_code, "ERR");
    assert_int_equal(call(rig, "PING"), 0);
}

static const struct cw_redis_script echo_script = {"test.echo",
                                                   "return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], #ARGV}"};
static const struct cw_redis_script bad_script = {"test.bad",
                                                  "return redis.error_reply('EFENCED newer owner')"};

static void scripts_run_by_digest_and_survive_a_flush(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(eval(rig, &echo_script), 0);
        assert_int_equal(rig->reply.count, 5);
        assert_string_equal(rig->reply.items[1].str.p, "{ws}b");
        assert_int_equal(rig->reply.items[3].str.n, 3);
        assert_memory_equal(rig->reply.items[3].str.p, "t\0o", 3);
        assert_int_equal(rig->reply.items[4].num, 2);
        assert_int_equal(call(rig, "SCRIPT FLUSH"), 0);
    }
    assert_int_equal(eval(rig, &bad_script), -CW_EREMOTE);
    assert_string_equal(rig->err.remote_code, "EFENCED");
    assert_non_null(strstr(rig->err.text, "test.bad"));
}

/* --- users and TLS ------------------------------------------------------------------------------------------------ */

static void the_user_and_the_database_are_chosen(void **state)
{
    struct rig *rig = *state;
    rig->server = test_redis_start(&(struct test_redis_cfg){.has_acl = true});
    char url[96];
    (void)snprintf(url, sizeof url, "redis://worker:pass%%20word@127.0.0.1:%d/3",
                   test_redis_port(rig->server));
    connect_to(rig, &(struct cw_redis_cfg){.url = url});
    assert_int_equal(call(rig, "ACL WHOAMI"), 0);
    assert_string_equal(rig->reply.str.p, "worker");
    assert_int_equal(call(rig, "CLIENT INFO"), 0);
    assert_non_null(strstr(rig->reply.str.p, " db=3 "));
}

static void refused_credentials_fail_calls_at_once(void **state)
{
    struct rig *rig = *state;
    rig->server = test_redis_start(&(struct test_redis_cfg){.has_acl = true});
    static const struct cw_redis_cfg bad[] = {{.username = "worker", .password = "wrong"}, {.url = NULL}};
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++) {
        connect_to(rig, &bad[i]);
        int64_t begin = cw_mono_ms();
        assert_int_equal(call(rig, "PING"), -CW_EAUTH);
        assert_int_equal(rig->err.class, CW_CLASS_DENIED);
        assert_null(strstr(rig->err.text, "wrong\""));
        assert_true(cw_mono_ms() - begin < 3000);
        cw_redis_free(CW_TAKE(rig->redis));
    }
    connect_to(rig, &(struct cw_redis_cfg){.username = "weak", .password = "weak"});
    assert_int_equal(call(rig, "GET k"), 0);
    assert_int_equal(call(rig, "SET k v"), -CW_EAUTH);
    assert_string_equal(rig->err.remote_code, "NOPERM");
    assert_true(cw_redis_is_connected(rig->redis));
}

static void tls_checks_authority_and_name(void **state)
{
    struct rig *rig = *state;
    rig->server = test_redis_start(&(struct test_redis_cfg){.is_tls = true});
    connect_to(rig, &(struct cw_redis_cfg){.ca_file = test_redis_ca_file(rig->server)});
    assert_int_equal(call(rig, "SET k v"), 0);
    assert_int_equal(call(rig, "SETRANGE big 999999 x"), 0);
    assert_int_equal(call(rig, "GET big"), 0);
    assert_int_equal(rig->reply.str.n, 1000000);
    cw_redis_free(CW_TAKE(rig->redis));
    connect_to(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(call(rig, "PING"), -CW_ETLS);
    cw_redis_free(CW_TAKE(rig->redis));
    char url[64];
    (void)snprintf(url, sizeof url, "rediss://ip6-localhost:%d", test_redis_port(rig->server));
    connect_to(rig, &(struct cw_redis_cfg){.url = url, .ca_file = test_redis_ca_file(rig->server)});
    rig->wait_ms = 1000;
    int r = call(rig, "PING");
    assert_true(r == -CW_ETLS || r == -CW_ENET); /* the name may lead to ::1, where nobody listens */
    cw_redis_free(CW_TAKE(rig->redis));
    (void)snprintf(url, sizeof url, "rediss://127.0.0.1:%d", test_redis_port(rig->server));
    connect_to(rig, &(struct cw_redis_cfg){.url = url, .ca_file = test_redis_ca_file(rig->server)});
    rig->wait_ms = 5000;
    assert_int_equal(call(rig, "PING"), 0);
}

static void bad_urls_are_refused(void **state)
{
    struct rig *rig = *state;
    static const char *const urls[] = {"http://h",        "redis://",      "redis://h:0",
                                       "redis://h:99999", "redis://h/x",   "redis://a%2@h",
                                       "redis://[::1",    "redis://h:1:2", "h:6379"};
    for (size_t i = 0; i < CW_ARRAY_LEN(urls); i++) {
        struct cw_redis_cfg cfg = {.url = urls[i]};
        if (cw_redis_new(rig->loop, &cfg, &rig->redis, &rig->err) != -CW_EINVAL)
            fail_msg("%s", urls[i]);
    }
}

/* --- losing the server -------------------------------------------------------------------------------------------- */

static void a_restarted_server_is_found_again(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(eval(rig, &echo_script), 0);
    for (int i = 0; i < 3; i++) {
        test_redis_restart(rig->server);
        int r = call(rig, "PING"); /* may still see the dead connection */
        assert_true(r == 0 || r == -CW_ENET);
        assert_int_equal(eval(rig, &echo_script), 0);
    }
}

static void without_a_server_a_call_waits_for_its_deadline(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    test_redis_kill(rig->server);
    rig->wait_ms = 150;
    int64_t begin = cw_mono_ms();
    assert_int_equal(call(rig, "PING"), -CW_ENET);
    assert_in_range(cw_mono_ms() - begin, 150, 2000);
    assert_non_null(strstr(rig->err.text, "refused"));
    assert_false(cw_redis_is_connected(rig->redis));
    test_redis_restart(rig->server);
    rig->wait_ms = 5000;
    assert_int_equal(call(rig, "PING"), 0);
}

/* A frozen server keeps its connections: the command time-out ends the call, and the connection is given up. */
static void a_silent_server_loses_the_connection(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){.command_timeout_ms = 150});
    assert_int_equal(call(rig, "PING"), 0);
    test_redis_freeze(rig->server);
    int64_t begin = cw_mono_ms();
    int r = call(rig, "PING");
    assert_true(r == -CW_ETIMEDOUT || r == -CW_ENET);
    assert_in_range(cw_mono_ms() - begin, 100, 2000);
    rig->wait_ms = 400;
    r = call(rig, "PING");
    assert_true(r == -CW_ETIMEDOUT || r == -CW_ENET);
    assert_false(cw_redis_is_connected(rig->redis));
    test_redis_thaw(rig->server);
    rig->wait_ms = 10000;
    assert_int_equal(call(rig, "PING"), 0);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

struct one {
    struct rig *rig;
    struct cw_fiber *fiber;
    int index;
    int result;
};

static int call_one(void *arg)
{
    const struct one *one = arg;
    char key[32];
    char value[32];
    (void)snprintf(key, sizeof key, "key:%d", one->index);
    (void)snprintf(value, sizeof value, "value:%d", one->index);
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(1u << 20, &mem) < 0)
        return -CW_EBUG;
    struct cw_redis_reply reply;
    struct cw_err err = {0};
    const struct cw_str set[] = {cw_str_of("SET"), cw_str_of(key), cw_str_of(value)};
    const struct cw_str get[] = {cw_str_of("GET"), cw_str_of(key)};
    int r = cw_redis_call(one->rig->redis, 3, set, cw_in_ms(5000), mem, &reply, &err);
    if (r == 0)
        r = cw_redis_call(one->rig->redis, 2, get, cw_in_ms(5000), mem, &reply, &err);
    if (r < 0)
        return r;
    return reply.type == CW_REDIS_STR && strcmp(reply.str.p, value) == 0 ? 0 : -CW_EBUG;
}

static int run_many(void *arg)
{
    struct rig *rig = arg;
    struct one many[MANY];
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct one){.rig = rig, .index = i};
        if (cw_fiber_spawn(cw_sched_current(), "one", call_one, &many[i], &many[i].fiber) < 0)
            return -CW_EBUG;
    }
    for (int i = 0; i < MANY; i += 2) {
        if (i % 60 == 0 && cw_sleep(cw_in_ms(1)) < 0)
            return -CW_EBUG;
        cw_fiber_cancel(many[i].fiber, CW_ELOST);
    }
    int bad = 0;
    for (int i = 0; i < MANY; i++) {
        if (cw_fiber_join(many[i].fiber, CW_NEVER, &many[i].result) < 0)
            return -CW_EBUG;
        if (many[i].result != 0 && (i % 2 == 1 || many[i].result != -CW_ELOST))
            bad = many[i].result;
    }
    return bad;
}

static void answers_find_their_calls_when_half_are_cancelled(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(cw_loop_run_fiber(rig->loop, "many", run_many, rig), 0);
    assert_int_equal(call(rig, "GET key:1"), 0);
    assert_string_equal(rig->reply.str.p, "value:1");
}

static void more_calls_than_the_limit_take_turns(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){.inflight_max = 3});
    assert_int_equal(cw_loop_run_fiber(rig->loop, "many", run_many, rig), 0);
}

/* A kill -9 under load: each call ends with an answer or a network error, and the next one works. */
static int run_killed(void *arg)
{
    struct rig *rig = arg;
    struct one many[MANY];
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct one){.rig = rig, .index = i};
        if (cw_fiber_spawn(cw_sched_current(), "one", call_one, &many[i], &many[i].fiber) < 0)
            return -CW_EBUG;
    }
    if (cw_sleep(cw_in_ms(1)) < 0)
        return -CW_EBUG;
    test_redis_restart(rig->server);
    for (int i = 0; i < MANY; i++) {
        if (cw_fiber_join(many[i].fiber, CW_NEVER, &many[i].result) < 0)
            return -CW_EBUG;
        if (many[i].result != 0 && many[i].result != -CW_ENET && many[i].result != -CW_EBUG)
            return many[i].result;
    }
    return 0;
}

static void a_kill_under_load_ends_each_call(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(call(rig, "PING"), 0);
    assert_int_equal(cw_loop_run_fiber(rig->loop, "killed", run_killed, rig), 0);
    assert_int_equal(call(rig, "PING"), 0);
}

/* Freed with answers still to come, and while connecting. */
static int abandon(void *arg)
{
    struct rig *rig = arg;
    rig->wait_ms = 20;
    rig->command = "BLPOP nothing 5";
    return run_call(rig);
}

static void a_client_can_be_freed_with_answers_outstanding(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(call(rig, "PING"), 0);
    assert_int_equal(cw_loop_run_fiber(rig->loop, "abandon", abandon, rig), -CW_ETIMEDOUT);
    cw_redis_free(CW_TAKE(rig->redis));
    connect_to(rig, &(struct cw_redis_cfg){.url = "redis://no-such-host.invalid"});
    rig->wait_ms = 1;
    assert_int_equal(call(rig, "PING"), -CW_ENET);
}

static void a_lagging_replica_is_not_used(void **state)
{
    struct rig *rig = *state;
    start(rig, &(struct cw_redis_cfg){0});
    assert_int_equal(call(rig, "REPLICAOF 127.0.0.1 1"), 0);
    assert_int_equal(call(rig, "SET k v"), -CW_ENET);
    assert_string_equal(rig->err.remote_code, "READONLY");
    assert_false(cw_redis_is_connected(rig->redis));
    assert_int_equal(call(rig, "REPLICAOF NO ONE"), 0);
    assert_int_equal(call(rig, "SET k v"), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_type_of_answer_arrives),
        T(an_error_answer_has_its_first_word),
        T(scripts_run_by_digest_and_survive_a_flush),
        T(the_user_and_the_database_are_chosen),
        T(refused_credentials_fail_calls_at_once),
        T(tls_checks_authority_and_name),
        T(bad_urls_are_refused),
        T(a_restarted_server_is_found_again),
        T(without_a_server_a_call_waits_for_its_deadline),
        T(a_silent_server_loses_the_connection),
        T(answers_find_their_calls_when_half_are_cancelled),
        T(more_calls_than_the_limit_take_turns),
        T(a_kill_under_load_ends_each_call),
        T(a_client_can_be_freed_with_answers_outstanding),
        T(a_lagging_replica_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The model of Redis and a real one: both are told the same commands and scripts, in the same order, and must answer the same.
 *
 * What they are told is what workers say in whole histories, so each production script is there in all its branches. Time differs:
 * what expires in the model is deleted in the real one, and no answer that is a time is compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hiredis/hiredis.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/redis_server.h"
#include "tests/sim/sim.h"

#define SEEDS 40
#define ARGS_MAX 80
#define SCRIPTS_LEAST 1000

static struct {
    redisContext *real;
    size_t compared;
    size_t scripts;
    char difference[1024]; /* the first */
} mirror;

/* ---- the same answer ------------------------------------------------------------------------------------------------- */

static bool is_same(const struct redis_value *v, const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_NIL:
        return v->type == REDIS_NIL;
    case REDIS_REPLY_INTEGER:
        return v->type == REDIS_NUMBER && v->number == r->integer;
    case REDIS_REPLY_STRING:
        return v->type == REDIS_TEXT && v->text.n == r->len && memcmp(v->text.p, r->str, r->len) == 0;
    case REDIS_REPLY_STATUS:
        return v->type == REDIS_STATUS && v->text.n == r->len && memcmp(v->text.p, r->str, r->len) == 0;
    case REDIS_REPLY_ERROR:
        return v->type == REDIS_ERROR;
    case REDIS_REPLY_ARRAY:
        if (v->type != REDIS_LIST || v->count != r->elements)
            return false;
        for (size_t i = 0; i < v->count; i++) {
            if (!is_same(&v->items[i], r->element[i]))
                return false;
        }
        return true;
    default:
        return false;
    }
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp((*(redisReply *const *)a)->str, (*(redisReply *const *)b)->str);
}

static int compare_values(const void *a, const void *b)
{
    return strcmp(((const struct redis_value *)a)->text.p, ((const struct redis_value *)b)->text.p);
}

/* A hash has no order: {1, [name, value, …]} of journal.claim is compared sorted by name. */
static bool is_same_hash(const struct redis_value *v, redisReply *r)
{
    if (v->type != REDIS_LIST || r->type != REDIS_REPLY_ARRAY || v->count != r->elements || v->count < 2)
        return is_same(v, r);
    const struct redis_value *all = &v->items[v->count - 1];
    redisReply *theirs = r->element[v->count - 1];
    if (all->type != REDIS_LIST || theirs->type != REDIS_REPLY_ARRAY || all->count != theirs->elements)
        return false;
    qsort(all->items, all->count / 2, 2 * sizeof *all->items, compare_values);
    qsort((void *)theirs->element, theirs->elements / 2, 2 * sizeof *theirs->element, compare_pairs);
    return is_same(v, r);
}

/* ---- told as well ---------------------------------------------------------------------------------------------------- */

static void *tell(size_t argc, const char **argv, const size_t *bytes)
{
    redisReply *r = redisCommandArgv(mirror.real, (int)argc, argv, bytes);
    CW_BUG_ON(r == NULL);
    return r;
}

/* Scripts that ask for the time get the model's, so that the epochs of locks are the same. */
#define LUA_BYTES 8192
static const char *with_time(const char *lua, char out[LUA_BYTES])
{
    int64_t now = world_wall_ms();
    int n = snprintf(out, LUA_BYTES,
                     "local redis = {call = function(c, ...) if c == 'TIME' then return {'%lld', '%lld'} end "
                     "return redis.call(c, ...) end}\n%s",
                     (long long)(now / 1000), (long long)(now % 1000 * 1000), lua);
    CW_BUG_ON(n >= LUA_BYTES);
    return out;
}

static bool tells_time(const char *name, const struct redis_value *answer)
{
    /* A lock that another holds comes with the time that it has left. */
    bool is_held = strcmp(name, "lock.acquire") == 0 && answer->type == REDIS_LIST && answer->count == 3;
    return strncmp(name, "quota.", 6) == 0 || strcmp(name, "TIME") == 0 || strcmp(name, "PTTL") == 0 ||
           strcmp(name, "WAIT") == 0 || is_held;
}

static void ran(void *arg, const struct cw_redis_script *script, size_t key_count, const char *const *keys,
                size_t argc, const struct cw_str *args, const struct redis_value *answer)
{
    (void)arg;
    const char *argv[ARGS_MAX];
    size_t bytes[ARGS_MAX], n = 0;
    char count[24], lua[LUA_BYTES];
    (void)snprintf(count, sizeof count, "%zu", key_count);
    const char *name = script != NULL ? script->name : args[0].p;
    if (tells_time(name, answer) && strcmp(name, "lock.acquire") != 0)
        return;
    if (script != NULL) {
        argv[n++] = "EVAL";
        argv[n++] = with_time(script->lua, lua);
        argv[n++] = count;
    }
    CW_BUG_ON(n + key_count + argc > ARGS_MAX);
    for (size_t i = 0; i < key_count; i++)
        argv[n++] = keys[i];
    for (size_t i = 0; i < n; i++)
        bytes[i] = strlen(argv[i]);
    for (size_t i = 0; i < argc; i++) {
        argv[n] = args[i].p;
        bytes[n++] = args[i].n;
    }
    redisReply *r = tell(n, argv, bytes);
    mirror.compared++;
    mirror.scripts += script != NULL;
    bool same = tells_time(name, answer) ? r->type == REDIS_REPLY_ARRAY && r->elements == answer->count
                : strcmp(name, "journal.claim") == 0 ? is_same_hash(answer, r)
                                                     : is_same(answer, r);
    if (!same && mirror.difference[0] == '\0')
        (void)snprintf(mirror.difference, sizeof mirror.difference,
                       "%s %s: real type %d, %zu items, \"%s\"; model type %d, %zu items", name,
                       key_count > 0 ? keys[0] : "", r->type, r->elements, r->str == NULL ? "" : r->str,
                       (int)answer->type, answer->count);
    freeReplyObject(r);
}

static void gone(void *arg, const char *key)
{
    (void)arg;
    const char *argv[] = {key == NULL ? "FLUSHALL" : "DEL", key};
    const size_t bytes[] = {strlen(argv[0]), key == NULL ? 0 : strlen(key)};
    freeReplyObject(tell(key == NULL ? 1 : 2, argv, bytes));
}

/* In a process of its own, since dead workers' memory stays. */
static int play_all(int port)
{
    static const struct redis_mirror both = {ran, gone};
    mirror.real = redisConnect("127.0.0.1", port);
    if (mirror.real == NULL || mirror.real->err != 0)
        return 2;
    sim_mirror(&both);
    for (uint64_t seed = 1; seed <= SEEDS && mirror.difference[0] == '\0'; seed++) {
        struct sim_plan plan;
        sim_plan_draw(seed, false, &plan);
        /* What a failover takes back can't be taken back from a server that runs. */
        for (size_t i = 0; i < plan.action_count; i++)
            plan.is_left_out[plan.request_count + i] = plan.actions[i].act == SIM_REDIS_FAILOVER;
        sim_run(&plan, false);
        if (mirror.difference[0] != '\0')
            (void)fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, mirror.difference);
    }
    (void)fprintf(stderr, "%zu answers compared, %zu of scripts\n", mirror.compared, mirror.scripts);
    return mirror.difference[0] == '\0' && mirror.scripts > SCRIPTS_LEAST ? 0 : 1;
}

static void test_same_answers(void **state)
{
    (void)state;
    int status = -1;
    struct test_redis *server = test_redis_start(&(struct test_redis_cfg){.is_tls = false});
    pid_t pid = fork();
    if (pid == 0)
        _exit(play_all(test_redis_port(server)));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    test_redis_stop(server);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

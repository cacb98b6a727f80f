#include "common/net/redis.h"

#include "common/fiber/wait.h"
#include "tests/world/clock.h"

#define SCRIPTS_MAX 64
#define ANSWER_DELAY_MS 1

struct cw_redis {
    struct cw_loop *loop;
};

static struct {
    struct {
        const char *name;
        world_script fn;
        void *arg;
    } scripts[SCRIPTS_MAX];
    size_t script_count;
    int (*command)(void *arg, size_t argc, const struct cw_str *argv, struct cw_arena *mem,
                   struct cw_redis_reply *ret_reply, struct cw_err *err);
    void *command_arg;
    bool is_down;
    uint64_t calls;
} store;

void world_redis_reset(void)
{
    memset(&store, 0, sizeof store);
}

void world_redis_script(const char *name, world_script fn, void *arg)
{
    CW_PRE(store.script_count < SCRIPTS_MAX);
    store.scripts[store.script_count].name = name;
    store.scripts[store.script_count].fn = fn;
    store.scripts[store.script_count].arg = arg;
    store.script_count++;
}

void world_redis_command(int (*fn)(void *arg, size_t argc, const struct cw_str *argv, struct cw_arena *mem,
                                   struct cw_redis_reply *ret_reply, struct cw_err *err),
                         void *arg)
{
    store.command = fn;
    store.command_arg = arg;
}

void world_redis_set_down(bool is_down)
{
    store.is_down = is_down;
}

uint64_t world_redis_calls(void)
{
    return store.calls;
}

int cw_redis_new(struct cw_loop *loop, const struct cw_redis_cfg *cfg, struct cw_redis **ret_redis,
                 struct cw_err *err)
{
    (void)cfg;
    struct cw_redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL)
        return cw_err_set(err, CW_ENOMEM, "redis");
    redis->loop = loop;
    *ret_redis = redis;
    return 0;
}

void cw_redis_free(struct cw_redis *redis)
{
    free(redis);
}

static int wait_for_answer(struct cw_deadline until, struct cw_err *err)
{
    struct cw_wait w;
    cw_wait_arm(&w);
    struct cw_deadline arrives = cw_in_ms(ANSWER_DELAY_MS);
    int r = cw_wait_for(&w, cw_sooner(until, arrives));
    if (r != -CW_ETIMEDOUT)
        return cw_err_set(err, r, "redis call was given up");
    if (until.mono_ms < arrives.mono_ms)
        return cw_err_set(err, CW_ETIMEDOUT, "redis did not answer in time");
    return store.is_down ? cw_err_set(err, CW_ENET, "no connection to redis") : 0;
}

int cw_redis_call(struct cw_redis *redis, size_t argc, const struct cw_str *argv, struct cw_deadline until,
                  struct cw_arena *mem, struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    (void)redis;
    store.calls++;
    int r = wait_for_answer(until, err);
    if (r < 0)
        return r;
    if (store.command == NULL)
        return cw_err_set(err, CW_EREMOTE, "this world's redis knows no commands");
    return store.command(store.command_arg, argc, argv, mem, ret_reply, err);
}

int cw_redis_eval(struct cw_redis *redis, const struct cw_redis_script *script, size_t key_count,
                  const char *const *keys, size_t arg_count, const struct cw_str *args,
                  struct cw_deadline until, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                  struct cw_err *err)
{
    (void)redis;
    store.calls++;
    int r = wait_for_answer(until, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < store.script_count; i++)
        if (strcmp(store.scripts[i].name, script->name) == 0)
            return store.scripts[i].fn(store.scripts[i].arg, key_count, keys, arg_count, args, mem, ret_reply,
                                       err);
    return cw_err_set(err, CW_EREMOTE, "this world's redis knows no script %s", script->name);
}

bool cw_redis_is_connected(const struct cw_redis *redis)
{
    (void)redis;
    return !store.is_down;
}

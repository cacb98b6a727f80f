/* The client of the model of Redis: one connection a worker; commands arrive in order, also those whose caller has gone. */
#include "tests/world/redis.h"

#include "common/fiber/wait.h"
#include "tests/world/clock.h"

#define SCRIPTS_MAX 64
#define ANSWER_DELAY_MS 1
#define BACK_LATE_MS 300 /* a client connects again so much later, at most */
#define COMMAND_TIMEOUT_MS 5000
#define MEM_BYTES ((size_t)64 * 1024 * 1024)

struct cw_redis {
    struct cw_loop *loop;
    int64_t command_timeout_ms;
    int64_t last_ms; /* when the last command arrives */
};

/* A command on its way. */
struct op {
    struct cw_arena *mem;
    const struct cw_redis_script *script; /* NULL = a command */
    size_t key_count;
    const char **keys;
    size_t argc;
    struct cw_str *argv;
    struct cw_wait wait;
    bool is_awaited; /* the caller frees it; else its arrival does */
    struct redis_value value;
    bool is_refused; /* the connection was lost before it arrived */
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
    int64_t down_until_ms;
    int64_t slow_one_in; /* 0 = never */
    uint64_t calls;
    void (*on_script)(void *arg, const char *name, size_t key_count, const char *const *keys,
                      const struct cw_str *args, const struct redis_value *answer);
    void *on_script_arg;
    struct redis_mirror mirror;
    void *mirror_arg;
} store;

void world_redis_reset(void)
{
    memset(&store, 0, sizeof store);
    redis_lose_all();
    redis_keep_log(false);
    redis_on_write(NULL, NULL);
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

void redis_on_script(void (*fn)(void *arg, const char *name, size_t key_count, const char *const *keys,
                                const struct cw_str *args, const struct redis_value *answer),
                     void *arg)
{
    store.on_script = fn;
    store.on_script_arg = arg;
}

void redis_set_mirror(const struct redis_mirror *mirror, void *arg)
{
    store.mirror = *mirror;
    store.mirror_arg = arg;
}

void redis_tell_gone(const char *key)
{
    if (store.mirror.gone != NULL)
        store.mirror.gone(store.mirror_arg, key);
}

void redis_down_until(int64_t mono_ms)
{
    store.down_until_ms = CW_MAX(store.down_until_ms, mono_ms);
}

bool redis_is_down(void)
{
    return store.is_down || store.down_until_ms > cw_mono_ms();
}

void redis_be_slow(int64_t one_in)
{
    store.slow_one_in = one_in;
}

uint64_t world_redis_calls(void)
{
    return store.calls;
}

int cw_redis_new(struct cw_loop *loop, const struct cw_redis_cfg *cfg, struct cw_redis **ret_redis,
                 struct cw_err *err)
{
    struct cw_redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL)
        return cw_err_set(err, CW_ENOMEM, "redis");
    redis->loop = loop;
    redis->command_timeout_ms = cfg->command_timeout_ms > 0 ? cfg->command_timeout_ms : COMMAND_TIMEOUT_MS;
    *ret_redis = redis;
    return 0;
}

void cw_redis_free(struct cw_redis *redis)
{
    free(redis);
}

bool cw_redis_is_connected(const struct cw_redis *redis)
{
    (void)redis;
    return !redis_is_down();
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static int to_reply(const struct redis_value *v, struct cw_arena *mem, struct cw_redis_reply *ret_reply)
{
    *ret_reply = (struct cw_redis_reply){.type = CW_REDIS_NIL};
    struct cw_redis_reply *items;
    switch (v->type) {
    case REDIS_NUMBER:
        ret_reply->type = CW_REDIS_INT;
        ret_reply->num = v->number;
        return 0;
    case REDIS_TEXT:
    case REDIS_STATUS:
        ret_reply->type = CW_REDIS_STR;
        ret_reply->str = (struct cw_str){cw_arena_memdup(mem, v->text.p, v->text.n), v->text.n};
        return ret_reply->str.p == NULL ? -CW_ENOMEM : 0;
    case REDIS_LIST:
        items = cw_arena_alloc_array(mem, v->count + 1, sizeof *items);
        if (items == NULL)
            return -CW_ENOMEM;
        for (size_t i = 0; i < v->count; i++) {
            if (to_reply(&v->items[i], mem, &items[i]) < 0)
                return -CW_ENOMEM;
        }
        *ret_reply = (struct cw_redis_reply){.type = CW_REDIS_ARRAY, .items = items, .count = v->count};
        return 0;
    default:
        return 0;
    }
}

static int answer(const struct redis_value *v, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                  struct cw_err *err)
{
    if (v->type == REDIS_ERROR) {
        (void)cw_err_set(err, CW_EREMOTE, "redis: %s", v->text.p);
        size_t n = strcspn(v->text.p, " ");
        (void)snprintf(err->remote_code, sizeof err->remote_code, "%.*s", (int)n, v->text.p);
        return -CW_EREMOTE;
    }
    return to_reply(v, mem, ret_reply) < 0 ? cw_err_set(err, CW_ENOMEM, "redis answer") : 0;
}

int redis_command(size_t argc, const struct cw_str *argv, struct cw_arena *mem,
                  struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    redis_begin_write(argv[0].p);
    const struct redis_value v = redis_execute(argc, argv, mem);
    return answer(&v, mem, ret_reply, err);
}

int redis_eval(const struct cw_redis_script *script, size_t key_count, const char *const *keys,
               size_t arg_count, const struct cw_str *args, struct cw_arena *mem,
               struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    redis_begin_write(script->name);
    const struct redis_value v = redis_run_lua(script, key_count, keys, arg_count, args, mem);
    return answer(&v, mem, ret_reply, err);
}

/* ---- the way there and back ------------------------------------------------------------------------------------------ */

static void execute(struct op *op)
{
    const char *const *keys = (const char *const *)op->keys;
    redis_begin_write(op->script != NULL ? op->script->name : op->argv[0].p);
    op->value = op->script != NULL
                    ? redis_run_lua(op->script, op->key_count, keys, op->argc, op->argv, op->mem)
                    : redis_execute(op->argc, op->argv, op->mem);
    if (op->script != NULL && store.on_script != NULL)
        store.on_script(store.on_script_arg, op->script->name, op->key_count, keys, op->argv, &op->value);
    if (store.mirror.ran != NULL)
        store.mirror.ran(store.mirror_arg, op->script, op->key_count, keys, op->argc, op->argv, &op->value);
}

/* The answer arrives. */
static void arrive_back(void *arg, int64_t num)
{
    struct op *op = arg;
    (void)num;
    if (!op->is_awaited)
        cw_arena_free(op->mem);
    else
        cw_wait_done(&op->wait, 0);
}

static void arrive(void *arg, int64_t back_ms)
{
    struct op *op = arg;
    if (redis_is_down())
        op->is_refused = true;
    else
        execute(op);
    if (back_ms <= 0)
        arrive_back(op, 0);
    else
        world_at(cw_mono_ms() + back_ms, arrive_back, op, 0);
}

static struct op *new_op(const struct cw_redis_script *script, size_t key_count, const char *const *keys,
                         size_t argc, const struct cw_str *argv)
{
    struct cw_arena *mem;
    if (cw_arena_new(MEM_BYTES, &mem) < 0)
        return NULL;
    struct op *op = cw_arena_alloc(mem, sizeof *op);
    CW_BUG_ON(op == NULL);
    op->mem = mem;
    op->script = script;
    op->key_count = key_count;
    op->keys = cw_arena_alloc_array(mem, key_count + 1, sizeof(char *));
    op->argc = argc;
    op->argv = cw_arena_alloc_array(mem, argc + 1, sizeof *op->argv);
    CW_BUG_ON(op->keys == NULL || op->argv == NULL);
    for (size_t i = 0; i < key_count; i++)
        op->keys[i] = cw_arena_strdup(mem, keys[i]);
    for (size_t i = 0; i < argc; i++)
        op->argv[i] =
            (struct cw_str){cw_arena_memdup(mem, argv[i].p == NULL ? "" : argv[i].p, argv[i].n), argv[i].n};
    CW_BUG_ON(cw_arena_failed(mem));
    return op;
}

/* Until the connection is there again. */
static int wait_for_connection(struct cw_redis *redis, struct cw_deadline until, struct cw_err *err)
{
    while (redis_is_down()) {
        struct cw_deadline back = store.is_down ? CW_NEVER : (struct cw_deadline){store.down_until_ms};
        if (store.is_down && store.down_until_ms <= cw_mono_ms())
            back = cw_in_ms(ANSWER_DELAY_MS);
        else
            back.mono_ms += world_between(1, BACK_LATE_MS);
        bool is_too_late = back.mono_ms > until.mono_ms;
        int r = cw_sleep(cw_sooner(back, until));
        if (r < 0)
            return cw_err_set(err, r, "redis call was given up");
        if (is_too_late || store.is_down)
            return cw_err_set(err, CW_ENET, "no connection to redis");
    }
    (void)redis;
    return 0;
}

static int run(struct cw_redis *redis, struct op *op, struct cw_deadline until, struct cw_arena *mem,
               struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    bool is_slow = world_chance(store.slow_one_in);
    int64_t there = is_slow ? world_between(1, 8000) : ANSWER_DELAY_MS;
    int64_t back = is_slow ? world_between(0, 8000) : 0;
    redis->last_ms = CW_MAX(redis->last_ms, cw_mono_ms() + there);
    op->is_awaited = true;
    cw_wait_arm(&op->wait);
    world_at(redis->last_ms, arrive, op, back);
    world_touch("redis sent");
    int r = cw_wait_for(&op->wait, until);
    if (!op->wait.done) {
        op->is_awaited = false; /* it arrives all the same */
        return cw_err_set(err, r, "redis did not answer in time");
    }
    if (r == 0)
        r = op->is_refused ? cw_err_set(err, CW_ENET, "the connection to redis was lost")
                           : answer(&op->value, mem, ret_reply, err);
    else
        r = cw_err_set(err, r, "redis call was given up");
    cw_arena_free(op->mem);
    world_touch("redis answered");
    return r;
}

static int send(struct cw_redis *redis, const struct cw_redis_script *script, size_t key_count,
                const char *const *keys, size_t argc, const struct cw_str *argv, struct cw_deadline until,
                struct cw_arena *mem, struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    int reason = cw_fiber_cancel_reason();
    if (reason != 0)
        return cw_err_set(err, reason, "cancelled");
    until = cw_sooner(until, cw_in_ms(redis->command_timeout_ms));
    world_touch("redis before");
    int r = wait_for_connection(redis, until, err);
    if (r < 0)
        return r;
    struct op *op = new_op(script, key_count, keys, argc, argv);
    return op == NULL ? cw_err_set(err, CW_ENOMEM, "redis") : run(redis, op, until, mem, ret_reply, err);
}

/* ---- answers by a test ----------------------------------------------------------------------------------------------- */

static int wait_shortly(struct cw_deadline until, struct cw_err *err)
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
    store.calls++;
    if (store.command == NULL)
        return send(redis, NULL, 0, NULL, argc, argv, until, mem, ret_reply, err);
    int r = wait_shortly(until, err);
    return r < 0 ? r : store.command(store.command_arg, argc, argv, mem, ret_reply, err);
}

int cw_redis_eval(struct cw_redis *redis, const struct cw_redis_script *script, size_t key_count,
                  const char *const *keys, size_t arg_count, const struct cw_str *args,
                  struct cw_deadline until, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                  struct cw_err *err)
{
    store.calls++;
    for (size_t i = 0; i < store.script_count; i++) {
        if (strcmp(store.scripts[i].name, script->name) != 0)
            continue;
        int r = wait_shortly(until, err);
        return r < 0 ? r
                     : store.scripts[i].fn(store.scripts[i].arg, key_count, keys, arg_count, args, mem,
                                           ret_reply, err);
    }
    return send(redis, script, key_count, keys, arg_count, args, until, mem, ret_reply, err);
}

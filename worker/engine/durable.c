#include "worker/engine/durable.h"

#define CLOCKS_MS 60000
#define WAIT_MS "1000" /* so long may an answer of WAIT hold up the connection */

const struct cw_redis_script cw_durable_script = {
    .name = "durable.born",
    .lua = "local t = redis.call('TIME')\n"
           "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
           "redis.call('SETNX', KEYS[1], string.format('%d', now))\n"
           "return {tonumber(redis.call('GET', KEYS[1])) or now, now}\n",
};

int cw_durable_read(const struct cw_redis_reply *reply, struct cw_durable *ret_durable, struct cw_err *err)
{
    if (reply->type != CW_REDIS_ARRAY || reply->count < 2)
        return cw_err_set(err, CW_EPROTO, "unintelligible answer of durable.born");
    int64_t born = reply->items[0].num, now = reply->items[1].num;
    *ret_durable = (struct cw_durable){
        .born_wall_ms = born, .now_wall_ms = now, .age_ms = CW_MAX(now - born, INT64_C(0))};
    return 0;
}

bool cw_durable_is_older(const struct cw_durable *durable, int64_t record_wall_ms)
{
    return record_wall_ms > durable->born_wall_ms + CLOCKS_MS &&
           record_wall_ms <= durable->now_wall_ms + CLOCKS_MS;
}

int cw_durable_look(struct cw_redis *redis, struct cw_deadline until, struct cw_arena *mem,
                    struct cw_durable *ret_durable, struct cw_err *err)
{
    const char *keys[] = {CW_DURABLE_KEY};
    struct cw_redis_reply reply;
    int r = cw_redis_eval(redis, &cw_durable_script, 1, keys, 0, NULL, until, mem, &reply, err);
    return r < 0 ? r : cw_durable_read(&reply, ret_durable, err);
}

int cw_durable_confirm(struct cw_redis *redis, int64_t replicas, struct cw_deadline until,
                       struct cw_arena *mem, struct cw_err *err)
{
    char count[24];
    if (replicas <= 0)
        return 1;
    (void)snprintf(count, sizeof count, "%lld", (long long)replicas);
    const struct cw_str argv[] = {cw_str_of("WAIT"), cw_str_of(count), cw_str_of(WAIT_MS)};
    struct cw_redis_reply reply;
    int r = cw_redis_call(redis, CW_ARRAY_LEN(argv), argv, until, mem, &reply, err);
    if (r < 0)
        return r;
    return reply.type == CW_REDIS_INT && reply.num >= replicas;
}

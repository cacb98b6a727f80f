#include "common/net/redis_impl.h"

#define DEPTH_MAX 8

static int copy(const redisReply *from, struct cw_arena *mem, int depth, struct cw_redis_reply *to)
{
    *to = (struct cw_redis_reply){.type = CW_REDIS_NIL};
    switch (from->type) {
    case REDIS_REPLY_NIL:
        return 0;
    case REDIS_REPLY_INTEGER:
        to->type = CW_REDIS_INT;
        to->num = from->integer;
        return 0;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR: /* within an array */
        to->type = CW_REDIS_STR;
        to->str.p = cw_arena_memdup(mem, from->str, from->len);
        to->str.n = from->len;
        return to->str.p != NULL ? 0 : -CW_ENOMEM;
    case REDIS_REPLY_ARRAY:
        break;
    default:
        return -CW_EPROTO;
    }
    if (depth == DEPTH_MAX)
        return -CW_EPROTO;
    struct cw_redis_reply *items = cw_arena_alloc_array(mem, from->elements + 1, sizeof *items);
    if (items == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < from->elements; i++) {
        int r = copy(from->element[i], mem, depth + 1, &items[i]);
        if (r < 0)
            return r;
    }
    to->type = CW_REDIS_ARRAY;
    to->items = items;
    to->count = from->elements;
    return 0;
}

int cw_redis_reply_copy(const redisReply *from, struct cw_arena *mem, struct cw_redis_reply *ret_reply)
{
    return copy(from, mem, 0, ret_reply);
}

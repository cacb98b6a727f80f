#include "common/net/redis_impl.h"

/* Of one connection. First member: libuv's handle. */
struct events {
    uv_poll_t uv;
    redisAsyncContext *ac;
    int wanted;
};

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct events *e = (struct events *)poll;
    int happened = status < 0 ? e->wanted : events; /* an error shows at the next read or write */
    if (e->ac != NULL && (happened & UV_READABLE) != 0)
        redisAsyncHandleRead(e->ac);
    if (e->ac != NULL && (happened & UV_WRITABLE) != 0)
        redisAsyncHandleWrite(e->ac);
}

static void want(struct events *e, int wanted)
{
    if (e->wanted == wanted)
        return;
    e->wanted = wanted;
    if (wanted != 0)
        (void)uv_poll_start(&e->uv, wanted, on_event);
    else
        (void)uv_poll_stop(&e->uv);
}

static void add_read(void *arg)
{
    struct events *e = arg;
    want(e, e->wanted | UV_READABLE);
}

static void del_read(void *arg)
{
    struct events *e = arg;
    want(e, e->wanted & ~UV_READABLE);
}

static void add_write(void *arg)
{
    struct events *e = arg;
    want(e, e->wanted | UV_WRITABLE);
}

static void del_write(void *arg)
{
    struct events *e = arg;
    want(e, e->wanted & ~UV_WRITABLE);
}

/* hiredis is about to close the socket and free the context. */
static void cleanup(void *arg)
{
    struct events *e = arg;
    e->ac = NULL;
    (void)uv_poll_stop(&e->uv);
    cw_uv_close_free(e);
}

bool cw_redis_attach(redisAsyncContext *ac, uv_loop_t *uv)
{
    struct events *e = calloc(1, sizeof *e);
    if (e == NULL)
        return false;
    if (uv_poll_init_socket(uv, &e->uv, ac->c.fd) != 0) {
        free(e);
        return false;
    }
    e->ac = ac;
    ac->ev.data = e;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    return true;
}

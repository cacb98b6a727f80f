#include "common/net/listen.h"

struct cw_listen {
    int port;
};

int cw_listen_new(struct cw_loop *loop, const char *address, cw_listen_fn fn, void *arg,
                  struct cw_listen **ret_listen, struct cw_err *err)
{
    (void)loop;
    (void)address;
    (void)fn;
    (void)arg;
    *ret_listen = calloc(1, sizeof **ret_listen);
    return *ret_listen == NULL ? cw_err_set(err, CW_ENOMEM, "listen") : 0;
}

void cw_listen_free(struct cw_listen *listen)
{
    free(listen);
}

int cw_listen_port(const struct cw_listen *listen)
{
    return listen->port;
}

#include "common/net/curl_uv.h"

#include "common/net/loop_uv.h"

/* One descriptor that libcurl wants watched. First member: libuv's handle. */
struct watch {
    uv_poll_t uv;
    struct cw_curl_uv *driver;
    curl_socket_t fd;
    struct watch *prev, *next; /* all of the driver */
};

struct cw_curl_uv {
    CURLM *multi;
    uv_loop_t *uv;
    uv_timer_t *timer; /* libcurl's one time-out */
    struct watch *watches;
    cw_curl_done_fn on_done;
    bool is_closing;
};

static void act(struct cw_curl_uv *driver, curl_socket_t fd, int events)
{
    int running = 0;
    (void)curl_multi_socket_action(driver->multi, fd, events, &running);
    for (;;) {
        int left = 0;
        const CURLMsg *msg = curl_multi_info_read(driver->multi, &left);
        if (msg == NULL)
            break;
        if (msg->msg == CURLMSG_DONE)
            driver->on_done(msg->easy_handle, msg->data.result);
    }
}

/* --- timer -------------------------------------------------------------------------------------------------------- */

static void on_timeout(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* 0 is passed straight on: a millisecond more costs most of the throughput of sequential calls. */
static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct cw_curl_uv *driver = arg;
    (void)multi;
    if (timeout_ms < 0 || driver->is_closing)
        (void)uv_timer_stop(driver->timer);
    else if (timeout_ms == 0)
        (void)uv_timer_start(driver->timer, on_timeout, 0, 0);
    else
        cw_uv_timer_start(driver->timer, on_timeout, timeout_ms);
    return 0;
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

static void on_event(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = (const struct watch *)poll;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    act(watch->driver, watch->fd, flags);
}

static void drop_watch(struct watch *watch)
{
    *(watch->prev != NULL ? &watch->prev->next : &watch->driver->watches) = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
    (void)uv_poll_stop(&watch->uv);
    cw_uv_close_free(watch);
}

static struct watch *add_watch(struct cw_curl_uv *driver, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    if (uv_poll_init_socket(driver->uv, &watch->uv, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->driver = driver;
    watch->fd = fd;
    watch->next = driver->watches;
    if (watch->next != NULL)
        watch->next->prev = watch;
    driver->watches = watch;
    return watch;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct cw_curl_uv *driver = arg;
    struct watch *watch = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE || driver->is_closing) {
        if (watch != NULL)
            drop_watch(watch);
        (void)curl_multi_assign(driver->multi, fd, NULL);
        return 0;
    }
    if (watch == NULL) {
        watch = add_watch(driver, fd);
        if (watch == NULL)
            return -1;
        (void)curl_multi_assign(driver->multi, fd, watch);
    }
    int events = 0;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    return uv_poll_start(&watch->uv, events, on_event) == 0 ? 0 : -1;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------- */

int cw_curl_uv_new(struct cw_loop *loop, cw_curl_done_fn on_done, struct cw_curl_uv **ret_driver)
{
    struct cw_curl_uv *driver = calloc(1, sizeof *driver);
    if (driver == NULL)
        return -CW_ENOMEM;
    driver->uv = cw_loop_uv(loop);
    driver->on_done = on_done;
    driver->multi = curl_multi_init();
    driver->timer = calloc(1, sizeof *driver->timer);
    if (driver->multi == NULL || driver->timer == NULL) {
        (void)curl_multi_cleanup(driver->multi);
        free(driver->timer);
        free(driver);
        return -CW_ENOMEM;
    }
    (void)uv_timer_init(driver->uv, driver->timer);
    driver->timer->data = driver;
    (void)curl_multi_setopt(driver->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)curl_multi_setopt(driver->multi, CURLMOPT_TIMERDATA, driver);
    (void)curl_multi_setopt(driver->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    (void)curl_multi_setopt(driver->multi, CURLMOPT_SOCKETDATA, driver);
    *ret_driver = driver;
    return 0;
}

void cw_curl_uv_free(struct cw_curl_uv *driver)
{
    if (driver == NULL)
        return;
    driver->is_closing = true;
    (void)curl_multi_cleanup(driver->multi);
    while (driver->watches != NULL)
        drop_watch(driver->watches);
    cw_uv_close_free(driver->timer);
    free(driver);
}

CURLM *cw_curl_uv_multi(struct cw_curl_uv *driver)
{
    return driver->multi;
}

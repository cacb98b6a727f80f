#include "tests/unit/common/check.h"

#include "common/net/http.h"
#include "common/net/listen.h"

struct rig {
    struct cw_loop *loop;
    struct cw_listen *listen;
    struct cw_http *http;
    struct cw_arena *mem;
    struct cw_err err;
    const char *method;
    const char *path;
    struct cw_http_res res;
};

static int answer(void *arg, const char *path, struct cw_buf *body, const char **ret_content_type)
{
    (void)arg;
    if (strcmp(path, "/metrics") == 0) {
        *ret_content_type = "text/plain; version=0.0.4";
        for (int i = 0; i < 20000; i++)
            cw_buf_addf(body, "metric_%d 1\n", i);
        return 200;
    }
    cw_buf_addf(body, "nothing at %s\n", path);
    return 404;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct cw_sched_cfg cfg = {.fibers_max = 8};
    struct cw_http_cfg http = {0};
    *state = rig;
    if (cw_loop_new(&cfg, &rig->loop, &rig->err) < 0 || cw_arena_new(16u << 20, &rig->mem) < 0)
        return -1;
    if (cw_listen_new(rig->loop, "127.0.0.1:0", answer, rig, &rig->listen, &rig->err) < 0)
        return -1;
    return cw_http_new(rig->loop, &http, &rig->http, &rig->err);
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    cw_http_free(rig->http);
    cw_listen_free(rig->listen);
    cw_arena_free(rig->mem);
    cw_loop_free(rig->loop);
    free(rig);
    return 0;
}

static int run_get(void *arg)
{
    struct rig *rig = arg;
    const char *url =
        cw_arena_printf(rig->mem, "http://127.0.0.1:%d%s", cw_listen_port(rig->listen), rig->path);
    struct cw_http_req req = {.method = rig->method, .url = url, .allow_plain = true};
    return cw_http_call(rig->http, &req, cw_in_ms(5000), rig->mem, &rig->res, &rig->err);
}

static int get(struct rig *rig, const char *method, const char *path)
{
    rig->method = method;
    rig->path = path;
    return cw_loop_run_fiber(rig->loop, "get", run_get, rig);
}

static void pages_are_served_from_the_loop(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(rig, "GET", "/metrics?x=1"), 0);
        assert_int_equal(rig->res.status, 200);
        assert_true(rig->res.body.n > 200000);
        assert_string_equal(cw_http_header(&rig->res, "content-type"), "text/plain; version=0.0.4");
    }
    assert_int_equal(get(rig, "GET", "/else"), 0);
    assert_int_equal(rig->res.status, 404);
    assert_string_equal(rig->res.body.p, "nothing at /else\n");
    assert_int_equal(get(rig, "HEAD", "/metrics"), 0);
    assert_int_equal(rig->res.status, 200);
    assert_int_equal(rig->res.body.n, 0);
}

static void other_methods_are_refused(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(get(rig, "POST", "/metrics"), 0);
    assert_int_equal(rig->res.status, 405);
    assert_int_equal(get(rig, "DELETE", "/metrics"), 0);
    assert_int_equal(rig->res.status, 405);
}

static void bad_and_taken_addresses_are_errors(void **state)
{
    struct rig *rig = *state;
    static const char *const bad[] = {
        "", "9464", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "999.0.0.1:80", "[::1:80"};
    struct cw_listen *other = NULL;
    for (size_t i = 0; i < CW_ARRAY_LEN(bad); i++)
        assert_int_equal(cw_listen_new(rig->loop, bad[i], answer, NULL, &other, &rig->err), -CW_EINVAL);
    char taken[32];
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%d", cw_listen_port(rig->listen));
    assert_int_equal(cw_listen_new(rig->loop, taken, answer, NULL, &other, &rig->err), -CW_EBUSY);
    assert_null(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_are_served_from_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_methods_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_and_taken_addresses_are_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

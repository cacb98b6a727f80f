#include "tests/unit/common/check.h"

#include <unistd.h>

#include "common/net/http.h"
#include "tests/lib/http_server.h"

#define MANY 200

/* One server, one client; what one call needs and gives. */
struct rig {
    struct cw_loop *loop;
    struct cw_http *http;
    struct test_http *server;
    struct cw_arena *mem;
    struct cw_http_cfg cfg;
    struct cw_http_req req;
    int64_t wait_ms;
    int64_t cancel_after_ms;   /* 0 = not */
    int cancel_after_requests; /* that the server has read */
    struct cw_buf url;
    struct cw_http_res res;
    struct cw_err err;
};

static void start(struct rig *rig, enum test_http_kind kind, test_http_fn fn)
{
    struct cw_err err = {0};
    rig->server = test_http_start(kind, fn, NULL);
    if (rig->cfg.ca_file == NULL)
        rig->cfg.ca_file = kind == TEST_HTTP_TLS ? test_http_ca_file(rig->server) : NULL;
    assert_int_equal(cw_http_new(rig->loop, &rig->cfg, &rig->http, &err), 0);
    rig->req.allow_plain = kind == TEST_HTTP_PLAIN;
}

static int run_one(void *arg)
{
    struct rig *rig = arg;
    return cw_http_call(rig->http, &rig->req, cw_in_ms(rig->wait_ms), rig->mem, &rig->res, &rig->err);
}

static int run_and_cancel(void *arg)
{
    struct rig *rig = arg;
    struct cw_fiber *f = NULL;
    int result = 0;
    int r = cw_fiber_spawn(cw_sched_current(), "call", run_one, rig, &f);
    if (r < 0 || cw_sleep(cw_in_ms(rig->cancel_after_ms)) < 0)
        return -CW_EBUG;
    for (int i = 0; i < 10000 && test_http_requests(rig->server) < rig->cancel_after_requests; i++)
        (void)cw_sleep(cw_in_ms(1));
    cw_fiber_cancel(f, CW_ECANCELED);
    r = cw_fiber_join(f, cw_in_ms(0) /* at once */, &result);
    if (r == -CW_ETIMEDOUT)
        r = cw_fiber_join(f, cw_in_ms(200), &result);
    return r < 0 ? -CW_EBUG : result;
}

static int call(struct rig *rig, const char *method, const char *path)
{
    cw_buf_reset(&rig->url);
    if (strstr(path, "://") == NULL)
        cw_buf_add_z(&rig->url, test_http_base(rig->server));
    cw_buf_add_z(&rig->url, path);
    rig->req.method = method;
    rig->req.url = cw_buf_z(&rig->url);
    cw_err_clear(&rig->err);
    return cw_loop_run_fiber(rig->loop, "call", rig->cancel_after_ms > 0 ? run_and_cancel : run_one, rig);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct cw_sched_cfg cfg = {.fibers_max = 3200};
    struct cw_err err = {0};
    *state = rig;
    rig->wait_ms = 10000;
    return cw_loop_new(&cfg, &rig->loop, &err) < 0 || cw_arena_new(64u << 20, &rig->mem) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    cw_http_free(rig->http);
    test_http_stop(rig->server);
    cw_arena_free(rig->mem);
    cw_buf_fini(&rig->url);
    cw_loop_free(rig->loop);
    free(rig);
    return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static bool echo(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)arg;
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_buf_addf(&out, "%s %s|%s|", req->method, req->path, req->body);
    const char *line = strstr(req->head, "X-Test: ");
    if (line != NULL)
        cw_buf_add(&out, line, strcspn(line, "\r"));
    const char *type = strcasestr(req->head, "content-type:");
    if (type != NULL)
        cw_buf_add(&out, type, strcspn(type, "\r"));
    return test_http_answer(
        conn, 201, "X-Mixed-Case:  spaced value \r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Empty:\r\n", out.p, out.n);
}

static void request_and_answer_travel_whole(void **state)
{
    struct rig *rig = *state;
    const struct cw_http_header headers[] = {{"X-Test", "yes"}};
    start(rig, TEST_HTTP_TLS, echo);
    rig->req.headers = headers;
    rig->req.header_count = 1;
    rig->req.body = cw_str_of("{\"a\":1}");
    rig->req.content_type = "application/json";
    assert_int_equal(call(rig, "PUT", "/things/1?api-version=2"), 0);
    assert_int_equal(rig->res.status, 201);
    assert_string_equal(rig->res.body.p,
                        "PUT /things/1?api-version=2|{\"a\":1}|X-Test: yesContent-Type: application/json");
    assert_int_equal(strlen(rig->res.body.p), rig->res.body.n);
    assert_string_equal(cw_http_header(&rig->res, "x-mixed-case"), "spaced value");
    assert_string_equal(cw_http_header(&rig->res, "x-twice"), "1");
    assert_string_equal(cw_http_header(&rig->res, "x-empty"), "");
    assert_null(cw_http_header(&rig->res, "x-absent"));
    assert_int_equal(call(rig, "POST", "/things"), 0);
    assert_string_equal(rig->res.body.p, "POST /things|{\"a\":1}|X-Test: yesContent-Type: application/json");
}

static void methods_without_a_body_send_none(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, echo);
    assert_int_equal(call(rig, "GET", "/g"), 0);
    assert_string_equal(rig->res.body.p, "GET /g||");
    assert_int_equal(call(rig, "DELETE", "/d"), 0);
    assert_string_equal(rig->res.body.p, "DELETE /d||");
    assert_int_equal(call(rig, "POST", "/start"), 0);
    assert_string_equal(rig->res.body.p, "POST /start||");
    assert_int_equal(call(rig, "PATCH", "/patch"), 0);
    assert_string_equal(rig->res.body.p, "PATCH /patch||");
    assert_int_equal(call(rig, "HEAD", "/h"), 0);
    assert_int_equal(rig->res.body.n, 0);
    assert_int_equal(test_http_accepted(rig->server), 1); /* one connection for all */
}

static bool inform_first(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)req;
    (void)arg;
    return test_http_write_z(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") &&
           test_http_answer(conn, 302, "Location: https://elsewhere.localhost/\r\n", "x", 1);
}

static void informational_answers_and_redirects_are_not_followed(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, inform_first);
    assert_int_equal(call(rig, "GET", "/"), 0);
    assert_int_equal(rig->res.status, 302);
    assert_null(cw_http_header(&rig->res, "link"));
    assert_string_equal(cw_http_header(&rig->res, "location"), "https://elsewhere.localhost/");
    assert_int_equal(test_http_requests(rig->server), 1);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static bool big(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)arg;
    if (strcmp(req->path, "/length") == 0) {
        (void)test_http_write_z(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        test_http_hang(conn);
        return false;
    }
    if (strcmp(req->path, "/chunks") == 0) {
        CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
        for (int i = 0; i < 64; i++)
            cw_buf_addf(&out, "%04x", i);
        (void)test_http_write_z(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 4000; i++)
            if (!test_http_write_z(conn, "100\r\n") || !test_http_write(conn, out.p, 256) ||
                !test_http_write_z(conn, "\r\n"))
                return false;
        return test_http_write_z(conn, "0\r\n\r\n");
    }
    if (strcmp(req->path, "/headers") == 0) {
        (void)test_http_write_z(conn, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 300; i++)
            if (!test_http_write_z(conn, "X-Long: 0123456789012345678901234567890123456789\r\n"))
                return false;
    }
    return test_http_answer(conn, 200, "", "ok", 2);
}

static void an_answer_past_the_body_limit_is_refused(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, big);
    rig->req.body_bytes_max = 4096;
    assert_int_equal(call(rig, "GET", "/length"), -CW_ETOOBIG);
    assert_int_equal(call(rig, "GET", "/chunks"), -CW_ETOOBIG);
    assert_int_equal(rig->err.code, CW_ETOOBIG);
    assert_true(rig->res.maybe_sent);
    assert_int_equal(call(rig, "GET", "/small"), 0);
    rig->req.body_bytes_max = 2;
    assert_int_equal(call(rig, "GET", "/small"), 0);
    rig->req.body_bytes_max = 1;
    assert_int_equal(call(rig, "GET", "/small"), -CW_ETOOBIG);
    rig->req.body_bytes_max = 2u << 20;
    assert_int_equal(call(rig, "GET", "/chunks"), 0);
    assert_int_equal(rig->res.body.n, 4000 * 256);
}

static void an_answer_past_the_header_limit_is_refused(void **state)
{
    struct rig *rig = *state;
    rig->cfg.header_bytes_max = 8192;
    start(rig, TEST_HTTP_TLS, big);
    assert_int_equal(call(rig, "GET", "/headers"), -CW_ETOOBIG);
    assert_int_equal(call(rig, "GET", "/small"), 0);
}

static void bad_requests_are_not_sent(void **state)
{
    struct rig *rig = *state;
    const struct cw_http_header smuggled[] = {{"X-Test", "a\r\nHost: evil"}};
    start(rig, TEST_HTTP_TLS, echo);
    rig->req.headers = smuggled;
    rig->req.header_count = 1;
    assert_int_equal(call(rig, "GET", "/"), -CW_EINVAL);
    rig->req.header_count = 0;
    assert_int_equal(call(rig, "GET /x", "/"), -CW_EINVAL);
    assert_int_equal(call(rig, "GET", "http://localhost/"), -CW_EINVAL);
    assert_int_equal(call(rig, "GET", "file:///etc/passwd"), -CW_EINVAL);
    assert_int_equal(call(rig, "GET", "https://local host/"), -CW_EINVAL);
    assert_int_equal(call(rig, "GET", "https://"), -CW_EINVAL);
    assert_false(rig->res.maybe_sent);
    assert_int_equal(test_http_requests(rig->server), 0);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static bool fail_as_told(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)arg;
    if (strcmp(req->path, "/reset") == 0)
        test_http_reset(conn);
    else if (strcmp(req->path, "/half") == 0)
        (void)test_http_write_z(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    else if (strcmp(req->path, "/half-reset") == 0 &&
             test_http_write_z(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
        test_http_reset(conn);
    else if (strcmp(req->path, "/garbage") == 0)
        (void)test_http_write_z(conn, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    else if (strcmp(req->path, "/bad-chunk") == 0)
        (void)test_http_write_z(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    else if (strcmp(req->path, "/hang") == 0)
        test_http_hang(conn);
    else if (strcmp(req->path, "/hang-body") == 0 &&
             test_http_write_z(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
        test_http_hang(conn);
    else
        return test_http_answer(conn, 200, "", "ok", 2);
    return false;
}

static void broken_connections_and_answers_have_their_codes(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, fail_as_told);
    static const struct {
        const char *path;
        int result;
    } cases[] = {
        {"/reset", -CW_ENET},     {"/half", -CW_ENET},      {"/half-reset", -CW_ENET},
        {"/garbage", -CW_EPROTO}, {"/bad-chunk", -CW_ENET}, {"/close", 0},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        int r = call(rig, "GET", cases[i].path);
        if (r != cases[i].result)
            print_error("%s: %d %s\n", cases[i].path, r, rig->err.text);
        assert_int_equal(r, cases[i].result);
        assert_true(r == 0 || rig->res.maybe_sent);
    }
}

static void a_closed_port_is_a_network_error_and_nothing_was_sent(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, echo);
    cw_buf_addf(&rig->url, "%s/x?secret=1", test_http_base(rig->server));
    CW_AUTO(cw_auto_str) char *url = cw_buf_take(&rig->url);
    test_http_stop(CW_TAKE(rig->server));
    assert_int_equal(call(rig, "POST", url), -CW_ENET);
    assert_false(rig->res.maybe_sent);
    assert_null(strstr(rig->err.text, "secret"));
    assert_non_null(strstr(rig->err.text, "/x"));
    assert_int_equal(call(rig, "GET", "https://no-such-host.invalid/"), -CW_ENET);
    assert_false(rig->res.maybe_sent);
}

static void a_foreign_certificate_is_refused(void **state)
{
    struct rig *rig = *state;
    struct test_http *other = test_http_start(TEST_HTTP_TLS, echo, NULL);
    rig->cfg.ca_file = test_http_ca_file(other);
    start(rig, TEST_HTTP_TLS, echo);
    assert_int_equal(call(rig, "GET", "/"), -CW_ETLS);
    assert_int_equal(rig->err.class, CW_CLASS_MISCONFIGURED);
    assert_true(rig->err.remedy[0] != '\0');
    assert_false(rig->res.maybe_sent);
    assert_int_equal(test_http_requests(rig->server), 0);
    test_http_stop(other);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, echo);
    CW_AUTO(cw_buf_fini) struct cw_buf url = {0};
    cw_buf_addf(&url, "https://127.0.0.1:%d/", test_http_port(rig->server));
    assert_int_equal(call(rig, "GET", cw_buf_z(&url)), -CW_ETLS);
    cw_buf_reset(&url);
    cw_buf_addf(&url, "https://sub.localhost:%d/", test_http_port(rig->server));
    assert_int_equal(call(rig, "GET", cw_buf_z(&url)), -CW_ETLS);
    assert_int_equal(test_http_requests(rig->server), 0);
}

static void an_unreadable_ca_file_is_refused_at_start(void **state)
{
    struct rig *rig = *state;
    struct cw_http_cfg cfg = {.ca_file = "/nonexistent/ca.pem"};
    assert_int_equal(cw_http_new(rig->loop, &cfg, &rig->http, &rig->err), -CW_EINVAL);
    assert_null(rig->http);
}

/* A kept connection that dies under a request: repeatable methods are sent again, a POST with a body never. */
static bool die_on_reuse(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)arg;
    return req->number == 1 && test_http_answer(conn, 200, "", "ok", 2);
}

static void only_repeatable_requests_are_repeated(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, die_on_reuse);
    assert_int_equal(call(rig, "GET", "/1"), 0);
    assert_int_equal(call(rig, "GET", "/2"), 0);
    assert_int_equal(test_http_requests(rig->server), 3);
    rig->req.body = cw_str_of("{\"create\":\"cluster\"}");
    rig->req.content_type = "application/json";
    assert_int_equal(call(rig, "POST", "/3"), -CW_ENET);
    assert_true(rig->res.maybe_sent);
    assert_int_equal(test_http_requests(rig->server), 4);
    assert_int_equal(call(rig, "POST", "/4"), 0);
    assert_int_equal(call(rig, "PUT", "/5"), -CW_ENET);
    assert_true(rig->res.maybe_sent);
    assert_int_equal(test_http_requests(rig->server), 6);
}

/* --- time and cancellation ---------------------------------------------------------------------------------------- */

static void the_deadline_holds_in_each_phase(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, fail_as_told);
    rig->wait_ms = 60;
    static const char *const paths[] = {"/hang", "/hang-body"};
    for (size_t i = 0; i < CW_ARRAY_LEN(paths); i++) {
        int64_t begin = cw_mono_ms();
        assert_int_equal(call(rig, "GET", paths[i]), -CW_ETIMEDOUT);
        assert_in_range(cw_mono_ms() - begin, 60, 1000);
        assert_true(rig->res.maybe_sent);
    }
    rig->wait_ms = -1;
    assert_int_equal(call(rig, "GET", "/"), -CW_ETIMEDOUT);
    assert_false(rig->res.maybe_sent);
    rig->wait_ms = 10000;
    assert_int_equal(call(rig, "GET", "/"), 0);
}

static void a_mute_peer_fails_the_handshake_in_time(void **state)
{
    struct rig *rig = *state;
    rig->cfg.connect_timeout_ms = 100;
    start(rig, TEST_HTTP_MUTE, NULL);
    assert_int_equal(call(rig, "GET", "/"), -CW_ENET);
    assert_false(rig->res.maybe_sent);
    rig->wait_ms = 30;
    assert_int_equal(call(rig, "GET", "/"), -CW_ETIMEDOUT);
    assert_false(rig->res.maybe_sent);
}

static void silence_after_the_request_fails_the_call(void **state)
{
    struct rig *rig = *state;
    rig->cfg.idle_timeout_ms = 1000;
    start(rig, TEST_HTTP_TLS, fail_as_told);
    int64_t begin = cw_mono_ms();
    assert_int_equal(call(rig, "GET", "/hang"), -CW_ENET);
    assert_in_range(cw_mono_ms() - begin, 900, 4000);
}

static void cancel_detaches_in_each_phase(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_TLS, fail_as_told);
    rig->cancel_after_ms = 20;
    rig->cancel_after_requests = 1;
    assert_int_equal(call(rig, "GET", "/hang"), -CW_ECANCELED);
    assert_true(rig->res.maybe_sent);
    rig->cancel_after_requests = 2;
    assert_int_equal(call(rig, "GET", "/hang-body"), -CW_ECANCELED);
    rig->cancel_after_ms = 0;
    assert_int_equal(call(rig, "GET", "/"), 0);
    struct test_http *mute = test_http_start(TEST_HTTP_MUTE, NULL, NULL);
    rig->cancel_after_ms = 20;
    CW_AUTO(cw_auto_str) char *url = strdup(test_http_base(mute));
    assert_int_equal(call(rig, "GET", url), -CW_ECANCELED);
    assert_false(rig->res.maybe_sent);
    test_http_stop(mute);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

struct many {
    struct rig *rig;
    struct cw_fiber *fiber;
    int index;
    int result;
};

static bool answer_late(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)arg;
    (void)test_http_pause(conn, 20);
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_buf_addf(&out, "%s", req->path);
    return test_http_answer(conn, 200, "", out.p, out.n);
}

static int call_one_of_many(void *arg)
{
    struct many *m = arg;
    CW_AUTO(cw_buf_fini) struct cw_buf url = {0};
    cw_buf_addf(&url, "%s/%d", test_http_base(m->rig->server), m->index);
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(1u << 20, &mem) < 0)
        return -CW_EBUG;
    const char *method = m->index % 3 == 0 ? "POST" : "GET";
    struct cw_http_req req = {.method = method,
                              .url = cw_buf_z(&url),
                              .body = cw_str_of(m->index % 3 == 0 ? "x" : NULL),
                              .allow_plain = m->rig->req.allow_plain};
    struct cw_http_res res;
    struct cw_err err = {0};
    int r = cw_http_call(m->rig->http, &req, cw_in_ms(m->rig->wait_ms), mem, &res, &err);
    if (r < 0)
        return r;
    return res.status == 200 && strcmp(res.body.p, strrchr(req.url, '/')) == 0 ? 0 : -CW_EBUG;
}

static int run_many(void *arg)
{
    struct rig *rig = arg;
    struct many many[MANY];
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct many){.rig = rig, .index = i};
        if (cw_fiber_spawn(cw_sched_current(), "one", call_one_of_many, &many[i], &many[i].fiber) < 0)
            return -CW_EBUG;
    }
    for (int i = 0; i < MANY; i += 2) {
        if (i % 20 == 0 && cw_sleep(cw_in_ms(2)) < 0)
            return -CW_EBUG;
        cw_fiber_cancel(many[i].fiber, CW_EPARKED);
    }
    int done = 0;
    for (int i = 0; i < MANY; i++) {
        if (cw_fiber_join(many[i].fiber, CW_NEVER, &many[i].result) < 0)
            return -CW_EBUG;
        if (many[i].result != 0 && (i % 2 == 1 || many[i].result != -CW_EPARKED))
            return many[i].result;
        done += many[i].result == 0 ? 1 : 0;
    }
    return done;
}

static void many_calls_half_of_them_cancelled(void **state)
{
    struct rig *rig = *state;
    rig->cfg.host_connections_max = 32;
    rig->wait_ms = 20000;
    start(rig, TEST_HTTP_TLS, answer_late);
    int done = cw_loop_run_fiber(rig->loop, "many", run_many, rig);
    assert_in_range(done, MANY / 2, MANY);
    assert_int_equal(call(rig, "GET", "/after"), 0);
}

/* A call that waits for a free connection has not begun to connect: its connection time-out must not run. */
static bool answer_in_half_a_second(struct test_http_conn *conn, const struct test_http_request *req,
                                    void *arg)
{
    (void)arg;
    (void)req;
    (void)test_http_pause(conn, 300);
    return test_http_answer(conn, 200, "", req->path, strlen(req->path));
}

static int run_three(void *arg)
{
    struct many many[3];
    for (int i = 0; i < 3; i++) {
        many[i] = (struct many){.rig = arg, .index = i};
        if (cw_fiber_spawn(cw_sched_current(), "one", call_one_of_many, &many[i], &many[i].fiber) < 0)
            return -CW_EBUG;
    }
    int r = 0;
    for (int i = 0; i < 3; i++)
        if (cw_fiber_join(many[i].fiber, CW_NEVER, &many[i].result) < 0 || many[i].result != 0)
            r = many[i].result;
    return r;
}

static void waiting_for_a_connection_is_not_connecting(void **state)
{
    struct rig *rig = *state;
    rig->cfg.host_connections_max = 1;
    rig->cfg.connect_timeout_ms = 200;
    start(rig, TEST_HTTP_TLS, answer_in_half_a_second);
    assert_int_equal(cw_loop_run_fiber(rig->loop, "three", run_three, rig), 0);
    assert_int_equal(test_http_accepted(rig->server), 1);
}

/* --- thousands that wait for a connection ------------------------------------------------------------------------- */

#define CROWD 3000

static bool answer_at_once(struct test_http_conn *conn, const struct test_http_request *req, void *arg)
{
    (void)arg;
    return test_http_answer(conn, 200, "", req->path, strlen(req->path));
}

struct crowd {
    struct many of[CROWD];
    int order[CROWD]; /* in which they ended */
    int ended;
};

static int call_in_a_crowd(void *arg)
{
    struct many *one = arg;
    struct crowd *crowd = (struct crowd *)(one - one->index);
    one->result = call_one_of_many(one);
    crowd->order[crowd->ended++] = one->index;
    return one->result;
}

static int spawn_crowd(struct crowd *crowd, struct rig *rig)
{
    for (int i = 0; i < CROWD; i++) {
        crowd->of[i] = (struct many){.rig = rig, .index = i};
        if (cw_fiber_spawn(cw_sched_current(), "one", call_in_a_crowd, &crowd->of[i], &crowd->of[i].fiber) <
            0)
            return -CW_EBUG;
    }
    return 0;
}

static int join_crowd(struct crowd *crowd)
{
    int worst = 0, r;
    for (int i = 0; i < CROWD; i++) {
        if (cw_fiber_join(crowd->of[i].fiber, CW_NEVER, &r) < 0)
            return -CW_EBUG;
        worst = CW_MIN(worst, r);
    }
    return worst;
}

static int run_crowd(void *arg)
{
    static struct crowd crowd;
    int r = spawn_crowd(&crowd, arg);
    r = r < 0 ? r : join_crowd(&crowd);
    for (int i = 0; r == 0 && i < CROWD; i++)
        r = crowd.order[i] == i ? 0 : -CW_EBUG;
    return r;
}

/* With all of them in libcurl's hands this took minutes of a core. */
static void a_crowd_waits_in_order_and_costs_little(void **state)
{
    struct rig *rig = *state;
    rig->cfg.host_connections_max = 1;
    rig->wait_ms = 60000;
    start(rig, TEST_HTTP_PLAIN, answer_at_once);
    assert_int_equal(cw_loop_run_fiber(rig->loop, "crowd", run_crowd, rig), 0);
    assert_int_equal(test_http_accepted(rig->server), 1);
}

static int run_crowd_cancelled(void *arg)
{
    static struct crowd crowd;
    struct rig *rig = arg;
    int r = spawn_crowd(&crowd, rig), ended = 0;
    /* Before they run, while they wait, and just when one gets its turn. */
    for (int i = 0; r == 0 && i < CROWD; i++) {
        if (i % 100 == 99)
            r = cw_sleep(cw_in_ms(1));
        cw_fiber_cancel(crowd.of[CROWD - 1 - i].fiber, CW_ECANCELED);
    }
    (void)join_crowd(&crowd);
    for (int i = 0; i < CROWD; i++)
        ended += crowd.of[i].result == 0 || crowd.of[i].result == -CW_ECANCELED;
    return r < 0 ? r : ended;
}

static void a_crowd_can_be_cancelled(void **state)
{
    struct rig *rig = *state;
    rig->cfg.host_connections_max = 2;
    rig->cfg.connections_max = 2;
    start(rig, TEST_HTTP_PLAIN, answer_at_once);
    assert_int_equal(cw_loop_run_fiber(rig->loop, "crowd", run_crowd_cancelled, rig), CROWD);
    for (int i = 0; i < 3; i++) /* no place was lost */
        assert_int_equal(call(rig, "GET", "/after"), 0);
}

static void the_deadline_holds_while_it_waits(void **state)
{
    struct rig *rig = *state;
    rig->cfg.host_connections_max = 1;
    start(rig, TEST_HTTP_TLS, answer_in_half_a_second);
    rig->wait_ms = 500;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "three", run_three, rig), -CW_ETIMEDOUT);
    assert_int_equal(test_http_requests(rig->server), 2);
    rig->wait_ms = 10000;
    assert_int_equal(call(rig, "GET", "/after"), 0);
}

static void plain_http_only_when_allowed(void **state)
{
    struct rig *rig = *state;
    start(rig, TEST_HTTP_PLAIN, echo);
    assert_int_equal(call(rig, "GET", "/metadata"), 0);
    rig->req.allow_plain = false;
    assert_int_equal(call(rig, "GET", "/metadata"), -CW_EINVAL);
    assert_int_equal(test_http_requests(rig->server), 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(request_and_answer_travel_whole),
        T(methods_without_a_body_send_none),
        T(informational_answers_and_redirects_are_not_followed),
        T(an_answer_past_the_body_limit_is_refused),
        T(an_answer_past_the_header_limit_is_refused),
        T(bad_requests_are_not_sent),
        T(broken_connections_and_answers_have_their_codes),
        T(a_closed_port_is_a_network_error_and_nothing_was_sent),
        T(a_foreign_certificate_is_refused),
        T(a_certificate_for_another_name_is_refused),
        T(an_unreadable_ca_file_is_refused_at_start),
        T(only_repeatable_requests_are_repeated),
        T(the_deadline_holds_in_each_phase),
        T(a_mute_peer_fails_the_handshake_in_time),
        T(silence_after_the_request_fails_the_call),
        T(cancel_detaches_in_each_phase),
        T(many_calls_half_of_them_cancelled),
        T(waiting_for_a_connection_is_not_connecting),
        T(a_crowd_waits_in_order_and_costs_little),
        T(a_crowd_can_be_cancelled),
        T(the_deadline_holds_while_it_waits),
        T(plain_http_only_when_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

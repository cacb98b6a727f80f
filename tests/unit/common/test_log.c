#include "tests/unit/common/check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "common/time.h"

static int64_t wall_ms = 0;

int64_t cw_mono_ms(void)
{
    return wall_ms;
}

int64_t cw_wall_ms(void)
{
    return wall_ms;
}

void cw_random_bytes(void *p, size_t n)
{
    memset(p, 4, n);
}

static int sink = -1; /* what was logged */
static struct cw_log_ctx ctx;
static bool has_ctx;

static const struct cw_log_ctx *get_ctx(void)
{
    return has_ctx ? &ctx : NULL;
}

static int set_up(void **state)
{
    (void)state;
    sink = memfd_create("log", 0);
    cw_log_set_fd(sink);
    cw_log_set_level(CW_INFO);
    cw_log_set_ctx_fn(get_ctx);
    has_ctx = false;
    return sink < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    cw_log_set_fd(STDERR_FILENO);
    return close(sink);
}

static char *all_of(int fd)
{
    off_t n = lseek(fd, 0, SEEK_END);
    char *z = calloc(1, (size_t)n + 1);
    assert_non_null(z);
    assert_int_equal(pread(fd, z, (size_t)n, 0), n);
    return z;
}

static void check_logged(const char *wanted)
{
    char *z = all_of(sink);
    assert_string_equal(z, wanted);
    free(z);
}

static void a_line_is_json_in_a_fixed_order(void **state)
{
    (void)state;
    cw_log(CW_WARN, "test.one", CW_F_STR("s", "a\"\n\xFF"), CW_F_STR("none", NULL), CW_F_INT("n", -5),
           CW_F_BOOL("b", 7));
    check_logged(
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"event\":\"test.one\",\"s\":\"a\\\"\\n\xEF\xBF\xBD\","
        "\"none\":null,\"n\":-5,\"b\":true}\n");
}

static void the_running_job_is_named(void **state)
{
    (void)state;
    has_ctx = true;
    ctx = (struct cw_log_ctx){
        .job = "j1", .workspace = "/w", .step = "verify_dns", .attempt = 2, .trace_id = "t"};
    cw_log(CW_INFO, "e", CW_F_INT("n", 1));
    ctx = (struct cw_log_ctx){.job = "j2"};
    cw_log(CW_INFO, "e", CW_F_INT("n", 1));
    check_logged(
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"e\",\"job\":\"j1\",\"workspace\":\"/w\","
        "\"step\":\"verify_dns\",\"attempt\":2,\"traceid\":\"t\",\"n\":1}\n"
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"e\",\"job\":\"j2\",\"n\":1}\n");
}

static void levels_below_the_limit_are_not_written(void **state)
{
    (void)state;
    enum cw_log_level level = CW_INFO;
    assert_false(cw_log_level_parse("loud", &level));
    assert_true(cw_log_level_parse("ERROR", &level));
    cw_log_set_level(level);
    cw_log(CW_WARN, "e", CW_F_INT("n", 1));
    check_logged("");
    cw_log(CW_ERROR, "e", CW_F_INT("n", 1));
    char *z = all_of(sink);
    assert_non_null(strstr(z, "\"level\":\"error\""));
    free(z);
}

static void an_error_is_logged_with_its_parts(void **state)
{
    (void)state;
    struct cw_err err = {0};
    (void)cw_err_set(&err, CW_ETHROTTLED, "slow down");
    cw_log_err(CW_INFO, "e", &err);
    err.http_status = 429;
    err.retry_after_ms = 7000;
    (void)snprintf(err.remote_code, sizeof err.remote_code, "TooManyRequests");
    (void)snprintf(err.correlation_id, sizeof err.correlation_id, "c-1");
    cw_log_err(CW_INFO, "e", &err);
    check_logged(
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"e\",\"code\":\"ETHROTTLED\",\"class\":\"throttled\","
        "\"message\":\"slow down\"}\n"
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"e\",\"code\":\"ETHROTTLED\",\"class\":\"throttled\","
        "\"message\":\"slow down\",\"remote_code\":\"TooManyRequests\",\"http_status\":429,\"correlation_id\":\"c-1\","
        "\"retry_after_ms\":7000}\n");
}

static void a_long_line_is_cut_and_stays_json(void **state)
{
    (void)state;
    static char z[10000], control[10000];
    memset(z, 'x', sizeof z - 1);
    memset(control, 1, sizeof control - 1);
    cw_log(CW_INFO, "e", CW_F_STR("a", z), CW_F_STR("b", z), CW_F_STR("c", z), CW_F_STR("d", control),
           CW_F_INT("last", 5));
    char *line = all_of(sink);
    size_t n = strlen(line);
    assert_true(n < 8192);
    assert_int_equal(line[n - 1], '\n');
    struct cw_err err = {0};
    json_t *doc = NULL;
    assert_int_equal(cw_json_parse(line, n, n, &doc, &err), 0);
    assert_true(cw_json_bool(doc, "truncated", false));
    assert_int_equal(cw_json_int(doc, "last", 0), 5); /* what fits is there */
    assert_int_equal(strlen(cw_json_str(doc, "a", "")), 2048 + 3);
    assert_null(cw_json_at(doc, "d"));
    json_decref(doc);
    free(line);
}

static void errno_survives_and_a_bad_descriptor_is_no_harm(void **state)
{
    (void)state;
    cw_log_set_fd(1000000);
    errno = ERANGE;
    cw_log(CW_ERROR, "e", CW_F_INT("n", 1));
    assert_int_equal(errno, ERANGE);
    cw_log_set_fd(-1);
    cw_log(CW_ERROR, "e", CW_F_INT("n", 1));
    check_logged("");
}

static size_t lines_of(const char *z)
{
    size_t n = 0;
    for (; *z != '\0'; z++)
        n += *z == '\n' ? 1 : 0;
    return n;
}

static void the_ring_keeps_the_last_events_of_any_level(void **state)
{
    (void)state;
    static char z[1000];
    memset(z, 'y', sizeof z - 1);
    for (int i = 0; i < 5000; i++)
        cw_log(CW_DEBUG, "ring", CW_F_INT("i", i), CW_F_STR("long", i == 4999 ? z : "z"));
    check_logged("");
    int fd = memfd_create("ring", 0);
    cw_log_dump_ring(fd);
    char *dump = all_of(fd);
    assert_int_equal(lines_of(dump), 4096);
    assert_non_null(strstr(dump, "\"i\":904,"));
    assert_null(strstr(dump, "\"i\":903,"));
    assert_non_null(strstr(dump, "\"i\":4999,"));
    assert_int_equal(dump[strlen(dump) - 1], '\n');
    free(dump);
    (void)close(fd);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        cw_log(CW_INFO, "thread", CW_F_STR("who", arg), CW_F_INT("i", i));
    return NULL;
}

static void threads_do_not_mix_their_lines(void **state)
{
    (void)state;
    pthread_t threads[4];
    static char names[4][2] = {"a", "b", "c", "d"};
    assert_int_equal(fcntl(sink, F_SETFL, O_APPEND), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    char *all = all_of(sink);
    assert_int_equal(lines_of(all), 800);
    char *at = all;
    while (*at != '\0') {
        size_t n = strcspn(at, "\n");
        struct cw_err err = {0};
        json_t *doc = NULL;
        assert_int_equal(cw_json_parse(at, n, n, &doc, &err), 0);
        json_decref(doc);
        at += n + 1;
    }
    free(all);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_json_in_a_fixed_order),
        TEST(the_running_job_is_named),
        TEST(levels_below_the_limit_are_not_written),
        TEST(an_error_is_logged_with_its_parts),
        TEST(a_long_line_is_cut_and_stays_json),
        TEST(errno_survives_and_a_bad_descriptor_is_no_harm),
        TEST(the_ring_keeps_the_last_events_of_any_level),
        TEST(threads_do_not_mix_their_lines),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every allocation of the root fails in turn: each call reports it, nothing leaks, nothing is half done. The sources are
 * compiled in here with an allocator that counts down. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include <jansson.h>

static long fail_at = -1; /* the allocation that fails, counted from 0; -1 = none */
static long allocations;

static bool is_failing(void)
{
    return allocations++ == fail_at;
}

static void *try_malloc(size_t n)
{
    return is_failing() ? NULL : malloc(n);
}

static void *try_calloc(size_t count, size_t n)
{
    return is_failing() ? NULL : calloc(count, n);
}

static void *try_realloc(void *p, size_t n)
{
    return is_failing() ? NULL : realloc(p, n);
}

static char *try_strdup(const char *z)
{
    return is_failing() ? NULL : strdup(z);
}

#define malloc try_malloc
#define calloc try_calloc
#define realloc try_realloc
#define strdup try_strdup
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "common/arena.c"
#include "common/cfg.c"
#include "common/json.c"
#include "common/metrics.c"
#include "common/str.c"
/* NOLINTEND(bugprone-suspicious-include) */
#undef malloc
#undef calloc
#undef realloc
#undef strdup

/* Runs fn with each of its allocations failing. It returns true when it succeeded, and checks its failures itself; an
 * allocation that it can do without is no failure. */
static void sweep(bool (*fn)(void))
{
    long failures = 0;
    for (long n = 0;; n++) {
        allocations = 0;
        fail_at = n;
        bool is_done = fn();
        fail_at = -1;
        failures += is_done ? 0 : 1;
        if (allocations > n)
            continue;
        assert_true(is_done); /* nothing failed this time */
        break;
    }
    assert_true(failures > 0);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static bool use_arena(void)
{
    struct cw_arena *mem = NULL;
    int calls = 0;
    int r = cw_arena_new(1 << 20, &mem);
    if (r < 0) {
        assert_int_equal(r, -CW_ENOMEM);
        assert_null(mem);
        return false;
    }
    const char *a = cw_arena_strdup(mem, "abc"), *b = cw_arena_printf(mem, "%09000d", 1);
    void *c = cw_arena_alloc(mem, 100000);
    bool is_deferred = cw_arena_defer(mem, count_call, &calls);
    assert_int_equal(calls, is_deferred ? 0 : 1);
    bool has_all = a != NULL && b != NULL && c != NULL && is_deferred;
    assert_int_equal(cw_arena_failed(mem), !has_all);
    cw_arena_free(mem);
    assert_int_equal(calls, 1);
    return has_all;
}

static void arenas(void **state)
{
    (void)state;
    sweep(use_arena);
}

static bool use_buffer(void)
{
    struct cw_buf b = {0};
    for (int i = 0; i < 100; i++)
        cw_buf_addf(&b, "%d %0300d", i, i);
    cw_buf_add_json(&b, "\n\n", 2);
    cw_buf_add_url(&b, "/");
    bool is_done = !b.failed;
    char *z = cw_buf_take(&b);
    assert_int_equal(z != NULL, is_done);
    free(z);
    return is_done;
}

static bool use_empty_buffer(void)
{
    struct cw_buf b = {0};
    char *z = cw_buf_take(&b);
    bool is_done = z != NULL;
    free(z);
    return is_done;
}

static void buffers(void **state)
{
    (void)state;
    sweep(use_buffer);
    sweep(use_empty_buffer);
}

static bool use_metrics(void)
{
    struct cw_metric *a = cw_counter("a_total", "A.", "label", "x"),
                     *b = cw_histogram("b_seconds", "B.", NULL, NULL);
    cw_metric_add(a, 1);
    cw_metric_observe_ms(b, 1);
    struct cw_buf out = {0};
    cw_metrics_print(&out);
    bool is_done = a != NULL && b != NULL && !out.failed;
    cw_buf_fini(&out);
    cw_metrics_free_all();
    return is_done;
}

static void metrics(void **state)
{
    (void)state;
    sweep(use_metrics);
}

struct settings {
    char *text, *secret;
    int64_t number;
};

static const struct cw_cfg_row rows[] = {
    {.name = "text", .type = CW_CFG_STR, .offset = offsetof(struct settings, text), .def = "x", .text = "T."},
    {.name = "secret",
     .type = CW_CFG_STR,
     .offset = offsetof(struct settings, secret),
     .text = "S.",
     .is_secret = true},
    {.name = "number",
     .type = CW_CFG_INT,
     .offset = offsetof(struct settings, number),
     .def = "1",
     .text = "N."},
};

static bool use_cfg(void)
{
    char program[] = "p", option[] = "--secret-file=/proc/sys/kernel/ostype";
    char *argv[] = {program, option, NULL};
    int argc = 2;
    struct settings settings;
    struct cw_err err = {0};
    int r = cw_cfg_load(rows, CW_ARRAY_LEN(rows), &settings, &argc, argv, &err);
    if (r < 0) {
        assert_int_equal(r, -CW_ENOMEM);
        assert_int_equal(err.code, CW_ENOMEM);
        return false;
    }
    assert_string_equal(settings.secret, "Linux");
    cw_cfg_fini(rows, CW_ARRAY_LEN(rows), &settings);
    return true;
}

static void configuration(void **state)
{
    (void)state;
    sweep(use_cfg);
}

static bool use_json(void)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"x\",{\"b\":null}],\"a long key, to be sure\":\"a value that is a bit longer\"}";
    struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    json_t *doc = NULL;
    const char *printed = NULL;
    bool is_built = false;
    int r = cw_arena_new(100000, &mem);
    if (r < 0)
        return false;
    r = cw_json_parse_in(mem, text, sizeof text - 1, sizeof text, &doc, &err);
    if (r < 0) {
        assert_int_equal(r, -CW_ENOMEM);
        assert_null(doc);
    } else {
        printed = cw_json_print_in(mem, doc);
        is_built = cw_json_set_str(doc, "z", "\xFF") && cw_json_set_int(doc, "i", 1) &&
                   cw_json_set_bool(doc, "t", true) && cw_json_set(doc, "o", json_object());
        if (printed != NULL)
            assert_string_equal(printed, text);
        assert_true(!is_built || json_object_size(doc) == 6);
    }
    cw_arena_free(mem);
    return printed != NULL && is_built;
}

static void json(void **state)
{
    (void)state;
    json_object_seed(1);
    sweep(use_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas), cmocka_unit_test(buffers),       cmocka_unit_test(metrics),
        cmocka_unit_test(json),   cmocka_unit_test(configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

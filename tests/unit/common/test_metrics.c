#include "tests/unit/common/check.h"

#include "common/metrics.h"

static void check_printed(const char *wanted)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_metrics_print(&out);
    assert_string_equal(cw_buf_z(&out), wanted);
}

static int tear_down(void **state)
{
    (void)state;
    cw_metrics_free_all();
    return 0;
}

static void nothing_prints_nothing(void **state)
{
    (void)state;
    check_printed("");
}

static void families_are_printed_once_and_together(void **state)
{
    (void)state;
    struct cw_metric *b = cw_counter("jobs_total", "Jobs.", "result", "ok");
    struct cw_metric *g = cw_gauge("inflight", "Now.", NULL, NULL);
    struct cw_metric *a = cw_counter("jobs_total", "Jobs.", "result", "failed");
    assert_ptr_equal(cw_counter("jobs_total", "other help", "result", "ok"), b);
    cw_metric_add(a, 1);
    cw_metric_add(b, 2);
    cw_metric_add(b, 3);
    cw_metric_set(g, 7);
    cw_metric_add(g, -9);
    assert_int_equal(cw_metric_value(b), 5);
    check_printed("# HELP inflight Now.\n# TYPE inflight gauge\ninflight -2\n"
                  "# HELP jobs_total Jobs.\n# TYPE jobs_total counter\n"
                  "jobs_total{result=\"failed\"} 1\njobs_total{result=\"ok\"} 5\n");
}

static void texts_are_escaped(void **state)
{
    (void)state;
    (void)cw_gauge("g", "a \\ b\n\"c\"", "l", "x\\y\"z\n");
    check_printed("# HELP g a \\\\ b\\n\"c\"\n# TYPE g gauge\ng{l=\"x\\\\y\\\"z\\n\"} 0\n");
}

static bool has_line(const char *all, const char *line)
{
    const char *at = strstr(all, line);
    return at != NULL && at[strlen(line)] == '\n';
}

static void histograms_are_cumulative(void **state)
{
    (void)state;
    struct cw_metric *h = cw_histogram("wait_seconds", "Waits.", "lane", "bulk");
    static const int64_t ms[] = {-5, 0, 5, 6, 1000, 1001, 3600000, 3600001};
    for (size_t i = 0; i < CW_ARRAY_LEN(ms); i++)
        cw_metric_observe_ms(h, ms[i]);
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_metrics_print(&out);
    assert_true(has_line(out.p, "# TYPE wait_seconds histogram"));
    assert_true(has_line(out.p, "wait_seconds_bucket{lane=\"bulk\",le=\"0.005\"} 3"));
    assert_true(has_line(out.p, "wait_seconds_bucket{lane=\"bulk\",le=\"0.01\"} 4"));
    assert_true(has_line(out.p, "wait_seconds_bucket{lane=\"bulk\",le=\"1\"} 5"));
    assert_true(has_line(out.p, "wait_seconds_bucket{lane=\"bulk\",le=\"2.5\"} 6"));
    assert_true(has_line(out.p, "wait_seconds_bucket{lane=\"bulk\",le=\"3600\"} 7"));
    assert_true(has_line(out.p, "wait_seconds_bucket{lane=\"bulk\",le=\"+Inf\"} 8"));
    assert_true(has_line(out.p, "wait_seconds_sum{lane=\"bulk\"} 7202.013"));
    assert_true(has_line(out.p, "wait_seconds_count{lane=\"bulk\"} 8"));
}

static void a_histogram_without_label(void **state)
{
    (void)state;
    cw_metric_observe_ms(cw_histogram("h_seconds", "H.", NULL, NULL), 7);
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    cw_metrics_print(&out);
    assert_true(has_line(out.p, "h_seconds_bucket{le=\"0.01\"} 1"));
    assert_true(has_line(out.p, "h_seconds_sum 0.007"));
    assert_true(has_line(out.p, "h_seconds_count 1"));
}

static void values_saturate_and_null_is_fine(void **state)
{
    (void)state;
    struct cw_metric *c = cw_counter("c_total", "C.", NULL, NULL);
    cw_metric_add(c, INT64_MAX);
    cw_metric_add(c, 1);
    assert_true(cw_metric_value(c) == INT64_MAX);
    cw_metric_add(NULL, 1);
    cw_metric_set(NULL, 1);
    cw_metric_observe_ms(NULL, 1);
    assert_int_equal(cw_metric_value(NULL), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_teardown(fn, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_prints_nothing),    TEST(families_are_printed_once_and_together),
        TEST(texts_are_escaped),         TEST(histograms_are_cumulative),
        TEST(a_histogram_without_label), TEST(values_saturate_and_null_is_fine),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

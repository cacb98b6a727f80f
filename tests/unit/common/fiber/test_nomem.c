/* Every allocation of the scheduler and of a new fiber fails in turn, and so does each call that maps a stack. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/time.h"

static long fail_at = -1; /* the request that fails, counted from 0; -1 = none */
static long requests;

static bool is_failing(void)
{
    return requests++ == fail_at;
}

static void *try_calloc(size_t count, size_t n)
{
    return is_failing() ? NULL : calloc(count, n);
}

static void *try_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    return is_failing() ? MAP_FAILED : mmap(at, n, protection, flags, fd, offset);
}

static int try_madvise(void *at, size_t n, int advice)
{
    return is_failing() ? -1 : madvise(at, n, advice);
}

static int try_mprotect(void *at, size_t n, int protection)
{
    return is_failing() ? -1 : mprotect(at, n, protection);
}

#define calloc try_calloc
#define mmap try_mmap
#define madvise try_madvise
#define mprotect try_mprotect
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "common/fiber/fiber.c"
#include "common/fiber/stack.c"
/* NOLINTEND(bugprone-suspicious-include) */
#undef calloc
#undef mmap
#undef madvise
#undef mprotect

static int nothing(void *arg)
{
    ++*(int *)arg;
    return 7;
}

/* True when all went well, though request n failed (a stack can do without some). */
static bool run_one_fiber(void)
{
    struct cw_sched *s = NULL;
    struct cw_fiber *f = NULL;
    struct cw_err err = {0};
    int runs = 0, result = 0;
    int r = cw_sched_new(&(struct cw_sched_cfg){.fibers_max = 2}, &s, &err);
    if (r < 0) {
        assert_int_equal(r, -CW_ENOMEM);
        assert_int_equal(err.code, CW_ENOMEM);
        assert_null(s);
        assert_null(cw_sched_current());
        return false;
    }
    r = cw_fiber_spawn(s, "f", nothing, &runs, &f);
    if (r < 0) {
        assert_int_equal(r, -CW_ENOMEM);
        assert_null(f);
        assert_int_equal(cw_sched_count(s), 0);
    } else {
        cw_sched_run_ready(s);
        assert_int_equal(runs, 1);
        assert_int_equal(cw_fiber_join(f, CW_NEVER, &result), 0);
        assert_int_equal(result, 7);
    }
    cw_sched_free(s);
    return r == 0;
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    fail_at = -1;
    requests = 0;
    assert_true(run_one_fiber());
    long all = requests;
    int failures = 0;
    for (fail_at = 0; fail_at < all; fail_at++) {
        requests = 0;
        failures += run_one_fiber() ? 0 : 1;
    }
    fail_at = -1;
    assert_in_range(failures, 5, all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left_behind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

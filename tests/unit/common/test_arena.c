#include "tests/unit/common/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/sanitize.h"

static struct cw_arena *new_arena(size_t cap)
{
    struct cw_arena *mem = NULL;
    assert_int_equal(cw_arena_new(cap, &mem), 0);
    return mem;
}

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct cw_arena *mem = new_arena(8 << 20);
    unsigned char *all[400];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < CW_ARRAY_LEN(all); i++) {
            size_t n = i * 37 % 9000;
            all[i] = cw_arena_alloc(mem, n);
            assert_non_null(all[i]);
            assert_int_equal((uintptr_t)all[i] % 16, 0);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(all[i][k], 0);
            memset(all[i], (int)i, n);
        }
        for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
            for (size_t k = 0; k < i * 37 % 9000; k++)
                assert_int_equal(all[i][k], i & 255);
        cw_arena_reset(mem);
        assert_int_equal(cw_arena_used(mem), 0);
    }
    cw_arena_free(mem);
    cw_arena_free(NULL);
}

static void the_cap_is_sticky_until_reset(void **state)
{
    (void)state;
    struct cw_arena *mem = new_arena(1024);
    assert_non_null(cw_arena_alloc(mem, 1000));
    assert_false(cw_arena_failed(mem));
    assert_null(cw_arena_alloc(mem, 100));
    assert_true(cw_arena_failed(mem));
    assert_non_null(cw_arena_alloc(mem, 1)); /* what fits is still given */
    assert_true(cw_arena_failed(mem));
    cw_arena_reset(mem);
    assert_false(cw_arena_failed(mem));
    assert_non_null(cw_arena_alloc(mem, 1024));
    cw_arena_free(mem);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct cw_arena *mem = new_arena(1 << 20);
    assert_null(cw_arena_alloc(mem, SIZE_MAX));
    cw_arena_reset(mem);
    assert_null(cw_arena_alloc_array(mem, SIZE_MAX / 2, 3));
    assert_true(cw_arena_failed(mem));
    cw_arena_reset(mem);
    assert_null(cw_arena_memdup(mem, "x", SIZE_MAX));
    assert_true(cw_arena_failed(mem));
    cw_arena_reset(mem);
    assert_non_null(cw_arena_alloc_array(mem, 0, 8));
    assert_non_null(cw_arena_alloc_array(mem, 100, 8));
    cw_arena_free(mem);
}

static void texts(void **state)
{
    (void)state;
    struct cw_arena *mem = new_arena(4096);
    assert_null(cw_arena_strdup(mem, NULL));
    assert_string_equal(cw_arena_strdup(mem, "abc"), "abc");
    assert_string_equal(cw_arena_memdup(mem, "abc", 2), "ab");
    assert_string_equal(cw_arena_memdup(mem, NULL, 0), "");
    assert_string_equal(cw_arena_printf(mem, "%s-%d", "x", 5), "x-5");
    assert_int_equal(strlen(cw_arena_printf(mem, "%01000d", 5)), 1000);
    assert_false(cw_arena_failed(mem));
    assert_null(cw_arena_printf(mem, "%09000d", 5));
    assert_true(cw_arena_failed(mem));
    cw_arena_free(mem);
}

static char order[16];

static void note(void *arg)
{
    size_t n = strlen(order);
    (void)snprintf(order + n, sizeof order - n, "%s", (const char *)arg);
}

static void defers_run_in_reverse_order(void **state)
{
    (void)state;
    struct cw_arena *mem = new_arena(100);
    order[0] = '\0';
    char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
    assert_true(cw_arena_defer(mem, note, a));
    assert_true(cw_arena_defer(mem, note, b));
    cw_arena_reset(mem);
    assert_string_equal(order, "ba");
    assert_true(cw_arena_defer(mem, note, c));
    assert_true(cw_arena_defer(mem, note, d));
    cw_arena_free(mem);
    assert_string_equal(order, "badc");
}

/* An overflow by one byte is seen under ASan, which is what the malloc-backed build is for. */
static void asan_sees_inside(void **state)
{
    (void)state;
    if (!CW_WITH_ASAN) {
        print_message("skipped: not an AddressSanitizer build\n");
        skip();
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct cw_arena *mem = new_arena(1024);
        volatile char *p = cw_arena_alloc(mem, 10);
        (void)close(STDERR_FILENO);
        p[10] = 1;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(the_cap_is_sticky_until_reset),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(texts),
        cmocka_unit_test(defers_run_in_reverse_order),
        cmocka_unit_test(asan_sees_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

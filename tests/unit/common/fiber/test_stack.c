#include "tests/unit/common/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fiber/stack.h"

/* Does a write there kill the process? */
static bool is_deadly(volatile char *at)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        *at = 1;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void check_guards(bool is_light_allowed)
{
    struct cw_stacks stacks;
    struct cw_stack stack;
    assert_int_equal(cw_stacks_init(&stacks, 10000, 2), 0);
    assert_int_equal(stacks.bytes % 4096, 0);
    assert_true(stacks.bytes >= 10000 && stacks.bytes < 20000);
    stacks.has_light_guard = stacks.has_light_guard && is_light_allowed;
    assert_int_equal(cw_stacks_maps(&stacks, 100), stacks.has_light_guard ? 100 : 200);
    assert_int_equal(cw_stacks_take(&stacks, &stack), 0);
    memset(stack.base, 1, stack.bytes);
    assert_true(is_deadly(stack.base - 1));
    assert_true(is_deadly(stack.base - stacks.guard_bytes));
    assert_false(is_deadly(stack.base));
    cw_stacks_give(&stacks, &stack);
    assert_null(stack.base);
    assert_int_equal(cw_stacks_take(&stacks, &stack), 0); /* from the pool */
    assert_true(is_deadly(stack.base - 1));
    cw_stacks_give(&stacks, &stack);
    cw_stacks_fini(&stacks);
}

static void a_guard_lies_below_each_stack(void **state)
{
    (void)state;
    check_guards(true);
    check_guards(false); /* as on a kernel without MADV_GUARD_INSTALL */
}

static void an_idle_stack_gives_its_depth_back(void **state)
{
    (void)state;
    struct cw_stacks stacks;
    struct cw_stack stack;
    assert_int_equal(cw_stacks_init(&stacks, 65536, 1), 0);
    assert_int_equal(cw_stacks_take(&stacks, &stack), 0);
    char *base = stack.base;
    memset(base, 1, stack.bytes);
    cw_stacks_give(&stacks, &stack);
    assert_int_equal(cw_stacks_take(&stacks, &stack), 0);
    assert_ptr_equal(stack.base, base);
    assert_int_equal(base[0], 0);
    assert_int_equal(base[stack.bytes / 2], 0);
    assert_int_equal(base[stack.bytes - 1], 1);
    cw_stacks_give(&stacks, &stack);
    cw_stacks_fini(&stacks);
}

static void the_pool_is_bounded(void **state)
{
    (void)state;
    struct cw_stacks stacks;
    struct cw_stack taken[5];
    assert_int_equal(cw_stacks_init(&stacks, 0, 2), 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(cw_stacks_take(&stacks, &taken[i]), 0);
    for (size_t i = 0; i < 5; i++)
        cw_stacks_give(&stacks, &taken[i]);
    assert_int_equal(stacks.pool_count, 2);
    cw_stacks_fini(&stacks);
}

static void a_stack_that_cannot_be_mapped_is_an_error(void **state)
{
    (void)state;
    struct cw_stacks stacks;
    struct cw_stack stack = {.bytes = 7};
    assert_int_equal(cw_stacks_init(&stacks, (size_t)1 << 50, 1), 0);
    assert_int_equal(cw_stacks_take(&stacks, &stack), -CW_ENOMEM);
    assert_int_equal(stack.bytes, 7);
    cw_stacks_fini(&stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guard_lies_below_each_stack),
        cmocka_unit_test(an_idle_stack_gives_its_depth_back),
        cmocka_unit_test(the_pool_is_bounded),
        cmocka_unit_test(a_stack_that_cannot_be_mapped_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/common/check.h"

#include <dlfcn.h>
#include <signal.h>
#include <uv.h>

#include "common/fiber/wait.h"
#include "common/net/loop.h"

static int64_t late_ms; /* so long the process gets no core before each turn of libuv's loop */

/* Stands before libuv's own. */
int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    static int (*real)(uv_loop_t * loop, uv_run_mode mode);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "uv_run");
    struct cw_deadline until = cw_in_ms(late_ms);
    while (!cw_is_past(until)) {
    }
    return real(loop, mode);
}

static int set_up(void **state)
{
    struct cw_sched_cfg cfg = {.fibers_max = 64};
    struct cw_err err = {0};
    return cw_loop_new(&cfg, (struct cw_loop **)state, &err);
}

static int tear_down(void **state)
{
    cw_loop_free(*state);
    return 0;
}

static int sleep_20_ms(void *arg)
{
    int64_t *ret_ms = arg;
    int64_t start = cw_mono_ms();
    int r = cw_sleep(cw_in_ms(20));
    *ret_ms = cw_mono_ms() - start;
    return r;
}

static void a_sleep_takes_its_time(void **state)
{
    int64_t ms = 0;
    assert_int_equal(cw_loop_run_fiber(*state, "sleep", sleep_20_ms, &ms), 0);
    assert_in_range(ms, 20, 500);
}

static int sleep_1_ms_twice(void *arg)
{
    (void)arg;
    int r = cw_sleep(cw_in_ms(1)); /* the turn after a spawn does not poll, the later ones do */
    return r < 0 ? r : cw_sleep(cw_in_ms(1));
}

static void end_with_failure(int signum)
{
    (void)signum;
    static const char text[] = "a sleep whose time was over before the loop polled never ended\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

/* The timer fires in the turn that then polls: nothing else would end that poll. */
static void a_deadline_that_passes_before_the_poll_is_not_lost(void **state)
{
    late_ms = 5;
    (void)signal(SIGALRM, end_with_failure);
    (void)alarm(10);
    assert_int_equal(cw_loop_run_fiber(*state, "sleep", sleep_1_ms_twice, NULL), 0);
    (void)alarm(0);
    late_ms = 0;
}

static int return_7(void *arg)
{
    (void)arg;
    return 7;
}

static void the_result_of_a_fiber_comes_back_at_once(void **state)
{
    int64_t start = cw_mono_ms();
    assert_int_equal(cw_loop_run_fiber(*state, "seven", return_7, NULL), 7);
    assert_true(cw_mono_ms() - start < 500);
}

struct napper {
    struct cw_loop *loop;
    struct cw_fiber *victim;
    int result;
};

static int sleep_forever(void *arg)
{
    (void)arg;
    return cw_sleep(CW_NEVER);
}

static int cancel_victim(void *arg)
{
    struct napper *n = arg;
    int r = cw_fiber_spawn(cw_loop_sched(n->loop), "victim", sleep_forever, NULL, &n->victim);
    if (r < 0 || cw_sleep(cw_in_ms(1)) < 0)
        return -CW_EBUG;
    cw_fiber_cancel(n->victim, CW_EPARKED);
    return cw_fiber_join(n->victim, cw_in_ms(1000), &n->result);
}

static void a_sleep_ends_when_cancelled(void **state)
{
    struct napper n = {.loop = *state};
    assert_int_equal(cw_loop_run_fiber(*state, "canceller", cancel_victim, &n), 0);
    assert_int_equal(n.result, -CW_EPARKED);
}

static void stop_loop(void *arg)
{
    cw_loop_stop(arg);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void timers_repeat_until_cancelled(void **state)
{
    int ticks = 0;
    struct cw_timer *tick = cw_loop_every(*state, 2, count, &ticks);
    struct cw_timer *end = cw_loop_every(*state, 50, stop_loop, *state);
    cw_loop_run(*state);
    assert_in_range(ticks, 2, 26);
    cw_loop_cancel_timer(tick);
    int before = ticks;
    cw_loop_run(*state);
    assert_int_equal(ticks, before);
    cw_loop_cancel_timer(end);
    cw_loop_cancel_timer(NULL);
}

static void on_usr1(int signum, void *arg)
{
    assert_int_equal(signum, SIGUSR1);
    cw_loop_stop(arg);
}

static void never(int signum, void *arg)
{
    (void)signum;
    (void)arg;
    fail();
}

static void a_signal_arrives_on_the_loop(void **state)
{
    assert_int_equal(cw_loop_on_signal(*state, SIGUSR1, never, NULL), 0);
    assert_int_equal(cw_loop_on_signal(*state, SIGUSR1, on_usr1, *state), 0);
    assert_int_equal(cw_loop_on_signal(*state, 0, never, NULL), -CW_EINVAL);
    assert_int_equal(raise(SIGUSR1), 0);
    cw_loop_run(*state);
}

/* A timer callback that makes a fiber ready must not leave the loop asleep in its poll. */
struct handoff {
    struct cw_loop *loop;
    struct cw_wait *wait;
};

static void finish_wait(void *arg)
{
    struct handoff *h = arg;
    if (h->wait != NULL)
        cw_wait_done(h->wait, 5);
}

static int wait_for_timer(void *arg)
{
    struct handoff *h = arg;
    struct cw_wait w;
    cw_wait_arm(&w);
    h->wait = &w;
    int r = cw_wait_for(&w, cw_in_ms(5000));
    h->wait = NULL;
    return r;
}

static void a_callback_wakes_a_fiber_at_once(void **state)
{
    struct handoff h = {.loop = *state};
    struct cw_timer *timer = cw_loop_every(*state, 5, finish_wait, &h);
    int64_t start = cw_mono_ms();
    for (int i = 0; i < 10; i++)
        assert_int_equal(cw_loop_run_fiber(*state, "waiter", wait_for_timer, &h), 5);
    assert_true(cw_mono_ms() - start < 1000);
    cw_loop_cancel_timer(timer);
}

/* Two fibers that are always ready must not keep timers from running. */
static int spin(void *arg)
{
    const bool *stop = arg;
    int64_t give_up = cw_mono_ms() + 5000;
    while (!*stop && cw_mono_ms() < give_up) {
        int r = cw_sleep(cw_in_ms(0));
        if (r < 0)
            return r;
        r = cw_sleep(cw_in_ms(1));
        if (r < 0)
            return r;
    }
    return *stop ? 0 : -CW_ETIMEDOUT;
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void busy_fibers_do_not_starve_the_loop(void **state)
{
    bool stop = false;
    struct cw_timer *timer = cw_loop_every(*state, 20, set_true, &stop);
    assert_int_equal(cw_loop_run_fiber(*state, "spin", spin, &stop), 0);
    cw_loop_cancel_timer(timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sleep_takes_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deadline_that_passes_before_the_poll_is_not_lost, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_result_of_a_fiber_comes_back_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sleep_ends_when_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_repeat_until_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_arrives_on_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_callback_wakes_a_fiber_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy_fibers_do_not_starve_the_loop, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

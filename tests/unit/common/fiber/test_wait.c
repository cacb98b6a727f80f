#include "tests/unit/common/check.h"

#include "common/fiber/wait.h"

static int64_t now_ms = 1000;

int64_t cw_mono_ms(void)
{
    return now_ms;
}

int64_t cw_wall_ms(void)
{
    return now_ms;
}

void cw_random_bytes(void *p, size_t n)
{
    memset(p, 4, n);
}

static struct cw_sched *sched;
static char order[256];

static int set_up(void **state)
{
    (void)state;
    struct cw_err err = {0};
    now_ms = 1000;
    order[0] = '\0';
    return cw_sched_new(&(struct cw_sched_cfg){.fibers_max = 64}, &sched, &err);
}

static int tear_down(void **state)
{
    (void)state;
    cw_sched_free(sched);
    return 0;
}

static void note(const char *word)
{
    size_t n = strlen(order);
    (void)snprintf(order + n, sizeof order - n, "%s ", word);
}

static struct cw_fiber *spawn(cw_fiber_fn fn, void *arg)
{
    struct cw_fiber *f = NULL;
    assert_int_equal(cw_fiber_spawn(sched, "f", fn, arg, &f), 0);
    return f;
}

static int end(struct cw_fiber *f)
{
    int result = 0;
    assert_true(cw_fiber_has_ended(f));
    assert_int_equal(cw_fiber_join(f, CW_NEVER, &result), 0);
    return result;
}

/* One wait, driven from outside. */
struct one {
    struct cw_wait wait;
    struct cw_deadline until;
    bool is_uncancelled;
    bool was_done; /* when the wait returned */
    const char *name;
};

static int wait_once(void *arg)
{
    struct one *one = arg;
    cw_wait_arm(&one->wait);
    int r = one->is_uncancelled ? cw_wait_for_uncancelled(&one->wait, one->until)
                                : cw_wait_for(&one->wait, one->until);
    one->was_done = one->wait.done;
    if (one->name != NULL)
        note(one->name);
    return r;
}

static void the_result_arrives(void **state)
{
    (void)state;
    struct one one = {.until = CW_NEVER};
    struct cw_fiber *f = spawn(wait_once, &one);
    cw_sched_run_ready(sched);
    cw_wait_done(&one.wait, 17);
    cw_wait_done(&one.wait, 99); /* too late: ignored */
    assert_int_equal(cw_sched_next(sched).mono_ms, now_ms);
    assert_false(cw_fiber_has_ended(f)); /* done() never switches */
    cw_sched_run_ready(sched);
    assert_int_equal(end(f), 17);
    assert_true(one.was_done);
}

static void the_deadline_comes(void **state)
{
    (void)state;
    struct one one = {.until = cw_in_ms(50)};
    struct cw_fiber *f = spawn(wait_once, &one);
    cw_sched_run_ready(sched);
    assert_int_equal(cw_sched_next(sched).mono_ms, now_ms + 50);
    now_ms += 49;
    cw_sched_run_ready(sched);
    assert_false(cw_fiber_has_ended(f));
    now_ms += 1;
    cw_sched_run_ready(sched);
    assert_int_equal(end(f), -CW_ETIMEDOUT);
    assert_false(one.was_done);
}

/* Which of cancel, timeout and result is seen, for each set that is true when the fiber goes on. */
static void cancel_beats_timeout_beats_result(void **state)
{
    (void)state;
    for (int set = 1; set < 8; set++) {
        bool has_result = (set & 1) != 0, is_late = (set & 2) != 0, is_cancelled = (set & 4) != 0;
        struct one one = {.until = cw_in_ms(10)};
        struct cw_fiber *f = spawn(wait_once, &one);
        cw_sched_run_ready(sched);
        if (has_result)
            cw_wait_done(&one.wait, 5);
        if (is_late)
            now_ms += 10;
        if (is_cancelled)
            cw_fiber_cancel(f, CW_EPARKED);
        cw_sched_run_ready(sched);
        assert_int_equal(end(f), is_cancelled ? -CW_EPARKED : is_late ? -CW_ETIMEDOUT : 5);
        assert_int_equal(one.was_done, has_result);
    }
}

static int wait_on_what_is_decided(void *arg)
{
    struct cw_wait w;
    (void)arg;
    cw_wait_arm(&w);
    assert_int_equal(cw_wait_for(&w, cw_in_ms(0)), -CW_ETIMEDOUT);
    assert_int_equal(cw_wait_for(&w, cw_in_ms(-5)), -CW_ETIMEDOUT);
    cw_wait_done(&w, 3);
    assert_int_equal(cw_wait_for(&w, cw_in_ms(0)), -CW_ETIMEDOUT);
    assert_int_equal(cw_wait_for(&w, CW_NEVER), 3);
    cw_fiber_cancel(cw_fiber_self(), CW_ECANCELED);
    assert_int_equal(cw_wait_for(&w, CW_NEVER), -CW_ECANCELED);
    assert_int_equal(cw_wait_for(&w, cw_in_ms(0)), -CW_ECANCELED);
    assert_int_equal(cw_wait_for_uncancelled(&w, CW_NEVER), 3);
    return 0;
}

static void what_is_decided_does_not_suspend(void **state)
{
    (void)state;
    struct cw_fiber *f = spawn(wait_on_what_is_decided, NULL);
    cw_sched_run_ready(sched);
    assert_int_equal(end(f), 0);
}

static void an_uncancelled_wait_is_seen_through(void **state)
{
    (void)state;
    struct one result = {.until = CW_NEVER, .is_uncancelled = true},
               late = {.until = cw_in_ms(5), .is_uncancelled = true};
    struct cw_fiber *a = spawn(wait_once, &result), *b = spawn(wait_once, &late);
    cw_fiber_cancel(a, CW_ELOST);
    cw_sched_run_ready(sched);
    cw_fiber_cancel(b, CW_ELOST);
    cw_sched_run_ready(sched);
    assert_false(cw_fiber_has_ended(a));
    assert_false(cw_fiber_has_ended(b));
    cw_wait_done(&result.wait, 8);
    now_ms += 5;
    cw_sched_run_ready(sched);
    assert_int_equal(end(a), 8);
    assert_int_equal(end(b), -CW_ETIMEDOUT);
}

static void deadlines_come_in_order_and_ties_in_order_of_arming(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *name;
    } plan[] = {{30, "g"}, {10, "b"}, {20, "d"}, {10, "c"}, {5, "a"}, {20, "e"}, {30, "h"}, {20, "f"}};
    struct one ones[CW_ARRAY_LEN(plan)];
    struct cw_fiber *all[CW_ARRAY_LEN(plan)];
    for (size_t i = 0; i < CW_ARRAY_LEN(plan); i++) {
        ones[i] = (struct one){.until = cw_in_ms(plan[i].ms), .name = plan[i].name};
        all[i] = spawn(wait_once, &ones[i]);
    }
    cw_sched_run_ready(sched);
    now_ms += 100; /* all at once */
    cw_sched_run_ready(sched);
    assert_string_equal(order, "a b c d e f g h ");
    for (size_t i = 0; i < CW_ARRAY_LEN(plan); i++)
        assert_int_equal(end(all[i]), -CW_ETIMEDOUT);
}

/* Against a sorted list: many deadlines, some of them removed from the middle of the heap. */
static void the_next_deadline_is_always_the_earliest(void **state)
{
    (void)state;
    struct one ones[64];
    struct cw_fiber *all[64];
    uint32_t seed = 1;
    for (size_t i = 0; i < 64; i++) {
        seed = seed * 1664525 + 1013904223;
        ones[i] = (struct one){.until = cw_in_ms(1 + (int64_t)(seed >> 20) % 200)};
        all[i] = spawn(wait_once, &ones[i]);
    }
    cw_sched_run_ready(sched);
    size_t left = 64;
    for (size_t round = 0; left > 0; round++) {
        int64_t earliest = INT64_MAX;
        for (size_t i = 0; i < 64; i++)
            if (all[i] != NULL)
                earliest = CW_MIN(earliest, ones[i].until.mono_ms);
        assert_int_equal(cw_sched_next(sched).mono_ms, earliest);
        size_t victim = (round * 37 + 11) % 64;
        if (all[victim] != NULL && round % 2 == 0)
            cw_wait_done(&ones[victim].wait, 1);
        else
            now_ms = earliest;
        cw_sched_run_ready(sched);
        for (size_t i = 0; i < 64; i++) {
            if (all[i] == NULL || !cw_fiber_has_ended(all[i]))
                continue;
            int r = end(all[i]);
            assert_true(r == 1 || (r == -CW_ETIMEDOUT && ones[i].until.mono_ms <= now_ms));
            all[i] = NULL;
            left--;
        }
    }
    assert_int_equal(cw_sched_next(sched).mono_ms, INT64_MAX);
}

/* A wait that is woken for an older one of the same fiber goes on waiting. */
static int two_waits(void *arg)
{
    struct cw_wait *waits = arg;
    cw_wait_arm(&waits[0]);
    cw_wait_arm(&waits[1]);
    int r = cw_wait_for(&waits[1], CW_NEVER);
    assert_true(waits[0].done);
    assert_int_equal(cw_wait_for(&waits[0], CW_NEVER), 10);
    return r;
}

static void only_the_wait_that_is_waited_for_wakes(void **state)
{
    (void)state;
    struct cw_wait waits[2];
    struct cw_fiber *f = spawn(two_waits, waits);
    cw_sched_run_ready(sched);
    cw_wait_done(&waits[0], 10);
    assert_int_equal(cw_sched_next(sched).mono_ms, INT64_MAX);
    cw_sched_run_ready(sched);
    assert_false(cw_fiber_has_ended(f));
    cw_wait_done(&waits[1], 11);
    cw_sched_run_ready(sched);
    assert_int_equal(end(f), 11);
}

static void count_cleanup(void *arg)
{
    ++*(int *)arg;
}
CW_DEFINE_AUTO(auto_count, int *, count_cleanup)

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): the cleanup frees it */
static int hold_while_waiting(void *arg)
{
    CW_AUTO(cw_auto_str) char *owned = malloc(100);
    CW_AUTO(auto_count) int *counter = arg;
    assert_non_null(owned);
    assert_non_null(counter);
    memset(owned, 1, 100);
    struct cw_wait w;
    cw_wait_arm(&w);
    return cw_wait_for(&w, CW_NEVER);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

static void cancelling_in_mid_wait_runs_the_cleanups(void **state)
{
    (void)state;
    int cleanups = 0;
    struct cw_fiber *all[20];
    for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
        all[i] = spawn(hold_while_waiting, &cleanups);
    cw_sched_run_ready(sched);
    for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
        cw_fiber_cancel(all[i], CW_ECANCELED);
    cw_sched_run_ready(sched);
    assert_int_equal(cleanups, 20);
    for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
        assert_int_equal(end(all[i]), -CW_ECANCELED);
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

struct waiter {
    struct cw_queue *queue;
    struct cw_deadline until;
    const char *name;
};

static int wait_in_queue(void *arg)
{
    struct waiter *waiter = arg;
    int r = cw_queue_wait(waiter->queue, waiter->until);
    note(waiter->name);
    return r;
}

static void a_queue_wakes_in_order_of_arrival(void **state)
{
    (void)state;
    struct cw_queue q = {0};
    struct waiter a = {&q, CW_NEVER, "a"}, b = {&q, CW_NEVER, "b"}, c = {&q, CW_NEVER, "c"},
                  d = {&q, CW_NEVER, "d"};
    struct cw_fiber *fa = spawn(wait_in_queue, &a), *fb = spawn(wait_in_queue, &b),
                    *fc = spawn(wait_in_queue, &c), *fd = spawn(wait_in_queue, &d);
    cw_queue_signal(&q); /* nobody waits yet: lost */
    cw_sched_run_ready(sched);
    assert_false(cw_queue_is_empty(&q));
    cw_queue_signal(&q);
    cw_sched_run_ready(sched);
    assert_string_equal(order, "a ");
    cw_queue_broadcast(&q);
    assert_true(cw_queue_is_empty(&q));
    cw_sched_run_ready(sched);
    assert_string_equal(order, "a b c d ");
    assert_int_equal(end(fa) + end(fb) + end(fc) + end(fd), 0);
}

static void who_gives_up_leaves_the_queue(void **state)
{
    (void)state;
    struct cw_queue q = {0};
    struct waiter a = {&q, CW_NEVER, "a"}, b = {&q, cw_in_ms(5), "b"}, c = {&q, CW_NEVER, "c"},
                  d = {&q, cw_in_ms(9), "d"};
    struct cw_fiber *fa = spawn(wait_in_queue, &a), *fb = spawn(wait_in_queue, &b),
                    *fc = spawn(wait_in_queue, &c), *fd = spawn(wait_in_queue, &d);
    cw_sched_run_ready(sched);
    cw_fiber_cancel(fa, CW_ECANCELED);
    now_ms += 5;
    cw_sched_run_ready(sched);
    assert_string_equal(order, "a b ");
    now_ms += 5;
    cw_sched_run_ready(sched);
    cw_queue_signal(&q);
    cw_sched_run_ready(sched);
    assert_string_equal(order, "a b d c ");
    assert_true(cw_queue_is_empty(&q));
    assert_int_equal(end(fa), -CW_ECANCELED);
    assert_int_equal(end(fb), -CW_ETIMEDOUT);
    assert_int_equal(end(fc), 0);
    assert_int_equal(end(fd), -CW_ETIMEDOUT);
}

static void a_signal_is_handed_on_by_who_was_cancelled(void **state)
{
    (void)state;
    struct cw_queue q = {0};
    struct waiter a = {&q, CW_NEVER, "a"}, b = {&q, cw_in_ms(10), "b"}, c = {&q, CW_NEVER, "c"};
    struct cw_fiber *fa = spawn(wait_in_queue, &a), *fb = spawn(wait_in_queue, &b),
                    *fc = spawn(wait_in_queue, &c);
    cw_sched_run_ready(sched);
    cw_queue_signal(&q);
    cw_fiber_cancel(fa, CW_ECANCELED);
    now_ms += 10;
    cw_sched_run_ready(sched);
    assert_int_equal(end(fa), -CW_ECANCELED);
    assert_int_equal(end(fb), -CW_ETIMEDOUT);
    assert_int_equal(end(fc), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_result_arrives),
        TEST(the_deadline_comes),
        TEST(cancel_beats_timeout_beats_result),
        TEST(what_is_decided_does_not_suspend),
        TEST(an_uncancelled_wait_is_seen_through),
        TEST(deadlines_come_in_order_and_ties_in_order_of_arming),
        TEST(the_next_deadline_is_always_the_earliest),
        TEST(only_the_wait_that_is_waited_for_wakes),
        TEST(cancelling_in_mid_wait_runs_the_cleanups),
        TEST(a_queue_wakes_in_order_of_arrival),
        TEST(who_gives_up_leaves_the_queue),
        TEST(a_signal_is_handed_on_by_who_was_cancelled),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/common/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fiber/fiber.h"
#include "common/fiber/wait.h"
#include "common/sanitize.h"
#include "common/str.h"

/* The clock of this test: linked in place of common/time.c. It moves when every fiber waits. */
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

/* What happened, in order: one letter an event. */
static char trace[256];
static size_t trace_len;

static void note(char c)
{
    assert_true(trace_len + 1 < sizeof trace);
    trace[trace_len++] = c;
    trace[trace_len] = '\0';
}

static struct cw_sched *new_sched(size_t fibers_max)
{
    struct cw_sched *s = NULL;
    struct cw_err err = {0};
    trace_len = 0;
    trace[0] = '\0';
    assert_int_equal(cw_sched_new(&(struct cw_sched_cfg){.fibers_max = fibers_max}, &s, &err), 0);
    assert_ptr_equal(cw_sched_current(), s);
    return s;
}

static void sleep_until(struct cw_deadline until)
{
    if (until.mono_ms == INT64_MAX)
        fail_msg("every fiber waits for ever");
    assert_true(until.mono_ms > now_ms);
    now_ms = until.mono_ms;
}

static void run_all(struct cw_sched *s)
{
    while (cw_sched_count(s) > 0) {
        cw_sched_run_ready(s);
        if (cw_sched_count(s) > 0)
            sleep_until(cw_sched_next(s));
    }
}

static struct cw_fiber *spawn(struct cw_sched *s, const char *name, cw_fiber_fn fn, void *arg)
{
    struct cw_fiber *f = NULL;
    assert_int_equal(cw_fiber_spawn(s, name, fn, arg, &f), 0);
    return f;
}

static int join_now(struct cw_fiber *f)
{
    int result = 12345;
    assert_int_equal(cw_fiber_join(f, CW_NEVER, &result), 0);
    return result;
}

static int pause_for(struct cw_deadline until)
{
    struct cw_wait w;
    cw_wait_arm(&w);
    return cw_wait_for(&w, until);
}

/* Go on when time moves. */
static void yield(void)
{
    assert_int_equal(pause_for(cw_in_ms(1)), -CW_ETIMEDOUT);
}

static int note_arg(void *arg)
{
    assert_non_null(cw_fiber_self());
    note(*(const char *)arg);
    return -CW_ENET;
}

static void fibers_run_in_order_of_spawning_and_only_in_run_ready(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(4);
    struct cw_fiber *a = spawn(s, "a", note_arg, "a"), *b = spawn(s, "b", note_arg, "b");
    assert_string_equal(trace, "");
    assert_null(cw_fiber_self());
    assert_true(cw_left_ms(cw_sched_next(s)) == 0);
    cw_sched_run_ready(s);
    assert_string_equal(trace, "ab");
    assert_true(cw_fiber_has_ended(a));
    assert_int_equal(join_now(a), -CW_ENET);
    assert_int_equal(join_now(b), -CW_ENET);
    assert_int_equal(cw_sched_next(s).mono_ms, INT64_MAX);
    cw_sched_free(s);
    assert_null(cw_sched_current());
}

struct pair {
    struct cw_fiber *child;
    int joined;
    int result;
    struct cw_deadline until;
};

static int sleep_10(void *arg)
{
    (void)arg;
    note('<');
    int r = pause_for(cw_in_ms(10));
    note('>');
    return r;
}

static int join_child(void *arg)
{
    struct pair *pair = arg;
    note('j');
    pair->joined = cw_fiber_join(pair->child, pair->until, &pair->result);
    note('J');
    return 0;
}

static void join_waits_for_the_result(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(4);
    struct pair pair = {.until = CW_NEVER};
    struct cw_fiber *parent = spawn(s, "parent", join_child, &pair);
    pair.child = spawn(s, "child", sleep_10, NULL);
    run_all(s);
    assert_string_equal(trace, "j<>J");
    assert_int_equal(pair.joined, 0);
    assert_int_equal(pair.result, -CW_ETIMEDOUT);
    assert_int_equal(join_now(parent), 0);
    cw_sched_free(s);
}

static void join_that_times_out_leaves_the_handle_valid(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(4);
    struct pair pair = {.until = cw_in_ms(1), .result = 7};
    struct cw_fiber *parent = spawn(s, "parent", join_child, &pair);
    pair.child = spawn(s, "child", sleep_10, NULL);
    run_all(s);
    assert_string_equal(trace, "j<J>");
    assert_int_equal(pair.joined, -CW_ETIMEDOUT);
    assert_int_equal(pair.result, 7);
    assert_int_equal(join_now(pair.child), -CW_ETIMEDOUT);
    assert_int_equal(join_now(parent), 0);
    cw_sched_free(s);
}

static int join_child_though_cancelled(void *arg)
{
    struct pair *pair = arg;
    assert_int_equal(cw_fiber_join(pair->child, CW_NEVER, &pair->result), -CW_ECANCELED);
    note('c');
    cw_fiber_cancel(pair->child, CW_ELOST);
    assert_int_equal(cw_fiber_join(pair->child, CW_NEVER, &pair->result), -CW_ECANCELED);
    pair->joined = cw_fiber_join_uncancelled(pair->child, CW_NEVER, &pair->result);
    note('J');
    return 0;
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return pause_for(CW_NEVER);
}

static void a_cancelled_parent_can_still_see_its_child_end(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(4);
    struct pair pair = {0};
    struct cw_fiber *parent = spawn(s, "parent", join_child_though_cancelled, &pair);
    pair.child = spawn(s, "child", wait_for_ever, NULL);
    cw_sched_run_ready(s);
    cw_fiber_cancel(parent, CW_ECANCELED);
    run_all(s);
    assert_string_equal(trace, "cJ");
    assert_int_equal(pair.joined, 0);
    assert_int_equal(pair.result, -CW_ELOST);
    assert_int_equal(join_now(parent), 0);
    cw_sched_free(s);
}

static void detached_fibers_free_themselves(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(4);
    cw_fiber_detach(spawn(s, "before", sleep_10, NULL));
    struct cw_fiber *after = spawn(s, "after", note_arg, "x");
    cw_sched_run_ready(s);
    cw_fiber_detach(after);
    run_all(s);
    assert_string_equal(trace, "<x>");
    cw_sched_free(s);
}

static int detach_self(void *arg)
{
    (void)arg;
    cw_fiber_detach(cw_fiber_self());
    yield();
    note('d');
    return 0;
}

static void a_fiber_may_detach_itself(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(1);
    (void)spawn(s, "self", detach_self, NULL);
    run_all(s);
    assert_string_equal(trace, "d");
    cw_sched_free(s);
}

static int spawn_tree(void *arg)
{
    int *depth = arg;
    note((char)('0' + *depth));
    if (*depth == 0)
        return 0;
    int below = *depth - 1, result = 0;
    struct cw_fiber *left = spawn(cw_sched_current(), "left", spawn_tree, &below);
    struct cw_fiber *right = spawn(cw_sched_current(), "right", spawn_tree, &below);
    assert_int_equal(cw_fiber_join(left, CW_NEVER, &result), 0);
    assert_int_equal(cw_fiber_join(right, CW_NEVER, &result), 0);
    note((char)('a' + *depth));
    return 0;
}

static void fibers_spawn_fibers(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(16);
    int depth = 2;
    struct cw_fiber *root = spawn(s, "root", spawn_tree, &depth);
    run_all(s);
    assert_string_equal(trace, "2110000bbc");
    assert_int_equal(join_now(root), 0);
    cw_sched_free(s);
}

static void the_limit_is_an_error_until_a_fiber_has_ended(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(2);
    struct cw_fiber *a = spawn(s, "a", note_arg, "a"), *b = spawn(s, "b", note_arg, "b"), *c = NULL;
    assert_int_equal(cw_fiber_spawn(s, "c", note_arg, "c", &c), -CW_ENOMEM);
    assert_null(c);
    cw_sched_run_ready(s);
    c = spawn(s, "c", note_arg, "c");
    cw_sched_run_ready(s);
    assert_string_equal(trace, "abc");
    (void)join_now(a);
    (void)join_now(b);
    (void)join_now(c);
    cw_sched_free(s);
}

static void a_scheduler_that_cannot_fit_says_why(void **state)
{
    (void)state;
    struct cw_sched *s = NULL;
    struct cw_err err = {0};
    assert_int_equal(cw_sched_new(&(struct cw_sched_cfg){.fibers_max = 0}, &s, &err), -CW_EINVAL);
    assert_int_equal(cw_sched_new(&(struct cw_sched_cfg){.fibers_max = SIZE_MAX / 4}, &s, &err), -CW_EINVAL);
    assert_non_null(strstr(err.text, "vm.max_map_count"));
    assert_null(s);
    assert_null(cw_sched_current());
}

static int cancel_result(void *arg)
{
    (void)arg;
    int first = pause_for(CW_NEVER);
    assert_int_equal(cw_fiber_cancel_reason(), -first);
    int again = pause_for(CW_NEVER); /* sticky: does not wait */
    assert_int_equal(again, first);
    assert_int_equal(pause_for(cw_in_ms(1000)), first);
    return first;
}

static void cancellation_is_sticky_and_the_stronger_reason_wins(void **state)
{
    (void)state;
    static const struct {
        int first, second, seen;
    } cases[] = {
        {CW_ECANCELED, 0, CW_ECANCELED},        {CW_ECANCELED, CW_EPARKED, CW_EPARKED},
        {CW_EPARKED, CW_ECANCELED, CW_EPARKED}, {CW_EPARKED, CW_ELOST, CW_ELOST},
        {CW_ELOST, CW_ECANCELED, CW_ELOST},     {CW_ELOST, CW_ELOST, CW_ELOST},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_sched *s = new_sched(1);
        struct cw_fiber *f = spawn(s, "f", cancel_result, NULL);
        cw_sched_run_ready(s);
        assert_false(cw_fiber_has_ended(f));
        cw_fiber_cancel(f, cases[i].first);
        if (cases[i].second != 0)
            cw_fiber_cancel(f, cases[i].second);
        cw_sched_run_ready(s);
        assert_true(cw_fiber_has_ended(f));
        cw_fiber_cancel(f, CW_ELOST); /* after the end: nothing happens */
        assert_int_equal(join_now(f), -cases[i].seen);
        cw_sched_free(s);
    }
}

static void a_fiber_cancelled_before_its_first_run_still_runs(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(1);
    struct cw_fiber *f = spawn(s, "f", cancel_result, NULL);
    cw_fiber_cancel(f, CW_EPARKED);
    cw_sched_run_ready(s);
    assert_int_equal(join_now(f), -CW_EPARKED);
    cw_sched_free(s);
}

static void on_wake(void *arg)
{
    ++*(int *)arg;
}

static int signal_queue(void *arg)
{
    cw_queue_signal(arg);
    return 0;
}

static int wait_queue(void *arg)
{
    return cw_queue_wait(arg, CW_NEVER);
}

static void the_loop_is_woken_only_from_outside(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(4);
    struct cw_queue queue = {0};
    int wakes = 0;
    cw_sched_set_wake(s, on_wake, &wakes);
    struct cw_fiber *waiter = spawn(s, "waiter", wait_queue, &queue);
    assert_int_equal(wakes, 1);
    cw_sched_run_ready(s);
    struct cw_fiber *signaller = spawn(s, "signaller", signal_queue, &queue);
    assert_int_equal(wakes, 2);
    cw_sched_run_ready(s);
    assert_int_equal(wakes, 2);
    assert_int_equal(join_now(waiter), 0);
    assert_int_equal(join_now(signaller), 0);
    cw_sched_free(s);
}

static char slow_name[32];
static int64_t slow_ms;

static void on_slow(const char *name, int64_t ms)
{
    (void)cw_z_copy(slow_name, sizeof slow_name, name);
    slow_ms = ms;
}

static int hog(void *arg)
{
    (void)arg;
    now_ms += 5;
    yield();
    now_ms += 8;
    yield();
    return 0;
}

static void a_slow_slice_is_reported(void **state)
{
    (void)state;
    struct cw_sched *s = NULL;
    struct cw_err err = {0};
    const struct cw_sched_cfg cfg = {.fibers_max = 2, .slice_warn_ms = 5, .on_slow_slice = on_slow};
    assert_int_equal(cw_sched_new(&cfg, &s, &err), 0);
    cw_fiber_detach(spawn(s, "hog", hog, NULL));
    cw_sched_run_ready(s);
    assert_string_equal(slow_name, "");
    run_all(s);
    assert_string_equal(slow_name, "hog");
    assert_int_equal(slow_ms, 8);
    cw_sched_free(s);
}

static int check_local(void *arg)
{
    cw_fiber_set_local(cw_fiber_self(), arg);
    yield();
    assert_ptr_equal(cw_fiber_local(cw_fiber_self()), arg);
    return 0;
}

static void collect(const char *name, const char *state, struct cw_deadline until, void *arg)
{
    cw_buf_addf(arg, "%s=%s%s ", name, state, until.mono_ms == INT64_MAX ? "" : "+");
}

static int list_all(void *arg)
{
    cw_sched_each(cw_sched_current(), collect, arg);
    return 0;
}

static void each_fiber_is_listed_with_its_state(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(8);
    CW_AUTO(cw_buf_fini) struct cw_buf list = {0};
    int x = 0, y = 0;
    struct cw_fiber *ended = spawn(s, "ended", note_arg, "e");
    cw_fiber_detach(spawn(s, "x", check_local, &x));
    cw_fiber_detach(spawn(s, "y", check_local, &y));
    struct cw_fiber *forever = spawn(s, "forever", wait_for_ever, NULL);
    cw_sched_run_ready(s);
    cw_fiber_detach(spawn(s, "lister", list_all, &list));
    cw_fiber_detach(spawn(s, "fresh", note_arg, "f"));
    cw_sched_run_ready(s);
    assert_string_equal(cw_buf_z(&list), "x=waiting+ y=waiting+ forever=waiting lister=running fresh=ready ");
    cw_fiber_cancel(forever, CW_ECANCELED);
    run_all(s);
    assert_int_equal(join_now(forever), -CW_ECANCELED);
    assert_int_equal(join_now(ended), -CW_ENET);
    cw_sched_free(s);
}

static int compute(void *arg)
{
    double *out = arg;
    double x = *out;
    uint64_t a = 1, b = 2, c = 3, d = 4, e = 5;
    for (int i = 0; i < 3; i++) {
        x = x * 1.5 + 0.25;
        a = a * 3 + b, b = b * 5 + c, c = c * 7 + d, d = d * 11 + e, e = e * 13 + a;
        yield();
    }
    *out = x + (double)((a ^ b ^ c ^ d ^ e) % 1000);
    return 0;
}

static void registers_survive_a_switch(void **state)
{
    (void)state;
    struct cw_sched *s = new_sched(8);
    double in[8], alone = 1.0;
    cw_fiber_detach(spawn(s, "alone", compute, &alone));
    run_all(s);
    for (size_t i = 0; i < CW_ARRAY_LEN(in); i++) {
        in[i] = 1.0;
        cw_fiber_detach(spawn(s, "together", compute, &in[i]));
    }
    run_all(s);
    for (size_t i = 0; i < CW_ARRAY_LEN(in); i++)
        assert_true(in[i] == alone);
    cw_sched_free(s);
}

static int wait_shared(void *arg)
{
    char frame[2048];
    memset(frame, 7, sizeof frame);
    int r = cw_queue_wait(arg, CW_NEVER);
    for (size_t i = 0; i < sizeof frame; i++)
        if (frame[i] != 7)
            return -CW_EBUG;
    return r;
}

static void ten_thousand_fibers_fit(void **state)
{
    (void)state;
    size_t count = CW_WITH_TSAN ? 50 : 10000;
    struct cw_sched *s = new_sched(count);
    struct cw_queue queue = {0};
    struct cw_fiber **all = calloc(count, sizeof(struct cw_fiber *));
    assert_non_null(all);
    for (size_t i = 0; i < count; i++)
        all[i] = spawn(s, "one of many", wait_shared, &queue);
    cw_sched_run_ready(s);
    assert_int_equal(cw_sched_count(s), count);
    cw_queue_broadcast(&queue);
    cw_sched_run_ready(s);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(join_now(all[i]), 0);
    free(all);
    cw_sched_free(s);
}

static void stacks_are_used_again(void **state)
{
    (void)state;
    struct cw_sched *s = NULL;
    struct cw_err err = {0};
    assert_int_equal(cw_sched_new(&(struct cw_sched_cfg){.fibers_max = 20, .pool_max = 3}, &s, &err), 0);
    struct cw_queue queue = {0};
    for (int round = 0; round < 20; round++) {
        struct cw_fiber *all[20];
        for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
            all[i] = spawn(s, "f", wait_shared, &queue);
        cw_sched_run_ready(s);
        cw_queue_broadcast(&queue);
        cw_sched_run_ready(s);
        for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
            assert_int_equal(join_now(all[i]), 0);
    }
    cw_sched_free(s);
}

/* --- deaths: a child process does what must be caught --------------------------------------------------------------- */

/* Runs fn in a child; its standard error and how it ended. */
static int die_in_child(void (*fn)(void), char *text, size_t text_bytes)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        (void)close(pipe_fds[0]);
        for (int sig = 1; sig < 32; sig++)
            if (sig != SIGKILL && sig != SIGSTOP)
                (void)signal(sig, SIG_DFL);
        fn();
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    size_t n = 0;
    char rest[4096];
    for (;;) {
        bool is_full = n + 1 >= text_bytes;
        ssize_t got =
            read(pipe_fds[0], is_full ? rest : text + n, is_full ? sizeof rest : text_bytes - 1 - n);
        if (got <= 0)
            break;
        n += is_full ? 0 : (size_t)got;
    }
    text[n] = '\0';
    (void)close(pipe_fds[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void run_alone(const char *name, cw_fiber_fn fn)
{
    struct cw_sched *s = new_sched(2);
    (void)spawn(s, name, fn, NULL);
    run_all(s);
}

static volatile size_t one_too_far = 16;

/* UBSan would see it before ASan does. */
static int __attribute__((no_sanitize("undefined"))) write_behind_a_local(void *arg)
{
    (void)arg;
    volatile char local[16];
    memset((char *)local, 0, sizeof local);
    yield();
    local[one_too_far] = 1;
    return local[0];
}

static void overflow_a_local(void)
{
    run_alone("scribbler", write_behind_a_local);
}

static void a_stack_bug_after_a_switch_is_caught_by_asan(void **state)
{
    (void)state;
    if (!CW_WITH_ASAN) {
        print_message("skipped: not an AddressSanitizer build\n");
        skip();
    }
    char text[8192];
    int status = die_in_child(overflow_a_local, text, sizeof text);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(text, "stack-buffer-overflow"));
    assert_non_null(strstr(text, "write_behind_a_local"));
    assert_non_null(strstr(text, "'local'"));
}

static int grow(volatile char *above)
{
    if (*above == 99)
        return 0;
    volatile char page[4096];
    page[0] = *above;
    page[4095] = 1;
    return page[0] + grow(page) + page[4095];
}

static int recurse(void *arg)
{
    (void)arg;
    volatile char start = 1;
    yield();
    return grow(&start);
}

static void use_up_the_stack(void)
{
    run_alone("glutton", recurse);
}

static void a_stack_that_is_used_up_kills_the_process(void **state)
{
    (void)state;
    char text[8192];
    int status = die_in_child(use_up_the_stack, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static char alternate_stack[65536];

static void on_segv(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    const char *name = cw_sched_guard_owner(info->si_addr);
    if (name != NULL)
        (void)!write(STDERR_FILENO, name, strlen(name));
    _exit(name == NULL ? 1 : 42);
}

static void use_up_the_stack_under_a_handler(void)
{
    stack_t alternate = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
    (void)sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigaction(SIGSEGV, &action, NULL);
    run_alone("glutton", recurse);
}

static void the_guard_page_names_its_fiber(void **state)
{
    (void)state;
    char text[8192];
    int status = die_in_child(use_up_the_stack_under_a_handler, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_string_equal(text, "glutton");
    struct cw_sched *s = new_sched(1);
    assert_null(cw_sched_guard_owner(&s));
    cw_sched_free(s);
    assert_null(cw_sched_guard_owner(&s));
}

static void free_with_a_fiber_left(void)
{
    struct cw_sched *s = new_sched(1);
    (void)spawn(s, "left", wait_for_ever, NULL);
    cw_sched_run_ready(s);
    cw_sched_free(s);
}

static void free_with_a_handle_left(void)
{
    struct cw_sched *s = new_sched(1);
    (void)spawn(s, "left", note_arg, "x");
    cw_sched_run_ready(s);
    cw_sched_free(s);
}

static void wait_off_a_fiber(void)
{
    struct cw_sched *s = new_sched(1);
    (void)s;
    struct cw_wait w;
    cw_wait_arm(&w);
}

static void misuse_is_an_assertion(void **state)
{
    (void)state;
    static const struct {
        void (*fn)(void);
        const char *text;
    } cases[] = {
        {free_with_a_fiber_left, "precondition s->alive == 0"},
        {free_with_a_handle_left, "precondition s->handles == 0"},
        {wait_off_a_fiber, "precondition self != NULL"},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        char text[8192];
        int status = die_in_child(cases[i].fn, text, sizeof text);
        assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_non_null(strstr(text, cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_run_in_order_of_spawning_and_only_in_run_ready),
        cmocka_unit_test(join_waits_for_the_result),
        cmocka_unit_test(join_that_times_out_leaves_the_handle_valid),
        cmocka_unit_test(a_cancelled_parent_can_still_see_its_child_end),
        cmocka_unit_test(detached_fibers_free_themselves),
        cmocka_unit_test(a_fiber_may_detach_itself),
        cmocka_unit_test(fibers_spawn_fibers),
        cmocka_unit_test(the_limit_is_an_error_until_a_fiber_has_ended),
        cmocka_unit_test(a_scheduler_that_cannot_fit_says_why),
        cmocka_unit_test(cancellation_is_sticky_and_the_stronger_reason_wins),
        cmocka_unit_test(a_fiber_cancelled_before_its_first_run_still_runs),
        cmocka_unit_test(the_loop_is_woken_only_from_outside),
        cmocka_unit_test(a_slow_slice_is_reported),
        cmocka_unit_test(each_fiber_is_listed_with_its_state),
        cmocka_unit_test(registers_survive_a_switch),
        cmocka_unit_test(ten_thousand_fibers_fit),
        cmocka_unit_test(stacks_are_used_again),
        cmocka_unit_test(a_stack_bug_after_a_switch_is_caught_by_asan),
        cmocka_unit_test(a_stack_that_is_used_up_kills_the_process),
        cmocka_unit_test(the_guard_page_names_its_fiber),
        cmocka_unit_test(misuse_is_an_assertion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

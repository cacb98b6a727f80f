/* Leases against a real Redis: one holder, epochs that only grow, loss that is noticed in time. */
#include "worker/engine/lock.h"

#include "tests/unit/worker/engine/rig.h"

#include "common/time.h"

static struct cw_locks *locks;

struct seen {
    int waits;
    int forgotten; /* of the waits: because Redis forgot */
    char owner[64];
    int lost;
    int cancels;
    char reason[64];
};

static void on_waiting(void *arg, const struct cw_lock_owner *owner)
{
    struct seen *s = arg;
    s->waits++;
    s->forgotten += owner->is_forgotten;
    (void)cw_z_copy(s->owner, sizeof s->owner, owner->request_id);
}

static void on_lost(void *arg)
{
    ((struct seen *)arg)->lost++;
}

static void on_cancel(void *arg, const char *reason)
{
    struct seen *s = arg;
    s->cancels++;
    (void)cw_z_copy(s->reason, sizeof s->reason, reason);
}

static const struct cw_lease_ops ops = {on_waiting, on_lost, on_cancel};

static struct cw_locks *new_locks(const char *worker, int64_t lease_ms, int64_t replicas)
{
    const struct cw_locks_cfg cfg = {.loop = loop,
                                     .redis = redis,
                                     .worker_id = worker,
                                     .lease_ms = lease_ms,
                                     .margin_ms = lease_ms / 6,
                                     .wait_replicas = replicas};
    struct cw_locks *made;
    assert_int_equal(cw_locks_new(&cfg, &made), 0);
    return made;
}

static void free_locks(struct cw_locks *l)
{
    struct cw_deadline until = cw_in_ms(5000);
    while (!cw_locks_is_idle(l) && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    cw_locks_free(l);
}

static struct cw_lease *must_take(struct cw_locks *l, const char *resource, const char *request,
                                  struct seen *seen)
{
    struct cw_err err = {0};
    struct cw_lease *lease;
    const struct cw_lock_want want = {
        .resource = resource, .request_id = request, .ops = &ops, .ops_arg = seen};
    if (cw_lock_take(l, &want, cw_in_ms(5000), &lease, &err) < 0)
        fail_msg("%s", err.text);
    return lease;
}

static void one_holder(struct cw_arena *mem)
{
    struct seen a = {0}, b = {0};
    struct cw_err err = {0};
    locks = new_locks("w1", 3000, 0);
    struct cw_locks *other = new_locks("w2", 3000, 0);
    struct cw_lease *first = must_take(locks, "one", "req-a", &a);
    assert_non_null(ASK(mem, "GET", "cw:{one}:lock"));
    struct cw_lease *second = NULL;
    const struct cw_lock_want want = {.resource = "one", .request_id = "req-b", .ops = &ops, .ops_arg = &b};
    assert_int_equal(cw_lock_take(other, &want, cw_in_ms(300), &second, &err), -CW_ETIMEDOUT);
    assert_non_null(strstr(err.text, "req-a"));
    assert_string_equal(b.owner, "req-a");
    assert_true(b.waits > 0);
    uint64_t epoch = cw_lease_epoch(first);
    cw_lock_give(first);
    second = must_take(other, "one", "req-b", &b);
    assert_true(cw_lease_epoch(second) > epoch);
    assert_int_equal(cw_lease_check(second, &err), 0);
    cw_lock_give(second);
    free_locks(locks);
    free_locks(other);
    assert_null(ASK(mem, "GET", "cw:{one}:lock"));
    assert_int_equal(a.lost + b.lost, 0);
}

static void renewed(struct cw_arena *mem)
{
    struct seen s = {0};
    struct cw_err err = {0};
    locks = new_locks("w1", 600, 0);
    const struct cw_lock_want want = {
        .resource = "two", .request_id = "r", .job_key = "cw:{two}:job:r", .ops = &ops, .ops_arg = &s};
    struct cw_lease *lease;
    assert_int_equal(cw_lock_take(locks, &want, cw_in_ms(1000), &lease, &err), 0);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(cw_sleep(cw_in_ms(100)), 0);
        assert_int_equal(cw_lease_check(lease, &err), 0);
    }
    assert_int_equal(s.lost, 0);
    assert_int_equal(s.cancels, 0);
    (void)ASK(mem, "HSET", "cw:{two}:job:r", "cancel", "enough");
    assert_int_equal(cw_sleep(cw_in_ms(500)), 0);
    assert_int_equal(s.cancels, 1);
    assert_string_equal(s.reason, "enough");
    cw_lock_give(lease);
    free_locks(locks);
}

static void lost_when_taken_away(struct cw_arena *mem)
{
    struct seen s = {0};
    struct cw_err err = {0};
    locks = new_locks("w1", 900, 0);
    struct cw_lease *lease = must_take(locks, "three", "r", &s);
    (void)ASK(mem, "SET", "cw:{three}:lock", "99999999|x|w9|other");
    struct cw_deadline until = cw_in_ms(2000);
    while (s.lost == 0 && !cw_is_past(until))
        assert_int_equal(cw_sleep(cw_in_ms(10)), 0);
    assert_int_equal(s.lost, 1);
    assert_int_equal(cw_lease_check(lease, &err), -CW_ELOST);
    cw_lock_give(lease);
    free_locks(locks);
    assert_string_equal(ASK(mem, "GET", "cw:{three}:lock"), "99999999|x|w9|other");
}

static void lost_before_it_ends_without_redis(struct cw_arena *mem)
{
    (void)mem;
    struct seen s = {0};
    struct cw_err err = {0};
    locks = new_locks("w1", 900, 0);
    int64_t before = cw_mono_ms();
    struct cw_lease *lease = must_take(locks, "four", "r", &s);
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    while (s.lost == 0 && cw_mono_ms() - before < 3000)
        assert_int_equal(cw_sleep(cw_in_ms(5)), 0);
    int64_t after = cw_mono_ms() - before;
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    assert_int_equal(s.lost, 1);
    assert_true(after < 900 + 300 + 60); /* at the latest the last renewal's lease, less the margin */
    assert_int_equal(cw_lease_check(lease, &err), -CW_ELOST);
    cw_lock_give(lease);
    free_locks(locks);
}

static void epoch_survives_loss_of_everything(struct cw_arena *mem)
{
    struct seen s = {0};
    locks = new_locks("w1", 3000, 0);
    struct cw_lease *lease = must_take(locks, "five", "r", &s);
    uint64_t epoch = cw_lease_epoch(lease);
    cw_lock_give(lease);
    lease = must_take(locks, "five", "r", &s);
    assert_true(cw_lease_epoch(lease) > epoch);
    epoch = cw_lease_epoch(lease);
    lose_redis(mem);
    cw_lock_give(lease);
    lease = must_take(locks, "five", "r", &s);
    assert_true(cw_lease_epoch(lease) > epoch);
    cw_lock_give(lease);
    free_locks(locks);
}

/* The holder does not know yet that Redis forgot it, and writes on: nobody else may get the lock until it has stopped. */
static void forgotten_is_not_given_to_another(struct cw_arena *mem)
{
    struct seen a = {0}, b = {0};
    struct cw_err err = {0};
    locks = new_locks("w1", 1800, 0);
    struct cw_locks *other = new_locks("w2", 1800, 0);
    struct cw_lease *first = must_take(locks, "forgotten", "req-a", &a), *second = NULL;
    lose_redis(mem);
    int64_t since = cw_mono_ms();
    const struct cw_lock_want want = {
        .resource = "forgotten", .request_id = "req-b", .ops = &ops, .ops_arg = &b};
    assert_int_equal(cw_lock_take(other, &want, cw_in_ms(400), &second, &err), -CW_ETIMEDOUT);
    assert_non_null(strstr(err.text, "Redis is new, or forgot who holds cw:{forgotten}:lock"));
    assert_true(b.forgotten > 0);
    second = must_take(other, "forgotten", "req-b", &b);
    assert_int_equal(cw_lease_check(first, &err), -CW_ELOST);
    assert_true(cw_mono_ms() - since >= 1800);
    assert_true(cw_lease_epoch(second) > cw_lease_epoch(first));
    assert_null(ASK(mem, "GET", "cw:{forgotten}:fresh"));
    cw_lock_give(first);
    cw_lock_give(second);
    free_locks(locks);
    free_locks(other);
}

/* Redis forgets between the question how old it is and the grant. */
static void forgotten_once_more(struct cw_arena *mem)
{
    struct seen s = {0};
    struct cw_err err = {0};
    struct cw_lease *lease = NULL;
    empty_redis(mem);
    locks = new_locks("w1", 3000, 0);
    (void)ASK(mem, "SET", "cw:{again}:epoch", "5");
    (void)ASK(mem, "SET", "cw:{again}:fresh",
              "4"); /* another's: not the one that this worker looked back for */
    (void)ASK(mem, "DEL", "cw:born");
    const struct cw_lock_want want = {.resource = "again", .request_id = "r", .ops = &ops, .ops_arg = &s};
    assert_int_equal(cw_lock_take(locks, &want, cw_in_ms(300), &lease, &err), -CW_ETIMEDOUT);
    assert_true(s.forgotten > 0);
    (void)ASK(mem, "SET", "cw:born", "0");
    int64_t since = cw_mono_ms();
    lease = must_take(locks, "again", "r", &s);
    assert_true(cw_mono_ms() - since <
                2500); /* what Redis does not know, though it is old enough, never was */
    cw_lock_give(lease);
    free_locks(locks);
}

static void needs_replicas(struct cw_arena *mem)
{
    struct seen s = {0};
    struct cw_err err = {0};
    locks = new_locks("w1", 3000, 1);
    struct cw_lease *lease;
    const struct cw_lock_want want = {.resource = "six", .request_id = "r", .ops = &ops, .ops_arg = &s};
    assert_int_equal(cw_lock_take(locks, &want, cw_in_ms(200), &lease, &err), -CW_ETIMEDOUT);
    free_locks(locks);
    assert_null(ASK(mem, "GET", "cw:{six}:lock"));
}

static int waits_for_lock(void *arg)
{
    struct seen s = {0};
    struct cw_err err = {0};
    struct cw_lease *lease;
    (void)arg;
    const struct cw_lock_want want = {.resource = "seven", .request_id = "r2", .ops = &ops, .ops_arg = &s};
    int r = cw_lock_take(locks, &want, cw_in_ms(5000), &lease, &err);
    if (r == 0)
        cw_lock_give(lease);
    return r;
}

static void cancelled_wait_leaves_nothing(struct cw_arena *mem)
{
    struct seen s = {0};
    struct cw_fiber *fiber;
    int result;
    locks = new_locks("w1", 3000, 0);
    struct cw_lease *lease = must_take(locks, "seven", "r1", &s);
    assert_int_equal(cw_fiber_spawn(cw_loop_sched(loop), "waiter", waits_for_lock, NULL, &fiber), 0);
    assert_int_equal(cw_sleep(cw_in_ms(50)), 0);
    cw_fiber_cancel(fiber, CW_ECANCELED);
    assert_int_equal(cw_fiber_join(fiber, cw_in_ms(1000), &result), 0);
    assert_int_equal(result, -CW_ECANCELED);
    cw_lock_give(lease);
    free_locks(locks);
    assert_null(ASK(mem, "GET", "cw:{seven}:lock"));
}

#define MANY 3000
#define LEASE_OF_MANY_MS \
    12000 /* twice what they take, all together, in a sanitized build on a busy machine */

static void many_at_once(struct cw_arena *mem)
{
    static struct cw_lease *held[MANY];
    struct seen s = {0};
    struct cw_err err = {0};
    char name[32];
    locks = new_locks("w1", LEASE_OF_MANY_MS, 0);
    for (int i = 0; i < MANY; i++) { /* locks that were had before, so that this test is about renewals */
        (void)snprintf(name, sizeof name, "cw:{many-%d}:epoch", i);
        (void)ASK(mem, "SET", name, "1");
    }
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "many-%d", i);
        held[i] = must_take(locks, name, "r", &s);
    }
    assert_int_equal(cw_sleep(cw_in_ms(LEASE_OF_MANY_MS)), 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(cw_lease_check(held[i], &err), 0);
        cw_lock_give(held[i]);
    }
    assert_int_equal(s.lost, 0);
    free_locks(locks);
}

/* A worker that was frozen past its lease knows it at once when it wakes: before any timer or renewal has run. */
static void frozen_past_the_lease(struct cw_arena *mem)
{
    struct seen s = {0};
    struct cw_err err = {0};
    (void)mem;
    locks = new_locks("w1", 600, 0);
    struct cw_lease *lease = must_take(locks, "frozen", "r", &s);
    assert_int_equal(cw_lease_check(lease, &err), 0);
    (void)usleep(550000); /* the loop stands still; less than the margin is left */
    assert_int_equal(cw_lease_check(lease, &err), -CW_ELOST);
    cw_lock_give(lease);
    free_locks(locks);
}

/* A second server that copies the first one. */
static pid_t start_replica(int *ret_port)
{
    char port[16], of[16];
    *ret_port = free_port();
    (void)snprintf(port, sizeof port, "%d", *ret_port);
    (void)snprintf(of, sizeof of, "%d", server.port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!freopen("/dev/null", "w", stdout);
        (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--dir", "/tmp", "--dbfilename",
                     port, "--replicaof", "127.0.0.1", of, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* With a replica the lock is there too when it counts as taken. */
static void confirmed_by_a_replica(struct cw_arena *mem)
{
    int port;
    struct seen s = {0};
    struct cw_err err = {0};
    char url[64];
    struct cw_redis *main_redis = redis, *replica = NULL;
    (void)ASK(mem, "CONFIG", "SET", "repl-diskless-sync-delay", "0");
    pid_t pid = start_replica(&port);
    locks = new_locks("w1", 3000, 1);
    struct cw_lease *lease;
    const struct cw_lock_want want = {.resource = "seven", .request_id = "r", .ops = &ops, .ops_arg = &s};
    assert_int_equal(cw_lock_take(locks, &want, cw_in_ms(20000), &lease, &err), 0);
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    const struct cw_redis_cfg cfg = {.url = url};
    assert_int_equal(cw_redis_new(loop, &cfg, &replica, &err), 0);
    redis = replica;
    const char *value = ASK(mem, "GET", "cw:{seven}:lock");
    redis = main_redis;
    assert_non_null(value);
    assert_string_equal(value, cw_lease_value(lease));
    cw_redis_free(replica);
    assert_int_equal(cw_sleep(cw_in_ms(3500)), 0);
    assert_int_equal(cw_lease_check(lease, &err), 0); /* renewed, and confirmed */
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    int64_t since = cw_mono_ms();
    while (s.lost == 0 && cw_mono_ms() - since < 4000)
        assert_int_equal(cw_sleep(cw_in_ms(20)), 0);
    assert_int_equal(s.lost, 1); /* renewals that no replica has do not count */
    cw_lock_give(lease);
    free_locks(locks);
    char file[32];
    (void)snprintf(file, sizeof file, "/tmp/%d", port);
    (void)unlink(file);
}

#define CASE(name, fn)             \
    static void name(void **state) \
    {                              \
        (void)state;               \
        on_fiber(fn);              \
    }
CASE(test_one_holder_at_a_time, one_holder)
CASE(test_renewal_keeps_it_and_sees_a_cancel, renewed)
CASE(test_lost_when_another_took_it, lost_when_taken_away)
CASE(test_lost_before_the_lease_ends_when_redis_is_silent, lost_before_it_ends_without_redis)
CASE(test_epochs_grow_also_after_redis_forgot, epoch_survives_loss_of_everything)
CASE(test_a_forgotten_lock_is_not_given_to_another, forgotten_is_not_given_to_another)
CASE(test_a_lock_is_forgotten_once_more, forgotten_once_more)
CASE(test_without_replicas_it_is_not_taken, needs_replicas)
CASE(test_frozen_past_the_lease_it_writes_nothing, frozen_past_the_lease)
CASE(test_confirmed_by_a_replica, confirmed_by_a_replica)
CASE(test_cancelled_wait_leaves_nothing, cancelled_wait_leaves_nothing)
CASE(test_many_leases_are_renewed, many_at_once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holder_at_a_time),
        cmocka_unit_test(test_renewal_keeps_it_and_sees_a_cancel),
        cmocka_unit_test(test_lost_when_another_took_it),
        cmocka_unit_test(test_lost_before_the_lease_ends_when_redis_is_silent),
        cmocka_unit_test(test_epochs_grow_also_after_redis_forgot),
        cmocka_unit_test(test_a_forgotten_lock_is_not_given_to_another),
        cmocka_unit_test(test_a_lock_is_forgotten_once_more),
        cmocka_unit_test(test_without_replicas_it_is_not_taken),
        cmocka_unit_test(test_frozen_past_the_lease_it_writes_nothing),
        cmocka_unit_test(test_confirmed_by_a_replica),
        cmocka_unit_test(test_cancelled_wait_leaves_nothing),
        cmocka_unit_test(test_many_leases_are_renewed),
    };
    return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}

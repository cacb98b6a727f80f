#include "tests/sim/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/digest.h"
#include "schema/field.h"
#include "tests/sim/sim.h"

#define JOBS_MAX 64
#define BATCH 40 /* histories of one process: dead workers' memory stays */

size_t sim_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : CW_MIN((size_t)n, (size_t)JOBS_MAX);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sim_report play(const struct sim_plan *plan, bool is_verbose)
{
    double begin = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    sim_run(plan, is_verbose);
    struct sim_report r = {
        .cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - begin,
        .seed = plan->seed,
        .hash = sim.hash,
        .has_failed = sim.has_failed,
        .crashes = (uint32_t)sim.crashes,
        .writes = (uint32_t)sim.writes,
        .deliveries = (uint32_t)sim.deliveries,
        .unlocked = (uint32_t)sim.unlocked_writes,
    };
    for (size_t i = 0; i < plan->request_count; i++)
        r.verdicts += sim.fates[i].verdicts > 0;
    (void)cw_z_copy(r.failure, sizeof r.failure, sim.failure);
    return r;
}

/* A panic of the code under test prints a lot; the seed alone shows it again. */
static void be_quiet(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
}

/* ---- one history in a process of its own ----------------------------------------------------------------------------- */

static void say_how_it_ended(int status, struct sim_report *r)
{
    r->has_failed = true;
    if (WIFSIGNALED(status))
        (void)snprintf(r->failure, sizeof r->failure, "the process died of signal %d", WTERMSIG(status));
    else
        (void)snprintf(r->failure, sizeof r->failure, "the process ended with %d", WEXITSTATUS(status));
}

struct sim_report sim_play_apart(const struct sim_plan *plan, bool is_verbose)
{
    int ends[2], status = 0;
    struct sim_report r = {.seed = plan->seed};
    (void)fflush(stdout);
    if (pipe(ends) != 0)
        exit(2);
    pid_t pid = fork();
    if (pid == 0) {
        if (!is_verbose)
            be_quiet();
        struct sim_report mine = play(plan, is_verbose);
        (void)!write(ends[1], &mine, sizeof mine);
        _exit(0);
    }
    (void)close(ends[1]);
    bool has_report = read(ends[0], &r, sizeof r) == (ssize_t)sizeof r;
    (void)close(ends[0]);
    (void)waitpid(pid, &status, 0);
    if (!has_report)
        say_how_it_ended(status, &r);
    return r;
}

/* ---- many ------------------------------------------------------------------------------------------------------------ */

struct child {
    pid_t pid; /* 0 = none */
    int end;
    uint64_t seed; /* that it is at */
    bool is_at;
};

static void be_child(uint64_t first, uint64_t last, bool is_large, int end)
{
    be_quiet();
    for (uint64_t seed = first; seed <= last; seed++) {
        struct sim_plan plan;
        struct sim_report r = {.seed = seed, .is_begun = true};
        (void)!write(end, &r, sizeof r);
        sim_plan_draw(seed, is_large, &plan);
        r = play(&plan, false);
        (void)!write(end, &r, sizeof r);
        az_model_free(sim.model);
        for (size_t i = 0; i < plan.request_count; i++)
            cw_buf_fini(&sim.fates[i].verdict);
    }
    _exit(0);
}

static void begin_child(struct child *c, uint64_t first, uint64_t last, bool is_large)
{
    int ends[2];
    (void)fflush(stdout);
    if (pipe(ends) != 0 || (c->pid = fork()) < 0)
        exit(2);
    if (c->pid == 0)
        be_child(first, last, is_large, ends[1]);
    (void)close(ends[1]);
    c->end = ends[0];
    c->is_at = false;
}

static void note_time(struct sim_totals *t, const struct sim_report *r)
{
    size_t at = SIM_LONGEST;
    t->cpu_s += r->cpu_s;
    while (at > 0 && r->cpu_s > t->longest[at - 1].cpu_s)
        at--;
    if (at == SIM_LONGEST)
        return;
    memmove(&t->longest[at + 1], &t->longest[at], (SIM_LONGEST - 1 - at) * sizeof t->longest[0]);
    t->longest[at].seed = r->seed;
    t->longest[at].cpu_s = r->cpu_s;
}

static void add(struct sim_totals *t, const struct sim_report *r)
{
    note_time(t, r);
    t->histories++;
    t->hash += r->hash * (2 * r->seed + 1);
    t->verdicts += r->verdicts;
    t->crashes += r->crashes;
    t->writes += r->writes;
    t->deliveries += r->deliveries;
    t->unlocked += r->unlocked;
    if (!r->has_failed)
        return;
    t->failed++;
    (void)printf("not ok - seed %llu%s: %s\n", (unsigned long long)r->seed, t->is_large ? " --large" : "",
                 r->failure);
    (void)fflush(stdout);
}

/* Where the child would have gone on, when it died. */
static uint64_t serve_child(struct child *c, struct sim_totals *t)
{
    struct sim_report r;
    ssize_t n = read(c->end, &r, sizeof r);
    if (n == (ssize_t)sizeof r) {
        c->seed = r.seed;
        c->is_at = r.is_begun;
        if (!r.is_begun)
            add(t, &r);
        return 0;
    }
    int status = 0;
    (void)close(c->end);
    (void)waitpid(c->pid, &status, 0);
    c->pid = 0;
    if (!c->is_at)
        return 0;
    r = (struct sim_report){.seed = c->seed};
    say_how_it_ended(status, &r);
    add(t, &r);
    return c->seed + 1;
}

struct span {
    uint64_t next, last;
};

static bool next_batch(struct span *todo, struct span *rest, size_t *rest_count, uint64_t *first,
                       uint64_t *last)
{
    if (*rest_count > 0) {
        *first = rest[--*rest_count].next;
        *last = rest[*rest_count].last;
        return true;
    }
    if (todo->next > todo->last)
        return false;
    *first = todo->next;
    *last = CW_MIN(todo->last, todo->next + BATCH - 1);
    todo->next = *last + 1;
    return true;
}

/* What a process makes once it had better make before its children come. */
static void warm_up(void)
{
    unsigned char digest[CW_SHA1_BYTES];
    (void)cw_sha1("", 0, digest);
    (void)cw_format_is(CW_FORMAT_GUID, "");
}

struct sim_totals sim_play_many(const struct sim_range *o)
{
    struct child children[JOBS_MAX] = {0};
    uint64_t lasts[JOBS_MAX] = {0};
    struct span todo = {o->first, o->last}, rest[JOBS_MAX];
    size_t rest_count = 0, alive = 0;
    struct sim_totals t = {.is_large = o->is_large};
    double begin = seconds_of(CLOCK_MONOTONIC);
    warm_up();
    for (;;) {
        bool goes_on = (o->seconds == 0 || seconds_of(CLOCK_MONOTONIC) - begin < (double)o->seconds) &&
                       !(o->stops && t.failed > 0);
        struct pollfd fds[JOBS_MAX];
        alive = 0;
        for (size_t i = 0; i < o->jobs; i++) {
            uint64_t first;
            if (children[i].pid == 0 && goes_on && next_batch(&todo, rest, &rest_count, &first, &lasts[i]))
                begin_child(&children[i], first, lasts[i], o->is_large);
            fds[i] = (struct pollfd){children[i].pid == 0 ? -1 : children[i].end, POLLIN, 0};
            alive += children[i].pid != 0;
        }
        if (alive == 0)
            break;
        (void)poll(fds, o->jobs, -1);
        for (size_t i = 0; i < o->jobs; i++) {
            if (children[i].pid == 0 || fds[i].revents == 0)
                continue;
            uint64_t next = serve_child(&children[i], &t);
            if (next != 0 && next <= lasts[i])
                rest[rest_count++] = (struct span){next, lasts[i]};
        }
    }
    t.seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    return t;
}

void sim_print_totals(const struct sim_range *o, const struct sim_totals *t)
{
    (void)printf(
        "# %llu histories in %.1f s on %zu processes, %.1f a second: %llu verdicts, %llu deliveries, %llu crashes, "
        "%llu changes\n",
        (unsigned long long)t->histories, t->seconds, o->jobs, (double)t->histories / t->seconds,
        (unsigned long long)t->verdicts, (unsigned long long)t->deliveries, (unsigned long long)t->crashes,
        (unsigned long long)t->writes);
    (void)printf("# hash of all: %016llx\n", (unsigned long long)t->hash);
    (void)printf("# %.1f ms of CPU time a history; longest:",
                 t->cpu_s * 1000 / (double)CW_MAX(t->histories, 1U));
    for (size_t i = 0; i < SIM_LONGEST && t->longest[i].seed != 0; i++)
        (void)printf(" %llu (%.2f s)", (unsigned long long)t->longest[i].seed, t->longest[i].cpu_s);
    (void)printf("\n");
    (void)printf(
        "# since Redis forgot: %llu changes without the lock (unconfirmed failover, within a lease)\n",
        (unsigned long long)t->unlocked);
}

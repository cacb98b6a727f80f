/* A program with parked fibers, for test_gdb.sh: it stops in parked_here(), off any fiber; with an argument it aborts there. */
#include "common/fiber/fiber.h"
#include "common/fiber/wait.h"

void parked_here(bool is_dying);
int wait_inside(int secret_number);

void __attribute__((noinline)) parked_here(bool is_dying)
{
    if (is_dying)
        abort();
    __asm__ volatile("");
}

int __attribute__((noinline)) wait_inside(int secret_number)
{
    struct cw_wait w;
    volatile int local_number = secret_number * 2;
    cw_wait_arm(&w);
    int r = cw_wait_for(&w, CW_NEVER);
    return r + local_number * 0;
}

static int first(void *arg)
{
    (void)arg;
    return wait_inside(21);
}

static int second(void *arg)
{
    (void)arg;
    struct cw_wait w;
    cw_wait_arm(&w);
    return cw_wait_for(&w, cw_in_ms(3600000));
}

int main(int argc, char **argv)
{
    (void)argv;
    struct cw_sched *s = NULL;
    struct cw_err err = {0};
    struct cw_fiber *all[3];
    int result = 0;
    if (cw_sched_new(&(struct cw_sched_cfg){.fibers_max = 4}, &s, &err) < 0)
        return 1;
    if (cw_fiber_spawn(s, "job-one", first, NULL, &all[0]) < 0 ||
        cw_fiber_spawn(s, "job-two", second, NULL, &all[1]) < 0)
        return 1;
    cw_sched_run_ready(s);
    if (cw_fiber_spawn(s, "job-fresh", second, NULL, &all[2]) < 0)
        return 1;
    parked_here(argc > 1);
    for (int i = 0; i < 3; i++)
        cw_fiber_cancel(all[i], CW_ECANCELED);
    cw_sched_run_ready(s);
    for (int i = 0; i < 3; i++)
        (void)cw_fiber_join(all[i], CW_NEVER, &result);
    cw_sched_free(s);
    return 0;
}

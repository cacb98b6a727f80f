/* The model of Kafka against the suite that a real broker passes, too. */
#include <unistd.h>

#include "tests/lib/kafka_suite.h"
#include "tests/world/fleet.h"
#include "tests/world/kafka.h"
#include "tests/world/world.h"

#define VICTIM 2 /* its loop, and its place among the members */
#define FROZEN_MS 60000
#define FOR_EVER (INT64_MAX / 4)

static uint64_t seed;

static void set_up(void)
{
    const struct cw_sched_cfg cfg = {.fibers_max = 16};
    struct cw_err err = {0};
    world_reset(++seed);
    for (size_t i = 0; i < CW_ARRAY_LEN(bed.loops); i++)
        assert_int_equal(cw_loop_new(&cfg, &bed.loops[i], &err), 0);
}

static void tear_down(void)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(bed.loops); i++)
        cw_loop_free(bed.loops[i]);
}

static void send_with_gaps(const char *name, size_t count)
{
    kafka_leave_gaps(1);
    for (size_t i = 0; i < count; i++) {
        int32_t partition;
        (void)kafka_append(&(struct cw_kafka_record){.topic = name, .value = cw_str_of("gap")}, &partition);
    }
    kafka_leave_gaps(0);
}

static int64_t down_until;

/* It comes back by itself: a send that waits for it must see that. */
static void stop_broker(void)
{
    down_until = cw_mono_ms() + 20000;
    kafka_down_until(down_until);
}

static void start_broker(void)
{
    run_ms(CW_MAX(down_until - cw_mono_ms(), INT64_C(0)));
}

static void start_victim(const char *name, const char *of)
{
    (void)name;
    (void)of;
    members[VICTIM].commits = true;
    join(VICTIM);
}

static void freeze_victim(void)
{
    int64_t until = cw_mono_ms() + FROZEN_MS;
    world_freeze(bed.loops[VICTIM], until);
    kafka_silent(bed.loops[VICTIM], until);
}

static void thaw_victim(void)
{
    run_ms(CW_MAX(world_frozen_until(bed.loops[VICTIM]) - cw_mono_ms(), INT64_C(0)));
}

static void kill_victim(void)
{
    world_freeze(bed.loops[VICTIM], FOR_EVER);
    kafka_silent(bed.loops[VICTIM], FOR_EVER);
}

static struct victim_view look_at_victim(void)
{
    const struct member *m = &members[VICTIM];
    return (struct victim_view){m->count, m->lost, m->revoked};
}

/* Not exit(): what a member that was killed had stays, as the model says. */
int main(void)
{
    bed = (struct bed){
        .brokers = "model",
        .set_up = set_up,
        .tear_down = tear_down,
        .make_topic = kafka_make_topic,
        .send_with_gaps = send_with_gaps,
        .stop_broker = stop_broker,
        .start_broker = start_broker,
        .start_victim = start_victim,
        .freeze_victim = freeze_victim,
        .thaw_victim = thaw_victim,
        .kill_victim = kill_victim,
        .look_at_victim = look_at_victim,
    };
    int failed = 0;
    for (int rounds = 0; rounds < 20 && failed == 0; rounds++)
        failed = run_kafka_suite();
    (void)fflush(stdout);
    (void)fflush(stderr);
    _exit(failed == 0 ? 0 : 1);
}

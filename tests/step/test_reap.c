/* Verification clusters that outlived their request. */
#include "worker/steps/reap.h"

#include "tests/lib/steprig.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define VERIFY "{\"workspaceId\":\"" RIG_WORKSPACE("existing-ws") "\"}"
#define STATE                                                                                                      \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\"},{\"name\":\"other-ws\","     \
    "\"resourceGroup\":\"rg-other-ws\",\"addressSpace\":\"10.40.0.0/16\"}],\"databricks\":{\"workspaces\":{"       \
    "\"existing-ws\":{\"clusters\":[{\"cluster_name\":\"etl\"},{\"cluster_name\":\"causeway-verify-0123abcd\"}]}," \
    "\"other-ws\":{\"clusters\":[{\"cluster_name\":\"causeway-verify-4567cdef\",\"state\":\"TERMINATED\"}]}}}}"

struct fixture {
    struct rig *rig;
    bool is_busy; /* a request is at work in every workspace */
    int locked;
    int unlocked;
    size_t removed;
};

static bool lock(void *arg, const char *workspace_key)
{
    struct fixture *f = arg;
    assert_null(strstr(workspace_key, "resourceGroups")); /* lower case */
    f->locked += !f->is_busy;
    return !f->is_busy;
}

static void unlock(void *arg)
{
    struct fixture *f = arg;
    f->unlocked++;
}

static int run(void *arg)
{
    struct fixture *f = arg;
    struct cw_err err = {0};
    const struct cw_call call = {
        .until = cw_in_ms(HOUR_MS), .mem = f->rig->step_mem, .counts = &f->rig->counts};
    const struct cw_reap reap = {
        .svc = &f->rig->svc, .age_ms = 3 * HOUR_MS, .lock = lock, .unlock = unlock, .arg = f};
    int r = cw_reap(&reap, &call, &f->removed, &err);
    if (r < 0)
        print_message("%s\n", err.text);
    return r;
}

static struct fixture sweep(int64_t age_ms, bool is_busy)
{
    struct fixture f = {.rig = rig_new(STATE, "verify", VERIFY), .is_busy = is_busy};
    world_advance(age_ms);
    assert_int_equal(cw_loop_run_fiber(f.rig->loop, "reap", run, &f), 0);
    assert_int_equal(f.locked, f.unlocked);
    return f;
}

static void old_ones_of_ours_are_removed_and_nobody_elses(void **state)
{
    (void)state;
    struct fixture f = sweep(4 * HOUR_MS, false);
    assert_int_equal(f.removed, 2);
    assert_int_equal(rig_changes(f.rig, "permanent-delete"), 2);
    assert_int_equal(f.locked, 2);
    rig_free(f.rig);
}

static void young_ones_and_those_of_a_request_at_work_stay(void **state)
{
    (void)state;
    struct fixture f = sweep(HOUR_MS, false);
    assert_int_equal(f.removed, 0);
    assert_int_equal(f.locked, 0);
    rig_free(f.rig);
    f = sweep(4 * HOUR_MS, true);
    assert_int_equal(f.removed, 0);
    assert_int_equal(rig_changes(f.rig, NULL), 0);
    rig_free(f.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_ones_of_ours_are_removed_and_nobody_elses),
        cmocka_unit_test(young_ones_and_those_of_a_request_at_work_stay),
    };
    return cmocka_run_group_tests_name("step/reap", tests, NULL, NULL);
}

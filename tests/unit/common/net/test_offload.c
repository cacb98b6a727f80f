/* label: tsan */
#include "tests/unit/common/check.h"

#include <stdatomic.h>
#include <unistd.h>

#include "common/net/offload.h"
#include "tests/lib/tempdir.h"

static atomic_int destroyed;

struct nap {
    struct cw_work work;
    int ms;
    int result;
    int seen; /* written on the pool, read on the loop */
};

static int run_nap(struct cw_work *work)
{
    struct nap *nap = (struct nap *)work;
    (void)usleep((useconds_t)nap->ms * 1000);
    nap->seen = 42;
    return nap->result;
}

static void destroy_nap(struct cw_work *work)
{
    atomic_fetch_add(&destroyed, 1);
    free(work);
}

static struct nap *new_nap(int ms, int result)
{
    struct nap *nap = calloc(1, sizeof *nap);
    assert_non_null(nap);
    *nap = (struct nap){.work = {.run = run_nap, .destroy = destroy_nap}, .ms = ms, .result = result};
    return nap;
}

struct rig {
    struct cw_loop *loop;
    struct cw_arena *mem;
    struct cw_err err;
    struct nap *nap;
    int64_t wait_ms;
    bool is_done;
    struct cw_str text;
    const char *path;
    size_t bytes_max;
    json_t *doc;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct cw_sched_cfg cfg = {.fibers_max = 64};
    struct cw_err err = {0};
    *state = rig;
    atomic_store(&destroyed, 0);
    return cw_loop_new(&cfg, &rig->loop, &err) < 0 || cw_arena_new(64u << 20, &rig->mem) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    cw_arena_free(rig->mem);
    cw_loop_free(rig->loop);
    free(rig);
    return 0;
}

static int offload(void *arg)
{
    struct rig *rig = arg;
    return cw_offload(rig->loop, &rig->nap->work, cw_in_ms(rig->wait_ms), &rig->is_done);
}

static void a_result_comes_back_with_the_work(void **state)
{
    struct rig *rig = *state;
    rig->nap = new_nap(5, 3);
    rig->wait_ms = 5000;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "offload", offload, rig), 3);
    assert_true(rig->is_done);
    assert_int_equal(rig->nap->seen, 42);
    assert_int_equal(atomic_load(&destroyed), 0);
    destroy_nap(&rig->nap->work);
}

static void given_up_work_frees_itself_later(void **state)
{
    struct rig *rig = *state;
    rig->nap = new_nap(50, 0);
    rig->wait_ms = 5;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "offload", offload, rig), -CW_ETIMEDOUT);
    assert_false(rig->is_done);
    cw_arena_free(CW_TAKE(rig->mem));
    cw_loop_free(CW_TAKE(rig->loop)); /* waits for the pool */
    assert_int_equal(atomic_load(&destroyed), 1);
}

static void work_past_its_deadline_is_not_started(void **state)
{
    struct rig *rig = *state;
    rig->nap = new_nap(0, 0);
    rig->wait_ms = -1;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "offload", offload, rig), -CW_ETIMEDOUT);
    assert_int_equal(atomic_load(&destroyed), 1);
}

struct job {
    struct rig *rig;
    struct cw_fiber *fiber;
    int index;
};

static int nap_once(void *arg)
{
    const struct job *job = arg;
    struct nap *nap = new_nap(job->index % 5, job->index);
    bool is_done = false;
    int r = cw_offload(job->rig->loop, &nap->work, cw_in_ms(10000), &is_done);
    if (is_done)
        destroy_nap(&nap->work);
    return r;
}

/* 40 works on 4 threads; every second caller is cancelled while they queue. */
static int run_many(void *arg)
{
    struct job jobs[40];
    for (int i = 0; i < 40; i++) {
        jobs[i] = (struct job){.rig = arg, .index = i};
        int r = cw_fiber_spawn(cw_sched_current(), "nap", nap_once, &jobs[i], &jobs[i].fiber);
        if (r < 0)
            return r;
    }
    int r = cw_sleep(cw_in_ms(3));
    for (int i = 0; i < 40; i += 2)
        cw_fiber_cancel(jobs[i].fiber, CW_ECANCELED);
    for (int i = 0; i < 40; i++) {
        int result = 0;
        if (cw_fiber_join(jobs[i].fiber, CW_NEVER, &result) < 0)
            return -CW_EBUG;
        if (i % 2 == 1 && result != i)
            return -CW_EBUG;
        if (i % 2 == 0 && result != i && result != -CW_ECANCELED)
            return -CW_EBUG;
    }
    return r;
}

static void cancelled_callers_leave_nothing_behind(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "many", run_many, rig), 0);
    cw_arena_free(CW_TAKE(rig->mem));
    cw_loop_free(CW_TAKE(rig->loop));
    assert_int_equal(atomic_load(&destroyed), 40);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static int parse(void *arg)
{
    struct rig *rig = arg;
    return cw_offload_json(rig->loop, rig->text, rig->bytes_max, cw_in_ms(10000), rig->mem, &rig->doc,
                           &rig->err);
}

static char *long_array(size_t items)
{
    struct cw_buf text = {0};
    cw_buf_add_char(&text, '[');
    for (size_t i = 0; i < items; i++)
        cw_buf_addf(&text, "%s{\"n\":%zu}", i > 0 ? "," : "", i);
    cw_buf_add_char(&text, ']');
    return cw_buf_take(&text);
}

static void large_json_is_parsed_on_the_pool(void **state)
{
    struct rig *rig = *state;
    CW_AUTO(cw_auto_str) char *text = long_array(20000);
    rig->text = cw_str_of(text);
    rig->bytes_max = 1u << 20;
    assert_true(rig->text.n > 65536);
    assert_int_equal(cw_loop_run_fiber(rig->loop, "parse", parse, rig), 0);
    assert_int_equal(json_array_size(rig->doc), 20000);
}

static void bad_json_is_an_error_wherever_it_is_parsed(void **state)
{
    struct rig *rig = *state;
    CW_AUTO(cw_auto_str) char *text = long_array(20000);
    text[strlen(text) - 1] = '}';
    rig->text = cw_str_of(text);
    rig->bytes_max = 1u << 20;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "parse", parse, rig), -CW_EPARSE);
    assert_int_equal(rig->err.code, CW_EPARSE);
    rig->text = cw_str_of("{");
    assert_int_equal(cw_loop_run_fiber(rig->loop, "parse", parse, rig), -CW_EPARSE);
    rig->text = cw_str_of(text);
    rig->bytes_max = 1000;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "parse", parse, rig), -CW_ETOOBIG);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int read_file(void *arg)
{
    struct rig *rig = arg;
    return cw_offload_read_file(rig->loop, rig->path, rig->bytes_max, cw_in_ms(10000), rig->mem, &rig->text,
                                &rig->err);
}

static void files_are_read_whole_or_not_at_all(void **state)
{
    struct rig *rig = *state;
    char *dir = test_tempdir_new();
    CW_AUTO(cw_auto_str) char *path = test_path(dir, "token");
    CW_AUTO(cw_auto_str) char *missing = test_path(dir, "missing");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("secret-token", file) >= 0);
    assert_int_equal(fclose(file), 0);
    rig->bytes_max = 12;
    rig->path = path;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "read", read_file, rig), 0);
    assert_true(cw_str_eq_z(rig->text, "secret-token"));
    rig->bytes_max = 11;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "read", read_file, rig), -CW_ETOOBIG);
    rig->path = missing;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "read", read_file, rig), -CW_ENOTFOUND);
    rig->path = dir;
    assert_int_equal(cw_loop_run_fiber(rig->loop, "read", read_file, rig), -CW_ENET);
    test_tempdir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_comes_back_with_the_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(given_up_work_frees_itself_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_past_its_deadline_is_not_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelled_callers_leave_nothing_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_json_is_parsed_on_the_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_json_is_an_error_wherever_it_is_parsed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_read_whole_or_not_at_all, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

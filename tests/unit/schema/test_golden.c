#include <dirent.h>

#include "schema/deadletter_v1.h"
#include "schema/progress_v1.h"
#include "schema/request.h"
#include "tests/unit/schema/lib.h"

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_event(const struct dirent *d)
{
    return cw_z_ends(d->d_name, ".json") && !cw_z_ends(d->d_name, ".problems.json");
}

static size_t each(const char *folder, struct cw_arena *mem,
                   void (*act)(const char *path, struct cw_arena *mem))
{
    struct dirent **names = NULL;
    const char *root = getenv("CW_ROOT");
    int count =
        scandir(cw_arena_printf(mem, "%s/%s", root != NULL ? root : ".", folder), &names, is_event, by_name);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        act(cw_arena_printf(mem, "%s/%s", folder, names[i]->d_name), mem);
        free(names[i]);
    }
    free(names);
    return (size_t)count;
}

static void expect_equal(const char *path, const json_t *have, const json_t *want, struct cw_arena *mem)
{
    if (!json_equal(have, want))
        fail_msg("%s:\n have %s\n want %s", path, cw_json_print_in(mem, have), cw_json_print_in(mem, want));
}

/* The value of any type of event, decoded from a record and encoded again. */
static json_t *recode(const struct cw_record_in *rec, const char *type, struct cw_arena *mem,
                      struct cw_err *err)
{
    struct cw_event event;
    struct cw_result_v1 result;
    struct cw_deadletter_v1 letter;
    struct cw_progress_v1 progress;
    struct cw_record_out out;
    int r = -CW_EUNSUPPORTED;
    if (strcmp(type, CW_RESULT_TYPE) == 0) {
        r = cw_result_decode(rec, mem, &event, &result, err);
        r = r < 0 ? r : cw_result_encode(&result, &event, "key", mem, &out, err);
    } else if (strcmp(type, CW_DEADLETTER_TYPE) == 0) {
        r = cw_deadletter_decode(rec, mem, &event, &letter, err);
        r = r < 0 ? r : cw_deadletter_encode(&letter, &event, cw_str_of("key"), mem, &out, err);
    } else {
        r = cw_progress_decode(rec, mem, &event, &progress, err);
        r = r < 0 ? r : cw_progress_encode(&progress, &event, "key", mem, &out, err);
    }
    if (r < 0)
        return NULL;
    assert_true(cw_str_eq_z(out.key, "key"));
    return parse(out.value, mem);
}

static void check_request(const char *path, const struct cw_record_in *rec, const json_t *doc,
                          struct cw_arena *mem)
{
    struct cw_request req;
    struct cw_problems problems;
    struct cw_err err = {0};
    if (cw_request_decode(rec, mem, &req, &problems, &err) < 0)
        fail_msg("%s: %s", path, err.text);
    assert_true(req.is_addressed);
    const struct cw_shape *shape = cw_request_shape(req.kind);
    void *value = cw_arena_alloc(mem, shape->bytes);
    assert_int_equal(cw_shape_decode(shape, json_object_get(doc, "data"), "", mem, value, &problems), 0);
    json_t *again = cw_shape_encode(shape, value);
    expect_equal(path, again, json_object_get(doc, "data"), mem);
    json_decref(again);
}

static void check_valid(const char *path, struct cw_arena *mem)
{
    struct cw_record_in rec = {.value = read_file(path, mem)};
    const json_t *doc = parse(rec.value, mem);
    const char *type = cw_json_str(doc, "type", "");
    enum cw_request_kind kind;
    if (cw_request_kind_of(type, &kind)) {
        check_request(path, &rec, doc, mem);
        return;
    }
    struct cw_err err = {0};
    json_t *again = recode(&rec, type, mem, &err);
    if (again == NULL)
        fail_msg("%s: %s", path, err.text);
    expect_equal(path, again, json_object_get(doc, "data"), mem);
}

static void valid_events_survive_a_round_trip(void **state)
{
    assert_true(each("schema/golden", *state, check_valid) >= 15);
}

static void the_demo_examples_are_valid(void **state)
{
    assert_true(each("ops/dev/examples", *state, check_valid) >= 6);
}

static void check_invalid(const char *path, struct cw_arena *mem)
{
    struct cw_record_in rec = {.value = read_file(path, mem)};
    struct cw_request req;
    struct cw_problems problems;
    struct cw_err err = {0};
    assert_int_equal(cw_request_decode(&rec, mem, &req, &problems, &err), -CW_EINVAL);
    json_t *have = json_array();
    for (size_t i = 0; i < problems.count; i++) {
        assert_string_not_equal(problems.items[i].remedy, "");
        (void)json_array_append_new(have, json_pack("{s:s,s:s}", "pointer", problems.items[i].pointer,
                                                    "message", problems.items[i].message));
    }
    const char *stem = cw_arena_printf(mem, "%.*s.problems.json", (int)(strlen(path) - 5), path);
    const json_t *want = parse(read_file(stem, mem), mem);
    expect_equal(path, have, json_object_get(want, "problems"), mem);
    json_decref(have);
}

static void invalid_requests_give_all_their_problems(void **state)
{
    assert_true(each("schema/golden/invalid", *state, check_invalid) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(valid_events_survive_a_round_trip),
        CASE(the_demo_examples_are_valid),
        CASE(invalid_requests_give_all_their_problems),
    };
    return cmocka_run_group_tests_name("schema/golden", tests, NULL, NULL);
}

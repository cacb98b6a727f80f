/* The completion window against a simple model, and its map against hostile text. */
#include "worker/engine/window.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/str.h"
#include "common/time.h"

static uint64_t seed_state;

static uint64_t next_random(void)
{
    seed_state ^= seed_state << 13;
    seed_state ^= seed_state >> 7;
    seed_state ^= seed_state << 17;
    return seed_state;
}

static int64_t between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next_random() % (uint64_t)(hi - lo + 1));
}

#define LOG_RECORDS 400

/* One partition's log: offsets with gaps, and what happened to each record. */
struct model {
    int64_t offsets[LOG_RECORDS];
    bool done[LOG_RECORDS];
    bool taken[LOG_RECORDS];
    uint32_t eras[LOG_RECORDS];
    size_t count;
    size_t delivered; /* next record to deliver */
};

static void make_log(struct model *m)
{
    int64_t at = between(0, 3) == 0 ? between(0, INT64_C(1) << 40) : between(0, 50);
    *m = (struct model){.count = (size_t)between(1, LOG_RECORDS)};
    int64_t gap_max = between(0, 2) == 0 ? between(1, 100000) : 1;
    for (size_t i = 0; i < m->count; i++) {
        m->offsets[i] = at;
        at += between(0, 9) == 0 ? between(1, gap_max) : 1;
    }
}

static int64_t lowest_unfinished(const struct model *m, int64_t committed)
{
    for (size_t i = 0; i < m->delivered; i++) {
        if (!m->done[i] && m->offsets[i] >= committed)
            return m->offsets[i];
    }
    return -1;
}

static void check_base(const struct model *m, const struct cw_window *w)
{
    int64_t base = cw_window_base(w);
    for (size_t i = 0; i < m->delivered; i++) {
        if (m->offsets[i] < base)
            assert_true(m->done[i]);
    }
    int64_t lowest = lowest_unfinished(m, 0);
    if (lowest >= 0 && m->taken[0])
        assert_true(base <= lowest);
}

static size_t deliver(struct model *m, struct cw_window *w)
{
    size_t i = m->delivered++;
    int r = cw_window_take(w, m->offsets[i], &m->eras[i]);
    assert_in_range(r, CW_WINDOW_TAKEN, CW_WINDOW_IS_DONE);
    if (r == CW_WINDOW_IS_DONE)
        assert_true(m->done[i]);
    m->taken[i] = r == CW_WINDOW_TAKEN;
    return i;
}

/* The partition moves: the next owner starts from the commit. */
static struct cw_window *hand_over(struct model *m, struct cw_window *w)
{
    char meta[CW_WINDOW_META_BYTES + 1];
    bool is_whole = cw_window_encode(w, meta);
    assert_true(is_whole);
    assert_true(strlen(meta) <= CW_WINDOW_META_BYTES);
    int64_t base = cw_window_base(w);
    cw_window_free(w);
    struct cw_window *next;
    assert_int_equal(cw_window_new(base, meta, &next), 0);
    m->delivered = 0;
    memset(m->taken, 0, sizeof m->taken);
    memset(m->eras, 0xff, sizeof m->eras);
    while (m->delivered < m->count && m->offsets[m->delivered] < base)
        m->delivered++;
    return next;
}

/* After a whole map nothing that was finished is taken again. */
static void check_redelivery(struct model *m, struct cw_window *w, size_t upto)
{
    while (m->delivered < upto) {
        size_t i = deliver(m, w);
        if (m->done[i])
            assert_false(m->taken[i]);
        else
            assert_true(m->taken[i]);
    }
}

static void finish_one(struct model *m, struct cw_window *w)
{
    size_t i = (size_t)between(0, (int64_t)m->delivered - 1);
    if (!m->taken[i] || m->done[i])
        return;
    m->done[i] = true;
    (void)cw_window_done(w, m->offsets[i], m->eras[i]);
}

/* The log is cut and written anew from a record on that was delivered before: what stood there is another record now. */
static void cut_log(struct model *m, struct cw_window *w)
{
    size_t at = (size_t)between(0, (int64_t)m->delivered - 1);
    uint32_t old_eras[LOG_RECORDS];
    memcpy(old_eras, m->eras, sizeof old_eras);
    size_t upto = m->delivered;
    for (size_t i = at; i < upto; i++)
        m->done[i] = m->taken[i] = false;
    m->delivered = at;
    int r = cw_window_take(w, m->offsets[at], &m->eras[at]);
    assert_int_equal(r, CW_WINDOW_REWOUND);
    m->taken[at] = true;
    m->delivered++;
    for (size_t i = at; i < upto; i++) /* the former records' ends say nothing about the new ones */
        assert_false(cw_window_done(w, m->offsets[i], old_eras[i]));
    assert_true(cw_window_base(w) <= m->offsets[at]);
}

static void run_case(uint64_t seed)
{
    seed_state = seed * 2654435761u + 88172645463325252u;
    struct model m;
    make_log(&m);
    struct cw_window *w;
    assert_int_equal(cw_window_new(-1, "", &w), 0);
    int64_t steps = between(1, 120);
    for (int64_t s = 0; s < steps; s++) {
        int64_t dice = between(0, 19);
        if (dice < 9 && m.delivered < m.count && !cw_window_is_full(w))
            (void)deliver(&m, w);
        else if (dice < 18 && m.delivered > 0)
            finish_one(&m, w);
        else if (dice == 18 && m.delivered > 0)
            cut_log(&m, w);
        else if (dice == 19 && m.delivered > 0) {
            size_t upto = m.delivered;
            w = hand_over(&m, w);
            check_redelivery(&m, w, upto);
        }
        check_base(&m, w);
    }
    cw_window_free(w);
}

static void test_property_against_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100000; seed++)
        run_case(seed);
}

/* Where the log does not go back there is one era. */
static int take(struct cw_window *w, int64_t offset)
{
    uint32_t era = 77;
    int r = cw_window_take(w, offset, &era);
    if (r == CW_WINDOW_TAKEN)
        assert_int_equal(era, 0);
    return r;
}

static bool done(struct cw_window *w, int64_t offset)
{
    return cw_window_done(w, offset, 0);
}

static void test_many_in_flight_finish_in_any_order_within_the_limit(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        seed_state = (uint64_t)round + 77;
        struct cw_window *w;
        static int64_t live[20000];
        size_t count = 0;
        assert_int_equal(cw_window_new(1000, "", &w), 0);
        for (int64_t offset = 1000; offset < 21000; offset++) {
            if (!cw_window_is_full(w)) {
                assert_int_equal(take(w, offset), CW_WINDOW_TAKEN);
                live[count++] = offset;
            } else
                offset--;
            bool must = cw_window_is_full(w);
            while (count > 0 && (must || between(0, 2) == 0)) {
                size_t k = (size_t)between(0, (int64_t)count - 1);
                (void)done(w, live[k]);
                live[k] = live[--count];
                must = must && cw_window_is_full(w);
            }
            if (offset % 37 != 0)
                continue;
            char meta[CW_WINDOW_META_BYTES + 1];
            assert_true(cw_window_encode(w, meta));
            assert_true(strlen(meta) <= CW_WINDOW_META_BYTES);
        }
        cw_window_free(w);
    }
}

static void test_stuck_head_and_scattered_rest_push_back(void **state)
{
    (void)state;
    struct cw_window *w;
    assert_int_equal(cw_window_new(0, NULL, &w), 0);
    int64_t offset = 0;
    while (!cw_window_is_full(w)) {
        assert_int_equal(take(w, offset), CW_WINDOW_TAKEN);
        if (offset % 2 == 1)
            (void)done(w, offset);
        offset++;
    }
    assert_in_range(offset, 200, 6000);
    assert_int_equal(cw_window_base(w), 0);
    char meta[CW_WINDOW_META_BYTES + 1];
    assert_true(cw_window_encode(w, meta));
    assert_in_range(strlen(meta), CW_WINDOW_META_BYTES * 7 / 10, CW_WINDOW_META_BYTES * 8 / 10); /* 75 % */
    assert_true(done(w, 0));
    cw_window_free(w);
}

static void test_gap_of_compaction_is_cut_not_lost(void **state)
{
    (void)state;
    struct cw_window *w, *next;
    assert_int_equal(cw_window_new(0, NULL, &w), 0);
    for (int64_t i = 0; i < 3000; i++)
        assert_int_equal(take(w, i), CW_WINDOW_TAKEN);
    for (int64_t i = 1; i < 3000; i += 2)
        (void)done(w, i);
    assert_int_equal(take(w, INT64_C(1) << 50), CW_WINDOW_TAKEN);
    char meta[CW_WINDOW_META_BYTES + 1];
    assert_false(cw_window_encode(w, meta));
    assert_true(cw_window_is_full(w));
    assert_int_equal(cw_window_new(0, meta, &next), 0);
    assert_int_equal(take(next, 0), CW_WINDOW_TAKEN);
    assert_int_equal(take(next, 1), CW_WINDOW_IS_DONE);
    assert_int_equal(take(next, 2998), CW_WINDOW_TAKEN);
    assert_int_equal(take(next, INT64_C(1) << 50), CW_WINDOW_TAKEN);
    cw_window_free(w);
    cw_window_free(next);
}

static void test_expected_records_that_never_come_are_forgotten(void **state)
{
    (void)state;
    struct cw_window *w, *next;
    assert_int_equal(cw_window_new(10, NULL, &w), 0);
    for (int64_t i = 10; i < 15; i++)
        assert_int_equal(take(w, i), CW_WINDOW_TAKEN);
    (void)done(w, 12);
    char meta[CW_WINDOW_META_BYTES + 1];
    assert_true(cw_window_encode(w, meta));
    assert_int_equal(cw_window_new(10, meta, &next), 0);
    assert_int_equal(cw_window_base(next), 10);
    assert_int_equal(take(next, 13), CW_WINDOW_TAKEN);
    assert_int_equal(cw_window_base(next), 13);
    assert_true(done(next, 13));
    assert_int_equal(cw_window_base(next), 14);
    assert_int_equal(take(next, 20), CW_WINDOW_TAKEN);
    assert_int_equal(cw_window_base(next), 20);
    cw_window_free(w);
    cw_window_free(next);
}

static void test_maps_that_do_not_count(void **state)
{
    (void)state;
    static const char *const maps[] = {
        "",
        "garbage",
        "1;",
        "1;7",
        "1;7;",
        "1;7;r!!",
        "2;100;rAAAA",
        "1;101;rAQ",
        "1;99;rAQ",
        "1;100;x",
        "1;100;rAA",
        "1;100;r_____________3__",
        "1;100;b____________fw",
        "1;-100;rAQ",
        "1;100;b_wB_",
        "1;99999999999999999999999;rAQ",
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(maps); i++) {
        struct cw_window *w;
        assert_int_equal(cw_window_new(100, maps[i], &w), 0);
        assert_int_equal(cw_window_base(w), 100);
        assert_int_equal(take(w, 100), CW_WINDOW_TAKEN);
        assert_int_equal(take(w, 103), CW_WINDOW_TAKEN);
        cw_window_free(w);
    }
}

/* A recreated topic: the committed offset is beyond its end, and Kafka begins again below it. */
static void test_offsets_below_the_commit_are_taken(void **state)
{
    (void)state;
    struct cw_window *old, *w;
    char meta[CW_WINDOW_META_BYTES + 1];
    uint32_t era = 0;
    assert_int_equal(cw_window_new(1000, NULL, &old), 0);
    for (int64_t i = 1000; i < 1010; i++)
        assert_int_equal(take(old, i), CW_WINDOW_TAKEN);
    assert_true(done(old, 1005));
    assert_true(cw_window_encode(old, meta));
    assert_int_equal(cw_window_new(1000, meta, &w), 0);
    assert_int_equal(cw_window_take(w, 3, &era), CW_WINDOW_REWOUND);
    assert_int_equal(cw_window_base(w), 3);
    assert_int_equal(cw_window_in_flight(w), 1);
    for (int64_t i = 4; i < 1010; i++) {
        uint32_t e = 0;
        assert_int_equal(cw_window_take(w, i, &e), CW_WINDOW_TAKEN);
        assert_int_equal(e, era);
        assert_true(cw_window_done(w, i, e));
    }
    assert_true(cw_window_done(w, 3, era));
    assert_int_equal(cw_window_base(w), 1010);
    cw_window_free(old);
    cw_window_free(w);
}

/* A truncated log: what is in flight below the cut still counts, what was above it is another record now. */
static void test_truncated_log_keeps_what_is_below_the_cut(void **state)
{
    (void)state;
    struct cw_window *w;
    uint32_t era = 0;
    assert_int_equal(cw_window_new(0, NULL, &w), 0);
    for (int64_t i = 0; i < 10; i++)
        assert_int_equal(take(w, i), CW_WINDOW_TAKEN);
    (void)done(w, 7);
    assert_int_equal(cw_window_take(w, 6, &era), CW_WINDOW_REWOUND);
    assert_int_not_equal(era, 0);
    assert_int_equal(cw_window_base(w), 0);
    assert_int_equal(cw_window_in_flight(w), 7);
    assert_int_equal(cw_window_take(w, 7, &era), CW_WINDOW_TAKEN); /* finished once, but as another record */
    assert_false(done(w, 6));                                      /* the former one */
    for (int64_t i = 0; i < 6; i++)
        assert_true(done(w, i));
    assert_int_equal(cw_window_base(w), 6);
    assert_true(cw_window_done(w, 6, era));
    assert_true(cw_window_done(w, 7, era));
    assert_int_equal(cw_window_base(w), 8);
    cw_window_free(w);
}

/* The map of a predecessor that went to the limit must not pause the partition before its records could come. */
static void test_full_map_of_a_predecessor_does_not_block(void **state)
{
    (void)state;
    struct cw_window *w, *next;
    char meta[CW_WINDOW_META_BYTES + 1];
    int64_t offset = 0;
    assert_int_equal(cw_window_new(0, NULL, &w), 0);
    while (!cw_window_is_full(w)) {
        assert_int_equal(take(w, offset), CW_WINDOW_TAKEN);
        if (offset % 2 == 1)
            (void)done(w, offset);
        offset++;
    }
    assert_true(cw_window_encode(w, meta));
    assert_int_equal(cw_window_new(0, meta, &next), 0);
    for (int64_t i = 0; i < offset; i++) {
        assert_false(cw_window_is_full(next));
        assert_int_equal(take(next, i), i % 2 == 1 ? CW_WINDOW_IS_DONE : CW_WINDOW_TAKEN);
    }
    assert_true(cw_window_is_full(next)); /* from here on it would grow */
    cw_window_free(w);
    cw_window_free(next);
}

/* A window after some history, and its map. */
static struct cw_window *some_window(int64_t base, char meta[CW_WINDOW_META_BYTES + 1])
{
    struct cw_window *w;
    int64_t at = base, count = between(1, 60);
    assert_int_equal(cw_window_new(base, "", &w), 0);
    for (int64_t i = 0; i < count; i++, at += between(0, 6) == 0 ? between(1, 500) : 1) {
        assert_int_equal(take(w, at), CW_WINDOW_TAKEN);
        if (i > 0 && between(0, 1) == 0)
            assert_true(done(w, at));
    }
    assert_true(cw_window_encode(w, meta));
    assert_true(strlen(meta) <= CW_WINDOW_META_BYTES);
    return w;
}

/* No map, an empty one, one for another offset, one of a newer version: everything from the commit on is taken. */
static void check_no_map(int64_t committed, const char *meta)
{
    struct cw_window *w;
    assert_int_equal(cw_window_new(committed, meta, &w), 0);
    assert_int_equal(cw_window_base(w), committed);
    assert_int_equal(cw_window_in_flight(w), 0);
    for (int64_t i = 0, at = committed; i < 20; i++, at += between(1, 30))
        assert_int_equal(take(w, at), CW_WINDOW_TAKEN);
    cw_window_free(w);
}

static void test_maps_without_meaning_lose_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100000; seed++) {
        seed_state = seed * 2862933555777941757u + 3037000493u;
        char meta[CW_WINDOW_META_BYTES + 1], newer[CW_WINDOW_META_BYTES + 8];
        int64_t base = between(0, 3) == 0 ? between(0, INT64_C(1) << 50) : between(1, 5000);
        cw_window_free(some_window(base, meta));
        int64_t step = between(1, 300);
        int64_t moved = between(0, 1) == 0 || step > base ? base + step : base - step;
        (void)snprintf(newer, sizeof newer, "%d%s", (int)between(2, 99), meta + 1);
        check_no_map(base, between(0, 1) == 0 ? NULL : "");
        check_no_map(base, newer);
        check_no_map(moved, meta);
    }
}

static void test_random_metadata_is_survived(void **state)
{
    (void)state;
    static const char letters[] = "rbABCDEFwxyz0129-_;!\x01\xff";
    for (uint64_t seed = 1; seed < 20000; seed++) {
        seed_state = seed * 7919;
        char meta[200] = "1;5;";
        size_t n = 4;
        int64_t len = between(0, 150);
        for (int64_t i = 0; i < len; i++)
            meta[n++] = letters[between(0, (int64_t)sizeof letters - 2)];
        meta[n] = '\0';
        struct cw_window *w;
        assert_int_equal(cw_window_new(5, meta, &w), 0);
        assert_true(cw_window_base(w) >= 5);
        (void)take(w, 7);
        char out[CW_WINDOW_META_BYTES + 1];
        (void)cw_window_encode(w, out);
        assert_true(strlen(out) <= CW_WINDOW_META_BYTES);
        cw_window_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_property_against_model),
        cmocka_unit_test(test_many_in_flight_finish_in_any_order_within_the_limit),
        cmocka_unit_test(test_stuck_head_and_scattered_rest_push_back),
        cmocka_unit_test(test_gap_of_compaction_is_cut_not_lost),
        cmocka_unit_test(test_expected_records_that_never_come_are_forgotten),
        cmocka_unit_test(test_maps_that_do_not_count),
        cmocka_unit_test(test_offsets_below_the_commit_are_taken),
        cmocka_unit_test(test_truncated_log_keeps_what_is_below_the_cut),
        cmocka_unit_test(test_full_map_of_a_predecessor_does_not_block),
        cmocka_unit_test(test_maps_without_meaning_lose_nothing),
        cmocka_unit_test(test_random_metadata_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

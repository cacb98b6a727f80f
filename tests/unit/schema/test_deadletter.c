#include "schema/deadletter_v1.h"

#include "tests/unit/schema/lib.h"

static struct cw_deadletter_v1 through_the_wire(struct cw_arena *mem, const struct cw_record_in *rec,
                                                int code)
{
    struct cw_err why = {0}, err = {0};
    struct cw_deadletter_v1 letter, again;
    struct cw_record_out out;
    struct cw_event event = {.id = "d-1", .source = "/causeway/worker/1"}, read;
    (void)cw_err_set(&why, code, "no good");
    assert_int_equal(cw_deadletter_of(rec, &why, NULL, mem, &letter), 0);
    assert_int_equal(cw_deadletter_encode(&letter, &event, rec->key, mem, &out, &err), 0);
    struct cw_record_in in = as_read(&out);
    if (cw_deadletter_decode(&in, mem, &read, &again, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(read.type, CW_DEADLETTER_TYPE);
    assert_int_equal(out.key.n, rec->key.n);
    return again;
}

static void text_stays_readable_and_bytes_survive(void **state)
{
    const struct cw_header headers[] = {{"ce_id", cw_str_of("x")}, {"raw", {"\xff\x00", 2}}};
    struct cw_record_in rec = {.headers = headers,
                               .header_count = 2,
                               .key = cw_str_of("k"),
                               .value = cw_str_of("not { json\n"),
                               .topic = "causeway.requests",
                               .partition = 3,
                               .offset = 9,
                               .timestamp_ms = 1763900000000};
    struct cw_deadletter_v1 letter = through_the_wire(*state, &rec, CW_EPARSE);
    assert_int_equal(letter.reason, CW_DEADLETTER_PARSE);
    assert_string_equal(letter.original.value, "not { json\n");
    assert_string_equal(letter.original.key, "k");
    assert_int_equal(letter.origin.offset, 9);
    assert_string_equal(letter.original.headers[1].value, "base64:/wA=");
    rec.value = (struct cw_str){"\x00\x01\x02", 3};
    rec.key = (struct cw_str){"\xff", 1};
    letter = through_the_wire(*state, &rec, CW_EINVAL);
    assert_null(letter.original.value);
    assert_string_equal(letter.original.value_base64, "AAEC");
    assert_string_equal(letter.original.key_base64, "/w==");
    assert_int_equal(letter.reason, CW_DEADLETTER_SCHEMA);
}

static void the_worst_record_still_fits(void **state)
{
    size_t n = (size_t)2 << 20;
    static const char worst[] = {'"', '\\', '\x01', 'a'};
    for (size_t i = 0; i < CW_ARRAY_LEN(worst); i++) {
        char *bytes = malloc(n);
        assert_non_null(bytes);
        memset(bytes, worst[i], n);
        struct cw_header headers[CW_EVENT_HEADERS_MAX + 9];
        for (size_t h = 0; h < CW_ARRAY_LEN(headers); h++)
            headers[h] = (struct cw_header){"h", {bytes, 4096}};
        struct cw_record_in rec = {.headers = headers,
                                   .header_count = CW_ARRAY_LEN(headers),
                                   .value = {bytes, n},
                                   .key = {bytes, 100000},
                                   .topic = "t"};
        struct cw_deadletter_v1 letter = through_the_wire(*state, &rec, CW_ETOOBIG);
        assert_true(letter.original.truncated);
        assert_int_equal(letter.original.value_bytes, n);
        assert_int_equal(letter.reason, CW_DEADLETTER_TOO_BIG);
        free(bytes);
    }
}

static void equal_records_have_equal_letters(void **state)
{
    (void)state;
    char a[CW_UUID_BYTES], b[CW_UUID_BYTES];
    struct cw_record_in rec = {.topic = "t", .partition = 1, .offset = 2};
    cw_deadletter_event_id(&rec, a);
    cw_deadletter_event_id(&rec, b);
    assert_string_equal(a, b);
    rec.offset = 3;
    cw_deadletter_event_id(&rec, b);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(text_stays_readable_and_bytes_survive),
                                       CASE(the_worst_record_still_fits),
                                       CASE(equal_records_have_equal_letters)};
    return cmocka_run_group_tests_name("schema/deadletter", tests, NULL, NULL);
}

/* Records as they might come from Kafka: the first byte chooses the envelope, a NUL divides its parts. Whatever comes: no
 * crash, every refusal has a reason, and a dead letter of it can be written. */
#include "schema/deadletter_v1.h"
#include "schema/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct cw_record_in *rec, const struct cw_err *why,
                          const struct cw_problems *problems, struct cw_arena *mem)
{
    struct cw_deadletter_v1 letter;
    struct cw_record_out out;
    struct cw_err err = {0};
    const struct cw_event event = {.id = "fuzz", .source = "/fuzz"};
    CW_BUG_ON(why->text[0] == '\0');
    CW_BUG_ON(cw_deadletter_of(rec, why, problems, mem, &letter) < 0);
    CW_BUG_ON(cw_deadletter_encode(&letter, &event, rec->key, mem, &out, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)64 << 20, &mem) < 0)
        return 0;
    const char *text = (const char *)data + 1;
    const char *cut = memchr(text, '\0', size - 1);
    size_t n = cut == NULL ? 0 : (size_t)(cut - text);
    const struct cw_header headers[] = {
        {"ce_specversion", cw_str_of("1.0")},
        {"ce_id", {text, n}},
        {"ce_source", cw_str_of("/fuzz")},
        {"ce_type", cw_str_of(cw_request_type((enum cw_request_kind)(data[0] / 2 % CW_REQUEST__COUNT)))},
    };
    const char *body = cut == NULL ? text : cut + 1;
    struct cw_record_in rec = {
        .headers = headers,
        .header_count = data[0] % 2 == 0 ? CW_ARRAY_LEN(headers) : 0,
        .key = {text, n},
        .value = {body, size - (size_t)(body - (const char *)data)},
        .topic = "fuzz",
    };
    struct cw_request req;
    struct cw_problems problems;
    struct cw_err err = {0};
    int r = cw_request_decode(&rec, mem, &req, &problems, &err);
    CW_BUG_ON(r == 0 && (!req.is_addressed || req.workspace_key == NULL));
    if (r < 0)
        check_refusal(&rec, &err, &problems, mem);
    return 0;
}

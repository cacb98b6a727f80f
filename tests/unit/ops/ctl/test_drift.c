/* What `causeway verify --every` says about the verdict before. */
#include "ops/ctl/drift.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/json.h"

#define VERDICT(outcome, address)                                                                                         \
    "{\"requestId\":\"r\",\"requestType\":\"causeway.workspace.verify.v1\",\"workspaceId\":\"/w\",\"outcome\":\"" outcome \
    "\",\"summary\":\"s\",\"finishedAt\":\"2026-11-24T03:29:01.500Z\",\"steps\":[],\"changes\":0,"                        \
    "\"evidence\":{\"endpointStatus\":\"Approved\",\"endpointAddress\":\"" address                                        \
    "\"},\"calls\":{\"reads\":1,\"writes\":0,\"deletes\":0}}"

static char *look(struct drift *d, const char *verdict)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    CW_AUTO(cw_auto_json) json_t *doc = json_loads(verdict, 0, NULL);
    assert_non_null(out);
    assert_non_null(doc);
    drift_look(d, out, doc);
    (void)fclose(out);
    return text;
}

static void expect(struct drift *d, const char *verdict, const char *said)
{
    CW_AUTO(cw_auto_str) char *text = look(d, verdict);
    assert_string_equal(text, said);
}

static void each_verdict_is_compared_with_the_last(void **state)
{
    struct drift d = {0};
    (void)state;
    expect(&d, VERDICT("succeeded", "10.0.0.4"), "");
    expect(&d, VERDICT("succeeded", "10.0.0.4"), "");
    expect(&d, VERDICT("failed", "10.0.0.5"),
           "  drift     outcome: succeeded -> failed\n  drift     endpointAddress: 10.0.0.4 -> 10.0.0.5\n");
    expect(&d, "{\"what\":\"is this\"}", ""); /* not remembered */
    expect(&d, VERDICT("succeeded", "10.0.0.5"), "  drift     outcome: failed -> succeeded\n");
    drift_fini(&d);
}

static void as_json_lines(void **state)
{
    struct drift d = {.json = true};
    (void)state;
    expect(&d, VERDICT("succeeded", "10.0.0.4"), "");
    expect(&d, VERDICT("failed", "10.0.0.4"),
           "{\"drift\":{\"after\":\"failed\",\"before\":\"succeeded\",\"what\":\"outcome\"}}\n");
    drift_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verdict_is_compared_with_the_last),
        cmocka_unit_test(as_json_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

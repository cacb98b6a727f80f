/* tests/unit/schema/lib.h: an arena for each test, and files of the repository. */
#ifndef CW_TESTS_UNIT_SCHEMA_LIB_H
#define CW_TESTS_UNIT_SCHEMA_LIB_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "schema/cloudevent.h"

__attribute__((unused)) static int set_up(void **state)
{
    struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)32 << 20, &mem) < 0)
        return -1;
    *state = mem;
    return 0;
}

__attribute__((unused)) static int tear_down(void **state)
{
    cw_arena_free(*state);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* A file below the repository's root (or $CW_ROOT), malloc'ed; the test fails without it. */
__attribute__((unused)) static struct cw_str read_file(const char *path, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    char block[8192];
    const char *root = getenv("CW_ROOT");
    const char *full = cw_arena_printf(mem, "%s/%s", root != NULL ? root : ".", path);
    FILE *f = fopen(full, "rb");
    if (f == NULL)
        fail_msg("%s: cannot be opened", full);
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        cw_buf_add(&b, block, n);
    (void)fclose(f);
    return (struct cw_str){cw_arena_memdup(mem, cw_buf_z(&b), b.n), b.n};
}

__attribute__((unused)) static json_t *parse(struct cw_str text, struct cw_arena *mem)
{
    json_t *doc = NULL;
    struct cw_err err = {0};
    if (cw_json_parse_in(mem, text.p, text.n, (size_t)4 << 20, &doc, &err) < 0)
        fail_msg("%s", err.text);
    return doc;
}

/* A written record as it would be read again. */
__attribute__((unused)) static struct cw_record_in as_read(const struct cw_record_out *out)
{
    return (struct cw_record_in){
        .headers = out->headers, .header_count = out->header_count, .key = out->key, .value = out->value};
}

#endif

/* causeway-schema: print the JSON Schemas, the AsyncAPI document and the event reference from the field tables. */
#include <errno.h>

#include "schema/catalog.h"

static int usage(FILE *out, int status)
{
    (void)fprintf(out,
                  "usage: causeway-schema [--out] DIR | --markdown | --check DIR\n"
                  "  --out DIR    write DIR/<type>.schema.json and DIR/asyncapi.yaml\n"
                  "  --check DIR  exit 1, naming them, when files in DIR differ from what --out would write\n"
                  "  --markdown   print the event reference\n");
    return status;
}

static bool write_file(const char *path, struct cw_buf *text)
{
    FILE *f = fopen(path, "wb");
    bool is_ok = f != NULL && fwrite(cw_buf_z(text), 1, text->n, f) == text->n;
    if (f != NULL && fclose(f) != 0)
        is_ok = false;
    if (!is_ok)
        (void)fprintf(stderr, "causeway-schema: %s: %s\n", path, strerror(errno));
    return is_ok;
}

static bool check_file(const char *path, struct cw_buf *text)
{
    CW_AUTO(cw_buf_fini) struct cw_buf have = {0};
    char block[4096];
    FILE *f = fopen(path, "rb");
    for (size_t n; f != NULL && (n = fread(block, 1, sizeof block, f)) > 0;)
        cw_buf_add(&have, block, n);
    if (f != NULL)
        (void)fclose(f);
    bool is_same = f != NULL && have.n == text->n && memcmp(cw_buf_z(&have), cw_buf_z(text), text->n) == 0;
    if (!is_same)
        (void)fprintf(stderr,
                      "causeway-schema: %s is not up to date: run causeway-schema --out schema/json\n", path);
    return is_same;
}

static bool print_schema(const struct cw_catalog_entry *entry, struct cw_buf *out)
{
    CW_AUTO(cw_auto_json) json_t *schema = cw_catalog_schema(entry);
    CW_AUTO(cw_auto_str) char *text = json_dumps(schema, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (text == NULL)
        return false;
    cw_buf_addf(out, "%s\n", text);
    return true;
}

static int each_file(const char *dir, bool (*act)(const char *path, struct cw_buf *text))
{
    size_t count;
    const struct cw_catalog_entry *entries = cw_catalog(&count);
    bool is_ok = true;
    for (size_t i = 0; i <= count; i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf path = {0};
        CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
        if (i < count) {
            cw_buf_addf(&path, "%s/%s.schema.json", dir, entries[i].type);
            is_ok = print_schema(&entries[i], &text) && is_ok;
        } else {
            cw_buf_addf(&path, "%s/asyncapi.yaml", dir);
            cw_catalog_asyncapi(&text);
        }
        is_ok = !text.failed && act(cw_buf_z(&path), &text) && is_ok;
    }
    return is_ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    if (argc == 3 && strcmp(argv[1], "--out") == 0)
        return each_file(argv[2], write_file);
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return each_file(argv[2], check_file);
    if (argc == 2 && strcmp(argv[1], "--markdown") == 0) {
        CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
        cw_catalog_markdown(&out);
        (void)fputs(cw_buf_z(&out), stdout);
        return out.failed || fflush(stdout) != 0;
    }
    if (argc == 2 && argv[1][0] != '-')
        return each_file(argv[1], write_file);
    return usage(stderr, 2);
}

#include "common/azure/databricks_impl.h"

/* Every line of the text becomes a comment of the notebook; the first line is what the service puts there itself. */
#define FIRST_LINE "# Databricks notebook source\n"

static int path_of(struct cw_databricks *d, const struct cw_call *call, const struct cw_target *target,
                   const char *name, const char **ret_path, struct cw_err *err)
{
    const char *me = NULL;
    int r = cw_databricks_me(d, call, target, &me, err);
    if (r < 0)
        return r;
    *ret_path = cw_arena_printf(call->mem, "/Users/%s/%s", me, name);
    return *ret_path == NULL ? cw_check_mem(call, err) : 0;
}

static void add_comment(struct cw_buf *b, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        cw_buf_add_z(b, "# ");
        cw_buf_add(b, text, n);
        cw_buf_add_z(b, "\n");
        text += n + (text[n] == '\n');
    }
}

int cw_databricks_put_note(struct cw_databricks *d, const struct cw_call *call,
                           const struct cw_target *target, const char *name, const char *text,
                           struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf source = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf encoded = {0};
    const char *path = NULL;
    int r = path_of(d, call, target, name, &path, err);
    if (r < 0)
        return r;
    cw_buf_add_z(&source, FIRST_LINE);
    add_comment(&source, text);
    cw_buf_add_base64(&encoded, cw_buf_z(&source), source.n);
    if (source.failed || encoded.failed)
        return cw_err_set(err, CW_ENOMEM, "note");
    CW_AUTO(cw_auto_json)
    json_t *body = json_pack("{s:s,s:s,s:s,s:s,s:b}", "path", path, "format", "SOURCE", "language", "PYTHON",
                             "content", cw_buf_z(&encoded), "overwrite", 1);
    json_t *ignored = NULL;
    r = cw_check_built(body, err);
    return r < 0 ? r : cw_databricks_post(d, call, target, "/api/2.0/workspace/import", body, &ignored, err);
}

static bool decode_note(const char *content, struct cw_buf *out)
{
    CW_AUTO(cw_buf_fini) struct cw_buf source = {0};
    if (!cw_buf_add_base64_decoded(&source, content, strlen(content)))
        return false;
    for (const char *line = cw_buf_z(&source); *line != '\0';) {
        size_t n = strcspn(line, "\n");
        bool is_ours = cw_z_starts(line, "# ") && !cw_z_starts(line, FIRST_LINE);
        if (is_ours) {
            cw_buf_add(out, line + 2, n - 2);
            cw_buf_add_z(out, "\n");
        }
        line += n + (line[n] == '\n');
    }
    return !out->failed;
}

int cw_databricks_get_note(struct cw_databricks *d, const struct cw_call *call,
                           const struct cw_target *target, const char *name, const char **ret_text,
                           struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    const char *path = NULL;
    json_t *doc = NULL;
    int r = path_of(d, call, target, name, &path, err);
    if (r < 0)
        return r;
    const char *encoded = cw_dbx_encoded(call->mem, path);
    const char *url =
        encoded == NULL
            ? NULL
            : cw_arena_printf(call->mem, "/api/2.0/workspace/export?format=SOURCE&path=%s", encoded);
    if (url == NULL)
        return cw_check_mem(call, err);
    r = cw_databricks_get(d, call, target, url, &doc, err);
    if (r < 0)
        return r;
    if (!decode_note(cw_json_str(doc, "content", ""), &text))
        return cw_err_set(err, CW_EPROTO, "note %s cannot be read", path);
    *ret_text = cw_arena_strdup(call->mem, cw_buf_z(&text));
    return *ret_text == NULL ? cw_check_mem(call, err) : 0;
}

int cw_databricks_delete_note(struct cw_databricks *d, const struct cw_call *call,
                              const struct cw_target *target, const char *name, struct cw_err *err)
{
    const char *path = NULL;
    int r = path_of(d, call, target, name, &path, err);
    if (r == 0)
        r = cw_dbx_post_id(d, call, target, "/api/2.0/workspace/delete", "path", path, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        r = 0;
    }
    return r;
}

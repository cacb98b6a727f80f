#include "ops/ctl/event_file.h"

#include <errno.h>
#include <stdio.h>

#define EVENT_BYTES_MAX ((size_t)1024 * 1024)

static int open_error(const char *path, struct cw_err *err)
{
    int saved = errno;
    int code = saved == ENOENT ? CW_ENOTFOUND : saved == EACCES ? CW_EDENIED : CW_EINVAL;
    return cw_err_set(err, code, "%s: %s", path, strerror(saved));
}

int event_file_read(const char *path, struct cw_arena *mem, struct cw_str *ret_text, struct cw_err *err)
{
    bool is_stdin = cw_z_eq(path, "-");
    FILE *in = is_stdin ? stdin : fopen(path, "re");
    if (in == NULL)
        return open_error(path, err);
    CW_AUTO(cw_buf_fini) struct cw_buf b = {.max = EVENT_FILE_BYTES_MAX};
    char chunk[16384];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0 && !b.failed)
        cw_buf_add(&b, chunk, n);
    bool is_bad = ferror(in) != 0;
    int r = is_bad ? open_error(path, err) : 0;
    if (!is_stdin)
        (void)fclose(in);
    if (r < 0)
        return r;
    if (b.failed)
        return cw_err_set(err, CW_ETOOBIG, "%s: more than %zu MiB; split it", path,
                          EVENT_FILE_BYTES_MAX / (1024 * 1024));
    char *text = cw_arena_memdup(mem, cw_buf_z(&b), b.n);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "%s", path);
    *ret_text = (struct cw_str){text, b.n};
    return 0;
}

struct events {
    json_t **at;
    size_t n;
    size_t cap;
};

static int append(struct events *events, json_t *event, struct cw_arena *mem, struct cw_err *err)
{
    if (!json_is_object(event))
        return cw_err_set(err, CW_EINVAL, "event %zu is not a JSON object", events->n + 1);
    if (events->n == EVENT_FILE_EVENTS_MAX)
        return cw_err_set(err, CW_ETOOBIG, "more than %zu events; split the file", EVENT_FILE_EVENTS_MAX);
    if (events->n == events->cap) {
        size_t cap = events->cap == 0 ? 16 : events->cap * 2;
        json_t **at = cw_arena_alloc_array(mem, cap, sizeof(json_t *));
        if (at == NULL)
            return cw_err_set(err, CW_ENOMEM, "events");
        if (events->n > 0)
            memcpy(at, events->at, events->n * sizeof(json_t *));
        events->at = at;
        events->cap = cap;
    }
    events->at[events->n++] = event;
    return 0;
}

static int split_lines(struct cw_str text, struct events *events, struct cw_arena *mem, struct cw_err *err)
{
    size_t line = 0;
    for (size_t start = 0; start < text.n;) {
        const char *nl = memchr(text.p + start, '\n', text.n - start);
        size_t end = nl == NULL ? text.n : (size_t)(nl - text.p);
        size_t len = end - start;
        line++;
        if (strspn(text.p + start, " \t\r") < len) {
            json_t *event = NULL;
            int r = cw_json_parse_in(mem, text.p + start, len, EVENT_BYTES_MAX, &event, err);
            if (r < 0)
                return cw_err_wrap(err, "line %zu", line);
            r = append(events, event, mem, err);
            if (r < 0)
                return r;
        }
        start = end + 1;
    }
    return 0;
}

static bool has_several_documents(struct cw_str text)
{
    const char *nl = memchr(text.p, '\n', text.n);
    if (nl == NULL)
        return false;
    json_t *doc = NULL;
    struct cw_err ignored = {0};
    int r = cw_json_parse(text.p, (size_t)(nl - text.p), EVENT_BYTES_MAX, &doc, &ignored);
    json_decref(doc);
    return r == 0;
}

int event_file_split(struct cw_str text, struct cw_arena *mem, json_t ***ret_events, size_t *ret_count,
                     struct cw_err *err)
{
    struct events events = {0};
    int r;
    if (has_several_documents(text)) {
        r = split_lines(text, &events, mem, err);
    } else {
        json_t *doc = NULL;
        r = cw_json_parse_in(mem, text.p, text.n, EVENT_FILE_BYTES_MAX, &doc, err);
        if (r == 0 && json_is_array(doc)) {
            for (size_t i = 0; i < json_array_size(doc) && r == 0; i++)
                r = append(&events, json_array_get(doc, i), mem, err);
        } else if (r == 0) {
            r = append(&events, doc, mem, err);
        }
    }
    if (r < 0)
        return r;
    if (events.n == 0)
        return cw_err_set(err, CW_EINVAL, "no event in the input");
    *ret_events = events.at;
    *ret_count = events.n;
    return 0;
}

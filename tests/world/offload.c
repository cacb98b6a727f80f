#include "common/net/offload.h"

#include <errno.h>

int cw_offload(struct cw_loop *loop, struct cw_work *take_work, struct cw_deadline until, bool *ret_done)
{
    (void)loop;
    (void)until;
    *ret_done = false;
    int reason = cw_fiber_cancel_reason();
    if (reason != 0) {
        take_work->destroy(take_work);
        return -reason;
    }
    *ret_done = true;
    return take_work->run(take_work);
}

int cw_offload_json(struct cw_loop *loop, struct cw_str text, size_t bytes_max, struct cw_deadline until,
                    struct cw_arena *mem, json_t **ret_doc, struct cw_err *err)
{
    (void)loop;
    (void)until;
    return cw_json_parse_in(mem, text.p, text.n, bytes_max, ret_doc, err);
}

int cw_offload_read_file(struct cw_loop *loop, const char *path, size_t bytes_max, struct cw_deadline until,
                         struct cw_arena *mem, struct cw_str *ret_text, struct cw_err *err)
{
    (void)loop;
    (void)until;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return cw_err_set(err, errno == EACCES ? CW_EDENIED : CW_ENOTFOUND, "%s", path);
    char *p = cw_arena_alloc(mem, bytes_max + 2);
    size_t n = p != NULL ? fread(p, 1, bytes_max + 1, file) : 0;
    (void)fclose(file);
    if (p == NULL)
        return cw_err_set(err, CW_ENOMEM, "%s", path);
    if (n > bytes_max)
        return cw_err_set(err, CW_ETOOBIG, "%s", path);
    *ret_text = (struct cw_str){p, n};
    return 0;
}

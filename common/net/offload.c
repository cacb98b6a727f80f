#include "common/net/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/fiber/wait.h"
#include "common/net/loop_uv.h"

#define JSON_HERE_BYTES_MAX 65536
#define READ_CHUNK_BYTES 65536

/* One piece of work under way; freed on the loop once the pool has let go of it. */
struct task {
    uv_work_t uv;
    struct cw_work *work;
    struct cw_wait *wait; /* on the caller's stack; NULL: the caller has given up, the work is ours */
    int result;
};

static void on_pool(uv_work_t *uv)
{
    struct task *task = (struct task *)uv;
    task->result = task->work->run(task->work);
}

static void on_finished(uv_work_t *uv, int status)
{
    struct task *task = (struct task *)uv;
    (void)status; /* UV_ECANCELED only after the caller has given up */
    if (task->wait != NULL)
        cw_wait_done(task->wait, task->result);
    else
        task->work->destroy(task->work);
    free(task);
}

int cw_offload(struct cw_loop *loop, struct cw_work *take_work, struct cw_deadline until, bool *ret_done)
{
    *ret_done = false;
    int reason = cw_fiber_cancel_reason();
    struct task *task = reason == 0 && !cw_is_past(until) ? calloc(1, sizeof *task) : NULL;
    if (task == NULL) {
        take_work->destroy(take_work);
        if (reason != 0)
            return -reason;
        return cw_is_past(until) ? -CW_ETIMEDOUT : -CW_ENOMEM;
    }
    struct cw_wait w;
    cw_wait_arm(&w);
    task->work = take_work;
    task->wait = &w;
    CW_BUG_ON(uv_queue_work(cw_loop_uv(loop), &task->uv, on_pool, on_finished) != 0);
    int r = cw_wait_for(&w, until);
    if (!w.done) {
        task->wait = NULL;
        (void)uv_cancel((uv_req_t *)&task->uv);
        return r;
    }
    if (r != w.result) {
        take_work->destroy(take_work);
        return r;
    }
    *ret_done = true;
    return r;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

struct json_work {
    struct cw_work work;
    char *text; /* our copy */
    size_t text_bytes;
    size_t bytes_max;
    json_t *doc;
    struct cw_err err;
};

static int run_json(struct cw_work *work)
{
    struct json_work *w = (struct json_work *)work;
    return cw_json_parse(w->text, w->text_bytes, w->bytes_max, &w->doc, &w->err);
}

static void destroy_json(struct cw_work *work)
{
    struct json_work *w = (struct json_work *)work;
    json_decref(w->doc);
    free(w->text);
    free(w);
}

static void release_doc(void *arg)
{
    json_decref(arg);
}

static struct json_work *new_json_work(struct cw_str text, size_t bytes_max)
{
    struct json_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->work = (struct cw_work){.run = run_json, .destroy = destroy_json};
    w->text = malloc(text.n);
    w->text_bytes = text.n;
    w->bytes_max = bytes_max;
    if (w->text == NULL) {
        free(w);
        return NULL;
    }
    memcpy(w->text, text.p, text.n);
    return w;
}

int cw_offload_json(struct cw_loop *loop, struct cw_str text, size_t bytes_max, struct cw_deadline until,
                    struct cw_arena *mem, json_t **ret_doc, struct cw_err *err)
{
    if (text.n <= JSON_HERE_BYTES_MAX || text.n > bytes_max)
        return cw_json_parse_in(mem, text.p, text.n, bytes_max, ret_doc, err);
    struct json_work *w = new_json_work(text, bytes_max);
    if (w == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to parse %zu bytes of JSON", text.n);
    bool is_done = false;
    int r = cw_offload(loop, &w->work, until, &is_done);
    if (!is_done)
        return cw_err_set(err, r, "parse %zu bytes of JSON: %s", text.n, cw_err_text(r));
    json_t *doc = CW_TAKE(w->doc);
    if (r < 0)
        *err = w->err;
    destroy_json(&w->work);
    if (r < 0)
        return r;
    if (!cw_arena_defer(mem, release_doc, doc))
        return cw_err_set(err, CW_ENOMEM, "no memory for a JSON document");
    *ret_doc = doc;
    return 0;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

struct file_work {
    struct cw_work work;
    char *path;
    struct cw_buf text;
    size_t bytes_max;
    int error; /* errno */
};

static int read_all(struct file_work *w, int fd)
{
    char *chunk = malloc(READ_CHUNK_BYTES);
    if (chunk == NULL)
        return -CW_ENOMEM;
    int r = 0;
    while (r == 0) {
        ssize_t n = read(fd, chunk, READ_CHUNK_BYTES);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            w->error = errno;
            r = -CW_ENET;
        } else if ((size_t)n > w->bytes_max - w->text.n) {
            r = -CW_ETOOBIG;
        } else {
            cw_buf_add(&w->text, chunk, (size_t)n);
            r = w->text.failed ? -CW_ENOMEM : 0;
        }
    }
    free(chunk);
    return r;
}

static int run_file(struct cw_work *work)
{
    struct file_work *w = (struct file_work *)work;
    int fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        w->error = errno;
        if (errno == ENOENT || errno == ENOTDIR)
            return -CW_ENOTFOUND;
        return errno == EACCES || errno == EPERM ? -CW_EDENIED : -CW_ENET;
    }
    int r = read_all(w, fd);
    (void)close(fd);
    return r;
}

static void destroy_file(struct cw_work *work)
{
    struct file_work *w = (struct file_work *)work;
    cw_buf_fini(&w->text);
    free(w->path);
    free(w);
}

static struct file_work *new_file_work(const char *path, size_t bytes_max)
{
    struct file_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->work = (struct cw_work){.run = run_file, .destroy = destroy_file};
    w->bytes_max = bytes_max;
    w->path = strdup(path);
    if (w->path == NULL) {
        free(w);
        return NULL;
    }
    return w;
}

int cw_offload_read_file(struct cw_loop *loop, const char *path, size_t bytes_max, struct cw_deadline until,
                         struct cw_arena *mem, struct cw_str *ret_text, struct cw_err *err)
{
    struct file_work *w = new_file_work(path, bytes_max);
    if (w == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory to read %s", path);
    bool is_done = false;
    int r = cw_offload(loop, &w->work, until, &is_done);
    if (!is_done)
        return cw_err_set(err, r, "read %s: %s", path, cw_err_text(r));
    if (r == 0) {
        char *text = cw_arena_memdup(mem, cw_buf_z(&w->text), w->text.n);
        if (text != NULL)
            *ret_text = (struct cw_str){text, w->text.n};
        else
            r = cw_err_set(err, CW_ENOMEM, "no memory for %s", path);
    } else if (r == -CW_ETOOBIG) {
        (void)cw_err_set(err, r, "%s is larger than %zu bytes", path, bytes_max);
    } else {
        char text[128];
        (void)cw_err_set(err, r, "read %s: %s", path, strerror_r(w->error, text, sizeof text));
    }
    destroy_file(&w->work);
    return r;
}

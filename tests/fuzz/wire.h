/* tests/fuzz/wire.h: the Azure clients in a world whose peers answer with the fuzzer's bytes.
 *
 * Input: chunks divided by lines of "===". The first chunk is for the target; each further one is an answer: its status, lines of headers,
 * an empty line, the body. Behind the last one the peer knows of nothing. Whatever it says: no token leaves the cloud, and calls end.
 * Suspends: never.  Thread: one. */
#ifndef CW_TESTS_FUZZ_WIRE_H
#define CW_TESTS_FUZZ_WIRE_H

#include "common/azure/databricks.h"
#include "tests/world/world.h"

#define WIRE_UNTIL_MS INT64_C(600000)
#define WIRE_CALLS_MAX 2000
#define WIRE_WORKSPACE_HOST "https://adb-12.3.databricks.azure.cn/"
#define WIRE_LOGIN_HOST "https://login.chinacloudapi.cn/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct wire {
    const char *rest; /* unread answers; NULL = none */
    size_t calls;
    struct cw_loop *loop;
    struct cw_http *http;
    struct cw_credential *credential;
    struct cw_arm *arm;
    struct cw_databricks *databricks;
    struct cw_arena *mem;
    struct cw_call call;
    struct cw_operation pending; /* resource_id NULL = none */
    const char *choice;          /* the first chunk */
    void (*run)(struct wire *w);
};

/* The next chunk, cut out of the text; NULL behind the last. */
static inline char *wire_chunk(struct cw_arena *mem, const char **rest)
{
    static const char mark[] = "\n===\n";
    if (*rest == NULL)
        return NULL;
    const char *end = strstr(*rest, mark);
    char *chunk = cw_arena_memdup(mem, *rest, end != NULL ? (size_t)(end - *rest) : strlen(*rest));
    *rest = end != NULL ? end + strlen(mark) : NULL;
    return chunk;
}

static inline void wire_headers(struct world_answer *out, char *lines, char *end)
{
    while (lines < end && out->header_count < WORLD_ANSWER_HEADERS_MAX) {
        char *line = lines, *stop = memchr(lines, '\n', (size_t)(end - lines));
        lines = stop != NULL ? stop + 1 : end;
        *(stop != NULL ? stop : end) = '\0';
        char *colon = strstr(line, ": ");
        if (colon == NULL)
            continue;
        *colon = '\0';
        world_answer_header(out, line, colon + 2);
    }
}

static inline void wire_fill(struct world_answer *out, char *chunk)
{
    char *line_end = strchr(chunk, '\n');
    int status = 0;
    for (const char *p = chunk; *p >= '0' && *p <= '9' && status < 100; p++)
        status = status * 10 + (*p - '0');
    out->status = status >= 200 && status <= 599 ? status : 200;
    if (line_end == NULL)
        return;
    char *body = strstr(line_end, "\n\n");
    if (body != NULL)
        out->body = body + 2;
    if (body == NULL || body > line_end)
        wire_headers(out, line_end + 1, body != NULL ? body : line_end + strlen(line_end));
}

static inline void wire_answer(void *arg, const struct cw_http_req *req, struct cw_arena *mem,
                               struct world_answer *out)
{
    struct wire *w = arg;
    bool is_login = cw_z_starts_nocase(req->url, WIRE_LOGIN_HOST);
    CW_BUG_ON(!is_login && !cw_z_starts_nocase(req->url, WIRE_WORKSPACE_HOST) &&
              !cw_cloud_url_is_arm(cw_cloud_find("china"), req->url));
    CW_BUG_ON(++w->calls > WIRE_CALLS_MAX);
    if (is_login) {
        out->status = 200;
        out->body = "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"expires_in\":\"86399\"}";
        return;
    }
    char *chunk = wire_chunk(mem, &w->rest);
    if (chunk != NULL) {
        wire_fill(out, chunk);
        return;
    }
    out->status = 404;
    out->body = "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"nothing there\"}}";
}

static inline bool wire_pending(void *arg, const char *id, struct cw_arena *mem, struct cw_operation *ret_op)
{
    const struct wire *w = arg;
    (void)mem;
    if (w->pending.resource_id == NULL || !cw_z_eq_nocase(id, w->pending.resource_id))
        return false;
    *ret_op = w->pending;
    return true;
}

static inline void wire_ended(void *arg, const char *id)
{
    (void)id;
    ((struct wire *)arg)->pending.resource_id = NULL;
}

static inline int wire_main(void *arg)
{
    struct wire *w = arg;
    w->run(w);
    return 0;
}

static inline void wire_open(struct wire *w)
{
    struct cw_err err = {0};
    const struct cw_cloud *cloud = cw_cloud_find("china");
    const struct cw_sched_cfg sched = {.fibers_max = 16};
    const struct cw_http_cfg http = {0};
    const struct cw_credential_cfg who = {.tenant_id = "t", .client_id = "c", .client_secret = "s"};
    bool ok = cw_loop_new(&sched, &w->loop, &err) == 0 && cw_http_new(w->loop, &http, &w->http, &err) == 0 &&
              cw_credential_new(w->loop, w->http, cloud, &who, &w->credential, &err) == 0;
    const struct cw_arm_cfg arm = {.cloud = cloud, .credential = w->credential};
    ok = ok && cw_arm_new(w->loop, w->http, &arm, &w->arm, &err) == 0 &&
         cw_databricks_new(w->arm, &w->databricks, &err) == 0;
    CW_BUG_ON(!ok);
}

static inline void wire_close(struct wire *w)
{
    cw_databricks_free(w->databricks);
    cw_arm_free(w->arm);
    cw_credential_free(w->credential);
    cw_http_free(w->http);
    cw_loop_free(w->loop);
}

/* Run the target's function on a fiber, with its answers. */
static inline int wire_play(const uint8_t *data, size_t size, void (*run)(struct wire *w))
{
    static const struct cw_call_ops ops = {.operation_pending = wire_pending, .operation_ended = wire_ended};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)256 << 20, &mem) < 0)
        return 0;
    world_reset(1);
    world_forget_calls();
    struct wire w = {.mem = mem, .run = run};
    world_set_handler(wire_answer, &w);
    w.rest = cw_arena_memdup(mem, data, size);
    w.choice = wire_chunk(mem, &w.rest);
    wire_open(&w);
    w.call = (struct cw_call){.until = cw_in_ms(WIRE_UNTIL_MS),
                              .mem = mem,
                              .correlation_id = "4d1c1a2b-0000-4000-8000-000000000000",
                              .ops = &ops,
                              .ops_arg = &w};
    (void)cw_loop_run_fiber(w.loop, "fuzz", wire_main, &w);
    wire_close(&w);
    world_reset(0);
    return 0;
}

#endif

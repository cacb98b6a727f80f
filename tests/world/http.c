#include "common/net/http.h"

#include <strings.h>

#include "common/fiber/wait.h"
#include "tests/world/clock.h"

#define FAULTS_MAX 32
#define ANSWER_DELAY_MS 5
#define TRICKLE_MS 2000 /* of a body that comes in small pieces, as azure-sim sends it */

struct cw_http {
    struct cw_loop *loop;
};

static struct {
    world_handler handler;
    void *handler_arg;
    struct az_model *model;
    struct world_fault faults[FAULTS_MAX];
    size_t fault_count;
    struct world_call *calls;
    size_t call_count;
    size_t call_cap;
    struct cw_arena *mem; /* of the calls */
    bool forgets;
    void (*on_call)(void *arg, const struct cw_http_req *req, const struct world_answer *answer,
                    bool is_back);
    void *on_call_arg;
} net;

void world_http_reset(void)
{
    free(net.calls);
    cw_arena_free(net.mem);
    memset(&net, 0, sizeof net);
}

__attribute__((destructor)) static void free_at_exit(void)
{
    world_http_reset();
}

void world_set_handler(world_handler handler, void *arg)
{
    net.handler = handler;
    net.handler_arg = arg;
}

void world_use_model(struct az_model *model)
{
    net.model = model;
}

struct az_model *world_model(void)
{
    return net.model;
}

void world_inject(const struct world_fault *fault)
{
    CW_PRE(net.fault_count < FAULTS_MAX);
    struct world_fault f = *fault;
    if (f.nth == 0)
        f.nth = net.call_count + 1;
    if (f.count == 0)
        f.count = 1;
    net.faults[net.fault_count++] = f;
}

size_t world_call_count(void)
{
    return net.call_count;
}

const struct world_call *world_call_at(size_t index)
{
    CW_PRE(index < net.call_count);
    return &net.calls[index];
}

size_t world_calls_of(const char *method, const char *url_part)
{
    size_t count = 0;
    for (size_t i = 0; i < net.call_count; i++)
        if ((method == NULL || strcmp(net.calls[i].method, method) == 0) &&
            (url_part == NULL || strstr(net.calls[i].url, url_part) != NULL))
            count++;
    return count;
}

void world_on_call(void (*fn)(void *arg, const struct cw_http_req *req, const struct world_answer *answer,
                              bool is_back),
                   void *arg)
{
    net.on_call = fn;
    net.on_call_arg = arg;
}

static void tell_call(const struct cw_http_req *req, const struct world_answer *answer, bool is_back)
{
    if (net.on_call != NULL)
        net.on_call(net.on_call_arg, req, answer, is_back);
}

void world_answer_header(struct world_answer *out, const char *name, const char *value)
{
    CW_PRE(out->header_count < WORLD_ANSWER_HEADERS_MAX);
    out->headers[out->header_count++] = (struct cw_http_header){name, value};
}

void world_answer_body(struct world_answer *out, struct cw_arena *mem, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    out->body = cw_arena_vprintf(mem, fmt, args);
    va_end(args);
    out->body_bytes = strlen(out->body);
}

int cw_http_new(struct cw_loop *loop, const struct cw_http_cfg *cfg, struct cw_http **ret_http,
                struct cw_err *err)
{
    (void)cfg;
    struct cw_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return cw_err_set(err, CW_ENOMEM, "http");
    http->loop = loop;
    *ret_http = http;
    return 0;
}

void cw_http_free(struct cw_http *http)
{
    free(http);
}

static const char *header_of(const struct cw_http_req *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    return NULL;
}

void world_forget_calls(void)
{
    net.forgets = true;
}

/* Index of the new entry; the table may move while others call. */
static size_t note_call(const struct cw_http_req *req)
{
    if (net.forgets)
        return 0;
    if (net.mem == NULL)
        CW_BUG_ON(cw_arena_new((size_t)1024 * 1024 * 1024, &net.mem) != 0);
    if (net.call_count == net.call_cap) {
        net.call_cap = net.call_cap == 0 ? 64 : net.call_cap * 2;
        net.calls = realloc(net.calls, net.call_cap * sizeof *net.calls);
        CW_BUG_ON(net.calls == NULL);
    }
    net.calls[net.call_count] = (struct world_call){
        .method = cw_arena_strdup(net.mem, req->method),
        .url = cw_arena_strdup(net.mem, req->url),
        .body = req->body.n > 0 ? cw_arena_memdup(net.mem, req->body.p, req->body.n) : NULL,
        .authorization = cw_arena_strdup(net.mem, header_of(req, "authorization")),
        .correlation_id = cw_arena_strdup(net.mem, header_of(req, "x-ms-correlation-request-id")),
        .at_ms = cw_wall_ms(),
    };
    return net.call_count++;
}

static struct world_fault *fault_of(size_t index, const struct cw_http_req *req)
{
    for (size_t i = 0; i < net.fault_count; i++) {
        struct world_fault *f = &net.faults[i];
        if (f->count == 0 || index + 1 < f->nth)
            continue;
        if (f->method != NULL && strcmp(f->method, req->method) != 0)
            continue;
        if (f->url_part != NULL && strstr(req->url, f->url_part) == NULL)
            continue;
        f->count--;
        return f;
    }
    return NULL;
}

static void answer_by_model(const struct cw_http_req *req, struct cw_arena *mem, struct world_answer *out)
{
    const char *host = strstr(req->url, "://");
    host = host != NULL ? host + 3 : req->url;
    size_t origin = strcspn(host, "/?");
    char *name = cw_arena_memdup(mem, host, strcspn(host, ":/?"));
    struct az_header headers[40];
    size_t count = 0;
    for (size_t i = 0; i < req->header_count && count < CW_ARRAY_LEN(headers) - 1; i++)
        headers[count++] = (struct az_header){req->headers[i].name, req->headers[i].value};
    if (req->content_type != NULL)
        headers[count++] = (struct az_header){"Content-Type", req->content_type};
    struct az_request request = {
        .method = req->method,
        .host = name,
        .target = host[origin] != '\0' ? host + origin : "/",
        .headers = headers,
        .header_count = count,
        .body = req->body.p,
        .body_bytes = req->body.n,
    };
    struct az_response response = {0};
    az_model_advance(net.model, world_wall_ms());
    az_model_handle(net.model, &request, &response);
    out->status = response.status;
    for (size_t i = 0; i < response.header_count && i < WORLD_ANSWER_HEADERS_MAX; i++)
        world_answer_header(out, cw_arena_strdup(mem, response.headers[i].name),
                            cw_arena_strdup(mem, response.headers[i].value));
    out->body = response.body != NULL ? cw_arena_memdup(mem, response.body, response.body_bytes) : NULL;
    out->body_bytes = response.body_bytes;
    out->delay_ms = response.delay_ms;
    if (response.wire == AZ_WIRE_RESET || response.wire == AZ_WIRE_TRUNCATED) {
        out->error = CW_ENET;
        out->maybe_sent = true;
    }
    out->never = response.wire == AZ_WIRE_HANG;
    if (response.wire == AZ_WIRE_SLOW)
        out->delay_ms += TRICKLE_MS;
    az_response_fini(&response);
}

static void answer(const struct cw_http_req *req, struct cw_arena *mem, struct world_answer *out)
{
    if (net.handler != NULL)
        net.handler(net.handler_arg, req, mem, out);
    else if (net.model != NULL)
        answer_by_model(req, mem, out);
    else
        out->error = CW_ENET;
}

static void answer_with_fault(const struct world_fault *f, const struct cw_http_req *req,
                              struct cw_arena *mem, struct world_answer *out)
{
    switch (f->kind) {
    case WORLD_FAULT_LOST:
        answer(req, mem, out);
        *out = (struct world_answer){.error = f->error, .maybe_sent = true};
        break;
    case WORLD_FAULT_ANSWER:
        out->status = f->status;
        out->body = f->body;
        if (f->header.name != NULL)
            world_answer_header(out, f->header.name, f->header.value);
        break;
    case WORLD_FAULT_CANCEL:
        out->never = true;
        cw_fiber_cancel(cw_fiber_self(), f->error != 0 ? f->error : CW_ECANCELED);
        break;
    default:
        out->error = f->error;
        break;
    }
}

static int copy_answer(const struct world_answer *out, const struct cw_http_req *req, struct cw_arena *mem,
                       struct cw_http_res *ret_res, struct cw_err *err)
{
    size_t bytes = out->body_bytes;
    if (out->body != NULL && bytes == 0)
        bytes = strlen(out->body);
    ret_res->maybe_sent = true;
    if (bytes > (req->body_bytes_max > 0 ? req->body_bytes_max : (size_t)8 * 1024 * 1024))
        return cw_err_set(err, CW_ETOOBIG, "answer of %zu bytes", bytes);
    struct cw_http_header *headers = cw_arena_alloc_array(mem, out->header_count + 1, sizeof *headers);
    char *body = cw_arena_memdup(mem, out->body != NULL ? out->body : "", bytes);
    if (headers == NULL || body == NULL)
        return cw_err_set(err, CW_ENOMEM, "answer");
    for (size_t i = 0; i < out->header_count; i++) {
        char *name = cw_arena_strdup(mem, out->headers[i].name);
        if (name != NULL)
            cw_z_lower(name);
        headers[i] = (struct cw_http_header){name, cw_arena_strdup(mem, out->headers[i].value)};
    }
    *ret_res = (struct cw_http_res){
        .status = out->status,
        .headers = headers,
        .header_count = out->header_count,
        .body = {body, bytes},
        .elapsed_ms = out->delay_ms,
    };
    return cw_arena_failed(mem) ? cw_err_set(err, CW_ENOMEM, "answer") : 0;
}

/* The time on the wire. Cancellation and the deadline win. */
static int wait_for_answer(const struct world_answer *out, struct cw_deadline until,
                           struct cw_http_res *ret_res, struct cw_err *err)
{
    struct cw_wait w;
    cw_wait_arm(&w);
    struct cw_deadline arrives =
        out->never ? CW_NEVER : cw_in_ms(out->delay_ms > 0 ? out->delay_ms : ANSWER_DELAY_MS);
    int r = cw_wait_for(&w, cw_sooner(until, arrives));
    if (r != -CW_ETIMEDOUT) {
        ret_res->maybe_sent = true;
        return cw_err_set(err, r, "request was given up");
    }
    if (until.mono_ms <= arrives.mono_ms && until.mono_ms != INT64_MAX) {
        ret_res->maybe_sent = true;
        return cw_err_set(err, CW_ETIMEDOUT, "no answer in time");
    }
    return 0;
}

int cw_http_call(struct cw_http *http, const struct cw_http_req *req, struct cw_deadline until,
                 struct cw_arena *mem, struct cw_http_res *ret_res, struct cw_err *err)
{
    (void)http;
    *ret_res = (struct cw_http_res){0};
    CW_PRE(req->allow_plain || cw_z_starts_nocase(req->url, "https://"));
    if (cw_fiber_cancel_reason() != 0)
        return cw_err_set(err, cw_fiber_cancel_reason(), "cancelled");
    if (cw_is_past(until))
        return cw_err_set(err, CW_ETIMEDOUT, "deadline passed before the request");
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new((size_t)64 * 1024 * 1024, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "answer");
    world_touch("http before");
    size_t index = note_call(req);
    struct world_answer out = {0};
    const struct world_fault *fault = fault_of(index, req);
    if (fault != NULL)
        answer_with_fault(fault, req, scratch, &out);
    else
        answer(req, scratch, &out);
    tell_call(req, &out, false);
    world_touch("http after");
    int r = wait_for_answer(&out, until, ret_res, err);
    if (r < 0)
        return r;
    if (out.error != 0) {
        ret_res->maybe_sent = out.maybe_sent;
        return cw_err_set(err, out.error, "injected: %s", cw_err_text(out.error));
    }
    if (!net.forgets)
        net.calls[index].status = out.status;
    tell_call(req, &out, true);
    return copy_answer(&out, req, mem, ret_res, err);
}

const char *cw_http_header(const struct cw_http_res *res, const char *name)
{
    for (size_t i = 0; i < res->header_count; i++)
        if (strcmp(res->headers[i].name, name) == 0)
            return res->headers[i].value;
    return NULL;
}

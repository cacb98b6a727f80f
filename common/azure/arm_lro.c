#include <strings.h>

#include "common/azure/arm_impl.h"

#define POLL_DEFAULT_MS 30000
#define SETTLE_POLL_MS 10000
#define UNREADABLE_MAX 8 /* consecutive looks at an operation that told nothing */
#define GONE_MAX 3       /* consecutive 404s of an operation: then the resource is asked */
#define NEW_404_MAX 12   /* looks for a resource that was just made, SETTLE_POLL_MS apart */

const char *cw_arm_state_of(const json_t *doc)
{
    const char *state = cw_json_str(doc, "properties/provisioningState", NULL);
    return state != NULL ? state : "Succeeded";
}

static bool is_success(const char *status)
{
    return strcasecmp(status, "Succeeded") == 0;
}

static bool is_failure(const char *status)
{
    return strcasecmp(status, "Failed") == 0 || strcasecmp(status, "Canceled") == 0 ||
           strcasecmp(status, "Cancelled") == 0;
}

bool cw_arm_state_is_terminal(const char *state)
{
    return is_success(state) || is_failure(state);
}

/* An operation while it is polled. */
struct poll {
    struct cw_arm *arm;
    const struct cw_call *call;
    struct cw_operation op;
    const char *location; /* may move while polling */
    int64_t told_ms;      /* until the next look, at least; 0 or less = the default, which grows */
    bool is_resumed;      /* the first look comes at once */
    int percent;
    int unreadable;
    int gone;
    bool use_resource; /* the operation can't be read any more: judge by the resource */
    json_t *result;    /* in call->mem */
};

enum look { LOOK_RUNNING = 0, LOOK_SUCCEEDED, LOOK_RESOURCE };

static int64_t retry_after_of(const struct cw_http_res *res)
{
    return cw_retry_after_ms(res, cw_wall_ms());
}

/* NULL stays NULL; a relative URL is taken on the ARM host; memory of the call. */
static int absolute(struct cw_arm *arm, const struct cw_call *call, const char *url, const char **ret_url,
                    struct cw_err *err)
{
    *ret_url = NULL;
    if (url == NULL || url[0] == '\0')
        return 0;
    const char *whole = url[0] == '/'
                            ? cw_arena_printf(call->mem, "%s%s", cw_arm_cloud(arm)->arm_endpoint, url)
                            : cw_arena_strdup(call->mem, url);
    if (whole == NULL)
        return cw_err_set(err, CW_ENOMEM, "operation");
    if (!cw_cloud_url_is_arm(cw_arm_cloud(arm), whole))
        return cw_err_set(err, CW_EPROTO, "the operation's URL is outside the %s cloud: it is refused",
                          cw_arm_cloud(arm)->name);
    *ret_url = whole;
    return 0;
}

/* A look that told nothing about the operation: 0 = look again. */
static int note_unreadable(struct poll *p, const struct cw_err *why, struct cw_err *err)
{
    if (cw_class_is_stop(why->class) || cw_is_past(p->call->until)) {
        *err = *why;
        return -err->code;
    }
    bool is_gone = why->http_status == 404 || why->http_status == 410;
    p->gone = is_gone ? p->gone + 1 : 0;
    p->unreadable++;
    if (p->gone >= GONE_MAX || p->unreadable >= UNREADABLE_MAX)
        p->use_resource = true;
    p->told_ms = why->retry_after_ms;
    return 0;
}

static int fail_operation(const struct poll *p, const json_t *doc, struct cw_err *err)
{
    (void)cw_armerr_fill(doc, 0, NULL, err);
    (void)cw_z_copy(err->correlation_id, sizeof err->correlation_id,
                    p->op.correlation_id != NULL ? p->op.correlation_id : "");
    return cw_err_wrap(err, "%s %.160s: operation %s", p->op.method, p->op.resource_id,
                       cw_json_str(doc, "status", "failed"));
}

static int look_async(struct poll *p, struct cw_arena *scratch, enum look *ret_look, struct cw_err *err)
{
    struct cw_arm_req req = {.method = "GET", .url = p->op.async_url};
    struct cw_arm_answer answer;
    struct cw_err why = {0};
    if (cw_arm_send(p->arm, p->call, &req, scratch, &answer, &why) < 0)
        return note_unreadable(p, &why, err);
    p->unreadable = p->gone = 0;
    p->told_ms = retry_after_of(&answer.http);
    const char *status = cw_json_str(answer.doc, "status", NULL);
    if (status == NULL)
        status = cw_json_str(answer.doc, "properties/provisioningState", NULL);
    if (status == NULL)
        status = answer.http.status == 202 ? "InProgress" : "Succeeded";
    if (is_failure(status))
        return fail_operation(p, answer.doc, err);
    p->percent = (int)cw_json_int(answer.doc, "percentComplete", -1);
    *ret_look = is_success(status) ? LOOK_SUCCEEDED : LOOK_RUNNING;
    return 0;
}

static int look_location(struct poll *p, struct cw_arena *scratch, enum look *ret_look, struct cw_err *err)
{
    struct cw_arm_req req = {.method = "GET", .url = p->location};
    struct cw_arm_answer answer;
    struct cw_err why = {0};
    int r = cw_arm_send(p->arm, p->call, &req, scratch, &answer, &why);
    if (r < 0 && why.http_status >= 400 && why.http_status < 500 && why.http_status != 404 &&
        why.http_status != 410 && why.http_status != 408 && why.http_status != 401 &&
        why.class != CW_CLASS_THROTTLED) {
        *err = why;
        return cw_err_wrap(err, "%s %.160s: operation failed", p->op.method, p->op.resource_id);
    }
    if (r < 0)
        return note_unreadable(p, &why, err);
    p->unreadable = p->gone = 0;
    p->told_ms = retry_after_of(&answer.http);
    if (answer.http.status != 202) {
        *ret_look = LOOK_SUCCEEDED;
        p->result = answer.doc;
        return cw_arm_adopt(p->call, answer.doc, err);
    }
    const char *moved = NULL;
    r = absolute(p->arm, p->call, cw_http_header(&answer.http, "location"), &moved, err);
    if (r == 0 && moved != NULL)
        p->location = moved;
    *ret_look = LOOK_RUNNING;
    return r;
}

static int look(struct poll *p, enum look *ret_look, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    *ret_look = LOOK_RUNNING;
    if (p->use_resource) {
        *ret_look = LOOK_RESOURCE;
        return 0;
    }
    if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "operation");
    return p->op.async_url != NULL ? look_async(p, scratch, ret_look, err)
                                   : look_location(p, scratch, ret_look, err);
}

static int poll_to_end(struct poll *p, struct cw_err *err)
{
    for (;;) {
        int64_t base_ms = POLL_DEFAULT_MS + cw_random_between(-POLL_DEFAULT_MS / 5, POLL_DEFAULT_MS / 5);
        struct cw_waiting waiting = {
            .reason = CW_WAIT_OPERATION,
            .what = p->op.resource_id,
            .detail = p->op.method,
            .percent = p->percent,
            .since_wall_ms = p->op.started_wall_ms,
        };
        if (p->unreadable > 0) /* so many looks count, not how long they take */
            waiting.since_wall_ms = 0;
        int r = p->is_resumed ? 0 : cw_arm_pause(p->arm, p->call, waiting, base_ms, p->told_ms, err);
        p->is_resumed = false;
        if (r < 0)
            return r;
        enum look seen = LOOK_RUNNING;
        r = look(p, &seen, err);
        if (r < 0 || seen != LOOK_RUNNING)
            return r;
    }
}

static void say_ended(const struct cw_call *call, const char *id)
{
    if (call->ops != NULL && call->ops->operation_ended != NULL)
        call->ops->operation_ended(call->ops_arg, id);
}

/* It has ended when its outcome is known; a wait that was given up leaves it in the journal. */
static bool is_outcome(int r)
{
    enum cw_class class = cw_err_class_of(r);
    return r == 0 || !(cw_class_is_stop(class) || r == -CW_ETIMEDOUT || r == -CW_ENOMEM);
}

static int run_poll(struct poll *p, json_t **ret_result, struct cw_err *err)
{
    int r = poll_to_end(p, err);
    if (is_outcome(r))
        say_ended(p->call, p->op.resource_id);
    if (r == 0 && ret_result != NULL)
        *ret_result = p->result;
    return r;
}

int cw_arm_follow(struct cw_arm *arm, const struct cw_call *call, const struct cw_arm_req *req,
                  const struct cw_arm_answer *answer, json_t **ret_result, struct cw_err *err)
{
    if (ret_result != NULL)
        *ret_result = NULL;
    const char *async = cw_http_header(&answer->http, "azure-asyncoperation");
    if (async == NULL)
        async = cw_http_header(&answer->http, "operation-location");
    const char *location = cw_http_header(&answer->http, "location");
    if (answer->http.status != 202 && async == NULL)
        location = NULL; /* of the created resource, not of an operation */
    struct poll p = {.arm = arm, .call = call, .percent = -1};
    int r = absolute(arm, call, async, &p.op.async_url, err);
    if (r == 0)
        r = absolute(arm, call, location, &p.op.location_url, err);
    if (r < 0)
        return cw_err_wrap(err, "%s %.160s", req->method, req->path);
    if (p.op.async_url == NULL && p.op.location_url == NULL)
        return 0;
    const char *correlation = cw_http_header(&answer->http, "x-ms-correlation-request-id");
    p.op.resource_id = req->path;
    p.op.method = req->method;
    p.op.original_url = cw_arena_strdup(call->mem, answer->url);
    p.op.correlation_id =
        cw_arena_strdup(call->mem, correlation != NULL ? correlation : call->correlation_id);
    p.op.started_wall_ms = cw_wall_ms();
    p.location = p.op.location_url;
    p.told_ms = retry_after_of(&answer->http);
    if (call->ops != NULL && call->ops->operation_started != NULL) {
        r = call->ops->operation_started(call->ops_arg, &p.op, err);
        if (r < 0)
            return r;
    }
    return run_poll(&p, ret_result, err);
}

int cw_arm_resume(struct cw_arm *arm, const struct cw_call *call, const char *id, bool *ret_had,
                  struct cw_err *err)
{
    struct poll p = {.arm = arm, .call = call, .percent = -1, .is_resumed = true};
    *ret_had = call->ops != NULL && call->ops->operation_pending != NULL &&
               call->ops->operation_pending(call->ops_arg, id, call->mem, &p.op);
    if (!*ret_had)
        return 0;
    const char *async = p.op.async_url;
    const char *location = p.op.location_url;
    p.op.resource_id = id;
    if (p.op.method == NULL)
        p.op.method = "PUT";
    int r = absolute(arm, call, async, &p.op.async_url, err);
    if (r == 0)
        r = absolute(arm, call, location, &p.op.location_url, err);
    if (r < 0) {
        if (r != -CW_ENOMEM)
            say_ended(call, id);
        return r;
    }
    p.location = p.op.location_url;
    p.use_resource = p.op.async_url == NULL && p.op.location_url == NULL;
    return run_poll(&p, NULL, err);
}

int cw_arm_settle(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
                  bool is_new, json_t **ret_doc, struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    for (int missing = 0;;) {
        CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
        if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
            return cw_err_set(err, CW_ENOMEM, "request");
        struct cw_arm_req req = {.method = "GET", .path = id, .api = api};
        struct cw_arm_answer answer;
        int r = cw_arm_send(arm, call, &req, scratch, &answer, err);
        if (r == -CW_ENOTFOUND && (!is_new || ++missing > NEW_404_MAX)) {
            *ret_doc = NULL;
            cw_err_clear(err);
            return 0;
        }
        if (r < 0 && r != -CW_ENOTFOUND)
            return r;
        const char *state = r == 0 ? cw_arm_state_of(answer.doc) : "NotFound";
        if (r == 0 && cw_arm_state_is_terminal(state)) {
            *ret_doc = answer.doc;
            return cw_arm_adopt(call, answer.doc, err);
        }
        cw_err_clear(err);
        int64_t told = answer.http.status == 200 ? retry_after_of(&answer.http) : -1;
        struct cw_waiting waiting = {
            .reason = CW_WAIT_OPERATION, .what = id, .detail = state, .percent = -1, .since_wall_ms = since};
        r = cw_arm_pause(arm, call, waiting, SETTLE_POLL_MS, told, err);
        if (r < 0)
            return r;
    }
}

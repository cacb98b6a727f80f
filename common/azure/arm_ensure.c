#include <strings.h>

#include "common/azure/arm_impl.h"

#define WRITE_TRIES 4  /* after failures that may pass */
#define PARENT_TRIES 4 /* a parent that was just made is not seen yet */
#define CONFLICT_WAIT_MS 15000
#define RETRY_WAIT_MS 5000

/* One resource that is being written, over all its tries. */
struct writing {
    struct cw_arm *arm;
    const struct cw_call *call;
    const char *method;
    const char *id;
    const struct cw_api *api;
    bool if_none_match;
    int failures;
    int missing;
    bool was_sent; /* a try may have taken effect */
};

const char *cw_effect_name(enum cw_effect effect)
{
    static const char *const names[] = {"unchanged", "created", "updated", "would create", "would update"};
    return (unsigned)effect < CW_ARRAY_LEN(names) ? names[effect] : "unknown";
}

static bool is_lost_write(const struct cw_err *err)
{
    return err->code == CW_ENET || err->code == CW_EREMOTE || err->code == CW_EPROTO ||
           err->code == CW_ETIMEDOUT;
}

/* What to do about a try that failed: 0 = look at the resource and go on, else the code. */
static int after_failure(struct writing *w, bool fate_unknown, struct cw_err *err)
{
    struct cw_err why = *err;
    w->was_sent = w->was_sent || fate_unknown;
    if (why.class == CW_CLASS_CONFLICT)
        return cw_arm_back_off(w->arm, w->call, CW_WAIT_OPERATION, w->id, CONFLICT_WAIT_MS, &why, err);
    bool is_parent = why.code == CW_ENOTFOUND && cw_z_ends(why.remote_code, "NotFound") &&
                     !cw_z_eq(why.remote_code, "SubscriptionNotFound");
    if (is_parent && ++w->missing <= PARENT_TRIES)
        return cw_arm_back_off(w->arm, w->call, CW_WAIT_RETRY, w->id, RETRY_WAIT_MS, &why, err);
    if (is_lost_write(&why) && !cw_is_past(w->call->until) && ++w->failures < WRITE_TRIES)
        return cw_arm_back_off(w->arm, w->call, CW_WAIT_RETRY, w->id,
                               (int64_t)RETRY_WAIT_MS << (w->failures - 1), &why, err);
    return -err->code;
}

/* Send the body once and follow its operation. *ret_sent true when Azure took it, or may have. */
static int write_once(struct writing *w, const json_t *body, bool *ret_unknown, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "request");
    struct cw_arm_req req = {
        .method = w->method, .path = w->id, .api = w->api, .body = body, .if_none_match = w->if_none_match};
    struct cw_arm_answer answer;
    int r = cw_arm_send(w->arm, w->call, &req, scratch, &answer, err);
    *ret_unknown = r < 0 && answer.fate_unknown;
    if (r < 0)
        return r;
    w->was_sent = true;
    return cw_arm_follow(w->arm, w->call, &req, &answer, NULL, err);
}

static int fail_state(const char *id, const json_t *doc, struct cw_err *err)
{
    const json_t *inner = cw_json_at(doc, "properties/error");
    if (inner != NULL) {
        (void)cw_armerr_fill(inner, 0, NULL, err);
        return cw_err_wrap(err, "%.160s is %s", id, cw_arm_state_of(doc));
    }
    return cw_err_set(err, CW_EOPFAILED, "%.200s ended in state %s", id, cw_arm_state_of(doc));
}

/* The resource after a write that succeeded. */
static int read_back(struct writing *w, json_t **ret_doc, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_settle(w->arm, w->call, w->id, w->api, true, &doc, err);
    if (r < 0)
        return r;
    if (doc == NULL)
        return cw_err_set(err, CW_EOPFAILED, "%.200s is not there after it was written", w->id);
    if (strcasecmp(cw_arm_state_of(doc), "Succeeded") != 0)
        return fail_state(w->id, doc, err);
    *ret_doc = doc;
    return 0;
}

int cw_arm_wait_ready(struct cw_arm *arm, const struct cw_call *call, const char *id,
                      const struct cw_api *api, json_t **ret_doc, struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_arm_settle(arm, call, id, api, false, &doc, err);
    if (r < 0)
        return r;
    if (doc == NULL)
        return cw_err_set(err, CW_ENOTFOUND, "%.200s does not exist", id);
    if (strcasecmp(cw_arm_state_of(doc), "Succeeded") != 0)
        return fail_state(id, doc, err);
    *ret_doc = doc;
    return 0;
}

/* --- ensure -------------------------------------------------------------------------------------------------------- */

static bool is_failed(const json_t *doc)
{
    return strcasecmp(cw_arm_state_of(doc), "Succeeded") != 0;
}

/* Is nothing to do? *ret_difference (in call->mem) names the first thing otherwise. */
static bool is_met(const struct cw_call *call, const struct cw_goal *goal, const json_t *doc,
                   const char **ret_difference)
{
    *ret_difference = NULL;
    if (doc == NULL)
        return false;
    if (is_failed(doc)) {
        *ret_difference =
            cw_arena_printf(call->mem, "provisioningState: %s -> Succeeded", cw_arm_state_of(doc));
        return false;
    }
    CW_AUTO(cw_buf_fini) struct cw_buf difference = {.max = 1024};
    if (goal->only_create || cw_arm_holds(doc, goal->desired, &difference))
        return true;
    *ret_difference = cw_arena_strdup(call->mem, cw_buf_z(&difference));
    return false;
}

static json_t *body_of(const struct cw_goal *goal, const json_t *doc)
{
    if (doc != NULL)
        return cw_arm_merge(doc, goal->desired, goal->read_only);
    json_t *body = goal->at_creation != NULL ? json_deep_copy(goal->at_creation) : json_object();
    json_t *whole = body != NULL ? cw_arm_merge(body, goal->desired, NULL) : NULL;
    json_decref(body);
    return whole;
}

static int refuse_update(const struct cw_goal *goal, const char *difference, struct cw_err *err)
{
    int r = cw_err_set(err, CW_EMISCONFIGURED, "%.200s exists and differs: %.200s", goal->id,
                       difference != NULL ? difference : "");
    cw_err_remedy(err, "use another name, or change the existing resource by hand");
    return r;
}

static int put_goal(struct writing *w, const struct cw_goal *goal, const json_t *doc, json_t **ret_doc,
                    struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *body = body_of(goal, doc);
    if (body == NULL)
        return cw_err_set(err, CW_ENOMEM, "request");
    bool fate_unknown = false;
    w->if_none_match = goal->create_guarded && doc == NULL;
    int r = write_once(w, body, &fate_unknown, err);
    if (r == 0)
        r = read_back(w, ret_doc, err);
    if (r == 0)
        return 1;
    return after_failure(w, fate_unknown, err);
}

int cw_arm_ensure(struct cw_arm *arm, const struct cw_call *call, const struct cw_goal *goal,
                  struct cw_ensured *ret_ensured, struct cw_err *err)
{
    struct writing w = {.arm = arm, .call = call, .method = "PUT", .id = goal->id, .api = goal->api};
    bool was_absent = false;
    bool was_resumed = false;
    int r = cw_arm_resume(arm, call, goal->id, &was_resumed, err);
    if (r < 0)
        return r;
    for (;;) {
        json_t *doc = NULL;
        struct cw_ensured out = {.effect = CW_EFFECT_NONE};
        r = cw_arm_settle(arm, call, goal->id, goal->api, was_resumed, &doc, err);
        if (r < 0)
            return r;
        was_resumed = false;
        was_absent = was_absent || doc == NULL;
        out.doc = doc;
        if (is_met(call, goal, doc, &out.difference)) {
            if (w.was_sent)
                out.effect = was_absent ? CW_EFFECT_CREATED : CW_EFFECT_UPDATED;
            *ret_ensured = out;
            return 0;
        }
        if (doc != NULL && goal->update_is_refused && !is_failed(doc))
            return refuse_update(goal, out.difference, err);
        out.effect = doc == NULL ? CW_EFFECT_WOULD_CREATE : CW_EFFECT_WOULD_UPDATE;
        if (call->plan_only) {
            *ret_ensured = out;
            return 0;
        }
        r = put_goal(&w, goal, doc, &out.doc, err);
        if (r < 0)
            return r;
        if (r == 1) {
            out.effect = was_absent ? CW_EFFECT_CREATED : CW_EFFECT_UPDATED;
            *ret_ensured = out;
            return 0;
        }
        cw_err_clear(err);
    }
}

/* --- plain writes ------------------------------------------------------------------------------------------------- */

/* PUT or PATCH until it is taken; a write whose fate is unknown is not sent again when the resource shows it. */
static int write_plainly(struct writing *w, const json_t *body, json_t **ret_doc, struct cw_err *err)
{
    for (;;) {
        bool fate_unknown = false;
        int r = write_once(w, body, &fate_unknown, err);
        if (r == 0)
            return read_back(w, ret_doc, err);
        r = after_failure(w, fate_unknown, err);
        if (r < 0)
            return r;
        cw_err_clear(err);
        json_t *doc = NULL;
        r = w->was_sent ? cw_arm_settle(w->arm, w->call, w->id, w->api, false, &doc, err) : 0;
        if (r < 0)
            return r;
        if (doc != NULL && !is_failed(doc) && cw_arm_holds(doc, body, NULL)) {
            *ret_doc = doc;
            return 0;
        }
    }
}

static int resume_then_write(struct cw_arm *arm, const struct cw_call *call, const char *method,
                             const char *id, const struct cw_api *api, const json_t *body, json_t **ret_doc,
                             struct cw_err *err)
{
    struct writing w = {.arm = arm, .call = call, .method = method, .id = id, .api = api};
    bool had = false;
    int r = cw_arm_resume(arm, call, id, &had, err);
    if (r < 0)
        return r;
    return had ? read_back(&w, ret_doc, err) : write_plainly(&w, body, ret_doc, err);
}

int cw_arm_put(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
               const json_t *body, json_t **ret_doc, struct cw_err *err)
{
    return resume_then_write(arm, call, "PUT", id, api, body, ret_doc, err);
}

int cw_arm_patch(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
                 const json_t *body, json_t **ret_doc, struct cw_err *err)
{
    return resume_then_write(arm, call, "PATCH", id, api, body, ret_doc, err);
}

int cw_arm_post(struct cw_arm *arm, const struct cw_call *call, const char *path, const struct cw_api *api,
                const json_t *body, json_t **ret_doc, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
    if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
        return cw_err_set(err, CW_ENOMEM, "request");
    struct cw_arm_req req = {.method = "POST", .path = path, .api = api, .body = body};
    struct cw_arm_answer answer;
    int r = cw_arm_send(arm, call, &req, scratch, &answer, err);
    if (r < 0)
        return r;
    json_t *result = NULL;
    r = cw_arm_follow(arm, call, &req, &answer, &result, err);
    if (r == 0 && result == NULL && answer.http.status != 202)
        result = answer.doc;
    if (r == 0)
        r = cw_arm_adopt(call, result, err);
    if (r == 0)
        *ret_doc = result;
    return r;
}

/* Wait until GET gives 404. */
static int wait_gone(struct writing *w, struct cw_err *err)
{
    int64_t since = cw_wall_ms();
    for (;;) {
        CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
        if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
            return cw_err_set(err, CW_ENOMEM, "request");
        struct cw_arm_req req = {.method = "GET", .path = w->id, .api = w->api};
        struct cw_arm_answer answer;
        int r = cw_arm_send(w->arm, w->call, &req, scratch, &answer, err);
        if (r == -CW_ENOTFOUND) {
            cw_err_clear(err);
            return 0;
        }
        if (r < 0)
            return r;
        if (is_failed(answer.doc) && cw_arm_state_is_terminal(cw_arm_state_of(answer.doc)))
            return fail_state(w->id, answer.doc, err);
        struct cw_waiting waiting = {.reason = CW_WAIT_OPERATION,
                                     .what = w->id,
                                     .detail = "Deleting",
                                     .percent = -1,
                                     .since_wall_ms = since};
        r = cw_arm_pause(w->arm, w->call, waiting, RETRY_WAIT_MS, 0, err);
        if (r < 0)
            return r;
    }
}

int cw_arm_delete(struct cw_arm *arm, const struct cw_call *call, const char *id, const struct cw_api *api,
                  bool *ret_existed, struct cw_err *err)
{
    struct writing w = {.arm = arm, .call = call, .method = "DELETE", .id = id, .api = api};
    bool existed = true;
    for (;;) {
        CW_AUTO(cw_auto_arena) struct cw_arena *scratch = NULL;
        if (cw_arena_new(ARM_SCRATCH_BYTES_MAX, &scratch) < 0)
            return cw_err_set(err, CW_ENOMEM, "request");
        struct cw_arm_req req = {.method = "DELETE", .path = id, .api = api};
        struct cw_arm_answer answer;
        int r = cw_arm_send(arm, call, &req, scratch, &answer, err);
        if (r == -CW_ENOTFOUND || (r == 0 && answer.http.status == 204 && !w.was_sent)) {
            existed = w.was_sent;
            break;
        }
        if (r == 0)
            r = cw_arm_follow(arm, call, &req, &answer, NULL, err);
        if (r == 0)
            r = wait_gone(&w, err);
        if (r == 0)
            break;
        r = after_failure(&w, answer.fate_unknown, err);
        if (r < 0)
            return r;
        cw_err_clear(err);
    }
    cw_err_clear(err);
    if (ret_existed != NULL)
        *ret_existed = existed;
    return 0;
}

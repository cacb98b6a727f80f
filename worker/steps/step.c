#include "worker/steps/step.h"

#include <stdarg.h>
#include <stdio.h>

#define SENTENCE_BYTES_MAX 1024

static void tell(void (*fn)(void *arg, const char *text), void *arg, const char *fmt, va_list args)
    CW_PRINTF(3, 0);
static void tell(void (*fn)(void *arg, const char *text), void *arg, const char *fmt, va_list args)
{
    char text[SENTENCE_BYTES_MAX];
    (void)vsnprintf(text, sizeof text, fmt, args);
    fn(arg, text);
}

void cw_step_found(struct cw_step_ctx *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(c->ops->found, c->ops_arg, fmt, args);
    va_end(args);
}

void cw_step_changed(struct cw_step_ctx *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(c->ops->changed, c->ops_arg, fmt, args);
    va_end(args);
}

int cw_step_lock(struct cw_step_ctx *c, const char *resource_id, struct cw_err *err)
{
    return c->call.plan_only ? 0 : c->ops->lock(c->ops_arg, resource_id, err);
}

int cw_step_lock_two(struct cw_step_ctx *c, const char *one, const char *other, struct cw_err *err)
{
    if (cw_armid_eq(one, other))
        return cw_step_lock(c, one, err);
    char *a = cw_step_copy(c, one);
    char *b = cw_step_copy(c, other);
    if (a == NULL || b == NULL)
        return cw_err_set(err, CW_ENOMEM, "locks");
    cw_z_lower(a);
    cw_z_lower(b);
    bool is_ordered = strcmp(a, b) < 0;
    int r = cw_step_lock(c, is_ordered ? a : b, err);
    return r < 0 ? r : cw_step_lock(c, is_ordered ? b : a, err);
}

int cw_step_keep(struct cw_step_ctx *c, struct cw_err *err)
{
    return c->call.plan_only || c->ops->keep == NULL ? 0 : c->ops->keep(c->ops_arg, c->out, err);
}

static struct cw_proof_error_v1 *proof_of(struct cw_step_ctx *c)
{
    return c->facts->is_repaired == CW_TRI_YES ? &c->out->proof_again : &c->out->proof_error;
}

int cw_step_proof_failed(struct cw_step_ctx *c, const char *step, int code, const char *remedy,
                         const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct cw_proof_error_v1 *error = proof_of(c);
    *error = (struct cw_proof_error_v1){
        .step = step,
        .code = cw_err_name(code),
        .message = cw_arena_vprintf(c->call.mem, fmt, args),
        .remedy = cw_step_copy(c, remedy),
    };
    va_end(args);
    if (error->message == NULL)
        return -CW_ENOMEM;
    cw_step_found(c, "%s", error->message);
    return 0;
}

void cw_step_proof_code(struct cw_step_ctx *c, const char *code)
{
    proof_of(c)->code = code;
}

void cw_step_ensured(struct cw_step_ctx *c, const struct cw_ensured *ensured, const char *what)
{
    if (!cw_effect_is_change(ensured->effect))
        cw_step_found(c, "%s is as it should be", what);
    else if (ensured->difference != NULL)
        cw_step_changed(c, "%s: %s (%s)", what, cw_effect_name(ensured->effect), ensured->difference);
    else
        cw_step_changed(c, "%s: %s", what, cw_effect_name(ensured->effect));
}

struct cw_target cw_step_target(const struct cw_step_ctx *c)
{
    const char *url = c->facts->workspace_url != NULL ? c->facts->workspace_url : c->out->workspace_url;
    return (struct cw_target){.workspace_url = url, .workspace_id = c->req->workspace_id};
}

struct cw_tags cw_step_tags(struct cw_step_ctx *c)
{
    size_t own = c->req->provision == NULL ? 0 : c->req->provision->tag_count;
    struct cw_tag *items = cw_arena_alloc_array(c->call.mem, own + 1, sizeof *items);
    if (items == NULL)
        return (struct cw_tags){0};
    for (size_t i = 0; i < own; i++)
        items[i] = (struct cw_tag){c->req->provision->tags[i].name, c->req->provision->tags[i].value};
    items[own] = (struct cw_tag){"causeway-request", c->req->event.id};
    return (struct cw_tags){items, own + 1};
}

char *cw_step_copy(struct cw_step_ctx *c, const char *z)
{
    return cw_arena_strdup(c->call.mem, z);
}

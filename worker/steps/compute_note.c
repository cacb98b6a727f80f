#include "worker/steps/compute_facts.h"

#define NOTE_NAME "causeway-stopped-compute"

/* One line for people, one for us: {"request", "facts"}. */
int cw_compute_note_write(struct cw_step_ctx *c, const struct cw_compute_v1 *items, size_t count,
                          struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    struct cw_facts facts = {.compute_count = count, .settings_before = c->facts->settings_before};
    facts.compute = cw_arena_alloc_array(c->call.mem, count + 1, sizeof *facts.compute);
    if (facts.compute == NULL)
        return cw_err_set(err, CW_ENOMEM, "note");
    if (count > 0)
        memcpy(facts.compute, items, count * sizeof *items);
    CW_AUTO(cw_auto_json)
    json_t *doc = json_pack("{s:s,s:o?}", "request", c->req->event.id, "facts",
                            cw_shape_encode(&cw_facts_shape, &facts));
    const char *line = doc == NULL ? NULL : cw_json_print_in(c->call.mem, doc);
    const char *text = line == NULL
                           ? NULL
                           : cw_arena_printf(c->call.mem,
                                             "Causeway stopped this compute and starts it again. Leave "
                                             "this here: it goes by itself.\n%s\n",
                                             line);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "note");
    int r = cw_databricks_put_note(c->svc->databricks, &c->call, &target, NOTE_NAME, text, err);
    if (r == -CW_EDENIED)
        cw_err_remedy(
            err,
            "let the identity write to its own home folder in the workspace: what was running is kept there");
    return r;
}

static int parse(struct cw_step_ctx *c, const char *text, struct cw_facts *ret_facts,
                 const char **ret_request)
{
    struct cw_err ignored = {0};
    struct cw_problems problems = {0};
    const char *line = strchr(text, '\n');
    json_t *doc = NULL;
    if (line == NULL ||
        cw_json_parse_in(c->call.mem, line + 1, strlen(line + 1), CW_FACTS_BYTES_MAX, &doc, &ignored) < 0)
        return -CW_EPARSE;
    *ret_request = cw_step_copy(c, cw_json_str(doc, "request", ""));
    if (*ret_request == NULL)
        return -CW_ENOMEM;
    return cw_shape_decode(&cw_facts_shape, json_object_get(doc, "facts"), "", c->call.mem, ret_facts,
                           &problems);
}

int cw_compute_note_read(struct cw_step_ctx *c, struct cw_facts *ret_facts, const char **ret_request,
                         struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    const char *text = NULL;
    *ret_facts = (struct cw_facts){0};
    *ret_request = "";
    int r = cw_databricks_get_note(c->svc->databricks, &c->call, &target, NOTE_NAME, &text, err);
    if (r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        return 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "read the note of what was stopped");
    r = parse(c, text, ret_facts, ret_request);
    if (r == -CW_ENOMEM)
        return cw_err_set(err, CW_ENOMEM, "note");
    if (r < 0) {
        *ret_facts = (struct cw_facts){0};
        cw_step_found(c, "the note %s in the identity's home folder cannot be read: it is left alone",
                      NOTE_NAME);
    }
    return 0;
}

static struct cw_compute_v1 *find(struct cw_compute_v1 *items, size_t count, const struct cw_compute_v1 *like)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].kind == like->kind && cw_z_eq(items[i].id, like->id))
            return &items[i];
    return NULL;
}

int cw_compute_add_noted(struct cw_step_ctx *c, const struct cw_facts *note, struct cw_compute_v1 **items,
                         size_t *count)
{
    size_t n = *count;
    struct cw_compute_v1 *all = cw_arena_alloc_array(c->call.mem, n + note->compute_count + 1, sizeof *all);
    if (all == NULL)
        return -CW_ENOMEM;
    if (n > 0)
        memcpy(all, *items, n * sizeof *all);
    for (size_t i = 0; i < note->compute_count; i++) {
        struct cw_compute_v1 *known = find(all, n, &note->compute[i]);
        if (known == NULL)
            all[n++] = note->compute[i];
        else if (!known->stopped_by_us)
            *known = note->compute[i];
    }
    *items = all;
    *count = n;
    return 0;
}

int cw_compute_note_read_own(struct cw_step_ctx *c, struct cw_facts *ret_facts, struct cw_err *err)
{
    const char *request;
    int r = cw_compute_note_read(c, ret_facts, &request, err);
    if (r == 0 && !cw_z_eq(request, c->req->event.id))
        *ret_facts = (struct cw_facts){0};
    return r;
}

int cw_compute_note_remove(struct cw_step_ctx *c, struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    int r = cw_databricks_delete_note(c->svc->databricks, &c->call, &target, NOTE_NAME, err);
    return r < 0 ? cw_err_wrap(err, "remove the note of what was stopped") : 0;
}

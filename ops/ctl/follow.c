#include "ops/ctl/follow.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "ops/ctl/view.h"

#define JOIN_TIMEOUT_MS 30000
#define SEND_TIMEOUT_MS 30000

struct session {
    struct follow *f;
    struct watcher *watcher;
    struct view view;
    struct cw_fiber *fiber;
    FILE *verdicts;
    const char **own_ids; /* of the events that are sent, while they are followed */
};

static void print_json_event(const struct watcher_row *row, const json_t *data, const char *type)
{
    CW_AUTO(cw_auto_json) json_t *line = json_object();
    if (line == NULL)
        return;
    (void)cw_json_set_str(line, "requestId", row->request_id);
    (void)cw_json_set_str(line, "type", type);
    (void)json_object_set(line, "data", (json_t *)data);
    CW_AUTO(cw_auto_str) char *text = cw_json_print(line);
    (void)printf("%s\n", text == NULL ? "{}" : text);
    (void)fflush(stdout);
}

static void write_verdict(struct session *s, const struct watcher_row *row)
{
    CW_AUTO(cw_auto_json) json_t *line = json_object();
    if (line == NULL)
        return;
    (void)cw_json_set_str(line, "requestId", row->request_id);
    (void)cw_json_set_bool(line, "deadLetter", row->is_dead_letter);
    (void)json_object_set(line, "data", row->result);
    CW_AUTO(cw_auto_str) char *text = cw_json_print(line);
    (void)fprintf(s->verdicts, "%s\n", text == NULL ? "{}" : text);
    (void)fflush(s->verdicts);
}

static void tell_verdict(const struct session *s, const struct watcher_row *row)
{
    if (s->f->verdict != NULL && row->ended_wall_ms != 0 && !row->is_dead_letter)
        s->f->verdict(s->f->arg, row->result);
}

static void on_changed(void *arg, const struct watcher_row *row, const json_t *data, const char *type)
{
    struct session *s = arg;
    if (row->ended_wall_ms != 0 && s->verdicts != NULL)
        write_verdict(s, row);
    if (s->f->json) {
        print_json_event(row, data, type);
        tell_verdict(s, row);
        return;
    }
    if (row->ended_wall_ms != 0) {
        view_clear(&s->view);
        if (s->f->as_checks && !row->is_dead_letter)
            view_checks(&s->view, row);
        else
            view_verdict(&s->view, row);
        tell_verdict(s, row);
    } else if (!s->view.is_terminal && !s->f->quiet) {
        view_change(&s->view, row);
    }
    if (!s->f->quiet && s->watcher != NULL)
        view_table(&s->view, s->watcher);
}

static void on_tick(void *arg)
{
    struct session *s = arg;
    if (s->watcher != NULL && !s->f->json && !s->f->quiet)
        view_table(&s->view, s->watcher);
}

static void on_signal(int signum, void *arg)
{
    struct session *s = arg;
    (void)signum;
    cw_fiber_cancel(s->fiber, CW_ECANCELED);
}

static int send_all(struct session *s, struct cw_kafka_out *out, struct cw_err *err)
{
    struct follow *f = s->f;
    for (size_t i = 0; i < f->event_count; i++) {
        const struct follow_event *e = &f->events[i];
        int r = ctl_send(out, f->topic, e->key, e->text, err);
        if (r < 0)
            return cw_err_wrap(err, "%zu of %zu sent; %s", i, f->event_count, e->id);
        if (!f->json && !s->view.is_terminal)
            (void)printf("submitted %s %s\n", e->id, e->type);
        else if (f->json && !f->wait)
            (void)printf("{\"submitted\":true,\"requestId\":\"%s\",\"type\":\"%s\"}\n", e->id, e->type);
    }
    (void)fflush(stdout);
    return 0;
}

static int verdicts_to_exit(const struct watcher *w)
{
    for (size_t i = 0; i < watcher_count(w); i++) {
        const struct watcher_row *row = watcher_at(w, i);
        const char *outcome =
            row->result == NULL || row->is_dead_letter ? "" : cw_json_str(row->result, "outcome", "");
        if (!cw_z_eq(outcome, "succeeded") && !cw_z_eq(outcome, "planned"))
            return CTL_FAILED;
    }
    return CTL_OK;
}

static int start_watching(struct session *s, struct cw_err *err)
{
    struct follow *f = s->f;
    const char *const *ids = f->ids;
    size_t id_count = f->id_count;
    if (ids == NULL && f->event_count > 0) {
        s->own_ids = calloc(f->event_count, sizeof *s->own_ids);
        if (s->own_ids == NULL)
            return cw_err_set(err, CW_ENOMEM, "ids");
        for (size_t i = 0; i < f->event_count; i++)
            s->own_ids[i] = f->events[i].id;
        ids = s->own_ids;
        id_count = f->event_count;
    }
    const struct watcher_cfg cfg = {
        .ids = ids,
        .id_count = id_count,
        .from_start = f->from_start,
        .dead_letters = f->dead_letters,
        .changed = on_changed,
        .arg = s,
    };
    int r = watcher_new(f->ctl, &cfg, &s->watcher, err);
    if (r < 0)
        return r;
    return watcher_wait_joined(s->watcher, cw_in_ms(JOIN_TIMEOUT_MS), err);
}

static int wait_for_verdicts(struct session *s)
{
    struct follow *f = s->f;
    struct cw_deadline until = f->timeout_ms > 0 ? cw_in_ms(f->timeout_ms) : CW_NEVER;
    size_t expected = f->ids != NULL ? f->id_count : f->event_count;
    if (f->forever || expected == 0)
        expected = SIZE_MAX;
    int r = watcher_wait(s->watcher, expected, until);
    if (!f->json)
        view_clear(&s->view);
    if (r == -CW_ETIMEDOUT) {
        (void)fprintf(stderr,
                      "causeway %s: %zu verdicts after %lld s, still waiting for the rest; watch on with "
                      "`causeway watch`\n",
                      f->cmd->name, watcher_ended(s->watcher), (long long)(f->timeout_ms / 1000));
        return CTL_TIMEOUT;
    }
    if (r < 0 && !f->forever)
        return CTL_FAILED;
    return f->forever ? CTL_OK : verdicts_to_exit(s->watcher);
}

static int work(struct session *s, struct cw_kafka_out *out)
{
    struct follow *f = s->f;
    struct cw_err err = {0};
    if (f->wait || f->forever) {
        int r = start_watching(s, &err);
        if (r < 0)
            return ctl_fail(f->cmd, &err);
    }
    if (send_all(s, out, &err) < 0)
        return ctl_fail(f->cmd, &err);
    return s->watcher == NULL ? CTL_OK : wait_for_verdicts(s);
}

static int run(void *arg)
{
    struct session *s = arg;
    struct cw_kafka_out *out = NULL;
    struct cw_err err = {0};
    struct cw_loop *loop = s->f->ctl->loop;
    s->fiber = cw_fiber_self();
    const struct cw_kafka_cfg kafka = ctl_kafka_cfg(&s->f->ctl->settings);
    if (s->f->event_count > 0 && cw_kafka_out_new(loop, &kafka, &out, &err) < 0)
        return ctl_fail(s->f->cmd, &err);
    (void)cw_loop_on_signal(loop, SIGINT, on_signal, s);
    (void)cw_loop_on_signal(loop, SIGTERM, on_signal, s);
    struct cw_timer *tick = s->view.is_terminal ? cw_loop_every(loop, 1000, on_tick, s) : NULL;
    int code = work(s, out);
    cw_loop_cancel_timer(tick);
    watcher_free(CW_TAKE(s->watcher));
    free(s->own_ids);
    cw_kafka_out_free(out, SEND_TIMEOUT_MS);
    return code;
}

int follow_run(struct follow *f)
{
    struct session s = {.f = f};
    view_init(&s.view, stdout);
    if (f->verdicts_path != NULL && (s.verdicts = fopen(f->verdicts_path, "we")) == NULL)
        return ctl_usage(f->cmd, "%s: %s", f->verdicts_path, strerror(errno));
    int code = ctl_run(f->ctl, run, &s);
    if (s.verdicts != NULL && fclose(s.verdicts) != 0 && code == CTL_OK)
        code = CTL_FAILED;
    return code;
}

#include "ops/ctl/view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "ops/ctl/checks.h"

#define ROWS_SHOWN_MAX 200

static const char *const COLOUR_OFF = "\033[0m";

void view_init(struct view *v, FILE *out)
{
    *v = (struct view){.out = out, .is_terminal = isatty(fileno(out)) != 0};
    const char *term = getenv("TERM");
    v->is_terminal = v->is_terminal && term != NULL && !cw_z_eq(term, "dumb");
    v->has_colour = v->is_terminal && getenv("NO_COLOR") == NULL;
}

static const char *colour(const struct view *v, const char *code)
{
    return v->has_colour ? code : "";
}

static size_t terminal_rows(const struct view *v)
{
    struct winsize size = {0};
    if (ioctl(fileno(v->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 6)
        return size.ws_row;
    return 24;
}

static size_t terminal_columns(const struct view *v)
{
    struct winsize size = {0};
    if (ioctl(fileno(v->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 40)
        return size.ws_col;
    return 120;
}

static void elapsed_text(const struct watcher_row *row, char *out, size_t n)
{
    int64_t end = row->ended_wall_ms != 0 ? row->ended_wall_ms : cw_wall_ms();
    int64_t s = (end - row->since_wall_ms) / 1000;
    if (s < 60)
        (void)snprintf(out, n, "%llds", (long long)s);
    else
        (void)snprintf(out, n, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
}

static const char *outcome_of(const struct watcher_row *row)
{
    if (row->result == NULL)
        return "";
    return row->is_dead_letter ? "dead letter" : cw_json_str(row->result, "outcome", "?");
}

static const char *outcome_colour(const struct view *v, const char *outcome)
{
    if (cw_z_eq(outcome, "succeeded") || cw_z_eq(outcome, "planned"))
        return colour(v, "\033[32m");
    if (cw_z_eq(outcome, ""))
        return "";
    return cw_z_eq(outcome, "failed") ? colour(v, "\033[31m") : colour(v, "\033[33m");
}

static void step_text(const struct watcher_row *row, char *out, size_t n)
{
    if (row->ended_wall_ms != 0)
        (void)snprintf(out, n, "done");
    else if (row->step == NULL)
        (void)snprintf(out, n, "queued");
    else if (row->total > 0)
        (void)snprintf(out, n, "%s %d/%d", row->step, row->number, row->total);
    else
        (void)snprintf(out, n, "%s", row->step);
}

static void draw_row(struct view *v, const struct watcher_row *row, size_t columns)
{
    char elapsed[32];
    char step[96];
    char line[512];
    elapsed_text(row, elapsed, sizeof elapsed);
    step_text(row, step, sizeof step);
    const char *outcome = outcome_of(row);
    const char *last =
        row->ended_wall_ms != 0 ? outcome : (row->waits_for != NULL ? row->waits_for : "working");
    int head = snprintf(line, sizeof line, "%-26.26s %-18.18s %-30.30s %8s  ", row->request_id,
                        row->workspace == NULL ? "-" : row->workspace, step, elapsed);
    size_t room = columns > (size_t)head ? columns - (size_t)head : 1;
    (void)fprintf(v->out, "%s%s%.*s%s\n", line, outcome_colour(v, outcome), (int)room, last,
                  v->has_colour ? COLOUR_OFF : "");
    v->lines_drawn++;
}

void view_clear(struct view *v)
{
    if (v->lines_drawn > 0)
        (void)fprintf(v->out, "\033[%zuA\033[J", v->lines_drawn);
    v->lines_drawn = 0;
}

void view_table(struct view *v, const struct watcher *w)
{
    if (!v->is_terminal)
        return;
    view_clear(v);
    size_t columns = terminal_columns(v);
    size_t shown_max = CW_MIN(terminal_rows(v) - 4, (size_t)ROWS_SHOWN_MAX);
    size_t count = watcher_count(w);
    (void)fprintf(v->out, "%s%-26s %-18s %-30s %8s  %s%s\n", colour(v, "\033[1m"), "REQUEST", "WORKSPACE",
                  "STEP", "ELAPSED", "WAITS FOR / VERDICT", v->has_colour ? COLOUR_OFF : "");
    v->lines_drawn = 1;
    size_t shown = 0;
    size_t hidden = 0;
    for (size_t i = 0; i < count; i++) {
        const struct watcher_row *row = watcher_at(w, i);
        bool is_crowded = count > shown_max;
        if (shown >= shown_max || (is_crowded && row->ended_wall_ms != 0)) {
            hidden++;
            continue;
        }
        draw_row(v, row, columns);
        shown++;
    }
    (void)fprintf(v->out, "%zu requests, %zu ended%s\n", count, watcher_ended(w),
                  hidden > 0 ? ", some rows not shown" : "");
    v->lines_drawn++;
    (void)fflush(v->out);
}

void view_change(struct view *v, const struct watcher_row *row)
{
    char elapsed[32];
    char step[96];
    elapsed_text(row, elapsed, sizeof elapsed);
    step_text(row, step, sizeof step);
    const char *outcome = outcome_of(row);
    (void)fprintf(v->out, "%8s  %-26s %-18s %-32s %s\n", elapsed, row->request_id,
                  row->workspace == NULL ? "-" : row->workspace, step,
                  row->ended_wall_ms != 0 ? outcome : (row->waits_for != NULL ? row->waits_for : ""));
    (void)fflush(v->out);
}

static void print_list(struct view *v, const json_t *list, const char *mark)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)list, i, item)
        (void)fprintf(v->out, "      %s %s\n", mark, json_is_string(item) ? json_string_value(item) : "?");
}

static void print_steps(struct view *v, const json_t *result)
{
    size_t i;
    const json_t *step;
    json_array_foreach((json_t *)cw_json_at(result, "steps"), i, step) {
        const char *outcome = cw_json_str(step, "outcome", "?");
        if (cw_z_eq(outcome, "skipped"))
            continue;
        (void)fprintf(v->out, "    %-28s %-8s %6.1f s\n", cw_json_str(step, "name", "?"), outcome,
                      (double)cw_json_int(step, "durationMs", 0) / 1000.0);
        print_list(v, cw_json_at(step, "found"), "=");
        print_list(v, cw_json_at(step, "changed"), "+");
    }
}

static void print_evidence_line(struct view *v, const char *label, const char *value)
{
    if (value != NULL && value[0] != '\0')
        (void)fprintf(v->out, "    %-18s %s\n", label, value);
}

static void print_records(struct view *v, const json_t *evidence)
{
    size_t i;
    const json_t *record;
    json_array_foreach((json_t *)cw_json_at(evidence, "records"), i, record) {
        CW_AUTO(cw_auto_str) char *addresses = cw_json_print(cw_json_at(record, "addresses"));
        (void)fprintf(v->out, "    %-18s %s -> %s\n", "record", cw_json_str(record, "name", "?"),
                      addresses == NULL ? "?" : addresses);
    }
}

static void print_evidence(struct view *v, const json_t *result)
{
    const json_t *e = cw_json_at(result, "evidence");
    if (e == NULL || json_object_size(e) == 0)
        return;
    (void)fprintf(v->out, "  evidence\n");
    print_evidence_line(v, "workspace URL", cw_json_str(e, "workspaceUrl", NULL));
    print_evidence_line(v, "endpoint", cw_json_str(e, "endpointId", NULL));
    print_evidence_line(v, "endpoint address", cw_json_str(e, "endpointAddress", NULL));
    print_evidence_line(v, "DNS zone", cw_json_str(e, "zoneId", NULL));
    print_records(v, e);
    print_evidence_line(v, "cluster", cw_json_str(e, "clusterId", NULL));
    const json_t *probe = cw_json_at(e, "probe");
    if (probe != NULL) {
        CW_AUTO(cw_auto_str) char *text = cw_json_print(probe);
        print_evidence_line(v, "probe", text);
    }
}

static void print_compute(struct view *v, const json_t *result)
{
    size_t i;
    const json_t *c;
    const json_t *list = cw_json_at(result, "compute");
    if (json_array_size(list) > 0)
        (void)fprintf(v->out, "  compute\n");
    json_array_foreach((json_t *)list, i, c)
        (void)fprintf(v->out, "    %-10s %-28s %s -> %s\n", cw_json_str(c, "kind", "?"),
                      cw_json_str(c, "name", "?"), cw_json_str(c, "before", "?"),
                      cw_json_str(c, "after", "?"));
}

static void print_error(struct view *v, const json_t *result)
{
    const json_t *e = cw_json_at(result, "error");
    if (e == NULL)
        return;
    (void)fprintf(v->out, "  error     %s (%s): %s\n", cw_json_str(e, "code", "?"),
                  cw_json_str(e, "class", "?"), cw_json_str(e, "message", "?"));
    const char *remedy = cw_json_str(e, "remedy", "");
    if (remedy[0] != '\0')
        (void)fprintf(v->out, "  remedy    %s\n", remedy);
    const char *correlation = cw_json_str(e, "correlationId", "");
    if (correlation[0] != '\0')
        (void)fprintf(v->out, "  correlation id %s\n", correlation);
}

static void print_problems(struct view *v, const json_t *result)
{
    size_t i;
    const json_t *p;
    json_array_foreach((json_t *)cw_json_at(result, "problems"), i, p)
        (void)fprintf(v->out, "    %s: %s (%s)\n", cw_json_str(p, "pointer", ""),
                      cw_json_str(p, "message", "?"), cw_json_str(p, "remedy", ""));
}

static void print_diagnosis(struct view *v, const json_t *result)
{
    size_t i;
    const json_t *d;
    const json_t *list = cw_json_at(result, "diagnosis");
    if (json_array_size(list) > 0)
        (void)fprintf(v->out, "  diagnosis\n");
    json_array_foreach((json_t *)list, i, d) {
        (void)fprintf(v->out, "    %zu. %s (%lld %%): %s\n", i + 1, cw_json_str(d, "cause", "?"),
                      (long long)cw_json_int(d, "confidence", 0), cw_json_str(d, "message", ""));
        size_t k;
        const json_t *e;
        json_array_foreach((json_t *)cw_json_at(d, "evidence"), k, e)
            (void)fprintf(v->out, "       %s %s: expected %s, found %s\n", cw_json_str(e, "resourceId", ""),
                          cw_json_str(e, "field", ""), cw_json_str(e, "expected", "-"),
                          cw_json_str(e, "found", "-"));
        (void)fprintf(v->out, "       repair: %s\n", cw_json_str(d, "repair", "-"));
    }
}

static void print_drift(struct view *v, const json_t *result)
{
    size_t i;
    const json_t *d;
    const json_t *watch = cw_json_at(result, "watch");
    json_array_foreach((json_t *)cw_json_at(result, "drift"), i, d)
        (void)fprintf(v->out, "  drift     %s: %s -> %s\n", cw_json_str(d, "what", "?"),
                      cw_json_str(d, "before", "none"), cw_json_str(d, "after", "none"));
    if (watch != NULL)
        (void)fprintf(v->out, "  run %lld of %s, next at %s\n", (long long)cw_json_int(watch, "run", 0),
                      cw_json_str(watch, "id", "?"),
                      cw_json_str(watch, "nextRunAt", "no time: it was the last"));
}

static void print_dead_letter(struct view *v, const struct watcher_row *row)
{
    (void)fprintf(v->out, "%sdead letter%s  %s: %s\n", colour(v, "\033[33m"), v->has_colour ? COLOUR_OFF : "",
                  row->request_id, cw_json_str(row->result, "reason", "?"));
    print_problems(v, row->result);
    (void)fflush(v->out);
}

static void print_head(struct view *v, const struct watcher_row *row)
{
    const char *outcome = outcome_of(row);
    (void)fprintf(v->out, "%s%-10s%s %s  (%s of %s)\n", outcome_colour(v, outcome), outcome,
                  v->has_colour ? COLOUR_OFF : "", row->request_id, row->type == NULL ? "?" : row->type,
                  row->workspace == NULL ? "?" : row->workspace);
    (void)fprintf(v->out, "  %s\n", cw_json_str(row->result, "summary", ""));
}

void view_checks(struct view *v, const struct watcher_row *row)
{
    print_head(v, row);
    (void)fprintf(v->out, "  as seen until %s\n", cw_json_str(row->result, "finishedAt", "?"));
    checks_print(v->out, row->result);
    (void)fflush(v->out);
}

void view_verdict(struct view *v, const struct watcher_row *row)
{
    if (row->is_dead_letter) {
        print_dead_letter(v, row);
        return;
    }
    print_head(v, row);
    print_error(v, row->result);
    print_drift(v, row->result);
    print_problems(v, row->result);
    print_diagnosis(v, row->result);
    print_steps(v, row->result);
    print_evidence(v, row->result);
    print_compute(v, row->result);
    (void)fprintf(v->out, "\n");
    (void)fflush(v->out);
}

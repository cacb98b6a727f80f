/* causeway submit: check requests, publish them, and wait for their verdicts if asked. */
#include <getopt.h>
#include <stdio.h>

#include "ops/ctl/event_file.h"
#include "ops/ctl/follow.h"
#include "ops/ctl/options.h"
#include "schema/request.h"

#define MEMORY_MAX ((size_t)1024 * 1024 * 1024)

struct submit {
    struct follow follow;
    struct cw_arena *mem;
    bool is_bulk;
    bool new_ids;
    bool check_only;
    bool allows_unknown;
    const char *raw_path;
    struct follow_event *events;
    size_t count;
    size_t cap;
    size_t refused;
};

static struct follow_event *add_event(struct submit *s)
{
    if (s->count == s->cap) {
        size_t cap = s->cap == 0 ? 32 : s->cap * 2;
        struct follow_event *events = cw_arena_alloc_array(s->mem, cap, sizeof *events);
        if (events == NULL)
            return NULL;
        if (s->count > 0)
            memcpy(events, s->events, s->count * sizeof *events);
        s->events = events;
        s->cap = cap;
    }
    return &s->events[s->count++];
}

static void print_problems(const char *path, size_t number, const struct cw_request *req,
                           const struct cw_problems *problems, const struct cw_err *err)
{
    const char *id = req->event.id == NULL ? "no id" : req->event.id;
    (void)fprintf(stderr, "%s: event %zu (%s): %s\n", path, number, id, err->text);
    for (size_t i = 0; i < problems->count; i++) {
        const struct cw_problem *p = &problems->items[i];
        (void)fprintf(stderr, "  %s: %s%s%s\n", p->pointer[0] == '\0' ? "/" : p->pointer, p->message,
                      p->remedy[0] == '\0' ? "" : "; remedy: ", p->remedy);
    }
    if (problems->count == 0 && err->remedy[0] != '\0')
        (void)fprintf(stderr, "  remedy: %s\n", err->remedy);
}

static int fill_envelope(struct submit *s, json_t *event)
{
    char now[CW_RFC3339_BYTES];
    cw_rfc3339_format(cw_wall_ms(), now);
    bool ok = true;
    if (s->new_ids)
        ok = cw_json_set_str(event, "id", option_request_id(s->mem, NULL));
    if (cw_json_at(event, "time") == NULL)
        ok = ok && cw_json_set_str(event, "time", now);
    return ok ? 0 : -CW_ENOMEM;
}

static int take_event(struct submit *s, const char *path, size_t number, json_t *event, struct cw_err *err)
{
    static const struct cw_header content_type = {"content-type", {"application/cloudevents+json", 28}};
    if (fill_envelope(s, event) < 0)
        return cw_err_set(err, CW_ENOMEM, "%s", path);
    char *text = cw_json_print_in(s->mem, event);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "%s", path);
    const struct cw_record_in rec = {.headers = &content_type, .header_count = 1, .value = cw_str_of(text)};
    struct cw_request req = {0};
    struct cw_problems problems = {0};
    struct cw_err refusal = {0};
    if (cw_request_decode(&rec, s->mem, &req, &problems, &refusal) < 0) {
        print_problems(path, number, &req, &problems, &refusal);
        s->refused++;
        return 0;
    }
    if (!s->allows_unknown)
        cw_shape_unknown(cw_request_shape(req.kind), cw_json_at(event, "data"), "", s->mem, &problems);
    if (problems.count > 0) {
        (void)cw_err_set(&refusal, CW_EINVAL, "workers would ignore what they don't know");
        print_problems(path, number, &req, &problems, &refusal);
        s->refused++;
        return 0;
    }
    struct follow_event *e = add_event(s);
    if (e == NULL)
        return cw_err_set(err, CW_ENOMEM, "%s", path);
    *e = (struct follow_event){req.event.id, req.workspace_key, req.event.type, cw_str_of(text)};
    return 0;
}

static int take_file(struct submit *s, const char *path, struct cw_err *err)
{
    struct cw_str text;
    json_t **events = NULL;
    size_t count = 0;
    int r = event_file_read(path, s->mem, &text, err);
    if (r < 0)
        return r;
    r = event_file_split(text, s->mem, &events, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "%s", path);
    for (size_t i = 0; i < count && r == 0; i++)
        r = take_event(s, path, i + 1, events[i], err);
    return r;
}

/* Each line as it is: for what must end in the dead letters. */
static int take_raw(struct submit *s, struct cw_err *err)
{
    struct cw_str text;
    int r = event_file_read(s->raw_path, s->mem, &text, err);
    if (r < 0)
        return r;
    for (size_t start = 0; start < text.n;) {
        const char *nl = memchr(text.p + start, '\n', text.n - start);
        size_t end = nl == NULL ? text.n : (size_t)(nl - text.p);
        if (end > start) {
            struct follow_event *e = add_event(s);
            if (e == NULL)
                return cw_err_set(err, CW_ENOMEM, "%s", s->raw_path);
            *e = (struct follow_event){"(raw)", "raw", "raw line", {text.p + start, end - start}};
            s->follow.raw_count++;
        }
        start = end + 1;
    }
    return 0;
}

static int parse_options(struct submit *s, int argc, char **argv)
{
    static const struct option options[] = {
        {"wait", no_argument, NULL, 'w'},          {"bulk", no_argument, NULL, 'b'},
        {"new-ids", no_argument, NULL, 'n'},       {"check", no_argument, NULL, 'c'},
        {"allow-unknown", no_argument, NULL, 'u'}, {"raw", required_argument, NULL, 'r'},
        {"timeout", required_argument, NULL, 't'}, {"verdicts", required_argument, NULL, 'v'},
        {"json", no_argument, NULL, 'j'},          {NULL, 0, NULL, 0},
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'w':
            s->follow.wait = true;
            break;
        case 'b':
            s->is_bulk = true;
            break;
        case 'n':
            s->new_ids = true;
            break;
        case 'c':
            s->check_only = true;
            break;
        case 'u':
            s->allows_unknown = true;
            break;
        case 'r':
            s->raw_path = optarg;
            break;
        case 'v':
            s->follow.verdicts_path = optarg;
            s->follow.wait = true;
            break;
        case 'j':
            s->follow.json = true;
            break;
        case 't':
            if (!option_duration(optarg, &s->follow.timeout_ms))
                return ctl_usage(&ctl_cmd_submit, "--timeout %s: expected a duration such as 90s or 15m",
                                 optarg);
            break;
        default:
            return ctl_usage(&ctl_cmd_submit, "unknown option");
        }
    }
    if (optind == argc && s->raw_path == NULL)
        return ctl_usage(&ctl_cmd_submit, "expected at least one FILE, or - for standard input");
    return CTL_OK;
}

static int by_request(const void *a, const void *b)
{
    const struct follow_event *const *x = a, *const *y = b;
    int r = strcmp((*x)->key, (*y)->key);
    return r != 0 ? r : strcmp((*x)->id, (*y)->id);
}

/* Two events of one id are one request: it would get one verdict. */
static int refuse_twins(struct submit *s, struct cw_err *err)
{
    size_t n = s->count;
    const struct follow_event **sorted = cw_arena_alloc_array(s->mem, n + 1, sizeof *sorted);
    if (sorted == NULL)
        return cw_err_set(err, CW_ENOMEM, "events");
    for (size_t i = 0; i < n; i++)
        sorted[i] = &s->events[i];
    qsort((void *)sorted, n, sizeof *sorted, by_request);
    for (size_t i = 1; i < n; i++) {
        if (by_request((const void *)&sorted[i - 1], (const void *)&sorted[i]) != 0)
            continue;
        (void)fprintf(
            stderr,
            "the id %s stands there twice for %s\n  remedy: give each event its own, or use --new-ids\n",
            sorted[i]->id, sorted[i]->key);
        s->refused++;
        s->count--;
    }
    return 0;
}

static int collect(struct submit *s, int argc, char **argv)
{
    struct cw_err err = {0};
    for (int i = optind; i < argc; i++)
        if (take_file(s, argv[i], &err) < 0)
            return ctl_fail(&ctl_cmd_submit, &err);
    if (refuse_twins(s, &err) < 0)
        return ctl_fail(&ctl_cmd_submit, &err);
    if (s->raw_path != NULL && take_raw(s, &err) < 0)
        return ctl_fail(&ctl_cmd_submit, &err);
    if (s->refused > 0) {
        (void)fprintf(stderr, "causeway submit: %zu of %zu events are not right; nothing was sent\n",
                      s->refused, s->refused + s->count);
        return CTL_USAGE;
    }
    return CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct submit s = {.follow = {.cmd = &ctl_cmd_submit, .ctl = ctl}};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    if (cw_arena_new(MEMORY_MAX, &mem) < 0) {
        (void)cw_err_set(&err, CW_ENOMEM, "arena");
        return ctl_fail(&ctl_cmd_submit, &err);
    }
    s.mem = mem;
    int code = parse_options(&s, argc, argv);
    if (code == CTL_OK)
        code = collect(&s, argc, argv);
    if (code != CTL_OK)
        return code;
    if (s.check_only) {
        (void)printf("%zu events are right\n", s.count);
        return CTL_OK;
    }
    s.follow.topic = s.is_bulk ? ctl->settings.topic_requests_bulk : ctl->settings.topic_requests;
    s.follow.events = s.events;
    s.follow.event_count = s.count;
    s.follow.dead_letters = s.follow.raw_count > 0;
    return follow_run(&s.follow);
}

const struct ctl_command ctl_cmd_submit = {
    .name = "submit",
    .args = "[options] FILE… | -",
    .summary = "publish requests: one event, an array of them, or JSON lines",
    .help =
        "FILE holds CloudEvents 1.0 in JSON; - is standard input. Every event is checked before the first is sent: if one is\n"
        "wrong, all its problems are printed and nothing is sent. The id of an event is the idempotency key.\n\n"
        "  --check           only check\n"
        "  --allow-unknown   let members pass that this version does not know; workers of this version ignore them\n"
        "  --wait            follow the requests until each has its verdict\n"
        "  --timeout TIME    with --wait: give up after TIME (90s, 15m, 2h): exit code 4\n"
        "  --verdicts FILE   with --wait: write each verdict to FILE as a JSON line {requestId, data}\n"
        "  --bulk            to the topic of campaigns, which never starves the interactive one\n"
        "  --new-ids         give every event a new id\n"
        "  --raw FILE        also send each line of FILE as it is, unchecked\n"
        "  --json            one JSON line per event instead of the table",
    .run = run,
};

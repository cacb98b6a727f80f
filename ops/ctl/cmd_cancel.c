/* causeway cancel: end a request at its next safe point. */
#include <getopt.h>
#include <stdio.h>

#include "ops/ctl/follow.h"
#include "ops/ctl/options.h"

struct cancel_args {
    const char *request_id;
    const char *workspace_id;
    const char *reason;
    const char *id;
};

static int parse(struct cancel_args *a, struct follow *f, int argc, char **argv)
{
    static const struct option options[] = {
        {"workspace", required_argument, NULL, 'w'},
        {"reason", required_argument, NULL, 'r'},
        {"id", required_argument, NULL, 'i'},
        {"no-wait", no_argument, NULL, 'n'},
        {"timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'w':
            a->workspace_id = optarg;
            break;
        case 'r':
            a->reason = optarg;
            break;
        case 'i':
            a->id = optarg;
            break;
        case 'n':
            f->wait = false;
            break;
        case 'j':
            f->json = true;
            break;
        case 't':
            if (!option_duration(optarg, &f->timeout_ms))
                return ctl_usage(&ctl_cmd_cancel, "--timeout %s: expected a duration such as 90s or 15m",
                                 optarg);
            break;
        default:
            return ctl_usage(&ctl_cmd_cancel, "unknown option");
        }
    }
    if (optind != argc - 1)
        return ctl_usage(&ctl_cmd_cancel, "expected one REQUEST_ID");
    a->request_id = argv[optind];
    if (a->workspace_id == NULL)
        return ctl_usage(&ctl_cmd_cancel,
                         "--workspace WORKSPACE_ID is needed: it decides which worker gets the request");
    return CTL_OK;
}

static int build(const struct cancel_args *a, struct cw_arena *mem, struct follow_event *ret_event,
                 struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf data = {0};
    cw_buf_add_z(&data, "{\"requestId\":\"");
    cw_buf_add_json(&data, a->request_id, strlen(a->request_id));
    cw_buf_add_z(&data, "\",\"workspaceId\":\"");
    cw_buf_add_json(&data, a->workspace_id, strlen(a->workspace_id));
    if (a->reason != NULL) {
        cw_buf_add_z(&data, "\",\"reason\":\"");
        cw_buf_add_json(&data, a->reason, strlen(a->reason));
    }
    cw_buf_add_z(&data, "\"}");
    ret_event->id = option_request_id(mem, a->id);
    ret_event->key = option_workspace_key(mem, a->workspace_id);
    ret_event->type = "causeway.workspace.cancel.v1";
    return option_event(mem, ret_event->id, ret_event->type, a->workspace_id, cw_buf_z(&data),
                        &ret_event->text, err);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct cancel_args a = {0};
    struct follow_event event = {0};
    struct cw_err err = {0};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct follow f = {.cmd = &ctl_cmd_cancel, .ctl = ctl, .wait = true, .timeout_ms = 10 * 60 * 1000};
    int code = parse(&a, &f, argc, argv);
    if (code != CTL_OK)
        return code;
    if (cw_arena_new((size_t)1024 * 1024, &mem) < 0 || build(&a, mem, &event, &err) < 0)
        return ctl_fail(&ctl_cmd_cancel, &err);
    f.topic = ctl->settings.topic_requests;
    f.events = &event;
    f.event_count = 1;
    return follow_run(&f);
}

const struct ctl_command ctl_cmd_cancel = {
    .name = "cancel",
    .args = "[options] --workspace WORKSPACE_ID REQUEST_ID",
    .summary = "end a request at its next safe point, undoing what must be undone",
    .help =
        "Compute that the request has stopped is started again before its verdict (outcome \"cancelled\") comes. The cancel\n"
        "request has a verdict of its own: succeeded, failed when not all of it could be put back, or\n"
        "rejected when there is nothing left to cancel.\n\n"
        "  --workspace ID    the workspace's Azure resource id, as in the request\n"
        "  --reason TEXT     kept in the verdict\n"
        "  --id ID           id of the cancel request itself (default: a new one)\n"
        "  --no-wait         do not wait for the verdict\n"
        "  --timeout TIME    give up waiting after TIME (default 10m): exit code 4\n"
        "  --json            one JSON line per event",
    .run = run,
};

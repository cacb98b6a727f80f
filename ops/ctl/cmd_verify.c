/* causeway verify: ask for the proof of one workspace and wait for it. */
#include <getopt.h>
#include <stdio.h>

#include "ops/ctl/follow.h"
#include "ops/ctl/options.h"

struct verify_args {
    const char *workspace_id;
    const char *id;
    bool launch_cluster;
};

static int parse(struct verify_args *a, struct follow *f, int argc, char **argv)
{
    static const struct option options[] = {
        {"no-cluster", no_argument, NULL, 'c'}, {"id", required_argument, NULL, 'i'},
        {"no-wait", no_argument, NULL, 'n'},    {"timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},       {NULL, 0, NULL, 0},
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            a->launch_cluster = false;
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
                return ctl_usage(&ctl_cmd_verify, "--timeout %s: expected a duration such as 90s or 15m",
                                 optarg);
            break;
        default:
            return ctl_usage(&ctl_cmd_verify, "unknown option");
        }
    }
    if (optind != argc - 1)
        return ctl_usage(&ctl_cmd_verify, "expected one WORKSPACE_ID (/subscriptions/…/workspaces/NAME)");
    a->workspace_id = argv[optind];
    return CTL_OK;
}

static int build(const struct verify_args *a, struct cw_arena *mem, struct follow_event *ret_event,
                 struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf data = {0};
    cw_buf_add_z(&data, "{\"workspaceId\":\"");
    cw_buf_add_json(&data, a->workspace_id, strlen(a->workspace_id));
    cw_buf_addf(&data, "\",\"options\":{\"launchCluster\":%s}}", a->launch_cluster ? "true" : "false");
    ret_event->id = option_request_id(mem, a->id);
    ret_event->key = option_workspace_key(mem, a->workspace_id);
    ret_event->type = "causeway.workspace.verify.v1";
    return option_event(mem, ret_event->id, ret_event->type, a->workspace_id, cw_buf_z(&data),
                        &ret_event->text, err);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct verify_args a = {.launch_cluster = true};
    struct follow_event event = {0};
    struct cw_err err = {0};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct follow f = {.cmd = &ctl_cmd_verify, .ctl = ctl, .wait = true, .timeout_ms = 60 * 60 * 1000};
    int code = parse(&a, &f, argc, argv);
    if (code != CTL_OK)
        return code;
    if (cw_arena_new((size_t)1024 * 1024, &mem) < 0 || build(&a, mem, &event, &err) < 0)
        return ctl_fail(&ctl_cmd_verify, &err);
    f.topic = ctl->settings.topic_requests;
    f.events = &event;
    f.event_count = 1;
    return follow_run(&f);
}

const struct ctl_command ctl_cmd_verify = {
    .name = "verify",
    .args = "[options] WORKSPACE_ID",
    .summary = "prove that a workspace's private connection works, and say what is wrong if not",
    .help =
        "WORKSPACE_ID is the Azure resource id. The workspace may have been set up by anybody.\n\n"
        "  --no-cluster      check settings and DNS only: nothing is created, nothing is proven end to end\n"
        "  --id ID           request id (default: a new one); the same id again gets the same verdict\n"
        "  --no-wait         do not wait for the verdict\n"
        "  --timeout TIME    give up waiting after TIME (default 1h): exit code 4\n"
        "  --json            one JSON line per event",
    .run = run,
};

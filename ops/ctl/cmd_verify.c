/* causeway verify: ask for the proof of one workspace and wait for it, once or again and again. causeway diagnose: the same, shown
 * as a tree of checks, with repairs if wanted. */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "ops/ctl/drift.h"
#include "ops/ctl/follow.h"
#include "ops/ctl/options.h"

#define EVERY_MS_MIN 60000

struct verify_args {
    const char *workspace_id;
    const char *id;
    bool launch_cluster;
    bool repair;
    int64_t every_ms;  /* 0 = once */
    int64_t repeat_ms; /* the workers repeat it; 0 = they do not */
};

static int parse(struct verify_args *a, struct follow *f, int argc, char **argv)
{
    static const struct option options[] = {
        {"no-cluster", no_argument, NULL, 'c'},
        {"id", required_argument, NULL, 'i'},
        {"no-wait", no_argument, NULL, 'n'},
        {"timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"every", required_argument, NULL, 'e'},
        {"repair", no_argument, NULL, 'r'},
        {"repeat", required_argument, NULL, 'R'},
        {NULL, 0, NULL, 0},
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
        case 'r':
            a->repair = true;
            break;
        case 'e':
            if (!option_duration(optarg, &a->every_ms) || a->every_ms < EVERY_MS_MIN)
                return ctl_usage(f->cmd, "--every %s: expected a duration of at least 1m, such as 6h",
                                 optarg);
            break;
        case 'R':
            if (!option_duration(optarg, &a->repeat_ms) || a->repeat_ms < EVERY_MS_MIN)
                return ctl_usage(f->cmd, "--repeat %s: expected a duration of at least 1m, such as 6h",
                                 optarg);
            break;
        case 'n':
            f->wait = false;
            break;
        case 'j':
            f->json = true;
            break;
        case 't':
            if (!option_duration(optarg, &f->timeout_ms))
                return ctl_usage(f->cmd, "--timeout %s: expected a duration such as 90s or 15m", optarg);
            break;
        default:
            return ctl_usage(f->cmd, "unknown option");
        }
    }
    if (optind != argc - 1)
        return ctl_usage(f->cmd, "expected one WORKSPACE_ID (/subscriptions/…/workspaces/NAME)");
    if (a->every_ms > 0 && (a->id != NULL || !f->wait))
        return ctl_usage(f->cmd, "--every makes a new id each time and waits for each verdict");
    if (a->every_ms > 0 && a->repeat_ms > 0)
        return ctl_usage(f->cmd, "--every repeats it here, --repeat in the workers: use one of them");
    a->workspace_id = argv[optind];
    return CTL_OK;
}

static int build(const struct verify_args *a, struct cw_arena *mem, struct follow_event *ret_event,
                 struct cw_err *err)
{
    CW_AUTO(cw_buf_fini) struct cw_buf data = {0};
    cw_buf_add_z(&data, "{\"workspaceId\":\"");
    cw_buf_add_json(&data, a->workspace_id, strlen(a->workspace_id));
    cw_buf_addf(&data, "\",\"options\":{\"launchCluster\":%s,\"autoRepair\":\"%s\",\"repeatSeconds\":%lld}}",
                a->launch_cluster ? "true" : "false", a->repair ? "safe" : "off",
                (long long)(a->repeat_ms / 1000));
    ret_event->id = option_request_id(mem, a->id);
    ret_event->key = option_workspace_key(mem, a->workspace_id);
    ret_event->type = "causeway.workspace.verify.v1";
    return option_event(mem, ret_event->id, ret_event->type, a->workspace_id, cw_buf_z(&data),
                        &ret_event->text, err);
}

static void on_verdict(void *arg, const json_t *result)
{
    drift_look(arg, stdout, result);
}

static int once(const struct verify_args *a, struct follow *f)
{
    struct follow_event event = {0};
    struct cw_err err = {0};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)1024 * 1024, &mem) < 0 || build(a, mem, &event, &err) < 0)
        return ctl_fail(f->cmd, &err);
    f->topic = f->ctl->settings.topic_requests;
    f->events = &event;
    f->event_count = 1;
    return follow_run(f);
}

static void pause_for(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL); /* a signal ends the command */
}

static int run_as(const struct ctl_command *cmd, struct ctl *ctl, int argc, char **argv)
{
    struct verify_args a = {.launch_cluster = true};
    struct follow f = {.cmd = cmd,
                       .ctl = ctl,
                       .wait = true,
                       .timeout_ms = INT64_C(60) * 60 * 1000,
                       .as_checks = cmd == &ctl_cmd_diagnose};
    int code = parse(&a, &f, argc, argv);
    if (code != CTL_OK)
        return code;
    struct drift drift = {.json = f.json};
    if (a.every_ms > 0) {
        f.verdict = on_verdict;
        f.arg = &drift;
    }
    for (;;) {
        code = once(&a, &f);
        if (a.every_ms == 0 || code == CTL_USAGE || code == CTL_UNREACHABLE)
            break;
        pause_for(a.every_ms);
    }
    drift_fini(&drift);
    return code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    return run_as(&ctl_cmd_verify, ctl, argc, argv);
}

static int run_diagnose(struct ctl *ctl, int argc, char **argv)
{
    return run_as(&ctl_cmd_diagnose, ctl, argc, argv);
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
        "  --json            one JSON line per event\n"
        "  --repair          when the proof fails, do the safe repairs (add a missing link, record or zone group, approve our\n"
        "                    own endpoint, wait) and prove once more\n"
        "  --every TIME      again and again, TIME after each verdict, until interrupted; says what differs from the last\n"
        "  --repeat TIME     the workers verify it again, TIME after each verdict, until `causeway cancel` of this request;\n"
        "                    this command waits for the first verdict only, the later ones (ID#2, ID#3 …) come by `causeway watch`",
    .run = run,
};

const struct ctl_command ctl_cmd_diagnose = {
    .name = "diagnose",
    .args = "[options] WORKSPACE_ID",
    .summary =
        "say what is wrong with a workspace's private connection: each check, what was found, what to do",
    .help =
        "A verify request, shown as a tree of checks: \u2713 holds, \u2717 does not, ? could not be seen.\n\n"
        "  --no-cluster      check settings and DNS only: nothing is created, nothing is proven end to end\n"
        "  --repair          do the safe repairs (add a missing link, record or zone group, approve our own endpoint, wait) and\n"
        "                    prove once more; what needs a person is left untouched\n"
        "  --id ID           request id (default: a new one)\n"
        "  --timeout TIME    give up waiting after TIME (default 1h): exit code 4\n"
        "  --json            one JSON line per event",
    .run = run_diagnose,
};

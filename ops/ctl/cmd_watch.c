/* causeway watch: follow progress and verdicts. */
#include <getopt.h>

#include "common/str.h"
#include "ops/ctl/follow.h"
#include "ops/ctl/options.h"

static int run(struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"from-start", no_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"timeout", required_argument, NULL, 't'},
        {"all", no_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    struct follow f = {.cmd = &ctl_cmd_watch, .ctl = ctl};
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 's':
            f.from_start = true;
            break;
        case 'j':
            f.json = true;
            break;
        case 'a':
            f.dead_letters = true;
            break;
        case 't':
            if (!option_duration(optarg, &f.timeout_ms))
                return ctl_usage(&ctl_cmd_watch, "--timeout %s: expected a duration such as 90s or 15m",
                                 optarg);
            break;
        default:
            return ctl_usage(&ctl_cmd_watch, "unknown option");
        }
    }
    f.ids = optind < argc ? (const char *const *)&argv[optind] : NULL;
    f.id_count = (size_t)(argc - optind);
    f.wait = f.ids != NULL;
    f.forever = f.ids == NULL;
    f.from_start = f.from_start || f.ids != NULL;
    f.dead_letters = f.dead_letters || f.ids == NULL;
    return follow_run(&f);
}

const struct ctl_command ctl_cmd_watch = {
    .name = "watch",
    .args = "[options] [REQUEST_ID …]",
    .summary = "show progress and verdicts as they come",
    .help =
        "Without ids: everything that comes by, dead letters included, until interrupted. With ids: these requests, from the\n"
        "start of the topics, until each has its verdict; the exit code then tells whether all are succeeded or planned.\n\n"
        "  --from-start      begin with what the topics still hold\n"
        "  --all             dead letters too, when ids are given\n"
        "  --timeout TIME    give up after TIME (90s, 15m, 2h): exit code 4\n"
        "  --json            one JSON line per event: {requestId, type, data}",
    .run = run,
};

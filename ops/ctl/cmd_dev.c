/* causeway dev: the development stack: broker, Redis, simulated Azure, workers. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/str.h"
#include "ops/ctl/ctl.h"

/* The script lies in the source tree: beside this program's build folder, or where CAUSEWAY_SOURCE says. */
static bool find_script(char *out, size_t n)
{
    const char *source = getenv("CAUSEWAY_SOURCE");
    if (source != NULL) {
        (void)snprintf(out, n, "%s/ops/dev/stack", source);
        return access(out, X_OK) == 0;
    }
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len <= 0)
        return false;
    exe[len] = '\0';
    for (char *slash = strrchr(exe, '/'); slash != NULL; slash = strrchr(exe, '/')) {
        *slash = '\0';
        if ((size_t)snprintf(out, n, "%s/ops/dev/stack", exe) < n && access(out, X_OK) == 0)
            return true;
    }
    return false;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    (void)ctl;
    char script[PATH_MAX + 32];
    if (argc < 2)
        return ctl_usage(&ctl_cmd_dev, "expected up, down, status or env");
    if (!find_script(script, sizeof script)) {
        (void)fprintf(stderr, "causeway dev: the source tree is not beside this program\n"
                              "  remedy: set CAUSEWAY_SOURCE to the folder that holds README.md\n");
        return CTL_USAGE;
    }
    argv[0] = script;
    execv(script, argv);
    (void)fprintf(stderr, "causeway dev: %s: %s\n", script, strerror(errno));
    return CTL_FAILED;
}

const struct ctl_command ctl_cmd_dev = {
    .name = "dev",
    .args = "up|down|status|env [options]",
    .summary = "start and stop the development stack of this source tree",
    .help =
        "  up        start a development broker, a private redis-server, azure-sim and two workers; print the addresses\n"
        "  down      stop them and remove their folder\n"
        "  status    what runs, and where its logs are\n"
        "  env       the settings as shell exports: eval \"$(causeway dev env)\"\n\n"
        "  --dir DIR     where sockets, logs and state live (default: a folder under $XDG_RUNTIME_DIR or /tmp)\n"
        "  --workers N   how many workers (default 2)\n"
        "  --state FILE  starting state of azure-sim (default: the demo's)\n"
        "  --scale N     how much faster simulated Azure time runs (default 60)",
    .run = run,
};

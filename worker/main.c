/* causeway-worker: takes requests from Kafka, gives Azure Databricks workspaces a private connection, proves it, and says so. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/metrics.h"
#include "worker/app.h"

#define HURRY_MS 500 /* after the drain's deadline, for what has no deadline of its own */

struct process {
    struct cw_settings settings;
    struct cw_loop *loop;
    struct cw_app *app;
    int exit_code;
    bool has_failed;
    bool is_stopping;
};

static const struct cw_log_ctx *log_ctx_of_fiber(void)
{
    const struct cw_fiber *fiber = cw_fiber_self();
    return fiber == NULL ? NULL : cw_fiber_local(fiber);
}

static void write_text(const char *z)
{
    (void)!write(STDERR_FILENO, z, strlen(z));
}

/* Neither allocates nor waits. */
static void on_panic(void)
{
    const struct cw_log_ctx *ctx = log_ctx_of_fiber();
    write_text("panic: request ");
    write_text(ctx == NULL || ctx->job == NULL ? "(none)" : ctx->job);
    write_text(", step ");
    write_text(ctx == NULL || ctx->step == NULL ? "(none)" : ctx->step);
    write_text("; the last events:\n");
    cw_log_dump_ring(STDERR_FILENO);
}

static void on_slow_slice(const char *fiber, int64_t ms)
{
    cw_log(CW_WARN, "fiber.slow", CW_F_STR("fiber", fiber), CW_F_INT("ms", ms));
}

static void on_stopped(void *arg, int exit_code)
{
    struct process *p = arg;
    p->exit_code = p->has_failed ? CW_EXIT_FAILED : exit_code;
    cw_loop_stop(p->loop);
}

/* Something blocks beyond the drain's deadline: whatever it is, the leases and the journal know the rest. */
static void on_alarm(int signum)
{
    (void)signum;
    write_text("{\"level\":\"warn\",\"event\":\"worker.hurried\",\"why\":\"the drain took too long\"}\n");
    _exit(CW_EXIT_HURRIED);
}

static void begin_to_stop(struct process *p)
{
    p->is_stopping = true;
    int64_t most_ms = p->settings.drain_timeout_ms + HURRY_MS;
    const struct itimerval timer = {.it_value = {most_ms / 1000, most_ms % 1000 * 1000}};
    (void)setitimer(ITIMER_REAL, &timer, NULL);
    cw_app_stop(p->app, on_stopped, p);
}

static void on_signal(int signum, void *arg)
{
    struct process *p = arg;
    if (p->is_stopping) {
        cw_log(CW_WARN, "worker.hurried", CW_F_INT("signal", signum));
        _exit(CW_EXIT_HURRIED);
    }
    begin_to_stop(p);
}

static void on_fatal(void *arg)
{
    struct process *p = arg;
    p->has_failed = true;
    if (!p->is_stopping)
        begin_to_stop(p);
}

static int complain(const struct cw_err *err, int exit_code)
{
    (void)fprintf(stderr, "causeway-worker: %s\n", err->text);
    if (err->remedy[0] != '\0')
        (void)fprintf(stderr, "  %s\n", err->remedy);
    return exit_code;
}

static int open_worker(struct process *p, struct cw_err *err)
{
    struct cw_sched_cfg sched = cw_app_sched_cfg(&p->settings);
    sched.on_slow_slice = on_slow_slice;
    int r = cw_loop_new(&sched, &p->loop, err);
    if (r == -CW_EINVAL)
        cw_err_remedy(err, "lower --limits-jobs, or raise it: sysctl -w vm.max_map_count=262144");
    if (r < 0)
        return r;
    r = cw_app_new(p->loop, &p->settings, cw_plan_of, &p->app, err);
    if (r < 0)
        return r;
    cw_app_on_fatal(p->app, on_fatal, p);
    r = cw_loop_on_signal(p->loop, SIGTERM, on_signal, p);
    if (r == 0)
        r = cw_loop_on_signal(p->loop, SIGINT, on_signal, p);
    return r < 0 ? cw_err_set(err, r, "no signal handlers") : 0;
}

static int run(struct process *p)
{
    struct cw_err err = {0};
    if (open_worker(p, &err) < 0) {
        cw_app_free(p->app);
        cw_loop_free(p->loop);
        return complain(&err, err.code == CW_EINVAL ? CW_EXIT_USAGE : CW_EXIT_FAILED);
    }
    if (cw_app_start(p->app, &err) < 0) {
        (void)complain(&err, 0);
        on_fatal(p);
    }
    cw_loop_run(p->loop);
    if (p->exit_code == CW_EXIT_HURRIED)
        _exit(CW_EXIT_HURRIED); /* something still runs: nothing can be freed under it */
    cw_app_free(p->app);
    cw_loop_free(p->loop);
    cw_metrics_free_all();
    return p->exit_code;
}

static void print_help(void)
{
    (void)printf(
        "Usage: causeway-worker [options]\n\n"
        "Takes requests from Kafka, gives Azure Databricks workspaces a private back-end connection, and proves it.\n\n"
        "  --help            this text\n"
        "  --version         print the version\n"
        "  --print-config    print the effective settings (secrets as ***) and exit\n"
        "  --markdown        print the reference of all settings as a Markdown table and exit\n\n"
        "Settings (each also as an environment variable, secrets also as the path of a file in <NAME>_FILE):\n\n");
    cw_cfg_print_help(cw_settings_rows, cw_settings_row_count, stdout);
    (void)printf(
        "\nSignals: SIGTERM and SIGINT hand everything over to the other workers and exit within 10 s; a second one exits at once.\n\n"
        "Exit codes:\n"
        "  0  drained: every request was answered or handed over\n"
        "  1  could not start, or could not go on\n"
        "  2  options or settings are wrong\n"
        "  3  stopped before everything was handed over: other workers go on when the leases have lapsed\n");
}

/* An option that ends the program; -1 = none. */
static int run_option(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (cw_z_eq(argv[i], "--help") || cw_z_eq(argv[i], "-h")) {
            print_help();
            return CW_EXIT_OK;
        }
        if (cw_z_eq(argv[i], "--version")) {
            (void)printf("causeway-worker %s\n", CW_VERSION);
            return CW_EXIT_OK;
        }
        if (cw_z_eq(argv[i], "--markdown")) {
            cw_cfg_print_markdown(cw_settings_rows, cw_settings_row_count, stdout);
            return CW_EXIT_OK;
        }
    }
    return -1;
}

static int run_settings(struct process *p, int argc, char **argv)
{
    bool wants_config = argc == 2 && cw_z_eq(argv[1], "--print-config");
    if (argc > 1 && !wants_config) {
        (void)fprintf(stderr, "causeway-worker: unknown option %s; see --help\n", argv[1]);
        return CW_EXIT_USAGE;
    }
    if (wants_config) {
        cw_cfg_print_effective(cw_settings_rows, cw_settings_row_count, &p->settings, stdout);
        return CW_EXIT_OK;
    }
    cw_log_set_level((enum cw_log_level)p->settings.log_level);
    cw_log_set_ctx_fn(log_ctx_of_fiber);
    cw_panic_set_hook(on_panic);
    return run(p);
}

int main(int argc, char **argv)
{
    struct process p = {0};
    struct cw_err err = {0};
    int code = run_option(argc, argv);
    if (code >= 0)
        return code;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGALRM, on_alarm);
    if (cw_cfg_load(cw_settings_rows, cw_settings_row_count, &p.settings, &argc, argv, &err) < 0)
        return complain(&err, CW_EXIT_USAGE);
    code = run_settings(&p, argc, argv);
    cw_cfg_fini(cw_settings_rows, cw_settings_row_count, &p.settings);
    return code;
}

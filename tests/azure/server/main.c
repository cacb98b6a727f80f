/* azure-sim: start, loop, end. */
#include "tests/azure/server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define FILES_WANTED 16384
#define FILE_BYTES_MAX (256L << 20)
#define EVENTS_PER_WAIT 64

/* ---- time, names, files ------------------------------------------------------------------------------------------- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t sim_now(const struct sim *sim)
{
    return sim->told_base_ms + clock_ms(CLOCK_MONOTONIC) - sim->monotonic_base_ms;
}

static void set_names(struct sim *sim)
{
    static const struct {
        const char *cloud, *arm, *login, *suffix, *zone, *resource;
    } clouds[] = {
        {"china", "management.chinacloudapi.cn", "login.chinacloudapi.cn", ".databricks.azure.cn",
         "privatelink.databricks.azure.cn", "https://management.core.chinacloudapi.cn/"},
        {"public", "management.azure.com", "login.microsoftonline.com", ".azuredatabricks.net",
         "privatelink.azuredatabricks.net", "https://management.core.windows.net/"},
        {"usgov", "management.usgovcloudapi.net", "login.microsoftonline.us", ".databricks.azure.us",
         "privatelink.databricks.azure.us", "https://management.core.usgovcloudapi.net/"},
    };
    struct sim_names *n = &sim->names;
    const char *domain = sim->options.domain;
    snprintf(n->arm_host, sizeof n->arm_host, "management.%s", domain);
    snprintf(n->login_host, sizeof n->login_host, "login.%s", domain);
    snprintf(n->workspace_suffix, sizeof n->workspace_suffix, ".databricks.%s", domain);
    snprintf(n->private_zone, sizeof n->private_zone, "privatelink.databricks.%s", domain);
    snprintf(n->management_resource, sizeof n->management_resource, "https://management.core.%s/", domain);
    for (size_t i = 0; sim->options.cloud != NULL && i < sizeof clouds / sizeof clouds[0]; i++) {
        if (strcmp(clouds[i].cloud, sim->options.cloud) != 0)
            continue;
        snprintf(n->arm_host, sizeof n->arm_host, "%s", clouds[i].arm);
        snprintf(n->login_host, sizeof n->login_host, "%s", clouds[i].login);
        snprintf(n->workspace_suffix, sizeof n->workspace_suffix, "%s", clouds[i].suffix);
        snprintf(n->private_zone, sizeof n->private_zone, "%s", clouds[i].zone);
        snprintf(n->management_resource, sizeof n->management_resource, "%s", clouds[i].resource);
    }
}

/* The whole file, malloc'd and NUL-terminated; NULL after complaining. */
static char *read_file(const char *path)
{
    errno = 0;
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long n = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (n = ftell(file)) >= 0 && n <= FILE_BYTES_MAX)
        text = malloc((size_t)n + 1);
    if (text != NULL) {
        rewind(file);
        n = (long)fread(text, 1, (size_t)n, file);
        text[n] = '\0';
    } else {
        fprintf(stderr, "azure-sim: cannot read %s: %s\n", path,
                errno != 0           ? strerror(errno)
                : n > FILE_BYTES_MAX ? "it is no file, or one of more than 256 MiB"
                                     : "out of memory");
    }
    if (file != NULL)
        fclose(file);
    return text;
}

/* Appears under its name only when complete. */
static int write_file(const char *path, const char *text)
{
    char partial[4200];
    snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    FILE *file = fopen(partial, "wbx");
    bool is_written = file != NULL && fputs(text, file) >= 0;
    if (file != NULL)
        is_written = fclose(file) == 0 && is_written;
    if (is_written && rename(partial, path) == 0)
        return 0;
    fprintf(stderr, "azure-sim: cannot write %s: %s\n", path, strerror(errno));
    (void)unlink(partial);
    return -1;
}

/* The text with each `from` replaced, malloc'd; takes the text. */
static char *replace_all(char *take_text, const char *from, const char *to)
{
    size_t count = 0, from_bytes = strlen(from);
    for (const char *at = take_text; (at = strstr(at, from)) != NULL; at += from_bytes)
        count++;
    char *out = malloc(strlen(take_text) + count * strlen(to) + 1), *end = out;
    const char *rest = take_text;
    for (const char *at; out != NULL && (at = strstr(rest, from)) != NULL; rest = at + from_bytes) {
        end = mempcpy(end, rest, (size_t)(at - rest));
        end = mempcpy(end, to, strlen(to));
    }
    if (out != NULL)
        memcpy(end, rest, strlen(rest) + 1);
    free(take_text);
    return out;
}

json_t *sim_read_json(const struct sim *sim, const char *path)
{
    json_error_t error = {.text = "out of memory"};
    char *text = read_file(path);
    if (text == NULL)
        return NULL;
    text = replace_all(text, "privatelink.databricks.azure.localhost", sim->names.private_zone);
    if (text != NULL)
        text = replace_all(text, "databricks.azure.localhost", sim->names.workspace_suffix + 1);
    json_t *document = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (document == NULL)
        fprintf(stderr, "azure-sim: %s: line %d: %s\n", path, error.line, error.text);
    free(text);
    return document;
}

/* ---- model ---------------------------------------------------------------------------------------------------------- */

struct az_model *sim_model_new(const struct sim *sim)
{
    char error[256];
    struct az_model *model = az_model_new(&sim->model_cfg);
    bool is_public = sim->options.cloud != NULL && strcmp(sim->options.cloud, "public") == 0;
    json_t *limits = json_pack("{s:{s:s}}", "throttle", "model", is_public ? "bucket" : "hourly");
    if (model != NULL && az_model_load(model, limits, error, sizeof error) == 0)
        az_model_advance(model, sim_now(sim));
    json_decref(limits);
    return model;
}

int sim_add_faults(struct sim *sim, const json_t *rules, char *error, size_t error_bytes)
{
    if (json_is_object(rules) && json_object_get(rules, "rules") != NULL)
        rules = json_object_get(rules, "rules");
    if (!json_is_array(rules))
        return az_model_add_fault(sim->model, rules, error, error_bytes);
    json_t *state = json_pack("{s:O}", "faults", rules);
    int r = az_model_load(sim->model, state, error, error_bytes);
    json_decref(state);
    return r;
}

static int load_files(struct sim *sim)
{
    char error[1024] = "";
    for (size_t i = 0; i < sim->options.state_count; i++) {
        json_t *state = sim_read_json(sim, sim->options.states[i]);
        int r = state != NULL ? az_model_load(sim->model, state, error, sizeof error) : -1;
        if (state != NULL && r < 0)
            fprintf(stderr, "azure-sim: %s: %s\n", sim->options.states[i], error);
        json_decref(state);
        if (r < 0)
            return -1;
    }
    if (sim->options.faults_file == NULL)
        return 0;
    json_t *rules = sim_read_json(sim, sim->options.faults_file);
    int r = rules != NULL ? sim_add_faults(sim, rules, error, sizeof error) : -1;
    if (rules != NULL && r < 0)
        fprintf(stderr, "azure-sim: %s: %s\n", sim->options.faults_file, error);
    json_decref(rules);
    return r;
}

/* ---- start ---------------------------------------------------------------------------------------------------------- */

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int watch_signals(struct sim *sim)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    sim->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sim->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    sim->signal_watch = (struct sim_watch){SIM_WATCH_SIGNAL, sim};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &sim->signal_watch};
    return epoll_ctl(sim->epoll_fd, EPOLL_CTL_ADD, sim->signal_fd, &event);
}

static int write_ca(struct sim *sim, const char *pem)
{
    if (sim->options.ca_out != NULL) {
        snprintf(sim->ca_file, sizeof sim->ca_file, "%s", sim->options.ca_out);
        char *full = write_file(sim->ca_file, pem) == 0 ? realpath(sim->ca_file, NULL) : NULL;
        if (full != NULL)
            snprintf(sim->ca_file, sizeof sim->ca_file, "%s", full);
        int r = full != NULL ? 0 : -1;
        free(full);
        return r;
    }
    const char *folder = getenv("TMPDIR");
    char made[4000];
    snprintf(made, sizeof made, "%s/azure-sim-XXXXXX", folder != NULL ? folder : "/tmp");
    if (mkdtemp(made) == NULL) {
        fprintf(stderr, "azure-sim: cannot make %s: %s\n", made, strerror(errno));
        return -1;
    }
    snprintf(sim->ca_folder, sizeof sim->ca_folder, "%s", made);
    snprintf(sim->ca_file, sizeof sim->ca_file, "%s/ca.pem", made);
    return write_file(sim->ca_file, pem);
}

static int get_certificate(struct sim *sim, struct sim_certificate *ret)
{
    if (sim->options.cert_file != NULL) {
        ret->chain = read_file(sim->options.cert_file);
        ret->key = read_file(sim->options.key_file);
        const char *problem = ret->chain != NULL && ret->key != NULL ? sim_certificate_problem(ret) : "";
        if (problem != NULL && problem[0] != '\0')
            fprintf(stderr, "azure-sim: %s (--cert %s, --key %s)\n", problem, sim->options.cert_file,
                    sim->options.key_file);
        return problem == NULL ? 0 : -1;
    }
    if (sim_certificate_make(&sim->names, sim->options.bind, ret) < 0) {
        fprintf(stderr, "azure-sim: cannot make a certificate\n");
        return -1;
    }
    return write_ca(sim, ret->ca);
}

static int start_fronts(struct sim *sim, int listen_fd)
{
    struct sim_certificate certificate = {0};
    int r = get_certificate(sim, &certificate);
    if (r < 0)
        close(listen_fd);
    else
        r = sim_front_start(&sim->https, listen_fd, &certificate);
    sim_certificate_fini(&certificate);
    if (r < 0 || sim->options.admin_port < 0)
        return r;
    int admin_fd = sim_listen("127.0.0.1", sim->options.admin_port, &sim->admin_port);
    return admin_fd < 0 ? -1 : sim_front_start(&sim->admin, admin_fd, NULL);
}

static int open_lines(const char *path, FILE **ret_file)
{
    if (path == NULL)
        return 0;
    *ret_file = strcmp(path, "-") == 0 ? stdout : fopen(path, "a");
    if (*ret_file == NULL)
        fprintf(stderr, "azure-sim: cannot write %s: %s\n", path, strerror(errno));
    return *ret_file != NULL ? 0 : -1;
}

static int open_logs(struct sim *sim)
{
    return open_lines(sim->options.log_file, &sim->log) == 0
               ? open_lines(sim->options.record_file, &sim->record)
               : -1;
}

static int start(struct sim *sim)
{
    set_names(sim);
    raise_file_limit();
    sim->monotonic_base_ms = clock_ms(CLOCK_MONOTONIC);
    sim->told_base_ms = clock_ms(CLOCK_REALTIME);
    int listen_fd = watch_signals(sim) == 0 && open_logs(sim) == 0
                        ? sim_listen(sim->options.bind, sim->options.port, &sim->port)
                        : -1;
    if (listen_fd < 0)
        return SIM_EXIT_FAILED;
    sim->model_cfg = (struct az_model_cfg){
        .seed = sim->options.seed,
        .time_scale = sim->options.time_scale,
        .arm_host = sim->names.arm_host,
        .login_host = sim->names.login_host,
        .workspace_suffix = sim->names.workspace_suffix,
        .private_zone = sim->names.private_zone,
        .port = sim->port,
    };
    sim->model = sim_model_new(sim);
    if (sim->model == NULL || load_files(sim) < 0) {
        fputs(
            "azure-sim: tests/azure/README.md describes state documents and fault rules, tests/azure/states has examples.\n",
            stderr);
        close(listen_fd);
        return SIM_EXIT_STATE;
    }
    return start_fronts(sim, listen_fd) < 0 ? SIM_EXIT_FAILED : SIM_EXIT_OK;
}

static int write_ready_file(const struct sim *sim)
{
    if (sim->options.ready_file == NULL)
        return 0;
    char arm[300], login[300], admin[64] = "";
    const struct sim_names *n = &sim->names;
    snprintf(arm, sizeof arm, "https://%s:%d", n->arm_host, sim->port);
    snprintf(login, sizeof login, "https://%s:%d", n->login_host, sim->port);
    if (sim->admin.daemon != NULL)
        snprintf(admin, sizeof admin, "http://127.0.0.1:%d", sim->admin_port);
    json_t *ready =
        json_pack("{s:i,s:i,s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:f}", "pid", (int)getpid(), "port",
                  sim->port, "adminPort", sim->admin_port, "bind", sim->options.bind, "ca", sim->ca_file,
                  "armUrl", arm, "loginUrl", login, "adminUrl", admin, "armHost", n->arm_host, "loginHost",
                  n->login_host, "workspaceSuffix", n->workspace_suffix, "privateZone", n->private_zone,
                  "managementResource", n->management_resource, "timeScale", sim->options.time_scale);
    char *text = json_dumps(ready, JSON_INDENT(2));
    int r = text != NULL ? write_file(sim->options.ready_file, text) : -1;
    free(text);
    json_decref(ready);
    return r;
}

static void print_banner(const struct sim *sim)
{
    const struct sim_names *n = &sim->names;
    if (sim->options.is_quiet)
        return;
    printf("azure-sim listens on %s port %d, admin on http://127.0.0.1:%d, 1 s here = %g s of Azure\n\n",
           sim->options.bind, sim->port, sim->admin_port, sim->options.time_scale);
    printf("For the worker:\n"
           "  export CAUSEWAY_AZURE_CLOUD=custom\n"
           "  export CAUSEWAY_AZURE_ARM_ENDPOINT=https://%s:%d\n"
           "  export AZURE_AUTHORITY_HOST=https://%s:%d\n"
           "  export CAUSEWAY_AZURE_WORKSPACE_SUFFIX=%s CAUSEWAY_AZURE_WORKSPACE_PORT=%d\n"
           "  export CAUSEWAY_AZURE_PRIVATE_ZONE=%s\n"
           "  export CAUSEWAY_AZURE_MANAGEMENT_RESOURCE=%s\n",
           n->arm_host, sim->port, n->login_host, sim->port, n->workspace_suffix, sim->port, n->private_zone,
           n->management_resource);
    if (sim->options.time_scale >= 1)
        printf("  export CAUSEWAY_AZURE_TIME_SCALE=%.0f\n", sim->options.time_scale);
    printf("For the worker and for SDKs:\n"
           "  export AZURE_TENANT_ID=22222222-2222-2222-2222-222222222222\n"
           "  export AZURE_CLIENT_ID=33333333-3333-3333-3333-333333333333 AZURE_CLIENT_SECRET=sim-secret\n");
    if (sim->ca_file[0] != '\0')
        printf("  export CAUSEWAY_TLS_CA_FILE=%s\n"
               "  export REQUESTS_CA_BUNDLE=%s SSL_CERT_FILE=%s CURL_CA_BUNDLE=%s\n",
               sim->ca_file, sim->ca_file, sim->ca_file, sim->ca_file);
    printf("Try:\n  curl%s%s 'https://%s:%d/metadata/endpoints?api-version=2019-05-01'\n\n",
           sim->ca_file[0] != '\0' ? " --cacert " : "", sim->ca_file, n->arm_host, sim->port);
    fflush(stdout);
}

/* ---- loop ----------------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static int64_t daemon_timeout(const struct sim_front *front)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (front->daemon == NULL || MHD_get_timeout(front->daemon, &ms) != MHD_YES)
        return -1;
    return ms < INT32_MAX ? (int64_t)ms : INT32_MAX;
}

static void on_event(struct sim *sim, const struct sim_watch *watch)
{
    struct signalfd_siginfo info;
    switch (watch->kind) {
    case SIM_WATCH_SIGNAL:
        sim->is_stopping = read(sim->signal_fd, &info, sizeof info) == (ssize_t)sizeof info;
        break;
    case SIM_WATCH_EXCHANGE:
        sim_exchange_resume(watch->of, true);
        break;
    case SIM_WATCH_FRONT:
        break;
    }
}

static void run(struct sim *sim)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    while (!sim->is_stopping) {
        int64_t timeout = sim_exchanges_resume_due(sim);
        timeout = earlier(timeout, earlier(daemon_timeout(&sim->https), daemon_timeout(&sim->admin)));
        int n = epoll_wait(sim->epoll_fd, events, EVENTS_PER_WAIT,
                           (int)(timeout < INT32_MAX ? timeout : INT32_MAX));
        for (int i = 0; i < n; i++)
            on_event(sim, events[i].data.ptr);
        (void)sim_exchanges_resume_due(sim);
        sim_front_run(&sim->https);
        sim_front_run(&sim->admin);
    }
}

static void stop(struct sim *sim)
{
    sim->is_stopping = true;
    sim_exchanges_resume_all(sim);
    sim_front_stop(&sim->https);
    sim_front_stop(&sim->admin);
    az_model_free(sim->model);
    json_decref(sim->snapshots);
    free(sim->waiting);
    if (sim->ca_folder[0] != '\0') {
        (void)unlink(sim->ca_file);
        (void)rmdir(sim->ca_folder);
    }
    if (sim->options.ready_file != NULL)
        (void)unlink(sim->options.ready_file);
    if (sim->log != NULL && sim->log != stdout)
        fclose(sim->log);
    if (sim->record != NULL && sim->record != stdout)
        fclose(sim->record);
    close(sim->signal_fd);
    close(sim->epoll_fd);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.epoll_fd = -1, .signal_fd = -1};
    int exit_code = sim_options_parse(argc, argv, &sim.options);
    if (exit_code >= 0)
        return exit_code;
    sim.snapshots = json_array();
    sim.https = (struct sim_front){
        .sim = &sim, .answer = sim_answer_azure, .body_bytes_max = SIM_BODY_BYTES_MAX, .is_logged = true};
    sim.admin = (struct sim_front){
        .sim = &sim, .answer = sim_answer_admin, .body_bytes_max = SIM_ADMIN_BODY_BYTES_MAX};
    exit_code = start(&sim);
    if (exit_code == SIM_EXIT_OK && write_ready_file(&sim) < 0)
        exit_code = SIM_EXIT_FAILED;
    if (exit_code == SIM_EXIT_OK) {
        print_banner(&sim);
        run(&sim);
    }
    stop(&sim);
    return exit_code;
}

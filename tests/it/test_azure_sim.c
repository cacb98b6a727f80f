/* azure-sim as a process: over TLS with its own CA, bad and slow clients, faults below HTTP, the admin interface, its end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <jansson.h>

#define SUB "/subscriptions/11111111-1111-1111-1111-111111111111"
#define TENANT "22222222-2222-2222-2222-222222222222"
#define START_MS 15000
#define BIG_BYTES (4u * 1024 * 1024 + 1)

struct sim {
    pid_t pid;
    char folder[64], ca[256], ready[256];
    int port, admin_port;
    char token[2500];
    long status;
    json_t *body;
    CURLcode code;
    double took_s;
};

struct text {
    char *p;
    size_t n;
};

static pid_t running; /* to be ended when a test fails in the middle */

/* ---- process ------------------------------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static void program_path(char *buf, size_t n)
{
    char self[4000];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    assert_non_null(slash);
    *slash = '\0';
    snprintf(buf, n, "%s/azure-sim", self);
}

static pid_t spawn_program(char *const argv[])
{
    extern char **environ;
    pid_t pid;
    char path[4096];
    posix_spawn_file_actions_t actions;
    program_path(path, sizeof path);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    sigset_t none;
    posix_spawnattr_t attr;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    assert_int_equal(posix_spawn(&pid, path, &actions, &attr, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return pid;
}

/* Exit code of a short run. */
static int run_program(char *const argv[])
{
    int status = 0;
    assert_true(waitpid(spawn_program(argv), &status, 0) > 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void start(struct sim *sim, const char *idle_timeout)
{
    memset(sim, 0, sizeof *sim);
    snprintf(sim->folder, sizeof sim->folder, "/tmp/azure-sim-test-XXXXXX");
    assert_non_null(mkdtemp(sim->folder));
    snprintf(sim->ca, sizeof sim->ca, "%s/ca.pem", sim->folder);
    snprintf(sim->ready, sizeof sim->ready, "%s/ready.json", sim->folder);
    char *argv[] = {"azure-sim",
                    "--port",
                    "0",
                    "--ca-out",
                    sim->ca,
                    "--ready-file",
                    sim->ready,
                    "--time-scale",
                    "1000",
                    "--state",
                    "tests/azure/states/healthy.json",
                    "--idle-timeout",
                    (char *)idle_timeout,
                    "--quiet",
                    NULL};
    sim->pid = running = spawn_program(argv);
    json_t *ready = NULL;
    for (int64_t end = now_ms() + START_MS; ready == NULL && now_ms() < end; nap())
        ready = json_load_file(sim->ready, 0, NULL);
    assert_non_null(ready);
    sim->port = (int)json_integer_value(json_object_get(ready, "port"));
    sim->admin_port = (int)json_integer_value(json_object_get(ready, "adminPort"));
    assert_string_equal(json_string_value(json_object_get(ready, "ca")), sim->ca);
    assert_int_equal(json_integer_value(json_object_get(ready, "pid")), sim->pid);
    json_decref(ready);
}

/* End it; answers the milliseconds that took. */
static int64_t stop(struct sim *sim)
{
    int status = 0;
    int64_t from = now_ms();
    assert_int_equal(kill(sim->pid, SIGTERM), 0);
    assert_int_equal(waitpid(sim->pid, &status, 0), sim->pid);
    running = 0;
    int64_t took = now_ms() - from;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_not_equal(access(sim->ready, F_OK), 0);
    unlink(sim->ca);
    rmdir(sim->folder);
    json_decref(sim->body);
    sim->body = NULL;
    return took;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------- */

static size_t collect(char *data, size_t size, size_t n, void *cls)
{
    struct text *text = cls;
    char *grown = realloc(text->p, text->n + size * n + 1);
    if (grown == NULL)
        return 0;
    text->p = grown;
    memcpy(text->p + text->n, data, size * n);
    text->n += size * n;
    text->p[text->n] = '\0';
    return size * n;
}

/* method "" = GET. body NULL = none; body_bytes < 0 = a string. */
static long request_to(struct sim *sim, const char *url, const char *method, const char *body,
                       long body_bytes, const char *content_type, long timeout_ms)
{
    char authorization[2600];
    struct text answer = {NULL, 0};
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, content_type);
    if (sim->token[0] != '\0') {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", sim->token);
        headers = curl_slist_append(headers, authorization);
    }
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, sim->ca);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, body_bytes < 0 ? (long)strlen(body) : body_bytes);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    if (method[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    int64_t from = now_ms();
    sim->status = 0;
    sim->code = curl_easy_perform(curl);
    sim->took_s = (double)(now_ms() - from) / 1000;
    if (sim->code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &sim->status);
    json_decref(sim->body);
    sim->body = answer.p != NULL ? json_loadb(answer.p, answer.n, JSON_DECODE_ANY, NULL) : NULL;
    free(answer.p);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return sim->status;
}

static long arm(struct sim *sim, const char *method, const char *path, const char *body)
{
    char url[1024];
    snprintf(url, sizeof url, "https://management.azure.localhost:%d%s", sim->port, path);
    return request_to(sim, url, method, body, -1, "Content-Type: application/json", 10000);
}

static long admin(struct sim *sim, const char *method, const char *path, const char *body)
{
    char url[1024];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", sim->admin_port, path);
    return request_to(sim, url, method, body, -1, "Content-Type: application/json", 10000);
}

static const char *text_of(const struct sim *sim, const char *a, const char *b)
{
    const json_t *v = json_object_get(sim->body, a);
    const char *s = json_string_value(b != NULL ? json_object_get(v, b) : v);
    return s != NULL ? s : "";
}

static void sign_in(struct sim *sim)
{
    char url[256];
    snprintf(url, sizeof url, "https://login.azure.localhost:%d/" TENANT "/oauth2/v2.0/token", sim->port);
    assert_int_equal(
        request_to(
            sim, url, "",
            "grant_type=client_credentials&client_id=33333333-3333-3333-3333-333333333333&client_secret="
            "sim-secret&scope=https%3A%2F%2Fmanagement.azure.localhost%2F.default",
            -1, "Content-Type: application/x-www-form-urlencoded", 10000),
        200);
    snprintf(sim->token, sizeof sim->token, "%s", text_of(sim, "access_token", NULL));
    assert_string_not_equal(sim->token, "");
}

/* ---- a raw connection to the TLS port ------------------------------------------------------------------------------------------- */

static int connect_raw(const struct sim *sim)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sim->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* ---- tests -------------------------------------------------------------------------------------------------------------------------- */

static void options_are_checked(void **state)
{
    (void)state;
    assert_int_equal(run_program((char *[]){"azure-sim", "--help", NULL}), 0);
    assert_int_equal(run_program((char *[]){"azure-sim", "--port", "99999", NULL}), 2);
    assert_int_equal(run_program((char *[]){"azure-sim", "--cloud", "moon", NULL}), 2);
    assert_int_equal(run_program((char *[]){"azure-sim", "--cert", "a.pem", NULL}), 2);
    assert_int_equal(run_program((char *[]){"azure-sim", "surplus", NULL}), 2);
    assert_int_equal(
        run_program((char *[]){"azure-sim", "--port", "0", "--state", "/nonexistent.json", NULL}), 3);
    assert_int_equal(run_program((char *[]){"azure-sim", "--port", "0", "--state", "CMakeLists.txt", NULL}),
                     3);
}

static void a_network_is_made_over_tls(void **state)
{
    (void)state;
    static const char vnet[] =
        SUB "/resourceGroups/rg-new/providers/Microsoft.Network/virtualNetworks/vnet?api-version=2023-09-01";
    struct sim sim;
    start(&sim, "60");
    assert_int_equal(arm(&sim, "GET", SUB "?api-version=2022-12-01", NULL), 401);
    sign_in(&sim);
    assert_int_equal(arm(&sim, "GET", SUB "/resourcegroups/rg-new?api-version=2021-04-01", NULL), 404);
    assert_int_equal(arm(&sim, "PUT", SUB "/resourcegroups/rg-new?api-version=2021-04-01",
                         "{\"location\":\"chinaeast2\"}"),
                     201);
    assert_int_equal(
        arm(&sim, "PUT", vnet,
            "{\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.9.0.0/16\"]}}}"),
        201);
    int64_t end = now_ms() + 10000;
    do {
        assert_int_equal(arm(&sim, "GET", vnet, NULL), 200);
        assert_true(now_ms() < end);
        nap();
    } while (strcmp(text_of(&sim, "properties", "provisioningState"), "Succeeded") != 0);
    assert_int_equal(arm(&sim, "PUT", vnet, "{\"location\":"), 400);
    /* plain localhost is Resource Manager, too */
    char url[256];
    snprintf(url, sizeof url, "https://localhost:%d" SUB "?api-version=2022-12-01", sim.port);
    assert_int_equal(request_to(&sim, url, "", NULL, -1, "Accept: application/json", 5000), 200);
    (void)stop(&sim);
}

static void large_bodies_are_refused(void **state)
{
    (void)state;
    struct sim sim;
    char url[256];
    char *big = calloc(1, BIG_BYTES);
    assert_non_null(big);
    memset(big, ' ', BIG_BYTES - 1);
    start(&sim, "60");
    sign_in(&sim);
    snprintf(url, sizeof url,
             "https://management.azure.localhost:%d" SUB "/resourcegroups/rg?api-version=2021-04-01",
             sim.port);
    long status = request_to(&sim, url, "PUT", big, BIG_BYTES, "Content-Type: application/json", 10000);
    assert_true(status == 413 || sim.code == CURLE_SEND_ERROR || sim.code == CURLE_RECV_ERROR);
    status = request_to(&sim, url, "PUT", big, BIG_BYTES, "Transfer-Encoding: chunked", 10000);
    assert_int_equal(status, 413);
    status = request_to(&sim, url, "PUT", big, BIG_BYTES - 1, "Content-Type: application/json", 10000);
    assert_int_equal(status, 400);
    assert_int_equal(admin(&sim, "GET", "/healthz", NULL), 200);
    free(big);
    (void)stop(&sim);
}

static void silent_clients_are_closed_and_idle_ones_do_no_harm(void **state)
{
    (void)state;
    struct sim sim;
    int idle[300];
    char byte;
    start(&sim, "1");
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        idle[i] = connect_raw(&sim);
    assert_int_equal(write(idle[0], "\x16\x03\x01", 3), 3); /* a handshake that stays unfinished */
    assert_int_equal(write(idle[1], "GET / HTTP/1.1\r\n\r\n", 18), 18); /* no TLS at all */
    sign_in(&sim);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(idle[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t n;
    while ((n = read(idle[0], &byte, 1)) > 0)
        continue;
    assert_true(n == 0 || errno == ECONNRESET);
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        close(idle[i]);
    sign_in(&sim);
    (void)stop(&sim);
}

static void faults_reach_below_http(void **state)
{
    (void)state;
    static const char path[] = SUB "?api-version=2022-12-01";
    struct sim sim;
    start(&sim, "60");
    sign_in(&sim);
    assert_int_equal(admin(&sim, "POST", "/faults", "{\"fault\":\"nonsense\"}"), 400);
    assert_int_equal(admin(&sim, "POST", "/faults",
                           "{\"match\":{\"host\":\"arm\"},\"count\":1,\"fault\":\"reset-before\"}"),
                     200);
    (void)arm(&sim, "GET", path, NULL);
    assert_true(sim.code == CURLE_RECV_ERROR || sim.code == CURLE_GOT_NOTHING);
    assert_int_equal(arm(&sim, "GET", path, NULL), 200);
    assert_int_equal(
        admin(&sim, "POST", "/faults", "[{\"match\":{\"host\":\"arm\"},\"count\":1,\"fault\":\"truncate\"}]"),
        200);
    (void)arm(&sim, "GET", path, NULL);
    assert_true(sim.code == CURLE_PARTIAL_FILE || sim.code == CURLE_RECV_ERROR);
    assert_int_equal(
        admin(&sim, "POST", "/faults", "{\"match\":{\"host\":\"arm\"},\"count\":1,\"fault\":\"slow\"}"), 200);
    assert_int_equal(arm(&sim, "GET", path, NULL), 200);
    assert_non_null(sim.body);
    assert_true(sim.took_s > 0.5);
    assert_int_equal(admin(&sim, "POST", "/faults", "{\"match\":{\"host\":\"arm\"},\"fault\":\"hang\"}"),
                     200);
    char url[256];
    snprintf(url, sizeof url, "https://management.azure.localhost:%d%s", sim.port, path);
    (void)request_to(&sim, url, "", NULL, -1, "Accept: */*", 300);
    assert_int_equal(sim.code, CURLE_OPERATION_TIMEDOUT);
    /* the client that went away is not kept */
    int64_t end = now_ms() + 5000;
    do {
        assert_int_equal(admin(&sim, "GET", "/counts", NULL), 200);
        assert_true(now_ms() < end);
        nap();
    } while (json_integer_value(json_object_get(sim.body, "waiting")) != 0);
    assert_int_equal(admin(&sim, "DELETE", "/faults", NULL), 200);
    assert_int_equal(arm(&sim, "GET", path, NULL), 200);
    (void)stop(&sim);
}

static void the_admin_interface_looks_and_steers(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, "60");
    sign_in(&sim);
    assert_int_equal(admin(&sim, "GET", "/", NULL), 200);
    assert_int_equal(admin(&sim, "GET", "/nothing", NULL), 404);
    assert_int_equal(admin(&sim, "PUT", "/state", NULL), 405);
    assert_int_equal(admin(&sim, "POST", "/advance", "{\"ms\":\"x\"}"), 400);
    assert_int_equal(admin(&sim, "POST", "/snapshot", NULL), 200);
    assert_int_equal(
        arm(&sim, "PUT", SUB "/resourcegroups/rg-x?api-version=2021-04-01", "{\"location\":\"chinaeast2\"}"),
        201);
    assert_int_equal(admin(&sim, "GET", "/ledger?resource=" SUB "/resourceGroups/rg-x", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(sim.body, "entries")), 1);
    assert_int_equal(admin(&sim, "GET", "/ledger?concurrent=" SUB "/resourceGroups/rg-x", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(sim.body, "entries")), 0);
    assert_int_equal(admin(&sim, "GET", "/counts", NULL), 200);
    assert_int_equal(json_integer_value(json_object_get(sim.body, "write")), 1);
    assert_int_equal(admin(&sim, "POST", "/restore", "{\"snapshot\":1}"), 200);
    assert_int_equal(arm(&sim, "GET", SUB "/resourcegroups/rg-x?api-version=2021-04-01", NULL), 404);
    assert_int_equal(admin(&sim, "POST", "/restore", "{\"snapshot\":9}"), 404);
    assert_int_equal(
        admin(&sim, "GET", "/graph?workspace=adb-4000000000000203.3.databricks.azure.localhost", NULL), 200);
    assert_true(json_is_true(json_object_get(json_object_get(sim.body, "launch"), "ok")));
    assert_int_equal(admin(&sim, "GET", "/graph?workspace=none", NULL), 404);
    assert_int_equal(admin(&sim, "POST", "/advance", "{\"ms\":7200000}"), 200);
    assert_int_equal(arm(&sim, "GET", SUB "?api-version=2022-12-01", NULL), 401); /* the token is old now */
    (void)stop(&sim);
}

static void it_ends_at_once(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, "60");
    sign_in(&sim);
    int open_connection = connect_raw(&sim);
    int64_t took = stop(&sim);
    close(open_connection);
    assert_true(took < 3000); /* the leak check of a sanitizer build takes the most of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_network_is_made_over_tls),
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(silent_clients_are_closed_and_idle_ones_do_no_harm),
        cmocka_unit_test(faults_reach_below_http),
        cmocka_unit_test(the_admin_interface_looks_and_steers),
        cmocka_unit_test(it_ends_at_once),
    };
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (running > 0)
        kill(running, SIGKILL);
    curl_global_cleanup();
    return failed;
}

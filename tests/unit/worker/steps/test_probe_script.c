/* The probe: its source, the reading of its output, and the judgement, which the node never makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/steps/probe_script.h"

static const struct cw_probe_question question = {
    .host = "adb-1.2.databricks.azure.cn",
    .address = "10.10.128.4",
    .zone = "privatelink.databricks.azure.cn",
};

#define DNS(address, name)                                                            \
    "\"dns\":[{\"server\":\"168.63.129.16\",\"rcode\":\"NOERROR\",\"cname\":[\"" name \
    "\"],\"addresses\":[\"" address "\"],\"ttl\":10}]"
#define PRIVATE_NAME "adb-1.2.privatelink.databricks.azure.cn"
#define REST                                                                                     \
    "\"resolvers\":[\"168.63.129.16\"],\"getaddrinfo\":[\"10.10.0.5\"],\"hosts\":\"10.10.0.5\"," \
    "\"tls\":{\"address\":\"10.10.128.4\",\"ok\":true,\"subject\":\"*.x\",\"error\":\"\"},\"http\":{\"status\":401}"
#define TCP(result) "\"tcp\":[{\"address\":\"10.10.128.4\",\"port\":443,\"result\":\"" result "\"}]"

static const char *judge(struct cw_arena *mem, const char *json)
{
    struct cw_probe_v1 probe = {0};
    struct cw_err err = {0};
    const char *kept = NULL;
    const char *output = cw_arena_printf(mem, "Out[1]: warning\nCAUSEWAY-PROBE/1 {%s}\nmore", json);
    assert_int_equal(cw_probe_read(output, mem, &probe, &kept, &err), 0);
    return cw_probe_judge(&probe, &question, mem);
}

static void test_a_private_connection_is_proven(void **state)
{
    struct cw_arena *mem = *state;
    assert_null(judge(mem, DNS("10.10.128.4", PRIVATE_NAME) "," TCP("open") "," REST ",\"rows\":[0]"));
}

static void test_what_is_no_proof(void **state)
{
    struct cw_arena *mem = *state;
    const char *why =
        judge(mem, DNS("52.1.2.3", "x.databricks.azure.cn") "," TCP("open") "," REST ",\"rows\":[0]");
    assert_non_null(strstr(why, "52.1.2.3"));
    why = judge(mem, DNS("10.10.128.4", "adb-1.2.elsewhere.cn") "," TCP("open") "," REST ",\"rows\":[0]");
    assert_non_null(strstr(why, "privatelink.databricks.azure.cn"));
    why = judge(mem, DNS("10.10.128.4", PRIVATE_NAME) "," TCP("timeout") "," REST ",\"rows\":[0]");
    assert_non_null(strstr(why, "timeout"));
    why = judge(mem, DNS("10.10.128.4", PRIVATE_NAME) "," TCP("open") "," REST ",\"rows\":[]");
    assert_non_null(strstr(why, "[]"));
    why = judge(mem, "\"dns\":[]," TCP("open") "," REST ",\"rows\":[0]");
    assert_non_null(why);
    why = judge(mem, "\"dns\":[{\"server\":\"10.0.0.9\",\"rcode\":\"NXDOMAIN\"}]," TCP(
                         "open") "," REST ",\"rows\":[0]");
    assert_non_null(strstr(why, "NXDOMAIN"));
}

static void test_output_without_an_answer(void **state)
{
    struct cw_arena *mem = *state;
    struct cw_probe_v1 probe = {0};
    struct cw_err err = {0};
    const char *json = NULL;
    assert_int_equal(cw_probe_read("nothing here", mem, &probe, &json, &err), -CW_EPROTO);
    assert_int_equal(cw_probe_read(NULL, mem, &probe, &json, &err), -CW_EPROTO);
    assert_int_equal(cw_probe_read("CAUSEWAY-PROBE/1 {\"dns\":", mem, &probe, &json, &err), -CW_EPROTO);
    assert_int_equal(cw_probe_read("CAUSEWAY-PROBE/1 {\"dns\":7}", mem, &probe, &json, &err), -CW_EPROTO);
}

/* The script itself runs here, where the workspace's name does not exist: it must still print one well-formed line. */
static void test_the_script_is_python_that_runs(void **state)
{
    struct cw_arena *mem = *state;
    const struct cw_probe_question local = {"adb-1.2.invalid", "127.0.0.1", "privatelink.invalid"};
    char path[] = "/tmp/causeway-probe-XXXXXX";
    char command[128];
    char output[8192];
    struct cw_probe_v1 probe = {0};
    struct cw_err err = {0};
    const char *json = NULL;
    char *source = cw_probe_source(&local, mem);
    assert_non_null(source);
    assert_int_equal(strncmp(source, "# causeway-probe/1 {\"host\":\"adb-1.2.invalid\"", 44), 0);
    /* No DNS server is asked from a test. */
    static const char asks[] = "[ask(s, P['host']) for s in r['resolvers']]";
    static const char asks_not[] = "[]#";
    char *call = strstr(source, asks);
    assert_non_null(call);
    memcpy(call, asks_not, sizeof asks_not - 1);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, source, strlen(source)), (ssize_t)strlen(source));
    (void)close(fd);
    (void)snprintf(command, sizeof command, "python3 %s", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(output, 1, sizeof output - 1, pipe);
    output[n] = '\0';
    assert_int_equal(pclose(pipe), 0);
    (void)unlink(path);
    assert_int_equal(cw_probe_read(output, mem, &probe, &json, &err), 0);
    assert_int_equal(probe.tcp_count, 2);
    assert_false(probe.tls.ok);
    assert_non_null(cw_probe_judge(&probe, &local, mem));
}

static int make_arena(void **state)
{
    struct cw_arena *mem = NULL;
    int r = cw_arena_new((size_t)4 * 1024 * 1024, &mem);
    *state = mem;
    return r;
}

static int free_arena(void **state)
{
    cw_arena_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_private_connection_is_proven, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_what_is_no_proof, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_output_without_an_answer, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_the_script_is_python_that_runs, make_arena, free_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/common/check.h"

#include <unistd.h>

#include "common/cfg.h"

struct settings {
    char *brokers;
    char *id;
    char *secret;
    char *topic;
    int64_t count;
    int64_t wait_ms;
    int64_t bytes;
    int64_t cloud;
    bool is_on;
};

#define AT(member) .offset = offsetof(struct settings, member)
static const struct cw_cfg_row rows[] = {
    {.name = "kafka.brokers", .type = CW_CFG_STR, AT(brokers), .text = "Brokers.", .is_required = true},
    {.name = "azure.client-id", .env = "AZURE_CLIENT_ID", .type = CW_CFG_STR, AT(id), .text = "Client."},
    {.name = "kafka.password", .type = CW_CFG_STR, AT(secret), .text = "Password.", .is_secret = true},
    {.name = "topic", .type = CW_CFG_STR, AT(topic), .def = "t|1", .text = "Topic."},
    {.name = "limits.count",
     .type = CW_CFG_INT,
     AT(count),
     .min = 1,
     .max = 10,
     .def = "5",
     .text = "Count."},
    {.name = "limits.wait",
     .type = CW_CFG_DURATION,
     AT(wait_ms),
     .min = 100,
     .max = 3600000,
     .def = "15m",
     .text = "Wait."},
    {.name = "limits.bytes", .type = CW_CFG_BYTES, AT(bytes), .def = "64KiB", .text = "Bytes."},
    {.name = "azure.cloud",
     .type = CW_CFG_ENUM,
     AT(cloud),
     .choices = "china|public|usgov",
     .def = "china",
     .text = "Cloud."},
    {.name = "on", .type = CW_CFG_BOOL, AT(is_on), .def = "false", .text = "On."},
};

static struct settings settings;
static struct cw_err err;

/* Loads from a command line given as words separated by spaces; the words that are left are joined in `left`. */
static char left[256];

static int load(const char *line)
{
    char words[512];
    char *argv[32] = {"program"};
    int argc = 1;
    (void)snprintf(words, sizeof words, "%s", line);
    for (char *at = words; *at != '\0';) {
        size_t n = strcspn(at, " ");
        bool is_last = at[n] == '\0';
        at[n] = '\0';
        argv[argc++] = at;
        at += is_last ? n : n + 1;
    }
    memset(&settings, 0xA5, sizeof settings);
    cw_err_clear(&err);
    int r = cw_cfg_load(rows, CW_ARRAY_LEN(rows), &settings, &argc, argv, &err);
    left[0] = '\0';
    for (int i = 1; r == 0 && i < argc; i++) {
        size_t n = strlen(left);
        (void)snprintf(left + n, sizeof left - n, "%s%s", n == 0 ? "" : " ", argv[i]);
    }
    return r;
}

static void unload(void)
{
    cw_cfg_fini(rows, CW_ARRAY_LEN(rows), &settings);
    assert_null(settings.brokers);
}

static int clear_env(void **state)
{
    (void)state;
    static const char *const names[] = {
        "CAUSEWAY_KAFKA_BROKERS",       "AZURE_CLIENT_ID", "CAUSEWAY_KAFKA_PASSWORD",
        "CAUSEWAY_KAFKA_PASSWORD_FILE", "CAUSEWAY_TOPIC",  "CAUSEWAY_LIMITS_COUNT",
        "CAUSEWAY_AZURE_CLOUD",         "CAUSEWAY_ON",     "CAUSEWAY_LIMITS_WAIT",
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(names); i++)
        (void)unsetenv(names[i]);
    return 0;
}

static void put_env(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void refuse(const char *line, const char *text)
{
    assert_int_equal(load(line), -CW_EINVAL);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", line, err.text, text);
    assert_null(settings.brokers); /* nothing to free */
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(load("--kafka-brokers a:1"), 0);
    assert_string_equal(settings.brokers, "a:1");
    assert_null(settings.id);
    assert_null(settings.secret);
    assert_string_equal(settings.topic, "t|1");
    assert_int_equal(settings.count, 5);
    assert_int_equal(settings.wait_ms, 900000);
    assert_int_equal(settings.bytes, 65536);
    assert_int_equal(settings.cloud, 0);
    assert_false(settings.is_on);
    unload();
}

static void the_command_line_beats_the_environment(void **state)
{
    (void)state;
    put_env("CAUSEWAY_KAFKA_BROKERS", "env:1");
    put_env("AZURE_CLIENT_ID", "env-id");
    put_env("CAUSEWAY_LIMITS_COUNT", "7");
    put_env("CAUSEWAY_AZURE_CLOUD", "usgov");
    assert_int_equal(load("--limits-count=9 --limits-count 8"), 0);
    assert_string_equal(settings.brokers, "env:1");
    assert_string_equal(settings.id, "env-id");
    assert_int_equal(settings.count, 8);
    assert_int_equal(settings.cloud, 2);
    unload();
}

static void other_words_stay(void **state)
{
    (void)state;
    assert_int_equal(
        load("submit -x --kafka-brokers a --other --on file --topic= --kafka-brokersx -- --topic z"), 0);
    assert_string_equal(left, "submit -x --other file --kafka-brokersx -- --topic z");
    assert_true(settings.is_on);
    assert_string_equal(settings.topic, ""); /* replaces the default */
    unload();
    assert_int_equal(load("--kafka-brokers a --on=no x"), 0);
    assert_false(settings.is_on);
    assert_string_equal(left, "x");
    unload();
}

static void empty_means_unset_where_there_is_no_default(void **state)
{
    (void)state;
    put_env("AZURE_CLIENT_ID", "");
    put_env("CAUSEWAY_TOPIC", "");
    put_env("CAUSEWAY_LIMITS_COUNT", "");
    assert_int_equal(load("--kafka-brokers a"), 0);
    assert_null(settings.id);
    assert_string_equal(settings.topic, "");
    assert_int_equal(settings.count, 5);
    unload();
    refuse("--kafka-brokers a --limits-count=",
           "limits.count (--limits-count, CAUSEWAY_LIMITS_COUNT): \"\" is not a whole number");
}

static void values_and_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t wait_ms, bytes;
    } cases[] = {
        {"--limits-wait 250ms --limits-bytes 512", 250, 512},
        {"--limits-wait 30s --limits-bytes 4MiB", 30000, 4 << 20},
        {"--limits-wait 1h --limits-bytes 1GiB", 3600000, 1 << 30},
        {"--limits-wait 60m --limits-bytes 0", 3600000, 0},
        {"--limits-wait 2m --limits-bytes 7B", 120000, 7},
    };
    put_env("CAUSEWAY_KAFKA_BROKERS", "a");
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        assert_int_equal(load(cases[i].line), 0);
        assert_int_equal(settings.wait_ms, cases[i].wait_ms);
        assert_int_equal(settings.bytes, cases[i].bytes);
        unload();
    }
}

static void bad_values_are_named_with_what_is_allowed(void **state)
{
    (void)state;
    refuse("", "kafka.brokers (--kafka-brokers, CAUSEWAY_KAFKA_BROKERS): required, but not given");
    put_env("CAUSEWAY_KAFKA_BROKERS", "a");
    refuse("--limits-count 0", "\"0\" is not a whole number from 1 to 10");
    refuse("--limits-count 11", "from 1 to 10");
    refuse("--limits-count 3x", "\"3x\"");
    refuse("--limits-wait 30", "\"30\" is not a duration from 100ms to 1h, like 250ms, 30s, 15m, 2h or 1d");
    refuse("--limits-wait 2h", "from 100ms to 1h");
    refuse("--limits-wait 1.5h", "\"1.5h\"");
    refuse("--limits-wait -5s", "\"-5s\"");
    refuse("--limits-wait 99999999999999999d", "is not a duration");
    refuse("--limits-bytes 4MB", "\"4MB\" is not a size, like 512, 64KiB or 4MiB");
    refuse("--limits-bytes 9999999999GiB", "is not a size");
    refuse("--azure-cloud mars", "\"mars\" is not one of china, public, usgov");
    refuse("--azure-cloud chin", "one of");
    refuse("--on=maybe", "\"maybe\" is not true or false");
    refuse("--topic", "topic (--topic, CAUSEWAY_TOPIC): the option needs a value");
    refuse("--topic --on", "needs a value");
    put_env("CAUSEWAY_LIMITS_WAIT", "soon");
    refuse("", "limits.wait (--limits-wait, CAUSEWAY_LIMITS_WAIT): \"soon\"");
}

static void put_file(const char *path, const char *text, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void secrets_come_from_files_and_are_never_shown(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-cfg-XXXXXX", path[64], line[128];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/secret", folder);
    put_env("CAUSEWAY_KAFKA_BROKERS", "a");
    put_env("CAUSEWAY_KAFKA_PASSWORD_FILE", path);
    refuse("", "No such file");
    put_file(path, "hunter2\r\n", 9);
    assert_int_equal(load(""), 0);
    assert_string_equal(settings.secret, "hunter2");
    unload();
    put_env("CAUSEWAY_KAFKA_PASSWORD", "x");
    refuse("", "given both as a value and as a file");
    assert_null(strstr(err.text, "hunter2"));
    (void)snprintf(line, sizeof line, "--kafka-password-file %s", path);
    assert_int_equal(load(line), 0);
    assert_string_equal(settings.secret, "hunter2");
    assert_string_equal(left, "");
    unload();
    assert_int_equal(load("--kafka-password plain"), 0);
    assert_string_equal(settings.secret, "plain");
    unload();
    (void)unsetenv("CAUSEWAY_KAFKA_PASSWORD");
    put_file(path, "a\0b", 3);
    refuse("", "is not a text of at most 65536 bytes");
    (void)unlink(path);
    (void)rmdir(folder);
}

static char *printed(void (*print)(FILE *out))
{
    static char *text;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void print_help(FILE *out)
{
    cw_cfg_print_help(rows, CW_ARRAY_LEN(rows), out);
}

static void print_markdown(FILE *out)
{
    cw_cfg_print_markdown(rows, CW_ARRAY_LEN(rows), out);
}

static void print_effective(FILE *out)
{
    cw_cfg_print_effective(rows, CW_ARRAY_LEN(rows), &settings, out);
}

static void help_is_grouped(void **state)
{
    (void)state;
    char *z = printed(print_help);
    const char *kafka = strstr(z, "kafka:\n"), *azure = strstr(z, "\nazure:\n"),
               *limits = strstr(z, "\nlimits:\n");
    assert_ptr_equal(kafka, z);
    assert_true(azure > kafka && limits > azure);
    const char *password = strstr(z, "--kafka-password TEXT");
    assert_true(password > kafka && password < azure); /* though its row comes later */
    assert_non_null(strstr(z, "[CAUSEWAY_KAFKA_PASSWORD, or a file in CAUSEWAY_KAFKA_PASSWORD_FILE]"));
    assert_non_null(strstr(z, "[CAUSEWAY_KAFKA_BROKERS; required]"));
    assert_non_null(strstr(z, "; a whole number from 1 to 10; default 5]"));
    for (const char *at = z; *at != '\0'; at += strcspn(at, "\n") + 1)
        assert_true(strcspn(at, "\n") <= 110);
    free(z);
}

static void markdown_has_a_row_each(void **state)
{
    (void)state;
    char *z = printed(print_markdown);
    assert_non_null(strstr(z, "| `--kafka-brokers` | `CAUSEWAY_KAFKA_BROKERS` | required | Brokers. |\n"));
    assert_non_null(strstr(z, "| `--topic` | `CAUSEWAY_TOPIC` | `t\\|1` | Topic. |\n"));
    assert_non_null(strstr(z, "| `CAUSEWAY_KAFKA_PASSWORD` or `CAUSEWAY_KAFKA_PASSWORD_FILE` |"));
    assert_non_null(strstr(z, "| `15m` | Wait. Allowed: a duration from 100ms to 1h"));
    free(z);
}

static void the_effective_settings_hide_secrets(void **state)
{
    (void)state;
    assert_int_equal(load("--kafka-brokers a --kafka-password hunter2 --limits-wait 90s --topic=x\ny"), 0);
    char *z = printed(print_effective);
    assert_string_equal(
        z,
        "kafka.brokers=a\nazure.client-id=\nkafka.password=***\ntopic=x\\ny\nlimits.count=5\nlimits.wait=90s\n"
        "limits.bytes=64KiB\nazure.cloud=china\non=false\n");
    free(z);
    unload();
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, clear_env)
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(the_command_line_beats_the_environment),
        TEST(other_words_stay),
        TEST(empty_means_unset_where_there_is_no_default),
        TEST(values_and_their_units),
        TEST(bad_values_are_named_with_what_is_allowed),
        TEST(secrets_come_from_files_and_are_never_shown),
        TEST(help_is_grouped),
        TEST(markdown_has_a_row_each),
        TEST(the_effective_settings_hide_secrets),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

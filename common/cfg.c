#include "common/cfg.h"

#include <errno.h>

#include "common/cfg_value.h"

#define SECRET_BYTES_MAX 65536

/* What the command line or the environment says about one row. */
struct given {
    const char *value;
    const char *file; /* the path of a secret */
};

static void *field(const struct cw_cfg_row *row, void *settings)
{
    return (char *)settings + row->offset;
}

static int refuse(struct cw_err *err, const struct cw_cfg_row *row, const char *what)
{
    char option[CW_CFG_NAME_BYTES], env[CW_CFG_NAME_BYTES];
    cw_cfg_option_name(row, option);
    cw_cfg_env_name(row, env);
    return cw_err_set(err, CW_EINVAL, "%s (--%s, %s): %s", row->name, option, env, what);
}

static int refuse_value(struct cw_err *err, const struct cw_cfg_row *row, const char *value)
{
    char allowed[CW_CFG_VALUE_BYTES], what[CW_ERR_TEXT_BYTES];
    cw_cfg_value_allowed(row, allowed);
    if (row->is_secret)
        (void)snprintf(what, sizeof what, "the value is not %s", allowed);
    else
        (void)snprintf(what, sizeof what, "\"%.100s\" is not %s", value, allowed);
    return refuse(err, row, what);
}

/* The row of the option in arg ("--kafka-brokers=x"); is_file when it is that of a secret with "-file" behind it. */
static const struct cw_cfg_row *row_of(const struct cw_cfg_row *rows, size_t count, const char *arg,
                                       bool *ret_is_file)
{
    struct cw_str name = {arg + 2, strcspn(arg + 2, "=")};
    const struct cw_cfg_row *secret = NULL;
    for (size_t i = 0; i < count; i++) {
        char option[CW_CFG_NAME_BYTES];
        cw_cfg_option_name(&rows[i], option);
        *ret_is_file = false;
        if (cw_str_eq_z(name, option))
            return &rows[i];
        size_t n = strlen(option);
        if (rows[i].is_secret && name.n == n + 5 && memcmp(name.p, option, n) == 0 &&
            memcmp(name.p + n, "-file", 5) == 0)
            secret = &rows[i];
    }
    *ret_is_file = secret != NULL;
    return secret;
}

/* Read the option at argv[*at], whose value may be the next argument; *at moves to the last argument used. */
static int take_option(const struct cw_cfg_row *row, bool is_file, int argc, char **argv, int *at,
                       struct given *given, struct cw_err *err)
{
    const char *equals = strchr(argv[*at], '=');
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (value == NULL && row->type == CW_CFG_BOOL)
        value = "true";
    if (value == NULL) {
        if (*at + 1 >= argc || cw_z_starts(argv[*at + 1], "--"))
            return refuse(err, row, "the option needs a value");
        value = argv[++*at];
    }
    *given = is_file ? (struct given){.file = value} : (struct given){.value = value};
    return 0;
}

static int take_options(const struct cw_cfg_row *rows, size_t count, int *argc, char **argv,
                        struct given *given, struct cw_err *err)
{
    int kept = *argc > 0 ? 1 : 0;
    int r = 0;
    for (int i = kept; i < *argc; i++) {
        bool is_file = false, is_end = strcmp(argv[i], "--") == 0;
        const struct cw_cfg_row *row = NULL;
        if (!is_end && cw_z_starts(argv[i], "--"))
            row = row_of(rows, count, argv[i], &is_file);
        if (row == NULL) {
            argv[kept++] = argv[i];
            while (is_end && i + 1 < *argc)
                argv[kept++] = argv[++i];
            continue;
        }
        r = take_option(row, is_file, *argc, argv, &i, &given[row - rows], err);
        if (r < 0)
            return r;
    }
    if (kept < *argc)
        argv[kept] = NULL;
    *argc = kept;
    return 0;
}

/* A secret's file without its final line end. */
static int read_secret(const struct cw_cfg_row *row, const char *path, char **ret_text, struct cw_err *err)
{
    char what[CW_ERR_TEXT_BYTES];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(what, sizeof what, "%.200s cannot be read: %s", path, strerror(errno));
        return refuse(err, row, what);
    }
    char *text = calloc(1, SECRET_BYTES_MAX + 2);
    size_t n = text == NULL ? 0 : fread(text, 1, SECRET_BYTES_MAX + 1, file);
    bool has_failed = ferror(file) != 0;
    (void)fclose(file);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for %s", row->name);
    if (has_failed || n > SECRET_BYTES_MAX || strlen(text) != n) {
        free(text);
        (void)snprintf(what, sizeof what, "%.200s is not a text of at most %d bytes", path, SECRET_BYTES_MAX);
        return refuse(err, row, what);
    }
    if (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    if (n > 0 && text[n - 1] == '\r')
        text[--n] = '\0';
    *ret_text = text;
    return 0;
}

static void look_into_env(const struct cw_cfg_row *row, struct given *given)
{
    char env[CW_CFG_NAME_BYTES], env_file[CW_CFG_NAME_BYTES + 5];
    cw_cfg_env_name(row, env);
    (void)snprintf(env_file, sizeof env_file, "%s_FILE", env);
    given->value = getenv(env);
    if (row->is_secret)
        given->file = getenv(env_file);
    bool is_empty = given->value != NULL && given->value[0] == '\0';
    if (is_empty && (row->type != CW_CFG_STR || row->def == NULL))
        given->value = NULL;
    if (given->file != NULL && given->file[0] == '\0')
        given->file = NULL;
}

static int store(const struct cw_cfg_row *row, const char *text, void *settings, struct cw_err *err)
{
    void *at = field(row, settings);
    int64_t value = 0;
    if (row->type == CW_CFG_STR) {
        if (text == NULL || (text[0] == '\0' && row->def == NULL))
            return 0;
        char *copy = strdup(text);
        if (copy == NULL)
            return cw_err_set(err, CW_ENOMEM, "no memory for %s", row->name);
        memcpy(at, &copy, sizeof copy);
        return 0;
    }
    if (text == NULL)
        return 0;
    if (!cw_cfg_value_parse(row, text, &value))
        return refuse_value(err, row, text);
    if (row->type == CW_CFG_BOOL)
        *(bool *)at = value != 0;
    else
        *(int64_t *)at = value;
    return 0;
}

static int load_row(const struct cw_cfg_row *row, struct given given, void *settings, struct cw_err *err)
{
    CW_AUTO(cw_auto_str) char *secret = NULL;
    if (given.value == NULL && given.file == NULL)
        look_into_env(row, &given);
    if (given.value != NULL && given.file != NULL)
        return refuse(err, row, "given both as a value and as a file");
    if (given.file != NULL) {
        int r = read_secret(row, given.file, &secret, err);
        if (r < 0)
            return r;
        given.value = secret;
    }
    const char *text = given.value != NULL ? given.value : row->def;
    if (row->is_required && (text == NULL || text[0] == '\0'))
        return refuse(err, row, "required, but not given");
    return store(row, text, settings, err);
}

static void clear(const struct cw_cfg_row *row, void *settings)
{
    static const char *const no_text = NULL;
    void *at = field(row, settings);
    if (row->type == CW_CFG_STR)
        memcpy(at, &no_text, sizeof no_text);
    else if (row->type == CW_CFG_BOOL)
        *(bool *)at = false;
    else
        *(int64_t *)at = 0;
}

int cw_cfg_load(const struct cw_cfg_row *rows, size_t count, void *settings, int *argc, char **argv,
                struct cw_err *err)
{
    for (size_t i = 0; i < count; i++)
        clear(&rows[i], settings);
    struct given *given = calloc(CW_MAX(count, (size_t)1), sizeof *given);
    if (given == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the settings");
    int r = take_options(rows, count, argc, argv, given, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = load_row(&rows[i], given[i], settings, err);
    free(given);
    if (r < 0)
        cw_cfg_fini(rows, count, settings);
    return r;
}

void cw_cfg_fini(const struct cw_cfg_row *rows, size_t count, void *settings)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type != CW_CFG_STR)
            continue;
        char *text = NULL;
        memcpy(&text, field(&rows[i], settings), sizeof text);
        if (text != NULL && rows[i].is_secret)
            explicit_bzero(text, strlen(text));
        free(text);
        clear(&rows[i], settings);
    }
}

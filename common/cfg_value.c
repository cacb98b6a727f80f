#include "common/cfg_value.h"

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Ascending: the last one that divides a value is the one that it is printed in. */
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const struct unit sizes[] = {
    {"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", INT64_C(1) << 20}, {"GiB", INT64_C(1) << 30}};

static void derive_name(const char *prefix, const char *name, char separator, bool is_upper,
                        char out[CW_CFG_NAME_BYTES])
{
    (void)cw_z_copy(out, CW_CFG_NAME_BYTES, prefix);
    size_t n = strlen(out);
    (void)cw_z_copy(out + n, CW_CFG_NAME_BYTES - n, name);
    for (char *z = out; *z != '\0'; z++) {
        if (*z == '.' || *z == '-')
            *z = separator;
        else if (is_upper && *z >= 'a' && *z <= 'z')
            *z = (char)(*z - 'a' + 'A');
    }
}

void cw_cfg_option_name(const struct cw_cfg_row *row, char out[CW_CFG_NAME_BYTES])
{
    derive_name("", row->name, '-', false, out);
}

void cw_cfg_env_name(const struct cw_cfg_row *row, char out[CW_CFG_NAME_BYTES])
{
    if (row->env != NULL)
        (void)cw_z_copy(out, CW_CFG_NAME_BYTES, row->env);
    else
        derive_name("CAUSEWAY_", row->name, '_', true, out);
}

/* Digits and one of the units; a bare 0 needs none. */
static bool parse_with_unit(const char *text, const struct unit *units, size_t count, int64_t *ret_value)
{
    size_t digits = strspn(text, "0123456789");
    char number[24];
    int64_t n = 0;
    if (digits == 0 || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!cw_z_to_i64(number, &n))
        return false;
    if (n == 0 && text[digits] == '\0') {
        *ret_value = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(text + digits, units[i].suffix) == 0)
            return !__builtin_mul_overflow(n, units[i].factor, ret_value);
    return false;
}

static void format_with_unit(int64_t value, const struct unit *units, size_t count,
                             char out[CW_CFG_VALUE_BYTES])
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (value != 0 && value % units[i].factor == 0 && units[i].factor > units[best].factor)
            best = i;
    (void)snprintf(out, CW_CFG_VALUE_BYTES, "%lld%s", (long long)(value / units[best].factor),
                   units[best].suffix);
}

static bool parse_bool(const char *text, int64_t *ret_value)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes"};
    for (size_t i = 0; i < CW_ARRAY_LEN(words); i++) {
        if (cw_z_eq_nocase(text, words[i])) {
            *ret_value = (int64_t)(i % 2);
            return true;
        }
    }
    return false;
}

static bool parse_choice(const char *choices, const char *text, int64_t *ret_value)
{
    int64_t index = 0;
    for (const char *at = choices;; index++) {
        struct cw_str choice = {at, strcspn(at, "|")};
        if (cw_str_eq_z(choice, text)) {
            *ret_value = index;
            return true;
        }
        if (at[choice.n] == '\0')
            return false;
        at += choice.n + 1;
    }
}

bool cw_cfg_value_parse(const struct cw_cfg_row *row, const char *text, int64_t *ret_value)
{
    CW_PRE(row->type != CW_CFG_STR);
    int64_t value = 0;
    bool is_read = false;
    if (row->type == CW_CFG_BOOL)
        return parse_bool(text, ret_value);
    if (row->type == CW_CFG_ENUM)
        return parse_choice(row->choices, text, ret_value);
    if (row->type == CW_CFG_INT)
        is_read = cw_z_to_i64(text, &value);
    else if (row->type == CW_CFG_DURATION)
        is_read = parse_with_unit(text, durations, CW_ARRAY_LEN(durations), &value);
    else
        is_read = parse_with_unit(text, sizes, CW_ARRAY_LEN(sizes), &value);
    bool is_limited = row->min != 0 || row->max != 0;
    if (!is_read || (is_limited && (value < row->min || value > row->max)))
        return false;
    *ret_value = value;
    return true;
}

static void format_choice(const char *choices, int64_t index, char out[CW_CFG_VALUE_BYTES])
{
    for (; index > 0; index--)
        choices += strcspn(choices, "|") + 1;
    (void)snprintf(out, CW_CFG_VALUE_BYTES, "%.*s", (int)strcspn(choices, "|"), choices);
}

void cw_cfg_value_format(const struct cw_cfg_row *row, int64_t value, char out[CW_CFG_VALUE_BYTES])
{
    CW_PRE(row->type != CW_CFG_STR);
    if (row->type == CW_CFG_BOOL)
        (void)cw_z_copy(out, CW_CFG_VALUE_BYTES, value != 0 ? "true" : "false");
    else if (row->type == CW_CFG_ENUM)
        format_choice(row->choices, value, out);
    else if (row->type == CW_CFG_DURATION)
        format_with_unit(value, durations, CW_ARRAY_LEN(durations), out);
    else if (row->type == CW_CFG_BYTES)
        format_with_unit(value, sizes, CW_ARRAY_LEN(sizes), out);
    else
        (void)snprintf(out, CW_CFG_VALUE_BYTES, "%lld", (long long)value);
}

static void list_choices(const char *choices, char out[CW_CFG_VALUE_BYTES])
{
    CW_AUTO(cw_buf_fini) struct cw_buf list = {0};
    cw_buf_add_z(&list, "one of ");
    for (const char *z = choices; *z != '\0'; z++)
        cw_buf_add(&list, *z == '|' ? ", " : z, *z == '|' ? 2 : 1);
    (void)cw_z_copy(out, CW_CFG_VALUE_BYTES, cw_buf_z(&list));
}

void cw_cfg_value_allowed(const struct cw_cfg_row *row, char out[CW_CFG_VALUE_BYTES])
{
    static const char *const kinds[] = {
        [CW_CFG_STR] = "a text",          [CW_CFG_INT] = "a whole number", [CW_CFG_BOOL] = "true or false",
        [CW_CFG_DURATION] = "a duration", [CW_CFG_BYTES] = "a size",
    };
    if (row->type == CW_CFG_ENUM) {
        list_choices(row->choices, out);
        return;
    }
    const char *examples = row->type == CW_CFG_DURATION ? ", like 250ms, 30s, 15m, 2h or 1d"
                           : row->type == CW_CFG_BYTES  ? ", like 512, 64KiB or 4MiB"
                                                        : "";
    bool has_range = row->type != CW_CFG_STR && row->type != CW_CFG_BOOL && (row->min != 0 || row->max != 0);
    if (!has_range) {
        (void)snprintf(out, CW_CFG_VALUE_BYTES, "%s%s", kinds[row->type], examples);
        return;
    }
    char min[CW_CFG_VALUE_BYTES], max[CW_CFG_VALUE_BYTES];
    cw_cfg_value_format(row, row->min, min);
    cw_cfg_value_format(row, row->max, max);
    (void)snprintf(out, CW_CFG_VALUE_BYTES, "%s from %.32s to %.32s%s", kinds[row->type], min, max, examples);
}

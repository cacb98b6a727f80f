#include "common/cfg.h"
#include "common/cfg_value.h"

#define HELP_COLUMN 36
#define HELP_WIDTH 110

static struct cw_str group_of(const struct cw_cfg_row *row)
{
    return (struct cw_str){row->name, strcspn(row->name, ".")};
}

static bool is_first_of_group(const struct cw_cfg_row *rows, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (cw_str_eq(group_of(&rows[i]), group_of(&rows[index])))
            return false;
    return true;
}

static const char *placeholder(const struct cw_cfg_row *row)
{
    static const char *const words[] = {
        [CW_CFG_STR] = " TEXT",          [CW_CFG_INT] = " NUMBER", [CW_CFG_BOOL] = "[=false]",
        [CW_CFG_DURATION] = " DURATION", [CW_CFG_BYTES] = " SIZE", [CW_CFG_ENUM] = " CHOICE",
    };
    return words[row->type];
}

/* Words in lines that begin at HELP_COLUMN; `column` is where the cursor stands. */
static void print_words(const char *text, int column, FILE *out)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (column + 1 + len > HELP_WIDTH) {
            (void)fprintf(out, "\n%*s", HELP_COLUMN - 1, "");
            column = HELP_COLUMN - 1;
        }
        (void)fprintf(out, " %.*s", len, text);
        column += 1 + len;
        text += len;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
}

static void print_option(const struct cw_cfg_row *row, FILE *out)
{
    char option[CW_CFG_NAME_BYTES], env[CW_CFG_NAME_BYTES], allowed[CW_CFG_VALUE_BYTES];
    cw_cfg_option_name(row, option);
    cw_cfg_env_name(row, env);
    cw_cfg_value_allowed(row, allowed);
    int column = fprintf(out, "  --%s%s", option, placeholder(row));
    if (column >= HELP_COLUMN - 1) {
        (void)fputc('\n', out);
        column = 0;
    }
    (void)fprintf(out, "%*s", HELP_COLUMN - 1 - column, "");
    print_words(row->text, HELP_COLUMN - 1, out);
    CW_AUTO(cw_buf_fini) struct cw_buf notes = {0};
    cw_buf_addf(&notes, "[%s", env);
    if (row->is_secret)
        cw_buf_addf(&notes, ", or a file in %s_FILE", env);
    if (row->type != CW_CFG_STR && row->type != CW_CFG_BOOL)
        cw_buf_addf(&notes, "; %s", allowed);
    if (row->is_required && row->def == NULL)
        cw_buf_add_z(&notes, "; required");
    if (row->def != NULL)
        cw_buf_addf(&notes, "; default %s", row->def);
    cw_buf_add_char(&notes, ']');
    (void)fprintf(out, "%*s", HELP_COLUMN - 1, "");
    print_words(cw_buf_z(&notes), HELP_COLUMN - 1, out);
}

void cw_cfg_print_help(const struct cw_cfg_row *rows, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_first_of_group(rows, i))
            continue;
        struct cw_str group = group_of(&rows[i]);
        (void)fprintf(out, "%s" CW_STR_FMT ":\n", i == 0 ? "" : "\n", CW_STR_ARG(group));
        for (size_t j = i; j < count; j++)
            if (cw_str_eq(group_of(&rows[j]), group))
                print_option(&rows[j], out);
    }
}

static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)fputc('\\', out);
        (void)fputc(*text == '\n' ? ' ' : *text, out);
    }
}

void cw_cfg_print_markdown(const struct cw_cfg_row *rows, size_t count, FILE *out)
{
    (void)fputs("| Option | Environment | Default | Meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < count; i++) {
        char option[CW_CFG_NAME_BYTES], env[CW_CFG_NAME_BYTES], allowed[CW_CFG_VALUE_BYTES];
        cw_cfg_option_name(&rows[i], option);
        cw_cfg_env_name(&rows[i], env);
        cw_cfg_value_allowed(&rows[i], allowed);
        (void)fprintf(out, "| `--%s` | `%s`", option, env);
        if (rows[i].is_secret)
            (void)fprintf(out, " or `%s_FILE`", env);
        (void)fputs(rows[i].def != NULL ? " | `" : " | ", out);
        print_cell(rows[i].def != NULL ? rows[i].def : rows[i].is_required ? "required" : "", out);
        (void)fputs(rows[i].def != NULL ? "` | " : " | ", out);
        print_cell(rows[i].text, out);
        if (rows[i].type != CW_CFG_STR && rows[i].type != CW_CFG_BOOL) {
            (void)fputs(" Allowed: ", out);
            print_cell(allowed, out);
            (void)fputc('.', out);
        }
        (void)fputs(" |\n", out);
    }
}

static void print_value(const struct cw_cfg_row *row, const void *at, FILE *out)
{
    if (row->type != CW_CFG_STR) {
        char value[CW_CFG_VALUE_BYTES];
        int64_t number = row->type == CW_CFG_BOOL ? *(const bool *)at : *(const int64_t *)at;
        cw_cfg_value_format(row, number, value);
        (void)fputs(row->is_secret ? "***" : value, out);
        return;
    }
    const char *text = NULL;
    memcpy(&text, at, sizeof text);
    if (text == NULL)
        return;
    CW_AUTO(cw_buf_fini) struct cw_buf escaped = {0};
    cw_buf_add_json(&escaped, text, strlen(text));
    (void)fputs(row->is_secret ? "***" : cw_buf_z(&escaped), out);
}

void cw_cfg_print_effective(const struct cw_cfg_row *rows, size_t count, const void *settings, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s=", rows[i].name);
        print_value(&rows[i], (const char *)settings + rows[i].offset, out);
        (void)fputc('\n', out);
    }
}

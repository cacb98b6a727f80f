#include "common/err.h"

#include "common/str.h"

struct error_row {
    const char *name;
    enum cw_class class;
    const char *text;
};

static const struct error_row rows[] = {[CW_OK] = {"OK", CW_CLASS_NONE, "no error"},
#define X(name, class, text) [CW_##name] = {#name, CW_CLASS_##class, text},
                                        CW_ERRORS(X)
#undef X
};

static const char *const class_names[CW_CLASS__COUNT] = {
    [CW_CLASS_NONE] = "none",
    [CW_CLASS_RETRY] = "retry",
    [CW_CLASS_CONFLICT] = "conflict",
    [CW_CLASS_THROTTLED] = "throttled",
    [CW_CLASS_MISCONFIGURED] = "misconfigured",
    [CW_CLASS_DENIED] = "denied",
    [CW_CLASS_INVALID] = "invalid",
    [CW_CLASS_CANCELLED] = "cancelled",
    [CW_CLASS_LOST] = "lost",
    [CW_CLASS_BUG] = "bug",
};

static int positive_code(int code)
{
    if (code <= -CW_E__COUNT || code >= CW_E__COUNT)
        return CW_EBUG;
    return code < 0 ? -code : code;
}

const char *cw_err_name(int code)
{
    return rows[positive_code(code)].name;
}

const char *cw_err_text(int code)
{
    return rows[positive_code(code)].text;
}

enum cw_class cw_err_class_of(int code)
{
    return rows[positive_code(code)].class;
}

bool cw_class_is_stop(enum cw_class class)
{
    return class == CW_CLASS_CANCELLED || class == CW_CLASS_LOST;
}

const char *cw_class_name(enum cw_class class)
{
    return (unsigned)class < CW_CLASS__COUNT ? class_names[class] : class_names[CW_CLASS_BUG];
}

void cw_err_clear(struct cw_err *err)
{
    *err = (struct cw_err){0};
}

int cw_err_set(struct cw_err *err, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int r = cw_err_setv(err, code, fmt, args);
    va_end(args);
    return r;
}

int cw_err_setv(struct cw_err *err, int code, const char *fmt, va_list args)
{
    char text[CW_ERR_TEXT_BYTES + 4]; /* an argument may point into err */
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    int positive = positive_code(code);
    CW_PRE(positive != CW_OK);
    cw_err_clear(err);
    err->code = positive;
    err->class = cw_err_class_of(positive);
    (void)cw_z_copy(err->text, sizeof err->text, text);
    return -positive;
}

int cw_err_wrap(struct cw_err *err, const char *fmt, ...)
{
    CW_PRE(err->code > 0);
    char text[CW_ERR_TEXT_BYTES + 4];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t len = n < 0 ? 0 : CW_MIN((size_t)n, sizeof text - 1);
    (void)snprintf(text + len, sizeof text - len, ": %s", err->text);
    (void)cw_z_copy(err->text, sizeof err->text, text);
    return -err->code;
}

void cw_err_remedy(struct cw_err *err, const char *fmt, ...)
{
    char text[CW_ERR_REMEDY_BYTES + 4];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    (void)cw_z_copy(err->remedy, sizeof err->remedy, text);
}

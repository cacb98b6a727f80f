#include "common/str.h"

#include <errno.h>
#include <stdarg.h>

#include "common/utf8.h"

#define BUF_BYTES_MIN 64

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool eq_nocase_n(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

struct cw_str cw_str_of(const char *z)
{
    return (struct cw_str){z, z == NULL ? 0 : strlen(z)};
}

bool cw_str_eq(struct cw_str a, struct cw_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool cw_str_eq_z(struct cw_str a, const char *z)
{
    return cw_str_eq(a, cw_str_of(z));
}

uint64_t cw_str_hash(struct cw_str s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * UINT64_C(1099511628211);
    return h;
}

bool cw_z_eq_nocase(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    size_t n = strlen(a);
    return n == strlen(b) && eq_nocase_n(a, b, n);
}

bool cw_z_eq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

bool cw_z_starts(const char *z, const char *prefix)
{
    return z != NULL && prefix != NULL && strncmp(z, prefix, strlen(prefix)) == 0;
}

bool cw_z_ends(const char *z, const char *suffix)
{
    if (z == NULL || suffix == NULL)
        return false;
    size_t n = strlen(z), m = strlen(suffix);
    return m <= n && memcmp(z + n - m, suffix, m) == 0;
}

bool cw_z_starts_nocase(const char *z, const char *prefix)
{
    if (z == NULL || prefix == NULL)
        return false;
    size_t m = strlen(prefix);
    return m <= strlen(z) && eq_nocase_n(z, prefix, m);
}

bool cw_z_ends_nocase(const char *z, const char *suffix)
{
    if (z == NULL || suffix == NULL)
        return false;
    size_t n = strlen(z), m = strlen(suffix);
    return m <= n && eq_nocase_n(z + n - m, suffix, m);
}

bool cw_z_contains_nocase(const char *z, const char *part)
{
    if (z == NULL || part == NULL)
        return false;
    size_t n = strlen(z), m = strlen(part);
    for (size_t i = 0; m <= n && i <= n - m; i++)
        if (eq_nocase_n(z + i, part, m))
            return true;
    return false;
}

void cw_z_lower(char *z)
{
    for (; *z != '\0'; z++)
        *z = (char)lower(*z);
}

bool cw_z_copy(char *dst, size_t dst_bytes, const char *src)
{
    CW_PRE(dst_bytes > 0);
    size_t n = src == NULL ? 0 : strlen(src);
    bool has_fitted = n < dst_bytes;
    if (!has_fitted)
        n = cw_utf8_cut(src, dst_bytes - 1);
    if (n > 0)
        memmove(dst, src, n);
    dst[n] = '\0';
    return has_fitted;
}

bool cw_z_to_i64(const char *z, int64_t *ret_value)
{
    if (z == NULL)
        return false;
    const char *digits = z[0] == '-' ? z + 1 : z;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(z, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret_value = value;
    return true;
}

bool cw_z_glob(const char *pattern, const char *z)
{
    const char *star = NULL, *resume = NULL;
    while (*z != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = z;
        } else if (*pattern != '\0' && lower(*pattern) == lower(*z)) {
            pattern++;
            z++;
        } else if (star != NULL) {
            pattern = star;
            z = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Room for `more` bytes and the NUL. */
static bool reserve(struct cw_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more >= SIZE_MAX / 2 - b->n || (b->max != 0 && more > b->max - CW_MIN(b->n, b->max))) {
        b->failed = true;
        return false;
    }
    size_t need = b->n + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = CW_MAX(CW_MAX(need, b->cap * 2), (size_t)BUF_BYTES_MIN);
    char *p = realloc(b->p, cap);
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void cw_buf_fini(struct cw_buf *b)
{
    if (b == NULL)
        return;
    free(b->p);
    *b = (struct cw_buf){.max = b->max};
}

void cw_buf_reset(struct cw_buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void cw_buf_add(struct cw_buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void cw_buf_add_z(struct cw_buf *b, const char *z)
{
    if (z != NULL)
        cw_buf_add(b, z, strlen(z));
}

void cw_buf_add_char(struct cw_buf *b, char c)
{
    cw_buf_add(b, &c, 1);
}

void cw_buf_addf(struct cw_buf *b, const char *fmt, ...)
{
    char small[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof small) {
        cw_buf_add(b, small, (size_t)n);
    } else if (reserve(b, (size_t)n)) {
        va_start(args, fmt);
        (void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, args);
        va_end(args);
        b->n += (size_t)n;
    }
}

void cw_buf_add_json(struct cw_buf *b, const char *p, size_t n)
{
    char unit[CW_JSON_UNIT_BYTES];
    while (n > 0 && !b->failed) {
        size_t len = 0;
        size_t used = cw_json_escape_unit(p, n, unit, &len);
        cw_buf_add(b, unit, len);
        p += used;
        n -= used;
    }
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void cw_buf_add_url(struct cw_buf *b, const char *z)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; z != NULL && *z != '\0'; z++) {
        if (is_unreserved(*z)) {
            cw_buf_add_char(b, *z);
            continue;
        }
        unsigned char c = (unsigned char)*z;
        char coded[3] = {'%', hex[c >> 4], hex[c & 15]};
        cw_buf_add(b, coded, sizeof coded);
    }
}

const char *cw_buf_z(const struct cw_buf *b)
{
    return b->p == NULL ? "" : b->p;
}

char *cw_buf_take(struct cw_buf *b)
{
    char *z = NULL;
    if (!b->failed) {
        cw_buf_add(b, "", 0);
        if (!b->failed)
            z = CW_TAKE(b->p);
    }
    cw_buf_fini(b);
    return z;
}

#include "common/utf8.h"

static size_t continuation(const unsigned char *u, size_t n, size_t want)
{
    if (n < want)
        return 0;
    for (size_t i = 2; i < want; i++)
        if ((u[i] & 0xC0) != 0x80)
            return 0;
    return want;
}

static bool is_within(unsigned char c, unsigned lo, unsigned hi)
{
    return c >= lo && c <= hi;
}

size_t cw_utf8_len(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    if (n == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    if (n < 2)
        return 0;
    if (is_within(u[0], 0xC2, 0xDF))
        return is_within(u[1], 0x80, 0xBF) ? 2 : 0;
    if (is_within(u[0], 0xE0, 0xEF)) {
        unsigned lo = u[0] == 0xE0 ? 0xA0 : 0x80;
        unsigned hi = u[0] == 0xED ? 0x9F : 0xBF;
        return is_within(u[1], lo, hi) ? continuation(u, n, 3) : 0;
    }
    if (is_within(u[0], 0xF0, 0xF4)) {
        unsigned lo = u[0] == 0xF0 ? 0x90 : 0x80;
        unsigned hi = u[0] == 0xF4 ? 0x8F : 0xBF;
        return is_within(u[1], lo, hi) ? continuation(u, n, 4) : 0;
    }
    return 0;
}

size_t cw_utf8_cut(const char *p, size_t n)
{
    size_t back = 0;
    while (back < 3 && back < n && ((unsigned char)p[n - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back >= n)
        return n;
    unsigned char lead = (unsigned char)p[n - 1 - back];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return want > back + 1 ? n - 1 - back : n;
}

static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return 0;
    }
}

size_t cw_json_escape_unit(const char *p, size_t n, char out[CW_JSON_UNIT_BYTES], size_t *ret_len)
{
    CW_PRE(n > 0);
    static const char hex[] = "0123456789abcdef";
    unsigned char c = (unsigned char)p[0];
    char escape = short_escape(c);
    if (escape != 0) {
        out[0] = '\\';
        out[1] = escape;
        *ret_len = 2;
        return 1;
    }
    if (c < 0x20) {
        memcpy(out, "\\u00", 4);
        out[4] = hex[c >> 4];
        out[5] = hex[c & 15];
        *ret_len = 6;
        return 1;
    }
    size_t len = cw_utf8_len(p, n);
    if (len == 0) {
        memcpy(out, "\xEF\xBF\xBD", 3);
        *ret_len = 3;
        return 1;
    }
    memcpy(out, p, len);
    *ret_len = len;
    return len;
}

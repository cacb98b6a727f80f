#include "common/json_text.h"

#include "common/str.h"
#include "common/utf8.h"

#define DIGITS_MAX 19 /* of an integer: more may not even fit without a sign */
#define REAL_BYTES_MAX 64

struct reader {
    const char *p, *end;
    size_t depth; /* of what may still be opened */
    struct cw_buf text;
};

static json_t *read_value(struct reader *r);

static void skip_space(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool take_word(struct reader *r, const char *word, size_t n)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool is_digit(const struct reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

static bool skip_digits(struct reader *r)
{
    const char *begin = r->p;
    while (is_digit(r))
        r->p++;
    return r->p > begin;
}

static bool skip_fraction(struct reader *r)
{
    if (take(r, '.') && !skip_digits(r))
        return false;
    if (!take(r, 'e') && !take(r, 'E'))
        return true;
    if (!take(r, '+'))
        (void)take(r, '-');
    return skip_digits(r);
}

static json_t *read_real(const char *begin, const char *end)
{
    char z[REAL_BYTES_MAX];
    size_t n = (size_t)(end - begin);
    if (n >= sizeof z)
        return NULL;
    memcpy(z, begin, n);
    z[n] = '\0';
    char *rest = NULL;
    double value = strtod(z, &rest);
    return *rest == '\0' ? json_real(value) : NULL; /* which refuses infinity */
}

static json_t *read_number(struct reader *r)
{
    const char *begin = r->p;
    bool is_negative = take(r, '-');
    const char *digits = r->p;
    bool is_zero = take(r, '0');
    if (!is_zero && !skip_digits(r))
        return NULL;
    const char *digits_end = r->p;
    if (r->p < r->end && (*r->p == '.' || *r->p == 'e' || *r->p == 'E'))
        return skip_fraction(r) ? read_real(begin, r->p) : NULL;
    if (digits_end - digits > DIGITS_MAX)
        return NULL;
    uint64_t value = 0;
    for (const char *at = digits; at < digits_end; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (value > INT64_MAX)
        return NULL;
    return json_integer(is_negative ? -(json_int_t)value : (json_int_t)value);
}

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_hex(struct reader *r, uint32_t *ret_unit)
{
    if (r->end - r->p < 4)
        return false;
    *ret_unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*r->p++);
        if (digit < 0)
            return false;
        *ret_unit = *ret_unit << 4 | (uint32_t)digit;
    }
    return true;
}

static void add_utf8(struct cw_buf *text, uint32_t c)
{
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(leads[n] | c);
    cw_buf_add(text, out, n);
}

static bool take_unicode(struct reader *r)
{
    uint32_t c, low;
    if (!take_hex(r, &c) || c == 0)
        return false;
    if (c >= 0xD800 && c <= 0xDFFF) {
        if (c > 0xDBFF || !take_word(r, "\\u", 2) || !take_hex(r, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    add_utf8(&r->text, c);
    return true;
}

/* Behind the backslash. */
static bool take_escape(struct reader *r)
{
    static const char codes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (take(r, 'u'))
        return take_unicode(r);
    const char *code = r->p < r->end && *r->p != '\0' ? strchr(codes, *r->p) : NULL;
    if (code == NULL)
        return false;
    r->p++;
    cw_buf_add_char(&r->text, meanings[code - codes]);
    return true;
}

/* Up to what is neither a character of its own nor well-formed, or ends the text. */
static struct cw_str take_plain(struct reader *r)
{
    const char *begin = r->p, *p = begin, *end = r->end;
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        size_t len = c < 0x80 ? 1 : cw_utf8_len(p, (size_t)(end - p));
        if (len == 0)
            break;
        p += len;
    }
    r->p = p;
    return (struct cw_str){begin, (size_t)(p - begin)};
}

/* Behind the opening quotation mark; *ret_text lies in the input or in r->text. */
static bool read_text(struct reader *r, struct cw_str *ret_text)
{
    struct cw_str part = take_plain(r);
    if (take(r, '"')) {
        *ret_text = part;
        return true;
    }
    cw_buf_reset(&r->text);
    cw_buf_add(&r->text, part.p, part.n);
    while (take(r, '\\')) {
        if (!take_escape(r))
            return false;
        part = take_plain(r);
        cw_buf_add(&r->text, part.p, part.n);
    }
    *ret_text = (struct cw_str){r->text.p, r->text.n};
    return take(r, '"') && !r->text.failed;
}

static json_t *read_string(struct reader *r)
{
    struct cw_str text;
    return read_text(r, &text) ? json_stringn_nocheck(text.p, text.n) : NULL;
}

/* ---- arrays and objects ---------------------------------------------------------------------------------------------- */

static bool read_items(struct reader *r, json_t *array)
{
    skip_space(r);
    if (take(r, ']'))
        return true;
    do {
        skip_space(r);
        json_t *item = read_value(r);
        if (item == NULL || json_array_append_new(array, item) < 0)
            return false;
        skip_space(r);
    } while (take(r, ','));
    return take(r, ']');
}

/* The key may lie in r->text, which the value uses again. */
static bool read_member(struct reader *r, json_t *object)
{
    struct cw_str key;
    CW_AUTO(cw_buf_fini) struct cw_buf own = {0};
    skip_space(r);
    if (!take(r, '"') || !read_text(r, &key))
        return false;
    if (key.p == r->text.p) {
        own = r->text;
        r->text = (struct cw_buf){0};
    }
    skip_space(r);
    if (!take(r, ':'))
        return false;
    skip_space(r);
    json_t *value = read_value(r);
    size_t before = json_object_size(object);
    return value != NULL && json_object_setn_new_nocheck(object, key.p, key.n, value) == 0 &&
           json_object_size(object) > before;
}

static bool read_members(struct reader *r, json_t *object)
{
    skip_space(r);
    if (take(r, '}'))
        return true;
    do {
        if (!read_member(r, object))
            return false;
        skip_space(r);
    } while (take(r, ','));
    return take(r, '}');
}

static json_t *read_inside(struct reader *r, json_t *take_v, bool (*read)(struct reader *r, json_t *v))
{
    if (take_v == NULL || r->depth == 0) {
        json_decref(take_v);
        return NULL;
    }
    r->depth--;
    bool is_read = read(r, take_v);
    r->depth++;
    if (is_read)
        return take_v;
    json_decref(take_v);
    return NULL;
}

static json_t *read_value(struct reader *r)
{
    if (take(r, '"'))
        return read_string(r);
    if (take(r, '{'))
        return read_inside(r, json_object(), read_members);
    if (take(r, '['))
        return read_inside(r, json_array(), read_items);
    if (take_word(r, "true", 4))
        return json_true();
    if (take_word(r, "false", 5))
        return json_false();
    if (take_word(r, "null", 4))
        return json_null();
    return read_number(r);
}

json_t *cw_json_read(const char *p, size_t n, size_t depth_max)
{
    struct reader r = {.p = p, .end = p + n, .depth = depth_max};
    skip_space(&r);
    json_t *doc = read_value(&r);
    skip_space(&r);
    cw_buf_fini(&r.text);
    if (doc == NULL || r.p == r.end)
        return doc;
    json_decref(doc);
    return NULL;
}

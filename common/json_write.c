#include "common/json_text.h"
#include "common/utf8.h"

#define DEPTH_MAX 256
#define NUMBER_BYTES_MAX 64
#define MEMBERS_FEW 16
#define BYTES_MIN 512

struct writer {
    char *p;
    size_t n, cap;
    size_t depth;
    bool is_sorted;
};

struct member {
    const char *key;
    size_t key_bytes;
    const json_t *value;
};

static bool write_value(struct writer *w, const json_t *v);

static bool make_room(struct writer *w, size_t more)
{
    if (more <= w->cap - w->n)
        return true;
    size_t cap = CW_MAX(CW_MAX(w->cap * 2, w->n + more), (size_t)BYTES_MIN);
    char *p = realloc(w->p, cap);
    if (p == NULL)
        return false;
    w->p = p;
    w->cap = cap;
    return true;
}

static bool add(struct writer *w, const char *p, size_t n)
{
    if (!make_room(w, n))
        return false;
    memcpy(w->p + w->n, p, n);
    w->n += n;
    return true;
}

static bool add_char(struct writer *w, char c)
{
    if (!make_room(w, 1))
        return false;
    w->p[w->n++] = c;
    return true;
}

/* ---- numbers and texts ----------------------------------------------------------------------------------------------- */

static bool write_integer(struct writer *w, json_int_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    return add(w, digits + at, sizeof digits - at);
}

static bool write_real(struct writer *w, const json_t *v)
{
    char z[NUMBER_BYTES_MAX];
    size_t n = json_dumpb(v, z, sizeof z, JSON_ENCODE_ANY);
    return n > 0 && n <= sizeof z && add(w, z, n);
}

/* Bytes at p that stand for themselves. Malformed ones are counted in, and seen to by the caller. */
static size_t plain_bytes(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

static bool write_escape(struct writer *w, char c)
{
    static const char codes[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    char out[8] = {'\\'};
    const char *meaning = c == '\0' ? NULL : strchr(meanings, c);
    if (meaning == NULL)
        return add(w, out, (size_t)snprintf(out, sizeof out, "\\u%04X", (unsigned)c));
    out[1] = codes[meaning - meanings];
    return add(w, out, 2);
}

static bool write_text(struct writer *w, const char *p, size_t n)
{
    if (!make_room(w, n + 2))
        return false;
    w->p[w->n++] = '"';
    while (n > 0) {
        size_t len = plain_bytes(p, n);
        if (len == 0 && (unsigned char)*p >= 0x80) {
            len = cw_utf8_len(p, n);
            if (len == 0)
                return false;
        }
        if (len > 0 ? !add(w, p, len) : !write_escape(w, *p))
            return false;
        len = CW_MAX(len, (size_t)1);
        p += len;
        n -= len;
    }
    return add_char(w, '"');
}

/* ---- arrays and objects ---------------------------------------------------------------------------------------------- */

static bool write_array(struct writer *w, const json_t *array)
{
    bool is_written = add_char(w, '[');
    for (size_t i = 0; is_written && i < json_array_size(array); i++)
        is_written = (i == 0 || add_char(w, ',')) && write_value(w, json_array_get(array, i));
    return is_written && add_char(w, ']');
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = memcmp(x->key, y->key, CW_MIN(x->key_bytes, y->key_bytes));
    return order != 0 ? order : (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
}

static void sort_members(struct member *members, size_t count)
{
    if (count > MEMBERS_FEW) {
        qsort(members, count, sizeof *members, compare_members);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct member m = members[i];
        size_t k = i;
        for (; k > 0 && compare_members(&members[k - 1], &m) > 0; k--)
            members[k] = members[k - 1];
        members[k] = m;
    }
}

static bool write_members(struct writer *w, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct member *m = &members[i];
        if ((i > 0 && !add_char(w, ',')) || !write_text(w, m->key, m->key_bytes) || !add_char(w, ':') ||
            !write_value(w, m->value))
            return false;
    }
    return true;
}

static bool write_object(struct writer *w, const json_t *object)
{
    struct member few[MEMBERS_FEW];
    size_t count = json_object_size(object), n = 0;
    struct member *members = count <= MEMBERS_FEW ? few : malloc(count * sizeof *members);
    if (members == NULL || !add_char(w, '{'))
        return false;
    void *own = (void *)(uintptr_t)object; /* jansson's iterators change nothing */
    for (void *at = json_object_iter(own); at != NULL; at = json_object_iter_next(own, at))
        members[n++] = (struct member){json_object_iter_key(at), json_object_iter_key_len(at),
                                       json_object_iter_value(at)};
    if (w->is_sorted)
        sort_members(members, n);
    bool is_written = write_members(w, members, n) && add_char(w, '}');
    if (members != few)
        free(members);
    return is_written;
}

static bool write_value(struct writer *w, const json_t *v)
{
    if (v == NULL || w->depth == DEPTH_MAX)
        return false;
    w->depth++;
    bool is_written;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        is_written = write_object(w, v);
        break;
    case JSON_ARRAY:
        is_written = write_array(w, v);
        break;
    case JSON_STRING:
        is_written = write_text(w, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        is_written = write_integer(w, json_integer_value(v));
        break;
    case JSON_REAL:
        is_written = write_real(w, v);
        break;
    case JSON_TRUE:
        is_written = add(w, "true", 4);
        break;
    case JSON_FALSE:
        is_written = add(w, "false", 5);
        break;
    default:
        is_written = add(w, "null", 4);
        break;
    }
    w->depth--;
    return is_written;
}

char *cw_json_write(const json_t *v, bool is_sorted)
{
    struct writer w = {.is_sorted = is_sorted};
    if (write_value(&w, v) && add_char(&w, '\0'))
        return w.p;
    free(w.p);
    return NULL;
}

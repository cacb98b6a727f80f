#include "common/json.h"

#include "common/utf8.h"

#define BYTES_MAX_DEFAULT ((size_t)8 << 20)

/* jansson takes some failed allocations for bad input, and loses a byte of a long text at others (2.14, its lexer): so its
 * word counts only when none has failed. */
static _Thread_local bool has_lacked_memory;

static void *allocate(size_t bytes)
{
    void *p = malloc(bytes);
    if (p == NULL)
        has_lacked_memory = true;
    return p;
}

static void __attribute__((constructor)) watch_allocations(void)
{
    json_set_alloc_funcs(allocate, free);
}

/* Where byte `at` stands, for people. */
static void position_of(const char *p, size_t at, int *ret_line, int *ret_column)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (p[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)p[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

static int check_depth(const char *p, size_t n, struct cw_err *err)
{
    size_t depth = 0;
    bool is_in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (is_in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                is_in_string = false;
        } else if (c == '"') {
            is_in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        if (depth > CW_JSON_DEPTH_MAX) {
            int line = 0, column = 0;
            position_of(p, i, &line, &column);
            return cw_err_set(err, CW_ETOOBIG, "line %d column %d: nested deeper than %d", line, column,
                              CW_JSON_DEPTH_MAX);
        }
    }
    return 0;
}

/* jansson quotes up to 20 bytes of the input at the end: they may be part of a secret. */
static void drop_quotation(char *text)
{
    char *near = strstr(text, " near '");
    if (near != NULL)
        *near = '\0';
}

static int parse_failure(json_error_t *problem, struct cw_err *err)
{
    if (has_lacked_memory || json_error_code(problem) == json_error_out_of_memory)
        return cw_err_set(err, CW_ENOMEM, "out of memory while reading JSON");
    drop_quotation(problem->text);
    return cw_err_set(err, CW_EPARSE, "line %d column %d: %s", CW_MAX(problem->line, 1),
                      CW_MAX(problem->column, 1), problem->text);
}

int cw_json_parse(const char *p, size_t n, size_t bytes_max, json_t **ret_doc, struct cw_err *err)
{
    size_t limit = bytes_max == 0 ? BYTES_MAX_DEFAULT : bytes_max;
    if (n > limit)
        return cw_err_set(err, CW_ETOOBIG, "%zu bytes of JSON, at most %zu are read", n, limit);
    if (n >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        p += 3;
        n -= 3;
    }
    int r = check_depth(p, n, err);
    if (r < 0)
        return r;
    json_error_t problem = {0};
    has_lacked_memory = false;
    json_t *doc = json_loadb(n == 0 ? "" : p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (doc == NULL || has_lacked_memory) {
        json_decref(doc);
        return parse_failure(&problem, err);
    }
    *ret_doc = doc;
    return 0;
}

static void release(void *doc)
{
    json_decref(doc);
}

int cw_json_parse_in(struct cw_arena *mem, const char *p, size_t n, size_t bytes_max, json_t **ret_doc,
                     struct cw_err *err)
{
    json_t *doc = NULL;
    int r = cw_json_parse(p, n, bytes_max, &doc, err);
    if (r < 0)
        return r;
    if (!cw_arena_defer(mem, release, doc))
        return cw_err_set(err, CW_ENOMEM, "out of memory while reading JSON");
    *ret_doc = doc;
    return 0;
}

char *cw_json_print(const json_t *v)
{
    has_lacked_memory = false;
    char *z = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    if (!has_lacked_memory)
        return z;
    free(z);
    return NULL;
}

char *cw_json_print_in(struct cw_arena *mem, const json_t *v)
{
    char *z = cw_json_print(v);
    char *copy = cw_arena_strdup(mem, z);
    free(z);
    return copy;
}

static const json_t *member(const json_t *v, const char *key, size_t n)
{
    if (json_is_object(v))
        return json_object_getn(v, key, n);
    if (!json_is_array(v) || n == 0 || n > 9)
        return NULL;
    size_t index = 0;
    for (size_t i = 0; i < n; i++) {
        if (key[i] < '0' || key[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(key[i] - '0');
    }
    return json_array_get(v, index);
}

const json_t *cw_json_at(const json_t *v, const char *path)
{
    while (v != NULL && *path != '\0') {
        size_t n = strcspn(path, "/");
        v = member(v, path, n);
        path += n;
        if (*path == '/')
            path++;
    }
    return json_is_null(v) ? NULL : v;
}

const char *cw_json_str(const json_t *v, const char *path, const char *otherwise)
{
    const json_t *at = cw_json_at(v, path);
    return json_is_string(at) ? json_string_value(at) : otherwise;
}

int64_t cw_json_int(const json_t *v, const char *path, int64_t otherwise)
{
    const json_t *at = cw_json_at(v, path);
    int64_t value = otherwise;
    if (json_is_integer(at))
        return json_integer_value(at);
    if (json_is_string(at) && cw_z_to_i64(json_string_value(at), &value))
        return value;
    return otherwise;
}

bool cw_json_bool(const json_t *v, const char *path, bool otherwise)
{
    const json_t *at = cw_json_at(v, path);
    return json_is_boolean(at) ? json_is_true(at) : otherwise;
}

size_t cw_json_count(const json_t *v, const char *path)
{
    return json_array_size(cw_json_at(v, path));
}

int cw_json_need_str(const json_t *v, const char *path, const char **ret_z, struct cw_err *err)
{
    const json_t *at = cw_json_at(v, path);
    if (!json_is_string(at))
        return cw_err_set(err, CW_EPROTO, "%s: %s", path, at == NULL ? "missing" : "not a string");
    *ret_z = json_string_value(at);
    return 0;
}

/* As json_string(), but with each malformed byte replaced by U+FFFD. NULL when out of memory. */
static json_t *string_of(const char *z)
{
    size_t n = strlen(z);
    bool is_clean = true;
    for (size_t i = 0; i < n && is_clean;) {
        size_t len = cw_utf8_len(z + i, n - i);
        is_clean = len > 0;
        i += len;
    }
    if (is_clean)
        return json_stringn_nocheck(z, n);
    CW_AUTO(cw_buf_fini) struct cw_buf clean = {0};
    for (size_t i = 0; i < n;) {
        size_t len = cw_utf8_len(z + i, n - i);
        cw_buf_add(&clean, len == 0 ? "\xEF\xBF\xBD" : z + i, len == 0 ? 3 : len);
        i += CW_MAX(len, (size_t)1);
    }
    return clean.failed ? NULL : json_stringn_nocheck(clean.p, clean.n);
}

bool cw_json_set_str(json_t *v, const char *key, const char *z)
{
    if (z == NULL)
        return true;
    return json_object_set_new(v, key, string_of(z)) == 0;
}

bool cw_json_set_int(json_t *v, const char *key, int64_t n)
{
    return json_object_set_new(v, key, json_integer(n)) == 0;
}

bool cw_json_set_bool(json_t *v, const char *key, bool b)
{
    return json_object_set_new(v, key, json_boolean(b)) == 0;
}

bool cw_json_set(json_t *v, const char *key, json_t *take)
{
    return json_object_set_new(v, key, take) == 0;
}

/* Small helpers on JSON values and strings. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool az_ieq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcasecmp(a, b) == 0;
}

bool az_istarts(const char *s, const char *prefix)
{
    return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

char *az_fold(const char *s)
{
    size_t n = strlen(s);
    char *folded = malloc(n + 1);
    if (folded == NULL)
        return NULL;
    for (size_t i = 0; i <= n; i++)
        folded[i] = (char)tolower((unsigned char)s[i]);
    return folded;
}

static json_t *step_into(const json_t *o, const char *name, size_t n)
{
    if (json_is_array(o))
        return json_array_get(o, (size_t)strtoul(name, NULL, 10));
    return json_object_getn(o, name, n);
}

/* Where this part of a path ends. */
static const char *part_end(const char *path)
{
    while (*path != '.' && *path != '\0')
        path++;
    return path;
}

json_t *az_at(const json_t *o, const char *path)
{
    const json_t *at = o;
    while (at != NULL && *path != '\0') {
        const char *end = part_end(path);
        at = step_into(at, path, (size_t)(end - path));
        path = *end == '.' ? end + 1 : end;
    }
    return (json_t *)at;
}

const char *az_str_or_null(const json_t *o, const char *path)
{
    return json_string_value(az_at(o, path));
}

const char *az_str(const json_t *o, const char *path)
{
    const char *s = az_str_or_null(o, path);
    return s != NULL ? s : "";
}

int64_t az_int(const json_t *o, const char *path, int64_t fallback)
{
    const json_t *v = az_at(o, path);
    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

double az_num(const json_t *o, const char *path, double fallback)
{
    const json_t *v = az_at(o, path);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

bool az_bool(const json_t *o, const char *path, bool fallback)
{
    const json_t *v = az_at(o, path);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

void az_set(json_t *o, const char *path, json_t *take_value)
{
    json_t *at = o;
    const char *end = part_end(path);
    for (; *end == '.'; path = end + 1, end = part_end(path)) {
        json_t *next = step_into(at, path, (size_t)(end - path));
        if (!json_is_object(next) && !json_is_array(next)) {
            next = json_object();
            json_object_setn_new(at, path, (size_t)(end - path), next);
        }
        at = next;
    }
    if (json_is_array(at))
        json_array_set_new(at, (size_t)strtoul(path, NULL, 10), take_value);
    else
        json_object_setn_new(at, path, (size_t)(end - path), take_value);
}

void az_set_str(json_t *o, const char *path, const char *value)
{
    az_set(o, path, json_string(value));
}

void az_unset(json_t *o, const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL) {
        (void)json_object_del(o, path);
        return;
    }
    char head[256];
    size_t n = (size_t)(dot - path);
    if (n >= sizeof head)
        return;
    memcpy(head, path, n);
    head[n] = '\0';
    (void)json_object_del(az_at(o, head), dot + 1);
}

static json_t *copy_object(const json_t *o)
{
    json_t *copy = json_object(), *own = (json_t *)o;
    for (void *at = json_object_iter(own); at != NULL; at = json_object_iter_next(own, at))
        json_object_setn_new_nocheck(copy, json_object_iter_key(at), json_object_iter_key_len(at),
                                     az_copy(json_object_iter_value(at)));
    return copy;
}

json_t *az_copy(const json_t *v)
{
    if (json_is_object(v))
        return copy_object(v);
    if (!json_is_array(v))
        return json_incref((json_t *)v);
    json_t *copy = json_array();
    for (size_t i = 0; i < json_array_size(v); i++)
        json_array_append_new(copy, az_copy(json_array_get(v, i)));
    return copy;
}

json_t *az_strf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    json_t *s = json_string(text);
    free(text);
    return s;
}

static bool is_ignored(const char *key)
{
    static const char *const keys[] = {"etag", "provisioningState", "resourceGuid", "systemData", NULL};
    for (size_t i = 0; keys[i] != NULL; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static bool has_all(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)a, key, value) {
        if (is_ignored(key) || json_is_null(value))
            continue;
        const json_t *other = json_object_get(b, key);
        bool is_empty = (json_is_object(value) && json_object_size(value) == 0) ||
                        (json_is_array(value) && json_array_size(value) == 0);
        if (other == NULL && is_empty)
            continue;
        if (other == NULL || !az_same(value, other))
            return false;
    }
    return true;
}

bool az_same(const json_t *a, const json_t *b)
{
    if (json_is_object(a) && json_is_object(b))
        return has_all(a, b) && has_all(b, a);
    if (json_is_array(a) && json_is_array(b)) {
        if (json_array_size(a) != json_array_size(b))
            return false;
        for (size_t i = 0; i < json_array_size(a); i++)
            if (!az_same(json_array_get(a, i), json_array_get(b, i)))
                return false;
        return true;
    }
    if (json_is_string(a) && json_is_string(b)) {
        const char *s = json_string_value(a), *t = json_string_value(b);
        return s[0] == '/' ? az_ieq(s, t) : strcmp(s, t) == 0;
    }
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b) == 1;
}

bool az_location_eq(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == ' ')
            a++;
        while (*b == ' ')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == '\0')
            return true;
    }
}

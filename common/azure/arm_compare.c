#include <strings.h>

#include "common/azure/arm_impl.h"

#define PATH_BYTES 256
#define VALUE_CHARS 60

/* Where we are in the documents, for the difference's text. */
struct place {
    char path[PATH_BYTES];
    struct cw_buf *difference;
};

static bool holds(const json_t *have, const json_t *want, const char *key, struct place *at);

static void add_value(struct cw_buf *out, const json_t *v)
{
    if (v == NULL) {
        cw_buf_add_z(out, "nothing");
        return;
    }
    char *z = cw_json_print(v);
    size_t n = z != NULL ? strlen(z) : 0;
    cw_buf_addf(out, "%.*s%s", (int)CW_MIN(n, (size_t)VALUE_CHARS), z != NULL ? z : "",
                n > VALUE_CHARS ? "…" : "");
    free(z);
}

static bool differ(const json_t *have, const json_t *want, struct place *at)
{
    if (at->difference != NULL && at->difference->n == 0) {
        cw_buf_addf(at->difference, "%s: ", at->path[0] != '\0' ? at->path : "resource");
        add_value(at->difference, have);
        cw_buf_add_z(at->difference, " -> ");
        add_value(at->difference, want);
    }
    return false;
}

static bool is_id_key(const char *key)
{
    return strcasecmp(key, "id") == 0 || strcasecmp(key, "name") == 0 || strcasecmp(key, "type") == 0 ||
           cw_z_ends(key, "Id");
}

static bool holds_string(const char *have, const char *want, const char *key)
{
    if (strcasecmp(key, "location") == 0)
        return cw_location_eq(have, want);
    if (cw_z_starts_nocase(want, "/subscriptions/"))
        return cw_armid_eq(have, want);
    return is_id_key(key) ? strcasecmp(have, want) == 0 : strcmp(have, want) == 0;
}

static const char *name_of(const json_t *v)
{
    return cw_json_str(v, "name", NULL);
}

static bool is_named(const json_t *array)
{
    size_t index;
    json_t *v;
    json_array_foreach(array, index, v)
        if (name_of(v) == NULL)
            return false;
    return json_array_size(array) > 0;
}

static json_t *find_named(const json_t *array, const char *name)
{
    size_t index;
    json_t *v;
    json_array_foreach(array, index, v) {
        const char *z = name_of(v);
        if (z != NULL && strcasecmp(z, name) == 0)
            return v;
    }
    return NULL;
}

static size_t push_place(struct place *at, const char *key)
{
    size_t n = strlen(at->path);
    (void)snprintf(at->path + n, sizeof at->path - n, "%s%s", n > 0 ? "/" : "", key);
    return n;
}

static bool holds_named(const json_t *have, const json_t *want, struct place *at)
{
    size_t index;
    json_t *w;
    json_array_foreach(want, index, w) {
        size_t n = push_place(at, name_of(w));
        const json_t *h = find_named(have, name_of(w));
        if (h == NULL || !holds(h, w, "", at))
            return h == NULL ? differ(h, w, at) : false;
        at->path[n] = '\0';
    }
    return true;
}

/* Same size, and each member wanted is held by one that is there. */
static bool holds_members(const json_t *have, const json_t *want, const char *key, struct place *at)
{
    size_t i;
    json_t *w;
    if (json_array_size(have) != json_array_size(want))
        return differ(have, want, at);
    json_array_foreach(want, i, w) {
        bool found = false;
        size_t k;
        json_t *h;
        json_array_foreach(have, k, h) {
            struct place quiet = {.difference = NULL};
            found = found || holds(h, w, key, &quiet);
        }
        if (!found)
            return differ(have, want, at);
    }
    return true;
}

static bool holds_object(const json_t *have, const json_t *want, struct place *at)
{
    const char *key;
    json_t *w;
    json_object_foreach((json_t *)(uintptr_t)want, key, w) {
        size_t n = push_place(at, key);
        if (!holds(json_object_get(have, key), w, key, at))
            return false;
        at->path[n] = '\0';
    }
    return true;
}

/* As deep as `want`, which is ours. */
static bool holds(const json_t *have, const json_t *want, const char *key, struct place *at)
{
    if (json_is_null(want))
        return have == NULL || json_is_null(have) ? true : differ(have, want, at);
    if (json_is_number(want))
        return json_is_number(have) && json_number_value(have) == json_number_value(want)
                   ? true
                   : differ(have, want, at);
    if (have == NULL || json_typeof(have) != json_typeof(want))
        return differ(have, want, at);
    if (json_is_object(want))
        return holds_object(have, want, at);
    if (json_is_array(want))
        return is_named(want) ? holds_named(have, want, at) : holds_members(have, want, key, at);
    if (json_is_string(want))
        return holds_string(json_string_value(have), json_string_value(want), key) ? true
                                                                                   : differ(have, want, at);
    return true;
}

bool cw_arm_holds(const json_t *have, const json_t *want, struct cw_buf *difference)
{
    struct place at = {.difference = difference};
    return holds(have, want, "", &at);
}

/* --- merging ---------------------------------------------------------------------------------------------------- */

static void remove_path(json_t *v, const char *path);

static void remove_in_each(json_t *v, const char *rest)
{
    size_t index;
    json_t *member;
    const char *key;
    json_array_foreach(v, index, member)
        remove_path(member, rest);
    json_object_foreach(v, key, member)
        remove_path(member, rest);
}

/* As deep as the path, which is ours. */
static void remove_path(json_t *v, const char *path)
{
    size_t n = strcspn(path, "/");
    char key[128];
    if (v == NULL || n >= sizeof key)
        return;
    memcpy(key, path, n);
    key[n] = '\0';
    if (path[n] == '\0')
        (void)json_object_del(v, key);
    else if (strcmp(key, "*") == 0)
        remove_in_each(v, path + n + 1);
    else
        remove_path(json_object_get(v, key), path + n + 1);
}

static bool lay_over(json_t *into, const json_t *want);

static bool lay_named(json_t *into, const json_t *want)
{
    size_t index;
    json_t *w;
    json_array_foreach(want, index, w) {
        json_t *h = find_named(into, name_of(w));
        bool ok = h != NULL ? lay_over(h, w) : json_array_append_new(into, json_deep_copy(w)) == 0;
        if (!ok)
            return false;
    }
    return true;
}

static bool lay_over(json_t *into, const json_t *want)
{
    const char *key;
    json_t *w;
    json_object_foreach((json_t *)(uintptr_t)want, key, w) {
        json_t *h = json_object_get(into, key);
        bool ok = true;
        if (json_is_null(w))
            (void)json_object_del(into, key);
        else if (json_is_object(w) && json_is_object(h))
            ok = lay_over(h, w);
        else if (json_is_array(w) && json_is_array(h) && is_named(w))
            ok = lay_named(h, w);
        else
            ok = json_object_set_new(into, key, json_deep_copy(w)) == 0;
        if (!ok)
            return false;
    }
    return true;
}

json_t *cw_arm_merge(const json_t *have, const json_t *want, const char *const *read_only)
{
    static const char *const always[] = {"id",   "name",       "type",
                                         "etag", "systemData", "properties/provisioningState"};
    json_t *out = have != NULL ? json_deep_copy(have) : json_object();
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < CW_ARRAY_LEN(always); i++)
        remove_path(out, always[i]);
    for (size_t i = 0; read_only != NULL && read_only[i] != NULL; i++)
        remove_path(out, read_only[i]);
    if (want != NULL && !lay_over(out, want)) {
        json_decref(out);
        return NULL;
    }
    return out;
}

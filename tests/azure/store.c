/* The resource tree: a hash of case-folded ids, children lists and lists by type. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static uint64_t hash_key(const char *key)
{
    uint64_t h = 1469598103934665603u;
    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h ^ (h >> 29);
}

void az_store_init(struct az_model *m)
{
    m->store.types = json_object();
    m->store.referrers = json_object();
}

static void free_resource(struct az_resource *r)
{
    json_decref(r->body);
    json_decref(r->state);
    free(r->id);
    free(r->key);
    free(r);
}

void az_store_fini(struct az_model *m)
{
    for (size_t i = 0; i < m->store.bucket_count; i++) {
        struct az_resource *r = m->store.buckets[i];
        while (r != NULL) {
            struct az_resource *next = r->hash_next;
            free_resource(r);
            r = next;
        }
    }
    free(m->store.buckets);
    for (size_t i = 0; i < m->store.list_count; i++) {
        free(m->store.lists[i]->type);
        free(m->store.lists[i]);
    }
    free(m->store.lists);
    json_decref(m->store.types);
    json_decref(m->store.referrers);
}

static struct az_type_list *list_of(struct az_model *m, const char *type)
{
    const json_t *at = json_object_get(m->store.types, type);
    if (at != NULL)
        return m->store.lists[json_integer_value(at)];
    struct az_type_list **lists = realloc(m->store.lists, (m->store.list_count + 1) * sizeof *lists);
    if (lists == NULL)
        return NULL;
    m->store.lists = lists;
    struct az_type_list *list = calloc(1, sizeof *list);
    if (list == NULL || (list->type = strdup(type)) == NULL) {
        free(list);
        return NULL;
    }
    lists[m->store.list_count] = list;
    json_object_set_new(m->store.types, type, json_integer((json_int_t)m->store.list_count++));
    return list;
}

static bool fold_id(const char *id, char *buf, size_t buf_bytes)
{
    size_t n = strlen(id);
    while (n > 0 && id[n - 1] == '/')
        n--;
    if (n == 0 || n >= buf_bytes || id[0] != '/')
        return false;
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)tolower((unsigned char)id[i]);
    buf[n] = '\0';
    return true;
}

struct az_resource *az_store_get(const struct az_model *m, const char *id)
{
    char key[AZ_ID_MAX];
    if (id == NULL || m->store.bucket_count == 0 || !fold_id(id, key, sizeof key))
        return NULL;
    struct az_resource *r = m->store.buckets[hash_key(key) & (m->store.bucket_count - 1)];
    while (r != NULL && strcmp(r->key, key) != 0)
        r = r->hash_next;
    return r;
}

/* Where the last "/providers/" begins; NULL: none. */
static const char *last_providers(const char *id)
{
    const char *found = NULL;
    for (const char *at = id; (at = strchr(at, '/')) != NULL; at++)
        if (strncasecmp(at, "/providers/", 11) == 0)
            found = at;
    return found;
}

static size_t count_segments(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += *s == '/';
    return n;
}

static bool copy_part(char *buf, size_t buf_bytes, const char *from, size_t n)
{
    if (n == 0 || n >= buf_bytes)
        return false;
    memcpy(buf, from, n);
    buf[n] = '\0';
    return true;
}

bool az_id_parent(const char *id, char *buf, size_t buf_bytes)
{
    const char *providers = last_providers(id);
    if (providers != NULL && count_segments(providers) <= 4)
        return copy_part(buf, buf_bytes, id, (size_t)(providers - id));
    size_t n = strlen(id);
    for (int i = 0; i < 2; i++)
        while (n > 0 && id[--n] != '/')
            continue;
    return copy_part(buf, buf_bytes, id, n);
}

void az_id_type(const char *id, char *buf, size_t buf_bytes)
{
    buf[0] = '\0';
    const char *at = last_providers(id);
    size_t segments = count_segments(id);
    if (at == NULL) {
        if (segments == 2)
            snprintf(buf, buf_bytes, "%s", AZ_T_SUBSCRIPTION);
        else if (segments == 4)
            snprintf(buf, buf_bytes, "%s", AZ_T_GROUP);
        return;
    }
    at += 11;
    size_t n = 0;
    for (size_t i = 0; *at != '\0'; i++) {
        size_t len = strcspn(at, "/");
        if ((i == 0 || i % 2 == 1) && n + len + 2 < buf_bytes) {
            if (i > 0)
                buf[n++] = '/';
            for (size_t k = 0; k < len; k++)
                buf[n++] = (char)tolower((unsigned char)at[k]);
        }
        at += len + (at[len] == '/');
    }
    buf[n] = '\0';
}

static int grow(struct az_model *m)
{
    if (m->store.count < m->store.bucket_count)
        return 0;
    size_t count = m->store.bucket_count == 0 ? 256 : m->store.bucket_count * 2;
    struct az_resource **buckets = calloc(count, sizeof(struct az_resource *));
    if (buckets == NULL)
        return -1;
    for (size_t i = 0; i < m->store.bucket_count; i++) {
        struct az_resource *r = m->store.buckets[i];
        while (r != NULL) {
            struct az_resource *next = r->hash_next;
            size_t slot = hash_key(r->key) & (count - 1);
            r->hash_next = buckets[slot];
            buckets[slot] = r;
            r = next;
        }
    }
    free(m->store.buckets);
    m->store.buckets = buckets;
    m->store.bucket_count = count;
    return 0;
}

static void link_in(struct az_model *m, struct az_resource *r, struct az_type_list *list)
{
    size_t slot = hash_key(r->key) & (m->store.bucket_count - 1);
    r->hash_next = m->store.buckets[slot];
    m->store.buckets[slot] = r;
    m->store.count++;
    r->type = list->type;
    r->prev_of_type = list->last;
    if (list->last != NULL)
        list->last->next_of_type = r;
    else
        list->first = r;
    list->last = r;
    struct az_resource *parent = r->parent;
    if (parent == NULL)
        return;
    r->prev_sibling = parent->last_child;
    if (parent->last_child != NULL)
        parent->last_child->next_sibling = r;
    else
        parent->first_child = r;
    parent->last_child = r;
}

static void set_identity(struct az_resource *r)
{
    const struct az_type *type = az_type_find(r->type);
    char display[256];
    if (type != NULL)
        snprintf(display, sizeof display, "%s", type->display);
    else
        snprintf(display, sizeof display, "%s",
                 az_str_or_null(r->body, "type") ? az_str(r->body, "type") : r->type);
    json_t *body = json_object();
    json_object_set_new(body, "id", json_string(r->id));
    json_object_set_new(body, "name", json_string(r->name));
    json_object_set_new(body, "type", json_string(display));
    const char *key;
    json_t *value;
    json_object_foreach(r->body, key, value)
        if (strcmp(key, "id") != 0 && strcmp(key, "name") != 0 && strcmp(key, "type") != 0)
            json_object_set(body, key, value);
    json_decref(r->body);
    r->body = body;
}

static int set_id(struct az_resource *r, const char *id)
{
    size_t n = strlen(r->key);
    char *copy = strndup(id, n);
    if (copy == NULL)
        return -1;
    free(r->id);
    r->id = copy;
    r->name = strrchr(copy, '/') + 1;
    return 0;
}

static struct az_resource *parent_for(struct az_model *m, const char *id, const char *type)
{
    char parent_id[AZ_ID_MAX], parent_type[256];
    if (!az_id_parent(id, parent_id, sizeof parent_id))
        return NULL;
    struct az_resource *parent = az_store_get(m, parent_id);
    az_id_type(parent_id, parent_type, sizeof parent_type);
    bool is_basic = strcmp(parent_type, AZ_T_GROUP) == 0 || strcmp(parent_type, AZ_T_SUBSCRIPTION) == 0;
    if (parent != NULL || !is_basic)
        return parent;
    (void)type;
    json_t *body = json_object();
    if (strcmp(parent_type, AZ_T_GROUP) == 0)
        az_set_str(body, "properties.provisioningState", "Succeeded");
    return az_store_put(m, parent_id, body);
}

static struct az_resource *new_resource(struct az_model *m, const char *key, const char *id)
{
    char type[256];
    az_id_type(key, type, sizeof type);
    if (type[0] == '\0')
        return NULL;
    struct az_resource *parent = NULL;
    if (strcmp(type, AZ_T_SUBSCRIPTION) != 0 && (parent = parent_for(m, id, type)) == NULL)
        return NULL;
    struct az_type_list *list = list_of(m, type);
    struct az_resource *r = calloc(1, sizeof *r);
    if (r == NULL || list == NULL || grow(m) < 0 || (r->key = strdup(key)) == NULL) {
        free(r);
        return NULL;
    }
    if (set_id(r, id) < 0) {
        free(r->key);
        free(r);
        return NULL;
    }
    r->parent = parent;
    r->state = json_object();
    link_in(m, r, list);
    return r;
}

/* Enter what a subnet's body refers to, or take it out. */
static void note_references(struct az_model *m, const struct az_resource *r, bool is_there)
{
    static const char *const paths[] = {"properties.networkSecurityGroup.id", "properties.routeTable.id",
                                        "properties.natGateway.id"};
    char key[AZ_ID_MAX];
    if (strcmp(r->type, AZ_T_SUBNET) != 0)
        return;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (!fold_id(az_str(r->body, paths[i]), key, sizeof key))
            continue;
        json_t *set = json_object_get(m->store.referrers, key);
        if (set == NULL && is_there) {
            set = json_object();
            json_object_set_new(m->store.referrers, key, set);
        }
        if (is_there)
            json_object_set_new(set, r->key, json_true());
        else if (json_object_del(set, r->key) == 0 && json_object_size(set) == 0)
            json_object_del(m->store.referrers, key);
    }
}

const json_t *az_store_referrers(const struct az_model *m, const struct az_resource *r)
{
    return json_object_get(m->store.referrers, r->key);
}

json_t *az_store_referrer_ids(const struct az_model *m, const struct az_resource *r)
{
    json_t *list = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)az_store_referrers(m, r), key, value) {
        const struct az_resource *subnet = az_store_get(m, key);
        if (subnet != NULL)
            json_array_append_new(list, json_pack("{s:s}", "id", subnet->id));
    }
    return list;
}

struct az_resource *az_store_put(struct az_model *m, const char *id, json_t *take_body)
{
    char key[AZ_ID_MAX];
    struct az_resource *r = NULL;
    if (take_body != NULL && id != NULL && fold_id(id, key, sizeof key)) {
        r = az_store_get(m, key);
        if (r == NULL)
            r = new_resource(m, key, id);
        else
            (void)set_id(r, id);
    }
    if (r == NULL) {
        json_decref(take_body);
        return NULL;
    }
    note_references(m, r, false);
    json_decref(r->body);
    r->body = take_body;
    set_identity(r);
    note_references(m, r, true);
    return r;
}

static void unlink_one(struct az_model *m, struct az_resource *r)
{
    note_references(m, r, false);
    struct az_resource **at = &m->store.buckets[hash_key(r->key) & (m->store.bucket_count - 1)];
    while (*at != r)
        at = &(*at)->hash_next;
    *at = r->hash_next;
    m->store.count--;
    struct az_type_list *list = list_of(m, r->type);
    *(r->prev_of_type != NULL ? &r->prev_of_type->next_of_type : &list->first) = r->next_of_type;
    *(r->next_of_type != NULL ? &r->next_of_type->prev_of_type : &list->last) = r->prev_of_type;
    if (r->parent == NULL)
        return;
    *(r->prev_sibling != NULL ? &r->prev_sibling->next_sibling : &r->parent->first_child) = r->next_sibling;
    *(r->next_sibling != NULL ? &r->next_sibling->prev_sibling : &r->parent->last_child) = r->prev_sibling;
}

void az_store_delete(struct az_model *m, struct az_resource *r)
{
    struct az_resource *top = r;
    for (;;) {
        while (r->last_child != NULL)
            r = r->last_child;
        struct az_resource *parent = r->parent;
        bool is_top = r == top;
        unlink_one(m, r);
        free_resource(r);
        if (is_top)
            return;
        r = parent;
    }
}

struct az_resource *az_store_first(const struct az_model *m, const char *type)
{
    const json_t *at = json_object_get(m->store.types, type);
    return at != NULL ? m->store.lists[json_integer_value(at)]->first : NULL;
}

static struct az_resource *next_matching(struct az_resource *r, const char *type)
{
    while (r != NULL && type != NULL && strcmp(r->type, type) != 0)
        r = r->next_sibling;
    return r;
}

struct az_resource *az_child_first(const struct az_resource *parent, const char *type)
{
    return next_matching(parent->first_child, type);
}

struct az_resource *az_child_next(const struct az_resource *r, const char *type)
{
    return next_matching(r->next_sibling, type);
}

struct az_resource *az_child_named(const struct az_resource *parent, const char *type, const char *name)
{
    struct az_resource *r = az_child_first(parent, type);
    while (r != NULL && !az_ieq(r->name, name))
        r = az_child_next(r, type);
    return r;
}

struct az_resource *az_ancestor(struct az_resource *r, const char *type)
{
    while (r != NULL && strcmp(r->type, type) != 0)
        r = r->parent;
    return r;
}

const char *az_prov_state(const struct az_resource *r)
{
    return az_str(r->body, "properties.provisioningState");
}

void az_set_prov_state(struct az_resource *r, const char *state)
{
    az_set_str(r->body, "properties.provisioningState", state);
}

#include "worker/engine/table.h"

#include "common/str.h"

#define CAP_FIRST 64

static uint64_t hash_of(const char *key)
{
    uint64_t h = cw_str_hash(cw_str_of(key));
    return h ^ h >> 32;
}

void cw_table_fini(struct cw_table *t)
{
    free(t->buckets);
    *t = (struct cw_table){0};
}

static bool grow(struct cw_table *t)
{
    size_t cap = t->cap == 0 ? CAP_FIRST : t->cap * 2;
    struct cw_node **buckets = calloc(cap, sizeof(struct cw_node *));
    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < t->cap; i++) {
        for (struct cw_node *n = t->buckets[i], *next; n != NULL; n = next) {
            next = n->next;
            n->next = buckets[n->hash & (cap - 1)];
            buckets[n->hash & (cap - 1)] = n;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->cap = cap;
    return true;
}

bool cw_table_add(struct cw_table *t, struct cw_node *node, const char *key)
{
    if (t->count == t->cap && !grow(t))
        return false;
    node->key = key;
    node->hash = hash_of(key);
    struct cw_node **bucket = &t->buckets[node->hash & (t->cap - 1)];
    node->next = *bucket;
    *bucket = node;
    t->count++;
    return true;
}

struct cw_node *cw_table_find(const struct cw_table *t, const char *key)
{
    if (t->cap == 0)
        return NULL;
    uint64_t hash = hash_of(key);
    struct cw_node *n = t->buckets[hash & (t->cap - 1)];
    while (n != NULL && (n->hash != hash || !cw_z_eq(n->key, key)))
        n = n->next;
    return n;
}

void cw_table_remove(struct cw_table *t, struct cw_node *node)
{
    struct cw_node **at = &t->buckets[node->hash & (t->cap - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->count--;
}

void cw_table_each(struct cw_table *t, void (*fn)(struct cw_node *node, void *arg), void *arg)
{
    for (size_t i = 0; i < t->cap; i++) {
        for (struct cw_node *n = t->buckets[i], *next; n != NULL; n = next) {
            next = n->next;
            fn(n, arg);
        }
    }
}

/* worker/engine/table.h: an intrusive hash table by text: requests by journal key, queues by workspace.
 *
 * Suspends: never.  Thread: the owner's. */
#ifndef CW_WORKER_ENGINE_TABLE_H
#define CW_WORKER_ENGINE_TABLE_H

#include "common/base.h"

/* First member of what is kept, so that a node is also its owner. */
struct cw_node {
    const char *key; /* owned by the owner, unchanged while in the table */
    uint64_t hash;
    struct cw_node *next;
};

/* Zero-initialise. */
struct cw_table {
    struct cw_node **buckets;
    size_t cap;
    size_t count;
};

void cw_table_fini(struct cw_table *t); /* the nodes are their owners' */
/* False when out of memory. The key must not be in the table. */
bool cw_table_add(struct cw_table *t, struct cw_node *node, const char *key);
struct cw_node *cw_table_find(const struct cw_table *t, const char *key);
void cw_table_remove(struct cw_table *t, struct cw_node *node);
/* Call fn for each node; fn may remove the node that it was given, and no other. */
void cw_table_each(struct cw_table *t, void (*fn)(struct cw_node *node, void *arg), void *arg);

#endif

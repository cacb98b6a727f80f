/* schema/catalog.h: every event that this product reads or writes, for the printed schemas and the reference.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_CATALOG_H
#define CW_SCHEMA_CATALOG_H

#include "schema/field.h"

struct cw_catalog_entry {
    const char *type;  /* CloudEvents type */
    const char *topic; /* default name */
    const char *title;
    const struct cw_shape *shape; /* of the data */
    bool is_sent_by_us;
};

/* The entries in the order of the reference. */
const struct cw_catalog_entry *cw_catalog(size_t *ret_count);
/* The JSON Schema of an entry's data; the caller owns it. NULL when out of memory. */
json_t *cw_catalog_schema(const struct cw_catalog_entry *entry);
/* The event reference in Markdown. */
void cw_catalog_markdown(struct cw_buf *out);
/* The AsyncAPI 3.0 document (YAML), which refers to the files "<type>.schema.json" beside it. */
void cw_catalog_asyncapi(struct cw_buf *out);

#endif

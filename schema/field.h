/* schema/field.h: one table per shape; it drives decoding (all problems at once), encoding, merging, and the printed JSON
 * Schema and reference.
 *
 * A shape is a C struct and a table that says, for each JSON member, where it lives and what it may hold. Unset is NULL for
 * texts, CW_TRI_UNKNOWN for tri-states, a count of 0 for lists, and for numbers, enumerations and claims the default (0 or false
 * where there is none); unset members are not written unless they are required. Members that the table doesn't know are
 * ignored.
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_FIELD_H
#define CW_SCHEMA_FIELD_H

#include "common/json.h"
#include "schema/problem.h"

/* A claim that may not have been made yet. */
enum cw_tri { CW_TRI_UNKNOWN = 0, CW_TRI_NO, CW_TRI_YES };

enum cw_member_type {
    CW_MEMBER_TEXT = 0, /* const char *; min and max bound its length */
    CW_MEMBER_INT,      /* int64_t; min and max bound it */
    CW_MEMBER_BOOL,     /* bool */
    CW_MEMBER_TRI,      /* enum cw_tri, a JSON boolean */
    CW_MEMBER_ENUM,     /* int, an index into `names`; NULL names are not allowed as input */
    CW_MEMBER_TIME,     /* int64_t, milliseconds since 1970, RFC 3339 in JSON */
    CW_MEMBER_OBJECT,   /* the child's struct, in place */
    CW_MEMBER_LIST,     /* `child` struct *, with a size_t at count_offset; min and max bound the count */
    CW_MEMBER_TEXTS,    /* const char **, with a size_t at count_offset */
    CW_MEMBER_MAP,      /* struct cw_pair *, with a size_t at count_offset; a JSON object of texts */
    CW_MEMBER_JSON,     /* const char *, any JSON value as compact text */
};

/* Bounds of texts and lists that name none. */
#define CW_TEXT_BYTES_MAX 16384
#define CW_LIST_ITEMS_MAX 10000

struct cw_pair {
    const char *name;
    const char *value;
};

/* What a text must look like. Each has a regular expression and a remedy in format.c. */
enum cw_member_format {
    CW_FORMAT_ANY = 0,
    CW_FORMAT_GUID,
    CW_FORMAT_WORKSPACE_ID, /* ARM id of Microsoft.Databricks/workspaces */
    CW_FORMAT_VNET_ID,
    CW_FORMAT_ZONE_ID, /* ARM id of Microsoft.Network/privateDnsZones */
    CW_FORMAT_NAT_GATEWAY_ID,
    CW_FORMAT_ROUTE_TABLE_ID,
    CW_FORMAT_RESOURCE_GROUP, /* 1-90 of A-Za-z0-9-_.() and no dot at the end */
    CW_FORMAT_WORKSPACE_NAME, /* 3-64 */
    CW_FORMAT_NETWORK_NAME,   /* subnet, NSG, link …: 1-80 */
    CW_FORMAT_ENDPOINT_NAME,  /* private endpoint: 2-64 */
    CW_FORMAT_REGION,         /* lower-case letters and digits */
    CW_FORMAT_CIDR,           /* private or shared IPv4 prefix without host bits */
    CW_FORMAT_ADDRESS,        /* private or shared IPv4 address */
    CW_FORMAT_EVENT_ID,       /* 1-128 visible ASCII characters */
    CW_FORMAT__COUNT
};

struct cw_shape;

struct cw_member {
    const char *name;
    enum cw_member_type type;
    enum cw_member_format format; /* CW_MEMBER_TEXT */
    bool is_required;
    size_t offset;
    size_t count_offset; /* LIST, TEXTS, MAP */
    int64_t min;         /* applied when min or max is not 0 */
    int64_t max;
    const char *const *names;     /* ENUM: the texts in order of their values … */
    size_t name_count;            /* … */
    const struct cw_shape *child; /* OBJECT, LIST */
    const char *otherwise;        /* default, as it would stand in JSON without quotes; NULL = unset */
    const char *text;             /* what it means, for the reference; one sentence */
    const char *remedy;           /* replaces the general remedy; may be NULL */
};

struct cw_shape {
    const char *name; /* of the definition in JSON Schema, e.g. "options" */
    const char *text; /* what it is; one sentence */
    size_t bytes;     /* sizeof the struct */
    const struct cw_member *members;
    size_t member_count;
};

/* For tables: the members array and its length. */
#define CW_MEMBERS(a) .members = (a), .member_count = CW_ARRAY_LEN(a)

/* Decode a JSON object into *ret (shape->bytes, zeroed first); strings live in mem. All problems are added to `problems`,
 * with `pointer` before each; whatever could be read is set all the same. Errors: -CW_EINVAL (problems were added),
 * -CW_ENOMEM. */
int cw_shape_decode(const struct cw_shape *shape, const json_t *doc, const char *pointer,
                    struct cw_arena *mem, void *ret, struct cw_problems *problems);
/* Add a problem for each member, also of objects within, that the table does not know: a reader ignores them, a sender has mistyped them.
 * Out of memory: some are left out. */
void cw_shape_unknown(const struct cw_shape *shape, const json_t *doc, const char *pointer,
                      struct cw_arena *mem, struct cw_problems *problems);
/* A new JSON object; the caller owns it. NULL when out of memory. */
json_t *cw_shape_encode(const struct cw_shape *shape, const void *value);
/* The same as compact text with sorted keys, in mem. NULL when out of memory. */
char *cw_shape_print(const struct cw_shape *shape, const void *value, struct cw_arena *mem);
/* Members of `from` that are set replace those of `into` (objects member by member, lists as a whole); everything is copied
 * into mem. Errors: -CW_ENOMEM; `into` may then hold a part. */
int cw_shape_merge(const struct cw_shape *shape, void *into, const void *from, struct cw_arena *mem);

/* Is the text of this format? NULL is not. */
bool cw_format_is(enum cw_member_format format, const char *z);
/* Regular expression (both ECMA 262 and POSIX extended), description and remedy; NULL for CW_FORMAT_ANY. The expression is
 * necessary but not sufficient: keywords of ids, bits of prefixes and ranges of addresses are checked besides. */
const char *cw_format_pattern(enum cw_member_format format);
const char *cw_format_name(enum cw_member_format format);
const char *cw_format_remedy(enum cw_member_format format);

/* An IPv4 prefix, host order; false when malformed or with host bits. */
bool cw_cidr_parse(const char *z, uint32_t *ret_base, int *ret_bits);

/* JSON Schema 2020-12 of a shape with its children under $defs; the caller owns it. NULL when out of memory. */
json_t *cw_shape_json_schema(const struct cw_shape *shape, const char *id, const char *title);
/* A table of members in Markdown, children after their parent, each shape once. */
void cw_shape_markdown(const struct cw_shape *shape, struct cw_buf *out);

#endif

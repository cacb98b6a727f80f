/* tests/azure/databricks.h: what the files of the Databricks half share.
 *
 * A workspace's data is one JSON object, saved as it is: {"users","conf","ipAccessLists","clusters","pools","warehouses",
 * "jobs","runs","pipelines","statements","contexts","commands","globalInitScripts","policies","capacity","incident",…}, lists
 * of objects with the fields that the REST API shows. Members that start with "_" are hidden: answers leave them out.
 * Times in it are told milliseconds, like all times in answers. */
#ifndef CW_TESTS_AZURE_DATABRICKS_H
#define CW_TESTS_AZURE_DATABRICKS_H

#include "tests/azure/core.h"

#define DBX_CONTEXTS_MAX 145
#define DBX_EVENTS_MAX 200   /* kept for each cluster */
#define DBX_COMMANDS_MAX 200 /* kept for each workspace */
#define DBX_ID_BYTES 40

/* One request to a workspace, after authentication. */
struct dbx_call {
    struct az_model *m;
    const struct az_call *call;
    struct az_response *res;
    struct az_resource *workspace;
    json_t *data;        /* of the workspace; borrowed */
    char rest[256];      /* path behind "/api/2.x/" or "/api/1.2/" */
    const char *rest_id; /* what a "*" in the route stood for, within rest_segment */
    char rest_segment[128];
};

struct dbx_route {
    const char *method;
    const char *path; /* below /api/2.x/; one "*" matches a segment */
    void (*answer)(struct dbx_call *c);
    bool needs_environment; /* fails while the workspace has no worker environment */
};

/* Tables of the areas, each ends with a NULL method. */
extern const struct dbx_route dbx_cluster_routes[], dbx_command_routes[], dbx_compute_routes[],
    dbx_sql_routes[], dbx_job_routes[], dbx_setting_routes[];

/* ---- a workspace's data ------------------------------------------------------------------------------------------ */

/* The workspace's data, made when missing. Borrowed. NULL: out of memory. */
json_t *dbx_data(struct az_model *m, const struct az_resource *workspace);
/* Root of everything: {"workspaces":{folded id: data},"callerAddress",…}. */
json_t *dbx_root(const struct az_model *m);
/* A list of it ("clusters"), made when missing. */
json_t *dbx_list(json_t *data, const char *name);
/* The item whose member `key` is `value`; NULL: none. */
json_t *dbx_find(json_t *data, const char *list, const char *key, const char *value);
void dbx_remove(json_t *data, const char *list, const json_t *item);
/* A copy without hidden members. */
json_t *dbx_visible(const json_t *item);
/* A decimal id, as contexts and commands have. */
const char *dbx_number_id(struct az_model *m, char buf[DBX_ID_BYTES]);
/* A hex id of n digits, as warehouses and pools have. */
const char *dbx_hex_id(struct az_model *m, size_t n, char buf[DBX_ID_BYTES]);
/* The decimal workspace id ("organization"). */
const char *dbx_org(const struct az_resource *workspace);

/* ---- requests ------------------------------------------------------------------------------------------------------ */

/* Is the caller known, and may it come in over its network? Replies and answers false if not. */
bool dbx_admit(struct dbx_call *c);
/* Do the IP access lists let this address in? */
bool dbx_ip_is_allowed(const json_t *data, const char *address);
/* String member of the body; replies 400 and answers NULL when it is missing. */
const char *dbx_body_str(struct dbx_call *c, const char *name);
/* Query parameter or, failing that, body member; replies 400 and answers NULL when it is missing. */
const char *dbx_param(struct dbx_call *c, const char *name);
/* {"error_code","message"} */
void dbx_error(struct dbx_call *c, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* {"error"} of API 1.2 */
void dbx_error_12(struct dbx_call *c, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One page of take_all as {name:[…],"next_page_token"}; an empty list has no member at all. */
json_t *dbx_page(struct dbx_call *c, const char *name, json_t *take_all, const char *size_param,
                 size_t default_size);
void dbx_reply_page(struct dbx_call *c, const char *name, json_t *take_all, const char *size_param,
                    size_t default_size);
/* Write to the ledger: operation "clusters/create", on workspace id + "/" + sub-id. */
void dbx_ledger(struct dbx_call *c, const char *operation, const char *sub_id, bool changed,
                const json_t *before, const json_t *after);

/* ---- clusters ------------------------------------------------------------------------------------------------------ */

void dbx_life_init(struct az_model *m);
/* Go from TERMINATED (or new) to PENDING, and on by events. Kind: "CREATING", "STARTING" or "RESTARTING". */
void dbx_cluster_launch(struct az_model *m, struct az_resource *workspace, json_t *cluster, const char *kind,
                        const char *user);
/* Begin to terminate; nothing when it is terminating already. */
void dbx_cluster_terminate(struct az_model *m, struct az_resource *workspace, json_t *cluster,
                           const char *code, const char *type, const char *user, const char *message);
/* A job cluster as `spec` wants it, starting. Its id (borrowed); NULL after replying that the spec is wrong. */
const char *dbx_cluster_for_run(struct dbx_call *c, const json_t *spec, const char *name);
/* Give back what its nodes hold, at once. */
void dbx_cluster_release(struct az_model *m, struct az_resource *workspace, json_t *cluster);
/* Make a loaded cluster consistent with its state (addresses, timers). */
void dbx_cluster_adopt(struct az_model *m, struct az_resource *workspace, json_t *cluster);
void dbx_cluster_event(struct az_model *m, json_t *cluster, const char *type, json_t *take_details);
/* Somebody used it: the idle timer starts again. */
void dbx_cluster_touch(struct az_model *m, json_t *cluster);
bool dbx_cluster_is_usable(const json_t *cluster);

/* Take addresses for a running warehouse or pool from the workspace's subnets, or give them back. -1: none free. */
int dbx_nodes_take(struct az_model *m, struct az_resource *workspace, json_t *owner, const char *name,
                   size_t count);
void dbx_nodes_give(struct az_model *m, struct az_resource *workspace, json_t *owner);

void dbx_compute_init(struct az_model *m);
void dbx_compute_adopt(struct az_model *m, struct az_resource *workspace, json_t *data);
/* End what a network update finds alive. */
void dbx_compute_end_all(struct az_model *m, struct az_resource *workspace, json_t *data);
bool dbx_compute_is_alive(const json_t *data);
void dbx_warehouse_wake(struct az_model *m, struct az_resource *workspace, json_t *warehouse);

/* What a command prints: {"resultType","data",…}. */
json_t *dbx_command_result(struct az_model *m, struct az_resource *workspace, json_t *cluster,
                           const char *language, const char *text);

/* Catalog. A new reference to all node types; full answers, as text that lives as long as the process. */
json_t *dbx_node_types(void);
const char *dbx_node_types_text(void);
const char *dbx_spark_versions_text(void);
bool dbx_has_node_type(const char *id);
bool dbx_has_spark_version(const char *key);

#endif

/* tests/azure/core.h: what the parts of the Azure model share. Not for users of the model (they see model.h
 * alone).
 *
 * Clock: there is one, the told time (ms since the epoch). Durations of the real Azure are "model
 * milliseconds"; az_scaled() turns them into told milliseconds (divided by time_scale), and every timestamp
 * an answer carries is told. Everything that shall survive az_model_save() is JSON: resource bodies, hidden
 * states, events with their arguments.
 * Invariant: no pointer to a resource is kept across events; ids are kept and looked up again.
 * Suspends: never.  Thread: one at a time. */
#ifndef CW_TESTS_AZURE_CORE_H
#define CW_TESTS_AZURE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "tests/azure/model.h"

/* Present in every new model. */
#define AZ_DEFAULT_SUBSCRIPTION "11111111-1111-1111-1111-111111111111"
#define AZ_DEFAULT_TENANT "22222222-2222-2222-2222-222222222222"
#define AZ_DEFAULT_CLIENT "33333333-3333-3333-3333-333333333333"
#define AZ_DEFAULT_SECRET "sim-secret"
#define AZ_DATABRICKS_APP "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"

#define AZ_SEGMENTS_MAX 40
#define AZ_QUERY_MAX 32
#define AZ_ID_MAX 2048 /* longest resource id or URL that the model handles */
#define AZ_GUID_BYTES 37
#define AZ_TIME_BYTES 40

/* Folded type names, as in az_resource.type. */
#define AZ_T_SUBSCRIPTION "microsoft.resources/subscriptions"
#define AZ_T_GROUP "microsoft.resources/resourcegroups"
#define AZ_T_LOCK "microsoft.authorization/locks"
#define AZ_T_NSG "microsoft.network/networksecuritygroups"
#define AZ_T_NSG_RULE "microsoft.network/networksecuritygroups/securityrules"
#define AZ_T_VNET "microsoft.network/virtualnetworks"
#define AZ_T_SUBNET "microsoft.network/virtualnetworks/subnets"
#define AZ_T_PEERING "microsoft.network/virtualnetworks/virtualnetworkpeerings"
#define AZ_T_NAT "microsoft.network/natgateways"
#define AZ_T_PUBLIC_IP "microsoft.network/publicipaddresses"
#define AZ_T_ROUTE_TABLE "microsoft.network/routetables"
#define AZ_T_ROUTE "microsoft.network/routetables/routes"
#define AZ_T_PE "microsoft.network/privateendpoints"
#define AZ_T_ZONE_GROUP "microsoft.network/privateendpoints/privatednszonegroups"
#define AZ_T_NIC "microsoft.network/networkinterfaces"
#define AZ_T_ZONE "microsoft.network/privatednszones"
#define AZ_T_LINK "microsoft.network/privatednszones/virtualnetworklinks"
#define AZ_T_RECORD_A "microsoft.network/privatednszones/a"
#define AZ_T_WORKSPACE "microsoft.databricks/workspaces"
#define AZ_T_WS_CONNECTION "microsoft.databricks/workspaces/privateendpointconnections"

/* ---- resources -------------------------------------------------------------------------------------- */

/* One resource of the tree subscription > group > resource > child. Owned by the store. Extension resources
 * (locks) are children of their scope. `body` is the ARM answer without what is computed on reading (a
 * VNet's "subnets", a workspace's "privateEndpointConnections" are children); id, name and type are in it.
 * `state` is hidden from ARM, an object, saved as "_state". */
struct az_resource {
    char *id;         /* in the case that was written last */
    char *key;        /* case-folded id */
    const char *name; /* last segment, within id */
    const char *type; /* folded, one of AZ_T_* or another; interned: lives as long as the model */
    json_t *body;
    json_t *state;
    struct az_resource *parent;
    struct az_resource *first_child, *last_child; /* in order of creation */
    struct az_resource *prev_sibling, *next_sibling;
    struct az_resource *prev_of_type, *next_of_type; /* all resources of this type, in order of creation */
    struct az_resource *hash_next;
};

/* Look up by id, ignoring case and a trailing slash. NULL: none (also for id NULL). Borrowed. */
struct az_resource *az_store_get(const struct az_model *m, const char *id);
/* Create, or replace the body of what exists. Takes body (may be NULL when allocation failed before).
 * Parents must exist, except that a missing resource group or subscription is made. NULL: no parent, bad
 * id, or out of memory. */
struct az_resource *az_store_put(struct az_model *m, const char *id, json_t *take_body);
/* Remove it with all that is below it. */
void az_store_delete(struct az_model *m, struct az_resource *r);
/* First resource of a folded type; go on with ->next_of_type. NULL: none. */
struct az_resource *az_store_first(const struct az_model *m, const char *type);
/* First child of that folded type (NULL = any) and the next one after `r`. */
struct az_resource *az_child_first(const struct az_resource *parent, const char *type);
struct az_resource *az_child_next(const struct az_resource *r, const char *type);
/* The child named `name` (ignoring case) of that type; NULL: none. */
struct az_resource *az_child_named(const struct az_resource *parent, const char *type, const char *name);
/* The nearest ancestor (or itself) of that folded type. */
struct az_resource *az_ancestor(struct az_resource *r, const char *type);
/* properties.provisioningState: "" when absent. */
const char *az_prov_state(const struct az_resource *r);
void az_set_prov_state(struct az_resource *r, const char *state);

/* ---- JSON helpers ----------------------------------------------------------------------------------- */

/* Value at a dotted path ("properties.subnet.id", list items as numbers: "properties.ipConfigurations.0").
 * NULL: none. */
json_t *az_at(const json_t *o, const char *path);
/* String there; "" when there is none. */
const char *az_str(const json_t *o, const char *path);
/* String there, or NULL. */
const char *az_str_or_null(const json_t *o, const char *path);
int64_t az_int(const json_t *o, const char *path, int64_t fallback);
double az_num(const json_t *o, const char *path, double fallback);
bool az_bool(const json_t *o, const char *path, bool fallback);
/* Set the value at a dotted path, making objects on the way. Takes value. */
void az_set(json_t *o, const char *path, json_t *take_value);
void az_set_str(json_t *o, const char *path, const char *value);
void az_unset(json_t *o, const char *path);
/* A copy of all objects and arrays; what never changes (texts, numbers) is shared. NULL gives NULL. */
json_t *az_copy(const json_t *v);
/* printf into a JSON string. */
json_t *az_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* ASCII, ignoring case. Both may be NULL (equal only to each other). */
bool az_ieq(const char *a, const char *b);
bool az_istarts(const char *s, const char *prefix);

/* ---- time, events, chance --------------------------------------------------------------------------- */

int64_t az_now(const struct az_model *m);
/* Model milliseconds to told milliseconds, at least 1 for a positive duration. */
int64_t az_scaled(const struct az_model *m, int64_t model_ms);
/* "2026-11-24T03:20:15.1234567Z" */
const char *az_time_iso(int64_t told_ms, char buf[AZ_TIME_BYTES]);

/* Called when an event is due; arg is borrowed. az_now() is the event's own time. */
typedef void (*az_event_fn)(struct az_model *m, const json_t *arg);
/* Bind an event kind's name (static string) to its function; at init, before events of the kind are due. */
void az_event_register(struct az_model *m, const char *kind, az_event_fn fn);
/* Have `kind` called at a told time (not before now). Takes arg. Answers an id for az_unschedule(), 0 = out
 * of memory. */
uint64_t az_schedule(struct az_model *m, int64_t at_told_ms, const char *kind, json_t *take_arg);
void az_unschedule(struct az_model *m, uint64_t event_id);

/* Draws from the model's seed, in order of use. */
uint64_t az_random(struct az_model *m);
double az_uniform(struct az_model *m); /* [0,1) */
/* true with that probability; draws also when it is 0 or 1. */
bool az_chance(struct az_model *m, double probability);
const char *az_guid(struct az_model *m, char buf[AZ_GUID_BYTES]);
/* Draw a duration by name from the table ("workspace.create", …; see README.md, state document
 * "durations": {"name":[minSeconds,maxSeconds]}), scaled to told ms. An unknown name uses the fallback
 * range in seconds. */
int64_t az_duration(struct az_model *m, const char *name, double min_s, double max_s);
/* A number of "behaviour" in the state document ({"conflictAsFailure":0.2,...}), else the fallback. */
double az_behaviour(const struct az_model *m, const char *name, double fallback);

/* ---- requests --------------------------------------------------------------------------------------- */

enum az_host { AZ_HOST_ARM = 0, AZ_HOST_LOGIN, AZ_HOST_WORKSPACE, AZ_HOST_OTHER };

/* Who asks: the claims of a checked token. */
struct az_identity {
    char tenant[AZ_GUID_BYTES];
    char app_id[AZ_GUID_BYTES];
    char object_id[AZ_GUID_BYTES];
    char audience[256];
};

struct az_route;
struct az_fault;

/* One request, taken apart by the core. Lives for the call. */
struct az_call {
    const struct az_request *req;
    const char *method;
    enum az_host host_kind;
    const char *host;                      /* lower case */
    const char *path;                      /* decoded, with leading slash, without query */
    const char *segments[AZ_SEGMENTS_MAX]; /* decoded, without slashes */
    size_t segment_count;
    struct {
        const char *name, *value; /* decoded */
    } query[AZ_QUERY_MAX];
    size_t query_count;
    const char *api_version; /* "" when absent */
    json_t *body;            /* NULL: no body or not JSON (see body_is_bad); borrowed by handlers */
    bool body_is_bad;        /* there were bytes, and they were no JSON */
    struct az_identity who;  /* whose token it is, filled for ARM and for workspaces (there not yet judged) */
    char request_id[AZ_GUID_BYTES];
    char correlation_id[128];
    struct az_resource *target;       /* ARM: what the path names, when it exists */
    char operation_id[AZ_GUID_BYTES]; /* ARM: of the operation that the call started; "" = none */
    char id[AZ_ID_MAX];               /* ARM: the resource id of the path */
    const struct az_route *route;     /* ARM: the row of the route table */
    const struct az_fault *op_fault;  /* ARM: an op-* fault that matched */
    int64_t slow_ms;                  /* told delay that a handler wants for its answer */
    void *own;                        /* what the strings above live in */
};

/* Request header by name (ignoring case), or NULL. */
const char *az_call_header(const struct az_call *call, const char *name);
/* Query parameter by name (ignoring case), or NULL. */
const char *az_call_query(const struct az_call *call, const char *name);
/* Segment by index, "" beyond the end. */
const char *az_call_segment(const struct az_call *call, size_t i);

enum az_token_verdict {
    AZ_TOKEN_OK = 0,
    AZ_TOKEN_MISSING,
    AZ_TOKEN_INVALID,
    AZ_TOKEN_EXPIRED,
    AZ_TOKEN_WRONG_AUDIENCE
};
/* Check a bare token (not "Bearer …") against one of the accepted audiences (NULL-terminated; "/" at the
 * end and a leading "https://" are ignored). Fills ret_who when it is one of ours, also if expired. */
enum az_token_verdict az_token_check(const struct az_model *m, const char *token,
                                     const char *const *audiences, struct az_identity *ret_who);
/* The same for the call's Authorization header. */
enum az_token_verdict az_call_token(const struct az_model *m, const struct az_call *call,
                                    const char *const *audiences, struct az_identity *ret_who);
/* Audiences that ARM accepts (management tokens; also for X-Databricks-Azure-SP-Management-Token). */
const char *const *az_audiences_arm(const struct az_model *m);
/* A token for `audience`; malloc'd. lifetime in told ms from now (may be negative in tests). */
char *az_token_make(const struct az_model *m, const char *tenant, const char *client_id, const char *audience,
                    int64_t lifetime_ms);

/* ---- answers ---------------------------------------------------------------------------------------- */

#define AZ_JSON "application/json; charset=utf-8"

/* Each replaces what was there before (headers that were added stay). */
void az_reply_json(struct az_response *res, int status, json_t *take_body);
void az_reply_text(struct az_response *res, int status, const char *content_type, const char *text);
void az_reply_empty(struct az_response *res, int status);
/* Add or replace a header. */
void az_reply_header(struct az_response *res, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* {"error":{"code","message"}} */
void az_reply_error(struct az_response *res, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* {"code","message"} */
void az_reply_error_flat(struct az_response *res, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* {"error_code","message"} with the headers a workspace sends */
void az_reply_error_databricks(struct az_response *res, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Retry-After in told seconds for a model duration: rounded up, at least 1. */
void az_reply_retry_after(const struct az_model *m, struct az_response *res, int64_t model_ms);
/* "https://host[:port]" into buf. */
const char *az_url_base(const struct az_model *m, const char *host, char *buf, size_t buf_bytes);

/* ---- ledger, throttle ------------------------------------------------------------------------------- */

/* Record a call's effect. operation: e.g. "Microsoft.Network/virtualNetworks/write", "clusters/create".
 * before and after are copied (NULL = null). Reads are only counted. class: 'r', 'w' or 'd'. */
void az_ledger_add(struct az_model *m, const struct az_call *call, char class_, const char *operation,
                   const char *resource_id, int status, bool changed, const json_t *before,
                   const json_t *after);

/* Take one token from a named bucket (made full at first use). capacity and refill are per model time.
 * Answers -1 and the model ms until the next token, or the whole tokens that remain. */
int64_t az_bucket_take(struct az_model *m, const char *name, double capacity, double refill_per_s,
                       int64_t *ret_wait_model_ms);

/* ---- ARM half, for the Databricks half -------------------------------------------------------------- */

/* The workspace resource behind a host name ("adb-<id>.<n>…"), or NULL. */
struct az_resource *az_workspace_of_host(const struct az_model *m, const char *host);
/* May this principal write here (roles of "principals"; the default principal may everything)? action is e.g.
 * "Microsoft.Databricks/workspaces/write". */
bool az_may(const struct az_model *m, const struct az_identity *who, const char *action,
            const char *scope_id);
const char *az_arm_host(const struct az_model *m);
const char *az_login_host(const struct az_model *m);
const char *az_workspace_suffix(const struct az_model *m);
const char *az_private_zone(const struct az_model *m);

/* ---- Databricks half (tests/azure/databricks*.c), called by the core -------------------------------- */

/* Slot for the Databricks half's own memory. */
void *az_databricks_slot(const struct az_model *m);
void az_databricks_set_slot(struct az_model *m, void *slot);

/* Called at the end of az_model_new() (register events here; 0 or -1) and in az_model_free(). */
int az_databricks_init(struct az_model *m);
void az_databricks_fini(struct az_model *m);
/* "databricks" of a state document. Called after the resources were loaded. */
int az_databricks_load(struct az_model *m, const json_t *doc, char *error, size_t error_bytes);
json_t *az_databricks_save(const struct az_model *m);
/* Answer a request to a workspace's host. call->who is not filled: authentication is yours. */
void az_databricks_handle(struct az_model *m, const struct az_call *call, struct az_response *res);
/* Is compute alive that makes a network update fail? */
bool az_workspace_has_running_compute(struct az_model *m, struct az_resource *workspace);
/* A workspace came to be (provisioning Succeeded, workspaceUrl known), changed its networking, or is about
 * to go. */
void az_databricks_workspace_created(struct az_model *m, struct az_resource *workspace);
void az_databricks_workspace_updated(struct az_model *m, struct az_resource *workspace);
void az_databricks_workspace_deleted(struct az_model *m, struct az_resource *workspace);

#endif

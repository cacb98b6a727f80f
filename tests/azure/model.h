/* tests/azure/model.h: a semantic model of Azure Resource Manager, Entra tokens and Databricks workspaces.
 *
 * A library without I/O, threads or a clock of its own: the owner tells it the time and hands it one HTTP request after
 * the other. `azure-sim` puts an HTTPS server before it; tests call it in process.
 * Invariant: an answer depends only on the seed, the state, the time told so far and the sequence of requests.
 * Suspends: never.  Thread: one at a time.  Source: Azure ARM RPC v1.0, Databricks REST 2.x/1.2. */
#ifndef CW_TESTS_AZURE_MODEL_H
#define CW_TESTS_AZURE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct az_model;

/* The names under which the model is reached. All strings are copied. */
struct az_model_cfg {
    uint64_t seed;
    double time_scale;      /* model time per told time: 60 = one told second is a simulated minute; > 0 */
    const char *arm_host;   /* default "management.azure.localhost" */
    const char *login_host; /* default "login.azure.localhost" */
    const char
        *workspace_suffix; /* default ".databricks.azure.localhost"; workspaceUrl = adb-<id>.<n> + suffix */
    const char *private_zone; /* default "privatelink.databricks.azure.localhost" */
    int port;                 /* put behind host names in absolute URLs that answers carry; 443 is left out */
};

struct az_header {
    const char *name;
    const char *value;
};

/* One request. Nothing is kept after the call. `target` is the path with its query, still percent-encoded. */
struct az_request {
    const char *method;
    const char *host; /* without port; selects ARM, login or a workspace */
    const char *target;
    const struct az_header *headers;
    size_t header_count;
    const char *body; /* may be NULL */
    size_t body_bytes;
};

/* What the connection shall do with the answer: faults that are below HTTP. */
enum az_wire {
    AZ_WIRE_NORMAL = 0,
    AZ_WIRE_RESET,     /* close the connection without an answer (the effect may have happened) */
    AZ_WIRE_HANG,      /* never answer */
    AZ_WIRE_TRUNCATED, /* send half of the body, then close */
    AZ_WIRE_SLOW,      /* trickle the body */
};

#define AZ_RESPONSE_HEADERS_MAX 24

/* One answer. Owned by the caller: az_response_fini() frees what it holds. */
struct az_response {
    int status;
    struct {
        char *name;
        char *value;
    } headers[AZ_RESPONSE_HEADERS_MAX];
    size_t header_count;
    char *body; /* NUL-terminated for convenience; may be NULL */
    size_t body_bytes;
    int64_t delay_ms; /* told time (not model time) to wait before sending */
    enum az_wire wire;
};

/* Make an empty model. Returns NULL when out of memory. Free with az_model_free(). */
struct az_model *az_model_new(const struct az_model_cfg *cfg);
void az_model_free(struct az_model *m);

/* Tell the time: milliseconds since the Unix epoch, never less than before. Operations that are due then end. */
void az_model_advance(struct az_model *m, int64_t told_ms);
/* The told time at which the next operation, cluster or record changes by itself; INT64_MAX = nothing pending. */
int64_t az_model_next_event(const struct az_model *m);

/* Answer one request at the time told last. Always fills ret_res (a model error is a 500). */
void az_model_handle(struct az_model *m, const struct az_request *req, struct az_response *ret_res);
void az_response_fini(struct az_response *res);

/* Load a state document (see tests/azure/states/). 0, or -1 with a text in error. Adds to what is there. */
int az_model_load(struct az_model *m, const json_t *state, char *error, size_t error_bytes);
/* The whole state as such a document; the caller owns it. */
json_t *az_model_save(const struct az_model *m);

/* The ledger: {"entries":[{seq,timeMs,method,operation,resourceId,correlationId,clientRequestId,principal,
 * status,changed,before,after,operationId,holds,outcome}],"counts":{"read","write","delete","changed",
 * "platform"}}. `outcome` is how the operation ended, `holds` what it kept others from. `query` limits it by
 * resource id prefix or correlation id (NULL = all); "concurrent:<resource id>" asks for the writes that
 * touched the resource at the same time as one of another correlation id. What the platform did by itself in
 * the course of an operation has the principal "platform". The caller owns the answer. */
json_t *az_model_ledger(const struct az_model *m, const char *query);

/* Add a fault rule, e.g. {"match":{"method":"PUT","path":"*privateEndpoints*","host":"arm"},"nth":2,"count":1,
 * "fault":"status|reset-before|reset-after|hang|truncate|slow|bad-json|html|huge|redirect|op-failed|op-canceled|op-never|
 * op-foreign-host|throttle|gateway-timeout", "status":503,"code":"...","message":"...","retryAfter":"5"}.
 * 0, or -1 with a text in error. */
int az_model_add_fault(struct az_model *m, const json_t *rule, char *error, size_t error_bytes);
void az_model_clear_faults(struct az_model *m);

#endif

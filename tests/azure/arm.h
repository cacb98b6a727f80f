/* tests/azure/arm.h: the inside of the model's core and of its ARM half.
 *
 * A request to ARM goes router (who, api-version, throttle, target) > a handler of the route table > for
 * most types the generic put/get/delete of crud.c, which asks the type's own functions what is special, and
 * starts an operation (lro.c). An operation ends by an event; its type's `done` or `deleted` then makes the
 * effect. */
#ifndef CW_TESTS_AZURE_ARM_H
#define CW_TESTS_AZURE_ARM_H

#include "tests/azure/core.h"

#define AZ_EVENT_KINDS_MAX 64
#define AZ_OPERATIONS_MAX 40000 /* ended operations beyond this are forgotten, oldest first */
#define AZ_LEDGER_MAX 20000     /* entries kept */
#define AZ_PUT_LOCKS_MAX 6
#define AZ_VERSIONS_MAX 24

struct az_event {
    int64_t at_ms;
    uint64_t seq;
    size_t kind; /* index into event_kinds */
    json_t *arg;
};

struct az_fault {
    json_t *rule;
    int64_t matched, applied;
    struct az_fault *next;
};

struct az_model {
    char *arm_host, *login_host, *workspace_suffix, *private_zone;
    char *audiences[12]; /* of ARM, NULL-terminated */
    int port;
    double time_scale;
    uint64_t seed, rng;
    int64_t now_ms;
    bool was_told;
    struct {
        struct az_resource **buckets;
        size_t bucket_count, count;
        json_t *types; /* folded type -> index into lists, also interns the type names */
        struct az_type_list {
            struct az_resource *first, *last;
            char *type;
        } * *lists;
        size_t list_count;
        json_t *referrers; /* key of an NSG, route table or NAT gateway -> {key of a subnet: true} */
    } store;
    struct {
        struct az_event *heap;
        size_t count, room;
        uint64_t next_seq;
        struct {
            const char *name;
            az_event_fn fn;
        } kinds[AZ_EVENT_KINDS_MAX];
        size_t kind_count;
    } events;
    json_t *operations; /* id -> operation, in order of start */
    json_t *principals; /* array */
    json_t *durations, *behaviour, *throttle, *versions;
    json_t *hosts;   /* workspace host -> resource id */
    json_t *buckets; /* name -> {"level","at"} */
    struct az_fault *faults;
    struct {
        json_t *entries; /* array; before and after are dumped text */
        int64_t next_seq, reads, writes, deletes, changed, platform;
    } ledger;
    void *databricks;
};

/* ---- types ------------------------------------------------------------------------------------------ */

enum az_lro { AZ_LRO_NONE = 0, AZ_LRO_AAO, AZ_LRO_LOCATION, AZ_LRO_BOTH, AZ_LRO_STATE };
enum az_name_rule {
    AZ_NAME_ANY = 0,
    AZ_NAME_VNET,
    AZ_NAME_NETWORK,
    AZ_NAME_ENDPOINT,
    AZ_NAME_ZONE,
    AZ_NAME_RECORD,
    AZ_NAME_WORKSPACE
};

#define AZ_TYPE_LOCATION 1u /* tracked: location is required and never changes */
#define AZ_TYPE_GLOBAL 2u   /* location must be "global" */

struct az_type;

/* One PUT or DELETE on its way through crud.c. */
struct az_change {
    struct az_model *m;
    struct az_call *call;
    struct az_response *res;
    const struct az_type *type;
    struct az_resource *existing; /* NULL: is created */
    struct az_resource *parent;
    json_t *want;                  /* PUT: the body to store; owned by the flow */
    json_t *pending;               /* data for `done`, NULL or owned by the flow */
    char *locks[AZ_PUT_LOCKS_MAX]; /* ids of the resources that the operation holds; owned by the flow */
    size_t lock_count;
    const char *duration; /* name of another duration than the type's */
    double min_s, max_s;
    bool changed;
    bool differs;                          /* prepare found a difference that the bodies do not show */
    bool apply_at_end;                     /* keep the old body until `done` (which stores pending.body) */
    bool untouched;                        /* set by the flow: the resource itself stays as it is */
    const char *busy_state;                /* provisioningState meanwhile, "Updating" by default */
    char fail_code[96], fail_message[768]; /* the operation will be accepted and then fail */
};

struct az_type {
    const char *type;     /* folded */
    const char *display;  /* "Microsoft.Network/virtualNetworks/subnets" */
    const char *versions; /* name of a version list */
    unsigned flags;
    enum az_name_rule name_rule;
    enum az_lro put_lro, delete_lro;
    int create_status; /* 201 or 202 */
    const char *put_duration, *delete_duration;
    double min_s, max_s;
    const char *new_state; /* provisioningState while being created */
    /* Check and complete p->want, set locks. 0, or -1 when it has replied. */
    int (*prepare)(struct az_change *p);
    /* The body is stored and the operation runs. */
    void (*started)(struct az_change *p, struct az_resource *r);
    /* The PUT's time is over. 0, or -1 after az_op_fail(). */
    int (*done)(struct az_model *m, struct az_resource *r, json_t *op);
    int (*prepare_delete)(struct az_change *p);
    void (*delete_started)(struct az_change *p, struct az_resource *r);
    /* About to be removed. */
    void (*deleted)(struct az_model *m, struct az_resource *r, json_t *op);
    /* The PUT or DELETE failed or was cancelled. */
    void (*failed)(struct az_model *m, struct az_resource *r, json_t *op);
    /* The body as GET shows it; new reference. NULL = a copy of body. */
    json_t *(*render)(struct az_model *m, struct az_resource *r);
};

/* NULL: unknown. type is folded. */
const struct az_type *az_type_find(const char *type);
json_t *az_render(struct az_model *m, struct az_resource *r);

extern const struct az_type az_type_nsg, az_type_nsg_rule, az_type_vnet, az_type_subnet, az_type_peering,
    az_type_nat, az_type_public_ip, az_type_route_table, az_type_route, az_type_pe, az_type_zone_group,
    az_type_nic, az_type_zone, az_type_link, az_type_record_a, az_type_workspace, az_type_ws_connection,
    az_type_group;

/* ---- routes ----------------------------------------------------------------------------------------- */

typedef void (*az_handler_fn)(struct az_model *m, struct az_call *call, struct az_response *res);

struct az_route {
    const char *method;
    const char *pattern;        /* "{x}" matches one segment; "{scope}" at the start matches any number */
    const struct az_type *type; /* typed routes */
    const char *versions;       /* version list of an untyped route; "" = any */
    const char *operation;      /* of an untyped route: RBAC action and ledger name */
    az_handler_fn handler;
};

void az_arm_handle(struct az_model *m, struct az_call *call, struct az_response *res);
void az_login_handle(struct az_model *m, struct az_call *call, struct az_response *res);
/* The route's type, for handlers of crud.c; set by the router. */
const struct az_type *az_call_type(const struct az_call *call);
/* Comma separated, for messages and the provider answer. Borrowed. NULL: no such list. */
const char *az_versions_of(const struct az_model *m, const char *list, char *buf, size_t buf_bytes);

void az_crud_get(struct az_model *m, struct az_call *call, struct az_response *res);
void az_crud_put(struct az_model *m, struct az_call *call, struct az_response *res);
void az_crud_delete(struct az_model *m, struct az_call *call, struct az_response *res);
void az_crud_patch_tags(struct az_model *m, struct az_call *call, struct az_response *res);
void az_crud_list(struct az_model *m, struct az_call *call, struct az_response *res); /* children or group */
void az_crud_list_subscription(struct az_model *m, struct az_call *call, struct az_response *res);

/* Does a lock, a dying group or a deny assignment forbid this write? Then replies and answers true. */
bool az_is_write_blocked(struct az_model *m, struct az_call *call, struct az_response *res, bool is_delete);
/* Are both the same for Azure (ids ignore case; read-only members are ignored)? */
bool az_same(const json_t *a, const json_t *b);
void az_change_lock(struct az_change *p, const char *id);
void az_change_unlock(struct az_change *p);
/* The operation will be accepted, hold nothing, and end as failed. */
void az_change_doom(struct az_change *p, const char *code, const char *message);
/* The management lock that forbids a write (or a delete) of this id, or NULL. */
const struct az_resource *az_find_lock(const struct az_model *m, const char *id, bool is_delete);
/* If-Match and If-None-Match, as DNS has them. -1 when it has replied with 412. */
int az_check_preconditions(const struct az_call *call, struct az_response *res,
                           const struct az_resource *existing);
/* 409, or an operation that is accepted and fails, or superseding. -1 when it has replied. */
int az_change_check_locks(struct az_change *p);
bool az_name_ok(enum az_name_rule rule, const char *name);
bool az_location_eq(const char *a, const char *b);
/* Is it a region of the model, by name or display name? "global" is none. */
bool az_location_is_known(const char *location);
/* "chinaeast2, chinaeast3, ..." */
const char *az_location_names(char *buf, size_t buf_bytes);

#define AZ_FILTER_MAX 8

/* A $filter: all of the terms must hold. tagName and tagValue belong together. */
struct az_filter {
    size_t count;
    struct {
        const char *field;
        bool is_not;
        char value[600];
    } terms[AZ_FILTER_MAX];
};

/* Read $filter (NULL or "" = all). false: it is another than `fields` (NULL at the end), eq, ne and "and" can say. */
bool az_filter_parse(const char *text, const char *const *fields, struct az_filter *ret);
bool az_filter_matches(const struct az_filter *filter, const struct az_resource *r);
/* {"value":[...],"nextLink"}: takes all; pages by $top or the model's page size. */
void az_reply_page(struct az_model *m, struct az_call *call, struct az_response *res, json_t *take_all);
/* Reply of a private endpoint or another that may be flat by chance. */
void az_reply_error_mixed(struct az_model *m, struct az_response *res, int status, const char *code,
                          const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ---- long-running operations ------------------------------------------------------------------------ */

/* Start the operation for a change and put its headers on the answer. Answers the operation (borrowed). */
json_t *az_op_start(struct az_change *p, const char *verb, enum az_lro style, int64_t duration_ms);
/* Headers of an operation that a handler of its own started. */
void az_op_fail(json_t *op, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
json_t *az_op_get(const struct az_model *m, const char *op_id);
/* The running operation that holds the resource, or NULL. */
json_t *az_op_holding(const struct az_model *m, const struct az_resource *r);
bool az_op_is_running(const json_t *op);
/* End it now: as cancelled (superseded). */
void az_op_cancel(struct az_model *m, json_t *op, const char *code, const char *message);
/* Let a running operation end at another time. */
void az_op_reschedule(struct az_model *m, json_t *op, int64_t at_ms);
void az_lro_init(struct az_model *m);
void az_op_status(struct az_model *m, struct az_call *call, struct az_response *res);
void az_op_result(struct az_model *m, struct az_call *call, struct az_response *res);

/* The resource that a property refers to: exists, is of that type, in the same region and at rest. 0, or -1
 * when it has replied. An empty id is fine. */
int az_check_reference(struct az_change *p, const char *id, const char *type, const char *location);
/* 400 or 429 ReferencedResourceNotProvisioned. Answers -1. */
int az_refuse_not_provisioned(struct az_change *p, const char *id);

/* ---- network ---------------------------------------------------------------------------------------- */

struct az_cidr {
    uint32_t address;
    unsigned bits;
};

bool az_cidr_parse(const char *text, struct az_cidr *ret);
bool az_cidr_has(const struct az_cidr *outer, const struct az_cidr *inner);
bool az_cidr_overlaps(const struct az_cidr *a, const struct az_cidr *b);
/* The addresses that Azure gives away: not the first four, not the last. */
void az_cidr_hosts(const struct az_cidr *prefix, uint32_t *ret_first, uint32_t *ret_last);
bool az_ip_parse(const char *text, uint32_t *ret);
const char *az_ip_text(uint32_t ip, char buf[16]);
/* First free address of a subnet, or the wanted one; marks it as used by `owner_id`. 0, or -1 with a code. */
int az_subnet_take_ip(struct az_resource *subnet, const char *wanted, const char *owner_id, char ret_ip[16],
                      const char **ret_code);
void az_subnet_give_ip(struct az_resource *subnet, const char *ip);
/* Its first IPv4 prefix; false: none. */
bool az_subnet_prefix(const json_t *body, struct az_cidr *ret);
/* Who uses the subnet: an id, or NULL. */
const char *az_subnet_user(const struct az_resource *subnet);
bool az_is_delegated(const json_t *subnet_body, const char *service);
/* Set provisioningState of the two subnets of a workspace body. */
void az_workspace_subnets_state(struct az_model *m, const json_t *body, const char *state);
/* Add or remove the rules that Databricks keeps in an NSG, by the workspaces that use it. */
void az_nsg_sync_databricks_rules(struct az_model *m, struct az_resource *nsg, bool is_last_gone);
/* The PE's record names and addresses into the zones of its zone groups; or take them out. */
void az_zone_group_write_records(struct az_model *m, struct az_resource *group, const json_t *op);
void az_zone_group_remove_records(struct az_model *m, struct az_resource *group, const json_t *op);
/* Make NIC, address and workspace connection of a loaded PE, if missing. */
int az_pe_complete(struct az_model *m, struct az_resource *pe, char *error, size_t error_bytes);
/* Copy the connection's status to the PE and act on it. */
void az_pe_connection_changed(struct az_model *m, struct az_resource *connection, const char *status,
                              const char *description);
/* The workspace a PE points at, NULL when gone. */
struct az_resource *az_pe_workspace(struct az_model *m, const struct az_resource *pe);
/* Write the platform's A record of a zone group. */
void az_record_write(struct az_model *m, const struct az_resource *zone, const char *name, const char *ip,
                     const struct az_resource *group, const json_t *op);
/* Take it out again, if it still carries that address. */
void az_record_remove(struct az_model *m, const struct az_resource *zone, const char *name, const char *ip,
                      const json_t *op);
/* The record's name that the PE stands for, e.g. "adb-1.2" or "chinaeast2.pl-auth"; "" when it has none. */
const char *az_pe_record_name(struct az_model *m, const struct az_resource *pe, char *buf, size_t buf_bytes);
/* Its address; "" when it has none. */
const char *az_pe_ip(const struct az_model *m, const struct az_resource *pe);
const char *az_pe_group_id(const struct az_resource *pe);
bool az_pe_is_approved(const struct az_resource *pe);
void az_peering_gone(struct az_model *m, struct az_resource *peering);
void az_workspace_init(struct az_model *m);
/* Fill in what a loaded workspace lacks (managed group, subnets' users, NSG rules). */
int az_workspace_complete(struct az_model *m, struct az_resource *ws, char *error, size_t error_bytes);
/* Is the workspace's virtual network its own choice? */
bool az_workspace_is_injected(const struct az_resource *ws);
/* Types, defaults, and what the old parameters (may be NULL) keep. */
void az_workspace_complete_parameters(struct az_model *m, json_t *parameters, const json_t *old,
                                      bool default_npip);
/* Complete p->want and check it. 0, or -1 when it has replied. */
int az_workspace_check(struct az_change *p);
/* Do two bodies differ in what only a network update changes? */
bool az_workspace_network_differs(const json_t *a, const json_t *b);
/* All endpoints of the workspace lose their other side. */
void az_workspace_disconnect(struct az_model *m, struct az_resource *ws);
/* Subnets that the workspace's body names; NULL when none. */
struct az_resource *az_workspace_subnet(struct az_model *m, const json_t *body, bool is_public);

/* handlers of routes */
void az_h_metadata(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_subscriptions(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_subscription(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_tenants(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_locations(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_providers(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_provider(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_provider_register(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_groups(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_group_get(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_group_put(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_group_patch(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_group_delete(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_resources(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_locks(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_lock_get(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_lock_put(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_lock_delete(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_permissions(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_resource_graph(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_vnet_check_ip(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_vnet_usages(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_network_usages(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_endpoint_types(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_dns_operation(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_record_put(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_record_delete(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_record_list(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_record_soa(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_record_all(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_ws_link_resources(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_ws_outbound(struct az_model *m, struct az_call *call, struct az_response *res);
void az_h_ws_patch(struct az_model *m, struct az_call *call, struct az_response *res);

void az_resources_init(struct az_model *m);
/* "Registered", … of a namespace in a subscription. */
const char *az_provider_state(const struct az_model *m, const char *subscription_id, const char *ns);

/* ---- store, state, faults, ledger, throttle --------------------------------------------------------- */

void az_store_init(struct az_model *m);
void az_store_fini(struct az_model *m);
void az_events_fini(struct az_model *m);
void az_events_shift(struct az_model *m, int64_t by_ms);
int az_call_parse(struct az_model *m, const struct az_request *req, struct az_call *call);
void az_call_fini(struct az_call *call);
char *az_fold(const char *s);
/* The subnets that name this NSG, route table or NAT gateway: an object whose keys are their keys; NULL: none. */
const json_t *az_store_referrers(const struct az_model *m, const struct az_resource *r);
/* The same as a list of {"id"}; new reference. */
json_t *az_store_referrer_ids(const struct az_model *m, const struct az_resource *r);
/* The id of the parent of an id; false when it has none. */
bool az_id_parent(const char *id, char *buf, size_t buf_bytes);
/* The folded type that an id names; "" when it names none. */
void az_id_type(const char *id, char *buf, size_t buf_bytes);
/* Is it a fault rule? 0, or -1 with a text that says where (after `where`) and what would be right. */
int az_fault_check(const char *where, const json_t *rule, char *error, size_t error_bytes);
/* The rule that applies to this call now, counted as applied; NULL: none. */
struct az_fault *az_fault_find(struct az_model *m, const struct az_call *call);
/* Faults that keep the call from having an effect. true: it has replied. */
bool az_fault_before(struct az_model *m, const struct az_fault *f, const struct az_call *call,
                     struct az_response *res);
void az_fault_after(struct az_model *m, const struct az_fault *f, const struct az_call *call,
                    struct az_response *res);
/* Limits of ARM and of the resource providers. true: it has replied with 429. */
bool az_throttle_check(struct az_model *m, struct az_call *call, const char *operation, char class_,
                       struct az_response *res);
/* An entry without a call: what the platform did on its own in the course of an operation. */
void az_ledger_platform(struct az_model *m, const json_t *op, const char *operation, const char *resource_id,
                        const json_t *before, const json_t *after);
char az_operation_class(const char *operation);
/* Decodes n characters to `out` (as long as they are, NUL-terminated); the bytes, 0 when it is no base64url. */
size_t az_base64url_decode(const char *in, size_t n, char *out);
/* The claims of a JWT, whoever signed it; new reference. NULL: none. */
json_t *az_token_claims(const char *token);
/* Principal by client id (and tenant when not NULL), or NULL. */
const json_t *az_principal(const struct az_model *m, const char *tenant, const char *client_id);

#endif

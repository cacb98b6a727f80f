/* Long-running operations: their records, their headers, their status pages, and their end. */
#include "tests/azure/arm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_NETWORK_MS 10000
#define RETRY_AFTER_DATABRICKS_MS 10000
#define RETRY_AFTER_DNS_MS 30000
#define RETRY_AFTER_GROUP_MS 15000

json_t *az_op_get(const struct az_model *m, const char *op_id)
{
    return json_object_get(m->operations, op_id);
}

bool az_op_is_running(const json_t *op)
{
    return strcmp(az_str(op, "status"), "InProgress") == 0;
}

json_t *az_op_holding(const struct az_model *m, const struct az_resource *r)
{
    const char *id = az_str(r->state, "busy");
    json_t *op = id[0] != '\0' ? az_op_get(m, id) : NULL;
    return op != NULL && az_op_is_running(op) ? op : NULL;
}

void az_op_fail(json_t *op, const char *code, const char *fmt, ...)
{
    char message[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    json_object_set_new(op, "error", json_pack("{s:s,s:s}", "code", code, "message", message));
}

static int64_t retry_after_of(const json_t *op)
{
    const char *type = az_str(op, "type");
    if (az_istarts(type, "microsoft.databricks/"))
        return RETRY_AFTER_DATABRICKS_MS;
    if (az_istarts(type, AZ_T_ZONE))
        return RETRY_AFTER_DNS_MS;
    return strcmp(type, AZ_T_GROUP) == 0 ? RETRY_AFTER_GROUP_MS : RETRY_AFTER_NETWORK_MS;
}

static void operation_url(const struct az_model *m, const json_t *op, bool is_result, char *buf,
                          size_t buf_bytes)
{
    char base[512];
    const char *type = az_str(op, "type"), *id = az_str(op, "id"), *sub = az_str(op, "subscription");
    const char *location = az_str(op, "location"), *version = az_str(op, "apiVersion");
    az_url_base(m, az_bool(op, "foreignHost", false) ? "management.foreign.example" : m->arm_host, base,
                sizeof base);
    if (strcmp(type, AZ_T_GROUP) == 0)
        snprintf(buf, buf_bytes, "%s/subscriptions/%s/operationresults/%s?api-version=%s", base, sub, id,
                 version);
    else if (az_istarts(type, "microsoft.databricks/"))
        snprintf(buf, buf_bytes,
                 "%s/subscriptions/%s/providers/Microsoft.Databricks/locations/%s/%s/%s?api-version=%s", base,
                 sub, location, is_result ? "operationResults" : "operationstatuses", id, version);
    else if (az_istarts(type, AZ_T_ZONE))
        snprintf(buf, buf_bytes,
                 "%s/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/%s/%s?api-version=%s",
                 base, sub, az_str(op, "group"),
                 is_result ? "privateDnsOperationResults" : "privateDnsOperationStatuses", id, version);
    else
        snprintf(buf, buf_bytes,
                 "%s/subscriptions/%s/providers/Microsoft.Network/locations/%s/%s/%s?api-version=%s", base,
                 sub, location, is_result ? "operationResults" : "operations", id, version);
}

static void add_headers(const struct az_model *m, const json_t *op, struct az_response *res)
{
    char url[AZ_ID_MAX];
    enum az_lro style = (enum az_lro)az_int(op, "style", AZ_LRO_NONE);
    if (style == AZ_LRO_NONE || style == AZ_LRO_STATE)
        return;
    if (style == AZ_LRO_AAO || style == AZ_LRO_BOTH) {
        operation_url(m, op, false, url, sizeof url);
        az_reply_header(res, "Azure-AsyncOperation", "%s", url);
    }
    if (style == AZ_LRO_LOCATION || style == AZ_LRO_BOTH) {
        operation_url(m, op, true, url, sizeof url);
        az_reply_header(res, "Location", "%s", url);
    }
    az_reply_retry_after(m, res, retry_after_of(op));
}

static void forget_old(struct az_model *m)
{
    if (json_object_size(m->operations) <= AZ_OPERATIONS_MAX)
        return;
    const char *key;
    json_t *op;
    void *next;
    json_object_foreach_safe(m->operations, next, key, op) {
        if (az_op_is_running(op))
            continue;
        json_object_del(m->operations, key);
        break;
    }
}

static enum az_lro style_for(const struct az_model *m, const char *type, enum az_lro fallback)
{
    static const char *const names[] = {"none", "aao", "location", "both", "state"};
    const json_t *styles = json_object_get(m->behaviour, "lroStyles");
    const char *wanted = json_string_value(json_object_get(styles, type));
    for (size_t i = 0; wanted != NULL && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(wanted, names[i]) == 0)
            return (enum az_lro)i;
    return fallback;
}

/* Decide how it will end: planned failures and op-* faults. */
static void set_fate(struct az_change *p, json_t *op)
{
    if (p->fail_code[0] != '\0')
        json_object_set_new(op, "planned",
                            json_pack("{s:s,s:s}", "code", p->fail_code, "message", p->fail_message));
    const char *fault = p->call->op_fault != NULL ? az_str(p->call->op_fault->rule, "fault") : "";
    if (!az_istarts(fault, "op-"))
        return;
    const json_t *rule = p->call->op_fault->rule;
    const char *code = az_str(rule, "code"), *message = az_str(rule, "message");
    if (strcmp(fault, "op-foreign-host") == 0) {
        json_object_set_new(op, "foreignHost", json_true());
        return;
    }
    az_set_str(op, "fate", fault + 3);
    if (strcmp(fault, "op-failed") == 0)
        json_object_set_new(op, "planned",
                            json_pack("{s:s,s:s}", "code", code[0] != '\0' ? code : "InternalServerError",
                                      "message", message[0] != '\0' ? message : "An error occurred."));
}

json_t *az_op_start(struct az_change *p, const char *verb, enum az_lro style, int64_t duration_ms)
{
    struct az_model *m = p->m;
    char id[AZ_GUID_BYTES], type[256];
    az_guid(m, id);
    snprintf(p->call->operation_id, sizeof p->call->operation_id, "%s", id);
    az_id_type(p->call->id, type, sizeof type);
    const struct az_resource *r = az_store_get(m, p->call->id);
    const char *location = r != NULL ? az_str(r->body, "location") : "";
    if (location[0] == '\0' && p->parent != NULL)
        location = az_str(p->parent->body, "location");
    json_t *op = json_pack("{s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "id", id, "style",
                           (int)style_for(m, type, style), "verb", verb, "resource", p->call->id, "type",
                           type, "status", "InProgress", "subscription", az_call_segment(p->call, 1), "group",
                           az_call_segment(p->call, 3), "location", location[0] != '\0' ? location : "global",
                           "apiVersion", p->call->api_version, "correlation", p->call->correlation_id,
                           "principal", p->call->who.app_id, "start", (json_int_t)m->now_ms);
    if (p->pending != NULL)
        json_object_set(op, "pending", p->pending);
    if (p->untouched)
        json_object_set_new(op, "untouched", json_true());
    json_t *locks = json_array();
    for (size_t i = 0; i < p->lock_count; i++) {
        struct az_resource *held = az_store_get(m, p->locks[i]);
        if (held == NULL)
            continue;
        az_set_str(held->state, "busy", id);
        json_array_append_new(locks, json_string(held->id));
    }
    json_object_set_new(op, "locks", locks);
    set_fate(p, op);
    json_object_set_new(m->operations, id, op);
    if (strcmp(az_str(op, "fate"), "never") != 0)
        az_op_reschedule(m, op, m->now_ms + duration_ms);
    forget_old(m);
    add_headers(m, op, p->res);
    return op;
}

void az_op_reschedule(struct az_model *m, json_t *op, int64_t at_ms)
{
    if (az_at(op, "event") != NULL)
        az_unschedule(m, (uint64_t)az_int(op, "event", 0));
    uint64_t event = az_schedule(m, at_ms, "op.end", json_pack("{s:s}", "op", az_str(op, "id")));
    json_object_set_new(op, "event", json_integer((json_int_t)event));
    json_object_set_new(op, "due", json_integer((json_int_t)at_ms));
}

static void release(struct az_model *m, json_t *op, const char *status)
{
    az_set_str(op, "status", status);
    json_object_set_new(op, "end", json_integer((json_int_t)m->now_ms));
    json_object_del(op, "event");
    size_t i;
    const json_t *id;
    json_array_foreach(json_object_get(op, "locks"), i, id) {
        struct az_resource *held = az_store_get(m, json_string_value(id));
        if (held != NULL && strcmp(az_str(held->state, "busy"), az_str(op, "id")) == 0)
            json_object_del(held->state, "busy");
    }
    json_object_del(op, "locks");
}

static void fail(struct az_model *m, json_t *op, const struct az_type *type, const char *status)
{
    struct az_resource *r = az_store_get(m, az_str(op, "resource"));
    if (az_at(op, "error") == NULL)
        json_object_set(op, "error", json_object_get(op, "planned"));
    release(m, op, status);
    if (r == NULL || az_bool(op, "untouched", false))
        return;
    if (az_at(r->body, "properties.provisioningState") != NULL)
        az_set_prov_state(r, strcmp(az_str(op, "verb"), "PUT") == 0 ? "Failed" : "Succeeded");
    if (type != NULL && type->failed != NULL)
        type->failed(m, r, op);
}

void az_op_cancel(struct az_model *m, json_t *op, const char *code, const char *message)
{
    if (az_at(op, "event") != NULL)
        az_unschedule(m, (uint64_t)az_int(op, "event", 0));
    az_op_fail(op, code, "%s", message);
    fail(m, op, az_type_find(az_str(op, "type")), "Canceled");
}

static void finish_delete(struct az_model *m, struct az_resource *r, json_t *op, const struct az_type *type)
{
    if (r != NULL) {
        if (type != NULL && type->deleted != NULL)
            type->deleted(m, r, op);
        az_store_delete(m, r);
    }
    release(m, op, "Succeeded");
}

static void finish_put(struct az_model *m, struct az_resource *r, json_t *op, const struct az_type *type)
{
    if (az_bool(op, "untouched", false)) {
        release(m, op, "Succeeded");
        return;
    }
    if (r != NULL && type != NULL && type->done != NULL && type->done(m, r, op) < 0) {
        fail(m, op, type, "Failed");
        return;
    }
    release(m, op, "Succeeded");
    r = az_store_get(m, az_str(op, "resource"));
    if (r != NULL && az_at(r->body, "properties.provisioningState") != NULL)
        az_set_prov_state(r, "Succeeded");
}

static void end_operation(struct az_model *m, const json_t *arg)
{
    json_t *op = az_op_get(m, az_str(arg, "op"));
    if (op == NULL || !az_op_is_running(op))
        return;
    json_incref(op);
    const struct az_type *type = az_type_find(az_str(op, "type"));
    struct az_resource *r = az_store_get(m, az_str(op, "resource"));
    if (strcmp(az_str(op, "fate"), "canceled") == 0) {
        az_op_fail(op, "Canceled", "The operation was canceled.");
        fail(m, op, type, "Canceled");
    } else if (json_object_get(op, "planned") != NULL) {
        fail(m, op, type, "Failed");
    } else if (strcmp(az_str(op, "verb"), "DELETE") == 0) {
        finish_delete(m, r, op, type);
    } else {
        finish_put(m, r, op, type);
    }
    json_object_del(op, "pending");
    json_decref(op);
}

void az_lro_init(struct az_model *m)
{
    az_event_register(m, "op.end", end_operation);
}

static json_t *find_operation(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *op = az_op_get(m, az_call_segment(call, call->segment_count - 1));
    if (op == NULL || !az_ieq(az_str(op, "subscription"), az_call_segment(call, 1))) {
        az_reply_error(res, 404, "OperationNotFound", "The operation was not found.");
        return NULL;
    }
    return op;
}

static json_t *status_body(const struct az_model *m, const json_t *op)
{
    char when[AZ_TIME_BYTES];
    json_t *body = json_object();
    bool is_network =
        az_istarts(az_str(op, "type"), "microsoft.network/") && !az_istarts(az_str(op, "type"), AZ_T_ZONE);
    if (!is_network) {
        json_object_set_new(body, "id",
                            az_strf("/subscriptions/%s/providers/%s/locations/%s/operationstatuses/%s",
                                    az_str(op, "subscription"),
                                    az_istarts(az_str(op, "type"), "microsoft.databricks")
                                        ? "Microsoft.Databricks"
                                        : "Microsoft.Network",
                                    az_str(op, "location"), az_str(op, "id")));
        json_object_set(body, "name", json_object_get(op, "id"));
        json_object_set(body, "resourceId", json_object_get(op, "resource"));
        az_set_str(body, "startTime", az_time_iso(az_int(op, "start", 0), when));
        if (!az_op_is_running(op))
            az_set_str(body, "endTime", az_time_iso(az_int(op, "end", 0), when));
    }
    json_object_set(body, "status", json_object_get(op, "status"));
    int64_t start = az_int(op, "start", 0), due = az_int(op, "due", 0);
    if (!is_network && az_op_is_running(op) && due > start)
        json_object_set_new(body, "percentComplete",
                            json_integer((json_int_t)((m->now_ms - start) * 100 / (due - start))));
    if (json_object_get(op, "error") != NULL)
        json_object_set(body, "error", json_object_get(op, "error"));
    return body;
}

void az_op_status(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *op = find_operation(m, call, res);
    if (op == NULL)
        return;
    az_reply_json(res, 200, status_body(m, op));
    if (az_op_is_running(op))
        az_reply_retry_after(m, res, retry_after_of(op));
}

void az_op_result(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *op = find_operation(m, call, res);
    if (op == NULL)
        return;
    if (az_op_is_running(op)) {
        char url[AZ_ID_MAX];
        az_reply_empty(res, 202);
        operation_url(m, op, true, url, sizeof url);
        az_reply_header(res, "Location", "%s", url);
        az_reply_retry_after(m, res, retry_after_of(op));
        return;
    }
    const json_t *error = json_object_get(op, "error");
    struct az_resource *r = az_store_get(m, az_str(op, "resource"));
    bool is_group = strcmp(az_str(op, "type"), AZ_T_GROUP) == 0;
    if (error != NULL)
        az_reply_error(res, 409, az_str(error, "code"), "%s", az_str(error, "message"));
    else if (strcmp(az_str(op, "verb"), "DELETE") == 0 || r == NULL)
        az_reply_empty(res, is_group ? 200 : 204);
    else
        az_reply_json(res, 200, az_render(m, r));
}

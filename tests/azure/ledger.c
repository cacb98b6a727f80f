/* The ledger: who changed what, and did it change anything. Bodies are kept as text until somebody asks. */
#include "tests/azure/arm.h"

#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

char az_operation_class(const char *operation)
{
    if (ends_with(operation, "/read"))
        return 'r';
    return ends_with(operation, "/delete") ? 'd' : 'w';
}

static json_t *dump(const json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_t *s = text != NULL ? json_string(text) : json_null();
    free(text);
    return s;
}

static void append(struct az_model *m, json_t *entry, const json_t *before, const json_t *after)
{
    json_object_set_new(entry, "seq", json_integer((json_int_t)++m->ledger.next_seq));
    json_object_set_new(entry, "timeMs", json_integer((json_int_t)m->now_ms));
    json_object_set_new(entry, "before", dump(before));
    json_object_set_new(entry, "after", dump(after));
    json_array_append_new(m->ledger.entries, entry);
    if (json_array_size(m->ledger.entries) > AZ_LEDGER_MAX + AZ_LEDGER_MAX / 10) {
        json_t *kept = json_array();
        size_t n = json_array_size(m->ledger.entries);
        for (size_t i = n - AZ_LEDGER_MAX; i < n; i++)
            json_array_append(kept, json_array_get(m->ledger.entries, i));
        json_decref(m->ledger.entries);
        m->ledger.entries = kept;
    }
}

void az_ledger_add(struct az_model *m, const struct az_call *call, char class_, const char *operation,
                   const char *resource_id, int status, bool changed, const json_t *before,
                   const json_t *after)
{
    if (class_ == 'r') {
        m->ledger.reads++;
        return;
    }
    *(class_ == 'd' ? &m->ledger.deletes : &m->ledger.writes) += 1;
    m->ledger.changed += changed;
    const char *client = az_call_header(call, "x-ms-client-request-id");
    json_t *entry =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:b}", "method", call->method, "operation", operation,
                  "resourceId", resource_id != NULL ? resource_id : "", "correlationId", call->correlation_id,
                  "clientRequestId", client != NULL ? client : "", "principal", call->who.app_id, "status",
                  status, "changed", (int)changed);
    const json_t *op = call->operation_id[0] != '\0' ? az_op_get(m, call->operation_id) : NULL;
    if (entry != NULL && op != NULL) {
        az_set_str(entry, "operationId", call->operation_id);
        json_object_set_new(entry, "holds", json_copy(json_object_get(op, "locks")));
    }
    if (entry != NULL)
        append(m, entry, changed ? before : NULL, changed ? after : NULL);
}

void az_ledger_platform(struct az_model *m, const json_t *op, const char *operation, const char *resource_id,
                        const json_t *before, const json_t *after)
{
    m->ledger.platform++;
    json_t *entry =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:b,s:s}", "method", "", "operation", operation, "resourceId",
                  resource_id, "correlationId", az_str(op, "correlation"), "clientRequestId", "", "principal",
                  "platform", "status", 0, "changed", 1, "for", az_str(op, "resource"));
    if (entry != NULL)
        append(m, entry, before, after);
}

static void undump(json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));
    if (text != NULL)
        json_object_set_new(entry, key, json_loads(text, JSON_DECODE_ANY, NULL));
}

/* How its operation ended, when it has one that is remembered. */
static void add_outcome(const struct az_model *m, json_t *entry)
{
    const char *id = az_str(entry, "operationId");
    const json_t *op = id[0] != '\0' ? az_op_get(m, id) : NULL;
    if (op == NULL)
        return;
    json_t *outcome = json_pack("{s:O}", "status", json_object_get(op, "status"));
    if (json_object_get(op, "end") != NULL)
        json_object_set(outcome, "endMs", json_object_get(op, "end"));
    if (json_object_get(op, "error") != NULL)
        json_object_set(outcome, "error", json_object_get(op, "error"));
    json_object_set_new(entry, "outcome", outcome);
}

/* Is the entry about that resource, what is below it, or something that held it? */
static bool touches(const json_t *entry, const char *id)
{
    size_t i;
    const json_t *held;
    if (az_istarts(az_str(entry, "resourceId"), id))
        return true;
    json_array_foreach(json_object_get(entry, "holds"), i, held)
        if (az_ieq(json_string_value(held), id))
            return true;
    return false;
}

static int64_t end_of(const struct az_model *m, const json_t *entry)
{
    const char *id = az_str(entry, "operationId");
    const json_t *op = id[0] != '\0' ? az_op_get(m, id) : NULL;
    int64_t start = az_int(entry, "timeMs", 0);
    if (op == NULL)
        return start;
    return az_op_is_running(op) ? INT64_MAX : az_int(op, "end", start);
}

/* Did somebody else write to the resource while this entry's work went on? */
static bool has_company(const struct az_model *m, const json_t *entry, const char *id)
{
    int64_t from = az_int(entry, "timeMs", 0), to = end_of(m, entry);
    size_t i;
    const json_t *other;
    json_array_foreach(m->ledger.entries, i, other) {
        if (other == entry || strcmp(az_str(other, "principal"), "platform") == 0 || !touches(other, id) ||
            strcmp(az_str(other, "correlationId"), az_str(entry, "correlationId")) == 0)
            continue;
        if (az_int(other, "timeMs", 0) <= to && end_of(m, other) >= from)
            return true;
    }
    return false;
}

static bool is_asked_for(const struct az_model *m, const json_t *entry, const char *query)
{
    static const char concurrent[] = "concurrent:";
    if (query == NULL)
        return true;
    if (!az_istarts(query, concurrent))
        return az_istarts(az_str(entry, "resourceId"), query) ||
               az_ieq(az_str(entry, "correlationId"), query);
    const char *id = query + sizeof concurrent - 1;
    return strcmp(az_str(entry, "principal"), "platform") != 0 && touches(entry, id) &&
           has_company(m, entry, id);
}

json_t *az_model_ledger(const struct az_model *m, const char *query)
{
    json_t *entries = json_array();
    size_t i;
    const json_t *e;
    json_array_foreach(m->ledger.entries, i, e) {
        if (!is_asked_for(m, e, query))
            continue;
        json_t *copy = json_copy((json_t *)e);
        undump(copy, "before");
        undump(copy, "after");
        add_outcome(m, copy);
        json_array_append_new(entries, copy);
    }
    return json_pack("{s:o,s:{s:I,s:I,s:I,s:I,s:I}}", "entries", entries, "counts", "read",
                     (json_int_t)m->ledger.reads, "write", (json_int_t)m->ledger.writes, "delete",
                     (json_int_t)m->ledger.deletes, "changed", (json_int_t)m->ledger.changed, "platform",
                     (json_int_t)m->ledger.platform);
}

/* State documents: loading, completing what they leave out, saving. */
#include "tests/azure/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading ---- */

static void replace(json_t **ret, const json_t *doc, const char *key)
{
    json_t *value = json_object_get(doc, key);
    if (!json_is_object(value))
        return;
    json_t *copy = az_copy(value);
    (void)json_object_update(*ret, copy);
    json_decref(copy);
}

static int load_subscriptions(struct az_model *m, const json_t *list, char *error, size_t error_bytes)
{
    size_t i;
    const json_t *s;
    json_array_foreach(list, i, s) {
        char id[128];
        const char *guid =
            az_str_or_null(s, "subscriptionId") != NULL ? az_str(s, "subscriptionId") : az_str(s, "id");
        guid = az_istarts(guid, "/subscriptions/") ? guid + 15 : guid;
        if (strlen(guid) != 36) {
            snprintf(error, error_bytes, "subscriptions/%zu: id \"%s\" is no GUID", i, guid);
            return -1;
        }
        snprintf(id, sizeof id, "/subscriptions/%s", guid);
        const char *tenant = az_str(s, "tenantId"), *name = az_str(s, "displayName"),
                   *state = az_str(s, "state");
        struct az_resource *r = az_store_put(
            m, id,
            json_pack("{s:s,s:s,s:s,s:s}", "tenantId", tenant[0] != '\0' ? tenant : AZ_DEFAULT_TENANT,
                      "subscriptionId", guid, "displayName", name[0] != '\0' ? name : guid, "state",
                      state[0] != '\0' ? state : "Enabled"));
        if (r != NULL && json_is_object(json_object_get(s, "providers")))
            json_object_set_new(r->state, "providers", az_copy(json_object_get(s, "providers")));
    }
    return 0;
}

static int load_principals(struct az_model *m, const json_t *list, char *error, size_t error_bytes)
{
    size_t i, k;
    const json_t *p, *old;
    json_array_foreach(list, i, p) {
        json_t *copy = az_copy(p);
        if (az_str(p, "clientId")[0] == '\0') {
            snprintf(error, error_bytes, "principals/%zu: clientId is missing", i);
            json_decref(copy);
            return -1;
        }
        if (az_str(p, "tenantId")[0] == '\0')
            az_set_str(copy, "tenantId", AZ_DEFAULT_TENANT);
        json_array_foreach(m->principals, k, old)
            if (az_ieq(az_str(old, "clientId"), az_str(p, "clientId")) &&
                az_ieq(az_str(old, "tenantId"), az_str(copy, "tenantId"))) {
                json_array_remove(m->principals, k);
                break;
            }
        json_array_append_new(m->principals, copy);
    }
    return 0;
}

static size_t depth_of(const json_t *resource)
{
    size_t n = 0;
    for (const char *c = az_str(resource, "id"); *c != '\0'; c++)
        n += *c == '/';
    return n;
}

static int load_one(struct az_model *m, const json_t *doc, char *error, size_t error_bytes)
{
    const char *id = az_str(doc, "id");
    json_t *body = az_copy(doc);
    json_object_del(body, "_state");
    struct az_resource *r = az_store_put(m, id, body);
    if (r == NULL) {
        snprintf(error, error_bytes, "resources: \"%s\" has no valid id, or its parent is missing", id);
        return -1;
    }
    if (json_is_object(json_object_get(doc, "_state")))
        (void)json_object_update(r->state, json_object_get(doc, "_state"));
    bool is_plain = strcmp(r->type, AZ_T_RECORD_A) == 0 || strcmp(r->type, AZ_T_LOCK) == 0;
    if (!is_plain && az_prov_state(r)[0] == '\0')
        az_set_prov_state(r, "Succeeded");
    if (az_istarts(r->type, "microsoft.network/") && az_str(r->body, "etag")[0] == '\0') {
        char guid[AZ_GUID_BYTES];
        az_set(r->body, "etag",
               az_strf(az_istarts(r->type, AZ_T_ZONE) ? "%s" : "W/\"%s\"", az_guid(m, guid)));
    }
    return az_state_unfold(m, r, error, error_bytes);
}

static int load_resources(struct az_model *m, const json_t *list, char *error, size_t error_bytes)
{
    size_t deepest = 0, i;
    const json_t *r;
    json_array_foreach(list, i, r)
        deepest = depth_of(r) > deepest ? depth_of(r) : deepest;
    for (size_t depth = 0; depth <= deepest; depth++)
        json_array_foreach(list, i, r)
            if (depth_of(r) == depth && load_one(m, r, error, error_bytes) < 0)
                return -1;
    return 0;
}

static int load_runtime(struct az_model *m, const json_t *doc)
{
    size_t i;
    const json_t *e;
    json_array_foreach(json_object_get(doc, "events"), i, e) {
        uint64_t id =
            az_schedule(m, az_int(e, "at", 0), az_str(e, "kind"), az_copy(json_object_get(e, "arg")));
        json_t *op = az_op_get(m, az_str(e, "arg.op"));
        if (op != NULL && strcmp(az_str(e, "kind"), "op.end") == 0)
            json_object_set_new(op, "event", json_integer((json_int_t)id));
    }
    const char *key;
    json_t *op;
    json_object_foreach(json_object_get(doc, "operations"), key, op) {
        int64_t left_s = az_int(op, "endsAfterSeconds", 0);
        op = az_op_get(m, key);
        if (left_s <= 0 || op == NULL)
            continue;
        json_object_del(op, "endsAfterSeconds");
        json_object_set_new(op, "start", json_integer((json_int_t)m->now_ms));
        az_op_reschedule(m, op, m->now_ms + az_scaled(m, left_s * 1000));
    }
    const char *random = az_str(doc, "random");
    if (random[0] != '\0')
        m->rng = strtoull(random, NULL, 16);
    return 0;
}

static int load_faults(struct az_model *m, const json_t *list, char *error, size_t error_bytes)
{
    size_t i;
    const json_t *f;
    json_array_foreach(list, i, f)
        if (az_model_add_fault(m, f, error, error_bytes) < 0)
            return -1;
    return 0;
}

static void load_ledger(struct az_model *m, const json_t *doc)
{
    const json_t *counts = json_object_get(doc, "counts");
    if (!json_is_object(doc))
        return;
    json_array_extend(m->ledger.entries, json_object_get(doc, "entries"));
    m->ledger.next_seq = az_int(doc, "nextSeq", m->ledger.next_seq);
    m->ledger.reads = az_int(counts, "read", 0);
    m->ledger.writes = az_int(counts, "write", 0);
    m->ledger.deletes = az_int(counts, "delete", 0);
    m->ledger.changed = az_int(counts, "changed", 0);
    m->ledger.platform = az_int(counts, "platform", 0);
}

int az_model_load(struct az_model *m, const json_t *state, char *error, size_t error_bytes)
{
    if (az_state_check(state, error, error_bytes) < 0)
        return -1;
    if (!m->was_told && az_int(state, "clock.toldMs", 0) > m->now_ms)
        m->now_ms = az_int(state, "clock.toldMs", 0);
    replace(&m->throttle, state, "throttle");
    replace(&m->durations, state, "durations");
    replace(&m->behaviour, state, "behaviour");
    replace(&m->versions, state, "apiVersions");
    replace(&m->buckets, state, "buckets");
    replace(&m->operations, state, "operations");
    json_t *more = az_state_expand(m, json_object_get(state, "workspaces"), error, error_bytes);
    int r = more != NULL ? 0 : -1;
    if (r == 0)
        r = load_subscriptions(m, json_object_get(state, "subscriptions"), error, error_bytes);
    if (r == 0)
        r = load_principals(m, json_object_get(state, "principals"), error, error_bytes);
    if (r == 0)
        r = load_resources(m, more, error, error_bytes);
    if (r == 0)
        r = load_resources(m, json_object_get(state, "resources"), error, error_bytes);
    if (r == 0)
        r = az_state_complete(m, error, error_bytes);
    json_decref(more);
    if (r == 0 && json_object_get(state, "databricks") != NULL)
        r = az_databricks_load(m, json_object_get(state, "databricks"), error, error_bytes);
    if (r == 0)
        r = load_faults(m, json_object_get(state, "faults"), error, error_bytes);
    if (r == 0)
        r = load_runtime(m, state);
    if (r == 0)
        load_ledger(m, json_object_get(state, "ledger"));
    return r;
}

/* ---- saving ---- */

static void save_below(json_t *list, const struct az_resource *r)
{
    for (const struct az_resource *c = r->first_child; c != NULL; c = c->next_sibling) {
        json_t *body = az_copy(c->body);
        if (json_object_size(c->state) > 0)
            json_object_set_new(body, "_state", az_copy(c->state));
        json_array_append_new(list, body);
        save_below(list, c);
    }
}

static json_t *save_events(const struct az_model *m)
{
    json_t *list = json_array();
    struct az_event *sorted = calloc(m->events.count + 1, sizeof *sorted);
    if (sorted == NULL)
        return list;
    if (m->events.count > 0)
        memcpy(sorted, m->events.heap, m->events.count * sizeof *sorted);
    for (size_t n = 0; n < m->events.count; n++) {
        size_t least = n;
        for (size_t i = n + 1; i < m->events.count && m->events.count < 5000; i++)
            if (sorted[i].at_ms < sorted[least].at_ms ||
                (sorted[i].at_ms == sorted[least].at_ms && sorted[i].seq < sorted[least].seq))
                least = i;
        struct az_event e = sorted[least];
        sorted[least] = sorted[n];
        json_array_append_new(list, json_pack("{s:I,s:s,s:O}", "at", (json_int_t)e.at_ms, "kind",
                                              m->events.kinds[e.kind].name, "arg", e.arg));
    }
    free(sorted);
    return list;
}

json_t *az_model_save(const struct az_model *m)
{
    json_t *doc = json_object(), *subscriptions = json_array(), *resources = json_array(),
           *faults = json_array();
    for (const struct az_resource *s = az_store_first(m, AZ_T_SUBSCRIPTION); s != NULL; s = s->next_of_type) {
        json_t *body = az_copy(s->body);
        if (json_object_get(s->state, "providers") != NULL)
            json_object_set_new(body, "providers", az_copy(json_object_get(s->state, "providers")));
        json_array_append_new(subscriptions, body);
        save_below(resources, s);
    }
    for (const struct az_fault *f = m->faults; f != NULL; f = f->next) {
        json_t *rule = az_copy(f->rule);
        json_object_set_new(rule, "_matched", json_integer((json_int_t)f->matched));
        json_object_set_new(rule, "_applied", json_integer((json_int_t)f->applied));
        json_array_append_new(faults, rule);
    }
    json_object_set_new(doc, "clock", json_pack("{s:I}", "toldMs", (json_int_t)m->now_ms));
    json_object_set_new(doc, "random", az_strf("%016llx", (unsigned long long)m->rng));
    json_object_set_new(doc, "subscriptions", subscriptions);
    json_object_set_new(doc, "principals", az_copy(m->principals));
    json_object_set_new(doc, "resources", resources);
    json_object_set_new(doc, "databricks", az_databricks_save(m));
    json_object_set_new(doc, "throttle", az_copy(m->throttle));
    json_object_set_new(doc, "durations", az_copy(m->durations));
    json_object_set_new(doc, "behaviour", az_copy(m->behaviour));
    json_object_set_new(doc, "apiVersions", az_copy(m->versions));
    json_object_set_new(doc, "faults", faults);
    json_object_set_new(doc, "operations", az_copy(m->operations));
    json_object_set_new(doc, "buckets", az_copy(m->buckets));
    json_object_set_new(doc, "events", save_events(m));
    json_t *ledger = az_model_ledger(m, "\n");
    json_object_set_new(ledger, "nextSeq", json_integer((json_int_t)m->ledger.next_seq));
    json_object_set_new(ledger, "entries", az_copy(m->ledger.entries));
    json_object_set_new(doc, "ledger", ledger);
    return doc;
}

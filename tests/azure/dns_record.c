/* A record sets: written by hand at once, or by the platform for a zone group. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 20
#define TTL_PLATFORM 10

const struct az_type az_type_record_a = {
    .type = AZ_T_RECORD_A,
    .display = "Microsoft.Network/privateDnsZones/A",
    .versions = "dns",
    .name_rule = AZ_NAME_RECORD,
    .put_lro = AZ_LRO_NONE,
    .create_status = 201,
};

static struct az_resource *zone_of(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char id[AZ_ID_MAX];
    snprintf(id, sizeof id,
             "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/privateDnsZones/%s",
             call->segments[1], call->segments[3], call->segments[7]);
    struct az_resource *zone = az_store_get(m, id);
    if (zone != NULL && strcmp(az_prov_state(zone), "Creating") != 0)
        return zone;
    az_reply_error(res, 404, "ParentResourceNotFound",
                   "Can not perform requested operation on nested resource. Parent resource '%s' not found.",
                   call->segments[7]);
    return NULL;
}

static void lower_name(struct az_call *call)
{
    for (char *c = strrchr(call->id, '/'); *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
}

static const char *record_problem(const json_t *properties)
{
    const json_t *records = json_object_get(properties, "aRecords");
    int64_t ttl = az_int(properties, "ttl", -1);
    size_t i;
    const json_t *r;
    if (ttl < 1 || ttl > 2147483647)
        return "The record set needs a ttl between 1 and 2147483647.";
    if (!json_is_array(records) || json_array_size(records) > RECORDS_MAX)
        return "The record set needs aRecords with at most 20 records.";
    json_array_foreach(records, i, r) {
        uint32_t ip;
        if (!az_ip_parse(az_str(r, "ipv4Address"), &ip))
            return "A record has no valid ipv4Address.";
    }
    return NULL;
}

/* What is stored for properties as they came (PATCH: over the old ones). */
static json_t *record_body(const struct az_call *call, const struct az_resource *zone, bool is_patch)
{
    json_t *properties =
        is_patch ? az_copy(json_object_get(call->target->body, "properties")) : json_object();
    static const char *const kept[] = {"metadata", "ttl", "aRecords"};
    for (size_t i = 0; i < 3; i++) {
        json_t *value = json_object_get(json_object_get(call->body, "properties"), kept[i]);
        if (value == NULL && i == 1)
            value = json_object_get(json_object_get(call->body, "properties"), "TTL");
        if (value != NULL)
            json_object_set_new(properties, kept[i], az_copy(value));
    }
    const char *name = strrchr(call->id, '/') + 1;
    json_object_set_new(properties, "fqdn",
                        strcmp(name, "@") == 0 ? az_strf("%s.", zone->name)
                                               : az_strf("%s.%s.", name, zone->name));
    json_object_set_new(properties, "isAutoRegistered", json_false());
    return json_pack("{s:o}", "properties", properties);
}

void az_h_record_put(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char guid[AZ_GUID_BYTES];
    const struct az_resource *zone = zone_of(m, call, res);
    bool is_patch = strcmp(call->method, "PATCH") == 0;
    if (zone == NULL || az_is_write_blocked(m, call, res, false) ||
        az_check_preconditions(call, res, call->target) < 0)
        return;
    lower_name(call);
    if (!json_is_object(call->body) || (is_patch && call->target == NULL)) {
        bool is_missing = json_is_object(call->body);
        az_reply_error(res, is_missing ? 404 : 400, is_missing ? "NotFound" : "InvalidRequestContent",
                       is_missing ? "The record set does not exist." : "The request content was invalid.");
        return;
    }
    json_t *body = record_body(call, zone, is_patch), *before = NULL;
    const char *problem = record_problem(json_object_get(body, "properties"));
    if (problem == NULL && !az_name_ok(AZ_NAME_RECORD, strrchr(call->id, '/') + 1))
        problem = "The record set's name is invalid.";
    if (problem != NULL) {
        az_reply_error(res, 400, "BadRequest", "%s", problem);
        json_decref(body);
        return;
    }
    bool is_new = call->target == NULL, changed = true;
    if (!is_new) {
        before = az_copy(call->target->body);
        changed = !az_same(json_object_get(body, "properties"), json_object_get(before, "properties"));
    }
    if (changed) {
        json_object_set_new(body, "etag", json_string(az_guid(m, guid)));
        call->target = az_store_put(m, call->id, json_incref(body));
        if (call->target != NULL)
            json_object_del(call->target->state, "owner");
    }
    json_decref(body);
    if (call->target != NULL)
        az_reply_json(res, is_new ? 201 : 200, az_copy(call->target->body));
    az_ledger_add(m, call, 'w', "Microsoft.Network/privateDnsZones/A/write", call->id, res->status, changed,
                  before, call->target != NULL ? call->target->body : NULL);
    json_decref(before);
}

void az_h_record_delete(struct az_model *m, struct az_call *call, struct az_response *res)
{
    if (zone_of(m, call, res) == NULL || az_is_write_blocked(m, call, res, true) ||
        (call->target != NULL && az_check_preconditions(call, res, call->target) < 0))
        return;
    bool exists = call->target != NULL;
    az_ledger_add(m, call, 'd', "Microsoft.Network/privateDnsZones/A/delete", call->id, exists ? 200 : 204,
                  exists, exists ? call->target->body : NULL, NULL);
    if (exists)
        az_store_delete(m, call->target);
    call->target = NULL;
    az_reply_empty(res, exists ? 200 : 204);
}

static bool has_suffix(const struct az_call *call, const char *name)
{
    const char *suffix = az_call_query(call, "$recordsetnamesuffix");
    size_t n = strlen(name), k = suffix != NULL ? strlen(suffix) : 0;
    return n >= k && az_ieq(name + n - k, suffix != NULL ? suffix : "");
}

static json_t *collect(const struct az_call *call, const struct az_resource *zone)
{
    json_t *all = json_array();
    for (const struct az_resource *r = az_child_first(zone, AZ_T_RECORD_A); r != NULL;
         r = az_child_next(r, AZ_T_RECORD_A))
        if (has_suffix(call, r->name))
            json_array_append_new(all, az_copy(r->body));
    return all;
}

void az_h_record_list(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const struct az_resource *zone = zone_of(m, call, res);
    if (zone != NULL)
        az_reply_page(m, call, res, collect(call, zone));
}

static json_t *soa_record(const struct az_resource *zone)
{
    return json_pack(
        "{s:o,s:s,s:s,s:{s:o,s:i,s:{s:s,s:s,s:i,s:i,s:i,s:i,s:i},s:b}}", "id", az_strf("%s/SOA/@", zone->id),
        "name", "@", "type", "Microsoft.Network/privateDnsZones/SOA", "properties", "fqdn",
        az_strf("%s.", zone->name), "ttl", 3600, "soaRecord", "email", "azureprivatedns-host.microsoft.com",
        "host", "azureprivatedns.net", "serialNumber", 1, "refreshTime", 3600, "retryTime", 300, "expireTime",
        2419200, "minimumTtl", 10, "isAutoRegistered", 0);
}

void az_h_record_soa(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const struct az_resource *zone = zone_of(m, call, res);
    if (zone != NULL)
        az_reply_json(res, 200, soa_record(zone));
}

void az_h_record_all(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const struct az_resource *zone = zone_of(m, call, res);
    if (zone == NULL)
        return;
    json_t *all = collect(call, zone);
    json_t *soa = soa_record(zone);
    if (has_suffix(call, "@"))
        json_array_insert_new(all, 0, soa);
    else
        json_decref(soa);
    az_reply_page(m, call, res, all);
}

static void record_id(const struct az_resource *zone, const char *name, char *buf, size_t buf_bytes)
{
    snprintf(buf, buf_bytes, "%s/A/%s", zone->id, name);
    for (char *c = strrchr(buf, '/'); *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
}

void az_record_write(struct az_model *m, const struct az_resource *zone, const char *name, const char *ip,
                     const struct az_resource *group, const json_t *op)
{
    char id[AZ_ID_MAX], guid[AZ_GUID_BYTES];
    record_id(zone, name, id, sizeof id);
    const struct az_resource *old = az_store_get(m, id);
    json_t *before = old != NULL ? az_copy(old->body) : NULL;
    if (old != NULL && az_ieq(az_str(old->state, "owner"), group->id) &&
        strcmp(az_str(old->body, "properties.aRecords.0.ipv4Address"), ip) == 0) {
        json_decref(before);
        return;
    }
    json_t *creator = az_strf("created by private endpoint %s with resource guid %s", group->parent->name,
                              az_str(group->parent->body, "properties.resourceGuid"));
    struct az_resource *r = az_store_put(
        m, id,
        json_pack("{s:s,s:{s:{s:o},s:o,s:i,s:[{s:s}],s:b}}", "etag", az_guid(m, guid), "properties",
                  "metadata", "creator", creator, "fqdn", az_strf("%s.%s.", name, zone->name), "ttl",
                  TTL_PLATFORM, "aRecords", "ipv4Address", ip, "isAutoRegistered", 0));
    if (r != NULL) {
        az_set_str(r->state, "owner", group->id);
        az_ledger_platform(m, op, "Microsoft.Network/privateDnsZones/A/write", r->id, before, r->body);
    }
    json_decref(before);
}

void az_record_remove(struct az_model *m, const struct az_resource *zone, const char *name, const char *ip,
                      const json_t *op)
{
    char id[AZ_ID_MAX];
    record_id(zone, name, id, sizeof id);
    struct az_resource *r = az_store_get(m, id);
    if (r == NULL || strcmp(az_str(r->body, "properties.aRecords.0.ipv4Address"), ip) != 0 ||
        az_str(r->state, "owner")[0] == '\0')
        return;
    az_ledger_platform(m, op, "Microsoft.Network/privateDnsZones/A/delete", r->id, r->body, NULL);
    az_store_delete(m, r);
}

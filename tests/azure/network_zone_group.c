/* Private DNS zone groups: the platform writes the endpoint's A record into the zones, and takes it out
 * again. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

#define ZONES_MAX 5

static int check_configs(struct az_change *p, const json_t *configs)
{
    size_t i;
    const json_t *c;
    if (json_array_size(configs) == 0 || json_array_size(configs) > ZONES_MAX) {
        az_reply_error(p->res, 400, "InvalidRequestFormat",
                       "A private DNS zone group has 1 to %d zone configs.", ZONES_MAX);
        return -1;
    }
    json_array_foreach(configs, i, c) {
        const char *zone = az_str(c, "properties.privateDnsZoneId");
        if (az_str(c, "name")[0] == '\0' ||
            az_check_reference(p, zone[0] != '\0' ? zone : "?", AZ_T_ZONE, NULL) < 0) {
            if (p->res->status == 0)
                az_reply_error(p->res, 400, "InvalidRequestFormat", "A private DNS zone config has no name.");
            return -1;
        }
        if (!az_may(p->m, &p->call->who, "Microsoft.Network/privateDnsZones/join/action", zone)) {
            az_reply_error(
                p->res, 403, "LinkedAuthorizationFailed",
                "The client '%s' has permission to perform action '%s/write' on scope '%s'; however, it does not "
                "have permission to perform action 'join/action' on the linked scope '%s'.",
                p->call->who.app_id, p->type->display, p->call->id, zone);
            return -1;
        }
        const json_t *old =
            p->existing != NULL ? az_at(p->existing->body, "properties.privateDnsZoneConfigs") : NULL;
        size_t k;
        const json_t *o;
        json_array_foreach(old, k, o)
            if (az_ieq(az_str(o, "name"), az_str(c, "name")) &&
                !az_ieq(az_str(o, "properties.privateDnsZoneId"), zone)) {
                az_reply_error(p->res, 400, "PropertyChangeNotAllowed",
                               "The zone of private DNS zone config '%s' cannot be changed.",
                               az_str(c, "name"));
                return -1;
            }
    }
    return 0;
}

/* The record sets that a config had, so that an unchanged PUT compares equal. */
static json_t *old_record_sets(const struct az_change *p, const char *name)
{
    size_t i;
    const json_t *o;
    if (p->existing != NULL)
        json_array_foreach(az_at(p->existing->body, "properties.privateDnsZoneConfigs"), i, o)
            if (az_ieq(az_str(o, "name"), name) && az_at(o, "properties.recordSets") != NULL)
                return az_copy(az_at(o, "properties.recordSets"));
    return json_array();
}

static int prepare_group(struct az_change *p)
{
    json_t *clean = json_array();
    size_t i;
    const json_t *c;
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    json_array_foreach(az_at(p->want, "properties.privateDnsZoneConfigs"), i, c) {
        const char *name = az_str(c, "name");
        json_t *properties =
            json_pack("{s:s,s:o}", "privateDnsZoneId", az_str(c, "properties.privateDnsZoneId"), "recordSets",
                      old_record_sets(p, name));
        json_array_append_new(
            clean, json_pack("{s:s,s:o,s:s,s:o}", "name", name, "id",
                             az_strf("%s/privateDnsZoneConfigs/%s", p->call->id, name), "type",
                             "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/privateDnsZoneConfigs",
                             "properties", properties));
    }
    json_t *properties = json_object_get(p->want, "properties");
    json_object_clear(properties);
    json_object_set_new(properties, "privateDnsZoneConfigs", clean);
    if (p->existing == NULL && az_child_first(p->parent, AZ_T_ZONE_GROUP) != NULL) {
        az_reply_error(p->res, 400, "PrivateEndpointAlreadyHasDnsZoneGroup",
                       "Private endpoint %s already has a private DNS zone group.", p->parent->id);
        return -1;
    }
    const char *state = az_prov_state(p->parent);
    if (strcmp(state, "Succeeded") != 0 && strcmp(state, "Failed") != 0)
        return az_refuse_not_provisioned(p, p->parent->id);
    return check_configs(p, clean);
}

static json_t *record_set(const struct az_model *m, const char *name, const char *ip)
{
    return json_pack("{s:s,s:s,s:o,s:i,s:[s],s:s}", "recordType", "A", "recordSetName", name, "fqdn",
                     az_strf("%s.%s", name, m->private_zone), "ttl", 10, "ipAddresses", ip,
                     "provisioningState", "Succeeded");
}

void az_zone_group_write_records(struct az_model *m, struct az_resource *group, const json_t *op)
{
    char name[256];
    const struct az_resource *pe = group->parent;
    const char *ip = az_pe_ip(m, pe);
    if (az_pe_record_name(m, pe, name, sizeof name)[0] == '\0' || ip[0] == '\0' || !az_pe_is_approved(pe))
        return;
    size_t i;
    json_t *c;
    json_array_foreach(az_at(group->body, "properties.privateDnsZoneConfigs"), i, c) {
        const struct az_resource *zone = az_store_get(m, az_str(c, "properties.privateDnsZoneId"));
        json_t *sets = json_array();
        if (zone != NULL && az_ieq(zone->name, m->private_zone)) {
            az_record_write(m, zone, name, ip, group, op);
            json_array_append_new(sets, record_set(m, name, ip));
        }
        az_set(c, "properties.recordSets", sets);
    }
}

void az_zone_group_remove_records(struct az_model *m, struct az_resource *group, const json_t *op)
{
    const char *ip = az_pe_ip(m, group->parent);
    size_t i, k;
    const json_t *c, *set;
    json_array_foreach(az_at(group->body, "properties.privateDnsZoneConfigs"), i, c) {
        const struct az_resource *zone = az_store_get(m, az_str(c, "properties.privateDnsZoneId"));
        json_array_foreach(az_at(c, "properties.recordSets"), k, set)
            if (zone != NULL)
                az_record_remove(m, zone, az_str(set, "recordSetName"), ip, op);
    }
}

static int group_done(struct az_model *m, struct az_resource *group, json_t *op)
{
    az_zone_group_write_records(m, group, op);
    return 0;
}

static int prepare_delete_group(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->existing->parent->id);
    return 0;
}

static void group_deleted(struct az_model *m, struct az_resource *group, json_t *op)
{
    az_zone_group_remove_records(m, group, op);
}

const struct az_type az_type_zone_group = {
    .type = AZ_T_ZONE_GROUP,
    .display = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    .versions = "network",
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "zonegroup.put",
    .delete_duration = "zonegroup.delete",
    .min_s = 20,
    .max_s = 40,
    .new_state = "Updating",
    .prepare = prepare_group,
    .done = group_done,
    .prepare_delete = prepare_delete_group,
    .deleted = group_deleted,
};

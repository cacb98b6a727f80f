/* Private DNS zones and their links to virtual networks. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

#define LABELS_MIN 2
#define LABELS_MAX 34

int az_check_preconditions(const struct az_call *call, struct az_response *res,
                           const struct az_resource *existing)
{
    const char *match = az_call_header(call, "If-Match"), *none = az_call_header(call, "If-None-Match");
    const char *etag = existing != NULL ? az_str(existing->body, "etag") : "";
    size_t n = match != NULL ? strlen(match) : 0;
    bool is_quoted = n >= 2 && match[0] == '"' && match[n - 1] == '"';
    const char *reason = NULL;
    if (none != NULL && strcmp(none, "*") == 0 && existing != NULL)
        reason =
            "The condition '*' in the If-None-Match header was not satisfied. The resource already exists.";
    else if (n > 0 && existing == NULL)
        reason = "The condition in the If-Match header was not satisfied. The resource does not exist.";
    else if (n > 0 && strcmp(match, "*") != 0 &&
             !(strcmp(match, etag) == 0 ||
               (is_quoted && strlen(etag) == n - 2 && strncmp(match + 1, etag, n - 2) == 0)))
        reason = "The condition in the If-Match header was not satisfied. The resource has changed.";
    if (reason == NULL)
        return 0;
    az_reply_error(res, 412, "PreconditionFailed", "%s", reason);
    return -1;
}

static int prepare_zone(struct az_change *p)
{
    const char *name = az_call_segment(p->call, 7);
    size_t labels = 1;
    for (const char *c = name; *c != '\0'; c++)
        labels += *c == '.';
    az_change_lock(p, p->call->id);
    json_object_clear(json_object_get(p->want, "properties"));
    if (p->existing != NULL)
        az_set_str(p->want, "properties.internalId", az_str(p->existing->body, "properties.internalId"));
    else
        az_set(p->want, "properties.internalId",
               az_strf("SW1tdXRhYmxl%016llx", (unsigned long long)az_random(p->m)));
    if (az_check_preconditions(p->call, p->res, p->existing) < 0)
        return -1;
    if (labels >= LABELS_MIN && labels <= LABELS_MAX && strstr(name, "..") == NULL)
        return 0;
    az_reply_error(p->res, 400, "BadRequest", "The Private DNS zone name '%s' is invalid: it has %zu labels.",
                   name, labels);
    return -1;
}

static int prepare_delete_zone(struct az_change *p)
{
    const struct az_resource *link = az_child_first(p->existing, AZ_T_LINK);
    az_change_lock(p, p->call->id);
    if (az_check_preconditions(p->call, p->res, p->existing) < 0)
        return -1;
    if (link == NULL)
        return 0;
    az_reply_error(
        p->res, 409, "CannotDeleteResource",
        "Can not delete resource before nested resources are deleted. Some existing nested resource IDs "
        "include: '%s'.",
        link->id);
    return -1;
}

static json_t *render_zone(struct az_model *m, struct az_resource *zone)
{
    json_t *body = az_copy(zone->body), *properties = json_object_get(body, "properties");
    json_int_t records = 1, links = 0, registering = 0;
    (void)m;
    for (const struct az_resource *c = zone->first_child; c != NULL; c = c->next_sibling) {
        records += strcmp(c->type, AZ_T_RECORD_A) == 0;
        links += strcmp(c->type, AZ_T_LINK) == 0;
        registering +=
            strcmp(c->type, AZ_T_LINK) == 0 && az_bool(c->body, "properties.registrationEnabled", false);
    }
    json_object_set_new(properties, "maxNumberOfRecordSets", json_integer(25000));
    json_object_set_new(properties, "maxNumberOfVirtualNetworkLinks", json_integer(1000));
    json_object_set_new(properties, "maxNumberOfVirtualNetworkLinksWithRegistration", json_integer(100));
    json_object_set_new(properties, "numberOfRecordSets", json_integer(records));
    json_object_set_new(properties, "numberOfVirtualNetworkLinks", json_integer(links));
    json_object_set_new(properties, "numberOfVirtualNetworkLinksWithRegistration", json_integer(registering));
    return body;
}

const struct az_type az_type_zone = {
    .type = AZ_T_ZONE,
    .display = "Microsoft.Network/privateDnsZones",
    .versions = "dns",
    .flags = AZ_TYPE_LOCATION | AZ_TYPE_GLOBAL,
    .name_rule = AZ_NAME_ZONE,
    .put_lro = AZ_LRO_BOTH,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 202,
    .put_duration = "zone.put",
    .delete_duration = "zone.delete",
    .min_s = 30,
    .max_s = 60,
    .new_state = "Creating",
    .prepare = prepare_zone,
    .prepare_delete = prepare_delete_zone,
    .render = render_zone,
};

/* A link of that network to another zone of the same name (or to this zone by another link). */
static const struct az_resource *overlapping_link(const struct az_change *p, const char *vnet_id)
{
    for (const struct az_resource *l = az_store_first(p->m, AZ_T_LINK); l != NULL; l = l->next_of_type)
        if (l != p->existing && az_ieq(l->parent->name, p->parent->name) &&
            az_ieq(az_str(l->body, "properties.virtualNetwork.id"), vnet_id))
            return l;
    return NULL;
}

static int refuse_overlap(struct az_change *p)
{
    char message[512];
    snprintf(
        message, sizeof message,
        "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual "
        "network with '%s' and '%s' zones.",
        p->parent->name, p->parent->name);
    if (az_chance(p->m, az_behaviour(p->m, "overlapAsFailure", 0.5))) {
        az_change_doom(p, "BadRequest", message);
        return 0;
    }
    az_reply_error(p->res, 400, "BadRequest", "%s", message);
    return -1;
}

static int prepare_link(struct az_change *p)
{
    json_t *properties = json_object_get(p->want, "properties");
    const char *vnet_id = az_str(p->call->body, "properties.virtualNetwork.id");
    const json_t *state =
        p->existing != NULL ? az_at(p->existing->body, "properties.virtualNetworkLinkState") : NULL;
    az_change_lock(p, p->call->id);
    if (az_check_preconditions(p->call, p->res, p->existing) < 0)
        return -1;
    if (strcmp(az_prov_state(p->parent), "Creating") == 0) {
        az_reply_error(
            p->res, 404, "ParentResourceNotFound",
            "Can not perform requested operation on nested resource. Parent resource '%s' not found.",
            p->parent->name);
        return -1;
    }
    char type[256];
    az_id_type(vnet_id, type, sizeof type);
    if (strcmp(type, AZ_T_VNET) != 0 || az_store_get(p->m, vnet_id) == NULL) {
        az_reply_error(p->res, 400, "BadRequest",
                       "The virtual network '%.512s' does not exist or its id is invalid.", vnet_id);
        return -1;
    }
    if (p->existing != NULL && !az_ieq(vnet_id, az_str(p->existing->body, "properties.virtualNetwork.id"))) {
        az_reply_error(p->res, 400, "BadRequest", "The virtual network of link '%s' cannot be changed.",
                       p->existing->name);
        return -1;
    }
    if (json_object_get(properties, "registrationEnabled") == NULL)
        json_object_set_new(properties, "registrationEnabled", json_false());
    json_object_set_new(properties, "virtualNetwork", json_pack("{s:s}", "id", vnet_id));
    json_object_set_new(properties, "virtualNetworkLinkState",
                        state != NULL ? json_incref((json_t *)state) : json_string("InProgress"));
    return overlapping_link(p, vnet_id) != NULL ? refuse_overlap(p) : 0;
}

static int link_done(struct az_model *m, struct az_resource *link, json_t *op)
{
    (void)m, (void)op;
    az_set_str(link->body, "properties.virtualNetworkLinkState", "Completed");
    return 0;
}

static void link_failed(struct az_model *m, struct az_resource *link, json_t *op)
{
    if (strcmp(az_str(op, "verb"), "PUT") == 0 &&
        strcmp(az_str(link->body, "properties.virtualNetworkLinkState"), "InProgress") == 0)
        az_store_delete(m, link);
}

static int prepare_delete_link(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    return az_check_preconditions(p->call, p->res, p->existing);
}

const struct az_type az_type_link = {
    .type = AZ_T_LINK,
    .display = "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    .versions = "dns",
    .flags = AZ_TYPE_LOCATION | AZ_TYPE_GLOBAL,
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_BOTH,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 202,
    .put_duration = "link.put",
    .delete_duration = "link.delete",
    .min_s = 30,
    .max_s = 90,
    .new_state = "Creating",
    .prepare = prepare_link,
    .done = link_done,
    .failed = link_failed,
    .prepare_delete = prepare_delete_link,
};

/* Microsoft.Resources: cloud metadata, subscriptions, tenants, locations, providers, lists of resources. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *display;
} locations[] = {
    {"chinaeast2", "China East 2"},    {"chinaeast3", "China East 3"},  {"chinanorth2", "China North 2"},
    {"chinanorth3", "China North 3"},  {"eastus", "East US"},           {"eastus2", "East US 2"},
    {"westeurope", "West Europe"},     {"northeurope", "North Europe"}, {"usgovvirginia", "USGov Virginia"},
    {"usgovarizona", "USGov Arizona"},
};
#define LOCATION_COUNT (sizeof locations / sizeof locations[0])

bool az_location_is_known(const char *location)
{
    size_t i = 0;
    while (i < LOCATION_COUNT && !az_location_eq(locations[i].name, location))
        i++;
    return i < LOCATION_COUNT;
}

const char *az_location_names(char *buf, size_t buf_bytes)
{
    size_t n = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < LOCATION_COUNT && n + 1 < buf_bytes; i++)
        n += (size_t)snprintf(buf + n, buf_bytes - n, "%s%s", i > 0 ? ", " : "", locations[i].name);
    return buf;
}

static const struct {
    const char *ns, *type, *versions;
} provider_types[] = {
    {"Microsoft.Databricks", "workspaces", "databricks"},
    {"Microsoft.Databricks", "workspaces/privateEndpointConnections", "databricks"},
    {"Microsoft.Network", "virtualNetworks", "network"},
    {"Microsoft.Network", "networkSecurityGroups", "network"},
    {"Microsoft.Network", "privateEndpoints", "network"},
    {"Microsoft.Network", "networkInterfaces", "network"},
    {"Microsoft.Network", "natGateways", "network"},
    {"Microsoft.Network", "publicIPAddresses", "network"},
    {"Microsoft.Network", "routeTables", "network"},
    {"Microsoft.Network", "privateDnsZones", "dns"},
    {"Microsoft.Network", "privateDnsZones/virtualNetworkLinks", "dns"},
    {"Microsoft.Network", "privateDnsZones/A", "dns"},
    {"Microsoft.Resources", "resourceGroups", "resources"},
    {"Microsoft.Authorization", "locks", "locks"},
    {"Microsoft.Authorization", "permissions", "permissions"},
    {"Microsoft.ResourceGraph", "resources", "graph"},
};
#define PROVIDER_TYPE_COUNT (sizeof provider_types / sizeof provider_types[0])

void az_h_metadata(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char arm[512], login[512];
    (void)call;
    az_url_base(m, m->arm_host, arm, sizeof arm);
    az_url_base(m, m->login_host, login, sizeof login);
    json_t *cloud =
        json_pack("{s:s,s:s,s:s,s:{s:s,s:[s,s],s:s,s:s},s:{s:s},s:s}", "name", "AzureSim", "portal", "",
                  "resourceManager", arm, "authentication", "loginEndpoint", login, "audiences",
                  m->audiences[0], m->audiences[2], "tenant", "common", "identityProvider", "AAD", "suffixes",
                  "azureDatabricks", m->workspace_suffix + 1, "graphAudience", "");
    az_reply_json(res, 200, json_pack("[o]", cloud));
}

static json_t *subscription_body(const struct az_resource *s)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s},s:s}", "id", s->id, "authorizationSource",
                     "RoleBased", "subscriptionId", s->name, "tenantId", az_str(s->body, "tenantId"),
                     "displayName", az_str(s->body, "displayName"), "subscriptionPolicies",
                     "locationPlacementId", "Public_2014-09-01", "quotaId", "Simulated", "spendingLimit",
                     "Off", "state",
                     az_str_or_null(s->body, "state") != NULL ? az_str(s->body, "state") : "Enabled");
}

/* These two lists have a nextLink always, empty on the last page. */
static void reply_with_link(struct az_model *m, struct az_call *call, struct az_response *res,
                            json_t *take_all)
{
    az_reply_page(m, call, res, take_all);
    json_t *body = json_loads(res->body != NULL ? res->body : "{}", 0, NULL);
    if (json_object_get(body, "nextLink") == NULL)
        json_object_set_new(body, "nextLink", json_string(""));
    az_reply_json(res, res->status, body);
}

void az_h_subscriptions(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *all = json_array();
    for (const struct az_resource *s = az_store_first(m, AZ_T_SUBSCRIPTION); s != NULL; s = s->next_of_type)
        if (az_ieq(az_str(s->body, "tenantId"), call->who.tenant))
            json_array_append_new(all, subscription_body(s));
    reply_with_link(m, call, res, all);
}

void az_h_subscription(struct az_model *m, struct az_call *call, struct az_response *res)
{
    (void)m;
    az_reply_json(res, 200, subscription_body(call->target));
}

void az_h_tenants(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *tenant =
        json_pack("{s:o,s:s,s:s,s:s}", "id", az_strf("/tenants/%s", call->who.tenant), "tenantId",
                  call->who.tenant, "displayName", "Simulated", "tenantCategory", "Home");
    reply_with_link(m, call, res, json_pack("[o]", tenant));
}

void az_h_locations(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *all = json_array();
    for (size_t i = 0; i < LOCATION_COUNT; i++)
        json_array_append_new(
            all, json_pack("{s:o,s:s,s:s,s:s,s:s,s:{s:s,s:s}}", "id",
                           az_strf("/subscriptions/%s/locations/%s", call->segments[1], locations[i].name),
                           "name", locations[i].name, "type", "Region", "displayName", locations[i].display,
                           "regionalDisplayName", locations[i].display, "metadata", "regionType", "Physical",
                           "regionCategory", "Recommended"));
    az_reply_page(m, call, res, all);
}

static const char *canonical_namespace(const char *ns)
{
    for (size_t i = 0; i < PROVIDER_TYPE_COUNT; i++)
        if (az_ieq(provider_types[i].ns, ns))
            return provider_types[i].ns;
    return NULL;
}

const char *az_provider_state(const struct az_model *m, const char *subscription_id, const char *ns)
{
    char id[128];
    snprintf(id, sizeof id, "/subscriptions/%.40s", subscription_id);
    const struct az_resource *sub = az_store_get(m, id);
    const json_t *states = sub != NULL ? json_object_get(sub->state, "providers") : NULL;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)states, key, value)
        if (az_ieq(key, ns))
            return json_string_value(value);
    return "Registered";
}

static json_t *versions_array(const struct az_model *m, const char *list)
{
    char text[1024];
    json_t *array = json_array();
    const char *at = az_versions_of(m, list, text, sizeof text);
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, ",");
        json_array_insert_new(array, 0, json_stringn(at, n));
        at += n;
        at += strspn(at, ", ");
    }
    return array;
}

static json_t *provider_body(const struct az_model *m, const char *sub, const char *ns)
{
    json_t *types = json_array(), *places = json_array();
    for (size_t i = 0; i < LOCATION_COUNT; i++)
        json_array_append_new(places, json_string(locations[i].display));
    for (size_t i = 0; i < PROVIDER_TYPE_COUNT; i++) {
        if (strcmp(provider_types[i].ns, ns) != 0)
            continue;
        bool is_global = strcmp(provider_types[i].versions, "dns") == 0;
        json_array_append_new(types, json_pack("{s:s,s:o,s:o,s:s}", "resourceType", provider_types[i].type,
                                               "locations",
                                               is_global ? json_pack("[s]", "global") : json_incref(places),
                                               "apiVersions", versions_array(m, provider_types[i].versions),
                                               "capabilities", "SupportsTags, SupportsLocation"));
    }
    json_decref(places);
    return json_pack("{s:o,s:s,s:s,s:s,s:o}", "id", az_strf("/subscriptions/%s/providers/%s", sub, ns),
                     "namespace", ns, "registrationPolicy", "RegistrationRequired", "registrationState",
                     az_provider_state(m, sub, ns), "resourceTypes", types);
}

void az_h_providers(struct az_model *m, struct az_call *call, struct az_response *res)
{
    json_t *all = json_array();
    for (size_t i = 0; i < PROVIDER_TYPE_COUNT; i++)
        if (i == 0 || strcmp(provider_types[i].ns, provider_types[i - 1].ns) != 0)
            json_array_append_new(all, provider_body(m, call->segments[1], provider_types[i].ns));
    az_reply_page(m, call, res, all);
}

void az_h_provider(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *ns = canonical_namespace(call->segments[3]);
    if (ns == NULL)
        az_reply_error(res, 404, "InvalidResourceNamespace", "The resource namespace '%s' is invalid.",
                       call->segments[3]);
    else
        az_reply_json(res, 200, provider_body(m, call->segments[1], ns));
}

static void set_provider(struct az_model *m, const char *sub, const char *ns, const char *state)
{
    char id[128];
    snprintf(id, sizeof id, "/subscriptions/%.40s", sub);
    struct az_resource *s = az_store_get(m, id);
    json_t *states = s != NULL ? json_object_get(s->state, "providers") : NULL;
    if (s == NULL)
        return;
    if (states == NULL) {
        states = json_object();
        json_object_set_new(s->state, "providers", states);
    }
    const char *key;
    json_t *value;
    json_object_foreach(states, key, value)
        if (az_ieq(key, ns)) {
            json_object_set_new(states, key, json_string(state));
            return;
        }
    json_object_set_new(states, ns, json_string(state));
}

static void finish_registration(struct az_model *m, const json_t *arg)
{
    set_provider(m, az_str(arg, "subscription"), az_str(arg, "namespace"), "Registered");
}

void az_h_provider_register(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *ns = canonical_namespace(call->segments[3]), *sub = call->segments[1];
    if (ns == NULL) {
        az_reply_error(res, 404, "InvalidResourceNamespace", "The resource namespace '%s' is invalid.",
                       call->segments[3]);
        return;
    }
    const char *state = az_provider_state(m, sub, ns);
    bool changed = !az_ieq(state, "Registered") && !az_ieq(state, "Registering");
    if (changed) {
        set_provider(m, sub, ns, "Registering");
        az_schedule(m, m->now_ms + az_duration(m, "provider.register", 20, 90), "provider.registered",
                    json_pack("{s:s,s:s}", "subscription", sub, "namespace", ns));
    }
    az_reply_json(res, 200, provider_body(m, sub, ns));
    az_ledger_add(m, call, 'w', "*/register/action", call->id, 200, changed, NULL,
                  json_object_get(call->target != NULL ? call->target->state : NULL, "providers"));
}

void az_resources_init(struct az_model *m)
{
    az_event_register(m, "provider.registered", finish_registration);
}

static void append_generic(json_t *all, struct az_resource *r, const struct az_filter *filter)
{
    static const char *const kept[] = {"id",  "name", "type",      "location", "tags",
                                       "sku", "kind", "managedBy", NULL};
    if (json_object_get(r->body, "location") == NULL || !az_filter_matches(filter, r))
        return;
    json_t *item = json_object();
    for (size_t i = 0; kept[i] != NULL; i++)
        if (json_object_get(r->body, kept[i]) != NULL)
            json_object_set(item, kept[i], json_object_get(r->body, kept[i]));
    json_array_append_new(all, item);
}

void az_h_resources(struct az_model *m, struct az_call *call, struct az_response *res)
{
    static const char *const fields[] = {"resourceType", "resourceGroup", "name", "location",
                                         "tagName",      "tagValue",      NULL};
    char scope[AZ_ID_MAX];
    struct az_filter filter;
    if (!az_filter_parse(az_call_query(call, "$filter"), fields, &filter)) {
        az_reply_error(res, 400, "InvalidFilterInQueryString",
                       "Invalid $filter '%s' specified in the query string.", az_call_query(call, "$filter"));
        return;
    }
    snprintf(scope, sizeof scope, "%.*s", (int)(strrchr(call->id, '/') - call->id), call->id);
    const struct az_resource *at = az_store_get(m, scope);
    if (at == NULL) {
        az_reply_error(res, 404, "ResourceGroupNotFound", "Resource group '%s' could not be found.",
                       az_call_segment(call, 3));
        return;
    }
    json_t *all = json_array();
    bool is_group = strcmp(at->type, AZ_T_GROUP) == 0;
    for (struct az_resource *c = at->first_child; c != NULL; c = c->next_sibling) {
        if (is_group)
            append_generic(all, c, &filter);
        for (struct az_resource *g = is_group ? NULL : c->first_child; g != NULL; g = g->next_sibling)
            append_generic(all, g, &filter);
    }
    az_reply_page(m, call, res, all);
}

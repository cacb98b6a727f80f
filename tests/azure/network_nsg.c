/* Network security groups, their rules, and the rules that Databricks keeps there by itself. */
#include "tests/azure/arm.h"

#include <stdio.h>
#include <string.h>

#define OWN_PREFIX "Microsoft.Databricks-workspaces_UseOnly_databricks-"

struct own_rule {
    const char *suffix, *direction, *source, *target, *ports, *protocol;
    int priority;
    bool is_webapp;
};

static const struct own_rule own_rules[] = {
    {"worker-to-worker-inbound", "Inbound", "VirtualNetwork", "VirtualNetwork", "*", "*", 100, false},
    {"worker-to-databricks-webapp", "Outbound", "VirtualNetwork", "AzureDatabricks", "443", "Tcp", 100, true},
    {"worker-to-sql", "Outbound", "VirtualNetwork", "Sql", "3306", "Tcp", 101, false},
    {"worker-to-storage", "Outbound", "VirtualNetwork", "Storage", "443", "Tcp", 102, false},
    {"worker-to-worker-outbound", "Outbound", "VirtualNetwork", "VirtualNetwork", "*", "*", 103, false},
    {"worker-to-eventhub", "Outbound", "VirtualNetwork", "EventHub", "9093", "Tcp", 104, false},
};
#define OWN_RULE_COUNT (sizeof own_rules / sizeof own_rules[0])

static bool is_own_rule(const char *name)
{
    return az_istarts(name, OWN_PREFIX);
}

/* Its workspaces: 0 none, 1 some, 2 some with AllRules. */
static int users_of(struct az_model *m, const struct az_resource *nsg)
{
    int found = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)az_store_referrers(m, nsg), key, value) {
        const struct az_resource *subnet = az_store_get(m, key);
        const struct az_resource *ws =
            subnet != NULL ? az_store_get(m, az_str(subnet->state, "workspace")) : NULL;
        if (ws == NULL || az_str(ws->body, "properties.workspaceUrl")[0] == '\0')
            continue;
        if (!az_ieq(az_str(ws->body, "properties.requiredNsgRules"), "NoAzureDatabricksRules"))
            return 2;
        found = 1;
    }
    return found;
}

static void put_own_rule(struct az_model *m, const struct az_resource *nsg, const struct own_rule *rule)
{
    char id[AZ_ID_MAX], guid[AZ_GUID_BYTES];
    snprintf(id, sizeof id, "%s/securityRules/" OWN_PREFIX "%s", nsg->id, rule->suffix);
    if (az_store_get(m, id) != NULL)
        return;
    json_t *properties =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:[],s:[],s:[],s:[]}", "provisioningState",
                  "Succeeded", "description", "Required for workers communication with Databricks.",
                  "protocol", rule->protocol, "sourcePortRange", "*", "destinationPortRange", rule->ports,
                  "sourceAddressPrefix", rule->source, "destinationAddressPrefix", rule->target, "access",
                  "Allow", "priority", rule->priority, "direction", rule->direction, "sourcePortRanges",
                  "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes");
    (void)az_store_put(
        m, id,
        json_pack("{s:o,s:o}", "etag", az_strf("W/\"%s\"", az_guid(m, guid)), "properties", properties));
}

void az_nsg_sync_databricks_rules(struct az_model *m, struct az_resource *nsg, bool is_last_gone)
{
    int users = is_last_gone ? 0 : users_of(m, nsg);
    for (size_t i = 0; i < OWN_RULE_COUNT; i++) {
        bool wanted = own_rules[i].is_webapp ? users == 2 : users > 0;
        char name[160];
        snprintf(name, sizeof name, OWN_PREFIX "%s", own_rules[i].suffix);
        struct az_resource *rule = az_child_named(nsg, AZ_T_NSG_RULE, name);
        if (wanted)
            put_own_rule(m, nsg, &own_rules[i]);
        else if (rule != NULL)
            az_store_delete(m, rule);
    }
}

static int check_rule(struct az_change *p, const char *name, const json_t *properties)
{
    int64_t priority = az_int(properties, "priority", 0);
    const char *direction = az_str(properties, "direction"), *access = az_str(properties, "access");
    if (priority < 100 || priority > 4096) {
        az_reply_error(p->res, 400, "SecurityRuleInvalidPriority",
                       "Security rule has invalid Priority. Value provided: %lld Allowed range 100-4096.",
                       (long long)priority);
        return -1;
    }
    bool is_complete = (az_ieq(direction, "Inbound") || az_ieq(direction, "Outbound")) &&
                       (az_ieq(access, "Allow") || az_ieq(access, "Deny")) &&
                       az_str(properties, "protocol")[0] != '\0';
    if (!is_complete || !az_name_ok(AZ_NAME_NETWORK, name)) {
        az_reply_error(p->res, 400, "SecurityRuleParameterContainsUnsupportedValue",
                       "Security rule '%s' has a parameter with an unsupported or no value.", name);
        return -1;
    }
    return 0;
}

static int refuse_priority(struct az_change *p, const char *one, const char *other)
{
    az_reply_error(
        p->res, 400, "SecurityRuleConflict",
        "Security rule %s conflicts with rule %s. Rules cannot have the same Priority and Direction.", one,
        other);
    return -1;
}

static bool is_same_slot(const json_t *a, const json_t *b)
{
    return az_int(a, "priority", 0) == az_int(b, "priority", 0) &&
           az_ieq(az_str(a, "direction"), az_str(b, "direction"));
}

static int check_rules(struct az_change *p, const json_t *rules)
{
    size_t i, k;
    const json_t *rule, *other;
    json_array_foreach(rules, i, rule) {
        if (check_rule(p, az_str(rule, "name"), json_object_get(rule, "properties")) < 0)
            return -1;
        json_array_foreach(rules, k, other)
            if (k < i &&
                is_same_slot(json_object_get(rule, "properties"), json_object_get(other, "properties")))
                return refuse_priority(p, az_str(rule, "name"), az_str(other, "name"));
    }
    return 0;
}

static const json_t *rule_named(const json_t *rules, const char *name)
{
    size_t i;
    const json_t *rule;
    json_array_foreach(rules, i, rule)
        if (az_ieq(az_str(rule, "name"), name))
            return rule;
    return NULL;
}

static json_t *clean_rule(const json_t *rule)
{
    json_t *properties = az_copy(json_object_get(rule, "properties"));
    json_object_del(properties, "provisioningState");
    return json_pack("{s:o}", "properties", properties);
}

static int compare_rules(struct az_change *p, const json_t *rules)
{
    size_t count = 0;
    const struct az_resource *r = p->existing != NULL ? az_child_first(p->existing, AZ_T_NSG_RULE) : NULL;
    for (; r != NULL; r = az_child_next(r, AZ_T_NSG_RULE), count++) {
        const json_t *kept = rule_named(rules, r->name);
        if (kept == NULL && is_own_rule(r->name) && users_of(p->m, p->existing) > 0) {
            az_reply_error(
                p->res, 400, "NetworkIntentPolicyConflict",
                "The rule %s is required by a network intent policy of Microsoft.Databricks and cannot be "
                "removed from network security group %s.",
                r->name, p->existing->id);
            return -1;
        }
        json_t *clean = kept != NULL ? clean_rule(kept) : NULL;
        p->differs |= kept == NULL || !az_same(az_at(clean, "properties"), az_at(r->body, "properties"));
        json_decref(clean);
    }
    p->differs |= count != json_array_size(rules);
    return 0;
}

static int prepare_nsg(struct az_change *p)
{
    json_t *rules = json_incref(az_at(p->want, "properties.securityRules"));
    if (rules == NULL)
        rules = json_array();
    static const char *const derived[] = {"securityRules", "defaultSecurityRules", "subnets",
                                          "networkInterfaces", "flowLogs"};
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++)
        json_object_del(json_object_get(p->want, "properties"), derived[i]);
    az_change_lock(p, p->call->id);
    p->pending = json_pack("{s:o}", "rules", rules);
    if (check_rules(p, rules) < 0)
        return -1;
    return compare_rules(p, rules);
}

static void store_rule(struct az_model *m, const struct az_resource *nsg, const char *name, json_t *take_body)
{
    char id[AZ_ID_MAX], guid[AZ_GUID_BYTES];
    snprintf(id, sizeof id, "%s/securityRules/%s", nsg->id, name);
    json_object_set_new(take_body, "etag", az_strf("W/\"%s\"", az_guid(m, guid)));
    az_set_str(take_body, "properties.provisioningState", "Succeeded");
    (void)az_store_put(m, id, take_body);
}

static void nsg_started(struct az_change *p, struct az_resource *nsg)
{
    const json_t *rules = json_object_get(p->pending, "rules");
    struct az_resource *next;
    for (struct az_resource *r = az_child_first(nsg, AZ_T_NSG_RULE); r != NULL; r = next) {
        next = az_child_next(r, AZ_T_NSG_RULE);
        if (rule_named(rules, r->name) == NULL)
            az_store_delete(p->m, r);
    }
    size_t i;
    const json_t *rule;
    json_array_foreach(rules, i, rule)
        store_rule(p->m, nsg, az_str(rule, "name"), clean_rule(rule));
}

static int prepare_delete_nsg(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    json_t *users = az_store_referrer_ids(p->m, p->existing);
    int r = json_array_size(users) > 0 ? -1 : 0;
    if (r < 0)
        az_reply_error(p->res, 400, "InUseNetworkSecurityGroupCannotBeDeleted",
                       "Network security group %s cannot be deleted because it is in use by the following "
                       "resources: %s. In order to delete the Network security group, remove the association "
                       "with the resource(s).",
                       p->existing->id, az_str(users, "0.id"));
    json_decref(users);
    return r;
}

static json_t *default_rule(const struct az_resource *nsg, const char *name, const char *direction,
                            const char *access, const char *source, const char *target, int priority)
{
    return json_pack("{s:s,s:o,s:s,s:{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s}}", "name", name, "id",
                     az_strf("%s/defaultSecurityRules/%s", nsg->id, name), "type",
                     "Microsoft.Network/networkSecurityGroups/defaultSecurityRules", "properties",
                     "provisioningState", "Succeeded", "protocol", "*", "sourcePortRange", "*",
                     "destinationPortRange", "*", "sourceAddressPrefix", source, "destinationAddressPrefix",
                     target, "access", access, "priority", priority, "direction", direction);
}

static json_t *render_nsg(struct az_model *m, struct az_resource *nsg)
{
    json_t *body = az_copy(nsg->body), *properties = json_object_get(body, "properties");
    json_t *rules = json_array();
    for (const struct az_resource *r = az_child_first(nsg, AZ_T_NSG_RULE); r != NULL;
         r = az_child_next(r, AZ_T_NSG_RULE))
        json_array_append_new(rules, az_copy(r->body));
    json_object_set_new(properties, "securityRules", rules);
    json_t *defaults = json_array();
    json_array_append_new(defaults, default_rule(nsg, "AllowVnetInBound", "Inbound", "Allow",
                                                 "VirtualNetwork", "VirtualNetwork", 65000));
    json_array_append_new(defaults, default_rule(nsg, "AllowAzureLoadBalancerInBound", "Inbound", "Allow",
                                                 "AzureLoadBalancer", "*", 65001));
    json_array_append_new(defaults, default_rule(nsg, "DenyAllInBound", "Inbound", "Deny", "*", "*", 65500));
    json_array_append_new(defaults, default_rule(nsg, "AllowVnetOutBound", "Outbound", "Allow",
                                                 "VirtualNetwork", "VirtualNetwork", 65000));
    json_array_append_new(
        defaults, default_rule(nsg, "AllowInternetOutBound", "Outbound", "Allow", "*", "Internet", 65001));
    json_array_append_new(defaults,
                          default_rule(nsg, "DenyAllOutBound", "Outbound", "Deny", "*", "*", 65500));
    json_object_set_new(properties, "defaultSecurityRules", defaults);
    json_object_set_new(properties, "subnets", az_store_referrer_ids(m, nsg));
    return body;
}

static int prepare_rule(struct az_change *p)
{
    const char *name = az_call_segment(p->call, p->call->segment_count - 1);
    const json_t *properties = json_object_get(p->want, "properties");
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    if (check_rule(p, name, properties) < 0)
        return -1;
    for (const struct az_resource *r = az_child_first(p->parent, AZ_T_NSG_RULE); r != NULL;
         r = az_child_next(r, AZ_T_NSG_RULE))
        if (r != p->existing && is_same_slot(properties, json_object_get(r->body, "properties")))
            return refuse_priority(p, name, r->name);
    return 0;
}

static int prepare_delete_rule(struct az_change *p)
{
    az_change_lock(p, p->call->id);
    az_change_lock(p, p->parent->id);
    if (is_own_rule(p->existing->name) && users_of(p->m, p->parent) > 0) {
        az_reply_error(p->res, 400, "NetworkIntentPolicyConflict",
                       "The rule %s is required by a network intent policy of Microsoft.Databricks.",
                       p->existing->name);
        return -1;
    }
    return 0;
}

const struct az_type az_type_nsg = {
    .type = AZ_T_NSG,
    .display = "Microsoft.Network/networkSecurityGroups",
    .versions = "network",
    .flags = AZ_TYPE_LOCATION,
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "nsg.put",
    .delete_duration = "nsg.delete",
    .min_s = 5,
    .max_s = 15,
    .new_state = "Updating",
    .prepare = prepare_nsg,
    .started = nsg_started,
    .prepare_delete = prepare_delete_nsg,
    .render = render_nsg,
};

const struct az_type az_type_nsg_rule = {
    .type = AZ_T_NSG_RULE,
    .display = "Microsoft.Network/networkSecurityGroups/securityRules",
    .versions = "network",
    .name_rule = AZ_NAME_NETWORK,
    .put_lro = AZ_LRO_AAO,
    .delete_lro = AZ_LRO_BOTH,
    .create_status = 201,
    .put_duration = "nsg.rule.put",
    .delete_duration = "nsg.rule.delete",
    .min_s = 5,
    .max_s = 15,
    .new_state = "Updating",
    .prepare = prepare_rule,
    .prepare_delete = prepare_delete_rule,
};

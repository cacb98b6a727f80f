/* State documents and fault rules before anything is done with them: members that nobody knows, values of a
 * wrong type, things that are there twice. Each complaint says where, what, and what would be right. */
#include "tests/azure/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FAULTS                                                                                                       \
    "status|reset-before|reset-after|hang|truncate|slow|bad-json|html|huge|redirect|op-failed|op-canceled|op-never|" \
    "throttle|op-foreign-host|clock-skew|content-type|gateway-timeout"
#define FAULT_BYTES_MAX (1 << 30)
#define ROLES \
    "Owner|Contributor|Reader|Network Contributor|Private DNS Zone Contributor|Databricks Contributor"
#define DURATIONS                                                                                                               \
    "nsg.put|nsg.delete|nsg.rule.put|nsg.rule.delete|vnet.put|vnet.delete|subnet.put|subnet.delete|peering.put|"                \
    "peering.delete|nat.put|nat.delete|publicip.put|publicip.delete|routetable.put|routetable.delete|route.put|"                \
    "route.delete|endpoint.put|endpoint.delete|zonegroup.put|zonegroup.delete|zone.put|zone.delete|link.put|"                   \
    "link.delete|workspace.create|workspace.delete|workspace.network|workspace.network.refused|workspace.update|"               \
    "workspace.patch|workspace.settle|workspace.environment|workspace.environmentFlap|workspace.updateFlap|"                    \
    "connection.put|connection.delete|group.delete|provider.register|unchanged|refused|cluster.machines|cluster.boot|"          \
    "cluster.spark|cluster.terminate|warehouse.start|warehouse.startServerless|warehouse.stop|pool.settle|run.cancel|run.work|" \
    "pipeline.start|pipeline.stop|context.create|command.queue|command.run"

/* What a member may be: s string, w whole number, n number, b boolean, o object, a array, S array of strings, N null,
 * * anything; several letters: any of them. `choices` limits strings. */
struct member {
    const char *name, *kinds, *choices;
};

struct check {
    char *error;
    size_t error_bytes;
};

static int complain(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int complain(struct check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->error, c->error_bytes, fmt, args);
    va_end(args);
    return -1;
}

static bool is_kind(char kind, const json_t *value)
{
    size_t i;
    const json_t *item;
    switch (kind) {
    case 's':
        return json_is_string(value);
    case 'w':
        return json_is_integer(value);
    case 'n':
        return json_is_number(value);
    case 'b':
        return json_is_boolean(value);
    case 'o':
        return json_is_object(value);
    case 'a':
        return json_is_array(value);
    case 'N':
        return json_is_null(value);
    case 'S':
        json_array_foreach(value, i, item)
            if (!json_is_string(item))
                return false;
        return json_is_array(value);
    default:
        return kind == '*';
    }
}

static const char *kind_name(char kind)
{
    static const char letters[] = "swnboaSN";
    static const char *const names[] = {
        "a string", "a whole number",      "a number", "true or false", "an object",
        "an array", "an array of strings", "null"};
    const char *at = strchr(letters, kind);
    return at != NULL ? names[at - letters] : "something else";
}

/* "a string or a number", and the value itself cut short. */
static int wrong_kind(struct check *c, const char *where, const char *kinds, const json_t *value)
{
    char wanted[128] = "", shown[64] = "";
    for (size_t i = 0; kinds[i] != '\0'; i++) {
        size_t n = strlen(wanted);
        snprintf(wanted + n, sizeof wanted - n, "%s%s", i > 0 ? " or " : "", kind_name(kinds[i]));
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    snprintf(shown, sizeof shown, "%.40s%s", text != NULL ? text : "?",
             text != NULL && strlen(text) > 40 ? "..." : "");
    free(text);
    return complain(c, "%s: must be %s, not %s", where, wanted, shown);
}

/* Is the text one of "A|B|C", ignoring case? */
static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *at = choices; at != NULL && n > 0; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncasecmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
    }
    return false;
}

static int check_value(struct check *c, const char *where, const struct member *member, const json_t *value)
{
    const char *kind = member->kinds;
    while (*kind != '\0' && !is_kind(*kind, value))
        kind++;
    if (*kind == '\0')
        return wrong_kind(c, where, member->kinds, value);
    const char *text = json_string_value(value);
    if (member->choices != NULL && text != NULL && !is_choice(member->choices, text))
        return complain(c, "%s: \"%.60s\" is none of %s", where, text, member->choices);
    return 0;
}

/* An object's members against a table that ends with a NULL name. Members that begin with "_" are the model's own. */
static int check_members(struct check *c, const char *where, const json_t *o, const struct member *members)
{
    const char *name;
    json_t *value;
    char path[256], known[700] = "";
    if (!json_is_object(o))
        return wrong_kind(c, where, "o", o);
    json_object_foreach((json_t *)o, name, value) {
        const struct member *m = members;
        while (m->name != NULL && strcmp(m->name, name) != 0)
            m++;
        snprintf(path, sizeof path, "%s%s%.60s", where, where[0] != '\0' ? "/" : "", name);
        if (m->name != NULL && check_value(c, path, m, value) < 0)
            return -1;
        if (m->name != NULL || name[0] == '_')
            continue;
        for (m = members; m->name != NULL; m++) {
            size_t n = strlen(known);
            snprintf(known + n, sizeof known - n, "%s%s", n > 0 ? ", " : "", m->name);
        }
        return complain(c, "%s: no such member; there are %s", path, known);
    }
    return 0;
}

static int check_list(struct check *c, const char *where, const json_t *list, const struct member *members)
{
    size_t i;
    const json_t *item;
    char path[256];
    json_array_foreach(list, i, item) {
        snprintf(path, sizeof path, "%s/%zu", where, i);
        if (check_members(c, path, item, members) < 0)
            return -1;
    }
    return 0;
}

/* Remembers a key; complains when it was there. */
static int check_new(struct check *c, json_t *seen, const char *where, size_t i, const char *what,
                     const char *key)
{
    char folded[AZ_ID_MAX];
    size_t n = 0;
    for (; key[n] != '\0' && n + 1 < sizeof folded; n++)
        folded[n] = (char)(key[n] >= 'A' && key[n] <= 'Z' ? key[n] + 32 : key[n]);
    folded[n] = '\0';
    const json_t *first = json_object_get(seen, folded);
    if (first != NULL)
        return complain(c, "%s/%zu: %s \"%.300s\" is that of %s/%lld already; remove one of them", where, i,
                        what, key, where, (long long)json_integer_value(first));
    json_object_set_new(seen, folded, json_integer((json_int_t)i));
    return 0;
}

/* ---- the parts of a document ------------------------------------------------------------------------------------ */

static const struct member top_members[] = {
    {"about", "s", NULL},      {"expect", "o", NULL},      {"subscriptions", "a", NULL},
    {"principals", "a", NULL}, {"resources", "a", NULL},   {"workspaces", "a", NULL},
    {"databricks", "o", NULL}, {"durations", "o", NULL},   {"behaviour", "o", NULL},
    {"throttle", "o", NULL},   {"apiVersions", "o", NULL}, {"faults", "a", NULL},
    {"clock", "o", NULL},      {"random", "s", NULL},      {"operations", "o", NULL},
    {"events", "a", NULL},     {"buckets", "o", NULL},     {"ledger", "o", NULL},
    {NULL, NULL, NULL}};

static const struct member subscription_members[] = {
    {"id", "s", NULL},        {"subscriptionId", "s", NULL},
    {"name", "s", NULL},      {"type", "s", NULL},
    {"tenantId", "s", NULL},  {"displayName", "s", NULL},
    {"providers", "o", NULL}, {"state", "s", "Enabled|Disabled|Warned|PastDue|Deleted"},
    {NULL, NULL, NULL}};

static const struct member principal_members[] = {{"tenantId", "s", NULL},     {"clientId", "s", NULL},
                                                  {"clientSecret", "s", NULL}, {"secretExpired", "b", NULL},
                                                  {"assertions", "ba", NULL},  {"roles", "a", NULL},
                                                  {NULL, NULL, NULL}};

static const struct member workspace_members[] = {
    {"name", "s", NULL},
    {"resourceGroup", "s", NULL},
    {"location", "s", NULL},
    {"subscription", "s", NULL},
    {"workspaceId", "s", NULL},
    {"sku", "s", "premium|standard|trial"},
    {"tags", "o", NULL},
    {"injected", "b", NULL},
    {"addressSpace", "s", NULL},
    {"publicNetworkAccess", "s", "Enabled|Disabled"},
    {"requiredNsgRules", "s", "AllRules|NoAzureDatabricksRules|NoAzureServiceRules"},
    {"noPublicIp", "b", NULL},
    {"endpointSubnet", "b", NULL},
    {"endpoint", "ob", NULL},
    {"zone", "ob", NULL},
    {"count", "w", NULL},
    {NULL, NULL, NULL}};

static const struct member endpoint_members[] = {{"name", "s", NULL},
                                                 {"ip", "s", NULL},
                                                 {"status", "s", "Approved|Pending|Rejected|Disconnected"},
                                                 {"group", "s", "databricks_ui_api|browser_authentication"},
                                                 {"zoneGroup", "b", NULL},
                                                 {NULL, NULL, NULL}};

static const struct member zone_members[] = {
    {"linked", "b", NULL}, {"record", "s", NULL}, {"resourceGroup", "s", NULL}, {NULL, NULL, NULL}};

static const struct member resource_members[] = {{"id", "s", NULL},         {"name", "s", NULL},
                                                 {"type", "s", NULL},       {"location", "s", NULL},
                                                 {"tags", "oN", NULL},      {"properties", "oN", NULL},
                                                 {"sku", "oN", NULL},       {"kind", "s", NULL},
                                                 {"managedBy", "sN", NULL}, {"etag", "s", NULL},
                                                 {"systemData", "o", NULL}, {"zones", "a", NULL},
                                                 {"identity", "o", NULL},   {"extendedLocation", "o", NULL},
                                                 {NULL, NULL, NULL}};

static const struct member behaviour_members[] = {
    {"conflictAsFailure", "nb", NULL},  {"conflictAs429", "nb", NULL},
    {"overlapAsFailure", "nb", NULL},   {"flatErrors", "nb", NULL},
    {"omitFqdns", "nb", NULL},          {"policiesMustBeDisabled", "nb", NULL},
    {"roleAssignmentRace", "nb", NULL}, {"staleSeconds", "nb", NULL},
    {"graphLagSeconds", "nb", NULL},    {"pageSize", "nb", NULL},
    {"emptyPages", "nb", NULL},         {"tokenLifetimeSeconds", "nb", NULL},
    {"environmentFlap", "nb", NULL},    {"notReadyContexts", "nb", NULL},
    {"databricksRate", "nb", NULL},     {"failWhileUpdating", "nb", NULL},
    {"lroStyles", "o", NULL},           {NULL, NULL, NULL}};

static const struct member throttle_members[] = {{"model", "s", "hourly|bucket|off"},
                                                 {"reads", "n", NULL},
                                                 {"writes", "n", NULL},
                                                 {"deletes", "n", NULL},
                                                 {"readsPerSecond", "n", NULL},
                                                 {"writesPerSecond", "n", NULL},
                                                 {"deletesPerSecond", "n", NULL},
                                                 {"networkReads", "n", NULL},
                                                 {"networkWrites", "n", NULL},
                                                 {"dnsZoneReads", "n", NULL},
                                                 {"dnsZoneWrites", "n", NULL},
                                                 {"dnsRecordReads", "n", NULL},
                                                 {"dnsRecordWrites", "n", NULL},
                                                 {"dnsLinkReads", "n", NULL},
                                                 {"dnsLinkWrites", "n", NULL},
                                                 {"resourceGraph", "n", NULL},
                                                 {NULL, NULL, NULL}};

static const struct member version_members[] = {
    {"databricks", "S", NULL},  {"network", "S", NULL},       {"dns", "S", NULL},
    {"resources", "S", NULL},   {"subscriptions", "S", NULL}, {"locks", "S", NULL},
    {"permissions", "S", NULL}, {"graph", "S", NULL},         {NULL, NULL, NULL}};

static const struct member databricks_members[] = {
    {"callerAddress", "s", NULL}, {"callerNetwork", "s", "private|public"},
    {"dnsServers", "o", NULL},    {"appliances", "o", NULL},
    {"workspaces", "o", NULL},    {NULL, NULL, NULL}};

static const struct member dns_server_members[] = {{"vnet", "s", NULL},       {"forwards", "S", NULL},
                                                   {"answers", "b", NULL},    {"cached", "o", NULL},
                                                   {"onPremises", "b", NULL}, {NULL, NULL, NULL}};

static const struct member appliance_members[] = {{"allows", "S", NULL},
                                                  {"publicIp", "s", NULL},
                                                  {"inspectsTls", "b", NULL},
                                                  {"byName", "S", NULL},
                                                  {NULL, NULL, NULL}};

static const struct member workspace_data_members[] = {
    {"users", "S", NULL},          {"clusters", "a", NULL},
    {"warehouses", "a", NULL},     {"pools", "a", NULL},
    {"jobs", "a", NULL},           {"runs", "a", NULL},
    {"pipelines", "a", NULL},      {"policies", "a", NULL},
    {"conf", "o", NULL},           {"ipAccessLists", "a", NULL},
    {"policyRequired", "b", NULL}, {"incident", "s", NULL},
    {"capacity", "o", NULL},       {"globalInitScripts", "a", NULL},
    {"wakeups", "a", NULL},        {"contexts", "a", NULL},
    {"commands", "a", NULL},       {"statements", "a", NULL},
    {"notebooks", "ao", NULL},     {NULL, NULL, NULL}};

static int check_shape(struct check *c, const json_t *doc)
{
    static const struct {
        const char *name;
        const struct member *members;
    } lists[] = {{"subscriptions", subscription_members},
                 {"principals", principal_members},
                 {"workspaces", workspace_members},
                 {"resources", resource_members}},
      objects[] = {{"behaviour", behaviour_members},
                   {"throttle", throttle_members},
                   {"apiVersions", version_members},
                   {"databricks", databricks_members}};
    if (check_members(c, "", doc, top_members) < 0)
        return -1;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (check_list(c, lists[i].name, json_object_get(doc, lists[i].name), lists[i].members) < 0)
            return -1;
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        if (json_object_get(doc, objects[i].name) != NULL &&
            check_members(c, objects[i].name, json_object_get(doc, objects[i].name), objects[i].members) < 0)
            return -1;
    return 0;
}

static int check_workspaces(struct check *c, const json_t *list)
{
    size_t i;
    const json_t *w;
    char path[64], key[300];
    struct az_cidr space;
    json_t *seen = json_object();
    int r = 0;
    json_array_foreach(list, i, w) {
        const char *location = az_str(w, "location"), *text = az_str(w, "addressSpace");
        const json_t *endpoint = json_object_get(w, "endpoint"), *zone = json_object_get(w, "zone");
        snprintf(key, sizeof key, "%.36s/%.100s/%.120s", az_str(w, "subscription"),
                 az_str(w, "resourceGroup"), az_str(w, "name"));
        snprintf(path, sizeof path, "workspaces/%zu/endpoint", i);
        if (json_is_object(endpoint))
            r = check_members(c, path, endpoint, endpoint_members);
        snprintf(path, sizeof path, "workspaces/%zu/zone", i);
        if (r == 0 && json_is_object(zone))
            r = check_members(c, path, zone, zone_members);
        if (r == 0 && location[0] != '\0' && !az_location_is_known(location))
            r = complain(
                c,
                "workspaces/%zu/location: there is no region \"%.60s\"; GET /subscriptions/{id}/locations names them",
                i, location);
        if (r == 0 && text[0] != '\0' && (!az_cidr_parse(text, &space) || space.bits > 22))
            r = complain(
                c,
                "workspaces/%zu/addressSpace: \"%.60s\" is no network of at most /22, such as 10.10.0.0/16",
                i, text);
        if (r == 0)
            r = check_new(c, seen, "workspaces", i, "subscription/resourceGroup/name", key);
        if (r < 0)
            break;
    }
    json_decref(seen);
    return r;
}

/* No two items with the same value of these one or two members. */
static int check_unique(struct check *c, const json_t *doc, const char *list, const char *first,
                        const char *second)
{
    size_t i;
    const json_t *item;
    char key[AZ_ID_MAX];
    json_t *seen = json_object();
    int r = 0;
    json_array_foreach(json_object_get(doc, list), i, item) {
        const char *a = az_str(item, first);
        snprintf(key, sizeof key, "%s%s%s", a, second[0] != '\0' ? "/" : "",
                 second[0] != '\0' ? az_str(item, second) : "");
        if (a[0] == '\0')
            continue;
        if ((r = check_new(c, seen, list, i, first, key)) < 0)
            break;
    }
    json_decref(seen);
    return r;
}

/* Seconds: one number, [least, most], or {"median","p95","max"}. */
static bool is_duration(const json_t *value)
{
    double least = json_number_value(json_is_array(value) ? json_array_get(value, 0) : value);
    double most = json_is_array(value) ? json_number_value(json_array_get(value, 1)) : least;
    double median = az_num(value, "median", 0), p95 = az_num(value, "p95", 0);
    bool is_range = json_array_size(value) == 2 && json_is_number(json_array_get(value, 0)) &&
                    json_is_number(json_array_get(value, 1));
    if (json_is_object(value))
        return median > 0 && p95 >= median && az_num(value, "max", p95) >= p95;
    return (json_is_number(value) || is_range) && least >= 0 && most >= least;
}

static int check_durations(struct check *c, const json_t *durations)
{
    static const struct member members[] = {
        {"median", "n", NULL}, {"p95", "n", NULL}, {"max", "n", NULL}, {NULL, NULL, NULL}};
    const char *name;
    json_t *value;
    char where[128];
    json_object_foreach((json_t *)durations, name, value) {
        snprintf(where, sizeof where, "durations/%.60s", name);
        if (!is_choice(DURATIONS, name))
            return complain(c, "%s: no such duration; tests/azure/README.md lists them", where);
        if (json_is_object(value) && check_members(c, where, value, members) < 0)
            return -1;
        if (!is_duration(value))
            return complain(
                c, "%s: must be seconds, as a number, as [least, most] or as {\"median\",\"p95\",\"max\"}",
                where);
    }
    return 0;
}

static int check_lro_styles(struct check *c, const json_t *styles)
{
    const char *type;
    json_t *value;
    json_object_foreach((json_t *)styles, type, value) {
        const char *style = json_string_value(value);
        if (az_type_find(type) == NULL)
            return complain(c, "behaviour/lroStyles/%.80s: no such type; it is in lower case, such as %s",
                            type, AZ_T_NSG);
        if (style == NULL || !is_choice("none|aao|location|both|state", style))
            return complain(c, "behaviour/lroStyles/%.80s: must be one of aao|location|both|state", type);
    }
    return 0;
}

static int check_each(struct check *c, const char *where, const json_t *o, const struct member *members)
{
    const char *name;
    json_t *value;
    char path[256];
    json_object_foreach((json_t *)o, name, value) {
        snprintf(path, sizeof path, "%s/%.120s", where, name);
        if (check_members(c, path, value, members) < 0)
            return -1;
    }
    return 0;
}

static int check_roles(struct check *c, const json_t *principals)
{
    size_t i, k;
    const json_t *p, *role;
    json_array_foreach(principals, i, p) {
        json_array_foreach(json_object_get(p, "roles"), k, role) {
            const char *name = json_is_string(role) ? json_string_value(role) : az_str(role, "role");
            bool has_actions = json_is_array(json_object_get(role, "actions"));
            if (has_actions || is_choice(ROLES, name))
                continue;
            return complain(
                c, "principals/%zu/roles/%zu: no role \"%.60s\"; there are %s, or an object with actions", i,
                k, name, ROLES);
        }
    }
    return 0;
}

/* ---- fault rules ------------------------------------------------------------------------------------------------------ */

int az_fault_check(const char *where, const json_t *rule, char *error, size_t error_bytes)
{
    static const struct member members[] = {
        {"match", "o", NULL},       {"nth", "w", NULL},
        {"count", "w", NULL},       {"probability", "n", NULL},
        {"fault", "s", FAULTS},     {"status", "w", NULL},
        {"code", "s", NULL},        {"message", "s", NULL},
        {"retryAfter", "ws", NULL}, {"envelope", "s", "arm|flat|databricks|html|none"},
        {"location", "s", NULL},    {"after", "b", NULL},
        {"delayMs", "w", NULL},     {"bytes", "w", NULL},
        {"type", "s", NULL},        {"skewMs", "w", NULL},
        {"about", "s", NULL},       {NULL, NULL, NULL}};
    static const struct member match_members[] = {
        {"method", "s", NULL}, {"path", "s", NULL}, {"host", "s", NULL}, {NULL, NULL, NULL}};
    struct check c = {.error = error, .error_bytes = error_bytes};
    double probability = az_num(rule, "probability", 0);
    int64_t status = az_int(rule, "status", 500), nth = az_int(rule, "nth", 1),
            bytes = az_int(rule, "bytes", 0);
    char path[128];
    snprintf(path, sizeof path, "%s/match", where);
    if (check_members(&c, where, rule, members) < 0 ||
        (json_object_get(rule, "match") != NULL &&
         check_members(&c, path, json_object_get(rule, "match"), match_members) < 0))
        return -1;
    if (az_str(rule, "fault")[0] == '\0')
        return complain(&c, "%s/fault: is missing; it is one of %s", where, FAULTS);
    if (probability < 0 || probability > 1)
        return complain(&c, "%s/probability: must be 0 to 1", where);
    if (status < 200 || status > 599)
        return complain(&c, "%s/status: must be 200 to 599", where);
    if (nth < 1 || az_int(rule, "count", 0) < 0)
        return complain(&c, "%s: nth counts from 1, and count is how often (0 = always)", where);
    if (bytes < 0 || bytes > FAULT_BYTES_MAX)
        return complain(&c, "%s/bytes: must be 0 to %d", where, FAULT_BYTES_MAX);
    return 0;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------- */

static int check_faults(struct check *c, const json_t *list)
{
    size_t i;
    const json_t *rule;
    char where[64];
    json_array_foreach(list, i, rule) {
        snprintf(where, sizeof where, "faults/%zu", i);
        if (az_fault_check(where, rule, c->error, c->error_bytes) < 0)
            return -1;
    }
    return 0;
}

int az_state_check(const json_t *doc, char *error, size_t error_bytes)
{
    struct check c = {.error = error, .error_bytes = error_bytes};
    const json_t *dbx = json_object_get(doc, "databricks");
    if (check_shape(&c, doc) < 0 || check_workspaces(&c, json_object_get(doc, "workspaces")) < 0 ||
        check_unique(&c, doc, "workspaces", "workspaceId", "") < 0 ||
        check_unique(&c, doc, "resources", "id", "") < 0 ||
        check_unique(&c, doc, "subscriptions", "id", "") < 0 ||
        check_unique(&c, doc, "principals", "clientId", "tenantId") < 0 ||
        check_roles(&c, json_object_get(doc, "principals")) < 0 ||
        check_durations(&c, json_object_get(doc, "durations")) < 0 ||
        check_lro_styles(&c, az_at(doc, "behaviour.lroStyles")) < 0 ||
        check_faults(&c, json_object_get(doc, "faults")) < 0)
        return -1;
    return check_each(&c, "databricks/dnsServers", json_object_get(dbx, "dnsServers"), dns_server_members) <
                       0 ||
                   check_each(&c, "databricks/appliances", json_object_get(dbx, "appliances"),
                              appliance_members) < 0 ||
                   check_each(&c, "databricks/workspaces", json_object_get(dbx, "workspaces"),
                              workspace_data_members) < 0
               ? -1
               : 0;
}

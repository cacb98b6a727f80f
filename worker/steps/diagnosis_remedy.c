/* By whom, how, and on whose word: what each cause's repair needs beside its sentence. */
#include "worker/steps/diagnosis.h"

#define GUIDE "Configure back-end private connectivity to Azure Databricks"
#define CONCEPTS "Azure Private Link concepts (Azure Databricks)"
#define ENDPOINT_DNS "Azure Private Endpoint private DNS zone values"
#define ROUTES "User-defined route settings for Azure Databricks"
#define INJECTION "Deploy Azure Databricks in your Azure virtual network (VNet injection)"
#define SECURE_CLUSTERS "Enable secure cluster connectivity"
#define TERMINATIONS "Cluster termination reasons (Azure Databricks)"
#define ACCESS_LISTS "Configure IP access lists for workspaces"
#define STANDARD "Enable Azure Private Link as a standard deployment"
#define LOCKS "Lock your Azure resources to protect your infrastructure"

/* A command is a template: {workspace} {group} {name} {subscription} of the workspace, {vnet} {endpoint} {zone} {zoneName} {record}
 * {address} from the readings, {id} {idGroup} {idName} of the first evidence. Where one is not known, there is no command. */
struct remedy {
    enum cw_repairer repairer;
    const char *command;
    const char *source;
};

static const struct remedy remedies[CW_CAUSE__COUNT] = {
    [CW_CAUSE_NOT_SETTLED] =
        {CW_REPAIRER_CAUSEWAY,
         "az resource wait --ids {workspace} --custom \"properties.provisioningState=='Succeeded'\"", GUIDE},
    [CW_CAUSE_ZONE_NOT_LINKED] =
        {CW_REPAIRER_CAUSEWAY,
         "az network private-dns link vnet create -g {zoneGroup} -z {zoneName} -n {name}-link "
         "-v {vnet} -e false",
         ENDPOINT_DNS},
    [CW_CAUSE_RECORD_MISSING] =
        {CW_REPAIRER_CAUSEWAY,
         "az network private-dns record-set a add-record -g {zoneGroup} -z {zoneName} "
         "-n {record} -a {address}",
         GUIDE},
    [CW_CAUSE_RECORD_WRONG] =
        {CW_REPAIRER_NETWORK_TEAM,
         "az network private-dns record-set a update -g {zoneGroup} -z {zoneName} -n {record} "
         "--set aRecords[0].ipv4Address={address}",
         GUIDE},
    [CW_CAUSE_RECORD_OVERWRITTEN] =
        {CW_REPAIRER_NETWORK_TEAM,
         "az network private-dns record-set a update -g {zoneGroup} -z {zoneName} "
         "-n {record} --set aRecords[0].ipv4Address={address}",
         CONCEPTS},
    [CW_CAUSE_CUSTOM_DNS] =
        {CW_REPAIRER_NETWORK_TEAM,
         "on the DNS servers: conditional forwarder for the workspaces' domain to 168.63.129.16",
         ENDPOINT_DNS},
    [CW_CAUSE_STALE_DNS] = {CW_REPAIRER_NETWORK_TEAM,
                            "on the DNS servers: clear the cache of {record}; then start a new cluster",
                            ENDPOINT_DNS},
    [CW_CAUSE_ENDPOINT_MISSING] = {CW_REPAIRER_CAUSEWAY,
                                   "causeway submit --wait, with a migrate request of {workspace}", GUIDE},
    [CW_CAUSE_ENDPOINT_UNREACHABLE] = {CW_REPAIRER_CAUSEWAY,
                                       "causeway submit --wait, with a migrate request of {workspace}",
                                       CONCEPTS},
    [CW_CAUSE_ENDPOINT_NOT_APPROVED] =
        {CW_REPAIRER_WORKSPACE_ADMIN,
         "portal: the workspace, Settings, Networking, Private endpoint connections", GUIDE},
    [CW_CAUSE_SETTINGS_MISMATCH] = {CW_REPAIRER_CAUSEWAY,
                                    "causeway submit --wait, with a migrate request of {workspace}", GUIDE},
    [CW_CAUSE_ENDPOINT_SUBNET_FILTERED] =
        {CW_REPAIRER_NETWORK_TEAM,
         "az network nsg rule create -g {idGroup} --nsg-name {idName} "
         "-n allow-databricks --priority N --access Allow --direction Inbound "
         "--protocol Tcp --destination-port-ranges 443 3306 6666 8443-8451",
         CONCEPTS},
    [CW_CAUSE_NSG_BLOCKS] =
        {CW_REPAIRER_NETWORK_TEAM,
         "az network nsg rule create -g {idGroup} --nsg-name {idName} -n allow-databricks "
         "--priority N --access Allow --direction Outbound",
         INJECTION},
    [CW_CAUSE_ROUTE_FIREWALL] =
        {CW_REPAIRER_NETWORK_TEAM,
         "az rest --method get --url \"{workspace}/outboundNetworkDependenciesEndpoints"
         "?api-version=2024-05-01\" lists what the appliance must allow",
         ROUTES},
    [CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT] =
        {CW_REPAIRER_NETWORK_TEAM,
         "az network route-table route create -g {idGroup} --route-table-name "
         "{idName} -n endpoint --address-prefix {address}/32 --next-hop-type VnetLocal",
         ROUTES},
    [CW_CAUSE_NO_EGRESS] = {CW_REPAIRER_NETWORK_TEAM,
                            "az network vnet subnet update --ids {id} --nat-gateway <id of a NAT gateway>",
                            SECURE_CLUSTERS},
    [CW_CAUSE_BLACKHOLE_ROUTE] = {CW_REPAIRER_NETWORK_TEAM, "portal: the route table {idName}, Routes",
                                  ROUTES},
    [CW_CAUSE_TLS_INSPECTION] = {CW_REPAIRER_NETWORK_TEAM,
                                 "on the firewall or proxy: no TLS inspection for these hosts", ROUTES},
    [CW_CAUSE_SUBNET_DELEGATION] = {CW_REPAIRER_NETWORK_TEAM,
                                    "az network vnet subnet update --ids {id} --delegations "
                                    "Microsoft.Databricks/workspaces",
                                    INJECTION},
    [CW_CAUSE_SUBNET_FULL] = {CW_REPAIRER_WORKSPACE_ADMIN, "az network vnet list-available-ips --ids {vnet}",
                              INJECTION},
    [CW_CAUSE_WRONG_ZONE_NAME] = {CW_REPAIRER_NETWORK_TEAM,
                                  "az network private-endpoint dns-zone-group show -g {endpointGroup} "
                                  "--endpoint-name {endpointName} -n default",
                                  ENDPOINT_DNS},
    [CW_CAUSE_CAPACITY] = {CW_REPAIRER_SUBSCRIPTION_OWNER, "portal: the subscription, Usage + quotas",
                           TERMINATIONS},
    [CW_CAUSE_WORKSPACE_NOT_ELIGIBLE] = {CW_REPAIRER_SUBSCRIPTION_OWNER,
                                         "az databricks workspace show --ids {workspace}", GUIDE},
    [CW_CAUSE_WORKER_OUTSIDE] = {CW_REPAIRER_FLEET_OPERATOR, "causeway doctor, on the worker's host",
                                 CONCEPTS},
    [CW_CAUSE_COMPUTE_BLOCKED_UPDATE] = {CW_REPAIRER_WORKSPACE_ADMIN, "portal: the workspace, Compute",
                                         GUIDE},
    [CW_CAUSE_CLUSTER_CONTENT] = {CW_REPAIRER_WORKSPACE_ADMIN,
                                  "the workspace's admin settings, Compute, Global init scripts",
                                  TERMINATIONS},
    [CW_CAUSE_DATABRICKS] = {CW_REPAIRER_SUPPORT, "portal: Help + support, Create a support request",
                             TERMINATIONS},
    [CW_CAUSE_STORAGE_FIREWALL] =
        {CW_REPAIRER_SUBSCRIPTION_OWNER,
         "az databricks workspace show --ids {workspace} --query defaultStorageFirewall", CONCEPTS},
    [CW_CAUSE_UNREADABLE] =
        {CW_REPAIRER_SUBSCRIPTION_OWNER,
         "az role assignment create --role Reader --scope {id} --assignee <the fleet's identity>", GUIDE},
    [CW_CAUSE_IP_ACCESS_LIST] = {CW_REPAIRER_WORKSPACE_ADMIN,
                                 "databricks ip-access-lists list, with the workspace's own CLI",
                                 ACCESS_LISTS},
    [CW_CAUSE_BROWSER_AUTHENTICATION_MISSING] =
        {CW_REPAIRER_NETWORK_TEAM,
         "causeway submit --wait, with a request that says browserAuthentication ensure, once the record is gone",
         STANDARD},
    [CW_CAUSE_BROWSER_RECORD_WRONG] =
        {CW_REPAIRER_NETWORK_TEAM, "portal: {idName}, so that one endpoint's zone group writes the record",
         STANDARD},
    [CW_CAUSE_RESOURCE_LOCKED] = {CW_REPAIRER_NETWORK_TEAM, "az lock list --resource {id}", LOCKS},
};

struct names {
    struct cw_step_ctx *c;
    const struct cw_readings *r;
    const char *id; /* of the first evidence; NULL = none */
};

static const char *zone_of(const struct names *n)
{
    return n->r->linked_zone != NULL ? n->r->linked_zone : n->r->any_zone;
}

static const char *group_of(const struct names *n, const char *id)
{
    const char *group = id == NULL ? NULL : cw_armid_group_of(n->c->call.mem, id);
    return group == NULL ? NULL : cw_armid_name(group);
}

/* NULL when it is not known. */
static const char *value_of(const struct names *n, struct cw_str key)
{
    const struct cw_request *req = n->c->req;
    const char *endpoint = n->r->has_endpoint ? n->r->endpoint.id : NULL, *zone = zone_of(n);
    const struct {
        const char *key;
        const char *value;
    } all[] = {
        {"workspace", req->workspace_id},
        {"name", req->workspace_name},
        {"vnet", n->c->facts->vnet_id},
        {"endpointName", endpoint == NULL ? NULL : cw_armid_name(endpoint)},
        {"endpointGroup", group_of(n, endpoint)},
        {"zoneName", zone == NULL ? NULL : cw_armid_name(zone)},
        {"zoneGroup", group_of(n, zone)},
        {"record", cw_cloud_record_name(n->c->svc->cloud, n->c->facts->workspace_url, n->c->call.mem)},
        {"address", n->r->address},
        {"id", n->id},
        {"idName", n->id == NULL ? NULL : cw_armid_name(n->id)},
        {"idGroup", group_of(n, n->id)},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(all); i++)
        if (cw_str_eq_z(key, all[i].key))
            return all[i].value;
    return NULL;
}

static const char *fill_in(const struct names *n, const char *template)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    for (const char *p = template; *p != '\0';) {
        size_t plain = strcspn(p, "{");
        cw_buf_add(&out, p, plain);
        p += plain;
        if (*p == '\0')
            break;
        size_t len = strcspn(p, "}");
        const char *value = value_of(n, (struct cw_str){p + 1, len - 1});
        if (value == NULL)
            return NULL;
        cw_buf_add_z(&out, value);
        p += len + 1;
    }
    return out.failed ? NULL : cw_arena_strdup(n->c->call.mem, cw_buf_z(&out));
}

void cw_findings_complete(struct cw_step_ctx *c, const struct cw_readings *readings,
                          struct cw_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        struct cw_diagnosis_v1 *d = &findings->items[i];
        const struct remedy *remedy = &remedies[d->cause];
        const struct names n = {c, readings, d->evidence_count > 0 ? d->evidence[0].resource_id : NULL};
        d->repairer = (int)(d->is_safe ? CW_REPAIRER_CAUSEWAY : remedy->repairer);
        d->command = remedy->command == NULL ? NULL : fill_in(&n, remedy->command);
        d->source = remedy->source;
    }
}

int cw_diagnosis_keep(struct cw_step_ctx *c, enum cw_cause cause, const char *message, const char *repair,
                      const struct cw_evidence_v1 *evidence, struct cw_err *err)
{
    struct cw_findings *findings = cw_arena_alloc(c->call.mem, sizeof *findings);
    struct cw_readings *nothing = cw_arena_alloc(c->call.mem, sizeof *nothing);
    if (findings == NULL || nothing == NULL)
        return cw_err_set(err, CW_ENOMEM, "diagnosis");
    (void)cw_finding_add(findings, cause, CW_SURE, false, message, repair);
    cw_finding_evidence(findings, evidence->resource_id, evidence->field, evidence->expected,
                        evidence->found);
    cw_findings_complete(c, nothing, findings);
    c->out->diagnosis = findings->items;
    c->out->diagnosis_count = findings->count;
    return cw_step_keep(c, err);
}

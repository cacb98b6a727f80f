#include "worker/steps/diagnosis.h"

#define AZURE_DNS "168.63.129.16"

struct cw_diagnosis_v1 *cw_finding_add(struct cw_findings *findings, enum cw_cause cause, int confidence,
                                       bool is_safe, const char *message, const char *repair)
{
    if (findings->count == CW_FINDINGS_MAX)
        return NULL;
    struct cw_diagnosis_v1 *d = &findings->items[findings->count];
    *d = (struct cw_diagnosis_v1){
        .cause = (int)cause,
        .confidence = confidence,
        .message = message == NULL ? "" : message,
        .evidence = findings->evidence[findings->count],
        .repair = repair,
        .is_safe = is_safe,
    };
    findings->count++;
    return d;
}

void cw_finding_evidence(struct cw_findings *findings, const char *resource_id, const char *field,
                         const char *expected, const char *found)
{
    if (findings->count == 0)
        return;
    struct cw_diagnosis_v1 *d = &findings->items[findings->count - 1];
    if (d->evidence_count < CW_EVIDENCE_MAX)
        d->evidence[d->evidence_count++] = (struct cw_evidence_v1){resource_id, field, expected, found};
}

void cw_findings_rank(struct cw_findings *findings)
{
    for (size_t i = 1; i < findings->count; i++) {
        struct cw_diagnosis_v1 d = findings->items[i];
        size_t k = i;
        for (; k > 0 && findings->items[k - 1].confidence < d.confidence; k--)
            findings->items[k] = findings->items[k - 1];
        findings->items[k] = d;
    }
}

static bool code_is(const struct cw_step_ctx *c, const char *const *patterns, size_t count)
{
    const char *code = c->facts->cluster_termination.code;
    for (size_t i = 0; code != NULL && i < count; i++)
        if (cw_z_glob(patterns[i], code))
            return true;
    return false;
}

/* Launches fail for the network's shape too: those have findings of their own. */
static bool is_launch_refused(const struct cw_termination_v1 *t)
{
    static const char *const words[] = {"policy", "quota", "not authorized", "AuthorizationFailed",
                                        "SkuNotAvailable"};
    if (!cw_z_starts(t->code, "CLOUD_PROVIDER_LAUNCH_FAILURE"))
        return false;
    for (size_t i = 0; i < CW_ARRAY_LEN(words); i++)
        if (cw_z_contains_nocase(t->message, words[i]))
            return true;
    return false;
}

static void judge_termination(struct cw_step_ctx *c, struct cw_findings *f)
{
    static const char *const content[] = {"INIT_SCRIPT_FAILURE*", "GLOBAL_INIT_SCRIPT_FAILURE*", "DOCKER_*",
                                          "SPARK_STARTUP_FAILURE"};
    static const char *const full[] = {"SUBNET_EXHAUSTED_FAILURE", "IP_EXHAUSTION_FAILURE"};
    static const char *const unsettled[] = {"WORKSPACE_UPDATE"};
    static const char *const storage[] = {"DBFS_COMPONENT_UNHEALTHY"};
    const struct cw_termination_v1 *t = &c->facts->cluster_termination;
    if (!cw_z_eq(cw_facts_proof(c->facts)->step, "launch_cluster")) /* an earlier try's, if any */
        return;
    if (code_is(c, content, CW_ARRAY_LEN(content)))
        (void)cw_finding_add(f, CW_CAUSE_CLUSTER_CONTENT, CW_SURE, false,
                             "the cluster failed by what runs on it, not by the network",
                             "mend or disable the global init script or policy that the message names");
    else if (code_is(c, full, CW_ARRAY_LEN(full)))
        (void)cw_finding_add(f, CW_CAUSE_SUBNET_FULL, CW_SURE, false,
                             "a workspace subnet has no free address",
                             "stop idle pools and clusters, or give the workspace larger subnets");
    else if (code_is(c, unsettled, CW_ARRAY_LEN(unsettled)))
        (void)cw_finding_add(f, CW_CAUSE_NOT_SETTLED, CW_LIKELY, true, "the workspace was being updated",
                             "wait, then verify again");
    else if (code_is(c, storage, CW_ARRAY_LEN(storage)))
        (void)cw_finding_add(
            f, CW_CAUSE_STORAGE_FIREWALL, CW_SURE, false,
            "the workspace's storage account refuses the cluster",
            "give the account private endpoints for blob and dfs, or switch its firewall off");
    else if (cw_z_contains_nocase(t->message, "ssl_error") || cw_z_contains_nocase(t->message, "SSLEOF"))
        (void)cw_finding_add(f, CW_CAUSE_TLS_INSPECTION, CW_SURE, false,
                             "something on the way out opens TLS, and the node does not trust it",
                             "exempt the hosts of Azure Databricks and its storage from TLS inspection");
    else if (is_launch_refused(t))
        (void)cw_finding_add(
            f, CW_CAUSE_CAPACITY, CW_LIKELY, false,
            "Azure refused the virtual machine: a policy, a quota or a permission, not the network",
            "do what the message of Azure says, then verify again");
    else
        return;
    cw_finding_evidence(f, c->facts->cluster_id, "termination_reason.code", "none", t->code);
}

static void judge_workspace(const struct cw_readings *r, struct cw_findings *f)
{
    const struct cw_workspace *ws = &r->workspace;
    if (ws->id == NULL)
        return;
    if (!cw_z_eq_nocase(ws->state, "Succeeded")) {
        (void)cw_finding_add(f, CW_CAUSE_NOT_SETTLED, CW_LIKELY, true,
                             "an operation on the workspace is under way",
                             "wait until the workspace is Succeeded, then verify again");
        cw_finding_evidence(f, ws->id, "properties.provisioningState", "Succeeded", ws->state);
    }
    if (!cw_z_eq(ws->required_nsg_rules, CW_NSG_RULES_NONE)) {
        (void)cw_finding_add(
            f, CW_CAUSE_SETTINGS_MISMATCH, CW_LIKELY, false,
            "the workspace still requires the Azure Databricks NSG rules: clusters may use the public way",
            "send a migrate request, or set required NSG rules to NoAzureDatabricksRules");
        cw_finding_evidence(f, ws->id, "properties.requiredNsgRules", CW_NSG_RULES_NONE,
                            ws->required_nsg_rules);
    }
}

static void judge_worker(const struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    if (c->facts->cluster_id != NULL || !cw_z_eq(cw_facts_proof(c->facts)->code, cw_err_name(CW_EDENIED)))
        return;
    (void)cw_finding_add(f, CW_CAUSE_WORKER_OUTSIDE, CW_SURE, false,
                         "this worker reaches the workspace over its public address, which is shut",
                         "run a worker inside a network with a private endpoint of the workspace");
    cw_finding_evidence(f, r->workspace.id, "properties.publicNetworkAccess",
                        "Enabled, or a private way for the worker", r->workspace.public_network_access);
}

static void judge_endpoint(const struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    const struct cw_private_endpoint *e = &r->endpoint;
    if (!r->has_endpoint) {
        if (r->endpoint_count > 0) {
            (void)cw_finding_add(
                f, CW_CAUSE_ENDPOINT_NOT_APPROVED, CW_SURE, false,
                "the connection's private endpoint is gone",
                "create a new private endpoint (a migrate request does) and remove the dead connection");
            cw_finding_evidence(f, c->req->workspace_id, "properties.privateEndpointConnections",
                                "an endpoint that exists", "404");
        } else {
            (void)cw_finding_add(
                f, CW_CAUSE_ENDPOINT_MISSING, CW_SURE, false, "the workspace has no private endpoint",
                "create one for databricks_ui_api in the workspace's VNet (a migrate request does)");
            cw_finding_evidence(f, c->req->workspace_id, "properties.privateEndpointConnections",
                                "one for databricks_ui_api", "none");
        }
        return;
    }
    if (!cw_z_eq_nocase(e->status, "Approved")) {
        (void)cw_finding_add(f, CW_CAUSE_ENDPOINT_NOT_APPROVED, CW_SURE, cw_z_eq_nocase(e->status, "Pending"),
                             "the endpoint's connection is not approved",
                             cw_z_eq_nocase(e->status, "Pending")
                                 ? "approve it on the workspace (Networking, Private endpoint connections)"
                                 : "create a new endpoint: this connection cannot come back");
        cw_finding_evidence(f, e->id, "privateLinkServiceConnectionState.status", "Approved", e->status);
    }
    if (cw_armid_is_within(e->subnet_id, c->facts->vnet_id))
        return;
    for (size_t i = 0; i < r->vnet.peering_count; i++)
        if (cw_armid_is_within(e->subnet_id, r->vnet.peerings[i].remote_vnet_id) &&
            cw_z_eq_nocase(r->vnet.peerings[i].state, "Connected"))
            return;
    (void)cw_finding_add(f, CW_CAUSE_ENDPOINT_UNREACHABLE, CW_SURE, false,
                         "the endpoint lies in a VNet that the workspace's VNet does not reach",
                         "create a back-end endpoint in the workspace's VNet; leave the other one");
    cw_finding_evidence(f, e->id, "properties.subnet.id", c->facts->vnet_id, e->subnet_id);
}

static bool is_other_endpoint(const struct cw_readings *r, const char *address)
{
    /* More endpoints than ours, and an address that is not ours: the second one's zone group wrote it. */
    return r->endpoint_count > 1 && !cw_z_eq(address, r->address);
}

static void judge_record(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    const char *expected = r->address == NULL ? "the endpoint's address" : r->address;
    if (!r->has_record) {
        (void)cw_finding_add(f, CW_CAUSE_RECORD_MISSING, r->linked_zone == NULL ? CW_POSSIBLE : CW_SURE, true,
                             "the zone has no record of the workspace",
                             "add a zone group to the endpoint, or write the A record");
        cw_finding_evidence(f, r->any_zone, name, expected, "none");
        return;
    }
    const char *found = r->record.address_count > 0 ? r->record.addresses[0] : "none";
    if (r->address == NULL || (r->record.address_count == 1 && cw_z_eq(found, r->address)))
        return;
    bool is_taken = is_other_endpoint(r, found);
    (void)cw_finding_add(
        f, is_taken ? CW_CAUSE_RECORD_OVERWRITTEN : CW_CAUSE_RECORD_WRONG, CW_SURE, false,
        is_taken ? "the record points at another endpoint of the workspace"
                 : "the record does not point at the endpoint",
        is_taken ? "use a zone of its own for each VNet, and restore the record"
                 : "point the record at the endpoint's address; lower its TTL first if others read it");
    cw_finding_evidence(f, r->any_zone, name, expected, found);
}

static void judge_dns(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    if (r->zone_name == NULL)
        return;
    bool is_custom = false;
    for (size_t i = 0; i < r->vnet.dns_server_count; i++)
        is_custom = is_custom || !cw_z_eq(r->vnet.dns_servers[i], AZURE_DNS);
    if (is_custom) {
        (void)cw_finding_add(
            f, CW_CAUSE_CUSTOM_DNS, r->linked_zone == NULL ? CW_SURE - 1 : CW_LIKELY, false,
            "the VNet uses DNS servers of its own, which must forward to Azure's resolver",
            "forward the workspaces' public domain to 168.63.129.16 from a VNet that the zone is linked to");
        cw_finding_evidence(f, c->facts->vnet_id, "properties.dhcpOptions.dnsServers", AZURE_DNS,
                            r->vnet.dns_servers[0]);
    }
    for (size_t i = 0; i < r->zone_group.zone_count; i++) {
        const char *name = cw_armid_name(r->zone_group.zone_ids[i]);
        if (cw_z_eq_nocase(name, r->zone_name))
            continue;
        (void)cw_finding_add(
            f, CW_CAUSE_WRONG_ZONE_NAME, CW_SURE + 1, false,
            "the endpoint's zone group holds a zone of another name: no record is written",
            "put a zone of the needed name into the zone group, linked to the workspace's VNet");
        cw_finding_evidence(f, r->zone_group.id, "privateDnsZoneConfigs", r->zone_name, name);
    }
    if (r->linked_zone == NULL) {
        (void)cw_finding_add(f, CW_CAUSE_ZONE_NOT_LINKED, is_custom ? CW_POSSIBLE : CW_SURE, true,
                             "the private DNS zone is not linked to the workspace's VNet",
                             "link the zone to the VNet, without auto-registration");
        cw_finding_evidence(f, r->any_zone == NULL ? r->zone_name : r->any_zone, "virtualNetworkLinks",
                            c->facts->vnet_id, "no such link");
    }
    if (r->any_zone != NULL)
        judge_record(c, r, f);
}

void cw_diagnosis_judge(struct cw_step_ctx *c, const struct cw_readings *readings,
                        struct cw_findings *findings)
{
    judge_termination(c, findings);
    judge_workspace(readings, findings);
    judge_worker(c, readings, findings);
    judge_endpoint(c, readings, findings);
    judge_dns(c, readings, findings);
    cw_diagnosis_judge_network(c, readings, findings);
    if (findings->count > 0)
        return;
    (void)cw_finding_add(
        findings, CW_CAUSE_DATABRICKS, 30, true, "every reading of the network is in order",
        "verify again later; then open a support ticket with the cluster id and its termination reason");
    cw_finding_evidence(findings, c->facts->cluster_id, "termination_reason.code", "none",
                        c->facts->cluster_termination.code);
}

#include "common/azure/prefix.h"
#include "schema/probe_v1.h"
#include "worker/steps/diagnosis.h"
#include "worker/steps/probe_script.h"

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

static bool is_code(const struct cw_step_ctx *c, const char *pattern)
{
    const char *code = c->facts->cluster_termination.code;
    return code != NULL && cw_z_glob(pattern, code);
}

/* What the reason of the failed start says by itself. */
static void judge_termination(struct cw_step_ctx *c, struct cw_findings *f)
{
    const struct cw_termination_v1 *t = &c->facts->cluster_termination;
    if (!cw_z_eq(cw_facts_proof(c->facts)->step, "launch_cluster")) /* an earlier try's, if any */
        return;
    if (is_code(c, "SUBNET_EXHAUSTED_FAILURE") || is_code(c, "IP_EXHAUSTION_FAILURE"))
        (void)cw_finding_add(f, CW_CAUSE_SUBNET_FULL, CW_SURE, false,
                             "a workspace subnet has no free address",
                             "stop idle pools and clusters, or give the workspace larger subnets");
    else if (is_code(c, "WORKSPACE_UPDATE"))
        (void)cw_finding_add(f, CW_CAUSE_NOT_SETTLED, CW_LIKELY, true, "the workspace was being updated",
                             "wait, then verify again");
    else if (is_code(c, "DBFS_COMPONENT_UNHEALTHY"))
        (void)cw_finding_add(
            f, CW_CAUSE_STORAGE_FIREWALL, CW_SURE, false,
            "the workspace's storage account refuses the cluster",
            "give the account private endpoints for blob and dfs, or switch its firewall off");
    else if (cw_z_contains_nocase(t->message, "ssl_error") || cw_z_contains_nocase(t->message, "SSLEOF"))
        (void)cw_finding_add(f, CW_CAUSE_TLS_INSPECTION, CW_SURE, false,
                             "something on the way out opens TLS, and the node does not trust it",
                             "exempt the hosts of Azure Databricks and its storage from TLS inspection");
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
            f, CW_CAUSE_SETTINGS_MISMATCH, CW_SURE, false,
            "the workspace still requires the Azure Databricks NSG rules: clusters may use the public way",
            "send a migrate request, or set required NSG rules to NoAzureDatabricksRules");
        cw_finding_evidence(f, ws->id, "properties.requiredNsgRules", CW_NSG_RULES_NONE,
                            ws->required_nsg_rules);
    }
}

static void judge_worker(const struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    bool is_shut = cw_z_eq_nocase(r->workspace.public_network_access, "Disabled");
    if (c->facts->cluster_id != NULL || !cw_z_eq(cw_facts_proof(c->facts)->code, cw_err_name(CW_EDENIED)))
        return;
    if (!is_shut) {
        (void)cw_finding_add(f, CW_CAUSE_IP_ACCESS_LIST, CW_SURE, false,
                             "an IP access list of the workspace does not know this worker's address",
                             "add the address that this fleet comes from to an ALLOW list of the workspace");
        cw_finding_evidence(f, r->workspace.id, "ip-access-lists", "this worker's address",
                            cw_facts_proof(c->facts)->message);
        return;
    }
    (void)cw_finding_add(f, CW_CAUSE_WORKER_OUTSIDE, CW_SURE, false,
                         "this worker reaches the workspace over its public address, which is shut",
                         "run a worker inside a network with a private endpoint of the workspace");
    cw_finding_evidence(f, r->workspace.id, "properties.publicNetworkAccess",
                        "Enabled, or a private way for the worker", r->workspace.public_network_access);
}

/* The nodes come over the public way, and only listed addresses may. Which one they have is Azure's secret, unless it is refused. */
static void judge_access(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    enum cw_sign sign = cw_diagnosis_sign(c);
    bool is_on = r->has_access && r->access.is_enabled;
    if (!is_on && sign != CW_SIGN_ACCESS_LIST)
        return;
    (void)cw_finding_add(
        f, CW_CAUSE_IP_ACCESS_LIST, sign == CW_SIGN_ACCESS_LIST ? CW_SURE + 1 : CW_SURE, false,
        "the nodes come over the public way, and an IP access list decides who may",
        "give the workspace its private way, or add the nodes' public address to an ALLOW list");
    cw_finding_evidence(f, r->workspace.id, "enableIpAccessLists", "false, or the nodes' address in a list",
                        r->access.allowed_count > 0
                            ? cw_arena_printf(c->call.mem, "%zu allowed, such as %s", r->access.allowed_count,
                                              r->access.allowed[0])
                            : "true");
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

static bool is_record_right(const struct cw_readings *r)
{
    return r->has_record && r->address != NULL && r->record.address_count == 1 &&
           cw_z_eq(r->record.addresses[0], r->address);
}

/* A server inside the workspace's own VNet sees the zone through that VNet's link. */
static bool is_server_inside(const struct cw_vnet *vnet)
{
    uint32_t address;
    struct cw_prefix prefix;
    if (vnet->dns_server_count == 0 || !cw_address_parse(vnet->dns_servers[0], &address))
        return false;
    for (size_t i = 0; i < vnet->prefix_count; i++)
        if (cw_prefix_parse(vnet->prefixes[i], &prefix) && cw_prefix_has_address(prefix, address))
            return true;
    return false;
}

/* Servers of the customer's: do they forward, and what do they remember? The zone is right and nobody answers: an old address. */
static void judge_custom_dns(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    enum cw_sign sign = cw_diagnosis_sign(c);
    bool is_stale = sign == CW_SIGN_NO_ANSWER && is_record_right(r);
    bool needs_link = r->linked_zone == NULL && is_server_inside(&r->vnet);
    bool is_sure = r->linked_zone == NULL || sign == CW_SIGN_PUBLIC_WAY || sign == CW_SIGN_NO_NAME;
    if (is_stale) {
        (void)cw_finding_add(
            f, CW_CAUSE_STALE_DNS, CW_LIKELY + 5, false,
            "the record is right, but the VNet's DNS servers seem to answer with an old one",
            "clear the cache of these DNS servers, or wait until it ends, then start a new cluster");
        cw_finding_evidence(f, c->facts->vnet_id, "properties.dhcpOptions.dnsServers", r->address,
                            "an address at which nobody answers");
    }
    (void)cw_finding_add(
        f, CW_CAUSE_CUSTOM_DNS,
        is_stale || needs_link ? CW_POSSIBLE - 1
        : is_sure              ? CW_SURE - 1
                               : CW_LIKELY,
        false, "the VNet uses DNS servers of its own, which must forward to Azure's resolver",
        "forward the workspaces' public domain to 168.63.129.16 from a VNet that the zone is linked to");
    cw_finding_evidence(f, c->facts->vnet_id, "properties.dhcpOptions.dnsServers", AZURE_DNS,
                        r->vnet.dns_servers[0]);
}

/* What the node itself was told, where the records are right. */
static void judge_probe(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    struct cw_probe_v1 probe = {0};
    struct cw_prefix one = {.bits = 32};
    struct cw_err ignored = {0};
    const char *json = c->facts->probe_json;
    if (!cw_z_eq(cw_facts_proof(c->facts)->step, "run_probe") || json == NULL || !is_record_right(r) ||
        cw_probe_decode(json, strlen(json), c->call.mem, &probe, &ignored) < 0 || probe.dns_count == 0)
        return;
    const struct cw_probe_dns_v1 *answer = &probe.dns[0];
    const char *found = answer->address_count > 0 ? answer->addresses[0] : answer->rcode;
    if (answer->address_count > 0 && cw_z_eq(found, r->address))
        return;
    bool is_custom = !cw_z_eq(answer->server, AZURE_DNS);
    bool is_private =
        answer->address_count > 0 && cw_address_parse(found, &one.base) && cw_prefix_is_private(one);
    if (is_private || !is_custom)
        (void)cw_finding_add(f, CW_CAUSE_STALE_DNS, CW_SURE, !is_custom,
                             "the record is right, but the node was told an old one",
                             is_custom
                                 ? "clear the cache of this DNS server, then start a new cluster"
                                 : "wait as long as the old record lives, then verify with a new cluster");
    else
        (void)cw_finding_add(
            f, CW_CAUSE_CUSTOM_DNS, CW_SURE, false,
            "the VNet's DNS server does not ask Azure's resolver for the workspace's name",
            "forward the workspaces' public domain to 168.63.129.16 from a VNet that the zone is "
            "linked to");
    cw_finding_evidence(f, c->facts->vnet_id, cw_arena_printf(c->call.mem, "answer of %s", answer->server),
                        r->address, found);
}

/* What was found to lack in the zone cannot be added by us. */
static void judge_lock(const struct cw_readings *r, struct cw_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].cause == CW_CAUSE_ZONE_NOT_LINKED || f->items[i].cause == CW_CAUSE_RECORD_MISSING)
            f->items[i].is_safe = false;
    (void)cw_finding_add(f, CW_CAUSE_RESOURCE_LOCKED, CW_LIKELY, false,
                         "a lock forbids changes of the private DNS zone: what lacks there cannot be added",
                         "let the owner of the lock add it, or lift the lock meanwhile");
    cw_finding_evidence(f, r->any_zone, r->zone_lock->name, "no ReadOnly lock", r->zone_lock->level);
}

static void judge_dns(struct cw_step_ctx *c, const struct cw_readings *r, struct cw_findings *f)
{
    if (r->zone_name == NULL)
        return;
    bool is_custom = false;
    for (size_t i = 0; i < r->vnet.dns_server_count; i++)
        is_custom = is_custom || !cw_z_eq(r->vnet.dns_servers[i], AZURE_DNS);
    if (is_custom)
        judge_custom_dns(c, r, f);
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
        (void)cw_finding_add(f, CW_CAUSE_ZONE_NOT_LINKED,
                             is_custom && !is_server_inside(&r->vnet) ? CW_POSSIBLE : CW_SURE, true,
                             "the private DNS zone is not linked to the workspace's VNet",
                             "link the zone to the VNet, without auto-registration");
        cw_finding_evidence(f, r->any_zone == NULL ? r->zone_name : r->any_zone, "virtualNetworkLinks",
                            c->facts->vnet_id, "no such link");
    }
    if (r->any_zone != NULL)
        judge_record(c, r, f);
    if (r->zone_lock != NULL)
        judge_lock(r, f);
}

void cw_diagnosis_judge(struct cw_step_ctx *c, const struct cw_readings *readings,
                        struct cw_findings *findings)
{
    judge_termination(c, findings);
    judge_access(c, readings, findings);
    judge_workspace(readings, findings);
    judge_worker(c, readings, findings);
    judge_endpoint(c, readings, findings);
    judge_dns(c, readings, findings);
    judge_probe(c, readings, findings);
    cw_diagnosis_judge_network(c, readings, findings);
    bool is_clean = findings->count == 0;
    if (!is_clean && !cw_diagnosis_blames_service(c))
        return;
    (void)cw_finding_add(
        findings, CW_CAUSE_DATABRICKS, is_clean ? 30 : 60, true,
        is_clean ? "every reading of the network is in order"
                 : "the start failed for a reason that is the service's own",
        "verify again later; then open a support ticket with the cluster id and its termination reason");
    cw_finding_evidence(findings, c->facts->cluster_id, "termination_reason.code", "none",
                        c->facts->cluster_termination.code);
}

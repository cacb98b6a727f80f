/* verify_dns: the zone is linked to the workspace's VNet, and its record equals the endpoint's address.
 * Wrong, missing, stale and duplicate are told apart. A name server of the worker's own network (dns.resolver) is asked first: what it
 * proves is not read from Azure.  Writes: nothing.  Source: guide, shared steps, step 1. */
#include "common/azure/privatedns.h"
#include "common/azure/workspace.h"
#include "worker/steps/browser_picture.h"
#include "worker/steps/dns_record.h"
#include "worker/steps/plans.h"

#define STEP "verify_dns"
#define AZURE_DNS "168.63.129.16"

static int proof_failed(struct cw_step_ctx *c, const char *remedy, const char *what, const char *detail)
{
    return cw_step_proof_failed(c, STEP, CW_EMISCONFIGURED, remedy, "%s%s%s", what,
                                detail == NULL ? "" : ": ", detail == NULL ? "" : detail);
}

/* One connection: sets the facts when its endpoint is approved, in the workspace's VNet, and has an address. */
static int look_at_endpoint(struct cw_step_ctx *c, const struct cw_endpoint_connection *connection,
                            const char **ret_address, struct cw_err *err)
{
    struct cw_private_endpoint endpoint;
    struct cw_nic nic = {0};
    int r = cw_network_get_private_endpoint(c->svc->arm, &c->call, connection->endpoint_id, &endpoint, err);
    if (r == -CW_ENOTFOUND || (r == 0 && !cw_armid_is_within(endpoint.subnet_id, c->facts->vnet_id))) {
        cw_err_clear(err);
        return 0;
    }
    if (r == 0)
        r = cw_network_get_nic(c->svc->arm, &c->call, endpoint.nic_id, &nic, err);
    if (r < 0 || nic.address_count == 0)
        return r;
    c->out->endpoint_id = endpoint.id;
    c->out->endpoint_name = endpoint.name;
    c->out->endpoint_status = endpoint.status;
    c->out->nic_id = endpoint.nic_id;
    c->out->endpoint_address = *ret_address = nic.addresses[0];
    cw_step_found(c, "endpoint %s has address %s", endpoint.name, nic.addresses[0]);
    return 0;
}

/* The approved databricks_ui_api endpoint in the workspace's VNet; without one the status says what there is instead. */
static int find_endpoint(struct cw_step_ctx *c, const char **ret_address, struct cw_err *err)
{
    struct cw_workspace ws;
    const char *status = "None";
    *ret_address = c->facts->endpoint_address;
    if (*ret_address != NULL)
        return 0;
    int r = cw_workspace_get(c->svc->arm, &c->call, c->req->workspace_id, &ws, err);
    for (size_t i = 0; r == 0 && *ret_address == NULL && i < ws.connection_count; i++) {
        const struct cw_endpoint_connection *connection = &ws.connections[i];
        if (!cw_z_eq_nocase(connection->group_id, CW_GROUP_UI_API))
            continue;
        if (cw_z_eq_nocase(connection->status, "Approved"))
            r = look_at_endpoint(c, connection, ret_address, err);
        else if (connection->status != NULL)
            status = connection->status;
    }
    if (r == 0 && *ret_address == NULL)
        c->out->endpoint_status = status;
    return r < 0 ? cw_err_wrap(err, "look for the private endpoint") : 0;
}

static void keep_answer(struct cw_step_ctx *c, const struct cw_dns_answer *answer)
{
    c->out->resolver = (struct cw_probe_dns_v1){
        .server = answer->server,
        .rcode = answer->rcode,
        .cname = answer->cname,
        .cname_count = answer->cname_count,
        .addresses = answer->addresses,
        .address_count = answer->address_count,
        .ttl = answer->ttl,
    };
}

/* *ret_proven: the record leads to the endpoint. Nothing else that a server says means anything: the worker may sit elsewhere. */
static int ask_resolver(struct cw_step_ctx *c, const char *address, bool *ret_proven, struct cw_err *err)
{
    struct cw_dns_answer answer;
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    *ret_proven = false;
    if (c->svc->dns == NULL || name == NULL)
        return 0;
    int r = cw_resolver_ask(c->svc->dns, &c->call, c->facts->workspace_url, &answer, err);
    if (r == -CW_ENET || (r == -CW_ETIMEDOUT && !cw_is_past(c->call.until))) {
        cw_step_found(c, "the worker's name server did not answer (%s): Azure is read instead", err->text);
        cw_err_clear(err);
        return 0;
    }
    if (r < 0)
        return cw_err_wrap(err, "ask the worker's name server");
    keep_answer(c, &answer);
    *ret_proven = cw_resolver_proves(&answer, c->svc->cloud, address);
    if (!*ret_proven) {
        cw_step_found(
            c, "the worker's name server %s answers %s for %s, which may be its own view: Azure is read",
            answer.server, answer.address_count > 0 ? answer.addresses[0] : answer.rcode,
            c->facts->workspace_url);
        return 0;
    }
    cw_step_found(c,
                  "the worker's name server %s answers %s by way of %s: the record was not read from Azure",
                  answer.server, answer.addresses[0], answer.cname[0]);
    c->out->record_name = name;
    r = cw_dns_record_keep(c, name, answer.addresses, answer.address_count, answer.ttl);
    return r < 0 ? cw_err_set(err, CW_ENOMEM, "record") : 0;
}

/* The zone that the VNet sees; when there is none, a zone that holds the record, so that the evidence can name it. */
static int find_zone(struct cw_step_ctx *c, const char **ret_zone, bool *ret_is_linked, struct cw_err *err)
{
    const char *name = c->facts->zone_name;
    const char *link = NULL;
    int r = 0;
    if (name == NULL)
        r = cw_workspace_zone_name(c->svc->arm, &c->call, c->req->workspace_id, CW_GROUP_UI_API, &name, err);
    if (r == 0)
        r = cw_privatedns_find_linked_zone(c->svc->arm, &c->call, c->req->subscription_id, name,
                                           c->facts->vnet_id, ret_zone, &link, err);
    if (r < 0)
        return cw_err_wrap(err, "look for the private DNS zone");
    c->out->zone_name = name;
    *ret_is_linked = *ret_zone != NULL;
    if (!*ret_is_linked && c->req->private_dns.zone_id != NULL && c->facts->link_id != NULL) {
        *ret_zone = c->req->private_dns.zone_id; /* the hub's zone, in a subscription of its own */
        *ret_is_linked = true;
    }
    c->out->zone_id = *ret_zone;
    c->out->link_id = link;
    return 0;
}

static int check_record(struct cw_step_ctx *c, const char *zone, const char *address, struct cw_err *err)
{
    struct cw_dns_record record;
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    if (name == NULL)
        return cw_err_set(err, CW_EPROTO, "workspace URL %s is not of this cloud", c->facts->workspace_url);
    c->out->record_name = name;
    int r = cw_privatedns_get_record(c->svc->arm, &c->call, zone, name, &record, err);
    if (r == -CW_ENOTFOUND)
        return cw_dns_record_missing(c, STEP, name);
    if (r < 0)
        return cw_err_wrap(err, "record %s", name);
    if (cw_dns_record_keep(c, record.name, record.addresses, record.address_count, record.ttl) < 0)
        return cw_err_set(err, CW_ENOMEM, "record");
    return cw_dns_record_judge(c, STEP, &record, address, err);
}

static int has_own_dns(struct cw_step_ctx *c, bool *ret_has, struct cw_err *err)
{
    struct cw_vnet vnet;
    int r = cw_network_get_vnet(c->svc->arm, &c->call, c->facts->vnet_id, &vnet, err);
    if (r < 0)
        return cw_err_wrap(err, "virtual network");
    *ret_has = false;
    for (size_t i = 0; i < vnet.dns_server_count; i++)
        *ret_has = *ret_has || !cw_z_eq(vnet.dns_servers[i], AZURE_DNS);
    return 0;
}

/* The VNet asks DNS servers of its own, as in a hub: they see the zone through a link of theirs, and only a node can tell
 * whether they forward. A record that can be found is checked all the same. */
static int check_behind_own_dns(struct cw_step_ctx *c, const char *address, struct cw_err *err)
{
    const struct cw_zone *zones = NULL;
    size_t count = 0;
    struct cw_dns_record record;
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    cw_step_found(c, "the VNet asks DNS servers of its own: what they answer is seen on the cluster");
    int r = cw_privatedns_list_zones(c->svc->arm, &c->call, c->req->subscription_id, c->out->zone_name,
                                     &zones, &count, err);
    if (r < 0)
        return cw_err_wrap(err, "look for the private DNS zone");
    for (size_t i = 0; name != NULL && i < count; i++) {
        r = cw_privatedns_get_record(c->svc->arm, &c->call, zones[i].id, name, &record, err);
        if (r == 0) {
            c->out->zone_id = zones[i].id;
            return check_record(c, zones[i].id, address, err);
        }
        if (r != -CW_ENOTFOUND)
            return cw_err_wrap(err, "record %s", name);
    }
    cw_err_clear(err);
    return 0;
}

/* What of the zone is to be read. A record that the worker's name server has proven is not; neither is the link then, when a node of the
 * workspace will be asked, which sees both. */
static int check_zone(struct cw_step_ctx *c, const char *address, bool has_record, struct cw_err *err)
{
    bool is_elsewhere = false;
    const char *zone = NULL;
    bool is_linked = false;
    if (has_record && c->req->options.launch_cluster)
        return 0;
    int r = find_zone(c, &zone, &is_linked, err);
    if (r == 0 && !is_linked)
        r = has_own_dns(c, &is_elsewhere, err);
    if (r < 0)
        return r;
    if (is_elsewhere)
        return check_behind_own_dns(c, address, err);
    if (!is_linked)
        return proof_failed(c, "link the private DNS zone to the workspace's VNet",
                            "no private DNS zone of the needed name is linked to the workspace's VNet",
                            c->out->zone_name);
    return has_record ? 0 : check_record(c, zone, address, err);
}

static int verify(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *address = NULL;
    bool has_record = false;
    int r = find_endpoint(c, &address, err);
    if (r < 0)
        return r;
    if (address == NULL)
        return proof_failed(c,
                            "create a private endpoint for " CW_GROUP_UI_API
                            " in the workspace's VNet (a migrate request does)",
                            "no approved " CW_GROUP_UI_API " endpoint lies in the workspace's VNet", NULL);
    r = ask_resolver(c, address, &has_record, err);
    return r < 0 ? r : check_zone(c, address, has_record, err);
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    const char *browser_zone = c->facts->browser_zone_id;
    int r = verify(c, err);
    if (r < 0 || c->out->proof_error.code != NULL || c->out->proof_again.code != NULL)
        return r;
    return cw_browser_check(c, browser_zone != NULL ? browser_zone : c->out->zone_id, err);
}

/* After repairs, once. */
static bool when_again(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)req;
    return facts->is_repaired == CW_TRI_YES;
}

const struct cw_step cw_step_verify_dns = {
    .name = STEP,
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(15) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 2000, .cap_ms = 60000},
    .run = run,
};

const struct cw_step cw_step_verify_dns_again = {
    .name = STEP "_again",
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(15) * 60 * 1000,
    .retry = {.attempts = 6, .base_ms = 2000, .cap_ms = 60000},
    .when = when_again,
    .run = run,
};

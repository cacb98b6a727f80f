#include "worker/steps/diagnosis.h"

/* 0 = go on (what could not be read is a finding), else the error that ends the diagnosis. */
static int tolerate(struct cw_step_ctx *c, struct cw_findings *findings, const char *resource_id, int r,
                    struct cw_err *err)
{
    if (r == 0 || r == -CW_ENOTFOUND)
        return 0;
    if (cw_class_is_stop(err->class) || r == -CW_ENOMEM || cw_is_past(c->call.until))
        return r;
    if (cw_finding_add(findings, CW_CAUSE_UNREADABLE, 20, false, cw_step_copy(c, err->text),
                       "give the worker's identity the right to read this resource") != NULL)
        cw_finding_evidence(findings, resource_id, "read", "allowed",
                            err->remote_code[0] != '\0' ? cw_step_copy(c, err->remote_code)
                                                        : cw_err_name(err->code));
    return 0;
}

static bool is_better(const struct cw_step_ctx *c, const struct cw_private_endpoint *a,
                      const struct cw_private_endpoint *b)
{
    bool a_near = cw_armid_is_within(a->subnet_id, c->facts->vnet_id);
    bool b_near = cw_armid_is_within(b->subnet_id, c->facts->vnet_id);
    if (a_near != b_near)
        return a_near;
    return cw_z_eq_nocase(a->status, "Approved") && !cw_z_eq_nocase(b->status, "Approved");
}

/* A connection whose other side is gone leaves the workspace's list; the endpoint itself still names the workspace. */
static int read_orphans(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                        struct cw_err *err)
{
    const struct cw_private_endpoint *endpoints = NULL;
    size_t count = 0;
    int got = cw_network_list_private_endpoints(c->svc->arm, &c->call, c->req->subscription_id,
                                                c->req->workspace_id, &endpoints, &count, err);
    for (size_t i = 0; got == 0 && i < count; i++) {
        if (!cw_z_eq_nocase(endpoints[i].group_id, CW_GROUP_UI_API))
            continue;
        if (!r->has_endpoint || is_better(c, &endpoints[i], &r->endpoint))
            r->endpoint = endpoints[i];
        r->has_endpoint = true;
    }
    return tolerate(c, findings, c->req->subscription_id, got, err);
}

static int read_endpoints(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                          struct cw_err *err)
{
    for (size_t i = 0; i < r->workspace.connection_count; i++) {
        const struct cw_endpoint_connection *connection = &r->workspace.connections[i];
        struct cw_private_endpoint endpoint;
        if (!cw_z_eq_nocase(connection->group_id, CW_GROUP_UI_API))
            continue;
        r->endpoint_count++;
        int got =
            cw_network_get_private_endpoint(c->svc->arm, &c->call, connection->endpoint_id, &endpoint, err);
        int end = tolerate(c, findings, connection->endpoint_id, got, err);
        if (end < 0)
            return end;
        if (got == 0 && (!r->has_endpoint || is_better(c, &endpoint, &r->endpoint))) {
            r->endpoint = endpoint;
            r->has_endpoint = true;
        }
    }
    if (!r->has_endpoint) {
        int end = read_orphans(c, r, findings, err);
        if (end < 0)
            return end;
    }
    if (!r->has_endpoint || r->endpoint.nic_id == NULL)
        return 0;
    struct cw_nic nic;
    int got = cw_network_get_nic(c->svc->arm, &c->call, r->endpoint.nic_id, &nic, err);
    if (got == 0 && nic.address_count > 0)
        r->address = nic.addresses[0];
    return tolerate(c, findings, r->endpoint.nic_id, got, err);
}

static int read_zone_group(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                           struct cw_err *err)
{
    if (!r->has_endpoint)
        return 0;
    int got = cw_network_get_zone_group(c->svc->arm, &c->call, r->endpoint.id, &r->zone_group, err);
    return tolerate(c, findings, r->endpoint.id, got, err);
}

/* Where nothing is linked, the zone that would serve: one that holds the record, else any of the name. */
static int read_other_zones(struct cw_step_ctx *c, struct cw_readings *r, const char *record_name,
                            struct cw_findings *findings, struct cw_err *err)
{
    const struct cw_zone *zones = NULL;
    size_t count = 0;
    int got = cw_privatedns_list_zones(c->svc->arm, &c->call, c->req->subscription_id, r->zone_name, &zones,
                                       &count, err);
    int end = tolerate(c, findings, c->req->subscription_id, got, err);
    if (end < 0 || got < 0)
        return end;
    for (size_t i = 0; i < count && !r->has_record; i++) {
        if (r->any_zone == NULL)
            r->any_zone = zones[i].id;
        got = cw_privatedns_get_record(c->svc->arm, &c->call, zones[i].id, record_name, &r->record, err);
        end = tolerate(c, findings, zones[i].id, got, err);
        if (end < 0)
            return end;
        if (got == 0) {
            r->has_record = true;
            r->any_zone = zones[i].id;
        }
    }
    return 0;
}

static int read_dns(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                    struct cw_err *err)
{
    const char *link = NULL;
    const char *name = cw_cloud_record_name(c->svc->cloud, c->facts->workspace_url, c->call.mem);
    int got = cw_workspace_zone_name(c->svc->arm, &c->call, c->req->workspace_id, CW_GROUP_UI_API,
                                     &r->zone_name, err);
    if (got == 0)
        got = cw_privatedns_find_linked_zone(c->svc->arm, &c->call, c->req->subscription_id, r->zone_name,
                                             c->facts->vnet_id, &r->linked_zone, &link, err);
    int end = tolerate(c, findings, c->req->workspace_id, got, err);
    if (end < 0 || got < 0 || name == NULL)
        return end;
    if (r->linked_zone == NULL)
        return read_other_zones(c, r, name, findings, err);
    r->any_zone = r->linked_zone;
    got = cw_privatedns_get_record(c->svc->arm, &c->call, r->linked_zone, name, &r->record, err);
    r->has_record = got == 0;
    return tolerate(c, findings, r->linked_zone, got, err);
}

static int read_nsg(struct cw_step_ctx *c, const char *id, struct cw_nsg *ret, struct cw_findings *findings,
                    struct cw_err *err)
{
    if (id == NULL)
        return 0;
    int got = cw_network_get_nsg(c->svc->arm, &c->call, id, ret, err);
    return tolerate(c, findings, id, got, err);
}

static int read_routes(struct cw_step_ctx *c, const char *id, struct cw_route_table *ret,
                       struct cw_findings *findings, struct cw_err *err)
{
    if (id == NULL)
        return 0;
    int got = cw_egress_get_route_table(c->svc->arm, &c->call, id, ret, err);
    return tolerate(c, findings, id, got, err);
}

static int read_nat(struct cw_step_ctx *c, const char *id, struct cw_nat_gateway *ret,
                    struct cw_findings *findings, struct cw_err *err)
{
    if (id == NULL)
        return 0;
    int got = cw_egress_get_nat_gateway(c->svc->arm, &c->call, id, ret, err);
    return tolerate(c, findings, id, got, err);
}

static int read_needs(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                      struct cw_err *err)
{
    const struct cw_outbound_endpoint *endpoints = NULL;
    size_t count = 0;
    int got =
        cw_workspace_list_outbound(c->svc->arm, &c->call, c->req->workspace_id, &endpoints, &count, err);
    int end = tolerate(c, findings, c->req->workspace_id, got, err);
    if (end < 0)
        return end;
    r->needs = cw_needs_of(endpoints, got < 0 ? 0 : count, c->facts->location, c->call.mem, &r->need_count);
    return r->needs == NULL ? cw_err_set(err, CW_ENOMEM, "outbound endpoints") : 0;
}

static int read_subnets(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                        struct cw_err *err)
{
    int got = cw_network_get_vnet(c->svc->arm, &c->call, c->facts->vnet_id, &r->vnet, err);
    int end = tolerate(c, findings, c->facts->vnet_id, got, err);
    if (end < 0 || got < 0)
        return end;
    const struct cw_subnet *host = cw_vnet_subnet(&r->vnet, c->facts->host_subnet);
    const struct cw_subnet *container = cw_vnet_subnet(&r->vnet, c->facts->container_subnet);
    const struct cw_subnet *endpoints =
        r->has_endpoint ? cw_vnet_subnet(&r->vnet, cw_armid_name(r->endpoint.subnet_id)) : NULL;
    if (host != NULL)
        end = read_nsg(c, host->nsg_id, &r->host_nsg, findings, err);
    if (end == 0 && container != NULL)
        end = read_nsg(c, container->nsg_id, &r->container_nsg, findings, err);
    if (end == 0 && endpoints != NULL)
        end = read_nsg(c, endpoints->nsg_id, &r->endpoint_nsg, findings, err);
    if (end == 0 && host != NULL)
        end = read_routes(c, host->route_table_id, &r->host_routes, findings, err);
    if (end == 0 && container != NULL)
        end = read_routes(c, container->route_table_id, &r->container_routes, findings, err);
    if (end == 0 && host != NULL)
        end = read_nat(c, host->nat_gateway_id, &r->host_nat, findings, err);
    if (end == 0 && container != NULL)
        end = read_nat(c, container->nat_gateway_id, &r->container_nat, findings, err);
    return end < 0 ? end : read_needs(c, r, findings, err);
}

/* IP access lists matter where somebody comes over the public way: the nodes, or this worker, which may not even ask. */
static int read_access(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                       struct cw_err *err)
{
    const struct cw_target target = cw_step_target(c);
    bool is_private = r->has_endpoint && cw_z_eq_nocase(r->endpoint.status, "Approved") &&
                      cw_z_eq(r->workspace.required_nsg_rules, CW_NSG_RULES_NONE);
    bool is_denied = cw_z_eq(cw_facts_proof(c->facts)->code, cw_err_name(CW_EDENIED));
    if (target.workspace_url == NULL || (is_private && !is_denied))
        return 0;
    int got = cw_databricks_get_ip_access(c->svc->databricks, &c->call, &target, &r->access, err);
    r->has_access = got == 0;
    r->is_worker_refused = got == -CW_EDENIED && cw_databricks_is_network_refused(err);
    return r->is_worker_refused ? 0 : tolerate(c, findings, c->req->workspace_id, got, err);
}

/* What lacks in a zone is added only where no lock forbids it. */
static int read_lock(struct cw_step_ctx *c, struct cw_readings *r, struct cw_findings *findings,
                     struct cw_err *err)
{
    const struct cw_lock *locks = NULL;
    size_t count = 0;
    if (r->any_zone == NULL || (r->linked_zone != NULL && r->has_record))
        return 0;
    int got = cw_resources_list_locks(c->svc->arm, &c->call, r->any_zone, &locks, &count, err);
    for (size_t i = 0; got == 0 && i < count; i++)
        if (cw_z_eq_nocase(locks[i].level, "ReadOnly"))
            r->zone_lock = &locks[i];
    return tolerate(c, findings, r->any_zone, got, err);
}

static int collect(struct cw_step_ctx *c, struct cw_readings *ret_readings, struct cw_findings *findings,
                   struct cw_err *err)
{
    int got = cw_workspace_get(c->svc->arm, &c->call, c->req->workspace_id, &ret_readings->workspace, err);
    int end = tolerate(c, findings, c->req->workspace_id, got, err);
    if (end == 0)
        end = read_endpoints(c, ret_readings, findings, err);
    if (end == 0)
        end = read_zone_group(c, ret_readings, findings, err);
    if (end == 0)
        end = read_dns(c, ret_readings, findings, err);
    if (end == 0)
        end = read_lock(c, ret_readings, findings, err);
    if (end == 0)
        end = read_subnets(c, ret_readings, findings, err);
    if (end == 0)
        end = read_access(c, ret_readings, findings, err);
    return end;
}

int cw_diagnosis_make(struct cw_step_ctx *c, struct cw_readings *readings, struct cw_findings *findings,
                      struct cw_err *err)
{
    if (!cw_diagnosis_is_elsewhere(c, findings)) {
        int r = collect(c, readings, findings, err);
        if (r < 0)
            return r;
        cw_diagnosis_judge(c, readings, findings);
    }
    cw_findings_weigh(c, findings);
    cw_findings_rank(findings);
    cw_findings_complete(c, readings, findings);
    return 0;
}

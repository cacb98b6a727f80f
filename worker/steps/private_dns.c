#include "worker/steps/private_dns.h"

#include "common/azure/privatedns.h"

#define RECORD_TTL_S 10

int cw_private_dns_choose_zone(struct cw_step_ctx *c, const struct cw_zone_choice *choice,
                               const char **ret_zone, struct cw_err *err)
{
    const char *asked = choice->asked;
    const char *linked = NULL;
    const char *link = NULL;
    if (asked != NULL && !cw_z_eq_nocase(cw_armid_name(asked), choice->name)) {
        (void)cw_err_set(err, CW_EMISCONFIGURED, "%s names zone %s, the workspace needs %s", choice->asked_by,
                         cw_armid_name(asked), choice->name);
        cw_err_remedy(err, "name a zone called %s, or leave %s out", choice->name, choice->asked_by);
        return -CW_EMISCONFIGURED;
    }
    int r = cw_privatedns_find_linked_zone(c->svc->arm, &c->call, choice->subscription, choice->name,
                                           choice->vnet_id, &linked, &link, err);
    if (r < 0)
        return cw_err_wrap(err, "look for a linked zone");
    if (linked != NULL && asked != NULL && !cw_armid_eq(linked, asked)) {
        (void)cw_err_set(err, CW_EMISCONFIGURED,
                         "the VNet is already linked to another zone of this name: %s", linked);
        cw_err_remedy(err, "name that zone in %s, or remove its link first", choice->asked_by);
        return -CW_EMISCONFIGURED;
    }
    if (linked != NULL)
        cw_step_found(c, "the VNet is linked to zone %s", linked);
    *ret_zone = linked != NULL ? linked : asked != NULL ? asked : choice->otherwise;
    return *ret_zone == NULL ? cw_err_set(err, CW_ENOMEM, "zone") : 0;
}

int cw_private_dns_ensure_zone_and_link(struct cw_step_ctx *c, const char *zone, const char *vnet_id,
                                        const char *link_text, const char **ret_link, struct cw_err *err)
{
    struct cw_ensured done;
    int r = cw_privatedns_ensure_zone(c->svc->arm, &c->call, zone, cw_step_tags(c), &done, err);
    if (r < 0)
        return cw_err_wrap(err, "private DNS zone");
    cw_step_ensured(c, &done, "private DNS zone");
    const char *link_name = cw_arena_printf(c->call.mem, "%s-link", cw_armid_name(vnet_id));
    r = cw_privatedns_ensure_link(c->svc->arm, &c->call, zone, link_name, vnet_id, cw_step_tags(c), &done,
                                  ret_link, err);
    if (r < 0)
        return cw_err_wrap(err, "%s", link_text);
    cw_step_ensured(c, &done, link_text);
    return 0;
}

int cw_private_dns_ensure_record(struct cw_step_ctx *c, const char *zone, const char *name,
                                 const char *address, struct cw_err *err)
{
    const char *const addresses[] = {address};
    struct cw_dns_record record;
    struct cw_ensured done;
    int r = cw_privatedns_get_record(c->svc->arm, &c->call, zone, name, &record, err);
    if (r < 0 && r != -CW_ENOTFOUND)
        return cw_err_wrap(err, "record %s", name);
    if (r == 0 && record.address_count == 1 && cw_z_eq(record.addresses[0], addresses[0])) {
        cw_step_found(c, "record %s points at %s", name, addresses[0]);
        return 0;
    }
    if (r == 0) {
        (void)cw_err_set(err, CW_EMISCONFIGURED, "record %s points at %s, the endpoint has %s", name,
                         record.address_count > 0 ? record.addresses[0] : "nothing", addresses[0]);
        cw_err_remedy(err, "remove the record if nothing else uses it, then send the request again");
        return -CW_EMISCONFIGURED;
    }
    r = cw_privatedns_ensure_record(c->svc->arm, &c->call, zone, name, addresses, 1, RECORD_TTL_S, &done,
                                    err);
    if (r < 0)
        return cw_err_wrap(err, "record %s", name);
    cw_step_ensured(c, &done, "A record");
    return 0;
}

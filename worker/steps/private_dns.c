#include "worker/steps/private_dns.h"

#include "common/azure/privatedns.h"

#define RECORD_TTL_S 10

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

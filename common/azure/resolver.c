#include "common/azure/resolver.h"

#include "common/str.h"

#define ASK_MS 8000

int cw_resolver_ask(struct cw_dns *dns, const struct cw_call *call, const char *host,
                    struct cw_dns_answer *ret_answer, struct cw_err *err)
{
    return cw_dns_lookup(dns, host, cw_sooner(call->until, cw_in_ms(ASK_MS)), call->mem, ret_answer, err);
}

static bool is_below(const char *name, const char *zone)
{
    size_t n = strlen(name), k = strlen(zone);
    return n > k + 1 && name[n - k - 1] == '.' && cw_z_eq_nocase(name + n - k, zone);
}

bool cw_resolver_proves(const struct cw_dns_answer *answer, const struct cw_cloud *cloud, const char *address)
{
    bool is_in_zone = false;
    for (size_t i = 0; i < answer->cname_count; i++)
        is_in_zone = is_in_zone || is_below(answer->cname[i], cloud->private_zone);
    return is_in_zone && answer->address_count == 1 && cw_z_eq(answer->addresses[0], address);
}

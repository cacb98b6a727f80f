/* common/azure/resolver.h: what a name server of the worker's own network says of a workspace's name. It spares reads of private DNS zones,
 * which are the scarcest budget. An answer that proves nothing says nothing either: the worker may sit elsewhere.
 *
 * Suspends: cw_resolver_ask.  Thread: loop.  Source: guide, shared steps, step 1. */
#ifndef CW_COMMON_AZURE_RESOLVER_H
#define CW_COMMON_AZURE_RESOLVER_H

#include "common/azure/call.h"
#include "common/azure/cloud.h"
#include "common/net/dns.h"

/* At most some seconds, whatever the call's deadline. Errors: those of cw_dns_lookup(). */
int cw_resolver_ask(struct cw_dns *dns, const struct cw_call *call, const char *host,
                    struct cw_dns_answer *ret_answer, struct cw_err *err);
/* The answer is this one address, and came by way of the record in the private zone. Pure. */
bool cw_resolver_proves(const struct cw_dns_answer *answer, const struct cw_cloud *cloud,
                        const char *address);

#endif

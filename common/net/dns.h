/* common/net/dns.h: asks name servers for the IPv4 addresses of a name: no hosts file, no search list, no cache. c-ares stays behind this
 * header.
 *
 * Suspends: cw_dns_lookup.  Thread: loop.  Source: RFC 1034, RFC 1035; c-ares.org. */
#ifndef CW_COMMON_NET_DNS_H
#define CW_COMMON_NET_DNS_H

#include "common/arena.h"
#include "common/net/loop.h"

#define CW_DNS_SERVERS_MAX 8
#define CW_DNS_ADDRESSES_MAX 32
#define CW_DNS_CNAMES_MAX 16

struct cw_dns;

/* Strings live in the lookup's arena. */
struct cw_dns_answer {
    const char *server; /* that answered, as in the configuration */
    const char *rcode;  /* NOERROR, NXDOMAIN or NODATA (the name has no IPv4 address) */
    const char **cname; /* the chain of names behind the one asked for, in order */
    size_t cname_count;
    const char **addresses;
    size_t address_count;
    int64_t ttl; /* seconds: the least of the addresses' */
};

/* servers: "system" (those of this machine), or addresses with optional ports, separated by commas: "10.0.0.4,10.0.0.5:5353".
 * Errors: -CW_EINVAL (with a remedy), -CW_ENOMEM. Free with cw_dns_free(). */
int cw_dns_new(struct cw_loop *loop, const char *servers, struct cw_dns **ret_dns, struct cw_err *err);
/* No lookup may be under way. NULL is fine. */
void cw_dns_free(struct cw_dns *dns);

/* Ask the servers in their order until one answers; "no such name" is an answer. Errors: -CW_ENET (none did), -CW_EINVAL (not a name),
 * -CW_ETIMEDOUT, cancellation, -CW_ENOMEM. Suspends: yes. */
int cw_dns_lookup(struct cw_dns *dns, const char *name, struct cw_deadline until, struct cw_arena *mem,
                  struct cw_dns_answer *ret_answer, struct cw_err *err);

#endif

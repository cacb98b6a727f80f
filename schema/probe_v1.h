/* schema/probe_v1.h: what the verification cluster's node printed: names, connections, rows. Kept as evidence.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_PROBE_V1_H
#define CW_SCHEMA_PROBE_V1_H

#include "schema/field.h"

/* One DNS server's answer to a plain query, not through the node's resolver library. */
struct cw_probe_dns_v1 {
    const char *server;
    const char *rcode; /* NOERROR, NXDOMAIN, … or TIMEOUT */
    const char **cname;
    size_t cname_count;
    const char **addresses;
    size_t address_count;
    int64_t ttl;
};

struct cw_probe_tcp_v1 {
    const char *address;
    int64_t port;
    const char *result; /* open, refused, timeout */
};

struct cw_probe_tls_v1 {
    const char *address;
    bool ok;
    const char *subject;
    const char *error;
};

struct cw_probe_http_v1 {
    int64_t status;
};

struct cw_probe_v1 {
    const char **resolvers;
    size_t resolver_count;
    struct cw_probe_dns_v1 *dns;
    size_t dns_count;
    const char **getaddrinfo; /* information only: a node's hosts file answers with the node itself */
    size_t getaddrinfo_count;
    const char *hosts;
    struct cw_probe_tcp_v1 *tcp;
    size_t tcp_count;
    struct cw_probe_tls_v1 tls;
    struct cw_probe_http_v1 http;
    const char *rows_json; /* what the query returned */
};

extern const struct cw_shape cw_probe_dns_v1_shape;
extern const struct cw_shape cw_probe_v1_shape;

#endif

#include "schema/probe_v1.h"

#define AT(member) .offset = offsetof(struct cw_probe_dns_v1, member)
#define COUNT(member) .count_offset = offsetof(struct cw_probe_dns_v1, member)
static const struct cw_member dns_members[] = {
    {.name = "server", .type = CW_MEMBER_TEXT, AT(server), .text = "DNS server that was asked"},
    {.name = "rcode",
     .type = CW_MEMBER_TEXT,
     AT(rcode),
     .text = "NOERROR, NXDOMAIN, NODATA, SERVFAIL or TIMEOUT"},
    {.name = "cname", .type = CW_MEMBER_TEXTS, AT(cname), COUNT(cname_count), .text = "the chain of names"},
    {.name = "addresses",
     .type = CW_MEMBER_TEXTS,
     AT(addresses),
     COUNT(address_count),
     .text = "IPv4 addresses"},
    {.name = "ttl", .type = CW_MEMBER_INT, AT(ttl), .text = "seconds"},
};
#undef AT
#undef COUNT
const struct cw_shape cw_probe_dns_v1_shape = {.name = "probeDns",
                                               .text = "A DNS server's answer.",
                                               .bytes = sizeof(struct cw_probe_dns_v1),
                                               CW_MEMBERS(dns_members)};

#define AT(member) .offset = offsetof(struct cw_probe_tcp_v1, member)
static const struct cw_member tcp_members[] = {
    {.name = "address", .type = CW_MEMBER_TEXT, AT(address), .text = "where to"},
    {.name = "port", .type = CW_MEMBER_INT, AT(port), .text = "port"},
    {.name = "result", .type = CW_MEMBER_TEXT, AT(result), .text = "open, refused or timeout"},
};
#undef AT
static const struct cw_shape tcp_shape = {.name = "probeTcp",
                                          .text = "A connection attempt.",
                                          .bytes = sizeof(struct cw_probe_tcp_v1),
                                          CW_MEMBERS(tcp_members)};

#define AT(member) .offset = offsetof(struct cw_probe_tls_v1, member)
static const struct cw_member tls_members[] = {
    {.name = "address", .type = CW_MEMBER_TEXT, AT(address), .text = "where to"},
    {.name = "ok", .type = CW_MEMBER_BOOL, AT(ok), .text = "the certificate names the workspace"},
    {.name = "subject", .type = CW_MEMBER_TEXT, AT(subject), .text = "name in the certificate"},
    {.name = "error", .type = CW_MEMBER_TEXT, AT(error), .text = "what went wrong"},
};
#undef AT
static const struct cw_shape tls_shape = {.name = "probeTls",
                                          .text = "A TLS handshake.",
                                          .bytes = sizeof(struct cw_probe_tls_v1),
                                          CW_MEMBERS(tls_members)};

static const struct cw_member http_members[] = {
    {.name = "status",
     .type = CW_MEMBER_INT,
     .offset = offsetof(struct cw_probe_http_v1, status),
     .text = "HTTP status"},
};
static const struct cw_shape http_shape = {.name = "probeHttp",
                                           .text = "An HTTP answer.",
                                           .bytes = sizeof(struct cw_probe_http_v1),
                                           CW_MEMBERS(http_members)};

#define AT(member) .offset = offsetof(struct cw_probe_v1, member)
#define COUNT(member) .count_offset = offsetof(struct cw_probe_v1, member)
static const struct cw_member members[] = {
    {.name = "resolvers",
     .type = CW_MEMBER_TEXTS,
     AT(resolvers),
     COUNT(resolver_count),
     .text = "the node's name servers"},
    {.name = "dns",
     .type = CW_MEMBER_LIST,
     AT(dns),
     COUNT(dns_count),
     .child = &cw_probe_dns_v1_shape,
     .text = "answers to plain queries"},
    {.name = "getaddrinfo",
     .type = CW_MEMBER_TEXTS,
     AT(getaddrinfo),
     COUNT(getaddrinfo_count),
     .text = "what the node's own resolver says; information only"},
    {.name = "hosts", .type = CW_MEMBER_TEXT, AT(hosts), .text = "address in the node's hosts file"},
    {.name = "tcp",
     .type = CW_MEMBER_LIST,
     AT(tcp),
     COUNT(tcp_count),
     .child = &tcp_shape,
     .text = "connections to the endpoint"},
    {.name = "tls",
     .type = CW_MEMBER_OBJECT,
     AT(tls),
     .child = &tls_shape,
     .text = "TLS to the endpoint with the workspace's name"},
    {.name = "http",
     .type = CW_MEMBER_OBJECT,
     AT(http),
     .child = &http_shape,
     .text = "a request over that connection"},
    {.name = "rows", .type = CW_MEMBER_JSON, AT(rows_json), .text = "rows of a small Spark query"},
};
const struct cw_shape cw_probe_v1_shape = {.name = "probe",
                                           .text = "What a node of the cluster saw.",
                                           .bytes = sizeof(struct cw_probe_v1),
                                           CW_MEMBERS(members)};

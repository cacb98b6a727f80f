/* IPv4 prefixes and the addresses of a subnet. Azure keeps the first four and the last one for itself. */
#include "tests/azure/arm.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool az_ip_parse(const char *text, uint32_t *ret)
{
    struct in_addr in;
    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    *ret = ntohl(in.s_addr);
    return true;
}

const char *az_ip_text(uint32_t ip, char buf[16])
{
    char *at = buf;
    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned octet = ip >> shift & 255;
        if (octet >= 100)
            *at++ = (char)('0' + octet / 100);
        if (octet >= 10)
            *at++ = (char)('0' + octet / 10 % 10);
        *at++ = (char)('0' + octet % 10);
        *at++ = shift > 0 ? '.' : '\0';
    }
    return buf;
}

static uint32_t mask_of(unsigned bits)
{
    return bits == 0 ? 0 : 0xffffffffu << (32 - bits);
}

bool az_cidr_parse(const char *text, struct az_cidr *ret)
{
    char address[16], *end;
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof address || slash[1] < '0' || slash[1] > '9')
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (*end != '\0' || bits > 32 || !az_ip_parse(address, &ret->address))
        return false;
    ret->bits = (unsigned)bits;
    return (ret->address & ~mask_of(ret->bits)) == 0;
}

bool az_cidr_has(const struct az_cidr *outer, const struct az_cidr *inner)
{
    return inner->bits >= outer->bits && (inner->address & mask_of(outer->bits)) == outer->address;
}

bool az_cidr_overlaps(const struct az_cidr *a, const struct az_cidr *b)
{
    return az_cidr_has(a, b) || az_cidr_has(b, a);
}

bool az_subnet_prefix(const json_t *body, struct az_cidr *ret)
{
    const char *text = az_str_or_null(body, "properties.addressPrefix");
    if (text == NULL)
        text = az_str(body, "properties.addressPrefixes.0");
    return az_cidr_parse(text, ret);
}

void az_cidr_hosts(const struct az_cidr *prefix, uint32_t *ret_first, uint32_t *ret_last)
{
    *ret_first = prefix->address + 4;
    *ret_last = (prefix->address | ~mask_of(prefix->bits)) - 1;
}

int az_subnet_take_ip(struct az_resource *subnet, const char *wanted, const char *owner_id, char ret_ip[16],
                      const char **ret_code)
{
    struct az_cidr prefix;
    json_t *ips = json_object_get(subnet->state, "ips");
    if (ips == NULL) {
        ips = json_object();
        json_object_set_new(subnet->state, "ips", ips);
    }
    *ret_code = "SubnetIsFull";
    if (!az_subnet_prefix(subnet->body, &prefix) || prefix.bits > 29)
        return -1;
    uint32_t first, last, ip;
    az_cidr_hosts(&prefix, &first, &last);
    if (wanted != NULL && wanted[0] != '\0') {
        struct az_cidr one = {.bits = 32};
        if (!az_ip_parse(wanted, &one.address) || !az_cidr_has(&prefix, &one))
            *ret_code = "PrivateIPAddressNotInSubnet";
        else if (one.address < first || one.address > last)
            *ret_code = "PrivateIPAddressInReservedRange";
        else if (json_object_get(ips, wanted) != NULL &&
                 !az_ieq(json_string_value(json_object_get(ips, wanted)), owner_id))
            *ret_code = "PrivateIPAddressIsAllocated";
        else
            first = last = one.address, *ret_code = NULL;
        if (*ret_code != NULL)
            return -1;
    }
    for (ip = first; ip <= last; ip++) {
        const json_t *owner = json_object_get(ips, az_ip_text(ip, ret_ip));
        if (owner == NULL || az_ieq(json_string_value(owner), owner_id)) {
            json_object_set_new(ips, ret_ip, json_string(owner_id));
            return 0;
        }
    }
    return -1;
}

void az_subnet_give_ip(struct az_resource *subnet, const char *ip)
{
    json_object_del(json_object_get(subnet->state, "ips"), ip);
}

const char *az_subnet_user(const struct az_resource *subnet)
{
    const char *workspace = az_str(subnet->state, "workspace");
    if (workspace[0] != '\0')
        return workspace;
    void *first = json_object_iter(json_object_get(subnet->state, "ips"));
    return first != NULL ? json_string_value(json_object_iter_value(first)) : NULL;
}

bool az_is_delegated(const json_t *subnet_body, const char *service)
{
    size_t i;
    const json_t *d;
    json_array_foreach(az_at(subnet_body, "properties.delegations"), i, d)
        if (service == NULL || az_ieq(az_str(d, "properties.serviceName"), service))
            return true;
    return false;
}

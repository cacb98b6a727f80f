#include "schema/field.h"

#include <pthread.h>
#include <regex.h>

#define GUID "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
#define GROUP "[A-Za-z0-9_.()-]{0,89}[A-Za-z0-9_()-]"
#define ID(name) \
    "^/[A-Za-z]+/" GUID "/[A-Za-z]+/" GROUP "/[A-Za-z]+/[A-Za-z]+[.][A-Za-z]+/[A-Za-z]+/" name "$"
#define WORKSPACE "[A-Za-z0-9_-]{3,64}"
#define VNET "[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]"
#define ZONE "[A-Za-z0-9_-]{1,63}([.][A-Za-z0-9_-]{1,63}){1,33}"
#define NETWORK "[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?"

struct format {
    const char *name;
    const char *pattern;
    const char *type; /* of an ARM id; NULL = not an id */
    const char *remedy;
};

static const struct format formats[CW_FORMAT__COUNT] = {
    [CW_FORMAT_GUID] = {"GUID", "^" GUID "$", NULL, "write it as 01234567-89ab-cdef-0123-456789abcdef"},
    [CW_FORMAT_WORKSPACE_ID] =
        {"workspace id", ID(WORKSPACE), "Microsoft.Databricks/workspaces",
         "use the workspace's Azure resource id: /subscriptions/{subscription}/resourceGroups/{group}/"
         "providers/Microsoft.Databricks/workspaces/{name}"},
    [CW_FORMAT_VNET_ID] =
        {"VNet id", ID(VNET), "Microsoft.Network/virtualNetworks",
         "use the VNet's Azure resource id: /subscriptions/{subscription}/resourceGroups/{group}/"
         "providers/Microsoft.Network/virtualNetworks/{name}"},
    [CW_FORMAT_ZONE_ID] =
        {"private zone id", ID(ZONE), "Microsoft.Network/privateDnsZones",
         "use the zone's Azure resource id: /subscriptions/{subscription}/resourceGroups/{group}/"
         "providers/Microsoft.Network/privateDnsZones/{name}"},
    [CW_FORMAT_NAT_GATEWAY_ID] =
        {"NAT gateway id", ID(NETWORK), "Microsoft.Network/natGateways",
         "use the NAT gateway's Azure resource id: /subscriptions/{subscription}/resourceGroups/"
         "{group}/providers/Microsoft.Network/natGateways/{name}"},
    [CW_FORMAT_ROUTE_TABLE_ID] =
        {"route table id", ID(NETWORK), "Microsoft.Network/routeTables",
         "use the route table's Azure resource id: /subscriptions/{subscription}/resourceGroups/"
         "{group}/providers/Microsoft.Network/routeTables/{name}"},
    [CW_FORMAT_RESOURCE_GROUP] = {"resource group name", "^" GROUP "$", NULL,
                                  "use 1 to 90 of letters, digits, - _ . ( ), not ending with a dot"},
    [CW_FORMAT_WORKSPACE_NAME] = {"workspace name", "^" WORKSPACE "$", NULL,
                                  "use 3 to 64 of letters, digits, - _"},
    [CW_FORMAT_NETWORK_NAME] =
        {"network name", "^" NETWORK "$", NULL,
         "use 1 to 80 of letters, digits, - _ . beginning with a letter or digit and ending with one "
         "or _"},
    [CW_FORMAT_ENDPOINT_NAME] =
        {"endpoint name", "^" VNET "$", NULL,
         "use 2 to 64 of letters, digits, - _ . beginning with a letter or digit and ending with one "
         "or _"},
    [CW_FORMAT_REGION] = {"region", "^[a-z0-9]{2,40}$", NULL,
                          "use the region's short name, such as chinaeast2"},
    [CW_FORMAT_CIDR] = {"IPv4 prefix", "^([0-9]{1,3}[.]){3}[0-9]{1,3}/[0-9]{1,2}$", NULL,
                        "use a private IPv4 prefix without host bits, such as 10.10.0.0/16"},
    [CW_FORMAT_ADDRESS] = {"IPv4 address", "^([0-9]{1,3}[.]){3}[0-9]{1,3}$", NULL,
                           "use a private IPv4 address, such as 10.0.1.4"},
    [CW_FORMAT_EVENT_ID] = {"event id", "^[!-~]{1,128}$", NULL,
                            "use 1 to 128 visible ASCII characters, best a UUID"},
};

bool cw_cidr_parse(const char *z, uint32_t *ret_base, int *ret_bits)
{
    unsigned octet[4];
    int bits;
    int used = 0;
    if (sscanf(z, "%3u.%3u.%3u.%3u/%2d%n", &octet[0], &octet[1], &octet[2], &octet[3], &bits, &used) != 5)
        return false;
    if (z[used] != '\0' || bits < 0 || bits > 32)
        return false;
    uint32_t base = 0;
    for (size_t i = 0; i < 4; i++) {
        if (octet[i] > 255)
            return false;
        base = base << 8 | octet[i];
    }
    if (bits < 32 && (base & (UINT32_MAX >> bits)) != 0)
        return false;
    *ret_base = base;
    *ret_bits = bits;
    return true;
}

static bool is_private_prefix(const char *z)
{
    static const struct {
        uint32_t base;
        int bits;
    } spaces[] = {{0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}, {0x64400000, 10}};
    uint32_t base;
    int bits;
    if (!cw_cidr_parse(z, &base, &bits))
        return false;
    for (size_t i = 0; i < CW_ARRAY_LEN(spaces); i++) {
        if (bits >= spaces[i].bits &&
            (base >> (32 - spaces[i].bits)) == (spaces[i].base >> (32 - spaces[i].bits)))
            return true;
    }
    return false;
}

static bool is_private_address(const char *z)
{
    char prefix[sizeof "255.255.255.255/32"];
    return snprintf(prefix, sizeof prefix, "%s/32", z) < (int)sizeof prefix && is_private_prefix(prefix);
}

/* Segment n (from 0) of a path that begins with a slash. */
static struct cw_str segment(const char *path, size_t n)
{
    const char *p = path;
    for (size_t i = 0; p != NULL && i <= n; i++) {
        p = strchr(p, '/');
        if (p != NULL)
            p++;
    }
    return p == NULL ? (struct cw_str){NULL, 0} : (struct cw_str){p, strcspn(p, "/")};
}

static bool segment_is(const char *path, size_t n, const char *z, size_t length)
{
    struct cw_str s = segment(path, n);
    return s.n == length && strncasecmp(s.p, z, length) == 0;
}

static bool has_keywords(const char *id, const char *type)
{
    const char *slash = strchr(type, '/');
    return segment_is(id, 0, "subscriptions", 13) && segment_is(id, 2, "resourceGroups", 14) &&
           segment_is(id, 4, "providers", 9) && segment_is(id, 5, type, (size_t)(slash - type)) &&
           segment_is(id, 6, slash + 1, strlen(slash + 1));
}

static regex_t compiled[CW_FORMAT__COUNT];
static pthread_once_t compiling = PTHREAD_ONCE_INIT;

/* For as long as the process runs. */
static void compile_all(void)
{
    for (size_t i = 0; i < CW_FORMAT__COUNT; i++)
        CW_BUG_ON(formats[i].pattern != NULL &&
                  regcomp(&compiled[i], formats[i].pattern, REG_EXTENDED | REG_NOSUB) != 0);
}

static bool matches(enum cw_member_format format, const char *z)
{
    CW_BUG_ON(pthread_once(&compiling, compile_all) != 0);
    return regexec(&compiled[format], z, 0, NULL, 0) == 0;
}

bool cw_format_is(enum cw_member_format format, const char *z)
{
    CW_PRE(format < CW_FORMAT__COUNT);
    if (z == NULL)
        return false;
    if (format == CW_FORMAT_ANY)
        return true;
    if (strlen(z) > CW_TEXT_BYTES_MAX || !matches(format, z))
        return false;
    if (formats[format].type != NULL)
        return has_keywords(z, formats[format].type);
    return format == CW_FORMAT_CIDR      ? is_private_prefix(z)
           : format == CW_FORMAT_ADDRESS ? is_private_address(z)
                                         : true;
}

const char *cw_format_pattern(enum cw_member_format format)
{
    return formats[format].pattern;
}

const char *cw_format_name(enum cw_member_format format)
{
    return formats[format].name;
}

const char *cw_format_remedy(enum cw_member_format format)
{
    return formats[format].remedy;
}

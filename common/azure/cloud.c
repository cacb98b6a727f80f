#include "common/azure/cloud.h"

#include <ctype.h>
#include <strings.h>

#include "common/str.h"

#define DATABRICKS_APP_ID "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"

static const struct cw_cloud clouds[] = {
    {
        .name = "china",
        .arm_endpoint = "https://management.chinacloudapi.cn",
        .arm_audience = "https://management.chinacloudapi.cn",
        .authority_host = "https://login.chinacloudapi.cn",
        .workspace_suffix = ".databricks.azure.cn",
        .workspace_port = 443,
        .private_zone = "privatelink.databricks.azure.cn",
        .management_resource = "https://management.core.chinacloudapi.cn/",
        .databricks_app_id = DATABRICKS_APP_ID,
        .federation_audience = "api://AzureADTokenExchangeChina",
        .throttle = CW_THROTTLE_HOURLY,
    },
    {
        .name = "public",
        .arm_endpoint = "https://management.azure.com",
        .arm_audience = "https://management.azure.com",
        .authority_host = "https://login.microsoftonline.com",
        .workspace_suffix = ".azuredatabricks.net",
        .workspace_port = 443,
        .private_zone = "privatelink.azuredatabricks.net",
        .management_resource = "https://management.core.windows.net/",
        .databricks_app_id = DATABRICKS_APP_ID,
        .federation_audience = "api://AzureADTokenExchange",
        .throttle = CW_THROTTLE_BUCKET,
    },
    {
        .name = "usgov",
        .arm_endpoint = "https://management.usgovcloudapi.net",
        .arm_audience = "https://management.usgovcloudapi.net",
        .authority_host = "https://login.microsoftonline.us",
        .workspace_suffix = ".databricks.azure.us",
        .workspace_port = 443,
        .private_zone = "privatelink.databricks.azure.us",
        .management_resource = "https://management.core.usgovcloudapi.net/",
        .databricks_app_id = DATABRICKS_APP_ID,
        .federation_audience = "api://AzureADTokenExchangeUSGov",
        .throttle = CW_THROTTLE_HOURLY,
    },
};

const struct cw_cloud *cw_cloud_find(const char *name)
{
    if (name == NULL || name[0] == '\0')
        return &clouds[0];
    for (size_t i = 0; i < CW_ARRAY_LEN(clouds); i++)
        if (cw_z_eq_nocase(clouds[i].name, name))
            return &clouds[i];
    return NULL;
}

/* An https URL's host and port; false for another scheme, a user part, or a bad port. */
struct origin {
    struct cw_str host;
    int port;
    const char *rest; /* "", or from the first '/', '?' or '#' on */
};

static bool parse_port(const char *p, const char *end, int *ret_port)
{
    int port = 0;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!isdigit((unsigned char)*p) || port > 6553)
            return false;
        port = port * 10 + (*p - '0');
    }
    *ret_port = port;
    return port > 0 && port <= 65535;
}

static bool parse_origin(const char *url, struct origin *out)
{
    if (url == NULL || strncasecmp(url, "https://", 8) != 0)
        return false;
    const char *p = url + 8;
    size_t n = strcspn(p, "/?#");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (!isalnum(c) && c != '.' && c != '-' && c != ':' && c != '_')
            return false;
    }
    const char *colon = memchr(p, ':', n);
    out->port = 443;
    out->host = (struct cw_str){p, colon != NULL ? (size_t)(colon - p) : n};
    out->rest = p + n;
    return out->host.n > 0 && (colon == NULL || parse_port(colon + 1, p + n, &out->port));
}

static bool same_host(struct cw_str a, struct cw_str b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

bool cw_cloud_url_is_arm(const struct cw_cloud *cloud, const char *url)
{
    struct origin own;
    struct origin other;
    return parse_origin(cloud->arm_endpoint, &own) && parse_origin(url, &other) && own.port == other.port &&
           same_host(own.host, other.host);
}

static bool is_workspace_host(const struct cw_cloud *cloud, struct cw_str host)
{
    size_t n = strlen(cloud->workspace_suffix);
    return host.n > n && strncasecmp(host.p + host.n - n, cloud->workspace_suffix, n) == 0;
}

bool cw_cloud_url_is_workspace(const struct cw_cloud *cloud, const char *url)
{
    struct origin o;
    return parse_origin(url, &o) && o.port == cloud->workspace_port && is_workspace_host(cloud, o.host);
}

bool cw_cloud_url_is_own(const struct cw_cloud *cloud, const char *url)
{
    return cw_cloud_url_is_arm(cloud, url) || cw_cloud_url_is_workspace(cloud, url);
}

int cw_cloud_workspace_endpoint(const struct cw_cloud *cloud, const char *workspace_url, struct cw_arena *mem,
                                const char **ret_endpoint, struct cw_err *err)
{
    if (workspace_url == NULL || workspace_url[0] == '\0')
        return cw_err_set(err, CW_EPROTO, "the workspace has no URL yet");
    bool has_scheme = strncasecmp(workspace_url, "https://", 8) == 0;
    char *full = cw_arena_printf(mem, "%s%s", has_scheme ? "" : "https://", workspace_url);
    struct origin o;
    if (full == NULL)
        return cw_err_set(err, CW_ENOMEM, "workspace URL");
    if (!parse_origin(full, &o) || !is_workspace_host(cloud, o.host))
        return cw_err_set(err, CW_EPROTO, "workspace URL %s is no host of the %s cloud (*%s)", workspace_url,
                          cloud->name, cloud->workspace_suffix);
    char *endpoint =
        cloud->workspace_port == 443
            ? cw_arena_printf(mem, "https://" CW_STR_FMT, CW_STR_ARG(o.host))
            : cw_arena_printf(mem, "https://" CW_STR_FMT ":%d", CW_STR_ARG(o.host), cloud->workspace_port);
    if (endpoint == NULL)
        return cw_err_set(err, CW_ENOMEM, "workspace URL");
    *ret_endpoint = endpoint;
    return 0;
}

const char *cw_cloud_record_name(const struct cw_cloud *cloud, const char *workspace_url,
                                 struct cw_arena *mem)
{
    if (workspace_url == NULL)
        return NULL;
    struct cw_str host = {workspace_url, strcspn(workspace_url, ":/")};
    if (!is_workspace_host(cloud, host))
        return NULL;
    char *name = cw_arena_memdup(mem, host.p, host.n - strlen(cloud->workspace_suffix));
    if (name != NULL)
        cw_z_lower(name);
    return name;
}

char *cw_location_normal(struct cw_arena *mem, const char *location)
{
    char *out = cw_arena_strdup(mem, location);
    if (out == NULL)
        return NULL;
    size_t n = 0;
    for (const char *p = out; *p != '\0'; p++)
        if (*p != ' ')
            out[n++] = (char)tolower((unsigned char)*p);
    out[n] = '\0';
    return out;
}

bool cw_location_eq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (;;) {
        while (*a == ' ')
            a++;
        while (*b == ' ')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == '\0')
            return true;
        a++;
        b++;
    }
}

static int check_endpoint(const char *what, const char *url, struct cw_err *err)
{
    struct origin o;
    if (parse_origin(url, &o) && (o.rest[0] == '\0' || cw_z_eq(o.rest, "/")))
        return 0;
    int r = cw_err_set(err, CW_EINVAL, "%s: '%s' is not an endpoint", what, url);
    cw_err_remedy(err, "give it as https://host or https://host:port");
    return r;
}

static const char *copy_endpoint(struct cw_arena *mem, const char *url)
{
    size_t n = strlen(url);
    return cw_arena_memdup(mem, url, n > 0 && url[n - 1] == '/' ? n - 1 : n);
}

static bool is_set(const char *z)
{
    return z != NULL && z[0] != '\0';
}

int cw_cloud_custom(const struct cw_cloud_overrides *o, struct cw_arena *mem, struct cw_cloud *ret_cloud,
                    struct cw_err *err)
{
    struct cw_cloud cloud = clouds[0];
    cloud.name = "custom";
    cloud.workspace_port = o->workspace_port > 0 ? o->workspace_port : 443;
    if (is_set(o->arm_endpoint)) {
        int r = check_endpoint("azure.arm-endpoint", o->arm_endpoint, err);
        if (r < 0)
            return r;
        cloud.arm_endpoint = copy_endpoint(mem, o->arm_endpoint);
        cloud.arm_audience = cloud.arm_endpoint;
    }
    if (is_set(o->authority_host)) {
        int r = check_endpoint("azure.authority-host", o->authority_host, err);
        if (r < 0)
            return r;
        cloud.authority_host = copy_endpoint(mem, o->authority_host);
    }
    if (is_set(o->arm_audience))
        cloud.arm_audience = cw_arena_strdup(mem, o->arm_audience);
    if (is_set(o->workspace_suffix)) {
        if (o->workspace_suffix[0] != '.' || strlen(o->workspace_suffix) < 3)
            return cw_err_set(err, CW_EINVAL, "azure.workspace-suffix: '%s' does not begin with a dot",
                              o->workspace_suffix);
        cloud.workspace_suffix = cw_arena_strdup(mem, o->workspace_suffix);
    }
    if (is_set(o->private_zone))
        cloud.private_zone = cw_arena_strdup(mem, o->private_zone);
    if (is_set(o->management_resource))
        cloud.management_resource = cw_arena_strdup(mem, o->management_resource);
    if (cw_arena_failed(mem))
        return cw_err_set(err, CW_ENOMEM, "cloud");
    *ret_cloud = cloud;
    return 0;
}

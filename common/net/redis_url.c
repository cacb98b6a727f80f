#include "common/net/redis_impl.h"

#define PORT_DEFAULT 6379
#define DB_MAX 65535

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* malloc'ed, percent-decoded; NULL when malformed or out of memory. */
static char *decode(const char *p, size_t n)
{
    char *out = malloc(n + 1);
    if (out == NULL)
        return NULL;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%') {
            out[len++] = p[i];
            continue;
        }
        if (n - i < 3 || hex_digit(p[i + 1]) < 0 || hex_digit(p[i + 2]) < 0 ||
            (hex_digit(p[i + 1]) == 0 && hex_digit(p[i + 2]) == 0)) {
            free(out);
            return NULL;
        }
        out[len++] = (char)(hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2]));
        i += 2;
    }
    out[len] = '\0';
    return out;
}

static bool parse_credentials(const char *p, size_t n, struct cw_redis_url *url)
{
    const char *colon = memchr(p, ':', n);
    size_t user_bytes = colon != NULL ? (size_t)(colon - p) : n;
    if (user_bytes > 0) {
        url->username = decode(p, user_bytes);
        if (url->username == NULL)
            return false;
    }
    if (colon == NULL)
        return true;
    url->password = decode(colon + 1, n - user_bytes - 1);
    return url->password != NULL;
}

static bool parse_number(const char *p, size_t n, int64_t max, int *ret_value)
{
    char text[8];
    int64_t value = 0;
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, p, n);
    text[n] = '\0';
    if (!cw_z_to_i64(text, &value) || value < 0 || value > max)
        return false;
    *ret_value = (int)value;
    return true;
}

static bool parse_host(const char *p, size_t n, struct cw_redis_url *url)
{
    const char *end = p + n;
    const char *host_end = n > 0 && p[0] == '[' ? memchr(p, ']', n) : memchr(p, ':', n);
    if (n > 0 && p[0] == '[') {
        if (host_end == NULL)
            return false;
        url->host = strndup(p + 1, (size_t)(host_end - p) - 1);
        host_end++;
    } else {
        host_end = host_end != NULL ? host_end : end;
        url->host = strndup(p, (size_t)(host_end - p));
    }
    if (url->host == NULL || url->host[0] == '\0')
        return false;
    if (host_end == end)
        return true;
    return *host_end == ':' && parse_number(host_end + 1, (size_t)(end - host_end) - 1, 65535, &url->port) &&
           url->port > 0;
}

static bool parse(const char *text, struct cw_redis_url *url)
{
    url->is_tls = cw_z_starts(text, "rediss://");
    if (!url->is_tls && !cw_z_starts(text, "redis://"))
        return false;
    const char *p = strstr(text, "://") + 3;
    size_t n = strcspn(p, "/?#");
    const char *rest = p + n;
    const char *at = memrchr(p, '@', n);
    if (at != NULL) {
        if (!parse_credentials(p, (size_t)(at - p), url))
            return false;
        n -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    if (!parse_host(p, n, url))
        return false;
    if (rest[0] == '\0' || strcmp(rest, "/") == 0)
        return true;
    return rest[0] == '/' && parse_number(rest + 1, strlen(rest + 1), DB_MAX, &url->db);
}

int cw_redis_url_parse(const char *text, struct cw_redis_url *ret_url, struct cw_err *err)
{
    struct cw_redis_url url = {.port = PORT_DEFAULT};
    if (text == NULL || !parse(text, &url)) {
        cw_redis_url_fini(&url);
        return cw_err_set(
            err, CW_EINVAL,
            "the Redis URL is not redis://[user:password@]host[:port][/db] (or rediss:// for TLS)");
    }
    *ret_url = url;
    return 0;
}

void cw_redis_url_fini(struct cw_redis_url *url)
{
    if (url->password != NULL)
        explicit_bzero(url->password, strlen(url->password));
    free(url->host);
    free(url->username);
    free(url->password);
    *url = (struct cw_redis_url){0};
}

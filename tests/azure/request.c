/* Takes a request apart: host, path, query, headers, body. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TARGET_BYTES_MAX 16384

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode n bytes in place of *out, which moves on behind the NUL. */
static char *decode(char **out, const char *text, size_t n, bool plus_is_blank)
{
    char *start = *out, *at = start;
    for (size_t i = 0; i < n; i++) {
        int high = text[i] == '%' && i + 2 < n ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0) {
            *at++ = (char)(high * 16 + low);
            i += 2;
        } else {
            *at++ = plus_is_blank && text[i] == '+' ? ' ' : text[i];
        }
    }
    *at++ = '\0';
    *out = at;
    return start;
}

static void parse_query(struct az_call *call, char **out, const char *query)
{
    while (*query != '\0' && call->query_count < AZ_QUERY_MAX) {
        size_t n = strcspn(query, "&");
        size_t name = strcspn(query, "=&");
        if (n > 0) {
            size_t i = call->query_count++;
            call->query[i].name = decode(out, query, name, true);
            call->query[i].value = name < n ? decode(out, query + name + 1, n - name - 1, true) : "";
        }
        query += n + (query[n] == '&');
    }
}

/* Decoded first, split then: some SDKs send a whole scope as one segment, its slashes as %2F. */
static void parse_path(struct az_call *call, char **out, const char *path, size_t n)
{
    call->path = decode(out, path, n, false);
    for (const char *at = call->path; *at != '\0' && call->segment_count < AZ_SEGMENTS_MAX;) {
        size_t len = strcspn(at, "/");
        if (len > 0) {
            call->segments[call->segment_count++] = *out;
            memcpy(*out, at, len);
            *out += len;
            *(*out)++ = '\0';
        }
        at += len + (at[len] == '/');
    }
}

static enum az_host kind_of_host(const struct az_model *m, const char *host)
{
    if (az_ieq(host, m->arm_host))
        return AZ_HOST_ARM;
    if (az_ieq(host, m->login_host))
        return AZ_HOST_LOGIN;
    size_t n = strlen(host), suffix = strlen(m->workspace_suffix);
    if (n > suffix && az_ieq(host + n - suffix, m->workspace_suffix))
        return AZ_HOST_WORKSPACE;
    return AZ_HOST_OTHER;
}

static int parse_body(struct az_call *call)
{
    const struct az_request *req = call->req;
    if (req->body == NULL || req->body_bytes == 0)
        return 0;
    const char *text = req->body;
    size_t n = req->body_bytes;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        n -= 3;
    }
    json_error_t error;
    call->body = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    call->body_is_bad = call->body == NULL;
    return 0;
}

int az_call_parse(struct az_model *m, const struct az_request *req, struct az_call *call)
{
    memset(call, 0, sizeof *call);
    call->req = req;
    call->method = req->method;
    const char *target = req->target != NULL ? req->target : "/";
    size_t n = strlen(target), path_bytes = strcspn(target, "?");
    const char *host = req->host != NULL ? req->host : "";
    if (n > TARGET_BYTES_MAX)
        return -1;
    char *out = malloc(3 * n + strlen(host) + AZ_SEGMENTS_MAX + 2 * AZ_QUERY_MAX + 16);
    if (out == NULL)
        return -1;
    call->own = out;
    char *host_at = out;
    (void)decode(&out, host, strlen(host), false);
    for (char *c = host_at; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    host_at[strcspn(host_at, ":")] = '\0';
    call->host = host_at;
    call->host_kind = kind_of_host(m, host_at);
    parse_path(call, &out, target, path_bytes);
    parse_query(call, &out, target[path_bytes] == '?' ? target + path_bytes + 1 : "");
    const char *version = az_call_query(call, "api-version");
    call->api_version = version != NULL ? version : "";
    az_guid(m, call->request_id);
    const char *correlation = az_call_header(call, "x-ms-correlation-request-id");
    if (correlation != NULL && correlation[0] != '\0')
        snprintf(call->correlation_id, sizeof call->correlation_id, "%s", correlation);
    else
        snprintf(call->correlation_id, sizeof call->correlation_id, "%s", call->request_id);
    return parse_body(call);
}

void az_call_fini(struct az_call *call)
{
    json_decref(call->body);
    free(call->own);
}

const char *az_call_header(const struct az_call *call, const char *name)
{
    for (size_t i = 0; i < call->req->header_count; i++)
        if (strcasecmp(call->req->headers[i].name, name) == 0)
            return call->req->headers[i].value;
    return NULL;
}

const char *az_call_query(const struct az_call *call, const char *name)
{
    for (size_t i = 0; i < call->query_count; i++)
        if (strcasecmp(call->query[i].name, name) == 0)
            return call->query[i].value;
    return NULL;
}

const char *az_call_segment(const struct az_call *call, size_t i)
{
    return i < call->segment_count ? call->segments[i] : "";
}

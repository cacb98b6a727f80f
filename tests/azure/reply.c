/* Answers: bodies, headers, error envelopes, pages. */
#include "tests/azure/arm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_BYTES 2048
#define PAGE_SIZE_DEFAULT 1000
#define EMPTY_MAX 0.9 /* of the pages that are empty, so that a list ends */

static void set_body(struct az_response *res, int status, char *take_text)
{
    free(res->body);
    res->status = status;
    res->body = take_text;
    res->body_bytes = take_text != NULL ? strlen(take_text) : 0;
}

void az_reply_header(struct az_response *res, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *value = NULL;
    if (vasprintf(&value, fmt, args) < 0)
        value = NULL;
    va_end(args);
    if (value == NULL)
        return;
    for (size_t i = 0; i < res->header_count; i++)
        if (strcasecmp(res->headers[i].name, name) == 0) {
            free(res->headers[i].value);
            res->headers[i].value = value;
            return;
        }
    char *copy = strdup(name);
    if (copy == NULL || res->header_count == AZ_RESPONSE_HEADERS_MAX) {
        free(copy);
        free(value);
        return;
    }
    res->headers[res->header_count].name = copy;
    res->headers[res->header_count++].value = value;
}

void az_response_fini(struct az_response *res)
{
    for (size_t i = 0; i < res->header_count; i++) {
        free(res->headers[i].name);
        free(res->headers[i].value);
    }
    free(res->body);
    memset(res, 0, sizeof *res);
}

void az_reply_json(struct az_response *res, int status, json_t *take_body)
{
    set_body(res, status, json_dumps(take_body, JSON_COMPACT | JSON_ENCODE_ANY));
    json_decref(take_body);
    az_reply_header(res, "Content-Type", AZ_JSON);
}

void az_reply_text(struct az_response *res, int status, const char *content_type, const char *text)
{
    set_body(res, status, strdup(text));
    az_reply_header(res, "Content-Type", "%s", content_type);
}

void az_reply_empty(struct az_response *res, int status)
{
    set_body(res, status, NULL);
}

static void format_message(char *buf, size_t buf_bytes, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static void format_message(char *buf, size_t buf_bytes, const char *fmt, va_list args)
{
    vsnprintf(buf, buf_bytes, fmt, args);
}

void az_reply_error(struct az_response *res, int status, const char *code, const char *fmt, ...)
{
    char message[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    format_message(message, sizeof message, fmt, args);
    va_end(args);
    az_reply_json(res, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message));
}

void az_reply_error_flat(struct az_response *res, int status, const char *code, const char *fmt, ...)
{
    char message[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    format_message(message, sizeof message, fmt, args);
    va_end(args);
    az_reply_json(res, status, json_pack("{s:s,s:s}", "code", code, "message", message));
}

void az_reply_error_mixed(struct az_model *m, struct az_response *res, int status, const char *code,
                          const char *fmt, ...)
{
    char message[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    format_message(message, sizeof message, fmt, args);
    va_end(args);
    if (az_chance(m, az_behaviour(m, "flatErrors", 0.3)))
        az_reply_error_flat(res, status, code, "%s", message);
    else
        az_reply_error(res, status, code, "%s", message);
}

void az_reply_error_databricks(struct az_response *res, int status, const char *code, const char *fmt, ...)
{
    char message[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    format_message(message, sizeof message, fmt, args);
    va_end(args);
    az_reply_json(res, status, json_pack("{s:s,s:s}", "error_code", code, "message", message));
    az_reply_header(res, "Content-Type", "application/json");
    az_reply_header(res, "x-databricks-reason-phrase", "%s", code);
}

void az_reply_retry_after(const struct az_model *m, struct az_response *res, int64_t model_ms)
{
    int64_t told_ms = az_scaled(m, model_ms);
    int64_t seconds = (told_ms + 999) / 1000;
    az_reply_header(res, "Retry-After", "%lld", (long long)(seconds > 0 ? seconds : 1));
}

const char *az_url_base(const struct az_model *m, const char *host, char *buf, size_t buf_bytes)
{
    if (m->port == 443 || m->port == 0)
        snprintf(buf, buf_bytes, "https://%s", host);
    else
        snprintf(buf, buf_bytes, "https://%s:%d", host, m->port);
    return buf;
}

static size_t page_size(const struct az_model *m, const struct az_call *call)
{
    const char *top = az_call_query(call, "$top");
    double size = az_behaviour(m, "pageSize", PAGE_SIZE_DEFAULT);
    if (top != NULL && strtod(top, NULL) >= 1 && strtod(top, NULL) < size)
        size = strtod(top, NULL);
    return size >= 1 ? (size_t)size : 1;
}

static void append_escaped(char *buf, size_t buf_bytes, const char *text)
{
    size_t n = strlen(buf);
    for (; *text != '\0' && n + 4 < buf_bytes; text++) {
        bool is_plain = strchr("-_.~", *text) != NULL || (*text >= '0' && *text <= '9') ||
                        (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');
        if (is_plain)
            buf[n++] = *text;
        else
            n += (size_t)snprintf(buf + n, buf_bytes - n, "%%%02X", (unsigned char)*text);
    }
    buf[n] = '\0';
}

static json_t *next_link(const struct az_model *m, const struct az_call *call, size_t offset)
{
    char url[8192], base[512];
    size_t path_bytes = strcspn(call->req->target, "?");
    snprintf(url, sizeof url, "%s%.*s?", az_url_base(m, call->host, base, sizeof base), (int)path_bytes,
             call->req->target);
    for (size_t i = 0; i < call->query_count; i++) {
        if (az_ieq(call->query[i].name, "$skipToken"))
            continue;
        append_escaped(url, sizeof url, call->query[i].name);
        strncat(url, "=", sizeof url - strlen(url) - 1);
        append_escaped(url, sizeof url, call->query[i].value);
        strncat(url, "&", sizeof url - strlen(url) - 1);
    }
    size_t n = strlen(url);
    snprintf(url + n, sizeof url - n, "%%24skipToken=%zu", offset);
    return json_string(url);
}

void az_reply_page(struct az_model *m, struct az_call *call, struct az_response *res, json_t *take_all)
{
    size_t count = json_array_size(take_all), size = page_size(m, call);
    const char *token = az_call_query(call, "$skipToken");
    size_t from = token != NULL ? (size_t)strtoul(token, NULL, 10) : 0;
    json_t *value = json_array();
    double empty = az_behaviour(m, "emptyPages", 0);
    if (from < count && empty > 0 && az_chance(m, empty < EMPTY_MAX ? empty : EMPTY_MAX))
        size = 0;
    size_t end = from;
    for (; end < count && end - from < size; end++)
        json_array_append(value, json_array_get(take_all, end));
    json_decref(take_all);
    json_t *body = json_object();
    json_object_set_new(body, "value", value);
    if (end < count)
        json_object_set_new(body, "nextLink", next_link(m, call, end));
    az_reply_json(res, 200, body);
}

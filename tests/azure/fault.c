/* Fault rules: which call they hit, and what they do to it before and after its effect. */
#include "tests/azure/arm.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HUGE_BYTES_DEFAULT (16 * 1024 * 1024)
#define SLOW_MS_DEFAULT 2000

int az_model_add_fault(struct az_model *m, const json_t *rule, char *error, size_t error_bytes)
{
    if (az_fault_check("rule", rule, error, error_bytes) < 0)
        return -1;
    struct az_fault *f = calloc(1, sizeof *f);
    if (f == NULL || (f->rule = az_copy(rule)) == NULL) {
        free(f);
        snprintf(error, error_bytes, "out of memory");
        return -1;
    }
    f->matched = az_int(rule, "_matched", 0);
    f->applied = az_int(rule, "_applied", 0);
    struct az_fault **at = &m->faults;
    while (*at != NULL)
        at = &(*at)->next;
    *at = f;
    return 0;
}

void az_model_clear_faults(struct az_model *m)
{
    while (m->faults != NULL) {
        struct az_fault *f = m->faults;
        m->faults = f->next;
        json_decref(f->rule);
        free(f);
    }
}

static bool host_matches(const char *wanted, const struct az_call *call)
{
    static const char *const names[] = {"arm", "login", "workspace", "other"};
    return wanted[0] == '\0' || strcmp(wanted, names[call->host_kind]) == 0 || az_ieq(wanted, call->host);
}

static bool path_matches(const char *glob, const struct az_call *call)
{
    char pattern[1024];
    if (glob[0] == '\0')
        return true;
    snprintf(pattern, sizeof pattern, "%s%s", glob[0] == '/' || glob[0] == '*' ? "" : "*", glob);
    return fnmatch(pattern, call->path, FNM_CASEFOLD) == 0;
}

static bool matches(const struct az_fault *f, const struct az_call *call)
{
    const char *method = az_str(f->rule, "match.method");
    bool is_for_operation = az_istarts(az_str(f->rule, "fault"), "op-");
    if (is_for_operation && (strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0))
        return false;
    return (method[0] == '\0' || az_ieq(method, call->method)) &&
           host_matches(az_str(f->rule, "match.host"), call) &&
           path_matches(az_str(f->rule, "match.path"), call);
}

struct az_fault *az_fault_find(struct az_model *m, const struct az_call *call)
{
    struct az_fault *found = NULL;
    for (struct az_fault *f = m->faults; f != NULL; f = f->next) {
        if (!matches(f, call))
            continue;
        f->matched++;
        double probability = az_num(f->rule, "probability", -1);
        int64_t count = az_int(f->rule, "count", probability >= 0 ? 0 : 1);
        bool hits = f->matched >= az_int(f->rule, "nth", 1) && (count <= 0 || f->applied < count);
        if (probability >= 0)
            hits = az_chance(m, probability) && hits;
        if (!hits || found != NULL)
            continue;
        f->applied++;
        found = f;
    }
    return found;
}

static void reply_status(const struct az_fault *f, const struct az_call *call, struct az_response *res,
                         int fallback, const char *fallback_code)
{
    int status = (int)az_int(f->rule, "status", fallback);
    const char *code = az_str_or_null(f->rule, "code"), *message = az_str_or_null(f->rule, "message");
    const char *envelope = az_str(f->rule, "envelope"), *retry = az_str_or_null(f->rule, "retryAfter");
    code = code != NULL ? code : fallback_code;
    message = message != NULL ? message : "A fault was planned for this request.";
    if (strcmp(envelope, "html") == 0)
        az_reply_text(res, status, "text/html",
                      "<html><head><title>Error</title></head><body>Error</body></html>");
    else if (strcmp(envelope, "none") == 0)
        az_reply_empty(res, status);
    else if (strcmp(envelope, "flat") == 0)
        az_reply_error_flat(res, status, code, "%s", message);
    else if (strcmp(envelope, "arm") == 0)
        az_reply_error(res, status, code, "%s", message);
    else if (strcmp(envelope, "databricks") == 0)
        az_reply_error_databricks(res, status, code, "%s", message);
    else if (call->host_kind == AZ_HOST_LOGIN)
        az_reply_json(res, status, json_pack("{s:s,s:s}", "error", code, "error_description", message));
    else if (call->host_kind == AZ_HOST_WORKSPACE)
        az_reply_error_databricks(res, status, code, "%s", message);
    else
        az_reply_error(res, status, code, "%s", message);
    if (retry != NULL)
        az_reply_header(res, "Retry-After", "%s", retry);
    else if (az_int(f->rule, "retryAfter", -1) >= 0)
        az_reply_header(res, "Retry-After", "%lld", (long long)az_int(f->rule, "retryAfter", 0));
}

bool az_fault_before(struct az_model *m, const struct az_fault *f, const struct az_call *call,
                     struct az_response *res)
{
    const char *kind = az_str(f->rule, "fault");
    (void)m;
    if (strcmp(kind, "status") == 0) {
        reply_status(f, call, res, 500, "InternalServerError");
    } else if (strcmp(kind, "throttle") == 0) {
        reply_status(f, call, res, 429,
                     call->host_kind == AZ_HOST_WORKSPACE ? "REQUEST_LIMIT_EXCEEDED"
                                                          : "SubscriptionRequestsThrottled");
        if (az_at(f->rule, "retryAfter") == NULL)
            az_reply_header(res, "Retry-After", "5");
    } else if (strcmp(kind, "reset-before") == 0 ||
               (strcmp(kind, "hang") == 0 && !az_bool(f->rule, "after", false))) {
        az_reply_empty(res, 503);
        res->wire = kind[0] == 'h' ? AZ_WIRE_HANG : AZ_WIRE_RESET;
    } else if (strcmp(kind, "redirect") == 0) {
        const char *to = az_str_or_null(f->rule, "location");
        az_reply_empty(res, (int)az_int(f->rule, "status", 307));
        az_reply_header(res, "Location", "%s", to != NULL ? to : "https://elsewhere.example/");
    } else {
        return false;
    }
    return true;
}

static void make_huge(const struct az_fault *f, struct az_response *res)
{
    size_t n = (size_t)az_int(f->rule, "bytes", HUGE_BYTES_DEFAULT);
    char *text = malloc(n + 32);
    if (text == NULL)
        return;
    size_t at = (size_t)snprintf(text, 32, "{\"filler\":\"");
    memset(text + at, 'x', n);
    memcpy(text + at + n, "\"}", 3);
    free(res->body);
    res->body = text;
    res->body_bytes = strlen(text);
    az_reply_header(res, "Content-Type", "application/json");
}

static void spoil_json(struct az_response *res)
{
    if (res->body != NULL && res->body_bytes > 2) {
        res->body_bytes = res->body_bytes * 2 / 3;
        res->body[res->body_bytes] = '\0';
    } else {
        az_reply_text(res, res->status, "application/json", "{\"value\":[");
    }
}

static void skew_clock(struct az_model *m, const struct az_fault *f, struct az_response *res)
{
    char date[64];
    time_t at_s = (time_t)((m->now_ms + az_int(f->rule, "skewMs", 3600000)) / 1000);
    struct tm tm;
    gmtime_r(&at_s, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    az_reply_header(res, "Date", "%s", date);
}

void az_fault_after(struct az_model *m, const struct az_fault *f, const struct az_call *call,
                    struct az_response *res)
{
    const char *kind = az_str(f->rule, "fault");
    if (strcmp(kind, "reset-after") == 0)
        res->wire = AZ_WIRE_RESET;
    else if (strcmp(kind, "hang") == 0)
        res->wire = AZ_WIRE_HANG;
    else if (strcmp(kind, "truncate") == 0)
        res->wire = AZ_WIRE_TRUNCATED;
    else if (strcmp(kind, "slow") == 0)
        res->wire = AZ_WIRE_SLOW;
    else if (strcmp(kind, "bad-json") == 0)
        spoil_json(res);
    else if (strcmp(kind, "html") == 0)
        az_reply_text(
            res, (int)az_int(f->rule, "status", res->status), "text/html; charset=utf-8",
            "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body></body></html>");
    else if (strcmp(kind, "content-type") == 0)
        az_reply_header(res, "Content-Type", "%s",
                        az_str_or_null(f->rule, "type") != NULL ? az_str(f->rule, "type") : "text/plain");
    else if (strcmp(kind, "huge") == 0)
        make_huge(f, res);
    else if (strcmp(kind, "clock-skew") == 0)
        skew_clock(m, f, res);
    else if (strcmp(kind, "gateway-timeout") == 0) {
        while (res->header_count > 0) {
            free(res->headers[--res->header_count].name);
            free(res->headers[res->header_count].value);
        }
        reply_status(f, call, res, 504, "GatewayTimeout");
        res->delay_ms = az_scaled(m, 60000);
    }
    if (az_int(f->rule, "delayMs", -1) >= 0 || strcmp(kind, "slow") == 0)
        res->delay_ms = az_int(f->rule, "delayMs", strcmp(kind, "slow") == 0 ? SLOW_MS_DEFAULT : 0);
}

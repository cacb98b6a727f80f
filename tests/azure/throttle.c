/* Request limits: ARM's (hourly counts as in China and US Government, or the public cloud's token buckets),
 * and those that resource providers keep for themselves. Told time runs time_scale times faster here, as
 * everywhere. */
#include "tests/azure/arm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PRINCIPALS 15 /* the public cloud's limit over all principals is so many times that of one */

struct limit {
    const char *key; /* in "throttle" of the state document */
    double count;
    double window_s;
};

static json_t *bucket(struct az_model *m, const char *name, double level)
{
    json_t *b = json_object_get(m->buckets, name);
    if (b == NULL) {
        b = json_pack("{s:f,s:I}", "level", level, "at", (json_int_t)m->now_ms);
        json_object_set_new(m->buckets, name, b);
    }
    return b;
}

int64_t az_bucket_take(struct az_model *m, const char *name, double capacity, double refill_per_s,
                       int64_t *ret_wait_model_ms)
{
    json_t *b = bucket(m, name, capacity);
    double elapsed_s = (double)(m->now_ms - az_int(b, "at", m->now_ms)) / 1000.0 * m->time_scale;
    double level = fmin(capacity, az_num(b, "level", capacity) + elapsed_s * refill_per_s);
    json_object_set_new(b, "at", json_integer((json_int_t)m->now_ms));
    bool is_free = level >= 1.0;
    if (is_free)
        level -= 1.0;
    else
        *ret_wait_model_ms = (int64_t)ceil((1.0 - level) / refill_per_s * 1000.0);
    json_object_set_new(b, "level", json_real(level));
    return is_free ? (int64_t)level : -1;
}

/* The same for a count per fixed window. */
static int64_t window_take(struct az_model *m, const char *name, const struct limit *limit,
                           int64_t *ret_wait_model_ms)
{
    json_t *b = bucket(m, name, limit->count);
    double model_ms = (double)(m->now_ms - az_int(b, "at", m->now_ms)) * m->time_scale;
    if (model_ms >= limit->window_s * 1000.0) {
        json_object_set_new(b, "at", json_integer((json_int_t)m->now_ms));
        json_object_set_new(b, "level", json_real(limit->count));
        model_ms = 0;
    }
    double level = fmin(az_num(b, "level", 0), limit->count);
    if (level < 1.0) {
        *ret_wait_model_ms = (int64_t)(limit->window_s * 1000.0 - model_ms);
        return -1;
    }
    json_object_set_new(b, "level", json_real(level - 1.0));
    return (int64_t)level - 1;
}

static void refuse(struct az_model *m, struct az_response *res, const char *code, const char *text,
                   int64_t wait_ms)
{
    az_reply_error(res, 429, code, "%s Please try again after '%lld' seconds.", text,
                   (long long)((az_scaled(m, wait_ms) + 999) / 1000));
    az_reply_retry_after(m, res, wait_ms);
}

static const char *const classes[] = {"reads", "writes", "deletes"};

/* From the principal's bucket, and from that of all principals of the scope. What remains of the first, -1 when one of them
 * is empty; *ret_all is what remains of the second. */
static int64_t take_buckets(struct az_model *m, const char *name, const char *scope, size_t class_index,
                            int64_t *ret_wait_ms, int64_t *ret_all)
{
    static const double capacity[] = {250, 200, 200}, refill[] = {25, 10, 10};
    const char *class_name = classes[class_index];
    char refill_name[32], name_of_all[256];
    snprintf(refill_name, sizeof refill_name, "%sPerSecond", class_name);
    snprintf(name_of_all, sizeof name_of_all, "arm/%s/all/%s", scope, class_name);
    double size = az_num(m->throttle, class_name, capacity[class_index]),
           per_second = az_num(m->throttle, refill_name, refill[class_index]);
    int64_t left = az_bucket_take(m, name, size, per_second, ret_wait_ms);
    if (left < 0)
        return -1;
    *ret_all = az_bucket_take(m, name_of_all, size * PRINCIPALS, per_second * PRINCIPALS, ret_wait_ms);
    return *ret_all >= 0 ? left : -1;
}

static bool check_arm(struct az_model *m, const struct az_call *call, char class_, struct az_response *res)
{
    static const struct limit hourly[] = {
        {"reads", 12000, 3600}, {"writes", 1200, 3600}, {"deletes", 15000, 3600}};
    size_t i = class_ == 'r' ? 0 : class_ == 'w' ? 1 : 2;
    bool is_tenant = !az_ieq(az_call_segment(call, 0), "subscriptions") || call->segment_count < 2;
    const char *scope = is_tenant ? call->who.tenant : call->segments[1];
    bool is_hourly = strcmp(az_str(m->throttle, "model"), "bucket") != 0;
    char name[256], header[96];
    snprintf(name, sizeof name, "arm/%s/%s/%s", scope, call->who.app_id, classes[i]);
    int64_t wait_ms = 0, left, all = 0;
    if (is_hourly) {
        struct limit limit = hourly[i];
        limit.count = az_num(m->throttle, classes[i], limit.count);
        left = window_take(m, name, &limit, &wait_ms);
    } else {
        left = take_buckets(m, name, scope, i, &wait_ms, &all);
        snprintf(header, sizeof header, "x-ms-ratelimit-remaining-%s-global-%s",
                 is_tenant ? "tenant" : "subscription", classes[i]);
        az_reply_header(res, header, "%lld", (long long)(all > 0 ? all : 0));
    }
    snprintf(header, sizeof header, "x-ms-ratelimit-remaining-%s-%s", is_tenant ? "tenant" : "subscription",
             classes[i]);
    az_reply_header(res, header, "%lld", (long long)(left > 0 ? left : 0));
    if (left >= 0)
        return false;
    refuse(m, res, "SubscriptionRequestsThrottled",
           "The request is being throttled as the limit has been reached for this kind of operation.",
           wait_ms);
    return true;
}

static bool check_window(struct az_model *m, struct az_response *res, const char *scope,
                         const struct limit *fallback)
{
    struct limit limit = *fallback;
    char name[AZ_ID_MAX + 64];
    int64_t wait_ms = 0;
    limit.count = az_num(m->throttle, limit.key, limit.count);
    snprintf(name, sizeof name, "%s/%s", limit.key, scope);
    if (window_take(m, name, &limit, &wait_ms) >= 0)
        return false;
    refuse(m, res, "TooManyRequests", "The resource provider received too many requests.", wait_ms);
    return true;
}

static bool check_dns(struct az_model *m, const struct az_call *call, const char *operation, char class_,
                      struct az_response *res)
{
    static const struct limit zone_writes = {"dnsZoneWrites", 40, 60}, zone_reads = {"dnsZoneReads", 200, 60},
                              record_writes = {"dnsRecordWrites", 60, 60},
                              record_reads = {"dnsRecordReads", 200, 60},
                              link_writes = {"dnsLinkWrites", 60, 60}, link_reads = {"dnsLinkReads", 100, 60};
    char zone[AZ_ID_MAX];
    snprintf(zone, sizeof zone, "%s/%s/%s", az_call_segment(call, 1), az_call_segment(call, 3),
             az_call_segment(call, 7));
    bool is_read = class_ == 'r';
    if (strstr(operation, "/virtualNetworkLinks/") != NULL)
        return check_window(m, res, zone, is_read ? &link_reads : &link_writes);
    if (strstr(operation, "/A/") != NULL)
        return check_window(m, res, zone, is_read ? &record_reads : &record_writes);
    return check_window(m, res, is_read ? zone : az_call_segment(call, 1),
                        is_read ? &zone_reads : &zone_writes);
}

static bool check_graph(struct az_model *m, const struct az_call *call, struct az_response *res)
{
    struct limit limit = {"resourceGraph", az_num(m->throttle, "resourceGraph", 15), 5};
    char name[128];
    int64_t wait_ms = 0;
    snprintf(name, sizeof name, "graph/%s", call->who.object_id);
    int64_t left = window_take(m, name, &limit, &wait_ms);
    az_reply_header(res, "x-ms-user-quota-remaining", "%lld", (long long)(left > 0 ? left : 0));
    az_reply_header(res, "x-ms-user-quota-resets-after", "00:00:%02d",
                    (int)((az_scaled(m, wait_ms) + 999) / 1000));
    if (left >= 0)
        return false;
    refuse(m, res, "RateLimiting", "Please provide below info when asking for support.", wait_ms);
    return true;
}

bool az_throttle_check(struct az_model *m, struct az_call *call, const char *operation, char class_,
                       struct az_response *res)
{
    static const struct limit writes = {"networkWrites", 1000, 300}, reads = {"networkReads", 10000, 300};
    if (strcmp(az_str(m->throttle, "model"), "off") == 0)
        return false;
    if (check_arm(m, call, class_, res))
        return true;
    if (az_istarts(operation, "Microsoft.Network/privateDnsZones"))
        return check_dns(m, call, operation, class_, res);
    if (az_istarts(operation, "Microsoft.Network/"))
        return check_window(m, res, az_call_segment(call, 1), class_ == 'r' ? &reads : &writes);
    if (az_istarts(operation, "Microsoft.ResourceGraph/"))
        return check_graph(m, call, res);
    return false;
}

/* causeway doctor: can the worker's surroundings be reached, is the identity allowed, and what is wrong if not. */
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>

#include "common/azure/resources.h"
#include "common/azure/session.h"
#include "common/net/redis.h"
#include "ops/ctl/ctl.h"

#define CHECK_TIMEOUT_MS 15000
#define MAPS_PER_JOB 2
#define CLOCK_SKEW_MAX_MS (60 * 1000)

enum verdict { GOOD, DOUBTFUL, BAD };

struct doctor {
    struct ctl *ctl;
    bool json;
    bool is_bad;
    bool is_unreachable;
    const char *subscription; /* NULL: those of the policy, or none */
    struct cw_arena *mem;
    json_t *report; /* with --json */
};

static void report(struct doctor *d, enum verdict verdict, const char *what, const char *text,
                   const char *remedy)
{
    static const char *const marks[] = {"ok", "warning", "FAILED"};
    d->is_bad = d->is_bad || verdict == BAD;
    if (d->json) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "check", what, "state", marks[verdict], "text", text,
                                 "remedy", remedy);
        (void)json_array_append_new(d->report, line);
        return;
    }
    (void)printf("%-8s %-28s %s\n", marks[verdict], what, text);
    if (remedy[0] != '\0')
        (void)printf("%-8s %-28s remedy: %s\n", "", "", remedy);
    (void)fflush(stdout);
}

static void report_err(struct doctor *d, const char *what, const struct cw_err *err, const char *remedy)
{
    d->is_unreachable =
        d->is_unreachable || err->code == CW_ENET || err->code == CW_ETIMEDOUT || err->code == CW_ETLS;
    report(d, BAD, what, err->text, err->remedy[0] != '\0' ? err->remedy : remedy);
}

static void check_machine(struct doctor *d)
{
    char text[160];
    long maps = 0;
    int64_t jobs = d->ctl->settings.jobs_max;
    struct rlimit files = {0};
    FILE *in = fopen("/proc/sys/vm/max_map_count", "re");
    if (in != NULL) {
        if (fscanf(in, "%ld", &maps) != 1)
            maps = 0;
        (void)fclose(in);
    }
    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)snprintf(text, sizeof text, "vm.max_map_count %ld, open files %lld, limits.jobs %lld", maps,
                   (long long)files.rlim_cur, (long long)jobs);
    if (maps > 0 && maps < jobs * MAPS_PER_JOB + 2000)
        report(d, BAD, "machine", text, "raise vm.max_map_count (sysctl), or lower --limits-jobs");
    else if ((int64_t)files.rlim_cur < 1024)
        report(d, DOUBTFUL, "machine", text,
               "raise the limit of open files to 4096 or more (ulimit -n, LimitNOFILE=)");
    else
        report(d, GOOD, "machine", text, "");
}

static void check_kafka(struct doctor *d)
{
    const struct cw_settings *s = &d->ctl->settings;
    const char *const topics[] = {s->topic_requests, s->topic_requests_bulk, s->topic_progress,
                                  s->topic_results, s->topic_deadletter};
    const struct cw_kafka_cfg cfg = ctl_kafka_cfg(s);
    struct cw_kafka_out *out = NULL;
    struct cw_err err = {0};
    int r = cw_kafka_out_new(d->ctl->loop, &cfg, &out, &err);
    if (r == 0)
        r = cw_kafka_check(out, topics, CW_ARRAY_LEN(topics), CHECK_TIMEOUT_MS, &err);
    cw_kafka_out_free(out, 0);
    if (r == 0)
        report(d, GOOD, "Kafka", cfg.brokers, "");
    else if (r == -CW_ENOTFOUND)
        report_err(d, "Kafka topics", &err, "create the topics that are missing; --topics-… names others");
    else
        report_err(d, "Kafka", &err, "is --kafka-brokers right, and is the network open to it?");
}

static int redis_text(struct doctor *d, struct cw_redis *redis, size_t argc, const char *const *argv,
                      const char **ret_text, struct cw_err *err)
{
    struct cw_str args[4];
    struct cw_redis_reply reply = {0};
    for (size_t i = 0; i < argc; i++)
        args[i] = cw_str_of(argv[i]);
    int r = cw_redis_call(redis, argc, args, cw_in_ms(CHECK_TIMEOUT_MS), d->mem, &reply, err);
    if (r < 0)
        return r;
    if (reply.type == CW_REDIS_ARRAY && reply.count == 2)
        reply = reply.items[1];
    *ret_text = reply.type == CW_REDIS_STR ? reply.str.p : "";
    return 0;
}

static void check_redis(struct doctor *d)
{
    struct cw_redis *redis = NULL;
    struct cw_err err = {0};
    const char *pong = NULL;
    const char *policy = NULL;
    int r = cw_redis_new(d->ctl->loop, &d->ctl->settings.redis, &redis, &err);
    if (r == 0)
        r = redis_text(d, redis, 1, (const char *const[]){"PING"}, &pong, &err);
    if (r < 0) {
        report_err(d, "Redis", &err, "is --redis-url right, and is the network open to it?");
        cw_redis_free(redis);
        return;
    }
    report(d, GOOD, "Redis", "answers", "");
    r = redis_text(d, redis, 3, (const char *const[]){"CONFIG", "GET", "maxmemory-policy"}, &policy, &err);
    if (r < 0)
        report(d, DOUBTFUL, "Redis eviction", "may not be read (CONFIG is refused)",
               "make sure that maxmemory-policy is noeviction");
    else if (!cw_z_eq(policy, "noeviction"))
        report(d, BAD, "Redis eviction", policy,
               "set maxmemory-policy noeviction: locks and journals must not be evicted");
    else
        report(d, GOOD, "Redis eviction", policy, "");
    cw_redis_free(redis);
}

static struct cw_call call_of(struct doctor *d)
{
    return (struct cw_call){.until = cw_in_ms(CHECK_TIMEOUT_MS),
                            .mem = d->mem,
                            .correlation_id = "00000000-0000-0000-0000-d0c70d0c70d0"};
}

static void check_clock(struct doctor *d, struct cw_azure_session *azure)
{
    const struct cw_http_req req = {.method = "GET", .url = azure->cloud.arm_endpoint};
    struct cw_http_res res = {0};
    struct cw_err err = {0};
    char text[96];
    int64_t theirs = 0;
    if (cw_http_call(azure->http, &req, cw_in_ms(CHECK_TIMEOUT_MS), d->mem, &res, &err) < 0) {
        report_err(d, "Azure Resource Manager", &err,
                   "is the network open to it, and is --tls-ca-file right?");
        return;
    }
    report(d, GOOD, "Azure Resource Manager", azure->cloud.arm_endpoint, "");
    const char *date = cw_http_header(&res, "date");
    if (date == NULL || !cw_http_date_parse(date, &theirs))
        return;
    int64_t skew = cw_wall_ms() - theirs;
    (void)snprintf(text, sizeof text, "%lld s from Azure's", (long long)(skew / 1000));
    if (skew > CLOCK_SKEW_MAX_MS || skew < -CLOCK_SKEW_MAX_MS)
        report(d, DOUBTFUL, "clock", text, "synchronise the clock (NTP): tokens and events carry the time");
    else
        report(d, GOOD, "clock", text, "");
}

static bool check_token(struct doctor *d, struct cw_azure_session *azure, const char *what,
                        const char *audience)
{
    const char *token = NULL;
    struct cw_err err = {0};
    if (cw_credential_token(azure->credential, NULL, audience, cw_in_ms(CHECK_TIMEOUT_MS), d->mem, &token,
                            &err) < 0) {
        report_err(d, what, &err, "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the credential");
        return false;
    }
    report(d, GOOD, what, cw_credential_kind_name(cw_credential_kind_of(azure->credential)), "");
    return true;
}

static void check_permissions(struct doctor *d, struct cw_azure_session *azure, const char *subscription)
{
    static const char *const needed[] = {
        "Microsoft.Databricks/workspaces/read",
        "Microsoft.Databricks/workspaces/write",
        "Microsoft.Databricks/workspaces/privateEndpointConnectionsApproval/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write",
        "Microsoft.Network/natGateways/write",
        "Microsoft.Network/routeTables/write",
        "Microsoft.Network/privateEndpoints/write",
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/write",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write",
        "Microsoft.Network/privateDnsZones/join/action",
    };
    struct cw_call call = call_of(d);
    struct cw_permissions permissions = {0};
    struct cw_err err = {0};
    const char *scope = cw_arena_printf(d->mem, "/subscriptions/%s", subscription);
    if (cw_resources_permissions(azure->own.arm, &call, scope, &permissions, &err) < 0) {
        report(d, DOUBTFUL, "permissions", err.text,
               "roles may be assigned on resource groups only: that is fine");
        return;
    }
    CW_AUTO(cw_buf_fini) struct cw_buf missing = {0};
    for (size_t i = 0; i < CW_ARRAY_LEN(needed); i++)
        if (!cw_permissions_allow(&permissions, needed[i]))
            cw_buf_addf(&missing, "%s%s", missing.n > 0 ? ", " : "missing on the subscription: ", needed[i]);
    if (missing.n == 0)
        report(d, GOOD, "permissions", "all that is needed, on the whole subscription", "");
    else
        report(d, DOUBTFUL, "permissions", cw_buf_z(&missing),
               "assign the role of ops/deploy/role.json here, or on the groups that workers change");
    if (!cw_permissions_allow(&permissions, "Microsoft.Authorization/locks/write"))
        report(d, DOUBTFUL, "browser sign-in",
               "no right to put delete locks (Microsoft.Authorization/locks/write)",
               "assign the role of ops/deploy/role.json, if requests ask for browserAuthentication ensure");
}

static void check_subscription(struct doctor *d, struct cw_azure_session *azure, const char *subscription)
{
    static const char *const providers[] = {"Microsoft.Databricks", "Microsoft.Network"};
    struct cw_call call = call_of(d);
    struct cw_err err = {0};
    const char *state = NULL;
    const char *tenant = NULL;
    if (cw_resources_get_subscription(azure->own.arm, &call, subscription, &state, &tenant, &err) < 0) {
        report_err(d, subscription, &err, "is the identity allowed to read the subscription?");
        return;
    }
    report(d, cw_z_eq(state, "Enabled") ? GOOD : BAD, subscription, state,
           cw_z_eq(state, "Enabled") ? "" : "the subscription must be enabled");
    for (size_t i = 0; i < CW_ARRAY_LEN(providers); i++) {
        bool is_registered = false;
        bool is_offered = false;
        if (cw_resources_check_provider(azure->own.arm, &call, subscription, providers[i], NULL, NULL,
                                        &is_registered, &is_offered, &err) < 0)
            report_err(d, providers[i], &err, "is the identity allowed to read providers?");
        else if (!is_registered)
            report(d, DOUBTFUL, providers[i], "not registered",
                   "the worker registers it if it may; else: az provider register");
        else
            report(d, GOOD, providers[i], "registered", "");
    }
    check_permissions(d, azure, subscription);
}

static void check_subscriptions(struct doctor *d, struct cw_azure_session *azure)
{
    const char *list = d->subscription != NULL ? d->subscription : d->ctl->settings.policy_subscriptions;
    if (list == NULL || list[0] == '\0') {
        report(d, DOUBTFUL, "subscriptions", "none named: permissions were not checked",
               "give --subscription ID, or set CAUSEWAY_POLICY_SUBSCRIPTIONS");
        return;
    }
    char *copy = cw_arena_strdup(d->mem, list);
    char *save = NULL;
    for (char *id = copy == NULL ? NULL : strtok_r(copy, ", ", &save); id != NULL;
         id = strtok_r(NULL, ", ", &save))
        check_subscription(d, azure, id);
}

static void check_azure(struct doctor *d)
{
    struct cw_azure_session azure;
    struct cw_err err = {0};
    if (cw_azure_session_open(&azure, d->ctl->loop, &d->ctl->settings, NULL, &err) < 0) {
        report_err(d, "Azure settings", &err, "`causeway help settings` lists them");
        return;
    }
    check_clock(d, &azure);
    if (check_token(d, &azure, "token for Azure", azure.cloud.arm_audience))
        check_subscriptions(d, &azure);
    (void)check_token(d, &azure, "token for Databricks", azure.cloud.databricks_app_id);
    cw_azure_session_close(&azure);
}

static int examine(void *arg)
{
    struct doctor *d = arg;
    check_machine(d);
    check_kafka(d);
    check_redis(d);
    check_azure(d);
    return d->is_unreachable ? CTL_UNREACHABLE : d->is_bad ? CTL_FAILED : CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"subscription", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    CW_AUTO(cw_auto_json) json_t *lines = json_array();
    struct doctor d = {.ctl = ctl, .report = lines};
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'j')
            d.json = true;
        else if (opt == 's')
            d.subscription = optarg;
        else
            return ctl_usage(&ctl_cmd_doctor, "unknown option");
    }
    if (cw_arena_new((size_t)64 * 1024 * 1024, &mem) < 0)
        return CTL_FAILED;
    d.mem = mem;
    int code = ctl_run(ctl, examine, &d);
    if (d.json) {
        CW_AUTO(cw_auto_str) char *text = cw_json_print(lines);
        (void)printf("%s\n", text == NULL ? "[]" : text);
    }
    return code;
}

const struct ctl_command ctl_cmd_doctor = {
    .name = "doctor",
    .args = "[options]",
    .summary = "check Kafka, Redis, Azure and the identity, with a remedy for each fault",
    .help =
        "Run it with the worker's own settings and identity.\n\n"
        "  --subscription ID  also check providers and permissions there (default: the policy's subscriptions)\n"
        "  --json             the checks as a JSON array {check, state, text, remedy}",
    .run = run,
};

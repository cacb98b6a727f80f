#include "ops/ctl/checks.h"

#include "schema/diagnosis_v1.h"

#define CAUSES_MAX 9
#define END CW_CAUSE__COUNT
#define YES "\u2713"
#define NO "\u2717"
#define UNSEEN "?"

/* In the order in which a connection is built. */
static const struct check {
    const char *text;
    const char
        *step; /* that must have been done for it to hold; NULL = the diagnosis, or a proof that succeeded */
    const char *value; /* of the evidence, shown beside it */
    enum cw_cause causes[CAUSES_MAX];
} checks[] = {
    {"the workspace can have a private connection, and is set to it",
     "inspect_workspace",
     "workspaceUrl",
     {CW_CAUSE_WORKSPACE_NOT_ELIGIBLE, CW_CAUSE_NOT_SETTLED, CW_CAUSE_SETTINGS_MISMATCH,
      CW_CAUSE_COMPUTE_BLOCKED_UPDATE, END}},
    {"it has an approved private endpoint that its network reaches",
     "verify_dns",
     "endpointAddress",
     {CW_CAUSE_ENDPOINT_MISSING, CW_CAUSE_ENDPOINT_UNREACHABLE, CW_CAUSE_ENDPOINT_NOT_APPROVED, END}},
    {"its name leads to the endpoint",
     "verify_dns",
     "zoneId",
     {CW_CAUSE_ZONE_NOT_LINKED, CW_CAUSE_WRONG_ZONE_NAME, CW_CAUSE_RECORD_MISSING, CW_CAUSE_RECORD_WRONG,
      CW_CAUSE_RECORD_OVERWRITTEN, CW_CAUSE_CUSTOM_DNS, CW_CAUSE_STALE_DNS, CW_CAUSE_RESOURCE_LOCKED, END}},
    {"subnets and security rules let clusters work",
     NULL,
     NULL,
     {CW_CAUSE_SUBNET_DELEGATION, CW_CAUSE_SUBNET_FULL, CW_CAUSE_NSG_BLOCKS,
      CW_CAUSE_ENDPOINT_SUBNET_FILTERED, END}},
    {"routes lead to the endpoint and to what stays public",
     NULL,
     NULL,
     {CW_CAUSE_ROUTE_FIREWALL, CW_CAUSE_ROUTE_OVERRIDES_ENDPOINT, CW_CAUSE_NO_EGRESS,
      CW_CAUSE_BLACKHOLE_ROUTE, CW_CAUSE_TLS_INSPECTION, CW_CAUSE_STORAGE_FIREWALL, END}},
    {"this fleet reaches the workspace's own API",
     NULL,
     NULL,
     {CW_CAUSE_WORKER_OUTSIDE, CW_CAUSE_IP_ACCESS_LIST, END}},
    {"a cluster starts",
     "launch_cluster",
     "clusterId",
     {CW_CAUSE_CAPACITY, CW_CAUSE_CLUSTER_CONTENT, CW_CAUSE_DATABRICKS, END}},
    {"a command on it sees the private address, and a query returns its rows", "run_probe", NULL, {END}},
    {"browser sign-in over the private network leads to its endpoint, or is not set up",
     "verify_dns",
     NULL,
     {CW_CAUSE_BROWSER_AUTHENTICATION_MISSING, CW_CAUSE_BROWSER_RECORD_WRONG, END}},
};

static bool has_cause(const struct check *check, const char *cause)
{
    for (size_t i = 0; i < CAUSES_MAX && check->causes[i] != END; i++)
        if (cw_z_eq(cw_cause_names[check->causes[i]], cause))
            return true;
    return false;
}

/* Not part of the proof: a finding counts although that succeeded. */
static bool is_beside(const struct check *check)
{
    return check->causes[0] == CW_CAUSE_BROWSER_AUTHENTICATION_MISSING;
}

static bool is_done(const json_t *result, const char *step)
{
    size_t i;
    const json_t *s;
    json_array_foreach((json_t *)cw_json_at(result, "steps"), i, s) {
        const char *name = cw_json_str(s, "name", "");
        bool is_it =
            cw_z_starts(name, step) && (name[strlen(step)] == '\0' || cw_z_eq(name + strlen(step), "_again"));
        if (is_it && cw_z_eq(cw_json_str(s, "outcome", ""), "done"))
            return true;
    }
    return false;
}

static bool has_finding(const struct check *check, const json_t *result)
{
    size_t i;
    const json_t *d;
    json_array_foreach((json_t *)cw_json_at(result, "diagnosis"), i, d)
        if (has_cause(check, cw_json_str(d, "cause", "")))
            return true;
    return false;
}

/* Did the proof end in this check's own step? */
static bool is_where_it_failed(const struct check *check, const json_t *result)
{
    size_t i;
    const json_t *s;
    const char *message = cw_json_str(result, "error/message", NULL);
    json_array_foreach((json_t *)cw_json_at(result, "steps"), i, s) {
        size_t k;
        const json_t *line;
        if (check->step == NULL || !cw_z_starts(cw_json_str(s, "name", ""), check->step))
            continue;
        if (cw_z_eq(cw_json_str(s, "outcome", ""), "failed"))
            return true;
        json_array_foreach((json_t *)cw_json_at(s, "found"), k, line)
            if (message != NULL && cw_z_eq(json_string_value(line), message))
                return true;
    }
    return false;
}

static const char *mark_of(const struct check *check, const json_t *result, const char *value)
{
    bool is_proven = cw_z_eq(cw_json_str(result, "outcome", ""), "succeeded") && is_done(result, "run_probe");
    if (is_proven && !is_beside(check))
        return YES;
    if (has_finding(check, result))
        return NO;
    if (check->step == NULL)
        return is_done(result, "diagnose") ? YES : UNSEEN;
    if (!is_done(result, check->step))
        return UNSEEN;
    if (!is_where_it_failed(check, result))
        return YES;
    /* The step looks at more than this check: what it could show of it counts. */
    if (cw_z_eq(check->step, "verify_dns"))
        return value != NULL ? YES : UNSEEN;
    return NO;
}

static void print_findings(FILE *out, const struct check *check, const json_t *result)
{
    size_t i;
    const json_t *d;
    json_array_foreach((json_t *)cw_json_at(result, "diagnosis"), i, d) {
        size_t k;
        const json_t *e;
        const char *cause = cw_json_str(d, "cause", "");
        if (check != NULL ? !has_cause(check, cause) : !cw_z_eq(cause, cw_cause_names[CW_CAUSE_UNREADABLE]))
            continue;
        (void)fprintf(out, "     %s (%s, %lld %%)\n", cw_json_str(d, "message", ""), cause,
                      (long long)cw_json_int(d, "confidence", 0));
        json_array_foreach((json_t *)cw_json_at(d, "evidence"), k, e)
            (void)fprintf(out, "       %s %s: expected %s, found %s\n", cw_json_str(e, "resourceId", ""),
                          cw_json_str(e, "field", ""), cw_json_str(e, "expected", "-"),
                          cw_json_str(e, "found", "-"));
        (void)fprintf(out, "       remedy%s: %s\n",
                      cw_json_bool(d, "safe", false) ? " (safe: causeway diagnose --repair does it)" : "",
                      cw_json_str(d, "repair", "-"));
        const char *command = cw_json_str(d, "command", NULL), *source = cw_json_str(d, "source", NULL);
        if (command != NULL)
            (void)fprintf(out, "       %s: %s\n", cw_json_str(d, "repairer", "how"), command);
        if (source != NULL)
            (void)fprintf(out, "       see: %s\n", source);
    }
}

static void print_changes(FILE *out, const json_t *result)
{
    size_t i;
    size_t k;
    const json_t *s;
    const json_t *line;
    json_array_foreach((json_t *)cw_json_at(result, "steps"), i, s)
        if (cw_z_eq(cw_json_str(s, "name", ""), "repair"))
            json_array_foreach((json_t *)cw_json_at(s, "changed"), k, line)
                (void)fprintf(out, "  repaired: %s\n", json_string_value(line));
}

void checks_print(FILE *out, const json_t *result)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(checks); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "evidence/%s", checks[i].value == NULL ? "-" : checks[i].value);
        const char *value = cw_json_str(result, path, NULL);
        const char *mark = mark_of(&checks[i], result, value);
        (void)fprintf(out, "  %s %s%s%s\n", mark, checks[i].text, value == NULL ? "" : ": ",
                      value == NULL ? "" : value);
        if (cw_z_eq(mark, NO))
            print_findings(out, &checks[i], result);
    }
    print_findings(out, NULL, result);
    print_changes(out, result);
    const char *message = cw_json_str(result, "error/message", NULL);
    if (message != NULL)
        (void)fprintf(out, "  %s\n  remedy: %s\n", message, cw_json_str(result, "error/remedy", "-"));
}

#include "tests/sim/plan.h"

#define SUBSCRIPTION "11111111-1111-1111-1111-111111111111"
#define MINUTE INT64_C(60000)

/* Rules that end; the rest of a history is quiet. */
static const char *const rules[] = {
    "{\"match\":{\"host\":\"arm\"},\"probability\":0.08,\"fault\":\"status\",\"status\":503,\"code\":\"ServiceUnavailable\"}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"PUT\"},\"probability\":0.25,\"fault\":\"reset-after\"}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"PUT\"},\"probability\":0.25,\"fault\":\"reset-before\"}",
    "{\"match\":{\"host\":\"workspace\",\"method\":\"POST\"},\"probability\":0.25,\"fault\":\"reset-after\"}",
    "{\"match\":{\"host\":\"workspace\"},\"probability\":0.1,\"fault\":\"status\",\"status\":503,\"code\":\"TEMPORARILY_UNAVAILABLE\"}",
    "{\"match\":{\"host\":\"arm\"},\"probability\":0.05,\"fault\":\"throttle\",\"status\":429,\"code\":\"TooManyRequests\",\"retryAfter\":\"7\"}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*privateEndpoints/*\"},\"nth\":1,\"count\":1,\"fault\":\"op-failed\",\"code\":\"RetryableError\",\"message\":\"a retryable error occurred\"}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*virtualNetworks/*\"},\"nth\":1,\"count\":1,\"fault\":\"op-failed\",\"code\":\"InternalServerError\",\"message\":\"an error occurred\"}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*Microsoft.Databricks/workspaces/*\"},\"nth\":1,\"count\":1,\"fault\":\"reset-after\"}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"PUT\"},\"probability\":0.1,\"fault\":\"hang\",\"after\":true}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"GET\"},\"probability\":0.05,\"fault\":\"hang\"}",
    "{\"match\":{\"host\":\"login\"},\"probability\":0.5,\"fault\":\"status\",\"status\":500,\"code\":\"server_error\"}",
    "{\"match\":{\"host\":\"workspace\",\"method\":\"POST\",\"path\":\"*clusters/create\"},\"nth\":1,\"count\":2,\"fault\":\"hang\",\"after\":true}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"PUT\"},\"probability\":0.1,\"fault\":\"bad-json\"}",
    "{\"match\":{\"host\":\"workspace\",\"method\":\"POST\",\"path\":\"*start*\"},\"probability\":0.5,\"fault\":\"status\",\"status\":500,\"code\":\"INTERNAL_ERROR\"}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*virtualNetworkLinks/*\"},\"nth\":1,\"count\":1,\"fault\":\"op-canceled\",\"code\":\"Canceled\",\"message\":\"superseded\"}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"PUT\"},\"probability\":0.1,\"fault\":\"gateway-timeout\"}",
    "{\"match\":{\"host\":\"arm\"},\"probability\":0.06,\"fault\":\"status\",\"status\":500,\"envelope\":\"flat\",\"code\":\"InternalServerError\"}",
    "{\"match\":{\"host\":\"arm\"},\"probability\":0.06,\"fault\":\"status\",\"status\":502,\"envelope\":\"html\"}",
    "{\"match\":{},\"probability\":0.06,\"fault\":\"status\",\"status\":503,\"envelope\":\"none\",\"retryAfter\":3}",
    "{\"match\":{\"host\":\"workspace\"},\"probability\":0.1,\"fault\":\"status\",\"status\":500,\"envelope\":\"databricks\",\"code\":\"INTERNAL_ERROR\"}",
    "{\"match\":{\"host\":\"workspace\"},\"probability\":0.1,\"fault\":\"status\",\"status\":502,\"envelope\":\"html\"}",
    "{\"match\":{\"host\":\"workspace\"},\"probability\":0.1,\"fault\":\"throttle\",\"retryAfter\":2}",
    "{\"match\":{\"host\":\"arm\",\"method\":\"PUT\"},\"probability\":0.2,\"fault\":\"throttle\",\"retryAfter\":11}",
    "{\"match\":{\"host\":\"arm\"},\"probability\":0.03,\"fault\":\"redirect\"}",
    "{\"match\":{\"host\":\"workspace\"},\"nth\":2,\"count\":1,\"fault\":\"redirect\",\"status\":302}",
    "{\"match\":{},\"probability\":0.1,\"fault\":\"truncate\"}",
    "{\"match\":{},\"probability\":0.2,\"fault\":\"slow\"}",
    "{\"match\":{\"host\":\"arm\"},\"probability\":0.08,\"fault\":\"html\"}",
    "{\"match\":{\"host\":\"workspace\",\"method\":\"POST\"},\"probability\":0.2,\"fault\":\"html\"}",
    "{\"match\":{\"host\":\"arm\"},\"nth\":4,\"count\":2,\"fault\":\"huge\",\"bytes\":9000000}",
    "{\"match\":{\"host\":\"workspace\",\"method\":\"POST\"},\"nth\":1,\"count\":1,\"fault\":\"huge\",\"bytes\":9000000}",
    "{\"match\":{},\"probability\":0.2,\"fault\":\"content-type\",\"type\":\"text/plain\"}",
    "{\"match\":{},\"probability\":0.5,\"fault\":\"clock-skew\",\"skewMs\":-3600000}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*privateEndpoints/*\"},\"nth\":1,\"count\":1,\"fault\":\"op-never\"}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*Microsoft.Databricks/workspaces/*\"},\"nth\":1,\"count\":1,\"fault\":\"op-never\"}",
    "{\"match\":{\"method\":\"PUT\",\"path\":\"*Microsoft.Databricks/workspaces/*\"},\"nth\":1,\"count\":1,\"fault\":\"op-failed\",\"code\":\"InternalServerError\",\"message\":\"an error occurred\"}",
    "{\"match\":{\"method\":\"PUT\"},\"probability\":0.2,\"fault\":\"op-foreign-host\"}",
    "{\"match\":{\"host\":\"login\"},\"probability\":0.5,\"fault\":\"bad-json\"}",
};

const char *sim_rule(size_t number)
{
    return number < CW_ARRAY_LEN(rules) ? rules[number] : NULL;
}

/* ---- drawing --------------------------------------------------------------------------------------------------------- */

struct luck {
    uint64_t state;
};

static int64_t between(struct luck *l, int64_t lo, int64_t hi)
{
    l->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = l->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return hi <= lo ? lo : lo + (int64_t)(z % (uint64_t)(hi - lo + 1));
}

static bool chance(struct luck *l, int64_t percent)
{
    return between(l, 1, 100) <= percent;
}

static void draw_workspace(struct luck *l, struct sim_plan *p, size_t i)
{
    struct sim_workspace *w = &p->workspaces[i];
    w->start = chance(l, 40)   ? SIM_NEW
               : chance(l, 60) ? SIM_EXISTING
               : chance(l, 60) ? SIM_HEALTHY
                               : SIM_UNLINKED;
    (void)snprintf(w->name, sizeof w->name, "ws%zu", i);
    (void)snprintf(w->id, sizeof w->id,
                   "/subscriptions/" SUBSCRIPTION
                   "/resourceGroups/rg-%s/providers/Microsoft.Databricks/workspaces/%s",
                   w->name, w->name);
    (void)cw_z_copy(w->key, sizeof w->key, w->id);
    cw_z_lower(w->key);
}

static enum sim_ask draw_ask(struct luck *l, const struct sim_workspace *w)
{
    static const enum sim_ask usual[SIM_START__COUNT] = {SIM_PROVISION, SIM_MIGRATE, SIM_VERIFY, SIM_VERIFY};
    int64_t n = between(l, 1, 100);
    if (n <= 66)
        return usual[w->start];
    if (n <= 74)
        return SIM_PROVISION;
    if (n <= 82)
        return SIM_MIGRATE;
    if (n <= 92)
        return SIM_VERIFY;
    return n <= 96 ? SIM_INVALID : SIM_GARBAGE;
}

static void draw_request(struct luck *l, struct sim_plan *p, size_t i)
{
    struct sim_request *r = &p->requests[i];
    *r = (struct sim_request){
        .workspace = (size_t)between(l, 0, (int64_t)p->workspace_count - 1),
        .is_bulk = chance(l, 35),
        .is_plan_only = chance(l, 6),
        .may_stop = chance(l, 85),
        .may_repair = chance(l, 30),
        .no_cluster = chance(l, 30),
        .deadline_minutes = chance(l, 10) ? between(l, 5, 20) : 0,
        .at_ms = between(l, 0, p->storm_ms * 2 / 3),
    };
    r->ask = draw_ask(l, &p->workspaces[r->workspace]);
    size_t target = i == 0 ? 0 : (size_t)between(l, 0, (int64_t)i - 1);
    if (i == 0 || p->requests[target].is_repeat)
        return;
    if (chance(l, 12)) {
        r->ask = SIM_CANCEL;
        r->target = target;
        r->workspace = p->requests[target].workspace;
        r->at_ms = p->requests[target].at_ms + between(l, 0, p->storm_ms / 2);
    } else if (chance(l, 14) && p->requests[target].ask != SIM_GARBAGE) {
        int64_t at = chance(l, 50) ? r->at_ms : p->requests[target].at_ms + between(l, 1, 3000);
        bool is_bulk = r->is_bulk;
        *r = p->requests[target];
        r->is_repeat = true;
        r->target = target;
        r->at_ms = at;
        r->is_bulk = chance(l, 70) ? r->is_bulk : is_bulk;
    }
}

/* From luck of its own: the histories of older seeds stay what they were but for this. */
static void draw_ways_out(struct sim_plan *p)
{
    struct luck l = {p->seed * UINT64_C(0x9E3779B97F4A7C15) + 3};
    for (size_t i = 0; i < p->request_count; i++) {
        struct sim_request *r = &p->requests[i];
        bool is_drawn = chance(&l, 25);
        r->wants_nat = r->is_repeat ? p->requests[r->target].wants_nat : is_drawn;
    }
}

static void draw_action(struct luck *l, struct sim_plan *p, size_t i)
{
    static const struct {
        enum sim_act act;
        int weight;
    } all[] = {
        {SIM_CRASH_TOUCH, 30},   {SIM_CRASH, 6},      {SIM_FREEZE, 8},       {SIM_FREEZE_TOUCH, 14},
        {SIM_TERMINATE, 10},     {SIM_ROLL, 3},       {SIM_EXPEL, 14},       {SIM_SHUFFLE, 12},
        {SIM_REWIND, 4},         {SIM_KAFKA_DOWN, 8}, {SIM_KAFKA_FAULTY, 6}, {SIM_REDIS_DOWN, 6},
        {SIM_REDIS_FAILOVER, 4}, {SIM_REDIS_LOSS, 2}, {SIM_REDIS_SLOW, 5},   {SIM_AZURE, 22},
        {SIM_SKEW, 3},
    };
    int64_t sum = 0;
    for (size_t k = 0; k < CW_ARRAY_LEN(all); k++)
        sum += all[k].weight;
    int64_t n = between(l, 1, sum);
    size_t k = 0;
    for (; n > all[k].weight; k++)
        n -= all[k].weight;
    struct sim_action *a = &p->actions[i];
    *a = (struct sim_action){
        .act = all[k].act,
        .at_ms = between(l, 0, p->storm_ms),
        .worker = (size_t)between(l, 0, (int64_t)p->workers - 1),
        .length_ms = chance(l, 50) ? between(l, 100, p->lease_ms) : between(l, p->lease_ms, p->lease_ms * 4),
    };
    /* Troubles seldom come alone. */
    if (i > 0 && chance(l, 40))
        a->at_ms = p->actions[i - 1].at_ms + between(l, 0, chance(l, 50) ? 1000 : 15000);
    switch (a->act) {
    case SIM_FREEZE_TOUCH:
        a->length_ms = p->lease_ms + between(l, 0, p->lease_ms * 2);
        a->number = chance(l, 50) ? between(l, 1, 400) : between(l, 1, 3000);
        break;
    case SIM_CRASH_TOUCH:
        a->number = chance(l, 50) ? between(l, 1, 400) : between(l, 1, 3000);
        break;
    case SIM_REDIS_FAILOVER:
        a->number = between(l, 1, 12);
        break;
    case SIM_REWIND:
        a->number = between(l, 1, 5);
        break;
    case SIM_AZURE:
        a->number = between(l, 0, (int64_t)CW_ARRAY_LEN(rules) - 1);
        break;
    case SIM_SKEW:
        a->number = between(l, -20, 20) * MINUTE;
        break;
    case SIM_KAFKA_DOWN:
    case SIM_KAFKA_FAULTY:
    case SIM_REDIS_DOWN:
        a->number = chance(l, 50); /* and a worker is asked to end meanwhile */
        break;
    case SIM_EXPEL:
        a->length_ms = between(l, 1, 10000);
        break;
    default:
        break;
    }
}

/* From one version to another, one worker after the other: both are there until the last has been replaced. Sometimes they go back. */
static void draw_upgrade(struct luck *l, struct sim_plan *p)
{
    static const enum sim_version ways[][2] = {{SIM_OLDER, SIM_CURRENT},
                                               {SIM_CURRENT, SIM_NEWER},
                                               {SIM_NEWER, SIM_CURRENT},
                                               {SIM_CURRENT, SIM_OLDER},
                                               {SIM_OLDER, SIM_NEWER}};
    size_t way = (size_t)between(l, 0, CW_ARRAY_LEN(ways) - 1);
    int64_t at = between(l, 5000, p->storm_ms);
    p->version = ways[way][0];
    int64_t count = chance(l, 25) ? 2 : 1;
    for (int64_t i = 0; i < count && p->action_count < SIM_ACTIONS_MAX; i++) {
        p->actions[p->action_count++] = (struct sim_action){
            .act = SIM_UPGRADE,
            .at_ms = at,
            .length_ms = between(l, 500, CW_MAX(p->storm_ms / 4, INT64_C(1000))),
            .number = (int64_t)ways[way][i == 0],
        };
        at += between(l, 5000, p->storm_ms);
    }
}

/* From a stream of its own: what else a seed draws stays as it was. */
static void draw_browser(struct sim_plan *p)
{
    struct luck l = {p->seed * UINT64_C(0x9E6C63D0876A9A47) + 13};
    bool is_wanted = chance(&l, 25);
    for (size_t i = 0; is_wanted && i < p->request_count; i++)
        p->requests[i].is_browser_ensured =
            p->requests[i].is_repeat ? p->requests[p->requests[i].target].is_browser_ensured : chance(&l, 60);
}

/* From chances of its own: all else is as it would be without. Nothing is launched, so a run changes nothing in Azure. */
static void draw_watch(struct sim_plan *p)
{
    struct luck l = {p->seed * UINT64_C(0x2545F4914F6CDD1D) + 5};
    for (size_t i = 0; i < p->request_count && p->request_count < SIM_REQUESTS_MAX; i++) {
        struct sim_request *r = &p->requests[i];
        bool is_repeated = false;
        for (size_t k = 0; k < p->request_count; k++)
            is_repeated = is_repeated || (p->requests[k].is_repeat && p->requests[k].target == i);
        if (r->ask != SIM_VERIFY || r->is_repeat || is_repeated || r->is_plan_only || !chance(&l, 12))
            continue;
        r->no_cluster = true;
        r->may_repair = false;
        r->repeat_seconds = between(&l, 10, 90) * p->scale;
        r->ended_by = p->request_count;
        p->requests[p->request_count++] = (struct sim_request){
            .ask = SIM_CANCEL, .target = i, .workspace = r->workspace, .at_ms = p->storm_ms + SIM_WATCH_MS};
        return;
    }
}

void sim_plan_draw(uint64_t seed, bool is_large, struct sim_plan *p)
{
    struct luck l = {seed * UINT64_C(0xD1342543DE82EF95) + 77};
    memset(p, 0, sizeof *p);
    p->seed = seed;
    p->is_large = is_large;
    p->workers = (size_t)between(&l, 1, 3);
    p->partitions = (int32_t)between(&l, 1, 4);
    p->scale = chance(&l, 60) ? 60 : chance(&l, 70) ? 20 : 4;
    p->lease_ms = chance(&l, 50) ? 30000 : between(&l, 4, 15) * 1000;
    p->margin_ms = p->lease_ms / 6;
    p->session_ms = chance(&l, 50) ? 45000 : between(&l, 6, 20) * 1000;
    p->jobs = chance(&l, 70) ? 50 : between(&l, 1, 4);
    p->queued = chance(&l, 80) ? 1000 : between(&l, 1, 3);
    p->wait_replicas = chance(&l, 30);
    p->gap_one_in = chance(&l, 30) ? 3 : 0;
    p->keeps_names = chance(&l, 50);
    p->storm_ms = MINUTE * between(&l, 1, 5) * (p->scale < 20 ? 6 : 1);
    p->workspace_count = (size_t)between(&l, 1, SIM_WORKSPACES_MAX);
    for (size_t i = 0; i < p->workspace_count; i++)
        draw_workspace(&l, p, i);
    int64_t few = is_large ? 5 : 4, many_percent = is_large ? 30 : 10;
    p->request_count = (size_t)between(&l, 1, chance(&l, many_percent) ? SIM_REQUESTS_MAX : few);
    for (size_t i = 0; i < p->request_count; i++)
        draw_request(&l, p, i);
    draw_ways_out(p);
    p->action_count = (size_t)between(&l, 0, chance(&l, 30) ? SIM_ACTIONS_MAX : 5);
    for (size_t i = 0; i < p->action_count; i++)
        draw_action(&l, p, i);
    if (chance(&l, 25))
        draw_upgrade(&l, p);
    p->light = chance(&l, 80) ? 256 : between(&l, 1, 3);
    for (size_t i = 0; i < p->request_count; i++) {
        struct sim_request *r = &p->requests[i];
        r->is_short =
            r->is_repeat ? p->requests[r->target].is_short : r->ask == SIM_MIGRATE && chance(&l, 30);
    }
    draw_browser(p);
    draw_watch(p);
}

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

const char *sim_ask_name(enum sim_ask ask)
{
    static const char *const names[] = {
#define X(name, text) [SIM_##name] = (text),
        SIM_ASKS(X)
#undef X
    };
    return names[ask];
}

void sim_request_print(const struct sim_plan *p, size_t i, struct cw_buf *out)
{
    const struct sim_request *r = &p->requests[i];
    char id[32];
    sim_request_id(p, i, id);
    cw_buf_addf(out, "%s %s of %s%s at %.1f s", sim_ask_name(r->ask), id, p->workspaces[r->workspace].name,
                r->is_bulk ? " (bulk)" : "", (double)r->at_ms / 1000);
    if (r->is_repeat)
        cw_buf_add_z(out, ", a repeat");
    if (r->ask == SIM_CANCEL)
        cw_buf_addf(out, ", of r%zu", r->target);
    if (r->is_browser_ensured)
        cw_buf_add_z(out, ", with browser sign-in");
    if (r->is_plan_only)
        cw_buf_add_z(out, ", plan only");
    if (!r->may_stop && r->ask == SIM_MIGRATE)
        cw_buf_add_z(out, ", may not stop compute");
    if (r->wants_nat && (r->ask == SIM_PROVISION || r->ask == SIM_MIGRATE))
        cw_buf_add_z(out, ", with a NAT gateway");
    if (r->repeat_seconds > 0)
        cw_buf_addf(out, ", again after %lld s", (long long)(r->repeat_seconds / p->scale));
    if (r->deadline_minutes > 0)
        cw_buf_addf(out, ", within %lld min", (long long)r->deadline_minutes);
}

void sim_action_print(const struct sim_plan *p, size_t i, struct cw_buf *out)
{
    static const char *const texts[] = {
#define X(name, text) [SIM_##name] = (text),
        SIM_ACTS(X)
#undef X
    };
    const struct sim_action *a = &p->actions[i];
    cw_buf_addf(out, "%s: at %.1f s, worker %zu, %.1f s, number %lld", texts[a->act], (double)a->at_ms / 1000,
                a->worker, (double)a->length_ms / 1000, (long long)a->number);
    if (a->act == SIM_AZURE)
        cw_buf_addf(out, ": %s", rules[a->number]);
}

size_t sim_request_original(const struct sim_plan *p, size_t i)
{
    return p->requests[i].is_repeat ? p->requests[i].target : i;
}

void sim_request_id(const struct sim_plan *p, size_t i, char out[32])
{
    (void)snprintf(out, 32, "r%zu", sim_request_original(p, i));
}

static void add_options(const struct sim_plan *p, const struct sim_request *r, struct cw_buf *out)
{
    cw_buf_add_z(out, ",\"options\":{");
    cw_buf_addf(out, "\"mode\":\"%s\"", r->is_plan_only ? "plan" : "apply");
    if (r->ask == SIM_MIGRATE)
        cw_buf_addf(out, ",\"stopCompute\":\"%s\"", r->may_stop ? "allow" : "refuse");
    if (r->is_short)
        cw_buf_add_z(out, ",\"order\":\"shortest-outage\"");
    if (r->may_repair)
        cw_buf_add_z(out, ",\"autoRepair\":\"safe\"");
    if (r->no_cluster && r->ask == SIM_VERIFY)
        cw_buf_add_z(out, ",\"launchCluster\":false");
    if (r->repeat_seconds > 0 && !p->is_left_out[r->ended_by])
        cw_buf_addf(out, ",\"repeatSeconds\":%lld", (long long)r->repeat_seconds);
    if (r->deadline_minutes > 0)
        cw_buf_addf(out, ",\"deadlineMinutes\":%lld", (long long)r->deadline_minutes);
    cw_buf_add_z(out, "}");
}

void sim_request_body(const struct sim_plan *p, size_t i, struct cw_buf *out)
{
    const struct sim_request *r = &p->requests[i];
    const struct sim_workspace *w = &p->workspaces[r->workspace];
    char id[32];
    if (r->ask == SIM_GARBAGE) {
        cw_buf_addf(out, "{\"what\":\"garbage %zu\"", i);
        return;
    }
    sim_request_id(p, i, id);
    const char *kind = r->ask == SIM_INVALID ? "verify" : sim_ask_name(r->ask);
    cw_buf_addf(
        out,
        "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/sim\",\"type\":\"causeway.workspace.%s.v1\","
        "\"datacontenttype\":\"application/json\",\"data\":{\"workspaceId\":\"%s\"",
        id, kind, w->id);
    if (r->ask == SIM_CANCEL)
        cw_buf_addf(out, ",\"requestId\":\"r%zu\",\"reason\":\"the window is over\"", r->target);
    else if (r->ask == SIM_INVALID)
        cw_buf_add_z(out, ",\"options\":{\"deadlineMinutes\":1}");
    else
        add_options(p, r, out);
    if (r->wants_nat && (r->ask == SIM_PROVISION || r->ask == SIM_MIGRATE))
        cw_buf_add_z(out, ",\"network\":{\"egress\":{\"mode\":\"natGateway\"}}");
    if (r->ask == SIM_PROVISION)
        cw_buf_add_z(out, ",\"region\":\"chinaeast2\"");
    if (r->is_browser_ensured && (r->ask == SIM_PROVISION || r->ask == SIM_MIGRATE))
        cw_buf_add_z(out, ",\"browserAuthentication\":{\"mode\":\"ensure\",\"vnetId\":\"" SIM_TRANSIT "\"}");
    cw_buf_add_z(out, "}}");
}

void sim_state_print(const struct sim_plan *p, struct cw_buf *out)
{
    const char *comma = "";
    cw_buf_add_z(out, "{\"workspaces\":[");
    for (size_t i = 0; i < p->workspace_count; i++) {
        const struct sim_workspace *w = &p->workspaces[i];
        if (w->start == SIM_NEW)
            continue;
        cw_buf_addf(out, "%s{\"name\":\"%s\",\"resourceGroup\":\"rg-%s\",\"addressSpace\":\"10.%zu.0.0/16\"",
                    comma, w->name, w->name, 20 + i);
        if (w->start != SIM_EXISTING)
            cw_buf_addf(out, ",\"requiredNsgRules\":\"NoAzureDatabricksRules\",\"endpoint\":{},\"zone\":{%s}",
                        w->start == SIM_UNLINKED ? "\"linked\":false" : "");
        cw_buf_add_z(out, "}");
        comma = ",";
    }
    cw_buf_add_z(out, "],\"resources\":[{\"id\":\"" SIM_TRANSIT
                      "\",\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":["
                      "\"10.60.0.0/16\"]}}}],\"databricks\":{\"workspaces\":{");
    comma = "";
    for (size_t i = 0; i < p->workspace_count; i++) {
        const struct sim_workspace *w = &p->workspaces[i];
        if (w->start != SIM_EXISTING)
            continue;
        cw_buf_addf(out,
                    "%s\"%s\":{\"clusters\":[{\"cluster_name\":\"etl\",\"autotermination_minutes\":0},"
                    "{\"cluster_name\":\"bi\",\"autotermination_minutes\":0},"
                    "{\"cluster_name\":\"old\",\"state\":\"TERMINATED\"}],"
                    "\"warehouses\":[{\"name\":\"sql\",\"state\":\"RUNNING\",\"auto_stop_mins\":0}]}",
                    comma, w->name);
        comma = ",";
    }
    cw_buf_add_z(out, "}}}");
}

/* sim: play histories in the simulated world. See tests/sim/run --help. */
#include "tests/sim/pool.h"

/* ---- making it small ------------------------------------------------------------------------------------------------- */

/* Failures are alike when they differ in numbers and names only. */
static bool is_alike(const char *a, const char *b)
{
    size_t n = strcspn(a, "0123456789"), k = strcspn(b, "0123456789");
    return CW_MIN(n, k) > 12 ? strncmp(a, b, CW_MIN(CW_MIN(n, k), (size_t)30)) == 0 : true;
}

static void shrink(struct sim_plan *plan, const struct sim_report *whole)
{
    size_t things = plan->request_count + plan->action_count, left = things;
    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (size_t i = things; i > 0; i--) {
            if (plan->is_left_out[i - 1])
                continue;
            plan->is_left_out[i - 1] = true;
            struct sim_report r = sim_play_apart(plan, false);
            if (r.has_failed && is_alike(r.failure, whole->failure)) {
                goes_on = true;
                left--;
            } else {
                plan->is_left_out[i - 1] = false;
            }
        }
    }
    (void)printf("shrunk from %zu requests and actions to %zu\n", things, left);
}

static void print_plan(const struct sim_plan *p)
{
    (void)printf(
        "seed %llu%s: %zu workers, %d partitions a lane, Azure %lld times as fast, lease %lld ms, session %lld ms, "
        "%lld jobs, %lld queued, %lld light, wait %lld, storm %lld s\n",
        (unsigned long long)p->seed, p->is_large ? " (large)" : "", p->workers, (int)p->partitions,
        (long long)p->scale, (long long)p->lease_ms, (long long)p->session_ms, (long long)p->jobs,
        (long long)p->queued, (long long)p->light, (long long)p->wait_replicas,
        (long long)p->storm_ms / 1000);
    static const char *const starts[] = {"new", "existing", "healthy", "unlinked"};
    for (size_t i = 0; i < p->workspace_count; i++)
        (void)printf("  %s: %s\n", p->workspaces[i].name, starts[p->workspaces[i].start]);
    for (size_t i = 0; i < p->request_count + p->action_count; i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
        if (p->is_left_out[i])
            continue;
        if (i < p->request_count)
            sim_request_print(p, i, &text);
        else
            sim_action_print(p, i - p->request_count, &text);
        (void)printf("  %s\n", text.p);
    }
}

static int play_one(const struct sim_range *range, bool shrinks)
{
    struct sim_plan plan;
    sim_plan_draw(range->first, range->is_large, &plan);
    struct sim_report r = sim_play_apart(&plan, false);
    if (r.has_failed && shrinks)
        shrink(&plan, &r);
    print_plan(&plan);
    struct sim_report silent = sim_play_apart(&plan, false);
    r = sim_play_apart(&plan, true);
    (void)printf("%s seed %llu: %s (hash %016llx)\n", r.has_failed ? "not ok -" : "ok -",
                 (unsigned long long)r.seed, r.has_failed ? r.failure : "all holds",
                 (unsigned long long)silent.hash);
    return r.has_failed ? 1 : 0;
}

static int play_range(const struct sim_range *range)
{
    struct sim_totals t = sim_play_many(range);
    sim_print_totals(range, &t);
    (void)printf("%s seeds %llu..%llu: %llu failed\n", t.failed > 0 ? "not ok -" : "ok -",
                 (unsigned long long)range->first, (unsigned long long)(range->first + t.histories - 1),
                 (unsigned long long)t.failed);
    return t.failed > 0 ? 1 : 0;
}

/* ---- command line ---------------------------------------------------------------------------------------------------- */

static int usage(FILE *out, int code)
{
    (void)fprintf(out, "Usage: sim --seed N [--shrink]          one history, told in full\n"
                       "       sim --seeds A..B [--stop]        many; --stop: until the first that fails\n"
                       "       sim --minutes M [--from A]       as many as there is time for\n"
                       "       --large                          histories with more requests\n"
                       "       --jobs N                         processes (default: one a core)\n");
    return code;
}

int main(int argc, char **argv)
{
    struct sim_range o = {.jobs = sim_cores(), .first = 1, .last = UINT64_MAX / 2};
    bool is_one = false, has_range = false, shrinks = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        char *rest = NULL;
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--shrink") == 0) {
            shrinks = true;
            continue;
        }
        if (strcmp(argv[i], "--large") == 0) {
            o.is_large = true;
            continue;
        }
        if (strcmp(argv[i], "--stop") == 0) {
            o.stops = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0) {
            o.first = strtoull(value, &rest, 10);
            is_one = true;
        } else if (strcmp(argv[i - 1], "--seeds") == 0) {
            o.first = strtoull(value, &rest, 10);
            if (strncmp(rest, "..", 2) == 0)
                o.last = strtoull(rest + 2, &rest, 10);
            has_range = true;
        } else if (strcmp(argv[i - 1], "--minutes") == 0) {
            o.seconds = (int64_t)(strtod(value, &rest) * 60);
            has_range = true;
        } else if (strcmp(argv[i - 1], "--from") == 0) {
            o.first = strtoull(value, &rest, 10);
        } else if (strcmp(argv[i - 1], "--jobs") == 0) {
            o.jobs = CW_MAX(CW_MIN((size_t)strtoull(value, &rest, 10), sim_cores()), (size_t)1);
        }
        if (rest == NULL || rest == value || *rest != '\0')
            return usage(stderr, 2);
    }
    if (o.last < o.first) {
        (void)fprintf(stderr, "sim: no seeds from %llu to %llu\n", (unsigned long long)o.first,
                      (unsigned long long)o.last);
        return 2;
    }
    if (is_one)
        return play_one(&o, shrinks);
    return has_range ? play_range(&o) : usage(stderr, 2);
}

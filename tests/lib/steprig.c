#include "tests/lib/steprig.h"

#define HOST "azure.localhost"
#define STEP_MEM_BYTES_MAX ((size_t)64 << 20)
#define ATTEMPTS_MAX 12
#define ATTEMPT_PAUSE_MS 20000

static const struct cw_cloud_overrides cloud_overrides = {
    .arm_endpoint = "https://management." HOST,
    .authority_host = "https://login." HOST,
    .workspace_suffix = ".databricks." HOST,
    .private_zone = "privatelink.databricks." HOST,
};

static int before_write(void *arg, struct cw_err *err)
{
    struct rig *rig = arg;
    (void)err;
    rig->write_count++;
    return 0;
}

static const struct cw_call_ops call_ops = {.before_write = before_write};

static int lock(void *arg, const char *resource_id, struct cw_err *err)
{
    struct rig *rig = arg;
    (void)err;
    assert_non_null(resource_id);
    rig->locks_taken++;
    return 0;
}

static void found(void *arg, const char *text)
{
    struct rig *rig = arg;
    if (rig->found_count < RIG_SENTENCES_MAX)
        rig->found[rig->found_count++] = cw_arena_strdup(rig->mem, text);
}

static void changed(void *arg, const char *text)
{
    struct rig *rig = arg;
    if (rig->changed_count < RIG_SENTENCES_MAX)
        rig->changed[rig->changed_count++] = cw_arena_strdup(rig->mem, text);
}

static int keep(void *arg, const struct cw_facts *so_far, struct cw_err *err)
{
    struct rig *rig = arg;
    (void)err;
    assert_int_equal(cw_facts_merge(&rig->facts, so_far, rig->mem), 0);
    rig->kept_count++;
    return 0;
}

static const struct cw_step_ops step_ops = {.lock = lock, .found = found, .changed = changed, .keep = keep};

static void must(int r, const struct cw_err *err)
{
    if (r < 0)
        fail_msg("%s: %s", cw_err_name(r), err->text);
}

static void load(struct rig *rig, const json_t *state)
{
    char error[256] = "";
    const struct az_model_cfg cfg = {.seed = 7, .time_scale = 1, .port = 443};
    rig->model = az_model_new(&cfg);
    assert_non_null(rig->model);
    int64_t told_ms = json_integer_value(json_object_get(json_object_get(state, "clock"), "toldMs"));
    world_reset(7);
    if (told_ms > WORLD_WALL_MS_START)
        world_advance(told_ms - WORLD_WALL_MS_START);
    az_model_advance(rig->model, cw_wall_ms());
    /* The model keeps parts of what it loads, and this state begins more than one rig. */
    CW_AUTO(cw_auto_json) json_t *own = json_deep_copy(state);
    if (az_model_load(rig->model, own, error, sizeof error) < 0)
        fail_msg("state: %s", error);
    world_use_model(rig->model);
}

static void open_clients(struct rig *rig)
{
    struct cw_err err = {0};
    const struct cw_sched_cfg sched = {.fibers_max = 16};
    const struct cw_credential_cfg credential = {.kind = CW_CREDENTIAL_SECRET,
                                                 .tenant_id = "22222222-2222-2222-2222-222222222222",
                                                 .client_id = "33333333-3333-3333-3333-333333333333",
                                                 .client_secret = "sim-secret"};
    must(cw_cloud_custom(&cloud_overrides, rig->mem, &rig->cloud, &err), &err);
    must(cw_loop_new(&sched, &rig->loop, &err), &err);
    must(cw_http_new(rig->loop, &(struct cw_http_cfg){0}, &rig->http, &err), &err);
    must(cw_credential_new(rig->loop, rig->http, &rig->cloud, &credential, &rig->credential, &err), &err);
    const struct cw_arm_cfg arm = {.cloud = &rig->cloud, .credential = rig->credential};
    must(cw_arm_new(rig->loop, rig->http, &arm, &rig->svc.arm, &err), &err);
    must(cw_databricks_new(rig->svc.arm, &rig->svc.databricks, &err), &err);
    rig->svc.cloud = &rig->cloud;
    rig->svc.policy = &rig->policy;
}

static void close_clients(struct rig *rig)
{
    cw_databricks_free(rig->svc.databricks);
    cw_arm_free(rig->svc.arm);
    cw_credential_free(rig->credential);
    cw_http_free(rig->http);
    cw_dns_free(rig->svc.dns);
    cw_loop_free(rig->loop);
    az_model_free(rig->model);
}

/* The rig of a test that failed in the middle is put away by the next one: there is one world. */
static struct rig *open_rig;

static struct rig *begin(const json_t *state)
{
    rig_free(open_rig);
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    assert_int_equal(cw_arena_new(STEP_MEM_BYTES_MAX, &rig->mem), 0);
    assert_int_equal(cw_arena_new(STEP_MEM_BYTES_MAX, &rig->step_mem), 0);
    load(rig, state);
    open_clients(rig);
    open_rig = rig;
    return rig;
}

static void decode_request(struct rig *rig, const char *text)
{
    struct cw_record_in rec = {.value = cw_str_of(text)};
    struct cw_problems problems;
    struct cw_err err = {0};
    must(cw_request_decode(&rec, rig->mem, &rig->req, &problems, &err), &err);
}

/* What must survive a rig to make the next: request text and facts. */
struct saved {
    char *request;
    char *facts;
    json_t *state;
};

static char *request_text(const char *kind, const char *data)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_addf(
        &b,
        "{\"specversion\":\"1.0\",\"id\":\"rig-1\",\"source\":\"/rig\",\"type\":\"causeway.workspace.%s.v1\",\"data\":%s}",
        kind, data);
    return cw_buf_take(&b);
}

static struct rig *from_saved(const struct saved *s)
{
    struct rig *rig = begin(s->state);
    struct cw_err err = {0};
    decode_request(rig, s->request);
    must(cw_facts_decode(s->facts, strlen(s->facts), rig->mem, &rig->facts, &err), &err);
    return rig;
}

static struct saved save(const struct rig *rig)
{
    static const struct {
        enum cw_request_kind kind;
        const char *name;
    } kinds[] = {
        {CW_REQUEST_PROVISION, "provision"}, {CW_REQUEST_MIGRATE, "migrate"}, {CW_REQUEST_VERIFY, "verify"}};
    const void *data = rig->req.provision != NULL ? (const void *)rig->req.provision
                       : rig->req.migrate != NULL ? (const void *)rig->req.migrate
                                                  : (const void *)rig->req.verify;
    char *text = cw_shape_print(cw_request_shape(rig->req.kind), data, rig->mem);
    const char *facts = cw_facts_encode(&rig->facts, rig->mem);
    assert_non_null(facts);
    return (struct saved){.request = request_text(kinds[rig->req.kind].name, text),
                          .facts = strdup(facts),
                          .state = az_model_save(rig->model)};
}

static void forget(struct saved *s)
{
    free(s->request);
    free(s->facts);
    json_decref(s->state);
}

struct rig *rig_new(const char *state, const char *kind, const char *data)
{
    CW_AUTO(cw_auto_json) json_t *doc = json_loads(state, 0, NULL);
    assert_non_null(doc);
    struct saved s = {.request = request_text(kind, data), .facts = strdup("{}"), .state = json_incref(doc)};
    struct rig *rig = from_saved(&s);
    forget(&s);
    return rig;
}

const char *rig_read_state(const char *name, struct cw_buf *out)
{
    CW_AUTO(cw_buf_fini) struct cw_buf path = {0};
    const char *root = getenv("CW_ROOT");
    char block[8192];
    cw_buf_addf(&path, "%s/tests/azure/states/%s.json", root != NULL ? root : ".", name);
    FILE *f = fopen(cw_buf_z(&path), "rb");
    if (f == NULL)
        fail_msg("%s: cannot be opened", cw_buf_z(&path));
    for (size_t n; f != NULL && (n = fread(block, 1, sizeof block, f)) > 0;)
        cw_buf_add(out, block, n);
    if (f != NULL)
        (void)fclose(f);
    return cw_buf_z(out);
}

void rig_use_resolver(struct rig *rig, const char *servers)
{
    struct cw_err err = {0};
    must(cw_dns_new(rig->loop, servers, &rig->svc.dns, &err), &err);
}

struct rig *rig_restart(struct rig *take_rig)
{
    struct saved s = save(take_rig);
    rig_free(take_rig);
    struct rig *rig = from_saved(&s);
    forget(&s);
    return rig;
}

struct rig *rig_forget(struct rig *take_rig)
{
    take_rig->facts = (struct cw_facts){0};
    return rig_restart(take_rig);
}

void rig_free(struct rig *rig)
{
    if (rig == NULL)
        return;
    open_rig = NULL;
    close_clients(rig);
    cw_arena_free(rig->step_mem);
    cw_arena_free(rig->mem);
    free(rig);
}

struct attempt {
    struct rig *rig;
    const struct cw_step *step;
    struct cw_facts out;
    bool is_undo;
    bool is_again;
    bool *ret_was_begun; /* NULL = it is run, or undone */
    struct cw_err *err;
};

static int run_attempt(void *arg)
{
    struct attempt *a = arg;
    struct rig *rig = a->rig;
    struct cw_step_ctx c = {
        .req = &rig->req,
        .facts = &rig->facts,
        .out = &a->out,
        .svc = &rig->svc,
        .key = "0123abcd-4567-4e89-8abc-def012345678",
        .call = {.until = cw_in_ms(a->step->timeout_ms),
                 .mem = rig->step_mem,
                 .correlation_id = "c0ffee00-0000-4000-8000-000000000001",
                 .plan_only = rig->req.options.mode == CW_MODE_PLAN,
                 .ops = &call_ops,
                 .ops_arg = rig,
                 .counts = &rig->counts},
        .ops = &step_ops,
        .ops_arg = rig,
    };
    bool has_happened = false;
    if (a->ret_was_begun != NULL)
        return a->step->was_begun(&c, a->ret_was_begun, a->err);
    if (a->is_undo)
        return a->step->undo(&c, a->err);
    int r = a->is_again && a->step->kind == CW_STEP_ONCE ? a->step->probe(&c, &has_happened, a->err) : 0;
    return r < 0 || has_happened ? r : a->step->run(&c, a->err);
}

static int play(struct attempt *a)
{
    struct rig *rig = a->rig;
    const struct cw_step *step = a->step;
    struct cw_err *err = a->err;
    cw_err_clear(err);
    cw_arena_reset(rig->step_mem);
    int r = cw_loop_run_fiber(rig->loop, step->name, run_attempt, a);
    if (r < 0 && err->code != -r)
        fail_msg("%s: returned %s, but the error says %s", step->name, cw_err_name(r),
                 cw_err_name(err->code));
    if (r == 0)
        assert_int_equal(cw_facts_merge(&rig->facts, &a->out, rig->mem), 0);
    return r;
}

static int attempt(struct rig *rig, const struct cw_step *step, bool is_undo, bool is_again,
                   struct cw_err *err)
{
    struct attempt a = {.rig = rig, .step = step, .is_undo = is_undo, .is_again = is_again, .err = err};
    return play(&a);
}

bool rig_was_begun(struct rig *rig, const struct cw_step *step)
{
    struct cw_err err = {0};
    bool was_begun = false;
    struct attempt a = {.rig = rig, .step = step, .ret_was_begun = &was_begun, .err = &err};
    if (play(&a) < 0)
        fail_msg("%s: %s", step->name, err.text);
    return was_begun;
}

int rig_attempt(struct rig *rig, const struct cw_step *step, bool is_again, struct cw_err *err)
{
    return attempt(rig, step, false, is_again, err);
}

int rig_undo(struct rig *rig, const struct cw_step *step, struct cw_err *err)
{
    return attempt(rig, step, true, false, err);
}

static bool may_try_again(const struct cw_err *err)
{
    return err->class == CW_CLASS_RETRY || err->class == CW_CLASS_CONFLICT ||
           err->class == CW_CLASS_THROTTLED;
}

void rig_must(struct rig *rig, const struct cw_step *step)
{
    struct cw_err err = {0};
    if (step->when != NULL && !step->when(&rig->req, &rig->facts))
        return;
    if (rig->req.options.mode == CW_MODE_PLAN && !step->in_plan)
        return;
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        if (rig_attempt(rig, step, i > 0, &err) == 0)
            return;
        if (!may_try_again(&err))
            break;
        world_advance(ATTEMPT_PAUSE_MS);
    }
    fail_msg("%s: %s (%s): %s", step->name, cw_err_name(err.code), cw_class_name(err.class), err.text);
}

void rig_run_until(struct rig *rig, const struct cw_step *step)
{
    const struct cw_plan *plan = cw_plan_of(&rig->req);
    for (size_t i = 0; i < plan->step_count && plan->steps[i] != step; i++)
        rig_must(rig, plan->steps[i]);
}

struct terminating {
    struct rig *rig;
    const char *cluster_id;
};

static int terminate(void *arg)
{
    const struct terminating *t = arg;
    struct rig *rig = t->rig;
    struct cw_err err = {0};
    const struct cw_call call = {.until = cw_in_ms(60000), .mem = rig->step_mem, .counts = &rig->counts};
    const struct cw_target target = {rig->facts.workspace_url, rig->req.workspace_id};
    int r = cw_databricks_delete_cluster(rig->svc.databricks, &call, &target, t->cluster_id, &err);
    must(r, &err);
    return 0;
}

void rig_terminate(struct rig *rig, const char *cluster_id)
{
    struct terminating t = {rig, cluster_id};
    assert_int_equal(cw_loop_run_fiber(rig->loop, "terminate", terminate, &t), 0);
}

static bool is_client_change(const json_t *entry)
{
    return json_is_true(json_object_get(entry, "changed")) &&
           json_string_value(json_object_get(entry, "method"))[0] != '\0';
}

static const char *member(const json_t *entry, const char *name)
{
    const char *z = json_string_value(json_object_get(entry, name));
    return z != NULL ? z : "";
}

size_t rig_changes(const struct rig *rig, const char *part)
{
    CW_AUTO(cw_auto_json) json_t *ledger = az_model_ledger(rig->model, NULL);
    size_t count = 0, i;
    const json_t *entry;
    json_array_foreach(json_object_get(ledger, "entries"), i, entry) {
        if (is_client_change(entry) &&
            (part == NULL || cw_z_contains_nocase(member(entry, "operation"), part) ||
             cw_z_contains_nocase(member(entry, "resourceId"), part)))
            count++;
    }
    return count;
}

static bool has(const char *const *sentences, size_t count, const char *part)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(sentences[i], part) != NULL)
            return true;
    return false;
}

bool rig_has_found(const struct rig *rig, const char *part)
{
    return has(rig->found, rig->found_count, part);
}

bool rig_has_changed(const struct rig *rig, const char *part)
{
    return has(rig->changed, rig->changed_count, part);
}

/* ---- the sweep ---- */

#define CLASS(name) (1u << CW_CLASS_##name)

struct failure {
    const char *name;
    struct world_fault fault;
    unsigned classes; /* that may come out, besides success */
    bool for_good;    /* every such call from then on */
};

static const char forbidden[] =
    "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"},\"error_code\":\"PERMISSION_DENIED\","
    "\"message\":\"no\"}";
static const char conflict[] = "{\"error\":{\"code\":\"AnotherOperationInProgress\",\"message\":\"busy\"}}";
static const char throttled[] = "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"slow down\"}}";
static const char page[] = "<!doctype html><html><body>Sign in</body></html>";

#define RETRY_AFTER(s)   \
    {                    \
        "Retry-After", s \
    }
static const struct failure failures[] = {
    {"connection refused", {.kind = WORLD_FAULT_ERROR, .error = CW_ENET}, CLASS(RETRY), false},
    {"connection refused for good", {.kind = WORLD_FAULT_ERROR, .error = CW_ENET}, CLASS(RETRY), true},
    {"answer lost", {.kind = WORLD_FAULT_LOST, .error = CW_ENET}, CLASS(RETRY) | CLASS(CONFLICT), false},
    {"answer late", {.kind = WORLD_FAULT_LOST, .error = CW_ETIMEDOUT}, CLASS(RETRY) | CLASS(CONFLICT), false},
    {"503", {.kind = WORLD_FAULT_ANSWER, .status = 503, .header = RETRY_AFTER("2")}, CLASS(RETRY), false},
    {"500 for good", {.kind = WORLD_FAULT_ANSWER, .status = 500, .body = "{}"}, CLASS(RETRY), true},
    {"429",
     {.kind = WORLD_FAULT_ANSWER, .status = 429, .body = throttled, .header = RETRY_AFTER("3")},
     CLASS(THROTTLED) | CLASS(RETRY),
     false},
    {"409",
     {.kind = WORLD_FAULT_ANSWER, .status = 409, .body = conflict},
     CLASS(CONFLICT) | CLASS(RETRY),
     false},
    {"403", {.kind = WORLD_FAULT_ANSWER, .status = 403, .body = forbidden}, CLASS(DENIED), false},
    {"403 for good", {.kind = WORLD_FAULT_ANSWER, .status = 403, .body = forbidden}, CLASS(DENIED), true},
    {"a page",
     {.kind = WORLD_FAULT_ANSWER, .status = 200, .body = page},
     CLASS(RETRY) | CLASS(DENIED),
     false},
    {"cancelled", {.kind = WORLD_FAULT_CANCEL, .error = CW_ECANCELED}, CLASS(CANCELLED), false},
};

struct sweep {
    const struct rig_sweep *plan;
    struct saved begin;
    json_t *facts;   /* after a clean run */
    json_t *changes; /* of a clean run: how often each key changed */
    size_t call_count;
    char (*methods)[8];
    char **urls;
    size_t complaints;
};

#define COMPLAINTS_MAX 12

/* All that is wrong is told, then the test fails. */
static void complain(struct sweep *s, const char *fmt, ...) CW_PRINTF(2, 3);
static void complain(struct sweep *s, const char *fmt, ...)
{
    va_list args;
    if (++s->complaints > COMPLAINTS_MAX)
        return;
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* Effective changes since the begin, by "METHOD operation resource". */
static json_t *changes_of(const struct rig *rig)
{
    CW_AUTO(cw_auto_json) json_t *ledger = az_model_ledger(rig->model, NULL);
    json_t *counts = json_object();
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(ledger, "entries"), i, entry) {
        if (!is_client_change(entry))
            continue;
        CW_AUTO(cw_buf_fini) struct cw_buf key = {0};
        /* What the service names itself has another name each time. */
        bool is_named_by_service = strstr(member(entry, "operation"), "create") != NULL;
        cw_buf_addf(&key, "%s %s %s", member(entry, "method"), member(entry, "operation"),
                    is_named_by_service ? "" : member(entry, "resourceId"));
        json_int_t n = json_integer_value(json_object_get(counts, cw_buf_z(&key)));
        json_object_set_new(counts, cw_buf_z(&key), json_integer(n + 1));
    }
    return counts;
}

/* Facts without what differs from run to run. */
static json_t *stable_facts(const struct rig *rig)
{
    static const char *const differing[] = {
        "outageBegan", "outageEnded",  "clusterId",          "clusterStarted",
        "probe",       "workspaceUrl", "workspaceNumericId", "recordName",
        "records",     "nicId",        "clusterState",       "workspaceExisted"};
    json_t *facts = cw_shape_encode(&cw_facts_shape, &rig->facts);
    for (size_t i = 0; i < CW_ARRAY_LEN(differing); i++) {
        if (json_object_get(facts, differing[i]) != NULL)
            json_object_set_new(facts, differing[i], json_true());
    }
    return facts;
}

static void run_clean(struct sweep *s)
{
    struct cw_err err = {0};
    struct rig *rig = from_saved(&s->begin);
    if (rig_attempt(rig, s->plan->step, false, &err) < 0)
        fail_msg("%s without a failure: %s: %s", s->plan->step->name, cw_err_name(err.code), err.text);
    s->facts = stable_facts(rig);
    s->changes = changes_of(rig);
    s->call_count = world_call_count();
    assert_true(s->call_count > 0);
    s->methods = calloc(s->call_count, sizeof *s->methods);
    s->urls = calloc(s->call_count, sizeof *s->urls);
    assert_true(s->methods != NULL && s->urls != NULL);
    for (size_t i = 0; i < s->call_count; i++) {
        (void)cw_z_copy(s->methods[i], sizeof *s->methods, world_call_at(i)->method);
        s->urls[i] = strdup(world_call_at(i)->url);
    }
    rig_free(rig);
}

static bool may_repeat(const struct rig_sweep *plan, const char *key)
{
    for (size_t i = 0; plan->may_repeat != NULL && plan->may_repeat[i] != NULL; i++)
        if (cw_z_contains_nocase(key, plan->may_repeat[i]))
            return true;
    return false;
}

static void check_end(struct sweep *s, const struct rig *rig, const char *where)
{
    CW_AUTO(cw_auto_json) json_t *facts = stable_facts(rig);
    CW_AUTO(cw_auto_json) json_t *changes = changes_of(rig);
    if (!json_equal(facts, s->facts)) {
        CW_AUTO(cw_auto_str) char *have = cw_json_print(facts);
        CW_AUTO(cw_auto_str) char *want = cw_json_print(s->facts);
        complain(s, "%s: other facts:\n have %s\n want %s", where, have, want);
    }
    const char *key;
    json_t *n;
    json_object_foreach(changes, key, n) {
        json_int_t once = json_integer_value(json_object_get(s->changes, key));
        if (json_integer_value(n) > once && !may_repeat(s->plan, key))
            complain(s, "%s: changed %lld times instead of %lld: %s", where, (long long)json_integer_value(n),
                     (long long)once, key);
    }
}

static void inject(const struct sweep *s, const struct failure *f, size_t i)
{
    struct world_fault fault = f->fault;
    fault.nth = i + 1;
    if (f->for_good) {
        fault.count = UINT64_MAX;
        fault.method = s->methods[i];
        fault.url_part = s->urls[i];
    }
    world_inject(&fault);
}

static void fail_at(struct sweep *s, const struct failure *f, size_t i)
{
    CW_AUTO(cw_buf_fini) struct cw_buf where = {0};
    cw_buf_addf(&where, "%s, call %zu of %zu (%s %s), %s", s->plan->step->name, i + 1, s->call_count,
                s->methods[i], s->urls[i], f->name);
    struct cw_err err = {0};
    struct rig *rig = from_saved(&s->begin);
    inject(s, f, i);
    int r = rig_attempt(rig, s->plan->step, false, &err);
    unsigned classes = f->classes;
    if (f->fault.kind == WORLD_FAULT_ANSWER && strstr(s->urls[i], "/oauth2/") != NULL)
        classes |= CLASS(DENIED);
    if (r < 0 && (1u << err.class & classes) == 0)
        complain(s, "%s: %s (%s): %s", cw_buf_z(&where), cw_err_name(r), cw_class_name(err.class), err.text);
    if (r < 0) {
        rig = rig_restart(rig);
        for (int n = 0; n < ATTEMPTS_MAX && (r = rig_attempt(rig, s->plan->step, true, &err)) < 0; n++) {
            if (!may_try_again(&err))
                break;
            world_advance(ATTEMPT_PAUSE_MS);
        }
    }
    if (r < 0)
        complain(s, "%s, then again: %s (%s): %s", cw_buf_z(&where), cw_err_name(r), cw_class_name(err.class),
                 err.text);
    else
        check_end(s, rig, cw_buf_z(&where));
    rig_free(rig);
}

void rig_sweep(const struct rig_sweep *plan)
{
    struct rig *rig = rig_new(plan->state, plan->kind, plan->data);
    rig_run_until(rig, plan->step);
    struct sweep s = {.plan = plan, .begin = save(rig)};
    rig_free(rig);
    json_t *ledger = json_object_get(s.begin.state, "ledger");
    json_array_clear(json_object_get(ledger, "entries"));
    run_clean(&s);
    size_t stride = plan->stride > 0 ? plan->stride : 1;
    for (size_t f = 0; f < CW_ARRAY_LEN(failures); f++)
        for (size_t i = f % stride; i < s.call_count; i += stride)
            fail_at(&s, &failures[f], i);
    for (size_t i = 0; i < s.call_count; i++)
        free(s.urls[i]);
    free(s.urls);
    free(s.methods);
    json_decref(s.facts);
    json_decref(s.changes);
    forget(&s.begin);
    if (s.complaints > 0)
        fail_msg("%s: %zu complaints", plan->step->name, s.complaints);
}

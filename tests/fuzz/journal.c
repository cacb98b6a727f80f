/* A journal that somebody has meddled with: "field=value" lines as the hash of a request. What can be read is printed to the same again, and a
 * stored verdict can be shortened, or says why not. */
#include "tests/world/world.h"

#include "worker/engine/journal.h"
#include "worker/engine/shorten.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cw_redis_reply answer; /* {1, [field, value, …]} */

static int claim_script(void *arg, size_t key_count, const char *const *keys, size_t arg_count,
                        const struct cw_str *args, struct cw_arena *mem, struct cw_redis_reply *ret_reply,
                        struct cw_err *err)
{
    (void)arg, (void)key_count, (void)keys, (void)arg_count, (void)args, (void)mem, (void)err;
    *ret_reply = answer;
    return 0;
}

static bool make_answer(struct cw_arena *mem, const uint8_t *data, size_t size)
{
    char *text = cw_arena_memdup(mem, data, size), *rest = NULL;
    struct cw_redis_reply *items = cw_arena_alloc_array(mem, size + 2, sizeof *items);
    struct cw_redis_reply *both = cw_arena_alloc_array(mem, 2, sizeof *both);
    size_t n = 0;
    if (text == NULL || items == NULL || both == NULL)
        return false;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        items[n++] = (struct cw_redis_reply){.type = CW_REDIS_STR, .str = cw_str_of(line)};
        items[n++] = (struct cw_redis_reply){.type = CW_REDIS_STR, .str = cw_str_of(value)};
    }
    both[0] = (struct cw_redis_reply){.type = CW_REDIS_INT, .num = 1};
    both[1] = (struct cw_redis_reply){.type = CW_REDIS_ARRAY, .items = items, .count = n};
    answer = (struct cw_redis_reply){.type = CW_REDIS_ARRAY, .items = both, .count = 2};
    return true;
}

static void check_record(const char *text, struct cw_arena *mem)
{
    struct cw_step_record record, again;
    struct cw_err err = {0};
    if (text == NULL)
        return;
    if (cw_step_record_parse(text, mem, &record, &err) < 0) {
        CW_BUG_ON(err.text[0] == '\0');
        return;
    }
    char *printed = cw_step_record_print(&record, mem);
    CW_BUG_ON(printed == NULL || cw_step_record_parse(printed, mem, &again, &err) < 0);
    CW_BUG_ON(strcmp(cw_step_record_print(&again, mem), printed) != 0);
}

static void check_log(const struct cw_log *log, struct cw_arena *mem)
{
    struct cw_failure_record failure;
    struct cw_operation op;
    struct cw_verdict shorter;
    struct cw_err err = {0};
    for (size_t i = 0; i < log->step_count; i++) {
        check_record(log->steps[i].done, mem);
        check_record(log->steps[i].undone, mem);
        check_record(log->steps[i].partial, mem);
        CW_BUG_ON(cw_log_find(log, log->steps[i].name) == NULL);
    }
    for (size_t i = 0; i < log->operation_count; i++)
        (void)cw_operation_parse(log->operations[i].text, mem, &op, &err);
    if (log->failure != NULL && cw_failure_record_parse(log->failure, mem, &failure, &err) == 0)
        CW_BUG_ON(cw_failure_record_print(&failure, mem) == NULL);
    if (log->has_verdict && cw_verdict_shorten(&log->verdict, mem, &shorter, &err) == 0)
        CW_BUG_ON(shorter.record.value.n >= log->verdict.record.value.n);
}

struct play {
    struct cw_loop *loop;
    struct cw_arena *mem;
};

static int run(void *arg)
{
    const struct play *p = arg;
    struct cw_redis *redis;
    struct cw_err err = {0};
    struct cw_log log = {0};
    const struct cw_redis_cfg cfg = {.url = "redis://fuzz"};
    CW_BUG_ON(cw_redis_new(p->loop, &cfg, &redis, &err) < 0);
    const struct cw_journal journal = {.redis = redis, .retention_ms = 1000};
    const struct cw_claim claim = {"cw:{w}:job:r", "cw:{w}:lock", "1|t|w|r"};
    int r = cw_journal_claim(&journal, &claim, NULL, "verify", 1, 1, cw_in_ms(1000), p->mem, &log, &err);
    if (r == 0)
        check_log(&log, p->mem);
    else
        CW_BUG_ON(err.text[0] == '\0');
    cw_redis_free(redis);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    struct cw_err err = {0};
    struct play p = {0};
    const struct cw_sched_cfg sched = {.fibers_max = 4};
    if (cw_arena_new((size_t)256 << 20, &mem) < 0 || !make_answer(mem, data, size))
        return 0;
    world_reset(1);
    world_redis_script("journal.claim", claim_script, NULL);
    CW_BUG_ON(cw_loop_new(&sched, &p.loop, &err) < 0);
    p.mem = mem;
    (void)cw_loop_run_fiber(p.loop, "fuzz", run, &p);
    cw_loop_free(p.loop);
    world_reset(0);
    return 0;
}

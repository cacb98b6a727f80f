#include "worker/engine/journal.h"

#include "common/time.h"
#include "worker/engine/durable.h"
#include "worker/engine/refusal.h"

#define TRY_MS 5000
#define PAUSE_LEAST_MS 50
#define PAUSE_MOST_MS 2000
#define WRITE_MEM_BYTES ((size_t)64 * 1024)

static const struct cw_redis_script accept_script = {
    .name = "journal.accept",
    .lua =
        "if redis.call('HSETNX', KEYS[1], 'accepted', ARGV[1]) == 1 then\n"
        "  redis.call('HSETNX', KEYS[1], 'kind', ARGV[2])\n"
        "  redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
        "end\n"
        "local takes = redis.call('HINCRBY', KEYS[1], 'takes', 1)\n" CW_LOCK_LUA_EPOCH
        "return {redis.call('GET', KEYS[2]), takes,\n"
        "  unpack(redis.call('HMGET', KEYS[1], 'accepted', 'verdict', 'vhead', 'outcome', 'published', 'cancel', 'claims'))}\n",
};

static const struct cw_redis_script claim_script = {
    .name = "journal.claim",
    .lua = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {0} end\n"
           "redis.call('HSETNX', KEYS[1], 'accepted', ARGV[2])\n"
           "redis.call('HSETNX', KEYS[1], 'kind', ARGV[3])\n"
           "redis.call('HSETNX', KEYS[1], 'plan', ARGV[4])\n"
           "local open, mine = redis.call('HGET', KEYS[1], 'open'), false\n"
           "if open then\n"
           "  local step, holder = string.match(open, '^([^|]*)|(.*)$')\n"
           "  mine = holder == ARGV[1]\n"
           "  if not mine and holder ~= ARGV[5] then redis.call('HINCRBY', KEYS[1], 'c:' .. step, 1) end\n"
           "end\n"
           "redis.call('HSET', KEYS[1], 'open', ARGV[7] .. '|' .. ARGV[1])\n"
           "if not mine then redis.call('HINCRBY', KEYS[1], 'claims', 1) end\n"
           "redis.call('PEXPIRE', KEYS[1], ARGV[6])\n"
           "return {1, redis.call('HGETALL', KEYS[1])}\n",
};

static const struct cw_redis_script write_script = {
    .name = "journal.write",
    .lua = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {0} end\n"
           "local n = tonumber(ARGV[3])\n"
           "for i = 4, 3 + 2 * n, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end\n"
           "for i = 4 + 2 * n, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end\n"
           "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
           "return {1, redis.call('HGET', KEYS[1], 'cancel')}\n",
};

static const struct cw_redis_script verdict_script = {
    .name = "journal.verdict",
    .lua = "local cur = redis.call('HMGET', KEYS[1], 'outcome', 'verdict', 'vhead', 'claims')\n"
           "if cur[2] then return {1, cur[1], cur[2], cur[3]} end\n"
           "if KEYS[2] then\n"
           "  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {-1} end\n"
           "elseif cur[4] then return {2}\n"
           "elseif redis.call('HEXISTS', KEYS[1], 'accepted') == 0 then return {3} end\n"
           "redis.call('HSET', KEYS[1], 'outcome', ARGV[3], 'verdict', ARGV[4], 'vhead', ARGV[5])\n"
           "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
           "return {0}\n",
};

static const struct cw_redis_script replace_script = {
    .name = "journal.replace",
    .lua = "local cur = redis.call('HMGET', KEYS[1], 'outcome', 'verdict', 'vhead')\n"
           "if cur[2] and cur[2] ~= ARGV[2] then return {1, cur[1], cur[2], cur[3]} end\n"
           "redis.call('HSET', KEYS[1], 'outcome', ARGV[3], 'verdict', ARGV[4], 'vhead', ARGV[5])\n"
           "redis.call('PEXPIRE', KEYS[1], ARGV[1])\n"
           "return {0}\n",
};

static const struct cw_redis_script published_script = {
    .name = "journal.published",
    .lua =
        "if redis.call('HGET', KEYS[1], 'verdict') ~= ARGV[2] then return 0 end\n"
        "for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do\n"
        "  if string.match(field, '^[abcdfoptu]:') or field == 'open' then redis.call('HDEL', KEYS[1], field) end\n"
        "end\n"
        "redis.call('HSET', KEYS[1], 'published', '1')\n"
        "return redis.call('PEXPIRE', KEYS[1], ARGV[1])\n",
};

static const struct cw_redis_script holds_script = {
    .name = "journal.holds",
    .lua = "return redis.call('HGET', KEYS[1], 'verdict') == ARGV[1] and 1 or 0\n",
};

static const struct cw_redis_script recalled_script = {
    .name = "journal.recalled",
    .lua = "redis.call('HSETNX', KEYS[1], 'accepted', ARGV[2])\n"
           "redis.call('HSETNX', KEYS[1], 'kind', ARGV[3])\n"
           "redis.call('HSET', KEYS[1], 'outcome', ARGV[4], 'verdict', ARGV[5], 'vhead', ARGV[6])\n"
           "return redis.call('PEXPIRE', KEYS[1], ARGV[1])\n",
};

/* The flag stands before the request is known, too: whoever takes or claims it finds it. */
static const struct cw_redis_script cancel_script = {
    .name = "journal.cancel",
    .lua = "local cur = redis.call('HMGET', KEYS[1], 'outcome', 'fail', 'accepted', 'claims', 'kind')\n"
           "if cur[1] then return {2, cur[1], cur[2]} end\n"
           "if cur[5] == 'cancel' then return {4} end\n"
           "if ARGV[1] then\n"
           "  redis.call('HSETNX', KEYS[1], 'cancel', ARGV[1])\n"
           "  if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
           "end\n"
           "if not cur[3] then return {0} end\n"
           "return {cur[4] and 1 or 3}\n",
};

/* The highest run that was written, and whether somebody ended the watch: here, or before it was known, in its first request, or in the run. */
static const struct cw_redis_script watch_script = {
    .name = "journal.watch",
    .lua = "local run = tonumber(redis.call('HGET', KEYS[1], 'run') or '0')\n"
           "if ARGV[3] then\n"
           "  if run == 0 then return {0} end\n"
           "  redis.call('HSETNX', KEYS[1], 'cancel', ARGV[3])\n"
           "elseif tonumber(ARGV[1]) > run then\n"
           "  redis.call('HSET', KEYS[1], 'run', ARGV[1])\n"
           "  run = tonumber(ARGV[1])\n"
           "end\n"
           "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
           "return {run, redis.call('HGET', KEYS[1], 'cancel') or redis.call('HGET', KEYS[2], 'cancel')\n"
           "  or redis.call('HGET', KEYS[3], 'cancel')}\n",
};

char *cw_journal_key(struct cw_arena *mem, const char *workspace_key, const char *request_id)
{
    return cw_arena_printf(mem, "cw:{%s}:job:%s", workspace_key, request_id);
}

/* ---- asking Redis until it answers ------------------------------------------------------------------------------------ */

struct ask {
    const struct cw_redis_script *script;
    const char *keys[3];
    size_t key_count;
    const struct cw_str *args;
    size_t arg_count;
    bool must_outlive; /* the server: its replicas must have it, too */
};

static bool is_stopped(int r)
{
    return cw_class_is_stop(cw_err_class_of(r));
}

/* The deadline is what the caller acts on; what Redis said before says why it came to that. */
static int out_of_time(const struct cw_err *said, struct cw_err *err)
{
    const struct cw_err why = said->code != 0 ? *said : *err;
    (void)cw_err_set(err, CW_ETIMEDOUT, "journal: no answer of Redis before the deadline: %s", why.text);
    if (why.remedy[0] != '\0')
        cw_err_remedy(err, "%s", why.remedy);
    return -CW_ETIMEDOUT;
}

/* Repetition does no harm: a script that must outlive the server finds what it wrote before. */
static int eval_once(const struct cw_journal *j, const struct ask *ask, struct cw_deadline until,
                     struct cw_arena *mem, struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    int r = cw_redis_eval(j->redis, ask->script, ask->key_count, ask->keys, ask->arg_count, ask->args, until,
                          mem, ret_reply, err);
    if (r < 0 || !ask->must_outlive)
        return r;
    r = cw_durable_confirm(j->redis, j->wait_replicas, until, mem, err);
    if (r != 0)
        return CW_MIN(r, 0);
    (void)cw_err_set(err, CW_ETIMEDOUT, "Redis has it, but not %lld of its replicas",
                     (long long)j->wait_replicas);
    cw_err_remedy(err, "see INFO replication: redis.wait-replicas asks for more than there are");
    return -CW_ETIMEDOUT;
}

static int eval(const struct cw_journal *j, const struct ask *ask, struct cw_deadline until,
                struct cw_arena *mem, struct cw_redis_reply *ret_reply, struct cw_err *err)
{
    struct cw_err said = {0}; /* the last answer that was not silence */
    for (int64_t pause_ms = PAUSE_LEAST_MS;; pause_ms = CW_MIN(pause_ms * 2, (int64_t)PAUSE_MOST_MS)) {
        int r = eval_once(j, ask, cw_sooner(until, cw_in_ms(TRY_MS)), mem, ret_reply, err);
        if (r == 0)
            cw_trouble_over(j->trouble);
        if (r == 0 || is_stopped(r))
            return r < 0 ? cw_err_wrap(err, "journal") : 0;
        enum cw_refusal refusal = cw_refusal_of(err);
        if (r != -CW_ETIMEDOUT)
            said = *err;
        if (r != -CW_ENOMEM && !cw_is_past(until))
            cw_trouble_note(j->trouble, err, refusal != CW_REFUSAL_PASSES);
        if (cw_is_past(until))
            return out_of_time(&said, err);
        if (refusal == CW_REFUSAL_FINAL)
            return cw_err_wrap(err, "journal");
        r = cw_sleep(cw_sooner(until, cw_in_ms(cw_random_between(pause_ms / 2, pause_ms))));
        if (r < 0)
            return cw_err_set(err, r, "journal: stopped waiting for Redis");
    }
}

static struct cw_str number(int64_t n, char out[24])
{
    (void)snprintf(out, 24, "%lld", (long long)n);
    return cw_str_of(out);
}

static bool is_list(const struct cw_redis_reply *reply, size_t least)
{
    return reply->type == CW_REDIS_ARRAY && reply->count >= least;
}

static int unintelligible(const struct ask *ask, struct cw_err *err)
{
    return cw_err_set(err, CW_EPROTO, "unintelligible answer of %s", ask->script->name);
}

static int64_t number_of(struct cw_str z)
{
    int64_t n;
    return z.p != NULL && cw_z_to_i64(z.p, &n) ? n : 0;
}

static int read_verdict(struct cw_str outcome, struct cw_str body, struct cw_str headers,
                        struct cw_arena *mem, struct cw_verdict *ret_verdict, struct cw_err *err)
{
    if (body.p == NULL || headers.p == NULL)
        return cw_err_set(err, CW_EPROTO, "a stored verdict is incomplete");
    *ret_verdict = (struct cw_verdict){.outcome = outcome.p, .record.value = body};
    return cw_headers_parse(headers.p, mem, &ret_verdict->record, err);
}

/* ---- accept and claim ------------------------------------------------------------------------------------------------- */

int cw_journal_accept(const struct cw_journal *j, const char *workspace_key, const char *job_key,
                      const char *kind, int64_t wall_ms, struct cw_deadline until, struct cw_arena *mem,
                      struct cw_journal_peek *ret_peek, struct cw_err *err)
{
    char wall[24], ttl[24];
    const struct cw_str args[] = {number(wall_ms, wall), cw_str_of(kind), number(j->retention_ms, ttl)};
    const char *epoch_key = cw_lock_key(mem, workspace_key, "epoch");
    const char *fresh_key = cw_lock_key(mem, workspace_key, "fresh");
    const struct ask ask = {&accept_script, {job_key, epoch_key, fresh_key}, 3, args, CW_ARRAY_LEN(args),
                            false};
    struct cw_redis_reply reply;
    if (epoch_key == NULL || fresh_key == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 9))
        return unintelligible(&ask, err);
    const struct cw_redis_reply *it = reply.items + 2;
    struct cw_journal_peek peek = {
        .epoch = (uint64_t)number_of(reply.items[0].str),
        .takes = reply.items[1].num,
        .accepted_wall_ms = number_of(it[0].str),
        .has_verdict = it[1].type == CW_REDIS_STR,
        .is_published = it[4].type == CW_REDIS_STR,
        .is_claimed = it[6].type == CW_REDIS_STR,
        .cancel = it[5].type == CW_REDIS_STR ? it[5].str.p : NULL,
    };
    if (peek.has_verdict)
        r = read_verdict(it[3].str, it[1].str, it[2].str, mem, &peek.verdict, err);
    if (r == 0)
        *ret_peek = peek;
    return r;
}

static struct cw_log_step *step_of(struct cw_log *log, const char *name)
{
    for (size_t i = 0; i < log->step_count; i++) {
        if (cw_z_eq(log->steps[i].name, name))
            return &log->steps[i];
    }
    log->steps[log->step_count].name = name;
    return &log->steps[log->step_count++];
}

static void load_step_field(struct cw_log *log, const char *field, struct cw_str value)
{
    struct cw_log_step *step = step_of(log, field + 2);
    switch (field[0]) {
    case 'a':
        step->is_announced = true;
        break;
    case 'b':
        step->begun = number_of(value);
        break;
    case 'c':
        step->crashes = number_of(value);
        break;
    case 'd':
        step->done = value.p;
        break;
    case 'f':
        step->charged = number_of(value);
        break;
    case 'p':
        step->partial = value.p;
        break;
    case 't':
        step->begun_wall_ms = number_of(value);
        break;
    default:
        step->undone = value.p;
    }
}

static void load_field(struct cw_log *log, const char *field, struct cw_str value)
{
    if (field[0] != '\0' && field[1] == ':') {
        if (field[0] == 'o')
            log->operations[log->operation_count++] = (struct cw_log_operation){field + 2, value.p};
        else if (strchr("abcdfptu", field[0]) != NULL)
            load_step_field(log, field, value);
    } else if (cw_z_eq(field, "accepted"))
        log->accepted_wall_ms = number_of(value);
    else if (cw_z_eq(field, "claims"))
        log->claims = number_of(value);
    else if (cw_z_eq(field, "plan"))
        log->plan = number_of(value);
    else if (cw_z_eq(field, "cancel"))
        log->cancel = value.p;
    else if (cw_z_eq(field, "fail"))
        log->failure = value.p;
    else if (cw_z_eq(field, "published"))
        log->is_published = true;
}

static struct cw_str field_value(const struct cw_redis_reply *all, const char *field)
{
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        if (cw_str_eq_z(all->items[i].str, field))
            return all->items[i + 1].str;
    }
    return (struct cw_str){NULL, 0};
}

static int load(const struct cw_redis_reply *all, struct cw_arena *mem, struct cw_log *ret_log,
                struct cw_err *err)
{
    struct cw_log log = {
        .steps = cw_arena_alloc_array(mem, all->count / 2 + 1, sizeof *log.steps),
        .operations = cw_arena_alloc_array(mem, all->count / 2 + 1, sizeof *log.operations),
    };
    if (log.steps == NULL || log.operations == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    for (size_t i = 0; i + 1 < all->count; i += 2)
        load_field(&log, all->items[i].str.p, all->items[i + 1].str);
    struct cw_str body = field_value(all, "verdict");
    log.has_verdict = body.p != NULL;
    int r = 0;
    if (log.has_verdict)
        r = read_verdict(field_value(all, "outcome"), body, field_value(all, "vhead"), mem, &log.verdict,
                         err);
    if (r == 0)
        *ret_log = log;
    return r;
}

static int fenced(const char *job_key, struct cw_err *err)
{
    return cw_err_set(err, CW_EFENCED, "%s belongs to a newer owner", job_key);
}

int cw_journal_claim(const struct cw_journal *j, const struct cw_claim *claim, const char *former_value,
                     const char *kind, int plan_version, int64_t wall_ms, struct cw_deadline until,
                     struct cw_arena *mem, struct cw_log *ret_log, struct cw_err *err)
{
    char wall[24], plan[24], ttl[24];
    const struct cw_str args[] = {
        cw_str_of(claim->lock_value),
        number(wall_ms, wall),
        cw_str_of(kind),
        number(plan_version, plan),
        cw_str_of(former_value == NULL ? "-" : former_value),
        number(j->retention_ms, ttl),
        cw_str_of(CW_LOG_BETWEEN),
    };
    const struct ask ask = {&claim_script, {claim->job_key, claim->lock_key}, 2, args, CW_ARRAY_LEN(args),
                            true};
    struct cw_redis_reply reply;
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 1))
        return unintelligible(&ask, err);
    if (reply.items[0].num != 1)
        return fenced(claim->job_key, err);
    if (!is_list(&reply, 2) || reply.items[1].type != CW_REDIS_ARRAY)
        return unintelligible(&ask, err);
    return load(&reply.items[1], mem, ret_log, err);
}

const struct cw_log_step *cw_log_find(const struct cw_log *log, const char *step)
{
    for (size_t i = 0; i < log->step_count; i++) {
        if (cw_z_eq(log->steps[i].name, step))
            return &log->steps[i];
    }
    return NULL;
}

/* ---- changes ---------------------------------------------------------------------------------------------------------- */

int cw_journal_write(const struct cw_journal *j, const struct cw_claim *claim, const struct cw_change *change,
                     struct cw_deadline until, bool *ret_cancelled, struct cw_err *err)
{
    CW_PRE(change->set_count <= CW_CHANGE_MAX && change->del_count <= CW_CHANGE_MAX);
    struct cw_str args[3 + 3 * CW_CHANGE_MAX];
    char ttl[24], count[24];
    size_t n = 0;
    args[n++] = cw_str_of(claim->lock_value);
    args[n++] = number(j->retention_ms, ttl);
    args[n++] = number((int64_t)change->set_count, count);
    for (size_t i = 0; i < change->set_count; i++) {
        args[n++] = cw_str_of(change->set[i].name);
        args[n++] = cw_str_of(change->set[i].value);
    }
    for (size_t i = 0; i < change->del_count; i++)
        args[n++] = cw_str_of(change->del[i]);
    const struct ask ask = {&write_script, {claim->job_key, claim->lock_key}, 2, args, n, false};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(WRITE_MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    struct cw_redis_reply reply;
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 1))
        return unintelligible(&ask, err);
    if (reply.items[0].num != 1)
        return fenced(claim->job_key, err);
    if (ret_cancelled != NULL)
        *ret_cancelled = reply.count > 1 && reply.items[1].type == CW_REDIS_STR;
    return 0;
}

/* ---- verdicts --------------------------------------------------------------------------------------------------------- */

int cw_journal_verdict(const struct cw_journal *j, const struct cw_claim *claim,
                       const struct cw_verdict *verdict, struct cw_deadline until, struct cw_arena *mem,
                       struct cw_verdict *ret_verdict, enum cw_stored *ret_stored, struct cw_err *err)
{
    char ttl[24];
    const char *headers = cw_headers_print(&verdict->record, mem);
    if (headers == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a verdict");
    const struct cw_str args[] = {
        cw_str_of(claim->lock_value), number(j->retention_ms, ttl), cw_str_of(verdict->outcome),
        verdict->record.value,        cw_str_of(headers),
    };
    size_t key_count = claim->lock_key == NULL ? 1 : 2;
    const struct ask ask = {
        &verdict_script, {claim->job_key, claim->lock_key}, key_count, args, CW_ARRAY_LEN(args), true};
    struct cw_redis_reply reply;
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 1))
        return unintelligible(&ask, err);
    if (reply.items[0].num < 0)
        return fenced(claim->job_key, err);
    *ret_stored = (enum cw_stored)reply.items[0].num;
    if (*ret_stored == CW_STORED_OURS)
        *ret_verdict = *verdict;
    if (*ret_stored != CW_STORED_BEFORE)
        return 0;
    if (!is_list(&reply, 4))
        return unintelligible(&ask, err);
    return read_verdict(reply.items[1].str, reply.items[2].str, reply.items[3].str, mem, ret_verdict, err);
}

int cw_journal_replace(const struct cw_journal *j, const char *job_key, const struct cw_verdict *stored,
                       const struct cw_verdict *shorter, struct cw_deadline until, struct cw_arena *mem,
                       struct cw_verdict *ret_verdict, struct cw_err *err)
{
    char ttl[24];
    const char *headers = cw_headers_print(&shorter->record, mem);
    if (headers == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a verdict");
    const struct cw_str args[] = {number(j->retention_ms, ttl), stored->record.value,
                                  cw_str_of(shorter->outcome), shorter->record.value, cw_str_of(headers)};
    const struct ask ask = {&replace_script, {job_key}, 1, args, CW_ARRAY_LEN(args), true};
    struct cw_redis_reply reply;
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 1) || (reply.items[0].num != 0 && !is_list(&reply, 4)))
        return unintelligible(&ask, err);
    if (reply.items[0].num != 0)
        return read_verdict(reply.items[1].str, reply.items[2].str, reply.items[3].str, mem, ret_verdict,
                            err);
    *ret_verdict = *shorter;
    return 0;
}

/* One whose answer is a number. */
static int eval_number(const struct cw_journal *j, const struct ask *ask, struct cw_deadline until,
                       int64_t *ret_n, struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(WRITE_MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    struct cw_redis_reply reply;
    int r = eval(j, ask, until, mem, &reply, err);
    if (r == 0 && reply.type != CW_REDIS_INT)
        return unintelligible(ask, err);
    if (r == 0)
        *ret_n = reply.num;
    return r;
}

int cw_journal_holds(const struct cw_journal *j, const char *job_key, const struct cw_verdict *verdict,
                     struct cw_deadline until, bool *ret_holds, struct cw_err *err)
{
    const struct cw_str args[] = {verdict->record.value};
    const struct ask ask = {&holds_script, {job_key, NULL}, 1, args, CW_ARRAY_LEN(args), false};
    int64_t n = 0;
    int r = eval_number(j, &ask, until, &n, err);
    if (r == 0)
        *ret_holds = n == 1;
    return r;
}

int cw_journal_recalled(const struct cw_journal *j, const char *job_key, const char *kind,
                        const struct cw_verdict *verdict, int64_t wall_ms, struct cw_deadline until,
                        struct cw_err *err)
{
    char ttl[24], wall[24];
    int64_t n;
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(WRITE_MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    const char *headers = cw_headers_print(&verdict->record, mem);
    if (headers == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for a verdict");
    const struct cw_str args[] = {number(j->retention_ms, ttl), number(wall_ms, wall), cw_str_of(kind),
                                  cw_str_of(verdict->outcome),  verdict->record.value, cw_str_of(headers)};
    const struct ask ask = {&recalled_script, {job_key, NULL}, 1, args, CW_ARRAY_LEN(args), false};
    return eval_number(j, &ask, until, &n, err);
}

int cw_journal_age(const struct cw_journal *j, struct cw_deadline until, struct cw_durable *ret_durable,
                   struct cw_err *err)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(WRITE_MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    const struct ask ask = {&cw_durable_script, {CW_DURABLE_KEY, NULL}, 1, NULL, 0, false};
    struct cw_redis_reply reply;
    int r = eval(j, &ask, until, mem, &reply, err);
    return r < 0 ? r : cw_durable_read(&reply, ret_durable, err);
}

int cw_journal_published(const struct cw_journal *j, const char *job_key, const struct cw_verdict *verdict,
                         struct cw_deadline until, struct cw_err *err)
{
    char ttl[24];
    const struct cw_str args[] = {number(j->retention_ms, ttl), verdict->record.value};
    const struct ask ask = {&published_script, {job_key}, 1, args, CW_ARRAY_LEN(args), false};
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new(WRITE_MEM_BYTES, &mem) < 0)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    struct cw_redis_reply reply;
    return eval(j, &ask, until, mem, &reply, err);
}

int cw_journal_cancel(const struct cw_journal *j, const char *job_key, const char *reason,
                      struct cw_deadline until, struct cw_arena *mem, struct cw_target_look *ret_target,
                      struct cw_err *err)
{
    char ttl[24];
    const struct cw_str args[] = {cw_str_of(reason), number(CW_MIN(j->retention_ms, CW_TOMBSTONE_MS), ttl)};
    const struct ask ask = {&cancel_script, {job_key}, 1, args, reason == NULL ? 0 : 2, false};
    struct cw_redis_reply reply;
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 1))
        return unintelligible(&ask, err);
    *ret_target = (struct cw_target_look){.state = (enum cw_target_state)reply.items[0].num};
    if (ret_target->state != CW_TARGET_ENDED)
        return 0;
    if (!is_list(&reply, 3))
        return unintelligible(&ask, err);
    ret_target->outcome = reply.items[1].str.p;
    ret_target->failure = reply.items[2].type == CW_REDIS_STR ? reply.items[2].str.p : NULL;
    return 0;
}

static int ask_watch(const struct cw_journal *j, const struct cw_watch_key *key, int64_t run,
                     const char *reason, struct cw_deadline until, struct cw_arena *mem,
                     struct cw_watch_look *ret_watch, struct cw_err *err)
{
    char at[24], ttl[24];
    const struct cw_str args[] = {number(run, at), number(CW_MAX(j->retention_ms, CW_TOMBSTONE_MS), ttl),
                                  cw_str_of(reason)};
    const char *watch_key = cw_arena_printf(mem, "cw:{%s}:watch:%s", key->workspace_key, key->watch_id),
               *first_key = cw_journal_key(mem, key->workspace_key, key->watch_id);
    const struct ask ask = {
        &watch_script, {watch_key, first_key, key->job_key}, 3, args, reason == NULL ? 2 : 3, false};
    struct cw_redis_reply reply;
    if (watch_key == NULL || first_key == NULL)
        return cw_err_set(err, CW_ENOMEM, "no memory for the journal");
    int r = eval(j, &ask, until, mem, &reply, err);
    if (r < 0)
        return r;
    if (!is_list(&reply, 1))
        return unintelligible(&ask, err);
    *ret_watch = (struct cw_watch_look){.run = reply.items[0].num};
    if (reply.count > 1 && reply.items[1].type == CW_REDIS_STR)
        ret_watch->cancel = reply.items[1].str.p;
    return 0;
}

int cw_journal_watch(const struct cw_journal *j, const struct cw_watch_key *key, int64_t run,
                     struct cw_deadline until, struct cw_arena *mem, struct cw_watch_look *ret_watch,
                     struct cw_err *err)
{
    return ask_watch(j, key, run, NULL, until, mem, ret_watch, err);
}

int cw_journal_end_watch(const struct cw_journal *j, const struct cw_watch_key *key, const char *reason,
                         struct cw_deadline until, struct cw_arena *mem, struct cw_watch_look *ret_watch,
                         struct cw_err *err)
{
    return ask_watch(j, key, 0, reason, until, mem, ret_watch, err);
}

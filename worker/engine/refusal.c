#include "worker/engine/refusal.h"

#include "common/str.h"

static const struct {
    const char
        *word; /* begins the answer; also looked for behind "ERR", where old servers wrap a script's error */
    enum cw_refusal refusal;
    const char *remedy;
} rows[] = {
    {"OOM", CW_REFUSAL_MEND, "give Redis more memory (maxmemory); the policy must be noeviction"},
    {"MISCONF", CW_REFUSAL_MEND, "Redis can't save to its disk: see its log"},
    {"NOREPLICAS", CW_REFUSAL_MEND, "Redis lacks replicas: see min-replicas-to-write"},
    {"CLUSTERDOWN", CW_REFUSAL_MEND, "the Redis cluster does not serve all slots: see CLUSTER INFO"},
    {"TRYAGAIN", CW_REFUSAL_PASSES, NULL},
    {"BUSY", CW_REFUSAL_PASSES, NULL},
    {"MOVED", CW_REFUSAL_FINAL,
     "redis.url names one node of a cluster: name a Redis without cluster mode, or its proxy"},
    {"ASK", CW_REFUSAL_FINAL,
     "redis.url names one node of a cluster: name a Redis without cluster mode, or its proxy"},
    {"CROSSSLOT", CW_REFUSAL_FINAL, "report it: the keys of one workspace must share a hash slot"},
    {"WRONGTYPE", CW_REFUSAL_FINAL,
     "another program writes to keys that begin with cw: give the workers a database of their own"},
    {"NOPERM", CW_REFUSAL_FINAL,
     "let the Redis user run EVAL, EVALSHA, WAIT and PING on keys cw:*, see the README"},
    {"NOAUTH", CW_REFUSAL_FINAL, "check the Redis user and its password"},
    {"WRONGPASS", CW_REFUSAL_FINAL, "check the Redis user and its password"},
};

static bool is_row(const struct cw_err *err, const char *word)
{
    if (cw_z_eq(err->remote_code, word))
        return true;
    const char *at = cw_z_eq(err->remote_code, "ERR") ? strstr(err->text, word) : NULL;
    return at != NULL && at > err->text && at[-1] == ' ' && at[strlen(word)] == ' ';
}

enum cw_refusal cw_refusal_of(struct cw_err *err)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(rows); i++) {
        if (!is_row(err, rows[i].word))
            continue;
        if (rows[i].remedy != NULL && err->remedy[0] == '\0')
            cw_err_remedy(err, "%s", rows[i].remedy);
        return rows[i].refusal;
    }
    if (cw_z_eq(err->remote_code, "ERR"))
        return CW_REFUSAL_FINAL;
    bool may_pass = cw_err_class_of(err->code) == CW_CLASS_RETRY && err->code != CW_ENOMEM;
    return may_pass ? CW_REFUSAL_PASSES : CW_REFUSAL_FINAL;
}

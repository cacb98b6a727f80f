#include "worker/engine/trouble.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/time.h"

#define SAY_MS 10000

static struct cw_metric *errors(const char *name)
{
    return cw_counter("causeway_dependency_errors_total",
                      "Failures of what the worker needs, tried again, by what it was for.", "for", name);
}

void cw_trouble_init(struct cw_trouble *t, const char *name)
{
    *t = (struct cw_trouble){.name = name};
    (void)errors(name);
}

void cw_trouble_note(struct cw_trouble *t, const struct cw_err *err, bool needs_people)
{
    if (t == NULL)
        return;
    int64_t now = cw_mono_ms();
    cw_metric_add(errors(t->name), 1);
    bool is_news = t->said_mono_ms == 0 || needs_people != t->needs_people;
    t->needs_people = needs_people;
    (void)snprintf(t->reason, sizeof t->reason, "%.20s: %.140s%s%.90s", t->name, err->text,
                   err->remedy[0] == '\0' ? "" : "; ", err->remedy);
    t->unsaid++;
    if (!is_news && now - t->said_mono_ms < SAY_MS)
        return;
    cw_log(needs_people ? CW_ERROR : CW_WARN, "dependency.failed", CW_F_STR("for", t->name),
           CW_F_STR("code", cw_err_name(err->code)), CW_F_STR("text", err->text),
           CW_F_STR("remedy", err->remedy), CW_F_INT("times", t->unsaid));
    t->said_mono_ms = CW_MAX(now, INT64_C(1));
    t->unsaid = 0;
}

void cw_trouble_over(struct cw_trouble *t)
{
    if (t == NULL || t->said_mono_ms == 0)
        return;
    cw_log(CW_INFO, "dependency.works", CW_F_STR("for", t->name), CW_F_INT("times", t->unsaid));
    *t = (struct cw_trouble){.name = t->name};
}

const char *cw_trouble_reason(const struct cw_trouble *t)
{
    return t != NULL && t->needs_people ? t->reason : NULL;
}

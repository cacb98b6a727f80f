#include "common/metrics.h"

enum kind { COUNTER = 0, GAUGE, HISTOGRAM };

struct bound {
    int64_t ms;
    const char *seconds;
};

static const struct bound bounds[] = {
    {5, "0.005"},    {10, "0.01"},    {25, "0.025"},     {50, "0.05"},      {100, "0.1"},
    {250, "0.25"},   {500, "0.5"},    {1000, "1"},       {2500, "2.5"},     {5000, "5"},
    {10000, "10"},   {30000, "30"},   {60000, "60"},     {120000, "120"},   {300000, "300"},
    {600000, "600"}, {900000, "900"}, {1800000, "1800"}, {3600000, "3600"},
};

struct cw_metric {
    struct cw_metric *next; /* by name, then label value */
    char *name;
    char *help;
    char *label; /* NULL = none */
    char *label_value;
    enum kind kind;
    int64_t value; /* of a histogram: the number of observations */
    int64_t sum_ms;
    int64_t buckets[CW_ARRAY_LEN(bounds)]; /* not cumulated */
};

#define RECENT_MAX 64 /* a power of two */

static struct cw_metric *registry;
static struct cw_metric
    *recent[RECENT_MAX]; /* by where their names and label values stand: a guess, to be checked */

static bool is_name(const char *z)
{
    if (z == NULL || z[0] == '\0' || (z[0] >= '0' && z[0] <= '9'))
        return false;
    return z[strspn(z, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:")] == '\0';
}

static void free_metric(struct cw_metric *m)
{
    free(m->name);
    free(m->help);
    free(m->label);
    free(m->label_value);
    free(m);
}

static struct cw_metric *new_metric(enum kind kind, const char *name, const char *help, const char *label,
                                    const char *value)
{
    struct cw_metric *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->kind = kind;
    m->name = strdup(name);
    m->help = strdup(help == NULL ? "" : help);
    if (label != NULL) {
        m->label = strdup(label);
        m->label_value = strdup(value == NULL ? "" : value);
    }
    if (m->name == NULL || m->help == NULL ||
        (label != NULL && (m->label == NULL || m->label_value == NULL))) {
        free_metric(m);
        return NULL;
    }
    return m;
}

static int compare_labels(const struct cw_metric *m, const char *value)
{
    return strcmp(m->label_value == NULL ? "" : m->label_value, value == NULL ? "" : value);
}

static struct cw_metric **recent_place(const char *name, const char *value)
{
    uint64_t bits =
        ((uint64_t)(uintptr_t)name ^ (uint64_t)(uintptr_t)value << 7) * UINT64_C(0x9E3779B97F4A7C15);
    return &recent[bits >> 58 & (RECENT_MAX - 1)];
}

static bool is_it(const struct cw_metric *m, enum kind kind, const char *name, const char *label,
                  const char *value)
{
    return m != NULL && m->kind == kind && strcmp(m->name, name) == 0 && cw_z_eq(m->label, label) &&
           (label == NULL || compare_labels(m, value) == 0);
}

static struct cw_metric *ensure(enum kind kind, const char *name, const char *help, const char *label,
                                const char *value)
{
    CW_PRE(name != NULL);
    struct cw_metric **guess = recent_place(name, value);
    if (is_it(*guess, kind, name, label, value))
        return *guess;
    struct cw_metric **at = &registry;
    for (; *at != NULL; at = &(*at)->next) {
        int order = strcmp((*at)->name, name);
        if (order == 0) {
            CW_PRE((*at)->kind == kind && cw_z_eq((*at)->label, label));
            order = compare_labels(*at, label == NULL ? NULL : value);
        }
        if (order == 0)
            return *guess = *at;
        if (order > 0)
            break;
    }
    CW_PRE(is_name(name));
    CW_PRE(label == NULL || is_name(label));
    struct cw_metric *m = new_metric(kind, name, help, label, value);
    if (m == NULL)
        return NULL;
    m->next = *at;
    *at = m;
    return m;
}

struct cw_metric *cw_counter(const char *name, const char *help, const char *label, const char *value)
{
    return ensure(COUNTER, name, help, label, value);
}

struct cw_metric *cw_gauge(const char *name, const char *help, const char *label, const char *value)
{
    return ensure(GAUGE, name, help, label, value);
}

struct cw_metric *cw_histogram(const char *name, const char *help, const char *label, const char *value)
{
    return ensure(HISTOGRAM, name, help, label, value);
}

void cw_metric_add(struct cw_metric *m, int64_t n)
{
    if (m == NULL)
        return;
    CW_PRE(m->kind == GAUGE || (m->kind == COUNTER && n >= 0));
    if (__builtin_add_overflow(m->value, n, &m->value))
        m->value = n > 0 ? INT64_MAX : INT64_MIN;
}

void cw_metric_set(struct cw_metric *m, int64_t n)
{
    if (m == NULL)
        return;
    CW_PRE(m->kind == GAUGE);
    m->value = n;
}

void cw_metric_observe_ms(struct cw_metric *m, int64_t ms)
{
    if (m == NULL)
        return;
    CW_PRE(m->kind == HISTOGRAM);
    ms = CW_MAX(ms, (int64_t)0);
    m->value++;
    if (__builtin_add_overflow(m->sum_ms, ms, &m->sum_ms))
        m->sum_ms = INT64_MAX;
    for (size_t i = 0; i < CW_ARRAY_LEN(bounds); i++) {
        if (ms <= bounds[i].ms) {
            m->buckets[i]++;
            return;
        }
    }
}

int64_t cw_metric_value(const struct cw_metric *m)
{
    return m == NULL ? 0 : m->value;
}

static void add_escaped(struct cw_buf *out, const char *z, bool with_quotes)
{
    for (; *z != '\0'; z++) {
        if (*z == '\n')
            cw_buf_add_z(out, "\\n");
        else if (*z == '\\' || (with_quotes && *z == '"'))
            cw_buf_addf(out, "\\%c", *z);
        else
            cw_buf_add_char(out, *z);
    }
}

/* name + suffix, its labels, a space. `le` is a histogram's bound or NULL. */
static void add_series(struct cw_buf *out, const struct cw_metric *m, const char *suffix, const char *le)
{
    cw_buf_addf(out, "%s%s", m->name, suffix);
    if (m->label != NULL) {
        cw_buf_addf(out, "{%s=\"", m->label);
        add_escaped(out, m->label_value, true);
        cw_buf_add_char(out, '"');
    }
    if (le != NULL)
        cw_buf_addf(out, "%sle=\"%s\"", m->label != NULL ? "," : "{", le);
    cw_buf_add_z(out, m->label != NULL || le != NULL ? "} " : " ");
}

static void add_histogram(struct cw_buf *out, const struct cw_metric *m)
{
    int64_t cumulated = 0;
    for (size_t i = 0; i < CW_ARRAY_LEN(bounds); i++) {
        cumulated += m->buckets[i];
        add_series(out, m, "_bucket", bounds[i].seconds);
        cw_buf_addf(out, "%lld\n", (long long)cumulated);
    }
    add_series(out, m, "_bucket", "+Inf");
    cw_buf_addf(out, "%lld\n", (long long)m->value);
    add_series(out, m, "_sum", NULL);
    cw_buf_addf(out, "%lld.%03d\n", (long long)(m->sum_ms / 1000), (int)(m->sum_ms % 1000));
    add_series(out, m, "_count", NULL);
    cw_buf_addf(out, "%lld\n", (long long)m->value);
}

void cw_metrics_print(struct cw_buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *name = NULL;
    for (const struct cw_metric *m = registry; m != NULL; m = m->next) {
        if (!cw_z_eq(name, m->name)) {
            name = m->name;
            cw_buf_addf(out, "# HELP %s ", name);
            add_escaped(out, m->help, false);
            cw_buf_addf(out, "\n# TYPE %s %s\n", name, kinds[m->kind]);
        }
        if (m->kind == HISTOGRAM) {
            add_histogram(out, m);
            continue;
        }
        add_series(out, m, "", NULL);
        cw_buf_addf(out, "%lld\n", (long long)m->value);
    }
}

void cw_metrics_free_all(void)
{
    memset(recent, 0, sizeof recent);
    while (registry != NULL) {
        struct cw_metric *m = registry;
        registry = m->next;
        free_metric(m);
    }
}

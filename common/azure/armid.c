#include "common/azure/armid.h"

#include <ctype.h>

#include "common/str.h"

#define ID_SEGMENTS_MAX 24

struct segments {
    struct cw_str at[ID_SEGMENTS_MAX];
    size_t count;
};

static size_t trimmed_len(const char *z)
{
    size_t n = strlen(z);
    while (n > 1 && z[n - 1] == '/')
        n--;
    return n;
}

/* Split at '/'; false on an empty segment or too many. */
static bool split(const char *id, struct segments *out)
{
    out->count = 0;
    if (id == NULL || id[0] != '/')
        return false;
    size_t n = trimmed_len(id);
    size_t start = 1;
    for (size_t i = 1; i <= n; i++) {
        if (i < n && id[i] != '/')
            continue;
        if (i == start || out->count == ID_SEGMENTS_MAX)
            return false;
        out->at[out->count++] = (struct cw_str){id + start, i - start};
        start = i + 1;
    }
    return true;
}

static bool is_word(struct cw_str s, const char *word)
{
    if (s.n != strlen(word))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (tolower((unsigned char)s.p[i]) != tolower((unsigned char)word[i]))
            return false;
    return true;
}

/* Index of the last "providers" at an even position; 0 when there is none. */
static size_t find_provider(const struct segments *s)
{
    size_t found = 0;
    for (size_t i = 2; i + 1 < s->count; i += 2)
        if (is_word(s->at[i], "providers"))
            found = i;
    return found;
}

static bool read_type(const struct segments *s, size_t provider, struct cw_arena *mem, struct cw_armid *out)
{
    CW_AUTO(cw_buf_fini) struct cw_buf type = {0};
    for (size_t i = provider + 2; i + 1 < s->count; i += 2) {
        if (type.n > 0)
            cw_buf_add_char(&type, '/');
        cw_buf_add(&type, s->at[i].p, s->at[i].n);
    }
    out->provider = cw_arena_memdup(mem, s->at[provider + 1].p, s->at[provider + 1].n);
    out->type = cw_arena_strdup(mem, cw_buf_z(&type));
    struct cw_str last = s->at[s->count - 1];
    out->name = cw_arena_memdup(mem, last.p, last.n);
    return out->provider != NULL && out->type != NULL && out->name != NULL;
}

int cw_armid_parse(const char *id, struct cw_arena *mem, struct cw_armid *ret_id, struct cw_err *err)
{
    struct segments s;
    if (!split(id, &s) || s.count < 2 || s.count % 2 != 0 || !is_word(s.at[0], "subscriptions"))
        return cw_err_set(err, CW_EINVAL, "not a resource id: %s", id != NULL ? id : "(none)");
    struct cw_armid out = {.subscription = cw_arena_memdup(mem, s.at[1].p, s.at[1].n)};
    bool ok = out.subscription != NULL;
    if (s.count >= 4 && is_word(s.at[2], "resourceGroups")) {
        out.group = cw_arena_memdup(mem, s.at[3].p, s.at[3].n);
        ok = ok && out.group != NULL;
    }
    size_t provider = find_provider(&s);
    if (provider > 0) {
        if (provider + 4 > s.count)
            return cw_err_set(err, CW_EINVAL, "resource id without type and name: %s", id);
        ok = ok && read_type(&s, provider, mem, &out);
    } else if (s.count > (out.group != NULL ? 4U : 2U)) {
        return cw_err_set(err, CW_EINVAL, "resource id without provider: %s", id);
    }
    if (!ok)
        return cw_err_set(err, CW_ENOMEM, "resource id");
    *ret_id = out;
    return 0;
}

bool cw_armid_eq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    size_t n = trimmed_len(a);
    return n == trimmed_len(b) && strncasecmp(a, b, n) == 0;
}

bool cw_armid_is_within(const char *id, const char *parent)
{
    if (id == NULL || parent == NULL)
        return false;
    size_t n = trimmed_len(parent);
    return strncasecmp(id, parent, n) == 0 && (id[n] == '\0' || id[n] == '/');
}

const char *cw_armid_name(const char *id)
{
    if (id == NULL)
        return "";
    const char *slash = strrchr(id, '/');
    return slash != NULL ? slash + 1 : id;
}

char *cw_armid_subscription(struct cw_arena *mem, const char *subscription)
{
    return cw_arena_printf(mem, "/subscriptions/%s", subscription);
}

char *cw_armid_group(struct cw_arena *mem, const char *subscription, const char *group)
{
    return cw_arena_printf(mem, "/subscriptions/%s/resourceGroups/%s", subscription, group);
}

char *cw_armid_resource(struct cw_arena *mem, const char *subscription, const char *group, const char *type,
                        const char *name)
{
    return cw_arena_printf(mem, "/subscriptions/%s/resourceGroups/%s/providers/%s/%s", subscription, group,
                           type, name);
}

char *cw_armid_child(struct cw_arena *mem, const char *parent, const char *type, const char *name)
{
    return cw_arena_printf(mem, "%s/%s/%s", parent, type, name);
}

/* The text up to (not including) segment `index`. */
static char *head_until(struct cw_arena *mem, const char *id, const struct segments *s, size_t index)
{
    return cw_arena_memdup(mem, id, (size_t)(s->at[index].p - id) - 1);
}

char *cw_armid_parent(struct cw_arena *mem, const char *id)
{
    struct segments s;
    if (!split(id, &s) || s.count % 2 != 0)
        return NULL;
    size_t provider = find_provider(&s);
    if (provider == 0 || s.count < provider + 6)
        return NULL;
    return head_until(mem, id, &s, s.count - 2);
}

char *cw_armid_group_of(struct cw_arena *mem, const char *id)
{
    struct segments s;
    if (!split(id, &s) || s.count < 4 || !is_word(s.at[2], "resourceGroups"))
        return NULL;
    if (s.count == 4)
        return cw_arena_memdup(mem, id, trimmed_len(id));
    return head_until(mem, id, &s, 4);
}

char *cw_armid_subscription_of(struct cw_arena *mem, const char *id)
{
    struct segments s;
    if (!split(id, &s) || s.count < 2 || !is_word(s.at[0], "subscriptions"))
        return NULL;
    return cw_arena_memdup(mem, s.at[1].p, s.at[1].n);
}
